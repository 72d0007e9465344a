//! Tables and properties of granting and revoking: what changes, and that nothing else does.

use std::cell::Cell;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::*;
use crate::permissions::{Revocation, revoke};

const OWNER: &str = "owner@x.org";
const USERS: [&str; 4] = ["ann@x.org", "bob@x.org", "cat@y.org", "dan@y.org"];
const NAMES: [&str; 6] = ["a", "b", "c.csv", ".h", "a[1]", "ann@x.org"];

fn perm(files: &[(&str, &str)]) -> SyftPerm {
    let parsed = files.iter().map(|(f, text)| ((*f).to_owned(), yaml::parse(text.as_bytes())));
    SyftPerm::from_parsed(OWNER, parsed).0
}

fn apply(perm: &SyftPerm, edits: &[Edit]) -> SyftPerm {
    edits.iter().fold(perm.clone(), |perm, edit| {
        assert_eq!(yaml::parse(edit.content.as_bytes()), Ok(edit.ruleset.clone()));
        perm.with_file(&edit.folder, edit.ruleset.clone())
    })
}

fn granted(perm: &SyftPerm, target: &str, user: &str, level: Level) -> (SyftPerm, Edit) {
    let edit = grant(perm, &Target::parse(target).unwrap(), user, level).unwrap().unwrap();
    (apply(perm, std::slice::from_ref(&edit)), edit)
}

#[test]
fn without_rules_a_file_is_made_beside_the_target() {
    for (target, folder, pattern) in [
        ("a.txt", "", "a.txt"),
        ("d/e/a.txt", "d/e", "a.txt"),
        ("d/e/", "d/e", "**"),
        ("/", "", "**"),
        ("", "", "**"),
        ("d/*.csv", "d", "[*].csv"),
    ] {
        let (after, edit) = granted(&perm(&[]), target, "ann@x.org", Level::Read);
        assert_eq!(
            (edit.folder.as_str(), edit.ruleset.rules[0].pattern.as_str()),
            (folder, pattern)
        );
        assert!(after.allows("ann@x.org", Target::parse(target).unwrap().probe(), Level::Read));
    }
}

#[test]
fn a_grant_does_not_take_from_others_what_a_wider_rule_gave_them() {
    let before = perm(&[("", "rules: [{pattern: '**', access: {read: ['*@y.org']}}]")]);
    let (after, edit) = granted(&before, "reports/q1.csv", "ann@x.org", Level::Write);
    assert_eq!(
        edit.notes,
        [Note::NewRule { pattern: "reports/q1.csv".into(), lists_of: Some("**".into()) }]
    );
    assert_eq!(after.level("cat@y.org", "reports/q1.csv"), Some(Level::Read));
    assert_eq!(after.level("ann@x.org", "reports/q1.csv"), Some(Level::Write));
    assert_eq!(after.level("ann@x.org", "reports/q2.csv"), None);
}

#[test]
fn a_folder_keeps_each_wider_rule_that_decided_in_it() {
    let before = perm(&[(
        "",
        "rules: [{pattern: '**', access: {read: [bob@x.org]}}, {pattern: '**/*.csv', access: {read: [cat@y.org]}}]",
    )]);
    let (after, _) = granted(&before, "reports/", "ann@x.org", Level::Read);
    for (path, readers) in [
        ("reports/x", vec!["ann@x.org", "bob@x.org"]),
        ("reports/d/x.csv", vec!["ann@x.org", "cat@y.org"]),
        ("x.csv", vec!["cat@y.org"]),
        ("x", vec!["bob@x.org"]),
    ] {
        let found: Vec<_> =
            USERS.into_iter().filter(|user| after.allows(user, path, Level::Read)).collect();
        assert_eq!(found, readers, "{path}");
    }
}

#[test]
fn what_somebody_has_is_not_granted_again() {
    let before = perm(&[("", "rules: [{pattern: '**', access: {write: ['*@x.org']}}]")]);
    let target = Target::parse("a/").unwrap();
    assert_eq!(grant(&before, &target, "ann@x.org", Level::Read), Ok(None));
    assert_eq!(grant(&before, &target, "*@x.org", Level::Write).map(|e| e.is_some()), Ok(true));
}

#[test]
fn names_with_wildcards_mean_themselves() {
    for name in ["a[1].txt", "*.csv", "{{.UserEmail}}.txt", "{{.Year}}", "{a,b}", "?", "a**b"] {
        let before = perm(&[("", "rules: [{pattern: '*', access: {read: [bob@x.org]}}]")]);
        let (after, _) = granted(&before, name, "ann@x.org", Level::Read);
        assert!(after.allows("ann@x.org", name, Level::Read), "{name}");
        assert!(after.allows("bob@x.org", name, Level::Read), "{name}");
        for other in ["a1.txt", "x.csv", "ann@x.org.txt", "a", "x", "axb"] {
            assert!(!after.allows("ann@x.org", other, Level::Read), "{name} {other}");
        }
    }
}

#[test]
fn what_cannot_be_granted_is_refused() {
    let bad = perm(&[("d", "rules: [")]);
    let give = |target: &str, user: &str, level| {
        grant(&bad, &Target::parse(target)?, user, level).map(|_| ())
    };
    assert!(matches!(give("../x", "ann@x.org", Level::Read), Err(EditError::InvalidPath(_))));
    assert!(matches!(give("x", "USER", Level::Read), Err(EditError::InvalidUser(_))));
    assert!(matches!(give("x", "", Level::Read), Err(EditError::InvalidUser(_))));
    assert_eq!(
        give("d/x", "ann@x.org", Level::Read),
        Err(EditError::Unusable { folder: "d".into() })
    );
    assert_eq!(give("e/syft.pub.yaml", "ann@x.org", Level::Write), Err(EditError::NeedsAdmin));
}

#[test]
fn revoking_a_wildcard_warns_and_stays_within_the_target() {
    let before = perm(&[("", "rules: [{pattern: '**', access: {write: ['*@x.org']}}]")]);
    let target = Target::parse("secret/").unwrap();
    let Revocation { edits, warnings } =
        revoke(&before, &target, "ann@x.org", Level::Write).unwrap();
    assert_eq!(warnings.len(), 1);
    assert_eq!((warnings[0].entry.as_str(), warnings[0].level), ("*@x.org", Level::Write));
    let after = apply(&before, &edits);
    assert_eq!(after.level("ann@x.org", "secret/x"), Some(Level::Read));
    assert_eq!(after.level("bob@x.org", "secret/x"), Some(Level::Read));
    assert_eq!(after.level("bob@x.org", "other/x"), Some(Level::Write));
}

fn paths() -> Vec<String> {
    let mut paths: Vec<String> = NAMES.iter().map(|&name| name.to_owned()).collect();
    for depth in 0..2 {
        let deeper = paths.iter().filter(|path| path.matches('/').count() == depth);
        let deeper = deeper.flat_map(|path| NAMES.iter().map(move |name| format!("{path}/{name}")));
        paths.extend(deeper.collect::<Vec<_>>());
    }
    paths
}

fn rulesets() -> impl Strategy<Value = Vec<(String, Ruleset)>> {
    let part = prop::sample::select(vec![
        "a",
        "b",
        "*",
        "**",
        "**",
        "*.csv",
        "c.csv",
        ".h",
        "a*",
        "a[[]1]",
        "{{.UserEmail}}",
        "?",
    ]);
    let pattern = prop::collection::vec(part, 1..4).prop_map(|parts| parts.join("/"));
    let entry =
        prop::sample::select(vec!["ann@x.org", "bob@x.org", "*@y.org", "*", "USER", "*@x.org"]);
    let list = || prop::collection::vec(entry.clone().prop_map(str::to_owned), 0..3);
    let access =
        (list(), list()).prop_map(|(read, write)| Access { read, write, ..Access::default() });
    let rule = (pattern, access).prop_map(|(pattern, access)| Rule { access, pattern });
    let ruleset = (prop::collection::vec(rule, 0..5), prop::bool::weighted(0.1))
        .prop_map(|(rules, terminal)| Ruleset { rules, terminal });
    let folder = prop::sample::select(vec!["", "a", "b", "a/b"]).prop_map(str::to_owned);
    prop::collection::vec((folder, ruleset), 0..3)
}

type Case = (Vec<(String, Ruleset)>, usize, bool, Level, usize);

fn cases() -> impl Strategy<Value = Case> {
    let level = prop::sample::select(Level::ALL.to_vec());
    (rulesets(), 0..paths().len(), any::<bool>(), level, 0..2_usize)
}

fn is_in(target: &Target, path: &str) -> bool {
    if target.is_folder() {
        // The folder's own path as well: it cannot be a file.
        let prefix = format!("{}/", target.path());
        target.path().is_empty() || format!("{path}/").starts_with(&prefix)
    } else {
        path == target.path()
    }
}

/// Runs a property over many cases; at most one in ten may end in `Tangled`.
fn run(property: impl Fn(&SyftPerm, &Target, &str, Level) -> Result<bool, TestCaseError>) {
    let all = paths();
    let (done, tangled) = (Cell::new(0), Cell::new(0));
    let mut runner =
        TestRunner::new(Config { cases: 2_000, failure_persistence: None, ..Config::default() });
    let result = runner.run(&cases(), |(files, path, is_folder, level, user)| {
        let (perm, _) = SyftPerm::from_parsed(OWNER, files.into_iter().map(|(f, r)| (f, Ok(r))));
        let slash = if is_folder { "/" } else { "" };
        let target = Target::parse(&format!("{}{slash}", all[path])).unwrap();
        done.set(done.get() + 1);
        if !property(&perm, &target, USERS[user], level)? {
            tangled.set(tangled.get() + 1);
        }
        Ok(())
    });
    result.unwrap();
    assert!(tangled.get() * 10 < done.get(), "{} of {}", tangled.get(), done.get());
}

#[test]
fn a_grant_gives_what_it_says_and_changes_nothing_else() {
    let paths = paths();
    run(|before, target, user, level| {
        let edit = match grant(before, target, user, level) {
            Ok(Some(edit)) => edit,
            Ok(None) => {
                prop_assert!(before.allows(user, target.probe(), level));
                return Ok(true);
            }
            Err(error) => {
                let is_tangled = matches!(error, EditError::Tangled { .. });
                prop_assert!(is_tangled, "{error}");
                return Ok(false);
            }
        };
        let after = apply(before, std::slice::from_ref(&edit));
        prop_assert!(after.allows(user, target.probe(), level));
        for path in &paths {
            for other in USERS {
                let (old, new) = (before.level(other, path), after.level(other, path));
                let may_rise = other == user && is_in(target, path);
                prop_assert!(
                    old == new || (may_rise && new > old),
                    "{other} {path}: {old:?} {new:?} {edit:?}"
                );
            }
        }
        Ok(true)
    });
}

#[test]
fn a_revocation_takes_what_it_says_and_warns_of_all_else() {
    let paths = paths();
    run(|before, target, user, level| {
        let revocation = match revoke(before, target, user, level) {
            Ok(revocation) => revocation,
            Err(error) => {
                let is_tangled = matches!(error, EditError::Tangled { .. });
                prop_assert!(is_tangled, "{error}");
                return Ok(false);
            }
        };
        let after = apply(before, &revocation.edits);
        for path in &paths {
            let inside = is_in(target, path);
            prop_assert!(
                !inside
                    || path == target.path() && target.is_folder()
                    || !after.allows(user, path, level),
                "{path} {revocation:?}"
            );
            for other in USERS {
                let (old, new) = (before.level(other, path), after.level(other, path));
                // What a template gave in the folder is taken from the rule itself.
                let warned = revocation
                    .warnings
                    .iter()
                    .any(|w| covers(&w.entry, other) && (inside || w.pattern.contains("{{")));
                let may_fall = warned || (inside && other == user);
                let kept = old.filter(|&old| old < level);
                prop_assert!(
                    old == new || (may_fall && new < old && new >= kept),
                    "{other} {path}: {old:?} {new:?} {revocation:?}"
                );
            }
        }
        Ok(true)
    });
}

#[test]
fn a_grant_to_a_wildcard_lowers_nobody_and_raises_only_whom_it_covers() {
    let paths = paths();
    run(|before, target, _, level| {
        let Ok(Some(edit)) = grant(before, target, "*@y.org", level) else { return Ok(true) };
        let after = apply(before, &[edit]);
        for path in &paths {
            for other in USERS {
                let (old, new) = (before.level(other, path), after.level(other, path));
                let may_rise = other.ends_with("@y.org") && is_in(target, path);
                prop_assert!(
                    old == new || (may_rise && new > old),
                    "{other} {path}: {old:?} {new:?}"
                );
            }
        }
        Ok(true)
    });
}
