//! The advice for each error of the library: which command helps.

use super::explain;
use super::report::{Exit, Failure, chain};
use super::sign_in_hints::{self, AGAIN, CLOCK};
use crate::caches;
use crate::channels;
use crate::client::service::ServiceError;
use crate::client::{Error, KeysError};
use crate::connections::object_store::Refusal;
use crate::connections::{self, Barrier};
use crate::datasets;
use crate::jobs::{self, JobStatus};
use crate::model::{Code, Role};
use crate::peers::KeyFileError;
use crate::syncers::sealing;
use crate::syncers::{self, Problem};

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::from(&error)
    }
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        let exit = if matches!(error, Error::Locked { .. }) { Exit::Locked } else { Exit::Failed };
        let failure = Self { exit, ..Self::new(error.code(), chain(error)) };
        match hint(error) {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

/// Returns what can be done about an error.
pub(crate) fn hint(error: &Error) -> Option<String> {
    let hint = match error {
        Error::NotLoggedIn { email: None } => {
            "run `syft login-do --email EMAIL …` as a data owner, `syft login-ds` as a data \
             scientist, or `syft demo` to see how it works"
        }
        Error::NotLoggedIn { email: Some(email) } => {
            return Some(format!(
                "run `syft login-do --email {email} …` or `syft login-ds --email {email} …`; \
                 `syft status` shows who is logged in"
            ));
        }
        Error::SeveralAccounts(_) => "name one with --email or in the variable SYFT_EMAIL",
        Error::WrongAccount { found, expected } => {
            return Some(format!(
                "sign in again as {expected} with `syft login-do --email {expected}` (or `login-ds`), \
                 and choose that account on the page; or log {found} in under its own address"
            ));
        }
        Error::WrongRole { needed: Role::Owner } => {
            "this account is a data scientist's; name an owner's with --email, or log one in with \
             `syft login-do`"
        }
        Error::WrongRole { needed: Role::Scientist } => {
            "this account is a data owner's; name a scientist's with --email, or log one in with \
             `syft login-ds`"
        }
        Error::Locked { .. } => {
            "wait until the other one is done, or let `syft sync --wait` wait for it"
        }
        Error::SignIn(error) => return sign_in_hints::of_sign_in(error),
        Error::Keyring { .. } => return Some(sign_in_hints::of_barrier(&Barrier::Keyring)),
        Error::Address(_) => "an address looks like `http://127.0.0.1:8420`",
        Error::Ambiguous { .. } => "say whose with --from (jobs) or --owner (datasets)",
        Error::InTwoLayouts { name, .. } => {
            return Some(format!(
                "one is `{}`, the other `{}`; `syft job list` shows both",
                quoted(&format_args!("v0/{name}")),
                quoted(&format_args!("v1/{name}"))
            ));
        }
        Error::UnknownJob { .. } => "run `syft job list` to see all jobs",
        Error::UnknownDataset { .. } => "run `syft dataset list` to see all datasets",
        Error::VersionUnknown { peer } => {
            return Some(format!(
                "run `syft sync` once {peer} has logged in, or add --force to go on regardless"
            ));
        }
        Error::VersionMismatch { .. } => "one of you has to update; --force goes on regardless",
        Error::NotSent { code: Code::DriveFull, .. } => FULL,
        Error::NotSent { code: Code::PrivateHalfVisible, .. } => {
            "stop sharing the folder `SyftBox` as a whole, in a browser, then run `syft sync`"
        }
        Error::NotSent { .. } => "run `syft sync` to try again",
        Error::Service(error) => return service(error),
        Error::Keys(error) => return keys(error),
        Error::Job(error) => return job(error),
        Error::Dataset(error) => return dataset(error),
        Error::Sync(error) => return sync(error),
        Error::Connection(error) => return connection(error),
        error => return on_this_machine(error).map(str::to_owned),
    };
    Some(hint.to_owned())
}

/// What helps where something on this machine is in the way.
const fn on_this_machine(error: &Error) -> Option<&'static str> {
    Some(match error {
        Error::DeletionBegun => {
            "run `syft delete` again to finish it, or `syft sync --anew` to go on with what is left"
        }
        Error::Deleted => {
            "run `syft sync --anew` to put it there again with what is on this machine, or `syft \
             delete --local-only` to delete that as well"
        }
        Error::Configuration { .. } => "log in again to write it anew",
        Error::Settings { .. } => "correct the file or remove it; it may say `pre_sync = false`",
        Error::ServeSettings { .. } => {
            "mend or remove that file; `syft notify set` and `syft auto-approve add` write it"
        }
        Error::NoHome => "say where to keep things with --home or in the variable SYFT_HOME",
        Error::Cache(caches::Error::Damaged { .. }) => {
            "bring back a copy of it if there is one; else `syft sync --rebuild` keeps it aside and \
             learns everything anew from the drive and the disk"
        }
        Error::Cache(caches::Error::NewerDatabase { .. }) => {
            "update `syft`; to go back for good, `syft sync --rebuild` keeps it aside and learns \
             everything anew from the drive and the disk"
        }
        _ => return None,
    })
}

/// What helps with a full drive.
const FULL: &str = "free some space on the drive, then run `syft sync`; `syft orphans` shows what of \
     ours there nothing needs any more";

/// How the keys of an account come to another machine.
pub(crate) const BRING_KEYS: &str = "bring them with `syft keys restore` and the 24 words, or with \
    `syft keys import FILE` and a file that `syft keys export FILE` wrote on the other machine; if \
    all are lost, `syft keys create --replace-lost`";

fn keys(error: &KeysError) -> Option<String> {
    let hint = match error {
        KeysError::None => {
            "make some with `syft keys create`, or bring yours with `syft keys restore`"
        }
        KeysError::Exist { .. } => {
            "`syft keys show` shows them; `restore` and `import` take others with --replace, and \
             `syft keys rotate` makes new ones"
        }
        KeysError::NoWords => "`syft keys export FILE` makes a backup of them",
        KeysError::NotOffered { peer } | KeysError::Mismatch { peer, .. } => {
            return Some(format!(
                "run `syft sync`, and compare with what `syft keys show` tells {peer}"
            ));
        }
        KeysError::Demanded => {
            "compare fingerprints with them, and run `syft keys trust EMAIL --fingerprint FINGERPRINT`"
        }
        KeysError::Invalid(_) => "24 words with blanks between them, or 64 hexadecimal digits",
        KeysError::Unusable(_) => {
            "take a file of `syft keys export`, or `crypto_keys.json` of the Python client"
        }
    };
    Some(hint.to_owned())
}

fn service(error: &ServiceError) -> Option<String> {
    let hint = match error {
        ServiceError::NoManager => {
            "install cron, or let something else that starts programs run `syft sync --watch`"
        }
        ServiceError::NotOurs { .. } => "look at the file, and move it away if nobody needs it",
        ServiceError::Unfit { .. } => {
            "take a folder without backslashes and line breaks, with --home or in SYFT_HOME"
        }
        _ => return None,
    };
    Some(hint.to_owned())
}

/// Returns what can be done about a problem of a sync.
pub(crate) fn of_problem(problem: &Problem) -> Option<String> {
    case(problem).or_else(|| explain::entry(problem.code).map(|entry| entry.next.to_owned()))
}

/// The same, where more is known than the kind of problem.
fn case(problem: &Problem) -> Option<String> {
    if problem.code == Code::SuddenlyEmpty {
        return Some(PUT_BACK.to_owned());
    }
    if problem.code == Code::AppInTesting {
        return Some(sign_in_hints::of_barrier(&Barrier::SignInEnded));
    }
    let peer = problem.peer.as_ref()?;
    match problem.code {
        Code::KeyChanged => Some(format!(
            "ask {peer} for their fingerprint, by telephone or face to face; if it is the one that \
             is published now, run `syft keys trust {peer} --fingerprint FINGERPRINT`"
        )),
        Code::NotCompared => Some(format!(
            "ask {peer} for their fingerprint, by telephone or face to face; if it is this one, run \
             `syft keys trust {peer} --fingerprint FINGERPRINT`"
        )),
        Code::NotEncrypted => Some(format!(
            "ask {peer} to make keys, or allow it with `syft keys trust {peer} --unencrypted`"
        )),
        Code::MessageNotSealed => Some(format!(
            "if {peer} says that they work without encryption now, run `syft keys trust {peer} \
             --unencrypted`; what was set aside is then looked at again"
        )),
        Code::KeysMissing => Some(format!(
            "if you have keys on another machine, {BRING_KEYS}; if you never had any, run `syft keys \
             create`"
        )),
        _ => None,
    }
}

/// Returns what can be done about a way to tell somebody that does not work.
pub(crate) fn of_channel(error: &channels::Error) -> Option<String> {
    let hint = match error {
        channels::Error::NoMailRight => {
            "sign in again with `syft login-do --mail`, which asks for the right to send mail \
             (`gmail.send`); or name a mail server with `syft notify set email --server HOST`"
        }
        channels::Error::MailOff { project } => {
            let project = project.as_ref().map(|name| format!("?project={name}"));
            return Some(format!(
                "switch it on at https://console.cloud.google.com/apis/library/\
                 gmail.googleapis.com{} with the button `Enable`, wait five minutes, then run \
                 `syft notify test`",
                project.unwrap_or_default()
            ));
        }
        channels::Error::NotGoogle => {
            "name a mail server with `syft notify set email --server HOST`"
        }
        channels::Error::NoPassword { .. } | channels::Error::Secret { .. } => {
            "set it again with `syft notify set email`"
        }
        channels::Error::InClear { .. } => "take `--security starttls` or `--security tls`",
        channels::Error::NotStarted { .. } => "set it again with `syft notify set command`",
        _ => return None,
    };
    Some(hint.to_owned())
}

fn job(error: &jobs::Error) -> Option<String> {
    let hint = match error {
        jobs::Error::UnknownJob { .. } => "run `syft job list` to see all jobs",
        jobs::Error::AlreadyExists { .. } => "give it another name with --name",
        jobs::Error::Refused { job, source }
            if source.is_run() && matches!(source.status, JobStatus::Done | JobStatus::Failed) =>
        {
            return Some(format!(
                "put it back into the queue with `syft job rerun {}`",
                quoted(&job.name)
            ));
        }
        jobs::Error::Refused { job, source } if source.is_cancel_of_waiting() => {
            return Some(format!(
                "it has not begun: `syft job reject {}` takes it out of the queue",
                quoted(&job.name)
            ));
        }
        jobs::Error::Refused { job, .. } | jobs::Error::Unusable { job, .. } => {
            return Some(format!(
                "run `syft job show {}` to see where it stands",
                quoted(&job.name)
            ));
        }
        jobs::Error::NotBound { job } => {
            let name = quoted(&job.name);
            return Some(format!(
                "look at it with `syft job show {name}`, then `syft job approve {name}`"
            ));
        }
        jobs::Error::Changed { job, .. } => {
            let name = quoted(&job.name);
            return Some(format!(
                "see what changed with `syft job show {name}`, then `syft job approve {name}`"
            ));
        }
        jobs::Error::UnknownStanding { .. } => "`syft job allowed` lists them",
        jobs::Error::Standing(_) => "`syft job allow --help` says what one is",
        jobs::Error::NoSuchResult { job, .. } => {
            return Some(format!("see what it left with `syft job show {}`", quoted(&job.name)));
        }
        jobs::Error::ResultChanged { job, .. } => {
            let name = quoted(&job.name);
            return Some(format!("look again with `syft job release {name} --dry-run`"));
        }
        jobs::Error::Busy { .. } => {
            "wait until the other run has ended, or end it with `syft job cancel NAME`"
        }
        jobs::Error::RunsElsewhere { job } => {
            return Some(format!(
                "cancel it on the machine that runs it; if that one is gone for good, `syft job cancel {} --elsewhere` says that it has failed",
                quoted(&job.name)
            ));
        }
        jobs::Error::NotStopped { .. } => {
            "it ends as soon as the `syft` that runs it can; see `syft job list`"
        }
        jobs::Error::Sandbox(error) => error.hint(),
        jobs::Error::NoPython { .. } => "install Python, or name the folder of one in PATH",
        _ => return None,
    };
    Some(hint.to_owned())
}

fn dataset(error: &datasets::Error) -> Option<String> {
    let hint = match error {
        datasets::Error::NotFound { .. } => "run `syft dataset list` to see all datasets",
        datasets::Error::Exists { .. } => {
            "take another name, give the dataset of that name new content with `syft dataset update \
             NAME`, or remove it with `syft dataset delete NAME`"
        }
        datasets::Error::PrivateAsMock { .. } => {
            "invent the mock data, or add --allow-same if the data is no secret"
        }
        datasets::Error::NoPrivateHalf { .. } => {
            "it stays with its owner; `syft dataset path NAME --mock` is what you have of it"
        }
        datasets::Error::NothingThere { .. } => {
            "run `syft sync`, then `syft dataset show NAME` to see the files that there are"
        }
        datasets::Error::Connection(error) => return connection(error),
        _ => return None,
    };
    Some(hint.to_owned())
}

/// What helps where the system tells of no more changes.
pub(crate) const MORE_WATCHES: &str = "on Linux an administrator can allow more: `sysctl \
    fs.inotify.max_user_watches=524288`";

/// What helps when files are gone as by an accident.
pub(crate) const PUT_BACK: &str = "nothing was sent or written; mount the disk or put the files \
    back, then sync again, or run `syft sync --force` to delete them for everybody";

fn sync(error: &syncers::Error) -> Option<String> {
    let hint = match error {
        syncers::Error::SuddenlyEmpty { .. } => PUT_BACK,
        syncers::Error::UnknownPeer { .. } => "run `syft peer list` to see your peers",
        syncers::Error::NoRequest { peer } => {
            return Some(format!(
                "run `syft sync` if the request is new, or ask yourself with `syft peer add {peer}`"
            ));
        }
        syncers::Error::OwnAccount { .. } => "name the address of the other side",
        syncers::Error::NotSynced { .. } => "run `syft sync` first",
        syncers::Error::KeysMissing => BRING_KEYS,
        syncers::Error::KeysReplaced { .. } => {
            "bring those with `syft keys import --replace FILE` and a file that `syft keys export \
             FILE` wrote on that machine, or with `syft keys restore --replace` and their words"
        }
        syncers::Error::Keys(KeyFileError::Open { path }) => {
            let path = quoted(&path.display());
            return Some(format!(
                "run `chmod 600 {path}`, and `syft keys rotate` if somebody may have read it"
            ));
        }
        syncers::Error::PeerStopped { peer, obstacle } => {
            let code = sealing::obstacle_code(*obstacle);
            let problem = Problem { code, message: String::new(), peer: Some(peer.clone()) };
            return of_problem(&problem);
        }
        syncers::Error::LogPruned => {
            "run `syft sync` here once another machine of yours has made a checkpoint"
        }
        syncers::Error::Connection(error) => return connection(error),
        _ => return None,
    };
    Some(hint.to_owned())
}

fn connection(error: &connections::Error) -> Option<String> {
    if let Some(refusal) = Refusal::in_error(error) {
        return bucket(refusal).map(str::to_owned);
    }
    let hint = match error {
        connections::Error::SignedOut { .. } => {
            return Some(format!("{AGAIN}; nothing is lost"));
        }
        connections::Error::Barred { barrier, .. } => {
            return Some(sign_in_hints::of_barrier(barrier));
        }
        connections::Error::Unavailable { .. } => {
            "`syft doctor` tells what is in the way; then run the command again, nothing is lost"
        }
        connections::Error::RateLimited { .. } => "wait a few minutes, then run the command again",
        connections::Error::Full { .. } => FULL,
        _ => return None,
    };
    Some(hint.to_owned())
}

/// What helps with a bucket, where the kind of error does not say it.
const fn bucket(refusal: Refusal) -> Option<&'static str> {
    match refusal {
        Refusal::WrongKey => Some(
            "look at AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, then log in again; --endpoint \
             names a store that is not Amazon's",
        ),
        Refusal::Expired => Some("get a new access key, then log in again; nothing is lost"),
        Refusal::Forbidden => Some(
            "whoever runs the bucket must allow this access key to list it, and to get, put and \
             delete objects in it",
        ),
        Refusal::ClockSkew => Some(CLOCK),
        Refusal::NoBucket | Refusal::OtherRegion | Refusal::NoConditions => None,
    }
}

/// Returns a name as one would type it into a shell.
pub(crate) fn quoted(name: &impl std::fmt::Display) -> String {
    let name = name.to_string();
    let plain = |c: char| c.is_alphanumeric() || "-_.@/+:,".contains(c);
    if !name.is_empty() && name.chars().all(plain) {
        name
    } else {
        format!("'{}'", name.replace('\'', r"'\''"))
    }
}
