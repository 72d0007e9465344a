//! The rules engine against decisions that the Python client's engine made.

use std::fmt::Write as _;

use serde::Deserialize;
use syft::permissions::{Level, Ruleset, RulesetInput, SyftPerm, parse, write};

/// Rulesets at random, and for each path (row) and user (column) the highest level: 0 none, 1 read,
/// 2 write, 3 admin. Made with `syft-permissions` 0.1.14 and `wcmatch` 12.0.1.
#[derive(Deserialize)]
struct Oracle {
    owner: String,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    rulesets: Vec<RulesetInput>,
    paths: Vec<String>,
    users: Vec<String>,
    levels: Vec<String>,
}

fn digit(level: Option<Level>) -> char {
    match level {
        None => '0',
        Some(Level::Read) => '1',
        Some(Level::Write) => '2',
        Some(Level::Admin) => '3',
    }
}

#[test]
fn every_decision_is_the_python_engines() {
    let oracle: Oracle =
        serde_json::from_str(include_str!("../fixtures/permissions/oracle.json")).unwrap();
    let mut decisions = 0;
    let mut differences = String::new();
    for case in oracle.cases {
        let files = case.rulesets.iter().map(|r| {
            let ruleset = Ruleset { rules: r.rules.clone(), terminal: r.terminal };
            (r.path.clone(), parse(write(&ruleset).as_bytes()))
        });
        let (perm, problems) = SyftPerm::from_parsed(&oracle.owner, files);
        assert_eq!(problems, []);
        let grid = perm.evaluate_all(&case.paths, &case.users);
        for (row, (path, expected)) in case.paths.iter().zip(&case.levels).enumerate() {
            for (column, (user, expected)) in case.users.iter().zip(expected.chars()).enumerate() {
                decisions += 1;
                let level = perm.level(user, path);
                assert_eq!(grid.level(row, column), level, "{user} {path}");
                if digit(level) != expected {
                    writeln!(
                        differences,
                        "{user} `{path}`: {level:?} instead of {expected}: {}",
                        perm.explain(user, path, Level::Read)
                    )
                    .unwrap();
                }
            }
        }
    }
    assert!(differences.is_empty(), "{differences}");
    assert!(decisions >= 2_000, "{decisions}");
}
