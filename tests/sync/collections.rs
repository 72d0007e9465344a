//! A dataset of which its reader sees only a part: the service shows what is new late and out of
//! order, and of files that were there before their folder was shared its feed tells a reader nothing.

use syft::datasets::{
    self, Audience, DatasetName, Half, Hash12, NewDataset, Publication, draft, prepare, publish,
};
use syft::model::{Code, Email};
use uuid::Uuid;

use super::world::{Party, World};

const MOCK: &str = "public/syft_datasets/ages/two.csv";

fn name() -> DatasetName {
    DatasetName::parse_new("ages").unwrap()
}

/// Makes a dataset of three files, and puts its mock half on the drive for `reader`; as a collection
/// that is called after the digest `hash`, if there is one.
async fn show(owner: &Party<'_>, reader: &Email, hash: Option<Hash12>) {
    let (session, syftbox) = (owner.session(), &owner.account().folders.syftbox);
    let files = tempfile::tempdir().unwrap();
    let (mock, private) = (files.path().join("mock"), files.path().join("private.csv"));
    std::fs::create_dir(&mock).unwrap();
    std::fs::write(mock.join("one.csv"), "age\n1\n").unwrap();
    std::fs::write(mock.join("two.csv"), "age\n2\n").unwrap();
    std::fs::write(&private, "age\n41\n").unwrap();
    let audience = Audience::Listed(vec![reader.clone()]);
    let new = NewDataset {
        name: name(),
        mock,
        private,
        summary: None,
        readme: None,
        tags: Vec::new(),
        location: None,
        audience: audience.clone(),
        allow_same: false,
    };
    datasets::create(syftbox, &owner.email, &new, Uuid::from_u128(7), owner.world.now()).unwrap();
    let mut draft = draft(syftbox, &owner.email, &name(), Half::Public).unwrap();
    draft.name.hash = hash.unwrap_or(draft.name.hash);
    let mut publication = prepare(session, draft, session.root(), audience).await.unwrap();
    let mut save = |_: &Publication| Ok(());
    let readers = std::slice::from_ref(reader).into();
    let published = publish(session, &mut publication, syftbox, readers, &mut save).await.unwrap();
    assert!(published.problems.is_empty(), "{:?}", published.problems);
}

/// The folder came to light before some of its files: what was listed of it was a part, or nothing,
/// and no later word of the feed said so.
#[tokio::test]
async fn a_dataset_that_was_listed_in_part_is_listed_again() {
    let mut listed_in_part = 0;
    for seed in 0..24 {
        let world = World::new();
        let (owner, reader) = world.pair().await;
        world.drive.set_disorder(Some(seed));
        world.drive.set_lag(100);
        show(&owner, &reader.email, None).await;
        for lag in (0..6).rev() {
            world.drive.set_lag(lag);
            let report = reader.try_sync().await.unwrap();
            let is_told = |code| report.problems.iter().any(|problem| problem.code == code);
            listed_in_part += usize::from(is_told(Code::DatasetNotFetched));
        }
        // All is shown; it is looked for again after as long as it was missed.
        for _ in 0..8 {
            reader.try_sync().await.unwrap();
        }
        let arrived = reader.read(&owner.email, MOCK);
        assert_eq!(arrived.as_deref(), Some("age\n2\n"), "seed {seed}");
        let before = reader.script.calls();
        assert!(reader.sync().await.is_idle());
        assert_eq!(reader.script.calls() - before, 1, "seed {seed}");
    }
    assert!(listed_in_part > 0, "the order was never one that matters");
}

/// What stays as wrong as it is costs its reader ever less.
#[tokio::test]
async fn a_dataset_that_stays_damaged_is_asked_for_ever_less_often() {
    let world = World::new();
    let (owner, reader) = world.pair().await;
    let other = "0123456789ab".parse().unwrap();
    show(&owner, &reader.email, Some(other)).await;
    let mut costs = Vec::new();
    for _ in 0..200 {
        let before = reader.script.calls();
        let report = reader.try_sync().await.unwrap();
        costs.push(reader.script.calls() - before);
        let codes: Vec<Code> = report.problems.iter().map(|problem| problem.code).collect();
        assert_eq!(codes, [Code::DatasetNotFetched]);
    }
    let asked = |costs: &[usize]| costs.iter().filter(|calls| **calls > 1).count();
    assert!(costs[1..].iter().all(|calls| *calls <= 2), "{costs:?}");
    assert!((2..=10).contains(&asked(&costs)), "{costs:?}");
    assert!(asked(&costs[100..]) <= 1, "{costs:?}");
}
