//! What is private reaches nobody by way of a dataset: not as a mock file, not as a readme, not by a
//! folder that others can look into, and not by a machine that does not know who was turned away.

use syft::client::{Client, Error};
use syft::connections::{Access, Connection as _, Grant, Query};
use syft::datasets::{self, Audience, DatasetName, Update};
use syft::model::{Email, Role};
use syft::syncers::SyncOptions;

use super::world::{World, acquaint, email, place, read, sync};

const FOLDER: &str = "public/syft_datasets/ages";

fn nothing_new() -> Update {
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

/// True if that is why: a file that is to be shown has the content of a private one.
fn is_private_as_mock(error: &Error, mock: &str) -> bool {
    matches!(
        error,
        Error::Dataset(datasets::Error::PrivateAsMock { mock: found, .. }) if found.as_str() == mock
    )
}

#[tokio::test]
async fn what_was_private_until_now_is_no_mock_file_of_an_update() {
    let world = World::new();
    let owner = world.owner("do@example.org");
    owner.create_dataset(&world.dataset("ages", Audience::Any), false).await.unwrap();
    let update = Update {
        mock: Some(world.file("last-year.csv", "age\n41\n43\n")),
        private: Some(world.file("this-year.csv", "age\n50\n")),
        ..nothing_new()
    };
    let error = owner.update_dataset(&update, false).await.unwrap_err();
    assert!(is_private_as_mock(&error, "last-year.csv"), "{error:?}");
    assert_eq!(read(&owner, owner.email(), &format!("{FOLDER}/last-year.csv")), None);
    let meant = Update { allow_same: true, ..update };
    owner.update_dataset(&meant, false).await.unwrap();
}

#[tokio::test]
async fn a_readme_that_is_a_private_file_is_refused() {
    let world = World::new();
    let owner = world.owner("do@example.org");
    let mut new = world.dataset("ages", Audience::Any);
    world.file("ages/private/notes.md", "# Ann is 41, Bob is 43\n");
    new.private = world.file("ages/private/private.csv", "age\n41\n43\n");
    new.private.pop();
    new.readme = Some(world.file("README.md", "# Ann is 41, Bob is 43\n"));
    let error = owner.create_dataset(&new, false).await.unwrap_err();
    assert!(is_private_as_mock(&error, "README.md"), "{error:?}");

    new.readme = None;
    owner.create_dataset(&new, false).await.unwrap();
    let readme = Some(world.file("README.md", "# Ann is 41, Bob is 43\n"));
    let error = owner.update_dataset(&Update { readme, ..nothing_new() }, false).await.unwrap_err();
    assert!(is_private_as_mock(&error, "README.md"), "{error:?}");
    assert_eq!(read(&owner, owner.email(), &format!("{FOLDER}/README.md")), None);
}

/// Shows the SyftBox folder to somebody, as a person does in a browser; or takes that back.
async fn show_home(world: &World, owner: &Client, to: &Email, is_shown: bool) {
    let session = world.drive.session(owner.email());
    let all = session.find(&Query::default()).await.unwrap();
    let id = all.into_iter().find(|entry| entry.name == "SyftBox").unwrap().id;
    if is_shown {
        let grant = Grant { id, to: to.clone(), access: Access::Read };
        session.share(&[grant], false).await.unwrap().pop().unwrap().unwrap();
    } else {
        session.unshare(&id, to).await.unwrap();
    }
}

#[tokio::test]
async fn a_private_half_is_not_put_where_others_can_look() {
    let world = World::new();
    let owner = world.owner("do@example.org");
    let other = email("colleague@example.org");
    sync(&owner).await;
    show_home(&world, &owner, &other, true).await;
    let error = owner.create_dataset(&world.dataset("ages", Audience::Nobody), true).await;
    assert!(matches!(&error, Err(Error::NotSent { .. })), "{error:?}");
    let theirs = world.drive.session(&other);
    let seen = async || {
        let all = theirs.find(&Query::default()).await.unwrap();
        let names = all.into_iter().map(|entry| entry.name);
        names.filter(|name| name.contains("private")).collect::<Vec<_>>()
    };
    assert_eq!(seen().await, [""; 0]);
    let report = owner.sync(&SyncOptions::default()).await.unwrap();
    let codes: Vec<_> = report.problems.iter().map(|problem| problem.code.as_str()).collect();
    assert_eq!(codes, ["private-half-visible"]);
    assert_eq!(seen().await, [""; 0]);

    show_home(&world, &owner, &other, false).await;
    sync(&owner).await;
    let laptop = world.machine("do@example.org", Role::Owner, "laptop");
    sync(&laptop).await;
    let private = "private/syft_datasets/ages/private.csv";
    assert!(read(&laptop, owner.email(), private).is_some(), "it is there now");
}

#[tokio::test]
async fn an_update_made_on_another_machine_is_shown_to_who_sees_the_dataset_now() {
    let world = World::new();
    let owner = world.owner("do@example.org");
    let scientists = ["ann", "bob", "eve"].map(|name| world.scientist(&format!("{name}@x.org")));
    for scientist in &scientists {
        acquaint(&owner, scientist).await;
    }
    let [ann, bob, eve] = &scientists;
    let both = Audience::Listed(vec![ann.email().clone(), eve.email().clone()]);
    owner.create_dataset(&world.dataset("ages", both), false).await.unwrap();
    let laptop = world.machine("do@example.org", Role::Owner, "laptop");
    sync(&laptop).await;

    owner.unshare_dataset("ages", &Audience::Listed(vec![eve.email().clone()])).await.unwrap();
    owner.share_dataset("ages", &Audience::Listed(vec![bob.email().clone()])).await.unwrap();
    let mock = Some(world.file("newer.csv", "age\n2\n"));
    laptop.update_dataset(&Update { mock, ..nothing_new() }, false).await.unwrap();
    for scientist in &scientists {
        sync(scientist).await;
    }
    let has = |who: &Client| place(who, owner.email(), &format!("{FOLDER}/newer.csv")).exists();
    assert_eq!((has(ann), has(bob), has(eve)), (true, true, false));
    assert_eq!(
        laptop.dataset_audience("ages").unwrap(),
        Audience::Listed(vec![ann.email().clone(), bob.email().clone()])
    );
}

#[tokio::test]
async fn a_dataset_for_all_that_was_closed_on_another_machine_stays_closed() {
    let world = World::new();
    let (owner, scientist) = (world.owner("do@example.org"), world.scientist("ds@example.org"));
    acquaint(&owner, &scientist).await;
    owner.create_dataset(&world.dataset("ages", Audience::Any), false).await.unwrap();
    let laptop = world.machine("do@example.org", Role::Owner, "laptop");
    sync(&laptop).await;
    owner.unshare_dataset("ages", &Audience::Any).await.unwrap();
    let mock = Some(world.file("newer.csv", "age\n2\n"));
    laptop.update_dataset(&Update { mock, ..nothing_new() }, false).await.unwrap();
    sync(&scientist).await;
    assert_eq!(scientist.datasets().unwrap().len(), 0);
}
