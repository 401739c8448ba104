//! The messages between the threads of a step, such as a chunk on its way from the reader to the commit.

use std::ops::Range;

use super::channels::{StepSide, WorkerSide};
use crate::definition::{Failure, Progress};
use crate::engine::chunk::batch::{Filled, Outputs, Repeated};
use crate::engine::chunk::committed_ranges::CommittedRanges;
use crate::repository::SkipPhase;

/// The buffers of one chunk, which travel between a worker and the step's thread.
pub(crate) struct Buffers<In, Out> {
    /// The items read.
    pub(super) records: Vec<In>,
    /// The failures of records that were stepped over, each with the number of items before it.
    pub(super) unread: Vec<(usize, Failure)>,
    /// The outputs of the processors.
    pub(super) outputs: Outputs<Out>,
    /// The processed items, if the reader reuses their memory.
    pub(super) used: Option<Vec<In>>,
}

impl<In, Out> Buffers<In, Out> {
    pub(super) fn new() -> Self {
        Self { records: Vec::new(), unread: Vec::new(), outputs: Outputs::with_capacity(0, 0), used: None }
    }
}

/// A chunk after it is read.
pub(crate) struct ReadChunk<In, Out> {
    pub(super) number: u64,
    pub(super) buffers: Buffers<In, Out>,
    pub(super) end: ChunkEnd,
}

/// The reader's state after a chunk.
#[derive(Default)]
pub(crate) struct ChunkEnd {
    /// The records of the chunk, counted from where the step resumed.
    pub(super) records: Range<u64>,
    /// The failure that ended the chunk. If it was a panic, the number of the record that was being read or
    /// processed.
    pub(super) fatal: Option<Failure>,
    pub(super) panicked_on: Option<u32>,
    pub(super) ended: bool,
    /// The encoded positions of the reader before and after the chunk.
    pub(super) begin: String,
    pub(super) position: String,
    pub(super) progress: Option<Progress>,
    /// The place of the chunk's last record.
    pub(super) location: Option<String>,
}

impl ChunkEnd {
    pub(super) fn of(failure: Failure) -> Self {
        Self { fatal: Some(failure), ..Self::default() }
    }
}

/// A record that could not be read or processed.
pub(crate) struct Faulty<In> {
    pub(super) phase: SkipPhase,
    pub(super) source: u32,
    pub(super) failure: Failure,
    /// The item read, if it is still held.
    pub(super) item: Option<In>,
}

/// A chunk after it is processed.
pub(crate) struct ProcessedChunk<In, Out> {
    pub(super) number: u64,
    /// The number of the lane that owns the buffers. Each worker thread is a lane.
    pub(super) lane: usize,
    pub(super) buffers: Buffers<In, Out>,
    pub(super) filled: Filled,
    /// The faults, in the order in which the skip rules are applied to them.
    pub(super) faults: Vec<Faulty<In>>,
    /// The calls that were retried.
    pub(super) repeated: Vec<Repeated<In>>,
    pub(super) end: ChunkEnd,
}

impl<In, Out> ProcessedChunk<In, Out> {
    /// Returns whether the chunk may be taken out of order, after `taken` others: the chunk at the end of the input comes
    /// last, because it ends the step.
    pub(super) fn is_taken_after(&self, taken: u64) -> bool {
        !self.end.ended || self.number == taken
    }
}

/// A message from a worker or the reader's thread to the thread of the step.
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all messages are chunks, and the box of each would be freed on another thread"
)]
pub(crate) enum FromWorker<In, Out, X> {
    /// The reader is open, at this position and with these committed ranges ahead of it; or it could not be opened.
    ReaderOpened(Result<(String, CommittedRanges), Failure>),
    /// A worker has opened its processors, or could not.
    ProcessorsOpened(Result<(), Failure>),
    Processed(ProcessedChunk<In, Out>),
    /// The reader failed when it was notified of a commit.
    NotifyFailed(Failure),
    /// A worker panicked between chunks, and its current chunk is lost.
    Lost(Failure),
    /// A worker requests something.
    Request(X),
}

/// A worker's side of the channels.
pub(crate) type WorkerChannel<In, Out, X> = WorkerSide<Buffers<In, Out>, FromWorker<In, Out, X>>;
/// The step's side of the channels.
pub(super) type StepChannels<In, Out, X> = StepSide<Buffers<In, Out>, FromWorker<In, Out, X>>;
