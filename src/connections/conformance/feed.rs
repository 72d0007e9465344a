//! The change feed: what it must tell, what it must not, and from where.

use std::collections::BTreeSet;

use super::{Trio, delete, eventually, file, folder, relocate, share};
use crate::connections::{
    Access, Change, Changes, Connection, Content, Error, FileId, PageToken, Query,
};

/// Reads the feed from `since` until it has told of all `wanted`.
async fn tells(connection: &dyn Connection, since: &PageToken, wanted: &[Told<'_>]) {
    let what = format!("{} is told {wanted:?}", connection.account());
    eventually(&what, async || {
        let changes = connection.changes(since).await.unwrap();
        wanted.iter().all(|wanted| wanted.is_in(&changes))
    })
    .await;
}

/// What the last word of the feed on an entry must be.
#[derive(Debug)]
enum Told<'a> {
    /// It is there, with this name and size.
    Present(&'a FileId, &'a str, u64),
    /// It is gone.
    Gone(&'a FileId),
}

impl Told<'_> {
    fn is_in(&self, changes: &Changes) -> bool {
        let last = |id: &FileId| changes.changes.iter().rfind(|change| id_of(change) == id);
        match self {
            Self::Gone(id) => matches!(last(id), Some(Change::Gone(_))),
            Self::Present(id, name, size_bytes) => match last(id) {
                Some(Change::Present(entry)) => {
                    entry.name == *name && entry.size_bytes == *size_bytes
                }
                _ => false,
            },
        }
    }
}

fn id_of(change: &Change) -> &FileId {
    match change {
        Change::Present(entry) => &entry.id,
        Change::Gone(id) => id,
    }
}

/// Returns what the feed speaks of.
fn ids(changes: &Changes) -> BTreeSet<&FileId> {
    changes.changes.iter().map(id_of).collect()
}

pub(super) async fn tells_of_everything_that_happens(trio: &Trio) {
    let (owner, root) = (&*trio.owner, trio.owner.root());
    let before = file(owner, &root, "before", "x").await.id;
    let since = owner.change_start().await.unwrap();
    let from = folder(owner, &root, "from").await.id;
    let to = folder(owner, &root, "to").await.id;
    let made = file(owner, &from, "made", "1").await.id;
    let changed = file(owner, &from, "changed", "1").await.id;
    let moved = file(owner, &from, "moved", "1").await.id;
    owner.replace(&changed, Content::Bytes("22".into())).await.unwrap();
    relocate(owner, &moved, &from, &to).await.unwrap();
    delete(owner, &before).await.unwrap();
    tells(
        owner,
        &since,
        &[
            Told::Present(&from, "from", 0),
            Told::Present(&made, "made", 1),
            Told::Present(&changed, "changed", 2),
            Told::Present(&moved, "moved", 1),
            Told::Gone(&before),
        ],
    )
    .await;

    // What is in the feed is what is found.
    let changes = owner.changes(&since).await.unwrap();
    let found = owner.find(&Query::in_folder(&to)).await.unwrap().remove(0);
    let last = changes.changes.iter().rfind(|change| *id_of(change) == moved);
    assert_eq!(last, Some(&Change::Present(found)));

    // From where it ended, it goes on; tags are changes too.
    let since = changes.next;
    owner.tag(&made, "k", Some("v")).await.unwrap();
    eventually("a tag is told", async || {
        let changes = owner.changes(&since).await.unwrap();
        changes.changes.iter().any(|change| match change {
            Change::Present(entry) => entry.id == made && entry.tags.contains_key("k"),
            Change::Gone(_) => false,
        })
    })
    .await;
}

pub(super) async fn tells_of_access_given_and_taken(trio: &Trio) {
    let (owner, scientist) = (&*trio.owner, &*trio.scientist);
    let inbox = folder(owner, &owner.root(), "inbox").await.id;
    let since = scientist.change_start().await.unwrap();
    share(owner, &inbox, scientist.account(), Access::Write).await;
    tells(scientist, &since, &[Told::Present(&inbox, "inbox", 0)]).await;

    let message = file(scientist, &inbox, "to owner", "x").await.id;
    let answer = file(owner, &inbox, "to scientist", "x").await.id;
    tells(scientist, &since, &[Told::Present(&answer, "to scientist", 1)]).await;
    let since_owner = owner.change_start().await.unwrap();
    scientist.replace(&message, Content::Bytes("longer".into())).await.unwrap();
    tells(owner, &since_owner, &[Told::Present(&message, "to owner", 6)]).await;

    // Only who was told of it need be told that it is gone.
    let since = scientist.changes(&since).await.unwrap().next;
    owner.unshare(&inbox, scientist.account()).await.unwrap();
    tells(scientist, &since, &[Told::Gone(&inbox)]).await;
}

pub(super) async fn tells_of_files_moved_away(trio: &Trio) {
    let (owner, scientist, eve) = (&*trio.owner, &*trio.scientist, &*trio.eve);
    let inbox = folder(scientist, &scientist.root(), "inbox").await.id;
    share(scientist, &inbox, owner.account(), Access::Write).await;
    share(scientist, &inbox, eve.account(), Access::Read).await;
    let message = file(scientist, &inbox, "message", "x").await.id;
    let deleted = file(scientist, &inbox, "deleted", "x").await.id;
    let archive = folder(owner, &owner.root(), "archive").await.id;
    eventually("the owner sees it", async || owner.read(&message, 9).await.is_ok()).await;
    let since = eve.change_start().await.unwrap();
    let since_scientist = scientist.change_start().await.unwrap();
    relocate(owner, &message, &inbox, &archive).await.unwrap();
    delete(scientist, &deleted).await.unwrap();
    tells(eve, &since, &[Told::Gone(&message), Told::Gone(&deleted)]).await;
    tells(scientist, &since_scientist, &[Told::Present(&message, "message", 1)]).await;
}

pub(super) async fn never_tells_what_may_not_be_seen(trio: &Trio) {
    let (owner, scientist, eve) = (&*trio.owner, &*trio.scientist, &*trio.eve);
    let since = eve.change_start().await.unwrap();
    let private = folder(owner, &owner.root(), "private").await.id;
    let secret = file(owner, &private, "secret", "x").await.id;
    share(owner, &private, scientist.account(), Access::Write).await;
    owner.replace(&secret, Content::Bytes("y".into())).await.unwrap();
    let deleted = file(owner, &private, "deleted", "x").await.id;
    delete(owner, &deleted).await.unwrap();
    let canary = folder(owner, &owner.root(), "for Eve").await.id;
    share(owner, &canary, eve.account(), Access::Read).await;
    tells(eve, &since, &[Told::Present(&canary, "for Eve", 0)]).await;

    // That something is gone which she never saw tells her nothing, so it is allowed.
    let changes = eve.changes(&since).await.unwrap();
    let hidden = [&private, &secret, &deleted];
    for change in &changes.changes {
        let is_hidden = hidden.contains(&id_of(change));
        assert!(!is_hidden || matches!(change, Change::Gone(_)), "{change:?}");
    }
}

pub(super) async fn many_changes_come_in_one_answer(trio: &Trio) {
    let (owner, root) = (&*trio.owner, trio.owner.root());
    let here = folder(owner, &root, "many").await.id;
    let since = owner.change_start().await.unwrap();
    let mut wanted = BTreeSet::new();
    for index in 0..130 {
        wanted.insert(folder(owner, &here, &format!("{index}")).await.id);
    }
    eventually("all are told", async || {
        let changes = owner.changes(&since).await.unwrap();
        let told = ids(&changes);
        wanted.iter().all(|id| told.contains(id))
    })
    .await;
    let next = owner.changes(&since).await.unwrap().next;
    eventually("the feed ends", async || owner.changes(&next).await.unwrap().changes.is_empty())
        .await;
}

pub(super) async fn a_place_in_the_feed_is_used_again(trio: &Trio) {
    let (owner, root) = (&*trio.owner, trio.owner.root());
    let since = owner.change_start().await.unwrap();
    let first = file(owner, &root, "first", "x").await.id;
    tells(owner, &since, &[Told::Present(&first, "first", 1)]).await;
    let second = file(owner, &root, "second", "x").await.id;
    // A crash between reading the feed and keeping its token: the same place again.
    let both = [Told::Present(&first, "first", 1), Told::Present(&second, "second", 1)];
    tells(owner, &since, &both).await;
    tells(owner, &since, &both).await;
}

pub(super) async fn garbage_is_no_place_in_the_feed(trio: &Trio) {
    for garbage in ["", "garbage", "-1", "18446744073709551615", "1e3", "{}", "' or '"] {
        let answer = trio.owner.changes(&PageToken(garbage.to_owned())).await;
        assert!(matches!(answer, Err(Error::TokenExpired)), "`{garbage}`: {answer:?}");
    }
}
