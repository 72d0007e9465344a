//! Files, proposals, jobs and logins: what a day of work costs.

use syft::client::JobRequest;
use syft::model::Role;

use super::world::{OWNER, World, email, scientist, sync};

#[tokio::test]
async fn a_first_login_is_at_most_eight_requests_and_the_next_two() {
    let world = World::new().await;
    world.add(&scientist(0));
    for (name, role) in [(OWNER, Role::Owner), (&scientist(0), Role::Scientist)] {
        let first = world.machine(name, role, "first");
        world.cost(sync(&first)).await.0.is_at_most(7, &format!("{name}, after one to verify"));
        world.cost_of_sync(world.machine(name, role, "first")).await.is(1, name);
    }
}

/// The feed, the log, each reader, and the rolling state.
#[tokio::test]
async fn an_owners_changes_cost_one_message_for_each_reader_whatever_their_number() {
    for readers in [1, 5] {
        let world = World::with_peers(readers).await;
        world.open_folder(readers).await;
        for files in [1, 10, 100] {
            for number in 0..files {
                world.put(&format!("w/{files}/{number}"), "x");
            }
            let what = format!("{files} files, {readers} readers");
            let cost = world.cost_without_checkpoint(world.owner()).await;
            cost.is(1 + 1 + readers + 1, &what);
            world.cost_of_sync(world.scientist(0)).await.is(1 + 1, &what);
            world.settle(readers).await;
        }
    }
}

/// A full log makes a checkpoint.
#[tokio::test]
async fn changes_that_fill_the_log_cost_at_most_three_more() {
    let world = World::with_peers(1).await;
    world.open_folder(1).await;
    for files in [60, 300] {
        for number in 0..files {
            world.put(&format!("w/{files}/{number}"), "x");
        }
        let what = format!("{files} files");
        world.cost_of_sync(world.owner()).await.is_at_most(1 + 1 + 1 + 1 + 3, &what);
        world.cost_of_sync(world.scientist(0)).await.is(1 + 1, &what);
        world.settle(1).await;
    }
}

/// The feed, each message, a batch of moves for a hundred, the log, each who may read it, the rolling
/// state.
#[tokio::test]
async fn messages_that_are_received_cost_one_request_each_and_few_together() {
    for senders in [1, 3] {
        let world = World::with_peers(senders).await;
        world.open_folder(senders).await;
        // The first message of each makes the folder where it lies afterwards.
        for number in 0..senders {
            world.propose(number, &format!("w/first of {number}"), "x");
        }
        world.settle(senders).await;
        for messages in [1, 10, 120 / senders] {
            for number in 0..messages {
                let sender = number % senders;
                world.propose(sender, &format!("w/{messages}/{number}"), "x");
                world.cost_of_sync(world.scientist(sender)).await.is(2, "to propose");
            }
            let what = format!("{messages} messages of {senders}");
            let moves = messages.div_ceil(100);
            let budget = 1 + messages + moves + 1 + senders + 1;
            world.cost_without_checkpoint(world.owner()).await.is(budget, &what);
            world.settle(senders).await;
        }
    }
}

/// The feed, and each message.
#[tokio::test]
async fn messages_that_are_pulled_cost_one_request_each() {
    let world = World::with_peers(1).await;
    world.open_folder(1).await;
    for messages in [1, 5, 9] {
        for number in 0..messages {
            world.put(&format!("w/{messages}/{number}"), "x");
            sync(&world.owner()).await;
        }
        let cost = world.cost_of_sync(world.scientist(0)).await;
        cost.is_at_most(1 + messages, &format!("{messages} messages"));
        world.settle(1).await;
    }
}

#[tokio::test]
async fn a_job_is_submitted_by_one_request() {
    let world = World::with_peers(1).await;
    let path = world.file("count.py", "print(1)\n");
    let request = JobRequest {
        to: email(OWNER),
        path,
        name: Some("count".to_owned()),
        entrypoint: None,
        dependencies: Vec::new(),
        datasets: Vec::new(),
        request: syft::jobs::Request::default(),
        bash: false,
        force: false,
    };
    let client = world.scientist(0);
    let (cost, submitted) = world.cost(client.submit_job(&request)).await;
    submitted.unwrap();
    cost.is(1, "to submit");
}
