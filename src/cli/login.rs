//! `syft login-do` and `syft login-ds`: sign an account in on this machine.

use std::io::IsTerminal as _;
use std::path::PathBuf;

use drive_api::auth::SignInError;
use serde_json::json;

use super::context::{self, Context, absolute, variable};
use super::peer::peer_json;
use super::report::{Exit, Failure, Outcome};
use super::text::count;
use super::ui::{self, Ui};
use super::{args, browser, hints, secret, setup, sign_in_hints};
use crate::client::lifetime::{moment, told};
use crate::client::{
    self, AccessKey, Again, Client, Clock as _, Configuration, SecretsIn, SignIn, SystemClock,
};
use crate::connections::Barrier;
use crate::connections::object_store::{Address, Credentials};
use crate::model::{Code, Email, Role};
use crate::wire::Dialect;

const EXAMPLES: &str = "\
Examples:
  syft login-do --email me@example.org --drive http://127.0.0.1:8420 --token -    # asks for it
  syft login-ds --email me@example.org --token-path token.json
  syft login-ds --email me@example.org --credentials credentials.json
  syft login-do --service-account key.json --impersonate me@hospital.org
  syft login-ds --email me@example.org --drive https://drive.example.org --token-path token.json
  syft login-do --email me@example.org --s3 s3://bucket/prefix --region eu-central-1
  syft login-ds --email me@example.org --s3 https://store.example.org/bucket --s3-credentials FILE
  syft login-do                  # sign in again, as the last time";

/// Log in
///
/// As a data owner (`login-do`) or as a data scientist (`login-ds`). The account is one of Google Drive, or of a drive that somebody serves with `syft drive serve`.
/// The sign-in is kept on this machine, readable by you alone, until `syft logout`. Without a way to
/// sign in, that of the last time is taken. `syft setup google` helps with the first time.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Address of a Drive-compatible server, to which the sign-in is sent; without, Google Drive
    #[arg(long, value_name = "URL", requires = "way", conflicts_with = "folder")]
    drive: Option<String>,

    /// Token for that server, as `syft drive account add` printed it; with `-` it is asked for
    ///
    /// What stands on a command line can be seen by all who work on this machine, and stays in the shell's history. With `-` it is typed unseen, or read from standard input.
    #[arg(
        long,
        value_name = "TOKEN",
        requires = "drive",
        group = "way",
        allow_hyphen_values = true
    )]
    token: Option<String>,

    /// A token file that the Python client wrote; it is renewed where it is
    #[arg(long, value_name = "FILE", group = "way")]
    token_path: Option<PathBuf>,

    /// Through a browser, with the client of your Google Cloud project
    #[arg(long, value_name = "FILE", group = "way")]
    credentials: Option<PathBuf>,

    /// The browser is on another machine: sign in there, and paste the address that it ends at
    ///
    /// Offered by itself where this machine shows no browser, as over SSH.
    #[arg(long, alias = "paste")]
    no_browser: bool,

    /// Your Google app is in Testing: the sign-in will end after seven days, which is told in time
    #[arg(long)]
    testing: bool,

    /// Ask in the browser for the right to send mail as well, for `syft notify set email --gmail`
    ///
    /// It is the right to send, not to read. A sign-in without it is asked for nothing but the drive; signing in again asks for the same as the last time.
    #[arg(long, conflicts_with_all = ["token", "token_path", "service_account", "folder", "s3"])]
    mail: bool,

    /// Through a service account that an administrator lets act for people; its key file
    #[arg(long, value_name = "FILE", group = "way")]
    service_account: Option<PathBuf>,

    /// With --service-account: the person that it acts for
    #[arg(long, value_name = "EMAIL", value_parser = args::email, requires = "service_account")]
    impersonate: Option<Email>,

    /// Where the sign-in is kept: in the system's keyring, or in a file that you alone can read
    ///
    /// `auto`: in the keyring where it answers within three seconds, else in a file; at later logins where it was before. `syft status` says which. [env: SYFT_SECRETS]
    #[arg(long, value_name = "WHERE", value_parser = ["auto", "file", "keyring"])]
    secrets: Option<String>,

    /// A folder that both sides can reach: a network share, a stick
    #[arg(long, value_name = "DIR", group = "way")]
    folder: Option<PathBuf>,

    /// A bucket that both sides have an access key to: `s3://bucket/prefix`, or with its server `https://server/bucket/prefix`
    ///
    /// The access key is taken from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY and kept, readable by you alone. Everything is encrypted there; Python clients cannot use it.
    #[arg(long, value_name = "ADDRESS", group = "way", conflicts_with = "drive")]
    s3: Option<String>,

    /// With --s3: a file with the access key, as Amazon's tools write it; it stays where it is
    #[arg(long, value_name = "FILE", requires = "s3")]
    s3_credentials: Option<PathBuf>,

    /// With --s3: the server of a store that is not Amazon's; without, that of AWS_ENDPOINT_URL
    #[arg(long, value_name = "URL", requires = "s3")]
    endpoint: Option<String>,

    /// With --s3: the region of the bucket; without, that of AWS_REGION, else us-east-1
    #[arg(long, value_name = "REGION", requires = "s3")]
    region: Option<String>,

    /// Generation of the Python client that you may use with this account as well: it names your own folders. With other people, whatever they use is spoken
    ///
    /// Without: as at the last login, else as on your other machines, else 0.1. It must be the same on all of them.
    #[arg(long, value_name = "VERSION", value_parser = ["0.1", "0.10"])]
    home_version: Option<String>,
}

pub(crate) async fn owner(args: &Args, context: &Context, ui: &mut Ui) -> Outcome {
    run(args, Role::Owner, context, ui).await
}

pub(crate) async fn scientist(args: &Args, context: &Context, ui: &mut Ui) -> Outcome {
    run(args, Role::Scientist, context, ui).await
}

async fn run(args: &Args, role: Role, context: &Context, ui: &mut Ui) -> Outcome {
    let configuration = context.configuration()?.with_secrets(wish(args)?);
    let email = whose(args, context, &configuration)?;
    let sign_in = match (&args.drive, &args.token) {
        (Some(url), Some(token)) => {
            SignIn::Server { url: url.clone(), token: told_token(token, url).await? }
        }
        _ => sign_in(args, role, &email, &configuration, ui)?,
    };
    let asks = matches!(sign_in, SignIn::Credentials { .. });
    let client = {
        // A question of the sign-in must not be drawn over.
        let _progress = (!asks).then(|| ui.progress("Logging in"));
        let home = args.home_version.as_deref().and_then(Dialect::of_generation);
        Client::login(&configuration, &email, role, sign_in, home).await?
    };
    let ends = client.sign_in_ends().await;
    let peers = client.peers().await?;
    let keys = client.keys()?.filter(|_| client.seals_all());
    let mut answer = json!({
        "email": email.as_str(),
        "role": role.as_str(),
        "peers": peers.iter().map(peer_json).collect::<Vec<_>>(),
    });
    if let Some(keys) = &keys {
        answer["fingerprint"] = json!(keys.fingerprint.to_string());
    }
    if let Some(ends) = ends {
        answer["sign_in_ends"] = json!(ends);
    }
    ui.answer(&answer);
    let side = match role {
        Role::Owner => "data owner",
        Role::Scientist => "data scientist",
    };
    ui.done(format_args!("Logged in as {email}, {side}, {}", count(peers.len(), "peer", "peers")));
    ui.say(format_args!("Your SyftBox is `{}`", client.folders().syftbox.display()));
    if let Some(why) = client.unused_keyring() {
        ui.warn(format_args!("The sign-in is kept in a file, since the keyring {why}"));
    }
    if let Some(ends) = ends {
        let told = told(ends, moment(SystemClock.now()));
        ui.warn(format_args!(
            "This sign-in {told}: it was given for a time only, as to apps in Testing"
        ));
        ui.hint(sign_in_hints::of_barrier(&Barrier::SignInEnded));
    }
    if client.lacks_keys()? {
        ui.warn("This account is encrypted, and its keys are not on this machine");
        ui.hint(hints::BRING_KEYS);
        return Ok(Exit::Done);
    }
    if let Some(keys) = keys {
        ui.say(format_args!(
            "Everything is encrypted here; the fingerprint of your keys is {}",
            keys.fingerprint
        ));
        ui.hint("write the 24 words of `syft keys show --words` on paper: without them a lost machine takes all with it");
    }
    ui.hint(match role {
        Role::Owner => "see who asks to work with you with `syft peer list`",
        Role::Scientist => "ask an owner to work with you with `syft peer add EMAIL`",
    });
    Ok(Exit::Done)
}

impl Args {
    /// A sign-in in a browser, with nothing else said.
    pub(crate) fn with_credentials(path: PathBuf) -> Self {
        Self {
            drive: None,
            token: None,
            token_path: None,
            credentials: Some(path),
            no_browser: false,
            testing: false,
            mail: false,
            service_account: None,
            impersonate: None,
            secrets: None,
            folder: None,
            s3: None,
            s3_credentials: None,
            region: None,
            endpoint: None,
            home_version: None,
        }
    }
}

/// Where the secret of the sign-in is to be.
fn wish(args: &Args) -> Result<SecretsIn, Failure> {
    let said = args.secrets.clone().or_else(|| context::variable("SYFT_SECRETS"));
    match said.as_deref() {
        None | Some("auto") => Ok(SecretsIn::Auto),
        Some("file") => Ok(SecretsIn::File),
        Some("keyring") => Ok(SecretsIn::Keyring),
        Some(_) => Err(Failure::usage("the variable SYFT_SECRETS is none of auto, file, keyring")),
    }
}

/// Whose login it is: who was named, whom a service account acts for, or the only account.
fn whose(args: &Args, context: &Context, configuration: &Configuration) -> Result<Email, Failure> {
    let named = context.email()?;
    if let Some(person) = &args.impersonate {
        return match named {
            Some(named) if !named.is_same_account(person.as_str()) => Err(Failure::usage(format!(
                "--email names {named} and --impersonate {person}; what is done belongs to one"
            ))),
            _ => Ok(person.clone()),
        };
    }
    let only = || {
        let mut accounts = configuration.accounts().ok()?;
        if accounts.len() == 1 { accounts.pop().map(|account| account.email) } else { None }
    };
    named.or_else(only).ok_or_else(|| {
        Failure::usage("whose account it is was not said").hint("add --email you@example.org")
    })
}

/// The token that stands on the command line; or, where none does, what is typed unseen, or piped.
async fn told_token(said: &str, url: &str) -> Result<String, Failure> {
    if said != "-" {
        return Ok(said.to_owned());
    }
    let told = if std::io::stdin().is_terminal() {
        secret::read_line(&format!("Token of your account at {url} (it is not shown):")).await
    } else {
        ui::read_line()
    };
    match told {
        Ok(token) if !token.is_empty() => Ok(token),
        _ => {
            Err(Failure::usage("there is no token: nothing was typed, or standard input is empty")
                .hint("`syft drive account add` prints it; type it, or pipe it to `--token -`"))
        }
    }
}

fn sign_in(
    args: &Args,
    role: Role,
    email: &Email,
    configuration: &Configuration,
    ui: &Ui,
) -> Result<SignIn, Failure> {
    let drive = args.drive.clone();
    if let Some(path) = &args.token_path {
        return Ok(SignIn::TokenFile { path: absolute(path)?, drive });
    }
    if let Some(path) = &args.credentials {
        return in_browser(absolute(path)?, drive, args.testing, args.mail, args, ui);
    }
    if let Some(path) = &args.service_account {
        if args.impersonate.is_none() {
            return Err(client::Error::SignIn(SignInError::NotForItself).into());
        }
        return Ok(SignIn::ServiceAccount { path: absolute(path)?, drive });
    }
    if let Some(path) = &args.folder {
        return Ok(SignIn::Folder(absolute(path)?));
    }
    if let Some(address) = &args.s3 {
        return bucket(args, address);
    }
    let imported = configuration.google_credentials();
    match configuration.sign_in_again(email)? {
        Some((_, Again::Credentials { path, drive, mail })) => {
            // Who once signed in for a week does so again, unless the app was published since.
            let is_own = path == imported && !setup::published(configuration);
            in_browser(path, drive, args.testing || is_own, args.mail || mail, args, ui)
        }
        Some((_, Again::TokenFile { path, drive })) => Ok(SignIn::TokenFile { path, drive }),
        Some((_, Again::ServiceAccount { path, drive })) => {
            Ok(SignIn::ServiceAccount { path, drive })
        }
        Some((_, Again::Folder(path))) => Ok(SignIn::Folder(path)),
        Some((_, Again::Bucket { address, path })) => {
            let key = path.map_or(AccessKey::Keyring, AccessKey::File);
            Ok(SignIn::Bucket { address, key })
        }
        Some((_, Again::Server { url })) => {
            Err(Failure::usage("the token of the drive has to be said once more")
                .hint(format!("add `--drive {url} --token -`; it is then asked for")))
        }
        None if imported.is_file() => {
            if !args.testing && !setup::published(configuration) {
                return Err(Failure::new(
                    Code::NotPublished,
                    "as far as is known your Google app is in Testing, so this sign-in would end \
                     after seven days, also if you publish it later",
                )
                .hint(
                    "publish it, and say so with `syft setup google --way personal --done publish`; \
                     or sign in with --testing for a week",
                ));
            }
            in_browser(imported, None, args.testing, args.mail, args, ui)
        }
        None => {
            let me = role.as_str();
            Err(Failure::usage("how to sign in was not said").hint(format!(
                "`syft setup google` helps with Google; else add `--drive URL --token TOKEN` or \
                 `--token-path FILE`; see `syft login-{me} --help`"
            )))
        }
    }
}

/// Signs in in a browser, here or elsewhere.
fn in_browser(
    path: PathBuf,
    drive: Option<String>,
    in_testing: bool,
    mail: bool,
    args: &Args,
    ui: &Ui,
) -> Result<SignIn, Failure> {
    if args.no_browser && !ui.can_ask() {
        return Err(Failure::usage("--no-browser needs a terminal to paste into"));
    }
    let browser = browser::of_session(args.no_browser, ui.can_ask());
    Ok(SignIn::Credentials { path, drive, browser, in_testing, mail })
}

fn bucket(args: &Args, address: &str) -> Result<SignIn, Failure> {
    let server_is_named = !address.starts_with("s3://");
    let endpoint =
        args.endpoint.clone().or_else(|| variable("AWS_ENDPOINT_URL").filter(|_| !server_is_named));
    let region = args.region.clone().or_else(|| variable("AWS_REGION"));
    let region = region.or_else(|| variable("AWS_DEFAULT_REGION"));
    let address = Address::parse(address, endpoint.as_deref(), region.as_deref());
    let address = address.map_err(|error| {
        Failure::usage(error.to_string()).hint(
            "an address looks like `s3://bucket/prefix`, with `--endpoint https://store.example.org` \
             if the store is not Amazon's",
        )
    })?;
    let key = match &args.s3_credentials {
        Some(path) => AccessKey::File(absolute(path)?),
        None => AccessKey::Given(Credentials::from_variables(variable).ok_or_else(|| {
            Failure::usage("there is no access key for the bucket").hint(
                "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a file with \
                 --s3-credentials",
            )
        })?),
    };
    Ok(SignIn::Bucket { address, key })
}
