//! Deletes packs that no message needs any more.

use crate::caches::{outlines, packs};
use crate::model::Timestamp;

use super::super::{Account, Report, Result, deleting, remote};

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
    deleting::delete(account, &unneeded, packs::gone, report).await
}
