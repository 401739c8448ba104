//! Receives: a step with `threads`. Gives: its chunks, read by one thread, processed by several and handed on in the order of the
//! input, so that what is written, counted, skipped and committed is what one thread would.
//!
//! A chunk is the unit of work: the reader's thread reads a whole one, a worker processes it, and the thread of the step takes them
//! in order. As many chunks are under way as there are workers, and two more: for each of them there is a permit, taken before
//! it is read and given back when it is committed, so a slow writer holds the reader back. What could not be read or
//! processed is a value in its chunk, judged where the chunk is taken.
//!
//! Every wait is for a channel, and ends when its other side is gone: who leaves, by whatever way, wakes all others. No thread
//! outlives the scope that it is spawned in.

use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Scope as Threads;

use crossbeam_channel::{Receiver, Sender, bounded, select, unbounded};

use super::checkpoint;
use super::chunk::resume_reader;
use super::feed::{Desk, Feed, Outputs, halt};
use super::fill::{Extent, Fault, Filled, Line, told};
use super::panic;
use super::profile::Phases;
use super::retry::Retrying;
use super::sequential::{ReadRepeats, located};
use super::step::{Halt, StepRun, blame};
use crate::definition::{
    Binding, Environment, Failure, Phase, Pipe, Process, Progress, Reader, Scope, Slot, States, StepContext,
    StepEnvironment, StepInfo, StepListener,
};
use crate::repository::SkipPhase;

/// What all threads of a step know.
struct Common<'s> {
    info: &'static StepInfo,
    environment: &'s Environment,
    context: Arc<StepContext>,
    retrying: Retrying,
    bindings: Vec<&'s [Binding]>,
    /// Nobody wants any more chunks.
    over: AtomicBool,
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

/// A chunk as it was read.
struct Unit<In> {
    number: u64,
    /// The items, and between them what could not be read.
    records: Vec<Result<In, Failure>>,
    end: UnitEnd,
}

/// What is known behind a chunk.
struct UnitEnd {
    /// Why nothing is read behind it.
    fatal: Option<Failure>,
    ended: bool,
    position: String,
    progress: Option<Progress>,
}

/// A chunk as it was processed.
struct Done<Out> {
    number: u64,
    outputs: Outputs<Out>,
    filled: Filled,
    /// In the order of the input.
    faults: Vec<(SkipPhase, u32, Failure)>,
    end: UnitEnd,
}

/// What a thread says to the step's own.
enum Said<Out> {
    /// Its components are open; the reader says where it stands.
    Ready(Option<String>),
    NotReady(Failure),
    Done(Done<Out>),
    /// What the reader did with a commit.
    Told(Result<(), Failure>),
}

/// The chunks as the step takes them.
pub(super) struct Threaded<'p, 's, In, Out, A> {
    common: Arc<Common<'s>>,
    said: Receiver<Said<Out>>,
    permits: Sender<()>,
    commits: Sender<()>,
    /// Chunks that came before their turn.
    early: BTreeMap<u64, Done<Out>>,
    next: u64,
    /// Commits that the reader has not heard of yet.
    untold: usize,
    outputs: Outputs<Out>,
    position: String,
    progress: Option<Progress>,
    /// Opens a reader once more, to find the place of what failed.
    anew: A,
    phase: &'p Cell<Phase>,
    read: PhantomData<fn(In)>,
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
    let workers = run.info.options.threads;
    let common = Arc::new(Common {
        info: run.info,
        environment: run.environment,
        context: Arc::clone(run.own.context.as_ref().expect("a step runs with its context")),
        retrying: run.retrying().clone(),
        bindings: run.scope.bindings().to_vec(),
        over: AtomicBool::new(false),
    });
    let under_way = workers + 2;
    let (give_permit, permits) = bounded(under_way);
    let (tell_commit, commits) = unbounded();
    let (give_work, work) = bounded(under_way);
    let (say, said) = unbounded();
    for _ in 0..under_way {
        let _ = give_permit.send(());
    }
    let threaded = Threaded {
        common: Arc::clone(&common),
        said,
        permits: give_permit,
        commits: tell_commit,
        early: BTreeMap::new(),
        next: 0,
        untold: 0,
        outputs: Outputs::with_capacity(0, 0),
        position: String::new(),
        progress: None,
        anew,
        phase,
        read: PhantomData,
    };
    let inherited = run.inherited.reader.clone();
    let reading =
        Reading { common: Arc::clone(&common), permits, commits, work: give_work, say: say.clone() };
    threads.spawn(move || reading.run::<P, CAREFUL>(inherited.as_deref()));
    for _ in 0..workers {
        let working = Working { common: Arc::clone(&common), work: work.clone(), say: say.clone() };
        threads.spawn(move || working.run::<P, CAREFUL>());
    }
    drop((work, say));
    threaded.ready(workers + 1)
}

impl<In, Out, A> Threaded<'_, '_, In, Out, A> {
    fn ready(mut self, threads: usize) -> Result<Self, Halt> {
        for _ in 0..threads {
            match self.said.recv() {
                Ok(Said::Ready(position)) => {
                    self.position = position.unwrap_or(std::mem::take(&mut self.position))
                }
                Ok(Said::NotReady(failure)) => return Err(Halt::Failed(failure)),
                Ok(Said::Done(done)) => drop(self.early.insert(done.number, done)),
                Ok(Said::Told(_)) => {}
                Err(_) => return Err(Halt::Failed(gone())),
            }
        }
        Ok(self)
    }

    /// Waits for the chunk whose turn it is.
    fn take(&mut self) -> Result<Done<Out>, Failure> {
        loop {
            if let Some(done) = self.early.remove(&self.next) {
                self.next += 1;
                return Ok(done);
            }
            self.hear()?;
        }
    }

    /// Waits for whatever a thread says next.
    fn hear(&mut self) -> Result<(), Failure> {
        match self.said.recv() {
            Ok(Said::Done(done)) => drop(self.early.insert(done.number, done)),
            Ok(Said::Told(told)) => {
                self.untold -= 1;
                told?;
            }
            Ok(Said::Ready(_)) => {}
            Ok(Said::NotReady(failure)) => return Err(failure),
            Err(_) => return Err(gone()),
        }
        Ok(())
    }
}

impl<In, Out, A> Drop for Threaded<'_, '_, In, Out, A> {
    fn drop(&mut self) {
        // Whoever works on a chunk leaves off; whoever waits finds its channel closed.
        self.common.over.store(true, Ordering::Relaxed);
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
        _timed: Option<&mut Phases>,
    ) -> Result<Filled, Halt> {
        let done = self.take().map_err(halt)?;
        let mut faults = done.faults;
        self.locate(&mut faults);
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
                Phase::Read => told(desk.listener.on_read_error(&failure)),
                _ => told(desk.listener.on_process_error(&failure)),
            }
            return Err(halt(failure));
        }
        (self.outputs, self.position, self.progress) = (done.outputs, done.end.position, done.end.progress);
        Ok(Filled { ended: done.end.ended, ..done.filled })
    }

    fn outputs(&mut self) -> &mut Outputs<Out> {
        &mut self.outputs
    }

    fn position(&self) -> Result<String, Failure> {
        Ok(self.position.clone())
    }

    fn states(&self) -> Result<States, Failure> {
        // No processor on several threads keeps one.
        Ok(States::new())
    }

    fn committed(&mut self) -> Result<(), Failure> {
        // Where the reader is gone, the next wait for it tells why.
        if self.commits.send(()).is_ok() {
            self.untold += 1;
        }
        let _ = self.permits.send(());
        Ok(())
    }

    fn close(&mut self) -> Result<(), Failure> {
        while self.untold > 0 {
            self.hear()?;
        }
        Ok(())
    }

    fn progress(&self) -> Option<Progress> {
        self.progress
    }
}

impl<In, Out, R, A> Threaded<'_, '_, In, Out, A>
where
    R: Reader<Item = In>,
    A: FnMut() -> Result<R, Failure>,
{
    /// Finds the places of items that could not be processed: their chunk is read once more, as the reader is far ahead by now.
    fn locate(&mut self, faults: &mut [(SkipPhase, u32, Failure)]) {
        let unplaced = |fault: &(SkipPhase, u32, Failure)| fault.2.location().is_none();
        if !faults.iter().any(unplaced) {
            return;
        }
        let places = || -> Result<BTreeMap<u32, String>, Failure> {
            let mut reader = (self.anew)()?;
            reader.resume(checkpoint::decode(&self.position)?).map_err(Failure::new)?;
            let mut places = BTreeMap::new();
            let mut source = 0;
            for fault in faults.iter().filter(|fault| unplaced(fault)) {
                checkpoint::pass(&mut reader, u64::from(fault.1 + 1 - source))?;
                source = fault.1 + 1;
                places.extend(reader.location().map(|place| (fault.1, place)));
            }
            Ok(places)
        };
        match panic::catch(places).and_then(|places| places) {
            Err(failure) => tracing::debug!(%failure, "the places of faults are not known"),
            Ok(mut places) => {
                for (_, source, failure) in faults.iter_mut().filter(|fault| unplaced(fault)) {
                    if let Some(place) = places.remove(source) {
                        failure.place(place);
                    }
                }
            }
        }
    }
}

/// The thread that reads.
struct Reading<'s, In, Out> {
    common: Arc<Common<'s>>,
    permits: Receiver<()>,
    commits: Receiver<()>,
    work: Sender<Unit<In>>,
    say: Sender<Said<Out>>,
}

impl<In, Out> Reading<'_, In, Out> {
    fn run<P: Pipe<In = In, Out = Out>, const CAREFUL: bool>(self, inherited: Option<&str>) {
        let own = self.common.own();
        let scope = Scope::of_thread(self.common.environment, &own, self.common.bindings.clone());
        let open = || {
            let mut reader = P::reader(&scope)?;
            resume_reader(self.common.info, inherited, &mut reader)?;
            let position = checkpoint::encode(&reader.position())?;
            Ok((reader, position))
        };
        match panic::catch(open).and_then(|opened| opened) {
            Ok((reader, position)) => {
                let _ = self.say.send(Said::Ready(Some(position)));
                let read = panic::catch(|| self.read::<P, _, CAREFUL>(reader, || P::reader(&scope)));
                if let Err(panicked) = read {
                    let failure = self.common.blame(panicked, Phase::Read);
                    let _ = self.say.send(Said::NotReady(failure));
                }
            }
            Err(failure) => {
                let failure = super::step::of_role(self.common.info, failure, "reader").during(Phase::Open);
                let _ = self.say.send(Said::NotReady(failure));
            }
        }
    }

    /// Reads chunk after chunk, as permits come, and tells the reader of commits.
    fn read<P: Pipe<In = In>, R: Reader<Item = In>, const CAREFUL: bool>(
        &self,
        mut reader: R,
        mut anew: impl FnMut() -> Result<R, Failure>,
    ) {
        let mut repeats = ReadRepeats::default();
        let mut behind: VecDeque<R::Position> = VecDeque::new();
        let mut number = 0;
        let mut is_at_end = false;
        loop {
            select! {
                recv(self.commits) -> commit => {
                    let (Ok(()), Some(position)) = (commit, behind.pop_front()) else { return };
                    let told = reader.committed(&position).map_err(Failure::new);
                    let _ = self.say.send(Said::Told(told));
                }
                recv(self.permits) -> permit => {
                    if permit.is_err() {
                        return;
                    }
                    if is_at_end {
                        // Only commits are still to come.
                        continue;
                    }
                    let (unit, reader_behind) = self.unit::<R, CAREFUL>(number, reader, &mut anew, &mut repeats);
                    is_at_end = unit.end.ended || unit.end.fatal.is_some();
                    number += 1;
                    let sent = self.work.send(unit);
                    let (Ok(()), Some(open)) = (sent, reader_behind) else { return };
                    reader = open;
                    behind.push_back(reader.position());
                }
            }
        }
    }

    /// Reads one chunk. The reader is gone where it could not be opened anew.
    fn unit<R: Reader<Item = In>, const CAREFUL: bool>(
        &self,
        number: u64,
        mut reader: R,
        anew: &mut impl FnMut() -> Result<R, Failure>,
        repeats: &mut ReadRepeats,
    ) -> (Unit<In>, Option<R>) {
        let extent = Extent::of(self.common.info);
        let mut records = Vec::with_capacity(usize::try_from(extent.items).unwrap_or(usize::MAX).min(4096));
        let (mut items, mut ended) = (0, false);
        let end = |fatal: Option<Failure>, ended, position: Result<String, Failure>, progress| {
            let (position, unplaced) = match position {
                Ok(position) => (position, None),
                Err(failure) => (String::new(), Some(failure)),
            };
            UnitEnd { fatal: fatal.or(unplaced), ended, position, progress }
        };
        while items < extent.items && !(CAREFUL && items > 0 && extent.is_over()) && !self.common.is_over() {
            match reader.read() {
                Ok(Some(item)) => {
                    records.push(Ok(item));
                    items += 1;
                }
                Ok(None) => {
                    ended = true;
                    break;
                }
                Err(error) => {
                    let steps_over = CAREFUL && reader.steps_over(&error);
                    let failure = located(Failure::new(error), &reader);
                    let failure = self.common.blame(failure, Phase::Read);
                    if steps_over {
                        records.push(Err(failure));
                        continue;
                    }
                    let position = checkpoint::encode(&reader.position());
                    let at = position.as_deref().unwrap_or_default().to_owned();
                    drop(reader);
                    match repeats.reopen(&at, failure, &mut *anew, &self.common.retrying, |_| {}) {
                        Ok(open) => reader = open,
                        Err(failure) => {
                            let failure = self.common.blame(failure, Phase::Read);
                            let end = end(Some(failure), false, position, None);
                            return (Unit { number, records, end }, None);
                        }
                    }
                }
            }
        }
        let end = end(None, ended, checkpoint::encode(&reader.position()), reader.progress());
        (Unit { number, records, end }, Some(reader))
    }
}

/// A thread that processes.
struct Working<'s, In, Out> {
    common: Arc<Common<'s>>,
    work: Receiver<Unit<In>>,
    say: Sender<Said<Out>>,
}

impl<In, Out> Working<'_, In, Out> {
    fn run<P: Pipe<In = In, Out = Out>, const CAREFUL: bool>(self) {
        let own = self.common.own();
        let scope = Scope::of_thread(self.common.environment, &own, self.common.bindings.clone());
        match panic::catch(|| P::processor(&scope)).and_then(|opened| opened) {
            Ok(processor) => {
                let _ = self.say.send(Said::Ready(None));
                self.process::<_, CAREFUL>(processor);
            }
            Err(failure) => {
                let failure =
                    super::step::of_role(self.common.info, failure, "processor").during(Phase::Open);
                let _ = self.say.send(Said::NotReady(failure));
            }
        }
    }

    fn process<P: Process<In, Out = Out>, const CAREFUL: bool>(&self, mut processor: P) {
        for Unit { number, records, end } in &self.work {
            let phase = Cell::new(Phase::Process);
            let mut records = Records { records: records.into_iter(), common: &self.common };
            let done = panic::catch(|| {
                let line =
                    Line::<_, _, CAREFUL>::new(&mut records, &mut processor, self.common.info.options.chunk);
                line.process_all(&phase, |failure| self.common.blame(failure, Phase::Process))
            });
            let done = match done {
                Ok((outputs, filled, faults, failed)) => {
                    let end = UnitEnd { fatal: failed.or(end.fatal), ..end };
                    Done { number, outputs, filled, faults, end }
                }
                Err(panicked) => Done {
                    number,
                    outputs: Outputs::with_capacity(0, 0),
                    filled: Filled::default(),
                    faults: Vec::new(),
                    end: UnitEnd { fatal: Some(self.common.blame(panicked, Phase::Process)), ..end },
                },
            };
            if self.common.is_over() || self.say.send(Said::Done(done)).is_err() {
                return;
            }
        }
    }
}

/// The records of a chunk, read from memory.
struct Records<'c, 's, In> {
    records: std::vec::IntoIter<Result<In, Failure>>,
    common: &'c Common<'s>,
}

impl<In> Reader for &mut Records<'_, '_, In> {
    type Item = In;
    type Position = ();
    type Error = Failure;

    #[inline]
    fn read(&mut self) -> Result<Option<In>, Failure> {
        if self.common.is_over() {
            return Ok(None);
        }
        self.records.next().transpose()
    }

    fn position(&self) {}

    fn resume(&mut self, (): ()) -> Result<(), Failure> {
        Ok(())
    }
}

type Processed<Out> = (Outputs<Out>, Filled, Vec<(SkipPhase, u32, Failure)>, Option<Failure>);

impl<R, P, const CAREFUL: bool> Line<R, P, CAREFUL>
where
    R: Reader<Error = Failure>,
    P: Process<R::Item>,
{
    /// Processes all that the reader has, and keeps what fails as values; stops at what fails the step.
    fn process_all(mut self, phase: &Cell<Phase>, blame: impl Fn(Failure) -> Failure) -> Processed<P::Out> {
        let extent = Extent { items: u64::MAX, until: None };
        let (mut filled, mut faults) = (Filled::default(), Vec::new());
        let failed = loop {
            let result;
            (self, filled, result) = self.fill(extent, filled, &mut (), phase);
            match result {
                Ok(()) => break None,
                Err(Fault::Read(failure)) => {
                    faults.push((SkipPhase::Read, filled.records, failure));
                    filled.records = filled.records.saturating_add(1);
                }
                Err(Fault::Process(failure)) if CAREFUL => {
                    self.batch.take_back();
                    self.processor.put_back(Slot::Item);
                    filled.skipped += 1;
                    faults.push((SkipPhase::Process, filled.records - 1, blame(failure)));
                }
                Err(Fault::Process(failure) | Fault::Flush(failure) | Fault::Listener(failure)) => {
                    break Some(blame(failure));
                }
            }
        };
        for (source, failure) in std::mem::take(&mut self.batch.rejected) {
            filled.skipped += 1;
            faults.push((SkipPhase::Process, source, blame(failure)));
        }
        faults.sort_by_key(|(_, source, _)| *source);
        (self.batch.outputs, filled, faults, failed)
    }
}
