//! Items from the records of a text file, and the checks of its trailer.

use std::sync::Arc;

use super::encoding::NotText;
use super::trailer::{BeforeTrailer, Trailer, no_trailer};
use super::{Framed, Framing, TextPart, TextPosition};
use crate::readers::{ReadError, SHOWN_CHARACTERS, shown};

/// Makes items of the records that a framing finds.
pub(crate) trait Decode<F: Framing, T>: Sized {
    /// Refuses an input of which no record can become an item.
    fn check(&self, _framed: &Framed<F>) -> Result<(), ReadError> {
        Ok(())
    }

    /// Decodes the record that was found last. After an error that is not about this record alone, it
    /// [puts the record back](Framed::put_back) if `puts_back` is true.
    ///
    /// It returns what the reader returns, although there always is an item, and the reader does not look at it: both would
    /// copy a large item once more.
    fn decode(&mut self, framed: &mut Framed<F>, puts_back: bool) -> Result<Option<T>, ReadError>;

    /// Takes back an item, to reuse its memory.
    fn recycle(&mut self, _item: T) {}

    /// Returns a decoder that another thread can use.
    fn another(&self) -> Self;
}

/// A framing that knows where the records end and the trailer begins.
pub(crate) trait Trails: Framing {
    /// The offset in the input of the trailer, once it is known.
    fn trailer(&self) -> Option<u64>;
    fn set_trailer(&mut self, byte: u64);
}

/// The place of a record in an input.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RecordPlace<'a> {
    pub(crate) resource: &'a Arc<str>,
    pub(crate) line: u64,
    pub(crate) byte: u64,
}

impl RecordPlace<'_> {
    /// The error for a value that does not fit.
    #[cold]
    pub(crate) fn refused(&self, value: &str, problem: impl Into<Box<str>>) -> ReadError {
        ReadError::Record {
            resource: Arc::clone(self.resource),
            line: self.line,
            byte: self.byte,
            column: None,
            value: shown(value),
            problem: problem.into(),
        }
    }

    /// The error for a record, or a column of it, that is not text in its encoding.
    #[cold]
    pub(crate) fn not_text(&self, bytes: &[u8], error: &NotText, column: Option<Box<str>>) -> ReadError {
        // Show the bad bytes, even in a long record.
        let from = error.bytes.start.saturating_sub(SHOWN_CHARACTERS / 2);
        let from = (0..=from).rev().find(|at| bytes[*at] & 0xC0 != 0x80).unwrap_or_default();
        ReadError::InvalidUtf8 {
            resource: Arc::clone(self.resource),
            line: self.line,
            byte: self.byte,
            column,
            value: shown(String::from_utf8_lossy(&bytes[from..]).trim()),
            encoding: error.encoding,
        }
    }
}

/// The records of a text file as items.
pub(crate) struct Records<F: Framing, D, T> {
    pub(crate) framed: Framed<F>,
    pub(crate) decoder: D,
    trailer: Option<Trailer<T>>,
    /// True once nothing speaks against reading the items: neither their decoder, nor the trailer.
    is_checked: bool,
}

impl<F: Framing, D, T> Records<F, D, T> {
    pub(crate) fn new(framed: Framed<F>, decoder: D, trailer: Option<Trailer<T>>) -> Self {
        Self { framed, decoder, trailer, is_checked: false }
    }
}

impl<F: Trails, D: Decode<F, T>, T> Records<F, D, T> {
    #[inline]
    pub(crate) fn read(&mut self) -> Result<Option<T>, ReadError> {
        self.check()?;
        if !self.framed.find()? {
            return Ok(None);
        }
        self.decoder.decode(&mut self.framed, true)
    }

    /// Checks the input, unless that was done before.
    #[inline]
    pub(crate) fn check(&mut self) -> Result<(), ReadError> {
        if self.is_checked { Ok(()) } else { self.check_now() }
    }

    #[cold]
    fn check_now(&mut self) -> Result<(), ReadError> {
        self.decoder.check(&self.framed)?;
        self.verify()?;
        self.is_checked = true;
        Ok(())
    }

    pub(crate) fn resume(&mut self, position: TextPosition<F::State>) -> Result<(), ReadError> {
        self.decoder.check(&self.framed)?;
        let (begin, byte) = (self.framed.input.byte(), position.byte);
        self.framed.go_to(position)?;
        self.trust_the_trailer(begin, byte)
    }

    pub(crate) fn narrow(&mut self, part: TextPart<F::State>) -> Result<(), ReadError> {
        self.decoder.check(&self.framed)?;
        let (begin, byte) = (self.framed.input.byte(), part.begin().byte);
        self.framed.narrow(part)?;
        self.trust_the_trailer(begin, byte)
    }

    /// Skips the check of the trailer if the position shows that an earlier execution, or the manager of the
    /// partitions, has checked it. Refuses a position after `begin` that a reader without the check has recorded.
    fn trust_the_trailer(&mut self, begin: u64, byte: u64) -> Result<(), ReadError> {
        let known = self.framed.framing.trailer();
        if self.trailer.is_some() && known.is_none() && byte != begin {
            let problem = format!(
                "up to byte {byte}, it was read without its trailer, so nothing has checked what was read; leave `trailer` out, \
                 or start a new instance (`--next`)"
            );
            return Err(ReadError::Options { resource: self.framed.resource(), problem: problem.into() });
        }
        self.framed.end_before(known);
        self.is_checked = self.trailer.is_none() || known.is_some();
        Ok(())
    }

    pub(crate) fn split(&mut self, parts: usize) -> Result<Vec<TextPart<F::State>>, ReadError> {
        self.check()?;
        self.framed.split(self.framed.position(), parts)
    }

    pub(crate) fn detach(&mut self, most: usize, into: &mut Option<Self>) -> Result<usize, ReadError> {
        self.check()?;
        let taken = into.get_or_insert_with(|| Self {
            framed: self.framed.nothing(),
            decoder: self.decoder.another(),
            trailer: None,
            is_checked: true,
        });
        self.framed.detach(most, &mut taken.framed)
    }

    /// Reads the file once up to its end, compares its last record with the records before it, and returns to
    /// the first record. So no part of an incomplete file is processed. The reader then ends before the trailer, as at
    /// the end of a part, so that reading a record costs nothing more.
    fn verify(&mut self) -> Result<(), ReadError> {
        let Some(trailer) = self.trailer.clone() else { return Ok(()) };
        let begin = self.framed.position();
        // The framing learns from the records, such as how many columns there are, and must forget that again.
        let mut framing = self.framed.framing.clone();
        framing.clear();
        let compared = self.compare(&trailer);
        self.framed.framing = framing;
        let back = self.framed.go_to(begin);
        let trailer = compared?;
        back?;
        self.framed.framing.set_trailer(trailer);
        self.framed.end_before(Some(trailer));
        Ok(())
    }

    /// Reads up to the end, compares the last record with those before it, and returns its place.
    fn compare(&mut self, trailer: &Trailer<T>) -> Result<u64, ReadError> {
        let mut control = trailer.begin();
        let (mut records, mut bad) = (0, None);
        let mut skip = |error: ReadError| {
            if !error.is_about_a_record() {
                return Err(error);
            }
            bad.get_or_insert_with(|| error.without_resource());
            Ok(())
        };
        // The line and the place of the record found last, its text, and its item if that is needed.
        let mut last = None;
        let mut text = Vec::new();
        let mut item = Ok(None);
        loop {
            let found = match self.framed.find() {
                Ok(false) => break,
                found => found,
            };
            // Another record follows the last one, which is thus not the trailer.
            records += u64::from(last.take().is_some());
            if trailer.takes_items {
                match std::mem::replace(&mut item, Ok(None)) {
                    Ok(Some(item)) => {
                        control.add(&item);
                        self.decoder.recycle(item);
                    }
                    Ok(None) => {}
                    Err(error) => skip(error)?,
                }
            }
            match found {
                Ok(_) => {
                    let (bytes, RecordPlace { line, byte, .. }) = self.framed.record();
                    text.clear();
                    text.extend_from_slice(bytes);
                    last = Some((line, byte));
                    if trailer.takes_items {
                        item = self.decoder.decode(&mut self.framed, false);
                    }
                }
                Err(error) => {
                    records += 1;
                    skip(error)?;
                }
            }
        }
        let resource = self.framed.resource();
        let Some((line, byte)) = last else {
            return Err(no_trailer(resource, self.framed.input.line(), bad));
        };
        let text = self.framed.encoding.lossy(&text);
        BeforeTrailer { records, bad, text: &text, line }.check(&*control, resource)?;
        Ok(byte)
    }
}

/// Implements [`Reader`](crate::Reader) and [`Splittable`](crate::definition::Splittable) for a type with a
/// field `records: Records<..>`.
macro_rules! read_records {
    ($reader:ident, $state:ty, $($bound:tt)*) => {
        impl<T: $($bound)*> crate::Reader for $reader<T> {
            type Item = T;
            type Position = crate::readers::TextPosition<$state>;
            type Error = crate::readers::ReadError;

            #[inline]
            fn read(&mut self) -> Result<Option<T>, crate::readers::ReadError> {
                self.records.read()
            }

            crate::readers::framed::forward_to_framed!(self => self.records.framed);

            fn record(&self, error: &crate::readers::ReadError) -> Option<String> {
                self.records.framed.record_of(error)
            }

            fn resume(&mut self, position: Self::Position) -> Result<(), crate::readers::ReadError> {
                self.records.resume(position)
            }

            fn detach(
                &mut self,
                most: usize,
                into: &mut Option<Self>,
            ) -> Result<usize, crate::readers::ReadError> {
                let mut records = into.take().map(|reader| reader.records);
                let taken = self.records.detach(most, &mut records);
                *into = records.map(|records| Self { records });
                taken
            }
        }

        /// Splits by byte ranges, cut between records. This scans the file once, so that every part knows
        /// its line numbers. A compressed file is a single part: reaching any place in it means
        /// decompressing everything before.
        impl<T: $($bound)*> crate::Splittable for $reader<T> {
            type Part = crate::readers::TextPart<$state>;

            fn split(&mut self, parts: usize) -> Result<Vec<Self::Part>, crate::BoxError> {
                Ok(self.records.split(parts)?)
            }

            fn narrow(&mut self, part: Self::Part) -> Result<(), crate::BoxError> {
                Ok(self.records.narrow(part)?)
            }
        }

        impl<T> std::fmt::Debug for $reader<T> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($reader)).field("records", &self.records.framed).finish_non_exhaustive()
            }
        }
    };
}

pub(crate) use read_records;
