//! Accounts and this machine: what can go wrong, and what helps.

use super::Entry;
use crate::model::Code;

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        code: Code::NotLoggedIn,
        what: "No account is logged in here, or not the one that was named.",
        why: "Nothing was set up on this machine yet, or `--home`, `SYFT_HOME`, `--email` or `SYFT_EMAIL` point elsewhere.",
        next: "`syft status` shows who is logged in and where. `syft login-do --email EMAIL` logs a data owner in, `syft login-ds --email EMAIL` a data scientist; `syft demo` shows how it works without any account.",
    },
    Entry {
        code: Code::SeveralAccounts,
        what: "Several accounts are logged in, and the command does not say which one is meant.",
        why: "Two people, or two roles of one person, use the same configuration.",
        next: "Name one: `syft --email EMAIL status`, or set the variable `SYFT_EMAIL`.",
    },
    Entry {
        code: Code::WrongAccount,
        what: "The sign-in belongs to another account than the one that was named.",
        why: "In the browser another account was chosen, or the token file is that of somebody else.",
        next: "Sign in again as the right one: `syft login-do --email EMAIL` or `syft login-ds --email EMAIL`.",
    },
    Entry {
        code: Code::WrongRole,
        what: "Only the other side can do this: the owner of the data, or the scientist.",
        why: "The command is the owner's and the account is a scientist's, or the reverse.",
        next: "`syft status` says which role each account has; name the other one with `--email`.",
    },
    Entry {
        code: Code::Locked,
        what: "Another `syft` works on the same SyftBox.",
        why: "A sync from cron or `syft sync --watch` is under way. Only one may work on a SyftBox at a time, so that none undoes the other's work.",
        next: "Wait, or let `syft sync --wait` wait for it. A process that died holds no lock.",
    },
    Entry {
        code: Code::Configuration,
        what: "A file of the configuration cannot be used.",
        why: "It was edited by hand, cut off, or written by a later release.",
        next: "Log in again, which writes it anew: `syft login-do --email EMAIL` or `syft login-ds --email EMAIL`. No data is lost by it.",
    },
    Entry {
        code: Code::Settings,
        what: "The file `settings.toml` in the folder of the configuration cannot be used.",
        why: "It holds a word that no setting has, or a value of another kind.",
        next: "Correct it or remove it; it may say `pre_sync = false`, so that `syft status` and other commands that only show something do not sync first.",
    },
    Entry {
        code: Code::ServiceNoManager,
        what: "Neither a systemd of this user nor `crontab` answers on this machine.",
        why: "It is a container, or a session without the system's services, as after `su`.",
        next: "Install cron, log in to the machine directly, or let something else that starts programs run `syft sync --watch`.",
    },
    Entry {
        code: Code::ServiceNotOurs,
        what: "A unit of the name that the service would have was not written by it, so it was left alone.",
        why: "Somebody edited its first line, or made a unit of this name by hand.",
        next: "Look at the file, move it away if nobody needs it, and run `syft service install` again.",
    },
    Entry {
        code: Code::ServiceUnfit,
        what: "A path cannot be written into a unit or a crontab so that it is read back as it is.",
        why: "It holds a backslash or a line break, is no UTF-8, or is too long for a line of a crontab.",
        next: "Take another folder, with `--home` or in `SYFT_HOME`; a crontab takes fewer characters than systemd, see `syft service install --help`.",
    },
    Entry {
        code: Code::ServiceProgram,
        what: "A program of the system could not install, remove or show the service; what was written of it is removed again.",
        why: "`systemctl` or `crontab` refused, and the message says why.",
        next: "Do what the message says and repeat the command; `syft service install --dry-run` shows what would be written, and `--cron` does without systemd.",
    },
    Entry {
        code: Code::NoHome,
        what: "The home folder of this user is not known.",
        why: "A service or cron runs without the variable HOME.",
        next: "Say where things are: `syft --home FOLDER status`, or set `SYFT_HOME`.",
    },
    Entry {
        code: Code::SignIn,
        what: "Signing in did not work.",
        why: "It was cancelled, the code was for another attempt, or the provider turned it down.",
        next: "Sign in again: `syft login-do --email EMAIL` or `syft login-ds --email EMAIL`; with `--no-browser` if the browser is on another machine.",
    },
    Entry {
        code: Code::BadAddress,
        what: "What was given as the address of the drive is no address.",
        why: "A typing mistake, or the `http://` is missing.",
        next: "Ask whoever runs the drive; it begins with `http://` or `https://`, as `http://127.0.0.1:8420` or `https://drive.example.org`.",
    },
    Entry {
        code: Code::Usage,
        what: "The command line is wrong.",
        why: "An option that does not exist, or one that is missing.",
        next: "`syft help` lists all commands, and each has `--help`.",
    },
    Entry {
        code: Code::Interrupted,
        what: "The command was interrupted.",
        why: "Ctrl-C, or the machine shuts down.",
        next: "Run it again; it goes on where it stopped, and nothing is lost.",
    },
    Entry {
        code: Code::NotConfirmed,
        what: "Nothing was done, because nobody confirmed it.",
        why: "The answer to the question was not what it asked for, or there is no terminal to ask on.",
        next: "Run it again and answer, or confirm on the command line with `--yes` where the command has it.",
    },
    Entry {
        code: Code::File,
        what: "A file or folder that was named cannot be used.",
        why: "It is not there, may not be read, is something else than expected, or is in the way.",
        next: "See whether it is where you think and spelled like that; `ls -l` shows who may read it. Then run the command again.",
    },
    Entry {
        code: Code::Stdin,
        what: "Standard input could not be read.",
        why: "It was closed, or holds more than is taken.",
        next: "Give the text through a pipe or a file: `syft perm check --stdin-json < requests.json`.",
    },
    Entry {
        code: Code::Json,
        what: "The text is not the JSON that the command reads.",
        why: "A field is missing or has another type.",
        next: "It is meant for programs; `syft perm check --help` shows the form, and `syft perm check PATH --user EMAIL` asks for one file.",
    },
    Entry {
        code: Code::Runtime,
        what: "The program could not start.",
        why: "The system gives no more threads or files to this user.",
        next: "End other programs, or log in to the machine anew, then run the command again; where many work on it, show the message to whoever runs it.",
    },
    Entry {
        code: Code::NotEmpty,
        what: "The folder is not empty.",
        why: "The demonstration writes into an empty folder only.",
        next: "Name a new one: `syft demo --keep FOLDER`.",
    },
    Entry {
        code: Code::Demo,
        what: "The demonstration did not do what it shows.",
        why: "Something on this machine keeps jobs from running, or the program has a defect.",
        next: "Run `syft demo --keep FOLDER` and look at what it left there; report it with the output.",
    },
    Entry {
        code: Code::Leak,
        what: "A private value was found where it must not be.",
        why: "This is a defect of the program.",
        next: "Stop using it and report this, with the output of `syft --version`.",
    },
    Entry {
        code: Code::DeletionBegun,
        what: "A deletion was begun and not finished; until it is, nothing is synced.",
        why: "It was interrupted, or the drive could not be reached.",
        next: "`syft delete` again finishes it; `syft sync --anew` goes on with what is left.",
    },
    Entry {
        code: Code::Deleted,
        what: "The SyftBox was deleted on the drive. What is on this machine stays, and nothing is put there again by itself.",
        why: "Somebody ran `syft delete` here.",
        next: "`syft sync --anew` puts it there again with what is on this machine; `syft delete --local-only` deletes that as well.",
    },
];
