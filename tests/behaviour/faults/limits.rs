//! The limits of skips.

use batch_runtime::prelude::*;

use super::script::*;
use crate::support::{World, step, summed};

#[step(chunk = 4, skip(Trouble::Bad(..), limit = 3))]
fn load() {
    numbers | take | save
}

#[job]
fn load_job() {
    load;
}

#[test]
fn as_many_as_the_limit_are_skipped() {
    let world = World::new();
    fails(Place::Process, Trouble::Bad, [1, 2, 20], ALWAYS);
    let report = world.completes(&load_job());
    assert_eq!(step(&report, "load").counters.process_skip, 3);
}

#[test]
fn one_skip_above_the_limit_fails_the_step_and_the_message_names_the_limit() {
    let world = World::new();
    fails(Place::Process, Trouble::Bad, [1, 2, 10, 12], ALWAYS);
    let report = world.fails(&load_job());
    let failed = step(&report, "load");
    assert_eq!((failed.counters.process_skip, failed.counters.read), (2, 8));
    let text = &failed.exit.description;
    assert!(text.contains("number 12: 12 is bad"), "{text}");
    assert!(
        text.contains("`Trouble::Bad(..)` may be skipped, but the step has reached its limit of 3"),
        "{text}"
    );
    assert_eq!(skipped(&world).len(), 2);
}

#[test]
fn skips_in_reading_processing_and_writing_count_together() {
    let world = World::new();
    fails(Place::Read, Trouble::Bad, [1], ALWAYS);
    fails(Place::Process, Trouble::Bad, [6], ALWAYS);
    fails(Place::Write, Trouble::Bad, [9], ALWAYS);
    let counters = step(&world.completes(&load_job()), "load").counters;
    assert_eq!((counters.read_skip, counters.process_skip, counters.write_skip), (1, 1, 1));

    let world = World::new();
    fails(Place::Write, Trouble::Bad, [10], ALWAYS);
    let report = world.fails(&load_job());
    assert!(step(&report, "load").exit.description.contains("10 is bad"));
    assert_eq!(step(&report, "load").counters.skips(), 3);
}

#[test]
fn skips_before_a_restart_count() {
    let world = World::new();
    fails(Place::Process, Trouble::Bad, [1, 2], ALWAYS);
    fails(Place::Process, Trouble::Fatal, [11], ALWAYS);
    world.fails(&load_job());
    heal();
    fails(Place::Process, Trouble::Bad, [14, 16], ALWAYS);
    let report = world.fails(&load_job());
    assert!(step(&report, "load").exit.description.contains("16 is bad"));
    heal();
    fails(Place::Process, Trouble::Bad, [16], ALWAYS);
    let report = world.completes(&load_job());
    assert_eq!(summed(step(&report, "load")).process_skip, 3);
    assert_eq!(world.numbers("SELECT number FROM saved"), without(20, &[1, 2, 16]));
    assert_eq!(skipped(&world).len(), 3);
}

#[step(chunk = 4, skip(Trouble::Bad(..), limit = 1), skip(Trouble::Busy(..), limit = 3))]
fn two_clauses() {
    numbers | take | save
}

#[job]
fn two_clauses_job() {
    two_clauses;
}

#[test]
fn the_limit_of_a_clause_counts_all_skips_of_the_step() {
    let world = World::new();
    fails(Place::Process, Trouble::Busy, [1], ALWAYS);
    fails(Place::Process, Trouble::Bad, [2], ALWAYS);
    let report = world.fails(&two_clauses_job());
    assert!(step(&report, "two_clauses").exit.description.contains("has reached its limit of 1"));
    heal();
    fails(Place::Process, Trouble::Bad, [2], ALWAYS);
    fails(Place::Process, Trouble::Busy, [3], ALWAYS);
    world.completes(&two_clauses_job());
}
