//! Many requests in one: `multipart/mixed` of whole HTTP requests, answered in order.
//!
//! Each is carried out by itself: one that fails does not stop the others. Lines may end in bare
//! LF; answers have CRLF throughout. Source:
//! <https://developers.google.com/workspace/drive/api/guides/performance#batch-requests>.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{
    HeaderMap, Method, StatusCode,
    header::{HeaderName, HeaderValue},
};

use super::{
    App,
    api_error::ApiError,
    call::{self, Call, Params},
    handle,
    multipart::{Event, Multipart},
    reply::{self, Answer, Reply},
    route::{self, Route},
};
use crate::store::ids;

/// The most requests in one batch, as on Drive.
const PARTS_MAX: usize = 100;

/// The largest batch, in bytes.
const BYTES_MAX: usize = 8 * 1024 * 1024;

struct Part {
    id: Option<String>,
    body: Vec<u8>,
}

pub(crate) async fn batch(app: &App, call: &mut Call) -> Answer {
    if call.method != Method::POST {
        return Err(ApiError::method());
    }
    let kind = call.header("content-type").unwrap_or_default().to_owned();
    let parts = split(&kind, &call.take_body(BYTES_MAX).await?)?;
    let boundary = format!("batch_{}", ids::secret());
    let mut out = Vec::new();
    for part in parts {
        let reply = match inner(app, call, &part).await {
            Ok(reply) => reply,
            Err(error) => reply::error(&error),
        };
        write(&mut out, &boundary, part.id.as_deref(), reply).await?;
    }
    out.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    let mut reply = reply::bytes(StatusCode::OK, "", out);
    reply::set(&mut reply, "content-type", &format!("multipart/mixed; boundary={boundary}"));
    Ok(reply)
}

fn split(kind: &str, body: &[u8]) -> Result<Vec<Part>, ApiError> {
    let mut parser = Multipart::new(kind)?;
    parser.push(body);
    let mut parts: Vec<Part> = Vec::new();
    while let Some(event) = parser.next(true)? {
        match (event, parts.last_mut()) {
            (Event::Part(headers), _) => {
                if parts.len() == PARTS_MAX {
                    let message = "The batch request contains too many calls: at most 100.";
                    return Err(ApiError::bad_request(message));
                }
                let id = headers.into_iter().find(|(name, _)| name == "content-id");
                parts.push(Part { id: id.map(|(_, value)| value), body: Vec::new() });
            }
            (Event::Data(data), Some(part)) => part.body.extend(data),
            _ => break,
        }
    }
    Ok(parts)
}

async fn inner(app: &App, outer: &Call, part: &Part) -> Answer {
    let mut call = read(app, outer, &part.body).await?;
    let media = call.query.get("alt") == Some("media");
    match &call.route {
        Some(Route::Upload(_)) => Err(no_media()),
        Some(Route::File(_)) if media => Err(no_media()),
        Some(Route::Batch | Route::Authorize | Route::Token | Route::Revoke | Route::Admin(_))
        | None => Err(ApiError::no_such_page()),
        Some(_) => {
            app.log.inner(&call);
            let query = call.query.encode();
            if let Some(error) = app.faults.inner(call.method.as_str(), &call.path, &query) {
                return Err(error);
            }
            handle(app, &mut call).await
        }
    }
}

fn no_media() -> ApiError {
    ApiError::forbidden(
        "notSupportedForBatch",
        "Media cannot be uploaded or downloaded in a batch.",
    )
}

/// Reads the request in a part. Its own token counts; without one, the batch's.
async fn read(app: &App, outer: &Call, body: &[u8]) -> Result<Call, ApiError> {
    let bad = || ApiError::bad_request("A part of the batch is not a request.");
    let text = String::from_utf8_lossy(body);
    let text = text.trim_start();
    let (head, content) = match (text.find("\r\n\r\n"), text.find("\n\n")) {
        (Some(at), other) if other.is_none_or(|other| at < other) => (&text[..at], &text[at + 4..]),
        (_, Some(at)) => (&text[..at], &text[at + 2..]),
        _ => (text, ""),
    };
    let mut lines = head.lines();
    let mut first = lines.next().unwrap_or_default().split_whitespace();
    let (method, target) = (first.next().ok_or_else(bad)?, first.next().ok_or_else(bad)?);
    let mut headers = HeaderMap::new();
    for line in lines.take(100) {
        let (name, value) = line.split_once(':').ok_or_else(bad)?;
        let name: HeaderName = name.trim().parse().map_err(|_| bad())?;
        headers.insert(name, HeaderValue::from_str(value.trim()).map_err(|_| bad())?);
    }
    // A whole URL instead of a path: what follows its host counts.
    let path = match target.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("/", |at| &rest[at..]),
        None => target,
    };
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let me = match call::bearer(&headers) {
        Some(token) => app.who(token).await?,
        None => outer.me.clone(),
    };
    Ok(Call {
        method: method.parse().map_err(|_| bad())?,
        path: path.to_owned(),
        route: route::route(path),
        query: Params::parse(query.as_bytes())?,
        headers,
        body: Full::new(Bytes::copy_from_slice(content.as_bytes()))
            .map_err(|never| match never {})
            .boxed(),
        me,
        base: outer.base.clone(),
    })
}

async fn write(
    out: &mut Vec<u8>,
    boundary: &str,
    id: Option<&str>,
    reply: Reply,
) -> Result<(), ApiError> {
    let (head, body) = reply.into_parts();
    let body = body.collect().await?.to_bytes();
    let mut text = format!("--{boundary}\r\nContent-Type: application/http\r\n");
    if let Some(id) = id {
        let id = match id.strip_prefix('<') {
            Some(rest) => format!("<response-{rest}"),
            None => format!("response-{id}"),
        };
        text.push_str(&format!("Content-ID: {id}\r\n"));
    }
    let reason = head.status.canonical_reason().unwrap_or("Unknown");
    text.push_str(&format!("\r\nHTTP/1.1 {} {reason}\r\n", head.status.as_u16()));
    for (name, value) in &head.headers {
        text.push_str(&format!("{name}: {}\r\n", String::from_utf8_lossy(value.as_bytes())));
    }
    if !head.headers.contains_key("content-length") {
        // Google's client library looks for headers and a blank line, also in an empty answer.
        text.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    text.push_str("\r\n");
    out.extend_from_slice(text.as_bytes());
    out.extend_from_slice(&body);
    out.extend_from_slice(b"\r\n");
    Ok(())
}
