//! What is submitted, byte for byte, and what is refused.

use proptest::prelude::*;

use super::*;
use crate::jobs::checking::check;
use crate::jobs::finding::objections;
use crate::jobs::form::{EntryKind, check_received};
use crate::jobs::iso;
use crate::jobs::layout::Layout;
use crate::jobs::name::JobName;
use crate::jobs::script::{ScriptCheck, check_script};
use crate::jobs::source::read_source;
use crate::model::Email;

fn job(layout: Layout, name: &str) -> Option<JobId> {
    let submitter = Email::parse("ds@example.com").unwrap();
    Some(JobId { submitter, layout, name: JobName::parse(name).ok()? })
}

fn census() -> JobId {
    job(Layout::Flat, "census-count").unwrap()
}

fn source(is_folder: bool, files: &[(&str, &str)]) -> Source {
    let files = files.iter().map(|(path, text)| (constant(path), text.as_bytes().to_vec()));
    Source { name: "main.py".into(), is_folder, files: files.collect(), findings: Vec::new() }
}

fn request<'a>(job: &'a JobId, kind: JobKind) -> SubmissionRequest<'a> {
    SubmissionRequest {
        job,
        kind,
        entrypoint: None,
        dependencies: &[],
        datasets: None,
        request: Request::default(),
        install_source: "syft-client==0.1.117",
        module: None,
        submitted_at: iso::read("2026-11-20T12:39:16.292593Z").unwrap(),
    }
}

fn text<'a>(submission: &'a Submission, path: &str) -> &'a str {
    let found = submission.files.iter().find(|(at, _)| at.as_str() == path).unwrap();
    std::str::from_utf8(&found.1).unwrap()
}

#[test]
fn w15_a_python_file_becomes_what_the_python_client_sends_without_the_local_path() {
    let code = include_str!("../../../fixtures/jobs/census-count/code/main.py");
    let job = census();
    let dependencies = ["numpy".to_owned()];
    let request =
        SubmissionRequest { dependencies: &dependencies, ..request(&job, JobKind::Python) };
    let submission = build(source(false, &[("main.py", code)]), &request).unwrap();
    let config = include_str!("../../../fixtures/jobs/census-count/config.yaml");
    assert_eq!(
        text(&submission, "config.yaml"),
        config.replace("/home/syft/src/main.py", "main.py")
    );
    let run = include_str!("../../../fixtures/jobs/census-count/run.sh");
    assert_eq!(text(&submission, "run.sh"), run);
    let paths: Vec<_> = submission.files.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths, ["code/main.py", "run.sh", "config.yaml"]);
}

#[test]
fn for_an_owner_of_the_second_generation_it_becomes_what_that_generation_sends() {
    let job = job(Layout::V1, "job1").unwrap();
    let dependencies = ["numpy".to_owned()];
    let request = SubmissionRequest {
        dependencies: &dependencies,
        install_source: "syft==0.10.0",
        submitted_at: iso::read("2026-06-11T10:20:30.123456Z").unwrap(),
        ..request(&job, JobKind::Python)
    };
    let submission = build(source(false, &[("main.py", "")]), &request).unwrap();
    let config = include_str!(
        "../../../fixtures/jobs010/job_layout_1/do@example.com/app_data/job/inbox/ds@example.com/v1/job1/config.yaml"
    );
    assert_eq!(text(&submission, "config.yaml"), config.replace("/home/syft/code/", ""));
    let run = include_str!(
        "../../../fixtures/jobs010/job_layout_1/do@example.com/app_data/job/inbox/ds@example.com/v1/job1/run.sh"
    );
    assert_eq!(text(&submission, "run.sh"), run);
    assert_eq!(submission.job, job);
}

#[test]
fn what_a_job_is_for_stands_where_every_client_keeps_it() {
    let job = census();
    let said =
        Request::new(Some("counts: by town # no names"), &["people.json".into(), "plots/".into()]);
    let request = SubmissionRequest { request: said.unwrap(), ..request(&job, JobKind::Python) };
    let submission = build(source(false, &[("main.py", "")]), &request).unwrap();
    let config = text(&submission, "config.yaml");
    let headers = "headers:\n  expected_outputs:\n    - people.json\n    - plots/\n  purpose: 'counts: by town # no names'\n";
    assert!(config.replace("\n  - ", "\n    - ").contains(headers), "{config}");
    let read = JobConfig::parse(Layout::Flat, config.as_bytes()).unwrap();
    assert_eq!(read.request(), request.request);
}

#[test]
fn a_bash_script_becomes_what_the_python_client_sends() {
    let script = include_str!("../../../fixtures/jobs/bash job/code/script.sh");
    let job = job(Layout::Flat, "bash job").unwrap();
    let mut request = request(&job, JobKind::Bash);
    request.submitted_at = iso::read("2026-11-20T12:39:16.296096Z").unwrap();
    let submission = build(source(false, &[("count.sh", script)]), &request).unwrap();
    let config = include_str!("../../../fixtures/jobs/bash job/config.yaml");
    assert_eq!(text(&submission, "config.yaml"), config);
    assert_eq!(text(&submission, "run.sh"), script);
    assert_eq!(text(&submission, "code/script.sh"), script);
}

#[test]
fn the_file_that_starts_a_folder_is_the_named_the_usual_or_the_only_one() {
    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], Option<&'a str>, Option<&'a str>);
    #[rustfmt::skip]
    let cases: [Case; 8] = [
        // what             files                                  named             starts
        ("the usual one",   &[("main.py", ""), ("a.py", "")],      None,             Some("main.py")),
        ("the only one",    &[("a.py", ""), ("b/c.py", "")],       None,             Some("a.py")),
        ("the named one",   &[("main.py", ""), ("b/c.py", "")],    Some("b/c.py"),   Some("b/c.py")),
        ("one of two",      &[("a.py", ""), ("b.py", "")],         None,             None),
        ("none",            &[("a.txt", "")],                      None,             None),
        ("a missing one",   &[("a.py", "")],                       Some("b.py"),     None),
        ("one outside",     &[("a.py", "")],                       Some("../a.py"),  None),
        ("shell syntax",    &[("a b;c.py", "")],                   None,             None),
    ];
    let job = census();
    for (what, files, entrypoint, starts) in cases {
        let request = SubmissionRequest { entrypoint, ..request(&job, JobKind::Python) };
        let got = build(source(true, files), &request);
        let got = got.ok().map(|submission| submission.config.entrypoint.unwrap().to_string());
        assert_eq!(got.as_deref(), starts, "{what}");
    }
}

#[test]
fn what_is_not_harmless_in_a_shell_is_refused() {
    let job = census();
    for dependency in ["-r x", "numpy\"; rm -rf /", "$(id)", "a`b`", "", "a\nb"] {
        let dependencies = [dependency.to_owned()];
        let request =
            SubmissionRequest { dependencies: &dependencies, ..request(&job, JobKind::Python) };
        assert!(build(source(false, &[("main.py", "")]), &request).is_err(), "{dependency}");
    }
    assert!(build(source(false, &[("main.txt", "")]), &request(&job, JobKind::Python)).is_err());
}

#[test]
fn w26_hidden_and_binary_files_are_told_and_links_are_refused() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("project");
    for (path, content) in [
        ("main.py", &b"ds.mock_files\nsc.resolve_dataset_file_path('x', client = c)"[..]),
        ("model.bin", b"\xff\x00"),
        ("sub/util.py", b""),
        (".env", b"SECRET=1"),
        (".git/config", b""),
        ("__pycache__/x.pyc", b""),
        ("outputs/old.csv", b""),
    ] {
        std::fs::create_dir_all(folder.join(path).parent().unwrap()).unwrap();
        std::fs::write(folder.join(path), content).unwrap();
    }
    let source = read_source(&folder).unwrap();
    let job = census();
    let request = request(&job, JobKind::Python);
    let findings: Vec<_> = check(&source, &request, None).iter().map(ToString::to_string).collect();
    let submission = build(source, &request).unwrap();
    assert_eq!(submission.config.files, ["main.py", "model.bin", "sub/util.py"]);
    assert_eq!(submission.binary_files, [constant("model.bin")]);
    let findings = findings.join("\n");
    for word in [".env", "outputs/old.csv", ".mock_files", "client=", "`.git`, `__pycache__`"] {
        assert!(findings.contains(word), "{word}: {findings}");
    }
    assert!(!text(&submission, "config.yaml").contains(home.path().to_str().unwrap()));

    std::os::unix::fs::symlink("/etc/passwd", folder.join("data.csv")).unwrap();
    let source = read_source(&folder).unwrap();
    assert!(build(source, &request).unwrap_err().to_string().contains("`data.csv` is a link"));
}

#[test]
fn all_that_is_wrong_is_found_at_once() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("project");
    for (path, content) in [
        ("a.py", "x = sc.resolve_dataset_file_path('nil')"),
        ("b.py", ""),
        ("sub/SYFT.pub.yaml", "rules: []"),
        ("key.pem", "-----BEGIN PRIVATE KEY-----"),
    ] {
        std::fs::create_dir_all(folder.join(path).parent().unwrap()).unwrap();
        std::fs::write(folder.join(path), content).unwrap();
    }
    for number in 0..30 {
        std::os::unix::fs::symlink("/etc/passwd", folder.join(format!("link{number:02}"))).unwrap();
    }
    let source = read_source(&folder).unwrap();
    let job = census();
    let dependencies = ["$(id)".to_owned()];
    let request =
        SubmissionRequest { dependencies: &dependencies, ..request(&job, JobKind::Python) };
    let mut findings = check(&source, &request, Some(&["other".to_owned()].into()));
    let stops = objections(&mut findings, false);
    let words: Vec<_> = stops.iter().map(|finding| finding.check.as_str()).collect();
    let links = words.iter().filter(|&&word| word == "link").count();
    assert_eq!(links, 21, "a folder of links is told in bounds: {stops:?}");
    let mut words: Vec<_> = words.into_iter().filter(|&word| word != "link").collect();
    words.sort_unstable();
    assert_eq!(words, ["dataset", "dependency", "entrypoint", "permission-file", "secret"]);
    let insists = objections(&mut findings, true);
    assert!(insists.iter().all(|finding| finding.weight == Weight::Refused), "{insists:?}");
    assert_eq!(insists.len(), stops.len() - 2, "doubts are the submitter's to judge");
    assert!(build(source, &request).is_err());
}

proptest! {
    #[test]
    fn what_is_submitted_is_taken_for_what_it_is(
        files in proptest::collection::btree_map("[a-z ]{1,6}(/[a-zé]{1,3})?", "\\PC{0,9}", 0..4),
        dependencies in proptest::collection::vec("[a-z~@ #:'][a-z =<>,;\\[\\]'#@:]{0,9}", 0..3),
        title in "[a-z'#:,-]{1,9}",
    ) {
        check_round_trip(&files, &dependencies, &title)?;
    }

    #[test]
    fn no_bytes_of_a_stranger_stop_a_listing(bytes in any::<Vec<u8>>(), text in "[a-z:'\\[{}\\]\n &*|>-]*") {
        for input in [bytes.as_slice(), text.as_bytes()] {
            for layout in Layout::ALL {
                JobConfig::parse(layout, input).ok();
                crate::jobs::JobState::parse(layout, input).ok();
            }
        }
    }
}

/// What an owner reads is what was built, and the script is the derived one.
fn check_round_trip(
    files: &BTreeMap<String, String>,
    dependencies: &[String],
    title: &str,
) -> Result<(), TestCaseError> {
    let (Some(job), None) = (job(Layout::V1, title), files.get("main.py")) else { return Ok(()) };
    let mut source = source(true, &[("main.py", "")]);
    for (path, text) in files {
        source.files.insert(constant(path), text.clone().into_bytes());
    }
    let request = SubmissionRequest { dependencies, ..request(&job, JobKind::Python) };
    let Ok(submission) = build(source, &request) else { return Ok(()) };
    let config = JobConfig::parse(Layout::V1, text(&submission, "config.yaml").as_bytes()).unwrap();
    prop_assert_eq!(&config, &submission.config);
    let run = text(&submission, "run.sh").as_bytes();
    prop_assert_eq!(check_script(run, &config, false, None), ScriptCheck::AsDerived);
    let entries: std::collections::BTreeMap<_, _> = submission
        .files
        .iter()
        .map(|(path, _)| match path.as_str().split_once('/') {
            Some((folder, _)) => (folder.to_owned(), EntryKind::Directory),
            None => (path.to_string(), EntryKind::File),
        })
        .collect();
    let entries: Vec<_> = entries.into_iter().collect();
    prop_assert_eq!(check_received(&entries), Ok(()));
    Ok(())
}
