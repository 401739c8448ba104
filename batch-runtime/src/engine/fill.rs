//! Receives: a reader and the processors behind it. Gives: what they make of one chunk's items.
//!
//! Every pipe gets a copy of this loop of its own: no call through a pointer, no allocation and no lock an item.

use std::cell::Cell;
use std::mem;

use super::profile::{Phases, Ticks};
use crate::definition::{Failure, Phase, Process, Reader, Sink};

/// The buffer of one chunk is never larger at first than this many items, whatever `chunk` says.
const FIRST_CAPACITY: usize = 64 * 1024;

/// The outputs of one chunk.
pub(super) struct Batch<In, P: Process<In>> {
    pub(super) items: Vec<P::Out>,
    /// The number, within the chunk, of the item that is being processed.
    source: u32,
    /// The number that something came out for last, and how many there were; counted only where processors hold items
    /// back, as else the length tells.
    last_source: Option<u32>,
    sources: u64,
}

impl<In, P: Process<In>> Batch<In, P> {
    fn with_capacity(items: usize) -> Self {
        Self { items: Vec::with_capacity(items), source: 0, last_source: None, sources: 0 }
    }

    /// Ready for the next chunk.
    pub(super) fn clear(&mut self) {
        self.items.clear();
        (self.last_source, self.sources) = (None, 0);
    }
}

impl<In, P: Process<In>> Sink<P::Out> for Batch<In, P> {
    #[inline]
    fn push(&mut self, item: P::Out) -> Result<(), Failure> {
        if P::BUFFERS && self.last_source != Some(self.source) {
            self.last_source = Some(self.source);
            self.sources += 1;
        }
        self.items.push(item);
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
}

/// What reading and processing one chunk gave.
#[derive(Default, Clone, Copy)]
pub(super) struct Filled {
    pub(super) read: u64,
    pub(super) filtered: u64,
    pub(super) ended: bool,
}

/// Why a chunk could not be filled.
pub(super) enum Fault<E> {
    Read(E),
    Process(Failure),
}

/// Notes the phase if the call it stands beside panics; costs nothing if it does not.
struct Unwinding<'p>(&'p Cell<Phase>, Phase);

impl Drop for Unwinding<'_> {
    fn drop(&mut self) {
        self.0.set(self.1);
    }
}

#[inline]
pub(super) fn noting<T>(phase: &Cell<Phase>, during: Phase, call: impl FnOnce() -> T) -> T {
    let unwinding = Unwinding(phase, during);
    let result = call();
    mem::forget(unwinding);
    result
}

/// A reader, what processes its items, and the buffer that takes them.
pub(super) struct Line<R: Reader, P: Process<R::Item>> {
    pub(super) reader: R,
    pub(super) processor: P,
    pub(super) batch: Batch<R::Item, P>,
}

impl<R: Reader, P: Process<R::Item>> Line<R, P> {
    pub(super) fn new(reader: R, processor: P, chunk: usize) -> Self {
        Self { reader, processor, batch: Batch::with_capacity(chunk.min(FIRST_CAPACITY)) }
    }

    /// Reads and processes one chunk, item by item.
    ///
    /// The line comes by value and goes back so: in locals whose address nobody else has, the compiler keeps what
    /// reader, processor and buffer count in registers. Behind a reference it writes all of it to memory for every item.
    #[inline]
    pub(super) fn fill(self, chunk: usize, phase: &Cell<Phase>) -> (Self, Result<Filled, Fault<R::Error>>) {
        let Self { mut reader, mut processor, mut batch } = self;
        let mut filled = Filled::default();
        let (mut last, limit) = (batch.items.len(), chunk as u64);
        let mut fault = None;
        while filled.read < limit {
            match noting(phase, Phase::Read, || reader.read()) {
                Ok(Some(item)) => {
                    if P::BUFFERS {
                        batch.source = source_number(filled.read);
                    }
                    filled.read += 1;
                    if let Err(failure) =
                        noting(phase, Phase::Process, || processor.process(item, &mut batch))
                    {
                        fault = Some(Fault::Process(failure));
                        break;
                    }
                    let length = batch.items.len();
                    filled.filtered += u64::from(length == last);
                    last = length;
                }
                Ok(None) => {
                    filled.ended = true;
                    break;
                }
                Err(error) => {
                    fault = Some(Fault::Read(error));
                    break;
                }
            }
        }
        let mut line = Self { reader, processor, batch };
        let result = match fault {
            Some(fault) => Err(fault),
            None => line.flush(filled, phase),
        };
        (line, result)
    }

    /// As [`fill`](Self::fill), reading the clock before and after each item is processed.
    #[inline(never)]
    pub(super) fn fill_timed(
        &mut self,
        chunk: usize,
        phase: &Cell<Phase>,
        phases: &mut Phases,
    ) -> Result<Filled, Fault<R::Error>> {
        let Self { reader, processor, batch } = self;
        let mut filled = Filled::default();
        let (mut last, limit) = (batch.items.len(), chunk as u64);
        let mut ticks = Ticks::start();
        while filled.read < limit {
            let item = noting(phase, Phase::Read, || reader.read()).map_err(Fault::Read)?;
            phases.read += ticks.lap();
            let Some(item) = item else {
                filled.ended = true;
                break;
            };
            batch.source = source_number(filled.read);
            filled.read += 1;
            noting(phase, Phase::Process, || processor.process(item, batch)).map_err(Fault::Process)?;
            let length = batch.items.len();
            filled.filtered += u64::from(length == last);
            last = length;
            phases.process += ticks.lap();
        }
        let filled = self.flush(filled, phase);
        phases.process += ticks.lap();
        filled
    }

    fn flush(&mut self, mut filled: Filled, phase: &Cell<Phase>) -> Result<Filled, Fault<R::Error>> {
        if P::BUFFERS {
            let Self { processor, batch, .. } = self;
            noting(phase, Phase::Process, || processor.flush(batch)).map_err(Fault::Process)?;
            filled.filtered = filled.read - batch.sources;
        }
        Ok(filled)
    }
}

/// The number of an item within its chunk; chunks of more than four billion items end up in one number.
#[inline]
fn source_number(read: u64) -> u32 {
    u32::try_from(read).unwrap_or(u32::MAX)
}
