use rusqlite::Connection;

use crate::program::{EndedProcess, Folder};

/// The rows of a table, in the order of the companies; a duplicate would appear twice.
fn rows(database: &Connection, table: &str) -> Vec<(u32, String, String)> {
    let mut query = database.prepare(&format!("SELECT id, name, country FROM {table} ORDER BY id")).unwrap();
    let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
    rows.collect::<rusqlite::Result<_>>().unwrap()
}

fn expected(companies: u32) -> Vec<(u32, String, String)> {
    let country = |id| match id % 7 {
        0 => "Denmark",
        1 => "France",
        2 => "India",
        3 => "Italy",
        4 => "Japan",
        5 => "Nigeria",
        _ => "USA",
    };
    (0..companies).map(|id| (id, format!("Company {id}"), country(id).to_owned())).collect()
}

/// The line printed for a job.
#[track_caller]
fn line<'r>(ran: &'r EndedProcess, job: &str) -> &'r str {
    ran.out.lines().find(|line| line.starts_with(job)).unwrap_or_else(|| panic!("{job}: {ran:?}"))
}

#[test]
fn both_ways_load_every_company_once_and_retry_pages_answered_with_503() {
    let folder = Folder::new();
    // 61 pages: the last has five companies, and two are refused at first.
    let ran = folder.run("movie_companies", ["1205", "1"]).ended_with(0);
    let database = folder.database();
    for job in ["sequential", "partitioned"] {
        assert_eq!(rows(&database, &format!("company_{job}")), expected(1_205), "{job}");
        let line = line(&ran, job);
        assert!(line.contains("1205 companies") && line.contains("; 2 pages retried"), "{line}");
    }
    let partitions = "SELECT count(*) FROM BATCH_STEP_EXECUTION WHERE STEP_NAME LIKE 'load_partitions:%'";
    assert_eq!(database.query_row(partitions, [], |row| row.get(0)), Ok(8));
}

#[test]
fn answers_that_are_cut_off_or_too_slow_are_requested_again() {
    for fault in ["cut", "slow"] {
        let folder = Folder::new();
        let ran = folder.run("movie_companies", ["1205", "1", fault]).ended_with(0);
        for job in ["sequential", "partitioned"] {
            assert_eq!(
                rows(&folder.database(), &format!("company_{job}")),
                expected(1_205),
                "{job}, {fault}"
            );
            let line = line(&ran, job);
            assert!(line.contains("; 2 pages retried"), "{line}");
        }
    }
}

#[test]
fn pages_that_shift_fail_the_job_instead_of_losing_a_company() {
    let folder = Folder::new();
    let ran = folder.run("movie_companies", ["1205", "1", "shifting"]).ended_with(1);
    assert!(ran.err.contains("the total was 1205 and is now 1204: the pages have changed"), "{ran:?}");
}

#[test]
fn killed_in_the_middle_of_its_partitions_it_loads_every_company_once() {
    let folder = Folder::new();
    let begun = "SELECT count(*) > 2 FROM BATCH_STEP_EXECUTION
        WHERE STEP_NAME LIKE 'load_partitions:%' AND COMMIT_COUNT > 0 AND STATUS = 'STARTED'";
    folder.killed_and_run_again("movie_companies", &["2400", "10"], begun);
    let database = folder.database();
    for job in ["sequential", "partitioned"] {
        assert_eq!(rows(&database, &format!("company_{job}")), expected(2_400), "{job}");
    }
}

#[test]
fn loaded_companies_are_not_loaded_again() {
    let folder = Folder::new();
    folder.run("movie_companies", ["40", "0"]).ended_with(0);
    let again = folder.run("movie_companies", ["40", "0"]).ended_with(0);
    assert!(line(&again, "sequential").contains("already loaded"), "{again:?}");
    assert!(line(&again, "partitioned").contains("already loaded"), "{again:?}");
    assert_eq!(rows(&folder.database(), "company_partitioned"), expected(40));
}
