//! A shared folder among processes that die, sessions that race, and strangers who leave garbage.

#![expect(clippy::unwrap_used, reason = "tests may panic")]

use std::collections::BTreeSet;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use syft::connections::{
    Access, Connection, Content, Entry, Error, FileId, Folder, Grant, NewEntry, Query, Relocation,
};
use syft::model::{Digest, Email};

const LIMIT_BYTES: u64 = 1 << 20;
const PLACE: &str = "SYFT_TEST_FOLDER";

fn open(path: &Path, account: &str) -> Folder {
    Folder::open(path, Email::parse(account).unwrap()).unwrap()
}

fn named(parent: &FileId, name: &str) -> NewEntry {
    NewEntry {
        id: None,
        parent: parent.clone(),
        name: name.to_owned(),
        media_type: "application/octet-stream",
        tags: std::collections::BTreeMap::default(),
    }
}

async fn make(folder: &Folder, name: &str) -> Entry {
    let content = Content::Bytes(name.to_owned().into());
    folder.create_file(&named(&folder.root(), name), content).await.unwrap()
}

async fn names(folder: &Folder) -> Vec<String> {
    let found = folder.find(&Query::in_folder(&folder.root())).await.unwrap();
    found.into_iter().map(|entry| entry.name).collect()
}

/// Content that says of itself whether it is whole.
fn sealed(seed: u64) -> Content {
    let body = seed.to_string().repeat(usize::try_from(seed % 7_000).unwrap());
    Content::Bytes(format!("{}{body}", Digest::of(body.as_bytes())).into())
}

fn is_whole(content: &[u8]) -> bool {
    content.split_at_checked(64).is_some_and(|(seal, body)| {
        std::str::from_utf8(seal).is_ok_and(|seal| seal == Digest::of(body).to_hex())
    })
}

#[tokio::test]
#[ignore = "a child process of the test below"]
async fn child_that_writes_until_it_is_killed() {
    let Some(place) = std::env::var_os(PLACE) else { return };
    let folder = open(Path::new(&place), "do@example.org");
    let root = folder.root();
    let archive = folder.create_folder(&named(&root, "archive")).await.unwrap().id;
    let common = folder.find(&Query::default().named("common")).await.unwrap().remove(0).id;
    for seed in 0.. {
        let made = folder.create_file(&named(&root, "file"), sealed(seed)).await.unwrap();
        folder.replace(&made.id, sealed(seed * 31 + 7)).await.unwrap();
        folder.replace(&common, sealed(seed * 17)).await.unwrap();
        folder.tag(&made.id, "seed", Some(&seed.to_string())).await.unwrap();
        if seed % 3 == 0 {
            let step = Relocation { id: made.id, from: root.clone(), to: archive.clone() };
            folder.relocate(&[step]).await.unwrap().remove(0).unwrap();
        } else if seed % 3 == 1 {
            folder.delete(&[made.id]).await.unwrap().remove(0).unwrap();
        }
    }
}

fn spawn_writer(place: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_that_writes_until_it_is_killed", "--ignored"])
        .env(PLACE, place)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[tokio::test]
async fn processes_killed_at_any_moment_leave_whole_files() {
    let place = tempfile::tempdir().unwrap();
    let folder = open(place.path(), "do@example.org");
    let common = folder.create_file(&named(&folder.root(), "common"), sealed(1)).await.unwrap().id;
    let since = folder.change_start().await.unwrap();
    for round in 1..=4 {
        let mut children = [(); 3].map(|()| spawn_writer(place.path()));
        // Look while they write, until each has got somewhere; then kill them wherever they are.
        let wanted = round * 20;
        while folder.find(&Query::default()).await.unwrap().len() < wanted {
            assert!(is_whole(&folder.read(&common, LIMIT_BYTES).await.unwrap()));
            assert!(children.iter_mut().all(|child| child.try_wait().unwrap().is_none()));
        }
        for child in &mut children {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
    let fresh = open(place.path(), "do@example.org");
    let found = fresh.find(&Query::default()).await.unwrap();
    // Each writer may have deleted one more file before it died.
    assert!(found.len() >= 80 - 3, "{}", found.len());
    for entry in found.iter().filter(|entry| entry.name != "archive") {
        let content = fresh.read(&entry.id, LIMIT_BYTES).await.unwrap();
        assert!(is_whole(&content), "{entry:?}");
        assert_eq!(content.len() as u64, entry.size_bytes);
    }
    assert_eq!(found, folder.find(&Query::default()).await.unwrap(), "all see the same");
    let told = folder.changes(&since).await.unwrap().changes.len();
    assert_eq!(told, found.len(), "whatever was done, by whoever died of it, is told");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_who_change_an_entry_at_once_nobody_loses() {
    let place = tempfile::tempdir().unwrap();
    let folder = open(place.path(), "do@example.org");
    let made = make(&folder, "common").await.id;
    let mut tasks = tokio::task::JoinSet::new();
    for writer in 0..6 {
        let (path, id) = (place.path().to_owned(), made.clone());
        tasks.spawn(async move {
            let session = open(&path, "do@example.org");
            for turn in 0..5 {
                session.tag(&id, &format!("{writer}-{turn}"), Some("x")).await.unwrap();
                session.read(&id, LIMIT_BYTES).await.unwrap();
            }
        });
    }
    tasks.join_all().await;
    let found = folder.find(&Query::default()).await.unwrap();
    assert_eq!(found[0].tags.len(), 30, "each change was made on top of the one before");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_id_is_won_by_one_of_many() {
    let place = tempfile::tempdir().unwrap();
    let folder = open(place.path(), "do@example.org");
    for _ in 0..5 {
        let id = folder.new_ids(1).await.unwrap().remove(0);
        let mut tasks = tokio::task::JoinSet::new();
        for writer in 0..6 {
            let (path, id) = (place.path().to_owned(), id.clone());
            tasks.spawn(async move {
                let session = open(&path, "do@example.org");
                let new = NewEntry { id: Some(id), ..named(&session.root(), "won") };
                let content = Content::Bytes(format!("{writer}").into());
                match session.create_file(&new, content).await {
                    Ok(_) => Some(format!("{writer}")),
                    Err(Error::AlreadyExists { .. }) => None,
                    Err(error) => panic!("{error:?}"),
                }
            });
        }
        let winners: Vec<String> = tasks.join_all().await.into_iter().flatten().collect();
        assert_eq!(winners.len(), 1);
        assert_eq!(folder.read(&id, 9).await.unwrap(), winners[0]);
    }
}

/// The directory of an entry's version, as `store.rs` documents it.
fn version(place: &Path, id: &str, number: u64) -> PathBuf {
    let shard = &id[1..2];
    place.join(format!("entries/{shard}/{id}+{number}"))
}

fn random_id() -> String {
    format!("f{}", uuid::Uuid::new_v4().simple())
}

#[tokio::test]
async fn garbage_of_strangers_is_passed_over() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path();
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(secret.path(), "secret").unwrap();
    let folder = open(path, "do@example.org");
    let good = make(&folder, "good").await.id.to_string();
    let record = std::fs::read_to_string(version(path, &good, 1).join("record")).unwrap();
    // A version of a made-up entry, with a record made by hand.
    let plant = |record: &dyn Fn(&str, &Path)| {
        let id = random_id();
        let at = version(path, &id, 1);
        std::fs::create_dir(&at).unwrap();
        record(&id, &at.join("record"));
    };
    plant(&|_, at| std::fs::write(at, "garbage").unwrap());
    plant(&|_, at| std::fs::write(at, &record).unwrap());
    plant(&|_, at| std::fs::create_dir(at).unwrap());
    plant(&|_, at| symlink(secret.path(), at).unwrap());
    plant(&|_, at| symlink(at, at).unwrap());
    plant(&|_, at| symlink("../../../../../../../../etc/passwd", at).unwrap());
    plant(&|_, at| std::fs::File::create(at).unwrap().set_len(1 << 40).unwrap());
    plant(&|_, at| assert!(Command::new("mkfifo").arg(at).status().unwrap().success()));
    let parse = |number: &str| version(path, &good, 1).with_file_name(format!("{good}+{number}"));
    for number in ["x", "01", "-1", "1.5", "99999999999999999999999"] {
        std::fs::create_dir(parse(number)).unwrap();
    }
    std::fs::create_dir(path.join("entries/0/..+1")).unwrap();
    std::fs::write(path.join("entries/0/plain file"), "").unwrap();
    std::fs::write(version(path, &random_id(), 1), "a file, not a directory").unwrap();
    symlink("/etc", version(path, &random_id(), 1)).unwrap();
    std::fs::write(parse("7"), "a version that is none").unwrap();

    for session in [&folder, &open(path, "do@example.org")] {
        assert_eq!(names(session).await, ["good"]);
    }
    let id = FileId::parse(&good).unwrap();
    folder.replace(&id, Content::Bytes("on top of garbage".into())).await.unwrap();
    assert_eq!(folder.read(&id, LIMIT_BYTES).await.unwrap(), "on top of garbage");
    folder.delete(&[id]).await.unwrap().remove(0).unwrap();
    assert!(names(&folder).await.is_empty());
}

#[tokio::test]
async fn no_link_leads_out_of_the_folder() {
    let place = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    let path = place.path();
    std::fs::write(outside.path().join("secret"), "secret").unwrap();
    let folder = open(path, "do@example.org");
    let id = make(&folder, "linked").await.id;
    let shard = &id.as_str()[1..2];
    let content = std::fs::read_dir(path.join("content").join(shard)).unwrap().next().unwrap();
    let content = content.unwrap().path();
    std::fs::remove_file(&content).unwrap();
    symlink(outside.path().join("secret"), &content).unwrap();
    assert!(folder.read(&id, LIMIT_BYTES).await.is_err());

    std::fs::remove_dir_all(path.join("tmp")).unwrap();
    symlink(outside.path(), path.join("tmp")).unwrap();
    let answer = folder.create_folder(&named(&folder.root(), "x")).await;
    assert!(answer.is_err());
    let left = std::fs::read_dir(outside.path()).unwrap().count();
    assert_eq!(left, 1, "nothing was written there");
    assert_eq!(names(&folder).await, ["linked"]);
}

#[tokio::test]
async fn a_forged_record_gives_its_forger_nothing_in_our_sessions() {
    let place = tempfile::tempdir().unwrap();
    let (owner, eve) = (open(place.path(), "do@x.org"), open(place.path(), "eve@x.org"));
    let inbox = owner.create_folder(&named(&owner.root(), "inbox")).await.unwrap().id;
    let to = Email::parse("eve@x.org").unwrap();
    let grant = Grant { id: inbox.clone(), to, access: Access::Write };
    owner.share(&[grant], false).await.unwrap().remove(0).unwrap();
    let message =
        eve.create_file(&named(&inbox, "../../up"), Content::Bytes("x".into())).await.unwrap();
    assert!(!owner.find(&Query::in_folder(&inbox)).await.unwrap()[0].is_mine);
    // No name of an entry is a name of a file.
    let walk = |dir: PathBuf| std::fs::read_dir(dir).unwrap().map(|item| item.unwrap().file_name());
    let top: BTreeSet<_> = walk(place.path().to_owned()).collect();
    let wanted = ["content", "deleted", "entries", "syft-folder.json", "tmp"];
    assert_eq!(top, wanted.iter().map(Into::into).collect());
    // An id of another form is refused before it is part of a path.
    for id in ["..", "f", "r0011", "f0011223344556677889900112233445G"] {
        let id = FileId::parse(id).unwrap();
        let new = NewEntry { id: Some(id.clone()), ..named(&owner.root(), "x") };
        assert!(matches!(owner.create_folder(&new).await, Err(Error::Denied { .. })), "{id}");
        assert!(matches!(owner.read(&id, 1).await, Err(Error::NotFound { .. })), "{id}");
        owner.delete(&[id]).await.unwrap().remove(0).unwrap();
    }
    assert_eq!(eve.read(&message.id, 9).await.unwrap(), "x");
}

#[tokio::test]
async fn a_folder_of_a_later_format_is_left_alone() {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("syft-folder.json"), r#"{"format": 2}"#).unwrap();
    let account = Email::parse("do@x.org").unwrap();
    let answer = Folder::open(place.path(), account);
    assert!(matches!(answer, Err(Error::Invalid { .. })), "{answer:?}");
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 1);
}
