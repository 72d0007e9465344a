//! Keys and encryption: what can go wrong, and what helps.

use super::Entry;
use crate::model::Code;

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        code: Code::NoKeys,
        what: "This account has no keys on this machine.",
        why: "None were made, or they are on another machine.",
        next: "Make some with `syft keys create`, or bring yours with `syft keys restore`.",
    },
    Entry {
        code: Code::KeysExist,
        what: "There are keys on this machine already.",
        why: "A second `create` would replace them, and what is sealed for them could not be opened.",
        next: "`syft keys show` shows them; `syft keys rotate` makes new ones and keeps the old for reading.",
    },
    Entry {
        code: Code::NoRecoveryWords,
        what: "These keys have no recovery words.",
        why: "They came from a file of the Python client, which makes none.",
        next: "`syft keys export FILE` makes a backup of them.",
    },
    Entry {
        code: Code::KeysNotOffered,
        what: "The peer has published no keys.",
        why: "They have not run `syft keys create` yet, or it has not arrived.",
        next: "Ask them, then run `syft sync`.",
    },
    Entry {
        code: Code::FingerprintMismatch,
        what: "The fingerprint is not that of the keys that the peer published.",
        why: "A typing mistake; or somebody put other keys in their place.",
        next: "Run `syft sync`, and compare once more with what `syft keys show` tells them, by telephone or face to face.",
    },
    Entry {
        code: Code::InvalidKeys,
        what: "The words are no recovery words, or the text no key.",
        why: "A word is missing, misspelt or in another place: the last one checks the others.",
        next: "24 words with blanks between them, or 64 hexadecimal digits: `syft keys restore`.",
    },
    Entry {
        code: Code::KeyFile,
        what: "The key file cannot be used.",
        why: "Others may read it, it is damaged, or it is some other file.",
        next: "`chmod 600` it if that is what it says. Else take a file of `syft keys export FILE`, or `crypto_keys.json` of the Python client: `syft keys import FILE`.",
    },
    Entry {
        code: Code::KeysMissing,
        what: "This account is encrypted, and keys that are needed are not on this machine.",
        why: "They were made on another machine.",
        next: "Bring them with `syft keys restore` and the 24 words, or with `syft keys import FILE`; if all are lost, `syft keys create --replace-lost`.",
    },
    Entry {
        code: Code::KeysReplaced,
        what: "Another machine of this account uses other keys.",
        why: "They were changed there, with `syft keys rotate` for instance.",
        next: "Bring those with `syft keys import --replace FILE`, or with `syft keys restore --replace` and their words.",
    },
    Entry {
        code: Code::KeyChanged,
        what: "The keys of a peer are not those that were accepted. Nothing is exchanged with this peer.",
        why: "They have a new machine, or somebody pretends to be them.",
        next: "Ask them for their fingerprint, by telephone or face to face; if it is the one that is published now: `syft keys trust EMAIL --fingerprint FINGERPRINT`.",
    },
    Entry {
        code: Code::NotEncrypted,
        what: "You demand encryption, and this peer has no keys. Nothing is exchanged with this peer.",
        why: "They have not run `syft keys create`.",
        next: "Ask them to, or allow it with `syft keys trust EMAIL --unencrypted`.",
    },
    Entry {
        code: Code::NotCompared,
        what: "Nobody has compared the keys that are published in the name of this peer. Nothing is exchanged with this peer.",
        why: "In a bucket anybody who has an access key can publish keys in anybody's name.",
        next: "Ask them for their fingerprint, by telephone or face to face; they see it with `syft keys show`. Then `syft keys trust EMAIL --fingerprint FINGERPRINT`.",
    },
    Entry {
        code: Code::EncryptionDemanded,
        what: "Where the files of this account are, nothing goes unencrypted.",
        why: "In a bucket anybody who has an access key can write in anybody's name, so everything is sealed and signed.",
        next: "Work encrypted with everybody: `syft keys trust EMAIL --fingerprint FINGERPRINT`; or log in to a drive of another kind.",
    },
    Entry {
        code: Code::MessageNotSealed,
        what: "A message came in plain from a peer with whom you work encrypted. It was set aside.",
        why: "They switched encryption off, or somebody pretends to be them.",
        next: "If they say that it is so: `syft keys trust EMAIL --unencrypted`; what was set aside is then looked at again.",
    },
    Entry {
        code: Code::NotSealed,
        what: "A file of our own on the drive is not sealed, no sealed checkpoint includes it, and it was not used. A message is kept in quarantine.",
        why: "A machine of yours works without the keys, or somebody else put the file there.",
        next: "If a machine of yours works without keys, bring them to it, `syft keys export FILE` here and `syft keys import FILE` there, and let it sync: what it says is then taken in. If there is none, somebody put the file there.",
    },
    Entry {
        code: Code::LogNotOpened,
        what: "Messages of your own event log are sealed with keys that are not on this machine. They wait, and until they can be read this machine makes no checkpoint.",
        why: "Another machine of yours has newer keys, or somebody put the files there.",
        next: "If another machine of yours has newer keys: `syft keys export FILE` there, `syft keys import --replace FILE` here. If none has, delete the file on the drive.",
    },
    Entry {
        code: Code::CheckpointNotOpened,
        what: "A checkpoint of your own is sealed with keys that are not on this machine, and was not used.",
        why: "Another machine of yours has newer keys, or somebody put the file there.",
        next: "If another machine of yours has newer keys: `syft keys export FILE` there, `syft keys import --replace FILE` here. If none has, delete the file on the drive.",
    },
    Entry {
        code: Code::NotSealedFor,
        what: "Nothing can be sealed for the keys that a peer publishes. What is to go to this peer waits.",
        why: "The other side has a defect, or bad intentions.",
        next: "Ask them to make other keys, with `syft keys rotate`.",
    },
    Entry {
        code: Code::PrivateHalfNotResealed,
        what: "You have new keys, and uploaded private halves of datasets are not all sealed with them yet.",
        why: "The drive failed in between.",
        next: "Nothing: the next `syft sync` goes on. Until then they open with the old keys, which are kept.",
    },
    Entry {
        code: Code::SealedFileNotUsable,
        what: "A sealed file of our own cannot be opened, and was not used.",
        why: "It is damaged, or was sealed by somebody else.",
        next: "If it was made with older keys of yours: `syft keys restore --replace` with their words.",
    },
    Entry {
        code: Code::KeysNotUsable,
        what: "The keys that a peer published are no keys.",
        why: "The other side has a defect, or bad intentions.",
        next: "Ask them to publish them again with `syft sync`.",
    },
    Entry {
        code: Code::KeysNotSeen,
        what: "A peer seals its messages, and its keys were not seen yet. The messages wait.",
        why: "The keys are on their way.",
        next: "Nothing: the next `syft sync` looks again. If it stays, ask them to run `syft sync`.",
    },
    Entry {
        code: Code::KeysNotRead,
        what: "The keys of a peer could not be fetched.",
        why: "The drive failed in between.",
        next: "Nothing: those that were accepted stay, and the next `syft sync` looks again.",
    },
    Entry {
        code: Code::KeysNotPublished,
        what: "Your keys could not be published for a peer.",
        why: "The drive failed in between.",
        next: "Nothing: the next `syft sync` tries again.",
    },
    Entry {
        code: Code::KeysNotWithdrawn,
        what: "Keys that you published could not be taken back.",
        why: "The drive failed in between.",
        next: "Nothing: the next `syft sync` tries again.",
    },
];
