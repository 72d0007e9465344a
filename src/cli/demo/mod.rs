//! `syft demo`.
use super::report::{Failure, Outcome};
use super::ui::Ui;

/// Play the whole story on an embedded drive
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  syft demo")]
pub(crate) struct Args {}

pub(crate) async fn run(_: &Args, _: &mut Ui) -> Outcome {
    Err(Failure::new("not-yet", "the demo is not there yet"))
}
