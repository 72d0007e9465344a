//! A session of two parties, played step by step: a step that fails is done again by a new process,
//! as a person or cron would.

use syft::client::{Client, Error, JobRequest};
use syft::connections::{Connection as _, Entry, Query};
use syft::datasets::{Audience, DatasetName, NewDataset};
use syft::model::Role;
use syft::permissions::Level;
use syft::syncers::{Report, SyncOptions};
use syft::wire::names::{CollectionFolder, EventsName, FolderName};
use syft::wire::{FileChangeEventsMessage, Packed as _};

use super::world::{OWNER, SCIENTIST, World, email, tree, write};

/// What must be the same in the end: a line for each thing that is there, sorted.
#[derive(Debug)]
pub(crate) struct End(Vec<String>);

impl End {
    /// Fails if the other end differs, and shows only where.
    pub(crate) fn must_be(&self, other: &Self, when: &str) {
        let only = |ours: &Self, theirs: &Self| {
            let mut left = theirs.0.clone();
            let is_extra = |line: &&String| match left.iter().position(|known| known == *line) {
                Some(at) => {
                    left.swap_remove(at);
                    false
                }
                None => true,
            };
            ours.0.iter().filter(is_extra).cloned().collect::<Vec<_>>()
        };
        let (missing, extra) = (only(other, self), only(self, other));
        assert!(
            missing.is_empty() && extra.is_empty(),
            "{when}: lacks {missing:#?}, has {extra:#?}"
        );
    }
}

/// How often a step may be done until it works.
const ATTEMPTS_MAX: usize = 3;

const STEPS: usize = 15;

/// Both parties of a session.
pub(crate) struct Parties<'w> {
    world: &'w World,
    owner: Client,
    scientist: Client,
}

impl<'w> Parties<'w> {
    pub(crate) fn new(world: &'w World) -> Self {
        let owner = world.client(OWNER, Role::Owner, "home");
        let scientist = world.client(SCIENTIST, Role::Scientist, "home");
        Self { world, owner, scientist }
    }

    /// Plays all steps, and returns how many attempts did not work.
    pub(crate) async fn play(&mut self) -> usize {
        let mut failed = 0;
        for step in 0..STEPS {
            self.prepare(step);
            for attempt in 1.. {
                match self.act(step).await {
                    Ok(report) if report.problems.is_empty() => break,
                    answer => {
                        assert!(attempt < ATTEMPTS_MAX, "step {step} does not recover: {answer:?}");
                    }
                }
                failed += 1;
                let world = self.world;
                *self = Parties::new(world);
            }
        }
        failed
    }

    /// What people do to their files before a step; done once, whatever fails.
    fn prepare(&self, step: usize) {
        let datasite =
            |client: &Client, path: &str| client.folders().datasite(self.owner.email()).join(path);
        let own = |path: &str, text: &str| write(&datasite(&self.owner, path), text);
        let propose = |path: &str, text: &str| write(&datasite(&self.scientist, path), text);
        match step {
            5 => {
                own("open/a.txt", "one");
                own("open/b.txt", "to go");
                own("closed/c.txt", "not for you");
            }
            8 => {
                propose("shared/x.txt", "proposed");
                propose("open/a.txt", "refused");
            }
            12 => {
                own("open/a.txt", "two");
                std::fs::remove_file(datasite(&self.owner, "open/b.txt")).unwrap();
            }
            _ => {}
        }
    }

    async fn act(&self, step: usize) -> Result<Report, Error> {
        let options = SyncOptions::default();
        match step {
            2 => self.scientist.add_peer(self.owner.email()).await,
            4 => self.owner.approve_peer(self.scientist.email()).await,
            5 => {
                for (path, level) in [("open/", Level::Read), ("shared/", Level::Write)] {
                    self.owner.grant(path, SCIENTIST, level).await?;
                }
                self.owner.sync(&options).await
            }
            6 => self.dataset().await,
            9 => self.job().await,
            11 => self.decide().await,
            14 => self.owner.create_checkpoint().await.map(|_| Report::default()),
            1 | 7 | 8 | 13 => self.scientist.sync(&options).await,
            _ => self.owner.sync(&options).await,
        }
    }

    async fn dataset(&self) -> Result<Report, Error> {
        let new = NewDataset {
            name: DatasetName::parse_new("ages").unwrap(),
            mock: self.world.file("mock.csv", "age\n1\n"),
            private: self.world.file("private.csv", "age\n41\n43\n"),
            summary: None,
            readme: None,
            tags: Vec::new(),
            location: None,
            audience: Audience::Any,
            allow_same: false,
        };
        // A second attempt finds it made, and a sync then does the rest.
        if self.owner.dataset("ages", None).is_err() {
            self.owner.create_dataset(&new, true).await?;
        }
        self.owner.sync(&SyncOptions::default()).await
    }

    async fn job(&self) -> Result<Report, Error> {
        let request = JobRequest {
            to: self.owner.email().clone(),
            path: self.world.file("job.sh", "echo hello\n"),
            name: Some("job".to_owned()),
            entrypoint: None,
            dependencies: Vec::new(),
            datasets: Vec::new(),
            request: syft::jobs::Request::default(),
            bash: true,
            force: false,
        };
        if self.scientist.job("job", None).is_err() {
            self.scientist.submit_job(&request).await?;
        }
        self.scientist.sync(&SyncOptions::default()).await
    }

    async fn decide(&self) -> Result<Report, Error> {
        if self.owner.job("job", None)?.job.state.status.to_string() != "approved" {
            self.owner.approve_job("job", None, None).await?;
        }
        self.owner.sync(&SyncOptions::default()).await
    }

    /// Syncs until both have heard of everything, and returns how all stands.
    pub(crate) async fn end(&self) -> End {
        for _ in 0..2 {
            self.sync_all().await;
        }
        for client in [&self.owner, &self.scientist] {
            let report = client.sync(&SyncOptions::default()).await.unwrap();
            assert!(report.is_idle(), "{}: {report:?}", client.email());
        }
        let second = self.world.client(OWNER, Role::Owner, "second");
        second.sync(&SyncOptions::default()).await.unwrap();
        let mut lines = Vec::new();
        for (whose, client) in
            [("owner", &self.owner), ("scientist", &self.scientist), ("second", &second)]
        {
            let files = tree(&client.folders().datasite(self.owner.email()));
            lines.extend(without_chance(files).map(|file| format!("{whose} has {file:?}")));
        }
        lines.extend(drive(self.world).await);
        lines.extend(log(self.world).await);
        lines.sort();
        End(lines)
    }

    async fn sync_all(&self) {
        for client in [&self.owner, &self.scientist] {
            let report = client.sync(&SyncOptions::default()).await.unwrap();
            assert_eq!(report.problems, [], "{}", client.email());
        }
    }
}

/// Without times and ids, which a repetition changes.
fn without_chance(tree: Vec<(String, String)>) -> impl Iterator<Item = (String, String)> {
    let varies = |line: &&str| {
        let key = line.trim_start().split(':').next().unwrap_or_default();
        !(key.ends_with("_at") || key == "uid" || key == "created" || key == "updated")
    };
    let plain = move |(path, content): (String, String)| {
        let path = match path.split_once(".refused-") {
            Some((stem, _)) => format!("{stem}.refused"),
            None => path,
        };
        let content = content.lines().filter(varies).flat_map(|line| [line, "\n"]).collect();
        (path, content)
    };
    // That one names a folder of this machine.
    tree.into_iter().map(plain).filter(|(path, _)| !path.ends_with("/private_metadata.yaml"))
}

/// What lies on the drive, without what differs from run to run: messages that were dealt with.
async fn drive(world: &World) -> Vec<String> {
    let mut lines = Vec::new();
    for account in [OWNER, SCIENTIST] {
        let all: Vec<Entry> = world.drive(account).find(&Query::default()).await.unwrap();
        let name_of = |id| all.iter().find(|entry| &entry.id == id).map(|entry| &entry.name);
        for entry in &all {
            let parent = entry.parents.first().and_then(name_of).map(String::as_str);
            // How messages are bundled may differ; that none is left over is looked at here.
            let is_message = ["msgv2_", "syfteventsmessagev3_"]
                .iter()
                .any(|start| entry.name.starts_with(start));
            let waits = parent.is_some_and(|name| name.contains("#inbox#"));
            if waits || !is_message {
                let (parent, name) = (parent.map(stem), stem(&entry.name));
                lines.push(format!("{account} sees {parent:?}/{name}"));
            }
        }
    }
    lines
}

/// A name without times and hashes.
fn stem(name: &str) -> String {
    if let Some(FolderName::Collection(CollectionFolder { kind, tag, .. })) =
        FolderName::parse(name)
    {
        return format!("{kind:?} {tag}");
    }
    let cut = ["rolling_state_", "incremental_checkpoint_", "checkpoint_"];
    let found = cut.into_iter().find(|start| name.starts_with(start));
    found.unwrap_or(name).to_owned()
}

/// The events of the log: which files, and whether they went.
async fn log(world: &World) -> Vec<String> {
    let session = world.drive(OWNER);
    let all = session.find(&Query::default()).await.unwrap();
    let is_log = |entry: &&Entry| {
        matches!(FolderName::parse(&entry.name), Some(FolderName::Personal(personal))
            if personal.owner == email(OWNER))
    };
    let folder = all.iter().find(is_log).unwrap().id.clone();
    let mut events = Vec::new();
    for entry in all.iter().filter(|entry| entry.parents.contains(&folder)) {
        assert!(EventsName::parse(&entry.name).is_some());
        let bytes = session.read(&entry.id, u64::MAX).await.unwrap();
        let message = FileChangeEventsMessage::from_file_bytes(&bytes).unwrap();
        events.extend(message.events.into_iter().map(|event| {
            let (path, is_deleted) = (event.path_in_datasite, event.is_deleted);
            format!("the log has {path}, deleted: {is_deleted}")
        }));
    }
    events
}
