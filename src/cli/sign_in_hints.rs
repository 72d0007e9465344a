//! The advice for each failure of signing in to Google: which page, which command.
//!
//! The pages are Google's own, named by their addresses; the commands can be run as they stand.

use drive_api::auth::{SCOPE, SignInError};

use crate::connections::Barrier;

/// How one signs in again.
pub(crate) const AGAIN: &str =
    "sign in again with `syft login-do` as a data owner, `syft login-ds` as a data scientist";

/// What helps where the clock of this machine is off.
pub(crate) const CLOCK: &str = "let the system set the clock (on Linux `timedatectl set-ntp true`), then \
     run `syft doctor`";

/// Where an app is published.
pub(crate) const AUDIENCE: &str = "https://console.cloud.google.com/auth/audience";

/// What can be done about a failed sign-in.
pub(crate) fn of_sign_in(error: &SignInError) -> Option<String> {
    if let Some(barrier) = Barrier::of(error) {
        return Some(of_barrier(&barrier));
    }
    let hint = match error {
        SignInError::AccessDenied => {
            "press `Allow` on Google's page; if it said that the app is blocked, run `syft doctor \
             --said access_denied`"
        }
        SignInError::MailMissing => {
            "sign in again and tick the box about sending e-mail on Google's page; or sign in \
             without --mail, and name a mail server with `syft notify set email --server HOST`"
        }
        SignInError::NoLoopback { .. } => {
            "sign in with --no-browser and paste the address that the browser ends at; the client \
             has to be of the type `Desktop app`, which `syft setup google --way personal` makes \
             with you"
        }
        SignInError::TimedOut { .. } => {
            "if Google's page showed an error, `syft doctor --said TEXT` explains it; else run \
             the command again"
        }
        SignInError::Misread(_) => "run the command again, and paste the whole address",
        SignInError::File { .. } | SignInError::Malformed { .. } => {
            "name the right file; `syft setup google --way personal` tells how to get one"
        }
        SignInError::Unavailable { .. } => {
            "look whether Google can be reached with `syft doctor`, then run the command again"
        }
        _ => AGAIN,
    };
    Some(hint.to_owned())
}

/// What can be done about what keeps an account from its drive.
pub(crate) fn of_barrier(barrier: &Barrier) -> String {
    match barrier {
        Barrier::ApiOff { project } => {
            let project = project.as_ref().map(|name| format!("?project={name}"));
            format!(
                "switch it on at https://console.cloud.google.com/apis/library/\
                 drive.googleapis.com{} with the button `Enable`, wait five minutes, then run \
                 `syft doctor`",
                project.unwrap_or_default()
            )
        }
        Barrier::ScopeMissing => format!(
            "{AGAIN}, and tick `See, edit, create and delete all of your Google Drive files` on \
             Google's page"
        ),
        Barrier::AdminPolicy => "your IT can allow it: `syft setup google --way organisation \
             --letter letter.txt` writes them a letter with all that they need"
            .to_owned(),
        Barrier::AppBlocked => format!(
            "if the app is your own and in Testing, publish it at {AUDIENCE}; else make one of your \
             own, or let your IT do so, with `syft setup google`; who is in Google's Advanced \
             Protection needs `syft setup google --way none`"
        ),
        Barrier::ClockOff => CLOCK.to_owned(),
        Barrier::SignInEnded => format!(
            "publish the app at {AUDIENCE} with the button `Publish app`, then {AGAIN}; a sign-in \
             from before keeps its end"
        ),
        Barrier::BadClient => {
            "the app was deleted, or its secret changed: download its credentials \
             again with `syft setup google --way personal`"
                .to_owned()
        }
        Barrier::NoDelegation { client_id } => format!(
            "an administrator adds the client id {client_id} with the scope {SCOPE} at \
             https://admin.google.com/ac/owl/domainwidedelegation; after some minutes run `syft \
             doctor`"
        ),
        Barrier::NobodyToActFor => "look at the address behind --impersonate: it has to be a \
             person's in the organization that the service account was let into; `syft doctor` \
             tries it again"
            .to_owned(),
        Barrier::BadKey => {
            "an administrator makes a new key for it in the Cloud console; then run \
             `syft login-do --service-account key.json --impersonate EMAIL`"
                .to_owned()
        }
        Barrier::NotForItself => "name the person whom it acts for: `syft login-do \
             --service-account key.json --impersonate EMAIL`"
            .to_owned(),
        Barrier::Keyring => {
            "unlock the keyring and run the command again, or keep the sign-in in a \
             file: `syft login-do --secrets file`"
                .to_owned()
        }
    }
}
