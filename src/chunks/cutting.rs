//! Cuts content into chunks where the content itself says, and digests chunks and whole in one pass.
//!
//! FastCDC of 2020 with the sizes below, normalised by two bits, without a seed; vectors at the
//! foot of this file fix it. Other cuts would be no mistake, since every list says how long its chunks are; they
//! would only find nothing again that was cut here. So parameters never change within a format.
//!
//! The sizes: smaller chunks find more again and need longer lists. At 32 KiB a change of one place
//! costs about 100 KiB more than itself, and the list of a gigabyte is a megabyte, of which a change
//! sends two sections. There is no seed, for both sides must cut alike; who sees how long
//! chunks are can guess at known content, but lengths stand in sealed messages wherever content does.

use std::io::{self, Read};

use fastcdc::v2020::{Normalization, StreamCDC};
use sha2::{Digest as _, Sha256};

use super::outline::{Builder, Chunk, Outline};
use crate::model::Digest;

/// The shortest chunk, in bytes; the last of a file may be shorter.
pub const CHUNK_BYTES_MIN: usize = 8 * 1024;
/// What chunks are about as long as, in bytes.
pub const CHUNK_BYTES_USUAL: usize = 32 * 1024;
/// The longest chunk, in bytes.
pub const CHUNK_BYTES_MAX: usize = 128 * 1024;

/// Cuts all of `source`, which is read once, from where it stands; `each` gets every chunk in order.
/// Holds two chunks in memory.
///
/// # Errors
/// If `source` cannot be read, or with the first error of `each`.
pub fn cut(
    source: impl Read,
    mut each: impl FnMut(&Chunk, &[u8]) -> io::Result<()>,
) -> io::Result<Outline> {
    let (usual, level) = (CHUNK_BYTES_USUAL, Normalization::Level2);
    let chunks = StreamCDC::with_level(source, CHUNK_BYTES_MIN, usual, CHUNK_BYTES_MAX, level);
    let (mut whole, mut builder) = (Sha256::new(), Builder::default());
    for chunk in chunks {
        let content = chunk.map_err(io::Error::from)?.data;
        let length = u32::try_from(content.len()).map_err(io::Error::other)?;
        let chunk = Chunk { digest: Digest::of(&content), length };
        whole.update(&content);
        each(&chunk, &content)?;
        builder.push(chunk);
    }
    Ok(builder.finish(Digest::from_bytes(whole.finalize().into())))
}

#[cfg(test)]
mod tests {
    use super::super::tests::Noise;
    use super::*;

    /// What, its bytes, and where it is cut. Made once; to change them is to change the format.
    #[test]
    fn where_content_is_cut_never_changes() {
        let zeros = io::repeat(0).take(600_000);
        let most = [131_072, 131_072, 131_072, 131_072, 75_712];
        assert_eq!(lengths(zeros), most);
        #[rustfmt::skip]
        let noise = [
            28_136, 34_239, 46_841, 42_852, 28_543, 52_236, 34_305, 11_611, 35_599, 53_045, 37_931,
            47_581, 40_261, 64_679, 27_009, 38_128, 33_505, 39_822, 41_277, 41_392, 33_292, 36_808,
            33_142, 44_108, 38_057, 38_742, 37_587, 7_848,
        ];
        assert_eq!(lengths(Noise::new(1, 1 << 20)), noise);
        let text = "All happy families are alike. ".repeat(20_000);
        assert_eq!(lengths(text.as_bytes()), most);
        assert_eq!(lengths(&b""[..]), [] as [u32; 0]);
        assert_eq!(lengths(&b"short"[..]), [5]);
    }

    fn lengths(source: impl Read) -> Vec<u32> {
        let mut lengths = Vec::new();
        let mut note = |chunk: &Chunk, content: &[u8]| {
            assert_eq!(chunk.length as usize, content.len());
            assert_eq!(chunk.digest, Digest::of(content));
            lengths.push(chunk.length);
            Ok(())
        };
        cut(source, &mut note).unwrap();
        lengths
    }

    #[test]
    fn chunks_have_their_bounds_and_the_whole_its_digest() {
        let size = 8 * 1024 * 1024 + 17;
        let outline = cut(Noise::new(2, size), |_, _| Ok(())).unwrap();
        assert_eq!(outline.size_bytes(), size);
        let mut content = Vec::new();
        Noise::new(2, size).read_to_end(&mut content).unwrap();
        assert_eq!(outline.digest(), Digest::of(&content));
        let lengths: Vec<usize> = outline.chunks().map(|chunk| chunk.length as usize).collect();
        let (_, but_last) = lengths.split_last().unwrap();
        assert!(but_last.iter().all(|length| (CHUNK_BYTES_MIN..=CHUNK_BYTES_MAX).contains(length)));
        let mean = content.len() / lengths.len();
        assert!((24 * 1024..48 * 1024).contains(&mean), "{mean}");
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::ErrorKind::PermissionDenied.into())
            }
        }
        let error = cut(Noise::new(3, 100_000).chain(Broken), |_, _| Ok(())).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
    }
}
