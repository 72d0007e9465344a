//! Resumable uploads: a session is opened, filled in chunks, asked about, ended.
//!
//! What counts is what lies on disk: a chunk that broke off counts up to where it broke, and a
//! session goes on after a restart. The upload id in the URL is all that a chunk needs; it is a
//! secret of its own. A client that reconnects takes over from its former self at once.
//! Source: <https://developers.google.com/workspace/drive/api/guides/manage-uploads#resumable>.

use std::{
    collections::HashMap,
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use hyper::{Method, StatusCode};
use serde::{Deserialize, Serialize};

use super::{
    App,
    api_error::ApiError,
    call::{self, Call, METADATA_BYTES_MAX, Params},
    files::moves,
    learning,
    range::{self, Upload},
    reply::{self, Answer, Reply},
    resources::{self, Parts},
    streams::Width,
    uploads::{self, Target, blocking},
};
use crate::{
    clock,
    store::{
        self,
        access::READER,
        content::{Folders, Md5When, Partial, Stored},
        files, ids,
        sessions::{self, Session},
        sums::Patience,
    },
};

/// Sessions whose digests are kept in memory; others are read again when they go on.
const LIVE_MAX: usize = 256;

/// What the first request said, as the session keeps it.
#[derive(Debug, Serialize, Deserialize)]
struct Request {
    metadata: String,
    query: String,
    mime: Option<String>,
}

/// Open sessions of this process.
#[derive(Debug, Default)]
pub(crate) struct Live(Mutex<HashMap<String, Arc<Slot>>>);

#[derive(Debug, Default)]
struct Slot {
    /// Grows with each request; whoever does not hold the newest number must stop writing.
    turn: AtomicU64,
    state: Mutex<State>,
}

/// The bytes of a session, as this process holds them.
#[derive(Debug, Default)]
enum State {
    /// On disk, not open.
    #[default]
    Closed,
    Open(Box<Partial>),
    /// Renamed and given to a file, or about to be.
    Finished,
}

impl Slot {
    /// Takes the bytes out of `state`, or opens them, unless a newer request has taken over.
    fn open(
        &self,
        state: &mut State,
        turn: u64,
        folders: &Folders,
        content: &str,
        md5: Md5When,
    ) -> io::Result<Partial> {
        if self.turn.load(Ordering::SeqCst) != turn || matches!(state, State::Finished) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        match std::mem::take(state) {
            State::Open(open) => Ok(*open),
            _ => Partial::resume(folders, content, md5),
        }
    }
}

impl Live {
    fn slot(&self, content: &str) -> Arc<Slot> {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= LIVE_MAX {
            slots.retain(|_, slot| Arc::strong_count(slot) > 1);
        }
        Arc::clone(slots.entry(content.to_owned()).or_default())
    }

    fn forget(&self, content: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(content);
    }
}

pub(crate) async fn open(app: &App, call: &mut Call, id: Option<String>) -> Answer {
    call.me()?;
    let metadata = call.take_body(METADATA_BYTES_MAX).await?;
    let mime = call.header("x-upload-content-type").map(str::to_owned);
    let meta = resources::metadata(&metadata)?;
    let target = uploads::target(call, id.clone(), meta, mime)?;
    uploads::check(app, &target).await?;
    let request = Request {
        metadata: String::from_utf8(metadata.to_vec()).map_err(|_| ApiError::parse())?,
        query: call.query.encode(),
        mime: target.mime,
    };
    let request = serde_json::to_string(&request).map_err(|_| ApiError::parse())?;
    let upload = ids::secret();
    let location =
        format!("{}{}?{}", call.base, call.path, call.query.encode_with("upload_id", &upload));
    let folders = app.store.folders().clone();
    let (me, upload_id) = (target.me, upload.clone());
    app.store
        .write(move |txn| sessions::open(txn, &folders, &upload_id, &me, id.as_deref(), &request))
        .await?;
    let mut reply = reply::bytes(StatusCode::OK, "text/html; charset=UTF-8", "");
    reply::set(&mut reply, "location", &location);
    reply::set(&mut reply, "x-guploader-uploadid", &upload);
    Ok(reply)
}

/// Serves one request to a session URL.
pub(crate) async fn receive(app: &App, call: &mut Call, upload: &str) -> Answer {
    let id = upload.to_owned();
    let found = app.store.read(move |c| sessions::get(c, &id, clock::now_ms())).await?;
    let session = found.ok_or_else(ApiError::no_such_page)?;
    if call.method == Method::DELETE {
        return cancel(app, upload, &session).await;
    }
    if call.method != Method::PUT && call.method != Method::POST {
        return Err(ApiError::method());
    }
    if let Some(file) = session.result.clone() {
        return tell_again(app, session, file).await;
    }
    let asked = range::upload(call.header("content-range"));
    let asked = asked.ok_or_else(|| ApiError::bad_request("The Content-Range makes no sense."))?;
    let slot = app.live.slot(&session.content);
    let turn = slot.turn.fetch_add(1, Ordering::SeqCst) + 1;
    let work = Work {
        folders: app.store.folders().clone(),
        content: session.content.clone(),
        md5: target(&session)?.wanted.md5_when(),
        slot,
        turn,
        width: app.streams.begin(),
    };
    let (have, total) = match asked {
        Upload::Status { total } => (work.size(false).await?, total),
        Upload::Whole => {
            work.size(true).await?;
            let have = work.take(call, 0, u64::MAX).await?;
            (have, Some(have))
        }
        Upload::Chunk { first, last, total } => {
            let have = work.size(false).await?;
            if first > have {
                return Err(ApiError::bad_request(format!(
                    "Invalid request. According to the Content-Range header, the upload offset is \
                     {first} byte(s), which exceeds already uploaded size of {have} byte(s)."
                )));
            }
            let wanted = last - first + 1;
            (work.take(call, have - first, wanted).await?, total)
        }
    };
    match total {
        Some(total) if have > total => {
            Err(ApiError::bad_request(format!("There are {have} bytes already.")))
        }
        Some(total) if have == total => finish(app, upload, session, work).await,
        _ => {
            work.with(|partial| partial.sync()).await?;
            Ok(incomplete(upload, have))
        }
    }
}

/// The right of one request to write to a session, as long as no newer request comes.
struct Work {
    folders: Folders,
    content: String,
    md5: Md5When,
    slot: Arc<Slot>,
    turn: u64,
    width: Width,
}

impl Work {
    /// Runs `work` on the session's bytes, unless a newer request has taken over.
    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Partial) -> io::Result<T> + Send + 'static,
    ) -> Result<T, ApiError> {
        let (slot, turn, md5) = (Arc::clone(&self.slot), self.turn, self.md5);
        let (folders, content) = (self.folders.clone(), self.content.clone());
        blocking(move || {
            let mut state = slot.state.lock().unwrap_or_else(PoisonError::into_inner);
            let mut open = slot.open(&mut state, turn, &folders, &content, md5)?;
            let result = work(&mut open);
            *state = State::Open(Box::new(open));
            result
        })
        .await
    }

    /// Makes the bytes durable under their final name; from now on nobody writes to them.
    async fn store(&self) -> Result<Stored, ApiError> {
        let (slot, turn, md5) = (Arc::clone(&self.slot), self.turn, self.md5);
        let (folders, content) = (self.folders.clone(), self.content.clone());
        blocking(move || {
            let mut state = slot.state.lock().unwrap_or_else(PoisonError::into_inner);
            let open = slot.open(&mut state, turn, &folders, &content, md5)?;
            let stored = open.finish(&folders)?;
            *state = State::Finished;
            Ok(stored)
        })
        .await
    }

    /// Returns how many bytes there are, after forgetting them if asked to.
    async fn size(&self, reset: bool) -> Result<u64, ApiError> {
        self.with(move |partial| {
            if reset {
                partial.reset()?;
            }
            Ok(partial.size())
        })
        .await
    }

    /// Appends the body without its first `skip` bytes, which are here already; returns how many
    /// bytes there are then. The body must have exactly `wanted` bytes, unless that is `u64::MAX`.
    async fn take(&self, call: &mut Call, skip: u64, wanted: u64) -> Result<u64, ApiError> {
        let mut body = std::mem::take(&mut call.body);
        let (mut block, mut seen) = (Vec::new(), 0_u64);
        let outcome = loop {
            let bytes = match call::next(&mut body).await {
                Ok(Some(bytes)) => bytes,
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            };
            let before = seen;
            seen += bytes.len() as u64;
            if seen > wanted {
                break Err(ApiError::bad_request("There is more content than was announced."));
            }
            let known = skip.saturating_sub(before).min(bytes.len() as u64);
            block.extend_from_slice(&bytes[usize::try_from(known).unwrap_or(usize::MAX)..]);
            if block.len() >= self.width.block_bytes() {
                block = self.append(block).await?;
            }
        };
        // Also what came before the connection broke: the client will ask how far we are.
        self.append(block).await?;
        outcome?;
        if wanted != u64::MAX && seen != wanted {
            return Err(ApiError::bad_request("There is less content than was announced."));
        }
        self.size(false).await
    }

    async fn append(&self, mut block: Vec<u8>) -> Result<Vec<u8>, ApiError> {
        self.with(move |partial| {
            partial.append(&block)?;
            block.clear();
            Ok(block)
        })
        .await
    }
}

async fn finish(app: &App, upload: &str, session: Session, work: Work) -> Answer {
    let target = target(&session)?;
    let stored = work.store().await?;
    let id = upload.to_owned();
    let written = app.store.write(move |txn| {
        let (file, json) = uploads::commit(txn, &target, stored)?;
        sessions::finish(txn, &id, &file)?;
        Ok(json)
    });
    let written = written.await;
    app.live.forget(&session.content);
    match written {
        Ok(json) => Ok(reply::ok(&json)),
        Err(error @ store::Error::Refused(_)) => {
            // Refused for good, say because the folder is gone: the bytes are of no use any more.
            let id = upload.to_owned();
            app.store.write(move |txn| sessions::remove(txn, &id)).await?;
            Err(error.into())
        }
        // The bytes are gone with `stored`; the session starts from nothing.
        Err(error) => Err(error.into()),
    }
}

/// Answers a client that did not get the answer when the upload was done.
async fn tell_again(app: &App, session: Session, file: String) -> Answer {
    let wanted = target(&session)?.wanted;
    let json = learning::read(app, Patience::of_one(), wanted, move |c, wanted| {
        let row = files::get(c, &session.me, &file, READER)?;
        resources::file(c, &session.me, &row, &wanted)
    });
    Ok(reply::ok(&json.await?))
}

async fn cancel(app: &App, upload: &str, session: &Session) -> Answer {
    let slot = app.live.slot(&session.content);
    slot.turn.fetch_add(1, Ordering::SeqCst);
    app.live.forget(&session.content);
    let id = upload.to_owned();
    app.store.write(move |txn| sessions::remove(txn, &id)).await?;
    let path = app.store.folders().partial.join(&session.content);
    blocking(move || {
        // Under the lock, so that no chunk is being written; then there may be no file at all.
        let mut state = slot.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !matches!(*state, State::Finished) {
            *state = State::Finished;
            std::fs::remove_file(path).ok();
        }
        Ok(())
    })
    .await?;
    Ok(reply::empty(StatusCode::from_u16(499).unwrap_or(StatusCode::NO_CONTENT)))
}

fn target(session: &Session) -> Result<Target, ApiError> {
    let request: Request = serde_json::from_str(&session.request).map_err(|_| ApiError::parse())?;
    let query = Params::parse(request.query.as_bytes())?;
    Ok(Target {
        me: session.me.clone(),
        id: session.target.clone(),
        meta: resources::metadata(request.metadata.as_bytes())?,
        moves: moves(&query),
        mime: request.mime,
        wanted: Parts::parse(query.get("fields"))?,
    })
}

/// Says how far we are; without `Range` there is nothing yet.
fn incomplete(upload: &str, have: u64) -> Reply {
    let mut reply = reply::empty(StatusCode::PERMANENT_REDIRECT);
    if have > 0 {
        reply::set(&mut reply, "range", &format!("bytes=0-{}", have - 1));
    }
    reply::set(&mut reply, "x-guploader-uploadid", upload);
    reply
}
