//! `SYFT_version.json`: which client somebody uses, and so how to speak with them.
//!
//! Only `syft_client_version` counts for anybody. We add one key, `syft_rs`, by which our clients
//! know each other; Python ignores it. Nothing in the file but the version can make it unreadable.
//! Format: `docs/FORMAT.md`, "Version file".

use serde::{Deserialize, Serialize};

use super::limits::PEER_FILE_BYTES_MAX;
use super::{Error, json};
use crate::model::Timestamp;

/// The content of a version file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionInfo {
    /// Version of the client that its owner uses, or emulates.
    pub syft_client_version: String,
    /// Never compared by anybody.
    #[serde(default)]
    pub min_supported_syft_client_version: String,
    /// Never compared by anybody.
    #[serde(default)]
    pub protocol_version: String,
    /// Never compared by anybody.
    #[serde(default)]
    pub min_supported_protocol_version: String,
    /// What a data owner wants jobs to install. `None`: the key is absent, as 0.1 writes it;
    /// `Some(None)`: null, as 0.10 writes it if it has nothing to say.
    #[serde(
        default,
        deserialize_with = "json::present_text",
        skip_serializing_if = "Option::is_none"
    )]
    pub syft_client_install_source: Option<Option<String>>,
    /// When the file was written, ISO 8601; see [`VersionInfo::moment`].
    #[serde(default, deserialize_with = "json::text")]
    pub updated_at: String,
    /// Of an enclave. Absent and null as in `syft_client_install_source`.
    #[serde(
        default,
        deserialize_with = "json::present_text",
        skip_serializing_if = "Option::is_none"
    )]
    pub attestation_token: Option<Option<String>>,
    /// Says that the file is from a client of ours.
    #[serde(
        default,
        deserialize_with = "json::if_readable",
        skip_serializing_if = "Option::is_none"
    )]
    pub syft_rs: Option<Implementation>,
}

/// Which program of ours somebody uses, and what it can do beyond the client that it emulates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Implementation {
    /// `syft`.
    pub name: String,
    /// The version of the program, not of the protocol.
    pub version: String,
    /// Names of [`Capability`]; unknown ones mean nothing to us.
    #[serde(default)]
    pub capabilities: Vec<String>,
}

/// Something that only clients of ours can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Capability {
    /// As a data owner: takes proposals that delete. They wedge a Python owner for good.
    ProposedDeletions,
    /// Speaks as it is spoken to, in any generation: the patch version that it states is that of
    /// whoever reads it, and says nothing of its own.
    AnyGeneration,
    /// Takes messages about large files that name chunks: as an owner in its inboxes, as a scientist in
    /// its outboxes.
    Chunks,
}

impl Capability {
    /// Every capability that this version states.
    pub const ALL: [Self; 3] = [Self::ProposedDeletions, Self::AnyGeneration, Self::Chunks];

    /// Returns the name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ProposedDeletions => "proposed-deletions",
            Self::AnyGeneration => "any-generation",
            Self::Chunks => "chunks",
        }
    }
}

impl Implementation {
    /// Describes this program.
    pub fn this() -> Self {
        Self {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            capabilities: Capability::ALL.map(|one| one.as_str().to_owned()).to_vec(),
        }
    }

    /// The same program without `capability`.
    #[must_use]
    pub fn without(mut self, capability: Capability) -> Self {
        self.capabilities.retain(|name| name != capability.as_str());
        self
    }
}

impl VersionInfo {
    /// Returns the content of the file.
    pub fn to_json(&self) -> Vec<u8> {
        json::pretty(self)
    }

    /// Reads the content of a file.
    ///
    /// # Errors
    /// [`Error`] if this is no JSON object with a version.
    pub fn from_json(bytes: &[u8]) -> Result<Self, Error> {
        json::read_small(bytes, "a version file", PEER_FILE_BYTES_MAX)
    }

    /// True if its owner's client is ours and has `capability`.
    pub fn has(&self, capability: Capability) -> bool {
        self.syft_rs
            .as_ref()
            .is_some_and(|ours| ours.capabilities.iter().any(|name| name == capability.as_str()))
    }

    /// Returns `moment` as `updated_at` has it: UTC, with six decimals, or none if they are zero.
    pub fn moment(moment: Timestamp) -> String {
        let moment = chrono::DateTime::from_timestamp_micros(moment.micros()).unwrap_or_default();
        let form = if moment.timestamp_subsec_micros() == 0 {
            "%Y-%m-%dT%H:%M:%SZ"
        } else {
            "%Y-%m-%dT%H:%M:%S%.6fZ"
        };
        moment.format(form).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_as_pydantic_does() {
        let at = |micros| VersionInfo::moment(Timestamp::from_micros(micros));
        assert_eq!(at(1_781_173_230_123_456), "2026-06-11T10:20:30.123456Z");
        assert_eq!(at(1_781_173_230_100_000), "2026-06-11T10:20:30.100000Z");
        assert_eq!(at(1_781_173_230_000_000), "2026-06-11T10:20:30Z");
    }

    #[test]
    fn only_the_version_is_needed() {
        let read = |text: &str| VersionInfo::from_json(text.as_bytes());
        let odd = r#"{"syft_client_version":"abc","updated_at":17.5,"attestation_token":{},
            "syft_rs":"?","syft_client_install_source":null,"new":1}"#;
        let info = read(odd).unwrap();
        assert_eq!(info.syft_client_version, "abc");
        assert_eq!(info.syft_client_install_source, Some(None));
        assert_eq!((info.attestation_token, info.syft_rs), (Some(None), None));
        for broken in ["", "[]", "{}", "{\"syft_client_version\":1}", "null"] {
            assert!(read(broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn capabilities_that_we_do_not_know_mean_nothing() {
        let with = |list: &str| {
            let text = format!(
                r#"{{"syft_client_version":"0.1.117",
                "syft_rs":{{"name":"syft","version":"9.0.0","capabilities":{list}}}}}"#
            );
            VersionInfo::from_json(text.as_bytes()).unwrap().has(Capability::ProposedDeletions)
        };
        assert!(with(r#"["telepathy","proposed-deletions"]"#));
        assert!(!with(r#"["telepathy"]"#));
        assert!(!with("7"));
    }
}
