//! [`ReadError`], the error of the readers of files: it names the input, the place in it and the bad value.

use std::fmt::Write as _;
use std::io;
use std::sync::Arc;

/// The number of characters of a bad value that an error shows.
pub const SHOWN_CHARACTERS: usize = 100;

/// The error of a reader of files.
///
/// [`Record`](Self::Record), [`Columns`](Self::Columns), [`InvalidUtf8`](Self::InvalidUtf8),
/// [`TooLong`](Self::TooLong), [`Malformed`](Self::Malformed) and [`UnclosedQuote`](Self::UnclosedQuote)
/// concern a single record: the next `read` continues after it, so a step may skip them
/// ([`is_about_a_record`](Self::is_about_a_record)). All others end the reading, whatever `skip` says.
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
        /// The operating system's error.
        source: io::Error,
    },
    /// The path is not a regular file.
    #[error("{resource} is {found}: a file was expected")]
    NotAFile {
        /// The input.
        resource: Arc<str>,
        /// The kind of the path: `a folder`.
        found: &'static str,
    },
    /// An option is invalid, or the input needs a cargo feature that is off.
    #[error("{resource}: {problem}")]
    Options {
        /// The input.
        resource: Arc<str>,
        /// The problem and its remedy.
        problem: Box<str>,
    },
    /// The file is empty, but at least a header was expected.
    #[error("{resource} is empty: a header line was expected")]
    Empty {
        /// The input.
        resource: Arc<str>,
    },
    /// The header does not fit the item, or is not a header.
    #[error("{resource}, header: {problem}")]
    Header {
        /// The input.
        resource: Arc<str>,
        /// The problem and its remedy.
        problem: Box<str>,
    },
    /// The operating system failed to read further.
    #[error("{resource}, byte {byte}: {source}")]
    Io {
        /// The input.
        resource: Arc<str>,
        /// The number of bytes of the (decompressed) input read before the failure.
        byte: u64,
        /// The operating system's error.
        source: io::Error,
    },
    /// A compressed input ends too early or is damaged.
    #[error("{resource} is {}: it cannot be decompressed after byte {byte}: {source}",
        if *truncated { "truncated" } else { "damaged" })]
    Compressed {
        /// The input.
        resource: Arc<str>,
        /// The number of bytes decompressed before the failure.
        byte: u64,
        /// True if the input ends too early.
        truncated: bool,
        /// The decompressor's error.
        source: io::Error,
    },
    /// An input that is converted to UTF-8 ends in the middle of a character. All complete records before it were
    /// read.
    #[error("{resource} is truncated: it ends in the middle of a {encoding} character, after byte {byte}")]
    Truncated {
        /// The input.
        resource: Arc<str>,
        /// The encoding of the input.
        encoding: &'static str,
        /// The number of bytes of the (decompressed and converted) input read before its end.
        byte: u64,
    },
    /// A compressed input continues after its end with something other than zeros.
    #[error(
        "{resource}: trailing data after the last {part}; was the file joined from several, or is a part of it damaged? \
        all records before this data were read; cut off the rest, or supply the complete file"
    )]
    Trailing {
        /// The input.
        resource: Arc<str>,
        /// The format's name for a part: `gzip member`.
        part: &'static str,
    },
    /// A record is not valid in its format: text after the quote that closes a field, a quote within an
    /// unquoted field, a carriage return that does not end a line. Reading continues with the next line.
    #[error("{resource}, line {line}: {problem}")]
    Malformed {
        /// The input.
        resource: Arc<str>,
        /// The line on which the record begins, from 1. It is the line that is skipped.
        line: u64,
        /// The offset in bytes at which the record begins, from 0.
        byte: u64,
        /// The problem, its place and its remedy.
        problem: Box<str>,
    },
    /// A value does not fit the item's field.
    #[error("{resource}, line {line}{}: {problem}{}", Column(column.as_deref()), Found(value))]
    Record {
        /// The input.
        resource: Arc<str>,
        /// The line on which the record begins, from 1.
        line: u64,
        /// The offset in bytes at which the record begins, from 0.
        byte: u64,
        /// The column or key, if it is known.
        column: Option<Box<str>>,
        /// The value, truncated to [`SHOWN_CHARACTERS`].
        value: Box<str>,
        /// The problem: `expected a number`.
        problem: Box<str>,
    },
    /// A record has more or fewer fields than there are columns.
    #[error("{resource}, line {line}: expected {expected} fields, found {found}")]
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
    /// A record is not text in its encoding, which is UTF-8 unless the reader says otherwise.
    #[error("{resource}, line {line} (byte {byte}){}: invalid {encoding}{}{}",
        Column(column.as_deref()), Found(value),
        if *encoding == "UTF-8" { "; convert the input to UTF-8" } else { "" })]
    InvalidUtf8 {
        /// The input.
        resource: Arc<str>,
        /// The line on which the record begins, from 1.
        line: u64,
        /// The offset in bytes at which the record begins, from 0.
        byte: u64,
        /// The column, if it is known.
        column: Option<Box<str>>,
        /// The value, with `\u{FFFD}` in place of invalid bytes, truncated to [`SHOWN_CHARACTERS`].
        value: Box<str>,
        /// The encoding that the input should have.
        encoding: &'static str,
    },
    /// The last record of a file does not fit what comes before it, or is not a trailer. The file may be
    /// incomplete.
    #[error("{resource}, line {line}, trailer: {problem}")]
    Trailer {
        /// The input.
        resource: Arc<str>,
        /// The line of the trailer, from 1.
        line: u64,
        /// The problem.
        problem: Box<str>,
    },
    /// A record is longer than the limit. Reading continues with the next line.
    #[error(
        "{resource}, line {line} (byte {byte}): the record is longer than {limit} bytes; is a {missing} missing?"
    )]
    TooLong {
        /// The input.
        resource: Arc<str>,
        /// The line on which the record begins, from 1.
        line: u64,
        /// The offset in bytes at which the record begins, from 0.
        byte: u64,
        /// The limit in bytes.
        limit: usize,
        /// The end that may be missing: `line end`, `closing quote`.
        missing: &'static str,
    },
    /// A quoted field is still open at the end of the input. Reading continues with the next line.
    #[error("{resource}, line {line} (byte {byte}): a quote is opened and never closed")]
    UnclosedQuote {
        /// The input.
        resource: Arc<str>,
        /// The line on which the record begins, from 1.
        line: u64,
        /// The offset in bytes at which the record begins, from 0.
        byte: u64,
    },
    /// The input is not a valid document of its format, so that no further record can be found: brackets or
    /// elements that do not match, or an end in the middle. Reading ends there.
    #[error("{resource}, line {line} (byte {byte}): {problem}")]
    Broken {
        /// The input.
        resource: Arc<str>,
        /// The line on which the input is broken, from 1.
        line: u64,
        /// The offset in bytes at which the input is broken, from 0.
        byte: u64,
        /// The problem and its remedy.
        problem: Box<str>,
    },
    /// The input has changed since an earlier execution read a part of it.
    #[error(
        "{resource} was changed since an earlier execution read it up to byte {byte}: {problem}; \
        restore the old file, or start a new instance (`--next`)"
    )]
    Changed {
        /// The input.
        resource: Arc<str>,
        /// The position to resume from.
        byte: u64,
        /// How the change was detected.
        problem: Box<str>,
    },
}

impl ReadError {
    /// Returns whether the error concerns a single record, so that the next `read` continues after it.
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

    /// Returns whether the error concerns the input as a whole, which cannot be read in its present state:
    /// the error fails the step, whatever `skip` and `retry` say. Errors that concern neither the input nor a
    /// single record (a file that cannot be opened, a failing disk, a compressed file that ends too early)
    /// cannot be skipped either, but a step may retry them.
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
                | Self::Broken { .. }
                | Self::Trailer { .. }
                | Self::Changed { .. }
        )
    }

    /// The byte offset of the record that the error concerns.
    pub(crate) fn record_byte(&self) -> Option<u64> {
        match self {
            Self::Record { byte, .. }
            | Self::Columns { byte, .. }
            | Self::InvalidUtf8 { byte, .. }
            | Self::TooLong { byte, .. }
            | Self::Malformed { byte, .. }
            | Self::UnclosedQuote { byte, .. } => Some(*byte),
            _ => None,
        }
    }

    /// The message without the input's name, for a message that has named it already.
    pub(crate) fn without_resource(&self) -> String {
        let message = self.to_string();
        let rest = message.strip_prefix(self.resource());
        rest.and_then(|rest| rest.strip_prefix(", ")).map_or_else(|| message.clone(), str::to_owned)
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
            | Self::Trailer { resource, .. }
            | Self::Io { resource, .. }
            | Self::Compressed { resource, .. }
            | Self::Trailing { resource, .. }
            | Self::Truncated { resource, .. }
            | Self::Malformed { resource, .. }
            | Self::Record { resource, .. }
            | Self::Columns { resource, .. }
            | Self::InvalidUtf8 { resource, .. }
            | Self::TooLong { resource, .. }
            | Self::UnclosedQuote { resource, .. }
            | Self::Broken { resource, .. }
            | Self::Changed { resource, .. } => resource,
        }
    }
}

/// Formats a value for an error message: truncated to [`SHOWN_CHARACTERS`], with line breaks and other
/// control characters escaped.
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
    fn a_value_is_truncated_to_a_hundred_characters_not_bytes() {
        let value = "é".repeat(101);
        assert_eq!(&*shown(&value), format!("{}…", "é".repeat(100)));
        assert_eq!(&*shown(&"é".repeat(100)), "é".repeat(100));
    }

    #[test]
    fn a_value_is_shown_on_one_line() {
        assert_eq!(&*shown("a\nb\t"), "a\\nb\\t");
    }

    #[test]
    fn an_error_is_as_small_as_a_small_item() {
        // A read returns `Result<Option<Item>, ReadError>`: a large error would be copied with every item.
        assert!(size_of::<ReadError>() <= 88, "{}", size_of::<ReadError>());
    }
}
