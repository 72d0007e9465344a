//! Clients over a drive in memory, and what an attacker has beside them: raw files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use serde_json::{Value, json};
use syft::client::{Client, Clock, JobRequest};
use syft::connections::{
    Access, Connection, Content, Entry, FileId, Grant, Kind, MemoryDrive, NewEntry, Query,
};
use syft::datasets::{Audience, DatasetName, NewDataset};
use syft::model::{Digest, Email, Role, Timestamp};
use syft::syncers::{Report, SyncOptions};
use syft::wire::archive;
use uuid::Uuid;

/// What must reach nobody.
pub(crate) const SECRET: &str = "the-secret-of-the-owner";

pub(crate) const EVE: &str = "eve@example.org";

pub(crate) fn email(text: &str) -> Email {
    Email::parse(text).unwrap()
}

#[derive(Debug)]
struct Ticking(AtomicI64);

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.fetch_add(1_000_000, Ordering::Relaxed))
    }
}

pub(crate) struct World {
    pub(crate) drive: MemoryDrive,
    pub(crate) folder: tempfile::TempDir,
    clock: Arc<Ticking>,
    honest_jobs: AtomicI64,
}

/// The owner, the attacker and an honest scientist; all three are peers.
pub(crate) struct Stage {
    pub(crate) world: World,
    pub(crate) owner: Client,
    pub(crate) eve: Client,
    pub(crate) honest: Client,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            drive: MemoryDrive::new(),
            folder: tempfile::tempdir().unwrap(),
            clock: Arc::new(Ticking(AtomicI64::new(1_780_000_000_000_000))),
            honest_jobs: AtomicI64::new(0),
        }
    }

    pub(crate) fn client(&self, name: &str, role: Role) -> Client {
        let session = Arc::new(self.drive.session(&email(name)));
        let home = self.folder.path().join("homes").join(name);
        Client::over(session, role, &home, self.clock.clone()).unwrap()
    }

    /// Writes a file outside of any SyftBox, and returns where it is.
    pub(crate) fn file(&self, path: &str, content: &str) -> PathBuf {
        let path = self.folder.path().join("files").join(path);
        write(&path, content);
        path
    }

    pub(crate) fn dataset(&self, name: &str, private: &str) -> NewDataset {
        NewDataset {
            name: DatasetName::parse_new(name).unwrap(),
            mock: self.file(&format!("{name}/mock.csv"), "age\n1\n"),
            private: self.file(&format!("{name}/private.csv"), private),
            summary: None,
            readme: None,
            tags: Vec::new(),
            location: None,
            audience: Audience::Any,
            allow_same: false,
        }
    }

    pub(crate) fn bash(&self, to: &Client, name: &str, script: &str) -> JobRequest {
        JobRequest {
            to: to.email().clone(),
            path: self.file(&format!("{name}.sh"), script),
            name: Some(name.to_owned()),
            entrypoint: None,
            dependencies: Vec::new(),
            datasets: Vec::new(),
            request: syft::jobs::Request::default(),
            bash: true,
            force: false,
        }
    }
}

impl Stage {
    pub(crate) async fn new() -> Self {
        let world = World::new();
        let owner = world.client("do@example.org", Role::Owner);
        let eve = world.client(EVE, Role::Scientist);
        let honest = world.client("ds@example.org", Role::Scientist);
        acquaint(&owner, &eve).await;
        acquaint(&owner, &honest).await;
        Self { world, owner, eve, honest }
    }

    /// Syncs the owner; an honest scientist's job arrives in that very sync.
    pub(crate) async fn meet(&self) -> Report {
        let name = format!("honest{}", self.world.honest_jobs.fetch_add(1, Ordering::Relaxed));
        let request = self.world.bash(&self.owner, &name, "echo honest");
        self.honest.submit_job(&request).await.unwrap();
        let report = sync(&self.owner).await;
        let found = self.owner.job(&name, Some(self.honest.email())).unwrap();
        assert_eq!(found.job.state.status.to_string(), "pending", "the honest peer is served");
        assert!(sync(&self.owner).await.accepted == 0, "nothing is met twice");
        report
    }

    /// Eve puts one message with these changes into her inbox at the owner.
    pub(crate) async fn propose(&self, changes: &[Value]) {
        propose(session(&self.eve), changes).await;
    }

    /// Approves what eve called `name`, as the owner who looked at it would.
    pub(crate) async fn approve(&self, name: &str) {
        self.owner.approve_job(name, Some(self.eve.email()), None).await.unwrap();
    }

    /// A file of the owner's datasite, on the owner's machine.
    pub(crate) fn at_owner(&self, path: &str) -> PathBuf {
        place(&self.owner, self.owner.email(), path)
    }

    /// What eve's job `j` left, which the owner alone has until it is released.
    pub(crate) fn left(&self, name: &str) -> PathBuf {
        let private = &self.owner.account().folders.private;
        private.join(format!("results/do@example.org/app_data/job/review/{EVE}/j/{name}"))
    }

    /// All that eve can get hold of: the trees on her machine, and every file that her session can
    /// read on the drive, unpacked where it is packed.
    pub(crate) async fn all_that_eve_sees(&self) -> String {
        sync(&self.eve).await;
        let mut all = String::new();
        for (path, content) in files(&self.eve.folders().syftbox) {
            all += &format!("\n{path}\n{}", String::from_utf8_lossy(&content));
        }
        all + &all_of(session(&self.eve)).await
    }

    /// Every file on the drive, whoever may read it: the owner's own log and checkpoints as well.
    pub(crate) async fn all_on_the_drive(&self) -> String {
        let mut all = String::new();
        for client in [&self.owner, &self.eve, &self.honest] {
            all += &all_of(session(client)).await;
        }
        all
    }
}

/// Every file that a session can read, unpacked where it is packed, and decoded where a part of it
/// is in Base64.
async fn all_of(session: &dyn Connection) -> String {
    use base64::prelude::{BASE64_STANDARD, Engine as _};

    let mut all = String::new();
    for entry in session.find(&Query::default().of_kind(Kind::File)).await.unwrap() {
        let bytes = session.read(&entry.id, u64::MAX).await.unwrap();
        let plain = archive::unpack(&bytes, 1 << 28).unwrap_or_else(|_| bytes.to_vec());
        // In a message, line by line as in the files that it carries.
        let text = String::from_utf8_lossy(&plain).replace("\\n", "\n").replace(",\"", "\n\"");
        let is_other = |c: char| !(c.is_ascii_alphanumeric() || "+/=".contains(c));
        for word in text.split(is_other).filter(|word| word.len() >= 16) {
            if let Ok(decoded) = BASE64_STANDARD.decode(word) {
                all += &format!("\n{}", String::from_utf8_lossy(&decoded));
            }
        }
        all += &format!("\n{}\n{text}", entry.name);
    }
    all
}

/// Syncs; what went wrong with one peer or file is in the report.
pub(crate) async fn sync(client: &Client) -> Report {
    client.sync(&SyncOptions::default()).await.unwrap()
}

pub(crate) async fn acquaint(owner: &Client, scientist: &Client) {
    sync(owner).await;
    scientist.add_peer(owner.email()).await.unwrap();
    sync(owner).await;
    owner.approve_peer(scientist.email()).await.unwrap();
    sync(scientist).await;
}

pub(crate) fn session(client: &Client) -> &dyn Connection {
    client.account().router.own()
}

pub(crate) fn place(client: &Client, datasite: &Email, path: &str) -> PathBuf {
    client.folders().datasite(datasite).join(path)
}

pub(crate) fn write(path: &Path, content: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

/// All regular files below `root` with their content; links are not followed.
pub(crate) fn files(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let (mut found, mut folders) = (BTreeMap::new(), vec![root.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let entry = entry.unwrap();
            let (path, kind) = (entry.path(), entry.file_type().unwrap());
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() {
                let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
                found.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    found
}

/// The paths below `root` that are new or differ from `before`; the state of the program aside.
pub(crate) fn changed(root: &Path, before: &BTreeMap<String, Vec<u8>>) -> BTreeSet<String> {
    let differs = |(path, content): &(String, Vec<u8>)| {
        before.get(path) != Some(content) && !path.contains("/state.db")
    };
    files(root).into_iter().filter(differs).map(|(path, _)| path).collect()
}

/// A change as a message carries it, which the attack may then bend.
pub(crate) fn change(path: &str, old: Option<&str>, new: &str) -> Value {
    json!({
        "id": Uuid::new_v4().to_string(),
        "old_hash": old.map(|old| Digest::of(old.as_bytes()).to_hex()),
        "new_hash": Digest::of(new.as_bytes()).to_hex(),
        "submitted_timestamp": 1_780_000_001.5,
        "path_in_datasite": path,
        "content": new,
        "datasite_email": "do@example.org",
        "is_deleted": false,
        "content_type": "text",
    })
}

/// Where eve's job `name` lies.
pub(crate) fn job(name: &str, file: &str) -> String {
    format!("app_data/job/inbox/{EVE}/{name}/{file}")
}

pub(crate) const CONFIG: &str =
    "name: j\nsubmitted_at: '2026-01-01T00:00:00Z'\ntype: bash\nentrypoint: main.sh\n";

/// A whole job as raw changes.
pub(crate) fn raw_job(name: &str, config: &str, script: &str) -> Vec<Value> {
    vec![
        change(&job(name, "config.yaml"), None, config),
        change(&job(name, "run.sh"), None, "bash code/main.sh\n"),
        change(&job(name, "code/main.sh"), None, script),
    ]
}

/// Puts a message into the inbox of the account of `session`.
pub(crate) async fn propose(session: &dyn Connection, changes: &[Value]) {
    let uid = Uuid::new_v4();
    let message = json!({
        "id": Uuid::new_v4().to_string(),
        "sender_email": session.account().as_str(),
        "message_filename": {"submitted_timestamp": 1_780_000_001.5, "uid": uid},
        "proposed_file_changes": changes,
    });
    let bytes = archive::pack(message.to_string().as_bytes(), 0);
    let inbox = folder(session, &format!("#inbox#{}", session.account())).await;
    put(session, &inbox.id, &format!("msgv2_1780000001.5_{uid}.tar.gz"), bytes).await;
}

pub(crate) async fn folder(session: &dyn Connection, name_part: &str) -> Entry {
    let all = session.find(&Query::default().of_kind(Kind::Folder)).await.unwrap();
    all.into_iter().find(|entry| entry.name.contains(name_part)).unwrap()
}

fn new_entry(parent: &FileId, name: &str) -> NewEntry {
    NewEntry {
        id: None,
        parent: parent.clone(),
        name: name.to_owned(),
        media_type: "application/octet-stream",
        tags: BTreeMap::new(),
    }
}

pub(crate) async fn put(session: &dyn Connection, parent: &FileId, name: &str, bytes: Vec<u8>) {
    let new = new_entry(parent, name);
    session.create_file(&new, Content::Bytes(bytes.into())).await.unwrap();
}

pub(crate) async fn make(session: &dyn Connection, parent: &FileId, name: &str) -> FileId {
    session.create_folder(&new_entry(parent, name)).await.unwrap().id
}

pub(crate) async fn share(session: &dyn Connection, id: &FileId, to: &Email, access: Access) {
    let grant = Grant { id: id.clone(), to: to.clone(), access };
    let outcomes = session.share(&[grant], false).await.unwrap();
    outcomes.into_iter().for_each(|outcome| outcome.unwrap());
}
