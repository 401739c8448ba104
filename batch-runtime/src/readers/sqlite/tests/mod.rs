//! Tests of the query reader, with the database that they read.

mod items;
mod keys;
mod opening;
mod pages;
mod parts;

use std::ops::Deref;
use std::path::PathBuf;

use rusqlite::Connection;
use serde::Deserialize;

use super::*;
use crate::definition::Sqlite;

#[derive(Debug, PartialEq, Deserialize)]
struct Person {
    id: i64,
    name: Option<String>,
}

/// A separate database file, with a connection to it.
pub(super) struct Database {
    connection: Connection,
    pub(super) sqlite: Sqlite,
    folder: PathBuf,
}

impl Database {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("batch-sqlite-reader-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&folder).unwrap();
        let sqlite = Sqlite::open(folder.join("rows.db"));
        let connection = Connection::open(sqlite.path()).unwrap();
        connection.pragma_update(None, "synchronous", "OFF").unwrap();
        Self { connection, sqlite, folder }
    }
}

impl Deref for Database {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.folder).unwrap();
    }
}

impl SqliteSource for &Database {
    fn into_connection(self) -> Result<Connection, SqliteReadError> {
        Ok(Connection::open(self.sqlite.path())?)
    }
}

pub(super) fn database(rows: i64) -> Database {
    let connection = Database::new();
    connection.execute_batch("CREATE TABLE person (id INTEGER PRIMARY KEY, name TEXT)").unwrap();
    let numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)";
    connection
        .execute(&format!("{numbers} INSERT INTO person SELECT i * 10, 'p' || i FROM n"), [rows])
        .unwrap();
    connection
}

pub(super) fn rest<R: Reader<Error = SqliteReadError>>(reader: &mut R) -> Vec<R::Item> {
    std::iter::from_fn(|| reader.read().unwrap()).collect()
}

pub(super) fn ids(source: impl SqliteSource, page: usize) -> SqliteReader<i64> {
    SqliteReader::query(source, "SELECT id FROM person").key("id").page(page).rows_as().unwrap()
}

/// Returns the position as a restart gets it.
fn stored<R: Reader<Position = SqlitePosition>>(reader: &R) -> SqlitePosition {
    crate::readers::tests::stored(reader)
}

pub(super) fn error<T: serde::de::DeserializeOwned>(query: SqliteQuery) -> String {
    query.rows_as::<T>().map(|_| ()).unwrap_err().to_string()
}
