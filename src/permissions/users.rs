//! Whom an entry of a rule covers.
//!
//! `*` is everybody; an entry with `*` or `?` is a wildcard over the whole address, in which
//! `[..]` works too (Python's `fnmatch`); anything else is compared exactly, letter case included.
//! `USER` is the requester where the rule's pattern names `{{.UserEmail}}`, else everybody.

use super::class::Class;
use super::rules::{Access, Level};
use super::wildcard::{self, Token};

/// The entry that stands for the requesting user.
pub(super) const USER_PLACEHOLDER: &str = "USER";

/// One compiled entry.
#[derive(Clone, Debug)]
enum Entry {
    Everybody,
    Exact(String),
    Wildcard(Vec<Token>),
}

/// The compiled lists of one rule.
#[derive(Clone, Debug)]
pub(super) struct Lists([Vec<Entry>; 3]);

impl Lists {
    pub(super) fn compile(access: &Access) -> Self {
        Self(Level::ALL.map(|level| access.list(level).iter().map(|e| Entry::compile(e)).collect()))
    }

    /// Returns the highest level that `user` has by these lists.
    ///
    /// No difference is made for rules with a template: they match nobody but the requester, so
    /// `USER` as everybody comes to the same.
    pub(super) fn level(&self, user: &str) -> Option<Level> {
        let covered =
            |level: &Level| self.0[*level as usize].iter().any(|entry| entry.covers(user));
        Level::ALL.into_iter().rev().find(covered)
    }
}

/// True if `entry` of a rule covers `user`.
pub(super) fn covers(entry: &str, user: &str) -> bool {
    Entry::compile(entry).covers(user)
}

impl Entry {
    fn compile(text: &str) -> Self {
        if text == "*" || text == USER_PLACEHOLDER {
            Self::Everybody
        } else if text.contains(['*', '?']) {
            Self::Wildcard(tokens(&text.chars().collect::<Vec<_>>()))
        } else {
            Self::Exact(text.to_owned())
        }
    }

    fn covers(&self, user: &str) -> bool {
        match self {
            Self::Everybody => true,
            Self::Exact(address) => address == user,
            Self::Wildcard(tokens) => wildcard::matches(tokens, user),
        }
    }
}

fn tokens(mut text: &[char]) -> Vec<Token> {
    let mut tokens = Vec::new();
    while let [c, rest @ ..] = text {
        text = rest;
        tokens.push(match c {
            '*' => Token::Star,
            '?' => Token::Any,
            '[' => match Class::parse_entry(rest) {
                Some((class, length)) => {
                    text = &rest[length..];
                    Token::In(class)
                }
                None => Token::One('['),
            },
            c => Token::One(*c),
        });
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::covers;

    #[test]
    fn an_entry_covers_whom_it_says() {
        #[rustfmt::skip]
        let cases = [
            ("an address",                  "a@x.org",     "a@x.org",  true),
            ("letter case counts",          "A@x.org",     "a@x.org",  false),
            ("everybody",                   "*",           "a@x.org",  true),
            ("the placeholder",             "USER",        "a@x.org",  true),
            ("a domain",                    "*@x.org",     "a@x.org",  true),
            ("a domain, anchored",          "*@x.org",     "a@x.org.evil.net", false),
            ("a domain, dot is a dot",      "*@x.org",     "a@xyorg",  false),
            ("one character",               "?@x.org",     "a@x.org",  true),
            ("one character, not two",      "?@x.org",     "ab@x.org", false),
            ("a set without a wildcard",    "[ab]@x.org",  "a@x.org",  false),
            ("a set beside a wildcard",     "[ab]@*",      "a@x.org",  true),
            ("a negated set",               "[!ab]@*",     "a@x.org",  false),
            ("a caret is itself in a set",  "[^b]@*",      "a@x.org",  false),
            ("a bracket that never closes", "[*",          "[x",       true),
            ("a backwards range is empty",  "[z-a]*",      "a@x.org",  false),
            ("not backwards, negated",      "[!z-a]*",     "a@x.org",  true),
            ("nothing covers somebody",     "",            "a@x.org",  false),
        ];
        for (what, entry, user, expected) in cases {
            assert_eq!(covers(entry, user), expected, "{what}");
        }
    }

    #[test]
    fn many_stars_do_not_take_forever() {
        let entry = format!("{}b", "*a".repeat(500));
        assert!(!covers(&entry, &"a".repeat(2000)));
    }
}
