//! [`FixedWriter`] writes items of a serde type to a file with fixed-width columns.

mod value;

#[cfg(test)]
mod tests;

use std::fmt;
use std::marker::PhantomData;
use std::path::PathBuf;

use super::columns::{self, Columns, Format, ItemError};
use super::file::{Ends, TransactionalFile, forward_to_file, forward_to_partitions, lines_of_text};
use super::{FilePosition, WriteError};
use crate::readers::FixedColumn;
use crate::{ChunkTransaction, Durability, Serializes, Writer};

/// Writes items to a file with fixed-width columns.
///
/// The fields of an item are matched to the columns by name, those of a tuple by position. The range of a column
/// counts characters, from 0; characters outside all columns are spaces. `None` is an empty column. A value that
/// is longer than its column is refused, and never cut. A value is also refused if
/// [`FixedReader`](crate::readers::FixedReader) would read it back as another one: a string with spaces at its
/// edges, a string with a line ending in it, an empty string in a `Some`, or a string of digits that its column would
/// change, such as `7` in a column that is filled with [zeros](FixedColumn::zeros), or `1.5` in one with two
/// [decimals](FixedColumn::decimals). An item without any value is refused
/// too, because it would be a blank line.
///
/// The file is called `NAME.TAG.part` until the end of the step, as for [`CsvWriter`](super::CsvWriter), and
/// everything said there about crashes, links, existing files, `.gz` and `.zst` applies.
///
/// ```
/// use batch_runtime::{ChunkTransaction, Durability, Writer, readers::FixedColumn, writers::FixedWriter};
/// use serde::Serialize;
///
/// #[derive(Serialize)]
/// struct Room { id: u32, name: String, balance: Option<f64> }
///
/// let path = std::env::temp_dir().join("doc-fixed-writer.txt");
/// # let _ = std::fs::remove_file(&path);
/// let columns = [
///     FixedColumn::new("id", 0..6).zeros(),
///     FixedColumn::new("name", 6..19),
///     FixedColumn::new("balance", 19..27).right(),
/// ];
/// let mut rooms = FixedWriter::create(&path, columns).footer(|records| format!("T{records:05}"));
///
/// // A step does this:
/// rooms.open(None)?;
/// let chunk = [Room { id: 7, name: "Kitchen".into(), balance: Some(-12.5) }];
/// rooms.write(&chunk, &ChunkTransaction::none())?;
/// rooms.prepare(Durability::Machine)?;
/// rooms.seal(Durability::Machine)?;
/// rooms.finish(Durability::Machine)?;
///
/// assert_eq!(std::fs::read_to_string(&path)?, "000007Kitchen         -12.5\nT00001\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub struct FixedWriter<T> {
    file: TransactionalFile,
    ends: Ends,
    columns: Vec<FixedColumn>,
    /// Known from the first item on.
    layout: Option<Layout>,
    item: PhantomData<fn(&T)>,
}

/// How the fields of an item become a line.
#[derive(Debug)]
struct Layout {
    /// The columns from left to right, each with the number of its field.
    columns: Vec<(FixedColumn, usize)>,
    fields: Columns,
    format: Format,
    /// The fields of an item, one per line.
    texts: Vec<u8>,
    /// The end of each field in `texts`.
    ends: Vec<usize>,
}

/// Separates the fields of an item; a field that contains it is refused.
const SEPARATOR: u8 = b'\n';

/// Stands before and after a value that is a text, unless it is an empty text that is not in a `Some`.
const TEXT: u8 = 0;

impl<T> FixedWriter<T> {
    /// Creates a file with these columns, each a name and the range of its characters. Nothing is touched
    /// before the step begins.
    pub fn create(
        path: impl Into<PathBuf>,
        columns: impl IntoIterator<Item = impl Into<FixedColumn>>,
    ) -> Self {
        Self {
            file: TransactionalFile::new(path.into()),
            ends: Ends::new(),
            columns: columns.into_iter().map(Into::into).collect(),
            layout: None,
            item: PhantomData,
        }
    }

    /// Ends lines with CRLF instead of LF.
    pub fn crlf(mut self) -> Self {
        self.ends.line_end = "\r\n";
        self
    }

    fn options(&self, problem: String) -> WriteError {
        WriteError::Options { path: self.file.path().to_path_buf(), problem }
    }

    fn learn(&mut self, item: &T) -> Result<(), WriteError>
    where
        T: Serializes,
    {
        if self.layout.is_some() {
            return Ok(());
        }
        let format = Format::between(SEPARATOR, TEXT);
        let fields = columns::columns(item, &format).map_err(|error| self.file.refused(1, error))?;
        let by_name = !fields.names.is_empty();
        let lacking =
            fields.names.iter().find(|name| !self.columns.iter().any(|column| *column.name == ***name));
        if let Some(field) = lacking {
            return Err(self.options(format!("the item has a field `{field}`, but there is no such column")));
        }
        if !by_name && fields.count != self.columns.len() {
            let (found, count) = (fields.count, self.columns.len());
            return Err(self.options(format!("there are {count} columns, but an item has {found} fields")));
        }
        let mut columns = Vec::with_capacity(self.columns.len());
        for (at, column) in self.columns.iter().enumerate() {
            let field =
                if by_name { fields.names.iter().position(|name| **name == *column.name) } else { Some(at) };
            let Some(field) = field else {
                return Err(self.options(format!("the item has no field `{}`", column.name)));
            };
            columns.push((column.clone(), field));
        }
        columns.sort_by_key(|(column, _)| column.range.start);
        self.layout = Some(Layout { columns, fields, format, texts: Vec::new(), ends: Vec::new() });
        Ok(())
    }
}

impl Layout {
    /// Appends an item as a line.
    fn append<T: Serializes>(
        &mut self,
        item: &T,
        line_end: &str,
        out: &mut Vec<u8>,
    ) -> Result<(), ItemError> {
        self.texts.clear();
        columns::append(item, &self.format, &self.fields, &mut self.texts)?;
        let texts = std::str::from_utf8(&self.texts)
            .map_err(|_| ItemError::new("it has a value that is not text"))?;
        self.ends.clear();
        self.ends.extend(memchr::memchr_iter(SEPARATOR, texts.as_bytes()).chain([texts.len()]));
        if self.ends.len() != self.fields.count {
            return Err(ItemError::new("a value has a line ending in it"));
        }
        let begin = out.len();
        let mut at = 0;
        for (column, field) in &self.columns {
            out.extend(std::iter::repeat_n(b' ', column.range.start - at));
            let from = field.checked_sub(1).map_or(0, |before| self.ends[before] + 1);
            value::append(column, &texts[from..self.ends[*field]], out)
                .map_err(|error| error.in_field(&column.name))?;
            at = column.range.end;
        }
        if out[begin..].iter().all(u8::is_ascii_whitespace) {
            return Err(ItemError::new("it has no value, so it would be a blank line"));
        }
        out.extend_from_slice(line_end.as_bytes());
        Ok(())
    }
}

impl<T: Serializes> Writer for FixedWriter<T> {
    type Item = T;

    forward_to_file!(self => self.file);

    fn open(&mut self, from: Option<FilePosition>) -> Result<(), WriteError> {
        if let Some(problem) = FixedColumn::problem(&self.columns) {
            return Err(self.options(problem));
        }
        if let Some(packed) = self.columns.iter().find(|column| column.is_packed()) {
            let problem =
                format!("column `{}` is packed, and its bytes may look like a line ending", packed.name);
            return Err(self.options(problem));
        }
        self.file.open(from)?;
        let form = |column: &FixedColumn| {
            let FixedColumn { name, range, form, align } = column;
            format!("{name} {range:?} {form:?} {align:?}")
        };
        let columns: Vec<String> = self.columns.iter().map(form).collect();
        let values: Vec<&str> = columns.iter().map(String::as_str).chain([self.ends.line_end]).collect();
        self.file.with_options("columns and line ending", &values)
    }

    fn write(&mut self, items: &[T], _tx: &ChunkTransaction<'_>) -> Result<(), WriteError> {
        let Some(first) = items.first() else { return Ok(()) };
        self.learn(first)?;
        self.ends.begin(&mut self.file)?;
        let Some(layout) = &mut self.layout else { return Ok(()) };
        let line_end = self.ends.line_end;
        self.file.add_records(items, |item, out| layout.append(item, line_end, out))
    }

    fn seal(&mut self, durability: Durability) -> Result<(), WriteError> {
        self.ends.seal(&mut self.file, durability)
    }
}

forward_to_partitions!(FixedWriter);
lines_of_text!(FixedWriter);

impl<T> fmt::Debug for FixedWriter<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FixedWriter")
            .field("file", &self.file)
            .field("columns", &self.columns)
            .field("header", &self.ends.header)
            .finish_non_exhaustive()
    }
}
