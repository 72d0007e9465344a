//! Takes over what a job left in `code/outputs/`.
//!
//! Invariants: only regular files with one name are taken, through a handle that cannot leave the
//! job's own copy, so that no link publishes another file. A file is taken as it was at one moment,
//! or not at all: what still changes has a writer that should have ended. No permission file is
//! taken: in the owner's tree it would not be an output but a rule, made by the job. A file counts
//! with its length, holes included. What is left out is noted by name, and keeps nothing else back. If
//! what is taken cannot be written, that is an error: results that are lost are no success.

use std::io::{self, Write};
use std::path::Path;

use cap_std::fs::{Dir, File, Metadata, MetadataExt};

use super::form::{EntryKind, PERMISSION_FILE};
use super::snapshot::pour;
use super::tree::{open_below, open_file, remove, walk};
use crate::model::{DatasitePath, is_ignored_name};

/// What a job may leave behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputLimits {
    /// How many files.
    pub files: usize,
    /// How many bytes in all.
    pub bytes: u64,
}

impl Default for OutputLimits {
    fn default() -> Self {
        Self { files: 1_000, bytes: 1 << 30 }
    }
}

/// What was taken over.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    /// Paths below `outputs/`, sorted.
    pub(crate) files: Vec<DatasitePath>,
    /// What was left out, and why.
    pub(crate) notes: Vec<String>,
}

const NOTES_MAX: usize = 50;

/// Copies the outputs of the job whose private copy is `job` to `target`, which is made.
///
/// # Errors
/// If something cannot be written to `target`, which then is gone. What cannot be read, or is not allowed, is noted.
pub(crate) fn collect(job: &Path, target: &Path, limits: OutputLimits) -> io::Result<Collected> {
    std::fs::create_dir_all(target)?;
    let folder = DatasitePath::parse("code/outputs").expect("a constant");
    let mut collected = Collected::default();
    match open_below(job, &folder) {
        Ok(Some(dir)) => {
            let taken = take(&dir, target, limits, &mut collected);
            taken.inspect_err(|_| drop(remove(target)))?; // half of them would look like all
        }
        Ok(None) => {}
        Err(error) => collected.notes.push(format!("outputs left out: {error}")),
    }
    let more = collected.notes.len().saturating_sub(NOTES_MAX);
    if more > 0 {
        collected.notes.truncate(NOTES_MAX);
        collected.notes.push(format!("and {more} more"));
    }
    Ok(collected)
}

fn take(
    dir: &Dir,
    target: &Path,
    limits: OutputLimits,
    collected: &mut Collected,
) -> io::Result<()> {
    let entries_max = limits.files.saturating_mul(2).saturating_add(1_000);
    let (entries, complete) = match walk(dir, entries_max, &|_| false) {
        Ok(found) => found,
        Err(error) => {
            collected.notes.push(format!("outputs left out: {error}"));
            return Ok(());
        }
    };
    let mut left = limits.bytes;
    for entry in entries {
        let mut note = |reason: &str| {
            collected.notes.push(format!("output `{}` left out: {reason}", entry.shown));
        };
        if entry.kind != EntryKind::File {
            note(&format!("it is {}", entry.what));
            continue;
        }
        let Some(path) = &entry.path else {
            note("its name cannot be sent");
            continue;
        };
        if entry.names > 1 {
            note("it is a second name of another file");
        } else if path.file_name().eq_ignore_ascii_case(PERMISSION_FILE) {
            note("it would be a permission file");
        } else if path.parts().any(is_ignored_name) {
            note("no file of that name, or in a folder of that name, is ever sent");
        } else if collected.files.len() == limits.files {
            note("there are too many");
        } else if entry.bytes > left {
            note("the outputs are too large");
        } else {
            match copy(dir, path, target, left)? {
                Ok(bytes) => {
                    left -= bytes;
                    collected.files.push(path.clone());
                }
                Err(error) => note(&error.to_string()),
            }
        }
    }
    if !complete {
        collected.notes.push(format!("outputs left out: there are more than {entries_max}"));
    }
    Ok(())
}

/// Copies one file as a whole or not at all, and returns its size, or why it cannot be read.
fn copy(
    dir: &Dir,
    path: &DatasitePath,
    target: &Path,
    bytes_max: u64,
) -> io::Result<io::Result<u64>> {
    let source = match open_file(dir, path.as_str()) {
        Ok(source) => source,
        Err(error) => return Ok(Err(error)),
    };
    let place = path.below(target);
    if let Some(folder) = place.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut copy = Kept { to: std::fs::File::create_new(&place)?, problem: None };
    let copied = copy_steady(&source, &mut copy, bytes_max);
    if copied.is_err() {
        std::fs::remove_file(&place)?;
    }
    copy.problem.map_or(Ok(copied), Err)
}

/// Keeps apart what could not be written and what could not be read.
struct Kept<W> {
    to: W,
    problem: Option<io::Error>,
}

impl<W: Write> Write for Kept<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.to.write(bytes).map_err(|error| {
            let kind = error.kind();
            self.problem = Some(error);
            kind.into()
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// Copies a file that nobody writes meanwhile.
fn copy_steady(source: &File, target: impl Write, bytes_max: u64) -> io::Result<u64> {
    let before = source.metadata()?;
    if before.nlink() > 1 {
        return Err(io::Error::other("it is a second name of another file"));
    }
    let (_, bytes) = pour(source, target, bytes_max)?;
    let state = |about: &Metadata| {
        let written = (about.mtime(), about.mtime_nsec());
        (about.len(), written, about.ctime(), about.ctime_nsec(), about.nlink())
    };
    let is_steady = state(&before) == state(&source.metadata()?) && bytes == before.len();
    if is_steady { Ok(bytes) } else { Err(io::Error::other("it still changes")) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn collected(make: impl FnOnce(&Path)) -> (Vec<String>, String) {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("secret"), "secret").unwrap();
        let outputs = home.path().join("job/code/outputs");
        std::fs::create_dir_all(&outputs).unwrap();
        make(&outputs);
        let target = home.path().join("review/outputs");
        let limits = OutputLimits { files: 3, bytes: 100 };
        let got = collect(&home.path().join("job"), &target, limits).unwrap();
        for file in &got.files {
            let text = std::fs::read_to_string(file.below(&target)).unwrap();
            assert!(!text.contains("secret"), "{file}");
        }
        (got.files.iter().map(ToString::to_string).collect(), got.notes.join("\n"))
    }

    #[test]
    fn w8_links_are_left_out_and_told() {
        let (files, notes) = collected(|outputs| {
            symlink("../../../secret", outputs.join("link")).unwrap();
            symlink("../../..", outputs.join("folder")).unwrap();
            std::fs::hard_link(outputs.join("../../../secret"), outputs.join("hard")).unwrap();
            std::fs::write(outputs.join("ok"), "fine").unwrap();
        });
        assert_eq!(files, ["ok"]);
        assert_eq!(notes.lines().count(), 3, "{notes}");
    }

    #[test]
    fn w8_outputs_that_are_a_link_are_no_outputs() {
        let (files, notes) = collected(|outputs| {
            std::fs::remove_dir(outputs).unwrap();
            symlink("../..", outputs).unwrap();
        });
        assert!(files.is_empty() && notes.contains("no directory"), "{notes}");
    }

    #[test]
    fn what_is_no_file_is_told_by_name_and_keeps_nothing_back() {
        let (files, notes) = collected(|outputs| {
            let pipe = std::process::Command::new("mkfifo").arg(outputs.join("pipe")).status();
            assert!(pipe.unwrap().success());
            std::os::unix::net::UnixListener::bind(outputs.join("socket")).unwrap();
            symlink("/dev/zero", outputs.join("endless")).unwrap();
            std::fs::write(outputs.join("a\u{1b}[2Jb"), "x").unwrap();
            let name = std::os::unix::ffi::OsStrExt::from_bytes(b"not\xff");
            std::fs::write(outputs.join::<&std::ffi::OsStr>(name), "x").unwrap();
            std::fs::create_dir_all(outputs.join("d/".repeat(80))).unwrap();
            std::fs::write(outputs.join("ok"), "fine").unwrap();
        });
        assert_eq!(files, ["ok"]);
        for said in [
            "`pipe` left out: it is a pipe",
            "`socket` left out: it is a socket",
            "`endless` left out: it is a link",
            "`a\\u{1b}[2Jb` left out: its name cannot be sent",
            "left out: it is a folder that is closed or too deep",
        ] {
            assert!(notes.contains(said), "{said}: {notes}");
        }
        assert_eq!(notes.lines().count(), 6, "{notes}");
    }

    #[test]
    fn a_file_with_holes_counts_with_its_length() {
        let (files, notes) = collected(|outputs| {
            std::fs::File::create(outputs.join("giant")).unwrap().set_len(1 << 40).unwrap();
            std::fs::write(outputs.join("ok"), "fine").unwrap();
        });
        assert_eq!(files, ["ok"]);
        assert!(notes.contains("`giant` left out: the outputs are too large"), "{notes}");
    }

    #[test]
    fn a_file_that_still_changes_is_left_out() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("log"), "begun").unwrap();
        let dir = super::super::tree::open_root(home.path()).unwrap().unwrap();
        let source = || open_file(&dir, "log").unwrap();
        assert_eq!(copy_steady(&source(), io::sink(), 100).unwrap(), 5);

        /// Somebody who writes to the file while it is copied.
        struct Meanwhile<'a>(Option<&'a Path>);
        impl Write for Meanwhile<'_> {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                if let Some(path) = self.0.take() {
                    let mut file = std::fs::OpenOptions::new().append(true).open(path)?;
                    file.write_all(b"more")?;
                }
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let path = home.path().join("log");
        let error = copy_steady(&source(), Meanwhile(Some(&path)), 100).unwrap_err();
        assert_eq!(error.to_string(), "it still changes");
    }

    #[test]
    fn a_job_cannot_publish_permission_rules() {
        let (files, notes) = collected(|outputs| {
            std::fs::create_dir(outputs.join("a")).unwrap();
            std::fs::write(outputs.join("a/syft.pub.yaml"), "rules:").unwrap();
            std::fs::write(outputs.join("Syft.Pub.Yaml"), "rules:").unwrap();
        });
        assert!(files.is_empty());
        assert_eq!(notes.matches("permission file").count(), 2, "{notes}");
    }

    #[test]
    fn what_no_sync_ever_sends_is_left_out_and_told() {
        let (files, notes) = collected(|outputs| {
            for name in [".git/config", "a/__pycache__/x.pyc", ".syft-tmp-x", "ok"] {
                let file = outputs.join(name);
                std::fs::create_dir_all(file.parent().unwrap()).unwrap();
                std::fs::write(file, "x").unwrap();
            }
        });
        assert_eq!(files, ["ok"]);
        assert_eq!(notes.matches("ever sent").count(), 3, "{notes}");
    }

    #[test]
    fn results_that_cannot_be_written_are_no_success() {
        let home = tempfile::tempdir().unwrap();
        let outputs = home.path().join("job/code/outputs");
        std::fs::create_dir_all(outputs.join("a")).unwrap();
        std::fs::write(outputs.join("a/b"), "x").unwrap();
        let target = home.path().join("review");
        std::fs::create_dir(&target).unwrap();
        std::fs::write(target.join("a"), "a file where a folder has to be").unwrap();
        collect(&home.path().join("job"), &target, OutputLimits::default()).unwrap_err();
        assert!(!target.exists());

        // A disk that is full is told from a file that cannot be read.
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let mut kept = Kept { to: full, problem: None };
        let dir = crate::jobs::tree::open_root(&outputs).unwrap().unwrap();
        let source = open_file(&dir, "a/b").unwrap();
        copy_steady(&source, &mut kept, 100).unwrap_err();
        assert_eq!(kept.problem.unwrap().kind(), io::ErrorKind::StorageFull);
    }

    #[test]
    fn too_many_and_too_large_outputs_are_left_out() {
        let (files, notes) = collected(|outputs| {
            std::fs::write(outputs.join("a"), [b'x'; 101]).unwrap();
            for name in ["b", "c", "d", "e"] {
                std::fs::write(outputs.join(name), name).unwrap();
            }
        });
        assert_eq!(files, ["b", "c", "d"]);
        assert!(notes.contains("too large") && notes.contains("too many"), "{notes}");
    }

    #[test]
    fn a_job_that_deleted_its_outputs_has_none() {
        let (files, notes) = collected(|outputs| std::fs::remove_dir(outputs).unwrap());
        assert!(files.is_empty() && notes.is_empty());
    }
}
