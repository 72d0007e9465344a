//! `syft drive`: a Drive-compatible server, for a demo, a closed network and tests.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;

use super::args;
use super::report::{Exit, Failure, Outcome, chain};
use super::ui::Ui;
use crate::model::{Code, Email};

const SERVE_EXAMPLES: &str = "\
Examples:
  syft drive serve --data drive
  syft drive serve --data /srv/drive --listen 192.168.1.5:8420 --log requests.jsonl
  syft drive serve --data drive --listen 127.0.0.1:0 --json";

const ADD_EXAMPLES: &str = "\
Examples:
  syft drive account add me@example.org --data drive
  syft drive account add me@example.org --data drive --token a-secret-of-mine";

/// Run a drive of your own, without Google
#[derive(Debug, clap::Subcommand)]
#[command(
    after_help = "Examples:\n  syft drive serve --data drive\n  syft drive account add me@example.org --data drive"
)]
pub(crate) enum Command {
    Serve(Serve),
    #[command(subcommand)]
    Account(Account),
}

/// Serve a drive over HTTP until Ctrl-C
///
/// Speaks Google Drive v3, so that other clients work with it too. The first line on stdout is the
/// address to log in to. Traffic is plain HTTP: put a proxy with TLS before it where the network is
/// not yours alone.
#[derive(Debug, clap::Args)]
#[command(after_help = SERVE_EXAMPLES)]
pub(crate) struct Serve {
    /// Folder with all that the drive keeps; made if it is not there
    #[arg(long, value_name = "DIR")]
    data: PathBuf,

    /// Address to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:8420")]
    listen: SocketAddr,

    /// Wait this long before each answer, to play a distant service
    #[arg(long, value_name = "N", default_value_t = 0)]
    latency_ms: u64,

    /// Append one JSON line for each request to this file
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,

    /// Serve `/__admin/…`, which steers faults without any password; for tests only
    #[arg(long)]
    admin: bool,
}

/// Manage who may use a drive
#[derive(Debug, clap::Subcommand)]
#[command(after_help = ADD_EXAMPLES)]
pub(crate) enum Account {
    Add(Add),
}

/// Add an account to a drive, or a further token to one that is there
///
/// Works before and while the drive is served. The token is shown this once: the drive keeps only
/// its digest.
#[derive(Debug, clap::Args)]
#[command(after_help = ADD_EXAMPLES)]
pub(crate) struct Add {
    /// Address of the account
    #[arg(value_name = "EMAIL", value_parser = args::email)]
    account: Email,

    /// Folder of the drive, as given to `syft drive serve`
    #[arg(long, value_name = "DIR")]
    data: PathBuf,

    /// Token to take instead of a random one; at least 8 characters
    #[arg(long, value_name = "TOKEN", allow_hyphen_values = true)]
    token: Option<String>,
}

pub(crate) async fn run(command: &Command, ui: &mut Ui) -> Outcome {
    match command {
        Command::Serve(args) => serve(args, ui).await,
        Command::Account(Account::Add(args)) => add(args, ui),
    }
}

async fn serve(args: &Serve, ui: &mut Ui) -> Outcome {
    let mut options = drive_server::Options::new(&args.data);
    options.listen = args.listen;
    options.latency = Duration::from_millis(args.latency_ms);
    options.log.clone_from(&args.log);
    options.admin = args.admin;
    // Before the address is known to anybody, so that no signal is missed.
    let stop = super::signals::stop();
    let server = drive_server::serve(options).await?;
    ui.answer(&json!({ "url": server.url() }));
    ui.line(server.url());
    ui.flush();
    ui.say(format_args!("Serving the drive in `{}`; Ctrl-C stops", args.data.display()));
    if !args.listen.ip().is_loopback() {
        ui.warn("Tokens and files travel in clear; put a proxy with TLS before this address");
    }
    if args.admin {
        ui.warn("`/__admin/` takes orders from anybody who reaches this address");
    }
    if drive_server::accounts(&args.data)?.is_empty() {
        let data = args.data.display();
        ui.hint(format_args!(
            "run `syft drive account add EMAIL --data {data}` to let somebody in"
        ));
    }
    stop.await;
    server.shutdown().await;
    ui.say("Stopped");
    Ok(Exit::Done)
}

fn add(args: &Add, ui: &mut Ui) -> Outcome {
    let account =
        drive_server::add_account(&args.data, args.account.as_str(), args.token.as_deref())?;
    ui.answer(&json!({ "email": account.email, "token": account.token }));
    ui.line(&account.token);
    ui.done(format_args!("{} has an account; the token above is shown this once", account.email));
    ui.hint(format_args!(
        "log in with `syft login-do --email {} --drive URL --token -` (or `login-ds`), which asks for it",
        account.email
    ));
    Ok(Exit::Done)
}

impl From<drive_server::Error> for Failure {
    fn from(error: drive_server::Error) -> Self {
        use drive_server::Error;
        let (code, hint) = match &error {
            Error::InUse { .. } => {
                (Code::InUse, Some("stop the other `syft drive serve`, or give another --data"))
            }
            Error::Listen { .. } => {
                (Code::Listen, Some("give another --listen; port 0 takes a free one"))
            }
            Error::NotAnEmail { .. } => (Code::NotAnEmail, None),
            Error::BadToken { .. } => {
                (Code::BadToken, Some("leave --token away, and a good one is made"))
            }
            Error::Folder { .. } => (Code::Folder, None),
            _ => (Code::DriveServer, None),
        };
        let failure = Self::new(code, chain(&error));
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}
