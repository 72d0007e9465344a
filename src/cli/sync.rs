//! `syft sync`: send what changed here, take in what changed elsewhere.

mod preview;
mod record;
mod watch;

use serde_json::{Value, json};

use super::context::{Context, problems_json};
use super::hints;
use super::report::{Exit, Failure, Outcome};
use super::text::{cost, count, size};
use super::ui::Ui;
use crate::client::{self, Client, News};
use crate::connections::Usage;
use crate::jobs::Admitted;
use crate::model::{Code, Role};
use crate::syncers::{InChunks, Problem, Refused, Report, SyncOptions};
pub(crate) use record::Record;

const EXAMPLES: &str = "\
Examples:
  syft sync
  syft sync --watch
  syft sync --dry-run
  syft sync --quiet         # from cron: see `syft service install`";

/// Send what changed here, and take in what changed elsewhere
///
/// An owner's changes become events that each peer may read or not; a scientist's become proposals
/// that the owner's rules accept or refuse. Can be stopped and repeated at any time.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Go on syncing whenever something changes, until Ctrl-C
    #[arg(long)]
    watch: bool,

    /// List what would be sent, and change nothing
    #[arg(long, conflicts_with = "watch")]
    dry_run: bool,

    /// Say nothing unless a person is needed, and that once
    ///
    /// What needs nobody is told in the log that `syft service status` names: a drive that is out
    /// of reach for less than a day, another `syft` that holds the lock, what was told before. Exit
    /// codes stay as they are.
    #[arg(long, short, conflicts_with = "dry_run")]
    quiet: bool,

    /// Wait for another `syft` to let go of the lock, instead of failing with exit code 4
    #[arg(long)]
    wait: bool,

    /// Carry out even what looks like an accident: all or most files of a datasite are gone at once,
    /// or the whole SyftBox is. They are deleted for everybody. With --watch for the first sync only
    #[arg(long)]
    force: bool,

    /// List everything on the drive instead of trusting its change feed
    #[arg(long)]
    full: bool,

    /// Keep the state database aside and learn everything anew from the drive and the disk: the way
    /// out if it is damaged, or made by a newer `syft`
    #[arg(long, conflicts_with = "dry_run")]
    rebuild: bool,

    /// Put a SyftBox that `syft delete` removed on the drive again, with what is on this machine
    #[arg(long, conflicts_with = "dry_run")]
    anew: bool,

    /// Make no checkpoint
    #[arg(long)]
    no_auto_checkpoint: bool,

    /// Make a checkpoint after this many events
    #[arg(long, value_name = "N", default_value_t = 50)]
    checkpoint_threshold: usize,

    /// Shorten the event log behind a full checkpoint
    ///
    /// Deletes messages older than a week from the log that your machines follow, once a full
    /// checkpoint of this machine holds what they say and every peer has what it may read. Nothing
    /// is deleted while a Python client works with the account: it makes checkpoints that hold less.
    #[arg(long)]
    prune_log: bool,

    /// With --watch, ask the drive this often while things happen; once a minute when nothing does
    #[arg(long, value_name = "SECS", default_value_t = 10, requires = "watch")]
    interval: u64,
}

impl Args {
    /// True if nothing but what needs a person is to be told.
    pub(super) const fn is_quiet(&self) -> bool {
        self.quiet
    }

    fn options(&self) -> SyncOptions {
        SyncOptions {
            auto_checkpoint: !self.no_auto_checkpoint,
            checkpoint_threshold: self.checkpoint_threshold,
            force: self.force,
            full: self.full,
            prune_log: self.prune_log,
            ..SyncOptions::default()
        }
    }
}

pub(crate) async fn run(args: &Args, context: &Context, ui: &mut Ui) -> Outcome {
    if args.quiet && !args.watch {
        return quietly(args, context, ui).await;
    }
    set_aside(args, context, ui)?;
    if args.watch {
        return watch::run(args, context, ui).await;
    }
    let client = context.open().await?;
    client.set_wait_for_lock(args.wait);
    if args.anew {
        client.begin_anew()?;
    }
    if args.dry_run {
        return preview::run(&client, ui);
    }
    let before = client.usage();
    let report = {
        let _progress = ui.carrying("Syncing", client.traffic());
        client.sync(&args.options()).await?
    };
    let usage = client.usage().since(before);
    ui.answer(&report_json(&report, usage));
    tell(&report, client.role(), usage, ui);
    Ok(exit_of(&report, client.role()))
}

fn set_aside(args: &Args, context: &Context, ui: &mut Ui) -> Result<(), Failure> {
    if args.rebuild {
        let email = context.email()?;
        if let Some(kept) = Client::set_database_aside(&context.configuration()?, email.as_ref())? {
            ui.say(format!("Kept the old state database in `{}`", kept.display()));
        }
    }
    Ok(())
}

/// A sync that nobody watches: tells what needs a person, and that once.
async fn quietly(args: &Args, context: &Context, ui: &mut Ui) -> Outcome {
    let (configuration, email) = (context.configuration()?, context.email()?);
    let mut record = Record::load(&configuration, email.as_ref(), true);
    set_aside(args, context, ui)?;
    let synced = async {
        let client = Client::open(&configuration, email.as_ref()).await?;
        client.set_wait_for_lock(args.wait);
        let report = client.sync(&args.options()).await?;
        Ok((client, report))
    };
    match synced.await {
        Ok((client, report)) => {
            record.is_of(client.email());
            let news = record.synced(&report, client.role());
            ui.answer(&report_json(&report, client.usage()));
            tell_needs(&news, ui);
            record.keep(ui);
            Ok(exit_of(&report, client.role()))
        }
        Err(error) => quietly_failed(error, json!({}), &mut record, ui),
    }
}

/// Ends what nobody watches and what could not be done: tells it if a person is needed, and only then
/// notes that it was told.
pub(crate) fn quietly_failed(
    error: client::Error,
    mut answer: Value,
    record: &mut Record,
    ui: &mut Ui,
) -> Outcome {
    let is_news = record.failed(&error);
    let failure = Failure::from(error);
    if is_news {
        failure.show(ui);
    } else {
        answer["error"] = failure.to_json()["error"].clone();
        ui.answer(&answer);
    }
    record.keep(ui);
    Ok(failure.exit)
}

/// Syncs after something was done that stays done, whatever comes of it.
pub(crate) async fn sync_after(client: &Client, answer: &mut Value, ui: &mut Ui) -> Exit {
    let before = client.usage();
    match client.sync(&SyncOptions::default()).await {
        Ok(report) => {
            let usage = client.usage().since(before);
            answer["sync"] = report_json(&report, usage);
            tell(&report, client.role(), usage, ui);
            exit_of(&report, client.role())
        }
        Err(error) => {
            let failure = Failure::from(error);
            answer["sync"] = failure.to_json();
            ui.problem(failure.code, format_args!("Not synced: {}", failure.message));
            ui.hint("run `syft sync` so that it reaches the others");
            Exit::Problems
        }
    }
}

/// What a sync did, as `--json` shows it.
pub(crate) fn report_json(report: &Report, usage: Usage) -> Value {
    let refused = report.refused.iter().map(|refused| {
        json!({ "path": refused.path, "peer": refused.peer.as_str(), "reason": refused.reason })
    });
    let admitted = report.admitted.iter().map(|admitted| {
        let (job, who) = (admitted.job.name.as_str(), admitted.job.submitter.as_str());
        json!({
            "job": job, "submitted_by": who, "standing": admitted.standing, "left": admitted.left,
        })
    });
    json!({
        "pulled": report.pulled,
        "accepted": report.accepted,
        "refused": refused.collect::<Vec<_>>(),
        "pushed": report.pushed,
        "in_chunks": {
            "whole_bytes": report.in_chunks.whole_bytes,
            "sent_bytes": report.in_chunks.sent_bytes,
        },
        "admitted": admitted.collect::<Vec<_>>(),
        "problems": problems_json(&report.problems),
        "requests": usage.requests,
        "quota_units": usage.quota_units,
    })
}

/// A refusal is a problem to who proposed; to who refused it is the rules at work.
pub(crate) fn exit_of(report: &Report, role: Role) -> Exit {
    let refused = role == Role::Scientist && !report.refused.is_empty();
    if refused || !report.problems.is_empty() { Exit::Problems } else { Exit::Done }
}

/// Tells what a sync did.
pub(crate) fn tell(report: &Report, role: Role, usage: Usage, ui: &mut Ui) {
    tell_refused(&report.refused, role, ui);
    tell_problems(&report.problems, ui);
    for Admitted { job, standing, left } in &report.admitted {
        let (name, who) = (&job.name, &job.submitter);
        ui.say(format_args!(
            "Approved `{name}` of {who} by standing approval {standing}, {left} left"
        ));
    }
    if let Some(saved) = saved(report.in_chunks) {
        ui.say(saved);
    }
    let did = did(report);
    let cost = cost(usage);
    if did.is_empty() && report.problems.is_empty() {
        ui.done(format_args!("Everything is in step ({cost})"));
    } else if did.is_empty() {
        let problems = count(report.problems.len(), "problem", "problems");
        ui.warn(format_args!("Nothing was exchanged, {problems} ({cost})"));
    } else {
        ui.done(format_args!("Synced: {did} ({cost})"));
    }
}

/// Tells what a person is needed for.
pub(crate) fn tell_needs(news: &News, ui: &mut Ui) {
    tell_refused(&news.refused, Role::Scientist, ui);
    tell_problems(&news.problems, ui);
}

fn tell_refused(refused: &[Refused], role: Role, ui: &mut Ui) {
    for Refused { path, peer, reason } in refused {
        ui.warn(match role {
            Role::Owner => format!("Refused `{path}` from {peer}: {reason}"),
            Role::Scientist => format!("{peer} refused `{path}`: {reason}"),
        });
    }
}

fn tell_problems(problems: &[Problem], ui: &mut Ui) {
    for problem in problems {
        ui.problem(problem.code, &problem.message);
        if let Some(hint) = hints::of_problem(problem) {
            ui.hint(hint);
        }
    }
}

/// Says what large files have cost that went as chunks; nothing if none did.
fn saved(InChunks { whole_bytes, sent_bytes }: InChunks) -> Option<String> {
    let (whole, sent) = (size(whole_bytes), size(sent_bytes));
    (whole_bytes > 0).then(|| format!("{sent} sent for {whole} of large files; the rest was there"))
}

/// Says what was exchanged: `2 received, 1 sent`; nothing if nothing was.
fn did(report: &Report) -> String {
    let is_kept = |problem: &Problem| [Code::NotSent, Code::DriveFull].contains(&problem.code);
    let sent = if report.problems.iter().any(is_kept) { "kept to be sent" } else { "sent" };
    let parts = [
        (report.pulled, "received"),
        (report.accepted, "accepted"),
        (report.refused.len(), "refused"),
        (report.pushed, sent),
        (report.admitted.len(), "approved"),
    ];
    let parts = parts.iter().filter(|(number, _)| *number > 0);
    parts.map(|(number, what)| format!("{number} {what}")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_chunks_saved_is_told_where_there_were_any() {
        let told = |whole_bytes, sent_bytes| saved(InChunks { whole_bytes, sent_bytes });
        assert_eq!(told(0, 0), None);
        let text =
            format!("{} sent for {} of large files; the rest was there", size(7), size(9000));
        assert_eq!(told(9000, 7), Some(text));
    }

    #[test]
    fn what_was_not_sent_is_not_said_to_be() {
        let mut report = Report { pulled: 2, pushed: 1, ..Report::default() };
        assert_eq!(did(&report), "2 received, 1 sent");
        let problem = Problem { peer: None, code: Code::DriveFull, message: String::new() };
        report.problems.push(problem);
        assert_eq!(did(&report), "2 received, 1 kept to be sent");
    }
}
