//! Content of files on disk: written to `partial/`, made durable, renamed into `content/`.
//!
//! Content is named by chance, never by what a client sends. What is not finished or not taken up
//! by a row goes away: when its guard is dropped, or at the next start.

use std::{
    collections::HashSet,
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    thread,
};

use md5::Md5;
use rusqlite::Connection;
use sha2::{Digest as _, Sha256};

use super::{Result, ids, sessions};

/// MD5 and SHA-256 of nothing.
pub(crate) const EMPTY_MD5: &str = "d41d8cd98f00b204e9800998ecf8427e";
pub(crate) const EMPTY_SHA256: &str =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Bytes read or written at once.
pub(crate) const BLOCK_BYTES: usize = 1024 * 1024;

/// From so many bytes on, two threads work at a block.
const PARALLEL_BYTES: usize = 256 * 1024;

/// Content up to this size has its MD5 from the start: it costs next to nothing there, and a list of
/// a thousand small files needs none of them read (`sums`).
pub(super) const SMALL_BYTES_MAX: u64 = 64 * 1024;

/// When the MD5 of content is worked out, which takes longer than all else of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Md5When {
    /// As it comes in: whoever sends it wants to be told.
    Now,
    /// When somebody asks for it (`sums`), unless it is small.
    Later,
}

/// Where things lie in the data folder.
#[derive(Debug, Clone)]
pub(crate) struct Folders {
    pub(crate) database: PathBuf,
    pub(crate) content: PathBuf,
    pub(crate) partial: PathBuf,
}

impl Folders {
    pub(crate) fn new(data: &Path) -> Self {
        Self {
            database: data.join("drive.sqlite"),
            content: data.join("content"),
            partial: data.join("partial"),
        }
    }
}

/// Content that is being written; it is removed when dropped, unless it is to be kept.
#[derive(Debug)]
pub(crate) struct Partial {
    id: String,
    path: PathBuf,
    file: File,
    when: Md5When,
    digests: Digests,
    size: u64,
    keep: bool,
}

/// Of what has come so far.
#[derive(Debug, Clone, Default)]
struct Digests {
    /// None once the content is large and nobody waits for it.
    md5: Option<Md5>,
    sha256: Sha256,
}

impl Digests {
    fn new() -> Self {
        Self { md5: Some(Md5::new()), sha256: Sha256::new() }
    }
}

/// Content that is on disk but not yet in a row; it is removed when dropped before [`Stored::keep`].
#[derive(Debug)]
pub(crate) struct Stored {
    /// Name in the content folder; none if there are no bytes.
    pub(crate) id: Option<String>,
    pub(crate) size: u64,
    /// None if it is to be worked out later.
    pub(crate) md5: Option<String>,
    pub(crate) sha256: String,
    path: Option<PathBuf>,
}

impl Partial {
    pub(crate) fn create(folders: &Folders, when: Md5When) -> io::Result<Self> {
        let id = ids::secret();
        let path = folders.partial.join(&id);
        let file = OpenOptions::new().write(true).create_new(true).open(&path)?;
        Ok(Self { id, path, file, when, digests: Digests::new(), size: 0, keep: false })
    }

    /// Opens the content of a session, where an earlier request or process left it, and reads what
    /// is there to know its digests. It is never removed on drop.
    pub(crate) fn resume(folders: &Folders, id: &str, when: Md5When) -> io::Result<Self> {
        let path = folders.partial.join(id);
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path)?;
        let (id, digests) = (id.to_owned(), Digests::new());
        let mut partial = Self { id, path, file, when, digests, size: 0, keep: true };
        let mut block = vec![0; BLOCK_BYTES];
        loop {
            let count = partial.file.read(&mut block)?;
            if count == 0 {
                return Ok(partial);
            }
            partial.forgo_md5(count);
            if let Some(md5) = &mut partial.digests.md5 {
                md5.update(&block[..count]);
            }
            partial.digests.sha256.update(&block[..count]);
            partial.size += count as u64;
        }
    }

    /// Leaves the MD5 for later if so much more makes the content large.
    fn forgo_md5(&mut self, more: usize) {
        if self.when == Md5When::Later && self.size + more as u64 > SMALL_BYTES_MAX {
            self.digests.md5 = None;
        }
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    pub(crate) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let before = self.digests.clone();
        self.forgo_md5(bytes.len());
        if let Err(error) = self.write_and_digest(bytes) {
            // What was written in part must not count: the size is what the digests have seen.
            self.digests = before;
            self.cut().ok();
            return Err(error);
        }
        self.size += bytes.len() as u64;
        Ok(())
    }

    fn write_and_digest(&mut self, bytes: &[u8]) -> io::Result<()> {
        let (mut file, Digests { md5, sha256 }) = (&self.file, &mut self.digests);
        if bytes.len() >= PARALLEL_BYTES
            && let Some(md5) = md5
        {
            // MD5 takes as long as all else together.
            let written = thread::scope(|scope| {
                let other = thread::Builder::new().spawn_scoped(scope, || {
                    sha256.update(bytes);
                    file.write_all(bytes)
                });
                let other = other.ok()?;
                md5.update(bytes);
                Some(other.join().unwrap_or_else(|_| Err(io::ErrorKind::Other.into())))
            });
            if let Some(written) = written {
                return written;
            }
            // There are too many threads: then one after the other.
        }
        if let Some(md5) = md5 {
            md5.update(bytes);
        }
        sha256.update(bytes);
        file.write_all(bytes)
    }

    /// Forgets all bytes, for a client that starts over.
    pub(crate) fn reset(&mut self) -> io::Result<()> {
        (self.digests, self.size) = (Digests::new(), 0);
        self.cut()
    }

    fn cut(&mut self) -> io::Result<()> {
        self.file.set_len(self.size)?;
        self.file.seek(SeekFrom::Start(self.size))?;
        Ok(())
    }

    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    /// Makes the content durable, and gives it its final name, which is durable once the write that
    /// gives it to a file is (`lane`).
    pub(crate) fn finish(mut self, folders: &Folders) -> io::Result<Stored> {
        let Digests { md5, sha256 } = std::mem::take(&mut self.digests);
        let md5 = md5.map(|md5| hex::encode(md5.finalize()));
        let sha256 = hex::encode(sha256.finalize());
        if self.size == 0 {
            fs::remove_file(&self.path)?;
            self.keep = true;
            return Ok(Stored { id: None, size: 0, md5, sha256, path: None });
        }
        self.file.sync_all()?;
        let path = folders.content.join(&self.id);
        if path.exists() {
            // A session that is done already: its content must not change under its file.
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        fs::rename(&self.path, &path)?;
        self.keep = true;
        Ok(Stored { id: Some(self.id.clone()), size: self.size, md5, sha256, path: Some(path) })
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.keep {
            fs::remove_file(&self.path).ok();
        }
    }
}

impl Stored {
    /// The MD5 as a row has it: empty if it is to be worked out later.
    pub(super) fn md5(&self) -> &str {
        self.md5.as_deref().unwrap_or_default()
    }

    /// Says that a committed row names this content.
    pub(crate) fn keep(mut self) {
        self.path = None;
    }
}

impl Drop for Stored {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            fs::remove_file(path).ok();
        }
    }
}

/// Removes content that no file names any more.
pub(super) fn release(connection: &Connection, folders: &Folders, ids: &[String]) -> Result<()> {
    let mut named = connection.prepare_cached("SELECT 1 FROM file WHERE content = ?1")?;
    for id in ids {
        if !named.exists([id])? {
            // A leftover is not worth an error: the next start removes it.
            fs::remove_file(folders.content.join(id)).ok();
        }
    }
    Ok(())
}

/// Removes what a crash left behind: unfinished content without a session, content without a row.
///
/// Content that was renamed for a session whose commit did not happen goes back, so that the
/// upload can still be resumed.
pub(super) fn clean(connection: &Connection, folders: &Folders, now_ms: i64) -> Result<()> {
    sessions::forget_old(connection, folders, now_ms)?;
    let open = names(connection, "SELECT content FROM session WHERE result IS NULL")?;
    let named = names(connection, "SELECT DISTINCT content FROM file WHERE content IS NOT NULL")?;
    for entry in fs::read_dir(&folders.partial)? {
        let entry = entry?;
        if !open.contains(entry.file_name().to_string_lossy().as_ref()) {
            fs::remove_file(entry.path())?;
        }
    }
    for entry in fs::read_dir(&folders.content)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if named.contains(name.as_ref()) {
            continue;
        }
        if open.contains(name.as_ref()) {
            fs::rename(entry.path(), folders.partial.join(name.as_ref()))?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn names(connection: &Connection, sql: &str) -> Result<HashSet<String>> {
    let mut statement = connection.prepare(sql)?;
    let names = statement.query_map([], |row| row.get(0))?;
    Ok(names.collect::<rusqlite::Result<_>>()?)
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use super::super::Store;
    use super::*;

    /// Whoever asked may hang up between the commit and the answer, and nobody takes the result.
    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn content_that_a_row_names_stays_when_nobody_waits_for_the_answer() {
        let data = tempfile::tempdir().unwrap();
        let store = Store::open(data.path()).unwrap();
        let stored = |text: &[u8]| {
            let mut partial = Partial::create(store.folders(), Md5When::Later).unwrap();
            partial.append(text).unwrap();
            let stored = partial.finish(store.folders()).unwrap();
            (stored.path.clone().unwrap(), stored)
        };
        let (committed, content) = stored(b"committed");
        let (begun, is_begun) = std::sync::mpsc::channel();
        let (go_on, may_go_on) = std::sync::mpsc::channel::<()>();
        let mut writing = Box::pin(store.write(move |txn| {
            txn.stored.push(content);
            begun.send(()).unwrap();
            may_go_on.recv().unwrap();
            Ok(())
        }));
        assert!(matches!(futures::poll!(&mut writing), Poll::Pending));
        is_begun.recv().unwrap();
        drop(writing);
        go_on.send(()).unwrap();

        let (refused, content) = stored(b"refused");
        let failed: Result<()> = store
            .write(move |txn| {
                txn.stored.push(content);
                Err(super::super::Error::GivenUp)
            })
            .await;
        assert!(failed.is_err());
        // The second write had to wait for the first.
        assert!(committed.exists(), "it was committed");
        assert!(!refused.exists(), "no row names it");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn what_could_not_be_written_does_not_count() {
        let data = tempfile::tempdir().unwrap();
        super::super::connect(data.path()).unwrap();
        let folders = Folders::new(data.path());
        for size in [10, PARALLEL_BYTES] {
            let mut partial = Partial::create(&folders, Md5When::Now).unwrap();
            partial.append(b"one").unwrap();
            let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
            let file = std::mem::replace(&mut partial.file, full);
            assert!(partial.append(&vec![7; size]).is_err());
            partial.file = file;
            partial.append(b"two").unwrap();
            assert_eq!(partial.size(), 6);
            let stored = partial.finish(&folders).unwrap();
            assert_eq!(stored.md5, Some(hex::encode(Md5::digest(b"onetwo"))), "{size} bytes");
            assert_eq!(stored.sha256, hex::encode(Sha256::digest(b"onetwo")), "{size} bytes");
        }
    }

    #[test]
    fn two_threads_work_out_the_same_digests_as_one() {
        let data = tempfile::tempdir().unwrap();
        super::super::connect(data.path()).unwrap();
        let folders = Folders::new(data.path());
        let bytes: Vec<u8> = (0..PARALLEL_BYTES + 77).map(|at| (at * 31 % 251) as u8).collect();
        let mut partial = Partial::create(&folders, Md5When::Now).unwrap();
        partial.append(&bytes).unwrap();
        partial.append(&bytes[..99]).unwrap();
        let all = [bytes.as_slice(), &bytes[..99]].concat();
        let stored = partial.finish(&folders).unwrap();
        assert_eq!(stored.md5, Some(hex::encode(Md5::digest(&all))));
        assert_eq!(stored.sha256, hex::encode(Sha256::digest(&all)));
        let path = stored.path.clone().unwrap();
        assert!(fs::read(path).unwrap() == all);
    }
    #[test]
    fn large_content_has_an_md5_only_if_it_is_wanted_at_once() {
        let data = tempfile::tempdir().unwrap();
        super::super::connect(data.path()).unwrap();
        let folders = Folders::new(data.path());
        let small = usize::try_from(SMALL_BYTES_MAX).unwrap();
        #[rustfmt::skip]
        let cases = [
            // what          when            pieces               has it
            ("small",        Md5When::Later, vec![small],         true),
            ("in pieces",    Md5When::Later, vec![small - 1, 1],  true),
            ("large",        Md5When::Later, vec![small + 1],     false),
            ("grows large",  Md5When::Later, vec![small, 1],      false),
            ("large, asked", Md5When::Now,   vec![small + 1, 1],  true),
        ];
        for (what, when, pieces, has) in cases {
            let all = vec![7; pieces.iter().sum()];
            let md5 = has.then(|| hex::encode(Md5::digest(&all)));
            let mut partial = Partial::create(&folders, when).unwrap();
            pieces.iter().for_each(|size| partial.append(&vec![7; *size]).unwrap());
            (partial.keep, partial.digests) = (true, Digests::new());
            let id = partial.id.clone();
            drop(partial);
            let mut again = Partial::resume(&folders, &id, when).unwrap();
            assert_eq!(again.digests.md5.is_some(), has, "{what}, read again");
            again.reset().unwrap();
            pieces.iter().for_each(|size| again.append(&vec![7; *size]).unwrap());
            let stored = again.finish(&folders).unwrap();
            assert_eq!(stored.md5, md5, "{what}");
            assert_eq!(stored.sha256, hex::encode(Sha256::digest(&all)), "{what}");
        }
    }
}
