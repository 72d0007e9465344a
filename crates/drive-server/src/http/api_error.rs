//! Errors as Drive writes them: a status, a reason that programs read, a message for people.
//!
//! Source: <https://developers.google.com/workspace/drive/api/guides/handle-errors> and answers of
//! the real service.

use std::io;

use hyper::StatusCode;
use serde_json::{Value, json};

use crate::store::{self, Refusal};

/// An answer that is an error.
#[derive(Debug, Clone)]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    reason: String,
    message: String,
    /// The parameter or header that is wrong, and which of both it is.
    location: Option<(&'static str, &'static str)>,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, reason: &str, message: impl Into<String>) -> Self {
        Self { status, reason: reason.to_owned(), message: message.into(), location: None }
    }

    /// A parameter that is not what it should be. The reason is not `badRequest`, which clients
    /// take for a passing trouble and repeat.
    pub(crate) fn invalid(parameter: &'static str) -> Self {
        let invalid = Self::new(StatusCode::BAD_REQUEST, "invalid", "Invalid Value");
        invalid.at(parameter, "parameter")
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "badRequest", message)
    }

    pub(crate) fn parse() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "parseError", "Parse Error")
    }

    pub(crate) fn forbidden(reason: &str, message: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, reason, message)
    }

    pub(crate) fn no_such_page() -> Self {
        Self::new(StatusCode::NOT_FOUND, "notFound", "Not Found")
    }

    pub(crate) fn method() -> Self {
        let status = StatusCode::METHOD_NOT_ALLOWED;
        Self::new(status, "httpMethodNotAllowed", "The method is not allowed for this resource.")
    }

    pub(crate) fn too_large() -> Self {
        let message = "The request is too large.";
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "uploadTooLarge", message)
    }

    pub(crate) fn unauthorized() -> Self {
        let message = "Request had invalid authentication credentials. Expected OAuth 2 access \
                       token, login cookie or other valid authentication credential.";
        Self::new(StatusCode::UNAUTHORIZED, "authError", message).at("Authorization", "header")
    }

    fn at(mut self, location: &'static str, kind: &'static str) -> Self {
        self.location = Some((location, kind));
        self
    }

    pub(crate) fn body(&self) -> Value {
        let domain = match self.reason.as_str() {
            "rateLimitExceeded" | "userRateLimitExceeded" => "usageLimits",
            _ => "global",
        };
        let mut item = json!({"message": self.message, "domain": domain, "reason": self.reason});
        if let Some((location, kind)) = self.location {
            item["location"] = json!(location);
            item["locationType"] = json!(kind);
        }
        let mut error = json!({
            "code": self.status.as_u16(),
            "message": self.message,
            "errors": [item],
        });
        if self.status == StatusCode::UNAUTHORIZED {
            error["status"] = json!("UNAUTHENTICATED");
        }
        json!({"error": error})
    }
}

impl From<store::Error> for ApiError {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Refused(refusal) => refusal.into(),
            store::Error::Folder(error) => error.into(),
            store::Error::Database(_) | store::Error::GivenUp | store::Error::Lacks(_) => {
                let status = StatusCode::INTERNAL_SERVER_ERROR;
                Self::new(status, "internalError", "Internal Error")
            }
        }
    }
}

impl From<io::Error> for ApiError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::forbidden(
                "storageQuotaExceeded",
                "The user's Drive storage quota has been exceeded.",
            ),
            io::ErrorKind::FileTooLarge => Self::too_large(),
            // Another request took over an upload session: try again.
            io::ErrorKind::Interrupted => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "backendError", "Backend Error")
            }
            io::ErrorKind::TimedOut => {
                Self::new(StatusCode::REQUEST_TIMEOUT, "requestTimeout", "Request timed out.")
            }
            _ => Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internalError", "Internal Error"),
        }
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let sees = "The user does not have sufficient permissions for this file.";
        let denied = |message| Self::forbidden("insufficientFilePermissions", message);
        match refusal {
            Refusal::NoFile(id) => {
                let message = format!("File not found: {id}.");
                Self::new(StatusCode::NOT_FOUND, "notFound", message).at("fileId", "parameter")
            }
            Refusal::NoPermission(id) => {
                let message = format!("Permission not found: {id}.");
                let missing = Self::new(StatusCode::NOT_FOUND, "notFound", message);
                missing.at("permissionId", "parameter")
            }
            Refusal::Denied => denied(sees),
            Refusal::DeniedParent => {
                denied("The user does not have sufficient permissions for the parent folder.")
            }
            Refusal::IdInUse => {
                let message = "A file already exists with the provided ID.";
                Self::new(StatusCode::CONFLICT, "fileIdInUse", message)
            }
            Refusal::IdNotUsable => {
                let message = "The provided file ID is not usable.";
                Self::new(StatusCode::BAD_REQUEST, "invalid", message).at("file.id", "other")
            }
            Refusal::ParentNotFolder => {
                Self::forbidden("parentNotAFolder", "The specified parent is not a folder.")
            }
            Refusal::ManyParents => Self::forbidden(
                "cannotAddParent",
                "Increasing the number of parents is not allowed",
            ),
            Refusal::Cycle => Self::forbidden(
                "cannotAddParent",
                "A folder cannot be moved into itself or its descendants.",
            ),
            Refusal::TooDeep => Self::forbidden(
                "myDriveHierarchyDepthLimitExceeded",
                "Your My Drive folder hierarchy depth limit has been exceeded.",
            ),
            Refusal::Root => denied("The root folder cannot be changed."),
            Refusal::FolderContent => {
                Self::new(StatusCode::BAD_REQUEST, "invalid", "This kind of file has no content.")
            }
            Refusal::TransferNotAsked => Self::forbidden(
                "forbidden",
                "The transferOwnership parameter must be enabled when the permission role is \
                 'owner'.",
            )
            .at("transferOwnership", "parameter"),
            Refusal::Inherited => Self::forbidden(
                "cannotModifyInheritedPermission",
                "Cannot modify a permission that is inherited from a parent folder.",
            ),
            Refusal::OwnerStays => denied("The owner's permission can only be transferred."),
            Refusal::BadPageToken => Self::invalid("pageToken"),
            Refusal::SecretTaken => Self::bad_request("The secret is taken."),
            Refusal::ManySessions => {
                Self::forbidden("userRateLimitExceeded", "User Rate Limit Exceeded")
            }
        }
    }
}
