//! Gives the disk back what the database does not need any more: what waits to be sent lies in it, and
//! SQLite keeps the room of what is gone for what comes.

use rusqlite::Connection as Database;

use super::Result;

/// Less is kept: it is needed again, and giving it back takes time.
const FREE_BYTES_MIN: u64 = 64 * 1024 * 1024;

/// What is in use is held in memory meanwhile, since no copy of it is to lie where temporary files lie.
const USED_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// True if so much room is worth giving back.
const fn is_worth_it(free_bytes: u64, used_bytes: u64) -> bool {
    free_bytes >= FREE_BYTES_MIN && free_bytes >= used_bytes && used_bytes <= USED_BYTES_MAX
}

/// Makes the file smaller where that is worth it; true if it did.
pub(super) fn shrink(db: &Database) -> Result<bool> {
    let number = |name: &str| -> Result<u64> {
        let number: i64 = db.pragma_query_value(None, name, |row| row.get(0))?;
        Ok(u64::try_from(number).unwrap_or(0))
    };
    let (size, pages) = (number("page_size")?, number("page_count")?);
    let free = number("freelist_count")?;
    if !is_worth_it(free * size, pages.saturating_sub(free) * size) {
        return Ok(false);
    }
    db.pragma_update(None, "temp_store", "MEMORY")?;
    let vacuumed = db.execute_batch("VACUUM");
    db.pragma_update(None, "temp_store", "DEFAULT")?;
    vacuumed?;
    // The log is as long as what was in use, until it is brought into the file.
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caches::{Store, meta};

    #[test]
    fn only_much_is_worth_it() {
        let mib = 1024 * 1024;
        for (free, used, is_so) in
            [(64, 1, true), (63, 1, false), (64, 64, true), (65, 66, false), (900, 65, false)]
        {
            assert_eq!(is_worth_it(free * mib, used * mib), is_so, "{free} {used}");
        }
    }

    #[test]
    fn what_was_sent_leaves_no_large_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        let store = Store::open(&path).unwrap();
        let much = "x".repeat(1 << 20);
        store
            .write(|db| {
                meta::set(db, "stays", "here")?;
                (0..70).try_for_each(|number| meta::set(db, &format!("much {number}"), &much))
            })
            .unwrap();
        store.shrink();
        store
            .write(|db| (0..70).try_for_each(|number| meta::remove(db, &format!("much {number}"))))
            .unwrap();
        let size = || std::fs::metadata(&path).unwrap().len();
        assert!(size() > 64 << 20, "{}", size());
        // Also while somebody else looks.
        let other = Store::open(&path).unwrap();
        store.shrink();
        assert!(size() < 1 << 20, "{}", size());
        for store in [&store, &other] {
            assert_eq!(store.read(|db| meta::get(db, "stays")).unwrap().as_deref(), Some("here"));
        }
    }
}
