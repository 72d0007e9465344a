//! The decision vectors, tables, and a naive evaluator to compare with.

use proptest::prelude::*;

use super::*;
use crate::permissions::{Access, CheckRequest, Question, Reason, Rule, answer, parse, write};

fn perm(files: &[(&str, &str)]) -> (SyftPerm, Vec<Problem>) {
    let owner = Email::parse("owner@test.com").unwrap();
    let files = files.iter().map(|(f, c)| ((*f).to_owned(), c.as_bytes().to_vec()));
    SyftPerm::compile(&owner, files)
}

#[test]
fn the_vectors_of_the_python_engine_hold() {
    let text = include_str!("../../../fixtures/permissions/vectors.json");
    let vectors: serde_json::Value = serde_json::from_str(text).unwrap();
    let mut count = 0;
    for scenario in vectors["scenarios"].as_array().unwrap() {
        let mut request: CheckRequest = serde_json::from_value(scenario.clone()).unwrap();
        let cases = scenario["cases"].as_array().unwrap();
        request.requests = serde_json::from_value::<Vec<Question>>(cases.clone().into()).unwrap();
        let response = answer(request);
        for (case, allowed) in cases.iter().zip(response.allowed) {
            assert_eq!(case["allow"], allowed, "{} {case}", scenario["name"]);
            count += 1;
        }
    }
    assert!(count > 150, "{count}");
}

#[test]
fn a_file_that_cannot_be_read_denies_what_it_governs_and_nothing_else() {
    let all = "rules: [{pattern: '**', access: {read: ['*']}}]";
    let (perm, problems) = perm(&[("", all), ("bad", "rules: ["), ("bad/sub", all)]);
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].path(), "bad/syft.pub.yaml");
    assert!(perm.allows("a@x", "good/f", Level::Read));
    assert!(!perm.allows("a@x", "bad/f", Level::Read));
    assert!(!perm.allows("a@x", "bad/sub/f", Level::Read));
    assert!(perm.allows("owner@test.com", "bad/f", Level::Admin));
}

#[test]
fn folders_are_asked_about_by_what_is_put_into_them() {
    let (perm, _) = perm(&[("", "rules: [{pattern: '**', access: {write: [a@x]}}]")]);
    for folder in ["", "d", "d/", "d/e"] {
        assert!(perm.allows_in_folder("a@x", folder, Level::Write), "{folder}");
        assert!(!perm.allows_in_folder("b@x", folder, Level::Read), "{folder}");
    }
    assert!(!perm.allows_in_folder("a@x", ".git", Level::Read));
}

#[test]
fn an_explanation_names_what_decided() {
    let all = "rules: [{pattern: '**', access: {read: ['*@x.org']}}, {pattern: b, access: {}}]";
    let (perm, _) = perm(&[("", all), ("t", "terminal: true"), ("t/u", all), ("bad", "[")]);
    let listed = Reason::Listed { entry: "*@x.org".into(), list: Level::Read };
    #[rustfmt::skip]
    let cases = [
        ("the owner",            "owner@test.com", "a",               None,        Reason::Owner),
        ("a wildcard",           "a@x.org",        "a",               Some(""),    listed),
        ("a more specific rule", "a@x.org",        "b",               Some(""),    Reason::NotListed),
        ("a permission file",    "a@x.org",        "d/syft.pub.yaml", Some(""),    Reason::NotListed),
        ("below a terminal one", "a@x.org",        "t/u/a",           Some("t"),   Reason::NoRule),
        ("an invalid file",      "a@x.org",        "bad/a",           Some("bad"), Reason::Invalid),
        ("a hidden file",        "a@x.org",        ".env",            Some(""),    Reason::NoRule),
    ];
    for (what, user, path, governing, reason) in cases {
        let explanation = perm.explain(user, path, Level::Read);
        assert_eq!(explanation.governing.as_deref(), governing, "{what}");
        assert_eq!(explanation.reason, reason, "{what}");
        assert_eq!(explanation.allowed, perm.allows(user, path, Level::Read), "{what}");
    }
    let text = perm.explain("a@x.org", "a", Level::Read).to_string();
    assert_eq!(
        text,
        "a@x.org may read `a`\n  governed by `syft.pub.yaml`\n  rule 1: `**`\n  `*@x.org` is in its read list"
    );
}

/// The rules of the format, one after the other, with nothing compiled or remembered.
fn naive(files: &[(String, Ruleset)], user: &str, path: &str) -> Option<Level> {
    let names: Vec<&str> = components(path).collect();
    let file_of = |depth: usize| {
        let folder = names[..depth].join("/");
        files.iter().rfind(|(f, _)| *f == folder).map(|(_, ruleset)| (depth, ruleset))
    };
    let on_the_way: Vec<_> = (0..=names.len()).filter_map(file_of).collect();
    let stop = on_the_way.iter().position(|(_, ruleset)| ruleset.terminal);
    let (depth, ruleset) = *stop.map_or(on_the_way.last(), |at| on_the_way.get(at))?;
    let below = names[depth..].join("/");
    let matching = |rule: &&Rule| Pattern::for_user(&rule.pattern, user).matches(&below);
    let mut best: Option<&Rule> = None;
    for rule in ruleset.rules.iter().filter(matching) {
        let is_better =
            |best: &Rule| Specificity::of(&rule.pattern) > Specificity::of(&best.pattern);
        if best.is_none_or(is_better) {
            best = Some(rule);
        }
    }
    let access = &best?.access;
    let lists = Level::ALL.into_iter().rev();
    let mut found = lists.filter(|&level| {
        access.list(level).iter().any(|entry| crate::permissions::users::covers(entry, user))
    });
    let highest = found.next()?;
    (highest == Level::Admin || !path.ends_with("syft.pub.yaml")).then_some(highest)
}

fn rulesets() -> impl Strategy<Value = Vec<(String, Ruleset)>> {
    let part =
        prop::sample::select(vec!["a", "b", "*", "**", "?", "a*", ".h", "{{.UserEmail}}", "{a}"]);
    let pattern = prop::collection::vec(part, 1..4).prop_map(|parts| parts.join("/"));
    let entry = prop::sample::select(vec!["a@x", "b@x", "*", "*@x", "USER", "[ab]*"]);
    let list = prop::collection::vec(entry.prop_map(str::to_owned), 0..2);
    let access = (list.clone(), list.clone(), list).prop_map(|(admin, read, write)| Access {
        admin,
        read,
        write,
    });
    let rule = (pattern, access).prop_map(|(pattern, access)| Rule { access, pattern });
    let ruleset = (prop::collection::vec(rule, 0..6), prop::bool::weighted(0.2))
        .prop_map(|(rules, terminal)| Ruleset { rules, terminal });
    let folder = prop::sample::select(vec!["", "a", "a/b", "b"]).prop_map(str::to_owned);
    prop::collection::vec((folder, ruleset), 0..4)
}

proptest! {
    #[test]
    fn a_decision_is_what_the_rules_say_one_after_the_other(
        files in rulesets(),
        paths in prop::collection::vec("(a|b|\\.h|a@x|syft.pub.yaml|\\{a\\})(/(a|b|\\.h|a@x|\\.\\.|syft.pub.yaml)){0,3}/?", 1..20),
    ) {
        let users = ["a@x", "b@x", "c@y"];
        let written = files.iter().map(|(f, r)| (f.clone(), parse(write(r).as_bytes())));
        let (perm, problems) = SyftPerm::from_parsed("o@x", written);
        prop_assert_eq!(problems, []);
        let grid = perm.evaluate_all(&paths, &users);
        for (row, path) in paths.iter().enumerate() {
            for (column, user) in users.iter().enumerate() {
                let expected = naive(&files, user, path);
                prop_assert_eq!(perm.level(user, path), expected, "{} {}", user, path);
                prop_assert_eq!(grid.level(row, column), expected, "{} {}", user, path);
            }
        }
    }
}
