//! Jobs: what can go wrong, and what helps.

use super::Entry;
use crate::model::Code;

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        code: Code::UnknownJob,
        what: "There is no such job.",
        why: "A typing mistake, or it has not arrived yet.",
        next: "`syft job list` shows all jobs.",
    },
    Entry {
        code: Code::JobExists,
        what: "There is a job of this name already.",
        why: "It was submitted before.",
        next: "Give it another name: `syft job submit PATH --to EMAIL --name NAME`.",
    },
    Entry {
        code: Code::InvalidJobName,
        what: "The name cannot be that of a job.",
        why: "Letters, digits, `-`, `_` and `.` can, up to a length.",
        next: "Give it another one: `syft job submit PATH --to EMAIL --name NAME`.",
    },
    Entry {
        code: Code::InvalidSubmission,
        what: "What is to be submitted is no job.",
        why: "The entry point is missing or ambiguous, a file has a name that cannot travel, or it is too large.",
        next: "`syft job submit --help` says what a job is.",
    },
    Entry {
        code: Code::DoubtfulSubmission,
        what: "The job was not sent, since it looks as if it would not work, or as if it held a secret.",
        why: "Its code cannot be read, it names a dataset that its owner does not show, or a file looks like a password or a key.",
        next: "Mend what was told, and send it again; `syft job submit PATH --to EMAIL --force` sends it as it is.",
    },
    Entry {
        code: Code::TryFailed,
        what: "The job failed on mock data, or did not leave what is expected of it. Nothing was sent.",
        why: "An error in the code, a package that is missing, or outputs of another name.",
        next: "`syft job try PATH --to EMAIL` shows what it prints; `syft job submit PATH --to EMAIL` without `--try` sends it all the same.",
    },
    Entry {
        code: Code::TimedOut,
        what: "What was waited for has not happened yet. Nothing was changed.",
        why: "The owner has not decided, or the job has not run.",
        next: "`syft job wait NAME` waits on; `syft job show NAME` says where it stands.",
    },
    Entry {
        code: Code::FileExists,
        what: "A file would have been replaced, so nothing was written.",
        why: "It was copied before, or something else has its name.",
        next: "Name another folder: `syft job outputs NAME --to DIR`; `--force` replaces files.",
    },
    Entry {
        code: Code::JobUnusable,
        what: "What was submitted breaks a rule, so nothing is done with it.",
        why: "It was changed by hand, or by another program.",
        next: "`syft job show NAME` says what is wrong; ask its submitter to send it again.",
    },
    Entry {
        code: Code::JobRefused,
        what: "The job is not in a state in which this can be done.",
        why: "It is decided, running, or done already.",
        next: "`syft job show NAME` says where it stands.",
    },
    Entry {
        code: Code::JobNotApprovedHere,
        what: "Nobody on this machine approved the job as it is.",
        why: "It was approved on another machine, or its state file was written by somebody else.",
        next: "Look at it with `syft job show NAME`, then `syft job approve NAME`.",
    },
    Entry {
        code: Code::JobChanged,
        what: "The job changed after it was looked at or approved. It was not run.",
        why: "Its submitter, or somebody with write access, changed a file of it.",
        next: "`syft job show NAME` shows what changed; then `syft job approve NAME`.",
    },
    Entry {
        code: Code::JobFileUnknown,
        what: "The job has no such file.",
        why: "A typing mistake: files are named as they are listed, such as `code/main.py`.",
        next: "`syft job show NAME --no-code` lists its files.",
    },
    Entry {
        code: Code::UnknownStanding,
        what: "No standing approval is called so, or more than one.",
        why: "A typing mistake, or too few digits.",
        next: "`syft job allowed` lists them.",
    },
    Entry {
        code: Code::InvalidStanding,
        what: "No standing approval can be made like this.",
        why: "It would be for too long or too much, a parameter file could hold code, or the job itself would not fit.",
        next: "`syft job allow --help` says what one is.",
    },
    Entry {
        code: Code::JobsNotAdmitted,
        what: "Jobs that a standing approval may let run were not looked at. They wait.",
        why: "The record of its uses could not be written, or a dataset could not be looked at.",
        next: "Nothing: the next `syft sync` tries again; `syft job approve NAME` approves one by hand.",
    },
    Entry {
        code: Code::NoSuchResult,
        what: "The job left no file or folder of that name. Nothing was released.",
        why: "A path below `outputs/` is misspelled, or the job was run again since.",
        next: "See what it left with `syft job show NAME`.",
    },
    Entry {
        code: Code::ResultChanged,
        what: "A result is not what was shown. Nothing was released.",
        why: "Somebody changed or removed a file of the results, or the job was run again.",
        next: "Look again with `syft job release NAME --dry-run`.",
    },
    Entry {
        code: Code::JobBusy,
        what: "Another process runs this very job.",
        why: "A second `syft job run` at the same time.",
        next: "Wait until the other run has ended (`syft job list` shows it), or end it with `syft job cancel NAME`.",
    },
    Entry {
        code: Code::JobRunsElsewhere,
        what: "Another machine of yours runs the job, or did when it went down. Nothing was changed.",
        why: "A run can be ended by the machine that began it, and by no other.",
        next: "Cancel it on that machine. If it is gone for good, `syft job cancel NAME --elsewhere` says that the job has failed, so that it can run again.",
    },
    Entry {
        code: Code::JobNotStopped,
        what: "A job was cancelled, and the process that runs it has not ended it.",
        why: "That process is stopped itself, or this machine is very slow.",
        next: "Nothing: it ends the job as soon as it can, and `syft job list` shows that. If it is stuck, end it by its number: its jobs end with it, and the next `syft sync` settles them.",
    },
    Entry {
        code: Code::Job,
        what: "Something could not be done with a job.",
        why: "A file of the job could not be read or written.",
        next: "`syft job show NAME` says where it stands.",
    },
    Entry {
        code: Code::NoSandbox,
        what: "This machine cannot confine jobs, so none was run.",
        why: "bubblewrap is missing, or the system does not allow user namespaces.",
        next: "Install it (`apt install bubblewrap`). `syft job run NAME --no-sandbox` runs the job with all your rights: only for code that you trust with everything.",
    },
    Entry {
        code: Code::NoPython,
        what: "No Python was found that could run the job.",
        why: "None is installed, or it is too old, or not in PATH.",
        next: "Install one, or put its folder into PATH.",
    },
    Entry {
        code: Code::JobsNotReceived,
        what: "Jobs that arrived could not be looked at.",
        why: "A file of them could not be read.",
        next: "Nothing: the next `syft sync` tries again.",
    },
    Entry {
        code: Code::JobsNotRecovered,
        what: "Jobs that were running when the machine stopped could not be closed.",
        why: "A file of them could not be written.",
        next: "Nothing: the next `syft sync` tries again; `syft job list` shows how they stand.",
    },
    Entry {
        code: Code::JobNotClosed,
        what: "A job that was cut off could not be closed.",
        why: "A file of it could not be written.",
        next: "Nothing: the next `syft sync` tries again.",
    },
    Entry {
        code: Code::JobFoldersNotMade,
        what: "The folders into which a peer may send jobs could not be made.",
        why: "The disk is full, or something stands in their place.",
        next: "Look at the path that is named; the next `syft sync` tries again.",
    },
];
