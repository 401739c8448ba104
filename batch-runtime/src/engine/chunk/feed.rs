//! Receives: a step that wants chunks. Gives: the two sides of it: what fills a chunk ([`Feed`]) and what every part of the step works
//! with ([`Desk`]).
//!
//! The commit knows chunks alone: whoever fills them, on whatever threads, says in the same words what is in them, where the
//! reader stands behind them, and what could not be read or processed.

use crate::engine::chunk::shared::Shared;
use std::collections::{BTreeMap, BTreeSet};

use crate::definition::{Failure, Progress, States, StepListener};
use crate::engine::chunk::batch::{Filled, Outputs};
use crate::engine::chunk::checkpoint;
use crate::engine::profile::Phases;
use crate::engine::step::Halt;

/// Reads and processes, chunk by chunk.
pub(crate) trait Feed<In, Out> {
    /// Fills the next chunk; what is skipped is left with the judge.
    fn fill<L: StepListener<In, Out>>(
        &mut self,
        shared: &mut Shared<'_, '_, In, L>,
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
