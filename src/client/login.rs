//! Logging in and out.
//!
//! A login asks the service whose sign-in it is before anything is kept: a token of another account
//! must never work under this one's name.

use std::sync::Arc;

use super::configuration::Login;
use super::entering::{self, Connected, Entered, SignIn};
use super::lifetime::{Session, moment};
use super::secrets::{Place, Unusable};
use super::{Client, Clock, Configuration, Error, Result, SystemClock};
use crate::caches::Folders;
use crate::model::{Email, Role, Timestamp};
use crate::syncers::{self, Directory, SyncOptions, own_versions, peering};
use crate::wire::Dialect;

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
        // Typed in other letters it is the same account, with the same files.
        let email = &spelled(configuration, email)?;
        let last = configuration.login(email).ok().flatten();
        let clock = Arc::new(SystemClock);
        let entered = entering::enter(email, sign_in, moment(clock.now())).await?;
        Self::check(configuration, email, &entered).await?;
        let settled = entered.settle(configuration, email, last.as_ref()).await?;
        let before = last.as_ref().and_then(|login| login.generation.as_deref());
        let before = before.and_then(Dialect::of_generation);
        let mut login = Login {
            email: email.to_string(),
            role: role.as_str().to_owned(),
            generation: before.as_ref().map(Dialect::generation),
            ends: settled.ends,
            credentials: settled.credentials,
            verified: settled.verified,
            mail: settled.mail,
            service: settled.service,
        };
        configuration.save(email, &login)?;
        entering::clear_other(configuration, email, last.as_ref(), &login).await?;
        let chosen = home.or(before);
        let is_chosen = chosen.is_some();
        let dialect = chosen.unwrap_or_else(Dialect::v0_1);
        let mut client = Self::assemble(configuration, email, role, &login, clock, dialect).await?;
        client.unused_keyring = settled.kept.and_then(|kept| kept.told);
        // Who logs in wants to work, whatever was deleted before.
        client.begin_anew()?;
        // The look is that of the sync as well.
        let now = client.now();
        if !is_chosen && let Some(found) = client.home_on_drive(now).await? {
            client.account.dialect = found;
        }
        client.provide_keys().await?;
        client.begin(now).await?;
        login.generation = Some(client.account.dialect.generation());
        configuration.save(email, &login)?;
        Ok(client)
    }

    /// Why the secret of this login is in a file although the keyring was to have it; `None` if it
    /// is where it was to be, or was not kept just now.
    pub const fn unused_keyring(&self) -> Option<&Unusable> {
        self.unused_keyring.as_ref()
    }

    async fn home_on_drive(&self, now: Timestamp) -> Result<Option<Dialect>> {
        let _lock = self.lock().await?;
        Ok(peering::home_on_drive(&self.account, now).await?)
    }

    async fn check(configuration: &Configuration, email: &Email, entered: &Entered) -> Result<()> {
        let found = entered.connect(configuration, email).await?.verify().await?;
        expect(email, found)
    }

    /// The first sync of a session: makes the home on the drive, and brings our version files up to
    /// date if others read them.
    async fn begin(&self, now: Timestamp) -> Result<()> {
        let _lock = self.lock().await?;
        match self.sync_as_of(&SyncOptions::default(), now).await {
            // The login itself is in order, and is what bringing the keys needs.
            Err(Error::Sync(syncers::Error::KeysMissing | syncers::Error::KeysReplaced { .. })) => {
                return Ok(());
            }
            synced => synced?,
        };
        let account = &self.account;
        let directory = Directory::read(&account.store, &account.email, &account.dialect)?;
        Ok(own_versions::refresh_versions(account, &directory, now).await?)
    }

    /// Opens an account that is logged in; without `email` the only one. Asks the service nothing,
    /// unless a token file holds another sign-in than at the login: then whose that is.
    ///
    /// # Errors
    /// [`Error::NotLoggedIn`], [`Error::SeveralAccounts`], [`Error::WrongAccount`].
    pub async fn open(configuration: &Configuration, email: Option<&Email>) -> Result<Self> {
        let (email, role, mut login) = chosen(configuration, email)?;
        let home = login.generation.as_deref().and_then(Dialect::of_generation);
        let home = home.unwrap_or_else(Dialect::v0_1);
        let clock = Arc::new(SystemClock);
        if entering::is_another(&login).await {
            let connected = entering::connect(configuration, &email, &login.service, None).await?;
            expect(&email, connected.connection.verify().await?)?;
            login.verified = entering::mark_of(&login).await;
            configuration.save(&email, &login)?;
        }
        Self::assemble(configuration, &email, role, &login, clock, home).await
    }

    /// Forgets a login on this machine. Files and state stay. Returns why the secret is left in the
    /// keyring all the same, if it is.
    ///
    /// # Errors
    /// [`Error::NotLoggedIn`] if there is none.
    pub async fn logout(configuration: &Configuration, email: &Email) -> Result<Option<Unusable>> {
        let email = spelled(configuration, email)?;
        let login = configuration.login(&email).ok().flatten();
        if let Some(role) = login.as_ref().and_then(|login| Role::parse(&login.role)) {
            // Addresses of sessions give access as the sign-in does; what was sent is sent again.
            let folders = Folders::new(configuration.home(), configuration.folder(), &email, role);
            drop(std::fs::remove_dir_all(folders.uploads()));
            drop(std::fs::remove_dir_all(folders.parcels()));
        }
        let place = login.and_then(|login| login.place());
        let left = match place {
            Some(Place::Keyring) => {
                let vault = configuration.vault(&email);
                let left = vault.clear().await.err();
                // Where the one cannot be taken out, neither can the other.
                vault.set_mail_password(None).await.err().or(left)
            }
            _ => None,
        };
        if configuration.forget(&email)? {
            Ok(left)
        } else {
            Err(Error::NotLoggedIn { email: Some(email) })
        }
    }

    async fn assemble(
        configuration: &Configuration,
        email: &Email,
        role: Role,
        login: &Login,
        clock: Arc<dyn Clock>,
        home: Dialect,
    ) -> Result<Self> {
        let Connected { connection, tokens } =
            entering::connect(configuration, email, &login.service, login.verified.as_deref())
                .await?;
        let folders = Folders::new(configuration.home(), configuration.folder(), email, role);
        let mut client = Self::build(folders, email, connection, role, clock)?.with_home(home);
        let (configuration, ends) = (configuration.clone(), login.ends);
        client.session = Some(Session { configuration, tokens, ends });
        Ok(client)
    }
}

fn expect(email: &Email, found: Email) -> Result<()> {
    if found.is_same_account(email.as_str()) {
        Ok(())
    } else {
        Err(Error::WrongAccount { expected: email.clone(), found })
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

/// Returns the address as it was spelled at the login.
fn spelled(configuration: &Configuration, email: &Email) -> Result<Email> {
    let accounts = configuration.accounts()?;
    let known = accounts.into_iter().find(|known| known.email.is_same_account(email.as_str()));
    Ok(known.map_or_else(|| email.clone(), |known| known.email))
}
