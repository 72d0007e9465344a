//! `syft://` addresses: where something lies in anybody's SyftBox, whatever the machine.
//!
//! Two forms exist: `syft://user@host.tld[/path]` and `syft://word[/path]`. The path is that of the
//! SyftBox folder; nothing is percent-decoded, but a Python reader cuts the path at `?` and `#`,
//! so [`SyftUrl::of`] refuses names with those. An address from a peer may say `..`: it is kept as
//! text and refused only when it is turned into a path ([`SyftUrl::path_in_box`]).
//!
//! Pure. Source: `docs/FORMAT.md`, "Datasets"; the accepted hosts are those of the Python pattern.

use std::fmt;

use crate::model::{DatasitePath, Email};

/// An address in a SyftBox.
///
/// Invariant: at most 2,048 bytes, no control character, a host of one of the two forms.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SyftUrl {
    host: String,
    rest: String, // empty, or begins with `/`
}

/// A text that is no `syft://` address, or a place that has none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a `syft://` address")]
pub struct InvalidUrl(String);

const SCHEME: &str = "syft://";
const LENGTH_MAX: usize = 2048;

impl SyftUrl {
    /// Reads an address.
    ///
    /// # Errors
    /// [`InvalidUrl`] if the invariant does not hold.
    pub fn parse(text: &str) -> Result<Self, InvalidUrl> {
        let refused = || InvalidUrl(shown(text));
        if text.len() > LENGTH_MAX || text.chars().any(char::is_control) {
            return Err(refused());
        }
        let place = text.strip_prefix(SCHEME).ok_or_else(refused)?;
        let (host, rest) = place.split_at(place.find('/').unwrap_or(place.len()));
        if is_address(host) || is_word(host) {
            Ok(Self { host: host.to_owned(), rest: rest.to_owned() })
        } else {
            Err(refused())
        }
    }

    /// Returns the address of `path` in the datasite of `owner`.
    ///
    /// # Errors
    /// [`InvalidUrl`] if Python would read the address as another place, or not at all: a `?` or
    /// `#` in the path, or an e-mail address with unusual characters.
    pub fn of(owner: &Email, path: &DatasitePath) -> Result<Self, InvalidUrl> {
        let text = format!("{SCHEME}{owner}/{path}");
        if !is_address(owner.as_str()) || path.as_str().contains(['?', '#']) {
            return Err(InvalidUrl(shown(&text)));
        }
        Self::parse(&text)
    }

    /// Returns what follows `syft://`, up to the first `/`: an e-mail address or a word.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the address of the account, if the host is one.
    pub fn owner(&self) -> Option<Email> {
        Email::parse(&self.host).ok()
    }

    /// Returns the path below the SyftBox folder, host included; `None` if it would lead
    /// elsewhere. Like the Python reader, ignores `?…` and `#…`, empty parts and `.`.
    pub fn path_in_box(&self) -> Option<DatasitePath> {
        let rest = self.rest.split(['?', '#']).next().unwrap_or("");
        let parts = rest.split('/').filter(|part| !matches!(*part, "" | "."));
        let whole: Vec<&str> = std::iter::once(self.host.as_str()).chain(parts).collect();
        DatasitePath::parse(&whole.join("/")).ok()
    }

    /// Returns the path relative to `folder`, a path below the SyftBox; `None` if the address is
    /// not within it.
    pub fn path_below(&self, folder: &str) -> Option<DatasitePath> {
        let whole = self.path_in_box()?;
        let rest = whole.as_str().strip_prefix(folder)?.strip_prefix('/')?;
        DatasitePath::parse(rest).ok()
    }
}

/// `[a-zA-Z0-9_.+-]+@[a-zA-Z0-9-]+\.[a-zA-Z0-9-.]+`
fn is_address(host: &str) -> bool {
    let Some((local, domain)) = host.split_once('@') else { return false };
    let Some((first, others)) = domain.split_once('.') else { return false };
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    !local.is_empty()
        && local.chars().all(|c| plain(c) || matches!(c, '_' | '.' | '+'))
        && !first.is_empty()
        && first.chars().all(plain)
        && !others.is_empty()
        && others.chars().all(|c| plain(c) || c == '.')
}

/// `[a-zA-Z0-9_.-]+`
fn is_word(host: &str) -> bool {
    !host.is_empty()
        && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))
}

fn shown(text: &str) -> String {
    text.chars().take(120).flat_map(char::escape_debug).collect()
}

impl fmt::Display for SyftUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}{}", self.host, self.rest)
    }
}

impl fmt::Debug for SyftUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SyftUrl({self})")
    }
}

impl std::str::FromStr for SyftUrl {
    type Err = InvalidUrl;

    fn from_str(text: &str) -> Result<Self, InvalidUrl> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn two_forms_are_addresses_and_neither_leads_out_of_the_box() {
        #[rustfmt::skip]
        let cases = [
            // what                 address                          path in the box
            ("a file",              "syft://do@x.org/public/a.csv",  Some(Some("do@x.org/public/a.csv"))),
            ("a datasite",          "syft://do@x.org",               Some(Some("do@x.org"))),
            ("a word",              "syft://private/data/x",         Some(Some("private/data/x"))),
            ("a slash at the end",  "syft://do@x.org/a/",            Some(Some("do@x.org/a"))),
            ("two slashes",         "syft://do@x.org//a/./b",        Some(Some("do@x.org/a/b"))),
            ("a query",             "syft://do@x.org/a?b=c#d",       Some(Some("do@x.org/a"))),
            ("not ASCII",           "syft://do@x.org/données.csv",   Some(Some("do@x.org/données.csv"))),
            ("a way up",            "syft://do@x.org/../y",          Some(None)),
            ("a word that is one",  "syft://../y",                   Some(None)),
            ("a backslash",         "syft://do@x.org/a\\b",          Some(None)),
            ("no host",             "syft:///etc/passwd",            None),
            ("nothing",             "syft://",                       None),
            ("no top-level domain", "syft://do@localhost/a",         None),
            ("another scheme",      "https://x.org/a",               None),
            ("capitals",            "SYFT://do@x.org/a",             None),
            ("a line break",        "syft://do@x.org/a\nb",          None),
            ("a quote in the host", "syft://o'neil@x.org/a",         None),
        ];
        for (what, text, expected) in cases {
            let url = SyftUrl::parse(text).ok();
            let path = url.as_ref().map(|url| url.path_in_box().map(|path| path.to_string()));
            assert_eq!(path, expected.map(|path| path.map(str::to_owned)), "{what}");
            if let Some(url) = url {
                assert_eq!(url.to_string(), text, "{what}");
            }
        }
        assert!(SyftUrl::parse(&format!("syft://do@x.org/{}", "a".repeat(2100))).is_err());
    }

    #[test]
    fn an_address_that_python_would_cut_is_not_made() {
        let of = |owner: &str, path: &str| {
            SyftUrl::of(&Email::parse(owner).unwrap(), &DatasitePath::parse(path).unwrap())
        };
        assert_eq!(
            of("do@x.org", "public/a b.csv").unwrap().to_string(),
            "syft://do@x.org/public/a b.csv"
        );
        assert!(of("do@x.org", "public/what?.csv").is_err());
        assert!(of("do@x.org", "public/a#1.csv").is_err());
        assert!(of("o'neil@x.org", "public/a.csv").is_err());
    }

    #[test]
    fn a_path_is_below_its_folder_only() {
        let url = SyftUrl::parse("syft://do@x.org/public/syft_datasets/a/sub/x.csv").unwrap();
        let below = |folder| url.path_below(folder).map(|path| path.to_string());
        assert_eq!(below("do@x.org/public/syft_datasets/a"), Some("sub/x.csv".to_owned()));
        assert_eq!(below("do@x.org/public/syft_datasets/a/sub/x.csv"), None);
        assert_eq!(below("do@x.org/public/syft_datasets/a/su"), None);
        assert_eq!(below("other@x.org/public"), None);
    }

    proptest! {
        #[test]
        fn whatever_parses_is_written_as_it_was(text in "(syft://)?[a-c@./?#-]{0,20}") {
            if let Ok(url) = SyftUrl::parse(&text) {
                prop_assert_eq!(url.to_string(), text);
                if let Some(path) = url.path_in_box() {
                    prop_assert!(!path.parts().any(|part| part == ".."));
                }
            }
        }
    }
}
