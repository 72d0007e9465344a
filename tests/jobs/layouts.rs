//! Jobs of both generations of clients in one inbox.

use syft::jobs::{
    Confinement, JobKind, JobStatus, Layout, Listed, RunScript, ScriptCheck, recover, run,
};

use crate::world::{World, id, id_in, now, options, read, write};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/jobs010/");

/// What cannot be read: directory and reason.
fn unreadable(world: &World) -> Vec<(String, String)> {
    let listed = world.store.list().unwrap().into_iter();
    let broken = listed.filter_map(|listed| match listed {
        Listed::Job(_) => None,
        Listed::Unreadable { directory, reason } => Some((directory, reason)),
    });
    broken.collect()
}

fn keys(text: &str) -> Vec<&str> {
    text.lines().map(|line| line.split(':').next().unwrap()).collect()
}

#[test]
fn a_job_is_answered_in_the_layout_that_it_came_in() {
    for layout in Layout::ALL {
        let world = World::new();
        let job = id_in(layout, "job1");
        world.arrive(&world.one_file(&job, JobKind::Python, "", None));
        assert_eq!(world.store.receive(now()).unwrap()[0].0, job);
        world.store.approve(&job, None, RunScript::Derived, None, now()).unwrap();

        let state = read(&world.store.local(&job.review()).join("state.yaml"));
        let place = job.review();
        let python = format!("{FIXTURES}job_layout_{}/do@example.com/{place}", layout.number());
        assert_eq!(keys(&state), keys(&read(format!("{python}/state.yaml").as_ref())));
        assert_eq!(world.store.list().unwrap().len(), 1);
        let other = Layout::ALL.into_iter().find(|other| *other != layout).unwrap();
        assert!(!world.store.local(&id_in(other, "job1").review()).exists());
        assert!(world.store.find(&id_in(other, "job1")).is_err());
    }
}

#[tokio::test]
async fn one_name_in_both_layouts_is_two_jobs() {
    let world = World::new();
    let [flat, nested] = Layout::ALL.map(|layout| id_in(layout, "job"));
    let script = |text: &str| format!("echo {text}\necho {text} > code/outputs/{text}\n");
    world.arrive(&world.one_file(&flat, JobKind::Bash, &script("flat"), None));
    world.arrive(&world.one_file(&nested, JobKind::Bash, &script("nested"), None));
    assert_eq!(world.store.receive(now()).unwrap().len(), 2);

    // An approval of one lets the other wait.
    world.store.approve(&flat, None, RunScript::Derived, None, now()).unwrap();
    let status = |job| world.store.find(job).unwrap().state.status;
    assert_eq!((status(&flat), status(&nested)), (JobStatus::Approved, JobStatus::Pending));
    assert!(world.store.approval(&world.store.find(&nested).unwrap()).is_none());
    let options = options(Confinement::None);
    assert!(run(&world.store, &nested, &options, now()).await.is_err());
    let report = run(&world.store, &flat, &options, now()).await.unwrap();
    assert_eq!(report.job, flat);
    assert_eq!((status(&flat), status(&nested)), (JobStatus::Done, JobStatus::Pending));

    // A change of one voids no approval of the other.
    world.store.approve(&nested, None, RunScript::Derived, None, now()).unwrap();
    write(&world.store.local(&flat.inbox()).join("code/more.sh"), "");
    assert_eq!(world.store.receive(now()).unwrap()[0].0, flat);
    assert_eq!((status(&flat), status(&nested)), (JobStatus::Pending, JobStatus::Approved));
    run(&world.store, &nested, &options, now()).await.unwrap();

    for (job, text) in [(&flat, "flat"), (&nested, "nested")] {
        let job = world.store.find(job).unwrap();
        let outputs = world.store.outputs(&job).unwrap();
        assert_eq!(outputs.len(), 1);
        assert_eq!(outputs[0].path.as_str(), text);
        assert_eq!(read(world.store.logs(&job)[0].as_ref().unwrap()), format!("{text}\n"));
    }

    // A run that was cut short is that of one.
    world.crash(&nested, false);
    assert_eq!(recover(&world.store, now()).unwrap(), std::slice::from_ref(&nested));
    assert_eq!((status(&flat), status(&nested)), (JobStatus::Pending, JobStatus::Failed));
}

#[test]
fn what_only_looks_like_a_layout_is_said_and_hides_no_job() {
    let world = World::new();
    let inbox = world.store.local(&Layout::Flat.inbox_of(&id("x").submitter));
    world.submit("good", JobKind::Python, "", None);
    write(&inbox.join("v2/later/config.yaml"), "");
    std::fs::create_dir_all(inbox.join("v3")).unwrap();
    let nested = id_in(Layout::V1, "nested");
    world.arrive(&world.one_file(&nested, JobKind::Python, "", None));
    write(&inbox.join("v1/v1/x/config.yaml"), "");
    assert_eq!(world.store.receive(now()).unwrap().len(), 2);
    let layouts = "this layout of jobs is not supported by this version";
    let expected = [("ds@example.com/v2", layouts), ("ds@example.com/v1/v1", layouts)];
    assert_eq!(
        unreadable(&world),
        expected.map(|(directory, reason)| (directory.to_owned(), reason.to_owned()))
    );
    assert!(world.store.find(&nested).is_ok());

    // A client of the first generation lets a job be called so: its `code` is no job of ours.
    write(&inbox.join("v1/config.yaml"), "name: v1\n");
    write(&inbox.join("v1/code/config.yaml"), "name: x\n");
    assert!(world.store.receive(now()).unwrap().is_empty());
    let said = unreadable(&world);
    let at = said.iter().find(|(directory, _)| directory == "ds@example.com/v1").unwrap();
    assert!(at.1.contains("no job can be called so"), "{said:?}");
    assert!(world.store.find(&nested).is_err());
    assert!(!world.store.local(&id_in(Layout::V1, "code").review()).exists());
}

#[test]
fn n3_what_a_python_owner_would_leave_pending_for_ever_is_rejected_with_a_reason() {
    let world = World::new();
    let job = id_in(Layout::V1, "job");
    let mut submission = world.one_file(&job, JobKind::Python, "", None);
    for (path, content) in &mut submission.files {
        if path.as_str() == "config.yaml" {
            let text = String::from_utf8(content.clone()).unwrap();
            *content = text.replace("version: '1'", "version: 1").into_bytes();
        }
    }
    world.arrive(&submission);
    let decided = world.store.receive(now()).unwrap();
    assert_eq!(decided[0].1.status, JobStatus::Rejected);
    let reason = decided[0].1.review_reason.as_deref().unwrap();
    assert!(reason.contains("`version` is not the text `1`"), "{reason}");
    let state = read(&world.store.local(&job.review()).join("state.yaml"));
    assert!(state.contains("canonical_name: JobState\n") && state.ends_with("version: '1'\n"));
}

#[test]
fn a_job_of_the_second_generation_is_received_as_it_is() {
    let world = World::new();
    for layout in Layout::ALL {
        let job = id_in(layout, "job1");
        let place = world.store.local(&job.inbox());
        let python =
            format!("{FIXTURES}job_layout_{}/do@example.com/{}", layout.number(), job.inbox());
        for file in ["run.sh", "config.yaml"] {
            write(&place.join(file), &read(format!("{python}/{file}").as_ref()));
        }
        write(&place.join("code/main.py"), "");
        assert_eq!(world.store.receive(now()).unwrap()[0].1.status, JobStatus::Pending);
        let job = world.store.find(&job).unwrap();
        assert_eq!(world.store.check_script(&job).unwrap(), ScriptCheck::AsDerived);
        assert_eq!(job.config.dependencies, ["syft==0.10.0", "numpy"]);
    }
}
