//! On one machine: creating, refusing, listing, showing, deleting.

use std::os::unix::fs::PermissionsExt as _;

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
    let mode = fs::metadata(machine.half("census", Half::Private)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700, "other users of the machine cannot look into it");

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
            |e| matches!(e, Error::Refused { which: "mock", refusal: Refusal::SameBaseName { .. }, .. })),
        ("a reserved mock file",          |m, _| { m.write("mock/dataset.yaml", "x"); },
            |e| matches!(e, Error::Refused { refusal: Refusal::Reserved(_), .. })),
        ("a reserved private file",       |m, n| n.private = m.write("p/syft.pub.yaml", "x").parent().unwrap().into(),
            |e| matches!(e, Error::Refused { which: "private", refusal: Refusal::Reserved(_), .. })),
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
        let names_a_place = error.to_string().contains(&*machine.home.path().to_string_lossy());
        assert!(names_a_place || matches!(error, Error::PrivateAsMock { .. }), "{what}: {error}");
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
    machine.write("box/do@example.com/public/syft_datasets/v2/x/dataset.yaml", "name: x\n");
    machine
        .write("box/peer@example.com/public/syft_datasets/theirs/dataset.yaml", "name: theirs\n");
    machine.write("box/do@example.com/private/syft_datasets/half/x", "a crash left it");
    machine.write("box/not-an-address/public/syft_datasets/x/dataset.yaml", "name: x\n");
    let listed: Vec<(String, bool)> = list(&machine.syftbox(), &email(OWNER))
        .unwrap()
        .into_iter()
        .map(|listed| (format!("{}/{}", listed.owner, listed.name), listed.content.is_ok()))
        .collect();
    let expected = [
        ("do@example.com/bare", false),
        ("do@example.com/broken", false),
        ("do@example.com/census", true),
        ("do@example.com/half", false),
        ("do@example.com/v2", false),
        ("do@example.com/x", false),
        ("peer@example.com/theirs", true),
    ];
    assert_eq!(listed, expected.map(|(name, good)| (name.to_owned(), good)));
    assert!(list(&machine.home.path().join("nowhere"), &email(OWNER)).unwrap().is_empty());
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

/// Puts the dataset `nums` of the Python client's second generation below `box/{owner}`.
fn nums(machine: &Machine, layout: u32, segment: &str) {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/datasets010");
    for (half, file) in [("public", "dataset.yaml"), ("private", "private_metadata.yaml")] {
        let from = format!("dataset_layout_{layout}/{OWNER}/{half}/syft_datasets");
        let nested = if layout == 0 { "nums" } else { "v1/nums" };
        let text = fs::read_to_string(fixtures.join(from).join(nested).join(file)).unwrap();
        let folder = format!("box/{OWNER}/{half}/syft_datasets/{segment}nums");
        machine.write(&format!("{folder}/{file}"), &text);
        machine.write(&format!("{folder}/d.csv"), &format!("{half} {layout}"));
        if half == "public" {
            machine.write(&format!("{folder}/readme.md"), &format!("# Layout {layout}\n"));
        }
    }
}

#[test]
fn the_newest_layout_of_a_dataset_counts_and_both_are_deleted() {
    type Case<'a> = (&'a str, &'a [(u32, &'a str)], u32, &'a str);
    #[rustfmt::skip]
    let cases: [Case<'_>; 4] = [
        // what                              is there              shown is  in
        ("layout 0",                         &[(0, "")],           0,        ""),
        ("layout 1",                         &[(1, "v1/")],        1,        "v1/"),
        ("both",                             &[(0, ""), (1, "v1/")], 1,      "v1/"),
        ("layout 1, come as a collection",   &[(1, "")],           1,        ""),
    ];
    let me = email(OWNER);
    for (what, there, layout, segment) in cases {
        let machine = Machine::new();
        for (layout, segment) in there {
            nums(&machine, *layout, segment);
        }
        let listed = list(&machine.syftbox(), &me).unwrap();
        assert_eq!(listed.len(), 1, "{what}");
        assert_eq!((listed[0].name.as_str(), listed[0].content.is_ok()), ("nums", true), "{what}");
        let shown = show(&machine.syftbox(), &me, &me, &name("nums")).unwrap();
        let folder = machine.syftbox().join(format!("{OWNER}/public/syft_datasets/{segment}nums"));
        assert_eq!((&shown.folder, &listed[0].folder), (&folder, &folder), "{what}");
        assert_eq!(shown.readme, Some(format!("# Layout {layout}\n")), "{what}");
        assert_eq!(shown.mock_files.len(), 1, "{what}");
        let private = shown.private_folder.unwrap().join("d.csv");
        assert_eq!(fs::read_to_string(private).unwrap(), format!("private {layout}"), "{what}");
        let present = local_halves(&machine.syftbox(), &me).unwrap();
        let halves = [Half::Public, Half::Private].map(|half| (half, name("nums")));
        assert_eq!(present, halves.into(), "{what}");
        delete(&machine.syftbox(), &me, &name("nums")).unwrap();
        assert!(names(&machine.syftbox()).is_empty(), "{what}");
    }
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

#[test]
fn what_a_crash_left_is_swept_and_nothing_else() {
    let machine = Machine::new();
    machine.write("box/.syft-tmp/dataset-x7/private/secret.csv", "x");
    machine.write("box/.syft-tmp/other-x7/file", "not ours");
    Scratch::sweep(&machine.syftbox()).unwrap();
    assert_eq!(names(&machine.syftbox()), [".syft-tmp/other-x7/file"]);
    Scratch::sweep(&machine.home.path().join("nowhere")).unwrap();
}

const FILES: [&str; 3] = ["a", "b", "sub/c"];

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(48))]
    #[test]
    fn replacing_a_copy_loses_no_local_edit(
        recorded in proptest::collection::vec(0..3_u8, 3),
        on_disk in proptest::collection::vec(0..4_u8, 3),
        arriving in proptest::collection::vec(0..3_u8, 3),
    ) {
        check_replacement(&recorded, &on_disk, &arriving);
    }
}

/// 0 is no file; other numbers are contents.
fn check_replacement(recorded: &[u8], on_disk: &[u8], arriving: &[u8]) {
    let machine = Machine::new();
    let fetched = |contents: &[u8]| Held {
        owner: email(OWNER),
        name: name("census"),
        hash: "000000000000".parse().unwrap(),
        folder: FileId::parse("folder").unwrap(),
        files: std::iter::zip(FILES, contents)
            .filter(|(_, content)| **content > 0)
            .map(|(name, content)| HeldFile {
                name: name.to_owned(),
                size_bytes: 1,
                digest: Digest::of(content.to_string().as_bytes()),
            })
            .collect(),
    };
    let write = |folder: &str, contents: &[u8]| {
        for (name, content) in std::iter::zip(FILES, contents).filter(|(_, c)| **c > 0) {
            machine.write(&format!("{folder}/{name}"), &content.to_string());
        }
    };
    write("box/do@example.com/public/syft_datasets/census", on_disk);
    let staging = machine.home.path().join("staging");
    fs::create_dir(&staging).unwrap();
    write("staging", arriving);
    let (new, old) = (fetched(arriving), fetched(recorded));
    let kept = install(&machine.syftbox(), &staging, &new, Some(&old), now()).unwrap();

    let installed = contents(&machine.half("census", Half::Public));
    let kept: Vec<String> = kept.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    for index in 0..FILES.len() {
        let text = |content: u8| (content > 0).then(|| content.to_string());
        assert_eq!(installed.get(FILES[index]).cloned(), text(arriving[index]));
        let is_edit = ![0, recorded[index], arriving[index]].contains(&on_disk[index]);
        assert!(!is_edit || kept.contains(&on_disk[index].to_string()), "an edit is lost");
    }
}

#[test]
fn an_update_is_put_in_its_place_once_however_often_it_is_begun() {
    let machine = Machine::new();
    machine.create(&machine.usual("census", Audience::Any)).unwrap();
    let halves = || {
        [Half::Public, Half::Private].map(|half| {
            let mut files = contents(&machine.half("census", half));
            files.remove("dataset.yaml");
            files
        })
    };
    let old = halves();
    let update = Update {
        name: name("census"),
        mock: Some(machine.write("new.csv", "mock")),
        private: Some(machine.write("real.csv", "real")),
        summary: Some("other".into()),
        readme: None,
        tags: None,
        allow_same: false,
    };
    let (syftbox, me) = (machine.syftbox(), email(OWNER));
    let staged = stage(&syftbox, &me, &update, now()).unwrap();
    assert_eq!(halves(), old, "what was there is not touched");
    // A crash between the two: the private half has changed places, the public one has not.
    let hidden = syftbox.join(".syft-tmp/update-census/public");
    let away = machine.home.path().join("away");
    fs::rename(&hidden, &away).unwrap();
    assert!(put_in_place(&syftbox, &me, &name("census"), &staged).unwrap());
    fs::rename(&away, &hidden).unwrap();
    let [public, private] = halves();
    assert_eq!((public.contains_key("new.csv"), private["real.csv"].as_str()), (false, "real"));
    for _ in 0..3 {
        assert!(put_in_place(&syftbox, &me, &name("census"), &staged).unwrap());
        let [public, private] = halves();
        assert_eq!(public.keys().collect::<Vec<_>>(), ["README.md", "new.csv", "syft.pub.yaml"]);
        assert_eq!(private["real.csv"], "real");
    }
    sweep_staged(&syftbox, |noted| noted == "census").unwrap();
    assert!(hidden.exists());
    sweep_staged(&syftbox, |_| false).unwrap();
    assert!(!hidden.exists());
    // Without its SyftBox, nothing is put anywhere.
    let nowhere = machine.home.path().join("unmounted");
    assert!(!put_in_place(&nowhere, &me, &name("census"), &staged).unwrap());
}

#[test]
fn an_address_or_a_name_leads_to_what_is_there_and_nowhere_else() {
    let machine = Machine::new();
    machine.write("mock/sub/deep.csv", "1");
    machine.create(&machine.usual("census", Audience::Any)).unwrap();
    let (syftbox, me) = (machine.syftbox(), email(OWNER));
    let public = machine.half("census", Half::Public);
    let at = |text: &str| {
        resolve(&syftbox, &SyftUrl::parse(text).unwrap()).map_err(|error| error.to_string())
    };
    let url = "syft://do@example.com/public/syft_datasets/census";
    assert_eq!(at(url).unwrap(), public);
    assert_eq!(at(&format!("{url}/sub/deep.csv")).unwrap(), public.join("sub/deep.csv"));
    assert_eq!(at(&format!("{url}/else/data.csv")).unwrap(), public.join("data.csv"));
    let nested = "syft://do@example.com/public/syft_datasets/v1/census/data.csv";
    assert_eq!(at(nested).unwrap(), public.join("data.csv"));
    assert!(at(&format!("{url}/none.csv")).unwrap_err().contains("there is nothing at"));
    assert!(
        at("syft://do@example.com/../../etc/passwd").unwrap_err().contains("leads to no place")
    );
    let file = syft::model::DatasitePath::parse("secret.csv").unwrap();
    let private = locate(&syftbox, &me, &name("census"), Half::Private, Some(&file)).unwrap();
    assert_eq!(private, machine.half("census", Half::Private).join("secret.csv"));
    fs::remove_dir_all(machine.half("census", Half::Private)).unwrap();
    let error = locate(&syftbox, &me, &name("census"), Half::Private, None).unwrap_err();
    assert!(matches!(error, Error::NoPrivateHalf { .. }), "{error}");
}
