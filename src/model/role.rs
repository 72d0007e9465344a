//! On which side of the work an account stands.

use std::fmt;

/// Data owner or data scientist. Chosen at login and kept with the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Holds data; accepts or refuses what peers propose.
    Owner,
    /// Wants answers; proposes changes and jobs to owners.
    Scientist,
}

impl Role {
    /// Returns the short form that the command line and its JSON use: `do` or `ds`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "do",
            Self::Scientist => "ds",
        }
    }

    /// Returns the role that [`Role::as_str`] names; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "do" => Some(Self::Owner),
            "ds" => Some(Self::Scientist),
            _ => None,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
