//! Tables and properties of path patterns.

use proptest::prelude::*;

use super::*;

#[test]
fn a_pattern_matches_what_it_says() {
    #[rustfmt::skip]
    let cases = [
        ("text is text",                     "a.txt",        "a.txt",        true),
        ("text, braces",                     "{a,b}",        "a",            false),
        ("text, backslash is itself",        r"a\b",         r"a\b",         true),
        ("empty text is the folder",         "",             "",             true),
        ("star stays in its component",      "*.csv",        "d/a.csv",      false),
        ("star takes nothing at the end",    "a*",           "a",            true),
        ("star takes no leading dot",        "*",            ".env",         false),
        ("star needs a name",                "*",            "",             false),
        ("a written dot",                    ".*",           ".env",         true),
        ("an escaped dot is a written one",  r"\.*",         ".env",         true),
        ("a set is no written dot",          "[.]*",         ".env",         false),
        ("question mark is no written dot",  "?env",         ".env",         false),
        ("any depth, none",                  "**/a",         "a",            true),
        ("any depth, some",                  "**/a",         "x/y/a",        true),
        ("any depth stops at a dot",         "**/a",         ".x/a",         false),
        ("after any depth, a written dot",   "**/.a",        "x/.a",         true),
        ("not the folder itself",            "a/**",         "a",            false),
        ("everything",                       "**",           "",             true),
        ("inside a component it is a star",  "a**",          "ab/c",         false),
        ("three stars are a star",           "***",          "a/b",          false),
        ("an escaped separator separates",   r"a\/*",        "a/b",          true),
        ("separators count once",            "a//*",         "a/b",          true),
        ("a trailing separator",             "a*/",          "a",            false),
        ("a leading separator",              "/a*",          "a",            false),
        ("an escaped star",                  r"\**",         "*x",           true),
        ("an escaped star is no star",       r"\**",         "x",            false),
        ("a set",                            "[a-c]x",       "bx",           true),
        ("a negated set",                    "[!a-c]x",      "bx",           false),
        ("a caret negates too",              "[^a-c]x",      "dx",           true),
        ("a bracket in a set",               "a[[]1].txt",   "a[1].txt",     true),
        ("an unclosed set is text",          "[ab*",         "[abc",         true),
        ("no set across a separator",        "[a/b]*",       "[a/b]",        true),
        ("a posix set",                      "[[:digit:]]*", "7",            true),
        ("a backslash at the end is nothing", r"a*\",        "ab",           true),
        ("not ASCII",                        "é?.*",         "é中.x",        true),
    ];
    for (what, pattern, path, expected) in cases {
        assert_eq!(Pattern::new(pattern).matches(path), expected, "{what}");
        let components: Vec<&str> = path.split('/').filter(|c| !c.is_empty()).collect();
        assert_eq!(Pattern::new(pattern).matches_components(&components), expected, "{what}");
    }
}

#[test]
fn an_address_in_a_template_is_literal() {
    let pattern = Pattern::for_user("home/{{.UserEmail}}/**", "[a]*@x.org");
    assert!(pattern.matches("home/[a]*@x.org/f"));
    assert!(!pattern.matches("home/alice@x.org/f"));
}

#[test]
fn many_stars_do_not_take_forever() {
    let name = "a".repeat(2000);
    assert!(!Pattern::new(&format!("{}b", "*a".repeat(500))).matches(&name));
    let deep = ["a"; 2000].join("/");
    assert!(!Pattern::new(&format!("{}b", "**/a/".repeat(500))).matches(&deep));
}

/// Says whether tokens match by trying everything. Slow, and plainly right.
fn naive(parts: &[Part], components: &[&str]) -> bool {
    match (parts, components) {
        ([], []) => true,
        ([Part::AnyDepth, rest @ ..], _) => {
            naive(rest, components)
                || matches!(components, [c, after @ ..] if !c.starts_with('.') && naive(parts, after))
        }
        ([Part::Literal(text), rest @ ..], [c, after @ ..]) => text == c && naive(rest, after),
        ([Part::Wild(tokens), rest @ ..], [c, after @ ..]) => {
            let chars: Vec<char> = c.chars().collect();
            let dot = chars.first() == Some(&'.');
            let written = matches!(tokens.first(), Some(Token::One('.')));
            (!dot || written)
                && !chars.is_empty()
                && naive_name(tokens, &chars)
                && naive(rest, after)
        }
        _ => false,
    }
}

fn naive_name(tokens: &[Token], chars: &[char]) -> bool {
    match (tokens, chars) {
        ([], []) => true,
        ([Token::Star, rest @ ..], _) => (0..=chars.len()).any(|n| naive_name(rest, &chars[n..])),
        ([Token::One(one), rest @ ..], [c, after @ ..]) => one == c && naive_name(rest, after),
        ([Token::Any, rest @ ..], [_, after @ ..]) => naive_name(rest, after),
        ([Token::In(class), rest @ ..], [c, after @ ..]) => {
            class.contains(*c) && naive_name(rest, after)
        }
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn matching_is_what_trying_everything_finds(
        pattern in "([.*?ab]|\\*\\*|/|\\[a-b\\]){1,9}",
        path in "[.ab]{1,3}(/[.ab]{1,2}){0,4}",
    ) {
        let compiled = Pattern::new(&pattern);
        let components: Vec<&str> = path.split('/').collect();
        if let Kind::Glob(parts) = &compiled.0 {
            prop_assert_eq!(compiled.matches(&path), naive(parts, &components));
        }
    }

    #[test]
    fn an_escaped_path_matches_itself_alone(
        path in r"[\[\]*?{}!^.ab-]{1,4}(/[\[\]*?{}!^.ab-]{1,3}){0,2}",
        other in r"[\[\]*?{}!^.ab-]{1,4}(/[\[\]*?{}!^.ab-]{1,3}){0,2}",
    ) {
        let pattern = Pattern::new(&escape(&path));
        prop_assert!(pattern.matches(&path));
        prop_assert_eq!(pattern.matches(&other), path == other);
    }

    #[test]
    fn no_text_makes_a_pattern_panic(text in ".{0,40}", path in ".{0,20}") {
        Pattern::for_user(&text, &path).matches(&path);
        Specificity::of(&text);
    }
}
