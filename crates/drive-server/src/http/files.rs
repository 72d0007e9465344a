//! `files`: list, get, create, update, copy, delete, trash, ids; and `about`.

use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use super::{
    App,
    api_error::ApiError,
    call::{Call, METADATA_BYTES_MAX},
    fields::Mask,
    learning, media,
    reply::{self, Answer},
    resources::{self, FILE_FIELDS, Parts},
};
use crate::{
    query,
    store::{
        access::READER,
        delete,
        edit::{self, Moves},
        files,
        search::{self, Search},
        sums::Patience,
    },
};

pub(crate) async fn about(app: &App, call: &Call) -> Answer {
    let me = call.me()?;
    if call.query.get("fields").is_none() {
        let message = "The 'fields' parameter is required for this method.";
        return Err(ApiError::new(StatusCode::BAD_REQUEST, "required", message));
    }
    let mask = Mask::parse(call.query.get("fields"), "*")?;
    // Not for nothing: it is the sum over all files of the account.
    let (used, trash) = if mask.wants("storageQuota") {
        let owner = me.clone();
        app.store.read(move |c| files::usage(c, &owner)).await?
    } else {
        (0, 0)
    };
    let about = json!({
        "kind": "drive#about",
        "user": resources::person(&me.email, &me),
        "storageQuota": {
            "limit": (15_u64 << 30).to_string(), // what a free account has; not enforced
            "usage": used.to_string(),
            "usageInDrive": used.to_string(),
            "usageInDriveTrash": trash.to_string(),
        },
        "maxUploadSize": (5_u64 << 40).to_string(),
        "appInstalled": true,
        "canCreateDrives": false,
        "importFormats": {},
        "exportFormats": {},
    });
    Ok(reply::ok(&mask.apply(about)))
}

pub(crate) fn drives(call: &Call) -> Answer {
    call.me()?;
    Ok(reply::ok(&json!({"kind": "drive#driveList", "drives": []})))
}

pub(crate) async fn files(app: &App, call: &mut Call) -> Answer {
    match call.method {
        Method::GET => list(app, call).await,
        Method::POST => create(app, call).await,
        _ => Err(ApiError::method()),
    }
}

async fn list(app: &App, call: &Call) -> Answer {
    let me = call.me()?;
    let default = format!("kind,incompleteSearch,nextPageToken,files({FILE_FIELDS})");
    let mask = Mask::parse(call.query.get("fields"), &default)?;
    let q = call.query.get("q").unwrap_or_default().trim();
    let order = call.query.get("orderBy").unwrap_or_default();
    let query = match q {
        "" => None,
        q => Some(query::parse(q).map_err(|_| ApiError::invalid("q"))?),
    };
    let search = Search {
        query,
        order: query::parse_order(order).map_err(|_| ApiError::invalid("orderBy"))?,
        size: call.query.count("pageSize", 100, 1000)?,
        token: call.query.get("pageToken").filter(|token| !token.is_empty()).map(str::to_owned),
        source: format!("{q}\0{order}"),
    };
    let part = Parts::of(mask.part("files"))?;
    let wanted = part.wanted();
    let page = learning::read(app, Patience::of_many(), part, move |c, part| {
        let page = search::page(c, &me, &search, wanted)?;
        part.check(&page.files)?;
        let files: Result<Vec<Value>, _> =
            page.files.iter().map(|row| resources::file(c, &me, row, &part)).collect();
        Ok((files?, page.next))
    });
    let (files, next) = page.await?;
    // The files are as they are wanted already.
    let out = [
        ("kind", Some(json!("drive#fileList"))),
        ("incompleteSearch", Some(json!(false))),
        ("files", Some(Value::Array(files))),
        ("nextPageToken", next.map(Value::String)),
    ];
    Ok(reply::ok(&mask.choose(out)))
}

async fn create(app: &App, call: &mut Call) -> Answer {
    let me = call.me()?;
    let wanted = Parts::parse(call.query.get("fields"))?;
    let meta = resources::metadata(&call.take_body(METADATA_BYTES_MAX).await?)?;
    let file = app.store.write(move |txn| {
        let row = edit::create(txn, &me, &meta, None)?;
        resources::file(&txn.tx, &me, &row, &wanted)
    });
    Ok(reply::ok(&file.await?))
}

pub(crate) async fn file(app: &App, call: &mut Call, id: String) -> Answer {
    match call.method {
        Method::GET if call.query.get("alt") == Some("media") => media::get(app, call, id).await,
        Method::GET => get(app, call, id).await,
        Method::PATCH => update(app, call, id).await,
        Method::DELETE => {
            let me = call.me()?;
            app.store.write(move |txn| delete::delete(txn, &me, &id)).await?;
            Ok(reply::empty(StatusCode::NO_CONTENT))
        }
        _ => Err(ApiError::method()),
    }
}

async fn get(app: &App, call: &Call, id: String) -> Answer {
    let me = call.me()?;
    let wanted = Parts::parse(call.query.get("fields"))?;
    let file = learning::read(app, Patience::of_one(), wanted, move |c, wanted| {
        let row = files::get(c, &me, &id, READER)?;
        resources::file(c, &me, &row, &wanted)
    });
    Ok(reply::ok(&file.await?))
}

async fn update(app: &App, call: &mut Call, id: String) -> Answer {
    let me = call.me()?;
    let wanted = Parts::parse(call.query.get("fields"))?;
    let meta = resources::metadata(&call.take_body(METADATA_BYTES_MAX).await?)?;
    check_writable(&meta)?;
    let moves = moves(&call.query);
    let file = learning::write(app, wanted, move |txn, wanted| {
        let row = edit::update(txn, &me, &id, &meta, &moves, None)?;
        resources::file(&txn.tx, &me, &row, &wanted)
    });
    Ok(reply::ok(&file.await?))
}

/// Refuses fields that only a create may set.
pub(crate) fn check_writable(meta: &edit::Metadata) -> Result<(), ApiError> {
    let refuse = |message| Err(ApiError::forbidden("fieldNotWritable", message));
    if meta.parents.is_some() {
        return refuse(
            "The parents field is not directly writable in update requests. Use the addParents \
             and removeParents parameters instead.",
        );
    }
    if meta.id.is_some() {
        return refuse("The resource body includes fields which are not directly writable.");
    }
    Ok(())
}

/// Returns the moves that an update's parameters ask for.
pub(crate) fn moves(query: &super::call::Params) -> Moves {
    Moves { add: query.list("addParents"), remove: query.list("removeParents") }
}

pub(crate) async fn copy(app: &App, call: &mut Call, id: String) -> Answer {
    if call.method != Method::POST {
        return Err(ApiError::method());
    }
    let me = call.me()?;
    let wanted = Parts::parse(call.query.get("fields"))?;
    let meta = resources::metadata(&call.take_body(METADATA_BYTES_MAX).await?)?;
    let file = learning::write(app, wanted, move |txn, wanted| {
        let row = edit::copy(txn, &me, &id, &meta)?;
        resources::file(&txn.tx, &me, &row, &wanted)
    });
    Ok(reply::ok(&file.await?))
}

pub(crate) async fn empty_trash(app: &App, call: &Call) -> Answer {
    if call.method != Method::DELETE {
        return Err(ApiError::method());
    }
    let me = call.me()?;
    app.store.write(move |txn| delete::empty_trash(txn, &me)).await?;
    Ok(reply::empty(StatusCode::NO_CONTENT))
}

pub(crate) async fn generate_ids(app: &App, call: &Call) -> Answer {
    call.me()?;
    let mask = Mask::parse(call.query.get("fields"), "*")?;
    let count = call.query.count("count", 10, 1000)?;
    let key = app.store.read(files::id_key).await?;
    let ids: Vec<String> = (0..count).map(|_| crate::store::ids::file_id(&key)).collect();
    let out = json!({"kind": "drive#generatedIds", "space": "drive", "ids": ids});
    Ok(reply::ok(&mask.apply(out)))
}
