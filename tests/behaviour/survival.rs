//! `testing::survives` passes jobs that lose and duplicate nothing, and names the commit and the rows if a job does.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use batch_runtime::prelude::*;
use batch_runtime::testing::{self, Sandbox};
use batch_runtime::{Launch, Sqlite};

use batch_runtime::writers::CsvWriter;

/// The message of a sweep that fails.
fn fault(launch: impl Fn(&Sandbox) -> Launch, left: impl Fn(&Sandbox) -> Vec<String>) -> String {
    let swept = catch_unwind(AssertUnwindSafe(|| testing::survives(launch, left)));
    let panicked: Box<dyn Any + Send> = swept.expect_err("the fault is found");
    *panicked.downcast::<String>().expect("a message")
}

#[reader]
fn numbers() -> impl Iterator<Item = i64> {
    1..=7
}

#[writer]
fn save(numbers: &[i64], tx: &Transaction<'_>) -> rusqlite::Result<()> {
    numbers.iter().try_for_each(|number| tx.execute("INSERT INTO number VALUES (?1)", [number]).map(drop))
}

#[step]
fn create_table(tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute_batch("CREATE TABLE number (value INTEGER)")
}

#[step(chunk = 3)]
fn load() {
    numbers | save
}

#[job]
fn whole() {
    create_table;
    load;
}

fn saved(sandbox: &Sandbox) -> Vec<String> {
    sandbox.rows("SELECT value FROM number ORDER BY value").unwrap()
}

#[test]
fn a_job_whose_rows_are_in_the_repositorys_database_survives() {
    // Launch, two steps with a beginning and an end each, one call, three chunks, the end of the job.
    let commits = 1 + 2 * 2 + 1 + 3 + 1;
    assert_eq!(testing::survives(|_| whole(), saved), 2 * commits);
}

#[test]
fn what_is_left_may_be_asserted_instead_of_returned() {
    testing::survives(|_| whole(), |sandbox| assert_eq!(saved(sandbox).len(), 7));
}

#[derive(Serialize)]
struct Line {
    number: i64,
}

#[processor]
fn lined(number: i64) -> Line {
    Line { number }
}

#[writer]
fn to_file(output: &Path) -> CsvWriter<Line> {
    CsvWriter::create(output)
}

#[step(chunk = 3)]
fn export() {
    numbers | lined | to_file
}

#[job]
fn to_a_file(output: PathBuf) {
    export;
}

#[test]
fn a_job_that_writes_a_file_survives() {
    testing::survives(
        |sandbox| to_a_file(sandbox.path("out.csv")),
        |sandbox| sandbox.lines("out.csv").unwrap(),
    );
}

#[processor]
fn doubled(number: i64) -> i64 {
    number * 2
}

#[step(chunk = 2, threads = 2)]
fn on_threads() {
    numbers | doubled | save
}

#[job]
fn threaded() {
    create_table;
    on_threads;
}

#[test]
fn a_job_on_threads_survives() {
    testing::survives(|_| threaded(), saved);
}

#[partitioner]
fn tens() -> Vec<(String, i64)> {
    (0..3).map(|ten| (format!("{ten}0"), ten * 10)).collect()
}

#[reader]
fn ten(from: Partition<i64>) -> impl Iterator<Item = i64> {
    *from..*from + 5
}

#[step(chunk = 2, partitioner = tens, threads = 2)]
fn in_parts() {
    ten | save
}

#[job]
fn partitioned() {
    create_table;
    in_parts;
}

#[test]
fn a_job_with_partitions_survives() {
    testing::survives(|_| partitioned(), saved);
}

/// Workers can process its chunks, but here its own threads do.
#[cfg(feature = "remote-chunks")]
mod remote_chunks {
    use batch_runtime::prelude::*;
    use batch_runtime::testing;

    use super::{create_table, doubled, numbers, save, saved};

    #[step(chunk = 2, threads = 2, remote)]
    fn by_workers() {
        numbers | doubled | save
    }

    #[job]
    fn remote() {
        create_table;
        by_workers;
    }

    #[test]
    fn a_job_with_a_remote_step_survives() {
        // Launch, two steps with a beginning and an end each, one call, four chunks, the end of the job.
        let commits = 1 + 2 * 2 + 1 + 4 + 1;
        assert_eq!(testing::survives(|_| remote(), saved), 2 * commits);
    }
}

#[database]
fn warehouse(place: &Path) -> Sqlite {
    Sqlite::open(place).on_connect(|connection| {
        connection.execute_batch("CREATE TABLE IF NOT EXISTS number (value INTEGER)")
    })
}

#[writer]
fn store(numbers: &[i64], tx: &Transaction<'_, warehouse>) -> rusqlite::Result<()> {
    numbers.iter().try_for_each(|number| tx.execute("INSERT INTO number VALUES (?1)", [number]).map(drop))
}

#[step(chunk = 3)]
fn load_elsewhere() {
    numbers | store
}

#[job]
fn elsewhere(place: PathBuf) {
    load_elsewhere;
}

#[test]
fn a_job_whose_rows_are_in_another_database_survives() {
    testing::survives(
        |sandbox| elsewhere(sandbox.path("warehouse.db")),
        |sandbox| sandbox.rows_of("warehouse.db", "SELECT value FROM number").unwrap(),
    );
}

#[step]
fn count(tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute("INSERT INTO number SELECT -count(*) FROM number", []).map(drop)
}

#[job]
fn inner() {
    load;
    count;
}

#[job]
fn middle() {
    match inner {
        Completed => count as count_again,
        Failed => fail!("the inner job failed"),
    }
}

#[job]
fn outer() {
    create_table;
    middle;
    count as count_in_the_end;
}

#[test]
fn a_job_with_nested_jobs_survives() {
    let stops = testing::survives(|_| outer(), saved);
    // Each job has a launch and an end. A nested job is a step as well, which has a beginning and an end, like each of the
    // five other steps. There are four calls of tasklets and three chunks.
    let commits = 3 * 2 + 2 * 2 + 5 * 2 + 4 + 3;
    assert_eq!(stops, 2 * commits);
}

#[job]
fn around_a_fault(place: PathBuf) {
    outside;
}

#[test]
fn a_fault_in_a_nested_job_is_found() {
    let said = fault(
        |sandbox| around_a_fault(sandbox.path("outside.db")),
        |sandbox| sandbox.rows_of("outside.db", "SELECT value FROM number").unwrap(),
    );
    assert!(
        said.contains("(chunk 1 of step `load_outside`): 3 rows duplicated: \"1\", \"2\", \"3\""),
        "{said}"
    );
    assert_eq!(said.lines().count(), 4, "{said}");
}

#[cfg(feature = "postgres")]
mod on_postgres {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use batch_runtime::prelude::*;
    use batch_runtime::testing::{self, Sandbox};

    use super::numbers;

    #[writer]
    fn save_anywhere(numbers: &[i64], tx: &Transaction<'_, AnyDatabase>) -> Result<(), DatabaseError> {
        let insert =
            |number: &i64| tx.execute("INSERT INTO number VALUES ($1)", &[(*number).into()]).map(drop);
        numbers.iter().try_for_each(insert)
    }

    #[step(chunk = 3)]
    fn load_anywhere() {
        numbers | save_anywhere
    }

    #[step]
    fn count_anywhere(tx: &Transaction<'_, AnyDatabase>) -> Result<(), DatabaseError> {
        tx.execute("INSERT INTO number SELECT -count(*) FROM number", &[]).map(drop)
    }

    #[job]
    fn inner_anywhere() {
        load_anywhere;
    }

    #[job]
    fn anywhere() {
        inner_anywhere;
        count_anywhere;
    }

    fn sandbox_with_table(sandbox: &Sandbox) {
        sandbox.session().unwrap().batch_execute("CREATE TABLE number (value BIGINT)").unwrap();
    }

    #[test]
    fn a_job_with_a_nested_job_survives_on_postgresql() {
        let Some(database) = batch_tests::postgres::database() else { return };
        let stops = testing::survives_on_postgres(
            database.url(),
            |sandbox| {
                sandbox_with_table(sandbox);
                anywhere()
            },
            |sandbox| {
                let rows = sandbox.rows("SELECT value FROM number ORDER BY value").unwrap();
                assert_eq!(rows, ["-7", "1", "2", "3", "4", "5", "6", "7"]);
            },
        );
        assert!(stops > 20, "{stops}");
    }

    /// The fault: it commits its rows in a session of its own.
    #[writer]
    fn save_outside(numbers: &[i64], url: &str) -> Result<(), batch_runtime::postgres::PgError> {
        let session = batch_runtime::postgres::Session::connect(
            &batch_runtime::postgres::Postgres::at(url),
            "outside",
        )?;
        let insert = |number: &i64| session.execute("INSERT INTO outside VALUES ($1)", &[number]).map(drop);
        numbers.iter().try_for_each(insert)
    }

    #[step(chunk = 3)]
    fn load_outside_postgres() {
        numbers | save_outside
    }

    #[job]
    fn outside_postgres(url: String) {
        load_outside_postgres;
    }

    #[test]
    fn rows_that_are_committed_outside_the_transaction_are_found_on_postgresql() {
        let Some(database) = batch_tests::postgres::database() else { return };
        let session = batch_runtime::postgres::Session::connect(
            &batch_runtime::postgres::Postgres::at(database.url()),
            "test",
        )
        .unwrap();
        let swept = catch_unwind(AssertUnwindSafe(|| {
            testing::survives_on_postgres(
                database.url(),
                |_| {
                    // It is in `public`, so each sandbox begins with an empty one.
                    let empty = "DROP TABLE IF EXISTS outside; CREATE TABLE outside (value BIGINT)";
                    session.batch_execute(empty).unwrap();
                    outside_postgres(database.url().to_owned())
                },
                |sandbox| sandbox.rows("SELECT value FROM outside ORDER BY value").unwrap(),
            )
        }));
        let said = *swept.expect_err("the fault is found").downcast::<String>().unwrap();
        assert!(said.contains("(chunk 1 of step `load_outside_postgres`): 3 rows duplicated"), "{said}");
    }

    #[test]
    fn a_sandbox_on_postgresql_has_a_schema_of_its_own_until_it_is_dropped() {
        let Some(database) = batch_tests::postgres::database() else { return };
        let session = batch_runtime::postgres::Session::connect(
            &batch_runtime::postgres::Postgres::at(database.url()),
            "test",
        )
        .unwrap();
        let schemas = || -> i64 {
            let query = "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'batch\\_test\\_%'";
            session.query_one(query, &[]).unwrap().get(0)
        };
        let sandboxes = [(); 2].map(|()| Sandbox::on_postgres(database.url()).unwrap());
        for sandbox in &sandboxes {
            sandbox_with_table(sandbox);
            sandbox.run(&anywhere()).unwrap().completed().unwrap();
            assert_eq!(sandbox.rows("SELECT count(*), NULL FROM number;").unwrap(), ["8 | NULL"]);
            assert!(sandbox.connection().unwrap_err().to_string().contains("`session`"));
        }
        assert_eq!(schemas(), 2);
        drop(sandboxes);
        assert_eq!(schemas(), 0);
        let url =
            format!("{}{}schema=mine", database.url(), if database.url().contains('?') { '&' } else { '?' });
        assert!(
            Sandbox::on_postgres(url).unwrap_err().to_string().contains("neither `schema` nor `options`")
        );
    }
}

/// The fault: it commits its rows itself, without the checkpoint.
#[writer]
fn store_outside(numbers: &[i64], place: &Path) -> rusqlite::Result<()> {
    let connection = rusqlite::Connection::open(place)?;
    connection.execute_batch("CREATE TABLE IF NOT EXISTS number (value INTEGER)")?;
    numbers
        .iter()
        .try_for_each(|number| connection.execute("INSERT INTO number VALUES (?1)", [number]).map(drop))
}

#[step(chunk = 3)]
fn load_outside() {
    numbers | store_outside
}

#[job]
fn outside(place: PathBuf) {
    load_outside;
}

#[test]
fn a_writer_that_commits_outside_the_transaction_is_found() {
    let said = fault(
        |sandbox| outside(sandbox.path("outside.db")),
        |sandbox| sandbox.rows_of("outside.db", "SELECT value FROM number").unwrap(),
    );
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines.len(), 4, "one line for each chunk whose commit is missing: {said}");
    assert_eq!(
        lines[1..3],
        [
            "  stopped before commit 3 (chunk 1 of step `load_outside`): 3 rows duplicated: \"1\", \"2\", \"3\"",
            "  stopped before commit 4 (chunk 2 of step `load_outside`): 3 rows duplicated: \"4\", \"5\", \"6\"",
        ]
    );
}

/// The fault: what was appended cannot be taken back.
#[step]
fn append(log: &Path) -> std::io::Result<()> {
    use std::io::Write as _;
    writeln!(std::fs::OpenOptions::new().create(true).append(true).open(log)?, "done")
}

#[job]
fn appending(log: PathBuf) {
    append;
}

#[test]
fn a_tasklet_with_an_effect_of_its_own_is_found() {
    let said = fault(|sandbox| appending(sandbox.path("log")), |sandbox| sandbox.lines("log").unwrap());
    assert!(
        said.contains("stopped before commit 3 (chunk 1 of step `append`): 1 row duplicated: \"done\""),
        "{said}"
    );
}

#[processor]
fn refused(number: i64) -> Result<i64, String> {
    if number == 5 { Err("five is not wanted".to_owned()) } else { Ok(number) }
}

#[step(chunk = 3)]
fn load_refused() {
    numbers | refused | save
}

#[job]
fn failing() {
    create_table;
    load_refused;
}

#[test]
fn a_job_that_fails_undisturbed_is_reported_with_its_cause() {
    let said = fault(|_| failing(), saved);
    assert!(said.starts_with("the job does not complete when nothing stops it: failing failed"), "{said}");
    assert!(said.contains("five is not wanted") && said.contains("refused"), "{said}");
}
