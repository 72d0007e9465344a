//! Every command explains itself: a summary, options, an example that can be typed.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use clap::Command;

/// All commands, each with the words that call it.
fn all() -> Vec<(String, Command)> {
    let mut root = syft::cli::command().term_width(100);
    root.build();
    let mut found = Vec::new();
    walk(String::new(), root, &mut found);
    found
}

fn walk(words: String, command: Command, found: &mut Vec<(String, Command)>) {
    let words = format!("{words} {}", command.get_name()).trim().to_owned();
    let place = found.len();
    for child in command.get_subcommands().filter(|child| child.get_name() != "help") {
        walk(words.clone(), child.clone(), found);
    }
    found.insert(place, (words, command));
}

#[test]
fn every_command_has_a_summary_and_an_example() {
    for (words, command) in all() {
        let summary = command.get_about().map(ToString::to_string).unwrap_or_default();
        assert!(summary.starts_with(char::is_uppercase), "{words}: `{summary}`");
        assert!(!summary.ends_with('.') && summary.len() <= 100, "{words}: `{summary}`");
        let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        assert!(after.starts_with("Examples:\n  "), "{words} has no example");
        assert!(after.contains("syft "), "{words} has no example");
        let width = after.lines().map(|line| line.chars().count()).max().unwrap();
        assert!(width <= 100, "{words}: an example is {width} characters wide");
    }
}

#[test]
fn every_option_says_what_it_does() {
    for (words, command) in all() {
        for argument in command.get_arguments() {
            let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
            assert!(
                help.starts_with(char::is_uppercase),
                "{words} {}: `{help}`",
                argument.get_id()
            );
            assert!(!help.ends_with('.'), "{words} {}: `{help}`", argument.get_id());
        }
    }
}

/// An example that the command line itself turns down teaches nothing.
#[test]
fn every_example_is_understood() {
    let mut understood = 0;
    for (words, command) in all() {
        let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        for line in after.lines().filter_map(typed) {
            let parsed = syft::cli::command().try_get_matches_from(&line);
            assert!(parsed.is_ok(), "{words}: {line:?}: {}", parsed.unwrap_err());
            understood += 1;
        }
    }
    assert!(understood > 50, "only {understood} examples were found");
}

/// The words of an example, as a shell would give them to the program.
fn typed(line: &str) -> Option<Vec<String>> {
    let start = line.find("syft ")?;
    let is_variable = |word: &str| word.contains('=');
    if !line.starts_with("  ") || !line[..start].split_whitespace().all(is_variable) {
        return None;
    }
    let mut words = vec![String::new()];
    let mut is_quoted = false;
    for c in line[start..].chars() {
        match c {
            '\'' => is_quoted = !is_quoted,
            '#' | '|' | '<' | '>' if !is_quoted => break,
            ' ' if !is_quoted => words.push(String::new()),
            c => words.last_mut().unwrap().push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    Some(words)
}

#[test]
fn all_help_is_as_it_was() {
    let mut text = String::new();
    for (words, mut command) in all() {
        text += &format!("═══ {words} --help\n{}\n", command.render_long_help());
    }
    let text = text.lines().map(|line| line.trim_end().to_owned() + "\n").collect::<String>();
    insta::assert_snapshot!("help", text);
}

/// What anybody can look up stands in the documentation as well, word for word.
#[test]
fn the_page_of_errors_is_what_the_program_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/errors.md");
    let page = syft::cli::errors_page();
    if std::env::var_os("SYFT_UPDATE_DOCS").is_some() {
        std::fs::write(path, &page).unwrap();
    }
    let there = std::fs::read_to_string(path).unwrap_or_default();
    assert!(there == page, "docs/errors.md is not of this program; SYFT_UPDATE_DOCS=1 writes it");
}

/// A message that sends somebody to a command that there is not is worse than none.
#[test]
fn every_command_that_a_message_names_exists() {
    let (mut named, mut wrong) = (0, Vec::new());
    for file in sources(concat!(env!("CARGO_MANIFEST_DIR"), "/src/cli").as_ref()) {
        let text = joined(&std::fs::read_to_string(&file).unwrap());
        for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
            let quoted = line.split('`').skip(1).step_by(2);
            for command in quoted.filter(|quoted| quoted.starts_with("syft ")) {
                named += 1;
                let words = filled_in(command);
                let parsed = syft::cli::command().try_get_matches_from(words.split_whitespace());
                if let Err(error) = parsed
                    && !is_name_alone(error.kind())
                {
                    wrong.push(format!("{}: `{command}`: {error}", file.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(named > 100, "only {named} were found");
}

/// Messages may name a command without all that it needs.
fn is_name_alone(kind: clap::error::ErrorKind) -> bool {
    use clap::error::ErrorKind as Kind;
    matches!(
        kind,
        Kind::DisplayHelp
            | Kind::DisplayVersion
            | Kind::MissingRequiredArgument
            | Kind::MissingSubcommand
            | Kind::DisplayHelpOnMissingArgumentOrSubcommand
    )
}

fn sources(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// The text with each string literal on one line.
fn joined(text: &str) -> String {
    let mut lines = text.split("\\\n");
    let first = lines.next().unwrap_or_default().to_owned();
    lines.fold(first, |all, line| all + line.trim_start())
}

/// A command with something in each of its places.
fn filled_in(command: &str) -> String {
    let mut text = command.replace("--users …", "--users any").replace("{me}", "ds");
    text = text.replace('…', "").replace("EMAIL", "a@b.org").replace("OWNER", "a@b.org");
    text = text.replace("FINGERPRINT", &"0".repeat(64)).replace('\\', "");
    while let (Some(start), Some(end)) = (text.find('{'), text.find('}')) {
        text.replace_range(start..=end, "a@b.org");
    }
    text.split(" < ").next().unwrap_or_default().to_owned()
}
