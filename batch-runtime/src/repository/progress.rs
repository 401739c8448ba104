//! The progress of running step executions, which is stored with some of the chunks.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::Counters;
use crate::definition::{ExecutionId, StepExecutionId};

/// How much of its input a running step execution has read, in the reader's own unit, such as bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reached {
    /// The part that earlier step executions had read.
    pub before: u64,
    /// The part that has been read so far, including that of earlier step executions.
    pub done: u64,
    /// The whole input.
    pub total: u64,
}

impl Reached {
    /// The size of one partition in the sum of all.
    pub(crate) const PARTITION: u64 = 1_000;
}

/// A step execution that is running, in this process or another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningStep {
    /// The job execution.
    pub execution: ExecutionId,
    /// Its ID.
    pub id: StepExecutionId,
    /// Its name in the job, with the iteration if it is in a loop, or with the number of the partition.
    pub name: String,
    /// The time of its start.
    pub started: Timestamp,
    /// The time of the last commit, in any of its partitions.
    pub updated: Timestamp,
    /// Its counters; those of a step with partitions are the sums over its partitions.
    pub counters: Counters,
    /// The items that earlier executions of the step have read in the instance.
    pub read_before: u64,
    /// How much of its input it has read, with the time at which that was recorded, if the size of the input is known. For a
    /// step with partitions, this is the sum over its partitions, each with the same share.
    pub reached: Option<(Reached, Timestamp)>,
    /// Its partitions, if it has some.
    pub partitions: Option<RunningPartitions>,
}

impl RunningStep {
    /// Adds what the partitions have done; `before` and `done` count the share of each as [`Reached::PARTITION`], and `last` is
    /// the time of their last commit.
    pub(super) fn sum_up(
        &mut self,
        counters: Counters,
        partitions: RunningPartitions,
        before: u64,
        done: u64,
        last: Option<Timestamp>,
    ) {
        self.counters = counters;
        self.updated = last.map_or(self.updated, |last| last.max(self.updated));
        let total = partitions.total * Reached::PARTITION;
        self.reached = Some((Reached { before, done, total }, self.updated));
        self.partitions = Some(partitions);
    }
}

/// The partitions of a running step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunningPartitions {
    /// All of them.
    pub total: u64,
    /// Those that are complete.
    pub complete: u64,
}

/// Decides when to store something that changes with every chunk.
#[derive(Debug)]
pub(super) struct Throttle {
    interval: SignedDuration,
    last: Timestamp,
}

impl Throttle {
    /// Becomes due one interval from now, so a step that ends earlier stores nothing.
    pub(super) fn every(interval: Duration, now: Timestamp) -> Self {
        Self { interval: SignedDuration::try_from(interval).unwrap_or(SignedDuration::MAX), last: now }
    }

    /// Returns whether it is time to store. A clock that was set back must not delay that.
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        now < self.last || now.duration_since(self.last) >= self.interval
    }

    /// Notes that something was stored.
    pub(super) fn done(&mut self, now: Timestamp) {
        self.last = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_time_once_an_interval_and_after_the_clock_was_set_back() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let mut moments = Throttle::every(Duration::from_secs(10), at(100));
        assert_eq!([100, 109, 110, 99].map(|second| moments.is_due(at(second))), [false, false, true, true]);
        moments.done(at(110));
        assert_eq!([110, 119, 120].map(|second| moments.is_due(at(second))), [false, false, true]);
    }
}
