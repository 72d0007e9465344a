//! Who somebody is: the address of a Drive account.

use std::fmt;

/// The address of an account: its identity on the wire, in folder names and in permission rules.
///
/// Kept exactly as written, because peers' folder names and rules spell it so; use
/// [`Email::is_same_account`] to compare with what a service reports, which may differ in case.
///
/// Invariant: one `@` with text on both sides; no blank, no control character, none of
/// `/ \ # : " < > | * ?`; at most 254 bytes. So it is one harmless path component, and it cannot
/// be mistaken for a field separator in a folder name.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Email(String);

/// A text that is no address we can work with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an e-mail address")]
pub struct InvalidEmail(String);

const LENGTH_MAX: usize = 254; // RFC 5321, 4.5.3.1

impl Email {
    /// Reads an address.
    ///
    /// # Errors
    /// [`InvalidEmail`] if the invariant does not hold.
    pub fn parse(text: &str) -> Result<Self, InvalidEmail> {
        let refused = || InvalidEmail(text.chars().take(80).collect());
        let (local, domain) = text.split_once('@').ok_or_else(refused)?;
        let harmless = |c: char| {
            !c.is_control()
                && !c.is_whitespace()
                && !matches!(c, '/' | '\\' | '#' | ':' | '"' | '<' | '>' | '|' | '*' | '?' | '@')
        };
        let valid = !local.is_empty()
            && !domain.is_empty()
            && text.len() <= LENGTH_MAX
            && local.chars().all(harmless)
            && domain.chars().all(harmless);
        if valid { Ok(Self(text.to_owned())) } else { Err(refused()) }
    }

    /// Returns the address as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True if `text` names the same account. Letter case does not count: Drive reports the case
    /// that the account was made with, people type what they like.
    pub fn is_same_account(&self, text: &str) -> bool {
        self.0.eq_ignore_ascii_case(text)
    }

    /// Returns what follows the `@`.
    pub fn domain(&self) -> &str {
        self.0.split_once('@').map_or("", |(_, domain)| domain)
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Email({})", self.0)
    }
}

impl AsRef<str> for Email {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for Email {
    type Err = InvalidEmail;

    fn from_str(text: &str) -> Result<Self, InvalidEmail> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_one_harmless_path_component() {
        #[rustfmt::skip]
        let cases = [
            ("plain",               "do@example.org",       true),
            ("an apostrophe",       "o'neil@example.org",   true),
            ("plus and dots",       "a.b+c@example.org",    true),
            ("no at",               "example.org",          false),
            ("two ats",             "a@b@c",                false),
            ("empty local part",    "@example.org",         false),
            ("empty domain",        "do@",                  false),
            ("a separator",         "a/b@example.org",      false),
            ("a way up",            "../x@example.org",     false),
            ("a field separator",   "a#b@example.org",      false),
            ("a blank",             "a b@example.org",      false),
            ("a line break",        "a\nb@example.org",     false),
        ];
        for (what, text, valid) in cases {
            assert_eq!(Email::parse(text).is_ok(), valid, "{what}");
        }
        assert!(Email::parse(&format!("{}@x.org", "a".repeat(300))).is_err());
    }
}
