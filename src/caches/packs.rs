//! Which packs of chunks lie beside the messages of each folder, what is in them, and which message
//! needs which.
//!
//! A pack is noted together with its file in the journal, in the transaction that also notes the
//! message: what is noted here is on the drive, or goes there before any message that names it.
//!
//! Invariant: a pack that a message needs is not returned as one that may go.

use std::collections::{HashMap, HashSet};

use rusqlite::{Connection as Database, params};

use super::journal::parse_id;
use super::{Error, Result};
use crate::connections::FileId;
use crate::model::Digest;

const DIGEST_BYTES: usize = 32;

/// A pack that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPack {
    /// The id that was made for it beforehand.
    pub file: FileId,
    /// The folder that it belongs in.
    pub folder: FileId,
    /// How much it holds, before that was compressed.
    pub content_bytes: u64,
    /// What it holds.
    pub digests: Vec<Digest>,
}

/// What of some digests lies in the packs of a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The packs that hold any of it, each with how much it holds, before that was compressed.
    pub packs: Vec<(FileId, u64)>,
    /// In which of them each is: in the newest, where there are several.
    pub places: HashMap<Digest, u32>,
}

/// Notes a pack that is to be sent.
pub fn add(db: &Database, new: &NewPack) -> Result<()> {
    let digests: Vec<u8> = new.digests.iter().flat_map(|digest| *digest.as_bytes()).collect();
    let content = i64::try_from(new.content_bytes).unwrap_or(i64::MAX);
    db.prepare_cached(
        "INSERT INTO packs (file, folder, content, digests) VALUES (?1, ?2, ?3, ?4)",
    )?
    .execute(params![new.file.as_str(), new.folder.as_str(), content, digests])?;
    Ok(())
}

/// Looks for `wanted` in the packs of a folder. Holds one pack's digests in memory beside the answer.
pub fn find(db: &Database, folder: &FileId, wanted: &HashSet<Digest>) -> Result<Found> {
    let mut statement = db.prepare_cached(
        "SELECT file, content, digests FROM packs WHERE folder = ?1 ORDER BY number",
    )?;
    let mut rows = statement.query([folder.as_str()])?;
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
    db.prepare_cached("INSERT OR IGNORE INTO needed SELECT ?1, number FROM packs WHERE file = ?2")?
        .execute([message.as_str(), pack.as_str()])?;
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
        "SELECT file FROM packs WHERE number NOT IN (SELECT pack FROM needed) ORDER BY number",
    )?;
    let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
    rows.map(|row| parse_id(&row?)).collect()
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
    use crate::caches::Store;

    fn id(text: &str) -> FileId {
        FileId::parse(text).unwrap()
    }

    fn digest(text: &str) -> Digest {
        Digest::of(text.as_bytes())
    }

    fn pack(file: &str, folder: &str, holds: &[&str]) -> NewPack {
        let digests = holds.iter().map(|text| digest(text)).collect();
        NewPack { file: id(file), folder: id(folder), content_bytes: 7, digests }
    }

    fn store() -> Store {
        let store = Store::in_memory().unwrap();
        store
            .write(|db| {
                add(db, &pack("p1", "outbox", &["a", "b"]))?;
                add(db, &pack("p2", "outbox", &["b", "c"]))?;
                add(db, &pack("p3", "other", &["a", "d"]))
            })
            .unwrap();
        store
    }

    #[test]
    fn what_lies_in_a_folder_is_found_there_and_nowhere_else() {
        let store = store();
        let wanted = ["a", "b", "d"].map(digest).into();
        let found = store.read(|db| find(db, &id("outbox"), &wanted)).unwrap();
        assert_eq!(found.packs, [(id("p1"), 7), (id("p2"), 7)]);
        let places = [(digest("a"), 0), (digest("b"), 1)].into();
        assert_eq!(found.places, places);
        let none = ["c"].map(digest).into();
        let found = store.read(|db| find(db, &id("other"), &none)).unwrap();
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
        let left = |folder: &str| store.read(|db| find(db, &id(folder), &wanted)).unwrap();
        assert_eq!((left("other"), left("outbox").packs.len()), (Found::default(), 1));
    }

    #[test]
    fn half_a_digest_is_damage() {
        let store = store();
        store
            .write(|db| Ok(db.execute("UPDATE packs SET digests = x'00'", []).map(drop)?))
            .unwrap();
        let found = store.read(|db| find(db, &id("outbox"), &HashSet::new()));
        assert!(matches!(found, Err(Error::Damaged { .. })), "{found:?}");
    }
}
