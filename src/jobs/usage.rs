//! What a confined job uses at this moment, and what is left of the machine.
//!
//! The processes are found in the room's own `/proc`, seen through that of its first process: all of
//! the job and nothing else, wherever they went. Read only. Sources: proc(5), "Rss" and "Pss".

use std::collections::BTreeSet;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::statvfs;
use rustix::param::{clock_ticks_per_second, page_size};

use super::limits::{Machine, Usage};

/// The processes of one job.
#[derive(Clone, Debug)]
pub(crate) struct Processes {
    /// As its own `/proc` shows them.
    folder: PathBuf,
    /// Its folders in memory, as we see them.
    scratch: Vec<PathBuf>,
}

/// What a name in a folder in memory takes at least, by the kernel's own reckoning.
const ENTRY_BYTES: u64 = 1024;

impl Processes {
    /// Finds those of the room whose first process is `first`. `None` while that still sees this
    /// machine's `/proc`, where it is not the first.
    pub(crate) fn of<'a>(first: u32, scratch: impl Iterator<Item = &'a Path>) -> Option<Self> {
        let root = PathBuf::from(format!("/proc/{first}/root"));
        let folder = root.join("proc");
        let namespace = |path: PathBuf| std::fs::read_link(path).ok();
        let own = namespace(format!("/proc/{first}/ns/pid").into())?;
        let below = |path: &Path| Some(root.join(path.strip_prefix("/").ok()?));
        let scratch = scratch.filter_map(below).collect();
        (namespace(folder.join("1/ns/pid"))? == own).then_some(Self { folder, scratch })
    }

    /// Returns what they use now, but for files. Where they seem to hold more than `memory_max`, they
    /// are asked what they share, which may take long.
    ///
    /// # Errors
    /// If they cannot be listed.
    pub(crate) fn usage(&self, memory_max: u64) -> io::Result<Usage> {
        let mut usage = Usage::default();
        let mut found = Vec::new();
        for folder in self.folders()? {
            let Ok(text) = std::fs::read_to_string(folder.join("stat")) else { continue };
            let Some(process) = Process::parse(&text) else { continue };
            usage.processes += process.threads;
            usage.memory_bytes += process.memory_bytes;
            usage.processor_time += process.processor_time;
            found.push((folder, process.memory_bytes));
        }
        let entries = self.scratch_entries() * ENTRY_BYTES;
        usage.memory_bytes += entries;
        if usage.memory_bytes > memory_max {
            let own = found.iter().map(|(folder, all)| own_part(folder).unwrap_or(*all));
            usage.memory_bytes = own.sum::<u64>() + entries;
        }
        Ok(usage)
    }

    /// Returns the bytes of files on the disk of `outputs` that they hold open and that have no name
    /// any more.
    ///
    /// # Errors
    /// If they cannot be listed.
    pub(crate) fn nameless(&self, outputs: &Path) -> io::Result<u64> {
        Ok(nameless(outputs, &self.folders()?))
    }

    fn folders(&self) -> io::Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&self.folder)? {
            let name = entry?.file_name();
            if name.as_encoded_bytes().iter().all(u8::is_ascii_digit) {
                found.push(self.folder.join(name));
            }
        }
        Ok(found)
    }

    /// How many names its folders in memory have: their size bounds content, not names.
    fn scratch_entries(&self) -> u64 {
        let used = |folder: &PathBuf| {
            statvfs(folder).map_or(0, |about| about.f_files.saturating_sub(about.f_ffree))
        };
        self.scratch.iter().map(used).sum()
    }
}

/// Returns what is left of this machine, and of the disk that `folder` lies on.
pub(crate) fn machine(folder: &Path) -> Option<Machine> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let kib = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix(" kB")?.parse::<u64>().ok()
    };
    let disk = statvfs(folder).ok()?;
    Some(Machine {
        memory_bytes: kib("MemTotal:")? * 1024,
        free_memory_bytes: kib("MemAvailable:")? * 1024,
        free_disk_bytes: disk.f_bavail.saturating_mul(disk.f_frsize),
    })
}

/// One line of `/proc/N/stat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) state: char,
    threads: u64,
    memory_bytes: u64,
    /// With that of its children that ended.
    processor_time: Duration,
}

impl Process {
    /// Reads it.
    pub(crate) fn parse(text: &str) -> Option<Self> {
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
        for first in [std::process::id(), u32::MAX] {
            assert!(Processes::of(first, std::iter::empty()).is_none());
        }
    }

    #[test]
    fn this_process_is_looked_at_as_a_job_would_be() {
        let home = tempfile::tempdir().unwrap();
        let processes = Processes { folder: "/proc".into(), scratch: Vec::new() };
        let usage = processes.usage(u64::MAX).unwrap();
        assert!(usage.processes > 0 && usage.memory_bytes > 1 << 20, "{usage:?}");
        let machine = machine(home.path()).unwrap();
        assert!(machine.memory_bytes > machine.free_memory_bytes && machine.free_disk_bytes > 0);
        assert!(own_part(Path::new("/proc/self")).unwrap() > 1 << 18);
        let nowhere = Processes { folder: home.path().join("none"), scratch: Vec::new() };
        nowhere.usage(u64::MAX).unwrap_err();
    }
}
