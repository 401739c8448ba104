//! The measured jobs, written as a user would write them.

use batch_runtime::prelude::*;
use batch_runtime::readers::{CsvReader, PostgresReadError, PostgresReader, ReadError};
use batch_runtime::writers::PostgresTable;

use crate::data::{self, Sale};

/// The sales of a file.
#[reader]
fn sales(input: PathBuf) -> Result<CsvReader<Sale>, ReadError> {
    CsvReader::open(input)
}

#[processor]
fn charge(sale: Sale) -> Option<Sale> {
    data::charge(sale)
}

#[writer]
fn table() -> PostgresTable<Sale> {
    PostgresTable::into("sale")
}

#[step(chunk = 1_000)]
fn load_sales() {
    sales | charge | table
}

/// From file to table.
#[job]
pub(crate) fn csv_to_postgres(input: PathBuf) {
    load_sales;
}

#[step(chunk = 1_000, threads = 2)]
fn load_sales_on_threads() {
    sales | charge | table
}

/// From file to table, with threads.
#[job]
pub(crate) fn csv_to_postgres_on_threads(input: PathBuf) {
    load_sales_on_threads;
}

#[step(chunk = 1_000, threads = 2, order = none)]
fn load_sales_unordered() {
    sales | charge | table
}

/// From file to table, with chunks that are committed side by side.
#[job]
pub(crate) fn csv_to_postgres_unordered(input: PathBuf) {
    load_sales_unordered;
}

/// The sales of a table.
#[reader]
fn stored(connection: &Connection<Postgres>) -> Result<PostgresReader<Sale>, PostgresReadError> {
    PostgresReader::query(
        connection,
        "SELECT id, customer, country, product, quantity, price, discount FROM stored",
    )
    .key("id")
    .rows_as()
}

#[step(chunk = 1_000)]
fn copy_sales() {
    stored | charge | table
}

/// From table to table.
#[job]
pub(crate) fn postgres_to_postgres() {
    copy_sales;
}
