-- v0.1.0 trades on these tables too: it writes the tables of v1 alone. Of the trading state it knows `suspend` in
-- `settings_json`, which is true under every state but Active.

-- The trading state. `settings_generation` and `settings_suspend`: the row of `settings` as this release wrote it last;
-- other values there are those of v0.1.0. `settings_generation` is the higher one of its two generations.
CREATE TABLE trading (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    resource_uid TEXT NOT NULL,
    number INTEGER NOT NULL CHECK (number >= 0),
    generation INTEGER NOT NULL,
    settings_generation INTEGER,
    settings_suspend INTEGER
) STRICT;

-- Why the state is not Active. `by_suspend`: `suspend` of the settings set it, and no call did.
CREATE TABLE trading_causes (
    cause TEXT NOT NULL,
    by_suspend INTEGER NOT NULL CHECK (by_suspend IN (0, 1)),
    state TEXT NOT NULL CHECK (state IN ('Reducing', 'Halted')),
    message TEXT NOT NULL,
    since_micros INTEGER NOT NULL,
    PRIMARY KEY (cause, by_suspend)
) STRICT, WITHOUT ROWID;

-- Symbols that wait to be sold by hand.
CREATE TABLE closing (
    sid TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;

-- Ids of the last requests to sell by hand, so that a repetition does nothing.
CREATE TABLE close_requests (
    number INTEGER PRIMARY KEY,
    request TEXT NOT NULL UNIQUE
) STRICT;

-- Sales by hand whose tick has no outcome yet, with all that the tick is known by if it is delivered again.
CREATE TABLE unsettled_sales (
    seq INTEGER PRIMARY KEY CHECK (seq > 0),
    position INTEGER NOT NULL,
    channel TEXT NOT NULL,
    event TEXT NOT NULL,
    sid TEXT NOT NULL,
    price TEXT NOT NULL,
    time_micros INTEGER NOT NULL
) STRICT;

-- Decisions that no algorithm signalled: a person sold the holding.
CREATE TABLE manual_sales (
    seq INTEGER PRIMARY KEY CHECK (seq > 0)
) STRICT;
