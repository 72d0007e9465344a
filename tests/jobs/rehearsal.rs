//! What a scientist learns of a job before it is sent.

use std::time::Duration;

use syft::jobs::{
    Confinement, JobKind, JobStatus, Limits, Mock, Rehearsal, RunOptions, Submission, rehearse,
};
use syft::model::DatasitePath;

use crate::world::{World, id, now, options, read, sandbox, write};

impl World {
    fn mock(&self, name: &str) -> Mock {
        let folder = self.datasite().join("public/syft_datasets").join(name);
        Mock {
            name: name.to_owned(),
            folder,
            files: vec![DatasitePath::parse("mock.csv").unwrap()],
        }
    }

    async fn rehearse(&self, submission: &Submission, options: &RunOptions) -> Rehearsal {
        let mocks = [self.mock("census")];
        let private = self.home.path().join("scientist-private");
        rehearse(submission, self.store.owner(), &mocks, &private, options, now()).await.unwrap()
    }

    fn code(&self, code: &str) -> Submission {
        self.one_file(&id("job"), JobKind::Python, code, Some(&["census"]))
    }
}

fn text(log: &[u8]) -> String {
    String::from_utf8(log.to_vec()).unwrap()
}

const CODE: &str = "import os, socket, syft_client as sc\n\
    path = sc.resolve_dataset_file_path('census')\n\
    print(path, [p.name for p in sc.resolve_dataset_files_path('census')])\n\
    print(open(path).read())\n\
    try:\n    socket.create_connection(('192.0.2.1', 80), 1)\n\
    except OSError as e:\n    print('no network:', e.strerror)\n\
    print(os.environ.get('HOME'), sorted(os.listdir(os.environ['SYFTBOX_FOLDER'])))\n\
    open('outputs/result.txt', 'w').write('42')\n\
    os.symlink('/etc/passwd', 'outputs/link')\n";

#[tokio::test]
async fn a_job_meets_on_mock_data_what_it_will_meet_at_the_owners() {
    let Some(sandbox) = sandbox().await else { return };
    let world = World::new();
    let tried = world.rehearse(&world.code(CODE), &options(sandbox)).await;
    let out = text(&tried.logs[0]);
    assert_eq!(tried.report.status, JobStatus::Done, "{out}{}", text(&tried.logs[1]));
    let place = "/syftbox/do@example.com/private/syft_datasets/census/mock.csv ['mock.csv']\n";
    assert!(out.starts_with(place), "the mock half lies where the private one will: {out}");
    assert!(out.contains("a\n0\n") && !out.contains("1\n2\n3"), "{out}");
    assert!(out.contains("no network: "), "{out}");
    assert!(out.contains("/home/job ['do@example.com']"), "nothing of this machine: {out}");
    let left: Vec<_> = tried.outputs.iter().map(|output| output.path.as_str()).collect();
    assert_eq!(left, ["result.txt"]);
    assert_eq!(read(&tried.outputs[0].local_path), "42");
    assert!(tried.report.confined);
    assert!(
        tried.report.notes.iter().any(|note| note.contains("`link` left out")),
        "the same rules"
    );

    assert!(!world.inbox("job").exists(), "nothing is put where a sync would send it");
    drop(tried);
    let kept: Vec<_> = std::fs::read_dir(world.home.path().join("scientist-private/rehearsals"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(kept, ["environments"], "nothing else stays");
}

#[tokio::test]
async fn a_job_that_fails_or_takes_too_long_says_so_before_it_is_sent() {
    let Some(sandbox) = sandbox().await else { return };
    let world = World::new();
    let tried =
        world.rehearse(&world.code("raise ValueError('odd')\n"), &options(sandbox.clone())).await;
    assert_eq!((tried.report.status, tried.report.return_code), (JobStatus::Failed, 1));
    assert!(text(&tried.logs[1]).contains("ValueError: odd"));
    let limits = Limits { time: Duration::from_secs(1), ..Limits::default() };
    let endless = world.code("while True: pass\n");
    let tried = world.rehearse(&endless, &RunOptions { limits, ..options(sandbox) }).await;
    assert_eq!((tried.report.status, tried.report.return_code), (JobStatus::Failed, -1));
}

#[tokio::test]
async fn without_a_sandbox_the_mock_half_in_the_syftbox_is_out_of_reach_all_the_same() {
    let world = World::new();
    let code = "import syft_client as sc\n\
        path = sc.resolve_dataset_file_path('census')\n\
        open(path, 'a').write('spoilt')\nprint(open(path).read())\n";
    let tried = world.rehearse(&world.code(code), &options(Confinement::None)).await;
    assert_eq!(tried.report.status, JobStatus::Done, "{}", text(&tried.logs[1]));
    assert!(text(&tried.logs[0]).contains("spoilt"), "it wrote to what it was given");
    assert!(!tried.report.confined);
    let mock = world.datasite().join("public/syft_datasets/census/mock.csv");
    assert_eq!(read(&mock), "a\n0\n");
}

#[tokio::test]
async fn any_bytes_arrive_as_they_are() {
    let Some(sandbox) = sandbox().await else { return };
    let world = World::new();
    let folder = world.home.path().join("project");
    write(
        &folder.join("main.py"),
        "import hashlib\nprint(hashlib.sha256(open('model.bin', 'rb').read()).hexdigest())\n",
    );
    let bytes: Vec<u8> = (0..=255).cycle().take(70_000).collect();
    std::fs::write(folder.join("model.bin"), &bytes).unwrap();
    let submission = world.build(&id("job"), JobKind::Python, &folder, &[], None);
    let tried = world.rehearse(&submission, &options(sandbox)).await;
    let digest = syft::model::Digest::of(&bytes).to_hex();
    assert_eq!(text(&tried.logs[0]).trim(), digest, "{}", text(&tried.logs[1]));
}
