//! A command of the owner's own: a fixed line of words, started without a shell, with the message as
//! JSON on its standard input.
//!
//! Invariants: nothing of a message is in its line or its environment; it has a process group of its
//! own, which is gone when it has ended, when its time is over, and when this future is dropped.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};

use super::{Error, Message, Result};

/// How long a command may run.
pub const TIME_LIMIT: Duration = Duration::from_secs(30);

/// What of our own environment a command gets, beside a `PATH` that is always the same: a desktop
/// notice needs the last two.
const ENVIRONMENT: [&str; 4] = ["HOME", "LANG", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS"];
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// How long what it said is waited for once it has ended.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How much of what it says about a failure is kept.
const SAID_BYTES_MAX: usize = 4096;
const SAID_SHOWN_MAX: usize = 200;

/// A command.
///
/// Invariant: its first word is an absolute path; no word holds a zero byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    line: Vec<String>,
}

impl Command {
    /// Takes the words of a command line.
    ///
    /// # Errors
    /// [`Error::Setting`] if the invariant does not hold.
    pub fn new(line: Vec<String>) -> Result<Self> {
        let refused = |problem| Error::Setting { what: "the command", problem };
        let program = line.first().ok_or_else(|| refused("it is empty"))?;
        if !Path::new(program).is_absolute() {
            return Err(refused("its first word is no path that begins with `/`"));
        }
        if line.iter().any(|word| word.contains('\0')) {
            return Err(refused("a word of it holds a zero byte"));
        }
        Ok(Self { line })
    }

    /// Returns its words.
    pub fn line(&self) -> &[String] {
        &self.line
    }

    /// Runs it once, for `time_limit` at most. It has taken the message if it ends with 0.
    ///
    /// # Errors
    /// [`Error::NotStarted`]; [`Error::Command`], [`Error::TimedOut`]: then it may have done its work.
    pub async fn send(&self, message: &Message, time_limit: Duration) -> Result<()> {
        let program = || PathBuf::from(&self.line[0]);
        let mut child = self
            .prepared()
            .spawn()
            .map_err(|source| Error::NotStarted { program: program(), source })?;
        let group = Group(child.id().and_then(|id| Pid::from_raw(id.cast_signed())));
        let (input, output) = (child.stdin.take(), child.stderr.take());
        let told = format!("{}\n", message.json);
        let mut said = Vec::new();
        let mut exchange =
            Box::pin(async { tokio::join!(tell(input, told.as_bytes()), hear(output, &mut said)) });
        let mut is_over = false;
        let running = async {
            loop {
                tokio::select! {
                    ended = child.wait() => return ended,
                    _ = &mut exchange, if !is_over => is_over = true,
                }
            }
        };
        let ended = tokio::time::timeout(time_limit, running).await;
        drop(group);
        if !is_over {
            // What it said last is on its way still. Who fled the group is not waited for.
            tokio::time::timeout(LAST_WORDS, &mut exchange).await.ok();
        }
        drop(exchange);
        let Ok(status) = ended else {
            child.wait().await.ok();
            let place = format!("`{}`", program().display());
            return Err(Error::TimedOut { place, seconds: time_limit.as_secs() });
        };
        let ended = match status {
            Ok(status) if status.success() => return Ok(()),
            Ok(status) => ending(status, &said),
            Err(error) => error.to_string(),
        };
        Err(Error::Command { program: program(), ended })
    }

    fn prepared(&self) -> tokio::process::Command {
        let mut command = tokio::process::Command::new(&self.line[0]);
        command.args(&self.line[1..]).env_clear().env("PATH", PATH).current_dir("/");
        for name in ENVIRONMENT {
            command.envs(std::env::var_os(name).map(|value| (name, value)));
        }
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        command.process_group(0).kill_on_drop(true);
        command
    }
}

/// Writes all and closes; a command that does not listen may.
async fn tell(input: Option<tokio::process::ChildStdin>, told: &[u8]) {
    if let Some(mut input) = input {
        input.write_all(told).await.ok();
    }
}

/// Reads to the end, so that nobody waits for us, and keeps the beginning.
async fn hear(output: Option<impl AsyncRead + Unpin>, said: &mut Vec<u8>) {
    let Some(mut output) = output else { return };
    let mut part = [0; 1024];
    while let Ok(length @ 1..) = output.read(&mut part).await {
        let room = SAID_BYTES_MAX.saturating_sub(said.len());
        said.extend_from_slice(&part[..length.min(room)]);
    }
}

fn ending(status: ExitStatus, said: &[u8]) -> String {
    let said = String::from_utf8_lossy(said);
    let first = said.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let first: String = first.chars().take(SAID_SHOWN_MAX).collect();
    // An exit code is shown as `exit status: 1`, a signal as `signal: 9 (SIGKILL)`.
    if first.is_empty() {
        format!("ended with {status}")
    } else {
        format!("ended with {status}: {first}")
    }
}

/// Kills a process group when it goes out of scope.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // It may be gone already, which is what we want.
            kill_process_group(group, Signal::KILL).ok();
        }
    }
}

/// Returns where the program `name` is: a path as it is, a bare name as `PATH` finds it.
///
/// # Errors
/// If there is no such file that can be executed.
pub(crate) fn find_program(name: &str) -> io::Result<PathBuf> {
    use std::os::unix::fs::PermissionsExt as _;
    let is_program = |path: &Path| {
        std::fs::metadata(path)
            .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    };
    let candidates: Vec<PathBuf> = if name.contains('/') {
        vec![std::path::absolute(name)?]
    } else {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).map(|folder| folder.join(name)).collect()
    };
    let found = candidates.into_iter().find(|path| path.is_absolute() && is_program(path));
    found.ok_or_else(|| io::ErrorKind::NotFound.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;

    fn message(name: &str) -> Message {
        Message {
            id: "0190".to_owned(),
            subject: name.to_owned(),
            body: name.to_owned(),
            json: serde_json::json!({ "job": name }),
            date: Timestamp::ZERO,
        }
    }

    fn shell(script: &str) -> Command {
        Command::new(["/bin/sh", "-c", script].map(str::to_owned).into()).unwrap()
    }

    #[tokio::test]
    async fn a_message_comes_on_standard_input_and_nowhere_else() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        let hostile = "$(touch x); `id`\n\u{1b}[2J";
        let script = format!("cat >{0}; printf '%s|' \"$@\" >>{0}; env >>{0}", out.display());
        shell(&script).send(&message(hostile), TIME_LIMIT).await.unwrap();
        let text = std::fs::read_to_string(&out).unwrap();
        let (json, rest) = text.split_once('\n').unwrap();
        let json: serde_json::Value = serde_json::from_str(json).unwrap();
        assert_eq!(json["job"], hostile);
        assert!(!rest.contains("touch") && !rest.contains("CARGO"), "{rest}");
        assert!(!json.to_string().contains('\u{1b}'), "control characters are escaped");
    }

    #[tokio::test]
    async fn a_command_that_hangs_ends_with_all_that_it_began() {
        let folder = tempfile::tempdir().unwrap();
        let (fifo, limit) = (folder.path().join("alive"), Duration::from_millis(300));
        let made = std::process::Command::new("mkfifo").arg(&fifo).status().unwrap();
        assert!(made.success());
        let script = format!("(sleep 100000 & sleep 100000) 3<>{}", fifo.display());
        let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::NONBLOCK;
        let alive = rustix::fs::open(&fifo, flags, rustix::fs::Mode::empty()).unwrap();
        let error = shell(&script).send(&message("x"), limit).await.unwrap_err();
        assert!(matches!(error, Error::TimedOut { .. }), "{error}");
        // The pipe ends once nothing of the command has it open; else this never returns.
        rustix::fs::fcntl_setfl(&alive, rustix::fs::OFlags::empty()).unwrap();
        assert_eq!(rustix::io::read(&alive, &mut [0; 1]).unwrap(), 0);
    }

    #[tokio::test]
    async fn a_failure_says_how_it_ended_and_what_was_said_first() {
        let failing = shell("cat >/dev/null; echo no route >&2; echo more >&2; exit 7");
        let error = failing.send(&message("x"), TIME_LIMIT).await.unwrap_err().to_string();
        assert!(error.ends_with("exit status: 7: no route"), "{error}");
        let loud = shell("exec 0<&-; head -c 1000000 /dev/zero >&2; head -c 1000000 /dev/zero");
        loud.send(&message(&"x".repeat(1 << 20)), TIME_LIMIT).await.unwrap();
        let nothing = Command::new(vec!["/no/such/program".to_owned()]).unwrap();
        let error = nothing.send(&message("x"), TIME_LIMIT).await.unwrap_err();
        assert!(matches!(error, Error::NotStarted { .. }), "{error}");
        assert!(Command::new(vec!["notify-send".to_owned()]).is_err());
        assert!(Command::new(Vec::new()).is_err());
        assert!(find_program("sh").unwrap().is_absolute() && find_program("no-such").is_err());
    }
}
