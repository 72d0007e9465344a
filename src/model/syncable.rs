//! Which paths of a datasite travel.

use super::DatasitePath;

/// Folder and file names that never travel, wherever they stand. The Python client leaves out the
/// same ones (`docs/FORMAT.md`, "What travels").
const IGNORED_PARTS: &[&str] = &[
    ".venv",
    ".git",
    "__pycache__",
    ".mypy_cache",
    ".pytest_cache",
    ".ruff_cache",
    "node_modules",
    ".DS_Store",
];

/// How the names of our own temporary files begin.
pub const TEMPORARY_PREFIX: &str = ".syft-tmp-";

/// What stands in the name of a file that was kept aside because the owner refused it.
pub const KEPT_ASIDE_MARK: &str = ".refused-";

/// True if changes of `path` are sent and taken in as events.
///
/// Private data never travels, and datasets travel as collections, not as events.
pub fn is_syncable(path: &DatasitePath) -> bool {
    !path.parts().any(is_ignored_name)
        && path.parts().next() != Some("private")
        && path.as_str() != "public/syft_datasets"
        && !path.is_below("public/syft_datasets")
}

/// True if a file or folder of this name never travels.
pub fn is_ignored_name(name: &str) -> bool {
    // Few names have a hyphen, and the mark does: to look for it is cheap, to look for the mark is not.
    IGNORED_PARTS.contains(&name)
        || name.starts_with(TEMPORARY_PREFIX)
        || name.as_bytes().contains(&b'-') && name.contains(KEPT_ASIDE_MARK)
}

/// True if the file holds permission rules.
pub fn is_rule_file(path: &DatasitePath) -> bool {
    path.file_name() == RULE_FILE
}

/// The name of the files that hold permission rules.
pub const RULE_FILE: &str = "syft.pub.yaml";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_data_datasets_and_tool_folders_stay() {
        #[rustfmt::skip]
        let cases = [
            ("a file",              "notes.txt",                                true),
            ("a job's code",        "app_data/job/inbox/d@x.org/j/code/a.py",   true),
            ("public, no dataset",  "public/a.txt",                             true),
            ("private",             "private/a.txt",                            false),
            ("private, deep",       "private/syft_datasets/d/a.csv",            false),
            ("private, elsewhere",  "a/private/b",                              true),
            ("a dataset",           "public/syft_datasets/d/a.csv",             false),
            ("almost a dataset",    "public/syft_datasets2/a.csv",              true),
            ("a job's environment", "app_data/job/inbox/d@x.org/j/.venv/x",     false),
            ("our temporary file",  "a/.syft-tmp-1f",                           false),
            ("kept aside",          "a/b.refused-20261121-103000.txt",          false),
        ];
        for (what, path, syncable) in cases {
            assert_eq!(is_syncable(&DatasitePath::parse(path).unwrap()), syncable, "{what}");
        }
    }
}
