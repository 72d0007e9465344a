//! What an owner needs for a decision about a job: every file, and all of the code.
//!
//! Nothing is left out silently: a file that is too long or no text is named as such, with how it can
//! be seen. What is printed passes `ui`, which shows control characters by number. What was shown of
//! each file is returned, since an approval says so.

use super::{difference, one_file};
use crate::cli::hints::quoted;
use crate::cli::text::{age, count, size};
use crate::cli::ui::{Tone, Ui};
use crate::client::FoundJob;
use crate::jobs::{
    Compared, Content, DatasetState, HalfState, JobKind, Read, ScriptCheck, Shown, Snapshot,
    content_of, dataset_changes, legible_lines, read_as, wary_names, wary_text,
};
use crate::model::DatasitePath;

/// The longest file that is shown whole unless it is asked for by name.
pub(crate) const SHOWN_MAX: usize = 256 << 10; // more than anybody reads on a terminal

/// The script that a Python owner would execute.
const RUN_SCRIPT: &str = "run.sh";

/// Prints what the job asks for.
pub(crate) fn request(
    found: &FoundJob,
    submission: &Snapshot,
    is_owner: bool,
    now: f64,
    ui: &mut Ui,
) {
    let config = &found.job.config;
    let unnamed = if config.kind == JobKind::Bash { "run.sh" } else { "not named" };
    let start = config.entrypoint.as_ref().map_or(unnamed, DatasitePath::as_str);
    ui.field("Starts", format_args!("{start} ({})", kind(config.kind)));
    let packages = config.dependencies.join(", ");
    ui.field("Packages", if packages.is_empty() { "none" } else { &packages });
    ui.field("Datasets", datasets(found, is_owner));
    ui.field("run.sh", script_words(found));
    ui.field("Code", submission.digest.to_hex().get(..8).unwrap_or_default());
    if let Some(compared) = found.compared(submission) {
        ui.field("Approval", approval(found, &compared, now));
    }
}

/// Prints what the job consists of.
pub(crate) fn files(found: &FoundJob, submission: &Snapshot, ui: &mut Ui) {
    ui.line("");
    ui.heading(format_args!("Files ({})", submission.files.len()));
    let width = submission.files.iter().map(|(path, ..)| path.as_str().chars().count()).max();
    let width = width.unwrap_or_default().min(60);
    for (path, _, bytes) in &submission.files {
        ui.foreign(Tone::Plain, "  ", &format!("{:<width$}  {}", path.as_str(), size(*bytes)));
    }
    for word in names(found, submission) {
        ui.toned(Tone::Look, format_args!("  ! {word}"));
    }
}

/// What there is to know about the names of the files.
pub(crate) fn names(found: &FoundJob, submission: &Snapshot) -> Vec<String> {
    let paths: Vec<_> = submission.files.iter().map(|(path, ..)| path).collect();
    wary_names(&paths, &found.job.config)
}

/// Prints what changed since the last approval, if something did.
pub(crate) fn changes(found: &FoundJob, submission: &Snapshot, now: f64, ui: &mut Ui) {
    let Some(compared) = found.compared(submission) else { return };
    let when = age(compared.approval.approved_at.seconds(), now);
    match &compared.changes {
        Some(changes) if changes.is_empty() => {}
        Some(changes) => {
            ui.line("");
            let number = count(changes.len(), "file", "files");
            ui.heading(format_args!("Changed since it was approved {when} ({number})"));
            difference::print(changes, ui);
        }
        None => {
            ui.line("");
            let text = "it is not what was approved; what changed is not on record";
            ui.toned(Tone::Look, text);
        }
    }
}

/// Prints every file of the submission, and returns how much of each was shown.
pub(crate) fn code<'a>(
    found: &FoundJob,
    submission: &'a Snapshot,
    ui: &mut Ui,
) -> Vec<(&'a DatasitePath, Shown)> {
    let script = found.script();
    let mut shown = Vec::new();
    for (path, ..) in &submission.files {
        // A script of ours says nothing new.
        let is_ours = found.job.config.kind == JobKind::Python;
        if is_ours && path.as_str() == RUN_SCRIPT && matches!(script, Ok(ScriptCheck::AsDerived)) {
            shown.push((path, Shown::Whole));
            continue;
        }
        ui.line("");
        ui.heading(format_args!("── {path}"));
        shown.push((path, file(found, submission, path, SHOWN_MAX, ui)));
    }
    if let Ok(ScriptCheck::Differs { derived }) = script {
        ui.line("");
        ui.heading("── what will run instead of run.sh");
        text(&derived, 0, Read::AsShell, ui);
    }
    shown
}

/// Prints one file, and returns how much of it was shown.
pub(crate) fn file(
    found: &FoundJob,
    submission: &Snapshot,
    path: &DatasitePath,
    bytes_max: usize,
    ui: &mut Ui,
) -> Shown {
    let listed = submission.files.iter().find(|(listed, ..)| listed == path);
    let (digest, bytes) = listed.map_or((None, 0), |(_, digest, size)| (Some(digest), *size));
    if bytes > bytes_max as u64 {
        let way = if bytes <= one_file::SHOWN_MAX as u64 {
            let [name, path] =
                [found.job.id.name.as_str(), path.as_str()].map(|name| quoted(&name));
            format!("`syft job show {name} --file {path}`")
        } else {
            let folder = found.store().local(&found.job.id.inbox());
            format!("it lies in {}", path.below(&folder).display())
        };
        ui.toned(Tone::Look, format_args!("  not shown: {} are long; {way}", size(bytes)));
        return Shown::No;
    }
    let content = match found.store().read_submitted(&found.job, path, bytes_max) {
        Ok(Some(content)) => content,
        Ok(None) => {
            ui.toned(Tone::Look, "  it is gone");
            return Shown::No;
        }
        Err(error) => {
            ui.toned(Tone::Look, format_args!("  it cannot be read: {error}"));
            return Shown::No;
        }
    };
    if digest.is_none_or(|digest| crate::model::Digest::of(&content) != *digest) {
        ui.toned(Tone::Look, "  it changes while it is shown; show the job again");
        return Shown::No;
    }
    match content_of(path, &content, found.starts(path).is_some()) {
        Content::Text { text: all, odd_bytes } => {
            let is_other = text(&all, odd_bytes, read_as(path, &all, found.starts(path)), ui);
            if is_other { Shown::Part } else { Shown::Whole }
        }
        Content::Binary { kind, may_hold_code } => {
            let sha256 = digest.map(crate::model::Digest::to_hex).unwrap_or_default();
            ui.toned(
                Tone::Look,
                format_args!("  no text: {kind}, {}, SHA-256 {sha256}", size(bytes)),
            );
            if may_hold_code {
                let text = "  ! it can hold code, which cannot be read here";
                ui.toned(Tone::Look, text);
            }
            Shown::Described
        }
    }
}

/// Prints a text, and returns whether it is another one to what runs it.
fn text(text: &str, odd_bytes: usize, read: Read, ui: &mut Ui) -> bool {
    if text.contains('\0') {
        ui.toned(Tone::Look, "  it holds zero bytes, which no text does");
    }
    if odd_bytes > 0 {
        let number = count(odd_bytes, "byte that is", "bytes that are");
        ui.toned(Tone::Look, format_args!("  ! {number} no text, shown by number: ⟨0x…⟩"));
    }
    let hidden = text.chars().filter(|&c| is_suspicious(c)).count();
    if hidden > 0 {
        let number = count(hidden, "hidden or steering character", "hidden or steering characters");
        ui.toned(Tone::Look, format_args!("  ! {number}, shown by number: ⟨U+…⟩"));
    }
    let look = wary_text(text, read);
    for word in &look.words {
        ui.toned(Tone::Look, format_args!("  ! {word}"));
    }
    for (number, line) in legible_lines(text, read).iter().enumerate() {
        ui.foreign(Tone::Plain, &format!("{:>5}  ", number + 1), line);
    }
    look.is_other
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

fn datasets(found: &FoundJob, is_owner: bool) -> String {
    let named = found.job.config.datasets_of(&found.datasite);
    let names = match &named {
        Some(names) if names.is_empty() => return "none".to_owned(),
        Some(names) => names.join(", "),
        None => "not named: it may read all of them".to_owned(),
    };
    if !is_owner {
        return names;
    }
    let (states, missing) = match found.datasets() {
        Ok(found) => found,
        Err(error) => return format!("{names}\n! they cannot be looked at: {error}"),
    };
    let mut lines: Vec<String> = named.is_none().then_some(names).into_iter().collect();
    lines.extend(states.iter().map(dataset));
    lines.extend(missing.iter().map(|name| format!("! {name}: there is none of this name")));
    lines.join("\n")
}

fn dataset(state: &DatasetState) -> String {
    let half = |half: &Option<HalfState>| {
        half.as_ref().map_or_else(
            || "none".to_owned(),
            |half| {
                let files = usize::try_from(half.files).unwrap_or(usize::MAX);
                format!("{}, {}", count(files, "file", "files"), size(half.bytes))
            },
        )
    };
    let (name, private, mock) = (&state.name, half(&state.private), half(&state.mock));
    format!("{name} (private: {private}; mock: {mock})")
}

fn approval(found: &FoundJob, compared: &Compared, now: f64) -> String {
    let approval = &compared.approval;
    let by = match &approval.standing {
        Some(id) => format!("by standing approval {id}"),
        None => "by hand".to_owned(),
    };
    let when = age(approval.approved_at.seconds(), now);
    let is_back = compared.changes.as_ref().is_some_and(Vec::is_empty);
    let mut lines = vec![if compared.holds {
        format!("for exactly these files, {by}, {when}")
    } else if is_back {
        format!("! VOID: it has changed since it was approved {by}, {when}, and is again as it was")
    } else {
        format!("! VOID: another version was approved {by}, {when}")
    }];
    if let (true, Some(then), Ok((now, _))) = (compared.holds, &approval.datasets, found.datasets())
    {
        lines.extend(dataset_changes(then, &now).into_iter().map(|change| format!("! {change}")));
    }
    lines.join("\n")
}

const fn kind(kind: JobKind) -> &'static str {
    match kind {
        JobKind::Python => "Python",
        JobKind::Bash => "shell script",
    }
}
