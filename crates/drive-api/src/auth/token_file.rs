//! `token.json` as Python's google-auth writes it: read, and replaced as a whole, readable by its
//! owner only.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use serde_json::{Map, Value};

use super::document::Keeper;
use super::{SignInError, TokenDocument};

const EXPECTED: &str = "a token file";
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// A document in a file with mode 0600. Another process may share it.
#[derive(Debug, Clone)]
pub struct TokenFile {
    path: PathBuf,
}

impl TokenFile {
    /// Keeps a document at `path`. Looks at nothing yet.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

#[async_trait]
impl Keeper for TokenFile {
    async fn read(&self) -> Result<TokenDocument, SignInError> {
        let object = read_object(&self.path, EXPECTED)?;
        TokenDocument::check(object).map_err(|problem| malformed(&self.path, EXPECTED, problem))
    }

    async fn write(&self, document: &TokenDocument) -> Result<(), SignInError> {
        let (path, text) = (self.path.clone(), document.to_text());
        let write = move || {
            // A link stays a link: what it points to is replaced.
            let target = std::fs::canonicalize(&path).unwrap_or(path);
            write_private(&target, text.as_bytes())
        };
        let written = tokio::task::spawn_blocking(write).await;
        let written = written.unwrap_or_else(|error| Err(io::Error::other(error)));
        written.map_err(|source| SignInError::File { path: self.path.clone(), source })
    }
}

/// Reads a small JSON object. The problem never quotes it: it holds secrets.
pub(super) fn read_object(
    path: &Path,
    expected: &'static str,
) -> Result<Map<String, Value>, SignInError> {
    let file_error = |source| SignInError::File { path: path.to_owned(), source };
    let size = std::fs::metadata(path).map_err(file_error)?.len();
    let problem = if size > FILE_BYTES_MAX {
        "it is too long".to_owned()
    } else {
        let bytes = std::fs::read(path).map_err(file_error)?;
        match serde_json::from_slice::<Value>(&bytes) {
            Ok(Value::Object(object)) => return Ok(object),
            Ok(_) => "it is no JSON object".to_owned(),
            Err(error) => {
                format!("it is no JSON at line {}, column {}", error.line(), error.column())
            }
        }
    };
    Err(malformed(path, expected, problem))
}

pub(super) fn malformed(
    path: &Path,
    expected: &'static str,
    problem: impl Into<String>,
) -> SignInError {
    SignInError::Malformed { path: path.to_owned(), expected, problem: problem.into() }
}

fn write_private(target: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = match target.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    // `tempfile` makes its files with mode 0600, so nobody can read it at any time.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(target).map_err(|error| error.error)?;
    if cfg!(unix) {
        std::fs::File::open(folder)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_no_token_file_is_refused_without_quoting_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token.json");
        for text in [
            "",
            "[]",
            "{\"token\": \"SECRET",
            r#"{"type":"service_account","private_key":"SECRET"}"#,
            r#"{"installed":{"client_secret":"SECRET"}}"#,
            r#"{"account":"SECRET"}"#,
        ] {
            write_private(&path, text.as_bytes()).unwrap();
            let error = TokenFile::at(&path).read().await.unwrap_err();
            assert!(matches!(error, SignInError::Malformed { .. }), "{text}: {error:?}");
            assert!(!format!("{error:?} {error}").contains("SECRET"), "{error:?}");
            assert!(TokenDocument::parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
