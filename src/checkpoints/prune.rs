//! Decides which messages of the event log may go because a full checkpoint has taken their place.
//!
//! The log is the one thing from which everything can be made again, so the answer is no unless all
//! of this holds: a full checkpoint that this machine made lies on the drive and includes them; they
//! are old, so that a machine that is merely away for days goes on by the log; every peer has what
//! it may read; and no Python client works with the account. That one replaces our checkpoint by its
//! own, which holds neither binary nor empty files, and then the log alone would have them.

use super::coverage::LogMessage;
use crate::model::Timestamp;

/// How much younger than the newest message a message is kept at least, by the service's clock.
pub const AGE_MICROS: i64 = 7 * 24 * 3600 * 1_000_000;

/// For how long after its last trace a Python client counts as working with the account.
const PYTHON_MICROS: i64 = 30 * 24 * 3600 * 1_000_000;

/// Fewer messages than this are not worth the requests.
pub const AT_LEAST: usize = 50;

/// A full checkpoint that this machine made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full {
    /// All messages until then are included.
    pub through_micros: i64,
    /// True if the service lists it now, as large as it was sent.
    pub is_listed: bool,
}

/// All that the decision looks at.
#[derive(Clone, Debug)]
pub struct PruneFacts<'a> {
    /// The event log; seen is what the full checkpoint included when it was made.
    pub log: &'a [LogMessage],
    /// The newest full checkpoint, if this machine made it.
    pub full: Option<Full>,
    /// Until when messages may be gone already: what was begun is finished.
    pub pruned_micros: Option<i64>,
    /// A peer that is owed something, or cannot be reached.
    pub waiting_peer: Option<String>,
    /// When the newest file was made that bears the hand of a Python client.
    pub python_micros: Option<i64>,
    /// True if the account's version file was written by a Python client.
    pub python_version_file: bool,
}

/// What may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prune {
    /// The messages, oldest first.
    pub ids: Vec<String>,
    /// When the newest of them was made.
    pub through_micros: i64,
}

/// Why nothing may go.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Kept {
    /// There is too little that is old and included.
    #[error("there is nothing old enough that a full checkpoint includes")]
    TooLittle,
    /// The newest full checkpoint is not ours.
    #[error("this machine made no full checkpoint that is still the newest")]
    NoCheckpoint,
    /// The service does not show the checkpoint.
    #[error("the full checkpoint is not on the drive as it was sent")]
    NotListed,
    /// A Python client would go on with less than the log holds.
    #[error("a Python client works with this account")]
    Python,
    /// Somebody has not got what it may read.
    #[error("{0} has not been sent everything yet")]
    PeerWaits(String),
}

/// Returns the messages, oldest first, that a full checkpoint with everything until `through_micros`
/// includes, and that are old.
pub fn behind(log: &[LogMessage], through_micros: i64) -> Vec<&LogMessage> {
    let newest = log.iter().map(|message| message.made_micros).max().unwrap_or(0);
    let until = through_micros.min(newest - AGE_MICROS);
    let may_go = |message: &&LogMessage| message.is_seen && message.made_micros <= until;
    let mut found: Vec<&LogMessage> = log.iter().filter(may_go).collect();
    found.sort_by_key(|message| (message.made_micros, &message.id));
    found
}

/// Returns what may go.
///
/// # Errors
/// [`Kept`], the first reason why nothing may.
pub fn prune(facts: &PruneFacts<'_>) -> Result<Prune, Kept> {
    let full = facts.full.ok_or(Kept::NoCheckpoint)?;
    let found = behind(facts.log, full.through_micros);
    let is_begun =
        |first: &&LogMessage| facts.pruned_micros.is_some_and(|pruned| first.made_micros <= pruned);
    let is_worth_it = found.len() >= AT_LEAST || found.first().is_some_and(is_begun);
    let Some(newest) = found.last().filter(|_| is_worth_it) else {
        return Err(Kept::TooLittle);
    };
    if !full.is_listed {
        return Err(Kept::NotListed);
    }
    if facts.python_version_file
        || facts.python_micros.is_some_and(|trace| is_recent_trace(facts.log, trace))
    {
        return Err(Kept::Python);
    }
    if let Some(peer) = &facts.waiting_peer {
        return Err(Kept::PeerWaits(peer.clone()));
    }
    let through_micros = newest.made_micros;
    Ok(Prune { ids: found.iter().map(|message| message.id.clone()).collect(), through_micros })
}

/// True if a Python client that left a trace at that time counts as working with the account.
pub fn is_recent_trace(log: &[LogMessage], trace_micros: i64) -> bool {
    let last = log.iter().map(|message| message.made_micros).max().unwrap_or(0);
    trace_micros > last - PYTHON_MICROS
}

/// True if a time in a file name has the form that we give: six decimals that do not end in 0. Of
/// the times that Python takes from its clock three in four have seven.
pub fn is_form_of_ours(named: Timestamp) -> bool {
    named.canonical().split_once('.').is_some_and(|(_, decimals)| decimals.len() == 6)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 24 * 3600 * 1_000_000;

    /// A message for each hour of the first twenty days.
    fn log() -> Vec<LogMessage> {
        let message = |hour: i64| LogMessage {
            id: format!("m{hour}"),
            made_micros: 100 * DAY + hour * DAY / 24,
            named: Timestamp::ZERO,
            is_seen: true,
        };
        (0..480).map(message).collect()
    }

    fn facts(log: &[LogMessage]) -> PruneFacts<'_> {
        PruneFacts {
            log,
            full: Some(Full { through_micros: 110 * DAY, is_listed: true }),
            pruned_micros: None,
            waiting_peer: None,
            python_micros: None,
            python_version_file: false,
        }
    }

    #[test]
    fn what_a_full_checkpoint_includes_and_is_old_may_go() {
        let log = log();
        let gone = prune(&facts(&log)).unwrap();
        assert_eq!((gone.ids.len(), gone.through_micros), (241, 110 * DAY));
        assert_eq!(gone.ids.first().map(String::as_str), Some("m0"));
        let all = Full { through_micros: 200 * DAY, is_listed: true };
        let gone = prune(&PruneFacts { full: Some(all), ..facts(&log) }).unwrap();
        assert!(gone.through_micros <= 113 * DAY, "seven days stay whatever is included");
        let little = Full { through_micros: 101 * DAY, is_listed: true };
        let begun =
            PruneFacts { full: Some(little), pruned_micros: Some(101 * DAY), ..facts(&log) };
        assert_eq!(prune(&begun).unwrap().ids.len(), 25, "what was begun is finished");
    }

    #[test]
    fn the_log_stays_unless_everything_holds() {
        let whole = log();
        let mut unseen = log();
        unseen.iter_mut().skip(10).for_each(|message| message.is_seen = false);
        let full = |day: i64, is_listed| Some(Full { through_micros: day * DAY, is_listed });
        let base = || facts(&whole);
        #[rustfmt::skip]
        let cases = [
            ("the newest full one is not ours",  PruneFacts { full: None, ..base() },                                  Kept::NoCheckpoint),
            ("it includes little",               PruneFacts { full: full(101, true), ..base() },                       Kept::TooLittle),
            ("it is not to be seen",             PruneFacts { full: full(110, false), ..base() },                      Kept::NotListed),
            ("python wrote lately",              PruneFacts { python_micros: Some(100 * DAY), ..base() },              Kept::Python),
            ("python wrote the version file",    PruneFacts { python_version_file: true, ..base() },                   Kept::Python),
            ("a peer waits",                     PruneFacts { waiting_peer: Some("ds".to_owned()), ..base() },         Kept::PeerWaits("ds".to_owned())),
            ("we have not read most of it",      PruneFacts { log: &unseen, ..base() },                                Kept::TooLittle),
        ];
        for (what, facts, wanted) in cases {
            assert_eq!(prune(&facts), Err(wanted), "{what}");
        }
        let long_ago = PruneFacts { python_micros: Some(80 * DAY), ..base() };
        assert!(prune(&long_ago).is_ok(), "python was left a month ago");
    }

    #[test]
    fn our_names_are_told_from_those_of_python() {
        let ours = |text: &str| is_form_of_ours(Timestamp::parse_canonical(text).unwrap());
        assert!(ours("1780000000.123456") && ours("1780000000.000001"));
        assert!(!ours("1780000000.1234567") && !ours("1780000000.5") && !ours("1780000000.0"));
    }
}
