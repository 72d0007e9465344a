//! The note that a deletion was begun, or is done, in a file beside the sign-in: it outlives the
//! SyftBox and the state database, which go with the deletion.

use std::path::{Path, PathBuf};

use super::{Result, What};
use crate::caches::{self, write_private_file};

/// What is noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Note {
    /// It may be half done.
    Begun(What),
    /// It is done, and what was on the drive is gone on purpose.
    Done(What),
}

const FILE: &str = "deleted";

fn place(folder: &Path) -> PathBuf {
    folder.join(FILE)
}

const fn word(what: What) -> &'static str {
    match what {
        What::Local => "local",
        What::Remote => "remote",
        What::Both => "both",
    }
}

/// Reads the note in the private folder of an account. A note that makes no sense is one of a deletion
/// of everything that was begun: whoever wrote it meant to delete.
pub(super) fn read(folder: &Path) -> Result<Option<Note>> {
    let path = place(folder);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(caches::Error::at(&path, "read")(error).into()),
    };
    let (state, what) = text.trim().split_once(' ').unwrap_or_default();
    let all = [What::Local, What::Remote, What::Both];
    let what = all.into_iter().find(|known| word(*known) == what).unwrap_or(What::Both);
    Ok(Some(if state == "done" { Note::Done(what) } else { Note::Begun(what) }))
}

/// Writes the note through to the disk, or removes it.
pub(super) fn write(folder: &Path, note: Option<Note>) -> Result<()> {
    let path = place(folder);
    let text = match note {
        Some(Note::Begun(what)) => format!("begun {}\n", word(what)),
        Some(Note::Done(what)) => format!("done {}\n", word(what)),
        None => {
            return match std::fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    Err(caches::Error::at(&path, "deleted")(error).into())
                }
                _ => Ok(()),
            };
        }
    };
    std::fs::create_dir_all(folder).map_err(caches::Error::at(folder, "created"))?;
    Ok(write_private_file(&path, text.as_bytes())?)
}
