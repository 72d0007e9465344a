//! `syft setup secrets`: in the system's keyring, or in a file.

use serde_json::json;

use crate::cli::context::Context;
use crate::cli::report::{Exit, Outcome};
use crate::cli::ui::Ui;
use crate::client::{Configuration, Place, SecretAt};
use crate::model::Email;

const EXAMPLES: &str = "\
Examples:
  syft setup secrets               # where it is now
  syft setup secrets keyring
  syft setup secrets file          # for runs from cron, where no keyring is open";

/// Tell where the secret of a sign-in is kept, or move it
///
/// A file that was named at the login (--token-path, --service-account, --s3-credentials) stays where it is. The password of a mail server goes where the sign-in goes.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Where it is to be
    #[arg(value_name = "WHERE", value_parser = ["file", "keyring"])]
    to: Option<String>,
}

pub(crate) async fn run(args: &Args, context: &Context, ui: &mut Ui) -> Outcome {
    let configuration = context.configuration()?;
    let email = context.email()?;
    let to = args.to.as_deref().map(|to| match to {
        "keyring" => Place::Keyring,
        _ => Place::File,
    });
    let moved = match to {
        Some(to) => configuration.move_secret(email.as_ref(), to).await?,
        None => None,
    };
    let place = place(&configuration, email.as_ref());
    let (kind, path) = match &place {
        Some(SecretAt::Keyring) => ("keyring", None),
        Some(SecretAt::File(path)) => ("file", Some(path.to_string_lossy())),
        Some(SecretAt::None) | None => ("none", None),
    };
    ui.answer(&json!({ "in": kind, "path": path }));
    ui.line(match &place {
        Some(SecretAt::Keyring) => "The sign-in is in the system's keyring".to_owned(),
        Some(SecretAt::File(path)) => format!("The sign-in is in `{}`", path.display()),
        _ => "No secret is kept".to_owned(),
    });
    if to.is_some() && moved.is_none() {
        ui.say("It is not ours to move: it was named at the login, or there is none");
        return Ok(Exit::Problems);
    }
    Ok(Exit::Done)
}

/// Where the secret of the account that is meant lies.
fn place(configuration: &Configuration, email: Option<&Email>) -> Option<SecretAt> {
    let accounts = configuration.accounts().ok()?;
    let is_meant = |named: &Email| email.is_none_or(|email| email.is_same_account(named.as_str()));
    accounts.into_iter().find(|account| is_meant(&account.email)).map(|account| account.secret)
}
