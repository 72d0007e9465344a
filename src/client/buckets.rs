//! Logging in to a bucket: its access key, and the keys without which nobody works there.
//!
//! The access key is kept in the keyring, or in a file of its own that this user alone can read; never
//! in the account's.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::secrets::Vault;
use super::{Client, Configuration, Error, Result};
use crate::caches::write_private_file;
use crate::connections::object_store::{Address, Credentials};
use crate::connections::{Bucket, Connection};
use crate::model::Email;
use crate::peers::{Keyring, Mode, RecoveryKey, store};
use crate::syncers::{Freshness, refresh, sealing};

/// The name of the file with the access key of a bucket, in the folder of the account.
pub(super) const KEY_FILE: &str = "s3-credentials";

/// Where the access key of a bucket comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessKey {
    /// This one: it is kept where secrets are.
    Given(Credentials),
    /// A file as Amazon's tools write it, which stays where it is.
    File(PathBuf),
    /// The one that the keyring holds for this account.
    Keyring,
}

impl AccessKey {
    /// The one that a login names: in a file, or in the keyring.
    pub(super) fn at(path: Option<&Path>) -> Self {
        path.map_or(Self::Keyring, |path| Self::File(path.to_owned()))
    }

    pub(super) async fn load(&self, vault: &Vault) -> Result<Credentials> {
        match self {
            Self::Given(credentials) => Ok(credentials.clone()),
            Self::File(path) => load(path),
            Self::Keyring => Credentials::parse(&vault.read().await?).ok_or_else(|| {
                Error::Keyring { problem: "holds something else than an access key".to_owned() }
            }),
        }
    }
}

/// Keeps an access key in the file that is for it, and returns that.
pub(super) fn keep(configuration: &Configuration, email: &Email, key: &str) -> Result<PathBuf> {
    let path = configuration.account_folder(email).join(KEY_FILE);
    write_private_file(&path, key.as_bytes())?;
    Ok(path)
}

fn load(path: &Path) -> Result<Credentials> {
    const OTHERS: u32 = 0o077;
    let unusable =
        |problem: &str| Error::Configuration { path: path.to_owned(), problem: problem.to_owned() };
    let cannot = |error: std::io::Error| unusable(&format!("cannot be read: {error}"));
    let mode = std::fs::metadata(path).map_err(cannot)?.permissions().mode();
    if mode & OTHERS != 0 {
        return Err(unusable("can be read by others: run `chmod 600` on it"));
    }
    let text = std::fs::read_to_string(path).map_err(cannot)?;
    Credentials::parse(&text).ok_or_else(|| unusable("holds no access key"))
}

pub(super) fn connect(
    email: &Email,
    address: &Address,
    key: &Credentials,
) -> Result<Arc<dyn Connection>> {
    Ok(Arc::new(Bucket::open(address, key, email.clone())?))
}

impl Client {
    /// True if nothing leaves this account that is not encrypted, and no peer's keys are used before
    /// somebody has compared them: anybody can write in anybody's name where its files are.
    pub fn seals_all(&self) -> bool {
        self.account.router.own().requires_sealing()
    }

    /// Makes keys for an account that must have some and never had any. What it had elsewhere has to
    /// be brought by a person.
    pub(super) async fn provide_keys(&self) -> Result<()> {
        let account = &self.account;
        if !self.seals_all() || sealing::keyring(account)?.is_some() {
            return Ok(());
        }
        let _lock = self.lock().await?;
        refresh(account, Freshness::Listing, self.now()).await?;
        if sealing::lacks_keys(account)? {
            return Ok(());
        }
        let made = Keyring::new(&account.email, &RecoveryKey::generate());
        let mut ring = made.map_err(super::KeysError::from)?;
        ring.set_mode(Mode::Required);
        Ok(store::save(&account.folders.private, &ring).map_err(crate::syncers::Error::Keys)?)
    }
}
