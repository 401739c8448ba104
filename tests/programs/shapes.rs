//! The shapes of jobs that the crash tests kill: one job per shape, each of them deterministic, so that a killed run can be
//! compared with an undisturbed one.

use batch_runtime::prelude::*;
use batch_runtime::readers::JsonLinesReader;
use batch_runtime::writers::{ByKey, JsonLinesWriter, Rolling, SqliteTable, by_key, rolling};

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Sale {
    id: u32,
    region: String,
    cents: i64,
}

#[reader]
fn sales(input: PathBuf) -> Result<CsvReader<Sale>, ReadError> {
    CsvReader::open(input)
}

/// Filters every seventh item.
#[processor]
fn most(sale: Sale) -> Option<Sale> {
    if sale.id.is_multiple_of(7) { None } else { Some(sale) }
}

// CSV to CSV

#[writer]
fn file(output: PathBuf) -> CsvWriter<Sale> {
    CsvWriter::create(output)
}

#[step(chunk = 4)]
fn copy() {
    sales | most | file
}

/// A CSV file to a CSV file.
#[job]
fn csv_to_csv(input: PathBuf, output: PathBuf) {
    copy;
}

// CSV to the repository's own file

#[step]
fn create_tables(tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute_batch(
        "CREATE TABLE sale (id INTEGER, region TEXT, cents INTEGER);
         CREATE TABLE dear (id INTEGER, seen INTEGER)",
    )
}

#[writer]
fn table() -> SqliteTable<Sale> {
    SqliteTable::into("sale")
}

#[step(chunk = 4)]
fn load() {
    sales | most | table
}

#[writer]
fn save_dear(sales: &[Sale], tx: &Transaction<'_>) -> rusqlite::Result<()> {
    let mut insert = tx.prepare_cached("INSERT INTO dear SELECT ?1, count(*) FROM dear")?;
    sales.iter().try_for_each(|sale| insert.execute([sale.id]).map(drop))
}

#[step(chunk = 5)]
fn load_dear() {
    sales | save_dear
}

/// A CSV file to tables next to the repository's own: a row writer, then a function.
#[job]
fn csv_to_table(input: PathBuf) {
    create_tables;
    load;
    load_dear;
}

// CSV to another database

#[database]
fn warehouse(warehouse_path: PathBuf) -> Sqlite {
    Sqlite::open(warehouse_path)
}

#[writer]
fn stock(sales: &[Sale], tx: &Transaction<'_, warehouse>) -> rusqlite::Result<()> {
    tx.execute_batch("CREATE TABLE IF NOT EXISTS stock (id INTEGER, cents INTEGER)")?;
    let mut insert = tx.prepare_cached("INSERT INTO stock VALUES (?1, ?2)")?;
    sales.iter().try_for_each(|sale| insert.execute((sale.id, sale.cents)).map(drop))
}

#[step(chunk = 4)]
fn fill() {
    sales | most | stock
}

/// In the other database, one call per transaction.
#[step]
fn count_stock(tx: &Transaction<'_, warehouse>, #[state] calls: &mut Calls) -> rusqlite::Result<Repeat> {
    calls.0 += 1;
    tx.execute_batch("CREATE TABLE IF NOT EXISTS counted (call INTEGER, rows INTEGER)")?;
    tx.execute("INSERT INTO counted SELECT ?1, count(*) FROM stock", [calls.0])?;
    Ok(if calls.0 < 3 { Repeat::Again } else { Repeat::Done })
}

/// A CSV file to a database that is not the repository's.
#[job]
fn csv_to_warehouse(input: PathBuf, warehouse_path: PathBuf) {
    fill;
    count_stock;
}

// JSON lines to JSON lines

#[reader]
fn lines(lines_input: PathBuf) -> Result<JsonLinesReader<Sale>, ReadError> {
    JsonLinesReader::open(lines_input)
}

#[writer]
fn lines_file(output: PathBuf) -> JsonLinesWriter<Sale> {
    JsonLinesWriter::create(output)
}

#[step(chunk = 3)]
fn copy_lines() {
    lines | most | lines_file
}

/// JSON lines to JSON lines.
#[job]
fn json_lines(lines_input: PathBuf, output: PathBuf) {
    copy_lines;
}

// Several items at once

#[derive(Debug, thiserror::Error)]
#[error("no price for {0}")]
struct Unpriced(u32);

/// Some calls take longer than others; every ninth item is not priced.
#[processor(concurrency = 5)]
async fn price(sale: Sale) -> Result<Sale, Unpriced> {
    for _ in 0..sale.id % 4 {
        tokio::task::yield_now().await;
    }
    if sale.id.is_multiple_of(9) {
        Err(Unpriced(sale.id))
    } else {
        Ok(Sale { cents: sale.cents * 2, ..sale })
    }
}

#[step(chunk = 4, skip(Unpriced))]
fn load_priced() {
    sales | price | most | (file, table)
}

/// Calls of several chunks are in flight while one is committed.
#[job]
fn async_calls(input: PathBuf, output: PathBuf) {
    create_tables;
    load_priced;
}

/// Prices on threads; every ninth item is not priced.
#[processor(concurrency = 3)]
fn price_on_threads(sale: &Sale) -> Result<Sale, Unpriced> {
    if sale.id.is_multiple_of(9) { Err(Unpriced(sale.id)) } else { Ok(sale.clone()) }
}

#[step(chunk = 4, skip(Unpriced))]
fn load_on_threads() {
    sales | price_on_threads | most | (file, table)
}

/// Calls of several chunks are in flight on a pool of threads.
#[job]
fn thread_pool(input: PathBuf, output: PathBuf) {
    create_tables;
    load_on_threads;
}

// Two writers

#[step(chunk = 5)]
fn save_twice() {
    sales | most | (file, table)
}

/// Each item to a file and to a table.
#[job]
fn two_writers(input: PathBuf, output: PathBuf) {
    create_tables;
    save_twice;
}

// State in a processor

#[derive(Default, Clone, Serialize, Deserialize)]
struct Running {
    count: u32,
    cents: i64,
}

/// Replaces the amount with the sum so far, and every third item with two.
#[processor]
fn add_up(sale: Sale, #[state] running: &mut Running) -> Many<Vec<Sale>> {
    running.count += 1;
    running.cents += sale.cents;
    let summed = Sale { cents: running.cents, ..sale };
    Many(if running.count.is_multiple_of(3) { vec![summed.clone(), summed] } else { vec![summed] })
}

#[step(chunk = 3)]
fn sum() {
    sales | most | add_up | (table, file)
}

/// A processor with state that turns some items into several.
#[job]
fn state(input: PathBuf, output: PathBuf) {
    create_tables;
    sum;
}

// A tasklet with many transactions

#[derive(Default, Serialize, Deserialize)]
struct Calls(i64);

#[step]
fn in_parts(tx: &Transaction<'_>, #[state] calls: &mut Calls) -> rusqlite::Result<Repeat> {
    tx.execute_batch("CREATE TABLE IF NOT EXISTS part (number INTEGER, before INTEGER)")?;
    calls.0 += 1;
    tx.execute("INSERT INTO part SELECT ?1, count(*) FROM part", [calls.0])?;
    Ok(if calls.0 < 12 { Repeat::Again } else { Repeat::Done })
}

/// A tasklet that is called again and again, with state.
#[job]
fn repeat() {
    in_parts;
}

// Control flow

enum Size {
    Small,
    Large,
}

#[decider]
fn size(connection: &Connection) -> rusqlite::Result<Size> {
    let rows: u32 = connection.query_row("SELECT count(*) FROM sale", [], |row| row.get(0))?;
    Ok(if rows < 10 { Size::Small } else { Size::Large })
}

#[processor]
fn reject(sale: Sale) -> Result<Sale, String> {
    if sale.id == 13 { Err("the thirteenth is never taken".to_owned()) } else { Ok(sale) }
}

/// Commits three chunks and fails in the fourth.
#[step(chunk = 4)]
fn fragile() {
    sales | reject | table
}

#[step]
fn mark(tx: &Transaction<'_>, what: &str) -> rusqlite::Result<()> {
    tx.execute_batch("CREATE TABLE IF NOT EXISTS mark (what TEXT, before INTEGER)")?;
    tx.execute("INSERT INTO mark SELECT ?1, count(*) FROM mark", [what]).map(drop)
}

#[decider]
fn more(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("SELECT count(*) < 3 FROM mark WHERE what = 'page'", [], |row| row.get(0))
}

/// A value that the job also matches on.
#[step]
fn grade(tx: &Transaction<'_>) -> rusqlite::Result<Size> {
    tx.execute("INSERT INTO mark SELECT 'grade', count(*) FROM mark", [])?;
    let rows: u32 = tx.query_row("SELECT count(*) FROM mark", [], |row| row.get(0))?;
    Ok(if rows < 8 { Size::Small } else { Size::Large })
}

/// A decider, a handled failure, two loops, and a tasklet whose value is matched on.
#[job]
fn control_flow(input: PathBuf) {
    create_tables;
    match fragile {
        Completed => mark(what = "taken") as taken,
        Failed => mark(what = "handled") as handled,
    }
    match size {
        Size::Small => mark(what = "small") as small,
        Size::Large => mark(what = "large") as large,
    }
    while more {
        mark(what = "page") as page;
    }
    loop {
        match grade {
            Size::Small => {}
            Size::Large => break,
        }
    }
    mark(what = "end") as last;
}

// A nested job, and the output of a tasklet

#[job]
fn inner(input: PathBuf, output: PathBuf) {
    copy;
    mark(what = "inner") as within;
}

/// A job as a step of another.
#[job]
fn nested(input: PathBuf, output: PathBuf) {
    mark(what = "before") as before;
    inner;
    mark(what = "after") as after;
}

#[derive(Serialize, Deserialize)]
struct Total {
    rows: u32,
    cents: i64,
}

#[step]
fn total(tx: &Transaction<'_>) -> rusqlite::Result<Total> {
    tx.execute("INSERT INTO dear SELECT -1, count(*) FROM dear", [])?;
    tx.query_row("SELECT count(*), sum(cents) FROM sale", [], |row| {
        Ok(Total { rows: row.get(0)?, cents: row.get(1)? })
    })
}

#[step]
fn note_total(tx: &Transaction<'_>, total: &Output<total>) -> rusqlite::Result<()> {
    tx.execute("INSERT INTO dear VALUES (?1, ?2)", (total.cents, total.rows)).map(drop)
}

#[processor]
fn share(sale: Sale, total: &Output<total>) -> Sale {
    Sale { cents: sale.cents * 1_000 / total.cents, ..sale }
}

#[step(chunk = 5)]
fn shares() {
    sales | share | file
}

/// Two later steps use the output of a tasklet.
#[job]
fn output(input: PathBuf, output: PathBuf) {
    create_tables;
    load;
    total;
    note_total;
    shares;
}

// Compressed input

#[reader]
fn zipped(zipped_input: PathBuf) -> Result<CsvReader<Sale>, ReadError> {
    CsvReader::open(zipped_input)
}

#[reader]
fn zipped_lines(zipped_lines_input: PathBuf) -> Result<JsonLinesReader<Sale>, ReadError> {
    JsonLinesReader::open(zipped_lines_input)
}

#[step(chunk = 5)]
fn unzip() {
    (zipped, zipped_lines) | most | file
}

/// A `.zst` and a `.gz` file, read one after the other.
#[job]
fn compressed(zipped_input: PathBuf, zipped_lines_input: PathBuf, output: PathBuf) {
    unzip;
}

// Branches

/// The place of a row does not depend on which branch comes first.
#[writer]
fn save_shared(sales: &[Sale], lane: i64, tx: &Transaction<'_>) -> rusqlite::Result<()> {
    let mut insert = tx.prepare_cached("INSERT INTO shared VALUES (?1, ?2)")?;
    sales.iter().try_for_each(|sale| insert.execute((i64::from(sale.id) * 2 + lane, sale.cents)).map(drop))
}

#[step(chunk = 4)]
fn load_shared() {
    sales | most | save_shared
}

#[step]
fn create_shared(tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute_batch("CREATE TABLE shared (id INTEGER PRIMARY KEY, cents INTEGER)")
}

/// Counts the rows of both branches.
#[step]
fn count_shared(tx: &Transaction<'_>, lane: &Output<count_lane>) -> rusqlite::Result<()> {
    tx.execute_batch("CREATE TABLE joined (rows INTEGER, lane INTEGER)")?;
    tx.execute("INSERT INTO joined SELECT count(*), ?1 FROM shared", [lane.0]).map(drop)
}

#[derive(Serialize, Deserialize)]
struct Lane(i64);

#[step]
fn count_lane(tx: &Transaction<'_>) -> rusqlite::Result<Lane> {
    tx.query_row("SELECT count(*) FROM shared WHERE id % 2 = 1", [], |row| row.get(0)).map(Lane)
}

/// Branches that write one table, others that write files, and one with a step that fails in the middle, which the
/// branch handles.
#[job]
fn split(input: PathBuf, output: PathBuf, lines_input: PathBuf, lines_output: PathBuf) {
    create_tables;
    create_shared;
    split! {
        match fragile {
            Completed => mark(what = "taken") as taken,
            Failed => mark(what = "handled") as handled,
        },
        { load_shared(lane = 0) as load_left; copy; },
        {
            load_shared(lane = 1) as load_right;
            split! { count_lane, copy_lines(output = lines_output) }
        },
    }
    count_shared;
    mark(what = "end") as last;
}

// Partitions

/// The ids of the items that a partition passed on, in order.
#[derive(Default, Serialize, Deserialize)]
struct Passed(Vec<u32>);

#[processor]
fn remember(sale: Sale, #[state] passed: &mut Passed) -> Sale {
    passed.0.push(sale.id);
    sale
}

/// The journal then shows whether each partition's state was that of its last commit.
#[aggregator]
fn passed(parts: Vec<Passed>) -> Vec<Passed> {
    parts
}

#[step(chunk = 4, partitions = 3, threads = 1, aggregator = passed)]
fn copy_in_turn() {
    sales | most | remember | (file, save_shared(lane = 0))
}

/// Ranges of bytes one after the other, to one file and one table.
#[job]
fn partitions(input: PathBuf, output: PathBuf) {
    create_shared;
    copy_in_turn;
    mark(what = "end") as last;
}

#[step(chunk = 4, partitions = 3, threads = 3, aggregator = passed)]
fn copy_at_once() {
    sales | most | remember | (file, save_shared(lane = 0))
}

/// Ranges of bytes, three at the same time, to one file and one table.
#[job]
fn partitions_at_once(input: PathBuf, output: PathBuf) {
    create_shared;
    copy_at_once;
    mark(what = "end") as last;
}

// Bad items

/// Why a sale is refused.
#[derive(Debug)]
enum Refused {
    Id(u32),
    Sql(rusqlite::Error),
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Id(id) => write!(f, "sale {id} is not taken"),
            Self::Sql(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Refused {}

impl From<rusqlite::Error> for Refused {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

/// The sales of a file with bad lines.
#[reader]
fn bad_sales(bad_input: PathBuf) -> Result<CsvReader<Sale>, ReadError> {
    CsvReader::open(bad_input)
}

/// Counts the accepted sales in its state.
#[processor]
fn check(sale: Sale, #[state] running: &mut Running) -> Result<Sale, Refused> {
    running.count += 1;
    if sale.id % 7 == 3 {
        Err(Refused::Id(sale.id))
    } else {
        Ok(Sale { cents: i64::from(running.count), ..sale })
    }
}

/// Refuses some rows after they are in the table.
#[writer]
fn checked_table(sales: &[Sale], tx: &Transaction<'_>) -> Result<(), Refused> {
    let mut insert = tx.prepare_cached("INSERT INTO sale VALUES (?1, ?2, ?3)")?;
    for sale in sales {
        insert.execute((sale.id, &sale.region, sale.cents))?;
        if sale.id % 10 == 5 {
            return Err(Refused::Id(sale.id));
        }
    }
    Ok(())
}

#[step(chunk = 8, skip(ReadError, Refused::Id(..)))]
fn skip_some() {
    bad_sales | most | check | (file, checked_table)
}

/// Lines that cannot be read, items that cannot be processed, and rows that cannot be written.
#[job]
fn skip(bad_input: PathBuf, output: PathBuf) {
    create_tables;
    skip_some;
}

// Compressed output

#[writer]
fn zipped_file(output: PathBuf) -> CsvWriter<Sale> {
    CsvWriter::create(output)
}

#[writer]
fn zipped_lines_file(lines_output: PathBuf) -> JsonLinesWriter<Sale> {
    JsonLinesWriter::create(lines_output).header("{}").footer(|records| format!("{{\"records\":{records}}}"))
}

#[step(chunk = 8, skip(ReadError, Refused::Id(..)))]
fn zip_some() {
    bad_sales | most | check | (zipped_file, checked_table)
}

#[step(chunk = 4, partitions = 3, threads = 1)]
fn zip_in_partitions() {
    sales | most | zipped_lines_file
}

/// A `.csv.zst` file from which bad items are left out, then a `.jsonl.gz` file written in partitions.
#[job]
fn zipped_output(bad_input: PathBuf, input: PathBuf, output: PathBuf, lines_output: PathBuf) {
    create_tables;
    zip_some;
    zip_in_partitions;
}

// Many files

#[writer]
fn five_each(folder: PathBuf) -> Rolling<CsvWriter<Sale>> {
    rolling(move |n| CsvWriter::create(folder.join(format!("five-{n}.csv")))).every_items(5)
}

#[writer]
fn of_a_size(folder: PathBuf) -> Rolling<JsonLinesWriter<Sale>> {
    rolling(move |n| JsonLinesWriter::create(folder.join(format!("sized-{n}.jsonl.gz")))).every_bytes(150)
}

#[writer]
fn by_region(folder: PathBuf) -> ByKey<CsvWriter<Sale>, String> {
    by_key(
        |sale: &Sale| sale.region.replace([' ', '"', ','], ""),
        move |region| CsvWriter::create(folder.join(format!("{region}.csv.zst"))),
    )
}

#[step(chunk = 8, skip(ReadError, Refused::Id(..)))]
fn roll_some() {
    bad_sales | most | check | (five_each, by_region, checked_table)
}

#[step(chunk = 3)]
fn roll_by_size() {
    sales | of_a_size
}

/// New files every few items or bytes, and one for each key.
#[job]
fn many_files(bad_input: PathBuf, input: PathBuf, folder: PathBuf) {
    create_tables;
    roll_some;
    roll_by_size;
}

// Components that fail twice, and then no more

/// How often this call was tried in this process.
fn attempt(of: &'static str, id: u32) -> u32 {
    static ATTEMPTS: std::sync::Mutex<std::collections::BTreeMap<(&str, u32), u32>> =
        std::sync::Mutex::new(std::collections::BTreeMap::new());
    let mut attempts = ATTEMPTS.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let attempt = attempts.entry((of, id)).or_default();
    *attempt += 1;
    *attempt
}

/// A transient failure.
#[derive(Debug)]
struct Busy;

impl std::fmt::Display for Busy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("busy")
    }
}

impl std::error::Error for Busy {}

fn passes(of: &'static str, id: u32) -> Result<(), Busy> {
    if attempt(of, id) < 3 { Err(Busy) } else { Ok(()) }
}

/// Sales from a source that is unreachable now and then, twice each time.
struct Remote {
    sales: CsvReader<Sale>,
    handed_out: u32,
}

impl Reader for Remote {
    type Item = Sale;
    type Position = (<CsvReader<Sale> as Reader>::Position, u32);
    type Error = Failure;

    fn read(&mut self) -> Result<Option<Sale>, Failure> {
        if self.handed_out % 9 == 5 {
            passes("read", self.handed_out).map_err(Failure::new)?;
        }
        let sale = self.sales.read().map_err(Failure::new)?;
        self.handed_out += u32::from(sale.is_some());
        Ok(sale)
    }

    fn position(&self) -> Self::Position {
        (self.sales.position(), self.handed_out)
    }

    fn resume(&mut self, (sales, handed_out): Self::Position) -> Result<(), Failure> {
        self.handed_out = handed_out;
        self.sales.resume(sales).map_err(Failure::new)
    }

    fn steps_over(&self, _error: &Failure) -> bool {
        false
    }
}

#[reader]
fn remote_sales(input: PathBuf) -> Result<Remote, ReadError> {
    Ok(Remote { sales: CsvReader::open(input)?, handed_out: 0 })
}

/// Counts before it fails.
#[processor]
fn count_slowly(sale: &Sale, #[state] running: &mut Running) -> Result<Sale, Busy> {
    running.count += 1;
    if sale.id % 11 == 5 {
        passes("process", sale.id)?;
    }
    Ok(Sale { cents: i64::from(running.count), ..sale.clone() })
}

#[writer]
fn busy_table(sales: &[Sale], tx: &Transaction<'_>) -> Result<(), Box<dyn std::error::Error>> {
    let mut insert = tx.prepare_cached("INSERT INTO sale VALUES (?1, ?2, ?3)")?;
    for sale in sales {
        insert.execute((sale.id, &sale.region, sale.cents))?;
        if sale.id % 13 == 6 {
            passes("write", sale.id)?;
        }
    }
    Ok(())
}

#[step(chunk = 5, retry(Busy, limit = 6))]
fn retry_all() {
    remote_sales | most | count_slowly | (file, busy_table)
}

/// A reader, a processor and a writer that each fail twice.
#[job]
fn retry(input: PathBuf, output: PathBuf) {
    create_tables;
    retry_all;
}

// A commit that is refused

#[step]
fn create_known(tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute_batch(
        "CREATE TABLE known (id INTEGER PRIMARY KEY);
         CREATE TABLE booked (id INTEGER REFERENCES known (id) DEFERRABLE INITIALLY DEFERRED);
         WITH RECURSIVE n (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < 3000)
         INSERT INTO known SELECT id FROM n WHERE id % 8 <> 6",
    )
}

#[writer]
fn book(sales: &[Sale], tx: &Transaction<'_>) -> rusqlite::Result<()> {
    let mut insert = tx.prepare_cached("INSERT INTO booked VALUES (?1)")?;
    sales.iter().try_for_each(|sale| insert.execute([sale.id]).map(drop))
}

#[step(chunk = 7, skip(rusqlite::Error, ReadError))]
fn book_known() {
    bad_sales | most | (file, book)
}

/// Only the commit refuses some rows, so chunks are committed in parts.
#[job]
fn parts(bad_input: PathBuf, output: PathBuf) {
    create_known;
    book_known;
}

// Threads

mod on_threads;

use on_threads::{threaded, unordered};

/// Restarted with another number of threads, by the program `shapes_threads`.
const THREADS: usize = 3;

batch_runtime::main!(
    csv_to_csv,
    csv_to_table,
    csv_to_warehouse,
    json_lines,
    async_calls,
    thread_pool,
    two_writers,
    state,
    repeat,
    control_flow,
    nested,
    output,
    compressed,
    zipped_output,
    many_files,
    split,
    partitions,
    partitions_at_once,
    skip,
    retry,
    parts,
    threaded,
    unordered
);
