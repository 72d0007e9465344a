//! `fields`: which parts of an answer a client wants. Pure.
//!
//! `files(id, name),nextPageToken`, `user/emailAddress`, `*`; blanks do not count.

use std::collections::BTreeMap;

use serde_json::Value;

use super::api_error::ApiError;

/// The longest mask, in bytes, and its deepest nesting.
const BYTES_MAX: usize = 8 * 1024;
const DEPTH_MAX: usize = 16;

/// Which parts are wanted: all, or these with their own masks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mask {
    All,
    Only(BTreeMap<String, Self>),
}

impl Mask {
    /// Parses a mask; `default` is used if the client sent none.
    pub(crate) fn parse(text: Option<&str>, default: &str) -> Result<Self, ApiError> {
        let text = text.filter(|text| !text.trim().is_empty()).unwrap_or(default);
        let error = || invalid(text);
        if text.len() > BYTES_MAX {
            return Err(error());
        }
        let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let mut rest = text.as_str();
        let mask = group(&mut rest, 0).ok_or_else(error)?;
        if rest.is_empty() { Ok(mask) } else { Err(error()) }
    }

    /// Refuses parts that are none of these: a misspelt one would silently be missing.
    pub(crate) fn check(self, known: &[&str]) -> Result<Self, ApiError> {
        match &self {
            Self::All => Ok(self),
            Self::Only(parts) => match parts.keys().find(|name| !known.contains(&name.as_str())) {
                Some(odd) => Err(invalid(odd)),
                None => Ok(self),
            },
        }
    }

    /// True if a part of this name is wanted.
    pub(crate) fn wants(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(parts) => parts.contains_key(name),
        }
    }

    /// Returns the mask of one part.
    pub(crate) fn part(&self, name: &str) -> Self {
        match self {
            Self::All => Self::All,
            Self::Only(parts) => parts.get(name).cloned().unwrap_or(Self::All),
        }
    }

    /// Leaves of a value what is wanted; of a list, in each of its elements.
    pub(crate) fn apply(&self, value: Value) -> Value {
        let Self::Only(parts) = self else { return value };
        match value {
            Value::Array(all) => all.into_iter().map(|one| self.apply(one)).collect(),
            Value::Object(object) => {
                let wanted = object.into_iter().filter_map(|(key, value)| {
                    let part = parts.get(&key)?;
                    Some((key, part.apply(value)))
                });
                Value::Object(wanted.collect())
            }
            other => other,
        }
    }

    /// Returns an object of those parts that are wanted and there, which are not looked into.
    pub(crate) fn choose<const N: usize>(&self, parts: [(&str, Option<Value>); N]) -> Value {
        let wanted = parts.into_iter().filter(|(name, _)| self.wants(name));
        let there = wanted.filter_map(|(name, value)| Some((name.to_owned(), value?)));
        Value::Object(there.collect())
    }

    fn merge(&mut self, other: Self) {
        match (&mut *self, other) {
            (Self::Only(mine), Self::Only(others)) => {
                for (name, part) in others {
                    insert(mine, name, part);
                }
            }
            (mine, _) => *mine = Self::All,
        }
    }
}

fn invalid(text: &str) -> ApiError {
    let start: String = text.chars().take(200).collect();
    let message = format!("Invalid field selection {start}");
    ApiError::new(hyper::StatusCode::BAD_REQUEST, "invalidParameter", message)
}

fn insert(parts: &mut BTreeMap<String, Mask>, name: String, part: Mask) {
    match parts.entry(name) {
        std::collections::btree_map::Entry::Vacant(entry) => {
            entry.insert(part);
        }
        std::collections::btree_map::Entry::Occupied(mut entry) => entry.get_mut().merge(part),
    }
}

/// Reads `a,b(c),d/e` up to the end or a closing parenthesis.
fn group(rest: &mut &str, depth: usize) -> Option<Mask> {
    if depth > DEPTH_MAX {
        return None;
    }
    let mut parts = BTreeMap::new();
    let mut all = false;
    loop {
        let (name, part) = path(rest, depth)?;
        if name == "*" {
            all = true;
        } else {
            insert(&mut parts, name, part);
        }
        match rest.strip_prefix(',') {
            Some(after) => *rest = after,
            None => return Some(if all { Mask::All } else { Mask::Only(parts) }),
        }
    }
}

/// Reads `a`, `a(…)` or `a/…`.
fn path(rest: &mut &str, depth: usize) -> Option<(String, Mask)> {
    let part = |c: char| c.is_ascii_alphanumeric() || "_-*".contains(c);
    let length = rest.find(|c| !part(c)).unwrap_or(rest.len());
    if length == 0 || depth > DEPTH_MAX {
        return None;
    }
    let name = rest[..length].to_owned();
    *rest = &rest[length..];
    if let Some(after) = rest.strip_prefix('(') {
        *rest = after;
        let inner = group(rest, depth + 1)?;
        *rest = rest.strip_prefix(')')?;
        return Some((name, inner));
    }
    if let Some(after) = rest.strip_prefix('/') {
        *rest = after;
        let (inner, mask) = path(rest, depth + 1)?;
        let only = Mask::Only(BTreeMap::from([(inner.clone(), mask)]));
        return Some((name, if inner == "*" { Mask::All } else { only }));
    }
    Some((name, Mask::All))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn an_unknown_part_is_refused() {
        let mask = |text| Mask::parse(Some(text), "*").unwrap().check(&["id", "name"]);
        assert!(mask("id,name").is_ok() && mask("*").is_ok());
        assert!(mask("id,nmae").is_err());
    }

    #[test]
    fn a_mask_leaves_what_it_names() {
        let all = json!({"kind": "k", "next": "t", "files": [{"id": "1", "name": "a"},
                         {"id": "2", "name": "b"}], "user": {"me": true, "mail": "m"}});
        #[rustfmt::skip]
        let cases = [
            ("files(id), next",        json!({"next": "t", "files": [{"id": "1"}, {"id": "2"}]})),
            ("files/id",               json!({"files": [{"id": "1"}, {"id": "2"}]})),
            ("files/name,files/id",    all["files"].clone()),
            ("files(*),user(mail)",    json!({"files": all["files"], "user": {"mail": "m"}})),
            ("user",                   json!({"user": {"me": true, "mail": "m"}})),
            ("nothing",                json!({})),
            ("*",                      all.clone()),
        ];
        for (mask, wanted) in cases {
            let wanted = if wanted.is_array() { json!({"files": wanted}) } else { wanted };
            let got = Mask::parse(Some(mask), "*").unwrap().apply(all.clone());
            assert_eq!(got, wanted, "{mask}");
        }
    }

    #[test]
    fn a_broken_mask_is_refused() {
        let deep = format!("{}a{}", "a(".repeat(40), ")".repeat(40));
        let slashes = vec!["a"; 40].join("/");
        for mask in ["a(", "a)", "a,", "(a)", "a//b", "a(b", "a b(c))", "\"a\"", &deep, &slashes] {
            assert!(Mask::parse(Some(mask), "*").is_err(), "{mask}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_mask_panic(text in "[a-c(),/* ]{0,80}") {
            let _ = Mask::parse(Some(&text), "*");
        }
    }
}
