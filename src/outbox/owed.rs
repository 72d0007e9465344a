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
    let paths: BTreeSet<&DatasitePath> =
        readable.keys().chain(held.keys()).chain(answers).collect();
    let due = paths.into_iter().filter_map(|path| {
        let (base, new) = (held.get(path).copied(), readable.get(path).copied());
        let due = base != new || answers.contains(path);
        due.then(|| Owed { path: path.clone(), base, new })
    });
    let (gone, held): (Vec<Owed>, Vec<Owed>) = due.partition(|owed| owed.new.is_none());
    // Deletions first: a file may have become a folder, and the reverse.
    gone.into_iter().chain(held).collect()
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
