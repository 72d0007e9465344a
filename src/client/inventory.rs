//! What a deletion would take: counted, file by file, before anything goes.
//!
//! Ours on the drive is what lies in a SyftBox folder that we own under a name that clients give, and
//! below that what clients put there. Whatever else somebody keeps in those folders stays, and with
//! it the folder that it lies in. What is here and nowhere else is named, since after a deletion
//! nothing brings it back.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::caches::{DatasiteTree, agreed, catalogue, journal, scan};
use crate::connections::{Connection, Entry, FileId, Kind, Query};
use crate::datasets::{self, CollectionName, Half};
use crate::model::{Role, Timestamp};
use crate::syncers::{Account, Directory, collections, orphans};
use crate::wire::names::{FileName, FolderName, PEERS_FILE, PackName, VERSION_FILE};

use super::Result;

/// What lies on the drive below the roots of an account.
#[derive(Debug, Default)]
pub(super) struct Remote {
    /// The root that would go, or the first of them that stays with something in it.
    pub(super) root: Option<FileId>,
    /// Names of what lies directly in it and would go.
    pub(super) names: Vec<String>,
    /// Paths of what is none of our making, and stays.
    pub(super) kept: Vec<String>,
    /// What is to be deleted of what lies in the roots.
    pub(super) entries: Vec<FileId>,
    /// The roots that are to be deleted, after that.
    pub(super) roots: Vec<FileId>,
    /// How many files would go.
    pub(super) files: usize,
    /// How many bytes they have.
    pub(super) bytes: u64,
}

/// Lists what lies below `roots` and sorts what is ours from what is not.
///
/// # Errors
/// If the service cannot be asked.
pub(super) async fn remote(connection: &dyn Connection, roots: &[FileId]) -> Result<Remote> {
    let mut found = Remote::default();
    for root in roots {
        let (ours, others): (Vec<Entry>, Vec<Entry>) =
            children(connection, std::slice::from_ref(root), None)
                .await?
                .into_iter()
                .partition(is_ours);
        let mut is_whole = others.is_empty();
        found.kept.extend(others.into_iter().map(|entry| entry.name));
        is_whole &= below(connection, root, &ours, &mut found).await?;
        // Another folder of that name, in which nothing is ours, is somebody's own.
        if is_whole && (found.root.is_none() || !ours.is_empty()) {
            found.roots.push(root.clone());
        }
        found.names.extend(ours.into_iter().map(|entry| entry.name));
        found.root.get_or_insert(root.clone());
    }
    Ok(found)
}

/// Takes in what lies in a root and is ours. True if nothing of it stays.
async fn below(
    connection: &dyn Connection,
    root: &FileId,
    ours: &[Entry],
    found: &mut Remote,
) -> Result<bool> {
    let folders: Vec<&Entry> = ours.iter().filter(|entry| entry.kind == Kind::Folder).collect();
    let ids: Vec<FileId> = folders.iter().map(|entry| entry.id.clone()).collect();
    let mut inside: BTreeMap<FileId, Vec<Entry>> = BTreeMap::new();
    let witness = ours.first().map(|entry| (root.clone(), entry.name.clone()));
    for entry in children(connection, &ids, witness).await? {
        if let Some(parent) = entry.parents.first() {
            inside.entry(parent.clone()).or_default().push(entry);
        }
    }
    let mut is_whole = true;
    for entry in ours {
        let within = inside.remove(&entry.id).unwrap_or_default();
        let name = FolderName::parse(&entry.name);
        // What others own stays theirs in any case.
        let mine = within.into_iter().filter(|file| file.is_mine);
        let (made, strange): (Vec<Entry>, Vec<Entry>) =
            mine.partition(|file| name.as_ref().is_some_and(|name| is_made_by_clients(name, file)));
        found.files += made.len() + usize::from(entry.kind == Kind::File);
        found.bytes += made.iter().chain([entry]).map(|file| file.size_bytes).sum::<u64>();
        if strange.is_empty() {
            found.entries.push(entry.id.clone());
        } else {
            is_whole = false;
            found.entries.extend(made.into_iter().map(|file| file.id));
            let path = |file: Entry| format!("{}/{}", entry.name, file.name);
            found.kept.extend(strange.into_iter().map(path));
        }
    }
    Ok(is_whole)
}

async fn children(
    connection: &dyn Connection,
    folders: &[FileId],
    witness: Option<(FileId, String)>,
) -> Result<Vec<Entry>> {
    if folders.is_empty() {
        return Ok(Vec::new());
    }
    let query = Query { parents: folders.to_vec(), witness, ..Query::default() };
    Ok(connection.find(&query).await?)
}

/// True for what clients make in a SyftBox folder.
fn is_ours(entry: &Entry) -> bool {
    let is_named = match entry.kind {
        Kind::Folder => FolderName::parse(&entry.name).is_some() || entry.name == orphans::CLOCK,
        Kind::File => [PEERS_FILE, VERSION_FILE].contains(&entry.name.as_str()),
    };
    entry.is_mine && is_named
}

/// True for a file that clients put into a folder of that kind. A dataset's files have any name.
fn is_made_by_clients(folder: &FolderName, entry: &Entry) -> bool {
    // Python writes names that it does not read back; the form is theirs all the same.
    const STARTS: [&str; 5] =
        ["msgv2_", "syfteventsmessagev3_", "checkpoint_", "incremental_", "rolling_state_"];
    let is_message = |name: &str| {
        name.ends_with(crate::wire::names::EXTENSION)
            && STARTS.iter().any(|start| name.starts_with(start))
    };
    entry.kind == Kind::File
        && (matches!(folder, FolderName::Collection(_))
            || FileName::parse(&entry.name).is_some()
            || is_message(&entry.name))
}

/// Counts the files below `paths`, and their bytes. Links count as themselves.
pub(super) fn count_local(paths: &[PathBuf]) -> (usize, u64) {
    let (mut files, mut bytes) = (0, 0);
    let mut pending = paths.to_vec();
    while let Some(path) = pending.pop() {
        let Ok(meta) = path.symlink_metadata() else { continue };
        if meta.is_dir() {
            let entries = std::fs::read_dir(&path).into_iter().flatten().flatten();
            pending.extend(entries.map(|entry| entry.path()));
        } else {
            files += 1;
            bytes += meta.len();
        }
    }
    (files, bytes)
}

/// Returns, in words, what is on the drive and not on this machine. `names`: what lies there of ours.
///
/// # Errors
/// If the database or the disk fails.
pub(super) fn only_there(account: &Account, names: &[String]) -> Result<Vec<String>> {
    let here = datasets::local_halves(&account.folders.syftbox, &account.email)?;
    let collections: BTreeSet<_> = names
        .iter()
        .filter_map(|name| CollectionName::parse(name))
        .map(|it| (it.half, it.dataset))
        .collect();
    let word = |half| if half == Half::Private { "private" } else { "mock" };
    let mut only: Vec<String> = collections
        .iter()
        .rev()
        .filter(|half| !here.contains(half))
        .map(|(half, name)| format!("the {} half of dataset `{name}`", word(*half)))
        .collect();
    let unread = if account.role == Role::Owner { unread(account)? } else { 0 };
    if unread > 0 {
        only.push(format!("messages of the event log that this machine has not read: {unread}"));
    }
    Ok(only)
}

/// Counts the messages of the own event log of which this machine knows nothing.
fn unread(account: &Account) -> Result<usize> {
    let directory = Directory::read(&account.store, &account.email, &account.dialect)?;
    let Some(log) = directory.personal else { return Ok(0) };
    let unseen = account.store.read(|db| catalogue::unseen(db, &log))?;
    Ok(unseen.iter().filter(|entry| PackName::parse(&entry.name).is_none()).count())
}

/// Returns, in words, what is on this machine and not on the drive.
///
/// # Errors
/// If the database or the disk fails.
pub(super) fn only_here(account: &Account, now: Timestamp) -> Result<Vec<String>> {
    let mut only = Vec::new();
    let syftbox = &account.folders.syftbox;
    let backed_up: Vec<_> = collections::publications(account)?
        .into_iter()
        .filter(|it| it.name.half == Half::Private && it.is_uploaded())
        .map(|it| it.name.dataset)
        .collect();
    for (half, name) in datasets::local_halves(syftbox, &account.email)? {
        if half == Half::Private && !backed_up.contains(&name) {
            only.push(format!("the private half of dataset `{name}`"));
        }
    }
    let private = account.folders.datasite(&account.email).join("private");
    let others: Vec<PathBuf> = std::fs::read_dir(&private)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_name() != "syft_datasets")
        .map(|entry| entry.path())
        .collect();
    let (files, _) = count_local(&others);
    if files > 0 {
        only.push(format!("the other files in `{}`: {files}", private.display()));
    }
    let (results, _) = count_local(&[account.folders.private.join("results")]);
    if results > 0 {
        only.push(format!("files that jobs left, released or not: {results}"));
    }
    let changed = unsent(account, now)?;
    if changed > 0 {
        only.push(format!("files that were changed and not synced: {changed}"));
    }
    let waiting = account.store.read(journal::pending)?.len();
    if waiting > 0 {
        only.push(format!("messages that wait to be sent: {waiting}"));
    }
    Ok(only)
}

/// Counts the files that differ from what was last agreed.
fn unsent(account: &Account, now: Timestamp) -> Result<usize> {
    let mut count = 0;
    let mut datasites = account.store.read(agreed::datasites)?;
    if account.role == Role::Owner && !datasites.contains(&account.email) {
        datasites.push(account.email.clone());
    }
    for datasite in &datasites {
        let Some(tree) = DatasiteTree::open_existing(&account.folders.datasite(datasite))? else {
            continue;
        };
        let found = scan(&account.store, &tree, datasite, now.micros().saturating_mul(1000))?;
        let agreed = account.store.agreed(datasite)?;
        count += agreed.differences(&found.files).iter().filter(|it| it.after.is_some()).count();
    }
    Ok(count)
}
