//! A worker thread: reads and processes chunks, and returns each with its outputs and faults as values.

use std::cell::Cell;
use std::mem;

use super::messages::{Buffers, Faulty, FromWorker, ProcessedChunk, ReadChunk, WorkerChannel};
use super::read_chunks::Supply;
use super::shared_state::SharedState;
use super::sync::Arc;
use crate::definition::{Failure, Phase, Pipe, Process, Reader, Scope, Slot, StepInfo};
use crate::engine::chunk::batch::Outputs;
use crate::engine::chunk::batch::{Batch, Extent, Fault, Filled, Repeated};
use crate::engine::chunk::fill::Pipeline;
use crate::engine::faults::panic;
use crate::engine::faults::reopen::stepped_over;
use crate::engine::phase::take_panicked_record;
use crate::engine::profile::{Activity, LaneWatch, Laps};
use crate::engine::step::of_role;
use crate::observe::spans;
use crate::repository::SkipPhase;

/// Opens the processors of a thread, or of a lane that processes a chunk itself.
pub(super) fn open_processor<'s, P: Pipe>(
    step: &'static StepInfo,
    scope: &Scope<'s>,
) -> Result<impl Process<P::In, Out = P::Out> + 's + use<'s, P>, Failure> {
    let opened = panic::catch(|| P::processor(scope)).and_then(|opened| opened);
    opened.map_err(|failure| of_role(step, failure, "processor").during(Phase::Open))
}

/// A thread that reads and processes chunks.
pub(super) struct Worker<'s, In, Out, X, S> {
    pub(super) state: Arc<SharedState<'s>>,
    pub(super) channel: WorkerChannel<In, Out, X>,
    pub(super) supply: S,
}

impl<In, Out, X, S: Supply<In, Out, X>> Worker<'_, In, Out, X, S> {
    pub(super) fn run<P: Pipe<In = In, Out = Out>, const CAREFUL: bool>(self) {
        let state = Arc::clone(&self.state);
        let own = state.own();
        let scope = Scope::of_thread(state.environment, &own, state.bindings.clone());
        match open_processor::<P>(state.info, &scope) {
            Ok(processor) => {
                self.channel.send(FromWorker::ProcessorsOpened(Ok(())));
                let sender = self.channel.sender().clone();
                // Dropping items between chunks may panic too. The current chunk is then lost with the worker.
                if let Err(panicked) = panic::catch(|| self.work::<_, CAREFUL>(processor)) {
                    sender.send(FromWorker::Lost(state.blame(panicked, Phase::Process)));
                }
            }
            Err(failure) => {
                self.channel.send(FromWorker::ProcessorsOpened(Err(failure)));
            }
        }
    }

    fn work<P: Process<In, Out = Out>, const CAREFUL: bool>(mut self, mut processor: P) {
        let state = Arc::clone(&self.state);
        let mut lane = LaneWatch::start(&state.lanes);
        loop {
            let mut times = lane.profiler.next(state.detail());
            let Some(mut buffers) = self.channel.next_buffers() else { return };
            // The outputs are dropped on the thread that allocated them.
            buffers.outputs.clear();
            times.book(Activity::Wait);
            let Some(read_chunk) = self.supply.next(&self.channel, buffers, &state, &mut times) else {
                return;
            };
            let number = self.channel.number;
            let (done, processor_after) =
                process::<_, P, CAREFUL>(&state, number, read_chunk, processor, &mut times.items);
            times.book(Activity::Process);
            lane.profiler.add(&times);
            // After a chunk that was not processed to its end, the step takes no more chunks.
            let (true, Some(open)) = (self.channel.send(FromWorker::Processed(done)), processor_after) else {
                return;
            };
            processor = open;
        }
    }
}

/// Processes a chunk for the lane with this number. If the chunk is not processed to its end, returns no
/// processor, because the processor may still hold items of the chunk. Times each processor if there are laps.
pub(super) fn process<In, P: Process<In>, const CAREFUL: bool>(
    state: &SharedState<'_>,
    lane: usize,
    read_chunk: ReadChunk<In, P::Out>,
    processor: P,
    laps: &mut Option<Laps>,
) -> (ProcessedChunk<In, P::Out>, Option<P>) {
    let ReadChunk { number, mut buffers, mut end } = read_chunk;
    let _inside = spans::chunk(number);
    let (mut faults, mut repeated) = (Vec::new(), Vec::new());
    let Buffers { records, unread, outputs, used } = &mut buffers;
    let batch = Batch::within(mem::replace(outputs, Outputs::with_capacity(0, 0)), records.len());
    let reader = Records {
        items: records.drain(..),
        returned: 0,
        unread: mem::take(unread).into_iter().peekable(),
        fatal: end.fatal.take(),
        has_failed: false,
        used: used.as_mut(),
        state,
    };
    let pipeline = Pipeline::<_, _, CAREFUL> { reader, processor, batch };
    let processed = panic::catch(|| {
        let unreadable = |failure| state.blame(stepped_over(failure, state.info.options.faults), Phase::Read);
        let blame = |failure| state.blame(failure, Phase::Process);
        pipeline.process_all(&mut faults, &mut repeated, blame, unreadable, laps.as_mut())
    });
    let (filled, processor) = match processed {
        Ok(Processed { processor, outputs, filled, fatal, is_whole }) => {
            buffers.outputs = outputs;
            end.fatal = fatal;
            (filled, is_whole.then_some(processor))
        }
        Err(panicked) => {
            end.fatal = Some(state.blame(panicked, Phase::Process));
            end.panicked_on = take_panicked_record();
            (Filled::default(), None)
        }
    };
    (ProcessedChunk { number, lane, buffers, filled, faults, repeated, end }, processor)
}

/// The records of a chunk, read from memory.
struct Records<'c, 's, In> {
    items: std::vec::Drain<'c, In>,
    /// The number of items returned.
    returned: usize,
    /// The records that could not be read, each with the number of items before it.
    unread: std::iter::Peekable<std::vec::IntoIter<(usize, Failure)>>,
    /// Why nothing could be read after the last of these records.
    fatal: Option<Failure>,
    /// True if the last error ends the chunk.
    has_failed: bool,
    /// Collects the processed items, if the reader reuses their memory.
    used: Option<&'c mut Vec<In>>,
    state: &'c SharedState<'s>,
}

impl<In> Records<'_, '_, In> {
    #[cold]
    fn fail(&mut self, failure: Failure) -> Result<Option<In>, Failure> {
        self.has_failed = true;
        Err(failure)
    }
}

impl<In> Reader for Records<'_, '_, In> {
    type Item = In;
    type Position = ();
    type Error = Failure;

    #[inline]
    fn read(&mut self) -> Result<Option<In>, Failure> {
        if self.state.is_cancelled() {
            return self.fail(Failure::new("the step has ended"));
        }
        if let Some((_, failure)) = self.unread.next_if(|(before, _)| *before == self.returned) {
            return Err(failure);
        }
        self.returned += 1;
        match self.items.next() {
            Some(item) => Ok(Some(item)),
            None => match self.fatal.take() {
                // Return an error and not the end of the chunk, so that buffered items are not flushed.
                Some(failure) => self.fail(failure),
                None => Ok(None),
            },
        }
    }

    const RECYCLES: bool = true;

    #[inline]
    fn recycle(&mut self, item: In) {
        if let Some(used) = &mut self.used {
            used.push(item);
        }
    }

    fn position(&self) {}

    fn resume(&mut self, (): ()) -> Result<(), Failure> {
        Ok(())
    }
}

/// The result of a chunk that was processed without a panic.
struct Processed<P, Out> {
    processor: P,
    outputs: Outputs<Out>,
    filled: Filled,
    /// Why the step cannot go on after this chunk.
    fatal: Option<Failure>,
    /// True if the chunk was processed to its end.
    is_whole: bool,
}

impl<In, P, const CAREFUL: bool> Pipeline<Records<'_, '_, In>, P, CAREFUL>
where
    P: Process<In>,
{
    /// Processes all records of the chunk. Collects the faults in the order in which a single thread would
    /// settle them.
    fn process_all(
        mut self,
        faults: &mut Vec<Faulty<In>>,
        repeated: &mut Vec<Repeated<In>>,
        blame: impl Fn(Failure) -> Failure,
        unreadable: impl Fn(Failure) -> Failure,
        mut laps: Option<&mut Laps>,
    ) -> Processed<P, P::Out> {
        let extent = Extent { items: u64::MAX, max_items: u64::MAX, until: None };
        let phase = Cell::new(Phase::Process);
        let mut filled = Filled::default();
        let mut is_whole = false;
        let fatal = loop {
            let result;
            (self, filled, result) = match laps.as_deref_mut() {
                Some(laps) => self.fill_timed(extent, filled, &mut (), &phase, laps),
                None => self.fill(extent, filled, &mut (), &phase),
            };
            match result {
                Ok(()) => {
                    is_whole = true;
                    break None;
                }
                Err(Fault::Read(failure)) if self.reader.has_failed => break Some(failure),
                Err(Fault::Read(failure)) => {
                    let (phase, source) = (SkipPhase::Read, filled.records);
                    faults.push(Faulty { phase, source, failure, item: None });
                    filled.records = filled.records.saturating_add(1);
                }
                Err(Fault::Process(failure, _)) if failure.is_unreadable() => {
                    filled.read -= 1;
                    self.processor.put_back(Slot::Item);
                    let failure = unreadable(failure);
                    // A step that skips nothing does not count its records.
                    let source = if CAREFUL {
                        filled.records - 1
                    } else {
                        u32::try_from(filled.read).unwrap_or(u32::MAX)
                    };
                    faults.push(Faulty { phase: SkipPhase::Read, source, failure, item: None });
                    if !CAREFUL {
                        break None;
                    }
                }
                Err(Fault::Process(failure, item)) if CAREFUL => {
                    self.batch.retract();
                    self.processor.put_back(Slot::Item);
                    filled.skipped += 1;
                    let source = filled.records - 1;
                    if P::NOTES && self.processor.has_noted() {
                        repeated.push(Repeated { source, attempts: self.processor.take_noted(), item: None });
                    }
                    faults.push(Faulty { phase: SkipPhase::Process, source, failure: blame(failure), item });
                }
                Err(Fault::Process(failure, item)) => {
                    // The step skips nothing, but only a fault with a number lets the step's thread look up the place
                    // of the record.
                    let source = u32::try_from(filled.read - 1).unwrap_or(u32::MAX);
                    faults.push(Faulty { phase: SkipPhase::Process, source, failure: blame(failure), item });
                    break None;
                }
                Err(Fault::Flush(failure) | Fault::Listener(failure)) => break Some(blame(failure)),
            }
        };
        if fatal.is_none() {
            for (source, failure) in mem::take(&mut self.batch.faults.rejected) {
                filled.skipped += 1;
                let item = self.batch.faults.take_held(source);
                faults.push(Faulty { phase: SkipPhase::Process, source, failure: blame(failure), item });
            }
        }
        repeated.append(&mut self.batch.faults.repeated);
        let Self { processor, batch, .. } = self;
        Processed { processor, outputs: batch.outputs, filled, fatal, is_whole }
    }
}
