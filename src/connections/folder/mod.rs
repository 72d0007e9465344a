//! A directory that several people can write to: on a file server, or on one machine.
//!
//! Any number of processes on any number of machines may work in it at once, and any of them may
//! be killed at any moment: nobody ever sees half a file (`store.rs` says how). There is no daemon,
//! no lock and no clock but the file server's own.
//!
//! **What is shared is a convention here, not a wall.** Owners and shares are recorded beside each
//! file and every session of ours keeps to them. But who can read the directory by other means can
//! read all of it, and who can write to it can also write another's name on a file: the file server
//! knows no e-mail addresses. Use this among people who trust one another as far as the directory
//! goes, and end-to-end encryption for the rest. What strangers leave in the directory (garbage,
//! links, pipes, huge records) is passed over; names of entries are never names of files.
//!
//! Everybody must be able to read and write what the others make there (a common group and
//! `umask 007`, or the file server's own lists): what a session cannot read is not there for it.
//!
//! A folder that is copied between machines by a synchroniser (Syncthing, Dropbox) works as long
//! as two machines do not change the same entry at once: then one of the changes is lost.

mod feed;
mod record;
mod session;
mod store;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;

use self::session::Session;
use super::{
    Access, Changes, Connection, Content, Entry, Error, Fetching, FileId, Grant, NewEntry,
    PageToken, Query, Relocation, Result, Sending, transfer,
};
use crate::connections::usage;
use crate::model::{Digest, Email};

pub(super) const SERVICE: &str = "the shared folder";
const MAX_FILE_BYTES: u64 = 1 << 40;

/// A session of one account with a shared folder. Each call counts as one request.
#[derive(Debug)]
pub struct Folder {
    account: Email,
    session: Arc<Session>,
    requests: AtomicU64,
}

impl Folder {
    /// Opens the shared folder at `path`; makes one if there is nothing or an empty directory.
    /// `account` is believed.
    ///
    /// # Errors
    /// [`Error::Unavailable`] or [`Error::Denied`] if the directory cannot be reached or written;
    /// [`Error::Invalid`] if it is a shared folder of a later format.
    pub fn open(path: &Path, account: Email) -> Result<Self> {
        let session = Arc::new(Session::open(path, account.clone())?);
        Ok(Self { account, session, requests: AtomicU64::new(0) })
    }

    /// Runs `work` where it may wait for the file server.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Session) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        usage::note_request();
        let session = Arc::clone(&self.session);
        let answer = tokio::task::spawn_blocking(move || work(&session)).await;
        answer.unwrap_or_else(|stopped| {
            Err(Error::Unavailable { service: SERVICE, source: stopped.into() })
        })
    }

    /// As [`run`](Self::run), once for each item.
    async fn run_each<T: Clone + Send + 'static>(
        &self,
        items: &[T],
        work: impl Fn(&Session, &T) -> Result<()> + Send + 'static,
    ) -> Result<Vec<Result<()>>> {
        let items = items.to_vec();
        self.run(move |session| Ok(items.iter().map(|item| work(session, item)).collect())).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)] // a default method would not be this place's own
impl Connection for Folder {
    fn account(&self) -> &Email {
        &self.account
    }

    async fn verify(&self) -> Result<Email> {
        self.run(Session::check).await?;
        Ok(self.account.clone())
    }

    fn root(&self) -> FileId {
        store::root_id(&self.account)
    }

    async fn find(&self, query: &Query) -> Result<Vec<Entry>> {
        let query = query.clone();
        self.run(move |session| session.find(&query)).await
    }

    async fn read(&self, id: &FileId, limit_bytes: u64) -> Result<Bytes> {
        let id = id.clone();
        self.run(move |session| session.read(&id, limit_bytes)).await
    }

    async fn download(&self, id: &FileId, to: &Path, limit_bytes: u64) -> Result<Digest> {
        let (id, to) = (id.clone(), to.to_owned());
        self.run(move |session| session.download(&id, &to, limit_bytes)).await
    }

    fn resumes(&self) -> bool {
        false
    }

    async fn send(&self, new: &NewEntry, from: &Path, sending: &Sending) -> Result<Entry> {
        transfer::send_whole(self, new, from, sending).await
    }

    async fn fetch(
        &self,
        id: &FileId,
        to: &Path,
        limit_bytes: u64,
        fetching: &Fetching,
    ) -> Result<Digest> {
        transfer::fetch_whole(self, id, to, limit_bytes, fetching).await
    }

    async fn create_folder(&self, new: &NewEntry) -> Result<Entry> {
        let new = new.clone();
        self.run(move |session| session.create(&new, None)).await
    }

    async fn create_file(&self, new: &NewEntry, content: Content) -> Result<Entry> {
        let new = new.clone();
        self.run(move |session| session.create(&new, Some(content))).await
    }

    async fn replace(&self, id: &FileId, content: Content) -> Result<()> {
        let id = id.clone();
        self.run(move |session| session.replace(&id, content)).await
    }

    async fn relocate(&self, moves: &[Relocation]) -> Result<Vec<Result<()>>> {
        self.run_each(moves, |session, step| {
            session.update(&[&step.id, &step.from, &step.to], |tree, account| {
                tree.moved(step, account)
            })
        })
        .await
    }

    async fn delete(&self, ids: &[FileId]) -> Result<Vec<Result<()>>> {
        self.run_each(ids, Session::delete).await
    }

    async fn share(&self, grants: &[Grant], _notify: bool) -> Result<Vec<Result<()>>> {
        self.run_each(grants, |session, grant| {
            session.update(&[&grant.id], |tree, account| tree.shared(grant, account))
        })
        .await
    }

    async fn shares(&self, id: &FileId) -> Result<Vec<(Email, Access)>> {
        let id = id.clone();
        self.run(move |session| session.shares(&id)).await
    }

    async fn is_unshared(&self, id: &FileId) -> Result<bool> {
        Ok(self.shares(id).await?.is_empty())
    }

    async fn unshare(&self, id: &FileId, from: &Email) -> Result<()> {
        let (id, from) = (id.clone(), from.clone());
        self.run(move |session| {
            session.update(&[&id], |tree, account| tree.unshared(&id, &from, account))
        })
        .await
    }

    async fn tag(&self, id: &FileId, key: &str, value: Option<&str>) -> Result<()> {
        let (id, key, value) = (id.clone(), key.to_owned(), value.map(str::to_owned));
        self.run(move |session| {
            session
                .update(&[&id], |tree, account| tree.tagged(&id, &key, value.as_deref(), account))
        })
        .await
    }

    async fn new_ids(&self, count: usize) -> Result<Vec<FileId>> {
        Ok((0..count).map(|_| store::new_id()).collect())
    }

    async fn change_start(&self) -> Result<PageToken> {
        self.run(|session| Ok(feed::token(&session.find(&Query::default())?))).await
    }

    async fn changes(&self, since: &PageToken) -> Result<Changes> {
        let since = since.clone();
        self.run(move |session| feed::changes(&session.find(&Query::default())?, &since)).await
    }

    fn requires_sealing(&self) -> bool {
        false
    }

    fn max_file_bytes(&self) -> u64 {
        MAX_FILE_BYTES
    }

    fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    fn quota_units(&self) -> u64 {
        0
    }
}
