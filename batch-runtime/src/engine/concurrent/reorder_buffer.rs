//! Collects the outputs of the current chunk, and puts the faults of calls in flight into the order of their
//! records.

use std::collections::VecDeque;

use crate::definition::{Failure, Sink};
use crate::engine::chunk::batch::Outputs;
use crate::repository::SkipPhase;

/// The initial capacity of a chunk's buffer is at most this many items, however large `chunk` is.
const FIRST_CAPACITY: usize = 1024;

/// Returns whether a record is before another. The numbers of records wrap around, and those in flight are
/// always less than half the range apart.
pub(crate) fn is_before(record: u32, other: u32) -> bool {
    record.wrapping_sub(other) > u32::MAX / 2
}

/// The outputs of the processors for the current chunk, and the faults.
pub(crate) struct ReorderBuffer<T, const CAREFUL: bool> {
    pub(crate) outputs: Outputs<T>,
    /// The number of the record that is being processed.
    pub(crate) source: u32,
    /// The first record of the current chunk, and the record after its last.
    first: u32,
    pub(crate) end: u32,
    last_source: Option<u32>,
    produced: u64,
    /// The faults not yet settled, in the order of their records.
    faults: VecDeque<Fault>,
}

pub(crate) struct Fault {
    pub(crate) source: u32,
    pub(crate) phase: SkipPhase,
    pub(crate) failure: Failure,
}

impl<T, const CAREFUL: bool> ReorderBuffer<T, CAREFUL> {
    pub(crate) fn new(chunk: usize) -> Self {
        let capacity = chunk.min(FIRST_CAPACITY);
        Self {
            outputs: Outputs::with_capacity(capacity, if CAREFUL { capacity } else { 0 }),
            source: 0,
            first: 0,
            end: 0,
            last_source: None,
            produced: 0,
            faults: VecDeque::new(),
        }
    }

    /// Adds a fault. Only the first fault of a record counts, since the record is not processed further.
    pub(crate) fn add_fault(&mut self, source: u32, phase: SkipPhase, failure: Failure) {
        let place = self.faults.partition_point(|fault| is_before(fault.source, source));
        if self.faults.get(place).is_none_or(|fault| fault.source != source) {
            self.faults.insert(place, Fault { source, phase, failure });
        }
    }

    /// Removes the first fault, if its record is before `settled`.
    pub(crate) fn pop_fault_before(&mut self, settled: u32) -> Option<Fault> {
        self.faults.pop_front_if(|fault| is_before(fault.source, settled))
    }

    /// Returns whether any fault is unsettled.
    pub(crate) fn has_faults(&self) -> bool {
        !self.faults.is_empty()
    }

    /// Returns the number of a record within the current chunk.
    pub(crate) fn number_in_chunk(&self, source: u32) -> u32 {
        source.wrapping_sub(self.first)
    }

    /// Begins a chunk at the record `first`.
    pub(crate) fn begin(&mut self, first: u32) {
        self.outputs.clear();
        (self.first, self.last_source, self.produced) = (first, None, 0);
    }

    /// Returns the number of records with outputs.
    pub(crate) fn produced(&self) -> u64 {
        if CAREFUL { self.outputs.sources.chunk_by(PartialEq::eq).count() as u64 } else { self.produced }
    }
}

impl<T, const CAREFUL: bool> Sink<T> for ReorderBuffer<T, CAREFUL> {
    fn push(&mut self, item: T) -> Result<(), Failure> {
        if CAREFUL {
            self.outputs.sources.push(self.number_in_chunk(self.source));
        } else if self.last_source != Some(self.source) {
            self.last_source = Some(self.source);
            self.produced += 1;
        }
        self.outputs.items.push(item);
        Ok(())
    }

    fn source(&self) -> u32 {
        self.source
    }

    fn set_source(&mut self, source: u32) {
        self.source = source;
    }

    fn reject(&mut self, failure: Failure) -> Result<(), Failure> {
        let (failed, Outputs { items, sources }) = (self.number_in_chunk(self.source), &mut self.outputs);
        let kept = sources.iter().rposition(|&source| source != failed).map_or(0, |last| last + 1);
        if CAREFUL {
            items.truncate(kept);
            sources.truncate(kept);
        }
        self.add_fault(self.source, SkipPhase::Process, failure);
        Ok(())
    }

    fn takes(&self, source: u32) -> bool {
        is_before(source, self.end)
    }
}
