//! Prints what changed in a submission, file by file and line by line.

use serde_json::{Value, json};

use crate::cli::text::size;
use crate::cli::ui::{Tone, Ui};
use crate::jobs::{Change, Version};

/// Prints changes.
pub(crate) fn print(changes: &[Change], ui: &mut Ui) {
    for change in changes {
        let (path, kind) = (&change.path, change.kind().as_str());
        let sizes = match (change.before, change.after) {
            (Some(before), Some(after)) => format!("{} → {}", words(before), words(after)),
            (None, Some(one)) | (Some(one), None) => words(one),
            (None, None) => String::new(),
        };
        ui.toned(Tone::Look, format_args!("  {path}  {kind}  {sizes}"));
        for line in change.diff.iter().flat_map(|diff| diff.split_inclusive('\n')) {
            // The end of a line stays: one that is `\r\n` now is a change, too.
            let line = line.strip_suffix('\n').unwrap_or(line);
            ui.foreign(tone(line), "    ", line);
        }
    }
}

/// The changes as `--json` shows them.
pub(crate) fn to_json(changes: &[Change]) -> Value {
    let version = |version: Option<Version>| {
        version.map(|version| json!({ "size": version.size, "sha256": version.digest.to_hex() }))
    };
    let change = |change: &Change| {
        json!({
            "path": change.path.as_str(),
            "change": change.kind().as_str(),
            "before": version(change.before),
            "after": version(change.after),
            "diff": change.diff,
        })
    };
    changes.iter().map(change).collect()
}

fn words(version: Version) -> String {
    let digest = version.digest.to_hex();
    format!("{} ({})", size(version.size), digest.get(..8).unwrap_or_default())
}

fn tone(line: &str) -> Tone {
    match line.as_bytes().first() {
        _ if line.starts_with("---") || line.starts_with("+++") => Tone::Dim,
        Some(b'+') => Tone::Good,
        Some(b'-') => Tone::Bad,
        Some(b'@') => Tone::Dim,
        _ => Tone::Plain,
    }
}
