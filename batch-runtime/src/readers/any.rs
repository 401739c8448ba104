//! Reads the rows of a query from a database of any kind.

use super::rows::{InColumn, ItemError};
use super::sqlite;
use crate::definition::{AnyConnection, DatabaseError, DatabaseValue, Deserializes};

impl AnyConnection {
    /// Runs a query with the parameters `$1`, `$2` and so on, and returns all its rows at once: struct fields are
    /// columns by name, a tuple takes the columns in order, and a single value is the only column.
    ///
    /// ```
    /// use batch_runtime::prelude::*;
    ///
    /// #[derive(Deserialize)]
    /// struct Rank {
    ///     carrier: String,
    ///     minutes: f64,
    /// }
    ///
    /// #[reader]
    /// fn ranking(connection: &Connection<AnyDatabase>) -> Result<impl Iterator<Item = Rank>, DatabaseError> {
    ///     let query = "SELECT carrier, minutes FROM rank WHERE minutes > $1 ORDER BY minutes DESC";
    ///     Ok(connection.query(query, &[15.0.into()])?.into_iter())
    /// }
    /// # fn main() {}
    /// ```
    ///
    /// # Errors
    /// If the query fails, would write to the database, or returns a row that does not fit `T`.
    pub fn query<T: Deserializes>(
        &self,
        query: &str,
        values: &[DatabaseValue],
    ) -> Result<Vec<T>, DatabaseError> {
        match self {
            Self::Sqlite(connection) => {
                let mut statement = connection.prepare(query)?;
                DatabaseValue::bind(values, &mut statement)?;
                sqlite::items(&mut statement)?.map_err(unfit)
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(connection) => {
                let values: Vec<&(dyn crate::postgres::types::ToSql + Sync)> =
                    values.iter().map(|value| value as _).collect();
                super::postgres::items(&connection.query(query, &values)?).map_err(unfit)
            }
        }
    }
}

/// The number of a row that did not become an item, from 1, and the reason.
pub(super) struct Unfit {
    pub(super) row: usize,
    pub(super) error: ItemError,
}

fn unfit(Unfit { row, error }: Unfit) -> DatabaseError {
    DatabaseError::Row(format!("row {row}{}: {error}", InColumn(error.column.as_deref())).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_with_their_parameters_and_one_that_does_not_fit_is_named() {
        let connection = AnyConnection::Sqlite(rusqlite::Connection::open_in_memory().unwrap());
        let numbers = "SELECT value AS n, 'x' AS t FROM (SELECT 1 AS value UNION SELECT 2 UNION SELECT NULL) WHERE value > $1 OR $2";
        let rows: Vec<(i64, String)> = connection.query(numbers, &[1.into(), false.into()]).unwrap();
        assert_eq!(rows, [(2, "x".to_owned())]);
        let error = connection.query::<(i64, String)>(numbers, &[1.into(), true.into()]).unwrap_err();
        assert!(error.to_string().starts_with("row 1, column `n`: expected i64, found NULL"), "{error}");
        let error = connection.query::<i64>("SELECT $1", &[1.into(), 2.into()]).unwrap_err();
        assert!(matches!(error, DatabaseError::Sqlite(_)), "{error}");
    }

    #[test]
    fn of_two_columns_with_one_name_a_map_would_keep_only_one() {
        let connection = AnyConnection::Sqlite(rusqlite::Connection::open_in_memory().unwrap());
        let twice = connection.query::<serde_json::Value>("SELECT 1 AS a, 2 AS a", &[]).unwrap_err();
        assert!(twice.to_string().contains("two columns of its result are named `a`"), "{twice}");
        assert_eq!(connection.query::<(u8, u8)>("SELECT 1 AS a, 2 AS a", &[]).unwrap(), [(1, 2)]);
    }
}
