//! What a sync costs, in calls of the connection.

use syft::connections::{Connection as _, MemoryDrive};
use syft::permissions::Level;

use super::world::{Party, World, acquaint};

async fn cost_of(party: &Party<'_>) -> usize {
    let before = party.script.calls();
    party.sync().await;
    party.script.calls() - before
}

#[tokio::test]
async fn p4_an_idle_sync_is_one_call_for_any_number_of_peers() {
    let world = World::new();
    let owner = world.owner("do@example.org");
    let names: Vec<String> = (0..5).map(|number| format!("ds{number}@example.org")).collect();
    let mut scientists = Vec::new();
    for name in &names {
        let scientist = world.scientist(name);
        acquaint(&owner, &scientist).await;
        scientists.push(scientist);
    }
    owner.sync().await;
    assert_eq!(cost_of(&owner).await, 1);
    for scientist in &scientists {
        scientist.sync().await;
        assert_eq!(cost_of(scientist).await, 1);
    }
}

#[tokio::test]
async fn changes_cost_one_message_for_the_log_one_for_each_reader_and_one_state() {
    let world = World::new();
    let (owner, scientist) = world.pair().await;
    let other = world.scientist("ds2@example.org");
    acquaint(&owner, &other).await;
    owner.grant("r/", &scientist.email, Level::Read);
    owner.grant("r/", &other.email, Level::Read);
    owner.put("r/first.txt", "x");
    owner.sync().await;
    owner.sync().await;
    scientist.sync().await;
    for number in 0..20 {
        owner.put(&format!("r/{number}.txt"), "x");
    }
    assert_eq!(cost_of(&owner).await, 1 + 1 + 2 + 1);
    assert_eq!(cost_of(&scientist).await, 1 + 1);
}

#[tokio::test]
async fn messages_that_are_dealt_with_leave_the_inbox_in_one_call() {
    let world = World::new();
    let (owner, scientist) = world.pair().await;
    owner.grant("w/", &scientist.email, Level::Write);
    owner.sync().await;
    scientist.sync().await;
    scientist.write(&owner.email, "w/first.txt", b"x");
    scientist.sync().await;
    owner.sync().await;
    scientist.sync().await;
    for number in 0..10 {
        scientist.write(&owner.email, &format!("w/{number}.txt"), b"x");
        let before = scientist.script.calls();
        scientist.sync().await;
        assert_eq!(scientist.script.calls() - before, 2);
    }
    // The feed, ten messages, the log, the sender, the rolling state, and one move of all.
    assert_eq!(cost_of(&owner).await, 1 + 10 + 1 + 1 + 1 + 1);
}

#[tokio::test]
async fn the_memory_drive_counts_as_the_script_does() {
    let drive = MemoryDrive::new();
    let session = drive.session(&super::world::email("do@example.org"));
    session.change_start().await.unwrap();
    assert_eq!(session.requests(), 1);
}
