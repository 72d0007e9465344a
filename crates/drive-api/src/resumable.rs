//! Uploads that survive broken connections.
//!
//! A session is opened, then the whole content goes up in one streamed request. If that breaks, the
//! server is asked how much it kept (308 and `Range`) and the rest is sent from there. So it is if an
//! earlier process left a session ([`KeepSession`]): that is asked before anything is sent. Protocol:
//! <https://developers.google.com/workspace/drive/api/guides/manage-uploads#resumable>.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::{future::Future, io, pin::Pin, pin::pin};

use futures::StreamExt;
use google_drive3::common;
use http_body_util::StreamBody;
use hyper::body::{Body, Frame};
use hyper::header::{
    CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderMap, HeaderName, LOCATION, RANGE,
};
use hyper::{Method, StatusCode};
use serde_json::Value;
use url::Url;

use crate::auth::AccessToken;
use crate::content::Content;
use crate::create::io_error;
use crate::drive::Drive;
use crate::error::Error;
use crate::file::{FIELDS, File};
use crate::kept::KeepSession;
use crate::quota::Kind;
use crate::retry::{self, Failed, Repeat, Verdict};
use crate::transport::{Answer, finish};

/// New sessions for one upload, after the server forgot the first.
const SESSIONS_MAX: usize = 3;
/// Progress below this does not count as progress: a server that keeps a byte at a time gets no more
/// tries than one that keeps none. Google keeps multiples of it.
pub(crate) const PROGRESS_BYTES_MIN: u64 = 256 * 1024;

/// Content to be sent, and all that has to be known for it.
#[derive(Debug)]
pub(crate) struct Upload {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) metadata: Value,
    pub(crate) media_type: String,
    pub(crate) content: Content,
    pub(crate) size: u64,
    pub(crate) repeat: Repeat,
    pub(crate) what: String,
    /// Who keeps the session's address beyond the end of this process.
    pub(crate) keeper: Option<Arc<dyn KeepSession>>,
}

/// What the server says about a session.
enum Step {
    Done(Box<File>),
    /// It holds this many bytes from the start.
    Kept(u64),
}

/// What is known about the bytes that left: shared with the stream that sends them.
#[derive(Debug, Default)]
struct Sent {
    /// The furthest byte handed to the connection.
    furthest: AtomicU64,
    /// Grows with every piece: a sign of life.
    pieces: AtomicU64,
    problem: Mutex<Option<io::Error>>,
}

impl Drive {
    pub(crate) async fn send_resumable(&self, upload: &Upload) -> Result<File, Failed> {
        let mut maybe_done = false;
        let mut sessions = 0;
        let mut known = self.known_session(upload);
        loop {
            sessions += 1;
            let left = known.take();
            let was_left = left.is_some();
            let mut failed = match self.try_session(upload, left).await {
                Ok(file) => return Ok(file),
                Err(failed) => failed,
            };
            let is_forgotten = match failed.status() {
                Some(404 | 410) => failed.in_session,
                // Of a session that an earlier process left, any refusal means that it is of no use.
                Some(400 | 416) => failed.in_session && was_left,
                _ => false,
            };
            // What an earlier process sent may have been all, and the file made.
            maybe_done |= failed.failed.maybe_done || was_left;
            failed.failed.maybe_done = maybe_done;
            let may_restart = upload.repeat == Repeat::Safe || !maybe_done;
            if !is_forgotten || !may_restart || sessions == SESSIONS_MAX {
                return Err(failed.failed);
            }
        }
    }

    /// Returns the session that an earlier process left, if it is one of this server.
    fn known_session(&self, upload: &Upload) -> Option<Url> {
        let known = upload.keeper.as_ref()?.known()?;
        Url::parse(&known).ok().filter(|url| self.transport.endpoint.owns(url))
    }

    /// Goes on with a session, or opens one.
    async fn try_session(&self, upload: &Upload, left: Option<Url>) -> Result<File, SessionFailed> {
        let outside = |failed| SessionFailed { failed, in_session: false };
        let is_left = left.is_some();
        let session = match left {
            Some(session) => session,
            None => self.open_session(upload).await.map_err(outside)?,
        };
        if let Some(keeper) = upload.keeper.as_ref().filter(|_| !is_left) {
            let kept = keeper.keep(session.as_str());
            kept.map_err(|source| outside(io_error(&upload.what, source).into()))?;
        }
        let filled = self.fill_session(upload, &session, is_left).await;
        filled.map_err(|failed| SessionFailed { failed, in_session: true })
    }

    /// Opens a session. That makes no file yet, so it may always be repeated.
    async fn open_session(&self, upload: &Upload) -> Result<Url, Failed> {
        let mut url = upload.url.clone();
        url.query_pairs_mut().append_pair("uploadType", "resumable").append_pair("fields", FIELDS);
        let (url, body) = (&url, bytes::Bytes::from(upload.metadata.to_string()));
        let opened = self.transport.persist(Repeat::Safe, |token| {
            let body = common::to_body(Some(body.clone()));
            async move {
                let builder = self
                    .transport
                    .request(upload.method.clone(), url, &token)
                    .header(CONTENT_TYPE, "application/json; charset=UTF-8")
                    .header(HeaderName::from_static("x-upload-content-type"), &upload.media_type)
                    .header(HeaderName::from_static("x-upload-content-length"), upload.size);
                let request = finish(&upload.what, builder, body)?;
                let answer = self.transport.answer(&upload.what, request).await?;
                self.transport.success(&upload.what, answer)
            }
        });
        let mut answer = opened.await?;
        let location = answer.headers.remove(LOCATION);
        let location = location.as_ref().and_then(|value| value.to_str().ok());
        let session = location.and_then(|text| self.transport.endpoint.api().join(text).ok());
        match session {
            Some(url) if self.transport.endpoint.owns(&url) => Ok(url),
            _ => Err(nonsense(upload, "it gives no session on the same server").into()),
        }
    }

    /// Sends what the session lacks: all, or if it is left from an earlier process, what the server
    /// says.
    async fn fill_session(
        &self,
        upload: &Upload,
        session: &Url,
        is_left: bool,
    ) -> Result<File, Failed> {
        let sent = Arc::new(Sent::default());
        let mut delays = retry::delays();
        let (mut kept, mut best) = (0, 0);
        let (mut ask, mut is_fresh) = (is_left, false);
        let mut hears = upload.keeper.as_ref().filter(|_| is_left);
        loop {
            let token = self.transport.tokens.token().await?;
            let step = if ask {
                self.ask_session(upload, session, &token).await
            } else {
                self.send_rest(upload, session, &token, kept, &sent).await
            };
            let mut failed = match step {
                Ok(Step::Done(file)) => return Ok(*file),
                Ok(Step::Kept(bytes)) => {
                    kept = bytes;
                    if let Some(keeper) = hears.take() {
                        keeper.resumed(kept);
                    }
                    self.progress.report(kept);
                    sent.furthest.store(kept, Ordering::SeqCst); // so the file is not made yet
                    let has_grown = kept >= best + PROGRESS_BYTES_MIN;
                    if has_grown {
                        (best, delays, is_fresh) = (kept, retry::delays(), false);
                    }
                    let was_asked = std::mem::replace(&mut ask, kept == upload.size);
                    if !ask && (was_asked || has_grown) {
                        continue;
                    }
                    Failed::lost(&upload.what, "the server kept only a part")
                }
                Err(failed) => {
                    ask = true;
                    failed
                }
            };
            // Only when the last byte has left can the file have been made.
            failed.maybe_done = sent.furthest.load(Ordering::SeqCst) >= upload.size;
            match retry::judge(&failed.symptom, Repeat::Safe) {
                Verdict::FreshToken if !is_fresh => {
                    self.transport.tokens.refresh(&token).await?;
                    is_fresh = true;
                }
                Verdict::GiveUp | Verdict::FreshToken => return Err(failed),
                Verdict::Again => match delays.next() {
                    Some(delay) => {
                        self.transport.pause(delay, failed.retry_after).await;
                    }
                    None => return Err(failed),
                },
            }
        }
    }

    async fn send_rest(
        &self,
        upload: &Upload,
        session: &Url,
        token: &AccessToken,
        from: u64,
        sent: &Arc<Sent>,
    ) -> Result<Step, Failed> {
        let (what, size) = (&upload.what, upload.size);
        let pieces = upload.content.stream(from, size).await;
        let mut pieces = pieces.map_err(|source| io_error(what, source))?;
        let (state, progress) = (Arc::clone(sent), self.progress.clone());
        let mut at = from;
        // hyper's error type cannot carry ours: a body that fails just ends early, which breaks the
        // promised length and so the request; the reason waits in `problem`.
        let frames = futures::stream::poll_fn(move |cx| {
            pieces.poll_next_unpin(cx).map(|piece| match piece? {
                Ok(piece) => {
                    at += piece.len() as u64;
                    state.furthest.fetch_max(at, Ordering::SeqCst);
                    state.pieces.fetch_add(1, Ordering::SeqCst);
                    progress.report(at);
                    Some(Ok(Frame::data(piece)))
                }
                Err(problem) => {
                    *state.problem.lock().unwrap_or_else(PoisonError::into_inner) = Some(problem);
                    None
                }
            })
        });
        let body = common::Body::new(Shareable(Mutex::new(StreamBody::new(frames))));
        let builder = self
            .transport
            .request(Method::PUT, session, token)
            .header(CONTENT_LENGTH, size - from)
            .header(CONTENT_TYPE, &upload.media_type)
            .header(CONTENT_RANGE, format!("bytes {from}-{}/{size}", size - 1));
        let slot = self.transport.enter(Kind::Edit.units()).await;
        let exchange = self.transport.exchange(slot, what, finish(what, builder, body)?);
        let answer = self.while_alive(upload, exchange, sent).await;
        if let Some(problem) = sent.problem.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Err(io_error(what, problem).into());
        }
        self.step(upload, answer?)
    }

    async fn ask_session(
        &self,
        upload: &Upload,
        session: &Url,
        token: &AccessToken,
    ) -> Result<Step, Failed> {
        let builder = self
            .transport
            .request(Method::PUT, session, token)
            .header(CONTENT_LENGTH, 0)
            .header(CONTENT_RANGE, format!("bytes */{}", upload.size));
        let request = finish(&upload.what, builder, common::to_body::<bytes::Bytes>(None))?;
        let answer = self.transport.answer(&upload.what, request).await?;
        self.step(upload, answer)
    }

    fn step(&self, upload: &Upload, answer: Answer) -> Result<Step, Failed> {
        if answer.status == StatusCode::PERMANENT_REDIRECT {
            let kept = kept_bytes(&answer.headers).filter(|kept| *kept <= upload.size);
            return kept.map(Step::Kept).ok_or_else(|| nonsense(upload, "its Range").into());
        }
        let answer = self.transport.success(&upload.what, answer)?;
        let file = File::parse(answer.json(&upload.what)?)?;
        Ok(Step::Done(Box::new(file)))
    }

    /// Waits for an answer as long as bytes keep leaving.
    async fn while_alive<T>(
        &self,
        upload: &Upload,
        exchange: impl Future<Output = Result<T, Failed>>,
        sent: &Sent,
    ) -> Result<T, Failed> {
        let mut exchange = pin!(exchange);
        loop {
            let before = sent.pieces.load(Ordering::SeqCst);
            match tokio::time::timeout(self.transport.settings.patience, &mut exchange).await {
                Ok(answer) => return answer,
                Err(late) if sent.pieces.load(Ordering::SeqCst) == before => {
                    return Err(Failed::lost(&upload.what, late));
                }
                Err(_) => {}
            }
        }
    }
}

/// A body that may be shared between threads, as `google-drive3`'s client wants it. Nobody does, so
/// the lock is never taken.
struct Shareable<B>(Mutex<B>);

impl<B: Body + Unpin> Body for Shareable<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let inner = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        Pin::new(inner).poll_frame(cx)
    }
}

/// A failure, and whether it came from inside a session.
struct SessionFailed {
    failed: Failed,
    in_session: bool,
}

impl SessionFailed {
    fn status(&self) -> Option<u16> {
        self.failed.status()
    }
}

/// Reads `Range: bytes=0-N` of a 308: the bytes kept. No such header means none.
fn kept_bytes(headers: &HeaderMap) -> Option<u64> {
    let Some(range) = headers.get(RANGE) else { return Some(0) };
    let last = range.to_str().ok()?.trim().strip_prefix("bytes=0-")?;
    last.parse::<u64>().ok()?.checked_add(1)
}

fn nonsense(upload: &Upload, problem: &str) -> Error {
    Error::invalid(format!("the answer about {}", upload.what), problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_says_how_much_was_kept() {
        #[rustfmt::skip]
        let cases = [
            ("bytes=0-0",                    Some(1)),
            ("bytes=0-262143",               Some(262_144)),
            ("bytes 0-1",                    None),
            ("bytes=5-9",                    None),
            ("bytes=0-18446744073709551615", None),
            ("bytes=0-x",                    None),
        ];
        for (range, expected) in cases {
            let headers = HeaderMap::from_iter([(RANGE, range.parse().unwrap())]);
            assert_eq!(kept_bytes(&headers), expected, "{range}");
        }
        assert_eq!(kept_bytes(&HeaderMap::new()), Some(0));
    }
}
