//! What an id looks like before it may enter a URL, a query or a batch.
//!
//! Google's ids are letters, digits, `-` and `_`; nothing else ever needs escaping, so nothing else
//! gets in. `google-drive3` does not escape `/` in ids: this check is what keeps paths closed.

use crate::error::Error;

const ID_BYTES_MAX: usize = 256; // Google's are 19 to 72 long
const TOKEN_BYTES_MAX: usize = 8192; // opaque; must still fit in a URL

/// Returns `id` if it is a file or permission id (or Drive's alias `root`).
pub(crate) fn checked(id: &str) -> Result<&str, Error> {
    let fits = !id.is_empty() && id.len() <= ID_BYTES_MAX;
    if fits && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
        Ok(id)
    } else {
        Err(Error::invalid(format!("the id `{}`", crate::error::clean(id)), "not a Drive id"))
    }
}

/// Returns `token` if it may be a page token: printable ASCII of a bounded length.
pub(crate) fn checked_token(token: &str) -> Result<&str, Error> {
    let fits = !token.is_empty() && token.len() <= TOKEN_BYTES_MAX;
    if fits && token.bytes().all(|b| b.is_ascii_graphic()) {
        Ok(token)
    } else {
        Err(Error::invalid("a page token", "it is empty, too long or not printable"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_ids_pass() {
        for good in ["root", "1AbC-_9", "0AAbbccddUk9PVA"] {
            assert!(checked(good).is_ok(), "{good}");
        }
        for bad in ["", "a/b", "..", "a b", "a'b", "a?b", "a%2fb", "é", "a\n", &"x".repeat(257)] {
            assert!(checked(bad).is_err(), "{bad}");
        }
    }
}
