//! What a hostile job tries.

use std::net::TcpListener;

use syft::jobs::{Confinement, JobKind, JobStatus, Listed};

use crate::world::{SECRET, World, id, now, options, read, sandbox, write};

/// Runs the same job without and with the sandbox, and returns what it printed.
async fn both(code: impl Fn(&World) -> String, datasets: Option<&[&str]>) -> Option<[String; 2]> {
    let sandbox = sandbox().await?;
    let mut logs = Vec::new();
    for confinement in [Confinement::None, sandbox] {
        let world = World::new();
        logs.push(world.python(&code(&world), datasets, &options(confinement)).await.1);
    }
    logs.try_into().ok()
}

#[tokio::test]
async fn w9_a_job_reaches_no_network_not_even_this_machine() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let code = format!(
        "import socket\ntry:\n    socket.create_connection(('127.0.0.1', {port}), 2)\n    print('connected')\n\
         except OSError as e:\n    print('refused')\n"
    );
    let Some([without, with]) = both(|_| code.clone(), None).await else { return };
    assert_eq!((without.as_str(), with.as_str()), ("connected\n", "refused\n"));
}

#[tokio::test]
async fn w9_a_job_sees_nothing_of_the_owner_but_its_datasets() {
    let code = |world: &World| {
        let home = world.home.path().display();
        format!(
            "import os\n\
             home = {home:?}\n\
             print('home', os.path.exists(home + '/secret'))\n\
             print('tree', os.path.exists(home + '/SyftBox_do@example.com/do@example.com/private'))\n\
             print('processes', len([p for p in os.listdir('/proc') if p.isdigit()]) > 9)\n",
            home = home.to_string(),
        )
    };
    let Some([without, with]) = both(code, None).await else { return };
    assert!(without.contains("home True") && without.contains("processes True"), "{without}");
    assert_eq!(with, "home False\ntree False\nprocesses False\n");
}

#[tokio::test]
async fn w9_a_job_that_names_datasets_sees_no_others() {
    let code = "import os\n\
        box = os.environ['SYFTBOX_FOLDER'] + '/do@example.com/'\n\
        print(sorted(os.listdir(box + 'private/syft_datasets')), sorted(os.listdir(box)))\n";
    let Some(sandbox) = sandbox().await else { return };
    let cases: [(Option<&[&str]>, &str); 4] = [
        // The folder of a layout is no dataset: it would show all of its datasets.
        (Some(&["v1", "census"]), "['census'] ['app_data', 'private', 'public']\n"),
        (Some(&["census"]), "['census'] ['app_data', 'private', 'public']\n"),
        (None, "['census', 'other'] ['app_data', 'private', 'public']\n"),
        (Some(&["../../../config", "census"]), "['census'] ['app_data', 'private', 'public']\n"),
    ];
    for (datasets, expected) in cases {
        let world = World::new();
        crate::world::write(&world.datasite().join("public/syft_datasets/v1/x/mock.csv"), "");
        let (_, log) = world.python(code, datasets, &options(sandbox.clone())).await;
        assert_eq!(log, expected, "{datasets:?}");
    }
}

#[tokio::test]
async fn w9_a_job_gets_an_environment_of_its_own() {
    let code = |_: &World| "import os\nprint(*sorted(os.environ))\n".to_owned();
    let Some(logs) = both(code, None).await else { return };
    assert!(
        std::env::vars().any(|(name, _)| name.starts_with("CARGO")),
        "there is something to hide"
    );
    for log in logs {
        let names: Vec<_> = log
            .split_whitespace()
            .filter(|name| !matches!(*name, "LC_CTYPE" | "OLDPWD" | "PWD" | "SHLVL" | "_"))
            .collect();
        assert_eq!(
            names,
            [
                "HOME",
                "LANG",
                "PATH",
                "PYTHONDONTWRITEBYTECODE",
                "PYTHONPATH",
                "PYTHONUNBUFFERED",
                "SYFTBOX_EMAIL",
                "SYFTBOX_FOLDER",
                "SYFT_IS_IN_JOB"
            ]
        );
    }
}

#[tokio::test]
async fn w9_a_job_writes_nowhere_but_to_its_outputs() {
    let code = "import os\n\
        box = os.environ['SYFTBOX_FOLDER']\n\
        own = os.path.dirname(os.getcwd())\n\
        places = ['/', '/usr', '/usr/bin', '/etc', '/syft', '/syft/python', box, box + '/do@example.com',\n\
                  os.path.dirname(own), box + '/do@example.com/private/syft_datasets/census',\n\
                  box + '/do@example.com/public/syft_datasets/census', '/proc/sys/kernel', '/proc/acpi', '/dev', own, '.', 'outputs', '/dev/shm', '/tmp', os.environ['HOME']]\n\
        for place in places:\n\
        \x20   try:\n\
        \x20       open(place + '/x', 'w').close()\n\
        \x20       print(place.replace(own, 'own'))\n\
        \x20   except OSError:\n\
        \x20       pass\n";
    let Some(sandbox) = sandbox().await else { return };
    let world = World::new();
    let (report, log) = world.python(code, None, &options(sandbox)).await;
    assert_eq!(log, "outputs\n/dev/shm\n/tmp\n/home/job\n", "{:?}", report.notes);
    assert!(!world.inbox("job").join("x").exists(), "the synced tree is not the copy");
}

#[tokio::test]
async fn w9_a_job_cannot_make_what_it_sees_writable() {
    let script = "mount -o remount,rw,bind /usr && echo remounted\n\
        umount /syft/python && echo unmounted\n\
        unshare -Ur true && echo nested\n\
        grep -h '^Cap' /proc/self/status\n";
    let Some(sandbox) = sandbox().await else { return };
    let world = World::new();
    world.submit("job", JobKind::Bash, script, None);
    let report = world.run("job", &options(sandbox)).await;
    let log = read(&world.left("job").join("stdout.txt"));
    assert_eq!(report.status, JobStatus::Done, "{log}");
    assert!(!log.contains("mounted") && !log.contains("nested"), "{log}");
    assert_eq!(log.matches("0000000000000000").count(), 5, "{log}");
}

#[tokio::test]
async fn w8_a_link_among_the_outputs_publishes_nothing() {
    let code = |world: &World| {
        let secret = world.home.path().join("secret");
        format!(
            "import os\nos.symlink({secret:?}, 'outputs/link')\nos.symlink('/', 'outputs/root')\n\
             os.mkfifo('outputs/pipe')\nopen('outputs/syft.pub.yaml', 'w').write('rules: []')\n\
             open('outputs/ok', 'w').write('fine')\n"
        )
    };
    let Some(sandbox) = sandbox().await else { return };
    for confinement in [sandbox, Confinement::None] {
        let world = World::new();
        let (report, log) = world.python(&code(&world), None, &options(confinement)).await;
        assert_eq!(report.status, JobStatus::Done, "{log}");
        let outputs: Vec<_> = report.outputs.iter().map(ToString::to_string).collect();
        assert_eq!(outputs, ["ok"]);
        assert_eq!(report.notes.len(), 4, "{:?}", report.notes);
        let left: Vec<_> = std::fs::read_dir(world.left("job").join("outputs")).unwrap().collect();
        assert_eq!(left.len(), 1);
        assert_eq!(read(&world.home.path().join("secret")), SECRET);
    }
}

#[tokio::test]
async fn a_job_that_deletes_its_outputs_or_itself_has_no_results() {
    let Some(sandbox) = sandbox().await else { return };
    for code in [
        "import shutil\nshutil.rmtree('outputs')\n",
        "import shutil, os\nos.chdir('..')\nshutil.rmtree('code')\nos.symlink('/etc', 'code')\n",
        "import os\nos.chmod('outputs', 0)\nos.chmod('.', 0)\n",
        "import os\nos.mkdir('outputs/a')\nos.chmod('outputs/a', 0)\n",
        "import os\nos.chdir('outputs')\nfor _ in range(9000):\n    os.mkdir('d' * 100)\n    os.chdir('d' * 100)\n",
    ] {
        let world = World::new();
        let (report, log) = world.python(code, None, &options(sandbox.clone())).await;
        assert!(report.outputs.is_empty(), "{code}: {log}");
        let runs = world.home.path().join("config/runs");
        assert_eq!(std::fs::read_dir(runs).unwrap().count(), 1, "only the lock stays: {code}");
    }
}

#[tokio::test]
async fn a_job_that_writes_beside_its_code_is_told_where_to() {
    let Some(sandbox) = sandbox().await else { return };
    let world = World::new();
    let (report, log) = world.python("open('result.csv', 'w')\n", None, &options(sandbox)).await;
    assert_eq!(report.status, JobStatus::Failed);
    assert!(log.contains("Read-only file system"), "{log}");
    assert!(report.notes[0].contains("results belong in `outputs/`"), "{:?}", report.notes);
}

#[tokio::test]
async fn many_processes_end_with_the_job() {
    let Some(sandbox) = sandbox().await else { return };
    let world = World::new();
    let marker = format!("27182.{}", std::process::id());
    let script = format!("for i in $(seq 200); do (setsid sleep {marker} &) ; done\nexit 0\n");
    world.submit("job", JobKind::Bash, &script, None);
    let report = world.run("job", &options(sandbox)).await;
    assert_eq!(report.status, JobStatus::Done);
    assert!(!crate::running::runs(&marker));
}

#[tokio::test]
async fn w2_what_was_replaced_after_approval_does_not_run() {
    let Some(sandbox) = sandbox().await else { return };
    for (file, content) in [
        ("run.sh", "echo hacked"),
        ("code/main.py", "print('hacked')"),
        ("config.yaml", "name: x\nsubmitted_at: '2026-01-01T00:00:00Z'\nentrypoint: evil.py\n"),
        ("code/json.py", "print('hacked')"),
    ] {
        let world = World::new();
        world.submit("job", JobKind::Python, "print('honest')\n", None);
        world.approve("job");
        let state = read(&world.review("job").join("state.yaml"));
        write(&world.inbox("job").join(file), content);
        let error =
            syft::jobs::run(&world.store, &id("job"), &options(sandbox.clone()), now()).await;
        let error = error.unwrap_err().to_string();
        assert!(error.contains("changed after it was approved"), "{file}: {error}");
        assert_eq!(read(&world.review("job").join("state.yaml")), state, "nothing was changed");
        assert!(!world.left("job").join("stdout.txt").exists());
        let decided = world.store.receive(now()).unwrap();
        assert_eq!(decided[0].1.status, JobStatus::Pending, "the owner has to decide again");
    }
}

#[tokio::test]
async fn w1_w2_a_state_file_alone_lets_nothing_run() {
    let Some(sandbox) = sandbox().await else { return };
    let world = World::new();
    world.submit("job", JobKind::Python, "print('hacked')\n", None);
    write(&world.review("job").join("state.yaml"), "status: approved\n");
    let error = syft::jobs::run(&world.store, &id("job"), &options(sandbox), now()).await;
    assert!(error.unwrap_err().to_string().contains("nobody on this machine approved"));
}

#[tokio::test]
async fn w2_a_run_script_that_differs_is_not_used() {
    let Some(sandbox) = sandbox().await else { return };
    let world = World::new();
    world.submit("job", JobKind::Python, "print('honest')\n", None);
    write(&world.inbox("job").join("run.sh"), "echo hacked\n");
    let report = world.run("job", &options(sandbox)).await;
    assert_eq!(read(&world.left("job").join("stdout.txt")), "honest\n");
    assert!(report.notes[0].contains("`run.sh` differs"), "{:?}", report.notes);
}

#[tokio::test]
async fn w7_what_a_job_calls_itself_steers_nothing() {
    let Some(sandbox) = sandbox().await else { return };
    let world = World::new();
    world.submit("job", JobKind::Python, "print('ran')\n", None);
    let config = world.inbox("job").join("config.yaml");
    write(&config, &read(&config).replace("name: job", "name: ../../../../../../x"));
    let report = world.run("job", &options(sandbox)).await;
    assert_eq!(report.job, id("job"));
    assert!(world.review("job").join("state.yaml").exists());
    let mut entries: Vec<_> = std::fs::read_dir(world.home.path())
        .unwrap()
        .flatten()
        .map(|entry| entry.file_name())
        .collect();
    entries.sort();
    assert_eq!(entries, ["SyftBox_do@example.com", "config", "scientist", "secret"]);
}

#[test]
fn w7_a_broken_job_is_listed_and_hides_no_other() {
    let world = World::new();
    world.submit("good", JobKind::Python, "", None);
    let inbox = world.inbox("good").parent().unwrap().to_owned();
    write(&inbox.join("*/config.yaml"), "name: x\n");
    write(&inbox.join("yaml/config.yaml"), "name: [");
    write(
        &inbox.join("option/config.yaml"),
        "name: x\nsubmitted_at: '2026-01-01T00:00:00Z'\nentrypoint: -c\n",
    );
    write(&inbox.join("v2/job/config.yaml"), "name: x\n");
    std::fs::create_dir_all(inbox.join("empty")).unwrap();
    std::fs::create_dir_all(inbox.join("link")).unwrap();
    std::os::unix::fs::symlink(world.home.path().join("secret"), inbox.join("link/config.yaml"))
        .unwrap();
    std::os::unix::fs::symlink(world.home.path(), inbox.join("linked")).unwrap();
    write(&inbox.parent().unwrap().join("no address/job/config.yaml"), "name: x\n");

    let decided = world.store.receive(now()).unwrap();
    let pending = decided.iter().filter(|(_, state)| state.status == JobStatus::Pending);
    assert_eq!(pending.map(|(id, _)| id.name.to_string()).collect::<Vec<_>>(), ["good"]);
    let listed = world.store.list().unwrap();
    let Listed::Job(first) = &listed[0] else { panic!("{listed:?}") };
    assert_eq!(first.id, id("good"));
    let broken: Vec<_> = listed[1..]
        .iter()
        .map(|listed| match listed {
            Listed::Unreadable { directory, reason }
                if !reason.is_empty() && !reason.contains(SECRET) =>
            {
                directory.as_str()
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        broken,
        [
            "ds@example.com/*",
            "ds@example.com/empty",
            "ds@example.com/link",
            "ds@example.com/option",
            "ds@example.com/v2",
            "ds@example.com/yaml",
            "no address"
        ]
    );
}
