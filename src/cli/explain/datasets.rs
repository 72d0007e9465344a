//! Datasets: what can go wrong, and what helps.

use super::Entry;
use crate::model::Code;

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        code: Code::UnknownDataset,
        what: "There is no such dataset.",
        why: "A typing mistake, or it is not shared with you, or has not arrived yet.",
        next: "`syft dataset list` shows all that are here.",
    },
    Entry {
        code: Code::Ambiguous,
        what: "Several people have a dataset or a job of this name.",
        why: "Names are unique for one person only.",
        next: "Say whose: with `--owner EMAIL` for datasets, with `--from EMAIL` for jobs.",
    },
    Entry {
        code: Code::DatasetExists,
        what: "There is a dataset of this name already.",
        why: "It was made before, or a folder of that name stands there.",
        next: "Take another name, or give the old one new content with `syft dataset update NAME`, or remove it with `syft dataset delete NAME`.",
    },
    Entry {
        code: Code::InvalidDatasetName,
        what: "The name cannot be that of a dataset.",
        why: "Letters, digits, `-` and `_` can, up to a length.",
        next: "Take another name: `syft dataset create NAME --mock MOCK --private PRIVATE`.",
    },
    Entry {
        code: Code::PrivateAsMock,
        what: "A mock file has the same content as a private one. Nothing was published.",
        why: "The wrong folder was named, or the data is no secret.",
        next: "Invent the mock data; or add `--allow-same` if all may see it.",
    },
    Entry {
        code: Code::DatasetFiles,
        what: "The files cannot become a dataset.",
        why: "There are none, one is a link or a device, one has a name that other machines cannot hold, or two would have one name for the Python client.",
        next: "If there are none: look at what `--mock` and `--private` name, as empty folders hold no dataset. Else look at the file that is named; copy what a link leads to, or rename it.",
    },
    Entry {
        code: Code::DatasetDamaged,
        what: "What is here of a dataset is damaged or incomplete.",
        why: "It was edited by hand, or a disk failed.",
        next: "`syft dataset delete NAME`, then make it again; a scientist runs `syft sync --full`.",
    },
    Entry {
        code: Code::DatasetChanged,
        what: "A file of the dataset changed while it was uploaded.",
        why: "A program is still writing it.",
        next: "Wait until it is done, then `syft sync`.",
    },
    Entry {
        code: Code::DatasetNotTaken,
        what: "The files of a peer's dataset are not taken.",
        why: "They are too many, too large, or one would lead out of its folder.",
        next: "Ask the owner; nothing was written here.",
    },
    Entry {
        code: Code::DatasetGone,
        what: "A dataset of yours is gone from the drive.",
        why: "Another machine of yours deleted it, or somebody did in the web page of the drive.",
        next: "It is still here; `syft dataset delete NAME` removes it, and `syft dataset share NAME --users EMAIL` publishes it again.",
    },
    Entry {
        code: Code::DatasetIgnored,
        what: "Something that looks like a dataset was ignored.",
        why: "Its name or its owner does not fit.",
        next: "Ask the owner; nothing was written here.",
    },
    Entry {
        code: Code::DatasetNotFetched,
        what: "A dataset of a peer could not be fetched. What you have of it stays.",
        why: "The drive failed, or its files break a rule.",
        next: "Nothing: the next `syft sync` tries again; else ask the owner.",
    },
    Entry {
        code: Code::DatasetNotPublished,
        what: "A dataset of yours could not be published.",
        why: "The drive failed in between, or a file changed.",
        next: "Nothing is half published; the next `syft sync` tries again.",
    },
    Entry {
        code: Code::PrivateHalfVisible,
        what: "The private half of a dataset was not put on your drive.",
        why: "The folder `SyftBox` there is shared with somebody, or with whoever has a link, and they \
              could read it.",
        next: "Open the folder in a browser and stop sharing it as a whole: this program shares what is \
               in it one by one. Then `syft sync`.",
    },
    Entry {
        code: Code::DatasetNotRemoved,
        what: "A dataset that is gone could not be removed here.",
        why: "A program holds its files open, or the rights do not allow it.",
        next: "Close it, then `syft sync`.",
    },
    Entry {
        code: Code::DatasetNotRestored,
        what: "A dataset of yours could not be brought to this machine.",
        why: "The drive failed, or gave something else than what was uploaded; or its private half is sealed with keys that are not here.",
        next: "The next `syft sync` tries again; bring older keys with `syft keys restore --replace`.",
    },
    Entry {
        code: Code::DatasetNotShared,
        what: "A dataset could not be shared with somebody.",
        why: "The account does not exist, or an administrator forbids sharing outside.",
        next: "Look at the address, then `syft dataset share NAME --users EMAIL`.",
    },
    Entry {
        code: Code::DatasetNotDeleted,
        what: "A dataset of yours could not be deleted on the drive yet. It is noted that it is to go.",
        why: "The drive could not be reached.",
        next: "`syft sync` finishes it.",
    },
    Entry {
        code: Code::DatasetNotUpdated,
        what: "A dataset of yours could not be given its new content yet. What is there is the old content, or the new, whole.",
        why: "The disk is full or read-only.",
        next: "Make room, then `syft sync` finishes it.",
    },
    Entry {
        code: Code::PrivateHalfNotUpdated,
        what: "Another machine of yours has updated a dataset; its private half is not on the drive, so the one here may be older.",
        why: "Private halves stay on the machine where they were made, unless they are uploaded.",
        next: "Update it here too: `syft dataset update NAME --private PATH`; or upload it there with `--upload-private`.",
    },
    Entry {
        code: Code::NoPrivateHalf,
        what: "The private half of a dataset is not on this machine.",
        why: "It stays with its owner, on the machine where it was made.",
        next: "`syft dataset path NAME --mock` is what you have of it.",
    },
    Entry {
        code: Code::NothingThere,
        what: "There is nothing at the place that was asked for.",
        why: "A typing mistake, or it has not arrived yet.",
        next: "`syft sync`, then `syft dataset show NAME` for the files that there are.",
    },
    Entry {
        code: Code::OutsideSyftbox,
        what: "An address leads to no place in a SyftBox.",
        why: "It has `..` in it: somebody wrote it to lead elsewhere.",
        next: "Ask whoever gave it to you; nothing was opened.",
    },
];
