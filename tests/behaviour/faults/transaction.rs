//! A component that ends the transaction of its chunk, or continues after the database has ended it.

use batch_runtime::prelude::*;

use crate::support::World;

/// The attempts of a component to end the transaction; the error of each statement is ignored.
const ENDS: [&str; 7] = [
    "COMMIT",
    "COMMIT; BEGIN",
    "END; BEGIN IMMEDIATE; COMMIT; BEGIN",
    "ROLLBACK",
    "ROLLBACK; BEGIN",
    "INSERT OR ROLLBACK INTO ended VALUES (1)",
    "INSERT OR ROLLBACK INTO ended VALUES (1); BEGIN",
];

fn end(connection: &rusqlite::Connection, how: &str, fails: bool) -> rusqlite::Result<()> {
    for statement in how.split_terminator(';') {
        // A cached statement, as a component keeps it from one call to the next.
        let _ = connection.prepare_cached(statement.trim()).and_then(|mut statement| statement.execute([]));
    }
    let _ = connection.execute("INSERT INTO ended VALUES (1007)", []);
    if fails { connection.execute_batch("INSERT INTO nowhere VALUES (1)") } else { Ok(()) }
}

fn insert(
    connection: &rusqlite::Connection,
    numbers: &[i64],
    how: &str,
    fails: bool,
) -> rusqlite::Result<()> {
    connection.execute_batch("CREATE TABLE IF NOT EXISTS ended (number INTEGER PRIMARY KEY)")?;
    for number in numbers {
        connection.execute("INSERT INTO ended VALUES (?1)", [number])?;
    }
    if !how.is_empty() && numbers.contains(&7) { end(connection, how, fails) } else { Ok(()) }
}

#[reader]
fn upwards() -> impl Iterator<Item = i64> {
    1..=12
}

#[writer]
fn here(numbers: &[i64], tx: &Transaction<'_>, how: &str, fails: bool) -> rusqlite::Result<()> {
    insert(tx, numbers, how, fails)
}

#[step(chunk = 5, skip(rusqlite::Error))]
fn fill_here() {
    upwards | here
}

#[job]
fn here_job(#[param(identifying = false)] how: String, #[param(identifying = false)] fails: bool) {
    fill_here;
}

#[database]
fn elsewhere(there: PathBuf) -> Result<Sqlite, Failure> {
    Ok(Sqlite::open(there))
}

#[writer]
fn there(numbers: &[i64], tx: &Transaction<'_, elsewhere>, how: &str, fails: bool) -> rusqlite::Result<()> {
    insert(tx, numbers, how, fails)
}

#[step(chunk = 5, skip(rusqlite::Error))]
fn fill_there() {
    upwards | there
}

#[job]
fn there_job(
    there: PathBuf,
    #[param(identifying = false)] how: String,
    #[param(identifying = false)] fails: bool,
) {
    fill_there;
}

#[step]
fn at_once(tx: &Transaction<'_>, how: &str, fails: bool) -> rusqlite::Result<()> {
    insert(tx, &[1, 7], how, fails)
}

#[job]
fn at_once_job(#[param(identifying = false)] how: String, #[param(identifying = false)] fails: bool) {
    at_once;
}

#[writer]
fn anywhere(numbers: &[i64], tx: &Transaction<'_, AnyDatabase>, how: &str) -> Result<(), DatabaseError> {
    tx.batch_execute("CREATE TABLE IF NOT EXISTS ended (number INTEGER PRIMARY KEY)")?;
    for number in numbers {
        tx.execute("INSERT INTO ended VALUES ($1)", &[(*number).into()])?;
    }
    if numbers.contains(&7) {
        for statement in how.split_terminator(';') {
            let _ = tx.batch_execute(statement.trim());
        }
        if !how.is_empty() {
            let _ = tx.execute("INSERT INTO ended VALUES ($1)", &[1007.into()]);
        }
    }
    Ok(())
}

#[step(chunk = 5, skip(DatabaseError))]
fn fill_anywhere() {
    upwards | anywhere
}

#[job]
fn anywhere_job(#[param(identifying = false)] how: String) {
    fill_anywhere;
}

#[derive(Debug, thiserror::Error)]
#[error("seven is bad")]
struct Seven;

#[processor]
fn not_seven(number: i64) -> Result<i64, Seven> {
    if number == 7 { Err(Seven) } else { Ok(number) }
}

#[writer]
fn plainly(numbers: &[i64], tx: &Transaction<'_>) -> rusqlite::Result<()> {
    insert(tx, numbers, "", false)
}

#[listener(on_skip_in_process)]
fn skipped(_error: &Failure, tx: &Transaction<'_>, how: &str) -> rusqlite::Result<()> {
    if how.is_empty() { Ok(()) } else { end(tx, how, false) }
}

#[step(chunk = 5, skip(Seven), listeners(skipped))]
fn fill_and_skip() {
    upwards | not_seven | plainly
}

#[job]
fn listener_job(#[param(identifying = false)] how: String) {
    fill_and_skip;
}

fn assert_told(description: &str, how: &str) {
    assert!(
        description.contains("ended the transaction of the chunk")
            || description.contains("cannot commit the transaction of the chunk"),
        "{how}: {description}"
    );
}

#[test]
fn a_writer_that_ends_the_transaction_fails_the_step_and_no_row_is_lost_or_duplicated() {
    for fails in [false, true] {
        for how in ENDS {
            // The writer returns the database's error, and nothing is committed.
            if fails && !how.contains("COMMIT") {
                continue;
            }
            let world = World::new();
            let report = world.fails(&here_job(how.to_owned(), fails));
            assert_told(&report.exit.description, how);
            assert_eq!(world.numbers("SELECT number FROM ended"), [1, 2, 3, 4, 5], "{how}");
            world.completes(&here_job(String::new(), false));
            assert_eq!(world.numbers("SELECT number FROM ended"), (1..=12).collect::<Vec<_>>(), "{how}");
        }
    }
}

#[test]
fn a_writer_that_ends_the_transaction_fails_the_step_in_another_database_too() {
    for how in ENDS {
        let world = World::new();
        let file = world.path("there.db");
        let rows = || {
            let connection = rusqlite::Connection::open(&file).unwrap();
            let mut select = connection.prepare("SELECT number FROM ended ORDER BY number").unwrap();
            select.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect::<Vec<i64>>()
        };
        let report = world.fails(&there_job(file.clone(), how.to_owned(), false));
        assert_told(&report.exit.description, how);
        assert_eq!(rows(), [1, 2, 3, 4, 5], "{how}");
        world.completes(&there_job(file.clone(), String::new(), false));
        assert_eq!(rows(), (1..=12).collect::<Vec<_>>(), "{how}");
    }
}

#[test]
fn a_tasklet_that_ends_the_transaction_fails_and_leaves_nothing() {
    for how in ENDS {
        let world = World::new();
        let report = world.fails(&at_once_job(how.to_owned(), false));
        assert_told(&report.exit.description, how);
        assert!(world.texts("SELECT name FROM sqlite_schema WHERE name = 'ended'").is_empty(), "{how}");
        world.completes(&at_once_job(String::new(), false));
        assert_eq!(world.numbers("SELECT number FROM ended"), [1, 7], "{how}");
    }
}

#[test]
fn a_writer_for_any_database_that_ends_the_transaction_fails_the_step() {
    for how in ENDS {
        let world = World::new();
        let report = world.fails(&anywhere_job(how.to_owned()));
        assert_told(&report.exit.description, how);
        assert_eq!(world.numbers("SELECT number FROM ended"), [1, 2, 3, 4, 5], "{how}");
        world.completes(&anywhere_job(String::new()));
        assert_eq!(world.numbers("SELECT number FROM ended"), (1..=12).collect::<Vec<_>>(), "{how}");
    }
}

#[test]
fn a_listener_of_skips_that_ends_the_transaction_fails_the_step() {
    for how in ENDS {
        let world = World::new();
        let report = world.fails(&listener_job(how.to_owned()));
        assert_told(&report.exit.description, how);
        assert_eq!(world.numbers("SELECT number FROM ended"), [1, 2, 3, 4, 5], "{how}");
        world.completes(&listener_job(String::new()));
        let rest: Vec<i64> = (1..=12).filter(|number| *number != 7).collect();
        assert_eq!(world.numbers("SELECT number FROM ended"), rest, "{how}");
    }
}

#[test]
fn savepoints_are_the_components_own() {
    let world = World::new();
    world.completes(&here_job("SAVEPOINT mine; ROLLBACK TO mine; RELEASE mine".to_owned(), false));
    assert_eq!(world.numbers("SELECT max(number) FROM ended"), [1007]);
}
