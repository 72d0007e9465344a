//! What is remembered of the last run of a job: for its owner, since only the owner's machine knows.

use serde_json::{Value, json};

use super::environments::packages_json;
use crate::cli::text::{count, moment};
use crate::cli::ui::Ui;
use crate::client::FoundJob;

/// The last run as `--json` shows it; null if none is known here.
pub(crate) fn last_run_json(found: &FoundJob) -> Value {
    let Some(run) = found.store().last_run(&found.job.id) else { return Value::Null };
    let installed = run.environment.as_ref();
    json!({
        "digest": run.digest.to_hex(),
        "began": moment(run.began),
        "ended": run.ended.and_then(moment),
        "return_code": run.return_code,
        "confined": run.confined,
        "interruptions": run.interruptions,
        "environment": installed.map(|installed| json!({
            "name": installed.environment,
            "python": installed.python,
            "packages": packages_json(installed),
        })),
    })
}

/// Shows with what it ran.
pub(crate) fn show(found: &FoundJob, ui: &mut Ui) {
    let Some(run) = found.store().last_run(&found.job.id) else { return };
    if let Some(installed) = &run.environment {
        let packages = count(installed.packages.len(), "package", "packages");
        let name: String = installed.environment.chars().take(8).collect();
        ui.line(format_args!("  ran with Python {} and {packages} ({name})", installed.python));
    }
}
