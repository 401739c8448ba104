use std::collections::BTreeMap;

use serde_json::Value;

use super::Values;

fn values() -> Values {
    let values = Values::default();
    values.put("a", 1.into());
    settle_all(&values);
    values
}

fn settle_all(values: &Values) {
    values.settle(values.now());
}

fn keys(values: BTreeMap<String, Value>) -> Vec<String> {
    values.into_keys().collect()
}

/// Puts a value on another thread.
fn put_elsewhere(values: &Values, key: &str, value: u64) {
    std::thread::scope(|scope| scope.spawn(|| values.put(key, value.into())).join().unwrap());
}

#[test]
fn dropped_changes_vanish_and_settled_changes_stay() {
    let values = values();
    values.put("a", 2.into());
    assert_eq!(values.get("a"), Some(2.into()));
    values.revert();
    assert_eq!(values.get("a"), Some(1.into()));
    assert!(!values.changed());
}

#[test]
fn a_branch_neither_commits_nor_drops_the_changes_of_another() {
    let values = values();
    let (one, two) = (values.branch(), values.branch());
    one.put("one", 1.into());
    two.put("two", 2.into());
    assert_eq!(keys(one.changes().values), ["one"]);
    two.revert();
    settle_all(&one);
    assert_eq!(two.get("one"), Some(1.into()));
    assert_eq!(keys(values.snapshot().values), ["a", "one"]);
}

#[test]
fn uncommitted_changes_of_a_branch_are_committed_after_the_join() {
    let values = values();
    let branch = values.branch();
    branch.put("b", 2.into());
    values.join(&branch);
    assert_eq!(keys(values.changes().values), ["b"]);
}

#[test]
fn a_value_put_after_a_record_was_composed_stays_changed_when_the_record_is_settled() {
    let values = values();
    values.put("a", 2.into());
    values.put("b", 2.into());
    let record = values.changes();
    values.put("b", 3.into());
    values.put("c", 3.into());
    values.settle(record.until);
    assert_eq!(values.changes().values, BTreeMap::from([("b".into(), 3.into()), ("c".into(), 3.into())]));
    values.revert();
    assert_eq!(values.snapshot().values, BTreeMap::from([("a".into(), 2.into()), ("b".into(), 2.into())]));
}

#[test]
fn a_value_put_after_an_empty_record_stays_changed_when_the_record_is_settled() {
    let values = values();
    let record = values.changes();
    values.put("b", 2.into());
    values.settle(record.until);
    assert_eq!(keys(values.changes().values), ["b"]);
}

#[test]
fn a_rollback_takes_back_the_values_of_its_own_thread_only() {
    let values = values();
    let begin = values.now();
    values.put("own", 2.into());
    put_elsewhere(&values, "other", 2);
    values.go_back(begin);
    assert_eq!(keys(values.changes().values), ["other"]);
}

#[test]
fn a_rollback_uncovers_the_value_that_its_thread_has_overwritten() {
    let values = values();
    values.put("before", 1.into());
    let begin = values.now();
    put_elsewhere(&values, "a", 2);
    for key in ["before", "a"] {
        values.put(key, 3.into());
        values.put(key, 4.into());
    }
    values.go_back(begin);
    assert_eq!([values.get("before"), values.get("a")], [Some(1.into()), Some(2.into())]);
}

#[test]
fn a_rollback_within_another_takes_back_the_later_values_only() {
    let values = values();
    let whole = values.now();
    values.put("a", 2.into());
    let part = values.now();
    values.put("a", 3.into());
    values.go_back(part);
    assert_eq!(values.get("a"), Some(2.into()));
    values.go_back(whole);
    assert_eq!(values.get("a"), Some(1.into()));
    assert!(!values.changed());
}

#[test]
fn values_put_over_and_over_take_no_more_room() {
    let values = values();
    for number in 0..100 {
        values.put("a", number.into());
    }
    let shown = format!("{values:?}");
    assert_eq!(shown.matches("Put {").count(), 1, "{shown}");
}
