//! Every call in turn fails, or is the last of its process: run again, the end is the same.
//!
//! A session of two parties is played step by step. At call number n of one party the fault
//! happens; if a step fails, or says that it could not do something, its process is started anew
//! and the step is done again, as a person or cron would. Afterwards all must be as without a
//! fault: both disks, and on the drive no folder, file or event twice.

use std::collections::BTreeSet;

use syft::connections::faulty::{Crash, Fault, unavailable};
use syft::connections::{Entry, Kind, Query};
use syft::permissions::Level;
use syft::syncers::{DatasiteOwnerSyncer, Report, Result, SyncOptions};
use syft::wire::names::{EventsName, FolderName, PackName, is_chunked};
use syft::wire::{Chunked, FileChangeEventsMessage, Packed as _, ProposedFileChangesMessage};

use super::world::{Party, World};

/// Whose call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Owner,
    Scientist,
}

/// How it fails.
#[derive(Clone, Copy, Debug)]
enum How {
    FailBefore,
    FailAfter,
    FailHalf,
    DieBefore,
    DieAfter,
    DieHalf,
}

const WAYS: [How; 6] =
    [How::FailBefore, How::FailAfter, How::FailHalf, How::DieBefore, How::DieAfter, How::DieHalf];

/// What must be the same in the end.
#[derive(Debug, PartialEq, Eq)]
struct End {
    owner: Vec<(String, String)>,
    scientist: Vec<(String, String)>,
    second_machine: Vec<(String, String)>,
    drive: Vec<String>,
    log: Vec<(String, Option<String>)>,
}

/// How files travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// In messages; half of the times they count as too large to be held.
    Whole,
    /// As chunks.
    Chunks,
}

#[tokio::test]
async fn a_fault_at_any_call_of_the_owner_changes_nothing_in_the_end() {
    every_call(Side::Owner, Form::Whole).await;
}

#[tokio::test]
async fn a_fault_at_any_call_of_the_scientist_changes_nothing_in_the_end() {
    every_call(Side::Scientist, Form::Whole).await;
}

#[tokio::test]
async fn a_fault_at_any_call_of_the_owner_changes_nothing_where_files_travel_as_chunks() {
    every_call(Side::Owner, Form::Chunks).await;
}

#[tokio::test]
async fn a_fault_at_any_call_of_the_scientist_changes_nothing_where_files_travel_as_chunks() {
    every_call(Side::Scientist, Form::Chunks).await;
}

async fn every_call(side: Side, form: Form) {
    let (undisturbed, calls) = play(side, form, None).await;
    assert!(calls > 15, "{calls} calls are too few to show anything");
    for number in 0..calls {
        // All ways at a third of the calls each: there are many more of them.
        let every = if form == Form::Chunks { 3 } else { 1 };
        for how in WAYS.into_iter().skip(number % every).step_by(every) {
            let (end, _) = play(side, form, Some((number, how))).await;
            assert_eq!(end, undisturbed, "{side:?}, call {number}, {how:?}");
        }
    }
}

async fn play(side: Side, form: Form, fault: Option<(usize, How)>) -> (End, usize) {
    let world = World::new();
    world.sends_chunks(form == Form::Chunks);
    if form == Form::Chunks || fault.is_some_and(|(number, _)| number.is_multiple_of(2)) {
        world.holds_less_than(1);
    }
    let mut owner = world.owner("do@example.org");
    let mut scientist = world.scientist("ds@example.org");
    if let Some((number, how)) = fault {
        let party = if side == Side::Owner { &owner } else { &scientist };
        match how {
            How::FailBefore => party.script.at(number, Fault::before(unavailable)),
            How::FailAfter => party.script.at(number, Fault::after(unavailable)),
            How::FailHalf => party.script.at(number, Fault::half(unavailable)),
            How::DieBefore => party.script.crash_at(number, Crash::Before),
            How::DieAfter => party.script.crash_at(number, Crash::After),
            How::DieHalf => party.script.crash_at(number, Crash::Half),
        }
    }
    for step in 0..STEPS {
        prepare(step, &owner, &scientist);
        let mut attempts = 0;
        loop {
            match act(step, &owner, &scientist).await {
                Ok(report) if report.problems.is_empty() => break,
                _ => {}
            }
            attempts += 1;
            assert!(attempts < 3, "step {step} does not recover from {fault:?}");
            owner.restart();
            scientist.restart();
        }
    }
    let party = if side == Side::Owner { &owner } else { &scientist };
    let calls = party.script.calls();
    for _ in 0..2 {
        owner.sync().await;
        scientist.sync().await;
    }
    let second = world.owner("do@example.org");
    second.sync().await;
    packs(&owner, &scientist).await;
    let end = End {
        owner: owner.tree(&owner.email),
        scientist: without_times(scientist.tree(&owner.email)),
        second_machine: second.tree(&owner.email),
        drive: drive(&owner, &scientist).await,
        log: log(&owner).await,
    };
    (end, calls)
}

const STEPS: usize = 14;

/// What people do to their files before a step; done once, whatever fails.
fn prepare(step: usize, owner: &Party<'_>, scientist: &Party<'_>) {
    match step {
        5 => {
            owner.put("open/a.txt", "one");
            owner.put("open/b.txt", "to go");
            owner.put("closed/c.txt", "not for you");
            owner.grant("open/", &scientist.email, Level::Read);
            owner.grant("shared/", &scientist.email, Level::Write);
        }
        7 => {
            scientist.write(&owner.email, "shared/x.txt", b"proposed");
            scientist.write(&owner.email, "open/a.txt", b"refused");
        }
        10 => {
            owner.put("open/a.txt", "two");
            owner.delete(&owner.email, "open/b.txt");
        }
        13 => owner.put("open/d.txt", "after the checkpoint"),
        _ => {}
    }
}

async fn act(step: usize, owner: &Party<'_>, scientist: &Party<'_>) -> Result<Report> {
    match step {
        2 => scientist.request(&owner.email).await.map(|()| Report::default()),
        4 => owner.approve(&scientist.email).await.map(|()| Report::default()),
        12 => {
            let syncer = DatasiteOwnerSyncer::new(owner.account());
            syncer.create_checkpoint(owner.world.now()).await.map(|_| Report::default())
        }
        1 | 6 | 7 | 9 | 11 => scientist.try_sync().await,
        _ => {
            // Low enough for the outbox to be compacted within the session.
            let options = SyncOptions { compact_threshold: 2, ..SyncOptions::default() };
            owner.try_sync_with(&options).await
        }
    }
}

/// The names of what is kept aside hold the time of the sync, which a repetition changes.
fn without_times(tree: Vec<(String, String)>) -> Vec<(String, String)> {
    let cut = |path: String| match path.split_once(".refused-") {
        Some((stem, _)) => format!("{stem}.refused"),
        None => path,
    };
    tree.into_iter().map(|(path, content)| (cut(path), content)).collect()
}

/// What lies on the drive, without what differs from run to run: message names by their kind.
async fn drive(owner: &Party<'_>, scientist: &Party<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    for party in [owner, scientist] {
        let all: Vec<Entry> = party.session().find(&Query::default()).await.unwrap();
        let name_of = |id| all.iter().find(|entry| &entry.id == id).map(|entry| &entry.name);
        for entry in &all {
            let parent = entry.parents.first().and_then(name_of);
            // How messages are bundled may differ; that none is left over is looked at here.
            let is_in_inbox = parent.is_some_and(|name| name.contains("#inbox#"));
            if entry.kind == Kind::Folder
                || is_in_inbox
                || entry.name.starts_with("SYFT")
                || entry.name.starts_with("rolling")
                || entry.name.contains("checkpoint")
            {
                let name = entry.name.split("state_").next().unwrap_or_default();
                let name = name.split("checkpoint_").next().unwrap_or_default();
                let name = if PackName::parse(name).is_some() { "pack" } else { name };
                lines.push(format!("{} sees {parent:?}/{name}", party.email));
            }
        }
    }
    lines.sort();
    lines
}

/// Each pack that lies there is named by a message, and each that is named lies there.
async fn packs(owner: &Party<'_>, scientist: &Party<'_>) {
    let (mut lying, mut named) = (BTreeSet::new(), BTreeSet::new());
    for party in [owner, scientist] {
        for entry in party.session().find(&Query::default()).await.unwrap() {
            if PackName::parse(&entry.name).is_some() {
                lying.insert(entry.id.to_string());
            }
            if !is_chunked(&entry.name) {
                continue;
            }
            let bytes = party.session().read(&entry.id, u64::MAX).await.unwrap();
            let chunks = Chunked::<FileChangeEventsMessage>::from_file_bytes(&bytes)
                .map(|message| message.syft_chunks)
                .or_else(|_| {
                    let read = Chunked::<ProposedFileChangesMessage>::from_file_bytes(&bytes);
                    read.map(|message| message.syft_chunks)
                });
            named.extend(chunks.unwrap().into_iter().flat_map(|chunked| chunked.content.packs));
        }
    }
    assert_eq!(lying, named);
}

/// The events of the log, by path and what they led to.
async fn log(owner: &Party<'_>) -> Vec<(String, Option<String>)> {
    let all = owner.session().find(&Query::default()).await.unwrap();
    let is_log =
        |entry: &&Entry| matches!(FolderName::parse(&entry.name), Some(FolderName::Personal(_)));
    let folder = all.iter().find(is_log).unwrap().id.clone();
    let mut events = Vec::new();
    for entry in all.iter().filter(|entry| entry.parents.contains(&folder)) {
        if PackName::parse(&entry.name).is_some() {
            continue;
        }
        assert!(EventsName::of_message(&entry.name).is_some());
        let bytes = owner.session().read(&entry.id, u64::MAX).await.unwrap();
        let message = if is_chunked(&entry.name) {
            Chunked::<FileChangeEventsMessage>::from_file_bytes(&bytes).unwrap().message
        } else {
            FileChangeEventsMessage::from_file_bytes(&bytes).unwrap()
        };
        events.extend(message.events.into_iter().map(|e| (e.path_in_datasite, e.new_hash)));
    }
    events.sort();
    events
}
