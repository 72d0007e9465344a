//! What is told of a job that fails: never anything of the data, and enough to mend the code.

#[path = "failing/chance.rs"]
mod chance;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use syft::jobs::{
    CodeFile, Detail, Ending, Evidence, JobKind, JobStatus, capacity_bits, report_failure,
};
use syft::model::DatasitePath;

use self::chance::{Failing, canaries_in};
use crate::world::{World, options, read, sandbox, write};

fn file(path: &str, lines: u32) -> CodeFile {
    CodeFile { path: DatasitePath::parse(path).unwrap(), lines }
}

#[test]
fn of_ten_thousand_failures_over_canaries_no_canary_is_told() {
    let code = [file("main.py", 120), file("lib/util.py", 60), file("notes.txt", 9)];
    let mut different = BTreeSet::new();
    let (mut exceptions, mut places) = (0, 0);
    for number in 0..10_000 {
        let failing = Failing::random(number);
        assert!(failing.holds_canaries(), "{number}: the test would see nothing");
        let (duration, memory) = (failing.duration, failing.memory);
        let evidence = Evidence {
            ending: failing.ending,
            duration,
            memory,
            stderr: &failing.stderr,
            code: &code,
        };
        let told = report_failure(&evidence, Detail::Full).unwrap();
        let bytes = told.to_json() + &told.to_text() + &told.lines().join("\n");
        let found = canaries_in(&bytes);
        assert_eq!(
            found,
            [""; 0],
            "{number}: {bytes}\n{}",
            String::from_utf8_lossy(&failing.stderr)
        );
        // Nor any other word: all that varies is of a list, or a place in the submission.
        let json = told.json();
        let exception = json["exception"].as_str();
        let is_word = |text: &str| {
            text.len() < 40 && text.chars().all(|c| c.is_ascii_alphabetic() || " .".contains(c))
        };
        assert!(exception.is_none_or(is_word), "{number}: {json}");
        let place = json["file"].as_str().zip(json["line"].as_u64());
        assert_eq!(json["file"].is_null(), place.is_none());
        if let Some((path, line)) = place {
            let lines = code.iter().find(|file| file.path.as_str() == path).unwrap().lines;
            assert!((1..=u64::from(lines)).contains(&line), "{number}: {json}");
        }
        exceptions += usize::from(exception.is_some());
        places += usize::from(place.is_some());
        different.insert(json.to_string());

        let class = report_failure(&evidence, Detail::Class).unwrap().json();
        assert!(class["exception"].is_null() && class["line"].is_null(), "{class}");
        assert_eq!(report_failure(&evidence, Detail::Off), None);
    }
    assert!(exceptions > 4_000 && places > 2_000, "{exceptions} {places}: hardly a report");
    let bits = capacity_bits(&code, Detail::Full);
    #[expect(clippy::cast_precision_loss, reason = "some thousands")]
    let told = (different.len() as f64).log2();
    assert!(told <= bits && different.len() > 1_000, "{told} of {bits} bits");
}

/// The exception, the line, and the program. Each reads the data and fails over it.
#[rustfmt::skip]
const PROGRAMS: &[(&str, Option<u64>, &str)] = &[
    ("ValueError",           Some(3), "raise ValueError(secret)"),
    ("ValueError",           Some(3), "int(secret)"),
    ("KeyError",             Some(3), "{}[secret]"),
    ("AttributeError",       Some(3), "getattr(open, secret)"),
    ("TypeError",            Some(3), "secret + 1"),
    ("FileNotFoundError",    Some(3), "open('/' + secret)"),
    ("ModuleNotFoundError",  Some(3), "__import__(secret)"),
    ("AssertionError",       Some(3), "assert not secret, secret"),
    ("IndexError",           Some(3), "[][len(secret)]"),
    ("ZeroDivisionError",    Some(3), "len(secret) / 0"),
    ("OverflowError",        Some(3), "float(10 ** 400)"),
    ("RecursionError",       Some(3), "f = lambda x: f(x + secret)\nf(secret)"),
    ("NameError",            Some(3), "eval(secret)"),
    ("UnboundLocalError",    Some(5), "def f():\n    x = secret\n    y = z; z = 1\nf()"),
    ("StopIteration",        Some(3), "next(iter([]))"),
    ("UnicodeDecodeError",   Some(3), "(secret.encode() + b'\\xff').decode()"),
    ("UnicodeEncodeError",   Some(3), "(secret + '\\xff').encode('ascii')"),
    ("NotImplementedError",  Some(3), "raise NotImplementedError(secret)"),
    ("OSError",              Some(3), "raise OSError(5, secret, secret)"),
    ("PermissionError",      Some(3), "raise PermissionError(13, secret)"),
    ("TimeoutError",         Some(3), "raise TimeoutError(secret)"),
    ("KeyboardInterrupt",    Some(3), "raise KeyboardInterrupt(secret)"),
    ("MemoryError",          Some(3), "raise MemoryError(secret)"),
    ("json.JSONDecodeError", Some(4), "import json\njson.loads(secret)"),
    ("csv.Error",            Some(4), "import csv\nlist(csv.reader([secret * 40], strict=True))[0] and csv.field_size_limit(1) and list(csv.reader([secret]))"),
    ("subprocess.CalledProcessError", Some(4), "import subprocess\nsubprocess.run(['sh', '-c', 'echo ' + secret + ' >&2; exit 3'], check=True)"),
    ("zipfile.BadZipFile",   Some(4), "import io, zipfile\nzipfile.ZipFile(io.BytesIO(secret.encode()))"),
    ("another exception",    Some(3), "raise type(secret, (Exception,), {})(secret)"),
    ("another exception",    Some(3), "raise type('ValueError', (Exception,), {'__module__': secret})(secret)"),
    ("ValueError",           Some(6), "try:\n    {}[secret]\nexcept KeyError as e:\n    raise ValueError(secret) from e"),
    ("TypeError",            Some(6), "try:\n    {}[secret]\nexcept KeyError:\n    secret + 1"),
    ("ValueError",           Some(3), "raise ValueError('\\n'.join([secret] * 50))"),
    ("ValueError",           Some(3), "raise ValueError('\\x1b[2J\\x1b]0;' + secret + '\\x07')"),
    ("ValueError",           Some(3), "raise ValueError(secret * 100000)"),
    ("ValueError",           Some(4), "import sys; sys.stderr.buffer.write(b'\\xff\\xfe' + secret.encode() + b'\\0'); sys.stderr.flush()\nraise ValueError(secret)"),
    ("ValueError",           Some(3), "exec(compile('raise ValueError(1)', secret, 'exec'))"),
    ("SyntaxError",          Some(3), "exec(secret + ' = =')"),
    ("SyntaxError",          Some(3), "this is = no ' python"),
    ("IndentationError",     Some(4), "if secret:\nprint(secret)"),
    ("another exception",    Some(3), "import collections; raise type(secret + '.Error', (Exception,), {})(secret)"),
    ("ExceptionGroup",       Some(3), "raise ExceptionGroup(secret, [ValueError(secret), KeyError(secret)])"),
    ("ExceptionGroup",       Some(6), "try:\n    raise ValueError(secret)\nexcept ValueError as e:\n    raise ExceptionGroup(secret, [e, ExceptionGroup(secret, [TypeError(secret)])])"),
];

#[tokio::test]
async fn programs_that_fail_over_data_in_the_sandbox_are_told_by_kind_and_line() {
    let Some(sandbox) = sandbox().await else { return };
    let world = World::new();
    let canary = chance::CANARIES[0];
    write(&world.datasite().join("private/syft_datasets/census/data.csv"), canary);
    let folder = world.home.path().join("project");
    let mut code = Vec::new();
    for (number, (_, _, program)) in PROGRAMS.iter().enumerate() {
        let head = "import syft_client as sc\nsecret = open(sc.resolve_dataset_file_path('census')).read()";
        let text = format!("{head}\n{program}\n");
        code.push(file(&format!("p{number}.py"), u32::try_from(text.lines().count()).unwrap()));
        write(&folder.join(format!("p{number}.py")), &text);
    }
    // One job starts all, as many sandboxes would only be slower.
    let mut main = String::from("import subprocess, sys\nprint(sys.version_info[1])\n");
    for number in 0..PROGRAMS.len() {
        let _ = writeln!(
            main,
            "r = subprocess.run([sys.executable, 'p{number}.py'], stderr=open('outputs/{number}', 'wb'))\n\
             open('outputs/{number}.code', 'w').write(str(r.returncode))"
        );
    }
    write(&folder.join("main.py"), &main);
    world.submit_path("job", JobKind::Python, &folder, &[], Some(&["census"]));
    let report = world.run("job", &options(sandbox)).await;
    assert_eq!(report.status, JobStatus::Done, "{:?}", report.notes);
    let left = world.left("job");
    let minor: u32 = read(&left.join("stdout.txt")).trim().parse().unwrap();
    let (mut seen, mut wrong) = (0, Vec::new());
    for (number, (exception, line, program)) in PROGRAMS.iter().enumerate() {
        if program.contains("ExceptionGroup") && minor < 11 {
            continue; // that Python has none
        }
        let stderr = std::fs::read(left.join(format!("outputs/{number}"))).unwrap();
        let code_file = read(&left.join(format!("outputs/{number}.code")));
        let ending = match exception {
            // It ends by a signal of its own, and is told as one that was killed.
            &"KeyboardInterrupt" => Ending::Error,
            _ => Ending::of_code(code_file.parse().unwrap()),
        };
        let (duration, memory) = (Duration::from_secs(1), None);
        let evidence = Evidence { ending, duration, memory, stderr: &stderr, code: &code };
        let told = report_failure(&evidence, Detail::Full).unwrap();
        let json = told.json();
        let printed = String::from_utf8_lossy(&stderr[stderr.len().saturating_sub(2000)..]);
        let place = line.map(|_| format!("p{number}.py"));
        let is = (json["exception"].as_str(), json["line"].as_u64(), json["file"].as_str());
        if is != (Some(*exception), *line, place.as_deref()) {
            wrong.push(format!(
                "{program}\nis told as {is:?}, not {exception} at {line:?}\n{printed}"
            ));
        }
        assert_eq!(canaries_in(&(told.to_json() + &told.to_text())), [""; 0], "{program}");
        seen += usize::from(String::from_utf8_lossy(&stderr).contains(canary));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(seen > 25, "{seen} programs printed the secret: the others show nothing");
}
