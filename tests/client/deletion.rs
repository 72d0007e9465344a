//! Deleting everything that is ours, and nothing else (W16).

use syft::client::{Client, What};
use syft::connections::faulty::Crash;
use syft::connections::{Connection as _, Content, Kind, NewEntry, Query};
use syft::datasets::Audience;
use syft::model::Role;
use syft::permissions::Level;
use syft::syncers::SyncOptions;
use syft::wire::{FileChangeEventsMessage, Packed as _};

use super::world::{World, acquaint, email, place, read, sync, write};

#[tokio::test]
async fn w16_only_our_syftbox_goes_and_peers_are_told_first() {
    let world = World::new();
    let (owner, scientist) = (world.owner("do@example.org"), world.scientist("ds@example.org"));
    acquaint(&owner, &scientist).await;
    write(&place(&owner, owner.email(), "reports/q1.csv"), "1");
    owner.grant("reports/", scientist.email().as_str(), Level::Read).await.unwrap();
    owner.create_dataset(&world.dataset("ages", Audience::Any), true).await.unwrap();
    owner.create_checkpoint().await.unwrap();
    sync(&scientist).await;
    assert_eq!(read(&scientist, owner.email(), "reports/q1.csv").as_deref(), Some("1"));

    let session = world.drive.session(&email("do@example.org"));
    for name in ["checkpoint_model.pt", "SyftBox notes", "syft_datasetcollection_mine_0123456789ab"]
    {
        let new = NewEntry {
            id: None,
            parent: session.root(),
            name: name.to_owned(),
            media_type: "text/plain",
            tags: Default::default(),
        };
        session.create_file(&new, Content::Bytes("x".into())).await.unwrap();
    }
    let plan = owner.plan_deletion(What::Both).await.unwrap();
    assert!(plan.remote.is_some() && !plan.local.is_empty());
    let done = owner.delete_syftbox(What::Both).await.unwrap();
    assert_eq!(done.problems, []);
    assert!(!owner.folders().syftbox.exists() && !owner.folders().state.exists());
    let left = session.find(&Query::default()).await.unwrap();
    let own: Vec<_> = left.iter().filter(|entry| entry.is_mine).map(|e| e.name.as_str()).collect();
    assert!(own.contains(&"checkpoint_model.pt") && own.contains(&"SyftBox notes"), "{own:?}");
    assert!(own.contains(&"syft_datasetcollection_mine_0123456789ab"), "{own:?}");
    assert!(!own.contains(&"SyftBox"), "{own:?}");

    assert_eq!(told(&scientist).await, ["peer-departed"]);
    assert_eq!(read(&scientist, owner.email(), "reports/q1.csv"), None);
    assert_eq!(scientist.datasets().unwrap().len(), 0);
    assert!(scientist.peers().await.unwrap()[0].has_departed);
    sync(&scientist).await;
}

/// Syncs, and returns the codes of the problems.
async fn told(client: &Client) -> Vec<&'static str> {
    let report = client.sync(&SyncOptions::default()).await.unwrap();
    report.problems.iter().map(|problem| problem.code.as_str()).collect()
}

async fn refusal(client: &Client) -> &'static str {
    client.sync(&SyncOptions::default()).await.unwrap_err().code().as_str()
}

/// What the owner has on the drive of its own.
async fn own(world: &World, name: &str) -> Vec<String> {
    let all = world.drive.session(&email(name)).find(&Query::default()).await.unwrap();
    all.into_iter().filter(|entry| entry.is_mine).map(|entry| entry.name).collect()
}

#[tokio::test]
async fn after_a_remote_deletion_an_account_begins_anew_with_what_is_on_its_disk() {
    let world = World::new();
    let owner = world.owner("do@example.org");
    write(&place(&owner, owner.email(), "a.txt"), "1");
    sync(&owner).await;
    owner.delete_syftbox(What::Remote).await.unwrap();
    assert_eq!(refusal(&owner).await, "deleted", "nothing is put there silently");
    assert_eq!(owner.add_peer(&email("ds@example.org")).await.unwrap_err().code(), "deleted");
    assert_eq!(own(&world, "do@example.org").await, [""; 0]);
    assert_eq!(read(&owner, owner.email(), "a.txt").as_deref(), Some("1"), "nor taken from here");
    drop(owner);
    let owner = world.owner("do@example.org");
    assert_eq!(refusal(&owner).await, "deleted", "after a restart as well");
    owner.begin_anew().unwrap();
    let report = sync(&owner).await;
    assert_eq!(report.pushed, 1);
    let other = world.machine("do@example.org", syft::model::Role::Owner, "laptop");
    sync(&other).await;
    assert_eq!(read(&other, other.email(), "a.txt").as_deref(), Some("1"));
}

#[tokio::test]
async fn a_scientist_deletes_its_side_and_the_owner_goes_on() {
    let world = World::new();
    let (owner, scientist) = (world.owner("do@example.org"), world.scientist("ds@example.org"));
    acquaint(&owner, &scientist).await;
    sync(&owner).await;
    scientist.delete_syftbox(What::Both).await.unwrap();
    assert!(!scientist.folders().syftbox.exists());
    write(&place(&owner, owner.email(), "a.txt"), "1");
    assert_eq!(told(&owner).await, ["peer-departed"]);
    sync(&owner).await;
    // It comes back, and is no longer said to be gone.
    scientist.begin_anew().unwrap();
    sync(&scientist).await;
    scientist.add_peer(owner.email()).await.unwrap();
    owner.sync(&SyncOptions::default()).await.unwrap();
    assert!(!owner.peers().await.unwrap()[0].has_departed);
}

#[tokio::test]
async fn a_plan_counts_what_goes_and_names_what_is_nowhere_else() {
    let world = World::new();
    let owner = world.owner("do@example.org");
    sync(&owner).await;
    let me = owner.email();
    write(&place(&owner, me, "a.txt"), "12345");
    owner.create_dataset(&world.dataset("ages", Audience::Any), false).await.unwrap();
    owner.create_dataset(&world.dataset("kept", Audience::Any), true).await.unwrap();
    sync(&owner).await;
    write(&place(&owner, me, "a.txt"), "edited");
    write(&place(&owner, me, "private/notes.txt"), "n");

    let plan = owner.plan_deletion(What::Local).await.unwrap();
    let private = place(&owner, me, "private");
    assert_eq!(
        plan.only_here,
        [
            "the private half of dataset `ages`".to_owned(),
            format!("the other files in `{}`: 1", private.display()),
            "files that were changed and not synced: 1".to_owned(),
        ]
    );
    assert_eq!((plan.remote_files, plan.remote_names.len()), (0, 0));
    let plan = owner.plan_deletion(What::Remote).await.unwrap();
    assert_eq!((plan.local_files, plan.only_here.len()), (0, 0));
    let session = world.drive.session(me);
    let all = session.find(&Query::default()).await.unwrap();
    let files: Vec<_> = all.iter().filter(|entry| entry.kind == Kind::File).collect();
    assert_eq!(plan.remote_files, files.len());
    assert_eq!(plan.remote_bytes, files.iter().map(|entry| entry.size_bytes).sum::<u64>());
    let plan = owner.plan_deletion(What::Both).await.unwrap();
    let here: usize = plan.local.iter().map(|place| count(place)).sum();
    assert_eq!(plan.local_files, here);
    assert_eq!(session.find(&Query::default()).await.unwrap().len(), all.len());
    assert_eq!(read(&owner, me, "a.txt").as_deref(), Some("edited"));
}

fn count(place: &std::path::Path) -> usize {
    if !place.is_dir() {
        return 1;
    }
    std::fs::read_dir(place).unwrap().map(|entry| count(&entry.unwrap().path())).sum()
}

#[tokio::test]
async fn w16_what_the_user_keeps_in_our_folders_stays_with_the_folder() {
    let world = World::new();
    let owner = world.owner("do@example.org");
    write(&place(&owner, owner.email(), "a.txt"), "1");
    sync(&owner).await;
    let session = world.drive.session(owner.email());
    let all = session.find(&Query::default().of_kind(Kind::Folder)).await.unwrap();
    let log = all.iter().find(|entry| entry.name.contains('#')).unwrap();
    let new = NewEntry {
        id: None,
        parent: log.id.clone(),
        name: "thesis.tex".to_owned(),
        media_type: "text/plain",
        tags: Default::default(),
    };
    session.create_file(&new, Content::Bytes("mine".into())).await.unwrap();
    let plan = owner.plan_deletion(What::Remote).await.unwrap();
    assert_eq!(plan.remote_kept, [format!("{}/thesis.tex", log.name)]);
    owner.delete_syftbox(What::Remote).await.unwrap();
    let mut left = own(&world, "do@example.org").await;
    left.sort();
    assert_eq!(left, [log.name.clone(), "SyftBox".to_owned(), "thesis.tex".to_owned()]);
}

#[tokio::test]
async fn after_a_local_deletion_the_next_sync_restores_what_is_on_the_drive() {
    let world = World::new();
    let (owner, scientist) = (world.owner("do@example.org"), world.scientist("ds@example.org"));
    acquaint(&owner, &scientist).await;
    write(&place(&owner, owner.email(), "a.txt"), "1");
    owner.create_dataset(&world.dataset("ages", Audience::Any), true).await.unwrap();
    sync(&owner).await;
    sync(&scientist).await;
    owner.delete_syftbox(What::Local).await.unwrap();
    assert!(!owner.folders().syftbox.exists() && !owner.folders().state.exists());
    drop(owner);
    let owner = world.owner("do@example.org");
    sync(&owner).await;
    let me = owner.email();
    assert_eq!(read(&owner, me, "a.txt").as_deref(), Some("1"));
    assert!(read(&owner, me, "private/syft_datasets/ages/private.csv").is_some());
    sync(&scientist).await;
    assert_eq!(scientist.datasets().unwrap().len(), 1, "peers did not notice");
    assert!(!scientist.peers().await.unwrap()[0].has_departed);
}

#[tokio::test]
async fn a_deletion_cut_short_anywhere_blocks_syncs_and_is_finished_by_the_next() {
    let mut at = 0;
    let mut blocked = 0;
    loop {
        let mut is_cut = false;
        for crash in [Crash::Before, Crash::After, Crash::Half] {
            let world = World::new();
            let (owner, calls) = world.scripted("do@example.org", Role::Owner, "home");
            let scientist = world.scientist("ds@example.org");
            acquaint(&owner, &scientist).await;
            write(&place(&owner, owner.email(), "reports/q1.csv"), "1");
            owner.grant("reports/", scientist.email().as_str(), Level::Read).await.unwrap();
            owner.create_dataset(&world.dataset("ages", Audience::Any), true).await.unwrap();
            sync(&owner).await;
            sync(&scientist).await;
            calls.crash_at(calls.calls() + at, crash);
            let done = owner.delete_syftbox(What::Both).await;
            is_cut |= done.as_ref().map_or(true, |done| !done.problems.is_empty());
            drop(owner);
            let owner = world.owner("do@example.org");
            let code = refusal_or_none(&owner).await;
            blocked += usize::from(code == Some("deletion-begun"));
            assert!([None, Some("deletion-begun"), Some("deleted")].contains(&code), "{code:?}");
            let what = format!("call {at}, {crash:?}, {code:?}");
            let done = owner.delete_syftbox(What::Both).await.unwrap();
            assert_eq!(done.problems, [], "{what}");
            farewell(&world, &what).await;
            assert!(!owner.folders().syftbox.exists() && !owner.folders().state.exists());
            scientist.sync(&SyncOptions::default()).await.unwrap();
            assert_eq!(read(&scientist, owner.email(), "reports/q1.csv"), None, "{what}");
            assert_eq!(scientist.datasets().unwrap().len(), 0, "{what}");
        }
        if !is_cut {
            break;
        }
        at += 1;
    }
    assert!(at > 5 && blocked > 2, "{at} calls, {blocked} times blocked");
}

/// What is left of the owner's is one message, which says that all is gone.
async fn farewell(world: &World, what: &str) {
    let session = world.drive.session(&email("do@example.org"));
    let all = session.find(&Query::default()).await.unwrap();
    let left: Vec<_> = all.into_iter().filter(|entry| entry.is_mine).collect();
    let [message] = &left[..] else { panic!("{what}: {left:?}") };
    let bytes = session.read(&message.id, 1 << 20).await.unwrap();
    let message = FileChangeEventsMessage::from_file_bytes(&bytes).unwrap();
    assert!(message.events.iter().all(|event| event.is_deleted), "{what}");
    let paths = message.events.iter().map(|event| event.path_in_datasite.as_str());
    assert!(paths.into_iter().any(|path| path == "reports/q1.csv"), "{what}");
}

async fn refusal_or_none(client: &Client) -> Option<&'static str> {
    client.sync(&SyncOptions::default()).await.err().map(|error| error.code().as_str())
}
