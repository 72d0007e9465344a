//! Where things are kept on this machine, and who is logged in.
//!
//! What a login needs again lies in `{configuration}/accounts/{email}/account.toml`, readable by
//! this user alone: secrets are never in the SyftBox, and never in an error.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::{Error, Result};
use crate::caches::write_private_file;
use crate::connections::object_store::Address;
use crate::model::{Email, Role};

/// Where things are kept on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration {
    home: PathBuf,
    folder: PathBuf,
}

/// An account that is logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountInfo {
    /// Who.
    pub email: Email,
    /// On which side.
    pub role: Role,
    /// Where its files are, for a person: `Google Drive`, `http://…`, `folder …`.
    pub service: String,
}

/// How an account reaches its files, as it is kept.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "service", rename_all = "kebab-case")]
pub(super) enum Service {
    /// A server with Drive's protocol.
    Server { url: String, token: String },
    /// Google Drive, or a drive elsewhere, with a token that renews itself.
    Google {
        token_path: PathBuf,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        drive: Option<String>,
    },
    /// A shared folder.
    Folder { path: PathBuf },
    /// A bucket of an object store, with an access key in a file.
    ObjectStore { credentials_path: PathBuf, address: Address },
}

/// What is kept of a login.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Login {
    pub(super) email: String,
    pub(super) role: String,
    /// The generation of the home dialect: `0.1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) generation: Option<String>,
    #[serde(flatten)]
    pub(super) service: Service,
}

const FILE: &str = "account.toml";

/// Tells a login from one that was kept later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    written: Option<SystemTime>,
    size_bytes: u64,
}

impl Configuration {
    /// Keeps everything below `home`, the configuration in `{home}/.syft`.
    pub fn at(home: &Path) -> Self {
        Self { home: home.to_owned(), folder: home.join(".syft") }
    }

    /// Keeps the SyftBox in the home folder of this user, and the configuration where this system
    /// keeps such things.
    ///
    /// # Errors
    /// [`Error::NoHome`] if there is none.
    pub fn of_user() -> Result<Self> {
        let home = dirs::home_dir().ok_or(Error::NoHome)?;
        let folder = dirs::config_dir().ok_or(Error::NoHome)?.join("syft");
        Ok(Self { home, folder })
    }

    /// Returns the folder in which SyftBoxes lie.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Returns the folder of the configuration.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns who is logged in, sorted. What cannot be read is left out: it is no login.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn accounts(&self) -> Result<Vec<AccountInfo>> {
        let folder = self.folder.join("accounts");
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(unusable(&folder, &error)),
        };
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        let emails = names.filter_map(|name| Email::parse(&name).ok());
        let mut accounts: Vec<AccountInfo> = emails
            .filter_map(|email| {
                let login = self.login(&email).ok()??;
                let role = Role::parse(&login.role)?;
                Some(AccountInfo { email, role, service: login.service.to_string() })
            })
            .collect();
        accounts.sort_by(|a, b| a.email.cmp(&b.email));
        Ok(accounts)
    }

    pub(super) fn account_folder(&self, email: &Email) -> PathBuf {
        self.folder.join("accounts").join(email.as_str())
    }

    /// Returns what is kept of a login; `None` if there is none.
    pub(super) fn login(&self, email: &Email) -> Result<Option<Login>> {
        let path = self.account_folder(email).join(FILE);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unusable(&path, &error)),
        };
        // The parser's message would quote the file, and with it a token.
        let problem = "is not what a login leaves; log in again".to_owned();
        toml::from_str(&text).map(Some).map_err(|_| Error::Configuration { path, problem })
    }

    /// Returns what tells the login of `email` from a later one; `None` if there is none.
    pub(super) fn stamp(&self, email: &Email) -> Option<Stamp> {
        let metadata = std::fs::metadata(self.account_folder(email).join(FILE)).ok()?;
        Some(Stamp { written: metadata.modified().ok(), size_bytes: metadata.len() })
    }

    pub(super) fn save(&self, email: &Email, login: &Login) -> Result<()> {
        let path = self.account_folder(email).join(FILE);
        let text = toml::to_string(login).map_err(|error| unusable(&path, &error))?;
        Ok(write_private_file(&path, text.as_bytes())?)
    }

    /// Forgets a login: the secrets go, what was approved stays. False if there was none.
    pub(super) fn forget(&self, email: &Email) -> Result<bool> {
        let folder = self.account_folder(email);
        let mut found = false;
        let secrets = [
            FILE,
            super::login::TOKEN_FILE,
            super::buckets::KEY_FILE,
            super::serving::PASSWORD_FILE,
        ];
        for path in secrets.map(|name| folder.join(name)) {
            match std::fs::remove_file(&path) {
                Ok(()) => found = true,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(unusable(&path, &error)),
            }
        }
        Ok(found)
    }
}

fn unusable(path: &Path, error: &dyn fmt::Display) -> Error {
    Error::Configuration { path: path.to_owned(), problem: format!("cannot be used: {error}") }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server { url, .. } | Self::Google { drive: Some(url), .. } => f.write_str(url),
            Self::Google { drive: None, .. } => f.write_str("Google Drive"),
            Self::Folder { path } => write!(f, "folder {}", path.display()),
            Self::ObjectStore { address, .. } => write!(f, "{address}"),
        }
    }
}

/// Without the token.
impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Service({self})")
    }
}
