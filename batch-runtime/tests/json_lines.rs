//! Promises of the JSON lines reader and writer: bad input is named, and a restart neither loses nor
//! duplicates anything.

#![allow(missing_docs, reason = "a test")]

mod folder;

use batch_runtime::readers::{JsonLinesReader, LinePosition, ReadError};
use batch_runtime::writers::JsonLinesWriter;
use batch_runtime::{ChunkTransaction, Durability, Progress, Reader, Writer};
use folder::Folder;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Flight {
    id: u32,
    carrier: String,
}

fn flight(id: u32) -> Flight {
    Flight { id, carrier: format!("c\u{e9}{id}") }
}

fn text(ids: impl IntoIterator<Item = u32>) -> String {
    ids.into_iter().map(|id| serde_json::to_string(&flight(id)).unwrap() + "\n").collect()
}

type Flights = JsonLinesReader<Flight>;

fn rest<T>(reader: &mut JsonLinesReader<T>) -> Vec<T>
where
    JsonLinesReader<T>: Reader<Item = T, Error = ReadError>,
{
    std::iter::from_fn(|| reader.read().unwrap()).collect()
}

/// Returns the position as a restart gets it.
fn stored(reader: &Flights) -> LinePosition {
    serde_json::from_str(&serde_json::to_string(&reader.position()).unwrap()).unwrap()
}

#[test]
fn a_restart_resumes_after_any_line() {
    let folder = Folder::new();
    // With a byte order mark, CRLF, blank lines, and no line ending on the last line.
    let odd = format!("\u{feff}{}\r\n\r\n \n{}{}", text([0]).trim(), text([1, 2]), text([3]).trim());
    for content in [text(0..4), odd] {
        let path = folder.file("in.jsonl", content);
        for read in 0..=4 {
            let mut first = Flights::open(&path).unwrap();
            for _ in 0..read {
                first.read().unwrap();
            }
            let mut restarted = Flights::open(&path).unwrap();
            restarted.resume(stored(&first)).unwrap();
            assert_eq!(rest(&mut restarted), (read..4).map(flight).collect::<Vec<_>>());
            assert_eq!(restarted.location(), {
                rest(&mut first);
                first.location()
            });
        }
    }
}

#[test]
fn lines_that_cross_the_buffer_are_whole() {
    let folder = Folder::new();
    let long: Vec<String> = (0..40).map(|n| "x".repeat(n * 12_345 % 400_000)).collect();
    let content = format!("\"{}\"\n", long.join("\"\n\""));
    let path = folder.file("in.jsonl", content);
    let mut reader = JsonLinesReader::<String>::open(&path).unwrap();
    for (index, expected) in long.iter().enumerate() {
        let mut restarted = JsonLinesReader::<String>::open(&path).unwrap();
        restarted.resume(reader.position()).unwrap();
        assert_eq!(restarted.read().unwrap().as_ref(), Some(expected), "line {index} after a restart");
        assert_eq!(reader.read().unwrap().as_ref(), Some(expected), "line {index}");
    }
    assert_eq!(reader.read().unwrap(), None);
}

#[test]
fn an_empty_file_has_no_items() {
    let folder = Folder::new();
    for content in ["", "\n\n", "\u{feff}"] {
        assert_eq!(rest(&mut Flights::open(folder.file("in.jsonl", content)).unwrap()), []);
    }
}

#[test]
fn progress_is_in_bytes_of_the_file() {
    let folder = Folder::new();
    let content = text(0..20_000);
    let mut reader = Flights::open(folder.file("in.jsonl", &content)).unwrap();
    let total = content.len() as u64;
    // Opening the file already reads its beginning.
    let Some(progress) = reader.progress() else { panic!("there is none") };
    assert!(progress.done < total && progress.total == total, "{progress:?}");
    rest(&mut reader);
    assert_eq!(reader.progress(), Some(Progress { done: total, total }));
}

#[test]
fn a_bad_line_is_named_and_reading_continues_after_it() {
    let folder = Folder::new();
    let bad = [
        (
            r#"{"id": "x", "carrier": "AA"}"#,
            "expected u32 (at character 10)",
            r#"{"id": "x", "carrier": "AA"}"#,
        ),
        (r#"{"id": 1}"#, "missing field `carrier` (at character 9)", r#"{"id": 1}"#),
        (r#"{"id": 1, "#, "EOF while parsing", r#"{"id": 1,"#),
        ("nonsense", "expected ident", "nonsense"),
    ];
    for (line, problem, value) in bad {
        let path = folder.file("in.jsonl", format!("{}{line}\n{}", text([0]), text([2])));
        let mut reader = Flights::open(&path).unwrap();
        reader.read().unwrap();
        let error = reader.read().unwrap_err();
        assert!(error.is_about_a_record());
        let shown = error.to_string();
        assert!(shown.starts_with(&format!("{}, line 2: ", path.display())), "{shown}");
        assert!(shown.contains(problem), "{shown}");
        assert!(shown.ends_with(&format!("found `{value}`")), "{shown}");
        assert_eq!(rest(&mut reader), [flight(2)]);
    }
}

#[test]
fn the_value_of_a_long_line_is_shown_around_the_error() {
    let folder = Folder::new();
    let line = format!(r#"{{"carrier": "{}", "id": -7, "more": "{}"}}"#, "é".repeat(200), "z".repeat(200));
    let mut reader = Flights::open(folder.file("in.jsonl", line)).unwrap();
    let ReadError::Record { value, .. } = reader.read().unwrap_err() else { panic!("of another kind") };
    assert!(value.contains(r#""id": -7"#), "{value}");
    assert!(value.starts_with('…') && value.ends_with('…') && value.chars().count() == 102, "{value}");
}

#[test]
fn a_long_value_does_not_make_a_long_message() {
    let folder = Folder::new();
    let line = format!(r#"{{"carrier": "AA", "id": "{}"}}"#, "é".repeat(100_000));
    let error = Flights::open(folder.file("in.jsonl", line)).unwrap().read().unwrap_err().to_string();
    assert!(error.contains("invalid type: string") && error.contains("expected u32"), "{error}");
    assert!(error.chars().count() < 500, "{error}");
}

#[test]
fn invalid_utf8_is_named_with_its_byte() {
    let folder = Folder::new();
    let mut content = text([0]).into_bytes();
    let before = content.len() as u64;
    content.extend_from_slice(b"{\"id\": 1, \"carrier\": \"\xFF\"}\n");
    content.extend_from_slice(text([2]).as_bytes());
    let mut reader = Flights::open(folder.file("in.jsonl", content)).unwrap();
    reader.read().unwrap();
    let ReadError::InvalidUtf8 { line, byte, value, .. } = reader.read().unwrap_err() else {
        panic!("of another kind")
    };
    assert_eq!((line, byte), (2, before + 22));
    assert_eq!(&*value, "{\"id\": 1, \"carrier\": \"\u{FFFD}\"}");
    assert_eq!(rest(&mut reader), [flight(2)]);
}

#[test]
fn a_line_over_the_limit_is_an_error_and_the_next_is_read() {
    let folder = Folder::new();
    for length in [200, 1_000_000] {
        for end in ["\n", ""] {
            let long = format!("\"{}\"{end}", "x".repeat(length));
            let after = if end.is_empty() { vec![] } else { vec![flight(2)] };
            let content =
                format!("{}{long}{}", text([0]), if end.is_empty() { String::new() } else { text([2]) });
            let path = folder.file("in.jsonl", content);
            let mut reader = Flights::open(&path).unwrap().longest_record(100);
            reader.read().unwrap();
            let error = reader.read().unwrap_err();
            assert!(error.is_about_a_record());
            assert!(
                error.to_string().ends_with("the record is longer than 100 bytes; is a line end missing?"),
                "{error}"
            );
            let mut restarted = Flights::open(&path).unwrap().longest_record(100);
            restarted.resume(stored(&reader)).unwrap();
            assert_eq!(rest(&mut reader), after);
            assert_eq!(rest(&mut restarted), after, "a restart continues after it too");
        }
    }
}

#[test]
fn an_input_that_changed_before_the_position_is_refused() {
    let folder = Folder::new();
    let open = |content: String| Flights::open(folder.file("in.jsonl", content)).unwrap();
    let mut first = open(text(0..1000));
    for _ in 0..500 {
        first.read().unwrap();
    }
    let position = stored(&first);
    // Beyond the start of the file that the identity covers.
    let changed = text(0..1000).replace("c\u{e9}499", "c\u{e9}4x9");
    let cases = [
        (text(1..1001), "its beginning differs"),
        (text(0..400), "it is shorter"),
        (changed, "the line before it differs"),
    ];
    for (content, problem) in cases {
        let error = open(content).resume(position.clone()).unwrap_err().to_string();
        assert!(error.contains("was changed since") && error.contains(problem), "{error}");
    }
    let mut grown = open(text(0..2000));
    grown.resume(position).unwrap();
    assert_eq!(rest(&mut grown).len(), 1500);
}

#[test]
fn a_last_line_without_a_line_ending_may_get_one_but_not_grow() {
    let folder = Folder::new();
    let begun = text(0..2).trim_end().to_owned();
    let open = |content: String| Flights::open(folder.file("in.jsonl", content)).unwrap();
    let mut first = open(begun.clone());
    rest(&mut first);
    for end in ["\n", "\r\n"] {
        let mut restarted = open(format!("{begun}{end}{}", text([2])));
        restarted.resume(stored(&first)).unwrap();
        assert_eq!(rest(&mut restarted), [flight(2)]);
        assert!(restarted.location().unwrap().ends_with("line 3"), "{:?}", restarted.location());
    }
    let error = open(format!("{begun} ")).resume(stored(&first)).unwrap_err();
    assert!(error.to_string().contains("its last line has grown"), "{error}");
}

#[test]
fn a_missing_file_and_a_folder_are_refused() {
    let folder = Folder::new();
    let error = Flights::open(folder.path("none.jsonl")).unwrap_err();
    assert!(matches!(error, ReadError::Open { .. }), "{error}");
    let error = Flights::open(folder.path("")).unwrap_err();
    assert!(matches!(error, ReadError::NotAFile { .. }), "{error}");
}

#[cfg(feature = "gzip")]
#[test]
fn a_compressed_file_restarts_at_the_same_line() {
    use std::io::Write as _;
    let folder = Folder::new();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text(0..5000).as_bytes()).unwrap();
    let path = folder.file("in.jsonl.gz", encoder.finish().unwrap());
    let mut first = Flights::open(&path).unwrap();
    for _ in 0..4000 {
        first.read().unwrap();
    }
    let mut restarted = Flights::open(&path).unwrap();
    restarted.resume(stored(&first)).unwrap();
    assert_eq!(rest(&mut restarted), (4000..5000).map(flight).collect::<Vec<_>>());
}

fn write(writer: &mut JsonLinesWriter<Flight>, ids: impl IntoIterator<Item = u32>) {
    let items: Vec<_> = ids.into_iter().map(flight).collect();
    writer.write(&items, &ChunkTransaction::none()).unwrap();
    writer.prepare(Durability::Process).unwrap();
}

fn end(writer: &mut JsonLinesWriter<Flight>) {
    writer.seal(Durability::Process).unwrap();
    writer.finish(Durability::Process).unwrap();
}

fn with_ends(path: std::path::PathBuf) -> JsonLinesWriter<Flight> {
    JsonLinesWriter::create(path).header("[begin]").footer(|records| format!("[end, {records}]"))
}

#[test]
fn written_items_are_read_back() {
    let folder = Folder::new();
    let path = folder.path("out.jsonl");
    let mut writer = JsonLinesWriter::create(&path);
    writer.open(None).unwrap();
    write(&mut writer, 0..10);
    write(&mut writer, 10..20);
    assert!(!path.exists(), "it bears its name once it is whole");
    end(&mut writer);
    assert_eq!(rest(&mut Flights::open(&path).unwrap()), (0..20).map(flight).collect::<Vec<_>>());
}

#[test]
fn a_restart_cuts_off_uncommitted_data() {
    let folder = Folder::new();
    let path = folder.path("out.jsonl");
    let mut first = with_ends(path.clone());
    first.open(None).unwrap();
    write(&mut first, 0..3);
    let committed = serde_json::to_string(&first.position()).unwrap();
    write(&mut first, 3..6);
    drop(first);

    let mut restarted = with_ends(path.clone());
    restarted.open(Some(serde_json::from_str(&committed).unwrap())).unwrap();
    write(&mut restarted, 3..5);
    end(&mut restarted);
    let written = std::fs::read_to_string(path).unwrap();
    assert_eq!(written, format!("[begin]\n{}[end, 5]\n", text(0..5)));
}

#[test]
fn a_rolled_back_chunk_leaves_nothing() {
    let folder = Folder::new();
    let path = folder.path("out.jsonl");
    let mut writer = with_ends(path.clone());
    writer.open(None).unwrap();
    let begin = writer.position();
    write(&mut writer, 0..3);
    writer.rollback(&begin).unwrap();
    write(&mut writer, 5..6);
    end(&mut writer);
    assert_eq!(std::fs::read_to_string(path).unwrap(), format!("[begin]\n{}[end, 1]\n", text([5])));
}

#[test]
fn without_items_there_are_header_and_footer() {
    let folder = Folder::new();
    let path = folder.path("out.jsonl");
    let mut writer = with_ends(path.clone());
    writer.open(None).unwrap();
    end(&mut writer);
    assert_eq!(std::fs::read_to_string(path).unwrap(), "[begin]\n[end, 0]\n");
}

#[test]
fn an_item_that_json_cannot_represent_is_named_and_leaves_nothing() {
    let folder = Folder::new();
    let path = folder.path("out.jsonl");
    let mut writer = JsonLinesWriter::create(&path);
    writer.open(None).unwrap();
    let good = std::collections::BTreeMap::new();
    let bad = std::collections::BTreeMap::from([((1, 2), 3)]);
    let error = writer.write(&[good, bad], &ChunkTransaction::none()).unwrap_err();
    assert_eq!(error.to_string(), format!("{}, record 2: key must be a string", path.display()));
    assert_eq!(serde_json::to_value(writer.position()).unwrap()["length"], 0);
}

#[test]
fn a_number_is_as_exact_as_the_type_that_it_is_read_into() {
    #[derive(Debug, Deserialize)]
    struct Numbers {
        value: serde_json::Value,
        text: Box<serde_json::value::RawValue>,
    }

    let folder = Folder::new();
    let read = |number: &str| {
        let path = folder.file("in.jsonl", format!("{{\"value\": {number}, \"text\": {number}}}\n"));
        rest(&mut JsonLinesReader::<Numbers>::open(path).unwrap()).remove(0)
    };
    // A `Value` holds u64, i64 and f64, and rounds all else.
    for (number, kept) in [
        ("18446744073709551615", "18446744073709551615"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("18446744073709551617", "1.8446744073709552e+19"),
        ("0.10000000000000000001", "0.1"),
    ] {
        let numbers = read(number);
        assert_eq!(numbers.value.to_string(), kept);
        assert_eq!(numbers.text.get(), number, "a `RawValue` is the text as it is in the file");
    }
}

#[test]
fn a_number_in_quotes_is_kept_by_a_text_and_one_without_is_refused() {
    #[derive(Debug, Deserialize)]
    struct Amount {
        cents: String,
    }

    let folder = Folder::new();
    let path = folder.file("in.jsonl", "{\"cents\": \"0.10\"}\n{\"cents\": 0.10}\n");
    let mut reader = JsonLinesReader::<Amount>::open(path).unwrap();
    assert_eq!(reader.read().unwrap().unwrap().cents, "0.10");
    let error = reader.read().unwrap_err();
    assert!(error.is_about_a_record(), "{error}");
}

#[test]
fn an_integer_that_the_field_does_not_hold_is_refused() {
    let folder = Folder::new();
    let path = folder.file("in.jsonl", "18446744073709551615\n18446744073709551616\n");
    let mut reader = JsonLinesReader::<u64>::open(path).unwrap();
    assert_eq!(reader.read().unwrap(), Some(u64::MAX));
    let error = reader.read().unwrap_err();
    assert!(error.is_about_a_record(), "{error}");
}

#[test]
fn a_line_of_which_a_part_would_be_lost_is_refused_with_its_place_and_the_next_is_read() {
    use batch_runtime::DateTime;
    use serde_json::Value;

    fn outcomes<T: serde::de::DeserializeOwned + Send + 'static>(lines: [&str; 3]) -> [Result<T, String>; 3] {
        let folder = Folder::new();
        let input = folder.file("in.jsonl", lines.join("\n"));
        let mut reader = JsonLinesReader::<T>::open(input).unwrap();
        std::array::from_fn(|_| match reader.read() {
            Ok(item) => Ok(item.unwrap()),
            Err(error) => {
                assert!(reader.steps_over(&error), "{error}");
                Err(error.to_string())
            }
        })
    }

    let lines = [r#"["2024-01-31T10:00"]"#, r#"["2024-01-31T10:00+02:00"]"#, r#"["2024-02-01T10:00"]"#];
    let [first, second, third] = outcomes::<(DateTime,)>(lines);
    assert!(first.is_ok() && third.is_ok());
    let error = second.unwrap_err();
    assert!(error.contains("line 2: expected a date and time without an offset or zone"), "{error}");
    assert!(error.contains("(at character 25)"), "{error}");

    let [first, second, third] = outcomes::<Value>([r#"{"a": 1}"#, r#"{"a": 1, "b": 2, "a": 3}"#, "{}"]);
    assert!(first.is_ok() && third.is_ok());
    let error = second.unwrap_err();
    assert!(error.contains("line 2: duplicate field `a`, of which the item would keep only one"), "{error}");
}
