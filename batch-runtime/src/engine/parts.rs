//! Receives: a chunk whose commit the database refuses because of what is in it (a constraint that is checked last). Gives: it
//! committed part by part, from left to right, each with its checkpoint, without what is at fault and skipped.
//!
//! This is the one case in which a chunk is more than one transaction: a savepoint does not show what only the commit finds.

use std::ops::Range;

use super::chunk::{ChunkLoop, Portion};
use super::fill::{Filled, Line};
use super::judge::Unwritten;
use super::profile::{Measure, Phases, Watch};
use super::retry::{Again, after};
use super::step::Halt;
use crate::definition::{Arranged, Failure, Process, Reader, States, StepListener, Writer};
use crate::repository::{ChunkError, ChunkRecord, SkipPhase};

impl<In, W: Writer, L: StepListener<In, W::Item>, const CAREFUL: bool> ChunkLoop<'_, '_, In, W, L, CAREFUL> {
    /// Commits the chunk after the database refused the whole of it; true if somebody asked for a stop.
    #[cold]
    pub(super) fn commit_in_parts<R, P>(
        &mut self,
        filled: Filled,
        line: &mut Line<R, P, CAREFUL>,
        record: &mut ChunkRecord,
        mut refused: Failure,
    ) -> Result<bool, Halt>
    where
        R: Reader<Item = In>,
        P: Process<In, Out = W::Item>,
    {
        let whole = Self::whole(filled, line.batch.items.len());
        let mut repeated = 0;
        loop {
            match self.judge.retrying.again(&refused, repeated) {
                Again::Yes => {}
                Again::Stopped => return Err(Halt::Stopped),
                Again::No => break,
            }
            repeated += 1;
            self.tally.counters.rollback += 1;
            match self.once(&whole, line, record) {
                Err(ChunkError::Refused(failure)) => refused = failure,
                committed => return Ok(committed?),
            }
        }
        let refused = self.judge.allows(after(refused, repeated)).map_err(Halt::Failed)?;
        if !W::GOES_BACK && !self.run.info.options.isolate {
            return Err(Halt::Failed(refused.noting(
                "it is not committed in parts, as the writer cannot go back and items might be written twice: allow that with `isolate = allow`",
            )));
        }
        let mut states = States::new();
        line.processor.save(&mut states).map_err(Halt::Failed)?;
        if !states.is_empty() {
            return Err(Halt::Failed(refused.noting(
                "it is not committed in parts, as the state of a processor is known at the end of the chunk only",
            )));
        }
        self.tally.counters.rollback += 1;
        Arranged::with_sources(&mut line.batch.items, &mut line.batch.sources).sort_by_source();
        self.parts(0..filled.records, filled.records, refused, line, record)
    }

    fn once<R, P>(
        &mut self,
        portion: &Portion,
        line: &mut Line<R, P, CAREFUL>,
        record: &mut ChunkRecord,
    ) -> Result<bool, ChunkError>
    where
        R: Reader<Item = In>,
        P: Process<In, Out = W::Item>,
    {
        self.commit_portion(portion, line, record, &mut Watch::start(Measure::No), &mut Phases::default())
    }

    /// Commits what stems from these records, which was refused as a whole: in two halves, or without it where it is one record.
    /// `end` is the number of the chunk's records.
    fn parts<R, P>(
        &mut self,
        records: Range<u32>,
        end: u32,
        refused: Failure,
        line: &mut Line<R, P, CAREFUL>,
        record: &mut ChunkRecord,
    ) -> Result<bool, Halt>
    where
        R: Reader<Item = In>,
        P: Process<In, Out = W::Item>,
    {
        let items = stemming_from(&records, &line.batch.sources);
        let sources = &line.batch.sources[items.clone()];
        let middle = sources[sources.len() / 2];
        // Between two records: what one record gave stays together.
        let between =
            if middle > sources[0] { Some(middle) } else { sources.iter().copied().find(|&it| it > middle) };
        let Some(between) = between else {
            let json = (self.json)(&line.batch.items[items.start]);
            let item = Unwritten { index: items.start, json };
            self.judge.skip(SkipPhase::Write, middle, refused, Some(item)).map_err(Halt::Failed)?;
            let portion = Portion { items: items.start..items.start, ..self.portion(&records, end, line) };
            return Ok(self.once(&portion, line, record)?);
        };
        let mut stop_requested = false;
        for half in [records.start..between, between..records.end] {
            let portion = self.portion(&half, end, line);
            stop_requested |= match self.once(&portion, line, record) {
                Err(ChunkError::Refused(failure)) => {
                    let failure = self.judge.allows(failure).map_err(Halt::Failed)?;
                    self.tally.counters.rollback += 1;
                    self.parts(half, end, failure, line, record)?
                }
                committed => committed?,
            };
        }
        Ok(stop_requested)
    }

    /// What stems from these records, and what became of those that nothing stems from.
    fn portion<R, P>(&self, records: &Range<u32>, end: u32, line: &Line<R, P, CAREFUL>) -> Portion
    where
        R: Reader<Item = In>,
        P: Process<In, Out = W::Item>,
    {
        let items = stemming_from(records, &line.batch.sources);
        let produced = line.batch.sources[items.clone()].chunk_by(PartialEq::eq).count() as u64;
        let skips = self.judge.of(records);
        let skipped = |phase| skips.iter().filter(|skip| skip.phase == phase).count() as u64;
        let read = records.len() as u64 - skipped(SkipPhase::Read);
        let filtered = read - produced - skipped(SkipPhase::Process);
        Portion { items, records: records.clone(), read, filtered, is_last: records.end == end }
    }
}

/// The items that stem from these records; `sources` is in the order of the input.
fn stemming_from(records: &Range<u32>, sources: &[u32]) -> Range<usize> {
    let place = |record: u32| sources.partition_point(|&source| source < record);
    place(records.start)..place(records.end)
}
