//! Local edits are sacred: whatever happens on a disk between two syncs, or while one runs, is
//! neither lost nor taken for something that it is not.
//!
//! Each row of `docs/EDITS.md` is tested here, for both sides: what people do
//! to their files (`rows`), what stands in the way of what others sent (`in_the_way`), what a disk
//! refuses or hides (`disk`), what is being written just then (`restless`), files at rest (`at_rest`), and files that are gone as by an accident (`guard`).

mod at_rest;
#[cfg(unix)]
mod disk;
mod guard;
#[cfg(unix)]
mod in_the_way;
#[cfg(unix)]
mod restless;
mod rows;

use std::path::PathBuf;

use syft::model::Email;
use syft::permissions::Level;
use syft::syncers::{Report, SyncOptions};

use super::world::{Party, World};

/// Who edits: an owner in its datasite, or a scientist in its copy of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Owner,
    Scientist,
}

const BOTH: [Who; 2] = [Who::Owner, Who::Scientist];

const FORCE: SyncOptions = SyncOptions {
    auto_checkpoint: true,
    checkpoint_threshold: 50,
    compact_threshold: 10,
    force: true,
    prune_log: false,
    full: false,
};

/// An owner and a scientist who both have `files` in a folder that both may write to.
struct Pair<'w> {
    owner: Party<'w>,
    scientist: Party<'w>,
}

impl<'w> Pair<'w> {
    async fn new(world: &'w World, files: &[(&str, &str)]) -> Self {
        let (owner, scientist) = world.pair().await;
        owner.grant("w/", &scientist.email, Level::Write);
        for (path, content) in files {
            owner.put(path, content);
        }
        let pair = Self { owner, scientist };
        pair.settle().await;
        pair
    }

    fn party(&self, who: Who) -> &Party<'w> {
        match who {
            Who::Owner => &self.owner,
            Who::Scientist => &self.scientist,
        }
    }

    fn other(&self, who: Who) -> &Party<'w> {
        match who {
            Who::Owner => &self.scientist,
            Who::Scientist => &self.owner,
        }
    }

    fn datasite(&self) -> &Email {
        &self.owner.email
    }

    /// Where the folder `w` lies at one side.
    fn folder(&self, who: Who) -> PathBuf {
        self.party(who).account().folders.datasite(self.datasite()).join("w")
    }

    /// What stands in the folder `w` at one side, but for its rules and what was kept aside.
    fn files(&self, who: Who) -> Vec<(String, String)> {
        let mut files = self.party(who).tree(self.datasite());
        files.retain(|(path, _)| {
            path.starts_with("w/")
                && !path.ends_with("syft.pub.yaml")
                && !path.contains(".refused-")
        });
        files
    }

    fn kept_aside(&self, who: Who) -> Vec<String> {
        let files = self.party(who).tree(self.datasite()).into_iter();
        files.filter(|(path, _)| path.contains(".refused-")).map(|(_, content)| content).collect()
    }

    /// Syncs both until everything is where it belongs.
    async fn settle(&self) {
        for _ in 0..2 {
            for party in [&self.scientist, &self.owner] {
                party.sync().await;
            }
        }
        self.scientist.sync().await;
    }

    /// Syncs both as [`Self::settle`], then asserts that both sides hold the same, and are idle.
    async fn agree_on(&self, wanted: &[(&str, &str)], what: &str) {
        self.settle().await;
        for who in BOTH {
            let files = self.files(who);
            let files: Vec<_> = files.iter().map(|(p, c)| (p.as_str(), c.as_str())).collect();
            assert_eq!(files, wanted, "{what}: {who:?}");
        }
        for who in BOTH {
            assert!(self.party(who).sync().await.is_idle(), "{what}: {who:?}");
        }
    }
}

fn codes(report: &Report) -> Vec<&'static str> {
    report.problems.iter().map(|problem| problem.code.as_str()).collect()
}
