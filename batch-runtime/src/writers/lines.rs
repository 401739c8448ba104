//! [`LinesWriter`] writes items to a text file, one line per item.

#[cfg(test)]
mod tests;

use std::fmt::{self, Display};
use std::path::PathBuf;

use super::file::{Ends, Refusal, TransactionalFile, forward_to_file, forward_to_partitions, lines_of_text};
use super::{FilePosition, WriteError};
use crate::definition::BoxError;
use crate::{ChunkTransaction, Durability, Writer};

/// Writes items to a text file, one line per item: as [`Display`] formats it, or as a [function of your
/// own](Self::create_with) does.
///
/// The writer refuses an item that [`LinesReader`](crate::readers::LinesReader) would read back as another one: a text
/// with a line break in it (LF or CR), a text that begins with a byte order mark, and a blank line, which a reader skips,
/// unless [blank lines count too](Self::with_blank_lines).
///
/// The file is called `NAME.TAG.part` until the end of the step, as for [`JsonLinesWriter`](super::JsonLinesWriter),
/// and everything said there about crashes, links, existing files, `.gz` and `.zst` applies.
///
/// ```
/// use batch_runtime::{ChunkTransaction, Durability, Writer, writers::LinesWriter};
///
/// struct Order { id: u32, cents: u64 }
///
/// let path = std::env::temp_dir().join("doc-lines-writer.txt");
/// # let _ = std::fs::remove_file(&path);
/// let mut orders = LinesWriter::create_with(&path, |order: &Order, line| {
///     write!(line, "ORD {:06} {}.{:02}", order.id, order.cents / 100, order.cents % 100)
/// })
/// .footer(|orders| format!("END {orders:06}"));
///
/// // A step does this:
/// orders.open(None)?;
/// orders.write(&[Order { id: 7, cents: 1_250 }], &ChunkTransaction::none())?;
/// orders.prepare(Durability::Machine)?;
/// orders.seal(Durability::Machine)?;
/// orders.finish(Durability::Machine)?;
///
/// assert_eq!(std::fs::read_to_string(&path)?, "ORD 000007 12.50\nEND 000001\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub struct LinesWriter<T> {
    file: TransactionalFile,
    ends: Ends,
    add_all: AddAll<T>,
    with_blanks: bool,
}

/// Adds the lines of a chunk. It is a trait object, so that a function can name the writer that it returns.
type AddAll<T> = Box<dyn Fn(&[T], Lines<'_>) -> Result<(), WriteError> + Send + Sync>;

/// The file to which lines are added.
struct Lines<'a> {
    file: &'a mut TransactionalFile,
    line_end: &'static str,
    with_blanks: bool,
}

impl Lines<'_> {
    /// Adds a line for each item, as `format` writes it. If an item is refused, no line is added.
    #[inline]
    fn add<T, E: Into<BoxError>>(
        self,
        items: &[T],
        format: impl Fn(&T, &mut Line<'_>) -> Result<(), E>,
    ) -> Result<(), WriteError> {
        let Self { file, line_end, with_blanks } = self;
        file.add_records(items, |item, out| {
            let begin = out.len();
            format(item, &mut Line(out)).map_err(|error| {
                let error: BoxError = error.into();
                Refusal { field: None, problem: format!("it cannot be formatted: {error}") }
            })?;
            if let Some(problem) = problem(&out[begin..], with_blanks) {
                return Err(Refusal { field: None, problem: problem.to_owned() });
            }
            out.extend_from_slice(line_end.as_bytes());
            Ok(())
        })
    }
}

/// The line of an item, to which `write!` appends; [`LinesWriter::create_with`] says how.
///
/// ```
/// use batch_runtime::writers::{Line, LinesWriter};
///
/// fn line(temperature: &f64, line: &mut Line<'_>) -> std::fmt::Result {
///     write!(line, "{temperature:+.1}")
/// }
///
/// let temperatures: LinesWriter<f64> = LinesWriter::create_with("temperatures.txt", line);
/// ```
#[derive(Debug)]
pub struct Line<'a>(&'a mut Vec<u8>);

impl Line<'_> {
    /// Appends formatted text. `write!` calls this.
    ///
    /// # Errors
    /// If the `Display` of a value returns an error.
    pub fn write_fmt(&mut self, text: fmt::Arguments<'_>) -> fmt::Result {
        fmt::Write::write_fmt(&mut Text(self.0), text)
    }

    /// Appends a string.
    pub fn push_str(&mut self, text: &str) {
        self.0.extend_from_slice(text.as_bytes());
    }
}

/// Appends formatted text to bytes.
struct Text<'a>(&'a mut Vec<u8>);

impl fmt::Write for Text<'_> {
    #[inline]
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

impl<T> LinesWriter<T> {
    /// Creates a file of lines that [`Display`] formats. Nothing is touched before the step begins.
    pub fn create(path: impl Into<PathBuf>) -> Self
    where
        T: Display,
    {
        Self::create_with(path, |item, line| write!(line, "{item}"))
    }

    /// Creates a file whose lines `format` writes: it appends the text of an item to its line, without a line ending.
    /// An error refuses the item. Nothing is touched before the step begins.
    pub fn create_with<E: Into<BoxError>>(
        path: impl Into<PathBuf>,
        format: impl Fn(&T, &mut Line<'_>) -> Result<(), E> + Send + Sync + 'static,
    ) -> Self {
        Self {
            file: TransactionalFile::new(path.into()),
            ends: Ends::new(),
            add_all: Box::new(move |items, lines| lines.add(items, &format)),
            with_blanks: false,
        }
    }

    /// Ends lines with CRLF instead of LF.
    pub fn crlf(mut self) -> Self {
        self.ends.line_end = "\r\n";
        self
    }

    /// Writes an item without text as a blank line, for a reader that [reads blank lines as
    /// records](crate::readers::LinesOptions::with_blank_lines) too.
    pub fn with_blank_lines(mut self) -> Self {
        self.with_blanks = true;
        self
    }
}

/// Says why a reader would not read this line back.
#[inline]
fn problem(line: &[u8], with_blanks: bool) -> Option<&'static str> {
    if memchr::memchr2(b'\n', b'\r', line).is_some() {
        Some("its text has a line break in it")
    } else if !with_blanks && line.iter().all(u8::is_ascii_whitespace) {
        Some(
            "it has no text, so it would be a blank line, which a reader skips; `with_blank_lines` writes it",
        )
    } else if line.starts_with("\u{feff}".as_bytes()) {
        Some("its text begins with a byte order mark, which a reader would drop")
    } else {
        None
    }
}

impl<T> Writer for LinesWriter<T> {
    type Item = T;

    forward_to_file!(self => self.file);

    fn open(&mut self, from: Option<FilePosition>) -> Result<(), WriteError> {
        self.file.open(from)?;
        self.file.with_options("line ending", &[self.ends.line_end])
    }

    fn write(&mut self, items: &[T], _tx: &ChunkTransaction<'_>) -> Result<(), WriteError> {
        let Self { file, ends, add_all, with_blanks } = self;
        ends.begin(file)?;
        add_all(items, Lines { file, line_end: ends.line_end, with_blanks: *with_blanks })
    }

    fn seal(&mut self, durability: Durability) -> Result<(), WriteError> {
        self.ends.seal(&mut self.file, durability)
    }
}

forward_to_partitions!(LinesWriter, b"", Sized);
lines_of_text!(LinesWriter);

impl<T> fmt::Debug for LinesWriter<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LinesWriter")
            .field("file", &self.file)
            .field("header", &self.ends.header)
            .finish_non_exhaustive()
    }
}
