//! Both generations over our own Drive server, the home dialect of an account, and what is said and
//! done about programs that do not fit.

use std::path::Path;

use drive_server::{Options, Server, add_account, serve};
use syft::client::{Client, Configuration, Error, RunChoices, SignIn};
use syft::connections::{Content, Entry, Kind, Ownership, Query};
use syft::jobs::{JobStatus, Layout};
use syft::model::Role;
use syft::wire::names::{FolderName, VERSION_FILE};
use syft::wire::{Compatibility, Dialect, VersionInfo};

use super::world::{World, acquaint, email, place, read, status, sync, write};

struct Service {
    server: Server,
    folder: tempfile::TempDir,
}

impl Service {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = serve(Options::new(folder.path().join("drive"))).await.unwrap();
        Self { server, folder }
    }

    fn at(&self, machine: &str) -> Configuration {
        Configuration::at(&self.folder.path().join(machine))
    }

    fn sign_in(&self, name: &str) -> SignIn {
        let data = self.folder.path().join("drive");
        let token = add_account(&data, name, None).unwrap().token;
        SignIn::Server { url: self.server.url().to_owned(), token }
    }

    async fn login(&self, machine: &str, name: &str, role: Role, home: Option<Dialect>) -> Client {
        let here = self.at(machine);
        Client::login(&here, &email(name), role, self.sign_in(name), home).await.unwrap()
    }

    /// A client that speaks one dialect only, as a Python client does.
    async fn speaking(&self, name: &str, role: Role, only: Dialect) -> Client {
        self.login("home", name, role, Some(only.clone())).await.with_home_only(only)
    }
}

/// The folders of an event log that an account has.
async fn homes(client: &Client) -> Vec<String> {
    let own = Query::default().of_kind(Kind::Folder).owned(Ownership::Mine);
    let all: Vec<Entry> = client.account().router.own().find(&own).await.unwrap();
    let is_home = |entry: &&Entry| {
        matches!(FolderName::parse(&entry.name), Some(FolderName::Personal(_))) && entry.is_mine
    };
    all.iter().filter(is_home).map(|entry| entry.name.clone()).collect()
}

/// Has all version files of a client say something else.
async fn state(client: &Client, version: &str) {
    let own = Query::default().named(VERSION_FILE).owned(Ownership::Mine);
    let connection = client.account().router.own();
    for entry in connection.find(&own).await.unwrap() {
        let content = format!(r#"{{"syft_client_version": "{version}"}}"#);
        connection.replace(&entry.id, Content::Bytes(content.into())).await.unwrap();
    }
}

async fn visible_versions(client: &Client, of: &Client) -> Vec<(String, Option<String>)> {
    let connection = client.account().router.own();
    let all = connection.find(&Query::default().named(VERSION_FILE)).await.unwrap();
    let mut found = Vec::new();
    for entry in all.iter().filter(|entry| entry.owner.as_ref() == Some(of.email())) {
        let info = VersionInfo::from_json(&connection.read(&entry.id, 100_000).await.unwrap());
        let info = info.unwrap();
        found.push((info.syft_client_version, info.syft_client_install_source.flatten()));
    }
    found
}

fn script(folder: &Path, name: &str) -> std::path::PathBuf {
    let path = folder.join(format!("{name}.sh"));
    write(&path, "cd code\nmkdir -p outputs\necho 42 > outputs/answer.txt\n");
    path
}

#[tokio::test]
async fn over_http_one_owner_runs_the_jobs_of_both_generations() {
    let service = Service::start().await;
    let owner = service.login("home", "do@example.org", Role::Owner, None).await;
    let old = service.speaking("old@example.org", Role::Scientist, Dialect::v0_1()).await;
    let new = service.speaking("new@example.org", Role::Scientist, Dialect::v0_10()).await;
    for scientist in [&old, &new] {
        acquaint(&owner, scientist).await;
        sync(&owner).await;
    }
    let seen = [visible_versions(&old, &owner).await, visible_versions(&new, &owner).await];
    let source = Some("syft==0.10.0".to_owned());
    assert_eq!(seen, [[("0.1.117".to_owned(), None)], [("0.10.0".to_owned(), source)]]);

    for (scientist, name) in [(&old, "from-old"), (&new, "from-new")] {
        let request = syft::client::JobRequest {
            to: owner.email().clone(),
            path: script(service.folder.path(), name),
            name: Some(name.to_owned()),
            entrypoint: None,
            dependencies: Vec::new(),
            datasets: Vec::new(),
            request: syft::jobs::Request::default(),
            bash: true,
            force: false,
        };
        scientist.submit_job(&request).await.unwrap();
    }
    assert_eq!(sync(&owner).await.refused, []);
    let layout = |name| owner.job(name, None).unwrap().job.id.layout;
    assert_eq!((layout("from-old"), layout("from-new")), (Layout::Flat, Layout::V1));
    for name in ["from-old", "from-new"] {
        owner.approve_job(name, None, None).await.unwrap();
    }
    let choices = RunChoices { share_outputs: true, ..RunChoices::default() };
    let ran = owner.process_approved_jobs(&choices).await.unwrap();
    for ran in &ran {
        assert_eq!(ran.result.as_ref().unwrap().status, JobStatus::Done, "{}", ran.job.name);
    }
    assert_eq!(ran.len(), 2);
    for (scientist, name) in [(&old, "from-old"), (&new, "from-new")] {
        sync(scientist).await;
        assert_eq!(status(scientist, name), "done");
        let outputs = scientist.job(name, None).unwrap().outputs().unwrap();
        assert_eq!(std::fs::read_to_string(&outputs[0].local_path).unwrap(), "42\n");
    }
    sync(&owner).await;
    let before = owner.requests();
    sync(&owner).await;
    assert_eq!(owner.requests() - before, 1);
}

#[tokio::test]
async fn the_home_is_kept_taken_over_by_a_new_machine_and_may_be_moved() {
    let service = Service::start().await;
    let name = "do@example.org";
    let first = service.login("one", name, Role::Owner, Some(Dialect::v0_10())).await;
    write(&place(&first, first.email(), "a/b.txt"), "announced");
    sync(&first).await;
    assert_eq!(homes(&first).await, ["0.10.0#do@example.org"]);
    drop(first);
    let first = Client::open(&service.at("one"), None).await.unwrap();
    assert_eq!(first.account().dialect, Dialect::v0_10());
    drop(first);
    let first = service.login("one", name, Role::Owner, None).await;
    assert_eq!(first.account().dialect, Dialect::v0_10(), "as at the last login");

    let second = service.login("two", name, Role::Owner, None).await;
    assert_eq!(second.account().dialect, Dialect::v0_10(), "as on the other machine");
    assert_eq!(read(&second, second.email(), "a/b.txt").as_deref(), Some("announced"));
    assert_eq!(homes(&second).await.len(), 1);

    drop((first, second));
    let first = service.login("one", name, Role::Owner, Some(Dialect::v0_1())).await;
    assert_eq!(homes(&first).await, ["0.1.117#do@example.org", "0.10.0#do@example.org"]);
    sync(&first).await;
    let third = service.login("three", name, Role::Owner, Some(Dialect::v0_1())).await;
    assert_eq!(read(&third, third.email(), "a/b.txt").as_deref(), Some("announced"));
}

#[tokio::test]
async fn w4_jobs_wait_for_a_program_that_fits_unless_forced() {
    let world = World::new();
    let (owner, scientist) = (world.owner("do@example.org"), world.scientist("ds@example.org"));
    acquaint(&owner, &scientist).await;
    sync(&owner).await;
    scientist.submit_job(&world.bash(&owner, "early", "echo 1")).await.unwrap();
    sync(&owner).await;
    owner.approve_job("early", None, None).await.unwrap();

    for (version, code) in [("0.11.0", "version-mismatch"), ("abc", "version-unknown")] {
        state(&scientist, version).await;
        drop(owner.sync(&syft::syncers::SyncOptions::default()).await.unwrap());
        let ran = owner.run_jobs(&[], &RunChoices::default()).await.unwrap();
        assert_eq!(ran[0].result.as_ref().unwrap_err().code(), code);
        assert_eq!(status(&owner, "early"), "approved");
        state(&owner, version).await;
        drop(scientist.sync(&syft::syncers::SyncOptions::default()).await.unwrap());
        let request = world.bash(&owner, code, "echo 1");
        let error = scientist.submit_job(&request).await.unwrap_err();
        assert_eq!(error.code(), code);
        let versions = scientist.version_manager();
        assert!(!versions.is_peer_version_compatible(owner.email()).unwrap());
        assert_eq!(versions.get_compatible_peer_emails().unwrap(), []);
        let stated = versions.get_peer_version(owner.email()).unwrap().unwrap();
        assert_eq!(stated.syft_client_version, version);
        let forced = syft::client::JobRequest { force: true, ..request };
        scientist.submit_job(&forced).await.unwrap();
    }
    let forced = RunChoices { force: true, ..RunChoices::default() };
    let ran = owner.run_jobs(&[], &forced).await.unwrap();
    assert_eq!(ran[0].result.as_ref().unwrap().status, JobStatus::Done);
    state(&scientist, "0.1.117").await;
    sync(&owner).await;
    let peers = owner.peers().await.unwrap();
    assert_eq!(peers[0].speech.compatibility, Compatibility::Same);
    let mut jobs: Vec<String> = owner
        .jobs()
        .unwrap()
        .into_iter()
        .filter_map(|job| match job.listed {
            syft::jobs::Listed::Job(job) => Some(job.id.name.to_string()),
            syft::jobs::Listed::Unreadable { .. } => None,
        })
        .collect();
    jobs.sort();
    assert_eq!(jobs, ["early", "version-mismatch", "version-unknown"], "what was forced arrived");
}

#[tokio::test]
async fn a_job_for_an_owner_of_whom_nothing_is_known_may_be_forced() {
    for dialect in [Dialect::v0_1(), Dialect::v0_10()] {
        let world = World::new();
        let owner = world.owner("do@example.org").with_home_only(dialect);
        let scientist = world.scientist("ds@example.org");
        sync(&owner).await;
        scientist.add_peer(owner.email()).await.unwrap();
        let request = world.bash(&owner, "early", "echo 1");
        let error = scientist.submit_job(&request).await.unwrap_err();
        assert!(matches!(error, Error::VersionUnknown { .. }), "{error}");
        let forced = syft::client::JobRequest { force: true, ..request };
        scientist.submit_job(&forced).await.unwrap();
        sync(&owner).await;
        owner.approve_peer(scientist.email()).await.unwrap();
        sync(&scientist).await;
        sync(&owner).await;
        assert_eq!(status(&owner, "early"), "pending");
    }
}
