//! Removes what a crash left among our own private folders: half-made environments, and folders
//! that were being removed.
//!
//! Invariants: only entries with a prefix of ours, directly within a folder that nobody but us
//! writes to, and old enough that no process can still be busy with them. The owner's tree is not
//! touched.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::tree::remove;
use crate::model::{TEMPORARY_PREFIX, Timestamp};

/// Where jobs are tried on mock data.
pub(crate) const REHEARSALS: &str = "rehearsals";

/// Where installers are kept, below the environments.
pub(crate) const TOOLS: &str = "tools";

/// The name of an environment that is being made begins so.
pub(crate) const PARTIAL_PREFIX: &str = ".partial-";

/// No removal or installation takes that long.
const OLD: Duration = Duration::from_secs(24 * 60 * 60);

/// Removes them below the private configuration folder. Whatever cannot be removed stays: it is
/// in nobody's way.
pub(crate) fn sweep(private: &Path, now: Timestamp) {
    let now = UNIX_EPOCH + Duration::from_micros(u64::try_from(now.micros()).unwrap_or(0));
    let environments = Path::new("environments");
    for folder in
        [Path::new("runs"), environments, &environments.join(TOOLS), Path::new(REHEARSALS)]
    {
        for entry in std::fs::read_dir(private.join(folder)).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let is_ours = [TEMPORARY_PREFIX, PARTIAL_PREFIX].iter().any(|p| name.starts_with(p));
            let changed = entry.metadata().and_then(|about| about.modified());
            if is_ours && changed.is_ok_and(|changed| is_old(changed, now)) {
                remove(&entry.path()).ok();
            }
        }
    }
}

fn is_old(changed: SystemTime, now: SystemTime) -> bool {
    now.duration_since(changed).is_ok_and(|age| age > OLD)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_old_leftovers_of_ours_are_removed() {
        let home = tempfile::tempdir().unwrap();
        let names = [
            ("runs/.syft-tmp-a/0/deep/result", true),
            ("runs/.syft-tmp-file", true),
            ("environments/.partial-b/venv/bin/python", true),
            ("environments/tools/.partial-c/pip/__main__.py", true),
            ("environments/tools/0123/pip/__main__.py", false),
            ("runs/0123456789abcdef.lock", false),
            ("runs/0123456789abcdef/logs/stdout.txt", false),
            ("environments/0123/environment.json", false),
            ("elsewhere/.syft-tmp-c/file", false),
        ];
        for (name, _) in names {
            let path = home.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "x").unwrap();
        }
        let made = home.path().metadata().unwrap().modified().unwrap();
        let made = i64::try_from(made.duration_since(UNIX_EPOCH).unwrap().as_micros()).unwrap();
        let day = 24 * 60 * 60 * 1_000_000;
        sweep(home.path(), Timestamp::from_micros(made + day / 2));
        assert!(names.iter().all(|(name, _)| home.path().join(name).exists()));
        sweep(home.path(), Timestamp::from_micros(made + 2 * day));
        for (name, goes) in names {
            assert_eq!(home.path().join(name).exists(), !goes, "{name}");
        }
    }
}
