//! What a datasite holds at one moment.
//!
//! Two snapshots of one datasite differ in little and hold much. So a copy shares what it was made
//! from and holds only its own changes, and two that share it are compared by their changes alone:
//! that costs what changed, not what is there.

use std::cmp::Ordering;
use std::collections::{BTreeMap, btree_map};
use std::fmt;
use std::iter::Peekable;
use std::ops::RangeFrom;
use std::sync::Arc;

use super::{DatasitePath, Digest};

/// Path to digest, at one moment. A path that is absent does not exist.
///
/// Invariant: a change says something else than what it lies over.
#[derive(Clone, Default)]
pub struct Snapshot {
    /// What this one may have in common with others.
    base: Arc<BTreeMap<DatasitePath, Digest>>,
    /// Where it differs from that; `None`: there is no file.
    changes: BTreeMap<DatasitePath, Option<Digest>>,
    len: usize,
}

/// A path at which two snapshots differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference<'a> {
    /// Which file.
    pub path: &'a DatasitePath,
    /// What the first snapshot holds; `None`: nothing.
    pub before: Option<Digest>,
    /// What the second one holds; `None`: nothing.
    pub after: Option<Digest>,
}

impl Snapshot {
    /// Returns one that holds nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns how many files there are.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// True if there are no files.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns what `path` holds.
    pub fn get(&self, path: &DatasitePath) -> Option<&Digest> {
        match self.changes.get(path) {
            Some(changed) => changed.as_ref(),
            None => self.base.get(path),
        }
    }

    /// True if there is a file at `path`.
    pub fn contains_key(&self, path: &DatasitePath) -> bool {
        self.get(path).is_some()
    }

    /// Has `path` hold `digest`, and returns what it held.
    pub fn insert(&mut self, path: DatasitePath, digest: Digest) -> Option<Digest> {
        let before = if let Some(base) = self.alone() {
            base.insert(path, digest)
        } else {
            let before = self.get(&path).copied();
            if self.base.get(&path) == Some(&digest) {
                self.changes.remove(&path);
            } else {
                self.changes.insert(path, Some(digest));
            }
            before
        };
        self.len += usize::from(before.is_none());
        before
    }

    /// Removes the file at `path`, and returns what it held.
    pub fn remove(&mut self, path: &DatasitePath) -> Option<Digest> {
        let before = if let Some(base) = self.alone() {
            base.remove(path)
        } else {
            let before = self.get(path).copied();
            if self.base.contains_key(path) {
                self.changes.insert(path.clone(), None);
            } else {
                self.changes.remove(path);
            }
            before
        };
        self.len -= usize::from(before.is_some());
        before
    }

    /// The files themselves, if nobody else has them and nothing lies over them.
    fn alone(&mut self) -> Option<&mut BTreeMap<DatasitePath, Digest>> {
        if self.changes.is_empty() { Arc::get_mut(&mut self.base) } else { None }
    }

    /// Returns all files by path.
    pub fn iter(&self) -> Iter<'_> {
        Iter {
            base: self.base.range::<DatasitePath, _>(..).peekable(),
            changes: self.changes.range::<DatasitePath, _>(..).peekable(),
        }
    }

    /// Returns the files from a path on.
    pub fn range(&self, range: RangeFrom<DatasitePath>) -> Iter<'_> {
        Iter {
            base: self.base.range(range.clone()).peekable(),
            changes: self.changes.range(range).peekable(),
        }
    }

    /// Returns all paths, in order.
    pub fn keys(&self) -> impl Iterator<Item = &DatasitePath> {
        self.iter().map(|(path, _)| path)
    }

    /// Returns all digests, in the order of their paths.
    pub fn values(&self) -> impl Iterator<Item = &Digest> {
        self.iter().map(|(_, digest)| digest)
    }

    /// Returns where `after` differs from this one, by path.
    pub fn differences<'a>(&'a self, after: &'a Self) -> Vec<Difference<'a>> {
        let differ = |path: &'a DatasitePath| {
            let (before, after) = (self.get(path).copied(), after.get(path).copied());
            (before != after).then_some(Difference { path, before, after })
        };
        if Arc::ptr_eq(&self.base, &after.base) {
            let both = Merge {
                one: self.changes.keys().peekable(),
                other: after.changes.keys().peekable(),
                of_one: |path| path,
                of_other: |path| path,
            };
            return both.filter_map(|(one, other)| differ(one.or(other)?)).collect();
        }
        let both = Merge {
            one: self.iter().peekable(),
            other: after.iter().peekable(),
            of_one: |file| file.0,
            of_other: |file| file.0,
        };
        let changed = |one: Option<(&'a DatasitePath, &'a Digest)>, other| {
            let path = one.or(other)?.0;
            let (before, after) = (one.map(|it| *it.1), other.map(|it| *it.1));
            (before != after).then_some(Difference { path, before, after })
        };
        both.filter_map(|(one, other)| changed(one, other)).collect()
    }

    fn into_map(mut self) -> BTreeMap<DatasitePath, Digest> {
        let changes = std::mem::take(&mut self.changes);
        let mut files = Arc::unwrap_or_clone(self.base);
        for (path, changed) in changes {
            match changed {
                Some(digest) => files.insert(path, digest),
                None => files.remove(&path),
            };
        }
        files
    }
}

/// The files of a snapshot, by path.
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    base: Peekable<btree_map::Range<'a, DatasitePath, Digest>>,
    changes: Peekable<btree_map::Range<'a, DatasitePath, Option<Digest>>>,
}

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a DatasitePath, &'a Digest);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let Some((path, changed)) = self.changes.peek() else { return self.base.next() };
            let order = self.base.peek().map_or(Ordering::Greater, |(other, _)| other.cmp(path));
            if order == Ordering::Less {
                return self.base.next();
            }
            let found = changed.as_ref().map(|digest| (*path, digest));
            self.changes.next();
            if order == Ordering::Equal {
                self.base.next();
            }
            if found.is_some() {
                return found;
            }
        }
    }
}

/// What two iterators in the order of paths have of each path.
struct Merge<'a, A: Iterator, B: Iterator> {
    one: Peekable<A>,
    other: Peekable<B>,
    of_one: fn(&A::Item) -> &'a DatasitePath,
    of_other: fn(&B::Item) -> &'a DatasitePath,
}

impl<A: Iterator, B: Iterator> Iterator for Merge<'_, A, B> {
    type Item = (Option<A::Item>, Option<B::Item>);

    fn next(&mut self) -> Option<Self::Item> {
        let order = match (self.one.peek(), self.other.peek()) {
            (Some(one), Some(other)) => (self.of_one)(one).cmp((self.of_other)(other)),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return None,
        };
        let one = if order == Ordering::Greater { None } else { self.one.next() };
        let other = if order == Ordering::Less { None } else { self.other.next() };
        Some((one, other))
    }
}

impl FromIterator<(DatasitePath, Digest)> for Snapshot {
    fn from_iter<I: IntoIterator<Item = (DatasitePath, Digest)>>(files: I) -> Self {
        let base: BTreeMap<_, _> = files.into_iter().collect();
        Self { len: base.len(), base: Arc::new(base), changes: BTreeMap::new() }
    }
}

impl<const N: usize> From<[(DatasitePath, Digest); N]> for Snapshot {
    fn from(files: [(DatasitePath, Digest); N]) -> Self {
        files.into_iter().collect()
    }
}

impl Extend<(DatasitePath, Digest)> for Snapshot {
    fn extend<I: IntoIterator<Item = (DatasitePath, Digest)>>(&mut self, files: I) {
        for (path, digest) in files {
            self.insert(path, digest);
        }
    }
}

impl IntoIterator for Snapshot {
    type Item = (DatasitePath, Digest);
    type IntoIter = btree_map::IntoIter<DatasitePath, Digest>;

    fn into_iter(self) -> Self::IntoIter {
        self.into_map().into_iter()
    }
}

impl<'a> IntoIterator for &'a Snapshot {
    type Item = (&'a DatasitePath, &'a Digest);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl PartialEq for Snapshot {
    fn eq(&self, other: &Self) -> bool {
        if Arc::ptr_eq(&self.base, &other.base) {
            return self.changes == other.changes;
        }
        self.len == other.len && self.iter().eq(other.iter())
    }
}

impl Eq for Snapshot {}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn path(number: u8) -> DatasitePath {
        DatasitePath::parse(&format!("p{number}")).unwrap()
    }

    fn apply(snapshot: &mut Snapshot, map: &mut BTreeMap<DatasitePath, Digest>, change: (u8, u8)) {
        let (path, digest) = (path(change.0), Digest::of(&[change.1]));
        if change.1 == 0 {
            assert_eq!(snapshot.remove(&path), map.remove(&path));
        } else {
            assert_eq!(snapshot.insert(path.clone(), digest), map.insert(path, digest));
        }
    }

    fn same(snapshot: &Snapshot, map: &BTreeMap<DatasitePath, Digest>) {
        assert!(snapshot.iter().eq(map.iter()), "{snapshot:?} {map:?}");
        assert_eq!((snapshot.len(), snapshot.is_empty()), (map.len(), map.is_empty()));
        for number in 0..9 {
            assert_eq!(snapshot.get(&path(number)), map.get(&path(number)));
            let from = path(number)..;
            assert!(snapshot.range(from.clone()).eq(map.range(from)));
        }
        assert_eq!(*snapshot, map.clone().into_iter().collect());
        assert!(snapshot.clone().into_iter().eq(map.clone()));
    }

    proptest! {
        /// Whatever is done to copies and their originals, each is a map of its own, and what they
        /// differ in does not depend on what they share.
        #[test]
        fn copies_are_maps_of_their_own(
            start in prop::collection::vec((0..9_u8, 0..4_u8), 0..12),
            one in prop::collection::vec((0..9_u8, 0..4_u8), 0..12),
            other in prop::collection::vec((0..9_u8, 0..4_u8), 0..12),
        ) {
            let (mut first, mut map) = (Snapshot::new(), BTreeMap::new());
            start.into_iter().for_each(|change| apply(&mut first, &mut map, change));
            let (mut second, mut second_map) = (first.clone(), map.clone());
            one.into_iter().for_each(|change| apply(&mut second, &mut second_map, change));
            let (mut third, mut third_map) = (second.clone(), second_map.clone());
            other.into_iter().for_each(|change| apply(&mut third, &mut third_map, change));
            let all = [(&first, &map), (&second, &second_map), (&third, &third_map)];
            for (snapshot, map) in all {
                same(snapshot, map);
                for (other, other_map) in all {
                    let paths: std::collections::BTreeSet<_> = map.keys().chain(other_map.keys()).collect();
                    let differ = paths.into_iter().map(|path| Difference {
                        path,
                        before: map.get(path).copied(),
                        after: other_map.get(path).copied(),
                    });
                    let differ: Vec<_> = differ.filter(|it| it.before != it.after).collect();
                    let apart: Snapshot = other_map.clone().into_iter().collect();
                    prop_assert_eq!(snapshot.differences(other), differ.clone());
                    prop_assert_eq!(snapshot.differences(&apart), differ);
                    prop_assert_eq!(snapshot == other, map == other_map);
                }
            }
        }
    }
}
