use std::collections::BTreeMap;

use rusqlite::Connection;

use crate::flights::read;
use crate::program::{EndedProcess, Folder, data};

/// The payments in a file that can be paid.
fn payable(text: &str) -> Vec<(String, i64)> {
    let payments = text.lines().skip(1).map(|line| line.split_once(',').unwrap());
    let payments = payments.map(|(account, cents)| (account.to_owned(), cents.parse().unwrap()));
    payments.filter(|(_, cents)| *cents > 0).collect()
}

fn run(folder: &Folder, text: &str, more: &[&str]) -> EndedProcess {
    folder.write("payments.csv", text);
    folder.run("control_flow", ["run", "control_flow", "--input", "payments.csv"].iter().chain(more))
}

fn column<T: rusqlite::types::FromSql>(database: &Connection, sql: &str) -> Vec<T> {
    let mut query = database.prepare(sql).unwrap();
    query.query_map([], |row| row.get(0)).unwrap().collect::<rusqlite::Result<_>>().unwrap()
}

/// Checks the database after a day that ran to its end.
#[track_caller]
fn compare(folder: &Folder, text: &str) {
    let database = folder.database();
    let payments = payable(text);
    let batches: Vec<i64> = (0..payments.len()).map(|at| i64::try_from(at / 8).unwrap() + 1).collect();
    assert_eq!(column::<i64>(&database, "SELECT batch FROM payment ORDER BY id"), batches);
    assert_eq!(
        column::<String>(&database, "SELECT account || ' ' || cents FROM payment ORDER BY id"),
        payments.iter().map(|(account, cents)| format!("{account} {cents}")).collect::<Vec<_>>()
    );
    let mut statements = BTreeMap::new();
    for (account, cents) in &payments {
        *statements.entry(account).or_insert(0) += cents;
    }
    assert_eq!(
        column::<String>(&database, "SELECT account || ' ' || cents FROM statement ORDER BY account"),
        statements.iter().map(|(account, cents)| format!("{account} {cents}")).collect::<Vec<_>>()
    );
    let total: i64 = statements.values().sum();
    assert_eq!(
        column::<String>(&database, "SELECT total FROM day WHERE closed"),
        [format!("{} payments, {total} cents", payments.len())]
    );
    assert_eq!(column::<i64>(&database, "SELECT id FROM answer"), [3], "the bank is asked three times");
}

/// The step executions of all executions, in order.
fn steps(folder: &Folder) -> Vec<String> {
    column(&folder.database(), "SELECT STEP_NAME FROM BATCH_STEP_EXECUTION ORDER BY STEP_EXECUTION_ID")
}

#[test]
fn a_good_day_goes_through_to_the_end() {
    let folder = Folder::new();
    let text = read(&data("payments.csv"));
    run(&folder, &text, &[]).ended_with(0);
    compare(&folder, &text);
    let steps = steps(&folder);
    assert_eq!(steps.iter().filter(|step| step.starts_with("pay_batch")).count(), 40 / 8, "{steps:?}");
    assert_eq!(steps.iter().filter(|step| step.starts_with("ask_bank")).count(), 3, "{steps:?}");
    assert!(!steps.iter().any(|step| step == "discard"), "{steps:?}");
}

#[test]
fn a_failed_step_that_is_matched_on_is_handled() {
    let folder = Folder::new();
    let text =
        read(&data("payments.csv")).replacen("\nDE", "\nDE00,-5\nDE", 25).replacen("\nDE00,-5", "", 24);
    assert_eq!(text.lines().filter(|line| line.ends_with(",-5")).count(), 1);
    run(&folder, &text, &[]).ended_with(0);
    compare(&folder, &text);
    let steps = steps(&folder);
    assert!(steps.iter().any(|step| step == "discard"), "{steps:?}");
    let ended: String = folder
        .database()
        .query_row("SELECT STATUS FROM BATCH_STEP_EXECUTION WHERE STEP_NAME = 'load'", [], |row| row.get(0))
        .unwrap();
    assert_eq!(ended, "ABANDONED");
}

#[test]
fn a_day_without_payments_ends_early_with_its_own_exit_code() {
    let folder = Folder::new();
    run(&folder, "account,cents\n", &[]).ended_with(0);
    let database = folder.database();
    assert_eq!(column::<String>(&database, "SELECT EXIT_CODE FROM BATCH_JOB_EXECUTION"), ["NOTHING_TO_PAY"]);
    assert_eq!(column::<String>(&database, "SELECT total FROM day WHERE closed"), ["0 payments, 0 cents"]);
    assert!(column::<String>(&database, "SELECT account FROM statement").is_empty());
}

#[test]
fn a_stop_waits_for_a_person_and_the_restart_continues_after_it() {
    let folder = Folder::new();
    let text = read(&data("payments.csv"));
    let limit = ["--consent-above", "100000"];
    let stopped = run(&folder, &text, &limit).ended_with(3);
    assert!(stopped.out.contains("to consent") || stopped.err.contains("to consent"), "{stopped:?}");
    let before = steps(&folder);
    assert!(!before.iter().any(|step| step.starts_with("pay_batch")), "{before:?}");

    run(&folder, &text, &limit).ended_with(0);
    compare(&folder, &text);
    let after = steps(&folder);
    assert_eq!(after.iter().filter(|step| *step == "load").count(), 1, "{after:?}");
}

#[test]
fn an_impossible_total_fails_the_job_and_pays_nothing() {
    let folder = Folder::new();
    let ran = run(&folder, &read(&data("payments.csv")), &["--consent-above", "10"]).ended_with(1);
    assert!(ran.out.contains("cannot be right") || ran.err.contains("cannot be right"), "{ran:?}");
    assert_eq!(
        column::<i64>(&folder.database(), "SELECT count(*) FROM payment WHERE batch IS NOT NULL"),
        [0]
    );
}

#[test]
fn the_nested_job_is_also_a_job_in_its_own_right() {
    let folder = Folder::new();
    let listed = folder.run("control_flow", ["jobs"]).ended_with(0).out;
    assert!(listed.contains("control_flow") && listed.contains("statements"), "{listed}");
}
