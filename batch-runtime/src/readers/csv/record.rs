//! [`CsvRecord`]: a record as it is, for processors that take its fields by name or number.

use std::fmt;

use serde::Deserialize;

use super::item::{FieldNames, Names};
use crate::definition::Failure;
use crate::readers::columns::Fields;
use crate::readers::fields::Misfit;
use crate::readers::lent::{Borrows, Lender, LentRecord};

/// A record of a CSV file, lent to a processor that takes its fields by name or number.
///
/// It suits a job that does not know the columns when it is compiled, or that needs few of many columns. A field is
/// looked up by name among all columns each time; if that costs too much, take the field by number, or use a struct,
/// for which serde matches the names once.
///
/// ```
/// use batch_runtime::prelude::*;
/// use batch_runtime::readers::CsvRecord;
///
/// #[reader]
/// fn flights(input: PathBuf) -> Result<CsvReader<CsvRecord<'_>>, ReadError> {
///     CsvReader::open(input)
/// }
///
/// #[processor]
/// fn late(flight: CsvRecord<'_>) -> Result<Option<String>, Failure> {
///     let minutes: Option<f64> = flight.parse("minutes")?;
///     Ok(minutes.filter(|minutes| *minutes > 15.0).map(|_| flight.field("carrier").unwrap_or("??").to_owned()))
/// }
/// # let path = std::env::temp_dir().join("doc-csv-record.csv");
/// # std::fs::write(&path, "carrier,minutes\nAA,16\nUA,\n")?;
/// # use batch_runtime::Reader;
/// let mut flights = flights(path)?;
/// assert_eq!(late(flights.read()?.expect("a record").item()?)?.as_deref(), Some("AA"));
/// assert_eq!(late(flights.read()?.expect("a record").item()?)?, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy)]
pub struct CsvRecord<'r> {
    record: &'r LentRecord,
}

impl<'r> CsvRecord<'r> {
    /// The number of fields.
    #[must_use]
    pub fn len(&self) -> usize {
        self.record.csv().count()
    }

    /// True if it has no field. A reader returns no such record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The text of a field by its number, from 0.
    #[must_use]
    pub fn get(&self, column: usize) -> Option<&'r str> {
        self.record.csv().text(column)
    }

    /// The text of a field by the name of its column.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&'r str> {
        self.get(self.record.decoder().column(name)?)
    }

    /// Decodes a field by the name of its column, by the rules of the reader: an empty field is `None` for an `Option`,
    /// and so are the reader's null markers.
    ///
    /// # Errors
    /// If there is no such column, which fails the step. If the value is not a `T`; this error names the line, the
    /// column and the value, and `skip(ReadError)` covers it.
    pub fn parse<T: Deserialize<'r>>(&self, name: &str) -> Result<T, Failure> {
        let column = self.record.decoder().column(name).filter(|column| *column < self.len());
        self.record.value(column.ok_or_else(|| self.record.without(name))?)
    }

    /// Decodes a field by its number, from 0.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn parse_at<T: Deserialize<'r>>(&self, column: usize) -> Result<T, Failure> {
        if column >= self.len() {
            return Err(self.record.without(&(column + 1).to_string()));
        }
        self.record.value(column)
    }

    /// The texts of all fields.
    pub fn iter(&self) -> impl Iterator<Item = &'r str> + use<'r> {
        self.record.fields()
    }

    /// The names of the columns; none in a file without a header.
    pub fn columns(&self) -> impl Iterator<Item = &'r str> + use<'r> {
        self.record.decoder().names()
    }

    /// The line on which the record begins, from 1.
    #[must_use]
    pub fn line(&self) -> u64 {
        self.record.line()
    }
}

impl<'r> Borrows<'r> for CsvRecord<'r> {
    #[inline]
    fn borrow(_: &mut Lender, record: &'r LentRecord) -> Result<Self, Failure> {
        Ok(Self { record })
    }
}

impl FieldNames for CsvRecord<'static> {
    fn misfit(_: Names<'_>) -> Option<Misfit> {
        None
    }
}

impl fmt::Debug for CsvRecord<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
