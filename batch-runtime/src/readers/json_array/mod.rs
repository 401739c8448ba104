//! [`JsonArrayReader`] reads the elements of an array in a JSON document, plain or compressed, into values of a
//! serde type.

mod element_end;
mod framing;
mod options;
mod pointer;
mod surroundings;
#[cfg(test)]
mod tests;
mod wrong_format;

use std::fmt;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::de::DeserializeOwned;

use self::framing::JsonArrayFraming;
use self::pointer::Pointer;
use super::exact::ExactJson;
use super::framed::{Encoding, Found, Framed, forward_to_framed, lines_in, split_framed};
use super::json_item;
use super::json_text;
use super::source::Source;
use super::{ReadError, TextPart, TextPosition};
use crate::definition::resource_name;
use crate::{Deserializes, Reader};

pub use framing::JsonArrayState;
pub use options::JsonArrayOptions;

/// The maximum nesting depth of values.
const MAX_DEPTH: usize = 128;

/// Reads the elements of an array in a JSON document, one item per element.
///
/// The document is UTF-8, with or without a byte order mark, or in [another encoding](JsonArrayOptions::encoding). It may
/// be of any size: only the elements being read are in memory. It is the array itself, or holds it at a JSON pointer
/// ([`at`](JsonArrayOptions::at)): `/data/trades`.
/// Files whose names end in `.gz` or `.zst` are decompressed. A restart seeks in a plain file; in a compressed file it
/// decompresses everything before its position. Opening the reader reads the part of the document before the array.
/// [`rest`](Self::rest) returns the document around the array.
///
/// Reading continues after an error about one element ([`ReadError::is_about_a_record`]): a value that does not
/// fit the item or would lose a part in it, two members of the same name for a map, invalid JSON whose brackets and
/// quotes match, invalid UTF-8, or an element that is too long. Errors name an element by its JSON pointer, which counts
/// from 0.
///
/// Reading ends where the document is broken ([`ReadError::Broken`]): brackets that do not match, a missing
/// comma, an end within the array, values that are nested more than 128 levels deep, or anything but the rest of a JSON
/// document after the array. Reading also ends if the key of the array appears again after the array: it would
/// be uncertain which of the two is meant. A document without an array at the pointer is refused when it is opened.
/// [`JsonLinesReader`](super::JsonLinesReader) reads files with one value per line.
///
/// ```
/// use batch_runtime::{Reader, readers::JsonArrayReader};
/// use serde::Deserialize;
///
/// #[derive(Debug, PartialEq, Deserialize)]
/// struct Trade { id: u32, price: Option<f64> }
///
/// let path = std::env::temp_dir().join("doc-json-array-reader.json");
/// std::fs::write(&path, r#"[{"id": 1, "price": 12.5},
///     {"id": 2}]"#)?;
///
/// let mut trades = JsonArrayReader::<Trade>::open(&path)?;
/// assert_eq!(trades.read()?, Some(Trade { id: 1, price: Some(12.5) }));
///
/// let mut restarted = JsonArrayReader::<Trade>::open(&path)?;
/// restarted.resume(trades.position())?;
/// assert_eq!(restarted.read()?, Some(Trade { id: 2, price: None }));
/// assert_eq!(restarted.read()?, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct JsonArrayReader<T> {
    elements: Framed<JsonArrayFraming>,
    path: Arc<PathBuf>,
    /// The offset of the last element that the framing found.
    last: u64,
    item: PhantomData<fn() -> T>,
}

/// The position of a [`JsonArrayReader`].
pub type JsonArrayPosition = TextPosition<JsonArrayState>;

/// A part of an array.
pub type JsonArrayPart = TextPart<JsonArrayState>;

impl<T> JsonArrayReader<T> {
    /// Opens a file that is one JSON array.
    ///
    /// # Errors
    /// If the file cannot be opened, is a folder, is in another encoding, or is something other than a JSON array.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ReadError> {
        Self::options().open(path)
    }

    /// Returns options for an array within a document.
    pub fn options() -> JsonArrayOptions<T> {
        JsonArrayOptions::new()
    }

    fn with_options(path: &Path, options: &JsonArrayOptions<T>) -> Result<Self, ReadError> {
        let pointer = Pointer::new(&options.at).map_err(|problem| ReadError::Options {
            resource: resource_name(path).into(),
            problem: problem.into(),
        })?;
        let encoding = options.encoding.as_deref().map_or(Ok(Encoding::Utf8), Encoding::of_documents);
        let encoding = encoding.map_err(|problem| ReadError::Options {
            resource: resource_name(path).into(),
            problem: problem.into(),
        })?;
        let framing = JsonArrayFraming::new(Arc::new(pointer), encoding);
        let mut elements = Framed::new(Source::open(path)?, options.longest, encoding, framing);
        elements.begin()?;
        wrong_format::check(&mut elements)?;
        enter(&mut elements)?;
        Ok(Self { elements, path: Arc::new(path.to_path_buf()), last: 0, item: PhantomData })
    }

    /// Returns the document around the array, with the array empty. `E` may be a struct with a field for each key that is
    /// wanted.
    ///
    /// This reads the file from its start to its end, and leaves the reader where it is: a step can check a total
    /// before its first item, or a later step can find the next page.
    ///
    /// ```
    /// use batch_runtime::readers::JsonArrayReader;
    /// use serde::Deserialize;
    ///
    /// #[derive(Deserialize)]
    /// struct Page { count: u64, next: Option<String> }
    ///
    /// let path = std::env::temp_dir().join("doc-json-array-rest.json");
    /// std::fs::write(&path, r#"{"count": 2, "items": [7, 8], "next": "/items?page=2"}"#)?;
    ///
    /// let page: Page = JsonArrayReader::<u32>::options().at("/items").open(&path)?.rest()?;
    /// assert_eq!((page.count, page.next.as_deref()), (2, Some("/items?page=2")));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the document is broken, does not fit `E`, or is longer than a
    /// [record](JsonArrayOptions::longest_record) even without its elements.
    pub fn rest<E: DeserializeOwned>(&self) -> Result<E, ReadError> {
        let Self { elements: Framed { input, framing, encoding, .. }, path, .. } = self;
        let mut fresh = JsonArrayFraming::new(framing.share_pointer(), *encoding);
        fresh.keep_around(input.longest);
        let mut elements = Framed::new(Source::open(path)?, input.longest, *encoding, fresh);
        elements.begin()?;
        enter(&mut elements)?;
        loop {
            match elements.advance() {
                Ok(None) => break,
                Ok(Some(_)) => {}
                Err(error) if error.is_about_a_record() => {}
                Err(error) => return Err(error),
            }
        }
        let problem = match elements.framing.around().map(json_item::from_slice) {
            Some(Ok(rest)) => return Ok(rest),
            Some(Err(error)) => format!("the document around the array does not fit: {error}"),
            None => format!("the document around the array is longer than {} bytes", input.longest),
        };
        Err(ReadError::Options { resource: input.resource(), problem: problem.into() })
    }
}

/// Passes over the part of the document before the array.
fn enter(elements: &mut Framed<JsonArrayFraming>) -> Result<(), ReadError> {
    elements.pass()?;
    elements.framing.fault(&elements.input).map_or(Ok(()), Err)
}

impl<T: Deserializes> JsonArrayReader<T> {
    /// Reads an element that is entirely in the buffer and fits the item. serde finds the end of the element by itself,
    /// which is faster than looking for it first.
    #[inline]
    fn read_buffered(&mut self) -> Option<T> {
        if self.elements.is_at_the_end_of_the_part()
            || self.elements.framing.is_at_the_first()
            || !self.elements.encoding.is_read_as_utf8()
        {
            return None;
        }
        let at = self.elements.input.at();
        self.elements.input.know_text(at);
        let (input, framing) = (&self.elements.input, &self.elements.framing);
        let before = framing.before_element(input.rest())?;
        let text = input.text_from(at + before.0)?;
        let mut values = serde_json::Deserializer::from_str(text).into_iter::<ExactJson<T>>();
        let ExactJson(item) = values.next()?.ok()?;
        let length = values.byte_offset();
        // A number at the end of the text may go on.
        let is_whole = length < text.len() || framing.is_detached();
        if !is_whole || length > input.longest {
            return None;
        }
        let text = &text[..length];
        if json_item::must_be_read_again(text.as_bytes()) && json_item::read_again::<T>(text).is_err() {
            return None;
        }
        let lines = lines_in(text.as_bytes());
        self.elements.take(before, (length, lines));
        self.elements.framing.took_element();
        Some(item)
    }

    /// Reads an element after the framing has found its end.
    fn read_framed(&mut self) -> Result<Option<T>, ReadError> {
        let Some(found) = self.elements.advance()? else { return Ok(None) };
        self.last = found.byte;
        let (bytes, place) = self.elements.record();
        let text = match self.elements.encoding.decode(bytes) {
            Ok(text) => text,
            Err(error) => {
                return Err(json_text::not_text(&place, Some(&self.pointer_to(&found)), bytes, &error));
            }
        };
        match json_item::from_str(&text) {
            Ok(item) => {
                if found.record == 0 {
                    let checked = json_text::refuse_strange_members::<T>(self.elements.resource(), &text);
                    if checked.is_err() {
                        self.elements.put_back();
                    }
                    checked?;
                }
                Ok(Some(item))
            }
            Err(error) => {
                let uncertain = if error.is_data() { None } else { element_end::stray_text(bytes) };
                let refused = match uncertain {
                    None => {
                        let element = self.pointer_to(&found);
                        json_text::refused(self.elements.encoding, &place, Some(&element), &text, &error)
                    }
                    Some(at) => self.stray_quote_error(&found, at),
                };
                if uncertain.is_some() {
                    self.elements.put_back();
                }
                Err(refused)
            }
        }
    }
}

impl<T> JsonArrayReader<T> {
    /// The pointer to an element.
    fn pointer_to(&self, found: &Found<u64>) -> String {
        format!("{}/{}", self.elements.framing.pointer().text(), found.record)
    }

    /// The error about text that may be only a part of an element, because a quote is missing or not escaped.
    #[cold]
    fn stray_quote_error(&self, found: &Found<u64>, at: usize) -> ReadError {
        let before = &self.elements.input.bytes()[found.start..found.start + at];
        ReadError::Broken {
            resource: self.elements.resource(),
            line: found.line + lines_in(before),
            byte: found.byte + at as u64,
            problem: format!(
                "{}: a string begins or ends where none can; a quote is missing, or not escaped, here or before",
                self.pointer_to(found)
            )
            .into(),
        }
    }
}

impl<T: Deserializes> Reader for JsonArrayReader<T> {
    type Item = T;
    type Position = JsonArrayPosition;
    type Error = ReadError;

    #[inline]
    fn read(&mut self) -> Result<Option<T>, ReadError> {
        match self.read_buffered() {
            Some(item) => Ok(Some(item)),
            None => self.read_framed(),
        }
    }

    forward_to_framed!(self => self.elements);

    fn record(&self, error: &ReadError) -> Option<String> {
        error.record_byte().filter(|byte| *byte >= self.last)?;
        self.elements.text_from(self.last)
    }

    fn resume(&mut self, position: JsonArrayPosition) -> Result<(), ReadError> {
        self.elements.go_to(position)
    }

    fn detach(&mut self, most: usize, into: &mut Option<Self>) -> Result<usize, ReadError> {
        let taken = into.get_or_insert_with(|| Self {
            elements: self.elements.nothing(),
            path: Arc::clone(&self.path),
            last: 0,
            item: PhantomData,
        });
        self.elements.detach(most, &mut taken.elements)
    }
}

split_framed!(JsonArrayReader, elements, JsonArrayPart);

impl<T> fmt::Debug for JsonArrayReader<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonArrayReader").field("elements", &self.elements).finish_non_exhaustive()
    }
}
