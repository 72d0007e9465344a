//! A sync is killed between the use of a standing approval and the approval that follows from it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::chance::rounds;
use super::world::{Account, OWNER, World};

/// How long a sync may take to come to the jobs.
const PATIENCE: Duration = Duration::from_secs(30);

/// How many jobs arrive before each sync that is killed.
const JOBS: usize = 1;

/// How many files each has.
const FILES: usize = 200;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standing_approval_that_is_killed_while_it_is_used_lets_no_more_jobs_run() {
    let world = World::new().await;
    let (owner, scientist) = world.pair();
    // Many files, so that the approval takes a while to write.
    for number in 0..FILES {
        world.file(&format!("project/part-{number}.sh"), "echo counted\n");
    }
    let main = world.file("project/main.sh", "echo counted\n");
    let project = main.trim_end_matches("/main.sh");
    let submit = |name: &str| {
        let submit = ["job", "submit", project, "--to", OWNER, "--name", name, "--bash"];
        scientist.done(&[&submit[..], &["--entrypoint", "main.sh"]].concat());
    };
    submit("first");
    owner.done(&["sync"]);
    let rounds = usize::try_from(rounds(8)).unwrap();
    // As many as arrive, less one round: at the end it is used up, and jobs wait.
    let times = JOBS * (rounds - 1) + 1;
    let allow = ["job", "allow", "first", "--until", &tomorrow(), "--unread", "--times"];
    let made = owner.done(&[&allow[..], &[&times.to_string()]].concat());
    let record = record(&owner, made["standing"]["id"].as_str().unwrap());
    owner.done(&["sync"]);
    let mut arrived = vec!["first".to_owned()];
    for round in 0..rounds {
        for number in 0..JOBS {
            let name = format!("job-{round}-{number}");
            submit(&name);
            arrived.push(name);
        }
        let (before, length) = (uses(&record).len(), length(&record));
        if before < times {
            let sync = owner.start(&["sync"]);
            let start = Instant::now();
            // The use is on the disk, and what follows is not: kill it then.
            while self::length(&record) == length && start.elapsed() < PATIENCE {
                std::hint::spin_loop();
            }
            sync.kill(Duration::ZERO);
        }
        let used = uses(&record);
        let lost = used.iter().filter(|job| !is_approved(&owner, job)).count();
        assert!(lost <= 1, "{lost} of {used:?}");
        assert!(used.len() <= times, "{used:?}");
        for name in &arrived {
            let is_used = used.iter().any(|job| job.ends_with(&format!("/{name}")));
            assert!(is_used || !is_approved(&owner, &format!("x/{name}")), "`{name}` cost nothing");
        }
        owner.done(&["sync"]);
    }
    let used = uses(&record);
    assert_eq!(used.len(), times, "all are used");
    let approved = arrived.iter().filter(|name| is_approved(&owner, &format!("x/{name}"))).count();
    // A kill between a use and what follows from it wastes the use. The job takes another one, if one
    // is left.
    assert!(approved < used.len(), "no kill of {rounds} fell between a use and an approval");
    let different: BTreeSet<_> = used.iter().collect();
    assert!(approved <= different.len(), "{used:?}");
    assert!(arrived.len() > approved, "and jobs wait");
}

/// A use makes a record longer.
fn length(record: &Path) -> u64 {
    std::fs::metadata(record).unwrap().len()
}

/// The jobs that a standing approval was used for.
fn uses(record: &Path) -> Vec<String> {
    let text = std::fs::read(record).unwrap();
    let record: Value = serde_json::from_slice(&text).expect("it is whole at each moment");
    let uses = record["uses"].as_array().unwrap().iter();
    uses.map(|used| used["job"].as_str().unwrap().to_owned()).collect()
}

/// True if there is an approval of a job that nobody looked at. `job` ends with its name.
fn is_approved(owner: &Account, job: &str) -> bool {
    let name = job.rsplit('/').next().unwrap();
    let answer = owner.run(&["job", "show", name, "--no-code"]).json;
    let approval = &answer["job"]["approval"];
    approval["standing"].is_string() && approval["holds"] == true
}

fn record(owner: &Account, id: &str) -> PathBuf {
    let mut folders = vec![owner.home.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.ends_with(format!("{id}.json")) {
                return path;
            }
            if path.is_dir() {
                folders.push(path);
            }
        }
    }
    panic!("there is no record of {id}");
}

#[expect(clippy::disallowed_methods, reason = "the program has the clock of the machine")]
fn tomorrow() -> String {
    (chrono::Utc::now() + chrono::Days::new(1)).format("%Y-%m-%d").to_string()
}
