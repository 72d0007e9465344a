//! Files that are too large to be held: they travel as any other, and nothing of them is left over.

use syft::connections::Call;
use syft::connections::faulty::{Fault, unavailable};
use syft::model::Digest;
use syft::permissions::Level;
use syft::wire::{FileChangeEventsMessage, Packed as _};

use super::world::{Party, World, acquaint, email};

/// What has so many bytes is too much here.
const LARGE: u64 = 1000;

/// Bytes that are no text, and text that needs escapes; some of each is larger than a piece.
fn contents() -> [(&'static str, Vec<u8>); 4] {
    let noise =
        |count: u32| (0..count).flat_map(|n| Digest::of(&n.to_le_bytes()).to_hex().into_bytes());
    [
        ("shared/data.bin", [&[0xff, 0, 7], noise(9_000).collect::<Vec<_>>().as_slice()].concat()),
        (
            "shared/notes.txt",
            "a \"line\"\\ of text: \u{1f600}\u{7}\r\n".repeat(20_000).into_bytes(),
        ),
        ("shared/edge.bin", vec![0xfe; 1000]),
        ("shared/small.txt", b"held".to_vec()),
    ]
}

fn has(party: &Party<'_>, path: &str, content: &[u8]) -> bool {
    let root = party.account().folders.datasite(&email("do@example.org"));
    std::fs::read(root.join(path)).is_ok_and(|found| found == content)
}

/// Nothing is left of what was on its way.
fn nothing_left(party: &Party<'_>) {
    let folders = &party.account().folders;
    for folder in [folders.contents(), folders.parcels()] {
        let left = std::fs::read_dir(&folder).map_or(0, Iterator::count);
        assert_eq!(left, 0, "{}", folder.display());
    }
}

async fn stage(world: &World) -> (Party<'_>, Party<'_>, Party<'_>) {
    let (owner, scientist) = world.pair().await;
    let reader = world.scientist("reader@example.org");
    acquaint(&owner, &reader).await;
    owner.grant("shared/", &scientist.email, Level::Write);
    owner.grant("shared/", &reader.email, Level::Read);
    owner.sync().await;
    scientist.sync().await;
    reader.sync().await;
    (owner, scientist, reader)
}

#[tokio::test]
async fn what_is_too_large_to_be_held_travels_both_ways() {
    for sends_chunks in [true, false] {
        travels_both_ways(sends_chunks).await;
    }
}

async fn travels_both_ways(sends_chunks: bool) {
    let world = World::new();
    world.sends_chunks(sends_chunks);
    world.holds_less_than(LARGE);
    let (owner, scientist, reader) = stage(&world).await;
    for (path, content) in contents() {
        scientist.write(&owner.email, path, &content);
    }
    scientist.sync().await;
    let report = owner.sync().await;
    assert_eq!(report.accepted, 4);
    reader.sync().await;
    scientist.sync().await;
    let all = [&owner, &scientist, &reader];
    for (path, content) in contents() {
        assert!(all.iter().all(|party| has(party, path, &content)), "{path}");
    }
    // And what the owner makes of it.
    let edited = contents().map(|(path, content)| (path, [content.as_slice(), b"more"].concat()));
    for (path, content) in &edited {
        owner.write(&owner.email, path, content);
    }
    owner.sync().await;
    reader.sync().await;
    scientist.sync().await;
    for (path, content) in &edited {
        assert!(all.iter().all(|party| has(party, path, content)), "{path}");
    }
    for party in all {
        assert!(party.sync().await.is_idle());
        nothing_left(party);
    }
}

#[tokio::test]
async fn a_machine_joins_what_is_too_large_to_be_held() {
    let cases = [(false, LARGE), (true, LARGE), (true, u64::MAX)];
    let both = |(checkpoint, large)| [(true, checkpoint, large), (false, checkpoint, large)];
    for (sends_chunks, with_checkpoint, large_there) in cases.into_iter().flat_map(both) {
        let world = World::new();
        world.sends_chunks(sends_chunks);
        world.holds_less_than(LARGE);
        let (owner, ..) = stage(&world).await;
        for (path, content) in contents() {
            owner.write(&owner.email, path, &content);
        }
        owner.sync().await;
        if with_checkpoint {
            let syncer = syft::syncers::DatasiteOwnerSyncer::new(owner.account());
            syncer.create_checkpoint(world.now()).await.unwrap();
            // What comes since is in the rolling state.
            owner.write(&owner.email, "shared/edge.bin", &[0xfd; 2000]);
            owner.sync().await;
        }
        world.holds_less_than(large_there);
        let second = world.owner("do@example.org");
        second.sync().await;
        assert_eq!(second.tree(&second.email), owner.tree(&owner.email), "{with_checkpoint}");
        assert!(second.sync().await.is_idle() && owner.sync().await.is_idle());
        nothing_left(&second);
        nothing_left(&owner);
    }
}

#[tokio::test]
async fn a_message_is_the_same_bytes_for_who_holds_all_of_it() {
    let world = World::new();
    world.sends_chunks(false);
    world.holds_less_than(LARGE);
    let (owner, scientist, _) = stage(&world).await;
    for (path, content) in contents() {
        owner.write(&owner.email, path, &content);
    }
    owner.sync().await;
    let all = scientist.session().find(&syft::connections::Query::default()).await.unwrap();
    let mut events = Vec::new();
    for entry in all.iter().filter(|entry| entry.name.starts_with("syfteventsmessagev3")) {
        let bytes = scientist.session().read(&entry.id, u64::MAX).await.unwrap();
        events.extend(FileChangeEventsMessage::from_file_bytes(&bytes).unwrap().events);
    }
    for (path, content) in contents() {
        let event = events.iter().rfind(|event| event.path_in_datasite == path).unwrap();
        let is_text = std::str::from_utf8(&content).is_ok();
        assert_eq!(event.content_type.as_deref(), Some(if is_text { "text" } else { "binary" }));
        let event = event.clone().check().unwrap();
        assert_eq!(event.content.unwrap().inline().unwrap(), content);
    }
    // Who holds everything reads what was written in pieces, and the reverse.
    world.holds_less_than(u64::MAX);
    let holding = world.scientist("ds@example.org");
    holding.sync().await;
    assert!(contents().iter().all(|(path, content)| has(&holding, path, content)));
}

#[tokio::test]
async fn what_changes_on_its_way_is_sent_as_it_was() {
    let world = World::new();
    world.holds_less_than(LARGE);
    let (owner, scientist, _) = stage(&world).await;
    let (path, content) = contents()[0].clone();
    scientist.write(&owner.email, path, &content);
    // It is decided, and cannot be sent.
    let is_upload = |call: &Call| matches!(call.method, "send" | "create_file");
    scientist.script.when(usize::MAX, Fault::before(unavailable), is_upload);
    drop(scientist.try_sync().await);
    scientist.script.clear();
    scientist.write(&owner.email, path, b"changed");
    scientist.sync().await;
    let owned = owner.sync().await;
    assert!(owned.accepted >= 1);
    for _ in 0..2 {
        scientist.sync().await;
        owner.sync().await;
    }
    assert!(has(&owner, path, b"changed") && has(&scientist, path, b"changed"));
    nothing_left(&owner);
    nothing_left(&scientist);
}
