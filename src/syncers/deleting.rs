//! Deletes files of ours that nothing needs any more, and notes that they are gone.

use crate::caches::{self, catalogue};
use crate::connections::{Error, FileId, IN_A_BATCH};
use crate::model::Code;

use super::sending::told;
use super::{Account, Report, Result};

/// Deletes what lies in mailboxes or in the log. `note` forgets each that is gone, in the transaction that
/// takes it out of the catalogue. What fails is told, and done by the next sync.
///
/// # Errors
/// If the database fails.
pub(super) async fn delete(
    account: &Account,
    files: &[FileId],
    note: impl Fn(&rusqlite::Connection, &FileId) -> caches::Result<()>,
    report: &mut Report,
) -> Result<()> {
    for some in files.chunks(IN_A_BATCH) {
        let outcomes = match account.router.own().delete(some).await {
            Ok(outcomes) => outcomes,
            Err(error) => {
                report.problem(Code::OutboxNotCompacted, told(&error));
                return Ok(());
            }
        };
        for (file, outcome) in some.iter().zip(outcomes) {
            match outcome {
                Ok(()) | Err(Error::NotFound { .. }) => account.store.write(|db| {
                    catalogue::remove(db, file)?;
                    note(db, file)
                })?,
                Err(error) => report.problem(Code::OutboxNotCompacted, told(&error)),
            }
        }
    }
    Ok(())
}
