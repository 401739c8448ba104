//! Receives: a pipe with its static types, and the place its chunks are committed in. Gives: the chunk loop: read and
//! process up to `chunk` items, then write and commit them with the checkpoint in one transaction.

use std::cell::Cell;
use std::convert::Infallible;
use std::marker::PhantomData;
use std::ops::Range;
use std::time::{Duration, Instant};

use super::absorb::ReadRepeats;
use super::checkpoint::{self, Checkpoint};
use super::fill::{Batch, Extent, Filled, Line, noting, told};
use super::isolate::Writing;
use super::judge::{Judge, Skip};
use super::panic;
use super::profile::{Measure, Phases, Profiler, Watch};
use super::step::{Done, Halt, StepEnd, StepRun};
use crate::definition::{
    ChunkTransaction, Ended, Failure, Phase, Pipe, Process, Reader, States, StepListener, Writer,
};
use crate::repository::{ChunkError, ChunkRecord, Counters, SkipPhase};

/// Runs a chunk step.
pub fn run_chunks<P: Pipe>(run: &StepRun<'_>) -> StepEnd {
    let began = Instant::now();
    let mut tally = Tally::default();
    let phase = Cell::new(Phase::Open);
    let result = panic::catch(|| open_and_drive::<P>(run, &mut tally, &phase))
        .unwrap_or_else(|panicked| Err(Halt::Failed(run.blame(panicked, phase.get()))));
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
    let mut listener = opening(run, "listener", || P::listener(&run.scope))?;
    listener.before_step().map_err(Halt::Failed)?;
    let result = panic::catch(|| heard::<P, _>(run, tally, phase, &mut listener))
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
    told(listener.after_step(&tally.counters, failure));
    result
}

/// With the type of what listens, and whether care is taken: both are known when the program is compiled.
fn heard<P: Pipe, L: StepListener<P::In, P::Out>>(
    run: &StepRun<'_>,
    tally: &mut Tally,
    phase: &Cell<Phase>,
    listener: &mut L,
) -> Result<(), Halt> {
    if const { P::INFO.options.is_careful() || L::HEARS_ITEMS } {
        drive::<P, L, true>(run, tally, phase, listener)
    } else {
        drive::<P, L, false>(run, tally, phase, listener)
    }
}

fn drive<P: Pipe, L: StepListener<P::In, P::Out>, const CAREFUL: bool>(
    run: &StepRun<'_>,
    tally: &mut Tally,
    phase: &Cell<Phase>,
    listener: &mut L,
) -> Result<(), Halt> {
    let line = Line::<_, _, CAREFUL>::new(
        opening(run, "reader", || P::reader(&run.scope))?,
        opening(run, "processor", || P::processor(&run.scope))?,
        run.info.options.chunk,
    );
    let writer = opening(run, "writer", || P::writer(&run.scope))?;
    let mut chunks = ChunkLoop::new(run, tally, phase, writer, listener, P::item_json);
    let line = chunks.resume(line).map_err(|failure| Halt::Failed(failure.during(Phase::Open)))?;
    chunks.drive(line, || P::reader(&run.scope))
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
        let line = Line::<_, _, true>::new(reader, P::processor(&run.scope)?, run.info.options.chunk);
        let (writer, mut listener) = (Discard(PhantomData), ());
        let mut chunks = ChunkLoop::new(run, &mut tally, &phase, writer, &mut listener, |_| None);
        let line = chunks.resume(line)?;
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
pub(super) struct Tally {
    pub(super) counters: Counters,
    profiler: Profiler,
}

/// The positions of the last commit, encoded.
#[derive(Default, Clone, PartialEq, Eq)]
pub(super) struct Positions {
    pub(super) reader: String,
    writer: String,
}

/// A part of a chunk that is committed by itself; as a rule the whole of it.
pub(super) struct Portion {
    /// Its items.
    pub(super) items: Range<usize>,
    /// The records they stem from, with those that nothing came out for, counted from the last commit of a whole chunk.
    pub(super) records: Range<u32>,
    pub(super) read: u64,
    pub(super) filtered: u64,
    /// Does the reader stand behind it?
    pub(super) is_last: bool,
}

pub(super) struct ChunkLoop<'l, 'r, In, W: Writer, L, const CAREFUL: bool> {
    pub(super) run: &'l StepRun<'r>,
    pub(super) tally: &'l mut Tally,
    /// What user code is being called: read after a panic.
    pub(super) phase: &'l Cell<Phase>,
    pub(super) writer: W,
    pub(super) listener: &'l mut L,
    pub(super) judge: Judge<'l>,
    /// Where the last whole chunk left everyone.
    pub(super) last: Positions,
    pub(super) json: fn(&W::Item) -> Option<String>,
    pub(super) repeats: ReadRepeats,
    read: PhantomData<fn(In)>,
}

impl<'l, 'r, In, W: Writer, L: StepListener<In, W::Item>, const CAREFUL: bool>
    ChunkLoop<'l, 'r, In, W, L, CAREFUL>
{
    fn new(
        run: &'l StepRun<'r>,
        tally: &'l mut Tally,
        phase: &'l Cell<Phase>,
        writer: W,
        listener: &'l mut L,
        json: fn(&W::Item) -> Option<String>,
    ) -> Self {
        let judge = Judge::new(run.info.options.faults, run.retrying(), &run.before);
        Self {
            run,
            tally,
            phase,
            writer,
            listener,
            judge,
            last: Positions::default(),
            json,
            repeats: ReadRepeats::default(),
            read: PhantomData,
        }
    }

    /// Takes everyone to where the last commit left them.
    fn resume<R, P>(&mut self, mut line: Line<R, P, CAREFUL>) -> Result<Line<R, P, CAREFUL>, Failure>
    where
        R: Reader<Item = In>,
        P: Process<In, Out = W::Item>,
    {
        let inherited = &self.run.inherited;
        if let Some(text) = &inherited.reader {
            let (position, ahead) = checkpoint::decode_ahead(text)?;
            let reader = &mut line.reader;
            reader.resume(position).map_err(|error| self.run.of_role(Failure::new(error), "reader"))?;
            checkpoint::pass(reader, ahead).map_err(|failure| self.run.of_role(failure, "reader"))?;
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
        Ok(line)
    }

    fn positions<R: Reader>(&self, reader: &R) -> Result<Positions, Failure> {
        Ok(Positions {
            reader: checkpoint::encode(&reader.position())?,
            writer: checkpoint::encode(&self.writer.position())?,
        })
    }

    fn extent(&self) -> Extent {
        let options = &self.run.info.options;
        let until = options.chunk_time.and_then(|bound| Instant::now().checked_add(bound));
        Extent { items: options.chunk as u64, until }
    }

    fn collect<R, P>(&mut self, mut line: Line<R, P, CAREFUL>) -> Result<Vec<W::Item>, Failure>
    where
        R: Reader<Item = In>,
        P: Process<In, Out = W::Item>,
    {
        let mut all = Vec::new();
        loop {
            let filled;
            let anew = || Err(Failure::new("a reader of a test is not opened anew"));
            (line, filled) = self.fill(line, None, anew).map_err(|halt| match halt {
                Halt::Failed(failure) => failure,
                other => Failure::new(format!("{other:?}")),
            })?;
            if filled.records > 0 {
                let portion = Self::whole(filled, line.batch.items.len());
                let skips = self.judge.of(&portion.records);
                self.tally.counters = self.counters_with(&portion, portion.items.len(), &skips);
                self.judge.settle(&portion.records);
            }
            all.append(&mut line.batch.items);
            line.batch.clear();
            if filled.ended {
                return Ok(all);
            }
        }
    }

    pub(super) fn whole(filled: Filled, items: usize) -> Portion {
        Portion {
            items: 0..items,
            records: 0..u32::MAX,
            read: filled.read,
            filtered: filled.filtered,
            is_last: true,
        }
    }

    /// The counters once this portion is committed.
    fn counters_with(&self, portion: &Portion, written: usize, skips: &[&Skip]) -> Counters {
        let mut counters = self.tally.counters;
        counters.read += portion.read;
        counters.filter += portion.filtered;
        counters.write += written as u64;
        counters.commit += 1;
        Judge::count(skips, &mut counters);
        counters
    }

    fn drive<R, P>(
        &mut self,
        mut line: Line<R, P, CAREFUL>,
        mut anew: impl FnMut() -> Result<R, Failure>,
    ) -> Result<(), Halt>
    where
        R: Reader<Item = In>,
        P: Process<In, Out = W::Item>,
    {
        let mut record = ChunkRecord::default();
        loop {
            if self.run.is_stopping() {
                return Err(Halt::Stopped);
            }
            self.run.check_time()?;
            let measure = self.tally.profiler.next();
            let mut watch = Watch::start(measure);
            let mut phases = Phases::default();
            self.listener.before_chunk().map_err(Halt::Failed)?;

            let filled;
            if measure == Measure::Items {
                (line, filled) = self.fill(line, Some(&mut phases), &mut anew)?;
                watch.lap();
                phases.fill = phases.read + phases.process;
            } else {
                (line, filled) = self.fill(line, None, &mut anew)?;
                phases.fill = watch.lap();
            }

            let is_empty = filled.read == 0 && self.judge.len() == 0;
            if is_empty && !self.moved(&line.reader).map_err(Halt::Failed)? {
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

    /// Fills a chunk, over what fails on the way and is skipped or repeated.
    fn fill<R, P>(
        &mut self,
        mut line: Line<R, P, CAREFUL>,
        mut timed: Option<&mut Phases>,
        mut anew: impl FnMut() -> Result<R, Failure>,
    ) -> Result<(Line<R, P, CAREFUL>, Filled), Halt>
    where
        R: Reader<Item = In>,
        P: Process<In, Out = W::Item>,
    {
        let (extent, mut filled) = (self.extent(), Filled::default());
        loop {
            let result;
            (line, filled, result) = match &mut timed {
                Some(phases) => line.fill_timed(extent, filled, self.listener, self.phase, phases),
                None => line.fill(extent, filled, self.listener, self.phase),
            };
            match result {
                Ok(()) => break,
                Err(fault) => line = self.absorb(line, fault, &mut filled, &mut anew)?,
            }
        }
        if CAREFUL {
            for (source, failure) in std::mem::take(&mut line.batch.rejected) {
                let failure = self.processing(failure);
                filled.skipped += 1;
                self.judge.skip(SkipPhase::Process, source, failure, None).map_err(Halt::Failed)?;
            }
        }
        Ok((line, filled))
    }

    /// Did the reader move although it handed nothing out (comments at the end of a file)?
    fn moved<R: Reader>(&self, reader: &R) -> Result<bool, Failure> {
        let keeps = self.run.store.borrow().keeps();
        Ok(keeps && checkpoint::encode(&reader.position())? != self.last.reader)
    }

    /// Writes the chunk and commits it with the checkpoint; true if somebody asked for a stop.
    fn commit<R, P>(
        &mut self,
        filled: Filled,
        line: &mut Line<R, P, CAREFUL>,
        record: &mut ChunkRecord,
        watch: &mut Watch,
        phases: &mut Phases,
    ) -> Result<bool, Halt>
    where
        R: Reader<Item = In>,
        P: Process<In, Out = W::Item>,
    {
        let whole = Self::whole(filled, line.batch.items.len());
        let stop_requested = match self.commit_portion(&whole, line, record, watch, phases) {
            Err(ChunkError::Refused(failure)) if CAREFUL => {
                self.commit_in_parts(filled, line, record, failure)?
            }
            committed => committed?,
        };
        self.last.reader = checkpoint::encode(&line.reader.position()).map_err(Halt::Failed)?;
        line.batch.clear();
        let Self { run, phase, .. } = self;
        let reader = &mut line.reader;
        noting(phase, Phase::Read, || reader.committed(&reader.position()))
            .map_err(|error| Halt::Failed(run.blame(Failure::new(error), Phase::Read)))?;
        told(self.listener.after_chunk(&self.tally.counters));
        Ok(stop_requested)
    }

    /// Writes a portion of the chunk and commits it with its checkpoint.
    pub(super) fn commit_portion<R, P>(
        &mut self,
        portion: &Portion,
        line: &mut Line<R, P, CAREFUL>,
        record: &mut ChunkRecord,
        watch: &mut Watch,
        phases: &mut Phases,
    ) -> Result<bool, ChunkError>
    where
        R: Reader<Item = In>,
        P: Process<In, Out = W::Item>,
    {
        let Line { reader, processor, batch } = line;
        let before = self.writer.position();
        let skipped = self.judge.len();
        let mut reached = None;
        let mut store = self.run.store.borrow_mut();
        let keeps = store.keeps();
        let mut write_time = Duration::ZERO;
        let committed = store.commit(record, |tx, record| {
            // What it takes to begin the transaction belongs to the commit.
            phases.commit += watch.lap();
            let written = self.write(portion, batch, tx, &before)?;
            write_time = watch.lap();
            let skips = self.judge.of(&portion.records);
            record.counters = self.counters_with(portion, written, &skips);
            if keeps {
                record.skipped = Judge::records(&skips, &self.last.reader)?;
                let at = Positions {
                    reader: if portion.is_last {
                        checkpoint::encode(&reader.position())?
                    } else {
                        checkpoint::ahead_of(&self.last.reader, portion.records.end)?
                    },
                    writer: checkpoint::encode(&self.writer.position())?,
                };
                let mut states = States::new();
                processor.save(&mut states)?;
                fill_record(self.run, record, &at, states)?;
                reached = Some(at);
            }
            Ok(())
        });
        drop(store);
        phases.write = write_time;
        let committed = match committed {
            Ok(committed) => committed,
            Err(error) => {
                self.phase.set(Phase::Write);
                self.judge.forget(skipped);
                // The chunk's own failure is the one to tell; a writer that cannot go back is found out at the
                // restart, which goes back itself.
                if let Err(error) = self.writer.rollback(&before) {
                    let failure = Failure::new(error);
                    tracing::warn!(step = self.run.context().step(), %failure, "a writer could not go back");
                }
                return Err(error);
            }
        };
        record.skipped.clear();
        self.tally.counters = record.counters;
        if let Some(reached) = reached {
            self.last.writer = reached.writer;
        }
        self.run.settle();
        tracing::debug!(
            step = self.run.context().step(),
            read = record.counters.read,
            written = record.counters.write,
            commits = record.counters.commit,
            "chunk committed"
        );
        if CAREFUL {
            self.tell_skips(portion, &batch.items);
        }
        let Self { run, phase, writer, .. } = self;
        noting(phase, Phase::Write, || writer.committed())
            .map_err(|error| ChunkError::Work(run.blame(Failure::new(error), Phase::Write).fatal()))?;
        Ok(committed.stop_requested)
    }

    fn write<P: Process<In, Out = W::Item>>(
        &mut self,
        portion: &Portion,
        batch: &mut Batch<In, P, CAREFUL>,
        tx: &ChunkTransaction<'_>,
        begin: &W::Position,
    ) -> Result<usize, Failure> {
        let sources = if CAREFUL { &mut batch.sources[portion.items.clone()] } else { &mut [] };
        let writing = Writing {
            run: self.run,
            writer: &mut self.writer,
            listener: self.listener,
            judge: &mut self.judge,
            tx,
            phase: self.phase,
            begin,
            sources,
            first: portion.items.start,
            json: self.json,
            rollbacks: &mut self.tally.counters.rollback,
            read: PhantomData,
        };
        let written = writing.write(&mut batch.items[portion.items.clone()], CAREFUL);
        written.inspect_err(|_| self.phase.set(Phase::Write))
    }

    /// Tells of the skips that are committed.
    #[inline]
    fn tell_skips(&mut self, portion: &Portion, items: &[W::Item]) {
        if self.judge.len() == 0 {
            return;
        }
        for skip in self.judge.settle(&portion.records) {
            told(match (skip.phase, &skip.item) {
                (SkipPhase::Read, _) => self.listener.on_skip_in_read(&skip.failure),
                (SkipPhase::Write, Some(unwritten)) => {
                    self.listener.on_skip_in_write(&items[unwritten.index], &skip.failure)
                }
                _ => self.listener.on_skip_in_process(&skip.failure),
            });
        }
    }

    /// Seals what the writer has, commits that it is sealed, and publishes it.
    fn finish<R, P>(&mut self, line: &Line<R, P, CAREFUL>, record: &mut ChunkRecord) -> Result<(), Halt>
    where
        R: Reader<Item = In>,
        P: Process<In, Out = W::Item>,
    {
        let run = self.run;
        let failed = |failure: Failure| Halt::Failed(run.blame(failure, Phase::Write));
        let (phase, writer) = (self.phase, &mut self.writer);
        noting(phase, Phase::Write, || writer.seal(run.durability)).map_err(Failure::new).map_err(failed)?;
        let sealed = self.positions(&line.reader).map_err(failed)?;
        if run.store.borrow().keeps() && sealed != self.last {
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
