//! Fills chunks while several calls of the processors are in flight, with the same result as with one call
//! after another.
//!
//! Items are read ahead as far as the windows of the processors reach, across the ends of chunks. The reader
//! alone decides which records are read and where a chunk ends. A fault is kept with the number of its record
//! until everything before it is done, and the rules are applied then: items read ahead are never counted.

mod reading;

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::task::{Context, Waker};
use std::thread;
use std::time::Duration;

use super::read_ahead::{Blocked, ChunkAhead, ReaderPosition};
use crate::definition::{Failure, Phase, Process, Progress, Reader, Slot, States, StepListener};
use crate::engine::chunk::batch::{Extent, Filled, Outputs};
use crate::engine::chunk::checkpoint;
use crate::engine::chunk::committed_ranges::CommittedRanges;
use crate::engine::chunk::feed::Feed;
use crate::engine::chunk::fill::Pipeline;
use crate::engine::chunk::shared::{Shared, halt};
use crate::engine::concurrent::reorder_buffer::{Fault, ReorderBuffer, is_before};
use crate::engine::concurrent::waker::StepWaker;
use crate::engine::faults::locate;
use crate::engine::faults::reopen::ReadRepeats;
use crate::engine::faults::retry::Noted;
use crate::engine::faults::skip_rules::Skipped;
use crate::engine::phase::{in_phase, log_if_failed};
use crate::engine::profile::{Activity, ChunkTimes};
use crate::engine::step::{Halt, StepRun};
use crate::repository::SkipPhase;

/// How often a thread that waits for a call checks whether the job was asked to stop.
const STOP_CHECK: Duration = Duration::from_millis(20);

/// Starts the processors' threads, runs `work`, and ends the threads after it.
pub(crate) fn with_workers<R, P, A, T, const CAREFUL: bool>(
    run: &StepRun<'_>,
    feed: Concurrent<'_, R, P, A, CAREFUL>,
    work: impl FnOnce(Concurrent<'_, R, P, A, CAREFUL>) -> Result<T, Halt>,
) -> Result<T, Halt>
where
    R: Reader,
    P: Process<R::Item>,
    A: FnMut() -> Result<R, Failure>,
{
    thread::scope(|threads| {
        // `work` must drop the feed, even when it panics. Otherwise the scope would wait for threads that wait for
        // items.
        let mut feed = feed;
        feed.processor
            .start(threads)
            .map_err(|failure| Halt::Failed(run.of_role(failure, "processor").during(Phase::Open)))?;
        work(feed)
    })
}

/// Reads ahead, and keeps the calls of several items in flight.
pub(crate) struct Concurrent<'p, R: Reader, P: Process<R::Item>, A, const CAREFUL: bool> {
    /// `None` only while the reader is being reopened.
    reader: Option<R>,
    processor: P,
    reorder_buffer: ReorderBuffer<P::Out, CAREFUL>,
    /// The current chunk, and those read ahead.
    chunks: VecDeque<ChunkAhead<R::Position>>,
    /// The position of the reader after the chunk that was filled last.
    position: ReaderPosition<R::Position>,
    /// The committed ranges ahead of the reader.
    committed_ranges: CommittedRanges,
    /// The places of items that are not settled.
    locations: VecDeque<(u32, String)>,
    /// Items that are not settled: those that the processors only borrow, and those of failed calls.
    held: VecDeque<(u32, R::Item)>,
    /// The failures of retried calls for records that are not settled, in the order of the records.
    retried: VecDeque<(u32, Noted)>,
    /// The place of the last record of the chunk filled last.
    location: Option<String>,
    /// Why reading cannot go on; reported once all records read so far are done.
    blocked: Option<Blocked>,
    ended: bool,
    /// The number of the next record.
    next: u32,
    reopen: A,
    repeats: ReadRepeats,
    phase: &'p Cell<Phase>,
    step_waker: Arc<StepWaker>,
}

impl<'p, R, P, A, const CAREFUL: bool> Concurrent<'p, R, P, A, CAREFUL>
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
        chunk: usize,
    ) -> Self {
        let Pipeline { reader, processor, .. } = pipeline;
        Self {
            position: ReaderPosition::of(&reader, &committed_ranges),
            committed_ranges,
            reader: Some(reader),
            processor,
            reorder_buffer: ReorderBuffer::new(chunk),
            chunks: VecDeque::new(),
            locations: VecDeque::new(),
            held: VecDeque::new(),
            retried: VecDeque::new(),
            location: None,
            blocked: None,
            ended: false,
            next: 0,
            reopen,
            repeats: ReadRepeats::default(),
            phase,
            step_waker: StepWaker::new(),
        }
    }

    fn reader(&self) -> &R {
        self.reader.as_ref().expect("a reader that could not be reopened ends the step")
    }

    /// Returns the current chunk.
    fn front(&mut self) -> &mut ChunkAhead<R::Position> {
        if self.chunks.is_empty() {
            self.chunks.push_back(ChunkAhead::at(self.next));
        }
        &mut self.chunks[0]
    }

    /// Polls the calls in flight. Returns whether any made progress.
    fn advance<L: StepListener<R::Item, P::Out>>(
        &mut self,
        shared: &mut Shared<'_, '_, R::Item, L>,
        notified: &mut usize,
    ) -> Result<bool, Halt> {
        let end = self.front().end;
        let waker = Waker::from(Arc::clone(&self.step_waker));
        let Self { processor, reorder_buffer, phase, .. } = self;
        reorder_buffer.end = end;
        let progressed = in_phase(phase, Phase::Process, || {
            processor.advance(&mut Context::from_waker(&waker), reorder_buffer)
        });
        if L::HEARS_ITEMS {
            for item in reorder_buffer.outputs.items.iter().skip(*notified) {
                log_if_failed(shared.listener.after_process(item));
            }
            *notified = reorder_buffer.outputs.items.len();
        }
        progressed.map_err(|failure| halt(shared.blame(failure, Phase::Process)))
    }

    /// Takes the failures of retried calls that have come out, in the order of their records.
    fn take_retried(&mut self) {
        let retried = self.processor.take_retried();
        if retried.is_empty() {
            return;
        }
        self.hold_returned();
        for (source, attempts) in retried {
            let place = self.retried.partition_point(|(other, _)| !is_before(source, *other));
            self.retried.insert(place, (source, attempts));
        }
    }

    /// Notifies the listener of the retried calls for records before that one.
    fn notify_retried_before<L: StepListener<R::Item, P::Out>>(
        &mut self,
        end: u32,
        shared: &mut Shared<'_, '_, R::Item, L>,
    ) {
        while let Some((source, attempts)) = self.retried.pop_front_if(|(source, _)| is_before(*source, end))
        {
            let item = self.held.iter().find(|(held, _)| *held == source).map(|(_, item)| item);
            shared.notify_attempts(attempts, item);
        }
    }

    /// Holds the items of failed attempts until their records are settled. A processor that only borrows its items
    /// may return copies, but the items themselves are held already.
    fn hold_returned(&mut self) {
        let returned = self.processor.take_returned();
        if !P::LEAVES {
            self.held.extend(returned);
        }
    }

    /// Returns the number of the current chunk's first record that is not done, or the end of the chunk.
    fn settled(&self) -> u32 {
        let end = self.chunks.front().map_or(self.next, |chunk| chunk.end);
        self.processor.oldest().filter(|oldest| is_before(*oldest, end)).unwrap_or(end)
    }

    /// Applies the rules to the faults before which everything is done.
    fn settle_faults<L: StepListener<R::Item, P::Out>>(
        &mut self,
        shared: &mut Shared<'_, '_, R::Item, L>,
        filled: &mut Filled,
    ) -> Result<(), Halt> {
        let settled = self.settled();
        if CAREFUL && self.reorder_buffer.has_faults() {
            self.hold_returned();
        }
        if CAREFUL && P::NOTES {
            self.take_retried();
        }
        while let Some(Fault { source, phase, failure }) = self.reorder_buffer.pop_fault_before(settled) {
            self.notify_retried_before(source.wrapping_add(1), shared);
            let held = self.held.iter().position(|(held, _)| *held == source);
            let item = held.and_then(|held| self.held.remove(held)).map(|(_, item)| item);
            let failure = if phase == SkipPhase::Read {
                let failure = shared.blame(failure, Phase::Read);
                log_if_failed(shared.listener.on_read_error(&failure));
                failure
            } else {
                let place = self.locations.iter().find(|(located, _)| *located == source);
                let failure = match place {
                    Some((_, location)) => failure.at(location.as_str()),
                    None => failure,
                };
                let failure = shared.blame(failure, Phase::Process);
                log_if_failed(shared.listener.on_process_error(item.as_ref(), &failure));
                filled.skipped += 1;
                failure
            };
            if !CAREFUL {
                return Err(halt(failure));
            }
            let source = self.reorder_buffer.number_in_chunk(source);
            shared.skip_rules.skip(phase, source, failure, Skipped::read(item)).map_err(halt)?;
        }
        self.notify_retried_before(settled, shared);
        Ok(())
    }

    /// Closes the current chunk if its deadline has passed, unless it is empty or reading has already closed it.
    fn close_in_time(&mut self, extent: Extent<'_>) {
        if CAREFUL && self.reader().may_end_chunk() && extent.is_over() {
            let position = ReaderPosition::of(self.reader(), &self.committed_ranges);
            let front = self.front();
            if front.closed.is_none() && front.read > 0 {
                front.closed = Some(position);
            }
        }
    }

    /// Returns whether the current chunk is closed and all of it is done.
    fn is_done(&mut self) -> bool {
        let front = self.front();
        let (is_closed, end) = (front.closed.is_some(), front.end);
        is_closed && self.settled() == end
    }
}

impl<R, P, A, const CAREFUL: bool> Feed<R::Item, P::Out> for Concurrent<'_, R, P, A, CAREFUL>
where
    R: Reader,
    P: Process<R::Item>,
    A: FnMut() -> Result<R, Failure>,
{
    fn fill<L: StepListener<R::Item, P::Out>>(
        &mut self,
        shared: &mut Shared<'_, '_, R::Item, L>,
        times: &mut ChunkTimes,
    ) -> Result<Filled, Halt> {
        let (extent, mut filled) = (shared.extent(), Filled::default());
        let first = self.front().first;
        self.reorder_buffer.begin(first);
        if CAREFUL {
            self.processor.hold(Slot::Item);
        }
        let mut notified = 0;
        loop {
            let mut moved = self.read_ahead(shared, extent);
            times.book(Activity::Read);
            moved |= self.advance(shared, &mut notified)?;
            times.book(Activity::Process);
            self.settle_faults(shared, &mut filled)?;
            self.close_in_time(extent);
            // Go on even if the chunk is done, so that the items read ahead are in flight while it is committed.
            if moved {
                continue;
            }
            if self.is_done() {
                break;
            }
            if self.front().closed.is_none()
                && self.settled() == self.next
                && let Some(blocked) = self.blocked.take()
            {
                self.unblock(blocked, shared)?;
                continue;
            }
            if shared.run.is_stopping() {
                return Err(Halt::Stopped);
            }
            self.step_waker.wait(STOP_CHECK);
            times.book(Activity::Wait);
        }
        let Self { processor, reorder_buffer, .. } = self;
        if P::BUFFERS {
            if let Err(failure) = in_phase(self.phase, Phase::Process, || processor.flush(reorder_buffer)) {
                let failure = shared.blame(failure, Phase::Process);
                log_if_failed(shared.listener.on_process_error(None, &failure));
                return Err(halt(failure));
            }
            if L::HEARS_ITEMS {
                for item in reorder_buffer.outputs.items.iter().skip(notified) {
                    log_if_failed(shared.listener.after_process(item));
                }
            }
            self.settle_faults(shared, &mut filled)?;
        }
        if CAREFUL && P::NOTES && self.processor.has_noted() {
            shared.notify_attempts(self.processor.take_noted(), None);
        }
        times.book(Activity::Process);
        let chunk = self.chunks.pop_front().expect("the current chunk is done");
        self.position = chunk.closed.expect("a chunk that is done is closed");
        let settled = self.locations.partition_point(|(source, _)| is_before(*source, chunk.end));
        self.location = self.locations.drain(..settled).next_back().map(|(_, location)| location);
        self.held.retain(|(source, _)| !is_before(*source, chunk.end));
        filled.read = chunk.read;
        filled.records = chunk.end.wrapping_sub(chunk.first);
        filled.filtered = chunk.read - filled.skipped - self.reorder_buffer.produced();
        filled.ended = chunk.ended;
        Ok(filled)
    }

    fn outputs(&mut self) -> &mut Outputs<P::Out> {
        &mut self.reorder_buffer.outputs
    }

    fn position(&self) -> Result<String, Failure> {
        let ReaderPosition { position, committed_ranges } = &self.position;
        if committed_ranges.is_empty() {
            return checkpoint::encode(position);
        }
        checkpoint::encode_with_ranges(position, &committed_ranges.ahead())
    }

    fn states(&self) -> Result<States, Failure> {
        let mut states = States::new();
        self.processor.save(&mut states)?;
        Ok(states)
    }

    fn committed(&mut self) -> Result<(), Failure> {
        let Self { phase, reader, position, .. } = self;
        let reader = reader.as_mut().expect("a reader that could not be reopened ends the step");
        in_phase(phase, Phase::Read, || reader.committed(&position.position)).map_err(Failure::new)
    }

    fn progress(&self) -> Option<Progress> {
        self.reader().progress()
    }

    fn location(&self) -> Option<String> {
        self.location.clone()
    }

    fn places(&mut self, records: &BTreeSet<u32>, base: &str) -> BTreeMap<u32, String> {
        // The search from `base` would count the records of committed ranges too, so it works only if there are none.
        if !self.committed_ranges.is_empty() {
            return BTreeMap::new();
        }
        locate::find(records, base, &mut self.reopen)
    }
}
