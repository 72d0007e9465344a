//! Uploads in one request: simple and multipart. Content is streamed to disk and hashed on the
//! way; only then, in one transaction, does the file change.

use std::{io, mem};

use hyper::{Method, StatusCode};
use serde_json::Value;
use tokio::task::JoinHandle;

use super::{
    App,
    api_error::ApiError,
    call::{self, Call, CallBody, METADATA_BYTES_MAX},
    files::{check_writable, moves},
    multipart::{Event, Multipart},
    reply::{self, Answer},
    resources::{self, Parts},
    resumable,
    streams::Width,
};
use crate::store::{
    self,
    access::WRITER,
    content::{Folders, Md5When, Partial, Stored},
    edit::{self, Content, Metadata, Moves},
    files,
    tokens::Me,
};

/// The largest file, in bytes: Drive's limit.
const FILE_BYTES_MAX: u64 = 5 << 40;

/// What an upload is to become, apart from its bytes.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) me: Me,
    /// File that gets the content; none creates one.
    pub(crate) id: Option<String>,
    pub(crate) meta: Metadata,
    pub(crate) moves: Moves,
    pub(crate) mime: Option<String>,
    pub(crate) wanted: Parts,
}

pub(crate) async fn upload(app: &App, call: &mut Call, id: Option<String>) -> Answer {
    if let Some(upload) = call.query.get("upload_id").map(str::to_owned) {
        return resumable::receive(app, call, &upload).await;
    }
    let fits = match call.method {
        Method::POST => id.is_none(),
        Method::PATCH | Method::PUT => id.is_some(),
        _ => false,
    };
    if !fits {
        return Err(ApiError::method());
    }
    match call.query.get("uploadType") {
        Some("resumable") => resumable::open(app, call, id).await,
        Some("multipart") => multipart(app, call, id).await,
        Some("media") | None => simple(app, call, id).await,
        Some(_) => Err(ApiError::invalid("uploadType")),
    }
}

async fn simple(app: &App, call: &mut Call, id: Option<String>) -> Answer {
    let mime = call.header("content-type").map(str::to_owned);
    let target = target(call, id, Metadata::default(), mime)?;
    let mut body = std::mem::take(&mut call.body);
    let mut sink = Sink::new(app, target.wanted.md5_when());
    while let Some(bytes) = call::next(&mut body).await? {
        take(app, &target, &mut sink, &bytes).await?;
    }
    finish(app, target, sink.finish().await?).await
}

/// Takes in bytes of an upload; one that is more than a block is checked before it fills the disk.
/// What is less is checked when it is all there, where it is checked in any case.
async fn take(app: &App, target: &Target, sink: &mut Sink, bytes: &[u8]) -> Result<(), ApiError> {
    if sink.is_first_block_full(bytes) {
        check(app, target).await?;
    }
    sink.write(bytes).await
}

async fn multipart(app: &App, call: &mut Call, id: Option<String>) -> Answer {
    call.me()?;
    let kind = call.header("content-type").unwrap_or_default();
    let mut parser = Multipart::new(kind)?;
    let mut body = std::mem::take(&mut call.body);
    let (meta, mime) = read_head(&mut parser, &mut body).await?;
    let target = target(call, id, resources::metadata(&meta)?, mime)?;
    let mut sink = Sink::new(app, target.wanted.md5_when());
    loop {
        match next_event(&mut parser, &mut body).await? {
            Event::Data(data) => take(app, &target, &mut sink, &data).await?,
            Event::End => break,
            Event::Part(_) => return Err(bad_parts()),
        }
    }
    // Reading what follows leaves the connection usable.
    while call::next(&mut body).await?.is_some() {}
    finish(app, target, sink.finish().await?).await
}

/// Reads the metadata part and the headers of the content part; returns metadata and MIME type.
async fn read_head(
    parser: &mut Multipart,
    body: &mut CallBody,
) -> Result<(Vec<u8>, Option<String>), ApiError> {
    let Event::Part(_) = next_event(parser, body).await? else { return Err(bad_parts()) };
    let mut meta = Vec::new();
    loop {
        match next_event(parser, body).await? {
            Event::Data(data) if meta.len() + data.len() <= METADATA_BYTES_MAX => meta.extend(data),
            Event::Data(_) => return Err(ApiError::too_large()),
            Event::Part(headers) => {
                let header = |name| headers.iter().find(|(key, _)| key == name);
                let plain = ["binary", "8bit", "7bit"];
                if let Some((_, encoding)) = header("content-transfer-encoding")
                    && !plain.contains(&encoding.to_lowercase().as_str())
                {
                    return Err(bad_parts());
                }
                return Ok((meta, header("content-type").map(|(_, value)| value.clone())));
            }
            Event::End => return Err(bad_parts()),
        }
    }
}

async fn next_event(parser: &mut Multipart, body: &mut CallBody) -> Result<Event, ApiError> {
    let mut last = false;
    loop {
        if let Some(event) = parser.next(last)? {
            return Ok(event);
        }
        match call::next(body).await? {
            Some(bytes) => parser.push(&bytes),
            None if last => return Err(bad_parts()),
            None => last = true,
        }
    }
}

fn bad_parts() -> ApiError {
    let message = "A multipart upload has two parts: metadata, and content in plain bytes.";
    ApiError::new(StatusCode::BAD_REQUEST, "badContent", message)
}

/// Gathers what an upload is to become, from a call's account and parameters.
pub(crate) fn target(
    call: &Call,
    id: Option<String>,
    meta: Metadata,
    mime: Option<String>,
) -> Result<Target, ApiError> {
    if id.is_some() {
        check_writable(&meta)?;
    }
    Ok(Target {
        me: call.me()?,
        id,
        meta,
        moves: moves(&call.query),
        mime: mime.filter(|mime| mime.len() <= 255),
        wanted: Parts::parse(call.query.get("fields"))?,
    })
}

/// Checks, before bytes are taken in, that they will have a place to go.
pub(crate) async fn check(app: &App, target: &Target) -> Result<(), ApiError> {
    let target = target.clone();
    let checked = app.store.read(move |c| match &target.id {
        Some(id) => files::get(c, &target.me, id, WRITER).map(|_| ()),
        None => edit::parent_for_new(c, &target.me, &target.meta).map(|_| ()),
    });
    Ok(checked.await?)
}

async fn finish(app: &App, target: Target, stored: Stored) -> Answer {
    let written = app.store.write(move |txn| {
        let (_, file) = commit(txn, &target, stored)?;
        Ok(file)
    });
    Ok(reply::ok(&written.await?))
}

/// Creates or changes the file; returns its id and the answer's JSON.
pub(crate) fn commit(
    txn: &mut store::Txn<'_>,
    target: &Target,
    stored: Stored,
) -> store::Result<(String, Value)> {
    let content = Some(Content { stored: &stored, mime: target.mime.as_deref() });
    let row = match &target.id {
        Some(id) => edit::update(txn, &target.me, id, &target.meta, &target.moves, content)?,
        None => edit::create(txn, &target.me, &target.meta, content)?,
    };
    txn.stored.push(stored);
    let file = resources::file(&txn.tx, &target.me, &row, &target.wanted)?;
    Ok((row.id, file))
}

/// Takes bytes on an async thread and has them written, block by block, on blocking ones: in a wide
/// stream the next block comes in while one is hashed and written.
#[derive(Debug)]
struct Sink {
    folders: Folders,
    md5: Md5When,
    width: Width,
    block: Vec<u8>,
    before: Before,
}

/// The blocks before the one that is filled.
#[derive(Debug, Default)]
enum Before {
    #[default]
    Nothing,
    /// The last of them is being written; its memory comes back.
    Writing(JoinHandle<io::Result<(Partial, Vec<u8>)>>),
    Written(Box<Partial>),
}

impl Sink {
    fn new(app: &App, md5: Md5When) -> Self {
        let (folders, width) = (app.store.folders().clone(), app.streams.begin());
        Self { folders, md5, width, block: Vec::new(), before: Before::Nothing }
    }

    /// True if these bytes make the first block full.
    fn is_first_block_full(&self, bytes: &[u8]) -> bool {
        matches!(self.before, Before::Nothing)
            && self.block.len() + bytes.len() >= self.width.block_bytes()
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), ApiError> {
        self.block.extend_from_slice(bytes);
        if self.block.len() < self.width.block_bytes() {
            return Ok(());
        }
        let (partial, empty) = self.written().await?;
        let block = mem::replace(&mut self.block, empty);
        let (folders, md5) = (self.folders.clone(), self.md5);
        self.before = Before::Writing(tokio::task::spawn_blocking(move || {
            let mut partial = partial.map_or_else(|| Partial::create(&folders, md5), Ok)?;
            partial.append(&block)?;
            Ok((partial, block))
        }));
        if !self.width.is_wide() {
            // One block and no more.
            let (partial, empty) = self.written().await?;
            self.block = empty;
            self.before =
                partial.map_or(Before::Nothing, |partial| Before::Written(Box::new(partial)));
        }
        Ok(())
    }

    /// Waits for what is being written; returns all of it, and an empty block to fill.
    async fn written(&mut self) -> Result<(Option<Partial>, Vec<u8>), ApiError> {
        let (partial, mut block) = match mem::take(&mut self.before) {
            Before::Nothing => return Ok((None, Vec::new())),
            Before::Written(partial) => (*partial, Vec::new()),
            Before::Writing(writing) => writing.await.map_err(|_| store::Error::GivenUp)??,
        };
        if partial.size() > FILE_BYTES_MAX {
            return Err(ApiError::too_large());
        }
        block.clear();
        Ok((Some(partial), block))
    }

    async fn finish(mut self) -> Result<Stored, ApiError> {
        let (partial, _) = self.written().await?;
        let (folders, md5, block) = (self.folders, self.md5, self.block);
        blocking(move || {
            let mut partial = partial.map_or_else(|| Partial::create(&folders, md5), Ok)?;
            partial.append(&block)?;
            partial.finish(&folders)
        })
        .await
    }
}

/// Runs file work on a blocking thread.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, ApiError> {
    let done = tokio::task::spawn_blocking(work).await;
    Ok(done.map_err(|_| store::Error::GivenUp)??)
}
