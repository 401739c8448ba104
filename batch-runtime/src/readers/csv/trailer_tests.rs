use super::*;
use crate::definition::Splittable;
use crate::readers::Totals;
use crate::readers::tests::{Input, restarts_everywhere, splits_everywhere, stored};

type Row = (u32, String);

fn counts(trailer: &str, records: u64) -> Result<(), String> {
    match trailer.strip_prefix("T;").and_then(|count| count.parse::<u64>().ok()) {
        Some(count) if count == records => Ok(()),
        Some(count) => Err(format!("it says {count} records, but there are {records}")),
        None => Err("expected `T;` and the number of records".to_owned()),
    }
}

fn open(input: &Input) -> CsvReader<Row> {
    CsvReader::options().delimiter(b';').trailer(counts).open(&input.0).unwrap()
}

fn rows(rows: &[(u32, &str)]) -> Vec<Row> {
    rows.iter().map(|(id, name)| (*id, (*name).to_owned())).collect()
}

fn first_error<T: CsvItem>(mut reader: CsvReader<T>) -> String {
    loop {
        match reader.read() {
            Ok(Some(_)) => {}
            Ok(None) => panic!("no error"),
            Err(error) => {
                assert!(error.is_about_the_input(), "{error}");
                // The same again.
                assert_eq!(reader.read().err().unwrap().to_string(), error.to_string());
                return error.to_string().strip_prefix(error.resource()).unwrap().to_owned();
            }
        }
    }
}

#[test]
fn a_trailer_is_no_item_and_is_checked_before_the_first() {
    let good = Input::new("good.csv", "id;name\n1;a\n2;\"b\nc\"\n\nbad;x\n3;\"d\"\nT;4\n\n");
    restarts_everywhere(|| open(&good), &rows(&[(1, "a"), (2, "b\nc"), (3, "d")]));
    splits_everywhere(|| open(&good));
    for (content, problem) in [
        ("id;name\n1;a\nT;3\n", ", line 3, trailer: it says 3 records, but there are 1"),
        ("id;name\n1;a\n2;b\n", ", line 3, trailer: expected `T;` and the number of records"),
        ("id;name\n", ", line 2, trailer: there is none"),
        ("id;name\n1;a\n\"T\"x;1\n", ", line 4, trailer: "),
    ] {
        let bad = Input::new("bad.csv", content);
        let found = first_error(open(&bad));
        assert!(found.starts_with(problem), "{found}");
        assert!(open(&bad).split(3).is_err());
    }
}

#[test]
fn without_a_header_the_first_record_says_how_many_columns_there_are() {
    let input = Input::new("plain.csv", "1;a\n2;b;c\n3;d\nT;3");
    let open = || {
        CsvReader::<Row>::options().delimiter(b';').without_header().trailer(counts).open(&input.0).unwrap()
    };
    restarts_everywhere(open, &rows(&[(1, "a"), (3, "d")]));
    splits_everywhere(open);
}

#[derive(Default)]
struct Sum(u32);

impl Totals<Row> for Sum {
    fn add(&mut self, item: &Row) {
        self.0 += item.0;
    }
}

#[test]
fn totals_over_the_items_are_compared_with_the_trailer() {
    let open = |input: &Input| {
        let check = |sum: &Sum, trailer: &str, records: u64| {
            let found = format!("{} in {records}", sum.0);
            if found == trailer { Ok(()) } else { Err(format!("found {found}")) }
        };
        CsvReader::<Row>::options().without_header().trailer_with_totals(check).open(&input.0).unwrap()
    };
    let good = Input::new("sum.csv", "1,a\n2,b\n39,c\n42 in 3");
    restarts_everywhere(|| open(&good), &rows(&[(1, "a"), (2, "b"), (39, "c")]));
    splits_everywhere(|| open(&good));
    let bad = Input::new("sum-bad.csv", "1,a\ntwo,b\n39,c\n42 in 3");
    let found = first_error(open(&bad));
    assert!(found.contains("found 40 in 3; not every record could be read"), "{found}");
    assert!(found.contains("line 2, column `1`: expected an integer"), "{found}");
}

#[cfg(feature = "gzip")]
#[test]
fn the_trailer_of_a_compressed_file_is_checked_too() {
    use std::io::Write as _;

    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    writeln!(gzip, "id;name").unwrap();
    for id in 0..50_000 {
        writeln!(gzip, "{id};row").unwrap();
    }
    writeln!(gzip, "T;50000").unwrap();
    let input = Input::new("trailer.csv.gz", gzip.finish().unwrap());
    let mut reader = open(&input);
    assert_eq!(reader.read().unwrap(), Some((0, "row".to_owned())));
    let mut restarted = open(&input);
    restarted.resume(stored(&reader)).unwrap();
    assert_eq!(crate::readers::tests::rest(&mut restarted).len(), 49_999);
}

#[test]
fn a_restart_that_has_a_trailer_only_now_is_refused() {
    let input = Input::new("late.csv", "id;name\n1;a\nT;1\n");
    let mut without = CsvReader::<Row>::options().delimiter(b';').open(&input.0).unwrap();
    without.read().unwrap();
    let error = open(&input).resume(stored(&without)).unwrap_err();
    assert!(error.to_string().contains("it was read without its trailer"), "{error}");
}

#[test]
fn a_position_before_the_first_record_is_resumed_with_the_check() {
    let input = Input::new("begin.csv", "id;name\n1;a\nT;2\n");
    let begin = stored(&open(&input));
    let mut reader = open(&input);
    reader.resume(begin).unwrap();
    assert_eq!(first_error(reader), ", line 3, trailer: it says 2 records, but there are 1");
}

#[test]
fn a_borrowed_record_is_not_the_trailer() {
    use crate::readers::{CsvRecord, Lent};

    let input = Input::new("lent.csv", "id;name\n1;a\n2;b\nT;2\n");
    let mut reader = CsvReader::<Lent<CsvRecord<'static>>>::options()
        .delimiter(b';')
        .trailer(counts)
        .open(&input.0)
        .unwrap();
    let mut records = 0;
    while let Some(record) = reader.read().unwrap() {
        records += 1;
        reader.recycle(record);
    }
    assert_eq!(records, 2);
}
