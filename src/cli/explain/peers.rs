//! Other people: what can go wrong, and what helps.

use super::Entry;
use crate::model::Code;

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        code: Code::UnknownPeer,
        what: "This person is not among your peers.",
        why: "A typing mistake, or nobody asked yet.",
        next: "`syft peer list` shows your peers; `syft peer add EMAIL` asks somebody.",
    },
    Entry {
        code: Code::NoRequest,
        what: "This person has made no request that you could answer.",
        why: "The request has not arrived yet, or was answered already.",
        next: "Run `syft sync` if it is new, or ask yourself with `syft peer add EMAIL`.",
    },
    Entry {
        code: Code::OwnAccount,
        what: "The address is that of your own account.",
        why: "An account cannot be its own peer.",
        next: "Name the address of the other side: `syft peer add EMAIL`.",
    },
    Entry {
        code: Code::VersionUnknown,
        what: "It is not known yet which version the other side runs.",
        why: "They have not logged in yet, or their version file cannot be read.",
        next: "Run `syft sync` once they have logged in, or add `--force` to the command.",
    },
    Entry {
        code: Code::VersionMismatch,
        what: "The other side runs a version that does not work with this one.",
        why: "One of both is too old.",
        next: "`syft peer list` shows both versions; one of you has to update.",
    },
    Entry {
        code: Code::VersionIncompatible,
        what: "The other side runs a version that does not work with this one, so nothing is exchanged with it.",
        why: "One of both is too old.",
        next: "`syft peer list` shows both versions; one of you has to update. Others are not held up.",
    },
    Entry {
        code: Code::VersionNotRead,
        what: "The version of a peer could not be read.",
        why: "Its file is damaged, or the drive failed.",
        next: "Nothing: the version that was known stays, and the next `syft sync` looks again.",
    },
    Entry {
        code: Code::ForgedRequest,
        what: "Somebody pretended to be somebody else in a request. It was ignored.",
        why: "The owner of a file is not who its name says.",
        next: "Nothing has to be done; tell the person whose name was used.",
    },
    Entry {
        code: Code::PeerNotOpened,
        what: "The folders for a peer could not be made.",
        why: "The drive failed in between.",
        next: "Nothing: the next `syft sync` tries again.",
    },
    Entry {
        code: Code::PeerNotMended,
        what: "Something of ours for a peer is gone from the drive and could not be made again.",
        why: "The drive failed in between.",
        next: "Nothing: the next `syft sync` tries again.",
    },
    Entry {
        code: Code::PeerMended,
        what: "Something of ours for a peer was gone from the drive and was made again.",
        why: "Somebody deleted it in the web page of the drive.",
        next: "Nothing: what was in it is sent again.",
    },
    Entry {
        code: Code::PeersNotRead,
        what: "The list of your peers on the drive could not be read.",
        why: "It was damaged, or the drive failed.",
        next: "Nothing: what this machine knows stays, and the next `syft sync` looks again.",
    },
    Entry {
        code: Code::PeersNotTold,
        what: "Not every peer could be told of the deletion.",
        why: "The drive failed in between.",
        next: "Run `syft delete` again, or tell them yourself.",
    },
    Entry {
        code: Code::MailboxGone,
        what: "The folder into which messages for a peer go is gone.",
        why: "The peer deleted its SyftBox, or left.",
        next: "`syft peer list` shows how you stand; `syft peer add EMAIL` asks again.",
    },
    Entry {
        code: Code::MessageNotRead,
        what: "A message could not be fetched. It waits.",
        why: "The drive failed in between.",
        next: "Nothing: the next `syft sync` fetches it. Messages of others are not held up.",
    },
    Entry {
        code: Code::MessageQuarantined,
        what: "A message breaks a rule. It was set aside with the reason.",
        why: "The other side has a defect, another protocol, or bad intentions.",
        next: "Look into the folder `quarantine` beside the SyftBox, and ask the sender.",
    },
    Entry {
        code: Code::QuarantineFull,
        what: "One sender sent so much nonsense that the oldest of it goes.",
        why: "The other side has a defect, or bad intentions.",
        next: "`syft peer reject EMAIL` ends it; others are not concerned.",
    },
    Entry {
        code: Code::EventNotUsable,
        what: "A part of a message breaks a rule and was left out.",
        why: "The other side has a defect, or bad intentions.",
        next: "Ask the sender; the rest of the message was taken.",
    },
    Entry {
        code: Code::EventForOtherDatasite,
        what: "An owner sent changes of somebody else's datasite. They were ignored.",
        why: "The other side has a defect, or bad intentions.",
        next: "Ask the sender; nothing was changed here.",
    },
    Entry {
        code: Code::RulesNotUsable,
        what: "A rule file cannot be used, so nobody but the owner may do anything below it.",
        why: "It is not the YAML that rules are written in.",
        next: "`syft perm explain PATH --user EMAIL` shows what holds; correct the file, then `syft sync`.",
    },
    Entry {
        code: Code::PermissionNotChanged,
        what: "The rule could not be changed.",
        why: "The rule file says something that this command cannot express, or the path is none.",
        next: "`syft perm explain PATH --user EMAIL` shows what holds; edit the rule file by hand where the command cannot.",
    },
    Entry {
        code: Code::NotSent,
        what: "Something is kept here and was not sent yet.",
        why: "The drive failed in between.",
        next: "`syft sync` sends it. It is not lost, also if the machine is switched off.",
    },
    Entry {
        code: Code::DeletionNotSent,
        what: "A deletion was not sent to the owner yet.",
        why: "What was deleted is not known to be the newest, or the drive failed.",
        next: "Run `syft sync` again.",
    },
    Entry {
        code: Code::PeerDeparted,
        what: "A peer has deleted its SyftBox. Its files and datasets are gone from here, but for what you had changed.",
        why: "They have left, or begin anew.",
        next: "If they begin anew, they ask again, or you do: `syft peer add EMAIL`.",
    },
];
