//! What a message is fetched and made into where a service lies or the disk refuses.

use super::super::account::tests::account;
use super::*;
use crate::connections::{Content, MemoryDrive};
use crate::model::Role;
use crate::wire::Part;

/// The names of what lies there.
fn listed(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[tokio::test]
async fn no_more_is_held_or_fetched_than_the_service_tells() {
    const MIB: usize = 1024 * 1024;
    let drive = MemoryDrive::new();
    let (account, _home) = account(&drive, "do@example.org", Role::Owner);
    let own = account.router.own();
    let put = async |bytes: usize| {
        let new = NewEntry {
            id: own.new_ids(1).await.unwrap().pop(),
            parent: own.root(),
            name: "message".to_owned(),
            media_type: "application/octet-stream",
            tags: BTreeMap::new(),
        };
        own.create_file(&new, Content::Bytes(vec![7; bytes].into())).await.unwrap()
    };
    #[rustfmt::skip]
    let cases = [
        // what                         bytes       it is told                       held
        ("nothing",                     0,          0,                               Some(true)),
        ("small",                       MIB,        MIB as u64,                      Some(true)),
        ("told none",                   16 * 1024,  0,                               Some(true)),
        ("told too little",             MIB,        17 * 1024,                       Some(false)),
        ("told too much",               MIB,        5 * MIB as u64,                  Some(true)),
        ("told far too much",           MIB,        9 * MIB as u64,                  Some(false)),
        ("large",                       9 * MIB,    9 * MIB as u64,                  Some(false)),
        ("told beyond all measure",     MIB,        limits::DOWNLOADED_BYTES_MAX + 1, None),
        ("told the most there is",      MIB,        u64::MAX,                        None),
    ];
    let folder = account.folders.parcels();
    for (what, bytes, told, is_held) in cases {
        let entry = Entry { size_bytes: told, ..put(bytes).await };
        match (fetch(&account, &entry).await, is_held) {
            (Ok(parcel), Some(is_held)) => {
                assert_eq!(matches!(parcel, Parcel::Bytes(_)), is_held, "{what}");
                assert_eq!(parcel.size_bytes().unwrap(), bytes as u64, "{what}");
            }
            (Err(connections::Error::TooLarge { .. }), None) => {}
            (answer, _) => panic!("{what}: {answer:?}"),
        }
        assert_eq!(listed(&folder), Vec::<String>::new(), "{what}");
    }
}

#[test]
fn what_cannot_be_made_leaves_nothing_on_the_disk() {
    let (account, home) = account(&MemoryDrive::new(), "do@example.org", Role::Owner);
    let contents = account.contents();
    let large = contents.keep(&mut &b"something large"[..]).unwrap();
    let gone = Large { digest: Digest::of(b"gone"), ..large };
    let recipe = |large: Large| {
        let json = |text: &str| Part::Json(text.as_bytes().to_vec());
        Recipe { parts: vec![json("\""), Part::Large(large), json("\"")] }
    };
    let keys = crate::peers::RecoveryKey::generate().derive().unwrap();
    let seal = || Some(((&account.email, &keys), (&account.email, keys.public())));
    let (folder, file) = (account.folders.parcels(), FileId::parse("message").unwrap());
    let make = |large, seal| make(&account, &file, (&recipe(large), 7), &contents, seal);
    for seal in [None, seal()] {
        assert_eq!(make(gone, seal).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(listed(&folder), Vec::<String>::new());
    }
    // Where the sealed one is to be, there is no place for it.
    let in_the_way = with_ending(&kept_at(&folder, &file), &format!("sealed.{BEGUN}"));
    fs::create_dir_all(in_the_way.join("a folder")).unwrap();
    make(large, seal()).unwrap_err();
    assert_eq!(listed(&folder).len(), 1, "the folder");
    fs::remove_dir_all(in_the_way).unwrap();
    let made = make(large, seal()).unwrap();
    assert_eq!(make(gone, seal()).unwrap().path, made.path, "what is made is taken as it is");
    made.remove();
    assert_eq!(listed(&folder), Vec::<String>::new());
    drop(home);
}
