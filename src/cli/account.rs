//! `syft logout`: forget the sign-in of an account.

use serde_json::json;

use super::context::Context;
use super::report::{Exit, Failure, Outcome};
use super::ui::Ui;
use crate::client::{self, Client};
use crate::model::Code;

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
    let left = Client::logout(&configuration, &email).await?;
    let Some(why) = left else {
        ui.answer(&json!({ "email": email.as_str() }));
        ui.done(format_args!("Logged out {email}; the SyftBox and what is on the drive stay"));
        return Ok(Exit::Done);
    };
    let message =
        format!("Logged out {email}, but the sign-in is left in the keyring, which {why}");
    let hint = format!(
        "remove `syft: sign-in of {email}` there with the keyring's own program, or withdraw the \
         sign-in at https://myaccount.google.com/connections"
    );
    let problem = json!({ "code": Code::Keyring, "message": message, "hint": hint });
    ui.answer(&json!({ "email": email.as_str(), "problems": [problem] }));
    ui.problem(Code::Keyring.as_str(), &message);
    ui.hint(&hint);
    Ok(Exit::Problems)
}
