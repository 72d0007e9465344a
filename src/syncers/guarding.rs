//! Looks at what stands on disk before anything is written or sent, and stops where that looks like
//! an accident.
//!
//! What is an accident is decided in `outbox`. Nothing is created here before it is known that the
//! place is the right one: an empty mount point stays empty. Whatever a crash left half written is
//! removed on the way: whoever syncs holds the lock, so nobody is writing it.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use crate::caches::{
    self, DatasiteTree, LOCK_FILE, Same, Scan, agreed, intents, meta, proposed, read_marker, scan,
    scan_beyond, write_marker,
};
use crate::model::{Code, DatasitePath, Digest, Email, Role, Snapshot, Timestamp};
use crate::outbox::{Alarm, Marker, Sight, alarm, enough, gone};

use super::sending::told;
use super::settled::{self, Quiet};
use super::{Account, Error, Report, Result, SyncOptions};

/// Where the id in the marker of the SyftBox is kept.
const MARKER: &str = "marker of the SyftBox";

/// What a look at all datasites found.
#[derive(Debug, Default)]
pub(super) struct Looked {
    /// Those that are to be left alone, because of an alarm that concerns only them: a scientist's other
    /// owners are not held up by it.
    pub(super) held: BTreeSet<Email>,
    /// Those about which nothing was to be done, what was noted of them, and what is so now.
    settled: BTreeMap<Email, (Quiet, Since)>,
}

/// What is known of a tree since the disk was looked at.
#[derive(Clone, Debug)]
pub(super) enum Since {
    /// Nothing is to be done about it, as before: it is as it was, and so is all that is known of it.
    Quiet(Quiet),
    /// It must be looked at, but for those files that are the same.
    Open(Same),
}

impl Looked {
    /// Returns what is known of the tree of `datasite` by now. Where `we_wrote` into it, or the database
    /// changed, that is nothing.
    ///
    /// # Errors
    /// If the database fails.
    pub(super) fn since(
        &self,
        account: &Account,
        datasite: &Email,
        we_wrote: bool,
    ) -> Result<Since> {
        let noted = if we_wrote { None } else { settled::noted(account, datasite)? };
        Ok(match self.settled.get(datasite) {
            Some((then, since)) if noted == Some(*then) => since.clone(),
            _ => Since::Open(Same::Unknown),
        })
    }
}

/// Looks at all datasites.
///
/// # Errors
/// [`Error::SuddenlyEmpty`] if it concerns an owner, or the SyftBox as a whole.
pub(super) fn look(
    account: &Account,
    options: &SyncOptions,
    now: Timestamp,
    report: &mut Report,
) -> Result<Looked> {
    let Looked { mut held, mut settled } = Looked::default();
    for datasite in datasites(account)? {
        let looked = look_at(account, &datasite, options, now)
            .map(|seen| settled.extend(seen.map(|seen| (datasite.clone(), seen))));
        match account.role {
            Role::Owner => looked?,
            Role::Scientist => {
                if let Err(Error::Cache(error @ caches::Error::File { .. })) = &looked {
                    let text = format!("nothing is exchanged with {datasite}: {}", told(error));
                    report.problem_with(&datasite, Code::DatasiteNotRead, text);
                    held.insert(datasite);
                } else {
                    hold(&datasite, looked, &mut held, report)?;
                }
            }
        }
    }
    mark(account)?;
    Ok(Looked { held, settled })
}

/// Turns an alarm that concerns one owner's tree into a problem, and notes that the tree is to be
/// left alone. All else stays what it is.
pub(super) fn hold(
    owner: &Email,
    done: Result<()>,
    held: &mut BTreeSet<Email>,
    report: &mut Report,
) -> Result<()> {
    match done {
        Err(Error::SuddenlyEmpty { alarm: Alarm::NoMarker | Alarm::OtherBox, .. }) => done,
        Err(error @ Error::SuddenlyEmpty { .. }) => {
            let text = format!("nothing is exchanged with {owner}: {error}");
            report.problem_with(owner, Code::SuddenlyEmpty, text);
            held.insert(owner.clone());
            Ok(())
        }
        done => done,
    }
}

fn datasites(account: &Account) -> Result<Vec<Email>> {
    Ok(match account.role {
        Role::Owner => vec![account.email.clone()],
        Role::Scientist => account.store.read(agreed::datasites)?,
    })
}

fn look_at(
    account: &Account,
    datasite: &Email,
    options: &SyncOptions,
    now: Timestamp,
) -> Result<Option<(Quiet, Since)>> {
    let tree = DatasiteTree::open_existing(&account.folders.datasite(datasite))?;
    let Some(tree) = tree else {
        return judge(account, datasite, &Scan::default(), false, options).map(|()| None);
    };
    let now_ns = now.micros().saturating_mul(1000);
    let mut seen = None;
    if !options.force {
        if let Some(quiet) = settled::noted(account, datasite)? {
            let (same, files) = caches::unchanged(&account.store, &tree, datasite, now_ns)?;
            if same == Same::Everywhere && files == quiet.files {
                return Ok(Some((quiet, Since::Quiet(quiet)))); // No file is gone.
            }
            seen = Some((quiet, Since::Open(same)));
        }
        let agreed = account.store.agreed(datasite)?;
        let enough = enough(seen_marker(account)?, agreed.len());
        let listing = caches::list(&tree, &agreed, enough);
        sweep(&tree, &listing.leftovers);
        if listing.listed >= enough {
            return Ok(seen); // There is no alarm, whatever has become of the others.
        }
    }
    let found = scan(&account.store, &tree, datasite, now_ns)?;
    sweep(&tree, &found.leftovers);
    judge(account, datasite, &found, true, options)?;
    Ok(seen)
}

/// Removes what a crash left half written. It is in nobody's way: what cannot be removed stays.
fn sweep(tree: &DatasiteTree, leftovers: &[DatasitePath]) {
    for leftover in leftovers {
        tree.sweep(leftover).ok();
    }
}

/// Opens the tree of `datasite` to write into it, and looks at it once more: a disk may vanish at
/// any moment. What was just seen to be the `same` as it was read is not looked at again.
///
/// # Errors
/// [`Error::SuddenlyEmpty`]; the folder is not created then.
pub(super) fn ground(
    account: &Account,
    (datasite, same): (&Email, &Same),
    options: &SyncOptions,
    now: Timestamp,
) -> Result<(DatasiteTree, Scan)> {
    let existing = DatasiteTree::open_existing(&account.folders.datasite(datasite))?;
    let has_folder = existing.is_some();
    if !has_folder {
        judge(account, datasite, &Scan::default(), has_folder, options)?;
    }
    let tree = existing.map_or_else(|| account.tree(datasite), Ok)?;
    let now_ns = now.micros().saturating_mul(1000);
    let found = scan_beyond(same, &account.store, &tree, datasite, now_ns)?;
    sweep(&tree, &found.leftovers);
    judge(account, datasite, &found, has_folder, options)?;
    Ok((tree, found))
}

/// Looks once more at what a later scan of `datasite` found.
///
/// # Errors
/// [`Error::SuddenlyEmpty`].
pub(super) fn check(
    account: &Account,
    datasite: &Email,
    found: &Scan,
    options: &SyncOptions,
) -> Result<()> {
    let folder = account.folders.datasite(datasite);
    if !found.leftovers.is_empty()
        && let Some(tree) = DatasiteTree::open_existing(&folder)?
    {
        sweep(&tree, &found.leftovers);
    }
    judge(account, datasite, found, folder.is_dir(), options)
}

fn judge(
    account: &Account,
    datasite: &Email,
    found: &Scan,
    has_folder: bool,
    options: &SyncOptions,
) -> Result<()> {
    let agreed = account.store.agreed(datasite)?;
    let (waiting, asked, meant) = account.store.read(|db| {
        let (waiting, asked) = (intents::waiting(db, datasite)?, proposed::all(db, datasite)?);
        let meant = meta::get(db, &meant_key(datasite))?.unwrap_or_default();
        Ok((waiting, asked, meant))
    })?;
    let is_unknown = |path: &DatasitePath| waiting.contains_key(path) || found.is_unknown(path);
    if options.force {
        return mean(account, datasite, found, &agreed, is_unknown);
    }
    // What was deleted before was asked about before, if it was worth it.
    let meant: BTreeSet<&str> = meant.lines().collect();
    let is_known = |path: &DatasitePath| {
        let line = agreed.get(path).map(|digest| line(path, digest)).unwrap_or_default();
        meant.contains(line.as_str()) || asked.get(path).is_some_and(|it| it.digest.is_none())
    };
    let is_unknown = |path: &DatasitePath| is_unknown(path) || is_known(path);
    let sight = Sight {
        marker: seen_marker(account)?,
        has_folder,
        agreed: agreed.len(),
        gone: gone(&agreed, &found.files, is_unknown),
    };
    let Some(alarm) = alarm(&sight) else { return Ok(()) };
    let folder = match alarm {
        Alarm::NoMarker | Alarm::OtherBox => account.folders.syftbox.clone(),
        Alarm::NoFolder | Alarm::Empty | Alarm::MostGone => account.folders.datasite(datasite),
    };
    Err(Error::SuddenlyEmpty { alarm, folder, gone: sight.gone, agreed: sight.agreed })
}

/// Notes which files a person meant to delete: an owner may not answer, and may not be told.
fn mean(
    account: &Account,
    datasite: &Email,
    found: &Scan,
    agreed: &Snapshot,
    is_unknown: impl Fn(&DatasitePath) -> bool,
) -> Result<()> {
    let gone =
        agreed.iter().filter(|(path, _)| !found.files.contains_key(path) && !is_unknown(path));
    let lines: Vec<String> = gone.map(|(path, digest)| line(path, digest)).collect();
    let key = meant_key(datasite);
    Ok(account.store.write(|db| match lines.is_empty() {
        true => meta::remove(db, &key),
        false => meta::set(db, &key, &lines.join("\n")),
    })?)
}

fn meant_key(datasite: &Email) -> String {
    format!("meant to be gone from {datasite}")
}

/// No path holds a line break.
fn line(path: &DatasitePath, digest: &Digest) -> String {
    format!("{} {path}", digest.to_hex())
}

/// Compares the marker of the SyftBox with the one that is known.
fn seen_marker(account: &Account) -> Result<Marker> {
    let known = account.store.read(|db| meta::get(db, MARKER))?;
    Ok(marker(known.as_deref(), read_marker(&account.folders.syftbox).as_deref()))
}

fn marker(known: Option<&str>, found: Option<&str>) -> Marker {
    match (known, found) {
        (None, _) => Marker::Known,
        (Some(_), None) => Marker::Missing,
        (Some(known), Some(found)) if known == found => Marker::Known,
        (Some(_), Some(_)) => Marker::Other,
    }
}

/// Marks the SyftBox as the one that is synced, or remembers the mark that it has.
fn mark(account: &Account) -> Result<()> {
    let syftbox = &account.folders.syftbox;
    let known = account.store.read(|db| meta::get(db, MARKER))?;
    match read_marker(syftbox) {
        Some(found) if known.as_ref() == Some(&found) => {}
        Some(found) => account.store.write(|db| meta::set(db, MARKER, &found))?,
        None => {
            let id = known.unwrap_or_else(|| Uuid::new_v4().to_string());
            std::fs::create_dir_all(syftbox).map_err(caches::Error::at(syftbox, "created"))?;
            write_marker(syftbox, &id)?;
            account.store.write(|db| meta::set(db, MARKER, &id))?;
        }
    }
    Ok(())
}

/// Makes sure that the place of the SyftBox is not bare where one was synced before, so that not
/// even a lock is put into an empty mount point. Looks at no file.
///
/// # Errors
/// [`Error::SuddenlyEmpty`].
pub fn expect_syftbox(account: &Account) -> Result<()> {
    let (known, datasites) =
        account.store.read(|db| Ok((meta::get(db, MARKER)?, agreed::datasites(db)?)))?;
    if known.is_none() || datasites.is_empty() {
        return Ok(());
    }
    let syftbox = &account.folders.syftbox;
    let mut entries = std::fs::read_dir(syftbox).into_iter().flatten().flatten();
    if entries.any(|entry| entry.file_name() != LOCK_FILE) {
        return match account.role {
            Role::Owner => expect_datasite(account, &account.email),
            // Its other owners are not held up.
            Role::Scientist => Ok(()),
        };
    }
    let mut agreed = 0;
    for datasite in &datasites {
        agreed += account.store.agreed(datasite)?.len();
    }
    let (alarm, folder) = (Alarm::NoMarker, syftbox.clone());
    Err(Error::SuddenlyEmpty { alarm, folder, gone: agreed, agreed })
}

/// Makes sure that the folder of `datasite` is there if files of it were synced, before anything is
/// put into it: a folder that is made anew hides that one is missing.
///
/// # Errors
/// [`Error::SuddenlyEmpty`].
pub fn expect_datasite(account: &Account, datasite: &Email) -> Result<()> {
    let folder = account.folders.datasite(datasite);
    if folder.is_dir() {
        return Ok(());
    }
    let agreed = account.store.agreed(datasite)?.len();
    if agreed == 0 {
        return Ok(());
    }
    Err(Error::SuddenlyEmpty { alarm: Alarm::NoFolder, folder, gone: agreed, agreed })
}

/// What a sync would come across in a datasite.
#[derive(Debug)]
pub struct Ahead {
    /// Whose.
    pub datasite: Email,
    /// What stands on disk.
    pub found: Scan,
    /// What would stop it, if anything would.
    pub alarm: Option<Error>,
}

/// Looks at all datasites as a sync does. Changes nothing but the cache of digests.
///
/// # Errors
/// If the database or the disk fails.
pub fn look_ahead(account: &Account, now: Timestamp) -> Result<Vec<Ahead>> {
    let look = |datasite: Email| {
        let tree = DatasiteTree::open_existing(&account.folders.datasite(&datasite))?;
        let found = match &tree {
            Some(tree) => scan(&account.store, tree, &datasite, now.micros().saturating_mul(1000))?,
            None => Scan::default(),
        };
        let judged = judge(account, &datasite, &found, tree.is_some(), &SyncOptions::default());
        let alarm = match judged {
            Ok(()) => None,
            Err(alarm @ Error::SuddenlyEmpty { .. }) => Some(alarm),
            Err(error) => return Err(error),
        };
        Ok(Ahead { datasite, found, alarm })
    };
    datasites(account)?.into_iter().map(look).collect()
}
