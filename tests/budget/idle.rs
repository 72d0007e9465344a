//! A sync with nothing to do, which is what a drive is asked for all day long.

use std::time::Duration;

use syft::datasets::Audience;

use super::world::{OWNER, World, email, scientist, sync};

async fn is_one_request_each(world: &World, peers: usize) {
    let owner = world.owner();
    world.cost(sync(&owner)).await.0.is(1, &format!("the owner of {peers}, cold"));
    world.cost(sync(&owner)).await.0.is(1, &format!("the owner of {peers}, warm"));
    for number in [0, peers - 1] {
        let one = world.scientist(number);
        world.cost(sync(&one)).await.0.is(1, &format!("{}, cold", scientist(number)));
        world.cost(sync(&one)).await.0.is(1, &format!("{}, warm", scientist(number)));
    }
}

#[tokio::test]
async fn an_idle_sync_is_one_request_for_any_number_of_peers() {
    for peers in [1, 10] {
        is_one_request_each(&World::with_peers(peers).await, peers).await;
    }
}

/// The feed may lag, so four times a day it is not believed: the place in it, two searches, what lies
/// in the SyftBox, and what lies in its folders, of which one search asks for 37.
#[tokio::test]
async fn every_six_hours_everything_is_listed_and_no_content_read() {
    const EVERY: Duration = Duration::from_secs(6 * 3600);
    let minute = Duration::from_secs(60);
    for peers in [1, 10] {
        let world = World::with_peers(peers).await;
        let new = world.dataset("ages", 1, Audience::Any);
        world.owner().create_dataset(&new, false).await.unwrap();
        world.settle(peers).await;
        for (client, name) in [(world.owner(), OWNER), (world.scientist(0), "the scientist")] {
            sync(&client).await;
            world.wait(EVERY);
            let (cost, _) = world.cost(sync(&client)).await;
            cost.is_at_most(1 + 2 + 1 + 2, &format!("{name} of {peers}"));
            cost.is_all("GET /drive/v3/files", cost.requests - 1);
            for _ in 0..2 {
                world.cost(sync(&client)).await.0.is(1, &format!("{name}, right after that"));
                world.wait(EVERY / 2 - minute);
            }
        }
    }
}

#[tokio::test]
async fn a_hundred_peers_cost_no_more_and_a_dataset_for_them_two_shares() {
    let peers = 101;
    let world = World::with_peers(peers).await;
    is_one_request_each(&world, peers).await;
    let new = world.dataset("ages", 3, Audience::Any);
    let client = world.owner();
    let (cost, made) = world.cost(client.create_dataset(&new, false)).await;
    made.unwrap();
    cost.is(4 + 2 + 2, "three files with the description, two to begin with, two shares");
    sync(&world.scientist(0)).await;
    world.cost_of_sync(world.owner()).await.is(1, "the owner, who has a dataset for all");
    world.cost_of_sync(world.scientist(0)).await.is(1, "a scientist who has it");
}

#[tokio::test]
async fn an_idle_sync_is_one_request_with_a_hundred_datasets() {
    let world = World::with_peers(1).await;
    for number in 0..100 {
        let new = world.dataset(&format!("ages{number}"), 1, Audience::Any);
        world.owner().create_dataset(&new, false).await.unwrap();
    }
    world.settle(1).await;
    assert_eq!(world.scientist(0).datasets().unwrap().len(), 100);
    world.cost_of_sync(world.owner()).await.is(1, "the owner");
    world.cost_of_sync(world.scientist(0)).await.is(1, "the scientist");
}

#[tokio::test]
async fn an_idle_sync_is_one_request_for_who_follows_ten_owners() {
    let world = World::with_peers(1).await;
    let one = world.scientist(0);
    for number in 0..10 {
        let name = format!("owner{number}@example.org");
        let other = world.another_owner(&name);
        sync(&other).await;
        one.add_peer(&email(&name)).await.unwrap();
        sync(&other).await;
        other.approve_peer(one.email()).await.unwrap();
    }
    for _ in 0..2 {
        sync(&one).await;
    }
    world.cost_of_sync(world.scientist(0)).await.is(1, "the scientist");
    assert_eq!(world.scientist(0).peers().await.unwrap().len(), 11, "{OWNER} and ten more");
}
