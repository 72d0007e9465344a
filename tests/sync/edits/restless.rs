//! Files that somebody may be in the middle of writing when something arrives: they are not sent
//! before they are at rest, but they stand there, and what stands there is known.

use std::time::{Duration, SystemTime};

use super::super::world::{Party, World};
use super::{Pair, Who};

/// For how long a file is left alone after it was written.
const REST: Duration = Duration::from_secs(3600);

/// Writes `w/a` at this moment of the hand-wound clock, so that it is not at rest.
fn write_now(world: &World, pair: &Pair<'_>, party: &Party<'_>, content: &str) {
    party.write(pair.datasite(), "w/a", content.as_bytes());
    let place = party.account().folders.datasite(pair.datasite()).join("w/a");
    let micros = u64::try_from(world.now().micros()).unwrap();
    let file = std::fs::File::options().write(true).open(place).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_micros(micros)).unwrap();
    party.account().store.set_rest(REST);
}

/// Both have `w/a`, which holds `one`.
async fn pair(world: &World) -> Pair<'_> {
    Pair::new(world, &[("w/a", "one")]).await
}

#[tokio::test]
async fn an_edit_on_top_of_a_proposal_is_not_refused_when_that_is_accepted() {
    let world = World::new();
    let pair = pair(&world).await;
    pair.scientist.write(pair.datasite(), "w/a", b"two");
    pair.scientist.sync().await;
    write_now(&world, &pair, &pair.scientist, "three, in parts");
    pair.owner.sync().await;
    let report = pair.scientist.sync().await;
    assert_eq!((report.refused.len(), report.pushed), (0, 0), "{report:?}");
    assert_eq!(pair.files(Who::Scientist), [("w/a".to_owned(), "three, in parts".to_owned())]);
    assert_eq!(pair.kept_aside(Who::Scientist), [""; 0]);
    // At rest it is sent, and made of what was accepted.
    world.wind(2 * 3600);
    pair.agree_on(&[("w/a", "three, in parts")], "at rest").await;
    assert_eq!(pair.kept_aside(Who::Scientist), [""; 0]);
}

#[tokio::test]
async fn a_file_that_could_not_be_read_when_its_proposal_was_accepted_is_no_edit_that_gives_way() {
    let world = World::new();
    let pair = pair(&world).await;
    pair.scientist.write(pair.datasite(), "w/a", b"two");
    pair.scientist.sync().await;
    pair.owner.sync().await;
    // What is written meanwhile cannot be read: the disk says so.
    pair.scientist.write(pair.datasite(), "w/a", b"three");
    let place = pair.scientist.account().folders.datasite(pair.datasite()).join("w/a");
    let was = std::fs::rename(&place, place.with_file_name("b"));
    was.and_then(|()| std::os::unix::fs::symlink("b", &place)).unwrap();
    pair.scientist.try_sync().await.unwrap();
    std::fs::rename(place.with_file_name("b"), &place).unwrap();
    pair.agree_on(&[("w/a", "three")], "it can be read").await;
    assert_eq!(pair.kept_aside(Who::Scientist), [""; 0]);
}

#[tokio::test]
async fn an_edit_that_others_were_before_is_kept_aside_also_while_it_is_written() {
    let world = World::new();
    let pair = pair(&world).await;
    pair.owner.put("w/a", "the owner's");
    pair.owner.sync().await;
    write_now(&world, &pair, &pair.scientist, "the scientist's");
    let report = pair.scientist.sync().await;
    assert_eq!(report.refused.len(), 1, "{report:?}");
    pair.agree_on(&[("w/a", "the owner's")], "refused").await;
    assert_eq!(pair.kept_aside(Who::Scientist), ["the scientist's"]);
}

#[tokio::test]
async fn an_owner_who_is_writing_keeps_what_another_machine_sent_beside_it() {
    let world = World::new();
    let pair = pair(&world).await;
    let second = world.owner(pair.owner.email.as_str());
    second.sync().await;
    second.put("w/a", "the other machine's");
    second.sync().await;
    write_now(&world, &pair, &pair.owner, "this machine's");
    pair.owner.sync().await;
    world.wind(2 * 3600);
    pair.agree_on(&[("w/a", "this machine's")], "at rest").await;
    assert_eq!(pair.kept_aside(Who::Owner), ["the other machine's"]);
    second.sync().await;
    assert_eq!(second.read(&second.email, "w/a").as_deref(), Some("this machine's"));
}

#[tokio::test]
async fn what_is_proposed_of_a_file_that_the_owner_is_writing_is_outdated() {
    let world = World::new();
    let pair = pair(&world).await;
    pair.scientist.write(pair.datasite(), "w/a", b"proposed");
    pair.scientist.sync().await;
    write_now(&world, &pair, &pair.owner, "the owner's");
    let report = pair.owner.sync().await;
    let reasons: Vec<&str> = report.refused.iter().map(|it| it.reason.as_str()).collect();
    assert_eq!(reasons, ["outdated: the file has changed since"]);
    world.wind(2 * 3600);
    pair.agree_on(&[("w/a", "the owner's")], "at rest").await;
    assert_eq!(pair.kept_aside(Who::Scientist), ["proposed"]);
}
