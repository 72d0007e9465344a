//! Moments as the wire writes them: seconds since the epoch, as a float in canonical text.

use std::fmt;

/// A moment: seconds since 1970-01-01 UTC, as a 64-bit float.
///
/// File names carry it in the text form that Python's `repr(float)` gives, and a Python reader
/// looks a file up by formatting the number again; [`Timestamp::canonical`] writes that form and
/// [`Timestamp::parse_canonical`] accepts no other.
///
/// Invariant: finite, not negative, below 1e16 (beyond that the text form changes).
#[derive(Clone, Copy, PartialEq)]
pub struct Timestamp(f64);

/// A number or text that is no moment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a timestamp")]
pub struct InvalidTimestamp(String);

const LIMIT: f64 = 1e16;

impl Timestamp {
    /// The start of the epoch.
    pub const ZERO: Self = Self(0.0);

    /// Wraps seconds since the epoch.
    ///
    /// # Errors
    /// [`InvalidTimestamp`] if the invariant does not hold.
    pub fn from_seconds(seconds: f64) -> Result<Self, InvalidTimestamp> {
        // `+ 0.0` turns -0.0 into 0.0, so that equal moments have equal text.
        if (0.0..LIMIT).contains(&seconds) {
            Ok(Self(seconds + 0.0))
        } else {
            Err(InvalidTimestamp(seconds.to_string()))
        }
    }

    /// Returns the moment `micros` microseconds after the epoch; `ZERO` if that is negative.
    #[expect(clippy::cast_precision_loss, reason = "exact up to the year 2255")]
    pub fn from_micros(micros: i64) -> Self {
        Self(micros.clamp(0, 9_000_000_000_000_000) as f64 / 1e6)
    }

    /// Reads the text of a file name.
    ///
    /// # Errors
    /// [`InvalidTimestamp`] unless writing the number again gives the same text.
    pub fn parse_canonical(text: &str) -> Result<Self, InvalidTimestamp> {
        let refused = || InvalidTimestamp(text.chars().take(40).collect());
        let seconds: f64 = text.parse().map_err(|_| refused())?;
        let timestamp = Self::from_seconds(seconds).map_err(|_| refused())?;
        if timestamp.canonical() == text { Ok(timestamp) } else { Err(refused()) }
    }

    /// Returns the seconds since the epoch.
    pub const fn seconds(self) -> f64 {
        self.0
    }

    /// Returns the microseconds since the epoch, rounded.
    #[expect(clippy::cast_possible_truncation, reason = "bounded by the invariant")]
    pub fn micros(self) -> i64 {
        (self.0 * 1e6).round().min(9e18) as i64
    }

    /// Returns the text that Python's `repr(float)` gives: `1780000000.0`, `1780000001.5`.
    pub fn canonical(self) -> String {
        let text = format!("{:?}", self.0);
        // Rust writes 1e-5 where Python writes 1e-05; no moment of ours is that small, but a
        // peer's may be.
        match text.split_once("e-") {
            Some((mantissa, exponent)) if exponent.len() == 1 => {
                format!("{mantissa}e-0{exponent}")
            }
            _ => text,
        }
    }

    /// Returns the first moment after `self` and not before `now` that is fit for a file name of
    /// ours: six decimals that do not end in 0, so that the order of names is the order of
    /// numbers for a reader that sorts by name.
    pub fn next_for_name(self, now: Self) -> Self {
        let mut micros = now.micros().max(self.micros() + 1);
        if micros % 10 == 0 {
            micros += 1;
        }
        Self::from_micros(micros)
    }
}

impl Eq for Timestamp {}

impl PartialOrd for Timestamp {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Timestamp {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.canonical())
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Timestamp({})", self.canonical())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_the_canonical_text_is_read() {
        for text in ["1780000000.0", "1780000001.5", "1780000000.109375", "0.0", "1e-05"] {
            assert_eq!(Timestamp::parse_canonical(text).map(Timestamp::canonical), Ok(text.into()));
        }
        for text in ["1780000000", "1780000000.50", "nan", "inf", "-1.5", "1e300", "", "+1.0"] {
            assert!(Timestamp::parse_canonical(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn names_sort_as_numbers(start in 1_700_000_000_000_000_i64..4_000_000_000_000_000, step in 0_i64..50) {
            let first = Timestamp::ZERO.next_for_name(Timestamp::from_micros(start));
            let second = first.next_for_name(Timestamp::from_micros(start - 20 + step));
            prop_assert!(second > first);
            let (a, b) = (first.canonical(), second.canonical());
            prop_assert_eq!(a.len(), b.len());
            prop_assert!(a < b, "{} {}", a, b);
            prop_assert_eq!(Timestamp::parse_canonical(&a), Ok(first));
        }
    }
}
