//! Receives: what a reader found wrong with its input. Gives: [`ReadError`], the one error of all readers,
//! which names the resource, the place in it and the value.

use std::fmt::Write as _;
use std::io;
use std::sync::Arc;

/// The number of characters of a bad value that an error shows.
pub const SHOWN_CHARACTERS: usize = 100;

/// Why reading failed.
///
/// [`Record`](Self::Record), [`Columns`](Self::Columns), [`InvalidUtf8`](Self::InvalidUtf8), [`TooLong`](Self::TooLong),
/// [`Malformed`](Self::Malformed) and [`UnclosedQuote`](Self::UnclosedQuote) are about one record: the next `read` goes on
/// after it, so a step may skip them ([`is_about_a_record`](Self::is_about_a_record)). The others end the reading, whatever
/// `skip` says.
///
/// ```
/// use batch_runtime::readers::ReadError;
///
/// let error = ReadError::Record {
///     resource: "flights.csv".into(),
///     line: 17,
///     byte: 1_203,
///     column: Some("dep_delay".into()),
///     value: "late".into(),
///     problem: "expected a number".into(),
/// };
/// assert_eq!(error.to_string(), "flights.csv, line 17, column `dep_delay`: expected a number, found `late`");
/// assert!(error.is_about_a_record());
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The input cannot be opened.
    #[error("cannot open {resource}: {source}")]
    Open {
        /// The input.
        resource: Arc<str>,
        /// What the operating system says.
        source: io::Error,
    },
    /// The path is no regular file.
    #[error("{resource} is {found}: a file was expected")]
    NotAFile {
        /// The input.
        resource: Arc<str>,
        /// What it is: `a folder`.
        found: &'static str,
    },
    /// An option, or a cargo feature that the input needs, is not as it must be.
    #[error("{resource}: {problem}")]
    Options {
        /// The input.
        resource: Arc<str>,
        /// What is wrong and what to do.
        problem: Box<str>,
    },
    /// There is nothing where at least a header was expected.
    #[error("{resource} is empty: a header line was expected")]
    Empty {
        /// The input.
        resource: Arc<str>,
    },
    /// The header does not fit the item, or is no header.
    #[error("{resource}, header: {problem}")]
    Header {
        /// The input.
        resource: Arc<str>,
        /// What is wrong and what to do.
        problem: Box<str>,
    },
    /// The operating system could not read on.
    #[error("{resource}, byte {byte}: {source}")]
    Io {
        /// The input.
        resource: Arc<str>,
        /// How much of the (decompressed) input was read before.
        byte: u64,
        /// What the operating system says.
        source: io::Error,
    },
    /// A compressed input ends too early or is damaged.
    #[error("{resource} is {}: it cannot be decompressed behind byte {byte}: {source}",
        if *truncated { "truncated" } else { "damaged" })]
    Compressed {
        /// The input.
        resource: Arc<str>,
        /// How many bytes were decompressed before.
        byte: u64,
        /// True if the input ends too early.
        truncated: bool,
        /// What the decompressor says.
        source: io::Error,
    },
    /// A compressed input goes on after its end, by something else than zeros.
    #[error(
        "{resource}: trailing data after the last {part}; was the file put together of several, or is a part of it damaged? \
        all records before are read: cut the rest off, or bring the whole file"
    )]
    Trailing {
        /// The input.
        resource: Arc<str>,
        /// What a part is called: `gzip member`.
        part: &'static str,
    },
    /// A record is not as records are written: text after the quote that closes a field, a quote within a field without
    /// quotes, a carriage return that ends no line. Reading goes on with the next line.
    #[error("{resource}, line {line}: {problem}")]
    Malformed {
        /// The input.
        resource: Arc<str>,
        /// The line on which the record begins, from 1: the one that is left out.
        line: u64,
        /// The offset in bytes at which the record begins, from 0.
        byte: u64,
        /// What is wrong, with its place, and what to do.
        problem: Box<str>,
    },
    /// A value is not what the item's field takes.
    #[error("{resource}, line {line}{}: {problem}{}", Column(column.as_deref()), Found(value))]
    Record {
        /// The input.
        resource: Arc<str>,
        /// The line on which the record begins, from 1.
        line: u64,
        /// The offset in bytes at which the record begins, from 0.
        byte: u64,
        /// The column or key, where it is known.
        column: Option<Box<str>>,
        /// The value, cut at [`SHOWN_CHARACTERS`].
        value: Box<str>,
        /// What is wrong: `expected a number`.
        problem: Box<str>,
    },
    /// A record has more or fewer fields than there are columns.
    #[error("{resource}, line {line}: {found} fields, {expected} were expected")]
    Columns {
        /// The input.
        resource: Arc<str>,
        /// The line on which the record begins, from 1.
        line: u64,
        /// The offset in bytes at which the record begins, from 0.
        byte: u64,
        /// The number of columns.
        expected: usize,
        /// The number of fields.
        found: usize,
    },
    /// A record is not UTF-8.
    #[error("{resource}, line {line} (byte {byte}){}: invalid UTF-8{}; convert the input to UTF-8",
        Column(column.as_deref()), Found(value))]
    InvalidUtf8 {
        /// The input.
        resource: Arc<str>,
        /// The line on which the record begins, from 1.
        line: u64,
        /// The offset in bytes at which the record begins, from 0.
        byte: u64,
        /// The column, where it is known.
        column: Option<Box<str>>,
        /// The value with `\u{FFFD}` for what is bad, cut at [`SHOWN_CHARACTERS`].
        value: Box<str>,
    },
    /// A record is longer than a record may be. Reading goes on with the next line.
    #[error("{resource}, line {line} (byte {byte}): the record is longer than {limit} bytes{}",
        if *in_quotes { "; is the quote closed that it opens?" } else { "; is a line end missing?" })]
    TooLong {
        /// The input.
        resource: Arc<str>,
        /// The line on which the record begins, from 1.
        line: u64,
        /// The offset in bytes at which the record begins, from 0.
        byte: u64,
        /// The limit in bytes.
        limit: usize,
        /// True if it is a quoted field that did not end.
        in_quotes: bool,
    },
    /// A quoted field is still open at the end of the input. Reading goes on with the next line.
    #[error("{resource}, line {line} (byte {byte}): a quote is opened and never closed")]
    UnclosedQuote {
        /// The input.
        resource: Arc<str>,
        /// The line on which the record begins, from 1.
        line: u64,
        /// The offset in bytes at which the record begins, from 0.
        byte: u64,
    },
    /// The input is not the one of which an earlier execution read a part.
    #[error(
        "{resource} was changed since an earlier execution read it up to byte {byte}: {problem}; \
        bring the old file back, or start a new instance (`--next`)"
    )]
    Changed {
        /// The input.
        resource: Arc<str>,
        /// The position to go on from.
        byte: u64,
        /// How that was seen.
        problem: Box<str>,
    },
}

impl ReadError {
    /// True if it is about one record: the next `read` goes on behind that.
    #[must_use]
    pub fn is_about_a_record(&self) -> bool {
        matches!(
            self,
            Self::Record { .. }
                | Self::Columns { .. }
                | Self::InvalidUtf8 { .. }
                | Self::TooLong { .. }
                | Self::UnclosedQuote { .. }
                | Self::Malformed { .. }
        )
    }

    /// True if it is about the input as a whole, which cannot be read at all as it is: it fails the step, whatever `skip` and
    /// `retry` say. Of what is neither this nor about a record (a file that cannot be opened, a disk that fails, a compressed
    /// file that ends too early) none is skipped either, but a step may read it again.
    ///
    /// ```
    /// use batch_runtime::readers::ReadError;
    ///
    /// let error = ReadError::Empty { resource: "flights.csv".into() };
    /// assert!(error.is_about_the_input());
    /// ```
    #[must_use]
    pub fn is_about_the_input(&self) -> bool {
        matches!(
            self,
            Self::NotAFile { .. }
                | Self::Options { .. }
                | Self::Empty { .. }
                | Self::Header { .. }
                | Self::Changed { .. }
        )
    }

    /// A byte of the record that it is about.
    pub(crate) fn record_byte(&self) -> Option<u64> {
        match self {
            Self::Record { byte, .. }
            | Self::Columns { byte, .. }
            | Self::InvalidUtf8 { byte, .. }
            | Self::TooLong { byte, .. }
            | Self::UnclosedQuote { byte, .. } => Some(*byte),
            _ => None,
        }
    }

    /// The input's name.
    #[must_use]
    pub fn resource(&self) -> &str {
        match self {
            Self::Open { resource, .. }
            | Self::NotAFile { resource, .. }
            | Self::Options { resource, .. }
            | Self::Empty { resource }
            | Self::Header { resource, .. }
            | Self::Io { resource, .. }
            | Self::Compressed { resource, .. }
            | Self::Trailing { resource, .. }
            | Self::Malformed { resource, .. }
            | Self::Record { resource, .. }
            | Self::Columns { resource, .. }
            | Self::InvalidUtf8 { resource, .. }
            | Self::TooLong { resource, .. }
            | Self::UnclosedQuote { resource, .. }
            | Self::Changed { resource, .. } => resource,
        }
    }
}

/// A value as an error shows it: cut at [`SHOWN_CHARACTERS`], line breaks and other control characters escaped.
pub(crate) fn shown(value: &str) -> Box<str> {
    let mut shown = String::new();
    for (count, character) in value.chars().enumerate() {
        if count == SHOWN_CHARACTERS {
            shown.push('…');
            break;
        }
        if character.is_control() {
            // Writing to a string does not fail.
            let _ = write!(shown, "{}", character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown.into_boxed_str()
}

struct Column<'a>(Option<&'a str>);

impl std::fmt::Display for Column<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.map_or(Ok(()), |column| write!(f, ", column `{column}`"))
    }
}

struct Found<'a>(&'a str);

impl std::fmt::Display for Found<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, ", found `{}`", self.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_cut_at_a_hundred_characters_not_bytes() {
        let value = "é".repeat(101);
        assert_eq!(&*shown(&value), format!("{}…", "é".repeat(100)));
        assert_eq!(&*shown(&"é".repeat(100)), "é".repeat(100));
    }

    #[test]
    fn a_value_is_shown_on_one_line() {
        assert_eq!(&*shown("a\nb\t"), "a\\nb\\t");
    }

    #[test]
    fn an_error_fits_in_the_place_of_a_small_item() {
        // A read returns `Result<Option<Item>, ReadError>`: a large error would be copied with each item.
        assert!(size_of::<ReadError>() <= 88, "{}", size_of::<ReadError>());
    }
}
