//! A bucket of an object store with the S3 interface, shared by all who have an access key to it.
//!
//! A store has keys and nothing else: no folders, no owners, no shares, no change feed. All of that
//! follows from a log of commits that everybody appends to (`store.rs` says how it lies there, `ledger.rs`
//! what it amounts to). So a write is there for everybody at one moment, a sync that has nothing to do
//! costs one request, and there is no server of ours in between.
//!
//! **Who has an access key can write in anybody's name**: delete, hold back, show again, and make
//! entries as another. So [`Connection::requires_sealing`] holds here: nothing but mock data of
//! datasets, version files and public keys travels unless it is sealed and signed. What strangers
//! leave in the bucket (garbage, huge objects, numbers out of order) is passed over.
//!
//! Why a log: `docs/adr/0007-a-bucket-as-a-log-of-commits.md`.

mod address;
mod commit;
mod credentials;
mod http;
mod ledger;
mod refusal;
mod session;
mod sight;
mod store;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use object_store::aws::AmazonS3Builder;
use object_store::{ObjectStore, RetryConfig};

pub use address::{Address, InvalidAddress};
pub use credentials::Credentials;
pub use refusal::Refusal;

use self::commit::Change;
use self::session::Session;
use self::store::Store;
use super::{
    Access, Changes, Connection, Content, Entry, Fetching, FileId, Grant, NewEntry, PageToken,
    Query, Relocation, Result, Sending, transfer,
};
use crate::model::{Digest, Email};

pub(super) const SERVICE: &str = "the object store";
const MAX_FILE_BYTES: u64 = 64 << 30;
const RETRIES_MAX: usize = 5;
const RETRY_FOR: Duration = Duration::from_secs(60);

/// A session of one account with a bucket.
#[derive(Debug)]
pub struct Bucket {
    account: Email,
    session: Session,
}

impl Bucket {
    /// Prepares a session; `account` is believed. Asks the store nothing.
    ///
    /// # Errors
    /// If no request can be sent at all from here.
    pub fn open(address: &Address, credentials: &Credentials, account: Email) -> Result<Self> {
        let requests = Arc::new(AtomicU64::new(0));
        let retries = RetryConfig {
            max_retries: RETRIES_MAX,
            retry_timeout: RETRY_FOR,
            ..RetryConfig::default()
        };
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(address.bucket())
            .with_region(address.region())
            .with_access_key_id(&credentials.key_id)
            .with_secret_access_key(&credentials.secret)
            .with_allow_http(true)
            .with_retry(retries)
            .with_http_connector(http::Counting::new(Arc::clone(&requests)));
        if let Some(endpoint) = address.endpoint() {
            builder = builder.with_endpoint(endpoint);
        }
        if let Some(token) = &credentials.session_token {
            builder = builder.with_token(token);
        }
        let inner = builder.build().map_err(|error| refusal::translate(&error))?;
        let store = Store::new(Arc::new(inner), address.prefix(), Some(requests));
        Ok(Self { session: Session::new(account.clone(), store), account })
    }

    /// Makes a session with any store that the `object_store` crate reaches, each call of which
    /// counts as one request.
    pub fn over(inner: Arc<dyn ObjectStore>, prefix: &str, account: Email) -> Self {
        let store = Store::new(inner, prefix, None);
        Self { session: Session::new(account.clone(), store), account }
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)] // a default method would not be this place's own
impl Connection for Bucket {
    fn account(&self) -> &Email {
        &self.account
    }

    async fn verify(&self) -> Result<Email> {
        self.session.store().check().await?;
        Ok(self.account.clone())
    }

    fn root(&self) -> FileId {
        commit::root_id(&self.account)
    }

    async fn find(&self, query: &Query) -> Result<Vec<Entry>> {
        self.session.find(query).await
    }

    async fn read(&self, id: &FileId, limit_bytes: u64) -> Result<Bytes> {
        self.session.read(id, limit_bytes).await
    }

    async fn download(&self, id: &FileId, to: &Path, limit_bytes: u64) -> Result<Digest> {
        self.session.download(id, to, limit_bytes).await
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
        self.session.create(new, None).await
    }

    async fn create_file(&self, new: &NewEntry, content: Content) -> Result<Entry> {
        self.session.create(new, Some(content)).await
    }

    async fn replace(&self, id: &FileId, content: Content) -> Result<()> {
        self.session.replace(id, content).await
    }

    async fn relocate(&self, moves: &[Relocation]) -> Result<Vec<Result<()>>> {
        let change = |step: &Relocation| Change::Move {
            id: step.id.clone(),
            from: step.from.clone(),
            to: step.to.clone(),
        };
        self.session.change(moves.iter().map(change).collect()).await
    }

    async fn delete(&self, ids: &[FileId]) -> Result<Vec<Result<()>>> {
        let change = |id: &FileId| Change::Delete { id: id.clone() };
        self.session.change(ids.iter().map(change).collect()).await
    }

    async fn share(&self, grants: &[Grant], _notify: bool) -> Result<Vec<Result<()>>> {
        let change = |grant: &Grant| Change::Share {
            id: grant.id.clone(),
            to: grant.to.clone(),
            access: grant.access,
        };
        self.session.change(grants.iter().map(change).collect()).await
    }

    async fn shares(&self, id: &FileId) -> Result<Vec<(Email, Access)>> {
        self.session.shares(id).await
    }

    async fn is_unshared(&self, id: &FileId) -> Result<bool> {
        Ok(self.session.shares(id).await?.is_empty())
    }

    async fn unshare(&self, id: &FileId, from: &Email) -> Result<()> {
        let change = Change::Unshare { id: id.clone(), from: from.clone() };
        self.session.change(vec![change]).await?.into_iter().collect()
    }

    async fn tag(&self, id: &FileId, key: &str, value: Option<&str>) -> Result<()> {
        let (key, value) = (key.to_owned(), value.map(str::to_owned));
        let change = Change::Tag { id: id.clone(), key, value };
        self.session.change(vec![change]).await?.into_iter().collect()
    }

    async fn new_ids(&self, count: usize) -> Result<Vec<FileId>> {
        Ok((0..count).map(|_| commit::new_id()).collect())
    }

    async fn change_start(&self) -> Result<PageToken> {
        self.session.change_start().await
    }

    async fn changes(&self, since: &PageToken) -> Result<Changes> {
        self.session.changes(since).await
    }

    fn requires_sealing(&self) -> bool {
        true
    }

    fn max_file_bytes(&self) -> u64 {
        MAX_FILE_BYTES
    }

    fn requests(&self) -> u64 {
        self.session.store().requests()
    }

    fn quota_units(&self) -> u64 {
        0
    }
}
