//! [`ReaderExt`], the methods that wrap a reader in an adaptor, one module per adaptor.
//!
//! Every adaptor can be restarted after any item, without losing or repeating one, and answers
//! [`steps_over`](Reader::steps_over) as the inner reader does.

mod forward;
mod inspect;
mod limit;
mod peekable;
mod prefetch;
mod skip_to;
mod synchronized;
mod throttled;

pub use inspect::Inspect;
pub use limit::{Limit, LimitPosition};
pub use peekable::Peekable;
pub use prefetch::Prefetch;
pub use skip_to::SkipTo;
pub use synchronized::Synchronized;
pub use throttled::Throttled;

use crate::definition::{RateLimit, Reader};

/// Adaptors for every reader: `CsvReader::open(input)?.limit(10)`.
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
    /// Reads at most `items` items, counted over all executions; see [`Limit`].
    fn limit(self, items: u64) -> Limit<Self> {
        Limit::new(self, items)
    }

    /// Calls `look` with every item that is read; see [`Inspect`].
    fn inspect<F: FnMut(&Self::Item)>(self, look: F) -> Inspect<Self, F> {
        Inspect::new(self, look)
    }

    /// Starts at `position` unless there is a checkpoint to resume from; see [`SkipTo`].
    fn skip_to(self, position: Self::Position) -> SkipTo<Self>
    where
        Self::Position: Clone,
    {
        SkipTo::new(self, position)
    }

    /// Lets you look at the next item before it is read; see [`Peekable`].
    fn peekable(self) -> Peekable<Self>
    where
        Self::Position: Clone,
    {
        Peekable::new(self)
    }

    /// Reads up to `items` items ahead on a separate thread; see [`Prefetch`].
    fn prefetch(self, items: usize) -> Prefetch<Self>
    where
        Self: Send + 'static,
        Self::Item: Send,
        Self::Position: Clone + Send,
        Self::Error: Send,
    {
        Prefetch::new(self, items)
    }

    /// Reads no faster than `rate` allows, together with all others that share it; see [`Throttled`].
    fn throttled(self, rate: &RateLimit) -> Throttled<Self> {
        Throttled::new(self, rate.clone())
    }

    /// Lets several threads share the reader; see [`Synchronized`].
    fn synchronized(self) -> Synchronized<Self> {
        Synchronized::new(self)
    }
}

impl<R: Reader> ReaderExt for R {}
