//! What every [`Connection`] must do, as executable checks.
//!
//! Whoever writes a connection proves it with one call of [`check`]. Adding a sentence to the
//! contract means adding a function here. The checks ask for no more than the contract says: where
//! it lets a service be late, they wait; where it leaves something open, they do not look.
//!
//! Each check gets three accounts in a place of their own: a data owner, a data scientist, and
//! Eve, who has been given nothing unless a check says so.

#![expect(clippy::missing_panics_doc, reason = "to panic is what checks are for")]
#![expect(clippy::unwrap_used, reason = "to panic is what checks are for")]

mod access;
mod feed;
mod files;
mod finding;

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

use super::{
    Access, Connection, Content, Entry, Error, FileId, Grant, NewEntry, Query, Relocation, Result,
};
use crate::model::Email;

const LIMIT_BYTES: u64 = 64 << 20;
const PATIENCE: u32 = 120; // times PAUSE: Drive's feed may lag by minutes, a test has half a one
const PAUSE: Duration = Duration::from_millis(250);

/// Three sessions in one new and empty place.
#[derive(Debug)]
pub struct Trio {
    /// `do@example.org`.
    pub owner: Box<dyn Connection>,
    /// `ds@example.org`.
    pub scientist: Box<dyn Connection>,
    /// `eve@example.org`.
    pub eve: Box<dyn Connection>,
}

/// Runs all checks, each in a new place. `fresh` makes one, and a session for each of the accounts
/// that it is given, in order. Panics at the first rule that is broken.
pub async fn check(fresh: impl AsyncFn(Vec<Email>) -> Vec<Box<dyn Connection>>) {
    let trio = async || {
        let accounts = ["do@example.org", "ds@example.org", "eve@example.org"];
        let accounts = accounts.map(|text| Email::parse(text).unwrap()).to_vec();
        let sessions: [Box<dyn Connection>; 3] =
            fresh(accounts).await.try_into().expect("one session for each account");
        let [owner, scientist, eve] = sessions;
        Trio { owner, scientist, eve }
    };

    files::a_session_knows_whose_it_is(&trio().await).await;
    files::what_was_written_is_read_back(&trio().await).await;
    files::names_are_any_text(&trio().await).await;
    files::names_repeat_and_ids_do_not(&trio().await).await;
    files::an_id_made_beforehand_is_used_once(&trio().await).await;
    files::ids_are_made_in_any_number(&trio().await).await;
    files::reading_stops_at_the_limit(&trio().await).await;
    files::replacing_keeps_identity(&trio().await).await;
    files::replacing_is_seen_whole_or_not_at_all(&trio().await).await;
    files::large_files_are_whole(&trio().await).await;
    files::a_download_is_complete_or_absent(&trio().await).await;
    files::local_files_are_uploaded(&trio().await).await;
    files::large_files_come_and_go(&trio().await).await;
    files::deleting_is_idempotent(&trio().await).await;
    files::moving_is_idempotent(&trio().await).await;
    files::requests_are_counted(&trio().await).await;

    finding::own_writes_are_found_at_once(&trio().await).await;
    finding::each_condition_selects(&trio().await).await;
    finding::several_folders_are_searched_together(&trio().await).await;
    finding::like_never_leaves_out_what_begins_so(&trio().await).await;
    finding::odd_names_are_found_by_name(&trio().await).await;
    finding::many_entries_are_all_found(&trio().await).await;
    finding::tags_come_and_go(&trio().await).await;

    access::what_is_not_shared_does_not_exist(&trio().await).await;
    access::sharing_a_folder_shares_what_is_in_it(&trio().await).await;
    access::a_reader_only_reads(&trio().await).await;
    access::sharing_raises_and_never_lowers(&trio().await).await;
    access::shares_are_told(&trio().await).await;
    access::unsharing_hides(&trio().await).await;
    access::whoever_makes_a_file_owns_it(&trio().await).await;
    access::a_writer_takes_a_file_out_of_a_folder(&trio().await).await;
    access::only_owners_delete(&trio().await).await;
    access::deleting_a_folder_spares_what_others_own(&trio().await).await;
    access::each_item_gets_its_own_answer(&trio().await).await;

    feed::tells_of_everything_that_happens(&trio().await).await;
    feed::tells_of_access_given_and_taken(&trio().await).await;
    feed::tells_of_files_moved_away(&trio().await).await;
    feed::never_tells_what_may_not_be_seen(&trio().await).await;
    feed::many_changes_come_in_one_answer(&trio().await).await;
    feed::a_place_in_the_feed_is_used_again(&trio().await).await;
    feed::garbage_is_no_place_in_the_feed(&trio().await).await;
}

/// What is to be made in `parent`, without an id made beforehand.
fn new_entry(parent: &FileId, name: &str) -> NewEntry {
    NewEntry {
        id: None,
        parent: parent.clone(),
        name: name.to_owned(),
        media_type: "application/octet-stream",
        tags: BTreeMap::new(),
    }
}

/// Makes a folder in `parent`.
async fn folder(connection: &dyn Connection, parent: &FileId, name: &str) -> Entry {
    connection.create_folder(&new_entry(parent, name)).await.unwrap()
}

/// Makes a file in `parent`.
async fn file(connection: &dyn Connection, parent: &FileId, name: &str, content: &str) -> Entry {
    let content = Content::Bytes(Bytes::copy_from_slice(content.as_bytes()));
    connection.create_file(&new_entry(parent, name), content).await.unwrap()
}

/// Reads a file of any size as text.
async fn text(connection: &dyn Connection, id: &FileId) -> Result<String> {
    let bytes = connection.read(id, LIMIT_BYTES).await?;
    Ok(String::from_utf8(bytes.to_vec()).unwrap())
}

/// Gives one account access to one entry.
async fn share(connection: &dyn Connection, id: &FileId, to: &Email, access: Access) {
    let grant = Grant { id: id.clone(), to: to.clone(), access };
    let answers = connection.share(&[grant], false).await.unwrap();
    all_succeeded(answers, 1);
}

/// Moves one file.
async fn relocate(
    connection: &dyn Connection,
    id: &FileId,
    from: &FileId,
    to: &FileId,
) -> Result<()> {
    let step = Relocation { id: id.clone(), from: from.clone(), to: to.clone() };
    connection.relocate(&[step]).await?.pop().unwrap()
}

/// Deletes one file.
async fn delete(connection: &dyn Connection, id: &FileId) -> Result<()> {
    connection.delete(std::slice::from_ref(id)).await?.pop().unwrap()
}

/// Returns what lies in a folder, now.
async fn names_in(connection: &dyn Connection, folder: &FileId) -> Vec<String> {
    names(connection, &Query::in_folder(folder)).await
}

/// Returns the names of what is found, in the order of the answer.
async fn names(connection: &dyn Connection, query: &Query) -> Vec<String> {
    let found = connection.find(query).await.unwrap();
    found.into_iter().map(|entry| entry.name).collect()
}

#[track_caller]
fn all_succeeded(answers: Vec<Result<()>>, count: usize) {
    assert_eq!(answers.len(), count, "there is one answer for each item");
    for answer in answers {
        answer.unwrap();
    }
}

#[track_caller]
fn is_not_found<T: std::fmt::Debug>(answer: Result<T>, what: &str) {
    assert!(matches!(answer, Err(Error::NotFound { .. })), "{what}: got {answer:?}");
}

#[track_caller]
fn is_denied<T: std::fmt::Debug>(answer: Result<T>, what: &str) {
    assert!(matches!(answer, Err(Error::Denied { .. })), "{what}: got {answer:?}");
}

/// Waits until `holds` says so: other sessions may see things later. Panics if they never do.
async fn eventually(what: &str, holds: impl AsyncFn() -> bool) {
    for _ in 0..PATIENCE {
        if holds().await {
            return;
        }
        // Not reached where writes are seen at once; a service out there needs its time.
        tokio::time::sleep(PAUSE).await;
    }
    panic!("it never came about that {what}");
}
