//! Gives a dataset on this machine new content under its old name: the old or the new, never a mix.
//!
//! Both new halves are built aside, written through to the disk, and named by their digests; the
//! caller then keeps a durable note of them, which is the moment from which on the update is done.
//! [`put_in_place`] exchanges each half for the old one and can be repeated after a crash at any
//! point: a half whose digest is not that of the note has changed places already.
//!
//! A half that is not named in the [`Update`] is taken as it stands in the SyftBox, so that an update
//! which names nothing takes up what was edited there. The identity of the dataset stays.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::collection::{Half, check_mock, check_private};
use super::create::{Source, add_readme, compare, describe, put_readme, write_private_files};
use super::files::{self, SCRATCH_FOLDER, Scratch};
use super::local::{half_folder, path_within, read_metadata};
use super::metadata::{METADATA_FILE, Metadata, PERMISSION_FILE, PRIVATE_METADATA_FILE};
use super::{DatasetName, Error};
use crate::model::{DatasitePath, Digest, Email, Timestamp};

/// What is to change; all else stays.
#[derive(Clone, Debug)]
pub struct Update {
    /// Which dataset.
    pub name: DatasetName,
    /// A file or folder with data that may be shown, in place of all mock files.
    pub mock: Option<PathBuf>,
    /// A file or folder with data that may not, in place of all private files.
    pub private: Option<PathBuf>,
    /// One line about it.
    pub summary: Option<String>,
    /// A Markdown file that explains it.
    pub readme: Option<PathBuf>,
    /// Words to find it by.
    pub tags: Option<Vec<String>>,
    /// Accept mock files that are equal to private ones.
    pub allow_same: bool,
}

/// An update that lies ready: which halves, and the digest of each new tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Staged {
    halves: Vec<(Half, String)>,
}

const PREFIX: &str = "update-";

fn staging(syftbox: &Path, name: &DatasetName) -> PathBuf {
    syftbox.join(SCRATCH_FOLDER).join(format!("{PREFIX}{name}"))
}

const fn word(half: Half) -> &'static str {
    match half {
        Half::Public => "public",
        Half::Private => "private",
    }
}

/// Builds the new content of a dataset of `me` aside. Nothing that was there is touched.
///
/// # Errors
/// [`Error::NotFound`]; else as [`create`](super::create), with nothing left behind.
pub fn stage(syftbox: &Path, me: &Email, update: &Update, now: Timestamp) -> Result<Staged, Error> {
    let name = &update.name;
    let [public, private] =
        [Half::Public, Half::Private].map(|h| half_folder(syftbox, me, name, h));
    if !public.is_dir() {
        return Err(Error::NotFound { owner: me.clone(), name: name.clone() });
    }
    let old = read_metadata(&public)?;
    discard(syftbox, name)?;
    let scratch = Scratch::new(syftbox)?;
    let new_public = scratch.folder(word(Half::Public))?;
    // What was private until now is no more to be shown than what is from now on.
    let mut compared = Vec::new();
    if !update.allow_same {
        compared.push(digests_of(&private)?);
    }
    if let Some(source) = &update.private {
        let new_private = scratch.folder(word(Half::Private))?;
        let digests = stage_private(source, &new_private, &private, me, old.uid)?;
        compared.extend((!update.allow_same).then_some(digests));
    }
    stage_public(update, me, &public, &new_public, old, &compared, now)?;

    let mut halves = Vec::new();
    for half in [Half::Private, Half::Public] {
        let folder = scratch.path().join(word(half));
        if folder.is_dir() {
            files::sync_files(&folder)?;
            files::sync_folders(&folder)?;
            halves.push((half, files::tree_digest(&folder)?.to_hex()));
        }
    }
    let target = staging(syftbox, name);
    for (half, _) in &halves {
        files::rename_new(&scratch.path().join(word(*half)), &target.join(word(*half)))?;
    }
    Ok(Staged { halves })
}

fn stage_private(
    source: &Path,
    folder: &Path,
    target: &Path,
    me: &Email,
    uid: Option<Uuid>,
) -> Result<BTreeMap<DatasitePath, Digest>, Error> {
    let source = Source::look(source, "private")?;
    check_private(source.files.keys()).map_err(|refusal| source.refused(refusal))?;
    let digests = source.copy_to(folder)?;
    write_private_files(folder, target, me, uid.unwrap_or_else(Uuid::new_v4))?;
    Ok(digests)
}

/// Returns the digests of the private files as they stand; none if that half is not here.
fn digests_of(private: &Path) -> Result<BTreeMap<DatasitePath, Digest>, Error> {
    if !private.is_dir() {
        return Ok(BTreeMap::new());
    }
    let is_data =
        |path: &DatasitePath| !matches!(path.as_str(), PRIVATE_METADATA_FILE | PERMISSION_FILE);
    let paths = files::tree(private, true)?.into_keys().filter(is_data);
    paths.map(|path| Ok((path.clone(), files::digest(&path.below(private))?.0))).collect()
}

fn stage_public(
    update: &Update,
    me: &Email,
    public: &Path,
    new: &Path,
    old: Metadata,
    private: &[BTreeMap<DatasitePath, Digest>],
    now: Timestamp,
) -> Result<(), Error> {
    let name = &update.name;
    let old_readme = old.readme_url.as_ref().and_then(|url| path_within(url, me, name));
    let is_own = |path: &DatasitePath| matches!(path.as_str(), METADATA_FILE | PERMISSION_FILE);
    let is_replaced =
        |path: &DatasitePath| update.readme.is_some() && Some(path) == old_readme.as_ref();
    let mock = match &update.mock {
        Some(source) => Source::look(source, "mock")?,
        None => Source::within(public, "mock", |path| is_own(path) || is_replaced(path))?,
    };
    check_mock(mock.files.keys()).map_err(|refusal| mock.refused(refusal))?;
    let mut shown = mock.copy_to(new)?;
    let kept = old_readme.filter(|path| path.below(public).is_file());
    let readme = match (&update.readme, kept) {
        (Some(readme), _) => Some(put_readme(readme, &mock, new)?),
        (None, Some(path)) if mock.files.contains_key(&path) => Some(path),
        (None, Some(path)) => Some(put_readme(&path.below(public), &mock, new)?),
        (None, None) => None,
    };
    add_readme(&mut shown, new, readme.as_ref())?;
    private.iter().try_for_each(|private| compare(&shown, private))?;
    let mock_files: Vec<DatasitePath> =
        mock.files.keys().filter(|path| Some(*path) != readme.as_ref()).cloned().collect();
    if mock_files.is_empty() {
        return Err(mock.refused(super::Refusal::NoFiles));
    }
    let about = Metadata {
        uid: old.uid.or_else(|| Some(Uuid::new_v4())),
        updated_at: Some(now),
        summary: update.summary.clone().or(old.summary),
        tags: update.tags.clone().unwrap_or(old.tags),
        paths: Vec::new(),
        ..old
    };
    let metadata = describe(about, me, name, readme.as_ref(), &mock_files)?;
    files::write_new(&new.join(METADATA_FILE), metadata.to_yaml())?;
    let rules = public.join(PERMISSION_FILE);
    if rules.is_file() {
        files::copy(&rules, &new.join(PERMISSION_FILE))?;
    }
    Ok(())
}

/// Puts what [`stage`] built in the place of the old halves, the private one first. Safe to repeat.
/// False if there is nothing that was built and nothing in its place: as if the SyftBox were gone.
///
/// # Errors
/// [`Error::Io`].
pub fn put_in_place(
    syftbox: &Path,
    me: &Email,
    name: &DatasetName,
    staged: &Staged,
) -> Result<bool, Error> {
    let folder = staging(syftbox, name);
    for (half, digest) in &staged.halves {
        let (new, old) = (folder.join(word(*half)), folder.join(format!("{}-old", word(*half))));
        let target = half_folder(syftbox, me, name, *half);
        if !new.is_dir() {
            if !target.is_dir() {
                return Ok(false);
            }
        } else if files::tree_digest(&new)?.to_hex() == *digest {
            files::exchange(&new, &target, &old)?;
        }
    }
    Ok(true)
}

/// Removes what [`stage`] built, or what it replaced. Nothing happens if there is nothing.
///
/// # Errors
/// [`Error::Io`].
pub fn discard(syftbox: &Path, name: &DatasetName) -> Result<(), Error> {
    remove(&staging(syftbox, name))
}

/// Removes what was built aside for datasets of which `is_noted` does not hold: by who died before
/// it was noted.
///
/// # Errors
/// [`Error::Io`].
pub fn sweep_staged(syftbox: &Path, is_noted: impl Fn(&str) -> bool) -> Result<(), Error> {
    let folder = syftbox.join(SCRATCH_FOLDER);
    let Ok(entries) = fs::read_dir(&folder) else { return Ok(()) };
    for entry in entries.flatten() {
        let name = entry.file_name();
        if name.to_str().and_then(|name| name.strip_prefix(PREFIX)).is_some_and(|n| !is_noted(n)) {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

fn remove(folder: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::at(folder)(error)),
        _ => Ok(()),
    }
}
