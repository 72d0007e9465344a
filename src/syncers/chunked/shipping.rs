//! Sends what a message brings of large content ahead of it, in packs, and says in the message what
//! consists of which chunks.
//!
//! A pack is noted before it goes and with what it holds once it is there; the packs that a message names
//! are noted as needed before the message goes. Whatever fails in between is begun again by the next
//! sync, and finds what was sent.

use std::collections::HashSet;
use std::fs::File;
use std::io;

use futures::{StreamExt as _, stream};
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::caches::journal::{Load, Outgoing};
use crate::caches::{catalogue, outlines, packs};
use crate::chunks::{self, Held, NotShipped, Outline, Packed, Stock, StockedPack};
use crate::connections::{self, Direction, Far, FileId, Kind};
use crate::model::{DatasitePath, Digest, Email, Role};
use crate::wire::limits::PACKS_MAX;
use crate::wire::names::{self, PackName};
use crate::wire::{
    Chunked, ChunkedChange, FileChangeEventsMessage, Large, Manifest, Message,
    ProposedFileChangesMessage,
};

use super::super::owner::log;
use super::super::placing::note_own;
use super::super::sealing;
use super::super::sending::{have_ids, secret, send, take_id};
use super::super::{Account, Directory, InChunks, Report, Result};
use super::takes_chunks;

/// How many packs are on their way at once.
const PACKS_AT_ONCE: usize = 2;

/// How a message goes.
#[derive(Debug)]
pub(in crate::syncers) enum Shipped {
    /// As it is: nothing of it travels as chunks.
    AsItIs,
    /// As this one. All packs that it names are there.
    As(Outgoing),
    /// Not now: why is told.
    Waits,
}

/// Why a pack was not sent.
enum NotSent {
    Waits,
    Refused(connections::Error),
    Broken(super::super::Error),
}

impl<E: Into<super::super::Error>> From<E> for NotSent {
    fn from(error: E) -> Self {
        match error.into() {
            super::super::Error::Connection(error) => Self::Refused(error),
            error => Self::Broken(error),
        }
    }
}

/// Sends the packs of a message, if who reads it takes chunks.
///
/// # Errors
/// If the database fails. What the service refuses is in the answer.
pub(in crate::syncers) async fn ship(
    account: &Account,
    directory: &Directory,
    message: &Outgoing,
    report: &mut Report,
) -> Result<connections::Result<Shipped>> {
    let is_held = matches!(message.content, Load::Bytes(_));
    if is_held || !account.store.sends_chunks() {
        return Ok(Ok(Shipped::AsItIs));
    }
    let takes = match &message.peer {
        Some(peer) => takes_chunks(account, peer)?,
        None => match log::takes_chunks(account, directory, &message.folder).await {
            Err(super::super::Error::Connection(error)) => return Ok(Err(error)),
            takes => takes?,
        },
    };
    if !takes {
        return Ok(Ok(Shipped::AsItIs));
    }
    let shipped = match account.role {
        Role::Owner => ship_as::<FileChangeEventsMessage>(account, message, report).await,
        Role::Scientist => ship_as::<ProposedFileChangesMessage>(account, message, report).await,
    };
    match shipped {
        Ok(shipped) => Ok(Ok(shipped)),
        Err(NotSent::Waits) => Ok(Ok(Shipped::Waits)),
        Err(NotSent::Refused(error)) => Ok(Err(error)),
        Err(NotSent::Broken(error)) => Err(error),
    }
}

/// What of a message travels as chunks.
struct Part {
    at: usize,
    path: DatasitePath,
    base: Option<Digest>,
    large: Large,
}

async fn ship_as<M: Message>(
    account: &Account,
    message: &Outgoing,
    report: &mut Report,
) -> std::result::Result<Shipped, NotSent> {
    let (Ok(mut whole), Load::Recipe { mtime, .. }, Some(name)) =
        (message.content.read::<M>(&secret()), &message.content, names::chunked(&message.name))
    else {
        return Ok(Shipped::AsItIs);
    };
    let (mut syft_chunks, mut in_chunks) = (Vec::new(), InChunks::default());
    for part in parts(&mut whole) {
        let Some((manifest, sent_bytes)) = ship_part(account, message, &part, report).await? else {
            return Ok(Shipped::AsItIs); // It is not at hand: so it is told as with any message.
        };
        in_chunks += InChunks { whole_bytes: part.large.size_bytes, sent_bytes };
        let at = u32::try_from(part.at).map_err(|_| NotSent::Waits)?; // There are never so many.
        syft_chunks.push(ChunkedChange { at, content: manifest.to_wire() });
    }
    let mut changes = whole.changes();
    for chunked in &syft_chunks {
        changes[chunked.at as usize].set(None);
    }
    let mut chunked = Chunked { message: whole, syft_chunks };
    // What was made to have chunks without number goes whole.
    let Some(content) = chunked.file_if_taken(*mtime) else { return Ok(Shipped::AsItIs) };
    account.store.write(|db| {
        let named = chunked.syft_chunks.iter().flat_map(|chunked| &chunked.content.packs);
        let ids = named.filter_map(|name| FileId::parse(name).ok());
        ids.collect::<Vec<_>>().iter().try_for_each(|pack| packs::need(db, &message.file, pack))
    })?;
    report.in_chunks += in_chunks;
    Ok(Shipped::As(Outgoing { name, content: Load::Bytes(content), ..message.clone() }))
}

fn parts<M: Message>(whole: &mut M) -> Vec<Part> {
    let part = |(at, change): (usize, crate::wire::ChangeMut<'_>)| {
        let (large, path) = (change.large()?, DatasitePath::parse(change.path).ok()?);
        let base = change.base.and_then(|base| Digest::parse(base).ok());
        Some(Part { at, path, base: base.filter(|_| M::HAS_BASES), large })
    };
    whole.changes().into_iter().enumerate().filter_map(part).collect()
}

/// Sends what is to be sent of one file, and returns how many bytes that were; `None` if its content is not at
/// hand.
async fn ship_part(
    account: &Account,
    message: &Outgoing,
    part: &Part,
    report: &mut Report,
) -> std::result::Result<Option<(Manifest, u64)>, NotSent> {
    let opened = account.contents().open(&part.large.digest);
    let Some(mut source) = opened.map_err(connections::Error::Io)? else { return Ok(None) };
    let datasite = message.peer.as_ref().filter(|_| account.role == Role::Scientist);
    let datasite = datasite.unwrap_or(&account.email);
    let Some(outline) = outline_of(account, datasite, part, &mut source)? else { return Ok(None) };
    let seal = sealing::seal_of(account, message.peer.as_ref())?;
    let stock = stock(account, (message, &seal), datasite, part, &outline)?;
    let content_bytes = chunks::plan(&outline, &stock).content_bytes();
    let load = account.router.traffic().begin(Direction::Up, content_bytes);
    let (heard, mut done_bytes) = (load.file(content_bytes), 0);
    let (to, from) = mpsc::channel(1);
    let making = tokio::task::spawn_blocking(move || make(&outline, &stock, &mut source, &to));
    have_ids(account, PACKS_AT_ONCE).await?;
    let made = stream::unfold(from, |mut from| async { Some((from.recv().await?, from)) });
    let sending = made.map(|packed| async {
        let (bytes, mut report) = (packed.content_bytes, Report::default());
        report.in_chunks.sent_bytes = packed.bytes.len() as u64;
        (send_pack(account, (message, &seal), packed, &mut report).await, bytes, report)
    });
    let mut sending = std::pin::pin!(sending.buffered(PACKS_AT_ONCE));
    let (mut sent, mut sent_bytes) = (Vec::new(), 0);
    while let Some((outcome, bytes, told)) = sending.next().await {
        report.problems.extend(told.problems);
        sent.push(outcome?);
        sent_bytes += told.in_chunks.sent_bytes;
        done_bytes += bytes;
        heard.tell(Far::At(done_bytes));
    }
    match making.await.map_err(|error| connections::Error::Io(io::Error::other(error)))? {
        Ok(manifest) => Ok(Some((named(manifest, &sent), sent_bytes))),
        Err(NotShipped::Changed | NotShipped::Read(_) | NotShipped::Put(_)) => Ok(None),
    }
}

/// Returns what a file consists of: as it is known, or found out now. `None` if it is another file.
fn outline_of(
    account: &Account,
    datasite: &Email,
    part: &Part,
    source: &mut File,
) -> std::result::Result<Option<Outline>, NotSent> {
    let digest = &part.large.digest;
    let known = account.store.read(|db| outlines::get(db, datasite, &part.path, digest))?;
    if let Some(outline) = known.and_then(|bytes| Outline::from_bytes(*digest, &bytes)) {
        return Ok(Some(outline));
    }
    let outline = chunks::cut(source, |_, _| Ok(())).map_err(connections::Error::Io)?;
    if outline.digest() != *digest {
        return Ok(None);
    }
    // What a scientist has made is not agreed yet: the next change may still be made of the old one.
    if account.role == Role::Owner {
        let bytes = outline.to_bytes();
        account.store.write(|db| outlines::put(db, datasite, &part.path, digest, &bytes))?;
    }
    Ok(Some(outline))
}

/// Returns what the other side can get at: packs beside the message, and the base of a proposal.
fn stock(
    account: &Account,
    (message, seal): (&Outgoing, &str),
    datasite: &Email,
    part: &Part,
    outline: &Outline,
) -> Result<Stock> {
    // What lies in outboxes is not listed: they are for others to read.
    let is_listed = message.peer.is_none() || account.role == Role::Scientist;
    let place = (&message.folder, is_listed);
    let lists = outline.sections().iter().map(|section| section.digest);
    let wanted: HashSet<Digest> = lists.chain(outline.chunks().map(|chunk| chunk.digest)).collect();
    let found = account.store.read(|db| packs::find(db, place, seal, &wanted))?;
    let mut stock = Stock::default();
    // A message names a bounded number of packs: what lies in too many is sent once more.
    if found.packs.len() <= PACKS_MAX / 2 {
        let pack = |(file, content_bytes): &(FileId, u64)| StockedPack {
            name: file.to_string(),
            content_bytes: *content_bytes,
        };
        stock.packs = found.packs.iter().map(pack).collect();
        stock.held = found.places.into_iter().map(|(it, at)| (it, Held::Pack(at))).collect();
    }
    let Some(base) = part.base else { return Ok(stock) };
    let known = account.store.read(|db| outlines::get(db, datasite, &part.path, &base))?;
    if let Some(base) = known.and_then(|bytes| Outline::from_bytes(base, &bytes)) {
        stock.held.extend(Stock::of_base(&base).held);
    }
    Ok(stock)
}

/// Nobody takes packs any more.
#[derive(Debug, thiserror::Error)]
#[error("nobody takes packs any more")]
struct Gone;

/// Before the number of a pack that has no id yet. Ids have no blanks.
const NEW: &str = "new ";

fn make(
    outline: &Outline,
    stock: &Stock,
    source: &mut File,
    to: &mpsc::Sender<Packed>,
) -> std::result::Result<Manifest, NotShipped<Gone>> {
    let mut count = 0_usize;
    chunks::ship(&chunks::plan(outline, stock), source, |packed| {
        to.blocking_send(packed).map_err(|_| Gone)?;
        count += 1;
        Ok(format!("{NEW}{}", count - 1))
    })
}

/// Puts the ids in the places of the numbers.
fn named(mut manifest: Manifest, sent: &[FileId]) -> Manifest {
    for name in &mut manifest.packs {
        let number = name.strip_prefix(NEW).and_then(|number| number.parse::<usize>().ok());
        if let Some(id) = number.and_then(|number| sent.get(number)) {
            *name = id.to_string();
        }
    }
    manifest
}

async fn send_pack(
    account: &Account,
    (message, seal): (&Outgoing, &str),
    packed: Packed,
    report: &mut Report,
) -> std::result::Result<FileId, NotSent> {
    let (file, folder) = (take_id(account).await?, &message.folder);
    account.store.write(|db| packs::begin(db, &file, folder, seal))?;
    let name = PackName(Uuid::new_v4()).to_string();
    let content = Load::Bytes(packed.bytes);
    let mut pack = Outgoing { file: file.clone(), name, content, ..message.clone() };
    let Some(ready) = sealing::outgoing(account, &mut pack, report)? else {
        return Err(NotSent::Waits);
    };
    let entry = send(account, &pack, &ready).await.map_err(NotSent::Refused)?;
    account.store.write(|db| {
        packs::fill(db, &file, packed.content_bytes, &packed.digests)?;
        match entry.filter(|_| message.peer.is_none()) {
            Some(entry) => catalogue::put(db, &entry),
            None => Ok(()),
        }
    })?;
    if account.role == Role::Scientist {
        note_own(account, &file, folder, &pack.name, Kind::File)?;
    }
    Ok(file)
}
