//! The system calls that a job is refused, and why.
//!
//! A table and nothing else; `filter` makes the kernel's program of it. It lists what to refuse, not
//! what to allow: job code is Python with its compiled packages, R, or anything that the owner
//! approved, and nobody knows all that those call. What keeps a job from the data are its namespaces
//! and that it has no capability; this table is for what those two do not cover. A row is here for
//! one of three reasons: the call reaches something that is not in a namespace (keys, other
//! machines' sockets, the kernel's log); it hides what is used up from our limits; or it is a part
//! of the kernel in which holes were found again and again, and that no computation needs. Calls that
//! are newer than this table do not exist for a job.
//!
//! Refusals are errors and never kill, so that a program takes its other way: EPERM as if rights
//! were missing, ENOSYS where libraries fall back only if the kernel seems to be older. Sources:
//! syscalls(2) and the kernel's tables of numbers, with which the test compares ours.

use Refusal::{Denied, Unknown};
use When::{Always, ArgumentHas, Ioctl, OtherPersonality, SocketKind, SocketOption, SocketPair};

/// A system call, by number on each processor; `None` where it does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) x86_64: Option<u32>,
    pub(crate) aarch64: Option<u32>,
    pub(crate) when: When,
    pub(crate) refusal: Refusal,
}

/// Which of its calls are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    Always,
    /// Those whose first argument has one of these bits.
    ArgumentHas(&'static [u32]),
    /// Those with one of these requests.
    Ioctl(&'static [u32]),
    /// Those that change the personality rather than ask for it.
    OtherPersonality,
    /// Those for a family other than [`FAMILIES`], a kind of [`KINDS`], or a protocol other than
    /// [`PROTOCOLS`]. Where the network is shared, also those of the family [`UNIX`].
    SocketKind,
    /// Those for a family other than [`UNIX`]. Where the network is shared, also those that can be
    /// given another address later, as datagrams can.
    SocketPair,
    /// Those that set one of these: (level, option).
    SocketOption(&'static [(u32, u32)]),
}

/// What the program is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It may not: EPERM.
    Denied,
    /// There is no such call: ENOSYS.
    Unknown,
}

/// Families of sockets that a job may open: Unix, IPv4, IPv6. The network that it finds is its own
/// and empty; many libraries talk to their own worker processes over 127.0.0.1.
pub(crate) const FAMILIES: [u32; 3] = [UNIX, 2, 10];

/// Unix sockets. One without a path belongs to a network rather than to a folder: where packages are
/// installed, which has the network of the machine, the owner's desktop can be reached so.
pub(crate) const UNIX: u32 = 1;

/// Kinds of sockets that are refused: raw and packet, which see packets of others, and those of
/// protocols that nobody uses (reliable datagrams, DCCP).
pub(crate) const KINDS: [u32; 4] = [3, 4, 6, 10];

/// A kind that can be given another address when it is connected.
pub(crate) const DATAGRAM: u32 = 2;

/// Protocols: the usual one of a kind, that of Unix sockets by its own name, TCP and UDP. Others
/// (SCTP, MPTCP, L2TP) load parts of the kernel in which holes were found.
pub(crate) const PROTOCOLS: [u32; 4] = [0, 1, 6, 17];

/// The last call that was known when this table was written, on both processors.
pub(crate) const NEWEST: u32 = 469;

/// What a personality may be: the usual one, and the number that only asks.
pub(crate) const PERSONALITIES: [u32; 2] = [0, 0xffff_ffff];

/// CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET.
const NAMESPACES: &[u32] =
    &[0x2_0000, 0x200_0000, 0x400_0000, 0x800_0000, 0x1000_0000, 0x2000_0000, 0x4000_0000];

/// TIOCSTI types into a terminal, TIOCLINUX pastes into one, TIOCSETD loads a driver for modems.
/// BTRFS_IOC_SNAP_CREATE, SUBVOL_CREATE and their second versions make folders that cannot be
/// emptied by who owns them.
const REQUESTS: &[u32] =
    &[0x5412, 0x541c, 0x5423, 0x5000_9401, 0x5000_940e, 0x5000_9417, 0x5000_9418];

/// SO_ATTACH_FILTER, SO_ATTACH_BPF, SO_ATTACH_REUSEPORT_CBPF and _EBPF: programs within the kernel;
/// TCP_ULP: other protocols within TCP.
const OPTIONS: &[(u32, u32)] = &[(1, 26), (1, 50), (1, 51), (1, 52), (6, 31)];

const fn row(name: &'static str, x86_64: u32, aarch64: u32, when: When, refusal: Refusal) -> Row {
    Row { name, x86_64: Some(x86_64), aarch64: Some(aarch64), when, refusal }
}

/// A call that only x86-64 knows.
const fn intel(name: &'static str, x86_64: u32) -> Row {
    Row { name, x86_64: Some(x86_64), aarch64: None, when: Always, refusal: Denied }
}

/// All of them, by reason.
#[rustfmt::skip]
pub(crate) const REFUSED: &[Row] = &[
    // Keys of the kernel are shared by all processes of a user, whatever room they are in.
    row("add_key",            248, 217, Always, Denied),
    row("request_key",        249, 218, Always, Denied),
    row("keyctl",             250, 219, Always, Denied),

    // Other processes: a job has nothing to look for in them.
    row("ptrace",             101, 117, Always, Denied),
    row("process_vm_readv",   310, 270, Always, Denied),
    row("process_vm_writev",  311, 271, Always, Denied),
    row("process_madvise",    440, 440, Always, Denied),
    row("pidfd_getfd",        438, 438, Always, Denied),
    row("kcmp",               312, 272, Always, Denied),

    // Sockets that lead out of an empty network: vsock to the host of a virtual machine, netlink and
    // packet to the kernel, and the many families that nobody uses and few people read.
    row("socket",              41, 198, SocketKind, Denied),
    row("socketpair",          53, 199, SocketPair, Denied), // makes both before it says that it cannot
    row("setsockopt",          54, 208, SocketOption(OPTIONS), Denied),

    // Mounts, and a root of its own.
    row("mount",              165,  40, Always, Denied),
    row("umount2",            166,  39, Always, Denied),
    row("pivot_root",         155,  41, Always, Denied),
    row("chroot",             161,  51, Always, Denied),
    row("open_tree",          428, 428, Always, Denied),
    row("move_mount",         429, 429, Always, Denied),
    row("fsopen",             430, 430, Always, Denied),
    row("fsconfig",           431, 431, Always, Denied),
    row("fsmount",            432, 432, Always, Denied),
    row("fspick",             433, 433, Always, Denied),
    row("mount_setattr",      442, 442, Always, Denied),
    row("statmount",          457, 457, Always, Denied),
    row("listmount",          458, 458, Always, Denied),
    row("open_tree_attr",     467, 467, Always, Denied),

    // Further namespaces, in which a process has all capabilities and with them most of the kernel.
    // The filter cannot see what clone3 is told; libraries then use clone.
    row("unshare",            272,  97, Always, Denied),
    row("setns",              308, 268, Always, Denied),
    row("clone",               56, 220, ArgumentHas(NAMESPACES), Denied),
    row("clone3",             435, 435, Always, Unknown),

    // Programs within the kernel, and measuring it.
    row("bpf",                321, 280, Always, Denied),
    row("perf_event_open",    298, 241, Always, Denied),
    row("userfaultfd",        323, 282, Always, Denied),
    row("io_uring_setup",     425, 425, Always, Unknown), // would go around this table
    row("io_uring_enter",     426, 426, Always, Unknown),
    row("io_uring_register",  427, 427, Always, Unknown),
    row("init_module",        175, 105, Always, Denied),
    row("finit_module",       313, 273, Always, Denied),
    row("delete_module",      176, 106, Always, Denied),
    row("kexec_load",         246, 104, Always, Denied),
    row("kexec_file_load",    320, 294, Always, Denied),

    // Memory that no process seems to hold, so that neither ours nor the kernel's limits for
    // processes see it. /dev/shm, which has a size, serves all who fall back.
    row("memfd_create",       319, 279, Always, Unknown),
    row("memfd_secret",       447, 447, Always, Unknown),
    row("shmget",              29, 194, Always, Unknown),
    row("msgget",              68, 186, Always, Unknown),
    row("semget",              64, 190, Always, Unknown),
    row("vmsplice",           278,  75, Always, Denied),

    // Files by number rather than by name, which leads around every mount; and watching all files.
    row("open_by_handle_at",  304, 265, Always, Denied),
    row("fanotify_init",      300, 262, Always, Denied),
    row("fanotify_mark",      301, 263, Always, Denied),

    // The machine as a whole.
    row("quotactl",           179,  60, Always, Denied),
    row("quotactl_fd",        443, 443, Always, Denied),
    row("swapon",             167, 224, Always, Denied),
    row("swapoff",            168, 225, Always, Denied),
    row("reboot",             169, 142, Always, Denied),
    row("acct",               163,  89, Always, Denied),
    row("syslog",             103, 116, Always, Denied),
    row("settimeofday",       164, 170, Always, Denied),
    row("clock_settime",      227, 112, Always, Denied),
    row("clock_adjtime",      305, 266, Always, Denied),
    row("adjtimex",           159, 171, Always, Denied),
    row("sethostname",        170, 161, Always, Denied),
    row("setdomainname",      171, 162, Always, Denied),
    row("vhangup",            153,  58, Always, Denied),
    row("move_pages",         279, 239, Always, Denied),
    row("migrate_pages",      256, 238, Always, Denied),
    row("ioctl",               16,  29, Ioctl(REQUESTS), Denied),

    // Compatibility with what is long gone, and switches that make exploits easier.
    row("personality",        135,  92, OtherPersonality, Denied),
    row("nfsservctl",         180,  42, Always, Denied),
    row("lookup_dcookie",     212,  18, Always, Denied),
    intel("modify_ldt",       154),
    intel("iopl",             172),
    intel("ioperm",           173),
    intel("_sysctl",          156),
    intel("uselib",           134),
    intel("ustat",            136),
    intel("sysfs",            139),
    intel("create_module",    174),
    intel("query_module",     178),
    intel("get_kernel_syms",  177),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_call_is_listed_once_under_each_number() {
        let count = |of: fn(&Row) -> Option<u32>| -> (usize, usize) {
            let all: Vec<_> = REFUSED.iter().filter_map(of).collect();
            (all.iter().collect::<BTreeSet<_>>().len(), all.len())
        };
        for of in [|row: &Row| row.x86_64, |row: &Row| row.aarch64] {
            let (distinct, all) = count(of);
            assert_eq!(distinct, all);
        }
        assert_eq!(
            REFUSED.iter().map(|row| row.name).collect::<BTreeSet<_>>().len(),
            REFUSED.len()
        );
    }

    /// Where the kernel's headers are installed, names and numbers are as there.
    #[test]
    fn the_numbers_are_those_of_the_kernel() {
        let headers = [
            ("/usr/include/x86_64-linux-gnu/asm/unistd_64.h", true),
            ("/usr/include/asm-generic/unistd.h", false),
        ];
        for (path, is_intel) in headers {
            let Ok(text) = std::fs::read_to_string(path) else { continue };
            let known: std::collections::BTreeMap<&str, u32> = text
                .lines()
                .filter_map(|line| line.strip_prefix("#define __NR"))
                .filter_map(|line| line.strip_prefix("3264").unwrap_or(line).strip_prefix('_'))
                .filter_map(|line| line.split_once([' ', '\t']))
                .filter_map(|(name, number)| Some((name, number.trim().parse().ok()?)))
                .collect();
            assert!(known.len() > 200, "{path}");
            let mut compared = 0;
            for row in REFUSED {
                let number = if is_intel { row.x86_64 } else { row.aarch64 };
                // Headers may be older than a call. What they know has to agree.
                if let Some(found) = known.get(row.name) {
                    assert_eq!(number, Some(*found), "{} in {path}", row.name);
                    compared += 1;
                }
            }
            assert!(compared > 50, "{path}: {compared}");
        }
    }
}
