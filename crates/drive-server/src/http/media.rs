//! Downloads: the bytes of a file, all or one range, streamed.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
};

use bytes::Bytes;
use futures::stream;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::{StatusCode, body::Frame};
use tokio::task::JoinHandle;

use super::{
    App,
    api_error::ApiError,
    call::Call,
    range::{self, Download},
    reply::{self, Answer, ReplyBody},
    streams::Width,
};
use crate::store::{self, access::READER, files};

pub(crate) async fn get(app: &App, call: &Call, id: String) -> Answer {
    let me = call.me()?;
    let folder = app.store.folders().content.clone();
    // The file is opened under the same snapshot: once open, its bytes stay, whatever happens.
    let opened = app.store.read(move |c| {
        let row = files::get(c, &me, &id, READER)?;
        let file = row.content.as_ref().map(|content| File::open(folder.join(content)));
        match file.transpose() {
            Ok(file) => Ok((row, file)),
            // Replaced between snapshot and open: to the client as if it came a moment later.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(store::Error::GivenUp),
            Err(error) => Err(error.into()),
        }
    });
    let (row, file) = opened.await?;
    if row.is_native() {
        let message = "Only files with binary content can be downloaded. Use Export with Docs \
                       Editors files.";
        return Err(ApiError::forbidden("fileNotDownloadable", message));
    }
    let (status, first, length) = match range::download(call.header("range"), row.size) {
        Download::All => (StatusCode::OK, 0, row.size),
        Download::Part(first, last) => (StatusCode::PARTIAL_CONTENT, first, last - first + 1),
        Download::Unsatisfiable => {
            let mut reply = reply::bytes(StatusCode::RANGE_NOT_SATISFIABLE, "text/html", "");
            reply::set(&mut reply, "content-range", &format!("bytes */{}", row.size));
            return Ok(reply);
        }
    };
    let mut reply = reply::empty(status);
    if let Some(file) = file.filter(|_| length > 0) {
        *reply.body_mut() = stream(file, first, length, app.streams.begin());
    }
    reply::set(&mut reply, "content-type", "application/octet-stream");
    reply::set(&mut reply, "content-type", &row.mime);
    reply::set(&mut reply, "content-length", &length.to_string());
    reply::set(&mut reply, "accept-ranges", "bytes");
    // What one account stores must not run as a page of this server in another's browser.
    reply::set(&mut reply, "content-disposition", "attachment");
    reply::set(&mut reply, "x-content-type-options", "nosniff");
    if status == StatusCode::PARTIAL_CONTENT {
        let range = format!("bytes {first}-{}/{}", first + length - 1, row.size);
        reply::set(&mut reply, "content-range", &range);
    }
    Ok(reply)
}

/// What is still to be sent.
struct Rest {
    at: u64,
    left: u64,
    width: Width,
}

type Reading = JoinHandle<io::Result<(File, Bytes)>>;

/// A download between two blocks: the next one is being read, or will be once it is asked for.
enum State {
    Ahead(Reading, Rest),
    Waiting(File, Rest),
}

/// Returns a body that reads block by block: what the system has in memory at once, all else on a
/// blocking thread, the next block of a wide stream while one is sent.
fn stream(file: File, first: u64, length: u64, width: Width) -> ReplyBody {
    let rest = Rest { at: first, left: length, width };
    let blocks = stream::unfold(Some(State::Waiting(file, rest)), |state| async move {
        let (reading, rest) = match state? {
            State::Ahead(reading, rest) => (reading, rest),
            State::Waiting(file, rest) => {
                if let Some(block) = read_now(&file, &rest) {
                    let rest = rest.after(block.len() as u64);
                    let next = (rest.left > 0).then_some(State::Waiting(file, rest));
                    return Some((Ok(Frame::data(block)), next));
                }
                read(file, rest)
            }
        };
        match reading.await.unwrap_or_else(|_| Err(io::ErrorKind::Interrupted.into())) {
            Ok((file, block)) => {
                let next = match (rest.left > 0, rest.width.is_wide()) {
                    (false, _) => None,
                    (true, false) => Some(State::Waiting(file, rest)),
                    (true, true) => {
                        let (reading, rest) = read(file, rest);
                        Some(State::Ahead(reading, rest))
                    }
                };
                Some((Ok(Frame::data(block)), next))
            }
            Err(error) => Some((Err(error), None)),
        }
    });
    StreamBody::new(blocks).boxed_unsync()
}

impl Rest {
    fn after(self, bytes: u64) -> Self {
        Self { at: self.at + bytes, left: self.left - bytes, width: self.width }
    }

    fn block_bytes(&self) -> usize {
        usize::try_from(self.left).unwrap_or(usize::MAX).min(self.width.block_bytes())
    }
}

/// Reads a block, or the start of it, if that needs no disk; none if it does or nobody can tell.
#[cfg(target_os = "linux")]
fn read_now(file: &File, rest: &Rest) -> Option<Bytes> {
    use rustix::io::{ReadWriteFlags, preadv2};

    let mut block = vec![0; rest.block_bytes().min(NOW_BYTES_MAX)];
    let into = &mut [io::IoSliceMut::new(&mut block)];
    let count = preadv2(file, into, rest.at, ReadWriteFlags::NOWAIT).ok()?;
    block.truncate(count);
    (count > 0).then(|| block.into())
}

#[cfg(not(target_os = "linux"))]
fn read_now(_: &File, _: &Rest) -> Option<Bytes> {
    None
}

/// The most that is copied on a thread that serves others, in bytes: some 50 µs.
#[cfg(target_os = "linux")]
const NOW_BYTES_MAX: usize = 256 * 1024;

/// Begins to read the next block; returns what is left after it.
fn read(file: File, rest: Rest) -> (Reading, Rest) {
    let (at, size) = (rest.at, rest.block_bytes() as u64);
    let reading = tokio::task::spawn_blocking(move || read_block(file, at, size));
    (reading, rest.after(size))
}

fn read_block(mut file: File, at: u64, size: u64) -> io::Result<(File, Bytes)> {
    let mut block = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
    file.seek(SeekFrom::Start(at))?;
    (&file).take(size).read_to_end(&mut block)?;
    if block.len() as u64 != size {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok((file, block.into()))
}
