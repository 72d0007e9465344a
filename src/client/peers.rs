//! Peers: asking, agreeing, declining.
//!
//! An owner who agrees also makes the folders in which the peer's jobs arrive and are answered,
//! with the rules that let the peer in; the sync that follows tells the peer of them, and gives it
//! what every peer may see. That this is to be done is noted before anything else: a peer that is
//! approved and may send nothing would wait for ever (N4).

use super::reception::open_job_folders;
use super::{Client, Result};
use crate::caches::meta;
use crate::model::{Code, Email, Role};
use crate::peers::PeerState;
use crate::syncers::peering::{self, Acquaintance};
use crate::syncers::{self, Account, Report, SyncOptions, told};

/// How the keys begin under which it is noted whom to make job folders for.
const TO_WELCOME: &str = "to welcome ";

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
        self.note_welcome(peer)?;
        let asked = peering::request(&self.account, peer, self.now()).await;
        self.welcome(peer, asked).await
    }

    /// Agrees to work with a peer that has asked, then syncs.
    ///
    /// # Errors
    /// [`super::Error::Locked`]; if the peer has not asked; else if the service refuses.
    pub async fn approve_peer(&self, peer: &Email) -> Result<Report> {
        let _lock = self.lock().await?;
        self.note_welcome(peer)?;
        let approved = peering::approve(&self.account, peer, self.now()).await;
        self.welcome(peer, approved).await
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

    /// Agrees to work with those of `peers` who ask and have no answer from anybody, then syncs once.
    /// Returns what came of each, and of the sync.
    pub(super) async fn admit_peers(
        &self,
        peers: &[Email],
    ) -> Result<(Vec<(Email, Result<()>)>, Result<Report>)> {
        let _lock = self.lock().await?;
        let mut outcomes = Vec::new();
        for peer in peers {
            self.note_welcome(peer)?;
            let admitted = peering::admit(&self.account, peer, self.now()).await;
            outcomes.push((peer.clone(), self.settle_welcome(peer, admitted)));
        }
        let synced = self.sync_locked(&SyncOptions::default()).await;
        Ok((outcomes, synced))
    }

    fn note_welcome(&self, peer: &Email) -> Result<()> {
        if self.role() == Role::Owner {
            let key = format!("{TO_WELCOME}{peer}");
            self.account.store.write(|db| meta::set(db, &key, ""))?;
        }
        Ok(())
    }

    /// Goes on after a peer was asked or approved: the sync makes its folders.
    async fn welcome(&self, peer: &Email, outcome: syncers::Result<()>) -> Result<Report> {
        self.settle_welcome(peer, outcome)?;
        self.sync_locked(&SyncOptions::default()).await
    }

    /// Whether the service did it is not known after a failure, unless it was never asked.
    fn settle_welcome(&self, peer: &Email, outcome: syncers::Result<()>) -> Result<()> {
        let Err(error) = outcome else { return Ok(()) };
        if let syncers::Error::NoRequest { .. } | syncers::Error::OwnAccount { .. } = error {
            let key = format!("{TO_WELCOME}{peer}");
            self.account.store.write(|db| meta::remove(db, &key))?;
        }
        Err(error.into())
    }
}

/// Makes the job folders of peers that were asked or approved and have none yet. One that is no
/// peer after all keeps waiting, and one that cannot be served is told again with each sync. False if
/// surely nothing was written.
pub(super) fn welcome_all(account: &Account, report: &mut Report) -> bool {
    let waiting = account.store.read(|db| meta::with_prefix(db, TO_WELCOME)).unwrap_or_default();
    if waiting.is_empty() {
        return false;
    }
    let known = peering::remembered(account).unwrap_or_default();
    for (key, _) in waiting {
        let typed = key.trim_start_matches(TO_WELCOME);
        let peer = known.iter().map(|known| &known.peer).find(|peer| {
            // Also where the owner asked first: the answer comes with a sync, and needs no more.
            peer.email.is_same_account(typed)
                && matches!(peer.state, PeerState::Accepted | PeerState::RequestedByMe)
        });
        let Some(peer) = peer else { continue };
        let made = open_job_folders(account, &peer.email)
            .and_then(|()| Ok(account.store.write(|db| meta::remove(db, &key))?));
        if let Err(error) = made {
            let text = format!("{} cannot send jobs yet: {}", peer.email, told(&error));
            report.problem_with(&peer.email, Code::JobFoldersNotMade, text);
        }
    }
    true
}
