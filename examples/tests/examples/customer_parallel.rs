use rusqlite::Connection;

use crate::program::{Folder, counted};

/// Number, points if the service knows the customer, seal.
type Line = (i64, Option<i64>, i64);

fn expected(customers: i64, rounds: u32) -> Vec<Line> {
    let line = |id: i64| {
        let cents = (id * 7_919) % 100_000;
        let points = if cents < 10_000 { None } else { Some((cents / 100) % 97) };
        let mut seal = 7;
        for letter in format!("customer {id}").bytes() {
            seal = (31 * seal + i64::from(letter)).rem_euclid(i64::from(i32::MAX));
        }
        for _ in 0..rounds {
            seal = (48_271 * seal + 11).rem_euclid(i64::from(i32::MAX));
        }
        (id, points, seal)
    };
    (1..=customers).map(line).collect()
}

fn report(database: &Connection) -> Vec<Line> {
    let mut query = database.prepare("SELECT id, points, seal FROM report ORDER BY rowid").unwrap();
    let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
    rows.collect::<rusqlite::Result<_>>().unwrap()
}

/// The customers of a table filled by one of the branches, in the order in which they were written.
fn order(database: &Connection, table: &str) -> Vec<i64> {
    let mut query = database.prepare(&format!("SELECT customer FROM {table} ORDER BY rowid")).unwrap();
    query.query_map([], |row| row.get(0)).unwrap().collect::<rusqlite::Result<_>>().unwrap()
}

#[track_caller]
fn compare(folder: &Folder, customers: i64, rounds: u32) {
    let (database, expected) = (folder.database(), expected(customers, rounds));
    assert_eq!(report(&database), expected);
    let known: Vec<i64> = expected.iter().filter(|line| line.1.is_some()).map(|line| line.0).collect();
    assert_eq!(order(&database, "score"), known, "results keep the order of the items");
    assert_eq!(order(&database, "letter"), (1..=customers).collect::<Vec<_>>());
    let (second, third) = (counted(&database, "second"), counted(&database, "third"));
    let all = u64::try_from(customers).unwrap();
    assert_eq!(
        (second.read, second.write, second.filter),
        (all, known.len() as u64, all - known.len() as u64)
    );
    assert_eq!((third.read, third.write, third.filter), (all, all, 0));
}

#[test]
fn every_customer_is_scored_and_sealed_once_and_in_order() {
    let folder = Folder::new();
    let arguments = ["--customers", "230", "--wait-ms", "1", "--rounds", "1000"];
    folder.run("customer_parallel", ["run", "customer_parallel"].iter().chain(&arguments)).ended_with(0);
    compare(&folder, 230, 1_000);
}

#[test]
fn sequential_work_has_the_same_result() {
    let folder = Folder::new();
    let arguments = ["--customers", "60", "--wait-ms", "1", "--rounds", "100"];
    folder.run("customer_parallel", ["run", "before_and_after"].iter().chain(&arguments)).ended_with(0);
    let database = folder.database();
    assert_eq!(report(&database), expected(60, 100));
    for step in ["second", "third"] {
        let both = "SELECT count(*), count(DISTINCT READ_COUNT || ' ' || FILTER_COUNT || ' ' || WRITE_COUNT)
            FROM BATCH_STEP_EXECUTION WHERE STEP_NAME LIKE '%' || ?1 OR STEP_NAME LIKE '%' || ?1 || '_alone'";
        let counted = database.query_row(both, [step], |row| Ok((row.get(0)?, row.get(1)?)));
        assert_eq!(counted, Ok((2, 1)), "{step}");
    }
}

#[test]
fn killed_while_both_branches_run_it_resumes_each_where_it_was() {
    let folder = Folder::new();
    let arguments =
        ["run", "customer_parallel", "--quiet", "--customers", "600", "--wait-ms", "40", "--rounds", "50000"];
    let begun = "SELECT count(*) = 2 FROM BATCH_STEP_EXECUTION
        WHERE STEP_NAME IN ('second', 'third') AND COMMIT_COUNT > 0 AND STATUS = 'STARTED'";
    folder.killed_and_run_again("customer_parallel", &arguments, begun);
    compare(&folder, 600, 50_000);
}
