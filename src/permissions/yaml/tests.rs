//! Tables and properties of reading and writing permission files.

use proptest::prelude::*;

use super::*;

fn rule(pattern: &str, read: &[&str]) -> Rule {
    let read = read.iter().map(|&entry| entry.to_owned()).collect();
    Rule { access: Access { read, ..Access::default() }, pattern: pattern.to_owned() }
}

#[test]
fn a_file_is_read_as_the_python_client_reads_it() {
    #[rustfmt::skip]
    let cases = [
        ("empty",                   "",                                       Some(0)),
        ("a comment",               "# nothing\n",                            Some(0)),
        ("null",                    "null\n",                                 Some(0)),
        ("an empty list",           "[]\n",                                   Some(0)),
        ("an empty map",            "{}\n",                                   Some(0)),
        ("unknown keys",            "version: [1, {a: .nan}]\nrules: []\n",   Some(0)),
        ("one rule",                "rules: [{pattern: a, access: {}, x: 1}]", Some(1)),
        ("an alias",                "a: &x {pattern: a, access: {}}\nrules: [*x, *x]", Some(2)),
        ("a list",                  "[1]\n",                                  None),
        ("text",                    "hello\n",                                None),
        ("two documents",           "rules: []\n---\nrules: []\n",            None),
        ("not closed",              "rules: [",                               None),
        ("rules are null",          "rules:\n",                               None),
        ("no access",               "rules: [{pattern: a}]",                  None),
        ("no pattern",              "rules: [{access: {}}]",                  None),
        ("a pattern that is a number", "rules: [{pattern: 1, access: {}}]",   None),
        ("a pattern that is a flag", "rules: [{pattern: yes, access: {}}]",   None),
        ("an entry that is null",   "rules: [{pattern: a, access: {read: [null]}}]", None),
        ("a list that is text",     "rules: [{pattern: a, access: {read: b}}]", None),
        ("terminal is no flag",     "terminal: maybe",                        None),
        ("a foreign template",      "rules: [{pattern: '{{.Year}}', access: {}}]", None),
    ];
    for (what, text, rules) in cases {
        assert_eq!(
            parse(text.as_bytes()).ok().map(|r| r.rules.len()),
            rules,
            "{what}: {:?}",
            parse(text.as_bytes())
        );
    }
    assert!(parse(b"\xff\xfe").is_err());
    for (text, terminal) in
        [("true", true), ("yes", true), ("'on'", true), ("1", true), ("0", false)]
    {
        assert_eq!(parse(format!("terminal: {text}").as_bytes()).map(|r| r.terminal), Ok(terminal));
    }
}

#[test]
fn a_file_that_would_take_too_much_is_refused() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..10 {
        let aliases = vec![format!("*a{}", n - 1); 10].join(", ");
        bomb.push_str(&format!("a{n}: &a{n} [{aliases}]\n"));
    }
    assert!(parse(bomb.as_bytes()).is_err());
    assert!(parse("[".repeat(5000).as_bytes()).is_err());
    assert!(parse("- ".repeat(5000).as_bytes()).is_err());
    assert!(parse(&vec![b'#'; RULE_BYTES_MAX + 1]).is_err());
    let many = "- {pattern: a, access: {}}\n".repeat(RULES_MAX + 1);
    assert!(parse(format!("rules:\n{many}").as_bytes()).is_err());
}

#[test]
fn keys_are_written_in_order_and_text_in_quotes() {
    let ruleset = Ruleset { rules: vec![rule("it's/**", &["*@x.org"])], terminal: false };
    let text = "rules:\n- access:\n    admin: []\n    read:\n    - '*@x.org'\n    write: []\n  pattern: 'it''s/**'\nterminal: false\n";
    assert_eq!(write(&ruleset), text);
    assert_eq!(write(&Ruleset::default()), "rules: []\nterminal: false\n");
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(
        patterns in proptest::collection::vec("\\PC{0,12}|[\\x00-\\x20'\"\\\\#:\u{85}\u{2028}\u{feff}]{0,6}|yes|1:30|~|=|<<", 0..4),
        terminal: bool,
    ) {
        let rules = patterns.iter().map(|p| rule(p, &[p])).collect();
        let ruleset = Ruleset { rules, terminal };
        prop_assert_eq!(parse(write(&ruleset).as_bytes()), Ok(ruleset));
    }

    #[test]
    fn no_content_makes_reading_panic(content in proptest::collection::vec(any::<u8>(), 0..200)) {
        drop(parse(&content));
    }

    #[test]
    fn no_text_makes_reading_panic(text in "([-:\\[\\]{}&*!|>'\"%@`,?# \n\ta-c]|rules|access|pattern|read){0,60}") {
        drop(parse(text.as_bytes()));
    }
}
