//! The two files that describe a dataset, and the permission files beside them.
//!
//! `dataset.yaml` is public and travels with the mock files; `private_metadata.yaml` stays with its
//! owner. We write what the Python client writes (same keys, same order) and read leniently what
//! anybody wrote: unknown keys are ignored, a value that makes no sense counts as absent, and who
//! owns a dataset and what it is called is never taken from here but from where it lies. Reading is
//! bounded in bytes, depth and aliases.
//!
//! Pure. Source: `docs/FORMAT.md`, "Datasets".

use chrono::{DateTime, NaiveDateTime};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::SyftUrl;
use crate::model::{DatasitePath, Email, Timestamp};

/// The file that describes the public half.
pub const METADATA_FILE: &str = "dataset.yaml";
/// The file that describes the private half.
pub const PRIVATE_METADATA_FILE: &str = "private_metadata.yaml";
/// The file that says who may read a folder.
pub const PERMISSION_FILE: &str = "syft.pub.yaml";

/// The largest metadata file that is read, in bytes.
pub const METADATA_BYTES_MAX: u64 = 4 * 1024 * 1024;

const MOCK_FILES_MAX: usize = 20_000;
const TAGS_MAX: usize = 1_000;
const PATHS_KEY: &str = "syft_rs_paths";

/// What `dataset.yaml` says. What is absent or makes no sense is `None` or empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// The dataset's identity.
    pub uid: Option<Uuid>,
    /// When it was created.
    pub created_at: Option<Timestamp>,
    /// When it was changed last.
    pub updated_at: Option<Timestamp>,
    /// What it calls itself; the folder's name is what counts.
    pub name: String,
    /// One line about it.
    pub summary: Option<String>,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// Where it is hosted, if elsewhere.
    pub location: Option<String>,
    /// The folder of the mock files.
    pub mock_url: Option<SyftUrl>,
    /// The folder of the private files, at the owner's.
    pub private_url: Option<SyftUrl>,
    /// The file that explains it.
    pub readme_url: Option<SyftUrl>,
    /// The mock files, one by one; neither this file nor the readme.
    pub mock_files: Vec<SyftUrl>,
    /// Where files belong that travel flat and lie in folders at their owner's (**ours**). Empty on a
    /// disk, where each lies in its place.
    pub paths: Vec<DatasitePath>,
}

/// Why a metadata file cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMetadata {
    /// It is larger than any that we would write.
    #[error("it has more than {METADATA_BYTES_MAX} bytes")]
    TooLarge,
    /// It is no YAML, or YAML made to exhaust its reader.
    #[error("it is not readable YAML")]
    NotYaml,
    /// It holds something other than keys and values.
    #[error("it is not a mapping")]
    NotAMapping,
}

impl Metadata {
    /// Reads a `dataset.yaml`.
    ///
    /// # Errors
    /// [`InvalidMetadata`] if the whole file is unreadable.
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidMetadata> {
        let mut map = mapping(bytes)?;
        let tags = list(&mut map, "tags", TAGS_MAX);
        let mock_files = list(&mut map, "mock_files_urls", MOCK_FILES_MAX);
        let paths = paths(list(&mut map, PATHS_KEY, MOCK_FILES_MAX));
        let mut field = |key: &str| map.remove(key).and_then(text);
        let url = |text: Option<String>| text.and_then(|text| SyftUrl::parse(&text).ok());
        Ok(Self {
            uid: field("uid").and_then(|text| Uuid::parse_str(&text).ok()),
            created_at: field("created_at").and_then(|text| moment(&text)),
            updated_at: field("updated_at").and_then(|text| moment(&text)),
            name: field("name").unwrap_or_default(),
            summary: field("summary"),
            tags,
            location: field("location"),
            mock_url: url(field("mock_url")),
            private_url: url(field("private_url")),
            readme_url: url(field("readme_url")),
            mock_files: mock_files.iter().filter_map(|text| SyftUrl::parse(text).ok()).collect(),
            paths,
        })
    }

    /// Returns the file's content.
    pub fn to_yaml(&self) -> String {
        #[derive(Serialize)]
        struct File<'a> {
            uid: Option<String>,
            created_at: Option<String>,
            updated_at: Option<String>,
            name: &'a str,
            summary: Option<&'a str>,
            tags: &'a [String],
            location: Option<&'a str>,
            mock_url: Option<String>,
            private_url: Option<String>,
            readme_url: Option<String>,
            mock_files_urls: Vec<String>,
            #[serde(skip_serializing_if = "Vec::is_empty")]
            syft_rs_paths: Vec<&'a str>,
        }
        let url = |url: &Option<SyftUrl>| url.as_ref().map(ToString::to_string);
        yaml(&File {
            uid: self.uid.map(|uid| uid.to_string()),
            created_at: self.created_at.and_then(written),
            updated_at: self.updated_at.and_then(written),
            name: &self.name,
            summary: self.summary.as_deref(),
            tags: &self.tags,
            location: self.location.as_deref(),
            mock_url: url(&self.mock_url),
            private_url: url(&self.private_url),
            readme_url: url(&self.readme_url),
            mock_files_urls: self.mock_files.iter().map(ToString::to_string).collect(),
            syft_rs_paths: self.paths.iter().map(DatasitePath::as_str).collect(),
        })
    }
}

/// What `private_metadata.yaml` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PrivateMetadata {
    /// The identity of the dataset that it belongs to.
    pub uid: Option<Uuid>,
    /// Where the private files lie on this machine. Written for the Python client; never followed.
    pub data_dir: String,
    /// Which private files lie in folders (**ours**): a copy on the drive is flat.
    pub paths: Vec<DatasitePath>,
}

impl PrivateMetadata {
    /// Reads a `private_metadata.yaml`.
    ///
    /// # Errors
    /// [`InvalidMetadata`] if the whole file is unreadable.
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidMetadata> {
        let mut map = mapping(bytes)?;
        let paths = paths(list(&mut map, PATHS_KEY, MOCK_FILES_MAX));
        let mut field = |key: &str| map.remove(key).and_then(text);
        Ok(Self {
            uid: field("uid").and_then(|text| Uuid::parse_str(&text).ok()),
            data_dir: field("data_dir").unwrap_or_default(),
            paths,
        })
    }

    /// Returns the file's content.
    pub fn to_yaml(&self) -> String {
        #[derive(Serialize)]
        struct File<'a> {
            uid: Option<String>,
            data_dir: &'a str,
            #[serde(skip_serializing_if = "Vec::is_empty")]
            syft_rs_paths: Vec<&'a str>,
        }
        yaml(&File {
            uid: self.uid.map(|uid| uid.to_string()),
            data_dir: &self.data_dir,
            syft_rs_paths: self.paths.iter().map(DatasitePath::as_str).collect(),
        })
    }
}

/// Who may read the mock files, beside the owner.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Audience {
    /// Nobody, for now.
    #[default]
    Nobody,
    /// Every peer that is approved, now or later.
    Any,
    /// These accounts.
    Listed(#[serde(with = "super::as_text::list")] Vec<Email>),
}

/// Returns the content of the permission file of a public half; `None` where Python writes none.
pub fn public_permissions(audience: &Audience) -> Option<String> {
    match audience {
        Audience::Nobody => None,
        Audience::Any => Some(permissions(vec!["*"])),
        Audience::Listed(readers) if readers.is_empty() => None,
        Audience::Listed(readers) => {
            let mut names: Vec<&str> = readers.iter().map(Email::as_str).collect();
            names.sort_unstable();
            names.dedup();
            Some(permissions(names))
        }
    }
}

/// Returns the content of the permission file of a private half: its owner may read.
pub fn private_permissions(owner: &Email) -> String {
    permissions(vec![owner.as_str()])
}

fn permissions(readers: Vec<&str>) -> String {
    #[derive(Serialize)]
    struct Access<'a> {
        admin: Vec<&'a str>,
        read: Vec<&'a str>,
        write: Vec<&'a str>,
    }
    #[derive(Serialize)]
    struct Rule<'a> {
        access: Access<'a>,
        pattern: &'a str,
    }
    #[derive(Serialize)]
    struct File<'a> {
        rules: Vec<Rule<'a>>,
        terminal: bool,
    }
    let access = Access { admin: Vec::new(), read: readers, write: Vec::new() };
    yaml(&File { rules: vec![Rule { access, pattern: "**" }], terminal: false })
}

fn yaml(value: &impl Serialize) -> String {
    serde_saphyr::to_string(value).expect("text, lists and nothing else can always be written")
}

fn mapping(bytes: &[u8]) -> Result<serde_json::Map<String, Value>, InvalidMetadata> {
    if bytes.len() as u64 > METADATA_BYTES_MAX {
        return Err(InvalidMetadata::TooLarge);
    }
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: 16,
            max_documents: 1,
            max_aliases: 1_000,
            max_anchors: 1_000,
        },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: 50_000 },
        with_snippet: false,
    };
    match serde_saphyr::from_slice_with_options::<Value>(bytes, options) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) => Err(InvalidMetadata::NotAMapping),
        Err(_) => Err(InvalidMetadata::NotYaml),
    }
}

fn list(map: &mut serde_json::Map<String, Value>, key: &str, limit: usize) -> Vec<String> {
    match map.remove(key) {
        Some(Value::Array(items)) => items.into_iter().take(limit).filter_map(text).collect(),
        _ => Vec::new(),
    }
}

fn paths(texts: Vec<String>) -> Vec<DatasitePath> {
    texts.iter().filter_map(|text| DatasitePath::parse(text).ok()).collect()
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Reads RFC 3339, as pydantic writes it, or the same without an offset (then UTC).
fn moment(text: &str) -> Option<Timestamp> {
    let micros = DateTime::parse_from_rfc3339(text).map(|time| time.timestamp_micros()).ok();
    let naive = || {
        let time = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").ok()?;
        Some(time.and_utc().timestamp_micros())
    };
    let micros = micros.or_else(naive)?;
    (micros >= 0).then(|| Timestamp::from_micros(micros))
}

/// Returns the text that pydantic writes: microseconds, or none at a full second.
fn written(moment: Timestamp) -> Option<String> {
    let micros = moment.micros();
    let form =
        if micros % 1_000_000 == 0 { "%Y-%m-%dT%H:%M:%SZ" } else { "%Y-%m-%dT%H:%M:%S%.6fZ" };
    Some(DateTime::from_timestamp_micros(micros)?.format(form).to_string())
}

#[cfg(test)]
#[path = "metadata_tests.rs"]
mod tests;
