//! Receives: buffers, and where to read. Gives: what the processors make of each chunk, and what failed on the way, as values.

use super::read_chunks::Supply;
use super::sync::Arc;
use super::{Buffers, Common, Done, Faulty, FromWorker, Unit, WorkersChannel};
use crate::definition::{Failure, Phase, Pipe, Process, Reader, Scope, Slot};
use crate::engine::chunk::batch::Outputs;
use crate::engine::chunk::batch::{Batch, Extent, Fault, Filled, Repeated};
use crate::engine::chunk::fill::Pipeline;
use crate::engine::faults::panic;
use crate::engine::phase::take_panicked_record;
use crate::engine::step::of_role;
use crate::repository::SkipPhase;
use std::cell::Cell;
use std::mem;

/// A thread that reads and processes chunks.
pub(super) struct Worker<'s, In, Out, X, S> {
    pub(super) common: Arc<Common<'s>>,
    pub(super) channel: WorkersChannel<In, Out, X>,
    pub(super) supply: S,
}

impl<In, Out, X, S: Supply<In, Out, X>> Worker<'_, In, Out, X, S> {
    pub(super) fn run<P: Pipe<In = In, Out = Out>, const CAREFUL: bool>(self) {
        let common = Arc::clone(&self.common);
        let own = common.own();
        let scope = Scope::of_thread(common.environment, &own, common.bindings.clone());
        match panic::catch(|| P::processor(&scope)).and_then(|opened| opened) {
            Ok(processor) => {
                self.channel.say(FromWorker::Processes(Ok(())));
                let voice = self.channel.voice().clone();
                // What is dropped between the chunks may panic too, and the chunk at hand is lost with the worker.
                if let Err(panicked) = panic::catch(|| self.work::<_, CAREFUL>(processor)) {
                    voice.say(FromWorker::Lost(common.blame(panicked, Phase::Process)));
                }
            }
            Err(failure) => {
                let failure = of_role(common.info, failure, "processor").during(Phase::Open);
                self.channel.say(FromWorker::Processes(Err(failure)));
            }
        }
    }

    fn work<P: Process<In, Out = Out>, const CAREFUL: bool>(mut self, mut processor: P) {
        while let Some(mut buffers) = self.channel.next() {
            // What was made here ends here: memory is freed where it was asked for.
            buffers.outputs.clear();
            let Some(unit) = self.supply.next(&self.channel, buffers, &self.common) else { return };
            let (done, processor_after) = self.process::<P, CAREFUL>(unit, processor);
            // After a chunk that did not come to its end nothing else is wanted.
            let (true, Some(open)) = (self.channel.say(FromWorker::Done(done)), processor_after) else {
                return;
            };
            processor = open;
        }
    }

    /// Processes a chunk. The processor is gone where the chunk did not come to its end: it may hold items of it.
    fn process<P: Process<In, Out = Out>, const CAREFUL: bool>(
        &self,
        unit: Unit<In, Out>,
        processor: P,
    ) -> (Done<In, Out>, Option<P>) {
        let Unit { number, mut buffers, mut end } = unit;
        let (mut faults, mut repeated) = (Vec::new(), Vec::new());
        let Buffers { records, unread, outputs } = &mut buffers;
        let batch = Batch::within(mem::replace(outputs, Outputs::with_capacity(0, 0)), records.len());
        let reader = Records {
            items: records.drain(..),
            handed_out: 0,
            unread: mem::take(unread).into_iter().peekable(),
            fatal: end.fatal.take(),
            has_failed: false,
            common: &self.common,
        };
        let pipeline = Pipeline::<_, _, CAREFUL> { reader, processor, batch };
        let processed = panic::catch(|| {
            pipeline
                .process_all(&mut faults, &mut repeated, |failure| self.common.blame(failure, Phase::Process))
        });
        let (filled, processor) = match processed {
            Ok(Processed { processor, outputs, filled, fatal, is_whole }) => {
                buffers.outputs = outputs;
                end.fatal = fatal;
                (filled, is_whole.then_some(processor))
            }
            Err(panicked) => {
                end.fatal = Some(self.common.blame(panicked, Phase::Process));
                end.panicked_on = take_panicked_record();
                (Filled::default(), None)
            }
        };
        (Done { number, channel: self.channel.number, buffers, filled, faults, repeated, end }, processor)
    }
}

/// The records of a chunk, read from memory.
struct Records<'c, 's, In> {
    items: std::vec::Drain<'c, In>,
    /// How many of them were handed out.
    handed_out: usize,
    /// What could not be read, and how many items stand before it.
    unread: std::iter::Peekable<std::vec::IntoIter<(usize, Failure)>>,
    /// Why nothing could be read behind the last of them.
    fatal: Option<Failure>,
    /// The last error was the end of it.
    has_failed: bool,
    common: &'c Common<'s>,
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
        if self.common.is_over() {
            return self.fail(Failure::new("the step is over"));
        }
        if let Some((_, failure)) = self.unread.next_if(|(before, _)| *before == self.handed_out) {
            return Err(failure);
        }
        self.handed_out += 1;
        match self.items.next() {
            Some(item) => Ok(Some(item)),
            None => match self.fatal.take() {
                // No end of the chunk: nothing is made of all that came before.
                Some(failure) => self.fail(failure),
                None => Ok(None),
            },
        }
    }

    fn position(&self) {}

    fn resume(&mut self, (): ()) -> Result<(), Failure> {
        Ok(())
    }
}

/// What became of a chunk without a panic.
struct Processed<P, Out> {
    processor: P,
    outputs: Outputs<Out>,
    filled: Filled,
    /// What keeps the step from going on behind it.
    fatal: Option<Failure>,
    /// It came to its end.
    is_whole: bool,
}

impl<In, P, const CAREFUL: bool> Pipeline<Records<'_, '_, In>, P, CAREFUL>
where
    P: Process<In>,
{
    /// Processes all that the reader has, and keeps what fails as values, in the order in which one thread would judge them.
    fn process_all(
        mut self,
        faults: &mut Vec<Faulty<In>>,
        repeated: &mut Vec<Repeated<In>>,
        blame: impl Fn(Failure) -> Failure,
    ) -> Processed<P, P::Out> {
        let extent = Extent { items: u64::MAX, most: u64::MAX, until: None };
        let phase = Cell::new(Phase::Process);
        let mut filled = Filled::default();
        let mut is_whole = false;
        let fatal = loop {
            let result;
            (self, filled, result) = self.fill(extent, filled, &mut (), &phase);
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
                Err(Fault::Process(failure, item)) if CAREFUL => {
                    self.batch.take_back();
                    self.processor.put_back(Slot::Item);
                    filled.skipped += 1;
                    let source = filled.records - 1;
                    if P::NOTES && self.processor.has_noted() {
                        repeated.push(Repeated { source, attempts: self.processor.take_noted(), item: None });
                    }
                    faults.push(Faulty { phase: SkipPhase::Process, source, failure: blame(failure), item });
                }
                Err(Fault::Process(failure, item)) => {
                    // Nothing is skipped here; as a fault it gets its place.
                    let source = u32::try_from(filled.read - 1).unwrap_or(u32::MAX);
                    faults.push(Faulty { phase: SkipPhase::Process, source, failure: blame(failure), item });
                    break None;
                }
                Err(Fault::Flush(failure) | Fault::Listener(failure)) => break Some(blame(failure)),
            }
        };
        if fatal.is_none() {
            for (source, failure) in mem::take(&mut self.batch.rejected) {
                filled.skipped += 1;
                let item = self.batch.take_left(source);
                faults.push(Faulty { phase: SkipPhase::Process, source, failure: blame(failure), item });
            }
        }
        repeated.append(&mut self.batch.repeated);
        let Self { processor, batch, .. } = self;
        Processed { processor, outputs: batch.outputs, filled, fatal, is_whole }
    }
}
