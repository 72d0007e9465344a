//! Packages of jobs: worked out once, installed once, shared, never changed.
//!
//! Each test runs with `pip`, and with `uv` where there is one: in `SYFT_UV`, or on the path.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use syft::jobs::{InstallSettings, InstalledPackage, JobKind, JobStatus, RunOptions};

use crate::shop::{PRINT, Shop, make_wheels};
use crate::world::{World, id, now, options, read, sandbox, write};

#[tokio::test]
async fn a_wish_comes_to_the_same_packages_each_time_with_pip() {
    let Some(shop) = Shop::with_pip().await else { return };
    same(shop).await;
}

#[tokio::test]
async fn a_wish_comes_to_the_same_packages_each_time_with_uv() {
    let Some(shop) = Shop::with_uv().await else { return };
    same(shop).await;
}

async fn same(shop: Shop) {
    let (report, log) = shop.run("first", PRINT, &["tinypkg"]).await;
    assert_eq!(report.status, JobStatus::Done, "{log}");
    let of = |name: &str, version: &str| InstalledPackage {
        name: name.to_owned(),
        version: version.to_owned(),
        sha256: vec![shop.sha256(&format!("{name}-{version}"))],
    };
    let expected = [of("tinydep", "1.5"), of("tinypkg", "1.0")];
    assert_eq!(shop.installed("first"), expected);
    let record = shop.world.store.last_run(&id("first")).unwrap();
    assert!(record.environment.unwrap().python.starts_with("3."));

    make_wheels(&shop.wheels, &[("tinypkg", "2.0", "ANSWER = 43\n", "")]);
    let (_, log) = shop.run("second", PRINT, &["tinypkg"]).await;
    assert_eq!(log, "42\n", "the same packages, and nothing was installed again");
    assert_eq!(shop.installed("second"), expected);
    let aside = shop.wheels.with_file_name("aside");
    std::fs::rename(&shop.wheels, &aside).unwrap();
    let (_, log) = shop.run("offline", PRINT, &["tinypkg"]).await;
    assert_eq!(log, "42\n", "no index is needed");
    std::fs::rename(&aside, &shop.wheels).unwrap();
}

#[tokio::test]
async fn newer_packages_are_taken_when_they_are_asked_for_with_pip() {
    let Some(shop) = Shop::with_pip().await else { return };
    newer(shop).await;
}

#[tokio::test]
async fn newer_packages_are_taken_when_they_are_asked_for_with_uv() {
    let Some(shop) = Shop::with_uv().await else { return };
    newer(shop).await;
}

async fn newer(mut shop: Shop) {
    shop.run("first", PRINT, &["tinypkg"]).await;
    make_wheels(&shop.wheels, &[("tinypkg", "2.0", "ANSWER = 43\n", "")]);
    shop.options.install.refresh = true;
    shop.submit("newer", PRINT, &["tinypkg"]);
    shop.world.approve("newer");
    let later = syft::model::Timestamp::from_micros(now().micros() + 1);
    syft::jobs::run(&shop.world.store, &id("newer"), &shop.options, later).await.unwrap();
    assert!(shop.log("newer").ends_with("43\n"), "{}", shop.log("newer"));
    assert_eq!(shop.cache().list().unwrap().len(), 2);
}

#[tokio::test]
async fn two_that_want_the_same_at_once_make_it_once_with_pip() {
    let Some(shop) = Shop::with_pip().await else { return };
    at_once(shop).await;
}

#[tokio::test]
async fn two_that_want_the_same_at_once_make_it_once_with_uv() {
    let Some(shop) = Shop::with_uv().await else { return };
    at_once(shop).await;
}

async fn at_once(shop: Shop) {
    for name in ["one", "two"] {
        shop.submit(name, PRINT, &["tinypkg"]);
        shop.world.approve(name);
    }
    let (one, two) = (id("one"), id("two"));
    let run = |id| syft::jobs::run(&shop.world.store, id, &shop.options, now());
    let (one, two) = tokio::join!(run(&one), run(&two));
    assert_eq!([one.unwrap().status, two.unwrap().status], [JobStatus::Done; 2]);
    let logs = [shop.log("one"), shop.log("two")];
    assert!(logs.iter().any(|log| log == "42\n"), "one of them had to wait only: {logs:?}");
    assert_eq!(shop.folders().len(), 1, "one environment, and nothing half");
}

#[tokio::test]
async fn what_is_half_made_or_damaged_is_made_anew_with_pip() {
    let Some(shop) = Shop::with_pip().await else { return };
    half(shop).await;
}

#[tokio::test]
async fn what_is_half_made_or_damaged_is_made_anew_with_uv() {
    let Some(shop) = Shop::with_uv().await else { return };
    half(shop).await;
}

async fn half(shop: Shop) {
    shop.run("first", PRINT, &["tinypkg"]).await;
    let folder = shop.folders().pop().unwrap();
    let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
    // As if it had been killed: what it was making lies there, and a folder without a record.
    let partial = folder.with_file_name(format!(".partial-{name}-x"));
    write(&partial.join("venv/bin/python"), "#!/bin/sh\necho half\n");
    std::fs::set_permissions(&folder, Permissions::from_mode(0o700)).unwrap();
    std::fs::remove_file(folder.join("environment.json")).unwrap();
    std::fs::write(folder.join("half"), "").unwrap();
    let (report, log) = shop.run("second", PRINT, &["tinypkg"]).await;
    assert_eq!(report.status, JobStatus::Done, "{log}");
    assert!(log.ends_with("42\n") && !log.contains("half"), "{log}");
    assert_eq!(shop.folders(), std::slice::from_ref(&folder));
    assert!(!folder.join("half").exists());
}

#[tokio::test]
async fn w9_a_job_cannot_change_its_environment_with_pip() {
    let Some(shop) = Shop::with_pip().await else { return };
    unchanged(shop).await;
}

#[tokio::test]
async fn w9_a_job_cannot_change_its_environment_with_uv() {
    let Some(shop) = Shop::with_uv().await else { return };
    unchanged(shop).await;
}

async fn unchanged(shop: Shop) {
    const CHANGE: &str = "import os, sys, tinypkg\n\
        for place in [tinypkg.__file__, os.path.dirname(tinypkg.__file__) + '/x.pth', sys.prefix + '/x']:\n\
        \x20   try:\n\x20       open(place, 'w')\n\x20       print('wrote', place)\n\
        \x20   except OSError as error:\n\x20       print(error.strerror)\n\
        try:\n\x20   os.chmod(tinypkg.__file__, 0o777)\n\x20   print('changed')\n\
        except OSError as error:\n\x20   print(error.strerror)\n";
    let (_, log) = shop.run("job", CHANGE, &["tinypkg"]).await;
    assert!(log.ends_with(&"Read-only file system\n".repeat(4)), "{log}");
    // One that runs unconfined has our rights; at least it has to mean it.
    let mut folders = shop.folders();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let entry = entry.unwrap();
            let about = entry.metadata().unwrap();
            if !about.is_symlink() {
                assert_eq!(about.permissions().mode() & 0o222, 0, "{:?}", entry.path());
            }
            if about.is_dir() {
                folders.push(entry.path());
            }
        }
    }
}

/// Its build code writes wherever it can reach, when it is worked out and when it is installed.
#[tokio::test]
async fn w9_what_a_package_does_while_it_is_built_stays_in_its_own_environment_with_pip() {
    let Some(shop) = Shop::with_pip().await else { return };
    own(shop).await;
}

#[tokio::test]
async fn w9_what_a_package_does_while_it_is_built_stays_in_its_own_environment_with_uv() {
    let Some(shop) = Shop::with_uv().await else { return };
    own(shop).await;
}

async fn own(shop: Shop) {
    make_hostile_source(&shop);
    let code = "import evilpkg\nprint(evilpkg.REACHED)\n";
    let (report, log) = shop.run("evil", code, &["evilpkg", "tinypkg"]).await;
    assert_eq!(report.status, JobStatus::Done, "{log}");
    assert!(log.ends_with("[]\n"), "it reached something of ours: {log}");
    let code = "import sys, tinypkg\nprint(tinypkg.ANSWER, 'evil' in sys.modules)\n";
    let (_, log) = shop.run("after", code, &["tinypkg"]).await;
    assert!(log.ends_with("42 False\n"), "{log}");
    assert_eq!(shop.folders().len(), 2);
}

/// A source distribution that builds without anything from elsewhere, and tries what it can.
fn make_hostile_source(shop: &Shop) {
    let home = shop.world.home.path().display();
    let backend = format!(
        "import glob, os, zipfile\n\
         def attack():\n\
         \x20   reached = [p for p in ['{home}/secret', '{home}/config', '{home}/SyftBox_do@example.com'] if os.path.exists(p)]\n\
         \x20   for folder in glob.glob('/syft/environment/**/site-packages', recursive=True) + ['/syft/environment']:\n\
         \x20       try:\n\
         \x20           open(folder + '/evil.py', 'w').write('X = 1')\n\
         \x20           open(folder + '/evil.pth', 'w').write('import evil')\n\
         \x20       except OSError:\n\x20           pass\n\
         \x20   for name in ['resolved.txt', 'report.json', 'install.txt']:\n\
         \x20       try:\n\x20           open('/syft/environment/' + name, 'w').write('tinypkg==1.0')\n\
         \x20       except OSError:\n\x20           pass\n\
         \x20   return reached\n\
         def build_wheel(folder, settings=None, metadata=None):\n\
         \x20   name = 'evilpkg-1.0-py3-none-any.whl'\n\
         \x20   z = zipfile.ZipFile(os.path.join(folder, name), 'w')\n\
         \x20   d = 'evilpkg-1.0.dist-info/'\n\
         \x20   z.writestr('evilpkg.py', 'REACHED = ' + repr(attack()) + '\\n')\n\
         \x20   z.writestr(d + 'METADATA', 'Metadata-Version: 2.1\\nName: evilpkg\\nVersion: 1.0\\n')\n\
         \x20   z.writestr(d + 'WHEEL', 'Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')\n\
         \x20   z.writestr(d + 'RECORD', 'evilpkg.py,,\\n' + d + 'METADATA,,\\n' + d + 'WHEEL,,\\n' + d + 'RECORD,,\\n')\n\
         \x20   z.close()\n\
         \x20   return name\n"
    );
    let source = shop.world.home.path().join("source/evilpkg-1.0");
    write(&source.join("backend.py"), &backend);
    write(&source.join("PKG-INFO"), "Metadata-Version: 2.1\nName: evilpkg\nVersion: 1.0\n");
    write(
        &source.join("pyproject.toml"),
        "[build-system]\nrequires = []\nbuild-backend = \"backend\"\nbackend-path = [\".\"]\n\
         [project]\nname = \"evilpkg\"\nversion = \"1.0\"\n",
    );
    let archive = shop.wheels.join("evilpkg-1.0.tar.gz");
    let mut tar = std::process::Command::new("tar");
    tar.arg("-czf").arg(archive).arg("-C").arg(source.parent().unwrap()).arg("evilpkg-1.0");
    assert!(tar.status().unwrap().success());
}

#[tokio::test]
async fn a_job_without_packages_needs_no_installer_and_no_network() {
    let Some(sandbox) = sandbox().await else { return };
    let world = World::new();
    let code =
        "import syft_client, syft\nprint(syft_client.resolve_dataset_file_path('census').name)\n";
    world.submit("job", JobKind::Python, code, Some(&["census"]));
    let install = InstallSettings { variables: Vec::new(), ..InstallSettings::default() };
    let report = world.run("job", &RunOptions { install, ..options(sandbox) }).await;
    assert_eq!(report.status, JobStatus::Done, "{:?}", report.notes);
    assert!(!world.home.path().join("config/environments").exists());
    assert!(world.store.last_run(&id("job")).unwrap().environment.is_none());
}

/// Without a sandbox it has no place of its own: what is in it names the folder that it lies in.
#[tokio::test]
async fn an_environment_that_was_made_unconfined_is_where_it_was_made_for() {
    let Some(mut shop) = Shop::with_pip().await else { return };
    shop.options.confinement = syft::jobs::Confinement::None;
    let (report, log) = shop.run("job", PRINT, &["tinypkg"]).await;
    assert_eq!(report.status, JobStatus::Done, "{log}");
    let folder = shop.folders().pop().unwrap();
    let activate = read(&folder.join("venv/bin/activate"));
    assert!(activate.contains(folder.to_str().unwrap()) && !activate.contains(".partial-"));
    assert_eq!(shop.folders().len(), 1);
    let (_, log) = shop.run("again", PRINT, &["tinypkg"]).await;
    assert_eq!(log, "42\n", "nothing was installed again");
}

/// R is no language of the wire: it comes as a shell job, as any other command does.
#[tokio::test]
#[expect(clippy::print_stderr, reason = "a test that is left out has to say so")]
async fn a_job_in_r_runs_as_a_shell_job() {
    let Some(sandbox) = sandbox().await else { return };
    if !Path::new("/usr/bin/Rscript").exists() {
        eprintln!("!!! NOT TESTED: no Rscript on this machine !!!");
        return;
    }
    let world = World::new();
    let folder = world.home.path().join("scientist/r");
    write(&folder.join("script.sh"), "Rscript code/count.R\n");
    write(
        &folder.join("count.R"),
        "data <- read.csv(file.path(Sys.getenv('SYFTBOX_FOLDER'), Sys.getenv('SYFTBOX_EMAIL'),\n\
         'private/syft_datasets/census/data.csv'))\ncat(nrow(data), '\\n', file = 'code/outputs/n.txt')\n",
    );
    world.submit_path("job", JobKind::Bash, &folder, &[], Some(&["census"]));
    let report = world.run("job", &options(sandbox)).await;
    let log = read(&world.left("job").join("stderr.txt"));
    assert_eq!(report.status, JobStatus::Done, "{log}");
    assert_eq!(read(&world.left("job").join("outputs/n.txt")), "3 \n");
}

#[tokio::test]
async fn wishes_that_come_to_the_same_share_an_environment_which_is_made_anew_as_it_was_with_pip() {
    let Some(shop) = Shop::with_pip().await else { return };
    shared(shop).await;
}

#[tokio::test]
async fn wishes_that_come_to_the_same_share_an_environment_which_is_made_anew_as_it_was_with_uv() {
    let Some(shop) = Shop::with_uv().await else { return };
    shared(shop).await;
}

async fn shared(shop: Shop) {
    shop.run("first", PRINT, &["tinypkg"]).await;
    make_wheels(&shop.wheels, &[("tinypkg", "2.0", "ANSWER = 43\n", "")]);
    let (_, log) = shop.run("pinned", PRINT, &["tinypkg==1.0"]).await;
    assert!(log.ends_with("42\n"), "{log}");
    assert_eq!(shop.cache().list().unwrap().len(), 1);
    shop.cache().prune(std::time::Duration::ZERO, now()).unwrap();
    assert!(shop.folders().is_empty());
    let (_, log) = shop.run("again", PRINT, &["tinypkg"]).await;
    assert!(log.ends_with("42\n"), "what it came to is remembered: {log}");
}
