//! Messages of our own log that should be sealed and are not: planted, or of a time before the
//! account had keys, or of a machine of ours that had not heard of them.
//!
//! None of them is believed. What it truly said is in the sealed checkpoint that its maker, or
//! whoever took it in, made because of it: that takes its place. One that no sealed checkpoint
//! includes is set aside with its bytes, and asked about again once there is another checkpoint.

use std::collections::BTreeSet;

use crate::caches::{DatasiteTree, journal};
use crate::checkpoints::{self, LogMessage};
use crate::connections::Entry;
use crate::model::{Code, Timestamp};

use super::super::parcels::Parcel;
use super::super::{Account, Directory, Report, Result, quarantine};
use super::follow::Reader;
use super::kept_back::{self, Why};
use super::laying::{self, Ahead, Full};
use super::log;
use super::restore::{self, Place};

/// Decides about messages that are not sealed.
pub(super) async fn settle(
    account: &Account,
    directory: &Directory,
    tree: &DatasiteTree,
    reader: &mut Reader,
    found: Vec<(Entry, Parcel)>,
    now: Timestamp,
    report: &mut Report,
) -> Result<()> {
    if found.is_empty() {
        return Ok(());
    }
    let known = kept_back::all(account)?;
    for (entry, _) in &found {
        kept_back::note(account, &reader.ground, entry, Why::NotSealed)?;
    }
    let (mut taken, full) =
        (BTreeSet::new(), newest_full(account, directory, reader, report).await?);
    if let Some(full) = full {
        let (included, reach) = included(account, directory, &full, &found)?;
        taken = included;
        if !taken.is_empty() {
            let place = Place::new(full, reach, reader.waiting);
            restore::take_place(account, directory, tree, place, now, report)?;
        }
    }
    for (entry, parcel) in found {
        if taken.contains(entry.id.as_str()) {
            account.store.write(|db| {
                kept_back::release(db, &entry)?;
                journal::mark_seen(db, &entry.id)
            })?;
        } else if !known.contains_key(&entry.id) {
            let reason = format!("`{}` in your own event log is not sealed", entry.name);
            let me = &account.email;
            quarantine::keep_as(Code::NotSealed, account, me, &entry, &parcel, &reason, report)?;
        }
    }
    Ok(())
}

/// Returns the newest full checkpoint that says what of the log it includes, if it is sealed.
async fn newest_full(
    account: &Account,
    directory: &Directory,
    reader: &mut Reader,
    report: &mut Report,
) -> Result<Option<Full>> {
    for entry in laying::full_ones(account, directory)? {
        let full =
            laying::read_full(account, &mut reader.own, &entry, &mut Ahead::default(), report)
                .await?;
        if let Some(full) = full.filter(|full| full.log.is_some()) {
            return Ok(Some(full));
        }
    }
    Ok(None)
}

/// Returns which of these messages a checkpoint includes together with all that was made before
/// them, and until when that is so.
fn included(
    account: &Account,
    directory: &Directory,
    full: &Full,
    found: &[(Entry, Parcel)],
) -> Result<(BTreeSet<String>, i64)> {
    let Some(coverage) = &full.log else { return Ok((BTreeSet::new(), 0)) };
    let recent: BTreeSet<&str> = coverage.recent.iter().map(String::as_str).collect();
    let is_included = |message: &LogMessage| checkpoints::includes(coverage, &recent, message);
    let entries: Vec<Entry> = found.iter().map(|(entry, _)| entry.clone()).collect();
    let not_sealed = log::messages(account, &entries)?;
    let is_other = |message: &LogMessage| not_sealed.iter().all(|other| other.id != message.id);
    let mut messages = log::counting(account, directory)?;
    messages.retain(is_other);
    messages.extend(not_sealed.iter().filter(|message| is_included(message)).cloned());
    let reach = checkpoints::reach(coverage, &messages);
    let is_reached = |message: &&LogMessage| is_included(message) && message.made_micros <= reach;
    Ok((not_sealed.iter().filter(is_reached).map(|message| message.id.clone()).collect(), reach))
}
