//! What a submitter says that a job is for and will leave, and how that compares with what it left.

use serde_json::{Value, json};

use crate::cli::ui::{Tone, Ui};
use crate::client::FoundJob;
use crate::jobs::{JobStatus, Output};

/// Prints it.
pub(crate) fn tell(found: &FoundJob, ui: &mut Ui) {
    let request = found.job.config.request();
    ui.field("Purpose", request.purpose().unwrap_or("not said"));
    let expected: Vec<_> = request.expected().iter().map(ToString::to_string).collect();
    if !expected.is_empty() {
        ui.field("Expects", expected.join(", "));
    }
    if request.is_partial() {
        ui.toned(Tone::Look, "  ! it says more of this that cannot be shown as it is");
    }
}

/// Says what is missing or unexpected among what the job left, once it has run.
pub(crate) fn compare(found: &FoundJob, outputs: &[Output], ui: &mut Ui) {
    if matches!(found.job.state.status, JobStatus::Done | JobStatus::Failed) {
        let paths = outputs.iter().map(|output| &output.path);
        for note in found.job.config.request().compare(paths).notes() {
            ui.toned(Tone::Look, format_args!("  {note}"));
        }
    }
}

/// Adds it to the answer for programs.
pub(crate) fn add_to(answer: &mut Value, found: &FoundJob) {
    let request = found.job.config.request();
    let expected = request.expected().iter().map(ToString::to_string);
    answer["purpose"] = json!(request.purpose());
    answer["expected_outputs"] = json!(expected.collect::<Vec<_>>());
}
