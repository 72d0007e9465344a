//! Messages as they come from the drive and go there. What is large lies in files on the way.
//!
//! A large message is fetched into a file, opened into another one if it is sealed, and read from that
//! piece by piece; what is large in it is kept as contents. One that leaves is made of its recipe when
//! it is sent, into a file that stays until it is there, so that what goes on after a crash is the same.
//! Of a process that was killed the next one goes on, both ways.
//!
//! Invariant: no more of a message is held in memory than [`HELD_BYTES_MAX`], or what a small one
//! unpacks to within that.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures::{StreamExt as _, stream};

use crate::caches::{self, Contents, DatasiteTree, announcing, catalogue, intents, journal};
use crate::connections::{
    self, AT_ONCE, Direction, Entry, Fetching, FileId, NewEntry, Sending, kept_at, make_private,
    with_ending,
};
use crate::model::{DatasitePath, Digest, Email};
use crate::peers::envelopes::{self, Unopened};
use crate::peers::{PrivateKeys, PublicKeys};
use crate::wire::{self, Body, FileChangeEvent, Larder, Large, Packed, Recipe, limits};

use super::sending::told;
use super::{Account, Result};

/// A message of more bytes than this is fetched into a file, and what unpacks to more is read piece by
/// piece.
const HELD_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// A message of so many bytes is held whatever size the service tells.
const UNTOLD_BYTES_MAX: u64 = 16 * 1024;

/// Endings of what lies beside what is kept of a transfer.
const WHOLE: &str = "whole";
const OPENED: &str = "opened";
const BEGUN: &str = "begun";
const MADE: &str = "made";

/// A message as it came.
#[derive(Debug)]
pub(super) enum Parcel {
    /// It is held.
    Bytes(Bytes),
    /// It lies in a file.
    File(Taken),
}

/// A file that is removed once nobody needs it.
#[derive(Debug)]
pub(super) struct Taken {
    path: PathBuf,
    /// What is kept of its transfer.
    kept: Option<PathBuf>,
}

impl Drop for Taken {
    fn drop(&mut self) {
        // What cannot be removed now is swept up later.
        drop(fs::remove_file(&self.path));
        if let Some(kept) = &self.kept {
            drop(fs::remove_file(kept));
            drop(fs::remove_file(with_ending(kept, "content")));
        }
    }
}

impl Parcel {
    /// Opens it from its start.
    pub(super) fn open(&self) -> io::Result<Box<dyn Read + '_>> {
        Ok(match self {
            Self::Bytes(bytes) => Box::new(&bytes[..]),
            Self::File(taken) => Box::new(BufReader::new(File::open(&taken.path)?)),
        })
    }

    /// Returns its size, in bytes.
    pub(super) fn size_bytes(&self) -> io::Result<u64> {
        match self {
            Self::Bytes(bytes) => Ok(bytes.len() as u64),
            Self::File(taken) => Ok(fs::metadata(&taken.path)?.len()),
        }
    }

    /// True if it is an envelope of any kind.
    pub(super) fn is_sealed(&self) -> io::Result<bool> {
        let mut start = Vec::new();
        self.open()?.take(16).read_to_end(&mut start)?;
        Ok(envelopes::is_sealed(&start))
    }

    /// Opens what `sender` sealed for us, as [`envelopes::open`] does: into memory if it is held, else into
    /// another file.
    ///
    /// # Errors
    /// If the disk refuses.
    pub(super) fn unsealed(
        &self,
        me: &Email,
        ours: &[&PrivateKeys],
        sender: &Email,
        accepted: &[&PublicKeys],
    ) -> io::Result<std::result::Result<Self, Unopened>> {
        let length = self.size_bytes()?;
        let open = |mut to: &mut dyn io::Write| {
            envelopes::open_from(me, ours, sender, accepted, length, || self.open(), &mut to)
        };
        match self {
            Self::Bytes(_) => {
                let mut content = Vec::new();
                let opened = open(&mut content)?;
                Ok(opened.map(|()| Self::Bytes(content.into())))
            }
            Self::File(taken) => {
                let path = with_ending(&taken.path, OPENED);
                caches::expect_room(path.parent().unwrap_or(&path), length)?;
                let to = private_file(&path)?;
                let taken = Taken { path, kept: None };
                let mut to = BufWriter::new(to);
                let opened = open(&mut to)?;
                to.flush()?;
                Ok(opened.map(|()| Self::File(taken)))
            }
        }
    }

    /// Reads it; what is large in it is kept.
    ///
    /// # Errors
    /// As [`Packed::read_from`].
    pub(super) fn read<T: Packed>(&self, account: &Account) -> std::result::Result<T, wire::Error> {
        let contents = account.contents();
        if let Self::Bytes(bytes) = self
            && contents.large_bytes_min() >= HELD_BYTES_MAX / 2
        {
            match T::from_file_within(bytes, HELD_BYTES_MAX as usize) {
                Err(wire::Error::TooLarge { .. }) => {}
                read => return read,
            }
        }
        let from = self.open().map_err(|source| wire::Error::NotKept { source })?;
        T::read_from(from, &mut contents.shelf())
    }

    /// Copies its first bytes into a file that nobody else may read.
    ///
    /// # Errors
    /// If the disk refuses.
    pub(super) fn copy_to(&self, path: &Path, bytes_max: u64) -> io::Result<()> {
        if let Some(folder) = path.parent() {
            make_private(folder)?;
        }
        let mut to = private_file(path)?;
        io::copy(&mut self.open()?.take(bytes_max), &mut to)?;
        to.sync_all()
    }
}

/// Why a message was not taken in.
#[derive(Debug)]
pub(super) enum Unread {
    /// It is not what it should be.
    Wrong(String),
    /// The disk did not take what is large in it.
    NotKept(String),
}

impl From<String> for Unread {
    fn from(reason: String) -> Self {
        Self::Wrong(reason)
    }
}

impl From<wire::Error> for Unread {
    fn from(error: wire::Error) -> Self {
        match error {
            wire::Error::NotKept { .. } => Self::NotKept(told(&error)),
            error => Self::Wrong(told(&error)),
        }
    }
}

impl From<Vec<u8>> for Parcel {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes.into())
    }
}

/// Makes a file that nobody else may read; what lay there is gone.
pub(super) fn private_file(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    File::options().write(true).create_new(true).mode(0o600).open(path)
}

/// Fetches messages, several at a time, each answered for itself, in order.
pub(super) async fn fetch_all(
    account: &Account,
    entries: &[Entry],
) -> Vec<connections::Result<Parcel>> {
    let entries: Vec<Entry> = entries.to_vec();
    stream::iter(entries)
        .map(|entry| async move { fetch(account, &entry).await })
        .buffered(AT_ONCE)
        .collect()
        .await
}

/// Fetches one message.
pub(super) async fn fetch(account: &Account, entry: &Entry) -> connections::Result<Parcel> {
    let drive = account.router.own();
    let held = HELD_BYTES_MAX.min(account.store.large_bytes_min().saturating_mul(2));
    if entry.size_bytes <= held {
        // Many are held at once, of which the sizes are known by what is told: none is held that is larger.
        let most = HELD_BYTES_MAX.min(entry.size_bytes.max(UNTOLD_BYTES_MAX));
        match drive.read(&entry.id, most).await {
            // It is larger than we were told.
            Err(connections::Error::TooLarge { .. }) => {}
            read => return read.map(Parcel::Bytes),
        }
    }
    if entry.size_bytes > limits::DOWNLOADED_BYTES_MAX {
        return Err(connections::Error::TooLarge { limit_bytes: limits::DOWNLOADED_BYTES_MAX });
    }
    let folder = account.folders.parcels();
    make_private(&folder)?;
    // It, and what is in it: what does not fit is not fetched in each sync only to be thrown away.
    caches::expect_room(&folder, entry.size_bytes.saturating_mul(2))?;
    let kept = kept_at(&folder, &entry.id);
    let path = with_ending(&kept, WHOLE);
    drop(fs::remove_file(&path));
    let load = account.router.traffic().begin(Direction::Down, entry.size_bytes);
    let fetching = Fetching { kept: kept.clone(), heard: load.file(entry.size_bytes) };
    let most = limits::DOWNLOADED_BYTES_MAX.min(caches::room(&folder)?);
    match drive.fetch(&entry.id, &path, most, &fetching).await {
        Ok(_) => Ok(Parcel::File(Taken { path, kept: Some(kept) })),
        Err(error) => {
            // What came of it lies elsewhere, if it can be gone on with.
            drop(fs::remove_file(&path));
            let is_cut = most < limits::DOWNLOADED_BYTES_MAX;
            Err(match error {
                connections::Error::TooLarge { .. } if is_cut => caches::no_room().into(),
                error => error,
            })
        }
    }
}

/// What a recipe is made into: a file that stays until it is sent.
#[derive(Debug)]
pub(super) struct Made {
    /// Where it lies.
    pub path: PathBuf,
    kept: PathBuf,
}

/// By whose keys something is sealed, and for whose.
type Seal<'a> = ((&'a Email, &'a PrivateKeys), (&'a Email, &'a PublicKeys));

/// Makes the file of a recipe, or takes the one that was made before. `seal` says by whose keys it
/// is sealed, and for whose; `None`: not at all.
///
/// # Errors
/// If something large is gone or has changed, or the disk refuses.
pub(super) fn make(
    account: &Account,
    file: &FileId,
    (recipe, mtime): (&Recipe, u32),
    larder: &dyn Larder,
    seal: Option<Seal<'_>>,
) -> io::Result<Made> {
    let folder = account.folders.parcels();
    let kept = kept_at(&folder, file);
    // What was sealed with other keys is another file.
    let keys = seal.as_ref().map(|(from, to)| {
        let both = format!("{} {}", from.1.fingerprint(), to.1.fingerprint());
        Digest::of(both.as_bytes()).to_hex()
    });
    let keys = keys.as_deref().map_or("plain", |keys| &keys[..16]);
    let path = with_ending(&kept, &format!("{keys}.{MADE}"));
    if path.is_file() {
        return Ok(Made { path, kept });
    }
    make_at(&kept, &path, (recipe, mtime), larder, seal)?;
    Ok(Made { path, kept })
}

/// As [`make`], for a file of ours that is made anew each time, and goes when nobody needs it.
///
/// # Errors
/// As [`make`].
pub(super) fn make_once(
    account: &Account,
    name: &str,
    recipe: (&Recipe, u32),
    larder: &dyn Larder,
    seal: Option<Seal<'_>>,
) -> io::Result<Parcel> {
    let kept = account.folders.parcels().join(name);
    let path = with_ending(&kept, MADE);
    make_at(&kept, &path, recipe, larder, seal)?;
    Ok(Parcel::File(Taken { path, kept: None }))
}

fn make_at(
    kept: &Path,
    path: &Path,
    recipe: (&Recipe, u32),
    larder: &dyn Larder,
    seal: Option<Seal<'_>>,
) -> io::Result<()> {
    if let Some(folder) = kept.parent() {
        make_private(folder)?;
    }
    let (begun, sealed) = (with_ending(kept, BEGUN), with_ending(kept, &format!("sealed.{BEGUN}")));
    let made = finish_at(path, (&begun, &sealed), recipe, larder, seal);
    // Where it cannot be made for lack of room, what there is of it would keep the disk full.
    made.inspect_err(|_| [&begun, &sealed].into_iter().for_each(|it| drop(fs::remove_file(it))))
}

fn finish_at(
    path: &Path,
    (begun, sealed): (&Path, &Path),
    recipe: (&Recipe, u32),
    larder: &dyn Larder,
    seal: Option<Seal<'_>>,
) -> io::Result<()> {
    write_recipe(begun, recipe, larder)?;
    match seal {
        None => fs::rename(begun, path)?,
        Some((sender, recipient)) => {
            let from = File::open(begun)?;
            let length = from.metadata()?.len();
            let mut to = BufWriter::new(private_file(sealed)?);
            let mut from = BufReader::new(from);
            envelopes::seal_from(sender, recipient, length, &mut from, &mut to)?;
            to.flush()?;
            to.get_ref().sync_all()?;
            fs::rename(sealed, path)?;
            fs::remove_file(begun)?;
        }
    }
    Ok(())
}

fn write_recipe(
    path: &Path,
    (recipe, mtime): (&Recipe, u32),
    larder: &dyn Larder,
) -> io::Result<()> {
    let mut to = BufWriter::new(private_file(path)?);
    recipe.write(mtime, larder, &mut to)?;
    to.flush()?;
    to.get_ref().sync_all()
}

/// Sends what was made, and removes it once it is there. `None`: it was there already.
pub(super) async fn send(
    account: &Account,
    new: &NewEntry,
    made: &Made,
) -> connections::Result<Option<Entry>> {
    let path = made.path.clone();
    let read = tokio::task::spawn_blocking(move || caches::digest_of_file(&path)).await;
    let (digest, size_bytes) = read.map_err(io::Error::other)??;
    let load = account.router.traffic().begin(Direction::Up, size_bytes);
    let sending = Sending { digest, kept: made.kept.clone(), heard: load.file(size_bytes) };
    let sent = match account.router.own().send(new, &made.path, &sending).await {
        Ok(entry) => Some(entry),
        Err(connections::Error::AlreadyExists { .. }) => None,
        Err(error) => return Err(error),
    };
    Ok(sent)
}

/// What lies among the large contents, or still stands in the tree of the account.
#[derive(Debug)]
pub(super) struct Lying {
    contents: Contents,
    tree: DatasiteTree,
    places: BTreeMap<Digest, DatasitePath>,
}

impl Lying {
    /// What events speak of.
    pub(super) fn of(account: &Account, events: &[FileChangeEvent]) -> Result<Self> {
        let place = |event: &FileChangeEvent| match &event.content {
            Some(Body::Large(large)) => {
                Some((large.digest, DatasitePath::parse(&event.path_in_datasite).ok()?))
            }
            _ => None,
        };
        Self::at(account, events.iter().filter_map(place).collect())
    }

    /// What stands at these places.
    pub(super) fn at(account: &Account, places: BTreeMap<Digest, DatasitePath>) -> Result<Self> {
        let (contents, tree) = (account.contents(), account.tree(&account.email)?);
        Ok(Self { contents, tree, places })
    }
}

impl Larder for Lying {
    fn open(&self, large: &Large) -> io::Result<Box<dyn Read + '_>> {
        if let Some(file) = Contents::open(&self.contents, &large.digest)? {
            return Ok(Box::new(file));
        }
        let path = self.places.get(&large.digest).ok_or(io::ErrorKind::NotFound)?;
        match self.tree.open_file(path).map_err(io::Error::other)? {
            Some((file, _)) => Ok(Box::new(file)),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

impl Made {
    /// Removes it: it is there, and that is noted.
    pub(super) fn remove(&self) {
        // What cannot be removed now is swept up later.
        drop(fs::remove_file(&self.path));
    }
}

impl Parcel {
    /// Returns it as a connection takes it.
    pub(super) fn content(&self) -> connections::Content {
        match self {
            Self::Bytes(bytes) => connections::Content::Bytes(bytes.clone()),
            Self::File(taken) => connections::Content::File(taken.path.clone()),
        }
    }
}

/// Removes all that nobody needs any more: contents of which nothing speaks, and what is kept of messages
/// that are sent, taken in or gone. For who holds the lock, at the end of a sync.
///
/// # Errors
/// If the database or the disk fails.
pub(super) fn sweep(account: &Account) -> Result<()> {
    let (contents, folder) = (account.contents(), account.folders.parcels());
    if contents.is_empty() && !folder.is_dir() {
        return Ok(());
    }
    let (larges, outgoing, unseen) = account.store.read(|db| {
        let mut larges = intents::larges(db)?;
        larges.extend(journal::larges(db)?);
        larges.extend(announcing::larges(db)?);
        Ok((larges, journal::pending_files(db)?, catalogue::unseen_files(db)?))
    })?;
    contents.sweep(&larges)?;
    let wanted: BTreeSet<PathBuf> =
        outgoing.iter().chain(&unseen).map(|id| kept_at(&folder, id)).collect();
    sweep_parcels(&folder, &wanted).map_err(|source| caches::Error::File {
        path: folder.clone(),
        what: "read",
        source,
    })?;
    Ok(())
}

fn sweep_parcels(folder: &Path, wanted: &BTreeSet<PathBuf>) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let stem = folder.join(name.split('.').next().unwrap_or_default());
        if !wanted.contains(&stem) {
            // A folder is what a crash left of putting content together.
            if path.is_dir() {
                fs::remove_dir_all(&path)?
            } else {
                fs::remove_file(&path)?
            };
        }
    }
    drop(fs::remove_dir(folder));
    Ok(())
}

#[cfg(test)]
mod tests;
