//! `syft sync --watch`: tells what [`Watch`] does, until Ctrl-C.
//!
//! Invariant: what stays as it is is told once, not with every sync.

use std::time::Duration;

use super::record::Record;
use super::{Args, tell, tell_needs};
use crate::cli::context::Context;
use crate::cli::hints;
use crate::cli::report::{Failure, Outcome};
use crate::cli::ui::Ui;
use crate::client::{self, Pace, Watch, WatchEvent, WatchOptions};
use crate::connections::Usage;
use crate::syncers::Report;

pub(crate) async fn run(args: &Args, context: &Context, ui: &mut Ui) -> Outcome {
    let pace = Pace::of_interval(Duration::from_secs(args.interval));
    let options = WatchOptions { sync: args.options(), pace };
    let (configuration, email) = (context.configuration()?.patient(), context.email()?);
    let mut record = Record::load(&configuration, email.as_ref(), args.quiet);
    let mut watch = Watch::open(configuration.clone(), email, options).await?;
    record.is_of(watch.client().email());
    if !args.quiet {
        let folder = watch.client().folders().syftbox.clone();
        ui.say(format_args!("Watching `{}`; Ctrl-C stops", folder.display()));
    }
    loop {
        match watch.next().await {
            WatchEvent::Synced { report, requests, quota_units } => {
                let usage = Usage { requests, quota_units };
                synced(&watch, report, usage, args.quiet, &mut record, ui);
            }
            WatchEvent::Failed { error, is_news, .. } => {
                failed(error, is_news, args.quiet, &mut record, ui);
            }
            event if args.quiet => {
                if let WatchEvent::Reopened { email } = event {
                    record.is_of(&email);
                }
            }
            event => {
                if let WatchEvent::Reopened { email } = &event {
                    record.is_of(email);
                }
                tell_event(&event, args, ui);
            }
        }
    }
}

fn synced(
    watch: &Watch,
    report: Report,
    usage: Usage,
    is_quiet: bool,
    record: &mut Record,
    ui: &mut Ui,
) {
    let role = watch.client().role();
    let news = record.synced(&report, role);
    // What was told before is left out.
    let told = Report { problems: news.problems.clone(), ..report };
    if is_quiet {
        tell_needs(&news, ui);
    } else if !told.is_idle() {
        tell(&told, role, usage, ui);
    }
    record.keep(ui);
}

fn failed(error: client::Error, is_news: bool, is_quiet: bool, record: &mut Record, ui: &mut Ui) {
    let needs_person = record.failed(&error);
    let tells = if is_quiet { needs_person } else { is_news };
    if tells {
        let is_passing = error.is_retryable();
        let Failure { code, message, hint, .. } = Failure::from(error);
        ui.problem(code, format_args!("{message}; it goes on trying"));
        // Whoever watches need not run the command again.
        if let Some(hint) = hint.filter(|_| !is_passing) {
            ui.hint(hint);
        }
    }
    record.keep(ui);
}

fn tell_event(event: &WatchEvent, args: &Args, ui: &mut Ui) {
    match event {
        WatchEvent::Recovered { after } => {
            ui.done(format_args!("It works again, after {}", length(*after)));
        }
        WatchEvent::Locked => ui.say("Another `syft` works on the SyftBox; waiting for it"),
        WatchEvent::Woke { slept } => {
            ui.say(format_args!("This machine slept for {}; syncing", length(*slept)));
        }
        WatchEvent::Reopened { email } => {
            ui.say(format_args!("The login was changed; going on as {email}"));
        }
        WatchEvent::Renewed => {
            ui.say(
                "The state database was set aside by another command; going on with the new one",
            );
        }
        WatchEvent::Deaf { reason } => {
            ui.warn(format_args!("Changes here are only seen every {} s: {reason}", args.interval));
            ui.hint(hints::MORE_WATCHES);
        }
        WatchEvent::Synced { .. } | WatchEvent::Failed { .. } => {}
    }
}

/// A length of time for people.
fn length(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_for_people() {
        let of = |seconds| length(Duration::from_secs(seconds));
        assert_eq!([of(5), of(125), of(90_000)], ["5 s", "2 min", "25 h"]);
    }
}
