//! What the connection to a drive promises of large files, without the program around it.

use std::path::Path;

use syft::connections::{
    Connection as _, Content, Fetching, GDrive, Heard, NewEntry, Sending, kept_at,
};
use syft::model::Digest;

use super::proxy::Way;
use super::world::{MIB, OWNER, World, digest};

const SIZE: u64 = 12 * MIB;

fn fetching(folder: &Path, id: &syft::connections::FileId) -> Fetching {
    Fetching { kept: kept_at(folder, id), heard: Heard::default() }
}

async fn entry(session: &GDrive) -> NewEntry {
    NewEntry {
        id: Some(session.new_ids(1).await.unwrap().remove(0)),
        parent: session.root(),
        name: "big".to_owned(),
        media_type: "application/octet-stream",
        tags: [].into(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn content_that_is_replaced_under_its_id_is_begun_anew() {
    let world = World::new().await;
    let session = world.session(OWNER);
    let (old, new) = (world.noise("old", 1, SIZE), world.noise("new", 2, SIZE));
    let made = entry(&session).await;
    let id = made.id.clone().unwrap();
    session.create_file(&made, Content::File(old)).await.unwrap();
    let (folder, to) = (world.folder.path().join("kept"), world.folder.path().join("got"));
    let fetching = fetching(&folder, &id);
    world.proxy.hold_after(Way::Down, SIZE / 2);
    tokio::select! {
        done = session.fetch(&id, &to, SIZE, &fetching) => panic!("{done:?}"),
        () = world.proxy.stopped() => {}
    }
    world.proxy.go_on();
    assert!(!to.exists() && fetching.kept.exists());
    session.replace(&id, Content::File(new.clone())).await.unwrap();
    session.fetch(&id, &to, SIZE, &fetching).await.unwrap();
    assert_eq!(digest(&to), digest(&new));
    // Whole, it is not fetched again, until its caller says that it is of no use.
    let (again, before) = (world.folder.path().join("again"), world.proxy.passed(Way::Down));
    std::fs::remove_file(&to).unwrap();
    session.fetch(&id, &again, SIZE, &fetching).await.unwrap();
    assert!(world.proxy.passed(Way::Down) - before < 64 * 1024);
    assert_eq!(digest(&again), digest(&new));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_there_already_is_a_success_if_it_is_the_same() {
    let world = World::new().await;
    let session = world.session(OWNER);
    let from = world.noise("from", 1, SIZE);
    let new = entry(&session).await;
    let folder = world.folder.path().join("kept");
    let digest = Digest::parse(&digest(&from).unwrap()).unwrap();
    let kept = kept_at(&folder, new.id.as_ref().unwrap());
    let sending = Sending { digest, kept, heard: Heard::default() };
    session.send(&new, &from, &sending).await.unwrap();
    let before = world.proxy.passed(Way::Up);
    session.send(&new, &from, &sending).await.unwrap();
    assert!(world.proxy.passed(Way::Up) - before < 64 * 1024, "nothing is sent to find that out");
    let other = Sending { digest: Digest::of(b"other"), ..sending };
    let answer = session.send(&new, &from, &other).await;
    assert!(matches!(answer, Err(syft::connections::Error::Damaged { .. })), "{answer:?}");
    let gone = session.read(new.id.as_ref().unwrap(), SIZE).await;
    assert!(matches!(gone, Err(syft::connections::Error::NotFound { .. })), "{gone:?}");
}
