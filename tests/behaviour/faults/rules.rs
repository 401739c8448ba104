//! If several rules apply to an error, the narrowest decides; none applies to a panic.

use std::error::Error;
use std::fmt;

use batch_runtime::prelude::*;

use super::script::*;
use crate::support::{World, step};

#[step(chunk = 4, skip(Trouble), no_skip(Trouble::Fatal(..)))]
fn but_fatal() {
    numbers | take | save
}

#[job]
fn but_fatal_job() {
    but_fatal;
}

#[test]
fn a_variant_decides_before_its_type() {
    let world = World::new();
    fails(Place::Process, Trouble::Bad, [1], ALWAYS);
    fails(Place::Process, Trouble::Busy, [2], ALWAYS);
    fails(Place::Process, Trouble::Fatal, [9], ALWAYS);
    let report = world.fails(&but_fatal_job());
    assert!(step(&report, "but_fatal").exit.description.contains("9 is fatal"));
    assert_eq!(errors(&world).len(), 2);
}

#[step(chunk = 4, no_skip(Trouble), skip(Trouble::Bad(1..=9)))]
fn only_small() {
    numbers | take | save
}

#[job]
fn only_small_job() {
    only_small;
}

#[test]
fn a_pattern_within_a_variant_is_looked_at() {
    let world = World::new();
    fails(Place::Process, Trouble::Bad, [3, 13], ALWAYS);
    let report = world.fails(&only_small_job());
    assert!(step(&report, "only_small").exit.description.contains("13 is bad"));
    assert_eq!(errors(&world).len(), 1);
}

/// Wraps the trouble, as an application wraps the errors of its layers.
#[derive(Debug)]
struct Wrapped {
    number: i64,
    source: Trouble,
}

impl fmt::Display for Wrapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "number {} went wrong", self.number)
    }
}

impl Error for Wrapped {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}

#[processor]
fn wrapping(number: i64) -> Result<i64, Wrapped> {
    trip(Place::Process, number).map(|()| number).map_err(|source| Wrapped { number, source })
}

#[step(chunk = 4, skip(Trouble::Bad(..)))]
fn wrapped() {
    numbers | wrapping | save
}

#[job]
fn wrapped_job() {
    wrapped;
}

#[test]
fn the_source_of_an_error_is_found() {
    let world = World::new();
    fails(Place::Process, Trouble::Bad, [2], ALWAYS);
    world.completes(&wrapped_job());
    assert_eq!(errors(&world), ["PROCESS processing in `wrapping`: number 2: number 2 went wrong: 2 is bad"]);
}

#[step(chunk = 4, no_skip(Wrapped), skip(Trouble))]
fn outermost() {
    numbers | wrapping | save
}

#[job]
fn outermost_job() {
    outermost;
}

#[test]
fn among_equally_narrow_rules_the_one_for_the_outermost_error_decides() {
    let world = World::new();
    fails(Place::Process, Trouble::Bad, [2], ALWAYS);
    world.fails(&outermost_job());
}

#[processor]
fn in_context(number: i64) -> anyhow::Result<i64> {
    use anyhow::Context as _;
    trip(Place::Process, number).with_context(|| format!("while looking at {number}"))?;
    Ok(number)
}

#[writer]
fn boxed(numbers: &[i64], tx: &Transaction<'_>) -> Result<(), Box<dyn Error>> {
    insert("saved", numbers, tx)?;
    for number in numbers {
        trip(Place::Write, *number)?;
    }
    Ok(())
}

#[step(chunk = 4, skip(Trouble::Bad(..)))]
fn carried() {
    numbers | in_context | boxed
}

#[job]
fn carried_job() {
    carried;
}

#[test]
fn an_error_carried_by_anyhow_or_a_box_is_found() {
    let world = World::new();
    fails(Place::Process, Trouble::Bad, [2], ALWAYS);
    fails(Place::Write, Trouble::Bad, [7], ALWAYS);
    world.completes(&carried_job());
    assert_eq!(world.numbers("SELECT number FROM saved"), without(20, &[2, 7]));
    fails(Place::Process, Trouble::Fatal, [1], ALWAYS);
    World::new().fails(&carried_job());
}

#[skip_policy]
fn at_first(error: &Trouble, skipped: u64) -> bool {
    skipped < 2 && matches!(error, Trouble::Bad(_))
}

#[step(chunk = 4, skip(policy = at_first))]
fn by_policy() {
    numbers | take | save
}

#[job]
fn by_policy_job() {
    by_policy;
}

#[test]
fn a_policy_is_told_how_many_items_were_skipped() {
    let world = World::new();
    fails(Place::Process, Trouble::Bad, [2, 7, 12], ALWAYS);
    let report = world.fails(&by_policy_job());
    assert!(step(&report, "by_policy").exit.description.contains("12 is bad"));
    assert_eq!(errors(&world).len(), 2);
}

#[step(chunk = 4, skip(policy = at_first), no_skip(Trouble::Bad(2)))]
fn policy_and_variant() {
    numbers | take | save
}

#[job]
fn policy_and_variant_job() {
    policy_and_variant;
}

#[test]
fn a_rule_that_names_errors_decides_before_a_policy() {
    let world = World::new();
    fails(Place::Process, Trouble::Bad, [1, 2], ALWAYS);
    let report = world.fails(&policy_and_variant_job());
    assert!(step(&report, "policy_and_variant").exit.description.contains("2 is bad"));
}

#[processor]
fn panicking(number: i64) -> Result<i64, Trouble> {
    assert!(number != 6, "six is a panic");
    trip(Place::Process, number).map(|()| number)
}

#[skip_policy]
fn everything(_error: &(dyn Error + 'static)) -> bool {
    true
}

#[retry_policy]
fn always(_error: &(dyn Error + 'static)) -> bool {
    true
}

#[retry_policy]
fn panics_itself(_error: &(dyn Error + 'static)) -> bool {
    panic!("the policy is a panic")
}

#[processor(concurrency = 2)]
fn pooled(number: i64) -> Result<i64, Pooled> {
    if number == 3 { Err(Pooled) } else { Ok(number) }
}

#[derive(Debug, thiserror::Error)]
#[error("three is bad")]
struct Pooled;

#[step(chunk = 4, retry(policy = panics_itself, limit = 3))]
fn panics_in_a_pool() {
    numbers | pooled | save
}

#[job]
fn panics_in_a_pool_job() {
    panics_in_a_pool;
}

#[test]
fn a_panic_of_a_policy_on_a_thread_of_a_pool_fails_the_step() {
    let world = World::new();
    let report = world.fails(&panics_in_a_pool_job());
    let description = &step(&report, "panics_in_a_pool").exit.description;
    assert!(description.contains("the policy is a panic"), "{description}");
}

#[step(chunk = 4, skip(policy = everything), skip(Trouble), retry(policy = always, limit = 3))]
fn panics() {
    numbers | panicking | save
}

#[job]
fn panics_job() {
    panics;
}

#[test]
fn a_panic_is_neither_skipped_nor_retried() {
    let world = World::new();
    let (waits, options) = Waits::default().options();
    let report = world.run_with(&panics_job(), &options);
    let failed = step(&report, "panics");
    assert!(failed.exit.description.contains("six is a panic"), "{}", failed.exit.description);
    assert_eq!((failed.counters.read, failed.counters.skips()), (4, 0));
    assert!(waits.milliseconds().is_empty());
}

#[writer]
fn panicking_writer(numbers: &[i64], tx: &Transaction<'_>) -> Result<(), Trouble> {
    insert("saved", numbers, tx)?;
    numbers.iter().try_for_each(|number| trip(Place::Write, *number))?;
    assert!(!numbers.contains(&6), "six is a panic");
    Ok(())
}

#[step(chunk = 4, skip(policy = everything), skip(Trouble))]
fn panics_in_writing() {
    numbers | panicking_writer
}

#[job]
fn panics_in_writing_job() {
    panics_in_writing;
}

#[test]
fn a_panic_during_the_search_for_a_bad_item_rolls_the_chunk_back() {
    let world = World::new();
    fails(Place::Write, Trouble::Bad, [8], ALWAYS);
    let report = world.fails(&panics_in_writing_job());
    assert!(step(&report, "panics_in_writing").exit.description.contains("six is a panic"));
    assert_eq!(world.numbers("SELECT number FROM saved"), [1, 2, 3, 4]);
    assert!(skipped(&world).is_empty());
}

#[retry_policy]
fn of_take(failure: &Failure, repeated: u64) -> bool {
    repeated < 2 && failure.component() == Some("take")
}

#[skip_policy]
fn seven(failure: &Failure) -> bool {
    failure.location() == Some("number 7")
}

#[step(chunk = 4, retry(policy = of_take, limit = 9), skip(policy = seven))]
fn by_failure() {
    numbers | take | save
}

#[job]
fn by_failure_job() {
    by_failure;
}

#[test]
fn a_policy_that_looks_at_the_failure_sees_the_component_and_the_place() {
    let world = World::new();
    fails(Place::Process, Trouble::Bad, [7, 9], ALWAYS);
    let report = world.fails(&by_failure_job());
    let text = &step(&report, "by_failure").exit.description;
    assert!(text.contains("number 9: 9 is bad; tried 3 times"), "{text}");
    assert_eq!(errors(&world), ["PROCESS processing in `take`: number 7: 7 is bad; tried 3 times"]);
}

#[step(chunk = 4, retry(Trouble, limit = 3), no_retry(Trouble::Bad(..)), skip(Trouble::Bad(..)))]
fn busy_again() {
    numbers | take | save
}

#[job]
fn busy_again_job() {
    busy_again;
}

#[test]
fn an_error_named_in_no_retry_is_not_retried_although_a_wider_rule_covers_it() {
    let world = World::new();
    fails(Place::Process, Trouble::Bad, [2], ALWAYS);
    fails(Place::Process, Trouble::Busy, [3], 1);
    world.completes(&busy_again_job());
    assert_eq!(calls(Place::Process).len(), 21);
    assert_eq!(errors(&world), ["PROCESS processing in `take`: number 2: 2 is bad"]);
}

#[derive(Debug, thiserror::Error)]
#[error("number {0} is odd")]
struct Odd(i64);

#[derive(Debug, thiserror::Error)]
enum Layered {
    #[error(transparent)]
    Odd(#[from] Odd),
}

#[processor]
fn even(number: i64) -> Result<i64, Layered> {
    if number % 2 == 1 { Err(Odd(number))? } else { Ok(number) }
}

#[step(chunk = 4, skip(Odd))]
fn hidden() {
    numbers | even | save
}

#[step(chunk = 4, skip(Layered::Odd(Odd(1..=9))), skip(Layered::Odd(_), limit = 100))]
fn named() {
    numbers | even | save
}

#[job]
fn hidden_job() {
    hidden;
}

#[job]
fn named_job() {
    named;
}

#[test]
fn an_error_inside_a_transparent_one_is_not_among_its_sources_and_the_failure_says_so() {
    let world = World::new();
    let report = world.fails(&hidden_job());
    let text = &step(&report, "hidden").exit.description;
    assert!(
        text.contains("the step has a rule for `Odd`") && text.contains("#[error(transparent)]"),
        "{text}"
    );
}

#[test]
fn the_variant_that_holds_a_hidden_error_is_found() {
    let world = World::new();
    let report = world.completes(&named_job());
    assert_eq!(step(&report, "named").counters.process_skip, 10);
}
