//! An outage that outlasts all retries is told clearly, and made good by the next sync.

use drive_server::{Fault, Outcome, When};
use serde_json::Value;
use syft::client::Error;
use syft::connections;
use syft::model::Role;
use syft::syncers::{self, SyncOptions};

use super::session::Parties;
use super::world::{OWNER, SCIENTIST, World, email, token, write};

fn outage() -> Fault {
    let reason = "backendError".to_owned();
    Fault::new(When::Before, Outcome::Status { status: 503, reason }).times(u64::MAX)
}

#[tokio::test]
async fn an_outage_is_an_error_that_names_the_service_and_the_next_sync_repairs_it() {
    let world = World::new().await;
    let mut parties = Parties::new(&world);
    parties.play().await;
    let owner = world.client(OWNER, Role::Owner, "home");
    let scientist = world.client(SCIENTIST, Role::Scientist, "home");
    let datasite = email(OWNER);
    let place =
        |client: &syft::client::Client, path| client.folders().datasite(&datasite).join(path);
    write(&place(&owner, "open/late.txt"), "written in an outage");
    write(&place(&scientist, "shared/late.txt"), "proposed in an outage");

    world.server.faults().push(outage());
    for client in [&owner, &scientist] {
        let before = world.server.requests();
        let error = client.sync(&SyncOptions::default()).await.unwrap_err();
        assert_eq!(world.server.requests() - before, 6, "six tries, then it gives up");
        assert!(error.is_retryable(), "{error:?}");
        let is_outage = matches!(
            &error,
            Error::Sync(syncers::Error::Connection(connections::Error::Unavailable { .. }))
                | Error::Connection(connections::Error::Unavailable { .. })
        );
        assert!(is_outage, "{error:?}");
    }
    world.server.faults().clear();
    for client in [&scientist, &owner, &scientist] {
        let report = client.sync(&SyncOptions::default()).await.unwrap();
        assert_eq!(report.problems, []);
    }
    for path in ["open/late.txt", "shared/late.txt"] {
        let read = |client| std::fs::read_to_string(place(client, path)).unwrap();
        assert_eq!(read(&owner), read(&scientist), "{path}");
    }
}

/// Where only sending fails, the sync goes on, says so, and keeps what was to be sent.
#[tokio::test]
async fn what_could_not_be_sent_is_a_problem_and_is_sent_next_time() {
    let world = World::new().await;
    let mut parties = Parties::new(&world);
    parties.play().await;
    let owner = world.client(OWNER, Role::Owner, "home");
    let scientist = world.client(SCIENTIST, Role::Scientist, "home");
    let datasite = email(OWNER);
    let place =
        |client: &syft::client::Client| client.folders().datasite(&datasite).join("open/late.txt");
    write(&place(&owner), "late");
    world.server.faults().push(outage().on("POST", "/upload"));
    match owner.sync(&SyncOptions::default()).await {
        Ok(report) => assert!(!report.problems.is_empty(), "{report:?}"),
        Err(error) => assert!(error.is_retryable(), "{error:?}"),
    }
    world.server.faults().clear();
    for client in [&owner, &scientist] {
        let report = client.sync(&SyncOptions::default()).await.unwrap();
        assert_eq!(report.problems, []);
    }
    assert_eq!(std::fs::read_to_string(place(&scientist)).unwrap(), "late");
}

/// The program itself, where trying again cannot help and so nobody waits: a drive that is full.
#[tokio::test]
async fn the_command_line_says_that_the_drive_is_full_and_the_next_sync_repairs_it() {
    let world = World::new().await;
    let home = world.home("command-line");
    let url = world.server.url().to_owned();
    let syft = async |arguments: &[&str]| {
        let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_syft"))
            .arg("--json")
            .args(arguments)
            .env("SYFT_HOME", &home)
            .env("SYFT_EMAIL", OWNER)
            .stdin(std::process::Stdio::null())
            .output()
            .await
            .unwrap();
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        (output.status.code().unwrap(), answer)
    };
    let login = ["login-do", "--email", OWNER, "--drive", &url, "--token", &token(OWNER)]
        .map(str::to_owned);
    let (exit, answer) = syft(&login.each_ref().map(String::as_str)).await;
    assert_eq!(exit, 0, "{answer}");
    write(&home.join(format!("SyftBox_{OWNER}/{OWNER}/open/late.txt")), "late");

    let full = Outcome::Status { status: 403, reason: "storageQuotaExceeded".to_owned() };
    world
        .server
        .faults()
        .push(Fault::new(When::Before, full).on("POST", "/upload").times(u64::MAX));
    let (exit, answer) = syft(&["sync"]).await;
    let problem = if exit == 1 { &answer["error"] } else { &answer["problems"][0] };
    assert!(exit == 1 || exit == 3, "{exit}: {answer}");
    let message = problem["message"].as_str().unwrap();
    assert!(message.contains("full") || message.contains("space"), "{answer}");

    world.server.faults().clear();
    let (exit, answer) = syft(&["sync"]).await;
    assert_eq!((exit, &answer["problems"]), (0, &serde_json::json!([])), "{answer}");
    let second = world.client(OWNER, Role::Owner, "second");
    second.sync(&SyncOptions::default()).await.unwrap();
    let late = second.folders().datasite(second.email()).join("open/late.txt");
    assert_eq!(std::fs::read_to_string(late).unwrap(), "late");
}
