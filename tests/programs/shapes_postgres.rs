//! The shapes of jobs with `PostgreSQL` that the crash tests kill: each of them deterministic, so that a killed run can be
//! compared with an undisturbed one.

use batch_runtime::prelude::*;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Sale {
    id: i64,
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
    if sale.id % 7 == 0 { None } else { Some(sale) }
}

const TABLE: &str = "CREATE TABLE IF NOT EXISTS sale (id BIGINT, region TEXT, cents BIGINT)";

// The repository's own database

#[step]
fn create_table(tx: &Transaction<'_, Postgres>) -> Result<(), PgError> {
    tx.batch_execute(TABLE)
}

/// Sends its rows without waiting for the server.
#[writer]
fn send(sales: &[Sale], tx: &Transaction<'_, Postgres>) -> Result<(), PgError> {
    sales.iter().try_for_each(|sale| {
        tx.send("INSERT INTO sale VALUES ($1, $2, $3)", &[&sale.id, &sale.region, &sale.cents])
    })
}

#[step(chunk = 4)]
fn load() {
    sales | most | send
}

/// Counts the rows in a tasklet of three calls.
#[step]
fn count(tx: &Transaction<'_, Postgres>, #[state] calls: &mut Calls) -> Result<Repeat, PgError> {
    calls.0 += 1;
    tx.batch_execute("CREATE TABLE IF NOT EXISTS counted (call BIGINT, rows BIGINT)")?;
    tx.execute("INSERT INTO counted SELECT $1, count(*) FROM sale", &[&calls.0])?;
    Ok(if calls.0 < 3 { Repeat::Again } else { Repeat::Done })
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Calls(i64);

/// A table next to the repository's own.
#[job]
fn own(input: PathBuf) {
    create_table;
    load;
    count;
}

// COPY

#[writer]
fn copy(sales: &[Sale], tx: &Transaction<'_, Postgres>) -> Result<(), PgError> {
    let mut rows = tx.copy("sale", ["id", "region", "cents"])?;
    for sale in sales {
        rows.add(&[&sale.id, &sale.region, &sale.cents])?;
    }
    rows.end_later()
}

#[step(chunk = 4)]
fn load_by_copy() {
    sales | most | copy
}

/// A table next to the repository's own, filled by COPY.
#[job]
fn copied(input: PathBuf) {
    create_table;
    load_by_copy;
}

// Another database than the repository's

#[database]
fn ledger(ledger_url: String) -> Postgres {
    Postgres::at(ledger_url)
}

#[writer]
fn book(sales: &[Sale], tx: &Transaction<'_, ledger>) -> Result<(), PgError> {
    tx.batch_execute(TABLE)?;
    sales.iter().try_for_each(|sale| {
        tx.send("INSERT INTO sale VALUES ($1, $2, $3)", &[&sale.id, &sale.region, &sale.cents])
    })
}

#[step(chunk = 4)]
fn fill() {
    sales | most | book
}

/// A table in a database that is not the repository's.
#[job]
fn elsewhere(input: PathBuf, #[param(secret)] ledger_url: String) {
    fill;
}

// Skips with halving

#[step(chunk = 5, skip(PgError, limit = 100))]
fn load_what_fits() {
    sales | most | send
}

#[step]
fn create_strict_table(tx: &Transaction<'_, Postgres>) -> Result<(), PgError> {
    tx.batch_execute("CREATE TABLE sale (id BIGINT, region TEXT, cents BIGINT CHECK (cents % 11 <> 3))")
}

/// Rows that the table refuses are skipped.
#[job]
fn skips(input: PathBuf) {
    create_strict_table;
    load_what_fits;
}

// Threads

#[step(chunk = 4, threads = 3, order = none)]
fn load_by_threads() {
    sales | most | send
}

/// Chunks are committed as they are done.
#[job]
fn threads(input: PathBuf) {
    create_table;
    load_by_threads;
}

#[step(chunk = 4, threads = 2)]
fn load_by_threads_in_order() {
    sales | most | copy
}

/// Chunks are committed in the order of the input.
#[job]
fn threads_in_order(input: PathBuf) {
    create_table;
    load_by_threads_in_order;
}

// Partitions

#[step(chunk = 4, partitions = 3)]
fn load_by_parts() {
    sales | most | send
}

/// Parts of the input side by side.
#[job]
fn partitions(input: PathBuf) {
    create_table;
    load_by_parts;
}

batch_runtime::main!(own, copied, elsewhere, skips, threads, threads_in_order, partitions);
