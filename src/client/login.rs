//! Logging in and out.
//!
//! A login asks the service whose sign-in it is before anything is kept: a token of another account
//! must never work under this one's name.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use drive_api::auth::{StaticToken, TokenFile, TokenSource, Way};
use drive_api::{Drive, Endpoint};

use super::configuration::{Login, Service};
use super::{AccessKey, Client, Clock, Configuration, Error, Result, SystemClock, buckets};
use crate::caches::Folders;
use crate::connections::object_store::Address;
use crate::connections::{Connection, Folder, GDrive};
use crate::model::{Email, Role};
use crate::syncers::{self, Directory, SyncOptions, own_versions, peering};
use crate::wire::Dialect;

pub use drive_api::auth::Pasted;

/// The name of the file with Google's token, in the folder of the account.
pub(super) const TOKEN_FILE: &str = "token.json";

/// How an account proves who it is.
pub enum SignIn {
    /// To a server with Drive's protocol, with a token that it gave.
    Server {
        /// Its address.
        url: String,
        /// The token.
        token: String,
    },
    /// With a `token.json` as the Python client wrote it. It stays where it is, and is kept fresh
    /// there, at the address that it names itself.
    TokenFile {
        /// Where it is.
        path: PathBuf,
        /// The address of the drive; `None` is Google's. The token is sent there.
        drive: Option<String>,
    },
    /// In a browser.
    Credentials {
        /// The program's `credentials.json`, which names the page to sign in at.
        path: PathBuf,
        /// The address of the drive; `None` is Google's. The token is sent there.
        drive: Option<String>,
        /// Called with the address to open.
        show: Box<dyn Fn(&str) + Send + Sync>,
        /// Where the browser is on another machine: gets the address that it ended at from the
        /// person. `None`: the browser is on this machine and comes back by itself.
        pasted: Option<Box<dyn FnOnce() -> Pasted + Send>>,
    },
    /// To a folder that all share. Whoever can read the folder is believed.
    Folder(PathBuf),
    /// To a bucket of an object store. Whoever has an access key to it is believed, so everything
    /// is encrypted there.
    Bucket {
        /// Where it is.
        address: Address,
        /// What opens it.
        key: AccessKey,
    },
}

impl fmt::Debug for SignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server { url, .. } => write!(f, "Server({url:?})"),
            Self::TokenFile { path, .. } => write!(f, "TokenFile({path:?})"),
            Self::Credentials { path, .. } => write!(f, "Credentials({path:?})"),
            Self::Folder(path) => write!(f, "Folder({path:?})"),
            Self::Bucket { address, .. } => write!(f, "Bucket({address})"),
        }
    }
}

impl Client {
    /// Logs a data owner in: checks whose sign-in it is, keeps it, and syncs.
    ///
    /// # Errors
    /// [`Error::WrongAccount`] if it is somebody else's; nothing is kept then.
    pub async fn login_do(
        configuration: &Configuration,
        email: &Email,
        sign_in: SignIn,
    ) -> Result<Self> {
        Self::login(configuration, email, Role::Owner, sign_in, None).await
    }

    /// Logs a data scientist in: checks whose sign-in it is, keeps it, and syncs.
    ///
    /// # Errors
    /// [`Error::WrongAccount`] if it is somebody else's; nothing is kept then.
    pub async fn login_ds(
        configuration: &Configuration,
        email: &Email,
        sign_in: SignIn,
    ) -> Result<Self> {
        Self::login(configuration, email, Role::Scientist, sign_in, None).await
    }

    /// Logs an account in, as [`Client::login_do`] and [`Client::login_ds`] do, with `home` as its
    /// home dialect: the one of the Python client that may use the account as well. `None`: as at
    /// the last login, else as on the account's other machines, else 0.1.
    ///
    /// # Errors
    /// [`Error::WrongAccount`] if it is somebody else's; nothing is kept then.
    pub async fn login(
        configuration: &Configuration,
        email: &Email,
        role: Role,
        sign_in: SignIn,
        home: Option<Dialect>,
    ) -> Result<Self> {
        let service = enter(configuration, email, sign_in).await?;
        let outcome = Self::check(email, &service).await;
        let (connection, service) = match outcome {
            Ok(connection) => settle(configuration, email, connection, service)?,
            Err(error) => {
                if let Entered::New { token, .. } = &service {
                    drop(std::fs::remove_file(token));
                }
                return Err(error);
            }
        };
        let before = home_of_login(configuration, email);
        let generation = before.as_ref().map(Dialect::generation);
        let (name, side) = (email.to_string(), role.as_str().to_owned());
        let mut login = Login { email: name, role: side, generation, service };
        configuration.save(email, &login)?;
        let clock = Arc::new(SystemClock);
        let chosen = home.or(before);
        let is_chosen = chosen.is_some();
        let dialect = chosen.unwrap_or_else(Dialect::v0_1);
        let mut client = Self::assemble(configuration, email, connection, role, clock, dialect)?;
        // Who logs in wants to work, whatever was deleted before.
        client.begin_anew()?;
        if !is_chosen && let Some(found) = client.home_on_drive().await? {
            client.account.dialect = found;
        }
        client.provide_keys().await?;
        client.begin().await?;
        login.generation = Some(client.account.dialect.generation());
        configuration.save(email, &login)?;
        Ok(client)
    }

    async fn home_on_drive(&self) -> Result<Option<Dialect>> {
        let _lock = self.lock().await?;
        Ok(peering::home_on_drive(&self.account, self.now()).await?)
    }

    async fn check(email: &Email, service: &Entered) -> Result<Arc<dyn Connection>> {
        let connection = match service {
            Entered::Known(service) => connect(email, service)?,
            Entered::New { token, drive } => google(email, token, drive.as_deref())?,
            Entered::Bucket { address, key } => buckets::connect(email, address, &key.load()?)?,
        };
        let found = connection.verify().await?;
        if found.is_same_account(email.as_str()) {
            Ok(connection)
        } else {
            Err(Error::WrongAccount { expected: email.clone(), found })
        }
    }

    /// The first sync of a session: makes the home on the drive, and brings our version files up to
    /// date if others read them.
    async fn begin(&self) -> Result<()> {
        let _lock = self.lock().await?;
        match self.sync_locked(&SyncOptions::default()).await {
            // The login itself is in order, and is what bringing the keys needs.
            Err(Error::Sync(syncers::Error::KeysMissing | syncers::Error::KeysReplaced { .. })) => {
                return Ok(());
            }
            synced => synced?,
        };
        let account = &self.account;
        let directory = Directory::read(&account.store, &account.email, &account.dialect)?;
        Ok(own_versions::refresh_versions(account, &directory, self.now()).await?)
    }

    /// Opens an account that is logged in; without `email` the only one. Asks the service nothing.
    ///
    /// # Errors
    /// [`Error::NotLoggedIn`], [`Error::SeveralAccounts`].
    pub async fn open(configuration: &Configuration, email: Option<&Email>) -> Result<Self> {
        let (email, role, login) = chosen(configuration, email)?;
        let connection = connect(&email, &login.service)?;
        let home = login.generation.as_deref().and_then(Dialect::of_generation);
        let home = home.unwrap_or_else(Dialect::v0_1);
        Self::assemble(configuration, &email, connection, role, Arc::new(SystemClock), home)
    }

    /// Forgets a login on this machine. Files and state stay.
    ///
    /// # Errors
    /// [`Error::NotLoggedIn`] if there is none.
    pub fn logout(configuration: &Configuration, email: &Email) -> Result<()> {
        let email = spelled(configuration, email)?;
        if configuration.forget(&email)? {
            Ok(())
        } else {
            Err(Error::NotLoggedIn { email: Some(email) })
        }
    }

    fn assemble(
        configuration: &Configuration,
        email: &Email,
        connection: Arc<dyn Connection>,
        role: Role,
        clock: Arc<dyn Clock>,
        home: Dialect,
    ) -> Result<Self> {
        let folders = Folders::new(configuration.home(), configuration.folder(), email, role);
        Ok(Self::build(folders, email, connection, role, clock)?.with_home(home))
    }
}

/// Returns a login: the only one, if none is named.
pub(super) fn chosen(
    configuration: &Configuration,
    email: Option<&Email>,
) -> Result<(Email, Role, Login)> {
    let email = match email {
        Some(email) => spelled(configuration, email)?,
        None => {
            let mut emails: Vec<Email> =
                configuration.accounts()?.into_iter().map(|account| account.email).collect();
            if emails.len() > 1 {
                return Err(Error::SeveralAccounts(emails));
            }
            emails.pop().ok_or(Error::NotLoggedIn { email: None })?
        }
    };
    let unknown = || Error::NotLoggedIn { email: Some(email.clone()) };
    let login = configuration.login(&email)?.ok_or_else(unknown)?;
    let role = Role::parse(&login.role).ok_or_else(unknown)?;
    Ok((email, role, login))
}

/// A sign-in before it is known whose it is.
enum Entered {
    Known(Service),
    /// A new token, not yet in its place.
    New {
        token: PathBuf,
        drive: Option<String>,
    },
    /// An access key that is not yet in its place.
    Bucket {
        address: Address,
        key: AccessKey,
    },
}

/// Gets a token if there is none yet.
async fn enter(configuration: &Configuration, email: &Email, sign_in: SignIn) -> Result<Entered> {
    let absolute = |path: PathBuf| {
        std::path::absolute(&path)
            .map_err(|error| Error::Configuration { path, problem: format!("is no path: {error}") })
    };
    Ok(Entered::Known(match sign_in {
        SignIn::Server { url, token } => Service::Server { url, token },
        SignIn::TokenFile { path, drive } => {
            Service::Google { token_path: absolute(path)?, drive: known(drive)? }
        }
        SignIn::Folder(path) => Service::Folder { path: absolute(path)? },
        SignIn::Bucket { address, key: AccessKey::File(path) } => {
            return Ok(Entered::Bucket { address, key: AccessKey::File(absolute(path)?) });
        }
        SignIn::Bucket { address, key } => return Ok(Entered::Bucket { address, key }),
        SignIn::Credentials { path, drive, show, pasted } => {
            // Before a person is sent to a browser for nothing.
            let drive = known(drive)?;
            let folder = configuration.account_folder(email);
            std::fs::create_dir_all(&folder).map_err(|error| Error::Configuration {
                path: folder.clone(),
                problem: format!("cannot be made: {error}"),
            })?;
            let new = folder.join(format!("{TOKEN_FILE}.new"));
            let way = match pasted {
                None => Way::Browser { show: Box::new(move |url| show(url.as_str())) },
                Some(pasted) => Way::Paste {
                    ask: Box::new(move |url| {
                        show(url.as_str());
                        pasted()
                    }),
                },
            };
            let mut options = drive_api::auth::SignIn::new(&new, way);
            options.email = Some(email.to_string());
            drive_api::auth::sign_in(&path, options).await?;
            return Ok(Entered::New { token: new, drive });
        }
    }))
}

/// Puts a new token into its place.
fn settle(
    configuration: &Configuration,
    email: &Email,
    connection: Arc<dyn Connection>,
    entered: Entered,
) -> Result<(Arc<dyn Connection>, Service)> {
    match entered {
        Entered::Known(service) => Ok((connection, service)),
        Entered::New { token, drive } => {
            let token_path = configuration.account_folder(email).join(TOKEN_FILE);
            std::fs::rename(&token, &token_path).map_err(|error| Error::Configuration {
                path: token_path.clone(),
                problem: format!("cannot be written: {error}"),
            })?;
            let connection = google(email, &token_path, drive.as_deref())?;
            Ok((connection, Service::Google { token_path, drive }))
        }
        Entered::Bucket { address, key } => {
            let credentials_path = key.settle(configuration, email)?;
            Ok((connection, Service::ObjectStore { credentials_path, address }))
        }
    }
}

fn connect(email: &Email, service: &Service) -> Result<Arc<dyn Connection>> {
    match service {
        Service::Server { url, token } => {
            let endpoint = Endpoint::at(url)?;
            let tokens = Arc::new(StaticToken::new(token.as_str())?);
            Ok(drive(email, endpoint, tokens))
        }
        Service::Google { token_path, drive } => google(email, token_path, drive.as_deref()),
        Service::Folder { path } => Ok(Arc::new(Folder::open(path, email.clone())?)),
        Service::ObjectStore { credentials_path, address } => {
            let key = AccessKey::File(credentials_path.clone()).load()?;
            buckets::connect(email, address, &key)
        }
    }
}

fn google(email: &Email, token_path: &Path, url: Option<&str>) -> Result<Arc<dyn Connection>> {
    let endpoint = url.map_or_else(|| Ok(Endpoint::google()), Endpoint::at)?;
    Ok(drive(email, endpoint, Arc::new(TokenFile::open(token_path)?)))
}

/// Refuses an address that is none.
fn known(drive: Option<String>) -> Result<Option<String>> {
    drive.as_deref().map(Endpoint::at).transpose()?;
    Ok(drive)
}

fn drive(email: &Email, endpoint: Endpoint, tokens: Arc<dyn TokenSource>) -> Arc<dyn Connection> {
    Arc::new(GDrive::connect(email.clone(), Drive::new(endpoint, tokens)))
}

/// Returns the home dialect as of the last login on this machine.
fn home_of_login(configuration: &Configuration, email: &Email) -> Option<Dialect> {
    let login = configuration.login(email).ok()??;
    Dialect::of_generation(&login.generation?)
}

/// Returns the address as it was spelled at the login.
fn spelled(configuration: &Configuration, email: &Email) -> Result<Email> {
    let accounts = configuration.accounts()?;
    let known = accounts.into_iter().find(|known| known.email.is_same_account(email.as_str()));
    Ok(known.map_or_else(|| email.clone(), |known| known.email))
}
