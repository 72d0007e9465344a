//! Finds a Python on this machine.
//!
//! A Python of the operating system is preferred, since a confined job sees it anyway; any other
//! has to be shown to the job, and only its own installation folder is.

use std::path::{Path, PathBuf};

use tokio::process::Command;

/// A Python that works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interpreter {
    /// The program, free of wrappers.
    pub program: PathBuf,
    /// The minor version: 12 for Python 3.12.
    pub minor: u32,
    /// The folder of its installation; `None` if that is a folder of the operating system.
    pub prefix: Option<PathBuf>,
    /// The folder of its standard library.
    pub library: PathBuf,
}

const PROBE: &str = "import os, sys\n\
    print(sys.version_info[0], sys.version_info[1])\n\
    print(os.path.realpath(sys.base_prefix))\n\
    print(os.path.realpath(getattr(sys, '_base_executable', sys.executable)))\n\
    print(os.path.dirname(os.path.realpath(os.__file__)))";

impl Interpreter {
    /// Finds the first Python of at least 3.`minor` in the folders of `path`, trying `names` in
    /// order; the operating system's folders come first, those of version managers last.
    pub async fn find(names: &[&str], minor: u32, path: &str) -> Option<Self> {
        let system = std::env::split_paths(super::sandbox::PATH);
        let others = installations();
        let folders: Vec<_> = system
            .chain(std::env::split_paths(path))
            .chain(others)
            .filter(|folder| folder.is_absolute())
            .collect();
        for name in names {
            for folder in &folders {
                let program = folder.join(name);
                if program.is_file()
                    && let Some(found) = Self::probe(&program, path).await
                    && found.minor >= minor
                {
                    return Some(found);
                }
            }
        }
        None
    }

    async fn probe(program: &Path, path: &str) -> Option<Self> {
        let mut command = Command::new(program);
        command.args(["-I", "-c", PROBE]).env_clear().env("PATH", path).kill_on_drop(true);
        if let Some(home) = std::env::home_dir() {
            command.env("HOME", home); // wrappers such as pyenv's look there
        }
        let output = command.output().await.ok().filter(|output| output.status.success())?;
        let text = String::from_utf8(output.stdout).ok()?;
        let mut lines = text.lines();
        let minor = lines.next()?.strip_prefix("3 ")?.parse().ok()?;
        let prefix = PathBuf::from(lines.next()?);
        let program = PathBuf::from(lines.next()?);
        let library = PathBuf::from(lines.next()?);
        let is_of_system = prefix.starts_with("/usr") && program.starts_with("/usr");
        if !is_of_system && is_wide(&prefix) {
            return None; // it would show a job more than a Python
        }
        Some(Self { program, minor, prefix: (!is_of_system).then_some(prefix), library })
    }

    /// Returns the archive of the pip that comes with it, where it has one. Source: Python's
    /// documentation, `ensurepip`; distributions put the archive into a folder of their own.
    pub(crate) fn pip_archive(&self) -> Option<PathBuf> {
        let own = self.library.join("ensurepip/_bundled");
        [own, PathBuf::from("/usr/share/python-wheels")].iter().find_map(|folder| {
            let mut found: Vec<PathBuf> =
                std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path()).collect();
            found.retain(|path| {
                let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                name.starts_with("pip-") && name.ends_with(".whl") && path.is_file()
            });
            found.into_iter().max()
        })
    }
}

/// True for a folder that holds more than what is looked for there: one near the root, a home folder
/// or what lies above it, and `~/.local`, where programs keep data and keyrings.
pub(super) fn is_wide(folder: &Path) -> bool {
    let home = std::env::home_dir();
    // What a process would see is the folder itself, whatever leads there.
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    is_wide_beside(&real(folder), home.as_deref().map(real).as_deref())
}

fn is_wide_beside(folder: &Path, home: Option<&Path>) -> bool {
    let holds_home =
        home.is_some_and(|home| home.starts_with(folder) || home.join(".local") == folder);
    let of_somebody = folder.parent() == Some(Path::new("/home"));
    folder.components().count() < 3 || of_somebody || holds_home
}

/// Where version managers keep their Pythons, the newest first. They are often not on the path.
fn installations() -> Vec<PathBuf> {
    let Some(home) = std::env::home_dir() else { return Vec::new() };
    let mut found = Vec::new();
    for folder in [".pyenv/versions", ".local/share/uv/python"] {
        let entries = std::fs::read_dir(home.join(folder)).into_iter().flatten().flatten();
        found.extend(entries.map(|entry| entry.path().join("bin")));
    }
    found.sort();
    found.reverse();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn w9_a_python_that_was_installed_into_a_home_folder_shows_no_job_that_folder() {
        #[rustfmt::skip]
        let cases = [
            // folder                              home                  is too wide
            ("/",                                  "/home/alice",        true),
            ("/home",                              "/home/alice",        true),
            ("/opt",                               "/home/alice",        true),
            ("/home/alice",                        "/home/alice",        true),
            ("/home/bob",                          "/home/alice",        true),
            ("/home/alice/.local",                 "/home/alice",        true),
            ("/srv/people",                        "/srv/people/alice",  true),
            ("/srv/people/alice",                  "/srv/people/alice",  true),
            ("/home/alice/.pyenv/versions/3.12.1", "/home/alice",        false),
            ("/home/alice/miniconda3",             "/home/alice",        false),
            ("/opt/python",                        "/home/alice",        false),
        ];
        for (folder, home, expected) in cases {
            let found = is_wide_beside(folder.as_ref(), Some(home.as_ref()));
            assert_eq!(found, expected, "{folder} beside {home}");
        }
        assert!(is_wide_beside("/home/alice".as_ref(), None));
    }
}
