//! Which datasets a job may read, and how they stand.
//!
//! A job reads the datasets that it names; one that names none, as Python clients write it, any. An
//! approval is bound to the datasets that were there when it was given: what its owner makes later
//! is not read by a job that was approved before, also not if the job names it, or if it has the name
//! of one that was there. That the *content* of a dataset changes is its owner's own doing and voids
//! nothing, but it is noted how each half stood, and told at the run.
//!
//! How a half stands is known from the names, sizes and times of its files: data may be too large to
//! be read for a look.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::config::JobConfig;
use super::error::{Error, io_error};
use super::store::JobStore;
use super::tree::{open_root, read_file, walk};
use crate::datasets::{
    DatasetName, METADATA_BYTES_MAX, METADATA_FILE, Metadata, PRIVATE_METADATA_FILE,
    PrivateMetadata,
};
use crate::model::{DatasitePath, Digest, shown};

/// A dataset of the owner at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatasetState {
    /// Its name.
    pub name: String,
    /// What tells it from another one of this name; `None` if it says nothing, or the record is of an
    /// older version.
    #[serde(default)]
    pub uid: Option<String>,
    /// The invented half; `None` if there is none.
    pub mock: Option<HalfState>,
    /// The real half; `None` if there is none.
    pub private: Option<HalfState>,
}

/// One half of a dataset at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HalfState {
    /// How many files it has.
    pub files: u64,
    /// How many bytes they have.
    pub bytes: u64,
    /// A digest over names, sizes and times of the files.
    pub stand: String,
}

/// The datasets that a job may read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Readable {
    /// Each with its folders: where they lie, and their paths in the owner's datasite.
    pub(crate) datasets: Vec<(String, Vec<(PathBuf, DatasitePath)>)>,
    /// What the job names and is not there.
    pub(crate) missing: Vec<String>,
    /// What is there, and was not when the job was approved.
    pub(crate) later: Vec<String>,
    /// What has the name of a dataset that was there, and is another one.
    pub(crate) other: Vec<String>,
}

/// Where the halves of datasets lie, in both layouts.
const FOLDERS: [&str; 4] = [
    "private/syft_datasets",
    "private/syft_datasets/v1",
    "public/syft_datasets",
    "public/syft_datasets/v1",
];

const FILES_MAX: usize = 1_000_000;

/// Finds the datasets that a job may read: those that it names, or all of the owner's if it names
/// none, but no others than `approved`.
pub(crate) fn readable(
    store: &JobStore,
    config: &JobConfig,
    approved: Option<&[DatasetState]>,
) -> Readable {
    let folders = FOLDERS.map(|folder| DatasitePath::parse(folder).expect("a harmless constant"));
    let named = config.datasets_of(store.owner());
    let mut names: Vec<String> = match &named {
        Some(names) => names.iter().map(|&name| name.to_owned()).collect(),
        None => folders.iter().flat_map(|folder| names_in(&store.local(folder))).collect(),
    };
    if named.is_none() {
        names.sort();
    }
    let mut found = Readable::default();
    for name in names {
        if found.datasets.iter().any(|(known, _)| *known == name) {
            continue;
        }
        let mut places = Vec::new();
        // The folder of a layout is no dataset: it would show all that it holds.
        if DatasetName::parse(&name).is_ok() {
            for path in folders.iter().filter_map(|folder| folder.join(&name).ok()) {
                let place = store.local(&path);
                if place.is_dir() {
                    places.push((place, path));
                }
            }
        }
        if places.is_empty() {
            if named.is_some() {
                found.missing.push(shown::safe_line(&name).chars().take(80).collect());
            }
            continue;
        }
        let Some(approved) = approved else {
            found.datasets.push((name, places));
            continue;
        };
        match approved.iter().find(|dataset| dataset.name == name) {
            None => found.later.push(shown::safe_line(&name)),
            Some(known) if is_another(known, &places) => found.other.push(shown::safe_line(&name)),
            Some(_) => found.datasets.push((name, places)),
        }
    }
    found
}

impl Readable {
    /// Returns how each stands.
    pub(crate) fn stand(&self) -> std::io::Result<Vec<DatasetState>> {
        let half = |folders: &[(PathBuf, DatasitePath)], half: &str| {
            half_state(folders.iter().filter(|(_, path)| path.is_below(half)))
        };
        let state = |(name, folders): &(String, Vec<(PathBuf, DatasitePath)>)| {
            Ok(DatasetState {
                name: name.clone(),
                uid: uid_in(folders),
                mock: half(folders, "public")?,
                private: half(folders, "private")?,
            })
        };
        self.datasets.iter().map(state).collect()
    }
}

impl JobStore {
    /// Returns the datasets that a job may read, with how they stand now, and the names of those
    /// that it names and that are not there.
    ///
    /// # Errors
    /// If one cannot be looked at.
    pub fn datasets_for(
        &self,
        config: &JobConfig,
    ) -> Result<(Vec<DatasetState>, Vec<String>), Error> {
        let found = readable(self, config, None);
        let states = found.stand().map_err(io_error(&"the datasets that the job reads"))?;
        Ok((states, found.missing))
    }
}

/// True if both say which one they are, and it is not the same.
fn is_another(known: &DatasetState, places: &[(PathBuf, DatasitePath)]) -> bool {
    let uids = known.uid.as_ref().zip(uid_in(places));
    uids.is_some_and(|(then, now)| *then != now)
}

/// What tells a dataset from another one of its name. Updates keep it.
fn uid_in(places: &[(PathBuf, DatasitePath)]) -> Option<String> {
    let read = |place: &Path, name: &str| {
        let dir = open_root(place).ok()??;
        let bytes_max = usize::try_from(METADATA_BYTES_MAX).unwrap_or(usize::MAX);
        read_file(&dir, name, bytes_max).ok()?
    };
    places.iter().find_map(|(place, path)| {
        let uid = if path.is_below("private") {
            PrivateMetadata::parse(&read(place, PRIVATE_METADATA_FILE)?).ok()?.uid
        } else {
            Metadata::parse(&read(place, METADATA_FILE)?).ok()?.uid
        };
        uid.map(|uid| uid.to_string())
    })
}

/// Tells what is different between the datasets of an approval and those of now, in words.
pub fn dataset_changes(approved: &[DatasetState], now: &[DatasetState]) -> Vec<String> {
    let mut told = Vec::new();
    for old in approved {
        let name = shown::safe_line(&old.name);
        let Some(new) = now.iter().find(|new| new.name == old.name) else {
            told.push(format!("dataset `{name}` is gone since the approval"));
            continue;
        };
        for (half, old, new) in
            [("private", &old.private, &new.private), ("mock", &old.mock, &new.mock)]
        {
            if old != new {
                told.push(format!(
                    "the {half} half of dataset `{name}` was changed since the approval: {} then, {} now",
                    words(old.as_ref()),
                    words(new.as_ref())
                ));
            }
        }
    }
    for new in now.iter().filter(|new| approved.iter().all(|old| old.name != new.name)) {
        let name = shown::safe_line(&new.name);
        told.push(format!("dataset `{name}` was not there at the approval"));
    }
    told
}

fn words(half: Option<&HalfState>) -> String {
    half.map_or_else(
        || "none".to_owned(),
        |half| {
            let files = if half.files == 1 { "file" } else { "files" };
            format!("{} {files} of {} bytes", half.files, half.bytes)
        },
    )
}

fn half_state<'a>(
    folders: impl Iterator<Item = &'a (PathBuf, DatasitePath)>,
) -> std::io::Result<Option<HalfState>> {
    let mut state: Option<(u64, u64, String)> = None;
    for (place, path) in folders {
        let Some(dir) = open_root(place)? else { continue };
        let (entries, _) = walk(&dir, FILES_MAX, &|_| false)?;
        let (files, bytes, lines) = state.get_or_insert_default();
        for entry in entries {
            *files += 1;
            *bytes += entry.bytes;
            *lines += &format!("{path}/{} {} {}\n", entry.shown, entry.bytes, entry.modified);
        }
    }
    Ok(state.map(|(files, bytes, lines)| HalfState {
        files,
        bytes,
        stand: Digest::of(lines.as_bytes()).to_hex(),
    }))
}

fn names_in(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dataset(name: &str, private: Option<u64>) -> DatasetState {
        let private = private.map(|bytes| HalfState { files: 1, bytes, stand: bytes.to_string() });
        DatasetState { name: name.to_owned(), uid: None, mock: None, private }
    }

    #[test]
    fn each_change_of_a_dataset_is_told() {
        let approved = [dataset("a", Some(1)), dataset("b", Some(2)), dataset("c", Some(3))];
        assert!(dataset_changes(&approved, &approved).is_empty());
        let now = [dataset("a", Some(9)), dataset("b", None), dataset("d", Some(3))];
        #[rustfmt::skip]
        let expected = [
            "the private half of dataset `a` was changed since the approval: 1 file of 1 bytes then, 1 file of 9 bytes now",
            "the private half of dataset `b` was changed since the approval: 1 file of 2 bytes then, none now",
            "dataset `c` is gone since the approval",
            "dataset `d` was not there at the approval",
        ];
        assert_eq!(dataset_changes(&approved, &now), expected);
    }
}
