use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::readers::tests::{Faulty, rest, restarts_everywhere, stored};
use crate::readers::{JsonLinesReader, ReaderExt as _, VecReader};

type Pair = (u32, u32);

fn sides(left: &[Pair], right: &[Pair]) -> impl Reader<Item = Merged<Pair, Pair>, Error = BoxError> {
    sorted_merge(
        VecReader::new(left.to_vec()),
        VecReader::new(right.to_vec()),
        |left| left.0,
        |right| right.0,
    )
}

fn many(left: &[Pair], right: &[Pair]) -> impl Reader<Item = Merged<Pair, Pair>, Error = BoxError> {
    sorted_merge(
        VecReader::new(left.to_vec()),
        VecReader::new(right.to_vec()),
        |left| left.0,
        |right| right.0,
    )
    .one_to_many()
}

/// Numbers each key, so that records with the same key differ.
fn records(keys: impl IntoIterator<Item = u32>) -> Vec<Pair> {
    keys.into_iter().zip(100..).collect()
}

/// The merge as tables do it: a full join, in the order of the keys.
fn joined(left: &[Pair], right: &[Pair]) -> Vec<Merged<Pair, Pair>> {
    let mut keys: BTreeMap<u32, (Option<Pair>, Vec<Pair>)> = BTreeMap::new();
    for record in left {
        keys.entry(record.0).or_default().0 = Some(*record);
    }
    for record in right {
        keys.entry(record.0).or_default().1.push(*record);
    }
    let of_key = |(left, right): (Option<Pair>, Vec<Pair>)| match left {
        Some(left) if right.is_empty() => vec![Merged::Left(left)],
        Some(left) => right.into_iter().map(|right| Merged::Both(left, right)).collect(),
        None => right.into_iter().map(Merged::Right).collect(),
    };
    keys.into_values().flat_map(of_key).collect()
}

#[track_caller]
fn refused(mut reader: impl Reader<Error = BoxError>) -> (usize, MergeError) {
    let mut items = 0;
    loop {
        match reader.read() {
            Ok(Some(_)) => items += 1,
            Ok(None) => panic!("it was not refused"),
            Err(error) => {
                assert!(!reader.steps_over(&error) && reader.location().is_none());
                let again = reader.read().map(drop).unwrap_err();
                let error: MergeError = *error.downcast().unwrap();
                assert_eq!(*again.downcast::<MergeError>().unwrap(), error, "no read passes it");
                return (items, error);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn it_reads_a_full_join_and_restarts_after_any_pair(
        left in prop::collection::btree_set(0..12_u32, 0..8),
        right in vec(0..12_u32, 0..12),
    ) {
        let (left, mut right) = (records(left), right);
        right.sort_unstable();
        let several = records(right.clone());
        restarts_everywhere(|| many(&left, &several), &joined(&left, &several));
        right.dedup();
        let one = records(right);
        restarts_everywhere(|| sides(&left, &one), &joined(&left, &one));
        restarts_everywhere(|| many(&left, &one), &joined(&left, &one));
    }
}

#[test]
fn an_input_that_is_not_sorted_is_refused_with_both_keys_wherever_a_restart_comes() {
    let sorted = records([1, 2, 3, 4]);
    let unsorted = records([1, 4, 2, 5]);
    let (items, error) = refused(sides(&unsorted, &sorted));
    assert_eq!(items, 4, "1 and 4 have a partner, 2 and 3 have none");
    assert_eq!(
        error.to_string(),
        "item 3: the key 2 comes after 4, so the left input is not sorted; sort both inputs by the key first"
    );
    let (_, error) = refused(sides(&sorted, &unsorted));
    assert!(error.to_string().contains("so the right input is not sorted"), "{error}");
    for read in 0..=4 {
        let mut first = sides(&unsorted, &sorted);
        for _ in 0..read {
            first.read().unwrap();
        }
        let mut restarted = sides(&unsorted, &sorted);
        restarted.resume(stored(&first)).unwrap();
        assert!(matches!(refused(restarted), (left, MergeError::Unsorted { .. }) if left + read == 4));
    }
}

#[test]
fn a_key_that_comes_twice_is_refused_unless_it_is_allowed_wherever_a_restart_comes() {
    let (once, twice) = (records([1, 2, 3]), records([1, 2, 2, 3]));
    let said = |(_, error): (usize, MergeError)| error.to_string();
    assert_eq!(
        said(refused(sides(&once, &twice))),
        "item 3: the right input has the key 2 twice; if several records may belong to one record of the left input, call `.one_to_many()`"
    );
    assert!(said(refused(sides(&twice, &once))).contains("make that the right input and call"));
    assert!(said(refused(many(&twice, &once))).contains("the right input may have a key twice: exchange"));
    assert!(said(refused(many(&twice, &twice))).contains("the left input has the key 2 twice"));
    for read in 0..=2 {
        let mut first = sides(&once, &twice);
        for _ in 0..read {
            first.read().unwrap();
        }
        let mut restarted = sides(&once, &twice);
        restarted.resume(stored(&first)).unwrap();
        assert!(matches!(refused(restarted), (left, MergeError::Repeated { .. }) if left + read == 2));
    }
}

#[test]
fn an_error_is_that_of_the_reader_which_returned_it_and_loses_nothing() {
    let key = |number: &u32| *number;
    let open = |left: &str, right: &str| sorted_merge(Faulty::new(left), Faulty::new(right), key, key);
    let pairs = [Merged::Both(1, 1), Merged::Left(2), Merged::Right(3), Merged::Both(4, 4)];
    restarts_everywhere(|| open("x12xx4", "x1x34x"), &pairs);

    let mut reader = open("12", "1x!3");
    assert_eq!(reader.read().unwrap(), Some(Merged::Both(1, 1)));
    assert_eq!(reader.location().as_deref(), Some("word 1 and word 1"));
    let error = reader.read().unwrap_err();
    assert!(reader.steps_over(&error) && error.to_string() == "bad record 2");
    assert_eq!(reader.location().as_deref(), Some("word 2"));
    let before = stored(&reader);
    let error = reader.read().unwrap_err();
    assert!(!reader.steps_over(&error), "{error}");
    assert_eq!(stored(&reader), before, "a record that was only looked at is read again");
    let mut reopened = open("12", "1x3");
    reopened.resume(before).unwrap();
    assert_eq!(rest(&mut reopened), [Merged::Left(2), Merged::Right(3)]);
}

#[test]
fn the_place_of_a_pair_is_that_of_both_records() {
    let file = |name: &str, text: &str| crate::readers::tests::Input::new(name, text);
    let (left, right) = (file("left.jsonl", "1\n3\n2\n"), file("right.jsonl", "3\n"));
    let open = |input: &crate::readers::tests::Input| JsonLinesReader::<u32>::open(&input.0).unwrap();
    let mut reader = sorted_merge(open(&left), open(&right), |key| *key, |key| *key);
    reader.read().unwrap();
    assert!(reader.location().unwrap().ends_with("left.jsonl, line 1"));
    reader.read().unwrap();
    let location = reader.location().unwrap();
    let (first, second) = location.split_once(" and ").unwrap();
    assert!(first.ends_with("left.jsonl, line 2") && second.ends_with("right.jsonl, line 1"), "{location}");
    let error = reader.read().unwrap_err().to_string();
    assert!(error.contains("left.jsonl, line 3: the key 2 comes after 3"), "{error}");
}

#[test]
fn both_readers_are_told_of_commits_and_of_the_stop() {
    let mut reader = sorted_merge(Faulty::new("13"), Faulty::new("23"), |key| *key, |key| *key);
    reader.read().unwrap();
    let position = stored(&reader);
    reader.read().unwrap();
    reader.committed(&position).unwrap();
    assert_eq!((&*reader.left.reader.notified, &*reader.right.reader.notified), (&[1][..], &[0][..]));
    assert_eq!(reader.progress(), None);
    assert_eq!(sides(&records([1]), &records([1, 2])).progress(), Some(Progress { done: 0, total: 3 }));
    assert_eq!(
        <SortedMerge<Faulty, VecReader<u32>, u32, fn(&u32) -> u32, fn(&u32) -> u32>>::kind(),
        "SortedMerge<Faulty, VecReader>"
    );
}

#[test]
fn inputs_may_be_read_ahead() {
    let (left, right) = (records([1, 2, 5]), records([2, 5, 5, 7]));
    let ahead = |records: &[Pair]| VecReader::new(records.to_vec()).prefetch(2);
    restarts_everywhere(
        || sorted_merge(ahead(&left), ahead(&right), |left| left.0, |right| right.0).one_to_many(),
        &joined(&left, &right),
    );
}
