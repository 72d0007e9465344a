//! `syft sync`: send what changed here, take in what changed elsewhere.

use serde_json::{Value, json};

use super::context::{Context, problems_json};
use super::hints;
use super::report::{Exit, Outcome};
use super::text::count;
use super::ui::Ui;
use crate::client::Client;
use crate::model::Role;
use crate::syncers::{Report, SyncOptions};

mod preview;
mod watch;

const EXAMPLES: &str = "\
Examples:
  syft sync
  syft sync --watch
  syft sync --dry-run
  syft sync --wait          # from cron: wait for a sync that is under way";

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

    /// With --watch, ask the drive at least this often
    #[arg(long, value_name = "SECS", default_value_t = 10, requires = "watch")]
    interval: u64,
}

impl Args {
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
    if args.rebuild {
        let email = context.email()?;
        if let Some(kept) = Client::set_database_aside(&context.configuration()?, email.as_ref())? {
            ui.say(format!("Kept the old state database in `{}`", kept.display()));
        }
    }
    let client = context.open().await?;
    client.set_wait_for_lock(args.wait);
    if args.anew {
        client.begin_anew()?;
    }
    if args.dry_run {
        return preview::run(&client, ui);
    }
    if args.watch {
        return watch::run(client, args, context, ui).await;
    }
    let before = client.requests();
    let report = {
        let _progress = ui.progress("Syncing");
        client.sync(&args.options()).await?
    };
    let requests = client.requests() - before;
    ui.answer(&report_json(&report, requests));
    tell(&report, client.role(), requests, ui);
    Ok(exit_of(&report, &client))
}

/// What a sync did, as `--json` shows it.
pub(crate) fn report_json(report: &Report, requests: u64) -> Value {
    let refused = report.refused.iter().map(|refused| {
        json!({ "path": refused.path, "peer": refused.peer.as_str(), "reason": refused.reason })
    });
    json!({
        "pulled": report.pulled,
        "accepted": report.accepted,
        "refused": refused.collect::<Vec<_>>(),
        "pushed": report.pushed,
        "problems": problems_json(&report.problems),
        "requests": requests,
    })
}

/// A refusal is a problem to who proposed; to who refused it is the rules at work.
pub(crate) fn exit_of(report: &Report, client: &Client) -> Exit {
    let refused = client.role() == Role::Scientist && !report.refused.is_empty();
    if refused || !report.problems.is_empty() { Exit::Problems } else { Exit::Done }
}

/// Tells what a sync did.
pub(crate) fn tell(report: &Report, role: Role, requests: u64, ui: &mut Ui) {
    for refused in &report.refused {
        let (path, peer, reason) = (&refused.path, &refused.peer, &refused.reason);
        ui.warn(match role {
            Role::Owner => format!("Refused `{path}` from {peer}: {reason}"),
            Role::Scientist => format!("{peer} refused `{path}`: {reason}"),
        });
    }
    for problem in &report.problems {
        ui.problem(problem.code, &problem.message);
        if let Some(hint) = hints::of_problem(problem) {
            ui.hint(hint);
        }
    }
    let mut did = Vec::new();
    let mut add = |number: usize, what: &str| {
        if number > 0 {
            did.push(format!("{number} {what}"));
        }
    };
    add(report.pulled, "received");
    add(report.accepted, "accepted");
    add(report.refused.len(), "refused");
    add(report.pushed, "sent");
    let requests = count(usize::try_from(requests).unwrap_or(usize::MAX), "request", "requests");
    if did.is_empty() && report.problems.is_empty() {
        ui.done(format_args!("Everything is in step ({requests})"));
    } else if did.is_empty() {
        let problems = count(report.problems.len(), "problem", "problems");
        ui.warn(format_args!("Nothing was exchanged, {problems} ({requests})"));
    } else {
        ui.done(format_args!("Synced: {} ({requests})", did.join(", ")));
    }
}
