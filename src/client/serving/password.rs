//! Where the password for the mail server is kept: a file of its own, for its user alone.
//!
//! One small door, so that another place can stand behind it.

use std::fs;
use std::path::PathBuf;

use super::unusable;
use crate::caches::write_private_file;
use crate::client::{Configuration, Result};
use crate::model::Email;

/// The name of the file, in the folder of the account.
pub(in crate::client) const FILE: &str = "smtp-password";

/// The password for the mail server of one account.
#[derive(Clone, Debug)]
pub struct SmtpPassword {
    path: PathBuf,
}

impl SmtpPassword {
    /// Where that of `account` is.
    pub fn of(configuration: &Configuration, account: &Email) -> Self {
        Self { path: configuration.account_folder(account).join(FILE) }
    }

    /// Returns it; `None` if there is none.
    ///
    /// # Errors
    /// [`Error::ServeSettings`](crate::client::Error::ServeSettings) if others could read it, or it cannot be
    /// read. What is in it is in no error.
    pub fn get(&self) -> Result<Option<String>> {
        let text = match fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(_) => return Err(unusable(&self.path, "cannot be read")),
        };
        if is_open(&self.path) {
            return Err(unusable(&self.path, "can be read by other users of this machine"));
        }
        Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()))
    }

    /// Keeps another one.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn set(&self, password: &str) -> Result<()> {
        Ok(write_private_file(&self.path, password.as_bytes())?)
    }

    /// Forgets it; succeeds if there is none.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn remove(&self) -> Result<()> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(unusable(&self.path, format!("cannot be removed: {error}")))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(unix)]
fn is_open(path: &std::path::Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    const OTHERS: u32 = 0o077;
    fs::metadata(path).is_ok_and(|found| found.permissions().mode() & OTHERS != 0)
}

#[cfg(not(unix))]
fn is_open(_path: &std::path::Path) -> bool {
    false
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_password_is_for_its_user_alone() {
        let home = tempfile::tempdir().unwrap();
        let configuration = Configuration::at(home.path());
        let password = SmtpPassword::of(&configuration, &Email::parse("me@x.org").unwrap());
        assert_eq!(password.get().unwrap(), None);
        password.set("SECRET\n").unwrap();
        assert_eq!(password.get().unwrap().as_deref(), Some("SECRET"));
        let mode = fs::metadata(&password.path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::set_permissions(&password.path, fs::Permissions::from_mode(0o644)).unwrap();
        let error = password.get().unwrap_err();
        assert!(!format!("{error:?} {error}").contains("SECRET"), "{error:?}");
        password.remove().unwrap();
        password.remove().unwrap();
        assert_eq!(password.get().unwrap(), None);
    }
}
