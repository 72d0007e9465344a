//! The command line as it is typed: every command, and what all of them take.

use std::path::PathBuf;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, Parser, Subcommand};

use super::{
    account, auto_approve, bug_report, checkpoint, completions, dataset, delete, demo, doctor,
    drive, explain, job, keys, login, notify, orphans, peer, perm, resolve, serve, service, setup,
    status, sync,
};
use crate::model::Email;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

const EXAMPLES: &str = "\
Examples:
  syft demo                                                  # the whole story in a minute
  syft login-do --email me@example.org --token-path token.json
  syft sync
  syft job list

Commands that show something sync first; --no-sync, PRE_SYNC=false in the environment or
`pre_sync = false` in `settings.toml` leave that out. Where it cannot be done, they say so, show
what is known here, and end with exit code 3.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 done but with problems, 4 another `syft` holds the
lock, 130 interrupted; `syft job wait` also 5, 6 and 7";

/// Work on data that may not leave its owner's machine, over a cloud drive that both sides trust
///
/// Data owners keep their data; data scientists see an invented half of it, send code, and get the
/// results that the owner lets go. All that is between them is a drive that both have an account
/// with.
#[derive(Debug, Parser)]
#[command(name = "syft", version, styles = STYLES, after_help = EXAMPLES, max_term_width = 100)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// What every command takes.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Print one JSON object on stdout, and all else on stderr
    #[arg(long, global = true)]
    pub json: bool,

    /// Keep everything below this folder [env: SYFT_HOME]
    #[arg(long, global = true, value_name = "DIR")]
    pub home: Option<PathBuf>,

    /// Use this account; not needed where only one is logged in [env: SYFT_EMAIL]
    #[arg(long, global = true, value_name = "EMAIL", value_parser = email)]
    pub email: Option<Email>,

    /// Tell more on stderr: retries, how long it took, the requests and their quota units
    #[arg(long, short, global = true)]
    pub verbose: bool,
}

/// Whether a command that shows something syncs first, where that is said.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct PreSync {
    /// Sync, also where PRE_SYNC or the settings say not to
    #[arg(long, overrides_with = "no_sync")]
    pub sync: bool,

    /// Do not sync: show what is known here, without asking the drive [env: PRE_SYNC=false]
    #[arg(long, overrides_with = "sync")]
    pub no_sync: bool,
}

impl PreSync {
    /// Returns what was said.
    pub(crate) const fn choice(self) -> Option<bool> {
        match (self.sync, self.no_sync) {
            (true, _) => Some(true),
            (_, true) => Some(false),
            _ => None,
        }
    }
}

/// Parses an address.
pub(crate) fn email(text: &str) -> Result<Email, String> {
    Email::parse(text).map_err(|error| error.to_string())
}

impl Command {
    /// True if nothing but what needs a person is to be told.
    pub(super) const fn is_quiet(&self) -> bool {
        match self {
            Self::Sync(args) => args.is_quiet(),
            Self::Serve(args) => args.is_quiet(),
            _ => false,
        }
    }
}

/// Everything that can be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    #[command(about = "Log in as a data owner, who holds data and decides about it")]
    LoginDo(login::Args),
    #[command(about = "Log in as a data scientist, who sends code to the data of others")]
    LoginDs(login::Args),
    Logout(account::LogoutArgs),
    Status(status::Args),
    Sync(sync::Args),
    Serve(serve::Args),
    #[command(subcommand)]
    Notify(notify::Command),
    #[command(subcommand, name = "auto-approve")]
    AutoApprove(auto_approve::Command),
    #[command(subcommand)]
    Service(service::Command),
    #[command(subcommand)]
    Peer(peer::Command),
    #[command(subcommand)]
    Dataset(dataset::Command),
    Resolve(resolve::Args),
    #[command(subcommand)]
    Job(job::Command),
    #[command(subcommand)]
    Perm(perm::Command),
    #[command(subcommand)]
    Keys(keys::Command),
    #[command(subcommand)]
    Checkpoint(checkpoint::Command),
    Orphans(orphans::Args),
    Delete(delete::Args),
    #[command(subcommand)]
    Drive(drive::Command),
    #[command(subcommand)]
    Setup(setup::Command),
    Doctor(doctor::Args),
    Demo(demo::Args),
    Explain(explain::Args),
    BugReport(bug_report::Args),
    Completions(completions::Args),
}
