//! Serves HTTP: one request in, one answer out. [`dispatch`] is where to start reading.
//!
//! This side knows Drive's words; what is true and who may do what is decided in `store`.

mod admin;
mod api_error;
mod batch;
mod call;
mod changes;
mod fields;
mod files;
mod jwt;
mod learning;
mod media;
mod multipart;
mod oauth;
mod oauth_page;
mod permissions;
mod range;
mod reply;
mod resources;
mod resumable;
mod route;
mod streams;
mod uploads;

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use http_body_util::BodyExt as _;
use hyper::{Method, Request, body::Incoming, header};

use crate::{
    clock,
    faults::{Faults, Plan},
    log::Log,
    options::ServiceAccount,
    store::{
        Store, ids,
        tokens::{self, Me},
    },
};
pub(crate) use api_error::ApiError;
pub(crate) use call::Call;
use call::{FORM_BYTES_MAX, Params};
use reply::Answer;
pub(crate) use reply::{Reply, error as error_reply, written as written_reply};
pub(crate) use resumable::Live;
use route::Route;
pub(crate) use route::template;
pub(crate) use streams::Streams;

/// What all requests share.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) store: Store,
    pub(crate) faults: Faults,
    pub(crate) log: Log,
    pub(crate) live: Live,
    pub(crate) streams: Streams,
    pub(crate) latency_us: AtomicU64,
    pub(crate) admin: bool,
    pub(crate) token_life: Duration,
    pub(crate) sign_in_life: Option<Duration>,
    pub(crate) service_accounts: Vec<ServiceAccount>,
    /// Whether answers say that quota units are not counted.
    pub(crate) unmetered: bool,
    /// Where we are, for clients that name no host.
    pub(crate) url: String,
}

/// The connection is to be dropped instead of answered.
#[derive(Debug, thiserror::Error)]
#[error("the connection is dropped on purpose")]
pub(crate) struct Dropped;

impl App {
    /// Returns the account of a bearer token.
    pub(crate) async fn who(&self, token: &str) -> Result<Option<Me>, ApiError> {
        let (hash, now_ms) = (ids::hash(token), clock::now_ms());
        let turn = match self.store.known().get(&hash, now_ms) {
            Ok(me) => return Ok(Some(me)),
            Err(turn) => turn,
        };
        let found = self.store.read(move |c| tokens::holder(c, hash, now_ms)).await?;
        Ok(found.map(|holder| {
            self.store.known().learn(turn, hash, holder.clone());
            holder.me
        }))
    }
}

/// Serves one request: latency, faults, the work itself, the log.
pub(crate) async fn dispatch(app: Arc<App>, request: Request<Incoming>) -> Result<Reply, Dropped> {
    let started = tokio::time::Instant::now();
    let sent = Arc::new(AtomicU64::new(0));
    let mut call = match read(&app, request, &sent).await {
        Ok(call) => call,
        Err(error) => return Ok(reply::error(&error)),
    };
    if let (true, Some(Route::Admin(operation))) = (app.admin, &call.route) {
        let operation = operation.clone();
        let answer = admin::serve(&app, &mut call, &operation).await;
        return Ok(answer.unwrap_or_else(|error| reply::error(&error)));
    }
    let _open = app.log.open_one();
    let latency = Duration::from_micros(app.latency_us.load(Ordering::Relaxed));
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    let entry = app.log.begin(&call);
    let plan = app.faults.next(call.method.as_str(), &call.path, || call.query.encode());
    let outcome = match plan {
        Plan::Before(fault) => fault.answer(None),
        Plan::Serve => Ok(serve(&app, &mut call).await),
        Plan::After(fault) => {
            let reply = serve(&app, &mut call).await;
            fault.answer(Some(reply))
        }
    };
    let answered = outcome.as_ref().ok().map(|reply| (reply.status(), reply::length(reply)));
    app.log.end(entry, answered, sent.load(Ordering::Relaxed), started.elapsed());
    outcome
}

async fn serve(app: &App, call: &mut Call) -> Reply {
    let answer = match call.route {
        Some(Route::Batch) => batch::batch(app, call).await,
        _ => handle(app, call).await,
    };
    let mut reply = answer.unwrap_or_else(|error| reply::error(&error));
    if app.unmetered {
        reply::set(&mut reply, "x-drive-quota", "none");
    }
    reply
}

/// Carries out one request, alone or out of a batch.
async fn handle(app: &App, call: &mut Call) -> Answer {
    let Some(route) = call.route.clone() else { return Err(ApiError::no_such_page()) };
    let get = call.method == Method::GET;
    match route {
        Route::Authorize => oauth::authorize(app, call).await,
        Route::Token => oauth::token(app, call).await,
        Route::Revoke => oauth::revoke(app, call).await,
        Route::Upload(id) => uploads::upload(app, call, id).await,
        Route::Files => files::files(app, call).await,
        Route::File(id) => files::file(app, call, id).await,
        Route::Copy(id) => files::copy(app, call, id).await,
        Route::Trash => files::empty_trash(app, call).await,
        Route::Permissions(file) => permissions::all(app, call, file).await,
        Route::Permission(file, id) => permissions::one(app, call, file, id).await,
        Route::GenerateIds if get => files::generate_ids(app, call).await,
        Route::About if get => files::about(app, call).await,
        Route::Drives if get => files::drives(call),
        Route::Changes if get => changes::list(app, call).await,
        Route::StartPageToken if get => changes::start_page_token(app, call).await,
        Route::Batch | Route::Admin(_) => Err(ApiError::no_such_page()),
        _ => Err(ApiError::method()),
    }
}

/// Reads everything of a request but its body, and finds out whose it is.
async fn read(
    app: &App,
    request: Request<Incoming>,
    sent: &Arc<AtomicU64>,
) -> Result<Call, ApiError> {
    let (head, body) = request.into_parts();
    let count = Arc::clone(sent);
    let body = body.map_frame(move |frame| {
        let length = frame.data_ref().map_or(0, |data| data.len() as u64);
        count.fetch_add(length, Ordering::Relaxed);
        frame
    });
    let path = head.uri.path().to_owned();
    let me = match call::bearer(&head.headers) {
        Some(token) => app.who(token).await?,
        None => None,
    };
    let mut call = Call {
        method: head.method,
        route: route::route(&path),
        path,
        query: Params::parse(head.uri.query().unwrap_or_default().as_bytes())?,
        base: base(app, &head.headers),
        headers: head.headers,
        body: body.map_err(io::Error::other).boxed(),
        me,
    };
    // A query that is too long for a URL comes as the form of a POST.
    if let Some(method) = call.header("x-http-method-override").map(str::to_uppercase)
        && call.method == Method::POST
    {
        call.method = method.parse().map_err(|_| ApiError::method())?;
        let form = call.header("content-type").unwrap_or_default();
        if form.starts_with("application/x-www-form-urlencoded") {
            let form = call.take_body(FORM_BYTES_MAX).await?;
            call.query.extend(Params::parse(&form)?);
        }
    }
    Ok(call)
}

/// Returns the address by which the client reached us, perhaps through a proxy.
fn base(app: &App, headers: &header::HeaderMap) -> String {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let plain = |host: &&str| {
        let fine = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
        !host.is_empty() && host.bytes().all(fine)
    };
    let scheme = if text("x-forwarded-proto") == Some("https") { "https" } else { "http" };
    match text("host").filter(plain) {
        Some(host) => format!("{scheme}://{host}"),
        None => app.url.clone(),
    }
}
