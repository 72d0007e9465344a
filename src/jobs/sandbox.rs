//! How a job is confined: the command line of `bubblewrap`.
//!
//! [`Confinement::command`] is a pure function of the [`Room`], so what a review says a job will
//! be able to touch and what it can touch come from one value. Invariants of a confined process:
//! nothing of this machine is visible but what the room names and the operating system's own
//! read-only folders; no environment, terminal, capability or process of ours; no network unless
//! the room says so; it dies with us, once it runs (`handshake` sees to the time before). Options:
//! bubblewrap's manual, bwrap(1).

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use tokio::process::Command;

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

/// The operating system's own folders, which every process needs in order to start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SystemDirs {
    /// Links such as `/bin` → `usr/bin`: (target, path).
    pub links: Vec<(PathBuf, PathBuf)>,
    /// Folders and files, visible as they are, read-only.
    pub paths: Vec<PathBuf>,
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

    /// Returns the command line that executes `room`; with [`Confinement::None`] that is the
    /// room's command, and its other wishes are the caller's to fulfil.
    pub fn command(&self, room: &Room) -> Vec<OsString> {
        match self {
            Self::None => room.command.clone(),
            Self::Bubblewrap { program, forbids_namespaces } => {
                let mut line = vec![program.clone().into_os_string()];
                line.extend(options(room, *forbids_namespaces));
                line
            }
        }
    }

    async fn attempt(&self) -> Result<(), String> {
        let room = Room {
            system: SystemDirs::look(false),
            network: false,
            binds: Vec::new(),
            home: "/home/job".into(),
            environment: Vec::new(),
            directory: "/".into(),
            command: vec!["/bin/sh".into(), "-c".into(), "exit 0".into()],
            scratch_bytes: 1 << 20,
        };
        let line = self.command(&room);
        let output =
            Command::new(&line[0]).args(&line[1..]).env_clear().kill_on_drop(true).output();
        let output = output.await.map_err(|error| error.to_string())?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(said.lines().next().unwrap_or("it said nothing").to_owned())
    }
}

fn options(room: &Room, forbids_namespaces: bool) -> Vec<OsString> {
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
    let size = room.scratch_bytes.to_string();
    for folder in [Path::new("/tmp"), Path::new("/dev/shm"), &room.home] {
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
    // Last: the mount points above had to be made first.
    add(&[&"--remount-ro", &"/", &"--chdir", &room.directory]);
    for (name, value) in &room.environment {
        add(&[&"--setenv", name, value]);
    }
    add(&[&"--"]);
    line.extend(room.command.iter().cloned());
    line
}

impl SystemDirs {
    /// Looks at this machine; with `network`, also for what name resolution needs.
    pub fn look(network: bool) -> Self {
        let mut dirs = Self { links: Vec::new(), paths: vec!["/usr".into()] };
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
        dirs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room() -> Room {
        Room {
            system: SystemDirs {
                links: vec![("usr/bin".into(), "/bin".into())],
                paths: vec!["/usr".into()],
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
            --perms 1777 --size 1024 --tmpfs /tmp --perms 1777 --size 1024 --tmpfs /dev/shm \
            --perms 1777 --size 1024 --tmpfs /home/job --ro-bind /data/a /s/a \
            --bind /run/copy /s/job --remount-ro / --chdir /s/job/code \
            --setenv LANG C.UTF-8 -- python3 main.py";
        assert_eq!(line(&room(), true), expected);
        assert_eq!(line(&room(), false), expected.replace(" --disable-userns", ""));
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
