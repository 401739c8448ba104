use serde::Deserialize;

use super::*;
use crate::Reader;
use crate::readers::ReadError;
use crate::readers::tests::{Input, rest, restarts_everywhere, splits_everywhere};

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Room {
    id: u32,
    name: String,
    balance: Option<f64>,
}

fn room(id: u32, name: &str, balance: Option<f64>) -> Room {
    Room { id, name: name.into(), balance }
}

fn options() -> FixedOptions<Room> {
    FixedReader::columns([("id", 0..3), ("name", 3..10), ("balance", 10..16)])
}

#[test]
fn lines_are_read_from_anywhere_in_parts_and_detached() {
    let input = Input::new("rooms.txt", "\u{feff}001Kitchen 12.5 \r\n\n  2Küche        \n003ab cd  -1.5  ");
    let open = || options().open(&input.0).unwrap();
    let expected = [room(1, "Kitchen", Some(12.5)), room(2, "Küche", None), room(3, "ab cd", Some(-1.5))];
    restarts_everywhere(open, &expected);
    splits_everywhere(open);
}

#[test]
fn records_of_bytes_are_read_from_anywhere_in_parts_and_detached() {
    let input = Input::new("rooms.dat", "001Kitchen 12.5   2\nA\n          003ab cd  -1.5  ");
    let open = || options().record_bytes(16).open(&input.0).unwrap();
    let expected = [room(1, "Kitchen", Some(12.5)), room(2, "\nA\n", None), room(3, "ab cd", Some(-1.5))];
    restarts_everywhere(open, &expected);
    splits_everywhere(open);
    let cut = Input::new("cut.dat", "001Kitchen 12.5 002Gard");
    let mut cut = options().record_bytes(16).open(&cut.0).unwrap();
    assert_eq!(cut.read().unwrap(), Some(room(1, "Kitchen", Some(12.5))));
    let error = cut.read().unwrap_err();
    assert!(
        error.to_string().ends_with("line 2: the input ends after 7 of the 16 bytes of this record"),
        "{error}"
    );
    assert_eq!(cut.read().unwrap(), None);
}

#[test]
fn a_record_of_another_length_is_an_error_unless_records_are_flexible() {
    let input = Input::new("lengths.txt", "001Kitchen 12.5 \n002Garden\n003Shed    7.5  more\n");
    let mut strict = options().open(&input.0).unwrap();
    assert!(strict.read().is_ok());
    for found in [9, 20] {
        let error = strict.read().unwrap_err();
        let expected = format!("expected 16 characters, but there are {found}, found `00");
        assert!(error.to_string().contains(&expected), "{error}");
        assert!(strict.steps_over(&error));
    }
    let mut flexible = options().flexible().open(&input.0).unwrap();
    let expected = [room(1, "Kitchen", Some(12.5)), room(2, "Garden", None), room(3, "Shed", Some(7.5))];
    assert_eq!(rest(&mut flexible), expected);
}

#[test]
fn a_bad_value_is_named_with_its_column() {
    let input = Input::new("bad.txt", "0x1Kitchen 12.5 \n002Garden  12,5 \n");
    let mut rooms = options().open(&input.0).unwrap();
    for expected in [
        "line 1, column `id`: expected an integer that is not negative, found `0x1`",
        "line 2, column `balance`: expected a number, found `12,5`",
    ] {
        let error = rooms.read().unwrap_err();
        assert!(error.to_string().ends_with(expected), "{error}");
    }
    assert_eq!(rooms.read().unwrap(), None);
}

#[test]
fn numbers_are_stored_as_digits_zoned_or_packed() {
    let input = Input::new("numbers.txt", "0012345001250012N\n       00007-0000{\n");
    let columns = [
        FixedColumn::new("a", 0..7).decimals(2),
        FixedColumn::new("b", 7..13).decimals(1),
        FixedColumn::new("c", 13..17).zoned(2),
    ];
    let mut numbers =
        FixedReader::<(Option<f64>, f64, f64)>::columns(columns.clone()).flexible().open(&input.0).unwrap();
    assert_eq!(numbers.read().unwrap(), Some((Some(123.45), 125.0, -1.25)));
    assert_eq!(numbers.read().unwrap(), Some((None, -0.7, 0.0)));
    let bad = Input::new("bad-numbers.txt", "00x2345001250012N\n");
    let error = FixedReader::<(f64, f64, f64)>::columns(columns).open(&bad.0).unwrap().read().unwrap_err();
    assert!(error.to_string().ends_with("column `a`: expected digits, found `00x2345`"), "{error}");
    let packed = Input::new("packed.dat", b"\x12\x3Cab\n\n\x01\x2Dcd\x40\x40ef");
    let columns = [FixedColumn::new("n", 0..2).packed(1), FixedColumn::new("t", 2..4)];
    let mut read = FixedReader::<(f64, String)>::columns(columns).record_bytes(4).open(&packed.0).unwrap();
    assert_eq!(read.read().unwrap(), Some((12.3, "ab".to_owned())));
    let error = read.read().unwrap_err();
    assert!(error.to_string().ends_with("column `n`: expected a packed decimal, found `0A 0A`"), "{error}");
}

#[cfg(feature = "encodings")]
#[test]
fn a_mainframe_file_is_read_from_anywhere_and_in_parts() {
    let mut bytes = Vec::new();
    for (name, zoned, packed) in
        [(b"\xC1\x82\x40", b"\xF1\xC2", b"\x00\x1C"), (b"\x15\xC3\x25", b"\xF0\xD7", b"\x99\x9D")]
    {
        bytes.extend_from_slice(name);
        bytes.extend_from_slice(zoned);
        bytes.extend_from_slice(packed);
    }
    let input = Input::new("host.dat", bytes);
    let open = || {
        let columns = [
            FixedColumn::new("name", 0..3),
            FixedColumn::new("zoned", 3..5).zoned(1),
            FixedColumn::new("packed", 5..7).packed(0),
        ];
        FixedReader::<(String, f64, i32)>::columns(columns)
            .record_bytes(7)
            .encoding("cp037")
            .open(&input.0)
            .unwrap()
    };
    restarts_everywhere(open, &[("Ab".into(), 1.2, 1), ("\u{85}C\n".into(), -0.7, -999)]);
    splits_everywhere(open);
}

#[test]
fn a_layout_that_cannot_be_read_is_refused_when_the_file_is_opened() {
    let input = Input::new("any.txt", "001Kitchen 12.5 \n");
    let problem = |options: FixedOptions<Room>| match options.open(&input.0) {
        Err(ReadError::Options { problem, .. }) => problem.into_string(),
        other => panic!("{other:?}"),
    };
    for (options, expected) in [
        (
            FixedReader::columns([("id", 0..3), ("name", 2..10), ("balance", 10..16)]),
            "columns `id` and `name` overlap",
        ),
        (FixedReader::columns([("id", 0..3), ("id", 3..10)]), "two columns are named `id`"),
        (FixedReader::columns([("id", 0..3), ("name", 3..3)]), "column `name` is empty: its range is 3..3"),
        (FixedReader::columns([("name", 3..10)]), "there is no column `id`, only `name`"),
        (FixedReader::columns(Vec::<FixedColumn>::new()), "declare at least one column"),
        (self::options().record_bytes(12), "the columns extend to byte 16, but a record has 12 bytes"),
        (
            FixedReader::columns([FixedColumn::new("id", 0..3).packed(0)]),
            "column `id` is packed, and packed bytes may look like a line ending; set `record_bytes`",
        ),
        #[cfg(feature = "encodings")]
        (
            self::options().encoding("cp500"),
            "lines cannot be found in a file in cp500; read it with `FixedReader` and `record_bytes`",
        ),
    ] {
        assert_eq!(problem(options), expected);
    }
}

#[test]
fn a_column_that_the_item_needs_and_the_layout_lacks_ends_the_reading() {
    let input = Input::new("lacks.txt", "001\n002\n");
    let mut rooms = FixedReader::<Room>::columns([("id", 0..3)]).open(&input.0).unwrap();
    for _ in 0..2 {
        let error = rooms.read().unwrap_err();
        assert!(error.to_string().ends_with("lacks.txt: there is no column `name`, only `id`"), "{error}");
        assert!(error.is_about_the_input());
    }
}

#[test]
fn a_trailer_is_checked_before_the_first_item() {
    let open = |content: &str| {
        let input = Input::new("trailer.txt", content);
        let reader =
            options().trailer(
                |trailer, records| {
                    if trailer == format!("T{records}") { Ok(()) } else { Err("other count") }
                },
            );
        (reader.open(&input.0).unwrap(), input)
    };
    let (mut good, _file) = open("001Kitchen 12.5 \n002Garden       \nT2\n");
    assert_eq!(rest(&mut good).len(), 2);
    let (mut bad, _file) = open("001Kitchen 12.5 \nT2\n");
    assert!(bad.read().unwrap_err().to_string().ends_with("line 2, trailer: other count"));
}

#[test]
fn a_layout_without_a_field_of_an_item_of_optional_fields_is_refused() {
    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only the names of its fields matter")]
    struct Notes {
        a: Option<u8>,
    }
    let input = Input::new("notes.txt", "1\n");
    let error = FixedReader::<Notes>::columns([("A", 0..1)]).open(&input.0).unwrap_err();
    assert!(
        error.to_string().contains("none of the columns is a field of the item: the columns are `A`"),
        "{error}"
    );
}

#[test]
fn a_date_that_would_lose_its_time_is_refused() {
    let input = Input::new("days.txt", "2024-01-31      \n2024-01-31T10:00\n");
    let mut days = FixedReader::<(jiff::civil::Date,)>::columns([("day", 0..16)]).open(&input.0).unwrap();
    assert!(days.read().unwrap().is_some());
    let error = days.read().unwrap_err();
    assert!(error.to_string().contains("line 2, column `day`: expected a date alone"), "{error}");
}

#[test]
fn stray_carriage_returns_and_byte_order_marks_are_errors_unless_the_reader_is_lenient() {
    let input = Input::new("stray.txt", "1\r\r\n2\n\u{feff}3\n");
    let options = || FixedReader::<(String,)>::columns([("a", 0..2)]).flexible();
    let mut strict = options().open(&input.0).unwrap();
    let error = strict.read().unwrap_err();
    assert!(strict.steps_over(&error));
    assert!(
        error.to_string().contains("line 1: a carriage return that does not end a line, at character 2"),
        "{error}"
    );
    assert_eq!(strict.record(&error).as_deref(), Some("1\r"));
    assert_eq!(strict.read().unwrap(), Some(("2".into(),)));
    let error = strict.read().unwrap_err().to_string();
    assert!(error.contains("line 3: a byte order mark within the input"), "{error}");
    assert_eq!(
        rest(&mut options().lenient().open(&input.0).unwrap()),
        [("1\r".into(),), ("2".into(),), ("\u{feff}3".into(),)]
    );
}

#[test]
fn a_line_that_can_be_a_record_is_one() {
    let input = Input::new("blank.txt", "a \n\n  \nb \n");
    let options = || FixedReader::<(Option<String>,)>::columns([("a", 0..2)]);
    let (a, none, b) = ((Some("a".to_owned()),), (None,), (Some("b".to_owned()),));
    assert_eq!(rest(&mut options().open(&input.0).unwrap()), [a.clone(), none.clone(), b.clone()]);
    assert_eq!(rest(&mut options().flexible().open(&input.0).unwrap()), [a, none.clone(), none, b]);
}

#[test]
fn the_record_of_an_error_is_that_of_its_bytes() {
    let input = Input::new("bytes.dat", "1\n2x3");
    let mut numbers = FixedReader::<(u8,)>::columns([("a", 0..2)]).record_bytes(2).open(&input.0).unwrap();
    for record in ["1\n", "2x", "3"] {
        let error = numbers.read().unwrap_err();
        assert_eq!(numbers.record(&error).as_deref(), Some(record), "{error}");
    }
}
