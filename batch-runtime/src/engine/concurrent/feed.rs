//! Receives: a reader, and processors that work on several items at once. Gives: the chunks that one item after the other would
//! have given, while calls go on beside each other across the ends of chunks.
//!
//! Items are read ahead, as far as the windows of the processors reach. What is read, and where a chunk ends, depends on the
//! reader alone. What fails is a value with the number of its record, and is judged when all before it is done: what was read
//! ahead is never counted.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::task::{Context, Waker};
use std::thread;
use std::time::Duration;

use super::read_ahead::{Ahead, Behind};
use crate::definition::{Failure, Faults, Phase, Process, Progress, Reader, Slot, States, StepListener};
use crate::engine::chunk::batch::Outputs;
use crate::engine::chunk::batch::{Extent, Filled, MOST_UNREAD};
use crate::engine::chunk::checkpoint;
use crate::engine::chunk::committed_ranges::{CommittedRanges, Unpassed};
use crate::engine::chunk::feed::Feed;
use crate::engine::chunk::fill::Pipeline;
use crate::engine::chunk::shared::{Shared, halt};
use crate::engine::concurrent::reorder_buffer::{Fault, ReorderBuffer, is_before};
use crate::engine::concurrent::waker::StepWaker;
use crate::engine::faults::locate;
use crate::engine::faults::panic;
use crate::engine::faults::reopen::{ReadRepeats, unread};
use crate::engine::faults::skip_rules::Skipped;
use crate::engine::phase::{in_phase, log_if_failed};
use crate::engine::profile::{Phases, Watch};
use crate::engine::step::{Halt, StepRun};
use crate::repository::SkipPhase;

/// How often one who waits for a call looks whether the job is to stop.
const LOOK: Duration = Duration::from_millis(20);

/// Starts what runs beside this thread, and ends it behind `work`.
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
        // Gone behind `work`, also where it panics: else the scope would wait for threads that wait for more.
        let mut feed = feed;
        feed.processor
            .start(threads)
            .map_err(|failure| Halt::Failed(run.of_role(failure, "processor").during(Phase::Open)))?;
        work(feed)
    })
}

/// Reads ahead, and lets the calls of several items go on at once.
pub(crate) struct Concurrent<'p, R: Reader, P: Process<R::Item>, A, const CAREFUL: bool> {
    /// Always there but while it is opened anew.
    reader: Option<R>,
    processor: P,
    reorder_buffer: ReorderBuffer<P::Out, CAREFUL>,
    /// The chunk at hand, and those that are read ahead.
    chunks: VecDeque<Ahead<R::Position>>,
    /// Where the reader stood behind the chunk that was filled last.
    at: Behind<R::Position>,
    /// What is done ahead of the reader.
    committed_ranges: CommittedRanges,
    /// Where items are from, as far as they are not settled.
    locations: VecDeque<(u32, String)>,
    /// Items in hand, as far as they are not settled: those that the processors leave, and those that they gave back.
    left: VecDeque<(u32, R::Item)>,
    /// The place of the last record of the chunk that was filled last.
    location: Option<String>,
    /// What keeps it from reading on; told when all before it is done.
    stuck: Option<Stuck>,
    ended: bool,
    /// The number of the next record.
    next: u32,
    anew: A,
    repeats: ReadRepeats,
    phase: &'p Cell<Phase>,
    step_waker: Arc<StepWaker>,
}

enum Stuck {
    /// What cannot be stepped over.
    Read {
        failure: Failure,
        opens_anew: bool,
    },
    Panicked(Failure),
    Listener(Failure),
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
        anew: A,
        phase: &'p Cell<Phase>,
        chunk: usize,
    ) -> Self {
        let Pipeline { reader, processor, .. } = pipeline;
        Self {
            at: Behind::of(&reader, &committed_ranges),
            committed_ranges,
            reader: Some(reader),
            processor,
            reorder_buffer: ReorderBuffer::new(chunk),
            chunks: VecDeque::new(),
            locations: VecDeque::new(),
            left: VecDeque::new(),
            location: None,
            stuck: None,
            ended: false,
            next: 0,
            anew,
            repeats: ReadRepeats::default(),
            phase,
            step_waker: StepWaker::new(),
        }
    }

    fn reader(&self) -> &R {
        self.reader.as_ref().expect("a reader that could not be opened anew ends the step")
    }

    /// The chunk at hand.
    fn front(&mut self) -> &mut Ahead<R::Position> {
        if self.chunks.is_empty() {
            self.chunks.push_back(Ahead::at(self.next));
        }
        &mut self.chunks[0]
    }

    /// Reads what there is room for; true if it read anything.
    fn read_ahead<L: StepListener<R::Item, P::Out>>(
        &mut self,
        shared: &mut Shared<'_, '_, R::Item, L>,
        extent: Extent<'_>,
    ) -> bool {
        let mut any = false;
        let bound = (self.processor.window() as u64).saturating_add(extent.items);
        while self.stuck.is_none() && !self.ended && self.processor.has_room() {
            let front = self.front();
            let is_open = front.closed.is_none();
            let end = front.end;
            if !is_open && u64::from(self.next.wrapping_sub(end)) >= bound {
                break;
            }
            self.read_one(shared, extent);
            any = true;
        }
        any
    }

    fn read_one<L: StepListener<R::Item, P::Out>>(
        &mut self,
        shared: &mut Shared<'_, '_, R::Item, L>,
        extent: Extent<'_>,
    ) {
        if L::HEARS_ITEMS
            && let Err(failure) = shared.listener.before_read()
        {
            self.stuck = Some(Stuck::Listener(failure));
            return;
        }
        if self.chunks.back().is_none_or(|chunk| chunk.closed.is_some()) {
            self.chunks.push_back(Ahead::at(self.next));
        }
        let reader = self.reader.as_mut().expect("a reader that could not be opened anew ends the step");
        let committed_ranges = &mut self.committed_ranges;
        if !committed_ranges.is_empty()
            && let Err(stuck) = pass::<_, CAREFUL>(reader, committed_ranges, shared.run.info.options.faults)
        {
            self.stuck = Some(stuck);
            return;
        }
        let chunk = self.chunks.back_mut().expect("was just seen or pushed");
        let source = self.next;
        // What is done with what came before it counts, so a panic waits as well.
        let read = match panic::catch(|| reader.read()) {
            Ok(read) => read,
            Err(panicked) => {
                self.stuck = Some(Stuck::Panicked(panicked));
                return;
            }
        };
        let item = match read {
            Ok(Some(item)) => item,
            Ok(None) if !committed_ranges.is_empty() => {
                self.stuck = Some(Stuck::Read { failure: committed_ranges.too_short(), opens_anew: false });
                return;
            }
            Ok(None) => {
                chunk.closed = Some(Behind::of(reader, committed_ranges));
                chunk.ended = true;
                self.ended = true;
                return;
            }
            Err(error) => {
                let (failure, steps_over) = unread(error, reader, shared.run.info.options.faults);
                if CAREFUL && steps_over {
                    self.next = self.next.wrapping_add(1);
                    chunk.take(self.next, reader, committed_ranges);
                    let unread = u64::from(self.next.wrapping_sub(chunk.first)) - chunk.read;
                    if unread >= MOST_UNREAD && chunk.closed.is_none() && reader.may_end_chunk() {
                        chunk.closed = Some(Behind::of(reader, committed_ranges));
                    }
                    self.reorder_buffer.fault(source, SkipPhase::Read, failure);
                } else {
                    self.stuck = Some(Stuck::Read { failure, opens_anew: CAREFUL });
                }
                return;
            }
        };
        self.next = self.next.wrapping_add(1);
        chunk.read += 1;
        chunk.take(self.next, reader, committed_ranges);
        if chunk.read >= extent.items && chunk.closed.is_none() && reader.may_end_chunk() {
            chunk.closed = Some(Behind::of(reader, committed_ranges));
        }
        if let Some(location) = reader.location() {
            self.locations.push_back((source, location));
        }
        if L::HEARS_ITEMS {
            log_if_failed(shared.listener.after_read(&item));
            if let Err(failure) = shared.listener.before_process(&item) {
                self.stuck = Some(Stuck::Listener(failure));
                return;
            }
        }
        let Self { processor, reorder_buffer, .. } = self;
        reorder_buffer.source = source;
        let processed = if CAREFUL && P::LEAVES {
            let processed = panic::catch(|| processor.process_ref(&item, reorder_buffer)).unwrap_or_else(Err);
            self.left.push_back((source, item));
            processed
        } else {
            panic::catch(|| processor.process(item, reorder_buffer)).unwrap_or_else(Err)
        };
        if CAREFUL && P::NOTES && processor.has_noted() {
            let item = self.left.back().filter(|(left, _)| *left == source).map(|(_, item)| item);
            shared.tell_attempts(processor.take_noted(), item);
        }
        if let Err(failure) = processed {
            processor.discard(source);
            reorder_buffer.fault(source, SkipPhase::Process, failure);
        }
    }

    /// Lets the calls go on; true if any did.
    fn advance<L: StepListener<R::Item, P::Out>>(
        &mut self,
        shared: &mut Shared<'_, '_, R::Item, L>,
        heard: &mut usize,
    ) -> Result<bool, Halt> {
        let end = self.front().end;
        let waker = Waker::from(Arc::clone(&self.step_waker));
        let Self { processor, reorder_buffer, phase, .. } = self;
        reorder_buffer.end = end;
        let went_on = in_phase(phase, Phase::Process, || {
            processor.advance(&mut Context::from_waker(&waker), reorder_buffer)
        });
        if L::HEARS_ITEMS {
            for item in reorder_buffer.outputs.items.iter().skip(*heard) {
                log_if_failed(shared.listener.after_process(item));
            }
            *heard = reorder_buffer.outputs.items.len();
        }
        went_on.map_err(|failure| halt(shared.blame(failure, Phase::Process)))
    }

    /// The number of the first record of the chunk at hand, or behind it, that is not done.
    fn settled(&self) -> u32 {
        let end = self.chunks.front().map_or(self.next, |chunk| chunk.end);
        self.processor.oldest().filter(|oldest| is_before(*oldest, end)).unwrap_or(end)
    }

    /// Judges what failed, where all before it is done.
    fn judge<L: StepListener<R::Item, P::Out>>(
        &mut self,
        shared: &mut Shared<'_, '_, R::Item, L>,
        filled: &mut Filled,
    ) -> Result<(), Halt> {
        let settled = self.settled();
        if CAREFUL && !P::LEAVES && self.reorder_buffer.has_faults() {
            self.left.extend(self.processor.take_returned());
        }
        while let Some(Fault { source, phase, failure }) = self.reorder_buffer.fault_before(settled) {
            let left = self.left.iter().position(|(left, _)| *left == source);
            let item = left.and_then(|left| self.left.remove(left)).map(|(_, item)| item);
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
            let source = self.reorder_buffer.within(source);
            shared.skip_rules.skip(phase, source, failure, Skipped::read(item)).map_err(halt)?;
        }
        Ok(())
    }

    /// Does what must be done about what keeps it from reading on, all before it being done.
    fn unstick<L: StepListener<R::Item, P::Out>>(
        &mut self,
        stuck: Stuck,
        shared: &mut Shared<'_, '_, R::Item, L>,
    ) -> Result<(), Halt> {
        let (failure, opens_anew) = match stuck {
            Stuck::Listener(failure) => return Err(halt(failure)),
            Stuck::Panicked(failure) => return Err(Halt::Failed(shared.blame(failure, Phase::Read))),
            Stuck::Read { failure, opens_anew } => (shared.blame(failure, Phase::Read), opens_anew),
        };
        log_if_failed(shared.listener.on_read_error(&failure));
        if !opens_anew {
            return Err(halt(failure));
        }
        let Self { reader, repeats, anew, .. } = self;
        *reader = Some(shared.read_again(repeats, reader, failure, anew)?);
        Ok(())
    }

    /// Closes the chunk at hand, if its time is over and nothing is read behind it.
    fn close_in_time(&mut self, extent: Extent<'_>) {
        if CAREFUL && self.reader().may_end_chunk() && extent.is_over() {
            let behind = Behind::of(self.reader(), &self.committed_ranges);
            let front = self.front();
            if front.closed.is_none() && front.read > 0 {
                front.closed = Some(behind);
            }
        }
    }

    /// Is all of the chunk at hand done?
    fn is_done(&mut self) -> bool {
        let front = self.front();
        let (is_closed, end) = (front.closed.is_some(), front.end);
        is_closed && self.settled() == end
    }
}

/// Takes the reader over what is done where it stands.
#[cold]
fn pass<R: Reader, const CAREFUL: bool>(
    reader: &mut R,
    committed_ranges: &mut CommittedRanges,
    faults: &Faults,
) -> Result<(), Stuck> {
    match panic::catch(|| committed_ranges.pass(reader)).map_err(Stuck::Panicked)? {
        Ok(()) => Ok(()),
        Err(Unpassed::Ended(failure)) => Err(Stuck::Read { failure, opens_anew: false }),
        Err(Unpassed::Read(error)) => {
            let (failure, _) = unread(error, reader, faults);
            Err(Stuck::Read { failure, opens_anew: CAREFUL })
        }
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
        timed: Option<&mut Phases>,
    ) -> Result<Filled, Halt> {
        let (extent, mut filled) = (shared.extent(), Filled::default());
        let mut untimed = Phases::default();
        let phases = timed.unwrap_or(&mut untimed);
        let mut watch = Watch::started();
        let first = self.front().first;
        self.reorder_buffer.begin(first);
        if CAREFUL {
            self.processor.hold(Slot::Item);
        }
        let mut heard = 0;
        loop {
            let mut moved = self.read_ahead(shared, extent);
            phases.read += watch.lap();
            moved |= self.advance(shared, &mut heard)?;
            phases.process += watch.lap();
            self.judge(shared, &mut filled)?;
            self.close_in_time(extent);
            // Also when the chunk is done: while it is committed, what is read ahead is under way.
            if moved {
                continue;
            }
            if self.is_done() {
                break;
            }
            if self.front().closed.is_none()
                && self.settled() == self.next
                && let Some(stuck) = self.stuck.take()
            {
                self.unstick(stuck, shared)?;
                continue;
            }
            if shared.run.is_stopping() {
                return Err(Halt::Stopped);
            }
            self.step_waker.wait(LOOK);
            // It waits for calls of the processors.
            phases.process += watch.lap();
        }
        let Self { processor, reorder_buffer, .. } = self;
        if P::BUFFERS {
            if let Err(failure) = in_phase(self.phase, Phase::Process, || processor.flush(reorder_buffer)) {
                let failure = shared.blame(failure, Phase::Process);
                log_if_failed(shared.listener.on_process_error(None, &failure));
                return Err(halt(failure));
            }
            if L::HEARS_ITEMS {
                for item in reorder_buffer.outputs.items.iter().skip(heard) {
                    log_if_failed(shared.listener.after_process(item));
                }
            }
            self.judge(shared, &mut filled)?;
        }
        if CAREFUL && P::NOTES && self.processor.has_noted() {
            shared.tell_attempts(self.processor.take_noted(), None);
        }
        let chunk = self.chunks.pop_front().expect("the chunk at hand is done");
        self.at = chunk.closed.expect("what is done is closed");
        let settled = self.locations.partition_point(|(source, _)| is_before(*source, chunk.end));
        self.location = self.locations.drain(..settled).next_back().map(|(_, location)| location);
        self.left.retain(|(source, _)| !is_before(*source, chunk.end));
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
        let Behind { position, committed_ranges } = &self.at;
        if committed_ranges.is_empty() {
            return checkpoint::encode(position);
        }
        checkpoint::encode_before(position, &committed_ranges.ahead())
    }

    fn states(&self) -> Result<States, Failure> {
        let mut states = States::new();
        self.processor.save(&mut states)?;
        Ok(states)
    }

    fn committed(&mut self) -> Result<(), Failure> {
        let Self { phase, reader, at, .. } = self;
        let reader = reader.as_mut().expect("a reader that could not be opened anew ends the step");
        in_phase(phase, Phase::Read, || reader.committed(&at.position)).map_err(Failure::new)
    }

    fn progress(&self) -> Option<Progress> {
        self.reader().progress()
    }

    fn location(&self) -> Option<String> {
        self.location.clone()
    }

    fn places(&mut self, records: &BTreeSet<u32>, base: &str) -> BTreeMap<u32, String> {
        // Records are counted from the base as if nothing after it were done.
        if !self.committed_ranges.is_empty() {
            return BTreeMap::new();
        }
        locate::find(records, base, &mut self.anew)
    }
}
