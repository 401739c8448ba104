//! Readers of files: each gives items, a position that a restart goes on from, and errors that name the place.

mod error;
mod source;

pub use error::{ReadError, SHOWN_CHARACTERS};
pub use source::Identity;

#[cfg(feature = "csv")]
mod csv;
#[cfg(feature = "csv")]
pub use csv::{CsvOptions, CsvPosition, CsvReader};
