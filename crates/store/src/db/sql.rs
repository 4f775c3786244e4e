//! One statement, its values, and the rows it gives.

use sqlx::{Row as _, SqliteConnection};

use super::{Conn, Tx};
use crate::error::{Result, StoreError};

/// The text of a statement on each database.
#[derive(Clone, Copy)]
pub(crate) struct Sql {
    sqlite: &'static str,
    postgres: &'static str,
}

impl Sql {
    /// A statement that the two databases spell differently.
    pub(crate) const fn either(sqlite: &'static str, postgres: &'static str) -> Self {
        Self { sqlite, postgres }
    }
}

impl From<&'static str> for Sql {
    fn from(text: &'static str) -> Self {
        Self::either(text, text)
    }
}

/// A value of a statement. `None` is NULL, with its type, which PostgreSQL wants to know.
pub(crate) enum Value {
    Int(Option<i64>),
    Text(Option<String>),
    Bytes(Option<Vec<u8>>),
}

macro_rules! value_from {
    ($($from:ty => |$it:ident| $to:expr;)*) => {
        $(impl From<$from> for Value {
            fn from($it: $from) -> Self {
                $to
            }
        })*
    };
}

value_from! {
    i64 => |it| Self::Int(Some(it));
    Option<i64> => |it| Self::Int(it);
    String => |it| Self::Text(Some(it));
    &String => |it| Self::Text(Some(it.clone()));
    &str => |it| Self::Text(Some(it.to_owned()));
    Option<&str> => |it| Self::Text(it.map(str::to_owned));
    Option<String> => |it| Self::Text(it);
    &Option<String> => |it| Self::Text(it.clone());
    Vec<u8> => |it| Self::Bytes(Some(it));
}

/// A statement about to run.
pub(crate) struct Query<'t> {
    tx: &'t mut Tx,
    sql: Sql,
    values: Vec<Value>,
}

impl Tx {
    pub(crate) fn query(&mut self, sql: impl Into<Sql>) -> Query<'_> {
        Query {
            tx: self,
            sql: sql.into(),
            values: Vec::new(),
        }
    }

    /// Runs a statement that the driver should not prepare: `BEGIN` and its relatives.
    pub(super) async fn control(&mut self, text: &'static str) -> Result<()> {
        if let Conn::Sqlite(conn) = &mut self.conn {
            sqlite_control(conn, text).await
        } else {
            Err(StoreError::internal(
                "only the SQLite writer is steered by hand",
            ))
        }
    }
}

pub(super) async fn sqlite_control(conn: &mut SqliteConnection, text: &'static str) -> Result<()> {
    sqlx::raw_sql(text).execute(conn).await?;
    Ok(())
}

macro_rules! bound {
    ($db:ty, $text:expr, $values:expr) => {{
        let mut query = sqlx::query::<$db>($text);
        for value in $values {
            query = match value {
                Value::Int(value) => query.bind(value),
                Value::Text(value) => query.bind(value),
                Value::Bytes(value) => query.bind(value),
            };
        }
        query
    }};
}

macro_rules! run {
    ($self:ident, $method:ident, |$row:ident| $sqlite:expr, $postgres:expr) => {{
        let Query { tx, sql, values } = $self;
        #[cfg(test)]
        super::explain::note(sql.sqlite, sql.postgres, &values);
        match &mut tx.conn {
            Conn::Sqlite(conn) => {
                let $row = bound!(sqlx::Sqlite, sql.sqlite, values)
                    .$method(&mut **conn)
                    .await?;
                $sqlite
            }
            Conn::SqliteReader(conn) => {
                let $row = bound!(sqlx::Sqlite, sql.sqlite, values)
                    .$method(&mut **conn)
                    .await?;
                $sqlite
            }
            Conn::Postgres(conn) => {
                let $row = bound!(sqlx::Postgres, sql.postgres, values)
                    .$method(&mut **conn)
                    .await?;
                $postgres
            }
            Conn::PostgresReader(conn) => {
                let rows = bound!(sqlx::Postgres, sql.postgres, values).$method(&mut **conn);
                // Writes have a deadline of their own.
                let $row = tokio::time::timeout(super::postgres::DEADLINE, rows)
                    .await
                    .map_err(|_| super::postgres::no_answer())??;
                $postgres
            }
        }
    }};
}

impl Query<'_> {
    pub(crate) fn bind(mut self, value: impl Into<Value>) -> Self {
        let value = match value.into() {
            // PostgreSQL has no text with a NUL in it: what is stored must not depend on the database.
            Value::Text(Some(text)) if text.contains('\0') => {
                Value::Text(Some(text.replace('\0', "\u{fffd}")))
            }
            value => value,
        };
        self.values.push(value);
        self
    }

    /// How many rows were changed.
    pub(crate) async fn execute(self) -> Result<u64> {
        Ok(run!(
            self,
            execute,
            |done| done.rows_affected(),
            done.rows_affected()
        ))
    }

    pub(crate) async fn fetch_optional(self) -> Result<Option<Row>> {
        Ok(run!(
            self,
            fetch_optional,
            |row| row.map(Row::Sqlite),
            row.map(Row::Postgres)
        ))
    }

    pub(crate) async fn fetch_one(self) -> Result<Row> {
        self.fetch_optional()
            .await?
            .ok_or_else(|| StoreError::internal("a statement that always gives a row gave none"))
    }

    pub(crate) async fn fetch_all(self) -> Result<Vec<Row>> {
        Ok(run!(
            self,
            fetch_all,
            |rows| rows.into_iter().map(Row::Sqlite).collect(),
            rows.into_iter().map(Row::Postgres).collect()
        ))
    }
}

/// One row of an answer.
pub(crate) enum Row {
    Sqlite(sqlx::sqlite::SqliteRow),
    Postgres(sqlx::postgres::PgRow),
}

macro_rules! getters {
    ($($name:ident -> $type:ty;)*) => {
        $(pub(crate) fn $name(&self, column: &str) -> Result<$type> {
            Ok(match self {
                Self::Sqlite(row) => row.try_get(column)?,
                Self::Postgres(row) => row.try_get(column)?,
            })
        })*
    };
}

impl Row {
    getters! {
        int -> i64;
        opt_int -> Option<i64>;
        text -> String;
        opt_text -> Option<String>;
        opt_bytes -> Option<Vec<u8>>;
    }

    /// A column that holds JSON text we wrote ourselves.
    pub(crate) fn json<T: serde::de::DeserializeOwned>(&self, column: &str) -> Result<T> {
        serde_json::from_str(&self.text(column)?).map_err(|_| {
            StoreError::internal(format!("column {column} holds JSON of another shape"))
        })
    }
}
