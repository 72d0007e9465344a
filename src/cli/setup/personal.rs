//! An app of one's own at Google, step by step, up to the sign-in.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde_json::{Value, json};

use super::google::{self, Args, import, imported, typed};
use super::steps::{Progress, STEPS, Step};
use crate::cli::context::Context;
use crate::cli::login;
use crate::cli::report::{Exit, Failure, Outcome};
use crate::cli::text::wrapped;
use crate::cli::ui::{self, Tone, Ui};
use crate::client::Configuration;
use crate::model::Email;

/// Columns of what is to be done.
const WIDTH: usize = 90;

pub(super) async fn run(
    args: &Args,
    configuration: &Configuration,
    mut progress: Progress,
    context: &Context,
    ui: &mut Ui,
) -> Outcome {
    if !ui.can_ask() {
        return Ok(tell(configuration, &progress, ui));
    }
    ui.line(
        "You make an app at Google that you alone use; about 8 minutes. `q` stops at any time,",
    );
    ui.line("and `syft setup google` goes on there.");
    while let Some(step) = progress.next(imported(configuration).is_some()) {
        show(step, &progress, ui);
        if !ask(step, &mut progress, configuration, ui)? {
            ui.hint("run `syft setup google` to go on");
            return Ok(Exit::Done);
        }
        google::write(configuration, &progress)?;
    }
    if imported(configuration).is_none() && !fetch(&mut progress, configuration, ui)? {
        ui.hint("run `syft setup google --credentials FILE` with the file once you have it");
        return Ok(Exit::Done);
    }
    google::write(configuration, &progress)?;
    sign_in(args, configuration, context, ui).await
}

/// Where nobody can be asked: what is done, and what is next.
fn tell(configuration: &Configuration, progress: &Progress, ui: &mut Ui) -> Exit {
    let has_client = imported(configuration).is_some();
    let project = progress.project.as_deref();
    let steps: Vec<Value> = STEPS
        .into_iter()
        .map(|step| {
            json!({
                "step": step.name(),
                "title": step.title(),
                "page": step.page(project),
                "do": step.what(),
                "done": progress.is_done(step, has_client),
            })
        })
        .collect();
    let next = match progress.next(has_client) {
        Some(Step::Client) | None if !has_client => {
            "syft setup google --way personal --credentials FILE".to_owned()
        }
        Some(step) => format!("syft setup google --way personal --done {}", step.name()),
        None => "syft login-do --email EMAIL".to_owned(),
    };
    ui.answer(&json!({
        "way": "personal",
        "project": project,
        "steps": steps,
        "credentials": has_client,
        "next": next,
    }));
    for (at, step) in STEPS.into_iter().enumerate() {
        let is_done = progress.is_done(step, has_client);
        let (mark, tone) = if is_done { ("✓", Tone::Good) } else { (" ", Tone::Plain) };
        ui.toned(tone, format_args!("{mark} {}  {}", at + 1, step.title()));
        if !is_done {
            ui.line(format_args!("      {}", step.page(project)));
            ui.line(wrapped(step.what(), ui::width(WIDTH), "      "));
        }
    }
    ui.hint(match progress.next(has_client) {
        Some(step) if step != Step::Client => {
            format!("do the first step that has no mark, then run `{next}`")
        }
        _ => format!("run `{next}`"),
    });
    Exit::Done
}

fn show(step: Step, progress: &Progress, ui: &mut Ui) {
    let at = STEPS.iter().position(|known| *known == step).map_or(0, |at| at + 1);
    ui.line("");
    ui.heading(format_args!("{at} of {}  {}", STEPS.len() + 1, step.title()));
    ui.line(format_args!("  {}", step.page(progress.project.as_deref())));
    ui.line(wrapped(step.what(), ui::width(WIDTH), "  "));
}

/// Asks whether a step is done; false if the person stops here.
fn ask(
    step: Step,
    progress: &mut Progress,
    configuration: &Configuration,
    ui: &mut Ui,
) -> Result<bool, Failure> {
    loop {
        let (question, is_done): (_, fn(&str) -> bool) = match step {
            Step::Project => (
                "Its project ID, which stands below the name (Enter if you do not see it):",
                |_| true,
            ),
            // A word, since habit answers Enter.
            Step::Publish => ("Type `published` when the status is `In production`:", |answer| {
                answer.eq_ignore_ascii_case("published")
            }),
            Step::Client => ("Press Enter when it is downloaded:", str::is_empty),
            _ => ("Press Enter when it is done:", str::is_empty),
        };
        let Some(answer) = ui.ask(question) else { return Ok(false) };
        if answer == "q" {
            return Ok(false);
        }
        if step == Step::Project && !answer.is_empty() && !progress.set_project(&answer) {
            ui.say("That is no project ID: small letters, digits and `-`, 6 to 30 of them");
            continue;
        }
        if !is_done(&answer) {
            if step == Step::Publish {
                ui.say("Left in Testing, your sign-in would end in seven days; `q` stops here");
            }
            continue;
        }
        if step == Step::Client && !fetch(progress, configuration, ui)? {
            return Ok(false);
        }
        progress.done.insert(step);
        return Ok(true);
    }
}

/// Takes in the downloaded file; false if the person stops here.
fn fetch(
    progress: &mut Progress,
    configuration: &Configuration,
    ui: &mut Ui,
) -> Result<bool, Failure> {
    loop {
        let found = downloaded();
        let question = match &found {
            Some(path) => format!("The downloaded file (Enter: {}):", typed(path)),
            None => "The downloaded file, `client_secret_….json`:".to_owned(),
        };
        let Some(answer) = ui.ask(question) else { return Ok(false) };
        let path = match (answer.as_str(), found) {
            ("q", _) | ("", None) => return Ok(false),
            ("", Some(path)) => path,
            (named, _) => PathBuf::from(named.trim_matches(['\'', '"'])),
        };
        match import(configuration, &path, progress, ui) {
            Ok(()) => return Ok(true),
            Err(failure) => ui.warn(&failure.message),
        }
    }
}

/// Returns the newest file in the folder of downloads that looks like it.
fn downloaded() -> Option<PathBuf> {
    let entries = std::fs::read_dir(dirs::download_dir()?).ok()?;
    let looks = |path: &Path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with("client_secret") && name.ends_with(".json")
    };
    let made = |path: &PathBuf| -> Option<SystemTime> {
        std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
    };
    entries.flatten().map(|entry| entry.path()).filter(|path| looks(path)).max_by_key(made)
}

/// The last step: the sign-in itself.
pub(super) async fn sign_in(
    args: &Args,
    configuration: &Configuration,
    context: &Context,
    ui: &mut Ui,
) -> Outcome {
    let known = accounts(configuration);
    if let Some(email) = known
        && context.email()?.is_none_or(|named| named.is_same_account(email.as_str()))
    {
        ui.answer(&json!({ "signed_in": email.as_str(), "next": "syft status" }));
        ui.done(format_args!("{email} is signed in already"));
        ui.hint("run `syft status`, or `syft login-do` to sign in again");
        return Ok(Exit::Done);
    }
    if !ui.can_ask() {
        let next = "syft login-do --email EMAIL";
        ui.answer(&json!({ "signed_in": null, "next": next }));
        ui.hint(format_args!(
            "all is ready: run `{next}` as a data owner, `login-ds` as a scientist"
        ));
        return Ok(Exit::Done);
    }
    ui.line("");
    ui.heading("The sign-in");
    ui.line(
        "  With an app of your own, Google warns that it has not verified it: press `Advanced`,",
    );
    ui.line(
        "  then `Go to syft`. Tick the box for Google Drive. It is your own app, on your machine.",
    );
    let email = match context.email()? {
        Some(email) => email,
        None => match whose(ui) {
            Some(email) => email,
            None => return Ok(Exit::Done),
        },
    };
    let is_owner = match args.side.as_deref() {
        Some(side) => side == "do",
        None => {
            let answer = ui.ask("Do you hold data (1), or work with the data of others (2)?");
            match answer.as_deref() {
                Some("1") => true,
                Some("2") => false,
                _ => {
                    ui.hint(format_args!("run `syft login-do --email {email}` when you are ready"));
                    return Ok(Exit::Done);
                }
            }
        }
    };
    let context = context.with_email(email);
    let args = login::Args::with_credentials(configuration.google_credentials());
    if is_owner {
        login::owner(&args, &context, ui).await
    } else {
        login::scientist(&args, &context, ui).await
    }
}

/// The account that is signed in with the credentials, if one is.
fn accounts(configuration: &Configuration) -> Option<Email> {
    let credentials = configuration.google_credentials();
    let accounts = configuration.accounts().ok()?;
    let signed_in = |email: &Email| {
        let again = configuration.sign_in_again(email).ok().flatten();
        matches!(again, Some((_, crate::client::Again::Credentials { path, .. })) if path == credentials)
    };
    accounts.into_iter().map(|account| account.email).find(signed_in)
}

fn whose(ui: &mut Ui) -> Option<Email> {
    loop {
        let answer = ui.ask("The address of your Google account:")?;
        if answer.is_empty() || answer == "q" {
            return None;
        }
        match Email::parse(&answer) {
            Ok(email) => return Some(email),
            Err(error) => ui.warn(error),
        }
    }
}
