//! Keeps our own folders on the drive one: merges what two machines made twice, and notices that
//! what was there is gone, or is another one than before.
//!
//! Whoever owns a drive may delete the SyftBox in a browser, empty the trash or take it out again;
//! another machine may have made a new one meanwhile; and two machines that log in at the same
//! moment make two. All machines settle on the oldest root. What other roots hold of the event log
//! is moved there, so that the log is one again. Where the log is another one than this machine
//! knew, what is agreed and not said in it is said again (see `owner::restating`).
//!
//! Every step may be cut off and repeated: files are moved to where they belong, and what follows
//! from another log is committed in one transaction.

use crate::caches::{announcing, catalogue, journal, meta, unstated};
use crate::connections::{self, FileId, Relocation};
use crate::model::{Code, Role};
use crate::wire::FileChangeEventsMessage;

use super::rolling::{ROLLING_BASE, ROLLING_DIRTY, ROLLING_FILE, ROLLING_SINCE};
use super::sending::{secret, told};
use super::{Account, Directory, Report, Result, collections, owner, peering};

/// Meta key: the folder of the event log as the last sync found it.
const LOG: &str = "home.log";

/// Brings our own folders in order. The catalogue must be fresh and the home made.
///
/// # Errors
/// If the database fails. What the service refuses is a problem in the report.
pub(super) async fn settle(
    account: &Account,
    directory: &Directory,
    report: &mut Report,
) -> Result<()> {
    merge_logs(account, directory, report).await?;
    if heed_other_log(account, directory)? {
        let text = "the SyftBox on the drive is another one than before; what this machine \
                    holds and the drive lacks is sent again";
        report.problem(Code::HomeMadeAnew, text);
    }
    Ok(())
}

/// Moves what other folders hold of our event log into the one that counts. Ids stay, and with them
/// what each machine has seen; so does the order, which is that of the service's clock.
async fn merge_logs(account: &Account, directory: &Directory, report: &mut Report) -> Result<()> {
    let Some(log) = &directory.personal else { return Ok(()) };
    merge(account, log, &directory.stray_logs, report).await
}

/// Moves what is ours in `others` into `folder`, which two machines or more have made twice. Nothing
/// is asked if there is nothing.
///
/// # Errors
/// If the database fails. What the service refuses is a problem in the report.
pub(super) async fn merge(
    account: &Account,
    folder: &FileId,
    others: &[FileId],
    report: &mut Report,
) -> Result<()> {
    let mut moves = Vec::new();
    for stray in others {
        let entries = account.store.read(|db| catalogue::children(db, stray))?;
        moves.extend(entries.into_iter().filter(|entry| entry.is_mine).map(|entry| Relocation {
            id: entry.id,
            from: stray.clone(),
            to: folder.clone(),
        }));
    }
    if moves.is_empty() {
        return Ok(());
    }
    let outcomes = match account.router.own().relocate(&moves).await {
        Ok(outcomes) => outcomes,
        Err(error) => {
            report.problem(Code::FoldersNotMerged, told(&error));
            return Ok(());
        }
    };
    for (step, outcome) in moves.iter().zip(outcomes) {
        match outcome {
            Ok(()) => account.store.write(|db| match catalogue::get(db, &step.id)? {
                Some(mut entry) => {
                    entry.parents = vec![step.to.clone()];
                    catalogue::put(db, &entry)
                }
                None => Ok(()),
            })?,
            Err(connections::Error::NotFound { .. }) => {
                account.store.write(|db| catalogue::remove(db, &step.id))?;
            }
            Err(error) => report.problem(Code::FoldersNotMerged, told(&error)),
        }
    }
    Ok(())
}

/// If the event log is another one than before, notes all that follows from it. True if what was
/// there before is gone.
fn heed_other_log(account: &Account, directory: &Directory) -> Result<bool> {
    let Some(log) = &directory.personal else { return Ok(false) };
    let before = account.store.read(|db| meta::get(db, LOG))?;
    if before.as_deref() == Some(log.as_str()) {
        return Ok(false);
    }
    let lost = collections::lost(account, directory)?;
    account.store.write(|db| {
        meta::set(db, LOG, log.as_str())?;
        if before.is_none() {
            return Ok(());
        }
        peering::keep_known_peers(db)?;
        if account.role == Role::Owner {
            say_all_again(db, account)?;
            collections::publish_again(db, &lost)?;
        }
        Ok(())
    })?;
    // It is still there where another machine made one too, or where the home dialect is another.
    let folders = account.store.read(catalogue::folders)?;
    let is_there = |id: &str| folders.iter().any(|folder| folder.id.as_str() == id);
    Ok(before.is_some_and(|before| !is_there(&before)))
}

/// Notes that nothing of what is agreed is known to be in the log.
///
/// Messages that were on their way to the old one are taken apart: the id of one whose answer was
/// lost is used up, so that under it nothing could be created in the new one.
fn say_all_again(db: &rusqlite::Connection, account: &Account) -> crate::caches::Result<()> {
    unstated::add_all(db, &account.email)?;
    announcing::clear_rolling(db)?;
    let mut events = Vec::new();
    for message in journal::withdraw_own(db)? {
        let message = message.content.read::<FileChangeEventsMessage>(&secret());
        events.extend(message.map(|message| message.events).unwrap_or_default());
    }
    announcing::log_again(db, &events)?;
    for key in [owner::RESTORED, ROLLING_BASE, ROLLING_SINCE, ROLLING_DIRTY, ROLLING_FILE] {
        meta::remove(db, key)?;
    }
    owner::log::forget(db)
}
