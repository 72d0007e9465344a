//! Datasets on this machine: finding, showing, sharing and deleting them.
//!
//! Whose a dataset is and what it is called is where it lies: `{owner}/public/syft_datasets/{name}`
//! below the SyftBox, or `…/v1/{name}`, which the second generation of the Python client can read
//! and by itself does not write, as we do not. Where both are there, the newer layout counts. A
//! folder that cannot be read is listed with its problem and never hides the
//! others. Private files are shown to their owner alone.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::collection::Half;
use super::files::{self, FileInfo, Scratch};
use super::metadata::{
    Audience, METADATA_BYTES_MAX, METADATA_FILE, Metadata, PERMISSION_FILE, PRIVATE_METADATA_FILE,
    public_permissions,
};
use super::{DatasetName, Error, InvalidMetadata, SyftUrl};
use crate::model::{DatasitePath, Email};

const README_BYTES_MAX: u64 = 1024 * 1024;
const LISTED_MAX: usize = 10_000; // for each owner

/// Returns the folder of one half of a dataset.
pub fn half_folder(syftbox: &Path, owner: &Email, name: &DatasetName, half: Half) -> PathBuf {
    syftbox.join(owner.as_str()).join(half.folder()).join(name.as_str())
}

/// Returns where one half of a dataset is: in the newest layout that it is there in. Where it is
/// not there at all, that is where it would be written.
pub fn newest_folder(syftbox: &Path, owner: &Email, name: &DatasetName, half: Half) -> PathBuf {
    let nested = layout_folder(syftbox, owner, half).join(name.as_str());
    if is_folder(&nested) { nested } else { half_folder(syftbox, owner, name, half) }
}

/// The name of the folder that holds the datasets of layout 1.
const SEGMENT: &str = "v1";

fn layout_folder(syftbox: &Path, owner: &Email, half: Half) -> PathBuf {
    syftbox.join(owner.as_str()).join(half.folder()).join(SEGMENT)
}

/// One line of a listing.
#[derive(Debug)]
pub struct Listed {
    /// Whose.
    pub owner: Email,
    /// The folder's name; that of the dataset if it is one.
    pub name: String,
    /// Where its public half is.
    pub folder: PathBuf,
    /// What it says, or why it cannot be used.
    pub content: Result<Metadata, Error>,
}

/// A dataset in full.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// Whose.
    pub owner: Email,
    /// What it is called.
    pub name: DatasetName,
    /// What its description says.
    pub metadata: Metadata,
    /// Where its public half is.
    pub folder: PathBuf,
    /// The mock files, relative to that.
    pub mock_files: Vec<FileInfo>,
    /// The text of its readme, at most 1 MiB.
    pub readme: Option<String>,
    /// Where its private half is; its owner only.
    pub private_folder: Option<PathBuf>,
    /// The private files, relative to that; its owner only.
    pub private_files: Vec<FileInfo>,
}

/// Lists all datasets on this machine, sorted by owner, then name. A private half of `me` whose
/// public half is missing is listed as well, as a problem.
///
/// # Errors
/// [`Error::Io`] if the SyftBox itself cannot be read; none if it does not exist.
pub fn list(syftbox: &Path, me: &Email) -> Result<Vec<Listed>, Error> {
    let mut listed = Vec::new();
    for owner in folder_names(syftbox)?.iter().filter_map(|name| Email::parse(name).ok()) {
        let parent = syftbox.join(owner.as_str()).join(Half::Public.folder());
        // An unreadable datasite must not hide the others; its own sync reports it.
        let in_layout = |folder: &Path| folder_names(folder).unwrap_or_default();
        let nested = in_layout(&parent.join(SEGMENT));
        let flat = in_layout(&parent);
        let flat = flat.into_iter().filter(|name| name != SEGMENT && !nested.contains(name));
        let flat: Vec<_> = flat.map(|name| (parent.join(&name), name)).collect();
        let nested =
            nested.into_iter().map(|name| (parent.join(SEGMENT).join(&name), name)).collect();
        let all = [flat, nested].concat().into_iter();
        for (folder, name) in all.filter(|(_, name)| !name.starts_with('.')).take(LISTED_MAX) {
            let content =
                DatasetName::parse(&name).map_err(Error::from).and_then(|_| read_metadata(&folder));
            listed.push(Listed { owner: owner.clone(), name, folder, content });
        }
    }
    for (half, name) in local_halves(syftbox, me)? {
        let folder = newest_folder(syftbox, me, &name, Half::Public);
        if half == Half::Private && !is_folder(&folder) {
            let (owner, name) = (me.clone(), name.to_string());
            listed.push(Listed { owner, name, folder, content: Err(Error::NoPublicHalf) });
        }
    }
    listed.sort_by(|a, b| (&a.owner, &a.name).cmp(&(&b.owner, &b.name)));
    Ok(listed)
}

/// Returns which halves of own datasets are on this machine; an empty folder is none.
///
/// # Errors
/// [`Error::Io`].
pub fn local_halves(syftbox: &Path, me: &Email) -> Result<BTreeSet<(Half, DatasetName)>, Error> {
    let mut present = BTreeSet::new();
    for half in [Half::Public, Half::Private] {
        let flat = syftbox.join(me.as_str()).join(half.folder());
        for parent in [flat, layout_folder(syftbox, me, half)] {
            let names = folder_names(&parent)?;
            for name in names.iter().filter_map(|name| DatasetName::parse(name).ok()) {
                if files::is_occupied_path(&parent.join(name.as_str()))? {
                    present.insert((half, name));
                }
            }
        }
    }
    Ok(present)
}

/// Shows the dataset `name` of `owner` to `me`.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::Metadata`] if its description cannot be read; [`Error::Io`].
pub fn show(
    syftbox: &Path,
    me: &Email,
    owner: &Email,
    name: &DatasetName,
) -> Result<Dataset, Error> {
    let folder = newest_folder(syftbox, owner, name, Half::Public);
    if !is_folder(&folder) {
        return Err(Error::NotFound { owner: owner.clone(), name: name.clone() });
    }
    let metadata = read_metadata(&folder)?;
    let mut tree = files::tree(&folder, true)?;
    let readme = readme_path(&metadata, owner, name)
        .and_then(|path| tree.remove_entry(&path))
        .and_then(|(path, _)| read_text(&path.below(&folder)));
    let own = |path: &DatasitePath| matches!(path.as_str(), METADATA_FILE | PERMISSION_FILE);
    let mock_files = infos(tree, own);

    let private = newest_folder(syftbox, owner, name, Half::Private);
    let private_folder = (me == owner && is_folder(&private)).then_some(private);
    let own =
        |path: &DatasitePath| matches!(path.as_str(), PRIVATE_METADATA_FILE | PERMISSION_FILE);
    let private_files = match &private_folder {
        Some(folder) => infos(files::tree(folder, true)?, own),
        None => Vec::new(),
    };
    let (owner, name) = (owner.clone(), name.clone());
    Ok(Dataset { owner, name, metadata, folder, mock_files, readme, private_folder, private_files })
}

/// Writes who may read the public half of a dataset of `me` into its permission file.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Io`].
pub fn set_audience(
    syftbox: &Path,
    me: &Email,
    name: &DatasetName,
    audience: &Audience,
) -> Result<(), Error> {
    let folder = newest_folder(syftbox, me, name, Half::Public);
    if !is_folder(&folder) {
        return Err(Error::NotFound { owner: me.clone(), name: name.clone() });
    }
    let target = folder.join(PERMISSION_FILE);
    match public_permissions(audience) {
        Some(content) => {
            let scratch = Scratch::new(syftbox)?;
            let new = scratch.path().join(PERMISSION_FILE);
            files::write_new(&new, &content)?;
            fs::rename(&new, &target).map_err(Error::at(&target))
        }
        None => match fs::remove_file(&target) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::at(&target)(error))
            }
            _ => Ok(()),
        },
    }
}

/// Deletes both halves of a dataset of `me` from this machine, or the one that is there, in all
/// layouts. The public half goes first, each in one step.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Io`].
pub fn delete(syftbox: &Path, me: &Email, name: &DatasetName) -> Result<(), Error> {
    let scratch = Scratch::new(syftbox)?;
    let mut found = false;
    for half in [Half::Public, Half::Private] {
        let nested = layout_folder(syftbox, me, half).join(name.as_str());
        for (folder, layout) in [(half_folder(syftbox, me, name, half), 0), (nested, 1)] {
            if is_folder(&folder) {
                found = true;
                let aside = format!("{}-{layout}", half.prefix());
                files::rename_new(&folder, &scratch.path().join(aside))?;
            }
        }
    }
    if found { Ok(()) } else { Err(Error::NotFound { owner: me.clone(), name: name.clone() }) }
}

/// Returns which of the listed mock files exist, relative to `folder`, the readme and the
/// description included: what a collection is made of. A file that is listed in a folder may lie
/// flat, as a restored dataset has it.
pub(super) fn public_files(
    folder: &Path,
    metadata: &Metadata,
    owner: &Email,
    name: &DatasetName,
) -> Result<Vec<DatasitePath>, Error> {
    let tree = files::tree(folder, true)?;
    let mut found = BTreeSet::new();
    for url in metadata.mock_files.iter().chain(metadata.readme_url.as_ref()) {
        let Some(path) = path_within(url, owner, name) else { continue };
        let flat = DatasitePath::parse(path.file_name()).ok();
        let place = [Some(path), flat].into_iter().flatten().find(|path| tree.contains_key(path));
        found.extend(place);
    }
    let description = DatasitePath::parse(METADATA_FILE).ok();
    found.extend(description.filter(|path| tree.contains_key(path)));
    Ok(found.into_iter().collect())
}

/// Reads the description in `folder`.
pub(super) fn read_metadata(folder: &Path) -> Result<Metadata, Error> {
    let path = folder.join(METADATA_FILE);
    let content = files::read_small(&path, METADATA_BYTES_MAX)?;
    content
        .ok_or(InvalidMetadata::TooLarge)
        .and_then(|content| Metadata::parse(&content))
        .map_err(|source| Error::Metadata { path, source })
}

fn readme_path(metadata: &Metadata, owner: &Email, name: &DatasetName) -> Option<DatasitePath> {
    path_within(metadata.readme_url.as_ref()?, owner, name)
}

/// Returns where an address leads within the public half of a dataset. One of layout 1 lies flat
/// once it travelled as a collection, while its addresses say where its owner keeps it.
pub(super) fn path_within(
    url: &SyftUrl,
    owner: &Email,
    name: &DatasetName,
) -> Option<DatasitePath> {
    let all = format!("{owner}/{}", Half::Public.folder());
    url.path_below(&format!("{all}/{name}"))
        .or_else(|| url.path_below(&format!("{all}/{SEGMENT}/{name}")))
}

fn read_text(path: &Path) -> Option<String> {
    let content = files::read_small(path, README_BYTES_MAX).ok()??;
    Some(String::from_utf8_lossy(&content).into_owned())
}

fn infos(tree: files::Tree, own: impl Fn(&DatasitePath) -> bool) -> Vec<FileInfo> {
    let files = tree.into_iter().filter(|(path, _)| !own(path));
    files.map(|(path, size_bytes)| FileInfo { path, size_bytes }).collect()
}

fn is_folder(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir())
}

fn folder_names(parent: &Path) -> Result<Vec<String>, Error> {
    let entries = match fs::read_dir(parent) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::at(parent)(error)),
    };
    let folder = |entry: fs::DirEntry| {
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        is_folder.then(|| entry.file_name().to_string_lossy().into_owned())
    };
    let mut names: Vec<String> = entries.filter_map(Result::ok).filter_map(folder).collect();
    names.sort_unstable();
    Ok(names)
}
