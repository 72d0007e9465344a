//! The keys of an account with all that is settled about those of its peers: what a key file holds.
//!
//! Pure: reading and writing the file is `store`'s. Every change is a function here, so that what a
//! command or a sync does to keys is tested without either. Nothing is ever dropped from a keyring
//! but by a person: keys that are replaced are kept, since messages may lie about that they open.
//! The form is the Python client's with one key of ours; see `docs/FORMAT.md`, "Keys".

use serde_json::{Map, Value};

use super::keys::{Fingerprint, InvalidKeys, PrivateKeys, PublicKeys, RecoveryKey};
use super::secrecy::{Mode, Settled, is_in_grace};
use crate::model::Email;
use crate::wire::{self, CryptoKeys, KeyRecords, PeerRecord, RetiredBundle};

/// The keys of an account.
#[derive(Debug)]
pub struct Keyring {
    owner: Email,
    file: CryptoKeys,
    current: PrivateKeys,
    retired: Vec<PrivateKeys>,
    /// Not part of the file: it follows from the place where the account's files are.
    seals_all: bool,
}

/// Why a key file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unusable {
    /// It is no key file.
    #[error("it is not a key file")]
    Form(#[from] wire::Error),

    /// It holds another account's keys.
    #[error("it holds the keys of `{0}`")]
    OfAnother(String),

    /// A key in it is not in order.
    #[error(transparent)]
    Keys(#[from] InvalidKeys),
}

/// What there is to know of one peer's keys.
#[derive(Clone, Debug, PartialEq)]
pub struct Pin {
    /// The keys in use.
    pub keys: PublicKeys,
    /// When they were taken, in microseconds since 1970.
    pub since_micros: i64,
    retired: Vec<(PublicKeys, i64)>,
}

impl Pin {
    /// Returns the keys with which a message that is read now may be signed. When it was made is
    /// not asked: whoever put it there could say anything.
    pub fn signers(&self, now_micros: i64) -> Vec<&PublicKeys> {
        let retired = self.retired.iter().filter(|(_, until)| is_in_grace(now_micros, *until));
        std::iter::once(&self.keys).chain(retired.map(|(keys, _)| keys)).collect()
    }
}

impl Keyring {
    /// Makes the keyring of an account that had none.
    ///
    /// # Errors
    /// [`InvalidKeys::Damaged`], which cannot happen with a key of this length.
    pub fn new(owner: &Email, recovery: &RecoveryKey) -> Result<Self, InvalidKeys> {
        let current = recovery.derive()?;
        let records = KeyRecords { recovery_key: Some(recovery.digits()), ..KeyRecords::default() };
        let file = CryptoKeys {
            email: owner.to_string(),
            keys_jwk: current.to_jwks()?,
            peer_bundles: Map::new(),
            syft: Some(records),
        };
        Ok(Self { owner: owner.clone(), file, current, retired: Vec::new(), seals_all: false })
    }

    /// Reads a key file: ours, or one of the Python client. The peers' keys in the latter count as
    /// taken at `now_micros`.
    ///
    /// # Errors
    /// [`Unusable`].
    pub fn from_json(bytes: &[u8], owner: &Email, now_micros: i64) -> Result<Self, Unusable> {
        let mut file = CryptoKeys::from_json(bytes)?;
        if !owner.is_same_account(&file.email) {
            return Err(Unusable::OfAnother(
                file.email.chars().take(80).flat_map(char::escape_debug).collect(),
            ));
        }
        let current = PrivateKeys::from_jwks(&file.keys_jwk)?;
        let records = file.syft.get_or_insert_default();
        for peer in file.peer_bundles.keys() {
            records.peers.entry(peer.clone()).or_insert_with(|| PeerRecord {
                since_micros: now_micros,
                ..PeerRecord::default()
            });
        }
        let retired =
            records.retired.iter().map(PrivateKeys::from_jwks).collect::<Result<_, _>>()?;
        Ok(Self { owner: owner.clone(), file, current, retired, seals_all: false })
    }

    /// Returns the content of the key file.
    pub fn to_json(&self) -> Vec<u8> {
        self.file.to_json()
    }

    /// Returns whose keys they are.
    pub const fn owner(&self) -> &Email {
        &self.owner
    }

    /// Returns the private keys in use.
    pub const fn current(&self) -> &PrivateKeys {
        &self.current
    }

    /// Returns all private keys, those in use first.
    pub fn all(&self) -> Vec<&PrivateKeys> {
        std::iter::once(&self.current).chain(&self.retired).collect()
    }

    /// True if these are keys of ours, in use or replaced.
    pub fn has(&self, fingerprint: Fingerprint) -> bool {
        self.all().iter().any(|keys| keys.fingerprint() == fingerprint)
    }

    /// Returns what the keys in use were derived from; `None` if they came without.
    pub fn recovery(&self) -> Option<RecoveryKey> {
        RecoveryKey::parse(self.records()?.recovery_key.as_deref()?).ok()
    }

    /// From now on nothing is sent or taken that is not sealed, and no keys of a peer are used that a
    /// person has not compared, whatever the file says: anybody can write in anybody's name where the
    /// account's files are.
    pub const fn demand_sealing(&mut self) {
        self.seals_all = true;
    }

    /// True if [`Keyring::demand_sealing`] was called.
    pub const fn seals_all(&self) -> bool {
        self.seals_all
    }

    /// Returns when messages are sealed. A word that we do not know is taken for the strictest.
    pub fn mode(&self) -> Mode {
        if self.seals_all {
            return Mode::Required;
        }
        let word = self.records().and_then(|records| records.mode.as_deref());
        word.map_or(Mode::Offered, |word| Mode::parse(word).unwrap_or(Mode::Required))
    }

    /// Chooses when messages are sealed.
    pub fn set_mode(&mut self, mode: Mode) {
        let was_off = self.mode() == Mode::Off;
        let records = self.records_mut();
        records.mode = Some(mode.as_str().to_owned());
        if was_off && mode != Mode::Off {
            records.since_micros = None; // What was made meanwhile is plain in good faith.
        }
    }

    /// Returns when the account began to seal what is its own; `None` if it has not yet.
    pub fn since_micros(&self) -> Option<i64> {
        self.records().and_then(|records| records.since_micros)
    }

    /// Notes that the account seals what is its own from now on. False if it did already.
    pub fn begin(&mut self, now_micros: i64) -> bool {
        let is_new = self.since_micros().is_none();
        if is_new {
            self.records_mut().since_micros = Some(now_micros);
        }
        is_new
    }

    /// True if a file of our own that is not sealed, and is read now, may have been made in good
    /// faith. When it was made is not asked: whoever put it there could say anything.
    pub fn may_own_be_plain(&self, now_micros: i64) -> bool {
        self.mode() == Mode::Off
            || self.since_micros().is_none_or(|since| is_in_grace(now_micros, since))
    }

    /// True if keys of this account were lost before these were made.
    pub fn has_lost_keys(&self) -> bool {
        self.records().is_some_and(|records| records.lost)
    }

    /// True if these are keys of this account that were lost.
    pub fn has_lost(&self, fingerprint: Fingerprint) -> bool {
        let known = self.records().into_iter().flat_map(|records| &records.lost_keys);
        known.filter_map(|text| Fingerprint::parse(text).ok()).any(|lost| lost == fingerprint)
    }

    /// Notes that keys of this account were lost, and of those that were published which ones.
    pub fn note_lost_keys(&mut self, published: &[Fingerprint]) {
        let records = self.records_mut();
        records.lost = true;
        for print in published.iter().map(Fingerprint::to_string) {
            if !records.lost_keys.contains(&print) {
                records.lost_keys.push(print);
            }
        }
    }

    /// Puts the keys of `other` in use. Ours stay, to open what was sealed for them; so do the
    /// peers' keys that are settled here, and what is settled only there is added.
    pub fn adopt(&mut self, mut other: Self) {
        let mut retired: Vec<PrivateKeys> = std::mem::take(&mut self.retired);
        retired.insert(0, std::mem::replace(&mut self.current, other.current));
        retired.append(&mut other.retired);
        let mut known = vec![self.current.fingerprint()];
        retired.retain(|keys| {
            let is_new = !known.contains(&keys.fingerprint());
            known.push(keys.fingerprint());
            is_new
        });
        let theirs = other.file.syft.take().unwrap_or_default();
        self.file.keys_jwk = other.file.keys_jwk;
        for (peer, bundle) in other.file.peer_bundles {
            self.file.peer_bundles.entry(peer).or_insert(bundle);
        }
        let jwks = retired.iter().filter_map(|keys| keys.to_jwks().ok()).collect();
        let records = self.records_mut();
        records.recovery_key = theirs.recovery_key;
        records.retired = jwks;
        records.lost |= theirs.lost;
        for print in theirs.lost_keys {
            if !records.lost_keys.contains(&print) {
                records.lost_keys.push(print);
            }
        }
        records.since_micros = records.since_micros.or(theirs.since_micros);
        for (peer, record) in theirs.peers {
            records.peers.entry(peer).or_insert(record);
        }
        self.retired = retired;
    }

    /// Returns what is settled about a peer's keys.
    pub fn settled(&self, peer: &Email) -> Settled {
        if !self.seals_all && self.record(peer).is_some_and(|record| record.unencrypted) {
            return Settled::Unencrypted;
        }
        self.pin(peer).map_or(Settled::Nothing, |pin| Settled::Pinned(pin.keys.fingerprint()))
    }

    /// Returns the keys of a peer that were taken; `None` if none were, or if they are damaged.
    pub fn pin(&self, peer: &Email) -> Option<Pin> {
        let (_, bundle) =
            self.file.peer_bundles.iter().find(|(email, _)| peer.is_same_account(email))?;
        let keys = PublicKeys::from_document(bundle.as_object()?, peer).ok()?;
        let record = self.record(peer).cloned().unwrap_or_default();
        let retired = record.retired.into_iter().filter_map(|old| {
            Some((PublicKeys::from_document(&old.bundle, peer).ok()?, old.until_micros))
        });
        Some(Pin { keys, since_micros: record.since_micros, retired: retired.collect() })
    }

    /// Takes the keys of a peer, for the first time or in place of others: a message that was made
    /// before may then be signed with the old ones. Of the document only the keys are kept: what
    /// else is in it is the peer's to choose, and must not make the key file unreadable.
    ///
    /// # Errors
    /// [`InvalidKeys`] if the document holds no keys of this peer: nothing changes.
    pub fn trust(
        &mut self,
        peer: &Email,
        document: &Map<String, Value>,
        now_micros: i64,
    ) -> Result<(), InvalidKeys> {
        let keys = PublicKeys::from_document(document, peer)?;
        let kept = keys.to_document(peer)?;
        let old = self.pin(peer).map(|pin| pin.keys);
        let key = self.spelling(peer);
        self.file.peer_bundles.insert(key.clone(), Value::Object(kept.clone()));
        let old_kept = old.as_ref().filter(|old| **old != keys);
        let old_kept = old_kept.map(|old| old.to_document(peer)).transpose()?;
        let record = self.records_mut().peers.entry(key).or_default();
        // What was sent while it was agreed to be plain may be on its way still.
        if std::mem::take(&mut record.unencrypted) || old.is_none() {
            record.since_micros = now_micros;
        }
        if let Some(bundle) = old_kept {
            record.retired.retain(|known| known.bundle != kept);
            record.retired.insert(0, RetiredBundle { bundle, until_micros: now_micros });
        }
        Ok(())
    }

    /// Notes that a peer works without encryption.
    pub fn allow_unencrypted(&mut self, peer: &Email) {
        let key = self.spelling(peer);
        self.records_mut().peers.entry(key).or_default().unencrypted = true;
    }

    /// True if a message of `peer` that is not sealed, and is read now, may have been made in good
    /// faith. When it was made is not asked: whoever put it there could say anything.
    pub fn may_be_plain(&self, peer: &Email, now_micros: i64) -> bool {
        if self.seals_all {
            return false;
        }
        if self.mode() == Mode::Off {
            return true;
        }
        match self.settled(peer) {
            Settled::Nothing | Settled::Unencrypted => true,
            Settled::Pinned(_) => {
                self.record(peer).is_some_and(|record| is_in_grace(now_micros, record.since_micros))
            }
        }
    }

    /// The peer as it is spelled here already, or as given.
    fn spelling(&self, peer: &Email) -> String {
        let records = self.records().into_iter().flat_map(|records| records.peers.keys());
        let mut known = self.file.peer_bundles.keys().chain(records);
        known.find(|email| peer.is_same_account(email)).cloned().unwrap_or_else(|| peer.to_string())
    }

    fn record(&self, peer: &Email) -> Option<&PeerRecord> {
        let mut peers = self.records()?.peers.iter();
        peers.find(|(email, _)| peer.is_same_account(email)).map(|(_, record)| record)
    }

    const fn records(&self) -> Option<&KeyRecords> {
        self.file.syft.as_ref()
    }

    fn records_mut(&mut self) -> &mut KeyRecords {
        self.file.syft.get_or_insert_default()
    }
}

#[cfg(test)]
mod tests;
