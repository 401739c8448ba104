//! [`XmlOptions`]: which elements are records, and how long they may be; and the declaration of the document.

use std::fmt;
use std::marker::PhantomData;
use std::path::Path;
use std::sync::Arc;

use super::XmlReader;
use super::framing::Wanted;
use crate::definition::resource_name;
use crate::readers::ReadError;
use crate::readers::framed::LONGEST;

/// The number of bytes in which the declaration is looked for.
pub(super) const DECLARATION: usize = 1024;

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
    longest: usize,
    item: PhantomData<fn() -> T>,
}

impl<T> XmlOptions<T> {
    pub(super) fn new() -> Self {
        Self { element: String::new(), longest: LONGEST, item: PhantomData }
    }

    /// Sets the name of the elements that are items: `trade` for those at any depth, or the path from the
    /// outermost element: `trades/trade`. A name without a prefix fits elements with any prefix.
    pub fn element(mut self, name: impl Into<String>) -> Self {
        self.element = name.into();
        self
    }

    /// Sets the maximum length in bytes of an element, and of a tag or comment between two; 16 MiB by default.
    pub fn longest_record(mut self, bytes: usize) -> Self {
        self.longest = bytes;
        self
    }

    /// Opens the file.
    ///
    /// # Errors
    /// If the file cannot be opened, is a folder, is not in UTF-8 or declared in another encoding, or if the
    /// [element](Self::element) is not named.
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
        XmlReader::with_options(path, Wanted { path: names }, self.longest)
    }
}

impl<T> fmt::Debug for XmlOptions<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("XmlOptions")
            .field("element", &self.element)
            .field("longest", &self.longest)
            .finish_non_exhaustive()
    }
}

/// Refuses a document that declares another encoding or version.
pub(super) fn check_declaration(front: &[u8], resource: &Arc<str>) -> Result<(), ReadError> {
    let Some(declaration) = front.strip_prefix(b"<?xml") else { return Ok(()) };
    let end = memchr::memmem::find(declaration, b"?>").unwrap_or(declaration.len().min(DECLARATION));
    let declaration = String::from_utf8_lossy(&declaration[..end]).into_owned();
    let value = |key: &str| {
        let after = declaration.split_once(key)?.1.trim_start().strip_prefix('=')?.trim_start();
        let quote = after.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
        after[1..].split(quote).next()
    };
    let problem = match (value("encoding"), value("version")) {
        (Some(encoding), _)
            if !["utf-8", "utf8", "us-ascii", "ascii"].contains(&&*encoding.to_ascii_lowercase()) =>
        {
            format!(
                "it is declared to be in the encoding {encoding}; convert the input to UTF-8, and its declaration"
            )
        }
        (_, Some(version)) if version != "1.0" => format!("it is XML {version}; XML 1.0 was expected"),
        _ => return Ok(()),
    };
    Err(ReadError::Options { resource: Arc::clone(resource), problem: problem.into() })
}
