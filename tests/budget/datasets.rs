//! Datasets: their files, and little more.

use syft::datasets::Audience;

use super::world::World;

/// The files with the description, two to begin with, and one share for a hundred readers.
#[tokio::test]
async fn a_dataset_costs_its_files_and_little_more() {
    for (files, readers) in [(1, 1), (10, 1), (3, 10)] {
        let world = World::with_peers(readers).await;
        let new = world.dataset("ages", files, Audience::Any);
        let client = world.owner();
        let (cost, made) = world.cost(client.create_dataset(&new, false)).await;
        made.unwrap();
        let files = files + 1;
        let budget = files + 2 + readers.div_ceil(100);
        cost.is(budget, &format!("{files} files, {readers} readers"));
        // The feed, what is in the folder, each file.
        world.cost_of_sync(world.scientist(0)).await.is(1 + 1 + files, "the reader");
        world.cost_of_sync(world.scientist(0)).await.is(1, "and then");
        world.settle(1).await;
        world.cost_of_sync(world.owner()).await.is(1, "the owner");
    }
}
