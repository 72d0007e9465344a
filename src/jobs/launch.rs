//! Makes a command of a [`Room`]: what bubblewrap is told in text, and what it reads from
//! descriptors.
//!
//! Its options go through a descriptor, because a process can read the command line of process 1 of
//! its room, and that would say where on this machine everything lies. The filter of system calls
//! can be given in no other way. Invariant: a confined process gets no descriptor of ours but its
//! three streams, nor one that somebody had left open for us, as terminals and schedulers do.

use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;

use command_fds::CommandFdExt;
use rustix::fs::{MemfdFlags, memfd_create};
use tokio::process::Command;

use super::filter::{Processor, program};
use super::sandbox::{Confinement, Room, options};

/// A command that was not started yet.
#[derive(Debug)]
pub(crate) struct Launch {
    /// What to start. Its environment is empty, but for an unconfined process.
    pub(crate) command: Command,
    /// Where bubblewrap says which process is the first of the room.
    about: Option<File>,
}

/// Prepares the execution of `room`.
///
/// # Errors
/// If the system gives us no descriptors; if there is no filter for this processor.
pub(crate) fn launch(confinement: &Confinement, room: &Room) -> io::Result<Launch> {
    match confinement {
        Confinement::None => {
            let mut line = room.command.iter();
            let program = line.next().ok_or_else(|| io::Error::other("there is no command"))?;
            let mut command = Command::new(program);
            command.args(line).env_clear().current_dir(&room.directory);
            command.envs(room.environment.iter().map(|(name, value)| (name, value)));
            Ok(Launch { command, about: None })
        }
        Confinement::Bubblewrap { program: bubblewrap, forbids_namespaces } => {
            let mut text = Vec::new();
            for option in options(room, *forbids_namespaces) {
                text.extend_from_slice(option.as_encoded_bytes());
                text.push(0);
            }
            let options = holding("options", &text)?;
            let filter = holding("filter", &filter(room.network)?)?;
            let about = holding("about", &[])?;
            let mut command = Command::new(bubblewrap);
            for (option, file) in
                [("--args", &options), ("--seccomp", &filter), ("--info-fd", &about)]
            {
                command.arg(option).arg(file.as_raw_fd().to_string());
            }
            command.arg("--").args(&room.command).env_clear().current_dir("/");
            let ours = about.try_clone()?;
            close_fds::set_fds_cloexec_threadsafe(3, &[]);
            command.preserved_fds([options, filter, about].map(OwnedFd::from).into());
            Ok(Launch { command, about: Some(ours) })
        }
    }
}

impl Launch {
    /// Takes what says which process is the first of the room.
    pub(crate) fn about(&mut self) -> Option<About> {
        self.about.take().map(About)
    }
}

/// What bubblewrap says of a room, once it made it.
#[derive(Debug)]
pub(crate) struct About(File);

impl About {
    /// Returns the first process of the room, by its number here. `None` until there is one.
    pub(crate) fn first_process(&self) -> Option<u32> {
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "kebab-case")]
        struct Said {
            child_pid: u32,
        }
        let mut text = [0; 1024]; // it says about a hundred bytes
        let length = self.0.read_at(&mut text, 0).ok()?;
        let said: Said = serde_json::from_slice(text.get(..length)?).ok()?;
        Some(said.child_pid)
    }
}

fn filter(network: bool) -> io::Result<Vec<u8>> {
    let processor = Processor::own()
        .ok_or_else(|| io::Error::other("there is no table of system calls for this processor"))?;
    program(processor, network).map_err(io::Error::other)
}

/// A file in memory that holds `content`, read from its start, and closed in other programs.
fn holding(name: &str, content: &[u8]) -> io::Result<File> {
    let mut file = File::from(memfd_create(name, MemfdFlags::CLOEXEC)?);
    file.write_all(content)?;
    file.rewind()?;
    Ok(file)
}
