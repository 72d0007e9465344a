//! An owner's datasets go to the drive, and readers get or lose access.
//!
//! A record says what is wanted and what is done; whatever a crash or the service cut short is gone
//! on with by the next sync. Peers that are approved later are found by the same difference.

use std::collections::BTreeSet;

use crate::caches::{catalogue, meta};
use crate::connections::{self, Entry, FileId};
use crate::datasets::{
    self, ANY_TAG, Audience, CollectionName, DatasetName, Half, Publication, Readers,
};
use crate::model::{Code, Email, Timestamp};

use super::super::peering::{self, Acquaintance};
use super::super::sending::{code_of, told};
use super::super::{Account, Directory, Report, Result, remote, sealing};
use super::{
    INTENT, accepted, choosing, forget_intents, intend, intent_key, parse_intent, publication_key,
    publications, save, stopped, to_json,
};

/// Publishes what is noted for one dataset. What the service refuses is a problem in the report.
pub(crate) async fn publish_one(
    account: &Account,
    name: &DatasetName,
    now: Timestamp,
    report: &mut Report,
) -> Result<()> {
    let mut directory = Directory::read(&account.store, &account.email, &account.dialect)?;
    if directory.syftbox.is_none() {
        remote::refresh(account, remote::Freshness::Feed, now).await?;
        directory = peering::ensure_home(account).await?;
    }
    if replaces_something(account, name)? {
        // Another machine of the account may have said meanwhile whom it is for.
        if let Err(error) = remote::refresh(account, remote::Freshness::Feed, now).await {
            let text = format!("dataset `{name}` is not published yet: {}", told(&error));
            report.problem(Code::DatasetNotPublished, text);
            return Ok(());
        }
        directory = Directory::read(&account.store, &account.email, &account.dialect)?;
    }
    let peers = peering::remembered(account)?;
    publish_some(account, &directory, &peers, Some(name), report).await
}

/// True if new mock files are to take the place of some.
fn replaces_something(account: &Account, name: &DatasetName) -> Result<bool> {
    let intent = account.store.read(|db| meta::get(db, &intent_key(Half::Public, name)))?;
    let is_it = |it: &Publication| it.name.half == Half::Public && it.name.dataset == *name;
    Ok(intent.is_some() && publications(account)?.iter().any(is_it))
}

/// Finishes what a crash interrupted, and gives and takes access where it is due.
pub(in crate::syncers) async fn publish_due(
    account: &Account,
    directory: &Directory,
    peers: &[Acquaintance],
    report: &mut Report,
) -> Result<()> {
    publish_some(account, directory, peers, None, report).await?;
    forget_uploads(account)
}

/// Forgets what was kept of large uploads that are done, or wanted no longer. What cannot be removed is
/// no reason to stop: it is tried again.
fn forget_uploads(account: &Account) -> Result<()> {
    let folder = account.folders.uploads();
    if folder.is_dir() {
        let done = datasets::keep_uploads(&folder, &publications(account)?);
        done.unwrap_or_else(|error| tracing::warn!("{}", told(&error)));
    }
    Ok(())
}

async fn publish_some(
    account: &Account,
    directory: &Directory,
    peers: &[Acquaintance],
    only: Option<&DatasetName>,
    report: &mut Report,
) -> Result<()> {
    prepare_intended(account, directory, only, report).await?;
    let (accepted, stopped, choosing) = (accepted(peers), stopped(peers), choosing(peers));
    for mut publication in publications(account)? {
        // Who is stopped keeps what it has, and gets nothing new.
        let had = |who: &Email| publication.shared_with.contains(who);
        let approved = accepted.iter().filter(|who| !stopped.contains(who) || had(who));
        let approved: &[Email] = &approved.cloned().collect::<Vec<_>>();
        let one = std::slice::from_ref(&publication);
        let is_due = !publication.is_settled()
            || !datasets::shares_due(one, approved).is_empty()
            || !datasets::unshares_due(one, approved).is_empty();
        // Until the peers file was read nobody is known to be approved, and all would lose access.
        let has_readers = !publication.shared_with.is_empty() || publication.replaces_shared;
        let is_certain = !has_readers || peering::is_peers_file_known(account)?;
        let is_meant = only.is_none_or(|name| publication.name.dataset == *name);
        if is_due && is_certain && is_meant {
            let readers = Readers { approved, choosing: &choosing };
            publish(account, &mut publication, readers, report).await?;
        }
    }
    Ok(())
}

async fn publish(
    account: &Account,
    publication: &mut Publication,
    readers: Readers<'_>,
    report: &mut Report,
) -> Result<()> {
    let mut keep = |changed: &Publication| save(account, changed).map_err(Into::into);
    let syftbox = &account.folders.syftbox;
    let name = publication.name.dataset.clone();
    let (half, was_uploaded) = (publication.name.half, publication.is_uploaded());
    let replaced = publication.replaces.clone();
    let connection = sealing::connection_for(account, half)?;
    let carrier = account.uploads();
    let outcome =
        datasets::publish_with(&connection, publication, syftbox, readers, &carrier, &mut keep)
            .await;
    match outcome {
        Ok(published) => {
            if !replaced.is_empty() {
                account
                    .store
                    .write(|db| replaced.iter().try_for_each(|id| catalogue::remove(db, id)))?;
            }
            for (who, error) in published.problems {
                let text = format!("dataset `{name}` was not shared with {who}: {}", told(&error));
                report.problem_with(&who, Code::DatasetNotShared, text);
            }
        }
        Err(datasets::Error::Connection(connections::Error::NotFound { .. })) if was_uploaded => {
            // Another machine of this account has deleted it.
            account.store.write(|db| meta::remove(db, &publication_key(half, &name)))?;
            report.problem(Code::DatasetGone, format!("dataset `{name}` is gone from the drive"));
        }
        Err(error @ datasets::Error::Connection(connections::Error::Damaged { .. })) => {
            begin_again(account, publication).await?;
            let text = format!(
                "dataset `{name}` is not published: {}; the next sync sends it anew",
                told(&error)
            );
            report.problem(Code::DatasetNotPublished, text);
        }
        Err(datasets::Error::Changed { path }) => {
            begin_again(account, publication).await?;
            let text = format!(
                "`{path}` changed while dataset `{name}` was published; the next sync publishes it anew"
            );
            report.problem(Code::DatasetNotPublished, text);
        }
        Err(error @ datasets::Error::Visible { .. }) => {
            report.problem(Code::PrivateHalfVisible, error.to_string());
        }
        Err(error) => {
            let text = format!("dataset `{name}` is not published yet: {}", told(&error));
            report.problem(unpublished(&error), text);
        }
    }
    Ok(())
}

/// Notes that what is half there is to be replaced as a whole, by what stands here then.
async fn begin_again(account: &Account, publication: &Publication) -> Result<()> {
    let (half, name) = (publication.name.half, &publication.name.dataset);
    account.router.own().delete(std::slice::from_ref(&publication.folder)).await?;
    account.store.write(|db| meta::remove(db, &publication_key(half, name)))?;
    intend(account, name, &[half], &publication.audience)
}

/// The code of why a dataset is not on the drive.
const fn unpublished(error: &datasets::Error) -> Code {
    match error {
        datasets::Error::Connection(error) => code_of(error, Code::DatasetNotPublished),
        _ => Code::DatasetNotPublished,
    }
}

/// Makes the records of what is to be published.
async fn prepare_intended(
    account: &Account,
    directory: &Directory,
    only: Option<&DatasetName>,
    report: &mut Report,
) -> Result<()> {
    let intended = account.store.read(|db| meta::with_prefix(db, INTENT))?;
    for (key, text) in intended {
        let Some((half, name)) = parse_intent(&key) else { continue };
        if only.is_some_and(|only| *only != name) {
            continue;
        }
        let audience: Audience = serde_json::from_str(&text).unwrap_or_default();
        match prepare(account, directory, half, &name, audience).await {
            Ok(Some(publication)) => {
                let record = to_json(&publication)?;
                account.store.write(|db| {
                    meta::set(db, &publication_key(half, &name), &record)?;
                    meta::remove(db, &key)
                })?;
            }
            // Its creation did not come to an end.
            Ok(None) => account.store.write(|db| meta::remove(db, &key))?,
            Err(error) => {
                let text = format!("dataset `{name}` is not published yet: {}", told(&error));
                report.problem(unpublished(&error), text);
            }
        }
    }
    Ok(())
}

async fn prepare(
    account: &Account,
    directory: &Directory,
    half: Half,
    name: &DatasetName,
    audience: Audience,
) -> Result<Option<Publication>, datasets::Error> {
    let draft = match datasets::draft(&account.folders.syftbox, &account.email, name, half) {
        Ok(draft) => draft,
        Err(datasets::Error::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    let Some(root) = directory.syftbox.clone() else { return Ok(None) };
    let publications = publications(account).map_err(|e| datasets::Error::Record(Box::new(e)))?;
    let old = publications.into_iter().find(|it| (it.name.half, &it.name.dataset) == (half, name));
    let is_there =
        |folder: &FileId| directory.own_collections.iter().any(|(_, entry)| entry.id == *folder);
    if let Some(old) = &old
        && old.is_uploaded()
        && old.name == draft.name
        && is_there(&old.folder)
    {
        // What is there already is not sent again.
        return Ok(Some(Publication { audience: audience_of(half, audience), ..old.clone() }));
    }
    let audience = match &old {
        Some(old) if half == Half::Public && old.is_uploaded() => {
            as_on_drive(account, directory, old, audience).await?
        }
        _ => audience,
    };
    let mut new = datasets::prepare(account.router.own(), draft, root, audience).await?;
    let own: Vec<Entry> = directory.own_collections.iter().map(|(_, e)| e.clone()).collect();
    let listed = own.into_iter().filter(|entry| {
        CollectionName::parse(&entry.name).is_some_and(|it| it.half == half && it.dataset == *name)
    });
    let mut replaces: BTreeSet<FileId> = listed.map(|entry| entry.id).collect();
    new.replaces_shared = match &old {
        Some(old) => {
            !old.shared_with.is_empty()
                || old.replaces_shared
                || replaces.iter().any(|id| *id != old.folder && !old.replaces.contains(id))
        }
        None => !replaces.is_empty(),
    };
    if let Some(old) = old {
        replaces.extend(old.replaces);
        replaces.insert(old.folder);
    }
    new.replaces = replaces.into_iter().collect();
    Ok(Some(new))
}

/// Returns for whom a new collection is to be: who can read the `old` one now, if another machine of
/// the account has let somebody in or turned somebody away. The rules on this disk say the same then.
async fn as_on_drive(
    account: &Account,
    directory: &Directory,
    old: &Publication,
    audience: Audience,
) -> Result<Audience, datasets::Error> {
    let entry = directory.own_collections.iter().find(|(_, entry)| entry.id == old.folder);
    let Some((_, entry)) = entry else { return Ok(audience) };
    let seen = match account.router.own().shares(&old.folder).await {
        Ok(shares) => shares.into_iter().map(|(who, _)| who).collect::<Vec<_>>(),
        Err(connections::Error::NotFound { .. }) => return Ok(audience),
        Err(error) => return Err(error.into()),
    };
    let is_for_any = entry.tags.contains_key(ANY_TAG);
    let now = datasets::audience_now(old, &audience, &seen, is_for_any);
    if now != audience {
        let (syftbox, name) = (&account.folders.syftbox, &old.name.dataset);
        datasets::set_audience(syftbox, &account.email, name, &now)?;
    }
    Ok(now)
}

fn audience_of(half: Half, audience: Audience) -> Audience {
    match half {
        Half::Public => audience,
        Half::Private => Audience::Nobody,
    }
}

const DELETION: &str = "delete dataset ";

/// Notes that a dataset is to be deleted, so that whatever is cut short is gone on with.
pub(crate) fn note_deletion(account: &Account, name: &DatasetName) -> Result<()> {
    Ok(account.store.write(|db| meta::set(db, &format!("{DELETION}{name}"), ""))?)
}

/// True if a dataset of that name is to be deleted.
pub(crate) fn is_deletion_noted(account: &Account, name: &DatasetName) -> Result<bool> {
    Ok(account.store.read(|db| meta::get(db, &format!("{DELETION}{name}")))?.is_some())
}

/// Deletes what is noted, on the drive and then here, and returns of which there was anything. The
/// catalogue must be fresh.
pub(crate) async fn finish_deletions(
    account: &Account,
) -> Result<Vec<DatasetName>, datasets::Error> {
    let record = |error: super::super::Error| datasets::Error::Record(Box::new(error));
    let noted = account.store.read(|db| meta::with_prefix(db, DELETION));
    let mut deleted = Vec::new();
    for (key, _) in noted.map_err(|error| record(error.into()))? {
        if let Some(name) = key.strip_prefix(DELETION).and_then(|n| DatasetName::parse(n).ok()) {
            let found = match delete(account, &name).await {
                Err(super::super::Error::Connection(error)) => return Err(error.into()),
                found => found.map_err(record)?,
            };
            match datasets::delete(&account.folders.syftbox, &account.email, &name) {
                Err(datasets::Error::NotFound { .. }) if !found => {}
                Err(datasets::Error::NotFound { .. }) | Ok(()) => deleted.push(name),
                Err(error) => return Err(error),
            }
        }
        let removed = account.store.write(|db| meta::remove(db, &key));
        removed.map_err(|error| record(error.into()))?;
    }
    Ok(deleted)
}

/// Deletes the collections of a dataset of ours from the drive, and all records of it. True if
/// there were any.
async fn delete(account: &Account, name: &DatasetName) -> Result<bool> {
    let directory = Directory::read(&account.store, &account.email, &account.dialect)?;
    let listed: Vec<Entry> =
        directory.own_collections.into_iter().map(|(_, entry)| entry).collect();
    let mut ids: BTreeSet<FileId> =
        datasets::collections_of(&listed, name, &[]).into_iter().collect();
    for publication in publications(account)? {
        if publication.name.dataset == *name {
            ids.insert(publication.folder);
        }
    }
    let ids: Vec<FileId> = ids.into_iter().collect();
    if !ids.is_empty() {
        for outcome in account.router.own().delete(&ids).await? {
            outcome?;
        }
    }
    forget_intents(account, name)?;
    account.store.write(|db| {
        ids.iter().try_for_each(|id| catalogue::remove(db, id))?;
        [Half::Public, Half::Private]
            .iter()
            .try_for_each(|half| meta::remove(db, &publication_key(*half, name)))
    })?;
    Ok(!ids.is_empty())
}
