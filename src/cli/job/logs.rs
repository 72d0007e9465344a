//! `syft job logs`: what a job printed, or prints.

use std::time::Duration;

use serde_json::json;

use super::{Which, job_json};
use crate::cli::args::PreSync;
use crate::cli::context::Context;
use crate::cli::hints::quoted;
use crate::cli::report::{Exit, Failure, Outcome};
use crate::cli::ui::{Tone, Ui};
use crate::client::{Client, JobLogs};
use crate::jobs::JobStatus;
use crate::model::Role;

const EXAMPLES: &str = "\
Examples:
  syft job logs analysis
  syft job logs analysis --follow            # while it runs
  syft job logs analysis --json | jq -r .stdout";

/// Show what a job printed
///
/// To its owner also while it runs, whichever terminal or service runs it; to its submitter once the
/// owner has shared it. Nothing in it can steer the terminal.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    which: Which,

    /// Go on until the job has ended; one that waits is waited for
    #[arg(long, short)]
    follow: bool,

    #[command(flatten)]
    pre_sync: PreSync,
}

/// How often is looked for more.
const PAUSE: Duration = Duration::from_millis(200);

pub(crate) async fn run(args: &Args, context: &Context, ui: &mut Ui) -> Outcome {
    if args.follow {
        let client = context.open().await?;
        return follow(args, &client, ui).await;
    }
    let fresh = context.open_fresh(args.pre_sync, ui).await?;
    let mut logs = fresh.client.job_logs(&args.which.name, args.which.from.as_ref())?;
    let [stdout, stderr] = logs.read_on().map_err(|error| unreadable(&error))?.map(text);
    let found = logs.found();
    let exit = fresh.answer(
        json!({
            "job": job_json(&found.job, &found.datasite),
            "running": logs.is_live(),
            "stdout": logs.are_there()[0].then_some(&stdout),
            "stderr": logs.are_there()[1].then_some(&stderr),
        }),
        ui,
    );
    if logs.are_there() == [false; 2] {
        say_nothing(&logs, fresh.client.role(), ui);
        return Ok(exit);
    }
    for (title, text) in [("Standard output", stdout), ("Standard error", stderr)] {
        if !text.is_empty() {
            ui.heading(title);
            ui.line(text.trim_end_matches('\n'));
        }
    }
    if logs.is_live() {
        let name = quoted(&args.which.name);
        ui.hint(format_args!("it still runs; follow it with `syft job logs {name} --follow`"));
    }
    Ok(exit)
}

fn say_nothing(logs: &JobLogs, role: Role, ui: &mut Ui) {
    let job = &logs.found().job;
    let has_ended = matches!(job.state.status, JobStatus::Done | JobStatus::Failed);
    let name = &job.id.name;
    match (role, has_ended) {
        (Role::Owner, _) if logs.are_elsewhere() => {
            ui.say(format_args!("`{name}` runs on another machine, and so are its logs there"));
        }
        (Role::Owner, _) if job.state.status == JobStatus::Running => {
            ui.say(format_args!("The run of `{name}` was cut short"));
            ui.hint("`syft sync` settles it; what it printed is there then");
        }
        (Role::Owner, true) => ui.say(format_args!("`{name}` left no logs here")),
        (Role::Owner, false) => ui.say(format_args!("`{name}` has not run yet")),
        (Role::Scientist, true) => {
            ui.say(format_args!("The owner has not shared the logs of `{name}`"))
        }
        (Role::Scientist, false) => ui.say(format_args!("`{name}` has not ended yet")),
    }
}

/// Prints what comes until the job has ended. With `--json` that is one object at the end.
async fn follow(args: &Args, client: &Client, ui: &mut Ui) -> Outcome {
    let (name, from) = (&args.which.name, args.which.from.as_ref());
    if client.role() == Role::Scientist {
        return Err(Failure::usage(
            "only an owner can follow a job: it runs on the owner's machine",
        ));
    }
    let mut logs = client.job_logs(name, from)?;
    if logs.found().job.state.status == JobStatus::Approved {
        ui.say(format_args!("`{}` waits in the queue; waiting with it", logs.found().job.id.name));
        while logs.found().job.state.status == JobStatus::Approved {
            tokio::time::sleep(PAUSE).await;
            logs = client.job_logs(name, from)?;
        }
    }
    let (mut all, mut lines) = ([Vec::new(), Vec::new()], [Lines::default(), Lines::default()]);
    loop {
        let has_ended = logs.has_ended();
        if has_ended {
            logs.catch_up(client.job_logs(name, from)?); // a job may be faster than who looks
        }
        let read = logs.read_on().map_err(|error| unreadable(&error))?;
        for (place, bytes) in read.into_iter().enumerate() {
            for line in lines[place].add(&bytes, has_ended) {
                // Nothing is said by colour alone.
                let (tone, label) = [(Tone::Plain, "out"), (Tone::Look, "err")][place];
                ui.toned(tone, format_args!("{label}  {line}"));
            }
            if ui.is_json() {
                all[place].extend(bytes);
            }
        }
        ui.flush();
        if has_ended {
            break;
        }
        tokio::time::sleep(PAUSE).await;
    }
    let found = client.job(name, from)?;
    let [stdout, stderr] = all.map(text);
    ui.answer(&json!({
        "job": job_json(&found.job, &found.datasite),
        "running": false,
        "stdout": logs.are_there()[0].then_some(stdout),
        "stderr": logs.are_there()[1].then_some(stderr),
    }));
    if logs.are_there() == [false; 2] {
        say_nothing(&logs, Role::Owner, ui);
    } else {
        ui.say(format_args!("`{}` is {}", found.job.id.name, found.job.state.status));
    }
    Ok(Exit::Done)
}

/// Puts pieces together to lines.
#[derive(Debug, Default)]
struct Lines(Vec<u8>);

impl Lines {
    /// Returns the lines that are whole; at the end, or where a line has no end, also what is not.
    fn add(&mut self, bytes: &[u8], is_last: bool) -> Vec<String> {
        const LINE_MAX: usize = 64 << 10;
        self.0.extend_from_slice(bytes);
        let whole = self.0.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let whole = if is_last || self.0.len() - whole > LINE_MAX { self.0.len() } else { whole };
        let taken: Vec<u8> = self.0.drain(..whole).collect();
        text(taken).lines().map(str::to_owned).collect()
    }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8_lossy(&bytes).into_owned()
}

fn unreadable(error: &std::io::Error) -> Failure {
    Failure::new(crate::model::Code::Disk, format!("the logs cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_shown_when_they_are_whole() {
        let mut lines = Lines::default();
        assert_eq!(lines.add(b"on", false), Vec::<String>::new());
        assert_eq!(lines.add(b"e\ntwo\nth", false), ["one", "two"]);
        assert_eq!(lines.add(b"", true), ["th"]);
        assert_eq!(lines.add(&vec![b'x'; 100_000], false).len(), 1, "a line without an end");
    }
}
