//! Runs `systemctl` and `crontab`, which decide what runs on this machine.
//!
//! Invariant: a crontab that could not be read is never written.

use std::ffi::OsStr;
use std::path::PathBuf;
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
    if let Some(folder) = runtime_folder() {
        command.env(RUNTIME, folder);
    }
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

/// The variable by which the systemd of a user is found.
const RUNTIME: &str = "XDG_RUNTIME_DIR";

/// Where the systemd of this user listens, if the environment does not say so: after `su` and under
/// `sudo` it runs, and would not be found, so that what it runs would neither be seen nor stopped.
fn runtime_folder() -> Option<PathBuf> {
    let user = rustix::process::getuid().as_raw();
    let folder = PathBuf::from(format!("/run/user/{user}"));
    usual_runtime(std::env::var_os(RUNTIME).as_deref(), folder)
}

fn usual_runtime(said: Option<&OsStr>, usual: PathBuf) -> Option<PathBuf> {
    let is_said = said.is_some_and(|said| !said.is_empty());
    (!is_said && usual.join("systemd").join("private").exists()).then_some(usual)
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
    if says_none(&ended.stderr) {
        return Ok(None);
    }
    Err(ServiceError::Program { program: "crontab", reason: given(&ended) })
}

/// All versions say so, and none has a number for it; that of busybox names the file.
fn says_none(stderr: &str) -> bool {
    let is_missing =
        stderr.contains("can't open '") && stderr.contains("No such file or directory");
    stderr.contains("no crontab for") || (stderr.starts_with("crontab:") && is_missing)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_systemd_that_runs_is_found_where_nobody_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let usual = folder.path().join("1000");
        assert_eq!(usual_runtime(None, usual.clone()), None, "none runs");
        std::fs::create_dir_all(usual.join("systemd/private")).unwrap();
        assert_eq!(usual_runtime(None, usual.clone()), Some(usual.clone()));
        assert_eq!(usual_runtime(Some(OsStr::new("")), usual.clone()), Some(usual.clone()));
        assert_eq!(usual_runtime(Some(OsStr::new("/elsewhere")), usual), None, "it was said");
    }

    #[test]
    fn what_says_that_there_is_no_crontab_is_known() {
        for said in [
            "no crontab for olga\n",
            "crontab: no crontab for olga\n",
            "crontab: can't open 'olga': No such file or directory\n",
        ] {
            assert!(says_none(said), "{said}");
        }
        for said in ["", "cannot open spool\n", "crontab: can't open 'olga': Permission denied\n"] {
            assert!(!says_none(said), "{said}");
        }
    }
}
