//! Peers: asking, agreeing, declining.
//!
//! An owner who agrees also makes the folders in which the peer's jobs arrive and are answered,
//! with the rules that let the peer in; the sync that follows tells the peer of them, and gives it
//! what every peer may see.

use super::{Client, Result, reception};
use crate::model::{Email, Role};
use crate::peers::PeerState;
use crate::syncers::peering::{self, Acquaintance};
use crate::syncers::{Report, SyncOptions};

impl Client {
    /// Returns the peers as the last sync left them. Asks the service nothing.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn peers(&self) -> Result<Vec<Acquaintance>> {
        Ok(peering::remembered(&self.account)?)
    }

    /// Asks `peer` to work with us, or agrees if it has asked, then syncs.
    ///
    /// # Errors
    /// [`super::Error::Locked`]; for the own account; else if the service refuses.
    pub async fn add_peer(&self, peer: &Email) -> Result<Report> {
        let _lock = self.lock().await?;
        peering::request(&self.account, peer, self.now()).await?;
        self.welcome(peer).await
    }

    /// Agrees to work with a peer that has asked, then syncs.
    ///
    /// # Errors
    /// [`super::Error::Locked`]; if the peer has not asked; else if the service refuses.
    pub async fn approve_peer(&self, peer: &Email) -> Result<Report> {
        let _lock = self.lock().await?;
        peering::approve(&self.account, peer, self.now()).await?;
        self.welcome(peer).await
    }

    /// Declines to work with a peer that has asked, then syncs. The peer is not told.
    ///
    /// # Errors
    /// [`super::Error::Locked`]; if the peer has not asked; else if the service refuses.
    pub async fn reject_peer(&self, peer: &Email) -> Result<Report> {
        let _lock = self.lock().await?;
        peering::reject(&self.account, peer, self.now()).await?;
        self.sync_locked(&SyncOptions::default()).await
    }

    async fn welcome(&self, peer: &Email) -> Result<Report> {
        let known = peering::remembered(&self.account)?.into_iter().find(|known| {
            known.peer.email.is_same_account(peer.as_str())
                && known.peer.state != PeerState::Rejected
        });
        // Also where the owner asked first: its answer comes with a sync, and needs no more of us.
        if self.role() == Role::Owner
            && let Some(known) = known
        {
            reception::open_job_folders(&self.account, &known.peer.email)?;
        }
        self.sync_locked(&SyncOptions::default()).await
    }
}
