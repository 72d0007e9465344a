//! Runs `systemctl` and `crontab`, which decide what runs on this machine.
//!
//! Invariant: a crontab that could not be read is never written.

use std::ffi::OsStr;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::ServiceError;

/// How long one of these programs may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// How a program ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) is_done: bool,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

/// Runs a program to its end.
async fn run(
    program: &'static str,
    arguments: &[&OsStr],
    input: Option<&str>,
) -> Result<Ended, ServiceError> {
    let failed = |reason: String| ServiceError::Program { program, reason };
    let mut command = Command::new(program);
    command.args(arguments).env("LC_ALL", "C").env("SYSTEMD_PAGER", "").kill_on_drop(true);
    command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let ended = async {
        let mut child = command.spawn()?;
        if let (Some(input), Some(mut stdin)) = (input, child.stdin.take()) {
            stdin.write_all(input.as_bytes()).await?;
        }
        child.wait_with_output().await
    };
    let output = tokio::time::timeout(PATIENCE, ended)
        .await
        .map_err(|_| failed(format!("it took longer than {} s", PATIENCE.as_secs())))?
        .map_err(|error| failed(error.to_string()))?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok(Ended {
        is_done: output.status.success(),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    })
}

/// Returns the reason that a program gave for its failure.
fn given(ended: &Ended) -> String {
    let text = if ended.stderr.trim().is_empty() { &ended.stdout } else { &ended.stderr };
    text.trim().lines().next().unwrap_or("it failed").to_owned()
}

/// True if this user has a systemd that answers.
pub(super) async fn has_systemd() -> bool {
    systemctl(&["show-environment"]).await.is_ok()
}

/// Runs `systemctl --user`.
pub(super) async fn systemctl(arguments: &[&str]) -> Result<String, ServiceError> {
    let all = ["--user", "--no-pager", "--no-ask-password"].iter().chain(arguments);
    let all: Vec<&OsStr> = all.map(OsStr::new).collect();
    let ended = run("systemctl", &all, None).await?;
    if ended.is_done {
        return Ok(ended.stdout);
    }
    Err(ServiceError::Program { program: "systemctl", reason: given(&ended) })
}

/// Returns the crontab of this user; `None` if there is none.
pub(super) async fn crontab() -> Result<Option<String>, ServiceError> {
    let ended = run("crontab", &[OsStr::new("-l")], None).await?;
    if ended.is_done {
        return Ok(Some(ended.stdout));
    }
    // All versions say so, and none has a number for it.
    if ended.stderr.contains("no crontab for") {
        return Ok(None);
    }
    Err(ServiceError::Program { program: "crontab", reason: given(&ended) })
}

/// Writes the crontab of this user; an empty one is removed.
pub(super) async fn set_crontab(text: &str) -> Result<(), ServiceError> {
    let ended = if text.is_empty() {
        run("crontab", &[OsStr::new("-r")], None).await?
    } else {
        run("crontab", &[OsStr::new("-")], Some(text)).await?
    };
    if ended.is_done {
        return Ok(());
    }
    Err(ServiceError::Program { program: "crontab", reason: given(&ended) })
}
