//! Receives: a pipe with its static types, and the place its chunks are committed in. Gives: the chunk loop: read and
//! process up to `chunk` items, then write and commit them with the checkpoint in one transaction.
//!
//! Every pipe gets a copy of this loop of its own: no call through a pointer, no allocation and no lock an item.

use std::cell::Cell;
use std::convert::Infallible;
use std::marker::PhantomData;
use std::mem;
use std::time::{Duration, Instant};

use super::checkpoint::{self, Checkpoint};
use super::panic;
use super::profile::{Measure, Phases, Profiler, Watch};
use super::step::{Done, Halt, StepEnd, StepRun};
use crate::definition::{
    ChunkTransaction, Ended, Failure, Phase, Pipe, Process, Reader, Sink, States, Writer,
};
use crate::repository::{ChunkRecord, ChunkStore, Counters};

/// The buffer of one chunk is never larger at first than this many items, whatever `chunk` says.
const FIRST_CAPACITY: usize = 64 * 1024;

/// Runs a chunk step.
pub fn run_chunks<P: Pipe>(run: &StepRun<'_>) -> StepEnd {
    let began = Instant::now();
    let mut tally = Tally::default();
    let phase = Cell::new(Phase::Open);
    let result = panic::catch(|| open_and_drive::<P>(run, &mut tally, &phase))
        .unwrap_or_else(|panicked| Err(Halt::Failed(run.blame(panicked, phase.get()))));
    if matches!(result, Err(Halt::Failed(_))) && phase.get() != Phase::Open {
        tally.counters.rollback += 1;
    }
    run.live.show(&tally.counters, None);
    StepEnd {
        result: result.map(|()| Done {
            arm: run.route.map(|route| route.label(Box::new(Ended::Completed)).to_owned()),
            output: None,
        }),
        counters: tally.counters,
        profile: Some(tally.profiler.profile(began.elapsed())),
    }
}

fn open_and_drive<P: Pipe>(run: &StepRun<'_>, tally: &mut Tally, phase: &Cell<Phase>) -> Result<(), Halt> {
    let mut chunks = ChunkLoop {
        run,
        tally,
        phase,
        reader: opening(run, "reader", || P::reader(&run.scope))?,
        processor: opening(run, "processor", || P::processor(&run.scope))?,
        writer: opening(run, "writer", || P::writer(&run.scope))?,
        last: Positions::default(),
    };
    chunks.resume().map_err(|failure| Halt::Failed(failure.during(Phase::Open)))?;
    chunks.drive()
}

/// Opens the components of one role; a panic is caught here, where the role is still known.
fn opening<T>(
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
        let mut chunks = ChunkLoop {
            run,
            tally: &mut tally,
            phase: &phase,
            reader,
            processor: P::processor(&run.scope)?,
            writer: Discard(PhantomData),
            last: Positions::default(),
        };
        chunks.resume()?;
        chunks.collect()
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

/// What is committed so far.
#[derive(Default)]
struct Tally {
    counters: Counters,
    profiler: Profiler,
}

/// The outputs of one chunk.
struct Batch<T> {
    items: Vec<T>,
    /// The number, within the chunk, of the item that is being processed.
    source: u32,
    /// The number that something came out for last, and how many there were; counted only where processors hold items
    /// back, as else the length tells.
    last_source: Option<u32>,
    sources: u64,
    counts_sources: bool,
}

impl<T> Sink<T> for Batch<T> {
    #[inline]
    fn push(&mut self, item: T) -> Result<(), Failure> {
        if self.counts_sources && self.last_source != Some(self.source) {
            self.last_source = Some(self.source);
            self.sources += 1;
        }
        self.items.push(item);
        Ok(())
    }

    #[inline]
    fn source(&self) -> u32 {
        self.source
    }

    #[inline]
    fn set_source(&mut self, source: u32) {
        self.source = source;
    }
}

/// What reading and processing one chunk gave.
#[derive(Default, Clone, Copy)]
struct Filled {
    read: u64,
    filtered: u64,
    ended: bool,
}

/// The positions of the last commit, encoded.
#[derive(Default, Clone, PartialEq, Eq)]
struct Positions {
    reader: String,
    writer: String,
}

/// Notes the phase if the call it stands beside panics; costs nothing if it does not.
struct Unwinding<'p>(&'p Cell<Phase>, Phase);

impl Drop for Unwinding<'_> {
    fn drop(&mut self) {
        self.0.set(self.1);
    }
}

#[inline]
fn noting<T>(phase: &Cell<Phase>, during: Phase, call: impl FnOnce() -> T) -> T {
    let unwinding = Unwinding(phase, during);
    let result = call();
    mem::forget(unwinding);
    result
}

struct ChunkLoop<'l, 'r, R, P, W> {
    run: &'l StepRun<'r>,
    tally: &'l mut Tally,
    /// What user code is being called: read after a panic.
    phase: &'l Cell<Phase>,
    reader: R,
    processor: P,
    writer: W,
    last: Positions,
}

impl<R, P, W> ChunkLoop<'_, '_, R, P, W>
where
    R: Reader,
    P: Process<R::Item>,
    W: Writer<Item = P::Out>,
{
    /// Takes everyone to where the last commit left them.
    fn resume(&mut self) -> Result<(), Failure> {
        let inherited = &self.run.inherited;
        if let Some(text) = &inherited.reader {
            let position = checkpoint::decode(text)?;
            self.reader.resume(position).map_err(|error| self.run.of_role(Failure::new(error), "reader"))?;
        }
        self.processor.restore(&mut inherited.states.clone())?;
        let written = inherited.writer.as_deref().map(checkpoint::decode).transpose()?;
        self.writer.open(written).map_err(|error| self.run.of_role(Failure::new(error), "writer"))?;
        self.last = self.positions()?;
        // A position that cannot be read back must not first be found out at a restart.
        checkpoint::decode::<R::Position>(&self.last.reader)?;
        checkpoint::decode::<W::Position>(&self.last.writer)?;
        Ok(())
    }

    fn positions(&self) -> Result<Positions, Failure> {
        Ok(Positions {
            reader: checkpoint::encode(&self.reader.position())?,
            writer: checkpoint::encode(&self.writer.position())?,
        })
    }

    fn batch(&self) -> Batch<P::Out> {
        Batch {
            items: Vec::with_capacity(self.run.info.options.chunk.min(FIRST_CAPACITY)),
            source: 0,
            last_source: None,
            sources: 0,
            counts_sources: P::BUFFERS,
        }
    }

    fn collect(&mut self) -> Result<Vec<P::Out>, Failure> {
        let mut all = Vec::new();
        let mut batch = self.batch();
        loop {
            let filled = self.fill(&mut batch)?;
            if filled.read > 0 {
                self.tally.counters = self.counters_with(filled, batch.items.len());
            }
            all.append(&mut batch.items);
            (batch.last_source, batch.sources) = (None, 0);
            if filled.ended {
                return Ok(all);
            }
        }
    }

    /// The counters once this chunk is committed.
    fn counters_with(&self, filled: Filled, written: usize) -> Counters {
        let mut counters = self.tally.counters;
        counters.read += filled.read;
        counters.filter += filled.filtered;
        counters.write += written as u64;
        counters.commit += 1;
        counters
    }

    fn drive(&mut self) -> Result<(), Halt> {
        let mut batch = self.batch();
        let mut record = ChunkRecord::default();
        loop {
            if self.run.is_stopping() {
                return Err(Halt::Stopped);
            }
            let measure = self.tally.profiler.next();
            let mut watch = Watch::start(measure);
            let mut phases = Phases::default();

            let filled = if measure == Measure::Staged {
                self.fill_staged(&mut batch, &mut watch, &mut phases)
            } else {
                self.fill(&mut batch)
            }
            .map_err(Halt::Failed)?;
            phases.fill = phases.read + watch.lap();

            if filled.read == 0 && !self.moved().map_err(Halt::Failed)? {
                break;
            }
            let stop_requested = self.commit(filled, &mut batch, &mut record, &mut watch, &mut phases)?;
            phases.commit += watch.lap();
            if measure != Measure::No {
                self.tally.profiler.add(measure, phases);
                self.run.live.show(&self.tally.counters, self.reader.progress());
            }
            if filled.ended {
                break;
            }
            if stop_requested {
                self.run.environment.job.stop.raise();
            }
        }
        self.finish(&mut record)
    }

    /// Reads and processes one chunk, item by item.
    fn fill(&mut self, batch: &mut Batch<P::Out>) -> Result<Filled, Failure> {
        let Self { reader, processor, phase, .. } = self;
        let mut filled = Filled::default();
        let (mut last, limit) = (batch.items.len(), self.run.info.options.chunk as u64);
        while filled.read < limit {
            match noting(phase, Phase::Read, || reader.read()) {
                Ok(Some(item)) => {
                    batch.source = source_number(filled.read);
                    filled.read += 1;
                    if let Err(failure) = noting(phase, Phase::Process, || processor.process(item, batch)) {
                        return Err(self.process_failed(failure));
                    }
                    let length = batch.items.len();
                    filled.filtered += u64::from(length == last);
                    last = length;
                }
                Ok(None) => {
                    filled.ended = true;
                    break;
                }
                Err(error) => return Err(self.read_failed(error)),
            }
        }
        self.flush(batch, filled)
    }

    /// As [`fill`](Self::fill), with all items read before the first is processed, so that the two can be timed apart.
    #[inline(never)]
    fn fill_staged(
        &mut self,
        batch: &mut Batch<P::Out>,
        watch: &mut Watch,
        phases: &mut Phases,
    ) -> Result<Filled, Failure> {
        let limit = self.run.info.options.chunk;
        let mut filled = Filled::default();
        let mut staged = Vec::with_capacity(limit.min(FIRST_CAPACITY));
        let mut broken = None;
        while staged.len() < limit {
            match noting(self.phase, Phase::Read, || self.reader.read()) {
                Ok(Some(item)) => staged.push(item),
                Ok(None) => {
                    filled.ended = true;
                    break;
                }
                Err(error) => {
                    broken = Some(self.read_failed(error));
                    break;
                }
            }
        }
        phases.read = watch.lap();
        let mut last = batch.items.len();
        for item in staged {
            batch.source = source_number(filled.read);
            filled.read += 1;
            let processor = &mut self.processor;
            if let Err(failure) = noting(self.phase, Phase::Process, || processor.process(item, batch)) {
                // The reader is ahead of the item, so it cannot name its place; its number in the chunk does.
                self.phase.set(Phase::Process);
                let place = format!("item {} of the chunk", filled.read);
                return Err(self.run.blame(failure.at(place), Phase::Process));
            }
            let length = batch.items.len();
            filled.filtered += u64::from(length == last);
            last = length;
        }
        match broken {
            Some(failure) => Err(failure),
            None => self.flush(batch, filled),
        }
    }

    fn flush(&mut self, batch: &mut Batch<P::Out>, mut filled: Filled) -> Result<Filled, Failure> {
        if P::BUFFERS {
            let processor = &mut self.processor;
            if let Err(failure) = noting(self.phase, Phase::Process, || processor.flush(batch)) {
                return Err(self.process_failed(failure));
            }
            filled.filtered = filled.read - batch.sources;
        }
        Ok(filled)
    }

    #[cold]
    fn read_failed(&self, error: R::Error) -> Failure {
        self.phase.set(Phase::Read);
        self.run.blame(Failure::new(error), Phase::Read)
    }

    #[cold]
    fn process_failed(&self, failure: Failure) -> Failure {
        self.phase.set(Phase::Process);
        let failure = match self.reader.location() {
            Some(location) => failure.at(location),
            None => failure,
        };
        self.run.blame(failure, Phase::Process)
    }

    /// Did the reader move although it handed nothing out (comments at the end of a file)?
    fn moved(&self) -> Result<bool, Failure> {
        let keeps = !matches!(*self.run.store.borrow(), ChunkStore::Nowhere);
        Ok(keeps && checkpoint::encode(&self.reader.position())? != self.last.reader)
    }

    /// Writes the chunk and commits it with the checkpoint; true if somebody asked for a stop.
    fn commit(
        &mut self,
        filled: Filled,
        batch: &mut Batch<P::Out>,
        record: &mut ChunkRecord,
        watch: &mut Watch,
        phases: &mut Phases,
    ) -> Result<bool, Halt> {
        let counters = self.counters_with(filled, batch.items.len());
        record.counters = counters;
        let Self { run, tally, phase, reader, processor, writer, last } = self;

        let before = writer.position();
        let mut reached = Positions::default();
        let mut store = run.store.borrow_mut();
        let keeps = !matches!(*store, ChunkStore::Nowhere);
        let mut write_time = Duration::ZERO;
        let committed = store.commit(record, |tx, record| {
            // What it takes to begin the transaction belongs to the commit.
            phases.commit += watch.lap();
            let wrote = noting(phase, Phase::Write, || {
                if !batch.items.is_empty() {
                    writer.arrange(&mut batch.items);
                    writer.write(&batch.items, tx).map_err(Failure::new)?;
                }
                write_time = watch.lap();
                writer.prepare(run.durability).map_err(Failure::new)
            });
            if let Err(failure) = wrote {
                phase.set(Phase::Write);
                return Err(run.blame(failure, Phase::Write));
            }
            if keeps {
                reached = Positions {
                    reader: checkpoint::encode(&reader.position())?,
                    writer: checkpoint::encode(&writer.position())?,
                };
                let mut states = States::new();
                processor.save(&mut states)?;
                fill_record(run, record, &reached, states)?;
            }
            Ok(())
        });
        drop(store);
        phases.write = write_time;
        match committed {
            Ok(committed) => {
                tally.counters = counters;
                *last = reached;
                run.settle();
                tracing::debug!(
                    step = run.context().step(),
                    read = counters.read,
                    written = counters.write,
                    commits = counters.commit,
                    "chunk committed"
                );
                batch.items.clear();
                (batch.last_source, batch.sources) = (None, 0);
                noting(phase, Phase::Read, || reader.committed(&reader.position()))
                    .map_err(|error| Halt::Failed(run.blame(Failure::new(error), Phase::Read)))?;
                noting(phase, Phase::Write, || writer.committed())
                    .map_err(|error| Halt::Failed(run.blame(Failure::new(error), Phase::Write)))?;
                Ok(committed.stop_requested)
            }
            Err(error) => {
                phase.set(Phase::Write);
                // The chunk's own failure is the one to tell; a writer that cannot go back is found out at the
                // restart, which goes back itself.
                if let Err(error) = writer.rollback(&before) {
                    let failure = Failure::new(error);
                    tracing::warn!(step = run.context().step(), %failure, "a writer could not go back");
                }
                Err(error.into())
            }
        }
    }

    /// Seals what the writer has, commits that it is sealed, and publishes it.
    fn finish(&mut self, record: &mut ChunkRecord) -> Result<(), Halt> {
        let run = self.run;
        let failed = |failure: Failure| Halt::Failed(run.blame(failure, Phase::Write));
        let (phase, writer) = (self.phase, &mut self.writer);
        noting(phase, Phase::Write, || writer.seal(run.durability)).map_err(Failure::new).map_err(failed)?;
        let sealed = self.positions().map_err(failed)?;
        let keeps = !matches!(*run.store.borrow(), ChunkStore::Nowhere);
        if keeps && sealed != self.last {
            let mut states = States::new();
            self.processor.save(&mut states).map_err(failed)?;
            record.counters = self.tally.counters;
            run.store.borrow_mut().commit(record, |_, record| fill_record(run, record, &sealed, states))?;
            self.last = sealed;
        }
        let writer = &mut self.writer;
        noting(phase, Phase::Write, || writer.finish(run.durability))
            .map_err(Failure::new)
            .map_err(failed)?;
        run.live.show(&self.tally.counters, self.reader.progress());
        Ok(())
    }
}

/// The number of an item within its chunk; chunks of more than four billion items end up in one number.
#[inline]
fn source_number(read: u64) -> u32 {
    u32::try_from(read).unwrap_or(u32::MAX)
}

fn fill_record(
    run: &StepRun<'_>,
    record: &mut ChunkRecord,
    at: &Positions,
    states: States,
) -> Result<(), Failure> {
    let checkpoint = Checkpoint {
        reader: Some(at.reader.clone()),
        writer: Some(at.writer.clone()),
        states,
        tasklet: None,
    };
    (record.context, record.job_context) = run.contexts(checkpoint)?;
    Ok(())
}
