-- What was agreed with the owner of a datasite: for an owner what was announced as events, for a
-- scientist what the owner has sent. `moment` is when the message was
-- made that said so, by the clock of the service. `own`: this machine announced it, and has not heard
-- of it from another one.
CREATE TABLE agreed (
    datasite TEXT NOT NULL,
    path     TEXT NOT NULL,
    digest   TEXT NOT NULL,
    moment   REAL NOT NULL,
    own      INTEGER NOT NULL,
    PRIMARY KEY (datasite, path)
) WITHOUT ROWID;

-- Deleted paths whose deletion was agreed, so that an older event does not bring them back.
CREATE TABLE tombstones (
    datasite TEXT NOT NULL,
    path     TEXT NOT NULL,
    moment   REAL NOT NULL,
    PRIMARY KEY (datasite, path)
) WITHOUT ROWID;

-- Which message of the own event log announces which path, until the service has said when it was
-- made. Until then the path counts as agreed later than anything.
CREATE TABLE unsettled (
    file TEXT NOT NULL,
    path TEXT NOT NULL,
    PRIMARY KEY (file, path)
) WITHOUT ROWID;

-- Digests of local files by what the file system says of them.
CREATE TABLE stats (
    datasite   TEXT NOT NULL,
    path       TEXT NOT NULL,
    size       INTEGER NOT NULL,
    mtime_ns   INTEGER NOT NULL,
    ctime_ns   INTEGER NOT NULL,
    inode      INTEGER NOT NULL,
    digest     TEXT NOT NULL,
    hashed_ns  INTEGER NOT NULL,
    PRIMARY KEY (datasite, path)
) WITHOUT ROWID;

-- What each peer of an owner has been sent.
CREATE TABLE held (
    peer   TEXT NOT NULL,
    path   TEXT NOT NULL,
    digest TEXT NOT NULL,
    PRIMARY KEY (peer, path)
) WITHOUT ROWID;

-- Local writes that are decided and still to be done. `content` NULL: the file is to go. `base`: what
-- is to stand there before; anything else is an edit, which is kept under the name `aside` first, or
-- stays where it is if that is NULL.
CREATE TABLE intents (
    number   INTEGER PRIMARY KEY,
    datasite TEXT NOT NULL,
    path     TEXT NOT NULL,
    base     TEXT,
    content  BLOB,
    aside    TEXT
);
CREATE INDEX intents_by_path ON intents (datasite, path);

-- What is decided and still to be sent: a file to create, in order within its folder.
CREATE TABLE outgoing (
    number  INTEGER PRIMARY KEY,
    file    TEXT NOT NULL UNIQUE,
    folder  TEXT NOT NULL,
    name    TEXT NOT NULL,
    peer    TEXT,
    content BLOB NOT NULL
);

-- The ids of the events that are known to be, or about to be, in the event log: an accepted proposal
-- lends its id to its event, so that it counts once, whichever machine of the owner took it in.
CREATE TABLE logged (
    event TEXT PRIMARY KEY
) WITHOUT ROWID;

-- Events that were decided and are not in a message of the event log yet.
CREATE TABLE unlogged (
    number INTEGER PRIMARY KEY,
    event  TEXT NOT NULL
);

-- Paths of which the event log that there is now does not say what is agreed: it was made anew, or
-- another machine has said something older.
CREATE TABLE unstated (
    path TEXT PRIMARY KEY
) WITHOUT ROWID;

-- Proposals that are decided and not answered yet. `event`: the id that the answer carries.
CREATE TABLE answers (
    peer  TEXT NOT NULL,
    path  TEXT NOT NULL,
    event TEXT NOT NULL,
    PRIMARY KEY (peer, path)
) WITHOUT ROWID;

-- The messages that lie in the outboxes of an owner's peers, and of which paths they speak, with
-- the ids of the events. `level`
-- counts how often what they hold was brought together; `replaced`: the message that did so, once
-- it is to take their place.
CREATE TABLE delivered (
    number   INTEGER PRIMARY KEY,
    file     TEXT NOT NULL UNIQUE,
    peer     TEXT NOT NULL,
    level    INTEGER NOT NULL,
    paths    TEXT NOT NULL,
    replaced TEXT
);

-- Messages that are dealt with and still lie in an inbox.
CREATE TABLE archiving (
    file   TEXT PRIMARY KEY,
    folder TEXT NOT NULL,
    peer   TEXT NOT NULL
) WITHOUT ROWID;

-- Messages that were looked at, so that none is taken in twice.
CREATE TABLE seen (
    file TEXT PRIMARY KEY
) WITHOUT ROWID;

-- Messages of the own event log that the full checkpoint of this machine includes.
CREATE TABLE included (
    file TEXT PRIMARY KEY
) WITHOUT ROWID;

-- A scientist's changes that the owner has not answered. `event`: the id of the change, which the
-- answer carries.
CREATE TABLE proposed (
    datasite TEXT NOT NULL,
    path     TEXT NOT NULL,
    digest   TEXT,
    message  TEXT NOT NULL,
    event    TEXT NOT NULL,
    PRIMARY KEY (datasite, path)
) WITHOUT ROWID;

-- The messages that a scientist made, and when, until they are deleted.
CREATE TABLE submitted (
    message TEXT PRIMARY KEY,
    sent    INTEGER NOT NULL
) WITHOUT ROWID;

-- The newest event of each path since the last full checkpoint: the rolling state.
CREATE TABLE rolling (
    path   TEXT PRIMARY KEY,
    moment REAL NOT NULL,
    event  TEXT NOT NULL
);

-- What we know of the Drive, kept up to date by its change feed.
CREATE TABLE catalogue (
    id       TEXT PRIMARY KEY,
    name     TEXT NOT NULL,
    folder   INTEGER NOT NULL,
    size     INTEGER NOT NULL,
    owner    TEXT,
    mine     INTEGER NOT NULL,
    parent   TEXT,
    created  INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    tags     TEXT NOT NULL,
    listed   INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX catalogue_by_parent ON catalogue (parent);

-- Ids made beforehand and not used yet.
CREATE TABLE identifiers (
    id TEXT PRIMARY KEY
) WITHOUT ROWID;

-- What `syft serve` has seen, so that each thing is told once. Moments are microseconds.
CREATE TABLE noticed (
    key   TEXT PRIMARY KEY,
    first INTEGER NOT NULL,
    last  INTEGER NOT NULL,
    told  INTEGER NOT NULL
) WITHOUT ROWID;

-- News that are in no notice yet, for each way that they take.
CREATE TABLE news (
    number INTEGER PRIMARY KEY,
    way    TEXT NOT NULL,
    news   TEXT NOT NULL
);

-- Notices, with all their news; `more`: how many there are beyond those. `maybe`: it may have been
-- received, since an attempt was begun and it is not known how it ended. `due`: not to be tried before.
CREATE TABLE notices (
    id       TEXT PRIMARY KEY,
    number   INTEGER NOT NULL,
    way      TEXT NOT NULL,
    news     TEXT NOT NULL,
    more     INTEGER NOT NULL,
    made     INTEGER NOT NULL,
    due      INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    maybe    INTEGER NOT NULL DEFAULT 0,
    sent     INTEGER,
    problem  TEXT
) WITHOUT ROWID;

-- Whom a rule approved as a peer. `done` 0: it was decided, and may not be done yet.
CREATE TABLE admitted (
    peer   TEXT PRIMARY KEY,
    rule   TEXT NOT NULL,
    moment INTEGER NOT NULL,
    done   INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;
