//! Reads the address that a person pastes at the end of a sign-in, or what is there instead.
//!
//! Pure. Any text may come: the code alone, the address of the page one signs in at, Google's page
//! about an error. Each is told apart, since each has another remedy. Invariant: a code is returned
//! only with the state of this very sign-in.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use url::Url;

use super::SignInError;

/// Why a pasted text does not end the sign-in; whoever pasted it may try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Misread {
    /// Nothing.
    Nothing,
    /// Text that is no address.
    NoAddress,
    /// A code without the address around it.
    CodeAlone,
    /// The page on which one signs in.
    SignInPage,
    /// An address that the browser ends at, with nothing in it.
    NoCode,
    /// The answer to another sign-in, as one that was begun earlier.
    OtherSignIn,
}

impl std::fmt::Display for Misread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Nothing => "nothing was pasted",
            Self::NoAddress => {
                "that is no address: copy all of the browser's address line, which begins with \
                 `http://127.0.0.1`"
            }
            Self::CodeAlone => {
                "that is the code alone: copy all of the browser's address line, since it also \
                 tells which sign-in the code belongs to"
            }
            Self::SignInPage => {
                "that is the page to sign in at: allow the access there first; the browser then \
                 ends at an address that begins with `http://127.0.0.1` and does not load"
            }
            Self::NoCode => {
                "that address holds no answer: sign in on the page, and copy the address that the \
                 browser ends at"
            }
            Self::OtherSignIn => {
                "that is the answer to another sign-in, as one begun earlier: open the address \
                 shown here and sign in once more"
            }
        })
    }
}

/// Returns the code of a pasted address, if it belongs to the sign-in with this state.
pub(super) fn read(text: &str, state: &str) -> Result<String, SignInError> {
    let text = text.trim().trim_matches(['"', '\'', '<', '>']);
    let misread = |what| Err(SignInError::Misread(what));
    if text.is_empty() {
        return misread(Misread::Nothing);
    }
    let Ok(url) = Url::parse(text).or_else(|error| without_scheme(text).ok_or(error)) else {
        let is_code = text.starts_with("4/") || text.starts_with("4%2F");
        return misread(if is_code { Misread::CodeAlone } else { Misread::NoAddress });
    };
    if url.host().is_none() {
        return misread(Misread::NoAddress);
    }
    if let Some(error) = of_error_page(&url) {
        return Err(error);
    }
    match answer(url.query().unwrap_or_default(), state) {
        Err(SignInError::Misread(Misread::NoCode)) if is_sign_in_page(&url) => {
            misread(Misread::SignInPage)
        }
        answer => answer,
    }
}

/// Reads what the browser brought: the code, if it belongs to this sign-in.
pub(super) fn answer(query: &str, state: &str) -> Result<String, SignInError> {
    let get = |wanted: &str| {
        let mut pairs = url::form_urlencoded::parse(query.as_bytes());
        pairs.find(|(key, _)| key == wanted).map(|(_, value)| value.into_owned())
    };
    let (code, error) = (get("code"), get("error"));
    if code.is_none() && error.is_none() {
        return Err(SignInError::Misread(Misread::NoCode));
    }
    if get("state").as_deref() != Some(state) {
        return Err(SignInError::Misread(Misread::OtherSignIn));
    }
    match (error, code) {
        (Some(error), _) => {
            let words = get("error_subtype").or_else(|| get("error_description"));
            let code = known(words.as_deref().unwrap_or_default()).unwrap_or(&error);
            Err(SignInError::from_code(code, get("error_description").as_deref()))
        }
        (None, Some(code)) => Ok(code),
        (None, None) => Err(SignInError::Misread(Misread::NoCode)),
    }
}

/// Browsers hide `http://` and some copy without it.
fn without_scheme(text: &str) -> Option<Url> {
    let is_local = text.starts_with("127.0.0.1:") || text.starts_with("localhost:");
    is_local.then(|| Url::parse(&format!("http://{text}")).ok())?
}

fn is_sign_in_page(url: &Url) -> bool {
    url.query_pairs().any(|(key, _)| key == "client_id" || key == "redirect_uri")
        || url.host_str().is_some_and(|host| host.ends_with("google.com"))
}

/// Google shows most refusals on a page of its own and sends the browser nowhere. The code stands in
/// that page's address: `authError`, in Base64, among other things.
fn of_error_page(url: &Url) -> Option<SignInError> {
    let (_, value) = url.query_pairs().find(|(key, _)| key == "authError")?;
    let value = value.trim_end_matches('=');
    let bytes = URL_SAFE_NO_PAD.decode(value).or_else(|_| STANDARD_NO_PAD.decode(value));
    let text = String::from_utf8_lossy(&bytes.ok()?).into_owned();
    said(&text)
}

/// Finds in what Google's page said, or in its address, why it refuses; `None` if nothing of it is
/// known.
pub fn said(text: &str) -> Option<SignInError> {
    if let Ok(url) = Url::parse(text.trim())
        && let Some(error) = of_error_page(&url)
    {
        return Some(error);
    }
    let code = known(text)?;
    // On a page of Google's it is not the person who said no.
    let code = if code == "access_denied" { "app_blocked" } else { code };
    Some(SignInError::from_code(code, None))
}

/// The refusals that Google documents, by code or by the words on its page.
fn known(text: &str) -> Option<&'static str> {
    const CODES: [(&str, &str); 16] = [
        ("admin_policy_enforced", "admin_policy_enforced"),
        ("access_not_configured", "access_not_configured"),
        ("policy_enforced", "policy_enforced"),
        ("org_internal", "org_internal"),
        ("only be used within its organization", "org_internal"),
        ("disallowed_useragent", "disallowed_useragent"),
        ("redirect_uri_mismatch", "redirect_uri_mismatch"),
        ("deleted_client", "deleted_client"),
        ("disabled_client", "disabled_client"),
        ("invalid_client", "invalid_client"),
        ("invalid_scope", "invalid_scope"),
        ("invalid_grant", "invalid_grant"),
        ("access_denied", "access_denied"),
        ("app is blocked", "app_blocked"),
        ("access blocked", "app_blocked"),
        ("not completed the google verification", "app_blocked"),
    ];
    let text = text.to_lowercase();
    CODES.iter().find(|(words, _)| text.contains(words)).map(|(_, code)| *code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_wrong_paste_is_told_apart() {
        let page = |words: &str| {
            let words = URL_SAFE_NO_PAD.encode(format!("\u{a}\u{15}{words}\u{12}\u{2}no"));
            format!("https://accounts.google.com/signin/oauth/error?authError={words}&client_id=i")
        };
        #[rustfmt::skip]
        let cases = [
            ("http://127.0.0.1:5/?state=S&code=4/C%2FD&scope=x".to_owned(),          "Ok(\"4/C/D\")"),
            ("  \"http://127.0.0.1:5/?code=c&state=S\" ".to_owned(),                 "Ok(\"c\")"),
            ("127.0.0.1:5/?code=c&state=S".to_owned(),                               "Ok(\"c\")"),
            (String::new(),                                                          "Err(Misread(Nothing))"),
            ("4/0AeanS".to_owned(),                                                  "Err(Misread(CodeAlone))"),
            ("i do not know".to_owned(),                                             "Err(Misread(NoAddress))"),
            ("http://127.0.0.1:5/?state=S".to_owned(),                               "Err(Misread(NoCode))"),
            ("http://127.0.0.1:5/?state=T&code=c".to_owned(),                        "Err(Misread(OtherSignIn))"),
            ("http://127.0.0.1:5/?code=c".to_owned(),                                "Err(Misread(OtherSignIn))"),
            ("https://accounts.google.com/o/oauth2/auth?client_id=i&state=S".to_owned(), "Err(Misread(SignInPage))"),
            ("http://127.0.0.1:5/?state=S&error=access_denied".to_owned(),           "Err(AccessDenied)"),
            (page("admin_policy_enforced"),                                          "Err(Policy { reason: \"admin_policy_enforced\" })"),
            (page("access_denied"),                                                  "Err(Blocked { reason: \"app_blocked\" })"),
            (page("redirect_uri_mismatch"),                                          "Err(NoLoopback { reason: \"redirect_uri_mismatch\" })"),
        ];
        for (text, expected) in cases {
            assert_eq!(format!("{:?}", read(&text, "S")), expected, "{text}");
        }
    }

    #[test]
    fn what_the_page_said_is_enough() {
        #[rustfmt::skip]
        let cases = [
            ("Error 400: admin_policy_enforced",                                       "Policy"),
            ("Error 400: policy_enforced",                                             "Blocked"),
            ("Access blocked: syft can only be used within its organization",          "Policy"),
            ("Access blocked: syft has not completed the Google verification process", "Blocked"),
            ("This app is blocked",                                                    "Blocked"),
            ("Error 401: deleted_client",                                              "BadClient"),
        ];
        for (text, expected) in cases {
            let error = said(text).unwrap();
            assert!(format!("{error:?}").starts_with(expected), "{text}: {error:?}");
        }
        assert!(said("it does not work").is_none());
    }
}
