//! A failed item is shown to listeners, can be written by them, and is stored with the record of its skip.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU32, Ordering};

use batch_runtime::prelude::*;

use super::script::{ALWAYS, Place, Trouble, fails, insert, skipped, trip};
use crate::support::{World, step};

thread_local! {
    static HEARD: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

fn hear(what: String) {
    HEARD.with_borrow_mut(|heard| heard.push(what));
}

fn heard() -> Vec<String> {
    HEARD.take()
}

#[derive(Debug, Clone, Serialize)]
struct Order {
    id: i64,
    lines: Vec<String>,
}

impl Order {
    fn of(id: i64) -> Self {
        Self { id, lines: vec![format!("line of {id}")] }
    }
}

#[reader]
fn orders() -> impl Iterator<Item = Order> {
    (1..=20).map(Order::of)
}

#[processor]
fn take_order(order: Order) -> Result<i64, Trouble> {
    trip(Place::Process, order.id).map(|()| order.id)
}

#[processor]
fn look_at_order(order: &Order) -> Result<i64, Trouble> {
    trip(Place::Process, order.id).map(|()| order.id)
}

#[processor]
fn number(order: Order) -> i64 {
    order.id
}

#[processor]
fn check(number: i64) -> Result<i64, Trouble> {
    trip(Place::Process, number).map(|()| number)
}

#[processor(bulk)]
fn at_once(orders: &[Order]) -> Vec<Result<i64, Trouble>> {
    orders.iter().map(|order| trip(Place::Process, order.id).map(|()| order.id)).collect()
}

#[processor(bulk)]
fn numbers_at_once(numbers: &[i64]) -> Vec<Result<i64, Trouble>> {
    numbers.iter().map(|number| trip(Place::Process, *number).map(|()| *number)).collect()
}

#[processor(concurrency = 3)]
fn by_several(order: &Order) -> Result<i64, SharedTrouble> {
    if [3, 9, 10].contains(&order.id) { Err(SharedTrouble(order.id)) } else { Ok(order.id) }
}

#[expect(clippy::unused_async, reason = "a call that is over at once is a call")]
#[processor(concurrency = 3)]
async fn looked_up(order: &Order) -> Result<i64, Trouble> {
    trip(Place::Process, order.id).map(|()| order.id)
}

#[writer]
fn save(numbers: &[i64], tx: &Transaction<'_>) -> Result<(), Trouble> {
    insert("saved", numbers, tx)?;
    numbers.iter().try_for_each(|number| trip(Place::Write, *number))
}

#[listener(on_process_error)]
fn failed(order: &Order, error: &Trouble) {
    hear(format!("failed {} {error}", order.lines[0]));
}

#[listener(on_skip_in_process)]
fn left_out(order: &Order, error: &Failure) {
    hear(format!("left out {} {}", order.id, error.record().unwrap_or("nothing")));
}

#[listener(on_skip_in_process)]
fn maybe(order: Option<&Order>, _error: &Failure) {
    hear(format!("{:?}", order.map(|order| order.id)));
}

fn stored(world: &World) -> Vec<Option<String>> {
    skipped(world).into_iter().map(|skipped| skipped.item).collect()
}

fn json(id: i64) -> Option<String> {
    Some(serde_json::to_string(&Order::of(id)).unwrap())
}

#[step(chunk = 5, skip(Trouble::Bad(..)))]
fn referenced() {
    orders | look_at_order | save
}

#[step(chunk = 5, skip(Trouble::Bad(..)))]
fn given() {
    orders | take_order | save
}

#[step(chunk = 5, skip(Trouble::Bad(..)), keep_items)]
fn given_and_kept() {
    orders | take_order | save
}

#[step(chunk = 5, skip(Trouble::Bad(..)), retry(Trouble::Busy(..), limit = 1))]
fn given_and_repeated() {
    orders | take_order | save
}

#[step(chunk = 5, skip(Trouble::Bad(..)))]
fn all_at_once() {
    orders | at_once | save
}

#[step(chunk = 5, skip(Trouble::Bad(..)))]
fn in_a_window() {
    orders | looked_up | save
}

#[step(chunk = 5, skip(Trouble::Bad(..)), keep_items)]
fn after_another() {
    orders | number | check | save
}

#[step(chunk = 5, skip(Trouble::Bad(..)), keep_items)]
fn at_once_after_another() {
    orders | number | numbers_at_once | save
}

#[step(chunk = 5, skip(SharedTrouble))]
fn in_a_pool() {
    orders | by_several | save
}

#[job]
fn in_a_pool_job() {
    in_a_pool;
}

#[job]
fn referenced_job() {
    referenced;
}

#[job]
fn given_job() {
    given;
}

#[job]
fn given_and_kept_job() {
    given_and_kept;
}

#[job]
fn given_and_repeated_job() {
    given_and_repeated;
}

#[job]
fn all_at_once_job() {
    all_at_once;
}

#[job]
fn in_a_window_job() {
    in_a_window;
}

#[job]
fn after_another_job() {
    after_another;
}

#[job]
fn at_once_after_another_job() {
    at_once_after_another;
}

#[test]
fn the_item_that_was_read_is_stored_whenever_it_is_available() {
    fails(Place::Process, Trouble::Bad, [3, 9, 10], ALWAYS);
    let found = [3, 9, 10].map(json).to_vec();
    for (launch, stores) in [
        (referenced_job(), true),
        (given_job(), false),
        (given_and_kept_job(), true),
        (given_and_repeated_job(), true),
        (all_at_once_job(), true),
        (in_a_window_job(), true),
        (in_a_pool_job(), true),
        (after_another_job(), true),
        (at_once_after_another_job(), true),
    ] {
        let world = World::new();
        let name = launch.job.name;
        let report = world.completes(&launch);
        assert_eq!(report.steps[0].counters.process_skip, 3, "{name}");
        assert_eq!(stored(&world), if stores { found.clone() } else { vec![None; 3] }, "{name}");
        assert_eq!(world.numbers("SELECT number FROM saved").len(), 17, "{name}");
    }
}

#[step(chunk = 5, skip(Trouble::Bad(..)), retry(Trouble::Busy(..), limit = 2), listeners(failed, left_out))]
fn shown() {
    orders | take_order | save
}

#[job]
fn shown_job() {
    shown;
}

#[step(chunk = 5, threads = 2, skip(SharedTrouble), retry(SharedTrouble, limit = 1), listeners(of_threads))]
fn shown_by_threads() {
    orders | fails_on_threads | save
}

#[derive(Debug, thiserror::Error)]
#[error("{0} is bad")]
struct SharedTrouble(i64);

#[processor]
fn fails_on_threads(order: &Order) -> Result<i64, SharedTrouble> {
    if order.id % 7 == 0 { Err(SharedTrouble(order.id)) } else { Ok(order.id) }
}

#[listener(on_process_error)]
fn of_threads(order: &Order, error: &SharedTrouble) {
    hear(format!("{} {error}", order.id));
}

#[job]
fn shown_by_threads_job() {
    shown_by_threads;
}

#[test]
fn listeners_are_shown_the_item_of_each_failed_attempt() {
    let world = World::new();
    fails(Place::Process, Trouble::Bad, [3], ALWAYS);
    fails(Place::Process, Trouble::Busy, [2], 2);
    world.completes(&shown_job());
    let order = json(3).unwrap();
    assert_eq!(
        heard(),
        [
            "failed line of 3 3 is bad",
            "failed line of 2 2 is busy",
            "failed line of 2 2 is busy",
            &format!("left out 3 {order}")
        ]
    );
}

#[test]
fn threads_show_the_item_as_well() {
    let world = World::new();
    world.completes(&shown_by_threads_job());
    assert_eq!(heard(), ["7 7 is bad", "7 7 is bad", "14 14 is bad", "14 14 is bad"]);
    assert_eq!(stored(&world), [json(7), json(14)]);
}

#[expect(clippy::unused_async, reason = "a call that is over at once is a call")]
#[processor(concurrency = 3)]
async fn looked_up_by_value(order: Order) -> Result<i64, Trouble> {
    look_up(order.id)
}

#[expect(clippy::unused_async, reason = "a call that is over at once is a call")]
#[processor(concurrency = 3)]
async fn looked_up_after_another(number: i64) -> Result<i64, Trouble> {
    look_up(number)
}

fn look_up(id: i64) -> Result<i64, Trouble> {
    trip(Place::Process, id).map(|()| id)
}

#[step(chunk = 5, skip(Trouble::Bad(..)), retry(Trouble::Busy(..), limit = 2), listeners(failed))]
fn shown_by_a_window() {
    orders | looked_up | save
}

#[step(chunk = 5, skip(Trouble::Bad(..)), retry(Trouble::Busy(..), limit = 2), listeners(failed))]
fn shown_by_a_window_by_value() {
    orders | looked_up_by_value | save
}

#[step(chunk = 5, skip(Trouble::Bad(..)), retry(Trouble::Busy(..), limit = 2), listeners(failed))]
fn shown_by_a_later_window() {
    orders | number | looked_up_after_another | save
}

#[job]
fn shown_by_a_window_job() {
    shown_by_a_window;
}

#[job]
fn shown_by_a_window_by_value_job() {
    shown_by_a_window_by_value;
}

#[job]
fn shown_by_a_later_window_job() {
    shown_by_a_later_window;
}

#[expect(clippy::unused_async, reason = "a call that is over at once is a call")]
#[processor(concurrency = 3)]
async fn looked_at(order: &Order) -> Result<i64, Trouble> {
    Ok(order.id)
}

#[step(chunk = 5, skip(Trouble::Bad(..)), retry(Trouble::Busy(..), limit = 2), listeners(failed))]
fn shown_after_a_window() {
    orders | looked_at | check | save
}

#[job]
fn shown_after_a_window_job() {
    shown_after_a_window;
}

#[test]
fn a_processor_after_calls_in_flight_shows_the_item_too_and_listeners_hear_the_records_in_order() {
    let world = World::new();
    fails(Place::Process, Trouble::Bad, [1, 3], ALWAYS);
    fails(Place::Process, Trouble::Busy, [2, 4], 1);
    world.completes(&shown_after_a_window_job());
    let expected = ["1 1 is bad", "2 2 is busy", "3 3 is bad", "4 4 is busy"];
    assert_eq!(heard(), expected.map(|of| format!("failed line of {of}")));
}

#[test]
fn calls_in_flight_show_the_item_of_each_failed_attempt() {
    for launch in [shown_by_a_window_job(), shown_by_a_window_by_value_job(), shown_by_a_later_window_job()] {
        let world = World::new();
        fails(Place::Process, Trouble::Busy, [2, 9], 1);
        fails(Place::Process, Trouble::Bad, [4], ALWAYS);
        world.completes(&launch);
        assert_eq!(
            heard(),
            ["failed line of 2 2 is busy", "failed line of 4 4 is bad", "failed line of 9 9 is busy"]
        );
        assert_eq!(stored(&world), [json(4)]);
    }
}

#[processor(concurrency = 3)]
fn pooled(order: &Order) -> Result<i64, SharedTrouble> {
    fail_twice(order.id)
}

#[processor(concurrency = 3)]
fn pooled_by_value(order: Order) -> Result<i64, SharedTrouble> {
    fail_twice(order.id)
}

/// Order 3 fails twice, and order 8 always.
fn fail_twice(id: i64) -> Result<i64, SharedTrouble> {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    let fails = id == 8 || (id == 3 && CALLS.fetch_add(1, Ordering::Relaxed) % 3 != 2);
    if fails { Err(SharedTrouble(id)) } else { Ok(id) }
}

#[step(chunk = 5, skip(SharedTrouble), retry(SharedTrouble, limit = 2), listeners(of_threads))]
fn shown_by_a_pool() {
    orders | pooled | save
}

#[step(chunk = 5, skip(SharedTrouble), retry(SharedTrouble, limit = 2), listeners(of_threads))]
fn shown_by_a_pool_by_value() {
    orders | pooled_by_value | save
}

#[job]
fn shown_by_a_pool_job() {
    shown_by_a_pool;
    shown_by_a_pool_by_value;
}

#[test]
fn a_pool_shows_the_item_of_each_failed_attempt() {
    let world = World::new();
    world.completes(&shown_by_a_pool_job());
    let of_a_step = ["3 3 is bad", "3 3 is bad", "8 8 is bad", "8 8 is bad", "8 8 is bad"];
    assert_eq!(heard(), [of_a_step, of_a_step].concat());
}

#[step(chunk = 5, skip(Trouble), listeners(maybe))]
fn perhaps() {
    orders | take_order | save
}

#[job]
fn perhaps_job() {
    perhaps;
}

#[test]
fn a_listener_that_takes_an_optional_item_sees_it_if_it_is_available() {
    let world = World::new();
    fails(Place::Process, Trouble::Bad, [3], ALWAYS);
    world.completes(&perhaps_job());
    assert_eq!(heard(), ["None"]);
}

// Listeners that write

#[reader]
fn sales(input: PathBuf) -> Result<CsvReader<i64>, ReadError> {
    CsvReader::options().without_header().open(input)
}

fn reject(phase: &str, error: &Failure, tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute_batch("CREATE TABLE IF NOT EXISTS rejected (phase TEXT, place TEXT, record TEXT)")?;
    tx.execute("INSERT INTO rejected VALUES (?1, ?2, ?3)", (phase, error.location(), error.record()))
        .map(drop)
}

#[listener(on_skip_in_read)]
fn reject_record(error: &Failure, tx: &Transaction<'_>) -> rusqlite::Result<()> {
    reject("read", error, tx)
}

#[listener(on_skip_in_process)]
fn reject_item(number: &i64, error: &Failure, tx: &Transaction<'_>) -> Result<(), Trouble> {
    trip(Place::Read, *number)?;
    Ok(reject("process", error, tx)?)
}

/// Accepts items of any type.
#[listener(on_skip_in_write)]
fn reject_output(error: &Failure, tx: &Transaction<'_>) -> rusqlite::Result<()> {
    reject("write", error, tx)
}

#[step(
    chunk = 4,
    skip(ReadError),
    skip(Trouble::Bad(..)),
    listeners(reject_record, reject_item, reject_output)
)]
fn rejecting() {
    sales | check | save
}

#[job]
fn rejecting_job(input: PathBuf) {
    rejecting;
}

fn rejects(world: &World) -> Vec<String> {
    world.texts("SELECT phase || ' ' || substr(place, -6) || ' ' || record FROM rejected ORDER BY rowid")
}

fn rejecting_world() -> (World, batch_runtime::Launch) {
    let world = World::new();
    std::fs::write(world.path("in.csv"), "1\ntwo\n3\n4\n5\n6\n").unwrap();
    fails(Place::Process, Trouble::Bad, [3], ALWAYS);
    fails(Place::Write, Trouble::Bad, [5, 6], ALWAYS);
    let launch = rejecting_job(world.path("in.csv"));
    (world, launch)
}

#[test]
fn a_listener_of_skips_writes_them_in_the_transaction_that_skips_them() {
    let (world, launch) = rejecting_world();
    let report = world.completes(&launch);
    let counters = step(&report, "rejecting").counters;
    assert_eq!((counters.read_skip, counters.process_skip, counters.write_skip), (1, 1, 2));
    assert_eq!(rejects(&world), ["read line 2 two", "process line 3 3", "write line 5 5", "write line 6 6"]);
    let places: Vec<_> = skipped(&world).into_iter().filter_map(|skipped| skipped.location).collect();
    assert_eq!(places.len(), 4, "each of them has a place");
}

#[test]
fn a_listener_that_cannot_write_a_skip_fails_the_chunk_and_nothing_is_skipped() {
    let (world, launch) = rejecting_world();
    fails(Place::Read, Trouble::Fatal, [3], 1);
    let report = world.fails(&launch);
    let text = &step(&report, "rejecting").exit.description;
    assert!(text.contains("`reject_item`") && text.contains("3 is fatal"), "{text}");
    assert!(skipped(&world).is_empty());
    world.completes(&launch);
    assert_eq!(rejects(&world).len(), 4);
}

// Places

#[derive(Debug, thiserror::Error)]
#[error("no room")]
struct NoRoom;

#[writer]
fn refuses(numbers: &[i64], ill: i64) -> Result<(), NoRoom> {
    assert!(!numbers.contains(&-ill), "the writer is ill");
    if numbers.contains(&ill) { Err(NoRoom) } else { Ok(()) }
}

#[processor]
fn same(number: i64) -> i64 {
    number
}

#[processor]
fn falls(number: i64, ill: i64) -> i64 {
    assert!(number != ill - 100, "the processor is ill");
    number
}

#[step(chunk = 3)]
fn placed() {
    sales | same | falls | refuses
}

#[step(chunk = 3, threads = 2)]
fn placed_by_threads() {
    sales | same | falls | refuses
}

#[job]
fn placed_job(input: PathBuf, ill: i64) {
    placed;
}

#[job]
fn placed_by_threads_job(input: PathBuf, ill: i64) {
    placed_by_threads;
}

#[test]
fn a_failed_write_names_the_records_of_its_chunk_and_a_panic_names_component_and_record() {
    type Job = fn(PathBuf, i64) -> batch_runtime::Launch;
    for job in [placed_job as Job, placed_by_threads_job] {
        for (ill, component, place) in [
            (2, "writing in `refuses`: the 3 records up to ", "line 3: no room"),
            (5, "writing in `refuses`: the 3 records up to ", "line 6: no room"),
            (7, "writing in `refuses`: ", "in.csv, line 7: no room"),
            (-5, "writing in `refuses`: the 3 records up to ", "line 6: panicked at"),
            (105, "processing in `falls`: ", "in.csv, line 5: panicked at"),
        ] {
            let world = World::new();
            std::fs::write(world.path("in.csv"), "1\n2\n3\n4\n5\n6\n7\n").unwrap();
            let report = world.fails(&job(world.path("in.csv"), ill));
            let text = &report.steps[0].exit.description;
            assert!(text.starts_with(component) && text.contains(place), "{text}");
        }
    }
}
