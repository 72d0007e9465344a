//! Why somebody may, or may not, use a path: the same walk as `tree`, with everything it saw.
//!
//! Data, so that a program can show it its own way; [`Explanation`] also has a compact text.

use std::fmt;

use super::pattern::Specificity;
use super::rules::{Access, Level};
use super::tree::{SyftPerm, file_path, is_permission_file};
use super::users::covers;

/// The answer to one question and the way to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// What was asked about.
    pub path: String,
    /// Who asked.
    pub user: String,
    /// What was asked for.
    pub wanted: Level,
    /// What was needed for it: admin on a permission file.
    pub needed: Level,
    /// True if it is allowed.
    pub allowed: bool,
    /// The highest level of the user on the path.
    pub level: Option<Level>,
    /// The folders of the permission files on the way, from the root; the last one governs.
    pub considered: Vec<String>,
    /// The folder of the governing file; `None` if there is none, or for the owner.
    pub governing: Option<String>,
    /// True if the governing file hides files further down.
    pub terminal: bool,
    /// The rules of the governing file in the order in which they are tried, up to the one that
    /// matched.
    pub tried: Vec<Candidate>,
    /// The rule that decided.
    pub rule: Option<MatchedRule>,
    /// What decided.
    pub reason: Reason,
}

/// A rule that was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its index in the file, from 0.
    pub index: usize,
    /// Its pattern.
    pub pattern: String,
    /// Why it stands where it does in the order.
    pub specificity: Specificity,
    /// True for the last one, if any matched.
    pub matched: bool,
}

/// The rule that decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MatchedRule {
    /// Its index in the file, from 0.
    pub index: usize,
    /// Its pattern, as written.
    pub pattern: String,
    /// Its lists, as written.
    pub access: Access,
}

/// What decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The owner may do everything.
    Owner,
    /// No permission file governs the path.
    NoFile,
    /// The governing file is not usable.
    Invalid,
    /// No rule of the governing file matches.
    NoRule,
    /// An entry of the rule gives enough.
    Listed {
        /// As written, for instance `*@example.org`.
        entry: String,
        /// The list that it stands in.
        list: Level,
    },
    /// The rule matches, but does not list the user high enough.
    NotListed,
}

impl SyftPerm {
    /// Explains whether `user` has `level` on `path`.
    pub fn explain(
        &self,
        user: impl AsRef<str>,
        path: impl AsRef<str>,
        wanted: Level,
    ) -> Explanation {
        let (user, path) = (user.as_ref(), path.as_ref());
        let needed = if is_permission_file(path) { Level::Admin } else { wanted };
        let mut explanation = Explanation {
            path: path.to_owned(),
            user: user.to_owned(),
            wanted,
            needed,
            allowed: self.allows(user, path, wanted),
            level: self.level(user, path),
            considered: Vec::new(),
            governing: None,
            terminal: false,
            tried: Vec::new(),
            rule: None,
            reason: Reason::Owner,
        };
        if user != self.owner() {
            self.fill(&mut explanation);
        }
        explanation
    }

    fn fill(&self, explanation: &mut Explanation) {
        let path = explanation.path.clone();
        let considered = self.on_the_way(&path);
        explanation.considered = considered.iter().map(|(file, _)| file.folder.clone()).collect();
        let Some(governed) = self.governed(&path) else {
            explanation.reason = Reason::NoFile;
            return;
        };
        explanation.governing = Some(governed.file.folder.clone());
        explanation.terminal = governed.file.is_terminal();
        let Some(ruleset) = &governed.file.ruleset else {
            explanation.reason = Reason::Invalid;
            return;
        };
        explanation.reason = Reason::NoRule;
        for rule in &governed.file.rules {
            let matched = rule.matches(&explanation.user, &governed.below);
            explanation.tried.push(Candidate {
                index: rule.index,
                pattern: rule.text.clone(),
                specificity: rule.specificity,
                matched,
            });
            if matched {
                let access = ruleset.rules[rule.index].access.clone();
                explanation.reason = listed(&access, &explanation.user, explanation.needed);
                let pattern = rule.text.clone();
                explanation.rule = Some(MatchedRule { index: rule.index, pattern, access });
                return;
            }
        }
    }
}

/// The entry that gives `user` at least `needed`, highest list first.
fn listed(access: &Access, user: &str, needed: Level) -> Reason {
    let lists = Level::ALL.into_iter().rev().take_while(|&list| list >= needed);
    for list in lists {
        if let Some(entry) = access.list(list).iter().find(|entry| covers(entry, user)) {
            return Reason::Listed { entry: entry.clone(), list };
        }
    }
    Reason::NotListed
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, user, wanted, .. } = self;
        let verb = if self.allowed { "may" } else { "may not" };
        writeln!(f, "{user} {verb} {wanted} `{path}`")?;
        if self.needed != self.wanted {
            writeln!(f, "  a permission file needs {}", self.needed)?;
        }
        if let Some(folder) = &self.governing {
            let only = if self.terminal { ", and hides files further down" } else { "" };
            writeln!(f, "  governed by `{}`{only}", file_path(folder))?;
        }
        if let Some(rule) = &self.rule {
            writeln!(f, "  rule {}: `{}`", rule.index + 1, rule.pattern)?;
        }
        match &self.reason {
            Reason::Owner => write!(f, "  owns the datasite"),
            Reason::NoFile => write!(f, "  no permission file governs it"),
            Reason::Invalid => write!(f, "  the permission file is not usable"),
            Reason::NoRule => write!(f, "  no rule matches"),
            Reason::Listed { entry, list } => write!(f, "  `{entry}` is in its {list} list"),
            Reason::NotListed => write!(f, "  the rule does not list them for {}", self.needed),
        }
    }
}
