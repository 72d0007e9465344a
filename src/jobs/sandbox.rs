//! How a job is confined: the command line of `bubblewrap`.
//!
//! [`Confinement::command`] is a pure function of the [`Room`], so what a review says a job will
//! be able to touch (`reach`) and what it can touch come from one value. Invariants of a confined
//! process: nothing of this machine is visible but what the room names and the operating system's
//! own read-only folders; nothing is writable that has no size; no environment, terminal, capability
//! or process of ours; no network unless the room says so; none of the system calls of `syscalls`;
//! it dies with us, once it runs (`handshake` sees to the time before). Options: bubblewrap's manual,
//! bwrap(1).
//!
//! Known to a job all the same, because `/proc` says it and programs need that: where on its disk
//! what is mounted lies (`/proc/self/mountinfo`), the processor, the kernel, how busy the machine is.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::filter::Processor;
use super::launch::launch;

/// What stands between a job and this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Confinement {
    /// `bubblewrap` does.
    Bubblewrap {
        /// The program.
        program: PathBuf,
        /// Whether it can forbid further user namespaces, which shrinks what a job can attack.
        /// Needs bubblewrap 0.8.
        forbids_namespaces: bool,
    },
    /// Nothing does. Only for callers that were told so in so many words.
    None,
}

/// What a process may do with a mounted path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Read it.
    Read,
    /// Read and change it.
    Write,
}

/// A path of this machine and where a process sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bind {
    /// Where it is.
    pub source: PathBuf,
    /// Where it appears.
    pub target: PathBuf,
    /// What may be done with it.
    pub access: Access,
}

/// All that a process sees and is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    /// The operating system's own folders.
    pub system: SystemDirs,
    /// Whether it reaches the network.
    pub network: bool,
    /// What it sees besides.
    pub binds: Vec<Bind>,
    /// An empty folder of its own, in memory, that it finds in `HOME`.
    pub home: PathBuf,
    /// Its whole environment.
    pub environment: Vec<(OsString, OsString)>,
    /// Where it starts.
    pub directory: PathBuf,
    /// What is executed.
    pub command: Vec<OsString>,
    /// How large its temporary folders may each become, in bytes.
    pub scratch_bytes: u64,
}

impl Room {
    /// The folders in memory that it may write to.
    pub fn scratch(&self) -> impl Iterator<Item = &Path> {
        [Path::new("/tmp"), Path::new("/dev/shm"), &self.home].into_iter()
    }
}

/// The operating system's own folders, which every process needs in order to start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SystemDirs {
    /// Links such as `/bin` → `usr/bin`: (target, path).
    pub links: Vec<(PathBuf, PathBuf)>,
    /// Folders and files, visible as they are, read-only.
    pub paths: Vec<PathBuf>,
    /// Files of the kernel that appear empty.
    pub empty_files: Vec<PathBuf>,
    /// Folders of the kernel that appear empty.
    pub empty_folders: Vec<PathBuf>,
}

/// Why a job cannot be confined.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// The program is not there.
    #[error("`bwrap` was not found, and jobs do not run without a sandbox")]
    Missing,
    /// The program is there and cannot confine, for instance where user namespaces are off.
    #[error("`{program}` cannot confine a job here: {reason}")]
    Unable {
        /// The program.
        program: String,
        /// What it said.
        reason: String,
    },
}

impl SandboxError {
    /// Returns what a person can do about it.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Missing => {
                "install bubblewrap (Debian, Ubuntu: apt install bubblewrap; Fedora: dnf install bubblewrap; Arch: pacman -S bubblewrap)"
            }
            Self::Unable { .. } => {
                "allow unprivileged user namespaces (sysctl kernel.unprivileged_userns_clone=1; on Ubuntu also kernel.apparmor_restrict_unprivileged_userns=0)"
            }
        }
    }
}

/// Where programs are looked for inside.
pub(crate) const PATH: &str = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin";

/// What of `/etc` a process gets: the linker, names of commands, certificates, the time zone, R. Not
/// `/etc/ssl` as a whole, since private keys lie there.
const ETC: [&str; 10] = [
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/alternatives",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/etc/pki/tls/certs",
    "/etc/pki/ca-trust/extracted",
    "/etc/localtime",
    "/etc/R",
];

/// What of `/proc` sets the kernel. A process whose user is root outside may write to these files
/// whatever its capabilities are, for instance name a program that the kernel then starts outside.
/// bubblewrap covers them only where their folders can be written to, which is nowhere.
const PROC_SETTINGS: [&str; 2] = ["/proc/sys", "/proc/sysrq-trigger"];

/// What of `/proc` is about the machine and readable for all. Files that are not, or that can be
/// written to, are found by looking.
const PROC_FILES: [&str; 5] =
    ["/proc/cmdline", "/proc/keys", "/proc/key-users", "/proc/latency_stats", "/proc/sched_debug"];

/// The same, folders. Two of them set the kernel, too.
const PROC_FOLDERS: [&str; 7] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/bus",
    "/proc/driver",
    "/proc/fs",
    "/proc/irq",
    "/proc/scsi",
];

/// What it needs besides in order to use the network.
const ETC_NETWORK: [&str; 6] = [
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/nsswitch.conf",
    "/etc/gai.conf",
    "/etc/pip.conf",
    "/etc/uv/uv.toml",
];

impl Confinement {
    /// Finds the sandbox in the folders of `path` (the form of `PATH`), and tries it.
    ///
    /// # Errors
    /// [`SandboxError::Missing`] if it is not there, [`SandboxError::Unable`] if it cannot confine.
    pub async fn find(path: &str) -> Result<Self, SandboxError> {
        let program = std::env::split_paths(path)
            .filter(|folder| folder.is_absolute())
            .map(|folder| folder.join("bwrap"))
            .find(|program| program.is_file())
            .ok_or(SandboxError::Missing)?;
        let mut reason = String::new();
        for forbids_namespaces in [true, false] {
            let found = Self::Bubblewrap { program: program.clone(), forbids_namespaces };
            match found.attempt().await {
                Ok(()) => return Ok(found),
                Err(said) => reason = said,
            }
        }
        Err(SandboxError::Unable { program: program.display().to_string(), reason })
    }

    /// True if something stands between a job and this machine.
    pub const fn confines(&self) -> bool {
        matches!(self, Self::Bubblewrap { .. })
    }

    /// Says in words what holds on this machine, and who sees to it.
    pub const fn strength(&self) -> &'static str {
        match self {
            Self::None => "nothing is confined",
            Self::Bubblewrap { forbids_namespaces: true, .. } => {
                "bubblewrap, without rights, network and further namespaces; system calls are filtered; \
                 what a whole job uses is looked at ten times a second"
            }
            Self::Bubblewrap { forbids_namespaces: false, .. } => {
                "bubblewrap (older than 0.8), without rights and network; system calls are filtered, \
                 those for further namespaces among them; what a whole job uses is looked at ten times \
                 a second"
            }
        }
    }

    /// Returns the command line that executes `room`, but for the filter of system calls, which is
    /// no text; with [`Confinement::None`] that is the room's command, and its other wishes are the
    /// caller's to fulfil.
    pub fn command(&self, room: &Room) -> Vec<OsString> {
        match self {
            Self::None => room.command.clone(),
            Self::Bubblewrap { program, forbids_namespaces } => {
                let mut line = vec![program.clone().into_os_string()];
                line.extend(options(room, *forbids_namespaces));
                line.push("--".into());
                line.extend(room.command.iter().cloned());
                line
            }
        }
    }

    async fn attempt(&self) -> Result<(), String> {
        if Processor::own().is_none() {
            return Err("there is no table of system calls for this processor".to_owned());
        }
        let room = Room {
            system: SystemDirs::look(false),
            network: false,
            binds: Vec::new(),
            home: "/home/job".into(),
            environment: Vec::new(),
            directory: "/".into(),
            command: ["/bin/sh", "-c", RIGHTS].map(OsString::from).into(),
            scratch_bytes: 1 << 20,
        };
        let mut launched = launch(self, &room).map_err(|error| error.to_string())?;
        let output = launched.command.kill_on_drop(true).output();
        let output = output.await.map_err(|error| error.to_string())?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(said.lines().next().unwrap_or("it said nothing").to_owned());
        }
        let found = String::from_utf8_lossy(&output.stdout);
        if found.split_whitespace().eq(NO_RIGHTS) {
            return Ok(());
        }
        let found: String = found.chars().take(200).flat_map(char::escape_debug).collect();
        Err(format!("it would leave a job rights: {found}"))
    }
}

/// Has the kernel say which rights a process has: capabilities of five kinds, whether it may gain
/// any, whether calls are filtered.
const RIGHTS: &str = "while read -r name value rest; do case $name in \
    Cap*|NoNewPrivs:|Seccomp:) echo \"$name$value\";; esac; done </proc/self/status";

/// What it says of a job.
const NO_RIGHTS: [&str; 7] = [
    "CapInh:0000000000000000",
    "CapPrm:0000000000000000",
    "CapEff:0000000000000000",
    "CapBnd:0000000000000000",
    "CapAmb:0000000000000000",
    "NoNewPrivs:1",
    "Seccomp:2",
];

/// All options of bubblewrap but the descriptors.
pub(crate) fn options(room: &Room, forbids_namespaces: bool) -> Vec<OsString> {
    let mut line: Vec<OsString> = Vec::new();
    let mut add = |words: &[&dyn AsRef<std::ffi::OsStr>]| {
        line.extend(words.iter().map(|word| word.as_ref().to_owned()));
    };
    // A user of its own, and no capability: a job of root could otherwise remount what it sees.
    add(&[&"--unshare-all", &"--unshare-user", &"--uid", &"1000", &"--gid", &"1000"]);
    add(&[&"--cap-drop", &"ALL", &"--hostname", &"job"]);
    if forbids_namespaces {
        add(&[&"--disable-userns"]);
    }
    if room.network {
        add(&[&"--share-net"]);
    }
    add(&[&"--new-session", &"--die-with-parent", &"--clearenv"]);
    for (target, path) in &room.system.links {
        add(&[&"--symlink", target, path]);
    }
    for path in &room.system.paths {
        add(&[&"--ro-bind-try", path, path]);
    }
    add(&[&"--proc", &"/proc", &"--dev", &"/dev"]);
    for path in PROC_SETTINGS {
        add(&[&"--ro-bind-try", &path, &path]);
    }
    for path in &room.system.empty_files {
        add(&[&"--ro-bind", &"/dev/null", path]);
    }
    for path in &room.system.empty_folders {
        add(&[&"--tmpfs", path, &"--remount-ro", path]);
    }
    let size = room.scratch_bytes.to_string();
    for folder in room.scratch() {
        add(&[&"--perms", &"1777", &"--size", &size, &"--tmpfs", &folder]);
    }
    let mut binds: Vec<_> = room.binds.iter().collect();
    binds.sort_by(|a, b| a.target.cmp(&b.target)); // a folder before what lies in it
    for bind in binds {
        let option = match bind.access {
            Access::Read => "--ro-bind",
            Access::Write => "--bind",
        };
        add(&[&option, &bind.source, &bind.target]);
    }
    // Last: the mount points above had to be made first. Both have no size of their own.
    add(&[&"--remount-ro", &"/dev", &"--remount-ro", &"/", &"--chdir", &room.directory]);
    for (name, value) in &room.environment {
        add(&[&"--setenv", name, value]);
    }
    line
}

impl SystemDirs {
    /// Looks at this machine; with `network`, also for what name resolution needs.
    pub fn look(network: bool) -> Self {
        let mut dirs = Self { paths: vec!["/usr".into()], ..Self::default() };
        for name in ["/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"] {
            let path = PathBuf::from(name);
            match std::fs::read_link(&path) {
                Ok(target) => dirs.links.push((target, path)),
                Err(_) if path.is_dir() => dirs.paths.push(path),
                Err(_) => {}
            }
        }
        dirs.paths.extend(ETC.map(PathBuf::from));
        if network {
            dirs.paths.extend(ETC_NETWORK.map(PathBuf::from));
        }
        dirs.empty_files = there(&PROC_FILES);
        dirs.empty_files.extend(guarded("/proc".as_ref()));
        dirs.empty_files.sort();
        dirs.empty_files.dedup();
        dirs.empty_folders = there(&PROC_FOLDERS);
        dirs
    }
}

/// The files in a folder that not everybody may read, or that somebody may write to.
fn guarded(folder: &Path) -> Vec<PathBuf> {
    use std::os::unix::fs::PermissionsExt;

    let is_guarded = |path: &PathBuf| {
        path.symlink_metadata().is_ok_and(|about| {
            let mode = about.permissions().mode();
            about.is_file() && (mode & 0o222 != 0 || mode & 0o004 == 0)
        })
    };
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let is_setting =
        |path: &PathBuf| PROC_SETTINGS.iter().any(|setting| path == Path::new(setting));
    entries.map(|entry| entry.path()).filter(|path| is_guarded(path) && !is_setting(path)).collect()
}

fn there(paths: &[&str]) -> Vec<PathBuf> {
    paths.iter().map(PathBuf::from).filter(|path| path.exists()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room() -> Room {
        Room {
            system: SystemDirs {
                links: vec![("usr/bin".into(), "/bin".into())],
                paths: vec!["/usr".into()],
                empty_files: vec!["/proc/keys".into()],
                empty_folders: vec!["/proc/acpi".into()],
            },
            network: false,
            binds: vec![
                Bind { source: "/run/copy".into(), target: "/s/job".into(), access: Access::Write },
                Bind { source: "/data/a".into(), target: "/s/a".into(), access: Access::Read },
            ],
            home: "/home/job".into(),
            environment: vec![("LANG".into(), "C.UTF-8".into())],
            directory: "/s/job/code".into(),
            command: vec!["python3".into(), "main.py".into()],
            scratch_bytes: 1024,
        }
    }

    fn line(room: &Room, forbids_namespaces: bool) -> String {
        let program = "/usr/bin/bwrap".into();
        let line = Confinement::Bubblewrap { program, forbids_namespaces }.command(room);
        line.join(" ".as_ref()).into_string().unwrap()
    }

    #[test]
    fn w9_the_command_line_is_a_function_of_the_room() {
        let expected = "/usr/bin/bwrap --unshare-all --unshare-user --uid 1000 --gid 1000 \
            --cap-drop ALL --hostname job --disable-userns --new-session --die-with-parent \
            --clearenv --symlink usr/bin /bin --ro-bind-try /usr /usr --proc /proc --dev /dev \
            --ro-bind-try /proc/sys /proc/sys --ro-bind-try /proc/sysrq-trigger /proc/sysrq-trigger \
            --ro-bind /dev/null /proc/keys --tmpfs /proc/acpi --remount-ro /proc/acpi \
            --perms 1777 --size 1024 --tmpfs /tmp --perms 1777 --size 1024 --tmpfs /dev/shm \
            --perms 1777 --size 1024 --tmpfs /home/job --ro-bind /data/a /s/a \
            --bind /run/copy /s/job --remount-ro /dev --remount-ro / --chdir /s/job/code \
            --setenv LANG C.UTF-8 -- python3 main.py";
        assert_eq!(line(&room(), true), expected);
        assert_eq!(line(&room(), false), expected.replace(" --disable-userns", ""));
    }

    #[test]
    fn files_that_are_guarded_are_found() {
        use std::os::unix::fs::PermissionsExt;

        let home = tempfile::tempdir().unwrap();
        for (name, mode) in [("all", 0o444), ("root", 0o400), ("set", 0o644), ("group", 0o440)] {
            std::fs::write(home.path().join(name), "").unwrap();
            let mode = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(home.path().join(name), mode).unwrap();
        }
        std::os::unix::fs::symlink("root", home.path().join("link")).unwrap();
        let mut found = guarded(home.path());
        found.sort();
        assert_eq!(found, ["group", "root", "set"].map(|name| home.path().join(name)));
    }

    #[test]
    fn the_network_is_shared_only_on_request() {
        let without = line(&room(), true);
        let with = line(&Room { network: true, ..room() }, true);
        assert_eq!(with.replace(" --share-net", ""), without);
        assert!(!without.contains("--share-net") && with.contains("--share-net"));
    }

    #[test]
    fn without_confinement_the_command_is_all_there_is() {
        assert_eq!(Confinement::None.command(&room()), room().command);
    }

    #[tokio::test]
    async fn a_sandbox_that_is_not_there_is_an_error_with_a_hint() {
        let error = Confinement::find("/nonexistent:relative").await.unwrap_err();
        assert!(matches!(error, SandboxError::Missing));
        assert!(error.hint().contains("bubblewrap"));
    }
}
