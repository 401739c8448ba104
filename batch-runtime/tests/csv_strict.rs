//! Malformed CSV is an error with its place, and costs only the line on which it begins.
#![cfg(feature = "csv")]

mod folder;

use batch_runtime::Reader;
use batch_runtime::readers::{CsvOptions, CsvReader, ReadError};
use folder::Folder;

fn options() -> CsvOptions<Vec<String>> {
    CsvReader::options()
}

/// Reads everything: records as their fields separated by `|`, errors as their messages, with `in.csv` for
/// the whole path.
fn read(options: CsvOptions<Vec<String>>, content: impl AsRef<[u8]>) -> Vec<String> {
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
            Ok(Some(item)) => outcomes.push(item.join("|")),
            Ok(None) => return outcomes,
            Err(error) => {
                assert!(reader.steps_over(&error), "{error}");
                outcomes.push(text(error));
            }
        }
    }
}

#[test]
fn a_forgotten_quote_does_not_join_two_records() {
    let outcomes = read(options(), "a,b,c\n1,\"x,2\n3,\"y,4\n5,z,6\n");
    assert_eq!(
        outcomes,
        [
            "in.csv, line 2: text follows the quote that closes a field, at line 3, character 4, found `y,4`; the field's \
             quote opens at line 2, character 3; double a quote within a quoted field",
            "in.csv, line 3 (byte 13): a quote is opened and never closed",
            "5|z|6",
        ]
    );
}

#[test]
fn text_after_a_closing_quote_is_an_error() {
    for (record, character, found) in [
        ("1,\"Pe \"pd\" Ho\",2", 8, "pd\" Ho\",2"),
        ("1,\"a\\\"b\",2", 7, "b\",2"),
        ("1,\"ab\"cd,2", 7, "cd,2"),
    ] {
        let outcomes = read(options(), format!("a,b,c\n{record}\n7,8,9\n"));
        let place = format!("at character {character}, found `{found}`");
        assert!(
            outcomes[0].starts_with("in.csv, line 2: text follows") && outcomes[0].contains(&place),
            "{outcomes:?}"
        );
        assert_eq!(outcomes[1..], ["7|8|9"]);
    }
}

#[test]
fn a_quote_within_an_unquoted_field_is_an_error() {
    let outcomes = read(options(), "a,b\n1,5\" disk\n2, \"x\"\n7,8\n");
    assert_eq!(
        outcomes[0],
        "in.csv, line 2: a quote within an unquoted field, at character 4, found `\" disk`; quote \
         the field, and double the quote in it"
    );
    assert!(outcomes[1].starts_with("in.csv, line 3: a quote within an unquoted field"), "{outcomes:?}");
    assert_eq!(outcomes[2..], ["7|8"]);
}

#[test]
fn a_lenient_reader_reads_stray_quotes_as_text() {
    assert_eq!(
        read(
            options().lenient(),
            "a,b\n1,5\" disk\n2,\"Pe \"pd\" Ho\"\n3,\"a\\\"b\"\n4,\"ab\"cd\n5,x\ry\r\r\n"
        ),
        ["1|5\" disk", "2|Pe pd\" Ho\"", "3|a\\b\"", "4|abcd", "5|x\ry\r"]
    );
}

#[test]
fn an_escape_within_quotes_makes_the_next_byte_literal() {
    assert_eq!(
        read(
            options().escape(b'\\'),
            "a,b\n1,\"5\\\" disk\"\n2,\"a\\\\\"\n3,\"a\\\\\\\"b\"\n4,\"say \"\"hi\"\"\"\n5,a\\b\n6,\"x\\\ny\"\n"
        ),
        ["1|5\" disk", "2|a\\", "3|a\\\"b", "4|say \"hi\"", "5|a\\b", "6|x\ny"]
    );
}

#[test]
fn a_carriage_return_that_does_not_end_a_line_is_an_error() {
    let returned = "in.csv, line 2: a carriage return that does not end a line, at character";
    for (record, character) in [("1,x\r\r", 4), ("1,x\ry", 4), ("\"1\",x\ry", 6)] {
        let outcomes = read(options(), format!("a,b\r\n{record}\n7,8\r\n"));
        assert!(outcomes[0].starts_with(&format!("{returned} {character};")), "{outcomes:?}");
        assert_eq!(outcomes[1..], ["7|8"]);
    }
    assert_eq!(
        read(options(), "a,b\r\n1,\"x\ry\r\r\"\r\n7,8\r\n"),
        ["1|x\ry\r\r", "7|8"],
        "in quotes it is text"
    );
}

#[test]
fn a_file_whose_every_line_ends_with_two_carriage_returns_is_refused_when_it_is_opened() {
    let outcomes = read(options(), "a,b\r\r\n1,2\r\r\n");
    assert!(
        outcomes[0].starts_with("in.csv, header: a carriage return that does not end a line"),
        "{outcomes:?}"
    );
}

#[test]
fn a_byte_order_mark_within_a_file_is_an_error() {
    let outcomes = read(options(), "\u{FEFF}a,b\n1,2\n\u{FEFF}a,b\n3,4\n\u{FEFF}\"5\",6\n7,8\n");
    let mark =
        |line| format!("in.csv, line {line}: a byte order mark within the input; were several files joined?");
    assert_eq!(outcomes[..3], ["1|2".to_owned(), mark(3), "3|4".to_owned()]);
    assert!(outcomes[3].starts_with("in.csv, line 5: a quote within an unquoted field"), "{outcomes:?}");
    assert_eq!(outcomes[4], "7|8");
    let outcomes = read(options(), "\u{FEFF}\u{FEFF}a,b\n1,2\n");
    assert!(outcomes[0].starts_with("in.csv, header: a byte order mark"), "{outcomes:?}");
}

#[test]
fn a_quoted_marker_is_a_text_unless_the_options_make_it_null() {
    let content = "a\nNA\n\"NA\"\n\"\"\nx\n";
    let read = |options: CsvOptions<Option<String>>| {
        let folder = Folder::new();
        let mut reader = options.null("NA").open(folder.file("in.csv", content)).unwrap();
        std::iter::from_fn(move || reader.read().unwrap()).collect::<Vec<_>>()
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(read(CsvReader::options()), [None, some("NA"), some(""), some("x")]);
    assert_eq!(read(CsvReader::options().quoted_nulls()), [None, None, None, some("x")]);
}

#[test]
fn quoted_emptiness_for_an_optional_number_is_refused_with_a_remedy() {
    let folder = Folder::new();
    let path = folder.file("in.csv", "a,b\n\"\",1\n");
    let error = CsvReader::<(Option<f64>, u8)>::open(&path).unwrap().read().unwrap_err().to_string();
    assert!(error.ends_with("expected a number; `quoted_nulls` treats it as null in quotes too"), "{error}");
    let mut reader = CsvReader::<(Option<f64>, u8)>::options().quoted_nulls().open(&path).unwrap();
    assert_eq!(reader.read().unwrap(), Some((None, 1)));
}

#[test]
fn white_space_is_trimmed_around_quotes_but_not_within() {
    assert_eq!(read(options().trimmed(), "a,b\n 1 , \" x, y \" \n\t\"2\"\t,3\n"), ["1| x, y ", "2|3"]);
}

#[test]
fn a_nul_byte_within_a_record_is_text() {
    assert_eq!(read(options(), "a,b\nx\0y,2\n"), ["x\0y|2"]);
}

#[test]
fn lines_before_the_header_may_be_skipped_and_count_as_lines() {
    let outcomes = read(options().skip_lines(2), "A title, \"unclosed\n\na,b\n1,2\n3\n");
    assert_eq!(outcomes, ["1|2", "in.csv, line 5: expected 2 fields, found 1"]);
}

#[test]
fn every_line_is_read_or_named_by_an_error_whatever_the_file_contains() {
    let mut state = 11_u64;
    let mut below = |limit: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % limit
    };
    let pieces = ["a", "b", ",", ",", "\"", "\"\"", "\n", "\n", "\r\n", "\r", " ", "\u{FEFF}", "\\"];
    for _ in 0..3_000 {
        let content: String = (0..below(40)).map(|_| pieces[usize::try_from(below(13)).unwrap()]).collect();
        let folder = Folder::new();
        let path = folder.file("in.csv", &content);
        let Ok(mut reader) = options().without_header().flexible().open(&path) else { continue };
        let (mut lines, mut fields) = (Vec::new(), 0);
        loop {
            match reader.read() {
                Ok(Some(item)) => {
                    let location = reader.location().unwrap();
                    lines.push(location.rsplit(' ').next().unwrap().parse::<usize>().unwrap());
                    fields += item.iter().map(String::len).sum::<usize>();
                }
                Ok(None) => break,
                Err(ReadError::Malformed { line, .. } | ReadError::UnclosedQuote { line, .. }) => {
                    lines.push(usize::try_from(line).unwrap());
                }
                Err(error) => panic!("{error}"),
            }
        }
        assert!(fields <= content.len());
        assert!(
            lines.is_sorted() && lines.windows(2).all(|pair| pair[0] < pair[1]),
            "{content:?}: {lines:?}"
        );
        // A line that does not begin a record is blank, or within the quotes of the previous record.
        let all: Vec<&str> = content.strip_prefix('\u{FEFF}').unwrap_or(&content).split('\n').collect();
        for (number, line) in (1..).zip(&all) {
            let is_blank = matches!(*line, "" | "\r");
            let begins = lines.contains(&number);
            let before = lines.iter().rev().find(|begin| **begin < number);
            let continues = before
                .is_some_and(|begin| all[begin - 1..number - 1].join("\n").matches('"').count() % 2 == 1);
            assert!(begins || is_blank || continues, "{content:?}, line {number}: {lines:?}");
        }
    }
}
