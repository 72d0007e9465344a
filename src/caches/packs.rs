//! Which packs of chunks lie beside the messages of each folder, what is in them, and which message
//! needs which.
//!
//! A pack is noted before it is sent, without what it holds, and with that once it is there: so whatever is
//! found here is on the drive, and what a crash left there is known. What a message needs is noted before
//! it is sent.
//!
//! Invariant: a pack that a message needs is not returned as one that may go, nor one beside which a
//! message is still to be sent.

use std::collections::{HashMap, HashSet};

use rusqlite::{Connection as Database, params};

use super::journal::parse_id;
use super::{Error, Result};
use crate::connections::FileId;
use crate::model::Digest;

const DIGEST_BYTES: usize = 32;

/// What of some digests lies in the packs of a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The packs that hold any of it, each with how much it holds, before that was compressed.
    pub packs: Vec<(FileId, u64)>,
    /// In which of them each is: in the newest, where there are several.
    pub places: HashMap<Digest, u32>,
}

/// Notes a pack that is about to be sent, under an id that was made for it.
///
/// `seal` says by whose keys it is sealed, and for whose: who has others later opens none of these.
pub fn begin(db: &Database, file: &FileId, folder: &FileId, seal: &str) -> Result<()> {
    let sql =
        "INSERT INTO packs (file, folder, content, digests, seal) VALUES (?1, ?2, 0, x'', ?3)";
    db.prepare_cached(sql)?.execute([file.as_str(), folder.as_str(), seal])?;
    Ok(())
}

/// Notes that a pack is there, and what it holds.
pub fn fill(db: &Database, file: &FileId, content_bytes: u64, holds: &[Digest]) -> Result<()> {
    let digests: Vec<u8> = holds.iter().flat_map(|digest| *digest.as_bytes()).collect();
    let content = i64::try_from(content_bytes).unwrap_or(i64::MAX);
    db.prepare_cached("UPDATE packs SET content = ?2, digests = ?3 WHERE file = ?1")?
        .execute(params![file.as_str(), content, digests])?;
    Ok(())
}

/// Returns how many packs lie in folders of ours, and how many bytes they hold, before those were compressed.
pub fn total(db: &Database) -> Result<(u64, u64)> {
    let sql = "SELECT count(*), coalesce(sum(content), 0) FROM packs WHERE length(digests) > 0";
    let number = |number: i64| u64::try_from(number).unwrap_or(0);
    let read = |row: &rusqlite::Row<'_>| Ok((number(row.get(0)?), number(row.get(1)?)));
    Ok(db.prepare_cached(sql)?.query_row([], read)?)
}

/// True if anything is noted.
pub fn is_any(db: &Database) -> Result<bool> {
    Ok(db.prepare_cached("SELECT 1 FROM packs LIMIT 1")?.exists([])?)
}

/// True if this is a pack that was sent from here.
pub fn is_noted(db: &Database, pack: &FileId) -> Result<bool> {
    Ok(db.prepare_cached("SELECT 1 FROM packs WHERE file = ?1")?.exists([pack.as_str()])?)
}

/// True if `message` needs packs.
pub fn needs_any(db: &Database, message: &FileId) -> Result<bool> {
    let sql = "SELECT 1 FROM needed WHERE message = ?1 LIMIT 1";
    Ok(db.prepare_cached(sql)?.exists([message.as_str()])?)
}

/// Looks for `wanted` in the packs of a folder that are sealed alike. Holds one pack's digests in memory
/// beside the answer. `is_listed`: the catalogue knows what lies in the folder, so what it does not know
/// somebody has deleted.
pub fn find(
    db: &Database,
    (folder, is_listed): (&FileId, bool),
    seal: &str,
    wanted: &HashSet<Digest>,
) -> Result<Found> {
    let mut statement = db.prepare_cached(
        "SELECT file, content, digests FROM packs WHERE folder = ?1 AND seal = ?2
         AND (NOT ?3 OR EXISTS (SELECT 1 FROM catalogue
             WHERE catalogue.id = packs.file AND catalogue.parent = packs.folder))
         ORDER BY number",
    )?;
    let mut rows = statement.query(params![folder.as_str(), seal, is_listed])?;
    let mut found = Found::default();
    while let Some(row) = rows.next()? {
        let (file, content): (String, i64) = (row.get(0)?, row.get(1)?);
        let digests = row.get_ref(2)?.as_blob().map_err(|e| Error::damaged(e.to_string()))?;
        let (digests, rest) = digests.as_chunks::<DIGEST_BYTES>();
        if !rest.is_empty() {
            return Err(Error::damaged("a pack with half a digest"));
        }
        let place = u32::try_from(found.packs.len()).unwrap_or(u32::MAX);
        let mut is_any = false;
        for digest in digests.iter().map(|bytes| Digest::from_bytes(*bytes)) {
            if wanted.contains(&digest) {
                found.places.insert(digest, place);
                is_any = true;
            }
        }
        if is_any {
            found.packs.push((parse_id(&file)?, u64::try_from(content).unwrap_or(0)));
        }
    }
    Ok(found)
}

/// Notes that `message` names `pack`.
pub fn need(db: &Database, message: &FileId, pack: &FileId) -> Result<()> {
    let sql = "INSERT OR IGNORE INTO needed (message, pack)
         SELECT ?1, number FROM packs WHERE file = ?2";
    db.prepare_cached(sql)?.execute([message.as_str(), pack.as_str()])?;
    Ok(())
}

/// Notes that `message` is gone, or was taken back.
pub fn free(db: &Database, message: &FileId) -> Result<()> {
    db.prepare_cached("DELETE FROM needed WHERE message = ?1")?.execute([message.as_str()])?;
    Ok(())
}

/// Returns the packs that no message needs: they may go.
pub fn unneeded(db: &Database) -> Result<Vec<FileId>> {
    let mut statement = db.prepare_cached(
        "SELECT file FROM packs WHERE number NOT IN (SELECT pack FROM needed)
         AND folder NOT IN (SELECT folder FROM outgoing) ORDER BY number",
    )?;
    let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
    rows.map(|row| parse_id(&row?)).collect()
}

/// Frees what is needed only by messages that were there neither now, that everything was listed, nor the
/// time before: another machine has deleted them.
pub fn heed_listing(db: &Database) -> Result<()> {
    let is_there = "message IN (SELECT id FROM catalogue) OR message IN (SELECT file FROM outgoing)
         OR message IN (SELECT file FROM delivered) OR message IN (SELECT message FROM submitted)";
    db.execute(&format!("DELETE FROM needed WHERE missing = 1 AND NOT ({is_there})"), [])?;
    db.execute(&format!("UPDATE needed SET missing = NOT ({is_there})"), [])?;
    Ok(())
}

/// Notes that a pack is gone.
pub fn gone(db: &Database, pack: &FileId) -> Result<()> {
    db.prepare_cached(
        "DELETE FROM needed WHERE pack = (SELECT number FROM packs WHERE file = ?1)",
    )?
    .execute([pack.as_str()])?;
    db.prepare_cached("DELETE FROM packs WHERE file = ?1")?.execute([pack.as_str()])?;
    Ok(())
}

/// Forgets the packs of a folder: it is gone, or another one has taken its place.
pub fn forget(db: &Database, folder: &FileId) -> Result<()> {
    db.prepare_cached(
        "DELETE FROM needed WHERE pack IN (SELECT number FROM packs WHERE folder = ?1)",
    )?
    .execute([folder.as_str()])?;
    db.prepare_cached("DELETE FROM packs WHERE folder = ?1")?.execute([folder.as_str()])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caches::{Store, catalogue, journal};
    use crate::connections::{Entry, Kind};

    fn id(text: &str) -> FileId {
        FileId::parse(text).unwrap()
    }

    fn digest(text: &str) -> Digest {
        Digest::of(text.as_bytes())
    }

    fn add(db: &Database, file: &str, folder: &str, holds: &[&str]) -> Result<()> {
        let digests: Vec<Digest> = holds.iter().map(|text| digest(text)).collect();
        begin(db, &id(file), &id(folder), "plain")?;
        fill(db, &id(file), 7, &digests)
    }

    fn store() -> Store {
        let store = Store::in_memory().unwrap();
        store
            .write(|db| {
                add(db, "p1", "outbox", &["a", "b"])?;
                add(db, "p2", "outbox", &["b", "c"])?;
                add(db, "p3", "other", &["a", "d"])
            })
            .unwrap();
        store
    }

    fn entry(file: &str, folder: &str) -> Entry {
        Entry {
            id: id(file),
            name: String::new(),
            kind: Kind::File,
            size_bytes: 0,
            owner: None,
            is_mine: true,
            parents: vec![id(folder)],
            created_micros: 0,
            revision: 0,
            tags: std::collections::BTreeMap::new(),
        }
    }

    #[test]
    fn what_lies_in_a_folder_is_found_there_and_nowhere_else() {
        let store = store();
        let wanted = ["a", "b", "d"].map(digest).into();
        let found = store.read(|db| find(db, (&id("outbox"), false), "plain", &wanted)).unwrap();
        assert_eq!(found.packs, [(id("p1"), 7), (id("p2"), 7)]);
        let places = [(digest("a"), 0), (digest("b"), 1)].into();
        assert_eq!(found.places, places);
        let none = ["c"].map(digest).into();
        let found = store.read(|db| find(db, (&id("other"), false), "plain", &none)).unwrap();
        assert_eq!(found, Found::default());
        let found =
            store.read(|db| find(db, (&id("outbox"), false), "other keys", &wanted)).unwrap();
        assert_eq!(found, Found::default());
    }

    #[test]
    fn a_pack_goes_with_the_last_message_that_needs_it() {
        let store = store();
        let unneeded = || store.read(unneeded).unwrap();
        store
            .write(|db| {
                need(db, &id("m1"), &id("p1"))?;
                need(db, &id("m1"), &id("p2"))?;
                need(db, &id("m2"), &id("p2"))?;
                need(db, &id("m2"), &id("p2"))?;
                need(db, &id("m3"), &id("p3"))
            })
            .unwrap();
        assert_eq!(unneeded(), []);
        store.write(|db| free(db, &id("m1"))).unwrap();
        assert_eq!(unneeded(), [id("p1")]);
        store.write(|db| gone(db, &id("p1"))).unwrap();
        assert_eq!(unneeded(), []);
        store.write(|db| free(db, &id("m2"))).unwrap();
        assert_eq!(unneeded(), [id("p2")]);
        store.write(|db| forget(db, &id("other"))).unwrap();
        let wanted = ["a", "b", "c", "d"].map(digest).into();
        let left = |folder: &str| {
            store.read(|db| find(db, (&id(folder), false), "plain", &wanted)).unwrap()
        };
        assert_eq!((left("other"), left("outbox").packs.len()), (Found::default(), 1));
    }

    #[test]
    fn what_a_crash_left_is_known_and_may_go_once_no_message_waits_beside_it() {
        let store = store();
        let unneeded = || store.read(unneeded).unwrap();
        let message = journal::NewOutgoing {
            file: id("m1"),
            folder: id("outbox"),
            name: "m1".to_owned(),
            peer: None,
            content: journal::Load::Bytes(Vec::new()),
        };
        store
            .write(|db| {
                begin(db, &id("p4"), &id("outbox"), "plain")?;
                need(db, &id("m0"), &id("p1"))?;
                need(db, &id("m0"), &id("p3"))?;
                journal::add(db, &message)
            })
            .unwrap();
        assert_eq!(unneeded(), []);
        let found = store
            .read(|db| find(db, (&id("outbox"), false), "plain", &["c"].map(digest).into()))
            .unwrap();
        assert_eq!(found.packs, [(id("p2"), 7)]);
        store.write(|db| journal::withdraw(db, &id("m1"))).unwrap();
        assert_eq!(unneeded(), [id("p2"), id("p4")]);
    }

    #[test]
    fn a_message_that_is_missed_twice_needs_nothing() {
        let store = store();
        let heed = || store.write(heed_listing).unwrap();
        let needs = || store.read(|db| needs_any(db, &id("m1"))).unwrap();
        let entry = entry("m1", "outbox");
        store.write(|db| need(db, &id("m1"), &id("p1"))).unwrap();
        heed();
        // It was only shown late.
        store.write(|db| catalogue::put(db, &entry)).unwrap();
        heed();
        store.write(|db| catalogue::remove(db, &id("m1"))).unwrap();
        heed();
        assert!(needs());
        heed();
        assert!(!needs());
    }

    #[test]
    fn packs_are_counted_once_they_are_there() {
        let store = store();
        store.write(|db| begin(db, &id("p4"), &id("outbox"), "plain")).unwrap();
        assert_eq!(store.read(total).unwrap(), (3, 21));
        assert_eq!(Store::in_memory().unwrap().read(total).unwrap(), (0, 0));
    }

    #[test]
    fn what_somebody_has_deleted_is_not_found() {
        let store = store();
        let wanted = ["a"].map(digest).into();
        let found = |is_listed| {
            let folder = id("outbox");
            store.read(|db| find(db, (&folder, is_listed), "plain", &wanted)).unwrap().packs.len()
        };
        assert_eq!((found(false), found(true)), (1, 0));
        for (folder, is_found) in [("outbox", 1), ("elsewhere", 0)] {
            let entry = entry("p1", folder);
            store.write(|db| catalogue::put(db, &entry)).unwrap();
            assert_eq!((found(false), found(true)), (1, is_found), "{folder}");
        }
    }

    #[test]
    fn half_a_digest_is_damage() {
        let store = store();
        store
            .write(|db| Ok(db.execute("UPDATE packs SET digests = x'00'", []).map(drop)?))
            .unwrap();
        let found = store.read(|db| find(db, (&id("outbox"), false), "plain", &HashSet::new()));
        assert!(matches!(found, Err(Error::Damaged { .. })), "{found:?}");
    }
}
