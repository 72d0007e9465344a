//! Times of requests, and the row that they make.

use std::{fmt, time::Duration};

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
    fn percentile(&self, percent: usize) -> f64 {
        let last = self.times.len().saturating_sub(1);
        self.times.get(last * percent / 100).map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.times.len();
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let rate = count as f64 / self.seconds;
        write!(f, "| {} | {count} | {rate:.0} | {} |", self.name, self.failed)?;
        for percent in [50, 90, 99, 100] {
            write!(f, " {:.1} ms |", self.percentile(percent))?;
        }
        Ok(())
    }
}
