//! Decides which local changes a data scientist proposes to an owner.
//!
//! Pure. The base of a proposal is what was agreed with the owner, so a path with a proposal under
//! way waits: what it will be based on is not known yet. A change that the owner refused is not
//! sent again by itself.

use std::collections::BTreeMap;

use crate::model::{DatasitePath, Difference, Digest, Snapshot};

/// A proposal that was sent and is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// What the file is to hold; `None`: it is to go.
    pub digest: Option<Digest>,
    /// True while the message lies in the inbox: the owner has not looked at it.
    pub is_under_way: bool,
}

/// A change to propose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which file.
    pub path: DatasitePath,
    /// What was agreed; `None`: that there is none.
    pub base: Option<Digest>,
    /// What it is to hold; `None`: it is to go.
    pub new: Option<Digest>,
}

/// What is to be proposed, and what is not and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outlook {
    /// What to send now.
    pub changes: Vec<Change>,
    /// What waits for the answer to an earlier proposal.
    pub waiting: Vec<DatasitePath>,
    /// Files deleted here whose owner does not understand deletions from a peer.
    pub undeletable: Vec<DatasitePath>,
}

/// Compares what stands on disk with what was agreed.
///
/// `is_unknown` tells of paths that could not be looked at: they are not taken for deleted.
/// `may_delete` says whether the owner's program takes deletions from a peer; the Python client
/// fails on them for good (W18).
pub fn propose(
    agreed: &Snapshot,
    local: &Snapshot,
    asked: &BTreeMap<DatasitePath, Asked>,
    is_unknown: impl Fn(&DatasitePath) -> bool,
    may_delete: bool,
) -> Outlook {
    let mut outlook = Outlook::default();
    let differ = agreed.differences(local);
    // Deletions first: a file may have become a folder, and the reverse.
    let (deleted, held): (Vec<_>, Vec<_>) = differ.into_iter().partition(|it| it.after.is_none());
    for Difference { path, before: base, after: new } in deleted.into_iter().chain(held) {
        if new.is_none() && is_unknown(path) {
            continue;
        }
        match asked.get(path) {
            Some(asked) if asked.digest == new => {}
            Some(asked) if asked.is_under_way => outlook.waiting.push(path.clone()),
            _ if new.is_none() && !may_delete => outlook.undeletable.push(path.clone()),
            _ => outlook.changes.push(Change { path: path.clone(), base, new }),
        }
    }
    outlook
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_from_what_was_agreed_is_proposed() {
        let digest = |content: &str| Digest::of(content.as_bytes());
        let under_way = |content| Some((Some(content), true));
        let settled = |content| Some((Some(content), false));
        #[rustfmt::skip]
        let cases = [
            // what                            agreed        local         asked                 proposed
            ("nothing new",                    Some("a"),    Some("a"),    None,                 None),
            ("a new file",                     None,         Some("a"),    None,                 Some((None, Some("a")))),
            ("an edit",                        Some("a"),    Some("b"),    None,                 Some((Some("a"), Some("b")))),
            ("a deletion",                     Some("a"),    None,         None,                 Some((Some("a"), None))),
            ("asked already",                  Some("a"),    Some("b"),    under_way("b"),       None),
            ("asked and refused in silence",   Some("a"),    Some("b"),    settled("b"),         None),
            ("edited again, not answered",     Some("a"),    Some("c"),    under_way("b"),       None),
            ("edited again after a refusal",   Some("a"),    Some("c"),    settled("b"),         Some((Some("a"), Some("c")))),
            ("undone again",                   Some("a"),    Some("a"),    under_way("b"),       None),
        ];
        let path = DatasitePath::parse("p").unwrap();
        let one = |content: Option<&str>| -> Snapshot {
            content.map(|content| (path.clone(), digest(content))).into_iter().collect()
        };
        for (what, agreed, local, asked, proposed) in cases {
            let asked: BTreeMap<_, _> = asked
                .map(|(content, is_under_way)| {
                    (path.clone(), Asked { digest: content.map(digest), is_under_way })
                })
                .into_iter()
                .collect();
            let outlook = propose(&one(agreed), &one(local), &asked, |_| false, true);
            let wanted: Vec<Change> = proposed
                .map(|(base, new): (Option<&str>, Option<&str>)| Change {
                    path: path.clone(),
                    base: base.map(digest),
                    new: new.map(digest),
                })
                .into_iter()
                .collect();
            assert_eq!(outlook.changes, wanted, "{what}");
        }
        let none = BTreeMap::new();
        let outlook = propose(&one(Some("a")), &one(None), &none, |_| true, true);
        assert_eq!(outlook, Outlook::default(), "an unreadable file is not deleted");
        let outlook = propose(&one(Some("a")), &one(None), &none, |_| false, false);
        assert_eq!((outlook.changes.len(), outlook.undeletable.len()), (0, 1));
    }
}
