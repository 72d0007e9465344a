//! Opens what lies on the drive in our own name: the event log, checkpoints, the rolling state.
//!
//! Whoever runs the drive, or writes in the account's name, may have put it there. What is sealed
//! and signed by our keys is ours. What is not sealed is from before the account had keys, or of a
//! machine of ours that had not heard of them yet, or planted; it counts only for some hours after
//! this account began to seal, by this machine's clock, and on a machine that joins not even then if
//! anything sealed lies beside it. After that a sealed checkpoint takes its place. What is sealed
//! with keys that are not here waits for them: it may be of another machine of ours.

use bytes::Bytes;

use crate::caches::meta;
use crate::connections::{self, Entry};
use crate::model::{Code, Timestamp};
use crate::peers::envelopes::{self, Unopened};
use crate::peers::{Keyring, Mode, PublicKeys};

use super::super::parcels::Parcel;
use super::super::{Account, Error, Report, Result};

/// Meta key: this machine joined an account that sealed already; the value says since when that
/// counts, as the key file has it.
const JOINED_SEALED: &str = "joined sealed";

/// A file of our own, as it was found.
#[derive(Debug)]
pub(in crate::syncers) enum OwnFile {
    /// It can be read, and was sealed by us.
    Sealed(Parcel),
    /// It is not sealed, and need not be.
    Plain(Parcel),
    /// It is not sealed, and counts for nothing by itself.
    NotSealed(Parcel),
    /// It is sealed with keys that are not on this machine.
    Closed,
    /// It is sealed for keys that were lost.
    Lost,
    /// It is broken, which was told.
    Unusable,
}

/// What is needed to open files of our own.
#[derive(Debug)]
pub(in crate::syncers) struct OwnFiles {
    ring: Option<Keyring>,
    takes_plain: bool,
    met_closed: bool,
}

impl OwnFiles {
    /// Reads the keys, and settles what of it may be plain now.
    pub(in crate::syncers) fn load(account: &Account, now: Timestamp) -> Result<Self> {
        let ring = super::keyring(account)?;
        let joined = account.store.read(|db| meta::get(db, JOINED_SEALED))?;
        let is_off = ring.as_ref().is_none_or(|ring| ring.mode() == Mode::Off);
        let is_early = ring.as_ref().is_none_or(|ring| ring.may_own_be_plain(now.micros()));
        let has_joined = joined.is_some() && joined == since(ring.as_ref());
        let may_be_plain = is_off || (is_early && !has_joined);
        let takes_plain = may_be_plain && !super::seals_all(account);
        Ok(Self { ring, takes_plain, met_closed: false })
    }

    /// True if what is not sealed counts, although the account seals what is its own.
    pub(in crate::syncers) fn is_lenient(&self) -> bool {
        self.takes_plain && self.ring.as_ref().is_some_and(|ring| ring.mode() != Mode::Off)
    }

    /// True if what is not sealed counts.
    pub(in crate::syncers) const fn takes_plain(&self) -> bool {
        self.takes_plain
    }

    /// True if something was met that is sealed with keys that are not on this machine.
    pub(in crate::syncers) const fn has_met_closed(&self) -> bool {
        self.met_closed
    }

    /// Notes that this machine has joined an account that seals already: what is not sealed counts
    /// no more.
    pub(in crate::syncers) fn join_sealed(&mut self, account: &Account) -> Result<()> {
        self.takes_plain = false;
        let Some(since) = since(self.ring.as_ref()) else { return Ok(()) };
        Ok(account.store.write(|db| meta::set(db, JOINED_SEALED, &since))?)
    }

    /// True if a file was sealed by us and can be opened.
    pub(in crate::syncers) fn is_sealed_by_us(&self, account: &Account, parcel: &Parcel) -> bool {
        let open = |ring| matches!(unseal_parcel(account, ring, parcel), Ok(Ok(_)));
        parcel.is_sealed().is_ok_and(|is| is) && self.ring.as_ref().is_some_and(open)
    }

    /// Opens a file of our own.
    ///
    /// # Errors
    /// [`Error::KeysMissing`] if it is sealed and this machine has no keys at all: it must send
    /// nothing then. If the database fails.
    pub(in crate::syncers) fn open(
        &mut self,
        account: &Account,
        entry: &Entry,
        parcel: Parcel,
        report: &mut Report,
    ) -> Result<OwnFile> {
        let failed = |source| Error::from(connections::Error::Io(source));
        if !parcel.is_sealed().map_err(failed)? {
            if !self.takes_plain {
                return Ok(OwnFile::NotSealed(parcel));
            }
            if self.is_lenient() {
                // So that nobody need believe it later on.
                super::note_checkpoint_due(account)?;
            }
            return Ok(OwnFile::Plain(parcel));
        }
        let Some(ring) = &self.ring else { return Err(Error::KeysMissing) };
        match unseal_parcel(account, ring, &parcel).map_err(failed)? {
            Ok(content) => Ok(OwnFile::Sealed(content)),
            Err(Unopened::UnknownSender { .. } | Unopened::NotForUs) if ring.has_lost_keys() => {
                Ok(OwnFile::Lost)
            }
            Err(Unopened::UnknownSender { .. } | Unopened::NotForUs) => {
                self.met_closed = true;
                Ok(OwnFile::Closed)
            }
            Err(error) => {
                report.problem(Code::SealedFileNotUsable, format!("`{}`: {error}", entry.name));
                Ok(OwnFile::Unusable)
            }
        }
    }
}

/// Returns a peers file of ours as it is to be read. It lies there in plain, for the Python client,
/// unless anybody could write it. `None`: somebody else has.
///
/// # Errors
/// [`Error::KeysMissing`] if keys would help that are not on this machine.
pub(in crate::syncers) fn open_peers_file(
    account: &Account,
    bytes: Bytes,
) -> Result<Option<Bytes>> {
    if !super::seals_all(account) {
        return Ok(Some(bytes));
    }
    if !envelopes::is_sealed(&bytes) {
        return Ok(None);
    }
    let Some(ring) = super::keyring(account)? else { return Err(Error::KeysMissing) };
    match unseal(account, &ring, &bytes) {
        Ok(content) => Ok(Some(content.into())),
        Err(Unopened::UnknownSender { .. } | Unopened::NotForUs) if !ring.has_lost_keys() => {
            Err(Error::KeysMissing)
        }
        Err(_) => Ok(None),
    }
}

/// The same on its way to the drive.
///
/// # Errors
/// As [`super::may_send`].
pub(in crate::syncers) fn seal_peers_file(account: &Account, content: Vec<u8>) -> Result<Vec<u8>> {
    if super::seals_all(account) { super::seal_own(account, content) } else { Ok(content) }
}

fn unseal(account: &Account, ring: &Keyring, bytes: &[u8]) -> Result<Vec<u8>, Unopened> {
    let (me, ours) = (&account.email, ring.all());
    let signers: Vec<&PublicKeys> = ours.iter().map(|keys| keys.public()).collect();
    envelopes::open(me, &ours, me, &signers, bytes)
}

fn unseal_parcel(
    account: &Account,
    ring: &Keyring,
    parcel: &Parcel,
) -> std::io::Result<Result<Parcel, Unopened>> {
    let (me, ours) = (&account.email, ring.all());
    let signers: Vec<&PublicKeys> = ours.iter().map(|keys| keys.public()).collect();
    parcel.unsealed(me, &ours, me, &signers)
}

fn since(ring: Option<&Keyring>) -> Option<String> {
    Some(ring?.since_micros()?.to_string())
}
