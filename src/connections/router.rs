//! Which connection serves whom, and the verbs of the protocol on top of it.

use std::sync::Arc;

use super::{
    Access, Connection, Content, Entry, Error, FileId, Grant, NewEntry, Query, Relocation, Result,
    Traffic,
};
use crate::model::Email;
use bytes::Bytes;

/// The media type of messages and of everything else that is not plain text.
pub const OCTETS: &str = "application/octet-stream";

/// Maps an account to its connection, and offers what the syncers do with it.
///
/// Today there is one account and one connection. A second service, or one for each peer, changes
/// this type and nothing above it.
#[derive(Clone, Debug)]
pub struct ConnectionRouter {
    connection: Arc<dyn Connection>,
    traffic: Traffic,
}

impl ConnectionRouter {
    /// Returns a router that serves everybody over `connection`.
    pub fn new(connection: Arc<dyn Connection>) -> Self {
        Self { connection, traffic: Traffic::default() }
    }

    /// Returns how much is on its way.
    pub const fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// Returns the connection that reaches `peer`.
    pub fn connection_for(&self, _peer: &Email) -> &dyn Connection {
        &*self.connection
    }

    /// Returns the connection to this account's own files.
    pub fn own(&self) -> &dyn Connection {
        &*self.connection
    }

    /// Puts a scientist's proposals into an owner's inbox, under an id made beforehand. `None`: it
    /// is there already, an earlier attempt got through.
    pub async fn write_event_messages_to_inbox(
        &self,
        folder: &FileId,
        file: &FileId,
        name: &str,
        content: Bytes,
    ) -> Result<Option<Entry>> {
        self.create_once(folder, file, name, content).await
    }

    /// Puts an owner's events into a peer's outbox, or into its own event log, under an id made
    /// beforehand. `None`: it is there already, an earlier attempt got through.
    pub async fn write_event_messages_to_outbox_do(
        &self,
        folder: &FileId,
        file: &FileId,
        name: &str,
        content: Bytes,
    ) -> Result<Option<Entry>> {
        self.create_once(folder, file, name, content).await
    }

    async fn create_once(
        &self,
        folder: &FileId,
        file: &FileId,
        name: &str,
        content: Bytes,
    ) -> Result<Option<Entry>> {
        let new = NewEntry {
            id: Some(file.clone()),
            parent: folder.clone(),
            name: name.to_owned(),
            media_type: OCTETS,
            tags: std::collections::BTreeMap::new(),
        };
        match self.connection.create_file(&new, Content::Bytes(content)).await {
            Ok(entry) => Ok(Some(entry)),
            Err(Error::AlreadyExists { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Moves messages that are dealt with out of an inbox.
    pub async fn archive(&self, moves: &[Relocation]) -> Result<Vec<Result<()>>> {
        self.connection.relocate(moves).await
    }

    /// Creates a folder under an id made beforehand. False if the id is in use already: an earlier
    /// attempt got through.
    pub async fn create_folder_once(
        &self,
        parent: &FileId,
        id: &FileId,
        name: &str,
    ) -> Result<bool> {
        let new = NewEntry {
            id: Some(id.clone()),
            parent: parent.clone(),
            name: name.to_owned(),
            media_type: OCTETS,
            tags: std::collections::BTreeMap::new(),
        };
        match self.connection.create_folder(&new).await {
            Ok(_) => Ok(true),
            Err(Error::AlreadyExists { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Gives `peer` access to several entries; the first refusal is the answer.
    pub async fn share(&self, ids: &[&FileId], peer: &Email, access: Access) -> Result<()> {
        let grants: Vec<Grant> =
            ids.iter().map(|id| Grant { id: (*id).clone(), to: peer.clone(), access }).collect();
        self.connection.share(&grants, false).await?.into_iter().collect()
    }

    /// Returns what lies in a folder.
    pub async fn list(&self, folder: &FileId) -> Result<Vec<Entry>> {
        self.connection.find(&Query::in_folder(folder)).await
    }
}
