//! Receives: a reader and the processors behind it. Gives: what they make of one chunk's items.
//!
//! Every pipe gets a copy of this loop of its own: no call through a pointer, no allocation and no lock an item.

use std::cell::Cell;
use std::mem;
use std::time::Instant;

use super::feed::Outputs;
use super::pause::Pause;
use super::profile::{Phases, Ticks};
use super::retry::Noted;
use crate::definition::{Failure, Phase, Process, Reader, Sink, Slot, StepInfo, StepListener};

/// The buffer of one chunk is never larger at first than this many items, whatever `chunk` says.
pub(super) const FIRST_CAPACITY: usize = 64 * 1024;

/// A chunk ends after so many records that cannot be read and are skipped, also without an item: its skips are kept until it is
/// committed.
pub(super) const MOST_UNREAD: u64 = 10_000;

/// The outputs of one chunk.
///
/// `CAREFUL` where an item may have to be told from the others, because the step skips or repeats or is listened to: each output is
/// then kept with the number of the record it stems from.
pub(super) struct Batch<In, P: Process<In>, const CAREFUL: bool> {
    pub(super) outputs: Outputs<P::Out>,
    /// What bulk processors said of single records, in their order.
    pub(super) rejected: Vec<(u32, Failure)>,
    /// Calls that were repeated, with the records they were for.
    pub(super) repeated: Vec<Repeated<In>>,
    /// Items with the numbers of their records, as long as something may be rejected that stems from them.
    left: Vec<(u32, Option<In>)>,
    /// The number of the record that is being processed.
    source: u32,
    /// The number that something came out for last, and how many there were; counted only where processors hold items
    /// back, as else the length tells.
    last_source: Option<u32>,
    produced: u64,
}

impl<In, P: Process<In>, const CAREFUL: bool> Batch<In, P, CAREFUL> {
    fn with_capacity(items: usize) -> Self {
        Self::within(Outputs::with_capacity(0, 0), items)
    }

    /// In buffers that are there already, with room for so many items.
    pub(super) fn within(mut outputs: Outputs<P::Out>, items: usize) -> Self {
        outputs.items.reserve(items);
        if CAREFUL {
            outputs.sources.reserve(items);
        }
        Self {
            outputs,
            rejected: Vec::new(),
            repeated: Vec::new(),
            left: Vec::new(),
            source: 0,
            last_source: None,
            produced: 0,
        }
    }

    /// Ready for the next chunk.
    pub(super) fn clear(&mut self) {
        self.outputs.clear();
        self.rejected.clear();
        self.repeated.clear();
        self.left.clear();
        (self.last_source, self.produced) = (None, 0);
    }

    /// Calls for the record that is being processed were repeated.
    #[cold]
    fn note(&mut self, attempts: Noted, item: Option<In>) {
        self.repeated.push(Repeated { source: self.source, attempts, item });
    }

    /// The item of a record, where it is in hand still.
    pub(super) fn left(&self, source: u32) -> Option<&In> {
        let place = self.left.iter().find(|(number, item)| *number == source && item.is_some());
        place.and_then(|(_, item)| item.as_ref())
    }

    /// The same, for good.
    pub(super) fn take_left(&mut self, source: u32) -> Option<In> {
        let place = self.left.iter_mut().find(|(number, item)| *number == source && item.is_some());
        place.and_then(|(_, item)| item.take())
    }

    /// Takes back what came out for the record that is being processed.
    pub(super) fn take_back(&mut self) {
        let Outputs { items, sources } = &mut self.outputs;
        let kept = sources.iter().rposition(|&source| source != self.source).map_or(0, |last| last + 1);
        items.truncate(kept);
        sources.truncate(kept);
    }
}

impl<In, P: Process<In>, const CAREFUL: bool> Sink<P::Out> for Batch<In, P, CAREFUL> {
    #[inline]
    fn push(&mut self, item: P::Out) -> Result<(), Failure> {
        if CAREFUL {
            self.outputs.sources.push(self.source);
        } else if P::BUFFERS && self.last_source != Some(self.source) {
            self.last_source = Some(self.source);
            self.produced += 1;
        }
        self.outputs.items.push(item);
        Ok(())
    }

    #[inline]
    fn source(&self) -> u32 {
        self.source
    }

    #[inline]
    fn set_source(&mut self, source: u32) {
        self.source = source;
    }

    fn reject(&mut self, failure: Failure) -> Result<(), Failure> {
        if !CAREFUL {
            return Err(failure);
        }
        self.take_back();
        self.rejected.push((self.source, failure));
        Ok(())
    }
}

/// What reading and processing one chunk gave.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Filled {
    /// Items that were handed out.
    pub(super) read: u64,
    /// Items that nothing came out for.
    pub(super) filtered: u64,
    /// Records of the chunk: the items, and what could not be read and was stepped over. Counted only where care is taken.
    pub(super) records: u32,
    /// Of the items, those that are skipped.
    pub(super) skipped: u64,
    /// The input is at its end.
    pub(super) ended: bool,
}

impl Filled {
    /// Its records, also where no care is taken: then all of them are items.
    pub(super) fn records<const CAREFUL: bool>(self) -> u64 {
        if CAREFUL { u64::from(self.records) } else { self.read }
    }
}

/// Calls for one record that failed and were repeated.
pub(super) struct Repeated<In> {
    pub(super) source: u32,
    /// Each with the number of the repetition.
    pub(super) attempts: Noted,
    /// The item that was read, where it is in hand still, and nobody else needs it.
    pub(super) item: Option<In>,
}

/// Why a chunk could not be filled.
pub(super) enum Fault<E, In> {
    /// Reading failed.
    Read(E),
    /// Processing the last item failed; it is there where the processors leave it.
    Process(Failure, Option<In>),
    /// Processing the chunk as a whole failed.
    Flush(Failure),
    /// A listener did not let it go on.
    Listener(Failure),
}

/// How far a chunk is filled.
#[derive(Clone, Copy)]
pub(super) struct Extent<'c> {
    /// That many items, and more where the reader keeps a group in one chunk.
    pub(super) items: u64,
    /// Never more than that.
    pub(super) most: u64,
    /// Until then by that clock, once there is an item. Looked at only where care is taken.
    pub(super) until: Option<(Instant, &'c dyn Pause)>,
}

impl<'c> Extent<'c> {
    /// Of a chunk of that step which begins now, of that many items.
    pub(super) fn of(step: &StepInfo, items: usize, clock: &'c dyn Pause) -> Self {
        let until = step.options.chunk_time.and_then(|bound| clock.now().checked_add(bound));
        let until = until.map(|until| (until, clock));
        Self { items: items as u64, most: u64::MAX, until }
    }

    /// Of a chunk that has room for so many records, where so much of it is filled: what was stepped over takes room and is no item.
    pub(super) fn cut(self, filled: Filled, room: u64) -> Self {
        let stepped_over = u64::from(filled.records).saturating_sub(filled.read);
        let most = room.saturating_sub(stepped_over);
        let items = if stepped_over < MOST_UNREAD { self.items.min(most) } else { 0 };
        Self { items, most, ..self }
    }

    /// Is its time over?
    #[inline]
    pub(super) fn is_over(self) -> bool {
        self.until.is_some_and(|(until, clock)| clock.now() >= until)
    }
}

/// Notes the phase if the call it stands beside panics; costs nothing if it does not.
struct Unwinding<'p>(&'p Cell<Phase>, Phase);

impl Drop for Unwinding<'_> {
    fn drop(&mut self) {
        self.0.set(self.1);
    }
}

thread_local! {
    static RECORD: Cell<Option<u32>> = const { Cell::new(None) };
}

/// The record that a panic on this thread was about, where it was one, since this was asked last: its number in the chunk.
pub(super) fn take_record() -> Option<u32> {
    RECORD.take()
}

/// Notes the record if the call it stands beside panics.
struct OfRecord(u64);

impl Drop for OfRecord {
    fn drop(&mut self) {
        RECORD.set(u32::try_from(self.0).ok());
    }
}

/// As [`noting`], of a call that is about one record.
#[inline]
fn noting_record<T>(phase: &Cell<Phase>, during: Phase, record: u64, call: impl FnOnce() -> T) -> T {
    let of_record = OfRecord(record);
    let result = noting(phase, during, call);
    mem::forget(of_record);
    result
}

#[inline]
pub(super) fn noting<T>(phase: &Cell<Phase>, during: Phase, call: impl FnOnce() -> T) -> T {
    let unwinding = Unwinding(phase, during);
    let result = call();
    mem::forget(unwinding);
    result
}

/// A reader, what processes its items, and the buffer that takes them.
pub(super) struct Line<R: Reader, P: Process<R::Item>, const CAREFUL: bool> {
    pub(super) reader: R,
    pub(super) processor: P,
    pub(super) batch: Batch<R::Item, P, CAREFUL>,
}

type FilledLine<R, P, const CAREFUL: bool> =
    (Line<R, P, CAREFUL>, Filled, Result<(), Fault<<R as Reader>::Error, <R as Reader>::Item>>);

impl<R: Reader, P: Process<R::Item>, const CAREFUL: bool> Line<R, P, CAREFUL> {
    pub(super) fn new(reader: R, processor: P, chunk: usize) -> Self {
        Self { reader, processor, batch: Batch::with_capacity(chunk.min(FIRST_CAPACITY)) }
    }

    /// Reads and processes one chunk, item by item; goes on from what is `filled` already.
    #[inline]
    pub(super) fn fill<L: StepListener<R::Item, P::Out>>(
        self,
        extent: Extent<'_>,
        filled: Filled,
        listener: &mut L,
        phase: &Cell<Phase>,
    ) -> FilledLine<R, P, CAREFUL> {
        self.run::<L, false>(extent, filled, listener, phase, &mut Phases::default())
    }

    /// As [`fill`](Self::fill), reading the clock before and after each item is processed.
    #[inline(never)]
    pub(super) fn fill_timed<L: StepListener<R::Item, P::Out>>(
        self,
        extent: Extent<'_>,
        filled: Filled,
        listener: &mut L,
        phase: &Cell<Phase>,
        phases: &mut Phases,
    ) -> FilledLine<R, P, CAREFUL> {
        self.run::<L, true>(extent, filled, listener, phase, phases)
    }

    /// The line comes by value and goes back so: in locals whose address nobody else has, the compiler keeps what
    /// reader, processor and buffer count in registers. Behind a reference it writes all of it to memory for every item.
    #[inline]
    fn run<L: StepListener<R::Item, P::Out>, const TIMED: bool>(
        self,
        extent: Extent<'_>,
        mut filled: Filled,
        listener: &mut L,
        phase: &Cell<Phase>,
        phases: &mut Phases,
    ) -> FilledLine<R, P, CAREFUL> {
        let Self { mut reader, mut processor, mut batch } = self;
        let mut last = batch.outputs.items.len();
        let mut ticks = TIMED.then(Ticks::start);
        let mut fault = None;
        while (filled.read < extent.items || !reader.may_end_chunk() && filled.read < extent.most)
            && !filled.ended
        {
            if CAREFUL && filled.read > 0 && reader.may_end_chunk() && extent.is_over() {
                break;
            }
            if L::HEARS_ITEMS
                && let Err(failure) = listener.before_read()
            {
                fault = Some(Fault::Listener(failure));
                break;
            }
            let record = if CAREFUL { u64::from(filled.records) } else { filled.read };
            let item = match noting_record(phase, Phase::Read, record, || reader.read()) {
                Ok(Some(item)) => item,
                Ok(None) => {
                    filled.ended = true;
                    break;
                }
                Err(error) => {
                    fault = Some(Fault::Read(error));
                    break;
                }
            };
            if let Some(ticks) = &mut ticks {
                phases.read += ticks.lap();
            }
            if CAREFUL {
                batch.source = filled.records;
                filled.records = filled.records.saturating_add(1);
                processor.hold(Slot::Item);
            } else if P::BUFFERS {
                batch.source = source_number(filled.read);
            }
            filled.read += 1;
            if L::HEARS_ITEMS {
                told(listener.after_read(&item));
                if let Err(failure) = listener.before_process(&item) {
                    fault = Some(Fault::Listener(failure));
                    break;
                }
            }
            if CAREFUL && P::LEAVES {
                let processed =
                    noting_record(phase, Phase::Process, record, || processor.process_ref(&item, &mut batch));
                if let Err(failure) = processed {
                    fault = Some(Fault::Process(failure, Some(item)));
                    break;
                }
                if P::BUFFERS {
                    batch.left.push((batch.source, Some(item)));
                    if P::NOTES && processor.has_noted() {
                        batch.note(processor.take_noted(), None);
                    }
                } else if P::NOTES && processor.has_noted() {
                    batch.note(processor.take_noted(), Some(item));
                }
            } else {
                let processed =
                    noting_record(phase, Phase::Process, record, || processor.process(item, &mut batch));
                if let Err(failure) = processed {
                    fault = Some(Fault::Process(failure, None));
                    break;
                }
                if CAREFUL && P::NOTES && processor.has_noted() {
                    batch.note(processor.take_noted(), None);
                }
            }
            let length = batch.outputs.items.len();
            filled.filtered += u64::from(length == last);
            if L::HEARS_ITEMS {
                for item in &batch.outputs.items[last..] {
                    told(listener.after_process(item));
                }
            }
            last = length;
            if let Some(ticks) = &mut ticks {
                phases.process += ticks.lap();
            }
        }
        let mut line = Self { reader, processor, batch };
        let result = match fault {
            Some(fault) => Err(fault),
            None => line.flush(&mut filled, listener, phase),
        };
        if let Some(ticks) = &mut ticks {
            phases.process += ticks.lap();
        }
        (line, filled, result)
    }

    fn flush<L: StepListener<R::Item, P::Out>>(
        &mut self,
        filled: &mut Filled,
        listener: &mut L,
        phase: &Cell<Phase>,
    ) -> Result<(), Fault<R::Error, R::Item>> {
        if !P::BUFFERS {
            return Ok(());
        }
        let Self { processor, batch, .. } = self;
        let before = batch.outputs.items.len();
        let flushed = noting(phase, Phase::Process, || processor.flush(batch));
        if CAREFUL && P::NOTES && processor.has_noted() {
            batch.note(processor.take_noted(), None);
        }
        flushed.map_err(Fault::Flush)?;
        if CAREFUL && !P::LEAVES && !batch.rejected.is_empty() {
            batch
                .left
                .extend(processor.take_returned().into_iter().map(|(source, item)| (source, Some(item))));
        }
        if L::HEARS_ITEMS {
            for item in &batch.outputs.items[before..] {
                told(listener.after_process(item));
            }
        }
        let produced = if CAREFUL {
            batch.outputs.sources.chunk_by(PartialEq::eq).count() as u64
        } else {
            batch.produced
        };
        filled.filtered = filled.read - filled.skipped - batch.rejected.len() as u64 - produced;
        Ok(())
    }
}

/// What a listener of something that has happened failed with: it is reported, and changes nothing.
pub(super) fn told(result: Result<(), Failure>) {
    if let Err(failure) = result {
        tracing::warn!(%failure, "a listener failed");
    }
}

/// The number of an item within its chunk; chunks of more than four billion items end up in one number.
#[inline]
fn source_number(read: u64) -> u32 {
    u32::try_from(read).unwrap_or(u32::MAX)
}
