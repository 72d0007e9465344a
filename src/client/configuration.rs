//! Where things are kept on this machine, and who is logged in.
//!
//! What a login needs again lies in `{configuration}/accounts/{email}/account.toml`, readable by
//! this user alone: secrets are never in the SyftBox, and never in an error.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::secrets::{Place, Vault};
use super::{Error, Result, SecretsIn};
use crate::caches::write_private_file;
use crate::connections::object_store::Address;
use crate::model::{Email, Role};

/// Where things are kept on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration {
    home: PathBuf,
    folder: PathBuf,
    secrets: SecretsIn,
    unreachable_max: Duration,
}

/// How long a drive that cannot be reached is tried in one go where somebody waits for it.
const WAITING_MAX: Duration = Duration::from_secs(5);
/// The same where nobody does.
const PATIENCE: Duration = Duration::from_secs(120);

/// An account that is logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountInfo {
    /// Who.
    pub email: Email,
    /// On which side.
    pub role: Role,
    /// Where its files are, for a person: `Google Drive`, `http://…`, `folder …`.
    pub service: String,
    /// Where its secret lies.
    pub secret: SecretAt,
    /// When the sign-in as a whole ends, if it does.
    pub ends: Option<DateTime<Utc>>,
}

/// Where the secret of a sign-in lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretAt {
    /// In the system's keyring.
    Keyring,
    /// In a file that this user alone can read, or in one that was named.
    File(PathBuf),
    /// There is none.
    None,
}

/// How an account reaches its files, as it is kept.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "service", rename_all = "kebab-case")]
pub(super) enum Service {
    /// A server with Drive's protocol. Without a token here, that is in the keyring.
    Server {
        url: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        token: Option<String>,
    },
    /// Google Drive, or a drive elsewhere, with a token that renews itself. Without a path here, it
    /// is in the keyring.
    Google {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        token_path: Option<PathBuf>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        drive: Option<String>,
    },
    /// The same through a service account that acts for the person.
    #[serde(rename = "service-account")]
    Delegated {
        key_path: PathBuf,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        drive: Option<String>,
    },
    /// A shared folder.
    Folder { path: PathBuf },
    /// A bucket of an object store, with an access key in a file. Without a path here, it is in the
    /// keyring.
    ObjectStore {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        credentials_path: Option<PathBuf>,
        address: Address,
    },
}

/// What is kept of a login.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Login {
    pub(super) email: String,
    pub(super) role: String,
    /// The generation of the home dialect: `0.1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) generation: Option<String>,
    /// When the sign-in as a whole ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ends: Option<DateTime<Utc>>,
    /// The program's credentials that the person signed in with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) credentials: Option<PathBuf>,
    /// By which the sign-in is known again whose owner was checked: a digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) verified: Option<String>,
    /// The right to send mail was asked for in the browser: the next time it is again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) mail: bool,
    #[serde(flatten)]
    pub(super) service: Service,
}

pub(super) const FILE: &str = "account.toml";

/// Tells a login from one that was kept later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    written: Option<SystemTime>,
    size_bytes: u64,
}

impl Configuration {
    /// Keeps everything below `home`, the configuration in `{home}/.syft`.
    pub fn at(home: &Path) -> Self {
        Self::of(home.to_owned(), home.join(".syft"))
    }

    /// Keeps the SyftBox in the home folder of this user, and the configuration where this system
    /// keeps such things.
    ///
    /// # Errors
    /// [`Error::NoHome`] if there is none.
    pub fn of_user() -> Result<Self> {
        let home = dirs::home_dir().ok_or(Error::NoHome)?;
        let folder = dirs::config_dir().ok_or(Error::NoHome)?.join("syft");
        Ok(Self::of(home, folder))
    }

    fn of(home: PathBuf, folder: PathBuf) -> Self {
        Self { home, folder, secrets: SecretsIn::default(), unreachable_max: PATIENCE }
    }

    /// The same for somebody who waits: a drive that cannot be reached is given up after five seconds.
    #[must_use]
    pub const fn hasty(mut self) -> Self {
        self.unreachable_max = WAITING_MAX;
        self
    }

    /// The same for what runs by itself: a drive that cannot be reached is tried for a while.
    #[must_use]
    pub const fn patient(mut self) -> Self {
        self.unreachable_max = PATIENCE;
        self
    }

    /// Returns how long a drive that cannot be reached is tried in one go.
    pub(super) const fn unreachable_max(&self) -> Duration {
        self.unreachable_max
    }

    /// The same with the secrets of logins elsewhere than in files.
    #[must_use]
    pub const fn with_secrets(mut self, secrets: SecretsIn) -> Self {
        self.secrets = secrets;
        self
    }

    /// Returns where the credentials of one's own Google app are kept, once they were imported.
    pub fn google_credentials(&self) -> PathBuf {
        self.folder.join("google").join("credentials.json")
    }

    /// Returns where the secrets of logins are to be.
    pub(super) const fn secrets(&self) -> SecretsIn {
        self.secrets
    }

    /// Returns who keeps the secret of an account.
    pub(super) fn vault(&self, email: &Email) -> Vault {
        Vault::of(email, &self.folder, self.account_folder(email))
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
                let (service, ends) = (login.service.to_string(), login.ends);
                let secret = self.secret_at(&email, &login.service);
                Some(AccountInfo { email, role, service, secret, ends })
            })
            .collect();
        accounts.sort_by(|a, b| a.email.cmp(&b.email));
        Ok(accounts)
    }

    fn secret_at(&self, email: &Email, service: &Service) -> SecretAt {
        match service {
            Service::Google { token_path: Some(path), .. } => SecretAt::File(path.clone()),
            Service::Delegated { key_path, .. } => SecretAt::File(key_path.clone()),
            Service::Server { token: Some(_), .. } => {
                SecretAt::File(self.account_folder(email).join(FILE))
            }
            Service::ObjectStore { credentials_path: Some(path), .. } => {
                SecretAt::File(path.clone())
            }
            Service::Google { .. } | Service::Server { .. } | Service::ObjectStore { .. } => {
                SecretAt::Keyring
            }
            Service::Folder { .. } => SecretAt::None,
        }
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

    /// Forgets a login: the secrets in files go, what was approved stays. False if there was none.
    pub(super) fn forget(&self, email: &Email) -> Result<bool> {
        let account = remove(&self.account_folder(email).join(FILE))?;
        let token = remove(&self.vault(email).file())?;
        let key = remove(&self.account_folder(email).join(super::buckets::KEY_FILE))?;
        let password = remove(&self.account_folder(email).join(super::serving::PASSWORD_FILE))?;
        Ok(account || token || key || password)
    }
}

/// Removes a file; false if there is none.
pub(super) fn remove(path: &Path) -> Result<bool> {
    match std::fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(unusable(path, &error)),
    }
}

impl Login {
    /// Where the secret is; `None` if it is not ours to keep.
    pub(super) fn place(&self) -> Option<Place> {
        match &self.service {
            Service::Server { token: Some(_), .. } => Some(Place::File),
            Service::Server { token: None, .. }
            | Service::Google { token_path: None, .. }
            | Service::ObjectStore { credentials_path: None, .. } => Some(Place::Keyring),
            // One that was named on the command line is its owner's.
            Service::Google { token_path: Some(path), .. } => {
                self.is_own(path, super::secrets::TOKEN_FILE).then_some(Place::File)
            }
            Service::ObjectStore { credentials_path: Some(path), .. } => {
                self.is_own(path, super::buckets::KEY_FILE).then_some(Place::File)
            }
            Service::Delegated { .. } | Service::Folder { .. } => None,
        }
    }

    /// True for the file of this name that we keep ourselves.
    fn is_own(&self, path: &Path, name: &str) -> bool {
        path.ends_with(Path::new("accounts").join(&self.email).join(name))
    }
}

fn unusable(path: &Path, error: &dyn fmt::Display) -> Error {
    Error::Configuration { path: path.to_owned(), problem: format!("cannot be used: {error}") }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server { url, .. }
            | Self::Google { drive: Some(url), .. }
            | Self::Delegated { drive: Some(url), .. } => f.write_str(url),
            Self::Google { drive: None, .. } | Self::Delegated { drive: None, .. } => {
                f.write_str("Google Drive")
            }
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
