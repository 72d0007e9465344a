//! Large files on their way: what is kept so that they survive the end of a process, and who hears
//! how far they are.
//!
//! What is kept of an upload is the address of its session with the service. That is a secret, which
//! gives access without a token: it lies in a folder of this user alone, in a file of mode 0600, and in
//! no error, log or report. What is kept of a download is what came, and of which content that is.
//!
//! A service that cannot go on ([`Connection::resumes`]) carries the file whole, each time.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Connection, Content, Entry, FileId, NewEntry, Result};
use crate::model::Digest;

/// From this size on a file is worth being gone on with: below, sending it again costs less than
/// asking.
pub const LARGE_BYTES_MIN: u64 = 8 << 20;

/// A large file that is to be sent.
#[derive(Clone, Debug)]
pub struct Sending {
    /// The digest of its content, as the caller has just found it: what was sent before belongs to the
    /// same content if it was sent of the same digest, and what lies there in the end must have it.
    pub digest: Digest,
    /// Where what is kept lies: a path that nobody else uses, see [`kept_at`].
    pub kept: PathBuf,
    /// Hears how far it is.
    pub heard: Heard,
}

/// A large file that is to be fetched.
#[derive(Clone, Debug)]
pub struct Fetching {
    /// Where what came is kept, until its caller needs it no longer, see [`kept_at`]. On the file
    /// system on which the target is.
    pub kept: PathBuf,
    /// Hears how far it is.
    pub heard: Heard,
}

/// What is heard of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Far {
    /// So many of its bytes had gone over before this process began.
    Before(u64),
    /// So many of its bytes have gone over. May go back, where a connection broke.
    At(u64),
}

/// Who hears how far one file is.
#[derive(Clone, Default)]
pub struct Heard(Option<Arc<dyn Fn(Far) + Send + Sync>>);

impl Heard {
    /// Reports to `hear`, which should return at once.
    pub fn by(hear: impl Fn(Far) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(hear)))
    }

    /// Tells.
    pub fn tell(&self, far: Far) {
        if let Some(hear) = &self.0 {
            hear(far);
        }
    }
}

impl fmt::Debug for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Heard" } else { "Unheard" })
    }
}

/// Returns where in `folder` is kept what belongs to the file `id`: one name for each, without an
/// ending. Ids are any text of a service, and may be too long for a name.
pub fn kept_at(folder: &Path, id: &FileId) -> PathBuf {
    let mut name = Digest::of(id.as_str().as_bytes()).to_hex();
    name.truncate(40);
    folder.join(name)
}

/// Adds an ending to what is kept.
pub(crate) fn with_ending(kept: &Path, ending: &str) -> PathBuf {
    let mut name = kept.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}

/// Makes a folder that nobody else may look into, unless it is there.
pub(crate) fn make_private(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Sends a file where nothing can be gone on with.
pub(super) async fn send_whole(
    connection: &dyn Connection,
    new: &NewEntry,
    from: &Path,
    sending: &Sending,
) -> Result<Entry> {
    let made = connection.create_file(new, Content::File(from.to_owned())).await?;
    sending.heard.tell(Far::At(made.size_bytes));
    Ok(made)
}

/// Fetches a file where nothing can be gone on with.
pub(super) async fn fetch_whole(
    connection: &dyn Connection,
    id: &FileId,
    to: &Path,
    limit_bytes: u64,
    fetching: &Fetching,
) -> Result<Digest> {
    let digest = connection.download(id, to, limit_bytes).await?;
    fetching.heard.tell(Far::At(std::fs::metadata(to)?.len()));
    Ok(digest)
}
