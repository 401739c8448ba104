//! Output of the CSV writer, and the items that it refuses.
#![cfg(feature = "csv")]

mod folder;

use std::path::Path;

use batch_runtime::writers::{CsvWriter, WriteError};
use batch_runtime::{ChunkTransaction, Durability, Writer};
use folder::Folder;
use serde::Serialize;

/// Runs a whole step that writes these chunks.
fn run<T: Serialize>(mut writer: CsvWriter<T>, chunks: &[&[T]]) -> Result<(), WriteError> {
    writer.open(None)?;
    for chunk in chunks {
        writer.write(chunk, &ChunkTransaction::none())?;
        writer.prepare(Durability::Process)?;
    }
    writer.seal(Durability::Process)?;
    writer.finish(Durability::Process)
}

fn written<T: Serialize>(options: impl FnOnce(CsvWriter<T>) -> CsvWriter<T>, items: &[T]) -> String {
    let folder = Folder::new();
    let path = folder.path("out.csv");
    let chunks: &[&[T]] = if items.is_empty() { &[] } else { &[items] };
    run(options(CsvWriter::create(&path)), chunks).unwrap();
    std::fs::read_to_string(path).unwrap()
}

fn refused<T: Serialize>(options: impl FnOnce(CsvWriter<T>) -> CsvWriter<T>, items: &[T]) -> String {
    let folder = Folder::new();
    let path = folder.path("out.csv");
    let error = run(options(CsvWriter::create(&path)), &[items]).unwrap_err();
    assert!(!path.exists());
    folder::unmarked(&error.to_string()).replace(&*path.to_string_lossy(), "out.csv")
}

#[derive(Serialize)]
struct Row {
    name: String,
    delay: Option<f64>,
}

fn row(name: &str, delay: Option<f64>) -> Row {
    Row { name: name.into(), delay }
}

#[test]
fn the_header_has_the_names_of_the_fields() {
    assert_eq!(written(|writer| writer, &[row("a", Some(1.0)), row("b", None)]), "name,delay\na,1.0\nb,\n");
}

#[test]
fn the_header_is_written_once_before_all_chunks() {
    let folder = Folder::new();
    let path = folder.path("out.csv");
    run(CsvWriter::create(&path), &[&[row("a", None)], &[row("b", None)]]).unwrap();
    assert_eq!(std::fs::read_to_string(path).unwrap(), "name,delay\na,\nb,\n");
}

#[test]
fn the_header_may_be_set_or_omitted() {
    let header = ["Name, first", "Delay"];
    assert_eq!(written(|writer| writer.header(header), &[row("a", None)]), "\"Name, first\",Delay\na,\n");
    assert_eq!(written::<Row>(|writer| writer.header(header), &[]), "\"Name, first\",Delay\n");
    assert_eq!(written(CsvWriter::without_header, &[row("a", None)]), "a,\n");
}

#[test]
fn without_items_the_file_is_empty_because_the_names_are_unknown() {
    assert_eq!(written::<Row>(|writer| writer, &[]), "");
}

#[test]
fn the_footer_receives_the_number_of_items() {
    let footer = |writer: CsvWriter<Row>| writer.footer(|records| format!("# {records}\n# end")).crlf();
    assert_eq!(
        written(footer, &[row("a", None), row("b", None)]),
        "name,delay\r\na,\r\nb,\r\n# 2\n# end\r\n"
    );
}

#[test]
fn fields_are_quoted_where_necessary() {
    let items = [("a,b", "c\"d"), ("e\nf", "g\rh"), ("i;j", " k ")];
    assert_eq!(written(|writer| writer, &items), "\"a,b\",\"c\"\"d\"\n\"e\nf\",\"g\rh\"\ni;j,\" k \"\n");
    let other = |writer: CsvWriter<(&'static str, &'static str)>| writer.delimiter(b';').quote(b'\'');
    assert_eq!(written(other, &items), "a,b;c\"d\n'e\nf';'g\rh'\n'i;j';' k '\n");
    assert_eq!(written(|writer| writer, &[""]), "\"\"\n");
}

#[test]
fn none_is_the_null_marker() {
    assert_eq!(written(|writer| writer.null("NA"), &[row("a", None)]), "name,delay\na,NA\n");
}

#[test]
fn every_scalar_type_and_serde_attribute_is_written() {
    #[derive(Serialize)]
    struct Item {
        #[serde(rename = "A")]
        a: i8,
        b: u128,
        c: f32,
        d: bool,
        e: char,
        f: Kind,
        g: Wrapped,
        #[serde(skip)]
        _h: u8,
        #[serde(skip_serializing_if = "Option::is_none")]
        i: Option<u8>,
        j: (),
    }
    #[derive(Serialize)]
    enum Kind {
        #[serde(rename = "on, time")]
        OnTime,
    }
    #[derive(Serialize)]
    struct Wrapped(i64);
    let item = |i| Item {
        a: -1,
        b: u128::MAX,
        c: 0.1,
        d: true,
        e: '"',
        f: Kind::OnTime,
        g: Wrapped(i64::MIN),
        _h: 0,
        i,
        j: (),
    };
    let line = |i: &str| format!("-1,{},0.1,true,\"\"\"\",\"on, time\",{},{i},\n", u128::MAX, i64::MIN);
    let expected = format!("A,b,c,d,e,f,g,i,j\n{}{}", line(""), line("5"));
    assert_eq!(written(|writer| writer, &[item(None), item(Some(5))]), expected);
}

#[test]
fn a_flattened_struct_is_written() {
    #[derive(Serialize)]
    struct Outer {
        id: u8,
        #[serde(flatten)]
        row: Row,
    }
    let items = [Outer { id: 1, row: row("a", None) }, Outer { id: 2, row: row("b", Some(0.5)) }];
    assert_eq!(written(|writer| writer, &items), "id,name,delay\n1,a,\n2,b,0.5\n");
}

#[test]
fn floats_are_written_so_that_they_read_back_the_same() {
    let values = [
        0.0,
        -0.0,
        1.0,
        -1.5,
        0.1,
        123_456.789,
        1e21,
        1e-7,
        5e-324,
        f64::MAX,
        1.0 / 3.0,
        9_007_199_254_740_993.0,
    ];
    let text = written(|writer| writer, &values);
    for (line, value) in text.lines().zip(values) {
        assert_eq!(line.parse::<f64>().unwrap().to_bits(), value.to_bits(), "{line}");
    }
    assert_eq!(written(|writer| writer, &[f64::NAN, f64::INFINITY, f64::NEG_INFINITY]), "NaN\ninf\n-inf\n");
}

#[test]
fn a_struct_or_sequence_in_a_field_is_refused_with_a_remedy() {
    #[derive(Serialize)]
    struct Outer<T> {
        id: u8,
        inner: T,
    }
    let message = |what: &str| {
        format!(
            "out.csv, record 1, field `inner`: a field of a record is one value, not {what}; flatten it with \
            `#[serde(flatten)]`, or write it as text with `#[serde(serialize_with = \"..\")]`"
        )
    };
    assert_eq!(refused(|writer| writer, &[Outer { id: 1, inner: row("a", None) }]), message("a struct"));
    assert_eq!(refused(|writer| writer, &[Outer { id: 1, inner: vec![1] }]), message("a sequence"));
}

#[test]
fn items_of_another_shape_than_the_first_are_refused() {
    struct Map(Vec<(String, u8)>);
    impl Serialize for Map {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
        }
    }
    let items = [vec![1, 2], vec![3, 4], vec![5]];
    assert_eq!(
        refused(|writer| writer, &items),
        "out.csv, record 3: it has 1 fields, but the first item has 2"
    );
    let map = |keys: [&str; 2]| keys.map(|key| (key.to_owned(), 1)).into_iter().collect::<Vec<_>>();
    let items = [Map(map(["a", "b"])), Map(map(["b", "a"]))];
    assert_eq!(refused(|writer| writer, &items), "out.csv, record 2: found `b` where the first item has `a`");
}

#[test]
fn a_header_of_another_length_than_the_items_is_refused() {
    let message = "out.csv: the header has 1 names, but an item has 2 fields";
    assert_eq!(refused(|writer| writer.header(["a"]), &[row("a", None)]), message);
}

#[test]
fn a_refused_item_leaves_nothing_of_its_write_in_the_file() {
    let folder = Folder::new();
    let path = folder.path("out.csv");
    let mut writer = CsvWriter::create(&path);
    writer.open(None).unwrap();
    writer.write(&[vec![1, 2]], &ChunkTransaction::none()).unwrap();
    writer.write(&[vec![3, 4], vec![5]], &ChunkTransaction::none()).unwrap_err();
    writer.write(&[vec![6, 7]], &ChunkTransaction::none()).unwrap();
    writer.seal(Durability::Process).unwrap();
    writer.finish(Durability::Process).unwrap();
    assert_eq!(std::fs::read_to_string(path).unwrap(), "1,2\n6,7\n");
}

#[test]
fn ambiguous_delimiters_and_quotes_are_refused() {
    let message = "out.csv: delimiter and quote must be two different bytes";
    assert_eq!(refused(|writer| writer.delimiter(b'"'), &[row("a", None)]), message);
    let message = "out.csv: delimiter and quote must be ASCII and not line endings, letters, digits or signs of numbers";
    assert_eq!(refused(|writer| writer.delimiter(b'1'), &[row("a", None)]), message);
}

fn message(error: &WriteError, folder: &Folder) -> String {
    folder::unmarked(&error.to_string())
        .replace(&format!("{}/", folder.path("").display()).replace("//", "/"), "")
}

#[test]
fn a_file_that_belongs_to_no_execution_is_refused_untouched() {
    let folder = Folder::new();
    let path = folder.file("out.csv", "mine");
    let error = CsvWriter::<Row>::create(&path).open(None).unwrap_err();
    let expected = "out.csv exists already and was not written by this job; move it away, or let the writer overwrite it";
    assert_eq!(message(&error, &folder), expected);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
    assert!(!folder.path("out.csv.part").exists());
}

#[test]
fn a_file_that_may_be_overwritten_stays_whole_until_the_end() {
    let folder = Folder::new();
    let path = folder.file("out.csv", "old");
    let mut writer = CsvWriter::create(&path).overwrite(true);
    writer.open(None).unwrap();
    writer.write(&[1, 2], &ChunkTransaction::none()).unwrap();
    writer.seal(Durability::Machine).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
    writer.finish(Durability::Machine).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "1\n2\n");
}

#[test]
fn a_file_created_in_the_meantime_is_not_replaced() {
    let folder = Folder::new();
    let path = folder.path("out.csv");
    let mut writer = CsvWriter::create(&path);
    writer.open(None).unwrap();
    writer.write(&[1], &ChunkTransaction::none()).unwrap();
    writer.seal(Durability::Process).unwrap();
    std::fs::write(&path, "theirs").unwrap();
    assert!(matches!(writer.finish(Durability::Process), Err(WriteError::Exists { .. })));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "theirs");
}

#[test]
fn a_folder_in_place_of_the_file_is_reported() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path("out.csv")).unwrap();
    let error = CsvWriter::<Row>::create(folder.path("out.csv")).overwrite(true).open(None).unwrap_err();
    assert_eq!(message(&error, &folder), "out.csv is a folder: the name of a file was expected");
}

#[test]
fn a_missing_folder_is_reported() {
    let error = CsvWriter::<Row>::create(Path::new("/no/such/out.csv")).open(None).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot write /no/such/out.csv: the folder /no/such does not exist; create it, or name another file"
    );
}

#[test]
fn a_part_that_is_being_written_is_refused_and_an_abandoned_one_is_replaced() {
    let folder = Folder::new();
    let path = folder.path("out.csv");
    let mut dead = CsvWriter::create(&path);
    dead.open(None).unwrap();
    dead.write(&[1, 2, 3], &ChunkTransaction::none()).unwrap();
    dead.prepare(Durability::Process).unwrap();
    let error = CsvWriter::<u8>::create(&path).open(None).unwrap_err();
    assert_eq!(
        message(&error, &folder),
        "out.csv.part is being written by another process; wait for it, or end it; `--recovery force` takes over from a paused execution of this instance"
    );
    assert_eq!(std::fs::read_to_string(folder.path("out.csv.part")).unwrap(), "1\n2\n3\n");
    drop(dead);
    run(CsvWriter::create(&path), &[&[4]]).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "4\n");
}
