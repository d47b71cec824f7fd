-- v0.1.0 reads and writes the file all the same: it leaves these columns empty, and every opening fills `rank`, `ticks` and
-- `packet_key` of the rows that it wrote.

-- Rank among the ticks of its delivery with the same source, seq and id.
ALTER TABLE window ADD COLUMN rank INTEGER;
-- Era of the source; empty: 0.
ALTER TABLE window ADD COLUMN era INTEGER;
-- Number of ticks of its delivery.
ALTER TABLE window ADD COLUMN ticks INTEGER;
-- The bridge's count of its connections: the same 64 bits, read with a sign.
ALTER TABLE window ADD COLUMN connection INTEGER;
-- Hash of payload and user properties.
ALTER TABLE window ADD COLUMN envelope_sha256 BLOB;
-- Hash of symbol and price.
ALTER TABLE window ADD COLUMN content_sha256 BLOB;
-- 64 bits of a hash over session, packet id and payload hash. Empty for the quality of service 0, which repeats nothing.
ALTER TABLE window ADD COLUMN packet_key INTEGER;
CREATE INDEX window_by_packet ON window (packet_key, class, ordinal) WHERE packet_key IS NOT NULL;

-- Redeliveries of a publisher's own repetition have no row of their packet: they are found by the id.
CREATE INDEX window_by_id ON window (id, ordinal) WHERE class = 'id';

-- Broker sessions by MQTT client id and broker URL. `sessions` has the last one of each URL.
CREATE TABLE client_sessions (
    client_id TEXT NOT NULL,
    broker_url TEXT NOT NULL,
    session TEXT NOT NULL,
    PRIMARY KEY (client_id, broker_url)
) STRICT, WITHOUT ROWID;
