-- v0.1.0 trades on these tables too: it fills the columns of v1 alone.

-- The sequence number that `taken_micros` or `found_micros` belongs to; another one than `seq` where v0.1.0 has taken
-- a number since. `taken_micros`: when this release took it. `found_micros`: for a number of v0.1.0, the account's last
-- commit before this release first read it.
ALTER TABLE marks ADD COLUMN dated_seq INTEGER;
ALTER TABLE marks ADD COLUMN taken_micros INTEGER;
ALTER TABLE marks ADD COLUMN found_micros INTEGER;

-- Sources that began again under their name. `era` is the one that ended, at the number `last`.
CREATE TABLE resets (
    number INTEGER PRIMARY KEY,
    channel TEXT NOT NULL,
    source TEXT NOT NULL,
    era INTEGER NOT NULL CHECK (era >= 0),
    last INTEGER NOT NULL,
    reset_micros INTEGER NOT NULL,
    UNIQUE (channel, source, era)
) STRICT;

-- The first half of a SHA-256 over channel and source.
CREATE TABLE forgotten_sources (
    hash BLOB PRIMARY KEY CHECK (length(hash) = 16)
) STRICT, WITHOUT ROWID;

-- Dead letters in a row for a source's identity, until a tick of it is accepted.
CREATE TABLE conflicts (
    channel TEXT NOT NULL,
    source TEXT NOT NULL,
    dead_letters INTEGER NOT NULL CHECK (dead_letters > 0),
    reason TEXT NOT NULL,
    message TEXT NOT NULL,
    PRIMARY KEY (channel, source)
) STRICT, WITHOUT ROWID;

-- Symbols of which a quote was taken. v0.1.0 kept those that it traded.
CREATE TABLE symbols (
    sid TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;
INSERT INTO symbols SELECT sid FROM holdings UNION SELECT sid FROM journal WHERE sid IS NOT NULL;
