//! What others sent finds an edit in its place, or a folder, or a file where it needs a folder.
//! Nothing is lost: an owner's edit stays and is announced, a scientist's is kept aside.

use syft::model::KEPT_ASIDE_MARK;
use syft::permissions::Level;

use super::super::world::World;
use super::{BOTH, Pair, Who, codes};

#[tokio::test]
async fn an_edit_meets_an_edit() {
    let world = World::new();
    let pair = Pair::new(&world, &[("w/a", "base")]).await;
    pair.owner.put("w/a", "the owner's");
    pair.owner.sync().await;
    pair.scientist.write(pair.datasite(), "w/a", b"the scientist's");
    let report = pair.scientist.sync().await;
    assert_eq!((report.refused.len(), report.pushed), (1, 0), "{report:?}");
    assert_eq!(pair.kept_aside(Who::Scientist), ["the scientist's"]);
    pair.agree_on(&[("w/a", "the owner's")], "the owner's counts").await;
}

#[tokio::test]
async fn an_edit_meets_a_deletion_and_a_deletion_an_edit() {
    let world = World::new();
    let pair = Pair::new(&world, &[("w/a", "base"), ("w/b", "base"), ("w/c", "base")]).await;
    pair.owner.delete(pair.datasite(), "w/a");
    pair.owner.put("w/b", "the owner's");
    pair.owner.delete(pair.datasite(), "w/c");
    pair.owner.sync().await;
    pair.scientist.write(pair.datasite(), "w/a", b"the scientist's");
    pair.scientist.delete(pair.datasite(), "w/b");
    pair.scientist.delete(pair.datasite(), "w/c");
    pair.scientist.sync().await;
    assert_eq!(pair.kept_aside(Who::Scientist), ["the scientist's"]);
    pair.agree_on(&[("w/b", "the owner's")], "an edit outlives a deletion").await;
}

#[tokio::test]
async fn an_owners_second_machine_keeps_its_edit_and_announces_it() {
    let world = World::new();
    let one = world.owner("do@example.org");
    for path in ["a", "gone", "b"] {
        one.put(path, "base");
    }
    one.sync().await;
    let two = world.owner("do@example.org");
    two.sync().await;
    one.put("a", "one's");
    one.delete(&one.email, "gone");
    one.sync().await;
    two.put("a", "two's");
    two.put("gone", "two's");
    two.put("new", "two's");
    two.sync().await;
    one.sync().await;
    for machine in [&one, &two] {
        let files = machine.tree(&one.email);
        let (kept, files): (Vec<_>, Vec<_>) =
            files.iter().partition(|(path, _)| path.contains(KEPT_ASIDE_MARK));
        let files: Vec<_> = files.iter().map(|(p, c)| (p.as_str(), c.as_str())).collect();
        assert_eq!(files, [("a", "two's"), ("b", "base"), ("gone", "two's"), ("new", "two's")]);
        // Where the two met, what gave way is kept.
        let kept: Vec<_> = kept.iter().map(|(_, content)| content.as_str()).collect();
        assert_eq!(kept, if std::ptr::eq(machine, &two) { vec!["one's"] } else { vec![] });
        assert!(machine.sync().await.is_idle());
    }
}

#[tokio::test]
async fn a_machine_that_restores_keeps_what_was_edited_there_before() {
    let world = World::new();
    let one = world.owner("do@example.org");
    one.put("a", "announced");
    one.put("b", "announced");
    one.put("old", "first");
    one.sync().await;
    one.put("old", "second");
    one.sync().await;
    let two = world.owner("do@example.org");
    two.put("a", "edited before the first login");
    two.put("b", "announced");
    two.put("old", "first");
    two.put("only here", "x");
    two.put("d/e", "x");
    two.sync().await;
    one.sync().await;
    for machine in [&one, &two] {
        assert_eq!(machine.read(&one.email, "a").as_deref(), Some("edited before the first login"));
        // What stood there before in the log does not count, and may have been put back on purpose.
        assert_eq!(machine.read(&one.email, "old").as_deref(), Some("second"));
        let files = machine.tree(&one.email);
        let (kept, files): (Vec<_>, Vec<_>) =
            files.iter().partition(|(path, _)| path.contains(KEPT_ASIDE_MARK));
        assert_eq!(files.len(), 5, "{files:?}");
        let kept: Vec<_> = kept.iter().map(|(_, content)| content.as_str()).collect();
        assert_eq!(
            kept,
            if std::ptr::eq(machine, &two) { vec!["announced", "first"] } else { vec![] }
        );
        assert!(machine.sync().await.is_idle());
    }
}

#[tokio::test]
async fn a_machine_that_restores_keeps_a_folder_where_a_file_is_announced_and_the_reverse() {
    let world = World::new();
    let one = world.owner("do@example.org");
    one.put("x", "a file");
    one.put("y/z", "in a folder");
    one.sync().await;
    let two = world.owner("do@example.org");
    two.put("x/edit", "in a folder here");
    two.put("y", "a file here");
    two.sync().await;
    two.sync().await;
    one.sync().await;
    one.sync().await;
    for machine in [&one, &two] {
        let files = machine.tree(&one.email);
        let files: Vec<_> = files.iter().map(|(p, c)| (p.as_str(), c.as_str())).collect();
        assert_eq!(files, [("x/edit", "in a folder here"), ("y", "a file here")]);
        assert!(machine.sync().await.is_idle());
    }
}

#[tokio::test]
async fn a_file_arrives_where_there_is_a_folder_with_edits() {
    let world = World::new();
    let pair = Pair::new(&world, &[("w/x/agreed", "1"), ("w/x/edited", "1")]).await;
    std::fs::remove_dir_all(pair.folder(Who::Owner).join("x")).unwrap();
    pair.owner.put("w/x", "a file now");
    pair.owner.sync().await;
    pair.scientist.write(pair.datasite(), "w/x/edited", b"edited");
    pair.scientist.write(pair.datasite(), "w/x/deep/new", b"new");
    let report = pair.scientist.sync().await;
    assert!(report.refused.iter().any(|refused| refused.path == "w/x"), "{report:?}");
    assert_eq!(pair.kept_aside(Who::Scientist), ["new", "edited"]);
    pair.agree_on(&[("w/x", "a file now")], "the folder is kept aside").await;
}

#[tokio::test]
async fn a_file_arrives_where_there_is_a_folder_with_what_does_not_travel() {
    let world = World::new();
    let pair = Pair::new(&world, &[("w/x/a", "1"), ("w/y/a", "1")]).await;
    pair.owner.put("w/x/a", "2");
    pair.owner.sync().await;
    pair.scientist.write(pair.datasite(), "w/x/a", b"mine");
    pair.scientist.sync().await;
    // A kept edit is in there now, and an empty folder in the other.
    std::fs::create_dir_all(pair.folder(Who::Scientist).join("y/empty/deep")).unwrap();
    for folder in ["x", "y"] {
        std::fs::remove_dir_all(pair.folder(Who::Owner).join(folder)).unwrap();
        pair.owner.put(&format!("w/{folder}"), "a file now");
    }
    pair.settle().await;
    assert_eq!(pair.kept_aside(Who::Scientist), ["mine"]);
    pair.agree_on(&[("w/x", "a file now"), ("w/y", "a file now")], "kept").await;
}

#[tokio::test]
async fn files_arrive_in_a_folder_where_there_is_a_file() {
    let world = World::new();
    let pair = Pair::new(&world, &[("w/a", "1")]).await;
    pair.owner.put("w/x/y/one", "1");
    pair.owner.put("w/x/y/two", "2");
    pair.owner.sync().await;
    pair.scientist.write(pair.datasite(), "w/x", b"a file here");
    let report = pair.scientist.sync().await;
    assert_eq!((report.refused.len(), report.pushed), (1, 0), "{report:?}");
    assert_eq!(pair.kept_aside(Who::Scientist), ["a file here"]);
    pair.agree_on(&[("w/a", "1"), ("w/x/y/one", "1"), ("w/x/y/two", "2")], "kept").await;
}

#[tokio::test]
async fn a_scientist_makes_a_folder_of_a_file_that_the_owner_edits_and_the_reverse() {
    let world = World::new();
    let pair = Pair::new(&world, &[("w/f", "1"), ("w/d/x", "1")]).await;
    pair.owner.put("w/f", "2");
    pair.owner.put("w/d/x", "2");
    pair.owner.sync().await;
    pair.scientist.delete(pair.datasite(), "w/f");
    pair.scientist.write(pair.datasite(), "w/f/new", b"in a folder");
    std::fs::remove_dir_all(pair.folder(Who::Scientist).join("d")).unwrap();
    pair.scientist.write(pair.datasite(), "w/d", b"a file");
    let report = pair.scientist.sync().await;
    assert_eq!(codes(&report), [""; 0]);
    assert_eq!(pair.kept_aside(Who::Scientist), ["a file", "in a folder"]);
    pair.agree_on(&[("w/d/x", "2"), ("w/f", "2")], "the owner's counts").await;
}

#[tokio::test]
async fn an_owner_makes_a_folder_of_a_file_that_a_scientist_edits_and_the_reverse() {
    let world = World::new();
    let pair = Pair::new(&world, &[("w/f", "1"), ("w/d/x", "1")]).await;
    pair.scientist.write(pair.datasite(), "w/f", b"2");
    pair.scientist.write(pair.datasite(), "w/d/x", b"2");
    pair.scientist.sync().await;
    pair.owner.delete(pair.datasite(), "w/f");
    pair.owner.put("w/f/new", "in a folder");
    std::fs::remove_dir_all(pair.folder(Who::Owner).join("d")).unwrap();
    pair.owner.put("w/d", "a file");
    let report = pair.owner.sync().await;
    assert_eq!((report.refused.len(), report.accepted), (2, 0), "{report:?}");
    let report = pair.scientist.sync().await;
    assert_eq!(codes(&report), [""; 0]);
    assert_eq!(pair.kept_aside(Who::Scientist), ["2", "2"]);
    pair.agree_on(&[("w/d", "a file"), ("w/f/new", "in a folder")], "the owner's counts").await;
}

#[tokio::test]
async fn an_edit_between_the_decision_and_the_write_is_not_lost() {
    for who in BOTH {
        let world = World::new();
        let pair = Pair::new(&world, &[("w/a", "1")]).await;
        // The decision cannot be carried out at first: a pipe stands there.
        let place = pair.folder(who).join("b");
        let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR);
        rustix::fs::mknodat(rustix::fs::CWD, &place, kind, mode, 0).unwrap();
        if who == Who::Owner {
            let second = world.owner("do@example.org");
            second.sync().await;
            second.put("w/b", "theirs");
            second.sync().await;
        } else {
            pair.owner.put("w/b", "theirs");
            pair.owner.sync().await;
        }
        let report = pair.party(who).try_sync().await.unwrap();
        assert!(codes(&report).contains(&"not-written"), "{who:?}: {report:?}");
        std::fs::remove_file(&place).unwrap();
        std::fs::write(&place, "mine").unwrap();
        pair.party(who).sync().await;
        let (winner, kept) = match who {
            Who::Owner => ("mine", [""; 0].to_vec()),
            Who::Scientist => ("theirs", vec!["mine"]),
        };
        assert_eq!(pair.kept_aside(who), kept, "{who:?}");
        pair.agree_on(&[("w/a", "1"), ("w/b", winner)], &format!("{who:?}")).await;
    }
}

#[tokio::test]
async fn a_name_as_long_as_the_file_system_takes_is_kept_aside() {
    let world = World::new();
    let (owner, scientist) = world.pair().await;
    owner.grant("r/", &scientist.email, Level::Read);
    let long = format!("r/{}", "n".repeat(255));
    owner.put(&long, "base");
    owner.sync().await;
    scientist.sync().await;
    owner.put(&long, "new");
    owner.sync().await;
    scientist.write(&owner.email, &long, b"mine");
    scientist.sync().await;
    let mut files: Vec<String> =
        scientist.tree(&owner.email).into_iter().map(|(_, content)| content).collect();
    files.sort();
    assert_eq!(files, ["mine", "new"]);
}
