//! The own disk: what can go wrong, and what helps.

use super::Entry;
use crate::model::Code;

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        code: Code::HomeNotWritable,
        what: "Nothing can be written where the files are to lie.",
        why: "The folder belongs to somebody else, or the file system is read-only or full.",
        next: "Keep things in a folder of your own: `syft --home FOLDER doctor` tells whether one will do, and the variable `SYFT_HOME` names it for good. Or let whoever runs the machine give you this one.",
    },
    Entry {
        code: Code::DiskNearlyFull,
        what: "Little space is free on the own disk.",
        why: "Other files take it.",
        next: "Free some space, then run `syft doctor`.",
    },
    Entry {
        code: Code::Disk,
        what: "Something on the own disk could not be read or written.",
        why: "The disk is full or read-only, or the rights do not allow it.",
        next: "See whether the disk is full (`df -h`) and whether the file that is named is yours (`ls -l`); then run the command again. Nothing is lost.",
    },
    Entry {
        code: Code::DatabaseDamaged,
        what: "The state database is damaged. It is left as it is.",
        why: "The disk failed, or another program wrote into it.",
        next: "Bring back a copy if there is one; else `syft sync --rebuild` keeps it aside and learns everything anew from the drive and the disk.",
    },
    Entry {
        code: Code::DatabaseNewer,
        what: "The state database was written by a later release.",
        why: "A newer `syft` ran on this SyftBox.",
        next: "Update this one; or go back for good with `syft sync --rebuild`, which keeps the newer one aside.",
    },
    Entry {
        code: Code::DatabaseSetAside,
        what: "The state database was set aside while this program had it open. Nothing was done.",
        why: "`syft sync --rebuild` ran at the same time.",
        next: "Run the command again: it works with the new one.",
    },
    Entry {
        code: Code::SuddenlyEmpty,
        what: "All or most files of a datasite are gone at once. Nothing was sent or written.",
        why: "A disk that is not mounted, a folder moved, or a clean-up that went too far.",
        next: "Mount the disk or put the files back, then `syft sync`. If it is meant: `syft sync --force` deletes them for everybody.",
    },
    Entry {
        code: Code::DatasiteNotRead,
        what: "The files of one datasite could not be looked at, so nothing was sent of it.",
        why: "The rights of the folder, or a disk with errors.",
        next: "Make the folder readable for yourself, as `ls -l` shows whether it is, or mend the disk; the next `syft sync` tries again.",
    },
    Entry {
        code: Code::FileNotRead,
        what: "A file could not be looked at. What others have of it stays.",
        why: "Its rights, a lock of another program, or a disk with errors.",
        next: "Make it readable, then `syft sync`.",
    },
    Entry {
        code: Code::FileChanging,
        what: "A file changed while it was read, so it was left for later.",
        why: "A program is still writing it.",
        next: "Nothing: the next `syft sync` takes it.",
    },
    Entry {
        code: Code::FileCannotTravel,
        what: "A file cannot be sent, by its name or its size. It is told once.",
        why: "Names with `..`, control characters or more than 255 bytes cannot lie on every machine, and a message has a greatest size.",
        next: "Give it another name, or split it; then `syft sync`.",
    },
    Entry {
        code: Code::LinkNotFollowed,
        what: "Where a file was there is a link, a device or a pipe now. The file is not deleted for others.",
        why: "Links are not followed: they may lead to anything.",
        next: "Put a file there, or remove the link to delete it for everybody; then `syft sync`.",
    },
    Entry {
        code: Code::NameClash,
        what: "Two names are one and the same on this file system.",
        why: "They differ in capitals or accents only, which some machines do not tell apart.",
        next: "Rename one of them, then `syft sync`.",
    },
    Entry {
        code: Code::NotWritten,
        what: "A file that arrived could not be written here. It is kept and tried again.",
        why: "A folder stands where the file belongs, the disk is full, or the rights do not allow it.",
        next: "Look at the path that is named, make room, then `syft sync`.",
    },
    Entry {
        code: Code::NotSynced,
        what: "A file is not on disk as it was announced.",
        why: "It was edited after the last sync.",
        next: "Run `syft sync`, then the command again.",
    },
];
