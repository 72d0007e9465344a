use proptest::prelude::*;

use super::*;

fn email(text: &str) -> Email {
    Email::parse(text).unwrap()
}

fn entry(id: &str, name: &str, owner: &str, created: i64) -> Entry {
    Entry {
        id: FileId::parse(id).unwrap(),
        name: name.to_owned(),
        kind: Kind::Folder,
        size_bytes: 0,
        owner: Email::parse(owner).ok(),
        is_mine: false,
        parents: Vec::new(),
        created_micros: created,
        revision: 0,
        tags: BTreeMap::new(),
    }
}

fn file(id: &str, name: &str, size: u64, created: i64) -> Entry {
    let mut entry = entry(id, name, "do@x.org", created);
    entry.kind = Kind::File;
    entry.size_bytes = size;
    entry
}

fn collection(id: &str, tag: &str, hash: char, owner: &str, created: i64) -> Entry {
    let hash = hash.to_string().repeat(12);
    entry(id, &format!("syft_datasetcollection_{tag}_{hash}"), owner, created)
}

fn held(owner: &str, tag: &str, hash: char) -> Held {
    Held {
        owner: email(owner),
        name: DatasetName::parse(tag).unwrap(),
        hash: hash.to_string().repeat(12).parse().unwrap(),
        folder: FileId::parse("old").unwrap(),
        files: Vec::new(),
    }
}

#[test]
fn w11_only_collections_of_peers_count_and_the_newest_of_each() {
    let peers = [email("do@x.org"), email("other@x.org")];
    let strange = |mut entry: Entry| {
        entry.owner = None;
        entry
    };
    #[rustfmt::skip]
    let cases = [
        // what                     visible                                                    held                          fetch             remove
        ("new",                     vec![collection("a", "t", '1', "do@x.org", 1)],            vec![],                       vec!["a"],        vec![]),
        ("unchanged",               vec![collection("a", "t", '1', "do@x.org", 1)],            vec![held("do@x.org","t",'1')], vec![],         vec![]),
        ("changed",                 vec![collection("a", "t", '2', "do@x.org", 1)],            vec![held("do@x.org","t",'1')], vec!["a"],      vec![]),
        ("another letter case",     vec![collection("a", "t", '1', "DO@X.org", 1)],            vec![held("do@x.org","t",'1')], vec![],         vec![]),
        ("two, the newest held",    vec![collection("a", "t", '2', "do@x.org", 1),
                                         collection("b", "t", '1', "do@x.org", 2)],            vec![held("do@x.org","t",'1')], vec![],         vec![]),
        ("two, the newest is new",  vec![collection("a", "t", '2', "do@x.org", 2),
                                         collection("b", "t", '1', "do@x.org", 1)],            vec![held("do@x.org","t",'1')], vec!["a"],      vec![]),
        ("one name, two owners",    vec![collection("a", "t", '1', "do@x.org", 1),
                                         collection("b", "t", '1', "other@x.org", 2)],         vec![],                       vec!["a", "b"],   vec![]),
        ("a stranger's",            vec![collection("a", "t", '1', "evil@y.org", 9)],          vec![],                       vec![],           vec![]),
        ("of nobody",               vec![strange(collection("a", "t", '1', "do@x.org", 9))],   vec![],                       vec![],           vec![]),
        ("a stranger's, same name", vec![collection("a", "t", '2', "evil@y.org", 9),
                                         collection("b", "t", '1', "do@x.org", 1)],            vec![held("do@x.org","t",'1')], vec![],         vec![]),
        ("gone",                    vec![],                                                    vec![held("do@x.org","t",'1')], vec![],         vec!["t"]),
        ("gone, no peer any more",  vec![],                                                    vec![held("ex@x.org","t",'1')], vec![],         vec![]),
        ("a way up",                vec![collection("a", "..", '1', "do@x.org", 1)],           vec![],                       vec![],           vec![]),
        ("private, by mistake",     vec![entry("a", "syft_privatecollection_t_111111111111", "do@x.org", 1)], vec![],        vec![],           vec![]),
    ];
    for (what, visible, held, fetch, remove) in cases {
        let plan = plan(&visible, &peers, &held, &Limits::default());
        let fetched: Vec<&str> = plan.fetch.iter().map(|wanted| wanted.folder.as_str()).collect();
        let removed: Vec<&str> = plan.remove.iter().map(|held| held.name.as_str()).collect();
        assert_eq!((fetched, removed), (fetch, remove), "{what}");
    }
}

#[test]
fn w11_a_peer_cannot_flood_us() {
    let limits = Limits { datasets_per_peer: 2, ..Limits::default() };
    let visible: Vec<Entry> = (0..5)
        .map(|n| collection(&format!("id{n}"), &format!("t{n}"), '1', "do@x.org", n))
        .collect();
    let plan = plan(&visible, &[email("do@x.org")], &[held("do@x.org", "t0", '1')], &limits);
    let fetched: Vec<&str> = plan.fetch.iter().map(|wanted| wanted.folder.as_str()).collect();
    assert_eq!(fetched, ["id4"], "what is here counts, then the newest");
    assert_eq!(plan.ignored.len(), 3);
    assert!(plan.remove.is_empty());
}

#[test]
fn files_are_accepted_all_or_none() {
    let limits = Limits {
        files_per_dataset: 2,
        bytes_per_dataset: 10,
        bytes_per_peer: 15,
        ..Limits::default()
    };
    let name = |text: &str| Err(Unacceptable::FileName(text.to_owned()));
    let foreign = |mut entry: Entry| {
        entry.owner = Some(email("evil@y.org"));
        entry
    };
    #[rustfmt::skip]
    let cases = [
        ("plain",               vec![file("a", "a.csv", 4, 1), file("b", "b.csv", 6, 1)],       0, Ok(vec!["a", "b"])),
        ("hidden",              vec![file("a", ".hidden", 1, 1)],                               0, Ok(vec!["a"])),
        ("one name twice",      vec![file("a", "x", 1, 2), file("b", "x", 1, 1)],               0, Ok(vec!["a"])),
        ("somebody else's",     vec![file("a", "x", 1, 1), foreign(file("b", "../y", 1, 1))],   0, Ok(vec!["a"])),
        ("a folder",            vec![file("a", "x", 1, 1), entry("b", "y", "do@x.org", 1)],     0, Ok(vec!["a"])),
        ("a way up",            vec![file("a", "../x", 1, 1)],                                  0, name("../x")),
        ("a path",              vec![file("a", "x/y", 1, 1)],                                   0, name("x/y")),
        ("an absolute path",    vec![file("a", "/x", 1, 1)],                                    0, name("/x")),
        ("no name",             vec![file("a", "", 1, 1)],                                      0, name("")),
        ("dots",                vec![file("a", "..", 1, 1)],                                    0, name("..")),
        ("a line break",        vec![file("a", "x\ny", 1, 1)],                                  0, name("x\\ny")),
        ("too many",            vec![file("a", "a", 1, 1), file("b", "b", 1, 1), file("c", "c", 1, 1)], 0,
                                                                                                Err(Unacceptable::TooManyFiles { found: 3, limit: 2 })),
        ("too large",           vec![file("a", "a", 11, 1)],                                    0, Err(Unacceptable::TooManyBytes { found: 11, limit: 10 })),
        ("too large together",  vec![file("a", "a", 8, 1)],                                     8, Err(Unacceptable::TooManyBytesOfPeer { found: 16, limit: 15 })),
        ("sizes that overflow", vec![file("a", "a", u64::MAX, 1), file("b", "b", 9, 1)],        0, Err(Unacceptable::TooManyBytes { found: u64::MAX, limit: 10 })),
        ("nothing yet",         vec![],                                                         0, Err(Unacceptable::NoFiles)),
    ];
    for (what, files, others, expected) in cases {
        let got = admit(&email("do@x.org"), &files, others, &limits);
        let got = got.map(|admitted| {
            admitted.into_iter().map(|file| file.id.to_string()).collect::<Vec<_>>()
        });
        let expected = expected.map(|ids| ids.into_iter().map(str::to_owned).collect());
        assert_eq!(got, expected, "{what}");
    }
}

#[test]
fn what_this_machine_had_and_lacks_is_not_brought_back() {
    let mine = |mut entry: Entry| {
        entry.is_mine = true;
        entry
    };
    let own = [
        mine(collection("a", "t", '1', "me@x.org", 1)),
        mine(collection("b", "t", '2', "me@x.org", 2)),
        mine(entry("c", "syft_privatecollection_t_111111111111", "me@x.org", 1)),
        mine(collection("d", "u", '1', "me@x.org", 1)),
        collection("e", "w", '1', "me@x.org", 1),
    ];
    let name = |text: &str| DatasetName::parse(text).unwrap();
    let ids = |present: &[(Half, &str)], deleted: &[&str]| -> Vec<String> {
        let present = present.iter().map(|(half, text)| (*half, name(text))).collect();
        let deleted = deleted.iter().map(|text| name(text)).collect();
        let plan = restore_plan(&email("me@x.org"), &own, &present, &deleted);
        plan.iter().map(|wanted| wanted.folder.to_string()).collect()
    };
    assert_eq!(ids(&[], &[]), ["c", "b", "d"], "private first, the newest of each");
    assert_eq!(ids(&[(Half::Public, "t")], &[]), ["c", "d"]);
    assert_eq!(ids(&[(Half::Public, "t"), (Half::Private, "t")], &["u"]), Vec::<String>::new());
}

#[test]
fn permission_files_of_peers_are_not_installed() {
    assert!(!is_installed(Half::Public, "syft.pub.yaml"));
    assert!(is_installed(Half::Private, "syft.pub.yaml"));
    assert!(is_installed(Half::Public, "dataset.yaml"));
}

const OWNERS: [&str; 3] = ["do@x.org", "other@x.org", "evil@y.org"];

proptest! {
    #[test]
    fn a_plan_never_fetches_and_removes_one_dataset(
        shown in proptest::collection::vec((0..3_usize, 0..3_usize, 0..3_usize, 0_i64..4), 0..12),
        had in proptest::collection::btree_set((0..3_usize, 0..3_usize), 0..6),
    ) {
        let entry = |(n, &(owner, tag, hash, at)): (usize, &(usize, usize, usize, i64))| {
            collection(&format!("id{n}"), &format!("t{tag}"), ['1', '2', '3'][hash], OWNERS[owner], at)
        };
        let visible: Vec<Entry> = shown.iter().enumerate().map(entry).collect();
        let had = had.iter().map(|&(owner, tag)| held(OWNERS[owner], &format!("t{tag}"), '1'));
        check_plan(&visible, &had.collect::<Vec<_>>());
    }
}

fn check_plan(visible: &[Entry], held: &[Held]) {
    let peers = [email(OWNERS[0]), email(OWNERS[1])];
    let plan = plan(visible, &peers, held, &Limits::default());
    let fetched: BTreeSet<_> =
        plan.fetch.iter().map(|wanted| (&wanted.owner, &wanted.name.dataset)).collect();
    assert_eq!(fetched.len(), plan.fetch.len());
    assert!(fetched.iter().all(|(owner, _)| peers.contains(owner)));
    for held in &plan.remove {
        assert!(peers.contains(&held.owner));
        assert!(!fetched.contains(&(&held.owner, &held.name)));
    }
}
