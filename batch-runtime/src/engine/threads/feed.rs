//! Receives: chunks that workers have made. Gives: them as the step takes them, one by one.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::ops::Range;

use super::read_chunks::Hearing;
use super::reorder_buffer::{Committed, InOrder};
use super::sync::Arc;
use super::{Buffers, Common, Done, Faulty, FromWorker, Order, StepsChannels, UnitEnd};
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
use crate::engine::profile::{Phases, Watch};
use crate::engine::step::{Halt, blame};
use crate::repository::SkipPhase;

/// The chunks as the step takes them.
pub(super) struct Threaded<'e, In, Out, R, H: Hearing<R>, A> {
    common: Arc<Common<'e>>,
    /// Goes before the reader, so that nobody holds that and waits for an answer.
    channels: StepsChannels<In, Out, H::Asked>,
    reader: H,
    /// Opens a reader once more: for a worker, or to find the place of what failed.
    anew: A,
    order: Order,
    chunks: InOrder<Done<In, Out>>,
    /// How many chunks were taken.
    taken: u64,
    committed: Committed<Buffers<In, Out>>,
    /// The chunk that was taken last.
    current: Current<In, Out>,
    /// What is done, where that is more than what lies before a position.
    watermark: Option<Watermark>,
    phase: &'e Cell<Phase>,
}

/// How many chunks may be done behind one that is not.
const FAR_AHEAD: u64 = 1024;

/// The chunk at hand.
struct Current<In, Out> {
    number: u64,
    /// Whose buffers these are.
    channel: usize,
    buffers: Buffers<In, Out>,
    /// Where it begins, and where the reader stands behind it.
    begin: String,
    position: String,
    /// Its records; `None` once they are committed.
    records: Option<Range<u64>>,
    progress: Option<Progress>,
    /// The place of its last record.
    location: Option<String>,
}

impl<'e, In, Out, R, H, A> Threaded<'e, In, Out, R, H, A>
where
    R: Reader<Item = In>,
    H: Hearing<R>,
    A: FnMut() -> Result<R, Failure>,
{
    pub(super) fn new(
        common: Arc<Common<'e>>,
        channels: StepsChannels<In, Out, H::Asked>,
        reader: H,
        anew: A,
        phase: &'e Cell<Phase>,
    ) -> Self {
        Self {
            common,
            channels,
            reader,
            anew,
            order: Order::OfInput,
            chunks: InOrder::new(),
            taken: 0,
            committed: Committed::none(FAR_AHEAD),
            current: Current {
                number: 0,
                channel: 0,
                buffers: Buffers::new(),
                begin: String::new(),
                position: String::new(),
                records: None,
                progress: None,
                location: None,
            },
            watermark: None,
            phase,
        }
    }

    /// Waits until every thread has opened what it works with; of several that could not, it is the reader that is told of. Where
    /// the reader stands is what its thread says, if it is not known.
    pub(super) fn ready(
        mut self,
        threads: usize,
        mut stands: Option<(String, CommittedRanges)>,
        order: Order,
    ) -> Result<Self, Halt> {
        let (mut unread, mut unprocessed) = (None, None);
        let mut answers = 0;
        while answers < threads {
            match self.channels.hear() {
                Some(FromWorker::Reads(Ok(there))) => stands = Some(there),
                Some(FromWorker::Reads(Err(failure))) => unread = Some(failure),
                Some(FromWorker::Processes(Ok(()))) => {}
                Some(FromWorker::Processes(Err(failure))) => unprocessed = Some(failure),
                Some(said) => {
                    self.note(said).map_err(Halt::Failed)?;
                    continue;
                }
                None => return Err(Halt::Failed(gone())),
            }
            answers += 1;
        }
        if let Some(failure) = unread.or(unprocessed) {
            return Err(Halt::Failed(failure));
        }
        let (position, committed_ranges) = stands.expect("a reader says where it stands, or why it does not");
        if order == Order::AsDone || !committed_ranges.is_empty() {
            self.watermark = Some(Watermark::new(position.clone(), &committed_ranges));
        }
        self.current.position = position;
        self.order = order;
        Ok(self)
    }

    fn note(&mut self, said: FromWorker<In, Out, H::Asked>) -> Result<(), Failure> {
        match said {
            FromWorker::Done(done) => self.chunks.put(done.number, done),
            FromWorker::Unheard(failure) => return Err(blame(self.common.info, failure, Phase::Read)),
            FromWorker::Lost(failure) => return Err(failure),
            FromWorker::RequestClient(asked) => self.reader.answer(asked, &mut self.anew),
            FromWorker::Reads(_) | FromWorker::Processes(_) => {}
        }
        Ok(())
    }

    /// A panic with the place of the record that it was about.
    #[cold]
    fn placed(&mut self, failure: Failure, record: Option<u32>, begin: &str) -> Failure {
        let (Some(record), true) = (record, failure.is_panic()) else { return failure };
        let phase = failure.phase().unwrap_or(Phase::Process);
        let behind = match self.order {
            Order::OfInput => self.current.location.as_deref(),
            // The chunk that was taken last is another one than that before it.
            Order::AsDone => None,
        };
        let find = |records: &BTreeSet<u32>| locate::find(records, begin, &mut self.anew);
        match locate::of_panic(phase, record, behind, find) {
            Some(place) => failure.at(place),
            None => failure,
        }
    }

    /// Waits for the chunk that is the next to be committed.
    fn take(&mut self) -> Result<Done<In, Out>, Failure> {
        loop {
            let taken = self.taken;
            let done = match self.order {
                Order::OfInput => self.chunks.take(),
                // The last chunk is the one that ends the step.
                Order::AsDone => self.chunks.take_any(|done| !done.end.ended || done.number == taken),
            };
            if let Some(done) = done {
                self.taken += 1;
                return Ok(done);
            }
            let said = self.channels.hear().ok_or_else(gone)?;
            self.note(said)?;
        }
    }
}

impl<In, Out, R, H: Hearing<R>, A> Drop for Threaded<'_, In, Out, R, H, A> {
    fn drop(&mut self) {
        // The lanes, which go next, say that it is over.
        self.common.give_up.give_up();
    }
}

#[cold]
fn gone() -> Failure {
    Failure::new("a thread of the step ended before its work was done")
}

impl<In, Out, R, H, A> Feed<In, Out> for Threaded<'_, In, Out, R, H, A>
where
    R: Reader<Item = In>,
    H: Hearing<R>,
    A: FnMut() -> Result<R, Failure>,
{
    fn fill<L: StepListener<In, Out>>(
        &mut self,
        shared: &mut Shared<'_, '_, In, L>,
        timed: Option<&mut Phases>,
    ) -> Result<Filled, Halt> {
        let mut watch = Watch::started();
        let done = self.take().map_err(|failure| {
            self.phase.set(Phase::Read);
            halt(failure)
        })?;
        if let Some(phases) = timed {
            // Reading and processing overlap: what is waited for is a chunk that is processed.
            phases.process += watch.lap();
        }
        shared.tell_repeats::<Out>();
        let mut faults = done.faults;
        // The reader is far ahead by now.
        let unplaced = faults.iter_mut().map(|faulty| (faulty.source, &mut faulty.failure));
        locate::locate(unplaced, &done.end.begin, &mut self.anew);
        let fatal = done.end.fatal.map(|failure| self.placed(failure, done.end.panicked_on, &done.end.begin));
        for Repeated { source, attempts, item } in done.repeated {
            let failed = faults.iter().find(|faulty| faulty.source == source);
            shared.tell_attempts(attempts, item.as_ref().or_else(|| failed?.item.as_ref()));
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
        let UnitEnd { begin, position, progress, location, records, ended, .. } = done.end;
        let Done { number, channel, buffers, filled, .. } = done;
        let records = Some(records);
        self.current = Current { number, channel, buffers, begin, position, records, progress, location };
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

    fn position_behind(&self, records: u32, last: &str) -> Result<String, Failure> {
        match (&self.watermark, &self.current.records) {
            (Some(watermark), Some(all)) => {
                watermark.text_with(all.start..all.start + u64::from(records), None)
            }
            _ => checkpoint::ahead_of(last, records),
        }
    }

    fn states(&self) -> Result<States, Failure> {
        // No processor on several threads keeps one.
        Ok(States::new())
    }

    fn committed(&mut self) -> Result<(), Failure> {
        let Current { number, channel, buffers, position, records, .. } = &mut self.current;
        if let (Some(watermark), Some(records)) = (&mut self.watermark, records.take()) {
            watermark.commit(records, Some(position));
        }
        let first = self.committed.put(*number);
        self.reader.committed(first)?;
        // What is in them is dropped by the thread that made it.
        let buffers = mem::replace(buffers, Buffers::new());
        for (channel, buffers) in self.committed.give_back(*number, *channel, buffers) {
            self.channels.give_back(channel, buffers);
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), Failure> {
        self.channels.close();
        self.reader.release();
        while let Some(said) = self.channels.hear() {
            if let FromWorker::Unheard(failure) | FromWorker::Lost(failure) = said {
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
        locate::find(records, &self.current.begin, &mut self.anew)
    }
}
