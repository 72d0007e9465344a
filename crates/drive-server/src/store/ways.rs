//! Which way a search goes to its files: through the folder, the name, the words, the property or
//! the type that every match must have, whichever names the fewest, or through all that the account
//! reaches.
//!
//! The way only says where to look: the whole query is put to each file that it leads to. So a way
//! may lead to too many files, never past one. It is written so that SQLite has no other choice,
//! since it knows nothing of how many files there are of what.

use rusqlite::{Connection, OptionalExtension as _, params_from_iter, types::Value};

use super::{
    Result,
    files::FOLDER,
    tokens::Me,
    words::{self, Span},
};
use crate::query::{Expr, Sql, Term};

/// A way with more files than this is no better than all that the account reaches.
const FEW: i64 = 4000;

/// A way with no more files than this is not worth looking for a better one.
const VERY_FEW: i64 = 16;

/// Words of a query that are looked at, the first ones.
const WORDS_MAX: usize = 8;

/// A way to files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Way {
    /// All that the account reaches, the newest first.
    Account,
    /// All that lies in a folder, by name.
    Folder(i64),
    /// All of a name, the account's own if so wished.
    Name { name: String, own: bool },
    /// All with a word in their names.
    Word(Span),
    /// All with a property.
    Property { kind: &'static str, key: String, value: String },
    /// All folders that the account reaches, the newest first.
    Folders,
    /// All of a type, or of types that start alike.
    Kind(Span),
    /// All that are shared with the account itself.
    Shared,
}

impl Way {
    /// Chooses the way for a query.
    pub(super) fn choose(connection: &Connection, me: &Me, query: Option<&Expr>) -> Result<Self> {
        let pinned = query.map(Expr::pinned).unwrap_or_default();
        let mut best = (Self::Account, FEW);
        let mut long = None;
        for way in candidates(connection, me, &pinned)? {
            let count = way.count(connection, me, best.1)?;
            if count < best.1 {
                best = (way, count);
            } else if matches!(way, Self::Folder(_) | Self::Folders) {
                long = long.or(Some(way));
            }
            if best.1 <= VERY_FEW {
                break;
            }
        }
        // Very many files of a folder, or folders, are still less than everything.
        match (best.0, long) {
            (Self::Account, Some(long)) => Ok(long),
            (way, _) => Ok(way),
        }
    }

    /// Counts the files on this way, up to `most`.
    fn count(&self, connection: &Connection, me: &Me, most: i64) -> Result<i64> {
        let mut sql = Sql::default();
        sql.push("SELECT count(*) FROM (SELECT 1 FROM ");
        self.write_source(&mut sql);
        sql.push(" WHERE ");
        self.write_condition(me, &mut sql);
        sql.push(" LIMIT ");
        sql.bind(most);
        sql.push(")");
        let mut statement = connection.prepare_cached(&sql.text)?;
        Ok(statement.query_row(params_from_iter(sql.values), |row| row.get(0))?)
    }

    /// Writes the way as the source of a statement: files `f` with the account's access `a`, and
    /// the start of its condition.
    pub(super) fn write(&self, me: &Me, out: &mut Sql) {
        match self {
            Self::Account => {
                out.push("access a CROSS JOIN file f ON f.seq = a.file WHERE a.principal = ");
                out.bind(me.principal);
                return;
            }
            Self::Folders => {
                self.write_source(out);
                out.push(" CROSS JOIN file f ON f.seq = a.file WHERE ");
                self.write_condition(me, out);
                return;
            }
            Self::Folder(folder) => {
                // The files themselves are in the order of the index here.
                out.push(
                    "file f INDEXED BY file_parent CROSS JOIN access a ON a.file = f.seq
                     AND a.principal = ",
                );
                out.bind(me.principal);
                out.push(" WHERE f.parent = ");
                out.bind(*folder);
                return;
            }
            Self::Word(span) => {
                // A name may have several words in the span, and a file is found once.
                out.push("(SELECT file FROM word WHERE word BETWEEN ");
                out.bind(span.first.clone());
                out.push(" AND ");
                out.bind(span.last.clone());
                out.push(" UNION SELECT file FROM word WHERE word = '') w");
            }
            _ => self.write_source(out),
        }
        // Whether the account reaches it is known before the file is read.
        out.push(" CROSS JOIN access a ON a.file = ");
        out.push(match self {
            Self::Word(_) => "w.file",
            Self::Property { .. } | Self::Shared => "d.file",
            _ => "k.seq",
        });
        out.push(" AND a.principal = ");
        out.bind(me.principal);
        out.push(" CROSS JOIN file f ON f.seq = a.file WHERE ");
        match self {
            Self::Word(_) => out.push("1"),
            _ => self.write_condition(me, out),
        }
    }

    fn write_source(&self, out: &mut Sql) {
        out.push(match self {
            Self::Account => "access a INDEXED BY access_principal",
            Self::Folders => "access a INDEXED BY access_folder",
            Self::Folder(_) => "file k INDEXED BY file_parent",
            Self::Name { own: false, .. } => "file k INDEXED BY file_name",
            Self::Name { own: true, .. } => "file k INDEXED BY file_owner",
            Self::Word(_) => "word w",
            Self::Property { .. } => "property d INDEXED BY property_value",
            Self::Kind(_) => "file k INDEXED BY file_kind",
            Self::Shared => "permission d INDEXED BY permission_principal",
        });
    }

    fn write_condition(&self, me: &Me, out: &mut Sql) {
        let between = |out: &mut Sql, span: &Span| {
            out.bind(span.first.clone());
            out.push(" AND ");
            out.bind(span.last.clone());
        };
        match self {
            Self::Account => {
                out.push("a.principal = ");
                out.bind(me.principal);
            }
            Self::Folders => {
                // As in the index, which SQLite does not use for a parameter.
                out.push("a.folder = 1 AND a.principal = ");
                out.bind(me.principal);
            }
            Self::Folder(folder) => {
                out.push("k.parent = ");
                out.bind(*folder);
            }
            Self::Name { name, own } => {
                out.push("k.name = ");
                out.bind(name.clone());
                if *own {
                    out.push(" AND k.owner = ");
                    out.bind(me.principal);
                }
            }
            Self::Word(span) => {
                out.push("w.word BETWEEN ");
                between(out, span);
            }
            Self::Property { kind, key, value } => {
                out.push("d.kind = ");
                out.bind((*kind).to_owned());
                out.push(" AND d.key = ");
                out.bind(key.clone());
                out.push(" AND d.value = ");
                out.bind(value.clone());
            }
            Self::Kind(span) => {
                out.push("k.mime BETWEEN ");
                between(out, span);
            }
            Self::Shared => {
                out.push("d.principal = ");
                out.bind(me.principal);
            }
        }
    }

    /// The column with the number of the file, by which this way can be in order.
    pub(super) const fn number(&self) -> &'static str {
        match self {
            Self::Account | Self::Folders => "a.file",
            _ => "f.seq",
        }
    }
}

/// Returns the ways that a query leaves open, those that mostly lead to few files first.
fn candidates(connection: &Connection, me: &Me, pinned: &[&Term]) -> Result<Vec<Way>> {
    let own = pinned.iter().any(
        |term| matches!(term, Term::Owner(who) if who == "me" || who.to_lowercase() == me.email),
    );
    let (mut ways, mut folders, mut kinds) = (Vec::new(), Vec::new(), Vec::new());
    for term in pinned {
        match term {
            Term::Name { value, differs: false } => {
                ways.push(Way::Name { name: value.clone(), own });
            }
            Term::Property { kind, key, value } => {
                let (key, value) = (key.clone(), value.clone());
                ways.push(Way::Property { kind, key, value });
            }
            Term::Parent(id) => folders.extend(folder(connection, me, id)?.map(Way::Folder)),
            Term::SharedWithMe(true) => kinds.push(Way::Shared),
            Term::Mime { value, differs: false } if value == FOLDER => kinds.push(Way::Folders),
            Term::Mime { value, differs: false } => {
                kinds.push(Way::Kind(Span { first: value.clone(), last: value.clone() }));
            }
            Term::MimePrefix(value) => {
                let last = format!("{value}{}", char::MAX);
                kinds.push(Way::Kind(Span { first: value.clone(), last }));
            }
            _ => {}
        }
    }
    let words = pinned.iter().filter_map(|term| match term {
        Term::Words(value) => Some(words::spans(value)),
        _ => None,
    });
    ways.append(&mut folders);
    ways.extend(words.flatten().take(WORDS_MAX).map(Way::Word));
    ways.append(&mut kinds);
    Ok(ways)
}

fn folder(connection: &Connection, me: &Me, id: &str) -> Result<Option<i64>> {
    let id = if id == "root" { me.root.as_str() } else { id };
    let mut statement = connection.prepare_cached("SELECT seq FROM file WHERE id = ?1")?;
    Ok(statement.query_row([Value::from(id.to_owned())], |row| row.get(0)).optional()?)
}
