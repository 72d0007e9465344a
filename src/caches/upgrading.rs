//! Makes a state database, and brings an old one up to date.
//!
//! The schema has a version (`user_version`), and [`STEPS`] leads from each to the next; all that
//! are due are done in one transaction, after a copy was kept. A step that only adds says that
//! programs which do not know it may go on with the database; of any other, an older program keeps
//! its hands off. Processes that open at the same moment take turns by a lock beside the file.
//!
//! A new database gets its name once it is whole. So what lies under that name and is empty, or
//! has no schema, was not made by us: it is damaged, and never made anew by itself, for that would
//! lose what was not sent yet.

use std::fs::File;
use std::path::{Path, PathBuf};

use rusqlite::{Connection as Database, OpenFlags, TransactionBehavior};

use super::{Error, Result, carrying, meta};

/// What leads from one version of the schema to the next.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    /// The statements.
    pub sql: &'static str,
    /// The lowest version that a program must know to work with the result.
    pub readable_by: i64,
}

/// The place in the list is the version that a step leads to, from 1.
pub(super) const STEPS: &[Step] = &[
    Step { sql: include_str!("schema_1.sql"), readable_by: 1 },
    Step { sql: include_str!("schema_2.sql"), readable_by: 2 },
    Step { sql: include_str!("schema_3.sql"), readable_by: 2 },
    Step { sql: include_str!("schema_4.sql"), readable_by: 4 },
];

/// Meta key: the lowest version that a program must know.
pub(super) const READABLE_BY: &str = "schema.readable_by";

/// What a program that knows `known` versions does with a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// It has no schema.
    Damaged,
    /// Bring it up to date.
    Upgrade,
    /// Use it as it is: it is up to date, or what is newer in it is only added.
    Use,
    /// Leave it alone.
    TooNew,
}

fn judge(found: i64, readable_by: Option<i64>, known: i64) -> Verdict {
    if found < 1 {
        Verdict::Damaged
    } else if found < known {
        Verdict::Upgrade
    } else if found == known || readable_by.is_some_and(|needed| needed <= known) {
        Verdict::Use
    } else {
        Verdict::TooNew
    }
}

/// Opens the database at `path`, made or brought up to date by `steps` if need be.
///
/// # Errors
/// [`Error::NewerDatabase`] and [`Error::Damaged`]: nothing is touched then.
pub(super) fn open(path: &Path, steps: &[Step]) -> Result<Database> {
    let is_there = || path.try_exists().map_err(Error::at(path, "looked at"));
    if !is_there()? {
        let _lock = lock(path)?;
        if !is_there()? {
            create(path, steps)?;
        }
    }
    let mut database = Database::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    database.busy_timeout(std::time::Duration::from_secs(30))?;
    match look(&database, steps)? {
        Verdict::Upgrade => {
            let _lock = lock(path)?;
            // Another process may have been faster.
            if look(&database, steps)? == Verdict::Upgrade {
                keep_copy(&database, path)?;
                apply(&mut database, steps)?;
            }
        }
        Verdict::Use => {}
        Verdict::Damaged => return Err(Error::damaged("there is nothing in it")),
        Verdict::TooNew => {
            return Err(Error::NewerDatabase { found: version(&database)?, known: newest(steps) });
        }
    }
    Ok(database)
}

/// Gives a database that lives in memory its schema.
pub(super) fn apply(database: &mut Database, steps: &[Step]) -> Result<()> {
    let transaction = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = usize::try_from(version(&transaction)?).unwrap_or(0);
    for step in steps.iter().skip(found) {
        transaction.execute_batch(step.sql)?;
    }
    let readable_by = steps.iter().map(|step| step.readable_by).max().unwrap_or(1);
    meta::set(&transaction, READABLE_BY, &readable_by.to_string())?;
    transaction.pragma_update(None, "user_version", newest(steps))?;
    Ok(transaction.commit()?)
}

fn look(database: &Database, steps: &[Step]) -> Result<Verdict> {
    let found = version(database)?;
    let readable_by = if found > newest(steps) { meta::get(database, READABLE_BY)? } else { None };
    Ok(judge(found, readable_by.and_then(|text| text.parse().ok()), newest(steps)))
}

fn version(database: &Database) -> Result<i64> {
    Ok(database.pragma_query_value(None, "user_version", |row| row.get(0))?)
}

fn newest(steps: &[Step]) -> i64 {
    i64::try_from(steps.len()).unwrap_or(i64::MAX)
}

/// Makes a database beside its place, and then puts it there.
fn create(path: &Path, steps: &[Step]) -> Result<()> {
    let next = beside(path, NEXT);
    if next.symlink_metadata().is_ok() {
        // Somebody was stopped who was putting it here.
        return std::fs::rename(&next, path).map_err(Error::at(path, "created"));
    }
    let log = beside(path, "-wal");
    if log.metadata().is_ok_and(|found| found.len() > 0) {
        let what = format!("its main file `{}` is gone", path.display());
        return Err(Error::damaged(what));
    }
    make(path, path, steps, None)
}

/// Makes a database beside `path` that takes over what it can from `old`, and puts it at `place`.
fn make(path: &Path, place: &Path, steps: &[Step], old: Option<&Path>) -> Result<()> {
    let new = beside(path, ".new");
    remove(&new)?;
    remove(&beside(&new, "-journal"))?;
    let mut database = Database::open(&new)?;
    // It is brought to the disk once, as a whole: before that nobody knows it.
    database.pragma_update(None, "journal_mode", "MEMORY")?;
    database.pragma_update(None, "synchronous", "OFF")?;
    apply(&mut database, steps)?;
    if let Some(old) = old {
        carrying::carry(old, &database)?;
    }
    database.close().map_err(|(_, error)| error)?;
    File::open(&new).and_then(|file| file.sync_all()).map_err(Error::at(&new, "written"))?;
    std::fs::rename(&new, place).map_err(Error::at(place, "created"))
}

/// What the name of a database ends with that is to take the place of another one.
const NEXT: &str = ".next";

/// Keeps the database as it is before it is changed, and no older copy.
fn keep_copy(database: &Database, path: &Path) -> Result<()> {
    let found = version(database)?;
    let kept = beside(path, &format!("{BEFORE}{found}"));
    let new = beside(path, ".copy");
    remove(&new)?;
    // A copy of the file would miss what stands in the log beside it.
    database.execute("VACUUM INTO ?1", [new.to_string_lossy()])?;
    std::fs::rename(&new, &kept).map_err(Error::at(&kept, "written"))?;
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    let prefix = name(&beside(path, BEFORE)).unwrap_or_default();
    let folder = path.parent().unwrap_or(path);
    for entry in std::fs::read_dir(folder).map_err(Error::at(folder, "read"))? {
        let other = entry.map_err(Error::at(folder, "read"))?.path();
        if other != kept && name(&other).is_some_and(|name| name.starts_with(&prefix)) {
            remove(&other)?;
        }
    }
    Ok(())
}

/// What the name of a kept copy ends with, before the version.
const BEFORE: &str = ".before-upgrade-from-";

/// Moves a database that cannot be used into a folder beside it, with all that belongs to it, and
/// returns the folder; `None` if there is nothing. `label` tells it from others.
///
/// A new one is in its place then, which takes over what cannot be learnt again ([`carrying`]). What
/// was agreed is read from the drive again; what was not sent yet is found on the disk, as a
/// difference. The new one is whole before the old one goes: whoever stops in between, the next
/// opening puts it there.
pub(super) fn set_aside(path: &Path, label: &str) -> Result<Option<PathBuf>> {
    if path.parent().is_some_and(|folder| !folder.is_dir()) {
        return Ok(None);
    }
    let _lock = lock(path)?;
    let folder = beside(path, &format!(".aside-{label}"));
    let next = beside(path, NEXT);
    if path.symlink_metadata().is_ok() {
        make(path, &next, STEPS, Some(path))?;
    }
    let mut is_any = false;
    // The count last: a database that is cut off from its parts is noticed by it.
    for suffix in ["-shm", "-wal", "", super::counting::SUFFIX] {
        let from = beside(path, suffix);
        if from.symlink_metadata().is_err() {
            continue;
        }
        std::fs::create_dir_all(&folder).map_err(Error::at(&folder, "created"))?;
        let to = folder.join(from.file_name().unwrap_or_default());
        std::fs::rename(&from, &to).map_err(Error::at(&from, "moved"))?;
        is_any = true;
    }
    if next.symlink_metadata().is_ok() {
        std::fs::rename(&next, path).map_err(Error::at(path, "created"))?;
    }
    Ok(is_any.then_some(folder))
}

fn lock(path: &Path) -> Result<File> {
    let path = beside(path, ".lock");
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(Error::at(&path, "opened"))?;
    file.lock().map_err(Error::at(&path, "locked"))?;
    Ok(file)
}

/// Returns the path with something added to the file's name.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::at(path, "removed")(error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
#[path = "upgrading/tests.rs"]
mod tests;
