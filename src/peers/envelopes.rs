//! Envelopes: what is sealed for one account and signed by another, as SYC2.
//!
//! Opening says nothing about who may speak in which folder: the caller names the one sender that
//! it expects, by address and by keys, and whatever is not signed by those is refused. Nothing is
//! unpacked before the signature and the seal hold.
//!
//! Invariant: no input panics; besides copies of the input, reading takes at most what
//! [`PRELUDE_BYTES_MAX`] of JSON takes. Format: `docs/FORMAT.md`, "Envelopes".

use std::io::{self, Read, Write};

use syft_crypto_protocol::envelope::{
    ParsedEnvelope, parse_envelope, parse_envelope_header, verify_signature,
};
use syft_crypto_protocol::{
    EncryptionRecipient, KeyError, StreamOptions, decrypt_message, decrypt_stream, encrypt_message,
    encrypt_stream,
};

use super::keyring::Keyring;
use super::keys::{Fingerprint, PrivateKeys, PublicKeys};
use crate::model::Email;

/// Largest head of an envelope. With one recipient it is about 1,200 bytes.
pub const PRELUDE_BYTES_MAX: usize = 64 * 1024;

/// How many bytes an envelope adds to its content, at most, where it is for one account.
pub const OVERHEAD_BYTES: usize = 8 * 1024;

const MAGIC: &[u8] = b"SYC2";
const MAGIC_OLD: &[u8] = b"SYC1";
/// The head is filled up with zeros to whole blocks of this size.
const PRELUDE_BLOCK_BYTES: usize = 4096;
/// Where the length of the head stands: after the magic and the version.
const PRELUDE_LENGTH_AT: usize = 5;

/// Why an envelope stays closed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unopened {
    /// It is of the older form, which carries keys of another kind.
    #[error(
        "it is sealed in the older form SYC1, which cannot be opened here; its sender's \
         `syft-crypto-python` has to be 0.1.2b3 or newer"
    )]
    Old,

    /// It is no envelope, or one whose head is not in order.
    #[error("it is not an envelope that can be read")]
    Damaged,

    /// It says that another account sealed it.
    #[error("it says that `{0}` sealed it")]
    OfAnother(String),

    /// It is sealed with keys of the sender that are not known here.
    #[error("it is sealed with keys of the sender that were never accepted here")]
    UnknownSender {
        /// The fingerprint that it claims.
        claimed: Option<Fingerprint>,
    },

    /// It is sealed for others.
    #[error("it is not sealed for this account")]
    ForOthers,

    /// It is sealed for other keys of this account than those that are here.
    #[error("it is sealed for keys that are not on this machine")]
    NotForUs,

    /// Its signature or its seal does not hold.
    #[error("its signature or its seal is broken")]
    Forged,
}

/// True if a file is an envelope of any kind; no message and no archive begins so.
pub fn is_sealed(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC) || bytes.starts_with(MAGIC_OLD)
}

/// Seals `content` for `recipient`, signed by `sender`.
///
/// # Errors
/// [`Unopened::Damaged`] if the recipient's keys are of a kind that nothing can be sealed for.
pub fn seal(
    sender: (&Email, &PrivateKeys),
    recipient: (&Email, &PublicKeys),
    content: &[u8],
) -> Result<Vec<u8>, Unopened> {
    let to = EncryptionRecipient { identity: recipient.0.as_str(), bundle: &recipient.1.bundle };
    let mut randomness = rand::rng();
    encrypt_message(sender.0.as_str(), &sender.1.keys, &[to], content, None, &mut randomness)
        .map_err(|_| Unopened::Damaged)
}

/// Opens what `sender` sealed for us with one of the keys in `accepted`. `ours` are all of our
/// keys, those that were replaced included.
///
/// # Errors
/// [`Unopened`], which says whether it could be opened once keys are known.
pub fn open(
    me: &Email,
    ours: &[&PrivateKeys],
    sender: &Email,
    accepted: &[&PublicKeys],
    bytes: &[u8],
) -> Result<Vec<u8>, Unopened> {
    let envelope = parse(bytes)?;
    let head = &envelope.prelude;
    if !sender.is_same_account(&head.sender.identity) {
        let named = head.sender.identity.chars().take(80).flat_map(char::escape_debug).collect();
        return Err(Unopened::OfAnother(named));
    }
    let claimed = Fingerprint::parse(&head.sender.ik_fingerprint).ok();
    let signer = accepted
        .iter()
        .find(|keys| Some(keys.fingerprint()) == claimed)
        .ok_or(Unopened::UnknownSender { claimed })?;
    verify_signature(&envelope, &signer.bundle.identity_signing_public_key)
        .map_err(|_| Unopened::Forged)?;
    // From here on the head says what the sender wrote.
    let mut is_for_us = false;
    for recipient in &head.recipients {
        let Some(named) = recipient.identity.as_deref().filter(|name| me.is_same_account(name))
        else {
            continue;
        };
        is_for_us = true;
        let wanted = recipient.spk_fingerprint.as_deref();
        let Some(keys) = ours.iter().find(|keys| wanted == Some(&keys.public().prekey())) else {
            continue;
        };
        return decrypt_message(named, &keys.keys, &signer.bundle, &envelope)
            .map_err(|_| Unopened::Forged);
    }
    Err(if is_for_us { Unopened::NotForUs } else { Unopened::ForOthers })
}

/// Seals for ourselves.
///
/// # Errors
/// As [`seal`].
pub fn seal_own(ring: &Keyring, content: &[u8]) -> Result<Vec<u8>, Unopened> {
    let keys = ring.current();
    seal((ring.owner(), keys), (ring.owner(), keys.public()), content)
}

/// Seals `length` bytes for ourselves without holding all of them, in the form that
/// the Python client's library opens as well but never writes.
///
/// # Errors
/// If there are more or fewer bytes, or if reading or writing fails.
pub fn seal_own_file(
    ring: &Keyring,
    length: u64,
    from: &mut impl Read,
    to: &mut impl Write,
) -> io::Result<()> {
    let (me, keys) = (ring.owner().as_str(), ring.current());
    let recipient = [EncryptionRecipient { identity: me, bundle: &keys.public().bundle }];
    let options = StreamOptions { parallelism: 1, ..StreamOptions::default() };
    encrypt_stream(me, &keys.keys, &recipient, length, from, to, &options, &mut rand::rng())
        .map(|_| ())
        .map_err(io::Error::other)
}

/// Opens what we sealed for ourselves, of either form. `from` gives the envelope from its start.
/// False, with nothing of use written: it is none of ours.
///
/// # Errors
/// If reading or writing fails.
pub fn open_own_file<R: Read>(
    ring: &Keyring,
    from: impl Fn() -> io::Result<R>,
    to: &mut impl Write,
) -> io::Result<bool> {
    let Ok(head) = parse_envelope_header(&mut from()?) else { return Ok(false) };
    let head = head.prelude;
    let signed = Fingerprint::parse(&head.sender.ik_fingerprint).ok();
    let keys = ring.all();
    let signer = keys.iter().find(|keys| Some(keys.fingerprint()) == signed);
    let recipient = head.recipients.iter().find_map(|recipient| {
        let wanted = recipient.spk_fingerprint.as_deref();
        let ours = keys.iter().find(|keys| wanted == Some(&keys.public().prekey()))?;
        Some((recipient.identity.as_deref()?, ours))
    });
    let (Some(signer), Some((named, ours))) = (signer, recipient) else { return Ok(false) };
    let bundle = &signer.public().bundle;
    match decrypt_stream(named, &ours.keys, bundle, &mut from()?, to, 1) {
        Ok(_) => to.flush().map(|()| true),
        Err(KeyError::StorageError(error)) => Err(error),
        Err(_) => Ok(false),
    }
}

/// True if an envelope is signed by and sealed for the keys of ours that are in use, by what its head
/// says.
pub fn names_current_keys(ring: &Keyring, from: &mut impl Read) -> bool {
    let Ok(parsed) = parse_envelope_header(from) else { return false };
    let (head, current) = (parsed.prelude, ring.current());
    let is_signed = Fingerprint::parse(&head.sender.ik_fingerprint) == Ok(current.fingerprint());
    let prekey = current.public().prekey();
    let is_for_us = |wanted: Option<&str>| wanted == Some(prekey.as_str());
    is_signed && head.recipients.iter().any(|to| is_for_us(to.spk_fingerprint.as_deref()))
}

/// Takes an envelope apart, its head only if that has a bearable size.
fn parse(bytes: &[u8]) -> Result<ParsedEnvelope, Unopened> {
    if bytes.starts_with(MAGIC_OLD) {
        return Err(Unopened::Old);
    }
    let length = bytes
        .get(PRELUDE_LENGTH_AT..PRELUDE_LENGTH_AT + 4)
        .and_then(|field| field.try_into().ok())
        .map(u32::from_le_bytes)
        .ok_or(Unopened::Damaged)?;
    let length = length as usize;
    if length > PRELUDE_BYTES_MAX {
        return Err(Unopened::Damaged);
    }
    // What fills the head up is neither signed nor sealed: it must carry nothing.
    let start = PRELUDE_LENGTH_AT + 4;
    let padding = start + length..start + length.next_multiple_of(PRELUDE_BLOCK_BYTES);
    if bytes.get(padding).is_none_or(|filling| filling.iter().any(|byte| *byte != 0)) {
        return Err(Unopened::Damaged);
    }
    parse_envelope(bytes).map_err(|_| Unopened::Damaged)
}

#[cfg(test)]
mod tests;
