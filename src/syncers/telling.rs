//! Tells what could not be looked at on disk.
//!
//! What may pass is told in every sync, for as long as it holds something back. What can never
//! travel, by its name or its size, is told once: it holds nothing back, and a sync from cron that
//! ends with a problem for ever would be heard no more.

use std::collections::BTreeMap;

use crate::caches::{Scan, Unreadable, UnreadableKind, meta};
use crate::model::{Code, DatasitePath, Email, Snapshot};

use super::{Account, Report, Result};

/// How many files and folders are named in one sync.
const NAMED_MAX: usize = 20;

/// Adds what could not be looked at to the report.
pub(super) fn tell_unreadable(
    account: &Account,
    datasite: &Email,
    found: &Scan,
    agreed: &Snapshot,
    report: &mut Report,
) -> Result<()> {
    let prefix = format!("told of {datasite} ");
    let known = account.store.read(|db| meta::with_prefix(db, &prefix))?;
    let known: BTreeMap<String, String> = known.into_iter().collect();
    let (mut now, mut unnamed, mut named) = (BTreeMap::new(), 0, 0);
    for unreadable in &found.unreadable {
        let Unreadable { path, reason, kind } = unreadable;
        if *kind == UnreadableKind::CannotTravel {
            let key = format!("{prefix}{path}");
            let is_known = known.get(&key) == Some(reason);
            now.insert(key, reason.clone());
            if is_known {
                continue;
            }
        }
        if *kind == UnreadableKind::Restless {
            continue;
        }
        if *kind == UnreadableKind::Special && !took_a_place(path, agreed) {
            continue;
        }
        if named == NAMED_MAX {
            unnamed += 1;
            continue;
        }
        named += 1;
        let shown = if path.is_empty() { datasite.as_str() } else { path.as_str() };
        report.problem(code(*kind), format!("`{}`: {reason}", shown.escape_debug()));
    }
    if unnamed > 0 {
        report.problem(Code::FileNotRead, format!("{unnamed} more could not be read"));
    }
    if now != known {
        account.store.write(|db| {
            known
                .keys()
                .filter(|key| !now.contains_key(*key))
                .try_for_each(|key| meta::remove(db, key))?;
            now.iter().try_for_each(|(key, reason)| meta::set(db, key, reason))
        })?;
    }
    Ok(())
}

/// True if anything was agreed at or below `path`.
fn took_a_place(path: &str, agreed: &Snapshot) -> bool {
    let Ok(path) = DatasitePath::parse(path) else { return false };
    let alike = agreed.range(path.clone()..).map(|(other, _)| other);
    alike
        .take_while(|other| other.as_str().starts_with(path.as_str()))
        .any(|other| *other == path || other.is_below(path.as_str()))
}

const fn code(kind: UnreadableKind) -> Code {
    match kind {
        UnreadableKind::Refused => Code::FileNotRead,
        UnreadableKind::Changing | UnreadableKind::Restless => Code::FileChanging,
        UnreadableKind::CannotTravel => Code::FileCannotTravel,
        UnreadableKind::Special => Code::LinkNotFollowed,
        UnreadableKind::Clash => Code::NameClash,
    }
}
