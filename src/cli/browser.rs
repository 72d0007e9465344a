//! Where the browser is in which a person signs in: on this machine, or somewhere else.
//!
//! [`plan`] decides from what the session says of itself; the rest shows the address, opens it, and
//! reads what is pasted. Wherever a person sits at a terminal they may paste, so that a wrong guess
//! about the browser costs nothing.

use std::io;
use std::process::{Command, Stdio};

use super::text::wrapped;
use super::ui;
use crate::client::{Asker, Browser, Pasted};

/// Columns of what is told.
const WIDTH: usize = 96;

/// What the session says of itself.
#[derive(Clone, Copy, Debug, Default)]
struct Session {
    /// Somebody came over the network.
    is_remote: bool,
    /// There is a screen to show a browser on.
    has_screen: bool,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Plan {
    /// A browser is opened here.
    opens: bool,
    /// A browser may come back to 127.0.0.1.
    comes_back: bool,
    /// A person is asked to paste.
    asks: bool,
}

/// Decides. `no_browser` was said by a person; `can_ask`: one is there.
const fn plan(session: Session, no_browser: bool, can_ask: bool) -> Plan {
    Plan {
        opens: !no_browser && session.has_screen && !session.is_remote && can_ask,
        comes_back: !no_browser,
        asks: can_ask,
    }
}

/// How a person gets to the page and back.
pub(crate) fn of_session(no_browser: bool, can_ask: bool) -> Browser {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let session = Session {
        is_remote: is_set("SSH_CONNECTION") || is_set("SSH_TTY"),
        has_screen: cfg!(target_os = "macos")
            || ["DISPLAY", "WAYLAND_DISPLAY", "BROWSER"].into_iter().any(is_set),
    };
    let plan = plan(session, no_browser, can_ask);
    let ask: Option<Asker> = plan.asks.then(|| asker(plan));
    Browser { show: Box::new(move |url| show(url, plan)), comes_back: plan.comes_back, ask }
}

fn show(url: &str, plan: Plan) {
    if plan.opens && open(url) {
        ui::tell(&format!(
            "Sign in in the browser. If none opened, open this address:\n\n  {url}\n"
        ));
    } else if plan.comes_back {
        ui::tell(&format!("Open this address in a browser, and sign in:\n\n  {url}\n"));
    } else {
        ui::tell(&format!(
            "Open this address in a browser on any machine, and sign in:\n\n  {url}\n"
        ));
    }
}

fn asker(plan: Plan) -> Asker {
    Box::new(move |problem| {
        match problem {
            Some(problem) => {
                let line = format!("Not yet: {problem}. Paste again:");
                ui::tell(&wrapped(&line, ui::width(WIDTH), ""));
            }
            None if plan.comes_back => ui::tell(
                "If the browser is on another machine, it ends at an address that does not load,\nand \
                 begins with http://127.0.0.1. Paste that address here, and press Enter:",
            ),
            None => ui::tell(
                "The browser then ends at an address that does not load, and begins with\n\
                 http://127.0.0.1. Paste that address here, and press Enter:",
            ),
        }
        read_pasted()
    })
}

/// Reads a line without holding up the end of the program: nobody may come back to paste.
fn read_pasted() -> Pasted {
    let (send, receive) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = io::stdin().read_line(&mut line).and_then(|length| match length {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(line),
        });
        send.send(read).ok();
    });
    Box::pin(async move { receive.await.map_err(io::Error::other)? })
}

/// Opens an address; false if this machine does not know how.
fn open(url: &str) -> bool {
    let named = std::env::var_os("BROWSER").filter(|name| !name.is_empty());
    let program = match named {
        Some(name) => name,
        None if cfg!(target_os = "macos") => "open".into(),
        None => "xdg-open".into(),
    };
    let started = Command::new(program)
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    started.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_may_paste_wherever_the_browser_is() {
        let at = |is_remote, has_screen| Session { is_remote, has_screen };
        #[rustfmt::skip]
        let cases = [
            // session          no_browser  can_ask    opens   comes back  asks
            (at(false, true),   false,      true,     (true,   true,       true)),
            (at(true,  true),   false,      true,     (false,  true,       true)),
            (at(false, false),  false,      true,     (false,  true,       true)),
            (at(false, true),   true,       true,     (false,  false,      true)),
            (at(false, true),   false,      false,    (false,  true,       false)),
        ];
        for (session, no_browser, can_ask, expected) in cases {
            let plan = plan(session, no_browser, can_ask);
            assert_eq!((plan.opens, plan.comes_back, plan.asks), expected, "{session:?}");
        }
    }
}
