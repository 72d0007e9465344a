//! Packs of chunks that lie beside messages of ours, and that this machine does not know.
//!
//! Another machine of the account may have sent them, or this one before its database was lost. Whose they
//! are the messages beside them say: what none of them names nothing needs. Where one of them cannot be read,
//! because it is sealed for somebody else, say, nothing is said of any pack in that folder.

use std::collections::BTreeSet;

use crate::caches::{catalogue, packs};
use crate::connections::{self, Entry, FileId, Query};
use crate::model::Role;
use crate::wire::names::{FolderName, PackName, is_chunked};
use crate::wire::{Chunked, FileChangeEventsMessage, Message, ProposedFileChangesMessage};

use super::super::{Account, Result, chunked, parcels};
use super::Look;
use super::plan::{About, PROPOSAL_AGE_MIN_MICROS, Place};

impl Look<'_> {
    /// True for a pack that is old enough to be asked about, and that this machine did not send.
    pub(super) fn is_unknown_pack(&self, entry: &Entry) -> Result<bool> {
        Ok(PackName::parse(&entry.name).is_some()
            && entry.is_mine
            && self.age(entry) >= PROPOSAL_AGE_MIN_MICROS
            && !self.account.store.read(|db| packs::is_noted(db, &entry.id))?)
    }

    /// Judges packs that lie in one folder.
    pub(super) async fn packs(&mut self, folder: &FileId, packs: Vec<Entry>) -> Result<()> {
        // Somebody's own folder may hold a copy of anything.
        let known = self.account.store.read(|db| catalogue::get(db, folder))?;
        let name = known.and_then(|folder| FolderName::parse(&folder.name));
        if !matches!(name, Some(FolderName::P2p(_) | FolderName::Personal(_))) {
            return Ok(());
        }
        let Some(named) = self.named_beside(folder).await? else { return Ok(()) };
        for pack in packs {
            if !named.contains(pack.id.as_str()) {
                self.judge(pack, Place::Elsewhere, About::NotNamed, false)?;
            }
        }
        Ok(())
    }

    /// Returns the packs that the messages in a folder name of which this machine does not know it; `None` if
    /// one cannot be read, or that is too much to ask.
    async fn named_beside(&mut self, folder: &FileId) -> Result<Option<BTreeSet<String>>> {
        let lying = self.account.router.own().find(&Query::in_folder(folder)).await?;
        let mut named = BTreeSet::new();
        for message in lying.into_iter().filter(|it| it.is_mine && is_chunked(&it.name)) {
            if self.account.store.read(|db| packs::needs_any(db, &message.id))? {
                continue; // It was sent from here, and with it what it names.
            }
            if !self.may_ask() {
                return Ok(None);
            }
            let parcel = match parcels::fetch(self.account, &message).await {
                Ok(parcel) => parcel,
                Err(connections::Error::NotFound { .. }) => continue,
                Err(error) => return Err(error.into()),
            };
            let packs = match self.account.role {
                Role::Owner => named_by::<FileChangeEventsMessage>(self.account, &message, &parcel),
                Role::Scientist => {
                    named_by::<ProposedFileChangesMessage>(self.account, &message, &parcel)
                }
            };
            let Some(packs) = packs else { return Ok(None) };
            named.extend(packs);
        }
        Ok(Some(named))
    }
}

fn named_by<M: Message>(
    account: &Account,
    entry: &Entry,
    parcel: &parcels::Parcel,
) -> Option<Vec<String>> {
    let message: Chunked<M> = chunked::read(account, &entry.name, parcel).ok()?;
    Some(message.syft_chunks.into_iter().flat_map(|chunked| chunked.content.packs).collect())
}
