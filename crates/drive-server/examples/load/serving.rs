//! The server that is measured: this program once more, in a process of its own.

use std::{
    env,
    fmt::Write as _,
    fs,
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, Command, Stdio},
};

use drive_server::{Options, add_account};

use super::{Failure, Wishes};

/// A server; it ends when this is dropped, if we have started it.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) url: String,
    child: Option<Child>,
}

/// Starts a server, unless one was named.
pub(crate) fn start(wishes: &Wishes) -> Result<Server, Failure> {
    if let Some(url) = &wishes.url {
        return Ok(Server { url: url.clone(), child: None });
    }
    let mut child = Command::new(env::current_exe()?)
        .arg("serve")
        .arg(&wishes.data)
        .args(["--accounts", &wishes.accounts.to_string()])
        .stdout(Stdio::piped())
        .spawn()?;
    let mut url = String::new();
    BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut url)?;
    let url = url.trim().to_owned();
    if url.is_empty() {
        return Err("the server did not start".into());
    }
    Ok(Server { url, child: Some(child) })
}

/// Serves until it is ended; the URL is its first line.
pub(crate) async fn serve(wishes: &Wishes) -> Result<(), Failure> {
    for account in 0..wishes.accounts {
        add_account(&wishes.data, &super::email(account), Some(&super::token(account)))?;
    }
    let server = drive_server::serve(Options::new(&wishes.data)).await?;
    println!("{}", server.url());
    std::io::stdout().flush()?;
    server.stopped().await;
    Ok(())
}

impl Server {
    /// Processor time and the most memory of the server so far, if it is ours and the system tells.
    pub(crate) fn spent(&self) -> Option<Spent> {
        let pid = self.child.as_ref()?.id();
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let after = stat.rsplit_once(')')?.1;
        let field = |at: usize| after.split_whitespace().nth(at)?.parse::<f64>().ok();
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        let kib: f64 = peak.trim().trim_end_matches(" kB").parse().ok()?;
        // Fields 14 and 15 of proc(5), in ticks of 1/100 s on Linux.
        Some(Spent { cpu_s: (field(11)? + field(12)?) / 100.0, peak_mib: kib / 1024.0 })
    }
}

/// What a server has cost since its start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spent {
    pub(crate) cpu_s: f64,
    pub(crate) peak_mib: f64,
}

impl Spent {
    /// One line about the time from `before` to now.
    pub(crate) fn line(before: Option<Self>, now: Option<Self>) -> String {
        let mut line = String::new();
        if let (Some(before), Some(now)) = (before, now) {
            let cpu = now.cpu_s - before.cpu_s;
            write!(
                line,
                "the server: {cpu:.1} s of processor time, at most {:.0} MiB",
                now.peak_mib
            )
            .ok();
        }
        line
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            child.kill().ok();
            child.wait().ok();
        }
    }
}
