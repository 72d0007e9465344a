//! `/__admin/…`: steers faults, latency and counters from outside, for tests and benchmarks.
//!
//! Not part of Drive, neither counted nor delayed, and served only if the options say so.

use std::sync::atomic::Ordering;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    App,
    api_error::ApiError,
    call::{Call, METADATA_BYTES_MAX},
    reply::{self, Answer},
};
use crate::faults::{Fault, Outcome, When};

#[derive(Deserialize, Default)]
#[serde(default)]
struct FaultBody {
    /// `METHOD /path`, see [`Fault::on`]; empty fits all.
    r#match: String,
    /// Text that the query must contain.
    query: Option<String>,
    status: Option<u16>,
    reason: Option<String>,
    /// Drop the connection instead of answering.
    drop: bool,
    /// Drop it after so many bytes of the answer's body.
    cut: Option<u64>,
    /// Do the work first.
    after: bool,
    skip: u64,
    count: Option<u64>,
}

pub(crate) async fn serve(app: &App, call: &mut Call, operation: &str) -> Answer {
    let body = call.take_body(METADATA_BYTES_MAX).await?;
    let body = if body.is_empty() { b"{}".as_slice() } else { &body };
    let json: Value = serde_json::from_slice(body).map_err(|_| ApiError::parse())?;
    match operation {
        "stats" => return Ok(reply::ok(&app.log.stats_json())),
        "mark" => {
            let label = json["label"].as_str().ok_or_else(|| ApiError::invalid("label"))?;
            app.log.mark(label);
        }
        "latency" => {
            let ms = json["ms"].as_f64().filter(|ms| (0.0..=600_000.0).contains(ms));
            let us = ms.ok_or_else(|| ApiError::invalid("ms"))? * 1000.0;
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked")]
            app.latency_us.store(us as u64, Ordering::Relaxed);
        }
        "fault" => {
            let body = serde_json::from_value(json).map_err(|_| ApiError::invalid("fault"))?;
            app.faults.push(fault(&body)?);
        }
        "faults_clear" => app.faults.clear(),
        _ => return Err(ApiError::no_such_page()),
    }
    Ok(reply::ok(&json!({"ok": true})))
}

fn fault(body: &FaultBody) -> Result<Fault, ApiError> {
    let outcome = match (body.status, body.cut, body.drop) {
        (_, Some(bytes), _) => Outcome::Cut { bytes },
        (_, _, true) => Outcome::Drop,
        (Some(status), ..) if (200..600).contains(&status) => {
            let reason = body.reason.as_deref().unwrap_or("backendError");
            Outcome::Status { status, reason: reason.to_owned() }
        }
        _ => return Err(ApiError::invalid("status")),
    };
    let when = if body.after { When::After } else { When::Before };
    let mut fault = Fault::new(when, outcome).skip(body.skip).times(body.count.unwrap_or(1));
    if let Some((method, path)) = body.r#match.split_once(' ') {
        fault = fault.on(method, path);
    }
    if let Some(query) = &body.query {
        fault = fault.with_query(query);
    }
    Ok(fault)
}
