//! How long each row of the budget waits for the drive: the longest chain of requests that each
//! need the answer to the one before. What cannot be avoided follows from the protocol and is
//! written beside each row; nothing takes more than two round trips more.

use syft::client::What;
use syft::datasets::Audience;
use syft::model::Role;
use syft::syncers::SyncOptions;

use super::world::{OWNER, World, email, scientist};

/// Waves of at most eight requests.
fn waves(requests: usize) -> usize {
    requests.div_ceil(syft::connections::AT_ONCE)
}

async fn of_sync(world: &World, account: &str, role: Role, machine: &str) -> super::waves::Chain {
    let (client, line) = world.slow_machine(account, role, machine);
    let (chain, report) = line.chain(client.sync(&SyncOptions::default())).await;
    assert_eq!(report.unwrap().problems, [], "{account}");
    chain
}

async fn of_owner(world: &World) -> super::waves::Chain {
    of_sync(world, OWNER, Role::Owner, "first").await
}

async fn of_scientist(world: &World, number: usize) -> super::waves::Chain {
    of_sync(world, &scientist(number), Role::Scientist, "first").await
}

/// The place in the feed, the two searches side by side, the SyftBox, and what lies in it.
#[tokio::test]
async fn a_first_sync_waits_for_what_it_makes() {
    let world = World::new().await;
    world.add(&scientist(0));
    for (name, role) in [(OWNER, Role::Owner), (&scientist(0), Role::Scientist)] {
        let chain = of_sync(&world, name, role, "first").await;
        chain.is_within_two_of(1 + 1 + 1 + 1, name);
        of_sync(&world, name, role, "first").await.is(1, name);
    }
}

/// The feed, the log, then all readers and the rolling state.
#[tokio::test]
async fn an_owners_changes_wait_for_the_log_and_nothing_else() {
    for readers in [1, 5, 10] {
        let world = World::with_peers(readers).await;
        world.open_folder(readers).await;
        world.put("w/new", "x");
        let what = format!("{readers} readers");
        of_owner(&world).await.is_within_two_of(1 + 1 + waves(readers + 1), &what);
        of_scientist(&world, 0).await.is(1 + 1, &what);
    }
}

/// The feed, all messages side by side, the log, the answers beside the rolling state, the moves.
#[tokio::test]
async fn messages_that_are_received_are_read_side_by_side() {
    let world = World::with_peers(3).await;
    world.open_folder(3).await;
    for number in 0..3 {
        world.propose(number, &format!("w/first of {number}"), "x");
    }
    world.settle(3).await;
    for messages in [1, 10, 30] {
        for number in 0..messages {
            let sender = number % 3;
            world.propose(sender, &format!("w/{messages}/{number}"), "x");
            // The feed, and the proposal.
            of_scientist(&world, sender).await.is(2, "to propose");
        }
        let unavoidable = 1 + waves(messages) + 1 + 1 + 1;
        let (client, line) = world.slow_machine(OWNER, Role::Owner, "first");
        let options = SyncOptions { auto_checkpoint: false, ..SyncOptions::default() };
        let (chain, report) = line.chain(client.sync(&options)).await;
        assert_eq!(report.unwrap().problems, []);
        chain.is_within_two_of(unavoidable, &format!("{messages} messages"));
        world.settle(3).await;
    }
}

/// The feed, and all messages side by side.
#[tokio::test]
async fn messages_that_are_pulled_are_read_side_by_side() {
    let world = World::with_peers(1).await;
    world.open_folder(1).await;
    for number in 0..9 {
        world.put(&format!("w/{number}"), "x");
        super::world::sync(&world.owner()).await;
    }
    of_scientist(&world, 0).await.is_within_two_of(1 + waves(9), "nine messages");
}

/// The folder, its files side by side, who may read them; a reader: the feed, what is in the folder,
/// its files.
#[tokio::test]
async fn a_datasets_files_travel_side_by_side() {
    for (files, readers) in [(1, 1), (15, 1), (3, 10)] {
        let world = World::with_peers(readers).await;
        let new = world.dataset("ages", files, Audience::Any);
        let (client, line) = world.slow_machine(OWNER, Role::Owner, "first");
        let (chain, made) = line.chain(client.create_dataset(&new, false)).await;
        made.unwrap();
        let what = format!("{files} files, {readers} readers");
        let files = waves(files + 1); // with the description
        chain.is_within_two_of(1 + files + 1, &what);
        of_scientist(&world, 0).await.is_within_two_of(1 + 1 + files, &what);
    }
}

/// The feed, what was asked for, side by side for all datasets.
#[tokio::test]
async fn datasets_are_taken_in_side_by_side() {
    let world = World::with_peers(1).await;
    for number in 0..10 {
        let new = world.dataset(&format!("ages{number}"), 1, Audience::Any);
        world.owner().create_dataset(&new, false).await.unwrap();
    }
    of_scientist(&world, 0).await.is_within_two_of(1 + 1 + waves(20), "ten datasets of two files");
}

/// A scientist asks: the feed, the folders, who may see them beside the list of peers. An owner sees
/// it: the feed, what lies in the folders; and agrees.
#[tokio::test]
async fn peers_meet_without_waiting_much() {
    let world = World::new().await;
    world.add(&scientist(0));
    for (name, role) in [(OWNER, Role::Owner), (&scientist(0), Role::Scientist)] {
        of_sync(&world, name, role, "first").await;
    }
    let (client, line) = world.slow_machine(&scientist(0), Role::Scientist, "first");
    let (chain, asked) = line.chain(client.add_peer(&email(OWNER))).await;
    asked.unwrap();
    // The feed, the folders, the shares, the list of peers, which says that all is done; and a sync.
    chain.is_within_two_of(1 + 1 + 1 + 1 + 1, "a scientist asks");
    of_owner(&world).await.is_within_two_of(1 + 1, "the owner is asked");
    let (client, line) = world.slow_machine(OWNER, Role::Owner, "first");
    let (chain, agreed) = line.chain(client.approve_peer(&email(&scientist(0)))).await;
    agreed.unwrap();
    // The same, and the sync sends: the log, what may be read beside the rolling state.
    chain.is_within_two_of(1 + 1 + 1 + 1 + 1 + 1 + 1, "the owner agrees");
    // The feed, what lies in the folders, what the owner speaks; then our own version file, its share,
    // and what was made for another generation goes, once all else is done.
    of_scientist(&world, 0).await.is_within_two_of(6, "the scientist sees it");
}

/// The place in the feed, the searches, what lies in the SyftBox, what lies in its folders; then the
/// list of peers beside checkpoints and what lies in datasets; then datasets' files, or messages of
/// owners; and of an owner what its peers are owed.
#[tokio::test]
async fn a_machine_that_joins_reads_side_by_side() {
    let world = World::with_peers(3).await;
    world.open_folder(3).await;
    for number in 0..3 {
        let new = world.dataset(&format!("ages{number}"), 2, Audience::Any);
        world.owner().create_dataset(&new, false).await.unwrap();
    }
    for number in 0..100 {
        world.put(&format!("w/{number}"), "x");
    }
    world.settle(3).await;
    world.owner().create_checkpoint().await.unwrap();
    world.put("w/after", "x");
    world.settle(3).await;
    let chain = of_sync(&world, OWNER, Role::Owner, "second").await;
    chain.is_within_two_of(4 + 1 + waves(9) + 1, "the owner joins");
    let chain = of_sync(&world, &scientist(0), Role::Scientist, "second").await;
    chain.is_within_two_of(4 + 1 + waves(9), "the scientist joins");
}

/// An owner's goodbye (the feed, its readers) beside the searches, the SyftBox and its folders; then what goes, beside what
/// the readers were told before. A scientist: the same without readers.
#[tokio::test]
async fn a_deletion_looks_while_it_tells() {
    for readers in [1, 10] {
        let world = World::with_peers(readers).await;
        world.open_folder(readers).await;
        world.put("w/new", "x");
        world.settle(readers).await;
        let what = format!("{readers} readers");
        let (client, line) = world.slow_machine(OWNER, Role::Owner, "first");
        let (chain, deleted) = line.chain(client.delete_syftbox(What::Both)).await;
        assert_eq!(deleted.unwrap().problems, [], "{what}");
        chain.is_within_two_of((1 + waves(readers)).max(3) + 1, &what);
        let (client, line) = world.slow_machine(&scientist(0), Role::Scientist, "first");
        let (chain, deleted) = line.chain(client.delete_syftbox(What::Both)).await;
        assert_eq!(deleted.unwrap().problems, [], "{what}");
        chain.is_within_two_of(3 + 1, &what);
    }
}
