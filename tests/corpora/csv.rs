//! The dialects of the package csv-spectrum.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use batch_runtime::readers::{CsvOptions, CsvReader};

use crate::{Outcome, corpus, in_time, read_with_restarts};

type Row = BTreeMap<String, String>;

/// A file that is not CSV by RFC 4180, because a quote is within an unquoted field. Its JSON describes another record.
const NOT_CSV: &str = "location_coordinates";

fn rows(path: &Path, options: CsvOptions<Row>) -> Outcome<Row> {
    let path = path.to_owned();
    in_time(&path.display().to_string(), move || {
        read_with_restarts(|| options.clone().open(&path), fs::read(&path).unwrap().len())
    })
}

#[test]
fn every_csv_file_is_read_as_its_json_says_except_the_one_with_a_quote_in_an_unquoted_field() {
    let Some(package) = corpus("csv-spectrum") else { return };
    let mut names: Vec<String> = fs::read_dir(package.join("csvs"))
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    assert_eq!(names.len(), 12);
    for name in names {
        let path = package.join(format!("csvs/{name}.csv"));
        let outcome = rows(&path, CsvReader::options());
        if name == NOT_CSV {
            assert!(outcome.items.is_empty());
            assert!(outcome.error().unwrap().contains("a quote"), "{outcome:?}");
            let lenient = rows(&path, CsvReader::options().lenient());
            assert!(lenient.is_accepted(), "{lenient:?}");
            let place = "37\u{fffd}36'37.8\"N 121\u{fffd}2'17.9\"W";
            assert_eq!(lenient.items.len(), 1);
            assert_eq!(lenient.items[0]["Location Coordinates"], place);
            continue;
        }
        let json = fs::read(package.join(format!("json/{name}.json"))).unwrap();
        let expected: Vec<Row> = serde_json::from_slice(&json).unwrap();
        assert!(outcome.is_accepted(), "{name}: {outcome:?}");
        assert_eq!(outcome.items, expected, "{name}");
    }
}
