//! Reads a reader's items ahead on a separate thread.

mod ahead;

use std::fmt;
use std::vec::IntoIter;

use self::ahead::{Ahead, Mark, Outcome};
use crate::definition::{BoxError, Progress, Reader, Splittable, StopSignal};

/// Reads ahead on a separate thread; [`prefetch`](super::ReaderExt::prefetch) creates it.
///
/// The next items are read while the step processes and writes; at most the requested number of them is in
/// memory. The reader must be `Send`.
///
/// The position is that of the inner reader after the last item that was returned. Items that were read ahead
/// do not count, so a restart may add or remove the prefetching. Errors are returned in the order of the input,
/// with their own location. A panic of the inner reader resurfaces in [`read`](Reader::read) with its message.
/// The first `read` starts the thread. Dropping this reader ends the thread, and waits for a read in flight.
///
/// Some methods are less exact with prefetching:
/// - [`location`](Reader::location) counts from a known place a few items earlier:
///   `2 items after flights.csv, line 17`;
/// - [`progress`](Reader::progress) is ahead by up to the requested number of items;
/// - [`committed`](Reader::committed) of the inner reader is called on the separate thread, as soon as the read
///   in flight returns. If it fails, the next call of `committed` returns its error; at the end of the input, the
///   call waits for the result.
///
/// Every item is stored with its position, so prefetching costs one call of [`position`](Reader::position) for
/// each item.
///
/// ```
/// use batch_runtime::prelude::*;
/// use batch_runtime::readers::VecReader;
///
/// let mut reader = VecReader::new(["a", "b", "c"]).prefetch(100);
/// assert_eq!(reader.read()?, Some("a"));
/// assert_eq!(reader.position(), 1, "whatever was read ahead");
/// # Ok::<(), batch_runtime::readers::EndedEarly>(())
/// ```
pub struct Prefetch<R: Reader> {
    items: usize,
    /// Dropped first: it ends a wait of the inner reader, which would otherwise delay the end of the thread.
    end: Option<GivenUp>,
    side: Side<R>,
}

/// Ends the waits of the thread when it is dropped.
struct GivenUp(StopSignal);

impl Drop for GivenUp {
    fn drop(&mut self) {
        self.0.give_up();
    }
}

enum Side<R: Reader> {
    /// Nothing has been read yet.
    NotStarted(R),
    Reading(Reading<R>),
    /// The thread could not be started.
    StartFailed,
}

/// The batch that is being returned item by item.
struct Reading<R: Reader> {
    ahead: Ahead<R>,
    batch: IntoIter<Outcome<R>>,
    /// The number of outcomes in the batch.
    size: usize,
    /// The position after the last outcome returned.
    position: R::Position,
    progress: Option<Progress>,
    /// The last known location, and the number of outcomes returned since.
    location: Option<String>,
    since: usize,
    /// Whether the inner reader steps over the last error that was returned.
    steps_over: bool,
    /// The record that this error concerns.
    record: Option<String>,
    ended: bool,
}

impl<R: Reader> Prefetch<R> {
    pub(super) fn new(inner: R, items: usize) -> Self {
        Self { items: items.max(1), end: None, side: Side::NotStarted(inner) }
    }
}

impl<R> Prefetch<R>
where
    R: Reader<Item: Send, Position: Clone + Send, Error: Send> + Send + 'static,
{
    fn reading(&mut self) -> &mut Reading<R> {
        if let Side::NotStarted(_) = self.side
            && let Side::NotStarted(inner) = std::mem::replace(&mut self.side, Side::StartFailed)
        {
            self.side = Side::Reading(Reading {
                position: inner.position(),
                progress: inner.progress(),
                ahead: Ahead::start(inner, self.items),
                batch: Vec::new().into_iter(),
                size: 0,
                location: None,
                since: 0,
                steps_over: true,
                record: None,
                ended: false,
            });
        }
        match &mut self.side {
            Side::Reading(reading) => reading,
            Side::NotStarted(_) | Side::StartFailed => {
                panic!("the thread that reads ahead could not be started")
            }
        }
    }
}

impl<R: Reader<Position: Clone>> Reading<R> {
    fn next(&mut self) -> Result<Option<R::Item>, R::Error> {
        if self.ended {
            return Ok(None);
        }
        if self.batch.len() == 0 {
            let outcomes = self.ahead.take();
            self.size = outcomes.len();
            self.batch = outcomes.into_iter();
        }
        let Some(Outcome { read, position, mark }) = self.batch.next() else { return Ok(None) };
        self.position = position;
        self.since += 1;
        if self.batch.len() == 0 {
            self.ahead.release(self.size);
        }
        if let Some(Mark { location, progress }) = mark {
            self.progress = progress;
            if location.is_some() {
                (self.location, self.since) = (location, 0);
            }
        }
        match read {
            Ok(item) => {
                self.ended = item.is_none();
                Ok(item)
            }
            Err(fault) => {
                (self.steps_over, self.record) = (fault.steps_over, fault.record);
                Err(fault.error)
            }
        }
    }

    fn location(&self) -> String {
        let Self { location, since, .. } = self;
        match (location, since) {
            (None, since) => format!("item {since} of this execution"),
            (Some(location), 0) => location.clone(),
            (Some(location), 1) => format!("1 item after {location}"),
            (Some(location), since) => format!("{since} items after {location}"),
        }
    }
}

impl<R> Reader for Prefetch<R>
where
    R: Reader<Item: Send, Position: Clone + Send, Error: Send> + Send + 'static,
{
    type Item = R::Item;
    type Position = R::Position;
    type Error = R::Error;

    /// Returns the kind of the inner reader, because the positions are the same.
    fn kind() -> String {
        R::kind()
    }

    #[inline]
    fn read(&mut self) -> Result<Option<R::Item>, R::Error> {
        self.reading().next()
    }

    fn position(&self) -> R::Position {
        match &self.side {
            Side::NotStarted(inner) => inner.position(),
            Side::Reading(reading) => reading.position.clone(),
            Side::StartFailed => panic!("the thread that reads ahead could not be started"),
        }
    }

    fn resume(&mut self, position: R::Position) -> Result<(), R::Error> {
        match &mut self.side {
            Side::NotStarted(inner) => inner.resume(position),
            Side::Reading(_) | Side::StartFailed => panic!("a reader resumes before the first item"),
        }
    }

    fn stops_with(&mut self, stop: &StopSignal) {
        if let Side::NotStarted(inner) = &mut self.side {
            let own = stop.of_branches();
            inner.stops_with(&own);
            self.end = Some(GivenUp(own));
        }
    }

    fn committed(&mut self, position: &R::Position) -> Result<(), R::Error> {
        match &mut self.side {
            Side::NotStarted(inner) => inner.committed(position),
            Side::Reading(reading) => reading.ahead.committed(position.clone()),
            Side::StartFailed => Ok(()),
        }
    }

    fn steps_over(&self, error: &R::Error) -> bool {
        match &self.side {
            Side::NotStarted(inner) => inner.steps_over(error),
            Side::Reading(reading) => reading.steps_over,
            Side::StartFailed => false,
        }
    }

    fn record(&self, error: &R::Error) -> Option<String> {
        match &self.side {
            Side::NotStarted(inner) => inner.record(error),
            Side::Reading(reading) => reading.record.clone(),
            Side::StartFailed => None,
        }
    }

    fn progress(&self) -> Option<Progress> {
        match &self.side {
            Side::NotStarted(inner) => inner.progress(),
            Side::Reading(reading) => reading.progress,
            Side::StartFailed => None,
        }
    }

    fn location(&self) -> Option<String> {
        match &self.side {
            Side::NotStarted(inner) => inner.location(),
            Side::Reading(reading) => Some(reading.location()),
            Side::StartFailed => None,
        }
    }
}

impl<R> Splittable for Prefetch<R>
where
    R: Splittable<Item: Send, Position: Clone + Send, Error: Send> + Send + 'static,
{
    type Part = R::Part;

    fn split(&mut self, parts: usize) -> Result<Vec<R::Part>, BoxError> {
        match &mut self.side {
            Side::NotStarted(inner) => inner.split(parts),
            Side::Reading(_) | Side::StartFailed => panic!("a reader is split before the first item"),
        }
    }

    fn check(&self, part: &R::Part) -> Result<(), BoxError> {
        match &self.side {
            Side::NotStarted(inner) => inner.check(part),
            Side::Reading(_) | Side::StartFailed => panic!("a part is checked before the first item"),
        }
    }

    fn narrow(&mut self, part: R::Part) -> Result<(), BoxError> {
        match &mut self.side {
            Side::NotStarted(inner) => inner.narrow(part),
            Side::Reading(_) | Side::StartFailed => panic!("a reader is narrowed before the first item"),
        }
    }

    fn part_name(part: &R::Part) -> Option<String> {
        R::part_name(part)
    }
}

impl<R: Reader> fmt::Debug for Prefetch<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prefetch")
            .field("items", &self.items)
            .field("begun", &!matches!(self.side, Side::NotStarted(_)))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
