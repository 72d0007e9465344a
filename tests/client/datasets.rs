//! Datasets as they travel.

use syft::connections::{Connection as _, Ownership, Query};
use syft::datasets::Audience;
use syft::model::Role;
use syft::syncers::SyncOptions;

use super::world::{World, acquaint, read, sync};

const MOCK: &str = "public/syft_datasets/ages/mock.csv";
const PRIVATE: &str = "private/syft_datasets/ages/private.csv";

#[tokio::test]
async fn a_dataset_for_all_reaches_peers_of_today_and_tomorrow_and_its_private_half_nobody() {
    let world = World::new();
    let (owner, first) = (world.owner("do@example.org"), world.scientist("ds@example.org"));
    acquaint(&owner, &first).await;
    let made = owner.create_dataset(&world.dataset("ages", Audience::Any), true).await.unwrap();
    assert_eq!(made.mock_files.len(), 1);
    let second = world.scientist("ds2@example.org");
    acquaint(&owner, &second).await;
    for scientist in [&first, &second] {
        sync(scientist).await;
        assert_eq!(read(scientist, owner.email(), MOCK).as_deref(), Some("age\n1\n"));
        assert_eq!(read(scientist, owner.email(), PRIVATE), None);
        let shown = scientist.dataset("ages", None).unwrap();
        assert_eq!((&shown.owner, shown.private_files.len()), (owner.email(), 0));
    }
}

#[tokio::test]
async fn sharing_unsharing_and_deleting_reach_readers() {
    let world = World::new();
    let (owner, one) = (world.owner("do@example.org"), world.scientist("ds1@example.org"));
    let two = world.scientist("ds2@example.org");
    acquaint(&owner, &one).await;
    acquaint(&owner, &two).await;
    owner.create_dataset(&world.dataset("ages", Audience::Nobody), true).await.unwrap();
    let listed = |who: &syft::client::Client| Audience::Listed(vec![who.email().clone()]);
    let seen = async || {
        sync(&one).await;
        sync(&two).await;
        [&one, &two].map(|who| read(who, owner.email(), MOCK).is_some())
    };
    assert_eq!(seen().await, [false, false]);
    owner.share_dataset("ages", &listed(&one)).await.unwrap();
    assert_eq!(seen().await, [true, false]);
    owner.share_dataset("ages", &Audience::Any).await.unwrap();
    assert_eq!(seen().await, [true, true]);
    owner.unshare_dataset("ages", &listed(&one)).await.unwrap();
    assert_eq!(seen().await, [false, true]);
    sync(&owner).await;
    owner.delete_dataset("ages").await.unwrap();
    assert_eq!(seen().await, [false, false]);
    assert_eq!(read(&owner, owner.email(), MOCK), None);
    assert_eq!(owner.delete_dataset("ages").await.unwrap_err().code(), "unknown-dataset");
    // The name is free again.
    owner.create_dataset(&world.dataset("ages", Audience::Any), false).await.unwrap();
    assert_eq!(seen().await, [true, true]);
}

#[tokio::test]
async fn a_second_machine_of_the_owner_gets_both_halves_and_goes_on_sharing() {
    let world = World::new();
    let (owner, scientist) = (world.owner("do@example.org"), world.scientist("ds@example.org"));
    sync(&owner).await;
    owner.create_dataset(&world.dataset("ages", Audience::Any), true).await.unwrap();
    owner.create_dataset(&world.dataset("other", Audience::Nobody), false).await.unwrap();
    drop(owner);
    let owner = world.machine("do@example.org", Role::Owner, "laptop");
    sync(&owner).await;
    assert_eq!(read(&owner, owner.email(), MOCK).as_deref(), Some("age\n1\n"));
    assert_eq!(read(&owner, owner.email(), PRIVATE).as_deref(), Some("age\n41\n43\n"));
    assert_eq!(owner.datasets().unwrap().len(), 2);
    acquaint(&owner, &scientist).await;
    assert_eq!(scientist.datasets().unwrap().len(), 1);
    owner.share_dataset("other", &Audience::Any).await.unwrap();
    sync(&scientist).await;
    assert_eq!(scientist.datasets().unwrap().len(), 2);
    owner.delete_dataset("ages").await.unwrap();
    sync(&owner).await;
    assert_eq!(owner.datasets().unwrap().len(), 1);
}

#[tokio::test]
async fn a_publication_that_was_cut_short_anywhere_is_finished_by_the_next_sync() {
    use syft::connections::faulty::Crash;

    for (cut, crash) in (0..5).flat_map(|cut| [(cut, Crash::Before), (cut, Crash::After)]) {
        let world = World::new();
        let (owner, calls) = world.scripted("do@example.org", Role::Owner, "home");
        let scientist = world.scientist("ds@example.org");
        acquaint(&owner, &scientist).await;
        sync(&owner).await;
        calls.crash_at(calls.calls() + cut, crash);
        let made = owner.create_dataset(&world.dataset("ages", Audience::Any), true).await;
        assert_eq!(made.unwrap_err().code(), "not-sent", "{cut} {crash:?}");
        drop(owner);
        let owner = world.owner("do@example.org");
        sync(&owner).await;
        sync(&scientist).await;
        assert_eq!(read(&scientist, owner.email(), MOCK).as_deref(), Some("age\n1\n"));
        owner.delete_dataset("ages").await.unwrap();
    }
}

#[tokio::test]
async fn a_private_file_as_mock_is_refused_and_leaves_nothing() {
    let world = World::new();
    let owner = world.owner("do@example.org");
    sync(&owner).await;
    let mut new = world.dataset("ages", Audience::Any);
    new.mock = new.private.clone();
    let error = owner.create_dataset(&new, true).await.unwrap_err();
    assert_eq!(error.code(), "private-as-mock");
    let report = owner.sync(&SyncOptions::default()).await.unwrap();
    assert_eq!(report.problems, []);
    assert_eq!(owner.datasets().unwrap().len(), 0);
}

#[tokio::test]
async fn an_edited_copy_is_kept_when_its_owner_replaces_the_dataset() {
    let world = World::new();
    let (owner, scientist) = (world.owner("do@example.org"), world.scientist("ds@example.org"));
    acquaint(&owner, &scientist).await;
    owner.create_dataset(&world.dataset("ages", Audience::Any), false).await.unwrap();
    sync(&scientist).await;
    let copy = super::world::place(&scientist, owner.email(), MOCK);
    super::world::write(&copy, "mine");
    sync(&owner).await;
    owner.delete_dataset("ages").await.unwrap();
    let report = sync(&scientist).await;
    assert_eq!(report.refused.len(), 1);
    assert_eq!(std::fs::read_to_string(&report.refused[0].path).unwrap(), "mine");
    assert!(!copy.exists());
}

#[tokio::test]
async fn datasets_of_a_home_that_was_deleted_are_published_again_once() {
    for machines in [1, 2] {
        let world = World::new();
        let (owner, one) = (world.owner("do@example.org"), world.scientist("ds1@example.org"));
        let two = world.scientist("ds2@example.org");
        acquaint(&owner, &one).await;
        acquaint(&owner, &two).await;
        let listed = Audience::Listed(vec![one.email().clone()]);
        owner.create_dataset(&world.dataset("ages", listed), true).await.unwrap();
        sync(&one).await;
        let second = world.machine("do@example.org", Role::Owner, "laptop");
        sync(&second).await;

        let browser = world.drive.session(owner.email());
        let root = Query::default().named("SyftBox").owned(Ownership::Mine);
        let root = browser.find(&root).await.unwrap().pop().unwrap();
        browser.delete(&[root.id]).await.unwrap();
        for _ in 0..3 {
            for client in [&owner, &second].into_iter().take(machines).chain([&one, &two]) {
                client.sync(&SyncOptions::default()).await.unwrap();
            }
        }
        let collections = browser.find(&Query::default()).await.unwrap();
        let halves = |prefix: &str| {
            collections.iter().filter(|entry| entry.name.starts_with(prefix)).count()
        };
        assert_eq!(halves("syft_datasetcollection_"), 1, "{machines} machines");
        assert_eq!(halves("syft_privatecollection_"), 1, "{machines} machines");
        assert_eq!(read(&one, owner.email(), MOCK).as_deref(), Some("age\n1\n"));
        assert_eq!(read(&two, owner.email(), MOCK), None, "who could not see it cannot now");
        sync(&owner).await;
        // And what is published again is shared and taken back as before.
        owner.share_dataset("ages", &Audience::Any).await.unwrap();
        sync(&two).await;
        assert_eq!(read(&two, owner.email(), MOCK).as_deref(), Some("age\n1\n"));
        let third = world.machine("do@example.org", Role::Owner, "new");
        sync(&third).await;
        assert!(read(&third, owner.email(), PRIVATE).is_some(), "{machines} machines");
    }
}

/// A new machine brought one dataset back and failed at another; when it tried again, the first had
/// newer content.
#[tokio::test]
async fn a_machine_that_was_cut_short_while_it_joined_takes_what_is_newer() {
    use syft::connections::faulty::{Fault, unavailable};
    use syft::datasets::{DatasetName, Update};

    let world = World::new();
    let owner = world.owner("do@example.org");
    sync(&owner).await;
    for name in ["ages", "blood"] {
        owner.create_dataset(&world.dataset(name, Audience::Nobody), false).await.unwrap();
    }
    let (laptop, script) = world.scripted("do@example.org", Role::Owner, "laptop");
    // Two files of the first one arrive.
    let downloads = std::sync::atomic::AtomicUsize::new(0);
    script.when(usize::MAX, Fault::before(unavailable), move |call| {
        call.method == "download"
            && downloads.fetch_add(1, std::sync::atomic::Ordering::Relaxed) >= 2
    });
    assert!(laptop.sync(&SyncOptions::default()).await.is_err());
    assert_eq!(laptop.datasets().unwrap().len(), 1);
    script.clear();
    let mock = Some(world.file("newer.csv", "age\n2\n"));
    let update = Update {
        name: DatasetName::parse("ages").unwrap(),
        mock,
        private: None,
        summary: None,
        readme: None,
        tags: None,
        allow_same: false,
    };
    owner.update_dataset(&update, false).await.unwrap();
    sync(&laptop).await;
    let newer = "public/syft_datasets/ages/newer.csv";
    assert_eq!(read(&laptop, owner.email(), newer).as_deref(), Some("age\n2\n"));
}
