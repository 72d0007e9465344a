//! The drive server: what can go wrong, and what helps.

use super::Entry;
use crate::model::Code;

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        code: Code::InUse,
        what: "The data folder is served by another process.",
        why: "A second server on the same folder.",
        next: "Stop the other one, or give another `--data`.",
    },
    Entry {
        code: Code::Listen,
        what: "The server cannot listen on this address.",
        why: "Another program does, or the address is not one of this machine.",
        next: "Give another `--listen`; port 0 takes a free one: `syft drive serve --data FOLDER --listen 127.0.0.1:0`.",
    },
    Entry {
        code: Code::NotAnEmail,
        what: "The name of an account is no e-mail address.",
        why: "A typing mistake.",
        next: "`syft drive account add EMAIL --data FOLDER`.",
    },
    Entry {
        code: Code::BadToken,
        what: "The token cannot be used.",
        why: "It belongs to another account, or is too short to be a secret.",
        next: "Leave `--token` away, and a good one is made: `syft drive account add EMAIL --data FOLDER`.",
    },
    Entry {
        code: Code::Folder,
        what: "A file or folder of the server cannot be used.",
        why: "Its rights, or a disk that is full or read-only.",
        next: "Look at the path that is named, and at `df -h`.",
    },
    Entry {
        code: Code::DriveServer,
        what: "The database of the server fails.",
        why: "The disk is full, or failed.",
        next: "Look at `df -h`; then start it again. What was answered with success is on the disk.",
    },
];
