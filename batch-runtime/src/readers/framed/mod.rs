//! The common part of all text formats: a buffer over a [`Source`](super::source::Source), a [`Framing`] that
//! says where a record ends, and everything that is the same for all of them — the bound on a record's
//! length, positions, parts, detached records, progress, the line of a record.

#[cfg(feature = "encodings")]
mod code_page;
mod detach;
mod encoding;
mod forward;
mod input;
mod place;
mod position;
mod records;
mod split;
mod trailer;
mod valid_text;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::{Serialize, de::DeserializeOwned};

use self::split::Bounds;
use super::source::{Source, line_around};
use super::{ReadError, json_text};

#[cfg(feature = "encodings")]
pub(crate) use encoding::ByteOrder;
pub(crate) use encoding::{Encoding, NotText};
pub(crate) use forward::{forward_to_framed, split_framed};
pub(crate) use input::{BYTE_ORDER_MARK, Input};
pub use position::TextPosition;
pub(crate) use records::{Decode, RecordPlace, Records, Trails, read_records};
pub use split::TextPart;
pub use trailer::Totals;
pub(crate) use trailer::Trailer;

/// The maximum length of a record in bytes, unless the reader says otherwise.
pub(crate) const LONGEST: usize = 16 * 1024 * 1024;

/// Determines where a record ends. It knows neither files nor positions nor items.
pub(crate) trait Framing: Clone {
    /// The part of a position besides its place in the input.
    type State: Clone + PartialEq + fmt::Debug + Serialize + DeserializeOwned;

    /// The facts about a record that the framing found while it looked for the record's end.
    type Record: Copy + Default;

    /// True if the gaps between records may be copied with detached records.
    const DETACHES_GAPS: bool;

    /// True if every record ends with a line ending. The last line of the input is then given one.
    fn has_lines(&self) -> bool;

    /// True if the user may set the encoding to UTF-16.
    fn takes_utf16(&self) -> bool {
        true
    }

    /// The missing end of an unfinished record: `line end`.
    fn missing(&self, open: &[u8]) -> &'static str;

    /// Returns the next frame, which begins at the place of the input.
    fn next(&mut self, input: &Input) -> Frame<Self::Record>;

    /// Called when the bytes of the input's buffer have changed or moved: all findings about them are void.
    fn look(&mut self, _input: &Input) {}

    /// Called when the place of the input has changed, but not the bytes.
    fn moved(&mut self, input: &Input) {
        self.look(input);
    }

    /// Passes over a record that is dropped, or over something that is not a record. It starts or continues
    /// at the place of the input.
    fn pass(&mut self, input: &Input) -> Passed {
        pass_a_line(input)
    }

    /// The state after the last record.
    fn state(&self) -> Self::State;

    /// Continues in the given state, or says why the state cannot belong to this input.
    fn resume(&mut self, state: Self::State) -> Result<(), &'static str>;

    /// Puts back the record just found, so that it is the next one again.
    fn put_back(&mut self, _record: Self::Record) {}

    /// True if [`pass`](Self::pass) stopped at bytes after which nothing can be found. The position then
    /// stays before the part that was passed over.
    fn is_stuck(&self) -> bool {
        false
    }

    /// Forgets all findings about the bytes of the buffer, because those of a detached reader are about to
    /// change.
    fn clear(&mut self) {}

    /// Copies the findings about a record, whose bytes from `from` on were copied to `to`.
    fn detach(&self, _record: Self::Record, _from: usize, _to: usize, _into: &mut Self) {}
}

/// Counts the lines that end within these bytes.
pub(crate) fn lines_in(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}

/// Passes over the next line.
pub(crate) fn pass_a_line(input: &Input) -> Passed {
    let (bytes, ended) = (input.rest(), input.is_ended());
    match memchr::memchr(b'\n', bytes) {
        Some(end) => Passed { bytes: end + 1, lines: 1, done: true },
        None => Passed { bytes: bytes.len(), lines: u64::from(ended), done: ended },
    }
}

/// The next frame of the input. Offsets are those in the buffer.
#[derive(Debug)]
pub(crate) enum Frame<R> {
    /// A record, whose text ends at `end`; the next frame begins at `to`. `lines` is the number of lines
    /// that end within it.
    Record { record: R, end: usize, to: usize, lines: u64 },
    /// Nothing up to `to`, such as a blank line.
    Nothing { to: usize, lines: u64 },
    /// Something that is not a record and may be longer than one, such as a comment: [`Framing::pass`] passes
    /// over it.
    Comment,
    /// More bytes are needed to tell.
    More,
    /// The end of all records, although more bytes may follow.
    End,
    /// A bad record, or a broken input.
    Bad(Box<Bad>),
}

/// The error about a bad frame, and where reading continues.
#[derive(Debug)]
pub(crate) struct Bad {
    pub(crate) error: ReadError,
    pub(crate) next: Next,
}

/// Where reading continues after a bad frame.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Next {
    /// At this offset, after this number of lines.
    At { to: usize, lines: u64 },
    /// After the part that [`Framing::pass`] passes over.
    Passed,
    /// Nowhere: the next read fails in the same way.
    Nowhere,
}

impl<R> Frame<R> {
    #[cold]
    pub(crate) fn bad(error: ReadError, next: Next) -> Self {
        Self::Bad(Box::new(Bad { error, next }))
    }
}

/// The progress of [`Framing::pass`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Passed {
    /// The number of bytes passed.
    pub(crate) bytes: usize,
    /// The number of lines that end within them.
    pub(crate) lines: u64,
    /// True if the record ends there.
    pub(crate) done: bool,
}

/// A record that was found. Offsets are those in the buffer, until the next frame is looked for.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Found<R> {
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// The line on which the record begins, from 1.
    pub(crate) line: u64,
    /// The offset in the input at which the record begins.
    pub(crate) byte: u64,
    pub(crate) record: R,
}

/// The records of a text input.
pub(crate) struct Framed<F: Framing> {
    pub(crate) input: Input,
    pub(crate) encoding: Encoding,
    pub(crate) framing: F,
    bounds: Bounds,
    /// The last record that was found.
    pub(crate) found: Found<F::Record>,
}

impl<F: Framing> Framed<F> {
    /// Reads from the start of a source; records are limited to `longest` bytes.
    pub(crate) fn new(source: Source, longest: usize, encoding: Encoding, framing: F) -> Self {
        let (input, found) = (Input::new(source, longest), Found::default());
        Self { input, encoding, framing, bounds: Bounds::NONE, found }
    }

    pub(crate) fn resource(&self) -> Arc<str> {
        self.input.resource()
    }

    /// Skips a byte order mark, and refuses other encodings; only called before the first record.
    pub(crate) fn begin(&mut self) -> Result<(), ReadError> {
        self.encoding.prepare(&mut self.input.source);
        let begun = self.input.begin(self.framing.has_lines(), self.framing.takes_utf16());
        self.framing.look(&self.input);
        begun?;
        if !self.encoding.is_read_as_utf8() && self.input.at() > 0 {
            return Err(ReadError::Options {
                resource: self.resource(),
                problem: "it begins with the byte order mark of UTF-8, but another encoding is set".into(),
            });
        }
        Ok(())
    }

    /// Reads on until `most` bytes follow the last record, or the input ends. An error after the first of these
    /// bytes is returned only when reading reaches it.
    pub(crate) fn look_ahead(&mut self, most: usize) -> Result<(), ReadError> {
        if self.input.rest().len() >= most {
            return Ok(());
        }
        let looked = self.input.look_ahead(most, self.framing.has_lines());
        self.framing.look(&self.input);
        looked
    }

    /// Finds the next record; `None` at the end of the input or part.
    #[inline]
    pub(crate) fn advance(&mut self) -> Result<Option<Found<F::Record>>, ReadError> {
        Ok(self.find()?.then_some(self.found))
    }

    /// Finds the next record and keeps it in [`found`](Self::found), which is faster than to return it; `false` at
    /// the end of the input or part.
    #[inline]
    pub(crate) fn find(&mut self) -> Result<bool, ReadError> {
        loop {
            let (start, line, byte) = (self.input.at, self.input.line, self.input.byte());
            if byte >= self.bounds.end {
                return Ok(false);
            }
            match self.framing.next(&self.input) {
                Frame::Record { record, end, to, lines } => {
                    self.input.pass_to(to, lines);
                    self.input.record_line = line;
                    self.found = Found { start, end, line, byte, record };
                    return Ok(true);
                }
                Frame::Nothing { to, lines } => self.input.pass_to(to, lines),
                Frame::Comment => self.pass()?,
                Frame::More if self.input.is_at_end() => return Ok(false),
                Frame::More => self.fill_for_a_record()?,
                Frame::End => return Ok(false),
                Frame::Bad(bad) => return Err(self.bad(*bad)?),
            }
        }
    }

    #[cold]
    fn bad(&mut self, Bad { error, next }: Bad) -> Result<ReadError, ReadError> {
        match next {
            Next::At { to, lines } => {
                self.input.record_line = self.input.line;
                self.input.pass_to(to, lines);
            }
            Next::Passed => {
                self.input.record_line = self.input.line;
                self.pass()?;
            }
            Next::Nowhere => {}
        }
        Ok(error)
    }

    /// Reads on for a record that does not end in the buffer.
    fn fill_for_a_record(&mut self) -> Result<(), ReadError> {
        let open = self.input.rest();
        if open.len() <= self.input.longest {
            return self.fill();
        }
        let error = self.input.too_long(self.framing.missing(open));
        self.input.record_line = self.input.line;
        self.pass()?;
        Err(error)
    }

    /// Moves past the record or line at the place, however long that is. The position stays before it until
    /// its end is found.
    #[cold]
    pub(crate) fn pass(&mut self) -> Result<(), ReadError> {
        self.input.hold();
        loop {
            let Passed { bytes, lines, done } = self.framing.pass(&self.input);
            self.input.pass_to(self.input.at + bytes, lines);
            if done {
                break;
            }
            self.fill()?;
        }
        if !self.framing.is_stuck() {
            self.input.release();
        }
        self.framing.moved(&self.input);
        Ok(())
    }

    fn fill(&mut self) -> Result<(), ReadError> {
        let filled = self.input.fill(self.framing.has_lines());
        self.framing.look(&self.input);
        filled
    }

    /// The bytes of the record that was found last, and its place.
    #[inline]
    pub(crate) fn record(&self) -> (&[u8], RecordPlace<'_>) {
        let Self { input, found: Found { start, end, line, byte, .. }, .. } = self;
        let place = RecordPlace { resource: input.source.resource(), line: *line, byte: *byte };
        (&input.bytes()[*start..*end], place)
    }

    /// Checks the bytes in the buffer from the record that was found last on, if they are in UTF-8 and unless that was done
    /// before.
    #[inline]
    pub(crate) fn know_text(&mut self) {
        if self.encoding.is_read_as_utf8() {
            self.input.know_text(self.found.start);
        }
    }

    /// The text of the record that was found last. It is not decoded if [`know_text`](Self::know_text) found that it is
    /// text.
    #[inline]
    pub(crate) fn text(&self) -> Result<Cow<'_, str>, ReadError> {
        match self.input.text(self.found.start, self.found.end) {
            Some(text) => Ok(Cow::Borrowed(text)),
            None => self.decoded(),
        }
    }

    /// The text of a record in another encoding, or in a block with bytes that are not text.
    #[inline(never)]
    fn decoded(&self) -> Result<Cow<'_, str>, ReadError> {
        let (bytes, place) = self.record();
        self.encoding.decode(bytes).map_err(|error| json_text::not_text(&place, None, bytes, &error))
    }

    /// Puts the record just found back, so that it is the next one again.
    #[cold]
    pub(crate) fn put_back(&mut self) {
        let found = self.found;
        (self.input.at, self.input.line) = (found.start, found.line);
        self.framing.moved(&self.input);
        self.framing.put_back(found.record);
    }

    /// True at the end of the part.
    #[inline]
    pub(crate) fn is_at_the_end_of_the_part(&self) -> bool {
        self.input.byte() >= self.bounds.end
    }

    /// Passes over a record that a decoder found by itself: `before` bytes and lines precede it.
    #[inline]
    pub(crate) fn take(&mut self, before: (usize, u64), record: (usize, u64)) {
        self.input.pass_to(self.input.at + before.0, before.1);
        self.input.record_line = self.input.line;
        self.input.pass_to(self.input.at + record.0, record.1);
    }

    /// Returns the text from `byte` up to the place after the last record, if it is still in the buffer.
    #[cold]
    pub(crate) fn text_from(&self, byte: u64) -> Option<String> {
        let from = usize::try_from(byte.checked_sub(self.input.base)?).ok()?;
        let text = self.input.before().get(from..)?;
        Some(self.encoding.lossy(text).into_owned())
    }

    /// Returns the record that the last error is about, without the ending of its last line.
    #[cold]
    pub(crate) fn record_of(&self, error: &ReadError) -> Option<String> {
        let byte = error.record_byte()?;
        if matches!(error, ReadError::TooLong { .. }) {
            return self.line_at(byte);
        }
        let from = usize::try_from(byte.checked_sub(self.input.base)?).ok()?;
        let mut text = self.input.before().get(from..)?;
        if self.framing.has_lines() {
            text = text.strip_suffix(b"\n").unwrap_or(text);
            text = text.strip_suffix(b"\r").unwrap_or(text);
        }
        Some(self.encoding.lossy(text).into_owned())
    }

    /// Returns the text from the start of the line that contains `byte` up to the place after the last
    /// record, as far as it is still in the buffer.
    #[cold]
    pub(crate) fn line_at(&self, byte: u64) -> Option<String> {
        let line = line_around(self.input.before(), byte.checked_sub(self.input.base)?)?;
        Some(self.encoding.lossy(line).into_owned())
    }

    /// The place of the last record, for the user.
    pub(crate) fn location(&self) -> String {
        format!("{}, line {}", self.input.resource(), self.input.record_line)
    }
}

impl<F: Framing> fmt::Debug for Framed<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Framed")
            .field("resource", &self.input.resource())
            .field("place", &self.input.place())
            .finish_non_exhaustive()
    }
}
