use super::*;

/// What is read before an error that ends the reading, bad records as their messages, and that error.
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
fn a_reader_that_failed_is_opened_anew_at_its_position_wherever_that_was() {
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
    assert_eq!(whole.iter().filter(|outcome| outcome.is_err()).count(), 3, "{whole:?}");
    for byte in (0..text.len()).step_by(33_333).chain([1_000, 300_020, 300_040, text.len()]) {
        let mut reader = open();
        reader.records.source.fails_at = Some(byte.max(1 << 17) as u64);
        let (mut outcomes, error) = read_on(&mut reader);
        assert!(matches!(error, Some(ReadError::Io { .. })), "{error:?}");
        let position = serde_json::to_string(&reader.position()).unwrap();
        let mut anew = open();
        anew.resume(serde_json::from_str(&position).unwrap()).unwrap();
        outcomes.extend(read_on(&mut anew).0);
        assert!(outcomes == whole, "unplugged at {byte}");
    }
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn a_header_that_lacks_a_column_leaves_the_position_before_the_record() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Named {
        b: u32,
    }
    let path = std::env::temp_dir().join(format!("batch-csv-header-{}.csv", std::process::id()));
    for record in ["1", "\"1\""] {
        std::fs::write(&path, format!("a\n\n{record}\n2\n")).unwrap();
        let mut reader = CsvReader::<Named>::open(&path).unwrap();
        let error = reader.read().unwrap_err();
        assert!(!reader.steps_over(&error));
        let position = reader.position();
        let mut anew = CsvReader::<Vec<u32>>::open(&path).unwrap();
        anew.resume(position).unwrap();
        assert_eq!(anew.read().unwrap(), Some(vec![1]));
        assert_eq!(anew.location().unwrap().rsplit(' ').next(), Some("3"));
    }
    std::fs::remove_file(&path).unwrap();
}
