//! `syft completions`: what a shell needs in order to complete commands.

use clap::CommandFactory as _;
use clap_complete::Shell;
use serde_json::json;

use super::args::Cli;
use super::report::{Exit, Outcome};
use super::ui::Ui;

const EXAMPLES: &str = "\
Examples:
  syft completions bash > ~/.local/share/bash-completion/completions/syft
  syft completions zsh > ~/.zfunc/_syft
  syft completions fish > ~/.config/fish/completions/syft.fish";

/// Print a script that completes commands in a shell
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Shell that is to complete
    shell: Shell,
}

pub(crate) fn run(args: &Args, ui: &mut Ui) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "syft", &mut script);
    let script = String::from_utf8_lossy(&script);
    ui.answer(&json!({ "shell": args.shell.to_string(), "script": script }));
    ui.verbatim(&script);
    Ok(Exit::Done)
}
