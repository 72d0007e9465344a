//! A project that comes with a lock: it gets what that pins, in the Python that jobs get.

use syft::jobs::{JobKind, JobStatus, RunReport};

use crate::shop::{PRINT, Shop, make_wheels};
use crate::world::{id, write};

const FITS: &str = ">=3.10";

impl Shop {
    /// Runs a project that allows any `tinypkg` and pins the older one, with this digest.
    async fn run_project(&self, python: &str, digest: &str) -> (RunReport, String) {
        make_wheels(&self.wheels, &[("tinypkg", "2.0", "ANSWER = 43\n", "")]);
        let project = self.world.home.path().join("scientist/project");
        let wheel = |name: &str| self.wheels.join(format!("{name}-py3-none-any.whl"));
        let package = |name: &str, version: &str, digest: &str, needs: &str| {
            let file = format!("{name}-{version}");
            let path = wheel(&file);
            format!(
                "[[package]]\nname = '{name}'\nversion = '{version}'\n{needs}\
                 source = {{ path = '{}' }}\n\
                 wheels = [{{ filename = '{file}-py3-none-any.whl', hash = '{digest}' }}]\n",
                path.display(),
            )
        };
        write(&project.join("main.py"), PRINT);
        write(
            &project.join("pyproject.toml"),
            &format!(
                "[project]\nname = 'p'\nversion = '0.1'\nrequires-python = '{python}'\n\
                 dependencies = ['tinypkg']\n"
            ),
        );
        let needs = "dependencies = [{ name = 'tinydep' }]\n";
        write(
            &project.join("uv.lock"),
            &format!(
                "version = 1\nrevision = 3\nrequires-python = '{python}'\n\
                 [[package]]\nname = 'p'\nversion = '0.1'\nsource = {{ virtual = '.' }}\n\
                 dependencies = [{{ name = 'tinypkg' }}]\n{}\
                 {}",
                package("tinypkg", "1.0", digest, needs),
                package("tinydep", "1.5", &self.sha256("tinydep-1.5"), ""),
            ),
        );
        self.world.submit_path("job", JobKind::Python, &project, &[], None);
        let report = self.world.run("job", &self.options).await;
        (report, self.log("job"))
    }
}

#[tokio::test]
async fn what_a_lock_pins_is_installed_with_the_digests_that_it_names() {
    let Some(shop) = Shop::with_uv().await else { return };
    let digest = shop.sha256("tinypkg-1.0");
    let (report, log) = shop.run_project(FITS, &digest).await;
    assert_eq!(report.status, JobStatus::Done, "{log}");
    assert!(log.ends_with("42\n") && report.notes.is_empty(), "{log} {:?}", report.notes);
    let installed = shop.installed("job");
    let names: Vec<_> = installed.iter().map(|one| (&*one.name, &*one.version)).collect();
    assert_eq!(names, [("tinydep", "1.5"), ("tinypkg", "1.0")]);
    assert_eq!(installed[1].sha256, [digest]);
}

#[tokio::test]
async fn an_archive_that_is_not_the_one_of_the_lock_is_not_installed() {
    let Some(shop) = Shop::with_uv().await else { return };
    let other = format!("sha256:{}", "0".repeat(64));
    let (report, log) = shop.run_project(FITS, &other).await;
    assert_eq!(report.status, JobStatus::Failed, "{log}");
    assert!(log.to_lowercase().contains("hash") && !log.ends_with("42\n"), "{log}");
    assert!(shop.folders().is_empty(), "{:?}", shop.folders());
}

/// A project decides neither which Python of this machine it gets, nor that one is fetched.
#[tokio::test]
async fn a_lock_for_another_python_ends_the_installation() {
    let Some(shop) = Shop::with_uv().await else { return };
    let digest = shop.sha256("tinypkg-1.0");
    let (report, log) = shop.run_project(">=3.99", &digest).await;
    assert_eq!(report.status, JobStatus::Failed, "{log}");
    assert!(log.contains(">=3.99") && log.contains("incompatible"), "{log}");
    assert!(!log.contains("ownload"), "{log}");
}

#[tokio::test]
async fn a_lock_that_nothing_can_follow_is_told_and_so_is_a_python_that_was_not_asked_for() {
    let Some(shop) = Shop::with_pip().await else { return };
    let digest = shop.sha256("tinypkg-1.0");
    let (report, log) = shop.run_project(">=3.8,!=3.*", &digest).await;
    assert!(log.ends_with("43\n"), "{log}");
    let told = |words: &str| report.notes.iter().any(|note| note.contains(words));
    assert!(told("its `uv.lock` was not followed"), "{:?}", report.notes);
    assert!(told("its project asks for Python >=3.8,!=3.*"), "{:?}", report.notes);
    assert!(shop.world.store.last_run(&id("job")).unwrap().environment.is_some());
}
