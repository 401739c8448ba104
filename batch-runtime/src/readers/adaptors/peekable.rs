//! Lets the caller look at a reader's next item.

use std::fmt;

use super::forward::forward_reader;
use crate::definition::Reader;

/// Shows the next item before it is read; [`peekable`](super::ReaderExt::peekable) creates it.
///
/// It is meant for a reader of your own that builds an item from several records, and has to see whether the
/// next record still belongs to the item. The position stays before an item that was only peeked at, so a
/// restart reads it.
///
/// ```
/// use batch_runtime::prelude::*;
/// use batch_runtime::readers::VecReader;
///
/// let mut lines = VecReader::new(["order 1", "  pen", "order 2"]).peekable();
/// let mut order = vec![lines.read()?.unwrap()];
/// while lines.peek()?.is_some_and(|line| line.starts_with(' ')) {
///     order.extend(lines.read()?);
/// }
/// assert_eq!(order, ["order 1", "  pen"]);
/// assert_eq!(lines.position(), 2, "`order 2` was only looked at");
/// # Ok::<(), batch_runtime::readers::EndedEarly>(())
/// ```
pub struct Peekable<R: Reader> {
    inner: R,
    peeked: Option<Peeked<R>>,
}

struct Peeked<R: Reader> {
    /// `None` at the end of the input.
    item: Option<R::Item>,
    /// The position and the location before the item was read.
    position: R::Position,
    location: Option<String>,
}

impl<R: Reader> Peekable<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner, peeked: None }
    }

    /// Returns the next item without reading it; the next [`read`](Reader::read) returns the same item.
    /// `None` at the end of the input.
    ///
    /// # Errors
    /// As `read`: an error is returned once, and [`steps_over`](Reader::steps_over) tells whether reading
    /// continues after it.
    pub fn peek(&mut self) -> Result<Option<&R::Item>, R::Error> {
        let peeked = if let Some(peeked) = self.peeked.take() {
            peeked
        } else {
            let (position, location) = (self.inner.position(), self.inner.location());
            Peeked { item: self.inner.read()?, position, location }
        };
        Ok(self.peeked.insert(peeked).item.as_ref())
    }
}

impl<R: Reader<Position: Clone>> Reader for Peekable<R> {
    type Item = R::Item;
    type Position = R::Position;
    type Error = R::Error;

    forward_reader!(self => self.inner);

    #[inline]
    fn read(&mut self) -> Result<Option<R::Item>, R::Error> {
        match self.peeked.take() {
            Some(peeked) => Ok(peeked.item),
            None => self.inner.read(),
        }
    }

    fn position(&self) -> R::Position {
        self.peeked.as_ref().map_or_else(|| self.inner.position(), |peeked| peeked.position.clone())
    }

    fn resume(&mut self, position: R::Position) -> Result<(), R::Error> {
        self.inner.resume(position)
    }

    fn steps_over(&self, error: &R::Error) -> bool {
        self.inner.steps_over(error)
    }

    fn location(&self) -> Option<String> {
        self.peeked.as_ref().map_or_else(|| self.inner.location(), |peeked| peeked.location.clone())
    }
}

impl<R: Reader + fmt::Debug> fmt::Debug for Peekable<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peekable")
            .field("inner", &self.inner)
            .field("peeked", &self.peeked.is_some())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use crate::definition::Reader;
    use crate::readers::tests::{Faulty, restarts_everywhere};
    use crate::readers::{ReaderExt, VecReader};

    #[test]
    fn a_restart_reads_an_item_that_was_only_peeked_at() {
        restarts_everywhere(|| VecReader::new([0, 1, 2, 3]).peekable(), &[0, 1, 2, 3]);
        for read in 0..=3 {
            let mut first = VecReader::new([0, 1, 2]).peekable();
            for _ in 0..read {
                first.read().unwrap();
            }
            let peeked = first.peek().unwrap().copied();
            assert_eq!(first.peek().unwrap().copied(), peeked, "looking twice shows the same");
            let mut restarted = VecReader::new([0, 1, 2]).peekable();
            restarted.resume(first.position()).unwrap();
            assert_eq!(restarted.read().unwrap(), peeked);
            assert_eq!(first.read().unwrap(), peeked);
            assert_eq!(first.position(), restarted.position());
        }
    }

    #[test]
    fn the_location_is_that_of_the_last_item_read() {
        let mut reader = VecReader::new([0, 1, 2]).peekable();
        reader.read().unwrap();
        reader.peek().unwrap();
        assert_eq!(reader.location().unwrap(), "item 1");
    }

    #[test]
    fn peek_returns_an_error_once_and_reading_continues_after_it() {
        let mut reader = Faulty::new("1x2").peekable();
        reader.read().unwrap();
        let error = reader.peek().unwrap_err();
        assert!(reader.steps_over(&error));
        assert_eq!(reader.position(), 2);
        assert_eq!(reader.peek().unwrap(), Some(&2));
        assert_eq!(reader.read().unwrap(), Some(2));
        assert_eq!(reader.read().unwrap(), None);
    }
}
