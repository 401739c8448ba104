use super::*;
use crate::definition::{Reader, Splittable};
use crate::readers::Totals;
use crate::readers::tests::{Input, rest, restarts_everywhere, splits_everywhere, stored};

fn text(line: &str) -> Result<String, BoxError> {
    if line.contains("bad") { Err("expected something good".into()) } else { Ok(line.to_owned()) }
}

fn lines(input: &Input) -> LinesReader<String> {
    LinesReader::options().parse(text).longest_record(1_000).open(&input.0).unwrap()
}

fn orders(input: &Input) -> LinesReader<String> {
    LinesReader::options()
        .record_begins(|line| line.starts_with('H'))
        .parse(text)
        .longest_record(1_000)
        .open(&input.0)
        .unwrap()
}

/// All items, and the messages of the errors between them.
fn outcomes(mut reader: LinesReader<String>) -> Vec<String> {
    let mut outcomes = Vec::new();
    loop {
        match reader.read() {
            Ok(Some(item)) => outcomes.push(item),
            Ok(None) => return outcomes,
            Err(error) => {
                let ends = !reader.steps_over(&error);
                outcomes.push(error.to_string().rsplit_once(", line ").unwrap().1.to_owned());
                if ends {
                    return outcomes;
                }
            }
        }
    }
}

#[test]
fn lines_are_read_from_anywhere_in_parts_and_detached() {
    for content in ["", "a", "a\nb\nc", "\u{feff}a\r\nbad\n\n \nb\n", "\n\n", "a\n\nbad", "x\ny\n"] {
        let input = Input::new("any.txt", content);
        let all = rest(&mut lines(&input));
        restarts_everywhere(|| lines(&input), &all);
        splits_everywhere(|| lines(&input));
    }
    let long = Input::new("long.txt", format!("a\n{}\nb\n{}\nc", "x".repeat(500_000), "y".repeat(1_001)));
    restarts_everywhere(|| lines(&long), &["a", "b", "c"].map(str::to_owned));
}

#[test]
fn groups_are_read_from_anywhere_in_parts_and_detached() {
    for content in [
        "",
        "H1",
        "H1\nI\nI\nH2\nH3\r\nI\r\n",
        "\nstray\nI\nH1\nI\n\nI\nH2 bad\nI\nH3",
        "H1\n\n\nH2\n\n",
        "no record\nat all\n",
    ] {
        let input = Input::new("groups.txt", content);
        let all = rest(&mut orders(&input));
        restarts_everywhere(|| orders(&input), &all);
        splits_everywhere(|| orders(&input));
    }
    let long = format!("H1\nI\nH2\n{}H3\nI\nH4\n{}\nH5\n", "I\n".repeat(70_000), "I".repeat(200_000));
    let long = Input::new("long-groups.txt", long);
    let expected = ["H1\nI", "H3\nI", "H5"].map(str::to_owned);
    assert_eq!(rest(&mut orders(&long)), expected);
    restarts_everywhere(|| orders(&long), &expected);
}

#[test]
fn a_record_that_does_not_begin_or_end_as_it_should_is_one_error() {
    let input = Input::new("ends.txt", "I\nI\nE\nH1\nI\nE\nH2\nI\nH3\nE\nH4\nI\n");
    let read = LinesReader::options()
        .record_begins(|line| line.starts_with('H'))
        .record_ends(|line| line == "E")
        .parse(text)
        .open(&input.0)
        .unwrap();
    assert_eq!(
        outcomes(read),
        [
            "1: no record begins on this line",
            "H1\nI\nE",
            "7: the record that begins on this line has no last line",
            "H3\nE",
            "11: the record that begins on this line has no last line",
        ]
    );
    let ends = LinesReader::options().record_ends(|line| line == "E").parse(text).open(&input.0).unwrap();
    assert_eq!(outcomes(ends)[..2], ["I\nI\nE", "H1\nI\nE"]);
}

#[test]
fn blank_lines_are_records_where_they_count() {
    let input = Input::new("blank.txt", "a\n\n \r\nb");
    let open = || LinesReader::options().with_blank_lines().parse(text).open(&input.0).unwrap();
    restarts_everywhere(open, &["a", "", " ", "b"].map(str::to_owned));
}

#[test]
fn a_text_that_cannot_be_parsed_is_an_error_with_its_place_and_record() {
    let input = Input::new("numbers.txt", "head\n1\ntwo\n3\n");
    let mut numbers = LinesReader::<u32>::options().skip_lines(1).parse(str::parse).open(&input.0).unwrap();
    assert_eq!(numbers.read().unwrap(), Some(1));
    let error = numbers.read().unwrap_err();
    assert!(error.to_string().ends_with("line 3: invalid digit found in string, found `two`"), "{error}");
    assert_eq!(numbers.record(&error).as_deref(), Some("two"));
    assert_eq!(numbers.read().unwrap(), Some(3));
}

fn counts(trailer: &str, records: u64) -> Result<(), String> {
    match trailer.strip_prefix('T').and_then(|count| count.parse::<u64>().ok()) {
        Some(count) if count == records => Ok(()),
        Some(count) => Err(format!("it says {count} records, but there are {records}")),
        None => Err("expected `T` and the number of records".to_owned()),
    }
}

#[test]
fn a_trailer_is_not_an_item_and_is_checked_before_the_first() {
    let open = |input: &Input| LinesReader::options().parse(text).trailer(counts).open(&input.0).unwrap();
    let good = Input::new("good.txt", "a\nb\n\nbad\nc\nT4\n\n");
    restarts_everywhere(|| open(&good), &["a", "b", "c"].map(str::to_owned));
    splits_everywhere(|| open(&good));
    for (content, problem) in [
        ("a\nb\nT3\n", "3, trailer: it says 3 records, but there are 2"),
        ("a\nb\n", "2, trailer: expected `T` and the number of records"),
        ("\n", "2, trailer: there is none"),
    ] {
        let bad = Input::new("bad.txt", content);
        assert_eq!(outcomes(open(&bad)), [problem]);
        assert!(open(&bad).split(3).is_err());
    }
}

#[test]
fn totals_over_the_items_are_compared_with_the_trailer() {
    #[derive(Default)]
    struct Sum(u64);

    impl Totals<u64> for Sum {
        fn add(&mut self, item: &u64) {
            self.0 += item;
        }
    }

    let open = |input: &Input| {
        LinesReader::<u64>::options()
            .parse(str::parse)
            .trailer_with_totals(|sum: &Sum, trailer, records| {
                let found = format!("{} in {records}", sum.0);
                if found == trailer { Ok(()) } else { Err(format!("found {found}")) }
            })
            .open(&input.0)
            .unwrap()
    };
    let good = Input::new("sum.txt", "1\n2\n39\n42 in 3");
    restarts_everywhere(|| open(&good), &[1, 2, 39]);
    let bad = Input::new("sum-bad.txt", "1\ntwo\n39\n42 in 3");
    let error = open(&bad).read().unwrap_err();
    assert!(error.is_about_the_input());
    let message = error.to_string();
    assert!(message.contains("found 40 in 3; not every record could be read"), "{message}");
    assert!(message.contains("line 2: invalid digit found in string, found `two`"), "{message}");
}

#[cfg(feature = "gzip")]
#[test]
fn the_trailer_of_a_compressed_file_is_checked_too() {
    use std::io::Write as _;

    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    for line in 0..50_000 {
        writeln!(gzip, "line {line}").unwrap();
    }
    writeln!(gzip, "T50000").unwrap();
    let input = Input::new("trailer.txt.gz", gzip.finish().unwrap());
    let open = || LinesReader::options().parse(text).trailer(counts).open(&input.0).unwrap();
    let mut reader = open();
    assert_eq!(reader.read().unwrap().as_deref(), Some("line 0"));
    let mut restarted = open();
    restarted.resume(stored(&reader)).unwrap();
    assert_eq!(rest(&mut restarted).len(), 49_999);
}

#[test]
fn a_restart_that_has_a_trailer_only_now_is_refused() {
    let input = Input::new("late.txt", "a\nb\nT2\n");
    let mut without = lines(&input);
    without.read().unwrap();
    let mut with = LinesReader::options().parse(text).trailer(counts).open(&input.0).unwrap();
    let error = with.resume(stored(&without)).unwrap_err();
    assert!(error.to_string().contains("it was read without its trailer"), "{error}");
}

#[cfg(feature = "encodings")]
#[test]
fn a_file_in_another_encoding_is_read_from_anywhere_and_in_parts() {
    let sjis = Input::new("sjis.txt", b"\x83\x5C\x0A\x81|\x0Aab\x0A\x83\x5C");
    let open = || LinesReader::options().encoding("shift_jis").parse(text).open(&sjis.0).unwrap();
    restarts_everywhere(open, &["ソ", "－", "ab", "ソ"].map(str::to_owned));
    splits_everywhere(open);
    let bad = Input::new("sjis-bad.txt", b"a\x0Ab\x83\xFF\x0Ac");
    let bad = LinesReader::options().encoding("shift_jis").parse(text).open(&bad.0).unwrap();
    assert_eq!(outcomes(bad)[1..], ["2 (byte 2): invalid Shift_JIS, found `b\u{fffd}\u{fffd}`", "c"]);
    let marked = Input::new("marked.txt", "\u{feff}a\n");
    let error = LinesReader::options().encoding("windows-1252").parse(text).open(&marked.0).unwrap_err();
    assert!(
        error.to_string().ends_with("the byte order mark of UTF-8, but another encoding is set"),
        "{error}"
    );
    let unknown = LinesReader::options().encoding("latin-7000").parse(text).open(&sjis.0).unwrap_err();
    assert!(unknown.to_string().contains("there is no encoding `latin-7000`"), "{unknown}");
}

#[test]
fn whatever_byte_is_damaged_no_line_is_lost_without_an_error() {
    let whole = b"H1\nI\xC3\xA9\r\nH2\n\nI\nH3\nT3";
    let open = |input: &Input| {
        let options = LinesReader::options().record_begins(|line| line.starts_with(['H', 'T']));
        options.trailer(counts).parse(text).longest_record(20).open(&input.0)
    };
    let mut damaged: Vec<Vec<u8>> = (0..whole.len()).map(|length| whole[..length].to_vec()).collect();
    for at in 0..whole.len() {
        for byte in [0, b'\n', b'\r', b'H', 0xFF, whole[at] ^ 0x20] {
            let mut bytes = whole.to_vec();
            bytes[at] = byte;
            damaged.push(bytes);
        }
    }
    for bytes in damaged {
        let input = Input::new("damaged.txt", &bytes);
        let Ok(reader) = open(&input) else { continue };
        let found = outcomes(reader);
        let shown = String::from_utf8_lossy(&bytes).into_owned();
        let is_refused =
            found.iter().any(|outcome| outcome.starts_with(|first: char| first.is_ascii_digit()));
        if !is_refused {
            assert_eq!(found.iter().filter(|item| item.starts_with('H')).count(), found.len(), "{shown}");
            assert_eq!(found.len(), 3, "{shown}");
        }
    }
}

#[test]
fn stray_carriage_returns_and_byte_order_marks_are_errors_unless_the_reader_is_lenient() {
    let input = Input::new("stray.txt", "\u{feff}a\r\r\nb\rc\r\n\u{feff}d\r\ne\n");
    let mut strict = lines(&input);
    for (problem, record) in [
        ("line 1: a carriage return that does not end a line, at character 2", "a\r"),
        ("line 2: a carriage return that does not end a line, at character 2", "b\rc"),
        ("line 3: a byte order mark within the input; were several files joined?", "\u{feff}d"),
    ] {
        let error = strict.read().unwrap_err();
        assert!(strict.steps_over(&error) && error.to_string().contains(problem), "{error}");
        assert_eq!(strict.record(&error).as_deref(), Some(record));
    }
    assert_eq!(strict.read().unwrap().as_deref(), Some("e"));
    let mut lenient = LinesReader::options().lenient().parse(text).open(&input.0).unwrap();
    assert_eq!(rest(&mut lenient), ["a\r", "b\rc", "\u{feff}d", "e"]);
}

#[test]
fn a_group_of_lines_keeps_the_endings_between_its_lines_and_no_other_carriage_return() {
    let input = Input::new("groups.txt", "Ha\r\nb\r\nHc\r\nd\re\nHf\n\u{feff}g\n");
    let mut orders = orders(&input);
    assert_eq!(orders.read().unwrap().as_deref(), Some("Ha\r\nb"));
    let error = orders.read().unwrap_err();
    assert!(
        error
            .to_string()
            .contains("line 3: on line 4, a carriage return that does not end a line, at character 2"),
        "{error}"
    );
    assert_eq!(orders.record(&error).as_deref(), Some("Hc\r\nd\re"));
    assert!(orders.read().unwrap_err().to_string().contains("line 5: on line 6, a byte order mark"));
}

#[test]
fn a_file_whose_lines_end_with_cr_alone_is_refused_as_a_whole() {
    let input = Input::new("cr.txt", "a\rb\rc");
    let mut reader = lines(&input);
    for _ in 0..2 {
        let error = reader.read().unwrap_err();
        assert!(error.is_about_the_input() && !reader.steps_over(&error), "{error}");
        assert!(error.to_string().ends_with("its lines end with CR alone; convert the input to LF or CRLF"));
    }
}
