//! Decides what to do after an attempt that failed: give up, fetch a fresh token, or try again.
//!
//! Pure: the wire says what it saw ([`Symptom`]), [`judge`] says what follows. Invariant: what is not
//! safe to repeat is never sent again unless the server certainly did not do it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBuilder};
use chrono::{DateTime, Utc};
use serde_json::Value;
use url::Url;

use crate::error::{Complaint, Error, Source, Tried, is_hiccup, is_rate_limit};

/// Tries of one call, the first included: 2^5 s outlasts most per-minute limits of Drive.
pub(crate) const TRIES_MAX: usize = 6;
/// The longest that we let a server make us wait between two tries.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(64);

/// Whether a request may be sent again when nobody knows if the first one was carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// Twice is the same as once.
    Safe,
    /// Twice makes two: only if the first was certainly not carried out.
    OnlyIfNotDone,
}

/// What an attempt looked like that did not work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Symptom {
    /// There was no connection: nothing was sent.
    NotSent,
    /// It was sent, but no whole answer came.
    Lost,
    /// The server answered with this status and reason.
    Answer { status: u16, reason: Option<String> },
    /// It failed on this machine, or the answer makes no sense.
    Settled,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    GiveUp,
    FreshToken,
    Again,
}

/// The one classifier: what follows from `symptom` for a request of this kind.
pub(crate) fn judge(symptom: &Symptom, repeat: Repeat) -> Verdict {
    match symptom {
        Symptom::NotSent => Verdict::Again,
        Symptom::Settled => Verdict::GiveUp,
        Symptom::Answer { status: 401, .. } => Verdict::FreshToken,
        Symptom::Answer { status: 429, .. } => Verdict::Again,
        Symptom::Answer { status: 403, reason: Some(reason) } if is_rate_limit(reason) => {
            Verdict::Again
        }
        unclear if is_ambiguous(unclear) => match repeat {
            Repeat::Safe => Verdict::Again,
            Repeat::OnlyIfNotDone => Verdict::GiveUp,
        },
        Symptom::Answer { .. } | Symptom::Lost => Verdict::GiveUp,
    }
}

/// True if the request may have been carried out although it failed.
pub(crate) fn is_ambiguous(symptom: &Symptom) -> bool {
    match symptom {
        Symptom::Lost | Symptom::Answer { status: 408 | 500 | 502 | 503 | 504, .. } => true,
        Symptom::Answer { status: 400 | 403, reason: Some(reason) } => is_hiccup(reason),
        Symptom::Answer { .. } | Symptom::NotSent | Symptom::Settled => false,
    }
}

/// The waits between tries: doubling from half a second, each with a random part on top.
pub(crate) fn delays() -> impl Iterator<Item = Duration> + Send {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(500))
        .with_max_delay(Duration::from_secs(32))
        .with_max_times(TRIES_MAX - 1)
        .with_jitter()
        .build()
}

/// Reads a `Retry-After` header: seconds or an HTTP date. Never more than [`WAIT_MAX`].
pub(crate) fn retry_after(value: &str, now: DateTime<Utc>) -> Option<Duration> {
    let value = value.trim();
    let wait = match value.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) => WAIT_MAX,
        Err(_) => {
            let date = DateTime::parse_from_rfc2822(value).ok()?;
            date.signed_duration_since(now).to_std().unwrap_or_default()
        }
    };
    Some(wait.min(WAIT_MAX))
}

/// True if it is worth to wait for so long and try again. Where there is no connection at all, nothing
/// but time helps, and that is `unreachable_max` at most from the first try on; a server that answers
/// says itself when it is worth it.
pub(crate) fn goes_on(symptom: &Symptom, after_wait: Duration, unreachable_max: Duration) -> bool {
    !matches!(symptom, Symptom::NotSent) || after_wait <= unreachable_max
}

/// How many calls of this process wait at this moment before they try again.
static WAITING: AtomicUsize = AtomicUsize::new(0);

/// Returns how many calls of this process wait at this moment before they try again, for who tells a
/// person why nothing happens.
pub fn calls_waiting() -> usize {
    WAITING.load(Ordering::Relaxed)
}

/// Counts as a call that waits until it is dropped.
pub(crate) struct Waits(());

impl Waits {
    pub(crate) fn begin() -> Self {
        WAITING.fetch_add(1, Ordering::Relaxed);
        Self(())
    }
}

impl Drop for Waits {
    fn drop(&mut self) {
        WAITING.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The tries of one call, and how long they took.
pub(crate) struct Tries {
    count: u32,
    waited: Duration,
    began: Instant,
}

impl Tries {
    pub(crate) fn begin() -> Self {
        Self { count: 1, waited: Duration::ZERO, began: Instant::now() }
    }

    /// How long the call has lasted, as far as a hand-wound clock lets it.
    pub(crate) fn lasted(&self) -> Duration {
        self.waited.max(self.began.elapsed())
    }

    pub(crate) fn waited(&mut self, delay: Duration) {
        self.count += 1;
        self.waited += delay;
    }

    /// Says of a server that gave no usable answer which it is, why, and how often it was tried.
    pub(crate) fn told(&self, failed: Failed, url: &Url) -> Failed {
        let error = match failed.error {
            Error::Unavailable { what, source } => {
                let server = url.host_str().unwrap_or("the server");
                let server = match url.port() {
                    Some(port) => format!("{server}:{port}"),
                    None => server.to_owned(),
                };
                let (tries, seconds) = (self.count, self.lasted().as_secs());
                let tried = Tried { server, tries, seconds, source };
                Error::Unavailable { what, source: Box::new(tried) }
            }
            other => other,
        };
        Failed { error, ..failed }
    }
}

/// An attempt that failed: what the caller will hear, and what the loop needs to know.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) error: Error,
    pub(crate) symptom: Symptom,
    pub(crate) retry_after: Option<Duration>,
    /// True if an earlier attempt of the same call may have been carried out.
    pub(crate) maybe_done: bool,
}

impl Failed {
    pub(crate) fn not_sent(what: &str, source: impl Into<Source>) -> Self {
        Self::unavailable(what, source, Symptom::NotSent)
    }

    pub(crate) fn lost(what: &str, source: impl Into<Source>) -> Self {
        Self::unavailable(what, source, Symptom::Lost)
    }

    /// An answer other than success. `body` is null if it was no JSON.
    pub(crate) fn answer(
        what: &str,
        status: u16,
        body: &Value,
        retry_after: Option<Duration>,
    ) -> Self {
        let complaint = Complaint::parse(body);
        let symptom = Symptom::Answer { status, reason: complaint.reason.clone() };
        let error = complaint.into_error(what, status, retry_after);
        Self { error, symptom, retry_after, maybe_done: false }
    }

    pub(crate) fn status(&self) -> Option<u16> {
        match self.symptom {
            Symptom::Answer { status, .. } => Some(status),
            Symptom::NotSent | Symptom::Lost | Symptom::Settled => None,
        }
    }

    fn unavailable(what: &str, source: impl Into<Source>, symptom: Symptom) -> Self {
        let error = Error::Unavailable { what: what.to_owned(), source: source.into() };
        Self { error, symptom, retry_after: None, maybe_done: false }
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self { error, symptom: Symptom::Settled, retry_after: None, maybe_done: false }
    }
}

impl From<Failed> for Error {
    fn from(failed: Failed) -> Self {
        failed.error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_cannot_have_happened_is_repeated_blindly() {
        use Verdict::{Again, FreshToken, GiveUp};
        let answer = |status, reason: &str| Symptom::Answer {
            status,
            reason: (!reason.is_empty()).then(|| reason.to_owned()),
        };
        #[rustfmt::skip]
        let cases = [
            // what                symptom                                    safe        not safe
            ("no connection",      Symptom::NotSent,                          Again,      Again),
            ("answer lost",        Symptom::Lost,                             Again,      GiveUp),
            ("nonsense",           Symptom::Settled,                          GiveUp,     GiveUp),
            ("bad request",        answer(400, "badRequest"),                 GiveUp,     GiveUp),
            ("hiccup as a 400",    answer(400, "internalError"),              Again,      GiveUp),
            ("old token",          answer(401, "authError"),                  FreshToken, FreshToken),
            ("no right",           answer(403, "insufficientFilePermissions"),GiveUp,     GiveUp),
            ("no reason",          answer(403, ""),                           GiveUp,     GiveUp),
            ("slow down",          answer(403, "rateLimitExceeded"),          Again,      Again),
            ("slow down, user",    answer(403, "userRateLimitExceeded"),      Again,      Again),
            ("enough for today",   answer(403, "dailyLimitExceeded"),         GiveUp,     GiveUp),
            ("drive is full",      answer(403, "storageQuotaExceeded"),       GiveUp,     GiveUp),
            ("hiccup as a 403",    answer(403, "backendError"),               Again,      GiveUp),
            ("gone",               answer(404, "notFound"),                   GiveUp,     GiveUp),
            ("timeout",            answer(408, ""),                           Again,      GiveUp),
            ("taken",              answer(409, "fileIdInUse"),                GiveUp,     GiveUp),
            ("precondition",       answer(412, "conditionNotMet"),            GiveUp,     GiveUp),
            ("slow down, newer",   answer(429, ""),                           Again,      Again),
            ("server error",       answer(500, ""),                           Again,      GiveUp),
            ("not implemented",    answer(501, ""),                           GiveUp,     GiveUp),
            ("bad gateway",        answer(502, ""),                           Again,      GiveUp),
            ("unavailable",        answer(503, "backendError"),               Again,      GiveUp),
            ("gateway timeout",    answer(504, ""),                           Again,      GiveUp),
        ];
        for (what, symptom, safe, not_safe) in cases {
            assert_eq!(judge(&symptom, Repeat::Safe), safe, "{what}, safe to repeat");
            assert_eq!(judge(&symptom, Repeat::OnlyIfNotDone), not_safe, "{what}, not safe");
        }
    }

    #[test]
    fn a_server_out_of_reach_is_tried_for_a_while_and_one_that_answers_as_it_says() {
        let (quick, patient) = (Duration::from_secs(5), Duration::from_secs(120));
        let seconds = Duration::from_secs;
        let busy = Symptom::Answer { status: 503, reason: None };
        #[rustfmt::skip]
        let cases = [
            // symptom             after the wait   quick   patient
            (Symptom::NotSent,     seconds(1),      true,   true),
            (Symptom::NotSent,     seconds(5),      true,   true),
            (Symptom::NotSent,     seconds(6),      false,  true),
            (Symptom::NotSent,     seconds(121),    false,  false),
            (Symptom::Lost,        seconds(60),     true,   true),
            (busy,                 seconds(200),    true,   true),
        ];
        for (symptom, after, is_quick, is_patient) in cases {
            assert_eq!(goes_on(&symptom, after, quick), is_quick, "{symptom:?} {after:?}");
            assert_eq!(goes_on(&symptom, after, patient), is_patient, "{symptom:?} {after:?}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_and_has_an_end() {
        let now = "2026-11-21T10:00:00Z".parse().unwrap();
        #[rustfmt::skip]
        let cases = [
            ("0",                             Some(0)),
            (" 7 ",                           Some(7)),
            ("86400",                         Some(64)),
            ("99999999999999999999999",       Some(64)),
            ("Sat, 21 Nov 2026 10:00:09 GMT", Some(9)),
            ("Sat, 21 Nov 2026 09:59:00 GMT", Some(0)),
            ("Sat, 21 Nov 2099 09:59:00 GMT", Some(64)),
            ("-1",                            None),
            ("soon",                          None),
            ("",                              None),
        ];
        for (value, seconds) in cases {
            assert_eq!(retry_after(value, now), seconds.map(Duration::from_secs), "{value}");
        }
    }

    #[test]
    fn delays_grow_differ_and_end() {
        let all: Vec<_> = delays().collect();
        assert_eq!(all.len(), TRIES_MAX - 1);
        for (n, delay) in all.iter().enumerate() {
            let least = Duration::from_millis(500 << n);
            assert!(*delay >= least && *delay <= least * 2 + Duration::from_secs(1), "{all:?}");
        }
        assert_ne!(all, delays().collect::<Vec<_>>(), "no random part");
    }
}
