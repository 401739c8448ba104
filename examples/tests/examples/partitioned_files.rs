use std::collections::BTreeMap;
use std::fs;

use rusqlite::Connection;

use crate::program::{Folder, counted};

/// Maps an account to the number of its payments and their sum in cents.
type Totals = BTreeMap<String, (u32, i64)>;

/// An account number that ends with the last digit of its hash.
fn is_an_account(account: &str) -> bool {
    let (number, check) = account.split_at(6);
    let mut hash = number.parse::<i64>().unwrap() + 7;
    for _ in 0..100 {
        hash = (11 + 48_271 * hash).rem_euclid(i64::from(i32::MAX));
    }
    hash.to_string().ends_with(check)
}

/// The number of records in the files of the folder, and the totals of their accounts, without a CSV parser: a record
/// begins with the account and ends with the cents, and the memo between them contains one line break.
fn expected(folder: &Folder) -> (u64, Totals) {
    let (mut records, mut totals) = (0, Totals::new());
    for file in fs::read_dir(folder.file("payments")).unwrap() {
        let text = fs::read_to_string(file.unwrap().path()).unwrap();
        let lines: Vec<&str> = text.lines().skip(1).collect();
        for pair in lines.chunks(2) {
            records += 1;
            let (account, _) = pair[0].split_once(',').unwrap();
            let (_, cents) = pair[1].rsplit_once(',').unwrap();
            if is_an_account(account) {
                let (count, sum) = totals.entry(account.to_owned()).or_default();
                *count += 1;
                *sum += cents.parse::<i64>().unwrap();
            }
        }
    }
    (records, totals)
}

/// Maps a file to the number of its payments and their sum in cents, and `all` to those of all files: the
/// result that the aggregator must return.
fn expected_months(folder: &Folder) -> Totals {
    let mut months = Totals::new();
    for file in fs::read_dir(folder.file("payments")).unwrap() {
        let file = file.unwrap();
        let text = fs::read_to_string(file.path()).unwrap();
        let lines: Vec<&str> = text.lines().skip(1).collect();
        let name = file.file_name().into_string().unwrap();
        let month = name.strip_prefix("month-").and_then(|name| name.strip_suffix(".csv")).unwrap();
        for pair in lines.chunks(2).filter(|pair| is_an_account(pair[0].split_once(',').unwrap().0)) {
            for key in [month, "all"] {
                let (count, sum) = months.entry(key.to_owned()).or_default();
                *count += 1;
                *sum += pair[1].rsplit_once(',').unwrap().1.parse::<i64>().unwrap();
            }
        }
    }
    months
}

fn found_months(database: &Connection) -> Totals {
    let mut query = database.prepare("SELECT month, payments, cents FROM total_of_month").unwrap();
    let rows = query.query_map([], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?)))).unwrap();
    rows.collect::<rusqlite::Result<_>>().unwrap()
}

fn found(database: &Connection, table: &str) -> Totals {
    let mut query = database.prepare(&format!("SELECT account, payments, cents FROM {table}")).unwrap();
    let rows = query.query_map([], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?)))).unwrap();
    rows.collect::<rusqlite::Result<_>>().unwrap()
}

const SMALL: [&str; 6] = ["run", "before_and_after", "--months", "5", "--records", "3000"];

#[test]
fn both_ways_yield_the_totals_of_an_independent_computation() {
    let folder = Folder::new();
    folder.run("partitioned_files", SMALL).ended_with(0);
    let (records, totals) = expected(&folder);
    let kept: u64 = totals.values().map(|(payments, _)| u64::from(*payments)).sum();
    assert_eq!(records, 5 * 3_000);
    assert!(kept > records / 2 && kept < records, "{kept} accounts are right");

    let database = folder.database();
    for (step, table) in [("one_by_one", "total_one_by_one"), ("by_files", "total_by_files")] {
        assert_eq!(found(&database, table), totals, "{table}");
        let counted = counted(&database, step);
        assert_eq!((counted.read, counted.filter, counted.write), (records, records - kept, kept), "{step}");
    }
    let partitions = "SELECT count(*) FROM BATCH_STEP_EXECUTION WHERE STEP_NAME LIKE 'by_files:partition%'";
    let partitions: u32 = database.query_row(partitions, [], |row| row.get(0)).unwrap();
    assert_eq!(partitions, 5, "one per file");
    assert_eq!(found_months(&database), expected_months(&folder));
}

#[test]
fn a_broken_file_fails_and_after_its_repair_only_uncommitted_records_are_read() {
    let folder = Folder::new();
    folder.run("partitioned_files", SMALL).ended_with(0);
    fs::remove_file(folder.file("batch.db")).unwrap();
    let broken = folder.file("payments/month-02.csv");
    let whole = fs::read_to_string(&broken).unwrap();
    let at = whole.rfind(',').unwrap() + 1;
    fs::write(&broken, format!("{}none\n", &whole[..at])).unwrap();

    let arguments = ["run", "partitioned_files"];
    let ran = folder.run("partitioned_files", arguments).ended_with(1);
    assert!(ran.err.contains("month-02.csv") || ran.out.contains("month-02.csv"), "{ran:?}");

    fs::write(&broken, whole).unwrap();
    folder.run("partitioned_files", arguments).ended_with(0);
    let (_, totals) = expected(&folder);
    let database = folder.database();
    assert_eq!(found(&database, "total_by_files"), totals);
    let first = "SELECT count(*) FROM BATCH_STEP_EXECUTION WHERE STEP_NAME = 'by_files:partition0'";
    assert_eq!(database.query_row(first, [], |row| row.get(0)), Ok(1), "a complete file is not read again");
    assert_eq!(found_months(&database), expected_months(&folder));
}

#[test]
fn killed_midway_it_adds_every_payment_once() {
    let folder = Folder::new();
    folder
        .run("partitioned_files", ["run", "before_and_after", "--months", "4", "--records", "50000"])
        .ended_with(0);
    let (_, totals) = expected(&folder);
    let begun = "SELECT count(*) FROM BATCH_STEP_EXECUTION
        WHERE STEP_NAME LIKE 'by_files:partition%' AND COMMIT_COUNT > 0 AND STATUS = 'STARTED'";
    folder.killed_and_run_again("partitioned_files", &["run", "partitioned_files", "--quiet"], begun);
    assert_eq!(found(&folder.database(), "total_by_files"), totals);
    assert_eq!(found_months(&folder.database()), expected_months(&folder));
}

#[test]
fn a_folder_of_any_name_is_read_and_half_copied_files_are_not() {
    let folder = Folder::new();
    let arguments = ["run", "before_and_after", "--months", "2", "--records", "20", "--folder", "payments"];
    folder.run("partitioned_files", arguments).ended_with(0);
    fs::rename(folder.file("payments"), folder.file("in[2024]")).unwrap();
    fs::create_dir(folder.file("in2")).unwrap();
    fs::write(folder.file("in2/month-03.csv"), "account,memo,cents\nx,y,z\n").unwrap();
    fs::write(folder.file("in[2024]/.month-03.csv"), "account,memo").unwrap();
    folder.run("partitioned_files", ["run", "partitioned_files", "--folder", "in[2024]"]).ended_with(0);
    assert_eq!(counted(&folder.database(), "by_files").read, 2 * 20);
}
