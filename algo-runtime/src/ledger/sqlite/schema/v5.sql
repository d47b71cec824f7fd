-- v0.1.0 trades on these tables too: it reads past them.

-- Outbox positions beyond `published_through` that are published or given up. Their rows stay in the outbox until
-- `published_through` passes them: v0.1.0 takes an outbox with a hole for damaged.
CREATE TABLE outbox_done (
    position INTEGER PRIMARY KEY CHECK (position > 0)
) STRICT;

-- All ids of a ledger that has gone back, each with the first decision and the first outbox position under it. Empty for
-- any other ledger. The first one begins the hash chain; the last one is that of `account`. v0.1.0 knows one id, and takes
-- the chain for broken: `min_reader` is 5 from the first row on.
CREATE TABLE ledger_ids (
    number INTEGER PRIMARY KEY,
    first_seq INTEGER NOT NULL CHECK (first_seq > 0),
    first_position INTEGER NOT NULL CHECK (first_position > 0),
    ledger_id TEXT NOT NULL UNIQUE CHECK (length(ledger_id) = 8)
) STRICT;
