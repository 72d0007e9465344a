//! Names of environments, locks, and what is removed.

use super::*;
use crate::jobs::resolved::of_requirements;

fn set(text: &str) -> Vec<Pinned> {
    of_requirements(text).unwrap()
}

#[test]
fn a_request_is_named_by_all_that_was_asked_for() {
    let [a, b] = [["numpy".to_owned()], ["numpy==2".to_owned()]];
    let bare = |packages| Wanted { packages, locked: None };
    let locked = |lock: &[u8]| Wanted {
        packages: &a,
        locked: Some(Locked { project: b"p".into(), lock: lock.into(), besides: Vec::new() }),
    };
    let names = [
        request(&bare(&a), true),
        request(&bare(&a), false),
        request(&bare(&b), true),
        request(&bare(&[]), true),
        request(&locked(b"1"), true),
        request(&locked(b"2"), true),
    ];
    let distinct: std::collections::BTreeSet<_> = names.iter().collect();
    assert_eq!(distinct.len(), names.len());
    assert_eq!(request(&bare(&a), true), names[0]);
}

/// Whoever gets a package of the same name and version from elsewhere gets another environment.
#[test]
fn an_environment_is_named_by_the_digests_of_what_it_holds() {
    let [a, b] = ["a", "b"].map(|digit| format!("x==1 --hash=sha256:{}\n", digit.repeat(64)));
    let lock = Locked { project: b"p".into(), lock: b"l".into(), besides: Vec::new() };
    let names = [
        key("/usr/bin/python3.12", true, None, &set(&a)),
        key("/usr/bin/python3.12", true, None, &set(&b)),
        key("/usr/bin/python3.12", true, None, &set("x==1\n")),
        key("/usr/bin/python3.12", true, None, &set("x==2\n")),
        key("/usr/bin/python3.13", true, None, &set(&a)),
        key("/usr/bin/python3.12", false, None, &set(&a)),
        key("/usr/bin/python3.12", true, Some(&lock), &set(&a)),
    ];
    let distinct: std::collections::BTreeSet<_> = names.iter().collect();
    assert_eq!(distinct.len(), names.len());
}

fn kept(cache: &EnvironmentCache, name: &str, used: i64) -> PathBuf {
    let folder = cache.folder.join(name);
    std::fs::create_dir_all(folder.join("venv/bin")).unwrap();
    std::fs::write(folder.join("venv/bin/python"), "x").unwrap();
    let installed = Installed {
        environment: name.to_owned(),
        python: "3.12.1".to_owned(),
        packages: Vec::new(),
    };
    let record = Record { python: None, prefix: None, made: 1, installed };
    std::fs::write(folder.join(RECORD), serde_json::to_vec(&record).unwrap()).unwrap();
    let lock = Lock::alone(&cache.lock_of(name)).unwrap().unwrap();
    lock.note(UNIX_EPOCH + Duration::from_secs(u64::try_from(used).unwrap()));
    folder
}

#[test]
fn only_what_no_job_uses_or_has_used_lately_is_removed() {
    const DAY: i64 = 86_400;
    let home = tempfile::tempdir().unwrap();
    let cache = EnvironmentCache::new(home.path());
    assert!(cache.list().unwrap().is_empty());
    let [old, new, used, broken] =
        ["0", "1", "2", "3"].map(|digit| kept(&cache, &digit.repeat(32), 100 * DAY));
    kept(&cache, &"0".repeat(32), 10 * DAY);
    std::fs::write(broken.join(RECORD), "{").unwrap();
    std::fs::create_dir_all(cache.folder.join(".partial-x")).unwrap();
    protect(&old).unwrap();
    kept(&cache, &"2".repeat(32), 10 * DAY);
    let in_use = Lock::together(&cache.lock_of(&"2".repeat(32))).unwrap().unwrap();
    let now = Timestamp::from_micros(101 * DAY * 1_000_000);
    let listed = cache.list().unwrap();
    assert_eq!(listed.len(), 4);
    assert!(
        listed.iter().all(|kept| kept.bytes > 0 && kept.in_use == (kept.name == "2".repeat(32)))
    );
    let removed = cache.prune(Duration::from_secs(30 * 86_400), now).unwrap();
    let names: Vec<_> = removed.iter().map(|kept| kept.name.as_str()).collect();
    assert_eq!(names, ["3".repeat(32), "0".repeat(32)]);
    assert!(!old.exists() && new.exists() && used.exists() && !broken.exists());
    assert!(cache.folder.join(".partial-x").exists(), "somebody may be making it");
    drop(in_use);
    assert_eq!(cache.prune(Duration::ZERO, now).unwrap().len(), 2);
    assert!(cache.list().unwrap().is_empty());
}

#[test]
fn what_is_installed_is_read_without_following_links() {
    let home = tempfile::tempdir().unwrap();
    let packages = home.path().join("venv/lib/python3.12/site-packages");
    for name in ["numpy-2.0.0.dist-info", "Tiny_Dep-1.5.dist-info", "odd.dist-info", "x"] {
        std::fs::create_dir_all(packages.join(name)).unwrap();
    }
    std::fs::write(home.path().join("venv/pyvenv.cfg"), "home = /x\nversion_info = 3.12.4\n")
        .unwrap();
    let outside = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(outside.path().join("site-packages/secret-1.dist-info")).unwrap();
    std::os::unix::fs::symlink(outside.path(), home.path().join("venv/lib/python3.13")).unwrap();
    let hash = format!("sha256:{}", "a".repeat(64));
    let found = look(home.path(), "k", &set(&format!("tiny-dep==1.5 --hash={hash}\n"))).unwrap();
    assert_eq!(found.python, "3.12.4");
    let all: Vec<_> =
        found.packages.iter().map(|p| (p.name.as_str(), p.version.as_str())).collect();
    assert_eq!(all, [("numpy", "2.0.0"), ("tiny-dep", "1.5")]);
    assert_eq!(found.packages[1].sha256, [hash]);
}
