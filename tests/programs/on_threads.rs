//! Jobs whose number of threads is set by the program that includes them. On the way they skip unreadable lines, items
//! that cannot be processed, and rows that cannot be written.

use batch_runtime::prelude::*;

use super::THREADS;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Sale {
    id: u32,
    region: String,
    cents: i64,
}

#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("{0} is refused")]
    Id(u32),
    #[error(transparent)]
    Sql(#[from] rusqlite::Error),
}

#[step]
fn create_threaded(tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute_batch("CREATE TABLE threaded (id INTEGER, region TEXT, cents INTEGER)")
}

#[reader]
fn torn_sales(bad_input: PathBuf) -> Result<CsvReader<Sale>, ReadError> {
    CsvReader::open(bad_input)
}

/// Filters some items, refuses others, and lets chunks overtake each other.
#[processor]
fn weigh(sale: Sale) -> Result<Option<Sale>, Refused> {
    if sale.id % 8 < 3 {
        std::thread::yield_now();
    }
    match sale.id % 7 {
        0 => Ok(None),
        3 => Err(Refused::Id(sale.id)),
        _ => Ok(Some(sale)),
    }
}

#[writer]
fn rows(sales: &[Sale], tx: &Transaction<'_>) -> Result<(), Refused> {
    let mut insert = tx.prepare_cached("INSERT INTO threaded VALUES (?1, ?2, ?3)")?;
    for sale in sales {
        insert.execute((sale.id, &sale.region, sale.cents))?;
        if sale.id % 10 == 5 {
            return Err(Refused::Id(sale.id));
        }
    }
    Ok(())
}

#[writer]
fn lines(output: PathBuf) -> CsvWriter<Sale> {
    CsvWriter::create(output)
}

#[step(chunk = 4, threads = THREADS, skip(ReadError, Refused::Id(..)))]
fn weigh_on_threads() {
    torn_sales | weigh | (rows, lines)
}

/// From a file to a table and a file, on threads.
#[job]
pub(crate) fn threaded(bad_input: PathBuf, output: PathBuf) {
    create_threaded;
    weigh_on_threads;
}

#[step]
fn create_unordered(tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute_batch("CREATE TABLE unordered (id INTEGER, region TEXT, cents INTEGER)")
}

#[writer]
fn rows_in_any_order(sales: &[Sale], tx: &Transaction<'_>) -> Result<(), Refused> {
    let mut insert = tx.prepare_cached("INSERT INTO unordered VALUES (?1, ?2, ?3)")?;
    for sale in sales {
        insert.execute((sale.id, &sale.region, sale.cents))?;
        if sale.id % 10 == 5 {
            return Err(Refused::Id(sale.id));
        }
    }
    Ok(())
}

#[step(chunk = 4, threads = THREADS, order = none, skip(ReadError, Refused::Id(..)))]
fn weigh_in_any_order() {
    torn_sales | weigh | rows_in_any_order
}

/// From a file to a table, on threads, each chunk as soon as it is done.
#[job]
pub(crate) fn unordered(bad_input: PathBuf) {
    create_unordered;
    weigh_in_any_order;
}
