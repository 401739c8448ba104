//! The values of a context, which several threads put while the step's thread writes, rolls back and commits.

use std::collections::BTreeMap;

use serde_json::Value;
use shuttle::thread;

use crate::plan::below;
use crate::sync::Arc;
use crate::values::Values;

/// The number of schedules of each kind.
const SCHEDULES: usize = 2_000;
/// The number of preemptions in schedules with few of them.
const PREEMPTIONS: usize = 3;

/// The context as it is stored.
type Stored = BTreeMap<String, Value>;

fn number(values: &Stored, key: &str) -> u64 {
    values.get(key).map_or(0, |value| value.as_u64().unwrap())
}

/// Puts the numbers up to `last` under a key of its own, and also under a key that all threads use.
fn process(values: &Values, key: &str, last: u64) {
    for number in 1..=last {
        values.put(key, number.into());
        values.put("shared", number.into());
    }
}

/// Composes the record of a chunk, lets other threads run, and commits the record.
fn commit(values: &Values, keys: &[String], stored: &mut Stored) {
    let record = values.changes();
    crate::sync::step();
    for key in keys {
        assert!(
            !record.values.contains_key(key) || number(&record.values, key) >= number(stored, key),
            "an older value replaces a newer one: {record:?}, {stored:?}"
        );
    }
    stored.extend(record.values);
    values.settle(record.until);
}

/// Runs a step of a few chunks. Some of them fail first, as a whole or in a part.
fn run_step() {
    let values = Arc::new(Values::default());
    let workers = below(3) + 1;
    let keys: Vec<String> = (0..workers).map(|worker| format!("worker {worker}")).collect();
    let lasts: Vec<u64> = keys.iter().map(|_| below(3) + 1).collect();
    let threads: Vec<_> = keys
        .iter()
        .zip(&lasts)
        .map(|(key, last)| {
            let (values, key, last) = (Arc::clone(&values), key.clone(), *last);
            thread::spawn(move || process(&values, &key, last))
        })
        .collect();
    let mut stored = Stored::new();
    let chunks = below(3) + 1;
    for chunk in 1..=chunks {
        let begin = values.now();
        if below(2) == 0 {
            values.put("failed", chunk.into());
            values.put("writer", 0.into());
            values.go_back(begin);
        }
        values.put("writer", chunk.into());
        if below(2) == 0 {
            let part = values.now();
            values.put("failed", chunk.into());
            values.put("writer", 0.into());
            values.go_back(part);
        }
        commit(&values, &keys, &mut stored);
        assert_eq!(number(&stored, "writer"), chunk);
    }
    for thread in threads {
        thread.join().unwrap();
    }
    commit(&values, &keys, &mut stored);
    for (key, last) in keys.iter().zip(lasts) {
        assert_eq!(number(&stored, key), last, "{key}");
    }
    assert!(!stored.contains_key("failed"), "{stored:?}");
    assert!(!values.changed());
    assert_eq!(values.snapshot().values, stored);
}

#[test]
fn every_value_of_a_processor_is_stored_and_none_of_a_writer_that_was_rolled_back() {
    shuttle::check_random(run_step, SCHEDULES);
    shuttle::check_pct(run_step, SCHEDULES, PREEMPTIONS);
}
