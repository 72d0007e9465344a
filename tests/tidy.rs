//! The house rules that no lint knows.
//!
//! Each test reads the source tree as text, so a rule holds for code that no build has on. A line
//! that is a comment counts as prose: it may name what the code beside it may not use.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Folders of `src/` from the bottom up. A file imports from its own row or from those before it.
const LAYERS: &[&[&str]] = &[
    &["model", "wire"],
    &["connections", "caches", "channels"],
    &[
        "permissions",
        "peers",
        "inbox",
        "outbox",
        "checkpoints",
        "chunks",
        "datasets",
        "jobs",
        "notices",
    ],
    &["syncers"],
    &["client"],
    &["cli"],
];

/// Folders in which every file decides, except the one that stores.
const PURE_FOLDERS: &[&str] = &[
    "model",
    "wire",
    "permissions",
    "peers",
    "inbox",
    "outbox",
    "checkpoints",
    "chunks",
    "notices",
];

/// Names of files, or of folders of files, that decide wherever they lie.
const PURE_NAMES: &[&str] = &["plan", "state", "safety"];

/// What a file that decides may not name, so that each of its rules is tested without I/O.
const IMPURE: &[&str] = &[
    "std::{",
    "std::fs",
    "std::net",
    "std::process",
    "std::env",
    "tokio",
    "SystemTime",
    "Instant",
    "Utc::now",
    "crate::connections",
    "crate::caches",
];

const LINES_MAX: usize = 500;

#[test]
fn every_folder_has_a_layer() {
    for source in sources("src") {
        let top = source.path.components().count() == 2;
        let known = layer_of(&source.path).is_some() || top && source.is_named(&["lib", "main"]);
        assert!(known, "{}: give its folder a row in LAYERS", source.path.display());
    }
}

#[test]
fn imports_point_down() {
    for source in sources("src") {
        let code = source.code();
        let path = source.path.display();
        assert!(!code.contains("crate::{"), "{path}: one `use crate::…` for each folder");
        let Some(own) = layer_of(&source.path) else { continue };
        for (layer, folders) in LAYERS.iter().enumerate().skip(own + 1) {
            for folder in *folders {
                let found = names(&code, &format!("crate::{folder}"));
                assert!(!found, "{path} (layer {own}) uses {folder} (layer {layer})");
            }
        }
    }
}

#[test]
fn the_drive_crates_meet_only_at_the_wire() {
    for (own, others) in [
        ("drive-api", ["drive_server", "drive-server", "syft::"]),
        ("drive-server", ["drive_api", "drive-api", "syft::"]),
    ] {
        let folder = format!("crates/{own}");
        let manifest = Source::read(Path::new(&folder).join("Cargo.toml"));
        for source in sources(&folder).chain([manifest]) {
            for other in others {
                let found = names(&source.code(), other);
                assert!(!found, "{} names {other}", source.path.display());
            }
        }
    }
}

#[test]
fn deciding_files_stay_pure() {
    for source in sources("src").filter(Source::decides) {
        let code = source.code_outside_tests();
        for word in IMPURE {
            assert!(!names(&code, word), "{} decides, yet names {word}", source.path.display());
        }
    }
}

#[test]
fn files_stay_short() {
    for source in ["src", "crates", "tests", "benches", "examples"].into_iter().flat_map(sources) {
        let lines = source.text.lines().count();
        let path = source.path.display();
        assert!(lines <= LINES_MAX, "{path} has {lines} lines; split it by noun");
    }
}

#[test]
fn only_the_command_line_prints() {
    let may = ["src/cli/ui.rs", "src/main.rs"];
    for source in ["src", "crates"].into_iter().flat_map(sources) {
        if source.path.iter().any(|part| part == "examples" || part == "tests") {
            continue;
        }
        if may.iter().any(|path| source.path.ends_with(path)) || source.is_named(&["build"]) {
            continue;
        }
        let code = source.code_outside_tests();
        for word in ["print!", "println!", "eprint!", "eprintln!"] {
            assert!(!names(&code, word), "{} prints; use `cli::ui`", source.path.display());
        }
    }
}

#[test]
fn the_map_shows_every_folder() {
    let map = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    for parent in ["src", "crates"] {
        for entry in fs::read_dir(root().join(parent)).unwrap() {
            let entry = entry.unwrap();
            let folder = format!("{parent}/{}/", entry.file_name().to_string_lossy());
            let shown = !entry.path().is_dir() || map.contains(&folder);
            assert!(shown, "ARCHITECTURE.md has no paragraph on {folder}");
        }
    }
    assert!(map.lines().count() <= 200, "ARCHITECTURE.md is a map: 200 lines at most");
}

/// Each row of the table in docs/SECURITY.md that says "tested" has a test for each of its numbers.
#[test]
fn security_claims_have_tests() {
    let tested = tested_numbers();
    for (subjects, row) in security_rows().filter(|(_, row)| row.ends_with("| tested |")) {
        for subject in subjects {
            let shown = match subject.strip_prefix('`') {
                Some(path) => root().join(path.trim_end_matches('`')).exists(),
                None => tested.contains(&subject),
            };
            assert!(shown, "no test carries `{subject}`: {row}");
        }
    }
}

/// The table says something of each number of the lists that it is made from, and of each number
/// that a test carries.
#[test]
fn each_number_has_its_claim() {
    const LISTS: &[(&str, &[u32])] = &[
        ("b", &[1, 2, 4, 5, 6, 7, 9, 10, 11, 13, 14, 15]),
        ("f", &[19, 20, 23]),
        ("n", &[1, 2, 3, 4, 5, 6]),
        ("p", &[1, 2, 3, 4]),
        ("u", &[1, 2, 3]),
    ];
    let claimed: BTreeSet<String> = security_rows().flat_map(|(subjects, _)| subjects).collect();
    let listed = LISTS.iter().flat_map(|(letter, all)| all.iter().map(move |n| (*letter, *n)));
    for (letter, number) in (1..=36).map(|n| ("w", n)).chain(listed) {
        let number = format!("{letter}{number}");
        assert!(claimed.contains(&number), "docs/SECURITY.md says nothing of {number}");
    }
    for number in tested_numbers() {
        assert!(claimed.contains(&number), "a test has {number} in its name: what is that?");
    }
}

/// The rows of the table in docs/SECURITY.md, each with what stands in its first column.
fn security_rows() -> impl Iterator<Item = (Vec<String>, String)> {
    let text = fs::read_to_string(root().join("docs/SECURITY.md")).unwrap();
    let ends = ["| tested |", "| built |", "| open |"];
    let rows: Vec<String> = text
        .lines()
        .filter(|line| ends.iter().any(|end| line.ends_with(end)))
        .map(str::to_owned)
        .collect();
    rows.into_iter().map(|row| {
        let first = row.split('|').nth(1).unwrap_or_default().to_lowercase();
        (first.split(',').map(|subject| subject.trim().to_owned()).collect(), row)
    })
}

/// The numbers (`w17`, `b7`, `f19`) with which the names of tests begin.
fn tested_numbers() -> BTreeSet<String> {
    let mut numbers = BTreeSet::new();
    for source in ["src", "crates", "tests"].into_iter().flat_map(sources) {
        let mut is_test = false;
        for line in source.text.lines().map(str::trim_start) {
            if line.starts_with("#[test") || line.starts_with("#[tokio::test") {
                is_test = true;
            }
            let Some((_, name)) = line.split_once("fn ") else { continue };
            let name = name.split('(').next().unwrap_or_default();
            if std::mem::take(&mut is_test) {
                numbers
                    .extend(name.split('_').take_while(|part| is_number(part)).map(str::to_owned));
            }
        }
    }
    numbers
}

fn is_number(part: &str) -> bool {
    part.strip_prefix(['w', 'b', 'f', 'n', 'p', 'u'])
        .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
}

/// A clone works anywhere: nothing in it names one machine, or one place to fetch packages from.
#[test]
fn nothing_names_a_machine_or_a_registry() {
    // Put together here, since this file is searched as well.
    let words = [
        ["/wo", "rk/"],
        ["/ro", "ot/"],
        ["/Us", "ers/"],
        ["replace-", "with"],
        ["pypi", ".org"],
        ["pythonhosted", ".org"],
        ["index.crates", ".io"],
    ]
    .map(|halves| halves.concat());
    for path in tracked_files(&root()) {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        for word in &words {
            assert!(!text.contains(word.as_str()), "{} names {word}", path.display());
        }
    }
    let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap();
    for source in lock.lines().filter(|line| line.starts_with("source = ")) {
        let public = "source = \"registry+https://github.com/rust-lang/crates.io-index\"";
        assert_eq!(source, public, "Cargo.lock");
    }
}

/// One Rust file; `path` is relative to the project.
struct Source {
    path: PathBuf,
    text: String,
}

impl Source {
    fn read(path: PathBuf) -> Self {
        let text = fs::read_to_string(root().join(&path)).unwrap();
        Self { path, text }
    }

    fn is_named(&self, stems: &[&str]) -> bool {
        self.path.file_stem().is_some_and(|stem| stems.iter().any(|name| stem == *name))
    }

    /// The text without lines that are comments.
    fn code(&self) -> String {
        without_comments(&self.text)
    }

    /// The same up to the tests at the foot of the file.
    fn code_outside_tests(&self) -> String {
        let stems = self.path.iter().filter_map(|part| part.to_str()?.split('.').next());
        if stems.into_iter().any(|stem| stem == "tests" || stem.ends_with("_tests")) {
            return String::new();
        }
        let code = self.code();
        code.split("#[cfg(test)]").next().unwrap_or_default().to_owned()
    }

    fn decides(&self) -> bool {
        let parts: Vec<_> =
            self.path.iter().filter_map(|part| part.to_str()?.split('.').next()).collect();
        let folder_decides = parts.get(1).is_some_and(|folder| PURE_FOLDERS.contains(folder));
        let name_decides = parts.iter().skip(1).any(|part| PURE_NAMES.contains(part));
        name_decides || folder_decides && !self.is_named(&["store"])
    }
}

fn without_comments(text: &str) -> String {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    code.flat_map(|line| [line, "\n"]).collect()
}

/// True if `code` names `word`: not as part of a longer name.
fn names(code: &str, word: &str) -> bool {
    let part_of_name = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + word.len()..].chars().next();
        let starts = !word.starts_with(part_of_name) || !before.is_some_and(part_of_name);
        let ends = !word.ends_with(part_of_name) || !after.is_some_and(part_of_name);
        starts && ends
    })
}

/// The row of [`LAYERS`] that a file in `src/` belongs to; none for `lib.rs` and `main.rs`.
fn layer_of(path: &Path) -> Option<usize> {
    let noun = path.strip_prefix("src").ok()?.iter().next()?.to_str()?;
    let noun = noun.trim_end_matches(".rs");
    LAYERS.iter().position(|folders| folders.contains(&noun))
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All Rust files below `folder`; none if there is no such folder.
fn sources(folder: &str) -> impl Iterator<Item = Source> {
    tracked_files(&root().join(folder)).into_iter().filter_map(|path| {
        let rust = path.extension().is_some_and(|extension| extension == "rs");
        rust.then(|| Source::read(path.strip_prefix(root()).unwrap().to_owned()))
    })
}

/// All files below `folder` that belong to the project: what builds and tools leave behind is not.
fn tracked_files(folder: &Path) -> Vec<PathBuf> {
    const LEFT_BEHIND: &[&str] = &[".git", "target", "__pycache__", ".venv"];
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(folder) else { continue };
        for entry in entries {
            let entry = entry.unwrap();
            if LEFT_BEHIND.iter().any(|name| entry.file_name() == *name) {
                continue;
            }
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                files.push(entry.path());
            }
        }
    }
    files.sort();
    files
}

#[test]
fn a_name_is_found_whole() {
    #[rustfmt::skip]
    let cases = [
        // code                          word              named
        ("use crate::cli::Ui;",          "crate::cli",     true),
        ("use crate::client::Client;",   "crate::cli",     false),
        ("use mycrate::cli;",            "crate::cli",     false),
        ("std::fs::read(path)",          "std::fs",        true),
        ("eprintln!(\"no\")",            "println!",       false),
        ("println!(\"yes\")",            "println!",       true),
    ];
    for (code, word, named) in cases {
        assert_eq!(names(code, word), named, "{code}: {word}");
    }
    assert_eq!(without_comments("a\n  // std::fs\nb // c\n"), "a\nb // c\n");
}
