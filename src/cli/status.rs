//! `syft status`: is anything wrong, who waits for whom, where things are.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::args::PreSync;
use super::context::{Context, Fresh, now_seconds};
use super::hints::quoted;
use super::job::job_json;
use super::peer::peer_json;
use super::report::{Exit, Failure, Outcome};
use super::text::{age, count};
use super::ui::{Tone, Ui};
use crate::client::lifetime::{moment, remaining, told};
use crate::client::{AccountInfo, Clock as _, Configuration, SecretAt, SystemClock};
use crate::jobs::{Job, JobStatus, Listed};
use crate::model::{Email, Role};
use crate::peers::PeerState;
use crate::syncers::peering::Acquaintance;

const EXAMPLES: &str = "\
Examples:
  syft status
  syft status --no-sync     # without asking the drive
  syft status --json";

/// Tell whether all is well, who waits for you, and where things are
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    pre_sync: PreSync,
}

/// A line that asks for an act, and the command for it.
struct Need {
    text: String,
    command: String,
}

pub(crate) async fn run(args: &Args, context: &Context, ui: &mut Ui) -> Outcome {
    let configuration = context.configuration()?;
    let accounts = configuration.accounts()?;
    let named = context.email()?;
    let chosen = match &named {
        Some(email) => accounts.iter().find(|known| known.email.is_same_account(email.as_str())),
        None if accounts.len() == 1 => accounts.first(),
        None => None,
    };
    match (chosen, &named) {
        (Some(account), _) => one(account.clone(), args.pre_sync, context, ui).await,
        (None, Some(email)) => {
            let email = Some(email.clone());
            Err(Failure::from(crate::client::Error::NotLoggedIn { email }))
        }
        (None, None) => Ok(overview(&configuration, &accounts, ui)),
    }
}

/// Nobody is logged in, or several are.
fn overview(configuration: &Configuration, accounts: &[AccountInfo], ui: &mut Ui) -> Exit {
    let shown: Vec<Value> = accounts.iter().map(account_json).collect();
    ui.answer(&json!({ "home": configuration.home().to_string_lossy(), "accounts": shown }));
    if accounts.is_empty() {
        ui.say("Nobody is logged in");
        ui.hint("run `syft login-do` as a data owner, `syft login-ds` as a scientist, or `syft demo` first");
        return Exit::Done;
    }
    let rows = accounts.iter().map(|account| {
        let role = account.role.as_str().to_owned();
        [
            (account.email.to_string(), Tone::Plain),
            (role, Tone::Plain),
            (account.service.clone(), Tone::Dim),
        ]
    });
    ui.table(["ACCOUNT", "ROLE", "DRIVE"], rows.collect());
    ui.hint("name one with --email or in the variable SYFT_EMAIL to see more");
    Exit::Done
}

async fn one(account: AccountInfo, said: PreSync, context: &Context, ui: &mut Ui) -> Outcome {
    let fresh = context.open_fresh(said, ui).await?;
    let peers = fresh.client.peers().await?;
    let listed = fresh.client.jobs()?;
    let jobs: Vec<(&Job, &Email)> = listed
        .iter()
        .filter_map(|entry| match &entry.listed {
            Listed::Job(job) => Some((job.as_ref(), &entry.datasite)),
            Listed::Unreadable { .. } => None,
        })
        .collect();
    let datasets = fresh.client.datasets()?.len();
    let now = moment(SystemClock.now());
    let ends = fresh.client.sign_in_ends().await;
    let account = AccountInfo { ends, ..account };
    let mut needs = needs(account.role, &peers, &jobs);
    if let Some(ends) = ends.filter(|ends| remaining(*ends, now).is_urgent()) {
        let text = format!("Your sign-in {}", told(ends, now));
        needs.insert(0, Need { text, command: "syft doctor".to_owned() });
    }
    let mut answer = account_json(&account);
    answer["syftbox"] = json!(fresh.client.folders().syftbox.to_string_lossy());
    answer["peers"] = peers.iter().map(peer_json).collect();
    answer["jobs"] = jobs.iter().map(|(job, owner)| job_json(job, owner)).collect();
    answer["datasets"] = json!(datasets);
    answer["needs_you"] =
        needs.iter().map(|need| json!({ "text": need.text, "command": need.command })).collect();
    answer["accounts"] = json!([account_json(&account)]);
    let exit = fresh.answer(answer, ui);
    if ui.is_json() {
        return Ok(exit);
    }
    first_line(&account, &fresh, exit, ui);
    ui.line("");
    if needs.is_empty() {
        ui.line("Nothing needs you");
    } else {
        ui.heading("NEEDS YOU");
        for Need { text, command } in &needs {
            ui.toned(Tone::Look, format_args!("  ! {text}"));
            ui.line(format_args!("      {command}"));
        }
    }
    ui.line("");
    let working = peers.iter().filter(|known| known.peer.state == PeerState::Accepted).count();
    ui.field("People", count(working, "works with you", "work with you"));
    ui.field("Datasets", datasets);
    ui.field("Jobs", jobs_line(&jobs));
    ui.field("Account", format_args!("{} ({})", account.email, account.role.as_str()));
    ui.field("Drive", &account.service);
    ui.field("Sign-in", sign_in_line(&account, now));
    ui.field("Folder", fresh.client.folders().syftbox.display());
    Ok(exit)
}

/// Where the secret lies, and how long it is good.
fn sign_in_line(account: &AccountInfo, now: DateTime<Utc>) -> String {
    let place = match &account.secret {
        SecretAt::Keyring => "in the system's keyring".to_owned(),
        SecretAt::File(path) => format!("in the file {}", path.display()),
        SecretAt::None => "none is needed".to_owned(),
    };
    match account.ends {
        Some(ends) => format!("{place}; {} (Google app in Testing)", told(ends, now)),
        None => place,
    }
}

fn first_line(account: &AccountInfo, fresh: &Fresh, exit: Exit, ui: &mut Ui) {
    let whose = match account.role {
        Role::Owner => "Your data is on this machine",
        Role::Scientist => "Your work is on this machine",
    };
    let (tone, state) = match (exit, fresh.synced) {
        (Exit::Done, true) => (Tone::Good, "and in step with the drive"),
        (Exit::Done, false) => (Tone::Plain, "the drive was not asked"),
        _ => (Tone::Look, "but not everything could be synced, see above"),
    };
    ui.toned(tone, format_args!("{whose}, {state}"));
}

fn needs(role: Role, peers: &[Acquaintance], jobs: &[(&Job, &Email)]) -> Vec<Need> {
    let now = now_seconds();
    let asking = peers.iter().filter(|known| known.peer.state == PeerState::RequestedByPeer);
    let mut needs: Vec<Need> = asking
        .map(|known| Need {
            text: format!("{} asks to work with you", known.peer.email),
            command: format!("syft peer approve {}", known.peer.email),
        })
        .collect();
    if role == Role::Scientist {
        return needs;
    }
    for (job, _) in jobs {
        let (name, who) = (quoted(&job.id.name), &job.id.submitter);
        let when = age(job.config.submitted_at.seconds(), now);
        match job.state.status {
            JobStatus::Pending => needs.push(Need {
                text: format!("{who} asks to run {name}, {when}"),
                command: format!("syft job show {name}"),
            }),
            JobStatus::Approved => needs.push(Need {
                text: format!("{name} of {who} is approved and has not run"),
                command: format!("syft job run {name}"),
            }),
            _ => {}
        }
    }
    needs
}

fn jobs_line(jobs: &[(&Job, &Email)]) -> String {
    let order = [
        JobStatus::Received,
        JobStatus::Pending,
        JobStatus::Approved,
        JobStatus::Running,
        JobStatus::Done,
        JobStatus::Failed,
        JobStatus::Rejected,
    ];
    let parts = order.iter().filter_map(|status| {
        let number = jobs.iter().filter(|(job, _)| job.state.status == *status).count();
        (number > 0).then(|| format!("{number} {}", status.as_str()))
    });
    let text = parts.collect::<Vec<_>>().join(", ");
    if text.is_empty() { "none".to_owned() } else { text }
}

fn account_json(account: &AccountInfo) -> Value {
    let (place, path) = match &account.secret {
        SecretAt::Keyring => ("keyring", None),
        SecretAt::File(path) => ("file", Some(path.to_string_lossy())),
        SecretAt::None => ("none", None),
    };
    json!({
        "email": account.email.as_str(),
        "role": account.role.as_str(),
        "service": account.service,
        "secret": { "in": place, "path": path },
        "sign_in_ends": account.ends,
    })
}
