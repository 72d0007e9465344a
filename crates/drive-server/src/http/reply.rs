//! Answers: a status, headers and a body of known length.

use std::io;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, combinators::UnsyncBoxBody};
use hyper::{Response, StatusCode, header};
use serde_json::Value;

use super::api_error::ApiError;

/// A body that goes out.
pub(crate) type ReplyBody = UnsyncBoxBody<Bytes, io::Error>;

pub(crate) type Reply = Response<ReplyBody>;

/// What a handler returns.
pub(crate) type Answer = Result<Reply, ApiError>;

/// Returns an answer with these bytes.
pub(crate) fn bytes(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Reply {
    let body: Bytes = body.into();
    let length = body.len();
    let mut reply = Response::new(full(body));
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    if !kind.is_empty() {
        headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    }
    if status != StatusCode::NO_CONTENT {
        headers.insert(header::CONTENT_LENGTH, length.into());
    }
    reply
}

pub(crate) fn json(status: StatusCode, value: &Value) -> Reply {
    // Always as Google's `prettyPrint=false`; nobody reads it with bare eyes.
    // A value can always be written.
    let text = serde_json::to_vec(value).unwrap_or_default();
    bytes(status, "application/json; charset=UTF-8", text)
}

pub(crate) fn ok(value: &Value) -> Reply {
    json(StatusCode::OK, value)
}

pub(crate) fn empty(status: StatusCode) -> Reply {
    bytes(status, "", Bytes::new())
}

pub(crate) fn error(error: &ApiError) -> Reply {
    let mut reply = json(error.status, &error.body());
    if error.status == StatusCode::UNAUTHORIZED {
        let value = "Bearer realm=\"https://accounts.google.com/\", error=\"invalid_token\"";
        let value = header::HeaderValue::from_static(value);
        reply.headers_mut().insert(header::WWW_AUTHENTICATE, value);
    }
    reply
}

/// Returns an answer that somebody else has written.
pub(crate) fn written(status: u16, headers: &[(&'static str, String)], body: String) -> Reply {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut reply = bytes(status, "application/json; charset=utf-8", body);
    for (name, value) in headers {
        set(&mut reply, name, value);
    }
    reply
}

pub(crate) fn full(body: Bytes) -> ReplyBody {
    Full::new(body).map_err(|never| match never {}).boxed_unsync()
}

/// Sets a header whose value may hold anything; one that no header may hold is left out.
pub(crate) fn set(reply: &mut Reply, name: &'static str, value: &str) {
    if let Ok(value) = header::HeaderValue::from_str(value) {
        reply.headers_mut().insert(name, value);
    }
}

/// Returns the length that the headers announce.
pub(crate) fn length(reply: &Reply) -> u64 {
    let value = reply.headers().get(header::CONTENT_LENGTH);
    value.and_then(|value| value.to_str().ok()?.parse().ok()).unwrap_or(0)
}
