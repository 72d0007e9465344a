-- What was read of the files on disk, one value for each: most of what a sync with nothing to do costs is
-- to read these rows. `stat`: five numbers of 8 bytes (size, time of change of the content and of the file,
-- inode, time of reading; the highest byte first, times in nanoseconds), and the digest.
CREATE TABLE known (
    datasite TEXT NOT NULL,
    path     TEXT NOT NULL,
    stat     BLOB NOT NULL,
    PRIMARY KEY (datasite, path)
) WITHOUT ROWID;

-- What is no digest is not taken over: then the file is read again.
INSERT OR IGNORE INTO known
SELECT datasite, path,
       unhex(printf('%016x%016x%016x%016x%016x', size, mtime_ns, ctime_ns, inode, hashed_ns) || digest)
FROM stats;

DROP TABLE stats;
