//! Which problems of a sync a person hears of, when, and in which words: the one list of them, for
//! notices, for syncs that nobody watches, and for a watch.
//!
//! The problem's own text may quote what a peer wrote, and paths; so a notice has a sentence of ours
//! for each code that needs one, and names the command that shows the rest.

use std::time::Duration;

use super::Stage;
use crate::model::Code;

/// How much a problem needs a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Care {
    /// Nothing goes on until somebody decides.
    Decide,
    /// Somebody should look at it.
    Look,
    /// The next sync mostly does not have it.
    Passing,
    /// It was put right, or nothing can be done: for who reads what a sync did.
    Note,
}

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
const NOW: &[(Code, &str)] = &[
    (
        Code::KeyChanged,
        "the keys of {} have changed; nothing goes to or from them until you accept them",
    ),
    (
        Code::NotEncrypted,
        "{} offers no keys, and you require encryption; nothing goes to or from them",
    ),
    (
        Code::MessageNotSealed,
        "a message of {} is not encrypted where it should be; it was set aside",
    ),
    (Code::KeysMissing, "this machine lacks the keys of your account; it sends and takes nothing"),
    (
        Code::KeysReplaced,
        "your keys were replaced on another machine; this one sends and takes nothing",
    ),
    (Code::KeyFile, "the key file of this machine cannot be used; it sends and takes nothing"),
    (Code::SuddenlyEmpty, "files are gone as by an accident; nothing was sent or deleted"),
    (
        Code::SignedOut,
        "the sign-in of this machine has ended; nothing is synced until you sign in again",
    ),
    (
        Code::SignIn,
        "the sign-in of this machine does not work; nothing is synced until you sign in again",
    ),
    (Code::DriveFull, "the drive is full; nothing is sent until there is room"),
    (Code::DatabaseDamaged, "the state database of this machine cannot be read; nothing is synced"),
    (Code::DatabaseNewer, "a newer `syft` has changed the state database; this one syncs nothing"),
    (Code::OwnFile, "a file of your account on the drive is not understood; nothing is synced"),
    (
        Code::LogPruned,
        "this machine missed events that are gone from the log; it restores once there is a checkpoint",
    ),
    (
        Code::VersionIncompatible,
        "the program of {} does not fit yours; nothing goes to or from them",
    ),
    (
        Code::ForgedRequest,
        "somebody made a folder on the drive in the name of another; it is ignored",
    ),
    (
        Code::ServeSettings,
        "the settings of `syft serve` cannot be read; it goes on with those before",
    ),
];

/// What is no use to tell while nobody looks.
const NOTE: &[Code] = &[
    Code::DatasetGone,
    Code::FileCannotTravel,
    Code::HomeMadeAnew,
    Code::LinkNotFollowed,
    Code::Locked,
    Code::MailboxGone,
    Code::PeerMended,
];

/// What the next sync mostly does not have.
const PASSING: &[Code] = &[
    Code::CheckpointNotMade,
    Code::DatasetNotFetched,
    Code::DatasetNotPublished,
    Code::DatasetNotRemoved,
    Code::DatasetNotRestored,
    Code::DatasetNotShared,
    Code::DeletionNotSent,
    Code::FileChanging,
    Code::FoldersNotMerged,
    Code::JobFoldersNotMade,
    Code::KeysNotPublished,
    Code::KeysNotWithdrawn,
    Code::LogNotPruned,
    Code::MessageNotRead,
    Code::NotArchived,
    Code::NotSent,
    Code::NotTold,
    Code::OutboxNotCompacted,
    Code::PeerNotMended,
    Code::PeerNotOpened,
    Code::PeersNotRead,
    Code::PeersNotTold,
    Code::VersionNotRead,
];

/// Returns how much the problem `code` needs a person.
pub fn care(code: Code) -> Care {
    if NOW.iter().any(|(known, _)| *known == code) {
        Care::Decide
    } else if NOTE.contains(&code) {
        Care::Note
    } else if PASSING.contains(&code) {
        Care::Passing
    } else {
        Care::Look
    }
}

/// Returns how soon a person who does not look hears of the problem `code`.
pub fn urgency(code: Code) -> Urgency {
    match care(code) {
        Care::Decide => Urgency::Now,
        Care::Look | Care::Passing => Urgency::IfItLasts,
        Care::Note => Urgency::Never,
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
    let known = NOW.iter().find(|(known, _)| known.as_str() == code);
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
        "serve-settings" => "syft notify show",
        "version-incompatible" => "syft peer list",
        _ => "syft sync",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_problem_is_in_one_list_at_most() {
        let decide = NOW.iter().map(|(code, _)| *code);
        let all: Vec<Code> =
            decide.chain(NOTE.iter().copied()).chain(PASSING.iter().copied()).collect();
        let once: std::collections::BTreeSet<Code> = all.iter().copied().collect();
        assert_eq!(all.len(), once.len(), "{all:?}");
    }

    #[test]
    fn how_much_a_problem_needs_a_person_says_when_one_hears_of_it() {
        #[rustfmt::skip]
        let cases = [
            (Code::KeyChanged,      Care::Decide,  Urgency::Now),
            (Code::SignedOut,       Care::Decide,  Urgency::Now),
            (Code::RulesNotUsable,  Care::Look,    Urgency::IfItLasts),
            (Code::NotSent,         Care::Passing, Urgency::IfItLasts),
            (Code::FileChanging,    Care::Passing, Urgency::IfItLasts),
            (Code::PeerMended,      Care::Note,    Urgency::Never),
            (Code::LinkNotFollowed, Care::Note,    Urgency::Never),
        ];
        for (code, cared, told) in cases {
            assert_eq!((care(code), urgency(code)), (cared, told), "{code:?}");
        }
    }
}
