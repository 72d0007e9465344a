//! How an account proves who it is, and how the proof is kept once it is known whose it is.
//!
//! Nothing is written before the service has said whose sign-in it is: until then it is in memory.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use drive_api::auth::{
    Credentials, Delegate, Keeper, SavedToken, ServiceAccountKey, SignInError, StaticToken,
    TokenDocument, TokenFile, TokenSource, Unkept, Way,
};
use drive_api::{Drive, Endpoint};

use super::configuration::{self, Login, Service};
use super::lifetime::TESTING_DAYS;
use super::named_file::{NamedFile, mark};
use super::secrets::{Kept, KeyringToken, Place};
use super::serving::SmtpPassword;
use super::{AccessKey, Configuration, Error, Result, buckets};
use crate::connections::object_store::Address;
use crate::connections::{Connection, Folder, GDrive};
use crate::model::Email;

pub use drive_api::auth::{Asker, Pasted};

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
        /// Where the browser is.
        browser: Browser,
        /// The app is in Testing, as the person knows: the sign-in will last seven days.
        in_testing: bool,
        /// Ask for the right to send mail in the account's name as well, for notices.
        mail: bool,
    },
    /// Through a service account that an administrator lets act for people. The key stays where it
    /// is.
    ServiceAccount {
        /// Its key file.
        path: PathBuf,
        /// The address of the drive; `None` is Google's.
        drive: Option<String>,
    },
    /// To a bucket of an object store. Whoever has an access key to it is believed, so everything
    /// is encrypted there.
    Bucket {
        /// Where it is.
        address: Address,
        /// What opens it.
        key: AccessKey,
    },
    /// To a folder that all share. Whoever can read the folder is believed.
    Folder(PathBuf),
}

/// Where the browser is in which a person signs in.
pub struct Browser {
    /// Called once with the address to open.
    pub show: Box<dyn FnOnce(&str) + Send>,
    /// It is on this machine, and comes back by itself.
    pub comes_back: bool,
    /// A person who can paste the address that it ended at. `None`: nobody is there.
    pub ask: Option<Asker>,
}

impl fmt::Debug for SignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server { url, .. } => write!(f, "Server({url:?})"),
            Self::TokenFile { path, .. } => write!(f, "TokenFile({path:?})"),
            Self::Credentials { path, .. } => write!(f, "Credentials({path:?})"),
            Self::ServiceAccount { path, .. } => write!(f, "ServiceAccount({path:?})"),
            Self::Bucket { address, .. } => write!(f, "Bucket({address})"),
            Self::Folder(path) => write!(f, "Folder({path:?})"),
        }
    }
}

impl fmt::Debug for Browser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Browser").field("comes_back", &self.comes_back).finish_non_exhaustive()
    }
}

/// A sign-in before it is known whose it is.
pub(super) enum Entered {
    /// Nothing of it is ours to keep.
    Known { service: Service, document: Option<TokenDocument> },
    /// A server's token.
    Token { url: String, token: String },
    /// An access key that is not yet in its place.
    Bucket { address: Address, key: AccessKey },
    /// A new sign-in in a browser, in memory.
    New { document: TokenDocument, credentials: PathBuf, drive: Option<String> },
}

/// What a login leads to: how the account reaches its files, and what is known of the sign-in.
pub(super) struct Settled {
    pub(super) service: Service,
    pub(super) ends: Option<DateTime<Utc>>,
    pub(super) credentials: Option<PathBuf>,
    pub(super) verified: Option<String>,
    pub(super) kept: Option<Kept>,
    /// It includes sending mail.
    pub(super) mail: bool,
}

/// Gets a proof.
pub(super) async fn enter(email: &Email, sign_in: SignIn, now: DateTime<Utc>) -> Result<Entered> {
    Ok(match sign_in {
        SignIn::Server { url, token } => Entered::Token { url, token },
        SignIn::TokenFile { path, drive } => {
            let (path, drive) = (absolute(path)?, known(drive)?);
            let document = TokenFile::at(&path).read().await?;
            let service = Service::Google { token_path: Some(path), drive };
            Entered::Known { service, document: Some(document) }
        }
        SignIn::ServiceAccount { path, drive } => {
            let service = Service::Delegated { key_path: absolute(path)?, drive: known(drive)? };
            Entered::Known { service, document: None }
        }
        SignIn::Bucket { address, key: AccessKey::File(path) } => {
            Entered::Bucket { address, key: AccessKey::File(absolute(path)?) }
        }
        SignIn::Bucket { address, key } => Entered::Bucket { address, key },
        SignIn::Folder(path) => {
            Entered::Known { service: Service::Folder { path: absolute(path)? }, document: None }
        }
        SignIn::Credentials { path, drive, browser, in_testing, mail } => {
            // Before a person is sent to a browser for nothing.
            let (path, drive) = (absolute(path)?, known(drive)?);
            let credentials = Credentials::read(&path)?;
            if drive.is_none() {
                of_google(&credentials, &path)?;
            }
            let Browser { show, comes_back, ask } = browser;
            let way = Way { show: Box::new(|url| show(url.as_str())), listen: comes_back, ask };
            let mut options = drive_api::auth::SignIn::new(way);
            options.email = Some(email.to_string());
            options.mail = mail;
            let mut document = drive_api::auth::sign_in(&credentials, options).await?;
            if in_testing && document.ends().is_none() {
                document.set_ends(now + TimeDelta::days(TESTING_DAYS));
            }
            Entered::New { document, credentials: path, drive }
        }
    })
}

impl Entered {
    /// A connection to ask whose it is, before anything is kept.
    pub(super) async fn connect(
        &self,
        configuration: &Configuration,
        email: &Email,
    ) -> Result<Arc<dyn Connection>> {
        let (endpoint, tokens): (_, Arc<dyn TokenSource>) = match self {
            Self::Known { service: Service::Folder { path }, .. } => {
                return Ok(Arc::new(Folder::open(path, email.clone())?));
            }
            Self::Known { service: Service::ObjectStore { credentials_path, address }, .. } => {
                let key = AccessKey::at(credentials_path.as_deref());
                let key = key.load(&configuration.vault(email)).await?;
                return buckets::connect(email, address, &key);
            }
            Self::Bucket { address, key } => {
                let key = key.load(&configuration.vault(email)).await?;
                return buckets::connect(email, address, &key);
            }
            Self::Known { service: Service::Delegated { key_path, drive }, .. } => {
                (endpoint(drive.as_deref())?, delegate(key_path, email)?)
            }
            Self::Known { service: Service::Google { token_path, drive }, .. } => {
                let path = token_path.as_deref().unwrap_or(Path::new(""));
                let tokens = SavedToken::kept_by(Arc::new(TokenFile::at(path)));
                (endpoint(drive.as_deref())?, Arc::new(tokens))
            }
            Self::Known { service: Service::Server { url, token }, .. } => {
                let token = token.as_deref().unwrap_or_default();
                (Endpoint::at(url)?, Arc::new(StaticToken::new(token)?))
            }
            Self::Token { url, token } => {
                (Endpoint::at(url)?, Arc::new(StaticToken::new(token.as_str())?))
            }
            Self::New { document, drive, .. } => {
                let tokens = SavedToken::kept_by(Arc::new(Unkept(document.clone())));
                (endpoint(drive.as_deref())?, Arc::new(tokens))
            }
        };
        Ok(drive(configuration, email, endpoint, tokens))
    }

    /// Keeps the proof, now that it is known to be this account's.
    pub(super) async fn settle(
        self,
        configuration: &Configuration,
        email: &Email,
        before: Option<&Login>,
    ) -> Result<Settled> {
        let (vault, wish) = (configuration.vault(email), configuration.secrets());
        let before = before.and_then(Login::place);
        match self {
            Self::Known { service, document } => Ok(Settled {
                service,
                ends: document.as_ref().and_then(TokenDocument::ends),
                mail: false,
                credentials: None,
                verified: document.as_ref().map(mark),
                kept: None,
            }),
            Self::Bucket { address, key } => {
                let (credentials_path, kept) = match key {
                    AccessKey::File(path) => (Some(path), None),
                    key => {
                        let key = key.load(&vault).await?.to_text();
                        let kept = vault.keep(&key, wish, before).await?;
                        let path = match kept.place {
                            Place::File => Some(buckets::keep(configuration, email, &key)?),
                            Place::Keyring => None,
                        };
                        (path, Some(kept))
                    }
                };
                Ok(Settled {
                    service: Service::ObjectStore { credentials_path, address },
                    ends: None,
                    credentials: None,
                    verified: None,
                    kept,
                    mail: false,
                })
            }
            Self::Token { url, token } => {
                let kept = vault.keep(&token, wish, before).await?;
                let token = (kept.place == Place::File).then_some(token);
                let service = Service::Server { url, token };
                let kept = Some(kept);
                Ok(Settled {
                    service,
                    ends: None,
                    credentials: None,
                    verified: None,
                    kept,
                    mail: false,
                })
            }
            Self::New { document, credentials, drive } => {
                let kept = vault.keep(&document.to_text(), wish, before).await?;
                let token_path = (kept.place == Place::File).then(|| vault.file());
                if token_path.is_some() {
                    make_folder(&configuration.account_folder(email))?;
                    vault.keeper(Place::File).write(&document).await?;
                }
                Ok(Settled {
                    service: Service::Google { token_path, drive },
                    ends: document.ends(),
                    mail: document.sends_mail(),
                    credentials: Some(credentials),
                    verified: Some(mark(&document)),
                    kept: Some(kept),
                })
            }
        }
    }
}

/// Clears the place that a secret is no longer in.
pub(super) async fn clear_other(
    configuration: &Configuration,
    email: &Email,
    before: Option<&Login>,
    after: &Login,
) -> Result<()> {
    let vault = configuration.vault(email);
    let (was, is) = (before.and_then(Login::place), after.place());
    if was == Some(Place::Keyring)
        && is != Some(Place::Keyring)
        && let Err(why) = vault.clear().await
    {
        tracing::warn!("a former sign-in stays in the keyring, which {why}");
    }
    if was == Some(Place::Keyring) && is != Some(Place::Keyring) {
        SmtpPassword::of(configuration, email).to_file(&vault).await;
    }
    let key_file = configuration.account_folder(email).join(buckets::KEY_FILE);
    let uses_key = matches!(&after.service, Service::ObjectStore { credentials_path: Some(path), .. } if *path == key_file);
    if !uses_key {
        configuration::remove(&key_file)?;
    }
    let uses_file = matches!(&after.service, Service::Google { token_path: Some(path), .. } if *path == vault.file());
    if !uses_file {
        configuration::remove(&vault.file())?;
    }
    Ok(())
}

/// A session with the service of a login.
pub(super) struct Connected {
    pub(super) connection: Arc<dyn Connection>,
    /// `None` where no token is needed.
    pub(super) tokens: Option<Arc<dyn TokenSource>>,
}

/// Refuses credentials for Google's drive whose addresses are not Google's: whoever made them would
/// get what the person allows on Google's page.
pub(super) fn of_google(credentials: &Credentials, path: &Path) -> Result<()> {
    let Some(key) = credentials.strange_address() else { return Ok(()) };
    Err(Error::SignIn(SignInError::Malformed {
        path: path.to_owned(),
        expected: "a file of credentials for Google",
        problem: format!(
            "its `{key}` is not an address of Google's, so the sign-in would be given to somebody \
             else; name your drive with `--drive` if it is not Google's"
        ),
    }))
}

/// A connection for a login that is kept. Reads no secret yet but a bucket's. With `verified`, another sign-in that
/// comes into a file that was named is checked before it is used; without, the caller asks whose it is.
pub(super) async fn connect(
    configuration: &Configuration,
    email: &Email,
    service: &Service,
    verified: Option<&str>,
) -> Result<Connected> {
    let (endpoint, tokens): (_, Arc<dyn TokenSource>) = match service {
        Service::Server { url, token: Some(token) } => {
            (Endpoint::at(url)?, Arc::new(StaticToken::new(token.as_str())?))
        }
        Service::Server { url, token: None } => {
            (Endpoint::at(url)?, Arc::new(KeyringToken::new(configuration.vault(email))))
        }
        Service::Google { token_path, drive } => {
            let endpoint = endpoint(drive.as_deref())?;
            let own = configuration.vault(email).file();
            let tokens = match (token_path, verified) {
                (Some(path), Some(verified)) if *path != own => {
                    let file = TokenFile::at(path);
                    let file =
                        NamedFile::new(configuration, file, email, endpoint.clone(), verified);
                    SavedToken::kept_by(Arc::new(file))
                }
                _ => saved_token(configuration, email, token_path.as_deref()),
            };
            (endpoint, Arc::new(tokens))
        }
        Service::Delegated { key_path, drive } => {
            (endpoint(drive.as_deref())?, delegate(key_path, email)?)
        }
        Service::Folder { path } => {
            let connection = Arc::new(Folder::open(path, email.clone())?);
            return Ok(Connected { connection, tokens: None });
        }
        Service::ObjectStore { credentials_path, address } => {
            let key = AccessKey::at(credentials_path.as_deref());
            let key = key.load(&configuration.vault(email)).await?;
            let connection = buckets::connect(email, address, &key)?;
            return Ok(Connected { connection, tokens: None });
        }
    };
    let connection = drive(configuration, email, endpoint, Arc::clone(&tokens));
    Ok(Connected { connection, tokens: Some(tokens) })
}

/// True if a file that others may write holds another sign-in than the one that was checked.
pub(super) async fn is_another(login: &Login) -> bool {
    let Service::Google { token_path: Some(path), .. } = &login.service else { return false };
    let Some(verified) = &login.verified else { return false };
    match TokenFile::at(path).read().await {
        Ok(document) => mark(&document) != *verified,
        Err(_) => false, // which is told when the token is needed
    }
}

/// By which the sign-in in the file of a login is known again.
pub(super) async fn mark_of(login: &Login) -> Option<String> {
    let Service::Google { token_path: Some(path), .. } = &login.service else { return None };
    TokenFile::at(path).read().await.ok().as_ref().map(mark)
}

/// Returns the address of the drive of a login; `None` for a folder.
pub(super) fn address(service: &Service) -> Result<Option<Endpoint>> {
    Ok(match service {
        Service::Server { url, .. } => Some(Endpoint::at(url)?),
        Service::Google { drive, .. } | Service::Delegated { drive, .. } => {
            Some(endpoint(drive.as_deref())?)
        }
        Service::Folder { .. } | Service::ObjectStore { .. } => None,
    })
}

fn delegate(key_path: &Path, email: &Email) -> Result<Arc<dyn TokenSource>> {
    let key = ServiceAccountKey::read(key_path)?;
    Ok(Arc::new(Delegate::new(key, email.as_str())?))
}

fn endpoint(url: Option<&str>) -> Result<Endpoint> {
    Ok(url.map_or_else(|| Ok(Endpoint::google()), Endpoint::at)?)
}

/// Refuses an address that is none.
fn known(drive: Option<String>) -> Result<Option<String>> {
    drive.as_deref().map(Endpoint::at).transpose()?;
    Ok(drive)
}

pub(super) fn drive(
    configuration: &Configuration,
    email: &Email,
    endpoint: Endpoint,
    tokens: Arc<dyn TokenSource>,
) -> Arc<dyn Connection> {
    let unreachable_max = configuration.unreachable_max();
    let account = Some(email.to_string());
    let settings =
        drive_api::Settings { unreachable_max, account, ..drive_api::Settings::default() };
    let drive = Drive::with_settings(endpoint, tokens, settings);
    Arc::new(GDrive::connect(email.clone(), drive))
}

fn absolute(path: PathBuf) -> Result<PathBuf> {
    std::path::absolute(&path)
        .map_err(|error| Error::Configuration { path, problem: format!("is no path: {error}") })
}

fn make_folder(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(|error| Error::Configuration {
        path: folder.to_owned(),
        problem: format!("cannot be made: {error}"),
    })
}

/// Returns the token of a sign-in to Google: in a file, or in the keyring.
pub(super) fn saved_token(
    configuration: &Configuration,
    email: &Email,
    path: Option<&Path>,
) -> SavedToken {
    let keeper: Arc<dyn Keeper> = match path {
        Some(path) => Arc::new(TokenFile::at(path)),
        None => Arc::new(configuration.vault(email)),
    };
    SavedToken::kept_by(keeper)
}
