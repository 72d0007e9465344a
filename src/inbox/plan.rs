//! Decides what a data owner does with each change that peers propose.
//!
//! Pure: no I/O, no clock. [`plan`] turns (files, rules, proposals) into verdicts and the owner's
//! syncer carries them out.
//!
//! A proposal names the content that it was made from. If the owner now holds something else,
//! somebody was first and the proposal is refused, never merged: the sender is sent what the owner
//! holds, and may propose again. That is why no accepted change is ever lost.

use crate::model::{DatasitePath, Digest, Email, Snapshot, is_rule_file, is_syncable};

/// A change that a peer asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposed<'a> {
    /// Who asks: the owner of the message on the Drive, whatever the message says.
    pub sender: &'a Email,
    /// Which file.
    pub path: &'a DatasitePath,
    /// What the sender believes the file holds; `None`: that there is none.
    pub base: Option<Digest>,
    /// What it is to hold; `None`: it is to go.
    pub new: Option<Digest>,
    /// True if it was taken in before, by this machine of the owner or by another.
    pub is_known: bool,
}

/// What to do with one proposal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Take it in.
    Accept,
    /// It is so here, and is logged all the same: what it was made of may come yet from another machine
    /// of the owner, and must not undo it.
    Confirm,
    /// It was taken in before, by another machine or before a crash.
    AlreadySo,
    /// Turn it down and tell the sender what stands there.
    Refuse(Refusal),
    /// Look at it again once the rules that were accepted before it are in force.
    Later,
}

/// Why a proposal is turned down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The rules do not let the sender write there.
    NotPermitted,
    /// Files there never travel.
    NotSynced,
    /// It was made from content that is no longer there.
    Outdated {
        /// What is there.
        current: Option<Digest>,
    },
    /// A file stands where it needs a folder, or a folder where it needs a file.
    InTheWay,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NotPermitted => "not permitted",
            Self::NotSynced => "files there are not synced",
            Self::Outdated { .. } => "outdated: the file has changed since",
            Self::InTheWay => "a file stands where a folder is needed, or the reverse",
        })
    }
}

/// Returns one verdict for each proposal, in order; each is judged on the result of those before.
///
/// `may_write` answers for the rules as they stand; after an accepted rule file the rest comes
/// [`Verdict::Later`].
pub fn plan(
    files: &Snapshot,
    may_write: impl Fn(&Email, &DatasitePath) -> bool,
    proposals: &[Proposed<'_>],
) -> Vec<Verdict> {
    let mut files = files.clone();
    let mut rules_changed = false;
    proposals
        .iter()
        .map(|proposal| {
            if rules_changed {
                return Verdict::Later;
            }
            let verdict = judge(&files, &may_write, proposal);
            if verdict == Verdict::Accept {
                apply(&mut files, proposal);
                rules_changed = is_rule_file(proposal.path);
            }
            verdict
        })
        .collect()
}

fn judge(
    files: &Snapshot,
    may_write: &impl Fn(&Email, &DatasitePath) -> bool,
    proposal: &Proposed<'_>,
) -> Verdict {
    let current = files.get(proposal.path).copied();
    if !is_syncable(proposal.path) {
        Verdict::Refuse(Refusal::NotSynced)
    } else if !may_write(proposal.sender, proposal.path) {
        Verdict::Refuse(Refusal::NotPermitted)
    } else if proposal.is_known {
        // What was taken in once may have given way since: it does not come back.
        Verdict::AlreadySo
    } else if current == proposal.new {
        Verdict::Confirm
    } else if current != proposal.base {
        Verdict::Refuse(Refusal::Outdated { current })
    } else if proposal.new.is_some() && is_in_the_way(files, proposal.path) {
        Verdict::Refuse(Refusal::InTheWay)
    } else {
        Verdict::Accept
    }
}

fn is_in_the_way(files: &Snapshot, path: &DatasitePath) -> bool {
    if path.folders().any(|folder| files.contains_key(&folder)) {
        return true;
    }
    files.range(path.clone()..).skip_while(|(other, _)| *other == path).any_below(path)
}

/// The paths below a folder stand together, but not right behind its own name: `a-b` sorts between
/// `a` and `a/b`.
trait AnyBelow {
    fn any_below(self, folder: &DatasitePath) -> bool;
}

impl<'a, I: Iterator<Item = (&'a DatasitePath, &'a Digest)>> AnyBelow for I {
    fn any_below(mut self, folder: &DatasitePath) -> bool {
        self.by_ref()
            .take_while(|(path, _)| path.as_str().starts_with(folder.as_str()))
            .any(|(path, _)| path.is_below(folder.as_str()))
    }
}

fn apply(files: &mut Snapshot, proposal: &Proposed<'_>) {
    match proposal.new {
        Some(digest) => files.insert(proposal.path.clone(), digest),
        None => files.remove(proposal.path),
    };
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use proptest::prelude::*;

    use super::*;

    fn digest(content: &str) -> Digest {
        Digest::of(content.as_bytes())
    }

    fn files(list: &[(&str, &str)]) -> Snapshot {
        list.iter().map(|(p, c)| (DatasitePath::parse(p).unwrap(), digest(c))).collect()
    }

    #[test]
    fn a_proposal_is_judged_by_rules_first_and_base_second() {
        let current = |content: Option<&str>| {
            Verdict::Refuse(Refusal::Outdated { current: content.map(digest) })
        };
        let refuse = Verdict::Refuse;
        #[rustfmt::skip]
        let cases = [
            // what                          path                 base          new           verdict
            ("creates a file",               "jobs/a.py",         None,         Some("v2"),   Verdict::Accept),
            ("changes what it has seen",     "jobs/b.py",         Some("v1"),   Some("v2"),   Verdict::Accept),
            ("deletes what it has seen",     "jobs/b.py",         Some("v1"),   None,         Verdict::Accept),
            ("says what is so already",      "jobs/b.py",         Some("v0"),   Some("v1"),   Verdict::Confirm),
            ("deletes what is gone",         "jobs/a.py",         Some("v0"),   None,         Verdict::Confirm),
            ("changes what it has not seen", "jobs/b.py",         Some("v0"),   Some("v2"),   current(Some("v1"))),
            ("creates what is there",        "jobs/b.py",         None,         Some("v2"),   current(Some("v1"))),
            ("changes a file that is gone",  "jobs/a.py",         Some("v0"),   Some("v2"),   current(None)),
            ("writes where it may not",      "data/x",            None,         Some("v2"),   refuse(Refusal::NotPermitted)),
            ("writes private data",          "private/x",         None,         Some("v2"),   refuse(Refusal::NotSynced)),
            ("writes into a dataset",        "public/syft_datasets/d/x", None,  Some("v2"),   refuse(Refusal::NotSynced)),
            ("needs a folder, finds a file", "jobs/b.py/c",       None,         Some("v2"),   refuse(Refusal::InTheWay)),
            ("needs a file, finds a folder", "jobs/d",            None,         Some("v2"),   refuse(Refusal::InTheWay)),
            ("is a name in between",         "jobs/d-e",          None,         Some("v2"),   Verdict::Accept),
        ];
        let sender = Email::parse("ds@example.org").unwrap();
        let files = files(&[("jobs/b.py", "v1"), ("jobs/d!x", "v1"), ("jobs/d/e", "v1")]);
        for (what, path, base, new, verdict) in cases {
            let path = DatasitePath::parse(path).unwrap();
            let proposal = Proposed {
                sender: &sender,
                path: &path,
                base: base.map(digest),
                new: new.map(digest),
                is_known: false,
            };
            let may_write = |_: &Email, path: &DatasitePath| !path.is_below("data");
            assert_eq!(plan(&files, may_write, from_ref(&proposal)), from_ref(&verdict), "{what}");
            let known = Proposed { is_known: true, ..proposal };
            let verdict = match verdict {
                Verdict::Accept
                | Verdict::Confirm
                | Verdict::Refuse(Refusal::Outdated { .. } | Refusal::InTheWay) => {
                    Verdict::AlreadySo
                }
                other => other,
            };
            assert_eq!(plan(&files, may_write, &[known]), [verdict], "taken in before: {what}");
        }
    }

    #[test]
    fn what_follows_an_accepted_rule_file_waits_for_the_new_rules() {
        let sender = Email::parse("ds@example.org").unwrap();
        let paths = ["d/a", "d/syft.pub.yaml", "d/b"].map(|p| DatasitePath::parse(p).unwrap());
        let proposals = paths.each_ref().map(|path| Proposed {
            sender: &sender,
            path,
            base: None,
            new: Some(digest("x")),
            is_known: false,
        });
        let verdicts = plan(&Snapshot::new(), |_, _| true, &proposals);
        assert_eq!(verdicts, [Verdict::Accept, Verdict::Accept, Verdict::Later]);
    }

    proptest! {
        /// Each accepted proposal replaced exactly what its author had seen.
        #[test]
        fn nothing_accepted_is_overwritten_unseen(
            asked in prop::collection::vec((0..3_usize, 0..3_usize, 0..4_usize, 0..4_usize), 0..20)
        ) {
            let senders = ["a@x.org", "b@x.org", "c@x.org"].map(|e| Email::parse(e).unwrap());
            let paths = ["p", "q", "r"].map(|p| DatasitePath::parse(p).unwrap());
            let contents = [None, Some(digest("1")), Some(digest("2")), Some(digest("3"))];
            let proposals: Vec<Proposed<'_>> = asked
                .iter()
                .map(|(s, p, b, n)| Proposed {
                    sender: &senders[*s],
                    path: &paths[*p],
                    base: contents[*b],
                    new: contents[*n],
                    is_known: false,
                })
                .collect();
            let mut now = Snapshot::new();
            for (proposal, verdict) in proposals.iter().zip(plan(&now, |_, _| true, &proposals)) {
                if verdict == Verdict::Accept {
                    prop_assert_eq!(now.get(proposal.path).copied(), proposal.base);
                    apply(&mut now, proposal);
                }
            }
        }
    }
}
