//! Hands the workers' chunks to the chunk loop, one by one.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::ops::Range;

use super::messages::{Buffers, ChunkEnd, Faulty, FromWorker, ProcessedChunk, StepChannels};
use super::read_chunks::ReaderHandle;
use super::reorder_buffer::{Committed, InOrder};
use super::shared_state::SharedState;
use super::sync::Arc;
use crate::definition::{Failure, Phase, Progress, Reader, States, StepListener};
use crate::engine::chunk::batch::Outputs;
use crate::engine::chunk::batch::{Filled, Repeated};
use crate::engine::chunk::checkpoint;
use crate::engine::chunk::committed_ranges::CommittedRanges;
use crate::engine::chunk::feed::Feed;
use crate::engine::chunk::shared::{Shared, halt};
use crate::engine::chunk::watermark::Watermark;
use crate::engine::faults::locate;
use crate::engine::faults::skip_rules::Skipped;
use crate::engine::phase::log_if_failed;
use crate::engine::profile::{Activity, ChunkTimes};
use crate::engine::step::{Halt, blame};
use crate::repository::SkipPhase;

/// The order in which chunks are committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The order of the input.
    OfInput,
    /// The order in which the chunks are done.
    AsDone,
}

/// The feed that takes its chunks from the workers.
pub(super) struct Threaded<'e, In, Out, R, H: ReaderHandle<R>, A> {
    state: Arc<SharedState<'e>>,
    /// Dropped before `reader`, so that no worker holds the reader while it waits for an answer.
    channels: StepChannels<In, Out, H::Request>,
    reader: H,
    /// Opens another reader: for a worker, or to find the place of a fault.
    reopen: A,
    order: Order,
    chunks: InOrder<ProcessedChunk<In, Out>>,
    /// The number of chunks taken.
    taken: u64,
    committed: Committed<Buffers<In, Out>>,
    /// The chunk taken last.
    current: Current<In, Out>,
    /// The chunk taken before it, if that one is not committed yet.
    aside: Option<Current<In, Out>>,
    /// A failure that was noticed when nobody waited for a chunk.
    failed: Option<Failure>,
    /// The committed ranges, if a single position does not describe them.
    watermark: Option<Watermark>,
    phase: &'e Cell<Phase>,
}

/// Buffers are withheld while a committed chunk is more than this many chunks ahead of the first uncommitted one.
const MAX_AHEAD: u64 = 1024;

/// The current chunk.
struct Current<In, Out> {
    number: u64,
    /// The number of the lane that owns the buffers.
    lane: usize,
    buffers: Buffers<In, Out>,
    /// The encoded positions of the reader before and after the chunk.
    begin: String,
    position: String,
    /// The records of the chunk; `None` once they are committed.
    records: Option<Range<u64>>,
    progress: Option<Progress>,
    /// The place of the chunk's last record.
    location: Option<String>,
}

impl<In, Out> Current<In, Out> {
    fn none() -> Self {
        Self {
            number: 0,
            lane: 0,
            buffers: Buffers::new(),
            begin: String::new(),
            position: String::new(),
            records: None,
            progress: None,
            location: None,
        }
    }
}

impl<'e, In, Out, R, H, A> Threaded<'e, In, Out, R, H, A>
where
    R: Reader<Item = In>,
    H: ReaderHandle<R>,
    A: FnMut() -> Result<R, Failure>,
{
    pub(super) fn new(
        state: Arc<SharedState<'e>>,
        channels: StepChannels<In, Out, H::Request>,
        reader: H,
        reopen: A,
        phase: &'e Cell<Phase>,
    ) -> Self {
        Self {
            state,
            channels,
            reader,
            reopen,
            order: Order::OfInput,
            chunks: InOrder::new(),
            taken: 0,
            committed: Committed::new(MAX_AHEAD),
            current: Current::none(),
            aside: None,
            failed: None,
            watermark: None,
            phase,
        }
    }

    /// Waits until every thread has opened its components. If several fail, the reader's failure is returned.
    ///
    /// `start` is where the reader starts; if it is `None`, the reader's thread reports where.
    pub(super) fn wait_until_ready(
        mut self,
        threads: usize,
        mut start: Option<(String, CommittedRanges)>,
        order: Order,
    ) -> Result<Self, Halt> {
        let (mut unread, mut unprocessed) = (None, None);
        let mut answers = 0;
        while answers < threads {
            match self.channels.recv() {
                Some(FromWorker::ReaderOpened(Ok(opened))) => start = Some(opened),
                Some(FromWorker::ReaderOpened(Err(failure))) => unread = Some(failure),
                Some(FromWorker::ProcessorsOpened(Ok(()))) => {}
                Some(FromWorker::ProcessorsOpened(Err(failure))) => unprocessed = Some(failure),
                Some(message) => {
                    self.handle(message).map_err(halt)?;
                    continue;
                }
                None => return Err(Halt::Failed(gone())),
            }
            answers += 1;
        }
        if let Some(failure) = unread.or(unprocessed) {
            return Err(Halt::Failed(failure));
        }
        let (position, committed_ranges) =
            start.expect("a reader thread reports its position or its failure");
        if order == Order::AsDone || !committed_ranges.is_empty() {
            self.watermark = Some(Watermark::new(position.clone(), &committed_ranges));
        }
        self.current.position = position;
        self.order = order;
        Ok(self)
    }

    fn handle(&mut self, message: FromWorker<In, Out, H::Request>) -> Result<(), Failure> {
        match message {
            FromWorker::Processed(done) => self.chunks.insert(done.number, done),
            FromWorker::NotifyFailed(failure) => return Err(blame(self.state.info, failure, Phase::Read)),
            FromWorker::Lost(failure) => return Err(failure),
            FromWorker::Request(request) => self.reader.answer(request, &mut self.reopen),
            FromWorker::ReaderOpened(_) | FromWorker::ProcessorsOpened(_) => {}
        }
        Ok(())
    }

    /// Adds the place of the record to the failure of a panic.
    #[cold]
    fn locate_panic(&mut self, failure: Failure, record: Option<u32>, begin: &str) -> Failure {
        let (Some(record), true) = (record, failure.is_panic()) else { return failure };
        let phase = failure.phase().unwrap_or(Phase::Process);
        match locate::of_panic(phase, record, |record| match (record, self.order) {
            (Some(record), _) => locate::find_one(record, begin, &mut self.reopen),
            (None, Order::OfInput) => self.current.location.clone(),
            // The chunk taken last need not precede this one in the input.
            (None, Order::AsDone) => None,
        }) {
            Some(place) => failure.at(place),
            None => failure,
        }
    }

    /// Waits for the next chunk to commit.
    fn next_chunk(&mut self) -> Result<ProcessedChunk<In, Out>, Failure> {
        loop {
            if let Some(failure) = self.failed.take() {
                return Err(failure);
            }
            let taken = self.taken;
            let done = match self.order {
                Order::OfInput => self.chunks.pop(),
                Order::AsDone => self.chunks.pop_any(|done| done.is_taken_after(taken)),
            };
            if let Some(done) = done {
                self.taken += 1;
                return Ok(done);
            }
            let message = self.channels.recv().ok_or_else(gone)?;
            self.handle(message)?;
        }
    }

    /// The chunk that [`next_chunk`](Self::next_chunk) would return without waiting.
    fn arrived(&mut self) -> Option<&ProcessedChunk<In, Out>> {
        while self.failed.is_none()
            && let Some(message) = self.channels.try_recv()
        {
            self.failed = self.handle(message).err();
        }
        if self.failed.is_some() {
            return None;
        }
        let taken = self.taken;
        match self.order {
            Order::OfInput => self.chunks.peek(),
            Order::AsDone => self.chunks.peek_any(|done| done.is_taken_after(taken)),
        }
    }

    /// Notes that a chunk is committed, and returns its buffers.
    fn note_committed(&mut self, chunk: &mut Current<In, Out>) -> Result<(), Failure> {
        if let (Some(watermark), Some(records)) = (&mut self.watermark, chunk.records.take()) {
            watermark.commit(records, Some(&chunk.position));
        }
        let first = self.committed.insert(chunk.number);
        self.reader.committed(first)?;
        // The worker that made the items drops them.
        let buffers = mem::replace(&mut chunk.buffers, Buffers::new());
        for (lane, buffers) in self.committed.release(chunk.number, chunk.lane, buffers) {
            self.channels.return_buffers(lane, buffers);
        }
        Ok(())
    }
}

impl<In, Out, R, H: ReaderHandle<R>, A> Drop for Threaded<'_, In, Out, R, H, A> {
    fn drop(&mut self) {
        // The channels, dropped next, tell the workers to leave.
        self.state.give_up.give_up();
        self.state.wake_lanes();
    }
}

#[cold]
fn gone() -> Failure {
    Failure::new("a thread of the step ended before its work was done")
}

impl<In, Out, R, H, A> Feed<In, Out> for Threaded<'_, In, Out, R, H, A>
where
    R: Reader<Item = In>,
    H: ReaderHandle<R>,
    A: FnMut() -> Result<R, Failure>,
{
    fn fill<L: StepListener<In, Out>>(
        &mut self,
        shared: &mut Shared<'_, '_, In, L>,
        times: &mut ChunkTimes,
    ) -> Result<Filled, Halt> {
        let done = self.next_chunk().map_err(|failure| {
            self.phase.set(Phase::Read);
            halt(failure)
        })?;
        times.book(Activity::Wait);
        shared.notify_retries::<Out>();
        let mut faults = done.faults;
        // The shared reader is far ahead by now, so the places are looked up with another reader.
        let unplaced = faults.iter_mut().map(|faulty| (faulty.source, &mut faulty.failure));
        locate::locate(unplaced, &done.end.begin, &mut self.reopen);
        let fatal =
            done.end.fatal.map(|failure| self.locate_panic(failure, done.end.panicked_on, &done.end.begin));
        for Repeated { source, attempts, item } in done.repeated {
            let failed = faults.iter().find(|faulty| faulty.source == source);
            shared.notify_attempts(attempts, item.as_ref().or_else(|| failed?.item.as_ref()));
        }
        for Faulty { phase, source, failure, item } in faults {
            match phase {
                SkipPhase::Read => log_if_failed(shared.listener.on_read_error(&failure)),
                _ => log_if_failed(shared.listener.on_process_error(item.as_ref(), &failure)),
            }
            self.phase.set(if phase == SkipPhase::Read { Phase::Read } else { Phase::Process });
            shared.skip_rules.skip(phase, source, failure, Skipped::read(item)).map_err(halt)?;
        }
        if let Some(failure) = fatal {
            let phase = failure.phase().unwrap_or(Phase::Process);
            self.phase.set(phase);
            match phase {
                _ if failure.is_panic() => {}
                Phase::Read => log_if_failed(shared.listener.on_read_error(&failure)),
                _ => log_if_failed(shared.listener.on_process_error(None, &failure)),
            }
            return Err(halt(failure));
        }
        let ChunkEnd { begin, position, progress, location, records, ended, .. } = done.end;
        let ProcessedChunk { number, lane, buffers, filled, .. } = done;
        let records = Some(records);
        self.current = Current { number, lane, buffers, begin, position, records, progress, location };
        // The workers read and process. This thread has only handled the chunk's faults since it took the chunk.
        times.book(Activity::Process);
        Ok(Filled { ended, ..filled })
    }

    fn outputs(&mut self) -> &mut Outputs<Out> {
        &mut self.current.buffers.outputs
    }

    fn position(&self) -> Result<String, Failure> {
        let Current { position, records, .. } = &self.current;
        match (&self.watermark, records) {
            (None, _) => Ok(position.clone()),
            (Some(watermark), None) => watermark.text(),
            (Some(watermark), Some(records)) => watermark.text_with(records.clone(), Some(position)),
        }
    }

    fn base<'a>(&'a self, _last: &'a str) -> &'a str {
        &self.current.begin
    }

    fn position_after(&self, records: u32, last: &str) -> Result<String, Failure> {
        match (&self.watermark, &self.current.records) {
            (Some(watermark), Some(all)) => {
                watermark.text_with(all.start..all.start + u64::from(records), None)
            }
            _ => checkpoint::ahead_of(last, records),
        }
    }

    fn states(&self) -> Result<States, Failure> {
        // Processors that run on several threads have no state.
        Ok(States::new())
    }

    fn committed(&mut self) -> Result<(), Failure> {
        let mut chunk = mem::replace(&mut self.current, Current::none());
        let noted = self.note_committed(&mut chunk);
        self.current = chunk;
        noted
    }

    const CAN_PUT_ASIDE: bool = true;

    fn is_next_clean(&mut self) -> bool {
        self.arrived().is_some_and(|done| {
            done.filled.read > 0
                && done.faults.is_empty()
                && done.repeated.is_empty()
                && done.end.fatal.is_none()
        })
    }

    fn put_aside(&mut self) {
        self.aside = Some(mem::replace(&mut self.current, Current::none()));
    }

    fn aside_committed(&mut self) -> Result<(), Failure> {
        self.aside.take().map_or(Ok(()), |mut chunk| self.note_committed(&mut chunk))
    }

    fn swap_aside(&mut self) {
        if let Some(aside) = &mut self.aside {
            mem::swap(aside, &mut self.current);
        }
    }

    fn take_up_aside(&mut self) {
        if let Some(aside) = self.aside.take() {
            self.current = aside;
        }
    }

    fn close(&mut self) -> Result<(), Failure> {
        self.channels.close();
        self.state.wake_lanes();
        self.reader.release();
        while let Some(message) = self.channels.recv() {
            if let FromWorker::NotifyFailed(failure) | FromWorker::Lost(failure) = message {
                return Err(failure);
            }
        }
        self.reader.close()
    }

    fn progress(&self) -> Option<Progress> {
        self.current.progress
    }

    fn location(&self) -> Option<String> {
        self.current.location.clone()
    }

    fn places(&mut self, records: &BTreeSet<u32>, _base: &str) -> BTreeMap<u32, String> {
        locate::find(records, &self.current.begin, &mut self.reopen)
    }
}
