//! Updates of an owner's datasets, from the note that one lies ready to the note that it is to be
//! published. Whatever a crash cut short is gone on with before anything else looks at datasets.

use serde::{Deserialize, Serialize};

use crate::caches::meta;
use crate::datasets::{self, Audience, DatasetName, FileStep, Half, Publication, Staged};
use crate::model::Email;

use super::super::{Account, Result, peering};
use super::{intent_key, publications, to_json};

const UPDATE: &str = "update ";

/// An update that lies ready: from here on it is done, whatever happens.
#[derive(Debug, Serialize, Deserialize)]
struct Noted {
    #[serde(with = "name_as_text")]
    name: DatasetName,
    staged: Staged,
    publish: Vec<Half>,
    audience: Audience,
}

mod name_as_text {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    use crate::datasets::DatasetName;

    pub(super) fn serialize<S: Serializer>(name: &DatasetName, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(name)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<DatasetName, D::Error> {
        DatasetName::parse(&String::deserialize(from)?).map_err(D::Error::custom)
    }
}

/// Notes that an update lies ready, and which halves are to be published once it is in its place.
pub(crate) fn note_update(
    account: &Account,
    name: &DatasetName,
    staged: Staged,
    publish: Vec<Half>,
    audience: Audience,
) -> Result<()> {
    let noted = Noted { name: name.clone(), staged, publish, audience };
    let (key, text) = (format!("{UPDATE}{name}"), to_json(&noted)?);
    Ok(account.store.write(|db| meta::set(db, &key, &text))?)
}

/// Carries out what is noted, and removes what was built aside and never noted. Safe to repeat after
/// a crash at any point. Updates of a SyftBox that is not there wait.
///
/// # Errors
/// If the database or the disk fails.
pub(crate) fn finish_updates(account: &Account) -> Result<(), datasets::Error> {
    let syftbox = &account.folders.syftbox;
    let noted: Vec<Noted> = super::all(account, UPDATE).map_err(record)?;
    let mut waiting = Vec::new();
    for update in noted {
        let name = &update.name;
        if !datasets::put_in_place(syftbox, &account.email, name, &update.staged)? {
            waiting.push(name.clone());
            continue;
        }
        let audience = to_json(&update.audience).map_err(record)?;
        let noted = account.store.write(|db| {
            for half in &update.publish {
                meta::set(db, &intent_key(*half, name), &audience)?;
            }
            meta::remove(db, &format!("{UPDATE}{name}"))
        });
        noted.map_err(record)?;
        datasets::discard(syftbox, name)?;
    }
    datasets::sweep_staged(syftbox, |name| waiting.iter().any(|kept| kept.as_str() == name))?;
    Ok(())
}

fn record(error: impl std::error::Error + Send + Sync + 'static) -> datasets::Error {
    datasets::Error::Record(Box::new(error))
}

/// Returns the records of a dataset that was published by this machine, or restored to it.
pub(crate) fn published(account: &Account, name: &DatasetName) -> Result<Vec<Publication>> {
    let mut found = publications(account)?;
    found.retain(|publication| publication.name.dataset == *name);
    Ok(found)
}

/// What an update leaves behind at readers whose program lays new files over old ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeftOver {
    /// The names of files that are in the dataset no more.
    pub files: Vec<String>,
    /// Who may have them still.
    pub readers: Vec<Email>,
}

/// Returns what is gone between two states of a dataset, and who may have it still: readers with
/// another program than ours that have not looked between the end of the old and the new.
pub(crate) fn left_over(
    account: &Account,
    before: &[Publication],
    after: &[Publication],
) -> Result<LeftOver> {
    let public = |all: &[Publication]| {
        all.iter().find(|publication| publication.name.half == Half::Public).cloned()
    };
    let (Some(before), Some(after)) = (public(before), public(after)) else {
        return Ok(LeftOver::default());
    };
    let is_gone = |name: &&FileStep| after.files.iter().all(|new| new.file.name != name.file.name);
    let files: Vec<String> =
        before.files.iter().filter(is_gone).map(|step| step.file.name.clone()).collect();
    let choosing = super::choosing(&peering::remembered(account)?);
    let lays_over = |who: &&Email| {
        let choice = choosing.iter().any(|other| other.is_same_account(who.as_str()));
        !choice && before.shared_with.iter().any(|had| had.is_same_account(who.as_str()))
    };
    let readers: Vec<Email> = after.shared_with.iter().filter(lays_over).cloned().collect();
    match files.is_empty() || readers.is_empty() {
        true => Ok(LeftOver::default()),
        false => Ok(LeftOver { files, readers }),
    }
}
