//! What an owner does with jobs that arrived, and the permission rules around them.
//!
//! A new job gets its state in the sync that brought it. Before it can leave anything, explicit
//! rules close its logs and outputs: the folder of answers is open to the submitter, and without
//! them whatever a job prints would reach it unasked (W3). They are opened again by
//! [`release`], and by [`open_report`] for what stands in the place of a log. A job that cannot be handled is a problem in the report, nothing more.

use crate::caches::DatasiteTree;
use crate::jobs::{self, Job, JobId, JobStatus, JobStore, Layout, Listed, Shared};
use crate::model::{Code, DatasitePath, Email, RULE_FILE, Timestamp};
use crate::peers::PeerState;
use crate::permissions::{self, Access, Level, Rule, Ruleset};
use crate::syncers::{Account, Report, told};

use super::releasing::report_cut;
use super::{Error, Result};

/// Returns the jobs in the datasite of `owner`.
pub(super) fn job_store(account: &Account, owner: &Email) -> JobStore {
    JobStore::new(&account.folders.syftbox, owner.clone(), &account.folders.private)
}

/// Takes in the jobs that arrived: gives them a state, and closes what they will leave. False if it surely
/// wrote nothing into the datasite.
pub(super) fn receive(account: &Account, now: Timestamp, report: &mut Report) -> bool {
    let told_before = report.problems.len();
    let store = job_store(account, &account.email);
    let decided = match store.receive(now) {
        Ok(decided) => decided,
        Err(error) => {
            report.problem(Code::JobsNotReceived, told(&error));
            Vec::new()
        }
    };
    // What a standing approval lets run is approved once it is received, before it is closed.
    let peers = crate::syncers::peering::remembered(account).unwrap_or_default();
    let is_peer = |email: &Email| {
        let mut accepted = peers.iter().filter(|peer| peer.peer.state == PeerState::Accepted);
        accepted.any(|peer| peer.peer.email.is_same_account(email.as_str()))
    };
    let mut wrote = !decided.is_empty();
    match store.admit_of(&is_peer, now) {
        Ok(admitted) => {
            wrote |= !admitted.is_empty();
            report.admitted.extend(admitted);
        }
        Err(error) => report.problem(Code::JobsNotAdmitted, told(&error)),
    }
    let cut = jobs::recover(&store, now).map_err(Error::from);
    wrote |= cut.as_ref().is_ok_and(|cut| !cut.is_empty());
    if let Err(error) = cut.and_then(|cut| report_cut(account, &cut, now)) {
        report.problem(Code::JobsNotRecovered, told(&error));
    }
    let listed = store.list().unwrap_or_default();
    let found = listed.into_iter().filter_map(|listed| match listed {
        Listed::Job(job) => Some(*job),
        Listed::Unreadable { .. } => None,
    });
    for job in found {
        let is_new = decided.iter().any(|(id, _)| *id == job.id);
        if !is_new && !is_to_come(job.state.status) {
            continue; // What a job has left, and who sees it, is its owner's affair.
        }
        wrote = true; // Or found that it was written.
        let start = if is_new { Start::Anew } else { Start::AsItIs };
        if let Err(error) = close(account, &job, start) {
            let text =
                format!("the logs of job `{}` could not be closed: {}", job.id, told(&error));
            report.problem_with(&job.id.submitter, Code::JobNotClosed, text);
        }
    }
    wrote || report.problems.len() > told_before
}

const fn is_to_come(status: JobStatus) -> bool {
    match status {
        JobStatus::Received | JobStatus::Pending | JobStatus::Approved | JobStatus::Running => true,
        JobStatus::Done | JobStatus::Failed | JobStatus::Rejected => false,
    }
}

/// What becomes of rules that are there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// They stay: the owner may have opened something on purpose.
    AsItIs,
    /// They close: they are about another job of the same name.
    Anew,
}

/// Closes logs and outputs of a job to all but the owner.
pub(super) fn close(account: &Account, job: &Job, start: Start) -> Result<()> {
    let shared = job.id.shared();
    edit(account, &job.id, &shared, |rules| {
        for pattern in shared.logs.iter().chain([&shared.outputs]) {
            let known = rules.rules.iter_mut().find(|rule| rule.pattern == *pattern);
            match known {
                Some(rule) if start == Start::Anew => rule.access = for_reading(&account.email),
                Some(_) => {}
                None => rules
                    .rules
                    .push(Rule { access: for_reading(&account.email), pattern: pattern.clone() }),
            }
        }
    })
}

/// True if somebody beside the owner may read the outputs of a job by the rules as they are.
pub(super) fn is_open(account: &Account, job: &Job) -> Result<bool> {
    let shared = job.id.shared();
    let rules = read(&account.tree(&account.email)?, &rule_file_in(&shared.folder)?)?;
    let Some(rules) = rules else { return Ok(false) }; // a folder without rules is the owner's
    // Without a rule of their own, the rule of the folder lets the submitter in.
    let rule = rules.rules.iter().find(|rule| rule.pattern == shared.outputs);
    Ok(rule.is_none_or(|rule| {
        let readers = Level::ALL.iter().flat_map(|level| rule.access.list(*level));
        readers.into_iter().any(|reader| !account.email.is_same_account(reader))
    }))
}

/// Opens what a job left to its submitter.
pub(super) fn release(account: &Account, job: &Job, outputs: bool, logs: bool) -> Result<()> {
    let shared = job.id.shared();
    edit(account, &job.id, &shared, |rules| {
        let logs = shared.logs.iter().filter(|_| logs);
        for pattern in logs.chain(outputs.then_some(&shared.outputs)) {
            if let Some(rule) = rules.rules.iter_mut().find(|rule| rule.pattern == *pattern) {
                rule.access.add(Level::Read, job.id.submitter.as_str());
            }
        }
    })
}

/// Opens the report of a failure, which lies where a log of that name would, to the submitter.
pub(super) fn open_report(account: &Account, job: &Job) -> Result<()> {
    let shared = job.id.shared();
    let [_, stderr, _] = &shared.logs;
    edit(account, &job.id, &shared, |rules| {
        if let Some(rule) = rules.rules.iter_mut().find(|rule| rule.pattern == *stderr) {
            rule.access.add(Level::Read, job.id.submitter.as_str());
        }
    })
}

/// Makes the folders in which jobs of `peer` arrive and are answered, each with the rule that lets
/// the peer in.
pub(super) fn open_job_folders(account: &Account, peer: &Email) -> Result<()> {
    let tree = account.tree(&account.email)?;
    let (inbox, review) = (Layout::Flat.inbox_of(peer), Layout::Flat.review_of(peer));
    for (folder, level) in [(inbox, Level::Write), (review, Level::Read)] {
        let path = rule_file_in(&folder)?;
        let mut rules = read(&tree, &path)?.unwrap_or_default();
        let before = rules.clone();
        admit(&mut rules, peer, level);
        if rules != before {
            tree.write(&path, permissions::write(&rules).as_bytes())?;
        }
    }
    Ok(())
}

fn admit(rules: &mut Ruleset, peer: &Email, level: Level) {
    const ALL: &str = "**";
    match rules.rules.iter_mut().find(|rule| rule.pattern == ALL) {
        Some(rule) => rule.access.add(level, peer.as_str()),
        None => {
            let mut access = Access::default();
            access.add(level, peer.as_str());
            rules.rules.push(Rule { access, pattern: ALL.to_owned() });
        }
    }
}

/// Changes the rules about the answers to a submitter; makes them if there are none.
fn edit(
    account: &Account,
    job: &JobId,
    shared: &Shared,
    change: impl FnOnce(&mut Ruleset),
) -> Result<()> {
    let tree = account.tree(&account.email)?;
    let path = rule_file_in(&shared.folder)?;
    let before = read(&tree, &path)?;
    let mut rules = before.clone().unwrap_or_default();
    if before.is_none() {
        admit(&mut rules, &job.submitter, Level::Read);
    }
    change(&mut rules);
    if before.as_ref() != Some(&rules) {
        tree.write(&path, permissions::write(&rules).as_bytes())?;
    }
    Ok(())
}

/// Reads a rule file. One that cannot be read closes its folder to all but the owner, and is not
/// written over.
fn read(tree: &DatasiteTree, path: &DatasitePath) -> Result<Option<Ruleset>> {
    let Some(content) = tree.read(path)? else { return Ok(None) };
    permissions::parse(&content).map(Some).map_err(|error| Error::Configuration {
        path: path.below(tree.root()),
        problem: format!("cannot be used: {error}"),
    })
}

fn rule_file_in(folder: &DatasitePath) -> Result<DatasitePath> {
    folder.join(RULE_FILE).map_err(|error| Error::Configuration {
        path: folder.as_str().into(),
        problem: error.to_string(),
    })
}

fn for_reading(who: &Email) -> Access {
    let mut access = Access::default();
    access.add(Level::Read, who.as_str());
    access
}
