//! Sends what there is to tell, each way by itself and beside the syncs.
//!
//! One notice at a time goes each way: while one cannot be sent, what comes after it gathers for the
//! next. Before an attempt it is noted that the notice may be received, and after it what came of it.

use std::sync::{Mutex, PoisonError};

use uuid::Uuid;

use super::super::{Clock, Configuration, Error, Result};
use super::file::ServeFile;
use super::password::SmtpPassword;
use super::sign_in;
use crate::caches::notices::{self, Kept};
use crate::caches::{Folders, Store};
use crate::channels::{self, Carrier, Message, TIME_LIMIT, Way, send_mail};
use crate::model::{Email, Role, Timestamp};
use crate::notices::{
    self as words, Kind, News, Notice, Pace, Settings, Via, WINDOW, pace, retry_after, waits,
};
use crate::syncers::told;

/// Sends the notices of one account.
#[derive(Debug)]
pub struct Courier {
    configuration: Configuration,
    account: Email,
    store: Store,
    file: Mutex<ServeFile>,
}

/// What came of one notice.
#[derive(Debug)]
pub enum Delivery {
    /// It was taken.
    Sent {
        /// Which way it went.
        way: Way,
        /// What it was about.
        subject: String,
        /// True if it may have been taken before as well.
        is_repeat: bool,
    },
    /// It was not, and is tried again.
    Failed {
        /// Which way it was to go.
        way: Way,
        /// Why, for a person.
        problem: channels::Error,
        /// In how many seconds.
        again_after_s: u64,
    },
    /// Nobody is told this way any more.
    Dropped {
        /// Which way.
        way: Way,
        /// How many notices and news waited for it.
        count: usize,
    },
}

/// What came of one look at what waits to go one way.
#[derive(Debug)]
pub struct Looked {
    /// What came of the notice that was due, if one was.
    pub delivery: Option<Delivery>,
    /// When to look again, if nothing else comes.
    pub next: Option<Timestamp>,
}

impl Courier {
    /// Opens what waits to be sent for `account`.
    ///
    /// # Errors
    /// If the state cannot be opened, or the settings cannot be used.
    pub fn open(configuration: &Configuration, account: &Email, role: Role) -> Result<Self> {
        let folders = Folders::new(configuration.home(), configuration.folder(), account, role);
        Ok(Self {
            configuration: configuration.clone(),
            account: account.clone(),
            store: Store::open(&folders.database())?,
            file: Mutex::new(ServeFile::open(configuration, account)?),
        })
    }

    /// Tries once what is due each way.
    ///
    /// # Errors
    /// If the state on this machine fails.
    pub async fn round(&self, clock: &dyn Clock) -> Result<Vec<Delivery>> {
        let all = Way::ALL.map(|way| self.look(way, clock));
        let mut deliveries = Vec::new();
        for outcome in futures::future::join_all(all).await {
            deliveries.extend(outcome?.delivery);
        }
        Ok(deliveries)
    }

    /// Lets what could not be sent be tried at once: something was changed that may help.
    ///
    /// # Errors
    /// If the database fails.
    pub fn hurry(&self, clock: &dyn Clock) -> Result<()> {
        Ok(self.store.write(|db| notices::hurry(db, clock.now()))?)
    }

    /// Returns the settings as they are now. If they have changed, what could not be sent is tried
    /// at once: the change may be what was missing.
    fn current(&self, now: Timestamp) -> Result<Settings> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if file.read(now) == super::Read::Changed {
            self.store.write(|db| notices::hurry(db, now))?;
        }
        Ok(file.settings().clone())
    }

    /// Tries once what is due to go `way`.
    ///
    /// # Errors
    /// If the state on this machine fails.
    pub async fn look(&self, way: Way, clock: &dyn Clock) -> Result<Looked> {
        let now = clock.now();
        let settings = &self.current(now)?;
        if settings.told(way).is_none() {
            return Ok(Looked { delivery: self.drop_way(way)?, next: None });
        }
        let kept = match self.next_notice(way, now)? {
            Next::Due(kept) => *kept,
            Next::At(moment) => return Ok(Looked { delivery: None, next: Some(moment) }),
            Next::Nothing => return Ok(Looked { delivery: None, next: None }),
        };
        self.store.write(|db| notices::sending(db, &kept.id))?;
        let message = self.written(&kept);
        let outcome = send(&self.configuration, &self.account, settings, way, &message).await;
        let now = clock.now();
        let subject = message.subject;
        match outcome {
            Ok(()) => {
                self.store.write(|db| notices::sent(db, &kept.id, now))?;
                let sent = Delivery::Sent { way, subject, is_repeat: kept.maybe };
                // More may wait behind it.
                Ok(Looked { delivery: Some(sent), next: Some(now) })
            }
            Err(problem) => {
                let wait = retry_after(kept.attempts + 1);
                let micros = i64::try_from(wait.as_micros()).unwrap_or(i64::MAX);
                let due = Timestamp::from_micros(now.micros().saturating_add(micros));
                let maybe = kept.maybe || !problem.is_certain();
                let text = told(&problem);
                self.store.write(|db| notices::failed(db, &kept.id, &text, maybe, due))?;
                let again_after_s = wait.as_secs();
                let failed = Delivery::Failed { way, problem, again_after_s };
                Ok(Looked { delivery: Some(failed), next: Some(due) })
            }
        }
    }

    fn drop_way(&self, way: Way) -> Result<Option<Delivery>> {
        let waits = self.store.read(|db| {
            Ok(notices::count_news(db, way.as_str())? > 0
                || notices::unsent(db, way.as_str())?.is_some())
        })?;
        if !waits {
            return Ok(None);
        }
        let count = self.store.write(|db| notices::drop_way(db, way.as_str()))?;
        Ok(Some(Delivery::Dropped { way, count }))
    }

    /// Returns the notice that is to go `way` now; makes it of the news that wait, if it is time.
    fn next_notice(&self, way: Way, now: Timestamp) -> Result<Next> {
        let way = way.as_str();
        let window = i64::try_from(WINDOW.as_micros()).unwrap_or(i64::MAX);
        let since = Timestamp::from_micros(now.micros() - window);
        let (unsent, waiting, recent) = self.store.read(|db| {
            let recent = notices::sent_since(db, way, since)?;
            Ok((notices::unsent(db, way)?, notices::count_news(db, way)?, recent))
        })?;
        match (unsent, pace(&recent, now)) {
            (Some(kept), _) if waits(kept.due, now) => Ok(Next::At(kept.due)),
            (Some(kept), _) => Ok(Next::Due(Box::new(kept))),
            (None, _) if waiting == 0 => Ok(Next::Nothing),
            (None, Pace::Later(moment)) => Ok(Next::At(moment)),
            (None, Pace::Now) => {
                let id = Uuid::new_v4().to_string();
                let made = self.store.write(|db| {
                    notices::gather(db, way, &id, now)?;
                    notices::unsent(db, way)
                })?;
                Ok(made.map_or(Next::Nothing, |kept| Next::Due(Box::new(kept))))
            }
        }
    }

    fn written(&self, kept: &Kept) -> Message {
        let (news, unknown) = read_news(&kept.news);
        words::message(&Notice {
            id: &kept.id,
            account: &self.account,
            news: &news,
            more: kept.more + unknown,
            date: kept.made,
            is_repeat: kept.maybe,
        })
    }

    /// Returns the newest notices, the newest first, each with its subject.
    ///
    /// # Errors
    /// If the database fails.
    pub fn newest(&self, count: usize) -> Result<Vec<(Kept, String)>> {
        let kept = self.store.read(|db| notices::newest(db, count))?;
        Ok(kept
            .into_iter()
            .map(|kept| {
                let subject = self.written(&kept).subject;
                (kept, subject)
            })
            .collect())
    }

    /// Returns how many news wait to go `way`, in no notice yet.
    ///
    /// # Errors
    /// If the database fails.
    pub fn waiting(&self, way: Way) -> Result<usize> {
        Ok(self.store.read(|db| notices::count_news(db, way.as_str()))?)
    }

    /// Sends a notice that says nothing, to see whether `way` works. Nothing is kept of it.
    ///
    /// # Errors
    /// What the channel gives.
    pub async fn test(&self, way: Way, clock: &dyn Clock) -> channels::Result<()> {
        let settings = self.file.lock().unwrap_or_else(PoisonError::into_inner).settings().clone();
        let (id, date) = (Uuid::new_v4().to_string(), clock.now());
        let news = [News::new(Kind::Test, date)];
        let (account, more, is_repeat) = (&self.account, 0, false);
        let message =
            words::message(&Notice { id: &id, account, news: &news, more, date, is_repeat });
        send(&self.configuration, &self.account, &settings, way, &message).await
    }
}

/// What is to go one way.
enum Next {
    /// This, now.
    Due(Box<Kept>),
    /// Something, then.
    At(Timestamp),
    /// Nothing.
    Nothing,
}

/// Returns the news that this release knows, and how many there are beside.
fn read_news(list: &str) -> (Vec<News>, usize) {
    let all: Vec<serde_json::Value> = serde_json::from_str(list).unwrap_or_default();
    let news: Vec<News> = all.iter().filter_map(News::from_json).collect();
    let unknown = all.len() - news.len();
    (news, unknown)
}

async fn send(
    configuration: &Configuration,
    account: &Email,
    settings: &Settings,
    way: Way,
    message: &Message,
) -> channels::Result<()> {
    match way {
        Way::Email => {
            let Some(email) = &settings.email else { return Ok(()) };
            let envelope = email.envelope(account);
            match &email.via {
                Via::Smtp(smtp) => {
                    let password = password(configuration, account, smtp.user.is_some()).await?;
                    send_mail(&envelope, Carrier::Smtp(smtp, password), message).await
                }
                Via::Gmail => {
                    let gmail = sign_in::gmail(configuration, account).await?;
                    send_mail(&envelope, Carrier::Gmail(&gmail), message).await
                }
            }
        }
        Way::Webhook => match &settings.webhook {
            Some((webhook, _)) => webhook.send(message).await,
            None => Ok(()),
        },
        Way::Command => match &settings.command {
            Some((command, _)) => command.send(message, TIME_LIMIT).await,
            None => Ok(()),
        },
    }
}

async fn password(
    configuration: &Configuration,
    account: &Email,
    is_needed: bool,
) -> channels::Result<Option<String>> {
    if !is_needed {
        return Ok(None);
    }
    let kept = SmtpPassword::of(configuration, account).get().await;
    kept.map_err(|error: Error| channels::Error::Secret { problem: error.to_string() })
}
