//! A scientist submits a job: it is built, put into the owner's tree, and sent.

use std::path::PathBuf;

use super::reception::job_store;
use super::{Client, Error, FoundJob, Result};
use crate::jobs::{
    Datasets, JobId, JobKind, JobName, Request, SubmissionRequest, build, install_source,
    read_source,
};
use crate::model::{Code, Email, Role};
use crate::peers::PeerState;
use crate::syncers::{self, DatasiteWatcherSyncer, expect_datasite, peering};
use crate::wire::{Dialect, JobLayout};

/// What a scientist wants an owner to run.
#[derive(Clone, Debug)]
pub struct JobRequest {
    /// Whose data it is for.
    pub to: Email,
    /// The file or folder with the code.
    pub path: PathBuf,
    /// What to call it; `None`: a name is made up.
    pub name: Option<String>,
    /// The file of the folder to start; `None`: the one with a usual name.
    pub entrypoint: Option<String>,
    /// Packages that it needs.
    pub dependencies: Vec<String>,
    /// The datasets of the owner that it reads; none: all that it may.
    pub datasets: Vec<String>,
    /// What it is for, and what it is to leave.
    pub request: Request,
    /// True for a shell script, false for Python.
    pub bash: bool,
    /// Submit also where the owner's program is unknown or does not fit.
    pub force: bool,
}

/// A job that was submitted.
#[derive(Clone, Debug)]
pub struct Submitted {
    /// The job.
    pub found: FoundJob,
    /// What the scientist should know.
    pub warnings: Vec<String>,
}

/// Whom a job is for.
struct Recipient {
    email: Email,
    /// How the owner's program speaks.
    dialect: Dialect,
    /// Whether it is known to be ours, in which a job can import the client by any name.
    is_ours: bool,
    /// What the owner wants jobs to install, as far as the version file says so.
    advertised: Option<String>,
}

impl Client {
    /// Submits a job and sends it: one request if the owner's inbox is known.
    ///
    /// # Errors
    /// [`Error::WrongRole`] for an owner; [`Error::Sync`] if `to` is no peer;
    /// [`Error::VersionUnknown`] and [`Error::VersionMismatch`] unless forced;
    /// [`Error::Submission`] if it cannot be a job; [`Error::NotSent`] if it is kept here until the
    /// next sync.
    pub async fn submit_job(&self, request: &JobRequest) -> Result<Submitted> {
        self.needs(Role::Scientist)?;
        let _lock = self.lock().await?;
        let Recipient { email: owner, dialect, is_ours, advertised } = self.recipient(request)?;
        expect_datasite(&self.account, &owner)?;
        let name = match &request.name {
            Some(name) => JobName::parse(name)?,
            None => JobName::unnamed(uuid::Uuid::new_v4().as_fields().0),
        };
        let datasets: Option<Datasets> = (!request.datasets.is_empty())
            .then(|| Datasets::from([(owner.to_string(), request.datasets.clone())]));
        let source = read_source(&request.path)?;
        let submitter = self.account.email.clone();
        let id = JobId { submitter, layout: dialect.job_layout.into(), name };
        let (install_source, odd_source) =
            install_source(advertised.as_deref(), dialect.install_source());
        let submission = build(
            source,
            &SubmissionRequest {
                job: &id,
                kind: if request.bash { JobKind::Bash } else { JobKind::Python },
                entrypoint: request.entrypoint.as_deref(),
                dependencies: &request.dependencies,
                datasets,
                request: request.request.clone(),
                install_source: &install_source,
                module: (!is_ours).then_some(dialect.module),
                submitted_at: self.now(),
            },
        )?;
        let store = job_store(&self.account, &owner);
        store.submit(&submission)?;
        let report = DatasiteWatcherSyncer::new(&self.account).push(&owner, self.now()).await?;
        let unsent = [Code::NotSent, Code::MailboxGone, Code::FileNotRead];
        if let Some(problem) = report.problems.iter().find(|p| unsent.contains(&p.code)) {
            let (what, reason) = (id.name.to_string(), problem.message.clone());
            return Err(Error::NotSent { what, reason });
        }
        let mut warnings = submission.warnings;
        warnings.extend(odd_source.filter(|_| !request.bash));
        warnings.extend(submission.binary_files.iter().map(|path| {
            format!("{path} is not text; an owner with the Python client cannot receive it")
        }));
        let job = store.find(&id)?;
        Ok(Submitted { found: FoundJob::new(owner, job, store), warnings })
    }

    /// Finds the peer that a job is for, and how it speaks.
    fn recipient(&self, request: &JobRequest) -> Result<Recipient> {
        let known = peering::remembered(&self.account)?;
        let is_reachable = |state| matches!(state, PeerState::Accepted | PeerState::RequestedByMe);
        let peer = known
            .into_iter()
            .find(|known| known.peer.email.is_same_account(request.to.as_str()))
            .filter(|known| is_reachable(known.peer.state))
            .ok_or_else(|| syncers::Error::UnknownPeer { peer: request.to.clone() })?;
        if !request.force {
            self.check_version(&peer)?;
        }
        syncers::sealing::may_send(&self.account)?;
        syncers::sealing::may_go(&peer)?;
        // The flat layout is read by all generations: where nothing is known, it is the one.
        let on_a_guess = || Dialect { job_layout: JobLayout::Flat, ..self.account.dialect.clone() };
        Ok(Recipient {
            email: peer.peer.email,
            dialect: peer.speech.dialect.unwrap_or_else(on_a_guess),
            is_ours: peer.version.as_ref().is_some_and(|version| version.syft_rs.is_some()),
            advertised: peer.version.and_then(|version| version.syft_client_install_source?),
        })
    }
}
