//! Receives: a step with `threads`. Gives: its chunks, read by one thread, processed by several and handed on in the order of the
//! input, so that what is written, counted, skipped and committed is what one thread would.
//!
//! A chunk is the unit of work: the reader's thread reads a whole one, a worker processes it, and the thread of the step takes them
//! in order. As many chunks are under way as there are workers, and two more: for each of them there are buffers, which go round:
//! they are filled by the reader, travel with their chunk, and come back when it is committed, so a slow writer holds the
//! reader back, and no memory is asked for once they have their size. What could not be read or processed is a value
//! in its chunk, judged where the chunk is taken.
//!
//! Every wait is for a channel, and ends when its other side is gone: who leaves, by whatever way, wakes all others. No thread
//! outlives the scope that it is spawned in.

mod reading;
mod working;

use std::cell::Cell;
use std::io;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, Scope as Threads};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::feed::{Desk, Feed, Outputs, halt};
use super::fill::{Filled, told};
use super::places;
use super::profile::{Phases, Watch};
use super::retry::Retrying;
use super::step::{Halt, StepRun, blame};
use crate::definition::{
    Binding, Environment, Failure, Phase, Pipe, Progress, Reader, States, StepContext, StepEnvironment,
    StepInfo, StepListener, StopSignal,
};
use crate::repository::SkipPhase;
use reading::Reading;
use working::Working;

/// What all threads of a step know.
struct Common<'s> {
    info: &'static StepInfo,
    environment: &'s Environment,
    context: Arc<StepContext>,
    retrying: Retrying,
    bindings: Vec<&'s [Binding]>,
    /// Nobody wants any more chunks.
    over: AtomicBool,
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

/// The leave to read a chunk.
struct Back<In, Out> {
    buffers: Buffers<In, Out>,
    /// It comes from a chunk that is committed.
    committed: bool,
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
    /// Why nothing is read behind it.
    fatal: Option<Failure>,
    ended: bool,
    position: String,
    progress: Option<Progress>,
}

impl UnitEnd {
    fn of(failure: Failure) -> Self {
        Self { fatal: Some(failure), ..Self::default() }
    }
}

/// A chunk as it was processed.
struct Done<In, Out> {
    number: u64,
    buffers: Buffers<In, Out>,
    filled: Filled,
    /// What may be skipped, with the number of its record, in the order in which it is judged.
    faults: Vec<(SkipPhase, u32, Failure)>,
    end: UnitEnd,
}

/// What a thread says to the step's own.
enum Said<In, Out> {
    /// The reader is open, and stands there.
    Reads(Result<String, Failure>),
    /// A worker has its processors.
    Processes(Result<(), Failure>),
    Done(Done<In, Out>),
    /// The reader failed to take note of a commit.
    Unheard(Failure),
}

/// The chunks as the step takes them.
pub(super) struct Threaded<'p, 's, In, Out, A> {
    common: Arc<Common<'s>>,
    said: Receiver<Said<In, Out>>,
    /// Gone when the last chunk is committed.
    back: Option<Sender<Back<In, Out>>>,
    /// Chunks that came before their turn.
    early: Vec<Done<In, Out>>,
    next: u64,
    buffers: Buffers<In, Out>,
    position: String,
    progress: Option<Progress>,
    /// Opens a reader once more, to find the place of what failed.
    anew: A,
    phase: &'p Cell<Phase>,
}

/// Spawns the threads, and waits until all of them are ready.
pub(super) fn start<'scope, 'env: 'scope, P, R, A, const CAREFUL: bool>(
    threads: &'scope Threads<'scope, 'env>,
    run: &'env StepRun<'_>,
    phase: &'env Cell<Phase>,
    anew: A,
) -> Result<Threaded<'env, 'env, P::In, P::Out, A>, Halt>
where
    P: Pipe<In: Send, Out: Send>,
    R: Reader<Item = P::In>,
    A: FnMut() -> Result<R, Failure>,
{
    let (retrying, give_up) = run.retrying().given_up_by();
    let common = Arc::new(Common {
        info: run.info,
        environment: run.environment,
        context: Arc::clone(run.own.context.as_ref().expect("a step runs with its context")),
        retrying,
        bindings: run.scope.bindings().to_vec(),
        over: AtomicBool::new(false),
        give_up,
    });
    let workers = run.info.options.threads;
    let under_way = workers + 2;
    let (give_back, back) = bounded(under_way);
    let (give_work, work) = bounded(under_way);
    // Room for all that threads have to say, so that none waits to say it: the chunks, and twice a thread how it fares.
    let (say, said) = bounded(under_way + 2 * (workers + 1));
    for _ in 0..under_way {
        let _ = give_back.send(Back { buffers: Buffers::new(), committed: false });
    }
    let threaded = Threaded {
        common: Arc::clone(&common),
        said,
        back: Some(give_back),
        early: Vec::with_capacity(under_way),
        next: 0,
        buffers: Buffers::new(),
        position: String::new(),
        progress: None,
        anew,
        phase,
    };
    let inherited = run.inherited.reader.clone();
    let reading = Reading { common: Arc::clone(&common), back, work: give_work, say: say.clone() };
    named(run.info, "reader")
        .spawn_scoped(threads, move || reading.run::<P, CAREFUL>(inherited.as_deref()))
        .map_err(not_started)?;
    for _ in 0..workers {
        let working = Working { common: Arc::clone(&common), work: work.clone(), say: say.clone() };
        named(run.info, "worker")
            .spawn_scoped(threads, move || working.run::<P, CAREFUL>())
            .map_err(not_started)?;
    }
    // Whoever waits for a channel is to find out that its other side is gone.
    drop((work, say));
    threaded.ready(workers + 1)
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

impl<In, Out, A> Threaded<'_, '_, In, Out, A> {
    /// Waits until every thread has opened what it works with; of several that could not, it is the reader that is told of.
    fn ready(mut self, threads: usize) -> Result<Self, Halt> {
        let (mut unread, mut unprocessed) = (None, None);
        let mut answers = 0;
        while answers < threads {
            match self.said.recv() {
                Ok(Said::Reads(Ok(position))) => self.position = position,
                Ok(Said::Reads(Err(failure))) => unread = Some(failure),
                Ok(Said::Processes(Ok(()))) => {}
                Ok(Said::Processes(Err(failure))) => unprocessed = Some(failure),
                Ok(Said::Done(done)) => {
                    self.early.push(done);
                    continue;
                }
                Ok(Said::Unheard(failure)) => return Err(Halt::Failed(failure)),
                Err(_) => return Err(Halt::Failed(gone())),
            }
            answers += 1;
        }
        match unread.or(unprocessed) {
            Some(failure) => Err(Halt::Failed(failure)),
            None => Ok(self),
        }
    }

    /// Waits for the chunk whose turn it is.
    fn take(&mut self) -> Result<Done<In, Out>, Failure> {
        loop {
            if let Some(at) = self.early.iter().position(|done| done.number == self.next) {
                self.next += 1;
                return Ok(self.early.swap_remove(at));
            }
            match self.said.recv() {
                Ok(Said::Done(done)) => self.early.push(done),
                Ok(Said::Unheard(failure)) => return Err(blame(self.common.info, failure, Phase::Read)),
                Ok(Said::Reads(_) | Said::Processes(_)) => {}
                Err(_) => return Err(gone()),
            }
        }
    }
}

impl<In, Out, A> Drop for Threaded<'_, '_, In, Out, A> {
    fn drop(&mut self) {
        // Whoever works on a chunk leaves off; whoever waits finds its channel closed.
        self.common.over.store(true, Ordering::Relaxed);
        self.common.give_up.give_up();
    }
}

#[cold]
fn gone() -> Failure {
    Failure::new("a thread of the step ended before its work was done")
}

impl<In, Out, R, A> Feed<In, Out> for Threaded<'_, '_, In, Out, A>
where
    R: Reader<Item = In>,
    A: FnMut() -> Result<R, Failure>,
{
    fn fill<L: StepListener<In, Out>>(
        &mut self,
        desk: &mut Desk<'_, '_, L>,
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
        let mut faults = done.faults;
        // The reader is far ahead by now.
        let unplaced = faults.iter_mut().map(|(_, source, failure)| (*source, failure));
        places::locate(unplaced, &self.position, &mut self.anew);
        for (phase, source, failure) in faults {
            match phase {
                SkipPhase::Read => told(desk.listener.on_read_error(&failure)),
                _ => told(desk.listener.on_process_error(&failure)),
            }
            self.phase.set(if phase == SkipPhase::Read { Phase::Read } else { Phase::Process });
            desk.judge.skip(phase, source, failure, None).map_err(halt)?;
        }
        if let Some(failure) = done.end.fatal {
            let phase = failure.phase().unwrap_or(Phase::Process);
            self.phase.set(phase);
            match phase {
                _ if failure.is_panic() => {}
                Phase::Read => told(desk.listener.on_read_error(&failure)),
                _ => told(desk.listener.on_process_error(&failure)),
            }
            return Err(halt(failure));
        }
        (self.buffers, self.position, self.progress) = (done.buffers, done.end.position, done.end.progress);
        Ok(Filled { ended: done.end.ended, ..done.filled })
    }

    fn outputs(&mut self) -> &mut Outputs<Out> {
        &mut self.buffers.outputs
    }

    fn position(&self) -> Result<String, Failure> {
        Ok(self.position.clone())
    }

    fn states(&self) -> Result<States, Failure> {
        // No processor on several threads keeps one.
        Ok(States::new())
    }

    fn committed(&mut self) -> Result<(), Failure> {
        let buffers = mem::replace(&mut self.buffers, Buffers::new());
        if let Some(back) = &self.back {
            // Where the reader is gone, the next wait for it tells why.
            let _ = back.send(Back { buffers, committed: true });
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), Failure> {
        // The reader ends when it has heard of all commits, and the workers behind it.
        self.back = None;
        while let Ok(said) = self.said.recv() {
            if let Said::Unheard(failure) = said {
                return Err(failure);
            }
        }
        Ok(())
    }

    fn progress(&self) -> Option<Progress> {
        self.progress
    }
}
