//! What is shown while something goes on: a spinner on a terminal, a line now and then elsewhere.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::pace::Pace;
use super::text::safe_line;
use super::ui::{columns, tell};
use crate::connections::Traffic;

/// How often it is looked at what is so now.
const LOOK: Duration = Duration::from_millis(500);

/// A spinner that goes away when it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    ticker: Option<tokio::task::JoinHandle<()>>,
    carried: Option<tokio::task::JoinHandle<()>>,
}

impl Progress {
    /// Shows `what` once it has lasted for a second.
    pub(super) fn begin(what: &'static str) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        let style = ProgressStyle::with_template("{spinner:.dim} {msg}{prefix} {elapsed:.dim}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        bar.set_message(what);
        let shown = bar.clone();
        let ticker = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            shown.set_draw_target(ProgressDrawTarget::stderr());
            shown.enable_steady_tick(Duration::from_millis(120));
            loop {
                let (held, waits) = (drive_api::calls_held_back(), drive_api::calls_waiting());
                shown.set_message(under_way(what, held > 0, waits > 0));
                tokio::time::sleep(LOOK).await;
            }
        });
        Self { bar: Some(bar), ticker: Some(ticker), carried: None }
    }

    /// Says also how far large files are.
    pub(super) fn with_traffic(mut self, what: &'static str, traffic: Traffic) -> Self {
        let bar = self.bar.clone();
        let began = tokio::time::Instant::now();
        let mut pace = Pace::default();
        self.carried = Some(tokio::spawn(async move {
            loop {
                tokio::time::sleep(LOOK).await;
                let Some(moved) = traffic.now() else {
                    bar.iter().for_each(|bar| bar.set_prefix(""));
                    continue;
                };
                let now = began.elapsed().as_secs_f64();
                match &bar {
                    // What is tried again is told instead.
                    Some(bar) if drive_api::calls_waiting() > 0 => bar.set_prefix(""),
                    Some(bar) => {
                        let room = columns().map(|all| all.saturating_sub(what.len() + 12));
                        bar.set_prefix(fitting(&pace.look(now, &moved), room));
                    }
                    None => {
                        if let Some(line) = pace.line(now, &moved) {
                            tell(&format!("{what}: {line}"));
                        }
                    }
                }
            }
        }));
        self
    }

    /// Shows a text that changes, cut to the width of the terminal.
    pub(crate) fn show(&self, text: &str) {
        if let Some(bar) = &self.bar {
            if let Ok(style) = ProgressStyle::with_template("{spinner:.dim} {wide_msg}") {
                bar.set_style(style);
            }
            bar.set_message(safe_line(text));
        }
    }

    /// True if something is shown.
    pub(crate) const fn is_shown(&self) -> bool {
        self.bar.is_some()
    }

    /// Lets something else be printed above it.
    pub(crate) fn aside(&self, print: impl FnOnce()) {
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        for ticker in [self.ticker.take(), self.carried.take()].into_iter().flatten() {
            ticker.abort();
        }
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Returns as many of the parts of a text as there is room for, behind a blank.
fn fitting(text: &str, room: Option<usize>) -> String {
    let mut fits = String::new();
    for (place, part) in text.split(", ").enumerate() {
        let next = format!("{fits}{}{part}", if place == 0 { " " } else { ", " });
        if room.is_some_and(|room| next.chars().count() > room) {
            break;
        }
        fits = next;
    }
    fits
}

/// Says what goes on, and why nothing does; short, as a line that is wrapped is not taken away whole.
fn under_way(what: &str, is_held: bool, waits: bool) -> String {
    match (is_held, waits) {
        (true, _) => format!("{what}; a pause, since the drive limits requests"),
        (false, true) => format!("{what}; no answer yet, trying again"),
        (false, false) => what.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_a_narrow_line_there_is_less_to_say() {
        let text = "1 GB of 2 GB sent, 25 MB/s, 40 s left";
        #[rustfmt::skip]
        let cases = [
            (None,     " 1 GB of 2 GB sent, 25 MB/s, 40 s left"),
            (Some(30), " 1 GB of 2 GB sent, 25 MB/s"),
            (Some(18), " 1 GB of 2 GB sent"),
            (Some(17), ""),
        ];
        for (room, expected) in cases {
            assert_eq!(fitting(text, room), expected, "{room:?}");
        }
    }

    #[test]
    fn a_pause_is_told_apart_from_an_answer_that_does_not_come() {
        assert_eq!(under_way("Syncing", false, false), "Syncing");
        assert_eq!(under_way("Syncing", false, true), "Syncing; no answer yet, trying again");
        let held = "Syncing; a pause, since the drive limits requests";
        assert_eq!(
            (under_way("Syncing", true, false), under_way("Syncing", true, true)),
            (held.to_owned(), held.to_owned())
        );
    }
}
