//! The main example's job with its rows in the database of the repository and in another one, of each kind.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use batch_runtime::engine::{self, RunOptions};
use batch_runtime::observe::JobReport;
use batch_runtime::prelude::*;
use batch_runtime::repository::BatchStatus;
use batch_runtime::writers::Table;

use crate::place::{Place, Repo};

every_kind![the_main_example_runs_on_every_kind_of_repository];
every_pair![the_rows_of_the_main_example_may_be_in_another_database];

/// The sample of flights.
fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("examples/data/flights-5000.csv")
}

/// The expected result for the sample, computed without the framework.
struct Expected {
    /// Carrier, number, route and minutes of each late flight, sorted.
    late: Vec<String>,
    ranking: String,
}

impl Expected {
    fn of_the_sample() -> Self {
        let mut late = Vec::new();
        let mut sums: BTreeMap<String, (u32, f64)> = BTreeMap::new();
        for record in csv::Reader::from_path(sample()).unwrap().deserialize() {
            let fields: BTreeMap<String, String> = record.unwrap();
            let Ok(minutes) = fields["dep_delay"].parse::<f64>() else { continue };
            if minutes <= 0.0 {
                continue;
            }
            let [carrier, number, origin, dest] =
                ["carrier", "flight", "origin", "dest"].map(|name| &*fields[name]);
            late.push(format!("{carrier}|{number}|{origin}-{dest}|{minutes:.0}"));
            let (flights, sum) = sums.entry(carrier.to_owned()).or_default();
            *flights += 1;
            *sum += minutes;
        }
        late.sort();
        let mut means: Vec<(String, u32, f64)> = sums
            .into_iter()
            .map(|(carrier, (flights, sum))| (carrier, flights, sum / f64::from(flights)))
            .collect();
        means.sort_by(|a, b| b.2.total_cmp(&a.2));
        let lines = means.iter().map(|(carrier, flights, mean)| format!("{carrier},{flights},{mean:?}\n"));
        let ranking = format!("carrier,late_flights,mean_minutes\n{}", lines.collect::<String>());
        Self { late, ranking }
    }

    fn compare(&self, place: &impl Place, ranking: &Path) {
        let mut rows = place.rows("SELECT carrier, number, route, CAST(minutes AS INTEGER) FROM late_flight");
        rows.sort();
        assert!(rows == self.late, "{} rows, not {}", rows.len(), self.late.len());
        assert_eq!(std::fs::read_to_string(ranking).unwrap(), self.ranking);
    }
}

fn the_main_example_runs_on_every_kind_of_repository<P: Place>(place: &P) {
    let folder = tempfile::tempdir().unwrap();
    let run = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_flight_delays_anywhere"));
        command.current_dir(folder.path()).args(["run", "--input"]).arg(sample());
        command.args(["--repository", &place.address()]).output().unwrap()
    };
    let ran = run();
    assert_eq!(ran.status.code(), Some(0), "{}", String::from_utf8_lossy(&ran.stderr));
    Expected::of_the_sample().compare(place, &folder.path().join("carriers.csv"));
    let counters = place.rows(
        "SELECT READ_COUNT, FILTER_COUNT, WRITE_COUNT, COMMIT_COUNT FROM BATCH_STEP_EXECUTION WHERE STEP_NAME = 'load_delays'",
    );
    let late = Expected::of_the_sample().late.len();
    assert_eq!(counters, [format!("5000|{}|{late}|5", 5_000 - late)]);
    let again = run();
    assert_eq!(again.status.code(), Some(4));
}

// The job with a database of its own for the rows

#[derive(Debug, Deserialize)]
struct Flight {
    carrier: String,
    #[serde(rename = "flight")]
    number: u32,
    origin: String,
    dest: String,
    dep_delay: Option<f64>,
}

#[derive(Debug, Serialize)]
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

#[database]
fn warehouse(#[param(secret)] warehouse: &str) -> Result<AnyDatabase, Failure> {
    AnyDatabase::at(warehouse)
}

#[step]
fn create_table(tx: &Transaction<'_, warehouse>) -> Result<(), DatabaseError> {
    tx.batch_execute(
        "CREATE TABLE late_flight (carrier TEXT, number INTEGER, route TEXT, minutes DOUBLE PRECISION)",
    )
}

#[reader]
fn flights(input: PathBuf) -> Result<CsvReader<Flight>, ReadError> {
    CsvReader::options().null("NA").open(input)
}

#[processor]
fn late(
    flight: Flight,
    dies_at: Option<u32>,
    #[state] seen: &mut Seen,
) -> Result<Option<Delay>, &'static str> {
    seen.0 += 1;
    if Some(seen.0) == dies_at {
        return Err("the first run ends here");
    }
    let Flight { carrier, number, origin, dest, dep_delay } = flight;
    let minutes = dep_delay.filter(|minutes| *minutes > 0.0);
    Ok(minutes.map(|minutes| Delay { carrier, number, route: format!("{origin}-{dest}"), minutes }))
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Seen(u32);

#[writer]
fn save() -> Table<Delay, warehouse> {
    Table::into("late_flight").database::<warehouse>()
}

#[step(chunk = 1_000)]
fn load_delays() {
    flights | late | save
}

#[step]
fn summarise(tx: &Transaction<'_, warehouse>) -> Result<(), DatabaseError> {
    tx.batch_execute(
        "CREATE TABLE carrier_delay AS
             SELECT carrier, count(*) AS late_flights, avg(minutes) AS mean_minutes
             FROM late_flight GROUP BY carrier",
    )
}

#[reader]
fn carriers(connection: &Connection<warehouse>) -> Result<impl Iterator<Item = Rank>, DatabaseError> {
    let ranking = "SELECT * FROM carrier_delay ORDER BY mean_minutes DESC, carrier";
    Ok(connection.query(ranking, &[])?.into_iter())
}

#[writer]
fn report(ranking: PathBuf) -> CsvWriter<Rank> {
    CsvWriter::create(ranking)
}

#[step(chunk = 100)]
fn publish() {
    carriers | report
}

/// Loads the late flights into the warehouse and ranks the carriers.
#[job]
fn flights_elsewhere(
    input: PathBuf,
    ranking: PathBuf,
    #[param(secret)] warehouse: String,
    #[param(identifying = false)] dies_at: Option<u32>,
) {
    create_table;
    load_delays;
    summarise;
    publish;
}

fn the_rows_of_the_main_example_may_be_in_another_database<R: Place, W: Place>(here: &R, there: &W) {
    let folder = tempfile::tempdir().unwrap();
    let ranking = folder.path().join("carriers.csv");
    let run = |repository: &Repo, dies_at| -> JobReport {
        let launch = flights_elsewhere(sample(), ranking.clone(), there.address(), dies_at);
        engine::run(repository, &launch, &RunOptions::default()).unwrap()
    };
    let failed = run(&here.open(), Some(3_456));
    assert_eq!(failed.status, BatchStatus::Failed);
    assert!(failed.exit.description.contains("the first run ends here"), "{}", failed.exit.description);
    let loaded = there.rows("SELECT COUNT(*) FROM late_flight").remove(0).parse::<usize>().unwrap();
    let expected = Expected::of_the_sample();
    assert!(loaded > 0 && loaded < expected.late.len(), "{loaded}");
    let report = run(&here.open(), None);
    assert_eq!(report.status, BatchStatus::Completed, "{}", report.exit.description);
    expected.compare(there, &ranking);
    assert_eq!(
        here.rows("SELECT CAST(SUM(READ_COUNT) AS BIGINT), CAST(SUM(WRITE_COUNT) AS BIGINT) FROM BATCH_STEP_EXECUTION WHERE STEP_NAME = 'load_delays'"),
        [format!("5000|{}", expected.late.len())]
    );
}
