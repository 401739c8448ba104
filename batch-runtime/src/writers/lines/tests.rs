use proptest::prelude::*;

use super::*;
use crate::Reader as _;
use crate::readers::LinesReader;
use crate::writers::test_folder::{Folder, commit, end};

fn rest(reader: &mut LinesReader<String>) -> Vec<String> {
    std::iter::from_fn(|| reader.read().unwrap()).collect()
}

fn write<T>(mut writer: LinesWriter<T>, items: &[T]) -> Result<(), WriteError> {
    writer.open(None)?;
    writer.write(items, &ChunkTransaction::none())?;
    commit(&mut writer);
    end(&mut writer);
    Ok(())
}

fn refused<T>(writer: LinesWriter<T>, items: &[T]) -> String {
    let error = write(writer, items).unwrap_err();
    assert!(matches!(error, WriteError::Item { .. }), "{error:?}");
    error.to_string()
}

#[test]
fn an_item_is_a_line_between_header_and_footer() {
    let folder = Folder::new();
    let path = folder.0.join("out.txt");
    let writer = LinesWriter::create(&path).header("H").footer(|lines| format!("T{lines}")).crlf();
    write(writer, &[1, 20]).unwrap();
    assert_eq!(std::fs::read_to_string(path).unwrap(), "H\r\n1\r\n20\r\nT2\r\n");
}

#[test]
fn without_items_there_are_header_and_footer() {
    let folder = Folder::new();
    let path = folder.0.join("out.txt");
    write(LinesWriter::<u8>::create(&path).header("H").footer(|lines| format!("T{lines}")), &[]).unwrap();
    assert_eq!(std::fs::read_to_string(path).unwrap(), "H\nT0\n");
}

#[test]
fn the_footer_may_have_totals() {
    #[derive(Default, Clone, serde::Serialize, serde::Deserialize)]
    struct Sum(u32);

    impl crate::Totals<u32> for Sum {
        fn add(&mut self, item: &u32) {
            self.0 += item;
        }
    }

    let folder = Folder::new();
    let path = folder.0.join("out.txt");
    let mut writer =
        LinesWriter::create(&path).totals(|sum: &Sum, lines| format!("{lines} lines, {} in all", sum.0));
    writer.open(None).unwrap();
    writer.write(&[1, 20], &ChunkTransaction::none()).unwrap();
    commit(&mut writer);
    end(&mut writer);
    assert_eq!(std::fs::read_to_string(path).unwrap(), "1\n20\n2 lines, 21 in all\n");
}

#[test]
fn a_restart_keeps_what_was_committed() {
    let folder = Folder::new();
    let path = folder.0.join("out.txt");
    let new = || LinesWriter::create(&path).header("H");
    let mut first = new();
    first.open(None).unwrap();
    first.write(&["a"], &ChunkTransaction::none()).unwrap();
    let position = commit(&mut first);
    first.write(&["lost"], &ChunkTransaction::none()).unwrap();
    first.prepare(Durability::Process).unwrap();
    drop(first);
    let mut second = new();
    second.open(Some(position)).unwrap();
    second.write(&["b"], &ChunkTransaction::none()).unwrap();
    commit(&mut second);
    end(&mut second);
    assert_eq!(std::fs::read_to_string(path).unwrap(), "H\na\nb\n");
}

#[test]
fn an_item_that_would_be_read_as_another_is_refused_and_the_chunk_can_be_written_without_it() {
    let folder = Folder::new();
    let path = folder.0.join("out.txt");
    for (text, problem) in [
        ("a\nb", "its text has a line break in it"),
        ("a\r", "its text has a line break in it"),
        (
            "",
            "it has no text, so it would be a blank line, which a reader skips; `with_blank_lines` writes it",
        ),
        (
            " \t",
            "it has no text, so it would be a blank line, which a reader skips; `with_blank_lines` writes it",
        ),
        ("\u{feff}a", "its text begins with a byte order mark, which a reader would drop"),
    ] {
        let mut writer = LinesWriter::create(&path).overwrite(true);
        writer.open(None).unwrap();
        let error = writer.write(&["x", text], &ChunkTransaction::none()).unwrap_err();
        assert!(error.to_string().ends_with(problem), "{error}");
        writer.write(&["x", "y"], &ChunkTransaction::none()).unwrap();
        commit(&mut writer);
        end(&mut writer);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "x\ny\n");
    }
}

#[test]
fn with_blank_lines_an_item_without_text_is_written_and_read_back() {
    let folder = Folder::new();
    let path = folder.0.join("out.txt");
    write(LinesWriter::create(&path).with_blank_lines(), &["", "a", " "]).unwrap();
    let mut reader =
        LinesReader::<String>::options().with_blank_lines().parse(str::parse).open(path).unwrap();
    assert_eq!(rest(&mut reader), ["", "a", " "]);
}

#[test]
fn a_function_that_makes_the_line_may_refuse_the_item() {
    let folder = Folder::new();
    let writer = LinesWriter::create_with(folder.0.join("out.txt"), |number: &i32, line| {
        if *number < 0 {
            return Err(format!("{number} is negative"));
        }
        line.push_str("n ");
        write!(line, "{number}").map_err(|error| error.to_string())
    });
    assert!(refused(writer, &[1, -1]).ends_with("record 2: it cannot be formatted: -1 is negative"));
}

#[cfg(feature = "gzip")]
#[test]
fn a_file_named_as_compressed_is_compressed() {
    let folder = Folder::new();
    let path = folder.0.join("out.txt.gz");
    write(LinesWriter::create(&path).compression_level(9), &["a", "b"]).unwrap();
    assert!(std::fs::read(&path).unwrap().starts_with(&[0x1F, 0x8B]));
    assert_eq!(rest(&mut LinesReader::<String>::open(path).unwrap()), ["a", "b"]);
}

proptest! {
    #[test]
    fn a_text_is_read_back_as_it_was_or_refused(texts in prop::collection::vec("[ a-c\\r\\n\u{0}é\u{feff}\u{2028}]{0,5}|\\PC{0,8}", 1..4)) {
        let folder = Folder::new();
        let path = folder.0.join("out.txt");
        match write(LinesWriter::create(&path), &texts) {
            Ok(()) => {
                let mut reader = LinesReader::<String>::open(&path).unwrap();
                prop_assert_eq!(rest(&mut reader), texts);
            }
            Err(error) => prop_assert!(matches!(error, WriteError::Item { .. }), "{:?}", error),
        }
    }
}
