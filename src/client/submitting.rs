//! A scientist submits a job: it is looked at, built, put into the owner's tree, and sent.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::reception::job_store;
use super::{Client, Error, FoundJob, Result};
use crate::jobs::{
    Datasets, Finding, InvalidSubmission, JobId, JobKind, JobName, Request, Source, Submission,
    SubmissionRequest, build, check, check_syntax, install_source, objections, read_source,
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
    /// Submit also where there are doubts, and where the owner's program is unknown or does not fit.
    pub force: bool,
}

/// A job that was submitted.
#[derive(Clone, Debug)]
pub struct Submitted {
    /// The job.
    pub found: FoundJob,
    /// What the scientist should know, the weightiest first.
    pub findings: Vec<Finding>,
}

impl Submitted {
    /// Returns what the scientist should know, in words.
    pub fn warnings(&self) -> Vec<String> {
        self.findings.iter().map(ToString::to_string).collect()
    }
}

/// A job that could be sent.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) owner: Email,
    pub(super) submission: Submission,
    pub(super) findings: Vec<Finding>,
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
    /// [`Error::Submission`] if it cannot be a job, or there are doubts and it is not forced;
    /// [`Error::NotSent`] if it is kept here until the next sync.
    pub async fn submit_job(&self, request: &JobRequest) -> Result<Submitted> {
        self.needs(Role::Scientist)?;
        // A look at the code takes its time, and nobody else need wait for that.
        let prepared = self.prepare(request).await?;
        self.send(&prepared).await
    }

    /// Sends what was looked at, and nothing that was changed since.
    pub(super) async fn send(&self, prepared: &Prepared) -> Result<Submitted> {
        let Prepared { owner, submission, findings } = prepared;
        let _lock = self.lock().await?;
        expect_datasite(&self.account, owner)?;
        let store = job_store(&self.account, owner);
        store.submit(submission)?;
        let report = DatasiteWatcherSyncer::new(&self.account).push(owner, self.now()).await?;
        let unsent = [Code::NotSent, Code::DriveFull, Code::MailboxGone, Code::FileNotRead];
        let id = &submission.job;
        if let Some(problem) = report.problems.iter().find(|p| unsent.contains(&p.code)) {
            return Err(Error::not_sent(id.name.to_string(), problem.clone()));
        }
        let job = store.find(id)?;
        let found = FoundJob::new(owner.clone(), job, store);
        Ok(Submitted { found, findings: findings.clone() })
    }

    /// Looks at what is to be submitted, and builds it.
    pub(super) async fn prepare(&self, request: &JobRequest) -> Result<Prepared> {
        let recipient = self.recipient(request)?;
        let name = match &request.name {
            Some(name) => JobName::choose(name)?,
            None => JobName::unnamed(uuid::Uuid::new_v4().as_fields().0),
        };
        let owner = recipient.email.clone();
        let datasets: Option<Datasets> = (!request.datasets.is_empty())
            .then(|| Datasets::from([(owner.to_string(), request.datasets.clone())]));
        let source = read_source(&request.path)?;
        let submitter = self.account.email.clone();
        let job = JobId { submitter, layout: recipient.dialect.job_layout.into(), name };
        let (install_source, odd_source) =
            install_source(recipient.advertised.as_deref(), recipient.dialect.install_source());
        let wanted = SubmissionRequest {
            job: &job,
            kind: if request.bash { JobKind::Bash } else { JobKind::Python },
            entrypoint: request.entrypoint.as_deref(),
            dependencies: &request.dependencies,
            datasets,
            request: request.request.clone(),
            install_source: &install_source,
            module: (!recipient.is_ours).then_some(recipient.dialect.module),
            submitted_at: self.now(),
        };
        let mut findings = self.look_at(&source, &wanted, &owner).await?;
        findings.extend(odd_source.filter(|_| !request.bash).map(Finding::of_dependency));
        let objections = objections(&mut findings, request.force);
        if !objections.is_empty() {
            return Err(InvalidSubmission::Unfit { findings: objections }.into());
        }
        let submission = build(source, &wanted)?;
        Ok(Prepared { owner, submission, findings })
    }

    async fn look_at(
        &self,
        source: &Source,
        request: &SubmissionRequest<'_>,
        owner: &Email,
    ) -> Result<Vec<Finding>> {
        let datasets = self.datasets()?.into_iter();
        let shown: BTreeSet<String> = datasets
            .filter(|dataset| dataset.owner.is_same_account(owner.as_str()))
            .map(|dataset| dataset.name)
            .collect();
        let mut findings = check(source, request, Some(&shown));
        let path = std::env::var("PATH").unwrap_or_default();
        findings.extend(check_syntax(source, request.kind, &path).await);
        Ok(findings)
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
