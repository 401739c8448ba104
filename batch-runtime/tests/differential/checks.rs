//! Compares the readers with other readers, for any bytes. The fuzz targets call these functions, and so do the tests of
//! `differential`, with inputs that are often almost valid.
//!
//! Each check panics if a reader reads an input that it accepts as something else than the other reader does, or if a
//! restart after any record does not read the rest.

use std::borrow::Cow;
use std::fmt::Debug;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use batch_runtime::Reader;
use batch_runtime::readers::{CsvReader, FixedReader, JsonArrayReader, ReadError, XmlReader};
use encoding_rs::Encoding;
use quick_xml::events::Event;
use serde::Deserialize;
use serde_json::Value;

/// A file with the input, removed at the end.
struct Input(PathBuf);

impl Input {
    fn new(bytes: &[u8]) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() { memory.to_path_buf() } else { std::env::temp_dir() };
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!("batch-fuzz-{}-{number}", std::process::id()));
        fs::write(&path, bytes).expect("a small file can be written");
        Self(path)
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        drop(fs::remove_file(&self.0));
    }
}

/// Records, each as an item or as the message of an error about it, and the error that ended the reading.
type Read<T> = (Vec<Result<T, String>>, Option<String>);

/// Reads everything, and again from after some of the records. Returns the items; `None` if the reader refused the input
/// or a part of it.
fn accepted<R>(open: impl Fn() -> Result<R, ReadError>) -> Option<Vec<R::Item>>
where
    R: Reader<Item: PartialEq + Debug + Clone, Error = ReadError>,
{
    let mut positions = Vec::new();
    let (records, end) = read(open().ok()?, |reader| {
        positions.push(serde_json::to_string(&reader.position()).expect("a position is JSON"));
    });
    for (at, position) in positions.iter().enumerate().step_by(positions.len() / 8 + 1) {
        let mut reader = open().expect("the file is the same");
        reader
            .resume(serde_json::from_str(position).expect("a position is read back"))
            .expect("the file is the same");
        assert_eq!(
            read(reader, |_| {}),
            (records[at + 1..].to_vec(), end.clone()),
            "resumed after record {at}"
        );
    }
    if end.is_some() { None } else { records.into_iter().collect::<Result<_, _>>().ok() }
}

fn read<R: Reader<Error = ReadError>>(mut reader: R, mut after: impl FnMut(&R)) -> Read<R::Item> {
    let mut records = Vec::new();
    loop {
        let record = match reader.read() {
            Ok(None) => return (records, None),
            Ok(Some(item)) => Ok(item),
            Err(error) if reader.steps_over(&error) => Err(error.to_string()),
            Err(error) => return (records, Some(error.to_string())),
        };
        records.push(record);
        after(&reader);
    }
}

/// Compares CSV with the crate `csv`.
pub(crate) fn csv(bytes: &[u8]) {
    let input = Input::new(bytes);
    let options = || CsvReader::<Vec<String>>::options().without_header().flexible();
    let lenient = accepted(|| options().lenient().open(&input.0));
    let strict = accepted(|| options().open(&input.0));
    if strict.is_some() {
        assert_eq!(strict, lenient, "strict and lenient differ");
    }
    // The other one ends a record at a carriage return alone.
    let has_returns = memchr::memchr_iter(b'\r', bytes).any(|at| bytes.get(at + 1) != Some(&b'\n'));
    let Some(lenient) = lenient.filter(|_| !has_returns) else { return };
    let mut theirs = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(bytes);
    let theirs: Result<Vec<Vec<String>>, _> = theirs
        .records()
        .map(|record| record.map(|record| record.iter().map(str::to_owned).collect()))
        .collect();
    assert_eq!(lenient, theirs.expect("what was accepted is UTF-8"));
}

/// Compares a JSON array with `serde_json`.
pub(crate) fn json_array(bytes: &[u8]) {
    let input = Input::new(bytes);
    let ours = accepted(|| JsonArrayReader::<Value>::open(&input.0));
    let theirs = serde_json::from_slice::<Vec<Value>>(bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes));
    match (ours, theirs) {
        (Some(ours), theirs) => assert_eq!(ours, theirs.expect("what was accepted is an array")),
        // A number that would become zero is refused.
        (None, Ok(theirs)) => assert!(theirs.iter().any(has_zero), "an array was refused"),
        (None, Err(_)) => {}
    }
}

fn has_zero(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::Array(values) => values.iter().any(has_zero),
        Value::Object(entries) => entries.values().any(has_zero),
        _ => false,
    }
}

/// An element, of which any other may be inside.
#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Element {
    #[serde(rename = "@id")]
    id: Option<String>,
    #[serde(rename = "$text")]
    text: Option<String>,
}

/// Compares the number of elements with that of `quick_xml`, where both accept a document.
pub(crate) fn xml(bytes: &[u8]) {
    let input = Input::new(bytes);
    let open = || XmlReader::<Element>::options().element("a").open(&input.0);
    let Some(ours) = accepted(open) else { return };
    if let Some(theirs) = elements(bytes) {
        assert_eq!(ours.len(), theirs, "the number of elements");
    }
}

/// Counts the elements `a` that are in no other; `None` if the document is malformed.
fn elements(bytes: &[u8]) -> Option<usize> {
    let mut reader = quick_xml::Reader::from_reader(bytes);
    reader.config_mut().check_comments = true;
    let (mut count, mut depth, mut within) = (0, 0_usize, None);
    loop {
        match reader.read_event().ok()? {
            Event::Start(tag) => {
                if within.is_none() && tag.local_name().as_ref() == "a" {
                    (within, count) = (Some(depth), count + 1);
                }
                depth += 1;
            }
            Event::End(_) => {
                depth = depth.checked_sub(1)?;
                within = within.filter(|begin| *begin != depth);
            }
            Event::Empty(tag) if within.is_none() && tag.local_name().as_ref() == "a" => count += 1,
            Event::Eof => return (depth == 0).then_some(count),
            _ => {}
        }
    }
}

/// Encodings in which documents are read: as they are, or converted.
const ENCODINGS: [&str; 10] = [
    "windows-1252",
    "iso-8859-3",
    "koi8-u",
    "shift_jis",
    "euc-jp",
    "gb18030",
    "big5",
    "euc-kr",
    "utf-16le",
    "utf-16be",
];

/// Splits bytes into the name of an encoding, which the first byte chooses, and a document. Also returns that in UTF-8;
/// `None` if it is not text in its encoding.
fn in_an_encoding(bytes: &[u8]) -> Option<(&'static str, &[u8], Option<String>)> {
    let (first, document) = bytes.split_first()?;
    let name = ENCODINGS[usize::from(*first) % ENCODINGS.len()];
    let encoding = Encoding::for_label(name.as_bytes()).expect("the list has names of encodings");
    let text = encoding.decode_without_bom_handling_and_without_replacement(document);
    Some((name, document, text.map(Cow::into_owned)))
}

/// Encodes a text for the checks of documents in an encoding, as far as the encoding has its characters.
pub(crate) fn encoded(first: u8, text: &str) -> Vec<u8> {
    let name = ENCODINGS[usize::from(first) % ENCODINGS.len()];
    let encoding = Encoding::for_label(name.as_bytes()).expect("the list has names of encodings");
    let mut bytes = vec![first];
    match name {
        "utf-16le" => bytes.extend(text.encode_utf16().flat_map(u16::to_le_bytes)),
        "utf-16be" => bytes.extend(text.encode_utf16().flat_map(u16::to_be_bytes)),
        _ => bytes.extend_from_slice(&encoding.encode(text).0),
    }
    bytes
}

/// Compares a JSON array in an encoding with the same in UTF-8.
pub(crate) fn json_array_in_an_encoding(bytes: &[u8]) {
    let Some((name, document, text)) = in_an_encoding(bytes) else { return };
    let input = Input::new(document);
    let ours = accepted(|| JsonArrayReader::<Value>::options().encoding(name).open(&input.0));
    let in_utf8 = text.and_then(|text| {
        let input = Input::new(text.as_bytes());
        accepted(|| JsonArrayReader::<Value>::open(&input.0))
    });
    assert_eq!(ours, in_utf8, "in {name}");
}

/// Compares an XML document in an encoding with the same in UTF-8.
pub(crate) fn xml_in_an_encoding(bytes: &[u8]) {
    let Some((name, document, text)) = in_an_encoding(bytes) else { return };
    let input = Input::new(document);
    let options = || XmlReader::<Element>::options().element("a");
    let ours = accepted(|| options().encoding(name).open(&input.0));
    // A declaration contradicts one of the two.
    let Some(text) = text.filter(|text| !text.to_ascii_lowercase().contains("<?xml")) else { return };
    let input = Input::new(text.as_bytes());
    assert_eq!(ours, accepted(|| options().open(&input.0)), "in {name}");
}

/// Compares fixed-width columns with characters that are counted one by one.
pub(crate) fn fixed(bytes: &[u8]) {
    let input = Input::new(bytes);
    let open = || FixedReader::<(String, String)>::columns([("a", 0..3), ("b", 3..8)]).open(&input.0);
    let Some(ours) = accepted(open) else { return };
    let text = std::str::from_utf8(bytes).expect("what was accepted is UTF-8");
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines = text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
    let theirs: Vec<(String, String)> = lines
        .filter(|line| !line.is_empty())
        .map(|line| {
            assert_eq!(line.chars().count(), 8, "a line of another length was accepted");
            let cut = |from, length| line.chars().skip(from).take(length).collect::<String>();
            (cut(0, 3).trim_matches(' ').to_owned(), cut(3, 5).trim_matches(' ').to_owned())
        })
        .collect();
    assert_eq!(ours, theirs);
}
