//! Reads content: streamed, bounded, digested on the way, and resumed after a broken connection, or
//! behind a beginning that an earlier process left.
//!
//! Drive v3 has no revision to pin a download to. If the length changes between two pieces the
//! download fails; a caller who knows the digest compares it with [`Downloaded`].

use std::io;

use bytes::Bytes;
use google_drive3::common;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{
    ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, HeaderMap, RANGE, TRANSFER_ENCODING,
};
use hyper::{Method, Response, StatusCode};
use tokio::io::{AsyncWrite, AsyncWriteExt};

use crate::auth::AccessToken;
use crate::create::io_error;
use crate::drive::Drive;
use crate::error::Error;
use crate::id;
use crate::kept::Begun;
use crate::resumable::PROGRESS_BYTES_MIN;
use crate::retry::{self, Failed, Repeat, Verdict};
use crate::transport::{collect, finish};

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Downloaded {
    /// The number of bytes.
    pub size: u64,
    /// Their SHA-256, lower-case hex.
    pub sha256: String,
}

impl Downloaded {
    fn of(got: &Begun) -> Self {
        Self { size: got.size, sha256: got.sha256() }
    }
}

/// A download under way.
struct Download<'a> {
    what: String,
    id: &'a str,
    writer: &'a mut (dyn AsyncWrite + Unpin + Send),
    limit_bytes: u64,
    total: Option<u64>,
    got: Begun,
}

impl Drive {
    /// Returns the content of a file.
    ///
    /// # Errors
    /// As [`Self::download`].
    pub async fn read(&self, id: &str, limit_bytes: u64) -> Result<Bytes, Error> {
        let mut bytes = Vec::new();
        self.download(id, &mut bytes, limit_bytes).await?;
        Ok(bytes.into())
    }

    /// Writes the content of a file to `writer` and flushes it.
    ///
    /// On an error `writer` holds a beginning of the content, or nothing.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Denied`]; [`Error::TooLarge`] beyond `limit_bytes`, before more
    /// than that is written; [`Error::Io`] if `writer` fails.
    pub async fn download(
        &self,
        id: &str,
        writer: &mut (dyn AsyncWrite + Unpin + Send),
        limit_bytes: u64,
    ) -> Result<Downloaded, Error> {
        let what = format!("file {}", id::checked(id)?);
        let got = Begun::default();
        self.carry_on(Download { what, id, writer, limit_bytes, total: None, got }).await
    }

    /// Writes what follows `begun` of a file of `size` bytes to `writer` and flushes it; what it returns
    /// is about the whole.
    ///
    /// # Errors
    /// As [`Self::download`]; [`Error::Invalid`] if the file has another length now.
    pub async fn download_rest(
        &self,
        id: &str,
        begun: Begun,
        size: u64,
        writer: &mut (dyn AsyncWrite + Unpin + Send),
    ) -> Result<Downloaded, Error> {
        let what = format!("file {}", id::checked(id)?);
        if begun.size == size {
            return Ok(Downloaded::of(&begun));
        }
        let state = Download { what, id, writer, limit_bytes: size, total: Some(size), got: begun };
        self.carry_on(state).await
    }

    async fn carry_on(&self, mut state: Download<'_>) -> Result<Downloaded, Error> {
        let mut delays = retry::delays();
        let (mut best, mut is_fresh) = (state.got.size, false);
        let mut token = self.transport.tokens.token().await?;
        while let Err(failed) = self.piece(&token, &mut state).await {
            if state.got.size >= best + PROGRESS_BYTES_MIN {
                best = state.got.size;
                delays = retry::delays();
                is_fresh = false;
            }
            match retry::judge(&failed.symptom, Repeat::Safe) {
                Verdict::FreshToken if !is_fresh => {
                    token = self.transport.tokens.refresh(&token).await?;
                    is_fresh = true;
                }
                Verdict::GiveUp | Verdict::FreshToken => return Err(failed.error),
                Verdict::Again => match delays.next() {
                    Some(delay) => {
                        self.transport.pause(delay, failed.retry_after).await;
                    }
                    None => return Err(failed.error),
                },
            }
        }
        state.writer.flush().await.map_err(|source| io_error(&state.what, source))?;
        Ok(Downloaded::of(&state.got))
    }

    /// Reads from where we are to the end, or to where the connection breaks.
    async fn piece(&self, token: &AccessToken, state: &mut Download<'_>) -> Result<(), Failed> {
        let mut url = self.transport.endpoint.api();
        url.set_path(&format!("{}files/{}", url.path(), state.id));
        url.query_pairs_mut().append_pair("alt", "media");
        let mut builder = self.transport.request(Method::GET, &url, token);
        builder = builder.header(ACCEPT_ENCODING, "identity");
        if state.got.size > 0 {
            builder = builder.header(RANGE, format!("bytes={}-", state.got.size));
        }
        let request = finish(&state.what, builder, common::to_body::<Bytes>(None))?;
        let (response, _slot) = self.transport.open(&state.what, request).await?;
        let status = response.status();
        if status == StatusCode::RANGE_NOT_SATISFIABLE && state.is_whole(response.headers()) {
            return Ok(());
        }
        if !status.is_success() {
            const COMPLAINT_BYTES_MAX: u64 = 1024 * 1024;
            let answer = collect(&state.what, response, COMPLAINT_BYTES_MAX).await?;
            return Err(self.transport.refusal(&state.what, &answer));
        }
        let skip = state.begin(status, response.headers())?;
        self.pour(response, state, skip).await
    }

    /// Writes a body on, without its first `skip` bytes.
    async fn pour(
        &self,
        response: Response<Incoming>,
        state: &mut Download<'_>,
        mut skip: u64,
    ) -> Result<(), Failed> {
        let mut body = response.into_body();
        loop {
            let frame = tokio::time::timeout(self.transport.settings.patience, body.frame()).await;
            let frame = match frame {
                Ok(Some(Ok(frame))) => frame,
                Ok(Some(Err(error))) => return Err(Failed::lost(&state.what, error)),
                Ok(None) => return state.end(),
                Err(late) => return Err(Failed::lost(&state.what, late)),
            };
            let Ok(mut data) = frame.into_data() else { continue };
            let skipped = skip.min(data.len() as u64);
            skip -= skipped;
            let _ = data.split_to(usize::try_from(skipped).unwrap_or(data.len()));
            if !data.is_empty() {
                state.take(&data).await?;
                self.progress.report(state.got.size);
            }
        }
    }
}

impl Download<'_> {
    /// Reads the head of an answer; returns how many bytes of its body we have already.
    fn begin(&mut self, status: StatusCode, headers: &HeaderMap) -> Result<u64, Error> {
        let (skip, total) = if status == StatusCode::PARTIAL_CONTENT {
            let range = headers.get(CONTENT_RANGE).and_then(|value| value.to_str().ok());
            let (first, total) = range.and_then(content_range).ok_or_else(|| self.bad("range"))?;
            if first != self.got.size {
                return Err(self.bad("range"));
            }
            (0, Some(total))
        } else {
            let length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
            let length = length.and_then(|text| text.parse::<u64>().ok());
            if length.is_none() && !headers.contains_key(TRANSFER_ENCODING) {
                return Err(self.bad("missing length"));
            }
            (self.got.size, length)
        };
        if total.is_some_and(|total| total > self.limit_bytes) {
            return Err(self.too_large());
        }
        if self.total.is_some() && total.is_some() && self.total != total {
            return Err(Error::invalid(&self.what, "it changed while it was being read"));
        }
        self.total = self.total.or(total);
        Ok(skip)
    }

    async fn take(&mut self, data: &[u8]) -> Result<(), Error> {
        let got = self.got.size + data.len() as u64;
        if got > self.limit_bytes {
            return Err(self.too_large());
        }
        if self.total.is_some_and(|total| got > total) {
            return Err(self.bad("length"));
        }
        let written = self.writer.write_all(data).await;
        written.map_err(|source: io::Error| io_error(&self.what, source))?;
        self.got.take(data);
        Ok(())
    }

    fn end(&self) -> Result<(), Failed> {
        match self.total {
            Some(total) if total != self.got.size => {
                Err(Failed::lost(&self.what, "the content broke off"))
            }
            _ => Ok(()),
        }
    }

    /// True if a 416 says that there is nothing beyond what we have: `Content-Range: bytes */N`.
    fn is_whole(&self, headers: &HeaderMap) -> bool {
        let range = headers.get(CONTENT_RANGE).and_then(|value| value.to_str().ok());
        let total =
            range.and_then(|text| text.trim().strip_prefix("bytes */")?.parse::<u64>().ok());
        total == Some(self.got.size) && self.total.is_none_or(|known| known == self.got.size)
    }

    fn too_large(&self) -> Error {
        Error::TooLarge { what: self.what.clone(), limit_bytes: self.limit_bytes }
    }

    fn bad(&self, part: &str) -> Error {
        Error::invalid(
            format!("the answer with the content of {}", self.what),
            format!("its {part}"),
        )
    }
}

/// Reads `bytes A-B/TOTAL`: the first byte and the total.
fn content_range(value: &str) -> Option<(u64, u64)> {
    let (range, total) = value.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last) = (first.parse().ok()?, last.parse::<u64>().ok()?);
    let total = total.parse().ok()?;
    (first <= last && last < total).then_some((first, total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_range_is_read_strictly() {
        assert_eq!(content_range("bytes 5-9/10"), Some((5, 10)));
        for bad in ["bytes 5-9/*", "bytes 9-5/10", "bytes 5-10/10", "5-9/10", "bytes */10", ""] {
            assert_eq!(content_range(bad), None, "{bad}");
        }
    }
}
