//! A step reads two sorted inputs side by side: with skips, through failures and restarts.

use std::cell::Cell;

use batch_runtime::prelude::*;
use batch_runtime::readers::{Merged, sorted_merge};
use batch_runtime::{BoxError, Phase};

use crate::support::{World, step, summed};

thread_local! {
    /// The key at which the processor fails, unless it is 0.
    static FAILS_AT: Cell<u32> = const { Cell::new(0) };
    static RIGHT: Cell<&'static str> = const { Cell::new("") };
}

const LEFT: &str = "1\n2\nthree\n4\n5\n6\n";

fn numbers(name: &str, text: &str) -> Result<JsonLinesReader<u32>, BoxError> {
    // The tests run side by side, and each has a right input of its own.
    let path = std::env::temp_dir().join(format!("batch-joined-{}-{name}.jsonl", RIGHT.get().len()));
    std::fs::write(&path, text)?;
    Ok(JsonLinesReader::open(path)?)
}

#[reader]
fn joined() -> Result<impl Reader<Item = Merged<u32, u32>>, BoxError> {
    let (left, right) = (numbers("left", LEFT)?, numbers("right", RIGHT.get())?);
    Ok(sorted_merge(left, right, |key| *key, |key| *key).one_to_many())
}

#[processor]
fn sum(pair: Merged<u32, u32>) -> Result<u32, String> {
    if pair.left() == Some(FAILS_AT.get()) {
        return Err("not yet".to_owned());
    }
    Ok(10 * pair.left().unwrap_or_default() + pair.right().unwrap_or_default())
}

#[writer]
fn save(sums: &[u32], tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute_batch("CREATE TABLE IF NOT EXISTS saved (number INTEGER)")?;
    let mut insert = tx.prepare_cached("INSERT INTO saved VALUES (?1)")?;
    sums.iter().try_for_each(|sum| insert.execute([sum]).map(drop))
}

#[skip_policy]
fn any_read(failure: &Failure) -> bool {
    failure.phase() == Some(Phase::Read)
}

#[step(chunk = 2, skip(policy = any_read))]
fn join() {
    joined | sum | save
}

#[job]
fn join_job() {
    join;
}

#[test]
fn every_pair_is_written_once_whatever_is_skipped_and_wherever_the_step_failed() {
    RIGHT.set("2\n2\n2\n3\n4\nfive\n6\n7\n");
    let expected = [10, 22, 22, 22, 3, 44, 50, 66, 7];
    for fails_at in [1, 2, 4, 5, 6] {
        let world = World::new();
        FAILS_AT.set(fails_at);
        world.fails(&join_job());
        FAILS_AT.set(0);
        let report = world.completes(&join_job());
        assert_eq!(world.numbers("SELECT number FROM saved"), expected, "{fails_at}");
        let all = summed(step(&report, "join"));
        assert_eq!((all.read, all.read_skip, all.write), (9, 2, 9), "{fails_at}");
    }
}

#[test]
fn an_input_that_is_not_sorted_fails_the_step_whatever_may_be_skipped() {
    RIGHT.set("2\n4\n3\n");
    let world = World::new();
    let why = world.fails(&join_job()).exit.description;
    assert!(why.contains("batch-joined-6-right.jsonl, line 3: the key 3 comes after 4"), "{why}");
    assert!(why.contains("so the right input is not sorted"), "{why}");
}
