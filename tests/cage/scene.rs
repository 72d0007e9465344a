//! A machine with something to lose: an owner's files, sockets that somebody listens on, a process
//! that could be killed.

use std::ffi::OsString;
use std::fs::File;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};

use crate::world::{SECRET, World, write};

/// The machine; gone at the end, with all that still runs on it.
pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) udp: UdpSocket,
    victim: Child,
    marker: String,
    tcp: TcpListener,
    tcp6: Option<TcpListener>,
    shared: tempfile::TempDir,
    _path: UnixListener,
    _abstract: UnixListener,
    descriptor: Option<OwnedFd>,
}

static COUNT: AtomicU32 = AtomicU32::new(0);

impl Scene {
    pub(crate) fn new() -> Self {
        let world = World::new();
        let home = world.home.path().to_owned();
        for file in ["token.json", "keys.json", "state.sqlite3"] {
            write(&home.join("config").join(file), SECRET);
        }
        write(&home.join(".ssh/id_ed25519"), SECRET);
        let jobs = world.datasite().join("app_data/job");
        write(&jobs.join("inbox/eve@example.com/study/code/main.py"), SECRET);
        let result = "app_data/job/review/eve@example.com/study/outputs/result.csv";
        write(&world.datasite().join(result), SECRET);
        write(&home.join("config/results/do@example.com").join(result), SECRET);
        // As the temporary file of another program would lie there.
        let shared = tempfile::Builder::new().prefix("syft-other-").tempdir_in("/tmp").unwrap();
        write(&shared.path().join("file"), SECRET);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let marker = format!("2718.{}{number:03}", std::process::id());
        let victim = Command::new("sleep").arg("600").stdout(Stdio::null()).spawn().unwrap();
        let name = SocketAddr::from_abstract_name(format!("syft-{marker}")).unwrap();
        Self {
            udp: UdpSocket::bind("127.0.0.1:0").unwrap(),
            tcp: TcpListener::bind("127.0.0.1:0").unwrap(),
            tcp6: TcpListener::bind("[::1]:0").ok(),
            _path: UnixListener::bind(home.join("agent")).unwrap(),
            _abstract: UnixListener::bind_addr(&name).unwrap(),
            world,
            victim,
            marker,
            shared,
            descriptor: None,
        }
    }

    /// Puts what lies where on this machine into the code of an attack.
    pub(crate) fn fill(&mut self, code: &str, confined: bool) -> String {
        let port = |listener: &TcpListener| listener.local_addr().unwrap().port().to_string();
        let home = self.world.home.path();
        if code.contains("@DESCRIPTOR@") {
            // Open in other programs too, as shells and terminals leave them.
            let flags = OFlags::RDONLY;
            let file = rustix::fs::open(home.join("secret"), flags, Mode::empty()).unwrap();
            self.descriptor = Some(file);
        }
        let descriptor = self.descriptor.as_ref().map_or(-1, AsRawFd::as_raw_fd);
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let all = [
            ("@DATASITE@", self.world.datasite().display().to_string()),
            ("@HOME@", home.display().to_string()),
            ("@SHARED@", self.shared.path().display().to_string()),
            ("@CONFINED@", if confined { "True" } else { "False" }.to_owned()),
            ("@PARENT@", std::process::id().to_string()),
            ("@VICTIM@", self.victim.id().to_string()),
            ("@MARKER@", self.marker.clone()),
            ("@HOST@", host.trim().to_owned()),
            ("@DESCRIPTOR@", descriptor.to_string()),
            ("@TCP@", port(&self.tcp)),
            ("@TCP6@", self.tcp6.as_ref().map_or("1".to_owned(), port)),
            ("@UDP@", self.udp.local_addr().unwrap().port().to_string()),
        ];
        all.iter().fold(code.to_owned(), |code, (name, value)| code.replace(name, value))
    }

    /// True if somebody ended the process that has nothing to do with the job.
    pub(crate) fn victim_is_gone(&mut self) -> bool {
        self.victim.try_wait().unwrap().is_some()
    }

    /// True if a datagram arrived.
    pub(crate) fn heard(&self) -> bool {
        self.udp.set_nonblocking(true).unwrap();
        self.udp.recv(&mut [0; 512]).is_ok()
    }

    /// Processes of the job that are still there: those that have its marker as an argument.
    pub(crate) fn still_running(&self) -> Vec<i32> {
        let is_ours = |pid: i32| {
            std::fs::read(format!("/proc/{pid}/cmdline"))
                .is_ok_and(|line| String::from_utf8_lossy(&line).contains(&self.marker))
        };
        let entries = std::fs::read_dir("/proc").unwrap().flatten();
        let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        ids.filter(|pid| is_ours(*pid)).collect()
    }

    /// Tells what stayed behind that it may go on, and returns true if it did something.
    pub(crate) fn acts_late(&self) -> bool {
        let home = self.world.home.path();
        std::fs::write(home.join("go"), "").unwrap();
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(20) {
            if home.join("late").exists() {
                return true;
            }
            if self.still_running().is_empty() {
                return home.join("late").exists();
            }
            std::thread::yield_now();
        }
        true // something is there that should not be
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.world.home.path().join(name).exists()
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.victim.kill().ok();
        self.victim.wait().ok();
        for pid in self.still_running() {
            let pid = rustix::process::Pid::from_raw(pid).unwrap();
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).ok();
        }
    }
}

/// What lies in a folder of outputs after somebody took them over.
#[derive(Debug, Default)]
pub(crate) struct Left {
    /// Names below the folder, and what the files hold.
    pub(crate) files: Vec<(OsString, Vec<u8>)>,
    /// Something lies there that is no file and no folder.
    pub(crate) has_odd: bool,
}

impl Left {
    /// Looks without following links.
    pub(crate) fn of(folder: &Path) -> Self {
        let mut left = Self::default();
        left.look(folder, false);
        left
    }

    fn look(&mut self, folder: &Path, follows: bool) {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let about = if follows { path.metadata() } else { path.symlink_metadata() };
            match about {
                Ok(about) if about.is_dir() => self.look(&path, follows),
                Ok(about) if about.is_file() => {
                    let mut content = Vec::new();
                    let beginning = File::open(&path).map(|file| std::io::Read::take(file, 4096));
                    beginning
                        .and_then(|mut file| std::io::Read::read_to_end(&mut file, &mut content))
                        .ok();
                    self.files.push((entry.file_name(), content));
                }
                _ => self.has_odd = true,
            }
        }
    }

    pub(crate) fn holds_secret(&self) -> bool {
        self.files.iter().any(|(_, content)| String::from_utf8_lossy(content).contains(SECRET))
    }

    pub(crate) fn has_name(&self, is_meant: impl Fn(&str) -> bool) -> bool {
        // What is no UTF-8 has a replacement character in it.
        self.files.iter().any(|(name, _)| is_meant(&name.to_string_lossy()))
    }
}

/// Runs code without any of our care, and takes what it leaves as the Python client does.
pub(crate) fn naively_collected(scene: &Scene, code: &str) -> Left {
    let job = scene.world.home.path().join("naive/job");
    let outputs = job.join("code/outputs");
    std::fs::create_dir_all(&outputs).unwrap();
    write(&job.join("code/main.py"), code);
    let status = Command::new("python3")
        .arg("main.py")
        .current_dir(job.join("code"))
        .stdout(Stdio::null())
        .status();
    assert!(status.unwrap().success());
    let mut left = Left::default();
    left.look(&outputs, true);
    left
}
