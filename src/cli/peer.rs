//! `syft peer`: the people you work with.

use serde_json::{Value, json};

use super::args::{self, PreSync};
use super::context::Context;
use super::report::Outcome;
use super::sync::{exit_of, report_json, tell};
use super::text::count;
use super::ui::{Tone, Ui};
use crate::client::Client;
use crate::model::{Email, Role};
use crate::peers::{Obstacle, PeerState, Secrecy};
use crate::syncers::Report;
use crate::syncers::peering::Acquaintance;
use crate::wire::{Compatibility, Dialect};

const EXAMPLES: &str = "\
Examples:
  syft peer add owner@example.org          # a scientist asks
  syft peer approve ann@example.org        # an owner agrees
  syft peer list";
const ADD_EXAMPLES: &str = "Examples:\n  syft peer add owner@example.org";
const LIST_EXAMPLES: &str = "\
Examples:
  syft peer list
  syft peer list --versions
  syft peer list --json
  syft peer list --no-sync     # what is known here, without asking the drive";
const APPROVE_EXAMPLES: &str = "Examples:\n  syft peer approve ann@example.org";
const REJECT_EXAMPLES: &str = "Examples:\n  syft peer reject ann@example.org";

/// See, ask and answer the people you work with
#[derive(Debug, clap::Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum Command {
    /// Ask somebody to work with you
    ///
    /// They see your request at their next sync. Nothing of yours is shared by asking.
    #[command(after_help = ADD_EXAMPLES)]
    Add(Who),
    /// List the people you work with, and who asks to
    #[command(after_help = LIST_EXAMPLES)]
    List(ListArgs),
    /// Agree to work with somebody who asked
    ///
    /// They can then submit jobs, and see the mock half of datasets that are for everybody. They
    /// see no private data, and nothing runs before you approved it.
    #[command(after_help = APPROVE_EXAMPLES)]
    Approve(Who),
    /// Turn down somebody who asked; they are not told
    #[command(after_help = REJECT_EXAMPLES)]
    Reject(Who),
}

/// What is shown of peers.
#[derive(Debug, clap::Args)]
pub(crate) struct ListArgs {
    /// Show which version each of them runs, how you speak with each, and why if you cannot
    #[arg(long)]
    versions: bool,

    #[command(flatten)]
    pre_sync: PreSync,
}

/// Whom it is about.
#[derive(Debug, clap::Args)]
pub(crate) struct Who {
    /// Address of the other person
    #[arg(value_name = "EMAIL", value_parser = args::email)]
    peer: Email,
}

pub(crate) async fn run(command: &Command, context: &Context, ui: &mut Ui) -> Outcome {
    match command {
        Command::List(args) => list(args, context, ui).await,
        Command::Add(who) => {
            let client = context.open().await?;
            let report = client.add_peer(&who.peer).await?;
            let peer = &who.peer;
            finish(&client, peer, &report, ui, format!("Asked {peer} to work with you")).await
        }
        Command::Approve(who) => {
            let client = context.open().await?;
            let report = client.approve_peer(&who.peer).await?;
            let peer = &who.peer;
            let exit =
                finish(&client, peer, &report, ui, format!("{peer} may now work with you")).await?;
            if client.role() == Role::Owner {
                ui.say("They can submit jobs and see mock data that is for everybody; private data stays here");
                ui.hint(format_args!(
                    "see what they may read with `syft perm explain PATH --user {peer}`"
                ));
            }
            Ok(exit)
        }
        Command::Reject(who) => {
            let client = context.open().await?;
            let report = client.reject_peer(&who.peer).await?;
            let peer = &who.peer;
            finish(&client, peer, &report, ui, format!("Turned down {peer}; they are not told"))
                .await
        }
    }
}

async fn finish(
    client: &Client,
    peer: &Email,
    report: &Report,
    ui: &mut Ui,
    done: String,
) -> Outcome {
    let peers = client.peers().await?;
    let state =
        peers.iter().find(|known| known.peer.email == *peer).map(|known| known.peer.state.as_str());
    let mut answer = report_json(report, client.usage());
    answer["email"] = json!(peer.as_str());
    answer["state"] = json!(state);
    answer["peers"] = peers.iter().map(peer_json).collect();
    ui.answer(&answer);
    ui.done(done);
    if !report.is_idle() {
        tell(report, client.role(), client.usage(), ui);
    }
    Ok(exit_of(report, client.role()))
}

async fn list(args: &ListArgs, context: &Context, ui: &mut Ui) -> Outcome {
    let fresh = context.open_fresh(args.pre_sync, ui).await?;
    let peers = fresh.client.peers().await?;
    let exit =
        fresh.answer(json!({ "peers": peers.iter().map(peer_json).collect::<Vec<_>>() }), ui);
    if peers.is_empty() {
        ui.say("Nobody yet");
        ui.hint(match fresh.client.role() {
            Role::Owner => "a scientist asks with `syft peer add`, and shows up here after a sync",
            Role::Scientist => "ask an owner with `syft peer add EMAIL`",
        });
        return Ok(exit);
    }
    if args.versions {
        show_versions(&peers, ui);
        return Ok(exit);
    }
    let rows = peers.iter().map(|peer| {
        let (word, tone) = match peer.has_departed {
            true => ("has deleted its SyftBox", Tone::Look),
            false => state_words(peer.peer.state),
        };
        let (version, version_tone) = version_words(peer);
        let (encrypted, look) = encryption_words(peer.secrecy);
        [
            (peer.peer.email.to_string(), Tone::Plain),
            (word.to_owned(), tone),
            (version, version_tone),
            (encrypted.to_owned(), look),
        ]
    });
    ui.table(["PERSON", "STATE", "VERSION", "ENCRYPTED"], rows.collect());
    for peer in peers.iter().filter(|peer| is_out_of_step(peer)) {
        ui.hint(format_args!(
            "nothing is exchanged with {} until one of you updates",
            peer.peer.email
        ));
    }
    let asking = peers.iter().filter(|peer| peer.peer.state == PeerState::RequestedByPeer);
    let asking: Vec<&Acquaintance> = asking.collect();
    if let Some(first) = asking.first() {
        let who = count(asking.len(), "person asks", "people ask");
        ui.hint(format_args!("{who} to work with you: `syft peer approve {}`", first.peer.email));
    }
    Ok(exit)
}

fn show_versions(peers: &[Acquaintance], ui: &mut Ui) {
    let rows = peers.iter().map(|peer| {
        let said = |text: Option<String>| text.unwrap_or_else(|| "not known".to_owned());
        let fits = match is_compatible(peer) {
            Some(true) => ("yes".to_owned(), Tone::Good),
            Some(false) => ("no".to_owned(), Tone::Bad),
            None => ("not known".to_owned(), Tone::Look),
        };
        [
            (peer.peer.email.to_string(), Tone::Plain),
            (said(peer.version_shown()), Tone::Plain),
            (said(protocol(peer)), Tone::Dim),
            (said(ours(peer)), Tone::Plain),
            fits,
            (reason(peer).unwrap_or_default().to_owned(), Tone::Dim),
        ]
    });
    ui.table(["PERSON", "THEIRS", "PROTOCOL", "YOU SPEAK", "FITS", "WHY NOT"], rows.collect());
}

/// The version in which we speak with a peer.
fn ours(peer: &Acquaintance) -> Option<String> {
    Some(peer.speech.dialect.as_ref()?.client_version.to_string())
}

/// The version of the protocol that a peer states, shortened.
fn protocol(peer: &Acquaintance) -> Option<String> {
    const CHARACTERS_MAX: usize = 20;
    let stated = &peer.version.as_ref()?.protocol_version;
    (!stated.is_empty()).then(|| stated.chars().take(CHARACTERS_MAX).collect())
}

/// Whether the programs fit; `None` if that is not known.
const fn is_compatible(peer: &Acquaintance) -> Option<bool> {
    match peer.speech.compatibility {
        Compatibility::Same | Compatibility::PatchDifference => Some(true),
        Compatibility::Incompatible => Some(false),
        Compatibility::Unknown => None,
    }
}

/// Why the programs do not fit, or why that is not known.
const fn reason(peer: &Acquaintance) -> Option<&'static str> {
    match (peer.speech.compatibility, &peer.version, &peer.speech.dialect) {
        (Compatibility::Same | Compatibility::PatchDifference, ..) => None,
        (Compatibility::Incompatible, ..) => {
            Some("theirs is of a generation that is not spoken here")
        }
        (Compatibility::Unknown, Some(_), _) => Some("their version is not of the form 1.2.3"),
        (Compatibility::Unknown, None, Some(_)) => {
            Some("their version file cannot be read; their folders tell how they speak")
        }
        (Compatibility::Unknown, None, None) => Some("they have not shown a version yet"),
    }
}

const fn state_words(state: PeerState) -> (&'static str, Tone) {
    match state {
        PeerState::Accepted => ("working together", Tone::Good),
        PeerState::RequestedByPeer => ("asks to work with you", Tone::Look),
        PeerState::RequestedByMe => ("you asked, no answer yet", Tone::Dim),
        PeerState::Rejected => ("turned down", Tone::Dim),
    }
}

/// True for a peer that we work with, or want to, and whose program does not fit ours.
fn is_out_of_step(peer: &Acquaintance) -> bool {
    peer.speech.compatibility == Compatibility::Incompatible
        && matches!(peer.peer.state, PeerState::Accepted | PeerState::RequestedByMe)
}

/// The version of a peer, and whether it fits ours.
fn version_words(peer: &Acquaintance) -> (String, Tone) {
    let Some(version) = peer.version_shown() else {
        return ("not known yet".to_owned(), Tone::Dim);
    };
    match peer.speech.compatibility {
        Compatibility::Same => (version, Tone::Dim),
        Compatibility::PatchDifference => (format!("{version}, spoken as it is"), Tone::Dim),
        Compatibility::Incompatible => (format!("{version}, does not fit ours"), Tone::Look),
        Compatibility::Unknown => {
            let spoken = peer.speech.dialect.as_ref().map(Dialect::generation);
            let spoken = spoken.map_or_else(String::new, |spoken| format!(", spoken as {spoken}"));
            (format!("{version}, not understood{spoken}"), Tone::Look)
        }
    }
}

const fn compatibility_word(compatibility: Compatibility) -> &'static str {
    match compatibility {
        Compatibility::Same => "same",
        Compatibility::PatchDifference => "patch-difference",
        Compatibility::Incompatible => "incompatible",
        Compatibility::Unknown => "unknown",
    }
}

/// A peer as `--json` shows it.
pub(crate) fn peer_json(peer: &Acquaintance) -> Value {
    let (in_use, offered) = match peer.secrecy {
        Secrecy::Plain { offered } => (None, offered),
        Secrecy::Sealed(fingerprint) => (Some(fingerprint), Some(fingerprint)),
        Secrecy::Stopped(Obstacle::KeyChanged { pinned, offered }) => (Some(pinned), Some(offered)),
        Secrecy::Stopped(Obstacle::NotOffered) => (None, None),
        Secrecy::Stopped(Obstacle::NotCompared { offered }) => (None, Some(offered)),
    };
    json!({
        "email": peer.peer.email.as_str(),
        "state": peer.peer.state.as_str(),
        "departed": peer.has_departed,
        "version": peer.version_shown(),
        "generation": peer.speech.dialect.as_ref().map(Dialect::generation),
        "compatibility": compatibility_word(peer.speech.compatibility),
        "compatible": is_compatible(peer),
        "protocol": protocol(peer),
        "ours": ours(peer),
        "reason": reason(peer),
        "encrypted": in_use.is_some(),
        "stopped": peer.secrecy.is_stopped(),
        "fingerprint": in_use.map(|fingerprint| fingerprint.to_string()),
        "offered_fingerprint": offered.map(|fingerprint| fingerprint.to_string()),
    })
}

/// How a list tells whether what goes to and from a peer is encrypted.
pub(crate) const fn encryption_words(secrecy: Secrecy) -> (&'static str, Tone) {
    match secrecy {
        Secrecy::Plain { offered: None } => ("no", Tone::Dim),
        Secrecy::Plain { offered: Some(_) } => ("no, but they could", Tone::Look),
        Secrecy::Sealed(_) => ("end to end", Tone::Good),
        Secrecy::Stopped(Obstacle::KeyChanged { .. }) => ("stopped: other keys", Tone::Look),
        Secrecy::Stopped(Obstacle::NotOffered) => ("stopped: no keys", Tone::Look),
        Secrecy::Stopped(Obstacle::NotCompared { .. }) => ("stopped: compare keys", Tone::Look),
    }
}
