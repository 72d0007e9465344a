//! `syft notify set`: one way to tell somebody.

use std::path::{Path, PathBuf};

use clap::builder::PossibleValuesParser;
use serde_json::json;

use super::super::args;
use super::super::context::{Context, absolute};
use super::super::report::{Exit, Failure, Outcome};
use super::super::secret;
use super::super::serve::whose;
use super::super::ui::Ui;
use crate::channels::{self, Security, Smtp, Way, Webhook, find_program};
use crate::client::{Configuration, Courier, ServeFile, SmtpPassword, SystemClock};
use crate::model::{Code, Email};
use crate::notices::{EmailSettings, Kind, Told, Via};

const EXAMPLES: &str = "\
Examples:
  syft notify set email --to me@example.org --server smtp.example.org --user me
  syft notify set email --to me@example.org --gmail
  syft notify set webhook https://chat.example.org/hooks/SECRET --only job-waits,peer-asks
  syft notify set command -- /usr/bin/logger -t syft";
const EMAIL_EXAMPLES: &str = "\
Examples:
  syft notify set email --to me@example.org --server smtp.example.org --user me
  syft notify set email --to me@example.org --server localhost --security none
  syft notify set email --to me@example.org --gmail";
const WEBHOOK_EXAMPLES: &str = "\
Examples:
  syft notify set webhook https://chat.example.org/hooks/SECRET
  syft notify set webhook --url-file hook.txt     # keeps it out of the shell's history";
const COMMAND_EXAMPLES: &str = "\
Examples:
  syft notify set command -- /usr/bin/logger -t syft
  syft notify set command --only job-waits -- notify-send syft 'a job waits'";

/// Tell by e-mail, by a webhook, or by a command
#[derive(Debug, clap::Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum Command {
    /// Tell by e-mail, over a mail server or Google's mail
    ///
    /// The password is asked for, or read from a file, and kept beside the sign-in, for you alone.
    #[command(after_help = EMAIL_EXAMPLES)]
    Email(EmailArgs),
    /// Tell a webhook: JSON by POST, with a `text` that chat services show
    ///
    /// The address is https, or http on this machine. No redirect is followed.
    #[command(after_help = WEBHOOK_EXAMPLES)]
    Webhook(WebhookArgs),
    /// Tell a command of yours: JSON on its standard input
    ///
    /// It is started as it stands here, without a shell, and may run for 30 seconds.
    #[command(name = "command", after_help = COMMAND_EXAMPLES)]
    Program(CommandArgs),
}

/// What is told.
#[derive(Debug, clap::Args)]
pub(crate) struct Only {
    /// Tell these kinds of news only, several with commas
    #[arg(long, value_name = "KIND", value_delimiter = ',', value_parser = kinds())]
    only: Vec<String>,
}

fn kinds() -> PossibleValuesParser {
    let kinds = Kind::ALL.into_iter().filter(|kind| *kind != Kind::Test);
    PossibleValuesParser::new(kinds.map(Kind::as_str))
}

impl Only {
    fn told(&self) -> Told {
        Told::only(self.only.iter().filter_map(|word| Kind::parse(word)))
    }
}

/// E-mail.
#[derive(Debug, clap::Args)]
pub(crate) struct EmailArgs {
    /// Who gets it; several with commas
    #[arg(long, value_name = "EMAIL", required = true, value_delimiter = ',', value_parser = args::email)]
    to: Vec<Email>,

    /// Who sends it; without, the account
    #[arg(long, value_name = "EMAIL", value_parser = args::email)]
    from: Option<Email>,

    /// Mail server
    #[arg(long, value_name = "HOST", required_unless_present = "gmail")]
    server: Option<String>,

    /// Port of the mail server; without, the usual one
    #[arg(long, value_name = "PORT", requires = "server")]
    port: Option<u16>,

    /// How the way to the mail server is secured
    #[arg(long, value_name = "HOW", requires = "server", default_value = "starttls",
          value_parser = PossibleValuesParser::new(Security::ALL.map(|(_, name, _)| name)))]
    security: String,

    /// User at the mail server, if it wants one
    #[arg(long, value_name = "NAME", requires = "server")]
    user: Option<String>,

    /// File whose first line is the password; without, it is asked for
    #[arg(long, value_name = "FILE", requires = "user")]
    password_file: Option<PathBuf>,

    /// File with the certificates of who vouches for the mail server, where that is your organisation
    #[arg(long, value_name = "FILE", requires = "server")]
    ca: Option<PathBuf>,

    /// Send over Google's mail, with the sign-in of this account
    #[arg(long, conflicts_with = "server")]
    gmail: bool,

    #[command(flatten)]
    only: Only,
}

/// A webhook.
#[derive(Debug, clap::Args)]
pub(crate) struct WebhookArgs {
    /// Its address
    #[arg(value_name = "URL", required_unless_present = "url_file")]
    url: Option<String>,

    /// File whose first line is its address
    #[arg(long, value_name = "FILE", conflicts_with = "url")]
    url_file: Option<PathBuf>,

    #[command(flatten)]
    only: Only,
}

/// A command.
#[derive(Debug, clap::Args)]
pub(crate) struct CommandArgs {
    /// Program, and what it is given
    #[arg(value_name = "WORD", required = true, last = true)]
    line: Vec<String>,

    #[command(flatten)]
    only: Only,
}

pub(crate) async fn run(command: &Command, context: &Context, ui: &mut Ui) -> Outcome {
    let (configuration, account, role) = whose(context).await?;
    let mut file = ServeFile::open(&configuration, &account)?;
    let way = match command {
        Command::Email(args) => {
            let settings = email(args)?;
            settings.check(&account).map_err(unusable)?;
            keep_password(args, &settings, &configuration, &account, &file, ui).await?;
            file.change(|all| all.email = Some(settings))?;
            Way::Email
        }
        Command::Webhook(args) => {
            let url = match (&args.url, &args.url_file) {
                (Some(url), _) => url.clone(),
                (None, Some(path)) => first_line(path)?,
                (None, None) => String::new(),
            };
            let webhook = Webhook::parse(&url).map_err(unusable)?;
            file.change(|all| all.webhook = Some((webhook, args.only.told())))?;
            Way::Webhook
        }
        Command::Program(args) => {
            let command = self::command(&args.line)?;
            file.change(|all| all.command = Some((command, args.only.told())))?;
            Way::Command
        }
    };
    // What could not be sent before may work now.
    Courier::open(&configuration, &account, role)?.hurry(&SystemClock)?;
    ui.answer(&json!({ "way": way.as_str(), "path": file.path().to_string_lossy() }));
    ui.done(match way {
        Way::Email => "News go out by e-mail while `syft serve` runs",
        Way::Webhook => "News go to the webhook while `syft serve` runs",
        Way::Command => "News go to the command while `syft serve` runs",
    });
    ui.hint("run `syft notify test` to see whether it works");
    Ok(Exit::Done)
}

fn email(args: &EmailArgs) -> Result<EmailSettings, Failure> {
    let via = match &args.server {
        None => Via::Gmail,
        Some(server) => {
            let security = Security::parse(&args.security).unwrap_or(Security::StartTls);
            let port = args.port.unwrap_or_else(|| security.port());
            let ca = args.ca.as_deref().map(absolute).transpose()?;
            let (server, user) = (server.clone(), args.user.clone());
            Via::Smtp(Smtp { server, port, security, user, ca })
        }
    };
    Ok(EmailSettings { to: args.to.clone(), from: args.from.clone(), via, told: args.only.told() })
}

/// Keeps the password that is said now; else the one that is kept already, if it is for the same user.
async fn keep_password(
    args: &EmailArgs,
    settings: &EmailSettings,
    configuration: &Configuration,
    account: &Email,
    file: &ServeFile,
    ui: &mut Ui,
) -> Result<(), Failure> {
    let password = SmtpPassword::of(configuration, account);
    let Some(user) = &args.user else { return Ok(password.remove().await?) };
    if let Some(path) = &args.password_file {
        return Ok(password.set(&first_line(path)?).await?);
    }
    let before = file.settings().email.as_ref().map(|before| &before.via);
    let is_same = match (before, &settings.via) {
        (Some(Via::Smtp(before)), Via::Smtp(now)) => {
            before.user == now.user && before.server == now.server
        }
        _ => false,
    };
    if !ui.can_ask() {
        if is_same && password.get().await?.is_some() {
            return Ok(());
        }
        let text = "there is nobody to ask for the password";
        return Err(Failure { exit: Exit::Usage, ..Failure::new(Code::NoPassword, text) }
            .hint("name a file whose first line is the password with --password-file"));
    }
    let question = format!("Password of {user} at the mail server (it is not shown):");
    let said = secret::read_line(&question).await;
    let said = said.map_err(|error| Failure::new(Code::NoPassword, error.to_string()))?;
    if said.is_empty() {
        return Err(Failure::new(Code::NoPassword, "nothing was typed"));
    }
    Ok(password.set(&said).await?)
}

fn command(line: &[String]) -> Result<channels::Command, Failure> {
    let name = line.first().map_or("", String::as_str);
    let program = find_program(name).map_err(|_| {
        Failure::new(Code::NoProgram, format!("there is no program `{name}`"))
            .hint("name a program that is in PATH, or its whole path")
    })?;
    let program = program.into_os_string().into_string();
    let program = program.map_err(|_| Failure::usage("the path of the program is no text"))?;
    let rest = line.iter().skip(1).cloned();
    channels::Command::new(std::iter::once(program).chain(rest).collect()).map_err(unusable)
}

/// Reads the first line of a file that holds a secret.
fn first_line(path: &Path) -> Result<String, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| Failure::file(path, &error))?;
    let line = text.lines().next().unwrap_or_default().trim();
    if line.is_empty() {
        let text = format!("the first line of `{}` is empty", path.display());
        return Err(Failure::new(Code::File, text));
    }
    Ok(line.to_owned())
}

fn unusable(error: channels::Error) -> Failure {
    let failure =
        Failure { exit: Exit::Usage, ..Failure::new(Code::BadSetting, error.to_string()) };
    match super::hints::of_channel(&error) {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}
