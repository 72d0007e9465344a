//! Carries out `files.list`: what matches a query and is listable for the account, in order, in
//! pages.
//!
//! A page token holds the sort keys of the last file told, so that paging goes on at the right
//! place although files come and go. It is bound to its query; it grants nothing.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rusqlite::{Connection, Statement, params_from_iter, types::Value};
use serde_json::Value as Json;

use super::{
    Refusal, Result,
    files::{self, FileRow, Wanted},
    ids,
    tokens::Me,
    ways::Way,
};

/// The longest statement that is kept ready for the next time, in bytes.
const KEPT_BYTES_MAX: usize = 2000;

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
pub(crate) fn page(
    connection: &Connection,
    me: &Me,
    search: &Search,
    wanted: Wanted,
) -> Result<Page> {
    let mark = mark(me, &search.source);
    if let Some(query) = &search.query {
        let pinned = query.pinned_parents();
        for id in &pinned {
            files::place(connection, me, id).map_err(|_| Refusal::NoFile(".".to_owned()))?;
        }
        // Drive answers nothing at all if one of several folders is out of reach.
        for id in query.parents().into_iter().filter(|id| !pinned.contains(id)) {
            if files::place(connection, me, id).is_err() {
                return Ok(Page { files: Vec::new(), next: None });
            }
        }
    }
    let way = Way::choose(connection, me, search.query.as_ref())?;
    let statement = statement(me, search, &mark, &way)?;
    let columns = search.order.len() + 1;
    // What is asked often is kept ready; what is long is a rare thing.
    let (mut kept, mut fresh);
    let prepared: &mut Statement<'_> = if statement.text.len() <= KEPT_BYTES_MAX {
        kept = connection.prepare_cached(&statement.text)?;
        &mut kept
    } else {
        fresh = connection.prepare(&statement.text)?;
        &mut fresh
    };
    let mut rows = prepared.query(params_from_iter(statement.values))?;
    let mut keys: Vec<Vec<Value>> = Vec::new();
    while let Some(row) = rows.next()? {
        keys.push((0..columns).map(|at| row.get(at)).collect::<rusqlite::Result<_>>()?);
    }
    let more = keys.len() > search.size;
    keys.truncate(search.size);
    let next = keys.last().filter(|_| more).map(|last| write_token(&mark, last));
    let seqs = keys.iter().filter_map(|key| match key.last() {
        Some(Value::Integer(seq)) => Some(*seq),
        _ => None,
    });
    Ok(Page { files: files::by_seqs(connection, me, seqs, wanted)?, next })
}

/// Writes the statement that returns the sort keys and numbers of one page's files.
fn statement(me: &Me, search: &Search, mark: &str, way: &Way) -> Result<Sql> {
    let mut out = Sql::default();
    out.push("SELECT ");
    for order in &search.order {
        out.push(order.column());
        out.push(", ");
    }
    out.push("f.seq FROM ");
    way.write(me, &mut out);
    out.push(" AND f.id <> ");
    out.bind(me.root.clone());
    if let Some(query) = &search.query {
        out.push(" AND ");
        sql::write(query, me.principal, &me.root, &mut out);
    }
    if let Some(token) = &search.token {
        let after = read_token(token, mark, search.order.len() + 1)?;
        out.push(" AND ");
        write_after(&search.order, &after, way, &mut out);
    }
    out.push(" ORDER BY ");
    for order in &search.order {
        out.push(order.column());
        out.push(if order.descending { " DESC, " } else { ", " });
    }
    out.push(way.number());
    out.push(" DESC LIMIT ");
    out.bind(i64::try_from(search.size).unwrap_or(i64::MAX - 1) + 1);
    Ok(out)
}

/// Writes "comes after these keys": `a <= A AND (a < A OR b <= B AND (b < B OR …))`. The first
/// comparison of each pair lets an index skip what was told.
fn write_after(order: &[Order], after: &[Value], way: &Way, out: &mut Sql) {
    let keys = order.iter().map(|key| (key.column(), key.descending));
    // What breaks ties: the newest first.
    let keys: Vec<(&'static str, bool)> = keys.chain([(way.number(), true)]).collect();
    for (at, ((column, descending), value)) in keys.iter().zip(after).enumerate() {
        let sign = if *descending { "<" } else { ">" };
        let last = at + 1 == keys.len();
        if !last {
            out.push("(");
            out.push(column);
            out.push(sign);
            out.push("= ");
            out.bind(value.clone());
            out.push(" AND (");
        }
        out.push(column);
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{
        query,
        store::{
            connect,
            edit::{self, Metadata},
            in_transaction, permissions, tokens,
        },
    };

    struct World {
        _data: tempfile::TempDir,
        connection: Connection,
        me: Me,
        folder: String,
    }

    impl World {
        /// A folder with so many files called `msg_0` and so on, and one file called `rare thing`.
        fn new(files: usize) -> Self {
            let data = tempfile::tempdir().unwrap();
            let mut connection = connect(data.path()).unwrap();
            connection.pragma_update(None, "synchronous", "OFF").unwrap();
            let [me, other] = ["a@x", "b@x"].map(|email| {
                in_transaction(&mut connection, 1, |txn| {
                    let me = tokens::ensure_account(txn, email)?;
                    tokens::add_secret(txn, me, email)
                })
                .unwrap();
                let hash = ids::hash(email);
                tokens::holder(&connection, hash, 1).unwrap().unwrap().me
            });
            let folder = in_transaction(&mut connection, 2, |txn| {
                let meta = |name: String, mime: &str| Metadata {
                    name: Some(name),
                    mime: Some(mime.to_owned()),
                    ..Metadata::default()
                };
                let top = edit::create(txn, &me, &meta("top".into(), files::FOLDER), None)?;
                for number in 0..files {
                    let mut meta = meta(format!("msg_{number}"), "text/plain");
                    meta.parents = Some(vec![top.id.clone()]);
                    edit::create(txn, &me, &meta, None)?;
                }
                let mut rare = meta("rare thing msg".into(), "odd/rare");
                let pair = [("k".to_owned(), Some("v".to_owned()))];
                rare.properties.insert("appProperties", pair.into());
                let theirs = edit::create(txn, &other, &rare, None)?;
                permissions::create(txn, &other, &theirs.id, "user", "a@x", 1, false)?;
                rare.parents = Some(vec![top.id.clone()]);
                edit::create(txn, &me, &rare, None)?;
                Ok(top.id)
            });
            let folder = folder.unwrap();
            Self { _data: data, connection, me, folder }
        }

        fn search(&self, q: &str, order: &str) -> Search {
            let q = q.replace('$', &self.folder);
            let query = (!q.is_empty()).then(|| query::parse(&q).unwrap());
            let order = query::parse_order(order).unwrap();
            Search { query, order, size: 1000, token: None, source: String::new() }
        }

        fn way(&self, q: &str) -> Way {
            let search = self.search(q, "");
            Way::choose(&self.connection, &self.me, search.query.as_ref()).unwrap()
        }

        fn plan(&self, q: &str, order: &str) -> Vec<String> {
            let search = self.search(q, order);
            let sql = statement(&self.me, &search, "", &self.way(q)).unwrap();
            let text = format!("EXPLAIN QUERY PLAN {}", sql.text);
            let mut prepared = self.connection.prepare(&text).unwrap();
            let rows = prepared.query_map(params_from_iter(sql.values), |row| row.get(3)).unwrap();
            rows.map(rusqlite::Result::unwrap).collect()
        }

        fn found(&self, q: &str, way: &Way) -> BTreeSet<i64> {
            let sql = statement(&self.me, &self.search(q, ""), "", way).unwrap();
            let mut prepared = self.connection.prepare(&sql.text).unwrap();
            let rows = prepared.query_map(params_from_iter(sql.values), |row| row.get(0)).unwrap();
            rows.map(rusqlite::Result::unwrap).collect()
        }
    }

    #[test]
    fn no_kind_of_query_passes_all_files() {
        let world = World::new(3);
        let folders = format!("mimeType='{}'", files::FOLDER);
        #[rustfmt::skip]
        let cases = [
            // query                                      order        the index that leads to the files       sorted
            ("",                                          "",          "access_principal (principal=?)",        false),
            ("trashed=false",                             "",          "access_principal (principal=?)",        false),
            ("not 'me' in owners",                        "",          "access_principal (principal=?)",        false),
            ("modifiedTime > '2020-01-01'",               "",          "access_principal (principal=?)",        false),
            ("name='a' or name='b'",                      "",          "access_principal (principal=?)",        false),
            ("not name='a'",                              "name",      "access_principal (principal=?)",        true),
            ("'$' in parents and trashed=false",          "name desc", "file_parent (parent=?)",                false),
            ("'$' in parents",                            "",          "file_parent (parent=?)",                true),
            ("'root' in parents",                         "",          "file_parent (parent=?)",                true),
            ("name='msg_1'",                              "",          "file_name (name=?)",                    true),
            ("name='msg_1' and 'me' in owners",           "",          "file_owner (owner=? AND name=?)",       true),
            ("name='msg_1' and 'a@x' in owners",          "",          "file_owner (owner=? AND name=?)",       true),
            ("name contains 'msg'",                       "",          "word USING PRIMARY KEY (word>? AND word<?)", true),
            ("fullText contains 'rare thing'",            "",          "word USING PRIMARY KEY (word>? AND word<?)", true),
            ("appProperties has {key='k' and value='v'}", "",          "property_value (kind=? AND key=? AND value=?)", true),
            ("sharedWithMe",                              "",          "permission_principal (principal=?)",    true),
            ("mimeType='text/plain'",                     "",          "file_kind (mime>? AND mime<?)",         true),
            ("mimeType contains 'text/'",                 "",          "file_kind (mime>? AND mime<?)",         true),
            (folders.as_str(),                            "name",      "access_folder (principal=?)",           true),
            (folders.as_str(),                            "",          "access_folder (principal=?)",           false),
        ];
        for (q, order, index, sorted) in cases {
            let plan = world.plan(q, order);
            let all = plan.join("\n");
            assert!(plan.iter().any(|line| line.contains(index)), "{q} needs {index}:\n{all}");
            // The files of a word are gathered first: what is passed is that, not a table.
            let passed = |line: &&String| line.starts_with("SCAN") && *line != "SCAN w";
            assert_eq!(plan.iter().find(passed), None, "{q}:\n{all}");
            assert_eq!(all.contains("FOR ORDER BY"), sorted, "{q}:\n{all}");
        }
    }

    #[test]
    fn the_way_is_the_one_with_the_fewest_files() {
        let world = World::new(4100);
        let folder: i64 = world
            .connection
            .query_row("SELECT seq FROM file WHERE id = ?1", [&world.folder], |row| row.get(0))
            .unwrap();
        let rare = |way| matches!(way, Way::Word(span) if span.first == "rare");
        assert_eq!(world.way("name contains 'msg'"), Way::Account, "there are too many");
        assert_eq!(world.way("mimeType='text/plain'"), Way::Account);
        assert!(rare(world.way("name contains 'rare thing msg'")));
        assert!(rare(world.way("name contains 'msg' and name contains 'rare' and '$' in parents")));
        assert_eq!(world.way("name contains 'msg' and '$' in parents"), Way::Folder(folder));
        assert_eq!(world.way("name contains 'rare' or trashed"), Way::Account, "not pinned");
        assert_eq!(world.way("not name contains 'rare'"), Way::Account);
        let folders = format!("mimeType='{}'", files::FOLDER);
        assert_eq!(world.way(&folders), Way::Folders);
        let named = world.way("'$' in parents and name='msg_7'");
        assert!(matches!(named, Way::Name { own: false, .. }), "{named:?}");
        let odd = world.way("mimeType='odd/rare' and name contains 'msg'");
        assert!(matches!(odd, Way::Kind(_)), "{odd:?}");
    }

    #[test]
    fn every_way_finds_what_the_longest_way_finds() {
        let world = World::new(12);
        for q in [
            "name contains 'msg_1'",
            "name contains 'rare'",
            "name contains 'thing msg' and trashed=false",
            "fullText contains 'msg' and not 'me' in owners",
            "name='msg_3' and '$' in parents",
            "name='rare thing msg' and 'me' in owners",
            "appProperties has {key='k' and value='v'}",
            "sharedWithMe",
            "mimeType contains 'odd'",
            "mimeType='text/plain' and '$' in parents",
            "mimeType='application/vnd.google-apps.folder'",
        ] {
            let way = world.way(q);
            assert_ne!(way, Way::Account, "{q}");
            let found = world.found(q, &way);
            assert_eq!(found, world.found(q, &Way::Account), "{q} by {way:?}");
            assert!(!found.is_empty(), "{q}");
        }
    }
}
