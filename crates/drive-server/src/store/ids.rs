//! Makes ids and secrets.
//!
//! A file id carries eight bytes that only this Drive can compute, so that `create` can refuse an
//! id that `generateIds` did not make, without remembering the ones it handed out.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};

const RANDOM_BYTES: usize = 16;
const MARK_BYTES: usize = 8;

/// Returns the bytes of a new key.
pub(crate) fn random_bytes() -> [u8; 32] {
    rand::random()
}

/// Returns a secret that cannot be guessed: 43 characters, fit for a URL.
pub(crate) fn secret() -> String {
    URL_SAFE_NO_PAD.encode(random_bytes())
}

/// Returns the only form in which a secret is kept.
pub(crate) fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret).into()
}

/// Returns a new file id, 33 characters long like Google's.
pub(crate) fn file_id(key: &[u8]) -> String {
    let random: [u8; RANDOM_BYTES] = rand::random();
    let mut bytes = random.to_vec();
    bytes.extend_from_slice(&mark(key, &random));
    format!("1{}", URL_SAFE_NO_PAD.encode(bytes))
}

/// True if [`file_id`] made this id with this key.
pub(crate) fn is_file_id(key: &[u8], id: &str) -> bool {
    let Some(bytes) = id.strip_prefix('1').and_then(|rest| URL_SAFE_NO_PAD.decode(rest).ok())
    else {
        return false;
    };
    bytes.len() == RANDOM_BYTES + MARK_BYTES
        && mark(key, &bytes[..RANDOM_BYTES]) == bytes[RANDOM_BYTES..]
}

/// Returns the id of an account's permissions, the same on every file: 20 digits.
pub(crate) fn permission_id(email: &str) -> String {
    let digest = Sha256::digest(email);
    let number = digest.iter().take(8).fold(0u64, |sum, byte| sum << 8 | u64::from(*byte));
    format!("{number:020}")
}

fn mark(key: &[u8], random: &[u8]) -> [u8; MARK_BYTES] {
    let digest = Sha256::new().chain_update(key).chain_update(random).finalize();
    std::array::from_fn(|at| digest[at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ids_made_with_the_key_are_known() {
        let key = random_bytes();
        let id = file_id(&key);
        assert_eq!(id.len(), 33);
        assert!(is_file_id(&key, &id));
        assert!(!is_file_id(&random_bytes(), &id));
        for odd in ["", "1", "root", "../../etc/passwd", "1é", &id[1..], &format!("{id}A")] {
            assert!(!is_file_id(&key, odd), "{odd}");
        }
    }
}
