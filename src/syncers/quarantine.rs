//! Keeps what could not be taken in, with the reason, for a person to look at.
//!
//! Each peer has a folder of its own, and a bound: whoever sends nonsense fills no disk, and pushes
//! out nothing that came from others. The oldest go first, which is told once.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::caches::{self, meta, write_private_file};
use crate::connections::Entry;
use crate::model::{Code, Email};

use super::parcels::Parcel;
use super::{Account, Report, Result};

/// How many messages of one peer are kept.
const MESSAGES_MAX: usize = 200;

/// How many bytes of messages of one peer are kept: one of the largest.
const BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Keeps the bytes of a message of `sender`, its first 256 MiB, and the reason, and reports it.
pub(super) fn keep(
    account: &Account,
    sender: &Email,
    entry: &Entry,
    parcel: &Parcel,
    reason: &str,
    report: &mut Report,
) -> Result<()> {
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
) -> Result<()> {
    let folder = account.folders.quarantine().join(sender.as_str());
    // Ids are checked text, names are not: the id names the files.
    let stem: String = entry.id.as_str().replace(['.', '/'], "_").chars().take(100).collect();
    let path = folder.join(format!("{stem}.message"));
    let copied = parcel.copy_to(&path, BYTES_MAX);
    copied.map_err(|source| caches::Error::File { path, what: "written", source })?;
    let note = format!("from: {sender}\nname: {}\nreason: {reason}\n", entry.name.escape_debug());
    write_private_file(&folder.join(format!("{stem}.txt")), note.as_bytes())?;
    let text = format!("a message of {sender} is in quarantine: {reason}");
    report.problem_with(sender, code, text);

    let is_full = prune(&folder, &stem)?;
    let key = format!("quarantine full {sender}");
    let was_full = account.store.read(|db| meta::get(db, &key))?.is_some();
    if is_full && !was_full {
        let text = format!("the quarantine for {sender} is full; its oldest messages go");
        report.problem_with(sender, Code::QuarantineFull, text);
        account.store.write(|db| meta::set(db, &key, "1"))?;
    } else if was_full && !is_full {
        account.store.write(|db| meta::remove(db, &key))?;
    }
    Ok(())
}

/// Removes the oldest messages until what is left is within the bounds; true if any had to go. The
/// one called `newest` goes last, whatever the clock of the disk says.
fn prune(folder: &Path, newest: &str) -> Result<bool> {
    let at = |source| caches::Error::File { path: folder.to_owned(), what: "read", source };
    let mut messages: Vec<(bool, SystemTime, u64, PathBuf)> = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(at)? {
        let entry = entry.map_err(at)?;
        let path = entry.path();
        if path.extension().is_none_or(|extension| extension != "message") {
            continue;
        }
        let about = entry.metadata().map_err(at)?;
        let is_newest = path.file_stem().is_some_and(|stem| stem == newest);
        let modified = about.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        messages.push((is_newest, modified, about.len(), path));
    }
    messages.sort();
    let mut bytes: u64 = messages.iter().map(|(_, _, size, _)| size).sum();
    let mut count = messages.len();
    for (_, _, size, path) in &messages {
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
    Ok(count < messages.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_bounded_and_the_oldest_go() {
        #[rustfmt::skip]
        let cases: [(&str, usize, u64, usize, bool); 4] = [
            // what                 messages         bytes each       left           pruned
            ("as many as may be",   MESSAGES_MAX,     1,              MESSAGES_MAX,  false),
            ("one too many",        MESSAGES_MAX + 1, 1,              MESSAGES_MAX,  true),
            ("as large as may be",  4,                BYTES_MAX / 4,  4,             false),
            ("too large together",  4,                BYTES_MAX / 2,  2,             true),
        ];
        for (what, count, size, left, pruned) in cases {
            let folder = tempfile::tempdir().unwrap();
            for number in 0..count {
                let stem = format!("{number:04}");
                let path = folder.path().join(format!("{stem}.message"));
                let file = std::fs::File::create(&path).unwrap();
                file.set_len(size).unwrap();
                // The last one has the oldest date: a clock went back.
                let age = if number + 1 == count { 0 } else { number as u64 + 1 };
                let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(age);
                file.set_modified(time).unwrap();
                std::fs::write(path.with_extension("txt"), "why").unwrap();
            }
            let newest = format!("{:04}", count - 1);
            assert_eq!(prune(folder.path(), &newest).unwrap(), pruned, "{what}");
            let names: Vec<_> = std::fs::read_dir(folder.path())
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            assert_eq!(names.len(), 2 * left, "{what}");
            assert!(names.contains(&format!("{newest}.message")), "{what}");
            assert_eq!(names.contains(&"0000.txt".to_owned()), !pruned, "{what}");
        }
    }
}
