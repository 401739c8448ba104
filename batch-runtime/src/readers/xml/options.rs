//! [`XmlOptions`]: which elements are records, how long they may be, and the encoding of the document.

use std::fmt;
use std::marker::PhantomData;
use std::path::Path;
use std::sync::Arc;

use super::XmlReader;
use super::declaration;
use super::framing::Wanted;
use crate::definition::resource_name;
use crate::readers::ReadError;
use crate::readers::framed::{Encoding, LONGEST};

/// Names the elements that are read; [`XmlReader::options`] creates it.
///
/// ```
/// use batch_runtime::{Reader, readers::XmlReader};
///
/// let path = std::env::temp_dir().join("doc-xml-options.xml");
/// std::fs::write(&path, "<shop><price>12</price><old><price>9</price></old></shop>")?;
///
/// let mut prices = XmlReader::<u32>::options().element("shop/price").open(&path)?;
/// assert_eq!((prices.read()?, prices.read()?), (Some(12), None));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub struct XmlOptions<T> {
    element: String,
    encoding: Option<Box<str>>,
    may_be_absent: bool,
    longest: usize,
    item: PhantomData<fn() -> T>,
}

impl<T> XmlOptions<T> {
    pub(super) fn new() -> Self {
        Self {
            element: String::new(),
            encoding: None,
            may_be_absent: false,
            longest: LONGEST,
            item: PhantomData,
        }
    }

    /// Sets the name of the elements that are items: `trade` for those at any depth, or the path from the
    /// outermost element: `trades/trade`. A name without a prefix fits elements with any prefix.
    pub fn element(mut self, name: impl Into<String>) -> Self {
        self.element = name.into();
        self
    }

    /// Sets the encoding of a document that does not name it: a name of the [WHATWG Encoding
    /// Standard](https://encoding.spec.whatwg.org/#names-and-labels), such as `windows-1252`, `iso-8859-2` or
    /// `shift_jis`. Encodings other than UTF-8 need the cargo feature `encodings`.
    ///
    /// Without this option, the document is in UTF-16 if it begins with the byte order mark of UTF-16, otherwise in the
    /// encoding that its XML declaration names, and in UTF-8 if there is neither. A document whose declaration contradicts
    /// this option or a byte order mark is refused.
    ///
    /// A document in UTF-16, or in an encoding with several bytes per character, is converted to UTF-8 while it is read:
    /// errors and positions count bytes of the converted text, and the document cannot be split. As the standard says,
    /// `ISO-8859-1` is read as `windows-1252`. ISO-2022-JP and EBCDIC are refused.
    ///
    #[cfg_attr(feature = "encodings", doc = "```")]
    #[cfg_attr(not(feature = "encodings"), doc = "```ignore")]
    /// use batch_runtime::{Reader, readers::XmlReader};
    ///
    /// let path = std::env::temp_dir().join("doc-xml-encoding.xml");
    /// std::fs::write(&path, b"<?xml version='1.0' encoding='iso-8859-1'?><menu><drink>caf\xE9</drink></menu>")?;
    ///
    /// let mut drinks = XmlReader::<String>::options().element("drink").open(&path)?;
    /// assert_eq!(drinks.read()?.as_deref(), Some("café"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn encoding(mut self, name: impl Into<String>) -> Self {
        self.encoding = Some(name.into().into_boxed_str());
        self
    }

    /// Accepts a document that has no such element, but other ones in its place. By default it is refused once its end is
    /// reached, because the name may be misspelt. A document whose path ends in an empty element (`<trades/>`) is accepted
    /// in any case.
    pub fn may_be_absent(mut self) -> Self {
        self.may_be_absent = true;
        self
    }

    /// Sets the maximum length in bytes of an element, and of a tag or comment between two elements; 16 MiB by
    /// default.
    pub fn longest_record(mut self, bytes: usize) -> Self {
        self.longest = bytes;
        self
    }

    /// Opens the file.
    ///
    /// # Errors
    /// If the file cannot be opened or is a folder; if its XML declaration is malformed, follows white space, or names
    /// another version, or an encoding in which it cannot be read; if the document is not in the
    /// [encoding](Self::encoding) that was set, or documents cannot be read in that; or if the
    /// [element](Self::element) is not named or its name is malformed.
    pub fn open(self, path: impl AsRef<Path>) -> Result<XmlReader<T>, ReadError> {
        let path = path.as_ref();
        let names: Vec<_> = self.element.split('/').map(str::to_owned).collect();
        let bad = |name: &String| {
            name.is_empty()
                || name.contains(|character: char| character.is_whitespace() || "<>&\"'=".contains(character))
        };
        if names.iter().any(bad) {
            let problem = if self.element.is_empty() {
                "no element is named; write `.element(\"name\")`".into()
            } else {
                format!(
                    "`{}` is neither the name of an element nor a path of names, as `trades/trade` is",
                    self.element
                )
                .into()
            };
            return Err(ReadError::Options { resource: resource_name(path).into(), problem });
        }
        let encoding = self.encoding.as_deref().map(Encoding::of_documents).transpose();
        let encoding = encoding.map_err(|problem| ReadError::Options {
            resource: resource_name(path).into(),
            problem: problem.into(),
        })?;
        let wanted = Arc::new(Wanted { path: names, may_be_absent: self.may_be_absent });
        declaration::open(path, &wanted, self.longest, encoding).map(XmlReader::new)
    }
}

impl<T> fmt::Debug for XmlOptions<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("XmlOptions")
            .field("element", &self.element)
            .field("encoding", &self.encoding)
            .field("longest", &self.longest)
            .finish_non_exhaustive()
    }
}
