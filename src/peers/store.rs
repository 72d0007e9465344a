//! The key file of an account on disk: `crypto_keys.json` in its folder of the configuration.
//!
//! Never in the SyftBox, which is synced; written whole or not at all, with mode 0600. A file that
//! others could read is refused as a leak that somebody must know of, not mended in silence.

use std::fs;
use std::path::{Path, PathBuf};

use super::keyring::{Keyring, Unusable};
use crate::caches::{self, write_private_file};
use crate::model::{Digest, Email};

/// The name of the key file; also the Python client's.
pub const KEY_FILE: &str = "crypto_keys.json";

/// Why keys could not be read or kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// The disk refuses.
    #[error("`{}` could not be read", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },

    /// What is in it cannot be used.
    #[error("`{}` cannot be used", path.display())]
    Unusable {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: Unusable,
    },

    /// Other users of the machine may read it.
    #[error("`{}` can be read by other users of this machine", path.display())]
    Open {
        /// Which file.
        path: PathBuf,
    },

    /// It could not be written.
    #[error(transparent)]
    Write(#[from] caches::Error),
}

/// Reads the keys of an account, from its folder of the configuration; `None` if it has none.
///
/// # Errors
/// [`KeyFileError`]. What cannot be read is never taken for an account without keys.
pub fn load(folder: &Path, owner: &Email) -> Result<Option<Keyring>, KeyFileError> {
    let path = folder.join(KEY_FILE);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(KeyFileError::Io { path, source }),
    };
    if is_open(&path).map_err(|source| KeyFileError::Io { path: path.clone(), source })? {
        return Err(KeyFileError::Open { path });
    }
    match Keyring::from_json(&bytes, owner, 0) {
        Ok(keyring) => Ok(Some(keyring)),
        Err(source) => Err(KeyFileError::Unusable { path, source }),
    }
}

/// Returns the digest of the key file in `folder`, which differs once anything in it does; `None` if there
/// is none.
///
/// # Errors
/// [`KeyFileError::Io`].
pub fn digest(folder: &Path) -> Result<Option<Digest>, KeyFileError> {
    let path = folder.join(KEY_FILE);
    match fs::read(&path) {
        Ok(bytes) => Ok(Some(Digest::of(&bytes))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(KeyFileError::Io { path, source }),
    }
}

/// Keeps the keys of an account.
///
/// # Errors
/// [`KeyFileError::Write`]; [`KeyFileError::Unusable`] if it could not be read again. The old file
/// is there still.
pub fn save(folder: &Path, keyring: &Keyring) -> Result<(), KeyFileError> {
    let (path, content) = (folder.join(KEY_FILE), keyring.to_json());
    match Keyring::from_json(&content, keyring.owner(), 0) {
        Ok(_) => Ok(write_private_file(&path, &content)?),
        Err(source) => Err(KeyFileError::Unusable { path, source }),
    }
}

#[cfg(unix)]
fn is_open(path: &Path) -> std::io::Result<bool> {
    use std::os::unix::fs::PermissionsExt as _;
    const OTHERS: u32 = 0o077;
    Ok(fs::metadata(path)?.permissions().mode() & OTHERS != 0)
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "elsewhere it can fail")]
fn is_open(_path: &Path) -> std::io::Result<bool> {
    Ok(false)
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::peers::RecoveryKey;

    #[test]
    fn w14_a_key_file_is_for_its_user_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (me, eve) =
            (Email::parse("me@example.org").unwrap(), Email::parse("eve@example.org").unwrap());
        assert!(load(folder.path(), &me).unwrap().is_none());
        let keyring = Keyring::new(&me, &RecoveryKey::generate()).unwrap();
        save(folder.path(), &keyring).unwrap();
        let path = folder.path().join(KEY_FILE);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(load(folder.path(), &me).unwrap().unwrap().to_json(), keyring.to_json());
        assert!(matches!(load(folder.path(), &eve), Err(KeyFileError::Unusable { .. })));

        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(load(folder.path(), &me), Err(KeyFileError::Open { .. })));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, b"{\"email\":\"me@example.org\",\"keys_jwk\":{\"d\":\"SECRET\"}}")
            .unwrap();
        let error = load(folder.path(), &me).unwrap_err();
        assert!(!format!("{error:?}").contains("SECRET"), "{error:?}");
    }
}
