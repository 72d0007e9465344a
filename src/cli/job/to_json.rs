//! A job as `syft job show --json` gives it: with all that an owner decides about.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::review::{SHOWN_MAX, script_word};
use super::{difference, job_json, ran, release};
use crate::cli::text::moment;
use crate::client::FoundJob;
use crate::jobs::{
    Compared, Content, DatasetState, HalfState, Judged, Output, ReviewedFile, ScriptCheck, Shown,
    Snapshot, content_of, dataset_changes, read_as, wary_text,
};
use crate::model::{DatasitePath, Digest};

/// How much text there is at most in one answer.
const TEXTS_MAX: usize = 8 << 20;

/// What there is to say of a job on either side.
pub(super) fn job(found: &FoundJob, outputs: &[Output], submission: Option<&Snapshot>) -> Value {
    let job = &found.job;
    let [stdout, stderr, _] = found.logs();
    let path = |path: Option<PathBuf>| path.map(|path| path.to_string_lossy().into_owned());
    let mut answer = job_json(job, &found.datasite);
    answer["return_code"] = json!(found.return_code());
    answer["entrypoint"] = json!(job.config.entrypoint.as_ref().map(ToString::to_string));
    answer["dependencies"] = json!(job.config.dependencies);
    answer["datasets"] = json!(job.config.datasets);
    answer["digest"] = json!(submission.map(|submission| submission.digest.to_hex()));
    answer["script"] = json!(script_word(found));
    answer["files"] = submission
        .map(|submission| {
            let files = submission.files.iter();
            files
                .map(|(path, digest, size)| {
                    json!({ "path": path.as_str(), "size": size, "sha256": digest.to_hex() })
                })
                .collect()
        })
        .unwrap_or(Value::Null);
    answer["outputs"] = outputs
        .iter()
        .map(|output| {
            json!({
                "path": output.path.as_str(),
                "local_path": output.local_path.to_string_lossy(),
                "size": output.size,
                "sha256": output.digest.to_hex(),
                "released": output.released,
            })
        })
        .collect();
    answer["failure"] = json!(found.told_failure());
    answer["releases"] = release::records_json(found);
    answer["last_run"] = ran::last_run_json(found);
    answer["stdout_path"] = json!(path(stdout));
    answer["stderr_path"] = json!(path(stderr));
    answer
}

/// Adds what an owner decides about: the texts if `texts`, the datasets, what was approved before and
/// what has changed since. Returns of which files the text is in it.
pub(super) fn review<'a>(
    found: &FoundJob,
    submission: &'a Snapshot,
    texts: bool,
    answer: &mut Value,
) -> Vec<(&'a DatasitePath, Shown)> {
    let reviewed = found.reviewed(submission);
    let (mut given, mut left) = (Vec::new(), TEXTS_MAX);
    let files = submission.files.iter().zip(reviewed).map(|((path, digest, size), reviewed)| {
        let text = texts.then(|| content(found, path, *digest, SHOWN_MAX.min(left)));
        let mut file = json!({
            "path": path.as_str(), "size": size, "sha256": digest.to_hex(),
            "shown": reviewed.shown.as_str(),
        });
        match text {
            Some(Some(Content::Text { text, odd_bytes })) => {
                left = left.saturating_sub(text.len());
                given.push((path, Shown::ToProgram));
                let look = wary_text(&text, read_as(path, &text, found.starts(path)));
                file["look"] = json!(look.words);
                file["text"] = json!(text);
                file["odd_bytes"] = json!(odd_bytes);
            }
            Some(Some(Content::Binary { kind, may_hold_code })) => {
                given.push((path, Shown::ToProgram));
                file["text"] = Value::Null;
                file["type"] = json!(kind);
                file["may_hold_code"] = json!(may_hold_code);
            }
            Some(None) => file["text"] = Value::Null,
            None => {}
        }
        file
    });
    answer["files"] = files.collect();
    answer["derived_script"] = match found.script() {
        Ok(ScriptCheck::Differs { derived }) => json!(derived),
        _ => Value::Null,
    };
    let datasets = found.datasets();
    answer["reads"] = match &datasets {
        Ok((states, missing)) => json!({
            "datasets": states.iter().map(dataset).collect::<Value>(),
            "missing": missing,
            "is_named": found.job.config.datasets.is_some(),
        }),
        Err(_) => Value::Null,
    };
    let compared = found.compared(submission);
    let now = datasets.map(|(now, _)| now).unwrap_or_default();
    answer["approval"] = compared.as_ref().map_or(Value::Null, |found| approval(found, &now));
    answer["changes"] = compared
        .and_then(|compared| compared.changes)
        .map_or(Value::Null, |changes| difference::to_json(&changes));
    given
}

/// Returns what a file holds if it is still that content and not longer than `bytes_max`.
fn content(
    found: &FoundJob,
    path: &DatasitePath,
    digest: Digest,
    bytes_max: usize,
) -> Option<Content> {
    let content = found.store().read_submitted(&found.job, path, bytes_max).ok()??;
    (Digest::of(&content) == digest)
        .then(|| content_of(path, &content, found.starts(path).is_some()))
}

fn dataset(state: &DatasetState) -> Value {
    let half = |half: &Option<HalfState>| {
        half.as_ref().map(|half| json!({ "files": half.files, "size": half.bytes }))
    };
    json!({ "name": state.name, "private": half(&state.private), "mock": half(&state.mock) })
}

fn approval(compared: &Compared, datasets: &[DatasetState]) -> Value {
    let approval = &compared.approval;
    let then = approval.datasets.as_ref();
    json!({
        "holds": compared.holds,
        "digest": approval.digest.to_hex(),
        "approved_at": moment(approval.approved_at),
        "approved_by": approval.approved_by.as_ref().map(ToString::to_string),
        "standing": approval.standing,
        "reason": approval.reason,
        "run_script": approval.run_script,
        "files": approval.files.as_ref().map(|files| files.iter().map(file).collect::<Value>()),
        "datasets": then.map(|then| then.iter().map(dataset).collect::<Value>()),
        "dataset_changes": then.map(|then| dataset_changes(then, datasets)),
    })
}

/// A file with what was shown of it.
pub(super) fn file(file: &ReviewedFile) -> Value {
    json!({
        "path": file.path.as_str(), "size": file.size, "sha256": file.digest.to_hex(),
        "shown": file.shown.as_str(),
    })
}

/// How a job that waits compares with a standing approval.
pub(super) fn judged(judged: Option<&Judged>) -> Value {
    judged.map_or(Value::Null, |judged| {
        let obstacles = judged.obstacles.iter().map(ToString::to_string);
        json!({
            "id": judged.standing.id,
            "fits": judged.obstacles.is_empty(),
            "obstacles": obstacles.collect::<Vec<_>>(),
            "changes": difference::to_json(&judged.changes),
        })
    })
}
