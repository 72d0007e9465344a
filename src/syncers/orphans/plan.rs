//! Decides what of ours on the drive nothing needs any more.
//!
//! Pure. A file is left over only where each of these is so: the service says that it is ours; its
//! name is exactly one that a client gives; it lies where a client would put such a thing, or
//! nowhere; nothing that this machine knows names it; it is old enough that no other machine is at
//! work on it; and there is a reason of [`Why`] for which nobody will look for it. Whatever is in
//! doubt stays: a file too many costs space, a file too few may be somebody's work.

use crate::model::Email;
use crate::wire::names::{FileName, FolderName, PEERS_FILE, VERSION_FILE};

/// How old something must be: no machine takes a day from making a file to naming it.
pub const AGE_MIN_MICROS: i64 = 24 * 3600 * 1_000_000;

/// How old a proposal must be, and a pack of chunks: a machine that knows of its own deletes them after a
/// week, and sends a message after its packs within that.
pub const PROPOSAL_AGE_MIN_MICROS: i64 = 8 * AGE_MIN_MICROS;

/// Something of ours, and what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate<'a> {
    /// Its name.
    pub name: &'a str,
    /// True for a folder.
    pub is_folder: bool,
    /// True if the service says that this account owns it.
    pub is_mine: bool,
    /// True if the journal, a record or a reservation of this machine names it.
    pub is_named_here: bool,
    /// How long ago the service made it.
    pub age_micros: i64,
    /// Where it lies.
    pub place: Place,
    /// What is known of it besides.
    pub about: About,
}

/// Where something lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In no folder that this account can see, or in one that the service says is gone.
    Nowhere,
    /// Directly in a SyftBox folder of ours.
    Root,
    /// In our folder of published keys.
    Bundles,
    /// Somewhere else: where it belongs, or where its owner put it.
    Elsewhere,
}

/// What is known of one thing, beside what all have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum About {
    /// Nothing.
    #[default]
    Nothing,
    /// Another one, of the same purpose, is the one that counts.
    Double {
        /// How long ago the service made that.
        other_age_micros: i64,
        /// True if somebody can see this one and not the other.
        is_shown_alone: bool,
        /// True if all that this one says is in the other, or of no use any more.
        is_taken_over: bool,
    },
    /// It is a folder for messages.
    Mailbox {
        /// True if the list of our peers was read, as it is now.
        is_certain: bool,
        /// True if the person is on it, whatever the state.
        is_peer: bool,
        /// Messages in it that somebody has not looked at yet.
        waiting: usize,
    },
    /// It is a pack of chunks beside messages of ours. All were read, and none names it.
    NotNamed,
}

/// Why nothing needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// The folder in which it lay is gone, or no longer shows itself to us.
    FolderGone,
    /// A message that an owner has dealt with and put away where nobody reads it.
    Answered,
    /// A second copy of a file of which there is one.
    SecondCopy,
    /// A newer collection of the same dataset has taken its place.
    Replaced,
    /// A folder for messages with somebody who is no peer, with nothing waiting in it.
    NoPeer,
    /// A pack of chunks that no message names.
    NotNamed,
}

impl Why {
    /// Returns the name for programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FolderGone => "folder-gone",
            Self::Answered => "answered",
            Self::SecondCopy => "second-copy",
            Self::Replaced => "replaced",
            Self::NoPeer => "no-peer",
            Self::NotNamed => "not-named",
        }
    }
}

/// Returns why nothing needs it; `None` if something may.
pub fn why(me: &Email, it: &Candidate<'_>) -> Option<Why> {
    if !it.is_mine || it.is_named_here || it.age_micros < AGE_MIN_MICROS {
        return None;
    }
    if it.is_folder { folder(me, it) } else { file(me, it) }
}

fn file(me: &Email, it: &Candidate<'_>) -> Option<Why> {
    let name = FileName::parse(it.name)?;
    match (name, it.place) {
        (FileName::Proposal(_) | FileName::ChunkedProposals(_), Place::Nowhere) => {
            (it.age_micros >= PROPOSAL_AGE_MIN_MICROS).then_some(Why::Answered)
        }
        (
            FileName::Events(_)
            | FileName::Checkpoint(_)
            | FileName::Incremental(_)
            | FileName::RollingState(_)
            | FileName::Pruned(_)
            | FileName::ChunkedEvents(_),
            Place::Nowhere,
        ) => Some(Why::FolderGone),
        // It may belong to a proposal.
        (FileName::Pack(_), Place::Nowhere) => {
            (it.age_micros >= PROPOSAL_AGE_MIN_MICROS).then_some(Why::FolderGone)
        }
        (FileName::Pack(_), Place::Elsewhere) if it.about == About::NotNamed => {
            (it.age_micros >= PROPOSAL_AGE_MIN_MICROS).then_some(Why::NotNamed)
        }
        (FileName::Bundle(name), Place::Bundles) if name.owner.is_same_account(me.as_str()) => {
            is_second(it.about).then_some(Why::SecondCopy)
        }
        (FileName::Peers, Place::Root) => {
            debug_assert_eq!(it.name, PEERS_FILE);
            is_second(it.about).then_some(Why::SecondCopy)
        }
        (FileName::Version, Place::Root) => {
            debug_assert_eq!(it.name, VERSION_FILE);
            is_second(it.about).then_some(Why::SecondCopy)
        }
        _ => None,
    }
}

fn folder(me: &Email, it: &Candidate<'_>) -> Option<Why> {
    match (FolderName::parse(it.name)?, it.about, it.place) {
        (FolderName::Collection(_), about, Place::Root) => {
            is_second(about).then_some(Why::Replaced)
        }
        (
            FolderName::P2p(name),
            About::Mailbox { is_certain: true, is_peer: false, waiting: 0 },
            Place::Root,
        ) if name.peer.is_same_account(me.as_str()) => Some(Why::NoPeer),
        _ => None,
    }
}

/// True if the other one has been there as long as everything must be.
const fn is_second(about: About) -> bool {
    matches!(
        about,
        About::Double { other_age_micros, is_shown_alone: false, is_taken_over: true }
            if other_age_micros >= AGE_MIN_MICROS
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: &str = "me@example.org";
    const DAY: i64 = AGE_MIN_MICROS;
    const EVENTS: &str =
        "syfteventsmessagev3_1780000001.5_11111111-2222-4333-8444-555555555555.tar.gz";
    const PROPOSAL: &str = "msgv2_1780000001.5_11111111-2222-4333-8444-555555555555.tar.gz";
    const CHUNKED_EVENTS: &str =
        "chunkedevents-1780000001.5-11111111-2222-4333-8444-555555555555.tar.gz";
    const CHUNKED_PROPOSALS: &str =
        "chunkedproposals-1780000001.5-11111111-2222-4333-8444-555555555555.tar.gz";
    const PACK: &str = "chunks-11111111-2222-4333-8444-555555555555";
    const BUNDLE: &str = "encryption_bundle_me@example.org_for_ann@example.org.json";
    const INBOX: &str = "syft_datasite#0.1.117#ann@example.org#inbox#me@example.org";
    const DATASET: &str = "syft_datasetcollection_census_0123456789ab";

    fn it(name: &str, is_folder: bool, place: Place, about: About) -> Candidate<'_> {
        let (is_mine, is_named_here) = (true, false);
        Candidate { name, is_folder, is_mine, is_named_here, age_micros: 9 * DAY, place, about }
    }

    fn double(other_days: i64, is_shown_alone: bool, is_taken_over: bool) -> About {
        About::Double { other_age_micros: other_days * DAY, is_shown_alone, is_taken_over }
    }

    fn mailbox(is_certain: bool, is_peer: bool, waiting: usize) -> About {
        About::Mailbox { is_certain, is_peer, waiting }
    }

    #[test]
    fn w16_what_nothing_needs_is_left_over_and_all_else_is_not() {
        use About::Nothing;
        use Place::{Bundles, Elsewhere, Nowhere, Root};
        const FILE: bool = false;
        const FOLDER: bool = true;
        let (second, fresh) = (double(2, false, true), double(0, false, true));
        let (shown, more) = (double(2, true, true), double(2, false, false));
        #[rustfmt::skip]
        let cases = [
            // name                            kind    place      what is known            why
            (EVENTS,                           FILE,   Nowhere,   Nothing,                 Some(Why::FolderGone)),
            (EVENTS,                           FILE,   Elsewhere, Nothing,                 None),
            (EVENTS,                           FILE,   Root,      Nothing,                 None),
            (EVENTS,                           FOLDER, Nowhere,   Nothing,                 None),
            (PROPOSAL,                         FILE,   Nowhere,   Nothing,                 Some(Why::Answered)),
            (PROPOSAL,                         FILE,   Elsewhere, Nothing,                 None),
            ("msgv2_01.5_x.tar.gz",            FILE,   Nowhere,   Nothing,                 None),
            ("msgv2_1.5_x.tar.gz (1)",         FILE,   Nowhere,   Nothing,                 None),
            ("checkpoint_1.5.tar.gz",          FILE,   Nowhere,   Nothing,                 Some(Why::FolderGone)),
            ("checkpoint_model.pt",            FILE,   Nowhere,   Nothing,                 None),
            ("incremental_checkpoint_1_1.5.tar.gz", FILE, Nowhere, Nothing,                Some(Why::FolderGone)),
            ("rolling_state_1.5.tar.gz",       FILE,   Nowhere,   Nothing,                 Some(Why::FolderGone)),
            ("log_pruned_1.5",                 FILE,   Nowhere,   Nothing,                 Some(Why::FolderGone)),
            ("thesis.pdf",                     FILE,   Nowhere,   Nothing,                 None),
            ("thesis.pdf",                     FILE,   Root,      second,                  None),
            (PEERS_FILE,                       FILE,   Nowhere,   second,                  None),
            (PEERS_FILE,                       FILE,   Root,      second,                  Some(Why::SecondCopy)),
            (PEERS_FILE,                       FILE,   Root,      more,                    None),
            (PEERS_FILE,                       FILE,   Root,      fresh,                   None),
            (PEERS_FILE,                       FILE,   Elsewhere, second,                  None),
            (VERSION_FILE,                     FILE,   Root,      Nothing,                 None),
            (VERSION_FILE,                     FILE,   Root,      second,                  Some(Why::SecondCopy)),
            (VERSION_FILE,                     FILE,   Root,      shown,                   None),
            (VERSION_FILE,                     FILE,   Nowhere,   second,                  None),
            (BUNDLE,                           FILE,   Nowhere,   Nothing,                 None),
            (BUNDLE,                           FILE,   Nowhere,   second,                  None),
            (BUNDLE,                           FILE,   Bundles,   second,                  Some(Why::SecondCopy)),
            (BUNDLE,                           FILE,   Bundles,   shown,                   None),
            ("encryption_bundle_ann@example.org_for_me@example.org.json", FILE, Bundles, second, None),
            (DATASET,                          FOLDER, Root,      Nothing,                 None),
            (DATASET,                          FOLDER, Root,      second,                  Some(Why::Replaced)),
            (DATASET,                          FOLDER, Root,      fresh,                   None),
            (DATASET,                          FOLDER, Root,      shown,                   None),
            (DATASET,                          FOLDER, Elsewhere, second,                  None),
            (INBOX,                            FOLDER, Root,      mailbox(true, false, 0), Some(Why::NoPeer)),
            (INBOX,                            FOLDER, Root,      mailbox(true, false, 1), None),
            (INBOX,                            FOLDER, Root,      mailbox(true, true, 0),  None),
            (INBOX,                            FOLDER, Root,      mailbox(false, false, 0), None),
            (INBOX,                            FOLDER, Nowhere,   mailbox(true, false, 0), None),
            ("syft_datasite#0.1.117#me@example.org#inbox#ann@example.org", FOLDER, Root, mailbox(true, false, 0), None),
            ("SyftBox",                        FOLDER, Root,      second,                  None),
            ("SyftBox",                        FOLDER, Nowhere,   Nothing,                 None),
            ("holiday",                        FOLDER, Root,      second,                  None),
        ];
        check(&cases);
    }

    #[test]
    fn w16_packs_that_nothing_names_are_left_over_and_messages_are_not() {
        use About::{NotNamed, Nothing};
        use Place::{Elsewhere, Nowhere};
        const FILE: bool = false;
        const FOLDER: bool = true;
        #[rustfmt::skip]
        let cases = [
            // name                            kind    place      what is known            why
            (CHUNKED_EVENTS,                   FILE,   Nowhere,   Nothing,                 Some(Why::FolderGone)),
            (CHUNKED_PROPOSALS,                FILE,   Nowhere,   Nothing,                 Some(Why::Answered)),
            (PACK,                             FILE,   Nowhere,   Nothing,                 Some(Why::FolderGone)),
            (PACK,                             FILE,   Elsewhere, Nothing,                 None),
            (PACK,                             FILE,   Elsewhere, NotNamed,                Some(Why::NotNamed)),
            (PACK,                             FOLDER, Elsewhere, NotNamed,                None),
            (CHUNKED_EVENTS,                   FILE,   Elsewhere, NotNamed,                None),
            (EVENTS,                           FILE,   Elsewhere, NotNamed,                None),
            ("chunks-of-cake",                 FILE,   Elsewhere, NotNamed,                None),
            ("chunks-of-cake",                 FILE,   Nowhere,   Nothing,                 None),
        ];
        check(&cases);
    }

    /// What is to be thought of each.
    fn check(cases: &[(&str, bool, Place, About, Option<Why>)]) {
        let me = Email::parse(ME).unwrap();
        for (name, is_folder, place, about, expected) in cases.iter().cloned() {
            let it = it(name, is_folder, place, about);
            assert_eq!(why(&me, &it), expected, "{it:?}");
            // Whatever it is: another's, one that is named here, or a young one stays.
            for spared in [
                Candidate { is_mine: false, ..it.clone() },
                Candidate { is_named_here: true, ..it.clone() },
                Candidate { age_micros: DAY - 1, ..it.clone() },
                Candidate { age_micros: i64::MIN, ..it.clone() },
            ] {
                assert_eq!(why(&me, &spared), None, "{spared:?}");
            }
        }
    }

    #[test]
    fn what_its_own_machine_deletes_is_left_to_it_for_days() {
        let me = Email::parse(ME).unwrap();
        for name in [PROPOSAL, CHUNKED_PROPOSALS, PACK] {
            let nowhere = it(name, false, Place::Nowhere, About::Nothing);
            let young = Candidate { age_micros: 7 * DAY, ..nowhere };
            assert_eq!(why(&me, &young), None, "{name}");
            let beside = Candidate { place: Place::Elsewhere, about: About::NotNamed, ..young };
            assert_eq!(why(&me, &beside), None, "{name}");
        }
    }
}
