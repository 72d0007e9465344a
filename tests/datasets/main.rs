//! Datasets over a real connection: created, published, fetched, changed, removed and restored,
//! with failures at every call.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops here")]

mod crash;
mod exchange;
mod local;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syft::connections::faulty::{Crash, Script};
use syft::connections::{
    Connection, Entry, Faulty, FileId, Kind, Memory, MemoryDrive, Ownership, Query,
};
use syft::datasets::{
    Audience, CollectionName, Created, DatasetName, Error, Half, Held, HeldFile, Limits,
    NewDataset, Publication, PullPlan, Readers, Refusal, Restored, Scratch, SyftUrl, Update,
    Wanted, audience_of, collections_of, create, delete, draft, fetch, half_folder, install,
    install_restored, list, local_halves, locate, plan, prepare, publish, put_in_place, remove,
    resolve, restore_plan, set_audience, shares_due, show, stage, sweep_staged, unshares_due,
};
use syft::model::{Digest, Email, Timestamp};
use tempfile::TempDir;
use uuid::Uuid;

const OWNER: &str = "do@example.com";
const READER: &str = "ds@example.com";

fn email(text: &str) -> Email {
    Email::parse(text).unwrap()
}

fn name(text: &str) -> DatasetName {
    DatasetName::parse_new(text).unwrap()
}

fn now() -> Timestamp {
    Timestamp::from_micros(1_795_178_356_238_029)
}

/// One machine: a SyftBox, and a folder beside it with the user's own files.
struct Machine {
    home: TempDir,
}

impl Machine {
    fn new() -> Self {
        let home = TempDir::new().unwrap();
        fs::create_dir(home.path().join("box")).unwrap();
        Self { home }
    }

    fn syftbox(&self) -> PathBuf {
        self.home.path().join("box")
    }

    fn write(&self, path: &str, content: &str) -> PathBuf {
        let path = self.home.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    /// The usual dataset: two mock files, one private file, a readme.
    fn usual(&self, dataset: &str, audience: Audience) -> NewDataset {
        self.write("mock/data.csv", "a,b\n1,2\n");
        self.write("mock/blob.bin", "\u{1}blob");
        NewDataset {
            name: name(dataset),
            mock: self.home.path().join("mock"),
            private: self.write("secret.csv", "a,b\n10,20\n"),
            summary: Some("tiny: 'quoted' # no comment".into()),
            readme: Some(self.write("README.md", "# Census\n")),
            tags: vec!["t1".into(), "yes".into()],
            location: None,
            audience,
            allow_same: false,
        }
    }

    fn create(&self, new: &NewDataset) -> Result<Created, Error> {
        create(&self.syftbox(), &email(OWNER), new, Uuid::from_u128(7), now())
    }

    fn half(&self, dataset: &str, half: Half) -> PathBuf {
        half_folder(&self.syftbox(), &email(OWNER), &name(dataset), half)
    }
}

/// All files below a folder, with their content.
fn contents(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut pending = vec![folder.to_owned()];
    while let Some(here) = pending.pop() {
        for entry in fs::read_dir(&here).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
            } else {
                let relative = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                found.insert(relative, String::from_utf8_lossy(&fs::read(&path).unwrap()).into());
            }
        }
    }
    found
}

fn names(folder: &Path) -> Vec<String> {
    contents(folder).into_keys().collect()
}

fn no_save(_: &Publication) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    Ok(())
}

async fn publish_all(
    machine: &Machine,
    connection: &dyn Connection,
    dataset: &str,
    half: Half,
    audience: Audience,
    approved: &[Email],
) -> Publication {
    let draft = draft(&machine.syftbox(), &email(OWNER), &name(dataset), half).unwrap();
    let mut publication = prepare(connection, draft, connection.root(), audience).await.unwrap();
    let published =
        publish(connection, &mut publication, &machine.syftbox(), approved.into(), &mut no_save)
            .await
            .unwrap();
    assert!(published.problems.is_empty());
    publication
}

async fn collections(connection: &dyn Connection, owner: Ownership) -> Vec<Entry> {
    let query = Query::default()
        .named_like("syft_datasetcollection")
        .named_like("syft_privatecollection")
        .of_kind(Kind::Folder)
        .owned(owner);
    connection.find(&query).await.unwrap()
}

/// What a scientist's machine does at a sync.
async fn pull(
    machine: &Machine,
    connection: &dyn Connection,
    held: &mut Vec<Held>,
) -> (PullPlan, Vec<PathBuf>, Vec<Error>) {
    let visible = collections(connection, Ownership::NotMine).await;
    let plan = plan(&visible, &[email(OWNER)], held, &Limits::default());
    let (mut kept, mut errors) = (Vec::new(), Vec::new());
    for wanted in &plan.fetch {
        match fetch_one(machine, connection, wanted).await {
            Ok((scratch, new)) => {
                let is_same = |old: &&Held| (&old.owner, &old.name) == (&new.owner, &new.name);
                let old = held.iter().find(is_same);
                let staging = scratch.path().join("new");
                kept.extend(install(&machine.syftbox(), &staging, &new, old, now()).unwrap());
                held.retain(|old| !is_same(&old));
                held.push(new);
            }
            Err(error) => errors.push(error),
        }
    }
    for gone in &plan.remove {
        kept.extend(remove(&machine.syftbox(), gone, now()).unwrap());
        held.retain(|held| held != gone);
    }
    (plan, kept, errors)
}

async fn fetch_one(
    machine: &Machine,
    connection: &dyn Connection,
    wanted: &Wanted,
) -> Result<(Scratch, Held), Error> {
    let files = connection.find(&Query::in_folder(&wanted.folder)).await?;
    let scratch = Scratch::new(&machine.syftbox())?;
    let staging = scratch.path().join("new");
    fs::create_dir(&staging).unwrap();
    let held = fetch(connection, wanted, &files, &staging, 0, &Limits::default()).await?;
    Ok((scratch, held))
}
