//! `syft serve`: the account's service. It syncs whenever something changes, approves whom a rule
//! names, and tells what is news.
//!
//! Syncing and sending go on beside each other. Whatever fails is told and tried again; nothing but
//! the system's wish, or Ctrl-C, ends it, and that is no failure.

use std::cell::RefCell;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;

use super::context::Context;
use super::hints;
use super::job::{ran_json, serving};
use super::report::{Exit, Failure, Outcome};
use super::sync::{Record, exit_of, quietly_failed, report_json, tell, tell_needs};
use super::text::{age, count};
use super::ui::Ui;
use crate::channels::Way;
use crate::client::{
    Attendant, Attended, Client, Clock as _, Configuration, Courier, Delivery, Error, Looked, Pace,
    Read, Runner, ServeLock, SystemClock, Watch, WatchEvent, WatchOptions,
};
use crate::connections::Usage;
use crate::jobs::Stop;
use crate::model::{Code, Email, Role};
use crate::notices::{News, sentence};
use crate::syncers::{Report, SyncOptions};

const EXAMPLES: &str = "\
Examples:
  syft serve
  syft serve --once --quiet     # from cron: sync, approve, tell, and end
  syft auto-approve add @uni.edu
  syft notify set email --to me@example.org --server smtp.example.org --user me";

/// Serve your account: sync, approve people by rule, and tell you what is new
///
/// Runs until Ctrl-C or until the system ends it, and may be killed at any time: it goes on from
/// where it was. People whom `syft auto-approve` names are approved when they ask; jobs never are,
/// each waits for you. With `serve = true` below `[jobs]` in `settings.toml`, jobs that you have
/// approved are run, one at a time. `syft notify` says who is told what, by e-mail, a webhook or a
/// command.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Do it once and end
    #[arg(long)]
    once: bool,

    /// With --once, say nothing unless a person is needed, and that once: for cron
    ///
    /// All else is in the log that `syft service status` names. Exit codes stay as they are.
    #[arg(long, short, requires = "once")]
    quiet: bool,

    /// Ask the drive at least this often while things happen
    #[arg(long, value_name = "SECS", default_value_t = 10, conflicts_with = "once")]
    interval: u64,
}

impl Args {
    /// True if nothing but what needs a person is to be told.
    pub(super) const fn is_quiet(&self) -> bool {
        self.quiet
    }
}

/// How long what is being sent when we are told to end may take.
const FAREWELL: Duration = Duration::from_secs(1);

/// How long jobs that run when we are told to end may take to be ended and settled.
const SETTLING: Duration = Duration::from_secs(10);

/// How long after a failure of this machine's own disk the next try is.
const DISK_PAUSE: Duration = Duration::from_secs(60);

pub(crate) async fn run(args: &Args, context: &Context, ui: &mut Ui) -> Outcome {
    let stop = super::signals::stop();
    let configuration = context.configuration()?.patient();
    let client = context.open().await?;
    let account = client.email().clone();
    let _lock = ServeLock::take(&configuration, &account).map_err(|error| match error {
        Error::Locked { .. } => {
            let text = format!("another `syft serve` looks after {account}");
            Failure { exit: Exit::Locked, ..Failure::new(Code::Locked, text) }
                .hint("one is enough; end the other one first if you want to start it anew")
        }
        error => error.into(),
    })?;
    let attendant = Attendant::open(&configuration, &account)?;
    if args.once {
        return tokio::select! {
            outcome = once(&client, attendant, &configuration, args.quiet, ui) => outcome,
            () = stop => Err(Failure {
                exit: Exit::Interrupted,
                ..Failure::new(Code::Interrupted, "interrupted")
            }),
        };
    }
    greet(&client, &attendant, ui);
    let role = client.role();
    drop(client);
    let mut attendant = attendant;
    let mut record = Record::load(&configuration, Some(&account), false);
    let mut stop = std::pin::pin!(stop);
    loop {
        let options = WatchOptions {
            sync: SyncOptions::default(),
            pace: Pace::of_interval(Duration::from_secs(args.interval)),
        };
        let watch = Watch::open(configuration.clone(), Some(account.clone()), options).await?;
        let courier = Courier::open(&configuration, &account, role)?;
        let session = Session {
            watch,
            courier,
            runner: Runner::open(&configuration, &account).await?,
            attendant: &mut attendant,
            record: &mut record,
            ui: RefCell::new(ui),
            wake: watch::Sender::new(Wake::Look),
        };
        if session.run(&mut stop).await == Ended::Stopped {
            break;
        }
        ui.say("The state database was set aside by another command; beginning with the new one");
    }
    ui.answer(&json!({ "stopped": true }));
    ui.say("Stopped; what waits is kept, and goes on with the next `syft serve`");
    Ok(Exit::Done)
}

fn greet(client: &Client, attendant: &Attendant, ui: &mut Ui) {
    ui.say(format_args!("Serving {}; Ctrl-C stops", client.email()));
    let settings = attendant.settings();
    if Way::ALL.iter().all(|way| settings.told(*way).is_none()) {
        ui.hint("nobody is told anything yet; see `syft notify set --help`");
    }
    let rules = settings.auto_approve.len();
    if rules > 0 && client.role() == Role::Owner {
        ui.say(format_args!(
            "People are approved by {}; jobs wait for you",
            count(rules, "rule", "rules")
        ));
    }
}

/// Syncs once, looks, and tries once to send what there is to tell.
async fn once(
    client: &Client,
    mut attendant: Attendant,
    configuration: &Configuration,
    is_quiet: bool,
    ui: &mut Ui,
) -> Outcome {
    let mut record = Record::load(configuration, Some(client.email()), is_quiet);
    let synced = client.sync(&SyncOptions::default()).await;
    if let Err(error @ Error::Locked { .. }) = synced {
        return if is_quiet {
            quietly_failed(error, json!({}), &mut record, ui)
        } else {
            Err(error.into())
        };
    }
    let attended = attendant.after_sync(client, synced.as_ref()).await?;
    let (ran, could_run) = serving::once(client, configuration, is_quiet, ui).await;
    let courier = Courier::open(configuration, client.email(), client.role())?;
    let mut deliveries = Vec::new();
    loop {
        let round = courier.round(&SystemClock).await?;
        let is_over = !round.iter().any(|one| matches!(one, Delivery::Sent { .. }));
        deliveries.extend(round);
        if is_over {
            break;
        }
    }
    let (mut answer, mut exit) = match &synced {
        Ok(report) => (report_json(report, client.usage()), exit_of(report, client.role())),
        Err(_) => (json!({}), Exit::Failed),
    };
    let failed = deliveries.iter().any(|one| matches!(one, Delivery::Failed { .. }));
    if exit == Exit::Done && (failed || !could_run || !attended.not_approved.is_empty()) {
        exit = Exit::Problems;
    }
    let approved = attended.approved.iter();
    let approved = approved.map(|one| json!({ "email": one.peer.as_str(), "rule": one.rule }));
    answer["approved"] = approved.collect();
    answer["jobs"] = ran_json(&ran).into();
    answer["news"] = attended.news.iter().map(News::to_json).collect();
    answer["notices"] = deliveries.iter().filter_map(delivery_json).collect();
    if is_quiet {
        return match synced {
            Ok(report) => {
                ui.answer(&answer);
                // What a person has to see to is told as problems of the sync are: once.
                let report = with_troubles(report, &attended, &deliveries);
                let news = record.synced(&report, client.role());
                tell_needs(&news, ui);
                record.keep(ui);
                Ok(exit)
            }
            Err(error) => quietly_failed(error, answer, &mut record, ui),
        };
    }
    tell_attended(&attended, ui);
    serving::tell(&ran, &mut std::collections::BTreeMap::new(), ui);
    deliveries.iter().for_each(|delivery| tell_delivery(delivery, ui));
    match synced {
        Ok(report) => {
            ui.answer(&answer);
            record.synced(&report, client.role());
            tell(&report, client.role(), client.usage(), ui);
            record.keep(ui);
            Ok(exit)
        }
        Err(error) => {
            record.failed(&error);
            record.keep(ui);
            Err(error.into())
        }
    }
}

/// What could not be told, and who could not be approved, as problems of the sync.
fn with_troubles(mut report: Report, attended: &Attended, deliveries: &[Delivery]) -> Report {
    for (peer, error) in &attended.not_approved {
        let text = format!("{peer} could not be approved yet: {}", super::report::chain(error));
        report.problem_with(peer, error.code(), text);
    }
    for delivery in deliveries {
        if let Delivery::Failed { way, problem, .. } = delivery {
            let reason = super::report::chain(problem);
            report.problem(Code::NotTold, format!("not told by {}: {reason}", way.as_str()));
        }
    }
    if let Read::Broken(problem) = &attended.settings {
        report.problem(Code::ServeSettings, format!("the settings cannot be read: {problem}"));
    }
    report
}

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// We were told to.
    Stopped,
    /// Another state database has taken the place of ours.
    Displaced,
}

/// Syncing and sending, until one of the reasons to end.
struct Session<'a, 'u> {
    watch: Watch,
    courier: Courier,
    runner: Option<Runner>,
    attendant: &'a mut Attendant,
    record: &'a mut Record,
    ui: RefCell<&'u mut Ui>,
    wake: watch::Sender<Wake>,
}

/// What those who send are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wake {
    /// There may be something to send.
    Look,
    /// Begin nothing more.
    Stop,
}

impl Session<'_, '_> {
    async fn run(self, stop: &mut (impl Future<Output = ()> + Unpin)) -> Ended {
        let Self { watch, courier, runner, attendant, record, ui, wake } = self;
        let (courier, ui) = (&courier, &ui);
        let end_jobs = Stop::default();
        let jobs = serving::run(runner.as_ref(), ui, &end_jobs, wake.subscribe());
        let mut jobs = std::pin::pin!(jobs);
        let all = Way::ALL.map(|way| send(way, courier, ui, wake.subscribe()));
        let mut sending = futures::future::join_all(all);
        let ended = tokio::select! {
            () = attend(watch, attendant, record, ui, &wake) => Ended::Displaced,
            _ = &mut sending => Ended::Displaced,
            () = &mut jobs => Ended::Displaced,
            () = stop => Ended::Stopped,
        };
        wake.send_replace(Wake::Stop);
        if runner.is_some() {
            end_jobs.wish();
            tokio::time::timeout(SETTLING, jobs).await.ok();
        }
        // What is not through by then is sent again, and says so.
        tokio::time::timeout(FAREWELL, sending).await.ok();
        ended
    }
}

/// Syncs and looks, until the state database is another one.
async fn attend(
    mut watch: Watch,
    attendant: &mut Attendant,
    record: &mut Record,
    ui: &RefCell<&mut Ui>,
    wake: &watch::Sender<Wake>,
) {
    let mut last_problem = None;
    loop {
        let event = watch.next().await;
        let client = watch.client();
        let attended = match &event {
            WatchEvent::Synced { report, .. } => attendant.after_sync(client, Ok(report)).await,
            WatchEvent::Failed { error, .. } => attendant.after_sync(client, Err(error)).await,
            WatchEvent::Renewed => return,
            _ => {
                tell_event(event, client, record, &mut ui.borrow_mut());
                continue;
            }
        };
        let mut ui = ui.borrow_mut();
        tell_event(event, client, record, &mut ui);
        match attended {
            Ok(attended) => {
                last_problem = None;
                tell_attended(&attended, &mut ui);
                wake.send_replace(Wake::Look);
            }
            Err(error) => tell_failure(error.into(), &mut last_problem, &mut ui),
        }
        ui.flush();
    }
}

/// Sends what is to go `way`, until we are told to end.
async fn send(way: Way, courier: &Courier, ui: &RefCell<&mut Ui>, mut wake: watch::Receiver<Wake>) {
    let mut last_problem = None;
    while *wake.borrow_and_update() != Wake::Stop {
        let pause = match courier.look(way, &SystemClock).await {
            Ok(Looked { delivery, next }) => {
                if let Some(delivery) = delivery {
                    tell_delivery(&delivery, &mut ui.borrow_mut());
                }
                next.map(|next| next.seconds() - SystemClock.now().seconds())
            }
            Err(error) => {
                tell_failure(error.into(), &mut last_problem, &mut ui.borrow_mut());
                Some(DISK_PAUSE.as_secs_f64())
            }
        };
        let pause = pause.map(|seconds| Duration::try_from_secs_f64(seconds.max(0.0)));
        let woken = wake.changed();
        match pause {
            Some(pause) => {
                tokio::time::timeout(pause.unwrap_or(DISK_PAUSE), woken).await.ok();
            }
            None => drop(woken.await),
        }
    }
}

fn tell_event(event: WatchEvent, client: &Client, record: &mut Record, ui: &mut Ui) {
    match event {
        WatchEvent::Synced { report, requests, quota_units } => {
            // What was told before is left out.
            let news = record.synced(&report, client.role());
            let report = Report { problems: news.problems, ..report };
            if !report.is_idle() {
                tell(&report, client.role(), Usage { requests, quota_units }, ui);
            }
            record.keep(ui);
        }
        WatchEvent::Failed { error, is_news, .. } => {
            record.failed(&error);
            if is_news {
                ui.warn(format_args!("{}; it is tried again", super::report::chain(&error)));
            }
            record.keep(ui);
        }
        WatchEvent::Renewed => {}
        WatchEvent::Recovered { after } => {
            ui.done(format_args!("It works again, after {}", minutes(after)));
        }
        WatchEvent::Locked => ui.say("Another `syft` works on the SyftBox; waiting for it"),
        WatchEvent::Woke { slept } => {
            ui.say(format_args!("The machine slept for {}; syncing", minutes(slept)));
        }
        WatchEvent::Reopened { email } => {
            ui.say(format_args!("The login of {email} has changed; using it"));
        }
        WatchEvent::Deaf { reason } => {
            ui.warn(format_args!("Changes here are seen only now and then: {reason}"));
        }
    }
}

fn tell_attended(attended: &Attended, ui: &mut Ui) {
    match &attended.settings {
        Read::Broken(problem) => {
            ui.warn(format_args!("The settings cannot be read, those before go on: {problem}"));
        }
        Read::Changed => ui.say("Read the changed settings"),
        Read::Same => {}
    }
    for admission in &attended.approved {
        let (peer, rule) = (&admission.peer, &admission.rule);
        ui.done(format_args!("{peer} may now work with you, by your rule `{rule}`"));
    }
    for (peer, error) in &attended.not_approved {
        let reason = super::report::chain(error);
        ui.warn(format_args!("{peer} could not be approved yet: {reason}"));
    }
    for news in &attended.news {
        ui.say(format_args!("News: {}", sentence(news)));
    }
}

fn tell_delivery(delivery: &Delivery, ui: &mut Ui) {
    match delivery {
        Delivery::Sent { way, subject, is_repeat } => {
            let again = if *is_repeat { " (it may have been received before)" } else { "" };
            ui.done(format_args!("Told by {}: {subject}{again}", way.as_str()));
        }
        Delivery::Failed { way, problem, again_after_s } => {
            let reason = super::report::chain(problem);
            let way = way.as_str();
            ui.warn(format_args!("Not told by {way}: {reason}; again in {again_after_s} s"));
            if let Some(hint) = hints::of_channel(problem) {
                ui.hint(hint);
            }
        }
        Delivery::Dropped { way, count: number } => {
            let what = count(*number, "notice or piece of news", "notices and pieces of news");
            ui.say(format_args!("Nobody is told by {} any more; {what} dropped", way.as_str()));
        }
    }
}

/// Tells a failure of this machine once.
pub(super) fn tell_failure(failure: Failure, last: &mut Option<String>, ui: &mut Ui) {
    if last.as_ref() != Some(&failure.message) {
        ui.warn(format_args!("{}; it is tried again", failure.message));
        if let Some(hint) = &failure.hint {
            ui.hint(hint);
        }
        *last = Some(failure.message);
    }
}

fn delivery_json(delivery: &Delivery) -> Option<Value> {
    match delivery {
        Delivery::Sent { way, subject, is_repeat } => Some(
            json!({ "way": way.as_str(), "sent": true, "subject": subject, "repeat": is_repeat }),
        ),
        Delivery::Failed { way, problem, .. } => {
            let message = super::report::chain(problem);
            Some(json!({ "way": way.as_str(), "sent": false, "message": message }))
        }
        Delivery::Dropped { .. } => None,
    }
}

/// A duration for people.
fn minutes(duration: Duration) -> String {
    let text = age(0.0, duration.as_secs_f64());
    text.strip_suffix(" ago").map_or_else(|| "less than a minute".to_owned(), str::to_owned)
}

/// Returns the account and its role: of whom a command about the service is.
pub(crate) async fn whose(context: &Context) -> Result<(Configuration, Email, Role), Failure> {
    let client = context.open().await?;
    Ok((context.configuration()?, client.email().clone(), client.role()))
}
