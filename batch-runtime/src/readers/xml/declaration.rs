//! Opens a document in the encoding that its first bytes, its XML declaration or the user's option names, and refuses it
//! if two of them differ.

use std::path::Path;
use std::sync::Arc;

use super::framing::{Wanted, XmlFraming};
use super::lexer::{begins_a_declaration, is_blank};
use crate::readers::ReadError;
use crate::readers::framed::{Encoding, Framed};
use crate::readers::shown;
use crate::readers::source::{ENCODING_PROBE_BYTES, Source};

/// The maximum length in bytes of the declaration and the white space before it.
const LONGEST_DECLARATION: usize = 1024;

/// Opens a document; `set` is the encoding that the user has set.
pub(super) fn open(
    path: &Path,
    wanted: &Arc<Wanted>,
    longest: usize,
    set: Option<Encoding>,
) -> Result<Framed<XmlFraming>, ReadError> {
    let open = |encoding| -> Result<_, ReadError> {
        let framing = XmlFraming::new(Arc::clone(wanted), longest, encoding);
        Ok(Framed::new(Source::open(path)?, longest, encoding, framing))
    };
    let mut elements = open(set.unwrap_or(Encoding::Utf8))?;
    let mut utf16 = None;
    if set.is_none() {
        elements.look_ahead(ENCODING_PROBE_BYTES)?;
        utf16 = Encoding::utf16_of(elements.input.rest());
        if let Some(utf16) = utf16 {
            elements = open(utf16)?;
        }
    }
    elements.begin()?;
    elements.look_ahead(LONGEST_DECLARATION)?;
    let refused = |problem: String| {
        let resource = elements.resource();
        ReadError::Options { resource, problem: problem.into() }
    };
    let has_mark = elements.input.byte() > 0;
    let Some(name) = declared(elements.encoding, elements.input.rest()).map_err(refused)? else {
        if utf16.is_some() && !has_mark {
            // Without a mark and a declaration, the first bytes are not proof enough: UTF-8 refuses them.
            open(Encoding::Utf8)?.begin()?;
        }
        return Ok(elements);
    };
    let declared = agreed(&name, elements.encoding, set.is_some(), has_mark).map_err(refused)?;
    if let Some(declared) = declared {
        elements = open(declared)?;
        elements.begin()?;
    }
    Ok(elements)
}

/// Compares the encoding that the declaration names with the one in which the declaration was read. Returns the one in
/// which the document must be opened instead, or says why the two cannot both be right.
fn agreed(name: &str, read_in: Encoding, is_set: bool, has_mark: bool) -> Result<Option<Encoding>, String> {
    let is_ascii = ["us-ascii", "ascii"].contains(&&*name.to_ascii_lowercase());
    let declared = if is_ascii { Ok(Encoding::Utf8) } else { Encoding::of_documents(name) };
    let (name, encoding) = (shown(name), read_in.name());
    let declared =
        declared.map_err(|problem| format!("it is declared to be in the encoding {name}: {problem}"))?;
    // A document in ASCII is one in every encoding that keeps ASCII characters as single bytes.
    if declared.is_like(read_in) || is_ascii && !read_in.is_utf16() {
        return Ok(None);
    }
    if is_set {
        return Err(format!(
            "the encoding is set to {encoding}, but it is declared to be in the encoding {name}; leave out the option, or \
             correct the declaration"
        ));
    }
    if has_mark || read_in.is_utf16() {
        return Err(format!(
            "it begins as a document in {encoding}, but it is declared to be in the encoding {name}; correct the \
             declaration"
        ));
    }
    if declared.is_utf16() {
        return Err(format!(
            "it is declared to be in the encoding {name}, but does not begin as a document in it; correct the declaration"
        ));
    }
    Ok(Some(declared))
}

/// Returns the encoding that the declaration names. Refuses a declaration that names another version, is malformed, or
/// follows white space.
fn declared(encoding: Encoding, front: &[u8]) -> Result<Option<String>, String> {
    let blanks = front.iter().take_while(|byte| is_blank(**byte)).count();
    if begins_a_declaration(&front[blanks..]) != Some(true) {
        return Ok(None);
    }
    if blanks > 0 {
        return Err("white space is before the XML declaration; remove it".to_owned());
    }
    let front = &front[..front.len().min(LONGEST_DECLARATION)];
    let end = memchr::memmem::find(front, b"?>").unwrap_or(front.len());
    let declaration = encoding.lossy(&front[..end]);
    let pairs = declaration.strip_prefix("<?xml").and_then(pairs).unwrap_or_default();
    let (keys, values): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
    let (encoding, standalone) = match keys[..] {
        ["version"] => (None, None),
        ["version", "encoding"] => (Some(values[1]), None),
        ["version", "standalone"] => (None, Some(values[1])),
        ["version", "encoding", "standalone"] => (Some(values[1]), Some(values[2])),
        _ => return Err(malformed(&declaration)),
    };
    if standalone.is_some_and(|standalone| !matches!(standalone, "yes" | "no"))
        || encoding.is_some_and(|name| !is_encoding_name(name))
        || end == front.len()
    {
        return Err(malformed(&declaration));
    }
    if values[0] != "1.0" {
        return Err(format!("it is XML {}; XML 1.0 was expected", shown(values[0])));
    }
    Ok(encoding.map(str::to_owned))
}

/// True for the name of an encoding, as XML defines it.
fn is_encoding_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
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
