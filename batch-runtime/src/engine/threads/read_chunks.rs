//! Receives: a reader, and buffers. Gives: chunk after chunk of records, numbered as they are read; and word to the reader of what is
//! committed.

use std::mem;

use super::reorder_buffer::PendingNotices;
use super::sync::{Arc, SyncSender};
use super::turn_lock::TurnLock;
use super::{Buffers, Common, FromWorker, Unit, UnitEnd, WorkersChannel};
use crate::definition::{Failure, Phase, Reader};
use crate::engine::chunk::batch::{Extent, FIRST_CAPACITY, MOST_UNREAD};
use crate::engine::chunk::checkpoint;
use crate::engine::chunk::committed_ranges::{CommittedRanges, Unpassed};
use crate::engine::faults::panic;
use crate::engine::faults::reopen::{ReadRepeats, Reopening, located};
use crate::engine::faults::skip_rules::is_never_skipped;

/// A reader, and what is known of the chunks that were read from it.
pub(super) struct Reading<R> {
    /// Gone where it panicked, or could not be opened anew. Behind its end, or what it failed on, it hears of commits still.
    reader: Option<R>,
    ended: bool,
    /// The number of the next chunk.
    number: u64,
    /// Where it stands, encoded.
    at: String,
    /// What is done ahead of it.
    committed_ranges: CommittedRanges,
    repeats: ReadRepeats,
    /// Where it stood behind the chunks that are not committed. Encoded: the reader may change threads, its positions need not.
    behind: PendingNotices<String>,
}

impl<R: Reader> Reading<R> {
    pub(super) fn new(reader: R, (at, committed_ranges): (String, CommittedRanges)) -> Self {
        Self {
            reader: Some(reader),
            ended: false,
            number: 0,
            at,
            committed_ranges,
            repeats: ReadRepeats::default(),
            behind: PendingNotices::new(),
        }
    }

    /// Tells the reader of the commits that it has not heard of, of that many in all.
    pub(super) fn hear_of(&mut self, commits: u64) -> Result<(), Failure> {
        let Some(reader) = &mut self.reader else { return Ok(()) };
        self.behind.tell(commits, |position| {
            panic::catch(|| {
                let position = checkpoint::decode::<R::Position>(&position)?;
                reader.committed(&position).map_err(Failure::new)
            })
            .and_then(|heard| heard)
        })
    }

    /// Reads one chunk; `None` behind the last. With a place for them, records may be left to the caller to read.
    pub(super) fn unit<Out, const CAREFUL: bool>(
        &mut self,
        mut buffers: Buffers<R::Item, Out>,
        common: &Common<'_>,
        anew: &mut impl FnMut() -> Result<R, Failure>,
        mut detached: Option<&mut Detached<R>>,
    ) -> Option<Unit<R::Item, Out>> {
        if self.ended {
            return None;
        }
        let mut reader = self.reader.take()?;
        let Self { committed_ranges, repeats, at, reader: kept, .. } = self;
        if let Some(detached) = &mut detached {
            (detached.count, detached.before) = (0, 0);
        }
        let mut begin = committed_ranges.record();
        // The listeners are on another thread.
        let note = |event| {
            if let Reopening::Repeats(failure, repeat) = event {
                common.retrying.note(failure, repeat);
            }
        };
        let fill = || {
            let mut open = |broken, failure| {
                let mut broken = Some(broken);
                let open = repeats.reopen(&mut broken, failure, &mut *anew, &common.retrying, note);
                open.map_err(|failure| Stuck(broken, common.blame(failure, Phase::Read)))
            };
            let mut keep = |Stuck(reader, failure)| {
                *kept = reader;
                failure
            };
            if !committed_ranges.is_empty() {
                reader =
                    pass::<R, CAREFUL>(committed_ranges, reader, common, &mut open).map_err(&mut keep)?;
                begin = committed_ranges.record();
                *at = checkpoint::encode(&reader.position())?;
            }
            let mut filling = Filling { common, room: committed_ranges.room(), detached };
            let filled = filling.fill::<R::Item, Out, CAREFUL>(&mut buffers, reader, &mut open);
            let (reader, ended) = filled.map_err(keep)?;
            let taken = filling.detached.map_or(0, |detached| detached.count);
            committed_ranges.count((buffers.records.len() + buffers.unread.len() + taken) as u64);
            if ended && !committed_ranges.is_empty() {
                return Err(common.blame(committed_ranges.too_short(), Phase::Read));
            }
            let position = checkpoint::encode(&reader.position())?;
            let (progress, location) = (reader.progress(), reader.location());
            Ok((reader, ended, position, progress, location))
        };
        // What was read before a panic is processed: what fails there comes first.
        let filled = panic::catch(fill)
            .map_err(|panicked| common.blame(panicked, Phase::Read))
            .and_then(|filled| filled);
        let end = match filled {
            Ok((reader, ended, position, progress, location)) => {
                self.ended = ended;
                self.behind.put(position.clone());
                self.reader = Some(reader);
                let records = begin..self.committed_ranges.record();
                let begin = mem::replace(&mut self.at, position.clone());
                UnitEnd { records, ended, begin, position, progress, location, ..UnitEnd::default() }
            }
            Err(failure) => {
                self.ended = true;
                let panicked_on = panicked_on(&failure, buffers.records.len() + buffers.unread.len());
                UnitEnd { begin: mem::take(&mut self.at), panicked_on, ..UnitEnd::of(failure) }
            }
        };
        let number = self.number;
        self.number += 1;
        Some(Unit { number, buffers, end })
    }
}

/// The number of the record that a reader panicked on, if it did, after so many of the chunk.
fn panicked_on(failure: &Failure, read: usize) -> Option<u32> {
    if failure.is_panic() { u32::try_from(read).ok() } else { None }
}

/// A reader that cannot go on, if it is there still, and why.
struct Stuck<R>(Option<R>, Failure);

/// Takes the reader over what is done where it stands.
#[cold]
fn pass<R: Reader, const CAREFUL: bool>(
    committed_ranges: &mut CommittedRanges,
    mut reader: R,
    common: &Common<'_>,
    open: &mut impl FnMut(R, Failure) -> Result<R, Stuck<R>>,
) -> Result<R, Stuck<R>> {
    loop {
        match committed_ranges.pass(&mut reader) {
            Ok(()) => return Ok(reader),
            Err(Unpassed::Ended(failure)) => {
                return Err(Stuck(Some(reader), common.blame(failure, Phase::Read)));
            }
            Err(Unpassed::Read(error)) => {
                let (failure, _) = common.unread(error, &reader);
                if !CAREFUL {
                    return Err(Stuck(Some(reader), failure));
                }
                reader = open(reader, failure)?;
            }
        }
    }
}

/// What a chunk is filled by.
struct Filling<'f, 's, R> {
    common: &'f Common<'s>,
    /// How many records may be read before the next that are done.
    room: u64,
    detached: Option<&'f mut Detached<R>>,
}

impl<R: Reader> Filling<'_, '_, R> {
    /// Gives the reader behind the chunk, and whether its input is at the end.
    ///
    /// It comes by value and goes back so, as in [`Line`](crate::engine::chunk::fill::Line).
    fn fill<In, Out, const CAREFUL: bool>(
        &mut self,
        buffers: &mut Buffers<In, Out>,
        mut reader: R,
        open: &mut impl FnMut(R, Failure) -> Result<R, Stuck<R>>,
    ) -> Result<(R, bool), Stuck<R>>
    where
        R: Reader<Item = In>,
    {
        let common = self.common;
        let extent = Extent::of(common.info, common.chunk, common.retrying.clock());
        // What is stepped over takes room, and is no item.
        let mut most = usize::try_from(extent.items.min(self.room)).unwrap_or(usize::MAX);
        let mut room = usize::try_from(self.room).unwrap_or(usize::MAX);
        buffers.records.reserve(most.min(FIRST_CAPACITY));
        while (buffers.records.len() < most || !reader.may_end_chunk() && buffers.records.len() < room)
            && !(CAREFUL && !buffers.records.is_empty() && reader.may_end_chunk() && extent.is_over())
            && !common.is_over()
        {
            // What is skipped does not count as an item, so it must be known here; and what is taken out is taken out at once.
            let left = most.saturating_sub(buffers.records.len());
            if !CAREFUL
                && left > 0
                && let Some(detached) = self.detached.as_deref_mut().filter(|detached| detached.count == 0)
            {
                let taken = reader.detach(left, &mut detached.records);
                detached.before = buffers.records.len();
                match taken {
                    Ok(0) => {}
                    Ok(taken) => {
                        detached.count = taken;
                        most -= taken;
                        continue;
                    }
                    Err(error) => {
                        // Those before it are processed: what fails there comes first.
                        detached.count = left;
                        let (failure, _) = common.unread(error, &reader);
                        return Err(Stuck(Some(reader), failure));
                    }
                }
            }
            match reader.read() {
                Ok(Some(item)) => buffers.records.push(item),
                Ok(None) => return Ok((reader, true)),
                Err(error) => {
                    let (failure, steps_over) = common.unread(error, &reader);
                    if CAREFUL && steps_over {
                        let fails = fails_the_step(common, &failure, buffers.unread.len() as u64);
                        buffers.unread.push((buffers.records.len(), failure));
                        if fails {
                            return Ok((reader, false));
                        }
                        room -= 1;
                        most = if (buffers.unread.len() as u64) < MOST_UNREAD { most.min(room) } else { 0 };
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

/// No rule skips it, or none does once so many are skipped: the judge will say so, and what is behind it is read for nothing.
fn fails_the_step(common: &Common<'_>, failure: &Failure, skipped: u64) -> bool {
    let rule = common.info.options.faults.skipped_by(failure, skipped);
    is_never_skipped(failure) || rule.is_none_or(|rule| rule.limit.is_some_and(|limit| skipped >= limit))
}

/// Records that were taken out of a reader.
pub(super) struct Detached<R> {
    records: Option<R>,
    /// How many they are, at most.
    count: usize,
    /// How many items of the chunk stand before them.
    before: usize,
}

impl<R: Reader> Detached<R> {
    pub(super) fn new() -> Self {
        Self { records: None, count: 0, before: 0 }
    }

    /// Reads them, into their place in the chunk.
    fn read<Out>(&mut self, unit: &mut Unit<R::Item, Out>, common: &Common<'_>) {
        let (true, Some(mut reader)) = (self.count > 0, self.records.take()) else { return };
        let items = &mut unit.buffers.records;
        let behind = items.split_off(self.before);
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
                items.extend(behind);
            }
            Err(failure) => {
                unit.end.panicked_on = panicked_on(&failure, items.len());
                unit.end.fatal = Some(common.blame(failure, Phase::Read));
            }
        }
    }
}

/// How the workers come by chunks of records; one for each.
pub(super) trait Supply<In, Out, X> {
    /// The next chunk, read into these buffers; `None` when there is nothing more for the worker to do.
    fn next(
        &mut self,
        channel: &WorkersChannel<In, Out, X>,
        buffers: Buffers<In, Out>,
        common: &Common<'_>,
    ) -> Option<Unit<In, Out>>;
}

/// What the thread of the step has to do with the reader.
pub(super) trait Hearing<R> {
    /// What a worker may ask it for.
    type Asked;

    fn answer(&self, asked: Self::Asked, anew: impl FnOnce() -> Result<R, Failure>);

    /// So many of the first chunks are committed.
    fn committed(&self, chunks: u64) -> Result<(), Failure>;

    /// Nobody asks for chunks any more.
    fn release(&mut self) {}

    /// All is committed, and all workers have left.
    fn close(&self) -> Result<(), Failure>;
}

/// A reader that the workers read in turns, each a chunk: what it makes stays with the thread that made it.
pub(super) type SharedReader<R> = TurnLock<Reading<R>>;

/// Asks the thread of the step to open the reader once more, with what only that thread has.
pub(super) struct OpenAnew<R>(SyncSender<Result<R, Failure>>);

/// A worker's end of it.
pub(super) struct TakesTurns<R, const CAREFUL: bool> {
    reader: Arc<SharedReader<R>>,
    detached: Detached<R>,
}

impl<R: Reader, const CAREFUL: bool> TakesTurns<R, CAREFUL> {
    pub(super) fn new(reader: Arc<SharedReader<R>>) -> Self {
        Self { reader, detached: Detached::new() }
    }
}

impl<R: Reader, Out, const CAREFUL: bool> Supply<R::Item, Out, OpenAnew<R>> for TakesTurns<R, CAREFUL> {
    fn next(
        &mut self,
        channel: &WorkersChannel<R::Item, Out, OpenAnew<R>>,
        buffers: Buffers<R::Item, Out>,
        common: &Common<'_>,
    ) -> Option<Unit<R::Item, Out>> {
        let mut anew = || {
            let answer = channel.ask(|reply| FromWorker::RequestClient(OpenAnew(reply)));
            answer.unwrap_or_else(|| Err(Failure::new("the step is over")))
        };
        let (mut reading, commits) = self.reader.take();
        if common.is_over() {
            return None;
        }
        if let Err(failure) = reading.hear_of(commits) {
            channel.say(FromWorker::Unheard(failure));
            return None;
        }
        let unit = reading.unit::<Out, CAREFUL>(buffers, common, &mut anew, Some(&mut self.detached));
        // The next worker has the reader.
        drop(reading);
        let mut unit = unit?;
        self.detached.read(&mut unit, common);
        Some(unit)
    }
}

/// The end of the thread of the step. However it leaves, the reader hears of what is committed.
pub(super) struct TellsInTurns<R: Reader>(pub(super) Arc<SharedReader<R>>);

impl<R: Reader> TellsInTurns<R> {
    fn tell(&self) -> Result<(), Failure> {
        let (mut reading, commits) = self.0.take();
        reading.hear_of(commits)
    }
}

impl<R: Reader> Drop for TellsInTurns<R> {
    fn drop(&mut self) {
        // Behind `close` there is nothing left to tell; before it, the step has failed already.
        if let Err(failure) = self.tell() {
            tracing::warn!(%failure, "a reader could not take note of a commit");
        }
    }
}

impl<R: Reader> Hearing<R> for TellsInTurns<R> {
    type Asked = OpenAnew<R>;

    fn answer(&self, OpenAnew(reply): OpenAnew<R>, anew: impl FnOnce() -> Result<R, Failure>) {
        let opened = panic::catch(anew).and_then(|opened| opened);
        let _ = reply.send(opened);
    }

    fn committed(&self, chunks: u64) -> Result<(), Failure> {
        self.0.committed(chunks).map_or(Ok(()), |mut reading| reading.hear_of(chunks))
    }

    fn close(&self) -> Result<(), Failure> {
        self.tell()
    }
}
