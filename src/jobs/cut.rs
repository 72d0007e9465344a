//! Ending a run before it ends by itself: because its owner cancels it, from any terminal, or
//! because this program is told to end.
//!
//! Whoever runs a job holds its claim, and may be another process: another terminal, or
//! `syft serve`. So a cancellation is a file beside the claim, which the runner looks for. It names
//! the run that is meant, by when that began: written a moment too late, it does not end the next
//! one.

use std::convert::Infallible;
use std::io;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::tree::write_atomic;
use crate::model::Timestamp;

/// Why a run ended before it ended by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Its owner cancelled it.
    Cancelled {
        /// What the owner had to say.
        reason: Option<String>,
    },
    /// The program that ran it was told to end, or was killed.
    Interrupted,
}

/// Ends the runs that were given it. Clones are one.
#[derive(Clone, Debug)]
pub struct Stop(watch::Sender<bool>);

impl Default for Stop {
    fn default() -> Self {
        Self(watch::Sender::new(false))
    }
}

impl Stop {
    /// Ends them: they are settled as interrupted, and nothing new begins.
    pub fn wish(&self) {
        self.0.send_replace(true);
    }

    /// True once [`Stop::wish`] was called.
    pub fn is_wished(&self) -> bool {
        *self.0.borrow()
    }

    async fn wished(&self) {
        self.0.subscribe().wait_for(|wished| *wished).await.ok();
    }
}

/// What those who execute something are told: whether its end is wished.
#[derive(Clone, Debug)]
pub(crate) struct Wish(watch::Receiver<Option<Cut>>);

impl Wish {
    /// Returns once the end is wished; never if that cannot come any more.
    pub(crate) async fn made(&self) {
        if self.0.clone().wait_for(Option::is_some).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Returns why the end is wished, if it is.
    pub(crate) fn found(&self) -> Option<Cut> {
        self.0.borrow().clone()
    }
}

/// The cancellation of one run as it lies there.
#[derive(Serialize, Deserialize)]
struct Form {
    /// When the run began that is meant, in microseconds.
    run: i64,
    reason: Option<String>,
}

/// How often the file is looked for. A person does not notice that, and a look costs one system
/// call.
const PAUSE: Duration = Duration::from_millis(200);

/// Asks whoever runs it to end the run that began at `began`.
pub(crate) fn ask(file: &Path, began: Timestamp, reason: Option<&str>) -> io::Result<()> {
    let form = Form { run: began.micros(), reason: reason.map(str::to_owned) };
    write_atomic(file, &serde_json::to_vec(&form)?)
}

/// Returns what the owner said if the run that began at `began` is to end.
pub(crate) fn asked(file: &Path, began: Timestamp) -> Option<Cut> {
    let form: Form = serde_json::from_slice(&std::fs::read(file).ok()?).ok()?;
    (form.run == began.micros()).then_some(Cut::Cancelled { reason: form.reason })
}

/// Returns what tells when the end of the run that began at `began` is wanted, by `stop` or by
/// `file`, and what finds that out while it is polled; it never ends.
pub(crate) fn listen<'a>(
    file: &'a Path,
    began: Timestamp,
    stop: &'a Stop,
) -> (Wish, impl Future<Output = Infallible> + Send + use<'a>) {
    let (sender, wish) = watch::channel(None);
    let listener = async move {
        let cancelled = async {
            loop {
                if let Some(cut) = asked(file, began) {
                    return cut;
                }
                tokio::time::sleep(PAUSE).await;
            }
        };
        let cut = tokio::select! {
            biased;
            () = stop.wished() => Cut::Interrupted,
            cut = cancelled => cut,
        };
        sender.send_replace(Some(cut));
        std::future::pending().await
    };
    (Wish(wish), listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn told(file: &Path, began: Timestamp, stop: &Stop) -> Option<Cut> {
        let (wish, listener) = listen(file, began, stop);
        tokio::select! {
            () = wish.made() => wish.found(),
            never = listener => match never {},
        }
    }

    #[tokio::test]
    async fn a_cancellation_ends_the_run_that_it_names_and_no_other() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("runs/0.cancel");
        let [first, second] = [7, 8].map(Timestamp::from_micros);
        assert_eq!(asked(&file, first), None);
        ask(&file, first, Some("too slow")).unwrap();
        let reason = Some("too slow".to_owned());
        assert_eq!(asked(&file, first), Some(Cut::Cancelled { reason: reason.clone() }));
        assert_eq!(asked(&file, second), None);
        let stop = Stop::default();
        assert_eq!(told(&file, first, &stop).await, Some(Cut::Cancelled { reason }));
        let (wish, listener) = listen(&file, second, &stop);
        let moment = tokio::time::timeout(PAUSE * 2, listener).await;
        assert!(moment.is_err() && wish.found().is_none(), "another run is meant");
        std::fs::write(&file, "{").unwrap();
        assert_eq!(asked(&file, first), None, "half a file is none");
    }

    #[tokio::test]
    async fn a_stop_ends_all_that_were_given_it() {
        let stop = Stop::default();
        let none = Path::new("/nonexistent/x.cancel");
        let [first, second] = [1, 2].map(Timestamp::from_micros);
        let both = futures::future::join(told(none, first, &stop), told(none, second, &stop));
        stop.wish();
        assert_eq!(both.await, (Some(Cut::Interrupted), Some(Cut::Interrupted)));
        assert!(stop.is_wished());
    }
}
