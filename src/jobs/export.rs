//! Copies what a job left to a folder of the user's choice.
//!
//! The names are a stranger's. Invariants: nothing is written outside of the folder, and no link below
//! it is followed; a file is there whole or not at all; what is there already is replaced only on
//! request, and if anything stands in the way nothing is written at all; hidden files, which programs
//! obey, are left out.

use std::io;
use std::path::{Path, PathBuf};

use cap_std::fs::{Dir, OpenOptions};

use super::snapshot::pour;
use crate::model::{DatasitePath, Digest, TEMPORARY_PREFIX};

/// A file that is to be copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToCopy {
    /// Where it is.
    pub from: PathBuf,
    /// Where it is to be, below the folder.
    pub to: DatasitePath,
}

/// A file that was copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Where it is, below the folder.
    pub path: DatasitePath,
    /// Where that is on this machine.
    pub local_path: PathBuf,
    /// Its size in bytes.
    pub size: u64,
    /// The digest of the bytes that were written.
    pub digest: Digest,
}

/// What came of copying.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Export {
    /// What was copied.
    pub files: Vec<Copied>,
    /// What was left out, and why.
    pub left_out: Vec<String>,
}

/// Why nothing, or not everything, was copied.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// Something is there already.
    #[error("there already: {}", listed(paths))]
    Exists {
        /// What is there, below the folder.
        paths: Vec<DatasitePath>,
    },
    /// A folder or file cannot be read or written.
    #[error("cannot copy to `{path}`")]
    Io {
        /// Which one.
        path: String,
        /// Why not.
        source: io::Error,
    },
}

const NAMED_MAX: usize = 10;

/// Copies `files` to `folder`, which is made if need be. `replaces`: files that are there may be
/// replaced; folders never are.
///
/// # Errors
/// [`ExportError`]; with [`ExportError::Exists`] nothing was written.
pub fn export(files: &[ToCopy], folder: &Path, replaces: bool) -> Result<Export, ExportError> {
    let problem = |path: &Path| {
        let path = path.display().to_string();
        move |source| ExportError::Io { path, source }
    };
    std::fs::create_dir_all(folder).map_err(problem(folder))?;
    let dir =
        Dir::open_ambient_dir(folder, cap_std::ambient_authority()).map_err(problem(folder))?;
    let mut export = Export::default();
    let is_hidden = |file: &&ToCopy| file.to.parts().any(|part| part.starts_with('.'));
    for hidden in files.iter().filter(is_hidden) {
        export.left_out.push(format!("`{}`: a hidden file may steer programs", hidden.to));
    }
    let files: Vec<&ToCopy> = files.iter().filter(|file| !is_hidden(file)).collect();
    let in_the_way = |file: &&&ToCopy| stands_in_the_way(&dir, &file.to, replaces);
    let paths: Vec<_> = files.iter().filter(in_the_way).map(|file| file.to.clone()).collect();
    if !paths.is_empty() {
        return Err(ExportError::Exists { paths });
    }
    for file in files {
        let local_path = file.to.below(folder);
        let (digest, size) = copy(&dir, file, replaces).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => ExportError::Exists { paths: vec![file.to.clone()] },
            _ => problem(&local_path)(error),
        })?;
        export.files.push(Copied { path: file.to.clone(), local_path, size, digest });
    }
    Ok(export)
}

/// True if something is at `path`, or above it where a folder should be.
fn stands_in_the_way(dir: &Dir, path: &DatasitePath, replaces: bool) -> bool {
    let is_no_folder = |folder: DatasitePath| {
        dir.symlink_metadata(folder.as_str()).is_ok_and(|found| !found.is_dir())
    };
    if path.folders().any(is_no_folder) {
        return true;
    }
    match dir.symlink_metadata(path.as_str()) {
        Ok(found) => found.is_dir() || !replaces,
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    }
}

fn copy(dir: &Dir, file: &ToCopy, replaces: bool) -> io::Result<(Digest, u64)> {
    let mut folder = dir.try_clone()?;
    let parts: Vec<&str> = file.to.parts().collect();
    let (name, folders) = parts.split_last().ok_or_else(|| io::Error::other("it has no name"))?;
    for part in folders {
        match folder.create_dir(part) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        if !folder.symlink_metadata(part)?.is_dir() {
            return Err(io::Error::other(format!("`{part}` is no folder")));
        }
        folder = folder.open_dir(part)?;
    }
    let source = open_source(&file.from)?;
    let temporary = Temporary::new(&folder)?;
    let poured = pour(source, &temporary.file, u64::MAX - 1)?;
    temporary.file.sync_all()?;
    if replaces {
        folder.rename(&temporary.name, &folder, name)?;
    } else {
        put(&folder, &temporary.name, name)?;
    }
    Ok(poured)
}

/// Gives a file its name. Unlike renaming, a hard link fails if somebody has put a file there
/// meanwhile; where there are no hard links, the name is looked at once more.
fn put(folder: &Dir, temporary: &str, name: &str) -> io::Result<()> {
    use io::ErrorKind::{AlreadyExists, NotFound};
    match folder.hard_link(temporary, folder, name) {
        Err(error) if error.kind() != AlreadyExists => match folder.symlink_metadata(name) {
            Err(there) if there.kind() == NotFound => folder.rename(temporary, folder, name),
            _ => Err(AlreadyExists.into()),
        },
        done => done,
    }
}

/// Opens a file whose folder is ours: the file itself must be a regular one, and no link.
fn open_source(path: &Path) -> io::Result<cap_std::fs::File> {
    let no_name = || io::Error::other("it has no name");
    let (folder, name) =
        (path.parent().ok_or_else(no_name)?, path.file_name().ok_or_else(no_name)?);
    let dir = Dir::open_ambient_dir(folder, cap_std::ambient_authority())?;
    super::tree::open_file(&dir, &name.to_string_lossy())
}

/// A file that is being written; gone when dropped, unless it was renamed.
struct Temporary<'a> {
    folder: &'a Dir,
    name: String,
    file: cap_std::fs::File,
}

impl<'a> Temporary<'a> {
    fn new(folder: &'a Dir) -> io::Result<Self> {
        let name = format!("{TEMPORARY_PREFIX}{}", uuid::Uuid::new_v4().simple());
        let file = folder.open_with(&name, OpenOptions::new().write(true).create_new(true))?;
        Ok(Self { folder, name, file })
    }
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        self.folder.remove_file(&self.name).ok();
    }
}

fn listed(paths: &[DatasitePath]) -> String {
    let names: Vec<_> = paths.iter().take(NAMED_MAX).map(|path| format!("`{path}`")).collect();
    match paths.len() - names.len() {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    struct Home(tempfile::TempDir);

    impl Home {
        fn new(files: &[&str]) -> (Self, Vec<ToCopy>) {
            let home = Self(tempfile::tempdir().unwrap());
            let files = files.iter().map(|name| {
                let from = home.0.path().join("from").join(name);
                std::fs::create_dir_all(from.parent().unwrap()).unwrap();
                std::fs::write(&from, format!("new {name}")).unwrap();
                ToCopy { from, to: DatasitePath::parse(name).unwrap() }
            });
            let files = files.collect();
            (home, files)
        }

        fn to(&self) -> PathBuf {
            self.0.path().join("to")
        }

        fn at(&self, path: &str) -> Option<String> {
            std::fs::read_to_string(self.to().join(path)).ok()
        }

        /// All that lies in the folder.
        fn names(&self) -> Vec<String> {
            let mut names: Vec<_> = std::fs::read_dir(self.to())
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            names
        }
    }

    #[test]
    fn files_are_copied_with_their_size_and_digest() {
        let (home, files) = Home::new(&["a", "deep/er/b"]);
        let export = export(&files, &home.to(), false).unwrap();
        assert_eq!(home.at("a").as_deref(), Some("new a"));
        assert_eq!(home.at("deep/er/b").as_deref(), Some("new deep/er/b"));
        assert_eq!((export.files[0].size, export.files[0].digest), (5, Digest::of(b"new a")));
        assert_eq!(home.names(), ["a", "deep"], "no temporary file stays");
    }

    #[test]
    fn what_is_there_stays_and_then_nothing_is_written() {
        let (home, files) = Home::new(&["a", "b", "c/d"]);
        std::fs::create_dir_all(home.to().join("b")).unwrap();
        std::fs::write(home.to().join("c"), "old").unwrap();
        let error = export(&files, &home.to(), true).unwrap_err().to_string();
        assert_eq!(error, "there already: `b`, `c/d`");
        assert_eq!(home.names(), ["b", "c"], "nothing was written");
        let (home, files) = Home::new(&["a"]);
        std::fs::create_dir_all(home.to()).unwrap();
        std::fs::write(home.to().join("a"), "old").unwrap();
        assert!(matches!(export(&files, &home.to(), false), Err(ExportError::Exists { .. })));
        assert_eq!(home.at("a").as_deref(), Some("old"));
        export(&files, &home.to(), true).unwrap();
        assert_eq!(home.at("a").as_deref(), Some("new a"));
    }

    #[test]
    fn no_link_leads_out_of_the_folder() {
        let (home, files) = Home::new(&["a", "sub/b"]);
        let outside = home.0.path().join("outside");
        std::fs::create_dir_all(&outside).unwrap();
        std::fs::write(outside.join("kept"), "kept").unwrap();
        std::fs::create_dir_all(home.to()).unwrap();
        symlink(outside.join("kept"), home.to().join("a")).unwrap();
        symlink(&outside, home.to().join("sub")).unwrap();
        assert!(export(&files, &home.to(), true).is_err(), "a link is no folder");
        export(&files[..1], &home.to(), true).unwrap();
        assert_eq!(std::fs::read_to_string(outside.join("kept")).unwrap(), "kept");
        assert_eq!(home.at("a").as_deref(), Some("new a"), "the link itself was replaced");
        assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 1);
    }

    #[test]
    fn hidden_files_and_links_among_the_sources_are_left_out() {
        let (home, mut files) = Home::new(&[".bashrc", "x/.ssh/authorized_keys", "a"]);
        let done = export(&files, &home.to(), false).unwrap();
        assert_eq!((done.files.len(), done.left_out.len()), (1, 2));
        assert_eq!(home.names(), ["a"]);
        let link = home.0.path().join("from/link");
        symlink("/etc/passwd", &link).unwrap();
        files = vec![ToCopy { from: link, to: DatasitePath::parse("link").unwrap() }];
        assert!(export(&files, &home.to(), false).is_err());
        assert_eq!(home.names(), ["a"]);
    }
}
