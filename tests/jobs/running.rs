//! What an honest job can do.

use std::time::Duration;

use syft::jobs::{
    Confinement, EnvironmentCache, InstallSettings, JobKind, JobStatus, Limits, RunOptions,
};

use crate::world::{World, options, read, sandbox, write};

#[tokio::test]
async fn a_python_job_reads_private_data_and_leaves_results() {
    let Some(sandbox) = sandbox().await else { return };
    let world = World::new();
    let code = include_str!("../../fixtures/jobs/census-count/code/main.py");
    let (report, log) = world.python(code, Some(&["census"]), &options(sandbox)).await;
    assert_eq!((report.status, report.return_code), (JobStatus::Done, 0), "{log}");
    assert_eq!(log, "done 4\n");
    let left = world.left("job");
    assert_eq!(read(&left.join("outputs/result.json")), r#"{"files": ["data.csv"], "rows": 4}"#);
    assert_eq!(std::fs::read(left.join("outputs/raw.bin")).unwrap(), [0, 255, 254, 1]);
    assert_eq!(read(&left.join("returncode.txt")), "0");
    assert!(report.confined && report.notes.is_empty(), "{:?}", report.notes);
    let outputs: Vec<_> = report.outputs.iter().map(ToString::to_string).collect();
    assert_eq!(outputs, ["raw.bin", "result.json"]);
    assert!(!world.inbox("job").join("code/outputs").exists(), "the synced tree is not written to");
    assert_eq!(
        std::fs::read_dir(world.home.path().join("config/runs")).unwrap().count(),
        1,
        "the lock"
    );
}

#[tokio::test]
async fn both_generations_of_the_client_can_be_imported() {
    let Some(sandbox) = sandbox().await else { return };
    let world = World::new();
    let code = "import syft as sy, os\n\
        print(sy.resolve_dataset_file_path('census').name, os.getcwd())\n\
        print(sy.resolve_path('syft://x'))\n\
        try:\n    sy.login\nexcept AttributeError as e:\n    print(e)\n";
    let (_, log) = world.python(code, None, &options(sandbox)).await;
    let inside = "/syftbox/do@example.com/app_data/job/inbox/ds@example.com/job/code";
    assert!(log.starts_with(&format!("data.csv {inside}\n/syftbox/x\n")), "{log}");
    assert!(log.contains("--dep syft-client"), "{log}");
}

#[tokio::test]
async fn a_bash_job_starts_in_its_own_directory() {
    let Some(sandbox) = sandbox().await else { return };
    let world = World::new();
    let script = include_str!("../../fixtures/jobs/bash job/code/script.sh");
    world.submit("bash job", JobKind::Bash, script, None);
    let report = world.run("bash job", &options(sandbox)).await;
    assert_eq!((report.status, report.return_code), (JobStatus::Failed, 3));
    let left = world.left("bash job");
    let inside = "/syftbox/do@example.com/app_data/job/inbox/ds@example.com/bash job";
    assert_eq!(read(&left.join("stdout.txt")), format!("{inside}\ncode\nconfig.yaml\nrun.sh\n"));
    assert_eq!(read(&left.join("outputs/hi.txt")), "hi\n");
    assert!(read(&world.review("bash job").join("state.yaml")).contains("return_code: 1\n"));
}

#[tokio::test]
async fn a_folder_runs_with_its_modules_and_files() {
    let Some(sandbox) = sandbox().await else { return };
    let world = World::new();
    let folder = world.home.path().join("project");
    write(&folder.join("main.py"), "from lib import util\nutil.go()\n");
    write(&folder.join("lib/util.py"), "def go():\n    print(open('params.txt').read())\n");
    write(&folder.join("params.txt"), "42");
    world.submit_path("job", JobKind::Python, &folder, &[], None);
    let report = world.run("job", &options(sandbox)).await;
    assert_eq!(read(&world.left("job").join("stdout.txt")), "42\n", "{:?}", report.notes);
}

#[tokio::test]
async fn a_job_that_takes_too_long_is_killed_with_all_its_processes() {
    let Some(sandbox) = sandbox().await else { return };
    for confinement in [sandbox, syft::jobs::Confinement::None] {
        let world = World::new();
        let marker = format!("31415.{}", std::process::id());
        let script =
            format!("echo begun\nfor i in 1 2 3; do sleep {marker} & done\nsleep {marker}\n");
        world.submit("job", JobKind::Bash, &script, None);
        let limits = Limits { time: Duration::from_secs(1), ..Limits::default() };
        let report = world.run("job", &RunOptions { limits, ..options(confinement) }).await;
        assert_eq!((report.status, report.return_code), (JobStatus::Failed, -1));
        let left = world.left("job");
        assert_eq!(read(&left.join("stdout.txt")), "begun\n\n--- PROCESS TIMED OUT ---\n");
        assert_eq!(read(&left.join("stderr.txt")), "\n--- PROCESS TIMED OUT ---\n");
        assert_eq!(read(&left.join("returncode.txt")), "-1");
        assert!(!runs(&marker), "a process of the job is still there");
    }
}

#[tokio::test]
async fn w34_a_job_that_prints_without_end_neither_fills_the_disk_nor_blocks() {
    let Some(sandbox) = sandbox().await else { return };
    let world = World::new();
    world.submit("job", JobKind::Bash, "yes | head -c 20000000\necho -n no-newline >&2\n", None);
    let limits = Limits { log_bytes: 1000, ..Limits::default() };
    let report = world.run("job", &RunOptions { limits, ..options(sandbox) }).await;
    assert_eq!(report.status, JobStatus::Done);
    let log = read(&world.left("job").join("stdout.txt"));
    let missing = 19_999_000 - (256 << 10);
    let cut = format!("\n--- OUTPUT CUT: {missing} BYTES ARE MISSING HERE ---\n");
    assert_eq!(log[1000..].trim_end_matches("y\n").trim_end(), cut.trim_end());
    assert_eq!(read(&world.left("job").join("stderr.txt")), "no-newline");
}

#[tokio::test]
async fn a_job_that_wants_too_much_memory_or_disk_fails_by_itself() {
    let Some(sandbox) = sandbox().await else { return };
    let limits = Limits { memory_bytes: 200 << 20, file_bytes: 1 << 20, ..Limits::default() };
    let options = RunOptions { limits, ..options(sandbox) };
    for (code, error) in [
        ("x = bytearray(1 << 30)\n", "MemoryError"),
        ("open('outputs/x', 'wb').write(bytes(2 << 20))\n", "File too large"),
    ] {
        let world = World::new();
        let (report, log) = world.python(code, None, &options).await;
        assert_eq!(report.return_code, 1, "{log}");
        assert!(log.contains(error), "{log}");
    }
}

/// What the libraries of data scientists do behind the scenes: none of it is refused.
#[tokio::test]
async fn a_job_may_use_processes_threads_memory_and_a_network_of_its_own() {
    let Some(sandbox) = sandbox().await else { return };
    let world = World::new();
    let code = "import concurrent.futures, mmap, multiprocessing, os, shutil, socket, sqlite3, subprocess, tempfile, threading\n\
        from multiprocessing import shared_memory\n\
        def double(x):\n    return 2 * x\n\
        if __name__ == '__main__':\n\
        \x20   with multiprocessing.Pool(2) as pool:\n        print(pool.map(double, [1, 2]))\n\
        \x20   with concurrent.futures.ProcessPoolExecutor(2, multiprocessing.get_context('spawn')) as pool:\n        print(list(pool.map(double, [3])))\n\
        \x20   with concurrent.futures.ThreadPoolExecutor(4) as pool:\n        print(list(pool.map(double, [4])))\n\
        \x20   block = shared_memory.SharedMemory(create=True, size=4096)\n    block.close()\n    block.unlink()\n\
        \x20   server = socket.create_server(('127.0.0.1', 0))\n    client = socket.create_connection(server.getsockname())\n\
        \x20   print(subprocess.run(['sh', '-c', 'echo $((2 * 5))'], capture_output=True, text=True).stdout.strip())\n\
        \x20   with tempfile.TemporaryDirectory() as folder:\n        open(folder + '/x', 'w').write('x')\n\
        \x20   with sqlite3.connect('outputs/x.db') as db:\n        db.execute('create table t (x)')\n\
        \x20   os.makedirs('outputs/deep/er', exist_ok=True)\n    shutil.copy('main.py', 'outputs/deep/er/copy.py')\n\
        \x20   mmap.mmap(-1, 4096).close()\n    os.sched_getaffinity(0)\n    print('fine')\n";
    let (report, log) = world.python(code, None, &options(sandbox)).await;
    assert_eq!(log, "[2, 4]\n[6]\n[8]\n10\nfine\n", "{:?}", report.notes);
    assert_eq!(report.outputs.len(), 2);
}

/// Packages come from a folder, so this needs no network; it does need a Python with `venv`.
#[tokio::test]
async fn packages_are_installed_once_and_without_data() {
    let Some(sandbox) = sandbox().await else { return };
    let world = World::new();
    let wheels = world.home.path().join("wheels/of/owner");
    make_wheel(&wheels);
    let variables = [("PIP_NO_INDEX", "1"), ("UV_NO_INDEX", "1"), ("UV_OFFLINE", "1")];
    let mut variables: Vec<_> = variables.map(|(name, value)| (name.into(), value.into())).into();
    for name in ["PIP_FIND_LINKS", "UV_FIND_LINKS"] {
        variables.push((name.into(), wheels.clone().into_os_string()));
    }
    let install = InstallSettings { variables, ..InstallSettings::default() };
    let options = RunOptions { install, ..options(sandbox) };
    let main = world.home.path().join("scientist/main.py");
    write(
        &main,
        "import tinypkg, syft_client\nprint(tinypkg.ANSWER, syft_client.resolve_dataset_file_path('census').name)\n",
    );
    for name in ["first", "second"] {
        world.submit_path(name, JobKind::Python, &main, &["tinypkg".to_owned()], None);
        let report = world.run(name, &options).await;
        let left = world.left(name);
        let log = read(&left.join("stderr.txt")) + &read(&left.join("stdout.txt"));
        assert_eq!(report.status, JobStatus::Done, "{log}");
        assert!(log.ends_with("42 data.csv\n"), "{log}");
        if name == "second" {
            assert_eq!(log, "42 data.csv\n", "nothing was installed again");
        }
    }
    let environments = EnvironmentCache::new(&world.home.path().join("config"));
    assert_eq!(environments.list().unwrap().len(), 1);

    world.submit_path("third", JobKind::Python, &main, &["no-such-package".to_owned()], None);
    let report = world.run("third", &options).await;
    assert_eq!(report.status, JobStatus::Failed);
    assert!(report.notes[0].contains("could not be installed"), "{:?}", report.notes);
    assert!(read(&world.left("third").join("stderr.txt")).contains("no-such-package"));
}

fn make_wheel(folder: &std::path::Path) {
    let script = "import sys, zipfile\n\
        z = zipfile.ZipFile(sys.argv[1] + '/tinypkg-1.0-py3-none-any.whl', 'w')\n\
        d = 'tinypkg-1.0.dist-info/'\n\
        z.writestr('tinypkg.py', 'ANSWER = 42\\n')\n\
        z.writestr(d + 'METADATA', 'Metadata-Version: 2.1\\nName: tinypkg\\nVersion: 1.0\\n')\n\
        z.writestr(d + 'WHEEL', 'Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')\n\
        z.writestr(d + 'RECORD', 'tinypkg.py,,\\n' + d + 'METADATA,,\\n' + d + 'WHEEL,,\\n' + d + 'RECORD,,\\n')\n\
        z.close()\n";
    std::fs::create_dir_all(folder).unwrap();
    let status = std::process::Command::new("python3").args(["-c", script]).arg(folder).status();
    assert!(status.unwrap().success());
}

/// True if a process on this machine has `marker` among its arguments.
pub(crate) fn runs(marker: &str) -> bool {
    std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        std::fs::read(entry.path().join("cmdline"))
            .is_ok_and(|line| String::from_utf8_lossy(&line).contains(marker))
    })
}

/// As on a disk that is full: here a file lies where the folder for the outputs has to be.
#[tokio::test]
async fn results_that_cannot_be_kept_fail_the_job_and_its_log_says_what_it_did() {
    let world = World::new();
    let place = world.left("job");
    let script = format!(
        "echo did it\necho 1 >code/outputs/a\nmkdir -p {0}\ntouch {0}/outputs\n",
        place.display()
    );
    world.submit("job", JobKind::Bash, &script, None);
    let report = world.run("job", &options(Confinement::None)).await;
    assert_eq!((report.status, report.return_code), (JobStatus::Failed, -1), "{report:?}");
    assert!(report.notes.iter().any(|note| note.contains("the outputs of")), "{report:?}");
    assert_eq!(read(&place.join("stdout.txt")), "did it\n");
    assert_eq!(read(&place.join("returncode.txt")), "-1");
}
