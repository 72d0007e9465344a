//! How the last sync ended, in numbers and codes: for who looks for a fault later.
//!
//! Noted only where it differs from what is noted, so that a sync with nothing to do writes nothing.

use super::Result;
use crate::caches::meta;
use crate::model::Code;
use crate::syncers::{Account, Report};

/// Meta key: what the last sync did that did anything, and which problems the last one had.
const OUTCOME: &str = "sync.outcome";

/// What is known of a sync that is over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    /// Files that came, proposals that were taken in, proposals that were turned down, changes that
    /// were sent: of the last sync in which there were any.
    pub(super) counts: [u64; 4],
    /// The names of the kinds of problems that the last sync had, or of what ended it.
    pub(super) codes: Vec<String>,
}

/// How many kinds of problems are kept.
const CODES_MAX: usize = 20;

/// Notes how a sync ended. What cannot be noted is not worth an error.
pub(super) fn note(account: &Account, outcome: &Result<Report>) {
    let Ok(before) = last(account) else { return };
    let after = after(before.clone().unwrap_or_default(), outcome);
    if before.as_ref() == Some(&after) {
        return;
    }
    let noted = account.store.write(|db| meta::set(db, OUTCOME, &to_text(&after)));
    if let Err(error) = noted {
        tracing::debug!(%error, "how the sync ended was not noted");
    }
}

/// Returns how the last sync ended; `None` if there was none.
pub(super) fn last(account: &Account) -> Result<Option<Outcome>> {
    Ok(account.store.read(|db| meta::get(db, OUTCOME))?.map(|text| from_text(&text)))
}

fn after(before: Outcome, outcome: &Result<Report>) -> Outcome {
    let (counts, codes): (_, Vec<Code>) = match outcome {
        Ok(report) => {
            let counts = [report.pulled, report.accepted, report.refused.len(), report.pushed];
            (counts.map(|count| count as u64), report.problems.iter().map(|p| p.code).collect())
        }
        Err(error) => ([0; 4], vec![error.code()]),
    };
    let mut names: Vec<String> = codes.iter().map(|code| code.as_str().to_owned()).collect();
    names.sort_unstable();
    names.dedup();
    names.truncate(CODES_MAX);
    Outcome { counts: if counts == [0; 4] { before.counts } else { counts }, codes: names }
}

fn to_text(outcome: &Outcome) -> String {
    let counts = outcome.counts.map(|count| count.to_string());
    [&counts[..], &outcome.codes[..]].concat().join(" ")
}

fn from_text(text: &str) -> Outcome {
    let mut words = text.split(' ').filter(|word| !word.is_empty());
    let mut count = || words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
    let counts = [count(), count(), count(), count()];
    Outcome { counts, codes: words.map(str::to_owned).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sync_with_nothing_to_do_leaves_what_was_noted_but_for_problems_that_are_over() {
        let mut report = Report { pulled: 3, pushed: 1, ..Report::default() };
        report.problem(Code::NotSent, "to ann@example.org");
        report.problem(Code::NotSent, "to bob@example.org");
        report.problem(Code::MailboxGone, "x");
        let first = after(Outcome::default(), &Ok(report));
        assert_eq!(to_text(&first), "3 0 0 1 mailbox-gone not-sent");
        assert_eq!(from_text(&to_text(&first)), first);
        let idle = after(first.clone(), &Ok(Report::default()));
        assert_eq!(to_text(&idle), "3 0 0 1");
        assert_eq!(after(idle.clone(), &Ok(Report::default())), idle);
        let failed = after(idle, &Err(crate::client::Error::NoHome));
        assert_eq!(to_text(&failed), "3 0 0 1 no-home");
    }
}
