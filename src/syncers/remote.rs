//! Brings the catalogue up to date: one request when nothing happened.
//!
//! The change feed is for speed, a full listing from time to time and after any surprise is for
//! truth, because the feed may lag. The place in the feed is fetched *before* a listing, so that
//! nothing falls between the two.

use crate::caches::{catalogue, meta};
use crate::connections::{self, Change, Entry, FileId, Kind, Ownership, PageToken, Query};
use crate::model::{Email, Role, Timestamp};
use crate::wire::names::{BundleName, FolderName, SYFTBOX, VERSION_FILE};

use super::sending::have_ids;
use super::{Account, Result};

/// How sure the catalogue is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// What the change feed tells, with a full listing when one is due.
    Feed,
    /// A full listing.
    Listing,
}

const TOKEN: &str = "feed.token";
const LISTED_AT: &str = "feed.listed_at_micros";

/// How long the feed alone is trusted. It is known to lag by minutes, not by hours.
const LISTING_EVERY_MICROS: i64 = 6 * 3600 * 1_000_000;

/// How many parts of the feed a sync follows, each of thousands of changes.
const PARTS_MAX: usize = 100;

/// Brings the catalogue up to date.
///
/// # Errors
/// If the service cannot be asked; the catalogue is as it was then, or as far as the feed was followed.
pub async fn refresh(account: &Account, freshness: Freshness, now: Timestamp) -> Result<()> {
    let (token, listed_at) = account.store.read(|db| {
        let listed_at = meta::get(db, LISTED_AT)?.and_then(|text| text.parse::<i64>().ok());
        Ok((meta::get(db, TOKEN)?, listed_at))
    })?;
    let is_recent = |at: i64| (0..LISTING_EVERY_MICROS).contains(&(now.micros() - at));
    match token {
        // A login looks, and then syncs as of the same moment.
        Some(_) if freshness == Freshness::Feed && listed_at == Some(now.micros()) => {}
        Some(token) if freshness == Freshness::Feed && listed_at.is_some_and(is_recent) => {
            if follow_from(account, PageToken(token)).await? {
                list_everything(account, now).await?;
            }
        }
        _ => list_everything(account, now).await?,
    }
    list_new_folders(account).await
}

/// True if the sync that began at `now` has listed everything.
///
/// # Errors
/// If the database fails.
pub(super) fn was_listed_at(account: &Account, now: Timestamp) -> Result<bool> {
    let listed_at = account.store.read(|db| meta::get(db, LISTED_AT))?;
    Ok(listed_at == Some(now.micros().to_string()))
}

/// Returns when this machine last listed everything, by its own clock; `None` if it never did.
///
/// # Errors
/// If the database fails.
pub fn listed_at(account: &Account) -> Result<Option<Timestamp>> {
    let at = account.store.read(|db| meta::get(db, LISTED_AT))?;
    Ok(at.and_then(|text| text.parse().ok()).map(Timestamp::from_micros))
}

/// Notes that the catalogue was wrong, so that the next sync lists everything.
///
/// # Errors
/// If the database fails.
pub(super) fn distrust(account: &Account) -> Result<()> {
    Ok(account.store.write(|db| meta::remove(db, LISTED_AT))?)
}

/// True if this machine has looked at the drive before.
pub(super) fn has_listed(account: &Account) -> Result<bool> {
    Ok(account.store.read(|db| meta::get(db, TOKEN))?.is_some())
}

/// Follows the feed, a bearable part at a time. True if it surprises: the truth must be listed.
async fn follow_from(account: &Account, mut token: PageToken) -> Result<bool> {
    // A feed that never ends goes on in the next sync.
    for _ in 0..PARTS_MAX {
        match account.router.own().changes(&token).await {
            Ok(changes) if follow(account, &changes)? => return Ok(true),
            Ok(changes) if changes.is_all => break,
            Ok(changes) => token = changes.next,
            Err(connections::Error::TokenExpired) => return Ok(true),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(false)
}

/// Follows a part of the feed. True if it surprises.
fn follow(account: &Account, changes: &connections::Changes) -> Result<bool> {
    let surprises = account.store.write(|db| {
        let mut surprises = false;
        for change in &changes.changes {
            match change {
                Change::Gone(id) => catalogue::remove(db, id)?,
                Change::Present(entry) => {
                    if concerns_us(db, account, entry)? {
                        surprises |= takes_a_place(db, entry)?;
                        catalogue::put(db, entry)?;
                    } else {
                        // It may have been moved out of where it concerned us.
                        catalogue::remove(db, &entry.id)?;
                    }
                }
            }
        }
        meta::set(db, TOKEN, &changes.next.0)?;
        if surprises {
            // It is not said again: who dies here lists everything all the same.
            meta::remove(db, LISTED_AT)?;
        }
        Ok(surprises)
    })?;
    Ok(surprises)
}

/// True if a new folder for messages has the name of one that we know. A peer that begins anew has
/// deleted the old one, and of that the feed need not tell: it lay in a folder that we cannot see.
fn takes_a_place(db: &rusqlite::Connection, entry: &Entry) -> crate::caches::Result<bool> {
    if !is_for_messages(entry) {
        return Ok(false);
    }
    let known = catalogue::named(db, &entry.name)?;
    let is_new = known.iter().all(|other| other.id != entry.id);
    Ok(is_new && known.iter().any(|other| other.owner == entry.owner))
}

/// True if an entry of the feed belongs in the catalogue. The rest of somebody's Drive does not.
fn concerns_us(
    db: &rusqlite::Connection,
    account: &Account,
    entry: &Entry,
) -> crate::caches::Result<bool> {
    if entry.kind == Kind::Folder && is_ours_by_name(entry) {
        return Ok(true);
    }
    if !entry.is_mine && (entry.name == VERSION_FILE || is_bundle_for_us(account, entry)) {
        return Ok(true);
    }
    let Some(parent) = entry.parents.first() else { return Ok(false) };
    let Some(parent) = catalogue::get(db, parent)? else { return Ok(false) };
    Ok(parent.name == SYFTBOX || is_worth_listing(account, &parent))
}

/// True for a file with which its owner publishes keys for us.
fn is_bundle_for_us(account: &Account, entry: &Entry) -> bool {
    let owned_by =
        |email: &Email| entry.owner.as_ref().is_some_and(|o| email.is_same_account(o.as_str()));
    BundleName::parse(&entry.name).is_some_and(|name| {
        owned_by(&name.owner) && account.email.is_same_account(name.peer.as_str())
    })
}

fn is_ours_by_name(entry: &Entry) -> bool {
    match FolderName::parse(&entry.name) {
        // A Python peer shares the folder of its keys, and of what lies in it the feed says nothing.
        Some(FolderName::Bundles(name)) => {
            entry.owner.as_ref().is_some_and(|owner| name.owner.is_same_account(owner.as_str()))
        }
        Some(FolderName::P2p(_) | FolderName::Collection(_)) => true,
        Some(_) => entry.is_mine,
        None => entry.is_mine && entry.name == SYFTBOX,
    }
}

/// True if we want to know what lies in a folder. Archives, for instance, only grow.
fn is_worth_listing(account: &Account, folder: &Entry) -> bool {
    match FolderName::parse(&folder.name) {
        Some(FolderName::P2p(name)) => {
            let is_me = |email: &Email| email.is_same_account(account.email.as_str());
            // The owner's outboxes are for others to read; all else is for us.
            is_me(&name.peer) || (is_me(&name.datasite) && name.direction.as_str() == "inbox")
        }
        Some(FolderName::Collection(_)) => !folder.is_mine,
        Some(
            FolderName::Personal(_)
            | FolderName::Checkpoints(_)
            | FolderName::RollingState(_)
            | FolderName::Versions(_),
        ) => folder.is_mine,
        Some(FolderName::Bundles(_)) => true,
        Some(FolderName::Archive(_)) => false,
        None => folder.is_mine && folder.name == SYFTBOX,
    }
}

/// True for a folder for messages. One of ours counts wherever its owner has moved it to: the peer
/// goes on using it.
fn is_for_messages(entry: &Entry) -> bool {
    matches!(FolderName::parse(&entry.name), Some(FolderName::P2p(_)))
}

/// Returns the SyftBox folders that we own, as the drive has them, the oldest first.
async fn find_roots(account: &Account) -> Result<Vec<Entry>> {
    let query = Query::default().named(SYFTBOX).of_kind(Kind::Folder).owned(Ownership::Mine);
    let mut roots = account.router.own().find(&query).await?;
    roots.retain(|entry| entry.name == SYFTBOX && entry.is_mine);
    roots.sort_by_key(|entry| (entry.created_micros, entry.id.clone()));
    Ok(roots)
}

/// The same, by their ids: asked, not remembered.
///
/// # Errors
/// If the service cannot be asked.
pub async fn own_roots(account: &Account) -> Result<Vec<FileId>> {
    Ok(find_roots(account).await?.into_iter().map(|root| root.id).collect())
}

async fn list_everything(account: &Account, now: Timestamp) -> Result<()> {
    let connection = account.router.own();
    // An owner who is new here has something to send, and ids are needed for that.
    let is_new = account.role == Role::Owner && !has_listed(account)?;
    let (token, stocked) = futures::join!(connection.change_start(), async {
        if is_new { have_ids(account, 1).await } else { Ok(()) }
    });
    let token = token?;
    stocked?;
    let others = Query::default()
        .named_like("syft_datasite#")
        .named_like("syft_datasetcollection_")
        .named_like("syft_encryption_bundles#")
        .named_like("encryption_bundle_")
        .named(VERSION_FILE);
    let (roots, others) = futures::join!(find_roots(account), connection.find(&others));
    let mut entries = roots?;
    let anywhere = others?.into_iter().filter(|entry| match entry.kind {
        Kind::Folder if entry.is_mine => is_for_messages(entry),
        Kind::Folder => is_ours_by_name(entry),
        Kind::File if entry.is_mine => false, // These count where they lie.
        Kind::File => entry.name == VERSION_FILE || is_bundle_for_us(account, entry),
    });
    entries.extend(anywhere);
    account.store.write(|db| {
        catalogue::clear(db)?;
        for entry in &entries {
            catalogue::put(db, entry)?;
        }
        meta::set(db, TOKEN, &token.0)?;
        meta::set(db, LISTED_AT, &now.micros().to_string())
    })?;
    Ok(())
}

/// Lists the folders that we know and have not looked into, until there are no more: the root may
/// hold others.
async fn list_new_folders(account: &Account) -> Result<()> {
    loop {
        let unlisted = account.store.read(catalogue::unlisted)?;
        let (wanted, unwanted): (Vec<Entry>, Vec<Entry>) =
            unlisted.into_iter().partition(|folder| is_worth_listing(account, folder));
        account.store.write(|db| {
            unwanted.iter().try_for_each(|folder| catalogue::set_listed(db, &folder.id, true))
        })?;
        if wanted.is_empty() {
            return Ok(());
        }
        let ids: Vec<FileId> = wanted.iter().map(|folder| folder.id.clone()).collect();
        let query = Query { parents: ids.clone(), witness: witness(account)?, ..Query::default() };
        let found = account.router.own().find(&query).await?;
        account.store.write(|db| {
            found.iter().try_for_each(|entry| catalogue::put(db, entry))?;
            ids.iter().try_for_each(|id| catalogue::set_listed(db, id, true))
        })?;
    }
}

/// Returns something that lies in one of our roots.
fn witness(account: &Account) -> Result<Option<(FileId, String)>> {
    let folders = account.store.read(catalogue::folders)?;
    let is_root = |id: &FileId| {
        let mut roots = folders.iter().filter(|entry| entry.is_mine && entry.name == SYFTBOX);
        roots.any(|root| root.id == *id)
    };
    let in_a_root = |entry: &Entry| {
        let parent = entry.parents.first().filter(|parent| entry.is_mine && is_root(parent));
        parent.map(|parent| (parent.clone(), entry.name.clone()))
    };
    Ok(folders.iter().find_map(in_a_root))
}
