//! The state and contexts that a restart inherits.

use batch_runtime::prelude::*;
use batch_runtime::repository::Counters;

use crate::support::{World, step};

#[reader]
fn letters() -> impl Iterator<Item = Result<char, String>> {
    "abacabadabacabae".chars().map(Ok)
}

#[derive(Default, serde::Serialize, serde::Deserialize)]
struct Seen(std::collections::BTreeSet<char>);

#[processor]
fn new_only(letter: char, #[state] seen: &mut Seen) -> Option<char> {
    seen.0.insert(letter).then_some(letter)
}

#[processor]
fn check(letter: &char, fail_at: Option<String>) -> Result<char, Box<dyn std::error::Error>> {
    if fail_at.is_some_and(|bad| bad.starts_with(*letter)) {
        return Err(format!("{letter} is bad").into());
    }
    Ok(*letter)
}

#[writer]
fn keep(
    letters: &[char],
    tx: &Transaction<'_>,
    step: &StepContext,
    job: &JobContext,
) -> Result<(), anyhow::Error> {
    tx.execute_batch("CREATE TABLE IF NOT EXISTS letter (letter TEXT)")?;
    for letter in letters {
        tx.execute("INSERT INTO letter VALUES (?1)", [letter.to_string()])?;
    }
    let kept: u64 = step.get("kept")?.unwrap_or(0);
    step.put("kept", &(kept + letters.len() as u64))?;
    let all: String = job.get("all")?.unwrap_or_default();
    job.put(
        "all",
        &letters.iter().fold(all, |mut all, letter| {
            all.push(*letter);
            all
        }),
    )?;
    Ok(())
}

#[step(chunk = 2)]
fn dedupe() {
    letters | new_only | check | keep
}

#[step]
fn remember(job: &JobContext, tx: &Transaction<'_>) -> Result<(), anyhow::Error> {
    let all: String = job.get("all")?.unwrap_or_default();
    tx.execute("INSERT INTO letter VALUES (?1)", [format!("all: {all}")])?;
    Ok(())
}

#[job]
fn distinct(#[param(identifying = false)] fail_at: Option<String>) {
    dedupe;
    remember;
}

#[test]
fn state_and_contexts_come_back_as_they_were_at_the_last_commit() {
    let world = World::new();
    for bad in ["c", "d", "e"] {
        world.fails(&distinct(Some(bad.to_owned())));
    }
    let report = world.completes(&distinct(None));
    assert_eq!(world.texts("SELECT letter FROM letter"), ["a", "b", "c", "d", "e", "all: abcde"]);
    let last = step(&report, "dedupe");
    let mut all = last.before;
    all += last.counters;
    assert_eq!((all.read, all.filter, all.write), (16, 11, 5));
    assert_eq!(all.rollback, 3);
    assert_ne!(all, Counters::default());
    let context = world.texts(
        "SELECT SHORT_CONTEXT FROM BATCH_STEP_EXECUTION_CONTEXT JOIN BATCH_STEP_EXECUTION USING (STEP_EXECUTION_ID)
         WHERE STEP_NAME = 'dedupe' AND STATUS = 'COMPLETED'",
    );
    assert!(context[0].contains(r#""kept":["java.lang.Long",5]"#), "{context:?}");
}

#[derive(Default, serde::Serialize, serde::Deserialize)]
struct Cursor(i64);

#[step]
fn in_parts(
    tx: &Transaction<'_>,
    #[state] cursor: &mut Cursor,
    fail_at: Option<i64>,
) -> Result<Repeat, rusqlite::Error> {
    tx.execute_batch("CREATE TABLE IF NOT EXISTS part (number INTEGER)")?;
    cursor.0 += 1;
    tx.execute("INSERT INTO part VALUES (?1)", [cursor.0])?;
    if fail_at == Some(cursor.0) {
        return Err(rusqlite::Error::InvalidQuery);
    }
    Ok(if cursor.0 < 5 { Repeat::Again } else { Repeat::Done })
}

#[job]
fn parted(#[param(identifying = false)] fail_at: Option<i64>) {
    in_parts;
}

#[test]
fn a_repeated_tasklet_commits_each_call_with_its_state_and_a_restart_resumes_from_it() {
    let world = World::new();
    world.fails(&parted(Some(3)));
    assert_eq!(world.numbers("SELECT number FROM part"), [1, 2]);
    world.completes(&parted(None));
    assert_eq!(world.numbers("SELECT number FROM part"), [1, 2, 3, 4, 5]);
}
