//! Drive's words and ours: files, queries, errors. Pure.

use drive_api::Error as DriveError;
use drive_api::auth::SignInError;

use super::SERVICE;
use crate::connections::{
    Barrier, Change, Entry, Error, FileId, Kind, NameIs, Ownership, Query, Result,
};
use crate::model::Email;

const TEXT_BYTES_MAX: usize = 2_000; // each of folders and names: thrice that, escaped, fits a URL

/// Reads an id.
pub(super) fn id(text: &str) -> Result<FileId> {
    FileId::parse(text)
        .map_err(|error| Error::Invalid { service: SERVICE, what: error.to_string() })
}

/// Reads a file.
pub(super) fn entry(file: drive_api::File) -> Result<Entry> {
    let micros = |time: Option<chrono::DateTime<chrono::Utc>>| {
        time.map_or(0, |time| time.timestamp_micros())
    };
    Ok(Entry {
        id: id(&file.id)?,
        kind: if file.is_folder() { Kind::Folder } else { Kind::File },
        size_bytes: file.size.unwrap_or(0),
        owner: file.owners.iter().find_map(|owner| Email::parse(owner).ok()),
        is_mine: file.owned_by_me,
        parents: file.parents.iter().map(|parent| id(parent)).collect::<Result<_>>()?,
        created_micros: micros(file.created_time),
        revision: micros(file.modified_time),
        tags: file.app_properties,
        name: file.name,
    })
}

/// Reads a change. What is in the trash is gone.
pub(super) fn change(change: drive_api::Change) -> Result<Change> {
    match change.file {
        Some(file) if !change.removed && !file.trashed => Ok(Change::Present(entry(file)?)),
        _ => Ok(Change::Gone(id(&change.id)?)),
    }
}

/// A search that Drive can make.
#[derive(Debug)]
pub(super) struct Search {
    pub(super) query: drive_api::Query,
    /// The folders that it looks into; any if empty.
    pub(super) folders: Vec<FileId>,
}

/// Returns the searches that together find what `query` describes: one, unless it is too long for
/// a URL.
pub(super) fn searches(query: &Query) -> Vec<Search> {
    use drive_api::Query as Drive;
    let mut base = Drive::all().not_trashed();
    base = match query.kind {
        None => base,
        Some(Kind::File) => base.files(),
        Some(Kind::Folder) => base.folders(),
    };
    base = match &query.owner {
        None => base,
        Some(Ownership::Mine) => base.mine(),
        Some(Ownership::NotMine) => base.not_mine(),
        Some(Ownership::Of(email)) => base.owned_by(email.as_str()),
    };
    let name = |name: &NameIs| match name {
        NameIs::Exactly(text) => Drive::all().named(text),
        // Everything is like nothing, and Drive does not search for nothing.
        NameIs::Like(text) if text.is_empty() => Drive::all(),
        NameIs::Like(text) => Drive::all().name_contains(text),
    };
    let name_bytes = |name: &NameIs| match name {
        NameIs::Exactly(text) | NameIs::Like(text) => text.len() + 20,
    };
    let mut searches = Vec::new();
    for folders in chunks(&query.parents, |id| id.as_str().len() + 20) {
        let mut each: Vec<_> =
            folders.iter().map(|id| Drive::all().in_folder(id.as_str())).collect();
        if let (true, Some((folder, name))) = (folders.len() > 1, &query.witness) {
            each.push(Drive::all().in_folder(folder.as_str()).named(name));
        }
        let in_folders = base.clone().any_of(each);
        for names in chunks(&query.names, name_bytes) {
            let query = in_folders.clone().any_of(names.iter().map(name).collect());
            searches.push(Search { query, folders: folders.to_vec() });
        }
    }
    searches
}

/// Splits `items` so that no part is longer than a query can be, unless it is one item; an empty
/// list is one part.
fn chunks<T>(items: &[T], bytes: impl Fn(&T) -> usize) -> Vec<&[T]> {
    let mut parts = Vec::new();
    let (mut start, mut size) = (0, 0);
    for (at, item) in items.iter().enumerate() {
        size += bytes(item);
        if size > TEXT_BYTES_MAX && at > start {
            parts.push(&items[start..at]);
            (start, size) = (at, bytes(item));
        }
    }
    parts.push(&items[start..]);
    parts
}

/// What Drive's error about `subject` means to a caller who tried to do `what`.
pub(super) fn failed(error: DriveError, subject: &FileId, what: &str) -> Error {
    let service = SERVICE;
    if let Some(barrier) = barrier(&error) {
        return Error::Barred { barrier, why: error.into() };
    }
    match error {
        DriveError::NotFound { .. } => Error::NotFound { id: subject.clone() },
        DriveError::AlreadyExists { .. } => Error::AlreadyExists { id: subject.clone() },
        DriveError::Denied { .. } | DriveError::Rejected { .. } => {
            Error::Denied { service, what: what.to_owned(), source: error.into() }
        }
        DriveError::RateLimited { retry_after, .. } => Error::RateLimited { service, retry_after },
        DriveError::SignedOut { source: SignInError::Unavailable { source } } => {
            Error::Unavailable { service: "the sign-in server", source }
        }
        DriveError::Unauthorized { .. } | DriveError::SignedOut { .. } => {
            Error::SignedOut { service, source: error.into() }
        }
        // A limit on how much lies there is space; one on how much is done in a time is patience.
        DriveError::QuotaExceeded { ref reason, .. }
            if reason.contains("Rate") || reason.starts_with("daily") =>
        {
            Error::RateLimited { service, retry_after: None }
        }
        DriveError::QuotaExceeded { .. } => Error::Full { service },
        DriveError::Invalid { .. } => Error::Invalid { service, what: error.to_string() },
        DriveError::TooLarge { limit_bytes, .. } => Error::TooLarge { limit_bytes },
        DriveError::Io { source, .. } => Error::Io(source),
        DriveError::Unavailable { source, .. } => Error::Unavailable { service, source },
        error => Error::Unavailable { service, source: error.into() },
    }
}

fn barrier(error: &DriveError) -> Option<Barrier> {
    match error {
        DriveError::ApiOff { project } => Some(Barrier::ApiOff { project: project.clone() }),
        DriveError::ScopeMissing => Some(Barrier::ScopeMissing),
        DriveError::Policy { .. } => Some(Barrier::AdminPolicy),
        DriveError::SignedOut { source } => Barrier::of(source),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_query_is_several() {
        let parents: Vec<FileId> =
            (0..100).map(|at| FileId::parse(&format!("{at:033}")).unwrap()).collect();
        let names: Vec<NameIs> = (0..20).map(|at| NameIs::Exactly(format!("{at:0180}"))).collect();
        let query = Query { parents, names, ..Query::default() };
        let parts = searches(&query);
        assert_eq!(parts.len(), 6, "three of folders times two of names");
        for part in &parts {
            assert!(part.query.render().unwrap().len() < 3 * TEXT_BYTES_MAX);
        }
        assert_eq!(searches(&Query::default()).len(), 1);
        let huge = Query::default().named(&"n".repeat(9_000)).named("small");
        assert_eq!(searches(&huge).len(), 2, "what is too long goes alone");
    }

    #[test]
    fn a_witness_is_asked_for_with_each_part_that_has_several_folders() {
        let parents: Vec<FileId> =
            (0..41).map(|at| FileId::parse(&format!("{at:033}")).unwrap()).collect();
        let witness = Some((FileId::parse("root").unwrap(), "it's".to_owned()));
        for (folders, parts) in [(1, vec![false]), (2, vec![true]), (38, vec![true, false])] {
            let parents = parents[..folders].to_vec();
            let query = Query { parents, witness: witness.clone(), ..Query::default() };
            let asked = searches(&query).into_iter().map(|part| {
                let text = part.query.render().unwrap();
                text.contains(r"('root' in parents and name = 'it\'s')") && part.folders.len() > 1
            });
            assert_eq!(asked.collect::<Vec<_>>(), parts, "{folders} folders");
        }
    }

    #[test]
    fn a_limit_on_space_is_not_a_limit_on_speed() {
        let id = FileId::parse("x").unwrap();
        let quota = |reason: &str| {
            let error =
                DriveError::QuotaExceeded { what: "it".to_owned(), reason: reason.to_owned() };
            failed(error, &id, "share this").is_retryable()
        };
        #[rustfmt::skip]
        let cases = [
            ("storageQuotaExceeded",                 false),
            ("activeItemCreationLimitExceeded",      false),
            ("numChildrenInNonRootLimitExceeded",    false),
            ("sharingRateLimitExceeded",             true),
            ("dailyLimitExceeded",                   true),
        ];
        for (reason, retryable) in cases {
            assert_eq!(quota(reason), retryable, "{reason}");
        }
    }
}
