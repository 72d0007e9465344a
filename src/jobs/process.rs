//! Runs one process to its end, or to the end of its time.
//!
//! Invariants: the process has a group of its own, so that an interrupt of ours does not reach it
//! half-way, and when this future ends or is dropped, the whole group is gone. A confined process
//! takes its whole namespace with it. The same holds when this program is killed, whenever that
//! is: see [`handshake`](super::handshake), also for what holds without confinement.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::Command;

use super::cut::Wish;
use super::handshake::{Handshake, script};
use super::logs::{TIMED_OUT, append, pump};
use super::outputs::OutputLimits;
use super::sandbox::{Confinement, Room};

/// What a job may use up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long it may run.
    pub time: Duration,
    /// How much it may print, on each of both streams.
    pub log_bytes: u64,
    /// How much memory each of its processes may hold.
    pub memory_bytes: u64,
    /// How many processes and threads it may have. Does not bind jobs that root runs.
    pub processes: u64,
    /// How large a file it may write.
    pub file_bytes: u64,
    /// How much it may put into each temporary folder, which are in memory.
    pub scratch_bytes: u64,
    /// What it may leave behind.
    pub outputs: OutputLimits,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            time: Duration::from_secs(300), // as the Python client
            log_bytes: 10 << 20,
            memory_bytes: 16 << 30,
            processes: 4096,
            file_bytes: 4 << 30,
            scratch_bytes: 1 << 30,
            outputs: OutputLimits::default(),
        }
    }
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    /// Its return code; −1 if it was killed for taking too long, or because somebody wished it.
    pub(crate) code: i64,
    /// How long it ran.
    pub(crate) duration: Duration,
    /// True if it was killed because somebody wished it.
    pub(crate) cut: bool,
}

/// Executes `room`; standard output and standard error are appended to `logs`. Once `wish` is made
/// it is killed, and nothing of it is left when this returns.
///
/// # Errors
/// If it cannot be started or its logs cannot be written; a process that fails is no error.
pub(crate) async fn execute(
    confinement: &Confinement,
    room: &Room,
    limits: &Limits,
    logs: [&Path; 2],
    wish: &Wish,
) -> io::Result<Ended> {
    let confined = confinement.confines();
    let limited = Room { command: limited(room, limits, confined), ..room.clone() };
    let line = confinement.command(&limited);
    let mut command = Command::new(&line[0]);
    command.args(&line[1..]).env_clear().current_dir("/").process_group(0).kill_on_drop(true);
    let (handshake, input) = Handshake::new()?;
    command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped());
    if !confined {
        command.envs(room.environment.iter().map(|(name, value)| (name, value)));
        command.current_dir(&room.directory);
    }
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
    let deadline = tokio::time::sleep(limits.time);
    tokio::pin!(deadline);
    let mut wished = std::pin::pin!(wish.made());
    let mut cut = false;
    let status = loop {
        tokio::select! {
            status = child.wait() => break Some(status?),
            result = &mut pumps, if pumped.is_none() => pumped = Some(result?),
            found = &mut answer, if !answered => {
                answered = true;
                // A sandbox needs no watcher: nothing of ours stays open to it.
                presence = found.filter(|_| !confined);
            }
            () = &mut deadline => break None,
            () = &mut wished => {
                cut = true;
                break None;
            }
        }
    };
    let duration = start.elapsed();
    // Also after a regular end: what it left running in the background ends with it.
    drop(group);
    drop(presence);
    if status.is_none() {
        child.wait().await?;
    }
    if pumped.is_none() {
        // Only somebody who fled the group can still hold the pipes; he is not waited for.
        tokio::time::timeout(Duration::from_secs(2), pumps).await.unwrap_or(Ok(((), ())))?;
    }
    if status.is_none() && !cut {
        append(logs[0], TIMED_OUT)?;
        append(logs[1], TIMED_OUT)?;
    }
    Ok(Ended { code: status.map_or(-1, code), duration, cut })
}

/// The room's command under limits that the system keeps. A shell sets them, because doing so
/// between fork and exec would need unsafe code.
fn limited(room: &Room, limits: &Limits, confined: bool) -> Vec<OsString> {
    let kib = |bytes: u64| bytes / 1024;
    // Each limit is tried in a subshell first: some shells end where a limit is refused. The number
    // of processes is `-u` in bash and `-p` in dash.
    let script = format!(
        "{begin}limit() {{ (ulimit \"$1\" \"$2\") 2>/dev/null && ulimit \"$1\" \"$2\"; }}; \
         limit -c 0; limit -d {data}; limit -f {blocks}; \
         limit -u {processes} || limit -p {processes}; exec \"$@\"",
        begin = script(confined),
        data = kib(limits.memory_bytes),
        blocks = limits.file_bytes / 512, // POSIX: units of 512 bytes
        processes = limits.processes,
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
