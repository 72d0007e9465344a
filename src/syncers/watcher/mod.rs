//! The scientist's side of a sync.
//!
//! A look at the disk comes first, and leaves an owner alone whose files are gone as by an accident.
//! What owners sent is taken in first, so that a proposal is based on the newest that we know;
//! then what changed in the owners' trees is proposed. A local edit that an owner refused is kept
//! beside the file and never sent again by itself.

mod clear;
mod pull;
mod push;
mod recall;

use std::collections::BTreeMap;

use crate::model::{Email, Timestamp};
use crate::peers::PeerState;

use super::guarding::{self, Looked};
use super::peering::{self, Acquaintance};
use super::settled::{self, Quiet};
use super::{
    Account, Directory, Freshness, Report, Result, SyncOptions, chunked, collections, homing,
    mending, own_versions, parcels, refresh, sealing, sending, speaking, writing,
};

/// Keeps a scientist's copies of its owners' datasites in step.
#[derive(Debug)]
pub struct DatasiteWatcherSyncer<'a> {
    account: &'a Account,
}

impl<'a> DatasiteWatcherSyncer<'a> {
    /// Returns the syncer of a scientist's account.
    pub const fn new(account: &'a Account) -> Self {
        Self { account }
    }

    /// Syncs once, with all owners. Safe to run again after a crash at any point.
    ///
    /// # Errors
    /// If nothing could be done at all. What went wrong with one owner or one file is in the
    /// report.
    pub async fn sync(&self, options: &SyncOptions, now: Timestamp) -> Result<Report> {
        let account = self.account;
        let mut report = Report::default();
        let mut looked = guarding::look(account, options, now, &mut report)?;
        let freshness = if options.full { Freshness::Listing } else { Freshness::Feed };
        refresh(account, freshness, now).await?;
        let directory = peering::ensure_home(account).await?;
        homing::settle(account, &directory, &mut report).await?;
        let (peers, versions) = futures::join!(
            peering::load(account, &directory, &mut report),
            own_versions::learn(account, &directory),
        );
        let mut peers = peers?;
        versions?;
        let directory = speaking::keep_up(account, directory, &peers, now, &mut report).await?;
        let directory = mending::mend(account, directory, &peers, now, &mut report).await?;
        sealing::survey(account, &directory, &mut peers, now, &mut report).await?;
        chunked::heed(account, &peers)?;
        writing::carry_out_but(account, &looked.held, &mut report)?;
        let is_open = |peer: &&Acquaintance| is_reachable(peer) && !peer.secrecy.is_stopped();
        let mut quiet = BTreeMap::new();
        for peer in peers.iter().filter(is_open) {
            let owner = &peer.peer.email;
            if looked.held.contains(owner) {
                continue;
            }
            let done = self.exchange(&directory, peer, options, &looked, now, &mut report).await;
            let done = done.map(|seen| quiet.extend(seen.map(|seen| (owner.clone(), seen))));
            // One tree that is not there holds up no other owner.
            guarding::hold(owner, done, &mut looked.held, &mut report)?;
        }
        sending::flush(account, &directory, now, &mut report).await?;
        collections::mirror(account, &directory, &peers, &looked.held, now, &mut report).await?;
        clear::clear(account, now).await?;
        chunked::sweep(account, now, &mut report).await?;
        parcels::sweep(account)?;
        settled::note(account, &quiet)?;
        Ok(report)
    }

    /// Takes in what one owner sent, and commits what is to be proposed to it. Returns what was seen of
    /// its tree if nothing was to be done.
    async fn exchange(
        &self,
        directory: &Directory,
        peer: &Acquaintance,
        options: &SyncOptions,
        looked: &Looked,
        now: Timestamp,
        report: &mut Report,
    ) -> Result<Option<Quiet>> {
        let (account, owner) = (self.account, &peer.peer.email);
        let Some(dialect) = &peer.speech.dialect else { return Ok(None) };
        push::gather(account, directory, owner, dialect, report).await?;
        if !recall::recall(account, directory, owner, dialect, options, now, report).await? {
            return Ok(None);
        }
        let is_up_to_date =
            pull::pull(account, directory, (owner, dialect), options, &looked.held, now, report)
                .await?;
        report.pulled += writing::carry_out_but(account, &looked.held, report)?;
        if !is_up_to_date {
            return Ok(None); // What was agreed is about to change, and with it what to propose.
        }
        let to = push::Recipient { peer, dialect, is_heard: true };
        push::prepare(account, directory, to, (looked, options), now, report).await
    }

    /// Proposes what changed in the tree of one owner, and nothing else: one request, if the
    /// owner's inbox is known.
    ///
    /// # Errors
    /// [`super::Error::UnknownPeer`] if the owner is no peer of ours.
    pub async fn push(&self, owner: &Email, now: Timestamp) -> Result<Report> {
        let account = self.account;
        let mut report = Report::default();
        let directory = Directory::read(&account.store, &account.email, &account.dialect)?;
        let peers = peering::remembered(account)?;
        let peer = peers
            .iter()
            .find(|peer| peer.peer.email.is_same_account(owner.as_str()) && is_reachable(peer));
        let Some(peer) = peer else {
            return Err(super::Error::UnknownPeer { peer: owner.clone() });
        };
        sealing::may_go(peer)?;
        let options = SyncOptions::default();
        // To an owner of whom nothing is known it goes on a guess, and again if that was wrong.
        let dialect = peer.speech.dialect.as_ref().unwrap_or(&account.dialect);
        let to = push::Recipient { peer, dialect, is_heard: false };
        let looked = Looked::default();
        push::prepare(account, &directory, to, (&looked, &options), now, &mut report).await?;
        sending::flush(account, &directory, now, &mut report).await?;
        Ok(report)
    }
}

/// True if messages may be on their way: also before the owner has answered, as with Python.
fn is_reachable(peer: &Acquaintance) -> bool {
    matches!(peer.peer.state, PeerState::Accepted | PeerState::RequestedByMe)
}
