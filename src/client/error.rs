//! Why something could not be done, and the short code that programs tell the cases apart by.

use std::path::PathBuf;

use drive_api::auth::SignInError;

use crate::caches;
use crate::connections::object_store::Refusal;
use crate::connections::{self, Barrier};
use crate::datasets;
use crate::jobs;
use crate::model::{Code, Email, Role};
use crate::permissions;
use crate::syncers::sealing;
use crate::syncers::{self, Problem};

/// What the client gives.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why something could not be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No account is logged in, or not this one.
    #[error("{}", match email { Some(email) => format!("{email} is not logged in"), None => "nobody is logged in".to_owned() })]
    NotLoggedIn {
        /// Which account was asked for, if one was.
        email: Option<Email>,
    },

    /// Several accounts are logged in, and none was named.
    #[error("several accounts are logged in: {}", list(.0))]
    SeveralAccounts(Vec<Email>),

    /// The sign-in belongs to another account than the one that was named.
    #[error("the sign-in belongs to {found}, not to {expected}")]
    WrongAccount {
        /// Who was to log in.
        expected: Email,
        /// Whose sign-in it is.
        found: Email,
    },

    /// Only the other side can do this.
    #[error("only a data {} can do this", match needed { Role::Owner => "owner", Role::Scientist => "scientist" })]
    WrongRole {
        /// Which side.
        needed: Role,
    },

    /// A deletion was begun and not finished.
    #[error("the deletion of the SyftBox was begun and not finished")]
    DeletionBegun,

    /// The SyftBox was deleted on the drive, and nobody said that it is to be put there again.
    #[error("the SyftBox was deleted on the drive by `syft delete`")]
    Deleted,

    /// Another process works on the same SyftBox.
    #[error("another `syft` works on `{}`", path.display())]
    Locked {
        /// The SyftBox.
        path: PathBuf,
    },

    /// A file of the configuration cannot be used.
    #[error("`{}` {problem}", path.display())]
    Configuration {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },

    /// The settings of `syft serve` cannot be used.
    #[error("`{}`: {problem}", path.display())]
    ServeSettings {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },

    /// What was set for all commands cannot be used.
    #[error("`{}` {problem}", path.display())]
    Settings {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },

    /// There is no home folder on this machine.
    #[error("the home folder of this user is not known")]
    NoHome,

    /// Signing in did not work.
    #[error("signing in did not work")]
    SignIn(#[from] SignInError),

    /// The keyring was to keep the sign-in, and cannot.
    #[error("the keyring {problem}")]
    Keyring {
        /// What is wrong with it.
        problem: String,
    },

    /// The address of the server is none.
    #[error("the address of the drive cannot be used")]
    Address(#[from] drive_api::Error),

    /// Several people have a dataset or job of this name.
    #[error("`{name}` is the name of several: of {}", list(owners))]
    Ambiguous {
        /// Which name.
        name: String,
        /// Whose there are.
        owners: Vec<Email>,
    },

    /// One person has two jobs of this name, one in each layout.
    #[error("there are two jobs `{name}` between you and {other}")]
    InTwoLayouts {
        /// Which name.
        name: String,
        /// Whose they are, or for a scientist whom they are for.
        other: Email,
    },

    /// There is no such job.
    #[error("there is no job `{name}`")]
    UnknownJob {
        /// Which.
        name: String,
    },

    /// There is no such dataset.
    #[error("there is no dataset `{name}`")]
    UnknownDataset {
        /// Which.
        name: String,
    },

    /// What program the peer runs is not known, so it may not understand.
    #[error("it is not known yet which version {peer} runs")]
    VersionUnknown {
        /// Who.
        peer: Email,
    },

    /// The peer's program does not understand ours.
    #[error("{peer} runs version {theirs}, which does not work with {ours}")]
    VersionMismatch {
        /// Who.
        peer: Email,
        /// What the peer runs.
        theirs: String,
        /// What we speak.
        ours: String,
    },

    /// It is kept, and the next sync sends it.
    #[error("`{what}` is kept but was not sent: {reason}")]
    NotSent {
        /// What was to be sent.
        what: String,
        /// Why it was not.
        reason: String,
        /// Of which kind that is: [`Code::NotSent`] unless a person has to do something about it.
        code: Code,
    },

    /// What is to be submitted cannot be.
    #[error(transparent)]
    Submission(#[from] jobs::InvalidSubmission),

    /// A text is no job's name.
    #[error(transparent)]
    JobName(#[from] jobs::InvalidName),

    /// Something could not be done with a job.
    #[error(transparent)]
    Job(#[from] jobs::Error),

    /// What a job left cannot be copied.
    #[error(transparent)]
    Export(jobs::ExportError),

    /// Something could not be done with a dataset.
    #[error(transparent)]
    Dataset(#[from] datasets::Error),

    /// There is no such change of permissions.
    #[error(transparent)]
    Permission(#[from] permissions::EditError),

    /// A service could not be made or removed.
    #[error(transparent)]
    Service(#[from] super::service::ServiceError),

    /// Something could not be done with keys.
    #[error(transparent)]
    Keys(#[from] super::keys::KeysError),

    /// A sync could not be done.
    #[error(transparent)]
    Sync(syncers::Error),

    /// The service could not be used.
    #[error("{}", connections::headline(.0))]
    Connection(#[from] connections::Error),

    /// The own disk could not be used.
    #[error("the SyftBox could not be used")]
    Cache(#[source] caches::Error),
}

impl From<caches::Error> for Error {
    fn from(error: caches::Error) -> Self {
        match error {
            caches::Error::Locked { path } => Self::Locked { path },
            error => Self::Cache(error),
        }
    }
}

impl From<syncers::Error> for Error {
    fn from(error: syncers::Error) -> Self {
        match error {
            syncers::Error::Connection(error) => Self::Connection(error),
            syncers::Error::Cache(error) => error.into(),
            error => Self::Sync(error),
        }
    }
}

impl Error {
    /// Returns a short name of the kind of error, for programs. It does not change.
    pub fn code(&self) -> Code {
        match self {
            Self::NotLoggedIn { .. } => Code::NotLoggedIn,
            Self::SeveralAccounts(_) => Code::SeveralAccounts,
            Self::WrongAccount { .. } => Code::WrongAccount,
            Self::WrongRole { .. } => Code::WrongRole,
            Self::DeletionBegun => Code::DeletionBegun,
            Self::Deleted => Code::Deleted,
            Self::Locked { .. } => Code::Locked,
            Self::Configuration { .. } => Code::Configuration,
            Self::Settings { .. } => Code::Settings,
            Self::ServeSettings { .. } => Code::ServeSettings,
            Self::NoHome => Code::NoHome,
            Self::SignIn(error) => sign_in_code(error),
            Self::Keyring { .. } => Barrier::Keyring.code(),
            Self::Address(_) => Code::BadAddress,
            Self::Ambiguous { .. } | Self::InTwoLayouts { .. } => Code::Ambiguous,
            Self::UnknownJob { .. } => Code::UnknownJob,
            Self::UnknownDataset { .. } => Code::UnknownDataset,
            Self::VersionUnknown { .. } => Code::VersionUnknown,
            Self::VersionMismatch { .. } => Code::VersionMismatch,
            Self::NotSent { code, .. } => *code,
            Self::Submission(error) => submission_code(error),
            Self::Export(jobs::ExportError::Exists { .. }) => Code::FileExists,
            Self::Export(_) => Code::File,
            Self::JobName(_) => Code::InvalidJobName,
            Self::Job(error) => job_code(error),
            Self::Dataset(error) => dataset_code(error),
            Self::Permission(_) => Code::PermissionNotChanged,
            Self::Service(error) => error.code(),
            Self::Keys(error) => error.code(),
            Self::Sync(error) => sync_code(error),
            Self::Connection(error) => connection_code(error),
            Self::Cache(error) => cache_code(error),
        }
    }

    /// What was kept and not sent because of `problem`.
    pub(super) fn not_sent(what: String, problem: Problem) -> Self {
        let code = match problem.code {
            known @ (Code::DriveFull | Code::PrivateHalfVisible) => known,
            _ => Code::NotSent,
        };
        Self::NotSent { what, reason: problem.message, code }
    }

    /// True if the same may work later, without anybody doing something.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Locked { .. } | Self::NotSent { .. } => true,
            Self::Connection(error) => error.is_retryable(),
            Self::Dataset(datasets::Error::Connection(error)) => error.is_retryable(),
            Self::SignIn(error) => error.is_retryable(),
            _ => false,
        }
    }
}

fn sign_in_code(error: &SignInError) -> Code {
    if let Some(barrier) = Barrier::of(error) {
        return barrier.code();
    }
    match error {
        SignInError::AccessDenied => Code::AccessDenied,
        SignInError::NoLoopback { .. } => Code::NoLoopback,
        SignInError::TimedOut { .. } => Code::NobodySignedIn,
        SignInError::Misread(_) => Code::WrongPaste,
        SignInError::File { .. } | SignInError::Malformed { .. } => Code::SignInFile,
        SignInError::Revoked | SignInError::NoRefreshToken => Code::SignedOut,
        SignInError::Unavailable { .. } => Code::Unavailable,
        _ => Code::SignIn,
    }
}

fn submission_code(error: &jobs::InvalidSubmission) -> Code {
    match error {
        jobs::InvalidSubmission::Unfit { findings }
            if findings.iter().all(|finding| finding.weight == jobs::Weight::Doubtful) =>
        {
            Code::DoubtfulSubmission
        }
        _ => Code::InvalidSubmission,
    }
}

fn job_code(error: &jobs::Error) -> Code {
    match error {
        jobs::Error::UnknownJob { .. } => Code::UnknownJob,
        jobs::Error::AlreadyExists { .. } => Code::JobExists,
        jobs::Error::Unusable { .. } => Code::JobUnusable,
        jobs::Error::Refused { .. } => Code::JobRefused,
        jobs::Error::NotBound { .. } => Code::JobNotApprovedHere,
        jobs::Error::Changed { .. } => Code::JobChanged,
        jobs::Error::NoSuchResult { .. } => Code::NoSuchResult,
        jobs::Error::ResultChanged { .. } => Code::ResultChanged,
        jobs::Error::UnknownStanding { .. } => Code::UnknownStanding,
        jobs::Error::Standing(_) => Code::InvalidStanding,
        jobs::Error::Busy { .. } => Code::JobBusy,
        jobs::Error::RunsElsewhere { .. } => Code::JobRunsElsewhere,
        jobs::Error::NotStopped { .. } => Code::JobNotStopped,
        jobs::Error::Sandbox(_) => Code::NoSandbox,
        jobs::Error::NoPython { .. } => Code::NoPython,
        jobs::Error::Io { .. } => Code::Disk,
    }
}

fn dataset_code(error: &datasets::Error) -> Code {
    match error {
        datasets::Error::NotFound { .. } => Code::UnknownDataset,
        datasets::Error::Exists { .. } => Code::DatasetExists,
        datasets::Error::Name(_) => Code::InvalidDatasetName,
        datasets::Error::PrivateAsMock { .. } => Code::PrivateAsMock,
        datasets::Error::NoPrivateHalf { .. } => Code::NoPrivateHalf,
        datasets::Error::NothingThere { .. } => Code::NothingThere,
        datasets::Error::Outside { .. } => Code::OutsideSyftbox,
        datasets::Error::Connection(error) => connection_code(error),
        datasets::Error::Refused { .. }
        | datasets::Error::Readme { .. }
        | datasets::Error::NotRegular { .. }
        | datasets::Error::Path { .. }
        | datasets::Error::Url(_) => Code::DatasetFiles,
        datasets::Error::NoPublicHalf
        | datasets::Error::Metadata { .. }
        | datasets::Error::Damaged { .. } => Code::DatasetDamaged,
        datasets::Error::Changed { .. } => Code::DatasetChanged,
        datasets::Error::Visible { .. } => Code::PrivateHalfVisible,
        datasets::Error::Unacceptable { .. } => Code::DatasetNotTaken,
        datasets::Error::Record(_) | datasets::Error::Io { .. } => Code::Disk,
    }
}

fn sync_code(error: &syncers::Error) -> Code {
    match error {
        syncers::Error::OwnFile { .. } => Code::OwnFile,
        syncers::Error::SuddenlyEmpty { .. } => Code::SuddenlyEmpty,
        syncers::Error::NotSynced { .. } => Code::NotSynced,
        syncers::Error::CheckpointTooLarge { .. } => Code::CheckpointTooLarge,
        syncers::Error::LogPruned => Code::LogPruned,
        syncers::Error::UnknownPeer { .. } => Code::UnknownPeer,
        syncers::Error::NoRequest { .. } => Code::NoRequest,
        syncers::Error::OwnAccount { .. } => Code::OwnAccount,
        syncers::Error::KeysMissing => Code::KeysMissing,
        syncers::Error::KeysReplaced { .. } => Code::KeysReplaced,
        syncers::Error::PeerStopped { obstacle, .. } => sealing::obstacle_code(*obstacle),
        syncers::Error::Keys(_) => Code::KeyFile,
        syncers::Error::Connection(error) => connection_code(error),
        syncers::Error::Cache(error) => cache_code(error),
    }
}

fn connection_code(error: &connections::Error) -> Code {
    match Refusal::in_error(error) {
        Some(Refusal::NoBucket) => return Code::NoBucket,
        Some(Refusal::WrongKey | Refusal::Expired) => return Code::SignedOut,
        Some(Refusal::ClockSkew) => return Code::ClockOff,
        Some(Refusal::OtherRegion) => return Code::WrongRegion,
        Some(Refusal::NoConditions) => return Code::StoreUnsuitable,
        Some(Refusal::Forbidden) | None => {}
    }
    match error {
        connections::Error::SignedOut { .. } => Code::SignedOut,
        connections::Error::Barred { barrier, .. } => barrier.code(),
        connections::Error::Denied { .. } => Code::Denied,
        connections::Error::RateLimited { .. } => Code::RateLimited,
        connections::Error::Unavailable { .. } => Code::Unavailable,
        connections::Error::Full { .. } => Code::DriveFull,
        connections::Error::NotFound { .. } => Code::DriveFileGone,
        connections::Error::TooLarge { .. } => Code::FileTooLarge,
        connections::Error::Invalid { .. } | connections::Error::Damaged { .. } => {
            Code::DriveAnswer
        }
        connections::Error::Io(_) => Code::Disk,
        connections::Error::AlreadyExists { .. } | connections::Error::TokenExpired => Code::Drive,
    }
}

fn cache_code(error: &caches::Error) -> Code {
    match error {
        caches::Error::Damaged { .. } => Code::DatabaseDamaged,
        caches::Error::NewerDatabase { .. } => Code::DatabaseNewer,
        caches::Error::Locked { .. } => Code::Locked,
        caches::Error::Displaced { .. } => Code::DatabaseSetAside,
        caches::Error::Database(_) | caches::Error::File { .. } => Code::Disk,
    }
}

fn list(emails: &[Email]) -> String {
    emails.iter().map(Email::as_str).collect::<Vec<_>>().join(", ")
}
