//! [`Lent`], a record that the step's first processor decodes instead of the reader, so that the item can borrow
//! from the record.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Deserialize, Serialize, Serializer};

use super::ReadError;
use super::columns::{Decoder, Fields};
use super::csv::CsvFields;
use super::framed::{Encoding, RecordPlace};
use crate::definition::Failure;

/// A record from which the step's first processor borrows its item; a `CsvReader<Flight<'_>>` reads such records.
///
/// An item that owns its strings costs an allocation for each. An item that is looked at once, and then filtered or
/// turned into another, can borrow them: its reader lends the record for the duration of the processor's call.
/// `#[reader]` and `#[processor]` recognise such an item by its lifetime, `Flight<'_>`, and replace it with this type,
/// so only code without these attributes names `Lent`.
///
/// ```
/// use batch_runtime::prelude::*;
///
/// #[derive(Deserialize)]
/// struct Flight<'r> {
///     carrier: &'r str,
///     minutes: f64,
/// }
///
/// #[reader]
/// fn flights(input: PathBuf) -> Result<CsvReader<Flight<'_>>, ReadError> {
///     CsvReader::open(input)
/// }
///
/// #[processor]
/// fn late(flight: Flight<'_>) -> Option<String> {
///     (flight.minutes > 15.0).then(|| flight.carrier.to_owned())
/// }
/// # let path = std::env::temp_dir().join("doc-lent.csv");
/// # std::fs::write(&path, "carrier,minutes\nAA,16\nUA,4\n")?;
/// # use batch_runtime::Reader;
/// let record = flights(path)?.read()?.expect("a record");
/// assert_eq!(late(record.item()?).as_deref(), Some("AA"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The value of a field is checked when the item is decoded, which is within the processor's call. A record that does
/// not fit the item is still treated as an unreadable record: it counts as a skip in reading, `skip(ReadError)` covers
/// it, and no `retry` repeats it. A step with `threads` decodes on its workers.
pub struct Lent<T> {
    record: Box<LentRecord>,
    item: PhantomData<fn() -> T>,
}

/// An item that can be decoded from a lent record: every serde type that lives no longer than the record, and
/// [`CsvRecord`](super::CsvRecord).
#[diagnostic::on_unimplemented(
    message = "a reader cannot lend a `{Self}` from a record",
    label = "`{Self}` does not implement `Deserialize`",
    note = "write `#[derive(Deserialize)]` above `{Self}`"
)]
pub trait Borrows<'r>: Sized {
    #[doc(hidden)]
    fn borrow(lender: &mut Lender, record: &'r LentRecord) -> Result<Self, Failure>;
}

#[diagnostic::do_not_recommend]
impl<'r, T: Deserialize<'r>> Borrows<'r> for T {
    #[inline]
    fn borrow(lender: &mut Lender, record: &'r LentRecord) -> Result<Self, Failure> {
        lender.decoder(record).decode(&record.csv()).map_err(|refusal| {
            let decoder = &record.source.decoder;
            let lacks = |name: &str| (record.source.lacks)(name, decoder);
            record.unreadable(decoder.refused(
                &record.place(),
                &record.csv(),
                record.is_whole,
                &refusal,
                lacks,
            ))
        })
    }
}

impl<T> Lent<T> {
    /// Decodes the record into an item that borrows from it. A processor receives the item already; this method is for
    /// tests, and for readers that look at the items of another reader.
    ///
    /// # Errors
    /// If the record does not fit the item: a [`ReadError`] that names the place of the record.
    pub fn item<'r, U: Borrows<'r>>(&'r self) -> Result<U, Failure> {
        U::borrow(&mut Lender::new(), &self.record)
    }
}

/// Decodes the lent records of one processor.
#[derive(Debug, Default)]
pub struct Lender {
    /// The source of the last record, and a decoder that knows the item's type.
    known: Option<(Arc<LentSource>, Decoder)>,
}

impl Lender {
    /// Creates a lender that knows no source yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { known: None }
    }

    /// Decodes a record into the item that the processor takes.
    ///
    /// # Errors
    /// If the record is not such an item.
    #[inline]
    pub fn lend<'r, U: Borrows<'r>, T>(&mut self, record: &'r Lent<T>) -> Result<U, Failure> {
        U::borrow(self, &record.record)
    }

    #[inline]
    fn decoder(&mut self, record: &LentRecord) -> &mut Decoder {
        if !matches!(&self.known, Some((source, _)) if Arc::ptr_eq(source, &record.source)) {
            self.known = None;
        }
        let (_, decoder) =
            self.known.get_or_insert_with(|| (Arc::clone(&record.source), record.source.decoder.clone()));
        decoder
    }
}

/// The input of lent records.
#[derive(Debug)]
pub(crate) struct LentSource {
    pub(crate) resource: Arc<str>,
    pub(crate) decoder: Decoder,
    /// Formats the message that there is no column with this name.
    pub(crate) lacks: fn(&str, &Decoder) -> String,
    /// The encoding of the input.
    pub(crate) encoding: Encoding,
}

/// A record, taken out of its reader's buffer.
#[derive(Debug, Clone)]
pub struct LentRecord {
    /// The fields, separated by one byte each.
    text: String,
    /// The offset of `text`, from the same origin as the offsets in `ends`.
    start: usize,
    /// The end of each field.
    ends: Vec<u32>,
    /// Which fields were quoted; empty if none was.
    quoted: Vec<bool>,
    /// The bytes of the record in the input; empty if they are those of `text`.
    raw: Vec<u8>,
    line: u64,
    byte: u64,
    /// True if the record has as many fields as there are columns.
    is_whole: bool,
    source: Arc<LentSource>,
}

impl LentRecord {
    fn place(&self) -> RecordPlace<'_> {
        RecordPlace { resource: &self.source.resource, line: self.line, byte: self.byte }
    }

    /// The failure of a record that is not an item.
    #[cold]
    pub(crate) fn unreadable(&self, error: ReadError) -> Failure {
        let is_about_a_record = error.is_about_a_record();
        let failure = Failure::unreadable(error);
        if !is_about_a_record {
            return failure.fatal();
        }
        let failure = failure.at(format!("{}, line {}", self.source.resource, self.line));
        let raw = if self.raw.is_empty() {
            self.text.clone()
        } else {
            self.source.encoding.lossy(&self.raw).into_owned()
        };
        failure.carrying(Some(raw))
    }

    /// The fields.
    #[inline]
    pub(super) fn csv(&self) -> CsvFields<'_> {
        CsvFields { text: &self.text, start: self.start, ends: &self.ends, quoted: &self.quoted }
    }

    pub(crate) fn fields(&self) -> impl Iterator<Item = &str> {
        (0..self.ends.len()).filter_map(|column| self.csv().text(column))
    }

    pub(crate) const fn line(&self) -> u64 {
        self.line
    }

    pub(crate) fn decoder(&self) -> &Decoder {
        &self.source.decoder
    }

    /// Decodes one field, as a field of an item.
    pub(crate) fn value<'r, T: Deserialize<'r>>(&'r self, column: usize) -> Result<T, Failure> {
        self.decoder().decode_field(&self.csv(), column).map_err(|refusal| {
            let lacks = |name: &str| (self.source.lacks)(name, self.decoder());
            self.unreadable(self.decoder().refused(
                &self.place(),
                &self.csv(),
                self.is_whole,
                &refusal,
                lacks,
            ))
        })
    }

    /// The failure of a record without that column.
    #[cold]
    pub(crate) fn without(&self, name: &str) -> Failure {
        let error = match self.decoder().column(name) {
            Some(column) => ReadError::Record {
                resource: Arc::clone(&self.source.resource),
                line: self.line,
                byte: self.byte,
                column: Some(self.decoder().name(column)),
                value: "".into(),
                problem: "expected a value".into(),
            },
            None => ReadError::Header {
                resource: Arc::clone(&self.source.resource),
                problem: (self.source.lacks)(name, self.decoder()).into(),
            },
        };
        self.unreadable(error)
    }
}

/// The state that a reader needs to lend its records.
#[derive(Debug, Default)]
pub(crate) struct Lending {
    source: Option<Arc<LentSource>>,
    /// The records that were given back; the next records reuse their memory.
    #[expect(clippy::vec_box, reason = "a lent record is a box, which moves in and out")]
    spare: Vec<Box<LentRecord>>,
}

/// The parts of a record that may be lent.
#[derive(Debug)]
pub(crate) struct Parts<'a> {
    pub(crate) fields: &'a CsvFields<'a>,
    /// The bytes of the record in the input, if the text of a lent record would differ from them; otherwise empty.
    pub(crate) raw: &'a [u8],
    pub(crate) place: RecordPlace<'a>,
    /// True if the record has as many fields as there are columns.
    pub(crate) is_whole: bool,
}

impl Lending {
    /// Copies a record out of the reader's buffer.
    #[inline]
    pub(crate) fn lend<T>(&mut self, parts: &Parts<'_>, source: impl FnOnce() -> LentSource) -> Lent<T> {
        let source = self.source.get_or_insert_with(|| Arc::new(source()));
        let Parts { fields, raw, place: RecordPlace { line, byte, .. }, is_whole } = *parts;
        let CsvFields { text, start, ends, quoted } = *fields;
        let mut record = match self.spare.pop() {
            Some(record) if Arc::ptr_eq(&record.source, source) => record,
            _ => Box::new(LentRecord {
                text: String::new(),
                start,
                ends: Vec::new(),
                quoted: Vec::new(),
                raw: Vec::new(),
                line,
                byte,
                is_whole,
                source: Arc::clone(source),
            }),
        };
        record.text.clear();
        record.text.push_str(text);
        record.ends.clear();
        record.ends.extend_from_slice(ends);
        // Few records have either, and to copy nothing costs as much as to copy a few bytes.
        if !quoted.is_empty() || !record.quoted.is_empty() {
            record.quoted.clear();
            record.quoted.extend_from_slice(quoted);
        }
        if !raw.is_empty() || !record.raw.is_empty() {
            record.raw.clear();
            record.raw.extend_from_slice(raw);
        }
        (record.start, record.line, record.byte, record.is_whole) = (start, line, byte, is_whole);
        Lent { record, item: PhantomData }
    }

    /// Takes a record back.
    #[inline]
    pub(crate) fn give_back<T>(&mut self, record: Lent<T>) {
        self.spare.push(record.record);
    }
}

impl<T> Clone for Lent<T> {
    fn clone(&self) -> Self {
        Self { record: self.record.clone(), item: PhantomData }
    }
}

/// Serializes the record as an object of its columns, or as an array if the columns have no names.
impl<T> Serialize for Lent<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let record = &*self.record;
        if record.decoder().has_header() {
            let mut map = serializer.serialize_map(Some(record.ends.len()))?;
            for (name, text) in record.decoder().names().zip(record.fields()) {
                map.serialize_entry(name, text)?;
            }
            map.end()
        } else {
            let mut seq = serializer.serialize_seq(Some(record.ends.len()))?;
            record.fields().try_for_each(|text| seq.serialize_element(text))?;
            seq.end()
        }
    }
}

impl<T> fmt::Debug for Lent<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.record.fields()).finish()
    }
}
