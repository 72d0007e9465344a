//! What a watch perceives of this machine: its clocks, chance, and the notifications of its file
//! system.
//!
//! Decides nothing but which notifications matter. Invariant: what is kept of notifications is
//! bounded, however many there are.

use std::collections::HashSet;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use notify::event::{AccessKind, AccessMode, ModifyKind, RenameMode};
use notify::{ErrorKind, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;

use super::looking;
use super::plan::{Moment, QUIET};
use crate::client::{Clock, SystemClock};

/// What a watch perceives. A test winds all of it by hand.
#[async_trait]
pub trait Senses: std::fmt::Debug + Send {
    /// Returns what time it is.
    fn now(&mut self) -> Moment;

    /// Returns a number from 0 to 1, another one each time.
    fn chance(&mut self) -> f64;

    /// Listens for changes below `folder` from now on; nothing happens if it does already.
    fn listen(&mut self, folder: &Path) -> Listening;

    /// Waits until something is heard, for `limit` at the longest. Nothing that is heard between
    /// two calls is lost.
    async fn wait(&mut self, limit: Duration) -> Option<Heard>;

    /// Looks whether a file below `folder` was written just now: what is done where nothing is heard.
    fn is_restless(&mut self, folder: &Path) -> bool;
}

/// Whether changes are heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listening {
    /// They are.
    Yes,
    /// There is no such folder (yet).
    NoFolder,
    /// They are not, or not all; for a person.
    No(String),
}

/// What was heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Files changed. `writing`: one of them is still open.
    Changed {
        /// True if somebody goes on writing.
        writing: bool,
    },
    /// From now on not everything is heard; for a person.
    Deaf(String),
}

/// This machine.
#[derive(Debug)]
pub struct Machine {
    started: Instant,
    ear: Arc<Ear>,
    listener: Option<Listener>,
}

#[derive(Debug)]
struct Listener {
    folder: PathBuf,
    identity: Option<Identity>,
    _watcher: RecommendedWatcher,
}

/// Tells a folder from another one that took its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
}

/// Where notifications arrive, from a thread of their own.
#[derive(Debug, Default)]
struct Ear {
    sounds: Mutex<Sounds>,
    bell: Notify,
}

#[derive(Debug, Default)]
struct Sounds {
    changed: bool,
    deaf: Option<String>,
    /// Files that were written into and not closed since.
    open: HashSet<PathBuf>,
}

/// How many open files are remembered; of more it is not known that they are open.
const OPEN_MAX: usize = 4096;

impl Default for Machine {
    fn default() -> Self {
        Self { started: Instant::now(), ear: Arc::default(), listener: None }
    }
}

#[async_trait]
impl Senses for Machine {
    fn now(&mut self) -> Moment {
        Moment { awake: self.started.elapsed(), wall: SystemClock.now() }
    }

    fn chance(&mut self) -> f64 {
        rand::random()
    }

    fn listen(&mut self, folder: &Path) -> Listening {
        let identity = Identity::of(folder);
        let listens =
            |listener: &Listener| listener.folder == folder && listener.identity == identity;
        if self.listener.as_ref().is_some_and(listens) {
            return Listening::Yes;
        }
        self.listener = None;
        self.ear.sounds().open.clear();
        if !folder.is_dir() {
            return Listening::NoFolder;
        }
        match hear(folder, Arc::clone(&self.ear)) {
            Ok(watcher) => {
                let folder = folder.to_owned();
                self.listener = Some(Listener { folder, identity, _watcher: watcher });
                Listening::Yes
            }
            Err(error) => Listening::No(reason(&error)),
        }
    }

    async fn wait(&mut self, limit: Duration) -> Option<Heard> {
        tokio::time::timeout(limit, async {
            loop {
                // Whoever rings while nobody waits leaves a permit, so nothing is missed.
                if let Some(heard) = self.ear.sounds().take() {
                    return heard;
                }
                self.ear.bell.notified().await;
            }
        })
        .await
        .ok()
    }

    fn is_restless(&mut self, folder: &Path) -> bool {
        let now = SystemClock.now().micros();
        looking::newest_micros(folder).is_some_and(|newest| {
            let age = u64::try_from(now.saturating_sub(newest)).ok();
            age.is_some_and(|age| Duration::from_micros(age) < QUIET)
        })
    }
}

impl Ear {
    fn sounds(&self) -> MutexGuard<'_, Sounds> {
        self.sounds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn notice(&self, root: &Path, event: notify::Result<Event>) {
        if self.sounds().notice(root, event) {
            self.bell.notify_one();
        }
    }
}

impl Sounds {
    /// Notes what was notified. True if somebody should be woken.
    fn notice(&mut self, root: &Path, event: notify::Result<Event>) -> bool {
        let event = match event {
            Ok(event) => event,
            Err(error) => {
                self.deaf = Some(reason(&error));
                self.changed = true;
                return true;
            }
        };
        let lost = event.need_rescan();
        let paths = event.paths.iter().filter(|path| is_content(root, path));
        let paths: Vec<&PathBuf> = paths.collect();
        if paths.is_empty() && !lost {
            return false;
        }
        let matters = match event.kind {
            EventKind::Access(AccessKind::Close(AccessMode::Write)) => {
                paths.iter().any(|path| self.open.remove(*path))
            }
            EventKind::Access(_) => false,
            EventKind::Modify(ModifyKind::Data(_)) => {
                // Other systems do not tell when a file is closed.
                if cfg!(target_os = "linux") && self.open.len() < OPEN_MAX {
                    self.open.extend(paths.into_iter().cloned());
                }
                true
            }
            EventKind::Remove(_)
            | EventKind::Modify(ModifyKind::Name(RenameMode::From | RenameMode::Both)) => {
                for path in paths {
                    self.open.retain(|open| !open.starts_with(path));
                }
                true
            }
            _ => true,
        };
        self.changed |= matters || lost;
        matters || lost
    }

    fn take(&mut self) -> Option<Heard> {
        if let Some(reason) = self.deaf.take() {
            return Some(Heard::Deaf(reason));
        }
        std::mem::take(&mut self.changed)
            .then_some(Heard::Changed { writing: !self.open.is_empty() })
    }
}

impl Identity {
    #[cfg(unix)]
    fn of(folder: &Path) -> Option<Self> {
        use std::os::unix::fs::MetadataExt as _;
        let metadata = std::fs::metadata(folder).ok()?;
        Some(Self { device: metadata.dev(), inode: metadata.ino() })
    }

    #[cfg(not(unix))]
    fn of(folder: &Path) -> Option<Self> {
        folder.is_dir().then_some(Self { device: 0, inode: 0 })
    }
}

fn hear(folder: &Path, ear: Arc<Ear>) -> notify::Result<RecommendedWatcher> {
    let root = folder.to_owned();
    let mut watcher = notify::recommended_watcher(move |event| ear.notice(&root, event))?;
    watcher.watch(folder, RecursiveMode::Recursive)?;
    Ok(watcher)
}

fn reason(error: &notify::Error) -> String {
    match &error.kind {
        ErrorKind::MaxFilesWatch => "this system lets no more folders be watched \
            (fs.inotify.max_user_watches)"
            .to_owned(),
        ErrorKind::Io(error) => error.to_string(),
        _ => error.to_string(),
    }
}

/// True unless the path is a file of ours (the lock, or one that is being written), or private.
fn is_content(root: &Path, path: &Path) -> bool {
    let Ok(path) = path.strip_prefix(root) else { return true };
    let hidden = |part: Component<'_>| part.as_os_str().to_string_lossy().starts_with('.');
    let is_private = path.components().nth(1).is_some_and(|part| part.as_os_str() == "private");
    !is_private && !path.components().any(hidden)
}

#[cfg(test)]
mod tests;
