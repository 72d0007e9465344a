//! Syncs whenever something changes, here or there, for as long as it is asked to.
//!
//! [`Watch::next`] waits, syncs and says what happened; whoever calls it tells people, or does what
//! else is to be done between two syncs. When to sync is decided in [`plan`], what the machine
//! perceives comes from [`Senses`].
//!
//! Invariant: whatever fails is tried again, and nothing but the caller ends the watch. `next` may be
//! dropped at any time: that is a sync that stopped, which the next one takes up.

mod looking;
mod machine;
mod plan;

use std::collections::VecDeque;
use std::time::Duration;

use super::configuration::Stamp;
use super::{Client, Configuration, Error, Result};
use crate::caches;
use crate::connections::{self, Usage};
use crate::model::{Code, Email, Timestamp};
use crate::syncers::{Problem, Report, SyncOptions};

pub use machine::{Heard, Listening, Machine, Senses};
pub use plan::{Moment, Pace};

use plan::{Ended, Next, Plan};

/// The longest that a watch waits without a look at the clocks and at the configuration.
const LOOK_MAX: Duration = Duration::from_secs(5);

/// How long another process holds the lock before that is worth a word.
const LOCK_TOLD: Duration = Duration::from_secs(30);

/// How long after it did not work it is tried again to be told of changes.
const LISTEN_AGAIN: Duration = Duration::from_secs(600);

/// What a watch is to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WatchOptions {
    /// Of each sync. [`SyncOptions::force`] holds for the first one that works.
    pub sync: SyncOptions,
    /// How often the drive is asked.
    pub pace: Pace,
}

/// What happened.
#[derive(Debug)]
pub enum WatchEvent {
    /// A sync was done, also if there was nothing to do.
    Synced {
        /// What it did.
        report: Report,
        /// What it cost.
        requests: u64,
        /// The same in Google's quota units.
        quota_units: u64,
    },
    /// A sync could not be done; it is tried again.
    Failed {
        /// Why.
        error: Error,
        /// False if one since the last that worked has failed for the same reason.
        is_news: bool,
        /// When the first of these failures was.
        since: Timestamp,
    },
    /// What failed works again; the sync that showed it comes next.
    Recovered {
        /// For how long it did not.
        after: Duration,
    },
    /// Another `syft` holds the lock, and has for a while. It is waited for.
    Locked,
    /// The machine slept; a sync comes next.
    Woke {
        /// For how long.
        slept: Duration,
    },
    /// The login was changed by another command, and is in use from now on.
    Reopened {
        /// Whose account it is.
        email: Email,
    },
    /// The state database was set aside by another command; the new one is in use from now on.
    Renewed,
    /// The system does not tell of all changes here: they are looked for each time that the drive is
    /// asked.
    Deaf {
        /// Why, for a person.
        reason: String,
    },
}

/// A watch over one account.
#[derive(Debug)]
pub struct Watch {
    client: Client,
    options: WatchOptions,
    home: Option<Home>,
    senses: Box<dyn Senses>,
    plan: Plan,
    trouble: Option<Trouble>,
    /// What the last sync could not do.
    problems: Vec<Problem>,
    locked_since: Option<(Duration, bool)>,
    /// When listening did not work.
    deaf_since: Option<Duration>,
    /// Since when changes are heard, by the clock on the wall.
    hears_since: Option<Timestamp>,
    events: VecDeque<WatchEvent>,
}

/// Where the login is kept.
#[derive(Debug)]
struct Home {
    configuration: Configuration,
    /// Who was named; `None`: whoever is the only one.
    named: Option<Email>,
    stamp: Option<Stamp>,
    /// True while there is no login to sync with.
    is_shut: bool,
}

/// What has failed, and since when.
#[derive(Debug)]
struct Trouble {
    /// All of them.
    codes: Vec<Code>,
    since: Timestamp,
    /// True if the drive was out of reach.
    is_away: bool,
}

impl Watch {
    /// Watches with a client as it is.
    pub fn new(client: Client, options: WatchOptions, mut senses: Box<dyn Senses>) -> Self {
        client.set_wait_for_lock(false);
        let plan = Plan::new(options.pace, senses.now());
        Self {
            client,
            options,
            home: None,
            senses,
            plan,
            trouble: None,
            problems: Vec::new(),
            locked_since: None,
            deaf_since: None,
            hears_since: None,
            events: VecDeque::new(),
        }
    }

    /// Opens an account that is logged in, without `email` the only one, and watches it on this
    /// machine. What other commands change of the login is followed.
    ///
    /// # Errors
    /// As [`Client::open`].
    pub async fn open(
        configuration: Configuration,
        email: Option<Email>,
        options: WatchOptions,
    ) -> Result<Self> {
        Self::open_with(configuration, email, options, Box::<Machine>::default()).await
    }

    /// The same with other senses.
    ///
    /// # Errors
    /// As [`Client::open`].
    pub async fn open_with(
        configuration: Configuration,
        email: Option<Email>,
        options: WatchOptions,
        senses: Box<dyn Senses>,
    ) -> Result<Self> {
        let client = Client::open(&configuration, email.as_ref()).await?;
        let stamp = configuration.stamp(client.email());
        let home = Home { configuration, named: email, stamp, is_shut: false };
        Ok(Self { home: Some(home), ..Self::new(client, options, senses) })
    }

    /// Returns the client, for what is to be done between two syncs. Another one may be in its place
    /// after the next event.
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// Syncs as soon as possible: something was done that a sync should carry out.
    pub const fn hurry(&mut self) {
        self.plan.hurry();
    }

    /// Waits, syncs, and returns what happened. Never ends by itself.
    pub async fn next(&mut self) -> WatchEvent {
        loop {
            if let Some(event) = self.events.pop_front() {
                return event;
            }
            let now = self.senses.now();
            if let Some(slept) = self.plan.look(now) {
                // Connections are dead, and a token may have expired.
                self.reopen().await;
                self.events.push_back(WatchEvent::Woke { slept });
                continue;
            }
            self.follow_login().await;
            match self.plan.next(now) {
                Next::Now => self.sync().await,
                Next::Wait(limit) => match self.senses.wait(limit.min(LOOK_MAX)).await {
                    Some(Heard::Changed { writing }) => {
                        self.plan.heard(self.senses.now(), writing);
                    }
                    Some(Heard::Deaf(reason)) => self.deafened(reason),
                    None => {}
                },
            }
        }
    }

    async fn sync(&mut self) {
        self.listen();
        let folder = &self.client.account().folders.syftbox;
        if self.deaf_since.is_some() && self.senses.is_restless(folder) {
            let now = self.senses.now();
            self.plan.heard(now, false);
            if self.plan.next(now) != Next::Now {
                return;
            }
        }
        self.plan.begun(self.senses.now());
        if self.home.as_ref().is_some_and(|home| home.is_shut)
            && let Err(error) = self.open_login().await
        {
            return self.failed(error);
        }
        let before = self.client.usage();
        // A drive that was out of reach is tried without the lock: each call is tried for half a
        // minute, and who works here meanwhile is not to wait for that.
        if self.trouble.as_ref().is_some_and(|trouble| trouble.is_away)
            && let Err(error) = self.client.knock().await
            && matches!(ended(&error), Ended::Unreachable)
        {
            return self.failed(error);
        }
        let synced = {
            let _rest = Rest::of(&self.client, self.hears_since);
            self.client.sync(&self.options.sync).await
        };
        match synced {
            Ok(report) => self.synced(report, before),
            Err(Error::Locked { .. }) => self.locked(),
            Err(Error::Cache(caches::Error::Displaced { .. })) if self.home.is_some() => {
                self.reopen().await;
                self.plan.hurry();
                self.events.push_back(WatchEvent::Renewed);
            }
            Err(error) => {
                let is_unreachable = matches!(ended(&error), Ended::Unreachable);
                self.failed(error);
                if !is_unreachable {
                    // A sign-in may have been renewed in a file that we do not know.
                    self.reopen().await;
                }
            }
        }
        // The folder may have been made just now.
        self.listen();
    }

    fn synced(&mut self, report: Report, before: Usage) {
        // What stays wrong is no reason to ask the drive more often.
        let is_as_before = !report.has_exchanged() && report.problems == self.problems;
        let is_idle = report.is_idle() || is_as_before;
        let now = self.after(if is_idle { Ended::Idle } else { Ended::Busy });
        self.problems.clone_from(&report.problems);
        self.locked_since = None;
        // What was meant once is not meant for ever.
        self.options.sync.force = false;
        if let Some(Trouble { since, .. }) = self.trouble.take() {
            let micros = now.wall.micros().saturating_sub(since.micros());
            let after = Duration::from_micros(u64::try_from(micros).unwrap_or(0));
            self.events.push_back(WatchEvent::Recovered { after });
        }
        if self.client.account().store.take_restless() {
            self.plan.left_restless(now);
        }
        let Usage { requests, quota_units } = self.client.usage().since(before);
        self.events.push_back(WatchEvent::Synced { report, requests, quota_units });
    }

    fn locked(&mut self) {
        let now = self.after(Ended::Locked).awake;
        let (since, told) = self.locked_since.unwrap_or((now, false));
        let tells = !told && now.saturating_sub(since) >= LOCK_TOLD;
        self.locked_since = Some((since, told || tells));
        if tells {
            self.events.push_back(WatchEvent::Locked);
        }
    }

    fn failed(&mut self, error: Error) {
        let now = self.after(ended(&error)).wall;
        self.locked_since = None;
        let code = error.code();
        let is_away = matches!(ended(&error), Ended::Unreachable);
        let before = self.trouble.take();
        let mut trouble =
            before.unwrap_or_else(|| Trouble { codes: Vec::new(), since: now, is_away });
        let (is_news, since) = (!trouble.codes.contains(&code), trouble.since);
        if is_news {
            trouble.codes.push(code);
        }
        self.trouble = Some(Trouble { is_away, ..trouble });
        self.events.push_back(WatchEvent::Failed { error, is_news, since });
    }

    fn after(&mut self, ended: Ended) -> Moment {
        let now = self.senses.now();
        let chance = self.senses.chance();
        self.plan.ended(ended, now, chance);
        now
    }

    fn listen(&mut self) {
        let now = self.senses.now().awake;
        if self.deaf_since.is_some_and(|since| now.saturating_sub(since) < LISTEN_AGAIN) {
            return;
        }
        match self.senses.listen(&self.client.account().folders.syftbox) {
            Listening::Yes => {
                self.deaf_since = None;
                self.hears_since.get_or_insert(self.senses.now().wall);
                self.plan.set_deaf(false);
            }
            Listening::NoFolder => {}
            Listening::No(reason) => self.deafened(reason),
        }
    }

    fn deafened(&mut self, reason: String) {
        let was_deaf = self.deaf_since.replace(self.senses.now().awake).is_some();
        self.hears_since = None;
        self.plan.set_deaf(true);
        if !was_deaf {
            self.events.push_back(WatchEvent::Deaf { reason });
        }
    }

    /// Opens the account anew if another command has changed the login.
    async fn follow_login(&mut self) {
        let Some(home) = &mut self.home else { return };
        let mut email = self.client.email();
        let mut stamp = home.configuration.stamp(email);
        if stamp.is_none()
            && home.named.is_none()
            && let Ok(accounts) = home.configuration.accounts()
            && let [only] = &accounts[..]
        {
            email = &only.email;
            stamp = home.configuration.stamp(email);
        }
        if stamp == home.stamp {
            return;
        }
        home.stamp = stamp;
        match self.open_login().await {
            Ok(()) => {
                let email = self.client.email().clone();
                self.events.push_back(WatchEvent::Reopened { email });
            }
            Err(_) => self.shut(),
        }
        self.plan.hurry();
    }

    async fn reopen(&mut self) {
        if self.home.is_some() && self.open_login().await.is_err() {
            self.shut();
        }
    }

    /// Nothing more is done with a login that is gone.
    const fn shut(&mut self) {
        if let Some(home) = &mut self.home {
            home.is_shut = true;
        }
    }

    async fn open_login(&mut self) -> Result<()> {
        let Some(home) = &mut self.home else { return Ok(()) };
        let same = Client::open(&home.configuration, Some(self.client.email())).await;
        let client = match same {
            Err(Error::NotLoggedIn { .. }) if home.named.is_none() => {
                Client::open(&home.configuration, None).await?
            }
            opened => opened?,
        };
        home.is_shut = false;
        client.set_wait_for_lock(false);
        self.client = client;
        Ok(())
    }
}

/// Sends no halves for as long as it lives: an act of who calls the watch is whole.
struct Rest<'a>(&'a Client);

impl<'a> Rest<'a> {
    /// What was written before changes were heard may be open still, for all that is known.
    fn of(client: &'a Client, hears_since: Option<Timestamp>) -> Self {
        client.set_rest(plan::QUIET);
        if let Some(since) = hears_since {
            client.account().store.set_unheard(since, plan::QUIET_WRITING);
        }
        Self(client)
    }
}

impl Drop for Rest<'_> {
    fn drop(&mut self) {
        self.0.set_rest(Duration::ZERO);
        self.0.account().store.set_unheard(Timestamp::ZERO, Duration::ZERO);
    }
}

/// How a sync ended that failed so.
fn ended(error: &Error) -> Ended {
    match error {
        Error::Connection(connections::Error::Unavailable { .. }) => Ended::Unreachable,
        Error::Connection(connections::Error::RateLimited { retry_after, .. }) => {
            Ended::Trouble(*retry_after)
        }
        Error::SignIn(error) if error.is_retryable() => Ended::Unreachable,
        _ => Ended::Trouble(None),
    }
}
