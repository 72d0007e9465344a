//! What syncs that nobody watches leave: what was told, how the last one ended, and a log.

use crate::cli::context::now_seconds;
use crate::cli::report::{Exit, chain};
use crate::cli::text::safe;
use crate::cli::ui::Ui;
use crate::client::{self, Configuration, LastSync, Memory, News};
use crate::model::{Email, Role, Timestamp};
use crate::syncers::Report;

use super::did;

/// How often it is written that nothing has changed, in seconds.
const WRITE_PAUSE: i64 = 300;

/// What is kept from one sync to the next.
#[derive(Debug)]
pub(crate) struct Record {
    configuration: Configuration,
    email: Option<Email>,
    /// Of what was told by this process, or where nobody watches by all.
    memory: Memory,
    /// When it was written last.
    written: Option<LastSync>,
    /// What is to be written once it was told.
    ahead: Option<Ahead>,
    /// True if what is told is remembered beyond this process, and logged.
    is_quiet: bool,
}

/// How a sync ended, and what it said of it.
#[derive(Debug)]
struct Ahead {
    last: LastSync,
    details: Vec<String>,
    tells: bool,
    /// False where no sync took place, so that the one before stays the last.
    is_sync: bool,
    /// What was remembered before.
    before: Memory,
}

impl Record {
    /// Reads what is there. `email`: who was named.
    pub(crate) fn load(
        configuration: &Configuration,
        email: Option<&Email>,
        is_quiet: bool,
    ) -> Self {
        let only = || match configuration.accounts().ok()?.as_slice() {
            [only] => Some(only.email.clone()),
            _ => None,
        };
        let email = email.cloned().or_else(only);
        let memory = if is_quiet { configuration.told(email.as_ref()) } else { Memory::default() };
        Self {
            configuration: configuration.clone(),
            email,
            memory,
            written: None,
            ahead: None,
            is_quiet,
        }
    }

    /// Says whose syncs these are.
    pub(crate) fn is_of(&mut self, email: &Email) {
        if self.email.as_ref() != Some(email) {
            self.email = Some(email.clone());
            self.memory = Memory::default();
            if self.is_quiet {
                self.memory = self.configuration.told(Some(email));
            }
        }
    }

    /// Notes what a sync did. Returns what a person has to be told of it.
    pub(crate) fn synced(&mut self, report: &Report, role: Role) -> News {
        let before = self.memory.clone();
        let news = self.memory.synced(report, role, now());
        let refused = role == Role::Scientist && !report.refused.is_empty();
        let is_done = report.problems.is_empty() && !refused;
        let exit = if is_done { Exit::Done } else { Exit::Problems };
        let details = report.problems.iter().map(|problem| problem.message.clone());
        let refusals = report.refused.iter();
        let refusals = refusals.map(|it| format!("`{}` ({}): {}", it.path, it.peer, it.reason));
        let summary = did(report);
        let summary = if summary.is_empty() { "nothing to do".to_owned() } else { summary };
        let last = LastSync { at: now(), exit: exit as u8, summary };
        let (details, tells) = (details.chain(refusals).collect(), !news.is_empty());
        self.ahead = Some(Ahead { last, details, tells, is_sync: true, before });
        news
    }

    /// Notes that a sync could not be done. True if a person has to be told.
    pub(crate) fn failed(&mut self, error: &client::Error) -> bool {
        let message = chain(error);
        let before = self.memory.clone();
        let needs = self.memory.failed(error.code(), &message, error.is_retryable(), now());
        let is_sync = !matches!(error, client::Error::Locked { .. });
        let exit = if is_sync { Exit::Failed } else { Exit::Locked };
        let last = LastSync { at: now(), exit: exit as u8, summary: message };
        let (details, tells) = (Vec::new(), needs);
        self.ahead = Some(Ahead { last, details, tells, is_sync: is_sync || needs, before });
        needs
    }

    /// Keeps what was noted, after it was told. What could not be told, since nobody takes our words,
    /// counts as not told: the next sync tells it. What cannot be kept is no reason to stop: the sync
    /// itself is done.
    pub(crate) fn keep(&mut self, ui: &mut Ui) {
        let Some(Ahead { last, details, tells, is_sync, before }) = self.ahead.take() else {
            return;
        };
        if tells && !ui.is_heard() {
            self.memory = before;
        }
        let email = self.email.as_ref();
        let is_new = self.written.as_ref().is_none_or(|written| {
            (written.exit, &written.summary) != (last.exit, &last.summary)
                || last.at.saturating_sub(written.at) >= WRITE_PAUSE
        });
        if is_sync {
            self.memory.last = Some(last.clone());
        }
        if !is_new && !tells {
            return;
        }
        let kept = if self.is_quiet {
            self.configuration.keep_told(email, &self.memory)
        } else {
            // What others have told stays theirs.
            let mut told = self.configuration.told(email);
            if is_sync {
                told.last = Some(last.clone());
            }
            self.configuration.keep_told(email, &told)
        };
        let logged = if self.is_quiet {
            let mut lines = vec![format!("{} {}", moment(last.at), last.summary)];
            lines.extend(details.into_iter().map(|detail| format!("    {detail}")));
            // What peers wrote must not steer the terminal of who reads the log.
            self.configuration.log_sync(email, &safe(&lines.join("\n")))
        } else {
            Ok(())
        };
        if let Err(error) = kept.and(logged) {
            tracing::warn!(%error, "what was told is not remembered");
        }
        self.written = Some(last);
    }
}

fn now() -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "seconds fit for ages")]
    let seconds = now_seconds() as i64;
    seconds
}

fn moment(seconds: i64) -> String {
    crate::cli::text::moment(Timestamp::from_micros(seconds.saturating_mul(1_000_000)))
        .unwrap_or_default()
}
