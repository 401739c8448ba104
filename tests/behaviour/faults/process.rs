//! If a processor fails, its item is skipped without a rollback.

use batch_runtime::prelude::*;
use batch_runtime::repository::Counters;

use super::script::*;
use crate::support::{World, step};

#[step(chunk = 5, skip(Trouble::Bad(..)))]
fn by_value() {
    numbers | take | save
}

#[job]
fn by_value_job() {
    by_value;
}

#[test]
fn a_bad_item_is_left_out_counted_and_recorded_without_a_rollback() {
    let world = World::new();
    fails(Place::Process, Trouble::Bad, [3, 7, 8], ALWAYS);
    let report = world.completes(&by_value_job());
    let counters = step(&report, "by_value").counters;
    assert_eq!(counters, Counters { read: 20, write: 17, process_skip: 3, commit: 4, ..Counters::default() });
    assert_adds_up(counters, 20);
    assert_eq!(world.numbers("SELECT number FROM saved"), without(20, &[3, 7, 8]));
    let first = Skipped {
        phase: "PROCESS".into(),
        position: r#"{"v":1,"at":1,"ahead":2}"#.into(),
        location: Some("number 3".into()),
        error: "processing in `take`: number 3: 3 is bad".into(),
        // A copy of a number costs nothing.
        item: Some("3".into()),
    };
    let all = skipped(&world);
    assert_eq!(all[0], first);
    assert_eq!(
        all.iter().map(|skipped| skipped.position.as_str()).collect::<Vec<_>>(),
        [r#"{"v":1,"at":1,"ahead":2}"#, r#"{"v":1,"at":6,"ahead":1}"#, r#"{"v":1,"at":6,"ahead":2}"#]
    );
}

#[step(chunk = 5, skip(Trouble::Bad(..)))]
fn by_reference() {
    numbers | look | save
}

#[job]
fn by_reference_job() {
    by_reference;
}

#[test]
fn an_item_taken_by_reference_is_left_out_as_one_taken_by_value() {
    let world = World::new();
    fails(Place::Process, Trouble::Bad, [1, 20], ALWAYS);
    let report = world.completes(&by_reference_job());
    assert_eq!(
        step(&report, "by_reference").counters,
        Counters { read: 20, write: 18, process_skip: 2, commit: 4, ..Counters::default() }
    );
    assert_eq!(world.numbers("SELECT number FROM saved"), without(20, &[1, 20]));
}

#[step(chunk = 5, skip(Trouble::Bad(..)))]
fn filtered() {
    numbers | most | take | save
}

#[job]
fn filtered_job() {
    filtered;
}

#[test]
fn filtered_and_skipped_items_are_counted_separately() {
    let world = World::new();
    fails(Place::Process, Trouble::Bad, [2, 3, 5, 19], ALWAYS);
    let counters = step(&world.completes(&filtered_job()), "filtered").counters;
    assert_eq!(
        counters,
        Counters { read: 20, filter: 5, write: 11, process_skip: 4, commit: 4, ..Counters::default() }
    );
    assert_adds_up(counters, 20);
}

#[step(chunk = 5, skip(Trouble::Bad(..)))]
fn one_to_many() {
    numbers | several | take | save
}

#[job]
fn one_to_many_job() {
    one_to_many;
}

#[test]
fn all_items_made_from_one_are_skipped_if_one_of_them_is_bad() {
    let world = World::new();
    fails(Place::Process, Trouble::Bad, [200, 500], ALWAYS);
    input(6);
    let counters = step(&world.completes(&one_to_many_job()), "one_to_many").counters;
    assert_eq!(world.numbers("SELECT number FROM saved"), [1, 4]);
    assert_eq!(
        counters,
        Counters { read: 6, filter: 2, write: 2, process_skip: 2, commit: 2, ..Counters::default() }
    );
    assert_eq!(skipped(&world)[0].position, r#"{"v":1,"at":1,"ahead":1}"#);
}

#[step(chunk = 4, skip(Trouble::Bad(..)))]
fn only_bad() {
    numbers | take | save
}

#[job]
fn only_bad_job() {
    only_bad;
}

#[test]
fn a_chunk_of_nothing_but_bad_items_is_committed_and_the_writer_not_called() {
    let world = World::new();
    input(8);
    fails(Place::Process, Trouble::Bad, 5..=8, ALWAYS);
    let counters = step(&world.completes(&only_bad_job()), "only_bad").counters;
    assert_eq!(counters, Counters { read: 8, write: 4, process_skip: 4, commit: 2, ..Counters::default() });
    assert_eq!(calls(Place::Write), [4]);
    assert_eq!(skipped(&world).len(), 4);
}

#[processor(bulk)]
fn bulk(numbers: &[i64]) -> Vec<Result<Option<i64>, Trouble>> {
    called(Place::Process, numbers.len());
    let outcome = |number: &i64| trip(Place::Process, *number).map(|()| (number % 5 != 0).then_some(*number));
    numbers.iter().map(outcome).collect()
}

#[step(chunk = 10, skip(Trouble::Bad(..)))]
fn at_once() {
    numbers | most | bulk | save
}

#[job]
fn at_once_job() {
    at_once;
}

#[test]
fn the_bad_outcomes_of_a_bulk_processor_are_skipped() {
    let world = World::new();
    fails(Place::Process, Trouble::Bad, [1, 7, 17], ALWAYS);
    let counters = step(&world.completes(&at_once_job()), "at_once").counters;
    let filtered = [4, 8, 12, 16, 20, 5, 10, 15];
    assert_eq!(
        world.numbers("SELECT number FROM saved"),
        without(20, &[&filtered[..], &[1, 7, 17]].concat())
    );
    assert_eq!(
        counters,
        Counters { read: 20, filter: 8, write: 9, process_skip: 3, commit: 2, ..Counters::default() }
    );
    let positions: Vec<_> = skipped(&world).into_iter().map(|skipped| skipped.position).collect();
    assert_eq!(
        positions,
        [r#"{"v":1,"at":1}"#, r#"{"v":1,"at":1,"ahead":6}"#, r#"{"v":1,"at":11,"ahead":6}"#]
    );
}

#[step(chunk = 10, skip(Trouble::Bad(..)))]
fn several_at_once() {
    numbers | several | bulk | save
}

#[job]
fn several_at_once_job() {
    several_at_once;
}

#[test]
fn an_item_with_one_bad_outcome_is_skipped_once_and_entirely() {
    let world = World::new();
    input(8);
    // The first outcome of 2, the last of 8, and the only one of 7.
    fails(Place::Process, Trouble::Bad, [2, 7, 800], ALWAYS);
    let counters = step(&world.completes(&several_at_once_job()), "several_at_once").counters;
    assert_eq!(world.numbers("SELECT number FROM saved"), [1, 4]);
    // 5 and 500 are filtered by the second processor.
    assert_eq!(
        counters,
        Counters { read: 8, filter: 3, write: 2, process_skip: 3, commit: 1, ..Counters::default() }
    );
    assert_eq!(skipped(&world).len(), 3);
}

#[step(chunk = 10, skip(Trouble::Bad(..)))]
fn checked_then_at_once() {
    numbers | several | take | rank | save
}

#[processor(bulk)]
fn rank(numbers: &[i64]) -> Vec<i64> {
    numbers.to_vec()
}

#[job]
fn checked_then_at_once_job() {
    checked_then_at_once;
}

#[test]
fn a_bulk_processor_drops_the_other_outcomes_of_a_bad_item() {
    let world = World::new();
    input(8);
    fails(Place::Process, Trouble::Bad, [200, 800], ALWAYS);
    let counters = step(&world.completes(&checked_then_at_once_job()), "checked_then_at_once").counters;
    assert_eq!(world.numbers("SELECT number FROM saved"), [1, 4, 5, 500, 7]);
    assert_eq!(
        counters,
        Counters { read: 8, filter: 2, write: 5, process_skip: 2, commit: 1, ..Counters::default() }
    );
}
