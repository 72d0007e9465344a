//! `syft setup`: how one begins with Google, and where secrets are kept.

mod google;
mod letter;
mod personal;
mod secrets;
pub(crate) mod steps;

use super::context::Context;
use super::report::Outcome;
use super::ui::Ui;

pub(crate) use google::published;

/// Set things up: the way into Google, and where secrets are kept
#[derive(Debug, clap::Subcommand)]
#[command(
    after_help = "Examples:\n  syft setup google\n  syft setup google --way organisation --letter letter.txt\n  syft setup secrets keyring"
)]
pub(crate) enum Command {
    Google(google::Args),
    Secrets(secrets::Args),
}

pub(crate) async fn run(command: &Command, context: &Context, ui: &mut Ui) -> Outcome {
    match command {
        Command::Google(args) => google::run(args, context, ui).await,
        Command::Secrets(args) => secrets::run(args, context, ui).await,
    }
}
