//! The table of a feed as the catalogue describes it, and the conditions that it has to meet. Pure.

use intuition_api::quote::Member;
use intuition_resources::Postgres;
use tokio_postgres::types::Type;

use super::sql::quoted;

/// Longest text of a number. A longer one is cut, and its row cannot be used.
pub(super) const MOST_DIGITS: usize = 400;
/// Longest symbol, in characters. A longer one is cut behind one character more.
pub(super) const MOST_SYMBOL: usize = 64;

/// A table in the catalogue.
#[derive(Debug, Clone)]
pub(super) struct Table {
    pub(super) kind: String,
    pub(super) schema: String,
    pub(super) name: String,
    pub(super) database: String,
    pub(super) has_heirs: bool,
}

/// A column in the catalogue.
#[derive(Debug, Clone)]
pub(super) struct Column {
    pub(super) name: String,
    /// The type as people write it.
    pub(super) shown_type: String,
    /// Number of the type, below all domains.
    pub(super) base_type: u32,
    pub(super) is_not_null: bool,
    pub(super) is_unique: bool,
    pub(super) is_readable: bool,
}

/// Conditions that a table does not meet. A person can make each of them good without a change of the feed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum TableError {
    #[error("there is no table {0}: create it, or name its schema")]
    NoTable(String),
    #[error("{0} is a {1}: this release reads tables, whose rows have unique numbers")]
    Kind(String, &'static str),
    #[error(
        "{0} has tables that inherit from it, and no index makes numbers unique in all of them: name one of these tables"
    )]
    Heirs(String),
    #[error("{table} has no column {column:?}: add it, or correct the name in {field}")]
    NoColumn { table: String, column: String, field: &'static str },
    #[error("the user may not read the column {column:?} of {table}: GRANT SELECT ON {table} TO the user")]
    Unreadable { table: String, column: String },
    #[error("the cursor {column:?} of {table} is {found}: it has to be smallint, integer or bigint")]
    CursorType { table: String, column: String, found: String },
    #[error(
        "the cursor {column:?} of {table} takes NULL: ALTER TABLE {table} ALTER COLUMN {} SET NOT NULL",
        quoted(column)
    )]
    CursorNull { table: String, column: String },
    #[error(
        "the cursor {column:?} of {table} is not unique: it needs a valid unique index on this column alone and without a WHERE: \
         CREATE UNIQUE INDEX CONCURRENTLY ON {table} ({})",
        quoted(column)
    )]
    CursorRepeats { table: String, column: String },
    #[error("the column {column:?} of {table} is {found}, from which {field} cannot be read: {needed}")]
    ColumnType { table: String, column: String, found: String, field: &'static str, needed: &'static str },
}

impl TableError {
    /// The code for `/readyz`.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::NoTable(_) => "TableMissing",
            Self::Kind(..) | Self::Heirs(_) => "TableUnusable",
            Self::Unreadable { .. } => "QueryRefused",
            Self::NoColumn { field: CURSOR, .. }
            | Self::CursorType { .. }
            | Self::CursorNull { .. }
            | Self::CursorRepeats { .. } => "CursorUnusable",
            Self::NoColumn { .. } | Self::ColumnType { .. } => "ColumnUnusable",
        }
    }
}

const CURSOR: &str = "cursor.column";
const NUMBERS: &str = "it has to be numeric, an integer, a binary float, or text";
const TIMES: &str = "it has to be timestamptz, timestamp (read as UTC), date, or a number since 1970";

/// The form in which a time comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TimeForm {
    /// Microseconds since 2000.
    Moment,
    /// Days since 2000.
    Day,
    /// The text of a number since 1970.
    Number,
}

/// The columns of the values, in the order in which a query returns them behind the number and the symbol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    /// `public.trades`, quoted.
    pub(super) table: String,
    /// As messages name it.
    pub(super) shown: String,
    /// Quoted.
    pub(super) cursor: String,
    /// Name of the source.
    pub(super) source: String,
    /// The expressions behind the number: symbol, price, time if there is one, details.
    pub(super) expressions: Vec<String>,
    pub(super) time: Option<TimeForm>,
    pub(super) details: Vec<Member>,
}

/// The column names of a feed with their fields; the cursor first, then symbol, price, time, details.
pub(super) fn named(spec: &Postgres) -> Vec<(&'static str, &str)> {
    let columns = &spec.columns;
    let optional = details(spec).into_iter().map(|(_, field, name)| (field, name));
    let first =
        [(CURSOR, spec.cursor.column.as_str()), ("columns.sid", &columns.sid), ("columns.price", &columns.price)];
    let time = columns.time.as_deref().map(|name| ("columns.time", name));
    first.into_iter().chain(time).chain(optional).collect()
}

fn details(spec: &Postgres) -> Vec<(Member, &'static str, &str)> {
    let columns = &spec.columns;
    let all = [
        (Member::Size, "columns.size", &columns.size),
        (Member::Open, "columns.open", &columns.open),
        (Member::High, "columns.high", &columns.high),
        (Member::Low, "columns.low", &columns.low),
        (Member::Volume, "columns.volume", &columns.volume),
        (Member::Bid, "columns.bid", &columns.bid),
        (Member::Ask, "columns.ask", &columns.ask),
    ];
    all.into_iter().filter_map(|(member, field, name)| Some((member, field, name.as_deref()?))).collect()
}

/// Judges a table by the catalogue.
pub(super) fn judge(spec: &Postgres, table: Option<&Table>, columns: &[Column]) -> Result<Layout, TableError> {
    let table = table.ok_or_else(|| TableError::NoTable(spec.table.clone()))?;
    let shown = format!("{}.{}", quoted(&table.schema), quoted(&table.name));
    match table.kind.as_str() {
        "r" if table.has_heirs => return Err(TableError::Heirs(shown)),
        "r" | "p" => {}
        other => return Err(TableError::Kind(shown, kind(other))),
    }
    for (field, name) in named(spec) {
        let column = find(columns, name);
        let missing = || TableError::NoColumn { table: shown.clone(), column: name.to_owned(), field };
        if !column.ok_or_else(missing)?.is_readable {
            return Err(TableError::Unreadable { table: shown, column: name.to_owned() });
        }
    }
    judge_cursor(&shown, find(columns, &spec.cursor.column))?;
    let number = |field, name: &str| {
        let column = find(columns, name);
        let form = column.and_then(|column| number_form(column.base_type));
        form.map(|()| number_text(name)).ok_or_else(|| wrong_type(&shown, column, field, NUMBERS))
    };
    let columns_of = &spec.columns;
    let mut expressions = vec![format!("left({}::text, {})", quoted(&columns_of.sid), MOST_SYMBOL + 1)];
    expressions.push(number("columns.price", &columns_of.price)?);
    let mut time = None;
    if let Some(name) = &columns_of.time {
        let column = find(columns, name);
        let form = column.and_then(|column| time_form(column.base_type));
        let form = form.ok_or_else(|| wrong_type(&shown, column, "columns.time", TIMES))?;
        expressions.push(if form == TimeForm::Number { number_text(name) } else { quoted(name) });
        time = Some(form);
    }
    let mut members = Vec::new();
    for (member, field, name) in details(spec) {
        expressions.push(number(field, name)?);
        members.push(member);
    }
    Ok(Layout {
        source: format!("postgres:{}.{}.{}", table.database, table.schema, table.name),
        cursor: quoted(&spec.cursor.column),
        table: shown.clone(),
        shown,
        expressions,
        time,
        details: members,
    })
}

fn judge_cursor(table: &str, cursor: Option<&Column>) -> Result<(), TableError> {
    let Some(cursor) = cursor else { return Ok(()) };
    let (table, column) = (table.to_owned(), cursor.name.clone());
    let is_integer = [Type::INT2, Type::INT4, Type::INT8].iter().any(|integer| integer.oid() == cursor.base_type);
    if !is_integer {
        return Err(TableError::CursorType { table, column, found: cursor.shown_type.clone() });
    }
    if !cursor.is_not_null {
        return Err(TableError::CursorNull { table, column });
    }
    if !cursor.is_unique {
        return Err(TableError::CursorRepeats { table, column });
    }
    Ok(())
}

fn find<'a>(columns: &'a [Column], name: &str) -> Option<&'a Column> {
    columns.iter().find(|column| column.name == name)
}

fn number_text(name: &str) -> String {
    format!("left({}::text, {})", quoted(name), MOST_DIGITS + 1)
}

fn wrong_type(table: &str, column: Option<&Column>, field: &'static str, needed: &'static str) -> TableError {
    let (column, found) =
        column.map_or_else(Default::default, |column| (column.name.clone(), column.shown_type.clone()));
    TableError::ColumnType { table: table.to_owned(), column, found, field, needed }
}

fn number_form(base_type: u32) -> Option<()> {
    match Type::from_oid(base_type)? {
        Type::INT2
        | Type::INT4
        | Type::INT8
        | Type::NUMERIC
        | Type::FLOAT4
        | Type::FLOAT8
        | Type::TEXT
        | Type::VARCHAR
        | Type::BPCHAR => Some(()),
        _ => None,
    }
}

fn time_form(base_type: u32) -> Option<TimeForm> {
    match Type::from_oid(base_type)? {
        Type::TIMESTAMPTZ | Type::TIMESTAMP => Some(TimeForm::Moment),
        Type::DATE => Some(TimeForm::Day),
        Type::INT4 | Type::INT8 | Type::NUMERIC | Type::FLOAT8 => Some(TimeForm::Number),
        _ => None,
    }
}

fn kind(code: &str) -> &'static str {
    match code {
        "v" => "view",
        "m" => "materialized view",
        "f" => "foreign table",
        "S" => "sequence",
        _ => "relation of another kind",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn spec(columns: &serde_json::Value) -> Postgres {
        let fields = json!({
            "secretRef": { "name": "db" }, "table": "public.trades", "cursor": { "column": "id" }, "columns": columns,
        });
        serde_json::from_value(fields).unwrap()
    }

    fn table() -> Table {
        Table {
            kind: "r".to_owned(),
            schema: "public".to_owned(),
            name: "trades".to_owned(),
            database: "market".to_owned(),
            has_heirs: false,
        }
    }

    fn column(name: &str, base: &Type) -> Column {
        Column {
            name: name.to_owned(),
            shown_type: base.name().to_owned(),
            base_type: base.oid(),
            is_not_null: true,
            is_unique: true,
            is_readable: true,
        }
    }

    #[test]
    fn columns_are_selected_in_the_form_of_their_types() {
        let spec = spec(&json!({ "sid": "S", "price": "p", "time": "at", "ask": "a", "size": "z" }));
        let columns = [
            column("id", &Type::INT4),
            column("S", &Type::UUID),
            column("p", &Type::NUMERIC),
            column("at", &Type::TIMESTAMPTZ),
            column("a", &Type::FLOAT8),
            column("z", &Type::TEXT),
        ];
        let layout = judge(&spec, Some(&table()), &columns).unwrap();
        let expected = [
            r#"left("S"::text, 65)"#,
            r#"left("p"::text, 401)"#,
            r#""at""#,
            r#"left("z"::text, 401)"#,
            r#"left("a"::text, 401)"#,
        ];
        assert_eq!(layout.expressions, expected);
        assert_eq!((layout.time, layout.details), (Some(TimeForm::Moment), vec![Member::Size, Member::Ask]));
        assert_eq!(
            (layout.source.as_str(), layout.table.as_str()),
            ("postgres:market.public.trades", r#""public"."trades""#)
        );
    }

    #[test]
    fn tables_without_unique_numbers_are_refused_with_advice() {
        let spec = spec(&json!({ "sid": "s", "price": "p" }));
        let usable = [column("id", &Type::INT8), column("s", &Type::TEXT), column("p", &Type::NUMERIC)];
        let with = |place: usize, change: &dyn Fn(&mut Column)| {
            let mut columns = usable.clone();
            change(&mut columns[place]);
            judge(&spec, Some(&table()), &columns).unwrap_err()
        };
        let of_kind =
            |kind: &str| judge(&spec, Some(&Table { kind: kind.to_owned(), ..table() }), &usable).unwrap_err();
        let heirs = judge(&spec, Some(&Table { has_heirs: true, ..table() }), &usable).unwrap_err();
        for (error, reason, part) in [
            (judge(&spec, None, &[]).unwrap_err(), "TableMissing", "no table public.trades"),
            (of_kind("v"), "TableUnusable", "is a view"),
            (heirs, "TableUnusable", "inherit from it"),
            (judge(&spec, Some(&table()), &usable[1..]).unwrap_err(), "CursorUnusable", "no column \"id\""),
            (
                judge(&spec, Some(&table()), &usable[..2]).unwrap_err(),
                "ColumnUnusable",
                "correct the name in columns.price",
            ),
            (with(0, &|id| id.base_type = Type::NUMERIC.oid()), "CursorUnusable", "smallint, integer or bigint"),
            (with(0, &|id| id.is_not_null = false), "CursorUnusable", "ALTER COLUMN \"id\" SET NOT NULL"),
            (with(0, &|id| id.is_unique = false), "CursorUnusable", "CREATE UNIQUE INDEX"),
            (with(2, &|price| price.base_type = Type::MONEY.oid()), "ColumnUnusable", "numeric"),
            (with(1, &|sid| sid.is_readable = false), "QueryRefused", "GRANT SELECT"),
        ] {
            assert!(error.reason() == reason && error.to_string().contains(part), "{reason}: {error}");
        }
        let partitioned = Table { kind: "p".to_owned(), has_heirs: true, ..table() };
        assert!(judge(&spec, Some(&partitioned), &usable).is_ok());
    }
}
