//! `changes`: where the feed stands, and what happened since.

use serde_json::{Value, json};

use super::{
    App,
    api_error::ApiError,
    call::Call,
    fields::Mask,
    learning,
    reply::{self, Answer},
    resources::{self, FILE_FIELDS, Parts},
};
use crate::{
    clock,
    store::{changes, sums::Patience},
};

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
    let part = Parts::of(mask.part("changes").part("file"))?;
    let wanted = part.wanted();
    let one = mask.part("changes");
    let page = learning::read(app, Patience::of_many(), part, move |c, part| {
        let page = changes::page(c, &me, token, size, wanted)?;
        if one.wants("file") {
            part.check(page.changes.iter().filter_map(|change| change.file.as_ref()))?;
        }
        let mut out: Vec<Value> = Vec::with_capacity(page.changes.len());
        for change in page.changes {
            let file = match &change.file {
                Some(row) if one.wants("file") => Some(resources::file(c, &me, row, &part)?),
                None if !removed => continue,
                _ => None,
            };
            out.push(one.choose([
                ("kind", Some(json!("drive#change"))),
                ("changeType", Some(json!("file"))),
                ("type", Some(json!("file"))),
                ("time", Some(json!(clock::to_rfc3339(change.time_ms)))),
                ("removed", Some(json!(change.file.is_none()))),
                ("fileId", Some(Value::String(change.id))),
                ("file", file),
            ]));
        }
        Ok((out, page.next, page.start))
    });
    let (changes, next, start) = page.await?;
    let start = if next.is_none() { Some(json!(start.to_string())) } else { None };
    let out = [
        ("kind", Some(json!("drive#changeList"))),
        ("changes", Some(Value::Array(changes))),
        ("nextPageToken", next.map(|next| json!(next.to_string()))),
        ("newStartPageToken", start),
    ];
    Ok(reply::ok(&mask.choose(out)))
}
