use proptest::prelude::*;
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
        let output = Output::new();
        let room = Room { id, name, note, size, cents, kind };
        let written = write_to(&output, std::slice::from_ref(&room), FixedWriter::create(&output.0, columns()));
        match written {
            Ok(()) => {
                let options = FixedReader::<Room>::columns(columns()).flexible();
                let mut reader = options.open(&output.0).unwrap();
                prop_assert_eq!(reader.read().unwrap(), Some(room));
                prop_assert_eq!(reader.read().unwrap(), None);
            }
            Err(WriteError::Item { .. }) => {}
            Err(error) => prop_assert!(false, "{error}"),
        }
    }
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
