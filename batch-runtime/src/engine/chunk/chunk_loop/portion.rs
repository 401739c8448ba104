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
use crate::repository::{ChunkError, ChunkRecord, Counters, RepositoryError, SkipPhase, Stored};

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

/// The state before an attempt to commit a portion. If the attempt fails, the state is restored.
pub(super) struct Start<P> {
    /// Whether the commits of the step are stored anywhere.
    keeps: bool,
    /// The position of the writer.
    writer: P,
    /// The beginning of the attempt in the histories of the contexts.
    began: Option<Moments>,
    /// The number of skips.
    skipped: usize,
}

/// What an attempt has recorded.
#[derive(Default)]
pub(super) struct Reached {
    /// The positions after the portion, if they are kept.
    pub(super) positions: Option<Positions>,
    /// The moment up to which the record holds what was put into the contexts.
    pub(super) held: Moments,
}

impl<'l, 'r, In, W: Writer, L: StepListener<In, W::Item>, const CAREFUL: bool>
    ChunkLoop<'l, 'r, In, W, L, CAREFUL>
{
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
    /// portion is written again. `failed` is the error of an attempt that was already made.
    pub(crate) fn commit_portion<F: Feed<In, W::Item>>(
        &mut self,
        portion: &Portion,
        feed: &mut F,
        record: &mut ChunkRecord,
        times: &mut ChunkTimes,
        mut failed: Option<ChunkError>,
    ) -> Result<bool, ChunkError> {
        let mut again = 0;
        loop {
            let attempted = match failed.take() {
                Some(error) => Err(error),
                None => self.attempt_portion(portion, feed, record, times),
            };
            match attempted {
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
        let mut store = run.store.borrow_mut();
        let start = self.start(store.keeps());
        let mut reached = Reached::default();
        let committed = store.commit(record, |tx, record| {
            reached = self.write_and_record(portion, feed, tx, record, &start, None, times)?;
            Ok(())
        });
        drop(store);
        match committed {
            Ok(committed) => {
                self.settle(portion, feed, record, reached, committed)?;
                Ok(committed.stop_requested)
            }
            Err(error) => Err(self.undo(error, &start)),
        }
    }

    /// The state before an attempt.
    pub(super) fn start(&self, keeps: bool) -> Start<W::Position> {
        Start {
            keeps,
            writer: self.writer.position(),
            began: (CAREFUL || keeps).then(|| self.shared.run.now()),
            skipped: self.shared.skip_rules.len(),
        }
    }

    /// Writes a portion of the chunk and fills in its record. `ahead` is the result of the first call of the writer, if
    /// the portion was written ahead.
    #[expect(
        clippy::too_many_arguments,
        reason = "they are the parts of one attempt, which have different owners"
    )]
    pub(super) fn write_and_record<F: Feed<In, W::Item>>(
        &mut self,
        portion: &Portion,
        feed: &mut F,
        tx: &ChunkTransaction<'_>,
        record: &mut ChunkRecord,
        start: &Start<W::Position>,
        ahead: Option<Result<(), Failure>>,
        times: &mut ChunkTimes,
    ) -> Result<Reached, Failure> {
        // The time that it takes to begin the transaction counts as part of the commit.
        times.book(Activity::Commit);
        let written = writing(&mut times.writers, || self.write(portion, feed.outputs(), tx, start, ahead));
        times.book(Activity::Write);
        let written = written?;
        if CAREFUL && self.shared.skip_rules.len() > 0 {
            if start.keeps {
                self.locate_unwritten(&portion.records, feed);
            }
            self.write_skips(portion, &feed.outputs().items, tx)?;
        }
        let skips = if CAREFUL { self.shared.skip_rules.of(&portion.records) } else { Vec::new() };
        record.counters = self.counters_with(portion, written, &skips);
        record.skip_room = if CAREFUL { self.shared.skip_rules.room(&skips) } else { None };
        if !start.keeps {
            return Ok(Reached { positions: None, held: self.shared.run.now() });
        }
        record.skipped = SkipRules::records(&skips, feed.base(&self.last.reader))?;
        let at = Positions {
            reader: if portion.is_last {
                feed.position()?
            } else {
                feed.position_after(portion.records.end, &self.last.reader)?
            },
            writer: checkpoint::encode(&self.writer.position())?,
        };
        let held = fill_record(self.shared.run, record, &at, feed.states()?)?;
        Ok(Reached { positions: Some(at), held })
    }

    /// Counts a portion whose commit is confirmed, and notifies of it.
    pub(super) fn settle<F: Feed<In, W::Item>>(
        &mut self,
        portion: &Portion,
        feed: &mut F,
        record: &mut ChunkRecord,
        Reached { positions, held }: Reached,
        stored: Stored,
    ) -> Result<(), ChunkError> {
        record.skipped.clear();
        self.count(record, positions, portion.is_last);
        self.shared.run.settle(held, stored);
        if CAREFUL {
            self.notify_skips(portion, &feed.outputs().items);
        }
        self.notify_writer()
    }

    /// Counts a portion whose commit is confirmed.
    pub(super) fn count(&mut self, record: &ChunkRecord, positions: Option<Positions>, is_last: bool) {
        self.totals.counters = record.counters;
        if let Some(positions) = positions {
            self.last.writer = positions.writer;
            if is_last {
                self.previous = Some(mem::replace(&mut self.last.reader, positions.reader));
            }
        }
        tracing::debug!(
            read = record.counters.read,
            written = record.counters.write,
            commits = record.counters.commit,
            "chunk committed"
        );
    }

    /// Notifies the writer of a commit.
    pub(super) fn notify_writer(&mut self) -> Result<(), ChunkError> {
        let Self { shared: Shared { run, phase, .. }, writer, .. } = self;
        in_phase(phase, Phase::Write, || writer.committed())
            .map_err(|error| ChunkError::Work(run.blame(Failure::new(error), Phase::Write).fatal()))
    }

    /// Takes back what a failed attempt did outside the database, and returns the error to report.
    #[cold]
    pub(super) fn undo(&mut self, error: ChunkError, start: &Start<W::Position>) -> ChunkError {
        self.shared.phase.set(Phase::Write);
        let error = match error {
            ChunkError::SkipLimit { so_far } => match self.shared.skip_rules.out_of_room(so_far) {
                Some(failure) => ChunkError::Work(failure),
                None => ChunkError::SkipLimit { so_far },
            },
            error => error,
        };
        self.shared.skip_rules.forget(start.skipped);
        if let Some(began) = start.began {
            self.shared.run.take_back(began);
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
        let Err(stuck) = self.writer.rollback(&start.writer) else { return error };
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
        tx: &ChunkTransaction<'_>,
        start: &Start<W::Position>,
        ahead: Option<Result<(), Failure>>,
    ) -> Result<usize, Failure> {
        let (mut writing, items) = self.writing(portion, outputs, tx, start);
        let once = ahead.unwrap_or_else(|| writing.write_once(items));
        let written = writing.complete(items, once, CAREFUL);
        written.inspect_err(|_| self.shared.phase.set(Phase::Write))
    }

    /// The items of a portion, with everything that is needed to write them.
    pub(super) fn writing<'w>(
        &'w mut self,
        portion: &Portion,
        outputs: &'w mut Outputs<W::Item>,
        tx: &'w ChunkTransaction<'w>,
        start: &'w Start<W::Position>,
    ) -> (Writing<'w, 'l, 'r, In, W, L>, &'w mut [W::Item]) {
        let Outputs { items, sources } = outputs;
        let sources = if CAREFUL { &mut sources[portion.items.clone()] } else { &mut [] };
        let writing = Writing {
            shared: &mut self.shared,
            writer: &mut self.writer,
            tx,
            begin: &start.writer,
            began: start.began.filter(|_| CAREFUL),
            sources,
            first: portion.items.start,
            json: self.json,
            rollbacks: &mut self.totals.counters.rollback,
        };
        (writing, &mut items[portion.items.clone()])
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
