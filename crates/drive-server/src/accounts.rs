//! Adds accounts and lists them, from any process, also while a server is running.

use std::path::Path;

use crate::{
    Error, clock,
    store::{self, ids, tokens},
};

/// The shortest token that one may choose; made ones have 43 characters.
const TOKEN_BYTES_MIN: usize = 8;

/// One account with a token for it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Account {
    /// E-mail address, in lower case.
    pub email: String,
    /// A secret for `Authorization: Bearer` and for the sign-in page, in clear. It is shown this
    /// once: the server keeps its hash only.
    pub token: String,
}

/// Adds an account to the Drive in folder `data`, with a given token or a new random one.
///
/// Safe to repeat: an account that is there gets a further token, and all its tokens hold. A
/// running server knows the account at once.
///
/// # Errors
///
/// [`Error::NotAnEmail`], [`Error::BadToken`] if the token is short or is another account's, and
/// the database's.
pub fn add_account(data: &Path, email: &str, token: Option<&str>) -> Result<Account, Error> {
    let email = parse_email(email)
        .ok_or_else(|| Error::NotAnEmail { email: email.chars().take(100).collect() })?;
    let token = token.map_or_else(ids::secret, str::to_owned);
    if token.len() < TOKEN_BYTES_MIN || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        let reason = "it needs at least 8 characters, all of them visible ASCII";
        return Err(Error::BadToken { email, reason });
    }
    let mut connection = store::connect(data)?;
    let added = store::in_transaction(&mut connection, clock::now_ms(), |txn| {
        let me = tokens::ensure_account(txn, &email)?;
        tokens::add_secret(txn, me, &token)
    });
    match added {
        Ok(()) => Ok(Account { email, token }),
        Err(store::Error::Refused(_)) => {
            Err(Error::BadToken { email, reason: "another account uses it" })
        }
        Err(error) => Err(Error::Database(Box::new(error))),
    }
}

/// Returns the e-mail addresses of all accounts of the Drive in folder `data`, sorted.
///
/// # Errors
///
/// The database's.
pub fn accounts(data: &Path) -> Result<Vec<String>, Error> {
    let connection = store::connect(data)?;
    tokens::accounts(&connection).map_err(|error| Error::Database(Box::new(error)))
}

/// Returns an address in lower case, or none if it cannot be one. Strict on what would break
/// queries or pages, lax on everything else.
pub(crate) fn parse_email(text: &str) -> Option<String> {
    let text = text.trim();
    let (local, domain) = text.split_once('@')?;
    let odd = |c: char| c.is_control() || c.is_whitespace() || "<>\"\\,;()".contains(c);
    let fine = !local.is_empty()
        && !domain.is_empty()
        && !domain.contains('@')
        && text.len() <= 254 // RFC 5321, 4.5.3.1.3
        && !text.chars().any(odd);
    fine.then(|| text.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_email_is_lower_case_and_harmless() {
        #[rustfmt::skip]
        let cases = [
            ("Ann@Example.ORG", Some("ann@example.org")),
            (" a@b ",           Some("a@b")),
            ("a#b+c@d.e",       Some("a#b+c@d.e")),
            ("ann",             None),
            ("@b",              None),
            ("a@",              None),
            ("a@b@c",           None),
            ("O'Neil@b",        Some("o'neil@b")),
            ("a\"b@c",          None),
            ("a\\b@c",          None),
            ("a b@c",           None),
        ];
        for (text, email) in cases {
            assert_eq!(parse_email(text).as_deref(), email, "{text}");
        }
    }
}
