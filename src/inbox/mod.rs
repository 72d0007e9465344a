//! Changes on their way from a scientist to an owner: what the one proposes, what the other
//! accepts. Pure.

mod plan;
mod propose;

pub use plan::{Proposed, Refusal, Verdict, plan};
pub use propose::{Asked, Change, Outlook, propose};
