//! Writes a portion of a chunk and commits it with its checkpoint. Undoes the attempt if either fails.

use std::mem;
use std::ops::Range;

use super::{ChunkLoop, Positions, fill_record};
use crate::definition::{ChunkTransaction, Failure, Phase, StepListener, Writer};
use crate::engine::chunk::batch::{Filled, Outputs};
use crate::engine::chunk::checkpoint;
use crate::engine::chunk::feed::Feed;
use crate::engine::chunk::shared::Shared;
use crate::engine::faults::isolate::Writing;
use crate::engine::faults::skip_rules::{Skip, SkipRules, Skipped};
use crate::engine::phase::{in_phase, log_if_failed};
use crate::engine::profile::{Activity, ChunkTimes, writing};
use crate::engine::step::{MAX_AGAIN, Moments};
use crate::repository::{ChunkError, ChunkRecord, Counters, RepositoryError, SkipPhase};

/// The part of a chunk that one transaction commits; usually the whole chunk.
pub(crate) struct Portion {
    /// Its items, as indexes into the outputs of the chunk.
    pub(crate) items: Range<usize>,
    /// The records of the chunk that it covers, including those without output.
    pub(crate) records: Range<u32>,
    pub(crate) read: u64,
    pub(crate) filtered: u64,
    /// True if it ends where the chunk ends, so that the reader is right after it.
    pub(crate) is_last: bool,
}

impl<In, W: Writer, L: StepListener<In, W::Item>, const CAREFUL: bool> ChunkLoop<'_, '_, In, W, L, CAREFUL> {
    pub(crate) fn whole(filled: Filled, items: usize) -> Portion {
        Portion {
            items: 0..items,
            records: 0..u32::MAX,
            read: filled.read,
            filtered: filled.filtered,
            is_last: true,
        }
    }

    /// Returns the counters as they are once this portion is committed.
    pub(super) fn counters_with(&self, portion: &Portion, written: usize, skips: &[&Skip<In>]) -> Counters {
        let mut counters = self.totals.counters;
        counters.read += portion.read;
        counters.filter += portion.filtered;
        counters.write += written as u64;
        counters.commit += 1;
        SkipRules::count(skips, &mut counters);
        counters
    }

    /// Writes a portion of the chunk and commits it with its checkpoint. If the database loses the transaction, the
    /// portion is written again.
    pub(crate) fn commit_portion<F: Feed<In, W::Item>>(
        &mut self,
        portion: &Portion,
        feed: &mut F,
        record: &mut ChunkRecord,
        times: &mut ChunkTimes,
    ) -> Result<bool, ChunkError> {
        let mut again = 0;
        loop {
            match self.attempt_portion(portion, feed, record, times) {
                Err(ChunkError::Again(failure)) if again < MAX_AGAIN && !self.shared.run.is_stopping() => {
                    again += 1;
                    self.totals.counters.rollback += 1;
                    tracing::warn!(%failure, "the database lost a chunk's transaction; the chunk is written again");
                }
                attempted => return attempted,
            }
        }
    }

    fn attempt_portion<F: Feed<In, W::Item>>(
        &mut self,
        portion: &Portion,
        feed: &mut F,
        record: &mut ChunkRecord,
        times: &mut ChunkTimes,
    ) -> Result<bool, ChunkError> {
        let run = self.shared.run;
        let before = self.writer.position();
        let mut store = run.store.borrow_mut();
        let keeps = store.keeps();
        let begin = (CAREFUL || keeps).then(|| run.now());
        let skipped = self.shared.skip_rules.len();
        let mut reached = None;
        let mut held = Moments::default();
        let committed = store.commit(record, |tx, record| {
            // The time that it takes to begin the transaction counts as part of the commit.
            times.book(Activity::Commit);
            let begin = begin.filter(|_| CAREFUL);
            let written =
                writing(&mut times.writers, || self.write(portion, feed.outputs(), *tx, &before, begin));
            times.book(Activity::Write);
            let written = written?;
            if CAREFUL && self.shared.skip_rules.len() > 0 {
                if keeps {
                    self.locate_unwritten(&portion.records, feed);
                }
                self.write_skips(portion, &feed.outputs().items, tx)?;
            }
            let skips = if CAREFUL { self.shared.skip_rules.of(&portion.records) } else { Vec::new() };
            record.counters = self.counters_with(portion, written, &skips);
            record.skip_room = if CAREFUL { self.shared.skip_rules.room(&skips) } else { None };
            if keeps {
                record.skipped = SkipRules::records(&skips, feed.base(&self.last.reader))?;
                let at = Positions {
                    reader: if portion.is_last {
                        feed.position()?
                    } else {
                        feed.position_after(portion.records.end, &self.last.reader)?
                    },
                    writer: checkpoint::encode(&self.writer.position())?,
                };
                held = fill_record(run, record, &at, feed.states()?)?;
                reached = Some(at);
            } else {
                held = run.now();
            }
            Ok(())
        });
        drop(store);
        let committed = match committed {
            Ok(committed) => committed,
            Err(error) => return Err(self.undo(error, &before, skipped, begin)),
        };
        record.skipped.clear();
        self.totals.counters = record.counters;
        if let Some(reached) = reached {
            self.last.writer = reached.writer;
            if portion.is_last {
                self.previous = Some(mem::replace(&mut self.last.reader, reached.reader));
            }
        }
        run.settle(held, committed);
        tracing::debug!(
            read = record.counters.read,
            written = record.counters.write,
            commits = record.counters.commit,
            "chunk committed"
        );
        if CAREFUL {
            self.notify_skips(portion, &feed.outputs().items);
        }
        let Self { shared: Shared { phase, .. }, writer, .. } = self;
        in_phase(phase, Phase::Write, || writer.committed())
            .map_err(|error| ChunkError::Work(run.blame(Failure::new(error), Phase::Write).fatal()))?;
        Ok(committed.stop_requested)
    }

    /// Takes back what a failed attempt did outside the database, and returns the error to report.
    #[cold]
    fn undo(
        &mut self,
        error: ChunkError,
        before: &W::Position,
        skipped: usize,
        begin: Option<Moments>,
    ) -> ChunkError {
        self.shared.phase.set(Phase::Write);
        let error = match error {
            ChunkError::SkipLimit { so_far } => match self.shared.skip_rules.out_of_room(so_far) {
                Some(failure) => ChunkError::Work(failure),
                None => ChunkError::SkipLimit { so_far },
            },
            error => error,
        };
        self.shared.skip_rules.forget(skipped);
        if let Some(begin) = begin {
            self.shared.run.take_back(begin);
        }
        // Another owner has taken the execution over, and rolls the writer back itself.
        if matches!(error, ChunkError::Repository(RepositoryError::Fenced { .. })) {
            return error;
        }
        // A target that cannot roll back still has the items, so another attempt would duplicate them.
        let error = match error {
            ChunkError::Again(failure) if !W::CAN_ROLL_BACK => ChunkError::Work(failure),
            error => error,
        };
        let Err(stuck) = self.writer.rollback(before) else { return error };
        let stuck = Failure::new(stuck);
        match error {
            // A chunk can be committed in parts, or written again, only if the writer is back at its position
            // before the chunk.
            ChunkError::Refused(refused) | ChunkError::Again(refused) => {
                ChunkError::Work(refused.with_note(format!("the writer could not roll back: {stuck}")))
            }
            // The chunk's own failure is the one to report; a restart rolls the writer back itself.
            error => {
                tracing::warn!(%stuck, "a writer could not roll back");
                error
            }
        }
    }

    fn write(
        &mut self,
        portion: &Portion,
        outputs: &mut Outputs<W::Item>,
        tx: ChunkTransaction<'_>,
        begin: &W::Position,
        began: Option<Moments>,
    ) -> Result<usize, Failure> {
        let sources = if CAREFUL { &mut outputs.sources[portion.items.clone()] } else { &mut [] };
        let writing = Writing {
            shared: &mut self.shared,
            writer: &mut self.writer,
            tx: &tx,
            begin,
            began,
            sources,
            first: portion.items.start,
            json: self.json,
            rollbacks: &mut self.totals.counters.rollback,
        };
        let written = writing.write(&mut outputs.items[portion.items.clone()], CAREFUL);
        written.inspect_err(|_| self.shared.phase.set(Phase::Write))
    }

    /// Lets listeners write the skips in the chunk's transaction.
    fn write_skips(
        &mut self,
        portion: &Portion,
        items: &[W::Item],
        tx: &ChunkTransaction<'_>,
    ) -> Result<(), Failure> {
        if !L::WRITES_SKIPS {
            return Ok(());
        }
        let Shared { skip_rules, listener, phase, .. } = &mut self.shared;
        for skip in skip_rules.of(&portion.records) {
            in_phase(phase, Phase::Write, || match (skip.phase, &skip.item) {
                (SkipPhase::Read, _) => listener.write_skip_in_read(&skip.failure, tx),
                (SkipPhase::Write, Skipped::Unwritten(index)) => {
                    listener.write_skip_in_write(&items[*index], &skip.failure, tx)
                }
                (_, item) => listener.write_skip_in_process(item.as_read(), &skip.failure, tx),
            })
            .map_err(Failure::fatal)?;
        }
        Ok(())
    }

    /// Notifies the listener of the skips that are committed.
    #[inline]
    fn notify_skips(&mut self, portion: &Portion, items: &[W::Item]) {
        let Shared { skip_rules, listener, .. } = &mut self.shared;
        if skip_rules.len() == 0 {
            return;
        }
        for skip in skip_rules.settle(&portion.records) {
            log_if_failed(match (skip.phase, &skip.item) {
                (SkipPhase::Read, _) => listener.on_skip_in_read(&skip.failure),
                (SkipPhase::Write, Skipped::Unwritten(index)) => {
                    listener.on_skip_in_write(&items[*index], &skip.failure)
                }
                (_, item) => listener.on_skip_in_process(item.as_read(), &skip.failure),
            });
        }
    }
}
