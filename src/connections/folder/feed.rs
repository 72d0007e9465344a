//! The change feed of a shared folder: what an account sees now against what it saw then. Pure.
//!
//! A token is the account's sight in short: for each entry 16 bytes of its id and 8 of a digest of
//! what it looks like. So the feed needs no log, no daemon and no clock; nothing that happens
//! between two looks can be missed, not even what was done to the folder by hand; and it cannot
//! tell of what the account may not see. The price is a token of 32 letters for each entry.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use super::store;
use crate::connections::{Change, Changes, Entry, Error, FileId, PageToken, Result};

const ID_BYTES: usize = 16;
const LOOK_BYTES: usize = 8;
const CHECK_BYTES: usize = 8;

type Id = [u8; ID_BYTES];
type Look = [u8; LOOK_BYTES];

/// Returns the token for a sight.
pub(super) fn token(sight: &[Entry]) -> PageToken {
    let mut body = Vec::with_capacity(sight.len() * (ID_BYTES + LOOK_BYTES));
    for (id, look) in short(sight) {
        body.extend_from_slice(&id);
        body.extend_from_slice(&look);
    }
    let check = &Sha256::digest(&body)[..CHECK_BYTES];
    PageToken(URL_SAFE_NO_PAD.encode([check, &body].concat()))
}

/// Returns how `sight` differs from that of `since`.
///
/// # Errors
/// [`Error::TokenExpired`] if `since` is no token.
pub(super) fn changes(sight: &[Entry], since: &PageToken) -> Result<Changes> {
    let mut before = parse(&since.0).ok_or(Error::TokenExpired)?;
    let now = short(sight);
    let mut changed: Vec<&Entry> = sight
        .iter()
        .filter(|entry| {
            let id = short_id(&entry.id);
            id.is_some_and(|id| before.remove(&id).as_ref() != now.get(&id))
        })
        .collect();
    // As near to the order of events as anybody can tell: parents are older than their content.
    changed.sort_by_key(|entry| entry.created_micros);
    let present = changed.into_iter().map(|entry| Change::Present(entry.clone()));
    let gone = before.keys().map(|id| Change::Gone(store::id_of(&hex::encode(id))));
    Ok(Changes { changes: present.chain(gone).collect(), next: token(sight), is_all: true })
}

fn short(sight: &[Entry]) -> BTreeMap<Id, Look> {
    sight.iter().filter_map(|entry| Some((short_id(&entry.id)?, look(entry)))).collect()
}

fn short_id(id: &FileId) -> Option<Id> {
    let mut bytes = Id::default();
    hex::decode_to_slice(id.as_str().get(1..)?, &mut bytes).ok()?;
    Some(bytes)
}

/// A digest of all that the account sees of an entry. Each part is ended by a byte that is not in
/// text, so that no two looks run into one another.
fn look(entry: &Entry) -> Look {
    let mut digest = Sha256::new();
    let mut part = |bytes: &[u8]| {
        digest.update(bytes);
        digest.update([0xff]);
    };
    part(entry.name.as_bytes());
    part(entry.owner.as_ref().map_or("", |owner| owner.as_str()).as_bytes());
    for number in [entry.size_bytes.cast_signed(), entry.created_micros, entry.revision] {
        part(number.to_string().as_bytes());
    }
    for parent in &entry.parents {
        part(parent.as_str().as_bytes());
    }
    for (key, value) in &entry.tags {
        part(key.as_bytes());
        part(value.as_bytes());
    }
    let mut short = Look::default();
    short.copy_from_slice(&digest.finalize()[..LOOK_BYTES]);
    short
}

fn parse(token: &str) -> Option<BTreeMap<Id, Look>> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    let (check, body) = bytes.split_at_checked(CHECK_BYTES)?;
    if Sha256::digest(body)[..CHECK_BYTES] != *check {
        return None;
    }
    let rows = body.chunks(ID_BYTES + LOOK_BYTES);
    rows.map(|row| {
        let (id, look) = row.split_at_checked(ID_BYTES)?;
        Some((id.try_into().ok()?, look.try_into().ok()?))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connections::Kind;

    fn entry(digit: char, revision: i64) -> Entry {
        Entry {
            id: FileId::parse(&format!("f{}", digit.to_string().repeat(32))).unwrap(),
            name: "a".to_owned(),
            kind: Kind::File,
            size_bytes: 0,
            owner: None,
            is_mine: false,
            parents: Vec::new(),
            created_micros: 0,
            revision,
            tags: BTreeMap::new(),
        }
    }

    #[test]
    fn a_feed_is_the_difference_of_two_sights() {
        let [a, b, c] = [entry('a', 1), entry('b', 1), entry('c', 1)];
        let b_changed = entry('b', 2);
        let since = token(&[a.clone(), b, c.clone()]);
        let now = [a, b_changed.clone(), entry('d', 1)];
        let changes = changes(&now, &since).unwrap();
        let wanted =
            [Change::Present(b_changed), Change::Present(entry('d', 1)), Change::Gone(c.id)];
        assert_eq!(changes.changes, wanted);
        assert_eq!(changes.next, token(&now));
    }

    #[test]
    fn a_damaged_token_is_none() {
        let good = token(&[entry('a', 1)]).0;
        for bad in [&good[1..], &good[..good.len() - 1], "", "AAAA", &good.to_lowercase()] {
            assert!(changes(&[], &PageToken(bad.to_owned())).is_err(), "{bad}");
        }
    }
}
