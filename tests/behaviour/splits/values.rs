//! Branches share outputs, the job's context and databases.

use batch_runtime::prelude::*;

use super::{meet, note, ran, task};
use crate::support::{World, step};

#[derive(Debug, Serialize, Deserialize)]
struct Share(u32);

#[step]
fn left_share(job: &JobContext) -> Result<Share, Failure> {
    job.put("left", &1)?;
    Ok(Share(40))
}

#[step]
fn right_share(job: &JobContext) -> Result<Share, Failure> {
    job.put("right", &2)?;
    Ok(Share(2))
}

#[step]
fn sum(
    tag: &str,
    job: &JobContext,
    left: &Output<left_share>,
    right: &Output<right_share>,
    fail: Option<String>,
) -> Result<(), Failure> {
    let (from_left, from_right) = (job.get::<u32>("left")?, job.get::<u32>("right")?);
    note(tag, format!("{} {from_left:?} {from_right:?}", left.0 + right.0));
    if fail.is_some() { Err(Failure::new("told to fail")) } else { Ok(()) }
}

#[job]
fn shares(tag: String, #[param(identifying = false)] fail: Option<String>) {
    split! { left_share, right_share }
    sum;
}

#[test]
fn outputs_and_context_entries_of_branches_are_there_after_the_join_and_after_a_restart() {
    let world = World::new();
    let tag = "shares".to_owned();
    world.fails(&shares(tag.clone(), Some("sum".to_owned())));
    world.completes(&shares(tag.clone(), None));
    assert_eq!(ran(&tag), ["42 Some(1) Some(2)", "42 Some(1) Some(2)"]);
}

#[step]
fn puts_and_fails(tag: &str, job: &JobContext) -> Result<(), Failure> {
    job.put("given up", &true)?;
    note(tag, "put");
    meet(tag, "right ends").map_err(Failure::new)?;
    Err(Failure::new("told to fail"))
}

#[step]
fn puts_and_waits(tag: &str, job: &JobContext) -> Result<(), Failure> {
    meet(tag, "put").map_err(Failure::new)?;
    job.put("kept", &true)
}

#[job]
fn contexts(tag: String, fail: Option<String>) {
    split! { puts_and_fails, { puts_and_waits; task as right; } }
}

#[test]
fn context_entries_of_a_failing_branch_are_not_committed_by_another() {
    let world = World::new();
    world.fails(&contexts("contexts".to_owned(), None));
    let stored = world.texts("SELECT SHORT_CONTEXT FROM BATCH_JOB_EXECUTION_CONTEXT");
    assert!(stored[0].contains("kept") && !stored[0].contains("given up"), "{stored:?}");
}

/// Two branches to one table of the repository's own file, and two to files.
#[step]
fn create(tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute_batch("CREATE TABLE row (branch TEXT, number INTEGER)")
}

#[reader]
fn rows() -> impl Iterator<Item = u32> {
    0..200
}

#[writer]
fn insert(numbers: &[u32], branch: &str, tx: &Transaction<'_>) -> rusqlite::Result<()> {
    let mut insert = tx.prepare_cached("INSERT INTO row VALUES (?1, ?2)")?;
    numbers.iter().try_for_each(|number| insert.execute((branch, number)).map(drop))
}

#[step(chunk = 1)]
fn fill() {
    rows | insert
}

#[job]
fn one_table() {
    create;
    split! { fill(branch = "left") as left, fill(branch = "right") as right }
}

#[test]
fn two_branches_that_write_one_table_are_each_exact() {
    let world = World::new();
    let report = world.completes(&one_table());
    for name in ["left", "right"] {
        assert_eq!(step(&report, name).counters.commit, 200);
        let numbers =
            world.numbers(&format!("SELECT number FROM row WHERE branch = '{name}' ORDER BY rowid"));
        assert_eq!(numbers, (0..200).collect::<Vec<i64>>());
    }
}

#[database]
fn store(store_path: PathBuf) -> Sqlite {
    Sqlite::open(store_path)
}

#[writer]
fn insert_there(numbers: &[u32], branch: &str, tx: &Transaction<'_, store>) -> rusqlite::Result<()> {
    tx.execute_batch("CREATE TABLE IF NOT EXISTS row (branch TEXT, number INTEGER)")?;
    let mut insert = tx.prepare_cached("INSERT INTO row VALUES (?1, ?2)")?;
    numbers.iter().try_for_each(|number| insert.execute((branch, number)).map(drop))
}

#[step(chunk = 1)]
fn fill_left() {
    rows | insert_there(branch = "left")
}

#[step(chunk = 1)]
fn fill_right() {
    rows | insert_there(branch = "right")
}

#[job]
fn one_table_elsewhere(store_path: PathBuf) {
    split! { fill_left, fill_right }
}

#[test]
fn two_branches_that_write_one_table_of_another_database_are_each_exact() {
    let world = World::new();
    let report = world.completes(&one_table_elsewhere(world.path("store.db")));
    let there = rusqlite::Connection::open(world.path("store.db")).unwrap();
    for name in ["left", "right"] {
        assert_eq!(step(&report, &format!("fill_{name}")).counters.commit, 200);
        let mut numbers = there.prepare("SELECT number FROM row WHERE branch = ?1 ORDER BY rowid").unwrap();
        let numbers: Result<Vec<u32>, _> = numbers.query_map([name], |row| row.get(0)).unwrap().collect();
        assert_eq!(numbers.unwrap(), (0..200).collect::<Vec<_>>());
    }
}
