//! Fetches what is missing of a large file that a message brings as chunks, and puts it together in a
//! scratch folder.
//!
//! What is asked here of the drive, and in which order, matters for cost alone: what may be fetched
//! and what comes out is decided and verified in `crate::chunks`. Whoever calls has decided that the
//! sender may bring this file, and whether it may read the file that chunks are taken from.
//!
//! Invariant: nothing but the scratch folder is written. What a crash leaves in it is used by the next
//! process.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read, Seek, Write as _};
use std::path::{Path, PathBuf};

use crate::caches::{self, catalogue};
use crate::chunks::{self, NotFetched, Outline, PACK_FILE_BYTES_MAX, Seen, Shelf};
use crate::connections::{self, Direction, Entry, Far, FileId};
use crate::model::{Email, Timestamp};
use crate::peers::Keyring;
use crate::wire::Manifest;
use crate::wire::names::PackName;

use super::super::parcels::{Parcel, private_file};
use super::super::sealing::{self, OwnFile, OwnFiles, Received};
use super::super::sending::told;
use super::super::{self as syncers, Account, Report, Result};

/// How many packs are in memory at once, each up to some 8 MiB.
const PACKS_AT_ONCE: usize = 4;

/// What became of a large file that a message brings.
#[derive(Debug)]
pub(super) enum Arrived {
    /// It is here, whole and verified, in the scratch folder, and consists of this.
    Here(PathBuf, Outline),
    /// A pack is not there. It may still come: the message stays where it is.
    Missing(String),
    /// Something does not work now that may later.
    Later(String),
    /// The service was cut off: what came of it is worth keeping.
    Interrupted(String),
    /// The message is wrong, and stays so.
    Wrong(String),
}

/// How packs are opened, and by that whose they are.
#[derive(Debug)]
pub(in crate::syncers) enum Opener<'a> {
    /// With these keys, as what a peer sends.
    Peers(Option<&'a Keyring>),
    /// As what is our own.
    Own(&'a mut OwnFiles),
}

/// A message that brings a large file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent<'a> {
    /// Who sent it.
    pub(super) sender: &'a Email,
    /// The message.
    pub(super) message: &'a Entry,
    /// What it says of the file.
    pub(super) manifest: &'a Manifest,
}

/// Puts the file together in `scratch`, out of `own`, which `outline` describes, and of packs that lie
/// beside the message.
///
/// # Errors
/// If the database or the disk fails. What is wrong with the message is in the answer.
pub(super) async fn receive(
    account: &Account,
    opener: &mut Opener<'_>,
    sent: Sent<'_>,
    own: Option<(&Outline, &mut (impl Read + Seek + Send))>,
    scratch: &Path,
    now: Timestamp,
    report: &mut Report,
) -> Result<Arrived> {
    let manifest = sent.manifest;
    let mut fetch = Fetch { account, opener, sent, scratch, now };
    let mut nothing = io::empty();
    let (outline, mut own): (Option<&Outline>, &mut dyn Source) = match own {
        Some((outline, own)) => (Some(outline), own),
        None => (None, &mut nothing),
    };
    let wanted = match chunks::packs_for_lists(manifest, outline) {
        Ok(wanted) => wanted,
        Err(error) => return why_not(error, scratch),
    };
    if let Some(not) = fetch.packs(&wanted, report).await? {
        return Ok(not);
    }
    let mut shelf = Shelf::new(|number| File::open(pack_at(scratch, number)));
    let recipe = chunks::recipe(manifest, outline, |pack, digest| shelf.read(pack, digest));
    let recipe = match recipe {
        Ok(recipe) => recipe,
        Err(error) => return why_not(error, scratch),
    };
    if let Some(not) = fetch.packs(&recipe.packs(), report).await? {
        return Ok(not);
    }
    let whole = scratch.join("whole");
    let mut out = private_file(&whole).map_err(disk(scratch))?;
    let read = |pack, digest: &_| shelf.read(pack, digest);
    match chunks::assemble(&recipe, &mut own, read, &mut out) {
        Ok(()) => {
            out.flush().map_err(disk(scratch))?;
            Ok(Arrived::Here(whole, recipe.outline()))
        }
        Err(error) => why_not(error, scratch),
    }
}

/// What chunks are taken from.
trait Source: Read + Seek + Send {}

impl<T: Read + Seek + Send> Source for T {}

struct Fetch<'a, 'k> {
    account: &'a Account,
    opener: &'a mut Opener<'k>,
    sent: Sent<'a>,
    scratch: &'a Path,
    now: Timestamp,
}

impl Fetch<'_, '_> {
    /// Brings packs into the scratch folder, opened; why not, if one does not come.
    async fn packs(
        &mut self,
        wanted: &BTreeSet<u32>,
        report: &mut Report,
    ) -> Result<Option<Arrived>> {
        // What an interrupted process has fetched is not fetched again.
        let is_here = |number: &u32| pack_at(self.scratch, *number).is_file();
        let missing: BTreeSet<u32> =
            wanted.iter().copied().filter(|number| !is_here(number)).collect();
        let Sent { message, manifest, sender } = self.sent;
        let entry = |name: &str| -> Option<Entry> {
            let id = FileId::parse(name).ok()?;
            self.account.store.read(|db| catalogue::get(db, &id)).ok()?
        };
        let seen = |name: &str| entry(name).map(|entry| seen(&entry, message, sender));
        let packs = match chunks::packs_to_fetch(manifest, &missing, seen) {
            Ok(packs) => packs,
            Err(error) => return Ok(Some(not_fetched(&error))),
        };
        let entries: Vec<(u32, Entry)> =
            packs.into_iter().filter_map(|(number, name)| Some((number, entry(name)?))).collect();
        let total_bytes: u64 = entries.iter().map(|(_, entry)| entry.size_bytes).sum();
        // They may be far more than what is used of them.
        let more = manifest.size_bytes.saturating_mul(2).saturating_add(total_bytes);
        caches::expect_room(self.scratch, more).map_err(disk(self.scratch))?;
        let load = self.account.router.traffic().begin(Direction::Down, total_bytes);
        let (heard, mut done_bytes) = (load.file(total_bytes), 0);
        for some in entries.chunks(PACKS_AT_ONCE) {
            let own = self.account.router.own();
            let read = some.iter().map(|(_, entry)| own.read(&entry.id, PACK_FILE_BYTES_MAX));
            let contents = futures::future::join_all(read).await;
            for ((number, entry), content) in some.iter().zip(contents) {
                let bytes = match content {
                    Ok(bytes) => bytes,
                    Err(connections::Error::TooLarge { .. }) => {
                        return Ok(Some(not_fetched(&NotFetched::TooLarge)));
                    }
                    // It went since we listed, and the message that names it with it.
                    Err(connections::Error::NotFound { .. }) => {
                        return Ok(Some(not_fetched(&NotFetched::NotThere)));
                    }
                    Err(error) if error.is_retryable() => {
                        return Ok(Some(Arrived::Interrupted(told(&error))));
                    }
                    Err(error) => return Ok(Some(Arrived::Later(told(&error)))),
                };
                let parcel = match self.open(entry, Parcel::Bytes(bytes), report)? {
                    Ok(parcel) => parcel,
                    Err(not) => return Ok(Some(not)),
                };
                // It may be larger than we were told.
                let kept = parcel.size_bytes().and_then(|size_bytes| {
                    caches::expect_room(self.scratch, size_bytes)?;
                    keep(&parcel, &pack_at(self.scratch, *number))
                });
                kept.map_err(disk(self.scratch))?;
                done_bytes += entry.size_bytes;
                heard.tell(Far::At(done_bytes));
            }
        }
        Ok(None)
    }

    fn open(
        &mut self,
        entry: &Entry,
        parcel: Parcel,
        report: &mut Report,
    ) -> Result<std::result::Result<Parcel, Arrived>> {
        let later = || Err(Arrived::Later("a pack of chunks cannot be opened yet".to_owned()));
        let wrong = || Err(Arrived::Wrong("a pack of chunks cannot be opened".to_owned()));
        match self.opener {
            Opener::Peers(ring) => {
                let (sender, now) = (self.sent.sender, self.now);
                match sealing::incoming(self.account, *ring, sender, entry, parcel, now, report)? {
                    Received::Content(parcel) => Ok(Ok(parcel)),
                    Received::Later | Received::NoRoom => Ok(later()),
                    Received::SetAside => Ok(wrong()),
                }
            }
            Opener::Own(own) => match own.open(self.account, entry, parcel, report)? {
                OwnFile::Sealed(parcel) | OwnFile::Plain(parcel) => Ok(Ok(parcel)),
                OwnFile::Closed => Ok(later()),
                OwnFile::NotSealed(_) | OwnFile::Lost | OwnFile::Unusable => Ok(wrong()),
            },
        }
    }
}

/// Writes a pack, which has its name once it is whole and on the disk.
fn keep(parcel: &Parcel, path: &Path) -> io::Result<()> {
    let begun = path.with_extension("begun");
    let mut file = private_file(&begun)?;
    io::copy(&mut parcel.open()?, &mut file)?;
    file.sync_all()?;
    fs::rename(begun, path)
}

fn seen(pack: &Entry, message: &Entry, sender: &Email) -> Seen {
    let folder = message.parents.first();
    Seen {
        lies_beside: folder.is_some() && pack.parents.first() == folder,
        is_of_sender: pack.owner.as_ref().is_some_and(|o| sender.is_same_account(o.as_str())),
        is_named_so: PackName::parse(&pack.name).is_some(),
        size_bytes: pack.size_bytes,
    }
}

fn not_fetched(error: &NotFetched) -> Arrived {
    let text = error.to_string();
    if error.is_final() { Arrived::Wrong(text) } else { Arrived::Missing(text) }
}

/// The own disk is nobody's fault: it stops the sync, as everywhere.
fn why_not(error: chunks::Error, scratch: &Path) -> Result<Arrived> {
    match error {
        chunks::Error::Io(source) => Err(disk(scratch)(source)),
        error if error.is_final() => Ok(Arrived::Wrong(told(&error))),
        error => Ok(Arrived::Later(told(&error))),
    }
}

fn disk(scratch: &Path) -> impl FnOnce(io::Error) -> syncers::Error {
    let path = scratch.to_owned();
    move |source| caches::Error::at(path, "used")(source).into()
}

fn pack_at(scratch: &Path, number: u32) -> PathBuf {
    scratch.join(format!("pack-{number}"))
}

#[cfg(test)]
#[path = "fetching_tests.rs"]
mod tests;
