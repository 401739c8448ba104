//! Finds the end of a CSV record, and the ends of its fields.
//!
//! This parser is hand-written. `csv-core` has no error for a quote that is never closed; `simd-csv` reads a
//! stray quote in an unquoted field as the start of a record that swallows the rest of the file, has no limit
//! on a record's length, and guesses where records begin when it splits a file.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::index;
use super::malformed::Fault;
use super::quotes::Unquoted;
use crate::readers::columns::Fields;
use crate::readers::framed::{
    BYTE_ORDER_MARK, Encoding, Found, Frame, Framed, Framing, Input, Next, NotText, Trails,
};
use crate::readers::{ReadError, shown};

/// The rules by which bytes become records.
#[derive(Debug, Clone, Copy)]
pub(super) struct Syntax {
    pub(super) delimiter: u8,
    pub(super) quote: Option<u8>,
    pub(super) comment: Option<u8>,
    /// The escape character: within quotes, the byte after it is taken literally.
    pub(super) escape: Option<u8>,
    /// White space may surround quotes.
    pub(super) trim: bool,
    /// Misplaced quotes and carriage returns count as text.
    pub(super) lenient: bool,
    pub(super) blanks: Blanks,
}

/// What a blank line is in a file of one column, where it may be a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Blanks {
    Refused,
    Skipped,
    /// A record whose only field is empty.
    Read,
}

impl Syntax {
    fn marks(&self) -> [u8; 3] {
        [self.delimiter, b'\n', self.quote.unwrap_or(b'\n')]
    }
}

/// A record: `text` holds the fields, separated by one byte each; `ends` holds the end of each, counted from
/// `start`.
#[derive(Clone, Copy)]
pub(super) struct Record<'r> {
    pub(super) text: &'r [u8],
    /// The same as characters, if the block of the input is known to be text.
    known: Option<&'r str>,
    encoding: Encoding,
    pub(super) start: usize,
    pub(super) ends: &'r [u32],
    /// Which fields were quoted; empty if none was.
    pub(super) quoted: &'r [bool],
    pub(super) line: u64,
    pub(super) byte: u64,
}

impl<'r> Record<'r> {
    /// The bytes of a field.
    fn field(&self, column: usize) -> &'r [u8] {
        let begin = if column == 0 { 0 } else { self.ends[column - 1] as usize + 1 - self.start };
        // The last field ends with the text, before a carriage return.
        &self.text[begin..(self.ends[column] as usize - self.start).min(self.text.len())]
    }

    /// The fields as text, or the first column that is not text.
    #[inline]
    pub(super) fn fields(&self, decoded: &'r mut Decoded) -> Result<CsvFields<'r>, (usize, NotText)> {
        let Self { start, ends, quoted, .. } = *self;
        match self.known {
            Some(text) => Ok(CsvFields { text, start, ends, quoted }),
            None => self.decoded(decoded),
        }
    }

    /// The fields of a record in another encoding, or in a block with bytes that are not text.
    #[inline(never)]
    fn decoded(&self, decoded: &'r mut Decoded) -> Result<CsvFields<'r>, (usize, NotText)> {
        let Self { encoding, start, ends, quoted, .. } = *self;
        if encoding == Encoding::Utf8 || self.text.is_ascii() {
            return match std::str::from_utf8(self.text) {
                Ok(text) => Ok(CsvFields { text, start, ends, quoted }),
                Err(_) => Err(self.not_text()),
            };
        }
        decoded.text.clear();
        decoded.ends.clear();
        for column in 0..ends.len() {
            let text = encoding.decode(self.field(column)).map_err(|error| (column, error))?;
            decoded.text.push_str(&text);
            decoded.ends.push(index::place(decoded.text.len()));
            decoded.text.push('\n');
        }
        decoded.text.pop();
        Ok(CsvFields { text: &decoded.text, start: 0, ends: &decoded.ends, quoted })
    }

    #[cold]
    fn not_text(&self) -> (usize, NotText) {
        let (all, encoding) = (0..self.ends.len(), self.encoding);
        let column = all.clone().find(|column| encoding.decode(self.field(*column)).is_err());
        // Delimiters are ASCII, so one of the columns is not text.
        let column = column.unwrap_or_default();
        let error = encoding.decode(self.field(column)).err();
        (column, error.unwrap_or(NotText { encoding: "UTF-8", bytes: 0..self.field(column).len() }))
    }

    /// The error for a record that should have `expected` fields.
    #[cold]
    pub(super) fn has_other_columns(&self, resource: Arc<str>, expected: usize) -> ReadError {
        let Self { line, byte, .. } = *self;
        ReadError::Columns { resource, line, byte, expected, found: self.ends.len() }
    }

    /// The error for a field that is not text.
    #[cold]
    pub(super) fn refused(
        &self,
        resource: Arc<str>,
        column: usize,
        name: Box<str>,
        error: &NotText,
    ) -> ReadError {
        ReadError::InvalidUtf8 {
            resource,
            line: self.line,
            byte: self.byte,
            column: Some(name),
            value: shown(&String::from_utf8_lossy(self.field(column))),
            encoding: error.encoding,
        }
    }
}

/// The fields of a record that is not in UTF-8, decoded.
#[derive(Debug, Clone, Default)]
pub(super) struct Decoded {
    text: String,
    ends: Vec<u32>,
}

/// The fields of a record.
#[derive(Debug, Clone, Copy)]
pub(in crate::readers) struct CsvFields<'r> {
    pub(in crate::readers) text: &'r str,
    /// The offset of `text`, from the same origin as the offsets in `ends`.
    pub(in crate::readers) start: usize,
    pub(in crate::readers) ends: &'r [u32],
    /// Which fields were quoted; empty if none was.
    pub(in crate::readers) quoted: &'r [bool],
}

// By reference, because readers pass it on several times.
impl<'r> Fields<'r> for &CsvFields<'r> {
    #[inline]
    fn count(self) -> usize {
        self.ends.len()
    }

    // A call costs less than this code in each field of an item.
    #[inline(never)]
    fn text(self, column: usize) -> Option<&'r str> {
        let end = *self.ends.get(column)? as usize - self.start;
        let begin = if column == 0 { 0 } else { self.ends[column - 1] as usize + 1 - self.start };
        // The last field ends with the text, before a carriage return.
        Some(&self.text[begin..end.min(self.text.len())])
    }

    #[inline]
    fn is_quoted(self, column: usize) -> bool {
        !self.quoted.is_empty() && self.quoted.get(column) == Some(&true)
    }
}

/// The place of a record that was found.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Marks {
    /// The first and last of its marks in the index.
    pub(super) first: usize,
    pub(super) last: usize,
    /// True if the record was copied without its quotes.
    pub(super) unquoted: bool,
}

/// The part of a [`CsvReader`](super::CsvReader)'s position besides its place: the number of columns, and where the trailer
/// begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CsvState {
    columns: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trailer: Option<u64>,
}

/// Returns the record that was found last.
#[inline]
pub(super) fn record(records: &Framed<CsvFraming>) -> Record<'_> {
    let Found { start, end, line, byte, record: Marks { first, last, unquoted } } = records.found;
    let Framed { input, encoding, framing, .. } = records;
    let encoding = *encoding;
    if unquoted {
        let Unquoted { ends, quoted, .. } = &framing.unquoted;
        let (text, known) = (framing.unquoted.bytes(), framing.unquoted.text());
        Record { text, known, encoding, start: 0, ends, quoted, line, byte }
    } else {
        let (text, ends) = (&input.bytes()[start..end], &framing.index[first..=last]);
        Record { text, known: input.text(start, end), encoding, start, ends, quoted: &[], line, byte }
    }
}

/// Finds CSV records.
#[derive(Clone)]
pub(super) struct CsvFraming {
    pub(super) syntax: Syntax,
    /// The number of columns: that of the header, or of the first record.
    pub(super) columns: Option<usize>,
    /// The offset in the input of the trailer, once it is known.
    trailer: Option<u64>,
    /// The marks in the buffer from the last record on; `next` is the first unused one.
    pub(super) index: Vec<u32>,
    pub(super) next: usize,
    /// The offset in the buffer of the next carriage return, once it has been searched for.
    next_return: usize,
    /// The last record with quotes.
    pub(super) unquoted: Unquoted,
}

impl CsvFraming {
    pub(super) fn new(syntax: Syntax) -> Self {
        Self {
            syntax,
            columns: None,
            trailer: None,
            index: Vec::new(),
            next: 0,
            next_return: usize::MAX,
            unquoted: Unquoted::default(),
        }
    }

    /// Finds the next carriage return at or after `from`. If a block of input has none, its records are not
    /// searched.
    fn find_return(&mut self, bytes: &[u8], from: usize) {
        self.next_return = if self.syntax.lenient {
            usize::MAX
        } else {
            memchr::memchr(b'\r', &bytes[from..]).map_or(usize::MAX, |found| from + found)
        };
    }

    /// Returns the place of the first carriage return at or after `start`.
    #[inline]
    pub(super) fn next_return(&mut self, bytes: &[u8], start: usize) -> usize {
        if self.next_return < start {
            self.find_return(bytes, start);
        }
        self.next_return
    }

    /// Finds a carriage return before the end of a record without quotes.
    fn stray_return(&mut self, bytes: &[u8], start: usize, end: usize) -> Option<Fault> {
        let next_return = self.next_return(bytes, start);
        if next_return < end {
            return Some(Fault::Return { place: next_return });
        }
        if next_return == end {
            self.find_return(bytes, end + 1);
        }
        None
    }

    /// Refuses a record that begins with a byte order mark within the input.
    #[cold]
    pub(super) fn stray_mark(&self, bytes: &[u8], start: usize) -> Option<Fault> {
        let is_stray = !self.syntax.lenient && bytes[start..].starts_with(BYTE_ORDER_MARK);
        is_stray.then_some(Fault::Mark { place: start })
    }

    #[cold]
    fn refused(input: &Input, fault: &Fault, to: usize) -> Frame<Marks> {
        Frame::bad(fault.error(input), Next::At { to, lines: 1 })
    }

    /// Finishes a record without quotes, which the mark `last`, at `end`, terminates.
    #[inline]
    fn record(&mut self, input: &Input, last: usize, end: usize) -> Frame<Marks> {
        let (bytes, start, first) = (input.bytes(), input.at(), self.next);
        self.next = last + 1;
        let (lines, to) = (1, end + 1);
        let text_end = if end > start && bytes[end - 1] == b'\r' { end - 1 } else { end };
        if text_end == start && first == last {
            match self.syntax.blanks {
                Blanks::Read if self.columns == Some(1) => {}
                Blanks::Refused if self.columns == Some(1) => {
                    return Self::refused(input, &Fault::Blank { place: start }, to);
                }
                _ => return Frame::Nothing { to, lines },
            }
        }
        if end - start > input.longest {
            return Frame::bad(input.too_long("line end"), Next::At { to, lines });
        }
        if self.next_return <= end
            && let Some(fault) = self.stray_return(bytes, start, text_end)
        {
            return Self::refused(input, &fault, to);
        }
        if bytes[start] == BYTE_ORDER_MARK[0]
            && let Some(fault) = self.stray_mark(bytes, start)
        {
            return Self::refused(input, &fault, to);
        }
        Frame::Record { record: Marks { first, last, unquoted: false }, end: text_end, to, lines }
    }
}

impl Framing for CsvFraming {
    type State = CsvState;
    type Record = Marks;

    // The index does not cover what lies between two records.
    const DETACHES_GAPS: bool = false;

    fn has_lines(&self) -> bool {
        true
    }

    fn missing(&self, open: &[u8]) -> &'static str {
        // A record that goes on after a line ending is quoted.
        if memchr::memchr(b'\n', open).is_some() { "closing quote" } else { "line end" }
    }

    #[inline]
    fn next(&mut self, input: &Input) -> Frame<Marks> {
        let bytes = input.bytes();
        if self.syntax.comment.is_some() {
            match input.rest().first() {
                None => return Frame::More,
                first if first.copied() == self.syntax.comment => return Frame::Comment,
                Some(_) => {}
            }
        }
        let delimiter = self.syntax.delimiter;
        let marks = self.index[self.next..].iter();
        let mut others = marks.zip(self.next..).filter(|(place, _)| bytes[**place as usize] != delimiter);
        let Some((place, last)) = others.next() else { return Frame::More };
        let place = *place as usize;
        if bytes[place] == b'\n' {
            self.record(input, last, place)
        } else {
            // Records with quotes are rarer and have a parser of their own.
            self.unquote(input)
        }
    }

    fn look(&mut self, input: &Input) {
        self.index.clear();
        self.next = 0;
        self.find_return(input.bytes(), input.at());
        index::find(input.rest(), input.at(), self.syntax.marks(), &mut self.index);
    }

    fn moved(&mut self, input: &Input) {
        let at = index::place(input.at());
        self.next = self.index.partition_point(|mark| *mark < at);
    }

    fn state(&self) -> CsvState {
        CsvState { columns: self.columns, trailer: self.trailer }
    }

    fn resume(&mut self, CsvState { columns, trailer }: CsvState) -> Result<(), &'static str> {
        if self.columns.is_some() && self.columns != columns {
            return Err("it has other columns");
        }
        self.columns = columns;
        self.trailer = trailer;
        Ok(())
    }

    fn clear(&mut self) {
        self.index.clear();
        (self.next, self.next_return) = (0, usize::MAX);
    }

    fn detach(&self, record: Marks, from: usize, to: usize, into: &mut Self) {
        let (from, to) = (index::place(from), index::place(to));
        into.index.extend(self.index[record.first..self.next].iter().map(|mark| mark - from + to));
    }
}

impl Trails for CsvFraming {
    fn trailer(&self) -> Option<u64> {
        self.trailer
    }

    fn set_trailer(&mut self, byte: u64) {
        self.trailer = Some(byte);
    }
}
