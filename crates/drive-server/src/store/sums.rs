//! The MD5 of large content, which is worked out when somebody first asks for it and kept.
//!
//! MD5 is the slowest part of an upload, and hardly anybody asks: SHA-256 is there from the start. An
//! answer that lacks it is [`Error::Lacks`]; who gets that calls [`Store::learn`] and asks again.
//!
//! What a name in the content folder means never changes, so it does not matter who writes it down,
//! when, or how often. It is written only if the bytes still have the SHA-256 that they came with:
//! nobody is told an MD5 of content that the disk has spoilt. One thread works at a time, and ends
//! what it began also if who asked has gone, so that asking again and again costs nothing more.

use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
    sync::Arc,
};

use md5::Md5;
use rusqlite::Connection;
use sha2::{Digest as _, Sha256};

use super::{Error, Result, Store, content::BLOCK_BYTES, files::FileRow};

/// Content that is read before what was found is written down, in bytes and in files.
const TOGETHER_BYTES: u64 = 256 << 20;
const TOGETHER: usize = 1000;

/// Content whose MD5 is wanted and not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lacking {
    content: String,
    size: u64,
    sha256: String,
}

/// Returns the content of files whose MD5 is not known, each once.
pub(crate) fn lacking<'a>(rows: impl IntoIterator<Item = &'a FileRow>) -> Vec<Lacking> {
    let lacks = rows.into_iter().filter(|row| row.md5.is_none()).filter_map(|row| {
        let content = row.content.clone()?;
        Some(Lacking { content, size: row.size, sha256: row.sha256.clone() })
    });
    let mut all: Vec<Lacking> = lacks.collect();
    all.sort_by(|one, other| one.content.cmp(&other.content));
    all.dedup();
    all
}

/// Content that one request was told to lack, and how much more of it may be read for that request.
#[derive(Debug)]
pub(crate) struct Patience {
    left: u64,
    tried: Vec<Lacking>,
}

impl Patience {
    /// As long as it takes for one file, however large.
    pub(crate) fn of_one() -> Self {
        Self { left: u64::MAX, tried: Vec::new() }
    }

    /// For a list of many files: so many bytes that a client does not give up waiting.
    pub(crate) fn of_many() -> Self {
        Self { left: 1 << 30, tried: Vec::new() }
    }

    /// Returns what is to be read now; nothing if it was tried already, or is too much.
    fn take(&mut self, lacking: Vec<Lacking>) -> Vec<Lacking> {
        let fresh = lacking.into_iter().filter(|one| !self.tried.contains(one)).collect::<Vec<_>>();
        let mut now = Vec::new();
        for one in fresh {
            if let Some(left) = self.left.checked_sub(one.size) {
                self.left = left;
                now.push(one);
            }
        }
        self.tried.extend(now.iter().cloned());
        now
    }
}

impl Store {
    /// Works out the MD5 of content as far as `patience` allows, and keeps it.
    ///
    /// False if nothing was done: then it is of no use to ask again, and the answer has to do without.
    /// That is so for what does not fit, what is gone or replaced, and what the disk has spoilt.
    ///
    /// # Errors
    /// If what was found could not be written down.
    pub(crate) async fn learn(
        &self,
        lacking: Vec<Lacking>,
        patience: &mut Patience,
    ) -> Result<bool> {
        let mut rest = patience.take(lacking).into_iter().peekable();
        let any = rest.peek().is_some();
        while rest.peek().is_some() {
            let (mut group, mut bytes) = (Vec::new(), 0);
            while bytes < TOGETHER_BYTES
                && group.len() < TOGETHER
                && let Some(one) = rest.next()
            {
                bytes += one.size;
                group.push(one);
            }
            // Waiting for a turn may be given up; what has begun is not.
            let turn = Arc::clone(&self.inner.sums).acquire_owned().await;
            let store = self.clone();
            let learning = tokio::spawn(async move {
                let done = store.learn_some(group).await;
                drop(turn);
                done
            });
            learning.await.map_err(|_| Error::GivenUp)??;
        }
        Ok(any)
    }

    async fn learn_some(&self, group: Vec<Lacking>) -> Result<()> {
        // Whoever was before may have been asked for the same.
        let group = self.read(move |c| still_lacking(c, group)).await?;
        let folder = self.folders().content.clone();
        let found = tokio::task::spawn_blocking(move || {
            let found = group.into_iter().filter_map(|one| {
                // What cannot be read has no MD5; the others do.
                let md5 = digest(&folder, &one).ok().flatten()?;
                Some((one.content, md5))
            });
            found.collect::<Vec<_>>()
        });
        let found = found.await.map_err(|_| Error::GivenUp)?;
        if found.is_empty() {
            return Ok(());
        }
        self.write(move |txn| {
            let mut write = txn
                .tx
                .prepare_cached("UPDATE file SET md5 = ?2 WHERE content = ?1 AND md5 = ''")?;
            for (content, md5) in &found {
                write.execute([content, md5])?;
            }
            Ok(())
        })
        .await
    }
}

fn still_lacking(connection: &Connection, group: Vec<Lacking>) -> Result<Vec<Lacking>> {
    let mut lacks =
        connection.prepare_cached("SELECT 1 FROM file WHERE content = ?1 AND md5 = ''")?;
    let mut out = Vec::with_capacity(group.len());
    for one in group {
        if lacks.exists([&one.content])? {
            out.push(one);
        }
    }
    Ok(out)
}

/// Reads content; none if its bytes are not those that came.
fn digest(folder: &Path, one: &Lacking) -> io::Result<Option<String>> {
    let mut file = File::open(folder.join(&one.content))?;
    let (mut md5, mut sha256) = (Md5::new(), Sha256::new());
    let mut block = vec![0; BLOCK_BYTES.min(usize::try_from(one.size).unwrap_or(BLOCK_BYTES) + 1)];
    loop {
        let count = match file.read(&mut block) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        md5.update(&block[..count]);
        sha256.update(&block[..count]);
    }
    let same = hex::encode(sha256.finalize()) == one.sha256;
    Ok(same.then(|| hex::encode(md5.finalize())))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::store::{
        content::{Md5When, Partial},
        edit::{self, Content, Metadata},
        ids, in_transaction,
        tokens::{self, Me},
    };

    const LARGE: usize = 100_000;

    struct World {
        data: tempfile::TempDir,
        store: Store,
        me: Me,
    }

    impl World {
        async fn new() -> Self {
            let data = tempfile::tempdir().unwrap();
            let mut connection = super::super::connect(data.path()).unwrap();
            in_transaction(&mut connection, 1, |txn| {
                let me = tokens::ensure_account(txn, "a@x")?;
                tokens::add_secret(txn, me, "secret")
            })
            .unwrap();
            let me = tokens::holder(&connection, ids::hash("secret"), 1).unwrap().unwrap().me;
            let store = Store::open(data.path()).unwrap();
            Self { data, store, me }
        }

        /// A file of some bytes; returns its row as it is then.
        async fn create(&self, bytes: &[u8]) -> FileRow {
            let mut partial = Partial::create(self.store.folders(), Md5When::Later).unwrap();
            partial.append(bytes).unwrap();
            let stored = partial.finish(self.store.folders()).unwrap();
            let me = self.me.clone();
            let created = self.store.write(move |txn| {
                let content = Some(Content { stored: &stored, mime: None });
                let row = edit::create(txn, &me, &Metadata::default(), content)?;
                txn.stored.push(stored);
                Ok(row)
            });
            created.await.unwrap()
        }

        async fn md5(&self, row: &FileRow) -> Option<String> {
            let (me, seq) = (self.me.clone(), row.seq);
            let read = self.store.read(move |c| super::super::files::by_seq(c, &me, seq));
            read.await.unwrap().md5
        }

        async fn learn(&self, rows: &[&FileRow], patience: &mut Patience) -> bool {
            self.store.learn(lacking(rows.iter().copied()), patience).await.unwrap()
        }
    }

    #[tokio::test]
    async fn it_is_worked_out_once_for_all_files_of_the_same_content() {
        let world = World::new().await;
        let row = world.create(&[7; LARGE]).await;
        assert_eq!(row.md5, None);
        let (me, id) = (world.me.clone(), row.id.clone());
        let copying = world.store.write(move |txn| edit::copy(txn, &me, &id, &Metadata::default()));
        let copy = copying.await.unwrap();
        assert_eq!(copy.md5, None);
        assert_eq!(lacking([&row, &copy]).len(), 1, "they have the same content");
        assert!(world.learn(&[&row], &mut Patience::of_one()).await);
        let md5 = Some(hex::encode(Md5::digest([7; LARGE])));
        assert_eq!(world.md5(&row).await, md5);
        assert_eq!(world.md5(&copy).await, md5);
        // It is not read again: there is nothing to be read.
        fs::remove_file(world.store.folders().content.join(row.content.unwrap())).unwrap();
        assert!(world.learn(&[&copy], &mut Patience::of_one()).await);
        assert_eq!(world.md5(&copy).await, md5);
    }

    #[tokio::test]
    async fn what_is_gone_or_spoilt_has_none_and_holds_nobody_up() {
        let world = World::new().await;
        let (gone, spoilt, fine) = (
            world.create(&[1; LARGE]).await,
            world.create(&[2; LARGE]).await,
            world.create(&[3; LARGE]).await,
        );
        let path =
            |row: &FileRow| world.store.folders().content.join(row.content.as_ref().unwrap());
        fs::remove_file(path(&gone)).unwrap();
        fs::write(path(&spoilt), [9; LARGE]).unwrap();
        let mut patience = Patience::of_many();
        assert!(world.learn(&[&gone, &spoilt, &fine], &mut patience).await);
        assert_eq!(world.md5(&gone).await, None);
        assert_eq!(world.md5(&spoilt).await, None);
        assert_eq!(world.md5(&fine).await, Some(hex::encode(Md5::digest([3; LARGE]))));
        assert!(!world.learn(&[&gone, &spoilt], &mut patience).await, "they were tried");
        drop(world.data);
    }

    #[tokio::test]
    async fn who_asked_may_go_and_what_was_begun_is_ended() {
        let world = World::new().await;
        let row = world.create(&[7; LARGE]).await;
        let mut patience = Patience::of_one();
        {
            let mut learning = Box::pin(world.store.learn(lacking([&row]), &mut patience));
            // It has its turn and has begun; nobody waits for it any more.
            assert!(futures::poll!(&mut learning).is_pending());
        }
        // The next one's turn comes after that.
        drop(world.store.inner.sums.acquire().await.unwrap());
        assert!(world.md5(&row).await.is_some());
    }

    #[test]
    fn a_list_reads_so_much_and_no_more_and_nothing_twice() {
        let one = |name: &str, size| Lacking { content: name.into(), size, sha256: "s".into() };
        let names = |all: Vec<Lacking>| all.into_iter().map(|one| one.content).collect::<Vec<_>>();
        let mut patience = Patience::of_many();
        let most = patience.left;
        let first = vec![one("a", most / 2), one("b", most), one("c", most / 2)];
        assert_eq!(names(patience.take(first.clone())), ["a", "c"]);
        assert!(patience.take(first).is_empty());
        assert_eq!(names(Patience::of_one().take(vec![one("b", 5 << 40)])), ["b"]);
    }
}
