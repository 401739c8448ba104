//! Rules decide which calls are retried, how often, and after which waits.

use batch_runtime::prelude::*;
use batch_runtime::repository::Counters;

use super::script::*;
use crate::support::{World, step, summed};

#[step(chunk = 4, retry(Trouble::Busy(..), limit = 3, backoff = fixed("250ms")))]
fn fixed() {
    numbers | take | save
}

#[job]
fn fixed_job() {
    fixed;
}

#[test]
fn a_call_that_succeeds_in_the_end_leaves_no_trace_but_the_waits() {
    let world = World::new();
    fails(Place::Process, Trouble::Busy, [3], 2);
    let (waits, options) = Waits::default().options();
    let counters = step(&world.run_with(&fixed_job(), &options), "fixed").counters;
    assert_eq!(counters, Counters { read: 20, write: 20, commit: 5, ..Counters::default() });
    assert_eq!(calls(Place::Process).len(), 22);
    assert_eq!(waits.milliseconds(), [250, 250]);
}

#[test]
fn the_limit_is_the_number_of_attempts_after_the_first() {
    let world = World::new();
    fails(Place::Process, Trouble::Busy, [3], 3);
    let (_, options) = Waits::default().options();
    assert_eq!(step(&world.run_with(&fixed_job(), &options), "fixed").counters.write, 20);

    let world = World::new();
    fails(Place::Process, Trouble::Busy, [3], ALWAYS);
    let (waits, options) = Waits::default().options();
    let report = world.run_with(&fixed_job(), &options);
    let text = &step(&report, "fixed").exit.description;
    assert!(text.contains("number 3: 3 is busy") && text.contains("tried 4 times"), "{text}");
    assert_eq!(waits.milliseconds(), [250; 3]);
}

#[test]
fn a_chunk_is_written_again_as_a_whole_and_each_row_once() {
    let world = World::new();
    fails(Place::Write, Trouble::Busy, [6], 2);
    let (waits, options) = Waits::default().options();
    let counters = step(&world.run_with(&fixed_job(), &options), "fixed").counters;
    assert_eq!(world.numbers("SELECT number FROM saved"), without(20, &[]));
    assert_eq!(counters, Counters { read: 20, write: 20, commit: 5, rollback: 2, ..Counters::default() });
    assert_eq!(calls(Place::Write), [4, 4, 4, 4, 4, 4, 4]);
    assert_eq!(calls(Place::Process).len(), 20, "no item is processed again");
    assert_eq!(waits.milliseconds(), [250, 250]);
}

#[test]
fn a_write_that_never_succeeds_fails_the_step_and_says_how_often_it_was_tried() {
    let world = World::new();
    fails(Place::Write, Trouble::Busy, [6], ALWAYS);
    let (_, options) = Waits::default().options();
    let report = world.run_with(&fixed_job(), &options);
    let failed = step(&report, "fixed");
    assert!(failed.exit.description.contains("6 is busy; tried 4 times"), "{}", failed.exit.description);
    assert_eq!(world.numbers("SELECT number FROM saved"), [1, 2, 3, 4]);
    heal();
    let report = world.completes(&fixed_job());
    assert_eq!(world.numbers("SELECT number FROM saved"), without(20, &[]));
    assert_eq!(summed(step(&report, "fixed")).read, 20);
}

#[step(chunk = 4, retry(Trouble::Busy(..), limit = 6, backoff = exponential("100ms", max = "1s")))]
fn exponential() {
    numbers | look | save
}

#[job]
fn exponential_job() {
    exponential;
}

#[test]
fn waits_double_up_to_the_longest() {
    let world = World::new();
    fails(Place::Process, Trouble::Busy, [3], 6);
    let (waits, options) = Waits::default().options();
    world.run_with(&exponential_job(), &options);
    assert_eq!(waits.milliseconds(), [100, 200, 400, 800, 1000, 1000]);
}

#[test]
fn waits_start_over_with_each_item() {
    let world = World::new();
    fails(Place::Process, Trouble::Busy, [3, 4], 2);
    let (waits, options) = Waits::default().options();
    world.run_with(&exponential_job(), &options);
    assert_eq!(waits.milliseconds(), [100, 200, 100, 200]);
}

#[step(chunk = 4, retry(Trouble::Busy(..), limit = 3, backoff = exponential("100ms", jitter)))]
fn jittered() {
    numbers | look | save
}

#[job]
fn jittered_job() {
    jittered;
}

#[test]
fn with_jitter_a_random_part_of_each_wait_is_waited() {
    let world = World::new();
    fails(Place::Write, Trouble::Busy, [3], 3);
    let (waits, options) = Waits { random: 0.25, ..Waits::default() }.options();
    world.run_with(&jittered_job(), &options);
    assert_eq!(waits.milliseconds(), [25, 50, 100]);
}

#[step(chunk = 4, skip(Trouble::Busy(..)), retry(Trouble::Busy(..), limit = 2))]
fn then_skipped() {
    numbers | take | save
}

#[job]
fn then_skipped_job() {
    then_skipped;
}

#[test]
fn an_item_that_still_fails_is_skipped_and_its_record_says_how_often_it_was_tried() {
    let world = World::new();
    fails(Place::Process, Trouble::Busy, [3], ALWAYS);
    let (_, options) = Waits::default().options();
    let counters = step(&world.run_with(&then_skipped_job(), &options), "then_skipped").counters;
    assert_eq!(calls(Place::Process).len(), 22);
    assert_eq!((counters.process_skip, counters.write), (1, 19));
    assert_eq!(errors(&world), ["PROCESS processing in `take`: number 3: 3 is busy; tried 3 times"]);
}

#[test]
fn an_item_that_still_cannot_be_written_is_searched_for_and_skipped() {
    let world = World::new();
    fails(Place::Write, Trouble::Busy, [3], ALWAYS);
    let (_, options) = Waits::default().options();
    let counters = step(&world.run_with(&then_skipped_job(), &options), "then_skipped").counters;
    assert_eq!(world.numbers("SELECT number FROM saved"), without(20, &[3]));
    assert_eq!((counters.write_skip, counters.write, counters.commit), (1, 19, 5));
    // Three times as a whole, then 1 and 2 together, 3 and 4 together, and each of these alone.
    assert_eq!(calls(Place::Write)[..7], [4, 4, 4, 2, 2, 1, 1]);
}

#[step(chunk = 8, skip(Trouble::Bad(..)), retry(Trouble::Busy(..), limit = 2, backoff = fixed("1s")))]
fn mixed() {
    numbers | take | save
}

#[job]
fn mixed_job() {
    mixed;
}

#[test]
fn a_transient_failure_during_the_search_for_a_bad_item_is_waited_out() {
    let world = World::new();
    fails(Place::Write, Trouble::Bad, [2], ALWAYS);
    fails(Place::Write, Trouble::Busy, [7], 2);
    let (waits, options) = Waits::default().options();
    let report = world.run_with(&mixed_job(), &options);
    let counters = step(&report, "mixed").counters;
    assert_eq!(world.numbers("SELECT number FROM saved"), without(20, &[2]), "{}", report.exit.description);
    assert_eq!((counters.write_skip, counters.write, counters.commit), (1, 19, 3));
    assert_eq!(waits.milliseconds(), [1000, 1000]);
}

#[retry_policy]
fn twice(error: &Trouble, repeated: u64) -> bool {
    repeated < 2 && matches!(error, Trouble::Busy(_))
}

#[step(chunk = 4, retry(policy = twice, limit = 9))]
fn by_policy() {
    numbers | take | save
}

#[job]
fn by_policy_job() {
    by_policy;
}

#[test]
fn a_policy_is_told_how_often_the_call_was_retried() {
    let world = World::new();
    fails(Place::Process, Trouble::Busy, [3], ALWAYS);
    let (waits, options) = Waits::default().options();
    let report = world.run_with(&by_policy_job(), &options);
    assert!(step(&report, "by_policy").exit.description.contains("tried 3 times"));
    assert_eq!(waits.milliseconds(), [0, 0]);
}

#[processor(bulk)]
fn at_once(numbers: &[i64]) -> Result<Vec<i64>, Trouble> {
    called(Place::Process, numbers.len());
    numbers.iter().try_for_each(|number| trip(Place::Process, *number))?;
    Ok(numbers.to_vec())
}

#[step(chunk = 10, skip(Trouble), retry(Trouble::Busy(..), limit = 3))]
fn bulk() {
    numbers | at_once | save
}

#[job]
fn bulk_job() {
    bulk;
}

#[test]
fn a_bulk_processor_is_called_again_with_the_same_items() {
    let world = World::new();
    fails(Place::Process, Trouble::Busy, [14], 3);
    let (_, options) = Waits::default().options();
    let counters = step(&world.run_with(&bulk_job(), &options), "bulk").counters;
    assert_eq!(calls(Place::Process), [10; 5]);
    assert_eq!((counters.read, counters.write, counters.commit), (20, 20, 2));
}

#[test]
fn a_bulk_processor_that_fails_as_a_whole_is_not_skipped() {
    let world = World::new();
    fails(Place::Process, Trouble::Busy, [14], ALWAYS);
    let (_, options) = Waits::default().options();
    let report = world.run_with(&bulk_job(), &options);
    let failed = step(&report, "bulk");
    assert!(failed.exit.description.contains("14 is busy; tried 4 times"), "{}", failed.exit.description);
    assert_eq!((failed.counters.write, failed.counters.skips()), (10, 0));
}
