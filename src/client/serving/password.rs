//! Where the password for the mail server is kept: where the sign-in of the account is, in the keyring
//! or in a file of its own, for its user alone.
//!
//! The file counts if there is one. The keyring is asked only if the sign-in is there, so that
//! nobody waits for a keyring who has none. Moving the sign-in moves the password.

use std::fs;
use std::path::PathBuf;

use super::unusable;
use crate::caches::write_private_file;
use crate::client::secrets::{Place, Vault};
use crate::client::{Configuration, Error, Result};
use crate::model::Email;

/// The name of the file, in the folder of the account.
pub(in crate::client) const FILE: &str = "smtp-password";

/// The password for the mail server of one account.
#[derive(Clone, Debug)]
pub struct SmtpPassword {
    path: PathBuf,
    /// If the sign-in is there.
    keyring: Option<Vault>,
}

impl SmtpPassword {
    /// Where that of `account` is.
    pub fn of(configuration: &Configuration, account: &Email) -> Self {
        let place = configuration.login(account).ok().flatten().and_then(|login| login.place());
        let keyring = (place == Some(Place::Keyring)).then(|| configuration.vault(account));
        Self { path: configuration.account_folder(account).join(FILE), keyring }
    }

    /// Returns it; `None` if there is none.
    ///
    /// # Errors
    /// [`Error::ServeSettings`] if others could read it, or it cannot be read; [`Error::Keyring`].
    /// What is in it is in no error.
    pub async fn get(&self) -> Result<Option<String>> {
        match (self.read()?, &self.keyring) {
            (None, Some(vault)) => vault
                .mail_password()
                .await
                .map_err(|why| Error::Keyring { problem: why.to_string() }),
            (found, _) => Ok(found),
        }
    }

    /// Keeps another one: in the keyring if the sign-in is there and it takes it, else in the file.
    ///
    /// # Errors
    /// If the disk refuses.
    pub async fn set(&self, password: &str) -> Result<()> {
        if let Some(vault) = &self.keyring {
            match vault.set_mail_password(Some(password)).await {
                Ok(()) => return self.remove_file(),
                Err(why) => tracing::warn!("the password is kept in a file, as the keyring {why}"),
            }
        }
        Ok(write_private_file(&self.path, password.as_bytes())?)
    }

    /// Forgets it; succeeds if there is none.
    ///
    /// # Errors
    /// If the disk or the keyring refuses.
    pub async fn remove(&self) -> Result<()> {
        self.remove_file()?;
        match &self.keyring {
            Some(vault) => vault
                .set_mail_password(None)
                .await
                .map_err(|why| Error::Keyring { problem: why.to_string() }),
            None => Ok(()),
        }
    }

    /// Takes it out of the keyring, as the sign-in has gone from there. What cannot be read is told
    /// when it is needed.
    pub(in crate::client) async fn to_file(&self, vault: &Vault) {
        let Ok(Some(password)) = vault.mail_password().await else { return };
        match write_private_file(&self.path, password.as_bytes()) {
            Ok(()) => drop(vault.set_mail_password(None).await),
            Err(error) => tracing::warn!(%error, "a mail password stays in the keyring"),
        }
    }

    /// Puts it into the keyring, as the sign-in is there now.
    ///
    /// # Errors
    /// If it cannot be read. One that the keyring does not take stays where it is.
    pub(in crate::client) async fn to_keyring(&self, vault: &Vault) -> Result<()> {
        let Some(password) = self.read()? else { return Ok(()) };
        match vault.set_mail_password(Some(&password)).await {
            Ok(()) => self.remove_file(),
            Err(_) => Ok(()),
        }
    }

    fn read(&self) -> Result<Option<String>> {
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

    fn remove_file(&self) -> Result<()> {
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

    #[tokio::test]
    async fn a_password_is_for_its_user_alone() {
        let home = tempfile::tempdir().unwrap();
        let configuration = Configuration::at(home.path());
        let password = SmtpPassword::of(&configuration, &Email::parse("me@x.org").unwrap());
        assert_eq!(password.get().await.unwrap(), None);
        password.set("SECRET\n").await.unwrap();
        assert_eq!(password.get().await.unwrap().as_deref(), Some("SECRET"));
        let mode = fs::metadata(&password.path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::set_permissions(&password.path, fs::Permissions::from_mode(0o644)).unwrap();
        let error = password.get().await.unwrap_err();
        assert!(!format!("{error:?} {error}").contains("SECRET"), "{error:?}");
        password.remove().await.unwrap();
        password.remove().await.unwrap();
        assert_eq!(password.get().await.unwrap(), None);
    }
}
