//! [`XmlOptions`], which say which elements are records and how long they may be; and the check of the XML declaration.

use std::fmt;
use std::marker::PhantomData;
use std::path::Path;
use std::sync::Arc;

use super::XmlReader;
use super::framing::Wanted;
use super::lexer::{begins_a_declaration, is_blank};
use crate::definition::resource_name;
use crate::readers::ReadError;
use crate::readers::framed::LONGEST;
use crate::readers::shown;

/// The maximum length in bytes of the declaration and the white space before it.
pub(super) const LONGEST_DECLARATION: usize = 1024;

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

    /// Sets the maximum length in bytes of an element, and of a tag or comment between two elements; 16 MiB by
    /// default.
    pub fn longest_record(mut self, bytes: usize) -> Self {
        self.longest = bytes;
        self
    }

    /// Opens the file.
    ///
    /// # Errors
    /// If the file cannot be opened, is a folder, or is not in UTF-8; if its XML declaration is malformed, follows
    /// white space, or names another encoding or version; or if the [element](Self::element) is not named or its name
    /// is malformed.
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

/// Refuses a document whose declaration names another encoding or version, is malformed, or follows white space.
pub(super) fn check_declaration(front: &[u8], resource: &Arc<str>) -> Result<(), ReadError> {
    let blanks = front.iter().take_while(|byte| is_blank(**byte)).count();
    if begins_a_declaration(&front[blanks..]) != Some(true) {
        return Ok(());
    }
    let problem = if blanks > 0 {
        Some("white space is before the XML declaration; remove it".to_owned())
    } else {
        problem_with(&front[..front.len().min(LONGEST_DECLARATION)])
    };
    problem.map_or(Ok(()), |problem| {
        Err(ReadError::Options { resource: Arc::clone(resource), problem: problem.into() })
    })
}

fn problem_with(front: &[u8]) -> Option<String> {
    let end = memchr::memmem::find(front, b"?>").unwrap_or(front.len());
    let declaration = String::from_utf8_lossy(&front[..end]);
    let pairs = declaration.strip_prefix("<?xml").and_then(pairs).unwrap_or_default();
    let (keys, values): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
    let (encoding, standalone) = match keys[..] {
        ["version"] => (None, None),
        ["version", "encoding"] => (Some(values[1]), None),
        ["version", "standalone"] => (None, Some(values[1])),
        ["version", "encoding", "standalone"] => (Some(values[1]), Some(values[2])),
        _ => return Some(malformed(&declaration)),
    };
    if standalone.is_some_and(|standalone| !matches!(standalone, "yes" | "no")) || end == front.len() {
        return Some(malformed(&declaration));
    }
    if let Some(encoding) = encoding
        && !["utf-8", "utf8", "us-ascii", "ascii"].contains(&&*encoding.to_ascii_lowercase())
    {
        return Some(format!(
            "it is declared to be in the encoding {}; convert the input to UTF-8, and change its declaration",
            shown(encoding)
        ));
    }
    (values[0] != "1.0").then(|| format!("it is XML {}; XML 1.0 was expected", shown(values[0])))
}

fn malformed(declaration: &str) -> String {
    format!(
        "its XML declaration is malformed: `{}?>`; `<?xml version=\"1.0\" encoding=\"UTF-8\"?>` was expected",
        shown(declaration)
    )
}

/// The keys and values in a declaration; each must have white space before it.
fn pairs(mut text: &str) -> Option<Vec<(&str, &str)>> {
    let mut pairs = Vec::new();
    loop {
        let pair = text.trim_ascii_start();
        if pair.is_empty() {
            return Some(pairs);
        }
        let (key, value) = pair.split_once('=').filter(|_| pair.len() < text.len())?;
        let value = value.trim_ascii_start();
        let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
        let (value, rest) = value[1..].split_once(quote)?;
        pairs.push((key.trim_ascii_end(), value));
        text = rest;
    }
}
