-- What is too large to be held in memory lies in a file of its own (`contents/`), which its digest
-- names: "digest size text|binary".

-- As `content`, where that is too large.
ALTER TABLE intents ADD COLUMN large TEXT;

-- Not NULL: the file is made of `outgoing_parts` when it is sent, with this time in its gzip header, and
-- `content` is empty.
ALTER TABLE outgoing ADD COLUMN mtime INTEGER;

-- A message in pieces, in order: JSON as it is written, or what is put in between.
CREATE TABLE outgoing_parts (
    number INTEGER NOT NULL,
    place  INTEGER NOT NULL,
    json   BLOB,
    large  TEXT,
    PRIMARY KEY (number, place)
);

CREATE TRIGGER outgoing_is_gone AFTER DELETE ON outgoing BEGIN
    DELETE FROM outgoing_parts WHERE number = OLD.number;
END;
