//! What a commit says: who changes what, as JSON. Pure.
//!
//! The text may come from anybody with the bucket's credentials. What does not parse whole is no
//! commit, and what it says is done only as far as the rules of sharing let its author.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::connections::{Access, FileId};
use crate::model::Email;

/// Changes that are made at once, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Commit {
    /// Whose session says to have made it.
    #[serde(with = "as_text")]
    pub(super) author: Email,
    /// Random: tells whoever wrote it that it was he.
    pub(super) nonce: String,
    pub(super) changes: Vec<Change>,
}

/// One change. Unknown fields are ignored, so that later versions may add some.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub(super) enum Change {
    Create {
        #[serde(with = "as_text")]
        id: FileId,
        #[serde(with = "as_text")]
        parent: FileId,
        name: String,
        /// Where the content is; none for a folder.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        content: Option<Piece>,
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        tags: BTreeMap<String, String>,
    },
    Replace {
        #[serde(with = "as_text")]
        id: FileId,
        content: Piece,
    },
    Move {
        #[serde(with = "as_text")]
        id: FileId,
        #[serde(with = "as_text")]
        from: FileId,
        #[serde(with = "as_text")]
        to: FileId,
    },
    Delete {
        #[serde(with = "as_text")]
        id: FileId,
    },
    Share {
        #[serde(with = "as_text")]
        id: FileId,
        #[serde(with = "as_text")]
        to: Email,
        #[serde(with = "as_text")]
        access: Access,
    },
    Unshare {
        #[serde(with = "as_text")]
        id: FileId,
        #[serde(with = "as_text")]
        from: Email,
    },
    Tag {
        #[serde(with = "as_text")]
        id: FileId,
        key: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        value: Option<String>,
    },
}

impl Change {
    /// The same change, with other content if it has any.
    pub(super) fn naming(self, piece: Piece) -> Self {
        match self {
            Self::Create { id, parent, name, content: Some(_), tags } => {
                Self::Create { id, parent, name, content: Some(piece), tags }
            }
            Self::Replace { id, .. } => Self::Replace { id, content: piece },
            other => other,
        }
    }
}

impl Piece {
    /// Stands for content that is not stored yet.
    pub(super) fn to_come() -> Self {
        Self { name: random(), size_bytes: 0 }
    }
}

/// A piece of content: the last part of its key, and its length.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Piece {
    #[serde(deserialize_with = "hexadecimal")]
    pub(super) name: String,
    pub(super) size_bytes: u64,
}

impl Commit {
    pub(super) fn new(author: &Email, changes: Vec<Change>) -> Self {
        Self { author: author.clone(), nonce: random(), changes }
    }

    /// Reads a commit; `None` if this is none.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        serde_json::from_slice(text).ok()
    }

    pub(super) fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("text, numbers and lists are JSON")
    }
}

/// Returns 32 hexadecimal digits that nobody else has.
pub(super) fn random() -> String {
    Uuid::new_v4().simple().to_string()
}

/// Makes an id.
pub(super) fn new_id() -> FileId {
    id_of(&random())
}

/// Returns the id with this random part: 32 hexadecimal digits.
pub(super) fn id_of(random: &str) -> FileId {
    FileId::parse(&format!("o{random}")).expect("hexadecimal digits are an id")
}

/// Returns the random part of an id that was made here, so that it may be part of a key.
pub(super) fn random_part(id: &FileId) -> Option<&str> {
    id.as_str().strip_prefix('o').filter(|rest| is_hex(rest))
}

/// Returns the id of an account's root, which nobody makes.
pub(super) fn root_id(account: &Email) -> FileId {
    let digest = Sha256::digest(account.as_str().to_ascii_lowercase());
    FileId::parse(&format!("r{}", hex::encode(&digest[..16])))
        .expect("hexadecimal digits are an id")
}

/// True for 32 lower-case hexadecimal digits.
pub(super) fn is_hex(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

fn hexadecimal<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let text = String::deserialize(from)?;
    if is_hex(&text) { Ok(text) } else { Err(D::Error::custom("not 32 hexadecimal digits")) }
}

/// A value that is valid once it exists, as it stands in JSON.
pub(super) trait Word: Sized {
    fn of_text(text: &str) -> Option<Self>;
    fn text(&self) -> &str;
}

impl Word for Email {
    fn of_text(text: &str) -> Option<Self> {
        Self::parse(text).ok()
    }

    fn text(&self) -> &str {
        self.as_str()
    }
}

impl Word for FileId {
    fn of_text(text: &str) -> Option<Self> {
        Self::parse(text).ok()
    }

    fn text(&self) -> &str {
        self.as_str()
    }
}

impl Word for Access {
    fn of_text(text: &str) -> Option<Self> {
        match text {
            "read" => Some(Self::Read),
            "write" => Some(Self::Write),
            _ => None,
        }
    }

    fn text(&self) -> &str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

/// For `#[serde(with)]`: a [`Word`] as text.
pub(super) mod as_text {
    use super::{Deserialize as _, Deserializer, Serializer, Word, fmt};

    pub(in super::super) fn serialize<T: Word, S: Serializer>(
        word: &T,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.serialize_str(word.text())
    }

    pub(in super::super) fn deserialize<'de, T: Word, D: Deserializer<'de>>(
        from: D,
    ) -> Result<T, D::Error> {
        let text = String::deserialize(from)?;
        T::of_text(&text).ok_or_else(|| serde::de::Error::custom(Refused))
    }

    struct Refused;

    impl fmt::Display for Refused {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a text that is no value of its kind")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANDOM: &str = "00112233445566778899aabbccddeeff";

    #[test]
    fn what_is_written_is_read_back() {
        let (id, me) = (new_id(), Email::parse("do@x.org").unwrap());
        let piece = Piece { name: random(), size_bytes: 3 };
        let (parent, name) = (root_id(&me), "a/../b\n".to_owned());
        let tags = BTreeMap::from([("k".to_owned(), "v".to_owned())]);
        let changes = vec![
            Change::Create {
                id: id.clone(),
                parent: parent.clone(),
                name,
                content: Some(piece.clone()),
                tags,
            },
            Change::Replace { id: id.clone(), content: piece },
            Change::Move { id: id.clone(), from: parent.clone(), to: parent },
            Change::Share { id: id.clone(), to: me.clone(), access: Access::Write },
            Change::Unshare { id: id.clone(), from: me.clone() },
            Change::Tag { id: id.clone(), key: "k".to_owned(), value: None },
            Change::Delete { id },
        ];
        let commit = Commit::new(&me, changes);
        assert_eq!(Commit::parse(&commit.to_json()), Some(commit));
    }

    #[test]
    fn what_is_not_whole_is_no_commit() {
        let good = format!(
            r#"{{"author":"do@x.org","nonce":"n","later":true,"changes":[{{"do":"create",
            "id":"o{RANDOM}","parent":"r1","name":"x","content":{{"name":"{RANDOM}",
            "size_bytes":1}}}},{{"do":"share","id":"o1","to":"ds@x.org","access":"read"}}]}}"#
        );
        assert_eq!(Commit::parse(good.as_bytes()).unwrap().changes.len(), 2);
        #[rustfmt::skip]
        let cases = [
            ("nothing",                String::new()),
            ("half a commit",          good[..90].to_owned()),
            ("an author that is none", good.replace("do@x.org", "do")),
            ("an id that is none",     good.replace("r1", "r 1")),
            ("content elsewhere",      good.replace(&format!("\"{RANDOM}\""), "\"../../secret\"")),
            ("a share with nobody",    good.replace("ds@x.org", "ds")),
            ("more than write",        good.replace("\"read\"", "\"own\"")),
            ("an unknown change",      good.replace("\"share\"", "\"burn\"")),
            ("a negative length",      good.replace("\"size_bytes\":1", "\"size_bytes\":-1")),
            ("deeply nested",          "[".repeat(100_000)),
        ];
        for (what, text) in cases {
            assert_ne!(text, good, "{what}");
            assert_eq!(Commit::parse(text.as_bytes()), None, "{what}");
        }
    }

    #[test]
    fn only_ids_that_were_made_here_are_parts_of_keys() {
        assert!(random_part(&new_id()).is_some());
        for text in ["..", "o", "o..", &format!("o{}", RANDOM.to_uppercase()), RANDOM, "r1"] {
            assert_eq!(random_part(&FileId::parse(text).unwrap()), None, "{text}");
        }
    }
}
