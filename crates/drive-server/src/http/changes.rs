//! `changes`: where the feed stands, and what happened since.

use serde_json::{Value, json};

use super::{
    App,
    api_error::ApiError,
    call::Call,
    fields::Mask,
    reply::{self, Answer},
    resources::{self, FILE_FIELDS},
};
use crate::{clock, store::changes};

pub(crate) async fn start_page_token(app: &App, call: &Call) -> Answer {
    call.me()?;
    let mask = Mask::parse(call.query.get("fields"), "*")?;
    let start = app.store.read(changes::start).await?;
    let out = json!({"kind": "drive#startPageToken", "startPageToken": start.to_string()});
    Ok(reply::ok(&mask.apply(out)))
}

pub(crate) async fn list(app: &App, call: &Call) -> Answer {
    let me = call.me()?;
    let default = format!(
        "kind,nextPageToken,newStartPageToken,\
         changes(kind,changeType,time,removed,fileId,file({FILE_FIELDS}))"
    );
    let mask = Mask::parse(call.query.get("fields"), &default)?;
    let token = call.query.get("pageToken").ok_or_else(|| ApiError::invalid("pageToken"))?;
    let token: i64 = token.parse().map_err(|_| ApiError::invalid("pageToken"))?;
    let size = call.query.count("pageSize", 100, 1000)?;
    let removed = call.query.get("includeRemoved") != Some("false");
    let part = resources::check_file_mask(mask.part("changes").part("file"))?;
    let page = app.store.read(move |c| {
        let page = changes::page(c, &me, token, size)?;
        let mut out: Vec<Value> = Vec::new();
        for change in page.changes {
            let mut one = json!({
                "kind": "drive#change",
                "changeType": "file",
                "type": "file",
                "time": clock::to_rfc3339(change.time_ms),
                "removed": change.file.is_none(),
                "fileId": change.id,
            });
            match &change.file {
                Some(row) => one["file"] = resources::file(c, &me, row, &part)?,
                None if removed => {}
                None => continue,
            }
            out.push(one);
        }
        Ok((out, page.next, page.start))
    });
    let (changes, next, start) = page.await?;
    let mut out = json!({"kind": "drive#changeList", "changes": changes});
    match next {
        Some(next) => out["nextPageToken"] = json!(next.to_string()),
        None => out["newStartPageToken"] = json!(start.to_string()),
    }
    Ok(reply::ok(&mask.apply(out)))
}
