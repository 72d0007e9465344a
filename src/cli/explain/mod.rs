//! `syft explain`: what each kind of error means, what mostly causes it, and what helps.
//!
//! One entry for each [`Code`], by subject. What is known of the very case (whose, which file) is
//! said where the error is shown; see `hints`. `docs/errors.md` is [`page`], word for word.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::report::{Exit, Failure, Outcome};
use super::ui::Ui;
use crate::model::Code;

mod accounts;
mod datasets;
mod disk;
mod drive;
mod google;
mod jobs;
mod keys;
mod peers;
mod server;
mod serving;

const EXAMPLES: &str = "\
Examples:
  syft explain drive-full
  syft explain                # all of them";

/// Say what an error means, what causes it, and what helps
///
/// Every error and every problem has a short name. It stands in brackets before the message, as in
/// `error[drive-full]`, and with --json it is the `code`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The short name of an error; without one, all are listed
    #[arg(value_name = "CODE")]
    code: Option<String>,
}

/// What there is to say of one kind of error. The texts are Markdown, in whole sentences.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Which kind.
    code: Code,
    /// What it means.
    what: &'static str,
    /// What mostly causes it.
    why: &'static str,
    /// What to do, with a command where one helps.
    pub(crate) next: &'static str,
}

const SUBJECTS: &[(&str, &[Entry])] = &[
    ("Accounts and this machine", accounts::ENTRIES),
    ("Signing in to Google", google::ENTRIES),
    ("The own disk", disk::ENTRIES),
    ("The drive", drive::ENTRIES),
    ("Other people", peers::ENTRIES),
    ("Keys and encryption", keys::ENTRIES),
    ("Datasets", datasets::ENTRIES),
    ("Jobs", jobs::ENTRIES),
    ("The service of an account", serving::ENTRIES),
    ("The drive server", server::ENTRIES),
];

/// Returns what there is to say of one kind of error.
pub(crate) fn entry(code: Code) -> Option<&'static Entry> {
    SUBJECTS.iter().flat_map(|(_, entries)| *entries).find(|entry| entry.code == code)
}

/// Returns all of it as a page in Markdown.
pub(super) fn page() -> String {
    let mut page = String::from(
        "# Errors\n\nEvery error and every problem that `syft` tells of has a short name, which stands in brackets before the \
         message and, with\n`--json`, in the field `code`. A name never changes its meaning. `syft explain NAME` says in \
         the terminal what stands here; this\npage is made from the program (`SYFT_UPDATE_DOCS=1 cargo test --test \
         help`).\n",
    );
    for (subject, entries) in SUBJECTS {
        let _ = writeln!(page, "\n## {subject}");
        for Entry { code, what, why, next } in *entries {
            let _ = writeln!(
                page,
                "\n### `{code}`\n{what}\n\n- **Why, mostly:** {why}\n- **What to do:** {next}"
            );
        }
    }
    page
}

pub(crate) fn run(args: &Args, ui: &mut Ui) -> Outcome {
    let Some(wanted) = &args.code else {
        let all = SUBJECTS.iter().flat_map(|(_, entries)| *entries);
        ui.answer(&json!({ "errors": all.map(to_json).collect::<Vec<_>>() }));
        for (subject, entries) in SUBJECTS {
            ui.line(subject);
            for Entry { code, what, .. } in *entries {
                ui.line(format!("  {:<26}{}", code.as_str(), first_sentence(what)));
            }
        }
        return Ok(Exit::Done);
    };
    let found = Code::ALL.iter().find(|code| code.as_str() == wanted).and_then(|code| entry(*code));
    let Some(found) = found else {
        return Err(Failure::usage(format!("there is no error `{}`", wanted.escape_debug()))
            .hint("`syft explain` lists all of them"));
    };
    ui.answer(&to_json(found));
    ui.line(format!("{}: {}", found.code, found.what));
    ui.line(format!("  Why, mostly: {}", found.why));
    ui.line(format!("  What to do:  {}", found.next));
    Ok(Exit::Done)
}

fn to_json(entry: &Entry) -> Value {
    let Entry { code, what, why, next } = entry;
    json!({ "code": code, "meaning": what, "cause": why, "next": next })
}

fn first_sentence(text: &str) -> &str {
    text.find(". ").map_or(text, |end| &text[..=end])
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::cli::args::Cli;

    #[test]
    fn every_code_is_explained_once() {
        for code in Code::ALL {
            let entries = SUBJECTS.iter().flat_map(|(_, entries)| *entries);
            assert_eq!(entries.filter(|entry| entry.code == *code).count(), 1, "{code}");
        }
    }

    #[test]
    fn the_names_are_in_kebab_case_and_no_two_are_alike() {
        let mut names: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
        let plain = |name: &&str| name.chars().all(|c| c.is_ascii_lowercase() || c == '-');
        assert!(names.iter().all(plain));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Code::ALL.len());
    }

    /// Everything in back quotes that begins with `syft`.
    fn commands(text: &str) -> impl Iterator<Item = &str> {
        text.split('`').skip(1).step_by(2).filter(|code| code.starts_with("syft "))
    }

    #[test]
    fn every_command_that_is_named_can_be_run() {
        let (mut seen, mut wrong) = (0, Vec::new());
        for Entry { code, what, why, next } in SUBJECTS.iter().flat_map(|(_, entries)| *entries) {
            for command in [what, why, next].into_iter().flat_map(|text| commands(text)) {
                let line = command.split(" < ").next().unwrap_or_default();
                let line = line.replace("EMAIL", "a@b.org").replace("FINGERPRINT", &"0".repeat(64));
                if let Err(error) = Cli::command().try_get_matches_from(line.split(' ')) {
                    use clap::error::ErrorKind::{DisplayHelp, DisplayVersion};
                    if !matches!(error.kind(), DisplayHelp | DisplayVersion) {
                        wrong.push(format!("{code}: `{command}`: {error}"));
                    }
                }
                seen += 1;
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        assert!(seen > 50, "{seen} commands");
    }

    #[test]
    fn each_says_what_why_and_what_to_do_in_whole_sentences() {
        for Entry { code, what, why, next } in SUBJECTS.iter().flat_map(|(_, entries)| *entries) {
            for text in [what, why, next] {
                assert!(text.len() > 10 && text.ends_with('.'), "{code}: {text}");
            }
        }
    }
}
