//! `syft logout`: forget the sign-in of an account.

use serde_json::json;

use super::context::Context;
use super::report::{Exit, Failure, Outcome};
use super::ui::Ui;
use crate::client::{self, Client};

const EXAMPLES: &str = "\
Examples:
  syft logout
  syft logout --email me@example.org";

/// Forget the sign-in of an account on this machine
///
/// Your files stay, here and on the drive. To remove those, see `syft delete`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct LogoutArgs {}

pub(crate) async fn logout(_: &LogoutArgs, context: &Context, ui: &mut Ui) -> Outcome {
    let configuration = context.configuration()?;
    let email = match context.email()? {
        Some(email) => email,
        None => {
            let accounts = configuration.accounts()?;
            let mut emails: Vec<_> = accounts.into_iter().map(|account| account.email).collect();
            match emails.len() {
                0 => return Err(Failure::from(client::Error::NotLoggedIn { email: None })),
                1 => emails.remove(0),
                _ => return Err(Failure::from(client::Error::SeveralAccounts(emails))),
            }
        }
    };
    Client::logout(&configuration, &email).await?;
    ui.answer(&json!({ "email": email.as_str() }));
    ui.done(format_args!("Logged out {email}; the SyftBox and what is on the drive stay"));
    Ok(Exit::Done)
}
