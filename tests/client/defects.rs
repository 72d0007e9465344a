//! Defects of the Python clients that a program could share, as its user would meet them. The
//! numbers are those of `docs/SECURITY.md`.

use std::collections::BTreeMap;
use std::path::Path;

use drive_server::{Options, add_account, serve};
use syft::client::{Client, Configuration, Error, JobRequest, RunChoices, SignIn, What};
use syft::connections::faulty::{Crash, Fault, unavailable};
use syft::connections::{Connection as _, Content, Kind, NewEntry, Query};
use syft::datasets::Audience;
use syft::model::Role;
use syft::peers::PeerState;
use syft::syncers::SyncOptions;
use syft::wire::names::{PEERS_FILE, VERSION_FILE};

use super::world::{World, acquaint, email, place, read, status, sync, write};

#[tokio::test]
async fn w4_b14_n2_what_is_decided_about_a_job_says_nothing_of_one_with_the_same_name() {
    let world = World::new();
    let (owner, one) = (world.owner("do@example.org"), world.scientist("ds1@example.org"));
    let two = world.scientist("ds2@example.org");
    for scientist in [&one, &two] {
        acquaint(&owner, scientist).await;
        let script = format!("echo {}", scientist.email());
        scientist.submit_job(&world.bash(&owner, "same", &script)).await.unwrap();
    }
    sync(&owner).await;
    assert!(matches!(owner.approve_job("same", None, None).await, Err(Error::Ambiguous { .. })));
    owner.approve_job("same", Some(two.email()), None).await.unwrap();
    let ran = owner.run_jobs(&[], &RunChoices::default()).await.unwrap();
    let who: Vec<_> = ran.iter().map(|ran| &ran.job.submitter).collect();
    assert_eq!(who, [two.email()]);
    let state =
        |from: &Client| owner.job("same", Some(from.email())).unwrap().job.state.status.to_string();
    assert_eq!((state(&one), state(&two)), ("pending".to_owned(), "done".to_owned()));
    owner.reject_job("same", Some(one.email()), None).await.unwrap();
    assert_eq!((state(&one), state(&two)), ("rejected".to_owned(), "done".to_owned()));
}

#[tokio::test]
async fn w26_everything_that_was_submitted_arrives_byte_for_byte() {
    let world = World::new();
    let (owner, scientist) = (world.owner("do@example.org"), world.scientist("ds@example.org"));
    acquaint(&owner, &scientist).await;
    let binary: Vec<u8> = (0..=255).collect();
    let folder = world.file("project/main.py", "print(1)").parent().unwrap().to_owned();
    world.file("project/deep/er/empty.txt", "");
    world.file("project/.hidden", "told, and left out from the start");
    std::fs::write(folder.join("model.bin"), &binary).unwrap();
    let request = JobRequest { path: folder, ..world.python(&owner, "folder", "") };
    let submitted = scientist.submit_job(&request).await.unwrap();
    let warnings = submitted.warnings().join("\n");
    assert!(warnings.contains(".hidden") && !warnings.contains("model.bin"), "{warnings}");
    let report = sync(&owner).await;
    assert_eq!(report.refused, []);
    let code = place(&owner, owner.email(), "app_data/job/inbox/ds@example.org/folder/code");
    assert_eq!(std::fs::read(code.join("model.bin")).unwrap(), binary);
    assert_eq!(std::fs::read(code.join("deep/er/empty.txt")).unwrap(), b"");
    assert_eq!(std::fs::read(code.join("main.py")).unwrap(), b"print(1)");
    assert_eq!(status(&owner, "folder"), "pending");
}

#[tokio::test]
async fn w28_a_peers_file_that_cannot_be_read_takes_nobodys_access() {
    let world = World::new();
    let (owner, scientist) = (world.owner("do@example.org"), world.scientist("ds@example.org"));
    acquaint(&owner, &scientist).await;
    owner.create_dataset(&world.dataset("ages", Audience::Any), false).await.unwrap();
    sync(&scientist).await;
    let session = world.drive.session(owner.email());
    let all = session.find(&Query::default()).await.unwrap();
    let file = all.iter().find(|entry| entry.is_mine && entry.name == PEERS_FILE).unwrap();
    let collection = all.iter().find(|entry| entry.name.starts_with("syft_datasetcollection_"));
    let readers = session.shares(&collection.unwrap().id).await.unwrap();
    assert_eq!(readers.len(), 1);
    // A machine that has never read it.
    let (laptop, script) = world.scripted("do@example.org", Role::Owner, "laptop");
    let id = file.id.clone();
    let outage = Fault::before(unavailable);
    script.when(1, outage, move |call| call.method == "read" && call.subject == id.as_str());
    let report = laptop.sync(&SyncOptions::default()).await.unwrap();
    let codes: Vec<_> = report.problems.iter().map(|problem| problem.code.as_str()).collect();
    assert_eq!(codes, ["peers-not-read"]);
    assert_eq!(session.shares(&collection.unwrap().id).await.unwrap(), readers);
}

#[tokio::test]
async fn w29_a_second_syftbox_folder_is_deleted_as_well() {
    let world = World::new();
    world.drive.set_lag(1_000); // Neither sees what the other makes.
    let one = world.owner("do@example.org");
    let two = world.machine("do@example.org", Role::Owner, "laptop");
    sync(&one).await;
    sync(&two).await;
    world.drive.set_lag(0);
    world.drive.release();
    // A folder of that name which the user made, for something else.
    let session = world.drive.session(one.email());
    let new = NewEntry {
        id: None,
        parent: session.root(),
        name: "SyftBox".to_owned(),
        media_type: "",
        tags: BTreeMap::new(),
    };
    let mine = session.create_folder(&new).await.unwrap();
    one.delete_syftbox(What::Remote).await.unwrap();
    let folders = session.find(&Query::default().of_kind(Kind::Folder)).await.unwrap();
    let left: Vec<_> = folders.into_iter().map(|folder| folder.id).collect();
    assert_eq!(left, [mine.id]);
}

#[tokio::test]
async fn w30_a_login_brings_the_own_version_file_up_to_date() {
    let (world, data) = (World::new(), tempfile::tempdir().unwrap());
    let server = serve(Options::new(data.path())).await.unwrap();
    let login = async |home: &str, name: &str, role: Role| {
        let token = add_account(data.path(), name, None).unwrap().token;
        let sign_in = SignIn::Server { url: server.url().to_owned(), token };
        let here = Configuration::at(&world.folder.path().join(home));
        let name = email(name);
        match role {
            Role::Owner => Client::login_do(&here, &name, sign_in).await.unwrap(),
            Role::Scientist => Client::login_ds(&here, &name, sign_in).await.unwrap(),
        }
    };
    let owner = login("one", "do@example.org", Role::Owner).await;
    let scientist = login("two", "ds@example.org", Role::Scientist).await;
    acquaint(&owner, &scientist).await;
    let says = |client: &Client| {
        let version = client.version_manager().get_peer_version(&email("do@example.org"));
        version.unwrap().map(|version| version.syft_client_version)
    };
    let now = says(&scientist).unwrap();
    // An older release wrote the file.
    let session = owner.account().router.own();
    let all = session.find(&Query::default().named(VERSION_FILE)).await.unwrap();
    let file = &all.iter().find(|entry| entry.is_mine).unwrap().id;
    let text = String::from_utf8(session.read(file, 1 << 20).await.unwrap().to_vec()).unwrap();
    let old = text.replace(&format!("\"{now}\""), "\"0.1.90\"");
    session.replace(file, Content::Bytes(old.into())).await.unwrap();
    sync(&scientist).await;
    assert_eq!(says(&scientist).as_deref(), Some("0.1.90"));
    drop(owner);
    // This one, on another machine, logs in.
    drop(login("three", "do@example.org", Role::Owner).await);
    sync(&scientist).await;
    assert_eq!(says(&scientist), Some(now));
}

#[tokio::test]
async fn n3_what_cannot_be_read_as_a_job_does_not_wait_for_a_decision() {
    let world = World::new();
    let (owner, scientist) = (world.owner("do@example.org"), world.scientist("ds@example.org"));
    acquaint(&owner, &scientist).await;
    let inbox = place(&scientist, owner.email(), "app_data/job/inbox/ds@example.org");
    let config = "name: x\nsubmitted_at: '2026-01-01T00:00:00Z'\ntype: bash\n";
    write(&inbox.join("no-mapping/config.yaml"), "- no mapping");
    write(&inbox.join("no-config/run.sh"), "echo 1");
    write(&inbox.join("v7/later/config.yaml"), config);
    scientist.submit_job(&world.bash(&owner, "good", "echo 1")).await.unwrap();
    sync(&owner).await;
    assert_eq!(status(&owner, "good"), "pending");
    let review = place(&owner, owner.email(), "app_data/job/review/ds@example.org");
    let states = states_below(&review);
    let waiting: Vec<_> = states.iter().filter(|(_, state)| state.contains("pending")).collect();
    assert_eq!(waiting.len(), 1, "{states:?}");
    for (path, state) in states.iter().filter(|(path, _)| path != "good/state.yaml") {
        assert!(state.contains("status: rejected"), "{path}: {state}");
    }
    // Its sender reads why.
    sync(&scientist).await;
    let state = "app_data/job/review/ds@example.org/no-mapping/state.yaml";
    assert_eq!(read(&scientist, owner.email(), state), read(&owner, owner.email(), state));
    assert!(read(&scientist, owner.email(), state).unwrap().contains("review_reason: "));
}

fn states_below(folder: &Path) -> Vec<(String, String)> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.ends_with("state.yaml") {
                let name = path.strip_prefix(folder).unwrap().display().to_string();
                found.push((name, std::fs::read_to_string(path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

#[tokio::test]
async fn n4_an_approval_that_was_cut_short_anywhere_lets_the_peer_submit() {
    let mut cut = 0;
    loop {
        let mut was_cut = false;
        for crash in [Crash::Before, Crash::After] {
            let world = World::new();
            let (owner, calls) = world.scripted("do@example.org", Role::Owner, "home");
            let scientist = world.scientist("ds@example.org");
            sync(&owner).await;
            scientist.add_peer(owner.email()).await.unwrap();
            sync(&owner).await;
            calls.crash_at(calls.calls() + cut, crash);
            drop(owner.approve_peer(scientist.email()).await);
            was_cut |= calls.has_crashed();
            drop(owner);
            let owner = world.owner("do@example.org");
            sync(&owner).await;
            if owner.peers().await.unwrap()[0].peer.state != PeerState::Accepted {
                owner.approve_peer(scientist.email()).await.unwrap(); // As a person would.
            }
            sync(&scientist).await;
            scientist.submit_job(&world.bash(&owner, "count", "echo 1")).await.unwrap();
            sync(&owner).await;
            assert_eq!(owner.jobs().unwrap().len(), 1, "call {cut}, {crash:?}");
        }
        if !was_cut {
            break;
        }
        cut += 1;
    }
    assert!(cut > 5, "{cut} calls are too few to show anything");
}

#[tokio::test]
async fn n6_an_owner_whose_address_the_drive_writes_in_another_case_is_the_same() {
    let world = World::new();
    let (owner, scientist) = (world.owner("Do@Example.org"), world.scientist("ds@example.org"));
    sync(&owner).await;
    scientist.add_peer(&email("do@example.org")).await.unwrap();
    sync(&owner).await;
    owner.approve_peer(&email("DS@example.org")).await.unwrap();
    owner.create_dataset(&world.dataset("ages", Audience::Any), false).await.unwrap();
    sync(&scientist).await;
    assert_eq!(scientist.datasets().unwrap().len(), 1);
    let mock = "public/syft_datasets/ages/mock.csv";
    let here = scientist.datasets().unwrap()[0].owner.clone();
    assert_eq!(read(&scientist, &here, mock).as_deref(), Some("age\n1\n"));
}

/// Python shares nothing if no sync of the same process came before.
#[tokio::test]
async fn u1_who_is_approved_before_any_sync_gets_the_datasets_for_all() {
    let world = World::new();
    let owner = world.owner("do@example.org");
    sync(&owner).await;
    owner.create_dataset(&world.dataset("ages", Audience::Any), false).await.unwrap();
    drop(owner);
    for (machine, name) in [("home", "ds1@example.org"), ("laptop", "ds2@example.org")] {
        let scientist = world.scientist(name);
        scientist.add_peer(&email("do@example.org")).await.unwrap();
        let owner = world.machine("do@example.org", Role::Owner, machine);
        owner.approve_peer(scientist.email()).await.unwrap();
        sync(&scientist).await;
        assert_eq!(scientist.datasets().unwrap().len(), 1, "{machine}");
    }
}
