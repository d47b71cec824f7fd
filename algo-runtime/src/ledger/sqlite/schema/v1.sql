-- Sums, prices and quantities are decimals in text. STRICT: a value of another type is refused, never converted.

-- The one row of totals.
CREATE TABLE account (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    name TEXT NOT NULL,
    ledger_id TEXT NOT NULL CHECK (length(ledger_id) = 8),
    cash TEXT NOT NULL CHECK (cash NOT GLOB '-*'),
    invested TEXT NOT NULL CHECK (invested NOT GLOB '-*'),
    realised TEXT NOT NULL,
    deposits TEXT NOT NULL,
    entries INTEGER NOT NULL CHECK (entries >= 0),
    decisions INTEGER NOT NULL CHECK (decisions >= 0),
    position INTEGER NOT NULL CHECK (position >= published_through),
    published_through INTEGER NOT NULL CHECK (published_through >= 0),
    updated_micros INTEGER NOT NULL
) STRICT;

-- What happened to the cash, chained by hash. For a deposit or a withdrawal the columns of a trade are empty.
CREATE TABLE journal (
    number INTEGER PRIMARY KEY CHECK (number > 0),
    seq INTEGER UNIQUE CHECK (seq > 0),
    kind TEXT NOT NULL CHECK (kind IN ('deposit', 'withdrawal', 'buy', 'sell')),
    event TEXT,
    sid TEXT,
    quantity TEXT,
    price TEXT,
    amount TEXT NOT NULL,
    cash TEXT NOT NULL CHECK (cash NOT GLOB '-*'),
    cost TEXT,
    time_micros INTEGER,
    committed_micros INTEGER NOT NULL,
    previous_hash TEXT NOT NULL,
    hash TEXT NOT NULL
) STRICT;
CREATE TRIGGER journal_is_never_changed BEFORE UPDATE ON journal
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER journal_is_never_cut BEFORE DELETE ON journal
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;

CREATE TRIGGER journal_has_no_holes BEFORE INSERT ON journal
WHEN NEW.number <> (SELECT ifnull(max(number), 0) + 1 FROM journal)
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;

CREATE TABLE holdings (
    sid TEXT PRIMARY KEY,
    quantity TEXT NOT NULL,
    cost TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE marks (
    channel TEXT NOT NULL,
    source TEXT NOT NULL,
    seq INTEGER NOT NULL,
    tick_index INTEGER NOT NULL,
    PRIMARY KEY (channel, source)
) STRICT, WITHOUT ROWID;

-- The outcomes of the last ticks. `run` and `delivery` are unsigned: the same 64 bits, read with a sign.
CREATE TABLE window (
    class TEXT NOT NULL CHECK (class IN ('sequence', 'id', 'packet')),
    ordinal INTEGER NOT NULL CHECK (ordinal > 0),
    run INTEGER NOT NULL,
    delivery INTEGER NOT NULL,
    tick_index INTEGER NOT NULL,
    channel TEXT NOT NULL,
    source TEXT NOT NULL,
    seq INTEGER,
    id TEXT NOT NULL,
    session TEXT NOT NULL,
    packet_id INTEGER NOT NULL,
    payload_sha256 BLOB NOT NULL CHECK (length(payload_sha256) = 32),
    outcome TEXT NOT NULL CHECK (outcome IN ('decided', 'no-signal', 'denied', 'dead-lettered')),
    reason TEXT NOT NULL,
    first_position INTEGER NOT NULL,
    positions INTEGER NOT NULL,
    first_seq INTEGER NOT NULL,
    seqs INTEGER NOT NULL,
    PRIMARY KEY (class, ordinal)
) STRICT, WITHOUT ROWID;

-- What waits for its PUBACK. A decision's content is in the journal, that of the others a message of intuition.v1.
CREATE TABLE outbox (
    position INTEGER PRIMARY KEY CHECK (position > 0),
    kind TEXT NOT NULL CHECK (kind IN ('decision', 'dead-letter', 'publication')),
    entry INTEGER REFERENCES journal (number),
    content BLOB,
    CHECK ((kind = 'decision') = (entry IS NOT NULL)),
    CHECK ((kind = 'decision') = (content IS NULL))
) STRICT;

CREATE TABLE gaps (
    number INTEGER PRIMARY KEY,
    channel TEXT NOT NULL,
    source TEXT NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL CHECK (last >= first),
    seen_micros INTEGER NOT NULL
) STRICT;

CREATE TABLE counters (
    name TEXT NOT NULL,
    reason TEXT NOT NULL,
    value INTEGER NOT NULL,
    PRIMARY KEY (name, reason)
) STRICT, WITHOUT ROWID;

CREATE TABLE state (
    algorithm TEXT NOT NULL,
    key TEXT NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (algorithm, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE settings (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    resource_uid TEXT NOT NULL,
    settings_generation INTEGER NOT NULL,
    cash_generation INTEGER NOT NULL,
    settings_json TEXT NOT NULL
) STRICT;

CREATE TABLE sessions (
    broker_url TEXT PRIMARY KEY,
    session TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE held (
    place INTEGER PRIMARY KEY,
    filter TEXT NOT NULL,
    subscription_id INTEGER NOT NULL
) STRICT;

-- Who may read, who may write, and the digest over everything else.
CREATE TABLE seal (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    min_reader INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    digest TEXT NOT NULL
) STRICT;
