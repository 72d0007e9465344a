//! What other machines of the account did with its datasets: one that was made or updated there
//! comes here, one that was deleted there is said to be.
//!
//! A collection of ours that no record of this machine knows was made elsewhere. The newest of each
//! half is taken, whole or not at all: one that is still being uploaded does not have the digest of
//! its name, and is looked at again once it has changed. What was edited here is kept aside. That a
//! collection is gone deletes nothing on this disk: a private half may be the only copy, and a
//! browser deletes as easily as a person who means it.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::caches::meta;
use crate::connections::{Entry, Query};
use crate::datasets::{self, CollectionName, Half, Publication, Wanted};
use crate::model::{Code, Timestamp};

use super::super::sending::told;
use super::super::{Account, Directory, Refused, Report, Result, remote, sealing};
use super::failing::{Attempt, Standing, Why};
use super::restoring::{self, ALL, RESTORED};
use super::{finish_deletions, intent_key, publication_key, publications, save, word};

/// Finishes deletions of this machine, then takes over what other machines did. The catalogue must be fresh.
///
/// # Errors
/// If the database fails or the service cannot be asked: the next sync tries again.
pub(in crate::syncers) async fn follow(
    account: &Account,
    directory: &Directory,
    now: Timestamp,
    report: &mut Report,
) -> Result<()> {
    let deleted = match finish_deletions(account).await {
        Ok(deleted) => deleted,
        Err(error) => {
            let text = format!("a dataset is not deleted yet: {}", told(&error));
            report.problem(Code::DatasetNotDeleted, text);
            return Ok(());
        }
    };
    if account.store.read(|db| meta::get(db, RESTORED))?.as_deref() != Some(ALL) {
        return Ok(());
    }
    let is_left = |entry: &Entry| {
        CollectionName::parse(&entry.name).is_none_or(|name| !deleted.contains(&name.dataset))
    };
    let own = directory.own_collections.iter().map(|(_, entry)| entry.clone());
    let own: Vec<Entry> = own.filter(is_left).collect();
    let known = publications(account)?;
    let none = BTreeSet::new();
    let mut found = Vec::new();
    let newest = datasets::restore_plan(&account.email, &own, &none, &BTreeSet::new());
    for wanted in &newest {
        let mine = known.iter().find(|publication| is_same(&publication.name, &wanted.name));
        let is_known = known.iter().any(|publication| publication.folder == wanted.folder);
        // What is on its way from here will replace it.
        let is_ours = mine.is_some_and(|publication| !publication.is_settled());
        let key = intent_key(wanted.name.half, &wanted.name.dataset);
        if is_known || is_ours || account.store.read(|db| meta::get(db, &key))?.is_some() {
            continue;
        }
        let files = account.router.own().find(&Query::in_folder(&wanted.folder)).await?;
        found.push((wanted, mine, files));
    }
    // What came of any other is of no use.
    restoring::keep_downloads(account, found.iter().flat_map(|(_, _, files)| files));
    for (wanted, mine, files) in &found {
        take_over(account, &own, wanted, files, *mine, now, report).await?;
    }
    for publication in known.iter().filter(|publication| publication.is_uploaded()) {
        let is_listed = own.iter().any(|entry| entry.id == publication.folder);
        let is_replaced = newest.iter().any(|wanted| is_same(&wanted.name, &publication.name));
        if !is_listed && !is_replaced {
            let_go(account, publication, report).await?;
        }
    }
    Ok(())
}

fn is_same(one: &CollectionName, other: &CollectionName) -> bool {
    (one.half, &one.dataset) == (other.half, &other.dataset)
}

async fn take_over(
    account: &Account,
    own: &[Entry],
    wanted: &Wanted,
    files: &[Entry],
    mine: Option<&Publication>,
    now: Timestamp,
    report: &mut Report,
) -> Result<()> {
    let (half, name) = (wanted.name.half, &wanted.name.dataset);
    let attempt = Attempt::new(account, wanted, files)?;
    match attempt.standing(account, now)? {
        Standing::Due => {}
        Standing::Waits => {
            let text = format!(
                "the {} half of dataset `{name}` on the drive is incomplete or damaged; it is tried \
                 again now and then",
                word(half)
            );
            report.problem(Code::DatasetNotRestored, text);
            return Ok(());
        }
        Standing::WaitsSilently => return Ok(()),
    }
    let present = match datasets::local_halves(&account.folders.syftbox, &account.email) {
        Ok(present) => present.contains(&(half, name.clone())),
        Err(error) => {
            report.problem(Code::DatasetNotRestored, told(&error));
            return Ok(());
        }
    };
    // Who has removed its copy by hand does not want the next one either.
    let fetches = present || mine.is_none();
    let connection = sealing::connection_for(account, half)?;
    match restoring::restore(account, &connection, own, wanted, files, fetches, mine, now).await {
        Ok((publication, kept)) => {
            save(account, &publication)?;
            attempt.forget(account)?;
            // Two machines updated it, and each saw only what it replaced itself.
            if let Some(mine) = mine.filter(|mine| own.iter().any(|it| it.id == mine.folder)) {
                account.router.own().delete(std::slice::from_ref(&mine.folder)).await?;
            }
            report.pulled += if fetches { files.len() } else { 0 };
            tell_kept(account, &kept, report);
            if half == Half::Public && present && mine.is_some() {
                tell_of_private(account, own, wanted, report)?;
            }
        }
        Err(error) => {
            let why = Why::of(&error, &connection);
            let is_old = attempt.note(account, why, now)?;
            // While another machine is at work there is nothing to tell.
            if is_old || why != Why::Incomplete {
                let text = format!(
                    "the {} half of dataset `{name}` could not be taken over: {}",
                    word(half),
                    why.told(&error, &connection)
                );
                let is_disk = why == Why::Disk;
                report.problem(if is_disk { Code::Disk } else { Code::DatasetNotRestored }, text);
            }
        }
    }
    Ok(())
}

fn tell_kept(account: &Account, kept: &[PathBuf], report: &mut Report) {
    report.refused.extend(kept.iter().map(|path| {
        Refused {
            path: path.display().to_string(),
            peer: account.email.clone(),
            reason: "another machine of yours has updated the dataset; what was here is kept there"
                .to_owned(),
        }
    }));
}

/// Says, once, that the private half here may be that of older mock files.
fn tell_of_private(
    account: &Account,
    own: &[Entry],
    wanted: &Wanted,
    report: &mut Report,
) -> Result<()> {
    let name = &wanted.name.dataset;
    let is_private = |other: &CollectionName| other.half == Half::Private && other.dataset == *name;
    let is_on_drive = own
        .iter()
        .filter_map(|entry| CollectionName::parse(&entry.name))
        .any(|other| is_private(&other));
    let is_here = datasets::local_halves(&account.folders.syftbox, &account.email)
        .is_ok_and(|present| present.contains(&(Half::Private, name.clone())));
    if is_here && !is_on_drive {
        let text = format!(
            "dataset `{name}` was updated by another machine of yours; its private half is not on \
             the drive, so the one on this machine may be older"
        );
        report.problem(Code::PrivateHalfNotUpdated, text);
    }
    Ok(())
}

/// Forgets a collection that is gone from the drive, if the service says so too.
async fn let_go(account: &Account, publication: &Publication, report: &mut Report) -> Result<()> {
    let (half, name) = (publication.name.half, &publication.name.dataset);
    let inside = Query::in_folder(&publication.folder);
    if !account.router.own().find(&inside).await?.is_empty() {
        return remote::distrust(account);
    }
    account.store.write(|db| meta::remove(db, &publication_key(half, name)))?;
    let text = format!(
        "the {} half of dataset `{name}` is gone from the drive, deleted by another machine of \
         yours or in a browser; what is on this machine stays",
        word(half)
    );
    report.problem(Code::DatasetGone, text);
    Ok(())
}
