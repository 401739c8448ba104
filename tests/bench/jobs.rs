//! The measured jobs, written as a user would write them.

use std::cell::Cell;
use std::convert::Infallible;
use std::hint::black_box;
use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use batch_runtime::engine::{self, RunOptions};
use batch_runtime::observe::JobReport;
use batch_runtime::prelude::*;
use batch_runtime::readers::{CsvReader, ReadError};
use batch_runtime::repository::sqlite::SqliteRepository;
use batch_runtime::repository::{BatchStatus, Repository};
use batch_runtime::writers::{CsvWriter, SqliteTable};
use batch_runtime::{Launch, Reader};

use crate::data::{self, Sale, SaleText};
use crate::{Outcome, memory};

/// The numbers up to `items`.
#[reader]
pub(crate) fn numbers(items: u64) -> impl Iterator<Item = u64> {
    0..black_box(items)
}

#[processor]
#[inline]
pub(crate) fn scramble(number: u64) -> u64 {
    memory::scramble(number)
}

#[writer]
fn add_up(numbers: &[u64]) {
    memory::add_up(numbers);
}

#[step(chunk = 100)]
pub(crate) fn scramble_numbers() {
    numbers | scramble | add_up
}

/// The sales of a file.
#[reader]
fn sales(input: PathBuf) -> Result<CsvReader<Sale>, ReadError> {
    CsvReader::open(input)
}

/// Filters the one sale in a hundred that is cancelled.
#[processor]
fn charge(sale: Sale) -> Option<Sale> {
    data::charge(sale)
}

#[writer]
fn file(output: PathBuf) -> CsvWriter<Sale> {
    CsvWriter::create(output)
}

#[writer]
fn table() -> SqliteTable<Sale> {
    SqliteTable::into("sale")
}

#[step(chunk = 1_000)]
fn copy_sales() {
    sales | charge | file
}

#[step(chunk = 1_000)]
fn load_sales() {
    sales | charge | table
}

/// Like `copy_sales`, with fault rules.
#[step(chunk = 1_000, skip(ReadError, WriteError, limit = 10), retry(std::io::Error, limit = 3, backoff = exponential("100ms", jitter)))]
fn copy_sales_with_rules() {
    sales | charge | file
}

/// A processor that may fail, and takes the item by value.
#[processor]
#[expect(clippy::unnecessary_wraps, reason = "what is measured is a processor that may fail")]
fn try_charge(sale: Sale) -> Result<Option<Sale>, std::io::Error> {
    Ok(data::charge(sale))
}

#[step(chunk = 1_000)]
fn try_copy_sales() {
    sales | try_charge | file
}

#[step(chunk = 1_000, skip(ReadError, WriteError, limit = 10), retry(std::io::Error, limit = 3))]
fn try_copy_sales_with_rules() {
    sales | try_charge | file
}

/// From file to file, with rules.
#[job]
pub(crate) fn csv_to_csv_with_rules(input: PathBuf, output: PathBuf) {
    copy_sales_with_rules;
}

/// From file to file, by a processor that may fail.
#[job]
pub(crate) fn csv_to_csv_trying(input: PathBuf, output: PathBuf) {
    try_copy_sales;
}

/// From file to file, by a processor that may fail, with rules.
#[job]
pub(crate) fn csv_to_csv_trying_with_rules(input: PathBuf, output: PathBuf) {
    try_copy_sales_with_rules;
}

#[step(chunk = 1_000, threads = 2)]
fn copy_sales_on_threads() {
    sales | charge | file
}

#[step(chunk = 1_000, threads = 2)]
fn load_sales_on_threads() {
    sales | charge | table
}

/// The sales of a file, as text.
#[reader]
fn sale_texts(input: PathBuf) -> Result<CsvReader<SaleText<'_>>, ReadError> {
    CsvReader::open(input)
}

#[processor]
fn charge_text(sale: SaleText<'_>) -> Option<Sale> {
    data::charge_text(sale)
}

#[step(chunk = 1_000)]
fn copy_texts() {
    sale_texts | charge_text | file
}

#[step(chunk = 1_000, threads = 2)]
fn copy_texts_on_threads() {
    sale_texts | charge_text | file
}

#[step(chunk = 1_000, partitions = 2)]
fn copy_texts_in_partitions() {
    sale_texts | charge_text | file
}

/// From file to file, with items that borrow from their records.
#[job]
pub(crate) fn csv_to_csv_lent(input: PathBuf, output: PathBuf) {
    copy_texts;
}

/// From file to file, with borrowing items and threads.
#[job]
pub(crate) fn csv_to_csv_lent_on_threads(input: PathBuf, output: PathBuf) {
    copy_texts_on_threads;
}

/// From file to file, with borrowing items and partitions.
#[job]
pub(crate) fn csv_to_csv_lent_in_partitions(input: PathBuf, output: PathBuf) {
    copy_texts_in_partitions;
}

/// The flights of a file; five of 19 columns are used.
#[reader]
fn flights(input: PathBuf) -> Result<CsvReader<data::Flight<'_>>, ReadError> {
    CsvReader::open(input)
}

#[processor]
fn late(flight: &data::Flight<'_>) -> Option<data::Delay> {
    data::late(flight)
}

#[writer]
fn delays(output: PathBuf) -> CsvWriter<data::Delay> {
    CsvWriter::create(output)
}

#[step(chunk = 1_000)]
fn copy_delays() {
    flights | late | delays
}

/// The late flights of a compressed file.
#[job]
pub(crate) fn late_flights(input: PathBuf, output: PathBuf) {
    copy_delays;
}

/// From file to file.
#[job]
pub(crate) fn csv_to_csv(input: PathBuf, output: PathBuf) {
    copy_sales;
}

/// From file to table.
#[job]
pub(crate) fn csv_to_sqlite(input: PathBuf) {
    load_sales;
}

/// From file to file, with threads.
#[job]
pub(crate) fn csv_to_csv_on_threads(input: PathBuf, output: PathBuf) {
    copy_sales_on_threads;
}

/// From file to table, with threads.
#[job]
pub(crate) fn csv_to_sqlite_on_threads(input: PathBuf) {
    load_sales_on_threads;
}

#[processor]
fn grind(number: u64, turns: u32) -> u64 {
    memory::grind(number, turns)
}

#[step(chunk = 100)]
fn grind_numbers() {
    numbers | grind | add_up
}

#[step(chunk = 100, threads = 2)]
fn grind_numbers_on_threads() {
    numbers | grind | add_up
}

/// Arithmetic on one thread.
#[job]
pub(crate) fn grinding(items: u64, turns: u32) {
    grind_numbers;
}

/// Arithmetic on two.
#[job]
pub(crate) fn grinding_on_threads(items: u64, turns: u32) {
    grind_numbers_on_threads;
}

#[step(chunk = 10_000, threads = 2)]
pub(crate) fn scramble_numbers_on_threads() {
    numbers | scramble | add_up
}

/// Generated sales, without a file.
#[reader]
fn made(rows: u64) -> impl Iterator<Item = Sale> {
    data::sales(rows)
}

/// A writer that is slower than the generator.
#[writer]
fn slowly(sales: &[Sale]) {
    black_box(sales);
    std::thread::sleep(Duration::from_millis(1));
}

#[step(chunk = 1_000, threads = 8)]
fn press_sales() {
    made | charge | slowly
}

/// Eight threads that have to wait for one.
#[job]
pub(crate) fn slow_writer(rows: u64) {
    press_sales;
}

#[step(chunk = 1_000, partitions = 2)]
fn load_sales_in_partitions() {
    sales | charge | table
}

/// From file to table, in two partitions.
#[job]
pub(crate) fn csv_to_sqlite_in_partitions(input: PathBuf) {
    load_sales_in_partitions;
}

#[step(chunk = 1_000, partitions = 2)]
fn copy_sales_in_partitions() {
    sales | charge | file
}

/// From file to file, in two partitions.
#[job]
pub(crate) fn csv_to_csv_in_partitions(input: PathBuf, output: PathBuf) {
    copy_sales_in_partitions;
}

/// The time when the first item of a step with partitions was written.
static FIRST_WRITTEN: Mutex<Option<Instant>> = Mutex::new(None);

/// The time when `many_partitions` wrote its first item; read once.
pub(crate) fn first_written() -> Option<Instant> {
    FIRST_WRITTEN.lock().unwrap_or_else(PoisonError::into_inner).take()
}

#[partitioner]
fn singles(items: u64) -> Vec<(String, u64)> {
    (0..items).map(|number| (number.to_string(), number)).collect()
}

#[reader]
fn single(number: Partition<u64>) -> impl Iterator<Item = u64> {
    std::iter::once(number.into_range())
}

#[writer]
fn note_first(_numbers: &[u64]) {
    FIRST_WRITTEN.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(Instant::now);
}

#[step(chunk = 10, partitioner = singles)]
fn write_singles() {
    single | note_first
}

/// One partition per item.
#[job]
pub(crate) fn many_partitions(items: u64) {
    write_singles;
}

/// Chunks before the clock starts: by then the write-ahead log has reached its size and is reused, as in a long job.
pub(crate) const WARMING: u64 = 500;

thread_local! {
    static FIRST: Cell<Option<Instant>> = const { Cell::new(None) };
    static TOOK: Cell<Option<Duration>> = const { Cell::new(None) };
}

/// How long the chunks of the last `commit_nothing` took, except the first few.
pub(crate) fn empty_chunks_took() -> Option<Duration> {
    TOOK.take()
}

/// Numbers that record how long the chunks take.
struct Timed {
    read: u64,
    all: u64,
}

impl Reader for Timed {
    type Item = u64;
    type Position = u64;
    type Error = Infallible;

    fn read(&mut self) -> Result<Option<u64>, Infallible> {
        if self.read == WARMING {
            FIRST.set(Some(Instant::now()));
        }
        if self.read == self.all {
            TOOK.set(FIRST.take().map(|first| first.elapsed()));
            return Ok(None);
        }
        self.read += 1;
        Ok(Some(self.read))
    }

    fn position(&self) -> u64 {
        self.read
    }

    fn resume(&mut self, position: u64) -> Result<(), Infallible> {
        self.read = position;
        Ok(())
    }
}

#[reader]
fn timed(chunks: u64) -> impl Reader<Item = u64> {
    Timed { read: 0, all: chunks }
}

#[processor]
fn none(_number: u64) -> Option<u64> {
    None
}

#[step(chunk = 1)]
fn commit_nothing() {
    timed | none | add_up
}

/// Every chunk is filtered entirely, so only the checkpoint is committed.
#[job]
pub(crate) fn empty_chunks(chunks: u64) {
    commit_nothing;
}

/// Numbers; the parent process is notified of the first.
#[reader]
fn told() -> impl Iterator<Item = u64> {
    (0..10).inspect(|number| {
        if *number == 0 {
            let mut output = std::io::stdout();
            output.write_all(b"!").and_then(|()| output.flush()).expect("the parent listens");
        }
    })
}

#[step(chunk = 10)]
fn tell_first() {
    told | scramble | add_up
}

/// Says when it has its first item.
#[job]
pub(crate) fn first_item(_run: u64) {
    tell_first;
}

/// Runs the job on a repository in that file; one that does not complete is an error.
pub(crate) fn run(repository: &Path, launch: &Launch) -> Outcome<JobReport> {
    let repository: Arc<dyn Repository> = Arc::new(SqliteRepository::open(repository)?);
    let report = engine::run(&repository, launch, &RunOptions::default())?;
    if report.status != BatchStatus::Completed {
        return Err(format!("{} ended as {:?}", report.job, report.exit).into());
    }
    Ok(report)
}
