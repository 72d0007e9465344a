//! What Drive says about files, permissions and changes, once it is parsed.
//!
//! Invariant: every id here passed [`crate::id`]; digests are hex of the right length. Names, e-mails
//! and properties are data: whatever somebody chose to write.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use google_drive3::api;

use crate::error::Error;
use crate::id;

/// The media type of a folder.
pub const FOLDER: &str = "application/vnd.google-apps.folder";

/// The fields that every call asks for, so that every [`File`] is complete. MD5 is not one of them:
/// SHA-256 says more, and a service may have to read all of the content to tell the other.
pub(crate) const FIELDS: &str = "id,name,mimeType,size,owners(emailAddress),ownedByMe,parents,\
     createdTime,modifiedTime,trashed,appProperties,sha256Checksum";

/// A file or a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// The id: unique, never used again.
    pub id: String,
    /// The name: not unique, not checked.
    pub name: String,
    /// The media type; [`FOLDER`] for folders.
    pub mime_type: String,
    /// The size in bytes; `None` for folders.
    pub size: Option<u64>,
    /// E-mail addresses of the owners, as far as Drive tells us. Only Drive can set them.
    pub owners: Vec<String>,
    /// True if this account is the owner.
    pub owned_by_me: bool,
    /// Ids of the folders it lies in, as far as this account can see them.
    pub parents: Vec<String>,
    /// When it was made.
    pub created_time: Option<DateTime<Utc>>,
    /// When its content or metadata last changed.
    pub modified_time: Option<DateTime<Utc>>,
    /// True if it is in the trash.
    pub trashed: bool,
    /// Properties that programs attach.
    pub app_properties: BTreeMap<String, String>,
    /// SHA-256 of the content, lower-case hex; `None` for folders, and where the service has none: then
    /// [`crate::Drive::md5`] may have more.
    pub sha256: Option<String>,
}

impl File {
    /// True if this is a folder.
    pub fn is_folder(&self) -> bool {
        self.mime_type == FOLDER
    }

    pub(crate) fn parse(raw: api::File) -> Result<Self, Error> {
        let id = required(raw.id, "a file", "id")?;
        id::checked(&id)?;
        let what = || format!("file {id}");
        let parents = raw.parents.unwrap_or_default();
        parents.iter().try_for_each(|parent| id::checked(parent).map(drop))?;
        let size = raw.size.map(u64::try_from).transpose();
        let owners = raw.owners.unwrap_or_default();
        Ok(Self {
            name: required(raw.name, &what(), "name")?,
            mime_type: required(raw.mime_type, &what(), "mimeType")?,
            size: size.map_err(|_| Error::invalid(what(), "its size is negative"))?,
            owners: owners.into_iter().filter_map(|owner| owner.email_address).collect(),
            owned_by_me: raw.owned_by_me.unwrap_or(false),
            parents,
            created_time: raw.created_time,
            modified_time: raw.modified_time,
            trashed: raw.trashed.unwrap_or(false),
            app_properties: raw.app_properties.unwrap_or_default().into_iter().collect(),
            sha256: digest(raw.sha256_checksum, 64, &what())?,
            id,
        })
    }
}

/// What somebody may do with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Role {
    /// Read it.
    Reader,
    /// Read it and comment.
    Commenter,
    /// Read, change, and add files to a folder.
    Writer,
    /// All of it.
    Owner,
    /// A role that this crate does not know.
    Other,
}

impl Role {
    /// Drive's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Commenter => "commenter",
            Self::Writer => "writer",
            Self::Owner => "owner",
            Self::Other => "other",
        }
    }

    fn parse(word: &str) -> Self {
        match word {
            "reader" => Self::Reader,
            "commenter" => Self::Commenter,
            "writer" => Self::Writer,
            "owner" => Self::Owner,
            _ => Self::Other,
        }
    }
}

/// One line of a file's sharing list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permission {
    /// The id of this line, for [`crate::Drive::revoke`].
    pub id: String,
    /// What it allows.
    pub role: Role,
    /// Whom it concerns: `user`, `group`, `domain` or `anyone`.
    pub kind: String,
    /// Whose it is; `None` if it is nobody's in particular.
    pub email: Option<String>,
}

impl Permission {
    pub(crate) fn parse(raw: api::Permission) -> Result<Self, Error> {
        let id = required(raw.id, "a permission", "id")?;
        id::checked(&id)?;
        Ok(Self {
            id,
            role: Role::parse(&required(raw.role, "a permission", "role")?),
            kind: required(raw.type_, "a permission", "type")?,
            email: raw.email_address,
        })
    }
}

/// One entry of the change feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The id of the file that changed.
    pub id: String,
    /// True if it is gone, or out of this account's reach.
    pub removed: bool,
    /// The file as it is now; `None` if it was removed.
    pub file: Option<File>,
}

impl Change {
    /// Reads one entry; `None` if it is about a shared drive and not about a file.
    pub(crate) fn parse(raw: api::Change) -> Result<Option<Self>, Error> {
        let Some(id) = raw.file_id else { return Ok(None) };
        id::checked(&id)?;
        let removed = raw.removed.unwrap_or(false);
        let file = raw.file.filter(|_| !removed).map(File::parse).transpose()?;
        match &file {
            Some(file) if file.id != id => {
                Err(Error::invalid(format!("the change of {id}"), "it holds another file"))
            }
            _ => Ok(Some(Self { id, removed, file })),
        }
    }
}

/// What changed since a page token, and the token for next time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// The changes, oldest first.
    pub changes: Vec<Change>,
    /// Where the next call goes on.
    pub next: String,
    /// False if there was more when this was asked for: it follows from `next`.
    pub is_all: bool,
}

pub(crate) fn required<T>(value: Option<T>, what: &str, field: &str) -> Result<T, Error> {
    value.ok_or_else(|| Error::invalid(what, format!("it has no `{field}`")))
}

pub(crate) fn digest(
    hex: Option<String>,
    digits: usize,
    what: &str,
) -> Result<Option<String>, Error> {
    let is_hex = |hex: &String| hex.len() == digits && hex.bytes().all(|b| b.is_ascii_hexdigit());
    match hex {
        Some(hex) if !is_hex(&hex) => Err(Error::invalid(what, "its digest is not hex")),
        hex => Ok(hex.map(|hex| hex.to_ascii_lowercase())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<File, Error> {
        File::parse(serde_json::from_str(text).unwrap())
    }

    #[test]
    fn a_file_without_what_it_must_have_is_refused() {
        assert!(parse(r#"{"id":"A","name":"n","mimeType":"t"}"#).is_ok());
        for bad in [
            r#"{"name":"n","mimeType":"t"}"#,
            r#"{"id":"A","mimeType":"t"}"#,
            r#"{"id":"../x","name":"n","mimeType":"t"}"#,
            r#"{"id":"A","name":"n","mimeType":"t","size":"-1"}"#,
            r#"{"id":"A","name":"n","mimeType":"t","parents":["a/b"]}"#,
            r#"{"id":"A","name":"n","mimeType":"t","sha256Checksum":"zz"}"#,
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_change_cannot_speak_of_two_files() {
        let text = r#"{"fileId":"A","file":{"id":"B","name":"n","mimeType":"t"}}"#;
        assert!(Change::parse(serde_json::from_str(text).unwrap()).is_err());
    }
}
