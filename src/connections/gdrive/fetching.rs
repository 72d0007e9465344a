//! Fetches a large file in a download that outlives the process.
//!
//! What comes is written to the end of a file of its own, beside which stands of which content it is:
//! id, length and checksums, as the service told them before the first byte. Whatever is there of the
//! same content is read again, for its checksum, and gone on from; what is of another content is
//! deleted. A whole file stays until its caller removes it, so that nothing is fetched twice if the
//! process dies between the last byte and the moment when the file is in its place.
//!
//! One request more than a plain download: what the service says of the file. Without a checksum there
//! is no telling whether the content is the same, and nothing of an earlier process is used.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use drive_api::{Begun, Drive, Progress};
use serde::{Deserialize, Serialize};

use super::SERVICE;
use super::translate::failed;
use crate::caches::write_private_file;
use crate::connections::transfer::{Far, Fetching, make_private, with_ending};
use crate::connections::{Error, FileId, Result};
use crate::model::Digest;

/// The ending of the file that says what is kept.
const ENDING: &str = "content";
const FORMAT: u32 = 1;
/// Content that changes while it is fetched is begun anew so often.
const TRIES_MAX: usize = 2;

/// Several files come at once, and each holds so many bytes on their way to the disk.
const WRITTEN_AT_ONCE: usize = 128 * 1024;

/// Of which content something is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Version {
    format: u32,
    id: String,
    size_bytes: u64,
    md5: Option<String>,
    sha256: Option<String>,
}

impl Version {
    /// Asks which content a file has. Its MD5 counts where the service has no SHA-256 of it, which is
    /// so of old files.
    async fn of(drive: &Drive, id: &FileId) -> std::result::Result<Self, drive_api::Error> {
        let file = drive.get(id.as_str()).await?;
        let md5 = match file.sha256 {
            Some(_) => None,
            None => drive.md5(id.as_str()).await?,
        };
        let size_bytes = file.size.unwrap_or(0);
        Ok(Self { format: FORMAT, id: id.to_string(), size_bytes, md5, sha256: file.sha256 })
    }

    const fn has_checksum(&self) -> bool {
        self.md5.is_some() || self.sha256.is_some()
    }

    /// True if it is what came, and lies at `kept`.
    async fn is_of(&self, got: &drive_api::Downloaded, kept: &Path) -> Result<bool> {
        let is_same = self.size_bytes == got.size
            && self.sha256.as_ref().is_none_or(|sha256| *sha256 == got.sha256);
        match (&self.md5, is_same) {
            (Some(md5), true) => {
                // Read for this alone, since it is rare.
                let kept = kept.to_owned();
                let found = blocking(move || drive_api::md5_of(&mut File::open(kept)?)).await?;
                Ok(found == *md5)
            }
            (_, is_same) => Ok(is_same),
        }
    }
}

/// Fetches the file to `to`; see [`Connection::fetch`](crate::connections::Connection::fetch).
pub(super) async fn fetch(
    drive: &Drive,
    id: &FileId,
    to: &Path,
    limit_bytes: u64,
    fetching: &Fetching,
) -> Result<Digest> {
    let mut tries = 0;
    loop {
        tries += 1;
        match try_fetch(drive, id, to, limit_bytes, fetching).await {
            // It has another length than was told: either it changed, which the next look shows, or
            // what answered was not the service, and then what came is as good as before.
            Err(Error::Invalid { .. }) if tries < TRIES_MAX => {}
            Err(Error::Damaged { service }) => {
                remove(&fetching.kept)?;
                if tries == TRIES_MAX {
                    return Err(Error::Damaged { service });
                }
            }
            Err(Error::Io(error)) if is_full(&error) => {
                // A disk that is full is everybody's trouble: what came makes room again.
                remove(&fetching.kept)?;
                return Err(Error::Io(error));
            }
            done => return done,
        }
    }
}

async fn try_fetch(
    drive: &Drive,
    id: &FileId,
    to: &Path,
    limit_bytes: u64,
    fetching: &Fetching,
) -> Result<Digest> {
    let told = |error| failed(error, id, "read this");
    let version = Version::of(drive, id).await.map_err(told)?;
    if version.size_bytes > limit_bytes {
        return Err(Error::TooLarge { limit_bytes });
    }
    let (kept, wanted) = (fetching.kept.clone(), version.clone());
    let (begun, file) = blocking(move || take_up(&kept, &wanted)).await?;
    if begun.size() > 0 {
        fetching.heard.tell(Far::Before(begun.size()));
    }
    expect_room(&fetching.kept, version.size_bytes - begun.size())?;
    let heard = fetching.heard.clone();
    let told_drive =
        drive.with_progress(Progress::new(Arc::new(move |at| heard.tell(Far::At(at)))));
    let mut writer = tokio::fs::File::from_std(file);
    writer.set_max_buf_size(WRITTEN_AT_ONCE);
    let got = told_drive.download_rest(id.as_str(), begun, version.size_bytes, &mut writer).await;
    // Also what came before an error: nothing may be on its way to the file when it is opened again.
    let flushed = tokio::io::AsyncWriteExt::flush(&mut writer).await;
    let got = got.map_err(told)?;
    flushed?;
    drop(writer);
    if !version.is_of(&got, &fetching.kept).await? {
        return Err(Error::Damaged { service: SERVICE });
    }
    place(&fetching.kept, to)?;
    fetching.heard.tell(Far::At(version.size_bytes));
    Digest::parse(&got.sha256)
        .map_err(|error| Error::Invalid { service: SERVICE, what: error.to_string() })
}

/// Opens what is kept of this version, to write behind it; if there is nothing of use, begins anew.
fn take_up(kept: &Path, wanted: &Version) -> io::Result<(Begun, File)> {
    let told = fs::read(with_ending(kept, ENDING)).ok();
    let told = told.and_then(|text| serde_json::from_slice::<Version>(&text).ok());
    if told.as_ref() == Some(wanted)
        && wanted.has_checksum()
        && let Some(found) = open_kept(kept, wanted.size_bytes)?
    {
        return Ok(found);
    }
    remove(kept)?;
    if let Some(folder) = kept.parent() {
        make_private(folder)?;
    }
    let text = serde_json::to_vec(wanted)?;
    write_private_file(&with_ending(kept, ENDING), &text).map_err(io::Error::other)?;
    let file = OpenOptions::new().append(true).create_new(true).open(kept)?;
    Ok((Begun::default(), file))
}

/// Opens what is kept; `None` if there is nothing, too much, or something that is in use under
/// another name, which must never be written to.
fn open_kept(kept: &Path, size_bytes: u64) -> io::Result<Option<(Begun, File)>> {
    let mut file = match OpenOptions::new().read(true).append(true).open(kept) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let meta = file.metadata()?;
    let is_shared = std::os::unix::fs::MetadataExt::nlink(&meta) > 1;
    if meta.len() > size_bytes || is_shared {
        return Ok(None);
    }
    Ok(Some((Begun::read(&mut file)?, file)))
}

/// Gives what is kept its other name. Where a file cannot have two, it moves.
fn place(kept: &Path, to: &Path) -> io::Result<()> {
    match fs::hard_link(kept, to) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            if to.symlink_metadata().is_ok() {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            fs::rename(kept, to)
        }
        linked => linked,
    }
}

/// Removes what is kept and what is said of it.
fn remove(kept: &Path) -> io::Result<()> {
    for path in [kept.to_owned(), with_ending(kept, ENDING)] {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Refuses what the disk has no room for, before it is full.
fn expect_room(kept: &Path, bytes: u64) -> Result<()> {
    let folder: PathBuf = kept.parent().unwrap_or(Path::new(".")).to_owned();
    let Ok(found) = rustix::fs::statvfs(&folder) else { return Ok(()) };
    let free = found.f_bavail.saturating_mul(found.f_frsize);
    if free >= bytes {
        return Ok(());
    }
    let text = format!("the disk has no room: {bytes} bytes are to come, {free} are free");
    Err(Error::Io(io::Error::new(io::ErrorKind::StorageFull, Room(text))))
}

/// No room for what is to come; what has come does not have to go.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Room(String);

/// True if the disk takes no more of it.
fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    let is_foreseen = error.get_ref().is_some_and(|inner| inner.is::<Room>());
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge) && !is_foreseen
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    Ok(done.map_err(io::Error::other)??)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(size_bytes: u64, md5: Option<&str>) -> Version {
        let md5 = md5.map(str::to_owned);
        Version { format: FORMAT, id: "A".to_owned(), size_bytes, md5, sha256: None }
    }

    #[test]
    fn only_a_beginning_of_the_same_content_is_gone_on_with() {
        let folder = tempfile::tempdir().unwrap();
        let kept = folder.path().join("downloads/x");
        let wanted = version(4, Some("m"));
        let begin = |wanted: &Version, content: &str| {
            drop(take_up(&kept, &version(4, Some("other"))).unwrap());
            drop(take_up(&kept, wanted).unwrap());
            fs::write(&kept, content).unwrap();
        };
        #[rustfmt::skip]
        let cases = [
            ("the same",         version(4, Some("m")), "ab",    2),
            ("nothing came",     version(4, Some("m")), "",      0),
            ("all came",         version(4, Some("m")), "abcd",  4),
            ("more came",        version(4, Some("m")), "abcde", 0),
            ("other content",    version(4, Some("n")), "ab",    0),
            ("another length",   version(5, Some("m")), "ab",    0),
            ("none can tell",    version(4, None),      "ab",    0),
        ];
        for (what, now, content, expected) in cases {
            begin(if now.has_checksum() { &wanted } else { &now }, content);
            assert_eq!(take_up(&kept, &now).unwrap().0.size(), expected, "{what}");
        }
        // What has another name may be somebody's file by now.
        begin(&wanted, "ab");
        let other = folder.path().join("other");
        place(&kept, &other).unwrap();
        assert!(place(&kept, &other).is_err(), "what is there is not overwritten");
        assert_eq!(take_up(&kept, &wanted).unwrap().0.size(), 0);
        assert_eq!(fs::read(&other).unwrap(), b"ab");
        // What is said of it is no version.
        begin(&wanted, "ab");
        fs::write(with_ending(&kept, ENDING), "{}").unwrap();
        assert_eq!(take_up(&kept, &wanted).unwrap().0.size(), 0);
    }

    #[tokio::test]
    async fn what_came_is_compared_with_whatever_the_service_tells_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let kept = folder.path().join("x");
        fs::write(&kept, "abcd").unwrap();
        let (md5, other) = ("e2fc714c4727ee9395f324cd2e7f331f", "900150983cd24fb0d6963f7d28e17f72");
        let got = drive_api::Downloaded { size: 4, sha256: "s".to_owned() };
        let sha256 = |text: &str| Version { sha256: Some(text.to_owned()), ..version(4, None) };
        #[rustfmt::skip]
        let cases = [
            ("its MD5",        version(4, Some(md5)),   true),
            ("another MD5",    version(4, Some(other)), false),
            ("another length", version(5, Some(md5)),   false),
            ("its SHA-256",    sha256("s"),             true),
            ("another",        sha256("t"),             false),
            ("none can tell",  version(4, None),        true),
        ];
        for (what, version, is) in cases {
            assert_eq!(version.is_of(&got, &kept).await.unwrap(), is, "{what}");
        }
    }

    #[test]
    fn what_the_disk_has_no_room_for_is_refused_and_nothing_lost() {
        let folder = tempfile::tempdir().unwrap();
        let kept = folder.path().join("x");
        assert!(expect_room(&kept, 1).is_ok());
        let Err(Error::Io(error)) = expect_room(&kept, u64::MAX) else { panic!("there is room") };
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert!(!is_full(&error));
        assert!(is_full(&io::ErrorKind::StorageFull.into()));
    }
}
