//! Reading a query page by page.

mod items;
mod keys;
mod pages;
mod parts;
mod random;

use batch_runtime::Reader;
use batch_runtime::postgres::Postgres;
use batch_runtime::readers::{PostgresQuery, PostgresReadError, PostgresReader};
use batch_tests::postgres::Database;
use serde::de::DeserializeOwned;

/// A query of the database.
fn query(database: &Database, sql: &str) -> PostgresQuery {
    PostgresReader::query(&Postgres::at(database.url()), sql)
}

/// Reads the rest.
fn rest<R: Reader<Error = PostgresReadError>>(reader: &mut R) -> Vec<R::Item> {
    std::iter::from_fn(|| reader.read().unwrap()).collect()
}

/// All rows of a query.
fn all<T: DeserializeOwned>(query: PostgresQuery) -> Vec<T> {
    rest(&mut query.rows_as().unwrap())
}

/// The error of a query that cannot be opened, or not read to its end.
fn error<T: DeserializeOwned>(query: PostgresQuery) -> String {
    let read = || {
        let mut reader = query.rows_as::<T>()?;
        while reader.read()?.is_some() {}
        Ok(())
    };
    let read: Result<(), PostgresReadError> = read();
    read.unwrap_err().to_string()
}

/// The position as it is stored.
fn stored<R: Reader>(reader: &R) -> R::Position {
    let json = serde_json::to_string(&reader.position()).unwrap();
    serde_json::from_str(&json).unwrap()
}

/// A table of people with the ids 10, 20, 30 and so on.
fn people(database: &Database, number: u32) {
    database
        .connect()
        .batch_execute(&format!(
            "CREATE TABLE person (id bigint PRIMARY KEY, name text NOT NULL);
             INSERT INTO person SELECT n * 10, 'p' || n FROM generate_series(1, {number}) AS n"
        ))
        .unwrap();
}
