//! Dataset folders of a peer who means harm, and of strangers (W11).

use std::collections::BTreeMap;

use syft::connections::Access;
use syft::model::Role;

use super::world::{
    SECRET, World, acquaint, changed, files, make, place, put, session, share, sync, write,
};

const DESCRIPTION: &str = "name: d\nowner: mallory@example.org\nmock_files: []\n";

/// The files of a collection.
type Inside<'a> = Vec<(&'a str, &'a [u8])>;

/// A folder of mallory's as a raw peer would make it, shared with the scientist.
async fn raw_collection(
    who: &syft::client::Client,
    to: &syft::client::Client,
    name: &str,
    inside: &[(&str, &[u8])],
) {
    let session = session(who);
    let folder = make(session, &session.root(), name).await;
    for (file, content) in inside {
        put(session, &folder, file, content.to_vec()).await;
    }
    share(session, &folder, to.email(), Access::Read).await;
}

#[tokio::test]
async fn w11_a_hostile_collection_writes_nothing_elsewhere_and_stops_no_other() {
    let long = "x".repeat(300);
    let deep = vec![b'['; 8 << 20];
    let many: Vec<String> = (0..10_001).map(|number| format!("f{number}")).collect();
    let many: Vec<(&str, &[u8])> =
        many.iter().map(|name| (name.as_str(), b"x".as_slice())).collect();
    let described = |rest: &[(&'static str, &'static [u8])]| {
        let mut inside: Inside<'_> = vec![("dataset.yaml", DESCRIPTION.as_bytes())];
        inside.extend_from_slice(rest);
        inside
    };
    let too_long: Vec<(&str, &[u8])> =
        vec![("dataset.yaml", DESCRIPTION.as_bytes()), (&long, b"x")];
    let bomb: Vec<(&str, &[u8])> = vec![("dataset.yaml", &deep)];
    let d = "syft_datasetcollection_d_0123456789ab";
    #[rustfmt::skip]
    let cases: Vec<(&str, &str, Inside<'_>)> = vec![
        ("a way up",          d, described(&[("../x", b"x")])),
        ("a path",            d, described(&[("a/b", b"x")])),
        ("an absolute path",  d, described(&[("/tmp/x", b"x")])),
        ("a dot",             d, described(&[(".", b"x")])),
        ("two dots",          d, described(&[("..", b"x")])),
        ("a backslash",       d, described(&[("a\\b", b"x")])),
        ("no name",           d, described(&[("", b"x")])),
        ("a line feed",       d, described(&[("a\nb", b"x")])),
        ("an escape",         d, described(&[("a\u{1b}[2J", b"x")])),
        ("a long name",       d, too_long),
        ("too many files",    d, many),
        ("a bomb",            d, bomb),
        ("a tag that is a way up", "syft_datasetcollection_.._0123456789ab", described(&[])),
        ("a tag with a path", "syft_datasetcollection_../../x_0123456789ab", described(&[])),
    ];
    for (what, name, inside) in cases {
        let world = World::new();
        let scientist = world.client("ds@example.org", Role::Scientist);
        let mallory = world.client("mallory@example.org", Role::Owner);
        let honest = world.client("do@example.org", Role::Owner);
        acquaint(&mallory, &scientist).await;
        acquaint(&honest, &scientist).await;
        let before = files(world.folder.path());
        raw_collection(&mallory, &scientist, name, &inside).await;
        honest.create_dataset(&world.dataset("ages", "age\n41\n"), false).await.unwrap();
        let report = sync(&scientist).await;
        let mock = place(&scientist, honest.email(), "public/syft_datasets/ages/mock.csv");
        assert!(mock.is_file(), "{what}: the honest dataset is here");
        let told = report.problems.iter().any(|problem| {
            problem.peer.as_ref() == Some(mallory.email())
                && problem.code.as_str().starts_with("dataset-")
        });
        assert!(told, "{what}: {report:?}");
        let theirs = "homes/ds@example.org/SyftBox_ds@example.org";
        let outside: Vec<_> = changed(world.folder.path(), &before)
            .into_iter()
            .filter(|path| {
                path.starts_with(&format!("{theirs}/")) && !path.starts_with(&format!("{theirs}/."))
            })
            .filter(|path| !path.starts_with(&format!("{theirs}/do@example.org/public/")))
            .collect();
        assert_eq!(outside, [""; 0], "{what}");
        // It is told again and again, and costs no download.
        let before = scientist.requests();
        sync(&scientist).await;
        assert!(scientist.requests() - before <= 2, "{what}");
    }
}

#[tokio::test]
async fn w11_rules_and_duplicates_in_a_collection_are_not_taken_over() {
    let world = World::new();
    let scientist = world.client("ds@example.org", Role::Scientist);
    let mallory = world.client("mallory@example.org", Role::Owner);
    acquaint(&mallory, &scientist).await;
    let inside: [(&str, &[u8]); 4] = [
        ("dataset.yaml", DESCRIPTION.as_bytes()),
        ("syft.pub.yaml", b"rules: []"),
        ("mock.csv", b"one"),
        ("mock.csv", b"two"),
    ];
    let name = "syft_datasetcollection_d_0123456789ab";
    raw_collection(&mallory, &scientist, name, &inside).await;
    sync(&scientist).await;
    let there = place(&scientist, mallory.email(), "public/syft_datasets/d");
    let found = files(&there);
    let names: Vec<&str> = found.keys().map(String::as_str).collect();
    assert!(!names.contains(&"syft.pub.yaml"), "{names:?}");
    assert!(found.get("mock.csv").is_none_or(|mock| mock == b"one" || mock == b"two"), "whole");
}

#[tokio::test]
async fn w11_a_stranger_puts_nothing_on_anybodys_disk() {
    let world = World::new();
    let scientist = world.client("ds@example.org", Role::Scientist);
    let owner = world.client("do@example.org", Role::Owner);
    acquaint(&owner, &scientist).await;
    owner.create_dataset(&world.dataset("ages", "age\n41\n"), false).await.unwrap();
    sync(&scientist).await;
    let stranger = world.client("stranger@example.org", Role::Owner);
    let inside: BTreeMap<&str, &[u8]> =
        [("dataset.yaml", DESCRIPTION.as_bytes()), ("mock.csv", SECRET.as_bytes())].into();
    let inside: Vec<(&str, &[u8])> = inside.into_iter().collect();
    // Under a name of its own, and under that of a dataset which the scientist has.
    for name in
        ["syft_datasetcollection_d_0123456789ab", "syft_datasetcollection_ages_0123456789ab"]
    {
        raw_collection(&stranger, &scientist, name, &inside).await;
    }
    let before = files(&scientist.folders().syftbox);
    let report = sync(&scientist).await;
    assert_eq!(report.problems, []);
    let new = changed(&scientist.folders().syftbox, &before);
    assert!(new.iter().all(|path| path.starts_with('.')), "{new:?}");
    assert_eq!(scientist.datasets().unwrap().len(), 1);
    // What the scientist changed in its copy is not lost to a stranger either.
    write(&place(&scientist, owner.email(), "public/syft_datasets/ages/notes.txt"), "mine");
    sync(&scientist).await;
    assert_eq!(scientist.datasets().unwrap().len(), 1);
}
