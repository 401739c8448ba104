//! Compressed inputs of one or more parts, with padding or other data after the last.
#![cfg(all(feature = "gzip", feature = "zstd", feature = "csv"))]

mod folder;

use std::io::Write as _;

use batch_runtime::Reader;
use batch_runtime::readers::{CsvReader, JsonLinesReader, ReadError};
use folder::Folder;

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn zstd(text: &str) -> Vec<u8> {
    zstd::encode_all(text.as_bytes(), 1).unwrap()
}

type Encode = fn(&str) -> Vec<u8>;

const BOTH: [(&str, Encode, &str); 2] =
    [("in.csv.gz", gzip, "gzip member"), ("in.csv.zst", zstd, "Zstandard frame")];

/// Returns the records and the error after them, read from the start and by a reader reopened after each
/// record.
fn read(name: &str, bytes: &[u8]) -> (Vec<String>, Option<String>) {
    let folder = Folder::new();
    let path = folder.file(name, bytes);
    let text = |error: ReadError| error.to_string().replace(&*path.to_string_lossy(), "it");
    let mut items = Vec::new();
    let mut reader = CsvReader::<String>::options().without_header().open(&path).unwrap();
    let error = loop {
        let read = reader.read();
        let position = serde_json::to_string(&reader.position()).unwrap();
        match read {
            Ok(Some(item)) => items.push(item),
            Ok(None) => break None,
            Err(error) => break Some(text(error)),
        }
        if items.len() < 5 {
            reader = CsvReader::options().without_header().open(&path).unwrap();
            reader.resume(serde_json::from_str(&position).unwrap()).unwrap();
        }
    };
    (items, error)
}

#[test]
fn members_are_read_one_after_the_other() {
    for (name, encode, _) in BOTH {
        let bytes = [encode("a\nb"), encode(""), encode("c\nd\n"), encode("e\n")].concat();
        assert_eq!(read(name, &bytes), (["a", "bc", "d", "e"].map(str::to_owned).to_vec(), None));
    }
}

#[test]
fn members_may_begin_anywhere_in_a_block_of_the_file() {
    for (name, encode, _) in BOTH {
        let one = encode("abcdefgh\n");
        let count = 40_000 / one.len() * 4;
        let (items, error) = read(name, &one.repeat(count));
        assert_eq!((items.len(), error), (count, None));
    }
}

#[test]
fn zeros_after_the_last_member_are_padding() {
    for (name, encode, _) in BOTH {
        for zeros in [1, 3, 4, 5, 512, 100_000] {
            let bytes = [encode("a\nb\n"), vec![0; zeros]].concat();
            assert_eq!(read(name, &bytes), (vec!["a".to_owned(), "b".to_owned()], None), "{zeros}");
        }
    }
}

#[test]
fn anything_else_after_the_last_member_is_reported_as_trailing_data() {
    for (name, encode, part) in BOTH {
        for rest in [&b"x"[..], b"junk that goes on", b"\0\0\0\0\0\0\0\0x", b"\x1F"] {
            let (items, error) = read(name, &[&encode("a\nb\n"), rest].concat());
            assert_eq!(items, ["a", "b"]);
            let error = error.unwrap();
            assert!(error.starts_with(&format!("it: trailing data after the last {part}")), "{error}");
        }
    }
}

#[test]
fn a_member_that_ends_too_early_is_truncated() {
    for (name, encode, _) in BOTH {
        let (first, second) = (encode("a\nb\n"), encode(&"some more text\n".repeat(1000)));
        for end in [1, 5, second.len() / 2, second.len() - 1] {
            let (items, error) = read(name, &[&first, &second[..end]].concat());
            assert_eq!(items[..2], ["a", "b"]);
            let error = error.unwrap();
            // Too few bytes to identify a member count as trailing data.
            let is_told = if end < 4 && error.contains("trailing") {
                true
            } else {
                error.starts_with("it is truncated")
            };
            assert!(is_told, "{end}: {error}");
        }
        let error = CsvReader::<String>::open(Folder::new().file(name, "")).unwrap_err();
        assert!(error.to_string().contains("is truncated"), "{error}");
    }
}

#[test]
fn a_compressed_file_of_json_lines_resumes_after_a_restart() {
    let folder = Folder::new();
    let mut lines = (0..50_000).map(|line| line.to_string()).collect::<Vec<_>>().join("\n");
    lines.push('\n');
    let path = folder.file("in.jsonl.gz", gzip(&format!("\u{FEFF}{lines}")));
    for read in [0, 1, 2, 49_999, 50_000] {
        let mut reader = JsonLinesReader::<u32>::open(&path).unwrap();
        for line in 0..read {
            assert_eq!(reader.read().unwrap(), Some(line));
        }
        let mut restarted = JsonLinesReader::<u32>::open(&path).unwrap();
        restarted.resume(reader.position()).unwrap();
        assert_eq!(restarted.read().unwrap(), (read < 50_000).then_some(read));
    }
}

/// Records of several lengths, some with line endings in quotes, in members that end anywhere.
fn members(encode: Encode) -> (Vec<u8>, Vec<String>) {
    let records: Vec<String> = (0..500_usize)
        .map(|n| format!("{n} {}", if n % 7 == 0 { "a\nb ".repeat(60) } else { "c".repeat(n * 37 % 400) }))
        .collect();
    let text = format!("\"{}\"\n", records.join("\"\n\""));
    let (mut stored, mut rest, mut length) = (Vec::new(), &text[..], 11);
    while !rest.is_empty() {
        let (member, after) = rest.split_at(length.min(rest.len()));
        stored.extend(encode(member));
        (rest, length) = (after, length * 7 % 40_009);
    }
    (stored, records)
}

#[test]
fn a_reader_of_many_members_resumes_after_any_record() {
    for (name, encode, _) in BOTH {
        let (stored, records) = members(encode);
        let folder = Folder::new();
        let path = folder.file(name, stored);
        let open = || CsvReader::<String>::options().without_header().open(&path).unwrap();
        let mut reader = open();
        let mut with_member = 0;
        for read in 0..=records.len() {
            let position = serde_json::to_string(&reader.position()).unwrap();
            with_member += usize::from(position.contains("member"));
            let mut restarted = open();
            restarted.resume(serde_json::from_str(&position).unwrap()).unwrap();
            for record in records[read..].iter().take(3) {
                assert_eq!(restarted.read().unwrap().as_ref(), Some(record), "{name}, after {read}");
            }
            reader.read().unwrap();
        }
        assert!(with_member > 300, "{with_member}");
    }
}

#[test]
fn a_position_before_a_record_that_is_too_long_resumes_there() {
    for (name, encode, _) in BOTH {
        let long = "x".repeat(3_000_000);
        let stored = ["a\n".repeat(40_000), long, "\nb\n".to_owned()].map(|text| encode(&text)).concat();
        let folder = Folder::new();
        let path = folder.file(name, stored);
        let open = || JsonLinesReader::<u32>::open(&path).unwrap().longest_record(1_000_000);
        let mut reader = open();
        for _ in 0..40_000 {
            reader.read().unwrap_err();
        }
        let position = reader.position();
        for _ in 0..2 {
            let error = reader.read().unwrap_err().to_string();
            assert!(error.contains("line 40001"), "{error}");
            reader = open();
            reader.resume(position.clone()).unwrap();
        }
    }
}
