//! What only real requests show of the defects in `docs/SECURITY.md`.

use std::collections::BTreeMap;

use drive_server::{Fault, Outcome, When};
use syft::connections::{Access, Connection as _, Grant, NewEntry};
use syft::datasets::Audience;
use syft::model::Role;
use syft::syncers::SyncOptions;

use super::session::Parties;
use super::world::{OWNER, SCIENTIST, World, email};

/// Python sees 50 of 60, since it reads the first page.
#[tokio::test]
async fn w31_b9_any_number_of_requests_is_seen() {
    const PEERS: usize = 101;
    let world = World::new().await;
    let owner = world.client(OWNER, Role::Owner, "home");
    owner.sync(&SyncOptions::default()).await.unwrap();
    for number in 0..PEERS {
        let name = format!("ds{number}@example.org");
        world.add(&name);
        let drive = world.drive(&name);
        let new = NewEntry {
            id: None,
            parent: drive.root(),
            name: format!("syft_datasite#0.1.117#{OWNER}#inbox#{name}"),
            media_type: "",
            tags: BTreeMap::new(),
        };
        let made = drive.create_folder(&new).await.unwrap();
        let grant = Grant { id: made.id, to: email(OWNER), access: Access::Write };
        drive.share(&[grant], false).await.unwrap().pop().unwrap().unwrap();
    }
    owner.sync(&SyncOptions::default()).await.unwrap();
    assert_eq!(owner.peers().await.unwrap().len(), PEERS);
    // Also where they are listed, and not told by the feed.
    let laptop = world.client(OWNER, Role::Owner, "laptop");
    laptop.sync(&SyncOptions::default()).await.unwrap();
    assert_eq!(laptop.peers().await.unwrap().len(), PEERS);
}

#[tokio::test]
async fn w15_nobody_is_sent_a_mail() {
    let world = World::new().await;
    let asks = |text: &str| {
        let status = Outcome::Status { status: 403, reason: "forbidden".to_owned() };
        world.server.faults().push(
            Fault::new(When::Before, status)
                .on("POST", "/drive/v3/files/*/permissions")
                .with_query(text),
        );
    };
    // Drive sends one unless it is told not to.
    asks("sendNotificationEmail=true");
    let mut parties = Parties::new(&world);
    assert_eq!(parties.play().await, 0);
    let owner = world.client(OWNER, Role::Owner, "home");
    assert_eq!(world.server.faults().pending(), 1, "no mail was asked for");
    // And that this would have been seen: each share says what it wants, in a batch or alone.
    world.server.faults().clear();
    asks("sendNotificationEmail=false");
    drop(owner.share_dataset("ages", &Audience::Any).await);
    let other = world.client(SCIENTIST, Role::Scientist, "other");
    drop(other.add_peer(&email("zo@example.org")).await);
    assert_eq!(world.server.faults().pending(), 0);
}

/// Python tries these calls once.
#[tokio::test]
async fn u2_calls_for_checkpoints_and_the_rolling_state_are_tried_again() {
    for number in 0..8 {
        let world = World::new().await;
        let owner = world.client(OWNER, Role::Owner, "home");
        owner.sync(&SyncOptions::default()).await.unwrap();
        super::world::write(&owner.folders().datasite(owner.email()).join("a.txt"), "x");
        let status = Outcome::Status { status: 503, reason: "backendError".to_owned() };
        world.server.faults().push(Fault::new(When::Before, status).skip(number).times(2));
        assert_eq!(owner.create_checkpoint().await.unwrap().files, 1, "request {number}");
        assert_eq!(world.server.faults().pending(), 0, "request {number}");
    }
}
