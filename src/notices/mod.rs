//! What a person is told while nobody looks: requests, jobs, results, problems.
//!
//! Pure. [`look()`] compares what is so now ([`Fact`]) with what was seen before and says what is news;
//! [`pace()`] says when it goes out, and [`message`] writes it. The client gathers the facts, keeps what
//! was decided in one transaction, and has `channels` send it.
//!
//! Invariant: a notice holds who (as the drive says), the name of a job, and words of ours. Nothing
//! that a file, a log, a result, a reason or an error says gets into it.

mod look;
mod pace;
mod problems;
mod settings;
mod text;

use serde_json::{Value, json};

use crate::jobs::JobName;
use crate::model::{Email, Timestamp};

pub use look::{Fact, Facts, Look, Seen, Stage, look};
pub use pace::{BURST, Pace, WINDOW, pace, retry_after, waits};
pub use problems::{Care, Urgency, care, urgency};
pub use settings::{EmailSettings, InvalidSettings, Settings, Told, Via};
pub use text::{LINES_MAX, Notice, message, sentence};

/// What kind of news it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Somebody asks to work with us.
    PeerAsks,
    /// Somebody who asked was approved by a rule.
    PeerApproved,
    /// Somebody whom we asked has agreed.
    PeerAgreed,
    /// A job waits for its owner.
    JobWaits,
    /// A job was approved by a standing approval, so nobody looked at it.
    JobAllowed,
    /// A job on this side has ended.
    JobEnded,
    /// A job of ours was approved, turned down, or has run.
    JobAnswered,
    /// Results of a job of ours are here.
    ResultsArrived,
    /// Something needs a person.
    Problem,
    /// The sign-in ends soon.
    SignInEnds,
    /// Nothing: it was asked whether this way works.
    Test,
}

/// One piece of news.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// What kind.
    pub kind: Kind,
    /// Who it is about, as the drive says.
    pub person: Option<Email>,
    /// The job that it is about.
    pub job: Option<JobName>,
    /// A word of ours: the state of a job, the rule of an approval, the code of a problem.
    pub detail: Option<String>,
    /// When it was seen here.
    pub seen: Timestamp,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::PeerAsks,
        Self::PeerApproved,
        Self::PeerAgreed,
        Self::JobWaits,
        Self::JobAllowed,
        Self::JobEnded,
        Self::JobAnswered,
        Self::ResultsArrived,
        Self::Problem,
        Self::SignInEnds,
        Self::Test,
    ];

    /// Returns its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PeerAsks => "peer-asks",
            Self::PeerApproved => "peer-approved",
            Self::PeerAgreed => "peer-agreed",
            Self::JobWaits => "job-waits",
            Self::JobAllowed => "job-allowed",
            Self::JobEnded => "job-ended",
            Self::JobAnswered => "job-answered",
            Self::ResultsArrived => "results-arrived",
            Self::Problem => "problem",
            Self::SignInEnds => "sign-in-ends",
            Self::Test => "test",
        }
    }

    /// True for what nobody else can have told at will, and what is lost if it is not read.
    pub const fn is_urgent(self) -> bool {
        matches!(self, Self::Problem | Self::SignInEnds | Self::PeerApproved)
    }

    /// Returns the one that `text` names.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

impl News {
    /// Returns news that are about nobody and nothing yet.
    pub const fn new(kind: Kind, seen: Timestamp) -> Self {
        Self { kind, person: None, job: None, detail: None, seen }
    }

    /// The same about `person`.
    #[must_use]
    pub fn about(mut self, person: &Email) -> Self {
        self.person = Some(person.clone());
        self
    }

    /// The same about `job`.
    #[must_use]
    pub fn job(mut self, job: &JobName) -> Self {
        self.job = Some(job.clone());
        self
    }

    /// The same with a word of ours.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Returns it as it is kept, and as programs get it.
    pub fn to_json(&self) -> Value {
        json!({
            "kind": self.kind.as_str(),
            "person": self.person.as_ref().map(Email::as_str),
            "job": self.job.as_ref().map(JobName::as_str),
            "detail": self.detail,
            "seen_at": text::moment(self.seen),
            "seen_micros": self.seen.micros(),
        })
    }

    /// Reads what was kept; `None` if another release wrote what this one does not know.
    pub fn from_json(value: &Value) -> Option<Self> {
        let text = |key: &str| value.get(key).and_then(Value::as_str);
        Some(Self {
            kind: Kind::parse(text("kind")?)?,
            person: text("person").and_then(|email| Email::parse(email).ok()),
            job: text("job").and_then(|name| JobName::parse(name).ok()),
            detail: text("detail").map(str::to_owned),
            seen: Timestamp::from_micros(value.get("seen_micros")?.as_i64()?),
        })
    }
}
