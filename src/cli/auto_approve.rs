//! `syft auto-approve`: who is approved as a peer without asking you.

use serde_json::{Value, json};

use super::context::Context;
use super::report::{Exit, Failure, Outcome};
use super::text::moment;
use super::ui::{Tone, Ui};
use crate::client::{Client, Error, ServeFile};
use crate::model::{Code, Role};
use crate::peers::{Admission, PeerState};

const EXAMPLES: &str = "\
Examples:
  syft auto-approve add ann@uni.edu
  syft auto-approve add @uni.edu          # everybody there, in no sub-domain
  syft auto-approve add '@*.uni.edu'      # everybody in its sub-domains
  syft auto-approve list";
const ADD_EXAMPLES: &str =
    "Examples:\n  syft auto-approve add ann@uni.edu\n  syft auto-approve add @uni.edu";
const REMOVE_EXAMPLES: &str = "Examples:\n  syft auto-approve remove @uni.edu";
const LIST_EXAMPLES: &str = "Examples:\n  syft auto-approve list\n  syft auto-approve list --json";

/// Approve people by rule, while `syft serve` runs
///
/// Only people, never jobs: each job waits for you. Who was turned down by you stays turned down.
/// Every approval is recorded, and told as `syft notify` says.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum Command {
    /// Approve somebody, or everybody of a domain, when they ask
    ///
    /// `@uni.edu` means exactly that domain; `@*.uni.edu` its sub-domains, and not itself. Who
    /// somebody is, the drive says.
    #[command(after_help = ADD_EXAMPLES)]
    Add(Add),
    /// Take a rule back; who was approved by it stays approved
    #[command(after_help = REMOVE_EXAMPLES)]
    Remove(Rule),
    /// List the rules, and whom they have approved
    #[command(after_help = LIST_EXAMPLES)]
    List,
}

/// Whom a rule is about.
#[derive(Debug, clap::Args)]
pub(crate) struct Rule {
    /// Address, `@domain`, or `@*.domain`
    #[arg(value_name = "RULE", value_parser = rule)]
    rule: Admission,
}

/// A new rule.
#[derive(Debug, clap::Args)]
pub(crate) struct Add {
    #[command(flatten)]
    rule: Rule,

    /// Do so even for a domain where anybody can get an address
    #[arg(long)]
    everybody: bool,
}

fn rule(text: &str) -> Result<Admission, String> {
    Admission::parse(text).map_err(|error| error.to_string())
}

pub(crate) async fn run(command: &Command, context: &Context, ui: &mut Ui) -> Outcome {
    let client = context.open().await?;
    if client.role() != Role::Owner {
        return Err(Error::WrongRole { needed: Role::Owner }.into());
    }
    let mut file = ServeFile::open(&context.configuration()?, client.email())?;
    match command {
        Command::Add(args) => add(args, &client, &mut file, ui).await,
        Command::Remove(args) => remove(&args.rule, &client, &mut file, ui),
        Command::List => list(&client, &file, ui),
    }
}

async fn add(args: &Add, client: &Client, file: &mut ServeFile, ui: &mut Ui) -> Outcome {
    let rule = &args.rule.rule;
    if rule.is_open_to_all() && !args.everybody {
        let text = format!("anybody can get an address that `{rule}` means");
        return Err(Failure::new(Code::OpenToAll, text)
            .hint("name the people one by one, or say --everybody if you mean it"));
    }
    let is_known = file.settings().auto_approve.iter().any(|known| known.is_same(rule));
    if !is_known {
        file.change(|settings| settings.auto_approve.push(rule.clone()))?;
    }
    let peers = client.peers().await?;
    let asking = peers.iter().map(|known| &known.peer);
    let asking = asking
        .filter(|peer| peer.state == PeerState::RequestedByPeer && rule.covers(&peer.email))
        .map(|peer| peer.email.to_string());
    let asking: Vec<String> = asking.collect();
    let mut answer = answer(client, file)?;
    answer["asking"] = json!(asking);
    ui.answer(&answer);
    ui.done(format_args!("`{rule}` is approved when they ask, while `syft serve` runs"));
    if !asking.is_empty() {
        ui.say(format_args!("Asking now: {}", asking.join(", ")));
    }
    ui.say(
        "They can then submit jobs and see mock data that is for everybody; each job waits for you",
    );
    Ok(Exit::Done)
}

fn remove(rule: &Admission, client: &Client, file: &mut ServeFile, ui: &mut Ui) -> Outcome {
    if !file.settings().auto_approve.iter().any(|known| known.is_same(rule)) {
        return Err(Failure::new(Code::UnknownRule, format!("there is no rule `{rule}`"))
            .hint("run `syft auto-approve list` to see all rules"));
    }
    file.change(|settings| settings.auto_approve.retain(|known| !known.is_same(rule)))?;
    ui.answer(&answer(client, file)?);
    ui.done(format_args!("`{rule}` approves nobody any more"));
    ui.hint("who was approved by it stays a peer; `syft peer reject EMAIL` ends that");
    Ok(Exit::Done)
}

fn list(client: &Client, file: &ServeFile, ui: &mut Ui) -> Outcome {
    ui.answer(&answer(client, file)?);
    let rules = &file.settings().auto_approve;
    if rules.is_empty() {
        ui.say("No rules: everybody who asks waits for you");
        ui.hint("add one with `syft auto-approve add EMAIL` or `@domain`");
    }
    for rule in rules {
        ui.line(rule);
    }
    let approved = client.admissions()?;
    if !approved.is_empty() {
        let rows = approved.iter().map(|one| {
            let moment = moment(one.moment).unwrap_or_default();
            [
                (one.peer.to_string(), Tone::Plain),
                (one.rule.clone(), Tone::Plain),
                (moment, Tone::Dim),
            ]
        });
        ui.table(["APPROVED", "BY RULE", "WHEN"], rows.collect());
    }
    Ok(Exit::Done)
}

fn answer(client: &Client, file: &ServeFile) -> Result<Value, Failure> {
    let rules: Vec<String> = file.settings().auto_approve.iter().map(ToString::to_string).collect();
    let approved = client.admissions()?.into_iter().map(|one| {
        json!({ "email": one.peer.as_str(), "rule": one.rule, "approved_at": moment(one.moment) })
    });
    Ok(json!({ "rules": rules, "approved": approved.collect::<Vec<_>>() }))
}
