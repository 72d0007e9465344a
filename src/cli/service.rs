//! `syft service`: keeps an account in step by itself.

use chrono::Timelike as _;
use serde_json::{Value, json};

use super::context::{Context, now_seconds};
use super::report::{Exit, Failure, Outcome};
use super::text::age;
use super::ui::{Tone, Ui};
use crate::client::service::{Installation, Kind, MINUTES, Service, ServiceStatus, Task};
use crate::client::{self, LastSync};
use crate::model::{Code, Email};

const EXAMPLES: &str = "\
Examples:
  syft service install                 # a process that watches, or else a line for cron
  syft service status
  syft service uninstall";
const INSTALL_EXAMPLES: &str = "\
Examples:
  syft service install --dry-run       # see what would be written, and where
  syft service install
  syft service install --serve         # approve people by rule and tell you what is new, too
  syft service install --timer --every 15
  syft service install --cron --every 5";
const STATUS_EXAMPLES: &str = "Examples:\n  syft service status\n  syft service status --json";
const UNINSTALL_EXAMPLES: &str =
    "Examples:\n  syft service uninstall --dry-run\n  syft service uninstall";

/// Keep an account in step by itself, also after a restart
#[derive(Debug, clap::Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum Command {
    /// Install the service of an account, or bring it up to date
    ///
    /// With systemd it is one process that runs `syft sync --watch`: changes travel within seconds,
    /// and its words are in the journal. Where there is no systemd of this user, cron runs
    /// `syft sync --quiet` every few minutes: it writes to you when a person is needed, and all else
    /// into a log of bounded size that `syft service status` names. Nothing that others wrote is
    /// touched.
    #[command(after_help = INSTALL_EXAMPLES)]
    Install(Install),
    /// Tell whether the service runs, when it ran last and how that ended
    ///
    /// Exit code 3 if it is installed but does not run, or if its last sync had problems.
    #[command(after_help = STATUS_EXAMPLES)]
    Status,
    /// Remove the service of an account, with its log
    #[command(after_help = UNINSTALL_EXAMPLES)]
    Uninstall {
        /// Tell what would be removed, and remove nothing
        #[arg(long)]
        dry_run: bool,
    },
}

/// How to install.
#[derive(Debug, clap::Args)]
pub(crate) struct Install {
    /// Let a timer of systemd start a sync every few minutes, instead of a process that watches
    #[arg(long, conflicts_with = "cron")]
    timer: bool,

    /// Write a line into your crontab, also where there is systemd
    #[arg(long)]
    cron: bool,

    /// Minutes between two runs, with --timer or cron: 1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30 or 60
    #[arg(long, value_name = "MINUTES", default_value_t = 5, value_parser = minutes)]
    every: u8,

    /// Run `syft serve`, which also approves people by rule and tells you what is new; from cron and
    /// with --timer `syft serve --once --quiet`. Stays so when it is installed again
    #[arg(long)]
    serve: bool,

    /// Print what would be written, and write nothing
    #[arg(long)]
    dry_run: bool,
}

fn minutes(text: &str) -> Result<u8, String> {
    let minutes = text.parse().ok().filter(|minutes| MINUTES.contains(minutes));
    minutes.ok_or_else(|| "it is 1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30 or 60".to_owned())
}

pub(crate) async fn run(command: &Command, context: &Context, ui: &mut Ui) -> Outcome {
    match command {
        Command::Install(args) => {
            let service = service(context, true)?;
            let serves = args.serve || service.serves_now().await.map_err(client::Error::from)?;
            install(args, &service.that_serves(serves), serves, ui).await
        }
        Command::Status => status(&service(context, false)?, ui).await,
        Command::Uninstall { dry_run } => uninstall(&service(context, false)?, *dry_run, ui).await,
    }
}

/// Finds out for whom. Who logged out may still look at the service and remove it.
fn service(context: &Context, needs_login: bool) -> Result<Service, Failure> {
    let configuration = context.configuration()?;
    let accounts = configuration.accounts().map_err(Failure::from)?;
    let mut emails = accounts.into_iter().map(|account| account.email).collect::<Vec<_>>();
    let unknown = |email| Failure::from(client::Error::NotLoggedIn { email });
    let email: Email = match context.email()? {
        Some(said) => {
            let known = emails.into_iter().find(|email| email.is_same_account(said.as_str()));
            match known {
                Some(known) => known,
                None if needs_login => return Err(unknown(Some(said))),
                None => said,
            }
        }
        None if emails.len() > 1 => return Err(client::Error::SeveralAccounts(emails).into()),
        None => emails.pop().ok_or_else(|| unknown(None))?,
    };
    let program = std::env::current_exe()
        .map_err(|error| Failure::new(Code::ServiceProgram, format!("where `syft` is: {error}")))?;
    let config = dirs::config_dir().ok_or(client::Error::NoHome)?;
    let home = context.home()?;
    let task = Task { program, home, email, serves: false, variables: carried() };
    Ok(Service::new(configuration, task, config.join("systemd/user")))
}

/// Variables that say where things are, or whom to trust, and that a service would not have.
fn carried() -> Vec<(String, String)> {
    const NAMES: [&str; 3] = ["XDG_CONFIG_HOME", "SSL_CERT_FILE", "SSL_CERT_DIR"];
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    NAMES.iter().filter_map(|name| Some(((*name).to_owned(), set(name)?))).collect()
}

async fn install(args: &Install, service: &Service, serves: bool, ui: &mut Ui) -> Outcome {
    let minutes = args.every;
    let kind = match (args.cron, args.timer) {
        (true, _) => Kind::Cron { minutes },
        (_, true) => Kind::Timer { minutes },
        _ => service.kind_here(minutes).await.map_err(client::Error::from)?,
    };
    if args.dry_run {
        let planned = service.plan(kind).await.map_err(client::Error::from)?;
        ui.answer(
            &json!({ "service": installation_json(service, &planned, serves), "dry_run": true }),
        );
        for (path, text) in &planned.units {
            ui.line(format_args!("# {}\n{text}", path.display()));
        }
        if let Some(line) = &planned.cron_line {
            ui.line(line);
        }
        ui.say("Nothing was written");
        return Ok(Exit::Done);
    }
    let installed = service.install(kind).await?;
    ui.answer(
        &json!({ "service": installation_json(service, &installed, serves), "dry_run": false }),
    );
    let (email, id) = (service.email(), service.id());
    let again = if installed.is_new { "" } else { ", as it was already" };
    match kind {
        Kind::Watch => {
            let does = if serves { "serves" } else { "keeps in step" };
            ui.done(format_args!("A process {does} {email}{again}: `{id}`"));
            ui.hint("on a server, `loginctl enable-linger` lets it run while you are logged out");
        }
        Kind::Timer { .. } => {
            ui.done(format_args!("A timer syncs {email} every {minutes} min{again}: `{id}`"));
            ui.hint("on a server, `loginctl enable-linger` lets it run while you are logged out");
        }
        Kind::Cron { .. } => {
            ui.done(format_args!("Cron syncs {email} every {minutes} min{again}"));
        }
    }
    ui.say(format_args!("What it does is in {}", log_of(service, kind)));
    Ok(Exit::Done)
}

fn installation_json(service: &Service, installation: &Installation, serves: bool) -> Value {
    let files = installation.units.iter();
    let files = files.map(|(path, text)| json!({ "path": path.to_string_lossy(), "text": text }));
    json!({
        "id": service.id(),
        "email": service.email().as_str(),
        "kind": installation.kind.as_str(),
        "serves": serves,
        "files": files.collect::<Vec<_>>(),
        "cron_line": installation.cron_line,
        "is_new": installation.is_new,
        "log": log_of(service, installation.kind),
    })
}

/// Returns where it is told what the service does.
fn log_of(service: &Service, kind: Kind) -> String {
    match kind {
        Kind::Watch => format!("`journalctl --user --unit {}`", service.id()),
        Kind::Timer { .. } | Kind::Cron { .. } => format!("`{}`", service.log().display()),
    }
}

async fn uninstall(service: &Service, dry_run: bool, ui: &mut Ui) -> Outcome {
    let removed = service.uninstall(dry_run).await?;
    ui.answer(&json!({
        "service": { "id": service.id(), "email": service.email().as_str() },
        "removed": removed,
        "dry_run": dry_run,
    }));
    for entry in &removed {
        ui.line(entry);
    }
    match (removed.is_empty(), dry_run) {
        (true, _) => ui.say(format_args!("No service is installed for {}", service.email())),
        (false, true) => ui.say("Nothing was removed"),
        (false, false) => ui.done(format_args!("Removed the service of {}", service.email())),
    }
    Ok(Exit::Done)
}

async fn status(service: &Service, ui: &mut Ui) -> Outcome {
    #[expect(clippy::cast_possible_truncation, reason = "seconds fit for ages")]
    let clock = chrono::DateTime::from_timestamp(now_seconds() as i64, 0)
        .map(|utc| utc.with_timezone(&chrono::Local));
    let (minute, second) = clock.map_or((0, 0), |clock| (clock.minute(), clock.second()));
    let status = service.status(minute, second).await?;
    let log = status.kind.map(|kind| log_of(service, kind));
    ui.answer(&json!({ "service": {
        "id": service.id(),
        "email": service.email().as_str(),
        "kind": status.kind.map(Kind::as_str),
        "serves": status.serves,
        "is_active": status.is_active,
        "state": status.state,
        "last": status.last.as_ref().map(|last| {
            json!({ "at": last.at, "exit": last.exit, "summary": last.summary })
        }),
        "next_in_seconds": status.next_in_seconds,
        "next": status.next,
        "log": log,
    } }));
    let Some(kind) = status.kind else {
        ui.say(format_args!("No service is installed for {}", service.email()));
        ui.hint("`syft service install` makes one");
        return Ok(Exit::Done);
    };
    let exit = exit_of(&status);
    let tone = if exit == Exit::Done { Tone::Good } else { Tone::Look };
    let runs = match kind {
        Kind::Watch if status.serves => "serves all the time".to_owned(),
        Kind::Watch => "watches all the time".to_owned(),
        Kind::Timer { minutes } | Kind::Cron { minutes } => format!("runs every {minutes} min"),
    };
    ui.toned(tone, format_args!("{} {runs}: {}", service.email(), status.state));
    ui.field("Last sync", last_words(status.last.as_ref()));
    if let Some(next) = next_words(&status) {
        ui.field("Next", next);
    }
    ui.field("Log", log.unwrap_or_default());
    if !status.is_active {
        ui.hint("`syft service install` starts it again");
    }
    Ok(exit)
}

fn exit_of(status: &ServiceStatus) -> Exit {
    let is_well = status.last.as_ref().is_none_or(|last| last.exit == 0);
    if status.is_active && is_well { Exit::Done } else { Exit::Problems }
}

fn last_words(last: Option<&LastSync>) -> String {
    let Some(last) = last else { return "none yet".to_owned() };
    #[expect(clippy::cast_precision_loss, reason = "seconds fit for ages")]
    let when = age(last.at as f64, now_seconds());
    let how = match last.exit {
        0 => "",
        3 => "with problems: ",
        _ => "it failed: ",
    };
    format!("{when}, {how}{}", last.summary)
}

fn next_words(status: &ServiceStatus) -> Option<String> {
    if let Some(seconds) = status.next_in_seconds {
        return Some(format!("in {} min", seconds.div_ceil(60)));
    }
    status.next.clone()
}
