//! Writers of files: what is committed survives, what is not is cut off, and a file bears its name once it is whole.

mod error;
mod file;

pub use error::WriteError;
pub use file::FilePosition;

#[cfg(feature = "csv")]
mod csv;
#[cfg(feature = "csv")]
pub use csv::CsvWriter;
