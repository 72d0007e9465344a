-- Packs of chunks that were decided on, beside the messages of the folder that they lie in. `content`:
-- how many bytes they hold, before those were compressed. `digests`: of the chunks and lists in it, 32
-- bytes each; none while it is not known to be there.
-- `seal`: by whose keys it is sealed, and for whose.
CREATE TABLE packs (
    number  INTEGER PRIMARY KEY,
    file    TEXT NOT NULL UNIQUE,
    folder  TEXT NOT NULL,
    content INTEGER NOT NULL,
    digests BLOB NOT NULL,
    seal    TEXT NOT NULL
);
CREATE INDEX packs_by_folder ON packs (folder);

-- Which message names which pack. A pack that none names may go. `missing`: the message was not there when
-- everything was listed.
CREATE TABLE needed (
    message TEXT NOT NULL,
    pack    INTEGER NOT NULL,
    missing INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (message, pack)
) WITHOUT ROWID;
CREATE INDEX needed_by_pack ON needed (pack);

-- What a large file consists of, as it was agreed on: the digest and the length (4 bytes) of each
-- chunk. Whoever changes the file has only the new one when it is looked at.
CREATE TABLE outlines (
    datasite TEXT NOT NULL,
    path     TEXT NOT NULL,
    digest   TEXT NOT NULL,
    chunks   BLOB NOT NULL,
    PRIMARY KEY (datasite, path)
);
