//! What a scientist sends to owners of each generation. Owners of ours that speak one dialect only
//! stand in for the Python clients.

use syft::client::{Client, RunChoices};
use syft::connections::{Connection, Content, Ownership, Query};
use syft::datasets::Audience;
use syft::jobs::{JobStatus, Layout};
use syft::wire::Dialect;
use syft::wire::names::VERSION_FILE;

use super::world::{World, acquaint, results, status, sync};

const SUM: &str = "import os\n\
    try:\n    import syft_client as sc\nexcept ImportError:\n    import syft as sc\n\
    rows = open(sc.resolve_dataset_file_path('ages')).read().split()[1:]\n\
    open('outputs/sum.txt', 'w').write(str(sum(map(int, rows))))\n";

const GENERATIONS: [(&str, Dialect, Layout, &str); 2] = [
    ("old", Dialect::v0_1(), Layout::Flat, "syft-client==0.1.117"),
    ("new", Dialect::v0_10(), Layout::V1, "syft==0.10.0"),
];

/// The owner runs all jobs, and the scientist reads what this one left.
async fn answered(owner: &Client, scientist: &Client, name: &str) -> (JobStatus, Vec<String>) {
    let choices = RunChoices { share_outputs: true, ..RunChoices::default() };
    for ran in owner.run_jobs(&[], &choices).await.unwrap() {
        ran.result.unwrap();
    }
    sync(owner).await;
    sync(scientist).await;
    let found = scientist.job(name, Some(owner.email())).unwrap();
    (found.job.state.status, results(&found).1)
}

#[tokio::test]
async fn a_scientist_writes_to_each_owner_in_the_layout_of_its_generation() {
    let world = World::new();
    let scientist = world.scientist("ds@example.org");
    for (name, dialect, layout, source) in GENERATIONS {
        let owner = world.owner(&format!("{name}@example.org")).with_home_only(dialect);
        acquaint(&owner, &scientist).await;
        owner.create_dataset(&world.dataset("ages", Audience::Any), false).await.unwrap();
        let submitted = scientist.submit_job(&world.python(&owner, name, SUM)).await.unwrap();
        let job = &submitted.found.job;
        assert_eq!(
            (job.id.layout, &job.config.dependencies[..]),
            (layout, &[source.to_owned()][..])
        );
        sync(&owner).await;
        assert_eq!(status(&owner, name), "pending");
        owner.approve_job(name, None, None).await.unwrap();
        let expected = (JobStatus::Done, vec!["sum.txt".to_owned()]);
        assert_eq!(answered(&owner, &scientist, name).await, expected);
    }
}

/// Has the version file of `owner` name another source, as a Python client installed from there.
async fn advertise(world: &World, owner: &Client, source: &str) {
    let session = world.drive.session(owner.email());
    let query = Query { owner: Some(Ownership::Mine), ..Query::default() }.named(VERSION_FILE);
    for entry in session.find(&query).await.unwrap() {
        let bytes = session.read(&entry.id, u64::MAX).await.unwrap();
        let mut file: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        file["syft_client_install_source"] = source.into();
        file.as_object_mut().unwrap().remove("syft_rs");
        let content = Content::Bytes(file.to_string().into_bytes().into());
        session.replace(&entry.id, content).await.unwrap();
    }
}

#[tokio::test]
async fn a_job_installs_what_its_owner_advertises_if_a_script_can_hold_it() {
    let world = World::new();
    let scientist = world.scientist("ds@example.org");
    let owner = world.owner("do@example.org").with_home_only(Dialect::v0_10());
    acquaint(&owner, &scientist).await;
    #[rustfmt::skip]
    let cases = [
        // name      advertised                      installed                       told
        ("release",  "syft==0.10.3",                 "syft==0.10.3",                 ""),
        ("git",      "git+https://h.org/syft@1a2b",  "git+https://h.org/syft@1a2b",  ""),
        ("hostile",  "x\"; reboot; \"",              "syft==0.10.0",                 "cannot be put into a script"),
    ];
    for (name, advertised, installed, told) in cases {
        advertise(&world, &owner, advertised).await;
        sync(&scientist).await;
        let code = "import syft\n";
        let submitted = scientist.submit_job(&world.python(&owner, name, code)).await.unwrap();
        assert_eq!(submitted.found.job.config.dependencies, [installed], "{name}");
        let run =
            submitted.found.job.id.inbox().below(&scientist.folders().datasite(owner.email()));
        let run = std::fs::read_to_string(run.join("run.sh")).unwrap();
        assert!(run.contains(&format!("\nuv pip install \"{installed}\"\n")), "{run}");
        assert_eq!(submitted.warnings().is_empty(), told.is_empty(), "{:?}", submitted.warnings());
        assert!(submitted.warnings().iter().all(|warning| warning.contains(told)));
    }
    // The owner is a Python client now, as far as anybody can see: its jobs know one module.
    let request = world.python(&owner, "older", "import syft_client\n");
    let submitted = scientist.submit_job(&request).await.unwrap();
    assert!(submitted.warnings().iter().any(|warning| warning.contains("imports `syft_client`")));
}
