//! The pip that comes with a Python, unpacked once and shared by all that is installed with it.
//!
//! A Python puts its pip into each environment that it makes, which takes some seconds each time; and
//! no job needs one. It is of the Python's own installation, so nothing of a stranger is in it. It is
//! shown to installers without the right to write, and they bring it into no environment.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use super::kept::{Lock, protect, sync};
use super::{EnvironmentCache, Making, Wanted, short};
use crate::jobs::installer::{Installer, Steps};
use crate::jobs::leftovers::{PARTIAL_PREFIX, TOOLS};

impl EnvironmentCache {
    /// Returns where the pip of the installer's Python lies; `None` if it needs none, or has to make
    /// one in each environment.
    pub(super) async fn pip(
        &self,
        installer: &Installer,
        wanted: &Wanted<'_>,
        by: &Making<'_>,
    ) -> io::Result<Option<PathBuf>> {
        let Some((python, archive)) = installer.pip_archive() else { return Ok(None) };
        let about = archive.metadata()?;
        let program = &python.program;
        let key = short(&serde_json::json!(["pip", program, archive, about.len(), about.mtime()]));
        let tools = self.folder.join(TOOLS);
        let place = tools.join(&key);
        if place.is_dir() {
            return Ok(Some(place));
        }
        std::fs::create_dir_all(&tools)?;
        let lock = Lock::wait(&tools.join(format!("{key}.lock")), by.wish).await?;
        if lock.is_none() || place.is_dir() {
            return Ok(lock.map(|_| place));
        }
        let partial = tempfile::Builder::new().prefix(PARTIAL_PREFIX).tempdir_in(&tools)?;
        let steps = Steps { folder: partial.path(), wanted, by };
        if installer.unpack_pip(&steps, &archive).await?.is_err() {
            return Ok(None);
        }
        protect(partial.path())?;
        sync(partial.path())?;
        std::fs::rename(partial.keep(), &place)?;
        Ok(Some(place))
    }
}
