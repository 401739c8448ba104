//! Runs a step with `threads`: several workers read and process its chunks, and the thread of the step writes
//! and commits them in the order of the input, with the same result as a single thread.
//!
//! The unit of work is a chunk, and it stays with one worker. The worker locks the reader, reads a whole
//! chunk, unlocks the reader for the next worker and processes the chunk. It then lends the chunk to the
//! thread of the step, which commits the chunks in order and returns each to its worker to be cleared. So a
//! thread never frees memory that another allocated, which would cost more than a cheap processor does.
//!
//! Each worker has a few sets of buffers: it fills one while the others wait to be written. So a slow writer
//! holds the readers back, and nothing is allocated once the buffers have reached their size. A reader that
//! is not `Send` gets a thread of its own (`reader_thread.rs`). A record that could not be read or processed
//! is a value in its chunk; the thread of the step applies the skip rules to it.
//!
//! With `order = none` the thread of the step commits chunks as they are done. A [`Watermark`] then records
//! the ranges that are committed out of order.
//!
//! Every wait ends when its other side is gone: a thread that leaves, for whatever reason, wakes the threads
//! that wait for it (`channels.rs`). No thread outlives the scope in which it is spawned.
//!
//! [`Watermark`]: crate::engine::chunk::watermark::Watermark

mod channels;
mod feed;
mod read_chunks;
mod reader_thread;
mod reorder_buffer;
mod requests;
mod sync;
mod turn_lock;
mod worker;

use std::cell::Cell;
use std::io;
use std::ops::Range;
use std::thread::{Builder, Scope as Threads};

use crate::definition::{
    Binding, Environment, Failure, Phase, Pipe, Progress, Reader, StepContext, StepEnvironment, StepInfo,
    StopSignal,
};
use crate::engine::chunk::batch::Outputs;
use crate::engine::chunk::batch::{Filled, Repeated};
use crate::engine::chunk::committed_ranges::CommittedRanges;
use crate::engine::chunk::feed::Feed;
use crate::engine::chunk::open::{during_open, opening, resume_reader};
use crate::engine::faults::reopen::unread;
use crate::engine::faults::retry::Retrying;
use crate::engine::step::{Halt, StepRun, blame};
use crate::repository::SkipPhase;
use channels::{WorkerChannel, WorkerChannels};
use feed::Threaded;
use read_chunks::{ChunkReader, ReopenRequest, SharedReader, SharedReaderHandle, SharedReaderSupply, Supply};
use reader_thread::{NoRequest, ReaderThread};
use sync::{Arc, AtomicBool, Ordering};
use worker::Worker;

/// The number of buffer sets of a worker: enough that it rarely waits for the writer, and the writer rarely
/// for it.
const BUFFERS_EACH: usize = 4;

/// The messages that a thread may send besides its chunks: that it is ready, that the reader failed at a
/// commit, that it needs a reader, and that it is lost.
const EXTRA_MESSAGES: usize = 4;

/// The order in which chunks are committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The order of the input.
    OfInput,
    /// The order in which they are done.
    AsDone,
}

/// The state that all threads of a step share.
struct Common<'s> {
    info: &'static StepInfo,
    /// The number of items in a chunk.
    chunk: usize,
    environment: &'s Environment,
    context: Arc<StepContext>,
    retrying: Retrying,
    bindings: Vec<&'s [Binding]>,
    /// True once the step's thread takes no more chunks.
    cancelled: Arc<AtomicBool>,
    /// Ends the backoffs between retries.
    give_up: StopSignal,
}

impl Common<'_> {
    fn own(&self) -> StepEnvironment {
        StepEnvironment::on_thread(Arc::clone(&self.context), self.retrying.clone())
    }

    fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    fn blame(&self, failure: Failure, phase: Phase) -> Failure {
        blame(self.info, failure, phase)
    }

    /// Returns the failure of a read, and whether the reader steps over its record.
    fn unread<R: Reader>(&self, error: R::Error, reader: &R) -> (Failure, bool) {
        let (failure, steps_over) = unread(error, reader, self.info.options.faults);
        (self.blame(failure, Phase::Read), steps_over)
    }
}

/// The buffers of one chunk, which travel between a worker and the step's thread.
struct Buffers<In, Out> {
    /// The items read.
    records: Vec<In>,
    /// The failures of records that were stepped over, each with the number of items before it.
    unread: Vec<(usize, Failure)>,
    /// The outputs of the processors.
    outputs: Outputs<Out>,
}

impl<In, Out> Buffers<In, Out> {
    fn new() -> Self {
        Self { records: Vec::new(), unread: Vec::new(), outputs: Outputs::with_capacity(0, 0) }
    }
}

/// A chunk after it is read.
struct Unit<In, Out> {
    number: u64,
    buffers: Buffers<In, Out>,
    end: UnitEnd,
}

/// The reader's state after a chunk.
#[derive(Default)]
struct UnitEnd {
    /// Its records, counted from where the step resumed.
    records: Range<u64>,
    /// The failure that ended the reading, and the number of the record that was read or processed then, if
    /// that panicked.
    fatal: Option<Failure>,
    panicked_on: Option<u32>,
    ended: bool,
    /// The encoded positions of the reader before and after it.
    begin: String,
    position: String,
    progress: Option<Progress>,
    /// The place of its last record.
    location: Option<String>,
}

impl UnitEnd {
    fn of(failure: Failure) -> Self {
        Self { fatal: Some(failure), ..Self::default() }
    }
}

/// A record that could not be read or processed.
struct Faulty<In> {
    phase: SkipPhase,
    source: u32,
    failure: Failure,
    /// The item read, if it is still held.
    item: Option<In>,
}

/// A chunk after it is processed.
struct Done<In, Out> {
    number: u64,
    /// The worker that owns the buffers.
    channel: usize,
    buffers: Buffers<In, Out>,
    filled: Filled,
    /// The faults, in the order in which the skip rules are applied to them.
    faults: Vec<Faulty<In>>,
    /// The calls that were retried.
    repeated: Vec<Repeated<In>>,
    end: UnitEnd,
}

/// A message from a worker or the reader's thread to the thread of the step.
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all messages are chunks, and one thread would allocate a box for each that another frees"
)]
enum FromWorker<In, Out, X> {
    /// The reader is open: its position, and the committed ranges ahead of it.
    ReaderOpened(Result<(String, CommittedRanges), Failure>),
    /// A worker has opened its processors.
    ProcessorsOpened(Result<(), Failure>),
    Done(Done<In, Out>),
    /// The reader failed when it was notified of a commit.
    NotifyFailed(Failure),
    /// A worker panicked between chunks, and its current chunk is lost.
    Lost(Failure),
    /// A worker requests something.
    Request(X),
}

type WorkersChannel<In, Out, X> = WorkerChannel<Buffers<In, Out>, FromWorker<In, Out, X>>;
/// The side of the step's thread.
type StepsChannels<In, Out, X> = WorkerChannels<Buffers<In, Out>, FromWorker<In, Out, X>>;

impl<'s> Common<'s> {
    fn of(run: &'s StepRun<'_>, cancelled: Arc<AtomicBool>) -> Arc<Self> {
        let (retrying, give_up) = run.retrying().given_up_by();
        Arc::new(Self {
            info: run.info,
            chunk: run.sizes.chunk,
            environment: run.environment,
            context: Arc::clone(run.own.context.as_ref().expect("a step runs with its context")),
            retrying,
            bindings: run.scope.bindings().to_vec(),
            cancelled,
            give_up,
        })
    }
}

/// Spawns workers that share a reader, and waits until all of them are ready.
pub(super) fn with_shared_reader<'scope, 'env: 'scope, P, R, A, const CAREFUL: bool>(
    threads: &'scope Threads<'scope, 'env>,
    run: &'env StepRun<'_>,
    phase: &'env Cell<Phase>,
    order: Order,
    mut reopen: A,
) -> Result<impl Feed<P::In, P::Out>, Halt>
where
    P: Pipe<In: Send, Out: Send>,
    R: Reader<Item = P::In> + Send + 'scope,
    A: FnMut() -> Result<R, Failure>,
{
    let workers = run.sizes.threads;
    let (channels, ends) =
        StepsChannels::<_, _, ReopenRequest<R>>::new(workers, BUFFERS_EACH, EXTRA_MESSAGES, Buffers::new);
    let common = Common::of(run, channels.cancelled());
    let mut reader = opening(run, "reader", &mut reopen)?;
    let start = resume_reader(run.info, run.inherited.reader.as_deref(), &mut reader).map_err(during_open)?;
    let reader = Arc::new(SharedReader::new(ChunkReader::new(reader, start.clone())));
    // Made before the first thread, because dropping it ends the waits of all threads, also on an early
    // return.
    let threaded =
        Threaded::new(Arc::clone(&common), channels, SharedReaderHandle(Arc::clone(&reader)), reopen, phase);
    for channel in ends {
        let supply = SharedReaderSupply::<R, CAREFUL>::new(Arc::clone(&reader));
        spawn_worker::<P, _, _, CAREFUL>(threads, &common, channel, supply)?;
    }
    threaded.wait_until_ready(workers, Some(start), order)
}

/// Spawns workers and a thread for a reader that is not `Send`, and waits until all of them are ready.
pub(super) fn with_reader_thread<'scope, 'env: 'scope, P, R, A, const CAREFUL: bool>(
    threads: &'scope Threads<'scope, 'env>,
    run: &'env StepRun<'_>,
    phase: &'env Cell<Phase>,
    order: Order,
    reopen: A,
) -> Result<impl Feed<P::In, P::Out>, Halt>
where
    P: Pipe<In: Send, Out: Send>,
    R: Reader<Item = P::In>,
    A: FnMut() -> Result<R, Failure>,
{
    let workers = run.sizes.threads;
    let (channels, ends) =
        StepsChannels::<_, _, NoRequest>::new(workers, BUFFERS_EACH, EXTRA_MESSAGES, Buffers::new);
    let common = Common::of(run, channels.cancelled());
    let (reader_thread, supplies, handle) = ReaderThread::new(Arc::clone(&common), &ends);
    let threaded = Threaded::new(Arc::clone(&common), channels, handle, reopen, phase);
    let inherited = run.inherited.reader.clone();
    named(run.info, "reader")
        .spawn_scoped(threads, move || reader_thread.run::<P, CAREFUL>(inherited.as_deref()))
        .map_err(not_started)?;
    for (channel, supply) in ends.into_iter().zip(supplies) {
        spawn_worker::<P, _, _, CAREFUL>(threads, &common, channel, supply)?;
    }
    threaded.wait_until_ready(workers + 1, None, order)
}

fn spawn_worker<'scope, 'env: 'scope, P, X, S, const CAREFUL: bool>(
    threads: &'scope Threads<'scope, 'env>,
    common: &Arc<Common<'env>>,
    channel: WorkersChannel<P::In, P::Out, X>,
    supply: S,
) -> Result<(), Halt>
where
    P: Pipe<In: Send, Out: Send>,
    X: Send + 'scope,
    S: Supply<P::In, P::Out, X> + Send + 'scope,
{
    let worker = Worker { common: Arc::clone(common), channel, supply };
    named(common.info, "worker")
        .spawn_scoped(threads, move || worker.run::<P, CAREFUL>())
        .map(drop)
        .map_err(not_started)
}

fn named(step: &StepInfo, role: &str) -> Builder {
    // Linux shows only the first fifteen bytes.
    Builder::new().name(format!("{role} of {}", step.name))
}

#[cold]
fn not_started(error: io::Error) -> Halt {
    let failure = Failure::new(error).noting("no thread could be started for the step: lower `threads`");
    Halt::Failed(failure.during(Phase::Open))
}
