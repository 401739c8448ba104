//! [`FixedReader`] reads files with fixed-width columns.

mod column;
mod decode;
mod framing;
mod options;

#[cfg(test)]
mod tests;

use crate::Deserializes;

use super::framed::{Records, read_records};
use super::lines::LineState;
use decode::Columns;
use framing::FixedFraming;

pub use column::FixedColumn;
pub(crate) use column::{Align, Form};
pub use options::FixedOptions;

/// Reads a file with fixed-width columns, one item per record.
///
/// Columns are matched to the fields of the item by name, and serde's attributes apply, as for
/// [`CsvReader`](super::CsvReader); columns that the type does not know are ignored. Spaces around a value
/// are padding; for an `Option`, an empty column is `None`. Places count characters, from 0.
///
/// Each record is a line, or has a [fixed number of bytes](FixedOptions::record_bytes) without line endings,
/// as mainframes write them. A line without any character is skipped, unless the records are flexible; a line of spaces is
/// a record. A carriage return that does not end a line and a byte order mark within the file are errors. A record that is shorter or longer than its columns is an error, unless the
/// records are [flexible](FixedOptions::flexible).
///
/// Files whose names end in `.gz` or `.zst` are decompressed. A [trailer](FixedOptions::trailer) is checked
/// before the first item.
///
/// ```
/// use batch_runtime::{Reader, readers::FixedReader};
/// use serde::Deserialize;
///
/// #[derive(Debug, PartialEq, Deserialize)]
/// struct Room { id: u32, name: String, balance: Option<f64> }
///
/// let path = std::env::temp_dir().join("doc-fixed-reader.txt");
/// std::fs::write(&path, "\
/// 000007Kitchen        -12.50
/// 000012Winter garden        \n")?;
///
/// let columns = [("id", 0..6), ("name", 6..19), ("balance", 19..27)];
/// let mut rooms = FixedReader::<Room>::columns(columns).open(&path)?;
/// assert_eq!(rooms.read()?, Some(Room { id: 7, name: "Kitchen".into(), balance: Some(-12.5) }));
/// assert_eq!(rooms.read()?, Some(Room { id: 12, name: "Winter garden".into(), balance: None }));
/// assert_eq!(rooms.read()?, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct FixedReader<T> {
    records: Records<FixedFraming, Columns<T>, T>,
}

impl<T> FixedReader<T> {
    /// Returns options for a file with these columns, each a name and the range of its characters.
    pub fn columns(columns: impl IntoIterator<Item = impl Into<FixedColumn>>) -> FixedOptions<T> {
        FixedOptions::new(columns.into_iter().map(Into::into).collect())
    }
}

read_records!(FixedReader, LineState, Deserializes);
