//! `syft job show NAME --file PATH`: one file of a submission, whole.

use serde_json::{Value, json};

use super::{review, show};
use crate::cli::context::Fresh;
use crate::cli::report::{Failure, Outcome};
use crate::cli::ui::Ui;
use crate::client::FoundJob;
use crate::jobs::{Content, Shown, ShownTo, Snapshot, content_of, read_as, wary_text};
use crate::model::{Code, DatasitePath, Digest, Role};

/// The longest file that can be shown at all.
pub(super) const SHOWN_MAX: usize = 16 << 20;

pub(super) fn run(
    fresh: &Fresh,
    found: &FoundJob,
    submission: Snapshot,
    path: &str,
    ui: &mut Ui,
) -> Outcome {
    let path = named(&submission, path)?;
    let (text, shown) = if ui.is_json() {
        to_json(found, &submission, path)?
    } else {
        (Value::Null, review::file(found, &submission, path, SHOWN_MAX, ui))
    };
    let exit = fresh.answer(json!({ "file": text }), ui);
    if fresh.client.role() == Role::Owner {
        show::note_shown(found, &submission, &[(path, shown)], ShownTo::Nobody, ui);
    }
    Ok(exit)
}

/// Returns the file that is meant: a path as it is listed, or one below `code/`.
fn named<'a>(submission: &'a Snapshot, text: &str) -> Result<&'a DatasitePath, Failure> {
    let below = format!("code/{text}");
    let find = |text: &str| {
        let mut paths = submission.files.iter().map(|(path, ..)| path);
        paths.find(|path| path.as_str() == text)
    };
    find(text).or_else(|| find(&below)).ok_or_else(|| {
        Failure::new(Code::JobFileUnknown, format!("the job has no file `{text}`"))
            .hint("`syft job show NAME --no-code` lists its files")
    })
}

fn to_json(
    found: &FoundJob,
    submission: &Snapshot,
    path: &DatasitePath,
) -> Result<(Value, Shown), Failure> {
    let listed = submission.files.iter().find(|(listed, ..)| listed == path);
    let content = found.store().read_submitted(&found.job, path, SHOWN_MAX)?.unwrap_or_default();
    let digest = Digest::of(&content);
    if listed.is_none_or(|(_, known, _)| *known != digest) {
        let text = format!("`{path}` changes while it is read");
        return Err(Failure::new(Code::JobChanged, text).hint("show it again"));
    }
    let (text, kind) = match content_of(path, &content, found.starts(path).is_some()) {
        Content::Text { text, .. } => (Some(text), None),
        Content::Binary { kind, .. } => (None, Some(kind)),
    };
    let read = |text: &String| wary_text(text, read_as(path, text, found.starts(path)));
    let look = text.as_ref().map(read).unwrap_or_default().words;
    let file = json!({
        "path": path.as_str(), "size": content.len(), "sha256": digest.to_hex(),
        "text": text, "type": kind, "look": look,
    });
    Ok((file, Shown::ToProgram))
}
