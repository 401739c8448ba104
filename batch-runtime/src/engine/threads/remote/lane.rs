//! Runs the lanes whose chunks are processed by workers, which are other processes. Each lane has two threads: one
//! reads chunks and sends them to workers, the other receives the results and hands them to the step's thread. To the
//! step's thread, such a lane looks like a thread that processes chunks itself.
//!
//! A chunk is kept here until its result has arrived. If a message or a worker is lost, the chunk is sent again. If no
//! worker takes the chunk, it is processed here, unless a worker was lost while it processed the chunk.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::super::messages::{Buffers, Faulty, FromWorker, ProcessedChunk, ReadChunk, WorkerChannel};
use super::super::read_chunks::Supply;
use super::super::shared_state::SharedState;
use super::super::sync::{Arc, Mutex, MutexGuard};
use super::super::worker::{open_processor, process};
use super::exchange::{Exchange, Received};
use super::item_codec::{RemoteItemBounds, compare, pack, unpack};
use super::late_chunks::LateChunkHandler;
use super::losses::ChunkHolders;
use super::messages::{Answer, Ask, ChunkHead, ChunkResult, Fatal, SentFault, SentRepeated, answered};
use crate::definition::{Failure, Phase, Pipe, Scope};
use crate::engine::chunk::batch::{Filled, Repeated};
use crate::engine::faults::panic;
use crate::engine::profile::{Activity, LaneWatch};
use crate::repository::SkipPhase;
use crate::repository::work_queue::{Fate, WorkerId};

/// How often the first lane checks whether a result is late.
const LATE_INTERVAL: Duration = Duration::from_millis(20);

/// How often the other lanes check whether a chunk was returned.
const RETURNED_INTERVAL: Duration = Duration::from_millis(100);
/// If workers refuse more requests than this in a row, the step counts as not served by any worker.
const MAX_REFUSED: u32 = 3;

/// A chunk whose result is awaited.
pub(super) struct Awaited<In, Out> {
    pub(super) read_chunk: ReadChunk<In, Out>,
    /// The number of the lane that owns the buffers.
    pub(super) lane: usize,
    /// The position of the request among all requests. If a worker has begun a later request, this one may be lost.
    pub(super) turn: u64,
    /// When the chunk was sent, when a worker last said that it was working on it, or when a worker began a later
    /// request, whichever is the latest.
    pub(super) heard: Instant,
    /// How often the chunk was sent.
    pub(super) sent: u32,
    pub(super) holders: ChunkHolders,
}

/// The lanes of a step.
pub(super) struct Lanes<'s, In, Out, X> {
    pub(super) state: Arc<SharedState<'s>>,
    pub(super) exchange: Arc<Exchange>,
    pub(super) sender: super::super::channels::WorkerSender<FromWorker<In, Out, X>>,
    pub(super) awaited: Mutex<BTreeMap<u64, Awaited<In, Out>>>,
    /// The chunks that no worker takes, which the lanes process themselves.
    pub(super) returned: Mutex<Vec<Awaited<In, Out>>>,
    pub(super) turns: AtomicU64,
    /// The latest turn that a worker has begun.
    pub(super) begun: AtomicU64,
    /// Whether a worker was heard from since the last check.
    pub(super) is_heard: AtomicBool,
    /// Whether the items of a chunk were compared with their copies after serialization.
    is_compared: AtomicBool,
    /// How many requests were refused in a row.
    refused: AtomicU32,
    /// The reasons that workers gave for refusing.
    pub(super) refusals: Mutex<BTreeSet<String>>,
    /// Whether single items must be told apart: the value of `CAREFUL`, which the module `threads` explains.
    careful: bool,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<'s, In: RemoteItemBounds, Out: RemoteItemBounds, X> Lanes<'s, In, Out, X> {
    pub(super) fn new(
        state: &Arc<SharedState<'s>>,
        exchange: &Arc<Exchange>,
        channel: &WorkerChannel<In, Out, X>,
        careful: bool,
    ) -> Self {
        Self {
            state: Arc::clone(state),
            exchange: Arc::clone(exchange),
            sender: channel.sender().clone(),
            awaited: Mutex::new(BTreeMap::new()),
            returned: Mutex::new(Vec::new()),
            turns: AtomicU64::new(1),
            begun: AtomicU64::new(0),
            is_heard: AtomicBool::new(false),
            is_compared: AtomicBool::new(false),
            refused: AtomicU32::new(0),
            refusals: Mutex::default(),
            careful,
        }
    }

    /// Runs one of the two threads of a lane. If it panics, the step's thread learns of it.
    fn guarded(&self, work: impl FnOnce()) {
        if let Err(panicked) = panic::catch(work) {
            self.sender.send(FromWorker::Lost(self.state.blame(panicked, Phase::Process)));
        }
    }

    /// Reads chunks, and sends them to workers.
    pub(super) fn send_all<S: Supply<In, Out, X>>(&self, channel: &WorkerChannel<In, Out, X>, mut supply: S) {
        self.guarded(|| {
            let mut watch = LaneWatch::start(&self.state.lanes);
            while self.exchange.wait_until_served() {
                let mut times = watch.profiler.next(self.state.detail());
                let Some(mut buffers) = channel.next_buffers() else { return };
                buffers.outputs.clear();
                buffers.records.clear();
                times.book(Activity::Wait);
                let read_chunk = supply.next(channel, buffers, &self.state, &mut times);
                watch.profiler.add(&times);
                let Some(read_chunk) = read_chunk else { return };
                self.post(read_chunk, channel.number);
            }
        });
    }

    fn post(&self, read_chunk: ReadChunk<In, Out>, lane: usize) {
        if read_chunk.buffers.records.is_empty() && read_chunk.buffers.unread.is_empty() {
            return self.hand_over_unprocessed(read_chunk, lane);
        }
        // Compare the items of each chunk with their copies, until those of one chunk agree.
        let records = &read_chunk.buffers.records;
        let checked = if records.is_empty() || self.is_compared.load(Ordering::Relaxed) {
            Ok(())
        } else {
            let compared = compare(records).map_err(|failure| with_items_note(failure, "input"));
            compared.map(|()| self.is_compared.store(true, Ordering::Relaxed))
        };
        let turn = self.turns.fetch_add(1, Ordering::Relaxed);
        match checked.and_then(|()| self.message(&read_chunk, turn)) {
            Ok(message) => {
                let (heard, holders) = (Instant::now(), ChunkHolders::default());
                let awaited = Awaited { read_chunk, lane, turn, heard, sent: 1, holders };
                lock(&self.awaited).insert(awaited.read_chunk.number, awaited);
                self.exchange.send(message);
            }
            Err(failure) => self.fail(read_chunk, lane, failure),
        }
    }

    pub(super) fn message(&self, read_chunk: &ReadChunk<In, Out>, turn: u64) -> Result<Vec<u8>, Failure> {
        let Buffers { records, unread, .. } = &read_chunk.buffers;
        let head = ChunkHead {
            number: read_chunk.number,
            turn,
            careful: self.careful,
            unread: unread.iter().map(|(before, _)| *before).collect(),
            is_fatal: read_chunk.end.fatal.is_some(),
        };
        let mut message = self.exchange.request(&Ask::Chunk(head))?;
        pack(&mut message, records)?;
        if message.len() > self.exchange.longest {
            return Err(Failure::new(format!(
                "a chunk of {} items is {} bytes long, and at most {} can be sent to a worker: lower `chunk`",
                records.len(),
                message.len(),
                self.exchange.longest
            ))
            .fatal());
        }
        Ok(message)
    }

    fn hand_over(&self, done: ProcessedChunk<In, Out>) {
        self.sender.send(FromWorker::Processed(done));
    }

    /// Fails the step when it reaches that chunk.
    pub(super) fn fail(&self, mut read_chunk: ReadChunk<In, Out>, lane: usize, failure: Failure) {
        read_chunk.end.fatal = Some(failure.during(Phase::Process));
        self.hand_over_unprocessed(read_chunk, lane);
    }

    /// Hands over a chunk without outputs: it only ends the input or fails the step.
    fn hand_over_unprocessed(&self, read_chunk: ReadChunk<In, Out>, lane: usize) {
        let ReadChunk { number, buffers, end } = read_chunk;
        let (filled, faults, repeated) = (Filled::default(), Vec::new(), Vec::new());
        self.hand_over(ProcessedChunk { number, lane, buffers, filled, faults, repeated, end });
    }

    /// Takes results until the step ends. The first lane also handles late results.
    pub(super) fn receive_all<P, const CAREFUL: bool>(&self, is_first: bool)
    where
        P: Pipe<In = In, Out = Out>,
    {
        self.guarded(|| {
            let own = self.state.own();
            let scope = Scope::of_thread(self.state.environment, &own, self.state.bindings.clone());
            let mut processor = None;
            let mut late_chunks = LateChunkHandler::new(self.exchange.patience);
            let mut watch = LaneWatch::start(&self.state.lanes);
            let mut wait =
                if is_first { LATE_INTERVAL.min(self.exchange.patience / 12) } else { RETURNED_INTERVAL };
            let idle = wait;
            loop {
                match self.exchange.receive(wait) {
                    Received::Reply(reply) => self.take(&reply),
                    Received::Nothing => {}
                    Received::Over => return,
                }
                if is_first {
                    late_chunks.handle(self);
                }
                // Process one chunk at a time, so that replies and late chunks are handled in between.
                let Some(Awaited { read_chunk, lane, .. }) = self.next_returned() else {
                    wait = idle;
                    continue;
                };
                wait = Duration::ZERO;
                let opened = match processor.take() {
                    Some(opened) => Ok(opened),
                    None => open_processor::<P>(self.state.info, &scope),
                };
                match opened {
                    Ok(open) => {
                        let mut times = watch.profiler.next(self.state.detail());
                        let (done, after) =
                            process::<_, _, CAREFUL>(&self.state, lane, read_chunk, open, &mut times.items);
                        times.book(Activity::Process);
                        watch.profiler.add(&times);
                        processor = after;
                        self.hand_over(done);
                    }
                    Err(failure) => self.fail(read_chunk, lane, failure),
                }
            }
        });
    }

    /// Takes the first of the chunks that no worker takes.
    fn next_returned(&self) -> Option<Awaited<In, Out>> {
        let mut returned = lock(&self.returned);
        let numbered = returned.iter().enumerate();
        let (first, _) = numbered.min_by_key(|(_, awaited)| awaited.read_chunk.number)?;
        Some(returned.swap_remove(first))
    }

    fn take(&self, reply: &[u8]) {
        let Some((answer, outputs)) = answered(reply) else {
            tracing::debug!(bytes = reply.len(), "dropped a reply that cannot be read");
            return;
        };
        // A worker's `Ready` may be old, so it counts only while no worker serves the step.
        if !matches!(answer, Answer::Ready(_)) || !self.exchange.is_served() {
            self.is_heard.store(true, Ordering::Relaxed);
        }
        match answer {
            Answer::Ready(worker) => {
                tracing::debug!(worker, "a worker processes chunks of the step");
                self.exchange.set_served(true);
            }
            Answer::Begun { number, turn, worker } => {
                self.refused.store(0, Ordering::Relaxed);
                let now = Instant::now();
                let mut all = lock(&self.awaited);
                if let Some(awaited) = all.get_mut(&number) {
                    awaited.heard = now;
                    awaited.holders.begins(WorkerId(worker));
                    let before = self.begun.fetch_max(turn, Ordering::Relaxed);
                    // Several workers begin at the same time, so a request that this one has overtaken may be in a
                    // worker's hands already. It is late only if its worker stays silent from now on.
                    for overtaken in all.values_mut().filter(|it| (before..turn).contains(&it.turn)) {
                        overtaken.heard = now;
                    }
                }
            }
            Answer::GivenBack { number, worker } => {
                if let Some(awaited) = lock(&self.awaited).get_mut(&number) {
                    awaited.holders.gives_back(WorkerId(worker));
                }
            }
            Answer::Refused { number, worker, why } => {
                // A few refusals are no reason to stop sending, because other workers may accept chunks.
                if self.refused.fetch_add(1, Ordering::Relaxed) >= MAX_REFUSED {
                    self.exchange.set_served(false);
                }
                if lock(&self.refusals).insert(why.clone()) {
                    self.exchange.tell(&format!("a worker does not process the step's chunks: {why}"));
                }
                if let Some(number) = number {
                    self.handle_refusal(number, WorkerId(worker));
                }
            }
            Answer::Chunk(result) => {
                // Only the first answer counts.
                let awaited = lock(&self.awaited).remove(&result.number);
                let Some(Awaited { read_chunk, lane, .. }) = awaited else { return };
                match unpack::<Out>(outputs) {
                    Ok(outputs) => self.hand_over(self.done(read_chunk, lane, *result, outputs)),
                    Err(failure) => self.fail(read_chunk, lane, with_items_note(failure, "output")),
                }
            }
        }
    }

    /// Handles a worker's refusal of a chunk. If the chunk may have killed a worker, another worker gets it soon;
    /// otherwise it is processed here.
    fn handle_refusal(&self, number: u64, worker: WorkerId) {
        let mut awaited = lock(&self.awaited);
        let Some(chunk) = awaited.get_mut(&number) else { return };
        chunk.holders.gives_back(worker);
        if chunk.holders.has_lost() {
            let patience = self.exchange.patience;
            chunk.heard = Instant::now().checked_sub(patience / 6 * 5).unwrap_or(chunk.heard);
        } else {
            lock(&self.returned).extend(awaited.remove(&number));
        }
    }

    /// The fate of a worker. If the repository cannot be asked now, the worker counts as alive.
    pub(super) fn fate(&self, worker: WorkerId) -> Fate {
        let queue = self.state.remote.and_then(|remote| remote.repository.work_queue());
        queue.map_or(Fate::Lives, |queue| {
            queue.fate(worker).unwrap_or_else(|error| {
                tracing::warn!(%error, "cannot ask the repository what became of a worker");
                Fate::Lives
            })
        })
    }

    /// Combines a chunk with a worker's result.
    fn done(
        &self,
        read_chunk: ReadChunk<In, Out>,
        lane: usize,
        result: ChunkResult,
        outputs: Vec<Out>,
    ) -> ProcessedChunk<In, Out> {
        let ReadChunk { number, mut buffers, mut end } = read_chunk;
        let ChunkResult { read, filtered, records, skipped, sources, faults, repeated, fatal, .. } = result;
        let mut unread = mem::take(&mut buffers.unread).into_iter();
        let mut items = if faults.is_empty() && repeated.is_empty() {
            Items(BTreeMap::new())
        } else {
            Items::of(&mut buffers.records, unread.as_slice())
        };
        let received = |failure: super::failure::SentFailure| failure.received(self.state.info);
        let faults = faults
            .into_iter()
            .filter_map(|SentFault { source, failure, is_held }| {
                let (phase, failure) = match failure {
                    None => (SkipPhase::Read, unread.next()?.1),
                    Some(failure) => (SkipPhase::Process, received(failure)),
                };
                let item = if is_held { items.take(source) } else { None };
                Some(Faulty { phase, source, failure, item })
            })
            .collect();
        let repeated = repeated
            .into_iter()
            .map(|SentRepeated { source, attempts, is_held }| Repeated {
                source,
                attempts: attempts.into_iter().map(|(failure, retry)| (received(failure), retry)).collect(),
                item: if is_held { items.take(source) } else { None },
            })
            .collect();
        buffers.outputs.items = outputs;
        buffers.outputs.sources = sources;
        end.panicked_on =
            result.panicked_on.or(end.panicked_on.filter(|_| matches!(fatal, Some(Fatal::InReading))));
        end.fatal = match fatal {
            None => None,
            Some(Fatal::InReading) => end.fatal.take(),
            Some(Fatal::InProcessing(failure)) => Some(received(failure)),
        };
        let filled = Filled { read, filtered, records, skipped, ended: false };
        ProcessedChunk { number, lane, buffers, filled, faults, repeated, end }
    }
}

/// Adds a note that says whether the failure is about input or output items.
fn with_items_note(failure: Failure, which: &str) -> Failure {
    failure.with_note(format!("this is about the step's {which} items"))
}

/// The items of a chunk by the numbers of their records.
struct Items<In>(BTreeMap<u32, In>);

impl<In> Items<In> {
    fn of(items: &mut Vec<In>, unread: &[(usize, Failure)]) -> Self {
        let mut unread = unread.iter().map(|(before, _)| *before).peekable();
        let mut source = 0;
        let numbered = items.drain(..).enumerate().map(|(number, item)| {
            while unread.next_if(|before| *before <= number).is_some() {
                source += 1;
            }
            source += 1;
            (source - 1, item)
        });
        Self(numbered.collect())
    }

    fn take(&mut self, source: u32) -> Option<In> {
        self.0.remove(&source)
    }
}
