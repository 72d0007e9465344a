//! A token file that a person named: others may write it, as the Python client does.
//!
//! Whenever it holds another sign-in than the one whose owner is known, the service is asked whose
//! that is before anything is done with it, also in a service that has been running for weeks.
//! Invariant: one account's sign-in never works under another's name.

use std::fmt;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use drive_api::Endpoint;
use drive_api::auth::{Keeper, SavedToken, SignInError, TokenDocument, TokenFile, Unkept};
use sha2::{Digest as _, Sha256};

use super::Configuration;
use super::entering::drive;
use crate::model::Email;

/// A token file, and by which the sign-in is known whose owner was checked.
pub(super) struct NamedFile {
    configuration: Configuration,
    file: TokenFile,
    email: Email,
    endpoint: Endpoint,
    verified: Mutex<String>,
}

impl NamedFile {
    /// The file of `email`, whose sign-in with the mark `verified` is its own.
    pub(super) fn new(
        configuration: &Configuration,
        file: TokenFile,
        email: &Email,
        endpoint: Endpoint,
        verified: &str,
    ) -> Self {
        let verified = Mutex::new(verified.to_owned());
        let (configuration, email) = (configuration.clone(), email.clone());
        Self { configuration, file, email, endpoint, verified }
    }

    fn is_verified(&self, mark: &str) -> bool {
        self.verified.lock().is_ok_and(|verified| *verified == mark)
    }

    async fn check(&self, document: &TokenDocument) -> Result<(), SignInError> {
        let mark = mark(document);
        if self.is_verified(&mark) {
            return Ok(());
        }
        let tokens = SavedToken::kept_by(Arc::new(Unkept(document.clone())));
        let (endpoint, tokens) = (self.endpoint.clone(), Arc::new(tokens));
        let connection = drive(&self.configuration, &self.email, endpoint, tokens);
        match connection.verify().await {
            Ok(found) if found.is_same_account(self.email.as_str()) => {
                if let Ok(mut verified) = self.verified.lock() {
                    *verified = mark;
                }
                Ok(())
            }
            Ok(found) => Err(SignInError::Another {
                path: self.file.path().to_owned(),
                found: found.to_string(),
            }),
            Err(error) if error.is_retryable() => {
                Err(SignInError::Unavailable { source: error.into() })
            }
            // What does not open the drive does no harm there, and is told when it is used.
            Err(_) => Ok(()),
        }
    }
}

#[async_trait]
impl Keeper for NamedFile {
    async fn read(&self) -> Result<TokenDocument, SignInError> {
        let document = self.file.read().await?;
        self.check(&document).await?;
        Ok(document)
    }

    async fn write(&self, document: &TokenDocument) -> Result<(), SignInError> {
        self.file.write(document).await
    }
}

impl fmt::Debug for NamedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NamedFile").field("file", &self.file).finish_non_exhaustive()
    }
}

/// By which a sign-in is known again. One that cannot be renewed is known by its only token.
pub(super) fn mark(document: &TokenDocument) -> String {
    let known_by = document.refresh_token().or_else(|| document.access_token());
    let digest = Sha256::digest(known_by.unwrap_or_default());
    hex::encode(&digest[..16])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sign_in_has_a_mark_of_its_own() {
        let mark = |text: &str| mark(&TokenDocument::parse(text.as_bytes()).unwrap());
        let renewed = mark(r#"{"token":"b","refresh_token":"1"}"#);
        assert_eq!(
            mark(r#"{"token":"a","refresh_token":"1"}"#),
            renewed,
            "a renewal changes nothing"
        );
        let others = [r#"{"refresh_token":"2"}"#, r#"{"token":"a"}"#, r#"{"token":"b"}"#];
        let mut marks: Vec<_> = others.into_iter().map(mark).chain([renewed]).collect();
        marks.sort();
        marks.dedup();
        assert_eq!(marks.len(), 4);
    }
}
