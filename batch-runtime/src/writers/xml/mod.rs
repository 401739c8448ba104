//! [`XmlWriter`] writes items of a serde type to an XML document, one element per item.

mod exact;
mod nothing;
mod parts;

use std::fmt;
use std::marker::PhantomData;
use std::path::PathBuf;

use quick_xml::se::{SeError, Serializer};

use self::exact::Exact;
use super::file::{
    Refusal, TransactionalFile, file_options, forward_to_file, forward_to_partitions, one_file,
};
use super::{FilePosition, WriteError};
use crate::exact_json::field_of;
use crate::{ChunkTransaction, Durability, Serializes, Writer};

/// Writes items to an XML document, one element per item, within an outermost element.
///
/// serde names an attribute `@id`, the text of an element `$text`, and its content `$value`, as for
/// [`XmlReader`](crate::readers::XmlReader). A field that is `None` is left out, and so is an empty list: put
/// `#[serde(default)]` on lists, and on a `$text` that can be empty, so that they read back.
///
/// Every item reads back as the same value. Where white space would change, it is written as a reference (`&#13;`).
/// The writer refuses an item that XML cannot hold, and names the field: one with a control character; with a
/// `$text` or `$value` of white space only, which readers drop; a `None` in a list or map; `Some` of an empty
/// list; a list within a list; a text among the elements of a `$value`; in a list of words (of an attribute or
/// `$text`), a word that is empty or contains white space; a map's key that is not a name. Lists and enums are
/// not items, but a struct that holds them is one.
///
/// The file is called `NAME.TAG.part`, with a tag made from the step's [mark](crate::Mark) and the file's name, until
/// the writer renames it to `NAME` at the end of the step: no other program sees a document that is not closed. After a
/// crash, the writer keeps the committed part and cuts off everything after it, so no item is lost or duplicated. It
/// refuses to replace an existing file `NAME`, unless that file may be [overwritten](Self::overwrite). A file whose name
/// ends in `.gz` or `.zst` is compressed.
///
/// ```
/// use batch_runtime::{ChunkTransaction, Durability, Writer, writers::XmlWriter};
/// use serde::Serialize;
///
/// #[derive(Serialize)]
/// struct Trade {
///     #[serde(rename = "@id")]
///     id: u32,
///     price: Option<f64>,
/// }
///
/// let path = std::env::temp_dir().join("doc-xml-writer.xml");
/// # let _ = std::fs::remove_file(&path);
/// let mut trades = XmlWriter::create(&path).root("trades").element("trade");
///
/// // A step does this:
/// trades.open(None)?;
/// let chunk = [Trade { id: 1, price: Some(4.5) }, Trade { id: 2, price: None }];
/// trades.write(&chunk, &ChunkTransaction::none())?;
/// trades.prepare(Durability::Machine)?;
/// trades.seal(Durability::Machine)?;
/// trades.finish(Durability::Machine)?;
///
/// assert_eq!(
///     std::fs::read_to_string(&path)?,
///     r#"<?xml version="1.0" encoding="UTF-8"?>
/// <trades>
/// <trade id="1"><price>4.5</price></trade>
/// <trade id="2"/>
/// </trades>
/// "#
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[cfg_attr(docsrs, doc(cfg(feature = "xml")))]
#[must_use]
pub struct XmlWriter<T> {
    file: TransactionalFile,
    root: String,
    element: String,
    item: PhantomData<fn(&T)>,
}

impl<T> XmlWriter<T> {
    /// Creates a document of the elements `item` within `items`. No file is touched before the step begins.
    pub fn create(path: impl Into<PathBuf>) -> Self {
        Self {
            file: TransactionalFile::new(path.into()),
            root: "items".to_owned(),
            element: "item".to_owned(),
            item: PhantomData,
        }
    }

    /// Sets the name of the outermost element.
    pub fn root(mut self, name: impl Into<String>) -> Self {
        self.root = name.into();
        self
    }

    /// Sets the name of the element of each item.
    pub fn element(mut self, name: impl Into<String>) -> Self {
        self.element = name.into();
        self
    }

    /// Opens the outermost element if the file is still empty.
    fn begin(&mut self) -> Result<(), WriteError> {
        if self.file.is_empty() {
            let begin = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{}>\n", self.root);
            self.file.buffer()?.extend_from_slice(begin.as_bytes());
            self.file.end_header()?;
        }
        Ok(())
    }
}

/// Takes the name of the field out of the message.
#[cold]
fn refusal(error: &SeError) -> Refusal {
    let problem = error.to_string();
    match field_of(&problem) {
        Some((field, problem)) => Refusal { field: Some(field.to_owned()), problem: problem.to_owned() },
        None => Refusal { field: None, problem },
    }
}

/// True for a letter of any language or `_`, followed by letters, digits, `_`, `-` and `.`.
fn is_name(name: &str) -> bool {
    let begins = |character: char| character == '_' || character.is_alphabetic();
    name.starts_with(begins)
        && name
            .chars()
            .all(|character| begins(character) || character.is_alphanumeric() || "-.".contains(character))
}

/// Appends an item as an element and a line ending.
fn append<T: Serializes>(
    item: &T,
    element: &str,
    text: &mut String,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    text.clear();
    let serializer = Serializer::with_root(text, Some(element)).map_err(|error| refusal(&error))?;
    item.serialize(Exact::item(serializer)).map_err(|error| refusal(&error))?;
    // Some programs take white space at the ends of a text for layout.
    let bytes = text.as_bytes();
    let mut from = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let is_at_an_end = || at > 0 && bytes[at - 1] == b'>' || bytes.get(at + 1) == Some(&b'<');
        if matches!(byte, b' ' | b'\t' | b'\n') && is_at_an_end() {
            out.extend_from_slice(&bytes[from..at]);
            out.extend_from_slice(format!("&#{byte};").as_bytes());
            from = at + 1;
        }
    }
    out.extend_from_slice(&bytes[from..]);
    out.push(b'\n');
    Ok(())
}

impl<T: Serializes> Writer for XmlWriter<T> {
    type Item = T;

    forward_to_file!(self => self.file);

    fn open(&mut self, from: Option<FilePosition>) -> Result<(), WriteError> {
        if let Some(name) = [&self.root, &self.element].into_iter().find(|name| !is_name(name)) {
            let problem = format!(
                "`{name}` is not an element name: a name begins with a letter or `_`, and letters, digits, `_`, `-` and `.` follow"
            );
            return Err(WriteError::Options { path: self.file.path().to_path_buf(), problem });
        }
        self.file.open(from)?;
        self.file
            .with_options("names of the outermost element and of each item", &[&self.root, &self.element])
    }

    fn write(&mut self, items: &[T], _tx: &ChunkTransaction<'_>) -> Result<(), WriteError> {
        self.begin()?;
        let (element, mut text) = (&self.element, String::new());
        self.file.add_records(items, |item, out| append(item, element, &mut text, out))
    }

    fn seal(&mut self, durability: Durability) -> Result<(), WriteError> {
        if self.file.is_sealed() {
            return Ok(());
        }
        self.begin()?;
        let end = format!("</{}>", self.root);
        self.file.end(Some(&move |_| end.clone()), "\n")?;
        self.file.seal(durability)
    }
}

forward_to_partitions!(XmlWriter);
one_file!(XmlWriter);
file_options!(XmlWriter);

impl<T> fmt::Debug for XmlWriter<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("XmlWriter")
            .field("file", &self.file)
            .field("root", &self.root)
            .field("element", &self.element)
            .finish_non_exhaustive()
    }
}
