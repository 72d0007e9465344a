//! Sends a large file in an upload that outlives the process.
//!
//! Before the first byte the address of the session is kept, with all that it was opened for: where,
//! under which id and name, and of which content (length and SHA-256). Only what agrees in all of that
//! is gone on with, so that one file is never made of two contents; if the local file changes while it
//! is sent, the checksum of what lies there in the end is another one, and it is deleted.
//!
//! The address gives access without a token. It is in a file of mode 0600 and nowhere else.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use drive_api::{Content, Drive, KeepSession, Progress};
use serde::{Deserialize, Serialize};

use super::translate::{entry, failed};
use super::{SERVICE, creation_failed, new_file};
use crate::caches::write_private_file;
use crate::connections::transfer::{Far, Heard, Sending, make_private, with_ending};
use crate::connections::{Entry, Error, FileId, NewEntry, Result};
use crate::model::Digest;

/// The ending of the file that keeps a session.
const ENDING: &str = "session";
const FORMAT: u32 = 1;

/// What a session was opened for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Purpose {
    format: u32,
    drive: String,
    id: String,
    parent: String,
    name: String,
    size_bytes: u64,
    sha256: String,
}

/// What is kept of a session.
#[derive(Serialize, Deserialize)]
struct Kept {
    #[serde(flatten)]
    purpose: Purpose,
    address: String,
}

/// Keeps the session of one upload.
struct Keeper {
    path: PathBuf,
    purpose: Purpose,
    heard: Heard,
}

/// Without the address, which is not in it anyway, and without names of files.
impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keeper")
    }
}

impl KeepSession for Keeper {
    fn known(&self) -> Option<String> {
        let kept: Kept = serde_json::from_slice(&std::fs::read(&self.path).ok()?).ok()?;
        (kept.purpose == self.purpose).then_some(kept.address)
    }

    fn keep(&self, address: &str) -> io::Result<()> {
        let kept = Kept { purpose: self.purpose.clone(), address: address.to_owned() };
        let text = serde_json::to_vec(&kept)?;
        if let Some(folder) = self.path.parent() {
            make_private(folder)?;
        }
        write_private_file(&self.path, &text).map_err(io::Error::other)
    }

    fn resumed(&self, kept_bytes: u64) {
        self.heard.tell(Far::Before(kept_bytes));
    }
}

impl Keeper {
    /// Forgets the session: it is of no use.
    fn forget(&self) {
        // What cannot be removed now is removed once its file is not wanted any more.
        drop(std::fs::remove_file(&self.path));
    }
}

/// Sends the file `from`; see [`Connection::send`](crate::connections::Connection::send).
pub(super) async fn send(
    drive: &Drive,
    new: &NewEntry,
    from: &Path,
    sending: &Sending,
) -> Result<Entry> {
    let size_bytes = tokio::fs::metadata(from).await?.len();
    let Some(id) = &new.id else {
        let what = "a large file without an id".to_owned();
        return Err(Error::Invalid { service: SERVICE, what });
    };
    let purpose = Purpose {
        format: FORMAT,
        drive: drive.endpoint().root().to_string(),
        id: id.to_string(),
        parent: new.parent.to_string(),
        name: new.name.clone(),
        size_bytes,
        sha256: sending.digest.to_hex(),
    };
    let (path, heard) = (with_ending(&sending.kept, ENDING), sending.heard.clone());
    let keeper = Arc::new(Keeper { path, purpose, heard: heard.clone() });
    let told = drive.with_progress(Progress::new(Arc::new(move |at| heard.tell(Far::At(at)))));
    let content = Content::File(from.to_owned());
    let made = match told.upload_kept(new_file(new), content, keeper.clone()).await {
        // An earlier call got through, and nobody was there to read the answer.
        Err(drive_api::Error::AlreadyExists { .. }) => drive.get(id.as_str()).await,
        made => made,
    };
    let made = made.map_err(|error| creation_failed(error, new))?;
    if !arrived(drive, id, &made, from, sending.digest, size_bytes).await? {
        drive.delete(id.as_str()).await.map_err(|error| failed(error, id, "delete this"))?;
        keeper.forget();
        return Err(Error::Damaged { service: SERVICE });
    }
    sending.heard.tell(Far::At(size_bytes));
    entry(made)
}

/// True if what lies there is what was sent, by the checksum that the service tells.
async fn arrived(
    drive: &Drive,
    id: &FileId,
    made: &drive_api::File,
    from: &Path,
    digest: Digest,
    size_bytes: u64,
) -> Result<bool> {
    if made.size != Some(size_bytes) {
        return Ok(false);
    }
    if let Some(sha256) = &made.sha256 {
        return Ok(*sha256 == digest.to_hex());
    }
    let asked = drive.md5(id.as_str()).await;
    let Some(md5) = asked.map_err(|error| failed(error, id, "read this"))? else { return Ok(true) };
    // Read for this alone, since services with no more than that are rare.
    let path = from.to_owned();
    let read = tokio::task::spawn_blocking(move || {
        let open = || std::fs::File::open(&path);
        let read = drive_api::Begun::read(&mut open()?)?;
        Ok::<_, io::Error>((drive_api::md5_of(&mut open()?)?, read.sha256()))
    });
    Ok(read.await.map_err(io::Error::other)?? == (md5, digest.to_hex()))
}
