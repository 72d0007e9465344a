//! Reads the clock, the only place that does, and writes times as Drive does.
//!
//! Inside, a time is milliseconds since 1970 in UTC; on the wire it is RFC 3339 with milliseconds.

use chrono::{DateTime, NaiveDate, NaiveDateTime, SecondsFormat, Utc};

/// Returns the time of day in milliseconds since 1970.
#[expect(clippy::disallowed_methods, reason = "the one place where this server reads the clock")]
pub(crate) fn now_ms() -> i64 {
    Utc::now().timestamp_millis()
}

/// Writes a time as `2026-01-31T12:00:00.000Z`; a time outside of chrono's years becomes 1970.
pub(crate) fn to_rfc3339(ms: i64) -> String {
    DateTime::from_timestamp_millis(ms)
        .unwrap_or_default()
        .to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Reads an RFC 3339 time; one without a zone is UTC, one without a time of day is midnight.
pub(crate) fn parse(text: &str) -> Option<i64> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.timestamp_millis());
    }
    if let Ok(time) = text.parse::<NaiveDateTime>() {
        return Some(time.and_utc().timestamp_millis());
    }
    let day = text.parse::<NaiveDate>().ok()?;
    Some(day.and_hms_opt(0, 0, 0)?.and_utc().timestamp_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_every_form_that_clients_send() {
        #[rustfmt::skip]
        let cases = [
            ("2026-01-31T12:00:00.250Z",      Some(1_769_860_800_250)),
            ("2026-01-31T14:00:00.250+02:00", Some(1_769_860_800_250)),
            ("2026-01-31T12:00:00",           Some(1_769_860_800_000)),
            ("2026-01-31",                    Some(1_769_817_600_000)),
            ("yesterday",                     None),
            ("",                              None),
        ];
        for (text, ms) in cases {
            assert_eq!(parse(text), ms, "{text}");
        }
        assert_eq!(to_rfc3339(1_769_860_800_250), "2026-01-31T12:00:00.250Z");
    }
}
