//! Sends what was decided: the journal, in an order in which a crash loses nothing.
//!
//! The event log goes first: once a peer has seen an event, another machine of the owner must be
//! able to learn of it. Within one folder messages go one after the other, because a Python reader
//! only looks forward; folders go side by side.

use std::collections::BTreeMap;

use futures::{StreamExt as _, stream};

use crate::caches::journal::Outgoing;
use crate::caches::{agreed, announcing, catalogue, delivered, identifiers, journal, proposed};
use crate::connections::{self, Entry, FileId, Kind, NewEntry, OCTETS, Relocation};
use crate::model::{Code, DatasitePath, Email, Role, Timestamp};
use crate::peers::PeerState;
use crate::wire::FileChangeEventsMessage;
use crate::wire::names::ArchiveFolder;

use super::chunked::{self, Shipped};
use super::parcels;
use super::placing::{create_folder, note_own};
use super::sealing::Ready;
use super::{Account, Directory, Report, Result, peering, remote, rolling, sealing};

/// How many ids are fetched at once: one request serves some hundred messages.
const IDS_AT_ONCE: usize = 500;
/// How many a service makes at most in one request.
const IDS_MAX: usize = 1000;

/// Takes `count` ids that no file has.
///
/// # Errors
/// If the stock does not suffice and the service cannot be asked, or makes none.
pub(super) async fn take_ids(account: &Account, count: usize) -> Result<Vec<FileId>> {
    have_ids(account, count).await?;
    Ok(account.store.write(|db| identifiers::take(db, count))?)
}

/// Sees to it that there are `count` ids to take: also before several are taken side by side, of
/// which each would ask for its own.
///
/// # Errors
/// As [`take_ids`].
pub(super) async fn have_ids(account: &Account, count: usize) -> Result<()> {
    loop {
        let missing = count.saturating_sub(account.store.read(identifiers::count)?);
        if missing == 0 {
            return Ok(());
        }
        let ids = account.router.own().new_ids(missing.clamp(IDS_AT_ONCE, IDS_MAX)).await?;
        if ids.is_empty() {
            let what = "it made no id".to_owned();
            return Err(connections::Error::Invalid { service: "the drive", what }.into());
        }
        account.store.write(|db| identifiers::add(db, &ids))?;
    }
}

/// Takes one id that no file has.
pub(super) async fn take_id(account: &Account) -> Result<FileId> {
    let id = take_ids(account, 1).await?.pop();
    id.ok_or_else(|| {
        let what = "it made no id".to_owned();
        connections::Error::Invalid { service: "the drive", what }.into()
    })
}

/// Sends all that is decided and not sent. What fails stays, is told in the report, and is tried
/// again by the next sync.
///
/// # Errors
/// If the database fails. What the service refuses is a problem in the report.
pub(super) async fn flush(
    account: &Account,
    directory: &Directory,
    now: Timestamp,
    report: &mut Report,
) -> Result<()> {
    let pending = account.store.read(journal::pending)?;
    let is_log = |folder: &FileId| directory.personal.as_ref() == Some(folder);
    let (log, rest): (Vec<_>, Vec<_>) = pending.into_iter().partition(|(_, f)| is_log(f));
    let log_is_sent = send_in_order(account, directory, log, report).await?;
    if !log_is_sent {
        return Ok(()); // The rest would tell peers what no other machine of ours can learn.
    }
    let mut folders: BTreeMap<FileId, Vec<(i64, FileId)>> = BTreeMap::new();
    for (number, folder) in rest {
        folders.entry(folder.clone()).or_default().push((number, folder));
    }
    let to_peers = stream::iter(folders.into_values())
        .map(|messages| async {
            let mut report = Report::default();
            (send_in_order(account, directory, messages, &mut report).await, report)
        })
        .buffered(connections::AT_ONCE)
        .collect::<Vec<(Result<bool>, Report)>>();
    // What it says is in the log: it need not wait for what peers are told.
    let mut told = Report::default();
    let to_own = async {
        match account.role {
            Role::Owner => rolling::send(account, directory, now, &mut told).await,
            Role::Scientist => Ok(()),
        }
    };
    let (sent, rolled) = futures::join!(to_peers, to_own);
    for (outcome, problems) in sent {
        report.problems.extend(problems.problems);
        report.in_chunks += problems.in_chunks;
        outcome?;
    }
    report.problems.extend(told.problems);
    rolled?;
    archive(account, directory, report).await
}

/// Sends messages of one folder one after the other; true if all are sent.
async fn send_in_order(
    account: &Account,
    directory: &Directory,
    messages: Vec<(i64, FileId)>,
    report: &mut Report,
) -> Result<bool> {
    for (number, _) in messages {
        let Some(message) = account.store.read(|db| journal::load(db, number))? else { continue };
        let (message, outcome) = match chunked::ship(account, directory, &message, report).await? {
            Ok(Shipped::Waits) => return Ok(false),
            Err(error) => (message, Err(error)),
            Ok(Shipped::AsItIs) => try_send(account, message, report).await?,
            Ok(Shipped::As(chunked)) => try_send(account, chunked, report).await?,
        };
        match outcome {
            // What may not go now waits: why is told where it was found out.
            Ok(None) => return Ok(false),
            Ok(Some((content, made))) => {
                account.store.write(|db| {
                    if let Some(entry) = made {
                        let moment = Timestamp::from_micros(entry.created_micros);
                        agreed::settle(db, &account.email, &entry.id, moment)?;
                        if message.peer.is_none() {
                            catalogue::put(db, &entry)?;
                        }
                    }
                    journal::done(db, number)
                })?;
                if let Ready::Made(made) = &content {
                    made.remove();
                }
                if account.role == Role::Scientist {
                    note_own(account, &message.file, &message.folder, &message.name, Kind::File)?;
                }
            }
            Err(error) => {
                let gone = matches!(
                    error,
                    connections::Error::NotFound { .. } | connections::Error::Denied { .. }
                );
                if let (true, Some(peer)) = (gone, &message.peer) {
                    give_up(account, peer)?;
                    let text = format!("the folder for messages to {peer} is gone");
                    report.problem_with(peer, Code::MailboxGone, text);
                } else {
                    if gone {
                        remote::distrust(account)?; // Our own folder: the next sync makes it anew.
                    }
                    report.problem(code_of(&error, Code::NotSent), told(&error));
                }
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// What was sent, and what became of it: `None` if it is there already.
type Sent = (Ready, Option<Entry>);

/// Sends one message; `None` if it must wait.
async fn try_send(
    account: &Account,
    mut message: Outgoing,
    report: &mut Report,
) -> Result<(Outgoing, connections::Result<Option<Sent>>)> {
    let Some(content) = sealing::outgoing(account, &mut message, report)? else {
        return Ok((message, Ok(None)));
    };
    let sent = send(account, &message, &content).await;
    Ok((message, sent.map(|made| Some((content, made)))))
}

/// Sends one message. `None`: it is there already, an earlier attempt got through.
pub(super) async fn send(
    account: &Account,
    message: &Outgoing,
    content: &Ready,
) -> connections::Result<Option<Entry>> {
    let (router, folder, file) = (&account.router, &message.folder, &message.file);
    match (content, account.role) {
        (Ready::Bytes(content), Role::Owner) => {
            let content = content.clone();
            router.write_event_messages_to_outbox_do(folder, file, &message.name, content).await
        }
        (Ready::Bytes(content), Role::Scientist) => {
            let content = content.clone();
            router.write_event_messages_to_inbox(folder, file, &message.name, content).await
        }
        (Ready::Made(made), _) => {
            let new = NewEntry {
                id: Some(file.clone()),
                parent: folder.clone(),
                name: message.name.clone(),
                media_type: OCTETS,
                tags: BTreeMap::new(),
            };
            parcels::send(account, &new, made).await
        }
    }
}

/// Drops what cannot reach `peer` any more. What it is owed is worked out anew once it has a
/// folder again.
fn give_up(account: &Account, peer: &Email) -> Result<()> {
    account.store.write(|db| {
        begin_again(db, peer)?;
        proposed::forget(db, peer)
    })?;
    remote::distrust(account)
}

/// Drops what is on its way to `peer`, and notes that it is to be told again of all that it was
/// ever sent. What it held is not forgotten: what of it is gone must be taken back.
pub(super) fn begin_again(db: &rusqlite::Connection, peer: &Email) -> crate::caches::Result<()> {
    // The newest first, after what is due already: of several answers about one path the last counts.
    for (number, _) in journal::pending(db)?.into_iter().rev() {
        let Some(message) = journal::load(db, number)?.filter(|m| m.peer.as_ref() == Some(peer))
        else {
            continue;
        };
        // A proposal is no message of this kind, and waits for no answer of ours.
        let lost = message.content.read::<FileChangeEventsMessage>(&secret());
        for event in lost.map_or_else(|_| Vec::new(), |message| message.events).iter().rev() {
            if let Ok(path) = DatasitePath::parse(&event.path_in_datasite) {
                announcing::answer_unless_due(db, peer, &path, &event.id.to_string())?;
            }
        }
    }
    journal::drop_for(db, peer)?;
    // Also what these messages took back, for nobody knows whether they were read.
    for message in delivered::to(db, peer)?.iter().rev() {
        for (path, event) in &message.paths {
            announcing::answer_unless_due(db, peer, path, event)?;
        }
    }
    delivered::forget(db, peer)?;
    announcing::answer_all(db, peer)
}

/// Moves the messages that are dealt with into the archive of their sender.
async fn archive(account: &Account, directory: &Directory, report: &mut Report) -> Result<()> {
    let mut waiting = account.store.read(journal::to_archive)?;
    // Who sees that its message has left the inbox takes what lies in the outbox for all of the answer.
    // One that cannot be sent now, because its file is being edited, is an answer as well.
    let (unsent, unanswered) =
        account.store.read(|db| Ok((journal::addressees(db)?, announcing::unanswered(db)?)))?;
    let known = peering::remembered_file(account)?;
    let is_peer = |email: &Email| known.state(email) == Some(PeerState::Accepted);
    waiting.retain(|(_, _, peer)| {
        !(unsent.contains(peer) || unanswered.contains(peer) && is_peer(peer))
    });
    let mut archives = directory.archives.clone();
    let mut moves = Vec::new();
    for (file, folder, peer) in waiting {
        if !archives.contains_key(&peer) {
            let Some(root) = &directory.syftbox else { return Err(no_home()) };
            let name = ArchiveFolder { sender: peer.clone(), owner: account.email.clone() };
            match create_folder(account, root, &name.to_string()).await {
                Ok(id) => archives.insert(peer.clone(), id),
                Err(super::Error::Connection(error)) => {
                    report.problem(Code::NotArchived, told(&error));
                    return Ok(());
                }
                Err(error) => return Err(error),
            };
        }
        if let Some(archive) = archives.get(&peer) {
            moves.push(Relocation { id: file, from: folder, to: archive.clone() });
        }
    }
    if moves.is_empty() {
        return Ok(());
    }
    let outcomes = match account.router.archive(&moves).await {
        Ok(outcomes) => outcomes,
        Err(error) => {
            report.problem(Code::NotArchived, told(&error));
            return Ok(());
        }
    };
    for (moved, outcome) in moves.iter().zip(outcomes) {
        match outcome {
            // Gone is as good as moved: its sender took it back after we dealt with it.
            Ok(()) | Err(connections::Error::NotFound { .. }) => account.store.write(|db| {
                catalogue::remove(db, &moved.id)?;
                journal::archived(db, &moved.id)
            })?,
            // It is dealt with, and stays where it is: asking again every time helps nobody.
            Err(error @ connections::Error::Denied { .. }) => {
                report.problem(Code::NotArchived, told(&error));
                account.store.write(|db| journal::archived(db, &moved.id))?;
            }
            Err(error) => report.problem(Code::NotArchived, told(&error)),
        }
    }
    Ok(())
}

/// Returns the code of what a service refused: that there is no room helps more than what had none.
pub(super) const fn code_of(error: &connections::Error, otherwise: Code) -> Code {
    match error {
        connections::Error::Full { .. } => Code::DriveFull,
        _ => otherwise,
    }
}

pub(super) fn no_home() -> super::Error {
    let what = "there is no SyftBox folder".to_owned();
    connections::Error::Invalid { service: "the drive", what }.into()
}

/// An error with its causes, on one line.
pub(crate) fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let said = cause.to_string();
        // An error that only passes one on says the same.
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        source = cause.source();
    }
    text
}

/// A text that nobody can guess, for [`Recipe::of`].
pub(super) fn secret() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

/// The time that goes into a gzip header: whole seconds.
pub(super) fn gzip_time(now: Timestamp) -> u32 {
    u32::try_from(now.micros() / 1_000_000).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::account::tests::account;
    use super::*;
    use crate::caches::Store;
    use crate::caches::delivered::Delivered;
    use crate::connections::MemoryDrive;

    #[tokio::test]
    async fn more_ids_than_a_service_makes_at_once_are_reserved() {
        let (account, _home) = account(&MemoryDrive::new(), "do@example.org", Role::Owner);
        for count in [1, IDS_MAX + 1, 3 * IDS_MAX, 2] {
            let ids = take_ids(&account, count).await.unwrap();
            assert_eq!(ids.into_iter().collect::<BTreeSet<_>>().len(), count);
        }
    }

    #[test]
    fn an_answer_that_is_due_is_not_replaced_by_one_that_was_given() {
        let store = Store::in_memory().unwrap();
        let peer = Email::parse("ds@example.org").unwrap();
        let path = |text: &str| DatasitePath::parse(text).unwrap();
        let answers = store
            .write(|db| {
                for (file, paths) in
                    [("m1", [("a", "a1"), ("b", "b1")]), ("m2", [("b", "b2"), ("c", "c2")])]
                {
                    let paths = paths.map(|(p, id)| (path(p), id.to_owned())).into();
                    let file = FileId::parse(file).unwrap();
                    delivered::add(db, &peer, &Delivered { file, level: 0, paths })?;
                }
                announcing::answer(db, &peer, &path("a"), "a3")?;
                announcing::answer(db, &peer, &path("c"), "")?;
                begin_again(db, &peer)?;
                announcing::answers(db, &peer)
            })
            .unwrap();
        let answers: Vec<(&str, &str)> =
            answers.iter().map(|(path, id)| (path.as_str(), id.as_str())).collect();
        assert_eq!(answers, [("a", "a3"), ("b", "b2"), ("c", "c2")]);
    }
}
