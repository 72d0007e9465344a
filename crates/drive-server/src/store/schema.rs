//! The tables, and how a connection is set up.
//!
//! `file.parent` is one folder at most, as on Drive since 2020. `access` is derived: who reaches a
//! file and how, inherited or not; principal 0 is "anyone who has the link". `change` keeps the
//! last change of each file for each account; its numbers only grow.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, TransactionBehavior, config::DbConfig};

use super::{BUSY, ids};

/// Number of the tables' form; a data folder of another number is refused.
const VERSION: i64 = 1;

const TABLES: &str = "
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
    // 8 MiB: the rows of some 10,000 files stay in memory, on five connections at most.
    connection.pragma_update(None, "cache_size", -8192)?;
    // Plans do not depend on bound values: otherwise SQLite makes a new one for each execution.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// Makes the tables in a new database; refuses one of another form.
pub(super) fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    let version = |c: &Connection| c.pragma_query_value(None, "user_version", |row| row.get(0));
    if version(connection)? == VERSION {
        return Ok(());
    }
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    match version(&tx)? {
        VERSION => {} // another process was first
        0 => {
            tx.execute_batch(TABLES)?;
            tx.execute("INSERT INTO setting VALUES ('id_key', ?1)", [ids::random_bytes()])?;
            tx.execute(
                "INSERT INTO principal VALUES (0, 'anyone', '', 'anyoneWithLink', NULL)",
                [],
            )?;
            tx.pragma_update(None, "user_version", VERSION)?;
        }
        other => return Err(rusqlite::Error::IntegralValueOutOfRange(0, other)),
    }
    tx.commit()
}
