//! Fills chunk after chunk, and writes and commits each with its checkpoint in one transaction.

mod pipelined;
mod portion;

pub(crate) use portion::Portion;

use std::collections::BTreeSet;
use std::ops::Range;

use crate::definition::{Failure, Phase, Progress, States, StepListener, Writer};
use crate::engine::chunk::batch::Filled;
use crate::engine::chunk::checkpoint::{self, Checkpoint};
use crate::engine::chunk::feed::Feed;
use crate::engine::chunk::open::during_open;
use crate::engine::chunk::shared::Shared;
use crate::engine::faults::all_skipped;
use crate::engine::faults::locate;
use crate::engine::faults::panic;
use crate::engine::faults::skip_rules::is_of_the_target;
use crate::engine::phase::{in_phase, log_if_failed, take_panicked_record};
use crate::engine::profile::{Activity, ChunkTimes, Detail, StepWatch};
use crate::engine::step::{Halt, Moments, StepRun};
use crate::observe::spans;
use crate::repository::{ChunkError, ChunkRecord, Counters};
use pipelined::Sent;

/// The maximum number of unwritable items whose places a step looks up in the input, over all executions of
/// the instance. Some readers have to start from the beginning for each lookup, so only the first items are
/// looked up.
const MAX_LOCATED: u64 = 256;

/// Describes in words the records of a chunk that ends at the place `last`.
fn describe_records(records: u64, last: String) -> String {
    if records == 1 { last } else { format!("the {records} records up to {last}") }
}

/// The counters and timings of everything committed so far.
pub(crate) struct Totals {
    pub(crate) counters: Counters,
    pub(crate) watch: StepWatch,
}

impl Totals {
    /// Starts with no commits, and times the step from now on.
    pub(crate) fn start(is_partition: bool) -> Self {
        Self { counters: Counters::default(), watch: StepWatch::start(is_partition) }
    }
}

/// The encoded positions that are stored with a chunk.
#[derive(Default, Clone, PartialEq, Eq)]
pub(crate) struct Positions {
    pub(crate) reader: String,
    writer: String,
}

pub(crate) struct ChunkLoop<'l, 'r, In, W: Writer, L, const CAREFUL: bool> {
    pub(crate) shared: Shared<'l, 'r, In, L>,
    pub(crate) totals: &'l mut Totals,
    pub(crate) writer: W,
    /// The positions of reader and writer after the last whole chunk.
    pub(crate) last: Positions,
    /// The position of the reader when the step began; `None` if an earlier execution read something.
    start: Option<String>,
    pub(crate) json: fn(&W::Item) -> Option<String>,
    /// The position of the reader before the last whole chunk, and the number of records in that chunk.
    previous: Option<String>,
    previous_records: u64,
    /// The chunk whose commit is in flight.
    sent: Option<Sent<W::Position>>,
}

impl<'l, 'r, In, W: Writer, L: StepListener<In, W::Item>, const CAREFUL: bool>
    ChunkLoop<'l, 'r, In, W, L, CAREFUL>
{
    pub(crate) fn new(
        shared: Shared<'l, 'r, In, L>,
        totals: &'l mut Totals,
        writer: W,
        json: fn(&W::Item) -> Option<String>,
    ) -> Self {
        Self {
            shared,
            totals,
            writer,
            last: Positions::default(),
            start: None,
            json,
            previous: None,
            previous_records: 0,
            sent: None,
        }
    }

    /// Resumes the writer at the position of the last commit.
    fn open<F: Feed<In, W::Item>>(&mut self, feed: &F) -> Result<(), Failure> {
        let run = self.shared.run;
        run.info.check_writer(W::WRITES_IN).map_err(|failure| run.of_role(failure, "writer"))?;
        let written = run.inherited.writer.as_deref().map(checkpoint::decode).transpose()?;
        self.writer.mark(run.mark);
        if run.owner_may_live {
            self.writer.take_over();
        }
        if run.replayed.is_some() {
            self.writer.replays();
        }
        self.writer.open(written).map_err(|error| run.of_role(Failure::new(error), "writer"))?;
        self.last = self.positions(feed)?;
        if CAREFUL && run.inherited.reader.is_none() {
            self.start = Some(self.last.reader.clone());
        }
        checkpoint::decode::<W::Position>(&self.last.writer).map(drop)
    }

    fn positions<F: Feed<In, W::Item>>(&self, feed: &F) -> Result<Positions, Failure> {
        Ok(Positions { reader: feed.position()?, writer: checkpoint::encode(&self.writer.position())? })
    }

    /// Collects the outputs of all chunks, and commits nothing.
    pub(crate) fn collect<F: Feed<In, W::Item>>(&mut self, mut feed: F) -> Result<Vec<W::Item>, Halt> {
        let mut all = Vec::new();
        loop {
            let filled = feed.fill(&mut self.shared, &mut ChunkTimes::default())?;
            let outputs = feed.outputs();
            if filled.records > 0 {
                let portion = Self::whole(filled, outputs.items.len());
                let skips = self.shared.skip_rules.of(&portion.records);
                self.totals.counters = self.counters_with(&portion, portion.items.len(), &skips);
                self.shared.skip_rules.settle(&portion.records);
            }
            all.append(&mut outputs.items);
            if filled.ended {
                return Ok(all);
            }
        }
    }

    /// Commits chunk after chunk, and publishes what the writer wrote.
    pub(crate) fn drive<F: Feed<In, W::Item>>(&mut self, mut feed: F) -> Result<(), Halt> {
        self.open(&feed).map_err(during_open)?;
        self.shared.run.live.begin_at(feed.progress());
        let mut record = ChunkRecord::default();
        self.totals.watch.opened();
        // Panics are caught here, where the feed can still find the place of the record.
        let committed = panic::catch(|| self.commit_all(&mut feed, &mut record));
        if const { Self::may_pipeline::<F>() } {
            self.count_sent(&mut feed, &record);
        }
        self.totals.watch.ended();
        committed.unwrap_or_else(|panicked| {
            if CAREFUL {
                self.shared.notify_retries::<W::Item>();
            }
            Err(Halt::Failed(self.locate_panic(panicked, &mut feed)))
        })?;
        feed.close().map_err(|failure| Halt::Failed(self.shared.blame(failure, Phase::Read)))?;
        self.finish(&feed, &mut record)
    }

    fn commit_all<F: Feed<In, W::Item>>(
        &mut self,
        feed: &mut F,
        record: &mut ChunkRecord,
    ) -> Result<(), Halt> {
        let run = self.shared.run;
        let detail = Detail { items: run.sizes.chunk, writers: W::PARTS > 1 };
        let pipelines = const { Self::may_pipeline::<F>() } && run.store.borrow_mut().pipelined().is_some();
        loop {
            // A skipped fault in the previous chunk may have left another phase here.
            self.shared.phase.set(Phase::Open);
            if const { Self::may_pipeline::<F>() }
                && !self.goes_ahead(feed)
                && self.settle_sent(feed, record)?
            {
                return Ok(());
            }
            if run.is_stopping() {
                return Err(Halt::Stopped);
            }
            run.check_time()?;
            let _inside = spans::chunk(self.totals.counters.commit + u64::from(self.sent.is_some()));
            if const { Self::may_pipeline::<F>() } {
                self.put_sent_aside(feed);
            }
            let mut times = self.totals.watch.next(detail);
            self.shared.listener.before_chunk().map_err(Halt::Failed)?;

            let filled = feed.fill(&mut self.shared, &mut times);
            if CAREFUL {
                self.shared.notify_retries::<W::Item>();
            }
            let filled = filled?;
            times.book(Activity::Fill);

            let is_empty = filled.read == 0 && self.shared.skip_rules.len() == 0;
            if is_empty && !self.has_moved(feed).map_err(Halt::Failed)? {
                return Ok(());
            }
            let progress = if times.is_measured() { feed.progress() } else { None };
            // Only short chunks are left unmeasured, so the last known progress is still good enough.
            record.reached = run.live.reached(progress).or(record.reached);
            let is_at_end = if const { Self::may_pipeline::<F>() } && pipelines && filled.read > 0 {
                self.send(filled, feed, record, times, progress)?
            } else {
                self.commit_at_once(filled, feed, record, times, progress, None)?
            };
            if is_at_end {
                return Ok(());
            }
        }
    }

    /// Writes the chunk, commits it and waits for the outcome. Returns true if the input is at its end. `failed` is the
    /// error of an attempt that was already made.
    fn commit_at_once<F: Feed<In, W::Item>>(
        &mut self,
        filled: Filled,
        feed: &mut F,
        record: &mut ChunkRecord,
        mut times: ChunkTimes,
        progress: Option<Progress>,
        failed: Option<ChunkError>,
    ) -> Result<bool, Halt> {
        let stop_requested = self
            .commit(filled, feed, record, &mut times, failed)
            .map_err(|halt| Self::with_records(halt, filled.records::<CAREFUL>(), feed))?;
        Ok(self.note_chunk(filled, stop_requested, &mut times, progress))
    }

    /// Notes the times of a chunk that is committed, and whether the job is to stop. Returns true if the input is at its
    /// end.
    fn note_chunk(
        &mut self,
        filled: Filled,
        stop_requested: bool,
        times: &mut ChunkTimes,
        progress: Option<Progress>,
    ) -> bool {
        let run = self.shared.run;
        times.book(Activity::Commit);
        self.totals.watch.add(times);
        if times.is_measured() {
            run.live.show(&self.totals.counters, progress);
        }
        if stop_requested && !filled.ended {
            run.environment.job.stop.raise();
        }
        filled.ended
    }

    /// Adds the place of the record to the failure of a panic that happened while a chunk was filled.
    #[cold]
    fn locate_panic<F: Feed<In, W::Item>>(&mut self, panicked: Failure, feed: &mut F) -> Failure {
        let (run, phase) = (self.shared.run, self.shared.phase.get());
        let failure = run.blame(panicked, phase);
        let (Some(record), true) = (take_panicked_record(), run.store.borrow().keeps()) else {
            return failure;
        };
        match locate::of_panic(phase, record, |record| {
            let (record, base) = match (record, &self.previous) {
                (Some(record), _) => (record, &self.last.reader),
                (None, Some(previous)) => {
                    (u32::try_from(self.previous_records.checked_sub(1)?).ok()?, previous)
                }
                (None, None) => return None,
            };
            feed.places(&BTreeSet::from([record]), base).remove(&record)
        }) {
            Some(place) => failure.at(place),
            None => failure,
        }
    }

    /// Adds the records of the chunk to a write failure.
    #[cold]
    fn with_records<F: Feed<In, W::Item>>(halt: Halt, records: u64, feed: &F) -> Halt {
        match (halt, feed.location()) {
            // If the target itself fails, no record is to blame.
            (Halt::Failed(failure), Some(last))
                if failure.phase() == Some(Phase::Write) && !is_of_the_target(&failure) =>
            {
                Halt::Failed(failure.at(describe_records(records, last)))
            }
            (halt, _) => halt,
        }
    }

    /// Looks up the places of items that could not be written and are skipped.
    #[cold]
    fn locate_unwritten<F: Feed<In, W::Item>>(&mut self, records: &Range<u32>, feed: &mut F) {
        let before = self.shared.run.before.write_skip + self.totals.counters.write_skip;
        let left = usize::try_from(MAX_LOCATED.saturating_sub(before)).unwrap_or(usize::MAX);
        let unplaced: BTreeSet<u32> =
            self.shared.skip_rules.unplaced(records).into_iter().take(left).collect();
        if unplaced.is_empty() {
            return;
        }
        let base = feed.base(&self.last.reader).to_owned();
        let places = feed.places(&unplaced, &base);
        self.shared.skip_rules.place(&places);
    }

    /// Returns whether the reader moved without returning a record, for example over comments at the end of a file.
    fn has_moved<F: Feed<In, W::Item>>(&self, feed: &F) -> Result<bool, Failure> {
        let keeps = self.shared.run.store.borrow().keeps();
        Ok(keeps && feed.position()? != self.last.reader)
    }

    /// Writes the chunk and commits it with its checkpoint. Returns whether a stop was requested. `failed` is the error of
    /// an attempt that was already made.
    fn commit<F: Feed<In, W::Item>>(
        &mut self,
        filled: Filled,
        feed: &mut F,
        record: &mut ChunkRecord,
        times: &mut ChunkTimes,
        failed: Option<ChunkError>,
    ) -> Result<bool, Halt> {
        if CAREFUL && filled.read == 0 {
            self.refuse_if_all_is_skipped(feed, filled.ended)?;
        }
        let whole = Self::whole(filled, feed.outputs().items.len());
        let stop_requested = match self.commit_portion(&whole, feed, record, times, failed) {
            Err(ChunkError::Refused(failure)) if CAREFUL => {
                self.commit_in_parts(filled, feed, record, failure)?
            }
            committed => committed?,
        };
        self.chunk_committed(filled, feed)?;
        Ok(stop_requested)
    }

    /// Notes that a whole chunk is committed.
    fn chunk_committed<F: Feed<In, W::Item>>(&mut self, filled: Filled, feed: &mut F) -> Result<(), Halt> {
        self.previous_records = filled.records::<CAREFUL>();
        feed.committed().map_err(|failure| Halt::Failed(self.shared.blame(failure, Phase::Read)))?;
        log_if_failed(self.shared.listener.after_chunk(&self.totals.counters));
        Ok(())
    }

    /// Fails the step if its first chunk consists of skips only, because then the input as a whole is at fault, not
    /// its records.
    ///
    /// Skips take no room in a chunk, so such an input is noticed in the first chunk. Nothing is committed yet, and a
    /// restart reads the chunk again.
    #[cold]
    fn refuse_if_all_is_skipped<F: Feed<In, W::Item>>(&mut self, feed: &F, ended: bool) -> Result<(), Halt> {
        let run = self.shared.run;
        let is_all = self.start.as_deref() == Some(feed.base(&self.last.reader));
        if is_all && all_skipped::fails(run) {
            self.shared.phase.set(Phase::Read);
            if let Some(failure) = self.shared.skip_rules.take_first() {
                return Err(Halt::Failed(all_skipped::failure(failure.0, failure.1, ended)));
            }
        }
        Ok(())
    }

    /// Seals the writer's output, commits the sealed position, and publishes the output.
    fn finish<F: Feed<In, W::Item>>(&mut self, feed: &F, record: &mut ChunkRecord) -> Result<(), Halt> {
        let run = self.shared.run;
        let failed = |failure: Failure| Halt::Failed(run.blame(failure, Phase::Write));
        let (phase, writer) = (self.shared.phase, &mut self.writer);
        in_phase(phase, Phase::Write, || writer.seal(run.durability))
            .map_err(Failure::new)
            .map_err(failed)?;
        let sealed = self.positions(feed).map_err(failed)?;
        if run.store.borrow().keeps() && sealed != self.last {
            let states = feed.states().map_err(failed)?;
            record.counters = self.totals.counters;
            let mut held = Moments::default();
            let stored = run.commit_record(record, |record| {
                held = fill_record(run, record, &sealed, states.clone())?;
                Ok(())
            })?;
            run.settle(held, stored);
            self.last = sealed;
        }
        let writer = &mut self.writer;
        in_phase(phase, Phase::Write, || writer.finish(run.durability))
            .map_err(Failure::new)
            .map_err(failed)?;
        run.live.show(&self.totals.counters, feed.progress());
        Ok(())
    }
}

/// Adds the checkpoint and the contexts to the record. Returns the moment up to which it holds the contexts.
fn fill_record(
    run: &StepRun<'_>,
    record: &mut ChunkRecord,
    at: &Positions,
    states: States,
) -> Result<Moments, Failure> {
    let checkpoint = Checkpoint {
        reader: Some(at.reader.clone()),
        writer: Some(at.writer.clone()),
        states,
        tasklet: None,
    };
    run.add_contexts(checkpoint, record)
}
