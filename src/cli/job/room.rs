//! What a job will be able to touch, for an owner's review.
//!
//! Nothing is decided here: all of it comes from the room that the job would run in
//! ([`crate::jobs::planned`]), the one that makes the sandbox's command line.

use serde_json::{Value, json};

use crate::cli::text::size;
use crate::cli::ui::{Tone, Ui};
use crate::client::FoundJob;
use crate::jobs::{Limits, Reach, planned, reach};

/// Prints what the job will be able to touch.
pub(crate) fn print(found: &FoundJob, ui: &mut Ui) {
    let limits = Limits::default();
    let all = reach(&planned(found.store(), &found.job, &limits));
    ui.line("");
    ui.heading("What it will be able to touch");
    let names_none = found.job.config.datasets_of(&found.datasite).is_none();
    let reads = all.iter().filter(|one| !one.is_own(&found.job.id));
    let mut reads_something = false;
    for one in reads {
        if let Reach::Reads { place, .. } = one {
            reads_something = true;
            let tone = if names_none { Tone::Look } else { Tone::Plain };
            ui.toned(tone, format_args!("  reads    {}", place.display()));
        }
    }
    if names_none && reads_something {
        ui.toned(Tone::Look, "           ! it names no dataset, so it reads all that you have now");
    }
    ui.line("  reads    its code, its packages, the programs of this machine");
    let outputs = limits.outputs;
    let most = size(outputs.bytes);
    ui.line(format_args!("  writes   `outputs/`: at most {} files and {most}", outputs.files));
    let scratch: Vec<_> = all
        .iter()
        .filter_map(|one| match one {
            Reach::Scratch { inside, .. } => Some(inside.to_string_lossy()),
            _ => None,
        })
        .collect();
    let each = size(limits.scratch_bytes);
    let scratch = scratch.join(", ");
    ui.line(format_args!("  writes   {scratch}: in memory, {each} each, gone when it ends"));
    let network = if all.contains(&Reach::Network) { "yes" } else { "none" };
    ui.line(format_args!("  network  {network}"));
    ui.line(format_args!(
        "  limits   {} s, {} of memory, {} processes",
        limits.time.as_secs(),
        size(limits.memory_bytes),
        limits.processes
    ));
}

/// The same for programs.
pub(crate) fn to_json(found: &FoundJob) -> Value {
    let limits = Limits::default();
    let all = reach(&planned(found.store(), &found.job, &limits));
    let text = |path: &std::path::Path| path.to_string_lossy().into_owned();
    let touches: Vec<Value> = all
        .iter()
        .map(|one| {
            let mut answer = json!({ "kind": one.kind(), "own": one.is_own(&found.job.id) });
            match one {
                Reach::Reads { place, inside } | Reach::Writes { place, inside } => {
                    answer["path"] = json!(text(place));
                    answer["inside"] = json!(text(inside));
                }
                Reach::Scratch { inside, bytes } => {
                    answer["inside"] = json!(text(inside));
                    answer["bytes"] = json!(bytes);
                }
                Reach::System(paths) => {
                    answer["paths"] = paths.iter().map(|path| text(path)).collect();
                }
                Reach::Network => {}
            }
            answer
        })
        .collect();
    json!(touches)
}
