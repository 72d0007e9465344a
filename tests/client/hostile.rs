//! Collections that are not what they should be, and a service that lags.

use std::collections::BTreeMap;

use syft::client::{Client, RunChoices};
use syft::connections::{Access, Connection, Content, FileId, Grant, Memory, NewEntry};
use syft::datasets::Audience;
use syft::model::Role;
use syft::syncers::SyncOptions;

use super::world::{World, acquaint, email, read, sync};

async fn share_collection(
    session: &Memory,
    name: &str,
    files: &[(&str, &str)],
    to: &Client,
) -> FileId {
    let new = |parent: FileId, name: &str| NewEntry {
        id: None,
        parent,
        name: name.to_owned(),
        media_type: "text/plain",
        tags: BTreeMap::new(),
    };
    let folder = session.create_folder(&new(session.root(), name)).await.unwrap().id;
    for (name, content) in files {
        let content = Content::Bytes((*content).to_owned().into());
        session.create_file(&new(folder.clone(), name), content).await.unwrap();
    }
    let grant = Grant { id: folder.clone(), to: to.email().clone(), access: Access::Read };
    session.share(&[grant], false).await.unwrap();
    folder
}

#[tokio::test]
async fn a_damaged_or_hostile_collection_is_told_costs_little_and_hides_no_other() {
    let world = World::new();
    let owner = world.owner("do@example.org");
    let (scientist, calls) = world.scripted("ds@example.org", Role::Scientist, "home");
    acquaint(&owner, &scientist).await;
    owner.create_dataset(&world.dataset("good", Audience::Any), false).await.unwrap();
    let (theirs, stranger) =
        (world.drive.session(owner.email()), world.drive.session(&email("evil@example.org")));
    let file = [("a.csv", "1")];
    share_collection(&theirs, "syft_datasetcollection_bad_0123456789ab", &file, &scientist).await;
    let upward = [("../../a.csv", "1")];
    share_collection(&theirs, "syft_datasetcollection_up_0123456789ab", &upward, &scientist).await;
    share_collection(&stranger, "syft_datasetcollection_x_0123456789ab", &file, &scientist).await;
    for _ in 0..2 {
        let report = scientist.sync(&SyncOptions::default()).await.unwrap();
        let codes: Vec<_> = report.problems.iter().map(|problem| problem.code.as_str()).collect();
        assert_eq!(codes, ["dataset-not-fetched", "dataset-not-fetched"], "{report:?}");
    }
    let names: Vec<_> = scientist.datasets().unwrap().into_iter().map(|it| it.name).collect();
    assert_eq!(names, ["good"]);
    // It may have been listed in part, so it is listed again, all of them at once, ever less often.
    let before = calls.calls();
    for _ in 0..100 {
        scientist.sync(&SyncOptions::default()).await.unwrap();
    }
    assert!((100..=110).contains(&(calls.calls() - before)), "{}", calls.calls() - before);
}

#[tokio::test]
async fn a_collection_that_a_listing_misses_stays() {
    let world = World::new();
    let (owner, scientist) = (world.owner("do@example.org"), world.scientist("ds@example.org"));
    acquaint(&owner, &scientist).await;
    owner.create_dataset(&world.dataset("ages", Audience::Any), false).await.unwrap();
    sync(&scientist).await;
    // The catalogue forgets the folder, as after a listing that lagged.
    let account = scientist.account();
    let folders = account.store.read(syft::caches::catalogue::folders).unwrap();
    let shared = folders.iter().find(|it| it.name.starts_with("syft_datasetcollection_")).unwrap();
    account.store.write(|db| syft::caches::catalogue::remove(db, &shared.id)).unwrap();
    sync(&scientist).await;
    let mock = "public/syft_datasets/ages/mock.csv";
    assert!(read(&scientist, owner.email(), mock).is_some());
    // It was listed anew, and all is as before.
    sync(&scientist).await;
    assert!(read(&scientist, owner.email(), mock).is_some());
}

#[tokio::test]
async fn a_missing_peers_file_takes_nobody_s_access() {
    let world = World::new();
    let (owner, scientist) = (world.owner("do@example.org"), world.scientist("ds@example.org"));
    acquaint(&owner, &scientist).await;
    owner.create_dataset(&world.dataset("ages", Audience::Any), false).await.unwrap();
    let session = world.drive.session(owner.email());
    let all = session.find(&syft::connections::Query::default()).await.unwrap();
    let peers =
        all.iter().find(|it| it.is_mine && it.name == syft::wire::names::PEERS_FILE).unwrap();
    session.delete(std::slice::from_ref(&peers.id)).await.unwrap();
    owner.sync(&SyncOptions::default()).await.unwrap();
    let full = SyncOptions { full: true, ..SyncOptions::default() };
    scientist.sync(&full).await.unwrap();
    let mock = "public/syft_datasets/ages/mock.csv";
    assert!(read(&scientist, owner.email(), mock).is_some());
}

#[tokio::test]
async fn a_lagging_service_delays_and_loses_nothing() {
    let world = World::new();
    let (owner, scientist) = (world.owner("do@example.org"), world.scientist("ds@example.org"));
    acquaint(&owner, &scientist).await;
    for lag in [1, 3, 5] {
        world.drive.set_lag(lag);
        let name = format!("ages{lag}");
        owner.create_dataset(&world.dataset(&name, Audience::Any), false).await.unwrap();
        scientist.sync(&SyncOptions::default()).await.unwrap();
        world.drive.set_lag(0);
        world.drive.release();
        sync(&scientist).await;
        let mock = format!("public/syft_datasets/{name}/mock.csv");
        assert!(read(&scientist, owner.email(), &mock).is_some(), "{lag}");
    }
}

/// What a program may spawn.
#[test]
fn the_futures_of_a_client_can_move_between_threads() {
    fn is_send(_: impl Send) {}
    #[expect(dead_code, reason = "it only has to compile")]
    fn all(client: &'static Client, new: &'static syft::datasets::NewDataset) {
        static OPTIONS: SyncOptions = SyncOptions {
            auto_checkpoint: true,
            compact_threshold: 10,
            checkpoint_threshold: 50,
            prune_log: false,
            force: false,
            full: false,
        };
        is_send(client.sync(&OPTIONS));
        is_send(client.create_dataset(new, true));
        is_send(client.approve_peer(client.email()));
        is_send(client.delete_syftbox(syft::client::What::Both));
    }
    is_send(RunChoices::default());
}
