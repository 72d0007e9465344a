//! One request, read from the wire: its parameters, its headers and its body, all bounded.

use std::{io, time::Duration};

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, combinators::BoxBody};
use hyper::{HeaderMap, Method, header};
use url::form_urlencoded;

use super::{api_error::ApiError, route::Route};
use crate::store::tokens::Me;

/// A body that comes in.
pub(crate) type CallBody = BoxBody<Bytes, io::Error>;

/// The largest JSON of one request, in bytes.
pub(crate) const METADATA_BYTES_MAX: usize = 1024 * 1024;

/// The longest form, in bytes; a query that is too long for a URL comes as one.
pub(crate) const FORM_BYTES_MAX: usize = 128 * 1024;

/// How long a client may be silent in the middle of a body.
const SILENCE_MAX: Duration = Duration::from_secs(120);

/// The most parameters of one request.
const PARAMETERS_MAX: usize = 100;

/// One request.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    /// Path as it came, percent-encoded.
    pub(crate) path: String,
    pub(crate) route: Option<Route>,
    pub(crate) query: Params,
    pub(crate) headers: HeaderMap,
    pub(crate) body: CallBody,
    /// Whose token came along; none if there is none or it is not valid.
    pub(crate) me: Option<Me>,
    /// Scheme and host by which the client reached us, without a slash at the end.
    pub(crate) base: String,
}

impl Call {
    /// Returns the account, or the error that asks for one.
    pub(crate) fn me(&self) -> Result<Me, ApiError> {
        self.me.clone().ok_or_else(ApiError::unauthorized)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Takes the body and returns all of it, refusing more than `max` bytes.
    pub(crate) async fn take_body(&mut self, max: usize) -> Result<Bytes, ApiError> {
        let mut body = std::mem::take(&mut self.body);
        let mut all = BytesMut::new();
        while let Some(bytes) = next(&mut body).await? {
            if all.len() + bytes.len() > max {
                return Err(ApiError::too_large());
            }
            all.extend_from_slice(&bytes);
        }
        Ok(all.freeze())
    }
}

/// Returns the next bytes of a body; none at its end.
pub(crate) async fn next(body: &mut CallBody) -> Result<Option<Bytes>, ApiError> {
    loop {
        let frame = tokio::time::timeout(SILENCE_MAX, body.frame()).await;
        match frame.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))? {
            None => return Ok(None),
            Some(frame) => {
                if let Ok(bytes) = frame?.into_data() {
                    return Ok(Some(bytes));
                }
            }
        }
    }
}

/// Returns the bearer token of some headers.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Parameters of a query or form, in order; the last of a name counts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Params(Vec<(String, String)>);

impl Params {
    /// Parses `a=b&c=d`, where `+` is a blank.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, ApiError> {
        let pairs = form_urlencoded::parse(text).into_owned();
        let pairs: Vec<_> = pairs.take(PARAMETERS_MAX + 1).collect();
        if pairs.len() > PARAMETERS_MAX {
            return Err(ApiError::bad_request("Too many parameters."));
        }
        Ok(Self(pairs))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Returns all names with their values.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    pub(crate) fn is_true(&self, name: &str) -> bool {
        self.get(name) == Some("true")
    }

    /// Returns a number between 1 and `max`; `default` if it is not given.
    pub(crate) fn count(
        &self,
        name: &'static str,
        default: usize,
        max: usize,
    ) -> Result<usize, ApiError> {
        let Some(text) = self.get(name) else { return Ok(default) };
        let count: usize = text.parse().map_err(|_| ApiError::invalid(name))?;
        if count == 0 { Err(ApiError::invalid(name)) } else { Ok(count.min(max)) }
    }

    /// Returns the values of `a,b,c`, without blanks and empty ones.
    pub(crate) fn list(&self, name: &str) -> Vec<String> {
        let text = self.get(name).unwrap_or_default();
        text.split(',').map(str::trim).filter(|id| !id.is_empty()).map(str::to_owned).collect()
    }

    pub(crate) fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Writes the parameters as a query again, with one more.
    pub(crate) fn encode_with(&self, name: &str, value: &str) -> String {
        let mut out = form_urlencoded::Serializer::new(String::new());
        out.extend_pairs(&self.0).append_pair(name, value);
        out.finish()
    }

    pub(crate) fn encode(&self) -> String {
        form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.0).finish()
    }
}
