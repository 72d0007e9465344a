//! Deletes packs that no message needs any more.

use crate::caches::{catalogue, outlines, packs};
use crate::connections::Error;
use crate::model::{Code, Timestamp};

use super::super::sending::told;
use super::super::{Account, Report, Result, remote};

/// How many are deleted at once: as many as a batch of the drive takes.
const PACKS_AT_ONCE: usize = 100;

/// Deletes packs that no message needs any more, after the messages. What fails is told, and done by the
/// next sync.
///
/// # Errors
/// If the database fails.
pub(in crate::syncers) async fn sweep(
    account: &Account,
    now: Timestamp,
    report: &mut Report,
) -> Result<()> {
    if account.store.read(outlines::is_any_left_over)? {
        account.store.write(outlines::sweep)?;
    }
    if !account.store.read(packs::is_any)? {
        return Ok(());
    }
    if remote::was_listed_at(account, now)? {
        account.store.write(packs::heed_listing)?;
    }
    let unneeded = account.store.read(packs::unneeded)?;
    for some in unneeded.chunks(PACKS_AT_ONCE) {
        let outcomes = match account.router.own().delete(some).await {
            Ok(outcomes) => outcomes,
            Err(error) => {
                report.problem(Code::OutboxNotCompacted, told(&error));
                return Ok(());
            }
        };
        for (pack, outcome) in some.iter().zip(outcomes) {
            match outcome {
                Ok(()) | Err(Error::NotFound { .. }) => account.store.write(|db| {
                    catalogue::remove(db, pack)?;
                    packs::gone(db, pack)
                })?,
                Err(error) => report.problem(Code::OutboxNotCompacted, told(&error)),
            }
        }
    }
    Ok(())
}
