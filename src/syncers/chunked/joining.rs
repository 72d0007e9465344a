//! Puts the large content of a message together that came as chunks, before anything is decided about it.
//!
//! What is read afterwards is a message as all others. Whoever calls says for each path whether its
//! content is worth fetching, and whether the sender may know the file that stands there: only then are
//! chunks taken from it. What is not fetched is named nevertheless; who decides to use it finds that it
//! is not among the contents, and leaves the message where it is.

use std::collections::BTreeSet;
use std::io::Seek as _;
use std::path::Path;

use crate::caches::{self, DatasiteTree, outlines};
use crate::chunks::{self, Outline};
use crate::connections::{self, Entry, kept_at, make_private, with_ending};
use crate::model::{DatasitePath, Digest, Email, Timestamp};
use crate::wire::names::is_chunked;
use crate::wire::{self, Brought, Chunked, Large, Message};

use super::super::parcels::Parcel;
use super::super::sending::told;
use super::super::{Account, Error, Report, Result};
use super::fetching::{Arrived, Opener, Sent, receive};

/// For how long after it was made a message waits for a pack that is not there.
const WAIT_MICROS: i64 = 7 * 24 * 3600 * 1_000_000;

/// What a sender may at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::syncers) struct Right {
    /// True if what it brings may be of use.
    pub(in crate::syncers) to_bring: bool,
    /// True if it may know what stands there.
    pub(in crate::syncers) to_read: bool,
}

/// A message that may bring chunks, and what is needed to put them together.
pub(in crate::syncers) struct Joining<'a> {
    /// Whose tree it speaks of.
    pub(in crate::syncers) datasite: &'a Email,
    /// That tree.
    pub(in crate::syncers) tree: &'a DatasiteTree,
    /// Who sent it.
    pub(in crate::syncers) sender: &'a Email,
    /// Its file.
    pub(in crate::syncers) entry: &'a Entry,
    /// How its packs are opened.
    pub(in crate::syncers) opener: Opener<'a>,
    /// What its sender may.
    pub(in crate::syncers) right: &'a (dyn Fn(&DatasitePath) -> Right + Sync),
    /// The time.
    pub(in crate::syncers) now: Timestamp,
}

/// What became of a message.
#[derive(Debug)]
pub(in crate::syncers) enum Joined<M> {
    /// It is as any other, but that what has these digests was not worth fetching: it is not here, also
    /// where somebody else has sent the same.
    Whole(M, BTreeSet<Digest>),
    /// It stays where it is.
    Later(String),
    /// It is wrong, and stays so.
    Wrong(String),
}

/// Reads a message, with or without chunks, by its name.
///
/// # Errors
/// As [`Parcel::read`].
pub(in crate::syncers) fn read<M: Message>(
    account: &Account,
    name: &str,
    parcel: &Parcel,
) -> std::result::Result<Chunked<M>, wire::Error> {
    if is_chunked(name) {
        parcel.read::<Chunked<M>>(account)
    } else {
        parcel.read::<M>(account).map(Chunked::from)
    }
}

/// What became of one file.
enum One {
    Here(Large),
    NotFetched(Large),
    Missing(String),
    Later(String),
    Wrong(String),
}

/// Puts together what a message brings as chunks.
///
/// # Errors
/// If the database fails.
pub(in crate::syncers) async fn join<M: Message>(
    account: &Account,
    mut joining: Joining<'_>,
    mut chunked: Chunked<M>,
    report: &mut Report,
) -> Result<Joined<M>> {
    let brought = match chunked.brought() {
        Ok(brought) => brought,
        Err(error) => return Ok(Joined::Wrong(told(&error))),
    };
    let mut not_fetched = BTreeSet::new();
    for one in brought {
        let large = match joining.one(account, &one, report).await? {
            One::Here(large) => large,
            One::NotFetched(large) => {
                not_fetched.insert(large.digest);
                large
            }
            One::Missing(why) => {
                let age = joining.now.micros().saturating_sub(joining.entry.created_micros);
                let is_late = age > WAIT_MICROS;
                return Ok(if is_late { Joined::Wrong(why) } else { Joined::Later(why) });
            }
            One::Later(why) => return Ok(Joined::Later(why)),
            One::Wrong(why) => return Ok(Joined::Wrong(why)),
        };
        if let Some(change) = chunked.message.changes().get_mut(one.at) {
            change.set(Some(large));
        }
    }
    Ok(Joined::Whole(chunked.message, not_fetched))
}

impl Joining<'_> {
    async fn one(
        &mut self,
        account: &Account,
        brought: &Brought,
        report: &mut Report,
    ) -> Result<One> {
        match self.bring(account, brought, report).await {
            // The own disk holds nobody else up.
            Err(Error::Cache(error @ caches::Error::File { .. })) => Ok(One::Later(told(&error))),
            brought => brought,
        }
    }

    async fn bring(
        &mut self,
        account: &Account,
        brought: &Brought,
        report: &mut Report,
    ) -> Result<One> {
        let (contents, manifest, path) = (account.contents(), &brought.manifest, &brought.path);
        let (digest, size_bytes) = (manifest.digest, manifest.size_bytes);
        // Not even where this content lies here already: it may be on its way between others, and a digest is
        // no right to what has it.
        let right = (self.right)(path);
        let not_fetched = One::NotFetched(Large { digest, size_bytes, is_text: false });
        if !right.to_bring {
            return Ok(not_fetched);
        }
        let mut own = if right.to_read { self.own(path)? } else { None };
        if let Some((outline, _)) = own.as_ref().filter(|(outline, _)| outline.digest() == digest) {
            let taken = contents.take(self.tree, path, &digest)?;
            if let Some(large) = taken.and_then(|content| content.large().copied()) {
                self.note(account, path, outline)?;
                return Ok(One::Here(large));
            }
        }
        let base = own.as_ref().map(|(outline, _)| outline.digest());
        if !manifest.is_complete() && !right.to_read {
            let text = format!("`{path}` is to be made of what {} may not read", self.sender);
            return Ok(One::Wrong(text));
        }
        if !manifest.is_complete() && base != brought.base {
            return Ok(not_fetched); // What was made of something else is refused anyway.
        }
        let folder = account.folders.parcels();
        make_private(&folder).map_err(connections::Error::Io)?;
        // It, and once more in its place: what does not fit is not fetched in each sync for nothing.
        caches::expect_room(&folder, size_bytes.saturating_mul(2)).map_err(failed(&folder))?;
        let kept = kept_at(&folder, &self.entry.id);
        let scratch = with_ending(&kept, &format!("chunks-{}", brought.at));
        make_private(&scratch).map_err(failed(&scratch))?;
        let sent = Sent { sender: self.sender, message: self.entry, manifest };
        let own = own.as_mut().map(|(outline, file)| (&*outline, file));
        let opener = &mut self.opener;
        let arrived = receive(account, opener, sent, own, &scratch, self.now, report).await;
        // Whoever is interrupted goes on. What waits for something else keeps no room: its sender says how much
        // that is, and for how long.
        if let Ok(Arrived::Interrupted(why)) = arrived {
            return Ok(One::Later(why));
        }
        let one = arrived.and_then(|arrived| self.place(account, path, arrived));
        // What cannot be removed now is swept up later.
        drop(std::fs::remove_dir_all(&scratch));
        one
    }

    /// Puts among the contents what arrived.
    fn place(&self, account: &Account, path: &DatasitePath, arrived: Arrived) -> Result<One> {
        Ok(match arrived {
            Arrived::Here(whole, outline) => {
                let large = account.contents().adopt(&whole).map_err(failed(&whole))?;
                self.note(account, path, &outline)?;
                One::Here(large)
            }
            Arrived::Missing(why) => One::Missing(why),
            Arrived::Later(why) | Arrived::Interrupted(why) => One::Later(why),
            Arrived::Wrong(why) => One::Wrong(format!("`{path}`: {why}")),
        })
    }

    /// Returns what stands at a path, and what it consists of.
    fn own(&self, path: &DatasitePath) -> Result<Option<(Outline, std::fs::File)>> {
        let failed = failed(&path.below(self.tree.root()));
        let Some((mut file, _)) = self.tree.open_file(path)? else { return Ok(None) };
        let outline = chunks::cut(&mut file, |_, _| Ok(())).and_then(|outline| {
            file.rewind()?;
            Ok(outline)
        });
        Ok(Some((outline.map_err(failed)?, file)))
    }

    /// Notes what a file consists of, so that the next change of it can be told as what is new.
    fn note(&self, account: &Account, path: &DatasitePath, outline: &Outline) -> Result<()> {
        let (digest, bytes) = (outline.digest(), outline.to_bytes());
        let put = |db: &_| outlines::put(db, self.datasite, path, &digest, &bytes);
        Ok(account.store.write(put)?)
    }
}

fn failed(path: &Path) -> impl FnOnce(std::io::Error) -> caches::Error + use<> {
    caches::Error::at(path.to_owned(), "used")
}
