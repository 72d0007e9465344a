//! Dialects: which generation of clients is spoken, on one edge between two accounts.
//!
//! A dialect is a value, never a global: one account may serve peers of several generations at
//! once, each with the folders, the version file and the job layout that its client looks for.
//! Messages are the same in all of them. Sources: PROTOCOL 5.3, DIALECT_0_10 A, E.

use super::version::Version;
use super::version_file::{Implementation, VersionInfo};
use crate::model::Timestamp;

/// How clients of one version speak.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dialect {
    /// What is advertised, and stands in folder names. A Python owner skips peers who advertise
    /// another patch version than its own, so this is exactly the peer's.
    pub client_version: Version,
    /// Advertised; compared by nobody.
    pub min_supported_client_version: Version,
    /// Advertised; compared by nobody.
    pub protocol_version: Version,
    /// Advertised; compared by nobody.
    pub min_supported_protocol_version: Version,
    /// True if the version file has `syft_client_install_source` and `attestation_token`, be they
    /// null.
    pub has_seven_version_keys: bool,
    /// The Python package that jobs install: `syft-client`.
    pub package: &'static str,
    /// The Python module that jobs import: `syft_client`.
    pub module: &'static str,
    /// Where jobs are written. Both layouts are read, whatever the dialect.
    pub job_layout: JobLayout,
}

/// How the folders of a job are nested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JobLayout {
    /// `inbox/{ds}/{job}`: understood by all generations.
    Flat,
    /// `inbox/{ds}/v1/{job}`: what 0.10 writes; lost on 0.1.
    V1,
}

const PROTOCOL: Version = Version::new(1, 0, 0);

impl Dialect {
    /// Returns how `syft-client` 0.1.117 speaks.
    pub const fn v0_1() -> Self {
        Self {
            client_version: Version::new(0, 1, 117),
            min_supported_client_version: Version::new(0, 1, 93),
            protocol_version: PROTOCOL,
            min_supported_protocol_version: PROTOCOL,
            has_seven_version_keys: false,
            package: "syft-client",
            module: "syft_client",
            job_layout: JobLayout::Flat,
        }
    }

    /// Returns how `syft` 0.10.0 speaks.
    pub const fn v0_10() -> Self {
        Self {
            client_version: Version::new(0, 10, 0),
            min_supported_client_version: Version::new(0, 10, 0),
            protocol_version: PROTOCOL,
            min_supported_protocol_version: PROTOCOL,
            has_seven_version_keys: true,
            package: "syft",
            module: "syft",
            job_layout: JobLayout::V1,
        }
    }

    /// Returns all dialects that we speak, the oldest first.
    pub const fn all() -> [Self; 2] {
        [Self::v0_1(), Self::v0_10()]
    }

    /// Returns how a client speaks that advertises `version`, with exactly that version; `None` if
    /// it cannot be read or its generation is not known to us.
    pub fn for_version(version: &str) -> Option<Self> {
        let version = Version::parse(version)?;
        Self::all().iter().find_map(|dialect| dialect.at(version))
    }

    /// Returns the dialect of a generation as people call it: `0.1`, `0.10`.
    pub fn of_generation(generation: &str) -> Option<Self> {
        Self::all().into_iter().find(|dialect| dialect.generation() == generation)
    }

    /// Returns what people call the generation: `0.1`, `0.10`.
    pub fn generation(&self) -> String {
        format!("{}.{}", self.client_version.major, self.client_version.minor)
    }

    /// Returns the same dialect as clients of another patch version speak it; `None` if `version`
    /// is of another generation.
    pub fn at(&self, version: Version) -> Option<Self> {
        let is_same = self.client_version.is_same_family(version);
        is_same.then(|| Self { client_version: version, ..self.clone() })
    }

    /// Returns what jobs install if nobody says otherwise: `syft-client==0.1.117`.
    pub fn install_source(&self) -> String {
        format!("{}=={}", self.package, self.client_version)
    }

    /// Returns the version file. `install_source` is what an owner wants jobs to install; dialects
    /// whose file has no such key leave it out. `ours` is [`Implementation::this`], or `None` for
    /// the very file that Python writes.
    pub fn version_info(
        &self,
        updated_at: Timestamp,
        install_source: Option<String>,
        ours: Option<Implementation>,
    ) -> VersionInfo {
        VersionInfo {
            syft_client_version: self.client_version.to_string(),
            min_supported_syft_client_version: self.min_supported_client_version.to_string(),
            protocol_version: self.protocol_version.to_string(),
            min_supported_protocol_version: self.min_supported_protocol_version.to_string(),
            syft_client_install_source: self.has_seven_version_keys.then_some(install_source),
            updated_at: VersionInfo::moment(updated_at),
            attestation_token: self.has_seven_version_keys.then_some(None),
            syft_rs: ours,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_answered_in_exactly_its_version() {
        let spoken = |version| {
            Dialect::for_version(version)
                .map(|dialect| (dialect.install_source(), dialect.job_layout))
        };
        assert_eq!(Dialect::for_version("0.1.117"), Some(Dialect::v0_1()));
        assert_eq!(Dialect::for_version("0.10.0"), Some(Dialect::v0_10()));
        assert_eq!(spoken("0.1.120"), Some(("syft-client==0.1.120".into(), JobLayout::Flat)));
        assert_eq!(spoken("0.10.7"), Some(("syft==0.10.7".into(), JobLayout::V1)));
        assert_eq!(Dialect::of_generation("0.10"), Some(Dialect::v0_10()));
        assert_eq!(Dialect::of_generation("0.11"), None);
        assert_eq!(Dialect::v0_1().generation(), "0.1");
        for version in ["0.11.0", "1.1.117", "0.10", "0.10.0rc1", "abc", ""] {
            assert_eq!(spoken(version), None, "{version}");
        }
    }
}
