//! A dataset gets new content under its name: old or new everywhere, never a mix, nothing left over.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::FutureExt as _;
use syft::caches::Commit;
use syft::client::Client;
use syft::connections::faulty::Crash;
use syft::connections::{Connection as _, Entry, Kind, Ownership, Query};
use syft::datasets::{Audience, DatasetName, Half, Update};
use syft::model::{Email, Role};
use syft::syncers::SyncOptions;

use super::world::{World, acquaint, email, place, read, sync, write};

const FOLDER: &str = "public/syft_datasets/ages";
const PRIVATE: &str = "private/syft_datasets/ages";

/// A dataset of two mock files becomes one of one of them and another.
fn update(world: &World) -> Update {
    world.file("new/mock/mock.csv", "age\n2\n");
    world.file("new/mock/more/other.csv", "x\n");
    let private = world.file("new/private/private.csv", "age\n99\n");
    Update {
        name: DatasetName::parse("ages").unwrap(),
        mock: Some(world.folder.path().join("files/new/mock")),
        private: Some(private),
        summary: None,
        readme: None,
        tags: None,
        allow_same: false,
    }
}

fn as_it_stands() -> Update {
    Update {
        name: DatasetName::parse("ages").unwrap(),
        mock: None,
        private: None,
        summary: None,
        readme: None,
        tags: None,
        allow_same: false,
    }
}

async fn create(world: &World, owner: &Client, audience: Audience, upload_private: bool) {
    let mut new = world.dataset("ages", audience);
    world.file("old/mock.csv", "age\n1\n");
    world.file("old/gone.csv", "y\n");
    new.mock = world.folder.path().join("files/old");
    new.readme = Some(world.file("README.md", "# Ages\n"));
    owner.create_dataset(&new, upload_private).await.unwrap();
}

/// The files of a half on a machine, but for those that say when and where.
fn files(client: &Client, owner: &Email, folder: &str) -> BTreeMap<String, String> {
    let root = place(client, owner, folder);
    let mut found = BTreeMap::new();
    let mut pending = vec![root.clone()];
    while let Some(here) = pending.pop() {
        for entry in std::fs::read_dir(&here).into_iter().flatten() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                pending.push(path);
            } else if !name.ends_with(".yaml") {
                found.insert(name, std::fs::read_to_string(&path).unwrap());
            }
        }
    }
    found
}

fn set(files: &[(&str, &str)]) -> BTreeMap<String, String> {
    files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

fn old_mock() -> BTreeMap<String, String> {
    set(&[("mock.csv", "age\n1\n"), ("gone.csv", "y\n"), ("README.md", "# Ages\n")])
}

fn new_mock() -> BTreeMap<String, String> {
    set(&[("mock.csv", "age\n2\n"), ("more/other.csv", "x\n"), ("README.md", "# Ages\n")])
}

/// Own collections on the drive: how many of each half.
async fn collections(world: &World, who: &str) -> (usize, usize) {
    let session = world.drive.session(&email(who));
    let query = Query::default()
        .named_like("syft_datasetcollection")
        .named_like("syft_privatecollection")
        .of_kind(Kind::Folder)
        .owned(Ownership::Mine);
    let all: Vec<Entry> = session.find(&query).await.unwrap();
    let count = |start: &str| all.iter().filter(|entry| entry.name.starts_with(start)).count();
    (count("syft_datasetcollection_"), count("syft_privatecollection_"))
}

#[tokio::test]
async fn an_update_replaces_both_halves_everywhere_and_leaves_nothing_over() {
    let world = World::new();
    let (owner, calls) = world.scripted("do@example.org", Role::Owner, "home");
    let scientist = world.scientist("ds@example.org");
    acquaint(&owner, &scientist).await;
    create(&world, &owner, Audience::Any, true).await;
    sync(&owner).await;
    sync(&scientist).await;
    assert_eq!(files(&scientist, owner.email(), FOLDER), old_mock());
    let before = owner.dataset("ages", None).unwrap().metadata;

    let start = calls.calls();
    let updated = owner.update_dataset(&update(&world), false).await.unwrap();
    // What is new, and who sees it; for each half: ids, the folder, its files, the end of the old one;
    // one call for readers; and one that asks whether anybody could see the private one.
    assert_eq!(calls.calls() - start, 2 + (1 + 1 + 4 + 1 + 1) + (1 + 1 + 1 + 3 + 1));
    assert_eq!(updated.left_over.files, [""; 0]);
    sync(&scientist).await;
    let (after, me) = (updated.dataset.metadata, owner.email());
    assert_eq!((after.uid, after.created_at), (before.uid, before.created_at));
    assert!(after.updated_at > before.updated_at);
    assert_eq!(after.summary, before.summary);
    for client in [&owner, &scientist] {
        assert_eq!(files(client, me, FOLDER), new_mock());
    }
    assert_eq!(files(&owner, me, PRIVATE), set(&[("private.csv", "age\n99\n")]));
    assert_eq!(files(&scientist, me, PRIVATE), set(&[]));
    assert_eq!(collections(&world, "do@example.org").await, (1, 1));
    let scratch = owner.folders().syftbox.join(".syft-tmp");
    assert_eq!(std::fs::read_dir(scratch).unwrap().count(), 0);
    assert!(!scientist.folders().syftbox.join(".kept").exists());

    let second = world.machine("do@example.org", Role::Owner, "laptop");
    sync(&second).await;
    assert_eq!(files(&second, me, FOLDER), new_mock());
    assert_eq!(files(&second, me, PRIVATE), set(&[("private.csv", "age\n99\n")]));
    let scientist_later = world.scientist("later@example.org");
    acquaint(&owner, &scientist_later).await;
    assert_eq!(files(&scientist_later, me, FOLDER), new_mock());
}

#[tokio::test]
async fn an_update_that_names_nothing_takes_up_what_was_edited_in_the_syftbox() {
    let world = World::new();
    let (owner, calls) = world.scripted("do@example.org", Role::Owner, "home");
    let scientist = world.scientist("ds@example.org");
    acquaint(&owner, &scientist).await;
    create(&world, &owner, Audience::Any, true).await;
    sync(&owner).await;
    let me = owner.email();
    write(&place(&owner, me, &format!("{FOLDER}/mock.csv")), "edited");
    write(&place(&owner, me, &format!("{FOLDER}/sub/new.csv")), "z");
    std::fs::remove_file(place(&owner, me, &format!("{FOLDER}/gone.csv"))).unwrap();
    let start = calls.calls();
    owner.update_dataset(&as_it_stands(), false).await.unwrap();
    assert_eq!(calls.calls() - start, 2 + 1 + 1 + 4 + 1 + 1, "the private half is not sent again");
    sync(&scientist).await;
    let now = set(&[("mock.csv", "edited"), ("sub/new.csv", "z"), ("README.md", "# Ages\n")]);
    assert_eq!(files(&scientist, me, FOLDER), now);
    assert_eq!(collections(&world, "do@example.org").await, (1, 1));

    std::fs::remove_file(place(&owner, me, &format!("{FOLDER}/mock.csv"))).unwrap();
    std::fs::remove_file(place(&owner, me, &format!("{FOLDER}/sub/new.csv"))).unwrap();
    let error = owner.update_dataset(&as_it_stands(), false).await.unwrap_err();
    assert!(error.to_string().contains("the mock files at `"), "{error}");
    sync(&owner).await;
    sync(&scientist).await;
    assert_eq!(files(&scientist, me, FOLDER), now, "what was refused changed nothing");
}

#[tokio::test]
async fn private_data_as_new_mock_is_refused_and_changes_nothing() {
    let world = World::new();
    let owner = world.owner("do@example.org");
    sync(&owner).await;
    create(&world, &owner, Audience::Any, false).await;
    let secret = world.file("secret.csv", "age\n41\n43\n");
    let wrong = Update { mock: Some(secret), ..as_it_stands() };
    assert_eq!(owner.update_dataset(&wrong, false).await.unwrap_err().code(), "private-as-mock");
    assert_eq!(files(&owner, owner.email(), FOLDER), old_mock());
    let other = Update { name: DatasetName::parse("other").unwrap(), ..as_it_stands() };
    assert_eq!(owner.update_dataset(&other, false).await.unwrap_err().code(), "unknown-dataset");
}

#[tokio::test]
async fn an_update_cut_short_at_any_call_is_finished_and_readers_have_old_or_new() {
    let mut at = 0;
    loop {
        let mut is_cut = false;
        for crash in [Crash::Before, Crash::After, Crash::Half] {
            let world = World::new();
            let (owner, calls) = world.scripted("do@example.org", Role::Owner, "home");
            let scientist = world.scientist("ds@example.org");
            acquaint(&owner, &scientist).await;
            create(&world, &owner, Audience::Any, true).await;
            sync(&owner).await;
            sync(&scientist).await;
            calls.crash_at(calls.calls() + at, crash);
            let done = owner.update_dataset(&update(&world), false).await;
            is_cut |= done.is_err();
            let me = owner.email().clone();
            drop(owner);
            // A reader who looks meanwhile has the one or the other.
            let report = scientist.sync(&SyncOptions::default()).await.unwrap();
            let seen = files(&scientist, &me, FOLDER);
            assert!(
                seen == old_mock() || seen == new_mock(),
                "{at} {crash:?}: {seen:?} {report:?}"
            );
            let owner = world.owner("do@example.org");
            sync(&owner).await;
            sync(&scientist).await;
            for client in [&owner, &scientist] {
                assert_eq!(files(client, &me, FOLDER), new_mock(), "{at} {crash:?}");
            }
            assert_eq!(collections(&world, "do@example.org").await, (1, 1), "{at} {crash:?}");
            let (again, calls) = world.scripted("do@example.org", Role::Owner, "home");
            sync(&again).await;
            assert_eq!(calls.calls(), 1, "{at} {crash:?}: all is done");
        }
        if !is_cut {
            break;
        }
        at += 1;
    }
    assert_eq!(at, 17, "every call of an update was cut");
}

#[tokio::test]
async fn an_update_killed_at_any_commit_is_old_or_new_on_the_owners_disk_too() {
    let mut at = 0;
    let mut states = [0, 0];
    loop {
        let mut is_killed = false;
        for moment in [Commit::Before, Commit::After] {
            let world = World::new();
            let owner = world.owner("do@example.org");
            let scientist = world.scientist("ds@example.org");
            acquaint(&owner, &scientist).await;
            create(&world, &owner, Audience::Any, true).await;
            sync(&owner).await;
            sync(&scientist).await;
            let left = Arc::new(AtomicUsize::new(at));
            let died = Arc::new(AtomicUsize::new(0));
            let (counts, deaths) = (Arc::clone(&left), Arc::clone(&died));
            owner.account().store.set_witness(move |now| {
                let is_due = now == moment && counts.load(Ordering::Relaxed) == 0;
                if now == Commit::After && counts.load(Ordering::Relaxed) > 0 {
                    counts.fetch_sub(1, Ordering::Relaxed);
                }
                if is_due && deaths.fetch_add(1, Ordering::Relaxed) == 0 {
                    std::panic::resume_unwind(Box::new("killed"));
                }
            });
            let new = update(&world);
            let ended = AssertUnwindSafe(owner.update_dataset(&new, false)).catch_unwind().await;
            is_killed |= ended.is_err();
            let me = owner.email().clone();
            drop(owner);
            let owner = world.owner("do@example.org");
            for client in [&owner, &scientist, &owner, &scientist] {
                sync(client).await;
            }
            let is_new = files(&owner, &me, FOLDER) == new_mock();
            states[usize::from(is_new)] += 1;
            let mock = if is_new { new_mock() } else { old_mock() };
            let private = if is_new { "age\n99\n" } else { "age\n41\n43\n" };
            for client in [&owner, &scientist] {
                assert_eq!(files(client, &me, FOLDER), mock, "{at} {moment:?}");
            }
            assert_eq!(files(&owner, &me, PRIVATE), set(&[("private.csv", private)]), "{at}");
            assert_eq!(collections(&world, "do@example.org").await, (1, 1), "{at} {moment:?}");
            let scratch = owner.folders().syftbox.join(".syft-tmp");
            assert_eq!(std::fs::read_dir(scratch).unwrap().count(), 0, "{at} {moment:?}");
        }
        if !is_killed {
            break;
        }
        at += 1;
    }
    assert!(states[0] > 0 && states[1] > 10, "{states:?}");
}

#[tokio::test]
async fn a_reader_who_edited_its_copy_keeps_the_edit_aside_and_has_the_new_content() {
    let world = World::new();
    let (owner, scientist) = (world.owner("do@example.org"), world.scientist("ds@example.org"));
    acquaint(&owner, &scientist).await;
    create(&world, &owner, Audience::Any, false).await;
    sync(&scientist).await;
    let me = owner.email();
    write(&place(&scientist, me, &format!("{FOLDER}/mock.csv")), "mine");
    owner.update_dataset(&update(&world), false).await.unwrap();
    let report = sync(&scientist).await;
    assert_eq!(report.refused.len(), 1);
    assert_eq!(std::fs::read_to_string(&report.refused[0].path).unwrap(), "mine");
    assert_eq!(files(&scientist, me, FOLDER), new_mock());
    // A copy of which a file was deleted, or all, is fetched again.
    for gone in ["more/other.csv", ""] {
        let gone = place(&scientist, me, &format!("{FOLDER}/{gone}"));
        if gone.is_dir() {
            std::fs::remove_dir_all(&gone).unwrap();
        } else {
            std::fs::remove_file(&gone).unwrap();
        }
        sync(&scientist).await;
        assert_eq!(files(&scientist, me, FOLDER), new_mock());
    }
}

#[tokio::test]
async fn another_machine_of_the_owner_follows_and_keeps_what_was_edited_there() {
    let world = World::new();
    let (first, scientist) = (world.owner("do@example.org"), world.scientist("ds@example.org"));
    acquaint(&first, &scientist).await;
    create(&world, &first, Audience::Any, true).await;
    let second = world.machine("do@example.org", Role::Owner, "laptop");
    sync(&second).await;
    let me = first.email();
    write(&place(&second, me, &format!("{PRIVATE}/private.csv")), "edited there");

    first.update_dataset(&update(&world), false).await.unwrap();
    let report = sync(&second).await;
    assert_eq!(files(&second, me, FOLDER), new_mock());
    assert_eq!(files(&second, me, PRIVATE), set(&[("private.csv", "age\n99\n")]));
    assert_eq!(report.refused.len(), 1, "{report:?}");
    assert_eq!(std::fs::read_to_string(&report.refused[0].path).unwrap(), "edited there");

    // The second one goes on with it, also where both do at once.
    let other = Update { mock: Some(world.file("third.csv", "3")), ..as_it_stands() };
    second.update_dataset(&other, false).await.unwrap();
    let both = Update { mock: Some(world.file("fourth.csv", "4")), ..as_it_stands() };
    first.update_dataset(&both, false).await.unwrap();
    for client in [&first, &second, &first, &scientist] {
        sync(client).await;
    }
    let last = set(&[("fourth.csv", "4"), ("README.md", "# Ages\n")]);
    for client in [&first, &second, &scientist] {
        assert_eq!(files(client, me, FOLDER), last);
    }
    assert_eq!(collections(&world, "do@example.org").await, (1, 1));

    // A dataset that one makes comes to the other, and one that it deletes is said to be gone.
    let new = world.dataset("later", Audience::Any);
    second.create_dataset(&new, false).await.unwrap();
    sync(&first).await;
    assert_eq!(read(&first, me, "public/syft_datasets/later/mock.csv").unwrap(), "age\n1\n");
    second.delete_dataset("ages").await.unwrap();
    let report = first.sync(&SyncOptions::default()).await.unwrap();
    let codes: Vec<_> = report.problems.iter().map(|problem| problem.code).collect();
    assert_eq!(codes, ["dataset-gone", "dataset-gone"]);
    assert_eq!(files(&first, me, FOLDER), last, "nothing is deleted here");
    sync(&first).await;
    sync(&scientist).await;
    assert_eq!(files(&scientist, me, FOLDER), set(&[]));
}

#[tokio::test]
async fn a_private_half_that_stays_at_home_is_said_to_be_older_elsewhere() {
    let world = World::new();
    let first = world.owner("do@example.org");
    sync(&first).await;
    create(&world, &first, Audience::Any, true).await;
    let second = world.machine("do@example.org", Role::Owner, "laptop");
    sync(&second).await;
    let session = world.drive.session(first.email());
    let query = Query::default().named_like("syft_privatecollection").of_kind(Kind::Folder);
    let backup = session.find(&query).await.unwrap().pop().unwrap();
    session.delete(&[backup.id]).await.unwrap();
    for client in [&first, &second] {
        let report = client.sync(&SyncOptions::default()).await.unwrap();
        assert_eq!(report.problems[0].code, "dataset-gone");
    }
    first.update_dataset(&update(&world), false).await.unwrap();
    let report = second.sync(&SyncOptions::default()).await.unwrap();
    assert_eq!(report.problems.len(), 1, "{report:?}");
    assert_eq!(report.problems[0].code, "private-half-not-updated");
    sync(&second).await;
}

#[tokio::test]
async fn a_deletion_cut_short_at_any_call_is_finished_and_the_name_is_free_again() {
    for at in 0..4 {
        for crash in [Crash::Before, Crash::After, Crash::Half] {
            let world = World::new();
            let (owner, calls) = world.scripted("do@example.org", Role::Owner, "home");
            let scientist = world.scientist("ds@example.org");
            acquaint(&owner, &scientist).await;
            create(&world, &owner, Audience::Any, true).await;
            sync(&owner).await;
            sync(&scientist).await;
            calls.crash_at(calls.calls() + at, crash);
            let deleted = owner.delete_dataset("ages").await;
            assert_eq!(deleted.is_err(), at < 2, "{at} {crash:?} {deleted:?}");
            drop(owner);
            let owner = world.owner("do@example.org");
            sync(&owner).await;
            sync(&scientist).await;
            let me = owner.email();
            for client in [&owner, &scientist] {
                assert_eq!(client.datasets().unwrap().len(), 0, "{at} {crash:?}");
            }
            assert!(!place(&owner, me, PRIVATE).exists(), "{at} {crash:?}");
            assert_eq!(collections(&world, "do@example.org").await, (0, 0), "{at} {crash:?}");
            create(&world, &owner, Audience::Any, false).await;
            sync(&scientist).await;
            assert_eq!(files(&scientist, me, FOLDER), old_mock(), "{at} {crash:?}");
        }
    }
}

#[tokio::test]
async fn folders_of_both_halves_are_kept_between_two_of_ours_and_lie_flat_on_the_drive() {
    let world = World::new();
    let (owner, scientist) = (world.owner("do@example.org"), world.scientist("ds@example.org"));
    acquaint(&owner, &scientist).await;
    let mut new = world.dataset("ages", Audience::Any);
    for (path, text) in [("tree/a.csv", "1"), ("tree/north/b.csv", "2"), ("tree/c/d/e.csv", "3")] {
        world.file(&format!("mock-{path}"), text);
        world.file(&format!("private-{path}"), &format!("real {text}"));
    }
    new.mock = world.folder.path().join("files/mock-tree");
    new.private = world.folder.path().join("files/private-tree");
    owner.create_dataset(&new, true).await.unwrap();
    sync(&scientist).await;
    let second = world.machine("do@example.org", Role::Owner, "laptop");
    sync(&second).await;
    let me = owner.email();
    let mock = set(&[("a.csv", "1"), ("north/b.csv", "2"), ("c/d/e.csv", "3")]);
    let real = set(&[("a.csv", "real 1"), ("north/b.csv", "real 2"), ("c/d/e.csv", "real 3")]);
    for client in [&owner, &scientist, &second] {
        assert_eq!(files(client, me, FOLDER), mock);
    }
    assert_eq!(files(&second, me, PRIVATE), real);
    let description = format!("{FOLDER}/dataset.yaml");
    let wanted = read(&owner, me, &description).unwrap();
    for client in [&scientist, &second] {
        assert_eq!(read(client, me, &description).unwrap(), wanted);
    }
    // On the drive the addresses are those of flat files, which is what a Python reader has.
    let session = world.drive.session(scientist.email());
    let entries = session.find(&Query::default()).await.unwrap();
    let entry = entries.iter().find(|entry| entry.name == "dataset.yaml").unwrap();
    let bytes = session.read(&entry.id, 1 << 20).await.unwrap();
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    assert!(text.contains(&format!("{FOLDER}/e.csv")) && !text.contains("ages/c/d"), "{text}");
    assert_eq!(owner.dataset("ages", None).unwrap().mock_files.len(), 3);
    // The second machine would upload the same.
    let draft = |client: &Client, half| {
        let name = DatasetName::parse("ages").unwrap();
        syft::datasets::draft(&client.folders().syftbox, me, &name, half).unwrap().name
    };
    assert_eq!(draft(&owner, Half::Public), draft(&second, Half::Public));
}

#[tokio::test]
async fn a_file_that_vanished_before_its_upload_is_not_waited_for() {
    let world = World::new();
    let (owner, calls) = world.scripted("do@example.org", Role::Owner, "home");
    let scientist = world.scientist("ds@example.org");
    acquaint(&owner, &scientist).await;
    sync(&owner).await;
    calls.crash_at(calls.calls() + 1, Crash::Before);
    let mut new = world.dataset("ages", Audience::Any);
    world.file("old/mock.csv", "age\n1\n");
    world.file("old/gone.csv", "y\n");
    new.mock = world.folder.path().join("files/old");
    owner.create_dataset(&new, false).await.unwrap_err();
    let me = owner.email().clone();
    drop(owner);
    let owner = world.owner("do@example.org");
    std::fs::remove_file(place(&owner, &me, &format!("{FOLDER}/gone.csv"))).unwrap();
    let report = owner.sync(&SyncOptions::default()).await.unwrap();
    assert_eq!(report.problems[0].code, "dataset-not-published");
    sync(&owner).await;
    sync(&scientist).await;
    assert_eq!(files(&scientist, &me, FOLDER), set(&[("mock.csv", "age\n1\n")]));
}
