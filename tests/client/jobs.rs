//! Jobs from the scientist's file to the results, in a real sandbox.

use syft::client::{Client, Error, RunChoices, TryChoices};
use syft::datasets::Audience;
use syft::jobs::{
    JobId, JobKind, JobName, JobStatus, Layout, Listed, SubmissionRequest, build, read_source,
};

use super::world::{World, acquaint, place, read, results, status, sync};

/// What `syft job run` does.
async fn run(owner: &Client, choices: &RunChoices) -> Vec<(String, JobStatus)> {
    let ran = owner.run_jobs(&[], choices).await.unwrap();
    ran.into_iter().map(|ran| (ran.job.name.to_string(), ran.result.unwrap().status)).collect()
}

const COUNT: &str = "cd code\nmkdir -p outputs\nls \"$SYFTBOX_FOLDER/$SYFTBOX_EMAIL/private/syft_datasets/ages\" > outputs/names.txt\necho printed\n";

const SUM: &str = "import syft_client as sc\npath = sc.resolve_dataset_file_path('ages')\nrows = open(path).read().split()[1:]\nopen('outputs/sum.txt', 'w').write(str(sum(map(int, rows))))\nprint('printed')\n";

#[tokio::test]
async fn a_job_is_pending_approved_and_run_and_only_what_is_shared_is_seen() {
    let world = World::new();
    let (owner, scientist) = (world.owner("do@example.org"), world.scientist("ds@example.org"));
    acquaint(&owner, &scientist).await;
    owner.create_dataset(&world.dataset("ages", Audience::Any), false).await.unwrap();
    for (name, request) in [
        ("closed", world.bash(&owner, "closed", COUNT)),
        ("open", world.python(&owner, "open", SUM)),
    ] {
        let submitted = scientist.submit_job(&request).await.unwrap();
        assert_eq!(submitted.found.job.id.name.as_str(), name);
        assert_eq!(status(&scientist, name), "received");
    }
    sync(&owner).await;
    sync(&scientist).await;
    for name in ["closed", "open"] {
        assert_eq!(
            (status(&owner, name), status(&scientist, name)),
            ("pending".into(), "pending".into())
        );
        owner.approve_job(name, None, Some("looks good")).await.unwrap();
    }
    let only = RunChoices { share_outputs: true, share_logs: true, ..RunChoices::default() };
    let ran = owner.run_jobs(&["open"], &only).await.unwrap();
    let report = ran[0].result.as_ref().unwrap();
    assert!(report.confined);
    assert_eq!(
        report.return_code,
        0,
        "{:?}",
        std::fs::read_to_string(owner.job("open", None).unwrap().logs()[1].clone().unwrap())
    );
    assert_eq!(run(&owner, &RunChoices::default()).await, [("closed".into(), JobStatus::Done)]);
    sync(&owner).await;
    sync(&scientist).await;
    assert_eq!(results(&owner.job("closed", None).unwrap()), (3, vec!["names.txt".to_owned()]));
    let closed = scientist.job("closed", None).unwrap();
    assert_eq!((closed.job.state.status, results(&closed)), (JobStatus::Done, (0, Vec::new())));
    let open = scientist.job("open", None).unwrap();
    assert_eq!(results(&open), (3, vec!["sum.txt".to_owned()]));
    assert_eq!(std::fs::read_to_string(&open.outputs().unwrap()[0].local_path).unwrap(), "84");
}

/// Python's own rules leave logs open to the submitter (W3).
#[tokio::test]
async fn w3_logs_are_closed_before_there_are_any_also_to_another_submitter_of_the_name() {
    let world = World::new();
    let (owner, one) = (world.owner("do@example.org"), world.scientist("ds1@example.org"));
    let two = world.scientist("ds2@example.org");
    acquaint(&owner, &one).await;
    acquaint(&owner, &two).await;
    one.submit_job(&world.bash(&owner, "same", "echo one")).await.unwrap();
    two.submit_job(&world.bash(&owner, "same", "echo two")).await.unwrap();
    sync(&owner).await;
    let log = |who: &Client| format!("app_data/job/review/{}/same/stdout.txt", who.email());
    for who in [&one, &two] {
        let allowed = owner.allows(&log(who), who.email().as_str(), syft::permissions::Level::Read);
        assert!(!allowed.unwrap());
    }
    let rules =
        read(&owner, owner.email(), "app_data/job/review/ds1@example.org/syft.pub.yaml").unwrap();
    for pattern in ["same/stdout.txt", "same/stderr.txt", "same/returncode.txt", "same/outputs/**"]
    {
        let rule = format!(
            "- access:\n    admin: []\n    read:\n    - do@example.org\n    write: []\n  pattern: {pattern}\n"
        );
        assert!(rules.contains(&rule), "{pattern}\n{rules}");
    }
    assert!(matches!(owner.job("same", None).unwrap_err(), Error::Ambiguous { .. }));
    owner.approve_job("same", Some(two.email()), None).await.unwrap();
    let choices = RunChoices { share_logs: true, ..RunChoices::default() };
    assert_eq!(run(&owner, &choices).await.len(), 1);
    sync(&owner).await;
    sync(&one).await;
    sync(&two).await;
    assert_eq!(results(&one.job("same", None).unwrap()).0, 0);
    assert_eq!(results(&two.job("same", None).unwrap()).0, 3);
}

/// Puts a job of the second generation's clients into the tree of the scientist, from where a sync
/// sends it.
fn nested(world: &World, owner: &Client, scientist: &Client, name: &str, script: &str) {
    let submitter = scientist.email().clone();
    let job = JobId { submitter, layout: Layout::V1, name: JobName::parse(name).unwrap() };
    let request = SubmissionRequest {
        job: &job,
        kind: JobKind::Bash,
        entrypoint: None,
        dependencies: &[],
        datasets: None,
        request: syft::jobs::Request::default(),
        install_source: "syft==0.10.0",
        module: None,
        submitted_at: syft::model::Timestamp::from_micros(1_780_000_000_000_000),
    };
    let path = world.file(&format!("{name}.sh"), script);
    let submission = build(read_source(&path).unwrap(), &request).unwrap();
    let folder = scientist.folders().datasite(owner.email());
    for (path, content) in &submission.files {
        let file = path.below(&job.inbox().below(&folder));
        super::world::write(&file, std::str::from_utf8(content).unwrap());
    }
}

#[tokio::test]
async fn jobs_of_one_name_in_both_layouts_are_approved_run_and_shared_apart() {
    let world = World::new();
    let (owner, scientist) = (world.owner("do@example.org"), world.scientist("ds@example.org"));
    acquaint(&owner, &scientist).await;
    scientist.submit_job(&world.bash(&owner, "same", "echo flat")).await.unwrap();
    nested(&world, &owner, &scientist, "same", "echo nested");
    sync(&scientist).await;
    sync(&owner).await;
    for who in [&owner, &scientist] {
        assert_eq!(who.jobs().unwrap().len(), 2);
        let error = who.job("same", None).unwrap_err();
        assert!(matches!(error, Error::InTwoLayouts { .. }), "{error}");
    }
    let read_level = syft::permissions::Level::Read;
    for job in ["same", "v1/same"] {
        let log = format!("app_data/job/review/ds@example.org/{job}/stdout.txt");
        assert!(!owner.allows(&log, "ds@example.org", read_level).unwrap(), "{log}");
    }
    owner.approve_job("v1/same", None, None).await.unwrap();
    assert_eq!(status(&owner, "v0/same"), "pending");
    let choices = RunChoices { share_logs: true, ..RunChoices::default() };
    assert_eq!(run(&owner, &choices).await, [("same".into(), JobStatus::Done)]);
    sync(&owner).await;
    sync(&scientist).await;
    let there = scientist.job("v1/same", None).unwrap();
    assert_eq!((there.job.state.status, results(&there).0), (JobStatus::Done, 3));
    assert_eq!(std::fs::read_to_string(there.logs()[0].as_ref().unwrap()).unwrap(), "nested\n");
    let other = scientist.job("v0/same", None).unwrap();
    assert_eq!((other.job.state.status, results(&other).0), (JobStatus::Pending, 0));
}

#[tokio::test]
async fn what_a_job_left_stays_until_its_owner_has_looked_and_releases_it() {
    let world = World::new();
    let (owner, scientist) = (world.owner("do@example.org"), world.scientist("ds@example.org"));
    acquaint(&owner, &scientist).await;
    let script = "mkdir -p code/outputs; echo 12 > code/outputs/towns; echo printed";
    scientist.submit_job(&world.bash(&owner, "towns", script)).await.unwrap();
    sync(&owner).await;
    let early = owner.release_job("towns", None, true, true).await.unwrap_err();
    assert_eq!(early.code(), "job-refused", "it has not run");
    owner.approve_job("towns", None, None).await.unwrap();
    run(&owner, &RunChoices::default()).await;
    sync(&owner).await;
    sync(&scientist).await;
    let there = scientist.job("towns", None).unwrap();
    assert_eq!((there.job.state.status, results(&there)), (JobStatus::Done, (0, Vec::new())));

    owner.release_job("towns", None, true, false).await.unwrap();
    sync(&owner).await;
    sync(&scientist).await;
    let there = scientist.job("towns", None).unwrap();
    assert_eq!(there.outputs().unwrap().len(), 1);
    assert_eq!(there.logs().into_iter().flatten().count(), 0);

    owner.release_job("towns", None, false, true).await.unwrap();
    sync(&owner).await;
    sync(&scientist).await;
    assert_eq!(scientist.job("towns", None).unwrap().logs().into_iter().flatten().count(), 3);
    assert_eq!(
        scientist.release_job("towns", None, true, true).await.unwrap_err().code(),
        "wrong-role"
    );
}

#[tokio::test]
async fn a_job_that_changes_after_it_ran_is_pending_again_and_its_logs_are_closed() {
    let world = World::new();
    let (owner, scientist) = (world.owner("do@example.org"), world.scientist("ds@example.org"));
    acquaint(&owner, &scientist).await;
    scientist.submit_job(&world.bash(&owner, "again", "echo one")).await.unwrap();
    sync(&owner).await;
    owner.approve_job("again", None, None).await.unwrap();
    let choices = RunChoices { share_logs: true, share_outputs: true, ..RunChoices::default() };
    run(&owner, &choices).await;
    sync(&owner).await;
    sync(&scientist).await;
    assert_eq!(results(&scientist.job("again", None).unwrap()).0, 3);
    let script = "app_data/job/inbox/ds@example.org/again/code/script.sh";
    std::fs::write(place(&scientist, owner.email(), script), "echo two").unwrap();
    sync(&scientist).await;
    sync(&owner).await;
    assert_eq!(status(&owner, "again"), "pending");
    let log = "app_data/job/review/ds@example.org/again/stdout.txt";
    let level = syft::permissions::Level::Read;
    assert!(!owner.allows(log, scientist.email().as_str(), level).unwrap());
}

#[tokio::test]
async fn what_is_no_job_hides_no_other_and_stops_no_sync() {
    let world = World::new();
    let (owner, scientist) = (world.owner("do@example.org"), world.scientist("ds@example.org"));
    acquaint(&owner, &scientist).await;
    let broken = place(&scientist, owner.email(), "app_data/job/inbox/ds@example.org/broken");
    super::world::write(&broken.join("config.yaml"), "- no mapping");
    scientist.submit_job(&world.bash(&owner, "good", "echo 1")).await.unwrap();
    sync(&owner).await;
    let jobs = owner.jobs().unwrap();
    assert!(matches!(&jobs[0].listed, Listed::Job(job) if job.id.name.as_str() == "good"));
    assert_eq!(jobs.len(), 2);
    assert_eq!(status(&owner, "good"), "pending");
    owner.reject_job("good", None, Some("not now")).await.unwrap();
    sync(&owner).await;
    sync(&scientist).await;
    assert_eq!(status(&scientist, "good"), "rejected");
    let twice = scientist.submit_job(&world.bash(&owner, "good", "echo 1")).await.unwrap_err();
    assert_eq!(twice.code(), "job-exists");
    let unknown = world.bash(&scientist, "x", "echo 1");
    assert_eq!(scientist.submit_job(&unknown).await.unwrap_err().code(), "unknown-peer");
    assert_eq!(owner.submit_job(&unknown).await.unwrap_err().code(), "wrong-role");
}

#[tokio::test]
async fn a_broken_rule_file_keeps_everything_closed_and_is_told() {
    let world = World::new();
    let (owner, scientist) = (world.owner("do@example.org"), world.scientist("ds@example.org"));
    acquaint(&owner, &scientist).await;
    let rules = "app_data/job/review/ds@example.org/syft.pub.yaml";
    std::fs::write(place(&owner, owner.email(), rules), "rules: [").unwrap();
    scientist.submit_job(&world.bash(&owner, "count", "echo 1")).await.unwrap();
    let report = owner.sync(&syft::syncers::SyncOptions::default()).await.unwrap();
    assert!(report.problems.iter().any(|problem| problem.code == "job-not-closed"));
    assert_eq!(read(&owner, owner.email(), rules).as_deref(), Some("rules: ["));
    owner.approve_job("count", None, None).await.unwrap();
    let ran = owner.run_jobs(&[], &RunChoices::default()).await.unwrap();
    assert!(ran[0].result.is_err(), "it must not run while its logs cannot be closed");
}

#[tokio::test]
async fn what_was_tried_is_what_is_sent_also_if_the_file_changes_meanwhile() {
    let world = World::new();
    let (owner, scientist) = (world.owner("do@example.org"), world.scientist("ds@example.org"));
    acquaint(&owner, &scientist).await;
    let request = world.bash(&owner, "job", "echo tried > code/outputs/x\n");
    let choices = TryChoices { timeout: None, sandbox: false };
    let tried = scientist.try_job(&request, &choices).await.unwrap();
    assert!(tried.is_good(), "{tried:?}");
    assert_eq!(std::fs::read(&tried.rehearsal.outputs[0].local_path).unwrap(), b"tried\n");
    assert!(scientist.jobs().unwrap().is_empty(), "a try leaves nothing to be sent");
    std::fs::write(&request.path, "echo changed\n").unwrap();
    scientist.submit_tried(&tried).await.unwrap();
    sync(&owner).await;
    let script = read(&owner, owner.email(), "app_data/job/inbox/ds@example.org/job/run.sh");
    assert_eq!(script.as_deref(), Some("echo tried > code/outputs/x\n"));
}
