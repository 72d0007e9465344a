//! All that lay on the drives of two Python clients after they had worked together.

use std::path::{Path, PathBuf};

use syft::wire::names::{FileName, FolderName, SYFTBOX};
use syft::wire::{
    Checkpoint, FileChangeEventsMessage, IncrementalCheckpoint, Packed, PeersFile,
    ProposedFileChangesMessage, RollingState, VersionInfo,
};

use crate::{fixtures, mtime};

fn files_below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files_below(&path, found) } else { found.push(path) }
    }
}

fn again<T: Packed>(bytes: &[u8]) -> Vec<u8> {
    T::from_file_bytes(bytes).unwrap().to_file_bytes(mtime(bytes))
}

fn kind(name: &FileName) -> &'static str {
    match name {
        FileName::Peers => "peers",
        FileName::Version => "version",
        FileName::Proposal(_) => "proposal",
        FileName::Events(_) => "events",
        FileName::RollingState(_) => "rolling state",
        _ => "other",
    }
}

/// Reads a file by its name, checks every entry, and writes it again.
fn written_again(name: &FileName, bytes: &[u8]) -> Vec<u8> {
    match name {
        FileName::Peers => PeersFile::from_json(bytes).unwrap().to_json(),
        FileName::Version => VersionInfo::from_json(bytes).unwrap().to_json(),
        FileName::Proposal(name) => {
            let message = ProposedFileChangesMessage::from_file_bytes(bytes).unwrap();
            assert_eq!(message.message_filename.name().as_ref(), Some(name));
            for change in message.proposed_file_changes {
                let (written, proposal) = (change.clone(), change.check().unwrap());
                assert!(proposal.claim_holds());
                assert_eq!(proposal.into_wire(), written);
            }
            again::<ProposedFileChangesMessage>(bytes)
        }
        FileName::Events(name) => {
            let message = FileChangeEventsMessage::from_file_bytes(bytes).unwrap();
            assert_eq!(message.message_filepath.name().as_ref(), Some(name));
            for event in message.events {
                assert_eq!(event.clone().check().unwrap().into_wire(), event);
            }
            again::<FileChangeEventsMessage>(bytes)
        }
        FileName::Checkpoint(_) => again::<Checkpoint>(bytes),
        FileName::Incremental(_) => again::<IncrementalCheckpoint>(bytes),
        FileName::RollingState(_) => again::<RollingState>(bytes),
        FileName::Pruned(name) => panic!("Python prunes nothing: {name}"),
        FileName::ChunkedProposals(_) | FileName::ChunkedEvents(_) | FileName::Pack(_) => {
            panic!("Python cuts nothing: {name}")
        }
        FileName::Bundle(name) => panic!("the session had no encryption: {name}"),
    }
}

#[test]
fn each_file_of_a_real_session_is_written_as_it_was_read() {
    let mut files = Vec::new();
    files_below(&fixtures().join("session"), &mut files);
    let mut kinds = std::collections::BTreeMap::<_, u32>::new();
    for path in files {
        let folder = path.parent().unwrap().file_name().unwrap().to_str().unwrap();
        if folder != SYFTBOX {
            let parsed = FolderName::parse(folder).unwrap_or_else(|| panic!("{folder}"));
            assert_eq!(parsed.to_string(), folder);
            if matches!(parsed, FolderName::Collection(_)) {
                continue; // raw files of datasets
            }
        }
        let name = path.file_name().unwrap().to_str().unwrap();
        let parsed = FileName::parse(name).unwrap_or_else(|| panic!("{name}"));
        assert_eq!(parsed.to_string(), name);
        let bytes = std::fs::read(&path).unwrap();
        assert!(written_again(&parsed, &bytes) == bytes, "{name}");
        *kinds.entry(kind(&parsed)).or_default() += 1;
    }
    let kinds: Vec<_> = kinds.into_iter().collect();
    assert_eq!(
        kinds,
        [("events", 9), ("peers", 2), ("proposal", 2), ("rolling state", 1), ("version", 2)]
    );
}
