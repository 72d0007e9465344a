//! The service of an account: what can go wrong, and what helps.

use super::Entry;
use crate::model::Code;

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        code: Code::ServeSettings,
        what: "The settings of `syft serve` cannot be used.",
        why: "`serve.toml`, or the file with the password beside it, was edited by hand, or other users of the machine can read it. A service that runs goes on with the settings before.",
        next: "Mend or remove the file that the message names; `syft notify set email --help` and `syft auto-approve add --help` say how it is written anew, `syft notify show` whether it is good.",
    },
    Entry {
        code: Code::BadSetting,
        what: "What somebody is to be told by cannot be used.",
        why: "A webhook that is neither https nor on this machine, a password that would travel in clear, an address that mail cannot be sent to.",
        next: "Say it differently; `syft notify set --help` shows examples.",
    },
    Entry {
        code: Code::NobodyTold,
        what: "Nobody is told anything, or not this way.",
        why: "Nothing was set yet, or another way.",
        next: "`syft notify show` says who is told what, `syft notify set --help` how to change it.",
    },
    Entry {
        code: Code::NotTold,
        what: "What there was to tell could not be sent this way yet. It is kept and tried again.",
        why: "The mail server, the webhook or the command did not take it.",
        next: "`syft notify show` says why, `syft notify test` tries it now.",
    },
    Entry {
        code: Code::NoPassword,
        what: "There is no password, and nobody who could type it.",
        why: "The command runs where there is no terminal, or nothing was typed.",
        next: "Put it into the first line of a file and name that with `--password-file`; see `syft notify set email --help`.",
    },
    Entry {
        code: Code::NoProgram,
        what: "There is no such program to tell.",
        why: "A typing mistake, or it is not in the variable PATH, or it may not be executed.",
        next: "Name its whole path: `syft notify set command -- /usr/bin/logger`.",
    },
    Entry {
        code: Code::OpenToAll,
        what: "Anybody could get an address that the rule means.",
        why: "The domain is that of a public mail provider.",
        next: "Name people one by one: `syft auto-approve add EMAIL`. If you mean everybody, say `--everybody`.",
    },
    Entry {
        code: Code::UnknownRule,
        what: "There is no such rule for whom to approve.",
        why: "It was taken back already, or is written differently.",
        next: "`syft auto-approve list` shows all rules.",
    },
];
