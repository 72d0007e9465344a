//! Large files of datasets on their way: where what outlives a process is kept, and for how long.
//!
//! What is kept of an upload belongs to a file of a [`Publication`](super::Publication) that is not done;
//! what is kept of a download to a file of a collection that is wanted. All else is left over, and
//! goes: a peer who offers, withdraws and offers again fills no disk.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::files::SCRATCH_FOLDER;
use super::{Error, Publication};
use crate::connections::{FileId, Traffic, kept_at};
use crate::model::Timestamp;

/// What of downloads nobody has gone on with for so long is left over, whoever wants it.
const LEFT_AFTER: Duration = Duration::from_secs(7 * 24 * 3600);

/// How large files are carried.
#[derive(Clone, Debug, Default)]
pub struct Carrier {
    /// Where what outlives a process is kept; `None`: nothing does.
    pub kept: Option<PathBuf>,
    /// Who hears how far they are.
    pub traffic: Traffic,
}

/// Returns the folder, below the SyftBox, in which large downloads lie until they are in their place.
/// Never synced.
pub fn downloads_folder(syftbox: &Path) -> PathBuf {
    syftbox.join(SCRATCH_FOLDER).join("downloads")
}

/// Removes what is kept of these files: they are in their place, or of no use.
///
/// # Errors
/// [`Error::Io`].
pub fn forget_kept<'a>(
    folder: &Path,
    ids: impl IntoIterator<Item = &'a FileId>,
) -> Result<(), Error> {
    if !folder.is_dir() {
        return Ok(());
    }
    let stems: BTreeSet<String> =
        ids.into_iter().filter_map(|id| stem(&kept_at(folder, id))).collect();
    sweep(folder, |stem, _| !stems.contains(stem))
}

/// Removes what is kept of downloads, but for those of files in `wanted`.
///
/// # Errors
/// [`Error::Io`].
pub fn keep_downloads(folder: &Path, wanted: &[FileId]) -> Result<(), Error> {
    let stems: BTreeSet<String> =
        wanted.iter().filter_map(|id| stem(&kept_at(folder, id))).collect();
    sweep(folder, |stem, _| stems.contains(stem))
}

/// Removes what is kept of downloads that nobody has gone on with for a week.
///
/// # Errors
/// [`Error::Io`].
pub fn sweep_downloads(folder: &Path, now: Timestamp) -> Result<(), Error> {
    let now = SystemTime::UNIX_EPOCH
        + Duration::from_micros(u64::try_from(now.micros()).unwrap_or_default());
    sweep(folder, |_, written| {
        now.duration_since(written).is_ok_and(|age| age < LEFT_AFTER) || written > now
    })
}

/// Removes what is kept of uploads, but for those of files that are still to be sent.
///
/// # Errors
/// [`Error::Io`].
pub fn keep_uploads(folder: &Path, publications: &[Publication]) -> Result<(), Error> {
    let steps = publications.iter().flat_map(|publication| &publication.files);
    let due = steps.filter(|step| !step.done).filter_map(|step| stem(&kept_at(folder, &step.id)));
    let stems: BTreeSet<String> = due.collect();
    sweep(folder, |stem, _| stems.contains(stem))
}

fn stem(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    Some(name.split('.').next().unwrap_or(name).to_owned())
}

/// Removes the files in `folder` of which `is_needed` does not hold, and then the folder if it is empty.
fn sweep(folder: &Path, is_needed: impl Fn(&str, SystemTime) -> bool) -> Result<(), Error> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::at(folder)(error)),
    };
    for entry in entries {
        let entry = entry.map_err(Error::at(folder))?;
        let path = entry.path();
        let meta = entry.metadata().map_err(Error::at(&path))?;
        let written = meta.modified().map_err(Error::at(&path))?;
        if meta.is_file() && !stem(&path).is_some_and(|stem| is_needed(&stem, written)) {
            fs::remove_file(&path).map_err(Error::at(&path))?;
        }
    }
    // If something is left in it, it stays.
    drop(fs::remove_dir(folder));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_wants_goes_with_all_that_belongs_to_it() {
        let home = tempfile::tempdir().unwrap();
        let folder = downloads_folder(home.path());
        let ids = ["A", "B", "C"].map(|id| FileId::parse(id).unwrap());
        let fill = || {
            fs::create_dir_all(&folder).unwrap();
            for id in &ids {
                let kept = kept_at(&folder, id);
                fs::write(&kept, "x").unwrap();
                fs::write(kept.with_extension("content"), "{}").unwrap();
            }
        };
        let left = || fs::read_dir(&folder).map_or(0, Iterator::count);
        fill();
        forget_kept(&folder, &ids[..1]).unwrap();
        assert_eq!(left(), 4);
        keep_downloads(&folder, &ids[..2]).unwrap();
        assert_eq!(left(), 2);
        keep_downloads(&folder, &[]).unwrap();
        assert!(!folder.exists());
        keep_downloads(&folder, &[]).unwrap();
        fill();
        let written = fs::metadata(kept_at(&folder, &ids[0])).unwrap().modified().unwrap();
        let written = written.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_micros() as i64;
        let day = 24 * 3600 * 1_000_000;
        for (days, expected) in [(-1, 6), (6, 6), (8, 0)] {
            sweep_downloads(&folder, Timestamp::from_micros(written + days * day)).unwrap();
            assert_eq!(left(), expected, "after {days} days");
        }
    }
}
