//! What the sign-in to Google is good for: until when, and whether it sends mail.

use std::path::Path;
use std::sync::Arc;

use drive_api::auth::TokenFile;
use drive_api::{Endpoint, Gmail, MAIL_SCOPES};
use serde_json::Value;

use super::super::configuration::{Configuration, Service};
use crate::channels::Error;
use crate::model::{Email, Timestamp};
use crate::syncers::told;

/// What a token file says of the sign-in as a whole.
#[derive(Debug, Default, PartialEq, Eq)]
struct About {
    /// The rights; none if it does not say.
    scopes: Vec<String>,
    /// When it ends, if that is known.
    ends: Option<Timestamp>,
}

/// Returns the mail of an account that is signed in to Google with the right to send.
///
/// # Errors
/// [`Error::NotGoogle`], [`Error::NoMailRight`]; if the sign-in cannot be read.
pub(super) fn gmail(configuration: &Configuration, account: &Email) -> Result<Gmail, Error> {
    let unusable = |error: &dyn std::error::Error| Error::Secret { problem: told(error) };
    let login = configuration.login(account).map_err(|error| unusable(&error))?;
    let Some(Service::Google { token_path, drive }) = login.map(|login| login.service) else {
        return Err(Error::NotGoogle);
    };
    let scopes = about(&token_path).scopes;
    // A file that says nothing of rights may have them; then the service is asked.
    if !scopes.is_empty() && !scopes.iter().any(|scope| MAIL_SCOPES.contains(&scope.as_str())) {
        return Err(Error::NoMailRight);
    }
    let endpoint = drive.as_deref().map(Endpoint::at).transpose();
    let endpoint = endpoint.map_err(|error| unusable(&error))?;
    let tokens = TokenFile::open(&token_path).map_err(|error| unusable(&error))?;
    Ok(Gmail::new(endpoint.as_ref(), Arc::new(tokens)))
}

/// Returns when the sign-in of an account ends as a whole, as far as it is known.
pub(super) fn ends(configuration: &Configuration, account: &Email) -> Option<Timestamp> {
    match configuration.login(account).ok()??.service {
        Service::Google { token_path, .. } => about(&token_path).ends,
        _ => None,
    }
}

fn about(token_path: &Path) -> About {
    let text = std::fs::read_to_string(token_path).unwrap_or_default();
    let document: Value = serde_json::from_str(&text).unwrap_or_default();
    let scopes = document["scopes"].as_array().into_iter().flatten();
    let ends = document["refresh_token_expiry"].as_str();
    let ends = ends.and_then(|text| chrono::DateTime::parse_from_rfc3339(text).ok());
    About {
        scopes: scopes.filter_map(Value::as_str).map(str::to_owned).collect(),
        ends: ends.map(|moment| Timestamp::from_micros(moment.timestamp_micros())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_file_says_when_the_sign_in_ends_and_what_it_may_do() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token.json");
        assert_eq!(about(&path), About::default());
        for text in ["", "[]", "{\"scopes\": 1, \"refresh_token_expiry\": \"soon\"}"] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(about(&path), About::default(), "{text}");
        }
        let text = r#"{"scopes":["a","b"],"refresh_token_expiry":"2026-11-28T00:00:00+00:00"}"#;
        std::fs::write(&path, text).unwrap();
        let ends = Some(Timestamp::from_micros(1_795_824_000_000_000));
        assert_eq!(about(&path), About { scopes: vec!["a".to_owned(), "b".to_owned()], ends });
    }
}
