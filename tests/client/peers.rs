//! Peers, rules, and the lock.

use syft::client::Error;
use syft::peers::PeerState;
use syft::permissions::Level;
use syft::syncers::SyncOptions;

use super::world::{World, acquaint, email, place, read, sync, write};

#[tokio::test]
async fn asking_and_agreeing_makes_peers_with_job_folders_as_python_writes_them() {
    let world = World::new();
    let (owner, scientist) = (world.owner("do@example.com"), world.scientist("ds@example.com"));
    acquaint(&owner, &scientist).await;
    for client in [&owner, &scientist] {
        let peers = client.peers().await.unwrap();
        assert_eq!(peers.len(), 1);
        assert_eq!(peers[0].peer.state, PeerState::Accepted);
        let versions = client.version_manager();
        assert!(versions.is_peer_version_compatible(&peers[0].peer.email).unwrap());
        assert_eq!(versions.get_compatible_peer_emails().unwrap(), [peers[0].peer.email.clone()]);
    }
    let inbox = "rules:\n- access:\n    admin: []\n    read: []\n    write:\n    - ds@example.com\n  pattern: '**'\nterminal: false\n";
    let review = "rules:\n- access:\n    admin: []\n    read:\n    - ds@example.com\n    write: []\n  pattern: '**'\nterminal: false\n";
    let rules = |side: &str| {
        let path = format!("app_data/job/{side}/ds@example.com/syft.pub.yaml");
        read(&owner, owner.email(), &path).unwrap()
    };
    assert_eq!((rules("inbox").as_str(), rules("review").as_str()), (inbox, review));
}

#[tokio::test]
async fn an_owner_who_asks_first_lets_the_answering_peer_submit() {
    let world = World::new();
    let (owner, scientist) = (world.owner("do@example.org"), world.scientist("ds@example.org"));
    sync(&scientist).await;
    owner.add_peer(scientist.email()).await.unwrap();
    sync(&scientist).await;
    scientist.add_peer(owner.email()).await.unwrap();
    sync(&owner).await;
    sync(&scientist).await;
    let job = world.bash(&scientist, "x", "echo hello");
    let job = syft::client::JobRequest { to: owner.email().clone(), ..job };
    scientist.submit_job(&job).await.unwrap();
    let report = sync(&owner).await;
    assert_eq!((report.accepted, report.refused.len()), (3, 0));
}

#[tokio::test]
async fn a_rejected_peer_and_a_stranger_get_nothing() {
    let world = World::new();
    let (owner, scientist) = (world.owner("do@example.org"), world.scientist("ds@example.org"));
    sync(&owner).await;
    let nobody = owner.approve_peer(&email("nobody@example.org")).await.unwrap_err();
    assert_eq!(nobody.code(), "no-request");
    assert_eq!(owner.add_peer(owner.email()).await.unwrap_err().code(), "own-account");
    scientist.add_peer(owner.email()).await.unwrap();
    sync(&owner).await;
    owner.reject_peer(scientist.email()).await.unwrap();
    let peers = owner.peers().await.unwrap();
    assert_eq!(peers[0].peer.state, PeerState::Rejected);
    let job = world.bash(&owner, "early", "echo hello");
    assert_eq!(scientist.submit_job(&job).await.unwrap_err().code(), "version-unknown");
}

#[tokio::test]
async fn what_is_granted_arrives_and_what_is_revoked_goes() {
    let world = World::new();
    let (owner, scientist) = (world.owner("do@example.org"), world.scientist("ds@example.org"));
    acquaint(&owner, &scientist).await;
    write(&place(&owner, owner.email(), "reports/q1.csv"), "1");
    let user = scientist.email().as_str();
    assert!(!owner.allows("reports/q1.csv", user, Level::Read).unwrap());
    let notes = owner.grant("reports/", user, Level::Read).await.unwrap();
    assert!(notes.iter().any(|note| note.contains("permission file")), "{notes:?}");
    assert!(owner.allows("reports/q1.csv", user, Level::Read).unwrap());
    assert!(owner.explain("reports/q1.csv", user).unwrap().allowed);
    sync(&owner).await;
    sync(&scientist).await;
    assert_eq!(read(&scientist, owner.email(), "reports/q1.csv").as_deref(), Some("1"));
    owner.revoke("reports/", user, Level::Read).await.unwrap();
    sync(&owner).await;
    sync(&scientist).await;
    assert_eq!(read(&scientist, owner.email(), "reports/q1.csv"), None);
    let error = scientist.grant("x", user, Level::Read).await.unwrap_err();
    assert_eq!(error.code(), "wrong-role");
}

#[tokio::test]
async fn a_second_process_is_turned_away_and_may_wait() {
    let world = World::new();
    let owner = world.owner("do@example.org");
    sync(&owner).await;
    let held = syft::caches::SyncLock::take(&owner.folders().syftbox, false).unwrap();
    let error = owner.sync(&SyncOptions::default()).await.unwrap_err();
    assert!(matches!(error, Error::Locked { .. }), "{error}");
    assert_eq!(error.code(), "locked");
    let before = owner.requests();
    assert!(owner.create_checkpoint().await.is_err());
    assert_eq!(owner.requests(), before);
    owner.set_wait_for_lock(true);
    let options = SyncOptions::default();
    let (synced, ()) = tokio::join!(owner.sync(&options), async {
        tokio::task::yield_now().await;
        drop(held);
    });
    synced.unwrap();
}

#[tokio::test]
async fn a_checkpoint_holds_what_was_just_written() {
    let world = World::new();
    let owner = world.owner("do@example.org");
    write(&place(&owner, owner.email(), "a/b.txt"), "1");
    assert_eq!(owner.create_checkpoint().await.unwrap().files, 1);
    assert!(owner.checkpoint_status(50).unwrap().last.is_some());
    assert!(owner.try_create_checkpoint(1).await.unwrap().is_none());
    assert!(!owner.should_create_checkpoint(1).unwrap());
}
