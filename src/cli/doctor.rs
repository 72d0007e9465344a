//! `syft doctor`: what works, what does not, and what to do about it.

use serde_json::{Value, json};

use super::context::{self, Context};
use super::report::{Exit, Failure, Outcome};
use super::sign_in_hints;
use super::ui::{self, Tone, Ui};
use super::{explain, hints, text};
use crate::client::doctor::{self, Finding, State};
use crate::client::{Configuration, Error};
use crate::connections::Barrier;
use crate::model::Code;

const EXAMPLES: &str = "\
Examples:
  syft doctor
  syft doctor --json
  syft doctor --said 'Error 400: admin_policy_enforced'     # what Google's page said";

/// Look at everything that an account needs, and tell what to do about what does not work
///
/// The configuration, the folders, the state database, the keys, the sign-in, the drive and its clock, and the programs that jobs need. Changes nothing. The code of a trouble is the same that a command ends with. Exit code 3 if something does not work.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Explain an error that Google showed in the browser: its words, its code, or the page's address
    #[arg(long, value_name = "TEXT")]
    said: Option<String>,
}

pub(crate) async fn run(args: &Args, context: &Context, ui: &mut Ui) -> Outcome {
    if let Some(said) = &args.said {
        return explain(said);
    }
    let configuration = context.configuration()?;
    let path = context::variable("PATH").unwrap_or_default();
    let email = context.email()?;
    let findings = {
        let _progress = ui.progress("Looking");
        doctor::examine(&configuration, email.as_ref(), &path).await
    };
    let checks: Vec<Value> =
        findings.iter().map(|finding| finding_json(finding, &configuration)).collect();
    let stopped = findings.iter().filter(|finding| finding.state == State::Stopped).count();
    let looks = findings.iter().filter(|finding| finding.state == State::Look).count();
    ui.answer(&json!({ "well": stopped == 0, "checks": checks }));
    for finding in &findings {
        show(finding, &configuration, ui);
    }
    ui.line("");
    match (stopped, looks) {
        (0, 0) => ui.toned(Tone::Good, "All is well"),
        (0, _) => ui.toned(
            Tone::Look,
            format_args!("It works; {} to look at", text::count(looks, "thing", "things")),
        ),
        _ => ui.toned(
            Tone::Bad,
            format_args!("{} not work, see above", text::count(stopped, "thing does", "things do")),
        ),
    }
    Ok(if stopped == 0 { Exit::Done } else { Exit::Problems })
}

/// Where what was found begins, behind the name of the check.
const BESIDE: &str = "                 ";

fn show(finding: &Finding, configuration: &Configuration, ui: &mut Ui) {
    let (mark, tone) = match finding.state {
        State::Well => ("✓", Tone::Good),
        State::Look => ("!", Tone::Look),
        State::Stopped => ("×", Tone::Bad),
        State::NotChecked => ("·", Tone::Dim),
    };
    let code = finding.code.map(|code| format!(" [{code}]")).unwrap_or_default();
    let told = format!("{}{code}", finding.message);
    let told = match ui::columns() {
        Some(columns) => text::wrapped(&told, columns, BESIDE),
        None => told,
    };
    ui.toned(tone, format_args!("{mark} {:<14} {}", finding.check, told.trim_start()));
    if let Some(next) = next(finding, configuration) {
        ui.line(text::wrapped(&next, ui::width(96), "    "));
    }
}

fn finding_json(finding: &Finding, configuration: &Configuration) -> Value {
    json!({
        "check": finding.check,
        "state": finding.state.as_str(),
        "code": finding.code,
        "message": finding.message,
        "next": next(finding, configuration),
    })
}

/// What to do about a finding.
fn next(finding: &Finding, configuration: &Configuration) -> Option<String> {
    if let Some(error) = &finding.cause {
        let of_kind = || explain::entry(error.code()).map(|entry| entry.next.to_owned());
        return hints::hint(error).or_else(of_kind);
    }
    let code = finding.code?;
    Some(match code {
        Code::AppInTesting => sign_in_hints::of_barrier(&Barrier::SignInEnded),
        Code::DiskNearlyFull => format!(
            "free some space at `{}`, then run `syft doctor`",
            configuration.home().display()
        ),
        code => explain::entry(code)?.next.to_owned(),
    })
}

/// Explains what a page of Google's said.
fn explain(said: &str) -> Outcome {
    match drive_api::auth::said(said) {
        Some(error) => Err(Failure::from(Error::SignIn(error))),
        None => Err(Failure::usage("this is none of the errors that Google documents").hint(
            "copy the line that begins with `Error`, such as `Error 400: \
                   admin_policy_enforced`, or the whole address of the page",
        )),
    }
}
