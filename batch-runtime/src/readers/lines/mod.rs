//! [`LinesReader`] reads the lines of a text file, plain or compressed, or groups of lines.

mod framing;
mod groups;
mod options;
mod stray;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use super::ReadError;
use super::framed::{Decode, Framed, Records, read_records};
use crate::definition::BoxError;

pub use framing::LineState;
pub(crate) use framing::{Blanks, LineFraming};
pub use options::LinesOptions;
pub(crate) use stray::refuse_stray;

/// Reads a text file, one item per line, or per group of lines.
///
/// The item is parsed from the text of the line, without its ending: by [`FromStr`], or by a [function of
/// your own](LinesOptions::parse). So the item may be an enum whose variants are different kinds of lines. A
/// [group of lines](LinesOptions::record_begins) can be a record too: a restart, `threads`, `partitions` and a
/// skip never divide it.
///
/// The file is UTF-8, with or without a byte order mark, or in [another encoding](LinesOptions::encoding).
/// Lines end with LF or CRLF; a carriage return that does not end a line is an error, and so is a byte order mark within
/// the file, unless the reader is [lenient](LinesOptions::lenient). The last line needs no ending, and blank lines are skipped unless they [count
/// too](LinesOptions::with_blank_lines). Files whose names end in `.gz` or `.zst` are decompressed. A [trailer](
/// LinesOptions::trailer) is checked before the first item.
///
/// Reading continues after an error about one record ([`ReadError::is_about_a_record`]): text that cannot
/// be parsed or is not in the encoding, a record that is too long or incomplete.
///
/// ```
/// use batch_runtime::{Reader, readers::LinesReader};
///
/// let path = std::env::temp_dir().join("doc-lines-reader.txt");
/// std::fs::write(&path, "12\n7\n\n5")?;
///
/// let mut numbers = LinesReader::<u32>::open(&path)?;
/// assert_eq!(numbers.read()?, Some(12));
/// let position = numbers.position();
///
/// let mut restarted = LinesReader::<u32>::open(&path)?;
/// restarted.resume(position)?;
/// assert_eq!(restarted.read()?, Some(7));
/// assert_eq!(restarted.read()?, Some(5));
/// assert_eq!(restarted.read()?, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct LinesReader<T> {
    records: Records<LineFraming, Parser<T>, T>,
}

impl<T> LinesReader<T> {
    /// Opens a file whose lines are parsed by [`FromStr`].
    ///
    /// # Errors
    /// If the file cannot be opened, is a folder, or is in an encoding other than UTF-8.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ReadError>
    where
        T: FromStr<Err: Into<BoxError>> + 'static,
    {
        Self::options().parse(str::parse).open(path)
    }

    /// Returns options for other files. They need a function that [parses](LinesOptions::parse) a record.
    pub fn options() -> LinesOptions<T> {
        LinesOptions::new()
    }
}

read_records!(LinesReader, LineState,);

/// Parses the text of a record. It is a trait object, so that a function can name the reader that it returns; it costs
/// one indirect call per record.
type Parse<T> = Arc<dyn Fn(&str) -> Result<T, BoxError> + Send + Sync>;

/// Makes items of records.
struct Parser<T> {
    parse: Parse<T>,
    /// True if stray carriage returns and byte order marks are text.
    lenient: bool,
}

impl<T> Decode<LineFraming, T> for Parser<T> {
    #[inline]
    fn decode(&mut self, lines: &mut Framed<LineFraming>, puts_back: bool) -> Result<Option<T>, ReadError> {
        if !self.lenient {
            refuse_stray(lines, puts_back)?;
        }
        let (bytes, place) = lines.record();
        let text = lines.encoding.decode(bytes).map_err(|error| place.not_text(bytes, &error, None))?;
        (self.parse)(&text).map(Some).map_err(|error| place.refused(&text, error.to_string()))
    }

    fn another(&self) -> Self {
        Self { parse: Arc::clone(&self.parse), lenient: self.lenient }
    }
}
