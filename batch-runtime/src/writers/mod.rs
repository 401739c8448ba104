//! Writers: one module per format or target. Committed items survive a crash, uncommitted ones are rolled
//! back, and a file gets its final name once it is complete.

mod collector;
#[cfg(feature = "csv")]
mod csv;
mod error;
mod file;
mod function;
mod json_lines;
mod pair;
#[cfg(feature = "postgres")]
mod postgres;
mod route;
mod row;
mod serialize;
mod sqlite;
mod table;
#[cfg(test)]
mod test_writer;

pub use collector::Collector;
#[cfg(feature = "csv")]
pub use csv::CsvWriter;
pub use error::WriteError;
pub use file::{FilePosition, writable};
pub use function::FunctionWriter;
pub use json_lines::JsonLinesWriter;
pub use pair::Both;
#[cfg(feature = "postgres")]
pub use postgres::{PostgresRows, PostgresTable, PostgresWriteError};
pub use route::{Arms, PartitionableArms, Route};
pub use sqlite::{Rows, SqliteTable, SqliteWriteError};
pub use table::{Table, TableRows, TableWriteError};
