//! How a tree of files travels in a flat collection, and becomes a tree again.
//!
//! A collection has no folders, because its Python readers have none: there each file lies beside
//! its description, and is looked for where the description's addresses say. So the description
//! travels with flat addresses, which is all that Python reads, and with the paths of those files
//! that belong into folders, which it passes over. A reader of ours puts them there and writes the
//! addresses of the tree again. A description that speaks of no folder is not touched: it travels
//! byte for byte.
//!
//! Paths come from a peer: each must be that of a file of the collection, by its own name, and no
//! file's place may be another one's folder. Otherwise all stay flat.
//!
//! Pure. Source: `docs/FORMAT.md`, "Dataset collections".

use std::collections::{BTreeMap, BTreeSet};

use super::collection::Half;
use super::local::path_within;
use super::metadata::{
    METADATA_FILE, Metadata, PERMISSION_FILE, PRIVATE_METADATA_FILE, PrivateMetadata,
};
use super::{DatasetName, SyftUrl};
use crate::model::{DatasitePath, Email};

/// Where each file of a flat folder belongs, for those that belong into a folder of their own.
pub(super) type Places = BTreeMap<String, DatasitePath>;

/// Returns the description of a half as it travels, if the files `nested` of it lie in folders;
/// `None` if that is as it stands.
pub(super) fn fold(
    half: Half,
    description: &[u8],
    owner: &Email,
    name: &DatasetName,
    nested: &[DatasitePath],
) -> Option<Vec<u8>> {
    if nested.is_empty() {
        return None;
    }
    if half == Half::Private {
        let private = PrivateMetadata::parse(description).ok()?;
        return Some(PrivateMetadata { paths: nested.to_vec(), ..private }.to_yaml().into_bytes());
    }
    let mut metadata = Metadata::parse(description).ok()?;
    for url in metadata.mock_files.iter_mut().chain(&mut metadata.readme_url) {
        if let Some(path) = path_within(url, owner, name).filter(|path| nested.contains(path)) {
            *url = address(owner, name, path.file_name())?;
        }
    }
    metadata.paths = nested.to_vec();
    Some(metadata.to_yaml().into_bytes())
}

/// Returns the description as it stands where its files are in their folders, and their places;
/// `None` if there is nothing to be put anywhere. `files` are the names in the collection.
pub(super) fn unfold<'a>(
    description: &[u8],
    owner: &Email,
    name: &DatasetName,
    files: impl IntoIterator<Item = &'a str>,
) -> Option<(Vec<u8>, Places)> {
    let mut metadata = Metadata::parse(description).ok()?;
    let places = places(&std::mem::take(&mut metadata.paths), files)?;
    for url in metadata.mock_files.iter_mut().chain(&mut metadata.readme_url) {
        let path = path_within(url, owner, name);
        if let Some(place) = path.and_then(|path| places.get(path.as_str())) {
            *url = address(owner, name, place.as_str())?;
        }
    }
    Some((metadata.to_yaml().into_bytes(), places))
}

/// Returns where the `files` of a flat folder belong; `None` if they stay, be it because `paths`
/// make no sense.
pub(super) fn places<'a>(
    paths: &[DatasitePath],
    files: impl IntoIterator<Item = &'a str>,
) -> Option<Places> {
    let files: BTreeSet<&str> = files.into_iter().collect();
    let is_own =
        |name: &str| matches!(name, METADATA_FILE | PERMISSION_FILE | PRIVATE_METADATA_FILE);
    let mut places = Places::new();
    for path in paths.iter().filter(|path| path.parent().is_some()) {
        let name = path.file_name();
        let is_second = places.insert(name.to_owned(), path.clone()).is_some();
        if is_second || !files.contains(name) || is_own(name) {
            return None;
        }
    }
    let flat = files.iter().filter(|name| !places.contains_key(**name)).copied();
    let all: BTreeSet<&str> = places.values().map(DatasitePath::as_str).chain(flat).collect();
    let is_folder = |path: &DatasitePath| {
        let mut folders = path.as_str().match_indices('/').map(|(end, _)| &path.as_str()[..end]);
        folders.any(|folder| all.contains(folder))
    };
    (!places.is_empty() && !places.values().any(is_folder)).then_some(places)
}

fn address(owner: &Email, name: &DatasetName, path: &str) -> Option<SyftUrl> {
    let whole = DatasitePath::parse(&format!("{}/{name}/{path}", Half::Public.folder())).ok()?;
    SyftUrl::of(owner, &whole).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner() -> Email {
        Email::parse("do@example.org").unwrap()
    }

    fn name() -> DatasetName {
        DatasetName::parse("ages").unwrap()
    }

    fn description(paths: &[&str]) -> Vec<u8> {
        let url = |path: &&str| address(&owner(), &name(), path).unwrap();
        let mock_files = paths.iter().map(url).collect();
        Metadata { name: "ages".to_owned(), mock_files, ..Metadata::default() }
            .to_yaml()
            .into_bytes()
    }

    #[test]
    fn a_tree_travels_flat_and_is_a_tree_again() {
        let tree = description(&["a.csv", "north/b.csv", "north/deep/c.csv"]);
        let nested = ["north/b.csv", "north/deep/c.csv"].map(|p| DatasitePath::parse(p).unwrap());
        let flat = fold(Half::Public, &tree, &owner(), &name(), &nested).unwrap();
        let read = Metadata::parse(&flat).unwrap();
        let urls: Vec<String> = read.mock_files.iter().map(ToString::to_string).collect();
        let at = |file| format!("syft://do@example.org/public/syft_datasets/ages/{file}");
        assert_eq!(urls, [at("a.csv"), at("b.csv"), at("c.csv")]);

        let files = ["a.csv", "b.csv", "c.csv", "dataset.yaml"];
        let (again, places) = unfold(&flat, &owner(), &name(), files).unwrap();
        assert_eq!(again, tree);
        let places: Vec<_> = places.values().map(DatasitePath::as_str).collect();
        assert_eq!(places, ["north/b.csv", "north/deep/c.csv"]);
    }

    #[test]
    fn what_has_no_folders_travels_byte_for_byte() {
        for text in
            [&description(&["a.csv"])[..], b"name: 1\nodd: x # as somebody wrote it\n", b"["]
        {
            assert_eq!(fold(Half::Public, text, &owner(), &name(), &[]), None);
            assert_eq!(unfold(text, &owner(), &name(), ["a.csv"]), None);
        }
    }

    #[test]
    fn paths_that_make_no_sense_leave_all_flat() {
        #[rustfmt::skip]
        let cases: [(&str, &[&str], Option<usize>); 9] = [
            ("one in a folder",             &["d/a.csv"],               Some(1)),
            ("two in one folder",           &["d/a.csv", "d/b.csv"],    Some(2)),
            ("one that is flat anyway",     &["a.csv"],                 None),
            ("none of the collection",      &["d/x.csv"],               None),
            ("two places of one file",      &["d/a.csv", "e/a.csv"],    None),
            ("in another file",             &["b.csv/a.csv"],           None),
            ("in a file that is in it",     &["a.csv/b.csv", "b.csv/a.csv"], Some(2)),
            ("the description",             &["d/dataset.yaml"],        None),
            ("rules",                       &["d/syft.pub.yaml"],       None),
        ];
        for (what, paths, wanted) in cases {
            let paths: Vec<_> = paths.iter().map(|p| DatasitePath::parse(p).unwrap()).collect();
            let files = ["a.csv", "b.csv", "dataset.yaml", "syft.pub.yaml"];
            assert_eq!(places(&paths, files).map(|places| places.len()), wanted, "{what}");
        }
    }
}
