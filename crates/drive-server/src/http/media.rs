//! Downloads: the bytes of a file, all or one range, streamed.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
};

use bytes::Bytes;
use futures::stream;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::{StatusCode, body::Frame};

use super::{
    App,
    api_error::ApiError,
    call::Call,
    range::{self, Download},
    reply::{self, Answer, ReplyBody},
};
use crate::store::{self, access::READER, content::BLOCK_BYTES, files};

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
        *reply.body_mut() = stream(file, first, length);
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

/// Returns a body that reads block by block, each on a blocking thread.
fn stream(file: File, first: u64, length: u64) -> ReplyBody {
    let blocks = stream::unfold(Some((file, first, length)), |state| async move {
        let (file, at, left) = state.filter(|(_, _, left): &(File, u64, u64)| *left > 0)?;
        let read = tokio::task::spawn_blocking(move || read_block(file, at, left)).await;
        match read.unwrap_or_else(|_| Err(io::ErrorKind::Interrupted.into())) {
            Ok((file, block)) => {
                let count = block.len() as u64;
                Some((Ok(Frame::data(block)), Some((file, at + count, left - count))))
            }
            Err(error) => Some((Err(error), None)),
        }
    });
    StreamBody::new(blocks).boxed_unsync()
}

fn read_block(mut file: File, at: u64, left: u64) -> io::Result<(File, Bytes)> {
    let size = usize::try_from(left).unwrap_or(usize::MAX).min(BLOCK_BYTES);
    let mut block = vec![0; size];
    file.seek(SeekFrom::Start(at))?;
    file.read_exact(&mut block)?;
    Ok((file, block.into()))
}
