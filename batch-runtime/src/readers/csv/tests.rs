use super::*;
use crate::definition::Splittable;
use crate::readers::tests::detached_records_equal_reads;
use serde::Deserialize;

/// Reads until an error ends the reading. Returns the records, with bad ones as their messages, and that
/// error.
fn read_on(reader: &mut CsvReader<Vec<String>>) -> (Vec<Result<Vec<String>, String>>, Option<ReadError>) {
    let mut outcomes = Vec::new();
    loop {
        match reader.read() {
            Ok(Some(item)) => outcomes.push(Ok(item)),
            Ok(None) => return (outcomes, None),
            Err(error) if reader.steps_over(&error) => outcomes.push(Err(error.to_string())),
            Err(error) => return (outcomes, Some(error)),
        }
    }
}

#[test]
fn a_failed_reader_is_reopened_at_its_position_wherever_that_was() {
    let long = "x".repeat(300_000);
    let text = format!(
        "a,b\n1,2\n\n# {long}, \"\n3,\"4\n4\"\n5,{long}\n6,\"{long}\n,\"\n7\n8,9\n# {long}\n10,{}\n11,12\n",
        "y".repeat(900)
    );
    let path = std::env::temp_dir().join(format!("batch-csv-unplugged-{}.csv", std::process::id()));
    std::fs::write(&path, &text).unwrap();
    let open =
        || CsvReader::<Vec<String>>::options().comment(b'#').longest_record(1_000).open(&path).unwrap();
    let (whole, error) = read_on(&mut open());
    assert!(error.is_none());
    assert!(whole.iter().filter(|outcome| outcome.is_err()).count() >= 3, "{whole:?}");
    for byte in (0..text.len()).step_by(33_333).chain([1_000, 300_020, 300_040, text.len()]) {
        let mut reader = open();
        reader.records.framed.input.source.fails_at = Some(byte.max(1 << 17) as u64);
        let (mut outcomes, error) = read_on(&mut reader);
        assert!(matches!(error, Some(ReadError::Io { .. })), "{error:?}");
        let position = serde_json::to_string(&reader.position()).unwrap();
        let mut reopened = open();
        reopened.resume(serde_json::from_str(&position).unwrap()).unwrap();
        outcomes.extend(read_on(&mut reopened).0);
        assert!(outcomes == whole, "unplugged at {byte}");
    }
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn a_header_that_lacks_a_column_leaves_the_position_before_the_record() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Named {
        a: u32,
        b: u32,
    }
    let path = std::env::temp_dir().join(format!("batch-csv-header-{}.csv", std::process::id()));
    for record in ["1", "\"1\""] {
        std::fs::write(&path, format!("a\n\n{record}\n2\n")).unwrap();
        let mut reader = CsvReader::<Named>::options().skip_blank_lines().open(&path).unwrap();
        let error = reader.read().unwrap_err();
        assert!(!reader.steps_over(&error));
        let position = reader.position();
        let mut reopened = CsvReader::<Vec<u32>>::options().skip_blank_lines().open(&path).unwrap();
        reopened.resume(position).unwrap();
        assert_eq!(reopened.read().unwrap(), Some(vec![1]));
        assert_eq!(reopened.location().unwrap().rsplit(' ').next(), Some("3"));
    }
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn detached_records_equal_those_that_are_read() {
    let long = "z".repeat(2_000);
    let big = "1,\"line 1\n\"\n".repeat(10_000);
    let inputs = [
        "a,b\n1,2\n3,4\n5,6\n7,8\n9,10\n".to_owned(),
        "a,b\r\n1,2\r\n\r\n\r\n3,\"4\r\n\"\"5\"\"\"\r\n5,6\r\n7,8".to_owned(),
        "\u{feff}a,b\n\n1,2\n3\n4,5,6\n7,8\n".to_owned(),
        format!("a,b\n1,2\n{long},3\n4,5\n\"{long}\",6\n7,8\n"),
        "a,b\n1,2\n3,\"never closed\n4,5\n".to_owned(),
        format!("a,b\n{big}"),
        "a,b\n".to_owned(),
    ];
    let path = std::env::temp_dir().join(format!("batch-csv-taken-out-{}.csv", std::process::id()));
    let options = CsvReader::<Vec<String>>::options;
    for input in inputs {
        std::fs::write(&path, input).unwrap();
        detached_records_equal_reads(|| options().longest_record(1_000).open(&path).unwrap());
        detached_records_equal_reads(|| options().longest_record(1_000).comment(b'1').open(&path).unwrap());
        detached_records_equal_reads(|| {
            options().longest_record(1_000).without_header().open(&path).unwrap()
        });
        detached_records_equal_reads(|| options().longest_record(1_000).flexible().open(&path).unwrap());
        if let Ok(parts) = options().longest_record(1_000).open(&path).unwrap().split(3) {
            for part in parts {
                detached_records_equal_reads(|| {
                    let mut narrowed = options().longest_record(1_000).open(&path).unwrap();
                    narrowed.narrow(part.clone()).unwrap();
                    narrowed
                });
            }
        }
    }
    std::fs::write(&path, b"a,b\n1,2\n3,\xff\n5,6\n").unwrap();
    detached_records_equal_reads(|| CsvReader::<(u32, String)>::open(&path).unwrap());
    detached_records_equal_reads(|| CsvReader::<(u32, u8)>::open(&path).unwrap());
    std::fs::remove_file(&path).unwrap();
}

#[cfg(feature = "encodings")]
#[test]
fn a_file_in_another_encoding_is_read_from_anywhere_and_in_parts() {
    use crate::readers::tests::{restarts_everywhere, splits_everywhere};

    let path = std::env::temp_dir().join(format!("batch-csv-encoded-{}.csv", std::process::id()));
    std::fs::write(&path, b"\x83\x5C,b\r\n\x81|,\"x,\x83\x5C\"\r\n1,2\r\n").unwrap();
    let options = || CsvReader::<std::collections::BTreeMap<String, String>>::options().encoding("shift_jis");
    let row = |a: &str, b: &str| {
        std::collections::BTreeMap::from([("ソ".to_owned(), a.to_owned()), ("b".to_owned(), b.to_owned())])
    };
    let open = || options().open(&path).unwrap();
    restarts_everywhere(open, &[row("－", "x,ソ"), row("1", "2")]);
    splits_everywhere(open);
    for hidden in [options().delimiter(b'|'), options().escape(b'\\')] {
        let error = hidden.open(&path).unwrap_err().to_string();
        assert!(error.contains("may be a part of another character in this encoding"), "{error}");
    }
    std::fs::write(&path, b"a,b\n1,x\x83\xFF\n").unwrap();
    let error = options().open(&path).unwrap().read().unwrap_err().to_string();
    assert!(
        error.ends_with("line 2 (byte 4), column `b`: invalid Shift_JIS, found `x\u{fffd}\u{fffd}`"),
        "{error}"
    );
    std::fs::remove_file(&path).unwrap();
}
