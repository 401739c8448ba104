//! Cuts a record into its columns, and decodes them.

use std::marker::PhantomData;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::column::{self, FixedColumn, Form};
use super::framing::FixedFraming;
use crate::readers::ReadError;
use crate::readers::columns::{Decoder, Fields, lacks};
use crate::readers::framed::{Decode, Encoding, Framed, RecordPlace};
use crate::readers::lines::refuse_stray;

/// Decodes records with fixed-width columns.
pub(super) struct Columns<T> {
    decoder: Decoder,
    layout: Arc<Layout>,
    /// The columns of a record of bytes, or of characters that are not ASCII.
    scratch: Scratch,
    /// The columns of a record of characters, with their values converted.
    converted: Scratch,
    item: PhantomData<fn() -> T>,
}

/// The columns of a file.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) columns: Box<[FixedColumn]>,
    /// The places of the columns in a record of ASCII.
    places: Box<[Range]>,
    /// The length of a record, in characters or bytes.
    width: usize,
    pub(super) flexible: bool,
    /// True if stray carriage returns and byte order marks are text.
    lenient: bool,
    /// True if places count bytes.
    in_bytes: bool,
    /// For each column, whether its values are stored as numbers with decimals; empty if no column's are.
    decimals: Box<[bool]>,
}

type Range = (u32, u32);

#[derive(Debug, Default)]
struct Scratch {
    text: String,
    places: Vec<Range>,
}

/// The columns of a record.
#[derive(Debug, Clone, Copy)]
struct FixedFields<'r> {
    text: &'r str,
    places: &'r [Range],
    decimals: &'r [bool],
}

impl<'r> Fields<'r> for FixedFields<'r> {
    #[inline]
    fn count(self) -> usize {
        self.places.len()
    }

    #[inline]
    fn text(self, column: usize) -> Option<&'r str> {
        let (from, to) = *self.places.get(column)?;
        let length = self.text.len();
        let text = &self.text[(from as usize).min(length)..(to as usize).min(length)];
        Some(text.trim_matches(' '))
    }

    #[inline]
    fn has_decimals(self, column: usize) -> bool {
        self.decimals.get(column) == Some(&true)
    }
}

/// An offset in a record, whose length is bounded.
fn place(offset: usize) -> u32 {
    u32::try_from(offset).expect("a record is bounded by 1 GiB")
}

impl Layout {
    pub(super) fn new(
        columns: Vec<FixedColumn>,
        bytes: Option<usize>,
        flexible: bool,
        lenient: bool,
    ) -> Self {
        let decimals: Vec<bool> = columns.iter().map(|column| column.form != Form::Text).collect();
        let last = columns.iter().map(|column| column.range.end).max().unwrap_or_default();
        Self {
            places: columns
                .iter()
                .map(|column| (place(column.range.start), place(column.range.end)))
                .collect(),
            width: bytes.unwrap_or(last),
            flexible,
            lenient,
            in_bytes: bytes.is_some(),
            decimals: if decimals.contains(&true) { decimals.into() } else { Box::default() },
            columns: columns.into(),
        }
    }

    /// Checks the length of a record of characters.
    #[inline]
    fn check_length(&self, text: &str, length: usize, at: &RecordPlace<'_>) -> Result<(), ReadError> {
        if length == self.width || self.flexible {
            return Ok(());
        }
        let problem = format!("expected {} characters, but there are {length}", self.width);
        Err(at.refused(text, problem))
    }

    /// Finds the columns of a text that is not ASCII.
    #[cold]
    fn find(&self, text: &str, places: &mut Vec<Range>) -> usize {
        let offsets: Vec<usize> = text.char_indices().map(|(offset, _)| offset).collect();
        let offset = |character: usize| place(offsets.get(character).copied().unwrap_or(text.len()));
        places.clear();
        places
            .extend(self.columns.iter().map(|column| (offset(column.range.start), offset(column.range.end))));
        offsets.len()
    }

    /// Decodes each column of a record of bytes on its own.
    fn cut(
        &self,
        bytes: &[u8],
        encoding: Encoding,
        scratch: &mut Scratch,
        at: &RecordPlace<'_>,
    ) -> Result<(), ReadError> {
        for column in &self.columns {
            let value = &bytes[column.range.start.min(bytes.len())..column.range.end.min(bytes.len())];
            let from = place(scratch.text.len());
            match (column.form, encoding) {
                (Form::Packed { scale }, _) => {
                    let number = column::packed(value, scale, &mut scratch.text);
                    number.ok_or_else(|| refused(column, &hexadecimal(value), "a packed decimal", at))?;
                }
                #[cfg(feature = "encodings")]
                (Form::Zoned { scale }, Encoding::Ebcdic(_)) => {
                    let number = column::zoned_in_ebcdic(value, scale, &mut scratch.text);
                    number.ok_or_else(|| refused(column, &hexadecimal(value), "a zoned decimal", at))?;
                }
                _ => {
                    let text = encoding
                        .decode(value)
                        .map_err(|error| at.not_text(value, &error, Some(column.name.clone())))?;
                    convert(column, &text, &mut scratch.text, at)?;
                }
            }
            scratch.places.push((from, place(scratch.text.len())));
        }
        Ok(())
    }
}

/// Appends the value of a column as the text that its type expects.
fn convert(
    column: &FixedColumn,
    text: &str,
    out: &mut String,
    at: &RecordPlace<'_>,
) -> Result<(), ReadError> {
    let text = text.trim_matches(' ');
    let (number, expected) = match column.form {
        _ if text.is_empty() => return Ok(()),
        Form::Decimal { scale } => (column::decimal(text, scale, out), "digits"),
        Form::Zoned { scale } => (column::zoned(text, scale, out), "a zoned decimal"),
        Form::Text | Form::Packed { .. } => {
            out.push_str(text);
            return Ok(());
        }
    };
    number.ok_or_else(|| refused(column, text, expected, at))
}

#[cold]
fn refused(column: &FixedColumn, value: &str, expected: &str, at: &RecordPlace<'_>) -> ReadError {
    let mut error = at.refused(value, format!("expected {expected}"));
    if let ReadError::Record { column: name, .. } = &mut error {
        *name = Some(column.name.clone());
    }
    error
}

fn hexadecimal(bytes: &[u8]) -> String {
    let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
    digits.join(" ")
}

impl<T> Columns<T> {
    pub(super) fn new(layout: Layout) -> Self {
        let names = layout.columns.iter().map(|column| column.name.clone()).collect();
        Self {
            decoder: Decoder::new(Some(names)),
            layout: Arc::new(layout),
            scratch: Scratch::default(),
            converted: Scratch::default(),
            item: PhantomData,
        }
    }
}

impl<T: DeserializeOwned> Decode<FixedFraming, T> for Columns<T> {
    #[inline]
    fn decode(&mut self, framed: &mut Framed<FixedFraming>, puts_back: bool) -> Result<Option<T>, ReadError> {
        if !self.layout.in_bytes && !self.layout.lenient {
            refuse_stray(framed, puts_back)?;
        }
        let (bytes, at) = framed.record();
        let at = &at;
        let Self { decoder, layout, scratch, converted, .. } = self;
        let text;
        let mut fields = if layout.in_bytes {
            scratch.text.clear();
            scratch.places.clear();
            layout.cut(bytes, framed.encoding, scratch, at)?;
            FixedFields { text: &scratch.text, places: &scratch.places, decimals: &layout.decimals }
        } else {
            text = framed.encoding.decode(bytes).map_err(|error| at.not_text(bytes, &error, None))?;
            let places: &[Range] = if text.is_ascii() {
                layout.check_length(&text, text.len(), at)?;
                &layout.places
            } else {
                let length = layout.find(&text, &mut scratch.places);
                layout.check_length(&text, length, at)?;
                &scratch.places
            };
            FixedFields { text: &text, places, decimals: &layout.decimals }
        };
        if !layout.decimals.is_empty() && !layout.in_bytes {
            converted.text.clear();
            converted.places.clear();
            for (column, index) in layout.columns.iter().zip(0..) {
                let from = place(converted.text.len());
                convert(column, fields.text(index).unwrap_or_default(), &mut converted.text, at)?;
                converted.places.push((from, place(converted.text.len())));
            }
            fields = FixedFields { text: &converted.text, places: &converted.places, ..fields };
        }
        match decoder.decode(fields) {
            Ok(item) => Ok(Some(item)),
            Err(refusal) => {
                let lacks = |name: &str| lacks(name, decoder.names());
                let error = match decoder.refused(at, fields, true, &refusal, lacks) {
                    // There is no header: the layout is at fault.
                    ReadError::Header { resource, problem } => ReadError::Options { resource, problem },
                    error => error,
                };
                if puts_back && !error.is_about_a_record() {
                    framed.put_back();
                }
                Err(error)
            }
        }
    }

    fn another(&self) -> Self {
        Self {
            decoder: self.decoder.clone(),
            layout: Arc::clone(&self.layout),
            scratch: Scratch::default(),
            converted: Scratch::default(),
            item: PhantomData,
        }
    }
}
