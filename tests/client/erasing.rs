//! Deleting everything from a machine that knows little, with copies that are nowhere else, and with
//! a SyftBox on another disk.

use syft::client::What;
use syft::datasets::Audience;
use syft::model::Role;
use syft::permissions::Level;
use syft::syncers::SyncOptions;

use super::world::{World, acquaint, place, read, sync, write};

#[tokio::test]
async fn peers_are_told_by_a_machine_that_never_synced_too() {
    let world = World::new();
    let (owner, scientist) = (world.owner("do@example.org"), world.scientist("ds@example.org"));
    acquaint(&owner, &scientist).await;
    write(&place(&owner, owner.email(), "reports/q1.csv"), "1");
    owner.grant("reports/", scientist.email().as_str(), Level::Read).await.unwrap();
    sync(&owner).await;
    sync(&scientist).await;
    assert_eq!(read(&scientist, owner.email(), "reports/q1.csv").as_deref(), Some("1"));

    let laptop = world.machine("do@example.org", Role::Owner, "laptop");
    let done = laptop.delete_syftbox(What::Remote).await.unwrap();
    assert_eq!(done.problems, []);
    scientist.sync(&SyncOptions::default()).await.unwrap();
    assert_eq!(read(&scientist, owner.email(), "reports/q1.csv"), None);
}

#[tokio::test]
async fn what_is_on_the_drive_and_not_on_this_machine_is_named_before_it_goes() {
    let world = World::new();
    let owner = world.owner("do@example.org");
    write(&place(&owner, owner.email(), "a.txt"), "1");
    owner.create_dataset(&world.dataset("ages", Audience::Any), true).await.unwrap();
    sync(&owner).await;
    assert_eq!(owner.plan_deletion(What::Remote).await.unwrap().only_there, [""; 0]);
    let laptop = world.machine("do@example.org", Role::Owner, "laptop");
    let wanted = [
        "the private half of dataset `ages`",
        "the mock half of dataset `ages`",
        "messages of the event log that this machine has not read: 1",
    ];
    let plan = laptop.plan_deletion(What::Remote).await.unwrap();
    assert_eq!(plan.only_there, wanted);
    assert_eq!(laptop.plan_deletion(What::Both).await.unwrap().only_there, wanted);
    assert_eq!(laptop.plan_deletion(What::Local).await.unwrap().only_there, [""; 0]);

    std::fs::remove_dir_all(place(&owner, owner.email(), "private/syft_datasets/ages")).unwrap();
    let plan = owner.plan_deletion(What::Remote).await.unwrap();
    assert_eq!(plan.only_there, ["the private half of dataset `ages`"]);
}

#[tokio::test]
async fn a_syftbox_behind_a_link_is_counted_and_goes() {
    let world = World::new();
    let owner = world.owner("do@example.org");
    write(&place(&owner, owner.email(), "a.txt"), "12345");
    sync(&owner).await;
    let syftbox = owner.folders().syftbox.clone();
    let disk = world.folder.path().join("other disk");
    std::fs::rename(&syftbox, &disk).unwrap();
    std::os::unix::fs::symlink(&disk, &syftbox).unwrap();
    sync(&owner).await;
    let plan = owner.plan_deletion(What::Local).await.unwrap();
    assert!(plan.local_bytes >= 5 && plan.local_files > 1, "{plan:?}");
    owner.delete_syftbox(What::Local).await.unwrap();
    assert!(!syftbox.exists() && syftbox.symlink_metadata().is_err());
    assert!(!disk.join("do@example.org").exists(), "{disk:?}");
}
