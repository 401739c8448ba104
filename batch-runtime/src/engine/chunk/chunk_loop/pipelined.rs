//! Writes the next chunk while the commit of the previous one is in flight, so that the server and the step's thread
//! do not wait for each other.
//!
//! `COMMIT` is sent without waiting for its outcome. If the next chunk is there by then and has no faults, its rows are
//! sent in the next transaction of the same connection. The server executes both in this order. Only when the first
//! commit is confirmed does the first chunk count, and only then are the record and the `COMMIT` of the next chunk
//! sent. So at most one commit is in flight, and a checkpoint never passes a chunk that is not committed.
//!
//! If the first chunk turns out not to be committed, the next one is rolled back and put aside. The first chunk is then
//! treated like any chunk whose commit failed, and after it the other one is written again, each with a commit that is
//! awaited.
//!
//! This needs a feed that can hold two chunks, a writer that writes ahead, and a step without listeners of chunks; the
//! compiler removes the code from all other steps. A chunk that skips items or changes a context is settled before the
//! next one is written, because its skips and values are kept only until its commit.

use super::ChunkLoop;
use super::portion::{Portion, Reached, Start};
use crate::definition::{Failure, Phase, Progress, StepListener, Writer};
use crate::engine::chunk::batch::Filled;
use crate::engine::chunk::feed::Feed;
use crate::engine::profile::{Activity, ChunkTimes, writing};
use crate::engine::step::Halt;
use crate::repository::{ChunkError, ChunkRecord, Outcome};

/// A chunk whose commit is in flight.
pub(super) struct Sent<P> {
    filled: Filled,
    /// The state before the chunk.
    start: Start<P>,
    reached: Reached,
    times: ChunkTimes,
    progress: Option<Progress>,
    /// Whether the feed has put the chunk aside.
    is_aside: bool,
}

/// A chunk that was written ahead: its transaction contains neither its record nor the fence yet.
struct Ahead<P> {
    start: Start<P>,
    /// The result of the writer's call.
    written: Result<(), Failure>,
}

/// What the chunk that was put aside has become.
enum Settled {
    /// It is committed, and the transaction of the next chunk is open.
    Ahead,
    /// It is committed, and the next chunk has no transaction, because the connection was lost.
    Alone,
    /// Its commit failed. It was written and committed again, and the next chunk was rolled back.
    Again,
}

impl<In, W: Writer, L: StepListener<In, W::Item>, const CAREFUL: bool> ChunkLoop<'_, '_, In, W, L, CAREFUL> {
    /// Whether the step may write a chunk before the commit of the previous one is confirmed.
    pub(super) const fn may_pipeline<F: Feed<In, W::Item>>() -> bool {
        F::CAN_PUT_ASIDE && W::WRITES_AHEAD && W::CAN_ROLL_BACK && !L::HEARS_CHUNKS
    }

    /// Returns whether the next chunk is to be written now, before the commit in flight is confirmed.
    pub(super) fn goes_ahead<F: Feed<In, W::Item>>(&self, feed: &mut F) -> bool {
        let Some(sent) = &self.sent else { return false };
        let run = self.shared.run;
        !sent.filled.ended
            && self.shared.skip_rules.len() == 0
            && !run.has_uncommitted_values()
            && !run.is_stopping()
            && run.check_time().is_ok()
            // The loop never waits for a chunk here: a reader may return the next item only after it is notified of the
            // commit.
            && feed.is_next_clean()
    }

    /// Makes room in the feed for the next chunk.
    pub(super) fn put_sent_aside<F: Feed<In, W::Item>>(&mut self, feed: &mut F) {
        if let Some(sent) = &mut self.sent {
            feed.put_aside();
            sent.is_aside = true;
            self.totals.watch.add(&sent.times);
        }
    }

    /// Writes the chunk and sends its commit, which is then in flight. If another commit is in flight, that one is
    /// settled after the rows of this chunk are written and before its commit is sent. Returns true if this chunk was
    /// committed at once and is the last one.
    pub(super) fn send<F: Feed<In, W::Item>>(
        &mut self,
        filled: Filled,
        feed: &mut F,
        record: &mut ChunkRecord,
        mut times: ChunkTimes,
        progress: Option<Progress>,
    ) -> Result<bool, Halt> {
        let whole = Self::whole(filled, feed.outputs().items.len());
        let mut ahead = None;
        if self.sent.is_some() {
            ahead = self.write_ahead(&whole, feed, &mut times);
            let failed = match self.settle_aside(feed, record)? {
                Settled::Ahead => Ok(()),
                Settled::Alone => ahead.take().map_or(Ok(()), |ahead| Err(Some(self.undo_ahead(ahead)))),
                Settled::Again => Err(None),
            };
            if let Err(failed) = failed {
                return self.commit_at_once(filled, feed, record, times, progress, failed);
            }
        }
        match self.send_whole(&whole, feed, record, &mut times, ahead) {
            Ok((start, reached)) => {
                self.sent = Some(Sent { filled, start, reached, times, progress, is_aside: false });
                Ok(false)
            }
            Err(error) => self.commit_at_once(filled, feed, record, times, progress, Some(error)),
        }
    }

    /// Writes the chunk while the commit of the previous one is in flight. Returns `None` if the connection is lost.
    fn write_ahead<F: Feed<In, W::Item>>(
        &mut self,
        whole: &Portion,
        feed: &mut F,
        times: &mut ChunkTimes,
    ) -> Option<Ahead<W::Position>> {
        let run = self.shared.run;
        let mut store = run.store.borrow_mut();
        let start = self.start(store.keeps());
        let mut written = None;
        store.pipelined()?.write_ahead(&mut |tx| {
            times.book(Activity::Commit);
            let once = writing(&mut times.writers, || {
                let (mut writing, items) = self.writing(whole, feed.outputs(), tx, &start);
                writing.write_once(items)
            });
            times.book(Activity::Write);
            written = Some(once);
        });
        written.map(|written| Ahead { start, written })
    }

    /// Takes back a chunk that was written ahead and whose connection is lost. Returns the error of this attempt.
    #[cold]
    fn undo_ahead(&mut self, Ahead { start, written }: Ahead<W::Position>) -> ChunkError {
        let lost = || Failure::new("the connection to the database was lost").during(Phase::Write);
        self.undo(ChunkError::Again(written.err().unwrap_or_else(lost)), &start)
    }

    /// Writes the chunk, unless that was done ahead, and sends its record and its commit.
    fn send_whole<F: Feed<In, W::Item>>(
        &mut self,
        whole: &Portion,
        feed: &mut F,
        record: &mut ChunkRecord,
        times: &mut ChunkTimes,
        ahead: Option<Ahead<W::Position>>,
    ) -> Result<(Start<W::Position>, Reached), ChunkError> {
        let run = self.shared.run;
        let mut store = run.store.borrow_mut();
        let (start, mut written) = match ahead {
            Some(Ahead { start, written }) => (start, Some(written)),
            None => (self.start(store.keeps()), None),
        };
        let mut reached = Reached::default();
        let session = store.pipelined().expect("the session does not change during a step");
        let sent = session.send(record, &mut |tx, record| {
            reached = self.write_and_record(whole, feed, tx, record, &start, written.take(), times)?;
            Ok(())
        });
        drop(store);
        match sent {
            Ok(()) => Ok((start, reached)),
            Err(error) => Err(self.undo(error, &start)),
        }
    }

    fn outcome(&self, record: &ChunkRecord) -> Result<Outcome, ChunkError> {
        let mut store = self.shared.run.store.borrow_mut();
        store.pipelined().expect("the session does not change during a step").outcome(record)
    }

    /// Settles the chunk that was put aside, after the next one was written.
    fn settle_aside<F: Feed<In, W::Item>>(
        &mut self,
        feed: &mut F,
        record: &mut ChunkRecord,
    ) -> Result<Settled, Halt> {
        let run = self.shared.run;
        let outcome = self.outcome(record);
        // The chunk stays in `sent` until here, so that `count_sent` still finds it if the writer panics.
        let sent = self.sent.take().expect("its outcome was awaited");
        let located = |halt, feed: &mut F| Self::with_records(halt, sent.filled.records::<CAREFUL>(), feed);
        let (settled, stop_requested) = match outcome {
            Ok(Outcome { committed, is_ahead }) => {
                // The chunk has changed no context, and values that were put meanwhile belong to the next one.
                self.count(record, sent.reached.positions, true);
                self.notify_writer().map_err(Halt::from)?;
                self.previous_records = sent.filled.records::<CAREFUL>();
                let noted = feed.aside_committed();
                noted.map_err(|failure| Halt::Failed(self.shared.blame(failure, Phase::Read)))?;
                (if is_ahead { Settled::Ahead } else { Settled::Alone }, committed.stop_requested)
            }
            Err(error) => {
                let error = self.undo(error, &sent.start);
                feed.swap_aside();
                let times = &mut ChunkTimes::default();
                let committed = self.commit(sent.filled, feed, record, times, Some(error));
                let stop_requested = committed.map_err(|halt| located(halt, feed))?;
                feed.take_up_aside();
                (Settled::Again, stop_requested)
            }
        };
        if sent.times.is_measured() {
            run.live.show(&self.totals.counters, sent.progress);
        }
        if stop_requested {
            run.environment.job.stop.raise();
        }
        Ok(settled)
    }

    /// Waits for the commit in flight, if there is one, and settles its chunk. Call this if the next chunk is not to be
    /// written ahead. Returns true if the input is at its end.
    pub(super) fn settle_sent<F: Feed<In, W::Item>>(
        &mut self,
        feed: &mut F,
        record: &mut ChunkRecord,
    ) -> Result<bool, Halt> {
        let Some(mut sent) = self.sent.take() else { return Ok(false) };
        let filled = sent.filled;
        let committed = match self.outcome(record) {
            Ok(outcome) => {
                let whole = Self::whole(filled, feed.outputs().items.len());
                self.settle(&whole, feed, record, sent.reached, outcome.committed.in_repository())
                    .map_err(Halt::from)
                    .and_then(|()| self.chunk_committed(filled, feed))
                    .map(|()| outcome.committed.stop_requested)
            }
            Err(error) => {
                let error = self.undo(error, &sent.start);
                self.commit(filled, feed, record, &mut sent.times, Some(error))
            }
        };
        let stop_requested =
            committed.map_err(|halt| Self::with_records(halt, filled.records::<CAREFUL>(), feed))?;
        Ok(self.note_chunk(filled, stop_requested, &mut sent.times, sent.progress))
    }

    /// Waits for the commit in flight, if there is one, after the step has failed. Counts its chunk if the commit
    /// succeeded.
    pub(super) fn count_sent<F: Feed<In, W::Item>>(&mut self, feed: &mut F, record: &ChunkRecord) {
        let Some(sent) = self.sent.take() else { return };
        match self.outcome(record) {
            Ok(outcome) => {
                self.count(record, sent.reached.positions, true);
                self.shared.run.settle(sent.reached.held, outcome.committed.in_repository());
                let noted = if sent.is_aside { feed.aside_committed() } else { feed.committed() };
                if let Err(failure) = noted {
                    tracing::warn!(%failure, "a reader failed when it was notified of a commit");
                }
            }
            // The restart reads the chunk again.
            Err(error) => tracing::warn!(%error, "the chunk before the failure is not committed either"),
        }
    }
}
