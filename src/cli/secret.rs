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

/// Reads a line from the terminal without showing it. The terminal is as before afterwards, also if
/// the command is interrupted meanwhile.
///
/// # Errors
/// If stdin is no terminal, or ends.
pub(super) async fn read_line() -> io::Result<String> {
    let hidden = Hidden::begin()?;
    let line = tokio::task::spawn_blocking(ui::read_line).await;
    drop(hidden);
    ui::tell("");
    line.map_err(io::Error::other)?
}
