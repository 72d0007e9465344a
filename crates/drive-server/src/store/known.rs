//! Whose tokens are, as far as it was looked up: every request brings one.
//!
//! Only this process takes tokens away (others may add accounts), so that what is known holds until
//! it expires or somebody revokes something. [`Known::forget`] is called once that is committed and
//! before it is answered; what was looked up before is then not learnt any more.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::tokens::Me;

/// Tokens that are known at once; with more, all are looked up anew.
const TOKENS_MAX: usize = 10_000;

type Hash = [u8; 32];

/// Who has which token, by its hash.
#[derive(Debug, Default)]
pub(crate) struct Known {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    turn: u64,
    holders: HashMap<Hash, Holder>,
}

/// Whose a token is, and until when.
#[derive(Debug, Clone)]
pub(crate) struct Holder {
    pub(crate) me: Me,
    pub(crate) expires_ms: Option<i64>,
}

/// The time of a look-up, as seen by revocations.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Turn(u64);

impl Known {
    /// Returns whose a token is, or the turn at which to look it up.
    pub(crate) fn get(&self, hash: &Hash, now_ms: i64) -> Result<Me, Turn> {
        let state = self.lock();
        match state.holders.get(hash) {
            Some(holder) if holder.expires_ms.is_none_or(|end| end > now_ms) => {
                Ok(holder.me.clone())
            }
            _ => Err(Turn(state.turn)),
        }
    }

    /// Remembers what was looked up, unless something was revoked since.
    pub(crate) fn learn(&self, turn: Turn, hash: Hash, holder: Holder) {
        let mut state = self.lock();
        if state.turn != turn.0 {
            return;
        }
        if state.holders.len() >= TOKENS_MAX {
            state.holders.clear();
        }
        state.holders.insert(hash, holder);
    }

    /// Forgets everything.
    pub(super) fn forget(&self) {
        let mut state = self.lock();
        state.turn += 1;
        state.holders.clear();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(expires_ms: Option<i64>) -> Holder {
        let me = Me { principal: 7, email: "a@x".to_owned(), root: "r".to_owned() };
        Holder { me, expires_ms }
    }

    #[test]
    fn a_token_is_known_until_it_expires_or_something_is_revoked() {
        let known = Known::default();
        let turn = known.get(&[1; 32], 0).unwrap_err();
        known.learn(turn, [1; 32], holder(Some(10)));
        known.learn(turn, [2; 32], holder(None));
        assert_eq!(known.get(&[1; 32], 9).unwrap().principal, 7);
        assert!(known.get(&[1; 32], 10).is_err());
        assert!(known.get(&[2; 32], i64::MAX).is_ok());
        known.forget();
        assert!(known.get(&[2; 32], 0).is_err());
    }

    #[test]
    fn what_was_looked_up_before_a_revocation_is_not_learnt_after_it() {
        let known = Known::default();
        let turn = known.get(&[1; 32], 0).unwrap_err();
        known.forget();
        known.learn(turn, [1; 32], holder(None));
        assert!(known.get(&[1; 32], 0).is_err());
    }

    #[test]
    fn no_number_of_tokens_takes_all_memory() {
        let known = Known::default();
        let turn = known.get(&[1; 32], 0).unwrap_err();
        for number in 0..2 * TOKENS_MAX + 5 {
            let mut hash = [0; 32];
            hash[..8].copy_from_slice(&number.to_le_bytes());
            known.learn(turn, hash, holder(None));
        }
        assert!(known.lock().holders.len() <= TOKENS_MAX);
    }
}
