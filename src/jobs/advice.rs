//! What a search in the text of a submission finds: what works on the scientist's machine only, and
//! what should stay there.
//!
//! Pure. A search in text sees what is not there and overlooks what is, so nothing of it is more than
//! a doubt. A secret is named by its file and kind, never by its value.

use std::collections::{BTreeMap, BTreeSet};

use super::finding::{Check, Finding};
use crate::model::DatasitePath;

/// The names of the client's modules, in all generations.
const MODULES: [&str; 2] = ["syft_client", "syft"];

/// The most that is told of one file and one kind.
const TOLD_MAX: usize = 5;

/// Which datasets there are, and which ones the job names.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known<'a> {
    /// What the owner shows, as far as this machine knows; `None` if nobody looked.
    pub(crate) shown: Option<&'a BTreeSet<String>>,
    /// What the job asks for; `None` for any.
    pub(crate) named: Option<&'a [String]>,
}

/// Returns what the Python files say that will not work at the owner's. `module`: the one by which
/// the job can import the client, if that matters.
pub(crate) fn of_code(
    files: &BTreeMap<DatasitePath, Vec<u8>>,
    module: Option<&str>,
) -> Vec<Finding> {
    let mut found = Vec::new();
    for (path, content) in files {
        let is_python = path.as_str().ends_with(".py");
        if !is_python && !path.as_str().ends_with(".sh") {
            continue;
        }
        let text = String::from_utf8_lossy(content);
        if is_python {
            found.extend(of_client(path, &text, module));
        }
        for (line, word) in foreign_paths(&text, is_python).into_iter().take(TOLD_MAX) {
            let text = format!(
                "{path}, line {line}, names `{word}`, a place on this machine; the data lies elsewhere when the job runs: use `resolve_dataset_files_path`"
            );
            found.push(Finding::told(Check::Path, text).at(path));
        }
    }
    found
}

fn of_client(path: &DatasitePath, text: &str, module: Option<&str>) -> Vec<Finding> {
    let mut found = Vec::new();
    for attribute in [".mock_files", ".private_files"] {
        if text.contains(attribute) {
            let text = format!(
                "{path} uses `{attribute}`, which is not there in a job; use `resolve_dataset_files_path`"
            );
            found.push(Finding::told(Check::Path, text).at(path));
        }
    }
    let passes_client = text.lines().any(|line| {
        line.split_once("resolve_dataset_file")
            .is_some_and(|(_, call)| call.replace(' ', "").contains("client="))
    });
    if passes_client {
        let text = format!("{path} passes `client=`; a job has no client");
        found.push(Finding::told(Check::Path, text).at(path));
    }
    if let Some(module) = module
        && !imports(text, module)
        && let Some(other) = MODULES.into_iter().find(|other| imports(text, other))
    {
        let text =
            format!("{path} imports `{other}`, but the owner's client brings `{module}` to a job");
        found.push(Finding::told(Check::Module, text).at(path));
    }
    found
}

/// Returns how the datasets that the job names, those that its code names, and those that there are
/// differ.
pub(crate) fn of_datasets(
    files: &BTreeMap<DatasitePath, Vec<u8>>,
    known: Known<'_>,
) -> Vec<Finding> {
    let mut found = Vec::new();
    let is_shown = |name: &str| known.shown.is_none_or(|shown| shown.contains(name));
    let unknown = |name: &str| {
        format!(
            "the owner shows no dataset `{}`; `syft sync`, then `syft dataset list` says which",
            shown(name)
        )
    };
    let shows_none = known.shown.is_some_and(BTreeSet::is_empty);
    let named = known.named.unwrap_or_default();
    for name in named.iter().filter(|name| !is_shown(name)) {
        found.push(Finding::doubtful(Check::Dataset, unknown(name)));
    }
    let mut seen = BTreeSet::new();
    for (path, content) in files.iter().filter(|(path, _)| path.as_str().ends_with(".py")) {
        for name in resolved(&String::from_utf8_lossy(content)) {
            if !seen.insert(name.clone()) || named.contains(&name) {
                continue;
            }
            // An owner who shows nothing here may have what the code names all the same.
            let finding = if !is_shown(&name) && !shows_none {
                Finding::doubtful(Check::Dataset, format!("{path}: {}", unknown(&name)))
            } else if known.named.is_some() {
                let name = shown(&name);
                let text = format!(
                    "{path} reads the dataset `{name}`, which the job will not see: add `--dataset {name}`"
                );
                Finding::doubtful(Check::Dataset, text)
            } else {
                continue;
            };
            found.push(finding.at(path));
        }
    }
    for name in named {
        let is_mentioned = |content: &Vec<u8>| String::from_utf8_lossy(content).contains(&**name);
        if is_shown(name) && !files.values().any(is_mentioned) {
            let text = format!("nothing in the code mentions the dataset `{}`", shown(name));
            found.push(Finding::told(Check::Dataset, text));
        }
    }
    found
}

/// Returns which files look like a password, a token or a private key.
pub(crate) fn of_secrets(files: &BTreeMap<DatasitePath, Vec<u8>>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (path, content) in files {
        if let Some(what) = secret_by_name(path.file_name()).or_else(|| secret_inside(content)) {
            let text = format!("{path} looks like {what}; everybody at the owner's can read it");
            found.push(Finding::doubtful(Check::Secret, text).at(path));
        }
    }
    found
}

fn secret_by_name(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    let (stem, suffix) = name.rsplit_once('.').unwrap_or((&name, ""));
    match (stem, suffix) {
        ("credentials" | "token" | "secrets" | "application_default_credentials", "json") => {
            Some("the key to an account")
        }
        (_, "json") if stem.starts_with("client_secret") || stem.starts_with("service_account") => {
            Some("the key to an account")
        }
        ("id_rsa" | "id_dsa" | "id_ecdsa" | "id_ed25519", "")
        | (_, "pem" | "key" | "p12" | "pfx" | "jks" | "keystore" | "ppk" | "kdbx") => {
            Some("a private key")
        }
        (_, "env") | ("env" | "netrc" | "pgpass", "") => Some("a file of passwords"),
        _ => None,
    }
}

fn secret_inside(content: &[u8]) -> Option<&'static str> {
    let text = String::from_utf8_lossy(content);
    let has_key = text
        .match_indices("-----BEGIN ")
        .any(|(at, _)| text[at..].lines().next().is_some_and(|line| line.contains("PRIVATE KEY-")));
    if has_key {
        return Some("a private key");
    }
    let in_json = ["\"refresh_token\"", "\"client_secret\"", "\"private_key\""];
    if text.trim_start().starts_with('{') && in_json.iter().any(|name| text.contains(name)) {
        return Some("the key to an account");
    }
    if has_password_in_address(&text) {
        return Some("an address with a password");
    }
    let tokens = [
        ("AKIA", 16),
        ("ASIA", 16),
        ("ghp_", 36),
        ("github_pat_", 50),
        ("glpat-", 20),
        ("AIza", 35),
        ("hf_", 30),
        ("xoxb-", 20),
        ("xoxp-", 20),
        ("sk-ant-", 30),
        ("sk-proj-", 30),
        ("npm_", 36),
        ("pypi-AgEI", 40),
    ];
    let is_token = |(prefix, length): (&str, usize)| {
        text.match_indices(prefix).any(|(at, _)| {
            let rest = &text[at + prefix.len()..];
            let run =
                rest.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_' || *b == b'-');
            let starts = !text[..at].ends_with(|c: char| c.is_ascii_alphanumeric());
            starts && run.count() >= length
        })
    };
    tokens.into_iter().any(is_token).then_some("the token of an account")
}

/// Returns what a requirement gives away that everybody at the owner's can read.
pub(crate) fn of_dependency(dependency: &str) -> Option<Finding> {
    let what = secret_inside(dependency.as_bytes())?;
    let text = format!("a dependency holds {what}; everybody at the owner's can read it");
    Some(Finding::doubtful(Check::Secret, text))
}

/// True for `https://user:word@host`, but not where something else is put in its place.
fn has_password_in_address(text: &str) -> bool {
    text.match_indices("://").any(|(at, gap)| {
        let rest = &text[at + gap.len()..];
        let is_end = |c: char| c.is_whitespace() || matches!(c, '/' | '"' | '\'' | '`' | '?' | '#');
        let host = rest.split(is_end).next().unwrap_or_default();
        let user = host.rsplit_once('@').and_then(|(user, _)| user.split_once(':'));
        user.is_some_and(|(_, word)| !word.is_empty() && !word.contains(['{', '$', '<', '%', '*']))
    })
}

/// Returns the lines, counted from 1, and the words that name a place on this machine.
fn foreign_paths(text: &str, is_python: bool) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let words = match is_python {
            true => literals(line),
            false => line.split(is_shell_gap).map(str::to_owned).collect(),
        };
        let word = words.into_iter().find(|word| is_foreign(word, is_python));
        found.extend(word.map(|word| (number + 1, shown(&word))));
    }
    found
}

fn is_shell_gap(c: char) -> bool {
    c.is_whitespace() || matches!(c, '"' | '\'' | '=' | '(' | ')' | ';' | '<' | '>' | '|' | ':')
}

fn is_foreign(word: &str, is_python: bool) -> bool {
    const ROOTS: [&str; 6] = ["home/", "Users/", "root/", "mnt/", "media/", "Volumes/"];
    let mut letters = word.chars();
    let drive = letters.next().is_some_and(|c| c.is_ascii_uppercase())
        && letters.next() == Some(':')
        && matches!(letters.next(), Some('\\' | '/'));
    let below_root = word.strip_prefix('/').unwrap_or_default();
    ROOTS.iter().any(|root| below_root.starts_with(root))
        || word.starts_with("~/")
        || drive
        || word.contains("SyftBox_")
        || is_python && word.contains("syft_datasets/")
}

/// Returns the texts between quotes in one line of Python, up to a comment. A text over several lines
/// is not understood.
fn literals(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut letters = line.chars();
    while let Some(c) = letters.next() {
        if c == '#' {
            break;
        }
        if c != '"' && c != '\'' {
            continue;
        }
        let mut text = String::new();
        loop {
            match letters.next() {
                Some('\\') => match letters.next() {
                    Some(next) if next == c || next == '\\' => text.push(next),
                    next => text.extend(['\\'].into_iter().chain(next)),
                },
                Some(next) if next != c => text.push(next),
                _ => break,
            }
        }
        found.push(text);
    }
    found
}

/// Returns the names of datasets that are given as they are to the functions that find one.
fn resolved(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let code: Vec<&str> = text.lines().map(|line| line.split('#').next().unwrap_or(line)).collect();
    let code = code.join("\n");
    for function in ["resolve_dataset_file_path", "resolve_dataset_files_path", "load_dataset_code"]
    {
        for (at, _) in code.match_indices(function) {
            let rest = code[at + function.len()..].trim_start();
            let Some(arguments) = rest.strip_prefix('(') else { continue };
            let first = arguments.trim_start();
            let first = ["dataset_name", "path"]
                .iter()
                .find_map(|name| first.strip_prefix(name)?.trim_start().strip_prefix('='))
                .unwrap_or(first)
                .trim_start();
            let Some(quote) = first.chars().next().filter(|c| matches!(c, '"' | '\'')) else {
                continue;
            };
            let Some((name, _)) = first[1..].split_once(quote) else { continue };
            let name = match function {
                "load_dataset_code" => name.split('.').next().unwrap_or(name),
                _ => name,
            };
            if !name.is_empty() && !found.iter().any(|known| known == name) {
                found.push(name.to_owned());
            }
        }
    }
    found
}

/// True if a line imports `module` or something of it.
fn imports(text: &str, module: &str) -> bool {
    let names_it = |rest: &str| {
        rest.trim_start()
            .strip_prefix(module)
            .is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
    };
    text.lines().any(|line| {
        let line = line.trim_start();
        ["import ", "from "].iter().any(|word| line.strip_prefix(word).is_some_and(names_it))
    })
}

fn shown(word: &str) -> String {
    word.chars().take(60).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests;
