//! What keeps an account from its drive until a person does something about it, and the short name
//! of each.
//!
//! These are the failures of signing in to Google that people meet, each with a remedy of its own.
//! The name is the same wherever the failure shows: at the login, in a sync, in `syft doctor`.

use drive_api::auth::SignInError;

use crate::model::Code;

/// What keeps an account from its drive.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Barrier {
    /// The Drive API is off in the Cloud project of the program's client.
    ApiOff {
        /// The project, if it is known.
        project: Option<String>,
    },
    /// The sign-in does not include the files of the drive.
    ScopeMissing,
    /// The organization does not allow it.
    AdminPolicy,
    /// Google blocks the program.
    AppBlocked,
    /// The clock of this machine is off.
    ClockOff,
    /// The sign-in was good for a time only: the program's app is in Testing.
    SignInEnded,
    /// The credentials of the program are not accepted.
    BadClient,
    /// The service account may not act for people.
    NoDelegation {
        /// The number by which an administrator lets it in.
        client_id: String,
    },
    /// There is nobody whom the service account could act for.
    NobodyToActFor,
    /// The key of the service account is not accepted.
    BadKey,
    /// A service account that would act for itself.
    NotForItself,
    /// The keyring that holds the sign-in cannot be used.
    Keyring,
}

impl Barrier {
    /// Returns the barrier that an error of signing in stands for, if it is one.
    pub fn of(error: &SignInError) -> Option<Self> {
        Some(match error {
            SignInError::Ended { .. } => Self::SignInEnded,
            SignInError::ClockOff { .. } => Self::ClockOff,
            SignInError::BadClient { .. } => Self::BadClient,
            SignInError::Policy { .. } => Self::AdminPolicy,
            SignInError::Blocked { .. } => Self::AppBlocked,
            SignInError::ScopeMissing => Self::ScopeMissing,
            SignInError::NoDelegation { client_id, .. } => {
                Self::NoDelegation { client_id: client_id.clone() }
            }
            SignInError::NobodyToActFor { .. } => Self::NobodyToActFor,
            SignInError::BadKey { .. } => Self::BadKey,
            SignInError::NotForItself => Self::NotForItself,
            SignInError::Keyring { .. } => Self::Keyring,
            _ => return None,
        })
    }

    /// Returns its short name, for programs. It does not change.
    pub const fn code(&self) -> Code {
        match self {
            Self::ApiOff { .. } => Code::ApiOff,
            Self::ScopeMissing => Code::MissingScope,
            Self::AdminPolicy => Code::AdminPolicy,
            Self::AppBlocked => Code::AppBlocked,
            Self::ClockOff => Code::ClockOff,
            Self::SignInEnded => Code::AppInTesting,
            Self::BadClient => Code::BadClient,
            Self::NoDelegation { .. } => Code::NoDelegation,
            Self::NobodyToActFor => Code::NobodyToActFor,
            Self::BadKey => Code::BadKey,
            Self::NotForItself => Code::ServiceAccountAlone,
            Self::Keyring => Code::Keyring,
        }
    }
}
