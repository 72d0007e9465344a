//! `permissions` of a file.

use hyper::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    App,
    api_error::ApiError,
    call::{Call, METADATA_BYTES_MAX},
    fields::Mask,
    reply::{self, Answer},
    resources,
};
use crate::{
    accounts,
    store::{
        access::{WRITER, rank_of},
        files, permissions,
    },
};

const PERMISSION_FIELDS: &str = "kind,id,type,role";

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct PermissionBody {
    #[serde(rename = "type")]
    kind: Option<String>,
    role: Option<String>,
    email_address: Option<String>,
}

pub(crate) async fn all(app: &App, call: &mut Call, file: String) -> Answer {
    match call.method {
        Method::GET => list(app, call, file).await,
        Method::POST => create(app, call, file).await,
        _ => Err(ApiError::method()),
    }
}

pub(crate) async fn one(app: &App, call: &mut Call, file: String, id: String) -> Answer {
    let me = call.me()?;
    let mask = Mask::parse(call.query.get("fields"), PERMISSION_FIELDS)?;
    let found = match call.method {
        Method::GET => app.store.read(move |c| permissions::get(c, &me, &file, &id)).await?,
        Method::PATCH => {
            let body = read(call).await?;
            let rank = rank(body.role.as_deref())?;
            let transfer = call.query.is_true("transferOwnership");
            app.store
                .write(move |txn| permissions::update(txn, &me, &file, &id, rank, transfer))
                .await?
        }
        Method::DELETE => {
            app.store.write(move |txn| permissions::delete(txn, &me, &file, &id)).await?;
            return Ok(reply::empty(StatusCode::NO_CONTENT));
        }
        _ => return Err(ApiError::method()),
    };
    Ok(reply::ok(&mask.apply(resources::permission(&found))))
}

/// All permissions on one page: nobody shares one file with thousands.
async fn list(app: &App, call: &Call, file: String) -> Answer {
    let me = call.me()?;
    let default = format!("kind,nextPageToken,permissions({PERMISSION_FIELDS})");
    let mask = Mask::parse(call.query.get("fields"), &default)?;
    let all = app.store.read(move |c| {
        let row = files::get(c, &me, &file, WRITER)?;
        permissions::list(c, row.seq)
    });
    let all: Vec<Value> = all.await?.iter().map(resources::permission).collect();
    let out = json!({"kind": "drive#permissionList", "permissions": all});
    Ok(reply::ok(&mask.apply(out)))
}

async fn create(app: &App, call: &mut Call, file: String) -> Answer {
    let me = call.me()?;
    let mask = Mask::parse(call.query.get("fields"), PERMISSION_FIELDS)?;
    let body = read(call).await?;
    let rank = rank(body.role.as_deref())?;
    let (kind, email) = match body.kind.as_deref() {
        Some(kind @ ("user" | "group")) => {
            let email = body.email_address.as_deref().and_then(accounts::parse_email);
            let status = StatusCode::BAD_REQUEST;
            let refused = ApiError::new(
                status,
                "invalidSharingRequest",
                "Bad Request. User message: \"The e-mail address is not valid.\"",
            );
            (kind.to_owned(), email.ok_or(refused)?)
        }
        Some("anyone") => ("anyone".to_owned(), String::new()),
        _ => return Err(ApiError::invalid("permission.type")),
    };
    let transfer = call.query.is_true("transferOwnership");
    let made = app
        .store
        .write(move |txn| permissions::create(txn, &me, &file, &kind, &email, rank, transfer));
    Ok(reply::ok(&mask.apply(resources::permission(&made.await?))))
}

async fn read(call: &mut Call) -> Result<PermissionBody, ApiError> {
    let body = call.take_body(METADATA_BYTES_MAX).await?;
    serde_json::from_slice(&body).map_err(|_| ApiError::parse())
}

fn rank(role: Option<&str>) -> Result<i64, ApiError> {
    role.and_then(rank_of).ok_or_else(|| ApiError::invalid("permission.role"))
}
