//! Fetches what is missing of a large file that a message brings as chunks, and puts it together in a
//! scratch folder.
//!
//! What is asked here of the drive, and in which order, matters for cost alone: what may be fetched
//! and what comes out is decided and verified in `crate::chunks`. Whoever calls has decided that the
//! sender may bring this file, and whether it may read the file that chunks are taken from.
//!
//! Invariant: nothing but the scratch folder is written. A crash leaves files in it, which its owner
//! removes.
#![cfg_attr(
    not(test),
    expect(dead_code, reason = "messages are not read as chunks before they stream: ADR 10")
)]

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read, Seek, Write as _};
use std::path::{Path, PathBuf};

use crate::caches::{self, catalogue};
use crate::chunks::{self, NotFetched, Outline, PACK_FILE_BYTES_MAX, Seen, Shelf};
use crate::connections::{self, Entry, FileId};
use crate::model::{Email, Timestamp};
use crate::peers::Keyring;
use crate::wire::Manifest;
use crate::wire::names::PackName;

use super::parcels::Parcel;
use super::sealing::{self, Received};
use super::sending::told;
use super::{Account, Report, Result};

/// How many packs are in memory at once, each up to some 8 MiB.
const PACKS_AT_ONCE: usize = 4;

/// What became of a large file that a message brings.
#[derive(Debug)]
pub(super) enum Arrived {
    /// It is here, whole and verified; in the scratch folder.
    Here(PathBuf),
    /// Something may still come: the message stays where it is.
    Later(String),
    /// The message is wrong, and stays so.
    Wrong(String),
}

/// A message that brings a large file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Brought<'a> {
    /// Who sent it.
    pub(super) sender: &'a Email,
    /// The message.
    pub(super) message: &'a Entry,
    /// What it says of the file.
    pub(super) manifest: &'a Manifest,
}

/// Puts the file together in `scratch`, out of `own` and of packs that lie beside the message.
///
/// # Errors
/// If the database or the disk fails. What is wrong with the message is in the answer.
pub(super) async fn receive(
    account: &Account,
    ring: Option<&Keyring>,
    brought: Brought<'_>,
    own: Option<&mut (impl Read + Seek + Send)>,
    scratch: &Path,
    now: Timestamp,
    report: &mut Report,
) -> Result<Arrived> {
    let manifest = brought.manifest;
    let mut fetch = Fetch { account, ring, brought, scratch, here: BTreeSet::new(), now };
    let mut nothing = io::empty();
    let (outline, own): (Option<Outline>, &mut dyn Source) = match own {
        Some(own) => {
            let outline = own.rewind().and_then(|()| chunks::cut(&mut *own, |_, _| Ok(())));
            (Some(outline.map_err(disk(scratch))?), own)
        }
        None => (None, &mut nothing),
    };
    let wanted = match chunks::packs_for_lists(manifest, outline.as_ref()) {
        Ok(wanted) => wanted,
        Err(error) => return why_not(error, scratch),
    };
    if let Some(not) = fetch.packs(&wanted, report).await? {
        return Ok(not);
    }
    let mut shelf = Shelf::new(|number| File::open(pack_at(scratch, number)));
    let recipe =
        chunks::recipe(manifest, outline.as_ref(), |pack, digest| shelf.read(pack, digest));
    let recipe = match recipe {
        Ok(recipe) => recipe,
        Err(error) => return why_not(error, scratch),
    };
    if let Some(not) = fetch.packs(&recipe.packs(), report).await? {
        return Ok(not);
    }
    let whole = scratch.join("whole");
    let mut out = File::create_new(&whole).map_err(disk(scratch))?;
    let mut own = own;
    let read = |pack, digest: &_| shelf.read(pack, digest);
    match chunks::assemble(&recipe, &mut own, read, &mut out) {
        Ok(()) => out.flush().map_err(disk(scratch)).map(|()| Arrived::Here(whole)),
        Err(error) => why_not(error, scratch),
    }
}

/// What chunks are taken from.
trait Source: Read + Seek + Send {}

impl<T: Read + Seek + Send> Source for T {}

struct Fetch<'a> {
    account: &'a Account,
    ring: Option<&'a Keyring>,
    brought: Brought<'a>,
    scratch: &'a Path,
    /// The packs that are in the scratch folder.
    here: BTreeSet<u32>,
    now: Timestamp,
}

impl Fetch<'_> {
    /// Brings packs into the scratch folder, opened; why not, if one does not come.
    async fn packs(
        &mut self,
        wanted: &BTreeSet<u32>,
        report: &mut Report,
    ) -> Result<Option<Arrived>> {
        let missing: BTreeSet<u32> = wanted.difference(&self.here).copied().collect();
        let Brought { message, manifest, sender } = self.brought;
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
                    Err(error) => return Ok(Some(Arrived::Later(told(&error)))),
                };
                let (account, ring, now) = (self.account, self.ring, self.now);
                let parcel = Parcel::Bytes(bytes);
                match sealing::incoming(account, ring, sender, entry, parcel, now, report)? {
                    Received::Content(parcel) => {
                        let path = pack_at(self.scratch, *number);
                        let written = File::create_new(path)
                            .and_then(|mut file| io::copy(&mut parcel.open()?, &mut file));
                        written.map_err(disk(self.scratch))?;
                        self.here.insert(*number);
                    }
                    Received::Later => {
                        let text = "a pack of chunks cannot be opened yet";
                        return Ok(Some(Arrived::Later(text.to_owned())));
                    }
                    Received::SetAside => {
                        let text = "a pack of chunks was set aside";
                        return Ok(Some(Arrived::Wrong(text.to_owned())));
                    }
                }
            }
        }
        Ok(None)
    }
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
    if error.is_final() { Arrived::Wrong(text) } else { Arrived::Later(text) }
}

/// The own disk is nobody's fault: it stops the sync, as everywhere.
fn why_not(error: chunks::Error, scratch: &Path) -> Result<Arrived> {
    match error {
        chunks::Error::Io(source) => Err(disk(scratch)(source)),
        error if error.is_final() => Ok(Arrived::Wrong(told(&error))),
        error => Ok(Arrived::Later(told(&error))),
    }
}

fn disk(scratch: &Path) -> impl FnOnce(io::Error) -> super::Error {
    let path = scratch.to_owned();
    move |source| caches::Error::at(path, "used")(source).into()
}

fn pack_at(scratch: &Path, number: u32) -> PathBuf {
    scratch.join(format!("pack-{number}"))
}

#[cfg(test)]
#[path = "fetching/tests.rs"]
mod tests;
