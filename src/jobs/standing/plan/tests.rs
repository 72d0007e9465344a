//! What fits and what does not, as tables and as properties.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::jobs::{JobKind, JobName, Layout, ReviewedFile, RunScript, Sharing, Shown, Target, Use};
use crate::model::Email;

const NOW: i64 = 1_780_000_000_000_000;
const DAY: i64 = 24 * 3600 * 1_000_000;

fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

fn path(text: &str) -> DatasitePath {
    DatasitePath::parse(text).unwrap()
}

fn job(submitter: &str, name: &str) -> JobId {
    let submitter = Email::parse(submitter).unwrap();
    JobId { submitter, layout: Layout::Flat, name: JobName::parse(name).unwrap() }
}

fn config(name: &str) -> JobConfig {
    JobConfig {
        code_path: Some("count".to_owned()),
        datasets: Some([("do@example.com".to_owned(), vec!["census".to_owned()])].into()),
        dependencies: vec!["syft-client==0.1.117".to_owned(), "numpy==2.0".to_owned()],
        entrypoint: Some(path("main.py")),
        files: vec!["main.py".to_owned(), "params.json".to_owned()],
        headers: [("purpose".to_owned(), json!("count"))].into_iter().collect(),
        is_folder_submission: true,
        target: Target::Local,
        title: name.to_owned(),
        submitted_at: at(NOW - DAY),
        kind: JobKind::Python,
    }
}

type Files = BTreeMap<DatasitePath, Vec<u8>>;

fn files(name: &str) -> Files {
    let config = config(name).to_yaml(Layout::Flat);
    [
        ("config.yaml", config.as_str()),
        ("run.sh", "#!/bin/bash\npython main.py\n"),
        ("code/main.py", "print(1)\n"),
        ("code/sub/table.csv", "a,b\n"),
        ("code/params.json", "{\"year\": 2024}"),
    ]
    .into_iter()
    .map(|(name, text)| (path(name), text.as_bytes().to_vec()))
    .collect()
}

fn snapshot(files: &Files) -> Snapshot {
    let file = |(path, content): (&DatasitePath, &Vec<u8>)| {
        (path.clone(), Digest::of(content), content.len() as u64)
    };
    Snapshot::of(files.iter().map(file).collect())
}

fn standing() -> Standing {
    let files = snapshot(&files("march"));
    let reviewed = files.files.iter().map(|(path, digest, size)| ReviewedFile {
        path: path.clone(),
        digest: *digest,
        size: *size,
        shown: Shown::Whole,
    });
    let schema = json!({
        "type": "object",
        "properties": { "year": { "type": "integer", "maximum": 2100 } },
        "additionalProperties": false,
    });
    Standing {
        id: "1a2b3c4d".to_owned(),
        template: Template {
            job: job("ds@example.com", "march"),
            files: reviewed.collect(),
            config: config("march"),
            run_script: RunScript::Derived,
            parameters: vec![path("code/params.json")],
            schema: Some(schema),
        },
        people: vec![Email::parse("ds@example.com").unwrap()],
        until: at(NOW + 30 * DAY),
        times: 3,
        sharing: Sharing::default(),
        datasets: Vec::new(),
        made_at: at(NOW - DAY),
        made_by: Email::parse("do@example.com").unwrap(),
        made_from: "ds@example.com/march".to_owned(),
        reason: None,
        uses: Vec::new(),
        seen: at(NOW - DAY),
        ended: None,
    }
}

fn judged(standing: &Standing, job: &JobId, files: &Files) -> Result<usize, Vec<Obstacle>> {
    let snapshot = snapshot(files);
    let candidate = Candidate { job, files: &snapshot, contents: files };
    judge(standing, &candidate, at(NOW)).map(|parameters| parameters.len())
}

fn edited(edit: impl FnOnce(&mut Files)) -> Files {
    let mut files = files("april");
    edit(&mut files);
    files
}

fn with_config(edit: impl FnOnce(&mut JobConfig)) -> Files {
    let mut config = config("april");
    edit(&mut config);
    let text = config.to_yaml(Layout::Flat).into_bytes();
    edited(|files| drop(files.insert(path("config.yaml"), text)))
}

#[test]
fn a_like_job_of_another_day_fits() {
    let april = job("DS@example.com", "april");
    assert_eq!(judged(&standing(), &april, &files("april")), Ok(1));
    let later = with_config(|config| config.submitted_at = at(NOW));
    assert_eq!(judged(&standing(), &april, &later), Ok(1));
    let params = |text: &[u8]| edited(|f| drop(f.insert(path("code/params.json"), text.to_vec())));
    assert_eq!(judged(&standing(), &april, &params(b"{\"year\": 1999}")), Ok(1));
    assert_eq!(judged(&standing(), &april, &params(b"{}")), Ok(1));
}

#[test]
fn whatever_else_is_different_does_not_fit() {
    use Obstacle::*;
    let put = |name: &str, content: &[u8]| edited(|f| drop(f.insert(path(name), content.to_vec())));
    let config_text = |from: &str, to: &str| {
        edited(|files| {
            let text = String::from_utf8(files[&path("config.yaml")].clone()).unwrap();
            assert!(text.contains(from), "{text}");
            files.insert(path("config.yaml"), text.replace(from, to).into_bytes());
        })
    };
    let changed = |name: &str| Changed(path(name));
    let too_large = vec![b' '; usize::try_from(PARAMETER_BYTES_MAX).unwrap() + 1];
    #[rustfmt::skip]
    let cases: Vec<(&str, Files, Obstacle)> = vec![
        ("the code",                    put("code/main.py", b"print(2)\n"),               changed("code/main.py")),
        ("the run script",              put("run.sh", b"#!/bin/bash\ncurl evil\n"),       changed("run.sh")),
        ("a file that is read",         put("code/sub/table.csv", b"a,c\n"),              changed("code/sub/table.csv")),
        ("one more file",               put("code/json.py", b""),                         Added(path("code/json.py"))),
        ("an empty file more",          put("code/sub/__init__.py", b""),                 Added(path("code/sub/__init__.py"))),
        ("one that folds into another", put("code/Params.json", b"{}"),                   Added(path("code/Params.json"))),
        ("one less",                    edited(|f| drop(f.remove(&path("run.sh")))),      Removed(path("run.sh"))),
        ("no parameters",               edited(|f| drop(f.remove(&path("code/params.json")))), Removed(path("code/params.json"))),
        ("too large parameters",        put("code/params.json", &too_large),              TooLarge(path("code/params.json"))),
        ("no settings",                 edited(|f| drop(f.remove(&path("config.yaml")))), Removed(path("config.yaml"))),
        ("other packages",              with_config(|c| c.dependencies.push("evil".into())), Settings("`dependencies`")),
        ("another start",               with_config(|c| c.entrypoint = Some(path("sub/x.py"))), Settings("`entrypoint`")),
        ("other datasets",              with_config(|c| c.datasets = None),               Settings("`datasets`")),
        ("another language",            with_config(|c| c.kind = JobKind::Bash),          Settings("`type`")),
        ("another place",               with_config(|c| c.target = Target::Enclave),      Settings("`job_type`")),
        ("a file instead of a folder",  with_config(|c| c.is_folder_submission = false),  Settings("`is_folder_submission`")),
        ("another list of files",       with_config(|c| c.files.clear()),                 Settings("`files`")),
        ("where it came from",          with_config(|c| c.code_path = Some("x".into())),  Settings("`code_path`")),
        ("what clients tell besides",   with_config(|c| c.headers.clear()),               Settings("`headers`")),
        ("a name that is not its own",  with_config(|c| c.title = "march".into()),        Settings("`name` is not that of its folder")),
        ("a key that nobody knows",     config_text("code_path: count\n", "code_path: count\nevil: true\n"), Settings("they are not written as a client writes them")),
        ("a comment",                   config_text("code_path: count\n", "code_path: count # evil\n"),      Settings("they are not written as a client writes them")),
        ("no settings at all",          put("config.yaml", b"evil"),                      Settings("they cannot be read")),
    ];
    for (what, files, expected) in cases {
        let obstacles = judged(&standing(), &job("ds@example.com", "april"), &files).unwrap_err();
        assert_eq!(obstacles.first(), Some(&expected), "{what}: {obstacles:?}");
    }
    for text in ["{\"year\": 3000}", "{\"rows\": 1}", "{\"year\": 1, \"year\": 1}", "year: 1", ""] {
        let files = put("code/params.json", text.as_bytes());
        let obstacles = judged(&standing(), &job("ds@example.com", "april"), &files).unwrap_err();
        assert!(matches!(obstacles[..], [Parameter(..)]), "{text}: {obstacles:?}");
    }
}

#[test]
fn whose_job_it_is_and_when_it_comes_decides_too() {
    let used = |times: usize| {
        let one = Use {
            job: String::new(),
            at: at(NOW),
            digest: Digest::of(b""),
            parameters: Vec::new(),
        };
        move |standing: &mut Standing| standing.uses = vec![one.clone(); times]
    };
    type Edit = Box<dyn Fn(&mut Standing)>;
    #[rustfmt::skip]
    let cases: Vec<(&str, &str, Edit, Option<Obstacle>)> = vec![
        ("the last one",          "ds@example.com",      Box::new(used(2)),                          None),
        ("one too many",          "ds@example.com",      Box::new(used(3)),                          Some(Obstacle::UsedUp)),
        ("far too many",          "ds@example.com",      Box::new(used(30)),                         Some(Obstacle::UsedUp)),
        ("its last moment",       "ds@example.com",      Box::new(|s| s.until = at(NOW)),            None),
        ("after that",            "ds@example.com",      Box::new(|s| s.until = at(NOW - 1)),        Some(Obstacle::Expired)),
        ("ended",                 "ds@example.com",      Box::new(|s| s.ended = Some(at(NOW + DAY))), Some(Obstacle::Ended)),
        ("a clock that is off",   "ds@example.com",      Box::new(|s| s.seen = at(NOW + 60_000_000)), None),
        ("a clock set back",      "ds@example.com",      Box::new(|s| s.seen = at(NOW + DAY)),       Some(Obstacle::ClockWentBack)),
        ("set back past the end", "ds@example.com",      Box::new(|s| s.seen = at(NOW + 31 * DAY)),  Some(Obstacle::Expired)),
        ("somebody else",         "mallory@example.com", Box::new(|_| ()),                           Some(Obstacle::NotThisPerson)),
        ("another one named",     "ann@example.com",     Box::new(|s| s.people.push(Email::parse("ann@example.com").unwrap())), None),
        ("a like address",        "ds@example.co",       Box::new(|_| ()),                           Some(Obstacle::NotThisPerson)),
    ];
    for (what, who, edit, expected) in cases {
        let mut standing = standing();
        edit(&mut standing);
        let got = judged(&standing, &job(who, "april"), &files("april"));
        assert_eq!(got.err().and_then(|obstacles| obstacles.first().cloned()), expected, "{what}");
    }
    let mut nested = job("ds@example.com", "april");
    nested.layout = Layout::V1;
    let got = judged(&standing(), &nested, &files("april")).unwrap_err();
    assert_eq!(got.first(), Some(&Obstacle::OtherLayout));
}

#[test]
fn a_content_that_is_not_what_the_digest_is_over_does_not_fit() {
    let (april, good) = (job("ds@example.com", "april"), files("april"));
    let snapshot = snapshot(&good);
    for name in ["config.yaml", "code/params.json"] {
        for content in [None, Some(b"{}".to_vec())] {
            let mut contents = good.clone();
            contents.remove(&path(name));
            contents.extend(content.map(|content| (path(name), content)));
            let candidate = Candidate { job: &april, files: &snapshot, contents: &contents };
            assert!(judge(&standing(), &candidate, at(NOW)).is_err(), "{name}");
        }
    }
}

/// The byte ranges of `config.yaml` that are free: the values of `name` and `submitted_at`.
fn is_free(text: &[u8], place: usize) -> bool {
    let start = text[..place].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let line = &text[start..];
    let value = |key: &[u8]| line.starts_with(key) && place >= start + key.len();
    value(b"submitted_at: ")
}

fn one_byte_elsewhere(which: usize, place: usize, bit: u8) {
    let (april, mut files) = (job("ds@example.com", "april"), files("april"));
    let free = path("code/params.json");
    let names: Vec<DatasitePath> = files.keys().filter(|name| **name != free).cloned().collect();
    let name = &names[which % names.len()];
    let content = files.get_mut(name).unwrap();
    let place = place % content.len();
    if name.as_str() == "config.yaml" && is_free(content, place) {
        return;
    }
    content[place] ^= 1 << (bit % 8);
    let got = judged(&standing(), &april, &files);
    assert!(got.is_err(), "{name} at {place}: {:?}", String::from_utf8_lossy(&files[name]));
}

fn another_set_of_files(name: &str, content: &[u8], take: bool) {
    let (april, mut files) = (job("ds@example.com", "april"), files("april"));
    let Ok(name) = DatasitePath::parse(name) else { return };
    let before = files.clone();
    if take {
        let nth = content.len() % files.len();
        let gone = files.keys().nth(nth).unwrap().clone();
        files.remove(&gone);
    } else if name != path("code/params.json") {
        files.insert(name, content.to_vec());
    }
    let fits = judged(&standing(), &april, &files).is_ok();
    assert_eq!(fits, files == before);
}

proptest! {
    #[test]
    fn one_byte_outside_the_parameters_never_fits(which: usize, place: usize, bit: u8) {
        one_byte_elsewhere(which, place, bit);
    }

    #[test]
    fn other_files_never_fit(
        name in "(code/|CODE/)?[a-zA-Z.]{1,8}(/x)?",
        content: Vec<u8>,
        take: bool,
    ) {
        another_set_of_files(&name, &content, take);
    }

    #[test]
    fn parameters_beyond_a_size_never_fit(more in 1_usize..100_000, fill: u8) {
        let mut free = standing();
        free.template.schema = None;
        let max = usize::try_from(PARAMETER_BYTES_MAX).unwrap();
        let april = job("ds@example.com", "april");
        let put = |length: usize| {
            edited(|files| drop(files.insert(path("code/params.json"), vec![fill; length])))
        };
        assert!(judged(&free, &april, &put(max + more)).is_err());
        assert!(judged(&free, &april, &put(max.saturating_sub(more))).is_ok());
    }
}
