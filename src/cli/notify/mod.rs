//! `syft notify`: who is told what while `syft serve` runs.

mod set;
mod show;

use serde_json::json;

use super::context::Context;
use super::hints;
use super::report::{Exit, Failure, Outcome, chain};
use super::serve::whose;
use super::ui::Ui;
use crate::channels::Way;
use crate::client::{Courier, ServeFile, SmtpPassword, SystemClock};
use crate::model::Code;

const EXAMPLES: &str = "\
Examples:
  syft notify set email --to me@example.org --server smtp.example.org --user me
  syft notify set webhook https://chat.example.org/hooks/SECRET
  syft notify set command -- /usr/bin/logger -t syft
  syft notify test
  syft notify show";
const SHOW_EXAMPLES: &str = "Examples:\n  syft notify show\n  syft notify show --json";
const TEST_EXAMPLES: &str = "Examples:\n  syft notify test\n  syft notify test email";
const REMOVE_EXAMPLES: &str = "Examples:\n  syft notify remove webhook";

/// Say who is told what while `syft serve` runs
///
/// A notice says who, which job, and what waits. It never holds data, results, logs or files.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum Command {
    /// Tell by e-mail, by a webhook, or by a command
    #[command(subcommand)]
    Set(set::Command),
    /// Tell nobody this way any more
    #[command(after_help = REMOVE_EXAMPLES)]
    Remove(Remove),
    /// Show who is told what, what waits, and what was sent
    #[command(after_help = SHOW_EXAMPLES)]
    Show,
    /// Send a test now
    #[command(after_help = TEST_EXAMPLES)]
    Test(Test),
}

/// Which way.
#[derive(Debug, clap::Args)]
pub(crate) struct Remove {
    /// One of `email`, `webhook` and `command`
    #[arg(value_name = "WAY", value_parser = way)]
    way: Way,
}

/// Which way, or all.
#[derive(Debug, clap::Args)]
pub(crate) struct Test {
    /// One of `email`, `webhook` and `command`; without, all that are set
    #[arg(value_name = "WAY", value_parser = way)]
    way: Option<Way>,
}

fn way(text: &str) -> Result<Way, String> {
    Way::parse(text).ok_or_else(|| "it is `email`, `webhook` or `command`".to_owned())
}

pub(crate) async fn run(command: &Command, context: &Context, ui: &mut Ui) -> Outcome {
    match command {
        Command::Set(command) => set::run(command, context, ui).await,
        Command::Remove(args) => remove(args.way, context, ui).await,
        Command::Show => show::run(context, ui).await,
        Command::Test(args) => test(args.way, context, ui).await,
    }
}

async fn remove(way: Way, context: &Context, ui: &mut Ui) -> Outcome {
    let (configuration, account, _) = whose(context).await?;
    let mut file = ServeFile::open(&configuration, &account)?;
    let was_set = file.settings().told(way).is_some();
    file.change(|settings| match way {
        Way::Email => settings.email = None,
        Way::Webhook => settings.webhook = None,
        Way::Command => settings.command = None,
    })?;
    if way == Way::Email {
        SmtpPassword::of(&configuration, &account).remove().await?;
    }
    ui.answer(&json!({ "way": way.as_str(), "removed": was_set }));
    let way = way.as_str();
    if was_set {
        ui.done(format_args!("Nobody is told by {way} any more"));
    } else {
        ui.say(format_args!("Nobody was told by {way}"));
    }
    Ok(Exit::Done)
}

async fn test(way: Option<Way>, context: &Context, ui: &mut Ui) -> Outcome {
    let (configuration, account, role) = whose(context).await?;
    let file = ServeFile::open(&configuration, &account)?;
    let is_set = |way: &Way| file.settings().told(*way).is_some();
    let ways: Vec<Way> = match way {
        Some(way) if is_set(&way) => vec![way],
        Some(_) => Vec::new(),
        None => Way::ALL.into_iter().filter(is_set).collect(),
    };
    if ways.is_empty() {
        return Err(Failure::new(Code::NobodyTold, "nobody is told anything this way")
            .hint("see `syft notify set --help`"));
    }
    let courier = Courier::open(&configuration, &account, role)?;
    let (mut tests, mut exit) = (Vec::new(), Exit::Done);
    for way in ways {
        let outcome = {
            let _progress = ui.progress("Sending");
            courier.test(way, &SystemClock).await
        };
        let name = way.as_str();
        match outcome {
            Ok(()) => {
                tests.push(json!({ "way": name, "sent": true, "message": null, "hint": null }));
                ui.done(format_args!("Sent a test by {name}; look whether it came"));
            }
            Err(error) => {
                exit = Exit::Problems;
                let (message, hint) = (chain(&error), hints::of_channel(&error));
                ui.warn(format_args!("{name}: {message}"));
                if let Some(hint) = &hint {
                    ui.hint(hint);
                }
                tests.push(json!({ "way": name, "sent": false, "message": message, "hint": hint }));
            }
        }
    }
    ui.answer(&json!({ "tests": tests }));
    Ok(exit)
}
