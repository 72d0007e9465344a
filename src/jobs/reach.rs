//! What a job will be able to touch, in the words of a review.
//!
//! [`reach`] is a pure function of the [`Room`] that also makes the command line of the sandbox, so a
//! review cannot say less than what is so. [`planned`] is the room that a job would get if it ran
//! now; what the run adds to it is an interpreter and the job's packages, both read-only.

use std::path::PathBuf;

use super::layout::JobId;
use super::limits::Limits;
use super::readable::readable;
use super::sandbox::{Access, Room};
use super::store::{Job, JobStore};
use super::workspace::{Plan, planned_room};

/// One thing that a job is able to touch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// It may read what lies there, and sees it elsewhere.
    Reads {
        /// Where it lies.
        place: PathBuf,
        /// Where the job sees it.
        inside: PathBuf,
    },
    /// It may read and change what lies there.
    Writes {
        /// Where it lies.
        place: PathBuf,
        /// Where the job sees it.
        inside: PathBuf,
    },
    /// It may write into a folder in memory, which is gone when the job ends.
    Scratch {
        /// Where the job sees it.
        inside: PathBuf,
        /// How large it may become, in bytes.
        bytes: u64,
    },
    /// It may read the operating system's own folders.
    System(Vec<PathBuf>),
    /// It may use the network.
    Network,
}

/// Returns all that a process in `room` is able to touch.
pub fn reach(room: &Room) -> Vec<Reach> {
    let mut found: Vec<_> = room
        .binds
        .iter()
        .map(|bind| {
            let (place, inside) = (bind.source.clone(), bind.target.clone());
            match bind.access {
                Access::Read => Reach::Reads { place, inside },
                Access::Write => Reach::Writes { place, inside },
            }
        })
        .collect();
    let bytes = room.scratch_bytes;
    let scratch = room.scratch().map(|inside| Reach::Scratch { inside: inside.to_owned(), bytes });
    found.extend(scratch);
    found.push(Reach::System(room.system.paths.clone()));
    if room.network {
        found.push(Reach::Network);
    }
    found
}

/// Returns the room that a job would get if it ran now, but for its interpreter and packages.
pub fn planned(store: &JobStore, job: &Job, limits: &Limits) -> Room {
    let approved = store.approval(job).and_then(|approval| approval.datasets);
    let found = readable(store, &job.config, approved.as_deref()).datasets;
    let datasets: Vec<_> = found.into_iter().flat_map(|(_, folders)| folders).collect();
    let plan = Plan {
        owner: store.owner(),
        job: &job.id,
        datasets: &datasets,
        tools: Vec::new(),
        command: Vec::new(),
        directory: "",
        our_module: true,
        limits,
    };
    planned_room(store.private(), &plan)
}

impl Reach {
    /// A word for programs that says which kind this is.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Reads { .. } => "reads",
            Self::Writes { .. } => "writes",
            Self::Scratch { .. } => "scratch",
            Self::System(_) => "system",
            Self::Network => "network",
        }
    }

    /// True for what is only the job's own: its code, our module for it, what it leaves.
    pub fn is_own(&self, job: &JobId) -> bool {
        let own = job.inbox();
        match self {
            Self::Reads { inside, .. } | Self::Writes { inside, .. } => {
                inside.starts_with("/syft") || inside.to_string_lossy().contains(own.as_str())
            }
            Self::Scratch { .. } | Self::System(_) => true,
            Self::Network => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sandbox::{Bind, Confinement, SystemDirs};
    use super::*;

    fn room() -> Room {
        let bind = |source: &str, target: &str, access| Bind {
            source: source.into(),
            target: target.into(),
            access,
        };
        Room {
            system: SystemDirs { paths: vec!["/usr".into()], ..SystemDirs::default() },
            network: false,
            binds: vec![
                bind("/data/a", "/s/a", Access::Read),
                bind("/run/copy", "/s/job", Access::Write),
            ],
            home: "/home/job".into(),
            environment: Vec::new(),
            directory: "/s/job".into(),
            command: vec!["true".into()],
            scratch_bytes: 1024,
        }
    }

    #[test]
    fn all_that_a_room_shows_is_told() {
        let scratch = |inside: &str| Reach::Scratch { inside: inside.into(), bytes: 1024 };
        let expected = vec![
            Reach::Reads { place: "/data/a".into(), inside: "/s/a".into() },
            Reach::Writes { place: "/run/copy".into(), inside: "/s/job".into() },
            scratch("/tmp"),
            scratch("/dev/shm"),
            scratch("/home/job"),
            Reach::System(vec!["/usr".into()]),
        ];
        assert_eq!(reach(&room()), expected);
        let open = reach(&Room { network: true, ..room() });
        assert_eq!(open, [expected, vec![Reach::Network]].concat());
    }

    /// What the sandbox mounts is what a review lists, and nothing else.
    #[test]
    fn the_command_line_mounts_nothing_that_is_not_told() {
        let sandbox =
            Confinement::Bubblewrap { program: "/bwrap".into(), forbids_namespaces: true };
        let line = sandbox.command(&room());
        let words: Vec<_> = line.iter().map(|word| word.to_str().unwrap()).collect();
        let mut mounted: Vec<_> = words
            .windows(3)
            .filter(|words| ["--bind", "--ro-bind", "--ro-bind-try"].contains(&words[0]))
            .filter(|words| !words[1].starts_with("/proc/")) // of the kernel, and shown in any case
            .map(|words| PathBuf::from(words[1]))
            .collect();
        let mut told: Vec<PathBuf> = reach(&room())
            .into_iter()
            .flat_map(|one| match one {
                Reach::Reads { place, .. } | Reach::Writes { place, .. } => vec![place],
                Reach::System(paths) => paths,
                Reach::Scratch { .. } | Reach::Network => Vec::new(),
            })
            .collect();
        mounted.sort();
        told.sort();
        assert_eq!(mounted, told);
    }
}
