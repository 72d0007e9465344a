//! What the doctor sees of the sign-in and of the drive: where the secret lies, how long it is good,
//! whether the drive answers, in what time and with which clock, and whose sign-in it is.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use drive_api::Clock as _;

use super::{Finding, State, plan};
use crate::client::configuration::{Login, Service};
use crate::client::secrets::Place;
use crate::client::{Configuration, Error, entering, lifetime};
use crate::connections::Connection;
use crate::model::{Code, Email};

/// How long the drive may take for its first answer.
const LOOK_PATIENCE: Duration = Duration::from_secs(10);
/// How long it may take to say whose sign-in it is, with all tries.
const ASK_PATIENCE: Duration = Duration::from_secs(45);

pub(super) async fn secret(configuration: &Configuration, email: &Email, login: &Login) -> Finding {
    const CHECK: &str = "secret";
    let path = match &login.service {
        Service::Folder { .. } => return Finding::well(CHECK, "a shared folder needs none"),
        Service::Google { token_path: Some(path), .. } => path.clone(),
        Service::Delegated { key_path, .. } => key_path.clone(),
        Service::ObjectStore { credentials_path: Some(path), .. } => path.clone(),
        Service::Server { .. } | Service::Google { .. } | Service::ObjectStore { .. } => {
            configuration.account_folder(email).join(crate::client::configuration::FILE)
        }
    };
    if login.place() == Some(Place::Keyring) {
        return match configuration.vault(email).read().await {
            Ok(_) => Finding::well(CHECK, "the sign-in is in the system's keyring, which answers"),
            Err(error) => Finding::failed(CHECK, error.into()),
        };
    }
    match mode(&path) {
        None => Finding::trouble(
            CHECK,
            State::Stopped,
            Code::SignInFile,
            format!("the file `{}` is not there", path.display()),
        ),
        Some(mode) if mode & 0o077 != 0 => Finding::trouble(
            CHECK,
            State::Look,
            Code::SecretReadable,
            format!("others on this machine may read `{}` (mode {mode:03o})", path.display()),
        ),
        Some(_) => Finding::well(CHECK, format!("you alone can read `{}`", path.display())),
    }
}

/// How long the sign-in is good.
pub(super) fn sign_in(login: &Login) -> Finding {
    const CHECK: &str = "sign-in";
    let Some(ends) = login.ends else {
        return Finding::well(CHECK, "no end of it is known");
    };
    let now = drive_api::SystemClock.now();
    let text = format!(
        "it {}: it was given for a time only, as to apps in Testing; publishing the app does not \
         change the end of this one",
        lifetime::told(ends, now)
    );
    let is_over = lifetime::remaining(ends, now) == lifetime::Remaining::Over;
    let state = if is_over { State::Stopped } else { State::Look };
    Finding::trouble(CHECK, state, Code::AppInTesting, text)
}

pub(super) async fn drive(
    configuration: &Configuration,
    email: &Email,
    login: &Login,
) -> Vec<Finding> {
    let connection = match entering::connect(configuration, email, &login.service, None).await {
        Ok(connected) => connected.connection,
        Err(error) => return vec![Finding::failed("drive", error)],
    };
    let mut findings = Vec::new();
    match entering::address(&login.service) {
        Ok(Some(endpoint)) => {
            let clock: Arc<dyn drive_api::Clock> = Arc::new(drive_api::SystemClock);
            match drive_api::look(&endpoint, &clock, LOOK_PATIENCE).await {
                Ok(sight) => findings.extend(of_sight(sight)),
                Err(error) => {
                    let text = format!("no answer from {}: {}", endpoint.root(), cause(&error));
                    return vec![
                        Finding::trouble("drive", State::Stopped, Code::Unavailable, text),
                        Finding::not_checked("clock", "the drive would have to answer"),
                        Finding::not_checked("account", "the drive would have to answer"),
                    ];
                }
            }
        }
        Ok(None) => findings.push(Finding::well("drive", format!("it is a {}", login.service))),
        Err(error) => return vec![Finding::failed("drive", error)],
    }
    findings.push(account(email, connection.as_ref()).await);
    findings
}

fn of_sight(sight: drive_api::Sight) -> [Finding; 2] {
    let milliseconds = sight.latency.as_millis();
    let text = format!("it answered within {milliseconds} ms, the connection included");
    let drive = match plan::latency(milliseconds) {
        State::Well => Finding::well("drive", text),
        state => Finding::trouble("drive", state, Code::Slow, text),
    };
    let clock = match sight.ahead_seconds {
        None => Finding::not_checked("clock", "the drive does not say what time it has"),
        Some(ahead) => {
            let side = if ahead < 0 { "behind" } else { "ahead of" };
            let text = format!("{} s {side} that of the drive", ahead.abs());
            match plan::clock(ahead) {
                State::Well => Finding::well("clock", text),
                state => Finding::trouble("clock", state, Code::ClockOff, text),
            }
        }
    };
    [drive, clock]
}

/// Whose sign-in it is, and whether it opens the drive.
async fn account(email: &Email, connection: &dyn Connection) -> Finding {
    const CHECK: &str = "account";
    let Ok(answer) = tokio::time::timeout(ASK_PATIENCE, connection.verify()).await else {
        let text = "the drive did not say whose sign-in it is";
        return Finding::trouble(CHECK, State::Stopped, Code::Unavailable, text);
    };
    match answer {
        Ok(found) if found.is_same_account(email.as_str()) => {
            Finding::well(CHECK, format!("the sign-in is that of {email}, and opens the drive"))
        }
        Ok(found) => Finding::failed(CHECK, Error::WrongAccount { expected: email.clone(), found }),
        Err(error) => Finding::failed(CHECK, error.into()),
    }
}

fn cause(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    last.to_string()
}

/// The rights on a file; `None` if it is not there.
fn mode(path: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt as _;
    Some(std::fs::metadata(path).ok()?.permissions().mode() & 0o777)
}
