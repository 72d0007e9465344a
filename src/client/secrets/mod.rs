//! Where the secrets of sign-ins are kept: in the system's keyring, or in files with mode 0600.
//!
//! `plan` decides, `keyring` speaks to the keyring. Whatever reads a secret does so when it is
//! needed, so that a command that needs no drive needs no keyring either.

mod keyring;
mod plan;

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use drive_api::auth::{
    AccessToken, Keeper, SignInError, StaticToken, TokenDocument, TokenFile, TokenSource,
};
use tokio::sync::OnceCell;

use self::keyring::Slot;
use self::plan::{First, Verdict};
use super::{Error, Result};
use crate::model::Email;

pub use keyring::Unusable;
pub use plan::{Place, SecretsIn};

/// The name of the file with Google's token, in the folder of the account.
pub(super) const TOKEN_FILE: &str = "token.json";

/// Keeps the secret of one account.
#[derive(Clone, Debug)]
pub(super) struct Vault {
    slot: Slot,
    mail: Slot,
    folder: PathBuf,
}

/// Where a secret went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) place: Place,
    /// Why it is not in the keyring although it was to be.
    pub(super) told: Option<Unusable>,
}

impl Vault {
    /// The vault of an account whose configuration lies in `folder`, and its own in `own`.
    pub(super) fn of(email: &Email, folder: &Path, own: PathBuf) -> Self {
        let (slot, mail) = (Slot::of(email, folder), Slot::of_mail(email, folder));
        Self { slot, mail, folder: own }
    }

    /// Decides where a secret goes, and puts it there if that is the keyring; else whoever asks
    /// writes the file.
    pub(super) async fn keep(
        &self,
        secret: &str,
        wish: SecretsIn,
        before: Option<Place>,
    ) -> Result<Kept> {
        if plan::first(wish, before) == First::File {
            return Ok(Kept { place: Place::File, told: None });
        }
        match plan::then(wish, self.slot.set(secret).await) {
            Verdict::Keyring => Ok(Kept { place: Place::Keyring, told: None }),
            Verdict::File { told } => Ok(Kept { place: Place::File, told }),
            Verdict::Refuse(why) => Err(Error::Keyring { problem: why.to_string() }),
        }
    }

    /// Returns the secret that lies in the keyring.
    pub(super) async fn read(&self) -> std::result::Result<String, SignInError> {
        let problem = match self.slot.get().await {
            Ok(Some(secret)) => return Ok(secret),
            Ok(None) => "does not hold it any more".to_owned(),
            Err(why) => why.to_string(),
        };
        Err(SignInError::Keyring { problem })
    }

    /// Takes the secret out of the keyring.
    pub(super) async fn clear(&self) -> std::result::Result<(), Unusable> {
        self.slot.clear().await
    }

    /// The same for the password of the account's mail server.
    pub(super) async fn mail_password(&self) -> std::result::Result<Option<String>, Unusable> {
        self.mail.get().await
    }

    /// Keeps the password of the account's mail server in the keyring; `None` takes it out.
    pub(super) async fn set_mail_password(
        &self,
        password: Option<&str>,
    ) -> std::result::Result<(), Unusable> {
        match password {
            Some(password) => self.mail.set(password).await,
            None => self.mail.clear().await,
        }
    }

    /// The file for Google's token, where it is not in the keyring.
    pub(super) fn file(&self) -> PathBuf {
        self.folder.join(TOKEN_FILE)
    }

    /// Who keeps Google's token in this place.
    pub(super) fn keeper(&self, place: Place) -> Box<dyn Keeper> {
        match place {
            Place::File => Box::new(TokenFile::at(self.file())),
            Place::Keyring => Box::new(self.clone()),
        }
    }
}

#[async_trait]
impl Keeper for Vault {
    async fn read(&self) -> std::result::Result<TokenDocument, SignInError> {
        let text = Self::read(self).await?;
        TokenDocument::parse(text.as_bytes())
            .map_err(|_| SignInError::Keyring { problem: "holds something else".to_owned() })
    }

    async fn write(&self, document: &TokenDocument) -> std::result::Result<(), SignInError> {
        let kept = self.slot.set(&document.to_text()).await;
        kept.map_err(|why| SignInError::Keyring { problem: why.to_string() })
    }
}

/// A token of our own server that lies in the keyring, read when it is needed first.
#[derive(Debug)]
pub(super) struct KeyringToken {
    vault: Vault,
    token: OnceCell<StaticToken>,
}

impl KeyringToken {
    pub(super) fn new(vault: Vault) -> Self {
        Self { vault, token: OnceCell::new() }
    }

    async fn get(&self) -> std::result::Result<&StaticToken, SignInError> {
        self.token.get_or_try_init(|| async { StaticToken::new(self.vault.read().await?) }).await
    }
}

#[async_trait]
impl TokenSource for KeyringToken {
    async fn token(&self) -> std::result::Result<AccessToken, drive_api::Error> {
        self.get().await?.token().await
    }

    async fn refresh(
        &self,
        refused: &AccessToken,
    ) -> std::result::Result<AccessToken, drive_api::Error> {
        self.get().await?.refresh(refused).await
    }
}
