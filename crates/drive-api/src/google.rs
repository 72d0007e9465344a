//! The metadata calls, each one attempt, through `google-drive3`.
//!
//! That crate hides the status and the headers of a failure, and it may panic. [`Witness`] sees what
//! it hides and [`guarded`] catches what it throws, so that a bad answer is an error. Its calls are
//! generic over the connector; they stay in this file.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::FutureExt;
use google_drive3::{DriveHub, api, common};
use serde_json::Value;

use crate::auth::AccessToken;
use crate::connector::Bounded;
use crate::error::Error;
use crate::file::FIELDS;
use crate::gate::Slot;
use crate::quota::Kind;
use crate::retry::Failed;
use crate::transport::{AGENT, Transport, failed_request};

const PAGE_ITEMS: i32 = 1000; // the most that Drive gives at once
const PERMISSION_PAGE_ITEMS: i32 = 100;

/// One attempt's answer.
type Attempt<T> = Result<T, Failed>;

impl Transport {
    pub(crate) async fn about(&self, token: AccessToken) -> Attempt<api::About> {
        let (hub, mut witness) = self.call(&token, Kind::Read).await;
        let call = hub.about().get().param("fields", "user(emailAddress)");
        let outcome = self.guarded(call.delegate(&mut witness).doit()).await;
        witness.conclude("the account", outcome).map(second)
    }

    pub(crate) async fn list_page(
        &self,
        token: AccessToken,
        query: &str,
        order: Option<&str>,
        page: Option<&str>,
    ) -> Attempt<api::FileList> {
        let (hub, mut witness) = self.call(&token, Kind::List).await;
        let fields = format!("nextPageToken,incompleteSearch,files({FIELDS})");
        let mut call = hub.files().list().param("fields", &fields).page_size(PAGE_ITEMS);
        if !query.is_empty() {
            call = call.q(query);
        }
        if let Some(order) = order {
            call = call.order_by(order);
        }
        if let Some(page) = page {
            call = call.page_token(page);
        }
        let outcome = self.guarded(call.delegate(&mut witness).doit()).await;
        witness.conclude("a list of files", outcome).map(second)
    }

    pub(crate) async fn get_file(
        &self,
        token: AccessToken,
        id: &str,
        fields: &str,
    ) -> Attempt<api::File> {
        let (hub, mut witness) = self.call(&token, Kind::Read).await;
        let call = hub.files().get(id).param("fields", fields).supports_all_drives(true);
        let outcome = self.guarded(call.delegate(&mut witness).doit()).await;
        witness.conclude(&format!("file {id}"), outcome).map(second)
    }

    pub(crate) async fn delete_file(&self, token: AccessToken, id: &str) -> Attempt<()> {
        let (hub, mut witness) = self.call(&token, Kind::Edit).await;
        let call = hub.files().delete(id).supports_all_drives(true).delegate(&mut witness).doit();
        let outcome = self.guarded(call).await;
        witness.conclude(&format!("file {id}"), outcome).map(drop)
    }

    pub(crate) async fn generate_some_ids(
        &self,
        token: AccessToken,
        count: i32,
    ) -> Attempt<api::GeneratedIds> {
        let (hub, mut witness) = self.call(&token, Kind::Read).await;
        let call = hub.files().generate_ids().count(count).space("drive").param("fields", "ids");
        let outcome = self.guarded(call.delegate(&mut witness).doit()).await;
        witness.conclude("new ids", outcome).map(second)
    }

    pub(crate) async fn permission_page(
        &self,
        token: AccessToken,
        id: &str,
        page: Option<&str>,
    ) -> Attempt<api::PermissionList> {
        const FIELDS: &str = "nextPageToken,permissions(id,type,role,emailAddress)";
        let (hub, mut witness) = self.call(&token, Kind::Read).await;
        let call = hub.permissions().list(id).param("fields", FIELDS);
        let mut call = call.page_size(PERMISSION_PAGE_ITEMS).supports_all_drives(true);
        if let Some(page) = page {
            call = call.page_token(page);
        }
        let outcome = self.guarded(call.delegate(&mut witness).doit()).await;
        witness.conclude(&format!("the permissions of {id}"), outcome).map(second)
    }

    pub(crate) async fn create_permission(
        &self,
        token: AccessToken,
        id: &str,
        permission: api::Permission,
        notify: bool,
    ) -> Attempt<()> {
        let (hub, mut witness) = self.call(&token, Kind::Edit).await;
        let call = hub.permissions().create(permission, id).param("fields", "id");
        let call = call.send_notification_email(notify).supports_all_drives(true);
        let outcome = self.guarded(call.delegate(&mut witness).doit()).await;
        witness.conclude(&format!("the permissions of {id}"), outcome).map(drop)
    }

    pub(crate) async fn delete_permission(
        &self,
        token: AccessToken,
        id: &str,
        permission: &str,
    ) -> Attempt<()> {
        let (hub, mut witness) = self.call(&token, Kind::Edit).await;
        let call = hub.permissions().delete(id, permission).supports_all_drives(true);
        let call = call.delegate(&mut witness).doit();
        let outcome = self.guarded(call).await;
        witness.conclude(&format!("the permissions of {id}"), outcome).map(drop)
    }

    pub(crate) async fn first_page_token(
        &self,
        token: AccessToken,
    ) -> Attempt<api::StartPageToken> {
        let (hub, mut witness) = self.call(&token, Kind::Read).await;
        let call = hub.changes().get_start_page_token();
        let outcome = self.guarded(call.delegate(&mut witness).doit()).await;
        witness.conclude("the change feed", outcome).map(second)
    }

    pub(crate) async fn change_page(
        &self,
        token: AccessToken,
        page: &str,
    ) -> Attempt<api::ChangeList> {
        let (hub, mut witness) = self.call(&token, Kind::List).await;
        let fields =
            format!("nextPageToken,newStartPageToken,changes(fileId,removed,file({FIELDS}))");
        let call = hub.changes().list(page).param("fields", &fields).page_size(PAGE_ITEMS);
        let call = call.include_removed(true).spaces("drive");
        let outcome = self.guarded(call.delegate(&mut witness).doit()).await;
        witness.conclude("the change feed", outcome).map(second)
    }

    async fn call(&self, token: &AccessToken, kind: Kind) -> (DriveHub<Bounded>, Witness<'_>) {
        let mut hub = DriveHub::new(self.client.clone(), token.secret().to_owned());
        hub.user_agent(AGENT.to_owned());
        hub.base_url(self.endpoint.api().into());
        hub.root_url(self.endpoint.root().clone().into());
        let slot = self.enter(kind.units()).await;
        let overflows = self.overflows.load(Ordering::SeqCst);
        (hub, Witness { transport: self, slot, overflows, refusal: None })
    }

    async fn guarded<T>(&self, call: impl Future<Output = common::Result<T>>) -> Result<T, Fault> {
        let caught = AssertUnwindSafe(call).catch_unwind();
        match tokio::time::timeout(self.settings.patience, caught).await {
            Ok(Ok(Ok(value))) => Ok(value),
            Ok(Ok(Err(error))) => Err(Fault::Failed(Box::new(error))),
            Ok(Err(_panic)) => Err(Fault::Panicked),
            Err(late) => Err(Fault::Late(late)),
        }
    }
}

/// What an answer says, without the answer itself.
fn second<T>((_, value): (common::Response, T)) -> T {
    value
}

/// Why a call of `google-drive3` gave no value.
enum Fault {
    Failed(Box<common::Error>),
    Panicked,
    Late(tokio::time::error::Elapsed),
}

/// Sees what `google-drive3` hides from its result.
struct Witness<'a> {
    transport: &'a Transport,
    slot: Slot,
    /// How many answers had been too long before this call.
    overflows: u64,
    refusal: Option<Refusal>,
}

struct Refusal {
    status: u16,
    body: Value,
    retry_after: Option<Duration>,
}

impl common::Delegate for Witness<'_> {
    fn http_failure(&mut self, response: &common::Response, body: Option<&Value>) -> common::Retry {
        self.refusal = Some(Refusal {
            status: response.status().as_u16(),
            body: body.cloned().unwrap_or_default(),
            retry_after: self.transport.retry_after(response.headers()),
        });
        common::Retry::Abort // whether to retry is decided in one place only
    }
}

impl Witness<'_> {
    fn conclude<T>(self, what: &str, outcome: Result<T, Fault>) -> Attempt<T> {
        let fault = match outcome {
            Ok(value) => {
                self.slot.worked();
                return Ok(value);
            }
            Err(fault) => fault,
        };
        if let Some(refusal) = &self.refusal {
            let wait = refusal.retry_after;
            let failed = Failed::answer(what, refusal.status, &refusal.body, wait);
            self.transport.heed(Some(self.slot.ticket()), &failed);
            return Err(failed);
        }
        let nonsense =
            |problem: String| Error::invalid(format!("the answer about {what}"), problem).into();
        Err(match fault {
            Fault::Late(late) => Failed::lost(what, late),
            Fault::Panicked => nonsense("it could not be read at all".to_owned()),
            Fault::Failed(error) => match *error {
                common::Error::HttpError(error) => failed_request(what, error),
                // A body that broke off, or was cut off, comes as an empty text.
                common::Error::JsonDecodeError(text, _) if text.is_empty() => self.cut_off(what),
                common::Error::JsonDecodeError(_, error) => nonsense(error.to_string()),
                other => nonsense(other.to_string()),
            },
        })
    }

    fn cut_off(&self, what: &str) -> Failed {
        if self.transport.overflows.load(Ordering::SeqCst) > self.overflows {
            let limit_bytes = self.transport.settings.json_bytes_max;
            return Error::TooLarge { what: what.to_owned(), limit_bytes }.into();
        }
        Failed::lost(what, "the answer broke off")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::auth::StaticToken;
    use crate::endpoint::Endpoint;
    use crate::transport::Settings;

    #[tokio::test]
    async fn a_panic_below_is_an_error_here() {
        let token = StaticToken::new("t").unwrap();
        let endpoint = Endpoint::google();
        let transport = Transport::new(endpoint, Arc::new(token), Settings::default());
        let outcome = transport.guarded::<()>(async { panic!("a bad answer") }).await;
        let (_, witness) = transport.call(&AccessToken::new("t").unwrap(), Kind::Read).await;
        let failed = witness.conclude("it", outcome).unwrap_err();
        assert!(matches!(failed.error, Error::Invalid { .. }), "{failed:?}");
    }
}
