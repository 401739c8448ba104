//! Loads the late flights of a year into a table, ranks the carriers by them, and writes the ranking to a file.
//!
//! The rows are in the database of the repository: `SQLite`, or `PostgreSQL` with
//! `--features postgres … run --repository postgres://…`.

use batch_runtime::prelude::*;
use batch_runtime::writers::Table;

/// The columns that the job needs, out of 19. The strings borrow from the record, so a flight that is not late
/// copies none.
#[derive(Debug, Deserialize)]
struct Flight<'r> {
    carrier: &'r str,
    #[serde(rename = "flight")]
    number: u32,
    origin: &'r str,
    dest: &'r str,
    dep_delay: Option<f64>,
}

#[derive(Debug, PartialEq, Serialize)]
struct Delay {
    carrier: String,
    number: u32,
    route: String,
    minutes: f64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Rank {
    carrier: String,
    late_flights: u32,
    mean_minutes: f64,
}

/// Starts with an empty table. A restart does not run this step again once it is complete.
#[step]
fn create_table(tx: &Transaction<'_, AnyDatabase>) -> Result<(), DatabaseError> {
    tx.batch_execute(
        "DROP TABLE IF EXISTS late_flight;
         CREATE TABLE late_flight (carrier TEXT, number INTEGER, route TEXT, minutes DOUBLE PRECISION)",
    )
}

/// Reads one flight per line; `NA` means unknown.
#[reader]
fn flights(input: PathBuf) -> Result<CsvReader<Flight<'_>>, ReadError> {
    CsvReader::options().null("NA").open(input)
}

/// Keeps the flights that left late. A flight whose delay is missing was cancelled.
#[processor]
fn late(flight: &Flight<'_>) -> Option<Delay> {
    let Flight { carrier, number, origin, dest, dep_delay } = *flight;
    let minutes = dep_delay.filter(|minutes| *minutes > 0.0)?;
    Some(Delay { carrier: carrier.to_owned(), number, route: format!("{origin}-{dest}"), minutes })
}

#[writer]
fn save() -> Table<Delay> {
    Table::into("late_flight")
}

#[step(chunk = 1_000)]
fn load_delays() {
    flights | late | save
}

/// Ranks the carriers. A step without `chunk` is a tasklet, which commits as a whole.
#[step]
fn summarise(tx: &Transaction<'_, AnyDatabase>) -> Result<(), DatabaseError> {
    tx.batch_execute(
        "DROP TABLE IF EXISTS carrier_delay;
         CREATE TABLE carrier_delay AS
             SELECT carrier, count(*) AS late_flights, avg(minutes) AS mean_minutes
             FROM late_flight GROUP BY carrier",
    )
}

/// Reads the carriers, longest mean delay first.
#[reader]
fn carriers(connection: &Connection<AnyDatabase>) -> Result<impl Iterator<Item = Rank>, DatabaseError> {
    let ranking = "SELECT * FROM carrier_delay ORDER BY mean_minutes DESC, carrier";
    Ok(connection.query(ranking, &[])?.into_iter())
}

#[writer]
fn report(ranking: PathBuf) -> CsvWriter<Rank> {
    CsvWriter::create(ranking).overwrite(true)
}

#[step(chunk = 100)]
fn publish() {
    carriers | report
}

/// Loads the late flights of a year and ranks the carriers by their mean delay.
#[job]
fn flight_delays(
    /// CSV file of flights, plain or compressed
    #[param(default = "examples/data/flights.csv.zst")]
    input: PathBuf,
    /// CSV file to write the ranking to
    #[param(default = "carriers.csv", identifying = false)]
    ranking: PathBuf,
) {
    create_table;
    load_delays;
    summarise;
    publish;
}

batch_runtime::main!(flight_delays);
