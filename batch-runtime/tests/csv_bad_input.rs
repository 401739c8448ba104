//! Errors of the CSV reader for bad input; it continues after a bad record.
#![cfg(feature = "csv")]

mod folder;

use std::fmt::Debug;
#[cfg(all(feature = "gzip", feature = "zstd"))]
use std::fmt::Write as _;

use batch_runtime::Reader;
use batch_runtime::readers::{CsvOptions, CsvReader, ReadError};
use folder::Folder;
use serde::{Deserialize, de::DeserializeOwned};

#[derive(Debug, PartialEq, Deserialize)]
struct Row {
    name: String,
    count: u8,
    delay: Option<f64>,
}

/// Reads everything; errors appear as their messages, with `in.csv` for the whole path.
fn outcomes<T: DeserializeOwned + Debug>(options: CsvOptions<T>, content: impl AsRef<[u8]>) -> Vec<String> {
    let folder = Folder::new();
    let path = folder.file("in.csv", content);
    let text = |error: ReadError| error.to_string().replace(&*path.to_string_lossy(), "in.csv");
    let mut reader = match options.open(&path) {
        Ok(reader) => reader,
        Err(error) => return vec![text(error)],
    };
    let mut outcomes = Vec::new();
    loop {
        match reader.read() {
            Ok(Some(item)) => outcomes.push(format!("{item:?}")),
            Ok(None) => return outcomes,
            Err(error) => {
                let goes_on = error.is_about_a_record();
                outcomes.push(text(error));
                if !goes_on {
                    return outcomes;
                }
            }
        }
    }
}

fn rows(content: impl AsRef<[u8]>) -> Vec<String> {
    outcomes(CsvReader::<Row>::options(), content)
}

fn row(name: &str, count: u8) -> String {
    format!("{:?}", Row { name: name.into(), count, delay: None })
}

/// Returns the error of the only record between two good ones.
fn bad(record: &str) -> String {
    let outcomes = rows(format!("name,count,delay\na,1,\n{record}\nz,2,\n"));
    assert_eq!(outcomes.len(), 3, "{outcomes:?}");
    assert_eq!((&outcomes[0], &outcomes[2]), (&row("a", 1), &row("z", 2)));
    outcomes[1].clone()
}

#[test]
fn a_missing_file_is_named() {
    let error = CsvReader::<Row>::open("no/such.csv").unwrap_err();
    assert_eq!(error.to_string(), "cannot open no/such.csv: No such file or directory (os error 2)");
}

#[test]
fn a_folder_is_not_a_file() {
    let folder = Folder::new();
    let path = folder.path("");
    let error = CsvReader::<Row>::open(&path).unwrap_err();
    assert_eq!(error.to_string(), format!("{} is a folder: a file was expected", path.display()));
}

#[test]
fn an_empty_file_lacks_its_header() {
    let message = "in.csv is empty: a header line was expected";
    assert_eq!(rows(""), [message]);
    assert_eq!(rows("\u{FEFF}\r\n\n"), [message]);
}

#[test]
fn a_value_of_the_wrong_type_is_named_with_line_and_column() {
    assert_eq!(
        bad("b,x,"),
        "in.csv, line 3, column `count`: expected an integer that is not negative, found `x`"
    );
    assert_eq!(
        bad("b,256,"),
        "in.csv, line 3, column `count`: expected an integer that fits u8, found `256`"
    );
    assert_eq!(bad("b,,"), "in.csv, line 3, column `count`: expected an integer that is not negative");
    assert_eq!(bad("b,1,\"1,5\""), "in.csv, line 3, column `delay`: expected a number, found `1,5`");
}

#[test]
fn a_bad_first_record_is_named_too() {
    assert_eq!(
        rows("name,count,delay\nb,x,\nz,2,\n"),
        [
            "in.csv, line 2, column `count`: expected an integer that is not negative, found `x`".to_owned(),
            row("z", 2)
        ]
    );
}

#[test]
fn a_bad_value_is_truncated_to_a_hundred_characters() {
    let message = bad(&format!("b,{},", "9".repeat(1000)));
    assert!(message.ends_with(&format!("found `{}…`", "9".repeat(100))), "{message}");
}

#[test]
fn bad_values_of_the_other_types_say_what_was_expected() {
    #[derive(Debug, Deserialize)]
    enum Kind {
        Late,
        OnTime,
    }
    fn one<T: DeserializeOwned + Debug>(value: &str) -> String {
        outcomes(CsvReader::<T>::options(), format!("c\n{value}\n")).join("\n")
    }
    assert_eq!(one::<i64>("1.5"), "in.csv, line 2, column `c`: expected an integer, found `1.5`");
    assert_eq!(one::<bool>("yes"), "in.csv, line 2, column `c`: expected `true` or `false`, found `yes`");
    assert_eq!(one::<char>("ab"), "in.csv, line 2, column `c`: expected a single character, found `ab`");
    assert_eq!(
        one::<Kind>("late"),
        "in.csv, line 2, column `c`: expected one of `Late`, `OnTime`, found `late`"
    );
    assert_eq!(one::<(u8, u8)>("1"), "in.csv: expected a tuple of size 2, not 1 fields");
}

#[test]
fn an_error_of_the_type_itself_is_reported() {
    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only its errors matter")]
    struct Checked {
        #[serde(deserialize_with = "even")]
        count: u8,
    }
    fn even<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u8, D::Error> {
        let count = u8::deserialize(deserializer)?;
        if count % 2 == 0 { Ok(count) } else { Err(serde::de::Error::custom("must be even")) }
    }
    let outcomes = outcomes(CsvReader::<Checked>::options(), "count\n2\n3\n");
    assert_eq!(outcomes[1], "in.csv, line 3, column `count`: must be even, found `3`");
}

#[test]
fn a_null_marker_for_a_field_that_is_not_an_option_is_an_error() {
    let options = CsvReader::<Row>::options().null("NA");
    assert_eq!(
        outcomes(options, "name,count,delay\na,1,NA\nNA,1,\nb,NA,NA\nz,2,\n"),
        [
            row("a", 1),
            "in.csv, line 3, column `name`: expected a value, found `NA`".to_owned(),
            "in.csv, line 4, column `count`: expected a value, found `NA`".to_owned(),
            row("z", 2)
        ]
    );
}

#[test]
fn a_wrong_number_of_fields_is_an_error() {
    assert_eq!(bad("b,1"), "in.csv, line 3: expected 3 fields, found 2");
    assert_eq!(bad("b,1,2,3"), "in.csv, line 3: expected 3 fields, found 4");
    let options = CsvReader::<Vec<u8>>::options().without_header();
    assert_eq!(
        outcomes(options, "1,2\n3\n4,5\n"),
        ["[1, 2]", "in.csv, line 2: expected 2 fields, found 1", "[4, 5]"]
    );
}

#[test]
fn a_field_missing_from_a_flexible_record_is_an_error_if_it_is_required() {
    let options = CsvReader::<Row>::options().flexible();
    assert_eq!(
        outcomes(options, "name,count,delay\na,1\nb\nz,2,\n"),
        [row("a", 1), "in.csv, line 3, column `count`: expected a value".to_owned(), row("z", 2)]
    );
}

#[test]
fn a_missing_column_that_the_type_requires_is_named() {
    let message = "in.csv, header: there is no column `count`, only `name`, `counts`, `delay`";
    assert_eq!(rows("name,counts,delay\na,1,\n"), [message]);
}

#[test]
fn a_duplicate_column_is_an_error_if_the_type_uses_it() {
    assert_eq!(
        rows("name,count,delay,count\na,1,,2\n"),
        ["in.csv, header: two columns match the item's `count`"]
    );
    assert_eq!(rows("name,x,count,delay,x\na,0,1,,0\n"), [row("a", 1)]);
}

#[test]
fn a_column_that_the_type_does_not_know_is_an_error_if_it_denies_it() {
    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only its errors matter")]
    struct Strict {
        a: u8,
    }
    let message = "in.csv, header: column `b` is unknown to the item";
    assert_eq!(outcomes(CsvReader::<Strict>::options(), "a,b\n1,2\n"), [message]);
}

#[test]
fn a_struct_in_a_field_is_refused_with_a_remedy() {
    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only its errors matter")]
    struct Outer {
        inner: Row,
    }
    let message = "in.csv: column `inner`: a field of a record is one value, not a struct; flatten it \
        with `#[serde(flatten)]`, or parse it with `#[serde(deserialize_with = \"..\")]`";
    assert_eq!(outcomes(CsvReader::<Outer>::options(), "inner\n1\n"), [message]);
}

#[test]
fn a_quote_that_is_never_closed_is_an_error_at_the_end() {
    assert_eq!(
        rows("name,count,delay\na,1,\n\"b,1,\nz,2,\n"),
        [row("a", 1), "in.csv, line 3 (byte 22): a quote is opened and never closed".to_owned(), row("z", 2)]
    );
    assert_eq!(
        rows("name,count,delay\n\"b\"\"")[0],
        "in.csv, line 2 (byte 17): a quote is opened and never closed"
    );
    assert_eq!(rows("\"name"), ["in.csv, line 1 (byte 0): a quote is opened and never closed"]);
}

#[test]
fn invalid_utf8_is_an_error_of_its_record() {
    assert_eq!(
        rows(b"name,count,delay\na,1,\nb\xE9e,1,\n\"\xFF\",1,\n1,2,\xC3\nz,2,\n"),
        [
            row("a", 1),
            "in.csv, line 3 (byte 22), column `name`: invalid UTF-8, found `b\u{FFFD}e`; convert the input to UTF-8".to_owned(),
            "in.csv, line 4 (byte 29), column `name`: invalid UTF-8, found `\u{FFFD}`; convert the input to UTF-8".to_owned(),
            "in.csv, line 5 (byte 36), column `delay`: invalid UTF-8, found `\u{FFFD}`; convert the input to UTF-8".to_owned(),
            row("z", 2)
        ]
    );
    assert_eq!(rows(b"n\xE9,count\n"), ["in.csv, header: invalid UTF-8; convert the input to UTF-8"]);
    assert_eq!(
        rows(b"\xFF\xFEn\0,\0"),
        ["in.csv: it is UTF-16; set `encoding(\"utf-16\")`, or convert the input to UTF-8"]
    );
}

#[test]
fn lines_that_end_with_cr_alone_are_reported() {
    let message = "in.csv, header: its lines end with CR alone; convert the input to LF or CRLF";
    assert_eq!(rows("name,count,delay\ra,1,\r"), [message]);
}

#[test]
fn a_record_over_the_limit_is_an_error_and_is_skipped() {
    let options = || CsvReader::<Row>::options().longest_record(20);
    let long = "b".repeat(30);
    let message = "in.csv, line 3 (byte 22): the record is longer than 20 bytes; is a line end missing?";
    let content = format!("name,count,delay\na,1,\n{long},1,\nz,2,\n");
    assert_eq!(outcomes(options(), content), [row("a", 1), message.to_owned(), row("z", 2)]);
    let content = format!("name,count,delay\na,1,\n\"{long}\",1,\nz,2,\n");
    assert_eq!(outcomes(options(), content), [row("a", 1), message.to_owned(), row("z", 2)]);
}

#[test]
fn a_record_far_over_the_limit_is_an_error_for_its_first_line_only() {
    let options = || CsvReader::<Row>::options().longest_record(1000);
    let message = "in.csv, line 3 (byte 22): the record is longer than 1000 bytes";
    let hint = format!("{message}; is a closing quote missing?");
    let unended = format!("{message}; is a line end missing?");
    let content = format!("name,count,delay\na,1,\n\"{}\nz,x,\n", "b\n".repeat(100_000));
    let read = outcomes(options(), content);
    assert_eq!(read[..3], [row("a", 1), hint, "in.csv, line 4: expected 3 fields, found 1".to_owned()]);
    let last = "in.csv, line 100004, column `count`: expected an integer that is not negative, found `x`";
    assert_eq!(read[read.len() - 1], last);
    let content = format!("name,count,delay\na,1,\n{},1,\nz,2,\n", "b".repeat(700_000));
    assert_eq!(outcomes(options(), content), [row("a", 1), unended, row("z", 2)]);
}

#[test]
fn a_record_of_exactly_the_limit_is_read() {
    let options = CsvReader::<String>::options().longest_record(5);
    assert_eq!(outcomes(options, "a\n12345\n123456\n")[..1], ["\"12345\""]);
}

#[test]
fn options_that_contradict_each_other_are_refused() {
    let options = CsvReader::<Row>::options().delimiter(b'#').comment(b'#');
    assert_eq!(
        outcomes(options, "a"),
        ["in.csv: delimiter, quote, comment and escape must be different bytes"]
    );
    let options = CsvReader::<Row>::options().delimiter(0xE9);
    assert_eq!(
        outcomes(options, "a"),
        ["in.csv: delimiter, quote, comment and escape must be ASCII and not line endings"]
    );
}

#[cfg(all(feature = "gzip", feature = "zstd"))]
#[test]
fn a_truncated_or_damaged_compressed_file_is_an_error_that_stays() {
    let mut content = "name,count,delay\n".to_owned();
    for row in 0..200_000 {
        writeln!(content, "{row},1,").unwrap();
    }
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, content.as_bytes()).unwrap();
    // Without its optional checksum, Zstandard does not detect all damage.
    let mut zstd = zstd::Encoder::new(Vec::new(), 1).unwrap();
    zstd.include_checksum(true).unwrap();
    std::io::Write::write_all(&mut zstd, content.as_bytes()).unwrap();
    for (name, whole) in [("in.csv.gz", gzip.finish().unwrap()), ("in.csv.zst", zstd.finish().unwrap())] {
        let folder = Folder::new();
        let mut damaged = whole.clone();
        let middle = damaged.len() / 2;
        damaged[middle..middle + 64].fill(0xA5);
        for (bytes, word) in [(&whole[..whole.len() / 2], "truncated"), (&damaged[..], "damaged")] {
            let path = folder.file(name, bytes);
            let mut reader = CsvReader::<Row>::open(&path).unwrap();
            // gzip detects damage by a checksum at the end: until then, the records may contain anything.
            let error = loop {
                match reader.read() {
                    Ok(Some(_)) => {}
                    Ok(None) => panic!("{name} {word}: the damage went unseen"),
                    Err(error) if error.is_about_a_record() => assert_eq!(word, "damaged", "{error}"),
                    Err(error) => break error,
                }
            };
            let begin = format!("{} is {word}: it cannot be decompressed after byte ", path.display());
            assert!(error.to_string().starts_with(&begin), "{error}");
            assert!(reader.read().is_err(), "{name} {word}: the end of the input was made up");
        }
    }
}

#[cfg(not(feature = "gzip"))]
#[test]
fn a_compressed_file_names_the_cargo_feature_it_needs() {
    let folder = Folder::new();
    let path = folder.file("in.csv.gz", "");
    let problem = "this program was built without gzip; turn on the cargo feature `gzip` of batch-runtime, or decompress the file";
    assert_eq!(
        CsvReader::<Row>::open(&path).unwrap_err().to_string(),
        format!("{}: {problem}", path.display())
    );
}

#[test]
fn a_date_or_time_that_would_lose_a_part_is_refused() {
    #[derive(Debug, serde::Deserialize)]
    #[expect(dead_code, reason = "only its types matter")]
    struct Day {
        day: Option<batch_runtime::Date>,
        at: Option<batch_runtime::DateTime>,
    }
    let folder = Folder::new();
    let content =
        "day,at\n2024-01-31,2024-01-31T10:00\n2024-01-31T10:00,\n,2024-01-31T10:00+02:00\n,2024-01-31\n";
    let mut days = CsvReader::<Day>::open(folder.file("in.csv", content)).unwrap();
    assert!(days.read().unwrap().is_some());
    for expected in [
        "line 3, column `day`: expected a date alone, such as 2024-01-31 (a `DateTime` takes a time as well), found \
         `2024-01-31T10:00`",
        "line 4, column `at`: expected a date and time without an offset or zone, such as 2024-01-31T08:30 (a `Timestamp` \
         takes an offset as well), found `2024-01-31T10:00+02:00`",
        "line 5, column `at`: expected a date with its time, such as 2024-01-31T08:30 (a `Date` takes a date alone), found \
         `2024-01-31`",
    ] {
        let error = days.read().unwrap_err();
        assert!(days.steps_over(&error) && error.to_string().ends_with(expected), "{error}");
    }
}

#[test]
fn the_record_of_an_error_is_the_whole_record() {
    let folder = Folder::new();
    let content = "a,b\n1,\"x\ny\"\n\"2\"x,3\r\n4,5,6\n7,\"open\n";
    let mut rows = CsvReader::<(u8, u8)>::open(folder.file("in.csv", content)).unwrap();
    for record in ["1,\"x\ny\"", "\"2\"x,3", "4,5,6", "7,\"open"] {
        let error = rows.read().unwrap_err();
        assert_eq!(rows.record(&error).as_deref(), Some(record), "{error}");
    }
}

#[test]
fn a_blank_line_in_a_file_of_one_column_is_refused_read_or_skipped() {
    let folder = Folder::new();
    let path = folder.file("in.csv", "a\n1\n\n3\n");
    let read = |options: CsvOptions<Option<u8>>| {
        let mut reader = options.open(&path).unwrap();
        std::iter::from_fn(|| reader.read().transpose())
            .map(|read| read.map_err(|error| error.to_string()))
            .collect::<Vec<_>>()
    };
    let refused = read(CsvReader::options());
    assert_eq!((&refused[0], &refused[2]), (&Ok(Some(1)), &Ok(Some(3))));
    assert!(
        refused[1]
            .as_ref()
            .unwrap_err()
            .contains("line 3: a blank line may be a record whose only field is empty"),
        "{refused:?}"
    );
    assert_eq!(read(CsvReader::options().with_blank_lines()), [Ok(Some(1)), Ok(None), Ok(Some(3))]);
    assert_eq!(read(CsvReader::options().skip_blank_lines()), [Ok(Some(1)), Ok(Some(3))]);
    let two = folder.file("two.csv", "a,b\n1,2\n\n3,4\n");
    let mut two = CsvReader::<(u8, u8)>::options().with_blank_lines().open(two).unwrap();
    assert_eq!((two.read().unwrap(), two.read().unwrap()), (Some((1, 2)), Some((3, 4))));
}
