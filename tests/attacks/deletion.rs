//! Deleting a SyftBox deletes nothing that only looks like a part of one (W16).

use syft::client::{Client, What};
use syft::connections::{Access, Query};
use syft::model::Role;

use super::world::{World, acquaint, email, make, put, session, share, sync, write};

const LOOKALIKES: [&str; 8] = [
    "checkpoint_model.pt",
    "incremental_checkpoint_notes.tar.gz",
    "rolling_state_notes.txt",
    "SyftBox",
    "syft_datasite#0.1.117#do@example.org#inbox#friend@example.org",
    "syft_datasetcollection_ages_0123456789ab",
    "SYFT_peers.json",
    "do@example.org-0.1.117-checkpoints",
];

async fn names_of(client: &Client) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = session(client)
        .find(&Query::default())
        .await
        .unwrap()
        .into_iter()
        .map(|entry| (entry.owner.map(|owner| owner.to_string()).unwrap_or_default(), entry.name))
        .collect();
    all.sort();
    all
}

#[tokio::test]
async fn w16_what_the_owner_made_and_what_others_share_survives() {
    let world = World::new();
    let owner = world.client("do@example.org", Role::Owner);
    let scientist = world.client("ds@example.org", Role::Scientist);
    let friend = world.client("friend@example.org", Role::Owner);
    // Files of the user's own, beside the SyftBox and in a folder of theirs.
    let mine = session(&owner);
    let projects = make(mine, &mine.root(), "projects").await;
    for name in LOOKALIKES.into_iter().filter(|name| *name != "SyftBox") {
        put(mine, &mine.root(), name, b"mine".to_vec()).await;
        put(mine, &projects, name, b"mine".to_vec()).await;
    }
    // Folders and files of somebody else that the user can even write.
    let theirs = session(&friend);
    for name in LOOKALIKES {
        let folder = make(theirs, &theirs.root(), name).await;
        put(theirs, &folder, "checkpoint_model.pt", b"theirs".to_vec()).await;
        share(theirs, &folder, owner.email(), Access::Write).await;
    }
    let before = names_of(&owner).await;
    acquaint(&owner, &scientist).await;
    write(&owner.folders().datasite(owner.email()).join("a.txt"), "1");
    owner.create_dataset(&world.dataset("ages", "age\n41\n"), true).await.unwrap();
    sync(&owner).await;
    owner.create_checkpoint().await.unwrap();

    let done = owner.delete_syftbox(What::Both).await.unwrap();
    assert_eq!(done.problems, []);
    let left = names_of(&owner).await;
    for entry in &before {
        let count = |all: &[(String, String)]| all.iter().filter(|other| *other == entry).count();
        assert!(count(&left) >= count(&before), "{entry:?} is gone");
    }
    let root = ("do@example.org".to_owned(), "SyftBox".to_owned());
    assert!(!left.contains(&root), "ours is gone: {left:?}");
    sync(&scientist).await;
}

#[tokio::test]
async fn w16_files_that_the_user_keeps_in_a_folder_of_the_name_survive() {
    let world = World::new();
    let owner = world.client("do@example.org", Role::Owner);
    let mine = session(&owner);
    // The user had a folder `SyftBox` before there was this program; it becomes ours, with theirs in it.
    let projects = make(mine, &mine.root(), "projects").await;
    let old = make(mine, &projects, "SyftBox").await;
    put(mine, &old, "thesis.tex", b"mine".to_vec()).await;
    put(mine, &old, "checkpoint_model.pt", b"mine".to_vec()).await;
    sync(&owner).await;
    write(&owner.folders().datasite(&email("do@example.org")).join("a.txt"), "1");
    sync(&owner).await;
    owner.delete_syftbox(What::Both).await.unwrap();
    let left = names_of(&owner).await;
    for name in ["thesis.tex", "checkpoint_model.pt"] {
        assert!(left.iter().any(|(_, left)| left == name), "{name} is gone: {left:?}");
    }
    let ours = |name: &str| name.contains("#do@example.org") || name.contains("rolling-state");
    assert!(!left.iter().any(|(_, name)| ours(name)), "{left:?}");
}
