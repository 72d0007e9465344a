//! What the doctor sees of this machine: versions, folders, space, the state of an account, and the
//! programs that jobs need.

use std::net::Ipv4Addr;
use std::path::Path;

use tokio::net::{TcpListener, TcpStream};

use super::{Finding, State, plan};
use crate::caches::{self, Folders, Store, SyncLock, packs};
use crate::client::{Client, Configuration, Error};
use crate::jobs::{self, Confinement};
use crate::model::{Code, Email, Role};
use crate::wire::Dialect;

pub(super) fn versions() -> Finding {
    let spoken = Dialect::all().map(|dialect| dialect.client_version.to_string()).join(" and ");
    let (own, system, processor) =
        (env!("CARGO_PKG_VERSION"), std::env::consts::OS, std::env::consts::ARCH);
    Finding::well(
        "versions",
        format!("syft {own}, which works with Python clients {spoken}, on {system} {processor}"),
    )
}

/// Both folders that everything lies in, tried with a file that is gone again at once.
pub(super) fn home(configuration: &Configuration) -> Finding {
    for folder in [configuration.home(), configuration.folder()] {
        let there = nearest(folder);
        if let Err(error) = tempfile::NamedTempFile::new_in(there) {
            let text = format!("nothing can be written to `{}`: {error}", there.display());
            return Finding::trouble("home", State::Stopped, Code::HomeNotWritable, text);
        }
    }
    Finding::well("home", format!("`{}` can be written", configuration.home().display()))
}

pub(super) fn disk(configuration: &Configuration) -> Finding {
    let there = nearest(configuration.home());
    let Ok(space) = rustix::fs::statvfs(there) else {
        return Finding::not_checked("disk", "the system does not say how much space is free");
    };
    let free_bytes = space.f_bavail.saturating_mul(space.f_frsize);
    let text = format!("{} MB are free at `{}`", free_bytes / 1_000_000, there.display());
    match plan::disk(free_bytes) {
        State::Well => Finding::well("disk", text),
        state => Finding::trouble("disk", state, Code::DiskNearlyFull, text),
    }
}

/// The state database, the lock and the keys of an account. Nothing that is not there is made.
pub(super) async fn state(
    configuration: &Configuration,
    email: &Email,
    role: Role,
) -> Vec<Finding> {
    let folders = Folders::new(configuration.home(), configuration.folder(), email, role);
    let is_made = folders.database().is_file();
    let database = if is_made { Some(Store::open(&folders.database())) } else { None };
    let is_well = matches!(database, Some(Ok(_)));
    let keys = match is_well {
        true => keys(configuration, email).await,
        false => Finding::not_checked("keys", "the state database comes first"),
    };
    let chunks = match &database {
        Some(Ok(store)) => chunks(store),
        _ => None,
    };
    let mut findings = vec![
        match database {
            None => Finding::well("database", "there is none yet; the first sync makes it"),
            Some(Ok(_)) => Finding::well("database", "it can be read and is of this release"),
            Some(Err(error)) => Finding::failed("database", error.into()),
        },
        lock(&folders.syftbox),
        keys,
    ];
    findings.extend(chunks);
    findings
}

/// What of large files lies on the drive, for who wonders about files named `chunks-…`; nothing if there are
/// none.
fn chunks(store: &Store) -> Option<Finding> {
    let (count, bytes) = match store.read(packs::total) {
        Ok(total) => total,
        Err(error) => return Some(Finding::failed("chunks", error.into())),
    };
    let what = if count == 1 {
        "file with parts of large files lies"
    } else {
        "files with parts of large files lie"
    };
    let text = format!(
        "{count} {what} beside messages on the drive, {} MB before they were compressed; each goes with the last \
         message that needs it",
        bytes / 1_000_000
    );
    (count > 0).then(|| Finding::well("chunks", text))
}

fn lock(syftbox: &Path) -> Finding {
    if !syftbox.is_dir() {
        return Finding::not_checked("lock", "there is no SyftBox yet");
    }
    match SyncLock::take(syftbox, false) {
        Ok(_) => Finding::well("lock", "no other `syft` works on the SyftBox"),
        Err(caches::Error::Locked { .. }) => Finding::trouble(
            "lock",
            State::Look,
            Code::Locked,
            "another `syft` works on the SyftBox just now, or the Python client does",
        ),
        Err(error) => Finding::failed("lock", error.into()),
    }
}

async fn keys(configuration: &Configuration, email: &Email) -> Finding {
    // Whose sign-in it is is another check; what cannot be opened for that reason is told there.
    let Ok(client) = Client::open(configuration, Some(email)).await else {
        return Finding::not_checked("keys", "the account cannot be opened");
    };
    match (client.lacks_keys(), client.keys()) {
        (Err(error), _) | (_, Err(error)) => Finding::failed("keys", error),
        (Ok(true), _) => Finding::trouble(
            "keys",
            State::Stopped,
            Code::KeysMissing,
            "the account is encrypted, and its keys are not on this machine",
        ),
        (Ok(false), Ok(Some(_))) => Finding::well("keys", "the account's keys are here"),
        (Ok(false), Ok(None)) => Finding::well("keys", "the account works without encryption"),
    }
}

/// A sign-in in a browser ends at 127.0.0.1.
pub(super) async fn loopback() -> Finding {
    let attempt = async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        TcpStream::connect(listener.local_addr()?).await.map(drop)
    };
    match attempt.await {
        Ok(()) => Finding::well("loopback", "a browser on this machine can come back to it"),
        Err(error) => Finding::trouble(
            "loopback",
            State::Look,
            Code::NoLoopback,
            format!(
                "a browser cannot come back to this machine: 127.0.0.1 cannot be used ({error})"
            ),
        ),
    }
}

pub(super) async fn sandbox(path: &str) -> Finding {
    match Confinement::find(path).await {
        Ok(found) => {
            Finding::well("sandbox", format!("jobs can be confined: {}", found.strength()))
        }
        Err(error) => Finding {
            state: State::Look,
            ..Finding::failed("sandbox", Error::Job(jobs::Error::Sandbox(error)))
        },
    }
}

pub(super) fn uv(path: &str) -> Finding {
    let found = std::env::split_paths(path).map(|folder| folder.join("uv")).find(|uv| uv.is_file());
    match found {
        Some(uv) => Finding::well("uv", format!("`{}` installs what jobs need", uv.display())),
        None => Finding::well("uv", "not found; venv and pip install what jobs need, more slowly"),
    }
}

/// The folder itself, or the first above it that is there.
fn nearest(folder: &Path) -> &Path {
    folder.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connections::FileId;
    use crate::model::Digest;

    #[test]
    fn parts_of_large_files_are_counted_where_there_are_any() {
        let store = Store::in_memory().unwrap();
        assert!(chunks(&store).is_none());
        let id = |text: &str| FileId::parse(text).unwrap();
        for (name, told) in
            [("p1", "1 file with parts of large files lies"), ("p2", "2 files with")]
        {
            store
                .write(|db| {
                    packs::begin(db, &id(name), &id("inbox"), "plain")?;
                    packs::fill(db, &id(name), 4_000_000, &[Digest::of(b"x")])
                })
                .unwrap();
            let found = chunks(&store).unwrap();
            assert_eq!((found.check, found.state), ("chunks", State::Well));
            assert!(found.message.starts_with(told), "{}", found.message);
        }
        assert!(chunks(&store).unwrap().message.contains("8 MB"));
    }
}
