//! Who may know what, and who does.
//!
//! Every content of the simulation carries a mark of its own. A scientist may know a mark that it
//! made itself, and one that stood in a file of the owner's disk while it was a peer and the rules on
//! that disk let it read the file. Whenever something is put on the drive, all that each scientist can read is taken
//! apart and searched: a mark that it may not know is a leak, also if it is gone a call later.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::sync::{Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use syft::connections::{Connection as _, FileId, Memory, MemoryDrive, Query};
use syft::model::Email;
use syft::permissions::{Level, SyftPerm};

use super::disk::{Disk, Files};

const BYTES_MAX: u64 = 64 << 20;

/// Returns the text that marks a content.
pub(crate) fn mark(number: usize) -> String {
    format!("mark-{number}-")
}

/// Who knows, and who may.
#[derive(Debug)]
pub(crate) struct Secrets {
    owner: Email,
    scientists: Vec<Email>,
    /// A session of each scientist that sees everything at once.
    watchers: Vec<Memory>,
    /// The disks of the owner's machines, by their number.
    disks: Vec<Disk>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    allowed: BTreeMap<usize, BTreeSet<usize>>,
    sampled: BTreeMap<usize, Files>,
    /// The scientists that the owner may have let in.
    peers: BTreeSet<usize>,
    leaks: BTreeSet<String>,
    objects: usize,
}

impl Secrets {
    pub(crate) fn new(
        drive: &MemoryDrive,
        owner: &Email,
        scientists: &[Email],
        disks: Vec<Disk>,
    ) -> Self {
        Self {
            owner: owner.clone(),
            scientists: scientists.to_vec(),
            watchers: scientists.iter().map(|who| drive.session(who)).collect(),
            disks,
            state: Mutex::default(),
        }
    }

    /// A scientist may know this from now on.
    pub(crate) fn allow(&self, content: &[u8], scientist: usize) {
        let mut state = self.lock();
        for mark in marks(content) {
            state.allowed.entry(mark).or_default().insert(scientist);
        }
    }

    /// The owner lets a scientist in.
    pub(crate) fn let_in(&self, scientist: usize) {
        let mut state = self.lock();
        state.peers.insert(scientist);
        state.sampled.clear();
    }

    /// The owner has turned a scientist down: nothing new is for it.
    pub(crate) fn turn_down(&self, scientist: usize) {
        let mut state = self.lock();
        state.peers.remove(&scientist);
        state.sampled.clear();
    }

    /// Notes who may know what by what stands on a disk of the owner now.
    pub(crate) fn sample(&self, machine: usize, files: Files) {
        let mut state = self.lock();
        if state.sampled.get(&machine) == Some(&files) {
            return;
        }
        let rules = rules(&self.owner, &files);
        let peers = state.peers.clone();
        for (path, content) in &files {
            for mark in marks(content) {
                for number in &peers {
                    if rules.allows(&self.scientists[*number], path, Level::Read) {
                        state.allowed.entry(mark).or_default().insert(*number);
                    }
                }
            }
        }
        state.sampled.insert(machine, files);
    }

    /// Searches an object on the drive that `machine` has just put there, moved or shared.
    pub(crate) async fn look(&self, id: &FileId, machine: usize) {
        for (number, watcher) in self.watchers.iter().enumerate() {
            let Ok(bytes) = watcher.read(id, BYTES_MAX).await else { continue };
            let found = marks_deep(&bytes);
            self.lock().objects += 1;
            if self.unknown(number, &found).is_empty() {
                continue;
            }
            if let Some(disk) = self.disks.get(machine) {
                self.sample(machine, disk.files());
            }
            for mark in self.unknown(number, &found) {
                let who = &self.scientists[number];
                self.lock().leaks.insert(format!("{who} can read mark {mark} in {id}"));
            }
        }
    }

    /// Searches everything that any scientist can see.
    pub(crate) async fn look_at_everything(&self) {
        for watcher in &self.watchers {
            for entry in watcher.find(&Query::default()).await.unwrap() {
                self.look(&entry.id, usize::MAX).await;
            }
        }
    }

    /// Returns what was found so far.
    pub(crate) fn leaks(&self) -> Vec<String> {
        self.lock().leaks.iter().cloned().collect()
    }

    /// How many objects were searched.
    pub(crate) fn objects(&self) -> usize {
        self.lock().objects
    }

    fn unknown(&self, scientist: usize, found: &BTreeSet<usize>) -> Vec<usize> {
        let state = self.lock();
        let may =
            |mark: &usize| state.allowed.get(mark).is_some_and(|who| who.contains(&scientist));
        found.iter().copied().filter(|mark| !may(mark)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the rules of a tree.
pub(crate) fn rules(owner: &Email, files: &Files) -> SyftPerm {
    let found = files.iter().filter_map(|(path, content)| {
        let folder = path.strip_suffix("syft.pub.yaml")?;
        Some((folder.trim_end_matches('/').to_owned(), content.clone()))
    });
    SyftPerm::compile(owner, found).0
}

/// The marks in plain bytes.
pub(crate) fn marks(bytes: &[u8]) -> BTreeSet<usize> {
    let text = String::from_utf8_lossy(bytes);
    let number = |rest: &str| rest.split_once('-').and_then(|(number, _)| number.parse().ok());
    text.split("mark-").skip(1).filter_map(number).collect()
}

/// The marks in whatever form: packed, and in base64.
fn marks_deep(bytes: &[u8]) -> BTreeSet<usize> {
    const GZIP: [u8; 2] = [0x1f, 0x8b];
    let mut plain = Vec::new();
    if bytes.starts_with(&GZIP)
        && flate2::read::MultiGzDecoder::new(bytes).read_to_end(&mut plain).is_ok()
    {
        return marks_deep(&plain);
    }
    let mut found = marks(bytes);
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=".contains(byte);
    const WORTH_TRYING: usize = 12;
    for run in bytes.split(|byte| !is_base64(byte)).filter(|run| run.len() >= WORTH_TRYING) {
        if let Ok(decoded) = STANDARD.decode(run) {
            found.extend(marks(&decoded));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn marks_are_found_however_they_are_wrapped() {
        let inner = format!("{{\"a\":\"{}\",\"b\":\"{}\"}}", mark(7), STANDARD.encode(mark(12)));
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(inner.as_bytes()).unwrap();
        assert_eq!(marks_deep(&packed.finish().unwrap()), BTreeSet::from([7, 12]));
        assert_eq!(marks(mark(3).as_bytes()), BTreeSet::from([3]));
    }
}
