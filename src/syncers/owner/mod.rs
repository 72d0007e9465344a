//! The owner's side of a sync.
//!
//! The order matters, and each step is durable before the next begins: a look at the disk, which
//! stops everything if files are gone as by an accident; writes that a crash left
//! over; what another machine of the same account did; what peers propose; what the owner changed
//! on disk; what each peer is owed; sending. Announcing comes after taking in, so that one message
//! for each peer carries everything.

mod announce;
mod checkpoint;
mod compact;
mod farewell;
mod follow;
mod grounds;
mod inboxes;
mod kept_back;
mod laying;
pub(super) mod log;
mod owing;
mod packing;
mod prune;
mod queue;
mod restating;
mod restore;
mod status;
mod take_in;
mod told;
mod unsealed;
mod withdrawing;

use crate::caches::{DatasiteTree, unstated};
use crate::model::{Code, Timestamp};
use crate::wire::names::Direction;

use super::guarding::{self, Since};
use super::peering::{self, Acquaintance};
use super::{
    Account, Directory, Freshness, Report, Result, SyncOptions, chunked, collections, homing,
    mending, own_versions, parcels, refresh, sealing, sending, speaking, writing,
};

pub use checkpoint::{CheckpointKind, CheckpointSummary};
pub(super) use packing::Room;
pub(super) use restore::RESTORED;
pub use status::CheckpointStatus;

/// Keeps an owner's datasite and its peers in step.
#[derive(Debug)]
pub struct DatasiteOwnerSyncer<'a> {
    account: &'a Account,
}

/// What happens between taking in and announcing: whatever follows from files that arrived, such
/// as a job that is put on the list. It writes into the datasite, and what it writes is announced. False if
/// it surely wrote nothing.
pub type AfterTakingIn<'a> = &'a (dyn Fn(&mut Report) -> bool + Sync);

impl<'a> DatasiteOwnerSyncer<'a> {
    /// Returns the syncer of an owner's account.
    pub const fn new(account: &'a Account) -> Self {
        Self { account }
    }

    /// Syncs once. Safe to run again after a crash at any point.
    ///
    /// # Errors
    /// If nothing could be done at all. What went wrong with one peer or one file is in the
    /// report.
    pub async fn sync(
        &self,
        options: &SyncOptions,
        now: Timestamp,
        after_taking_in: AfterTakingIn<'_>,
    ) -> Result<Report> {
        let account = self.account;
        let mut report = Report::default();
        let looked = guarding::look(account, options, now, &mut report)?;
        let freshness = if options.full { Freshness::Listing } else { Freshness::Feed };
        refresh(account, freshness, now).await?;
        let directory = peering::ensure_home(account).await?;
        homing::settle(account, &directory, &mut report).await?;
        let (peers, versions, ahead) = futures::join!(
            peering::load(account, &directory, &mut report),
            own_versions::learn(account, &directory),
            look_ahead(account, &directory),
        );
        let (mut peers, (checkpoints, datasets)) = (peers?, ahead?);
        versions?;
        let directory = speaking::keep_up(account, directory, &peers, now, &mut report).await?;
        let directory = mending::mend(account, directory, &peers, now, &mut report).await?;
        sealing::survey(account, &directory, &mut peers, now, &mut report).await?;
        chunked::heed(account, &peers)?;
        log::heed_python(account, &directory)?;
        let tree = account.tree(&account.email)?;

        let checkpoints = (&directory, checkpoints);
        restore::restore_once(account, checkpoints, &peers, &tree, now, &mut report).await?;
        collections::restore_once(account, &directory, datasets, now, &mut report).await?;
        collections::follow(account, &directory, now, &mut report).await?;
        writing::carry_out(account, &mut report)?;
        let from_elsewhere =
            follow::follow_log(account, &directory, &peers, &tree, now, &mut report).await?;
        report.pulled += from_elsewhere;
        // Of what it does not know it would refuse what was made of it. What is missing was told.
        if log::is_whole(account, &directory)? {
            self.take_in_proposals(&directory, &peers, &tree, now, &mut report).await?;
        }
        let we_wrote = after_taking_in(&mut report);

        restating::restate(account, &directory, &tree, now).await?;
        if let Since::Open(same) = looked.since(account, &account.email, we_wrote)? {
            let seen = (&tree, &same);
            let found = announce::find_changes(account, seen, options, now, &mut report)?;
            announce::commit(account, &directory, &peers, &tree, &found, now, &mut report).await?;
        }
        sending::flush(account, &directory, now, &mut report).await?;
        let threshold = options.compact_threshold;
        compact::compact(account, &directory, &peers, &tree, threshold, now, &mut report).await?;
        collections::publish_due(account, &directory, &peers, &mut report).await?;
        collections::reseal_due(account, &directory, &mut report).await?;
        if options.auto_checkpoint {
            checkpoint::create_if_due(account, options.checkpoint_threshold, now, &mut report)
                .await?;
        }
        if sealing::needs_checkpoint(account)? {
            match checkpoint::create(account, now).await {
                Ok(_) => sealing::checkpoint_made(account)?,
                // That something is missing was told.
                Err(super::Error::LogPruned | super::Error::KeysMissing) => {}
                // Then the log says it all once more.
                Err(super::Error::CheckpointTooLarge { .. }) => {
                    account.store.write(|db| unstated::add_all(db, &account.email))?;
                    sealing::checkpoint_made(account)?;
                }
                Err(error) => report.problem(Code::CheckpointNotMade, sending::told(&error)),
            }
        }
        if options.prune_log {
            prune::prune(account, &peers, &tree, now, &mut report).await?;
        }
        chunked::sweep(account, now, &mut report).await?;
        parcels::sweep(account)?;
        Ok(report)
    }

    async fn take_in_proposals(
        &self,
        directory: &Directory,
        peers: &[Acquaintance],
        tree: &DatasiteTree,
        now: Timestamp,
        report: &mut Report,
    ) -> Result<()> {
        let mut reading = inboxes::Reading::default();
        while let Some(mut messages) =
            inboxes::read(self.account, directory, peers, tree, &mut reading, now, report).await?
        {
            // Once more for each accepted rule file: what follows it is judged by the new rules.
            while !messages.is_empty() {
                let failed = &mut reading.failed;
                messages = take_in::judge(self.account, tree, messages, failed, now, report)?;
                report.pulled += writing::carry_out(self.account, report)?;
            }
            // What was refused is in nobody's way.
            parcels::sweep(self.account)?;
        }
        Ok(())
    }

    /// Makes a full checkpoint of what is announced.
    ///
    /// # Errors
    /// If the service refuses; the old checkpoint stays then.
    pub async fn create_checkpoint(&self, now: Timestamp) -> Result<CheckpointSummary> {
        refresh(self.account, Freshness::Feed, now).await?;
        checkpoint::create(self.account, now).await
    }

    /// Makes the checkpoint that is due if there are `threshold` events: an increment, or after some
    /// of those a full one. `None` if none is due.
    ///
    /// # Errors
    /// If the service refuses; what was there stays then.
    pub async fn try_create_checkpoint(
        &self,
        threshold: usize,
        now: Timestamp,
    ) -> Result<Option<CheckpointSummary>> {
        refresh(self.account, Freshness::Feed, now).await?;
        checkpoint::try_create(self.account, threshold, now).await
    }

    /// Tells peers that everything is deleted: each gets a deletion for every path that it holds.
    /// The catalogue must be fresh. [`Self::delete_what_was_replaced`] is to follow.
    ///
    /// # Errors
    /// If nothing could be done at all. What went wrong with one peer is in the report.
    pub async fn say_farewell(&self, now: Timestamp, report: &mut Report) -> Result<()> {
        farewell::say_farewell(self.account, now, report).await
    }

    /// Deletes messages to peers that others have taken the place of. What fails is in the report, and
    /// is deleted by the next call, or sync.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn delete_what_was_replaced(&self, report: &mut Report) -> Result<()> {
        compact::delete_replaced(self.account, report).await
    }

    /// Returns how things stand with checkpoints and the event log, as the last sync left them, if
    /// `threshold` events are enough for a checkpoint.
    ///
    /// # Errors
    /// If the database fails.
    pub fn checkpoint_status(&self, threshold: usize) -> Result<CheckpointStatus> {
        status::status(self.account, threshold)
    }
}

/// Reads what a machine that joins needs, which takes as long as to learn who the peers are. Not where it
/// lacks the keys to open it: it would read it all in each sync.
async fn look_ahead(
    account: &Account,
    directory: &Directory,
) -> Result<(laying::Ahead, collections::Ahead)> {
    match sealing::may_send(account) {
        Err(super::Error::KeysMissing | super::Error::KeysReplaced { .. }) => {
            return Ok(Default::default());
        }
        known => known?,
    }
    let (checkpoints, datasets) = futures::join!(
        restore::look_ahead(account, directory),
        collections::look_ahead(account, directory),
    );
    Ok((checkpoints?, datasets?))
}

/// Returns the folder in which a peer's proposals arrive, and the one for its events.
fn mailboxes<'d>(
    account: &Account,
    directory: &'d Directory,
    peer: &Acquaintance,
) -> (Option<&'d crate::connections::Entry>, Option<&'d crate::connections::Entry>) {
    let Some(dialect) = &peer.speech.dialect else { return (None, None) };
    let find = |direction| directory.mailbox(&account.email, direction, &peer.peer.email, dialect);
    (find(Direction::Inbox), find(Direction::Outbox))
}

fn nanoseconds(now: Timestamp) -> i64 {
    now.micros().saturating_mul(1000)
}
