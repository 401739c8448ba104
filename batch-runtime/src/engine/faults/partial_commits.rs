//! Commits a chunk in parts after the database refused to commit the whole of it, for example because of a deferred
//! constraint.
//!
//! The parts are committed from left to right, each with its checkpoint; bad items are skipped. Only in this case does
//! a chunk take more than one transaction, because savepoints cannot find an error that shows up at the commit.

use std::ops::Range;

use crate::definition::{Arranged, Failure, StepListener, Writer};
use crate::engine::chunk::batch::Filled;
use crate::engine::chunk::batch::Outputs;
use crate::engine::chunk::chunk_loop::{ChunkLoop, Portion};
use crate::engine::chunk::feed::Feed;
use crate::engine::faults::retry::{RetryDecision, after};
use crate::engine::faults::skip_rules::Skipped;
use crate::engine::profile::ChunkTimes;
use crate::engine::step::Halt;
use crate::repository::{ChunkError, ChunkRecord, SkipPhase};

impl<In, W: Writer, L: StepListener<In, W::Item>, const CAREFUL: bool> ChunkLoop<'_, '_, In, W, L, CAREFUL> {
    /// Commits the chunk in parts after the database refused to commit the whole of it. Returns true if a stop was
    /// requested.
    #[cold]
    pub(crate) fn commit_in_parts<F: Feed<In, W::Item>>(
        &mut self,
        filled: Filled,
        feed: &mut F,
        record: &mut ChunkRecord,
        mut refused: Failure,
    ) -> Result<bool, Halt> {
        let whole = Self::whole(filled, feed.outputs().items.len());
        let mut repeated = 0;
        loop {
            match self.shared.skip_rules.retrying.again(&refused, repeated) {
                RetryDecision::Yes => {}
                RetryDecision::Stopped => return Err(Halt::Stopped),
                RetryDecision::No => break,
            }
            repeated += 1;
            self.totals.counters.rollback += 1;
            match self.once(&whole, feed, record) {
                Err(ChunkError::Refused(failure)) => refused = failure,
                committed => return Ok(committed?),
            }
        }
        let refused = self.shared.skip_rules.allows(after(refused, repeated)).map_err(Halt::Failed)?;
        if !W::CAN_ROLL_BACK && !self.shared.run.info.options.isolate {
            return Err(Halt::Failed(refused.with_note(
                "the chunk is not committed in parts, because the writer cannot roll back and items might be written twice: allow that with `isolate = allow`",
            )));
        }
        if self.shared.run.info.options.groups.is_some() {
            return Err(Halt::Failed(refused.with_note(
                "the chunk is not committed in parts, because `chunk_while` keeps its items in one commit",
            )));
        }
        if !feed.states().map_err(Halt::Failed)?.is_empty() {
            return Err(Halt::Failed(refused.with_note(
                "the chunk is not committed in parts, because the state of a processor is known only at the end of the chunk",
            )));
        }
        self.totals.counters.rollback += 1;
        self.parts(0..filled.records, filled.records, refused, feed, record)
    }

    fn once<F: Feed<In, W::Item>>(
        &mut self,
        portion: &Portion,
        feed: &mut F,
        record: &mut ChunkRecord,
    ) -> Result<bool, ChunkError> {
        self.commit_portion(portion, feed, record, &mut ChunkTimes::default(), None)
    }

    /// Commits the items of these records in two halves, because the database refused to commit all of them. The
    /// items of a single record are skipped. `end` is the number of records in the chunk.
    fn parts<F: Feed<In, W::Item>>(
        &mut self,
        records: Range<u32>,
        end: u32,
        refused: Failure,
        feed: &mut F,
        record: &mut ChunkRecord,
    ) -> Result<bool, Halt> {
        let Outputs { items: all, sources } = feed.outputs();
        let items = stemming_from(&records, sources);
        // Restore the order of the input: the writer may have arranged these items in its own order.
        Arranged::with_sources(&mut all[items.clone()], &mut sources[items.clone()]).sort_by_source();
        let sources = &sources[items.clone()];
        let middle = sources[sources.len() / 2];
        // Split between two records: the items of one record stay together.
        let between =
            if middle > sources[0] { Some(middle) } else { sources.iter().copied().find(|&it| it > middle) };
        let Some(between) = between else {
            let refused = refused.carrying((self.json)(&all[items.start]));
            let item = Skipped::Unwritten(items.start);
            self.shared.skip_rules.skip(SkipPhase::Write, middle, refused, item).map_err(Halt::Failed)?;
            let portion =
                Portion { items: items.start..items.start, ..self.portion(&records, end, feed.outputs()) };
            return Ok(self.once(&portion, feed, record)?);
        };
        let mut stop_requested = false;
        for half in [records.start..between, between..records.end] {
            let portion = self.portion(&half, end, feed.outputs());
            stop_requested |= match self.once(&portion, feed, record) {
                Err(ChunkError::Refused(failure)) => {
                    let failure = self.shared.skip_rules.allows(failure).map_err(Halt::Failed)?;
                    self.totals.counters.rollback += 1;
                    self.parts(half, end, failure, feed, record)?
                }
                committed => committed?,
            };
        }
        Ok(stop_requested)
    }

    /// The items of these records, and the counts of records that were read or filtered.
    fn portion(&self, records: &Range<u32>, end: u32, outputs: &Outputs<W::Item>) -> Portion {
        let items = stemming_from(records, &outputs.sources);
        let produced = outputs.sources[items.clone()].chunk_by(PartialEq::eq).count() as u64;
        let skips = self.shared.skip_rules.of(records);
        let skipped = |phase| skips.iter().filter(|skip| skip.phase == phase).count() as u64;
        let read = records.len() as u64 - skipped(SkipPhase::Read);
        let filtered = read - produced - skipped(SkipPhase::Process);
        Portion { items, records: records.clone(), read, filtered, is_last: records.end == end }
    }
}

/// The items that stem from these records. `sources` is in the order of the input, except within parts that the writer
/// has arranged.
fn stemming_from(records: &Range<u32>, sources: &[u32]) -> Range<usize> {
    let place = |record: u32| sources.partition_point(|&source| source < record);
    place(records.start)..place(records.end)
}
