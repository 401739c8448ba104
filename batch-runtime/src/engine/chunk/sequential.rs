//! Fills chunks on the thread of the step, and applies the skip and retry rules to faults.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::mem;

use crate::definition::{Failure, Phase, Process, Progress, Reader, Slot, States, StepListener};
use crate::engine::chunk::batch::Outputs;
use crate::engine::chunk::batch::{Fault, Filled, Repeated};
use crate::engine::chunk::checkpoint;
use crate::engine::chunk::committed_ranges::{CommittedRanges, PassError};
use crate::engine::chunk::feed::Feed;
use crate::engine::chunk::fill::Pipeline;
use crate::engine::chunk::shared::{Shared, halt};
use crate::engine::faults::locate;
use crate::engine::faults::reopen::{ReadRepeats, located, read_failure, stepped_over};
use crate::engine::faults::skip_rules::Skipped;
use crate::engine::phase::{in_phase, log_if_failed};
use crate::engine::profile::ChunkTimes;
use crate::engine::step::Halt;
use crate::repository::SkipPhase;

/// Reads and processes on the thread of the step, which also writes.
pub(crate) struct Sequential<'p, R: Reader, P: Process<R::Item>, A, const CAREFUL: bool> {
    /// `None` only while a chunk is filled or the reader is reopened.
    pipeline: Option<Pipeline<R, P, CAREFUL>>,
    /// The committed ranges ahead of the reader.
    committed_ranges: CommittedRanges,
    /// Opens the reader again.
    reopen: A,
    repeats: ReadRepeats,
    phase: &'p Cell<Phase>,
}

impl<'p, R, P, A, const CAREFUL: bool> Sequential<'p, R, P, A, CAREFUL>
where
    R: Reader,
    P: Process<R::Item>,
    A: FnMut() -> Result<R, Failure>,
{
    pub(crate) fn new(
        pipeline: Pipeline<R, P, CAREFUL>,
        committed_ranges: CommittedRanges,
        reopen: A,
        phase: &'p Cell<Phase>,
    ) -> Self {
        Self { pipeline: Some(pipeline), committed_ranges, reopen, repeats: ReadRepeats::default(), phase }
    }

    fn pipeline(&self) -> &Pipeline<R, P, CAREFUL> {
        self.pipeline.as_ref().expect("a pipeline that could not be filled ends the step")
    }
}

impl<R, P, A, const CAREFUL: bool> Feed<R::Item, P::Out> for Sequential<'_, R, P, A, CAREFUL>
where
    R: Reader,
    P: Process<R::Item>,
    A: FnMut() -> Result<R, Failure>,
{
    #[inline]
    fn fill<L: StepListener<R::Item, P::Out>>(
        &mut self,
        shared: &mut Shared<'_, '_, R::Item, L>,
        times: &mut ChunkTimes,
    ) -> Result<Filled, Halt> {
        let (mut extent, mut filled) = (shared.extent(), Filled::default());
        let mut pipeline = self.pipeline.take().expect("a pipeline that could not be filled ends the step");
        pipeline.batch.clear();
        let whole = extent;
        if !self.committed_ranges.is_empty() {
            pipeline = self.pass(pipeline, &mut filled, shared)?;
            extent = whole.cut(filled, self.committed_ranges.room());
        }
        // A bulk processor rejects records after the reader has moved past them, so keep the position where the chunk
        // begins.
        let base =
            if CAREFUL && P::BUFFERS { checkpoint::encode(&pipeline.reader.position()).ok() } else { None };
        loop {
            let result;
            (pipeline, filled, result) = match &mut times.items {
                Some(laps) => pipeline.fill_timed(extent, filled, shared.listener, shared.phase, laps),
                None => pipeline.fill(extent, filled, shared.listener, shared.phase),
            };
            match result {
                Ok(()) => break,
                Err(fault) => {
                    pipeline = self.absorb(pipeline, fault, &mut filled, shared)?;
                    extent = whole.cut(filled, self.committed_ranges.room());
                }
            }
        }
        if !self.committed_ranges.is_empty() {
            self.committed_ranges.count(filled.records::<CAREFUL>());
            if filled.ended {
                return Err(halt(shared.blame(self.committed_ranges.too_short(), Phase::Read)));
            }
        }
        if CAREFUL {
            let mut rejected = mem::take(&mut pipeline.batch.faults.rejected);
            if let Some(base) = base.filter(|_| !rejected.is_empty()) {
                let unplaced = rejected.iter_mut().map(|(source, failure)| (*source, failure));
                locate::locate(unplaced, &base, &mut self.reopen);
            }
            let mut repeated = mem::take(&mut pipeline.batch.faults.repeated);
            for Repeated { source, attempts, item } in repeated.drain(..) {
                shared
                    .notify_attempts(attempts, item.as_ref().or_else(|| pipeline.batch.faults.held(source)));
            }
            pipeline.batch.faults.repeated = repeated;
            for (source, failure) in rejected {
                let failure = shared.blame(failure, Phase::Process);
                let item = pipeline.batch.faults.take_held(source);
                log_if_failed(shared.listener.on_process_error(item.as_ref(), &failure));
                filled.skipped += 1;
                shared
                    .skip_rules
                    .skip(SkipPhase::Process, source, failure, Skipped::read(item))
                    .map_err(halt)?;
            }
        }
        self.pipeline = Some(pipeline);
        Ok(filled)
    }

    fn outputs(&mut self) -> &mut Outputs<P::Out> {
        let pipeline = self.pipeline.as_mut().expect("a pipeline that could not be filled ends the step");
        &mut pipeline.batch.outputs
    }

    fn position(&self) -> Result<String, Failure> {
        let position = self.pipeline().reader.position();
        if self.committed_ranges.is_empty() {
            return checkpoint::encode(&position);
        }
        checkpoint::encode_with_ranges(&position, &self.committed_ranges.ahead())
    }

    fn states(&self) -> Result<States, Failure> {
        let mut states = States::new();
        self.pipeline().processor.save(&mut states)?;
        Ok(states)
    }

    fn committed(&mut self) -> Result<(), Failure> {
        let phase = self.phase;
        let pipeline = self.pipeline.as_mut().expect("a pipeline that could not be filled ends the step");
        let reader = &mut pipeline.reader;
        in_phase(phase, Phase::Read, || reader.committed(&reader.position())).map_err(Failure::new)
    }

    fn progress(&self) -> Option<Progress> {
        self.pipeline().reader.progress()
    }

    fn location(&self) -> Option<String> {
        self.pipeline().reader.location()
    }

    fn places(&mut self, records: &BTreeSet<u32>, base: &str) -> BTreeMap<u32, String> {
        // The search from `base` would count the records of committed ranges too, so it works only if there are none.
        if !self.committed_ranges.is_empty() {
            return BTreeMap::new();
        }
        locate::find(records, base, &mut self.reopen)
    }
}

impl<R, P, A, const CAREFUL: bool> Sequential<'_, R, P, A, CAREFUL>
where
    R: Reader,
    P: Process<R::Item>,
    A: FnMut() -> Result<R, Failure>,
{
    /// Moves the reader past the committed range at its position.
    #[cold]
    fn pass<L: StepListener<R::Item, P::Out>>(
        &mut self,
        mut pipeline: Pipeline<R, P, CAREFUL>,
        filled: &mut Filled,
        shared: &mut Shared<'_, '_, R::Item, L>,
    ) -> Result<Pipeline<R, P, CAREFUL>, Halt> {
        loop {
            match in_phase(shared.phase, Phase::Read, || self.committed_ranges.pass(&mut pipeline.reader)) {
                Ok(()) => return Ok(pipeline),
                Err(PassError::Ended(failure)) => return Err(halt(shared.blame(failure, Phase::Read))),
                Err(PassError::Read(error)) => {
                    pipeline = self.absorb(pipeline, Fault::Read(error), filled, shared)?;
                }
            }
        }
    }

    /// Applies the rules to a fault. Returns the pipeline, ready to continue after the fault.
    #[cold]
    fn absorb<L: StepListener<R::Item, P::Out>>(
        &mut self,
        mut pipeline: Pipeline<R, P, CAREFUL>,
        fault: Fault<R::Error, R::Item>,
        filled: &mut Filled,
        shared: &mut Shared<'_, '_, R::Item, L>,
    ) -> Result<Pipeline<R, P, CAREFUL>, Halt> {
        match fault {
            Fault::Listener(failure) => Err(halt(failure)),
            Fault::Flush(failure) => {
                let failure = shared.blame(failure, Phase::Process);
                for Repeated { attempts, .. } in pipeline.batch.faults.repeated.drain(..) {
                    shared.notify_attempts(attempts, None);
                }
                log_if_failed(shared.listener.on_process_error(None, &failure));
                Err(halt(failure))
            }
            Fault::Process(failure, _) if failure.is_unreadable() => {
                let failure = stepped_over(failure, shared.run.info.options.faults);
                let failure = shared.blame(failure, Phase::Read);
                log_if_failed(shared.listener.on_read_error(&failure));
                filled.read -= 1;
                if !CAREFUL {
                    return Err(halt(failure));
                }
                pipeline.processor.put_back(Slot::Item);
                let source = filled.records - 1;
                shared.skip_rules.skip(SkipPhase::Read, source, failure, Skipped::Gone).map_err(halt)?;
                Ok(pipeline)
            }
            Fault::Process(failure, item) => {
                let failure = shared.blame(located(failure, &pipeline.reader), Phase::Process);
                if CAREFUL && P::NOTES {
                    shared.notify_attempts(pipeline.processor.take_noted(), item.as_ref());
                }
                log_if_failed(shared.listener.on_process_error(item.as_ref(), &failure));
                if !CAREFUL {
                    return Err(halt(failure));
                }
                pipeline.batch.retract();
                pipeline.processor.put_back(Slot::Item);
                filled.skipped += 1;
                let source = filled.records - 1;
                shared
                    .skip_rules
                    .skip(SkipPhase::Process, source, failure, Skipped::read(item))
                    .map_err(halt)?;
                Ok(pipeline)
            }
            Fault::Read(error) => {
                let (failure, steps_over) =
                    read_failure(error, &pipeline.reader, shared.run.info.options.faults);
                let failure = shared.blame(failure, Phase::Read);
                log_if_failed(shared.listener.on_read_error(&failure));
                if !CAREFUL {
                    return Err(halt(failure));
                }
                if !steps_over {
                    return self.read_again(pipeline, failure, shared);
                }
                let source = filled.records;
                filled.records = filled.records.saturating_add(1);
                shared.skip_rules.skip(SkipPhase::Read, source, failure, Skipped::Gone).map_err(halt)?;
                Ok(pipeline)
            }
        }
    }

    /// Reopens the reader at its position, as often as the retry rules allow.
    fn read_again<L: StepListener<R::Item, P::Out>>(
        &mut self,
        pipeline: Pipeline<R, P, CAREFUL>,
        failure: Failure,
        shared: &mut Shared<'_, '_, R::Item, L>,
    ) -> Result<Pipeline<R, P, CAREFUL>, Halt> {
        let Pipeline { reader, processor, batch } = pipeline;
        let reader = shared.read_again(&mut self.repeats, &mut Some(reader), failure, &mut self.reopen)?;
        Ok(Pipeline { reader, processor, batch })
    }
}
