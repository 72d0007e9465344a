//! What somebody who reads a submission would not see, or take for something else.
//!
//! Pure. A person decides by what stands on a screen, and Python, a shell and a screen do not read
//! alike: a first line can say that the rest is written in another code, a blank at the end of a line
//! decides whether a shell goes on, a letter looks like another, a file runs because of its name.
//! What can be shown otherwise is ([`lines`]), the rest is told in words ([`of_text`], [`of_names`]).
//! It refuses nothing, and what it does not find may be there all the same. Sources: PEP 263, the
//! reference of Python ("Lexical analysis", `site`), that of GNU Bash, Unicode TR 39.

use std::collections::BTreeSet;

use unicode_security::confusable_detection::skeleton;

use super::config::JobConfig;
use crate::model::DatasitePath;

mod modules;

/// How a file is read that is text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// By Python.
    AsPython,
    /// By a shell.
    AsShell,
    /// Otherwise, or not known.
    AsText,
}

/// What there is to know about a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// What a reader would not see, in words.
    pub words: Vec<String>,
    /// True if what runs is another text than what is shown.
    pub is_other: bool,
}

/// How many of a kind are told.
const TOLD_MAX: usize = 3;

/// Blanks within a line, and empty lines, behind which nobody looks for more.
const BLANKS: usize = 60;
const EMPTY_LINES: usize = 40;

/// Codes in which Python sees the text that we show.
const CODES: [&str; 12] = [
    "utf-8",
    "utf8",
    "utf-8-sig",
    "ascii",
    "us-ascii",
    "latin-1",
    "latin1",
    "iso-8859-1",
    "iso-latin-1",
    "iso-8859-15",
    "cp1252",
    "windows-1252",
];

/// How the file at `path` is read; `starts` is what the job starts, below its folder.
pub fn read_as(path: &DatasitePath, text: &str, starts: Option<Read>) -> Read {
    let suffix = path.file_name().rsplit_once('.').map(|(_, suffix)| suffix.to_lowercase());
    match (starts, suffix.as_deref()) {
        (Some(read), _) => read,
        (None, Some("py" | "pyw")) => Read::AsPython,
        (None, Some("sh" | "bash")) => Read::AsShell,
        _ if text.starts_with("#!") => {
            let first = text.lines().next().unwrap_or_default();
            if first.contains("python") { Read::AsPython } else { Read::AsShell }
        }
        _ => Read::AsText,
    }
}

/// Returns the lines of a text as they are shown. The end of a line is shown where it decides
/// something: a carriage return if not all lines have one, in a shell's script also blanks.
pub fn lines(text: &str, read: Read) -> Vec<String> {
    let ended = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    let is_shell = read == Read::AsShell;
    let from_windows = !is_shell && ended.clone().all(|line| line.ends_with("\r\n"));
    let tabs_decide = is_shell && text.contains("<<-");
    let shown = |line: &str| {
        let line = line.strip_suffix('\n').unwrap_or(line);
        let line = if from_windows { line.strip_suffix('\r').unwrap_or(line) } else { line };
        let mut line = line.to_owned();
        if is_shell && let Some(last @ (' ' | '\t')) = line.chars().next_back() {
            line.truncate(line.len() - last.len_utf8());
            line.push_str(&format!("⟨U+{:04X}⟩", u32::from(last)));
        }
        if tabs_decide { line.replace('\t', "⟨U+0009⟩") } else { line }
    };
    text.split_inclusive('\n').map(shown).collect()
}

/// Returns what there is to know about a text that is shown line by line.
pub fn of_text(text: &str, read: Read) -> Look {
    let mut look = Look::default();
    if read == Read::AsPython
        && let Some(code) = declared(text)
    {
        look.is_other = true;
        look.words.push(format!(
            "Python reads another text than is shown: it says that it is written in `{code}`"
        ));
    }
    let lone = |line: &str| line.trim_end_matches('\r').contains('\r');
    told(&mut look, text, lone, |_| "has a carriage return within: Python begins a line there");
    let (mut empty, mut behind) = (0, Vec::new());
    for (number, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            empty += 1;
            continue;
        }
        if empty >= EMPTY_LINES {
            behind.push(format!("after {empty} empty lines it goes on in line {}", number + 1));
        }
        empty = 0;
        if let Some(blanks) = gap(line) {
            behind.push(format!("line {} goes on after {blanks} blanks", number + 1));
        }
    }
    look.words.extend(behind.into_iter().take(TOLD_MAX));
    let mut words = BTreeSet::new();
    for (number, line) in text.lines().enumerate() {
        let is_part = |c: char| c.is_alphanumeric() || c == '_';
        for word in line.split(|c| !is_part(c)) {
            if let Some(like) = looks_like(word).filter(|_| words.insert(word.to_owned())) {
                let number = number + 1;
                look.words.push(format!("in line {number}, `{word}` looks like `{like}`"));
            }
            if words.len() > TOLD_MAX {
                return look;
            }
        }
    }
    look
}

/// Returns what there is to know about the names of files, each with the file.
pub fn of_names(paths: &[&DatasitePath], config: &JobConfig) -> Vec<String> {
    let mut words = BTreeSet::new();
    let start = config.entrypoint.as_ref().and_then(DatasitePath::parent);
    for path in paths {
        if let Some(like) = looks_like(path.as_str()) {
            words.insert(format!("`{path}` looks like `{like}`"));
        }
        let Some(below) = path.as_str().strip_prefix("code/") else { continue };
        // Python looks for modules beside what is started, and in `code`.
        let beside = start.as_ref().and_then(|folder| {
            below.strip_prefix(folder.as_str()).and_then(|rest| rest.strip_prefix('/'))
        });
        for below in [Some(below), beside].into_iter().flatten() {
            let Some(module) = module(below) else { continue };
            if let Some(says) = modules::meaning(module, &config.dependencies) {
                words.insert(format!("`{path}` {says}"));
            }
        }
    }
    words.into_iter().collect()
}

/// The name of the module that a file is, or is a part of.
fn module(below: &str) -> Option<&str> {
    match below.split_once('/') {
        Some((folder, _)) => Some(folder).filter(|_| is_code(below)),
        None => below.split('.').next().filter(|_| is_code(below)),
    }
}

fn is_code(path: &str) -> bool {
    [".py", ".pyc", ".pyw", ".so"].iter().any(|suffix| path.ends_with(suffix))
}

/// The code that a Python file declares, unless what is shown is what it amounts to (PEP 263).
fn declared(text: &str) -> Option<String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    text.split(['\n', '\r']).take(4).find_map(|line| {
        let comment = line.trim_start_matches([' ', '\t', '\x0c']).strip_prefix('#')?;
        comment.match_indices("coding").find_map(|(at, word)| {
            let rest = comment.get(at + word.len()..)?.strip_prefix([':', '='])?;
            let rest = rest.trim_start_matches([' ', '\t']);
            let is_part = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            let code: String = rest.chars().take_while(|c| is_part(*c)).take(40).collect();
            let plain = code.to_lowercase().replace('_', "-");
            let is_known = CODES.contains(&plain.as_str()) || plain.starts_with("utf-8-");
            (!code.is_empty() && !is_known).then_some(code)
        })
    })
}

fn told(
    look: &mut Look,
    text: &str,
    is: impl Fn(&str) -> bool,
    says: impl Fn(usize) -> &'static str,
) {
    let found = text.split('\n').enumerate().filter(|(_, line)| is(line));
    for (number, _) in found.take(TOLD_MAX) {
        look.words.push(format!("line {} {}", number + 1, says(number)));
    }
}

/// How many blanks stand in a line before it goes on, if those are many.
fn gap(line: &str) -> Option<usize> {
    let mut blanks = 0;
    for c in line.chars() {
        if c.is_whitespace() {
            blanks += 1;
        } else if blanks >= BLANKS {
            return Some(blanks);
        } else {
            blanks = 0;
        }
    }
    None
}

/// The plain letters that a word looks to be made of; `None` if it is, or looks like none.
fn looks_like(word: &str) -> Option<String> {
    if word.is_ascii() {
        return None;
    }
    let plain = word.chars().map(|c| {
        let mut like = [c; 1].iter().collect::<String>();
        if !c.is_ascii() {
            like = skeleton(&like).collect();
        }
        like.is_ascii().then_some(like)
    });
    plain.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::Layout;

    #[test]
    fn a_code_in_which_python_reads_something_else_is_found() {
        #[rustfmt::skip]
        let cases = [
            ("none",                 "x = 1\n",                                   None),
            ("the usual",            "# -*- coding: utf-8 -*-\n",                 None),
            ("an editor's",          "# vim: set fileencoding=UTF_8 :\n",         None),
            ("an old one",           "#!/usr/bin/python\n# coding=latin-1\n",     None),
            ("escapes",              "# coding: unicode_escape\n",                Some("unicode_escape")),
            ("the second line",      "\n# coding: utf-7\n",                       Some("utf-7")),
            ("a lone return",        "#\r# coding=utf_16\n",                      Some("utf_16")),
            ("after a word",         "# encoding coding: punycode",               Some("punycode")),
            ("with a mark before",   "\u{feff}#coding:cp037\n",                   Some("cp037")),
            ("no comment",           "x = 'coding: utf-7'\n",                     None),
            ("further down",         "1\n2\n3\n4\n# coding: utf-7\n",             None),
        ];
        for (what, text, code) in cases {
            assert_eq!(declared(text).as_deref(), code, "{what}");
            assert_eq!(of_text(text, Read::AsPython).is_other, code.is_some(), "{what}");
            assert!(!of_text(text, Read::AsShell).is_other, "{what}");
        }
    }

    #[test]
    fn the_end_of_a_line_is_shown_where_it_decides() {
        #[rustfmt::skip]
        let cases: [(&str, &str, Read, &[&str]); 7] = [
            ("plain",              "a\nb",          Read::AsShell,  &["a", "b"]),
            ("all from Windows",   "a\r\nb\r\n",    Read::AsPython, &["a", "b"]),
            ("to a shell",         "a\r\nb\r\n",    Read::AsShell,  &["a\r", "b\r"]),
            ("one of them",        "a\r\nb\n",      Read::AsText,   &["a\r", "b"]),
            ("a blank",            "a \nb\t\n",     Read::AsShell,  &["a⟨U+0020⟩", "b⟨U+0009⟩"]),
            ("to Python",          "a \n",          Read::AsPython, &["a "]),
            ("tabs of a document", "<<-E\n\tE\n",   Read::AsShell,  &["<<-E", "⟨U+0009⟩E"]),
        ];
        for (what, text, read, expected) in cases {
            assert_eq!(lines(text, read), expected, "{what}");
        }
    }

    #[test]
    fn what_a_reader_would_miss_is_told() {
        let far = format!("x{}y\n{}z\n", " ".repeat(70), "\n".repeat(50));
        #[rustfmt::skip]
        let cases: [(&str, &str, &[&str]); 7] = [
            ("nothing",        "def größe(x): # Größe, 中文, Москва\n", &[]),
            ("a letter",       "x\ndef сheck(): pass\n",                &["in line 2, `сheck` looks like `check`"]),
            ("fullwidth",      "ｅval(x)\n",                             &["in line 1, `ｅval` looks like `eval`"]),
            ("in bold",        "𝐞val(x)\n",                             &["in line 1, `𝐞val` looks like `eval`"]),
            ("twice is once",  "сheck\nсheck\n",                        &["in line 1, `сheck` looks like `check`"]),
            ("a return",       "# x\rimport os\r\n",                    &["line 1 has a carriage return within: Python begins a line there"]),
            ("far away",       &far,                                    &["line 1 goes on after 70 blanks", "after 50 empty lines it goes on in line 52"]),
        ];
        for (what, text, words) in cases {
            assert_eq!(of_text(text, Read::AsText).words, words, "{what}");
        }
        let many: String = (0..100).map(|n| format!("сheck{n} ")).collect();
        assert!(of_text(&many, Read::AsText).words.len() <= TOLD_MAX + 1);
    }

    #[test]
    fn a_file_that_runs_because_of_its_name_is_told() {
        let text = "name: x\nsubmitted_at: '2026-11-20T12:39:16Z'\nentrypoint: sub/main.py\n\
            dependencies: ['pandas>=2', 'scikit-learn[x]==1']\n";
        let config = JobConfig::parse(Layout::Flat, text.as_bytes()).unwrap();
        let of = |path: &str| of_names(&[&DatasitePath::parse(path).unwrap()], &config);
        #[rustfmt::skip]
        let cases = [
            ("code/main.py",                    None),
            ("code/lib/json_tools.py",          None),
            ("code/lib/json.py",                None),
            ("code/json.csv",                   None),
            ("code/sitecustomize.py",           Some("runs before anything else")),
            ("code/usercustomize/__init__.py",  Some("runs before anything else")),
            ("code/json.py",                    Some("takes the place of Python's own module `json`")),
            ("code/sub/random.py",              Some("takes the place of Python's own module `random`")),
            ("code/json.cpython-312-x86_64-linux-gnu.so", Some("takes the place of Python's own module `json`")),
            ("code/pandas/core.py",             Some("takes the place of the package `pandas`")),
            ("code/scikit_learn.py",            Some("takes the place of the package `scikit-learn`")),
            ("code/syft_client.py",             Some("takes the place of the module that finds the data")),
            ("code/\u{441}opy.txt",             Some("looks like `code/copy.txt`")),
        ];
        for (path, says) in cases {
            let words = of(path);
            let expected = says.map(|says| format!("`{path}` {says}"));
            assert_eq!(words, expected.into_iter().collect::<Vec<_>>(), "{path}");
        }
    }
}
