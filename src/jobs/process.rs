//! Runs one process to its end, or to the end of its time.
//!
//! Invariants: the process has a group of its own, so that an interrupt of ours does not reach it
//! half-way, and when this future ends or is dropped, the whole group is gone. A confined process
//! takes its whole namespace with it, and none of it is left when this returns. The same holds when this program is killed, whenever that
//! is: see [`handshake`](super::handshake), also for what holds without confinement.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use super::cut::Wish;
use super::handshake::{Handshake, script};
use super::launch::launch;
use super::limits::{Exceeded, Limits, Usage};
use super::logs::{TIMED_OUT, append, pump};
use super::sandbox::{Confinement, Room};
use super::watch::{emptied, watch};

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    /// Its return code; −1 if it was killed.
    pub(crate) code: i64,
    /// How long it ran.
    pub(crate) duration: Duration,
    /// Why it was killed before its time was over.
    pub(crate) exceeded: Option<Exceeded>,
    /// What it used at most, as far as somebody looked: only with confinement, and now and then.
    pub(crate) usage: Usage,
    /// True if it was killed because somebody wished it.
    pub(crate) cut: bool,
}

/// Why nobody waits for a process any longer.
enum End {
    Itself(ExitStatus),
    Time,
    Limit(Exceeded),
    Wish,
    Problem(io::Error),
}

/// Executes `room`; standard output and standard error are appended to `logs`. What is in `left`, the
/// folder that it may write to, counts as left by it. Once `wish` is made it is killed, and nothing of it is left when this
/// returns, whatever it returns.
///
/// # Errors
/// If it cannot be started or its logs cannot be written; a process that fails is no error.
pub(crate) async fn execute(
    confinement: &Confinement,
    room: &Room,
    limits: &Limits,
    left: &Path,
    logs: [&Path; 2],
    wish: &Wish,
) -> io::Result<Ended> {
    let confined = confinement.confines();
    let limited = Room { command: limited(room, limits, confined), ..room.clone() };
    let mut launched = launch(confinement, &limited)?;
    let about = launched.about();
    let mut command = launched.command;
    command.process_group(0).kill_on_drop(true);
    let (handshake, input) = Handshake::new()?;
    command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped());
    let start = Instant::now();
    let mut child = command.spawn()?;
    drop(command); // it holds the other end of the handshake
    let group = Group(child.id().and_then(|id| Pid::from_raw(id.cast_signed())));
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let (Some(out), Some(err)) = (out, err) else { return Err(io::Error::other("no pipes")) };

    let mut pumps = std::pin::pin!(async {
        tokio::try_join!(pump(out, logs[0], limits.log_bytes), pump(err, logs[1], limits.log_bytes))
    });
    let mut pumped = None;
    let mut answer = std::pin::pin!(handshake.answer());
    let (mut answered, mut presence) = (false, None);
    let peak = Mutex::new(Usage::default());
    let mut watch = std::pin::pin!(watch(about.as_ref(), room, left, limits, &peak));
    let mut deadline = std::pin::pin!(tokio::time::sleep(limits.time));
    let mut wished = std::pin::pin!(wish.made());
    let end = loop {
        tokio::select! {
            status = child.wait() => break status.map_or_else(End::Problem, End::Itself),
            result = &mut pumps, if pumped.is_none() => match result {
                Ok(both) => pumped = Some(both),
                Err(error) => break End::Problem(error), // a full disk, for instance
            },
            found = &mut answer, if !answered => {
                answered = true;
                // A sandbox needs no watcher: nothing of ours stays open to it.
                presence = found.filter(|_| !confined);
            }
            exceeded = &mut watch => break End::Limit(exceeded),
            () = &mut deadline => break End::Time,
            () = &mut wished => break End::Wish,
        }
    };
    let duration = start.elapsed();
    // Also after a regular end: what it left running in the background ends with it.
    drop(group);
    drop(presence);
    if !matches!(end, End::Itself(_)) {
        child.wait().await?;
    }
    emptied(about.as_ref()).await;
    if pumped.is_none() && !matches!(end, End::Problem(_)) {
        // Only somebody who fled the group can still hold the pipes; he is not waited for.
        tokio::time::timeout(Duration::from_secs(2), pumps).await.unwrap_or(Ok(((), ())))?;
    }
    let usage = peak.lock().map(|peak| *peak).unwrap_or_default();
    let cut = matches!(end, End::Wish);
    let (code, exceeded) = ended(end, logs)?;
    Ok(Ended { code, duration, exceeded, usage, cut })
}

/// Says in the logs how it ended, if not by itself.
fn ended(end: End, logs: [&Path; 2]) -> io::Result<(i64, Option<Exceeded>)> {
    match end {
        End::Itself(status) => Ok((code(status), None)),
        End::Time => {
            append(logs[0], TIMED_OUT)?;
            append(logs[1], TIMED_OUT)?;
            Ok((-1, None))
        }
        End::Wish => Ok((-1, None)), // whoever wished it says so
        End::Problem(error) => Err(error),
        End::Limit(exceeded) => {
            append(logs[1], &format!("\n--- STOPPED: {exceeded} ---\n"))?;
            Ok((-1, Some(exceeded)))
        }
    }
}

/// How many files each process may have open: each costs the kernel memory that is no process's own,
/// and our look at them time.
const OPEN_FILES: u32 = 8192;

/// The room's command under limits that the system keeps. A shell sets them, because doing so
/// between fork and exec would need unsafe code.
fn limited(room: &Room, limits: &Limits, confined: bool) -> Vec<OsString> {
    let kib = |bytes: u64| bytes / 1024;
    // Each limit is tried in a subshell first: some shells end where a limit is refused. The number
    // of processes is `-u` in bash and `-p` in dash.
    // Where memory is short after all, the kernel is to end a job first. A job can take that back.
    let script = format!(
        "{begin}limit() {{ (ulimit \"$1\" \"$2\") 2>/dev/null && ulimit \"$1\" \"$2\"; }}; \
         {{ echo 1000 >/proc/self/oom_score_adj; }} 2>/dev/null; \
         limit -c 0; limit -d {data}; limit -f {blocks}; limit -n {OPEN_FILES}; limit -r 0; {time}\
         limit -u {processes} || limit -p {processes}; exec \"$@\"",
        begin = script(confined),
        data = kib(limits.memory_bytes),
        blocks = limits.file_bytes / 512, // POSIX: units of 512 bytes
        processes = limits.processes,
        // The first process to use that much alone ends by the kernel, whoever watches.
        time = limits.processor_time.map_or(String::new(), |time| {
            format!("limit -t {}; ", time.as_secs().saturating_add(1))
        }),
    );
    let mut line: Vec<OsString> = ["/bin/sh", "-c", &script, "sh"].map(OsString::from).into();
    line.extend(room.command.iter().cloned());
    line
}

/// The number that a shell would report, negative for a signal as the Python client writes it.
fn code(status: ExitStatus) -> i64 {
    use std::os::unix::process::ExitStatusExt;

    let signal = status.signal().map(|signal| -i64::from(signal));
    status.code().map(i64::from).or(signal).unwrap_or(-1)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::cut::{Stop, listen};
    use crate::jobs::sandbox::SystemDirs;
    use crate::model::Timestamp;

    /// What is taken over after that would still have a writer.
    #[tokio::test]
    async fn nothing_runs_any_more_when_a_log_cannot_be_written() {
        let home = tempfile::tempdir().unwrap();
        let marker = format!("600.{}", std::process::id());
        let room = Room {
            system: SystemDirs::default(),
            network: false,
            binds: Vec::new(),
            home: home.path().to_owned(),
            environment: Vec::new(),
            directory: home.path().to_owned(),
            command: ["/bin/sleep", &marker].map(OsString::from).into(),
            scratch_bytes: 1 << 20,
        };
        let stop = Stop::default();
        let file = home.path().join("cancel");
        let (wish, _listener) = listen(&file, Timestamp::from_micros(0), &stop);
        let no_file = [home.path(), home.path()];
        let limits = Limits::default();
        let place = home.path();
        execute(&Confinement::None, &room, &limits, place, no_file, &wish).await.unwrap_err();
        let runs = || {
            std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
                std::fs::read(entry.path().join("cmdline"))
                    .is_ok_and(|line| String::from_utf8_lossy(&line).contains(&marker))
            })
        };
        // The shell asks its limits in subshells: one that was killed may take a moment to be gone.
        let still = (0..1000).all(|_| runs());
        assert!(!still, "it still runs");
    }
}
