//! Receives: what processors with several calls under way put out, and what fails on the way. Gives: the items of the chunk at hand,
//! and the faults in the order of the records, whenever they were found.

use std::collections::VecDeque;

use crate::definition::{Failure, Sink};
use crate::engine::chunk::batch::Outputs;
use crate::repository::SkipPhase;

/// The buffer of one chunk is never larger at first than this many items, whatever `chunk` says.
const FIRST_CAPACITY: usize = 1024;

/// Is a record before another? Numbers wrap, and what is under way is never half of all numbers apart.
pub(crate) fn is_before(record: u32, other: u32) -> bool {
    record.wrapping_sub(other) > u32::MAX / 2
}

/// What the processors have put out for the chunk at hand, and what failed.
pub(crate) struct ReorderBuffer<T, const CAREFUL: bool> {
    pub(crate) outputs: Outputs<T>,
    /// The number of the record that is being processed.
    pub(crate) source: u32,
    /// The records of the chunk at hand.
    first: u32,
    pub(crate) end: u32,
    last_source: Option<u32>,
    produced: u64,
    /// In the order of the records; not settled yet.
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

    /// One fault a record: it is not processed beyond the first.
    pub(crate) fn fault(&mut self, source: u32, phase: SkipPhase, failure: Failure) {
        let place = self.faults.partition_point(|fault| is_before(fault.source, source));
        if self.faults.get(place).is_none_or(|fault| fault.source != source) {
            self.faults.insert(place, Fault { source, phase, failure });
        }
    }

    /// The first fault of a record before that one.
    pub(crate) fn fault_before(&mut self, settled: u32) -> Option<Fault> {
        self.faults.pop_front_if(|fault| is_before(fault.source, settled))
    }

    /// Is there anything to judge?
    pub(crate) fn has_faults(&self) -> bool {
        !self.faults.is_empty()
    }

    /// The number within the chunk at hand.
    pub(crate) fn within(&self, source: u32) -> u32 {
        source.wrapping_sub(self.first)
    }

    pub(crate) fn begin(&mut self, first: u32) {
        self.outputs.clear();
        (self.first, self.last_source, self.produced) = (first, None, 0);
    }

    /// Items that something came out for.
    pub(crate) fn produced(&self) -> u64 {
        if CAREFUL { self.outputs.sources.chunk_by(PartialEq::eq).count() as u64 } else { self.produced }
    }
}

impl<T, const CAREFUL: bool> Sink<T> for ReorderBuffer<T, CAREFUL> {
    fn push(&mut self, item: T) -> Result<(), Failure> {
        if CAREFUL {
            self.outputs.sources.push(self.within(self.source));
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
        let (failed, Outputs { items, sources }) = (self.within(self.source), &mut self.outputs);
        let kept = sources.iter().rposition(|&source| source != failed).map_or(0, |last| last + 1);
        if CAREFUL {
            items.truncate(kept);
            sources.truncate(kept);
        }
        self.fault(self.source, SkipPhase::Process, failure);
        Ok(())
    }

    fn takes(&self, source: u32) -> bool {
        is_before(source, self.end)
    }
}
