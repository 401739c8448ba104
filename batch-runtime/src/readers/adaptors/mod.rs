//! Receives: any reader. Gives: [`ReaderExt`], the methods that put another around it, one a file: each reads exactly,
//! restarts behind every item, and says behind which errors its reading goes on as the one inside says.

mod limit;
mod peekable;
mod prefetch;
mod skip_to;
mod synchronized;

pub use limit::{Limit, LimitPosition};
pub use peekable::Peekable;
pub use prefetch::Prefetch;
pub use skip_to::SkipTo;
pub use synchronized::Synchronized;

use crate::definition::Reader;

/// What can be put around every reader: `CsvReader::open(input)?.limit(10)`.
///
/// ```
/// use batch_runtime::prelude::*;
/// use batch_runtime::readers::VecReader;
///
/// let mut reader = VecReader::new([1, 2, 3, 4]).skip_to(1).limit(2);
/// assert_eq!(reader.read()?, Some(2));
/// assert_eq!(reader.read()?, Some(3));
/// assert_eq!(reader.read()?, None);
/// # Ok::<(), batch_runtime::readers::EndedEarly>(())
/// ```
pub trait ReaderExt: Reader + Sized {
    /// Reads `items` items at most, counted over all executions; see [`Limit`].
    fn limit(self, items: u64) -> Limit<Self> {
        Limit::new(self, items)
    }

    /// Begins at `position` where there is no checkpoint to go on from; see [`SkipTo`].
    fn skip_to(self, position: Self::Position) -> SkipTo<Self>
    where
        Self::Position: Clone,
    {
        SkipTo::new(self, position)
    }

    /// Can show the next item before it is read; see [`Peekable`].
    fn peekable(self) -> Peekable<Self>
    where
        Self::Position: Clone,
    {
        Peekable::new(self)
    }

    /// Reads up to `items` items ahead, on a thread of its own; see [`Prefetch`].
    fn prefetch(self, items: usize) -> Prefetch<Self>
    where
        Self: Send + 'static,
        Self::Item: Send,
        Self::Position: Clone + Send,
        Self::Error: Send,
    {
        Prefetch::new(self, items)
    }

    /// Can be read by several threads; see [`Synchronized`].
    fn synchronized(self) -> Synchronized<Self> {
        Synchronized::new(self)
    }
}

impl<R: Reader> ReaderExt for R {}
