//! From the strings and numbers of one entry to values of the product, one field at a time.
//!
//! Everything that entries of different kinds have in common is checked here and nowhere else.

use uuid::Uuid;

use super::content::Content;
use super::error::{Invalid, Problem};
use super::large::Body;
use crate::model::{DatasitePath, Digest, Email, Timestamp};

/// Reads the fields of one entry; knows the entry, so that every refusal names it.
pub(super) struct Fields {
    id: String,
    path: String,
}

impl Fields {
    /// Starts on the entry that calls itself `id` and is about `path`.
    pub(super) fn of(id: &str, path: &str) -> Self {
        Self { id: id.to_owned(), path: path.to_owned() }
    }

    pub(super) fn refuse(&self, field: &'static str, problem: impl Into<Problem>) -> Invalid {
        Invalid::new(&self.id, &self.path, field, problem.into())
    }

    pub(super) fn id(&self) -> Result<Uuid, Invalid> {
        Uuid::parse_str(&self.id).map_err(|_| self.refuse("id", Problem::Id))
    }

    pub(super) fn path(&self, field: &'static str) -> Result<DatasitePath, Invalid> {
        path(&self.path).map_err(|problem| self.refuse(field, problem))
    }

    pub(super) fn email(&self, field: &'static str, text: &str) -> Result<Email, Invalid> {
        Email::parse(text).map_err(|problem| self.refuse(field, problem))
    }

    pub(super) fn digest(
        &self,
        field: &'static str,
        text: Option<&str>,
    ) -> Result<Option<Digest>, Invalid> {
        text.map(Digest::parse).transpose().map_err(|problem| self.refuse(field, problem))
    }

    pub(super) fn timestamp(
        &self,
        field: &'static str,
        seconds: f64,
    ) -> Result<Timestamp, Invalid> {
        Timestamp::from_seconds(seconds).map_err(|problem| self.refuse(field, problem))
    }

    /// Returns the content; `None` if the change is a deletion, which then brings none.
    pub(super) fn content(
        &self,
        content: Option<Body>,
        kind: Option<&str>,
        is_deleted: bool,
    ) -> Result<Option<Content>, Invalid> {
        match (content, is_deleted) {
            (None, true) => Ok(None),
            (None, false) => Err(self.refuse("content", Problem::Missing)),
            (Some(_), true) => Err(self.refuse("content", Problem::Contradicts)),
            (Some(content), false) => {
                content.check(kind).map(Some).map_err(|problem| self.refuse("content", problem))
            }
        }
    }
}

/// Reads a path in any of the forms that Python takes for the same: `a//b`, `a/./b`, `a/`.
/// `..` and absolute paths are refused, whatever they lead to.
pub(super) fn path(text: &str) -> Result<DatasitePath, Problem> {
    if text.starts_with('/') {
        return Ok(DatasitePath::parse(text)?); // says what is wrong with it
    }
    let parts: Vec<_> = text.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    Ok(DatasitePath::parse(&parts.join("/"))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_in_the_forms_that_python_normalises() {
        #[rustfmt::skip]
        let cases = [
            ("plain",           "a/b.txt",      Some("a/b.txt")),
            ("doubled slash",   "a//b.txt",     Some("a/b.txt")),
            ("a dot part",      "a/./b.txt",    Some("a/b.txt")),
            ("leading dot",     "./a",          Some("a")),
            ("trailing slash",  "a/b/",         Some("a/b")),
            ("absolute",        "/a",           None),
            ("doubly absolute", "//a",          None),
            ("a way up",        "a/../b",       None),
            ("only dots",       "./.",          None),
            ("nothing",         "",             None),
            ("a NUL",           "a\0b",         None),
        ];
        for (what, text, expected) in cases {
            assert_eq!(path(text).ok().as_ref().map(DatasitePath::as_str), expected, "{what}");
        }
    }
}
