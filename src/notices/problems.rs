//! Which problems of a sync a person hears of, when, and in which words.
//!
//! The problem's own text may quote what a peer wrote, and paths; so a notice has a sentence of ours
//! for each code that needs one, and names the command that shows the rest.

use std::time::Duration;

use super::Stage;

/// How soon a person hears of a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// At once: nothing goes on until somebody decides.
    Now,
    /// Once it has lasted for hours: it may pass by itself.
    IfItLasts,
    /// Never: it was put right, or nothing can be done.
    Never,
}

/// How long a problem that may pass may last.
const PATIENCE: Duration = Duration::from_secs(6 * 3600);

/// What a person has to decide about, with what is said of it. `{}` stands for a person.
const NOW: &[(&str, &str)] = &[
    (
        "key-changed",
        "the keys of {} have changed; nothing goes to or from them until you accept them",
    ),
    (
        "not-encrypted",
        "{} offers no keys, and you require encryption; nothing goes to or from them",
    ),
    ("message-not-sealed", "a message of {} is not encrypted where it should be; it was set aside"),
    ("keys-missing", "this machine lacks the keys of your account; it sends and takes nothing"),
    (
        "keys-replaced",
        "your keys were replaced on another machine; this one sends and takes nothing",
    ),
    ("key-file", "the key file of this machine cannot be used; it sends and takes nothing"),
    ("suddenly-empty", "files are gone as by an accident; nothing was sent or deleted"),
    (
        "signed-out",
        "the sign-in of this machine has ended; nothing is synced until you sign in again",
    ),
    (
        "sign-in",
        "the sign-in of this machine does not work; nothing is synced until you sign in again",
    ),
    ("drive-full", "the drive is full; nothing is sent until there is room"),
    ("database-damaged", "the state database of this machine cannot be read; nothing is synced"),
    ("database-newer", "a newer `syft` has changed the state database; this one syncs nothing"),
    ("own-file", "a file of your account on the drive is not understood; nothing is synced"),
    (
        "log-pruned",
        "this machine missed events that are gone from the log; it restores once there is a checkpoint",
    ),
    ("version-incompatible", "the program of {} does not fit yours; nothing goes to or from them"),
    ("forged-request", "somebody made a folder on the drive in the name of another; it is ignored"),
    (
        "settings-broken",
        "the settings of `syft serve` cannot be read; it goes on with those before",
    ),
];

/// What is no use to tell.
const NEVER: &[&str] = &[
    "dataset-gone",
    "file-cannot-travel",
    "file-changing",
    "home-made-anew",
    "link-not-followed",
    "locked",
    "mailbox-gone",
    "peer-mended",
];

/// Returns how soon a person hears of the problem `code`.
pub fn urgency(code: &str) -> Urgency {
    if NOW.iter().any(|(known, _)| *known == code) {
        Urgency::Now
    } else if NEVER.contains(&code) {
        Urgency::Never
    } else {
        Urgency::IfItLasts
    }
}

impl Urgency {
    /// Returns when it is told; `None`: never.
    pub const fn stage(self) -> Option<Stage> {
        match self {
            Self::Now => Some(Stage::Waits),
            Self::IfItLasts => Some(Stage::Lasts(PATIENCE)),
            Self::Never => None,
        }
    }
}

/// Returns what is said of the problem `code`, which is somebody's if `person` says so.
pub(super) fn sentence(code: &str, person: Option<&str>) -> String {
    let known = NOW.iter().find(|(known, _)| *known == code);
    match (known, person) {
        (Some((_, words)), _) => words.replace("{}", person.unwrap_or("somebody")),
        (None, Some(person)) => format!("the problem `{code}` with {person} has lasted for hours"),
        (None, None) => format!("the problem `{code}` has lasted for hours"),
    }
}

/// Returns the command that helps, or that shows more.
pub(super) fn command(code: &str) -> &'static str {
    match code {
        "key-changed" | "not-encrypted" | "message-not-sealed" => "syft peer list",
        "keys-missing" | "keys-replaced" | "key-file" => "syft keys show",
        "settings-broken" => "syft notify show",
        "version-incompatible" => "syft peer list",
        _ => "syft sync",
    }
}
