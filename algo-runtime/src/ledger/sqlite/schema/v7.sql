-- The outbox takes one more kind: quotes with the indicators that include them. A release before reads and writes this file as long
-- as there is none; `min_reader` is 7 from the first one on. SQLite cannot change a check, so that the table is made anew with the
-- same columns.
CREATE TABLE outbox_of_all_kinds (
    position INTEGER PRIMARY KEY CHECK (position > 0),
    kind TEXT NOT NULL CHECK (kind IN ('decision', 'dead-letter', 'publication', 'joined')),
    entry INTEGER REFERENCES journal (number),
    content BLOB,
    CHECK ((kind = 'decision') = (entry IS NOT NULL)),
    CHECK ((kind = 'decision') = (content IS NULL))
) STRICT;
INSERT INTO outbox_of_all_kinds SELECT position, kind, entry, content FROM outbox;
DROP TABLE outbox;
ALTER TABLE outbox_of_all_kinds RENAME TO outbox;
