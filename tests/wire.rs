//! The wire against files that Python clients wrote, against itself, and against hostile bytes.

#![expect(clippy::unwrap_used, reason = "helpers of tests, which stop where something is wrong")]

#[path = "wire/hostile.rs"]
mod hostile;
#[path = "wire/properties.rs"]
mod properties;
#[path = "wire/session.rs"]
mod session;
#[path = "wire/vectors.rs"]
mod vectors;

use std::path::PathBuf;

fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/wire")
}

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(fixtures().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The rows of a vector that is a list.
fn rows(name: &str) -> Vec<serde_json::Value> {
    serde_json::from_slice(&fixture(name)).unwrap()
}

/// The time in the gzip header.
fn mtime(packed: &[u8]) -> u32 {
    u32::from_le_bytes(packed[4..8].try_into().unwrap())
}
