//! Reads numbered chunks of records into the workers' buffers, and notifies the reader of commits.

use std::mem;

use super::messages::{Buffers, ChunkEnd, FromWorker, ReadChunk, WorkerChannel};
use super::reorder_buffer::PendingNotices;
use super::shared_state::SharedState;
use super::sync::{Arc, SyncSender};
use super::turn_lock::TurnLock;
use crate::definition::{Failure, Phase, Reader};
use crate::engine::chunk::batch::{Extent, FIRST_CAPACITY, MAX_UNREAD};
use crate::engine::chunk::checkpoint;
use crate::engine::chunk::committed_ranges::{CommittedRanges, PassError};
use crate::engine::faults::panic;
use crate::engine::faults::reopen::{ReadRepeats, Reopening, located};
use crate::engine::faults::skip_rules::is_never_skipped;
use crate::engine::profile::{Activity, ChunkTimes};

/// A reader, and the state of the chunks read from it.
pub(super) struct ChunkReader<R> {
    /// `None` once the reader has panicked or could not be reopened. A reader that has failed, or reached the end of
    /// its input, is still notified of commits.
    reader: Option<R>,
    ended: bool,
    /// The number of the next chunk.
    number: u64,
    /// The encoded position of the reader.
    position: String,
    /// The committed ranges ahead of the reader.
    committed_ranges: CommittedRanges,
    repeats: ReadRepeats,
    /// The positions of the reader after the chunks that are not committed yet. They are encoded because a reader's
    /// position need not be `Send`.
    pending: PendingNotices<String>,
}

impl<R: Reader> ChunkReader<R> {
    pub(super) fn new(reader: R, (position, committed_ranges): (String, CommittedRanges)) -> Self {
        Self {
            reader: Some(reader),
            ended: false,
            number: 0,
            position,
            committed_ranges,
            repeats: ReadRepeats::default(),
            pending: PendingNotices::new(),
        }
    }

    /// Notifies the reader of the first `commits` commits, except those that it was already notified of.
    pub(super) fn notify_committed(&mut self, commits: u64) -> Result<(), Failure> {
        let Some(reader) = &mut self.reader else { return Ok(()) };
        self.pending.notify(commits, |position| {
            panic::catch(|| {
                let position = checkpoint::decode::<R::Position>(&position)?;
                reader.committed(&position).map_err(Failure::new)
            })
            .and_then(|notified| notified)
        })
    }

    /// Reads one chunk; `None` after the last. If `detached` is given, the reader may detach records for the caller
    /// to read.
    pub(super) fn read_chunk<Out, const CAREFUL: bool>(
        &mut self,
        mut buffers: Buffers<R::Item, Out>,
        state: &SharedState<'_>,
        reopen: &mut impl FnMut() -> Result<R, Failure>,
        mut detached: Option<&mut Detached<R>>,
    ) -> Option<ReadChunk<R::Item, Out>> {
        if self.ended {
            return None;
        }
        let mut reader = self.reader.take()?;
        let Self { committed_ranges, repeats, position: start, reader: kept, .. } = self;
        if let Some(detached) = &mut detached {
            (detached.count, detached.before) = (0, 0);
        }
        let mut begin = committed_ranges.record();
        // The listeners are on another thread, so retries are noted for later.
        let note = |event| {
            if let Reopening::Repeats(failure, retry) = event {
                state.retrying.note(failure, retry);
            }
        };
        let fill = || {
            let mut open = |broken, failure| {
                let mut broken = Some(broken);
                let open = repeats.reopen(&mut broken, failure, &mut *reopen, &state.retrying, note);
                open.map_err(|failure| Stuck(broken, state.blame(failure, Phase::Read)))
            };
            let mut keep = |Stuck(reader, failure)| {
                *kept = reader;
                failure
            };
            if !committed_ranges.is_empty() {
                reader = pass::<R, CAREFUL>(committed_ranges, reader, state, &mut open).map_err(&mut keep)?;
                begin = committed_ranges.record();
                *start = checkpoint::encode(&reader.position())?;
            }
            let mut filling = Filling { state, room: committed_ranges.room(), detached };
            let filled = filling.fill::<R::Item, Out, CAREFUL>(&mut buffers, reader, &mut open);
            let (reader, ended) = filled.map_err(keep)?;
            let taken = filling.detached.map_or(0, |detached| detached.count);
            committed_ranges.count((buffers.records.len() + buffers.unread.len() + taken) as u64);
            if ended && !committed_ranges.is_empty() {
                return Err(state.blame(committed_ranges.too_short(), Phase::Read));
            }
            let position = checkpoint::encode(&reader.position())?;
            let (progress, location) = (reader.progress(), reader.location());
            Ok((reader, ended, position, progress, location))
        };
        // Records read before a panic are still processed, because their faults come first.
        let filled = panic::catch(fill)
            .map_err(|panicked| state.blame(panicked, Phase::Read))
            .and_then(|filled| filled);
        let end = match filled {
            Ok((reader, ended, position, progress, location)) => {
                self.ended = ended;
                self.pending.push(position.clone());
                self.reader = Some(reader);
                let records = begin..self.committed_ranges.record();
                let begin = mem::replace(&mut self.position, position.clone());
                ChunkEnd { records, ended, begin, position, progress, location, ..ChunkEnd::default() }
            }
            Err(failure) => {
                self.ended = true;
                let panicked_on = panicked_on(&failure, buffers.records.len() + buffers.unread.len());
                ChunkEnd { begin: mem::take(&mut self.position), panicked_on, ..ChunkEnd::of(failure) }
            }
        };
        let number = self.number;
        self.number += 1;
        Some(ReadChunk { number, buffers, end })
    }
}

/// Returns the number of the record that a reader panicked on, after `read` records of the chunk; `None` if it did
/// not panic.
fn panicked_on(failure: &Failure, read: usize) -> Option<u32> {
    if failure.is_panic() { u32::try_from(read).ok() } else { None }
}

/// A reader that cannot go on, and the reason; `None` if the reader is gone.
struct Stuck<R>(Option<R>, Failure);

/// Moves the reader past the committed range at its position.
#[cold]
fn pass<R: Reader, const CAREFUL: bool>(
    committed_ranges: &mut CommittedRanges,
    mut reader: R,
    state: &SharedState<'_>,
    open: &mut impl FnMut(R, Failure) -> Result<R, Stuck<R>>,
) -> Result<R, Stuck<R>> {
    loop {
        match committed_ranges.pass(&mut reader) {
            Ok(()) => return Ok(reader),
            Err(PassError::Ended(failure)) => {
                return Err(Stuck(Some(reader), state.blame(failure, Phase::Read)));
            }
            Err(PassError::Read(error)) => {
                let (failure, _) = state.read_failure(error, &reader);
                if !CAREFUL {
                    return Err(Stuck(Some(reader), failure));
                }
                reader = open(reader, failure)?;
            }
        }
    }
}

/// Fills one chunk.
struct Filling<'f, 's, R> {
    state: &'f SharedState<'s>,
    /// How many records may be read before the next committed range.
    room: u64,
    detached: Option<&'f mut Detached<R>>,
}

impl<R: Reader> Filling<'_, '_, R> {
    /// Returns the reader after the chunk, and whether its input is at the end.
    ///
    /// Takes and returns the reader by value for the same reason as
    /// [`Pipeline`](crate::engine::chunk::fill::Pipeline).
    fn fill<In, Out, const CAREFUL: bool>(
        &mut self,
        buffers: &mut Buffers<In, Out>,
        mut reader: R,
        open: &mut impl FnMut(R, Failure) -> Result<R, Stuck<R>>,
    ) -> Result<(R, bool), Stuck<R>>
    where
        R: Reader<Item = In>,
    {
        let state = self.state;
        let extent = Extent::of(state.info, state.chunk, state.retrying.clock());
        // Records stepped over take room but are not items.
        let mut most = usize::try_from(extent.items.min(self.room)).unwrap_or(usize::MAX);
        let mut room = usize::try_from(self.room).unwrap_or(usize::MAX);
        buffers.records.reserve(most.min(FIRST_CAPACITY));
        while (buffers.records.len() < most || !reader.may_end_chunk() && buffers.records.len() < room)
            && !(CAREFUL && !buffers.records.is_empty() && reader.may_end_chunk() && extent.is_over())
            && !state.is_cancelled()
        {
            // A careful step detaches no records: skipped records do not count as items, so they must be known here.
            // Other steps detach records once per chunk.
            let room_left = most.saturating_sub(buffers.records.len());
            if !CAREFUL
                && room_left > 0
                && let Some(detached) = self.detached.as_deref_mut().filter(|detached| detached.count == 0)
            {
                let taken = reader.detach(room_left, &mut detached.records);
                detached.before = buffers.records.len();
                match taken {
                    Ok(0) => {}
                    Ok(taken) => {
                        detached.count = taken;
                        most -= taken;
                        continue;
                    }
                    Err(error) => {
                        // The records before the fault are still processed, because their faults come first.
                        detached.count = room_left;
                        let (failure, _) = state.read_failure(error, &reader);
                        return Err(Stuck(Some(reader), failure));
                    }
                }
            }
            match reader.read() {
                Ok(Some(item)) => buffers.records.push(item),
                Ok(None) => return Ok((reader, true)),
                Err(error) => {
                    let (failure, steps_over) = state.read_failure(error, &reader);
                    if CAREFUL && steps_over {
                        let fails = fails_the_step(state, &failure, buffers.unread.len() as u64);
                        buffers.unread.push((buffers.records.len(), failure));
                        if fails {
                            return Ok((reader, false));
                        }
                        room -= 1;
                        most = if (buffers.unread.len() as u64) < MAX_UNREAD { most.min(room) } else { 0 };
                    } else if CAREFUL {
                        reader = open(reader, failure)?;
                    } else {
                        return Err(Stuck(Some(reader), failure));
                    }
                }
            }
        }
        Ok((reader, false))
    }
}

/// Returns whether the step will fail on the failure, because no rule skips it after `skipped` skips. Reading on
/// would then be useless.
fn fails_the_step(state: &SharedState<'_>, failure: &Failure, skipped: u64) -> bool {
    let rule = state.info.options.faults.skipped_by(failure, skipped);
    is_never_skipped(failure) || rule.is_none_or(|rule| rule.limit.is_some_and(|limit| skipped >= limit))
}

/// Records that were detached from a reader, to be read without holding it.
pub(super) struct Detached<R> {
    records: Option<R>,
    /// The upper bound on the number of detached records.
    count: usize,
    /// The number of items in the chunk before the detached records.
    before: usize,
}

impl<R: Reader> Detached<R> {
    pub(super) fn new() -> Self {
        Self { records: None, count: 0, before: 0 }
    }

    /// Reads the records into their place in the chunk.
    fn read<Out>(&mut self, read_chunk: &mut ReadChunk<R::Item, Out>, state: &SharedState<'_>) {
        let (true, Some(mut reader)) = (self.count > 0, self.records.take()) else { return };
        if R::RECYCLES {
            let used = read_chunk.buffers.used.get_or_insert_default();
            used.drain(..).for_each(|item| reader.recycle(item));
        }
        let items = &mut read_chunk.buffers.records;
        let after = items.split_off(self.before);
        let read = panic::catch(|| {
            loop {
                match reader.read() {
                    Ok(Some(item)) => items.push(item),
                    Ok(None) => return Ok(reader),
                    Err(error) => return Err(located(Failure::new(error), &reader)),
                }
            }
        });
        match read.and_then(|read| read) {
            Ok(reader) => {
                self.records = Some(reader);
                items.extend(after);
            }
            Err(failure) => {
                read_chunk.end.panicked_on = panicked_on(&failure, items.len());
                read_chunk.end.fatal = Some(state.blame(failure, Phase::Read));
            }
        }
    }
}

/// Supplies one worker with chunks of records.
pub(crate) trait Supply<In, Out, X> {
    /// Returns the next chunk, read into these buffers; `None` if there is nothing more for the worker to do. Books
    /// the time that this takes.
    fn next(
        &mut self,
        channel: &WorkerChannel<In, Out, X>,
        buffers: Buffers<In, Out>,
        state: &SharedState<'_>,
        times: &mut ChunkTimes,
    ) -> Option<ReadChunk<In, Out>>;
}

/// The step thread's handle to the reader.
pub(super) trait ReaderHandle<R> {
    /// The requests of workers to the step's thread.
    type Request;

    /// Answers a request.
    fn answer(&self, request: Self::Request, reopen: impl FnOnce() -> Result<R, Failure>);

    /// Called when all of the first `chunks` chunks are committed.
    fn committed(&self, chunks: u64) -> Result<(), Failure>;

    /// Called once no more chunks are requested.
    fn release(&mut self) {}

    /// Called once every chunk is committed and all workers have left.
    fn close(&self) -> Result<(), Failure>;
}

/// A reader that the workers share. A worker locks it for a whole chunk, so the items stay on the thread that
/// allocated them.
pub(super) type SharedReader<R> = TurnLock<ChunkReader<R>>;

/// Asks the thread of the step to reopen the reader, because only that thread can open one.
pub(super) struct ReopenRequest<R>(SyncSender<Result<R, Failure>>);

/// A worker's end of a shared reader.
pub(super) struct SharedReaderSupply<R, const CAREFUL: bool> {
    reader: Arc<SharedReader<R>>,
    detached: Detached<R>,
}

impl<R: Reader, const CAREFUL: bool> SharedReaderSupply<R, CAREFUL> {
    pub(super) fn new(reader: Arc<SharedReader<R>>) -> Self {
        Self { reader, detached: Detached::new() }
    }
}

impl<R: Reader, Out, const CAREFUL: bool> Supply<R::Item, Out, ReopenRequest<R>>
    for SharedReaderSupply<R, CAREFUL>
{
    fn next(
        &mut self,
        channel: &WorkerChannel<R::Item, Out, ReopenRequest<R>>,
        buffers: Buffers<R::Item, Out>,
        state: &SharedState<'_>,
        times: &mut ChunkTimes,
    ) -> Option<ReadChunk<R::Item, Out>> {
        let mut reopen = || {
            let answer = channel.request(|reply| FromWorker::Request(ReopenRequest(reply)));
            answer.unwrap_or_else(|| Err(Failure::new("the step has ended")))
        };
        let (mut reader, commits) = self.reader.lock();
        times.book(Activity::Wait);
        if state.is_cancelled() {
            return None;
        }
        if let Err(failure) = reader.notify_committed(commits) {
            channel.send(FromWorker::NotifyFailed(failure));
            return None;
        }
        let read_chunk =
            reader.read_chunk::<Out, CAREFUL>(buffers, state, &mut reopen, Some(&mut self.detached));
        // The next worker may read while this one reads the detached records.
        drop(reader);
        times.book(Activity::Read);
        let mut read_chunk = read_chunk?;
        self.detached.read(&mut read_chunk, state);
        times.book(Activity::Decode);
        Some(read_chunk)
    }
}

/// The step thread's end of a shared reader. Dropping it notifies the reader of all commits, however the step
/// ends.
pub(super) struct SharedReaderHandle<R: Reader>(pub(super) Arc<SharedReader<R>>);

impl<R: Reader> SharedReaderHandle<R> {
    fn notify(&self) -> Result<(), Failure> {
        let (mut reader, commits) = self.0.lock();
        reader.notify_committed(commits)
    }
}

impl<R: Reader> Drop for SharedReaderHandle<R> {
    fn drop(&mut self) {
        // If `close` was called, nothing is pending. If it was not, the step has already failed.
        if let Err(failure) = self.notify() {
            tracing::warn!(%failure, "a reader failed when it was notified of a commit");
        }
    }
}

impl<R: Reader> ReaderHandle<R> for SharedReaderHandle<R> {
    type Request = ReopenRequest<R>;

    fn answer(&self, ReopenRequest(reply): ReopenRequest<R>, reopen: impl FnOnce() -> Result<R, Failure>) {
        let opened = panic::catch(reopen).and_then(|opened| opened);
        let _ = reply.send(opened);
    }

    fn committed(&self, chunks: u64) -> Result<(), Failure> {
        self.0.committed(chunks).map_or(Ok(()), |mut reader| reader.notify_committed(chunks))
    }

    fn close(&self) -> Result<(), Failure> {
        self.notify()
    }
}
