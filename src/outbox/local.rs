//! Decides what an owner announces of the changes on its own disk.
//!
//! Pure. The owner's disk is the truth: whatever stands there is announced, but for what could not
//! be read. What looks like an accident never comes this far ([`super::alarm`]).

use crate::model::{DatasitePath, Difference, Digest, Snapshot};

/// A change that the owner made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalChange {
    /// Which file.
    pub path: DatasitePath,
    /// What was announced before; `None`: that there is none.
    pub base: Option<Digest>,
    /// What it holds now; `None`: it is gone.
    pub new: Option<Digest>,
}

/// Compares what stands on disk with what was announced.
pub fn local_changes(
    agreed: &Snapshot,
    local: &Snapshot,
    is_unknown: impl Fn(&DatasitePath) -> bool,
) -> Vec<LocalChange> {
    let differ = agreed.differences(local);
    let change =
        |it: &Difference<'_>| LocalChange { path: it.path.clone(), base: it.before, new: it.after };
    // Deletions first: a file may have become a folder, and the reverse.
    let gone = differ.iter().filter(|it| it.after.is_none() && !is_unknown(it.path));
    let held = differ.iter().filter(|it| it.after.is_some());
    gone.chain(held).map(change).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(list: &[(&str, &str)]) -> Snapshot {
        list.iter()
            .map(|(p, c)| (DatasitePath::parse(p).unwrap(), Digest::of(c.as_bytes())))
            .collect()
    }

    #[test]
    fn what_stands_on_disk_is_announced() {
        type Files<'a> = &'a [(&'a str, &'a str)];
        type Case<'a> = (&'a str, Files<'a>, Files<'a>, &'a [(&'a str, bool, bool)]);
        #[rustfmt::skip]
        let cases: [Case<'_>; 10] = [
            // what                            announced                   on disk                       path, had one, has one
            ("nothing new",                    &[("a", "1")],              &[("a", "1")],                &[]),
            ("edited",                         &[("a", "1")],              &[("a", "2")],                &[("a", true, true)]),
            ("an older file put back",         &[("a", "2")],              &[("a", "1")],                &[("a", true, true)]),
            ("new",                            &[],                        &[("a", "1")],                &[("a", false, true)]),
            ("deleted",                        &[("a", "1")],              &[],                          &[("a", true, false)]),
            ("renamed",                        &[("a", "1")],              &[("b", "1")],                &[("a", true, false), ("b", false, true)]),
            ("renamed in its case",            &[("a", "1")],              &[("A", "1")],                &[("a", true, false), ("A", false, true)]),
            ("a file became a folder",         &[("a", "1")],              &[("a/b", "1")],              &[("a", true, false), ("a/b", false, true)]),
            ("a folder became a file",         &[("a/b", "1")],            &[("a", "1")],                &[("a/b", true, false), ("a", false, true)]),
            ("not to be seen",                 &[("locked", "1")],         &[],                          &[]),
        ];
        for (what, agreed, local, wanted) in cases {
            let unknown = |path: &DatasitePath| path.as_str() == "locked";
            let changes = local_changes(&files(agreed), &files(local), unknown);
            let told: Vec<_> = changes
                .iter()
                .map(|change| (change.path.as_str(), change.base.is_some(), change.new.is_some()))
                .collect();
            assert_eq!(told, wanted, "{what}");
        }
    }
}
