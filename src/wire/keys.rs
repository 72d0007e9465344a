//! The files that encryption keys lie in: one's own, and what one tells a peer.
//!
//! Data only: keys are neither made nor checked here, and envelopes are elsewhere. Documents stay
//! as they came, key order included, since their signatures are not ours to touch. What we keep
//! beyond the Python client is under one key of our own, which it ignores.
//! Format: `docs/FORMAT.md`, "Keys".

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::limits::{OWN_FILE_BYTES_MAX, PEER_FILE_BYTES_MAX};
use super::{Error, json};

/// The file `encryption_bundle_{owner}_for_{peer}.json`: the public keys of an account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BundleFile {
    /// The public keys, as a DID document.
    pub public_encryption_bundle: Map<String, Value>,
}

/// The file `crypto_keys.json`, which never leaves the machine: the private keys of an account and
/// the public ones of its peers.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct CryptoKeys {
    /// Whose keys.
    pub email: String,
    /// The private keys, by role, as JWKs.
    pub keys_jwk: Map<String, Value>,
    /// DID documents, by the peer's address.
    #[serde(default)]
    pub peer_bundles: Map<String, Value>,
    /// What the Python client does not know, and ignores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub syft: Option<KeyRecords>,
}

/// What we keep with the keys of an account and the Python client does not.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct KeyRecords {
    /// What the private keys were derived from, in hexadecimal; none if they came without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery_key: Option<String>,
    /// When messages are sealed: `offered`, `required` or `off`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// Private keys that were replaced, newest first: they still open what was sealed for them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retired: Vec<Map<String, Value>>,
    /// True if keys of this account were lost: what was sealed for them cannot be read any more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lost: bool,
    /// The fingerprints of lost keys that were published when these took their place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost_keys: Vec<String>,
    /// When the account began to seal what is its own, in microseconds since 1970, by the clock of
    /// the machine that did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since_micros: Option<i64>,
    /// What is known of peers beyond their keys, by address.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub peers: BTreeMap<String, PeerRecord>,
}

/// What we keep of a peer beyond its keys.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PeerRecord {
    /// When its keys were first taken, in microseconds since 1970.
    #[serde(default)]
    pub since_micros: i64,
    /// True if a person said that this peer works without encryption.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unencrypted: bool,
    /// Keys that it had before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retired: Vec<RetiredBundle>,
}

/// Public keys that a peer had before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RetiredBundle {
    /// The public keys, as a DID document.
    pub bundle: Map<String, Value>,
    /// Messages that were made before this may still be signed with them.
    pub until_micros: i64,
}

impl BundleFile {
    /// Returns the content of the file, as Python's `json.dumps` writes it.
    pub fn to_json(&self) -> Vec<u8> {
        json::python(self, false)
    }

    /// Reads the content of a file.
    ///
    /// # Errors
    /// [`Error`] if it has no bundle.
    pub fn from_json(bytes: &[u8]) -> Result<Self, Error> {
        json::read_small(bytes, "an encryption bundle", PEER_FILE_BYTES_MAX)
    }
}

impl CryptoKeys {
    /// Returns the content of the file, as Python's `json.dumps(…, indent=2)` writes it.
    pub fn to_json(&self) -> Vec<u8> {
        json::python(self, true)
    }

    /// Reads the content of a file.
    ///
    /// # Errors
    /// [`Error`] if it has no keys.
    pub fn from_json(bytes: &[u8]) -> Result<Self, Error> {
        json::read_small(bytes, "a key file", OWN_FILE_BYTES_MAX).map_err(|error| match error {
            // What is wrong may be quoted, and may be a private key: only say where it is.
            Error::Json { what, source } => {
                let place = format!("line {} column {}", source.line(), source.column());
                Error::Json { what, source: serde::de::Error::custom(place) }
            }
            other => other,
        })
    }
}

/// Private keys are not shown.
impl fmt::Debug for CryptoKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CryptoKeys").field("email", &self.email).finish_non_exhaustive()
    }
}

/// The recovery key is not shown.
impl fmt::Debug for KeyRecords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRecords").field("mode", &self.mode).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_key_file_is_not_quoted() {
        let broken = br#"{"email":"a@b","keys_jwk":"SECRET"}"#;
        let error = CryptoKeys::from_json(broken).unwrap_err();
        assert!(!format!("{error:?}").contains("SECRET"), "{error:?}");
    }
}
