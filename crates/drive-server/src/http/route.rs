//! Which resource a path names, and how the log calls it. Pure.

/// A resource. Ids are percent-decoded, so that one with a slash in it stays one id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    About,
    Drives,
    Files,
    File(String),
    Copy(String),
    Trash,
    GenerateIds,
    Permissions(String),
    Permission(String, String),
    Changes,
    StartPageToken,
    Upload(Option<String>),
    Batch,
    Authorize,
    Token,
    Revoke,
    Admin(String),
}

/// Returns the resource of a raw path, which starts with `/`.
pub(crate) fn route(path: &str) -> Option<Route> {
    let parts: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
    let id = |part: &str| decode(part).filter(|id| !id.is_empty());
    match parts.as_slice() {
        ["drive", "v3", rest @ ..] => match rest {
            ["about"] => Some(Route::About),
            ["drives"] => Some(Route::Drives),
            ["changes"] => Some(Route::Changes),
            ["changes", "startPageToken"] => Some(Route::StartPageToken),
            ["files"] => Some(Route::Files),
            ["files", "trash"] => Some(Route::Trash),
            ["files", "generateIds"] => Some(Route::GenerateIds),
            ["files", file] => Some(Route::File(id(file)?)),
            ["files", file, "copy"] => Some(Route::Copy(id(file)?)),
            ["files", file, "permissions"] => Some(Route::Permissions(id(file)?)),
            ["files", file, "permissions", permission] => {
                Some(Route::Permission(id(file)?, id(permission)?))
            }
            _ => None,
        },
        ["resumable", "upload", "drive", "v3", "files", rest @ ..]
        | ["upload", "drive", "v3", "files", rest @ ..] => match rest {
            [] => Some(Route::Upload(None)),
            [file] => Some(Route::Upload(Some(id(file)?))),
            _ => None,
        },
        ["batch"] | ["batch", "drive", "v3"] => Some(Route::Batch),
        ["o", "oauth2", "auth"] | ["o", "oauth2", "v2", "auth"] => Some(Route::Authorize),
        ["token"] | ["oauth2", "v4", "token"] | ["o", "oauth2", "token"] => Some(Route::Token),
        ["revoke"] | ["o", "oauth2", "revoke"] => Some(Route::Revoke),
        ["__admin", operation] => Some(Route::Admin((*operation).to_owned())),
        _ => None,
    }
}

/// Returns a path with ids replaced by `{id}`, for counters and logs.
pub(crate) fn template(path: &str, query: impl Fn(&str) -> Option<String>) -> String {
    let mut out: Vec<&str> = Vec::new();
    for part in path.split('/').take(12) {
        out.push(match out.last() {
            Some(&"files") if part != "trash" && part != "generateIds" => "{id}",
            Some(&"permissions") => "{permId}",
            _ => part,
        });
    }
    let mut out = out.join("/");
    if query("alt").as_deref() == Some("media") {
        out.push_str("?alt=media");
    }
    if query("upload_id").is_some() {
        out.push_str("?uploadType=resumable&upload_id=*");
    } else if let Some(kind) = query("uploadType") {
        out.push_str("?uploadType=");
        out.extend(kind.chars().take(20));
    }
    out
}

/// Undoes percent-encoding; none if the result is not UTF-8.
pub(crate) fn decode(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).and_then(|two| std::str::from_utf8(two).ok());
        let hex = hex.filter(|two| two.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let byte = hex.and_then(|two| u8::from_str_radix(two, 16).ok());
        match byte {
            Some(byte) if bytes[at] == b'%' => {
                out.push(byte);
                at += 3;
            }
            _ => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_one_part_of_the_path() {
        #[rustfmt::skip]
        let cases = [
            ("/drive/v3/files",                     Some(Route::Files)),
            ("/drive/v3/files/x",                   Some(Route::File("x".into()))),
            ("/drive/v3/files/a%2Fb",               Some(Route::File("a/b".into()))),
            ("/drive/v3/files/..%2f..",             Some(Route::File("../..".into()))),
            ("/drive/v3/files/a/b",                 None),
            ("/drive/v3/files/",                    None),
            ("/drive/v3/files/%ff",                 None),
            ("/drive/v3/files/trash",               Some(Route::Trash)),
            ("/resumable/upload/drive/v3/files",    Some(Route::Upload(None))),
            ("/upload/drive/v3/files/x",            Some(Route::Upload(Some("x".into())))),
            ("/drive/v3/files/x/permissions/7",     Some(Route::Permission("x".into(), "7".into()))),
            ("/nothing",                            None),
            ("",                                    None),
        ];
        for (path, wanted) in cases {
            assert_eq!(route(path), wanted, "{path}");
        }
    }

    #[test]
    fn a_template_names_no_ids() {
        let query = |name: &str| (name == "uploadType").then(|| "multipart".to_owned());
        assert_eq!(
            template("/upload/drive/v3/files/abc", query),
            "/upload/drive/v3/files/{id}?uploadType=multipart"
        );
        let none = |_: &str| None;
        let got = template("/drive/v3/files/a/permissions/7", none);
        assert_eq!(got, "/drive/v3/files/{id}/permissions/{permId}");
        assert_eq!(decode("a%2").as_deref(), Some("a%2"));
        assert_eq!(decode("%+1é").as_deref(), Some("%+1é"));
    }
}
