//! Receives: a chunk step. Gives: its pipe opened, taken to where the last commit left it, and handed to the chunk loop with the
//! feed that suits it: on this thread, on several, or over what is replayed.

use std::cell::Cell;
use std::convert::Infallible;
use std::marker::PhantomData;
use std::time::Instant;

use super::checkpoint::{self, Place};
use super::chunk::{ChunkLoop, Tally};
use super::concurrent::{self, Concurrent};
use super::feed::{Desk, Feed};
use super::fill::{Line, told};
use super::gaps::Gaps;
use super::panic;
use super::replay::Replayed;
use super::sequential::Sequential;
use super::step::{Done, Halt, StepEnd, StepRun, of_role};
use super::threads::{self, Order};
use crate::definition::{
    ChunkTransaction, Ended, Failure, Phase, Pipe, Process, Reader, StepInfo, StepListener, Writer,
};
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
    run_as::<P, _>(run, &InTurns { order, open })
}

/// Runs a chunk step with `threads` over a reader that cannot leave its thread, and has one of its own.
pub fn run_beside_reader<P: Pipe<In: Send, Out: Send>>(run: &StepRun<'_>, order: Order) -> StepEnd {
    run_as::<P, _>(run, &BesideReader(order))
}

fn run_as<P: Pipe, M: Mode<P>>(run: &StepRun<'_>, mode: &M) -> StepEnd {
    let began = Instant::now();
    let mut tally = Tally::default();
    let phase = Cell::new(Phase::Open);
    let drive = || open_and_drive::<P, M>(run, mode, &mut tally, &phase);
    let result =
        panic::catch(drive).unwrap_or_else(|panicked| Err(Halt::Failed(run.blame(panicked, phase.get()))));
    run.live.show(&tally.counters, None);
    StepEnd {
        result: result.map(|()| Done {
            arm: run.route.map(|route| route.label(Box::new(Ended::Completed)).to_owned()),
            ..Done::default()
        }),
        counters: tally.counters,
        profile: Some(tally.profiler.profile(began.elapsed())),
    }
}

fn open_and_drive<P: Pipe, M: Mode<P>>(
    run: &StepRun<'_>,
    mode: &M,
    tally: &mut Tally,
    phase: &Cell<Phase>,
) -> Result<(), Halt> {
    let mut listener = opening(run, "listener", || P::listener(&run.scope))?;
    let is_partition = run.own.is_partition();
    let began = if is_partition { listener.before_partition() } else { listener.before_step() };
    began.map_err(Halt::Failed)?;
    let result = panic::catch(|| heard::<P, M, _>(run, mode, tally, phase, &mut listener))
        .unwrap_or_else(|panicked| Err(Halt::Failed(run.blame(panicked, phase.get()))));
    let failure = match &result {
        Err(Halt::Failed(failure)) => Some(failure),
        _ => None,
    };
    if let Some(failure) = failure
        && phase.get() != Phase::Open
    {
        tally.counters.rollback += 1;
        told(listener.on_chunk_error(failure));
    }
    let counters = &tally.counters;
    told(if is_partition {
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
    tally: &mut Tally,
    phase: &Cell<Phase>,
    listener: &mut L,
) -> Result<(), Halt> {
    if let Some(places) = &run.replayed {
        // The others are spared the code: the launch refuses a replay of theirs.
        if const { !P::INFO.options.faults.skip.is_empty() } {
            let open = || Ok(Replayed::new(places, || P::reader(&run.scope)));
            return on_this_thread::<P, _, L, true>(run, open, tally, phase, listener);
        }
        return Err(Halt::Failed(Failure::new("a step without `skip` is not replayed").during(Phase::Open)));
    }
    if const { P::INFO.options.is_careful() || L::HEARS_ITEMS || L::WANTS_ITEMS } {
        mode.drive::<L, true>(run, tally, phase, listener)
    } else {
        mode.drive::<L, false>(run, tally, phase, listener)
    }
}

/// Runs the pipe over what that reader reads, with the feed that its processors want.
fn on_this_thread<P: Pipe, R: Reader<Item = P::In>, L: StepListener<P::In, P::Out>, const CAREFUL: bool>(
    run: &StepRun<'_>,
    mut anew: impl FnMut() -> Result<R, Failure>,
    tally: &mut Tally,
    phase: &Cell<Phase>,
    listener: &mut L,
) -> Result<(), Halt> {
    let reader = opening(run, "reader", &mut anew)?;
    let processor = opening(run, "processor", || P::processor(&run.scope))?;
    let writer = opening(run, "writer", || P::writer(&run.scope))?;
    let desk = Desk::new(run, phase, listener, P::read_json);
    let chunks = ChunkLoop::<_, _, _, CAREFUL>::new(desk, tally, writer, P::item_json);
    let line = Line::<_, _, CAREFUL>::new(reader, processor, run.sizes.chunk);
    let (line, gaps) = resume(run, line).map_err(during_open)?;
    fed(run, line, gaps, anew, phase, Committed(chunks))
}

/// What becomes of the chunks, whatever fills them.
trait Taking<In, Out> {
    type Taken;

    fn take<F: Feed<In, Out>>(self, feed: F) -> Result<Self::Taken, Halt>;
}

/// They are written and committed.
struct Committed<C>(C);

impl<In, W: Writer, L: StepListener<In, W::Item>, const CAREFUL: bool> Taking<In, W::Item>
    for Committed<ChunkLoop<'_, '_, In, W, L, CAREFUL>>
{
    type Taken = ();

    fn take<F: Feed<In, W::Item>>(mut self, feed: F) -> Result<(), Halt> {
        self.0.drive(feed)
    }
}

/// They are kept.
struct Collected<C>(C);

impl<In, W: Writer, L: StepListener<In, W::Item>, const CAREFUL: bool> Taking<In, W::Item>
    for Collected<ChunkLoop<'_, '_, In, W, L, CAREFUL>>
{
    type Taken = Vec<W::Item>;

    fn take<F: Feed<In, W::Item>>(mut self, feed: F) -> Result<Vec<W::Item>, Halt> {
        self.0.collect(feed)
    }
}

/// Hands on the chunks of the feed that the processors want.
fn fed<R, Q, T, const CAREFUL: bool>(
    run: &StepRun<'_>,
    line: Line<R, Q, CAREFUL>,
    gaps: Gaps,
    anew: impl FnMut() -> Result<R, Failure>,
    phase: &Cell<Phase>,
    taking: T,
) -> Result<T::Taken, Halt>
where
    R: Reader,
    Q: Process<R::Item>,
    T: Taking<R::Item, Q::Out>,
{
    if const { Q::CONCURRENT } {
        let feed = Concurrent::new(line, gaps, anew, phase, run.sizes.chunk);
        concurrent::with(run, feed, |feed| taking.take(feed))
    } else {
        taking.take(Sequential::new(line, gaps, anew, phase))
    }
}

/// Who fills the chunks of a step.
trait Mode<P: Pipe> {
    fn drive<L: StepListener<P::In, P::Out>, const CAREFUL: bool>(
        &self,
        run: &StepRun<'_>,
        tally: &mut Tally,
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
        tally: &mut Tally,
        phase: &Cell<Phase>,
        listener: &mut L,
    ) -> Result<(), Halt> {
        on_this_thread::<P, _, L, CAREFUL>(run, || P::reader(&run.scope), tally, phase, listener)
    }
}

/// Writes and commits what other threads have made.
fn write_behind<P: Pipe, W: Writer<Item = P::Out>, L: StepListener<P::In, P::Out>, const CAREFUL: bool>(
    run: &StepRun<'_>,
    writer: W,
    feed: impl Feed<P::In, P::Out>,
    tally: &mut Tally,
    phase: &Cell<Phase>,
    listener: &mut L,
) -> Result<(), Halt> {
    let desk = Desk::new(run, phase, listener, P::read_json);
    ChunkLoop::<P::In, _, _, CAREFUL>::new(desk, tally, writer, P::item_json).drive(feed)
}

/// Several threads, which read in turns; this one writes.
struct InTurns<F> {
    order: Order,
    open: F,
}

impl<P, R, F> Mode<P> for InTurns<F>
where
    P: Pipe<In: Send, Out: Send>,
    R: Reader<Item = P::In> + Send,
    F: Fn() -> Result<R, Failure>,
{
    fn drive<L: StepListener<P::In, P::Out>, const CAREFUL: bool>(
        &self,
        run: &StepRun<'_>,
        tally: &mut Tally,
        phase: &Cell<Phase>,
        listener: &mut L,
    ) -> Result<(), Halt> {
        let writer = opening(run, "writer", || P::writer(&run.scope))?;
        std::thread::scope(|threads| {
            let feed = threads::in_turns::<P, _, _, CAREFUL>(threads, run, phase, self.order, &self.open)?;
            write_behind::<P, _, _, CAREFUL>(run, writer, feed, tally, phase, listener)
        })
    }
}

/// Several threads, which ask one that reads; this one writes.
struct BesideReader(Order);

impl<P: Pipe<In: Send, Out: Send>> Mode<P> for BesideReader {
    fn drive<L: StepListener<P::In, P::Out>, const CAREFUL: bool>(
        &self,
        run: &StepRun<'_>,
        tally: &mut Tally,
        phase: &Cell<Phase>,
        listener: &mut L,
    ) -> Result<(), Halt> {
        let writer = opening(run, "writer", || P::writer(&run.scope))?;
        std::thread::scope(|threads| {
            let anew = || P::reader(&run.scope);
            let feed = threads::apart::<P, _, _, CAREFUL>(threads, run, phase, self.0, anew)?;
            write_behind::<P, _, _, CAREFUL>(run, writer, feed, tally, phase, listener)
        })
    }
}

pub(super) fn during_open(failure: Failure) -> Halt {
    Halt::Failed(failure.during(Phase::Open))
}

/// Takes reader and processors to where the last commit left them; gives what is done ahead of the reader.
fn resume<R: Reader, P: Process<R::Item>, const CAREFUL: bool>(
    run: &StepRun<'_>,
    mut line: Line<R, P, CAREFUL>,
) -> Result<(Line<R, P, CAREFUL>, Gaps), Failure> {
    let (_, gaps) = resume_reader(run.info, run.inherited.reader.as_deref(), &mut line.reader)?;
    line.processor.restore(&mut run.inherited.states.clone())?;
    Ok((line, gaps))
}

/// Takes the reader to where the last commit left it; gives that place, encoded, and what is done ahead of it.
pub(super) fn resume_reader<R: Reader>(
    info: &StepInfo,
    inherited: Option<&str>,
    reader: &mut R,
) -> Result<(String, Gaps), Failure> {
    let mut gaps = Gaps::default();
    if let Some(text) = inherited {
        let Place { at, ahead, done } = checkpoint::decode_place(text)?;
        reader.resume(at).map_err(|error| of_role(info, Failure::new(error), "reader"))?;
        checkpoint::pass(reader, ahead).map_err(|failure| of_role(info, failure, "reader"))?;
        gaps = Gaps::ahead_of(ahead, done);
    }
    // A position that cannot be read back must not first be found out at a restart.
    let stands = checkpoint::encode(&reader.position())?;
    checkpoint::decode::<R::Position>(&stands)?;
    Ok((stands, gaps))
}

/// Opens the components of one role; a panic is caught here, where the role is still known.
pub(super) fn opening<T>(
    run: &StepRun<'_>,
    role: &'static str,
    open: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, Halt> {
    panic::catch(open)
        .and_then(|opened| opened)
        .map_err(|failure| Halt::Failed(run.of_role(failure, role).during(Phase::Open)))
}

/// Runs a pipe's processors over `reader`, chunk by chunk, and keeps what they put out: for tests, without a commit.
pub(crate) fn collect<P: Pipe, R: Reader<Item = P::In>>(
    run: &StepRun<'_>,
    reader: R,
) -> Result<(Vec<P::Out>, Counters), Failure> {
    let phase = Cell::new(Phase::Open);
    let mut tally = Tally::default();
    let collected = panic::catch(|| {
        let line = Line::<_, _, true>::new(reader, P::processor(&run.scope)?, run.sizes.chunk);
        let (writer, mut listener) = (Discard(PhantomData), ());
        let desk = Desk::new(run, &phase, &mut listener, |_| None);
        let chunks = ChunkLoop::<P::In, _, _, true>::new(desk, &mut tally, writer, |_| None);
        let anew = || Err(Failure::new("a reader of a test is not opened anew"));
        let (line, gaps) = resume(run, line)?;
        fed(run, line, gaps, anew, &phase, Collected(chunks)).map_err(|halt| match halt {
            Halt::Failed(failure) => failure,
            other => Failure::new(format!("{other:?}")),
        })
    });
    let items = collected.unwrap_or_else(|panicked| Err(run.blame(panicked, phase.get())))?;
    Ok((items, tally.counters))
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
