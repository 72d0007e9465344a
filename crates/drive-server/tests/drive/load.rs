//! The tool that measures the server works, so that a figure can be taken at any time.

use std::process::Command;

use serde_json::Value;

use crate::crash::example;

fn load(data: &std::path::Path, words: &[&str]) -> Vec<Value> {
    let small = ["--accounts", "3", "--files", "60", "--folder-files", "10", "--json"];
    let mut command = Command::new(example("load"));
    command.arg(words[0]).arg(data).args(small).args(&words[1..]);
    let output = command.output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_storm_asks_for_everything_and_is_answered() {
    let data = tempfile::tempdir().unwrap();
    let storms =
        load(data.path(), &["storm", "--clients", "6", "--rates", "100", "--seconds", "2"]);
    let [storm] = storms.as_slice() else { panic!("{storms:?}") };
    assert_eq!(storm["complaint"], Value::Null);
    let figures = storm["figures"].as_array().unwrap();
    assert_eq!(figures.len(), 9, "eight kinds and all of them");
    for figure in figures {
        assert_eq!(figure["failed"], 0, "{figure}");
        assert!(figure["answered"].as_u64().unwrap() > 0, "{figure}");
    }
}

#[test]
fn transfers_are_measured_both_ways() {
    let data = tempfile::tempdir().unwrap();
    let rows = load(data.path(), &["transfer", "--mib", "1"]);
    let what: Vec<_> =
        rows.iter().map(|row| format!("{} {}", row["what"], row["at_once"])).collect();
    assert_eq!(what, ["\"upload\" 1", "\"download\" 1", "\"upload\" 8", "\"download\" 8"]);
    assert!(rows.iter().all(|row| row["mib_s"].as_f64().unwrap() > 0.0), "{rows:?}");
}
