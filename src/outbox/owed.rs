//! Decides what an owner sends to a peer: a set difference.
//!
//! Pure. New readers, granted domains, revoked access, peers that were out of reach and accepted
//! changes of others are one mechanism: what the peer may read and does not hold is sent, what it
//! holds and may no longer read, or what is gone, is taken back by a deletion.

use std::collections::BTreeSet;

use crate::model::{DatasitePath, Digest, Snapshot};

/// One thing that a peer is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owed {
    /// Which file.
    pub path: DatasitePath,
    /// What the peer holds, as far as we sent it.
    pub base: Option<Digest>,
    /// What it is to hold; `None`: nothing.
    pub new: Option<Digest>,
}

/// Returns what a peer is owed that may read `readable` and holds `held`.
///
/// `answers` are the paths of its proposals: those are sent whatever it holds, for that is how it
/// learns what became of them.
pub fn owed(readable: &Snapshot, held: &Snapshot, answers: &BTreeSet<DatasitePath>) -> Vec<Owed> {
    let of = |path: &DatasitePath| Owed {
        path: path.clone(),
        base: held.get(path).copied(),
        new: readable.get(path).copied(),
    };
    let differ = held.differences(readable);
    let answered = answers.iter().filter(|path| held.get(path) == readable.get(path));
    let mut due: Vec<Owed> = differ.iter().map(|it| of(it.path)).chain(answered.map(of)).collect();
    // Deletions first: a file may have become a folder, and the reverse.
    due.sort_by(|one, other| {
        (one.new.is_some(), &one.path).cmp(&(other.new.is_some(), &other.path))
    });
    due
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn snapshot(list: &[(u8, u8)]) -> Snapshot {
        list.iter()
            .map(|(p, c)| (DatasitePath::parse(&format!("p{p}")).unwrap(), Digest::of(&[*c])))
            .collect()
    }

    proptest! {
        /// Whoever carries out what is owed holds what it may read, and nothing else.
        #[test]
        fn after_sending_a_peer_holds_what_it_may_read(
            readable in prop::collection::vec((0..9_u8, 0..4_u8), 0..9),
            held in prop::collection::vec((0..9_u8, 0..4_u8), 0..9),
            answers in prop::collection::btree_set(0..9_u8, 0..3),
        ) {
            let (readable, mut held) = (snapshot(&readable), snapshot(&held));
            let answers = answers.iter().map(|p| DatasitePath::parse(&format!("p{p}")).unwrap()).collect();
            let sent = owed(&readable, &held, &answers);
            for answer in &answers {
                prop_assert!(sent.iter().any(|owed| owed.path == *answer));
            }
            for owed in sent {
                match owed.new {
                    Some(digest) => held.insert(owed.path, digest),
                    None => held.remove(&owed.path),
                };
            }
            prop_assert_eq!(&held, &readable);
            prop_assert!(owed(&readable, &held, &BTreeSet::new()).is_empty());
        }
    }
}
