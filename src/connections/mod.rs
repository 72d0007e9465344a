//! Places that hold files for us and for our peers: Google Drive, a shared folder, a bucket, memory.
//!
//! A connection knows bytes, names, sharing and a change feed. It knows nothing of peers, jobs or
//! checkpoints: those are files to it, and [`ConnectionRouter`] gives them their names. So a new
//! service costs one file here and no change above.

mod barrier;
mod call;
pub mod conformance;
mod entry;
mod error;
pub mod faulty;
pub mod folder;
pub mod gdrive;
mod late;
mod local;
mod matching;
pub mod memory;
pub mod object_store;
pub mod recorded;
mod router;
mod traffic;
mod transfer;
mod tree;
mod usage;

use std::fmt;
use std::path::Path;

use async_trait::async_trait;
use bytes::Bytes;

pub use barrier::Barrier;
pub use call::Call;
pub use entry::{
    Access, Change, Changes, Content, Entry, FileId, Grant, InvalidFileId, Kind, NameIs, NewEntry,
    Ownership, PageToken, Query, Relocation,
};
pub(crate) use error::headline;
pub use error::{Error, Result};
pub use faulty::Faulty;
pub use folder::Folder;
pub use gdrive::GDrive;
pub use memory::{Memory, MemoryDrive};
pub use object_store::Bucket;
pub use recorded::Recorded;
pub use router::{ConnectionRouter, OCTETS};
pub use traffic::{Direction, Load, Moved, Traffic};
pub use transfer::{Far, Fetching, Heard, LARGE_BYTES_MIN, Sending, kept_at};
pub(crate) use transfer::{make_private, with_ending};
pub use usage::{Usage, usage_of_process};

use crate::model::{Digest, Email};

/// How many calls somebody makes at once at most, for the sake of memory. How many requests of all
/// callers are open at once is a connection's business.
pub const AT_ONCE: usize = 8;

/// How many changes of many files, as deletions, go in one request: as many as Drive takes in a batch.
pub const IN_A_BATCH: usize = 100;

/// A session of one account with a place that holds files.
///
/// # Contract
///
/// Every implementation passes `connections::conformance`, which spells this out:
///
/// - A file is seen whole or not at all; replacing content is atomic as well.
/// - A session sees its own writes at once, in [`find`](Self::find) too. Other sessions may see
///   them later, and the change feed may lag further.
/// - Names may repeat within a folder; ids never do, and are never used again.
/// - Whoever creates a file owns it, also in somebody else's folder. Who may read or write a
///   folder may do so with everything in it. What an account may not read does not exist for it.
/// - Ids may be made beforehand ([`new_ids`](Self::new_ids)), so that a creation whose answer was
///   lost is repeated without making a second file: it then fails with [`Error::AlreadyExists`].
/// - Retries are an implementation's business: an error that
///   [`is_retryable`](Error::is_retryable) was tried again already.
/// - Calls with several items do what they can and answer for each item, in order.
#[async_trait]
pub trait Connection: fmt::Debug + Send + Sync {
    /// Returns the account that this session belongs to.
    fn account(&self) -> &Email;

    /// Asks the service whose session this is, which proves that it works.
    async fn verify(&self) -> Result<Email>;

    /// Returns the folder that holds this account's own files. It may be an alias: entries may
    /// name it otherwise in their `parents`.
    fn root(&self) -> FileId;

    /// Returns all that this account can see and `query` describes, sorted by name, then id.
    ///
    /// Only what is not in the trash. A folder that is out of reach or gone has no content.
    async fn find(&self, query: &Query) -> Result<Vec<Entry>>;

    /// Returns the content of one file.
    ///
    /// # Errors
    /// [`Error::NotFound`] once it is deleted; [`Error::TooLarge`] if it has more than
    /// `limit_bytes`, of which no more than that was read.
    async fn read(&self, id: &FileId, limit_bytes: u64) -> Result<Bytes>;

    /// Streams the content of one file to a new file at `to` and returns the digest of what
    /// arrived. On an error nothing is left at `to`.
    ///
    /// # Errors
    /// As [`read`](Self::read); [`Error::Io`] if `to` cannot be written.
    async fn download(&self, id: &FileId, to: &Path, limit_bytes: u64) -> Result<Digest>;

    /// True if a large file that is sent or fetched goes on where an earlier process was killed. Where
    /// it is false, [`send`](Self::send) and [`fetch`](Self::fetch) carry it whole, each time.
    fn resumes(&self) -> bool;

    /// Creates a file with the content of the local file `from`, which has the digest that `sending`
    /// says. Goes on with what an earlier call of the same content for the same id left, in this
    /// process or another. That stays until the caller removes it, once it has noted that the file is
    /// there. `new` has an id.
    ///
    /// Unlike [`create_file`](Self::create_file) a service that resumes succeeds if the file is there
    /// already with this content.
    ///
    /// # Errors
    /// [`Error::Damaged`] if what lies there has another digest; it is deleted again then.
    async fn send(&self, new: &NewEntry, from: &Path, sending: &Sending) -> Result<Entry>;

    /// As [`download`](Self::download), going on with what an earlier call left at
    /// [`Fetching::kept`] if the content is still the same. That stays there until its caller removes
    /// it, so that a process may be killed at any moment; `to` may be another name of it.
    ///
    /// # Errors
    /// As [`download`](Self::download); [`Error::Damaged`] if it is not what the service says it holds.
    async fn fetch(
        &self,
        id: &FileId,
        to: &Path,
        limit_bytes: u64,
        fetching: &Fetching,
    ) -> Result<Digest>;

    /// Creates a folder.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`] if `new.id` is in use.
    async fn create_folder(&self, new: &NewEntry) -> Result<Entry>;

    /// Creates a file with `content`.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`] if `new.id` is in use.
    async fn create_file(&self, new: &NewEntry, content: Content) -> Result<Entry>;

    /// Replaces the content of a file; its id, name and shares stay.
    async fn replace(&self, id: &FileId, content: Content) -> Result<()>;

    /// Moves files between folders; a file that is where it should be already is a success.
    ///
    /// Whoever may write to both folders may move, also what somebody else owns.
    async fn relocate(&self, moves: &[Relocation]) -> Result<Vec<Result<()>>>;

    /// Deletes files, and folders with all that this account owns in them; what is gone already is
    /// a success, so that a retry is harmless. What others own stays with them.
    async fn delete(&self, ids: &[FileId]) -> Result<Vec<Result<()>>>;

    /// Gives accounts access. Giving it twice, or less than somebody has, changes nothing.
    ///
    /// With `notify` the service may write an e-mail to them.
    async fn share(&self, grants: &[Grant], notify: bool) -> Result<Vec<Result<()>>>;

    /// Returns who has access to `id`, its owner left out.
    async fn shares(&self, id: &FileId) -> Result<Vec<(Email, Access)>>;

    /// True if nobody but this account may look at an entry of its own: neither an account, nor a
    /// group, a domain or whoever has a link, by what the folders above it are shared with either.
    /// Where anybody can read everything ([`Connection::requires_sealing`]) it is what the place says.
    async fn is_unshared(&self, id: &FileId) -> Result<bool>;

    /// Takes an account's access away; a success if it had none.
    async fn unshare(&self, id: &FileId, from: &Email) -> Result<()>;

    /// Sets a tag of a file or folder, or removes it with `None`.
    async fn tag(&self, id: &FileId, key: &str, value: Option<&str>) -> Result<()>;

    /// Returns `count` ids (1 to 1,000) that no file has and none but the caller will use.
    async fn new_ids(&self, count: usize) -> Result<Vec<FileId>>;

    /// Returns the place in the change feed from which later changes follow.
    async fn change_start(&self) -> Result<PageToken>;

    /// Returns what has changed for this account since `since`, and where to go on.
    ///
    /// All of it, or much and that there is more; at least once, own writes too. A folder that comes into this
    /// account's sight, goes out of it or is deleted is one change, which says nothing about what
    /// lies in it.
    ///
    /// # Errors
    /// [`Error::TokenExpired`] if `since` is too old: list everything and start anew.
    async fn changes(&self, since: &PageToken) -> Result<Changes>;

    /// True if whoever reaches this place can write in anybody's name there. Then identity comes
    /// from signatures alone: what is not sealed is neither sent nor taken.
    fn requires_sealing(&self) -> bool;

    /// The largest file that this service takes, in bytes.
    fn max_file_bytes(&self) -> u64;

    /// How many requests this session has sent, retries included.
    fn requests(&self) -> u64;

    /// What these requests cost in Google's quota units; 0 where there is no such quota.
    fn quota_units(&self) -> u64;
}
