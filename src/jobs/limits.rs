//! What a job may use up, and whether what it uses is too much.
//!
//! Pure. The kernel keeps some limits for each process (`process`), sizes of folders in memory are
//! given to the sandbox, and what a whole job uses is looked at while it runs (`watch`) and judged
//! here: [`judge`]. A job that goes beyond is killed as a whole, and its owner is told why.

use std::fmt;
use std::time::Duration;

use super::outputs::OutputLimits;

/// What a job may use up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long it may run.
    pub time: Duration,
    /// How much processor time it may use, all its processes together; `None`: as much as there is
    /// while it runs.
    pub processor_time: Option<Duration>,
    /// How much it may print, on each of both streams.
    pub log_bytes: u64,
    /// How much memory it may hold, all its processes together. Nor may one alone allocate more.
    pub memory_bytes: u64,
    /// How many processes and threads it may have.
    pub processes: u64,
    /// How large a file it may write.
    pub file_bytes: u64,
    /// How much it may put into each temporary folder, which are in memory.
    pub scratch_bytes: u64,
    /// What it may leave behind.
    pub outputs: OutputLimits,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            time: Duration::from_secs(300), // as the Python client
            processor_time: None,
            log_bytes: 10 << 20,
            memory_bytes: 16 << 30,
            processes: 4096,
            file_bytes: 4 << 30,
            scratch_bytes: 1 << 30,
            outputs: OutputLimits::default(),
        }
    }
}

/// What a job uses at one moment, or did at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Memory that its processes hold, in bytes. What several share counts for each of them, unless
    /// that would be too much: then it counts once.
    pub memory_bytes: u64,
    /// Processes and threads.
    pub processes: u64,
    /// Processor time of all that it ran.
    pub processor_time: Duration,
    /// What it has put into `outputs/`, in bytes on the disk; files that have no name any more, too.
    pub output_bytes: u64,
    /// How many entries `outputs/` has.
    pub output_files: u64,
}

/// What is left of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Machine {
    pub(crate) memory_bytes: u64,
    pub(crate) free_memory_bytes: u64,
    pub(crate) free_disk_bytes: u64,
}

/// Why a job was ended before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exceeded {
    /// It held more memory than this many bytes.
    Memory(u64),
    /// It had more processes and threads than this.
    Processes(u64),
    /// It used more processor time.
    ProcessorTime(Duration),
    /// It left more bytes than this.
    OutputBytes(u64),
    /// It left more files than this.
    OutputFiles(u64),
    /// It made folders that cannot be looked into, where it may write.
    Hidden,
    /// What it used could not be looked at for a while.
    Unseen,
    /// This machine had hardly any memory left.
    MachineMemory,
    /// This machine's disk was nearly full.
    MachineDisk,
}

/// A job ends before the disk is full: others write there too, the owner's database among them.
const FREE_DISK_BYTES: u64 = 256 << 20;

/// Nor does it take the last of the memory, whoever took the rest: the system would then kill what
/// it likes. A part of all memory, and at most so many bytes.
const FREE_MEMORY_PART: u64 = 25;
const FREE_MEMORY_BYTES_MAX: u64 = 256 << 20;

impl OutputLimits {
    /// How many bytes may lie in `outputs/` while a job runs: twice of what may stay, since many
    /// write a file anew beside the old one.
    pub(crate) const fn bytes_at_once(&self) -> u64 {
        self.bytes.saturating_mul(2)
    }

    /// How many entries may lie there.
    pub(crate) const fn entries_at_once(&self) -> u64 {
        (self.files as u64).saturating_mul(2).saturating_add(1_000)
    }
}

impl Usage {
    /// The larger of both in each respect.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            memory_bytes: self.memory_bytes.max(other.memory_bytes),
            processes: self.processes.max(other.processes),
            processor_time: self.processor_time.max(other.processor_time),
            output_bytes: self.output_bytes.max(other.output_bytes),
            output_files: self.output_files.max(other.output_files),
        }
    }
}

/// Tells whether a job has to be ended, and why.
pub(crate) fn judge(limits: &Limits, usage: &Usage, machine: Option<&Machine>) -> Option<Exceeded> {
    let (bytes, entries) = (limits.outputs.bytes_at_once(), limits.outputs.entries_at_once());
    if usage.processes > limits.processes {
        return Some(Exceeded::Processes(limits.processes));
    }
    if usage.memory_bytes > limits.memory_bytes {
        return Some(Exceeded::Memory(limits.memory_bytes));
    }
    if let Some(most) = limits.processor_time.filter(|most| usage.processor_time > *most) {
        return Some(Exceeded::ProcessorTime(most));
    }
    if usage.output_bytes > bytes {
        return Some(Exceeded::OutputBytes(bytes));
    }
    if usage.output_files > entries {
        return Some(Exceeded::OutputFiles(entries));
    }
    let machine = machine?;
    let memory = (machine.memory_bytes / FREE_MEMORY_PART).min(FREE_MEMORY_BYTES_MAX);
    if machine.free_memory_bytes < memory {
        return Some(Exceeded::MachineMemory);
    }
    (machine.free_disk_bytes < FREE_DISK_BYTES).then_some(Exceeded::MachineDisk)
}

impl fmt::Display for Exceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |bytes: u64| bytes >> 20;
        match self {
            Self::Memory(bytes) => write!(f, "it held more than {} MiB of memory", mib(*bytes)),
            Self::Processes(most) => write!(f, "it had more than {most} processes and threads"),
            Self::ProcessorTime(most) => {
                write!(f, "it used more than {} s of processor time", most.as_secs())
            }
            Self::OutputBytes(bytes) => {
                write!(f, "it had more than {} MiB in the folder that it may write to", mib(*bytes))
            }
            Self::OutputFiles(most) => {
                write!(f, "it had more than {most} files in the folder that it may write to")
            }
            Self::Hidden => write!(f, "it made folders that are too deep or cannot be opened"),
            Self::Unseen => write!(f, "what it used could not be looked at"),
            Self::MachineMemory => write!(f, "this machine had hardly any memory left"),
            Self::MachineDisk => write!(f, "the disk of this machine was nearly full"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_ended_for_the_first_limit_that_it_breaks() {
        let limits = Limits {
            processor_time: Some(Duration::from_secs(10)),
            memory_bytes: 100 << 20,
            processes: 5,
            outputs: OutputLimits { files: 3, bytes: 1 << 20 },
            ..Limits::default()
        };
        let at_most = Usage {
            memory_bytes: 100 << 20,
            processes: 5,
            processor_time: Duration::from_secs(10),
            output_bytes: 2 << 20,
            output_files: 1_006,
        };
        let free = Machine {
            memory_bytes: 8 << 30,
            free_memory_bytes: 256 << 20,
            free_disk_bytes: 256 << 20,
        };
        let small = Machine { memory_bytes: 1 << 30, free_memory_bytes: 50 << 20, ..free };
        #[rustfmt::skip]
        let cases = [
            // what                    uses                                                          machine                                   verdict
            ("all that it may",        at_most,                                                      free,                                     None),
            ("nothing",                Usage::default(),                                             free,                                     None),
            ("a process too many",     Usage { processes: 6, ..at_most },                            free,                                     Some(Exceeded::Processes(5))),
            ("a byte too much",        Usage { memory_bytes: (100 << 20) + 1, ..at_most },           free,                                     Some(Exceeded::Memory(100 << 20))),
            ("too much time",          Usage { processor_time: Duration::from_secs(11), ..at_most }, free,                                     Some(Exceeded::ProcessorTime(Duration::from_secs(10)))),
            ("too many bytes",         Usage { output_bytes: (2 << 20) + 1, ..at_most },             free,                                     Some(Exceeded::OutputBytes(2 << 20))),
            ("too many files",         Usage { output_files: 1_007, ..at_most },                     free,                                     Some(Exceeded::OutputFiles(1_006))),
            ("the last memory",        at_most,                                                      Machine { free_memory_bytes: 255 << 20, ..free }, Some(Exceeded::MachineMemory)),
            ("a small machine",        at_most,                                                      small,                                    None),
            ("the last disk",          at_most,                                                      Machine { free_disk_bytes: 1 << 20, ..free },     Some(Exceeded::MachineDisk)),
        ];
        for (what, usage, machine, expected) in cases {
            assert_eq!(judge(&limits, &usage, Some(&machine)), expected, "{what}");
        }
        let unlimited = Limits { processor_time: None, ..limits };
        let usage = Usage { processor_time: Duration::from_secs(1 << 20), ..at_most };
        assert_eq!(judge(&unlimited, &usage, None), None, "a time that is not limited");
    }

    #[test]
    fn the_peak_of_two_looks_is_the_larger_of_each() {
        let early = Usage { memory_bytes: 5, processes: 1, ..Usage::default() };
        let late = Usage { memory_bytes: 3, processes: 2, ..Usage::default() };
        assert_eq!(early.or(late), Usage { memory_bytes: 5, processes: 2, ..Usage::default() });
    }
}
