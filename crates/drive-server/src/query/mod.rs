//! Drive's search language, `q` of `files.list`: text → tokens → [`Expr`] → SQL.
//!
//! Pure. Bounded in length, nesting and number of terms, so that no query can exhaust the stack or
//! SQLite's limits. Every value becomes a bound parameter; none is ever part of the SQL text.
//!
//! Source: <https://developers.google.com/workspace/drive/api/guides/ref-search-terms>.

mod lexer;
mod order;
mod parser;
pub(crate) mod sql;

pub(crate) use order::{Order, parse_order};
pub(crate) use parser::parse;
pub(crate) use sql::Sql;

/// The longest query, in bytes.
pub(crate) const QUERY_BYTES_MAX: usize = 32 * 1024;

/// The deepest nesting of parentheses and `not`.
pub(crate) const DEPTH_MAX: usize = 32;

/// The most terms; below SQLite's limit of 1000 for the depth of an expression.
pub(crate) const TERMS_MAX: usize = 400;

/// A query that is not one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the query is not understood")]
pub(crate) struct BadQuery;

/// A parsed query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Expr {
    And(Vec<Self>),
    Or(Vec<Self>),
    Not(Box<Self>),
    Term(Term),
}

/// One comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Term {
    /// `name = 'x'`; the flag says that it must differ.
    Name {
        value: String,
        differs: bool,
    },
    /// `name contains 'x'`, `fullText contains 'x'`: words in a row, the last as a prefix.
    Words(String),
    Mime {
        value: String,
        differs: bool,
    },
    /// `mimeType contains 'x'`: a prefix.
    MimePrefix(String),
    Time {
        field: TimeField,
        comparison: Comparison,
        ms: i64,
    },
    Trashed(bool),
    Starred(bool),
    SharedWithMe(bool),
    /// `'x' in parents`; `root` is the account's own.
    Parent(String),
    /// `'x' in owners`; `me` is the account itself.
    Owner(String),
    Writer(String),
    Reader(String),
    Property {
        kind: &'static str,
        key: String,
        value: String,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimeField {
    Created,
    Modified,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    Differs,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Expr {
    /// Returns the terms that hold for every match.
    pub(crate) fn pinned(&self) -> Vec<&Term> {
        match self {
            Self::Term(term) => vec![term],
            Self::And(all) => all.iter().flat_map(Self::pinned).collect(),
            Self::Or(_) | Self::Not(_) => Vec::new(),
        }
    }

    /// Returns the folders that every match must lie in.
    pub(crate) fn pinned_parents(&self) -> Vec<&str> {
        fn parent(term: &Term) -> Option<&str> {
            match term {
                Term::Parent(id) => Some(id),
                _ => None,
            }
        }
        self.pinned().into_iter().filter_map(parent).collect()
    }

    /// Returns all folders that the query wants matches to lie in, one or the other.
    pub(crate) fn parents(&self) -> Vec<&str> {
        match self {
            Self::Term(Term::Parent(id)) => vec![id],
            Self::And(all) | Self::Or(all) => all.iter().flat_map(Self::parents).collect(),
            _ => Vec::new(),
        }
    }
}

/// Returns the words of a name in one line: lower case, each after a blank. `name contains` looks
/// for such a line of its own in it.
pub(crate) fn words(text: &str) -> String {
    let mut line = String::with_capacity(text.len() + 1);
    for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        line.push(' ');
        line.extend(word.chars().flat_map(char::to_lowercase));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_runs_of_letters_and_digits() {
        #[rustfmt::skip]
        let cases = [
            ("syft_datasite#0.1.117#a@b.c", " syft datasite 0 1 117 a b c"),
            ("Été 2026",                    " été 2026"),
            ("##",                          ""),
            ("",                            ""),
        ];
        for (name, line) in cases {
            assert_eq!(words(name), line, "{name}");
        }
    }

    #[test]
    fn parents_are_pinned_only_by_and() {
        let query =
            parse("trashed=false and 'a' in parents and ('b' in parents or 'c' in parents)")
                .unwrap();
        assert_eq!(query.pinned_parents(), ["a"]);
        assert_eq!(query.parents(), ["a", "b", "c"]);
        assert_eq!(parse("not 'a' in parents").unwrap().parents(), Vec::<&str>::new());
    }
}
