//! How the story is told: scenes, what each person types, what travels, what stays.

use std::fmt;

use crate::cli::ui::{Tone, Ui};

/// The width that commands are broken to.
const COLUMNS: usize = 80;

/// Tells the story on stdout, or with `--json` on stderr.
pub(super) struct Stage<'a> {
    ui: &'a mut Ui,
    pause: bool,
    scenes: Vec<String>,
}

impl<'a> Stage<'a> {
    pub(super) fn new(ui: &'a mut Ui, pause: bool) -> Self {
        Self { ui, pause, scenes: Vec::new() }
    }

    /// Begins a scene.
    pub(super) fn scene(&mut self, title: &str) {
        if self.pause && !self.scenes.is_empty() {
            self.ui.ask("\n   Enter goes on");
        }
        self.scenes.push(title.to_owned());
        let title = format!("{:>2}  {title}", self.scenes.len());
        if self.ui.is_json() {
            self.ui.say(title);
        } else {
            self.ui.line("");
            self.ui.heading(title);
        }
    }

    /// Returns the titles of the scenes so far.
    pub(super) fn scenes(self) -> Vec<String> {
        self.scenes
    }

    /// What somebody would type for this.
    pub(super) fn types(&mut self, who: &str, command: &str) {
        let mut line = format!("    {who:<5} $");
        for word in command.replace(" --", "\n--").split('\n') {
            if line.len() + word.len() + 1 > COLUMNS - 2 {
                line.push_str(" \\");
                self.tell(Tone::Dim, &line);
                line = " ".repeat(13);
            }
            line.push(' ');
            line.push_str(word);
        }
        self.tell(Tone::Dim, line);
    }

    /// What is sent.
    pub(super) fn travels(&mut self, what: impl fmt::Display) {
        self.tell(Tone::Plain, format_args!("    travels  {what}"));
    }

    /// What is not.
    pub(super) fn stays(&mut self, what: impl fmt::Display) {
        self.tell(Tone::Plain, format_args!("    stays    {what}"));
    }

    /// What else is to be said.
    pub(super) fn says(&mut self, what: impl fmt::Display) {
        self.tell(Tone::Plain, format_args!("    {what}"));
    }

    /// What somebody should notice.
    pub(super) fn look(&mut self, what: impl fmt::Display) {
        self.tell(Tone::Look, format_args!("    ! {what}"));
    }

    /// What is proven.
    pub(super) fn good(&mut self, what: impl fmt::Display) {
        self.tell(Tone::Good, format_args!("    ✓ {what}"));
    }

    /// The text of a file.
    pub(super) fn shows(&mut self, text: &str) {
        for line in text.trim_end().lines() {
            self.tell(Tone::Plain, format_args!("      │ {line}"));
        }
    }

    fn tell(&mut self, tone: Tone, text: impl fmt::Display) {
        if self.ui.is_json() {
            self.ui.say(text);
        } else {
            self.ui.toned(tone, text);
        }
    }
}
