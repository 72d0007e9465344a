//! The rules engine as a filter: rules and questions in, answers out, no datasite involved.
//!
//! The form of `perm check --stdin-json`. The rules need not come from files, so they are checked
//! here as a file's are.

use serde::{Deserialize, Serialize};

use super::rules::{Level, Rule, Ruleset};
use super::tree::SyftPerm;
use super::yaml::check_templates;

/// Rules of one datasite, and questions about them. Unknown keys are ignored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CheckRequest {
    /// The address of the datasite's owner.
    pub owner: String,
    /// What the permission files say.
    #[serde(default)]
    pub rulesets: Vec<RulesetInput>,
    /// The questions.
    #[serde(default)]
    pub requests: Vec<Question>,
}

/// One permission file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RulesetInput {
    /// The folder that it lies in; empty for the root.
    #[serde(default, alias = "dir")]
    pub path: String,
    /// If true, files further down do not count.
    #[serde(default)]
    pub terminal: bool,
    /// Its rules, in file order.
    #[serde(default)]
    pub rules: Vec<Rule>,
}

/// May this user do this with this path?
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Question {
    /// Relative to the datasite.
    pub path: String,
    /// The address of whoever asks.
    pub user: String,
    /// What they want to do.
    pub level: Level,
}

/// The answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckResponse {
    /// One for each question, in order.
    pub allowed: Vec<bool>,
    /// Rulesets that are invalid and so deny everybody but the owner.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
}

/// Answers every question by the rules that come with it.
pub fn answer(request: CheckRequest) -> CheckResponse {
    let CheckRequest { owner, rulesets, requests } = request;
    let files = rulesets.into_iter().map(|RulesetInput { path, terminal, rules }| {
        let invalid = rules.iter().find_map(|rule| check_templates(&rule.pattern).err());
        (path, invalid.map_or(Ok(Ruleset { rules, terminal }), Err))
    });
    let (perm, problems) = SyftPerm::from_parsed(&owner, files);
    CheckResponse {
        allowed: requests.iter().map(|q| perm.allows(&q.user, &q.path, q.level)).collect(),
        problems: problems.iter().map(|p| format!("{p}: {}", p.source)).collect(),
    }
}
