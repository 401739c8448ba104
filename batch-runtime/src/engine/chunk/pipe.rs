//! Receives: a chunk step. Gives: its pipe opened, taken to where the last commit left it, and handed to the chunk loop with the
//! feed that suits it: on this thread, on several, or over what is replayed.

use crate::engine::chunk::open::{during_open, opening, resume};
use std::cell::Cell;
use std::convert::Infallible;
use std::marker::PhantomData;
use std::time::Instant;

use crate::definition::{
    ChunkTransaction, Ended, Failure, Phase, Pipe, Process, Reader, StepListener, Writer,
};
use crate::engine::chunk::chunk_loop::{ChunkLoop, Totals};
use crate::engine::chunk::committed_ranges::CommittedRanges;
use crate::engine::chunk::feed::Feed;
use crate::engine::chunk::fill::Pipeline;
use crate::engine::chunk::replayed::Replayed;
use crate::engine::chunk::sequential::Sequential;
use crate::engine::chunk::shared::Shared;
use crate::engine::concurrent::feed::{Concurrent, with_workers};
use crate::engine::faults::panic;
use crate::engine::phase::log_if_failed;
use crate::engine::step::{Done, Halt, StepEnd, StepRun};
use crate::engine::threads::{self, Order};
use crate::repository::Counters;

/// Runs a chunk step on this thread.
pub fn run_chunks<P: Pipe>(run: &StepRun<'_>) -> StepEnd {
    run_as::<P, _>(run, &OneThread)
}

/// Runs a chunk step with `threads` over a reader that they read in turns.
pub fn run_in_turns<P, R>(run: &StepRun<'_>, order: Order, open: impl Fn() -> Result<R, Failure>) -> StepEnd
where
    P: Pipe<In: Send, Out: Send>,
    R: Reader<Item = P::In> + Send,
{
    run_as::<P, _>(run, &SharedReader { order, open })
}

/// Runs a chunk step with `threads` over a reader that cannot leave its thread, and has one of its own.
pub fn run_beside_reader<P: Pipe<In: Send, Out: Send>>(run: &StepRun<'_>, order: Order) -> StepEnd {
    run_as::<P, _>(run, &BesideReader(order))
}

fn run_as<P: Pipe, M: Mode<P>>(run: &StepRun<'_>, mode: &M) -> StepEnd {
    let began = Instant::now();
    let mut totals = Totals::default();
    let phase = Cell::new(Phase::Open);
    let drive = || open_and_drive::<P, M>(run, mode, &mut totals, &phase);
    let result =
        panic::catch(drive).unwrap_or_else(|panicked| Err(Halt::Failed(run.blame(panicked, phase.get()))));
    run.live.show(&totals.counters, None);
    StepEnd {
        result: result.map(|()| Done {
            arm: run.route.map(|route| route.label(Box::new(Ended::Completed)).to_owned()),
            ..Done::default()
        }),
        counters: totals.counters,
        profile: Some(totals.profiler.profile(began.elapsed())),
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
    let result = panic::catch(|| heard::<P, M, _>(run, mode, totals, phase, &mut listener))
        .unwrap_or_else(|panicked| Err(Halt::Failed(run.blame(panicked, phase.get()))));
    let failure = match &result {
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

/// With the type of what listens, and whether care is taken: both are known when the program is compiled.
fn heard<P: Pipe, M: Mode<P>, L: StepListener<P::In, P::Out>>(
    run: &StepRun<'_>,
    mode: &M,
    totals: &mut Totals,
    phase: &Cell<Phase>,
    listener: &mut L,
) -> Result<(), Halt> {
    if let Some(places) = &run.replayed {
        // The others are spared the code: the launch refuses a replay of theirs.
        if const { !P::INFO.options.faults.skip.is_empty() } {
            let open = || Ok(Replayed::new(places, || P::reader(&run.scope)));
            return on_this_thread::<P, _, L, true>(run, open, totals, phase, listener);
        }
        return Err(Halt::Failed(Failure::new("a step without `skip` is not replayed").during(Phase::Open)));
    }
    if const { P::INFO.options.is_careful() || L::HEARS_ITEMS || L::WANTS_ITEMS } {
        mode.drive::<L, true>(run, totals, phase, listener)
    } else {
        mode.drive::<L, false>(run, totals, phase, listener)
    }
}

/// Runs the pipe over what that reader reads, with the feed that its processors want.
fn on_this_thread<P: Pipe, R: Reader<Item = P::In>, L: StepListener<P::In, P::Out>, const CAREFUL: bool>(
    run: &StepRun<'_>,
    mut anew: impl FnMut() -> Result<R, Failure>,
    totals: &mut Totals,
    phase: &Cell<Phase>,
    listener: &mut L,
) -> Result<(), Halt> {
    let reader = opening(run, "reader", &mut anew)?;
    let processor = opening(run, "processor", || P::processor(&run.scope))?;
    let writer = opening(run, "writer", || P::writer(&run.scope))?;
    let shared = Shared::new(run, phase, listener, P::read_json);
    let chunks = ChunkLoop::<_, _, _, CAREFUL>::new(shared, totals, writer, P::item_json);
    let pipeline = Pipeline::<_, _, CAREFUL>::new(reader, processor, run.sizes.chunk);
    let (pipeline, committed_ranges) = resume(run, pipeline).map_err(during_open)?;
    fed(run, pipeline, committed_ranges, anew, phase, Committed(chunks))
}

/// What becomes of the chunks, whatever fills them.
trait ChunkConsumer<In, Out> {
    type Taken;

    fn consume<F: Feed<In, Out>>(self, feed: F) -> Result<Self::Taken, Halt>;
}

/// They are written and committed.
struct Committed<C>(C);

impl<In, W: Writer, L: StepListener<In, W::Item>, const CAREFUL: bool> ChunkConsumer<In, W::Item>
    for Committed<ChunkLoop<'_, '_, In, W, L, CAREFUL>>
{
    type Taken = ();

    fn consume<F: Feed<In, W::Item>>(mut self, feed: F) -> Result<(), Halt> {
        self.0.drive(feed)
    }
}

/// They are kept.
struct Collected<C>(C);

impl<In, W: Writer, L: StepListener<In, W::Item>, const CAREFUL: bool> ChunkConsumer<In, W::Item>
    for Collected<ChunkLoop<'_, '_, In, W, L, CAREFUL>>
{
    type Taken = Vec<W::Item>;

    fn consume<F: Feed<In, W::Item>>(mut self, feed: F) -> Result<Vec<W::Item>, Halt> {
        self.0.collect(feed)
    }
}

/// Hands on the chunks of the feed that the processors want.
fn fed<R, Q, T, const CAREFUL: bool>(
    run: &StepRun<'_>,
    pipeline: Pipeline<R, Q, CAREFUL>,
    committed_ranges: CommittedRanges,
    anew: impl FnMut() -> Result<R, Failure>,
    phase: &Cell<Phase>,
    consumer: T,
) -> Result<T::Taken, Halt>
where
    R: Reader,
    Q: Process<R::Item>,
    T: ChunkConsumer<R::Item, Q::Out>,
{
    if const { Q::CONCURRENT } {
        let feed = Concurrent::new(pipeline, committed_ranges, anew, phase, run.sizes.chunk);
        with_workers(run, feed, |feed| consumer.consume(feed))
    } else {
        consumer.consume(Sequential::new(pipeline, committed_ranges, anew, phase))
    }
}

/// Who fills the chunks of a step.
trait Mode<P: Pipe> {
    fn drive<L: StepListener<P::In, P::Out>, const CAREFUL: bool>(
        &self,
        run: &StepRun<'_>,
        totals: &mut Totals,
        phase: &Cell<Phase>,
        listener: &mut L,
    ) -> Result<(), Halt>;
}

/// The thread that writes.
struct OneThread;

impl<P: Pipe> Mode<P> for OneThread {
    fn drive<L: StepListener<P::In, P::Out>, const CAREFUL: bool>(
        &self,
        run: &StepRun<'_>,
        totals: &mut Totals,
        phase: &Cell<Phase>,
        listener: &mut L,
    ) -> Result<(), Halt> {
        on_this_thread::<P, _, L, CAREFUL>(run, || P::reader(&run.scope), totals, phase, listener)
    }
}

/// Writes and commits what other threads have made.
fn write_behind<P: Pipe, W: Writer<Item = P::Out>, L: StepListener<P::In, P::Out>, const CAREFUL: bool>(
    run: &StepRun<'_>,
    writer: W,
    feed: impl Feed<P::In, P::Out>,
    totals: &mut Totals,
    phase: &Cell<Phase>,
    listener: &mut L,
) -> Result<(), Halt> {
    let shared = Shared::new(run, phase, listener, P::read_json);
    ChunkLoop::<P::In, _, _, CAREFUL>::new(shared, totals, writer, P::item_json).drive(feed)
}

/// Several threads, which read in turns; this one writes.
struct SharedReader<F> {
    order: Order,
    open: F,
}

impl<P, R, F> Mode<P> for SharedReader<F>
where
    P: Pipe<In: Send, Out: Send>,
    R: Reader<Item = P::In> + Send,
    F: Fn() -> Result<R, Failure>,
{
    fn drive<L: StepListener<P::In, P::Out>, const CAREFUL: bool>(
        &self,
        run: &StepRun<'_>,
        totals: &mut Totals,
        phase: &Cell<Phase>,
        listener: &mut L,
    ) -> Result<(), Halt> {
        let writer = opening(run, "writer", || P::writer(&run.scope))?;
        std::thread::scope(|threads| {
            let feed = threads::in_turns::<P, _, _, CAREFUL>(threads, run, phase, self.order, &self.open)?;
            write_behind::<P, _, _, CAREFUL>(run, writer, feed, totals, phase, listener)
        })
    }
}

/// Several threads, which ask one that reads; this one writes.
struct BesideReader(Order);

impl<P: Pipe<In: Send, Out: Send>> Mode<P> for BesideReader {
    fn drive<L: StepListener<P::In, P::Out>, const CAREFUL: bool>(
        &self,
        run: &StepRun<'_>,
        totals: &mut Totals,
        phase: &Cell<Phase>,
        listener: &mut L,
    ) -> Result<(), Halt> {
        let writer = opening(run, "writer", || P::writer(&run.scope))?;
        std::thread::scope(|threads| {
            let anew = || P::reader(&run.scope);
            let feed = threads::apart::<P, _, _, CAREFUL>(threads, run, phase, self.0, anew)?;
            write_behind::<P, _, _, CAREFUL>(run, writer, feed, totals, phase, listener)
        })
    }
}

/// Runs a pipe's processors over `reader`, chunk by chunk, and keeps what they put out: for tests, without a commit.
pub(crate) fn collect<P: Pipe, R: Reader<Item = P::In>>(
    run: &StepRun<'_>,
    reader: R,
) -> Result<(Vec<P::Out>, Counters), Failure> {
    let phase = Cell::new(Phase::Open);
    let mut totals = Totals::default();
    let collected = panic::catch(|| {
        let pipeline = Pipeline::<_, _, true>::new(reader, P::processor(&run.scope)?, run.sizes.chunk);
        let (writer, mut listener) = (Discard(PhantomData), ());
        let shared = Shared::new(run, &phase, &mut listener, |_| None);
        let chunks = ChunkLoop::<P::In, _, _, true>::new(shared, &mut totals, writer, |_| None);
        let anew = || Err(Failure::new("a reader of a test is not opened anew"));
        let (pipeline, committed_ranges) = resume(run, pipeline)?;
        fed(run, pipeline, committed_ranges, anew, &phase, Collected(chunks)).map_err(|halt| match halt {
            Halt::Failed(failure) => failure,
            other => Failure::new(format!("{other:?}")),
        })
    });
    let items = collected.unwrap_or_else(|panicked| Err(run.blame(panicked, phase.get())))?;
    Ok((items, totals.counters))
}

/// The writer of what is collected instead.
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
