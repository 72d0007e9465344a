//! The tables, and how a connection is set up.
//!
//! `file.parent` is one folder at most, as on Drive since 2020. `access` is derived: who reaches a
//! file and how, inherited or not; principal 0 is "anyone who has the link". `change` keeps the
//! last change of each file for each account; its numbers only grow. `word` is derived from names,
//! so that a search by words does not read them all (`words`).
//!
//! A data folder of an older release is brought up to date at its first opening, in one
//! transaction; an older release then refuses it.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, TransactionBehavior, config::DbConfig};

use super::{BUSY, ids, words};

/// Number of the tables' form; a data folder of a number that is not known is refused.
const VERSION: i64 = 3;

/// The form of the first release.
const FIRST: &str = "
CREATE TABLE setting (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;

CREATE TABLE principal (
    id            INTEGER PRIMARY KEY,
    kind          TEXT NOT NULL,           -- user, group, anyone
    email         TEXT NOT NULL UNIQUE,    -- lower case
    permission_id TEXT NOT NULL UNIQUE,
    root          INTEGER REFERENCES file (seq)  -- of an account; NULL: somebody without one
) STRICT;

CREATE TABLE token (
    hash       BLOB PRIMARY KEY,           -- SHA-256 of the secret
    principal  INTEGER NOT NULL REFERENCES principal (id),
    kind       TEXT NOT NULL,              -- secret, access, refresh, code
    client     TEXT,
    grant_hash BLOB,                       -- of an access token: the refresh token it stems from
    redirect   TEXT,
    challenge  TEXT,
    expires_ms INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX token_grant ON token (grant_hash) WHERE grant_hash IS NOT NULL;

CREATE TABLE file (
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,
    id          TEXT NOT NULL UNIQUE,
    name        TEXT NOT NULL,
    words       TEXT NOT NULL,             -- of the name: ' one two', see query::words
    mime        TEXT NOT NULL,
    parent      INTEGER REFERENCES file (seq),
    owner       INTEGER NOT NULL REFERENCES principal (id),
    modifier    INTEGER NOT NULL REFERENCES principal (id),
    created_ms  INTEGER NOT NULL,
    modified_ms INTEGER NOT NULL,
    discarded   INTEGER NOT NULL DEFAULT 0, -- put into the trash itself
    trashed     INTEGER NOT NULL DEFAULT 0, -- in the trash, itself or with a parent
    description TEXT,
    version     INTEGER NOT NULL DEFAULT 1,
    content     TEXT,                      -- name in the content folder; NULL: no bytes
    size        INTEGER NOT NULL DEFAULT 0,
    md5         TEXT NOT NULL,
    sha256      TEXT NOT NULL
) STRICT;
CREATE INDEX file_parent ON file (parent, name);
CREATE INDEX file_name ON file (name);
CREATE INDEX file_owner ON file (owner, name);
CREATE INDEX file_mime ON file (mime) WHERE mime = 'application/vnd.google-apps.folder';
CREATE INDEX file_content ON file (content) WHERE content IS NOT NULL;

CREATE TABLE property (
    file  INTEGER NOT NULL REFERENCES file (seq),
    kind  TEXT NOT NULL,                   -- appProperties, properties
    key   TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (file, kind, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE permission (
    file      INTEGER NOT NULL REFERENCES file (seq),
    principal INTEGER NOT NULL REFERENCES principal (id),
    rank      INTEGER NOT NULL,
    PRIMARY KEY (file, principal)
) STRICT, WITHOUT ROWID;

CREATE TABLE access (
    file      INTEGER NOT NULL REFERENCES file (seq),
    principal INTEGER NOT NULL REFERENCES principal (id),
    rank      INTEGER NOT NULL,
    PRIMARY KEY (file, principal)
) STRICT, WITHOUT ROWID;
CREATE INDEX access_principal ON access (principal, file);

CREATE TABLE change (
    seq       INTEGER PRIMARY KEY AUTOINCREMENT,
    file      TEXT NOT NULL,               -- id, which outlives the file
    principal INTEGER NOT NULL REFERENCES principal (id),
    time_ms   INTEGER NOT NULL,
    UNIQUE (file, principal)
) STRICT;
CREATE INDEX change_principal ON change (principal, seq);

CREATE TABLE session (
    hash       BLOB PRIMARY KEY,           -- SHA-256 of the upload id
    principal  INTEGER NOT NULL REFERENCES principal (id),
    target     TEXT,                       -- file that gets the content; NULL: a new one
    request    TEXT NOT NULL,              -- JSON: metadata and query of the first request
    content    TEXT NOT NULL UNIQUE,
    created_ms INTEGER NOT NULL,
    result     TEXT                        -- id of the file, once the upload is done
) STRICT, WITHOUT ROWID;
CREATE INDEX session_principal ON session (principal, created_ms);
";

/// What the second form has besides: a way to each kind of search that does not pass all files.
const SECOND: &str = "
CREATE INDEX file_kind ON file (mime, owner);
CREATE INDEX property_value ON property (kind, key, value);
CREATE INDEX permission_principal ON permission (principal);

CREATE TABLE word (
    word TEXT NOT NULL,                    -- of a name, or empty, see store::words
    file INTEGER NOT NULL,
    PRIMARY KEY (word, file)
) STRICT, WITHOUT ROWID;

DROP INDEX file_mime;
";

/// What the third form has besides: which of the files that an account reaches are folders, of which
/// there are few. An MD5 may be empty in it, see `sums`.
const THIRD: &str = "
ALTER TABLE access ADD COLUMN folder INTEGER NOT NULL DEFAULT 0;
UPDATE access SET folder = 1 WHERE file IN (
    SELECT seq FROM file WHERE mime = 'application/vnd.google-apps.folder');
CREATE INDEX access_folder ON access (principal, file) WHERE folder = 1;
";

/// Opens a connection for reading alone.
pub(super) fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    let connection = open(path)?;
    connection.pragma_update(None, "query_only", "ON")?;
    Ok(connection)
}

/// Frames in the log at which the connection that writes copies them into the database by itself,
/// where nobody did it at a better time: 80 MB.
const FRAMES_MAX: i64 = 20_000;

/// Opens the connection that writes: it alone changes the database, so that what it remembers stays
/// true. 16 MiB hold the ends of the indices and what is above them.
pub(super) fn open_writer(path: &Path) -> rusqlite::Result<Connection> {
    let connection = open(path)?;
    connection.pragma_update(None, "cache_size", -16384)?;
    connection.pragma_update(None, "wal_autocheckpoint", FRAMES_MAX)?;
    Ok(connection)
}

/// Opens a connection: write-ahead log, so that readers never wait; every commit is on disk.
pub(super) fn open(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", "ON")?;
    // 8 MiB: the rows of some 10,000 files stay in memory, on nine connections at most.
    connection.pragma_update(None, "cache_size", -8192)?;
    // Plans do not depend on bound values: otherwise SQLite makes a new one for each execution.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// Makes the tables in a new database, or what an older one lacks; refuses one of another form.
pub(super) fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    let version = |c: &Connection| c.pragma_query_value(None, "user_version", |row| row.get(0));
    if version(connection)? == VERSION {
        return Ok(());
    }
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let before = version(&tx)?;
    if before == VERSION {
        return tx.commit(); // another process was first
    }
    if !(0..VERSION).contains(&before) {
        return Err(rusqlite::Error::IntegralValueOutOfRange(0, before));
    }
    if before < 1 {
        make_first(&tx)?;
    }
    if before < 2 {
        tx.execute_batch(SECOND)?;
        words::add_all(&tx)?;
    }
    tx.execute_batch(THIRD)?;
    tx.pragma_update(None, "user_version", VERSION)?;
    tx.commit()
}

fn make_first(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(FIRST)?;
    connection.execute("INSERT INTO setting VALUES ('id_key', ?1)", [ids::random_bytes()])?;
    connection
        .execute("INSERT INTO principal VALUES (0, 'anyone', '', 'anyoneWithLink', NULL)", [])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tables(connection: &Connection) -> Vec<(String, String)> {
        let sql = "SELECT name, coalesce(sql, '') FROM sqlite_schema ORDER BY name";
        let mut statement = connection.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        rows.map(rusqlite::Result::unwrap).collect()
    }

    /// A folder and a file in it, as the first release had them.
    fn first() -> (tempfile::TempDir, Connection) {
        let data = tempfile::tempdir().unwrap();
        let old = open(&data.path().join("old")).unwrap();
        make_first(&old).unwrap();
        old.execute_batch(
            "PRAGMA user_version = 1; PRAGMA foreign_keys = OFF;
             INSERT INTO file (seq, id, name, words, mime, owner, modifier, created_ms,
                               modified_ms, md5, sha256)
             VALUES (6, 'w', '#', '', 'application/vnd.google-apps.folder', 1, 1, 0, 0, '', ''),
                    (7, 'x', 'msg_1', ' msg 1', 'm', 1, 1, 0, 0, 'ab', '');
             INSERT INTO access VALUES (6, 1, 5), (6, 2, 1), (7, 1, 5)",
        )
        .unwrap();
        (data, old)
    }

    fn pairs(connection: &Connection, sql: &str) -> Vec<(String, i64)> {
        let mut statement = connection.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        rows.map(rusqlite::Result::unwrap).collect()
    }

    #[test]
    fn a_folder_of_an_older_release_becomes_what_a_new_one_is() {
        for release in [1, 2] {
            let (data, mut old) = first();
            if release == 2 {
                old.execute_batch(SECOND).unwrap();
                words::add_all(&old).unwrap();
                old.pragma_update(None, "user_version", 2).unwrap();
            }
            migrate(&mut old).unwrap();
            migrate(&mut old).unwrap(); // has nothing to do
            let mut new = open(&data.path().join("new")).unwrap();
            migrate(&mut new).unwrap();
            assert_eq!(tables(&old), tables(&new), "{release}");
            let words = pairs(&old, "SELECT word, file FROM word WHERE file = 7 ORDER BY word");
            assert_eq!(words, [("1".to_owned(), 7), ("msg".to_owned(), 7)], "{release}");
            let reach = "SELECT file || '-' || principal, folder FROM access ORDER BY 1";
            let wanted = [("6-1", 1), ("6-2", 1), ("7-1", 0)];
            assert_eq!(pairs(&old, reach), wanted.map(|(a, b)| (a.to_owned(), b)), "{release}");
            assert_eq!(pairs(&old, "SELECT md5, seq FROM file WHERE seq = 7")[0].0, "ab");
        }
    }

    #[test]
    fn a_folder_of_a_newer_release_is_refused() {
        let data = tempfile::tempdir().unwrap();
        let mut newer = open(&data.path().join("newer")).unwrap();
        newer.pragma_update(None, "user_version", VERSION + 1).unwrap();
        assert!(migrate(&mut newer).is_err());
        assert!(tables(&newer).is_empty());
    }
}
