//! A process begins its work only if we are still there, and once it is sure to end with us.
//!
//! `bwrap --die-with-parent` asks the system for that only some time after its start, and a
//! parent that was gone by then goes unnoticed. So the shell that becomes the command first asks
//! us through a socket, its standard input, and begins when we answer; if we are gone, it ends.
//! Invariant: when a confined process asks, both of bubblewrap's own processes die with their
//! parents. The outer one sees to that before it lets anything run inside. The inner one, process
//! 1, does so after it has started the shell, just before it begins to reap; so the shell makes an
//! orphan and asks when that was reaped. Source: `handle_die_with_parent` and its callers in
//! bubblewrap.c; the system calls of bubblewrap 0.8.0.
//!
//! Without confinement the system is asked for nothing. A watcher within the process group waits
//! for our end of the socket to close and kills the group. Whoever leaves the group, as a daemon
//! does, or kills the watcher, outlives us; only the sandbox prevents that.

use std::io;
use std::process::Stdio;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

/// Opens descriptor 3 as the socket, and leaves nothing on standard input.
const OPEN: &str = "exec 3<&0 </dev/null; ";

/// Waits until process 1 reaps. The orphan reads the socket only in order to wait: nothing comes
/// before we are asked. It is alive when its parent ends, since a parent may reap by itself.
const REAPED: &str = "orphan=$({ read -r answer <&3; } >/dev/null 2>&1 & echo \"$!\"); \
     kill -KILL \"$orphan\" 2>/dev/null; \
     while kill -0 \"$orphan\" 2>/dev/null; do :; done; ";

/// Asks, and ends unless there is an answer.
const ASK: &str = "printf . >&3; read -r answer <&3 || exit 125; ";

/// Kills the group when we are gone. No child of the command, which may wait for its children.
const WATCH: &str = "({ read -r answer <&3; kill -KILL 0; } >/dev/null 2>&1 &); ";

const CLOSE: &str = "exec 3<&-; ";

/// Returns the beginning of the shell script that becomes the command.
pub(crate) fn script(confined: bool) -> String {
    if confined { [OPEN, REAPED, ASK, CLOSE].concat() } else { [OPEN, ASK, WATCH, CLOSE].concat() }
}

/// Our end, while the process has not asked.
#[derive(Debug)]
pub(crate) struct Handshake(UnixStream);

/// Our end, which tells a watcher that we are there.
#[derive(Debug)]
pub(crate) struct Presence(#[expect(dead_code, reason = "held open, never used")] UnixStream);

impl Handshake {
    /// Returns our end and the standard input of the process. No copy of the latter may stay with
    /// us, or the end of the process is not noticed here.
    pub(crate) fn new() -> io::Result<(Self, Stdio)> {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        ours.set_nonblocking(true)?; // the shell's end stays as shells expect it
        Ok((Self(UnixStream::from_std(ours)?), Stdio::from(std::os::fd::OwnedFd::from(theirs))))
    }

    /// Waits until the process asks, and answers. `None` if it ended before.
    pub(crate) async fn answer(mut self) -> Option<Presence> {
        self.0.read_u8().await.ok()?;
        self.0.write_all(b"\n").await.ok()?;
        Some(Presence(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a script without confinement; true if what follows it was reached.
    async fn begins(answer: bool) -> (bool, Option<i32>) {
        let (ours, theirs) = Handshake::new().unwrap();
        let script = format!("{}echo begun; cat", script(false));
        let mut command = tokio::process::Command::new("/bin/sh");
        command.args(["-c", &script]).stdin(theirs).stdout(Stdio::piped()).process_group(0);
        let child = command.spawn().unwrap();
        drop(command);
        let presence = if answer {
            ours.answer().await
        } else {
            drop(ours);
            None
        };
        let output = child.wait_with_output().await.unwrap();
        drop(presence);
        (!output.stdout.is_empty(), output.status.code())
    }

    #[tokio::test]
    async fn a_process_begins_when_it_is_answered_and_has_no_input() {
        assert_eq!(begins(true).await, (true, Some(0)));
    }

    #[tokio::test]
    async fn a_process_whose_parent_is_gone_does_not_begin() {
        let (begun, code) = begins(false).await;
        // Either it was told by the system as it asked, or it saw that no answer came.
        assert!(!begun && matches!(code, None | Some(125)), "{code:?}");
    }

    #[tokio::test]
    async fn a_group_ends_with_its_parent() {
        let (ours, theirs) = Handshake::new().unwrap();
        let script = format!("{}exec sleep 600", script(false));
        let mut command = tokio::process::Command::new("/bin/sh");
        command.args(["-c", &script]).stdin(theirs).process_group(0).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        drop(command);
        drop(ours.answer().await.unwrap());
        let status = child.wait().await.unwrap();
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9));
    }
}
