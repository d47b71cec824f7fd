-- Format 2 of the ledger. No release before it can read the file: `min_reader` is 6. The journal of the releases before stays
-- in its table, and the chain of hashes runs on in `entries`.

-- What a release that cannot read the file shows beside its refusal.
ALTER TABLE seal ADD COLUMN notice TEXT;

-- The journal from here on. Sums are whole numbers of the smallest unit: money 0.01, quantities 10^-8, prices 10^-10; one that
-- is beyond 64 bits is text. The view `history` shows them as decimals.
CREATE TABLE entries (
    number INTEGER PRIMARY KEY,
    -- Version of the rules that the entry was booked by.
    rules INTEGER NOT NULL,
    -- 1 deposit, 2 withdrawal, 3 buy, 4 sell.
    kind INTEGER NOT NULL,
    committed_micros INTEGER NOT NULL,
    -- Outbox position and number of the decision; those of the last decision before it for a deposit or a withdrawal. Both grow with
    -- `number`, so that no index is needed.
    position INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    amount ANY NOT NULL,
    cash ANY NOT NULL,
    event TEXT,
    sid TEXT,
    quantity ANY,
    price ANY,
    cost ANY,
    time_micros INTEGER,
    -- 'manual': a person sold the holding. Empty: the algorithm signalled it.
    origin TEXT,
    -- Empty: the decision is its own order, filled at once, as a whole, at its price and without a fee.
    order_id TEXT,
    fill INTEGER,
    fill_price ANY,
    fill_quantity ANY,
    fee ANY,
    hash BLOB NOT NULL
) STRICT;

-- The books at some entries, so that opening the ledger need not begin at the first one. The lowest one is the base: entries up
-- to it may be gone.
CREATE TABLE checkpoints (
    -- The last entry that it covers.
    number INTEGER PRIMARY KEY,
    -- Hash of that entry.
    head BLOB NOT NULL CHECK (length(head) = 32),
    books_sha256 BLOB NOT NULL CHECK (length(books_sha256) = 32),
    -- A message of the ledger. Kept for the base and the last ones.
    books BLOB
) STRICT;

CREATE TRIGGER entries_are_never_changed BEFORE UPDATE ON entries
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER entries_are_never_cut BEFORE DELETE ON entries WHEN OLD.number > (SELECT min(number) FROM checkpoints)
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
DROP TRIGGER journal_is_never_cut;
CREATE TRIGGER journal_is_never_cut BEFORE DELETE ON journal WHEN OLD.number > (SELECT min(number) FROM checkpoints)
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;

-- Outcomes of the last ticks, one row for the rows that a commit adds to a class. `window` has those that the broker may still
-- ask for when they are no longer among the last.
CREATE TABLE segments (
    -- Class (1 sequence, 2 id, 3 packet) * 2^56 + ordinal of the last row.
    place INTEGER PRIMARY KEY,
    -- First half of the SHA-256 of `data`.
    sha256 BLOB NOT NULL CHECK (length(sha256) = 16),
    -- A message of the ledger.
    data BLOB NOT NULL
) STRICT;

-- Changes of last numbers by commits that change many, one row for a commit. A source of which a row here has a change has the number
-- in the last of these rows, whether or not `marks` has a row of it. Rows leave from the lowest number on, and their numbers that no
-- later row changes go into `marks`.
CREATE TABLE mark_changes (
    -- Without holes.
    number INTEGER PRIMARY KEY,
    -- First half of the SHA-256 of `data`.
    sha256 BLOB NOT NULL CHECK (length(sha256) = 16),
    -- A message of the ledger.
    data BLOB NOT NULL
) STRICT;

-- They follow from the last checkpoint and the entries behind it.
DROP TABLE holdings;

-- The whole journal as decimals, for people.
CREATE VIEW history AS
WITH padded AS (
    SELECT number, rules, kind, committed_micros, position, seq, event, sid, time_micros, origin, hash,
        substr('00', length(amount)) || amount AS amount,
        substr('00', length(cash)) || cash AS cash,
        substr('00', length(cost)) || cost AS cost,
        substr('00000000', length(quantity)) || quantity AS quantity,
        substr('0000000000', length(price)) || price AS price
    FROM entries
)
SELECT number, 1 AS rules, kind, committed_micros, NULL AS position, seq, event, sid, quantity, price, amount, cash, cost,
    time_micros, iif(seq IN (SELECT manual_sales.seq FROM manual_sales), 'manual', '') AS origin, hash
FROM journal
UNION ALL
SELECT number, rules, CASE kind WHEN 1 THEN 'deposit' WHEN 2 THEN 'withdrawal' WHEN 3 THEN 'buy' WHEN 4 THEN 'sell' END,
    committed_micros, position, iif(sid IS NULL, NULL, seq), event, sid,
    rtrim(rtrim(substr(quantity, 1, length(quantity) - 8) || '.' || substr(quantity, -8), '0'), '.'),
    rtrim(rtrim(substr(price, 1, length(price) - 10) || '.' || substr(price, -10), '0'), '.'),
    substr(amount, 1, length(amount) - 2) || '.' || substr(amount, -2),
    substr(cash, 1, length(cash) - 2) || '.' || substr(cash, -2),
    substr(cost, 1, length(cost) - 2) || '.' || substr(cost, -2),
    time_micros, ifnull(origin, ''), lower(hex(hash))
FROM padded;
