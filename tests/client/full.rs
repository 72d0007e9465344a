//! A drive without room: what is done says so, with the code that tells it from other failures, and
//! goes on once there is room.

use syft::client::{Client, Error};
use syft::connections::faulty::{Fault, Script};
use syft::connections::{self, Call};
use syft::datasets::Audience;
use syft::model::{Code, Role};
use syft::permissions::Level;
use syft::syncers::SyncOptions;

use super::world::{World, acquaint, place, read, sync, write};

fn fill(script: &Script) {
    let full = Fault::before(|| connections::Error::Full { service: "Google Drive" });
    script.when(usize::MAX, full, |call: &Call| ["create_file", "replace"].contains(&call.method));
}

/// The code of what a sync could not do, be it a problem or all.
async fn code(client: &Client) -> Vec<Code> {
    match client.sync(&SyncOptions::default()).await {
        Ok(report) => report.problems.iter().map(|problem| problem.code).collect(),
        Err(error) => vec![error.code()],
    }
}

#[tokio::test]
async fn an_owner_whose_drive_is_full_is_told_so_and_loses_nothing() {
    let world = World::new();
    let (owner, script) = world.scripted("do@example.org", Role::Owner, "home");
    let scientist = world.scientist("ds@example.org");
    acquaint(&owner, &scientist).await;
    owner.grant("open/", scientist.email().as_str(), Level::Read).await.unwrap();
    write(&place(&owner, owner.email(), "open/a.txt"), "1");
    fill(&script);
    for _ in 0..2 {
        assert_eq!(code(&owner).await, [Code::DriveFull]);
    }
    let error = owner.create_dataset(&world.dataset("ages", Audience::Any), true).await;
    let error = error.unwrap_err();
    assert!(matches!(error, Error::NotSent { .. }), "{error:?}");
    assert_eq!(error.code(), Code::DriveFull, "{error}");
    script.clear();
    sync(&owner).await;
    sync(&scientist).await;
    assert_eq!(read(&scientist, owner.email(), "open/a.txt").as_deref(), Some("1"));
    assert_eq!(scientist.datasets().unwrap().len(), 1);
}

#[tokio::test]
async fn a_scientist_whose_drive_is_full_is_told_that_its_job_waits() {
    let world = World::new();
    let owner = world.owner("do@example.org");
    let (scientist, script) = world.scripted("ds@example.org", Role::Scientist, "home");
    acquaint(&owner, &scientist).await;
    fill(&script);
    let job = world.bash(&owner, "count", "echo 1\n");
    let error = scientist.submit_job(&job).await.unwrap_err();
    assert!(matches!(error, Error::NotSent { .. }), "{error:?}");
    assert_eq!(error.code(), Code::DriveFull, "{error}");
    assert_eq!(code(&scientist).await, [Code::DriveFull]);
    script.clear();
    sync(&scientist).await;
    sync(&owner).await;
    assert_eq!(owner.jobs().unwrap().len(), 1);
}
