//! The keys of accounts: private ones, public ones, the words that private ones can be made from
//! again, and the fingerprints that people compare.
//!
//! A wrapper around the crate that the Python client wraps, so that both hold the same keys for the
//! same words. Here is what is checked of a peer's document: that both of its keys for encryption
//! are signed by its identity key, and that it does not say it is somebody else's. The fingerprint
//! is of the identity key, so it vouches for all three. Facts: `docs/FORMAT.md`, "Keys".

use std::fmt;

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use syft_crypto_protocol::serialization::{
    deserialize_from_did_document, deserialize_private_keys, serialize_private_keys,
    serialize_to_did_document,
};
use syft_crypto_protocol::{SyftPrivateKeys, SyftPublicKeyBundle, SyftRecoveryKey};

use crate::model::Email;

/// What people compare: the SHA-256 digest of a public identity key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 32]);

/// Why keys cannot be used. Never quotes them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidKeys {
    /// Not 64 hexadecimal digits.
    #[error("a fingerprint has 64 hexadecimal digits")]
    Fingerprint,

    /// Not the words or digits of a recovery key.
    #[error("these are not the words of a recovery key")]
    RecoveryKey,

    /// A part is missing or has another form.
    #[error("the keys are incomplete or damaged")]
    Damaged,

    /// The keys are signed by somebody else than they say.
    #[error("the keys are not signed by their identity key")]
    Unsigned,

    /// The document says that it is another account's.
    #[error("the keys say that they are those of `{0}`")]
    OfAnother(String),
}

impl Fingerprint {
    /// Reads a fingerprint; blanks, hyphens, colons and the case of letters do not count.
    ///
    /// # Errors
    /// [`InvalidKeys::Fingerprint`].
    pub fn parse(text: &str) -> Result<Self, InvalidKeys> {
        let digits: String =
            text.chars().filter(|c| !c.is_whitespace() && !matches!(c, '-' | ':')).collect();
        let mut bytes = [0; 32];
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| InvalidKeys::Fingerprint)?;
        Ok(Self(bytes))
    }

    /// Returns it in groups of four digits, which are easier to read aloud.
    pub fn grouped(self) -> String {
        let groups: Vec<String> = self.0.chunks(2).map(hex::encode).collect();
        groups.join(" ")
    }

    fn of(key: &[u8]) -> Self {
        Self(Sha256::digest(key).into())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

/// The one secret that all private keys of an account are derived from: 24 words.
#[derive(Clone, PartialEq, Eq)]
pub struct RecoveryKey(SyftRecoveryKey);

impl RecoveryKey {
    /// Makes a new one, from the randomness of the system.
    pub fn generate() -> Self {
        Self(SyftRecoveryKey::generate())
    }

    /// Reads 24 words, or 64 hexadecimal digits with or without hyphens.
    ///
    /// # Errors
    /// [`InvalidKeys::RecoveryKey`], which does not quote the text.
    pub fn parse(text: &str) -> Result<Self, InvalidKeys> {
        let text = text.trim();
        let hexadecimal =
            text.chars().all(|c| c.is_ascii_hexdigit() || c == '-' || c.is_whitespace());
        let read = if hexadecimal {
            SyftRecoveryKey::from_hex_string(text)
        } else {
            SyftRecoveryKey::from_mnemonic(text)
        };
        read.map(Self).map_err(|_| InvalidKeys::RecoveryKey)
    }

    /// Returns the 24 words.
    pub fn words(&self) -> String {
        self.0.to_mnemonic()
    }

    /// Returns the 64 digits, in groups.
    pub fn digits(&self) -> String {
        self.0.to_hex_string()
    }

    /// Derives the private keys; always the same ones.
    ///
    /// # Errors
    /// [`InvalidKeys::Damaged`], which cannot happen with a key of this length.
    pub fn derive(&self) -> Result<PrivateKeys, InvalidKeys> {
        PrivateKeys::new(self.0.derive_keys().map_err(|_| InvalidKeys::Damaged)?)
    }
}

/// Without the secret.
impl fmt::Debug for RecoveryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryKey(…)")
    }
}

/// The private keys of an account.
pub struct PrivateKeys {
    pub(super) keys: SyftPrivateKeys,
    public: PublicKeys,
}

impl PrivateKeys {
    fn new(keys: SyftPrivateKeys) -> Result<Self, InvalidKeys> {
        let bundle =
            SyftPublicKeyBundle::new(keys.identity(), keys.identity_dh(), keys.signed_pre_key())
                .map_err(|_| InvalidKeys::Damaged)?;
        Ok(Self { keys, public: PublicKeys { bundle } })
    }

    /// Reads the keys as a key file has them.
    ///
    /// # Errors
    /// [`InvalidKeys::Damaged`].
    pub fn from_jwks(jwks: &Map<String, Value>) -> Result<Self, InvalidKeys> {
        let value = Value::Object(jwks.clone());
        Self::new(deserialize_private_keys(&value).map_err(|_| InvalidKeys::Damaged)?)
    }

    /// Returns the keys as a key file has them.
    ///
    /// # Errors
    /// [`InvalidKeys::Damaged`], which cannot happen with keys that were made or read.
    pub fn to_jwks(&self) -> Result<Map<String, Value>, InvalidKeys> {
        match serialize_private_keys(&self.keys) {
            Ok(Value::Object(jwks)) => Ok(jwks),
            _ => Err(InvalidKeys::Damaged),
        }
    }

    /// Returns the public keys to these.
    pub const fn public(&self) -> &PublicKeys {
        &self.public
    }

    /// Returns the fingerprint of the public keys.
    pub fn fingerprint(&self) -> Fingerprint {
        self.public.fingerprint()
    }
}

/// Without the secret.
impl fmt::Debug for PrivateKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKeys({})", self.fingerprint())
    }
}

/// The public keys of an account: what others seal for it, and know its signature by.
///
/// Invariant: the keys for encryption are signed by the identity key.
#[derive(Clone)]
pub struct PublicKeys {
    pub(super) bundle: SyftPublicKeyBundle,
}

impl PublicKeys {
    /// Reads what `owner` has published.
    ///
    /// # Errors
    /// [`InvalidKeys::Damaged`], [`InvalidKeys::Unsigned`], [`InvalidKeys::OfAnother`].
    pub fn from_document(
        document: &Map<String, Value>,
        owner: &Email,
    ) -> Result<Self, InvalidKeys> {
        if let Some(named) = document.get("identity").and_then(Value::as_str)
            && !owner.is_same_account(named)
        {
            let named = named.chars().take(80).flat_map(char::escape_debug).collect();
            return Err(InvalidKeys::OfAnother(named));
        }
        use syft_crypto_protocol::SerializationError;
        let bundle =
            deserialize_from_did_document(&Value::Object(document.clone())).map_err(|error| {
                match error {
                    SerializationError::InvalidSignature => InvalidKeys::Unsigned,
                    _ => InvalidKeys::Damaged,
                }
            })?;
        Ok(Self { bundle })
    }

    /// Returns what `owner` publishes: a DID document, as the Python client writes it.
    ///
    /// # Errors
    /// [`InvalidKeys::Damaged`], which cannot happen with keys that were made or read.
    pub fn to_document(&self, owner: &Email) -> Result<Map<String, Value>, InvalidKeys> {
        match serialize_to_did_document(&self.bundle, &format!("did:syft:{owner}")) {
            Ok(Value::Object(mut document)) => {
                document.insert("identity".to_owned(), owner.as_str().into());
                Ok(document)
            }
            _ => Err(InvalidKeys::Damaged),
        }
    }

    /// Returns the fingerprint.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(self.bundle.identity_signing_public_key.as_bytes())
    }

    /// Returns the digest by which an envelope names the key that it is sealed for.
    pub(super) fn prekey(&self) -> String {
        hex::encode(Sha256::digest(self.bundle.signed_prekey_public_key.as_bytes()))
    }
}

impl PartialEq for PublicKeys {
    fn eq(&self, other: &Self) -> bool {
        self.fingerprint() == other.fingerprint() && self.prekey() == other.prekey()
    }
}

impl fmt::Debug for PublicKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKeys({})", self.fingerprint())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_digits_give_the_same_keys_again() {
        let key = RecoveryKey::generate();
        assert_eq!(key.words().split(' ').count(), 24);
        for text in [key.words(), key.digits(), key.words().to_uppercase(), key.digits() + "\n"] {
            let again = RecoveryKey::parse(&text).unwrap();
            assert_eq!(again.derive().unwrap().fingerprint(), key.derive().unwrap().fingerprint());
        }
        let almost = key.words().replacen(' ', " abandon ", 1);
        for wrong in ["", "abandon", "zzz", "0000-0000", almost.as_str()] {
            assert_eq!(RecoveryKey::parse(wrong).unwrap_err(), InvalidKeys::RecoveryKey, "{wrong}");
        }
        assert_eq!(format!("{key:?}"), "RecoveryKey(…)");
    }

    #[test]
    fn a_document_is_checked_before_it_is_used() {
        let owner = Email::parse("do@example.com").unwrap();
        let keys = RecoveryKey::generate().derive().unwrap();
        let good = keys.public().to_document(&owner).unwrap();
        let read = PublicKeys::from_document(&good, &owner).unwrap();
        assert_eq!(read, *keys.public());
        assert_eq!(read.fingerprint(), keys.fingerprint());

        let eve = Email::parse("eve@example.com").unwrap();
        let of_another = PublicKeys::from_document(&good, &eve).unwrap_err();
        assert_eq!(of_another, InvalidKeys::OfAnother(owner.to_string()));

        let other = RecoveryKey::generate().derive().unwrap().public().to_document(&owner).unwrap();
        let mut mixed = good.clone();
        mixed.insert("keyAgreement".to_owned(), other["keyAgreement"].clone());
        let unsigned = PublicKeys::from_document(&mixed, &owner).unwrap_err();
        assert_eq!(unsigned, InvalidKeys::Unsigned);
        for part in ["keyAgreement", "verificationMethod"] {
            let mut short = good.clone();
            short.remove(part);
            let damaged = PublicKeys::from_document(&short, &owner).unwrap_err();
            assert_eq!(damaged, InvalidKeys::Damaged, "{part}");
        }
    }

    #[test]
    fn a_fingerprint_is_read_however_it_is_written() {
        let fingerprint = RecoveryKey::generate().derive().unwrap().fingerprint();
        let plain = fingerprint.to_string();
        for text in [plain.clone(), fingerprint.grouped(), plain.to_uppercase()] {
            assert_eq!(Fingerprint::parse(&text), Ok(fingerprint));
        }
        for wrong in ["", "12", &plain[1..], "g", &format!("{plain}00")] {
            assert_eq!(Fingerprint::parse(wrong), Err(InvalidKeys::Fingerprint), "{wrong}");
        }
    }
}
