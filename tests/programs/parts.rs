//! Jobs whose steps have partitions, for the tests of workers: each item is a number, and in the end a table or a file
//! shows which numbers were written, and how often.

use std::time::Duration;

use batch_runtime::prelude::*;
use batch_runtime::readers::{FilesError, JsonLinesReader, files};
use batch_runtime::{AnyDatabase, DatabaseError};

/// The numbers of a partition.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Range {
    first: i64,
    end: i64,
}

#[partitioner]
fn ranges(parts: u32, size: u32) -> Vec<(String, Range)> {
    let size = i64::from(size);
    (0..i64::from(parts))
        .map(|part| (format!("from {}", part * size), Range { first: part * size, end: (part + 1) * size }))
        .collect()
}

#[reader]
fn numbers(range: &Partition<Range>) -> impl Iterator<Item = i64> {
    range.first..range.end
}

/// Sleeps for each number.
#[processor]
fn slowly(number: i64, micros: u64) -> i64 {
    tracing::debug!(number, "slowly");
    if micros > 0 {
        std::thread::sleep(Duration::from_micros(micros));
    }
    number
}

/// Ends its process at this number, as often as a worker takes it.
#[processor]
fn deadly(number: i64, deadly_at: Option<i64>) -> i64 {
    if deadly_at == Some(number) {
        std::process::abort();
    }
    number
}

#[step]
fn create_table(tx: &Transaction<'_, AnyDatabase>) -> Result<(), DatabaseError> {
    tx.batch_execute("CREATE TABLE item (n BIGINT, pid BIGINT)")
}

#[writer]
fn save(numbers: &[i64], tx: &Transaction<'_, AnyDatabase>) -> Result<(), DatabaseError> {
    for number in numbers {
        tx.execute(
            "INSERT INTO item VALUES ($1, $2)",
            &[(*number).into(), i64::from(std::process::id()).into()],
        )?;
    }
    Ok(())
}

#[step(chunk = 10, partitioner = ranges)]
fn fill() {
    numbers | slowly | deadly | save
}

/// Numbers to a table of the repository's database.
#[job]
fn load(parts: u32, size: u32, #[param(default = 0)] micros: u64, deadly_at: Option<i64>) {
    create_table;
    fill;
}

#[reader]
fn lines(folder: PathBuf) -> Result<impl Splittable<Item = i64>, FilesError> {
    files(folder, "*.txt", |path| JsonLinesReader::open(path))
}

#[step(chunk = 10, partitions = 8)]
fn fill_from_files() {
    lines | slowly | save
}

/// The numbers in the files of a folder, one file per partition.
#[job]
fn load_files(folder: PathBuf, #[param(default = 0)] micros: u64) {
    create_table;
    fill_from_files;
}

/// Computes for a while.
#[processor]
fn compute(number: i64, rounds: u32) -> i64 {
    let hash = (0..rounds).fold(number, |hash, round| std::hint::black_box(hash ^ i64::from(round)));
    if hash == i64::MIN { hash } else { number }
}

#[step(chunk = 1_000, partitioner = ranges, threads = 2)]
fn fill_slowly() {
    numbers | compute | save
}

/// Partitions that mostly compute, two at a time.
#[job]
fn compute_all(parts: u32, size: u32, rounds: u32) {
    create_table;
    fill_slowly;
}

#[step]
fn create_table_once(tx: &Transaction<'_, AnyDatabase>) -> Result<(), DatabaseError> {
    tx.batch_execute("CREATE TABLE IF NOT EXISTS item (n BIGINT, pid BIGINT)")
}

/// Adds the numbers once more in each run.
#[job]
fn load_more(parts: u32, size: u32, #[param(default = 0)] micros: u64, deadly_at: Option<i64>, _run: u32) {
    create_table_once;
    fill;
}

// Numbers to a file

#[writer]
fn file(output: PathBuf) -> CsvWriter<Line> {
    CsvWriter::create(output)
}

#[derive(Debug, Serialize)]
struct Line {
    n: i64,
}

#[processor]
fn line(number: i64) -> Line {
    Line { n: number }
}

#[step(chunk = 10, partitioner = ranges)]
fn print() {
    numbers | slowly | line | file
}

/// Numbers to a file.
#[job]
fn write_file(parts: u32, size: u32, #[param(default = 0)] micros: u64, output: PathBuf) {
    print;
}

// Numbers to another database

#[database]
fn warehouse(warehouse_url: &str) -> Result<AnyDatabase, Failure> {
    // As if an environment variable were missing only on the worker's host.
    let is_worker = std::env::args().any(|argument| argument == "worker");
    assert!(!(is_worker && warehouse_url == "panics-in-workers.db"), "there is no such warehouse here");
    AnyDatabase::at(warehouse_url)
}

#[step]
fn create_stock(tx: &Transaction<'_, warehouse>) -> Result<(), DatabaseError> {
    tx.batch_execute("CREATE TABLE IF NOT EXISTS item (n BIGINT, pid BIGINT)")
}

#[writer]
fn stock(numbers: &[i64], tx: &Transaction<'_, warehouse>) -> Result<(), DatabaseError> {
    for number in numbers {
        tx.execute(
            "INSERT INTO item VALUES ($1, $2)",
            &[(*number).into(), i64::from(std::process::id()).into()],
        )?;
    }
    Ok(())
}

#[step(chunk = 10, partitioner = ranges)]
fn fill_stock() {
    numbers | slowly | stock
}

/// Numbers to a table of another database.
#[job]
fn load_elsewhere(
    parts: u32,
    size: u32,
    #[param(default = 0)] micros: u64,
    #[param(identifying = false)] warehouse_url: String,
) {
    create_stock;
    fill_stock;
}

// Skips

#[derive(Debug, thiserror::Error)]
#[error("{0} is odd")]
struct Odd(i64);

#[processor]
fn even(number: i64, odd_every: i64) -> Result<i64, Odd> {
    if number % odd_every == 1 { Err(Odd(number)) } else { Ok(number) }
}

#[step(chunk = 10, partitioner = ranges, skip(Odd, limit = 20))]
fn fill_even() {
    numbers | slowly | even | save
}

/// Numbers to a table, up to twenty of which are skipped.
#[job]
fn load_even(parts: u32, size: u32, #[param(default = 0)] micros: u64, odd_every: i64) {
    create_table;
    fill_even;
}

// Values that a partition takes from the job around it

/// The output of a step.
#[derive(Debug, Serialize, Deserialize)]
struct Offset(i64);

#[step]
fn decide_offset(page: i64) -> Offset {
    Offset(page * 1_000)
}

/// Built once per execution and process.
#[derive(Debug)]
struct Factor(i64);

#[resource]
fn factor(key: &str) -> Factor {
    Factor(if key == "open sesame" { 1 } else { 1_000_000 })
}

#[processor]
fn moved(
    number: i64,
    offset: &Output<decide_offset>,
    factor: &Factor,
    job: &JobContext,
) -> Result<i64, Failure> {
    if number == 0 {
        println!("the first number is moved");
    }
    job.put(&format!("seen {}", number % 3), &number)?;
    Ok(number * factor.0 + offset.0)
}

#[step(chunk = 10, partitioner = ranges)]
fn fill_page() {
    numbers | slowly | moved | save
}

/// A page, as a job of its own.
#[job]
fn page(parts: u32, size: u32, micros: u64, page: i64, #[param(secret)] key: String) {
    decide_offset;
    fill_page;
}

#[decider]
fn more(job: &JobContext) -> Result<bool, Failure> {
    let pages: i64 = job.get("pages")?.unwrap_or(0);
    job.put("pages", &(pages + 1))?;
    Ok(pages < 2)
}

#[step(chunk = 10, partitioner = ranges)]
fn fill_round() {
    numbers | slowly | save
}

/// A nested job with a secret of another name, a loop, and a split.
#[job]
fn around(
    parts: u32,
    size: u32,
    #[param(default = 0)] micros: u64,
    deadly_at: Option<i64>,
    #[param(secret)] password: String,
) {
    create_table;
    split!(page(page = 7, key = password), fill);
    while more {
        fill_round;
    }
}

#[step(chunk = 10, partitioner = ranges, timeout = "1s")]
fn fill_in_time() {
    numbers | slowly | save
}

/// Numbers to a table, with a time limit of a second.
#[job]
fn load_in_time(parts: u32, size: u32, #[param(default = 0)] micros: u64) {
    create_table;
    fill_in_time;
}

/// Has nothing for workers.
#[job]
fn alone() {
    create_table;
}

batch_runtime::main!(
    load,
    load_more,
    compute_all,
    write_file,
    load_elsewhere,
    load_even,
    around,
    load_in_time,
    load_files,
    alone
);
