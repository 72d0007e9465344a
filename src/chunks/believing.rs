//! Decides which of the packs that a message names are fetched: only what lies in the folder of the
//! message, is named as a pack, is no larger than one, and was put there by who sent the message.
//!
//! An id is all that a message says of a pack. It might be that of any file on the drive which the
//! receiver may read, also of one that its owner shares with nobody else.

use std::collections::BTreeSet;

use super::pack::{PACK_BYTES_MAX, PACK_ENTRIES_MAX};
use crate::wire::Manifest;

/// The largest file that is taken for a pack, in bytes: entries, table, and an envelope around them.
pub const PACK_FILE_BYTES_MAX: u64 = (PACK_BYTES_MAX + PACK_ENTRIES_MAX * 41 + 256 * 1024) as u64;

/// What the drive says of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// True if it lies in the folder of the message.
    pub lies_beside: bool,
    /// True if the sender of the message owns it.
    pub is_of_sender: bool,
    /// True if it has the name of a pack.
    pub is_named_so: bool,
    /// In bytes.
    pub size_bytes: u64,
}

/// Why packs are not fetched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotFetched {
    /// It may come: a service may show a message before what was sent before it.
    #[error("a pack of chunks is not there yet")]
    NotThere,
    /// The message is wrong.
    #[error("a file that is named as a pack of chunks is none of its sender's")]
    NotTheirs,
    /// The message is wrong.
    #[error("a file that is named as a pack of chunks is larger than one")]
    TooLarge,
}

impl NotFetched {
    /// True if the message is wrong, so that waiting helps nobody.
    pub const fn is_final(&self) -> bool {
        match self {
            Self::NotThere => false,
            Self::NotTheirs | Self::TooLarge => true,
        }
    }
}

/// Returns the ids of the packs with these numbers, each of which may be fetched; `seen` says what is
/// known of a file, `None` if it was never seen.
///
/// # Errors
/// [`NotFetched`]: one that is wrong before one that is not there.
pub fn packs_to_fetch<'a>(
    manifest: &'a Manifest,
    numbers: &BTreeSet<u32>,
    seen: impl Fn(&str) -> Option<Seen>,
) -> Result<Vec<(u32, &'a str)>, NotFetched> {
    let (mut packs, mut is_any_missing) = (Vec::new(), false);
    for number in numbers {
        let name = manifest.packs.get(*number as usize).ok_or(NotFetched::NotTheirs)?;
        match seen(name) {
            None => is_any_missing = true,
            Some(it) if !(it.is_of_sender && it.is_named_so) => return Err(NotFetched::NotTheirs),
            // Folders that were made twice are brought together, one file after the other.
            Some(it) if !it.lies_beside => is_any_missing = true,
            Some(it) if it.size_bytes > PACK_FILE_BYTES_MAX => return Err(NotFetched::TooLarge),
            Some(_) => packs.push((*number, name.as_str())),
        }
    }
    if is_any_missing { Err(NotFetched::NotThere) } else { Ok(packs) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Digest;

    #[test]
    fn only_packs_that_the_sender_put_beside_the_message_are_fetched() {
        let manifest = Manifest {
            digest: Digest::of(b""),
            size_bytes: 1,
            sections: Vec::new(),
            packs: ["right", "also", "it"].map(str::to_owned).to_vec(),
            lists: Vec::new(),
            chunks: Vec::new(),
        };
        let right =
            Seen { lies_beside: true, is_of_sender: true, is_named_so: true, size_bytes: 9 };
        let large = PACK_FILE_BYTES_MAX;
        #[rustfmt::skip]
        let cases = [
            // what                             seen                                            answer
            ("as it should be",                 Some(right),                                    Ok(())),
            ("as large as one may be",          Some(Seen { size_bytes: large, ..right }),      Ok(())),
            ("larger",                          Some(Seen { size_bytes: large + 1, ..right }),  Err(NotFetched::TooLarge)),
            ("somewhere else",                  Some(Seen { lies_beside: false, ..right }),     Err(NotFetched::NotThere)),
            ("somebody else's",                 Some(Seen { is_of_sender: false, ..right }),    Err(NotFetched::NotTheirs)),
            ("a message, or anything",          Some(Seen { is_named_so: false, ..right }),     Err(NotFetched::NotTheirs)),
            ("not seen",                        None,                                           Err(NotFetched::NotThere)),
        ];
        for (what, it, answer) in cases {
            let seen = |name: &str| if name == "it" { it } else { Some(right) };
            let all = [0, 2].into();
            let got = packs_to_fetch(&manifest, &all, seen);
            assert_eq!(got.clone().map(drop), answer, "{what}");
            if answer.is_ok() {
                assert_eq!(got, Ok(vec![(0, "right"), (2, "it")]), "{what}");
            }
            // What nobody needs is not looked at.
            assert_eq!(packs_to_fetch(&manifest, &[1].into(), seen), Ok(vec![(1, "also")]));
            // What is wrong is so whatever may still come.
            let one_waits = |name: &str| if name == "it" { it } else { None };
            let expected =
                answer.err().filter(NotFetched::is_final).unwrap_or(NotFetched::NotThere);
            assert_eq!(packs_to_fetch(&manifest, &all, one_waits), Err(expected), "{what}");
        }
        let seen = |_: &str| Some(right);
        assert_eq!(packs_to_fetch(&manifest, &[3].into(), seen), Err(NotFetched::NotTheirs));
    }
}
