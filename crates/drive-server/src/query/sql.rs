//! Writes an [`Expr`] as a condition in SQL on `file f`. Pure: values become parameters.

use rusqlite::types::Value;

use super::{Comparison, Expr, Term, TimeField, words};

const FOLDER: &str = "application/vnd.google-apps.folder";

/// SQL text with its parameters, in order.
#[derive(Debug, Default)]
pub(crate) struct Sql {
    pub(crate) text: String,
    pub(crate) values: Vec<Value>,
}

impl Sql {
    /// Appends SQL, which must not stem from a client.
    pub(crate) fn push(&mut self, text: &'static str) {
        self.text.push_str(text);
    }

    /// Appends a parameter.
    pub(crate) fn bind(&mut self, value: impl Into<Value>) {
        self.text.push('?');
        self.values.push(value.into());
    }
}

/// Appends the condition; `me` and `root` are the account's number and its root folder's id.
pub(crate) fn write(expr: &Expr, me: i64, root: &str, out: &mut Sql) {
    match expr {
        Expr::And(all) => write_all(all, " AND ", me, root, out),
        Expr::Or(all) => write_all(all, " OR ", me, root, out),
        Expr::Not(inner) => {
            out.push("NOT ");
            write(inner, me, root, out);
        }
        Expr::Term(term) => {
            out.push("(");
            write_term(term, me, root, out);
            out.push(")");
        }
    }
}

fn write_all(all: &[Expr], between: &'static str, me: i64, root: &str, out: &mut Sql) {
    out.push("(");
    for (at, expr) in all.iter().enumerate() {
        if at > 0 {
            out.push(between);
        }
        write(expr, me, root, out);
    }
    out.push(")");
}

fn write_term(term: &Term, me: i64, root: &str, out: &mut Sql) {
    match term {
        Term::Name { value, differs } => {
            out.push(if *differs { "f.name <> " } else { "f.name = " });
            out.bind(value.clone());
        }
        Term::Mime { value, differs } => {
            out.push(if *differs { "f.mime <> " } else { "f.mime = " });
            if value == FOLDER {
                // As in the index on folders, which SQLite does not use for a parameter.
                out.push("'application/vnd.google-apps.folder'");
            } else {
                out.bind(value.clone());
            }
        }
        Term::MimePrefix(value) => {
            out.push("substr(f.mime, 1, ");
            out.bind(i64::try_from(value.chars().count()).unwrap_or(i64::MAX));
            out.push(") = ");
            out.bind(value.clone());
        }
        Term::Words(value) => write_words(value, out),
        Term::Time { field, comparison, ms } => {
            out.push(match field {
                TimeField::Created => "f.created_ms",
                TimeField::Modified => "f.modified_ms",
            });
            out.push(sign(*comparison));
            out.bind(*ms);
        }
        Term::Trashed(true) => out.push("f.trashed = 1"),
        Term::Trashed(false) => out.push("f.trashed = 0"),
        Term::Starred(true) => out.push("0"), // nobody has starred anything
        Term::Starred(false) => out.push("1"),
        Term::SharedWithMe(wanted) => {
            out.push("EXISTS (SELECT 1 FROM permission d WHERE d.file = f.seq AND d.principal = ");
            out.bind(me);
            out.push(if *wanted { ")" } else { ") = 0" });
        }
        Term::Parent(id) => {
            // `IS` instead of `=`: without a parent this is false, not NULL, so that `not` works.
            out.push("f.parent IS (SELECT seq FROM file WHERE id = ");
            out.bind(if id == "root" { root.to_owned() } else { id.clone() });
            out.push(") AND f.parent IS NOT NULL");
        }
        Term::Owner(who) => {
            out.push("f.owner IS ");
            write_person(who, me, out);
        }
        Term::Writer(who) => write_access(who, 3, me, out),
        Term::Reader(who) => write_access(who, 1, me, out),
        Term::Property { kind, key, value } => {
            out.push("EXISTS (SELECT 1 FROM property WHERE file = f.seq AND kind = ");
            out.bind((*kind).to_owned());
            out.push(" AND key = ");
            out.bind(key.clone());
            out.push(" AND value = ");
            out.bind(value.clone());
            out.push(")");
        }
    }
}

/// `name contains`: the words in a row, the last one as a prefix. What has no words in it, such as
/// `'#'`, is looked for as it stands.
fn write_words(value: &str, out: &mut Sql) {
    let line = words(value);
    if line.is_empty() {
        out.push("instr(f.name, ");
        out.bind(value.to_owned());
    } else {
        out.push("instr(f.words, ");
        out.bind(line);
    }
    out.push(") > 0");
}

fn write_access(who: &str, rank: i64, me: i64, out: &mut Sql) {
    out.push("EXISTS (SELECT 1 FROM access r WHERE r.file = f.seq AND r.rank >= ");
    out.bind(rank);
    out.push(" AND r.principal = ");
    write_person(who, me, out);
    out.push(")");
}

fn write_person(who: &str, me: i64, out: &mut Sql) {
    if who == "me" {
        out.bind(me);
    } else {
        out.push("(SELECT id FROM principal WHERE email = ");
        out.bind(who.to_lowercase());
        out.push(")");
    }
}

fn sign(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::Equal => " = ",
        Comparison::Differs => " <> ",
        Comparison::Less => " < ",
        Comparison::LessOrEqual => " <= ",
        Comparison::Greater => " > ",
        Comparison::GreaterOrEqual => " >= ",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::parse;

    #[test]
    fn values_never_become_sql() {
        let hostile = "x') OR 1=1; DROP TABLE file; --";
        let quoted = hostile.replace('\'', "\\'");
        for query in [
            format!("name = '{quoted}'"),
            format!("name contains '{quoted}'"),
            format!("'{quoted}' in parents or '{quoted}' in owners"),
            format!("'{quoted}' in readers and mimeType contains '{quoted}'"),
            format!("appProperties has {{key='{quoted}' and value='{quoted}'}}"),
        ] {
            let mut out = Sql::default();
            write(&parse(&query).unwrap(), 7, "0Aroot", &mut out);
            assert!(!out.text.contains("DROP"), "{}", out.text);
            assert_eq!(out.text.matches('?').count(), out.values.len(), "{}", out.text);
        }
    }
}
