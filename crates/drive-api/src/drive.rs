//! The facade: what a program can ask of a Drive account, and its metadata calls.
//!
//! Each method is one call of Drive's, repeated as far as that is safe, on all pages. Media and
//! creation are in `create.rs`, `download.rs` and `batch.rs`.

use std::collections::HashSet;
use std::future::Future;
use std::sync::Arc;

use futures::stream::{self, StreamExt as _};
use google_drive3::api;

use crate::auth::{AccessToken, TokenSource};
use crate::content::Progress;
use crate::endpoint::Endpoint;
use crate::error::Error;
use crate::file::{Change, Changes, FIELDS, File, Permission, Role, digest, required};
use crate::id;
use crate::query::Query;
use crate::quota::Usage;
use crate::retry::{Failed, Repeat};
use crate::transport::{Settings, Transport};

/// One account on one Drive server.
///
/// Clones share connections, token and request count. All methods may be called at the same time.
///
/// Any method can fail with [`Error::RateLimited`], [`Error::Unavailable`], [`Error::Unauthorized`],
/// [`Error::SignedOut`] and [`Error::Invalid`]; only other errors are mentioned below.
#[derive(Debug, Clone)]
pub struct Drive {
    pub(crate) transport: Arc<Transport>,
    pub(crate) progress: Progress,
}

/// In which order a listing comes. Without one, Drive chooses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// By name, A first.
    Name,
    /// By name, Z first.
    NameDescending,
    /// By the time of the last change, newest first.
    ModifiedDescending,
    /// By the time of creation, oldest first.
    Created,
}

impl Order {
    fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::NameDescending => "name desc",
            Self::ModifiedDescending => "modifiedTime desc",
            Self::Created => "createdTime",
        }
    }
}

impl Drive {
    /// Speaks to the server at `endpoint` with tokens from `tokens`. Sends nothing yet.
    pub fn new(endpoint: Endpoint, tokens: Arc<dyn TokenSource>) -> Self {
        Self::with_settings(endpoint, tokens, Settings::default())
    }

    /// Like [`Self::new`], with another clock or other limits.
    pub fn with_settings(
        endpoint: Endpoint,
        tokens: Arc<dyn TokenSource>,
        settings: Settings,
    ) -> Self {
        let transport = Arc::new(Transport::new(endpoint, tokens, settings));
        Self { transport, progress: Progress::default() }
    }

    /// Returns a clone whose uploads and downloads report to `progress`.
    #[must_use]
    pub fn with_progress(&self, progress: Progress) -> Self {
        Self { transport: Arc::clone(&self.transport), progress }
    }

    /// Returns how many HTTP requests this `Drive` and its clones have sent, tries included.
    /// Requests of the token source are not among them.
    pub fn requests(&self) -> u64 {
        self.usage().requests
    }

    /// Returns the same with what the requests cost in quota units.
    pub fn usage(&self) -> Usage {
        self.transport.meter.usage()
    }

    /// Returns the server's address.
    pub fn endpoint(&self) -> &Endpoint {
        &self.transport.endpoint
    }

    /// Returns the e-mail address of the account, as the server knows it.
    pub async fn account_email(&self) -> Result<String, Error> {
        let about = self.safely(|token| self.transport.about(token)).await?;
        let user = required(about.user, "the answer about the account", "user")?;
        required(user.email_address, "the answer about the account", "emailAddress")
    }

    /// Returns everything that `query` finds, from all pages.
    ///
    /// What was just written may be missing: Drive's search lags behind. No file comes twice.
    ///
    /// # Errors
    /// [`Error::Invalid`] beyond [`Settings::items_max`] files.
    pub async fn list(&self, query: &Query, order: Option<Order>) -> Result<Vec<File>, Error> {
        let found = self.list_once(query, order).await;
        let is_doubtful = match &found {
            Ok(files) => files.is_empty(),
            Err(error) => matches!(error, Error::NotFound { .. }),
        };
        let folders = if is_doubtful { query.one_by_one() } else { None };
        let Some(folders) = folders else { return found };
        let mut seen = HashSet::new();
        let mut all = Vec::new();
        let mut answers = stream::iter(folders)
            .map(|query| async move { self.list_once(&query, order).await })
            .buffered(crate::gate::OPEN_MAX);
        while let Some(answer) = answers.next().await {
            match answer {
                Ok(files) => all.extend(files.into_iter().filter(|f| seen.insert(f.id.clone()))),
                Err(Error::NotFound { .. }) => {} // the folder out of reach that hid the others
                Err(error) => return Err(error),
            }
        }
        Ok(all)
    }

    async fn list_once(&self, query: &Query, order: Option<Order>) -> Result<Vec<File>, Error> {
        let query = &query.render()?;
        let order = order.map(Order::as_str);
        let mut pages = Pages::new(&self.transport.settings, "a list of files");
        let mut seen = HashSet::new();
        let mut files = Vec::new();
        loop {
            let page = pages.next.as_deref();
            let list =
                self.safely(|token| self.transport.list_page(token, query, order, page)).await?;
            if list.incomplete_search == Some(true) {
                tracing::warn!("drive did not search everywhere");
            }
            for raw in list.files.unwrap_or_default() {
                let file = File::parse(raw)?;
                if seen.insert(file.id.clone()) {
                    files.push(file); // a file that moves between pages comes twice
                }
            }
            if !pages.turn(list.next_page_token, files.len())? {
                return Ok(files);
            }
        }
    }

    /// Returns what Drive knows about one file. Unlike [`Self::list`], never stale.
    ///
    /// # Errors
    /// [`Error::NotFound`] if it is gone or not shared with this account.
    pub async fn get(&self, id: &str) -> Result<File, Error> {
        id::checked(id)?;
        let asked = self.safely(|token| self.transport.get_file(token, id, FIELDS));
        let file = File::parse(asked.await?)?;
        if file.id != id && id != "root" {
            return Err(Error::invalid(format!("the answer about file {id}"), "another file came"));
        }
        Ok(file)
    }

    /// Returns the MD5 of the content of one file, lower-case hex; `None` if the service has none.
    ///
    /// # Errors
    /// [`Error::NotFound`] if it is gone or not shared with this account.
    pub async fn md5(&self, id: &str) -> Result<Option<String>, Error> {
        id::checked(id)?;
        let asked = self.safely(|token| self.transport.get_file(token, id, "md5Checksum"));
        digest(asked.await?.md5_checksum, 32, &format!("file {id}"))
    }

    /// Deletes one file, or a folder and all in it, for good. Succeeds if it is gone already.
    ///
    /// # Errors
    /// [`Error::Denied`] if this account does not own it.
    pub async fn delete(&self, id: &str) -> Result<(), Error> {
        id::checked(id)?;
        gone_is_fine(self.safely(|token| self.transport.delete_file(token, id)).await)
    }

    /// Returns who may use a file.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Denied`] if this account may not see that.
    pub async fn permissions(&self, id: &str) -> Result<Vec<Permission>, Error> {
        id::checked(id)?;
        let mut pages = Pages::new(&self.transport.settings, "the permissions of a file");
        let mut permissions = Vec::new();
        loop {
            let page = pages.next.as_deref();
            let list = self.safely(|token| self.transport.permission_page(token, id, page)).await?;
            for raw in list.permissions.unwrap_or_default() {
                permissions.push(Permission::parse(raw)?);
            }
            if !pages.turn(list.next_page_token, permissions.len())? {
                return Ok(permissions);
            }
        }
    }

    /// Lets somebody use a file. Granting what is granted already changes nothing.
    ///
    /// `notify` makes the server send an e-mail.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Denied`]; [`Error::QuotaExceeded`] if too much was shared today.
    pub async fn grant(
        &self,
        id: &str,
        email: &str,
        role: Role,
        notify: bool,
    ) -> Result<(), Error> {
        id::checked(id)?;
        let permission = || api::Permission {
            type_: Some("user".to_owned()),
            role: Some(role.as_str().to_owned()),
            email_address: Some(email.to_owned()),
            ..api::Permission::default()
        };
        self.safely(|token| self.transport.create_permission(token, id, permission(), notify)).await
    }

    /// Takes one permission back. Succeeds if it, or the file, is gone already.
    ///
    /// # Errors
    /// [`Error::Denied`].
    pub async fn revoke(&self, id: &str, permission_id: &str) -> Result<(), Error> {
        id::checked(id)?;
        id::checked(permission_id)?;
        let done =
            self.safely(|token| self.transport.delete_permission(token, id, permission_id)).await;
        gone_is_fine(done)
    }

    /// Returns `count` ids for files to be made, so that making them can be repeated safely.
    pub async fn generate_ids(&self, count: usize) -> Result<Vec<String>, Error> {
        const IDS_MAX: usize = 1000; // Drive's limit for one call
        let mut ids = Vec::new();
        while ids.len() < count {
            let wanted = (count - ids.len()).min(IDS_MAX);
            let asked = i32::try_from(wanted).unwrap_or(i32::MAX);
            let some = self.safely(|token| self.transport.generate_some_ids(token, asked)).await?;
            let some = some.ids.unwrap_or_default();
            if some.is_empty() || some.len() > wanted {
                return Err(Error::invalid("the answer about new ids", "not as many as asked for"));
            }
            some.iter().try_for_each(|id| id::checked(id).map(drop))?;
            ids.extend(some);
        }
        Ok(ids)
    }

    /// Returns the token from which [`Self::changes`] tells what happens from now on.
    pub async fn start_page_token(&self) -> Result<String, Error> {
        let answer = self.safely(|token| self.transport.first_page_token(token)).await?;
        let token = required(answer.start_page_token, "the change feed", "startPageToken")?;
        id::checked_token(&token)?;
        Ok(token)
    }

    /// Returns what changed since `token`, for all that this account can see, its own writes too; not all
    /// of it if that is more than [`Settings::changes_at_once`].
    ///
    /// The feed may lag by minutes: good for speed, not for truth.
    ///
    /// # Errors
    /// [`Error::Rejected`] or [`Error::NotFound`] if the token is too old; then start anew.
    pub async fn changes(&self, token: &str) -> Result<Changes, Error> {
        let mut pages = Pages::new(&self.transport.settings, "the change feed");
        let mut at = id::checked_token(token)?.to_owned();
        let mut changes = Vec::new();
        loop {
            let list = self.safely(|token| self.transport.change_page(token, &at)).await?;
            for raw in list.changes.unwrap_or_default() {
                changes.extend(Change::parse(raw)?);
            }
            if pages.turn(list.next_page_token, changes.len())? {
                at = pages.next.clone().unwrap_or_default();
                if changes.len() >= self.transport.settings.changes_at_once {
                    return Ok(Changes { changes, next: at, is_all: false });
                }
                continue;
            }
            let next = required(list.new_start_page_token, "the change feed", "newStartPageToken")?;
            id::checked_token(&next)?;
            return Ok(Changes { changes, next, is_all: true });
        }
    }

    /// Makes a call that may be repeated.
    async fn safely<T, F, Fut>(&self, attempt: F) -> Result<T, Error>
    where
        F: FnMut(AccessToken) -> Fut,
        Fut: Future<Output = Result<T, Failed>>,
    {
        Ok(self.transport.persist(Repeat::Safe, attempt).await?)
    }
}

/// Turns "there is no such thing" into success, for calls that want just that.
pub(crate) fn gone_is_fine(done: Result<(), Error>) -> Result<(), Error> {
    match done {
        Err(Error::NotFound { .. }) => Ok(()),
        done => done,
    }
}

/// Turns pages, and stops at a listing that has no end.
struct Pages {
    what: &'static str,
    items_max: usize,
    turned: usize,
    next: Option<String>,
}

impl Pages {
    fn new(settings: &Settings, what: &'static str) -> Self {
        Self { what, items_max: settings.items_max, turned: 0, next: None }
    }

    /// Moves on to `next`; false after the last page.
    fn turn(&mut self, next: Option<String>, items: usize) -> Result<bool, Error> {
        const PAGES_MAX: usize = 10_000; // pages may be empty, but not for ever
        self.turned += 1;
        let Some(next) = next.filter(|next| !next.is_empty()) else { return Ok(false) };
        id::checked_token(&next)?;
        if self.next.as_ref() == Some(&next) {
            return Err(Error::invalid(self.what, "its next page is the same page"));
        }
        if items > self.items_max || self.turned > PAGES_MAX {
            return Err(Error::invalid(self.what, "it does not end"));
        }
        self.next = Some(next);
        Ok(true)
    }
}
