//! Writes a chunk, and finds and skips the items that cannot be written.
//!
//! After an error the transaction is rolled back to its beginning, and the whole chunk is retried as the step's
//! `retry` rules allow. Then the bad items are found by bisection, each half in a savepoint: k bad items among n cost
//! at most 2k(log2(n/k) + 2) calls of the writer. The chunk is still written in one transaction, so it is committed
//! once, with its checkpoint and its skips.
//!
//! A step is *careful* if it has `skip` or `retry` rules, a `chunk_time`, or a listener for items. Only a careful step
//! retries a chunk and searches it.

use std::ops::Range;

use crate::definition::{Arranged, ChunkTransaction, Failure, Phase, StepListener, Writer};
use crate::engine::chunk::shared::Shared;
use crate::engine::faults::panic;
use crate::engine::faults::retry::{RetryDecision, after};
use crate::engine::faults::skip_rules::{Skipped, repeats_by_itself};
use crate::engine::phase::{in_phase, log_if_failed};
use crate::engine::step::Moments;
use crate::repository::SkipPhase;

/// Everything that is needed to write a chunk.
pub(crate) struct Writing<'w, 'd, 'r, In, W: Writer, L> {
    pub(crate) shared: &'w mut Shared<'d, 'r, In, L>,
    pub(crate) writer: &'w mut W,
    pub(crate) tx: &'w ChunkTransaction<'w>,
    /// The position of the writer at the beginning of the transaction.
    pub(crate) begin: &'w W::Position,
    /// The beginning of the transaction in the histories of the contexts; `None` unless the step is careful.
    pub(crate) began: Option<Moments>,
    /// The number of the record that each item stems from; empty unless the step is careful.
    pub(crate) sources: &'w mut [u32],
    /// The index in the chunk of the first item that is written here.
    pub(crate) first: usize,
    pub(crate) json: fn(&W::Item) -> Option<String>,
    /// Counts the transactions that are rolled back.
    pub(crate) rollbacks: &'w mut u64,
}

impl<In, W: Writer, L: StepListener<In, W::Item>> Writing<'_, '_, '_, In, W, L> {
    /// Writes the items and makes them as durable as the run asks.
    pub(crate) fn write_once(&mut self, items: &mut [W::Item]) -> Result<(), Failure> {
        if items.is_empty() {
            return self.prepare();
        }
        self.writer.arrange(&mut Arranged::with_sources(items, self.sources));
        self.attempt(items, 0..items.len()).and_then(|()| self.prepare())
    }

    /// Completes a write that was tried once, with this result. Returns the number of items written.
    pub(crate) fn complete(
        mut self,
        items: &[W::Item],
        written: Result<(), Failure>,
        careful: bool,
    ) -> Result<usize, Failure> {
        match written {
            Ok(()) => Ok(items.len()),
            Err(failure) if careful && !items.is_empty() && !repeats_by_itself(&failure) => {
                self.recover(items, failure)
            }
            Err(failure) => Err(failure),
        }
    }

    fn prepare(&mut self) -> Result<(), Failure> {
        let Self { shared: Shared { run, phase, .. }, writer, .. } = self;
        in_phase(phase, Phase::Write, || writer.prepare(run.durability))
            .map_err(|error| run.blame(Failure::new(error), Phase::Write))
    }

    /// Calls the writer once.
    fn attempt(&mut self, items: &[W::Item], part: Range<usize>) -> Result<(), Failure> {
        let Self { shared: Shared { run, phase, listener, .. }, writer, tx, began, .. } = self;
        let items = &items[part];
        in_phase(phase, Phase::Write, || listener.before_write(items)).map_err(Failure::fatal)?;
        // Catch a panic here, so that the chunk is rolled back and named as after any other failure.
        let written =
            panic::catch(|| writer.write(items, tx).map_err(Failure::new)).and_then(|written| written);
        // A careful step must know now which call failed.
        let written = if began.is_some() { tx.settled(written) } else { tx.after(written) };
        let written = written.map_err(|failure| run.blame(failure, Phase::Write));
        match &written {
            Ok(()) => log_if_failed(listener.after_write(items)),
            Err(failure) => log_if_failed(listener.on_write_error(items, failure)),
        }
        written
    }

    /// Rolls back to the beginning of the transaction and releases its locks.
    fn roll_back(&mut self) -> Result<(), Failure> {
        self.tx.give_up()?;
        if let Some(began) = self.began {
            self.shared.run.take_back(began);
        }
        self.writer.rollback(self.begin).map_err(Failure::new)
    }

    fn begin_again(&mut self) -> Result<(), Failure> {
        self.tx.begin_again()?;
        *self.rollbacks += 1;
        Ok(())
    }

    /// After the first failure, retries the whole chunk and then searches it for the bad items.
    #[cold]
    fn recover(&mut self, items: &[W::Item], mut failure: Failure) -> Result<usize, Failure> {
        let all = 0..items.len();
        let mut repeated = 0;
        loop {
            self.roll_back()?;
            match self.shared.skip_rules.retrying.again(&failure, repeated) {
                RetryDecision::No => break,
                RetryDecision::Stopped => return Err(failure.interrupted()),
                RetryDecision::Yes => {}
            }
            repeated += 1;
            log_if_failed(self.shared.listener.on_retry(&failure, repeated));
            self.begin_again()?;
            match self.attempt(items, all.clone()).and_then(|()| self.prepare()) {
                Ok(()) => return Ok(items.len()),
                Err(again) => failure = again,
            }
        }
        let failure = self.shared.skip_rules.allows(after(failure, repeated))?;
        if items.len() > 1 && !W::CAN_ROLL_BACK && !self.shared.run.info.options.isolate {
            return Err(failure.with_note(
                "the bad item is not searched for, because the writer cannot roll back and items might be written twice: allow that with `isolate = allow`",
            ));
        }
        self.begin_again()?;
        let mut kept = Vec::new();
        self.isolate(items, all, failure, &mut kept)?;
        self.prepare()?;
        Ok(kept.iter().map(ExactSizeIterator::len).sum())
    }

    /// Finds the bad items in a part that could not be written as a whole. The transaction contains none of the part's
    /// items; `kept` lists the parts that the transaction contains.
    fn isolate(
        &mut self,
        items: &[W::Item],
        part: Range<usize>,
        failure: Failure,
        kept: &mut Vec<Range<usize>>,
    ) -> Result<(), Failure> {
        if part.len() == 1 {
            let index = part.start;
            let failure = failure.carrying((self.json)(&items[index]));
            let item = Skipped::Unwritten(self.first + index);
            let source = self.sources.get(index).copied().unwrap_or_default();
            return self.shared.skip_rules.skip(SkipPhase::Write, source, failure, item);
        }
        let middle = part.start + part.len() / 2;
        for half in [part.start..middle, middle..part.end] {
            let mut repeated = 0;
            loop {
                let Err(failure) = self.write_part(items, half.clone(), kept) else {
                    kept.push(half);
                    break;
                };
                match self.shared.skip_rules.allows(after(failure, repeated)) {
                    Ok(failure) => {
                        self.isolate(items, half, failure, kept)?;
                        break;
                    }
                    // A failure that no rule skips may be temporary: wait and write the part again.
                    Err(failure) => self.wait_out(items, failure, repeated, kept)?,
                }
                repeated += 1;
            }
        }
        Ok(())
    }

    /// Rolls back. If a rule allows a retry, waits and writes the good parts again; otherwise returns the failure.
    fn wait_out(
        &mut self,
        items: &[W::Item],
        failure: Failure,
        repeated: u32,
        kept: &[Range<usize>],
    ) -> Result<(), Failure> {
        self.roll_back()?;
        match self.shared.skip_rules.retrying.again(&failure, repeated) {
            RetryDecision::No => return Err(failure),
            RetryDecision::Stopped => return Err(failure.interrupted()),
            RetryDecision::Yes => {}
        }
        log_if_failed(self.shared.listener.on_retry(&failure, repeated + 1));
        self.begin_with(items, kept)
    }

    /// Begins the transaction again, and writes the good parts into it.
    fn begin_with(&mut self, items: &[W::Item], kept: &[Range<usize>]) -> Result<(), Failure> {
        self.begin_again()?;
        kept.iter().try_for_each(|part| self.attempt(items, part.clone()))
    }

    /// Writes a part in a savepoint. If the write fails, everything is as it was before the savepoint.
    fn write_part(
        &mut self,
        items: &[W::Item],
        part: Range<usize>,
        kept: &[Range<usize>],
    ) -> Result<(), Failure> {
        let (before, began) = (self.writer.position(), self.shared.run.now());
        // If the transaction itself is broken, no rule for items applies.
        self.tx.begin_part().map_err(Failure::fatal)?;
        let Err(failure) = self.attempt(items, part) else {
            return self.tx.keep_part().map_err(Failure::fatal);
        };
        let back = if self.tx.is_alive() {
            self.shared.run.take_back(began);
            let taken = self.tx.roll_back_part();
            taken.and_then(|()| self.writer.rollback(&before).map_err(Failure::new))
        } else {
            // The database has rolled back the whole transaction.
            self.roll_back().and_then(|()| self.begin_with(items, kept))
        };
        back.map_err(Failure::fatal)?;
        Err(failure)
    }
}
