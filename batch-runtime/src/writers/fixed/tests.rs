use std::fmt::Debug;

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::*;
use crate::Reader;
use crate::readers::FixedReader;

/// A path in a folder of its own, which is removed at the end of the test.
struct Output(PathBuf);

impl Output {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("batch-fixed-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&folder).unwrap();
        Self(folder.join("rooms.txt"))
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        // After a refused item, the unfinished file is in the folder too.
        let _ = self.0.parent().map(std::fs::remove_dir_all);
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Room {
    id: i32,
    name: String,
    note: Option<String>,
    size: Option<f64>,
    cents: i64,
    kind: char,
}

fn columns() -> [FixedColumn; 6] {
    [
        FixedColumn::new("size", 40..52).right(),
        FixedColumn::new("id", 1..12).zeros(),
        FixedColumn::new("name", 12..24),
        FixedColumn::new("note", 26..38).right(),
        FixedColumn::new("cents", 60..70).zoned(0),
        FixedColumn::new("kind", 70..71),
    ]
}

fn write_to<T: Serializes>(output: &Output, items: &[T], writer: FixedWriter<T>) -> Result<(), WriteError> {
    let mut writer = writer.overwrite(true);
    writer.open(None)?;
    writer.write(items, &ChunkTransaction::none())?;
    writer.prepare(Durability::Process)?;
    writer.seal(Durability::Process)?;
    writer.finish(Durability::Process)?;
    assert!(output.0.exists());
    Ok(())
}

/// Writes the item, and reads it back with a reader that refuses records of another length.
fn is_read_back_or_refused<T>(columns: &[FixedColumn], item: &T) -> Result<(), TestCaseError>
where
    T: Serialize + DeserializeOwned + Debug,
{
    let output = Output::new();
    let writer = FixedWriter::create(&output.0, columns.iter().cloned());
    match write_to(&output, std::slice::from_ref(item), writer) {
        Ok(()) => {
            let line = std::fs::read_to_string(&output.0).unwrap();
            let mut reader = FixedReader::<T>::columns(columns.iter().cloned()).open(&output.0).unwrap();
            let read = reader.read().map_err(|error| TestCaseError::fail(format!("{line:?}: {error}")))?;
            prop_assert_eq!(format!("{read:?}"), format!("{:?}", Some(item)), "{:?}", line);
            prop_assert!(reader.read().unwrap().is_none());
        }
        Err(WriteError::Item { .. }) => {}
        Err(error) => prop_assert!(false, "{error}"),
    }
    Ok(())
}

/// Columns with these names, of any form and width, with gaps between them.
fn layout(names: &'static [&'static str]) -> impl Strategy<Value = Vec<FixedColumn>> {
    let column = (0_usize..5, 0_usize..4, 1_usize..9, 0_usize..3);
    prop::collection::vec(column, names.len()).prop_map(move |columns| {
        let mut at = 0;
        let place = |(name, (form, scale, width, gap)): (&&str, (usize, usize, usize, usize))| {
            let column = FixedColumn::new(*name, at + gap..at + gap + width);
            at += gap + width;
            match form {
                0 => column,
                1 => column.right(),
                2 => column.zeros(),
                3 => column.decimals(scale),
                _ => column.zoned(scale),
            }
        };
        names.iter().zip(columns).map(place).collect()
    })
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Texts {
    first: String,
    maybe: Option<String>,
    character: char,
    last: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Numbers {
    count: i32,
    maybe: Option<u64>,
    real: f64,
    short: Option<f32>,
    wide: i128,
}

/// Texts that look like numbers, and others.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "-?[0-9]{1,9}",
        "-?[0-9]{1,4}\\.[0-9]{0,4}",
        "[-+.0 7]{0,5}",
        "[0-9]{0,4}[{}A-R]?",
        "[ a-c\\r\\n\u{0}é\u{feff}]{0,9}",
    ]
}

fn real() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<f64>(),
        (-99_999_i32..99_999).prop_map(|hundredths| f64::from(hundredths) / 100.0),
        prop::sample::select(vec![0.0, -0.0, f64::NAN, f64::INFINITY, 5e-324]),
    ]
}

proptest! {
    #[test]
    fn an_item_is_read_back_as_it_was_or_refused(
        id in any::<i32>(),
        name in "[ a-c\\r\\n\u{0}é\u{feff}]{0,13}",
        note in prop::option::of("[ a-b]{0,4}"),
        size in prop::option::of(any::<f64>()),
        cents in -99_999_999_999_i64..99_999_999_999,
        kind in prop::char::any(),
    ) {
        is_read_back_or_refused(&columns(), &Room { id, name, note, size, cents, kind })?;
    }

    #[test]
    fn a_text_is_read_back_as_it_was_or_refused_whatever_the_column(
        columns in layout(&["first", "maybe", "character", "last"]),
        first in text(),
        maybe in prop::option::of(text()),
        character in prop_oneof![prop::char::any(), prop::char::range('-', '9')],
        last in text(),
    ) {
        is_read_back_or_refused(&columns, &Texts { first, maybe, character, last })?;
    }

    #[test]
    fn a_number_is_read_back_as_it_was_or_refused_whatever_the_column(
        columns in layout(&["count", "maybe", "real", "short", "wide"]),
        count in prop_oneof![any::<i32>(), -99..99],
        maybe in prop::option::of(prop_oneof![any::<u64>(), 0_u64..999]),
        real in real(),
        short in prop::option::of(real()),
        wide in prop_oneof![any::<i128>(), -99_i128..99],
    ) {
        #[expect(clippy::cast_possible_truncation, reason = "any float will do")]
        let short = short.map(|real| real as f32);
        is_read_back_or_refused(&columns, &Numbers { count, maybe, real, short, wide })?;
    }
}

#[test]
fn a_text_of_digits_is_kept_or_refused_with_what_it_would_become() {
    let write = |column: FixedColumn, text: &str| {
        let output = Output::new();
        write_to(&output, &[(text, "x")], FixedWriter::create(&output.0, [column, ("b", 6..7).into()]))
            .map(|()| std::fs::read_to_string(&output.0).unwrap())
            .map_err(|error| error.to_string())
    };
    let column = || FixedColumn::new("a", 0..6);
    for (column, text, line) in [
        (column().zeros(), "000007", "000007x\n"),
        (column().decimals(2), "1.50", "000150x\n"),
        (column().zoned(0), "-7", "00000Px\n"),
        (column().right(), "007", "   007x\n"),
    ] {
        assert_eq!(write(column, text).unwrap(), line);
    }
    for (column, text, read) in [
        (column().zeros(), "7", "000007"),
        (column().zeros(), "-", "-00000"),
        (column().decimals(0), "0479", "479"),
        (column().zoned(0), "0479", "479"),
        (column().decimals(2), "1.5", "1.50"),
    ] {
        let refused = write(column, text).unwrap_err();
        let expected = format!(
            "record 1, field `a`: the text `{text}` would be read back as `{read}`, because the column holds numbers; write a number, or a text in that form"
        );
        assert!(refused.ends_with(&expected), "{refused}");
    }
}

#[test]
fn an_integer_in_a_column_with_decimals_is_read_back() {
    let output = Output::new();
    let columns = || {
        [FixedColumn::new("a", 0..5).decimals(2), FixedColumn::new("b", 5..9).zoned(1), ("c", 9..13).into()]
    };
    let items = [(7_u8, -12_i64, "1.00".to_owned()), (0, 0, "x".to_owned())];
    write_to(&output, &items, FixedWriter::create(&output.0, columns())).unwrap();
    assert_eq!(std::fs::read_to_string(&output.0).unwrap(), "00700012}1.00\n00000000{x   \n");
    let mut reader = FixedReader::<(u8, i64, String)>::columns(columns()).open(&output.0).unwrap();
    assert_eq!(std::array::from_fn(|_| reader.read().unwrap().unwrap()), items);
    for (lines, column) in [("00701012}1.00\n", "a"), ("00700012J1.00\n", "b"), ("25600012}1   \n", "a")] {
        std::fs::write(&output.0, lines).unwrap();
        let mut reader = FixedReader::<(u8, i64, String)>::columns(columns()).open(&output.0).unwrap();
        let error = reader.read().unwrap_err().to_string();
        assert!(error.contains(&format!("column `{column}`: expected an integer")), "{error}");
    }
    std::fs::write(&output.0, "00700012}1.00\n").unwrap();
    let mut reader = FixedReader::<(u8, i64, u8)>::columns(columns()).open(&output.0).unwrap();
    let error = reader.read().unwrap_err().to_string();
    assert!(error.contains("column `c`: expected an integer"), "{error}");
}

#[test]
fn values_are_padded_and_numbers_are_written_in_the_format_of_their_column() {
    let output = Output::new();
    let columns = [
        FixedColumn::new("a", 0..4),
        FixedColumn::new("b", 4..8).right(),
        FixedColumn::new("c", 8..13).zeros(),
        FixedColumn::new("d", 13..19).decimals(2),
        FixedColumn::new("e", 19..23).zoned(1),
    ];
    let items = [("ab", "cd", -7, Some(-1.5), 2.5), ("", "é", 3, None, -0.1)];
    let writer = FixedWriter::create(&output.0, columns).header("HEAD").crlf();
    write_to(&output, &items, writer).unwrap();
    let expected = "HEAD\r\nab    cd-0007-00150002E\r\n       é00003      000J\r\n";
    assert_eq!(std::fs::read_to_string(&output.0).unwrap(), expected);
}

#[test]
fn a_value_that_its_column_cannot_hold_is_refused_and_named() {
    let output = Output::new();
    for (item, problem) in [
        (("abcde", 1.0), "field `a`: the value takes 5 characters, but the column has 4"),
        ((" a", 1.0), "field `a`: the spaces at the edges of the value would be lost"),
        (("a", 1.25), "field `b`: the value has 2 decimals, but the column holds 1"),
        (("a", 1e30), "field `b`: the "),
        (("a", f64::NAN), "field `b`: the column holds digits, but the value is not a plain number"),
        (("a\nb", 1.0), "a value has a line ending in it"),
    ] {
        let columns = [FixedColumn::new("a", 0..4), FixedColumn::new("b", 4..9).decimals(1)];
        let refused = write_to(&output, &[item], FixedWriter::create(&output.0, columns)).unwrap_err();
        assert!(refused.to_string().contains(problem), "{refused}");
    }
    let blank =
        write_to(&output, &[(None::<u8>, "")], FixedWriter::create(&output.0, [("a", 0..1), ("b", 1..2)]));
    assert!(blank.unwrap_err().to_string().contains("it would be a blank line"));
}

#[test]
fn columns_that_do_not_fit_the_item_are_refused() {
    #[derive(Serialize)]
    struct Pair {
        a: u8,
        b: u8,
    }
    let output = Output::new();
    for (columns, problem) in [
        (vec![("a", 0..1)], "the item has a field `b`, but there is no such column"),
        (vec![("a", 0..1), ("b", 1..2), ("c", 2..3)], "the item has no field `c`"),
        (vec![("a", 0..2), ("b", 1..2)], "columns `a` and `b` overlap"),
    ] {
        let writer = FixedWriter::create(&output.0, columns);
        let refused = write_to(&output, &[Pair { a: 1, b: 2 }], writer).unwrap_err();
        assert!(refused.to_string().contains(problem), "{refused}");
    }
}

#[test]
fn a_restart_with_other_columns_is_refused() {
    let output = Output::new();
    let create =
        |ranges: [(&str, std::ops::Range<usize>); 2]| FixedWriter::<(u8, u8)>::create(&output.0, ranges);
    let mut first = create([("a", 0..2), ("b", 2..4)]);
    first.open(None).unwrap();
    first.write(&[(1, 2)], &ChunkTransaction::none()).unwrap();
    first.prepare(Durability::Process).unwrap();
    let position = first.position();
    drop(first);
    for mut changed in [
        create([("a", 0..2), ("b", 2..5)]),
        create([("b", 0..2), ("a", 2..4)]),
        create([("a", 0..2), ("b", 2..4)]).crlf(),
    ] {
        let refused = changed.open(Some(position)).unwrap_err();
        assert!(matches!(refused, WriteError::Changed { .. }), "{refused}");
        assert!(refused.to_string().contains("must stay as they were: columns and line ending"), "{refused}");
    }
    create([("a", 0..2), ("b", 2..4)]).open(Some(position)).unwrap();
}
