//! Writers: one module per format or target. Committed items survive a crash, uncommitted ones are rolled
//! back, and a file gets its final name once it is complete.

mod by_key;
mod collector;
#[cfg(any(feature = "csv", feature = "fixed"))]
mod columns;
#[cfg(feature = "csv")]
mod csv;
mod error;
mod file;
#[cfg(feature = "fixed")]
mod fixed;
mod function;
mod json_array;
mod json_lines;
mod lines;
mod pair;
#[cfg(feature = "postgres")]
mod postgres;
mod rolling;
mod route;
mod row;
mod serialize;
mod sqlite;
mod table;
#[cfg(test)]
mod test_folder;
#[cfg(test)]
mod test_writer;
mod totals;
#[cfg(feature = "xml")]
mod xml;

pub use by_key::{ByKey, by_key};
pub use collector::Collector;
#[cfg(feature = "csv")]
pub use csv::CsvWriter;
pub use error::WriteError;
#[cfg(feature = "cli")]
pub(crate) use file::replace;
pub use file::{FilePosition, FileWriter, writable};
pub(crate) use file::{Tag, tag_of, tags_in};
#[cfg(feature = "fixed")]
pub use fixed::FixedWriter;
pub use function::FunctionWriter;
pub use json_array::JsonArrayWriter;
pub use json_lines::JsonLinesWriter;
pub use lines::{Line, LinesWriter};
pub use pair::Both;
#[cfg(feature = "postgres")]
pub use postgres::{PostgresRows, PostgresTable, PostgresWriteError};
pub use rolling::{Rolling, RollingFiles, RollingPosition, rolling};
pub use route::{Arms, PartitionableArms, Route};
pub use sqlite::{Rows, SqliteTable, SqliteWriteError};
pub use table::{Table, TableRows, TableWriteError};
pub use totals::{TotalsPosition, WithTotals};
#[cfg(feature = "xml")]
pub use xml::XmlWriter;
