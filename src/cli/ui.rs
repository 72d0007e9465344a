//! The only file that prints: data on stdout, narration on stderr.
//!
//! With `--json` stdout is exactly one object and everything else goes to stderr. Colours are used
//! on a terminal only, and never where `NO_COLOR` is set; nothing is said by colour alone.
//!
//! Invariant: all text passes `text::safe` on its way out, so that no control character of a peer
//! reaches the terminal, whichever command prints it. Styles are added here, after that.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use comfy_table::{Attribute, Cell, Color, ContentArrangement, Table};
use serde_json::Value;

use super::progress::Progress;
use super::text::{broken, is_treacherous, safe, safe_line};
use crate::connections::{Traffic, Usage, usage_of_process};
use crate::model::Code;

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const GOOD: Style = AnsiColor::Green.on_default();
const LOOK: Style = AnsiColor::Yellow.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const HINT: Style = AnsiColor::Cyan.on_default();

/// How a word is meant, beside what it says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Tone {
    /// As it is.
    #[default]
    Plain,
    /// All is well.
    Good,
    /// Somebody should look.
    Look,
    /// It went wrong.
    Bad,
    /// Of less importance.
    Dim,
}

/// Where a command's words go.
pub(crate) struct Ui {
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
    json: bool,
    interactive: bool,
    progress: bool,
    hinted: Option<String>,
    broken: Option<io::Error>,
    /// True once stderr did not take a word.
    unheard: bool,
}

impl fmt::Debug for Ui {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ui").field("json", &self.json).finish_non_exhaustive()
    }
}

impl Ui {
    /// Speaks to the terminal, or wherever stdout and stderr lead.
    pub(crate) fn of_process(json: bool) -> Self {
        let (stdout, stderr) = (io::stdout(), io::stderr());
        let interactive = io::stdin().is_terminal() && stderr.is_terminal();
        let progress = stderr.is_terminal();
        let choice = AutoStream::choice(&stdout);
        let choice = if json { ColorChoice::Never } else { choice };
        let err = AutoStream::choice(&stderr);
        Self {
            out: Box::new(AutoStream::new(stdout, choice)),
            err: Box::new(AutoStream::new(stderr, err)),
            json,
            interactive,
            progress,
            hinted: None,
            broken: None,
            unheard: false,
        }
    }

    /// True if everything that was narrated was taken.
    pub(crate) fn is_heard(&mut self) -> bool {
        self.unheard |= self.err.flush().is_err();
        !self.unheard
    }

    /// True if stdout is to be one JSON object.
    pub(crate) const fn is_json(&self) -> bool {
        self.json
    }

    /// True if a person is there who can be asked.
    pub(crate) const fn can_ask(&self) -> bool {
        self.interactive && !self.json
    }

    /// Prints the answer of a command as JSON, with what it cost if a service was asked; without
    /// `--json`, nothing.
    pub(crate) fn answer(&mut self, answer: &Value) {
        if self.json {
            let line = escaped_json(&priced(answer, usage_of_process()));
            self.write_out(&format!("{line}\n"));
        }
    }

    /// Prints lines of data; with `--json`, nothing.
    pub(crate) fn line(&mut self, text: impl fmt::Display) {
        self.toned(Tone::Plain, text);
    }

    /// The same in a tone.
    pub(crate) fn toned(&mut self, tone: Tone, text: impl fmt::Display) {
        if !self.json {
            let text = paint(tone, &safe(&text.to_string()));
            self.write_out(&format!("{text}\n"));
        }
    }

    /// Prints text of our own as it is: a script for a shell, say. With `--json`, nothing.
    pub(crate) fn verbatim(&mut self, text: &str) {
        if !self.json {
            self.write_out(text);
        }
    }

    /// Prints a line that somebody else wrote behind `first`, which is ours. Where it is wider than the
    /// terminal, it goes on below itself.
    pub(crate) fn foreign(&mut self, tone: Tone, first: &str, line: &str) {
        if !self.json {
            let indent = first.chars().count();
            let text = under(&format!("{first}{}", safe_line(line)), indent);
            self.write_out(&format!("{}\n", paint(tone, &text)));
        }
    }

    /// Prints a heading among the data.
    pub(crate) fn heading(&mut self, text: impl fmt::Display) {
        if !self.json {
            let text = safe_line(&text.to_string());
            self.write_out(&format!("{BOLD}{text}{BOLD:#}\n"));
        }
    }

    /// Prints `label  value`, the label in a column of its own.
    pub(crate) fn field(&mut self, label: &str, value: impl fmt::Display) {
        if !self.json {
            let label = safe_line(label);
            let value = safe(&value.to_string());
            let lines = value.split('\n').map(|line| under(&format!("{:14}{line}", ""), 14));
            let value = lines.collect::<Vec<_>>().join("\n");
            let value = value.get(14..).unwrap_or_default();
            self.write_out(&format!("{DIM}{label:<12}{DIM:#}  {value}\n"));
        }
    }

    /// Prints a table; with `--json`, nothing. Columns shrink to the width of a terminal, and take
    /// what they need elsewhere.
    pub(crate) fn table<const N: usize>(
        &mut self,
        header: [&str; N],
        rows: Vec<[(String, Tone); N]>,
    ) {
        if self.json {
            return;
        }
        let mut table = Table::new();
        table.load_style(comfy_table::presets::NOTHING).enforce_styling();
        table.set_content_arrangement(ContentArrangement::Dynamic);
        table.set_header(header.map(|title| Cell::new(title).add_attribute(Attribute::Bold)));
        for row in rows {
            table.add_row(row.map(|(text, tone)| cell(&safe_line(&text), tone)));
        }
        for (place, column) in table.column_iter_mut().enumerate() {
            column.set_padding((0, if place + 1 < N { 2 } else { 0 }));
        }
        let text: String =
            table.lines().flat_map(|line| [line.trim_end().to_owned(), "\n".to_owned()]).collect();
        self.write_out(&text);
    }

    /// Tells what is going on.
    pub(crate) fn say(&mut self, text: impl fmt::Display) {
        let text = safe(&text.to_string());
        self.write_err(&format!("{text}\n"));
    }

    /// Tells that something was done.
    pub(crate) fn done(&mut self, text: impl fmt::Display) {
        let text = safe(&text.to_string());
        self.write_err(&format!("{GOOD}✓{GOOD:#} {text}\n"));
    }

    /// Tells what somebody should know or look at.
    pub(crate) fn warn(&mut self, text: impl fmt::Display) {
        let text = safe(&text.to_string());
        self.write_err(&format!("{LOOK}warning:{LOOK:#} {text}\n"));
    }

    /// Tells that something is dangerous: in red.
    pub(crate) fn danger(&mut self, text: impl fmt::Display) {
        let text = safe(&text.to_string());
        self.write_err(&format!("{BAD}warning:{BAD:#} {text}\n"));
    }

    /// Tells a problem, with the short name that `syft explain` takes.
    pub(crate) fn problem(&mut self, code: impl fmt::Display, text: impl fmt::Display) {
        let text = safe(&text.to_string());
        self.write_err(&format!("{LOOK}warning[{code}]:{LOOK:#} {text}\n"));
    }

    /// Tells what can be done next; the same advice not twice in a row.
    pub(crate) fn hint(&mut self, text: impl fmt::Display) {
        let text = safe(&text.to_string());
        if self.hinted.as_ref() == Some(&text) {
            return;
        }
        self.write_err(&format!("{HINT}hint:{HINT:#} {text}\n"));
        self.hinted = Some(text);
    }

    /// Tells why a command failed, with the short name that `syft explain` takes.
    pub(crate) fn error(&mut self, code: Code, text: impl fmt::Display) {
        let text = safe(&text.to_string());
        self.write_err(&format!("{BAD}error[{code}]:{BAD:#} {text}\n"));
    }

    /// Asks for a word and returns what was typed; `None` where nobody can be asked.
    pub(crate) fn ask(&mut self, question: impl fmt::Display) -> Option<String> {
        if !self.can_ask() {
            return None;
        }
        let question = safe(&question.to_string());
        ASKING.store(true, Ordering::SeqCst); // first: who reads the question may answer at once
        self.write_err(&format!("{question} "));
        self.err.flush().ok();
        let typed = read_line().ok();
        ASKING.store(false, Ordering::SeqCst);
        typed
    }

    /// Shows that something is going on if it lasts longer than a second; on a terminal only.
    pub(crate) fn progress(&self, what: &'static str) -> Progress {
        if self.progress { Progress::begin(what) } else { Progress::default() }
    }

    /// The same where large files may be on their way: says how far they are, how fast they go and how
    /// long they will take. Where there is no terminal, one line of that now and then.
    pub(crate) fn carrying(&self, what: &'static str, traffic: &Traffic) -> Progress {
        let progress = self.progress(what);
        if self.json { progress } else { progress.with_traffic(what, traffic.clone()) }
    }

    /// Flushes, and returns what went wrong with writing data; a reader who went away (`| head`)
    /// is none of that.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        self.flush();
        self.err.flush().ok();
        match self.broken.take() {
            Some(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
            _ => Ok(()),
        }
    }

    /// Makes what was printed visible to who reads.
    pub(crate) fn flush(&mut self) {
        if let Err(error) = self.out.flush() {
            self.broken.get_or_insert(error);
        }
    }

    fn write_out(&mut self, text: &str) {
        if self.broken.is_none()
            && let Err(error) = self.out.write_all(text.as_bytes())
        {
            self.broken = Some(error);
        }
    }

    fn write_err(&mut self, text: &str) {
        // The order of both streams holds where they lead to one place.
        self.flush();
        self.unheard |= self.err.write_all(text.as_bytes()).is_err();
    }
}

/// True while a question stands at the end of the terminal, and nothing goes on.
static ASKING: AtomicBool = AtomicBool::new(false);

/// True while [`Ui::ask`] waits for a person.
pub(crate) fn is_asking() -> bool {
    ASKING.load(Ordering::SeqCst)
}

/// Tells something from where there is no [`Ui`] at hand.
pub(crate) fn tell(text: &str) {
    let text = safe(text);
    let stderr = io::stderr();
    let choice = AutoStream::choice(&stderr);
    writeln!(AutoStream::new(stderr, choice), "{text}").ok();
}

/// Breaks a line of data that is wider than the terminal; what is left begins behind `indent` blanks.
fn under(line: &str, indent: usize) -> String {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok();
    match size.map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0) {
        Some(columns) => broken(line, columns, indent),
        None => line.to_owned(),
    }
}

/// Returns how wide the terminal is, if what is narrated goes to one.
pub(crate) fn columns() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(io::stderr()).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}

/// Returns how wide text is to be that is best read in lines of at most `most`.
pub(crate) fn width(most: usize) -> usize {
    columns().map_or(most, |columns| columns.min(most))
}

/// Reads a line that a person types; blocks.
pub(crate) fn read_line() -> io::Result<String> {
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    Ok(line.trim().to_owned())
}

fn cell(text: &str, tone: Tone) -> Cell {
    let cell = Cell::new(text);
    match tone {
        Tone::Plain => cell,
        Tone::Good => cell.fg(Color::DarkGreen),
        Tone::Look => cell.fg(Color::DarkYellow),
        Tone::Bad => cell.fg(Color::DarkRed),
        Tone::Dim => cell.add_attribute(Attribute::Dim),
    }
}

fn paint(tone: Tone, text: &str) -> String {
    let style = match tone {
        Tone::Plain => return text.to_owned(),
        Tone::Good => GOOD,
        Tone::Look => LOOK,
        Tone::Bad => BAD,
        Tone::Dim => DIM,
    };
    format!("{style}{text}{style:#}")
}

/// The answer of a command, with what was asked of services; what it says of that itself stays.
fn priced(answer: &Value, usage: Usage) -> Value {
    let mut answer = answer.clone();
    if let (Some(fields), true) = (answer.as_object_mut(), usage.requests > 0) {
        fields.entry("requests").or_insert_with(|| usage.requests.into());
        fields.entry("quota_units").or_insert_with(|| usage.quota_units.into());
    }
    answer
}

/// JSON text in which treacherous characters are written by number; they can only be in strings.
fn escaped_json(value: &Value) -> String {
    let mut line = String::new();
    for c in value.to_string().chars() {
        if is_treacherous(c) {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                line.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            line.push(c);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_says_what_it_cost_unless_nothing_was_asked_for() {
        use serde_json::json;
        let usage = |requests, quota_units| Usage { requests, quota_units };
        let said = json!({ "pulled": 1, "requests": 2, "quota_units": 105 });
        #[rustfmt::skip]
        let cases = [
            (json!({ "jobs": [] }), usage(0, 0),   json!({ "jobs": [] })),
            (json!({ "jobs": [] }), usage(3, 250), json!({ "jobs": [], "requests": 3, "quota_units": 250 })),
            (json!({ "jobs": [] }), usage(3, 0),   json!({ "jobs": [], "requests": 3, "quota_units": 0 })),
            (said.clone(),          usage(9, 900), said),
            (json!([1]),            usage(9, 900), json!([1])),
        ];
        for (answer, usage, expected) in cases {
            assert_eq!(priced(&answer, usage), expected);
        }
    }

    #[test]
    fn json_on_a_terminal_holds_nothing_that_it_obeys() {
        let value = serde_json::json!({ "x": "a\u{9b}2J\u{202e}\u{e0041}\n" });
        let line = escaped_json(&value);
        assert!(line.chars().all(|c| !is_treacherous(c)), "{line}");
        assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), value);
    }
}
