//! `syft setup google`: one question first, then the way that was chosen.
//!
//! Everything can be said on the command line too, and nothing waits for an answer where nobody can
//! give one. How far somebody came is kept beside the credentials, so that it goes on there.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::letter::Letter;
use super::personal;
use super::steps::{Progress, Step};
use crate::caches::write_private_file;
use crate::cli::context::{Context, absolute};
use crate::cli::hints::quoted;
use crate::cli::report::{Exit, Failure, Outcome};
use crate::cli::ui::Ui;
use crate::client::{self, Configuration};
use crate::model::Code;

const EXAMPLES: &str = "\
Examples:
  syft setup google
  syft setup google --way organisation --letter letter.txt
  syft setup google --way personal --done project --project my-syft-123456
  syft setup google --way personal --credentials client_secret.json --done publish";

/// Find the way into Google that hurts least, and go it step by step
///
/// Asks one question, and takes the answer as --way too. What is done already is seen, so it can be left and taken up at any time. Where there is no terminal it tells what is next and asks nothing.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The way: an own drive without Google to try it, your organisation's Google Workspace, a personal Google account, or no Google at all
    #[arg(long, value_name = "WAY", value_parser = ["try", "organisation", "personal", "none"])]
    way: Option<String>,

    /// Write the letter to your organisation's IT to this file
    #[arg(long, value_name = "FILE")]
    letter: Option<PathBuf>,

    /// The OAuth client that the letter asks to trust; without, that of imported credentials
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,

    /// The credentials that Google let you download, or that your IT sent: they are taken in
    #[arg(long, value_name = "FILE")]
    pub(super) credentials: Option<PathBuf>,

    /// The id of your Google Cloud project, so that pages open in it
    #[arg(long, value_name = "ID")]
    project: Option<String>,

    /// A step that is done; can be said several times
    #[arg(long, value_name = "STEP")]
    done: Vec<Step>,

    /// The side to sign in on when all is ready: data owner or data scientist
    #[arg(long = "as", value_name = "SIDE", value_parser = ["do", "ds"])]
    pub(super) side: Option<String>,
}

pub(crate) async fn run(args: &Args, context: &Context, ui: &mut Ui) -> Outcome {
    let configuration = context.configuration()?;
    let mut progress = read(&configuration);
    let way = match &args.way {
        Some(way) => way.clone(),
        None => choose(args, &progress, ui)?,
    };
    progress.way = Some(way.clone());
    progress.done.extend(args.done.iter().copied());
    if let Some(id) = &args.project
        && !progress.set_project(id)
    {
        return Err(Failure::usage("--project is no id of a Google Cloud project")
            .hint("it stands below the project's name: small letters, digits and `-`, 6 to 30"));
    }
    if let Some(path) = &args.credentials {
        import(&configuration, &absolute(path)?, &mut progress, ui)?;
    }
    write(&configuration, &progress)?;
    match way.as_str() {
        "try" => Ok(to_try(ui)),
        "organisation" => organisation(args, &configuration, context, ui).await,
        "personal" => personal::run(args, &configuration, progress, context, ui).await,
        _ => Ok(without_google(ui)),
    }
}

/// The one question.
fn choose(args: &Args, progress: &Progress, ui: &mut Ui) -> Result<String, Failure> {
    if args.letter.is_some() {
        return Ok("organisation".to_owned());
    }
    if let Some(way) = &progress.way
        && (args.credentials.is_some() || !args.done.is_empty() || !ui.can_ask())
    {
        return Ok(way.clone());
    }
    if !ui.can_ask() {
        return Err(Failure::usage("which way was not said, and nobody can be asked here")
            .hint("add --way try, organisation, personal or none; `syft setup google --help` tells which is which"));
    }
    ui.line("How do you want to begin?");
    ui.line("  1  Try it here now, with invented data, no account                    (1 minute)");
    ui.line("  2  My organisation uses Google Workspace: write a letter to our IT    (you wait for them)");
    ui.line("  3  I have a personal Google account                                   (8 minutes, together)");
    ui.line("  4  We may not use Google: own server, shared folder, stick");
    if let Some(way) = &progress.way {
        ui.line(format_args!("You began with `{way}`; Enter goes on there."));
    }
    loop {
        let answer = ui.ask("1, 2, 3 or 4?").unwrap_or_default();
        let way = match (answer.as_str(), &progress.way) {
            ("1", _) => "try",
            ("2", _) => "organisation",
            ("3", _) => "personal",
            ("4", _) => "none",
            ("", Some(way)) => way,
            ("q" | "", _) => return Err(Failure::new(Code::NotConfirmed, "nothing was chosen")),
            _ => continue,
        };
        return Ok(way.to_owned());
    }
}

/// Takes in downloaded credentials.
pub(super) fn import(
    configuration: &Configuration,
    path: &Path,
    progress: &mut Progress,
    ui: &mut Ui,
) -> Result<(), Failure> {
    let credentials = configuration.import_google_credentials(path)?;
    if let Some(project) = credentials.project_id() {
        progress.set_project(project);
    }
    progress.done.insert(Step::Client);
    progress.internal = progress.way.as_deref() == Some("organisation");
    ui.done(format_args!("The credentials of client {} are taken in", credentials.client_id()));
    Ok(())
}

async fn organisation(
    args: &Args,
    configuration: &Configuration,
    context: &Context,
    ui: &mut Ui,
) -> Outcome {
    let imported = imported(configuration);
    let client_id = args.client_id.clone().or_else(|| {
        let credentials = imported.as_deref()?;
        let credentials = drive_api::auth::Credentials::read(credentials).ok()?;
        Some(credentials.client_id().to_owned())
    });
    if imported.is_some() && args.letter.is_none() && args.client_id.is_none() {
        return personal::sign_in(args, configuration, context, ui).await;
    }
    let from = context.email()?;
    let letter =
        Letter { from: from.as_ref().map(|email| email.as_str()), client_id: client_id.as_deref() };
    let text = letter.text();
    let next = "syft setup google --way organisation --credentials FILE";
    let path = args.letter.as_deref().map(absolute).transpose()?;
    if let Some(path) = &path {
        std::fs::write(path, &text).map_err(|error| Failure::file(path, &error))?;
    }
    ui.answer(&json!({
        "way": "organisation",
        "client_id": client_id,
        "letter": path.as_ref().map(|path| path.to_string_lossy()),
        "text": text,
        "next": next,
    }));
    match &path {
        Some(path) => ui.done(format_args!("The letter is in `{}`", path.display())),
        None => ui.line(&text),
    }
    ui.hint(format_args!("send it to your IT; with the file that they send back, run `{next}`"));
    Ok(Exit::Done)
}

fn to_try(ui: &mut Ui) -> Exit {
    ui.answer(&json!({ "way": "try", "next": "syft demo" }));
    ui.line("Without any account, all on this machine:");
    ui.line("");
    ui.line("  syft demo                                             the whole story in a minute");
    ui.line("");
    ui.line("With a colleague, on a drive that one of you serves:");
    ui.line("");
    ui.line("  syft drive serve --data drive                         leave it running");
    ui.line("  syft drive account add me@example.org --data drive    prints a token");
    ui.line("  syft login-do --email me@example.org --drive URL --token TOKEN");
    ui.hint("run `syft demo`");
    Exit::Done
}

fn without_google(ui: &mut Ui) -> Exit {
    ui.answer(&json!({ "way": "none", "next": "syft drive serve --data drive" }));
    ui.line("Nothing of syft needs Google. Either");
    ui.line("");
    ui.line("  a server of your own: it keeps accounts and permissions, and knows who wrote what");
    ui.line("    syft drive serve --data drive");
    ui.line("    syft drive account add me@example.org --data drive");
    ui.line("    syft login-do --email me@example.org --drive URL --token TOKEN");
    ui.line("  or a folder that all of you can reach, a network share or a stick: for people who");
    ui.line("  trust one another, since who reaches it can write in another's name");
    ui.line("    syft login-do --email me@example.org --folder DIR");
    ui.line("  or a bucket with the S3 interface to which you all have a key: all is sealed");
    ui.line("    syft login-do --email me@example.org --s3 s3://bucket/prefix");
    ui.hint("run `syft drive serve --data drive`; put a proxy with TLS before it across a network");
    Exit::Done
}

/// Returns the credentials that were taken in, if any were.
pub(super) fn imported(configuration: &Configuration) -> Option<PathBuf> {
    Some(configuration.google_credentials()).filter(|path| path.is_file())
}

/// True unless somebody makes an app of their own and has not said that it is published.
pub(crate) fn published(configuration: &Configuration) -> bool {
    let progress = read(configuration);
    progress.internal || progress.done.contains(&Step::Publish)
}

fn place(configuration: &Configuration) -> PathBuf {
    configuration.google_credentials().with_file_name("setup.json")
}

/// How far somebody came; what cannot be read is begun anew.
fn read(configuration: &Configuration) -> Progress {
    let text = std::fs::read(place(configuration)).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

/// Keeps how far somebody came.
pub(super) fn write(configuration: &Configuration, progress: &Progress) -> Result<(), Failure> {
    let text = serde_json::to_vec(progress).unwrap_or_default();
    let path = place(configuration);
    write_private_file(&path, &text).map_err(|error| client::Error::from(error).into())
}

/// Returns a path as it is typed.
pub(super) fn typed(path: &Path) -> String {
    quoted(&path.display())
}
