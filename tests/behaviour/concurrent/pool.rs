//! A plain function on several threads.

use std::sync::Barrier;

use batch_runtime::prelude::*;

use super::{keep, kept, numbers};
use crate::support::{World, step};

#[resource]
fn four() -> Barrier {
    Barrier::new(4)
}

/// No call returns before three others are in flight.
#[processor(concurrency = 4)]
fn together(number: u32, four: &Barrier) -> u32 {
    four.wait();
    number * 10
}

#[step(chunk = 3)]
fn work_together() {
    numbers | together | keep
}

#[job]
fn as_many_threads(count: u32) {
    work_together;
}

#[test]
fn a_plain_function_runs_on_as_many_threads_as_stated_across_chunks_and_in_order() {
    let world = World::new();
    world.completes(&as_many_threads(24));
    assert_eq!(kept(&world), (1..=24).map(|number| number * 10).collect::<Vec<_>>());
}

#[derive(Debug, thiserror::Error)]
#[error("{0} is bad")]
struct Bad(u32);

#[processor(concurrency = 3)]
fn check(number: &u32, bad: Option<u32>) -> Result<u32, Bad> {
    if bad == Some(*number) { Err(Bad(*number)) } else { Ok(*number) }
}

#[step(chunk = 4)]
fn checked() {
    numbers | check | keep
}

#[job]
fn checking(count: u32, #[param(identifying = false)] bad: Option<u32>) {
    checked;
}

#[test]
fn a_failure_leaves_the_chunks_before_it_and_a_restart_resumes_after_them() {
    let world = World::new();
    let failed = world.fails(&checking(20, Some(11)));
    let counters = step(&failed, "checked").counters;
    assert_eq!((counters.read, counters.write, counters.commit, counters.rollback), (8, 8, 2, 1));
    assert!(
        failed.exit.description.contains("processing in `check`: item 11: 11 is bad"),
        "{}",
        failed.exit.description
    );
    world.completes(&checking(20, None));
    assert_eq!(kept(&world), (1..=20).collect::<Vec<_>>());
}

#[processor(concurrency = 3)]
fn panics(number: u32) -> u32 {
    assert!(number != 11, "no elevens");
    number
}

#[step(chunk = 4, skip(Bad))]
fn panicking() {
    numbers | check | panics | keep
}

#[job]
fn panic_on_a_thread(count: u32, bad: Option<u32>) {
    panicking;
}

#[test]
fn a_panic_on_a_thread_fails_the_step_with_its_message_and_nothing_hangs() {
    let world = World::new();
    let failed = world.fails(&panic_on_a_thread(20, None));
    assert!(failed.exit.description.contains("no elevens"), "{}", failed.exit.description);
    assert_eq!(kept(&world), (1..=8).collect::<Vec<_>>());
}

/// Numbers the items that came through.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
struct Through(u32);

#[processor]
fn twice(number: u32) -> Many<Vec<u32>> {
    Many(vec![number, number + 100])
}

#[processor(concurrency = 3)]
fn odd_ones(number: u32) -> Option<u32> {
    (number % 2 == 1).then_some(number)
}

#[processor(concurrency = 2)]
fn thrice(number: u32) -> Many<Vec<u32>> {
    Many(vec![number; 3])
}

#[processor]
fn counted(number: u32, #[state] through: &mut Through) -> u32 {
    through.0 += 1;
    number * 1_000 + through.0
}

#[processor(bulk)]
fn of_chunk(numbers: &[u32]) -> Vec<u32> {
    numbers.iter().map(|number| number * 100 + u32::try_from(numbers.len()).unwrap()).collect()
}

#[step(chunk = 4, skip(Bad))]
fn long_pipe() {
    numbers | check | twice | odd_ones | thrice | counted | of_chunk | keep
}

#[job]
fn long(count: u32, bad: Option<u32>) {
    long_pipe;
}

#[test]
fn several_pools_fit_in_one_pipe_with_stateful_and_bulk_processors_after_them() {
    let world = World::new();
    let report = world.completes(&long(10, Some(5)));
    let counters = step(&report, "long_pipe").counters;
    assert_eq!((counters.read, counters.filter, counters.process_skip, counters.write), (10, 5, 1, 24));
    let mut expected = Vec::new();
    let mut through = 0;
    for chunk in [&[1, 3][..], &[7], &[9]] {
        let items = chunk.len() * 6;
        for number in chunk {
            for item in [*number, number + 100].into_iter().flat_map(|item| [item; 3]) {
                through += 1;
                expected.push((item * 1_000 + through) * 100 + i64::try_from(items).unwrap());
            }
        }
    }
    assert_eq!(kept(&world), expected);
}
