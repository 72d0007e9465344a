//! `syft login-do` and `syft login-ds`: sign an account in on this machine.

use std::path::PathBuf;

use serde_json::json;

use super::context::{Context, absolute, variable};
use super::hints;
use super::peer::peer_json;
use super::report::{Exit, Failure, Outcome};
use super::text::count;
use super::ui::{self, Ui};
use crate::client::{AccessKey, Client, Pasted, SignIn};
use crate::connections::object_store::{Address, Credentials};
use crate::model::Role;
use crate::wire::Dialect;

const EXAMPLES: &str = "\
Examples:
  syft login-do --email me@example.org --drive http://127.0.0.1:8420 --token TOKEN
  syft login-ds --email me@example.org --token-path token.json
  syft login-ds --email me@example.org --credentials credentials.json
  syft login-ds --email me@example.org --drive https://drive.example.org --token-path token.json
  syft login-do --email me@example.org --s3 s3://bucket/prefix --region eu-central-1
  syft login-ds --email me@example.org --s3 https://store.example.org/bucket --s3-credentials FILE";

/// Log in
///
/// As a data owner (`login-do`) or as a data scientist (`login-ds`). The account is one of Google Drive, or of a drive that somebody serves with `syft drive serve`.
/// The sign-in is kept on this machine, readable by you alone, until `syft logout`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Address of a Drive-compatible server, to which the sign-in is sent; without, Google Drive
    #[arg(long, value_name = "URL", requires = "way", conflicts_with = "folder")]
    drive: Option<String>,

    /// Token for that server, as `syft drive account add` printed it
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

    /// With --credentials: the browser is on another machine; paste the address that it ends at
    #[arg(long, requires = "credentials")]
    paste: bool,

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
    let email = context.email()?.ok_or_else(|| {
        Failure::usage("whose account it is was not said").hint("add --email you@example.org")
    })?;
    let configuration = context.configuration()?;
    let sign_in = sign_in(args, role, ui)?;
    let client = {
        // A question of the sign-in must not be drawn over.
        let _progress = args.credentials.is_none().then(|| ui.progress("Logging in"));
        let home = args.home_version.as_deref().and_then(Dialect::of_generation);
        Client::login(&configuration, &email, role, sign_in, home).await?
    };
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
    ui.answer(&answer);
    let side = match role {
        Role::Owner => "data owner",
        Role::Scientist => "data scientist",
    };
    ui.done(format_args!("Logged in as {email}, {side}, {}", count(peers.len(), "peer", "peers")));
    ui.say(format_args!("Your SyftBox is `{}`", client.folders().syftbox.display()));
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

fn sign_in(args: &Args, role: Role, ui: &Ui) -> Result<SignIn, Failure> {
    if let (Some(url), Some(token)) = (&args.drive, &args.token) {
        return Ok(SignIn::Server { url: url.clone(), token: token.clone() });
    }
    if let Some(path) = &args.token_path {
        return Ok(SignIn::TokenFile { path: absolute(path)?, drive: args.drive.clone() });
    }
    if let Some(path) = &args.credentials {
        if args.paste && !ui.can_ask() {
            return Err(Failure::usage("--paste needs a terminal to paste into"));
        }
        let (path, drive) = (absolute(path)?, args.drive.clone());
        let show = Box::new(show_address);
        let pasted: Option<Box<dyn FnOnce() -> Pasted + Send>> =
            if args.paste { Some(Box::new(ask_address)) } else { None };
        return Ok(SignIn::Credentials { path, drive, show, pasted });
    }
    if let Some(path) = &args.folder {
        return Ok(SignIn::Folder(absolute(path)?));
    }
    if let Some(address) = &args.s3 {
        return bucket(args, address);
    }
    let me = role.as_str();
    Err(Failure::usage("how to sign in was not said").hint(format!(
        "add `--drive URL --token TOKEN`, `--token-path FILE` or `--credentials FILE`; see `syft \
         login-{me} --help`"
    )))
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

fn show_address(url: &str) {
    ui::tell(&format!("Open this address in a browser, and sign in:\n\n  {url}\n"));
}

fn ask_address() -> Pasted {
    ui::tell("Then paste the address that the browser ends at, and press Enter:");
    Box::pin(async { tokio::task::spawn_blocking(ui::read_line).await? })
}
