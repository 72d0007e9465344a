//! Moments as job files write them: `2026-11-20T12:39:16.346766Z`.
//!
//! Pure. The form is pydantic's for a UTC `datetime`: microseconds with six digits, or none at all
//! if they are zero.

use chrono::{DateTime, NaiveDateTime, SecondsFormat};

use crate::model::Timestamp;

/// Returns `moment` in the form that the Python client writes.
pub(crate) fn write(moment: Timestamp) -> String {
    let micros = moment.micros();
    let form = if micros % 1_000_000 == 0 { SecondsFormat::Secs } else { SecondsFormat::Micros };
    DateTime::from_timestamp_micros(micros).unwrap_or_default().to_rfc3339_opts(form, true)
}

/// Reads a moment; a text without a zone is UTC. `None` for anything that is no moment.
pub(crate) fn read(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let micros = DateTime::parse_from_rfc3339(text)
        .map(|moment| moment.timestamp_micros())
        .or_else(|_| {
            let naive =
                NaiveDateTime::parse_from_str(&text.replace(' ', "T"), "%Y-%m-%dT%H:%M:%S%.f");
            naive.map(|moment| moment.and_utc().timestamp_micros())
        })
        .ok()?;
    (micros >= 0).then(|| Timestamp::from_micros(micros))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_reads_back_as_it_was_written() {
        for text in ["2026-11-20T12:39:16.346766Z", "2026-11-20T12:39:16Z", "1970-01-01T00:00:00Z"]
        {
            assert_eq!(read(text).map(write).as_deref(), Some(text));
        }
    }

    #[test]
    fn other_forms_of_a_moment_are_read_too() {
        let moment = read("2026-11-20T12:39:16.500000Z");
        for text in
            ["2026-11-20T14:39:16.5+02:00", "2026-11-20 12:39:16.5", "2026-11-20T12:39:16.5"]
        {
            assert_eq!(read(text), moment, "{text}");
        }
        for text in ["", "yesterday", "2026-13-01T00:00:00Z", "1969-12-31T23:59:59Z"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
