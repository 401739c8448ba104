//! In every format, a number that would become zero or infinite is refused with its place, and the records around it are read.

#![cfg(all(feature = "csv", feature = "fixed", feature = "xml"))]

mod folder;

use batch_runtime::Reader;
use batch_runtime::readers::{
    CsvReader, FixedReader, JsonArrayReader, JsonLinesReader, ReadError, SqliteReader, XmlReader,
};
use folder::Folder;
use serde::de::DeserializeOwned;

const REFUSED: [&str; 6] = ["1e-999", "-4e-330", "1e400", "-1E+309", "0.01e-323", "123e-400"];
const REFUSED_AS_SINGLE: [&str; 4] = ["1e-60", "7e-46", "-1e39", "1e300"];

fn outcomes<T, R: Reader<Item = (T,), Error = ReadError>>(mut reader: R) -> [bool; 3] {
    std::array::from_fn(|_| match reader.read() {
        Ok(item) => item.is_some(),
        Err(error) => {
            assert!(error.is_about_a_record(), "{error}");
            let message = error.to_string();
            assert!(message.contains("line 2"), "{message}");
            assert!(message.contains("fits f") || message.contains("out of range"), "{message}");
            false
        }
    })
}

fn all_formats<T: DeserializeOwned + Send + 'static>(number: &str) -> Vec<(&'static str, [bool; 3])> {
    let folder = Folder::new();
    let csv = folder.file("a.csv", format!("1\n{number}\n2.5\n"));
    let fixed = folder.file("a.txt", format!("{:<9}\n{number:<9}\n{:<9}\n", "1", "2.5"));
    let lines = folder.file("a.jsonl", format!("[1]\n[{number}]\n[2.5]\n"));
    let array = folder.file("a.json", format!("[[1],\n[{number}],\n[2.5]]"));
    vec![
        ("CSV", outcomes(CsvReader::<(T,)>::options().without_header().open(csv).unwrap())),
        ("fixed", outcomes(FixedReader::<(T,)>::columns([("n", 0..9)]).open(fixed).unwrap())),
        ("JSON lines", outcomes(JsonLinesReader::<(T,)>::open(lines).unwrap())),
        ("JSON array", outcomes(JsonArrayReader::<(T,)>::open(array).unwrap())),
    ]
}

#[test]
fn a_number_beyond_the_range_of_its_type_is_refused() {
    for number in REFUSED {
        for (format, found) in all_formats::<f64>(number).into_iter().chain(all_formats::<f32>(number)) {
            assert_eq!(found, [true, false, true], "{number} in {format}");
        }
    }
    for number in REFUSED_AS_SINGLE {
        for (format, found) in all_formats::<f32>(number) {
            assert_eq!(found, [true, false, true], "{number} in {format}");
        }
        for (format, found) in all_formats::<f64>(number) {
            assert_eq!(found, [true, true, true], "{number} in {format}");
        }
    }
}

#[test]
fn the_text_of_such_a_number_is_kept() {
    for number in REFUSED {
        let folder = Folder::new();
        let csv = folder.file("a.csv", format!("n\n{number}\n"));
        assert_eq!(CsvReader::<(String,)>::open(csv).unwrap().read().unwrap().unwrap().0, number);
    }
}

#[test]
fn xml_refuses_such_a_number_wherever_it_is_a_number() {
    #[derive(Debug, serde::Deserialize)]
    #[serde(bound(deserialize = "T: serde::Deserialize<'de>"))]
    #[expect(dead_code, reason = "only its errors matter")]
    struct Row<T> {
        #[serde(rename = "@a")]
        attribute: Option<T>,
        element: Option<T>,
        #[serde(default)]
        many: Vec<T>,
        text: Option<String>,
    }

    fn is_read<T: DeserializeOwned>(content: &str) -> bool {
        let folder = Folder::new();
        let input = folder.file("a.xml", format!("<r><x/>{content}<x/></r>"));
        let mut reader = XmlReader::<Row<T>>::options().element("x").open(input).unwrap();
        assert!(reader.read().is_ok());
        let read = match reader.read() {
            Ok(item) => item.is_some(),
            Err(error) => {
                assert!(error.is_about_a_record() && error.to_string().contains("out of range"), "{error}");
                false
            }
        };
        assert!(reader.read().unwrap().is_some());
        read
    }

    for number in REFUSED.into_iter().chain(REFUSED_AS_SINGLE) {
        let as_double = !REFUSED.contains(&number);
        for content in [
            format!("<x a=\"{number}\"/>"),
            format!("<x><element> {number} </element></x>"),
            format!("<x><many>1</many><many>{number}</many></x>"),
        ] {
            assert_eq!(is_read::<f64>(&content), as_double, "{content}");
            assert!(!is_read::<f32>(&content), "{content}");
            assert!(is_read::<String>(&content), "{content}");
        }
        assert!(is_read::<f32>(&format!("<x><text>{number}</text><element>7</element></x>")));
    }
    assert!(!is_read::<f64>(&format!("<x><element>{}</element></x>", "9".repeat(310))));
    assert!(!is_read::<f64>(&format!("<x><element>0.{}1</element></x>", "0".repeat(330))));
    assert!(is_read::<f64>("<x a='5e-324'><element>1.7e308</element><many>INF</many></x>"));
}

#[test]
fn a_real_of_sqlite_is_refused_as_a_single_float_that_cannot_hold_it() {
    let read = |number: &str| {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        connection.execute_batch(&format!("CREATE TABLE t AS SELECT 1 AS id, {number} AS n")).unwrap();
        SqliteReader::query(connection, "SELECT id, n FROM t")
            .key("id")
            .rows_as::<(i64, f32)>()
            .unwrap()
            .read()
    };
    for number in ["1e-60", "1e39"] {
        let error = read(number).unwrap_err().to_string();
        assert!(error.contains("expected a number that fits f32"), "{error}");
    }
    assert_eq!(read("0.5").unwrap(), Some((1, 0.5)));
    assert_eq!(read("0.0").unwrap(), Some((1, 0.0)));
    assert_eq!(read("9e999").unwrap(), Some((1, f32::INFINITY)));
}
