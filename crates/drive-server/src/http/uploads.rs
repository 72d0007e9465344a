//! Uploads in one request: simple and multipart. Content is streamed to disk and hashed on the
//! way; only then, in one transaction, does the file change.

use hyper::{Method, StatusCode};
use serde_json::Value;

use super::{
    App,
    api_error::ApiError,
    call::{self, Call, CallBody, METADATA_BYTES_MAX},
    fields::Mask,
    files::{check_writable, moves},
    multipart::{Event, Multipart},
    reply::{self, Answer},
    resources, resumable,
};
use crate::store::{
    self,
    access::WRITER,
    content::{BLOCK_BYTES, Folders, Partial, Stored},
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
    pub(crate) mask: Mask,
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
    check(app, &target).await?;
    let mut body = std::mem::take(&mut call.body);
    let mut sink = Sink::new(app.store.folders().clone()).await?;
    while let Some(bytes) = call::next(&mut body).await? {
        sink.write(&bytes).await?;
    }
    finish(app, target, sink.finish().await?).await
}

async fn multipart(app: &App, call: &mut Call, id: Option<String>) -> Answer {
    call.me()?;
    let kind = call.header("content-type").unwrap_or_default();
    let mut parser = Multipart::new(kind)?;
    let mut body = std::mem::take(&mut call.body);
    let (meta, mime) = read_head(&mut parser, &mut body).await?;
    let target = target(call, id, resources::metadata(&meta)?, mime)?;
    check(app, &target).await?;
    let mut sink = Sink::new(app.store.folders().clone()).await?;
    loop {
        match next_event(&mut parser, &mut body).await? {
            Event::Data(data) => sink.write(&data).await?,
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
        mask: resources::file_mask(call.query.get("fields"))?,
    })
}

/// Checks, before bytes are taken in, that they will have a place to go.
pub(crate) async fn check(app: &App, target: &Target) -> Result<(), ApiError> {
    let target = target.clone();
    let checked = app.store.read(move |c| match &target.id {
        Some(id) => files::get(c, &target.me, id, WRITER).map(|_| ()),
        None => match target.meta.parents.as_deref() {
            Some([parent]) => {
                let folder = files::get(c, &target.me, parent, store::access::READER)?;
                let denied = store::Refusal::DeniedParent;
                if folder.rank < WRITER { Err(denied.into()) } else { Ok(()) }
            }
            _ => Ok(()),
        },
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
    let file = resources::file(&txn.tx, &target.me, &row, &target.mask)?;
    Ok((row.id, file))
}

/// Takes bytes on an async thread and writes them, block by block, on blocking ones.
#[derive(Debug)]
struct Sink {
    partial: Option<Partial>,
    folders: Folders,
    block: Vec<u8>,
}

impl Sink {
    async fn new(folders: Folders) -> Result<Self, ApiError> {
        let for_thread = folders.clone();
        let partial = blocking(move || Partial::create(&for_thread)).await?;
        Ok(Self { partial: Some(partial), folders, block: Vec::with_capacity(BLOCK_BYTES) })
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), ApiError> {
        self.block.extend_from_slice(bytes);
        if self.block.len() >= BLOCK_BYTES { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> Result<(), ApiError> {
        let mut partial = self.partial.take().ok_or_else(ApiError::too_large)?;
        if partial.size() + self.block.len() as u64 > FILE_BYTES_MAX {
            return Err(ApiError::too_large());
        }
        let block = std::mem::take(&mut self.block);
        let (partial, block) = blocking(move || {
            partial.append(&block)?;
            Ok((partial, block))
        })
        .await?;
        self.partial = Some(partial);
        self.block = block;
        self.block.clear();
        Ok(())
    }

    async fn finish(mut self) -> Result<Stored, ApiError> {
        self.flush().await?;
        let partial = self.partial.take().ok_or_else(ApiError::too_large)?;
        blocking(move || partial.finish(&self.folders)).await
    }
}

/// Runs file work on a blocking thread.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, ApiError> {
    let done = tokio::task::spawn_blocking(work).await;
    Ok(done.map_err(|_| store::Error::GivenUp)??)
}
