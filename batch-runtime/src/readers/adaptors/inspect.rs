//! Calls a function with each item of a reader.

use std::fmt;

use super::forward::{forward_reader, forward_split};
use crate::definition::{Reader, Splittable};

/// Calls a function with every item that is read; [`inspect`](super::ReaderExt::inspect) creates it.
///
/// The function sees items when they are read, which is before they are processed and long before they are
/// committed. A restart, and a `retry` that reopens the reader, show the items after the last commit again; bad
/// records are not shown. Use it for logs and statistics, not for effects: an effect that has to happen exactly
/// once belongs in a second writer, `(save, audit)`.
///
/// ```
/// use batch_runtime::prelude::*;
/// use batch_runtime::readers::VecReader;
///
/// let mut longest = 0;
/// let mut names = VecReader::new(["Ada", "Grace"]).inspect(|name| longest = longest.max(name.len()));
/// while names.read()?.is_some() {}
/// drop(names);
/// assert_eq!(longest, 5);
/// # Ok::<(), batch_runtime::readers::EndedEarly>(())
/// ```
pub struct Inspect<R, F> {
    inner: R,
    look: F,
}

impl<R, F> Inspect<R, F> {
    pub(super) fn new(inner: R, look: F) -> Self {
        Self { inner, look }
    }
}

impl<R: Reader, F: FnMut(&R::Item)> Reader for Inspect<R, F> {
    type Item = R::Item;
    type Position = R::Position;
    type Error = R::Error;

    forward_reader!(self => self.inner);

    #[inline]
    fn read(&mut self) -> Result<Option<R::Item>, R::Error> {
        let item = self.inner.read()?;
        if let Some(item) = &item {
            (self.look)(item);
        }
        Ok(item)
    }

    fn read_batch(&mut self, most: usize, into: &mut Vec<R::Item>) -> Result<usize, R::Error> {
        let before = into.len();
        let read = self.inner.read_batch(most, into);
        // The items before an error were read too.
        into[before..].iter().for_each(&mut self.look);
        read
    }

    fn position(&self) -> R::Position {
        self.inner.position()
    }

    fn resume(&mut self, position: R::Position) -> Result<(), R::Error> {
        self.inner.resume(position)
    }

    fn steps_over(&self, error: &R::Error) -> bool {
        self.inner.steps_over(error)
    }

    fn may_end_chunk(&self) -> bool {
        self.inner.may_end_chunk()
    }

    fn location(&self) -> Option<String> {
        self.inner.location()
    }
}

impl<R: Splittable, F: FnMut(&R::Item)> Splittable for Inspect<R, F> {
    forward_split!(self => self.inner);
}

impl<R: fmt::Debug, F> fmt::Debug for Inspect<R, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inspect").field("inner", &self.inner).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use crate::definition::Reader;
    use crate::readers::tests::{Faulty, rest, restarts_everywhere, splits_everywhere};
    use crate::readers::{ReaderExt, VecReader};

    #[test]
    fn it_reads_and_splits_as_the_inner_reader_does() {
        restarts_everywhere(|| Faulty::new("1x2x34").inspect(|_| {}), &[1, 2, 3, 4]);
        restarts_everywhere(|| VecReader::new([1, 2, 3]).inspect(|_| {}), &[1, 2, 3]);
        splits_everywhere(|| VecReader::new((0..7).collect::<Vec<u32>>()).inspect(|_| {}));
    }

    #[test]
    fn every_item_is_shown_once_when_it_is_read_and_no_bad_record_is() {
        let mut seen = Vec::new();
        let mut reader = Faulty::new("1x2x34").inspect(|item| seen.push(*item));
        rest(&mut reader);
        drop(reader);
        assert_eq!(seen, [1, 2, 3, 4]);

        let (mut seen, mut items) = (Vec::new(), Vec::new());
        let mut reader = Faulty::new("12x34").inspect(|item| seen.push(*item));
        reader.read_batch(9, &mut items).unwrap_err();
        assert_eq!(reader.read_batch(1, &mut items), Ok(1));
        drop(reader);
        assert_eq!((&*seen, &*items), (&[1, 2, 3][..], &[1, 2, 3][..]));
    }

    #[test]
    fn a_restart_shows_the_items_after_its_position_again() {
        let mut seen = Vec::new();
        let mut reader = VecReader::new([1, 2, 3]).inspect(|item| seen.push(*item));
        reader.read().unwrap();
        let position = reader.position();
        reader.read().unwrap();
        drop(reader);
        let mut restarted = VecReader::new([1, 2, 3]).inspect(|item| seen.push(*item));
        restarted.resume(position).unwrap();
        rest(&mut restarted);
        drop(restarted);
        assert_eq!(seen, [1, 2, 2, 3]);
    }
}
