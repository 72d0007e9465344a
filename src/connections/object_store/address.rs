//! Where a bucket is. Pure.

use std::fmt;

use serde::{Deserialize, Serialize};
use url::Url;

/// The region where none is said: that of stores which know no regions, and Amazon's first.
const REGION: &str = "us-east-1";
const PREFIX_BYTES_MAX: usize = 512; // a key has 1,024 at most
const NAME_BYTES_MAX: usize = 255;

/// A bucket, the part of it that is ours, and the service that it is with.
///
/// Invariant: bucket, prefix and region are made of `A–Z a–z 0–9 - _ .`, the prefix of such names
/// with `/` between them, none of them `.` or `..`; the endpoint is an `http` or `https` URL without
/// user, query or fragment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    bucket: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    prefix: String,
    /// `None`: Amazon's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    endpoint: Option<String>,
    region: String,
}

/// A text that is no address of a bucket.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidAddress {
    /// It is of no form that we know.
    #[error("`{0}` is not the address of a bucket")]
    Form(String),

    /// The bucket, prefix or region has characters that it may not have.
    #[error("`{0}` is not a name that a bucket, a prefix or a region can have")]
    Name(String),

    /// The endpoint is no address of a server.
    #[error("`{0}` is not the address of a server")]
    Endpoint(String),

    /// The endpoint was said twice.
    #[error("an address that begins with http names the server already")]
    TwoEndpoints,
}

impl Address {
    /// Reads `s3://bucket/prefix`, with the service at `endpoint` if one is named, else Amazon's; or
    /// `https://server/bucket/prefix`.
    ///
    /// # Errors
    /// [`InvalidAddress`].
    pub fn parse(
        text: &str,
        endpoint: Option<&str>,
        region: Option<&str>,
    ) -> Result<Self, InvalidAddress> {
        let form = || InvalidAddress::Form(shown(text));
        let (path, endpoint) = match text.strip_prefix("s3://") {
            Some(path) => (path.to_owned(), endpoint.map(server).transpose()?),
            None => {
                let url = Url::parse(text).map_err(|_| form())?;
                let server = server(&url[..url::Position::BeforePath]).map_err(|_| form())?;
                if url.query().is_some() || url.fragment().is_some() {
                    return Err(form());
                }
                if endpoint.is_some() {
                    return Err(InvalidAddress::TwoEndpoints);
                }
                (url.path().trim_start_matches('/').to_owned(), Some(server))
            }
        };
        let path = path.strip_suffix('/').unwrap_or(&path);
        let (bucket, prefix) = path.split_once('/').unwrap_or((path, ""));
        let bucket = name(bucket)?;
        if !prefix.is_empty() {
            prefix.split('/').try_for_each(|part| name(part).map(drop))?;
        }
        if prefix.len() > PREFIX_BYTES_MAX {
            return Err(InvalidAddress::Name(shown(prefix)));
        }
        let (prefix, region) = (prefix.to_owned(), name(region.unwrap_or(REGION))?);
        Ok(Self { bucket, prefix, endpoint, region })
    }

    /// Returns the name of the bucket.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// Returns what the keys of all our objects begin with, without the last `/`.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Returns the service's address; `None` if it is Amazon's own.
    pub fn endpoint(&self) -> Option<&str> {
        self.endpoint.as_deref()
    }

    /// Returns the region.
    pub fn region(&self) -> &str {
        &self.region
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}", self.bucket)?;
        if !self.prefix.is_empty() {
            write!(f, "/{}", self.prefix)?;
        }
        match &self.endpoint {
            Some(endpoint) => write!(f, " at {endpoint}"),
            None => write!(f, " in {}", self.region),
        }
    }
}

fn name(text: &str) -> Result<String, InvalidAddress> {
    let harmless = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    let valid = (1..=NAME_BYTES_MAX).contains(&text.len())
        && text.bytes().all(harmless)
        && !matches!(text, "." | "..");
    if valid { Ok(text.to_owned()) } else { Err(InvalidAddress::Name(shown(text))) }
}

/// Plain `http` is taken as given: whoever writes it decides to trust the network in between.
fn server(text: &str) -> Result<String, InvalidAddress> {
    let refused = || InvalidAddress::Endpoint(shown(text));
    let url = Url::parse(text).map_err(|_| refused())?;
    let valid = matches!(url.scheme(), "http" | "https")
        && url.host().is_some()
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    if valid { Ok(url.as_str().trim_end_matches('/').to_owned()) } else { Err(refused()) }
}

/// A password may have slipped in, before an `@`.
fn shown(text: &str) -> String {
    let text = text.rsplit_once('@').map_or(text, |(_, rest)| rest);
    text.chars().take(80).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_in_both_forms() {
        #[rustfmt::skip]
        let cases = [
            // address                      endpoint                shown, or none
            ("s3://team",                   None,                   Some("s3://team in us-east-1")),
            ("s3://team/",                  None,                   Some("s3://team in us-east-1")),
            ("s3://team/a/b.c",             None,                   Some("s3://team/a/b.c in us-east-1")),
            ("s3://team/a",                 Some("http://h:9000/"), Some("s3://team/a at http://h:9000")),
            ("https://h.example/team/a/",   None,                   Some("s3://team/a at https://h.example")),
            ("http://127.0.0.1:9000/team",  None,                   Some("s3://team at http://127.0.0.1:9000")),
            ("http://[::1]:9000/team",      None,                   Some("s3://team at http://[::1]:9000")),
            ("https://h/team",              Some("https://h"),      None),
            ("https://h",                   None,                   None),
            ("https://me:secret@h/team",    None,                   None),
            ("https://h/team?x=1",          None,                   None),
            ("https://h/team#x",            None,                   None),
            ("s3://",                       None,                   None),
            ("s3:///a",                     None,                   None),
            ("s3://team//a",                None,                   None),
            ("s3://team/../other",          None,                   None),
            ("s3://team/a b",               None,                   None),
            ("s3://te%2Fam",                None,                   None),
            ("s3://team",                   Some("h:9000"),         None),
            ("s3://team",                   Some("ftp://h"),        None),
            ("team",                        None,                   None),
            ("ftp://h/team",                None,                   None),
            ("",                            None,                   None),
        ];
        for (text, endpoint, wanted) in cases {
            let address = Address::parse(text, endpoint, None);
            let shown = address.as_ref().ok().map(Address::to_string);
            assert_eq!(shown.as_deref(), wanted, "{text} {endpoint:?}: {address:?}");
            if let Err(error) = address {
                assert!(!error.to_string().contains("secret"), "{error}");
            }
        }
        let address = Address::parse("s3://team", None, Some("eu-west-1")).unwrap();
        assert_eq!(address.to_string(), "s3://team in eu-west-1");
        assert!(Address::parse("s3://team", None, Some("eu west")).is_err());
    }
}
