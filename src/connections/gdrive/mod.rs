//! Google Drive, and every server with the same protocol.
//!
//! A thin layer: `drive-api` makes the calls and repeats what is safe to repeat; here its words
//! become ours. Drive's idea of a name is wider than ours (letter case, beginnings of words), so
//! what it finds is looked at again.
//!
//! Tags are `appProperties`: everybody who uses the same client id sees them, which is where the
//! Python client keeps its own. Times have Drive's precision, milliseconds.

mod fetching;
mod sending;
mod translate;

use std::path::Path;

use async_trait::async_trait;
use bytes::Bytes;
use drive_api::{Call, Drive, NewFile, Patch, Role};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};

use self::translate::{Search, change, entry, failed, searches};
use super::local;
use super::{
    AT_ONCE, Access, Changes, Connection, Content, Entry, Error, Fetching, FileId, Grant, NewEntry,
    PageToken, Query, Relocation, Result, Sending, matching,
};
use crate::model::{Digest, Email};

const SERVICE: &str = "the drive"; // Google's, or one that speaks like it.
const MAX_FILE_BYTES: u64 = 5 << 40; // 5 TB: support.google.com/drive/answer/37603
const REPLACED_MEDIA_TYPE: &str = "application/octet-stream";

/// A session of one account with Google Drive.
#[derive(Debug)]
pub struct GDrive {
    account: Email,
    drive: Drive,
}

impl GDrive {
    /// Wraps a Drive client. Sends nothing yet: [`Connection::verify`] asks whose session it is.
    pub const fn connect(account: Email, drive: Drive) -> Self {
        Self { account, drive }
    }

    /// Carries out several calls in as few requests as possible.
    async fn batch(&self, calls: Vec<(Call, &FileId)>, what: &str) -> Vec<Result<()>> {
        if calls.is_empty() {
            return Vec::new();
        }
        let (calls, ids): (Vec<Call>, Vec<&FileId>) = calls.into_iter().unzip();
        let answers = self.drive.batch(calls).await;
        let answers = answers.into_iter().zip(ids);
        answers.map(|(answer, id)| answer.map_err(|error| failed(error, id, what))).collect()
    }

    /// Makes one search. Drive says that there is no file, instead of nothing, if a folder is gone
    /// or out of reach; then the others are searched one by one.
    async fn search(&self, query: &Query, search: Search) -> Result<Vec<drive_api::File>> {
        let error = match self.drive.list(&search.query, None).await {
            Err(error @ drive_api::Error::NotFound { .. }) => error,
            answer => return answer.map_err(|error| failed(error, &self.root(), "search")),
        };
        if search.folders.is_empty() {
            return Err(failed(error, &self.root(), "search"));
        }
        let mut found = Vec::new();
        if search.folders.len() > 1 {
            for folder in search.folders {
                let alone = Query { parents: vec![folder], ..query.clone() };
                for search in searches(&alone) {
                    found.extend(Box::pin(self.search(&alone, search)).await?);
                }
            }
        }
        Ok(found)
    }

    /// Decides what a move that failed means: it may have been done before.
    async fn settle_move(&self, step: &Relocation, answer: Result<()>) -> Result<()> {
        let Err(error @ (Error::NotFound { .. } | Error::Denied { .. })) = answer else {
            return answer;
        };
        match self.drive.get(step.id.as_str()).await {
            Ok(file) if file.parents.iter().any(|parent| parent == step.to.as_str()) => Ok(()),
            _ => Err(error),
        }
    }
}

/// True for what was only found because it was asked for beside the folders.
fn is_witness(query: &Query, entry: &Entry) -> bool {
    let is_it = |(folder, name): &(FileId, String)| {
        *name == entry.name && entry.parents.contains(folder) && !query.parents.contains(folder)
    };
    query.witness.as_ref().is_some_and(is_it)
}

fn new_file(new: &NewEntry) -> NewFile {
    NewFile {
        id: new.id.as_ref().map(FileId::to_string),
        name: new.name.clone(),
        parent: Some(new.parent.to_string()),
        media_type: new.media_type.to_owned(),
        app_properties: new.tags.clone(),
    }
}

/// What an error of a creation is about: the new id if that is in use, else the folder.
fn creation_failed(error: drive_api::Error, new: &NewEntry) -> Error {
    let subject = match (&error, &new.id) {
        (drive_api::Error::AlreadyExists { .. }, Some(id)) => id,
        _ => &new.parent,
    };
    failed(error, subject, "create something here")
}

fn content_of(content: Content) -> drive_api::Content {
    match content {
        Content::Bytes(bytes) => drive_api::Content::Bytes(bytes),
        Content::File(path) => drive_api::Content::File(path),
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)] // a default method would not be this service's own
impl Connection for GDrive {
    fn account(&self) -> &Email {
        &self.account
    }

    async fn verify(&self) -> Result<Email> {
        let answer = self.drive.account_email().await;
        let text = answer.map_err(|error| failed(error, &self.root(), "ask who it is"))?;
        Email::parse(&text)
            .map_err(|error| Error::Invalid { service: SERVICE, what: error.to_string() })
    }

    fn root(&self) -> FileId {
        FileId::parse("root").expect("Drive's alias for the root is an id")
    }

    async fn find(&self, query: &Query) -> Result<Vec<Entry>> {
        let found: Vec<_> = stream::iter(searches(query))
            .map(|search| self.search(query, search))
            .buffered(AT_ONCE) // only queries too long for a URL are several
            .try_collect()
            .await?;
        let mut entries = Vec::new();
        for file in found.into_iter().flatten() {
            let entry = entry(file)?;
            // Not by folder: `root` is another's name in the answer.
            if matching::accepts_anywhere(query, &entry) && !is_witness(query, &entry) {
                entries.push(entry);
            }
        }
        matching::sort(&mut entries);
        entries.dedup_by(|a, b| a.id == b.id);
        Ok(entries)
    }

    async fn read(&self, id: &FileId, limit_bytes: u64) -> Result<Bytes> {
        let answer = self.drive.read(id.as_str(), limit_bytes).await;
        answer.map_err(|error| failed(error, id, "read this"))
    }

    async fn download(&self, id: &FileId, to: &Path, limit_bytes: u64) -> Result<Digest> {
        let file = local::NewFile::create(to)?;
        let mut writer = tokio::fs::File::from_std(file.handle()?);
        let answer = self.drive.download(id.as_str(), &mut writer, limit_bytes).await;
        let got = answer.map_err(|error| failed(error, id, "read this"))?;
        let digest = Digest::parse(&got.sha256)
            .map_err(|error| Error::Invalid { service: SERVICE, what: error.to_string() })?;
        file.keep();
        Ok(digest)
    }

    fn resumes(&self) -> bool {
        true
    }

    async fn send(&self, new: &NewEntry, from: &Path, sending: &Sending) -> Result<Entry> {
        sending::send(&self.drive, new, from, sending).await
    }

    async fn fetch(
        &self,
        id: &FileId,
        to: &Path,
        limit_bytes: u64,
        fetching: &Fetching,
    ) -> Result<Digest> {
        fetching::fetch(&self.drive, id, to, limit_bytes, fetching).await
    }

    async fn create_folder(&self, new: &NewEntry) -> Result<Entry> {
        let made = self.drive.create_folder(new_file(new)).await;
        entry(made.map_err(|error| creation_failed(error, new))?)
    }

    async fn create_file(&self, new: &NewEntry, content: Content) -> Result<Entry> {
        let made = self.drive.upload(new_file(new), content_of(content)).await;
        entry(made.map_err(|error| creation_failed(error, new))?)
    }

    async fn replace(&self, id: &FileId, content: Content) -> Result<()> {
        let content = content_of(content);
        let done = self.drive.replace_content(id.as_str(), REPLACED_MEDIA_TYPE, content).await;
        done.map(drop).map_err(|error| failed(error, id, "replace this"))
    }

    async fn relocate(&self, moves: &[Relocation]) -> Result<Vec<Result<()>>> {
        let call = |step: &Relocation| Call::Move {
            id: step.id.to_string(),
            add: step.to.to_string(),
            remove: step.from.to_string(),
        };
        let calls = moves.iter().map(|step| (call(step), &step.id)).collect();
        let answers = self.batch(calls, "move this").await;
        let mut settled = Vec::with_capacity(answers.len());
        for (step, answer) in moves.iter().zip(answers) {
            settled.push(self.settle_move(step, answer).await);
        }
        Ok(settled)
    }

    async fn delete(&self, ids: &[FileId]) -> Result<Vec<Result<()>>> {
        let calls = ids.iter().map(|id| (Call::Delete { id: id.to_string() }, id)).collect();
        Ok(self.batch(calls, "delete this").await)
    }

    async fn share(&self, grants: &[Grant], notify: bool) -> Result<Vec<Result<()>>> {
        let call = |grant: &Grant| Call::Grant {
            id: grant.id.to_string(),
            email: grant.to.to_string(),
            role: match grant.access {
                Access::Read => Role::Reader,
                Access::Write => Role::Writer,
            },
            notify,
        };
        let calls = grants.iter().map(|grant| (call(grant), &grant.id)).collect();
        Ok(self.batch(calls, "share this").await)
    }

    async fn shares(&self, id: &FileId) -> Result<Vec<(Email, Access)>> {
        let permissions = self.drive.permissions(id.as_str()).await;
        let permissions =
            permissions.map_err(|error| failed(error, id, "see who has access to this"))?;
        // Whom Drive names without an address (`anyone`, a domain) is no account.
        let share = |permission: drive_api::Permission| {
            let access = match permission.role {
                Role::Owner => return None,
                Role::Writer => Access::Write,
                _ => Access::Read,
            };
            Some((Email::parse(&permission.email?).ok()?, access))
        };
        Ok(permissions.into_iter().filter_map(share).collect())
    }

    async fn is_unshared(&self, id: &FileId) -> Result<bool> {
        let permissions = self.drive.permissions(id.as_str()).await;
        let what = "see who has access to this";
        let permissions = permissions.map_err(|error| failed(error, id, what))?;
        Ok(permissions.iter().all(|permission| permission.role == Role::Owner))
    }

    async fn unshare(&self, id: &FileId, from: &Email) -> Result<()> {
        let what = "take access to this away";
        let permissions = self.drive.permissions(id.as_str()).await;
        for permission in permissions.map_err(|error| failed(error, id, what))? {
            let is_theirs = permission.email.is_some_and(|email| from.is_same_account(&email));
            if is_theirs && permission.role != Role::Owner {
                let done = self.drive.revoke(id.as_str(), &permission.id).await;
                done.map_err(|error| failed(error, id, what))?;
            }
        }
        Ok(())
    }

    async fn tag(&self, id: &FileId, key: &str, value: Option<&str>) -> Result<()> {
        let app_properties = [(key.to_owned(), value.map(str::to_owned))].into();
        let patch = Patch { app_properties, ..Patch::default() };
        let done = self.drive.patch(id.as_str(), patch).await;
        done.map(drop).map_err(|error| failed(error, id, "tag this"))
    }

    async fn new_ids(&self, count: usize) -> Result<Vec<FileId>> {
        let ids = self.drive.generate_ids(count).await;
        let ids = ids.map_err(|error| failed(error, &self.root(), "make ids"))?;
        ids.iter().map(|id| translate::id(id)).collect()
    }

    async fn change_start(&self) -> Result<PageToken> {
        let token = self.drive.start_page_token().await;
        token.map(PageToken).map_err(|error| failed(error, &self.root(), "follow changes"))
    }

    async fn changes(&self, since: &PageToken) -> Result<Changes> {
        // Drive's tokens are numbers; what is none is not worth a request.
        if since.0.is_empty() || !since.0.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(Error::TokenExpired);
        }
        let answer = self.drive.changes(&since.0).await.map_err(|error| match error {
            drive_api::Error::Rejected { .. } | drive_api::Error::NotFound { .. } => {
                Error::TokenExpired
            }
            error => failed(error, &self.root(), "follow changes"),
        })?;
        let changes = answer.changes.into_iter().map(change).collect::<Result<_>>()?;
        Ok(Changes { changes, next: PageToken(answer.next), is_all: answer.is_all })
    }

    fn requires_sealing(&self) -> bool {
        false
    }

    fn max_file_bytes(&self) -> u64 {
        MAX_FILE_BYTES
    }

    fn requests(&self) -> u64 {
        self.drive.requests()
    }

    fn quota_units(&self) -> u64 {
        self.drive.usage().units
    }
}
