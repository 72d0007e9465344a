//! How much lies in a folder that a stranger still writes to.
//!
//! Invariants: no link is followed, whatever takes the place of what meanwhile, since each folder is
//! opened within the one that it lies in; that way no path is too long either. A folder that was
//! closed to its owner is opened. What cannot be looked into all the same is said to be so, and
//! never counts as nothing. What is moved about during a look can be missed by that look.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, fstat, openat, statat};
use rustix::io::Errno;

/// What lies in a folder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Files, folders and everything else, at any depth.
    pub(crate) entries: u64,
    /// What they take on the disk.
    pub(crate) bytes: u64,
    /// True if something was not looked into: it is too deep, or could not be opened.
    pub(crate) is_partial: bool,
}

/// How deep is looked; what lies deeper is no result of anything. As many descriptors are open.
const DEPTH_MAX: usize = 100;

/// Counts what lies below `folder`; ends early above `entries_max`.
///
/// # Errors
/// If the folder itself cannot be opened.
pub(crate) fn extent(folder: &Path, entries_max: u64) -> io::Result<Extent> {
    let mut found = Extent::default();
    let root = openat(CWD, folder, FOLDER, Mode::empty())?;
    count(root, 0, entries_max, &mut found);
    Ok(found)
}

const FOLDER: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

fn count(folder: OwnedFd, depth: usize, entries_max: u64, found: &mut Extent) {
    let Ok(mut listing) = Dir::new(folder) else {
        found.is_partial = true;
        return;
    };
    while let Some(entry) = listing.read() {
        let (Ok(entry), Ok(folder)) = (entry, listing.fd()) else {
            found.is_partial = true;
            return;
        };
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        found.entries += 1;
        if found.entries > entries_max {
            return;
        }
        let about = match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(about) => about,
            Err(Errno::NOENT) => continue, // gone since it was listed
            Err(_) => {
                found.is_partial = true;
                continue;
            }
        };
        found.bytes += u64::try_from(about.st_blocks).unwrap_or(0) * 512;
        if FileType::from_raw_mode(about.st_mode) != FileType::Directory {
            continue;
        }
        match open(folder, name) {
            _ if depth == DEPTH_MAX => found.is_partial = true,
            Ok(inner) => count(inner, depth + 1, entries_max, found),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {} // something else by now
            Err(_) => found.is_partial = true,
        }
    }
}

/// Opens a folder for a look, also if its owner may not look into it.
fn open(parent: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd, Errno> {
    let opened = openat(parent, name, FOLDER, Mode::empty());
    let is_open =
        |folder: &OwnedFd| fstat(folder).is_ok_and(|about| about.st_mode & 0o500 == 0o500);
    match opened {
        Ok(folder) if is_open(&folder) => Ok(folder),
        Ok(_) | Err(Errno::ACCESS) => {
            // A name could mean something else by now, this handle cannot.
            let handle = openat(parent, name, FOLDER.union(OFlags::PATH), Mode::empty())?;
            let place = format!("/proc/self/fd/{}", handle.as_fd().as_raw_fd());
            rustix::fs::chmod(place, Mode::RWXU)?;
            openat(parent, name, FOLDER, Mode::empty())
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn what_lies_in_a_folder_is_counted_and_links_are_not_followed() {
        let home = tempfile::tempdir().unwrap();
        let outputs = home.path().join("outputs");
        std::fs::create_dir_all(outputs.join("a/b")).unwrap();
        std::fs::write(outputs.join("a/b/file"), vec![1; 1 << 20]).unwrap();
        symlink("/usr", outputs.join("link")).unwrap();
        let found = extent(&outputs, 100).unwrap();
        assert_eq!((found.entries, found.is_partial), (4, false));
        assert!((1 << 20..2 << 20).contains(&found.bytes), "{found:?}");
        assert_eq!(extent(&outputs, 2).unwrap().entries, 3);
        extent(&home.path().join("nothing"), 100).unwrap_err();
        extent(&outputs.join("link"), 100).unwrap_err();
    }

    /// A path that is longer than the system takes is reached step by step.
    #[test]
    fn what_lies_deep_is_counted_or_said_to_be_hidden() {
        let name = "x".repeat(250);
        for (depth, is_partial) in [(40, false), (DEPTH_MAX, false), (DEPTH_MAX + 1, true)] {
            let home = tempfile::tempdir().unwrap();
            let outputs = home.path().join("outputs");
            std::fs::create_dir(&outputs).unwrap();
            let mut folder = openat(CWD, &outputs, FOLDER, Mode::empty()).unwrap();
            for _ in 0..depth {
                rustix::fs::mkdirat(&folder, name.as_str(), Mode::RWXU).unwrap();
                folder = openat(&folder, name.as_str(), FOLDER, Mode::empty()).unwrap();
            }
            let flags = OFlags::CREATE | OFlags::WRONLY;
            let file = openat(&folder, "file", flags, Mode::RUSR).unwrap();
            rustix::io::write(&file, &[1; 4096]).unwrap();
            let found = extent(&outputs, 1_000).unwrap();
            assert_eq!(found.is_partial, is_partial, "{depth}");
            let entries = depth as u64 + u64::from(!is_partial);
            assert_eq!(found.entries, entries, "{depth}");
            crate::jobs::tree::remove(&outputs).unwrap();
        }
    }

    /// As root every folder is open; then this shows only that it is made so for its owner.
    #[test]
    fn a_folder_that_was_closed_is_looked_into() {
        let home = tempfile::tempdir().unwrap();
        for mode in [0o000, 0o400, 0o100, 0o600] {
            let closed = home.path().join(format!("{mode:o}"));
            std::fs::create_dir(&closed).unwrap();
            std::fs::write(closed.join("file"), [1; 4096]).unwrap();
            std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(mode)).unwrap();
        }
        let found = extent(home.path(), 100).unwrap();
        assert_eq!((found.entries, found.is_partial), (8, false));
        for mode in ["0", "400", "100", "600"] {
            let about = home.path().join(mode).metadata().unwrap();
            assert_eq!(about.permissions().mode() & 0o777, 0o700, "{mode}");
        }
    }
}
