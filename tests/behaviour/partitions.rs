//! `partitions = N`: each record once, partitions stored once, a restart of incomplete ones, and one merged file.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Mutex;

use batch_runtime::observe::JobReport;
use batch_runtime::prelude::*;
use batch_runtime::readers::JsonLinesReader;
use batch_runtime::repository::BatchStatus;
use batch_runtime::writers::{JsonLinesWriter, SqliteTable};

use crate::support::{World, step};

#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
struct Note {
    id: u32,
    text: String,
}

#[reader]
fn notes(input: PathBuf) -> Result<CsvReader<Note>, ReadError> {
    CsvReader::open(input)
}

/// Fails on the note `bad`.
#[processor]
fn check(note: Note, bad: Option<u32>) -> Result<Note, String> {
    if bad == Some(note.id) { Err(format!("note {} is bad", note.id)) } else { Ok(note) }
}

#[writer]
fn note_table() -> SqliteTable<Note> {
    SqliteTable::into("note")
}

#[step(allow_start_if_complete)]
fn create_notes(tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute_batch("CREATE TABLE IF NOT EXISTS note (id INTEGER, text TEXT)")
}

/// Notes that contain line breaks, quotes and commas.
fn write_notes(path: &Path, count: u32) {
    let mut text = "id,text\n".to_owned();
    for id in 0..count {
        let _ =
            writeln!(text, "{id},\"of {id}\nline \"\"two\"\", {}\n{id},\"", "x".repeat(id as usize * 7 % 17));
    }
    std::fs::write(path, text).unwrap();
}

fn world_with_notes(count: u32) -> (World, PathBuf) {
    let world = World::new();
    let input = world.path("notes.csv");
    write_notes(&input, count);
    (world, input)
}

fn step_rows(world: &World) -> Vec<String> {
    world.texts(
        "SELECT STEP_NAME || ' ' || STATUS FROM BATCH_STEP_EXECUTION ORDER BY JOB_EXECUTION_ID, STEP_NAME",
    )
}

macro_rules! in_partitions {
    ($($number:literal $name:ident)*) => {
        $(mod $name {
            use super::*;

            #[step(chunk = 3, partitions = $number)]
            fn load() {
                notes | note_table
            }

            #[job]
            pub(super) fn load_notes(input: PathBuf) {
                create_notes;
                load;
            }
        })*

        #[test]
        fn every_record_is_read_once_for_any_number_of_partitions() {
            $({
                let (world, input) = world_with_notes(45);
                let report = world.completes(&$name::load_notes(input));
                let counters = step(&report, "load").counters;
                assert_eq!((counters.read, counters.write), (45, 45), "{}", $number);
                let ids = world.numbers("SELECT id FROM note ORDER BY id");
                assert_eq!(ids, (0..45).collect::<Vec<_>>(), "{}", $number);
                let made = world.numbers("SELECT count(*) FROM BATCH_PARTITION");
                assert_eq!(made, [$number]);
            })*
        }
    };
}

in_partitions! {
    1 one 2 two 3 three 4 four 5 five 6 six 7 seven 8 eight 9 nine 10 ten 11 eleven 12 twelve 13 thirteen 14 fourteen
    15 fifteen 16 sixteen 17 seventeen 18 eighteen 19 nineteen 20 twenty
}

#[step(chunk = 2, partitions = 4, threads = 1)]
fn load() {
    notes | check | note_table
}

#[job]
fn load_checked(input: PathBuf, #[param(identifying = false)] bad: Option<u32>) {
    create_notes;
    load;
}

#[test]
fn after_a_failure_no_further_partition_begins_and_a_restart_runs_the_incomplete_ones() {
    let (world, input) = world_with_notes(40);
    let failed = world.fails(&load_checked(input.clone(), Some(15)));
    let why = &failed.exit.description;
    assert!(
        why.contains("step `load`: ") && why.contains("partition 1: ") && why.contains("note 15 is bad"),
        "{why}"
    );
    assert_eq!(
        step_rows(&world),
        [
            "create_notes COMPLETED",
            "load FAILED",
            "load:partition0 COMPLETED",
            "load:partition1 FAILED",
            "load:partition2 STOPPED",
            "load:partition3 STOPPED",
        ]
    );
    let first = step(&failed, "load").counters;

    let report = world.completes(&load_checked(input, None));
    let again: Vec<_> = step_rows(&world).into_iter().skip(6).collect();
    assert_eq!(
        again,
        [
            "create_notes COMPLETED",
            "load COMPLETED",
            "load:partition1 COMPLETED",
            "load:partition2 COMPLETED",
            "load:partition3 COMPLETED",
        ]
    );
    assert_eq!(world.numbers("SELECT id FROM note ORDER BY id"), (0..40).collect::<Vec<_>>());
    // Both executions read the item that failed.
    let second = step(&report, "load").counters;
    assert_eq!(first.write + second.write, 40);
    assert_eq!(step(&report, "load").before.write, first.write);
}

#[test]
fn the_counters_of_the_step_are_the_sums_of_its_partitions() {
    let (world, input) = world_with_notes(40);
    let report = world.completes(&load_checked(input, None));
    let sums = world.numbers(
        "SELECT sum(READ_COUNT) FROM BATCH_STEP_EXECUTION WHERE STEP_NAME LIKE 'load:partition%'
         UNION ALL SELECT READ_COUNT FROM BATCH_STEP_EXECUTION WHERE STEP_NAME = 'load'
         UNION ALL SELECT sum(COMMIT_COUNT) FROM BATCH_STEP_EXECUTION WHERE STEP_NAME LIKE 'load:partition%'
         UNION ALL SELECT COMMIT_COUNT FROM BATCH_STEP_EXECUTION WHERE STEP_NAME = 'load'",
    );
    assert_eq!(sums[..2], [40, 40]);
    assert_eq!(sums[2], sums[3]);
    let names: Vec<_> = report.steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(names, ["create_notes", "load"]);
}

// Partitioner

/// How often a partitioner was called, by the job's `tag`.
static CALLS: Mutex<BTreeMap<String, u32>> = Mutex::new(BTreeMap::new());

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Years {
    first: u32,
    last: u32,
}

#[partitioner]
fn decades(tag: &str, until: u32) -> Result<Vec<(String, Years)>, String> {
    *CALLS.lock().unwrap().entry(tag.to_owned()).or_default() += 1;
    if until > 3_000 {
        return Err("nobody knows".to_owned());
    }
    Ok((1970..until)
        .step_by(10)
        .map(|first| (format!("{first}s"), Years { first, last: first + 9 }))
        .collect())
}

#[reader]
fn years(decade: Partition<Years>) -> impl Iterator<Item = Note> {
    let name = decade.name().to_owned();
    (decade.first..=decade.last).map(move |id| Note { id, text: name.clone() })
}

#[step(chunk = 4, partitioner = decades, threads = 2)]
fn load_years() {
    years | check | note_table
}

#[job]
fn all_years(tag: String, until: u32, #[param(identifying = false)] bad: Option<u32>) {
    create_notes;
    load_years;
}

#[test]
fn a_partitioner_is_called_once_per_instance_and_each_partition_reads_its_range() {
    let (world, tag) = (World::new(), "once".to_owned());
    let failed = world.fails(&all_years(tag.clone(), 2_020, Some(1_985)));
    assert!(failed.exit.description.contains("partition 1 `1980s`: "), "{}", failed.exit.description);
    world.completes(&all_years(tag.clone(), 2_020, None));
    assert_eq!(world.numbers("SELECT id FROM note ORDER BY id"), (1_970..2_020).collect::<Vec<_>>());
    assert_eq!(world.numbers("SELECT count(*) FROM note WHERE text <> substr(id, 1, 3) || '0s'"), [0]);
    assert_eq!(CALLS.lock().unwrap()[&tag], 1);
    let stored = world.texts("SELECT NAME || PART FROM BATCH_PARTITION WHERE PARTITION = 4");
    assert_eq!(stored, [r#"2010s{"first":2010,"last":2019}"#]);
}

#[test]
fn a_failed_partitioner_fails_the_step_and_a_restart_calls_it_again() {
    let (world, tag) = (World::new(), "fails".to_owned());
    for _ in 0..2 {
        let failed = world.fails(&all_years(tag.clone(), 3_010, None));
        assert!(failed.exit.description.contains("`decades`: nobody knows"), "{}", failed.exit.description);
    }
    assert_eq!(CALLS.lock().unwrap()[&tag], 2);
}

#[test]
fn a_partitioner_that_makes_none_completes_the_step() {
    let world = World::new();
    let report = world.completes(&all_years("none".to_owned(), 1_970, None));
    assert_eq!(step(&report, "load_years").counters.read, 0);
}

// Files

#[writer]
fn note_file(output: PathBuf) -> CsvWriter<Note> {
    CsvWriter::create(output).footer(|records| format!("# {records} notes"))
}

#[reader]
fn note_lines(input: PathBuf) -> Result<JsonLinesReader<Note>, ReadError> {
    JsonLinesReader::open(input)
}

#[writer]
fn line_file(lines_output: PathBuf) -> JsonLinesWriter<Note> {
    JsonLinesWriter::create(lines_output).header("{}").footer(|records| format!("{{\"records\":{records}}}"))
}

#[processor]
fn odd(note: Note) -> Option<Note> {
    (note.id % 2 == 1).then_some(note)
}

#[step(chunk = 3)]
fn copy() {
    notes | odd | check | (note_file, line_file)
}

#[step(chunk = 3, partitions = 5)]
fn copy_in_partitions() {
    notes | odd | check | (note_file, line_file)
}

#[job]
fn copies(
    input: PathBuf,
    output: PathBuf,
    lines_output: PathBuf,
    #[param(identifying = false)] bad: Option<u32>,
) {
    copy;
}

#[job]
fn copies_in_partitions(
    input: PathBuf,
    output: PathBuf,
    lines_output: PathBuf,
    #[param(identifying = false)] bad: Option<u32>,
) {
    copy_in_partitions;
}

fn files(world: &World) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(world.folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.starts_with("batch.db"))
        .collect();
    names.sort();
    names
}

fn same_output(count: u32) {
    let (world, input) = world_with_notes(count);
    world.completes(&copies(input.clone(), world.path("whole.csv"), world.path("whole.jsonl"), None));
    let launch =
        |bad| copies_in_partitions(input.clone(), world.path("parts.csv"), world.path("parts.jsonl"), bad);
    if count > 21 {
        world.fails(&launch(Some(21)));
        assert!(!world.path("parts.csv").exists());
    }
    let report = world.completes(&launch(None));
    let step = step(&report, "copy_in_partitions");
    assert_eq!(u64::from(count / 2), step.counters.write + step.before.write);
    let read = |name| std::fs::read_to_string(world.path(name)).unwrap();
    assert_eq!(read("parts.csv"), read("whole.csv"));
    assert_eq!(read("parts.jsonl"), read("whole.jsonl"));
    assert_eq!(files(&world), ["notes.csv", "parts.csv", "parts.jsonl", "whole.csv", "whole.jsonl"]);
}

#[test]
fn the_files_of_partitions_are_joined_into_the_file_that_one_writer_writes() {
    for count in [0, 1, 2, 9, 50] {
        same_output(count);
    }
}

#[test]
fn a_file_that_is_in_the_way_is_refused_before_any_partition_begins() {
    let (world, input) = world_with_notes(9);
    std::fs::write(world.path("parts.csv"), "mine").unwrap();
    let launch = copies_in_partitions(input, world.path("parts.csv"), world.path("parts.jsonl"), None);
    let failed = world.fails(&launch);
    assert!(failed.exit.description.contains("exists already"), "{}", failed.exit.description);
    assert_eq!(step_rows(&world), ["copy_in_partitions FAILED"]);
}

#[step(chunk = 3, partitions = 3)]
fn copy_lines() {
    note_lines | line_file
}

#[job]
fn line_copies(input: PathBuf, lines_output: PathBuf) {
    copy_lines;
}

#[test]
fn json_lines_are_read_and_written_in_partitions() {
    let world = World::new();
    let mut lines = String::new();
    for id in 0..20 {
        let _ = writeln!(lines, "{{\"id\":{id},\"text\":\"a\\nb\"}}");
    }
    std::fs::write(world.path("notes.jsonl"), &lines).unwrap();
    world.completes(&line_copies(world.path("notes.jsonl"), world.path("out.jsonl")));
    let written = std::fs::read_to_string(world.path("out.jsonl")).unwrap();
    assert_eq!(written, format!("{{}}\n{lines}{{\"records\":20}}\n"));
}

// Stop

#[processor]
fn stopping(note: Note, job: &JobContext, stop_at: Option<u32>) -> Result<Note, Failure> {
    if stop_at == Some(note.id) {
        STOPS.lock().unwrap().get(&job.instance().0).expect("a signal for the instance").raise();
    }
    Ok(note)
}

static STOPS: Mutex<BTreeMap<i64, batch_runtime::StopSignal>> = Mutex::new(BTreeMap::new());

#[step(chunk = 2, partitions = 4, threads = 2)]
fn load_stopping() {
    notes | stopping | note_table
}

#[job]
fn stopped(input: PathBuf, #[param(identifying = false)] stop_at: Option<u32>) {
    create_notes;
    load_stopping;
}

#[test]
fn a_stop_reaches_all_partitions_and_a_restart_resumes_after_their_commits() {
    let (world, input) = world_with_notes(200);
    let options = batch_runtime::engine::RunOptions::default();
    STOPS.lock().unwrap().insert(1, options.stop.clone());
    let launch = stopped(input.clone(), Some(3));
    let report: JobReport = batch_runtime::engine::run(&world.repository, &launch, &options).unwrap();
    assert_eq!(report.status, BatchStatus::Stopped);
    let done = step(&report, "load_stopping").counters.write;
    assert!(done < 200, "{done}");
    let running = "SELECT count(*) FROM BATCH_STEP_EXECUTION WHERE STATUS NOT IN ('STOPPED', 'COMPLETED')";
    assert_eq!(world.numbers(running), [0]);
    world.completes(&stopped(input, None));
    assert_eq!(world.numbers("SELECT id FROM note ORDER BY id"), (0..200).collect::<Vec<_>>());
}

// Skips

#[derive(Debug)]
struct Bad(u32);

impl std::fmt::Display for Bad {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} is bad", self.0)
    }
}

impl std::error::Error for Bad {}

#[processor]
fn refuse_fives(note: Note) -> Result<Note, Bad> {
    if note.id.is_multiple_of(5) { Err(Bad(note.id)) } else { Ok(note) }
}

#[step(chunk = 2, partitions = 4, threads = 2, skip(Bad, limit = 8))]
fn load_with_eight() {
    notes | refuse_fives | note_table
}

#[step(chunk = 2, partitions = 4, threads = 2, skip(Bad, limit = 7))]
fn load_with_seven() {
    notes | refuse_fives | note_table
}

#[job]
fn eight_skipped(input: PathBuf) {
    create_notes;
    load_with_eight;
}

#[job]
fn seven_skipped(input: PathBuf) {
    create_notes;
    load_with_seven;
}

#[test]
fn a_limit_of_skips_counts_across_partitions() {
    let (world, input) = world_with_notes(40);
    let report = world.completes(&eight_skipped(input.clone()));
    assert_eq!(step(&report, "load_with_eight").counters.process_skip, 8);
    assert_eq!(world.numbers("SELECT count(*) FROM BATCH_SKIPPED_ITEM"), [8]);
    let report = world.fails(&seven_skipped(input));
    assert!(report.exit.description.contains("its limit of 7"), "{}", report.exit.description);
}

// Another database

#[database]
fn warehouse(warehouse_path: PathBuf) -> Sqlite {
    Sqlite::open(warehouse_path)
}

#[writer]
fn stock(notes: &[Note], tx: &Transaction<'_, warehouse>) -> rusqlite::Result<()> {
    tx.execute_batch("CREATE TABLE IF NOT EXISTS stock (id INTEGER PRIMARY KEY)")?;
    notes.iter().try_for_each(|note| tx.execute("INSERT INTO stock VALUES (?1)", [note.id]).map(drop))
}

#[step(chunk = 3, partitions = 4, threads = 2)]
fn load_stock() {
    notes | check | stock
}

#[job]
fn stocked(input: PathBuf, warehouse_path: PathBuf, #[param(identifying = false)] bad: Option<u32>) {
    load_stock;
}

#[test]
fn partitions_commit_in_another_database() {
    let (world, input) = world_with_notes(40);
    let path = world.path("warehouse.db");
    let failed = world.fails(&stocked(input.clone(), path.clone(), Some(25)));
    let report = world.completes(&stocked(input, path.clone(), None));
    let both = step(&failed, "load_stock").counters.write + step(&report, "load_stock").counters.write;
    assert_eq!(both, 40);
    let stock = rusqlite::Connection::open(path).unwrap();
    let count: i64 = stock.query_row("SELECT count(*) FROM stock", [], |row| row.get(0)).unwrap();
    assert_eq!(count, 40);
}

// Started again although complete

#[step(chunk = 3, partitions = 3, allow_start_if_complete)]
fn load_again() {
    notes | note_table
}

#[step]
fn fail_once(fail: bool) -> Result<(), String> {
    if fail { Err("told to".to_owned()) } else { Ok(()) }
}

#[job]
fn again(input: PathBuf, #[param(identifying = false, default = false)] fail: bool) {
    create_notes;
    load_again;
    fail_once;
}

#[test]
fn a_completed_step_that_starts_again_recreates_its_partitions() {
    let (world, input) = world_with_notes(12);
    world.fails(&again(input.clone(), true));
    let report = world.completes(&again(input, false));
    assert_eq!(step(&report, "load_again").counters.write, 12);
    assert_eq!(world.numbers("SELECT count(*) FROM note"), [24]);
}

// Branches and nested jobs

#[step(chunk = 2, partitions = 4, threads = 2)]
fn load_unchecked() {
    notes | note_table
}

#[job]
fn beside(input: PathBuf) {
    create_notes;
    split! {
        load_unchecked as left,
        load_again as right,
    }
}

#[test]
fn steps_with_partitions_run_in_parallel() {
    let (world, input) = world_with_notes(30);
    let report = world.completes(&beside(input));
    assert_eq!(step(&report, "left").counters.write + step(&report, "right").counters.write, 60);
    assert_eq!(world.numbers("SELECT count(*) FROM BATCH_PARTITION"), [7]);
}

// Contexts

#[processor]
fn remember(note: Note, step: &StepContext, job: &JobContext) -> Result<Note, Failure> {
    let seen: u32 = step.get("seen")?.unwrap_or(0);
    step.put("seen", &(seen + 1))?;
    job.put(step.step(), &(seen + 1))?;
    Ok(note)
}

#[step(chunk = 3, partitions = 3)]
fn remembering() {
    notes | remember | note_table
}

#[job]
fn remembered(input: PathBuf) {
    create_notes;
    remembering;
}

#[test]
fn each_partition_has_its_own_context_and_all_share_the_jobs() {
    let (world, input) = world_with_notes(30);
    world.completes(&remembered(input));
    let of_steps = world.numbers(
        "SELECT json_extract(SHORT_CONTEXT, '$.seen[1]') FROM BATCH_STEP_EXECUTION_CONTEXT
         JOIN BATCH_STEP_EXECUTION USING (STEP_EXECUTION_ID) WHERE STEP_NAME LIKE 'remembering:%' ORDER BY STEP_NAME",
    );
    assert_eq!((of_steps.len(), of_steps.iter().sum::<i64>()), (3, 30));
    let of_job = world.texts("SELECT SHORT_CONTEXT FROM BATCH_JOB_EXECUTION_CONTEXT").concat();
    for (number, seen) in of_steps.iter().enumerate() {
        assert!(
            of_job.contains(&format!("remembering:partition{number}")) && of_job.contains(&seen.to_string()),
            "{of_job}"
        );
    }
}
