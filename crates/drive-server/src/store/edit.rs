//! Creates, changes, moves and copies files.
//!
//! A file belongs to whoever creates it, in whoever's folder. A writer may change and move what he
//! does not own; only the owner puts it into the trash. A file has one parent at most.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};

use super::{
    Refusal, Result, Txn,
    access::{self, OWNER, READER, WRITER},
    content::{EMPTY_MD5, EMPTY_SHA256, Stored},
    files::{self, FOLDER, FileRow, Place},
    ids,
    tokens::Me,
    words,
};
use crate::query;

/// What a client says about a file; none leaves things as they are, or takes the default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Metadata {
    pub(crate) id: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) mime: Option<String>,
    pub(crate) parents: Option<Vec<String>>,
    pub(crate) description: Option<String>,
    pub(crate) created_ms: Option<i64>,
    pub(crate) modified_ms: Option<i64>,
    pub(crate) trashed: Option<bool>,
    /// Kind of property → key → value; no value deletes the key.
    pub(crate) properties: BTreeMap<&'static str, BTreeMap<String, Option<String>>>,
}

/// New bytes of a file, and what the client says they are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Content<'a> {
    pub(crate) stored: &'a Stored,
    pub(crate) mime: Option<&'a str>,
}

/// Where a file is to go: folders to leave and folders to enter, by id.
#[derive(Debug, Clone, Default)]
pub(crate) struct Moves {
    pub(crate) add: Vec<String>,
    pub(crate) remove: Vec<String>,
}

/// Creates a file and returns it.
pub(crate) fn create(
    txn: &mut Txn<'_>,
    me: &Me,
    meta: &Metadata,
    content: Option<Content<'_>>,
) -> Result<FileRow> {
    let parent = parent_for_new(&txn.tx, me, meta)?;
    access::check_place(&txn.tx, parent.seq, None)?;
    let key = files::id_key(&txn.tx)?;
    let id = match &meta.id {
        Some(id) => {
            check_id(txn, &key, id)?;
            id.clone()
        }
        None => ids::file_id(&key),
    };
    let mime = meta.mime.as_deref().or(content.and_then(|content| content.mime));
    let mime = mime.unwrap_or("application/octet-stream");
    if mime == FOLDER && content.is_some() {
        return Err(Refusal::FolderContent.into());
    }
    let name = meta.name.as_deref().unwrap_or("Untitled");
    let modified_ms = meta.modified_ms.unwrap_or(txn.now_ms);
    let stored = content.map(|content| content.stored);
    txn.tx
        .prepare_cached(
            "INSERT INTO file (id, name, words, mime, parent, owner, modifier, created_ms,
                               modified_ms, description, trashed, content, size, md5, sha256)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
        )?
        .execute(params![
            id,
            name,
            query::words(name),
            mime,
            parent.seq,
            me.principal,
            meta.created_ms.unwrap_or(txn.now_ms),
            modified_ms,
            meta.description,
            parent.trashed,
            stored.and_then(|stored| stored.id.as_deref()),
            stored.map_or(0, |stored| stored.size),
            stored.map_or(EMPTY_MD5, Stored::md5),
            stored.map_or(EMPTY_SHA256, |stored| &stored.sha256)
        ])?;
    let seq = txn.tx.last_insert_rowid();
    words::add(txn, seq, name)?;
    set_properties(txn, seq, meta)?;
    access::enter(txn, seq, &id, parent.seq, me.principal)?;
    files::by_seq(&txn.tx, me, seq)
}

/// Checks, before bytes are streamed, that a file with these parents may be created.
pub(crate) fn parent_for_new(c: &Connection, me: &Me, meta: &Metadata) -> Result<Place> {
    match meta.parents.as_deref() {
        None | Some([]) => writable_folder(c, me, "root"),
        Some([parent]) => writable_folder(c, me, parent),
        Some(_) => Err(Refusal::ManyParents.into()),
    }
}

/// Changes a file and returns it as it then is.
pub(crate) fn update(
    txn: &mut Txn<'_>,
    me: &Me,
    id: &str,
    meta: &Metadata,
    moves: &Moves,
    content: Option<Content<'_>>,
) -> Result<FileRow> {
    let file = files::get(&txn.tx, me, id, WRITER)?;
    if file.id == me.root && (content.is_some() || *meta != Metadata::default()) {
        return Err(Refusal::Root.into());
    }
    if let Some(discarded) = meta.trashed {
        if file.rank < OWNER {
            return Err(Refusal::Denied.into());
        }
        txn.tx
            .prepare_cached("UPDATE file SET discarded = ?2 WHERE seq = ?1")?
            .execute(params![file.seq, discarded])?;
    }
    move_file(txn, me, &file, moves)?;
    if let Some(content) = content {
        if file.is_native() {
            return Err(Refusal::FolderContent.into());
        }
        txn.released.extend(file.content.clone());
        set_content(txn, file.seq, content.stored)?;
    }
    let changed = content.is_some() || *meta != Metadata::default();
    let mime = meta.mime.as_deref().or(content.and_then(|content| content.mime));
    // A folder stays one, and nothing becomes one: its children would hang in the air.
    let mime = mime.filter(|mime| *mime != FOLDER && !file.is_folder());
    let name = meta.name.as_deref().unwrap_or(&file.name);
    let now = if changed { txn.now_ms } else { file.modified_ms };
    if name != file.name {
        words::remove(txn, file.seq, &file.name)?;
        words::add(txn, file.seq, name)?;
    }
    txn.tx
        .prepare_cached(
            "UPDATE file SET name = ?2, words = ?3, mime = coalesce(?4, mime),
                    description = coalesce(?5, description), created_ms = coalesce(?6, created_ms),
                    modified_ms = coalesce(?7, ?8), modifier = iif(?9, ?10, modifier),
                    version = version + 1
             WHERE seq = ?1",
        )?
        .execute(params![
            file.seq,
            name,
            query::words(name),
            mime,
            meta.description,
            meta.created_ms,
            meta.modified_ms,
            now,
            changed,
            me.principal
        ])?;
    set_properties(txn, file.seq, meta)?;
    access::settle(txn, file.seq)?;
    access::touch(txn, file.seq)?;
    files::by_seq(&txn.tx, me, file.seq)
}

/// Copies a file's content and, unless told otherwise, its metadata. The copy is the caller's.
pub(crate) fn copy(txn: &mut Txn<'_>, me: &Me, id: &str, meta: &Metadata) -> Result<FileRow> {
    let source = files::get(&txn.tx, me, id, READER)?;
    if source.is_folder() {
        return Err(Refusal::Denied.into());
    }
    let mut meta = meta.clone();
    meta.name.get_or_insert_with(|| format!("Copy of {}", source.name));
    meta.mime.get_or_insert_with(|| source.mime.clone());
    if let (None, Some(parent)) = (&meta.parents, &source.parent) {
        // Beside the original if one may write there, else into the caller's own root.
        if writable_folder(&txn.tx, me, parent).is_ok() {
            meta.parents = Some(vec![parent.clone()]);
        }
    }
    for kind in ["appProperties", "properties"] {
        let wanted = meta.properties.entry(kind).or_default();
        for (key, value) in files::properties(&txn.tx, source.seq, kind)? {
            wanted.entry(key).or_insert(Some(value));
        }
    }
    let copy = create(txn, me, &meta, None)?;
    txn.tx.execute(
        "UPDATE file SET (content, size, md5, sha256) =
                (SELECT content, size, md5, sha256 FROM file WHERE seq = ?2) WHERE seq = ?1",
        [copy.seq, source.seq],
    )?;
    files::by_seq(&txn.tx, me, copy.seq)
}

/// A writer may take a file out of a folder that he may write to; its owner may take it from
/// anywhere. The new parent must be writable for the one who moves.
fn move_file(txn: &Txn<'_>, me: &Me, file: &FileRow, moves: &Moves) -> Result<()> {
    if moves.add.is_empty() && moves.remove.is_empty() {
        return Ok(());
    }
    if file.id == me.root {
        return Err(Refusal::Root.into());
    }
    let current: Option<(i64, String)> = txn.tx.query_row(
        "SELECT p.seq, p.id FROM file f LEFT JOIN file p ON p.seq = f.parent WHERE f.seq = ?1",
        [file.seq],
        |row| Ok(row.get::<_, Option<i64>>(0)?.zip(row.get(1)?)),
    )?;
    let named = |id: &String| if id == "root" { me.root.clone() } else { id.clone() };
    let remove: Vec<String> = moves.remove.iter().map(named).collect();
    let mut parent = current;
    if let Some((seq, _)) = parent.take_if(|(_, id)| remove.contains(id))
        && file.rank < OWNER
        && access::rank(&txn.tx, seq, me.principal)? < WRITER
    {
        return Err(Refusal::Denied.into());
    }
    for id in moves.add.iter().map(named) {
        let target = writable_folder(&txn.tx, me, &id)?.seq;
        match &parent {
            Some((seq, _)) if *seq == target => {}
            Some(_) => return Err(Refusal::ManyParents.into()),
            None => {
                access::check_place(&txn.tx, target, Some(file.seq))?;
                parent = Some((target, id));
            }
        }
    }
    txn.tx
        .prepare_cached("UPDATE file SET parent = ?2 WHERE seq = ?1")?
        .execute(params![file.seq, parent.map(|(seq, _)| seq)])?;
    Ok(())
}

fn writable_folder(connection: &Connection, me: &Me, id: &str) -> Result<Place> {
    let folder = files::place(connection, me, id)?;
    if folder.rank < WRITER {
        return Err(Refusal::DeniedParent.into());
    }
    if !folder.is_folder {
        return Err(Refusal::ParentNotFolder.into());
    }
    Ok(folder)
}

/// Refuses ids of strangers, and ids that are or were in use: a repeated create must not make a
/// second file, also if the first one is deleted by now.
fn check_id(txn: &Txn<'_>, key: &[u8], id: &str) -> Result<()> {
    if !ids::is_file_id(key, id) {
        return Err(Refusal::IdNotUsable.into());
    }
    let mut used = txn.tx.prepare_cached(
        "SELECT 1 FROM file WHERE id = ?1 UNION ALL SELECT 1 FROM change WHERE file = ?1",
    )?;
    if used.exists([id])? { Err(Refusal::IdInUse.into()) } else { Ok(()) }
}

fn set_content(txn: &Txn<'_>, file: i64, stored: &Stored) -> Result<()> {
    txn.tx
        .prepare_cached(
            "UPDATE file SET content = ?2, size = ?3, md5 = ?4, sha256 = ?5 WHERE seq = ?1",
        )?
        .execute(params![file, stored.id, stored.size, stored.md5(), stored.sha256])?;
    Ok(())
}

fn set_properties(txn: &Txn<'_>, file: i64, meta: &Metadata) -> Result<()> {
    for (kind, pairs) in &meta.properties {
        for (key, value) in pairs {
            match value {
                Some(value) => txn
                    .tx
                    .prepare_cached("INSERT OR REPLACE INTO property VALUES (?1, ?2, ?3, ?4)")?
                    .execute(params![file, kind, key, value])?,
                None => txn
                    .tx
                    .prepare_cached(
                        "DELETE FROM property WHERE file = ?1 AND kind = ?2 AND key = ?3",
                    )?
                    .execute(params![file, kind, key])?,
            };
        }
    }
    Ok(())
}
