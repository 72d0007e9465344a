//! `syft serve` runs approved jobs, where the settings say so.

use std::cell::RefCell;
use std::collections::BTreeMap;

use tokio::sync::{mpsc, watch};

use super::board;
use crate::cli::report::Failure;
use crate::cli::serve::{Wake, tell_failure};
use crate::cli::ui::Ui;
use crate::client::{Client, Configuration, Error, Ran, RunEvent, Runner};
use crate::jobs::{JobId, Stop};
use crate::syncers::SyncOptions;

/// Runs what is approved each time that there may be something, until we are told to end. What runs
/// then is ended with `stop`.
pub(crate) async fn run(
    runner: Option<&Runner>,
    ui: &RefCell<&mut Ui>,
    stop: &Stop,
    mut wake: watch::Receiver<Wake>,
) {
    let Some(runner) = runner else { return std::future::pending().await };
    let (mut last_problem, mut last_errors) = (None, BTreeMap::new());
    while *wake.borrow_and_update() != Wake::Stop && !stop.is_wished() {
        match round(runner, ui, stop).await {
            Ok(ran) => {
                last_problem = None;
                let mut ui = ui.borrow_mut();
                tell(&ran, &mut last_errors, &mut ui);
                ui.flush();
            }
            // Somebody else works on the SyftBox: after the next sync, then.
            Err(Error::Locked { .. }) => {}
            Err(error) => tell_failure(error.into(), &mut last_problem, &mut ui.borrow_mut()),
        }
        if wake.changed().await.is_err() {
            return;
        }
    }
}

/// Runs what is approved, if the settings say so, and sends how that ended. Returns also whether
/// that could be done.
pub(crate) async fn once(
    client: &Client,
    configuration: &Configuration,
    is_quiet: bool,
    ui: &mut Ui,
) -> (Vec<Ran>, bool) {
    let run = async {
        let Some(runner) = Runner::open(configuration, client.email()).await? else {
            return Ok(Vec::new());
        };
        let ran = runner.round(&Stop::default(), &|_| ()).await?;
        if !ran.is_empty() {
            client.sync(&SyncOptions::default()).await?;
        }
        Ok::<_, Error>(ran)
    };
    match run.await {
        Ok(ran) => (ran, true),
        Err(error) => {
            if !is_quiet {
                tell_failure(error.into(), &mut None, ui);
            }
            (Vec::new(), false)
        }
    }
}

async fn round(
    runner: &Runner,
    ui: &RefCell<&mut Ui>,
    stop: &Stop,
) -> crate::client::Result<Vec<Ran>> {
    let (sender, mut begun) = mpsc::unbounded_channel::<JobId>();
    let tell = |event: RunEvent<'_>| {
        if let RunEvent::Began(job) = event {
            sender.send(job.clone()).ok();
        }
    };
    let mut round = std::pin::pin!(runner.round(stop, &tell));
    loop {
        tokio::select! {
            biased;
            Some(job) = begun.recv() => {
                let mut ui = ui.borrow_mut();
                ui.say(format_args!("Running `{}` of {}", job.name, job.submitter));
                ui.flush();
            }
            ran = &mut round => return ran,
        }
    }
}

/// Tells what came of each job; that one cannot run is told once.
pub(crate) fn tell(ran: &[Ran], last: &mut BTreeMap<JobId, String>, ui: &mut Ui) {
    for one in ran {
        match &one.result {
            Ok(_) => {
                last.remove(&one.job);
            }
            Err(error) => {
                let message = Failure::from(error).message;
                if last.insert(one.job.clone(), message.clone()) == Some(message) {
                    continue;
                }
            }
        }
        board::say(one, ui);
    }
}
