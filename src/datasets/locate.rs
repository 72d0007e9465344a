//! Finds the folder or file on this machine that a name or a `syft://` address means.
//!
//! A job, a script and a person ask the same: where is the half of this dataset that I may use? The
//! owner, and a job that runs at the owner's, use the private half; everybody else the mock half,
//! which is all that is there. What is answered is there; where nothing is, that is said.
//!
//! An address of a mock file may name a folder that the copy here lacks, as it came flat through
//! another program; then the file of that name in the dataset is meant.

use std::path::{Path, PathBuf};

use super::collection::Half;
use super::local::newest_folder;
use super::{DatasetName, Error, SyftUrl};
use crate::model::{DatasitePath, Email};

/// Returns where one half of a dataset is, or `file` in it.
///
/// # Errors
/// [`Error::NotFound`], [`Error::NoPrivateHalf`], [`Error::NothingThere`].
pub fn locate(
    syftbox: &Path,
    owner: &Email,
    name: &DatasetName,
    half: Half,
    file: Option<&DatasitePath>,
) -> Result<PathBuf, Error> {
    let folder = newest_folder(syftbox, owner, name, half);
    if !folder.is_dir() {
        let (owner, name) = (owner.clone(), name.clone());
        return Err(match half {
            Half::Public => Error::NotFound { owner, name },
            Half::Private => Error::NoPrivateHalf { owner, name },
        });
    }
    match file {
        None => Ok(folder),
        Some(file) => existing(&folder, file),
    }
}

/// Returns what an address means on this machine.
///
/// # Errors
/// [`Error::Outside`] if it leads out of the SyftBox; [`Error::NothingThere`].
pub fn resolve(syftbox: &Path, url: &SyftUrl) -> Result<PathBuf, Error> {
    let path = url.path_in_box().ok_or_else(|| Error::Outside { url: url.clone() })?;
    let place = path.below(syftbox);
    if place.exists() {
        return Ok(place);
    }
    in_dataset(syftbox, &path).unwrap_or(Err(Error::NothingThere { path: place }))
}

/// Returns the file of a dataset that a path means, if it means one.
fn in_dataset(syftbox: &Path, path: &DatasitePath) -> Option<Result<PathBuf, Error>> {
    let (owner, rest) = path.as_str().split_once('/')?;
    let owner = Email::parse(owner).ok()?;
    let is_in = |half: &Half| rest.starts_with(&format!("{}/", half.folder()));
    let half = [Half::Public, Half::Private].into_iter().find(is_in)?;
    let mut parts = rest.strip_prefix(half.folder())?.trim_start_matches('/').split('/');
    // A folder of that name is a layout, and never a dataset.
    let first = parts.next()?;
    let name = if DatasetName::parse(first).is_ok() { first } else { parts.next()? };
    let name = DatasetName::parse(name).ok()?;
    let file: Vec<&str> = parts.collect();
    let file = match file.is_empty() {
        true => None,
        false => Some(DatasitePath::parse(&file.join("/")).ok()?),
    };
    Some(locate(syftbox, &owner, &name, half, file.as_ref()))
}

fn existing(folder: &Path, file: &DatasitePath) -> Result<PathBuf, Error> {
    let places = [file.below(folder), folder.join(file.file_name())];
    let found = places.iter().find(|place| place.exists());
    found.cloned().ok_or_else(|| Error::NothingThere { path: file.below(folder) })
}
