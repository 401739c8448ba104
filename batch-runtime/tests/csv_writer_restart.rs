//! Wherever a CSV writer dies and wherever a chunk is rolled back, the file ends as if nothing had happened.
#![cfg(feature = "csv")]

mod folder;

use std::cell::Cell;
use std::path::Path;

use batch_runtime::writers::{CsvWriter, FilePosition, WriteError};
use batch_runtime::{ChunkTransaction, Durability, Writer};
use folder::Folder;
use serde::Serialize;

#[derive(Serialize, Clone)]
struct Row {
    id: u32,
    name: String,
}

const CHUNKS: u32 = 3;
const EXPECTED: &str =
    "id,name\n0,\"a,0\"\n1,\"a,1\"\n2,\"a,2\"\n3,\"a,3\"\n4,\"a,4\"\n5,\"a,5\"\n# 6 records\n";

fn chunk(number: u32) -> Vec<Row> {
    (number * 2..number * 2 + 2).map(|id| Row { id, name: format!("a,{id}") }).collect()
}

/// The contents of a repository: the committed chunks and the position.
#[derive(Default)]
struct Repository {
    chunks: u32,
    position: Option<String>,
}

impl Repository {
    fn commit(&mut self, position: &FilePosition, chunks: u32) {
        *self = Self { chunks, position: Some(serde_json::to_string(position).unwrap()) };
    }
}

fn writer(path: &Path) -> CsvWriter<Row> {
    CsvWriter::create(path).footer(|records| format!("# {records} records"))
}

/// Runs the step until it is done or has made `lives` calls; returns true if it is done.
fn run(
    path: &Path,
    repository: &mut Repository,
    lives: u32,
    durability: Durability,
) -> Result<bool, WriteError> {
    let lives = Cell::new(lives);
    // Returns when no life is left for the next call.
    macro_rules! call {
        ($call:expr) => {
            let Some(left) = lives.get().checked_sub(1) else { return Ok(false) };
            lives.set(left);
            $call;
        };
    }
    let mut writer = writer(path);
    let tx = ChunkTransaction::none();
    let from = repository.position.as_ref().map(|text| serde_json::from_str(text).unwrap());
    call!(writer.open(from)?);
    for number in repository.chunks..CHUNKS {
        for item in chunk(number) {
            call!(writer.write(&[item], &tx)?);
        }
        call!(writer.prepare(durability)?);
        call!(repository.commit(&writer.position(), number + 1));
        call!(writer.committed()?);
    }
    call!(writer.seal(durability)?);
    call!(repository.commit(&writer.position(), CHUNKS));
    call!(writer.finish(durability)?);
    Ok(true)
}

#[test]
fn a_crash_between_any_two_calls_leaves_no_trace() {
    for durability in [Durability::Machine, Durability::Process] {
        let mut lives = 0;
        loop {
            let folder = Folder::new();
            let path = folder.path("out.csv");
            let mut repository = Repository::default();
            let done = run(&path, &mut repository, lives, durability).unwrap();
            assert_eq!(path.exists(), done);
            assert!(run(&path, &mut repository, u32::MAX, durability).unwrap() || done);
            assert_eq!(std::fs::read_to_string(&path).unwrap(), EXPECTED, "{lives} calls");
            assert!(!folder.path("out.csv.part").exists());
            if done {
                break;
            }
            lives += 1;
        }
        assert_eq!(lives, 1 + CHUNKS * 5 + 3);
    }
}

#[test]
fn many_consecutive_crashes_leave_no_trace() {
    let folder = Folder::new();
    let path = folder.path("out.csv");
    let mut repository = Repository::default();
    let mut lives = 0;
    while !run(&path, &mut repository, lives, Durability::Process).unwrap() {
        lives += 1;
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), EXPECTED);
}

#[test]
fn bytes_after_the_committed_length_are_cut_off() {
    let folder = Folder::new();
    let path = folder.path("out.csv");
    let mut repository = Repository::default();
    run(&path, &mut repository, 5, Durability::Process).unwrap();
    let part = folder.path("out.csv.part");
    let torn = std::fs::read_to_string(&part).unwrap() + "2,\"a,";
    std::fs::write(&part, torn).unwrap();
    assert!(run(&path, &mut repository, u32::MAX, Durability::Process).unwrap());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), EXPECTED);
}

#[test]
fn an_abandoned_chunk_is_rolled_back_wherever_it_was() {
    for give_up_after in 0..=3 {
        let folder = Folder::new();
        let path = folder.path("out.csv");
        let tx = ChunkTransaction::none();
        let mut writer = writer(&path);
        writer.open(None).unwrap();
        for number in 0..CHUNKS {
            let begin = writer.position();
            let items = chunk(number);
            if give_up_after > 0 {
                writer.write(&items[..1], &tx).unwrap();
            }
            if give_up_after > 1 {
                writer.prepare(Durability::Process).unwrap();
            }
            let half = writer.position();
            if give_up_after > 2 {
                writer.write(&items[1..], &tx).unwrap();
                writer.rollback(&half).unwrap();
            }
            writer.rollback(&begin).unwrap();
            writer.write(&items, &tx).unwrap();
            writer.prepare(Durability::Process).unwrap();
        }
        writer.seal(Durability::Process).unwrap();
        writer.finish(Durability::Process).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), EXPECTED, "{give_up_after}");
    }
}

#[test]
fn a_chunk_larger_than_the_buffer_is_rolled_back_too() {
    let folder = Folder::new();
    let path = folder.path("out.csv");
    let tx = ChunkTransaction::none();
    let mut writer = CsvWriter::<String>::create(&path);
    writer.open(None).unwrap();
    let begin = writer.position();
    let large = vec!["x".repeat(1_000_000); 6];
    writer.write(&large, &tx).unwrap();
    let part = folder.path("out.csv.part");
    assert!(std::fs::metadata(&part).unwrap().len() > 0, "all of it is in memory");
    writer.rollback(&begin).unwrap();
    assert_eq!(std::fs::metadata(&part).unwrap().len(), 0);
    writer.write(&["y".to_owned()], &tx).unwrap();
    writer.seal(Durability::Process).unwrap();
    writer.finish(Durability::Process).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "y\n");
}

/// Returns a step that died after its first commit.
fn after_a_commit(folder: &Folder) -> Repository {
    let mut repository = Repository::default();
    run(&folder.path("out.csv"), &mut repository, 5, Durability::Process).unwrap();
    assert_eq!(repository.chunks, 1);
    repository
}

fn restarted(folder: &Folder, repository: &mut Repository) -> String {
    let path = folder.path("out.csv");
    let error = run(&path, repository, u32::MAX, Durability::Process).unwrap_err();
    folder::unmarked(&error.to_string()).replace(&format!("{}/", path.parent().unwrap().display()), "")
}

#[test]
fn a_part_that_lost_committed_bytes_is_refused() {
    let folder = Folder::new();
    let mut repository = after_a_commit(&folder);
    std::fs::write(folder.path("out.csv.part"), "id,name\n").unwrap();
    assert_eq!(
        restarted(&folder, &mut repository),
        "out.csv.part has 8 bytes, but an earlier execution committed 24 bytes of out.csv; restore the file, or start a new instance (`--next`)"
    );
}

#[test]
fn a_missing_part_is_refused() {
    let folder = Folder::new();
    let mut repository = after_a_commit(&folder);
    std::fs::remove_file(folder.path("out.csv.part")).unwrap();
    assert_eq!(
        restarted(&folder, &mut repository),
        "out.csv.part is missing: an earlier execution committed 24 bytes of out.csv; restore it, or start a new instance (`--next`)"
    );
}

#[test]
fn a_finished_file_takes_no_more_items() {
    let folder = Folder::new();
    let path = folder.path("out.csv");
    let mut repository = Repository::default();
    assert!(run(&path, &mut repository, u32::MAX, Durability::Process).unwrap());
    repository.chunks = CHUNKS - 1;
    assert_eq!(
        restarted(&folder, &mut repository),
        "out.csv was finished by an earlier execution and cannot take more items; did the input grow? start a new instance (`--next`)"
    );
    assert_eq!(std::fs::read_to_string(&path).unwrap(), EXPECTED);
}

#[test]
fn a_finished_file_that_was_changed_is_not_mistaken_for_ours() {
    let folder = Folder::new();
    let path = folder.path("out.csv");
    let mut repository = Repository::default();
    assert!(run(&path, &mut repository, u32::MAX, Durability::Process).unwrap());
    std::fs::write(&path, "short").unwrap();
    assert!(restarted(&folder, &mut repository).starts_with("out.csv.part is missing"));
}

#[derive(Serialize)]
struct Reordered {
    name: String,
    id: u32,
}

/// Writes an item, and returns the position at which the program ends.
fn begun<T: Serialize>(mut writer: CsvWriter<T>, item: T) -> FilePosition {
    writer.open(None).unwrap();
    writer.write(&[item], &ChunkTransaction::none()).unwrap();
    writer.prepare(Durability::Process).unwrap();
    writer.position()
}

/// Resumes, and writes another item.
fn resumed<T: Serialize>(mut writer: CsvWriter<T>, from: FilePosition, item: T) -> Result<(), WriteError> {
    writer.open(Some(from))?;
    writer.write(&[item], &ChunkTransaction::none())?;
    writer.prepare(Durability::Process)
}

fn row() -> Row {
    Row { id: 7, name: "a".into() }
}

#[test]
fn a_restart_with_other_columns_is_refused_and_says_what_the_file_holds() {
    let folder = Folder::new();
    let path = folder.path("out.csv");
    let from = begun(CsvWriter::create(&path), row());
    let reordered = || Reordered { name: "b".into(), id: 8 };
    let refused = resumed(CsvWriter::create(&path), from, reordered()).unwrap_err();
    assert!(matches!(refused, WriteError::Changed { .. }), "{refused}");
    let expected = "was begun by an earlier execution with other columns (its first line is `id,name`); now they are `name`, `id`; finish the instance with the program it began with, or start a new one with `--next`";
    assert!(refused.to_string().ends_with(expected), "{refused}");
    resumed(CsvWriter::create(&path), from, row()).unwrap();

    // Without a header, nothing but the position tells the columns.
    let path = folder.path("bare.csv");
    let from = begun(CsvWriter::create(&path).without_header(), row());
    let refused = resumed(CsvWriter::create(&path).without_header(), from, reordered()).unwrap_err();
    assert!(matches!(refused, WriteError::Changed { .. }), "{refused}");
    let longer = resumed(CsvWriter::create(&path).without_header(), from, (1, 2, 3)).unwrap_err();
    assert!(longer.to_string().contains("now they are `3 values without names`"), "{longer}");
}

#[test]
fn a_restart_with_other_options_is_refused_when_the_file_is_opened() {
    let folder = Folder::new();
    let path = folder.path("out.csv");
    let create = || CsvWriter::<Row>::create(&path);
    let from = begun(create(), row());
    for changed in [
        create().delimiter(b';'),
        create().quote(b'\''),
        create().escape(b'\\'),
        create().comment(b'#'),
        create().null("NA"),
        create().crlf(),
        create().without_header(),
        create().header(["a", "b"]),
    ] {
        let mut changed = changed;
        let refused = changed.open(Some(from)).unwrap_err();
        assert!(matches!(refused, WriteError::Changed { .. }), "{refused}");
        assert!(refused.to_string().contains("these must stay as they were: delimiter, quote"), "{refused}");
    }
    resumed(create().overwrite(true), from, row()).unwrap();
}

#[test]
fn a_position_of_an_older_version_and_an_empty_file_take_any_form() {
    let folder = Folder::new();
    let path = folder.path("out.csv");
    let from = begun(CsvWriter::create(&path), row());
    let mut stored = serde_json::to_value(from).unwrap();
    assert!(stored.as_object_mut().unwrap().remove("form").is_some());
    let older = serde_json::from_value(stored).unwrap();
    resumed(CsvWriter::create(&path).delimiter(b';'), older, row()).unwrap();

    let path = folder.path("empty.csv");
    let mut writer = CsvWriter::<Row>::create(&path);
    writer.open(None).unwrap();
    let from = writer.position();
    drop(writer);
    let reordered = Reordered { name: "b".into(), id: 8 };
    resumed(CsvWriter::create(&path).delimiter(b';'), from, reordered).unwrap();
}
