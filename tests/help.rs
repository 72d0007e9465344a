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
