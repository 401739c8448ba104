//! Writes one value of an item as a field of a record, quoted where necessary.

use std::fmt::{self, Display};

use serde::ser::{self, Serialize, Serializer};

use super::none::is_none;
use super::number;
use crate::writers::file::Refusal;
use crate::writers::serialize::single_value;

/// The format of fields and records.
#[derive(Debug, Clone)]
pub(in crate::writers) struct Format {
    pub(in crate::writers) delimiter: u8,
    pub(in crate::writers) quote: u8,
    pub(in crate::writers) null: String,
    pub(in crate::writers) line_end: &'static str,
    /// The byte that, within quotes, precedes a byte taken literally.
    pub(in crate::writers) escape: Option<u8>,
    /// The byte that begins a comment line.
    pub(in crate::writers) comment: Option<u8>,
    /// For each byte, why a field that contains it may need quotes; all 0 if nothing is quoted.
    reasons: [u8; 256],
}

/// A byte that always needs quotes.
const SPECIAL: u8 = 1;
/// A byte that may need quotes at the start or end of a field.
const EDGE: u8 = 2;
/// A byte that occurs in the line with which spreadsheets declare the delimiter.
const SEPARATOR_LINE: u8 = 4;

impl Format {
    pub(in crate::writers) fn new() -> Self {
        let mut format = Self {
            delimiter: b',',
            quote: b'"',
            null: String::new(),
            line_end: "\n",
            escape: None,
            comment: None,
            reasons: [0; 256],
        };
        format.mark();
        format
    }

    /// Returns a format that quotes nothing.
    pub(in crate::writers) fn bare() -> Self {
        Self { reasons: [0; 256], ..Self::new() }
    }

    /// Returns a format with `delimiter` between fields that tells texts from other values: a text stands between two
    /// bytes `mark`, unless it is empty and not in a `Some`.
    #[cfg(feature = "fixed")]
    pub(in crate::writers) fn between(delimiter: u8, mark: u8) -> Self {
        Self { delimiter, quote: mark, line_end: "", reasons: [SPECIAL; 256], ..Self::bare() }
    }

    /// Returns the same format with another marker for `None`.
    pub(super) fn with_null(&self, null: &str) -> Self {
        Self { null: null.to_owned(), ..self.clone() }
    }

    /// Must be called after a byte with a special meaning has changed.
    pub(in crate::writers) fn mark(&mut self) {
        self.reasons = [0; 256];
        for byte in u8::MIN..=u8::MAX {
            // For non-ASCII characters, one byte is not enough to decide.
            if byte <= b' ' || !byte.is_ascii() || Some(byte) == self.comment {
                self.reasons[usize::from(byte)] |= EDGE;
            }
        }
        self.reasons[usize::from(b'=')] |= SEPARATOR_LINE;
        for byte in [self.delimiter, self.quote, b'\n', b'\r'] {
            self.reasons[usize::from(byte)] |= SPECIAL;
        }
    }

    /// Appends a string, with quotes if it needs them. This stays out of the code that is compiled for each field of an
    /// item.
    #[inline(never)]
    pub(in crate::writers) fn text(&self, text: &str, out: &mut Vec<u8>) {
        let reasons = text.bytes().fold(0, |reasons, byte| reasons | self.reasons[usize::from(byte)]);
        if reasons != 0 && (reasons != EDGE || self.is_on_an_edge(text)) && self.needs_quotes(text, reasons) {
            self.quoted(text.as_bytes(), out);
        } else {
            out.extend_from_slice(text.as_bytes());
        }
    }

    /// Returns whether a string needs quotes. `reasons` are the reasons of all its bytes.
    #[inline(never)]
    fn needs_quotes(&self, text: &str, reasons: u8) -> bool {
        reasons & SPECIAL != 0
            || self.is_on_an_edge(text) && self.is_lost_on_an_edge(text)
            || reasons & SEPARATOR_LINE != 0 && is_separator_line(text.as_bytes())
    }

    /// True if the text begins or ends with a byte that may need quotes there.
    #[inline]
    fn is_on_an_edge(&self, text: &str) -> bool {
        let may_need_quotes = |byte: &u8| self.reasons[usize::from(*byte)] & EDGE != 0;
        text.as_bytes().first().is_some_and(may_need_quotes)
            || text.as_bytes().last().is_some_and(may_need_quotes)
    }

    /// True if a reader could drop the start or end of the text: white space, a byte order mark, the start of
    /// a comment.
    #[cold]
    fn is_lost_on_an_edge(&self, text: &str) -> bool {
        text.trim().len() != text.len()
            || text.starts_with('\u{FEFF}')
            || self.comment.is_some() && text.as_bytes().first().copied() == self.comment
    }

    /// Quotes the field written from `begin` on.
    #[cold]
    pub(super) fn quote_from(&self, begin: usize, out: &mut Vec<u8>) {
        out.insert(begin, self.quote);
        out.push(self.quote);
    }

    /// Appends a `Some` without text, which must not be read back as `None`.
    #[cold]
    fn append_empty_some<T: Serialize + ?Sized>(
        &self,
        value: &T,
        out: &mut Vec<u8>,
    ) -> Result<(), ItemError> {
        if is_none(value)? {
            return Err(ItemError::some_without_value());
        }
        out.extend([self.quote; 2]);
        Ok(())
    }

    #[inline(never)]
    fn quoted(&self, bytes: &[u8], out: &mut Vec<u8>) {
        out.push(self.quote);
        let mut from = 0;
        for place in memchr::memchr2_iter(self.quote, self.escape.unwrap_or(self.quote), bytes) {
            out.extend_from_slice(&bytes[from..=place]);
            // The next slice begins with this byte again, which doubles it.
            from = place;
        }
        out.extend_from_slice(&bytes[from..]);
        out.push(self.quote);
    }
}

/// True if a spreadsheet could take this first line of a file for a declaration of the delimiter.
fn is_separator_line(text: &[u8]) -> bool {
    matches!(text.len(), 4 | 5) && text[..4].eq_ignore_ascii_case(b"sep=")
}

/// The reason why an item cannot be a record. It is one pointer wide because it travels with every value.
#[derive(Debug)]
pub(in crate::writers) struct ItemError(Box<Refusal>);

impl From<ItemError> for Refusal {
    fn from(error: ItemError) -> Self {
        *error.0
    }
}

impl ItemError {
    #[cold]
    pub(in crate::writers) fn new(problem: impl Into<String>) -> Self {
        Self(Box::new(Refusal { field: None, problem: problem.into() }))
    }

    #[cold]
    pub(in crate::writers) fn in_field(mut self, name: &str) -> Self {
        self.0.field.get_or_insert_with(|| name.to_owned());
        self
    }

    #[cold]
    pub(super) fn some_without_value() -> Self {
        Self::new("a `Some` without a value would be read back as `None`")
    }

    #[cold]
    fn nested(what: &str) -> Self {
        Self::new(format!(
            "a field of a record is one value, not {what}; flatten it with `#[serde(flatten)]`, or write it as text with `#[serde(serialize_with = \"..\")]`"
        ))
    }
}

impl Display for ItemError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.problem)
    }
}

impl std::error::Error for ItemError {}

impl ser::Error for ItemError {
    fn custom<T: Display>(message: T) -> Self {
        Self::new(message.to_string())
    }
}

/// Returns the bytes as text.
pub(super) fn text_of(bytes: &[u8]) -> Result<&str, ItemError> {
    std::str::from_utf8(bytes).map_err(|_| ItemError::new("bytes that are not UTF-8"))
}

/// Appends one value.
pub(in crate::writers) struct Field<'a> {
    pub(in crate::writers) format: &'a Format,
    pub(in crate::writers) out: &'a mut Vec<u8>,
}

macro_rules! integers {
    ($($method:ident $type:ty;)*) => {$(
        #[inline]
        fn $method(self, value: $type) -> Result<(), ItemError> {
            // The delimiter can be neither a digit nor a sign.
            self.out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
            Ok(())
        }
    )*};
}

impl Serializer for Field<'_> {
    single_value!(
        (),
        ItemError,
        ItemError::nested,
        "an enum variant with a value",
        "an enum variant with values"
    );

    integers! {
        serialize_i8 i8;
        serialize_i16 i16;
        serialize_i32 i32;
        serialize_i64 i64;
        serialize_i128 i128;
        serialize_u8 u8;
        serialize_u16 u16;
        serialize_u32 u32;
        serialize_u64 u64;
        serialize_u128 u128;
    }

    #[inline]
    fn serialize_f32(self, value: f32) -> Result<(), ItemError> {
        self.out.extend_from_slice(zmij::Buffer::new().format(value).as_bytes());
        Ok(())
    }

    #[inline]
    fn serialize_f64(self, value: f64) -> Result<(), ItemError> {
        number::append_f64(value, self.out);
        Ok(())
    }

    #[inline]
    fn serialize_bool(self, value: bool) -> Result<(), ItemError> {
        self.out.extend_from_slice(if value { b"true" } else { b"false" });
        Ok(())
    }

    #[inline]
    fn serialize_str(self, value: &str) -> Result<(), ItemError> {
        self.format.text(value, self.out);
        Ok(())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), ItemError> {
        self.serialize_str(text_of(value)?)
    }

    #[inline]
    fn serialize_none(self) -> Result<(), ItemError> {
        self.out.extend_from_slice(self.format.null.as_bytes());
        Ok(())
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), ItemError> {
        let Self { format, out } = self;
        let begin = out.len();
        value.serialize(Field { format, out })?;
        if out.len() == begin {
            format.append_empty_some(value, out)?;
        }
        Ok(())
    }
}
