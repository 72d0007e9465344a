//! What a sync costs on its own machine: how much it reads and writes there. The system counts
//! that for each thread, so nothing else that runs is in the figures, and no clock is looked at.

use syft::permissions::Level;

use super::world::{Party, World};

/// What this thread has read and written so far, from files of any kind.
#[derive(Clone, Copy, Debug)]
struct Traffic {
    bytes: u64,
    calls: u64,
}

fn so_far() -> Option<Traffic> {
    let text = std::fs::read_to_string("/proc/thread-self/io").ok()?;
    let value = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key));
        line?.trim().parse::<u64>().ok()
    };
    Some(Traffic {
        bytes: value("rchar:")? + value("wchar:")?,
        calls: value("syscr:")? + value("syscw:")?,
    })
}

/// What one sync reads and writes; `None` where that is not counted.
#[expect(clippy::print_stderr, reason = "a test that is left out has to say so")]
async fn traffic_of(party: &Party<'_>) -> Option<Traffic> {
    let Some(before) = so_far() else {
        eprintln!("!!! NOT TESTED: this system does not count what a thread reads and writes !!!");
        return None;
    };
    party.sync().await;
    let after = so_far()?;
    Some(Traffic { bytes: after.bytes - before.bytes, calls: after.calls - before.calls })
}

/// Has this thread read all files itself: what others read for it is not counted.
fn alone() {
    #[cfg(target_os = "linux")]
    {
        use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
        let all = sched_getaffinity(None).unwrap();
        let mut one = CpuSet::new();
        one.set((0..CpuSet::MAX_CPU).find(|cpu| all.is_set(*cpu)).unwrap());
        sched_setaffinity(None, &one).unwrap();
    }
}

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

/// In seconds: from the clock of these tests to well behind that of the disk.
const YEARS: i64 = 20 * 365 * 86_400;

#[tokio::test]
async fn w32_p3_a_file_at_rest_is_not_read_again_and_a_tool_folder_never() {
    alone();
    let world = World::new();
    let owner = world.owner("do@example.org");
    // A file that changed just now is looked at once more: these changed long before.
    world.wind(YEARS);
    owner.sync().await;
    for number in 0..64 {
        owner.put(&format!("{number}.txt"), &"x".repeat(64 * 1024));
    }
    let Some(first) = traffic_of(&owner).await else { return };
    assert!(first.bytes > 4 * MIB, "{first:?}: reading is counted");
    owner.sync().await;
    let job = "app_data/job/inbox/ds@example.org/j/.venv/lib";
    for number in 0..64 {
        owner.put(&format!("{job}/{number}.py"), &"x".repeat(64 * 1024));
    }
    let idle = traffic_of(&owner).await.unwrap();
    assert!(idle.bytes < 256 * KIB, "{idle:?}: none of 8 MiB of files is read");
}

#[tokio::test]
async fn w32_p2_the_work_grows_as_the_number_of_files_does() {
    alone();
    let mut figures = Vec::new();
    for files in [100, 200, 400] {
        let world = World::new();
        world.wind(YEARS);
        let owner = world.owner("do@example.org");
        for number in 0..files {
            owner.put(&format!("{}/{number}.txt", number % 7), &number.to_string());
        }
        owner.sync().await;
        let syncer = syft::syncers::DatasiteOwnerSyncer::new(owner.account());
        syncer.create_checkpoint(world.now()).await.unwrap();
        let joining = world.owner("do@example.org");
        let Some(join) = traffic_of(&joining).await else { return };
        assert_eq!(joining.tree(&owner.email).len(), files);
        joining.sync().await;
        figures.push((join, traffic_of(&joining).await.unwrap()));
    }
    for pair in figures.windows(2) {
        let [(join, idle), (join_twice, idle_twice)] = [pair[0], pair[1]];
        let grows = |once: u64, twice: u64| twice * 10 / once.max(1);
        // Twice the files: twice the work, and a quarter for chance. Squared, it would be four times.
        assert!(grows(join.bytes, join_twice.bytes) <= 25, "{figures:?}");
        assert!(grows(join.calls, join_twice.calls) <= 25, "{figures:?}");
        assert!(grows(idle.bytes, idle_twice.bytes) <= 25, "{figures:?}");
        assert!(grows(idle.calls, idle_twice.calls) <= 25, "{figures:?}");
    }
}

/// Nor is the database written: a disk that sleeps may go on sleeping.
#[tokio::test]
async fn an_idle_sync_changes_nothing_on_the_disk() {
    let world = World::new();
    let (owner, scientist) = world.pair().await;
    owner.grant("r/", &scientist.email, Level::Read);
    owner.put("r/a", "x");
    for _ in 0..3 {
        owner.sync().await;
        scientist.sync().await;
    }
    for party in [&owner, &scientist] {
        let changes = || party.account().store.read(syft::caches::changes).unwrap();
        let before = changes();
        assert!(party.sync().await.is_idle());
        assert_eq!(changes(), before, "{}", party.email);
    }
    // What a person changes is seen all the same.
    owner.put("r/b", "x");
    owner.grant("s/", &scientist.email, Level::Read);
    owner.put("s/c", "x");
    owner.sync().await;
    scientist.sync().await;
    assert_eq!(scientist.read(&owner.email, "r/b").as_deref(), Some("x"));
    assert_eq!(scientist.read(&owner.email, "s/c").as_deref(), Some("x"));
    owner.revoke("s/", &scientist.email);
    owner.sync().await;
    scientist.sync().await;
    assert_eq!(scientist.read(&owner.email, "s/c"), None);
}
