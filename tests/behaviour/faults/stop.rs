//! A stop while a step waits for a retry.

use std::time::Duration;

use batch_runtime::engine::RunOptions;
use batch_runtime::prelude::*;
use batch_runtime::repository::BatchStatus;
use batch_runtime::{StopSignal, Stopped};

use super::script::*;
use crate::support::{World, step, summed};

#[step(chunk = 4, skip(Trouble), retry(Trouble::Busy(..), limit = 5, backoff = fixed("1h")))]
fn load() {
    numbers | take | save
}

#[job]
fn load_job() {
    load;
}

/// Checks that a step that is stopped at its second wait has committed nothing of the chunk, and that a restart is
/// exact.
fn is_stopped_in_the_wait(place: Place) {
    let world = World::new();
    fails(place, Trouble::Busy, [7], ALWAYS);
    let (waits, options) = Waits { stop_at: Some(2), ..Waits::default() }.options();
    let report = world.run_with(&load_job(), &options);
    assert_eq!(waits.milliseconds(), [3_600_000; 2]);
    assert_eq!((report.status, report.exit.code.as_str()), (BatchStatus::Stopped, "STOPPED"));
    let stopped = step(&report, "load");
    assert_eq!(stopped.status, BatchStatus::Stopped);
    assert_eq!((stopped.counters.read, stopped.counters.write, stopped.counters.skips()), (4, 4, 0));
    assert_eq!(world.numbers("SELECT number FROM saved"), [1, 2, 3, 4]);
    heal();
    let report = world.completes(&load_job());
    assert_eq!(world.numbers("SELECT number FROM saved"), without(20, &[]));
    let all = summed(step(&report, "load"));
    assert_eq!((all.read, all.write, all.skips()), (20, 20, 0));
}

#[test]
fn a_stop_before_a_processor_is_called_again_leaves_no_half_chunk() {
    is_stopped_in_the_wait(Place::Process);
}

#[test]
fn a_stop_before_a_chunk_is_written_again_leaves_no_half_chunk() {
    is_stopped_in_the_wait(Place::Write);
}

#[test]
fn a_stop_before_a_reader_is_reopened_leaves_no_half_chunk() {
    is_stopped_in_the_wait(Place::Read);
}

#[step(chunk = 8, skip(Trouble::Bad(..)), retry(Trouble::Busy(..), limit = 5, backoff = fixed("1h")))]
fn search() {
    numbers | save
}

#[job]
fn search_job() {
    search;
}

#[test]
fn a_stop_during_the_search_for_a_bad_item_leaves_no_half_chunk() {
    let world = World::new();
    fails(Place::Write, Trouble::Bad, [1], ALWAYS);
    fails(Place::Write, Trouble::Busy, [8], ALWAYS);
    let (_, options) = Waits { stop_at: Some(1), ..Waits::default() }.options();
    let report = world.run_with(&search_job(), &options);
    assert_eq!(report.status, BatchStatus::Stopped);
    assert_eq!(step(&report, "search").counters.read, 0);
    heal();
    let report = world.completes(&search_job());
    assert_eq!(world.numbers("SELECT number FROM saved"), without(20, &[]));
    assert_eq!(summed(step(&report, "search")).skips(), 0);
}

/// Waits for an hour after the tenth number, and asks the job to stop.
#[derive(Default)]
struct Waiting {
    number: i64,
    stop: StopSignal,
}

impl Reader for Waiting {
    type Item = i64;
    type Position = i64;
    type Error = Stopped;

    fn stops_with(&mut self, stop: &StopSignal) {
        self.stop = stop.clone();
    }

    fn read(&mut self) -> Result<Option<i64>, Stopped> {
        if self.number == 10 {
            self.stop.raise();
            self.stop.pause(Duration::from_hours(1))?;
        }
        self.number += 1;
        Ok(Some(self.number))
    }

    fn steps_over(&self, _: &Stopped) -> bool {
        false
    }

    fn position(&self) -> i64 {
        self.number
    }

    fn resume(&mut self, position: i64) -> Result<(), Stopped> {
        self.number = position;
        Ok(())
    }
}

#[reader]
fn waiting() -> Waiting {
    Waiting::default()
}

#[step(chunk = 4)]
fn alone() {
    waiting | save
}

#[step(chunk = 4, threads = 3, skip(Stopped), retry(Stopped, limit = 100))]
fn on_threads() {
    waiting | save
}

#[job]
fn waiting_alone() {
    alone;
}

#[job]
fn waiting_on_threads() {
    on_threads;
}

#[test]
fn a_stop_while_a_reader_waits_is_not_a_failure() {
    let world = World::new();
    let report = world.run_with(&waiting_alone(), &RunOptions::default());
    assert_eq!(report.status, BatchStatus::Stopped, "{}", report.exit.description);
    assert_eq!(world.numbers("SELECT number FROM saved"), [1, 2, 3, 4, 5, 6, 7, 8]);
    // With threads the reader is ahead, so the number of commits before the stop varies.
    let report = World::new().run_with(&waiting_on_threads(), &RunOptions::default());
    assert_eq!(report.status, BatchStatus::Stopped, "{}", report.exit.description);
}
