//! Counts requests and writes one JSON line for each. No secret is ever written: of a query only
//! known names, of a path only what it is after ids are taken out.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::{self, Write as _},
    path::Path,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use hyper::StatusCode;
use serde_json::{Value, json};

use crate::{
    clock,
    http::{Call, template},
};

/// Labels and templates that are counted apart; all further ones are counted as `…`.
const KEYS_MAX: usize = 10_000;

/// Parameters that hold secrets or whole e-mail addresses of sign-ins: never logged.
const SECRET: [&str; 9] = [
    "upload_id",
    "access_token",
    "code",
    "token",
    "state",
    "code_challenge",
    "secret",
    "email",
    "login_hint",
];

/// Counters under one label.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// All requests.
    pub total: u64,
    /// Requests by method and path, ids replaced: `GET /drive/v3/files/{id}?alt=media`.
    pub by: BTreeMap<String, u64>,
    /// Requests by account; `-` is none.
    pub accounts: BTreeMap<String, u64>,
    /// Bytes of all bodies that came in.
    pub request_bytes: u64,
    /// Bytes of all bodies that went out.
    pub response_bytes: u64,
    /// Requests inside of batches, which are not in `total`.
    pub batch_inner: u64,
    /// The same by method and path.
    pub batch_by: BTreeMap<String, u64>,
    /// The most requests that were open at once: from their heads to the heads of their answers.
    /// Under a label it is not counted.
    pub at_once: u64,
}

/// One request that is being served.
#[derive(Debug)]
pub(crate) struct Entry {
    time_ms: i64,
    label: String,
    method: String,
    path: String,
    query: Value,
    account: Option<String>,
}

#[derive(Debug)]
pub(crate) struct Log {
    file: Option<Mutex<File>>,
    state: Mutex<State>,
    open: AtomicU64,
    at_once: AtomicU64,
}

/// A request that is open until this is dropped.
#[derive(Debug)]
pub(crate) struct Open<'a>(&'a Log);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

#[derive(Debug)]
struct State {
    label: String,
    labels: BTreeMap<String, Stats>,
}

impl Log {
    pub(crate) fn open(path: Option<&Path>) -> io::Result<Self> {
        let open = |path: &Path| OpenOptions::new().create(true).append(true).open(path);
        let state = State { label: "-".to_owned(), labels: BTreeMap::new() };
        let file = path.map(open).transpose()?.map(Mutex::new);
        let (open, at_once) = (AtomicU64::new(0), AtomicU64::new(0));
        Ok(Self { file, state: Mutex::new(state), open, at_once })
    }

    /// Counts a request as open.
    pub(crate) fn open_one(&self) -> Open<'_> {
        let open = self.open.fetch_add(1, Ordering::SeqCst) + 1;
        self.at_once.fetch_max(open, Ordering::SeqCst);
        Open(self)
    }

    /// Counts what comes from now on under another label.
    pub(crate) fn mark(&self, label: &str) {
        self.lock().label = label.chars().take(200).collect();
    }

    /// Counts a request, before it is served: whoever has the answer finds it counted.
    pub(crate) fn begin(&self, call: &Call) -> Entry {
        let (path, template) = templates(call);
        let account = call.me.as_ref().map(|me| me.email.clone());
        let mut state = self.lock();
        let label = state.label.clone();
        let stats = state.stats(&label);
        stats.total += 1;
        count(&mut stats.by, &template);
        count(&mut stats.accounts, account.as_deref().unwrap_or("-"));
        drop(state);
        Entry {
            time_ms: clock::now_ms(),
            label,
            method: call.method.to_string(),
            path,
            query: self.file.as_ref().map_or(Value::Null, |_| {
                let pairs = call.query.pairs().filter(|(name, _)| !SECRET.contains(name));
                Value::Object(pairs.map(|(name, value)| (name.to_owned(), json!(value))).collect())
            }),
            account,
        }
    }

    /// Counts a request inside of a batch.
    pub(crate) fn inner(&self, call: &Call) {
        let (_, template) = templates(call);
        let mut state = self.lock();
        let label = state.label.clone();
        let stats = state.stats(&label);
        stats.batch_inner += 1;
        count(&mut stats.batch_by, &template);
    }

    /// Adds bytes and writes the line; `answered` is none if the connection was dropped. The bytes
    /// of an answer are those that it announces.
    pub(crate) fn end(
        &self,
        entry: Entry,
        answered: Option<(StatusCode, u64)>,
        request_bytes: u64,
        took: Duration,
    ) {
        let response_bytes = answered.map_or(0, |(_, bytes)| bytes);
        {
            let mut state = self.lock();
            let stats = state.stats(&entry.label);
            stats.request_bytes += request_bytes;
            stats.response_bytes += response_bytes;
        }
        let Some(file) = &self.file else { return };
        let line = json!({
            "time": clock::to_rfc3339(entry.time_ms),
            "label": entry.label,
            "method": entry.method,
            "path": entry.path,
            "query": entry.query,
            "status": answered.map(|(status, _)| status.as_u16()),
            "request_bytes": request_bytes,
            "response_bytes": response_bytes,
            "account": entry.account,
            "ms": took.as_secs_f64() * 1000.0,
        });
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        // A log that cannot be written must not stop the service.
        writeln!(file, "{line}").ok();
    }

    /// Returns the sum over all labels.
    pub(crate) fn stats(&self) -> Stats {
        let state = self.lock();
        let mut sum = Stats { at_once: self.at_once.load(Ordering::SeqCst), ..Stats::default() };
        for stats in state.labels.values() {
            sum.total += stats.total;
            sum.request_bytes += stats.request_bytes;
            sum.response_bytes += stats.response_bytes;
            sum.batch_inner += stats.batch_inner;
            for (key, count) in &stats.by {
                *sum.by.entry(key.clone()).or_default() += count;
            }
            for (key, count) in &stats.batch_by {
                *sum.batch_by.entry(key.clone()).or_default() += count;
            }
            for (key, count) in &stats.accounts {
                *sum.accounts.entry(key.clone()).or_default() += count;
            }
        }
        sum
    }

    pub(crate) fn stats_json(&self) -> Value {
        let state = self.lock();
        let labels = state.labels.iter().map(|(label, stats)| {
            let value = json!({
                "total": stats.total,
                "by": stats.by,
                "req_bytes": stats.request_bytes,
                "resp_bytes": stats.response_bytes,
                "batch_inner": stats.batch_inner,
                "batch_by": stats.batch_by,
                "accounts": stats.accounts,
            });
            (label.clone(), value)
        });
        json!({"labels": Value::Object(labels.collect())})
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn stats(&mut self, label: &str) -> &mut Stats {
        let known = self.labels.contains_key(label) || self.labels.len() < KEYS_MAX;
        self.labels.entry(if known { label } else { "…" }.to_owned()).or_default()
    }
}

/// The path without its ids, and the same behind the method.
fn templates(call: &Call) -> (String, String) {
    let path = template(&call.path, |name| call.query.get(name).map(str::to_owned));
    let template = format!("{} {path}", call.method);
    (path, template)
}

fn count(counts: &mut BTreeMap<String, u64>, key: &str) {
    let known = counts.contains_key(key) || counts.len() < KEYS_MAX;
    *counts.entry(if known { key } else { "…" }.to_owned()).or_default() += 1;
}
