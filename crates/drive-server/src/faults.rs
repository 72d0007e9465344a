//! Requests that fail on cue, for tests of whoever talks to this server.
//!
//! Scripted, never random: a test says which request fails, how, and whether the work had been
//! done already, which is the case that breaks naive retries. Faults wait in a queue; a request
//! takes the first one that fits it.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use futures::stream;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::{StatusCode, body::Frame};

use crate::http::{ApiError, Dropped, Reply, error_reply, written_reply};

/// Whether the request is carried out before it fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// It fails and nothing was done.
    Before,
    /// It was done, but the answer is lost.
    After,
}

/// What the client sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The connection ends without an answer.
    Drop,
    /// The connection ends after so many bytes of the answer's body. Needs [`When::After`].
    Cut {
        /// Bytes of the body that arrive.
        bytes: u64,
    },
    /// An error in Drive's form.
    Status {
        /// HTTP status.
        status: u16,
        /// Drive's reason, such as `backendError` or `userRateLimitExceeded`.
        reason: String,
    },
    /// This very answer, such as one that a service was seen to give.
    Answer {
        /// HTTP status.
        status: u16,
        /// Headers, `Date` and `Location` among them if wanted.
        headers: Vec<(&'static str, String)>,
        /// Body.
        body: String,
    },
}

/// One fault: which requests it hits, and what happens to them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    method: Option<String>,
    path: Option<String>,
    query: Option<String>,
    skip: u64,
    times: u64,
    when: When,
    outcome: Outcome,
}

impl Fault {
    /// Returns a fault that hits the next request, whatever it is, once.
    pub fn new(when: When, outcome: Outcome) -> Self {
        let (method, path, query) = (None, None, None);
        Self { method, path, query, skip: 0, times: 1, when, outcome }
    }

    /// Hits only requests of this method and path. `*` stands for any method, and in the path for
    /// anything between two slashes; the path may be the start of the request's path, unless it
    /// ends in `$`. Parts of a batch are hit as well, by faults with a status.
    #[must_use]
    pub fn on(mut self, method: &str, path: &str) -> Self {
        self.method = Some(method.to_owned()).filter(|method| method != "*");
        self.path = Some(path.to_owned());
        self
    }

    /// Hits only requests whose query contains this text, such as `alt=media`.
    #[must_use]
    pub fn with_query(mut self, text: &str) -> Self {
        self.query = Some(text.to_owned());
        self
    }

    /// Lets so many fitting requests pass first.
    #[must_use]
    pub fn skip(mut self, count: u64) -> Self {
        self.skip = count;
        self
    }

    /// Hits so many fitting requests instead of one.
    #[must_use]
    pub fn times(mut self, count: u64) -> Self {
        self.times = count;
        self
    }

    fn fits(&self, method: &str, path: &str, query: &str) -> bool {
        self.method.as_ref().is_none_or(|wanted| wanted == method)
            && self.path.as_ref().is_none_or(|wanted| fits_path(wanted, path))
            && self.query.as_ref().is_none_or(|wanted| query.contains(wanted.as_str()))
    }

    /// Returns what the client gets; `reply` is the answer, if the work was done.
    pub(crate) fn answer(self, reply: Option<Reply>) -> Result<Reply, Dropped> {
        match (self.outcome, reply) {
            (Outcome::Status { status, reason }, _) => Ok(error_reply(&error(status, &reason))),
            (Outcome::Answer { status, headers, body }, _) => {
                Ok(written_reply(status, &headers, body))
            }
            (Outcome::Cut { bytes }, Some(reply)) => Ok(cut(reply, bytes)),
            (Outcome::Drop | Outcome::Cut { .. }, _) => Err(Dropped),
        }
    }
}

/// Compares part by part; all but the last must be whole.
fn fits_path(wanted: &str, path: &str) -> bool {
    let (wanted, whole) = match wanted.strip_suffix('$') {
        Some(wanted) => (wanted, true),
        None => (wanted, false),
    };
    let wanted: Vec<&str> = wanted.split('/').collect();
    let parts: Vec<&str> = path.split('/').collect();
    if wanted.len() > parts.len() || whole && wanted.len() != parts.len() {
        return false;
    }
    let last = wanted.len() - 1;
    wanted.iter().zip(parts).enumerate().all(|(at, (wanted, part))| {
        *wanted == "*" || *wanted == part || at == last && !whole && part.starts_with(wanted)
    })
}

fn error(status: u16, reason: &str) -> ApiError {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    ApiError::new(status, reason, "A fault that was asked for.")
}

/// Returns an answer that announces all of its body and breaks off in the middle.
fn cut(mut reply: Reply, bytes: u64) -> Reply {
    let body = std::mem::take(reply.body_mut());
    let frames = stream::unfold(Some((body, bytes)), |state| async move {
        let (mut body, left) = state?;
        let broken = || Some((Err(std::io::ErrorKind::ConnectionAborted.into()), None));
        let Some(Ok(frame)) = body.frame().await else { return broken() };
        let data: Bytes = frame.into_data().unwrap_or_default();
        let part = data.slice(..data.len().min(usize::try_from(left).unwrap_or(usize::MAX)));
        let left = left - part.len() as u64;
        if part.is_empty() && left == 0 {
            return broken();
        }
        Some((Ok(Frame::data(part)), Some((body, left))))
    });
    *reply.body_mut() = StreamBody::new(frames).boxed_unsync();
    reply
}

/// What is to happen to one request.
#[derive(Debug)]
pub(crate) enum Plan {
    Serve,
    Before(Fault),
    After(Fault),
}

/// The faults of one server, still to come.
#[derive(Debug, Default)]
pub struct Faults {
    queue: Mutex<Vec<Fault>>,
}

impl Faults {
    /// Adds a fault behind the others.
    pub fn push(&self, fault: Fault) {
        self.lock().push(fault);
    }

    /// Forgets all faults.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// Returns how many faults have not hit as often as they should.
    pub fn pending(&self) -> usize {
        self.lock().len()
    }

    /// Decides about one request.
    pub(crate) fn next(&self, method: &str, path: &str, query: impl FnOnce() -> String) -> Plan {
        if self.lock().is_empty() {
            return Plan::Serve; // as almost always
        }
        let query = query();
        match self.take(|fault| fault.fits(method, path, &query)) {
            None => Plan::Serve,
            Some(fault) if fault.when == When::Before => Plan::Before(fault),
            Some(fault) => Plan::After(fault),
        }
    }

    /// Decides about one part of a batch: only by faults that name a path and a status.
    pub(crate) fn inner(&self, method: &str, path: &str, query: &str) -> Option<ApiError> {
        let status = |fault: &Fault| matches!(fault.outcome, Outcome::Status { .. });
        let hit = self.take(|fault| {
            fault.path.is_some()
                && fault.when == When::Before
                && status(fault)
                && fault.fits(method, path, query)
        })?;
        match hit.outcome {
            Outcome::Status { status, reason } => Some(error(status, &reason)),
            _ => None,
        }
    }

    fn take(&self, fits: impl Fn(&Fault) -> bool) -> Option<Fault> {
        let mut queue = self.lock();
        for at in 0..queue.len() {
            if !fits(&queue[at]) {
                continue;
            }
            if queue[at].skip > 0 {
                queue[at].skip -= 1;
                continue;
            }
            queue[at].times = queue[at].times.saturating_sub(1);
            let hit = queue[at].clone();
            if hit.times == 0 {
                queue.remove(at);
            }
            return Some(hit);
        }
        None
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Fault>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_fits_by_its_parts() {
        #[rustfmt::skip]
        let cases = [
            ("/drive/v3/files",              "/drive/v3/files",                true),
            ("/drive/v3/files",              "/drive/v3/files/x",              true),
            ("/drive/v3/files$",             "/drive/v3/files/x",              false),
            ("/drive/v3/files/*$",           "/drive/v3/files/x",              true),
            ("/drive/v3/files/*/permissions", "/drive/v3/files/x/permissions", true),
            ("/drive/v3/files/*/permissions", "/drive/v3/files/x",             false),
            ("/drive/v3/fi",                 "/drive/v3/files",                true),
            ("/drive",                       "/upload/drive",                  false),
        ];
        for (wanted, path, fits) in cases {
            assert_eq!(fits_path(wanted, path), fits, "{wanted} on {path}");
        }
    }

    #[test]
    fn a_fault_skips_hits_and_is_gone() {
        let faults = Faults::default();
        faults.push(Fault::new(When::After, Outcome::Drop).on("GET", "/a").skip(1).times(2));
        let hits: Vec<bool> = ["/b", "/a", "/a", "/a", "/a"]
            .iter()
            .map(|path| !matches!(faults.next("GET", path, String::new), Plan::Serve))
            .collect();
        assert_eq!(hits, [false, false, true, true, false]);
        assert_eq!(faults.pending(), 0);
    }
}
