//! Keeps what could not be taken in, with the reason, for a person to look at.
//!
//! Each peer has a folder of its own, and a bound: whoever sends nonsense fills no disk, and pushes
//! out nothing that came from others. The oldest go first, which is told once. What there is no room for
//! at all stays on the drive.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::caches::{self, expect_room, is_full, meta, write_private_file};
use crate::connections::{Entry, make_private};
use crate::model::{Code, Email};

use super::parcels::Parcel;
use super::sending::told;
use super::{Account, Report, Result};

/// How many messages of one peer are kept.
const MESSAGES_MAX: usize = 200;

/// How many bytes of messages of one peer are kept: one of the largest.
const BYTES_MAX: u64 = 256 * 1024 * 1024;

/// What is so small is kept however little room there is.
const SMALL_BYTES: u64 = 64 * 1024;

/// Keeps the bytes of a message of `sender`, its first 256 MiB, and the reason, and reports it. False if
/// the disk has no room for it, which is told: the message stays where it is.
pub(super) fn keep(
    account: &Account,
    sender: &Email,
    entry: &Entry,
    parcel: &Parcel,
    reason: &str,
    report: &mut Report,
) -> Result<bool> {
    keep_as(Code::MessageQuarantined, account, sender, entry, parcel, reason, report)
}

/// The same, as a problem of the kind `code`.
pub(super) fn keep_as(
    code: Code,
    account: &Account,
    sender: &Email,
    entry: &Entry,
    parcel: &Parcel,
    reason: &str,
    report: &mut Report,
) -> Result<bool> {
    let folder = account.folders.quarantine().join(sender.as_str());
    // Ids are checked text, names are not: the id names the files.
    let stem: String = entry.id.as_str().replace(['.', '/'], "_").chars().take(100).collect();
    let path = folder.join(format!("{stem}.message"));
    let failed = |source| caches::Error::File { path: path.clone(), what: "written", source };
    let bytes = parcel.size_bytes().map_err(failed)?.min(BYTES_MAX);
    let had_to_go = prune(&folder, &stem, bytes)?;
    match copy(parcel, &folder, &path, bytes) {
        Err(source) if is_full(&source) => {
            drop(std::fs::remove_file(&path));
            let text = format!("a message of {sender} waits: {}", told(&failed(source)));
            report.problem_with(sender, Code::MessageNotRead, text);
            return Ok(false);
        }
        copied => copied.map_err(failed)?,
    }
    let note = format!("from: {sender}\nname: {}\nreason: {reason}\n", entry.name.escape_debug());
    write_private_file(&folder.join(format!("{stem}.txt")), note.as_bytes())?;
    let text = format!("a message of {sender} is in quarantine: {reason}");
    report.problem_with(sender, code, text);

    let key = format!("quarantine full {sender}");
    let was_full = account.store.read(|db| meta::get(db, &key))?.is_some();
    if had_to_go && !was_full {
        let text = format!("the quarantine for {sender} is full; its oldest messages go");
        report.problem_with(sender, Code::QuarantineFull, text);
        account.store.write(|db| meta::set(db, &key, "1"))?;
    } else if was_full && !had_to_go {
        account.store.write(|db| meta::remove(db, &key))?;
    }
    Ok(true)
}

fn copy(parcel: &Parcel, folder: &Path, path: &Path, bytes: u64) -> std::io::Result<()> {
    make_private(folder)?;
    if bytes > SMALL_BYTES {
        expect_room(folder, bytes)?;
    }
    parcel.copy_to(path, bytes)
}

/// Removes the oldest messages until there is room within the bounds for one of `bytes` more; true if any
/// had to go. One that was kept before as `newest` has its place already.
fn prune(folder: &Path, newest: &str, bytes: u64) -> Result<bool> {
    let at = |source| caches::Error::File { path: folder.to_owned(), what: "read", source };
    let mut messages: Vec<(SystemTime, u64, PathBuf)> = Vec::new();
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(at(error).into()),
    };
    for entry in entries {
        let entry = entry.map_err(at)?;
        let path = entry.path();
        if path.extension().is_none_or(|extension| extension != "message") {
            continue;
        }
        let about = entry.metadata().map_err(at)?;
        if path.file_stem().is_some_and(|stem| stem == newest) {
            continue;
        }
        let modified = about.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        messages.push((modified, about.len(), path));
    }
    messages.sort();
    let mut bytes = messages.iter().map(|(_, size, _)| size).sum::<u64>() + bytes;
    let mut count = messages.len() + 1;
    let before = count;
    for (_, size, path) in &messages {
        if count <= MESSAGES_MAX && bytes <= BYTES_MAX {
            break;
        }
        for path in [path.clone(), path.with_extension("txt")] {
            match std::fs::remove_file(&path) {
                Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                    return Err(caches::Error::File { path, what: "removed", source }.into());
                }
                _ => {}
            }
        }
        count -= 1;
        bytes -= size;
    }
    Ok(count < before)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_bounded_and_the_oldest_go() {
        #[rustfmt::skip]
        let cases: [(&str, usize, u64, usize, bool); 5] = [
            // what                 messages         bytes each       left           pruned
            ("as many as may be",   MESSAGES_MAX,     1,              MESSAGES_MAX,  false),
            ("one too many",        MESSAGES_MAX + 1, 1,              MESSAGES_MAX,  true),
            ("as large as may be",  4,                BYTES_MAX / 4,  4,             false),
            ("too large together",  4,                BYTES_MAX / 2,  2,             true),
            ("one alone",           1,                BYTES_MAX,      1,             false),
        ];
        for (what, count, size, left, pruned) in cases {
            let folder = tempfile::tempdir().unwrap();
            for number in 0..count {
                let stem = format!("{number:04}");
                let path = folder.path().join(format!("{stem}.message"));
                let file = std::fs::File::create(&path).unwrap();
                file.set_len(size).unwrap();
                // The last one has the oldest date: a clock went back. It has its place already.
                let age = if number + 1 == count { 0 } else { number as u64 + 1 };
                let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(age);
                file.set_modified(time).unwrap();
                std::fs::write(path.with_extension("txt"), "why").unwrap();
            }
            let newest = format!("{:04}", count - 1);
            assert_eq!(prune(folder.path(), &newest, size).unwrap(), pruned, "{what}");
            let names: Vec<_> = std::fs::read_dir(folder.path())
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            assert_eq!(names.len(), 2 * left, "{what}");
            assert!(names.contains(&format!("{newest}.message")), "{what}");
            assert_eq!(names.contains(&"0000.txt".to_owned()), !pruned, "{what}");
            // What comes next needs a place.
            let is_full = left == MESSAGES_MAX || left as u64 * size == BYTES_MAX;
            assert_eq!(prune(folder.path(), "next", size).unwrap(), is_full, "{what}");
        }
        let nowhere = Path::new("/nonexistent/folder");
        assert!(!prune(nowhere, "next", 1).unwrap());
    }
}
