//! Deleting everything that is ours, and nothing else (W16).

use syft::client::What;
use syft::connections::{Connection as _, Content, NewEntry, Query};
use syft::datasets::Audience;
use syft::permissions::Level;

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

    sync(&scientist).await;
    assert_eq!(read(&scientist, owner.email(), "reports/q1.csv"), None);
    assert_eq!(scientist.datasets().unwrap().len(), 0);
}

#[tokio::test]
async fn after_a_remote_deletion_an_account_begins_anew_with_what_is_on_its_disk() {
    let world = World::new();
    let owner = world.owner("do@example.org");
    write(&place(&owner, owner.email(), "a.txt"), "1");
    sync(&owner).await;
    owner.delete_syftbox(What::Remote).await.unwrap();
    assert_eq!(read(&owner, owner.email(), "a.txt").as_deref(), Some("1"));
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
    scientist.delete_syftbox(What::Both).await.unwrap();
    assert!(!scientist.folders().syftbox.exists());
    write(&place(&owner, owner.email(), "a.txt"), "1");
    sync(&owner).await;
}
