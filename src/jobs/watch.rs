//! Looks at what a confined job uses while it runs.
//!
//! What a process may hold is kept by the kernel, what all of them hold together is not where there
//! are no control groups; nor does the kernel's limit on processes bind jobs that root runs, nor is
//! there one on files. So this looks [`PERIOD`] by [`PERIOD`], and `limits::judge` decides. Between two looks a
//! job can go beyond by what it manages in that time. Memory that a job hides from its own processes
//! (a shared mapping that is written and then given back, descriptors under way in a socket) is not
//! seen as its own; it ends when the machine has hardly any left.
//!
//! The processes are found in the room's own `/proc`, seen through that of its first process: all of
//! the job and nothing else, wherever they went. Read only. Sources: proc(5), "Rss" and "Pss".

use std::collections::BTreeSet;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use rustix::fs::statvfs;
use rustix::param::{clock_ticks_per_second, page_size};

use super::launch::About;
use super::limits::{Exceeded, Limits, Machine, Usage, judge};

/// How long nobody looks.
const PERIOD: Duration = Duration::from_millis(100);

/// Open files without a name are looked for at each of so many looks: it takes long.
const SELDOM: u32 = 10;

/// A look at one job.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    /// Its processes, as its own `/proc` shows them.
    processes: PathBuf,
    /// Where it leaves what it leaves.
    outputs: Option<PathBuf>,
}

/// Watches until a limit is broken, and says which. `peak` becomes what was used at most. Without a
/// room to look into it never returns.
pub(crate) async fn watch(
    about: Option<&About>,
    outputs: Option<&Path>,
    limits: &Limits,
    peak: &Mutex<Usage>,
) -> Exceeded {
    let Some(about) = about else { return std::future::pending().await };
    let mut rounds = 0_u32;
    loop {
        tokio::time::sleep(PERIOD).await;
        let Some(first) = about.first_process() else { continue };
        let Some(processes) = processes_of(first) else { continue };
        let look = Watch { processes, outputs: outputs.map(Path::to_owned) };
        let memory_max = limits.memory_bytes;
        let thorough = rounds.is_multiple_of(SELDOM);
        rounds = rounds.wrapping_add(1);
        let looked =
            tokio::task::spawn_blocking(move || (look.usage(memory_max, thorough), look.machine()));
        let Ok((Ok(usage), machine)) = looked.await else { continue };
        if let Ok(mut peak) = peak.lock() {
            *peak = peak.or(usage);
        }
        if let Some(exceeded) = judge(limits, &usage, machine.as_ref()) {
            return exceeded;
        }
    }
}

/// Waits until nothing of a room is left: its first process is the last to go.
pub(crate) async fn emptied(about: Option<&About>) {
    let Some(first) = about.and_then(About::first_process) else { return };
    let status = PathBuf::from(format!("/proc/{first}/stat"));
    for _ in 0..1_000 {
        match std::fs::read_to_string(&status).ok().as_deref().and_then(Process::parse) {
            // Where nobody fetches the dead, they stay listed.
            None | Some(Process { state: 'Z' | 'X', .. }) => return,
            Some(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
}

/// Returns the room's own `/proc`. `None` while its first process still sees this machine's, where it
/// is not the first.
fn processes_of(first: u32) -> Option<PathBuf> {
    let processes = PathBuf::from(format!("/proc/{first}/root")).join("proc");
    let namespace = |path: PathBuf| std::fs::read_link(path).ok();
    let own = namespace(format!("/proc/{first}/ns/pid").into())?;
    (namespace(processes.join("1/ns/pid"))? == own).then_some(processes)
}

impl Watch {
    /// Returns what the job uses now. Where its processes seem to hold more than `memory_max`, they
    /// are asked what they share.
    fn usage(&self, memory_max: u64, thorough: bool) -> io::Result<Usage> {
        let mut usage = Usage::default();
        let mut ids = Vec::new();
        for entry in std::fs::read_dir(&self.processes)? {
            let Ok(name) = entry?.file_name().into_string() else { continue };
            if !name.bytes().all(|byte| byte.is_ascii_digit()) {
                continue;
            }
            let folder = self.processes.join(&name);
            let Ok(text) = std::fs::read_to_string(folder.join("stat")) else { continue };
            let Some(process) = Process::parse(&text) else { continue };
            usage.processes += process.threads;
            usage.memory_bytes += process.memory_bytes;
            usage.processor_time += process.processor_time;
            ids.push(folder);
        }
        if usage.memory_bytes > memory_max {
            usage.memory_bytes = ids.iter().filter_map(|folder| own_part(folder)).sum();
        }
        if let Some(outputs) = &self.outputs {
            (usage.output_files, usage.output_bytes) = size(outputs);
            if thorough {
                usage.output_bytes += nameless(outputs, &ids);
            }
        }
        Ok(usage)
    }

    fn machine(&self) -> Option<Machine> {
        let text = std::fs::read_to_string("/proc/meminfo").ok()?;
        let kib = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim().strip_suffix(" kB")?.parse::<u64>().ok()
        };
        let disk = statvfs(self.outputs.as_deref()?).ok()?;
        Some(Machine {
            memory_bytes: kib("MemTotal:")? * 1024,
            free_memory_bytes: kib("MemAvailable:")? * 1024,
            free_disk_bytes: disk.f_bavail.saturating_mul(disk.f_frsize),
        })
    }
}

/// One line of `/proc/N/stat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Process {
    state: char,
    threads: u64,
    memory_bytes: u64,
    /// With that of its children that ended.
    processor_time: Duration,
}

impl Process {
    fn parse(text: &str) -> Option<Self> {
        // A process chooses its own name, which may hold anything: what counts is behind it.
        let fields: Vec<&str> = text.get(text.rfind(')')? + 1..)?.split_whitespace().collect();
        let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
        let ticks: u64 = [14, 15, 16, 17].into_iter().filter_map(number).sum();
        Some(Self {
            state: fields.first()?.chars().next()?,
            threads: number(20)?,
            memory_bytes: number(24)?.saturating_mul(page_size() as u64),
            processor_time: Duration::from_millis(ticks * 1000 / clock_ticks_per_second().max(1)),
        })
    }
}

/// What a process holds, where what several share is divided among them.
fn own_part(process: &Path) -> Option<u64> {
    let text = std::fs::read_to_string(process.join("smaps_rollup")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}

/// Entries and bytes below a folder, on the disk. Links are not followed; where more than a million
/// entries are, the count ends.
fn size(folder: &Path) -> (u64, u64) {
    let (mut entries, mut bytes) = (0, 0);
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            entries += 1;
            let Ok(about) = entry.metadata() else { continue };
            bytes += about.blocks() * 512;
            if about.is_dir() {
                folders.push(entry.path());
            }
            if entries > 1_000_000 {
                return (entries, bytes);
            }
        }
    }
    (entries, bytes)
}

/// Bytes of files on the disk of `outputs` that processes hold open and that have no name any more.
fn nameless(outputs: &Path, processes: &[PathBuf]) -> u64 {
    let Ok(disk) = outputs.metadata().map(|about| about.dev()) else { return 0 };
    let mut seen = BTreeSet::new();
    let open = processes.iter().flat_map(|process| std::fs::read_dir(process.join("fd")));
    open.flatten()
        .flatten()
        .filter_map(|entry| std::fs::metadata(entry.path()).ok())
        .filter(|about| about.is_file() && about.nlink() == 0 && about.dev() == disk)
        .filter(|about| seen.insert(about.ino()))
        .map(|about| about.blocks() * 512)
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_cannot_lie_by_its_name() {
        let honest = "7 (x) S 1 7 7 0 -1 0 0 0 0 0 100 50 25 25 20 0 3 0 9 4096 10 0\n";
        let found = Process::parse(honest).unwrap();
        assert_eq!((found.state, found.threads), ('S', 3));
        assert_eq!(found.memory_bytes, 10 * page_size() as u64);
        assert_eq!(found.processor_time.as_millis() as u64, 200_000 / clock_ticks_per_second());
        let liar = honest.replace("(x)", "(a) S 1 1 1 1 (b\n) R 0)");
        assert_eq!(Process::parse(&liar), Some(found));
        for text in ["", "7 (x", "7 (x) S 1", "7 (x) S 1 7 7 0 -1 0 0 0 0 0 1 5 2 2 20 0 y 0 9 4 1"]
        {
            assert_eq!(Process::parse(text), None, "{text}");
        }
    }

    #[test]
    fn what_lies_in_a_folder_is_counted_and_links_are_not_followed() {
        let home = tempfile::tempdir().unwrap();
        let outputs = home.path().join("outputs");
        std::fs::create_dir_all(outputs.join("a/b")).unwrap();
        std::fs::write(outputs.join("a/b/file"), vec![1; 1 << 20]).unwrap();
        std::os::unix::fs::symlink("/usr", outputs.join("link")).unwrap();
        let (entries, bytes) = size(&outputs);
        assert_eq!(entries, 4);
        assert!((1 << 20..2 << 20).contains(&bytes), "{bytes}");
        assert_eq!(size(&home.path().join("nothing")), (0, 0));
    }

    #[test]
    fn a_file_without_a_name_is_counted_while_it_is_open() {
        let home = tempfile::tempdir().unwrap();
        let mut file = tempfile::tempfile_in(home.path()).unwrap();
        io::Write::write_all(&mut file, &vec![1; 1 << 20]).unwrap();
        let own = [PathBuf::from("/proc/self"), PathBuf::from("/proc/self")];
        let bytes = nameless(home.path(), &own);
        assert!((1 << 20..64 << 20).contains(&bytes), "{bytes}");
    }

    #[test]
    fn a_process_that_is_not_the_first_of_its_room_is_not_looked_into() {
        assert_eq!(processes_of(std::process::id()), None);
        assert_eq!(processes_of(u32::MAX), None);
    }

    #[test]
    fn this_process_is_looked_at_as_a_job_would_be() {
        let home = tempfile::tempdir().unwrap();
        let watch = Watch { processes: "/proc".into(), outputs: Some(home.path().to_owned()) };
        let usage = watch.usage(u64::MAX, true).unwrap();
        assert!(usage.processes > 0 && usage.memory_bytes > 1 << 20, "{usage:?}");
        let machine = watch.machine().unwrap();
        assert!(machine.memory_bytes > machine.free_memory_bytes && machine.free_disk_bytes > 0);
        assert!(own_part(Path::new("/proc/self")).unwrap() > 1 << 18);
    }
}
