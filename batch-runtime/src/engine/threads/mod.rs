//! Receives: a step with `threads`. Gives: its chunks, read and processed by several threads and handed on in the order of the input,
//! so that what is written, counted, skipped and committed is what one thread would.
//!
//! A chunk is the unit of work, and stays with one worker: it reads a whole chunk while it has the reader, which it then leaves to the
//! next, processes it, and lends it to the thread of the step, which takes the chunks in order, commits them, and gives them back to be
//! cleared where they were made. So no item is handed from thread to thread, and no memory is freed by another thread than the one
//! that asked for it, which costs more than a cheap processor. Each worker has a few sets of buffers, of which one is filled while
//! others wait to be written, so a slow writer holds the readers back, and no memory is asked for once they have their size. A reader
//! that cannot leave its thread has one of its own (`apart.rs`). What could not be read or processed is a value in its chunk,
//! judged where the chunk is taken.
//!
//! With `order = none` the thread of the step takes whatever chunk is done; what is stored then is a [`Watermark`] and what is done
//! behind it.
//!
//! Every wait ends when its other side is gone: who leaves, by whatever way, wakes all others (`lanes.rs`). No thread outlives the scope
//! that it is spawned in.

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
use read_chunks::{OpenAnew, Reading, SharedReader, Supply, TakesTurns, TellsInTurns};
use reader_thread::{Nothing, ReaderThread};
use sync::{Arc, AtomicBool, Ordering};
use worker::Worker;

/// Sets of buffers that a worker has: enough that it seldom waits for the writer, nor the writer for it.
const BUFFERS_EACH: usize = 4;

/// What a thread may say beside its chunks: that it works, that the reader has not heard of a commit, that it wants a reader, that it is
/// gone.
const SAID_BESIDE: usize = 4;

/// The order in which chunks are committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// That of the input.
    OfInput,
    /// That in which they are done.
    AsDone,
}

/// What all threads of a step know.
struct Common<'s> {
    info: &'static StepInfo,
    /// Items of a chunk.
    chunk: usize,
    environment: &'s Environment,
    context: Arc<StepContext>,
    retrying: Retrying,
    bindings: Vec<&'s [Binding]>,
    /// Nobody wants any more chunks.
    over: Arc<AtomicBool>,
    /// Ends the waits of calls that are repeated.
    give_up: StopSignal,
}

impl Common<'_> {
    fn own(&self) -> StepEnvironment {
        StepEnvironment::on_thread(Arc::clone(&self.context), self.retrying.clone())
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    fn blame(&self, failure: Failure, phase: Phase) -> Failure {
        blame(self.info, failure, phase)
    }

    /// The failure of a read, and whether the reader goes on after the record it is about.
    fn unread<R: Reader>(&self, error: R::Error, reader: &R) -> (Failure, bool) {
        let (failure, steps_over) = unread(error, reader, self.info.options.faults);
        (self.blame(failure, Phase::Read), steps_over)
    }
}

/// What a chunk is kept in on its way.
struct Buffers<In, Out> {
    /// The items that were read.
    records: Vec<In>,
    /// What could not be read and was stepped over, and how many items stand before it.
    unread: Vec<(usize, Failure)>,
    /// What the processors put out.
    outputs: Outputs<Out>,
}

impl<In, Out> Buffers<In, Out> {
    fn new() -> Self {
        Self { records: Vec::new(), unread: Vec::new(), outputs: Outputs::with_capacity(0, 0) }
    }
}

/// A chunk as it was read.
struct Unit<In, Out> {
    number: u64,
    buffers: Buffers<In, Out>,
    end: UnitEnd,
}

/// What is known behind a chunk.
#[derive(Default)]
struct UnitEnd {
    /// Its records, counted from where the step went on.
    records: Range<u64>,
    /// Why nothing is read behind it, and the number of the record that was read or processed then, where that panicked.
    fatal: Option<Failure>,
    panicked_on: Option<u32>,
    ended: bool,
    /// Where the reader stood before it, and behind it.
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
    /// What was read, where it is in hand still.
    item: Option<In>,
}

/// A chunk as it was processed.
struct Done<In, Out> {
    number: u64,
    /// Whose buffers these are.
    channel: usize,
    buffers: Buffers<In, Out>,
    filled: Filled,
    /// What may be skipped, in the order in which it is judged.
    faults: Vec<Faulty<In>>,
    /// Calls that were repeated.
    repeated: Vec<Repeated<In>>,
    end: UnitEnd,
}

/// What a thread says to the step's own.
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all that is said is chunks, and a box for each would be asked for by one thread and freed by another"
)]
enum FromWorker<In, Out, X> {
    /// The reader is open, stands there, and has that ahead of it.
    Reads(Result<(String, CommittedRanges), Failure>),
    /// A worker has its processors.
    Processes(Result<(), Failure>),
    Done(Done<In, Out>),
    /// The reader failed to take note of a commit.
    Unheard(Failure),
    /// A worker is gone, and the chunk that it was at.
    Lost(Failure),
    /// Something is wanted.
    RequestClient(X),
}

type WorkersChannel<In, Out, X> = WorkerChannel<Buffers<In, Out>, FromWorker<In, Out, X>>;
/// The side of the thread of the step.
type StepsChannels<In, Out, X> = WorkerChannels<Buffers<In, Out>, FromWorker<In, Out, X>>;

impl<'s> Common<'s> {
    fn of(run: &'s StepRun<'_>, over: Arc<AtomicBool>) -> Arc<Self> {
        let (retrying, give_up) = run.retrying().given_up_by();
        Arc::new(Self {
            info: run.info,
            chunk: run.sizes.chunk,
            environment: run.environment,
            context: Arc::clone(run.own.context.as_ref().expect("a step runs with its context")),
            retrying,
            bindings: run.scope.bindings().to_vec(),
            over,
            give_up,
        })
    }
}

/// Spawns the workers over a reader that they share, and waits until all of them are ready.
pub(super) fn in_turns<'scope, 'env: 'scope, P, R, A, const CAREFUL: bool>(
    threads: &'scope Threads<'scope, 'env>,
    run: &'env StepRun<'_>,
    phase: &'env Cell<Phase>,
    order: Order,
    mut anew: A,
) -> Result<impl Feed<P::In, P::Out>, Halt>
where
    P: Pipe<In: Send, Out: Send>,
    R: Reader<Item = P::In> + Send + 'scope,
    A: FnMut() -> Result<R, Failure>,
{
    let workers = run.sizes.threads;
    let (channels, ends) =
        StepsChannels::<_, _, OpenAnew<R>>::new(workers, BUFFERS_EACH, SAID_BESIDE, Buffers::new);
    let common = Common::of(run, channels.over());
    let mut reader = opening(run, "reader", &mut anew)?;
    let stands =
        resume_reader(run.info, run.inherited.reader.as_deref(), &mut reader).map_err(during_open)?;
    let reader = Arc::new(SharedReader::new(Reading::new(reader, stands.clone())));
    // There before the first thread: it ends their waits, however this is left.
    let threaded =
        Threaded::new(Arc::clone(&common), channels, TellsInTurns(Arc::clone(&reader)), anew, phase);
    for channel in ends {
        let supply = TakesTurns::<R, CAREFUL>::new(Arc::clone(&reader));
        spawn_worker::<P, _, _, CAREFUL>(threads, &common, channel, supply)?;
    }
    threaded.ready(workers, Some(stands), order)
}

/// The same over a reader that cannot leave its thread.
pub(super) fn apart<'scope, 'env: 'scope, P, R, A, const CAREFUL: bool>(
    threads: &'scope Threads<'scope, 'env>,
    run: &'env StepRun<'_>,
    phase: &'env Cell<Phase>,
    order: Order,
    anew: A,
) -> Result<impl Feed<P::In, P::Out>, Halt>
where
    P: Pipe<In: Send, Out: Send>,
    R: Reader<Item = P::In>,
    A: FnMut() -> Result<R, Failure>,
{
    let workers = run.sizes.threads;
    let (channels, ends) =
        StepsChannels::<_, _, Nothing>::new(workers, BUFFERS_EACH, SAID_BESIDE, Buffers::new);
    let common = Common::of(run, channels.over());
    let (reading, supplies, tells) = ReaderThread::new(Arc::clone(&common), &ends);
    let threaded = Threaded::new(Arc::clone(&common), channels, tells, anew, phase);
    let inherited = run.inherited.reader.clone();
    named(run.info, "reader")
        .spawn_scoped(threads, move || reading.run::<P, CAREFUL>(inherited.as_deref()))
        .map_err(not_started)?;
    for (channel, supply) in ends.into_iter().zip(supplies) {
        spawn_worker::<P, _, _, CAREFUL>(threads, &common, channel, supply)?;
    }
    threaded.ready(workers + 1, None, order)
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
    let working = Worker { common: Arc::clone(common), channel, supply };
    named(common.info, "worker")
        .spawn_scoped(threads, move || working.run::<P, CAREFUL>())
        .map(drop)
        .map_err(not_started)
}

fn named(step: &StepInfo, role: &str) -> Builder {
    // Linux shows fifteen letters.
    Builder::new().name(format!("{role} of {}", step.name))
}

#[cold]
fn not_started(error: io::Error) -> Halt {
    let failure = Failure::new(error).noting("no thread could be started for the step: lower `threads`");
    Halt::Failed(failure.during(Phase::Open))
}
