//! The command line: one file for each command, each of them thin.
//!
//! A command is its arguments with their help, and a short function that calls [`Client`] and
//! prints. `report` and `hints` turn errors into advice and exit codes, `ui` prints, `context`
//! finds the account. Whatever is decided is decided further down.
//!
//! Invariants: stdout carries data and stderr narration; with `--json` stdout is exactly one
//! object; nothing waits for an answer where nobody can give one; only `ui` prints.
//!
//! [`Client`]: crate::client::Client

mod account;
mod args;
mod auto_approve;
mod browser;
mod bug_report;
mod checkpoint;
mod completions;
mod context;
mod dataset;
mod delete;
mod demo;
mod doctor;
mod drive;
mod explain;
mod hints;
mod job;
mod keys;
mod login;
mod notify;
mod orphans;
mod pace;
mod peer;
mod perm;
mod progress;
mod report;
mod resolve;
mod secret;
mod serve;
mod service;
mod setup;
mod sign_in_hints;
mod signals;
mod status;
mod sync;
mod text;
mod ui;

use crate::connections::usage_of_process;
use crate::model::Code;
use std::ffi::OsString;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{CommandFactory as _, Parser as _};
use tracing_subscriber::EnvFilter;

use args::{Cli, Command};
use context::Context;
use report::{Exit, Failure, Outcome};
use ui::Ui;

/// How long a command that was interrupted may take to let go.
const FAREWELL: Duration = Duration::from_millis(400);

/// Runs one command line, the program's name first, and returns the exit code.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => return misunderstood(&error, &arguments).into(),
    };
    let mut ui = Ui::of_process(cli.global.json);
    trace(cli.global.verbose, cli.command.is_quiet());
    let started = Instant::now();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => {
            let outcome = runtime.block_on(until_interrupted(&cli, &mut ui));
            runtime.shutdown_timeout(FAREWELL);
            outcome
        }
        Err(error) => Err(Failure::new(Code::Runtime, format!("cannot start: {error}"))),
    };
    tracing::debug!(took = ?started.elapsed(), "the command ended");
    finish(outcome, cli.global.verbose, &mut ui).into()
}

/// Returns all commands with their help, for documentation and for tests.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Returns the page `docs/errors.md`: every kind of error, with what helps.
pub fn errors_page() -> String {
    explain::page()
}

fn finish(outcome: Outcome, is_verbose: bool, ui: &mut Ui) -> Exit {
    let exit = outcome.unwrap_or_else(|failure| {
        failure.show(ui);
        failure.exit
    });
    if is_verbose {
        ui.say(text::cost(usage_of_process()));
    }
    match ui.finish() {
        Ok(()) => exit,
        Err(error) => {
            ui.error(Code::File, format_args!("cannot write to stdout: {error}"));
            Exit::Failed
        }
    }
}

/// Help, the version, or wrong usage.
fn misunderstood(error: &clap::Error, arguments: &[OsString]) -> Exit {
    use clap::error::ErrorKind;
    let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    if asked || !arguments.iter().any(|argument| argument == "--json") {
        error.print().ok();
        return if asked { Exit::Done } else { Exit::Usage };
    }
    let text = error.to_string();
    let message = text.split("\n\n").next().unwrap_or_default();
    let message = match error.kind() {
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => "a command is missing",
        _ => message.strip_prefix("error: ").unwrap_or(message).trim(),
    };
    let failure =
        Failure::usage(message).hint("run the command with `--help` to see how it is used");
    let mut ui = Ui::of_process(true);
    finish(Err(failure), false, &mut ui)
}

fn trace(verbose: bool, quiet: bool) {
    let wanted = std::env::var("SYFT_LOG").ok().filter(|text| !text.is_empty());
    let default = match (verbose, quiet) {
        (true, _) => "warn,syft=debug,drive_api=debug",
        (false, true) => "off",
        (false, false) => "syft=warn,drive_api=warn",
    };
    let filter = wanted.unwrap_or_else(|| default.to_owned());
    let terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let colours = terminal && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty());
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_writer(std::io::stderr)
        .with_ansi(colours)
        .without_time()
        .init();
}

/// Ends a command at Ctrl-C. What it had begun is picked up by the next one: every step is safe to
/// repeat.
async fn until_interrupted(cli: &Cli, ui: &mut Ui) -> Outcome {
    if let Command::Drive(command) = &cli.command {
        return drive::run(command, ui).await; // which ends well at Ctrl-C
    }
    if let Command::Serve(args) = &cli.command {
        return serve::run(args, &Context::new(&cli.global), ui).await; // likewise
    }
    if let Command::Job(command) = &cli.command
        && command.ends_itself()
    {
        return dispatch(cli, ui).await;
    }
    let stop = signals::stop();
    tokio::spawn(leave_soon(signals::stop()));
    tokio::select! {
        outcome = dispatch(cli, ui) => return outcome,
        () = stop => {}
    }
    let failure = Failure::new(Code::Interrupted, "interrupted")
        .hint("run the command again; it goes on where it stopped");
    Err(Failure { exit: Exit::Interrupted, ..failure })
}

/// Ends the process, and says so, if what was interrupted does not let go, for instance while it waits
/// for a lock; at once if it waits for a person, who has just answered.
#[expect(clippy::exit, reason = "a call of the system that blocks cannot be ended otherwise")]
async fn leave_soon(stop: impl Future<Output = ()>) {
    stop.await;
    if !ui::is_asking() {
        tokio::time::sleep(FAREWELL * 2).await;
    }
    ui::tell(&format!("\nerror[{}]: interrupted", Code::Interrupted));
    std::process::exit(Exit::Interrupted as i32);
}

async fn dispatch(cli: &Cli, ui: &mut Ui) -> Outcome {
    let context = Context::new(&cli.global);
    match &cli.command {
        Command::LoginDo(args) => login::owner(args, &context, ui).await,
        Command::LoginDs(args) => login::scientist(args, &context, ui).await,
        Command::Logout(args) => account::logout(args, &context, ui).await,
        Command::Status(args) => status::run(args, &context, ui).await,
        Command::Sync(args) => sync::run(args, &context, ui).await,
        Command::Serve(args) => serve::run(args, &context, ui).await,
        Command::Notify(command) => notify::run(command, &context, ui).await,
        Command::AutoApprove(command) => auto_approve::run(command, &context, ui).await,
        Command::Service(command) => service::run(command, &context, ui).await,
        Command::Peer(command) => peer::run(command, &context, ui).await,
        Command::Dataset(command) => dataset::run(command, &context, ui).await,
        Command::Resolve(args) => resolve::run(args, &context, ui).await,
        Command::Job(command) => job::run(command, &context, ui).await,
        Command::Perm(command) => perm::run(command, &context, ui).await,
        Command::Keys(command) => keys::run(command, &context, ui).await,
        Command::Checkpoint(command) => checkpoint::run(command, &context, ui).await,
        Command::Orphans(args) => orphans::run(args, &context, ui).await,
        Command::Delete(args) => delete::run(args, &context, ui).await,
        Command::Drive(command) => drive::run(command, ui).await,
        Command::Setup(command) => setup::run(command, &context, ui).await,
        Command::Doctor(args) => doctor::run(args, &context, ui).await,
        Command::Demo(args) => demo::run(args, ui).await,
        Command::BugReport(args) => bug_report::run(args, &context, ui).await,
        Command::Explain(args) => explain::run(args, ui),
        Command::Completions(args) => completions::run(args, ui),
    }
}
