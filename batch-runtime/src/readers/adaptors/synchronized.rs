//! Shares a reader between several threads, which take batches of items under one lock.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::definition::{BoxError, Progress, Reader, Splittable, StopSignal};

/// A reader that several threads can share; [`synchronized`](super::ReaderExt::synchronized) creates it.
///
/// Each item goes to one thread. A thread takes a batch at a time ([`read_batch`](Self::read_batch)), so the
/// lock costs next to nothing per item. The position is after all items handed out to any thread, including
/// those that a thread is still working on.
///
/// You do not need this reader for a step with `threads`: such a step already shares its reader between the threads,
/// if the reader can move between them, and keeps track of the committed items itself. It accepts this reader
/// too, with the same positions and at almost no cost. Use it in your own code: a tasklet that starts
/// threads, a reader that merges others.
///
/// A panic of the inner reader reaches the thread that was reading; the others can continue, and no item is
/// returned twice. The inner reader decides where they continue: a CSV or JSON record whose `Deserialize`
/// panicked is skipped, but a page of `SQLite` rows is fetched again, so a row on which the closure always
/// panics blocks the rows after it.
///
/// ```
/// use batch_runtime::prelude::*;
/// use batch_runtime::readers::VecReader;
///
/// let reader = VecReader::new((1..=1_000).collect::<Vec<u64>>()).synchronized();
/// let sum_up = || {
///     let (mut sum, mut batch) = (0, Vec::new());
///     while reader.read_batch(64, &mut batch).unwrap() > 0 {
///         sum += batch.drain(..).sum::<u64>();
///     }
///     sum
/// };
/// let sum = std::thread::scope(|threads| {
///     let other = threads.spawn(sum_up);
///     sum_up() + other.join().unwrap()
/// });
/// assert_eq!(sum, 500_500);
/// ```
pub struct Synchronized<R> {
    reading: Mutex<Reading<R>>,
}

struct Reading<R> {
    inner: R,
    /// True once a thread has seen the end: the reader is not read again.
    ended: bool,
}

impl<R: Reader> Reading<R> {
    #[inline]
    fn read(&mut self) -> Result<Option<R::Item>, R::Error> {
        if self.ended {
            return Ok(None);
        }
        let item = self.inner.read()?;
        self.ended = item.is_none();
        Ok(item)
    }

    fn read_batch(&mut self, most: usize, into: &mut Vec<R::Item>) -> Result<usize, R::Error> {
        if self.ended {
            return Ok(0);
        }
        let count = self.inner.read_batch(most, into)?;
        self.ended = count < most;
        Ok(count)
    }
}

impl<R> Synchronized<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { reading: Mutex::new(Reading { inner, ended: false }) }
    }

    fn lock(&self) -> MutexGuard<'_, Reading<R>> {
        // A panic of the reader can leave only the reader itself half changed, so a poisoned lock is harmless.
        self.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn own(&mut self) -> &mut Reading<R> {
        self.reading.get_mut().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<R: Reader> Synchronized<R> {
    /// Appends up to `most` items to `into`, in the order of the input, and returns their number: 0 at the
    /// end of the input, unless `most` is 0.
    ///
    /// # Errors
    /// As [`read`](Reader::read). The items before the error are in `into`; the next call of any thread
    /// continues after it.
    pub fn read_batch(&self, most: usize, into: &mut Vec<R::Item>) -> Result<usize, R::Error> {
        self.lock().read_batch(most, into)
    }

    /// Returns the inner reader once no thread shares it any more.
    pub fn into_inner(self) -> R {
        self.reading.into_inner().unwrap_or_else(PoisonError::into_inner).inner
    }
}

impl<R: Reader> Reader for Synchronized<R> {
    type Item = R::Item;
    type Position = R::Position;
    type Error = R::Error;

    /// Returns the kind of the inner reader, because the positions are the same.
    fn kind() -> String {
        R::kind()
    }

    #[inline]
    fn read(&mut self) -> Result<Option<R::Item>, R::Error> {
        self.own().read()
    }

    fn read_batch(&mut self, most: usize, into: &mut Vec<R::Item>) -> Result<usize, R::Error> {
        self.own().read_batch(most, into)
    }

    fn position(&self) -> R::Position {
        self.lock().inner.position()
    }

    fn resume(&mut self, position: R::Position) -> Result<(), R::Error> {
        self.own().inner.resume(position)
    }

    fn stops_with(&mut self, stop: &StopSignal) {
        self.own().inner.stops_with(stop);
    }

    fn committed(&mut self, position: &R::Position) -> Result<(), R::Error> {
        self.own().inner.committed(position)
    }

    fn steps_over(&self, error: &R::Error) -> bool {
        self.lock().inner.steps_over(error)
    }

    fn detach(&mut self, most: usize, into: &mut Option<Self>) -> Result<usize, R::Error> {
        let mut inside = into.take().map(Self::into_inner);
        let taken = self.own().inner.detach(most, &mut inside);
        *into = inside.map(Self::new);
        taken
    }

    fn progress(&self) -> Option<Progress> {
        self.lock().inner.progress()
    }

    fn record(&self, error: &R::Error) -> Option<String> {
        self.lock().inner.record(error)
    }

    fn location(&self) -> Option<String> {
        self.lock().inner.location()
    }
}

impl<R: Splittable> Splittable for Synchronized<R> {
    type Part = R::Part;

    fn split(&mut self, parts: usize) -> Result<Vec<R::Part>, BoxError> {
        self.own().inner.split(parts)
    }

    fn check(&self, part: &R::Part) -> Result<(), BoxError> {
        self.lock().inner.check(part)
    }

    fn narrow(&mut self, part: R::Part) -> Result<(), BoxError> {
        self.own().inner.narrow(part)
    }

    fn part_name(part: &R::Part) -> Option<String> {
        R::part_name(part)
    }
}

impl<R: fmt::Debug> fmt::Debug for Synchronized<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Synchronized").field("inner", &self.lock().inner).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use serde::{Deserialize, Deserializer};

    use crate::definition::Reader;
    #[cfg(feature = "csv")]
    use crate::readers::CsvReader;
    use crate::readers::tests::{Faulty, restarts_everywhere, splits_everywhere};
    use crate::readers::{JsonLinesReader, ReaderExt, Synchronized, VecReader};

    #[test]
    fn alone_it_reads_and_restarts_as_the_inner_reader() {
        restarts_everywhere(|| VecReader::new([0, 1, 2, 3]).synchronized(), &[0, 1, 2, 3]);
        splits_everywhere(|| VecReader::new([0, 1, 2, 3]).synchronized());
    }

    #[test]
    fn threads_that_take_batches_share_out_every_item_once_and_in_order() {
        let reader = VecReader::new((0..10_000).collect::<Vec<u32>>()).synchronized();
        let take = |most| {
            let mut taken = Vec::new();
            while reader.read_batch(most, &mut taken).unwrap() > 0 {}
            taken
        };
        let mut all = std::thread::scope(|threads| {
            let others = [1, 7, 64].map(|most| threads.spawn(move || take(most)));
            let mut all = take(3);
            for other in others {
                let taken = other.join().unwrap();
                assert!(taken.is_sorted());
                all.extend(taken);
            }
            all
        });
        all.sort_unstable();
        assert!(all.into_iter().eq(0..10_000));
        assert_eq!(reader.position(), 10_000);
    }

    #[test]
    fn an_error_leaves_the_items_before_it_and_the_next_batch_continues() {
        let (reader, mut items) = (Faulty::new("12x34").synchronized(), Vec::new());
        let error = reader.read_batch(10, &mut items).unwrap_err();
        assert!(reader.steps_over(&error));
        assert_eq!((items.as_slice(), reader.position()), ([1, 2].as_slice(), 3));
        assert_eq!(reader.read_batch(10, &mut items).unwrap(), 2);
        assert_eq!(items, [1, 2, 3, 4]);
        assert_eq!(reader.read_batch(10, &mut items).unwrap(), 0);
    }

    #[test]
    fn a_panic_of_the_reader_poisons_nothing() {
        let reader: Synchronized<Faulty> = Faulty::new("1p2").synchronized();
        let mut items = Vec::new();
        assert!(catch_unwind(AssertUnwindSafe(|| reader.read_batch(10, &mut items))).is_err());
        assert_eq!(reader.read_batch(10, &mut items).unwrap(), 1);
        assert_eq!(items, [1, 2]);
    }

    /// A number whose `Deserialize` panics on 13.
    #[derive(Debug, PartialEq)]
    struct Unlucky(u32);

    impl<'de> Deserialize<'de> for Unlucky {
        fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            let number = u32::deserialize(from)?;
            assert_ne!(number, 13, "the item fell over");
            Ok(Self(number))
        }
    }

    #[test]
    fn a_csv_or_json_record_whose_deserialize_panicked_is_skipped() {
        let path = std::env::temp_dir().join(format!("batch-synchronized-{}", uuid::Uuid::new_v4()));
        std::fs::write(&path, "12\n13\n14\n").unwrap();
        #[cfg(feature = "csv")]
        passes_over(&CsvReader::<Unlucky>::options().without_header().open(&path).unwrap().synchronized());
        let json = JsonLinesReader::<Unlucky>::open(&path).unwrap();
        passes_over(&json.synchronized());
        std::fs::remove_file(&path).unwrap();
    }

    fn passes_over<R: Reader<Item = Unlucky, Error: Debug>>(reader: &Synchronized<R>) {
        let mut items = Vec::new();
        assert!(catch_unwind(AssertUnwindSafe(|| reader.read_batch(10, &mut items))).is_err());
        assert_eq!(reader.read_batch(10, &mut items).unwrap(), 1);
        assert_eq!(items, [Unlucky(12), Unlucky(14)]);
    }
}
