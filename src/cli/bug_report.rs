//! `syft bug-report`: what a maintainer needs to know, for a person to look through and to send.

use std::path::PathBuf;

use super::context::{Context, absolute};
use super::report::{Exit, Failure, Outcome};
use super::ui::Ui;
use crate::client::bug_report;
use crate::model::Code;

const EXAMPLES: &str = "\
Examples:
  syft bug-report                          # shows it
  syft bug-report --to report.txt          # shows it, asks, and writes it
  syft bug-report --json";

/// Show what a maintainer needs to know about a fault, without a name in it
///
/// Versions, counts, kinds of drives and file systems, and the codes of the last problems. No
/// address, path, file name, token, host or dataset is in it. Nothing is sent: the whole text is
/// shown, and what becomes of it is up to you.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Write it to this file too, which must not be there yet
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,

    /// Do not ask before it is written
    #[arg(long, requires = "to")]
    yes: bool,
}

pub(crate) async fn run(args: &Args, context: &Context, ui: &mut Ui) -> Outcome {
    let configuration = context.configuration();
    let configuration = configuration.as_ref().map_err(|failure| failure.code);
    let path = std::env::var("PATH").unwrap_or_default();
    let report = {
        let _progress = ui.progress("Looking around");
        bug_report(configuration, &path).await
    };
    let text = report.to_string();
    ui.line(text.trim_end());
    ui.flush();
    let mut answer = report.to_json();
    let Some(to) = &args.to else {
        ui.answer(&answer);
        ui.say("Nothing of this was sent");
        ui.hint("write it to a file with `syft bug-report --to FILE`");
        return Ok(Exit::Done);
    };
    let to = absolute(to)?;
    if ui.can_ask() && !args.yes {
        let typed = ui.ask(format_args!("Write this to `{}`? Type yes:", to.display()));
        if !typed.is_some_and(|typed| ["y", "yes"].contains(&typed.to_lowercase().as_str())) {
            return Err(Failure::new(Code::NotConfirmed, "nothing was written"));
        }
    }
    let written = std::fs::OpenOptions::new().write(true).create_new(true).open(&to);
    let written =
        written.and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()));
    written.map_err(|error| Failure::file(&to, &error))?;
    answer["written"] = true.into();
    ui.answer(&answer);
    ui.done(format_args!("Wrote this to `{}`", to.display()));
    ui.say("Nothing was sent; add to it what you did, what you expected, and what happened");
    Ok(Exit::Done)
}
