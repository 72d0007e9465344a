//! Who may do what: sharing, ownership, and what does not exist for others.

use super::{
    LIMIT_BYTES, Trio, all_succeeded, delete, eventually, file, folder, is_denied, is_not_found,
    names, names_in, new_entry, relocate, share, text,
};
use crate::connections::{
    Access, Connection, Content, FileId, Grant, Ownership, Query, Relocation,
};
use crate::model::Email;

/// Waits until `connection` can read a file.
async fn can_read(connection: &dyn Connection, id: &FileId) {
    eventually("it can be read", async || connection.read(id, LIMIT_BYTES).await.is_ok()).await;
}

/// Waits until a file does not exist for `connection`.
async fn cannot_read(connection: &dyn Connection, id: &FileId) {
    let gone = async || connection.read(id, LIMIT_BYTES).await.is_err();
    eventually("it cannot be read", gone).await;
    is_not_found(connection.read(id, LIMIT_BYTES).await, "what one may not read does not exist");
}

/// Waits until `connection` finds exactly this in a folder.
async fn sees(connection: &dyn Connection, folder: &FileId, wanted: &[&str]) {
    let what = format!("{} sees {wanted:?}", connection.account());
    eventually(&what, async || names_in(connection, folder).await == wanted).await;
}

/// Returns who has access, addresses in lower case, sorted.
async fn shares(connection: &dyn Connection, id: &FileId) -> Vec<(String, Access)> {
    let mut shares: Vec<_> = connection
        .shares(id)
        .await
        .unwrap()
        .into_iter()
        .map(|(email, access)| (email.as_str().to_ascii_lowercase(), access))
        .collect();
    shares.sort();
    shares
}

pub(super) async fn what_is_not_shared_does_not_exist(trio: &Trio) {
    let (owner, eve) = (&*trio.owner, &*trio.eve);
    let here = folder(owner, &owner.root(), "private").await.id;
    let secret = file(owner, &here, "secret", "s").await.id;
    let own = folder(eve, &eve.root(), "eve's").await.id;
    let place = tempfile::tempdir().unwrap();

    assert!(names_in(eve, &here).await.is_empty());
    assert!(names_in(eve, &owner.root()).await.iter().all(|name| name == "eve's"));
    assert!(names(eve, &Query::default().named("secret")).await.is_empty());
    let of_owner = Query::default().owned(Ownership::Of(owner.account().clone()));
    assert!(names(eve, &of_owner).await.is_empty());
    is_not_found(eve.read(&secret, LIMIT_BYTES).await, "read");
    is_not_found(eve.download(&secret, &place.path().join("x"), LIMIT_BYTES).await, "download");
    is_not_found(eve.replace(&secret, Content::Bytes("e".into())).await, "replace");
    is_not_found(eve.create_folder(&new_entry(&here, "x")).await, "create in it");
    is_not_found(relocate(eve, &secret, &here, &own).await, "move");
    is_not_found(eve.shares(&secret).await, "shares");
    is_not_found(eve.unshare(&secret, owner.account()).await, "unshare");
    is_not_found(eve.tag(&secret, "k", Some("v")).await, "tag");
    let grant = Grant { id: secret.clone(), to: eve.account().clone(), access: Access::Read };
    is_not_found(eve.share(&[grant], false).await.unwrap().remove(0), "share");
    delete(eve, &secret).await.unwrap();
    delete(eve, &here).await.unwrap();
    assert_eq!(text(owner, &secret).await.unwrap(), "s", "deleting was a success without effect");
}

pub(super) async fn sharing_a_folder_shares_what_is_in_it(trio: &Trio) {
    let (owner, scientist) = (&*trio.owner, &*trio.scientist);
    let top = folder(owner, &owner.root(), "top").await.id;
    let below = folder(owner, &top, "below").await.id;
    let early = file(owner, &below, "early", "1").await.id;
    share(owner, &top, scientist.account(), Access::Read).await;
    let late = file(owner, &below, "late", "2").await.id;

    can_read(scientist, &early).await;
    can_read(scientist, &late).await;
    sees(scientist, &top, &["below"]).await;
    sees(scientist, &below, &["early", "late"]).await;
    let found = scientist.find(&Query::in_folder(&below)).await.unwrap();
    for entry in found {
        assert!(!entry.is_mine);
        let owner_is_told = entry
            .owner
            .as_ref()
            .is_some_and(|email| owner.account().is_same_account(email.as_str()));
        assert!(owner_is_told, "{entry:?}");
        assert_eq!(entry.parents, std::slice::from_ref(&below));
    }
    let query = Query::default().named("top").owned(Ownership::NotMine);
    let found = scientist.find(&query).await.unwrap();
    assert_eq!(found.len(), 1);
    assert!(found[0].parents.is_empty(), "a parent that one cannot see is not told: {found:?}");
    cannot_read(&*trio.eve, &early).await;
}

pub(super) async fn a_reader_only_reads(trio: &Trio) {
    let (owner, scientist) = (&*trio.owner, &*trio.scientist);
    let here = folder(owner, &owner.root(), "read only").await.id;
    let doc = file(owner, &here, "doc", "original").await.id;
    let own = folder(scientist, &scientist.root(), "own").await.id;
    share(owner, &here, scientist.account(), Access::Read).await;
    can_read(scientist, &doc).await;

    is_denied(scientist.replace(&doc, Content::Bytes("x".into())).await, "replace");
    is_denied(scientist.create_folder(&new_entry(&here, "x")).await, "create a folder");
    let new = new_entry(&here, "x");
    is_denied(scientist.create_file(&new, Content::Bytes("x".into())).await, "create a file");
    is_denied(relocate(scientist, &doc, &here, &own).await, "move away");
    is_denied(delete(scientist, &doc).await, "delete");
    is_denied(scientist.tag(&doc, "k", Some("v")).await, "tag");
    let grant = Grant { id: doc.clone(), to: trio.eve.account().clone(), access: Access::Read };
    is_denied(scientist.share(&[grant], false).await.unwrap().remove(0), "share");
    assert_eq!(names_in(owner, &here).await, ["doc"]);
    assert_eq!(text(owner, &doc).await.unwrap(), "original");
}

pub(super) async fn sharing_raises_and_never_lowers(trio: &Trio) {
    let (owner, scientist) = (&*trio.owner, &*trio.scientist);
    let here = folder(owner, &owner.root(), "shared").await.id;
    let who = scientist.account().as_str().to_owned();
    for (access, then) in [
        (Access::Read, Access::Read),
        (Access::Read, Access::Read),
        (Access::Write, Access::Write),
        (Access::Read, Access::Write),
        (Access::Write, Access::Write),
    ] {
        share(owner, &here, scientist.account(), access).await;
        assert_eq!(shares(owner, &here).await, [(who.clone(), then)], "{access:?} was given");
    }
    // The owner has all there is; another spelling is the same account.
    share(owner, &here, owner.account(), Access::Read).await;
    let shouted = Email::parse(&who.to_uppercase()).unwrap();
    share(owner, &here, &shouted, Access::Read).await;
    assert_eq!(shares(owner, &here).await, [(who, Access::Write)]);
    eventually("the writer writes", async || {
        scientist.create_folder(&new_entry(&here, "x")).await.is_ok()
    })
    .await;
    let mine = file(owner, &here, "mine", "1").await.id;
    scientist.replace(&mine, Content::Bytes("2".into())).await.unwrap();
    scientist.tag(&mine, "k", Some("v")).await.unwrap();
    assert_eq!(text(owner, &mine).await.unwrap(), "2");
}

pub(super) async fn shares_are_told(trio: &Trio) {
    let (owner, scientist, eve) = (&*trio.owner, &*trio.scientist, &*trio.eve);
    let here = folder(owner, &owner.root(), "told").await.id;
    let doc = file(owner, &here, "doc", "x").await.id;
    assert_eq!(shares(owner, &here).await, []);
    let grants = [(scientist, Access::Read), (eve, Access::Write)].map(|(who, access)| Grant {
        id: here.clone(),
        to: who.account().clone(),
        access,
    });
    all_succeeded(owner.share(&grants, true).await.unwrap(), 2);
    let wanted = [
        (scientist.account().as_str().to_owned(), Access::Read),
        (eve.account().as_str().to_owned(), Access::Write),
    ];
    assert_eq!(shares(owner, &here).await, wanted);
    let inherited = shares(owner, &doc).await;
    assert!(wanted.iter().all(|share| inherited.contains(share)), "{inherited:?}");
}

pub(super) async fn unsharing_hides(trio: &Trio) {
    let (owner, scientist) = (&*trio.owner, &*trio.scientist);
    let here = folder(owner, &owner.root(), "for a while").await.id;
    let doc = file(owner, &here, "doc", "x").await.id;
    share(owner, &here, scientist.account(), Access::Write).await;
    can_read(scientist, &doc).await;
    for _ in 0..2 {
        owner.unshare(&here, scientist.account()).await.unwrap();
        assert_eq!(shares(owner, &here).await, []);
    }
    cannot_read(scientist, &doc).await;
    sees(scientist, &here, &[]).await;
    owner.unshare(&here, trio.eve.account()).await.unwrap();
    is_not_found(scientist.create_folder(&new_entry(&here, "x")).await, "access is taken away");
}

pub(super) async fn whoever_makes_a_file_owns_it(trio: &Trio) {
    let (owner, scientist) = (&*trio.owner, &*trio.scientist);
    let inbox = folder(owner, &owner.root(), "inbox").await.id;
    share(owner, &inbox, scientist.account(), Access::Write).await;
    eventually("the scientist may write", async || {
        scientist.create_folder(&new_entry(&inbox, "a folder")).await.is_ok()
    })
    .await;
    let sent = file(scientist, &inbox, "message", "hello").await;
    assert!(sent.is_mine);
    can_read(owner, &sent.id).await;
    sees(owner, &inbox, &["a folder", "message"]).await;
    for entry in owner.find(&Query::in_folder(&inbox)).await.unwrap() {
        let maker = entry.owner.as_ref().map(Email::as_str).unwrap_or_default();
        assert!(scientist.account().is_same_account(maker), "{entry:?}");
        assert!(!entry.is_mine);
    }
}

pub(super) async fn a_writer_takes_a_file_out_of_a_folder(trio: &Trio) {
    let (owner, scientist, eve) = (&*trio.owner, &*trio.scientist, &*trio.eve);
    let inbox = folder(scientist, &scientist.root(), "inbox").await.id;
    share(scientist, &inbox, owner.account(), Access::Write).await;
    share(scientist, &inbox, eve.account(), Access::Read).await;
    let message = file(scientist, &inbox, "message", "hello").await.id;
    can_read(owner, &message).await;
    can_read(eve, &message).await;

    let archive = folder(owner, &owner.root(), "archive").await.id;
    for _ in 0..2 {
        relocate(owner, &message, &inbox, &archive).await.unwrap();
        assert!(names_in(owner, &inbox).await.is_empty());
        assert_eq!(names_in(owner, &archive).await, ["message"]);
    }
    assert_eq!(text(owner, &message).await.unwrap(), "hello");
    sees(scientist, &inbox, &[]).await;
    assert_eq!(text(scientist, &message).await.unwrap(), "hello", "it is still its maker's");
    cannot_read(eve, &message).await;
    let found = owner.find(&Query::in_folder(&archive)).await.unwrap();
    assert!(!found[0].is_mine, "moving makes nobody an owner");
    is_denied(delete(owner, &message).await, "whose folder it lies in does not delete");
    delete(scientist, &message).await.unwrap();
    assert!(names_in(owner, &archive).await.is_empty(), "its maker deletes it where it lies");
}

pub(super) async fn only_owners_delete(trio: &Trio) {
    let (owner, scientist) = (&*trio.owner, &*trio.scientist);
    let inbox = folder(owner, &owner.root(), "inbox").await.id;
    share(owner, &inbox, scientist.account(), Access::Write).await;
    let of_owner = file(owner, &inbox, "of owner", "x").await.id;
    can_read(scientist, &of_owner).await;
    let of_scientist = file(scientist, &inbox, "of scientist", "x").await.id;
    is_denied(delete(scientist, &of_owner).await, "a writer does not delete");
    is_denied(delete(scientist, &inbox).await, "a writer does not delete the folder");
    assert_eq!(text(owner, &of_owner).await.unwrap(), "x");
    delete(scientist, &of_scientist).await.unwrap();
    sees(owner, &inbox, &["of owner"]).await;
}

pub(super) async fn deleting_a_folder_spares_what_others_own(trio: &Trio) {
    let (owner, scientist) = (&*trio.owner, &*trio.scientist);
    let inbox = folder(owner, &owner.root(), "inbox").await.id;
    share(owner, &inbox, scientist.account(), Access::Write).await;
    let mine = file(owner, &inbox, "mine", "x").await.id;
    can_read(scientist, &mine).await;
    let theirs = file(scientist, &inbox, "theirs", "kept").await.id;
    can_read(owner, &theirs).await;
    delete(owner, &inbox).await.unwrap();
    cannot_read(owner, &mine).await;
    cannot_read(scientist, &mine).await;
    assert!(names_in(scientist, &inbox).await.is_empty());
    assert_eq!(text(scientist, &theirs).await.unwrap(), "kept");
    delete(scientist, &theirs).await.unwrap();
    cannot_read(scientist, &theirs).await;
}

pub(super) async fn each_item_gets_its_own_answer(trio: &Trio) {
    let (owner, scientist) = (&*trio.owner, &*trio.scientist);
    let from = folder(owner, &owner.root(), "from").await.id;
    let to = folder(owner, &owner.root(), "to").await.id;
    let foreign = file(scientist, &scientist.root(), "foreign", "x").await.id;
    let mut ids = Vec::new();
    for index in 0..105 {
        ids.push(file(owner, &from, &format!("{index:03}"), "x").await.id);
    }
    ids.insert(50, foreign.clone());

    let moves: Vec<Relocation> = ids
        .iter()
        .map(|id| Relocation { id: id.clone(), from: from.clone(), to: to.clone() })
        .collect();
    let answers = owner.relocate(&moves).await.unwrap();
    let failed: Vec<usize> = (0..answers.len()).filter(|&index| answers[index].is_err()).collect();
    assert_eq!((answers.len(), failed), (106, vec![50]), "more than a batch, answered in order");
    assert_eq!(names_in(owner, &to).await.len(), 105);

    let grants: Vec<Grant> = ids
        .iter()
        .map(|id| Grant { id: id.clone(), to: trio.eve.account().clone(), access: Access::Read })
        .collect();
    let answers = owner.share(&grants, false).await.unwrap();
    let failed: Vec<usize> = (0..answers.len()).filter(|&index| answers[index].is_err()).collect();
    assert_eq!((answers.len(), failed), (106, vec![50]));

    share(scientist, &foreign, owner.account(), Access::Read).await;
    can_read(owner, &foreign).await;
    let answers = owner.delete(&ids).await.unwrap();
    let failed: Vec<usize> = (0..answers.len()).filter(|&index| answers[index].is_err()).collect();
    assert_eq!((answers.len(), failed), (106, vec![50]));
    assert!(names_in(owner, &to).await.is_empty());
}
