//! Seals uploaded private halves anew once the keys of the account were replaced, so that whoever has
//! the new ones alone can open them.
//!
//! Each file by itself, from what lies on the drive, since the half may not lie on this machine. A
//! crash leaves some files sealed with old keys, which are kept, and the next sync goes on.

use crate::connections::{self, Connection as _, Entry, FileId, Query};
use crate::datasets::{CollectionName, Half};
use crate::model::Code;

use super::super::sending::told;
use super::super::{Account, Directory, Report, Result, sealing};

/// Seals what is sealed with replaced keys, if keys were replaced since this was done last. What
/// could not be done is a problem in the report.
pub(in crate::syncers) async fn reseal_due(
    account: &Account,
    directory: &Directory,
    report: &mut Report,
) -> Result<()> {
    if !sealing::needs_resealing(account)? {
        return Ok(());
    }
    let is_private = |entry: &&Entry| {
        CollectionName::parse(&entry.name).is_some_and(|name| name.half == Half::Private)
    };
    let own = directory.own_collections.iter().map(|(_, entry)| entry);
    let parents: Vec<FileId> = own.filter(is_private).map(|entry| entry.id.clone()).collect();
    if !parents.is_empty()
        && let Err(error) = reseal(account, parents).await
    {
        let text = format!(
            "uploaded private halves of datasets are not all sealed with the new keys yet: {}",
            told(&error)
        );
        report.problem(Code::PrivateHalfNotResealed, text);
        return Ok(());
    }
    sealing::resealed(account)
}

async fn reseal(account: &Account, parents: Vec<FileId>) -> Result<()> {
    let connection = sealing::connection_for(account, Half::Private)?;
    for file in connection.find(&Query { parents, ..Query::default() }).await? {
        match connection.reseal(&file.id, file.size_bytes).await {
            // Gone is as good as sealed: another machine has deleted the dataset.
            Ok(()) | Err(connections::Error::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
