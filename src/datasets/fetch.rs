//! Downloads a collection and puts it in its place.
//!
//! Files go to a scratch folder under names that [`admit`] accepted, are checked against the digest
//! in the collection's name, and replace the old copy in one step. A collection that is incomplete
//! or damaged changes nothing. Files that somebody edited on this machine are never lost: the old
//! copy goes aside as a whole, and only what is known to be a peer's unchanged file is deleted.
//! Large files are gone on with where an earlier process was killed ([`fetch_with`]).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use futures::StreamExt as _;
use futures::TryStreamExt as _;
use uuid::Uuid;

use super::carrying::Carrier;
use super::collection::Half;
use super::create::write_private_files;
use super::files::{self, Digests};
use super::folding;
use super::metadata::{
    Audience, METADATA_BYTES_MAX, METADATA_FILE, PERMISSION_FILE, PRIVATE_METADATA_FILE,
    PrivateMetadata, public_permissions,
};
use super::pull::{Admitted, Held, HeldFile, Limits, Wanted, admit, is_installed};
use super::{DatasetName, Error, half_folder};
use crate::connections::{Connection, Direction, Entry, Far, Fetching, LARGE_BYTES_MIN, kept_at};
use crate::model::{DatasitePath, Digest, Email, Timestamp};

/// The folder, below the SyftBox, where edited files of replaced or removed datasets are kept.
pub const KEPT_FOLDER: &str = ".kept";

const PARALLEL: usize = crate::connections::AT_ONCE;

/// Downloads the collection `wanted`, whose folder holds `files`, into the empty folder `into`, and
/// returns the record to keep once it is installed. `others_bytes` is what the other datasets of
/// that owner have here already.
///
/// # Errors
/// [`Error::Unacceptable`] before anything is downloaded; [`Error::Damaged`] if the digest is
/// another; [`Error::Connection`]; [`Error::Io`].
pub async fn fetch(
    connection: &dyn Connection,
    wanted: &Wanted,
    files: &[Entry],
    into: &Path,
    others_bytes: u64,
    limits: &Limits,
) -> Result<Held, Error> {
    let carrier = Carrier::default();
    fetch_with(connection, wanted, files, into, others_bytes, limits, &carrier).await
}

/// The same, with large files carried so that they go on after the end of a process. What is kept of
/// them stays until [`forget_kept`](super::forget_kept), also where the digest is another: the caller
/// knows whether it is of use.
///
/// # Errors
/// As [`fetch`].
pub async fn fetch_with(
    connection: &dyn Connection,
    wanted: &Wanted,
    files: &[Entry],
    into: &Path,
    others_bytes: u64,
    limits: &Limits,
    carrier: &Carrier,
) -> Result<Held, Error> {
    let (owner, name) = (wanted.owner.clone(), wanted.name.dataset.clone());
    let admitted = admit(&owner, files, others_bytes, limits).map_err(|reason| {
        Error::Unacceptable { owner: owner.clone(), name: name.clone(), reason }
    })?;
    download(connection, &admitted, into, carrier).await?;

    let members = |admitted: &Admitted| {
        let path = DatasitePath::parse(&admitted.name)
            .map_err(|source| Error::Path { path: into.join(&admitted.name), source })?;
        Ok((admitted.name.clone(), path))
    };
    let members: BTreeMap<String, DatasitePath> =
        admitted.iter().map(members).collect::<Result<_, Error>>()?;
    let folder = into.to_owned();
    let (hash, mut digests) =
        tokio::task::spawn_blocking(move || files::collection_digests(&folder, &members, None))
            .await
            .map_err(|error| Error::at(into)(error.into()))??;
    if hash != wanted.name.hash {
        return Err(Error::Damaged { owner, name });
    }
    for file in admitted.iter().filter(|file| !is_installed(wanted.name.half, &file.name)) {
        let path = into.join(&file.name);
        fs::remove_file(&path).map_err(Error::at(&path))?;
        digests.remove(&file.name);
    }
    put_in_folders(into, wanted, &mut digests)?;
    let file = |(name, (digest, size_bytes))| HeldFile { name, size_bytes, digest };
    let files = digests.into_iter().map(file).collect();
    Ok(Held { owner, name, hash, folder: wanted.folder.clone(), files })
}

/// Puts files that have travelled flat into the folders that they belong in, and writes the
/// description of the tree.
fn put_in_folders(into: &Path, wanted: &Wanted, digests: &mut Digests) -> Result<(), Error> {
    let description = match wanted.name.half {
        Half::Public => METADATA_FILE,
        Half::Private => PRIVATE_METADATA_FILE,
    };
    if !digests.contains_key(description) {
        return Ok(());
    }
    let path = into.join(description);
    let Some(content) = files::read_small(&path, METADATA_BYTES_MAX)? else { return Ok(()) };
    let names = digests.keys().map(String::as_str);
    let (tree, places) = match wanted.name.half {
        Half::Public => {
            let unfolded = folding::unfold(&content, &wanted.owner, &wanted.name.dataset, names);
            let Some((tree, places)) = unfolded else { return Ok(()) };
            (Some(tree), places)
        }
        // What describes it is written anew in any case.
        Half::Private => {
            let paths = PrivateMetadata::parse(&content).map(|read| read.paths);
            let places = folding::places(&paths.unwrap_or_default(), names);
            let Some(places) = places else { return Ok(()) };
            (None, places)
        }
    };
    files::put_in_places(into, &places)?;
    for (name, place) in places {
        if let Some(digested) = digests.remove(&name) {
            digests.insert(place.as_str().to_owned(), digested);
        }
    }
    if let Some(tree) = tree {
        fs::remove_file(&path).map_err(Error::at(&path))?;
        files::write_new(&path, &tree)?;
        let digested = (Digest::of(&tree), tree.len() as u64);
        digests.insert(description.to_owned(), digested);
    }
    Ok(())
}

async fn download(
    connection: &dyn Connection,
    files: &[Admitted],
    into: &Path,
    carrier: &Carrier,
) -> Result<(), Error> {
    let load = carrier.traffic.begin(Direction::Down, files.iter().map(|f| f.size_bytes).sum());
    // Owned, since a closure over borrowed items makes a future that cannot change threads.
    let downloads = files.iter().cloned().map(|file| {
        let heard = load.file(file.size_bytes);
        let kept = carrier.kept.as_deref().map(|folder| kept_at(folder, &file.id));
        let large = file.size_bytes >= LARGE_BYTES_MIN && connection.resumes();
        let fetching = kept.filter(|_| large).map(|kept| Fetching { kept, heard: heard.clone() });
        async move {
            // No more than the listing said: the bounds were checked against that.
            let (to, limit) = (into.join(&file.name), file.size_bytes);
            match fetching {
                Some(fetching) => connection.fetch(&file.id, &to, limit, &fetching).await?,
                None => connection.download(&file.id, &to, limit).await?,
            };
            heard.tell(Far::At(file.size_bytes));
            Ok::<_, Error>(())
        }
    });
    futures::stream::iter(downloads).buffer_unordered(PARALLEL).try_collect::<()>().await
}

/// Puts the downloaded folder `staging` in the place of the public half of `new`. `old` is the
/// record of what was there, if it was fetched too. Returns where edited files are kept now.
///
/// # Errors
/// [`Error::Io`]; the old copy is then still there, or kept.
pub fn install(
    syftbox: &Path,
    staging: &Path,
    new: &Held,
    old: Option<&Held>,
    now: Timestamp,
) -> Result<Vec<PathBuf>, Error> {
    files::sync_files(staging)?;
    files::sync_folders(staging)?;
    let target = half_folder(syftbox, &new.owner, &new.name, Half::Public);
    if !files::is_occupied_path(&target)? {
        files::rename_new(staging, &target)?;
        return Ok(Vec::new());
    }
    let aside = aside(syftbox, &new.owner, &new.name, now)?;
    files::swap(staging, &target, &aside)?;
    keep_edits(&aside, &[Some(new), old])
}

/// Removes the public half of a dataset that its owner shows no longer. Returns where edited files
/// are kept now.
///
/// # Errors
/// [`Error::Io`].
pub fn remove(syftbox: &Path, held: &Held, now: Timestamp) -> Result<Vec<PathBuf>, Error> {
    let target = half_folder(syftbox, &held.owner, &held.name, Half::Public);
    if !files::is_occupied_path(&target)? {
        return Ok(Vec::new());
    }
    let aside = aside(syftbox, &held.owner, &held.name, now)?;
    files::rename_new(&target, &aside)?;
    keep_edits(&aside, &[Some(held)])
}

/// A half of an own dataset that comes back from the drive.
#[derive(Clone, Copy, Debug)]
pub struct Restored<'a> {
    /// Which.
    pub wanted: &'a Wanted,
    /// Whom its mock files are for.
    pub audience: &'a Audience,
    /// The identity, if the private half says none.
    pub uid: Uuid,
}

/// Puts a half of an own dataset, downloaded to `staging`, in its place, with the files that do not
/// travel: permissions of the public half, and the address of the private half on this machine.
///
/// # Errors
/// [`Error::Exists`] if there is something already; [`Error::Io`].
pub fn install_restored(
    syftbox: &Path,
    staging: &Path,
    restored: Restored<'_>,
) -> Result<(), Error> {
    let target = complete(syftbox, staging, restored)?;
    files::rename_new(staging, &target)
}

/// The same where there may be an older one: what of it is neither in `new` nor in `old` goes aside,
/// and where is returned.
///
/// # Errors
/// [`Error::Io`].
pub fn install_own(
    syftbox: &Path,
    staging: &Path,
    restored: Restored<'_>,
    new: &[HeldFile],
    old: &[HeldFile],
    now: Timestamp,
) -> Result<Vec<PathBuf>, Error> {
    let target = complete(syftbox, staging, restored)?;
    if !files::is_occupied_path(&target)? {
        files::rename_new(staging, &target)?;
        return Ok(Vec::new());
    }
    let aside = aside(syftbox, &restored.wanted.owner, &restored.wanted.name.dataset, now)?;
    files::swap(staging, &target, &aside)?;
    for name in [METADATA_FILE, PERMISSION_FILE, PRIVATE_METADATA_FILE] {
        let path = aside.join(name);
        if path.symlink_metadata().is_ok() {
            fs::remove_file(&path).map_err(Error::at(&path))?;
        }
    }
    keep_unknown(&aside, &[new, old])
}

/// Makes the downloaded folder what it is to be, through to the disk, and returns its place.
fn complete(syftbox: &Path, staging: &Path, restored: Restored<'_>) -> Result<PathBuf, Error> {
    let Restored { wanted, audience, uid } = restored;
    let half = wanted.name.half;
    let target = half_folder(syftbox, &wanted.owner, &wanted.name.dataset, half);
    match half {
        Half::Public => {
            if let Some(permissions) = public_permissions(audience) {
                files::write_new(&staging.join(PERMISSION_FILE), &permissions)?;
            }
        }
        Half::Private => {
            let path = staging.join(PRIVATE_METADATA_FILE);
            let content = files::read_small(&path, METADATA_BYTES_MAX).ok().flatten();
            let old = content.and_then(|content| PrivateMetadata::parse(&content).ok());
            for name in [PRIVATE_METADATA_FILE, PERMISSION_FILE] {
                let path = staging.join(name);
                if path.exists() {
                    fs::remove_file(&path).map_err(Error::at(&path))?;
                }
            }
            let uid = old.and_then(|old| old.uid).unwrap_or(uid);
            write_private_files(staging, &target, &wanted.owner, uid)?;
        }
    }
    files::sync_files(staging)?;
    files::sync_folders(staging)?;
    Ok(target)
}

/// Returns a place for the old copy that nothing has.
fn aside(
    syftbox: &Path,
    owner: &Email,
    name: &DatasetName,
    now: Timestamp,
) -> Result<PathBuf, Error> {
    let parent = syftbox.join(KEPT_FOLDER).join(owner.as_str());
    let mut path = parent.join(format!("{name}-{now}"));
    let mut number = 1;
    while files::is_occupied_path(&path)? {
        number += 1;
        path = parent.join(format!("{name}-{now}-{number}"));
    }
    Ok(path)
}

fn keep_edits(aside: &Path, records: &[Option<&Held>]) -> Result<Vec<PathBuf>, Error> {
    let known: Vec<&[HeldFile]> = records.iter().flatten().map(|held| &held.files[..]).collect();
    keep_unknown(aside, &known)
}

/// Deletes from an old copy what is `known`, and returns what is left: edits.
fn keep_unknown(aside: &Path, known: &[&[HeldFile]]) -> Result<Vec<PathBuf>, Error> {
    let is_known = |path: &DatasitePath, digest: Digest| {
        let mut files = known.iter().copied().flatten();
        files.any(|file| file.name == path.as_str() && file.digest == digest)
    };
    let mut kept = Vec::new();
    for path in files::tree(aside, true)?.into_keys() {
        let local = path.below(aside);
        if is_known(&path, files::digest(&local)?.0) {
            fs::remove_file(&local).map_err(Error::at(&local))?;
        } else {
            kept.push(local);
        }
    }
    files::remove_empty_folders(aside)?;
    if kept.is_empty() {
        // What nothing is kept in goes as well; what others keep there stays.
        for folder in aside.ancestors().skip(1).take(2) {
            let _ = fs::remove_dir(folder);
        }
    }
    Ok(kept)
}
