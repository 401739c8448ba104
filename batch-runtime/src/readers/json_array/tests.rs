use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::definition::Splittable;
use crate::readers::tests::{Input, detached_records_equal_reads, restarts_everywhere, splits_everywhere};

fn json_file(text: impl AsRef<[u8]>) -> Input {
    Input::new("array.json", text)
}

fn open<T>(input: &Input, at: &str) -> Result<JsonArrayReader<T>, ReadError> {
    JsonArrayReader::options().at(at).longest_record(1_000).open(&input.0)
}

/// Reads to the end: the items, the errors about one of them, and the error that ends the reading.
fn read_on<T: DeserializeOwned>(reader: &mut JsonArrayReader<T>) -> (Vec<T>, Vec<String>, Option<String>) {
    let (mut items, mut errors) = (Vec::new(), Vec::new());
    loop {
        match reader.read() {
            Ok(Some(item)) => items.push(item),
            Ok(None) => return (items, errors, None),
            Err(error) if reader.steps_over(&error) => errors.push(error.to_string()),
            Err(error) => {
                let again = reader.read().err().map(|error| error.to_string());
                assert_eq!(again, Some(error.to_string()), "the next read fails alike");
                return (items, errors, Some(error.to_string()));
            }
        }
    }
}

const AROUND: [(&str, &str, &str); 4] = [
    ("", "", ""),
    ("", "\u{feff} \r\n", "\n\n "),
    (
        "/data/trades",
        r#"{"trades": [7], "data": {"x": "]}", "tra\u0064es": "#,
        r#", "y": {"trades": [8]}}, "z": null}"#,
    ),
    ("/1/a~1b", r#"[[1], {"": {}, "a/b":"#, r#"}, "x"]"#),
];

#[test]
fn a_restart_a_part_and_a_detached_element_read_what_one_reader_reads() {
    let long = format!("[1, {}, 3, \"{}\", 4, [[5]], 6]", "9".repeat(2_000), "]\\\"".repeat(1_000));
    let arrays = [
        "[]".to_owned(),
        " [ \n ] ".to_owned(),
        "[1,2,3]".to_owned(),
        "[\n  1,\r\n  2\n,\n3 , \"bad\",4 ]".to_owned(),
        format!("[{}1]", "12, 3,\n".repeat(9)),
        format!("[1,{}2]", " \n".repeat(500)),
        long,
    ];
    for array in arrays {
        for (at, before, after) in AROUND {
            let input = json_file(format!("{before}{array}{after}"));
            let open = || open::<u32>(&input, at).unwrap();
            let (items, _, error) = read_on(&mut open());
            assert_eq!(error, None, "{array} at {at}");
            restarts_everywhere(open, &items);
            if at != "/1/a~1b" {
                for part in open().split(3).unwrap() {
                    detached_records_equal_reads(|| {
                        let mut narrowed = open();
                        narrowed.narrow(part.clone()).unwrap();
                        narrowed
                    });
                }
            }
        }
    }
}

#[test]
fn parts_are_the_whole_and_restart_everywhere() {
    for (at, before, after) in &AROUND[1..3] {
        let input = json_file(format!("{before}[\n  1,\r\n  2\n,\n3 , \"bad\",4,\n\n 5 ]{after}"));
        splits_everywhere(|| open::<u32>(&input, at).unwrap());
    }
}

#[test]
fn elements_that_cross_the_buffer_are_whole() {
    let long: Vec<String> = (0..9).map(|n| "x]\u{e9}\n\"".repeat(n * 12_345 % 40_000)).collect();
    let input = json_file(serde_json::to_string_pretty(&long).unwrap());
    let open = || JsonArrayReader::<String>::open(&input.0).unwrap();
    restarts_everywhere(open, &long);
    let many = "[12\n,3],\n".repeat(20_000);
    let input = json_file(format!("[{many}[4]]"));
    detached_records_equal_reads(|| JsonArrayReader::<Vec<u8>>::open(&input.0).unwrap());
}

#[cfg(all(feature = "gzip", feature = "zstd"))]
#[test]
fn a_compressed_array_restarts_everywhere() {
    use std::io::Write as _;

    let items: Vec<u32> = (0..20).collect();
    let text = format!("{{\"a\": {}}}", serde_json::to_string(&items).unwrap());
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text.as_bytes()).unwrap();
    for input in [
        Input::new("array.json.gz", gzip.finish().unwrap()),
        Input::new("array.json.zst", zstd::stream::encode_all(text.as_bytes(), 1).unwrap()),
    ] {
        restarts_everywhere(|| open::<u32>(&input, "/a").unwrap(), &items);
        splits_everywhere(|| open::<u32>(&input, "/a").unwrap());
    }
}

#[test]
fn a_failed_reader_is_reopened_at_its_position_wherever_that_was() {
    let text =
        format!("{{\"a\": [1, {}, \"bad\", 3,{}4\n, 5], \"b\": 1}}", "9".repeat(500_000), " ".repeat(900));
    let input = json_file(&text);
    let open = || open::<u32>(&input, "/a").unwrap();
    let whole = read_on(&mut open());
    assert_eq!((whole.0.len(), whole.1.len()), (4, 2), "{whole:?}");
    let begin = 7;
    for byte in (begin..text.len()).step_by(4_999).chain(text.len() - 40..=text.len()) {
        let mut reader = open();
        reader.elements.input.source.fails_at = Some(byte as u64);
        let (mut items, mut errors) = (Vec::new(), Vec::new());
        let failed = loop {
            match reader.read() {
                Ok(item) => items.extend(item),
                Err(error) if error.is_about_a_record() => errors.push(error.to_string()),
                Err(error) => break error,
            }
        };
        assert!(matches!(failed, ReadError::Io { .. }), "{failed:?}");
        let position = serde_json::to_string(&reader.position()).unwrap();
        let mut reopened = open();
        reopened.resume(serde_json::from_str(&position).unwrap()).unwrap();
        let (later, errors_later, error) = read_on(&mut reopened);
        items.extend(later);
        errors.extend(errors_later);
        assert_eq!((items, errors, error), whole, "unplugged at {byte}");
    }
}

/// Checks that a damaged file returns the items of the whole file up to the damage, and after it no item that the
/// whole file does not have.
fn damaged_is_noticed(text: &[u8], at: &str, damage: usize, whole: &[Value], ends: &[usize]) {
    let input = json_file(text);
    let Ok(mut reader) = open::<Value>(&input, at) else { return };
    let (items, errors, error) = read_on(&mut reader);
    let before = ends.iter().filter(|end| **end < damage).count();
    assert!(items.len() >= before && items[..before] == whole[..before], "{items:?}, damaged at {damage}");
    if let Ok(document) =
        serde_json::from_slice::<Value>(text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text))
    {
        assert!(errors.is_empty(), "{errors:?}");
        if error.is_none() {
            let array = document.pointer(at).and_then(Value::as_array).unwrap();
            assert_eq!(&items, array);
        }
        return;
    }
    assert!(error.is_some() || !errors.is_empty(), "damaged at {damage}");
    // After the damaged element, each item is one of the whole file.
    for item in items.iter().skip(before + 1) {
        assert!(whole.contains(item), "{item} was read, damaged at {damage}");
    }
}

#[test]
fn each_flipped_byte_and_each_cut_is_noticed() {
    let elements = [
        r#"{"id":1,"name":"a, b","tags":["x","]"]}"#,
        r#"{"id": 2,
            "name": "{\"id\": 7},", "tags": []}"#,
        r#"{"id":3,"name":"\\","x":{"y":[null,true,-1.5e3]}}"#,
        r#"{"id":4,"name":"}, {","tags":null}"#,
    ];
    for (at, before, after) in AROUND {
        let mut text = format!("{before}[");
        let mut ends = Vec::new();
        for (index, element) in elements.iter().enumerate() {
            text.push_str(if index > 0 { ",\n" } else { "" });
            text.push_str(element);
            ends.push(text.len());
        }
        text = format!("{text}]{after}");
        let input = json_file(&text);
        let (whole, errors, error) = read_on(&mut open::<Value>(&input, at).unwrap());
        assert_eq!((whole.len(), errors.len(), error), (4, 0, None));
        for byte in 0..text.len() {
            let mut damaged = text.clone().into_bytes();
            for mask in [1, 2, 0x20, 0xFF] {
                damaged[byte] ^= mask;
                damaged_is_noticed(&damaged, at, byte, &whole, &ends);
                damaged[byte] ^= mask;
            }
            // The end of the document cannot be missed, except for white space after it.
            if !text.as_bytes()[byte..].trim_ascii().is_empty() {
                let input = json_file(&text.as_bytes()[..byte]);
                if let Ok(mut reader) = open::<Value>(&input, at) {
                    let (items, errors, error) = read_on(&mut reader);
                    assert!(error.is_some(), "cut at {byte}: {items:?}");
                    assert!(errors.is_empty(), "{errors:?}");
                    assert_eq!(items, whole[..ends.iter().filter(|end| **end <= byte).count()]);
                }
            }
        }
    }
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        prop::num::f64::NORMAL.prop_map(Value::from),
        "[a\"\\\\{}\\[\\],:\n\u{e9}\u{1}]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(("[a\"\\\\{}\\[\\]~/]{0,3}", inner), 0..4)
                .prop_map(|fields| fields.into_iter().collect()),
        ]
    })
}

/// Bytes that are often almost JSON.
fn almost_json() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "[",
        "]",
        "{",
        "}",
        ",",
        ":",
        "\"",
        "\\",
        " ",
        "\n",
        "1",
        "-",
        "0",
        ".5",
        "e9",
        "null",
        "true",
        "nul",
        "\"a\"",
        "\"a\":",
        "[1,2]",
        "{\"a\":[1]}",
        "\\u00e9",
        "\u{e9}",
        "\t",
        "'",
        "/",
    ]);
    prop::collection::vec(piece, 0..12).prop_map(|pieces| format!("[{}]", pieces.concat()))
}

proptest! {
    #[test]
    fn the_elements_of_any_array_are_read(array in prop::collection::vec(json(), 0..6), pretty: bool) {
        let text = if pretty { serde_json::to_string_pretty(&array) } else { serde_json::to_string(&array) };
        let input = json_file(text.unwrap());
        let (items, errors, error) = read_on(&mut open::<Value>(&input, "").unwrap());
        prop_assert_eq!((items, errors, error), (array, vec![], None));
    }

    #[test]
    fn what_is_accepted_whole_is_what_serde_json_accepts(text in almost_json()) {
        let expected = serde_json::from_str::<Vec<Value>>(&text);
        let input = json_file(&text);
        match (open::<Value>(&input, ""), expected) {
            (Ok(mut reader), Ok(expected)) => {
                prop_assert_eq!(read_on(&mut reader), (expected, vec![], None));
            }
            (Ok(mut reader), Err(_)) => {
                let (_, errors, error) = read_on(&mut reader);
                prop_assert!(!errors.is_empty() || error.is_some());
            }
            (Err(error), expected) => prop_assert!(expected.is_err(), "{}", error),
        }
    }
}
