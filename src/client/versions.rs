//! Which programs peers run, and whether they understand ours.

use super::{Client, Error, Result};
use crate::model::Email;
use crate::syncers::peering::{self, Acquaintance};
use crate::wire::{Compatibility, VersionInfo};

/// Answers questions about the programs of peers, as the last sync left them.
#[derive(Clone, Copy, Debug)]
pub struct VersionManager<'a> {
    client: &'a Client,
}

impl Client {
    /// Returns who answers questions about the programs of peers.
    pub const fn version_manager(&self) -> VersionManager<'_> {
        VersionManager { client: self }
    }

    /// Fails unless the program of a peer is known to understand ours.
    pub(super) fn check_version(&self, peer: &Acquaintance) -> Result<()> {
        let email = peer.peer.email.clone();
        match peer.speech.compatibility {
            Compatibility::Same | Compatibility::PatchDifference => Ok(()),
            Compatibility::Unknown => Err(Error::VersionUnknown { peer: email }),
            Compatibility::Incompatible => Err(Error::VersionMismatch {
                peer: email,
                theirs: peer.version_shown().unwrap_or_else(|| "unknown".to_owned()),
                ours: self.spoken_shown(),
            }),
        }
    }

    /// The versions that we speak, for a person: `0.1.117 and 0.10.0`.
    fn spoken_shown(&self) -> String {
        let versions = self.account.spoken.iter().map(|spoken| spoken.client_version.to_string());
        versions.collect::<Vec<_>>().join(" and ")
    }
}

impl VersionManager<'_> {
    /// True if the program of `peer` is known to understand ours.
    ///
    /// # Errors
    /// If the database fails.
    pub fn is_peer_version_compatible(&self, peer: &Email) -> Result<bool> {
        let known = self.known()?;
        let known = known.iter().find(|known| known.peer.email.is_same_account(peer.as_str()));
        Ok(known.is_some_and(|known| self.client.check_version(known).is_ok()))
    }

    /// Returns the peers whose programs are known to understand ours.
    ///
    /// # Errors
    /// If the database fails.
    pub fn get_compatible_peer_emails(&self) -> Result<Vec<Email>> {
        let known = self.known()?.into_iter();
        let compatible = known.filter(|known| self.client.check_version(known).is_ok());
        Ok(compatible.map(|known| known.peer.email).collect())
    }

    /// Returns what `peer` says of its program; `None` if it has said nothing.
    ///
    /// # Errors
    /// If the database fails.
    pub fn get_peer_version(&self, peer: &Email) -> Result<Option<VersionInfo>> {
        let known = self.known()?.into_iter();
        let mut known = known.filter(|known| known.peer.email.is_same_account(peer.as_str()));
        Ok(known.next().and_then(|known| known.version))
    }

    fn known(&self) -> Result<Vec<Acquaintance>> {
        Ok(peering::remembered(&self.client.account)?)
    }
}
