//! Makes folders and files, replaces content, and changes metadata.
//!
//! A create with an id made beforehand may be repeated: the second one is answered with 409, and if
//! the file is what we meant to make, the first one had worked. Without an id, a create whose answer
//! is lost is not sent again: it could make a second file.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use google_drive3::common;
use hyper::Method;
use hyper::header::CONTENT_TYPE;
use serde_json::{Map, Value, json};
use url::Url;

use crate::auth::AccessToken;
use crate::content::Content;
use crate::drive::Drive;
use crate::error::{Error, clean};
use crate::file::{FIELDS, FOLDER, File};
use crate::id;
use crate::kept::KeepSession;
use crate::resumable::Upload;
use crate::retry::{Failed, Repeat};
use crate::transport::finish;

/// A file or folder to be made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewFile {
    /// An id from [`Drive::generate_ids`], which makes it safe to try again; `None`: Drive picks one.
    pub id: Option<String>,
    /// The name.
    pub name: String,
    /// The folder to put it in; `None` is the root of My Drive.
    pub parent: Option<String>,
    /// The media type; ignored for folders.
    pub media_type: String,
    /// Properties to attach.
    pub app_properties: BTreeMap<String, String>,
}

/// What to change about a file. The default changes nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Patch {
    /// A new name.
    pub name: Option<String>,
    /// Properties to set, or with `None` to delete; others stay.
    pub app_properties: BTreeMap<String, Option<String>>,
    /// Folders to put it in.
    pub add_parents: Vec<String>,
    /// Folders to take it out of.
    pub remove_parents: Vec<String>,
    /// True puts it into the trash, false takes it out.
    pub trashed: Option<bool>,
}

impl Drive {
    /// Makes a folder.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`] if the id is taken by something else; [`Error::NotFound`] or
    /// [`Error::Denied`] for the parent; [`Error::QuotaExceeded`].
    pub async fn create_folder(&self, new: NewFile) -> Result<File, Error> {
        let new = NewFile { media_type: FOLDER.to_owned(), ..new };
        let what = new.what();
        let mut url = self.transport.endpoint.api();
        url.set_path(&format!("{}files", url.path()));
        let body = Bytes::from(new.metadata()?.to_string());
        let sent = self.transport.persist(new.repeat(), |token| {
            let request = self.json_request(Method::POST, &url, &token, body.clone());
            self.file_answer(&what, request)
        });
        self.settle(&new, None, sent.await).await
    }

    /// Makes a file with this content: in one request up to [`crate::Settings::multipart_bytes_max`],
    /// else in an upload that resumes after a broken connection.
    ///
    /// # Errors
    /// As [`Self::create_folder`], and [`Error::Io`] if the content cannot be read.
    pub async fn upload(&self, new: NewFile, content: Content) -> Result<File, Error> {
        self.upload_with(new, content, None).await
    }

    /// The same in an upload that goes on after the end of this process: `keeper` keeps what that
    /// takes, and says what an earlier process left of an upload of the same content. `new` must have
    /// an id then.
    ///
    /// # Errors
    /// As [`Self::upload`]; [`Error::Io`] as well if nothing can be kept.
    pub async fn upload_kept(
        &self,
        new: NewFile,
        content: Content,
        keeper: Arc<dyn KeepSession>,
    ) -> Result<File, Error> {
        self.upload_with(new, content, Some(keeper)).await
    }

    async fn upload_with(
        &self,
        new: NewFile,
        content: Content,
        keeper: Option<Arc<dyn KeepSession>>,
    ) -> Result<File, Error> {
        let (metadata, what) = (new.metadata()?, new.what());
        let upload = Upload {
            method: Method::POST,
            url: self.transport.endpoint.upload(),
            metadata,
            media_type: checked_media_type(&new.media_type)?.to_owned(),
            size: content.size().await.map_err(|source| io_error(&what, source))?,
            content,
            repeat: new.repeat(),
            what,
            keeper,
        };
        let sent = self.send_content(&upload).await;
        self.settle(&new, Some(upload.size), sent).await
    }

    /// Replaces the content of a file. Safe to call again.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Denied`], [`Error::QuotaExceeded`], [`Error::Io`].
    pub async fn replace_content(
        &self,
        id: &str,
        media_type: &str,
        content: Content,
    ) -> Result<File, Error> {
        let what = format!("file {}", id::checked(id)?);
        let mut url = self.transport.endpoint.upload();
        url.set_path(&format!("{}/{id}", url.path()));
        let upload = Upload {
            method: Method::PATCH,
            url,
            metadata: json!({ "mimeType": checked_media_type(media_type)? }),
            media_type: media_type.to_owned(),
            size: content.size().await.map_err(|source| io_error(&what, source))?,
            content,
            repeat: Repeat::Safe,
            what,
            keeper: None,
        };
        Ok(self.send_content(&upload).await?)
    }

    /// Changes metadata. Safe to call again.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Denied`].
    pub async fn patch(&self, id: &str, patch: Patch) -> Result<File, Error> {
        let what = format!("file {}", id::checked(id)?);
        let url = patch.url(self.transport.endpoint.api(), id)?;
        let body = Bytes::from(patch.metadata().to_string());
        let sent = self.transport.persist(Repeat::Safe, |token| {
            let request = self.json_request(Method::PATCH, &url, &token, body.clone());
            self.file_answer(&what, request)
        });
        let failed = match sent.await {
            Ok(file) => return Ok(file),
            Err(failed) => failed,
        };
        // Moving twice may be refused; if the first one had worked, the file shows it.
        if failed.maybe_done && matches!(failed.status(), Some(400 | 403 | 409)) {
            let file = self.get(id).await?;
            if patch.is_done(&file) {
                return Ok(file);
            }
        }
        Err(failed.error)
    }

    async fn send_content(&self, upload: &Upload) -> Result<File, Failed> {
        let is_kept = upload.keeper.is_some() && upload.size > 0;
        if is_kept || upload.size > self.transport.settings.multipart_bytes_max {
            return self.send_resumable(upload).await;
        }
        let whole = upload.content.whole(upload.size).await;
        let whole = whole.map_err(|source| io_error(&upload.what, source))?;
        let boundary = boundary();
        let body = multipart(&boundary, &upload.metadata, &upload.media_type, &whole);
        let mut url = upload.url.clone();
        url.query_pairs_mut().append_pair("uploadType", "multipart").append_pair("fields", FIELDS);
        let media_type = format!("multipart/related; boundary={boundary}");
        let sent = self.transport.persist(upload.repeat, |token| {
            let builder = self.transport.request(upload.method.clone(), &url, &token);
            let builder = builder.header(CONTENT_TYPE, &media_type);
            let request = finish(&upload.what, builder, common::to_body(Some(body.clone())));
            self.file_answer(&upload.what, request)
        });
        let file = sent.await?;
        self.progress.report(upload.size);
        Ok(file)
    }

    /// Decides what a failed create means when it may have worked before.
    async fn settle(
        &self,
        new: &NewFile,
        size: Option<u64>,
        sent: Result<File, Failed>,
    ) -> Result<File, Error> {
        let failed = match sent {
            Ok(file) => return Ok(file),
            Err(failed) => failed,
        };
        match &new.id {
            Some(id) if failed.status() == Some(409) && failed.maybe_done => {
                let file = self.get(id).await?;
                if new.is_made(&file, size) { Ok(file) } else { Err(failed.error) }
            }
            _ => Err(match (failed.error, &new.parent) {
                // What is missing is not what was to be made, but where.
                (Error::NotFound { .. }, Some(parent)) => {
                    Error::NotFound { what: format!("folder {parent}") }
                }
                (error, _) => error,
            }),
        }
    }

    fn json_request(
        &self,
        method: Method,
        url: &Url,
        token: &AccessToken,
        body: Bytes,
    ) -> Result<hyper::Request<common::Body>, Failed> {
        let mut url = url.clone();
        url.query_pairs_mut().append_pair("fields", FIELDS);
        let builder = self.transport.request(method, &url, token);
        let builder = builder.header(CONTENT_TYPE, "application/json; charset=UTF-8");
        finish("a file", builder, common::to_body(Some(body)))
    }

    async fn file_answer(
        &self,
        what: &str,
        request: Result<hyper::Request<common::Body>, Failed>,
    ) -> Result<File, Failed> {
        let answer = self.transport.answer(what, request?).await?;
        let answer = self.transport.success(what, answer)?;
        Ok(File::parse(answer.json(what)?)?)
    }
}

impl NewFile {
    fn what(&self) -> String {
        format!("`{}`", clean(&self.name))
    }

    fn repeat(&self) -> Repeat {
        if self.id.is_some() { Repeat::Safe } else { Repeat::OnlyIfNotDone }
    }

    fn metadata(&self) -> Result<Value, Error> {
        let mut metadata = Map::new();
        if let Some(id) = &self.id {
            metadata.insert("id".to_owned(), id::checked(id)?.into());
        }
        metadata.insert("name".to_owned(), self.name.clone().into());
        metadata.insert("mimeType".to_owned(), self.media_type.clone().into());
        if let Some(parent) = &self.parent {
            metadata.insert("parents".to_owned(), json!([id::checked(parent)?]));
        }
        if !self.app_properties.is_empty() {
            metadata.insert("appProperties".to_owned(), json!(self.app_properties));
        }
        Ok(Value::Object(metadata))
    }

    /// True if `file` is what this would have made.
    fn is_made(&self, file: &File, size: Option<u64>) -> bool {
        let is_there = match self.parent.as_deref() {
            None | Some("root") => true, // the root has another id in the answer
            Some(parent) => file.parents.iter().any(|p| p == parent),
        };
        let is_folder = self.media_type == FOLDER;
        let has_size = is_folder || file.size == size;
        is_there
            && has_size
            && file.name == self.name
            && file.is_folder() == is_folder
            && !file.trashed
    }
}

impl Patch {
    fn metadata(&self) -> Value {
        let mut metadata = Map::new();
        if let Some(name) = &self.name {
            metadata.insert("name".to_owned(), name.clone().into());
        }
        if let Some(trashed) = self.trashed {
            metadata.insert("trashed".to_owned(), trashed.into());
        }
        if !self.app_properties.is_empty() {
            // A null deletes the property, so it has to reach the server.
            metadata.insert("appProperties".to_owned(), json!(self.app_properties));
        }
        Value::Object(metadata)
    }

    /// True if `file` is as this would have it.
    fn is_done(&self, file: &File) -> bool {
        let lies_in = |id: &String| file.parents.contains(id);
        let properties = &file.app_properties;
        self.name.as_ref().is_none_or(|name| *name == file.name)
            && self.trashed.is_none_or(|trashed| trashed == file.trashed)
            && self.add_parents.iter().all(lies_in)
            && !self.remove_parents.iter().any(lies_in)
            && self.app_properties.iter().all(|(key, value)| properties.get(key) == value.as_ref())
    }

    fn url(&self, mut url: Url, id: &str) -> Result<Url, Error> {
        url.set_path(&format!("{}files/{id}", url.path()));
        for (key, ids) in
            [("addParents", &self.add_parents), ("removeParents", &self.remove_parents)]
        {
            ids.iter().try_for_each(|id| id::checked(id).map(drop))?;
            if !ids.is_empty() {
                url.query_pairs_mut().append_pair(key, &ids.join(","));
            }
        }
        url.query_pairs_mut().append_pair("supportsAllDrives", "true");
        Ok(url)
    }
}

/// A body of two parts, metadata and content: RFC 2387.
fn multipart(boundary: &str, metadata: &Value, media_type: &str, content: &[u8]) -> Bytes {
    let head = format!(
        "--{boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{metadata}\r\n\
         --{boundary}\r\nContent-Type: {media_type}\r\n\r\n"
    );
    let tail = format!("\r\n--{boundary}--\r\n");
    let mut body = BytesMut::with_capacity(head.len() + content.len() + tail.len());
    body.put_slice(head.as_bytes());
    body.put_slice(content);
    body.put_slice(tail.as_bytes());
    body.freeze()
}

/// Returns a line that no content holds.
pub(crate) fn boundary() -> String {
    format!("part-{}", hex::encode(rand::random::<[u8; 16]>()))
}

/// A media type ends up in a header inside a body, where nobody else checks it.
fn checked_media_type(media_type: &str) -> Result<&str, Error> {
    let is_fine = |b: u8| b.is_ascii_graphic() || b == b' ';
    if media_type.contains('/') && media_type.len() < 256 && media_type.bytes().all(is_fine) {
        Ok(media_type)
    } else {
        Err(Error::invalid(format!("the media type `{}`", clean(media_type)), "not `type/subtype`"))
    }
}

pub(crate) fn io_error(what: &str, source: std::io::Error) -> Error {
    Error::Io { what: what.to_owned(), source }
}
