//! `chunk_while`: a group never crosses a commit, no matter what fails and which thread reads.

use std::cell::{Cell, RefCell};
use std::sync::Mutex;

use batch_runtime::prelude::*;

use crate::support::{World, step, summed};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Line {
    order: u32,
    number: u32,
}

#[derive(Debug, thiserror::Error)]
#[error("line {0} is bad")]
struct Bad(u32);

thread_local! {
    static CHUNKS: RefCell<Vec<Vec<u32>>> = const { RefCell::new(Vec::new()) };
    static FAILS_AT: Cell<u32> = const { Cell::new(0) };
}

/// Orders of one line, two lines, and so on; 28 lines in all.
const ORDERS: u32 = 7;

fn lines() -> impl Iterator<Item = Line> {
    (1..=ORDERS).flat_map(|order| (0..order).map(move |line| Line { order, number: order * 10 + line }))
}

/// The third line of order 4 cannot be read, and no line of order 2 can.
#[reader]
fn broken_lines() -> impl Iterator<Item = Result<Line, Bad>> {
    lines().map(|line| if line.order == 2 || line.number == 42 { Err(Bad(line.number)) } else { Ok(line) })
}

#[reader]
fn order_lines() -> impl Iterator<Item = Line> {
    lines()
}

#[chunk_while]
fn same_order(last: &Line, next: &Line) -> bool {
    last.order == next.order
}

#[chunk_while]
fn up_to(next: &Line, #[state] total: &mut u32, most: u32) -> bool {
    *total += next.order;
    *total <= most
}

#[processor]
fn number(line: &Line) -> Result<u32, Bad> {
    if line.number == 63 { Err(Bad(63)) } else { Ok(line.number) }
}

#[processor(concurrency = 3)]
fn number_beside(line: Line) -> u32 {
    line.number
}

#[writer]
fn save(numbers: &[u32], tx: &Transaction<'_>) -> Result<(), Box<dyn std::error::Error>> {
    tx.execute_batch("CREATE TABLE IF NOT EXISTS saved (number INTEGER)")?;
    for number in numbers {
        tx.execute("INSERT INTO saved VALUES (?1)", [number])?;
    }
    if numbers.contains(&FAILS_AT.get()) {
        return Err("not now".into());
    }
    CHUNKS.with_borrow_mut(|chunks| chunks.push(numbers.to_vec()));
    Ok(())
}

fn chunks() -> Vec<Vec<u32>> {
    CHUNKS.take()
}

fn sizes() -> Vec<usize> {
    chunks().iter().map(Vec::len).collect()
}

#[step(chunk = 1, chunk_while = same_order)]
fn by_order() {
    order_lines | number_of_all | save
}

#[processor]
fn number_of_all(line: Line) -> u32 {
    line.number
}

#[step(chunk = 4, chunk_while = same_order)]
fn by_orders() {
    order_lines | number_of_all | save
}

#[step(chunk = 1, chunk_while = up_to)]
fn by_total() {
    order_lines | number_of_all | save
}

#[step(chunk = 1, chunk_while = same_order, skip(Bad))]
fn with_skips() {
    broken_lines | number | save
}

#[step(chunk = 4, chunk_while = same_order, threads = 3)]
fn by_threads() {
    order_lines | number_of_all | save
}

#[step(chunk = 4, chunk_while = same_order)]
fn in_flight_together() {
    order_lines | number_beside | save
}

#[step(chunk = 2, chunk_while = same_order, chunk_at_most = 5)]
fn bounded() {
    order_lines | number_of_all | save
}

#[job]
fn by_order_job() {
    by_order;
}

#[job]
fn by_orders_job() {
    by_orders;
}

#[job]
fn by_total_job(#[param(identifying = false)] most: u32) {
    by_total;
}

#[job]
fn with_skips_job() {
    with_skips;
}

#[job]
fn by_threads_job() {
    by_threads;
}

#[job]
fn in_flight_together_job() {
    in_flight_together;
}

#[job]
fn bounded_job() {
    bounded;
}

#[test]
fn with_a_chunk_of_one_each_group_is_a_chunk() {
    let world = World::new();
    let counters = step(&world.completes(&by_order_job()), "by_order").counters;
    assert_eq!(sizes(), [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!((counters.read, counters.write, counters.commit), (28, 28, 7));
}

#[test]
fn a_larger_chunk_ends_with_the_group_in_which_it_is_full() {
    let world = World::new();
    world.completes(&by_orders_job());
    assert_eq!(sizes(), [6, 4, 5, 6, 7]);
}

#[test]
fn a_state_adds_up_what_is_in_a_chunk_and_begins_again_with_the_next() {
    let world = World::new();
    world.completes(&by_total_job(12));
    // 1 + 2 + 2 + 3 + 3 is 11, and the next 3 would make it 14; 3 + 4 + 4 is 11; the other chunks have two
    // items or one.
    assert_eq!(sizes(), [5, 3, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1]);
}

#[test]
fn an_item_that_is_too_large_is_a_chunk_of_its_own() {
    let world = World::new();
    world.completes(&by_total_job(3));
    assert_eq!(sizes()[..3], [2, 1, 1]);
}

#[test]
fn a_restart_after_any_chunk_makes_the_same_chunks_and_loses_nothing() {
    for order in 1..=ORDERS {
        let world = World::new();
        FAILS_AT.set(order * 10);
        world.fails(&by_order_job());
        FAILS_AT.set(0);
        let report = world.completes(&by_order_job());
        assert_eq!(sizes(), [1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(summed(step(&report, "by_order")).read, 28);
        let all: Vec<i64> = lines().map(|line| i64::from(line.number)).collect();
        assert_eq!(world.numbers("SELECT number FROM saved ORDER BY rowid"), all);
    }
}

#[test]
fn skips_within_a_group_or_between_groups_leave_them_whole() {
    for fails_at in [0, 10, 30, 40, 50, 60, 70] {
        let world = World::new();
        if fails_at > 0 {
            FAILS_AT.set(fails_at);
            world.fails(&with_skips_job());
            FAILS_AT.set(0);
        }
        let report = world.completes(&with_skips_job());
        assert_eq!(sizes(), [1, 3, 3, 5, 5, 7], "{fails_at}");
        let all = summed(step(&report, "with_skips"));
        assert_eq!((all.read, all.read_skip, all.process_skip, all.write), (25, 3, 1, 24), "{fails_at}");
        assert_eq!(world.numbers("SELECT count(*) FROM BATCH_SKIPPED_ITEM"), [4]);
    }
}

#[test]
fn threads_and_several_calls_at_once_make_the_same_chunks() {
    let world = World::new();
    world.completes(&by_threads_job());
    assert_eq!(sizes(), [6, 4, 5, 6, 7]);
    world.completes(&in_flight_together_job());
    assert_eq!(sizes(), [6, 4, 5, 6, 7]);
}

#[test]
fn a_group_above_the_limit_fails_the_step_and_says_what_to_do() {
    let world = World::new();
    let report = world.fails(&bounded_job());
    assert_eq!(sizes(), [3, 3, 4, 5]);
    let text = &step(&report, "bounded").exit.description;
    assert!(text.contains("more than 5 items") && text.contains("`chunk_at_most`"), "{text}");
}

#[partitioner]
fn halves() -> Vec<(String, bool)> {
    vec![("small".to_owned(), false), ("large".to_owned(), true)]
}

#[reader]
fn half(of: Partition<bool>) -> impl Iterator<Item = Line> {
    lines().filter(move |line| (line.order > 4) == *of)
}

static WRITTEN: Mutex<Vec<usize>> = Mutex::new(Vec::new());

#[writer]
fn count(numbers: &[u32]) {
    WRITTEN.lock().unwrap().push(numbers.len());
}

#[step(chunk = 1, chunk_while = same_order, partitioner = halves)]
fn by_partitions() {
    half | number_of_all | count
}

#[job]
fn by_partitions_job() {
    by_partitions;
}

#[test]
fn partitions_keep_their_groups_whole() {
    World::new().completes(&by_partitions_job());
    let mut written = WRITTEN.lock().unwrap().clone();
    written.sort_unstable();
    assert_eq!(written, [1, 2, 3, 4, 5, 6, 7]);
}
