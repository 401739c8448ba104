//! [`XmlReader`] reads the elements with a given name in an XML document, plain or compressed, into values of a serde
//! type.

mod declaration;
mod framing;
mod lexer;
mod options;
#[cfg(test)]
mod tests;

use std::fmt;
use std::marker::PhantomData;

use quick_xml::NsReader;
use quick_xml::de::{DeError, Deserializer};
use quick_xml::events::BytesStart;
use serde::de::DeserializeOwned;

use self::framing::XmlFraming;
use self::lexer::{Lexer, Token};
use super::exact;
use super::framed::{Found, Framed, forward_to_framed, split_framed};
use super::{ReadError, TextPart, TextPosition, shown};
use crate::{Deserializes, Reader};

pub use framing::XmlState;
pub use options::XmlOptions;

/// Reads the elements with a given name in an XML document, one item per element.
///
/// The document is in the encoding that its XML declaration or a byte order mark of UTF-16 names, or in UTF-8. Encodings
/// other than UTF-8 need the cargo feature `encodings`; [`encoding`](XmlOptions::encoding) says more. The document may be
/// of any size: only the element being read is in memory. Files whose names end in `.gz` or `.zst` are decompressed. A restart seeks in a plain file; in
/// a compressed file it decompresses everything before its position.
///
/// serde names an attribute `@id`, the text of an element `$text`, and its content `$value`; `quick_xml::de`
/// describes the mapping. Prefixes of names are left out, except in `@xml:lang` and its like, and in `@xmlns:a`. An
/// element of the same name within a record belongs to that record. A document without any such element has
/// no items; it is refused if it has other elements in their place, unless they [may be
/// absent](XmlOptions::may_be_absent).
///
/// White space counts as layout where it is the only text between two tags, however it is written (also `&#32;`): the
/// `$text` of `<a> </a>` is missing. In a field without attributes of its own, such as a `String` named `a`, the white
/// space is the text. White space next to other characters belongs to their text. As XML prescribes, CR LF and CR read
/// as LF, and a line ending or tab in an attribute as a space; `&#13;`, `&#10;` and `&#9;` read as the characters
/// themselves.
///
/// Reading continues after an error about one element ([`ReadError::is_about_a_record`]): a value that does not
/// fit the item or would lose a part in it, two elements of one name for a map, tags within the element that do not match,
/// an unknown entity, invalid UTF-8, an element that is too long. Only the five predefined entities and character references are expanded: a DOCTYPE is passed over, and
/// what it declares is not used, so an attribute that is not written has no value, even if the DOCTYPE has a default for
/// it. Reading ends where the document itself is broken ([`ReadError::Broken`]): a tag without its end, a name or a
/// character between records that XML does not allow, elements around the records that do not match or are not closed,
/// a second XML declaration.
///
/// ```
/// use batch_runtime::{Reader, readers::XmlReader};
/// use serde::Deserialize;
///
/// #[derive(Debug, PartialEq, Deserialize)]
/// struct Trade {
///     #[serde(rename = "@id")]
///     id: u32,
///     price: Option<f64>,
/// }
///
/// let path = std::env::temp_dir().join("doc-xml-reader.xml");
/// std::fs::write(&path, r#"<trades>
///     <trade id="1"><price>12.5</price></trade>
///     <trade id="2"/>
/// </trades>"#)?;
///
/// let open = || XmlReader::<Trade>::options().element("trade").open(&path);
/// let mut trades = open()?;
/// assert_eq!(trades.read()?, Some(Trade { id: 1, price: Some(12.5) }));
///
/// let mut restarted = open()?;
/// restarted.resume(trades.position())?;
/// assert_eq!(restarted.read()?, Some(Trade { id: 2, price: None }));
/// assert_eq!(restarted.read()?, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[cfg_attr(docsrs, doc(cfg(feature = "xml")))]
pub struct XmlReader<T> {
    elements: Framed<XmlFraming>,
    /// The offset of the last element.
    last: u64,
    item: PhantomData<fn() -> T>,
}

/// The position of an [`XmlReader`].
pub type XmlPosition = TextPosition<XmlState>;

/// A part of an XML file.
pub type XmlPart = TextPart<XmlState>;

impl<T> XmlReader<T> {
    /// Returns options, which name the element.
    pub fn options() -> XmlOptions<T> {
        XmlOptions::new()
    }

    fn new(elements: Framed<XmlFraming>) -> Self {
        Self { elements, last: 0, item: PhantomData }
    }

    #[cold]
    fn refused(&self, text: &str, problem: &str) -> ReadError {
        let Found { line, byte, .. } = self.elements.found;
        // serde's messages name a field after this word, in backticks.
        let field = problem.split_once("field `").and_then(|(_, field)| field.split('`').next());
        ReadError::Record {
            resource: self.elements.resource(),
            line,
            byte,
            column: field.map(Box::from),
            value: shown(text),
            problem: shown(&format!("{problem} (in the element at byte {byte})")),
        }
    }
}

/// Deserializes an element, whose namespaces may be declared around it.
fn deserialize<T: DeserializeOwned>(text: &str, around: &[Box<str>]) -> Result<T, DeError> {
    let mut reader = NsReader::from_str(text);
    for open in around.iter().filter(|open| open.contains(' ')) {
        let name = open.split(' ').next().map_or(0, str::len);
        let pushed = reader.resolver_mut().push(&BytesStart::from_content(&**open, name));
        pushed.map_err(|error| DeError::Custom(error.to_string()))?;
    }
    exact::from_texts(&mut Deserializer::borrowing(reader))
}

/// True for a character that XML can hold, as it is or as a reference.
fn allows(code: u32) -> bool {
    matches!(code, 0x9 | 0xA | 0xD | 0x20..=0xD7FF | 0xE000..=0xFFFD | 0x1_0000..=0x10_FFFF)
}

/// Names a character of the text that XML cannot hold, such as a control character.
pub(crate) fn bad_character(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    // This loop does not end early: it then compiles to vector instructions.
    let is_control =
        bytes.iter().fold(false, |is_control, byte| is_control | (*byte < 0x20 && !lexer::is_blank(*byte)));
    // The noncharacters U+FFFE and U+FFFF begin with this byte, which is rare in text.
    let has_noncharacter = memchr::memchr_iter(0xEF, bytes)
        .any(|at| matches!(bytes.get(at..at + 3), Some([_, 0xBF, 0xBE | 0xBF])));
    if !is_control && !has_noncharacter {
        return None;
    }
    let bad = text.chars().find(|character| !allows(u32::from(*character)))?;
    Some(format!("XML cannot hold the character {}", bad.escape_unicode()))
}

/// Names a reference to a character that XML cannot hold. `&#` in a comment or a CDATA section is not a reference.
fn bad_reference(element: &str) -> Option<String> {
    memchr::memmem::find(element.as_bytes(), b"&#")?;
    let mut lexer = Lexer::default();
    loop {
        let text = match lexer.next(element.as_bytes()) {
            Token::Text(text) | Token::Open { tag: text, .. } => text,
            Token::More | Token::Broken(..) => return None,
            _ => continue,
        };
        let bad = memchr::memmem::find_iter(text, b"&#").find_map(|at| {
            let digits = &text[at + 2..];
            let end = digits.iter().position(|byte| !byte.is_ascii_alphanumeric()).unwrap_or(digits.len());
            let digits = std::str::from_utf8(&digits[..end]).ok()?;
            let code = match digits.strip_prefix('x') {
                Some(digits) => u32::from_str_radix(digits, 16).ok()?,
                None => digits.parse().ok()?,
            };
            (!allows(code)).then(|| format!("XML cannot hold the character `&#{digits};`"))
        });
        if bad.is_some() {
            return bad;
        }
    }
}

impl<T: Deserializes> Reader for XmlReader<T> {
    type Item = T;
    type Position = XmlPosition;
    type Error = ReadError;

    fn read(&mut self) -> Result<Option<T>, ReadError> {
        if !self.elements.find()? {
            return Ok(None);
        }
        self.last = self.elements.found.byte;
        self.elements.know_text();
        let text = self.elements.text()?;
        if let Some(problem) = bad_character(&text).or_else(|| bad_reference(&text)) {
            return Err(self.refused(&text, &problem));
        }
        match deserialize(&text, self.elements.framing.around()) {
            Ok(item) => Ok(Some(item)),
            Err(error) => Err(self.refused(&text, &error.to_string())),
        }
    }

    forward_to_framed!(self => self.elements);

    fn record(&self, error: &ReadError) -> Option<String> {
        error.record_byte().filter(|byte| *byte >= self.last)?;
        self.elements.text_from(self.last)
    }

    fn resume(&mut self, position: XmlPosition) -> Result<(), ReadError> {
        self.elements.go_to(position)
    }

    fn detach(&mut self, most: usize, into: &mut Option<Self>) -> Result<usize, ReadError> {
        let taken = into.get_or_insert_with(|| Self {
            elements: self.elements.nothing(),
            last: 0,
            item: PhantomData,
        });
        self.elements.detach(most, &mut taken.elements)
    }
}

split_framed!(XmlReader, elements, XmlPart);

impl<T> fmt::Debug for XmlReader<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("XmlReader").field("elements", &self.elements).finish_non_exhaustive()
    }
}
