//! Where a Drive server is: one root URL, from which all others follow.
//!
//! Invariant: `http` or `https`, a host, no user, query or fragment, and a path that ends in `/`.
//! `google-drive3` needs both its URLs with that slash.

use url::Url;

use crate::error::Error;

/// The address of Google Drive or of a server that speaks its protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    root: Url,
}

impl Endpoint {
    /// Google's own address.
    pub fn google() -> Self {
        Self { root: Url::parse("https://www.googleapis.com/").expect("a constant") }
    }

    /// Another server: its root, with or without `drive/v3` at the end.
    ///
    /// Plain `http` is taken as given: whoever writes it decides to trust the network in between.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it is no `http` or `https` URL, or carries a user, query or fragment.
    pub fn at(url: &str) -> Result<Self, Error> {
        let invalid = |problem: &str| Error::invalid("the address of the drive", problem);
        let mut root = Url::parse(url).map_err(|error| invalid(&error.to_string()))?;
        if !matches!(root.scheme(), "http" | "https") || root.host().is_none() {
            return Err(invalid("it is neither http:// nor https://"));
        }
        if !root.username().is_empty() || root.password().is_some() {
            return Err(invalid("it carries a user name or a password"));
        }
        if root.query().is_some() || root.fragment().is_some() {
            return Err(invalid("it carries a query or a fragment"));
        }
        let path = root.path().trim_end_matches('/');
        let path = path.strip_suffix("/drive/v3").unwrap_or(path).trim_end_matches('/');
        let path = format!("{path}/");
        root.set_path(&path);
        Ok(Self { root })
    }

    /// The root URL, ending in `/`.
    pub fn root(&self) -> &Url {
        &self.root
    }

    pub(crate) fn api(&self) -> Url {
        self.under("drive/v3/")
    }

    pub(crate) fn upload(&self) -> Url {
        self.under("upload/drive/v3/files")
    }

    pub(crate) fn batch(&self) -> Url {
        self.under("batch/drive/v3")
    }

    /// True if `url` leads to the same server, so that a token may be sent there.
    pub(crate) fn owns(&self, url: &Url) -> bool {
        url.origin() == self.root.origin()
    }

    fn under(&self, path: &str) -> Url {
        let mut url = self.root.clone();
        url.set_path(&format!("{}{path}", self.root.path()));
        url
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_server_gives_the_same_urls() {
        for url in ["http://h:1", "http://h:1/", "http://h:1/drive/v3", "http://h:1/drive/v3/"] {
            let endpoint = Endpoint::at(url).unwrap();
            assert_eq!(endpoint.root().as_str(), "http://h:1/", "{url}");
            assert_eq!(endpoint.api().as_str(), "http://h:1/drive/v3/", "{url}");
            assert_eq!(endpoint.batch().as_str(), "http://h:1/batch/drive/v3", "{url}");
        }
        let behind = Endpoint::at("https://h/some/path").unwrap();
        assert_eq!(behind.upload().as_str(), "https://h/some/path/upload/drive/v3/files");
    }

    #[test]
    fn what_is_no_server_is_refused() {
        for url in ["", "h:1", "file:///x", "http://u:p@h/", "http://h/?q", "http://h/#f"] {
            assert!(Endpoint::at(url).is_err(), "{url}");
        }
    }

    #[test]
    fn tokens_go_to_the_same_origin_only() {
        let endpoint = Endpoint::at("http://h:1/").unwrap();
        assert!(endpoint.owns(&Url::parse("http://h:1/upload?x").unwrap()));
        for other in ["https://h:1/", "http://h:2/", "http://evil/"] {
            assert!(!endpoint.owns(&Url::parse(other).unwrap()), "{other}");
        }
    }
}
