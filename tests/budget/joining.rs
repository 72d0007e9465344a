//! A machine that joins, and one with many files that has nothing to do.

use syft::model::Role;

use super::world::{OWNER, World, scientist, sync};

const FILES: usize = 1_000;

async fn with_files() -> World {
    let world = World::with_peers(1).await;
    world.open_folder(1).await;
    for number in 0..FILES {
        world.put(&format!("w/{number}"), "x");
    }
    sync(&world.owner()).await;
    world.settle(1).await;
    world
}

#[tokio::test]
async fn a_machine_joins_a_thousand_files_by_at_most_twelve_requests() {
    let world = with_files().await;
    world.owner().create_checkpoint().await.unwrap();
    let second = world.machine(OWNER, Role::Owner, "second");
    let (cost, report) = world.cost(sync(&second)).await;
    assert!(report.pulled > FILES, "{report:?}");
    cost.is_at_most(12, "a second machine of the owner");
    let second = world.machine(&scientist(0), Role::Scientist, "second");
    world.cost(sync(&second)).await.0.is_at_most(12, "a second machine of the scientist");
}

#[tokio::test]
async fn an_idle_sync_is_one_request_with_a_thousand_files() {
    let world = with_files().await;
    world.cost_of_sync(world.owner()).await.is(1, "the owner");
    world.cost_of_sync(world.scientist(0)).await.is(1, "the scientist");
}
