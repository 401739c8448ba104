//! The cost of finding bad items, and the cases in which there is no search.

use batch_runtime::prelude::*;
use batch_runtime::repository::Counters;

use super::script::*;
use crate::support::{World, step};

#[step(chunk = 1000, skip(Trouble::Bad(..)))]
fn load() {
    numbers | save
}

#[job]
fn load_job() {
    load;
}

/// Counts the writer's calls and the commits for bad items in a chunk of a thousand.
fn cost(bad: &[i64]) -> (usize, u64) {
    let world = World::new();
    input(1000);
    fails(Place::Write, Trouble::Bad, bad.iter().copied(), ALWAYS);
    let before = calls(Place::Write).len();
    let counters = step(&world.completes(&load_job()), "load").counters;
    heal();
    assert_eq!(world.numbers("SELECT number FROM saved"), without(1000, bad));
    assert_eq!((counters.write, counters.write_skip), (1000 - bad.len() as u64, bad.len() as u64));
    (calls(Place::Write).len() - before, counters.commit)
}

#[test]
#[expect(clippy::cast_precision_loss, reason = "a thousand items")]
fn the_search_takes_logarithmically_many_calls_per_bad_item_and_one_commit() {
    let ten_apart: Vec<i64> = (0..10).map(|part| part * 100 + 50).collect();
    let ten_together: Vec<i64> = (501..=510).collect();
    for bad in [&[1][..], &[500], &[1000], &[1, 1000], &[500, 501], &ten_apart, &ten_together] {
        let (calls, commits) = cost(bad);
        let bound = 2.0 * bad.len() as f64 * ((1000.0 / bad.len() as f64).log2() + 2.0);
        println!(
            "{} bad of 1000 ({bad:?}): {calls} calls of the writer (at most {bound:.1}), {commits} commit",
            bad.len()
        );
        assert!(calls as f64 <= bound, "{calls} calls for {bad:?}");
        assert_eq!(commits, 1);
    }
    assert!(cost(&[777]).0 <= 22);
}

#[step(chunk = 8, skip(Trouble::Bad(..)))]
fn notify() {
    numbers | send
}

#[job]
fn notify_job() {
    notify;
}

#[test]
fn a_chunk_is_not_searched_if_its_writer_cannot_roll_back_and_the_message_names_the_remedy() {
    let world = World::new();
    fails(Place::Write, Trouble::Bad, [11], ALWAYS);
    let report = world.fails(&notify_job());
    let failed = step(&report, "notify");
    assert!(failed.exit.description.contains("11 is bad"), "{}", failed.exit.description);
    assert!(failed.exit.description.contains("`isolate = allow`"), "{}", failed.exit.description);
    assert_eq!(
        failed.counters,
        Counters { read: 8, write: 8, commit: 1, rollback: 1, ..Counters::default() }
    );
    assert_eq!(calls(Place::Write), [8, 8]);
}

#[step(chunk = 8, skip(Trouble::Bad(..)), isolate = allow)]
fn notify_again() {
    numbers | send
}

#[job]
fn notify_again_job() {
    notify_again;
}

#[test]
fn with_consent_there_is_a_search_and_each_good_item_is_sent_at_least_once() {
    let world = World::new();
    fails(Place::Write, Trouble::Bad, [11], ALWAYS);
    let counters = step(&world.completes(&notify_again_job()), "notify_again").counters;
    assert_eq!((counters.write, counters.write_skip, counters.commit), (19, 1, 3));
    let mut distinct = sent();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct, without(20, &[11]));
    assert!(sent().len() > 19, "what was sent before the failure is sent again");
}

#[step(chunk = 1, skip(Trouble::Bad(..)))]
fn one_by_one() {
    numbers | send
}

#[job]
fn one_by_one_job() {
    one_by_one;
}

#[test]
fn a_chunk_of_one_item_needs_no_search_and_no_consent() {
    let world = World::new();
    fails(Place::Write, Trouble::Bad, [11], ALWAYS);
    let counters = step(&world.completes(&one_by_one_job()), "one_by_one").counters;
    assert_eq!((counters.write, counters.write_skip, counters.commit), (19, 1, 20));
    assert_eq!(sent(), without(20, &[11]));
}

#[step(chunk = 8, retry(Trouble::Busy(..), limit = 2))]
fn notify_repeatedly() {
    numbers | send
}

#[job]
fn notify_repeatedly_job() {
    notify_repeatedly;
}

#[test]
fn a_writer_that_cannot_roll_back_is_retried_with_the_whole_chunk_if_the_step_says_so() {
    let world = World::new();
    fails(Place::Write, Trouble::Busy, [11], 1);
    let counters = step(&world.completes(&notify_repeatedly_job()), "notify_repeatedly").counters;
    assert_eq!((counters.write, counters.commit), (20, 3));
    assert_eq!(sent()[8..], [&[9, 10][..], &(9..=20).collect::<Vec<_>>()].concat());
}
