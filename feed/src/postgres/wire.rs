//! Requests of a look, and their answers as values.

use std::{collections::BTreeSet, error::Error};

use tokio_postgres::{
    Row,
    types::{FromSql, Type},
};

use super::{
    barrier::{Snapshot, next_transaction},
    connection::{Connection, ConnectionError},
    row::{Time, Values},
    sql,
    table::{Column, Layout, Table, TableError, TimeForm, judge, named},
};

impl Connection {
    /// Asks the catalogue for the table.
    pub(super) async fn table(
        &self,
        spec: &intuition_resources::Postgres,
    ) -> Result<Result<Layout, TableError>, ConnectionError> {
        let name = sql::quoted_table(&spec.table);
        let found = self.query(sql::TABLE, &[(&name, Type::TEXT)]).await?;
        let Some(row) = found.first() else { return Ok(judge(spec, None, &[])) };
        let table = Table {
            kind: self.get(row, 1)?,
            schema: self.get(row, 2)?,
            name: self.get(row, 3)?,
            database: self.get(row, 4)?,
            has_heirs: self.get(row, 5)?,
        };
        let number: u32 = self.get(row, 0)?;
        let names: Vec<&str> = named(spec).into_iter().map(|(_, name)| name).collect();
        let found = self.query(sql::COLUMNS, &[(&number, Type::OID), (&names, Type::TEXT_ARRAY)]).await?;
        let column = |row: &Row| {
            Ok(Column {
                name: self.get(row, 0)?,
                shown_type: self.get(row, 1)?,
                base_type: self.get(row, 2)?,
                is_not_null: self.get(row, 3)?,
                is_unique: self.get(row, 4)?,
                is_readable: self.get(row, 5)?,
            })
        };
        let columns = found.iter().map(column).collect::<Result<Vec<_>, ConnectionError>>()?;
        Ok(judge(spec, Some(&table), &columns))
    }

    /// The state of the database.
    pub(super) async fn snapshot(&self, layout: &Layout) -> Result<Snapshot, ConnectionError> {
        let rows = self.query(&sql::look(&layout.table, &layout.cursor), &[]).await?;
        let row = rows.first().ok_or(ConnectionError::Answer)?;
        let number = |place| self.get::<&str>(row, place)?.parse().map_err(|_| ConnectionError::Answer);
        let (oldest_open, xmax): (u64, u64) = (number(0)?, number(1)?);
        Ok(Snapshot { oldest_open, next: next_transaction(xmax, self.get(row, 2)?), highest: self.get(row, 3)? })
    }

    /// The transaction that has held rows back for the longest time, as text for a person.
    pub(super) async fn oldest_transaction(&self) -> Result<Option<String>, ConnectionError> {
        let rows = self.query(sql::OLDEST_TRANSACTION, &[]).await?;
        rows.first().map(|row| self.get(row, 0)).transpose()
    }

    /// Rows from behind `behind` to `last` with their numbers, at most `most`.
    pub(super) async fn page(
        &self,
        layout: &Layout,
        (behind, last): (i64, i64),
        most: i64,
    ) -> Result<Vec<(i64, Values)>, ConnectionError> {
        let query = sql::page(&layout.table, &layout.cursor, &layout.expressions);
        let rows = self.query(&query, &[(&behind, Type::INT8), (&last, Type::INT8), (&most, Type::INT8)]).await?;
        rows.iter().map(|row| self.values(layout, row)).collect()
    }

    /// How many rows there are from behind `behind` to `last`.
    pub(super) async fn count(&self, layout: &Layout, behind: i64, last: i64) -> Result<u64, ConnectionError> {
        let query = sql::count(&layout.table, &layout.cursor);
        let rows = self.query(&query, &[(&behind, Type::INT8), (&last, Type::INT8)]).await?;
        let row = rows.first().ok_or(ConnectionError::Answer)?;
        Ok(self.get::<i64>(row, 0)?.cast_unsigned())
    }

    /// The last numbers from behind `behind` to `last`, at most `most`.
    pub(super) async fn last_numbers(
        &self,
        layout: &Layout,
        (behind, last): (i64, i64),
        most: i64,
    ) -> Result<BTreeSet<i64>, ConnectionError> {
        let query = sql::last_numbers(&layout.table, &layout.cursor);
        let rows = self.query(&query, &[(&behind, Type::INT8), (&last, Type::INT8), (&most, Type::INT8)]).await?;
        rows.iter().map(|row| self.get(row, 0)).collect()
    }

    fn values(&self, layout: &Layout, row: &Row) -> Result<(i64, Values), ConnectionError> {
        let number: i64 = self.get(row, 0)?;
        let mut place = 3;
        let time = match layout.time {
            None => None,
            Some(form) => {
                place += 1;
                Some(match form {
                    TimeForm::Moment => self.get::<Option<Moment>>(row, 3)?.map_or(Time::Null, |at| Time::Moment(at.0)),
                    TimeForm::Day => self.get::<Option<Day>>(row, 3)?.map_or(Time::Null, |day| Time::Day(day.0)),
                    TimeForm::Number => self.get::<Option<String>>(row, 3)?.map_or(Time::Null, Time::Number),
                })
            }
        };
        let details = layout.details.iter().zip(place..);
        let details = details.map(|(member, place)| Ok((*member, self.get(row, place)?)));
        let values = Values {
            number: number.cast_unsigned(),
            sid: self.get(row, 1)?,
            price: self.get(row, 2)?,
            time,
            details: details.collect::<Result<_, ConnectionError>>()?,
        };
        Ok((number, values))
    }

    fn get<'a, T: FromSql<'a>>(&self, row: &'a Row, place: usize) -> Result<T, ConnectionError> {
        row.try_get(place).map_err(|error| self.failed(&error))
    }
}

/// Microseconds since 2000, with or without a zone: the server has them in UTC, or as a clock of no zone shows them.
struct Moment(i64);

impl<'a> FromSql<'a> for Moment {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(i64::from_be_bytes(raw.try_into()?)))
    }

    fn accepts(found: &Type) -> bool {
        matches!(*found, Type::TIMESTAMP | Type::TIMESTAMPTZ)
    }
}

/// Days since 2000.
struct Day(i32);

impl<'a> FromSql<'a> for Day {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(i32::from_be_bytes(raw.try_into()?)))
    }

    fn accepts(found: &Type) -> bool {
        *found == Type::DATE
    }
}
