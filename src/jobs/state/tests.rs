//! The table of transitions, and the file against what Python wrote.

use super::*;
use crate::jobs::layout::Layout;

fn owner() -> Email {
    Email::parse("do@example.com").unwrap()
}

fn job(status: JobStatus) -> JobState {
    JobState { status, ..JobState::default() }
}

/// The column of an action in the table below: who adds one is stopped here.
const fn column(action: &Action) -> usize {
    match action {
        Action::Accept => 0,
        Action::RejectForm(_) => 1,
        Action::Approve(_) => 2,
        Action::Reject(_) => 3,
        Action::Reopen => 4,
        Action::Start => 5,
        Action::Finish(0) => 6,
        Action::Finish(_) => 7,
        Action::Cancel(_) => 8,
        Action::Requeue => 9,
        Action::Rerun => 10,
        Action::Release => 11,
        Action::Deposit => 12,
        Action::Admit(_) => 13,
    }
}

#[test]
fn each_action_fits_some_states_and_is_refused_in_all_others() {
    let actions = [
        Action::Accept,
        Action::RejectForm("x".into()),
        Action::Approve(None),
        Action::Reject(None),
        Action::Reopen,
        Action::Start,
        Action::Finish(0),
        Action::Finish(-1),
        Action::Cancel(None),
        Action::Requeue,
        Action::Rerun,
        Action::Release,
        Action::Deposit,
        Action::Admit("x".into()),
    ];
    #[rustfmt::skip]
    let table: [(JobStatus, [&str; 14]); 7] = [
        //                     Accept     Form-      Approve    Reject     Reopen    Start     0       -1       Cancel   Requeue    Rerun      Release   Deposit  Admit
        (JobStatus::Received, ["pending", "rejected","",        "",        "",       "",       "",     "",      "",      "",        "",        "",       "",     ""]),
        (JobStatus::Pending,  ["",        "",        "approved","rejected","",       "",       "",     "",      "",      "",        "",        "",       "done", "approved"]),
        (JobStatus::Approved, ["",        "",        "approved","rejected","pending","running","",     "",      "",      "",        "",        "",       "done", ""]),
        (JobStatus::Rejected, ["",        "",        "",        "",        "pending","",       "",     "",      "",      "",        "",        "",       "",     ""]),
        (JobStatus::Running,  ["",        "",        "",        "",        "",       "",       "done", "failed","failed","approved","",        "",       "",     ""]),
        (JobStatus::Done,     ["",        "",        "",        "",        "pending","",       "",     "",      "",      "",        "approved","done",   "",     ""]),
        (JobStatus::Failed,   ["",        "",        "",        "",        "pending","",       "",     "",      "",      "",        "approved","failed", "",      ""]),
    ];
    assert_eq!(table.map(|(status, _)| status), JobStatus::ALL);
    for (status, row) in table {
        for (place, (action, expected)) in actions.iter().zip(row).enumerate() {
            assert_eq!(column(action), place);
            let got = job(status).after(action, &owner(), Timestamp::ZERO);
            let expected = JobStatus::parse(expected);
            assert_eq!(got.ok().map(|state| state.status), expected, "{action:?} {status}");
        }
    }
}

#[test]
fn a_cancelled_job_reads_as_failed_with_a_reason_that_its_next_run_has_not() {
    let mut state = job(JobStatus::Running);
    state.review_reason = Some("looks fine".to_owned());
    let cancel = Action::Cancel(Some("too slow".to_owned()));
    let failed = state.after(&cancel, &owner(), Timestamp::ZERO).unwrap();
    let expected = (JobStatus::Failed, Some(-1), Some("cancelled by the owner: too slow"));
    assert_eq!((failed.status, failed.return_code, failed.review_reason.as_deref()), expected);
    assert!(failed.completed_at.is_some() && failed.is_cancelled());
    let again = failed.after(&Action::Rerun, &owner(), Timestamp::ZERO).unwrap();
    let expected = (JobStatus::Approved, None, None, None);
    assert_eq!(
        (again.status, again.return_code, again.completed_at, again.review_reason),
        expected
    );
    let finished = state.after(&Action::Finish(1), &owner(), Timestamp::ZERO).unwrap();
    let again = finished.after(&Action::Rerun, &owner(), Timestamp::ZERO).unwrap();
    assert_eq!(again.review_reason.as_deref(), Some("looks fine"), "the approval stands");
}

#[test]
fn a_refusal_says_what_does_not_fit() {
    let refused =
        job(JobStatus::Done).after(&Action::Approve(None), &owner(), Timestamp::ZERO).unwrap_err();
    assert_eq!(refused.to_string(), "a job that is done cannot be approved");
}

#[test]
fn the_files_of_the_python_client_are_read_and_written_byte_for_byte() {
    let flat = include_str!(
        "../../../fixtures/jobs010/job_layout_0/do@example.com/app_data/job/review/ds@example.com/job1/state.yaml"
    );
    let v1 = include_str!(
        "../../../fixtures/jobs010/job_layout_1/do@example.com/app_data/job/review/ds@example.com/v1/job1/state.yaml"
    );
    for (layout, text) in [
        (Layout::Flat, include_str!("../../../fixtures/jobs/census-count/state.yaml")),
        (Layout::Flat, include_str!("../../../fixtures/jobs/bash job/state.yaml")),
        (Layout::Flat, flat),
        (Layout::V1, v1),
    ] {
        assert_eq!(JobState::parse(layout, text.as_bytes()).unwrap().to_yaml(layout), text);
    }
    let number = v1.replace("version: '1'", "version: 1");
    for other in [flat, number.as_str(), &v1.replace("JobState", "Job")] {
        assert!(JobState::parse(Layout::V1, other.as_bytes()).is_err(), "{other}");
    }
}

#[test]
fn the_way_of_a_job_ends_in_the_file_that_python_wrote() {
    let at = |text| iso::read(text).unwrap();
    let steps = [
        (Action::Accept, "2026-11-20T12:39:16.323678Z"),
        (Action::Approve(Some("looks fine".into())), "2026-11-20T12:39:16.346766Z"),
        (Action::Start, "2026-11-20T12:39:16.350000Z"),
        (Action::Finish(3), "2026-11-20T12:39:16.363204Z"),
    ];
    let state = steps.iter().fold(JobState::default(), |state, (action, now)| {
        state.after(action, &owner(), at(now)).unwrap()
    });
    assert_eq!(
        state.to_yaml(Layout::Flat),
        include_str!("../../../fixtures/jobs/bash job/state.yaml")
    );
}

#[test]
fn a_state_is_read_leniently_but_never_guessed() {
    let odd = b"status: done\nreturn_code: zero\napproved_at: 7\nextra: [1]\nversion: '1'\n";
    let state = JobState::parse(Layout::Flat, odd).unwrap();
    assert_eq!((state.status, state.return_code, state.approved_at), (JobStatus::Done, None, None));
    assert_eq!(JobState::parse(Layout::Flat, b"{}").unwrap(), JobState::default());
    for bad in [&b"status: hacked"[..], b"", b"- a", b"\xff\xfe", b"status: [approved]"] {
        assert!(JobState::parse(Layout::Flat, bad).is_err(), "{bad:?}");
    }
}

#[test]
fn the_end_of_a_run_says_next_to_nothing_of_how_long_it_took() {
    let began = Timestamp::from_micros(1_000_000);
    #[rustfmt::skip]
    let cases = [
        (0, 0), (1, 0), (9_999, 0), (10_000, 10), (59_999, 10), (61_234, 60), (3_599_999, 600),
        (14_400_001, 14_400), (u64::MAX, 14_400),
    ];
    for (millis, told) in cases {
        let end = coarse_end(began, std::time::Duration::from_millis(millis));
        assert_eq!(end.micros(), (told + 1) * 1_000_000, "{millis} ms");
    }
}

#[test]
fn who_or_what_approved_is_told_and_that_a_job_waits_once_more() {
    let [first, second] = [1, 2].map(Timestamp::from_micros);
    let pending = job(JobStatus::Pending);
    let state = pending.after(&Action::Admit("by rule".into()), &owner(), first).unwrap();
    assert_eq!(state.approval_method.as_deref(), Some("auto"));
    assert_eq!(state.review_reason.as_deref(), Some("by rule"));
    assert_eq!((state.approved_at, state.approved_by), (Some(first), Some(owner().to_string())));
    let again = job(JobStatus::Approved).after(&Action::Reopen, &owner(), second).unwrap();
    assert_eq!(again.review_reason.as_deref(), Some("it has changed since it was approved"));
    assert_eq!((again.approval_method, again.received_at), (None, Some(second)));
}
