//! The reader of a format reads the same values that its writer has written. The writer refuses items for which this is
//! impossible.
//!
//! `PROPTEST_CASES` sets how many items are tried for each promise.
#![cfg(feature = "csv")]

mod folder;

use std::collections::BTreeMap;
use std::fmt::Debug;

use batch_runtime::readers::{CsvOptions, CsvReader, JsonArrayReader, JsonLinesReader};
use batch_runtime::writers::{CsvWriter, JsonArrayWriter, JsonLinesWriter, WriteError};
use batch_runtime::{ChunkTransaction, Durability, Reader, Writer};
use folder::Folder;
use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
enum Kind {
    Late,
    #[serde(rename = "on, time")]
    OnTime,
    #[serde(rename = "NA")]
    Unknown,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Row {
    text: String,
    maybe: Option<String>,
    character: char,
    kind: Kind,
    #[serde(rename = "a \"name\", quoted")]
    number: i64,
    maybe_number: Option<u64>,
    wide: i128,
    widest: u128,
    real: f64,
    short: f32,
    maybe_real: Option<f64>,
    yes: bool,
    nothing: (),
    last: Option<String>,
}

/// Formats a value so that NaN equals NaN, and minus zero differs from zero.
fn shown(value: &impl Debug) -> String {
    format!("{value:?}")
}

fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        8 => "[a-c]",
        6 => prop::sample::select(vec![
            ",", ";", "\t", "|", "\"", "'", "\n", "\r", "\r\n", " ", "#", "\\", "NA", "null", "0", "-1", "true", "NaN", "\u{FEFF}",
            "\u{85}", "\u{2028}", "\0", "é", "sep=", "=",
        ]).prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
    ];
    prop_oneof![
        1 => Just(String::new()),
        1 => Just("NA".to_owned()),
        6 => prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat()),
    ]
}

fn real() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<u64>().prop_map(f64::from_bits),
        prop::sample::select(vec![
            0.0,
            -0.0,
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::MAX,
            f64::MIN_POSITIVE,
            5e-324
        ]),
        (-1_000_000_i32..1_000_000).prop_map(|hundredths| f64::from(hundredths) / 100.0),
    ]
}

fn row() -> impl Strategy<Value = Row> {
    let texts = (text(), prop::option::of(text()), any::<char>(), prop::option::of(text()));
    let kind = prop::sample::select(vec![Kind::Late, Kind::OnTime, Kind::Unknown]);
    let numbers = (any::<i64>(), prop::option::of(any::<u64>()), any::<i128>(), any::<u128>());
    let reals = (real(), any::<u32>().prop_map(f32::from_bits), prop::option::of(real()));
    (texts, kind, numbers, reals, any::<bool>()).prop_map(|(texts, kind, numbers, reals, yes)| Row {
        text: texts.0,
        maybe: texts.1,
        character: texts.2,
        last: texts.3,
        kind,
        number: numbers.0,
        maybe_number: numbers.1,
        wide: numbers.2,
        widest: numbers.3,
        real: reals.0,
        short: reals.1,
        maybe_real: reals.2,
        yes,
        nothing: (),
    })
}

/// The options that a writer and a reader share.
#[derive(Debug, Clone)]
#[allow(clippy::struct_excessive_bools, reason = "each is a separate option")]
struct Style {
    delimiter: u8,
    quote: u8,
    escape: Option<u8>,
    comment: Option<u8>,
    null: Option<String>,
    crlf: bool,
    header: bool,
    trimmed: bool,
    lenient: bool,
}

fn style() -> impl Strategy<Value = Style> {
    (
        prop::sample::select(b",;\t| ".to_vec()),
        prop::sample::select(b"\"'".to_vec()),
        prop::option::of(Just(b'\\')),
        prop::option::of(Just(b'#')),
        prop::option::of(
            prop::sample::select(vec!["NA", "null", "0", "-1", "NaN", "true", "a", "-"])
                .prop_map(str::to_owned),
        ),
        any::<[bool; 4]>(),
    )
        .prop_map(|(delimiter, quote, escape, comment, null, [crlf, header, trimmed, lenient])| Style {
            delimiter,
            quote,
            escape,
            comment,
            null,
            crlf,
            header,
            trimmed,
            lenient,
        })
}

impl Style {
    fn writer<T: Serialize>(&self, folder: &Folder) -> CsvWriter<T> {
        let mut writer = CsvWriter::create(folder.path("out.csv"))
            .overwrite(true)
            .delimiter(self.delimiter)
            .quote(self.quote);
        if let Some(escape) = self.escape {
            writer = writer.escape(escape);
        }
        if let Some(comment) = self.comment {
            writer = writer.comment(comment);
        }
        if let Some(null) = &self.null {
            writer = writer.null(null);
        }
        if self.crlf {
            writer = writer.crlf();
        }
        if self.header { writer } else { writer.without_header() }
    }

    fn reader<T: DeserializeOwned>(&self) -> CsvOptions<T> {
        let mut reader = CsvReader::options().delimiter(self.delimiter).quote(self.quote);
        if let Some(escape) = self.escape {
            reader = reader.escape(escape);
        }
        if let Some(comment) = self.comment {
            reader = reader.comment(comment);
        }
        if let Some(null) = &self.null {
            reader = reader.null(null);
        }
        if self.trimmed {
            reader = reader.trimmed();
        }
        if self.lenient {
            reader = reader.lenient();
        }
        if self.header { reader } else { reader.without_header() }
    }
}

/// Writes the items as a step does.
fn write<W: Writer>(mut writer: W, items: &[W::Item]) -> Result<(), W::Error> {
    writer.open(None)?;
    writer.write(items, &ChunkTransaction::none())?;
    writer.seal(Durability::Process)?;
    writer.finish(Durability::Process)
}

fn all<R: Reader<Error: Debug>>(mut reader: R) -> Vec<R::Item> {
    std::iter::from_fn(|| reader.read().expect("the written items are read")).collect()
}

fn csv_is_the_same<T: Serialize + DeserializeOwned + Debug>(folder: &Folder, style: &Style, items: &[T]) {
    write(style.writer(folder), items).expect("the items can be written");
    let read: Vec<T> = all(style.reader::<T>().open(folder.path("out.csv")).unwrap());
    assert_eq!(shown(&read), shown(&items), "{:?}", std::fs::read_to_string(folder.path("out.csv")));
}

/// True if JSON can represent the row.
fn is_in_json(row: &Row) -> bool {
    row.real.is_finite() && row.short.is_finite() && row.maybe_real.is_none_or(f64::is_finite)
}

/// Returns a configuration with the requested number of cases.
fn cases() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(256);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn rows_of_a_csv_file_are_read_back(style in style(), rows in prop::collection::vec(row(), 1..4)) {
        csv_is_the_same(&Folder::new(), &style, &rows);
    }

    #[test]
    fn records_of_one_field_are_read_back_or_refused(
        style in style(),
        values in prop::collection::vec(prop::option::of(text()), 1..4),
    ) {
        let folder = Folder::new();
        if style.null.is_none() && values.contains(&None) {
            let refused = write(style.writer(&folder), &values).unwrap_err();
            prop_assert!(matches!(refused, WriteError::Item { .. }), "{refused}");
        } else {
            csv_is_the_same(&folder, &Style { header: false, ..style }, &values);
        }
    }

    #[test]
    fn columns_of_any_names_are_read_back(
        style in style(),
        rows in prop::collection::btree_map(text(), prop::collection::vec(text(), 2), 1..4),
    ) {
        let record = |at: usize| -> BTreeMap<&str, &str> {
            rows.iter().map(|(name, values)| (name.as_str(), values[at].as_str())).collect()
        };
        let folder = Folder::new();
        let written = write(Style { header: true, ..style.clone() }.writer(&folder), &[record(0), record(1)]);
        if rows.keys().any(|name| name.contains('\0')) {
            prop_assert!(matches!(written, Err(WriteError::Options { .. })), "a NUL byte");
            return Ok(());
        }
        written.unwrap();
        // For a `String`, a null marker without quotes is an error. So the writer must quote a text that is the marker.
        let reader = Style { header: true, ..style }.reader::<BTreeMap<String, String>>();
        let read = all(reader.open(folder.path("out.csv")).unwrap());
        prop_assert_eq!(shown(&read), shown(&[record(0), record(1)]));
    }

    #[test]
    fn rows_of_json_lines_are_read_back_or_refused(row in row()) {
        let folder = Folder::new();
        let path = folder.path("out.jsonl");
        match write(JsonLinesWriter::create(&path), std::slice::from_ref(&row)) {
            Ok(()) => {
                prop_assert!(is_in_json(&row));
                prop_assert_eq!(shown(&all(JsonLinesReader::<Row>::open(&path).unwrap())), shown(&[row]));
            }
            Err(WriteError::Item { .. }) => prop_assert!(!is_in_json(&row)),
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn rows_of_a_json_array_are_read_back_or_refused(rows in prop::collection::vec(row(), 0..4)) {
        let folder = Folder::new();
        let path = folder.path("out.json");
        match write(JsonArrayWriter::create(&path), &rows) {
            Ok(()) => {
                prop_assert!(rows.iter().all(is_in_json));
                prop_assert_eq!(shown(&all(JsonArrayReader::<Row>::open(&path).unwrap())), shown(&rows));
            }
            Err(WriteError::Item { .. }) => prop_assert!(!rows.iter().all(is_in_json)),
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn json_of_any_shape_is_read_back(
        rows in prop::collection::vec((text(), prop::collection::btree_map(any::<i16>(), prop::option::of(text()), 0..4)), 1..4),
    ) {
        let folder = Folder::new();
        let path = folder.path("out.jsonl");
        write(JsonLinesWriter::create(&path), &rows).unwrap();
        let read = all(JsonLinesReader::<(String, BTreeMap<i16, Option<String>>)>::open(&path).unwrap());
        prop_assert_eq!(read, rows);
    }
}

#[test]
fn a_float_that_json_has_no_number_for_is_refused_wherever_it_is() {
    #[derive(Serialize)]
    struct Deep {
        list: Vec<Option<(f32, BTreeMap<String, f64>)>>,
    }
    let deep = |value: f64| Deep { list: vec![None, Some((1.0, BTreeMap::from([("a".to_owned(), value)])))] };
    let folder = Folder::new();
    let writer = || JsonLinesWriter::create(folder.path("out.jsonl")).overwrite(true);
    write(writer(), &[deep(1.5)]).unwrap();
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let error = write(writer(), &[deep(1.5), deep(value)]).unwrap_err().to_string();
        assert!(
            error.contains(&format!("record 2, field `list`: JSON has no number for {value}")),
            "{error}"
        );
    }
}

#[test]
fn a_some_that_json_has_only_null_for_is_refused() {
    #[derive(Serialize)]
    struct Row<T> {
        id: u8,
        value: T,
    }
    fn refused<T: Serialize>(value: T) {
        let folder = Folder::new();
        let items = [Row { id: 1, value }];
        let lines = write(JsonLinesWriter::create(folder.path("out.jsonl")), &items).unwrap_err();
        let array = write(JsonArrayWriter::create(folder.path("out.json")), &items).unwrap_err();
        for error in [lines, array].map(|error| error.to_string()) {
            let expected = "record 1, field `value`: a `Some` without a value would be read back as `None`";
            assert!(error.contains(expected), "{error}");
        }
    }
    refused(Some(None::<u8>));
    refused(Some(()));
    refused(Some(serde_json::Value::Null));
    refused(vec![Some(None::<u8>)]);
}

#[test]
fn two_columns_of_one_name_are_refused() {
    #[derive(Serialize)]
    struct Outer {
        a: u8,
        #[serde(flatten)]
        rest: BTreeMap<String, u8>,
    }
    let folder = Folder::new();
    let item = Outer { a: 1, rest: BTreeMap::from([("a".to_owned(), 2)]) };
    let error = write(CsvWriter::create(folder.path("out.csv")), &[item]).unwrap_err().to_string();
    assert!(error.ends_with("two of its fields are named `a`"), "{error}");
}

#[test]
fn a_raw_number_with_many_digits_keeps_its_text() {
    #[derive(Debug, Serialize, Deserialize)]
    struct Raw {
        amount: Box<serde_json::value::RawValue>,
    }
    let folder = Folder::new();
    let line = "{\"amount\":12345678901234567890123.4500}\n";
    let path = folder.file("in.jsonl", line);
    let items = all(JsonLinesReader::<Raw>::open(&path).unwrap());
    write(JsonLinesWriter::create(folder.path("out.jsonl")), &items).unwrap();
    assert_eq!(std::fs::read_to_string(folder.path("out.jsonl")).unwrap(), line);
    let several = serde_json::value::RawValue::from_string("[\n1]".to_owned()).unwrap();
    let error = write(JsonLinesWriter::create(folder.path("raw.jsonl")), &[several]).unwrap_err().to_string();
    assert!(error.contains("several lines"), "{error}");
}
