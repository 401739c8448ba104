//! An input that contains no readable record is refused once, before the first record, with a remedy.
#![cfg(all(feature = "csv", feature = "fixed"))]

mod folder;

use batch_runtime::Reader;
use batch_runtime::readers::{
    CsvReader, FixedReader, JsonArrayReader, JsonLinesReader, LinesReader, ReadError,
};
use folder::Folder;
use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "only the names of its fields matter")]
struct Row {
    a: u8,
    b: u8,
    c: Option<u8>,
}

/// Returns the error of opening the file and reading the first record, with the file's name for the whole
/// path.
fn refused<R>(content: &[u8], name: &str, open: impl Fn(&std::path::Path) -> Result<R, ReadError>) -> String
where
    R: Reader<Error = ReadError>,
{
    let folder = Folder::new();
    let path = folder.file(name, content);
    let error = match open(&path) {
        Err(error) => error,
        Ok(mut reader) => {
            let error = reader.read().err().unwrap_or_else(|| panic!("{name} was read"));
            assert!(!reader.steps_over(&error), "{error}");
            error
        }
    };
    assert!(error.is_about_the_input(), "{error}");
    error.to_string().replace(&*path.to_string_lossy(), name)
}

fn lines(content: impl AsRef<[u8]>) -> String {
    refused(content.as_ref(), "in.txt", |path| LinesReader::<String>::open(path))
}

fn fixed(content: impl AsRef<[u8]>) -> String {
    let columns = [("a", 0..1), ("b", 2..3), ("c", 4..5)];
    refused(content.as_ref(), "in.txt", |path| FixedReader::<Row>::columns(columns.clone()).open(path))
}

fn csv(content: impl AsRef<[u8]>) -> String {
    refused(content.as_ref(), "in.csv", |path| CsvReader::<Row>::open(path))
}

fn json(content: impl AsRef<[u8]>) -> String {
    refused(content.as_ref(), "in.jsonl", |path| JsonLinesReader::<Row>::open(path))
}

fn utf16(text: &str, mark: bool) -> Vec<u8> {
    let mark = mark.then_some(0xFEFF);
    mark.into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
}

fn utf32(text: &str) -> Vec<u8> {
    text.chars().flat_map(|character| u32::from(character).to_be_bytes()).collect()
}

#[test]
fn a_separator_line_for_a_spreadsheet_is_not_a_header() {
    let message = csv("sep=,\na,b,c\n1,2,3\n4,5,6\n");
    assert_eq!(
        message,
        "in.csv, header: its first line, `sep=,`, is not a header but names the delimiter; skip it with \
         `skip_lines(1)` and set `,` as `delimiter`"
    );
    let folder = Folder::new();
    let path = folder.file("in.csv", "sep=;\r\na;b;c\r\n1;2;3\r\n");
    assert!(CsvReader::<Row>::options().skip_lines(1).delimiter(b';').open(path).is_ok());
}

#[test]
fn a_header_with_another_delimiter_lacks_every_column() {
    assert_eq!(
        csv("a;b;c\n1,2,3\n4,5,6\n"),
        "in.csv, header: there is no column `a`, only `a;b;c`; is the delimiter `;`?"
    );
    assert_eq!(
        csv("a\tb\n"),
        "in.csv, header: there is no column `a`, only `a\\tb`; is the delimiter `\\t`?"
    );
}

#[test]
fn text_in_another_encoding_is_refused() {
    let (text, line) = ("a,b,c\n1,2,3\n", "{\"a\":1,\"b\":2}\n");
    let convert = "convert the input to UTF-8";
    for (message, name) in [
        (csv(utf16(text, true)), "in.csv"),
        (csv(utf16(text, false)), "in.csv"),
        (json(utf16(line, true)), "in.jsonl"),
        (json(utf16(line, false)), "in.jsonl"),
        (lines(utf16(text, true)), "in.txt"),
        (lines(utf16(text, false)), "in.txt"),
        (fixed(utf16(text, true)), "in.txt"),
        (fixed(utf16(text, false)), "in.txt"),
    ] {
        let option = message.strip_prefix(&format!("{name}: it is UTF-16; set `encoding(\"utf-16"));
        let option = option.and_then(|option| option.strip_suffix(&format!("\")`, or {convert}")));
        assert!(matches!(option, Some("" | "le" | "be")), "{message}");
    }
    for (message, name) in [
        (csv(utf32(text)), "in.csv"),
        (json(utf32(line)), "in.jsonl"),
        (lines(utf32(text)), "in.txt"),
        (fixed(utf32(text)), "in.txt"),
    ] {
        assert_eq!(message, format!("{name}: it is UTF-32; {convert}"));
    }
}

#[test]
fn a_file_named_as_compressed_that_is_not_is_refused() {
    let message = refused(b"a,b\n", "in.csv.gz", |path| CsvReader::<Row>::open(path));
    assert_eq!(
        message,
        "in.csv.gz: its name ends in `.gz`, but it is not compressed with gzip; rename it to match its format"
    );
    let message = refused(b"{}\n", "in.zst", |path| JsonLinesReader::<Row>::open(path));
    assert!(message.contains("not compressed with Zstandard"), "{message}");
}

#[test]
fn a_binary_file_is_not_csv() {
    assert_eq!(
        csv(b"PK\x03\x04\0\x08a,b\n"),
        "in.csv, header: it contains a NUL byte; is it a text file in UTF-8?"
    );
}

#[test]
fn one_json_document_is_not_a_file_of_json_lines() {
    let several = "in.jsonl: it is one JSON value over several lines, but one value per line was \
                   expected; `JsonArrayReader` reads a JSON array";
    for document in [
        "[\n  {\n    \"a\": 1,\n    \"b\": 2\n  }\n]\n",
        "[{\"a\":1,\"b\":2},\n{\"a\":3,\"b\":4}]\n",
        "[{\n\"a\":1},\n{\"a\":2}]",
        "{\n  \"rows\": [\n{\"a\":1}]}",
    ] {
        assert_eq!(json(document), several, "{document}");
    }
    assert!(
        json("[{\"a\":1,\"b\":2}, {\"a\":3,\"b\":4}]")
            .starts_with("in.jsonl: it is one JSON array of all items")
    );
    assert!(json(format!("[{}{{}}]", "{\"a\":1,\"b\":2},".repeat(100_000))).contains("one JSON array"));
}

#[test]
fn a_bad_first_line_of_json_is_an_error_for_that_line_only() {
    let folder = Folder::new();
    for content in ["{\"a\":1,\n{\"a\":1,\"b\":2}\n", "[1,\n[1,2,3]\n", "[1,2]\n", "", "{"] {
        assert!(JsonLinesReader::<Row>::open(folder.file("in.jsonl", content)).is_ok(), "{content}");
    }
}

#[test]
fn a_type_that_no_record_fits_is_an_error_for_the_whole_input() {
    let folder = Folder::new();
    let path = folder.file("in.csv", "a,b\n1,2\n3,4\n");
    let mut reader = CsvReader::<(u8, u8, u8)>::open(&path).unwrap();
    let error = reader.read().unwrap_err();
    assert!(error.is_about_the_input() && !reader.steps_over(&error), "{error}");
    assert!(error.to_string().ends_with("in.csv: expected a tuple of size 3, not 2 fields"), "{error}");
}

#[test]
fn without_a_header_a_bad_first_record_does_not_determine_the_number_of_columns() {
    let folder = Folder::new();
    let path = folder.file("in.csv", "title\n1,2\n3,4,5\n6,7\n");
    let mut reader = CsvReader::<(u8, u8)>::options().without_header().open(path).unwrap();
    assert!(reader.read().is_err());
    assert_eq!(reader.read().unwrap(), Some((1, 2)));
    assert!(reader.read().unwrap_err().to_string().ends_with("line 3: expected 2 fields, found 3"));
    assert_eq!(reader.read().unwrap(), Some((6, 7)));
}

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "only the names of its fields matter")]
struct Notes {
    a: Option<u8>,
    #[serde(default)]
    b: u8,
}

#[test]
fn columns_that_are_all_unknown_to_an_item_of_optional_fields_are_refused() {
    let csv = |content: &str| refused(content.as_bytes(), "in.csv", |path| CsvReader::<Notes>::open(path));
    assert_eq!(
        csv("a;b\n1;2\n"),
        "in.csv, header: none of the columns is a field of the item: the columns are `a;b`, and the fields `a`, `b`; is the \
         delimiter `;`?"
    );
    assert!(csv("A,B\n1,2\n").contains("the columns are `A`, `B`, and the fields `a`, `b`"));
    let folder = Folder::new();
    let one = CsvReader::<Notes>::open(folder.file("in.csv", "x,b\n1,2\n")).unwrap().read().unwrap();
    assert_eq!(one.map(|notes| notes.b), Some(2));
}

#[test]
fn a_first_json_object_whose_members_are_all_unknown_to_an_item_of_optional_fields_is_refused() {
    let expected =
        "its first value has no field of the item: its members are `A`, `c`, and the fields `a`, `b`";
    let lines = refused(b"{\"A\": 1, \"c\": 2}\n", "in.jsonl", |path| JsonLinesReader::<Notes>::open(path));
    assert_eq!(lines, format!("in.jsonl: {expected}"));
    let array = refused(b"[{\"A\": 1, \"c\": 2}]", "in.json", |path| JsonArrayReader::<Notes>::open(path));
    assert_eq!(array, format!("in.json: {expected}"));
    let folder = Folder::new();
    for first in ["{}", "{\"A\": 1, \"a\": 2}"] {
        let path = folder.file("in.jsonl", format!("{first}\n{{\"x\": 1}}\n"));
        let mut lines = JsonLinesReader::<Notes>::open(path).unwrap();
        let path = folder.file("in.json", format!("[{first}, {{\"x\": 1}}]"));
        let mut array = JsonArrayReader::<Notes>::open(path).unwrap();
        for _ in 0..2 {
            assert!(lines.read().unwrap().is_some() && array.read().unwrap().is_some(), "{first}");
        }
    }
}

#[test]
fn two_columns_of_one_name_are_refused_for_an_item_that_would_keep_one_of_them() {
    type Map = std::collections::HashMap<String, u8>;

    let twice = b"id,a,a\n1,2,3\n";
    let expected = "in.csv, header: two columns are named `a`, of which the item would keep only one; rename one of them";
    assert_eq!(refused(twice, "in.csv", |path| CsvReader::<Map>::open(path)), expected);
    assert_eq!(refused(twice, "in.csv", |path| CsvReader::<serde_json::Value>::open(path)), expected);
    let folder = Folder::new();
    let path = folder.file("in.csv", twice);
    assert_eq!(CsvReader::<(u8, u8, u8)>::open(path).unwrap().read().unwrap(), Some((1, 2, 3)));
}
