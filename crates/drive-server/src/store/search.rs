//! Carries out `files.list`: what matches a query and is listable for the account, in order, in
//! pages.
//!
//! A page token holds the sort keys of the last file told, so that paging goes on at the right
//! place although files come and go. It is bound to its query; it grants nothing.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rusqlite::{Connection, params_from_iter, types::Value};
use serde_json::Value as Json;

use super::{
    Refusal, Result, access,
    files::{self, FileRow},
    ids,
    tokens::Me,
};
use crate::query::{Expr, Order, Sql, sql};

/// What to search for.
#[derive(Debug, Clone)]
pub(crate) struct Search {
    pub(crate) query: Option<Expr>,
    pub(crate) order: Vec<Order>,
    pub(crate) size: usize,
    pub(crate) token: Option<String>,
    /// Text of query and order, to which a page token is bound.
    pub(crate) source: String,
}

/// One page of findings.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) files: Vec<FileRow>,
    pub(crate) next: Option<String>,
}

/// Returns one page. Refuses with [`Refusal::NoFile`] if the query asks for the content of a
/// folder that this account does not see, as Drive does.
pub(crate) fn page(connection: &Connection, me: &Me, search: &Search) -> Result<Page> {
    let mark = mark(me, &search.source);
    if let Some(query) = &search.query {
        for id in query.pinned_parents() {
            files::get(connection, me, id, access::READER)
                .map_err(|_| Refusal::NoFile(".".to_owned()))?;
        }
        // Drive answers nothing at all if one of several folders is out of reach.
        for id in query.parents() {
            if files::get(connection, me, id, access::READER).is_err() {
                return Ok(Page { files: Vec::new(), next: None });
            }
        }
    }
    let statement = statement(me, search, &mark)?;
    let mut prepared = connection.prepare(&statement.text)?;
    let columns = search.order.len() + 1;
    let mut rows = prepared.query(params_from_iter(statement.values))?;
    let mut keys: Vec<Vec<Value>> = Vec::new();
    while let Some(row) = rows.next()? {
        keys.push((0..columns).map(|at| row.get(at)).collect::<rusqlite::Result<_>>()?);
    }
    let more = keys.len() > search.size;
    keys.truncate(search.size);
    let next = keys.last().filter(|_| more).map(|last| write_token(&mark, last));
    let mut found = Vec::with_capacity(keys.len());
    for key in &keys {
        if let Some(Value::Integer(seq)) = key.last() {
            found.push(files::by_seq(connection, me, *seq)?);
        }
    }
    Ok(Page { files: found, next })
}

/// Writes the statement that returns the sort keys and numbers of one page's files.
fn statement(me: &Me, search: &Search, mark: &str) -> Result<Sql> {
    let mut out = Sql::default();
    out.push("SELECT ");
    for order in &search.order {
        out.push(order.column());
        out.push(", ");
    }
    out.push("f.seq FROM file f JOIN access a ON a.file = f.seq AND a.principal = ");
    out.bind(me.principal);
    out.push(" WHERE f.id <> ");
    out.bind(me.root.clone());
    if let Some(query) = &search.query {
        out.push(" AND ");
        sql::write(query, me.principal, &me.root, &mut out);
    }
    if let Some(token) = &search.token {
        let after = read_token(token, mark, search.order.len() + 1)?;
        out.push(" AND ");
        write_after(&search.order, &after, &mut out);
    }
    out.push(" ORDER BY ");
    for order in &search.order {
        out.push(order.column());
        out.push(if order.descending { " DESC, " } else { ", " });
    }
    out.push("f.seq DESC LIMIT ");
    out.bind(i64::try_from(search.size).unwrap_or(i64::MAX - 1) + 1);
    Ok(out)
}

/// Writes "comes after these keys": `a <= A AND (a < A OR b <= B AND (b < B OR …))`. The first
/// comparison of each pair lets an index skip what was told.
fn write_after(order: &[Order], after: &[Value], out: &mut Sql) {
    let newest_first = Order { key: crate::query::Key::Seq, descending: true };
    let keys: Vec<&Order> = order.iter().chain([&newest_first]).collect();
    for (at, (key, value)) in keys.iter().zip(after).enumerate() {
        let sign = if key.descending { "<" } else { ">" };
        let last = at + 1 == keys.len();
        if !last {
            out.push("(");
            out.push(key.column());
            out.push(sign);
            out.push("= ");
            out.bind(value.clone());
            out.push(" AND (");
        }
        out.push(key.column());
        out.push(sign);
        out.bind(value.clone());
        if !last {
            out.push(" OR ");
        }
    }
    for _ in 1..keys.len() {
        out.push("))");
    }
}

fn mark(me: &Me, source: &str) -> String {
    let text = format!("{}\0{source}", me.principal);
    URL_SAFE_NO_PAD.encode(&ids::hash(&text)[..12])
}

fn write_token(mark: &str, keys: &[Value]) -> String {
    let keys = keys.iter().map(|key| match key {
        Value::Integer(number) => Json::from(*number),
        Value::Text(text) => Json::from(text.as_str()),
        _ => Json::Null,
    });
    let token: Vec<Json> = [Json::from(mark)].into_iter().chain(keys).collect();
    format!("~!!~{}", URL_SAFE_NO_PAD.encode(Json::from(token).to_string()))
}

fn read_token(token: &str, mark: &str, count: usize) -> Result<Vec<Value>> {
    let read = || {
        let bytes = URL_SAFE_NO_PAD.decode(token.strip_prefix("~!!~")?).ok()?;
        let parts: Vec<Json> = serde_json::from_slice(&bytes).ok()?;
        let (first, keys) = parts.split_first()?;
        let fits = first.as_str() == Some(mark) && keys.len() == count;
        let value = |key: &Json| match key {
            Json::Number(number) => number.as_i64().map(Value::Integer),
            Json::String(text) => Some(Value::Text(text.clone())),
            _ => None,
        };
        fits.then(|| keys.iter().map(value).collect::<Option<Vec<_>>>())?
    };
    read().ok_or_else(|| Refusal::BadPageToken.into())
}
