//! Our version files: one for each version that our peers state.
//!
//! Peers read the first `SYFT_version.json` of ours that they may see, and a Python owner passes
//! over whoever states another version than its own. So each file is shared only with those peers
//! whose version it states. The one of the home dialect lies directly in the SyftBox, where a Python
//! client of the same account looks for its own; the others lie in a folder each that is named after
//! the version. Source: DIALECT_0_10 E.1.

use crate::caches::meta;
use crate::connections::{self, Content, FileId};
use crate::model::Timestamp;
use crate::wire::names::{VERSION_FILE, VersionsFolder};
use crate::wire::{Capability, Dialect, Implementation, limits};

use super::placing::{Place, create_folder, put_file};
use super::sending::no_home;
use super::{Account, Directory, Result};

/// The key of what we last wrote into a version file, its time left out.
fn content_key(file: &FileId) -> String {
    format!("version.own {file}")
}

/// True if the version file for peers who speak `dialect` is the one directly in the SyftBox.
fn is_home(account: &Account, dialect: &Dialect) -> bool {
    dialect.client_version == account.dialect.client_version
}

/// True unless `file` is known to be the version file for another version than that of `dialect`.
pub(super) fn may_state(
    account: &Account,
    directory: &Directory,
    dialect: &Dialect,
    file: &FileId,
) -> bool {
    let is_root = directory.version_file.as_ref().map(|entry| entry.id == *file);
    is_root.is_none_or(|is_root| is_root == is_home(account, dialect))
}

/// Returns the version file for peers who speak `dialect`, if there is one.
pub(super) fn version_file<'d>(
    account: &Account,
    directory: &'d Directory,
    dialect: &Dialect,
) -> Option<&'d FileId> {
    if is_home(account, dialect) {
        return directory.version_file.as_ref().map(|entry| &entry.id);
    }
    directory.other_versions.get(&dialect.client_version)
}

/// Returns all our version files but `file`.
pub(super) fn other_version_files(directory: &Directory, file: &FileId) -> Vec<FileId> {
    let home = directory.version_file.iter().map(|entry| &entry.id);
    let all = home.chain(directory.other_versions.values());
    all.filter(|other| *other != file).cloned().collect()
}

/// Makes sure that there is a version file for peers who speak `dialect` and that it says what this
/// program speaks, and returns its id.
///
/// # Errors
/// If the service refuses.
pub(super) async fn write_version(
    account: &Account,
    directory: &Directory,
    dialect: &Dialect,
    now: Timestamp,
) -> Result<FileId> {
    let source = dialect.install_source();
    let info = dialect.version_info(now, Some(source), Some(program(account)));
    let content = timeless(&info.to_json());
    let known = version_file(account, directory, dialect);
    if let Some(id) = known {
        let written = account.store.read(|db| meta::get(db, &content_key(id)))?;
        if content.is_some() && written == content {
            return Ok(id.clone());
        }
    }
    let folder = folder_of_version(account, directory, dialect).await?;
    let (name, note) = (VERSION_FILE, VERSION_FILE);
    let place = Place { parent: &folder, name, note, media_type: "text/plain" };
    let id = put_file(account, known, place, Content::Bytes(info.to_json().into())).await?;
    if is_home(account, dialect) {
        write_local_copy(account, &info.to_json())?;
    }
    account.store.write(|db| match &content {
        Some(content) => meta::set(db, &content_key(&id), content),
        None => Ok(()),
    })?;
    Ok(id)
}

/// Returns what a version file says, its time left out; `None` if it is no such file.
fn timeless(json: &[u8]) -> Option<String> {
    let mut value: serde_json::Value = serde_json::from_slice(json).ok()?;
    value.as_object_mut()?.shift_remove("updated_at");
    Some(value.to_string())
}

/// Reads our version files of which this machine does not know what they say: another of ours wrote them,
/// and where nothing is new nothing is written, which all peers would have to read.
///
/// # Errors
/// If the database fails.
pub(super) async fn learn(account: &Account, directory: &Directory) -> Result<()> {
    let home = directory.version_file.iter().map(|entry| &entry.id);
    for file in home.chain(directory.other_versions.values()) {
        let key = content_key(file);
        if account.store.read(|db| meta::get(db, &key))?.is_some() {
            continue;
        }
        let limit = limits::PEER_FILE_BYTES_MAX as u64;
        let content = match account.router.own().read(file, limit).await {
            Ok(bytes) => timeless(&bytes).unwrap_or_default(),
            // It is none of our making, and is not read again in each sync.
            Err(connections::Error::TooLarge { .. }) => String::new(),
            Err(_) => continue,
        };
        account.store.write(|db| meta::set(db, &key, &content))?;
    }
    Ok(())
}

/// Describes this program, as far as it speaks here.
fn program(account: &Account) -> Implementation {
    let this = Implementation::this();
    if account.spoken.len() > 1 { this } else { this.without(Capability::AnyGeneration) }
}

async fn folder_of_version(
    account: &Account,
    directory: &Directory,
    dialect: &Dialect,
) -> Result<FileId> {
    let root = directory.syftbox.clone().ok_or_else(no_home)?;
    if is_home(account, dialect) {
        return Ok(root);
    }
    let version = dialect.client_version;
    match directory.versions_folders.get(&version) {
        Some(folder) => Ok(folder.clone()),
        None => create_folder(account, &root, &VersionsFolder { version }.to_string()).await,
    }
}

/// Where a Python client on this machine looks for what ran here last.
fn write_local_copy(account: &Account, bytes: &[u8]) -> Result<()> {
    let local = account.folders.syftbox.join(VERSION_FILE);
    std::fs::create_dir_all(&account.folders.syftbox)
        .and_then(|()| std::fs::write(&local, bytes))
        .map_err(|source| crate::caches::Error::File { path: local, what: "written", source })?;
    Ok(())
}

/// Brings our version files up to date, those that there are.
///
/// # Errors
/// If the service refuses.
pub(crate) async fn refresh_versions(
    account: &Account,
    directory: &Directory,
    now: Timestamp,
) -> Result<()> {
    if directory.version_file.is_some() {
        write_version(account, directory, &account.dialect, now).await?;
    }
    for version in directory.other_versions.keys() {
        // What no dialect of ours fits was made by a later release of ours: it is left alone.
        let dialects = Dialect::all();
        if let Some(dialect) = dialects.iter().find_map(|dialect| dialect.at(*version)) {
            write_version(account, directory, &dialect, now).await?;
        }
    }
    Ok(())
}
