//! The words of names, each with the files that have it: how a search for `name contains` finds the
//! few files to look at.
//!
//! Whether a name really fits is decided by the name itself (`query::sql`); this index may only name
//! too many files, never too few. Long words are kept by their start, and a name of very many words
//! under the empty word, which every search looks at too.

use std::collections::BTreeSet;

use rusqlite::{Connection, params};

use super::{Result, Txn};
use crate::query;

/// How much of a word is kept, in characters.
const CHARACTERS_MAX: usize = 24;

/// The most words of one name that are kept apart.
const WORDS_MAX: usize = 32;

/// Files whose names have a word: those whose words lie in `first..=last`, and those of `""`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) first: String,
    pub(super) last: String,
}

/// Returns, for each word that a name must contain to fit, where the files that have it are.
pub(super) fn spans(wanted: &str) -> Vec<Span> {
    let line = query::words(wanted);
    let words: Vec<String> = line.split(' ').filter(|word| !word.is_empty()).map(start).collect();
    let last = words.len().saturating_sub(1);
    let span = |(at, word): (usize, String)| {
        // The last one is a prefix: nothing sorts behind the last character of all.
        let end = if at == last { format!("{word}{}", char::MAX) } else { word.clone() };
        Span { first: word, last: end }
    };
    words.into_iter().enumerate().map(span).collect()
}

/// Adds a file under the words of its name.
pub(super) fn add(txn: &Txn<'_>, file: i64, name: &str) -> Result<()> {
    Ok(insert(&txn.tx, file, name)?)
}

/// Takes a file away from under the words of the name that it had.
pub(super) fn remove(txn: &Txn<'_>, file: i64, name: &str) -> Result<()> {
    let mut statement = txn.tx.prepare_cached("DELETE FROM word WHERE word = ?1 AND file = ?2")?;
    for word in kept(name) {
        statement.execute(params![word, file])?;
    }
    Ok(())
}

/// Adds all files to an empty index. Root folders are never searched for.
pub(super) fn add_all(connection: &Connection) -> rusqlite::Result<()> {
    let mut files = connection.prepare(
        "SELECT seq, name FROM file WHERE seq NOT IN (SELECT root FROM principal WHERE root > 0)",
    )?;
    let mut files = files.query([])?;
    while let Some(row) = files.next()? {
        insert(connection, row.get(0)?, row.get_ref(1)?.as_str()?)?;
    }
    Ok(())
}

fn insert(connection: &Connection, file: i64, name: &str) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached("INSERT INTO word VALUES (?1, ?2)")?;
    for word in kept(name) {
        statement.execute(params![word, file])?;
    }
    Ok(())
}

/// Returns the words under which a file of this name is kept.
pub(super) fn kept(name: &str) -> BTreeSet<String> {
    let line = query::words(name);
    let mut words = BTreeSet::new();
    for word in line.split(' ').filter(|word| !word.is_empty()) {
        words.insert(start(word));
        if words.len() > WORDS_MAX {
            return BTreeSet::from([String::new()]);
        }
    }
    words
}

fn start(word: &str) -> String {
    word.chars().take(CHARACTERS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_last_word_is_a_prefix_and_long_ones_are_cut() {
        let span = |first: &str, last: &str| Span { first: first.into(), last: last.into() };
        let long = "x".repeat(CHARACTERS_MAX + 1);
        let cut = &long[1..];
        #[rustfmt::skip]
        let cases = [
            ("msg",              vec![span("msg", "msg\u{10FFFF}")]),
            ("A#b@",             vec![span("a", "a"), span("b", "b\u{10FFFF}")]),
            ("##",               vec![]),
            (long.as_str(),      vec![span(cut, &format!("{cut}\u{10FFFF}"))]),
        ];
        for (wanted, spans_) in cases {
            assert_eq!(spans(wanted), spans_, "{wanted}");
        }
        let many: String = (0..=WORDS_MAX).map(|word| format!("{word} ")).collect();
        assert_eq!(kept(&many), BTreeSet::from([String::new()]));
        assert_eq!(kept("a b a"), BTreeSet::from(["a".into(), "b".into()]));
        assert_eq!(kept("##"), BTreeSet::new());
    }

    proptest! {
        /// Whatever fits by its name is found under each word that was asked for.
        #[test]
        fn no_name_that_fits_is_missed(
            name in "[abcäİß# .0-9]{0,60}|(a[0-9]{1,2} ){30,36}", at in 0_usize..60, length in 1_usize..20
        ) {
            let part: String = name.chars().skip(at).take(length).collect();
            let line = query::words(&part);
            if !line.is_empty() && query::words(&name).contains(&line) {
                let kept = kept(&name);
                for span in spans(&part) {
                    let hit = |word: &String| word.is_empty() || (&span.first <= word && word <= &span.last);
                    prop_assert!(kept.iter().any(hit), "{:?} in {:?}", span, kept);
                }
            }
        }
    }
}
