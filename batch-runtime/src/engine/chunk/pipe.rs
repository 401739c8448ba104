//! Runs a chunk step: opens its pipe, resumes it after the last commit, and runs the chunk loop with the feed
//! that suits the step: on this thread, on several threads, or over the records of a replay.

use std::cell::Cell;
use std::convert::Infallible;
use std::marker::PhantomData;
use std::thread;

use crate::definition::{
    ChunkTransaction, Ended, Failure, Phase, Pipe, Process, Reader, StepListener, Writer,
};
use crate::engine::chunk::chunk_loop::{ChunkLoop, Totals};
use crate::engine::chunk::committed_ranges::CommittedRanges;
use crate::engine::chunk::feed::Feed;
use crate::engine::chunk::fill::Pipeline;
use crate::engine::chunk::open::{during_open, opening, resume};
use crate::engine::chunk::replayed::Replayed;
use crate::engine::chunk::sequential::Sequential;
use crate::engine::chunk::shared::Shared;
use crate::engine::concurrent::feed::{Concurrent, with_workers};
use crate::engine::faults::panic;
use crate::engine::phase::log_if_failed;
use crate::engine::step::{Halt, StepEnd, StepOutcome, StepRun};
#[cfg(feature = "remote-chunks")]
use crate::engine::threads::remote::{RemoteItemBounds, Workers};
use crate::engine::threads::{ExtraLanes, NoExtraLanes, Order, with_reader_thread, with_shared_reader};
use crate::observe::frames;
use crate::repository::Counters;

/// Runs a chunk step on this thread.
pub fn run_chunks<P: Pipe>(run: &StepRun<'_>) -> StepEnd {
    run_as::<P, _>(run, &OneThread)
}

/// Runs a chunk step with `threads` whose workers share the reader.
pub fn run_sharing_reader<P, R>(
    run: &StepRun<'_>,
    order: Order,
    open: impl Fn() -> Result<R, Failure>,
) -> StepEnd
where
    P: Pipe<In: Send, Out: Send>,
    R: Reader<Item = P::In> + Send,
{
    run_as::<P, _>(run, &SharedReader { order, open, extra: PhantomData::<NoExtraLanes> })
}

/// Runs a chunk step with `threads` whose reader is not `Send` and gets a thread of its own.
pub fn run_with_reader_thread<P: Pipe<In: Send, Out: Send>>(run: &StepRun<'_>, order: Order) -> StepEnd {
    run_as::<P, _>(run, &DedicatedReader { order, extra: PhantomData::<NoExtraLanes> })
}

/// As [`run_sharing_reader`], with workers in other processes in addition to the threads.
#[cfg(feature = "remote-chunks")]
pub fn run_sharing_reader_and_remote<P, R>(
    run: &StepRun<'_>,
    order: Order,
    open: impl Fn() -> Result<R, Failure>,
) -> StepEnd
where
    P: Pipe<In: RemoteItemBounds, Out: RemoteItemBounds>,
    R: Reader<Item = P::In> + Send,
{
    run_as::<P, _>(run, &SharedReader { order, open, extra: PhantomData::<Workers> })
}

/// As [`run_with_reader_thread`], with workers in other processes in addition to the threads.
#[cfg(feature = "remote-chunks")]
pub fn run_with_reader_thread_and_remote<P>(run: &StepRun<'_>, order: Order) -> StepEnd
where
    P: Pipe<In: RemoteItemBounds, Out: RemoteItemBounds>,
{
    run_as::<P, _>(run, &DedicatedReader { order, extra: PhantomData::<Workers> })
}

fn run_as<P: Pipe, M: Mode<P>>(run: &StepRun<'_>, mode: &M) -> StepEnd {
    let mut totals = Totals::start(run.own.is_partition());
    let phase = Cell::new(Phase::Open);
    let drive = || frames::in_step::<P, _>(|| open_and_drive::<P, M>(run, mode, &mut totals, &phase));
    let result =
        panic::catch(drive).unwrap_or_else(|panicked| Err(Halt::Failed(run.blame(panicked, phase.get()))));
    run.live.show(&totals.counters, None);
    StepEnd {
        result: result.map(|()| StepOutcome {
            arm: run.route.map(|route| route.label(Box::new(Ended::Completed)).to_owned()),
            ..StepOutcome::default()
        }),
        counters: totals.counters,
        profile: Some(totals.watch.profile(run.info, &run.own.lanes)),
    }
}

fn open_and_drive<P: Pipe, M: Mode<P>>(
    run: &StepRun<'_>,
    mode: &M,
    totals: &mut Totals,
    phase: &Cell<Phase>,
) -> Result<(), Halt> {
    let mut listener = opening(run, "listener", || P::listener(&run.scope))?;
    let is_partition = run.own.is_partition();
    let began = if is_partition { listener.before_partition() } else { listener.before_step() };
    began.map_err(Halt::Failed)?;
    let step = Opened { run, totals, phase, listener: &mut listener };
    let result = panic::catch(|| drive_with_listener::<P, M, _>(mode, step))
        .unwrap_or_else(|panicked| Err(Halt::Failed(run.blame(panicked, phase.get()))));
    let failure = match &result {
        Err(halt) if halt.is_fenced() => return result,
        Err(Halt::Failed(failure)) => Some(failure),
        _ => None,
    };
    if let Some(failure) = failure
        && phase.get() != Phase::Open
    {
        totals.counters.rollback += 1;
        log_if_failed(listener.on_chunk_error(failure));
    }
    let counters = &totals.counters;
    log_if_failed(if is_partition {
        listener.after_partition(counters, failure)
    } else {
        listener.after_step(counters, failure)
    });
    result
}

/// A step whose listener is open.
struct Opened<'l, 'r, L> {
    run: &'l StepRun<'r>,
    totals: &'l mut Totals,
    phase: &'l Cell<Phase>,
    listener: &'l mut L,
}

impl<'l, 'r, L> Opened<'l, 'r, L> {
    /// Opens the writer, and returns the loop that writes and commits with it.
    fn chunk_loop<P: Pipe, const CAREFUL: bool>(
        self,
    ) -> Result<ChunkLoop<'l, 'r, P::In, impl Writer<Item = P::Out>, L, CAREFUL>, Halt>
    where
        L: StepListener<P::In, P::Out>,
    {
        let writer = opening(self.run, "writer", || P::writer(&self.run.scope))?;
        let shared = Shared::new(self.run, self.phase, self.listener, P::read_json);
        Ok(ChunkLoop::new(shared, self.totals, writer, P::item_json))
    }
}

/// Drives the step. Its listener and `CAREFUL` are generic, so that the compiler knows both.
fn drive_with_listener<P: Pipe, M: Mode<P>, L: StepListener<P::In, P::Out>>(
    mode: &M,
    step: Opened<'_, '_, L>,
) -> Result<(), Halt> {
    let run = step.run;
    if let Some(places) = &run.replayed {
        // Steps without `skip` need no code for this: the launch refuses to replay them.
        if const { !P::INFO.options.faults.skip.is_empty() } {
            let open = || Ok(Replayed::new(places, || P::reader(&run.scope)));
            return on_this_thread::<P, _, L, true>(step, open);
        }
        return Err(Halt::Failed(Failure::new("a step without `skip` is not replayed").during(Phase::Open)));
    }
    if const { P::INFO.options.is_careful() || L::HEARS_ITEMS || L::WANTS_ITEMS } {
        mode.drive::<L, true>(step)
    } else {
        mode.drive::<L, false>(step)
    }
}

/// Runs the pipe over the records of a reader that `reopen` opens, with the feed that the pipe's processors need.
fn on_this_thread<P: Pipe, R: Reader<Item = P::In>, L: StepListener<P::In, P::Out>, const CAREFUL: bool>(
    step: Opened<'_, '_, L>,
    mut reopen: impl FnMut() -> Result<R, Failure>,
) -> Result<(), Halt> {
    let (run, phase) = (step.run, step.phase);
    let reader = opening(run, "reader", &mut reopen)?;
    let processor = opening(run, "processor", || P::processor(&run.scope))?;
    let chunks = step.chunk_loop::<P, CAREFUL>()?;
    let pipeline = Pipeline::<_, _, CAREFUL>::new(reader, processor, run.sizes.chunk);
    let (pipeline, committed_ranges) = resume(run, pipeline).map_err(during_open)?;
    with_feed(run, pipeline, committed_ranges, reopen, phase, Commit(chunks))
}

/// Consumes the chunks of any feed.
trait ChunkConsumer<In, Out> {
    type Output;

    fn consume<F: Feed<In, Out>>(self, feed: F) -> Result<Self::Output, Halt>;
}

/// Writes and commits the chunks.
struct Commit<C>(C);

impl<In, W: Writer, L: StepListener<In, W::Item>, const CAREFUL: bool> ChunkConsumer<In, W::Item>
    for Commit<ChunkLoop<'_, '_, In, W, L, CAREFUL>>
{
    type Output = ();

    fn consume<F: Feed<In, W::Item>>(mut self, feed: F) -> Result<(), Halt> {
        self.0.drive(feed)
    }
}

/// Collects the items of the chunks.
struct Collect<C>(C);

impl<In, W: Writer, L: StepListener<In, W::Item>, const CAREFUL: bool> ChunkConsumer<In, W::Item>
    for Collect<ChunkLoop<'_, '_, In, W, L, CAREFUL>>
{
    type Output = Vec<W::Item>;

    fn consume<F: Feed<In, W::Item>>(mut self, feed: F) -> Result<Vec<W::Item>, Halt> {
        self.0.collect(feed)
    }
}

/// Runs the consumer over the feed that the processors need.
fn with_feed<R, Q, T, const CAREFUL: bool>(
    run: &StepRun<'_>,
    pipeline: Pipeline<R, Q, CAREFUL>,
    committed_ranges: CommittedRanges,
    reopen: impl FnMut() -> Result<R, Failure>,
    phase: &Cell<Phase>,
    consumer: T,
) -> Result<T::Output, Halt>
where
    R: Reader,
    Q: Process<R::Item>,
    T: ChunkConsumer<R::Item, Q::Out>,
{
    if const { Q::CONCURRENT } {
        let feed = Concurrent::new(pipeline, committed_ranges, reopen, phase, run.sizes.chunk);
        with_workers(run, feed, |feed| consumer.consume(feed))
    } else {
        consumer.consume(Sequential::new(pipeline, committed_ranges, reopen, phase))
    }
}

/// The threads that fill the chunks of a step.
trait Mode<P: Pipe> {
    fn drive<L: StepListener<P::In, P::Out>, const CAREFUL: bool>(
        &self,
        step: Opened<'_, '_, L>,
    ) -> Result<(), Halt>;
}

/// The thread of the step alone.
struct OneThread;

impl<P: Pipe> Mode<P> for OneThread {
    fn drive<L: StepListener<P::In, P::Out>, const CAREFUL: bool>(
        &self,
        step: Opened<'_, '_, L>,
    ) -> Result<(), Halt> {
        let run = step.run;
        on_this_thread::<P, _, L, CAREFUL>(step, || P::reader(&run.scope))
    }
}

/// Several workers that share the reader. The thread of the step writes.
struct SharedReader<F, B> {
    order: Order,
    open: F,
    /// How chunks are processed in addition to the workers.
    extra: PhantomData<B>,
}

impl<P, R, F, B> Mode<P> for SharedReader<F, B>
where
    P: Pipe<In: Send, Out: Send>,
    R: Reader<Item = P::In> + Send,
    F: Fn() -> Result<R, Failure>,
    B: ExtraLanes<P>,
{
    fn drive<L: StepListener<P::In, P::Out>, const CAREFUL: bool>(
        &self,
        step: Opened<'_, '_, L>,
    ) -> Result<(), Halt> {
        let (run, phase, order) = (step.run, step.phase, self.order);
        let mut chunks = step.chunk_loop::<P, CAREFUL>()?;
        thread::scope(|threads| {
            let feed = with_shared_reader::<P, _, _, B, CAREFUL>(threads, run, phase, order, &self.open)?;
            chunks.drive(feed)
        })
    }
}

/// Several workers with a dedicated reader thread. The thread of the step writes.
struct DedicatedReader<B> {
    order: Order,
    extra: PhantomData<B>,
}

impl<P: Pipe<In: Send, Out: Send>, B: ExtraLanes<P>> Mode<P> for DedicatedReader<B> {
    fn drive<L: StepListener<P::In, P::Out>, const CAREFUL: bool>(
        &self,
        step: Opened<'_, '_, L>,
    ) -> Result<(), Halt> {
        let (run, phase) = (step.run, step.phase);
        let mut chunks = step.chunk_loop::<P, CAREFUL>()?;
        let reopen = || P::reader(&run.scope);
        thread::scope(|threads| {
            let feed = with_reader_thread::<P, _, _, B, CAREFUL>(threads, run, phase, self.order, reopen)?;
            chunks.drive(feed)
        })
    }
}

/// Runs a pipe's processors over `reader`, chunk by chunk, and collects their outputs without a commit. For
/// tests.
pub(crate) fn collect<P: Pipe, R: Reader<Item = P::In>>(
    run: &StepRun<'_>,
    reader: R,
) -> Result<(Vec<P::Out>, Counters), Failure> {
    let phase = Cell::new(Phase::Open);
    let mut totals = Totals::start(run.own.is_partition());
    let collected = panic::catch(|| {
        let pipeline = Pipeline::<_, _, true>::new(reader, P::processor(&run.scope)?, run.sizes.chunk);
        let (writer, mut listener) = (Discard(PhantomData), ());
        let shared = Shared::new(run, &phase, &mut listener, |_| None);
        let chunks = ChunkLoop::<P::In, _, _, true>::new(shared, &mut totals, writer, |_| None);
        let reopen = || Err(Failure::new("the reader of a test is not reopened"));
        let (pipeline, committed_ranges) = resume(run, pipeline)?;
        with_feed(run, pipeline, committed_ranges, reopen, &phase, Collect(chunks)).map_err(|halt| match halt
        {
            Halt::Failed(failure) => failure,
            other => Failure::new(format!("{other:?}")),
        })
    });
    let items = collected.unwrap_or_else(|panicked| Err(run.blame(panicked, phase.get())))?;
    Ok((items, totals.counters))
}

/// A writer that drops its items.
struct Discard<T>(PhantomData<T>);

impl<T> Writer for Discard<T> {
    type Item = T;
    type Position = ();
    type Error = Infallible;

    fn write(&mut self, _: &[T], _: &ChunkTransaction<'_>) -> Result<(), Infallible> {
        Ok(())
    }

    fn position(&self) {}
}
