//! Finds out what is so: who asks, how jobs stand, what goes wrong. It asks the disk and the state
//! database, never the drive: the sync before has done that.

use super::super::jobs::ListedJob;
use super::super::{Client, Error, Result};
use crate::jobs::{Job, JobStatus, Layout, Listed};
use crate::model::{Code, Email, Role, Timestamp};
use crate::notices::{Fact, Kind, News, Stage, urgency};
use crate::peers::PeerState;
use crate::syncers::Report;

/// What is so with peers and jobs.
pub(super) async fn of_account(client: &Client, now: Timestamp) -> Result<Vec<Fact>> {
    let mut facts = Vec::new();
    for known in client.peers().await? {
        let peer = &known.peer.email;
        let (kind, stage) = match (known.peer.state, client.role()) {
            (PeerState::RequestedByPeer, _) => (Kind::PeerAsks, Stage::Waits),
            (PeerState::Accepted, Role::Scientist) => (Kind::PeerAgreed, Stage::Happened),
            _ => continue,
        };
        facts.push(fact(kind, &[peer.as_str()], News::new(kind, now).about(peer), stage));
    }
    for ListedJob { datasite, listed } in client.jobs()? {
        let Listed::Job(job) = listed else { continue };
        facts.extend(match client.role() {
            Role::Owner => {
                let waits = of_own_job(&job, now);
                waits.into_iter().chain(of_allowed_job(client, &job, now)).collect()
            }
            Role::Scientist => of_sent_job(client, &datasite, &job, now),
        });
    }
    Ok(facts)
}

/// What is so with a job that came here. Who submitted it is whose folder it lies in.
fn of_own_job(job: &Job, now: Timestamp) -> Option<Fact> {
    let state = &job.state;
    let (kind, stage, since) = match state.status {
        JobStatus::Pending => (Kind::JobWaits, Stage::Waits, state.received_at),
        JobStatus::Done | JobStatus::Failed => {
            (Kind::JobEnded, Stage::Happened, state.completed_at)
        }
        _ => return None,
    };
    let news = News::new(kind, now).about(&job.id.submitter).job(&job.id.name);
    let news = if kind == Kind::JobEnded { news.detail(state.status.as_str()) } else { news };
    Some(of_job(job, &job.id.submitter, news, stage, since))
}

/// That a job was approved by a standing approval. It may have run since.
fn of_allowed_job(client: &Client, job: &Job, now: Timestamp) -> Option<Fact> {
    if matches!(job.state.status, JobStatus::Received | JobStatus::Pending | JobStatus::Rejected) {
        return None;
    }
    let approval = client.own_jobs().approval(job)?;
    let news = News::new(Kind::JobAllowed, now).about(&job.id.submitter).job(&job.id.name);
    let news = news.detail(approval.standing?);
    Some(of_job(job, &job.id.submitter, news, Stage::Happened, Some(approval.approved_at)))
}

/// What is so with a job of ours with `owner`.
fn of_sent_job(client: &Client, owner: &Email, job: &Job, now: Timestamp) -> Vec<Fact> {
    let state = &job.state;
    let about = |kind| News::new(kind, now).about(owner).job(&job.id.name);
    let is_over = matches!(state.status, JobStatus::Done | JobStatus::Failed);
    let is_answered = is_over || matches!(state.status, JobStatus::Approved | JobStatus::Rejected);
    let mut facts = Vec::new();
    if is_answered {
        let news = about(Kind::JobAnswered).detail(state.status.as_str());
        facts.push(of_job(job, owner, news, Stage::Happened, Some(job.config.submitted_at)));
    }
    if is_over && has_results(client, owner, job) {
        let news = about(Kind::ResultsArrived);
        facts.push(of_job(job, owner, news, Stage::Happened, state.completed_at));
    }
    facts
}

/// True if the folder of results is here, with anything in it: folders do not travel by themselves.
fn has_results(client: &Client, owner: &Email, job: &Job) -> bool {
    let folder = job.id.answer("outputs").below(&client.folders().datasite(owner));
    std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some())
}

/// `since`: what makes it another thing if a job of the same name comes again.
fn of_job(job: &Job, who: &Email, news: News, stage: Stage, since: Option<Timestamp>) -> Fact {
    let layout = match job.id.layout {
        Layout::Flat => "v0",
        Layout::V1 => "v1",
    };
    let since = since.map_or(0, Timestamp::micros).to_string();
    let status = news.detail.clone().unwrap_or_default();
    let parts = [who.as_str(), layout, job.id.name.as_str(), &since, &status];
    fact(news.kind, &parts, news, stage)
}

/// What went wrong with a sync.
pub(super) fn of_sync(synced: Result<&Report, &Error>, now: Timestamp) -> Vec<Fact> {
    let problems: Vec<(Code, Option<&Email>)> = match synced {
        Ok(report) => {
            let problems = report.problems.iter();
            problems.map(|problem| (problem.code, problem.peer.as_ref())).collect()
        }
        Err(error) => vec![(error.code(), None)],
    };
    problems.into_iter().filter_map(|(code, peer)| problem(code, peer, now)).collect()
}

/// That the sign-in ends at `ends`, if that is soon.
pub(super) fn of_sign_in(ends: Option<Timestamp>, now: Timestamp) -> Option<Fact> {
    const SOON_MICROS: i64 = 48 * 3600 * 1_000_000; // two days: a weekend
    let ends = ends.filter(|ends| ends.micros() - now.micros() <= SOON_MICROS)?;
    let moment = chrono::DateTime::from_timestamp_micros(ends.micros())?;
    let day = moment.format("%Y-%m-%d").to_string();
    let news = News::new(Kind::SignInEnds, now).detail(day.clone());
    Some(fact(Kind::SignInEnds, &[&day], news, Stage::Waits))
}

pub(super) fn problem(code: Code, peer: Option<&Email>, now: Timestamp) -> Option<Fact> {
    let stage = urgency(code).stage()?;
    let news = News::new(Kind::Problem, now).detail(code.as_str());
    let news = match peer {
        Some(peer) => news.about(peer),
        None => news,
    };
    Some(fact(Kind::Problem, &[code.as_str(), peer.map_or("", Email::as_str)], news, stage))
}

/// No part holds a `/`: addresses and names of jobs cannot.
fn fact(kind: Kind, parts: &[&str], news: News, stage: Stage) -> Fact {
    let key = format!("{}/{}", kind.as_str(), parts.join("/"));
    Fact { key, news, stage }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_in_that_ends_is_told_two_days_ahead_and_after() {
        const HOUR: i64 = 3_600_000_000;
        let start = 1_780_000_000_000_000;
        let now = Timestamp::from_micros(start);
        #[rustfmt::skip]
        let cases = [
            ("not known",        None,             None),
            ("in three days",    Some(72 * HOUR),  None),
            ("in two days",      Some(48 * HOUR),  Some("2026-05-30")),
            ("in an hour",       Some(HOUR),       Some("2026-05-28")),
            ("an hour ago",      Some(-HOUR),      Some("2026-05-28")),
        ];
        for (what, ends, day) in cases {
            let ends = ends.map(|after| Timestamp::from_micros(start + after));
            let told = of_sign_in(ends, now);
            assert_eq!(told.as_ref().and_then(|fact| fact.news.detail.as_deref()), day, "{what}");
            assert!(told.is_none_or(|fact| fact.stage == Stage::Waits), "{what}");
        }
    }
}
