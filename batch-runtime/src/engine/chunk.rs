//! Receives: a pipe with its static types, and the place its chunks are committed in. Gives: the chunk loop: read and
//! process up to `chunk` items, then write and commit them with the checkpoint in one transaction.

use std::cell::Cell;
use std::convert::Infallible;
use std::marker::PhantomData;
use std::time::{Duration, Instant};

use super::checkpoint::{self, Checkpoint};
use super::fill::{Fault, Filled, Line, noting};
use super::panic;
use super::profile::{Measure, Phases, Profiler, Watch};
use super::step::{Done, Halt, StepEnd, StepRun};
use crate::definition::{ChunkTransaction, Ended, Failure, Phase, Pipe, Process, Reader, States, Writer};
use crate::repository::{ChunkRecord, ChunkStore, Counters};

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
    let mut line = Line::new(
        opening(run, "reader", || P::reader(&run.scope))?,
        opening(run, "processor", || P::processor(&run.scope))?,
        run.info.options.chunk,
    );
    let writer = opening(run, "writer", || P::writer(&run.scope))?;
    let mut chunks = ChunkLoop { run, tally, phase, writer, last: Positions::default() };
    chunks.resume(&mut line).map_err(|failure| Halt::Failed(failure.during(Phase::Open)))?;
    chunks.drive(line)
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
        let mut line = Line::new(reader, P::processor(&run.scope)?, run.info.options.chunk);
        let writer = Discard(PhantomData);
        let mut chunks =
            ChunkLoop { run, tally: &mut tally, phase: &phase, writer, last: Positions::default() };
        chunks.resume(&mut line)?;
        chunks.collect(line)
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

/// The positions of the last commit, encoded.
#[derive(Default, Clone, PartialEq, Eq)]
struct Positions {
    reader: String,
    writer: String,
}

struct ChunkLoop<'l, 'r, W> {
    run: &'l StepRun<'r>,
    tally: &'l mut Tally,
    /// What user code is being called: read after a panic.
    phase: &'l Cell<Phase>,
    writer: W,
    last: Positions,
}

impl<W: Writer> ChunkLoop<'_, '_, W> {
    /// Takes everyone to where the last commit left them.
    fn resume<R, P>(&mut self, line: &mut Line<R, P>) -> Result<(), Failure>
    where
        R: Reader,
        P: Process<R::Item, Out = W::Item>,
    {
        let inherited = &self.run.inherited;
        if let Some(text) = &inherited.reader {
            let position = checkpoint::decode(text)?;
            line.reader.resume(position).map_err(|error| self.run.of_role(Failure::new(error), "reader"))?;
        }
        line.processor.restore(&mut inherited.states.clone())?;
        let written = inherited.writer.as_deref().map(checkpoint::decode).transpose()?;
        if self.run.forced {
            self.writer.take_over();
        }
        self.writer.open(written).map_err(|error| self.run.of_role(Failure::new(error), "writer"))?;
        self.last = self.positions(&line.reader)?;
        // A position that cannot be read back must not first be found out at a restart.
        checkpoint::decode::<R::Position>(&self.last.reader)?;
        checkpoint::decode::<W::Position>(&self.last.writer)?;
        Ok(())
    }

    fn positions<R: Reader>(&self, reader: &R) -> Result<Positions, Failure> {
        Ok(Positions {
            reader: checkpoint::encode(&reader.position())?,
            writer: checkpoint::encode(&self.writer.position())?,
        })
    }

    fn collect<R, P>(&mut self, mut line: Line<R, P>) -> Result<Vec<P::Out>, Failure>
    where
        R: Reader,
        P: Process<R::Item, Out = W::Item>,
    {
        let mut all = Vec::new();
        loop {
            let filled;
            (line, filled) = line.fill(self.run.info.options.chunk, self.phase);
            let filled = filled.map_err(|fault| self.failure(fault, &line.reader))?;
            if filled.read > 0 {
                self.tally.counters = self.counters_with(filled, line.batch.items.len());
            }
            all.append(&mut line.batch.items);
            line.batch.clear();
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

    fn drive<R, P>(&mut self, mut line: Line<R, P>) -> Result<(), Halt>
    where
        R: Reader,
        P: Process<R::Item, Out = W::Item>,
    {
        let mut record = ChunkRecord::default();
        let chunk = self.run.info.options.chunk;
        loop {
            if self.run.is_stopping() {
                return Err(Halt::Stopped);
            }
            let measure = self.tally.profiler.next();
            let mut watch = Watch::start(measure);
            let mut phases = Phases::default();

            let filled;
            if measure == Measure::Items {
                filled = line.fill_timed(chunk, self.phase, &mut phases);
                watch.lap();
                phases.fill = phases.read + phases.process;
            } else {
                (line, filled) = line.fill(chunk, self.phase);
                phases.fill = watch.lap();
            }
            let filled = filled.map_err(|fault| Halt::Failed(self.failure(fault, &line.reader)))?;

            if filled.read == 0 && !self.moved(&line.reader).map_err(Halt::Failed)? {
                break;
            }
            let stop_requested = self.commit(filled, &mut line, &mut record, &mut watch, &mut phases)?;
            phases.commit += watch.lap();
            if measure != Measure::No {
                self.tally.profiler.add(measure, phases);
                self.run.live.show(&self.tally.counters, line.reader.progress());
            }
            if filled.ended {
                break;
            }
            if stop_requested {
                self.run.environment.job.stop.raise();
            }
        }
        self.finish(&line, &mut record)
    }

    #[cold]
    fn failure<R: Reader>(&self, fault: Fault<R::Error>, reader: &R) -> Failure {
        let (failure, phase) = match fault {
            Fault::Read(error) => (Failure::new(error), Phase::Read),
            Fault::Process(failure) => (failure, Phase::Process),
        };
        let failure = match reader.location() {
            // Most readers name the place in their errors themselves.
            Some(location) if phase == Phase::Read && failure.to_string().contains(&location) => failure,
            Some(location) => failure.at(location),
            None => failure,
        };
        self.phase.set(phase);
        self.run.blame(failure, phase)
    }

    /// Did the reader move although it handed nothing out (comments at the end of a file)?
    fn moved<R: Reader>(&self, reader: &R) -> Result<bool, Failure> {
        let keeps = !matches!(*self.run.store.borrow(), ChunkStore::Nowhere);
        Ok(keeps && checkpoint::encode(&reader.position())? != self.last.reader)
    }

    /// Writes the chunk and commits it with the checkpoint; true if somebody asked for a stop.
    fn commit<R, P>(
        &mut self,
        filled: Filled,
        line: &mut Line<R, P>,
        record: &mut ChunkRecord,
        watch: &mut Watch,
        phases: &mut Phases,
    ) -> Result<bool, Halt>
    where
        R: Reader,
        P: Process<R::Item, Out = W::Item>,
    {
        let Line { reader, processor, batch } = line;
        let counters = self.counters_with(filled, batch.items.len());
        record.counters = counters;
        let Self { run, tally, phase, writer, last } = self;

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
                batch.clear();
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
    fn finish<R, P>(&mut self, line: &Line<R, P>, record: &mut ChunkRecord) -> Result<(), Halt>
    where
        R: Reader,
        P: Process<R::Item, Out = W::Item>,
    {
        let run = self.run;
        let failed = |failure: Failure| Halt::Failed(run.blame(failure, Phase::Write));
        let (phase, writer) = (self.phase, &mut self.writer);
        noting(phase, Phase::Write, || writer.seal(run.durability)).map_err(Failure::new).map_err(failed)?;
        let sealed = self.positions(&line.reader).map_err(failed)?;
        let keeps = !matches!(*run.store.borrow(), ChunkStore::Nowhere);
        if keeps && sealed != self.last {
            let mut states = States::new();
            line.processor.save(&mut states).map_err(failed)?;
            record.counters = self.tally.counters;
            run.store.borrow_mut().commit(record, |_, record| fill_record(run, record, &sealed, states))?;
            self.last = sealed;
        }
        let writer = &mut self.writer;
        noting(phase, Phase::Write, || writer.finish(run.durability))
            .map_err(Failure::new)
            .map_err(failed)?;
        run.live.show(&self.tally.counters, line.reader.progress());
        Ok(())
    }
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
