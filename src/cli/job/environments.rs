//! `syft job environments`: the packages that were installed for jobs.

use std::time::Duration;

use serde_json::{Value, json};

use crate::cli::context::{Context, now_seconds};
use crate::cli::report::{Exit, Outcome};
use crate::cli::text::{age, count, moment, size};
use crate::cli::ui::{Tone, Ui};
use crate::jobs::{Installed, KeptEnvironment};

const EXAMPLES: &str = "\
Examples:
  syft job environments
  syft job environments --prune
  syft job environments --prune --unused-for 0   # all that no job uses now
  syft job environments --json | jq '.environments[0].packages'";

/// List the packages that were installed for jobs, or remove what is not used
///
/// Each exact set of packages is installed once, and shared by the jobs that ask for it. Which
/// packages a job gets is remembered, also after they were removed; `syft job run
/// --refresh-packages` works it out anew.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Remove what no job has used for a while
    #[arg(long)]
    prune: bool,

    /// For how many days it must not have been used
    #[arg(long, value_name = "DAYS", default_value_t = 30, requires = "prune")]
    unused_for: u32,
}

pub(crate) async fn run(args: &Args, context: &Context, ui: &mut Ui) -> Outcome {
    let client = context.open().await?;
    let unused_for = Duration::from_secs(u64::from(args.unused_for) * 24 * 60 * 60);
    let removed = if args.prune { client.prune_environments(unused_for)? } else { Vec::new() };
    let kept = client.environments()?;
    let shown = |all: &[KeptEnvironment]| all.iter().map(environment_json).collect::<Vec<_>>();
    let mut answer = json!({ "environments": shown(&kept) });
    if args.prune {
        answer["removed"] = json!(shown(&removed));
    }
    ui.answer(&answer);
    if args.prune {
        let bytes = size(removed.iter().map(|one| one.bytes).sum());
        let what = count(removed.len(), "environment", "environments");
        ui.done(format_args!("Removed {what} of {bytes}"));
    }
    if kept.is_empty() {
        ui.say("Nothing is installed for jobs");
        return Ok(Exit::Done);
    }
    let now = now_seconds();
    let rows = kept.iter().map(|one| {
        let used = one.used.map_or_else(|| "never".to_owned(), |used| age(used.seconds(), now));
        let used = if one.in_use { "now".to_owned() } else { used };
        [
            (one.name.chars().take(8).collect(), Tone::Plain),
            (
                one.installed.as_ref().map_or_else(String::new, |all| all.python.clone()),
                Tone::Plain,
            ),
            (
                one.installed.as_ref().map_or_else(|| "cannot be used".to_owned(), names),
                Tone::Plain,
            ),
            (size(one.bytes), Tone::Plain),
            (used, Tone::Dim),
        ]
    });
    ui.table(["NAME", "PYTHON", "PACKAGES", "SIZE", "USED"], rows.collect());
    let bytes = size(kept.iter().map(|one| one.bytes).sum());
    ui.say(format_args!("{} of {bytes}", count(kept.len(), "environment", "environments")));
    Ok(Exit::Done)
}

/// The first packages by name, and how many there are besides.
fn names(installed: &Installed) -> String {
    const SHOWN: usize = 4;
    let all = &installed.packages;
    let first = all.iter().take(SHOWN).map(|one| format!("{} {}", one.name, one.version));
    let mut text = first.collect::<Vec<_>>().join(", ");
    if all.len() > SHOWN {
        text += &format!(" and {} more", all.len() - SHOWN);
    }
    text
}

fn environment_json(one: &KeptEnvironment) -> Value {
    json!({
        "name": one.name,
        "python": one.installed.as_ref().map(|installed| &installed.python),
        "packages": one.installed.as_ref().map(packages_json),
        "made": one.made.and_then(moment),
        "used": one.used.and_then(moment),
        "in_use": one.in_use,
        "bytes": one.bytes,
    })
}

/// What was installed, with the digests that the archives were held to.
pub(crate) fn packages_json(installed: &Installed) -> Value {
    let all = installed.packages.iter();
    all.map(|one| json!({ "name": one.name, "version": one.version, "sha256": one.sha256 }))
        .collect()
}
