//! The text of queries. Pure.

/// A name in quotes, so that capitals, blanks and all other signs are those of the name.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The name of a table with its schema, if it has one: `a.b` as `"a"."b"`.
pub(super) fn quoted_table(table: &str) -> String {
    table.split('.').map(quoted).collect::<Vec<_>>().join(".")
}

/// The look at the state of the database: its snapshot, the next transaction number, and the largest number of the table. The
/// age of transaction 3, the first one, is the distance to the next number, which is read behind the snapshot.
pub(super) fn look(table: &str, cursor: &str) -> String {
    format!(
        "SELECT pg_snapshot_xmin(s)::text, pg_snapshot_xmax(s)::text, age('3'::xid), \
         (SELECT max({cursor})::bigint FROM {table}) FROM pg_current_snapshot() AS s"
    )
}

/// The transaction that has held rows back for the longest time: its process and user, or its name if it is prepared.
pub(super) const OLDEST_TRANSACTION: &str = "SELECT held FROM ( \
    SELECT age(backend_xid), 'process ' || pid || ' of user ' || coalesce(usename, '?') FROM pg_stat_activity \
    WHERE backend_xid IS NOT NULL UNION ALL \
    SELECT age(transaction), 'prepared transaction ' || gid || ' of user ' || owner FROM pg_prepared_xacts \
    ) AS open(age, held) ORDER BY age DESC LIMIT 1";

/// Rows from behind `$1` to `$2`, at most `$3`, by their numbers.
pub(super) fn page(table: &str, cursor: &str, values: &[String]) -> String {
    let values = values.join(", ");
    format!(
        "SELECT {cursor}::bigint, {values} FROM {table} WHERE {cursor} > $1 AND {cursor} <= $2 ORDER BY {cursor} LIMIT $3"
    )
}

/// How many rows there are from behind `$1` to `$2`.
pub(super) fn count(table: &str, cursor: &str) -> String {
    format!("SELECT count(*) FROM {table} WHERE {cursor} > $1 AND {cursor} <= $2")
}

/// The last numbers from behind `$1` to `$2`, at most `$3`, the largest first.
pub(super) fn last_numbers(table: &str, cursor: &str) -> String {
    format!(
        "SELECT {cursor}::bigint FROM {table} WHERE {cursor} > $1 AND {cursor} <= $2 ORDER BY {cursor} DESC LIMIT $3"
    )
}

/// The table of a name in quotes: its number, kind, schema, name and database, and whether other tables inherit from it.
pub(super) const TABLE: &str = "SELECT c.oid, c.relkind::text, n.nspname::text, c.relname::text, current_database()::text, \
    EXISTS (SELECT FROM pg_inherits WHERE inhparent = c.oid) \
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = to_regclass($1)";

/// Columns of the table `$1` with the names `$2`: name, type as people write it, the type below all domains, whether it takes no
/// null, whether a valid index on it alone makes it unique, and whether it may be read.
pub(super) const COLUMNS: &str = "SELECT a.attname::text, format_type(a.atttypid, a.atttypmod), ( \
    WITH RECURSIVE below AS (SELECT oid, typtype, typbasetype FROM pg_type WHERE oid = a.atttypid UNION ALL \
    SELECT t.oid, t.typtype, t.typbasetype FROM below JOIN pg_type t ON below.typtype = 'd' AND t.oid = below.typbasetype) \
    SELECT oid FROM below WHERE typtype <> 'd'), a.attnotnull, \
    EXISTS (SELECT FROM pg_index WHERE indrelid = a.attrelid AND indisunique AND indisvalid AND indpred IS NULL \
    AND indnkeyatts = 1 AND indkey[0] = a.attnum), \
    has_column_privilege(a.attrelid, a.attnum, 'SELECT') \
    FROM pg_attribute a WHERE a.attrelid = $1 AND a.attname::text = ANY ($2) AND a.attnum > 0 AND NOT a.attisdropped";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_as_they_are() {
        assert_eq!(quoted_table("Market Data.Trade's"), "\"Market Data\".\"Trade's\"");
        assert_eq!(quoted(r#"a"; DROP TABLE b; --"#), r#""a""; DROP TABLE b; --""#);
    }
}
