//! Items that borrow from the reader's record: a job that takes them does the same as with owned items.

use std::sync::atomic::{AtomicU32, Ordering};

use batch_runtime::prelude::*;
use batch_runtime::readers::CsvRecord;
use batch_runtime::{Failure, Launch};

use crate::support::{World, step, summed};

#[derive(Debug, Clone, Deserialize)]
struct Owned {
    id: u32,
    name: String,
    note: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Borrowed<'r> {
    id: u32,
    #[serde(borrow)]
    name: std::borrow::Cow<'r, str>,
    note: Option<&'r str>,
}

#[derive(Debug, PartialEq)]
struct Row {
    id: u32,
    text: String,
}

#[derive(Debug, thiserror::Error)]
#[error("{0} is busy")]
struct Busy(u32);

/// Fails the first two attempts at every id that ends in 3.
fn attempt(id: u32) -> Result<(), Busy> {
    static FAILURES: AtomicU32 = AtomicU32::new(0);
    if id % 10 == 3 && FAILURES.fetch_add(1, Ordering::Relaxed) % 3 != 2 { Err(Busy(id)) } else { Ok(()) }
}

fn row(id: u32, name: &str, note: Option<&str>) -> Option<Row> {
    (!id.is_multiple_of(4)).then(|| Row { id, text: format!("{name}/{}", note.unwrap_or("-")) })
}

#[reader]
fn owned(input: PathBuf) -> Result<CsvReader<Owned>, ReadError> {
    CsvReader::open(input)
}

#[reader]
fn borrowed(input: PathBuf) -> Result<CsvReader<Borrowed<'_>>, ReadError> {
    CsvReader::open(input)
}

#[reader]
fn records(input: PathBuf) -> Result<CsvReader<CsvRecord<'_>>, ReadError> {
    CsvReader::open(input)
}

#[processor]
fn take_owned(item: Owned, fail_at: Option<u32>) -> Result<Option<Row>, String> {
    refuse(item.id, fail_at)?;
    Ok(row(item.id, &item.name, item.note.as_deref()))
}

#[processor]
fn take_borrowed(item: Borrowed<'_>, fail_at: Option<u32>) -> Result<Option<Row>, String> {
    refuse(item.id, fail_at)?;
    Ok(row(item.id, &item.name, item.note))
}

#[processor]
fn take_record(item: CsvRecord<'_>, fail_at: Option<u32>) -> Result<Option<Row>, Failure> {
    let id = item.parse("id")?;
    refuse(id, fail_at).map_err(Failure::new)?;
    Ok(row(id, item.field("name").unwrap_or_default(), item.parse("note")?))
}

fn refuse(id: u32, fail_at: Option<u32>) -> Result<(), String> {
    if fail_at == Some(id) { Err(format!("{id} is refused")) } else { Ok(()) }
}

#[processor]
fn try_owned(item: &Owned) -> Result<Row, Busy> {
    attempt(item.id)?;
    Ok(Row { id: item.id, text: item.name.clone() })
}

#[processor]
fn try_borrowed(item: &Borrowed<'_>) -> Result<Row, Busy> {
    attempt(item.id)?;
    Ok(Row { id: item.id, text: item.name.clone().into_owned() })
}

#[processor(concurrency = 4)]
async fn pass_on(row: Row) -> Row {
    std::future::ready(row).await
}

#[processor(bulk)]
fn all_at_once(rows: &[Row]) -> Vec<Row> {
    rows.iter().map(|row| Row { id: row.id, text: row.text.clone() }).collect()
}

#[writer]
fn save(rows: &[Row], tx: &Transaction<'_>) -> rusqlite::Result<()> {
    for row in rows {
        tx.execute("INSERT INTO row VALUES (?1, ?2)", (row.id, &row.text))?;
    }
    Ok(())
}

macro_rules! steps {
    ($($options:tt => $owned:ident, $borrowed:ident, $record:ident: $($then:ident)?;)*) => {$(
        steps!(@ $options $owned: owned | take_owned $(| $then)?);
        steps!(@ $options $borrowed: borrowed | take_borrowed $(| $then)?);
        steps!(@ $options $record: records | take_record $(| $then)?);
    )*};
    (@ ($($options:tt)*) $job:ident: $($pipe:tt)*) => {
        mod $job {
            use super::*;

            #[step($($options)*)]
            fn work() {
                $($pipe)* | save
            }

            #[job]
            pub(super) fn $job(input: PathBuf, #[param(identifying = false)] fail_at: Option<u32>) {
                work;
            }
        }
    };
}

steps! {
    (chunk = 7) => plain_owned, plain_borrowed, plain_record: ;
    (chunk = 7, threads = 3) => threads_owned, threads_borrowed, threads_record: ;
    (chunk = 7, partitions = 3) => parts_owned, parts_borrowed, parts_record: ;
    (chunk = 7, skip(ReadError, limit = 99)) => skip_owned, skip_borrowed, skip_record: ;
    (chunk = 7, threads = 3, skip(ReadError, limit = 99)) => thread_skip_owned, thread_skip_borrowed, thread_skip_record: ;
    (chunk = 7, partitions = 3, skip(ReadError, limit = 99)) => part_skip_owned, part_skip_borrowed, part_skip_record: ;
    (chunk = 7, skip(ReadError, limit = 99)) => async_owned, async_borrowed, async_record: pass_on;
    (chunk = 7, skip(ReadError, limit = 99)) => bulk_owned, bulk_borrowed, bulk_record: all_at_once;
}

mod trying {
    use super::*;

    #[step(chunk = 7, skip(ReadError, limit = 99), retry(Busy, limit = 2))]
    fn with_owned() {
        owned | try_owned | save
    }

    #[step(chunk = 7, skip(ReadError, limit = 99), retry(Busy, limit = 2))]
    fn with_borrowed() {
        borrowed | try_borrowed | save
    }

    #[job]
    pub(super) fn retrying_owned(input: PathBuf) {
        with_owned;
    }

    #[job]
    pub(super) fn retrying_borrowed(input: PathBuf) {
        with_borrowed;
    }
}

const ROWS: u32 = 60;

/// Quoted and unquoted records, with and without a doubled quote, and with a line ending within a field.
fn good(id: u32) -> String {
    match id % 5 {
        0 => format!("{id},plain,"),
        1 => format!("{id},\"quoted, {id}\",n{id}"),
        2 => format!("{id},\"say \"\"{id}\"\"\",\"\""),
        3 => format!("{id},\"two\nlines\",x"),
        _ => format!("{id},ünïcode,é"),
    }
}

fn bad(id: u32) -> String {
    if id.is_multiple_of(13) { format!("x{id},\"bad, really\",") } else { good(id) }
}

fn write(world: &World, line: fn(u32) -> String) {
    let lines: Vec<String> = (1..=ROWS).map(line).collect();
    std::fs::write(world.path("in.csv"), format!("id,name,note\n{}\n", lines.join("\n"))).unwrap();
    world.database().execute_batch("CREATE TABLE row (id INTEGER, text TEXT)").unwrap();
}

type Job = fn(PathBuf, Option<u32>) -> Launch;

/// Everything that a run leaves and that does not depend on the item's type.
fn left_by(job: Job, line: fn(u32) -> String, fail_at: Option<u32>) -> Vec<String> {
    let world = World::new();
    write(&world, line);
    let mut left = Vec::new();
    if fail_at.is_some() {
        let report = world.fails(&job(world.path("in.csv"), fail_at));
        left.push(report.exit.description);
    }
    let report = world.completes(&job(world.path("in.csv"), None));
    let counters = summed(step(&report, "work"));
    left.push(format!(
        "{} read, {} filtered, {} written, {} + {} + {} skipped",
        counters.read,
        counters.filter,
        counters.write,
        counters.read_skip,
        counters.process_skip,
        counters.write_skip
    ));
    left.extend(world.texts("SELECT id || ' ' || text FROM row ORDER BY id, text"));
    left.extend(world.texts(
        "SELECT PHASE || ' ' || coalesce(LOCATION, '') || ': ' || ERROR || ' of ' || coalesce(ITEM, '') \
         FROM BATCH_SKIPPED_ITEM ORDER BY LOCATION",
    ));
    let folder = world.folder().display().to_string();
    left.into_iter()
        .map(|text| {
            ["owned", "borrowed", "records", "record"]
                .iter()
                .fold(text.replace(&folder, ""), |text, name| text.replace(name, "item"))
        })
        .collect()
}

macro_rules! alike {
    ($($test:ident: $owned:ident, $borrowed:ident, $record:ident, $line:ident, $fail_at:expr;)*) => {$(
        #[test]
        fn $test() {
            let owned = left_by($owned::$owned, $line, $fail_at);
            assert!(owned.len() > 30, "{owned:#?}");
            assert_eq!(left_by($borrowed::$borrowed, $line, $fail_at), owned);
            assert_eq!(left_by($record::$record, $line, $fail_at), owned);
        }
    )*};
}

alike! {
    items_that_borrow_pass_a_plain_step: plain_owned, plain_borrowed, plain_record, good, None;
    items_that_borrow_survive_a_restart: plain_owned, plain_borrowed, plain_record, good, Some(31);
    items_that_borrow_pass_threads: threads_owned, threads_borrowed, threads_record, good, None;
    items_that_borrow_pass_partitions: parts_owned, parts_borrowed, parts_record, good, None;
    a_record_that_is_not_an_item_is_skipped_in_reading: skip_owned, skip_borrowed, skip_record, bad, None;
    skips_and_a_restart_are_exact: skip_owned, skip_borrowed, skip_record, bad, Some(45);
    a_record_is_skipped_on_threads: thread_skip_owned, thread_skip_borrowed, thread_skip_record, bad, None;
    a_record_is_skipped_in_partitions: part_skip_owned, part_skip_borrowed, part_skip_record, bad, None;
    a_record_is_skipped_before_an_async_processor: async_owned, async_borrowed, async_record, bad, None;
    a_record_is_skipped_before_a_bulk_processor: bulk_owned, bulk_borrowed, bulk_record, bad, None;
}

#[test]
fn a_call_with_a_borrowed_item_is_retried_with_the_same_item() {
    let rows = |launch: fn(PathBuf) -> Launch| {
        let world = World::new();
        write(&world, bad);
        world.completes(&launch(world.path("in.csv")));
        world.texts("SELECT id || ' ' || text FROM row ORDER BY id")
    };
    let owned = rows(trying::retrying_owned);
    assert_eq!(owned.len(), 56);
    assert_eq!(rows(trying::retrying_borrowed), owned);
}

#[test]
fn a_step_that_skips_nothing_fails_in_reading_at_the_record() {
    let failures = |job: Job| {
        let world = World::new();
        write(&world, bad);
        let report = world.fails(&job(world.path("in.csv"), None));
        let failure = report.exit.description;
        failure.replace(&world.folder().display().to_string(), "")
    };
    let with = |failure: &str, name: &str| failure.replace(name, "reader");
    let owned = with(&failures(plain_owned::plain_owned), "owned");
    assert!(owned.contains("line") && owned.contains("`id`") && owned.contains("x13"), "{owned}");
    for (job, name) in [
        (plain_borrowed::plain_borrowed as Job, "borrowed"),
        (plain_record::plain_record, "records"),
        (threads_borrowed::threads_borrowed, "borrowed"),
        (threads_record::threads_record, "records"),
    ] {
        assert_eq!(with(&failures(job), name), owned);
    }
}

#[test]
fn a_column_that_the_borrowed_item_needs_is_missed_when_the_file_is_opened() {
    let world = World::new();
    write(&world, good);
    std::fs::write(world.path("in.csv"), "nr,name,note\n").unwrap();
    let report = world.fails(&plain_borrowed::plain_borrowed(world.path("in.csv"), None));
    let failure = report.exit.description;
    assert!(failure.contains("no column `id`"), "{failure}");
}
