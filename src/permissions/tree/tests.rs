//! The decision vectors, tables, and a naive evaluator to compare with.

use super::*;
use crate::permissions::{CheckRequest, Question, answer};

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
