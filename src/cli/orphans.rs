//! `syft orphans`: what of ours lies on the drive and nothing needs any more.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::context::{Context, problems_json};
use super::report::{Exit, Failure, Outcome};
use super::text::{age, count, moment, size};
use super::ui::{Tone, Ui};
use crate::cli::args::PreSync;
use crate::client::{Client, Deleted, Orphan, Orphans, WhyOrphan};
use crate::connections::FileId;
use crate::model::Code;

const EXAMPLES: &str = "\
Examples:
  syft orphans                     # shows them
  syft orphans --delete            # shows them, asks, and deletes exactly those
  syft orphans --delete --yes";

/// Show what of yours lies on the drive and nothing needs any more
///
/// Messages whose folder is gone, second copies of a file of which there is one, datasets that a
/// newer copy has replaced, folders for people who are no peers, parts of large files that no message
/// names. Only what the drive says is yours,
/// has exactly a name that clients give, lies where they put it, and is older than a day by the drive's own clock.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Delete what was shown; asks on a terminal, and needs --yes elsewhere
    #[arg(long)]
    delete: bool,

    /// Do not ask
    #[arg(long, requires = "delete")]
    yes: bool,

    #[command(flatten)]
    pre_sync: PreSync,
}

pub(crate) async fn run(args: &Args, context: &Context, ui: &mut Ui) -> Outcome {
    if args.delete && !args.yes && !ui.can_ask() {
        let text = "deleting needs a confirmation, and nobody is here to give it";
        return Err(Failure::usage(text).hint("add --yes if you are sure"));
    }
    // What waits is sent first, so that nothing is left over only because it was not done yet.
    let fresh = context.open_fresh(args.pre_sync, ui).await?;
    let orphans = {
        let _progress = ui.progress("Looking through the drive");
        fresh.client.orphans().await?
    };
    show(&orphans, ui);
    let mut answer = to_json(&orphans);
    if orphans.found.is_empty() {
        ui.say(match orphans.is_whole {
            true => "Nothing is left over",
            false => "Nothing is left over of what was looked at; there is more than is looked at in one go",
        });
        return Ok(fresh.answer(answer, ui));
    }
    if !args.delete {
        ui.hint("delete them with `syft orphans --delete`");
        return Ok(fresh.answer(answer, ui));
    }
    if !args.yes {
        let all = told(&orphans.found);
        let typed = ui.ask(format_args!("Delete {all}, from the drive for good? Type yes:"));
        if !typed.is_some_and(|typed| ["y", "yes"].contains(&typed.to_lowercase().as_str())) {
            return Err(Failure::new(Code::NotConfirmed, "nothing was deleted")
                .hint("look at them again with `syft orphans`"));
        }
    }
    let Deleted { gone, problems } = delete(&fresh.client, &orphans, ui).await?;
    answer["deleted"] = gone.iter().map(|orphan| orphan.id.as_str()).collect();
    let problems = problems_json(&problems);
    for problem in &problems {
        ui.problem(
            problem["code"].as_str().unwrap_or_default(),
            problem["message"].as_str().unwrap_or_default(),
        );
    }
    answer["refused"] = Value::Array(problems.clone());
    let exit = fresh.answer(answer, ui);
    ui.done(format_args!("Deleted {}", told(&gone)));
    if !orphans.is_whole {
        ui.hint("there may be more: run `syft orphans` again");
    }
    Ok(if problems.is_empty() { exit } else { Exit::Problems })
}

async fn delete(client: &Client, orphans: &Orphans, ui: &Ui) -> Result<Deleted, Failure> {
    let _progress = ui.progress("Deleting");
    let shown: BTreeSet<FileId> = orphans.found.iter().map(|orphan| orphan.id.clone()).collect();
    Ok(client.delete_orphans(&shown).await?)
}

fn show(orphans: &Orphans, ui: &mut Ui) {
    if orphans.found.is_empty() {
        return;
    }
    let now = orphans.now.seconds();
    let rows = orphans.found.iter().map(|orphan| {
        let bytes = if orphan.is_folder { "folder".to_owned() } else { size(orphan.size_bytes) };
        [
            (orphan.name.clone(), Tone::Plain),
            (bytes, Tone::Dim),
            (age(orphan.made.seconds(), now), Tone::Dim),
            (reason(orphan.why).to_owned(), Tone::Plain),
        ]
    });
    ui.table(["WHAT", "SIZE", "MADE", "WHY NOTHING NEEDS IT"], rows.collect());
    ui.say(told(&orphans.found));
    if !orphans.is_whole {
        ui.say("There is more than is looked at in one go");
    }
}

fn told(orphans: &[Orphan]) -> String {
    let bytes = orphans.iter().map(|orphan| orphan.size_bytes).sum();
    let folders = orphans.iter().filter(|orphan| orphan.is_folder).count();
    let files = orphans.len() - folders;
    let files = (files > 0 || folders == 0).then(|| count(files, "file", "files"));
    let folders = (folders > 0).then(|| count(folders, "folder", "folders"));
    let both: Vec<String> = [files, folders].into_iter().flatten().collect();
    format!("{}, {}", both.join(" and "), size(bytes))
}

const fn reason(why: WhyOrphan) -> &'static str {
    match why {
        WhyOrphan::FolderGone => "the folder in which it lay is gone",
        WhyOrphan::Answered => "a message that was dealt with and put away",
        WhyOrphan::SecondCopy => "a second copy; the other one counts",
        WhyOrphan::Replaced => "a newer copy of the dataset has replaced it",
        WhyOrphan::NotNamed => "a part of a large file that no message names",
        WhyOrphan::NoPeer => "for messages with somebody who is no peer; nothing waits in it",
    }
}

fn to_json(orphans: &Orphans) -> Value {
    let found = orphans.found.iter().map(|orphan| {
        json!({
            "id": orphan.id.as_str(),
            "name": orphan.name,
            "kind": if orphan.is_folder { "folder" } else { "file" },
            "size_bytes": orphan.size_bytes,
            "made": moment(orphan.made),
            "why": orphan.why.as_str(),
            "reason": reason(orphan.why),
        })
    });
    json!({ "orphans": found.collect::<Vec<_>>(), "complete": orphans.is_whole, "deleted": [] })
}
