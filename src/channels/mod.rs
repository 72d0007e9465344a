//! Ways to a person: e-mail, a webhook, a command of the owner's own.
//!
//! Each is told where to and what; what is told to whom is decided further up, in `notices`. One
//! attempt, within a time limit; who asks decides about another one.
//!
//! Invariant: what is sent is the [`Message`] and nothing else of this machine: no environment, no
//! path, no account but the one that it names. A text cannot become a header, an argument or a
//! command.

mod command;
mod email;
mod error;
mod webhook;

use serde_json::Value;

use crate::model::Timestamp;

pub(crate) use command::find_program;
pub use command::{Command, TIME_LIMIT};
pub use email::{Carrier, Envelope, Security, Smtp, send_mail};
pub use error::{Error, Result};
pub use webhook::Webhook;

/// The name of the program, to whom it talks.
pub(crate) const AGENT: &str = concat!("syft/", env!("CARGO_PKG_VERSION"));

/// What a person is told.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// The same each time that it is sent: who gets it twice can tell.
    pub id: String,
    /// One line.
    pub subject: String,
    /// The text.
    pub body: String,
    /// The same for programs.
    pub json: Value,
    /// When it was made.
    pub date: Timestamp,
}

/// Which way a message takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// By e-mail.
    Email,
    /// To a webhook.
    Webhook,
    /// To a command.
    Command,
}

impl Way {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Email, Self::Webhook, Self::Command];

    /// Returns its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Webhook => "webhook",
            Self::Command => "command",
        }
    }

    /// Returns the one that `text` names.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|way| way.as_str() == text)
    }
}
