//! Looks after an account: what is to be done and told after each sync.

use std::collections::BTreeMap;

use super::super::{Client, Configuration, Error, Result};
use super::admitting::{self, Admitted};
use super::facts;
use super::file::{Read, ServeFile};
use crate::caches::notices::{self, Noticed};
use crate::model::{Code, Email, Role, Timestamp};
use crate::notices::{Fact, Facts, Look, News, Seen, Settings, look};
use crate::syncers::Report;

/// Looks after one account.
#[derive(Debug)]
pub struct Attendant {
    file: ServeFile,
    tried: admitting::Tried,
}

/// What was done after a sync.
#[derive(Debug)]
pub struct Attended {
    /// What became of the settings.
    pub settings: Read,
    /// Whom a rule has approved.
    pub approved: Vec<Admitted>,
    /// Whom a rule names and who could not be approved, the first time; it is tried again, later and
    /// later.
    pub not_approved: Vec<(Email, Error)>,
    /// What is news, whether or not anybody is told.
    pub news: Vec<News>,
}

impl Attendant {
    /// Reads the settings of `account`.
    ///
    /// # Errors
    /// [`Error::ServeSettings`] if they cannot be used: later on, the last good ones go on.
    pub fn open(configuration: &Configuration, account: &Email) -> Result<Self> {
        let file = ServeFile::open(configuration, account)?;
        Ok(Self { file, tried: admitting::Tried::default() })
    }

    /// Returns the settings that are used.
    pub const fn settings(&self) -> &Settings {
        self.file.settings()
    }

    /// Does what is to be done after a sync, and notes what there is to tell.
    ///
    /// # Errors
    /// If the state on this machine fails; what the drive refuses is in the outcome.
    pub async fn after_sync(
        &mut self,
        client: &Client,
        synced: Result<&Report, &Error>,
    ) -> Result<Attended> {
        let now = client.now();
        let settings = self.file.read(now);
        let mut attended =
            Attended { settings, approved: Vec::new(), not_approved: Vec::new(), news: Vec::new() };
        if client.role() == Role::Owner && synced.is_ok() {
            match admitting::admit(client, self.file.settings(), &mut self.tried, now).await {
                Ok(outcome) => {
                    attended.approved = outcome.approved;
                    attended.not_approved = outcome.failed;
                }
                // Somebody else works on the SyftBox: after the next sync, then.
                Err(Error::Locked { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        let mut facts = facts::of_account(client, now).await?;
        facts.extend(facts::of_sync(synced, now));
        let ends = client.sign_in_ends().await;
        let ends = ends.map(|ends| Timestamp::from_micros(ends.timestamp_micros()));
        facts.extend(facts::of_sign_in(ends, now));
        if self.file.broken().is_some() {
            facts.extend(facts::problem(Code::ServeSettings, None, now));
        }
        attended.news = self.note(client, &facts, synced.is_ok(), now)?;
        Ok(attended)
    }

    /// Notes what was seen and what there is to tell of it, in one transaction.
    fn note(
        &self,
        client: &Client,
        facts: &[Fact],
        knows_problems: bool,
        now: Timestamp,
    ) -> Result<Vec<News>> {
        let store = &client.account.store;
        let remembered = store.read(notices::noticed)?;
        let seen: BTreeMap<String, Seen> = remembered
            .into_iter()
            .map(|Noticed { key, first, last, told }| (key, Seen { first, last, told }))
            .collect();
        let has_begun = store.read(notices::has_begun)?;
        let facts = Facts { all: facts, knows_problems, is_first: !has_begun };
        let found = look(&seen, facts, now);
        if !has_begun || found != Look::default() {
            store.write(|db| {
                notices::begin(db)?;
                for (key, Seen { first, last, told }) in &found.remember {
                    let (key, first, last, told) = (key.clone(), *first, *last, *told);
                    notices::remember(db, &Noticed { key, first, last, told })?;
                }
                found.forget.iter().try_for_each(|key| notices::forget(db, key))?;
                for news in &found.tell {
                    let text = news.to_json().to_string();
                    for way in self.file.settings().ways(news.kind) {
                        notices::add_news(db, way.as_str(), &text, news.kind.is_urgent())?;
                    }
                }
                Ok(())
            })?;
        }
        Ok(found.tell)
    }
}

impl Client {
    /// Returns whom the rules of the owner have approved, the oldest first.
    ///
    /// # Errors
    /// If the database fails.
    pub fn admissions(&self) -> Result<Vec<Admitted>> {
        admitting::record(self)
    }
}
