//! Asks the interpreters of this machine whether code can be read at all.
//!
//! Nothing of the submission is executed: Python compiles it, bash reads it. It may come from anywhere
//! and be made to exhaust a parser, so time and memory are limited, the environment is empty, and what
//! comes back is bounded. Where there is no interpreter, or it gives up, that is said: no verdict is no
//! refusal.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;

use super::config::JobKind;
use super::finding::{Check, Finding};
use super::python::Interpreter;
use super::source::Source;
use crate::model::DatasitePath;

/// The Pythons that may run a job, the likeliest first.
const PYTHONS: [&str; 6] =
    ["python3.12", "python3", "python3.13", "python3.11", "python3.10", "python3.9"];

const OLDEST_PYTHON: u32 = 8;

/// How long all of it may take for one language.
const TIME: Duration = Duration::from_secs(20);

/// How much an interpreter may say.
const ANSWER_BYTES_MAX: u64 = 1 << 20;

const LIMITS: &str = "ulimit -t 20; ulimit -v 4194304 2>/dev/null; ulimit -c 0; exec \"$@\"";

/// Reads a map from path to content, and writes what is wrong as lists of path, line and words.
const PYTHON: &str = "\
import base64, json, sys, warnings
warnings.simplefilter('ignore')
found = []
for path, content in json.load(sys.stdin).items():
    try:
        compile(base64.b64decode(content), 'submitted', 'exec', dont_inherit=True)
    except SyntaxError as error:
        found.append([path, error.lineno or 0, str(error.msg)[:200]])
    except Exception as error:
        found.append([path, 0, type(error).__name__ + ': ' + str(error)[:200]])
print(json.dumps(found))
";

/// Returns what interpreters in the folders of `path`, in the form of `PATH`, say of the code.
pub async fn check_syntax(source: &Source, kind: JobKind, path: &str) -> Vec<Finding> {
    let of_kind = |suffix: &str| -> BTreeMap<&DatasitePath, &[u8]> {
        let files = source.files.iter();
        let alone = !source.is_folder && kind == JobKind::Bash && suffix == ".sh";
        files
            .filter(|(path, _)| alone || path.as_str().ends_with(suffix))
            .map(|(path, content)| (path, content.as_slice()))
            .collect()
    };
    let mut found = python(&of_kind(".py"), path).await;
    found.extend(bash(&of_kind(".sh"), path).await);
    found
}

async fn python(files: &BTreeMap<&DatasitePath, &[u8]>, path: &str) -> Vec<Finding> {
    if files.is_empty() {
        return Vec::new();
    }
    let Some(python) = Interpreter::find(&PYTHONS, OLDEST_PYTHON, path).await else {
        return vec![unchecked("Python", "there is none on this machine")];
    };
    let encode = |content: &[u8]| base64::engine::general_purpose::STANDARD.encode(content);
    let input: BTreeMap<&str, String> =
        files.iter().map(|(path, content)| (path.as_str(), encode(content))).collect();
    let input = serde_json::json!(input).to_string();
    let command = [python.program.as_os_str(), "-I".as_ref(), "-c".as_ref(), PYTHON.as_ref()];
    let Some(answer) = ask(&command, input.as_bytes()).await else {
        return vec![unchecked("Python", "the interpreter gave up")];
    };
    let Ok(answer) = serde_json::from_slice::<Vec<(String, u64, String)>>(&answer.stdout) else {
        return vec![unchecked("Python", "the interpreter gave up")];
    };
    let version = format!("Python 3.{}", python.minor);
    let known = |(name, line, words): (String, u64, String)| {
        let path = files.keys().find(|path| path.as_str() == name)?;
        Some(wrong(path, (line > 0).then_some(line), &version, &words))
    };
    answer.into_iter().filter_map(known).collect()
}

async fn bash(files: &BTreeMap<&DatasitePath, &[u8]>, path: &str) -> Vec<Finding> {
    if files.is_empty() {
        return Vec::new();
    }
    let Some(program) = program("bash", path) else {
        return vec![unchecked("shell", "there is no bash on this machine")];
    };
    let command = [program.as_os_str(), "--noprofile".as_ref(), "--norc".as_ref(), "-n".as_ref()];
    let mut found = Vec::new();
    for (path, content) in files {
        match ask(&command, content).await {
            None => {
                found.push(unchecked("shell", "bash gave up"));
                break;
            }
            Some(answer) if answer.success => {}
            Some(answer) => {
                let said = String::from_utf8_lossy(&answer.stderr).into_owned();
                let said = said.lines().find_map(|line| line.split_once(": line "));
                let (line, words) = said
                    .and_then(|(_, rest)| rest.split_once(": "))
                    .unwrap_or(("", "it cannot be read"));
                found.push(wrong(path, line.parse().ok(), "bash", words));
            }
        }
    }
    found
}

struct Answer {
    success: bool,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

/// Runs an interpreter with `input`. `None` if it cannot be started or does not end in time.
async fn ask(command: &[&std::ffi::OsStr], input: &[u8]) -> Option<Answer> {
    let mut child = Command::new("/bin/sh")
        .args(["-c", LIMITS, "sh"])
        .args(command)
        .env_clear()
        .env("LC_ALL", "C.UTF-8")
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .ok()?;
    let mut stdin = child.stdin.take()?;
    let (out, err) = (child.stdout.take()?, child.stderr.take()?);
    let write = async move {
        // It may have ended without reading all of it, which its answer tells better.
        stdin.write_all(input).await.ok();
        drop(stdin);
    };
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let (mut out, mut err) = (out.take(ANSWER_BYTES_MAX), err.take(ANSWER_BYTES_MAX));
    let all = async {
        let read = (out.read_to_end(&mut stdout), err.read_to_end(&mut stderr));
        let ((), out, err) = tokio::join!(write, read.0, read.1);
        out.and(err)?;
        child.wait().await
    };
    let status = tokio::time::timeout(TIME, all).await.ok()?.ok()?;
    status.code()?; // killed by a limit: no verdict
    Some(Answer { success: status.success(), stdout, stderr })
}

fn program(name: &str, path: &str) -> Option<PathBuf> {
    let folders = std::env::split_paths(path).filter(|folder| folder.is_absolute());
    folders.map(|folder| folder.join(name)).find(|program: &PathBuf| Path::is_file(program))
}

fn wrong(path: &DatasitePath, line: Option<u64>, by: &str, words: &str) -> Finding {
    let place = line.map_or_else(|| path.to_string(), |line| format!("{path}, line {line}"));
    let words: String = words.chars().take(200).flat_map(char::escape_debug).collect();
    Finding::doubtful(Check::Syntax, format!("{place}: {words} ({by})")).at(path)
}

fn unchecked(language: &str, reason: &str) -> Finding {
    Finding::told(Check::Syntax, format!("the {language} code was not checked: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(files: &[(&str, &[u8])]) -> Source {
        let files =
            files.iter().map(|(path, text)| (DatasitePath::parse(path).unwrap(), text.to_vec()));
        Source { name: "x".into(), is_folder: true, files: files.collect(), ..Source::default() }
    }

    async fn found(files: &[(&str, &[u8])]) -> Vec<String> {
        let path = std::env::var("PATH").unwrap();
        let found = check_syntax(&source(files), JobKind::Python, &path).await;
        found.iter().map(ToString::to_string).collect()
    }

    #[tokio::test]
    async fn code_that_cannot_be_read_is_told_with_its_line_and_none_is_executed() {
        let home = tempfile::tempdir().unwrap();
        let mark = home.path().join("mark");
        let touch = format!("open({:?}, 'w')\n", mark.display().to_string());
        let script = format!("touch {}\n", mark.display());
        assert_eq!(
            found(&[("main.py", touch.as_bytes()), ("a.sh", script.as_bytes())]).await,
            Vec::<String>::new()
        );
        assert!(!mark.exists(), "it was executed");
        let told = found(&[
            ("main.py", b"x = 1\ndef f(:\n"),
            ("ret.py", b"return 1\n"),
            ("zero.py", b"x\0"),
            ("fine.py", b"# -*- coding: latin-1 -*-\nx = '\xe9'\n"),
            ("a.sh", b"echo a\nif true; then\n"),
        ])
        .await;
        assert_eq!(told.len(), 4, "{told:?}");
        assert!(told[0].starts_with("main.py, line 2: "), "{told:?}");
        assert!(
            told[1].starts_with("ret.py, line 1: ") && told[2].starts_with("zero.py"),
            "{told:?}"
        );
        assert!(told[3].starts_with("a.sh, line ") && told[3].contains("bash"), "{told:?}");
    }

    #[tokio::test]
    async fn code_that_exhausts_a_parser_is_told_and_does_no_harm() {
        let deep = "(".repeat(200_000);
        let told = found(&[("main.py", deep.as_bytes())]).await;
        assert_eq!(told.len(), 1, "{told:?}");
    }

    #[tokio::test]
    async fn without_an_interpreter_nothing_is_refused() {
        let found = check_syntax(&source(&[("a.sh", b"if")]), JobKind::Bash, "/nonexistent").await;
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].weight.as_str(), "told");
    }
}
