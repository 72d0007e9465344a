//! What a shared folder keeps of each entry, as JSON. Pure.
//!
//! The text may come from anybody who can write to the folder. [`Record::parse`] believes nothing
//! that it cannot check: what does not parse is no record, and the entry is as if it were not there.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::connections::tree::Node;
use crate::connections::{Access, FileId, Kind};
use crate::model::Email;

/// An entry and where its content is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) node: Node,
    /// The last part of the content file's name; `None` for a folder.
    pub(super) content: Option<String>,
    /// Random: tells whoever wrote this version that it was he.
    pub(super) nonce: String,
    /// True for the last version of an entry.
    pub(super) is_deleted: bool,
}

/// The stored form. Unknown fields are ignored, so that later versions may add some.
#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    id: String,
    name: String,
    owner: String,
    parent: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    content: Option<String>,
    #[serde(default)]
    size_bytes: u64,
    created_micros: i64,
    revision: i64,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    #[serde(default)]
    readers: Vec<String>,
    #[serde(default)]
    writers: Vec<String>,
    nonce: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    deleted: bool,
}

impl Record {
    /// Reads the record of entry `id`; `None` if this is none.
    pub(super) fn parse(text: &[u8], id: &FileId) -> Option<Self> {
        let stored: Stored = serde_json::from_slice(text).ok()?;
        let content_is_harmless = stored.content.as_deref().is_none_or(is_hex);
        if stored.id != id.as_str() || !content_is_harmless {
            return None;
        }
        let grants = |list: Vec<String>, access: Access| {
            list.into_iter().filter_map(move |text| Some((Email::parse(&text).ok()?, access)))
        };
        let node = Node {
            id: id.clone(),
            name: stored.name,
            kind: if stored.content.is_some() { Kind::File } else { Kind::Folder },
            owner: Email::parse(&stored.owner).ok()?,
            parent: Some(FileId::parse(&stored.parent).ok()?),
            is_root: false,
            size_bytes: stored.size_bytes,
            created_micros: stored.created_micros,
            revision: stored.revision,
            tags: stored.tags,
            grants: grants(stored.readers, Access::Read)
                .chain(grants(stored.writers, Access::Write))
                .collect(),
        };
        let (content, nonce, is_deleted) = (stored.content, stored.nonce, stored.deleted);
        Some(Self { node, content, nonce, is_deleted })
    }

    /// Writes the record.
    pub(super) fn to_json(&self) -> Vec<u8> {
        let node = &self.node;
        let with = |wanted: Access| {
            let granted = node.grants.iter().filter(|(_, access)| *access == wanted);
            granted.map(|(email, _)| email.to_string()).collect()
        };
        let stored = Stored {
            id: node.id.to_string(),
            name: node.name.clone(),
            owner: node.owner.to_string(),
            parent: node.parent.as_ref().map(FileId::to_string).unwrap_or_default(),
            content: self.content.clone(),
            size_bytes: node.size_bytes,
            created_micros: node.created_micros,
            revision: node.revision,
            tags: node.tags.clone(),
            readers: with(Access::Read),
            writers: with(Access::Write),
            nonce: self.nonce.clone(),
            deleted: self.is_deleted,
        };
        serde_json::to_vec(&stored).expect("text, numbers and lists are JSON")
    }
}

/// True for 32 lower-case hexadecimal digits: a random part of a name that is safe everywhere,
/// also where letter case does not count.
pub(super) fn is_hex(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "f00112233445566778899aabbccddeeff";

    #[test]
    fn only_a_record_of_this_entry_is_read() {
        let id = FileId::parse(ID).unwrap();
        let good = format!(
            r#"{{"id":"{ID}","name":"a/../b","owner":"do@x.org","parent":"r1","content":"{}",
            "created_micros":1,"revision":2,"readers":["no address","ds@x.org"],"nonce":"n",
            "later":true}}"#,
            &ID[1..]
        );
        let record = Record::parse(good.as_bytes(), &id).unwrap();
        assert_eq!(record.node.grants.len(), 1, "what is no address is nobody");
        assert_eq!(Record::parse(&record.to_json(), &id).as_ref(), Some(&record));
        #[rustfmt::skip]
        let cases = [
            ("nothing",               String::new()),
            ("half a record",         good[..60].to_owned()),
            ("another entry's",       good.replace(ID, "f0")),
            ("content elsewhere",     good.replace(&ID[1..], "../../etc/passwd")),
            ("an owner that is none", good.replace("do@x.org", "do")),
            ("a parent that is none", good.replace("r1", "r 1")),
            ("a list",                "[]".to_owned()),
            ("deeply nested",         "[".repeat(100_000)),
        ];
        for (what, text) in cases {
            assert_eq!(Record::parse(text.as_bytes(), &id), None, "{what}");
        }
    }
}
