//! The content of one permission file: which patterns give which users which level.
//!
//! Plain data as written in the file, in file order; what it means is decided in `tree`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The name of the files that hold rules; they govern the folder that they lie in.
pub const PERMISSION_FILE_NAME: &str = "syft.pub.yaml";

/// What somebody may do with a path. Each level includes those before it.
///
/// There is no level for creating: whoever may write may create.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// See content and receive changes.
    Read,
    /// Change, create and delete.
    Write,
    /// Change the permission files themselves.
    Admin,
}

impl Level {
    /// All levels, lowest first.
    pub const ALL: [Self; 3] = [Self::Read, Self::Write, Self::Admin];

    /// Returns the name that files and the command line use: `read`, `write` or `admin`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }

    /// Returns the level that [`Level::as_str`] names; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.as_str() == text)
    }

    /// Returns the next lower level; `None` for the lowest.
    pub const fn below(self) -> Option<Self> {
        match self {
            Self::Read => None,
            Self::Write => Some(Self::Read),
            Self::Admin => Some(Self::Write),
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The user entries of one rule, a list for each level.
///
/// An entry is an address, a wildcard (`*`, `*@example.org`) or `USER`. Fields are in the order
/// in which they are written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// Who may administer.
    #[serde(default)]
    pub admin: Vec<String>,
    /// Who may read.
    #[serde(default)]
    pub read: Vec<String>,
    /// Who may write.
    #[serde(default)]
    pub write: Vec<String>,
}

impl Access {
    /// Returns the list of `level` alone, without those of higher levels.
    pub fn list(&self, level: Level) -> &Vec<String> {
        match level {
            Level::Read => &self.read,
            Level::Write => &self.write,
            Level::Admin => &self.admin,
        }
    }

    /// Returns the list of `level`, to change it.
    pub fn list_mut(&mut self, level: Level) -> &mut Vec<String> {
        match level {
            Level::Read => &mut self.read,
            Level::Write => &mut self.write,
            Level::Admin => &mut self.admin,
        }
    }

    /// Adds an entry unless the list has it.
    pub fn add(&mut self, level: Level, entry: &str) {
        let list = self.list_mut(level);
        if !list.iter().any(|known| known == entry) {
            list.push(entry.to_owned());
        }
    }

    /// Returns true if no list has an entry, so that the rule only denies.
    pub fn is_empty(&self) -> bool {
        Level::ALL.iter().all(|&level| self.list(level).is_empty())
    }
}

/// One rule: what lies under a pattern, and who may do what there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Who; written before the pattern.
    pub access: Access,
    /// Which paths, relative to the folder of the file; see [`super::Pattern`].
    pub pattern: String,
}

/// The content of one permission file, rules in file order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Ruleset {
    /// The rules; where several are equally specific, the first that matches decides.
    pub rules: Vec<Rule>,
    /// If true, permission files further down do not count.
    pub terminal: bool,
}
