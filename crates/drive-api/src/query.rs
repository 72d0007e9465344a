//! Builds what `files.list` searches for.
//!
//! A query is built, never concatenated: values are escaped (`\` and `'`), ids are checked.
//! Grammar: <https://developers.google.com/workspace/drive/api/guides/ref-search-terms>.

use crate::error::Error;
use crate::file::FOLDER;
use crate::id;

/// A search: all of its terms must hold.
///
/// `name_contains` means different things on different servers (Google matches the beginnings of
/// words), so callers look at the names again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    terms: Vec<Term>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Term {
    Named(String),
    NameContains(String),
    InFolder(String),
    Owner { email: String, is: bool },
    MediaType { media_type: String, is: bool },
    NotTrashed,
    AnyOf(Vec<Query>),
}

impl Query {
    /// Everything this account can see.
    pub fn all() -> Self {
        Self::default()
    }

    /// Only what has exactly this name.
    pub fn named(self, name: impl Into<String>) -> Self {
        self.with(Term::Named(name.into()))
    }

    /// Only what has this text in its name; see [`Query`] on what that means.
    pub fn name_contains(self, text: impl Into<String>) -> Self {
        self.with(Term::NameContains(text.into()))
    }

    /// Only what lies directly in the folder with this id.
    pub fn in_folder(self, id: impl Into<String>) -> Self {
        self.with(Term::InFolder(id.into()))
    }

    /// Only what this person owns.
    pub fn owned_by(self, email: impl Into<String>) -> Self {
        self.with(Term::Owner { email: email.into(), is: true })
    }

    /// Only what this account owns.
    pub fn mine(self) -> Self {
        self.owned_by("me")
    }

    /// Only what others own.
    pub fn not_mine(self) -> Self {
        self.with(Term::Owner { email: "me".to_owned(), is: false })
    }

    /// Only folders.
    pub fn folders(self) -> Self {
        self.with(Term::MediaType { media_type: FOLDER.to_owned(), is: true })
    }

    /// Anything but folders.
    pub fn files(self) -> Self {
        self.with(Term::MediaType { media_type: FOLDER.to_owned(), is: false })
    }

    /// Only what is not in the trash.
    pub fn not_trashed(self) -> Self {
        self.with(Term::NotTrashed)
    }

    /// Only what at least one of these finds. No restriction if none is given, or if one of them
    /// is [`Query::all`].
    pub fn any_of(self, queries: Vec<Self>) -> Self {
        let open = queries.is_empty() || queries.iter().any(|query| query.terms.is_empty());
        if open { self } else { self.with(Term::AnyOf(queries)) }
    }

    fn with(mut self, term: Term) -> Self {
        self.terms.push(term);
        self
    }

    /// Returns the text that Drive reads.
    ///
    /// # Errors
    /// [`Error::Invalid`] if a folder's id is none.
    pub fn render(&self) -> Result<String, Error> {
        let terms: Result<Vec<_>, _> = self.terms.iter().map(Term::render).collect();
        Ok(terms?.join(" and "))
    }

    /// The same search, one for each folder, if it asks for several folders at once.
    ///
    /// Drive sometimes answers nothing to `'a' in parents or 'b' in parents`, always if one of the
    /// folders is out of reach; then each is asked for by itself.
    pub(crate) fn one_by_one(&self) -> Option<Vec<Self>> {
        let is_folders = |term: &Term| match term {
            Term::AnyOf(queries) => {
                queries.len() > 1
                    && queries
                        .iter()
                        .all(|query| query.terms.iter().any(|t| matches!(t, Term::InFolder(_))))
            }
            _ => false,
        };
        let at = self.terms.iter().position(is_folders)?;
        let Term::AnyOf(folders) = &self.terms[at] else { return None };
        let each = |folder: &Self| {
            let mut terms = self.terms.clone();
            terms.splice(at..=at, folder.terms.iter().cloned());
            Self { terms }
        };
        Some(folders.iter().map(each).collect())
    }
}

impl Term {
    fn render(&self) -> Result<String, Error> {
        Ok(match self {
            Self::Named(name) => format!("name = {}", quoted(name)),
            Self::NameContains(text) => format!("name contains {}", quoted(text)),
            Self::InFolder(id) => format!("'{}' in parents", id::checked(id)?),
            Self::Owner { email, is } => format!("{}{} in owners", not(*is), quoted(email)),
            Self::MediaType { media_type, is } => {
                format!("mimeType {} {}", if *is { "=" } else { "!=" }, quoted(media_type))
            }
            Self::NotTrashed => "trashed = false".to_owned(),
            Self::AnyOf(queries) => {
                let each: Result<Vec<_>, Error> =
                    queries.iter().map(|query| Ok(format!("({})", query.render()?))).collect();
                format!("({})", each?.join(" or "))
            }
        })
    }
}

fn not(is: bool) -> &'static str {
    if is { "" } else { "not " }
}

fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\\', r"\\").replace('\'', r"\'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_reads_as_drive_wants_it() {
        let folder = "mimeType = 'application/vnd.google-apps.folder'";
        #[rustfmt::skip]
        let cases = [
            ("everything",   Query::all(), String::new()),
            ("quotes",       Query::all().named(r"o'b\c"), r"name = 'o\'b\\c'".to_owned()),
            ("folders",      Query::all().folders().mine(), format!("{folder} and 'me' in owners")),
            ("theirs",       Query::all().not_mine().not_trashed(),
                             "not 'me' in owners and trashed = false".to_owned()),
            ("contains",     Query::all().name_contains("a#b").owned_by("o'x@y"),
                             r"name contains 'a#b' and 'o\'x@y' in owners".to_owned()),
            ("either",       Query::all().not_trashed().any_of(vec![
                                 Query::all().in_folder("A"), Query::all().in_folder("B").named("n")]),
                             "trashed = false and (('A' in parents) or ('B' in parents and name = 'n'))".to_owned()),
        ];
        for (what, query, expected) in cases {
            assert_eq!(query.render().unwrap(), expected, "{what}");
        }
    }

    #[test]
    fn an_id_cannot_change_the_query() {
        assert!(Query::all().in_folder("x' in parents or 'root").render().is_err());
    }

    #[test]
    fn several_folders_can_be_asked_for_one_by_one() {
        let either = vec![Query::all().in_folder("A"), Query::all().in_folder("B")];
        let each = Query::all().files().any_of(either).one_by_one().unwrap();
        assert_eq!(
            each,
            [Query::all().files().in_folder("A"), Query::all().files().in_folder("B"),]
        );
        let names = vec![Query::all().named("A"), Query::all().named("B")];
        assert_eq!(Query::all().any_of(names).one_by_one(), None);
    }

    /// Reads a quoted value as Drive does; `None` if text is left over behind it.
    fn unquoted(text: &str) -> Option<String> {
        let mut chars = text.strip_prefix('\'')?.chars();
        let mut value = String::new();
        loop {
            match chars.next()? {
                '\\' => value.push(chars.next()?),
                '\'' => return chars.as_str().is_empty().then_some(value),
                other => value.push(other),
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn w12_no_value_can_leave_its_quotes(value in r"[a'\\ é]{0,12}|.*") {
            let text = Query::all().named(value.clone()).render().unwrap();
            let read = unquoted(text.strip_prefix("name = ").unwrap());
            assert_eq!(read, Some(value));
        }
    }
}
