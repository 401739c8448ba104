//! Items that the CSV reader makes of good input.
#![cfg(feature = "csv")]

mod folder;

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;

use batch_runtime::Reader;
use batch_runtime::readers::{CsvOptions, CsvReader};
use folder::Folder;
use serde::{Deserialize, de::DeserializeOwned};

fn all<T: DeserializeOwned>(content: impl AsRef<[u8]>) -> Vec<T> {
    with(CsvReader::options(), content)
}

fn with<T: DeserializeOwned>(options: CsvOptions<T>, content: impl AsRef<[u8]>) -> Vec<T> {
    let folder = Folder::new();
    let mut reader = options.open(folder.file("in.csv", content)).unwrap();
    std::iter::from_fn(|| reader.read().unwrap()).collect()
}

fn is<T: DeserializeOwned + Debug + PartialEq>(content: &str, expected: &[T]) {
    assert_eq!(all::<T>(content), expected);
}

type Words = Vec<String>;

fn words<const N: usize>(words: [&str; N]) -> Words {
    words.map(str::to_owned).to_vec()
}

#[derive(Debug, PartialEq, Deserialize)]
struct Flight {
    carrier: String,
    number: i64,
    delay: Option<f64>,
}

fn flight(carrier: &str, number: i64, delay: Option<f64>) -> Flight {
    Flight { carrier: carrier.into(), number, delay }
}

#[test]
fn columns_go_to_fields_by_name_in_any_order() {
    is("x,delay,number,carrier\n0,1.5,7,AA\n0,,8,UA\n", &[flight("AA", 7, Some(1.5)), flight("UA", 8, None)]);
}

#[test]
fn the_last_line_needs_no_end() {
    is("carrier,number,delay\nAA,7,\nUA,8,2", &[flight("AA", 7, None), flight("UA", 8, Some(2.0))]);
}

#[test]
fn lines_may_end_with_cr_lf_and_blank_lines_are_skipped() {
    is(
        "\r\ncarrier,number,delay\r\n\r\nAA,7,\r\n\n\nUA,8,2\r\n\r\n",
        &[flight("AA", 7, None), flight("UA", 8, Some(2.0))],
    );
}

#[test]
fn a_byte_order_mark_is_skipped() {
    is("\u{FEFF}carrier,number,delay\nAA,7,\n", &[flight("AA", 7, None)]);
    is("\u{FEFF}\"carrier\",number,delay\nAA,7,\n", &[flight("AA", 7, None)]);
}

#[test]
fn a_header_alone_yields_no_items() {
    is::<Flight>("carrier,number,delay\n", &[]);
    is::<Flight>("carrier,number,delay", &[]);
}

#[test]
fn quoted_fields_hold_delimiters_line_ends_and_doubled_quotes() {
    let content = "a,b\n\"x,\"\"y\"\"\",\"two\nlines\r\nthree\"\n\"\",\"\"\"\"\n";
    is(content, &[words(["x,\"y\"", "two\nlines\r\nthree"]), words(["", "\""])]);
}

#[test]
fn a_lenient_reader_reads_a_quote_inside_a_field_as_a_character() {
    let options = CsvReader::<Words>::options().lenient();
    let read = with(options, "a,b\n5\" pipe,\"q\"uote\nx,\"\"\n");
    assert_eq!(read, [words(["5\" pipe", "quote"]), words(["x", ""])]);
}

#[test]
fn quotes_may_be_turned_off() {
    let options = CsvReader::<Words>::options().without_quotes();
    assert_eq!(with(options, "a,b\n\"x,y\"\n"), [words(["\"x", "y\""])]);
}

#[test]
fn delimiter_and_quote_may_be_changed() {
    let options = CsvReader::<Words>::options().delimiter(b'\t').quote(b'\'');
    assert_eq!(with(options, "a\tb\n'x\ty'\t\"\n"), [words(["x\ty", "\""])]);
}

#[test]
fn comment_lines_are_skipped_wherever_they_are() {
    let options = CsvReader::<Words>::options().comment(b'#');
    let content = "# \"open\na,b\n#x\n1,#2\n#\n#y\r\n\"#3\",4\n# end";
    assert_eq!(with(options, content), [words(["1", "#2"]), words(["#3", "4"])]);
}

#[test]
fn a_comment_may_be_longer_than_the_buffer() {
    let options = CsvReader::<Words>::options().comment(b'#').longest_record(1000);
    let content = format!("a\n#{}\n1\n", "x,\"".repeat(200_000));
    assert_eq!(with(options, content), [words(["1"])]);
}

#[test]
fn null_markers_are_none() {
    let options = CsvReader::<Flight>::options().null("NA").null("-999");
    let content = "carrier,number,delay\nAA,1,NA\nAA,2,-999\nAA,3,-99\n";
    let expected = [flight("AA", 1, None), flight("AA", 2, None), flight("AA", 3, Some(-99.0))];
    assert_eq!(with(options, content), expected);
}

#[test]
fn null_markers_are_the_default_of_a_field_with_a_default() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Row {
        name: String,
        #[serde(default = "seven")]
        count: u8,
        delay: Option<i32>,
    }
    fn seven() -> u8 {
        7
    }
    let row = |name: &str, count, delay| Row { name: name.into(), count, delay };
    let options = CsvReader::<Row>::options().null("NA");
    let content = "name,count,delay\na,1,2\nb,NA,3\nc,NA,NA\nd,4,NA\n";
    let expected = [row("a", 1, Some(2)), row("b", 7, Some(3)), row("c", 7, None), row("d", 4, None)];
    assert_eq!(with(options, content), expected);
    let options = CsvReader::<Row>::options().null("NA");
    assert_eq!(
        with(options, "name,count,delay\nb,NA,3\na,1,2\n"),
        [row("b", 7, Some(3)), row("a", 1, Some(2))]
    );
}

#[test]
fn fields_and_names_may_be_trimmed() {
    let options = CsvReader::<Flight>::options().trimmed();
    assert_eq!(with(options, " carrier ,number, delay\n AA ,\t7, \n"), [flight("AA", 7, None)]);
}

#[test]
fn without_a_header_columns_go_to_fields_by_position() {
    let options = CsvReader::<Flight>::options().without_header();
    assert_eq!(with(options, "AA,7,\nUA,8,2\n"), [flight("AA", 7, None), flight("UA", 8, Some(2.0))]);
    let options = CsvReader::<(String, u8)>::options().without_header();
    assert_eq!(with(options, "AA,7\n"), [("AA".to_owned(), 7)]);
    let options = CsvReader::<Flight>::options().without_header();
    assert_eq!(with(options, ""), []);
}

#[test]
fn a_flexible_file_may_lack_fields_and_have_more() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Row {
        a: String,
        b: Option<u8>,
        #[serde(default)]
        c: u8,
    }
    let row = |a: &str, b, c| Row { a: a.into(), b, c };
    let options = CsvReader::<Row>::options().flexible();
    let expected = [row("1", Some(2), 3), row("1", None, 0), row("1", Some(2), 0), row("1", Some(2), 3)];
    assert_eq!(with(options, "a,b,c\n1,2,3\n1\n1,2\n1,2,3,4,5\n"), expected);
    let options = CsvReader::<Row>::options().flexible();
    assert_eq!(with(options, "a,b,c\n1\n1,2,3\n"), [row("1", None, 0), row("1", Some(2), 3)]);
}

#[test]
fn columns_that_no_field_needs_may_be_missing_from_the_header() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Row {
        a: u8,
        b: Option<u8>,
        #[serde(default)]
        c: String,
    }
    let expected = [Row { a: 1, b: None, c: String::new() }, Row { a: 2, b: None, c: String::new() }];
    is("x,a\n9,1\n9,2\n", &expected);
}

#[test]
fn serde_attributes_apply() {
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "UPPERCASE")]
    struct Row {
        #[serde(rename = "first")]
        a: u8,
        #[serde(alias = "bee", alias = "BB")]
        b: u8,
        #[serde(skip)]
        c: u8,
        #[serde(deserialize_with = "doubled")]
        d: u8,
    }
    fn doubled<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u8, D::Error> {
        u8::deserialize(deserializer).map(|value| value * 2)
    }
    let expected = [Row { a: 1, b: 2, c: 0, d: 6 }, Row { a: 4, b: 5, c: 0, d: 12 }];
    is("D,bee,first,c\n3,2,1,9\n6,5,4,9\n", &expected);
    is("D,B,first,c\n3,2,1,9\n6,5,4,9\n", &expected);
}

#[test]
fn every_scalar_type_is_read() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Row {
        a: i8,
        b: u16,
        c: i128,
        d: u128,
        e: f32,
        f: bool,
        g: char,
        h: Kind,
        i: Wrapped,
        j: Option<Kind>,
        k: (),
    }
    #[derive(Debug, PartialEq, Deserialize)]
    enum Kind {
        #[serde(rename = "on time")]
        OnTime,
        Late,
    }
    #[derive(Debug, PartialEq, Deserialize)]
    struct Wrapped(u32);
    let row = Row {
        a: -128,
        b: 65_535,
        c: i128::MIN,
        d: u128::MAX,
        e: 0.5,
        f: true,
        g: 'é',
        h: Kind::OnTime,
        i: Wrapped(4),
        j: Some(Kind::Late),
        k: (),
    };
    let line = format!("-128,65535,{},{},5e-1,true,é,on time,4,Late,", i128::MIN, u128::MAX);
    is(&format!("a,b,c,d,e,f,g,h,i,j,k\n{line}\n"), &[row]);
}

#[test]
fn flattened_structs_and_maps_are_read() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Row {
        id: u8,
        #[serde(flatten)]
        place: Place,
        #[serde(flatten)]
        rest: BTreeMap<String, f64>,
    }
    #[derive(Debug, PartialEq, Deserialize)]
    struct Place {
        city: String,
        height: u16,
    }
    let row = |id, city: &str, height| Row {
        id,
        place: Place { city: city.into(), height },
        rest: BTreeMap::from([("temperature".to_owned(), 1.5)]),
    };
    is(
        "city,id,temperature,height\nRome,1,1.5,21\ninfinity,2,1.5,22\n",
        &[row(1, "Rome", 21), row(2, "infinity", 22)],
    );
}

#[test]
fn maps_sequences_tuples_and_single_values_are_items_too() {
    is("a,b\n1,2\n", &[HashMap::from([("a".to_owned(), 1_u8), ("b".to_owned(), 2)])]);
    is("a,b\n1,2\n", &[(1_u8, "2".to_owned())]);
    is("a\n1\n2\n", &[1_u8, 2]);
    let nulls = CsvReader::<Option<u8>>::options().quoted_nulls();
    assert_eq!(with(nulls, "a\n1\n\"\"\n"), [Some(1_u8), None]);
    is("a\n1\n2\n", &["1".to_owned(), "2".to_owned()]);
}

#[test]
fn a_type_with_its_own_constructor_is_read() {
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(try_from = "Raw")]
    struct Checked(u8);
    #[derive(Deserialize)]
    struct Raw {
        a: u8,
    }
    impl TryFrom<Raw> for Checked {
        type Error = String;
        fn try_from(raw: Raw) -> Result<Self, String> {
            Ok(Self(raw.a))
        }
    }
    is("a\n1\n2\n", &[Checked(1), Checked(2)]);
}

#[test]
fn a_type_that_takes_names_only_is_read() {
    #[derive(Debug, PartialEq)]
    struct ByHand(u8);
    impl<'de> Deserialize<'de> for ByHand {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Visitor;
            impl<'de> serde::de::Visitor<'de> for Visitor {
                type Value = ByHand;
                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str("a map")
                }
                fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<ByHand, A::Error> {
                    let mut sum = 0;
                    while let Some((_, value)) = map.next_entry::<String, u8>()? {
                        sum += value;
                    }
                    Ok(ByHand(sum))
                }
            }
            deserializer.deserialize_struct("ByHand", &["a", "b"], Visitor)
        }
    }
    is("a,b\n1,2\n3,4\n", &[ByHand(3), ByHand(7)]);
}

#[test]
fn a_record_may_be_longer_than_the_buffer() {
    let long = "long \"\"text\"\",\n".repeat(50_000);
    let rows = all::<Words>(format!("a,b\n1,\"{long}\"\n2,{}\n3,4\n", "y".repeat(300_000)));
    assert_eq!(
        rows,
        [words(["1", &long.replace("\"\"", "\"")]), words(["2", &"y".repeat(300_000)]), words(["3", "4"])]
    );
}

#[test]
fn the_location_is_the_line_on_which_the_record_begins() {
    let folder = Folder::new();
    let path = folder.file("in.csv", "a\n\n\"1\n1\"\n2\n");
    let mut reader = CsvReader::<String>::options().skip_blank_lines().open(&path).unwrap();
    reader.read().unwrap();
    assert_eq!(reader.location().unwrap(), format!("{}, line 3", path.display()));
    reader.read().unwrap();
    assert_eq!(reader.location().unwrap(), format!("{}, line 5", path.display()));
}

#[test]
fn a_file_below_the_working_folder_is_named_relative_to_it() {
    let reader = CsvReader::<Words>::open(std::path::absolute("Cargo.toml").unwrap()).unwrap();
    assert!(reader.location().unwrap().starts_with("Cargo.toml, line "));
}

#[test]
fn progress_ends_with_the_length_of_the_file() {
    let folder = Folder::new();
    let content = "a\n".repeat(1_000_000);
    let mut reader = CsvReader::<String>::open(folder.file("in.csv", &content)).unwrap();
    reader.read().unwrap();
    let progress = reader.progress().unwrap();
    assert!(progress.done < progress.total / 2);
    while reader.read().unwrap().is_some() {}
    let progress = reader.progress().unwrap();
    assert_eq!((progress.done, progress.total), (content.len() as u64, content.len() as u64));
}
