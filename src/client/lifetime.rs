//! How long a sign-in lasts: known from its first day where the server or a person said so, and
//! told in time.
//!
//! A sign-in with an app in Testing ends after seven days, and keeps that end when the app is
//! published later. Source: <https://developers.google.com/identity/protocols/oauth2#expiration>.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use drive_api::auth::TokenSource;

use super::{Client, Configuration};
use crate::model::{Code, Timestamp};
use crate::syncers::Report;

/// Days that a sign-in with an app in Testing lasts.
pub const TESTING_DAYS: i64 = 7;

/// How long before its end a sign-in is a problem that somebody has to look at.
const WARNING: TimeDelta = TimeDelta::hours(48);

/// What is left of a sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remaining {
    /// It is over.
    Over,
    /// Less than two days: so many hours.
    Hours(i64),
    /// So many days.
    Days(i64),
}

impl Remaining {
    /// True if somebody should sign in again now.
    pub const fn is_urgent(self) -> bool {
        matches!(self, Self::Over | Self::Hours(_))
    }
}

/// Returns what is left of a sign-in that ends then.
pub fn remaining(ends: DateTime<Utc>, now: DateTime<Utc>) -> Remaining {
    let left = ends - now;
    if left <= TimeDelta::zero() {
        Remaining::Over
    } else if left <= WARNING {
        Remaining::Hours(left.num_hours())
    } else {
        Remaining::Days(left.num_days())
    }
}

/// The sign-in that a client works with.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) configuration: Configuration,
    pub(super) tokens: Option<Arc<dyn TokenSource>>,
    pub(super) ends: Option<DateTime<Utc>>,
}

impl Client {
    /// Returns when the sign-in ends, as far as is known; `None`: no end is known.
    pub async fn sign_in_ends(&self) -> Option<DateTime<Utc>> {
        let session = self.session.as_ref()?;
        match &session.tokens {
            Some(tokens) => tokens.ends().await.or(session.ends),
            None => session.ends,
        }
    }

    /// Keeps what a renewal told about the end of the sign-in, and reports an end that is near.
    pub(super) async fn watch_sign_in(&self, report: &mut Report) {
        let Some(ends) = self.sign_in_ends().await else { return };
        if let Some(session) = &self.session
            && session.ends != Some(ends)
        {
            self.keep_end(session, ends);
        }
        let now = moment(self.now());
        if remaining(ends, now).is_urgent() {
            report.problem(Code::AppInTesting, format!("your sign-in {}", told(ends, now)));
        }
    }

    /// What cannot be kept is learnt again by the next renewal.
    fn keep_end(&self, session: &Session, ends: DateTime<Utc>) {
        let configuration = &session.configuration;
        if let Ok(Some(mut login)) = configuration.login(self.email())
            && login.ends != Some(ends)
        {
            login.ends = Some(ends);
            if let Err(error) = configuration.save(self.email(), &login) {
                tracing::warn!(%error, "the end of the sign-in is not kept");
            }
        }
    }
}

/// Says when a sign-in ends, or ended.
pub fn told(ends: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let day = ends.format("%a %-d %b, %H:%M UTC");
    match remaining(ends, now) {
        Remaining::Over => format!("ended on {day}"),
        Remaining::Hours(hours) => format!("ends on {day}, in {hours} hours"),
        Remaining::Days(days) => format!("ends on {day}, in {days} days"),
    }
}

/// Returns a time of ours as a date.
pub fn moment(time: Timestamp) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(time.micros()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_told_from_the_first_day_and_urgent_two_days_before() {
        let ends: DateTime<Utc> = "2026-11-28T10:00:00Z".parse().unwrap();
        #[rustfmt::skip]
        let cases = [
            ("2026-11-21T10:00:00Z", Remaining::Days(7),   "ends on Sat 28 Nov, 10:00 UTC, in 7 days"),
            ("2026-11-26T09:59:59Z", Remaining::Days(2),   "ends on Sat 28 Nov, 10:00 UTC, in 2 days"),
            ("2026-11-26T10:00:00Z", Remaining::Hours(48), "ends on Sat 28 Nov, 10:00 UTC, in 48 hours"),
            ("2026-11-28T09:59:59Z", Remaining::Hours(0),  "ends on Sat 28 Nov, 10:00 UTC, in 0 hours"),
            ("2026-11-28T10:00:00Z", Remaining::Over,      "ended on Sat 28 Nov, 10:00 UTC"),
        ];
        for (now, expected, text) in cases {
            let now = now.parse().unwrap();
            assert_eq!(remaining(ends, now), expected, "{now}");
            assert_eq!(told(ends, now), text);
            assert_eq!(remaining(ends, now).is_urgent(), !matches!(expected, Remaining::Days(_)));
        }
    }
}
