//! Uploads one half of a dataset as a collection, and keeps its readers as they should be.
//!
//! All ids are made beforehand and the record is saved after each step, so it is safe to call
//! [`publish`] again after a crash at any point: what was created meanwhile answers that it exists.
//! Readers come last; nobody ever sees half a dataset. What it replaces goes when its readers have the
//! new one, or, for those who cannot tell new from old, right before.
//!
//! Costs one request for each file, one for the folder, one for the ids, one for each hundred readers,
//! and one for a private half, to see that nobody else can look into its place.
//!
//! Large files are gone on with where an earlier process was killed ([`publish_with`]): what proves that
//! the rest belongs to the same content is the digest that is looked at before each try.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::StreamExt as _;

use super::carrying::{Carrier, forget_kept};
use super::collection::{ANY_TAG, CollectionName, Half, members};
use super::folding::fold;
use super::local::{half_folder, public_files, read_metadata};
use super::metadata::{Audience, METADATA_BYTES_MAX, METADATA_FILE, PRIVATE_METADATA_FILE};
use super::publication::{
    Draft, DraftFile, FileStep, Publication, Readers, shares_due, unshares_due,
};
use super::{DatasetName, Error, files};
use crate::connections::{
    self, Connection, Content, Direction, Entry, Far, FileId, LARGE_BYTES_MIN, NewEntry, Sending,
    kept_at,
};
use crate::model::{DatasitePath, Digest, Email};

const PARALLEL: usize = connections::AT_ONCE;
const IDS_MAX: usize = 1_000; // what a connection makes in one call
const IN_MEMORY_BYTES_MAX: u64 = 5 * 1024 * 1024;
const FILE_MEDIA_TYPE: &str = "application/octet-stream";
const FOLDER_MEDIA_TYPE: &str = "application/vnd.google-apps.folder";

/// What came of a call of [`publish`].
#[derive(Debug, Default)]
pub struct Published {
    /// Accounts that could not be given, or kept from, access, and why. Tried again next time.
    pub problems: Vec<(Email, connections::Error)>,
}

/// Keeps the record; called after each step.
pub type Save<'a> =
    dyn FnMut(&Publication) -> Result<(), Box<dyn std::error::Error + Send + Sync>> + Send + 'a;

/// Looks at one half of a dataset of `me` and says what its collection would be. Reads all files.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Metadata`], [`Error::Refused`], [`Error::Io`].
pub fn draft(syftbox: &Path, me: &Email, name: &DatasetName, half: Half) -> Result<Draft, Error> {
    let folder = half_folder(syftbox, me, name, half);
    if !folder.is_dir() {
        return Err(Error::NotFound { owner: me.clone(), name: name.clone() });
    }
    let (which, paths) = match half {
        Half::Public => ("mock", public_files(&folder, &read_metadata(&folder)?, me, name)?),
        Half::Private => ("private", files::tree(&folder, false)?.into_keys().collect()),
    };
    let members = members(half, &paths).map_err(|refusal| Error::Refused {
        which,
        path: folder.clone(),
        refusal,
    })?;
    let nested: Vec<DatasitePath> =
        members.values().filter(|path| path.parent().is_some()).cloned().collect();
    let description = description(half);
    let folded = match members.get(description).filter(|_| !nested.is_empty()) {
        Some(path) => files::read_small(&path.below(&folder), METADATA_BYTES_MAX)?
            .and_then(|content| fold(half, &content, me, name, &nested)),
        None => None,
    };
    let instead = folded.as_deref().map(|content| (description, content));
    let (hash, digests) = files::collection_digests(&folder, &members, instead)?;
    let in_box = |path: &DatasitePath| {
        DatasitePath::parse(&format!("{me}/{}/{name}/{path}", half.folder()))
            .map_err(|source| Error::Path { path: path.below(&folder), source })
    };
    let files = members.iter().zip(digests.into_values()).map(|((name, path), digested)| {
        let (digest, size_bytes) = digested;
        Ok(DraftFile { name: name.clone(), path: in_box(path)?, size_bytes, digest })
    });
    let files = files.collect::<Result<_, Error>>()?;
    Ok(Draft { name: CollectionName { half, dataset: name.clone(), hash }, files })
}

const fn description(half: Half) -> &'static str {
    match half {
        Half::Public => METADATA_FILE,
        Half::Private => PRIVATE_METADATA_FILE,
    }
}

/// Makes the record of an upload into the folder `parent`: all of its ids, nothing done yet. A
/// private half has no audience, whatever `audience` says.
///
/// # Errors
/// [`Error::Connection`].
pub async fn prepare(
    connection: &dyn Connection,
    draft: Draft,
    parent: FileId,
    audience: Audience,
) -> Result<Publication, Error> {
    let mut missing = draft.files.len() + 1;
    let mut ids = Vec::with_capacity(missing);
    while missing > 0 {
        let made = connection.new_ids(missing.min(IDS_MAX)).await?;
        missing = missing.saturating_sub(made.len().max(1));
        ids.extend(made);
    }
    let mut ids = ids.into_iter();
    let short = || connections::Error::Invalid {
        service: "the service",
        what: "fewer ids than asked for".to_owned(),
    };
    let folder = ids.next().ok_or_else(short)?;
    let files = draft.files.into_iter().map(|file| {
        let id = ids.next().ok_or_else(short)?;
        Ok(FileStep { id, file, done: false })
    });
    let files = files.collect::<Result<_, connections::Error>>()?;
    let audience = match draft.name.half {
        Half::Public => audience,
        Half::Private => Audience::Nobody,
    };
    let labelled_any = audience == Audience::Any;
    let (name, folder_done, shared_with, replaces) = (draft.name, false, Vec::new(), Vec::new());
    Ok(Publication {
        name,
        folder,
        parent,
        folder_done,
        labelled_any,
        files,
        audience,
        shared_with,
        replaces,
        replaces_shared: false,
    })
}

/// Does what `publication` still lacks: folder, files, label, then readers, and the end of what it
/// replaces. `save` keeps the record after each step.
///
/// # Errors
/// [`Error::Visible`] if private files would be where others can look: nothing of them is sent;
/// [`Error::Changed`] if a local file is not what it was when the upload was prepared;
/// [`Error::Record`] if `save` fails; [`Error::Connection`]. Call again in all cases but the second.
pub async fn publish(
    connection: &dyn Connection,
    publication: &mut Publication,
    syftbox: &Path,
    readers: Readers<'_>,
    save: &mut Save<'_>,
) -> Result<Published, Error> {
    publish_with(connection, publication, syftbox, readers, &Carrier::default(), save).await
}

/// The same, with large files carried so that they go on after the end of a process.
///
/// # Errors
/// As [`publish`], and [`connections::Error::Damaged`] if a file did not arrive as it is here: it is
/// deleted, and its id used up, so that the whole has to be prepared anew.
pub async fn publish_with(
    connection: &dyn Connection,
    publication: &mut Publication,
    syftbox: &Path,
    readers: Readers<'_>,
    carrier: &Carrier,
    save: &mut Save<'_>,
) -> Result<Published, Error> {
    expect_unshared(connection, publication).await?;
    if !publication.folder_done {
        made(connection.create_folder(&folder_entry(publication)).await)?;
        publication.folder_done = true;
        save(publication).map_err(Error::Record)?;
    }
    upload(connection, publication, syftbox, carrier, save).await?;
    let for_any = publication.audience == Audience::Any;
    if publication.labelled_any != for_any {
        connection.tag(&publication.folder, ANY_TAG, for_any.then_some("true")).await?;
        publication.labelled_any = for_any;
        save(publication).map_err(Error::Record)?;
    }
    if publication.replaces.is_empty() {
        return adjust_readers(connection, publication, readers, |_| true, save).await;
    }
    // Whoever chooses sees the new one first, and is never without; the others see one at a time.
    let chooses = |who: &Email| readers.choosing.iter().any(|c| c.is_same_account(who.as_str()));
    let mut published = adjust_readers(connection, publication, readers, chooses, save).await?;
    for outcome in connection.delete(&publication.replaces).await? {
        outcome?;
    }
    publication.replaces.clear();
    save(publication).map_err(Error::Record)?;
    let others = |who: &Email| !chooses(who);
    let rest = adjust_readers(connection, publication, readers, others, save).await?;
    published.problems.extend(rest.problems);
    Ok(published)
}

/// Makes sure that nobody can look into the folder that private files are to go to: it lies in one
/// that a person can share in a browser, as any other.
async fn expect_unshared(
    connection: &dyn Connection,
    publication: &Publication,
) -> Result<(), Error> {
    let folder = if publication.folder_done { &publication.folder } else { &publication.parent };
    if publication.name.half == Half::Public
        || publication.is_uploaded()
        || connection.is_unshared(folder).await?
    {
        return Ok(());
    }
    Err(Error::Visible { name: publication.name.dataset.clone() })
}

fn folder_entry(publication: &Publication) -> NewEntry {
    let label = publication.labelled_any.then(|| (ANY_TAG.to_owned(), "true".to_owned()));
    NewEntry {
        id: Some(publication.folder.clone()),
        parent: publication.parent.clone(),
        name: publication.name.to_string(),
        media_type: FOLDER_MEDIA_TYPE,
        tags: label.into_iter().collect(),
    }
}

/// What exists under an id that we made for it was created by an earlier try.
fn made(answer: connections::Result<Entry>) -> Result<(), Error> {
    match answer {
        Ok(_) | Err(connections::Error::AlreadyExists { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Uploads the files that are not there yet, a few at a time. After an error no more are begun.
async fn upload(
    connection: &dyn Connection,
    publication: &mut Publication,
    syftbox: &Path,
    carrier: &Carrier,
    save: &mut Save<'_>,
) -> Result<(), Error> {
    let steps = publication.files.iter().cloned().enumerate().filter(|(_, step)| !step.done);
    let due: Vec<(usize, FileStep)> = steps.collect();
    let (parent, half, dataset) =
        (publication.folder.clone(), publication.name.half, publication.name.dataset.clone());
    let nested = publication.nested();
    let total_bytes = due.iter().map(|(_, step)| step.file.size_bytes).sum();
    let load = carrier.traffic.begin(Direction::Up, total_bytes);
    let stop = AtomicBool::new(false);
    let begun = futures::stream::iter(due)
        .take_while(|_| std::future::ready(!stop.load(Ordering::Relaxed)));
    let mut uploads = begun
        .map(|(index, step)| {
            let (parent, name, nested) = (&parent, &dataset, nested.clone());
            let folding = Folding { half, name: name.clone(), nested };
            let heard = load.file(step.file.size_bytes);
            let kept = carrier.kept.as_deref().map(|folder| kept_at(folder, &step.id));
            let large = step.file.size_bytes >= LARGE_BYTES_MIN && connection.resumes();
            let digest = step.file.digest;
            let sending =
                kept.filter(|_| large).map(|kept| Sending { digest, kept, heard: heard.clone() });
            async move {
                let sent = upload_one(connection, &step, parent, syftbox, folding, sending).await;
                if sent.is_ok() {
                    heard.tell(Far::At(step.file.size_bytes));
                }
                (index, sent)
            }
        })
        .buffer_unordered(PARALLEL);
    let mut first = None;
    while let Some((index, result)) = uploads.next().await {
        let result = result.and_then(|()| {
            publication.files[index].done = true;
            save(publication).map_err(Error::Record)?;
            // Only now: who is killed before finds all of it there, and sends nothing again.
            match &carrier.kept {
                Some(kept) => forget_kept(kept, [&publication.files[index].id]),
                None => Ok(()),
            }
        });
        if let Err(error) = result {
            stop.store(true, Ordering::Relaxed);
            first.get_or_insert(error);
        }
    }
    first.map_or(Ok(()), Err)
}

/// What is to be known for the description of a half to become what travels.
struct Folding {
    half: Half,
    name: DatasetName,
    nested: Vec<DatasitePath>,
}

async fn upload_one(
    connection: &dyn Connection,
    step: &FileStep,
    parent: &FileId,
    syftbox: &Path,
    folding: Folding,
    sending: Option<Sending>,
) -> Result<(), Error> {
    let file = step.file.clone();
    let path = file.path.below(syftbox);
    let content = tokio::task::spawn_blocking(move || content_of(&path, &file, &folding))
        .await
        .map_err(|error| Error::at(&step.file.path.below(syftbox))(error.into()))??;
    let new = NewEntry {
        id: Some(step.id.clone()),
        parent: parent.clone(),
        name: step.file.name.clone(),
        media_type: FILE_MEDIA_TYPE,
        tags: BTreeMap::new(),
    };
    if let (Some(sending), Content::File(path)) = (sending, &content) {
        connection.send(&new, path, &sending).await?;
        return Ok(());
    }
    made(connection.create_file(&new, content).await)
}

/// Checks that a file is what it was. Small ones are read once, so that what was checked is what is
/// sent; large ones are streamed later.
fn content_of(path: &Path, file: &DraftFile, folding: &Folding) -> Result<Content, Error> {
    let changed = || Error::Changed { path: file.path.clone() };
    let gone = |error| match error {
        Error::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound => changed(),
        error => error,
    };
    let Folding { half, name, nested } = folding;
    if file.size_bytes <= IN_MEMORY_BYTES_MAX {
        let read = files::read_small(path, IN_MEMORY_BYTES_MAX).map_err(gone)?;
        let mut content = read.ok_or_else(changed)?;
        if file.name == description(*half)
            && let Some(owner) = file.path.parts().next().and_then(|part| Email::parse(part).ok())
            && let Some(folded) = fold(*half, &content, &owner, name, nested)
        {
            content = folded;
        }
        if Digest::of(&content) == file.digest {
            return Ok(Content::Bytes(content.into()));
        }
    } else if files::digest(path).map_err(gone)? == (file.digest, file.size_bytes) {
        return Ok(Content::File(path.to_owned()));
    }
    Err(changed())
}

/// Takes access away first, then gives it to those of whom `is_their_turn` holds: all grants in one
/// call, as the last thing.
async fn adjust_readers(
    connection: &dyn Connection,
    publication: &mut Publication,
    readers: Readers<'_>,
    is_their_turn: impl Fn(&Email) -> bool + Send,
    save: &mut Save<'_>,
) -> Result<Published, Error> {
    let mut published = Published::default();
    for (id, who) in unshares_due(std::slice::from_ref(publication), readers.approved) {
        match connection.unshare(&id, &who).await {
            Ok(()) => publication.note_unshared(&who),
            Err(error) => published.problems.push((who, error)),
        }
        save(publication).map_err(Error::Record)?;
    }
    let mut grants = shares_due(std::slice::from_ref(publication), readers.approved);
    grants.retain(|grant| is_their_turn(&grant.to));
    if grants.is_empty() {
        return Ok(published);
    }
    let answers = connection.share(&grants, false).await?;
    for (grant, answer) in grants.into_iter().zip(answers) {
        match answer {
            Ok(()) => publication.note_shared(&grant.to),
            Err(error) => published.problems.push((grant.to, error)),
        }
    }
    save(publication).map_err(Error::Record)?;
    Ok(published)
}
