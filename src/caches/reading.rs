//! Reads files and works out their digests, on all processors.
//!
//! A first look at a datasite is all hashing, and one processor does not keep a disk busy. There are
//! at most [`THREADS_MAX`] threads with a buffer each, whatever the files hold. Each takes some files
//! that lie together at a time, so that many small ones cost no more than one by one.

use std::io::{self, Read as _};
use std::ops::Range;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use cap_fs_ext::{FollowSymlinks, OpenOptionsFollowExt as _};
use cap_std::fs::{Dir, OpenOptions};
use sha2::{Digest as _, Sha256};

use super::stats::Stat;
use super::tree::{DatasiteTree, set_nonblocking};
use crate::model::{DatasitePath, Digest};
use crate::wire::limits::FILE_BYTES_MAX;

/// How many threads read at once: more than that and a disk is the limit.
const THREADS_MAX: usize = 8;

/// How much of a file is held at once.
const BUFFER_BYTES: usize = 128 * 1024;

/// How many files one thread takes at a time, if they are small.
const FILES_AT_A_TIME: usize = 64;

/// About how many bytes one thread takes at a time.
const BYTES_AT_A_TIME: i64 = 1024 * 1024;

/// A file to be read.
#[derive(Debug)]
pub(super) struct Unread {
    pub(super) path: DatasitePath,
    /// How large it seems to be.
    pub(super) size: i64,
}

/// What came of reading a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was so before and after it was read.
    Whole { stat: Stat, digest: Digest },
    /// It changed meanwhile.
    Changed,
}

/// Called when a file was read and before it is looked at again.
pub(super) type AfterReading<'a> = &'a (dyn Fn(&str) + Sync);

/// Reads `files`; what came of each stands at its place.
///
/// An error says that a file is not there, has more than [`FILE_BYTES_MAX`] bytes, or what the disk says.
pub(super) fn read(
    tree: &DatasiteTree,
    files: &[Unread],
    after_reading: AfterReading<'_>,
) -> Vec<io::Result<Outcome>> {
    let parts = parts(files);
    let next = AtomicUsize::new(0);
    let work = || {
        let mut reader = Reader { tree, folder: None, buffer: vec![0; BUFFER_BYTES] };
        let mut done = Vec::new();
        while let Some(part) = parts.get(next.fetch_add(1, Ordering::Relaxed)) {
            let files = files.get(part.clone()).unwrap_or_default();
            let outcomes = files.iter().map(|file| reader.read(&file.path, after_reading));
            done.push((part.start, outcomes.collect::<Vec<_>>()));
        }
        done
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let threads = threads.min(THREADS_MAX).min(parts.len());
    let mut done = thread::scope(|scope| {
        // Where there are no more threads to be had, this one does it all.
        let others: Vec<_> = (1..threads)
            .filter_map(|_| thread::Builder::new().spawn_scoped(scope, work).ok())
            .collect();
        let mut done = if parts.is_empty() { Vec::new() } else { work() };
        for other in others {
            done.extend(other.join().unwrap_or_else(|panic| resume_unwind(panic)));
        }
        done
    });
    done.sort_unstable_by_key(|(start, _)| *start);
    done.into_iter().flat_map(|(_, outcomes)| outcomes).collect()
}

/// Divides files, in order, into what one thread takes at a time. No part is empty.
fn parts(files: &[Unread]) -> Vec<Range<usize>> {
    let (mut parts, mut bytes) = (Vec::<Range<usize>>::new(), 0_i64);
    for (place, file) in files.iter().enumerate() {
        bytes = bytes.saturating_add(file.size);
        match parts.last_mut() {
            Some(part) if part.len() < FILES_AT_A_TIME && bytes <= BYTES_AT_A_TIME => {
                part.end = place + 1;
            }
            _ => {
                parts.push(place..place + 1);
                bytes = file.size;
            }
        }
    }
    parts
}

/// Reads files one after the other, and keeps the folder open in which it read last.
struct Reader<'a> {
    tree: &'a DatasiteTree,
    folder: Option<(Option<DatasitePath>, Dir)>,
    buffer: Vec<u8>,
}

impl Reader<'_> {
    fn read(&mut self, path: &DatasitePath, after: AfterReading<'_>) -> io::Result<Outcome> {
        let mut options = OpenOptions::new();
        options.read(true).follow(FollowSymlinks::No);
        set_nonblocking(&mut options);
        let mut file = self.folder_of(path)?.open_with(path.file_name(), &options)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Ok(Outcome::Changed); // It was one when its folder was read.
        }
        let before = Stat::of(&metadata);
        let (mut hasher, mut size) = (Sha256::new(), 0);
        loop {
            let count = file.read(&mut self.buffer)?;
            if count == 0 {
                break;
            }
            size += count as u64;
            if size > FILE_BYTES_MAX {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
            hasher.update(self.buffer.get(..count).unwrap_or_default());
        }
        after(path.as_str());
        let stat = Stat::of(&file.metadata()?);
        if stat != before {
            return Ok(Outcome::Changed);
        }
        Ok(Outcome::Whole { stat, digest: Digest::from_bytes(hasher.finalize().into()) })
    }

    fn folder_of(&mut self, path: &DatasitePath) -> io::Result<&Dir> {
        let parent = path.parent();
        let folder = match self.folder.take() {
            Some((known, folder)) if known == parent => folder,
            _ => self.tree.parent_of(path)?,
        };
        Ok(&self.folder.insert((parent, folder)).1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(number: usize, size: i64) -> Unread {
        let path = DatasitePath::parse(&format!("d{}/f{number}", number % 3)).unwrap();
        Unread { path, size }
    }

    #[test]
    fn files_are_divided_in_order_and_a_large_one_is_taken_alone() {
        const LARGE: i64 = BYTES_AT_A_TIME;
        #[rustfmt::skip]
        let cases: [(&str, Vec<i64>, Vec<usize>); 6] = [
            // what                    sizes                              parts
            ("nothing",                vec![],                            vec![]),
            ("one",                    vec![0],                           vec![1]),
            ("many small ones",        vec![1; 2 * FILES_AT_A_TIME + 1],  vec![64, 64, 1]),
            ("large ones",             vec![LARGE, LARGE, i64::MAX],      vec![1, 1, 1]),
            ("a small one beside",     vec![1, LARGE, 1, 1],              vec![1, 1, 2]),
            ("halves",                 vec![LARGE / 2; 5],                vec![2, 2, 1]),
        ];
        for (what, sizes, wanted) in cases {
            let files: Vec<Unread> = sizes.into_iter().map(|size| file(0, size)).collect();
            let parts = parts(&files);
            assert_eq!(parts.iter().map(Range::len).collect::<Vec<_>>(), wanted, "{what}");
            assert_eq!(parts.iter().map(Range::len).sum::<usize>(), files.len(), "{what}");
            assert!(parts.windows(2).all(|two| two[0].end == two[1].start), "{what}");
        }
    }

    #[test]
    fn what_came_of_each_file_stands_at_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let tree = DatasiteTree::open(folder.path()).unwrap();
        let files: Vec<Unread> = (0..1000).map(|number| file(number, 0)).collect();
        for (number, file) in files.iter().enumerate().filter(|(number, _)| number % 7 != 0) {
            let place = file.path.below(folder.path());
            std::fs::create_dir_all(place.parent().unwrap()).unwrap();
            // More than a buffer holds, now and then.
            let content = number.to_string().repeat(if number % 100 == 1 { 100_000 } else { 1 });
            std::fs::write(place, content).unwrap();
        }
        let outcomes = read(&tree, &files, &|_| {});
        assert_eq!(outcomes.len(), files.len());
        for (number, outcome) in outcomes.into_iter().enumerate() {
            let content = number.to_string().repeat(if number % 100 == 1 { 100_000 } else { 1 });
            match outcome {
                Ok(Outcome::Whole { digest, .. }) => {
                    assert_eq!(digest, Digest::of(content.as_bytes()), "{number}");
                }
                outcome => {
                    let kind = outcome.unwrap_err().kind();
                    assert_eq!((kind, number % 7), (io::ErrorKind::NotFound, 0), "{number}");
                }
            }
        }
    }

    #[cfg(unix)]
    #[test]
    fn what_took_the_place_of_a_file_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("secret"), "secret").unwrap();
        std::fs::create_dir_all(folder.path().join("box/folder")).unwrap();
        let tree = DatasiteTree::open(&folder.path().join("box")).unwrap();
        std::os::unix::fs::symlink("../secret", tree.root().join("link")).unwrap();
        let files = ["folder", "link"]
            .map(|name| Unread { path: DatasitePath::parse(name).unwrap(), size: 1 });
        let outcomes = read(&tree, &files, &|_| panic!("nothing is read"));
        assert!(matches!(outcomes[0], Ok(Outcome::Changed)), "{outcomes:?}");
        assert!(outcomes[1].is_err(), "{outcomes:?}");
    }
}
