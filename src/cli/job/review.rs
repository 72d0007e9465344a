//! What an owner needs for a decision about a job: every file, and all of the code.
//!
//! Nothing is left out silently: a file that is too long or no text is named as such, with where it
//! lies. What is printed passes `ui`, which shows control characters by number.

use crate::cli::text::{count, size};
use crate::cli::ui::{Tone, Ui};
use crate::client::FoundJob;
use crate::jobs::{JobKind, ScriptCheck, Snapshot};
use crate::model::DatasitePath;

/// The longest file that is shown whole.
const SHOWN_MAX: usize = 256 << 10; // more than anybody reads on a terminal

/// The script that a Python owner would execute.
const RUN_SCRIPT: &str = "run.sh";

/// Prints what the job asks for and consists of.
pub(crate) fn files(found: &FoundJob, submission: &Snapshot, ui: &mut Ui) {
    let config = &found.job.config;
    let unnamed = if config.kind == JobKind::Bash { "run.sh" } else { "not named" };
    let start = config.entrypoint.as_ref().map_or(unnamed, DatasitePath::as_str);
    ui.field("Starts", format_args!("{start} ({})", kind(config.kind)));
    let packages = config.dependencies.join(", ");
    ui.field("Packages", if packages.is_empty() { "none" } else { &packages });
    ui.field(
        "Datasets",
        match config.datasets_of(&found.datasite) {
            Some(names) if names.is_empty() => "none".to_owned(),
            Some(names) => names.join(", "),
            None => "not named: it may read all of them".to_owned(),
        },
    );
    ui.field("run.sh", script_words(found));
    ui.field("Code", submission.digest.to_hex().get(..8).unwrap_or_default());
    ui.line("");
    ui.heading(format_args!("Files ({})", submission.files.len()));
    let width = submission.files.iter().map(|(path, ..)| path.as_str().chars().count()).max();
    let width = width.unwrap_or_default().min(60);
    for (path, _, bytes) in &submission.files {
        ui.line(format_args!("  {:<width$}  {}", path.as_str(), size(*bytes)));
    }
}

/// Prints every file of the submission.
pub(crate) fn code(found: &FoundJob, submission: &Snapshot, ui: &mut Ui) {
    let script = found.script();
    for (path, _, bytes) in &submission.files {
        let is_script = path.as_str() == RUN_SCRIPT;
        // The settings were shown field by field; a script of ours says nothing new.
        if path.as_str() == "config.yaml"
            || is_script && matches!(script, Ok(ScriptCheck::AsDerived))
        {
            continue;
        }
        ui.line("");
        ui.heading(format_args!("── {path}"));
        match found.store().read_submitted(&found.job, path, SHOWN_MAX) {
            Ok(Some(content)) => text(&content, ui),
            Ok(None) => ui.toned(Tone::Look, "  it is gone"),
            Err(_) => {
                let local = found.store().local(&found.job.id.inbox());
                let local = path.below(&local);
                ui.toned(
                    Tone::Look,
                    format_args!(
                        "  not shown: {} is too long; it lies in {}",
                        size(*bytes),
                        local.display()
                    ),
                );
            }
        }
    }
    if let Ok(ScriptCheck::Differs { derived }) = script {
        ui.line("");
        ui.heading("── what will run instead of run.sh");
        text(derived.as_bytes(), ui);
    }
}

fn text(content: &[u8], ui: &mut Ui) {
    let Ok(text) = std::str::from_utf8(content) else {
        ui.toned(
            Tone::Look,
            format_args!("  not shown: {} that are no text", size(content.len() as u64)),
        );
        return;
    };
    if text.contains('\0') {
        ui.toned(Tone::Look, "  it holds zero bytes, which no text does");
    }
    let hidden = text.chars().filter(|&c| is_suspicious(c)).count();
    if hidden > 0 {
        let number = count(hidden, "hidden or steering character", "hidden or steering characters");
        ui.toned(Tone::Look, format_args!("  ! {number}, shown by number: ⟨U+…⟩"));
    }
    for (number, line) in text.lines().enumerate() {
        ui.line(format_args!("{:>5}  {line}", number + 1));
    }
}

fn is_suspicious(c: char) -> bool {
    !matches!(c, '\n' | '\r' | '\t') && crate::cli::text::is_treacherous(c)
}

/// How the submitted script compares with the derived one, for programs.
pub(crate) fn script_word(found: &FoundJob) -> Option<&'static str> {
    found.script().ok().map(|check| match check {
        ScriptCheck::AsDerived => "as-derived",
        ScriptCheck::Differs { .. } => "differs",
        ScriptCheck::Underivable { .. } => "underivable",
    })
}

fn script_words(found: &FoundJob) -> String {
    match found.script() {
        Ok(ScriptCheck::AsDerived) => "as the request amounts to".to_owned(),
        Ok(ScriptCheck::Differs { .. }) => {
            "! DIFFERS from what the request amounts to; both are shown below".to_owned()
        }
        Ok(ScriptCheck::Underivable { reason }) => format!("! cannot be derived: {reason}"),
        Err(error) => format!("! cannot be read: {error}"),
    }
}

const fn kind(kind: JobKind) -> &'static str {
    match kind {
        JobKind::Python => "Python",
        JobKind::Bash => "shell script",
    }
}
