//! Creating a dataset is killed: run again, it is there once, whole, and for whom it is meant.

use std::time::Duration;

use syft::connections::{Connection as _, Entry, Kind, Query};
use syft::wire::names::FolderName;

use super::chance::{Chance, rounds};
use super::drive;
use super::world::{OWNER, World};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dataset_whose_creation_is_killed_is_there_once_and_whole() {
    let mut chance = Chance::of_this_run();
    let world = World::new().await;
    let (owner, scientist) = world.pair();
    let (mut usual, mut killed) = (Duration::from_millis(300), 0);
    let count = rounds(12);
    for number in 0..count {
        let name = format!("set-{number}");
        let mock = world.file(&format!("{name}/mock.csv"), &format!("age\n{number}\n"));
        let private = world.file(&format!("{name}/private.csv"), &format!("age\n4{number}\n"));
        let create = [
            "dataset",
            "create",
            &name,
            "--mock",
            &mock,
            "--private",
            &private,
            "--users",
            "any",
            "--upload-private",
        ];
        let answer = owner.start(&create).kill(chance.moment(usual));
        match answer.exit {
            None => killed += 1,
            Some(_) => usual = answer.took,
        }
        // Sometimes the next sync finds what the crash left, sometimes a person tries again.
        if chance.is(1, 2) {
            owner.start(&["sync"]).kill(chance.moment(usual));
        }
        let again = owner.run(&create);
        let code = again.json["error"]["code"].as_str().unwrap_or_default();
        assert!(again.exit == Some(0) || code.contains("exists"), "{again:?}");
        owner.done(&["sync"]);
        scientist.done(&["sync"]);
        let place = format!("public/syft_datasets/{name}/mock.csv");
        assert_eq!(scientist.read(&place), Some(format!("age\n{number}\n")), "`{name}`");
        assert_eq!(scientist.read(&format!("private/syft_datasets/{name}/private.csv")), None);
    }
    assert!(killed > 0, "none was killed in time");
    collections(&world, count).await;
    drive::check(&world).await;
    drive::databases(&owner);
    let left = owner.home.join(format!("SyftBox_{OWNER}/.syft-tmp"));
    assert_eq!(
        std::fs::read_dir(left).map_or(0, Iterator::count),
        0,
        "the scratch folder is empty"
    );
    let second = world.log_in("do", OWNER, "second");
    second.done(&["sync"]);
    for number in 0..count {
        let place = format!("private/syft_datasets/set-{number}/private.csv");
        assert_eq!(second.read(&place), Some(format!("age\n4{number}\n")), "on a new machine");
    }
}

/// Checks that each dataset has one collection of each kind, and that no private one is shared.
async fn collections(world: &World, count: u64) {
    let drive = world.drive(OWNER);
    let all: Vec<Entry> = drive.find(&Query::default()).await.unwrap();
    let mut names = Vec::new();
    for folder in all.iter().filter(|entry| entry.kind == Kind::Folder) {
        let Some(FolderName::Collection(collection)) = FolderName::parse(&folder.name) else {
            continue;
        };
        let kind = format!("{:?}", collection.kind);
        let readers = drive.shares(&folder.id).await.unwrap();
        assert_eq!(readers.is_empty(), kind == "Private", "{}: {readers:?}", folder.name);
        names.push(format!("{} {kind}", collection.tag));
    }
    names.sort();
    let mut wanted: Vec<String> = (0..count)
        .flat_map(|number| ["Private", "Public"].map(|kind| format!("set-{number} {kind}")))
        .collect();
    wanted.sort();
    assert_eq!(names, wanted);
}
