//! SHA-256 of content, the only digest on the wire.

use std::fmt;

use sha2::{Digest as _, Sha256};

/// The SHA-256 of some content.
///
/// Written as 64 lower-case hexadecimal digits, over the content bytes alone: no path, no mode.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

/// A text that is no SHA-256 in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a SHA-256 digest")]
pub struct InvalidDigest(String);

/// In place of the value of what is no hexadecimal digit.
const NO_DIGIT: u8 = 0x80;

/// Returns the value of a hexadecimal digit, without a branch.
const fn value(digit: u8) -> u8 {
    let (number, letter) = (digit.wrapping_sub(b'0'), (digit | 0x20).wrapping_sub(b'a'));
    let of_number = if number < 10 { number } else { NO_DIGIT };
    if letter < 6 { letter + 10 } else { of_number }
}

impl Digest {
    /// Returns the digest of `content`.
    pub fn of(content: &[u8]) -> Self {
        Self(Sha256::digest(content).into())
    }

    /// Wraps the 32 bytes of a SHA-256 that was computed elsewhere, for instance while streaming.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Reads 64 hexadecimal digits, of either case.
    ///
    /// # Errors
    /// [`InvalidDigest`] for anything else.
    pub fn parse(text: &str) -> Result<Self, InvalidDigest> {
        Self::from_hex(text.as_bytes())
    }

    /// Reads 64 hexadecimal digits, of either case, of what may be no text at all.
    ///
    /// # Errors
    /// [`InvalidDigest`] for anything else.
    pub fn from_hex(text: &[u8]) -> Result<Self, InvalidDigest> {
        let invalid = || InvalidDigest(String::from_utf8_lossy(text).chars().take(80).collect());
        let digits: &[u8; 64] = text.try_into().map_err(|_| invalid())?;
        // Databases hold hundreds of thousands. Each step is the same for all digits, so that sixteen
        // of them take it at once.
        let values = digits.map(value);
        let seen = values.iter().fold(0, |seen, value| seen | value);
        let (pairs, _) = values.as_chunks::<2>();
        let mut bytes = [0; 32];
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = high << 4 | low;
        }
        if seen & NO_DIGIT == 0 { Ok(Self(bytes)) } else { Err(invalid()) }
    }

    /// Returns the digest as 64 lower-case hexadecimal digits.
    pub fn to_hex(&self) -> String {
        hex::encode(self.0)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({})", &self.to_hex()[..12])
    }
}

impl std::str::FromStr for Digest {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<Self, InvalidDigest> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_of_nothing_is_the_known_one() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Digest::of(b"").to_hex(), empty);
        assert_eq!(Digest::parse(&empty.to_uppercase()), Ok(Digest::of(b"")));
        assert!(Digest::parse(&empty[1..]).is_err());
        assert!(Digest::parse("deadbeef").is_err());
        assert!(Digest::parse(&format!("{empty}0")).is_err());
        assert!(Digest::parse(&format!("{empty}00")).is_err());
        for place in [0, 31, 63] {
            for wrong in ["g", "G", "/", ":", "@", "`", " ", "\0", "\u{7f}"] {
                let mut text = empty.to_owned();
                text.replace_range(place..=place, wrong);
                assert!(Digest::parse(&text).is_err(), "{text:?}");
            }
        }
        assert!(Digest::parse(&"é".repeat(32)).is_err());
        assert!(Digest::from_hex(&[0xff; 64]).is_err());
    }

    #[test]
    fn each_byte_is_read_as_it_is_written() {
        for byte in 0..=u8::MAX {
            let digest = Digest::from_bytes([byte; 32]);
            assert_eq!(Digest::parse(&digest.to_hex()), Ok(digest));
            assert_eq!(Digest::parse(&digest.to_hex().to_uppercase()), Ok(digest));
        }
    }
}
