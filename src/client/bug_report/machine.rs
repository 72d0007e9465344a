//! What a bug report says of the machine: its system, its disk, and the programs that jobs need.
//!
//! Whatever is read here becomes a number or one of the words below.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use super::facts::{Fact, Section};
use crate::jobs::{Confinement, SandboxError};

/// How long a program may take to say its version.
const PATIENCE: Duration = Duration::from_secs(5);

/// Systems as `/etc/os-release` calls them.
const DISTRIBUTIONS: &[&str] = &[
    "alpine",
    "almalinux",
    "amzn",
    "arch",
    "centos",
    "debian",
    "fedora",
    "gentoo",
    "linuxmint",
    "manjaro",
    "nixos",
    "opensuse-leap",
    "opensuse-tumbleweed",
    "ol",
    "pop",
    "raspbian",
    "rhel",
    "rocky",
    "sles",
    "ubuntu",
    "void",
];

/// File systems as the kernel calls them.
const FILE_SYSTEMS: &[&str] = &[
    "9p",
    "apfs",
    "autofs",
    "bcachefs",
    "btrfs",
    "ceph",
    "cifs",
    "drvfs",
    "ecryptfs",
    "exfat",
    "ext2",
    "ext3",
    "ext4",
    "f2fs",
    "fuse",
    "fuse.gocryptfs",
    "fuse.mergerfs",
    "fuse.rclone",
    "fuse.sshfs",
    "fuseblk",
    "hfsplus",
    "jfs",
    "msdos",
    "nfs",
    "nfs4",
    "ntfs",
    "ntfs3",
    "overlay",
    "ramfs",
    "reiserfs",
    "smb3",
    "squashfs",
    "tmpfs",
    "vfat",
    "virtiofs",
    "xfs",
    "zfs",
];

/// Variables of which it is told whether they are set, and nothing more.
const VARIABLES: &[&str] = &[
    "SYFT_HOME",
    "SYFT_EMAIL",
    "SYFT_LOG",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "UV_INDEX_URL",
    "PIP_INDEX_URL",
    "NO_COLOR",
    "WSL_DISTRO_NAME",
    "CI",
];

/// Returns what there is to say of the system.
pub(super) fn system() -> Section {
    let mut section = Section::new("system");
    section.add("kind", Fact::Word(std::env::consts::OS));
    section.add("processor", Fact::Word(std::env::consts::ARCH));
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZeroUsize::get);
    section.add("cores", Fact::count(cores));
    if let Ok(text) = std::fs::read_to_string("/proc/sys/kernel/osrelease") {
        section.add("kernel", Fact::version(&text));
    }
    if let Ok(text) = std::fs::read_to_string("/etc/os-release") {
        let value = |key: &str| {
            let mut lines = text.lines();
            lines
                .find_map(|line| Some(line.strip_prefix(key)?.strip_prefix('=')?.trim_matches('"')))
        };
        let name = Fact::word(value("ID").unwrap_or_default(), DISTRIBUTIONS);
        section.add_all(
            "distribution",
            vec![name, Fact::version(value("VERSION_ID").unwrap_or_default())],
        );
    }
    section.add("runs-as-root", Fact::Is(rustix::process::geteuid().is_root()));
    section
}

/// Returns what there is to say of the disk that holds `home`.
pub(super) fn disk(home: &Path) -> Section {
    let mut section = Section::new("disk");
    section.add("folder-is-there", Fact::Is(home.is_dir()));
    let above = home.ancestors().find(|folder| folder.is_dir()).unwrap_or(home);
    let resolved = above.canonicalize().unwrap_or_else(|_| above.to_owned());
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    section.add("file-system", Fact::word(file_system(&mounts, &resolved), FILE_SYSTEMS));
    if let Ok(about) = rustix::fs::statvfs(above) {
        const MEBIBYTE: u64 = 1 << 20;
        let free = about.f_bavail.saturating_mul(about.f_frsize) / MEBIBYTE;
        section.add("free-mib", Fact::Count(free));
        section.add("free-inodes", Fact::Count(about.f_favail));
        let flag = rustix::fs::StatVfsMountFlags::RDONLY;
        section.add("read-only", Fact::Is(about.f_flag.contains(flag)));
    }
    section
}

/// The kind of file system that holds `folder`: that of the longest mount point above it, and of
/// several mounted there the last.
fn file_system<'m>(mounts: &'m str, folder: &Path) -> &'m str {
    let mut found = (0, "");
    for line in mounts.lines() {
        let Some((front, back)) = line.split_once(" - ") else { continue };
        let Some(point) = front.split(' ').nth(4) else { continue };
        let point = point.replace("\\040", " ");
        if folder.starts_with(&point) && point.len() >= found.0 {
            found = (point.len(), back.split(' ').next().unwrap_or_default());
        }
    }
    found.1
}

/// Returns what is set in the environment.
pub(super) fn environment() -> Section {
    let mut section = Section::new("environment");
    let off = ["false", "0", "no", "off"];
    let said = std::env::var("PRE_SYNC").unwrap_or_default().to_lowercase();
    section.add("pre-sync", Fact::Is(!off.contains(&said.as_str())));
    for name in VARIABLES {
        let is_set = std::env::var_os(name).is_some_and(|value| !value.is_empty());
        if is_set {
            section.add(name, Fact::Word("set"));
        }
    }
    section
}

/// Returns which programs there are that jobs need, in the folders of `path`.
pub(super) async fn programs(path: &str) -> Section {
    let mut section = Section::new("programs");
    for name in ["bwrap", "python3", "uv"] {
        section.add(name, version_of(name, path).await);
    }
    section.add(
        "sandbox",
        Fact::Word(match Confinement::find(path).await {
            Ok(_) => "works",
            Err(SandboxError::Missing) => "missing",
            Err(_) => "does-not-work",
        }),
    );
    section
}

/// Asks a program for its version.
async fn version_of(name: &str, path: &str) -> Fact {
    let folders = std::env::split_paths(path).filter(|folder| folder.is_absolute());
    let Some(program) = folders.map(|folder| folder.join(name)).find(|file| file.is_file()) else {
        return Fact::Word("missing");
    };
    let mut command = tokio::process::Command::new(program);
    command.arg("--version").env_clear().env("PATH", path);
    command.stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    match tokio::time::timeout(PATIENCE, command.output()).await {
        Ok(Ok(output)) => {
            let text = String::from_utf8_lossy(&output.stdout);
            let mut words = text.split_ascii_whitespace();
            let number = words.find(|word| word.starts_with(|c: char| c.is_ascii_digit()));
            Fact::version(number.unwrap_or_default())
        }
        Ok(Err(_)) => Fact::Word("does-not-start"),
        Err(_) => Fact::Word("does-not-answer"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_system_is_that_of_the_nearest_mount_point() {
        let mounts = "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n\
            2 1 8:2 / /home rw shared:1 - xfs /dev/sdb1 rw\n\
            3 1 0:1 / /home/ann\\040b rw - nfs4 server:/x rw\n\
            4 1 0:2 / /home rw - btrfs /dev/sdc rw\n";
        let cases = [
            ("/etc", "ext4"),
            ("/home/bob", "btrfs"),
            ("/home/ann b/syft", "nfs4"),
            ("/homely", "ext4"),
        ];
        for (folder, expected) in cases {
            assert_eq!(file_system(mounts, Path::new(folder)), expected, "{folder}");
        }
        assert_eq!(file_system("", Path::new("/")), "");
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_missing() {
        assert_eq!(version_of("uv", "/nonexistent:relative").await, Fact::Word("missing"));
    }
}
