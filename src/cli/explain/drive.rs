//! The drive: what can go wrong, and what helps.

use super::Entry;
use crate::model::Code;

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        code: Code::Drive,
        what: "The drive did something that nobody expected.",
        why: "The answer fits nothing that the program knows.",
        next: "Run the command again; if it stays, `syft --verbose sync` shows what was asked and answered.",
    },
    Entry {
        code: Code::DriveAnswer,
        what: "The drive sent an answer that cannot be understood.",
        why: "Something between here and the drive answers in its place: a proxy, or the sign-in page of a network.",
        next: "Open the address of the drive in a browser on this machine: if a page of the network asks you to sign in, do so, then run `syft sync`. If not, `syft --verbose sync` shows what was answered, for whoever runs the drive.",
    },
    Entry {
        code: Code::DriveFileGone,
        what: "A file on the drive is gone, or is no longer shared with this account.",
        why: "Its owner deleted it or took back the share while the command ran.",
        next: "Run `syft sync`, which looks anew at what is there.",
    },
    Entry {
        code: Code::OrphanNotDeleted,
        what: "Something on the drive that nothing needs could not be deleted.",
        why: "The drive does not let this account delete it, or was not to be reached.",
        next: "Run `syft orphans` again: it shows what is left, and does no harm where it is.",
    },
    Entry {
        code: Code::SignedOut,
        what: "The drive does not accept the sign-in of this account any more. Nothing is lost.",
        why: "It was revoked or has ended: a Google app in *Testing* ends each sign-in after 7 days.",
        next: "Sign in again: `syft login-do --email EMAIL` or `syft login-ds --email EMAIL`.",
    },
    Entry {
        code: Code::Denied,
        what: "The drive does not let this account do that.",
        why: "The owner of the file took back the right, or an administrator forbids it.",
        next: "`syft peer list` shows with whom you work; ask whoever owns the file, or your administrator.",
    },
    Entry {
        code: Code::NoBucket,
        what: "There is no such bucket at the object store.",
        why: "It is spelled otherwise, lies with another account, or was deleted.",
        next: "Make it, or log in again with the right address: `syft login-do --email EMAIL --s3 s3://bucket/prefix`.",
    },
    Entry {
        code: Code::WrongRegion,
        what: "The bucket is in another region than was said.",
        why: "Without `--region` it is that of the variable `AWS_REGION`, else `us-east-1`.",
        next: "Log in again with `--region`; whoever made the bucket knows it.",
    },
    Entry {
        code: Code::StoreUnsuitable,
        what: "The object store does not keep to the condition `If-None-Match` of a write, without which two writers would undo each other.",
        why: "It is an old release, or one of the few stores that never do.",
        next: "Update it, or take another whose documentation names conditional writes (`If-None-Match` with PUT), which Amazon S3 has by its own word; `syft login-do` tries it.",
    },
    Entry {
        code: Code::RateLimited,
        what: "The drive asks for fewer requests.",
        why: "Too many in a short time, by several programs with the same account or project; one `syft` alone slows down by itself, and waits for as long as the drive asks.",
        next: "Wait a few minutes, then run the command again; it goes on where it stopped.",
    },
    Entry {
        code: Code::Unavailable,
        what: "The drive could not be reached, or failed. It was tried several times. Nothing is lost.",
        why: "No network, a wrong address, or the service is down.",
        next: "`syft doctor` tells what is in the way: the network, the address or the drive. Then run the command again.",
    },
    Entry {
        code: Code::Slow,
        what: "The drive answers slowly.",
        why: "A slow network, or a drive that is far away or busy.",
        next: "Each sync takes that long for each request; `syft --verbose sync` shows them.",
    },
    Entry {
        code: Code::DriveFull,
        what: "The account has no space left on the drive.",
        why: "Its quota is used up, perhaps by other files.",
        next: "Free some space in the web page of the drive and empty its bin, then `syft sync`.",
    },
    Entry {
        code: Code::FileTooLarge,
        what: "A file on the drive has more bytes than are taken.",
        why: "It is no message of a `syft`, or one beyond all limits.",
        next: "Ask whoever sent it for smaller files.",
    },
    Entry {
        code: Code::OwnFile,
        what: "A file of ours on the drive is not what we write. Nothing was changed.",
        why: "Somebody, or another program, wrote into the folder `SyftBox` of this account.",
        next: "Look at it in the web page of the drive and delete it there; `syft sync` then writes it anew.",
    },
    Entry {
        code: Code::HomeMadeAnew,
        what: "The folder of this account on the drive was gone and was made again.",
        why: "Somebody deleted it in the web page of the drive.",
        next: "Nothing: all that was agreed is sent again. If you deleted it on purpose, use `syft delete` the next time.",
    },
    Entry {
        code: Code::FoldersNotMerged,
        what: "There are two folders of one name on the drive, and they could not be made one yet.",
        why: "Two machines began at the very same moment.",
        next: "Nothing: the next `syft sync` tries again.",
    },
    Entry {
        code: Code::CheckpointTooLarge,
        what: "A checkpoint would be larger than any machine reads.",
        why: "Very many or very large files in the datasite. The event log goes on saying it all.",
        next: "Move large files into a dataset: `syft dataset create NAME --mock MOCK --private PRIVATE`.",
    },
    Entry {
        code: Code::CheckpointNotMade,
        what: "No checkpoint could be made.",
        why: "The drive failed while it was written.",
        next: "Nothing is lost; the next `syft sync` tries again, or `syft checkpoint create`.",
    },
    Entry {
        code: Code::CheckpointNotUsable,
        what: "A checkpoint on the drive cannot be used, and was passed over.",
        why: "It was damaged, or names another account.",
        next: "`syft checkpoint create` on a machine that has everything writes a new one.",
    },
    Entry {
        code: Code::LogPruned,
        what: "A part of the event log is gone that this machine has not read.",
        why: "Another machine of yours shortened it with `syft sync --prune-log` while this one was away.",
        next: "Run `syft checkpoint create` on the other machine, then `syft sync` here.",
    },
    Entry {
        code: Code::LogNotPruned,
        what: "The event log was not shortened.",
        why: "What it would take away is not yet in a checkpoint of this machine, or a peer lacks something.",
        next: "`syft checkpoint status` says what is missing.",
    },
    Entry {
        code: Code::OutboxNotCompacted,
        what: "What waits for a peer could not be made shorter.",
        why: "The drive failed while it was rewritten.",
        next: "Nothing: peers can read what is there, and the next `syft sync` tries again.",
    },
    Entry {
        code: Code::NotArchived,
        what: "A message that was taken in could not be moved away.",
        why: "The drive failed in between.",
        next: "Nothing: the next `syft sync` moves it, and it is not taken in twice.",
    },
    Entry {
        code: Code::RollingStateNotSent,
        what: "The short form of the event log could not be written.",
        why: "The drive failed in between.",
        next: "Nothing: it is a convenience for new machines, and the next `syft sync` writes it.",
    },
];
