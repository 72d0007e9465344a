//! `syft keys`: end-to-end encryption.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::args;
use super::context::{Context, absolute};
use super::peer::{encryption_words, peer_json};
use super::report::{Exit, Failure, Outcome};
use super::secret;
use super::text::count;
use super::ui::{Tone, Ui};
use crate::client::{Client, KeysInfo, Trust};
use crate::model::{Code, Email};
use crate::peers::{Fingerprint, Mode, RecoveryKey};

const EXAMPLES: &str = "\
Examples:
  syft keys create                     # from the next sync on, what can be is encrypted
  syft keys show --words               # to be written down on paper
  syft keys restore                    # on another machine of yours: type the words
  syft keys show                       # your fingerprint, and those of your peers";
const CREATE_EXAMPLES: &str = "Examples:\n  syft keys create\n  syft keys show --words";
const SHOW_EXAMPLES: &str = "Examples:\n  syft keys show\n  syft keys show --json";
const RESTORE_EXAMPLES: &str = "\
Examples:
  syft keys restore                    # asks for the words
  syft keys restore words.txt
  pass show syft | syft keys restore -";
const IMPORT_EXAMPLES: &str = "\
Examples:
  syft keys import keys.json                       # from `syft keys export`
  syft keys import ~/.syftbox/crypto_keys.json     # the Python client's";
const EXPORT_EXAMPLES: &str = "Examples:\n  syft keys export keys.json";
const ROTATE_EXAMPLES: &str = "Examples:\n  syft keys rotate";
const TRUST_EXAMPLES: &str = "\
Examples:
  syft keys show                                    # what is published, to compare
  syft keys trust bob@example.org --unencrypted";
const MODE_EXAMPLES: &str = "Examples:\n  syft keys mode\n  syft keys mode required";

/// What it means to switch encryption off.
const OFF: &str = "From the next sync on everything goes to the drive in plain, also what you keep \
    there for yourself, and whoever runs it can read it and plant files in your name; your published \
    keys are withdrawn, and peers who work encrypted with you set aside what you send";

/// The largest file that is read as words or keys.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Encrypt what you exchange, so that whoever runs the drive cannot read it
#[derive(Debug, clap::Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum Command {
    /// Make keys for this account
    ///
    /// From the next sync on, what you exchange with each peer that has keys too is encrypted, and
    /// so is what you keep on the drive for yourself. Peers without keys are worked with as before.
    #[command(after_help = CREATE_EXAMPLES)]
    Create {
        /// Also if the account had keys that are lost; what was encrypted for them stays closed
        #[arg(long)]
        replace_lost: bool,
    },
    /// Show your fingerprint, for peers to compare, and theirs
    #[command(after_help = SHOW_EXAMPLES)]
    Show {
        /// Show the 24 words from which the keys can be made again: who has them can read everything
        #[arg(long)]
        words: bool,
    },
    /// Make the keys again from the 24 words
    ///
    /// The words are read from FILE, or typed at the terminal, where they are not shown. They are no
    /// argument, since others could see it.
    #[command(after_help = RESTORE_EXAMPLES)]
    Restore {
        /// File with the words; `-` for stdin
        file: Option<PathBuf>,
        /// Put them in the place of other keys, which are kept to read what is older
        #[arg(long)]
        replace: bool,
    },
    /// Take keys over from a file, of this program or of the Python client
    #[command(after_help = IMPORT_EXAMPLES)]
    Import {
        /// The file; `-` for stdin
        file: PathBuf,
        /// Put them in the place of other keys, which are kept to read what is older
        #[arg(long)]
        replace: bool,
    },
    /// Write all keys to a new file that only you can read
    ///
    /// For a backup, or for another machine of yours. Unlike the words it also has the keys that were
    /// replaced, and what is settled about peers.
    #[command(after_help = EXPORT_EXAMPLES)]
    Export {
        /// The file to make
        file: PathBuf,
    },
    /// Make new keys in place of those in use
    ///
    /// Each peer must accept them before it takes anything from you again. The old ones are kept to
    /// read what is older. The next sync makes a checkpoint with the new ones, and seals uploaded
    /// private halves anew.
    #[command(after_help = ROTATE_EXAMPLES)]
    Rotate {
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Settle what the keys of somebody are
    ///
    /// Ask them for their fingerprint by telephone or face to face, not over the drive: `syft keys
    /// show` tells it to them.
    #[command(after_help = TRUST_EXAMPLES)]
    Trust(TrustArgs),
    /// Show or choose when messages are encrypted
    #[command(after_help = MODE_EXAMPLES)]
    Mode {
        /// Mode: `offered` encrypts with peers that have keys, `required` stops others, `off` is off
        #[arg(value_parser = mode)]
        mode: Option<Mode>,
    },
}

/// Whose keys, and what they are.
#[derive(Debug, clap::Args)]
pub(crate) struct TrustArgs {
    /// Address of the other person
    #[arg(value_name = "EMAIL", value_parser = args::email)]
    peer: Email,
    /// Their fingerprint, as they say it; blanks do not matter
    #[arg(long, value_parser = fingerprint)]
    #[arg(required_unless_present = "unencrypted", conflicts_with = "unencrypted")]
    fingerprint: Option<Fingerprint>,
    /// They work without encryption
    #[arg(long)]
    unencrypted: bool,
}

fn fingerprint(text: &str) -> Result<Fingerprint, String> {
    Fingerprint::parse(text).map_err(|error| error.to_string())
}

fn mode(text: &str) -> Result<Mode, String> {
    Mode::parse(text).ok_or_else(|| "it is `offered`, `required` or `off`".to_owned())
}

pub(crate) async fn run(command: &Command, context: &Context, ui: &mut Ui) -> Outcome {
    let client = context.open().await?;
    match command {
        Command::Create { replace_lost } => {
            let keys = client.create_keys(*replace_lost).await?;
            told(&keys, ui, "Made keys");
            ui.hint("write the words down that bring them back: `syft keys show --words`");
            ui.hint("run `syft sync` to tell your peers");
        }
        Command::Show { words } => return show(&client, *words, ui).await,
        Command::Restore { file, replace } => {
            let words = words(file.as_deref(), ui).await?;
            let recovery = RecoveryKey::parse(&words).map_err(crate::client::Error::from)?;
            let keys = client.restore_keys(&recovery, *replace).await?;
            told(&keys, ui, "Restored the keys");
            ui.hint("run `syft sync` to go on");
        }
        Command::Import { file, replace } => {
            let keys = client.import_keys(&read(file)?, *replace).await?;
            told(&keys, ui, "Took the keys over");
            ui.hint("run `syft sync` to go on; the file is a secret, delete it if it was a copy");
        }
        Command::Export { file } => export(&client, file, ui)?,
        Command::Rotate { yes } => {
            if !yes {
                confirm(&client, ui).await?;
            }
            let keys = client.rotate_keys().await?;
            told(&keys, ui, "Made new keys; the old ones are kept to read what is older");
            ui.hint("write the new words down: `syft keys show --words`");
            ui.hint("run `syft sync`, then tell your peers the new fingerprint");
        }
        Command::Trust(args) => return trust(&client, args, ui).await,
        Command::Mode { mode } => {
            let keys = match mode {
                Some(mode) => Some(client.set_encryption(*mode).await?),
                None => client.keys()?,
            };
            ui.answer(&json!({ "keys": keys.as_ref().map(keys_json) }));
            match keys {
                Some(keys) => ui.field("Encryption", mode_words(keys.mode)),
                None => nobody(ui),
            }
            if *mode == Some(Mode::Off) {
                ui.warn(OFF);
                ui.hint("`syft keys mode offered` switches it on again; peers then need not do anything");
            }
        }
    }
    Ok(Exit::Done)
}

/// Prints what one's keys are now, with one line about what was done.
fn told(keys: &KeysInfo, ui: &mut Ui, done: &str) {
    ui.answer(&json!({ "keys": keys_json(keys) }));
    ui.field("Fingerprint", keys.fingerprint.grouped());
    ui.done(done);
}

fn keys_json(keys: &KeysInfo) -> Value {
    json!({
        "fingerprint": keys.fingerprint.to_string(),
        "mode": keys.mode.as_str(),
        "has_words": keys.has_words,
        "replaced": keys.replaced,
    })
}

const fn mode_words(mode: Mode) -> &'static str {
    match mode {
        Mode::Offered => "offered: with each peer that has keys",
        Mode::Required => "required: with others nothing is exchanged",
        Mode::Off => "off: nothing is encrypted",
    }
}

fn nobody(ui: &mut Ui) {
    ui.say("This account has no keys on this machine; nothing is encrypted");
    ui.hint("make some with `syft keys create`, or bring yours with `syft keys restore`");
}

async fn show(client: &Client, words: bool, ui: &mut Ui) -> Outcome {
    let Some(keys) = client.keys()? else {
        ui.answer(&json!({ "keys": null, "peers": [] }));
        nobody(ui);
        return Ok(Exit::Done);
    };
    let recovery = if words { Some(client.recovery_key()?) } else { None };
    let peers = client.peers().await?;
    let mut answer = json!({
        "keys": keys_json(&keys),
        "peers": peers.iter().map(peer_json).collect::<Vec<_>>(),
    });
    if let Some(recovery) = &recovery {
        answer["words"] = json!(recovery.words());
    }
    ui.answer(&answer);
    ui.field("Fingerprint", keys.fingerprint.grouped());
    ui.field("Encryption", mode_words(keys.mode));
    if keys.replaced > 0 {
        ui.field("Replaced", count(keys.replaced, "older key", "older keys"));
    }
    let rows: Vec<_> = peers
        .iter()
        .map(|peer| {
            let (word, tone) = encryption_words(peer.secrecy);
            let print = peer.secrecy.fingerprint().map(Fingerprint::grouped);
            let print = print.unwrap_or_else(|| "-".to_owned());
            [
                (peer.peer.email.to_string(), Tone::Plain),
                (word.to_owned(), tone),
                (print, Tone::Dim),
            ]
        })
        .collect();
    if !rows.is_empty() {
        ui.table(["PERSON", "ENCRYPTED", "FINGERPRINT"], rows);
    }
    if let Some(recovery) = recovery {
        ui.warn(
            "Who has these words can read everything and write in your name: keep them on paper",
        );
        ui.verbatim(&format!("{}\n", recovery.words()));
    }
    Ok(Exit::Done)
}

/// Reads the words from where they were said to be.
async fn words(file: Option<&Path>, ui: &mut Ui) -> Result<String, Failure> {
    if let Some(file) = file {
        return String::from_utf8(read(file)?)
            .map_err(|_| Failure::new(Code::InvalidKeys, "the file holds no words"));
    }
    if !ui.can_ask() {
        return Err(Failure::usage("where the words are was not said")
            .hint("name a file, or `-` for stdin; at a terminal you are asked for them"));
    }
    let said = secret::read_line("Type the 24 words, and press Enter. They are not shown:").await;
    said.map_err(|error| Failure::file(Path::new("the terminal"), &error))
}

/// Reads a file, or stdin where it is called `-`.
fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = if file == Path::new("-") {
        std::io::stdin().lock().take(FILE_BYTES_MAX).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(file)
            .and_then(|opened| opened.take(FILE_BYTES_MAX).read_to_end(&mut bytes))
    };
    read.map_err(|error| Failure::file(file, &error))?;
    Ok(bytes)
}

fn export(client: &Client, file: &Path, ui: &mut Ui) -> Result<(), Failure> {
    let content = client.export_keys()?;
    let path = absolute(file)?;
    if path.symlink_metadata().is_ok() {
        return Err(Failure::new(Code::File, format!("`{}` exists already", path.display()))
            .hint("name a file that does not exist yet"));
    }
    // Links and `..` may lead there as well.
    let folder = path.parent().unwrap_or(&path);
    let folder = folder.canonicalize().map_err(|error| Failure::file(folder, &error))?;
    let syftbox = &client.folders().syftbox;
    let syftbox = syftbox.canonicalize().unwrap_or_else(|_| syftbox.clone());
    if folder.starts_with(syftbox) {
        return Err(Failure::new(Code::File, "the SyftBox is synced: keys must not lie in it")
            .hint("name a file outside of it"));
    }
    crate::caches::write_new_private_file(&path, &content).map_err(crate::client::Error::from)?;
    ui.answer(&json!({ "path": path.to_string_lossy() }));
    ui.done(format_args!("Wrote all keys to `{}`", path.display()));
    ui.warn("Who has this file can read everything and write in your name");
    Ok(())
}

/// Asks before peers are cut off.
async fn confirm(client: &Client, ui: &mut Ui) -> Result<(), Failure> {
    let unsure = Failure::usage("new keys need a confirmation, and nobody is here to give it")
        .hint("add --yes if you are sure");
    if !ui.can_ask() {
        return Err(unsure);
    }
    let peers = client.peers().await?;
    let sealed = peers.iter().filter(|peer| peer.secrecy.fingerprint().is_some()).count();
    let who = count(sealed, "peer has", "peers have");
    ui.say(format_args!("{who} to accept your new keys before anything of yours reaches them"));
    if peers.iter().any(|peer| {
        peer.secrecy.fingerprint().is_some()
            && peer.version.as_ref().is_some_and(|version| version.syft_rs.is_none())
    }) {
        ui.warn(
            "A peer with the Python client keeps your old keys until it deletes them by hand from \
             its SYFT_peers.json",
        );
    }
    match ui.ask("Make new keys? [y/N]").as_deref() {
        Some("y" | "Y" | "yes") => Ok(()),
        _ => Err(Failure::new(Code::NotConfirmed, "nothing was changed")),
    }
}

async fn trust(client: &Client, args: &TrustArgs, ui: &mut Ui) -> Outcome {
    let trust = match args.fingerprint {
        Some(fingerprint) => Trust::Fingerprint(fingerprint),
        None => Trust::Unencrypted,
    };
    let again = client.trust_keys(&args.peer, trust).await?;
    let peers = client.peers().await?;
    let peer = peers.iter().find(|known| known.peer.email.is_same_account(args.peer.as_str()));
    ui.answer(&json!({ "peer": peer.map(peer_json), "taken_up_again": again }));
    match trust {
        Trust::Fingerprint(_) => ui.done(format_args!("Accepted the keys of {}", args.peer)),
        Trust::Unencrypted => ui.done(format_args!("Nothing is encrypted for {}", args.peer)),
    }
    if again > 0 {
        ui.say(format_args!("{} will be looked at again", count(again, "message", "messages")));
    }
    ui.hint("run `syft sync` to go on");
    Ok(Exit::Done)
}
