//! What is found: conditions, order, names like others, tags.

use std::collections::BTreeMap;

use super::files::ODD_NAMES;
use super::{NewEntry, Trio, delete, eventually, file, folder, names, names_in, new_entry, share};
use crate::connections::{Access, Content, Kind, Ownership, Query};

pub(super) async fn own_writes_are_found_at_once(trio: &Trio) {
    let (owner, root) = (&*trio.owner, trio.owner.root());
    let here = folder(owner, &root, "here").await.id;
    assert!(names_in(owner, &here).await.is_empty());
    let c = file(owner, &here, "c", "").await;
    assert_eq!(names_in(owner, &here).await, ["c"]);
    file(owner, &here, "a", "").await;
    folder(owner, &here, "b").await;
    assert_eq!(names_in(owner, &here).await, ["a", "b", "c"], "sorted by name");
    delete(owner, &c.id).await.unwrap();
    assert_eq!(names_in(owner, &here).await, ["a", "b"]);

    for _ in 0..5 {
        file(owner, &here, "a", "").await;
    }
    let found = owner.find(&Query::in_folder(&here)).await.unwrap();
    let order: Vec<_> = found.iter().map(|entry| (&entry.name, &entry.id)).collect();
    assert!(order.is_sorted(), "by name, then by id: {order:?}");
}

pub(super) async fn each_condition_selects(trio: &Trio) {
    let (owner, scientist) = (&*trio.owner, &*trio.scientist);
    let here = folder(owner, &owner.root(), "here").await.id;
    let elsewhere = folder(owner, &owner.root(), "elsewhere").await.id;
    share(owner, &here, scientist.account(), Access::Write).await;
    eventually("the scientist may write", async || {
        scientist.create_folder(&new_entry(&here, "theirs")).await.is_ok()
    })
    .await;
    file(owner, &here, "mine", "").await;
    folder(owner, &here, "mine").await;
    file(owner, &elsewhere, "mine", "").await;
    eventually("the owner sees it", async || {
        names_in(owner, &here).await == ["mine", "mine", "theirs"]
    })
    .await;

    let of = |who: &dyn super::Connection| Ownership::Of(who.account().clone());
    let all = || Query::in_folder(&here);
    #[rustfmt::skip]
    let cases = [
        ("a name",            all().named("mine"),                               vec!["mine", "mine"]),
        ("another name",      all().named("Mine "),                              vec![]),
        ("either name",       all().named("mine").named("theirs"),               vec!["mine", "mine", "theirs"]),
        ("files",             all().of_kind(Kind::File),                         vec!["mine"]),
        ("folders",           all().of_kind(Kind::Folder),                       vec!["mine", "theirs"]),
        ("mine",              all().owned(Ownership::Mine),                      vec!["mine", "mine"]),
        ("not mine",          all().owned(Ownership::NotMine),                   vec!["theirs"]),
        ("the scientist's",   all().owned(of(scientist)),                        vec!["theirs"]),
        ("the owner's",       all().owned(of(owner)),                            vec!["mine", "mine"]),
        ("Eve's",             all().owned(of(&*trio.eve)),                       vec![]),
        ("two conditions",    all().owned(Ownership::Mine).of_kind(Kind::File),  vec!["mine"]),
        ("three conditions",  all().named("theirs").owned(Ownership::NotMine).of_kind(Kind::Folder), vec!["theirs"]),
        ("a contradiction",   all().named("theirs").owned(Ownership::Mine),      vec![]),
        ("any folder",        Query::default().named("mine").of_kind(Kind::File), vec!["mine", "mine"]),
    ];
    for (what, query, wanted) in cases {
        assert_eq!(names(owner, &query).await, wanted, "{what}");
    }
}

pub(super) async fn several_folders_are_searched_together(trio: &Trio) {
    let (owner, root) = (&*trio.owner, trio.owner.root());
    let mut parents = Vec::new();
    for index in 0..60 {
        parents.push(folder(owner, &root, &format!("f{index:02}")).await.id);
    }
    file(owner, &parents[0], "b", "").await;
    file(owner, &parents[59], "a", "").await;
    file(owner, &parents[30], "other", "").await;
    let query = Query { parents: parents.clone(), ..Query::default() };
    assert_eq!(names(owner, &query).await, ["a", "b", "other"]);
    assert_eq!(names(owner, &query.clone().named("a").named("b")).await, ["a", "b"]);

    // One of them out of reach or gone takes nothing away.
    let foreign = folder(&*trio.eve, &trio.eve.root(), "eve's").await.id;
    file(&*trio.eve, &foreign, "secret", "").await;
    delete(owner, &parents[1]).await.unwrap();
    let query =
        Query { parents: vec![foreign.clone(), parents[1].clone(), parents[59].clone()], ..query };
    assert_eq!(names(owner, &query).await, ["a"]);
    assert!(names_in(owner, &foreign).await.is_empty(), "a folder out of reach has no content");
}

pub(super) async fn like_never_leaves_out_what_begins_so(trio: &Trio) {
    let (owner, root) = (&*trio.owner, trio.owner.root());
    let here = folder(owner, &root, "like").await.id;
    let all = ["syft_inbox_a_to_b", "syft_inbox_b_to_a", "syft_outbox", "say syft_inbox", "zzz"];
    for name in all {
        file(owner, &here, name, "").await;
    }
    let like = |text: &str| Query::in_folder(&here).named_like(text);
    #[rustfmt::skip]
    let cases = [
        ("a prefix",       like("syft_inbox_"),               vec!["syft_inbox_a_to_b", "syft_inbox_b_to_a"]),
        ("a whole name",   like("zzz"),                       vec!["zzz"]),
        ("a word",         like("syft_in"),                   vec!["say syft_inbox", "syft_inbox_a_to_b"]),
        ("either",         like("syft_outbox").named("zzz"),  vec!["syft_outbox", "zzz"]),
    ];
    for (what, query, wanted) in cases {
        let found = names(owner, &query).await;
        for name in wanted {
            assert!(found.iter().any(|found| found == name), "{what}: {name} is in {found:?}");
        }
    }
    // More is allowed, but not what another condition excludes.
    let none = like("syft_inbox_").of_kind(Kind::Folder);
    assert!(names(owner, &none).await.is_empty());
}

pub(super) async fn odd_names_are_found_by_name(trio: &Trio) {
    let (owner, root) = (&*trio.owner, trio.owner.root());
    let here = folder(owner, &root, "odd").await.id;
    for &name in ODD_NAMES {
        file(owner, &here, name, "").await;
    }
    for &name in ODD_NAMES {
        let query = Query::in_folder(&here).named(name);
        assert_eq!(names(owner, &query).await, [name], "one, and no other");
    }
}

pub(super) async fn many_entries_are_all_found(trio: &Trio) {
    let (owner, root) = (&*trio.owner, trio.owner.root());
    let here = folder(owner, &root, "many").await.id;
    let mut wanted = Vec::new();
    for index in 0..130 {
        wanted.push(format!("{index:03}"));
        folder(owner, &here, &wanted[index]).await;
    }
    assert_eq!(names_in(owner, &here).await, wanted, "several pages of a service's listing");
}

pub(super) async fn tags_come_and_go(trio: &Trio) {
    let (owner, root) = (&*trio.owner, trio.owner.root());
    let here = folder(owner, &root, "tags").await.id;
    let tags = BTreeMap::from([("kind".to_owned(), "it's a \"test\" ü".to_owned())]);
    let new = NewEntry { tags: tags.clone(), ..new_entry(&here, "f") };
    let made = owner.create_file(&new, Content::Bytes("x".into())).await.unwrap();
    assert_eq!(made.tags, tags);
    let now = async || owner.find(&Query::in_folder(&here)).await.unwrap().remove(0).tags;
    assert_eq!(now().await, tags);
    owner.tag(&made.id, "other", Some("1")).await.unwrap();
    owner.tag(&made.id, "kind", Some("2")).await.unwrap();
    let pairs = [("kind".to_owned(), "2".to_owned()), ("other".to_owned(), "1".to_owned())];
    assert_eq!(now().await, BTreeMap::from(pairs));
    for _ in 0..2 {
        owner.tag(&made.id, "kind", None).await.unwrap();
        assert_eq!(now().await, BTreeMap::from([("other".to_owned(), "1".to_owned())]));
    }

    let new = NewEntry { tags: tags.clone(), ..new_entry(&root, "tagged folder") };
    let made = owner.create_folder(&new).await.unwrap();
    assert_eq!(made.tags, tags);
    share(owner, &made.id, trio.scientist.account(), Access::Read).await;
    eventually("a reader sees the tags", async || {
        let query = Query::default().named("tagged folder");
        let found = trio.scientist.find(&query).await.unwrap();
        found.first().is_some_and(|entry| entry.tags == tags)
    })
    .await;
}
