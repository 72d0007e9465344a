//! What it takes to send and to receive a large file as chunks: memory that does not grow with it.
//!
//! A test binary of its own, with one test, since what the system tells is the most that the process
//! ever had.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

use syft::chunks::{Outline, Shelf, Stock, assemble, cut, packs_for_lists, plan, recipe, ship};

const SIZE: u64 = 64 << 20;
/// A pack as it is made, compressed chunks, the compressor, and what the program itself takes meanwhile.
const GROWS_AT_MOST_KIB: u64 = 40 << 10;

/// Bytes that look random and need not be held.
#[derive(Clone, Debug, Default)]
struct Noise {
    at: u64,
}

impl Read for Noise {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut length = 0;
        for place in buffer.chunks_mut(8) {
            if self.at == SIZE {
                break;
            }
            let mixed = (self.at / 8 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let word = (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9).to_le_bytes();
            // A read may begin and end within a word.
            let from = (self.at % 8) as usize;
            let part = (8 - from).min(place.len());
            place[..part].copy_from_slice(&word[from..from + part]);
            self.at += part as u64;
            length += part;
            if part < place.len() {
                break;
            }
        }
        Ok(length)
    }
}

impl Seek for Noise {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        if let SeekFrom::Start(at) = to {
            self.at = at;
        }
        Ok(self.at)
    }
}

/// The most memory that this process ever had, in KiB.
fn most_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn memory_does_not_grow_with_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let before = most_memory();
    let outline: Outline = cut(Noise::default(), |_, _| Ok(())).unwrap();
    let mut count = 0;
    let stock = Stock::default();
    let manifest = ship(&plan(&outline, &stock), &mut Noise::default(), |packed| {
        let name = format!("pack-{count}");
        count += 1;
        File::create(path(&name))?.write_all(&packed.bytes)?;
        Ok::<_, io::Error>(name)
    })
    .unwrap();
    assert_eq!(manifest.packs.len(), count);
    assert!(count >= 8, "{count}");

    let mut shelf = Shelf::new(|number: u32| File::open(path(&manifest.packs[number as usize])));
    assert!((1..=count).contains(&packs_for_lists(&manifest, None).unwrap().len()));
    let recipe = recipe(&manifest, None, |pack, digest| shelf.read(pack, digest)).unwrap();
    let mut out = File::create(path("whole")).unwrap();
    let read = |pack, digest: &_| shelf.read(pack, digest);
    assemble(&recipe, &mut io::empty(), read, &mut out).unwrap();
    assert_eq!(out.metadata().unwrap().len(), SIZE);
    let grown = most_memory() - before;
    assert!(grown < GROWS_AT_MOST_KIB, "{grown} KiB");
}
