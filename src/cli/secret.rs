//! Reads what must not be seen on the screen.

use std::io;

use rustix::termios::{self, LocalModes, OptionalActions, Termios};

use super::ui;

/// Keeps a terminal from showing what is typed, until it is dropped.
struct Hidden {
    before: Termios,
}

impl Hidden {
    fn begin() -> io::Result<Self> {
        let before = termios::tcgetattr(io::stdin())?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        termios::tcsetattr(io::stdin(), OptionalActions::Flush, &quiet)?;
        Ok(Self { before })
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        termios::tcsetattr(io::stdin(), OptionalActions::Flush, &self.before).ok();
    }
}

/// Asks for a line and reads it from the terminal without showing it. The terminal is as before
/// afterwards, also if the command is interrupted meanwhile; it is quiet before the question is seen,
/// as somebody, or a program, may answer at once.
///
/// # Errors
/// If stdin is no terminal, or ends.
pub(super) async fn read_line(question: &str) -> io::Result<String> {
    let hidden = Hidden::begin()?;
    ui::tell(question);
    let line = tokio::task::spawn_blocking(ui::read_line).await;
    drop(hidden);
    ui::tell("");
    line.map_err(io::Error::other)?
}
