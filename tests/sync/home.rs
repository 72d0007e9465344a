//! Our own folders on the drive: deleted under our feet, made twice, made anew. Nothing is lost,
//! and the machines of an account end with the same.

use syft::connections::faulty::{Fault, unavailable};
use syft::connections::{Entry, FileId, Query};

use super::world::{Party, World};

/// Everything of this name that an account owns.
async fn named(party: &Party<'_>, name: &str) -> Vec<Entry> {
    let all = party.session().find(&Query::default()).await.unwrap();
    all.into_iter().filter(|entry| entry.is_mine && entry.name == name).collect()
}

/// Deletes as another session of the account would: in a browser, say.
async fn delete(party: &Party<'_>, entries: &[Entry]) {
    use syft::connections::Connection as _;
    let elsewhere = party.world.drive.session(&party.email);
    let ids: Vec<FileId> = entries.iter().map(|entry| entry.id.clone()).collect();
    for outcome in elsewhere.delete(&ids).await.unwrap() {
        outcome.unwrap();
    }
}

#[tokio::test]
async fn an_id_whose_file_was_deleted_elsewhere_holds_nothing_up() {
    let world = World::new();
    let (owner, mut scientist) = (world.owner("do@example.org"), world.scientist("ds@example.org"));
    for name in ["SYFT_version.json", "SYFT_peers.json"] {
        let lost = Fault::after(unavailable);
        scientist
            .script
            .when(1, lost, move |call| call.method == "create_file" && call.subject == name);
        scientist.request(&owner.email).await.unwrap_err();
        let made = named(&scientist, name).await;
        assert_eq!(made.len(), 1, "{name}: it was made, and nobody heard of it");
        delete(&scientist, &made).await;
        scientist.restart();
    }
    scientist.request(&owner.email).await.unwrap();
    for name in ["SYFT_version.json", "SYFT_peers.json"] {
        assert_eq!(named(&scientist, name).await.len(), 1, "{name}");
    }
}

#[tokio::test]
async fn a_folder_that_was_deleted_before_we_heard_of_it_is_made_again() {
    let world = World::new();
    let mut owner = world.owner("do@example.org");
    for name in ["SyftBox", "0.1.117#do@example.org"] {
        let lost = Fault::after(unavailable);
        owner
            .script
            .when(1, lost, move |call| call.method == "create_folder" && call.subject == name);
        owner.try_sync().await.unwrap_err();
        let made = named(&owner, name).await;
        delete(&owner, &made).await;
        owner.restart();
    }
    owner.put("a.txt", "one");
    owner.sync().await;
    let second = world.owner("do@example.org");
    second.sync().await;
    assert_eq!(second.tree(&owner.email), owner.tree(&owner.email));
}
