//! Decides what a reader does with the state of a file that an owner sent.
//!
//! Pure, and used wherever a remote state meets a local file: at a scientist that pulls, and at an
//! owner that takes in what another machine of the same account did. Three ways are compared: what
//! was agreed last, what stands on disk, what arrives. A local edit is never lost: a scientist's is
//! kept aside, an owner's stays where it is and is announced again.

use std::collections::BTreeSet;

use crate::model::{Digest, Timestamp};

/// What stands on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Local {
    /// No file.
    Absent,
    /// A file with this content.
    Holds(Digest),
    /// Something that could not be read.
    Unknown,
}

impl Local {
    fn is(self, digest: Option<Digest>) -> bool {
        match self {
            Self::Absent => digest.is_none(),
            Self::Holds(held) => digest == Some(held),
            Self::Unknown => false,
        }
    }
}

/// What a reader knows of a path before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// What was agreed last; `None`: that there is none.
    pub agreed: Option<Digest>,
    /// When, by the service's clock; `None` if never.
    pub moment: Option<Timestamp>,
    /// What stands on disk.
    pub local: Local,
    /// What this reader proposed and got no answer to: the outer `None` if nothing.
    pub asked: Option<Option<Digest>>,
}

/// What arrived for a path: the newest state, and those that it replaced on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// What the file is to hold; `None`: nothing.
    pub new: Option<Digest>,
    /// States that were sent and replaced before they were looked at.
    pub earlier: BTreeSet<Option<Digest>>,
    /// When the newest was sent, by the service's clock.
    pub moment: Timestamp,
    /// True if it carries the id of what this reader proposed: then it is the answer to that, and
    /// not merely the state again.
    pub is_answer: bool,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing: something newer was seen before.
    Stale,
    /// Agree on the new state and leave the disk as it is.
    Agree,
    /// Agree on the new state and bring the disk to it.
    Write,
    /// As [`Step::Write`], but first move the local edit aside: the owner refused it, or others
    /// were first.
    KeepAsideAndWrite,
    /// The same at an owner, too: what stands here was sent once and gave way, and nothing is known of
    /// what was agreed here. So it may be an old copy, or have been put back on purpose.
    KeepOldAndWrite,
}

/// Returns what to do with what arrived.
pub fn receive(known: &Known, received: &Received) -> Step {
    if known.moment.is_some_and(|moment| received.moment < moment) {
        return Step::Stale;
    }
    if known.local.is(received.new) {
        return Step::Agree;
    }
    if known.asked == Some(received.new) {
        // Our own proposal, accepted: whatever stands here now was made on top of it, also if that
        // is what stood here before.
        return Step::Agree;
    }
    if known.local == Local::Unknown {
        // The write looks again. If nothing is new there is nothing to write, and an edit may stand
        // here; unless it is one that was refused.
        let is_refusal = received.is_answer && known.asked.is_some();
        return if received.new == known.agreed && !is_refusal { Step::Agree } else { Step::Write };
    }
    if known.local.is(known.agreed) {
        return Step::Write;
    }
    // From here on there is a local edit that is not what arrived.
    let edit = match known.local {
        Local::Holds(digest) => Some(digest),
        Local::Absent | Local::Unknown => None,
    };
    let was_accepted = received.earlier.contains(&edit);
    let was_asked = received.is_answer && known.asked == Some(edit);
    let is_stranger = known.moment.is_none() && known.asked.is_none();
    if was_accepted && is_stranger && edit.is_some() {
        Step::KeepOldAndWrite
    } else if was_accepted {
        Step::Write
    } else if received.new == known.agreed && !was_asked {
        Step::Agree
    } else if edit.is_none() {
        Step::Write
    } else {
        Step::KeepAsideAndWrite
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_local_edit_is_never_lost() {
        #[rustfmt::skip]
        let cases = [
            // what                             agreed      local       asked               earlier  new         step
            ("the first copy",                  None,       None,       None,               "",      Some("r"),  Step::Write),
            ("an update",                       Some("a"),  Some("a"),  None,               "",      Some("r"),  Step::Write),
            ("a deletion",                      Some("a"),  Some("a"),  None,               "",      None,       Step::Write),
            ("what is there already",           None,       Some("r"),  None,               "",      Some("r"),  Step::Agree),
            ("gone here, too",                  Some("a"),  None,       None,               "",      None,       Step::Agree),
            ("the echo of a proposal",          Some("a"),  Some("l"),  Some(Some("l")),    "",      Some("l"),  Step::Agree),
            ("accepted, and edited since",      Some("a"),  Some("m"),  Some(Some("l")),    "",      Some("l"),  Step::Agree),
            ("accepted, and deleted since",     Some("a"),  None,       Some(Some("l")),    "",      Some("l"),  Step::Agree),
            ("accepted, and put back since",    Some("a"),  Some("a"),  Some(Some("l")),    "",      Some("l"),  Step::Agree),
            ("accepted, a new file, gone here", None,       None,       Some(Some("l")),    "",      Some("l"),  Step::Agree),
            ("accepted, then replaced",         Some("a"),  Some("l"),  Some(Some("l")),    "l",     Some("r"),  Step::Write),
            ("refused: the state again",        Some("a"),  Some("l"),  Some(Some("l")),    "",      Some("a"),  Step::KeepAsideAndWrite),
            ("refused: nothing is there",       None,       Some("l"),  Some(Some("l")),    "",      None,       Step::KeepAsideAndWrite),
            ("refused: others were first",      Some("a"),  Some("l"),  Some(Some("l")),    "",      Some("r"),  Step::KeepAsideAndWrite),
            ("an edit, and the state again",    Some("a"),  Some("l"),  None,               "",      Some("a"),  Step::Agree),
            ("an edit, others were first",      Some("a"),  Some("l"),  None,               "",      Some("r"),  Step::KeepAsideAndWrite),
            ("an edit of a deleted file",       Some("a"),  Some("l"),  None,               "",      None,       Step::KeepAsideAndWrite),
            ("an edit after a proposal",        Some("a"),  Some("m"),  Some(Some("l")),    "",      Some("a"),  Step::Agree),
            ("a new file in the way",           None,       Some("l"),  None,               "",      Some("r"),  Step::KeepAsideAndWrite),
            ("deleted here, changed there",     Some("a"),  None,       None,               "",      Some("r"),  Step::Write),
            ("deleted here, the state again",   Some("a"),  None,       None,               "",      Some("a"),  Step::Agree),
            ("a deletion that was refused",     Some("a"),  None,       Some(None),         "",      Some("a"),  Step::Write),
        ];
        let digest = |content: &str| Digest::of(content.as_bytes());
        for (what, agreed, local, asked, earlier, new, step) in cases {
            let known = Known {
                agreed: agreed.map(digest),
                moment: Some(Timestamp::from_micros(5)),
                local: local.map_or(Local::Absent, |content| Local::Holds(digest(content))),
                asked: asked.map(|content: Option<&str>| content.map(digest)),
            };
            let received = Received {
                new: new.map(digest),
                earlier: earlier.chars().map(|c| Some(digest(&c.to_string()))).collect(),
                moment: Timestamp::from_micros(5),
                is_answer: true,
            };
            assert_eq!(receive(&known, &received), step, "{what}");
            let late = Received { moment: Timestamp::from_micros(4), ..received.clone() };
            assert_eq!(receive(&known, &late), Step::Stale, "late: {what}");
            let stranger = Known { agreed: None, moment: None, asked: None, ..known };
            if agreed.is_none() && asked.is_none() {
                // Whether this was ever heard of is not known: what stands here is kept in any case.
                assert_eq!(receive(&stranger, &received), step, "never agreed: {what}");
                let edit = local.map(digest).filter(|_| step == Step::KeepAsideAndWrite);
                let earlier = edit.map(Some).into_iter().collect();
                let put_back = Received { earlier, ..received.clone() };
                let step = if edit.is_some() { Step::KeepOldAndWrite } else { step };
                assert_eq!(receive(&stranger, &put_back), step, "an old version: {what}");
            }
            if what.starts_with("refused: the state again") || what.starts_with("refused: nothing")
            {
                // The same without our id: the owner has not looked at the proposal.
                let again = Received { is_answer: false, ..received };
                assert_eq!(receive(&known, &again), Step::Agree, "no answer: {what}");
            }
        }
    }

    #[test]
    fn what_could_not_be_read_is_left_to_the_write_which_looks_again() {
        let asked = |content| Some(Some(content));
        #[rustfmt::skip]
        let cases = [
            // what                        agreed      asked         is_answer  new         step
            ("the first copy",             None,       None,         false,     Some("r"),  Step::Write),
            ("an update",                  Some("a"),  None,         false,     Some("r"),  Step::Write),
            ("a deletion",                 Some("a"),  None,         false,     None,       Step::Write),
            ("nothing, as before",         None,       None,         false,     None,       Step::Agree),
            ("the state again",            Some("a"),  None,         false,     Some("a"),  Step::Agree),
            ("the state, not looked at",   Some("a"),  asked("l"),   false,     Some("a"),  Step::Agree),
            ("accepted",                   Some("a"),  asked("l"),   true,      Some("l"),  Step::Agree),
            ("accepted, told by others",   Some("a"),  asked("l"),   false,     Some("l"),  Step::Agree),
            ("a deletion, accepted",       Some("a"),  Some(None),   true,      None,       Step::Agree),
            ("refused: the state again",   Some("a"),  asked("l"),   true,      Some("a"),  Step::Write),
            ("refused: others were first", Some("a"),  asked("l"),   true,      Some("r"),  Step::Write),
        ];
        let digest = |content: &str| Digest::of(content.as_bytes());
        for (what, agreed, asked, is_answer, new, step) in cases {
            let known = Known {
                agreed: agreed.map(digest),
                moment: Some(Timestamp::from_micros(5)),
                local: Local::Unknown,
                asked: asked.map(|content: Option<&str>| content.map(digest)),
            };
            let received = Received {
                new: new.map(digest),
                earlier: BTreeSet::new(),
                moment: Timestamp::from_micros(5),
                is_answer,
            };
            assert_eq!(receive(&known, &received), step, "{what}");
        }
    }
}
