//! Receives: a step that wants chunks. Gives: the two sides of it: what fills a chunk ([`Feed`]) and what every part of the step works
//! with ([`Desk`]).
//!
//! The commit knows chunks alone: whoever fills them, on whatever threads, says in the same words what is in them, where the
//! reader stands behind them, and what could not be read or processed.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use super::checkpoint;
use super::fill::{Extent, Filled, told};
use super::judge::Judge;
use super::profile::Phases;
use super::retry::Noted;
use super::step::{Halt, StepRun};
use crate::definition::{Failure, Phase, Progress, States, StepListener};

/// The items of one chunk, and the number of its record that each stems from (empty where no care is taken).
#[derive(Debug)]
pub(super) struct Outputs<T> {
    pub(super) items: Vec<T>,
    pub(super) sources: Vec<u32>,
}

impl<T> Outputs<T> {
    pub(super) fn with_capacity(items: usize, sources: usize) -> Self {
        Self { items: Vec::with_capacity(items), sources: Vec::with_capacity(sources) }
    }

    pub(super) fn clear(&mut self) {
        self.items.clear();
        self.sources.clear();
    }
}

/// Reads and processes, chunk by chunk.
pub(super) trait Feed<In, Out> {
    /// Fills the next chunk; what is skipped is left with the judge.
    fn fill<L: StepListener<In, Out>>(
        &mut self,
        desk: &mut Desk<'_, '_, In, L>,
        timed: Option<&mut Phases>,
    ) -> Result<Filled, Halt>;

    /// What is in it.
    fn outputs(&mut self) -> &mut Outputs<Out>;

    /// What is stored with it: the position of the reader behind it, encoded, and what is done beyond.
    fn position(&self) -> Result<String, Failure>;

    /// The place where it begins, encoded. `last` is what was stored with the last chunk: where chunks are committed in the order of
    /// the input, the next begins there.
    fn base<'a>(&'a self, last: &'a str) -> &'a str {
        last
    }

    /// What is stored where the first so many of its records are committed, and not all of them.
    fn position_behind(&self, records: u32, last: &str) -> Result<String, Failure> {
        checkpoint::ahead_of(last, records)
    }

    /// The states of the processors behind it.
    fn states(&self) -> Result<States, Failure>;

    /// Told when it is committed.
    fn committed(&mut self) -> Result<(), Failure>;

    /// Told behind the last chunk: the reader has heard of every commit when it returns.
    fn close(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    /// How far the reader is.
    fn progress(&self) -> Option<Progress>;

    /// The place of the last record of the chunk, in the reader's words.
    fn location(&self) -> Option<String>;

    /// The places of records of the chunk that begins at `base`, by their numbers, found by reading it once more; what is not
    /// found is left out. After a fault only.
    fn places(&mut self, records: &BTreeSet<u32>, base: &str) -> BTreeMap<u32, String>;
}

/// What reading, processing and writing share.
pub(super) struct Desk<'l, 'r, In, L> {
    pub(super) run: &'l StepRun<'r>,
    /// What user code is being called: read after a panic.
    pub(super) phase: &'l Cell<Phase>,
    pub(super) listener: &'l mut L,
    pub(super) judge: Judge<'l, In>,
}

impl<'l, 'r, In, L> Desk<'l, 'r, In, L> {
    pub(super) fn new(
        run: &'l StepRun<'r>,
        phase: &'l Cell<Phase>,
        listener: &'l mut L,
        json: fn(&In) -> Option<String>,
    ) -> Self {
        let judge = Judge::new(run.info.options.faults, run.retrying(), &run.before, json);
        Self { run, phase, listener, judge }
    }

    /// How far a chunk that begins now is filled.
    pub(super) fn extent(&self) -> Extent<'l> {
        Extent::of(self.run.info, self.run.sizes.chunk, self.judge.retrying.clock())
    }

    /// Tells of the calls that were repeated where no listener could be told at once: of processors, and of readers on other threads.
    pub(super) fn tell_repeats<Out>(&mut self)
    where
        L: StepListener<In, Out>,
    {
        for (failure, repeat) in self.judge.retrying.take_noted() {
            if failure.phase() == Some(Phase::Read) {
                told(self.listener.on_read_error(&failure));
                told(self.listener.on_retry(&failure, repeat));
            } else {
                self.tell_attempts(vec![(failure, repeat)], None);
            }
        }
    }

    /// Tells of calls of processors that failed and were repeated.
    #[cold]
    pub(super) fn tell_attempts<Out>(&mut self, attempts: Noted, item: Option<&In>)
    where
        L: StepListener<In, Out>,
    {
        for (failure, repeat) in attempts {
            let failure = self.run.blame(failure, Phase::Process);
            told(self.listener.on_process_error(item, &failure));
            told(self.listener.on_retry(&failure, repeat));
        }
    }

    /// The failure of a call in that phase.
    pub(super) fn blame(&self, failure: Failure, phase: Phase) -> Failure {
        self.phase.set(phase);
        self.run.blame(failure, phase)
    }
}

/// How a step ends by a failure.
pub(super) fn halt(failure: Failure) -> Halt {
    if failure.is_interrupted() { Halt::Stopped } else { Halt::Failed(failure) }
}
