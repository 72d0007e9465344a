//! Puts in its place what is ours and of which there is to be one: a folder, or a small file whose
//! content is replaced from time to time.
//!
//! The id is reserved before the creation and remembered until it is known to be done, so that an
//! attempt after one whose answer was lost meets the same id, and does not make a second one. What
//! was made under an id may be deleted elsewhere before we hear that it was made: an id is never
//! used again, so another one is reserved then.

use std::collections::BTreeMap;

use crate::caches::{catalogue, meta};
use crate::connections::{self, Content, Entry, FileId, Kind, NewEntry};

use super::sending::take_id;
use super::{Account, Result};

/// Where a file belongs, and what it is called.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    /// The folder.
    pub parent: &'a FileId,
    /// The name on the drive.
    pub name: &'a str,
    /// The name under which the id is reserved, and which our own catalogue knows until the service
    /// has told: that of the file, unless it changes from attempt to attempt.
    pub note: &'a str,
    /// The media type of its content.
    pub media_type: &'static str,
}

/// How many ids are tried: one that an earlier attempt reserved, and a fresh one.
const IDS_TRIED: usize = 2;

/// Replaces the content of the file `known`, or creates it if there is none (any more). Returns its
/// id.
pub(super) async fn put_file(
    account: &Account,
    known: Option<&FileId>,
    place: Place<'_>,
    content: Content,
) -> Result<FileId> {
    let own = account.router.own();
    if let Some(id) = known {
        match own.replace(id, content.clone()).await {
            Ok(()) => return Ok(id.clone()),
            // Else the next look at the catalogue would find it again.
            Err(connections::Error::NotFound { .. }) => {
                account.store.write(|db| catalogue::remove(db, id))?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    let mut gone = None;
    for _ in 0..IDS_TRIED {
        let id = reserve_id(account, place.parent, place.note).await?;
        let new = NewEntry {
            id: Some(id.clone()),
            parent: place.parent.clone(),
            name: place.name.to_owned(),
            media_type: place.media_type,
            tags: BTreeMap::new(),
        };
        let done = match own.create_file(&new, content.clone()).await {
            // An earlier attempt got through, with an older content.
            Err(connections::Error::AlreadyExists { .. }) => {
                own.replace(&id, content.clone()).await
            }
            created => created.map(|_| ()),
        };
        match done {
            Ok(()) => {
                note_own(account, &id, place.parent, place.note, Kind::File)?;
                return Ok(id);
            }
            // It is the file that is gone, or else the folder: that the second id tells.
            Err(error @ connections::Error::NotFound { .. }) => {
                release_id(account, place.parent, place.note)?;
                gone = Some(error);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(gone.unwrap_or(connections::Error::NotFound { id: place.parent.clone() }).into())
}

/// Creates a folder of ours, notes it in the catalogue, and returns its id.
pub(super) async fn create_folder(
    account: &Account,
    parent: &FileId,
    name: &str,
) -> Result<FileId> {
    let mut id = reserve_id(account, parent, name).await?;
    let is_new = account.router.create_folder_once(parent, &id, name).await?;
    if !is_new && is_gone(account, &id).await? {
        release_id(account, parent, name)?;
        id = reserve_id(account, parent, name).await?;
        account.router.create_folder_once(parent, &id, name).await?;
    }
    note_own(account, &id, parent, name, Kind::Folder)?;
    Ok(id)
}

/// True if something of ours was deleted: asked by its id, which no listing delays.
pub(super) async fn is_gone(account: &Account, id: &FileId) -> Result<bool> {
    match account.router.own().shares(id).await {
        Ok(_) => Ok(false),
        Err(connections::Error::NotFound { .. }) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

/// Takes an id for something that there is to be once, and remembers it until [`note_own`].
pub(super) async fn reserve_id(account: &Account, parent: &FileId, name: &str) -> Result<FileId> {
    let key = reservation(parent, name);
    if let Some(text) = account.store.read(|db| meta::get(db, &key))?
        && let Ok(id) = FileId::parse(&text)
    {
        return Ok(id);
    }
    let id = take_id(account).await?;
    account.store.write(|db| meta::set(db, &key, id.as_str()))?;
    Ok(id)
}

/// Forgets a reserved id that can be used no more.
fn release_id(account: &Account, parent: &FileId, name: &str) -> Result<()> {
    Ok(account.store.write(|db| meta::remove(db, &reservation(parent, name)))?)
}

fn reservation(parent: &FileId, name: &str) -> String {
    format!("reserved {parent} {name}")
}

/// Notes in the catalogue what we made ourselves, before the change feed tells of it.
pub(super) fn note_own(
    account: &Account,
    id: &FileId,
    parent: &FileId,
    name: &str,
    kind: Kind,
) -> Result<()> {
    let entry = Entry {
        id: id.clone(),
        name: name.to_owned(),
        kind,
        size_bytes: 0,
        owner: Some(account.email.clone()),
        is_mine: true,
        parents: vec![parent.clone()],
        created_micros: i64::MAX, // Until the feed says when: after all that is known.
        revision: -1,
        tags: BTreeMap::new(),
    };
    account.store.write(|db| {
        catalogue::put(db, &entry)?;
        catalogue::set_listed(db, id, true)?;
        meta::remove(db, &reservation(parent, name))
    })?;
    Ok(())
}
