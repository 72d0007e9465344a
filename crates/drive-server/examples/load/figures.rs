//! Times of requests, and the row or the object that they make.

use std::{fmt, time::Duration};

use serde_json::{Value, json};

/// The head of the table, in Markdown.
pub(crate) const HEAD: &str = "\
| request | answered | a second | failed | p50 | p90 | p99 | slowest |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |";

/// One row.
#[derive(Debug)]
pub(crate) struct Figure {
    name: &'static str,
    times: Vec<Duration>,
    failed: usize,
    seconds: f64,
}

impl Figure {
    pub(crate) fn new(
        name: &'static str,
        mut times: Vec<Duration>,
        failed: usize,
        over: Duration,
    ) -> Self {
        times.sort_unstable();
        Self { name, times, failed, seconds: over.as_secs_f64() }
    }

    /// The time that so many of a hundred requests did not exceed, in milliseconds.
    pub(crate) fn percentile(&self, percent: usize) -> f64 {
        let last = self.times.len().saturating_sub(1);
        self.times.get(last * percent / 100).map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
    }

    /// Requests that were answered in a second.
    pub(crate) fn rate(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let count = self.times.len() as f64;
        count / self.seconds
    }

    /// True if something was asked and everything was answered in time: half of it within 5 ms and
    /// all but one in a hundred within 50 ms.
    pub(crate) fn is_good(&self) -> bool {
        self.failed == 0 && self.percentile(50) <= 5.0 && self.percentile(99) <= 50.0
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "request": self.name,
            "answered": self.times.len(),
            "a_second": self.rate(),
            "failed": self.failed,
            "p50_ms": self.percentile(50),
            "p90_ms": self.percentile(90),
            "p99_ms": self.percentile(99),
            "slowest_ms": self.percentile(100),
            "within_the_goal": self.is_good(),
        })
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, rate) = (self.times.len(), self.rate());
        write!(f, "| {} | {count} | {rate:.0} | {} |", self.name, self.failed)?;
        for percent in [50, 90, 99, 100] {
            write!(f, " {:.1} ms |", self.percentile(percent))?;
        }
        Ok(())
    }
}
