//! Receives: a reader. Gives: the same items, read ahead on a thread of its own.

mod ahead;

use std::fmt;
use std::vec::IntoIter;

use self::ahead::{Ahead, Mark, Outcome};
use crate::definition::{BoxError, Progress, Reader, Splittable};

/// Reads ahead on a thread of its own; made by [`prefetch`](super::ReaderExt::prefetch).
///
/// While the step processes and writes, the next items are read: at most as many as were asked for are in memory. The
/// reader has to be `Send`.
///
/// The position is that of the reader inside, behind the item that was handed out last: what was read ahead is
/// not behind it, and a restart may do with or without reading ahead. Errors come in the order of the input, with
/// their own location; a panic of the reader is one of [`read`](Reader::read), with its message. The thread begins with
/// the first `read` and ends with this reader: dropping it waits for the one read that is going on.
///
/// What is not as exact as without it:
/// - [`location`](Reader::location) counts from a place a few items before: `2 items behind flights.csv, line 17`;
/// - [`progress`](Reader::progress) is up to that many items ahead;
/// - [`committed`](Reader::committed) is told to the reader inside on its thread, as soon as the read that is going on
///   returns. An error of it is given by the next call; at the end of the input it is waited for.
///
/// Each item is given its position, which takes what [`position`](Reader::position) of the reader takes.
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
    side: Side<R>,
}

enum Side<R: Reader> {
    /// Nothing is read yet.
    Here(R),
    Ahead(Reading<R>),
    /// The thread could not be started.
    Gone,
}

/// What is handed out of a batch.
struct Reading<R: Reader> {
    ahead: Ahead<R>,
    batch: IntoIter<Outcome<R>>,
    /// How many outcomes the batch had.
    size: usize,
    /// Behind what was handed out last.
    position: R::Position,
    progress: Option<Progress>,
    /// The location that is known, and the number of outcomes handed out behind it.
    location: Option<String>,
    behind: usize,
    /// What the reader inside says of the error that was handed out last.
    steps_over: bool,
    /// The record that error is about.
    record: Option<String>,
    ended: bool,
}

impl<R: Reader> Prefetch<R> {
    pub(super) fn new(inner: R, items: usize) -> Self {
        Self { items: items.max(1), side: Side::Here(inner) }
    }
}

impl<R> Prefetch<R>
where
    R: Reader<Item: Send, Position: Clone + Send, Error: Send> + Send + 'static,
{
    fn reading(&mut self) -> &mut Reading<R> {
        if let Side::Here(_) = self.side
            && let Side::Here(inner) = std::mem::replace(&mut self.side, Side::Gone)
        {
            self.side = Side::Ahead(Reading {
                position: inner.position(),
                progress: inner.progress(),
                ahead: Ahead::start(inner, self.items),
                batch: Vec::new().into_iter(),
                size: 0,
                location: None,
                behind: 0,
                steps_over: true,
                record: None,
                ended: false,
            });
        }
        match &mut self.side {
            Side::Ahead(reading) => reading,
            Side::Here(_) | Side::Gone => panic!("the thread that reads ahead could not be started"),
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
        self.behind += 1;
        if self.batch.len() == 0 {
            self.ahead.release(self.size);
        }
        if let Some(Mark { location, progress }) = mark {
            self.progress = progress;
            if location.is_some() {
                (self.location, self.behind) = (location, 0);
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
        let Self { location, behind, .. } = self;
        match (location, behind) {
            (None, behind) => format!("item {behind} of this execution"),
            (Some(location), 0) => location.clone(),
            (Some(location), 1) => format!("1 item behind {location}"),
            (Some(location), behind) => format!("{behind} items behind {location}"),
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

    /// Its positions are those of the reader inside.
    fn kind() -> String {
        R::kind()
    }

    #[inline]
    fn read(&mut self) -> Result<Option<R::Item>, R::Error> {
        self.reading().next()
    }

    fn position(&self) -> R::Position {
        match &self.side {
            Side::Here(inner) => inner.position(),
            Side::Ahead(reading) => reading.position.clone(),
            Side::Gone => panic!("the thread that reads ahead could not be started"),
        }
    }

    fn resume(&mut self, position: R::Position) -> Result<(), R::Error> {
        match &mut self.side {
            Side::Here(inner) => inner.resume(position),
            Side::Ahead(_) | Side::Gone => panic!("a reader resumes before the first item"),
        }
    }

    fn committed(&mut self, position: &R::Position) -> Result<(), R::Error> {
        match &mut self.side {
            Side::Here(inner) => inner.committed(position),
            Side::Ahead(reading) => reading.ahead.committed(position.clone()),
            Side::Gone => Ok(()),
        }
    }

    fn steps_over(&self, error: &R::Error) -> bool {
        match &self.side {
            Side::Here(inner) => inner.steps_over(error),
            Side::Ahead(reading) => reading.steps_over,
            Side::Gone => false,
        }
    }

    fn record(&self, error: &R::Error) -> Option<String> {
        match &self.side {
            Side::Here(inner) => inner.record(error),
            Side::Ahead(reading) => reading.record.clone(),
            Side::Gone => None,
        }
    }

    fn progress(&self) -> Option<Progress> {
        match &self.side {
            Side::Here(inner) => inner.progress(),
            Side::Ahead(reading) => reading.progress,
            Side::Gone => None,
        }
    }

    fn location(&self) -> Option<String> {
        match &self.side {
            Side::Here(inner) => inner.location(),
            Side::Ahead(reading) => Some(reading.location()),
            Side::Gone => None,
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
            Side::Here(inner) => inner.split(parts),
            Side::Ahead(_) | Side::Gone => panic!("a reader is split before the first item"),
        }
    }

    fn narrow(&mut self, part: R::Part) -> Result<(), BoxError> {
        match &mut self.side {
            Side::Here(inner) => inner.narrow(part),
            Side::Ahead(_) | Side::Gone => panic!("a reader is narrowed before the first item"),
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
            .field("begun", &!matches!(self.side, Side::Here(_)))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
