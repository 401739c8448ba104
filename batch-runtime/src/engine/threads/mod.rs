//! Runs a step with `threads`: several worker threads read and process its chunks, and the thread of the step writes
//! and commits them in the order of the input, with the same result as a single thread. A *worker* here is such a
//! thread, except in `remote`, where it is another process.
//!
//! A *lane* takes chunks from the reader to the step's thread. Each worker is a lane; the other lanes have their chunks
//! processed by workers in other processes (`extra_lanes.rs`).
//!
//! The unit of work is a chunk, and it stays with one worker. The worker locks the reader, reads a whole chunk,
//! unlocks the reader for the next worker and processes the chunk. It then lends the chunk to the thread of the step,
//! which commits the chunks in order and returns each to its worker to be cleared. So a thread never frees memory
//! that another thread allocated, because that would cost more than a cheap processor.
//!
//! Each worker has a few sets of buffers: it fills one while the others wait to be written. So a slow writer
//! holds the readers back, and nothing is allocated once the buffers have reached their full size. A reader that
//! is not `Send` gets a thread of its own (`reader_thread.rs`). A record that could not be read or processed
//! is a value in its chunk; the thread of the step applies the skip rules to it.
//!
//! With `order = none` the thread of the step commits chunks as they are done. A [`Watermark`] then records
//! the ranges that are committed out of order.
//!
//! `CAREFUL` is true if the step has skip or retry rules, a `chunk_time` or a listener for items, so that single items
//! must be told apart.
//!
//! No thread waits for a thread that is gone: a thread that leaves, for whatever reason, wakes the threads
//! that wait for it (`channels.rs`). No thread outlives the scope in which it is spawned.
//!
//! [`Watermark`]: crate::engine::chunk::watermark::Watermark

mod channels;
mod extra_lanes;
mod feed;
mod messages;
mod read_chunks;
mod reader_thread;
#[cfg(feature = "remote-chunks")]
pub(crate) mod remote;
mod reorder_buffer;
mod requests;
mod shared_state;
mod sync;
mod turn_lock;
mod worker;

use std::cell::Cell;
use std::io;
use std::thread::{Builder, Scope};

use crate::definition::{Failure, Phase, Pipe, Reader, StepInfo};
use crate::engine::chunk::feed::Feed;
use crate::engine::chunk::open::{during_open, opening, resume_reader};
use crate::engine::step::{Halt, StepRun};
use crate::observe::spans::carried;
use feed::Threaded;
use messages::{Buffers, StepChannels, WorkerChannel};
use read_chunks::{ChunkReader, ReopenRequest, SharedReader, SharedReaderHandle, SharedReaderSupply, Supply};
use reader_thread::{NoRequest, ReaderThread};
use shared_state::SharedState;
use sync::Arc;
use worker::Worker;

pub(crate) use extra_lanes::{ExtraLanes, NoExtraLanes};
pub use feed::Order;

/// The number of buffer sets of a worker. With this many, the worker and the writer rarely wait for each other.
const BUFFERS_EACH: usize = 4;

/// The number of messages that a thread may send in addition to its chunks. They say that the thread is ready, that the
/// reader failed at a commit, that the thread needs a reader, and that it is lost.
const EXTRA_MESSAGES: usize = 4;

/// Spawns workers that share a reader, and waits until all of them are ready.
pub(super) fn with_shared_reader<'scope, 'env: 'scope, P, R, A, B, const CAREFUL: bool>(
    threads: &'scope Scope<'scope, 'env>,
    run: &'env StepRun<'_>,
    phase: &'env Cell<Phase>,
    order: Order,
    mut reopen: A,
) -> Result<impl Feed<P::In, P::Out>, Halt>
where
    P: Pipe<In: Send, Out: Send>,
    R: Reader<Item = P::In> + Send + 'scope,
    A: FnMut() -> Result<R, Failure>,
    B: ExtraLanes<P>,
{
    let workers = run.sizes.threads;
    let connection = B::open(run)?;
    let (channels, mut ends) = StepChannels::<_, _, ReopenRequest<R>>::new(
        lanes(workers, connection.as_ref()),
        BUFFERS_EACH,
        EXTRA_MESSAGES,
        Buffers::new,
    );
    let state = SharedState::of(run, channels.cancelled(), connection.as_ref().and_then(B::waker));
    let mut reader = opening(run, "reader", &mut reopen)?;
    let start = resume_reader(run.info, run.inherited.reader.as_deref(), &mut reader).map_err(during_open)?;
    let reader = Arc::new(SharedReader::new(ChunkReader::new(reader, start.clone())));
    // Made before the first thread is spawned: dropping it ends the waits of all threads, even on an early return.
    let threaded =
        Threaded::new(Arc::clone(&state), channels, SharedReaderHandle(Arc::clone(&reader)), reopen, phase);
    let supply = || SharedReaderSupply::<R, CAREFUL>::new(Arc::clone(&reader));
    let others = ends.split_off(workers);
    for channel in ends {
        spawn_worker::<P, _, _, CAREFUL>(threads, &state, channel, supply())?;
    }
    if let Some(connection) = &connection {
        let ends = others.into_iter().map(|channel| (channel, supply())).collect();
        B::spawn::<_, _, CAREFUL>(connection, threads, &state, ends)?;
    }
    threaded.wait_until_ready(workers, Some(start), order)
}

/// Spawns workers and a thread for a reader that is not `Send`, and waits until all of them are ready.
pub(super) fn with_reader_thread<'scope, 'env: 'scope, P, R, A, B, const CAREFUL: bool>(
    threads: &'scope Scope<'scope, 'env>,
    run: &'env StepRun<'_>,
    phase: &'env Cell<Phase>,
    order: Order,
    reopen: A,
) -> Result<impl Feed<P::In, P::Out>, Halt>
where
    P: Pipe<In: Send, Out: Send>,
    R: Reader<Item = P::In>,
    A: FnMut() -> Result<R, Failure>,
    B: ExtraLanes<P>,
{
    let workers = run.sizes.threads;
    let connection = B::open(run)?;
    let (channels, ends) = StepChannels::<_, _, NoRequest>::new(
        lanes(workers, connection.as_ref()),
        BUFFERS_EACH,
        EXTRA_MESSAGES,
        Buffers::new,
    );
    let state = SharedState::of(run, channels.cancelled(), connection.as_ref().and_then(B::waker));
    let (reader_thread, supplies, handle) = ReaderThread::new(Arc::clone(&state), &ends);
    let threaded = Threaded::new(Arc::clone(&state), channels, handle, reopen, phase);
    let inherited = run.inherited.reader.clone();
    named(run.info, "reader")
        .spawn_scoped(threads, carried(move || reader_thread.run::<P, CAREFUL>(inherited.as_deref())))
        .map_err(not_started)?;
    let mut ends: Vec<_> = ends.into_iter().zip(supplies).collect();
    let others = ends.split_off(workers);
    for (channel, supply) in ends {
        spawn_worker::<P, _, _, CAREFUL>(threads, &state, channel, supply)?;
    }
    if let Some(connection) = &connection {
        B::spawn::<_, _, CAREFUL>(connection, threads, &state, others)?;
    }
    threaded.wait_until_ready(workers + 1, None, order)
}

/// The number of lanes: one for each thread, and as many again if chunks are also processed elsewhere.
fn lanes<T>(workers: usize, connection: Option<&T>) -> usize {
    if connection.is_some() { 2 * workers } else { workers }
}

fn spawn_worker<'scope, 'env: 'scope, P, X, S, const CAREFUL: bool>(
    threads: &'scope Scope<'scope, 'env>,
    state: &Arc<SharedState<'env>>,
    channel: WorkerChannel<P::In, P::Out, X>,
    supply: S,
) -> Result<(), Halt>
where
    P: Pipe<In: Send, Out: Send>,
    X: Send + 'scope,
    S: Supply<P::In, P::Out, X> + Send + 'scope,
{
    let worker = Worker { state: Arc::clone(state), channel, supply };
    named(state.info, "worker")
        .spawn_scoped(threads, carried(move || worker.run::<P, CAREFUL>()))
        .map(drop)
        .map_err(not_started)
}

fn named(step: &StepInfo, role: &str) -> Builder {
    // Linux shows only the first fifteen bytes.
    Builder::new().name(format!("{role} of {}", step.name))
}

#[cold]
fn not_started(error: io::Error) -> Halt {
    let failure = Failure::new(error).with_note("a thread of the step could not be started: lower `threads`");
    Halt::Failed(failure.during(Phase::Open))
}
