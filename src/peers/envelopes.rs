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
    CipherInfo, ParsedEnvelope, RecipientInfo, SenderInfo, parse_envelope, parse_envelope_header,
    verify_header_signature, verify_signature,
};
use syft_crypto_protocol::{
    EncryptionRecipient, KeyError, STREAM_CIPHER_SUITE, StreamOptions, decrypt_message,
    decrypt_stream, encrypt_message, encrypt_stream,
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
    if head.cipher.suite == STREAM_CIPHER_SUITE {
        let mut content = Vec::new();
        let opened = open_pieces(me, ours, sender, accepted, || Ok(bytes), &mut content);
        // Nothing but the memory is read and written.
        return opened.unwrap_or(Err(Unopened::Damaged)).map(|()| content);
    }
    let signer = signer_of(&head.sender, sender, accepted)?;
    verify_signature(&envelope, &signer.bundle.identity_signing_public_key)
        .map_err(|_| Unopened::Forged)?;
    // From here on the head says what the sender wrote.
    let (named, keys) = keys_for(&head.recipients, me, ours)?;
    decrypt_message(named, &keys.keys, &signer.bundle, &envelope).map_err(|_| Unopened::Forged)
}

/// Returns the keys with which an envelope of `sender` says that it is signed.
fn signer_of<'k>(
    head: &SenderInfo,
    sender: &Email,
    accepted: &[&'k PublicKeys],
) -> Result<&'k PublicKeys, Unopened> {
    if !sender.is_same_account(&head.identity) {
        let named = head.identity.chars().take(80).flat_map(char::escape_debug).collect();
        return Err(Unopened::OfAnother(named));
    }
    let claimed = Fingerprint::parse(&head.ik_fingerprint).ok();
    let signer = accepted.iter().find(|keys| Some(keys.fingerprint()) == claimed);
    signer.copied().ok_or(Unopened::UnknownSender { claimed })
}

/// Returns those of our keys for which an envelope is sealed, and the name that it gives them.
fn keys_for<'k, 'h>(
    recipients: &'h [RecipientInfo],
    me: &Email,
    ours: &[&'k PrivateKeys],
) -> Result<(&'h str, &'k PrivateKeys), Unopened> {
    let mut is_for_us = false;
    for recipient in recipients {
        let Some(named) = recipient.identity.as_deref().filter(|name| me.is_same_account(name))
        else {
            continue;
        };
        is_for_us = true;
        let wanted = recipient.spk_fingerprint.as_deref();
        if let Some(keys) = ours.iter().find(|keys| wanted == Some(&keys.public().prekey())) {
            return Ok((named, keys));
        }
    }
    Err(if is_for_us { Unopened::NotForUs } else { Unopened::ForOthers })
}

/// Seals `length` bytes that `from` gives, without holding all of them: in a form that the Python
/// client's library opens as well, but never writes.
///
/// # Errors
/// If there are more or fewer bytes, if reading or writing fails, or nothing can be sealed for the keys.
pub fn seal_from(
    sender: (&Email, &PrivateKeys),
    recipient: (&Email, &PublicKeys),
    length: u64,
    from: &mut impl Read,
    to: &mut impl Write,
) -> io::Result<()> {
    let (me, keys) = (sender.0.as_str(), &sender.1.keys);
    let recipient =
        [EncryptionRecipient { identity: recipient.0.as_str(), bundle: &recipient.1.bundle }];
    let options = StreamOptions { parallelism: 1, ..StreamOptions::default() };
    encrypt_stream(me, keys, &recipient, length, from, to, &options, &mut rand::rng())
        .map(|_| ())
        .map_err(io::Error::other)
}

/// As [`open`], of either form; one that was sealed in pieces is held a piece at a time. `from` gives the
/// envelope, of `length` bytes, from its start. What was written to `to` counts only if this succeeds.
///
/// # Errors
/// If reading or writing fails.
pub fn open_from<R: Read>(
    me: &Email,
    ours: &[&PrivateKeys],
    sender: &Email,
    accepted: &[&PublicKeys],
    length: u64,
    from: impl Fn() -> io::Result<R>,
    to: &mut impl Write,
) -> io::Result<Result<(), Unopened>> {
    if is_in_pieces(from()?)? {
        return open_pieces(me, ours, sender, accepted, from, to);
    }
    if length > WHOLE_BYTES_MAX {
        return Ok(Err(Unopened::Damaged)); // It would have to be held.
    }
    let mut bytes = Vec::new();
    from()?.take(WHOLE_BYTES_MAX).read_to_end(&mut bytes)?;
    match open(me, ours, sender, accepted, &bytes) {
        Ok(content) => to.write_all(&content).and_then(|()| to.flush()).map(Ok),
        Err(error) => Ok(Err(error)),
    }
}

/// The largest envelope that is opened in memory, in bytes; one that is larger is sealed in pieces.
const WHOLE_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// The largest piece that is opened, in bytes, of which several are held: we seal pieces of 1 MiB, and
/// Python none. How large they are is said by whoever sealed them.
const PIECE_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// Returns how many bytes the largest piece has, as an envelope says.
fn piece_bytes(cipher: &CipherInfo) -> u64 {
    let others = cipher.ciphertext_len.saturating_sub(cipher.last_segment_bytes);
    let count = u64::from(cipher.segment_count.saturating_sub(1));
    others.div_ceil(count.max(1)).max(cipher.last_segment_bytes)
}

/// True if an envelope says that it was sealed in pieces.
fn is_in_pieces(mut from: impl Read) -> io::Result<bool> {
    let Some(head) = read_head(&mut from)? else { return Ok(false) };
    let parsed = parse_envelope_header(&mut head.as_slice());
    Ok(parsed.is_ok_and(|parsed| parsed.prelude.cipher.suite == STREAM_CIPHER_SUITE))
}

/// How many bytes of signature follow the head, with their length.
const SIGNATURE_BYTES: usize = 2 + 64;

/// Reads the head of an envelope up to what is sealed; `None` if it has no bearable size, or carries
/// something where it is filled up.
fn read_head(from: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let start = PRELUDE_LENGTH_AT + 4;
    let most = start + PRELUDE_BYTES_MAX + SIGNATURE_BYTES;
    let mut head = Vec::new();
    from.take(start as u64).read_to_end(&mut head)?;
    let Some(length) = prelude_length(&head) else { return Ok(None) };
    let rest = length.next_multiple_of(PRELUDE_BLOCK_BYTES) + SIGNATURE_BYTES;
    from.take(rest.min(most) as u64).read_to_end(&mut head)?;
    Ok(is_filled_with_nothing(&head, length).then_some(head))
}

fn open_pieces<R: Read>(
    me: &Email,
    ours: &[&PrivateKeys],
    sender: &Email,
    accepted: &[&PublicKeys],
    from: impl Fn() -> io::Result<R>,
    to: &mut impl Write,
) -> io::Result<Result<(), Unopened>> {
    let Some(head) = read_head(&mut from()?)? else { return Ok(Err(Unopened::Damaged)) };
    let Ok(parsed) = parse_envelope_header(&mut head.as_slice()) else {
        return Ok(Err(Unopened::Damaged));
    };
    let signer = match signer_of(&parsed.prelude.sender, sender, accepted) {
        Ok(signer) => signer,
        Err(error) => return Ok(Err(error)),
    };
    if verify_header_signature(&parsed, &signer.bundle.identity_signing_public_key).is_err() {
        return Ok(Err(Unopened::Forged));
    }
    // From here on the head says what the sender wrote.
    let (named, keys) = match keys_for(&parsed.prelude.recipients, me, ours) {
        Ok(found) => found,
        Err(error) => return Ok(Err(error)),
    };
    if piece_bytes(&parsed.prelude.cipher) > PIECE_BYTES_MAX {
        return Ok(Err(Unopened::Damaged));
    }
    match decrypt_stream(named, &keys.keys, &signer.bundle, &mut from()?, to, 1) {
        Ok(_) => to.flush().map(Ok),
        Err(KeyError::StorageError(error)) => Err(error),
        Err(_) => Ok(Err(Unopened::Forged)),
    }
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
    let (me, keys) = (ring.owner(), ring.current());
    seal_from((me, keys), (me, keys.public()), length, from, to)
}

/// Opens what we sealed for ourselves, of either form, as [`open_from`] does.
///
/// # Errors
/// If reading or writing fails.
pub fn open_own_file<R: Read>(
    ring: &Keyring,
    length: u64,
    from: impl Fn() -> io::Result<R>,
    to: &mut impl Write,
) -> io::Result<Result<(), Unopened>> {
    let (me, ours) = (ring.owner(), ring.all());
    let signers: Vec<&PublicKeys> = ours.iter().map(|keys| keys.public()).collect();
    open_from(me, &ours, me, &signers, length, from, to)
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
    let length = prelude_length(bytes).ok_or(Unopened::Damaged)?;
    if !is_filled_with_nothing(bytes, length) {
        return Err(Unopened::Damaged);
    }
    parse_envelope(bytes).map_err(|_| Unopened::Damaged)
}

/// Returns the length of the head, if that has a bearable size.
fn prelude_length(bytes: &[u8]) -> Option<usize> {
    let field = bytes.get(PRELUDE_LENGTH_AT..PRELUDE_LENGTH_AT + 4)?;
    let length = u32::from_le_bytes(field.try_into().ok()?) as usize;
    (length <= PRELUDE_BYTES_MAX).then_some(length)
}

/// True if what fills the head up carries nothing: it is neither signed nor sealed.
fn is_filled_with_nothing(bytes: &[u8], length: usize) -> bool {
    let start = PRELUDE_LENGTH_AT + 4;
    let padding = start + length..start + length.next_multiple_of(PRELUDE_BLOCK_BYTES);
    bytes.get(padding).is_some_and(|filling| filling.iter().all(|byte| *byte == 0))
}

#[cfg(test)]
mod tests;
