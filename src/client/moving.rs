//! Moves the secret of a sign-in between the keyring and a file, and takes in the credentials of
//! one's own Google app.

use std::path::Path;

use drive_api::auth::Credentials;

use super::configuration::Service;
use super::entering::{clear_other, of_google};
use super::login::chosen;
use super::secrets::{Place, SecretsIn};
use super::serving::SmtpPassword;
use super::{AccessKey, Configuration, Error, Result, buckets};
use crate::caches::write_private_file;
use crate::model::Email;

impl Configuration {
    /// Moves the secret of an account's sign-in to where it is wanted, and returns where it is now;
    /// `None` if the account has none of its own to move: a named file stays where it is.
    ///
    /// # Errors
    /// [`Error::Keyring`] if the keyring does not take it; then it is where it was.
    pub async fn move_secret(&self, email: Option<&Email>, to: Place) -> Result<Option<Place>> {
        let (email, _, login) = chosen(self, email)?;
        let Some(from) = login.place() else { return Ok(None) };
        if from == to {
            return Ok(Some(to));
        }
        let vault = self.vault(&email);
        let wish = match to {
            Place::File => SecretsIn::File,
            Place::Keyring => SecretsIn::Keyring,
        };
        let mut moved = login.clone();
        match &mut moved.service {
            Service::Server { token, .. } => {
                let secret = match token.take() {
                    Some(token) => token,
                    None => vault.read().await?,
                };
                vault.keep(&secret, wish, None).await?;
                *token = (to == Place::File).then_some(secret);
            }
            Service::Google { token_path, .. } => {
                let document = vault.keeper(from).read().await?;
                vault.keep(&document.to_text(), wish, None).await?;
                if to == Place::File {
                    vault.keeper(to).write(&document).await?;
                }
                *token_path = (to == Place::File).then(|| vault.file());
            }
            Service::ObjectStore { credentials_path, .. } => {
                let key = AccessKey::at(credentials_path.as_deref());
                let key = key.load(&vault).await?.to_text();
                vault.keep(&key, wish, None).await?;
                *credentials_path = match to {
                    Place::File => Some(buckets::keep(self, &email, &key)?),
                    Place::Keyring => None,
                };
            }
            Service::Delegated { .. } | Service::Folder { .. } => return Ok(None),
        }
        self.save(&email, &moved)?;
        clear_other(self, &email, Some(&login), &moved).await?;
        if to == Place::Keyring {
            SmtpPassword::of(self, &email).to_keyring(&vault).await?;
        }
        Ok(Some(to))
    }

    /// Takes in the credentials of one's own Google app, as downloaded: from now on they are what
    /// one signs in to Google with. Returns what they say of themselves.
    ///
    /// # Errors
    /// [`Error::SignIn`] if the file is something else.
    pub fn import_google_credentials(&self, path: &Path) -> Result<Credentials> {
        let credentials = Credentials::read(path)?;
        of_google(&credentials, path)?;
        let bytes = std::fs::read(path).map_err(|error| Error::Configuration {
            path: path.to_owned(),
            problem: format!("cannot be read: {error}"),
        })?;
        write_private_file(&self.google_credentials(), &bytes)?;
        Ok(credentials)
    }
}
