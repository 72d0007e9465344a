//! Lists a folder in the order of paths, so that a walk of a tree meets its files in the order in
//! which a database gives them: two sorted lists are compared in one go, and neither need be held.
//!
//! A folder stands where what is in it stands: `a-b` comes before what is in `a`, since `-` comes
//! before `/`. What a folder lists twice while it changes is listed once.

use std::cmp::Ordering;
use std::io;

use cap_std::fs::Dir;

/// What a folder holds.
#[derive(Debug, Default)]
pub(super) struct Listed {
    names: Vec<u8>,
    entries: Vec<Entry>,
}

/// What a folder says that a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EntryKind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A link, a pipe or a device.
    Special,
    /// It cannot be looked at.
    Unknown(io::ErrorKind),
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// What comes first in its path, by which most names differ.
    first: u64,
    start: u32,
    end: u32,
    kind: EntryKind,
}

impl Listed {
    /// Lists a folder. With an error comes what was listed before it.
    pub(super) fn of(folder: &Dir) -> (Self, Option<io::Error>) {
        let mut listed = Self::default();
        let error = read(folder, &mut listed).err();
        listed.sort();
        (listed, error)
    }

    /// Returns the names in order, and what they stand for.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&[u8], EntryKind)> {
        self.entries.iter().map(|entry| (self.name(entry), entry.kind))
    }

    fn name(&self, entry: &Entry) -> &[u8] {
        self.names.get(entry.start as usize..entry.end as usize).unwrap_or_default()
    }

    fn add(&mut self, name: &[u8], kind: EntryKind) -> io::Result<()> {
        let too_many = |_| io::Error::from(io::ErrorKind::OutOfMemory);
        let start = u32::try_from(self.names.len()).map_err(too_many)?;
        self.names.extend_from_slice(name);
        let end = u32::try_from(self.names.len()).map_err(too_many)?;
        self.entries.push(Entry { first: first(name, kind), start, end, kind });
        Ok(())
    }

    fn sort(&mut self) {
        let mut entries = std::mem::take(&mut self.entries);
        entries.sort_unstable_by(|one, other| {
            one.first
                .cmp(&other.first)
                .then_with(|| order((self.name(one), one.kind), (self.name(other), other.kind)))
        });
        entries.dedup_by(|one, other| self.name(one) == self.name(other));
        self.entries = entries;
    }
}

/// The first bytes of the paths of what has this name, so that their order is the order of numbers.
/// What is shorter ends in zeros, which no name holds.
fn first(name: &[u8], kind: EntryKind) -> u64 {
    const BYTES: usize = size_of::<u64>();
    let mut first = [0; BYTES];
    let length = name.len().min(BYTES);
    first[..length].copy_from_slice(&name[..length]);
    if kind == EntryKind::Folder && length < BYTES {
        first[length] = b'/';
    }
    u64::from_be_bytes(first)
}

/// The order of the paths of what has these names.
fn order((one, of_one): (&[u8], EntryKind), (other, of_other): (&[u8], EntryKind)) -> Ordering {
    let common = one.len().min(other.len());
    let (first, rest) = one.split_at(common);
    let (other_first, other_rest) = other.split_at(common);
    let slash = |kind: EntryKind| if kind == EntryKind::Folder { Some(&b'/') } else { None };
    first
        .cmp(other_first)
        .then_with(|| rest.first().or(slash(of_one)).cmp(&other_rest.first().or(slash(of_other))))
}

#[cfg(target_os = "linux")]
fn read(folder: &Dir, listed: &mut Listed) -> io::Result<()> {
    use rustix::fs::{FileType, Mode, OFlags, RawDir, openat};

    // A directory handle may be one that only names a place; this opens it for reading.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened = openat(folder, ".", flags, Mode::empty())?;
    // The longest name has 255 bytes.
    let mut buffer = Vec::with_capacity(32 * 1024);
    let mut names = RawDir::new(opened, buffer.spare_capacity_mut());
    while let Some(entry) = names.next() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if matches!(name, b"." | b"..") {
            continue;
        }
        let kind = match entry.file_type() {
            FileType::RegularFile => EntryKind::File,
            FileType::Directory => EntryKind::Folder,
            // Some file systems do not say.
            FileType::Unknown => ask(folder, entry.file_name()),
            _ => EntryKind::Special,
        };
        listed.add(name, kind)?;
    }
    Ok(())
}

#[cfg(target_os = "linux")]
fn ask(folder: &Dir, name: &std::ffi::CStr) -> EntryKind {
    use rustix::fs::{AtFlags, FileType, statat};

    match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => EntryKind::File,
            FileType::Directory => EntryKind::Folder,
            _ => EntryKind::Special,
        },
        Err(error) => EntryKind::Unknown(error.kind()),
    }
}

#[cfg(not(target_os = "linux"))]
fn read(folder: &Dir, listed: &mut Listed) -> io::Result<()> {
    for entry in folder.entries()? {
        let entry = entry?;
        let kind = match entry.file_type() {
            Ok(kind) if kind.is_dir() => EntryKind::Folder,
            Ok(kind) if kind.is_file() => EntryKind::File,
            Ok(_) => EntryKind::Special,
            Err(error) => EntryKind::Unknown(error.kind()),
        };
        // What is no text stays none.
        listed.add(entry.file_name().as_encoded_bytes(), kind)?;
    }
    Ok(())
}

/// Where a walk is: the path of a folder, and of what is looked at in it.
#[derive(Debug, Default)]
pub(super) struct At(String);

impl At {
    /// Goes to `name` in the folder; what it returns leads back.
    pub(super) fn enter(&mut self, name: &str) -> usize {
        let length = self.0.len();
        if length > 0 {
            self.0.push('/');
        }
        self.0.push_str(name);
        length
    }

    /// Goes back to the folder.
    pub(super) fn leave(&mut self, length: usize) {
        self.0.truncate(length);
    }

    /// Returns the path.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use cap_std::ambient_authority;

    use super::*;

    #[test]
    fn what_is_listed_stands_in_the_order_of_its_paths() {
        let folder = tempfile::tempdir().unwrap();
        #[rustfmt::skip]
        let files = [
            "a/x", "a-b", "a.txt", "ab/y", "a!", "b", "B", "c/z", "c", "uni-\u{e9}",
            // As long as what is compared first, and longer.
            "abcdefg/x", "abcdefg-", "abcdefg0", "abcdefgh/x", "abcdefgh-", "abcdefgh0", "abcdefgh-9",
            "abcdefghi/x", "abcdefghi-",
        ];
        for file in files {
            let file = folder.path().join(file);
            if std::fs::create_dir_all(file.parent().unwrap()).is_ok() {
                std::fs::write(&file, "").ok();
            }
        }
        let dir = Dir::open_ambient_dir(folder.path(), ambient_authority()).unwrap();
        let (listed, error) = Listed::of(&dir);
        assert!(error.is_none());
        let paths: Vec<String> = listed
            .entries()
            .map(|(name, kind)| {
                let name = str::from_utf8(name).unwrap();
                if kind == EntryKind::Folder { format!("{name}/x") } else { name.to_owned() }
            })
            .collect();
        let mut sorted = paths.clone();
        sorted.sort_unstable();
        assert_eq!(paths, sorted);
        assert_eq!(paths.len(), std::fs::read_dir(folder.path()).unwrap().count());
    }

    #[test]
    fn what_a_changing_folder_lists_twice_is_listed_once() {
        let mut listed = Listed::default();
        for (name, kind) in
            [("b", EntryKind::File), ("a", EntryKind::Folder), ("b", EntryKind::File)]
        {
            listed.add(name.as_bytes(), kind).unwrap();
        }
        listed.sort();
        let names: Vec<&[u8]> = listed.entries().map(|(name, _)| name).collect();
        assert_eq!(names, [b"a", b"b"]);
    }

    #[cfg(unix)]
    #[test]
    fn each_kind_is_told_and_asked_for_where_the_folder_does_not_say() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("file"), "").unwrap();
        std::fs::create_dir(folder.path().join("folder")).unwrap();
        std::os::unix::fs::symlink("file", folder.path().join("link")).unwrap();
        let dir = Dir::open_ambient_dir(folder.path(), ambient_authority()).unwrap();
        let (listed, _) = Listed::of(&dir);
        let kinds: Vec<EntryKind> = listed.entries().map(|(_, kind)| kind).collect();
        assert_eq!(kinds, [EntryKind::File, EntryKind::Folder, EntryKind::Special]);
        #[cfg(target_os = "linux")]
        {
            let asked = [c"file", c"folder", c"link", c"gone"].map(|name| ask(&dir, name));
            let gone = EntryKind::Unknown(io::ErrorKind::NotFound);
            assert_eq!(asked, [EntryKind::File, EntryKind::Folder, EntryKind::Special, gone]);
        }
    }
}
