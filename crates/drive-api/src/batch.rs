//! Up to 100 small calls in one request.
//!
//! A batch is many requests inside one, each with its own answer, so a part that was rate limited is
//! sent again alone. Drive may carry the parts out in any order. How it looks on the wire is in
//! [`wire`]. Source: <https://developers.google.com/workspace/drive/api/guides/performance#batch-requests>.

mod wire;

use std::time::Duration;

use google_drive3::common;
use hyper::Method;
use hyper::header::CONTENT_TYPE;
use serde_json::json;

use crate::auth::AccessToken;
use crate::create::boundary;
use crate::drive::{Drive, gone_is_fine};
use crate::error::Error;
use crate::file::Role;
use crate::gate::Ticket;
use crate::id;
use crate::quota;
use crate::retry::{self, Failed, Repeat, Verdict};
use crate::transport::finish;
use wire::{Part, Request};

const CALLS_MAX: usize = 100; // Drive's limit

/// One call of a batch. All of them can be repeated without harm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// Deletes a file for good; fine if it is gone.
    Delete {
        /// The file.
        id: String,
    },
    /// Moves a file from one folder to another.
    Move {
        /// The file.
        id: String,
        /// The folder to put it in.
        add: String,
        /// The folder to take it out of.
        remove: String,
    },
    /// Lets somebody use a file.
    Grant {
        /// The file.
        id: String,
        /// Who.
        email: String,
        /// For what.
        role: Role,
        /// Whether the server sends an e-mail.
        notify: bool,
    },
    /// Takes a permission back; fine if it is gone.
    Revoke {
        /// The file.
        id: String,
        /// The permission.
        permission_id: String,
    },
}

impl Drive {
    /// Makes all these calls, 100 in a request. Results come in the order of the calls.
    ///
    /// Each result fails like the call that it stands for.
    pub async fn batch(&self, calls: Vec<Call>) -> Vec<Result<(), Error>> {
        let api = self.transport.endpoint.api();
        let mut batch = Batch { results: calls.iter().map(|_| None).collect(), calls };
        let mut valid = Vec::new();
        for (at, call) in batch.calls.iter().enumerate() {
            match call.request(api.path()) {
                Ok(request) => valid.push((at, request)),
                Err(error) => batch.results[at] = Some(Err(error)),
            }
        }
        for chunk in valid.chunks(CALLS_MAX) {
            self.send_chunk(chunk.iter().collect(), &mut batch).await;
        }
        let missing = || Err(Error::invalid("the answer to a batch", "a part of it is missing"));
        batch.results.into_iter().map(|result| result.unwrap_or_else(missing)).collect()
    }

    /// Sends one chunk until every part has a result that is there to stay.
    async fn send_chunk(&self, mut left: Vec<&(usize, Request)>, batch: &mut Batch) {
        let mut delays = retry::delays();
        let mut is_fresh = false;
        while !left.is_empty() {
            let sent = self.transport.persist(Repeat::Safe, |token| self.post(token, &left));
            let (token, ticket, parts) = match sent.await {
                Ok(sent) => sent,
                Err(failed) => return batch.fail(&left, &failed.error),
            };
            let round = self.read_round(left, (ticket, parts), is_fresh, batch);
            left = round.again;
            if round.is_stale && !is_fresh {
                is_fresh = true;
                if self.transport.tokens.refresh(&token).await.is_err() {
                    return; // the parts keep the error that they have
                }
            } else if !left.is_empty() {
                let Some(delay) = delays.next() else { return };
                self.transport.pause(delay, round.retry_after).await;
            }
        }
    }

    /// Writes down what each part came to, and which of them go out again.
    fn read_round<'a>(
        &self,
        sent: Vec<&'a (usize, Request)>,
        (ticket, parts): (Option<Ticket>, Vec<Option<Part>>),
        is_fresh: bool,
        batch: &mut Batch,
    ) -> Round<'a> {
        let mut round = Round { again: Vec::new(), is_stale: false, retry_after: None };
        for (item, part) in sent.into_iter().zip(parts) {
            let at = item.0;
            let what = batch.calls[at].what();
            let failed = match part {
                Some(part) if (200..300).contains(&part.status) => {
                    batch.results[at] = Some(Ok(()));
                    continue;
                }
                Some(part) => {
                    let now = self.transport.settings.clock.now();
                    let wait = part.retry_after.and_then(|value| retry::retry_after(&value, now));
                    Failed::answer(&what, part.status, &part.body, wait)
                }
                None => Failed::lost(&what, "its part of the answer is missing"),
            };
            self.transport.heed(ticket, &failed);
            match retry::judge(&failed.symptom, Repeat::Safe) {
                Verdict::GiveUp => {}
                Verdict::FreshToken => {
                    round.is_stale = true;
                    if !is_fresh {
                        round.again.push(item);
                    }
                }
                Verdict::Again => {
                    round.retry_after = round.retry_after.max(failed.retry_after);
                    round.again.push(item);
                }
            }
            batch.results[at] = Some(batch.calls[at].settle(Err(failed.error)));
        }
        round
    }

    async fn post(
        &self,
        token: AccessToken,
        left: &[&(usize, Request)],
    ) -> Result<(AccessToken, Option<Ticket>, Vec<Option<Part>>), Failed> {
        const WHAT: &str = "a batch";
        let boundary = boundary();
        let requests: Vec<&Request> = left.iter().map(|item| &item.1).collect();
        let body = wire::encode(&boundary, &requests);
        let builder = self
            .transport
            .request(Method::POST, &self.transport.endpoint.batch(), &token)
            .header(CONTENT_TYPE, format!("multipart/mixed; boundary={boundary}"));
        let request = finish(WHAT, builder, common::to_body(Some(body)))?;
        let price = |part: &&Request| quota::price_of_part(part.method, &part.target);
        let slot = self.transport.enter(requests.iter().map(price).sum()).await;
        let answer = self.transport.answer_in(slot, WHAT, request).await?;
        let answer = self.transport.success(WHAT, answer)?;
        let media_type = answer.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let parts = wire::decode(media_type.unwrap_or_default(), &answer.body, left.len())
            .ok_or_else(|| Error::invalid("the answer to a batch", "it is not multipart/mixed"))?;
        Ok((token, answer.ticket, parts))
    }
}

/// The calls and, one for each, what came of them so far.
struct Batch {
    calls: Vec<Call>,
    results: Vec<Option<Result<(), Error>>>,
}

/// What is left after one request.
struct Round<'a> {
    again: Vec<&'a (usize, Request)>,
    is_stale: bool,
    retry_after: Option<Duration>,
}

impl Batch {
    /// The request that held all of `left` failed; each part fails in the same way.
    fn fail(&mut self, left: &[&(usize, Request)], error: &Error) {
        for (at, _) in left {
            let what = self.calls[*at].what();
            self.results[*at] = Some(Err(match error {
                Error::Unauthorized { .. } | Error::SignedOut { .. } => {
                    Error::Unauthorized { what }
                }
                Error::RateLimited { retry_after, .. } => {
                    Error::RateLimited { what, retry_after: *retry_after }
                }
                Error::Invalid { problem, .. } => {
                    Error::invalid("the answer to a batch", problem.as_str())
                }
                other => Error::Unavailable { what, source: other.to_string().into() },
            }));
        }
    }
}

impl Call {
    fn what(&self) -> String {
        match self {
            Self::Delete { id } | Self::Move { id, .. } => format!("file {id}"),
            Self::Grant { id, .. } | Self::Revoke { id, .. } => format!("the permissions of {id}"),
        }
    }

    fn settle(&self, done: Result<(), Error>) -> Result<(), Error> {
        match self {
            Self::Delete { .. } | Self::Revoke { .. } => gone_is_fine(done),
            Self::Move { .. } | Self::Grant { .. } => done,
        }
    }

    /// The request for this call; `api` is the path of the API on the server.
    fn request(&self, api: &str) -> Result<Request, Error> {
        let request = |method, target: String, body| Request { method, target, body };
        Ok(match self {
            Self::Delete { id } => {
                let id = id::checked(id)?;
                request("DELETE", format!("{api}files/{id}?supportsAllDrives=true"), None)
            }
            Self::Move { id, add, remove } => {
                let (id, add, remove) = (id::checked(id)?, id::checked(add)?, id::checked(remove)?);
                let query = format!("addParents={add}&removeParents={remove}");
                let target = format!("{api}files/{id}?{query}&fields=id&supportsAllDrives=true");
                request("PATCH", target, Some(json!({})))
            }
            Self::Grant { id, email, role, notify } => {
                let id = id::checked(id)?;
                let query = format!("sendNotificationEmail={notify}&fields=id");
                let target = format!("{api}files/{id}/permissions?{query}&supportsAllDrives=true");
                let body = json!({"type": "user", "role": role.as_str(), "emailAddress": email});
                request("POST", target, Some(body))
            }
            Self::Revoke { id, permission_id } => {
                let (id, permission) = (id::checked(id)?, id::checked(permission_id)?);
                let target = format!("{api}files/{id}/permissions/{permission}");
                request("DELETE", format!("{target}?supportsAllDrives=true"), None)
            }
        })
    }
}
