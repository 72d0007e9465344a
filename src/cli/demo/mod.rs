//! `syft demo`: the whole story in one process, on an embedded drive.
//!
//! Nothing is played: two real accounts, real HTTP, real files, the real sandbox. What is told at
//! each step is what a reader of either machine could see for themselves.

mod material;
mod search;
mod stage;
mod story;

use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::json;

use super::context::absolute;
use super::report::{Exit, Failure, Outcome};
use super::ui::{Tone, Ui};
use crate::model::Code;
use stage::Stage;

const EXAMPLES: &str = "\
Examples:
  syft demo
  syft demo --pause               # Enter goes on to the next step
  syft demo --keep demo           # and look at both machines afterwards";

/// Play the whole story on an embedded drive, in a few seconds
///
/// An owner and a scientist, a dataset with an invented and a private half, a job that is reviewed
/// and run in the sandbox, a result that travels back. Needs no account and no network, and changes
/// nothing outside of its folder.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Keep both SyftBoxes and the drive in this folder, which must be new or empty
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,

    /// Wait for Enter after each step
    #[arg(long)]
    pause: bool,

    /// Let the scientist send a shell script even where there is a Python
    #[arg(long)]
    bash: bool,
}

pub(crate) async fn run(args: &Args, ui: &mut Ui) -> Outcome {
    let started = Instant::now();
    let temporary;
    let folder = match &args.keep {
        Some(folder) => new_folder(folder)?,
        None => {
            temporary =
                tempfile::tempdir().map_err(|e| Failure::file(&std::env::temp_dir(), &e))?;
            temporary.path().to_owned()
        }
    };
    if args.pause && !ui.can_ask() {
        ui.warn("--pause has no effect here: nobody is at a terminal");
    }
    let mut stage = Stage::new(ui, args.pause);
    let told = story::tell(&folder, args.bash, &mut stage).await?;
    let scenes = stage.scenes();
    let seconds = started.elapsed().as_secs_f64();
    let kept = args.keep.as_ref().map(|_| folder.to_string_lossy().into_owned());
    let ok = told.leaks == 0;
    ui.answer(&json!({
        "ok": ok,
        "scenes": scenes,
        "sandboxed": told.sandboxed,
        "language": told.language,
        "result": told.result,
        "searched_files": told.searched,
        "private_values_found": told.leaks,
        "requests": told.requests,
        "seconds": (seconds * 10.0).round() / 10.0,
        "kept": kept,
    }));
    ui.line("");
    ui.toned(Tone::Dim, format_args!("{seconds:.1} s, {} requests to the drive", told.requests));
    if args.keep.is_some() {
        say_where(&folder, &told, ui);
    } else {
        ui.hint("keep both machines to look at with `syft demo --keep demo`");
    }
    if ok {
        return Ok(Exit::Done);
    }
    Err(Failure::new(Code::Leak, "private values reached the scientist: this is a bug"))
}

fn say_where(folder: &Path, told: &story::Told, ui: &mut Ui) {
    let folder = folder.display();
    let (owner, scientist) = (material::OWNER, material::SCIENTIST);
    ui.line("");
    ui.heading("Kept");
    ui.line(format_args!("  {folder}/owner/SyftBox_{owner}"));
    ui.line(format_args!("  {folder}/scientist/SyftBox_{scientist}"));
    ui.line("");
    ui.line("Go on where the story ends:");
    ui.line(format_args!("  syft drive serve --data {folder}/drive --listen {}", told.address));
    ui.line(format_args!("  SYFT_HOME={folder}/owner syft status"));
    ui.line(format_args!("  SYFT_HOME={folder}/scientist syft job list"));
}

fn new_folder(folder: &Path) -> Result<PathBuf, Failure> {
    let folder = absolute(folder)?;
    std::fs::create_dir_all(&folder).map_err(|error| Failure::file(&folder, &error))?;
    let mut entries = std::fs::read_dir(&folder).map_err(|e| Failure::file(&folder, &e))?;
    if entries.next().is_some() {
        let message = format!("`{}` is not empty", folder.display());
        return Err(Failure::new(Code::NotEmpty, message).hint("name a new folder with --keep"));
    }
    Ok(folder)
}
