//! Who may read, write and administer which path of a datasite.
//!
//! The rules are text files named `syft.pub.yaml` in the folders of a datasite. [`SyftPerm`] is all
//! of them, compiled; it answers and explains. [`grant`] and [`revoke`] say which file must change
//! and how. Pure: the caller brings the files' content and stores the edits; nothing here touches
//! a disk, a clock or a connection.
//!
//! Invariant: what is not granted is denied. The owner may do everything; for everybody else the
//! nearest permission file decides alone, and in it the most specific rule that matches.
//!
//! The format and the meaning of the rules are the Python client's (`docs/FORMAT.md`,
//! "Permissions"). We differ where that client would stop or be unsafe:
//!
//! - A file that cannot be read denies its folder, and all below, to everybody but the owner, and
//!   is reported as a [`Problem`]; there, it raises and stops every sync.
//! - The requester's address is always taken literally: one with `*`, `?`, `[` or a backslash
//!   matches itself and nothing else, also where a rule says `{{.UserEmail}}` or `USER`.
//! - The root folder can be asked about; there, `open("./")` matches no rule.

mod carve;
mod check;
mod class;
mod explain;
mod grant;
mod grid;
mod pattern;
mod revoke;
mod rules;
mod tree;
mod users;
mod wildcard;
mod yaml;

pub use check::{CheckRequest, CheckResponse, Question, RulesetInput, answer};
pub use explain::{Candidate, Explanation, MatchedRule, Reason};
pub use grant::{Edit, EditError, Note, Target, grant};
pub use grid::Grid;
pub use pattern::{Pattern, Specificity, escape};
pub use revoke::{Revocation, Warning, revoke};
pub use rules::{Access, Level, PERMISSION_FILE_NAME, Rule, Ruleset};
pub use tree::{Problem, SyftPerm};
pub use yaml::{InvalidRuleset, RULE_BYTES_MAX, parse, write};
