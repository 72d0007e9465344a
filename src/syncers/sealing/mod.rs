//! End-to-end encryption in a sync: whose keys are known, what leaves is sealed, what arrives is
//! opened.
//!
//! What is sealed and for whom is decided in `peers::secrecy`; here keys are read, offers fetched
//! and bytes carried. Messages wait in the journal as they are and are sealed when they are sent,
//! so that what is sent after a change of keys is sealed with the new ones.
//!
//! Invariant: what cannot be opened *yet* stays where it is, and is opened once the keys are there.
//! What is wrong for good, or signed with keys that nobody accepted, is set aside with its bytes and the
//! reason, and nobody else waits for it. Nothing leaves a machine without the keys that the account uses.

mod bundles;
mod collections;
mod files;
mod opening;
mod own;

use bytes::Bytes;

use crate::caches::journal::{self, Outgoing};
use crate::caches::{catalogue, meta};
use crate::connections::FileId;
use crate::datasets::Half;
use crate::model::{Code, Email, Timestamp};
use crate::peers::envelopes;
use crate::peers::{
    Fingerprint, Keyring, Mode, Obstacle, PeerState, PrivateKeys, PublicKeys, Secrecy, Settled,
    compared, secrecy, store,
};
use crate::wire::{self, Larder, Recipe};

use super::owner::RESTORED;
use super::parcels::{self, Made, Parcel};
use super::peering::Acquaintance;
use super::{Account, Directory, Error, Report, Result};

pub(super) use bundles::own_bundles;
pub use bundles::{Offer, offered, published, read_offer};
pub(super) use collections::Sealing;
pub(super) use opening::{Received, incoming};
pub(super) use own::{OwnFile, OwnFiles, open_peers_file, seal_peers_file};

/// Since when the account seals what is its own, as this database has heeded it.
const SINCE: &str = "keys since";
/// Set where a checkpoint is due because of keys: they are new, or the account is new to having any.
const CHECKPOINT_DUE: &str = "checkpoint due";
/// Set where keys were replaced: uploaded private halves are to be sealed with the new ones.
const RESEAL_DUE: &str = "reseal due";
/// Set where another machine of the account was seen to use other keys: their fingerprint.
const REPLACED: &str = "keys replaced";
/// Before the id of a message that was set aside; the value is its sender.
const SET_ASIDE: &str = "set aside ";

/// Reads the keys of the account; `None` if it has none on this machine.
///
/// # Errors
/// If there is a key file that cannot be used.
pub fn keyring(account: &Account) -> Result<Option<Keyring>> {
    let mut ring = store::load(&account.folders.private, &account.email)?;
    if let (true, Some(ring)) = (seals_all(account), &mut ring) {
        ring.demand_sealing();
    }
    Ok(ring)
}

/// True if nothing may be sent or taken that is not sealed, since anybody can write in anybody's
/// name where the account's files are.
pub(super) fn seals_all(account: &Account) -> bool {
    account.router.own().requires_sealing()
}

/// Returns a text that differs once there are other keys on this machine.
pub(super) fn keys_here(account: &Account) -> Result<String> {
    let ring = keyring(account)?;
    let prints = ring.iter().flat_map(Keyring::all).map(|keys| keys.fingerprint().to_string());
    Ok(format!("keys {}", prints.collect::<Vec<_>>().join(" ")))
}

/// Fills in how messages go to and from each peer, as the last sync left it.
pub(super) fn remember(account: &Account, peers: &mut [Acquaintance]) -> Result<()> {
    let ring = keyring(account)?;
    for peer in peers.iter_mut().filter(|peer| is_met(peer)) {
        peer.secrecy = secrecy_with(account, ring.as_ref(), &peer.peer.email)?;
    }
    Ok(())
}

/// True if messages may be on their way between us, also before the other side has answered.
const fn is_met(peer: &Acquaintance) -> bool {
    matches!(peer.peer.state, PeerState::Accepted | PeerState::RequestedByMe)
}

fn secrecy_with(account: &Account, ring: Option<&Keyring>, peer: &Email) -> Result<Secrecy> {
    let offer = offered(account, peer)?.map(|offer| offer.fingerprint);
    let settled = ring.map_or(Settled::Nothing, |ring| ring.settled(peer));
    // What would be taken now is taken by a sync, which also knows when.
    Ok(decide(ring, settled, offer).0)
}

fn decide(
    ring: Option<&Keyring>,
    settled: Settled,
    offered: Option<Fingerprint>,
) -> (Secrecy, bool) {
    let decided = secrecy(ring.map(Keyring::mode), settled, offered);
    if ring.is_some_and(Keyring::seals_all) { compared(decided) } else { decided }
}

/// Reads what peers publish, takes keys at their first use, and publishes ours.
///
/// # Errors
/// [`Error::KeysMissing`] and [`Error::KeysReplaced`] if the account has keys that this machine has
/// not: nothing is read or sent then.
pub(super) async fn survey(
    account: &Account,
    directory: &Directory,
    peers: &mut [Acquaintance],
    now: Timestamp,
    report: &mut Report,
) -> Result<()> {
    files::clear_scratch(&account.folders.state);
    let ring = keyring(account)?;
    if ring.is_none() && needs_keys(account)? {
        return Err(Error::KeysMissing);
    }
    let offers = account.store.read(|db| catalogue::named_from(db, bundles::PREFIX))?;
    for peer in peers.iter().filter(|peer| is_met(peer)) {
        let email = &peer.peer.email;
        let before = offered(account, email)?.map(|offer| offer.fingerprint);
        bundles::read_offer_among(account, &offers, email, report).await?;
        let now_offered = offered(account, email)?.map(|offer| offer.fingerprint);
        // Where no keys are agreed on, what was set aside is measured by what is published.
        let is_open = ring.as_ref().is_some_and(|ring| ring.pin(email).is_none());
        if is_open && now_offered != before {
            take_up_again(account, email)?;
        }
    }
    let Some(mut ring) = ring else { return remember(account, peers) };
    let mut is_changed = ring.mode() != Mode::Off && ring.begin(now.micros());
    for peer in peers.iter_mut().filter(|peer| is_met(peer)) {
        let email = &peer.peer.email;
        let offer = offered(account, email)?;
        let print = offer.as_ref().map(|offer| offer.fingerprint);
        let (decided, is_first) = decide(Some(&ring), ring.settled(email), print);
        if let (true, Some(offer)) = (is_first, offer) {
            // What is offered was checked: a document without keys is no offer.
            is_changed |= ring.trust(email, &offer.document, now.micros()).is_ok();
        }
        peer.secrecy = decided;
        // Who has not answered yet cannot have published keys for us.
        let may_come = peer.peer.state == PeerState::RequestedByMe
            && decided == Secrecy::Stopped(Obstacle::NotOffered);
        if !may_come {
            tell(email, decided, report);
        }
    }
    if is_changed {
        store::save(&account.folders.private, &ring)?;
    }
    heed_beginning(account, &ring)?;
    let met = peers.iter().filter(|peer| is_met(peer));
    let problems_before = report.problems.len();
    let published = bundles::publish(account, directory, &ring, met, report).await;
    if let Err(Error::KeysReplaced { fingerprint }) = &published {
        account.store.write(|db| meta::set(db, REPLACED, &fingerprint.to_string()))?;
    } else if published.is_ok() && report.problems.len() == problems_before {
        account.store.write(|db| meta::remove(db, REPLACED))?;
    }
    published
}

/// Where the account begins to seal what is its own, and this machine knows what is agreed, it says
/// so in a sealed checkpoint: nobody need believe then what lies there in plain from before.
fn heed_beginning(account: &Account, ring: &Keyring) -> Result<()> {
    let Some(since) = ring.since_micros().map(|since| since.to_string()) else { return Ok(()) };
    Ok(account.store.write(|db| {
        if meta::get(db, SINCE)?.as_ref() == Some(&since) {
            return Ok(());
        }
        if meta::get(db, RESTORED)?.is_some() {
            meta::set(db, CHECKPOINT_DUE, "1")?;
        }
        meta::set(db, SINCE, &since)
    })?)
}

/// Returns the keys with which this machine may seal; `None` if the account has none anywhere, as
/// far as is known here.
///
/// # Errors
/// [`Error::KeysMissing`] and [`Error::KeysReplaced`] where the account has keys that this machine
/// has not: what it would send must not go in plain, nor sealed with keys that were replaced.
fn keys_to_send(account: &Account) -> Result<Option<Keyring>> {
    let Some(ring) = keyring(account)? else {
        return if needs_keys(account)? { Err(Error::KeysMissing) } else { Ok(None) };
    };
    let replaced = account.store.read(|db| meta::get(db, REPLACED))?;
    match replaced.and_then(|text| Fingerprint::parse(&text).ok()) {
        Some(fingerprint) if !ring.has(fingerprint) && !ring.has_lost(fingerprint) => {
            Err(Error::KeysReplaced { fingerprint })
        }
        _ => Ok(Some(ring)),
    }
}

/// True if nothing may leave a machine without keys: the account is known to have some, or must.
fn needs_keys(account: &Account) -> Result<bool> {
    Ok(seals_all(account) || !own_bundles(account)?.is_empty())
}

/// Fails if this machine has not the keys that the account uses: then nothing may leave it.
///
/// # Errors
/// [`Error::KeysMissing`], [`Error::KeysReplaced`].
pub fn may_send(account: &Account) -> Result<()> {
    keys_to_send(account).map(|_| ())
}

/// One line for a peer with whom nothing goes.
fn tell(peer: &Email, secrecy: Secrecy, report: &mut Report) {
    match secrecy {
        Secrecy::Stopped(obstacle) => {
            report.problem_with(peer, obstacle_code(obstacle), stopped(peer, obstacle));
        }
        Secrecy::Plain { .. } | Secrecy::Sealed(_) => {}
    }
}

/// The kind of problem that an obstacle is.
pub const fn obstacle_code(obstacle: Obstacle) -> Code {
    match obstacle {
        Obstacle::KeyChanged { .. } => Code::KeyChanged,
        Obstacle::NotOffered => Code::NotEncrypted,
        Obstacle::NotCompared { .. } => Code::NotCompared,
    }
}

/// Says why nothing goes to or from a peer.
pub(super) fn stopped(peer: &Email, obstacle: Obstacle) -> String {
    match obstacle {
        Obstacle::KeyChanged { pinned, offered } => format!(
            "the keys of {peer} have changed: they were {pinned}, now {offered} are published; \
             nothing is sent to or taken from {peer} until you accept them"
        ),
        Obstacle::NotOffered => format!(
            "{peer} has published no keys, and encryption is required: nothing is sent to or \
             taken from {peer}"
        ),
        Obstacle::NotCompared { offered } => format!(
            "keys with the fingerprint {offered} are published in the name of {peer}, which anybody \
             can do there: nothing is sent to or taken from {peer} until you have compared them"
        ),
    }
}

/// Fails if nothing may go to a peer.
///
/// # Errors
/// [`Error::PeerStopped`].
pub fn may_go(peer: &Acquaintance) -> Result<()> {
    match peer.secrecy {
        Secrecy::Stopped(obstacle) => {
            Err(Error::PeerStopped { peer: peer.peer.email.clone(), obstacle })
        }
        Secrecy::Plain { .. } | Secrecy::Sealed(_) => Ok(()),
    }
}

/// Returns a message as it goes to the drive; `None` if it must wait, which is told.
///
/// What is held moves into the answer.
pub(super) fn outgoing(
    account: &Account,
    message: &mut Outgoing,
    report: &mut Report,
) -> Result<Option<Ready>> {
    let ring = keys_to_send(account)?;
    let Some(peer) = message.peer.clone() else {
        let ring = ring.filter(|ring| ring.mode() != Mode::Off);
        let seal = ring.as_ref().map(|ring| own_seal(account, ring));
        let ready = ready(account, message, seal, report)?;
        return ready.map_err(|_| Error::KeysMissing);
    };
    let peer = &peer;
    match (secrecy_with(account, ring.as_ref(), peer)?, &ring) {
        (Secrecy::Plain { .. }, _) => Ok(ready(account, message, None, report)?.unwrap_or(None)),
        (Secrecy::Sealed(print), Some(ring)) => {
            // Only with keys that were taken; a sync takes them before it sends.
            let pin = ring.pin(peer).filter(|pin| pin.keys.fingerprint() == print);
            let Some(pin) = pin else { return Ok(None) };
            let (from, to) = ((&account.email, ring.current()), (peer, &pin.keys));
            let sealed = ready(account, message, Some((from, to)), report)?;
            if sealed.is_err() {
                let text = format!(
                    "what is to go to {peer} waits: nothing can be sealed for the keys that {peer} \
                     publishes"
                );
                report.problem_with(peer, Code::NotSealedFor, text);
            }
            Ok(sealed.unwrap_or(None))
        }
        (Secrecy::Sealed(_), None) | (Secrecy::Stopped(_), _) => Ok(None),
    }
}

/// Returns a text that says by whose keys what goes to `peer` is sealed, and for whose; `None` is ourselves.
///
/// # Errors
/// As [`may_send`].
pub(super) fn seal_of(account: &Account, peer: Option<&Email>) -> Result<String> {
    let ring = keys_to_send(account)?.filter(|ring| ring.mode() != Mode::Off);
    let Some(ring) = ring else { return Ok("plain".to_owned()) };
    let own = ring.current().fingerprint();
    Ok(match peer {
        None => own.to_string(),
        Some(peer) => match secrecy_with(account, Some(&ring), peer)? {
            Secrecy::Sealed(theirs) => format!("{own} {theirs}"),
            Secrecy::Plain { .. } | Secrecy::Stopped(_) => "plain".to_owned(),
        },
    })
}

/// A message as it goes to the drive.
#[derive(Debug)]
pub(super) enum Ready {
    /// It is held.
    Bytes(Bytes),
    /// It lies in a file.
    Made(Made),
}

/// By whose keys something is sealed, and for whose.
type Seal<'a> = ((&'a Email, &'a PrivateKeys), (&'a Email, &'a PublicKeys));

/// Returns how what is our own is sealed.
fn own_seal<'a>(account: &'a Account, ring: &'a Keyring) -> Seal<'a> {
    let (me, keys) = (&account.email, ring.current());
    ((me, keys), (me, keys.public()))
}

/// Returns a message, sealed if there is a seal; `None` if what is large in it is not at hand, which is
/// told.
fn ready(
    account: &Account,
    message: &mut Outgoing,
    seal: Option<Seal<'_>>,
    report: &mut Report,
) -> Result<Result<Option<Ready>, envelopes::Unopened>> {
    match (&mut message.content, seal) {
        (journal::Load::Bytes(bytes), None) => {
            Ok(Ok(Some(Ready::Bytes(std::mem::take(bytes).into()))))
        }
        (journal::Load::Bytes(bytes), Some((from, to))) => {
            let bytes = std::mem::take(bytes);
            Ok(envelopes::seal(from, to, &bytes).map(|sealed| Some(Ready::Bytes(sealed.into()))))
        }
        (journal::Load::Recipe { recipe, mtime }, seal) => {
            let contents = account.contents();
            match parcels::make(account, &message.file, (recipe, *mtime), &contents, seal) {
                Ok(made) => Ok(Ok(Some(Ready::Made(made)))),
                Err(error) => {
                    let text = format!("`{}` could not be made: {error}", message.name);
                    report.problem(Code::NotSent, text);
                    Ok(Ok(None))
                }
            }
        }
    }
}

/// As [`seal_own`], for what lies in a file or is to.
pub(super) fn make_own(
    account: &Account,
    name: &str,
    recipe: (&Recipe, u32),
    larder: &dyn Larder,
) -> Result<Parcel> {
    let ring = keys_to_send(account)?.filter(|ring| ring.mode() != Mode::Off);
    if let Some(json) = recipe.0.json() {
        return Ok(seal_own(account, wire::archive::pack(json, recipe.1))?.into());
    }
    let seal = ring.as_ref().map(|ring| own_seal(account, ring));
    let made = parcels::make_once(account, name, recipe, larder, seal);
    made.map_err(|error| crate::connections::Error::Io(error).into())
}

/// Returns what only we shall read, as it goes to the drive.
pub(super) fn seal_own(account: &Account, content: Vec<u8>) -> Result<Vec<u8>> {
    match keys_to_send(account)?.filter(|ring| ring.mode() != Mode::Off) {
        Some(ring) => seal_with(account, &ring, &content),
        None => Ok(content),
    }
}

fn seal_with(account: &Account, ring: &Keyring, content: &[u8]) -> Result<Vec<u8>> {
    let (me, keys) = (&account.email, ring.current());
    // Our own keys are of a kind that one can seal for: they were checked when they were read.
    envelopes::seal((me, keys), (me, keys.public()), content).map_err(|_| Error::KeysMissing)
}

/// Returns the connection through which one half of a dataset of ours goes: a private one is sealed.
///
/// # Errors
/// As [`may_send`], for a private half.
pub(super) fn connection_for(account: &Account, half: Half) -> Result<Sealing<'_>> {
    let ring = match half {
        Half::Public => None,
        Half::Private => keys_to_send(account)?,
    };
    let sealing = Sealing::new(account.router.own(), ring, &account.folders.state);
    Ok(if half == Half::Private && seals_all(account) { sealing.sealed_only() } else { sealing })
}

/// Notes that the keys of the account were replaced on this machine.
///
/// # Errors
/// If the database fails.
pub fn note_rotation(account: &Account) -> Result<()> {
    Ok(account.store.write(|db| {
        meta::set(db, CHECKPOINT_DUE, "1")?;
        meta::set(db, RESEAL_DUE, "1")
    })?)
}

/// True if keys were replaced, and uploaded private halves may still be sealed with the old ones.
pub(super) fn needs_resealing(account: &Account) -> Result<bool> {
    Ok(account.store.read(|db| meta::get(db, RESEAL_DUE))?.is_some())
}

/// Notes that all private halves are sealed with the keys in use.
pub(super) fn resealed(account: &Account) -> Result<()> {
    Ok(account.store.write(|db| meta::remove(db, RESEAL_DUE))?)
}

/// Notes that a checkpoint with the keys in use is due.
fn note_checkpoint_due(account: &Account) -> Result<()> {
    Ok(account.store.write(|db| meta::set(db, CHECKPOINT_DUE, "1"))?)
}

/// True if there is no checkpoint with the keys in use yet, or something was taken in that was not
/// sealed: who restores the account with those keys alone needs one.
pub(super) fn needs_checkpoint(account: &Account) -> Result<bool> {
    Ok(account.store.read(|db| meta::get(db, CHECKPOINT_DUE))?.is_some())
}

/// Notes that there is a checkpoint with the keys in use.
pub(super) fn checkpoint_made(account: &Account) -> Result<()> {
    Ok(account.store.write(|db| meta::remove(db, CHECKPOINT_DUE))?)
}

/// Takes up again what was set aside of `peer`, once a person has decided about its keys. Returns
/// how many messages that are.
///
/// # Errors
/// If the database fails.
pub fn take_up_again(account: &Account, peer: &Email) -> Result<usize> {
    Ok(account.store.write(|db| {
        let mut count = 0;
        for (key, sender) in meta::with_prefix(db, SET_ASIDE)? {
            if !peer.is_same_account(&sender) {
                continue;
            }
            if let Some(Ok(file)) = key.strip_prefix(SET_ASIDE).map(FileId::parse) {
                journal::unsee(db, &file)?;
                count += 1;
            }
            meta::remove(db, &key)?;
        }
        Ok(count)
    })?)
}

/// True if the account has published keys and this machine has none; also if it was at work where
/// nobody works without keys.
///
/// # Errors
/// If the database or the key file fails.
pub fn lacks_keys(account: &Account) -> Result<bool> {
    if keyring(account)?.is_some() {
        return Ok(false);
    }
    let directory = Directory::read(&account.store, &account.email, &account.dialect)?;
    let was_at_work = seals_all(account) && directory.syftbox.is_some();
    Ok(was_at_work || !own_bundles(account)?.is_empty())
}
