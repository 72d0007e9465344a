//! How an account signed in last, so that signing in again takes one word.

use std::path::PathBuf;

use super::configuration::Service;
use super::{Configuration, Result};
use crate::connections::object_store::Address;
use crate::model::{Email, Role};

/// How an account signed in last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Again {
    /// In a browser, with these credentials.
    Credentials {
        /// The program's credentials.
        path: PathBuf,
        /// The address of the drive; `None` is Google's.
        drive: Option<String>,
        /// The right to send mail was asked for.
        mail: bool,
    },
    /// With a token file.
    TokenFile {
        /// Where it is.
        path: PathBuf,
        /// The address of the drive; `None` is Google's.
        drive: Option<String>,
    },
    /// Through a service account.
    ServiceAccount {
        /// Its key file.
        path: PathBuf,
        /// The address of the drive; `None` is Google's.
        drive: Option<String>,
    },
    /// With a token of a server, which has to be told once more.
    Server {
        /// Its address.
        url: String,
    },
    /// To a bucket.
    Bucket {
        /// Where it is.
        address: Address,
        /// The file with its access key; `None`: the keyring holds it.
        path: Option<PathBuf>,
    },
    /// To a shared folder.
    Folder(PathBuf),
}

impl Configuration {
    /// Returns how an account signed in last, and on which side it stands; `None` if it is not
    /// logged in.
    ///
    /// # Errors
    /// If what a login left cannot be read.
    pub fn sign_in_again(&self, email: &Email) -> Result<Option<(Role, Again)>> {
        let Some(login) = self.login(email)? else { return Ok(None) };
        let again = match login.service {
            Service::Server { url, .. } => Again::Server { url },
            Service::Delegated { key_path: path, drive } => Again::ServiceAccount { path, drive },
            Service::Folder { path } => Again::Folder(path),
            Service::ObjectStore { credentials_path: path, address } => {
                Again::Bucket { address, path }
            }
            Service::Google { token_path, drive } => match (login.credentials, token_path) {
                (Some(path), _) => Again::Credentials { path, drive, mail: login.mail },
                (None, Some(path)) => Again::TokenFile { path, drive },
                (None, None) => return Ok(None),
            },
        };
        Ok(Role::parse(&login.role).map(|role| (role, again)))
    }
}
