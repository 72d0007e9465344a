//! What things cost, in requests.

use syft::client::Client;
use syft::connections::faulty::Script;
use syft::datasets::Audience;
use syft::model::Role;
use syft::syncers::SyncOptions;

use super::world::{World, acquaint, sync};

async fn cost(client: &Client, script: &Script) -> usize {
    let before = script.calls();
    sync(client).await;
    script.calls() - before
}

#[tokio::test]
async fn an_idle_sync_is_one_request_with_five_peers_datasets_and_jobs() {
    let world = World::new();
    let (owner, calls) = world.scripted("do@example.org", Role::Owner, "home");
    let mut scientists = Vec::new();
    for number in 0..5 {
        let name = format!("ds{number}@example.org");
        let (scientist, script) = world.scripted(&name, Role::Scientist, "home");
        acquaint(&owner, &scientist).await;
        scientists.push((scientist, script));
    }
    owner.create_dataset(&world.dataset("one", Audience::Any), true).await.unwrap();
    owner.create_dataset(&world.dataset("two", Audience::Nobody), false).await.unwrap();
    let job = world.bash(&owner, "count", "echo 1");
    scientists[0].0.submit_job(&job).await.unwrap();
    for _ in 0..2 {
        sync(&owner).await;
        for (scientist, _) in &scientists {
            sync(scientist).await;
        }
    }
    assert_eq!(cost(&owner, &calls).await, 1);
    for (scientist, script) in &scientists {
        assert_eq!(cost(scientist, script).await, 1);
        assert_eq!(scientist.datasets().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_first_sync_on_an_empty_drive_costs_little() {
    let world = World::new();
    for (name, role) in [("do@example.org", Role::Owner), ("ds@example.org", Role::Scientist)] {
        let (client, script) = world.scripted(name, role, "home");
        client.sync(&SyncOptions::default()).await.unwrap();
        assert!(script.calls() <= 7, "{name}: {}", script.calls());
    }
}

#[tokio::test]
async fn a_dataset_costs_its_files_and_little_more() {
    let world = World::new();
    let (owner, calls) = world.scripted("do@example.org", Role::Owner, "home");
    let (scientist, script) = world.scripted("ds@example.org", Role::Scientist, "home");
    acquaint(&owner, &scientist).await;
    sync(&owner).await;
    sync(&scientist).await;
    let before = calls.calls();
    owner.create_dataset(&world.dataset("one", Audience::Any), false).await.unwrap();
    // Ids, the folder, the mock file and the description, one grant.
    assert_eq!(calls.calls() - before, 1 + 1 + 2 + 1);
    // The feed, what is in the folder, two files.
    assert_eq!(cost(&scientist, &script).await, 1 + 1 + 2);
    let before = script.calls();
    scientist.submit_job(&world.bash(&owner, "count", "echo 1")).await.unwrap();
    assert_eq!(script.calls() - before, 1);
}
