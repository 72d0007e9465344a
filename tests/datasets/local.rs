//! On one machine: creating, refusing, listing, showing, deleting.

use super::*;

#[test]
fn a_dataset_is_created_as_python_lays_it_out() {
    let machine = Machine::new();
    let created = machine.create(&machine.usual("census", Audience::Any)).unwrap();
    assert!(created.flattened.is_empty());
    let public = contents(&machine.half("census", Half::Public));
    let private = contents(&machine.half("census", Half::Private));
    assert_eq!(
        public.keys().collect::<Vec<_>>(),
        ["README.md", "blob.bin", "data.csv", "dataset.yaml", "syft.pub.yaml"]
    );
    assert_eq!(
        private.keys().collect::<Vec<_>>(),
        ["private_metadata.yaml", "secret.csv", "syft.pub.yaml"]
    );
    assert!(names(&machine.syftbox().join(".syft-tmp")).is_empty());

    let owner = email(OWNER);
    let shown = show(&machine.syftbox(), &owner, &owner, &name("census")).unwrap();
    let mock: Vec<&str> = shown.mock_files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(mock, ["blob.bin", "data.csv"]);
    assert_eq!(shown.readme.as_deref(), Some("# Census\n"));
    assert_eq!(shown.metadata, created.metadata);
    assert_eq!(shown.private_files.len(), 1);

    let by_other = show(&machine.syftbox(), &email(READER), &owner, &name("census")).unwrap();
    assert!(by_other.private_files.is_empty() && by_other.private_folder.is_none());
}

#[test]
fn nobody_means_no_permission_file_and_the_audience_can_change() {
    let machine = Machine::new();
    machine.create(&machine.usual("census", Audience::Nobody)).unwrap();
    let file = machine.half("census", Half::Public).join("syft.pub.yaml");
    assert!(!file.exists());
    let set = |audience: &Audience| {
        set_audience(&machine.syftbox(), &email(OWNER), &name("census"), audience).unwrap();
    };
    set(&Audience::Listed(vec![email(READER)]));
    assert!(fs::read_to_string(&file).unwrap().contains(READER));
    set(&Audience::Any);
    assert!(!fs::read_to_string(&file).unwrap().contains(READER));
    set(&Audience::Nobody);
    set(&Audience::Nobody);
    assert!(!file.exists());
}

#[test]
fn a_refused_dataset_leaves_nothing() {
    type Case = (&'static str, fn(&Machine, &mut NewDataset), fn(&Error) -> bool);
    #[rustfmt::skip]
    let cases: [Case; 12] = [
        ("private data as mock, renamed", |m, _| { m.write("mock/sub/x.csv", "a,b\n10,20\n"); },
            |e| matches!(e, Error::PrivateAsMock { mock, private } if mock.as_str() == "sub/x.csv" && private.as_str() == "secret.csv")),
        ("the same path twice",           |_, n| n.mock = n.private.clone(),
            |e| matches!(e, Error::PrivateAsMock { .. })),
        ("b10: base names collide",       |m, _| { m.write("mock/x/data.csv", "other"); },
            |e| matches!(e, Error::Refused { which: "mock", refusal: Refusal::SameBaseName { .. } })),
        ("a reserved mock file",          |m, _| { m.write("mock/dataset.yaml", "x"); },
            |e| matches!(e, Error::Refused { refusal: Refusal::Reserved(_), .. })),
        ("a reserved private file",       |m, n| n.private = m.write("p/syft.pub.yaml", "x").parent().unwrap().into(),
            |e| matches!(e, Error::Refused { which: "private", refusal: Refusal::Reserved(_) })),
        ("a link in the mock folder",     |m, n| std::os::unix::fs::symlink(&n.private, m.home.path().join("mock/l")).unwrap(),
            |e| matches!(e, Error::NotRegular { .. })),
        ("a link to a folder",            |m, _| std::os::unix::fs::symlink("/", m.home.path().join("mock/l")).unwrap(),
            |e| matches!(e, Error::NotRegular { .. })),
        ("no mock files",                 |m, n| { n.mock = m.home.path().join("none"); fs::create_dir(&n.mock).unwrap(); },
            |e| matches!(e, Error::Refused { refusal: Refusal::NoFiles, .. })),
        ("no mock path",                  |m, n| n.mock = m.home.path().join("none"),
            |e| matches!(e, Error::Io { .. })),
        ("a readme of another kind",      |m, n| n.readme = Some(m.write("README.txt", "x")),
            |e| matches!(e, Error::Readme { .. })),
        ("a readme that hides a mock",    |m, n| { m.write("mock/README.md", "x"); n.readme = Some(m.write("README.md", "y")); },
            |e| matches!(e, Error::Exists { .. })),
        ("something there already",       |m, _| { m.write("box/do@example.com/private/syft_datasets/census/x", "mine"); },
            |e| matches!(e, Error::Exists { .. })),
    ];
    for (what, change, expected) in cases {
        let machine = Machine::new();
        let mut new = machine.usual("census", Audience::Any);
        change(&machine, &mut new);
        let before = contents(&machine.syftbox());
        let error = machine.create(&new).unwrap_err();
        assert!(expected(&error), "{what}: {error:?}");
        assert_eq!(contents(&machine.syftbox()), before, "{what}");
    }
}

#[test]
fn what_is_meant_is_allowed() {
    let machine = Machine::new();
    let mut new = machine.usual("same", Audience::Nobody);
    new.private = new.mock.clone();
    new.allow_same = true;
    machine.create(&new).unwrap();

    let mut new = machine.usual("empty-files", Audience::Nobody);
    machine.write("mock/pkg/__init__.py", "");
    machine.write("private/pkg/__init__.py", "");
    machine.write("private/x.csv", "secret");
    machine.write("mock/README.md", "# Census\n");
    new.private = machine.home.path().join("private");
    let created = machine.create(&new).unwrap();
    let flattened: Vec<&str> = created.flattened.iter().map(|path| path.as_str()).collect();
    assert_eq!(flattened, ["pkg/__init__.py"]);
    assert!(!created.mock_files.iter().any(|path| path.as_str() == "README.md"));
}

#[test]
fn a_failure_half_way_through_leaves_nothing() {
    let machine = Machine::new();
    let new = machine.usual("census", Audience::Any);
    // A file where the public half's folder should be: the private half is in place by then.
    machine.write("box/do@example.com/public/syft_datasets", "in the way");
    machine.create(&new).unwrap_err();
    assert_eq!(names(&machine.syftbox()), ["do@example.com/public/syft_datasets"]);
    fs::remove_file(machine.syftbox().join("do@example.com/public/syft_datasets")).unwrap();
    machine.create(&new).unwrap();
}

#[test]
fn broken_datasets_are_listed_and_never_hide_others() {
    let machine = Machine::new();
    machine.create(&machine.usual("census", Audience::Any)).unwrap();
    machine.write("box/do@example.com/public/syft_datasets/broken/dataset.yaml", "name: [");
    machine.write("box/do@example.com/public/syft_datasets/bare/data.csv", "x");
    machine.write("box/do@example.com/public/syft_datasets/v1/x/dataset.yaml", "x");
    machine
        .write("box/peer@example.com/public/syft_datasets/theirs/dataset.yaml", "name: theirs\n");
    machine.write("box/not-an-address/public/syft_datasets/x/dataset.yaml", "name: x\n");
    let listed: Vec<(String, bool)> = list(&machine.syftbox())
        .unwrap()
        .into_iter()
        .map(|listed| (format!("{}/{}", listed.owner, listed.name), listed.content.is_ok()))
        .collect();
    let expected = [
        ("do@example.com/bare", false),
        ("do@example.com/broken", false),
        ("do@example.com/census", true),
        ("do@example.com/v1", false),
        ("peer@example.com/theirs", true),
    ];
    assert_eq!(listed, expected.map(|(name, good)| (name.to_owned(), good)));
    assert!(list(&machine.home.path().join("nowhere")).unwrap().is_empty());
}

#[test]
fn deleting_removes_both_halves_or_the_one_that_is_there() {
    let machine = Machine::new();
    machine.create(&machine.usual("census", Audience::Any)).unwrap();
    delete(&machine.syftbox(), &email(OWNER), &name("census")).unwrap();
    assert!(names(&machine.syftbox()).is_empty());
    let again = delete(&machine.syftbox(), &email(OWNER), &name("census"));
    assert!(matches!(again, Err(Error::NotFound { .. })));
    machine.write("box/do@example.com/private/syft_datasets/census/x", "half");
    delete(&machine.syftbox(), &email(OWNER), &name("census")).unwrap();
    assert!(names(&machine.syftbox()).is_empty());
}

#[test]
fn the_owners_dataset_of_the_python_client_is_listed_shown_and_drafted() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/datasets");
    let machine = Machine::new();
    for half in ["public", "private"] {
        let from = fixtures.join("owner").join(half).join("syft_datasets/open_set");
        for (file, content) in contents(&from) {
            machine.write(&format!("box/{OWNER}/{half}/syft_datasets/open_set/{file}"), &content);
        }
    }
    let me = email(OWNER);
    let shown = show(&machine.syftbox(), &me, &me, &name("open_set")).unwrap();
    assert_eq!((shown.mock_files.len(), shown.private_files.len()), (1, 1));
    let draft = draft(&machine.syftbox(), &me, &name("open_set"), Half::Public).unwrap();
    assert_eq!(draft.name.to_string(), "syft_datasetcollection_open_set_55a8d87cf151");
}
