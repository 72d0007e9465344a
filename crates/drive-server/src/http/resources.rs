//! Files, permissions and people in Drive's JSON, and what clients send about a file.

use std::collections::BTreeMap;

use rusqlite::Connection;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{api_error::ApiError, fields::Mask};
use crate::{
    clock,
    store::{
        self,
        access::{OWNER, WRITER, role},
        content::Md5When,
        edit::Metadata,
        files::{self, FileRow, Wanted},
        ids,
        permissions::{self, Permission},
        sums,
        tokens::Me,
    },
};

/// What an answer about a file holds if the client does not say.
pub(crate) const FILE_FIELDS: &str = "kind,id,name,mimeType";

/// All that Drive knows of a file. What this server has nothing to say about may be asked for.
/// Source: <https://developers.google.com/workspace/drive/api/reference/rest/v3/files>.
#[rustfmt::skip]
const KNOWN: [&str; 66] = [
    "kind", "id", "name", "mimeType", "description", "starred", "trashed", "explicitlyTrashed",
    "trashingUser", "trashedTime", "parents", "properties", "appProperties", "spaces", "version",
    "webContentLink", "webViewLink", "iconLink", "hasThumbnail", "thumbnailLink",
    "thumbnailVersion", "viewedByMe", "viewedByMeTime", "createdTime", "modifiedTime",
    "modifiedByMeTime", "modifiedByMe", "sharedWithMeTime", "sharingUser", "owners",
    "teamDriveId", "driveId", "lastModifyingUser", "shared", "ownedByMe", "capabilities",
    "viewersCanCopyContent", "copyRequiresWriterPermission", "writersCanShare", "permissions",
    "permissionIds", "hasAugmentedPermissions", "folderColorRgb", "originalFilename",
    "fullFileExtension", "fileExtension", "md5Checksum", "sha1Checksum", "sha256Checksum", "size",
    "quotaBytesUsed", "headRevisionId", "contentHints", "imageMediaMetadata",
    "videoMediaMetadata", "isAppAuthorized", "exportLinks", "shortcutDetails",
    "contentRestrictions", "labelInfo", "resourceKey", "linkShareMetadata",
    "inheritedPermissionsDisabled", "downloadRestrictions", "clientEncryptionDetails", "etag",
];

/// Which parts of a file are wanted, each with what is wanted of it, in Drive's order.
#[derive(Debug, Clone)]
pub(crate) struct Parts {
    parts: Vec<(&'static str, Mask)>,
    /// True if what is not known yet is left out, instead of being learnt first (`learning`).
    leaves_out: bool,
}

impl Parts {
    /// Reads which parts of a file a client wants; the default if it does not say.
    pub(crate) fn parse(fields: Option<&str>) -> Result<Self, ApiError> {
        Self::of(Mask::parse(fields, FILE_FIELDS)?)
    }

    /// Checks which parts of each file a client wants in a list.
    pub(crate) fn of(mask: Mask) -> Result<Self, ApiError> {
        let mask = mask.check(&KNOWN)?;
        let wanted = KNOWN.into_iter().filter(|name| mask.wants(name));
        let parts = wanted.map(|name| (name, mask.part(name))).collect();
        Ok(Self { parts, leaves_out: false })
    }

    /// The same without what is not known yet.
    pub(crate) fn leaving_out(self) -> Self {
        Self { leaves_out: true, ..self }
    }

    fn has(&self, name: &str) -> bool {
        self.parts.iter().any(|(part, _)| *part == name)
    }

    /// When the MD5 of an upload has to be known.
    pub(crate) fn md5_when(&self) -> Md5When {
        if self.has("md5Checksum") { Md5When::Now } else { Md5When::Later }
    }

    /// Fails if something of files has to be learnt before all that is wanted of them can be told.
    pub(crate) fn check<'a>(
        &self,
        rows: impl IntoIterator<Item = &'a FileRow>,
    ) -> store::Result<()> {
        if self.leaves_out || self.md5_when() == Md5When::Later {
            return Ok(());
        }
        let lacking = sums::lacking(rows.into_iter().filter(|row| !row.is_native()));
        if lacking.is_empty() { Ok(()) } else { Err(store::Error::Lacks(lacking)) }
    }

    /// What of a file must be looked up besides its row.
    pub(crate) fn wanted(&self) -> Wanted {
        Wanted { parent: self.has("parents"), shared: self.has("shared") }
    }
}

/// The largest property: key and value in bytes, as Drive has it.
const PROPERTY_BYTES_MAX: usize = 124;

pub(crate) fn person(email: &str, me: &Me) -> Value {
    json!({
        "kind": "drive#user",
        "displayName": email.split('@').next(),
        "me": email == me.email,
        "permissionId": ids::permission_id(email),
        "emailAddress": email,
    })
}

/// Returns what is wanted of a file; fails as [`Parts::check`] does.
pub(crate) fn file(
    connection: &Connection,
    me: &Me,
    row: &FileRow,
    wanted: &Parts,
) -> store::Result<Value> {
    wanted.check([row])?;
    let mut out = Map::new();
    for (name, mask) in &wanted.parts {
        if let Some(value) = part(connection, me, row, name)? {
            out.insert((*name).to_owned(), mask.apply(value));
        }
    }
    Ok(Value::Object(out))
}

/// Returns one part of a file; none if there is nothing to say about it.
fn part(
    connection: &Connection,
    me: &Me,
    row: &FileRow,
    name: &str,
) -> store::Result<Option<Value>> {
    let permissions = || match row.rank >= WRITER {
        true => permissions::list(connection, row.seq).map(Some),
        false => Ok(None),
    };
    Ok(Some(match name {
        "owners" => json!([person(&row.owner, me)]),
        "lastModifyingUser" => person(&row.modifier, me),
        "capabilities" => capabilities(row),
        "appProperties" | "properties" => {
            let pairs = files::properties(connection, row.seq, name)?;
            if pairs.is_empty() {
                return Ok(None);
            }
            Value::Object(pairs.into_iter().map(|(key, value)| (key, json!(value))).collect())
        }
        "permissionIds" => {
            let Some(all) = permissions()? else { return Ok(None) };
            all.iter().map(|one| json!(one.id)).collect()
        }
        "permissions" => {
            let Some(all) = permissions()? else { return Ok(None) };
            all.iter().map(permission).collect()
        }
        name => return Ok(plain_part(row, name).or_else(|| content_part(row, name))),
    }))
}

/// Returns what the row itself says, of files and folders alike.
fn plain_part(row: &FileRow, name: &str) -> Option<Value> {
    Some(match name {
        "kind" => json!("drive#file"),
        "id" => json!(row.id),
        "name" => json!(row.name),
        "mimeType" => json!(row.mime),
        "starred" | "viewedByMe" => json!(false),
        "trashed" => json!(row.trashed),
        "explicitlyTrashed" => json!(row.discarded),
        "spaces" => json!(["drive"]),
        "version" => json!(row.version.to_string()),
        "webViewLink" => json!(match row.is_folder() {
            true => format!("https://drive.google.com/drive/folders/{}", row.id),
            false => format!("https://drive.google.com/file/d/{}/view", row.id),
        }),
        "createdTime" => json!(clock::to_rfc3339(row.created_ms)),
        "modifiedTime" => json!(clock::to_rfc3339(row.modified_ms)),
        "ownedByMe" => json!(row.rank >= OWNER),
        "shared" => json!(row.shared),
        "writersCanShare" => json!(true),
        "quotaBytesUsed" => json!(row.size.to_string()),
        "parents" => json!([row.parent.as_ref()?]),
        "description" => json!(row.description.as_ref()?),
        _ => return None,
    })
}

/// Returns what the row says of content, which not every file has.
fn content_part(row: &FileRow, name: &str) -> Option<Value> {
    if row.is_native() {
        return None;
    }
    Some(match name {
        "size" => json!(row.size.to_string()),
        "md5Checksum" => json!(row.md5.as_ref()?),
        "sha256Checksum" => json!(row.sha256),
        "originalFilename" => json!(row.name),
        "fileExtension" => {
            json!(row.name.rsplit_once('.').map_or("", |(_, extension)| extension))
        }
        "headRevisionId" => json!(format!("{}-{}", row.id, row.version)),
        _ => return None,
    })
}

fn capabilities(row: &FileRow) -> Value {
    let (edits, owns, folder) = (row.rank >= WRITER, row.rank >= OWNER, row.is_folder());
    json!({
        "canAddChildren": edits && folder,
        "canCopy": !folder,
        "canDelete": owns,
        "canDownload": !row.is_native(),
        "canEdit": edits,
        "canListChildren": folder,
        "canModifyContent": edits && !row.is_native(),
        "canReadRevisions": false,
        "canRename": edits,
        "canShare": edits,
        "canTrash": owns,
        "canUntrash": owns,
    })
}

pub(crate) fn permission(one: &Permission) -> Value {
    let mut out = json!({
        "kind": "drive#permission",
        "id": one.id,
        "type": one.kind,
        "role": role(one.rank),
    });
    if one.kind == "anyone" {
        out["allowFileDiscovery"] = json!(false);
    } else {
        out["emailAddress"] = json!(one.email);
        out["displayName"] = json!(one.email.split('@').next());
        out["deleted"] = json!(false);
        out["pendingOwner"] = json!(false);
    }
    out
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct FileBody {
    id: Option<String>,
    name: Option<String>,
    mime_type: Option<String>,
    parents: Option<Vec<String>>,
    description: Option<String>,
    created_time: Option<String>,
    modified_time: Option<String>,
    trashed: Option<bool>,
    app_properties: Option<BTreeMap<String, Option<String>>>,
    properties: Option<BTreeMap<String, Option<String>>>,
}

/// Reads what a client says about a file; nothing at all is nothing said. Fields that only the
/// server sets are ignored, as Drive does.
pub(crate) fn metadata(body: &[u8]) -> Result<Metadata, ApiError> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Metadata::default());
    }
    let body: FileBody = serde_json::from_slice(body).map_err(|_| ApiError::parse())?;
    let time = |text: Option<String>, name: &'static str| match text {
        None => Ok(None),
        Some(text) => clock::parse(&text).map(Some).ok_or_else(|| ApiError::invalid(name)),
    };
    if let Some(mime) = &body.mime_type {
        let fine = mime.len() <= 255 && mime.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        if !fine || mime.is_empty() {
            return Err(ApiError::invalid("file.mimeType"));
        }
    }
    let mut properties = BTreeMap::new();
    for (kind, pairs) in [("appProperties", body.app_properties), ("properties", body.properties)] {
        let Some(pairs) = pairs else { continue };
        let size = |(key, value): (&String, &Option<String>)| {
            key.len() + value.as_ref().map_or(0, String::len)
        };
        if pairs.len() > 100 || pairs.iter().map(size).any(|size| size > PROPERTY_BYTES_MAX) {
            return Err(ApiError::invalid(kind));
        }
        properties.insert(kind, pairs);
    }
    Ok(Metadata {
        id: body.id,
        name: body.name,
        mime: body.mime_type,
        parents: body.parents,
        description: body.description,
        created_ms: time(body.created_time, "file.createdTime")?,
        modified_ms: time(body.modified_time, "file.modifiedTime")?,
        trashed: body.trashed,
        properties,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_read_strictly_where_it_matters() {
        let meta = metadata(
            br#"{"name": "a", "size": "7", "appProperties": {"k": null, "l": "v"},
                 "modifiedTime": "2026-01-31T12:00:00Z"}"#,
        )
        .unwrap();
        assert_eq!(meta.name.as_deref(), Some("a"));
        assert_eq!(meta.properties["appProperties"]["k"], None);
        assert_eq!(meta.modified_ms, Some(1_769_860_800_000));
        assert_eq!(metadata(b" \n").unwrap(), Metadata::default());
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let long = format!(r#"{{"properties": {{"k": "{}"}}}}"#, "v".repeat(124));
        let cases = [
            "{",
            "[]",
            r#"{"name": 7}"#,
            r#"{"modifiedTime": "noon"}"#,
            r#"{"mimeType": "a\nb"}"#,
            r#"{"appProperties": {"k": 7}}"#,
            &deep,
            &long,
        ];
        for body in cases {
            assert!(metadata(body.as_bytes()).is_err(), "{}", &body[..body.len().min(60)]);
        }
    }
}
