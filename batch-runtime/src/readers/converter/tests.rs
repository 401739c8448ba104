//! A reader returns the same items from a text in UTF-16 as in UTF-8, and resumes after any record.

use proptest::prelude::*;
use serde::Deserialize;

use crate::definition::{Reader, Splittable};
use crate::readers::tests::{Input, rest, restarts_everywhere, stored};
use crate::readers::{JsonLinesReader, LinesReader, ReadError};

const NAMES: [(&str, bool, bool); 4] =
    [("utf-16", true, true), ("UTF-16", false, true), ("utf-16le", true, false), ("utf-16be", false, false)];

fn encoded(text: &str, is_little: bool, is_marked: bool) -> Vec<u8> {
    let mark = if is_marked { "\u{feff}" } else { "" };
    units(mark.encode_utf16().chain(text.encode_utf16()), is_little)
}

fn units(units: impl Iterator<Item = u16>, is_little: bool) -> Vec<u8> {
    units.flat_map(|unit| if is_little { unit.to_le_bytes() } else { unit.to_be_bytes() }).collect()
}

fn lines(input: &Input, encoding: &str) -> Result<LinesReader<String>, ReadError> {
    LinesReader::options().encoding(encoding).parse(str::parse).open(&input.0)
}

/// All items and errors, and the error after which nothing can be read.
fn outcomes<R: Reader<Error = ReadError>>(
    mut reader: R,
) -> (Vec<Result<R::Item, String>>, Option<ReadError>) {
    let mut outcomes = Vec::new();
    loop {
        match reader.read() {
            Ok(Some(item)) => outcomes.push(Ok(item)),
            Ok(None) => return (outcomes, None),
            Err(error) if reader.steps_over(&error) => outcomes.push(Err(without_path(&error))),
            Err(error) => return (outcomes, Some(error)),
        }
    }
}

fn without_path(error: &ReadError) -> String {
    error.to_string().strip_prefix(error.resource()).unwrap().to_owned()
}

#[test]
fn lines_in_utf16_restart_everywhere() {
    let text = "ab\nçé\r\n\n𝄞\u{feff} 한국어\nlast";
    let expected = ["ab", "çé", "𝄞\u{feff} 한국어", "last"].map(str::to_owned);
    for (name, is_little, is_marked) in NAMES {
        let input = Input::new("utf16.txt", encoded(text, is_little, is_marked));
        restarts_everywhere(|| lines(&input, name).unwrap(), &expected);
        assert_eq!(lines(&input, name).unwrap().split(4).unwrap().len(), 1);
    }
}

#[test]
fn json_lines_in_utf16_restart_everywhere() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Row {
        a: String,
    }
    let text = "{\"a\":\"é\\u00e9\"}\n\n{\"a\":\"𝄞\"}\r\n{\"a\":\"\"}";
    let expected = ["éé", "𝄞", ""].map(|a| Row { a: a.to_owned() });
    for (name, is_little, is_marked) in NAMES {
        let input = Input::new("utf16.jsonl", encoded(text, is_little, is_marked));
        let open = || JsonLinesReader::<Row>::options().encoding(name).open(&input.0).unwrap();
        restarts_everywhere(open, &expected);
    }
}

#[cfg(feature = "csv")]
#[test]
fn csv_in_utf16_restarts_everywhere() {
    use crate::readers::CsvReader;

    let text = "name\tüber\r\n\"a\r\n\tb\"\té\r\n𝄞\t\"\"\"x\"\"\"\r\nplain\t1";
    let expected =
        [("a\r\n\tb", "é"), ("𝄞", "\"x\""), ("plain", "1")].map(|(a, b)| (a.to_owned(), b.to_owned()));
    for (name, is_little, is_marked) in NAMES {
        let input = Input::new("utf16.csv", encoded(text, is_little, is_marked));
        let open = || CsvReader::options().delimiter(b'\t').encoding(name).open(&input.0).unwrap();
        restarts_everywhere::<CsvReader<(String, String)>>(open, &expected);
    }
}

#[cfg(feature = "gzip")]
#[test]
fn a_compressed_file_in_utf16_restarts_everywhere() {
    use std::io::Write as _;

    let mut file = Vec::new();
    for text in ["\u{feff}a\né", "\n𝄞\nb\n"] {
        let mut member = flate2::write::GzEncoder::new(&mut file, flate2::Compression::fast());
        member.write_all(&encoded(text, true, false)).unwrap();
        member.finish().unwrap();
    }
    let input = Input::new("utf16.txt.gz", file);
    restarts_everywhere(|| lines(&input, "utf-16").unwrap(), &["a", "é", "𝄞", "b"].map(str::to_owned));
}

#[test]
fn an_unpaired_surrogate_is_an_error_of_its_record_with_its_place() {
    let text = "ab\ncX d\nXX\ne";
    let halves =
        units(text.encode_utf16().map(|unit| if unit == u16::from(b'X') { 0xD834 } else { unit }), true);
    let input = Input::new("utf16.txt", halves);
    let (found, end) = outcomes(lines(&input, "utf-16le").unwrap());
    assert!(end.is_none(), "{end:?}");
    let found: Vec<_> = found.iter().map(|line| line.as_deref().map_err(|error| &**error)).collect();
    assert_eq!(
        found,
        [
            Ok("ab"),
            Err(", line 2 (byte 3): invalid UTF-16, found `c\u{fffd}\u{fffd}\u{fffd} d`"),
            Err(
                ", line 3 (byte 10): invalid UTF-16, found `\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}`"
            ),
            Ok("e"),
        ]
    );
}

#[test]
fn an_input_that_ends_within_a_character_is_truncated() {
    let whole = encoded("ab\ncd\n𝄞", true, true);
    for cut in 1..=3 {
        let input = Input::new("utf16.txt", &whole[..whole.len() - cut]);
        let (found, end) = outcomes(lines(&input, "utf-16").unwrap());
        assert_eq!(found, [Ok("ab".to_owned()), Ok("cd".to_owned())]);
        assert_eq!(
            without_path(&end.unwrap()),
            " is truncated: it ends in the middle of a UTF-16 character, after byte 9"
        );
    }
    let input = Input::new("utf16.txt", [0x61]);
    assert!(matches!(lines(&input, "utf-16le"), Err(ReadError::Truncated { .. })));
}

#[test]
fn a_failed_read_is_an_error_again_when_it_is_repeated() {
    let input = Input::new("utf16.txt", &encoded("ab\ncd\n", true, true)[..13]);
    let mut reader = lines(&input, "utf-16").unwrap();
    assert_eq!(reader.read().unwrap().as_deref(), Some("ab"));
    let position = stored(&reader);
    for _ in 0..3 {
        assert!(matches!(reader.read(), Err(ReadError::Truncated { .. })));
    }
    // The file has been completed meanwhile.
    std::fs::write(&input.0, encoded("ab\ncd\n", true, true)).unwrap();
    let mut reader = lines(&input, "utf-16").unwrap();
    reader.resume(position).unwrap();
    assert_eq!(rest(&mut reader), ["cd"]);
}

#[test]
fn an_input_that_is_not_as_its_encoding_says_is_refused() {
    let text = "some lines\nof text\n";
    let utf32: Vec<u8> = text.chars().flat_map(|character| u32::from(character).to_le_bytes()).collect();
    for (bytes, name, problem) in [
        (encoded(text, true, true), "utf-16be", "it is UTF-16LE, but the encoding is set to UTF-16BE"),
        (encoded(text, false, false), "utf-16le", "it is UTF-16BE, but the encoding is set to UTF-16LE"),
        (
            encoded(text, true, false),
            "utf-16",
            "it has no byte order mark; set the encoding to `utf-16le` or `utf-16be`",
        ),
        (
            text.into(),
            "utf-16le",
            "it looks like UTF-8, but the encoding is set to UTF-16; if it is UTF-16, add a byte order mark",
        ),
        (
            b"\xEF\xBB\xBFa\n".into(),
            "utf-16le",
            "it begins with the byte order mark of UTF-8, but another encoding is set",
        ),
        (utf32, "utf-16le", "it is UTF-32; convert the input to UTF-8"),
        (
            encoded(text, true, false),
            "utf-8",
            "it is UTF-16; set `encoding(\"utf-16le\")`, or convert the input to UTF-8",
        ),
        (
            encoded(text, true, true),
            "utf-8",
            "it is UTF-16; set `encoding(\"utf-16\")`, or convert the input to UTF-8",
        ),
    ] {
        let error = lines(&Input::new("utf16.txt", bytes), name).unwrap_err();
        assert!(error.is_about_the_input(), "{error}");
        assert_eq!(without_path(&error), format!(": {problem}"));
    }
    for (name, is_little, is_marked) in NAMES {
        let input = Input::new("utf16.txt", encoded("", is_little, is_marked));
        assert_eq!(rest(&mut lines(&input, name).unwrap()), [""; 0]);
    }
}

#[test]
fn a_restart_in_a_long_file_converts_from_a_place_before_its_position() {
    let expected: Vec<String> = (0..40_000).map(|number| format!("{number} é𝄞")).collect();
    let input = Input::new("utf16.txt", encoded(&expected.join("\n"), true, true));
    let mut reader = lines(&input, "utf-16").unwrap();
    for (line, number) in expected.iter().zip(1..) {
        assert_eq!(reader.read().unwrap().as_ref(), Some(line));
        if number % 4_999 == 0 {
            let position = serde_json::to_value(reader.position()).unwrap();
            assert!(number < 5_000 || position["input"]["member"]["stored"].as_u64() > Some(0), "{position}");
            let mut restarted = lines(&input, "utf-16").unwrap();
            restarted.resume(stored(&reader)).unwrap();
            assert_eq!(rest(&mut restarted), expected[number..]);
        }
    }
    let (done, total) = reader.progress().map(|progress| (progress.done, progress.total)).unwrap();
    assert_eq!(done, total);
}

#[test]
fn a_change_before_the_position_is_refused() {
    let all: Vec<String> = (0..40_000).map(|number| number.to_string()).collect();
    let input = Input::new("utf16.txt", encoded(&all.join("\n"), true, true));
    let mut reader = lines(&input, "utf-16").unwrap();
    for _ in 0..30_000 {
        reader.read().unwrap();
    }
    let position = stored(&reader);
    let mut changed = all.clone();
    changed[20_000].push('x');
    std::fs::write(&input.0, encoded(&changed.join("\n"), true, true)).unwrap();
    assert!(matches!(lines(&input, "utf-16").unwrap().resume(position), Err(ReadError::Changed { .. })));
}

proptest! {
    #[test]
    fn a_text_in_utf16_reads_as_the_same_text_in_utf8(
        text in proptest::collection::vec(prop_oneof![Just('\n'), any::<char>()], 0..200),
        is_little: bool,
    ) {
        // A text that begins with NUL looks like UTF-32.
        let text: String = text.into_iter().filter(|character| *character != '\0').collect();
        let utf8 = Input::new("utf8.txt", format!("\u{feff}{text}"));
        let utf16 = Input::new("utf16.txt", encoded(&text, is_little, true));
        let as_utf8 = outcomes(LinesReader::<String>::open(&utf8.0).unwrap()).0;
        prop_assert_eq!(outcomes(lines(&utf16, "utf-16").unwrap()).0, as_utf8);
    }

    #[test]
    fn any_bytes_are_read_without_a_panic_and_no_item_holds_a_replacement_character(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let bytes: Vec<u8> = bytes.into_iter().filter(|byte| !matches!(byte, 0xFD | 0xFF)).collect();
        let input = Input::new("utf16.txt", bytes);
        if let Ok(reader) = lines(&input, "utf-16le") {
            for item in outcomes(reader).0.into_iter().flatten() {
                prop_assert!(!item.contains('\u{fffd}'), "{:?}", item);
            }
        }
    }
}
