//! [`StepListener`], which the `#[listener]` functions of a step implement for the step's item types, and
//! [`Listeners`], which combines two listeners.

use super::{ChunkTransaction, Failure};
use crate::repository::Counters;

/// Listens to a step that reads `In` and writes `Out`. Every method does nothing by default.
///
/// A failure of a `before_*` or `write_*` method fails the step. A failure of any other method is reported
/// but changes nothing, in particular not which items are committed.
#[expect(unused_variables, reason = "the names document the events, and the default ignores them")]
#[expect(
    clippy::missing_errors_doc,
    reason = "the error is the listener's own; the trait says how it is handled"
)]
pub trait StepListener<In, Out> {
    /// True if it listens to single items being read and processed. A step without such a listener pays
    /// nothing.
    const HEARS_ITEMS: bool = false;

    /// True if it needs the item that a processor failed on. A step whose first processor takes the item by
    /// value then keeps a copy of each item while it is processed.
    const WANTS_ITEMS: bool = false;

    /// True if it writes skipped items, in the transaction that skips them.
    const WRITES_SKIPS: bool = false;

    /// True if it listens to the beginning or the commit of chunks, or to writes. The next chunk of the step is then not
    /// written before the commit of the previous one is confirmed, so that all events come in order.
    const HEARS_CHUNKS: bool = false;

    /// The step begins. Called once, even if the step has partitions.
    fn before_step(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    /// The step ended, with its counters and, if it failed, the failure.
    fn after_step(&mut self, counters: &Counters, failure: Option<&Failure>) -> Result<(), Failure> {
        Ok(())
    }

    /// A partition of the step begins.
    fn before_partition(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    /// A partition of the step ended, with its counters and, if it failed, the failure.
    fn after_partition(&mut self, counters: &Counters, failure: Option<&Failure>) -> Result<(), Failure> {
        Ok(())
    }

    /// A chunk begins.
    fn before_chunk(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    /// A chunk is committed. The counters cover all the step has done.
    fn after_chunk(&mut self, counters: &Counters) -> Result<(), Failure> {
        Ok(())
    }

    /// A chunk is rolled back.
    fn on_chunk_error(&mut self, error: &Failure) -> Result<(), Failure> {
        Ok(())
    }

    /// The next item is about to be read.
    fn before_read(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    /// An item was read.
    fn after_read(&mut self, item: &In) -> Result<(), Failure> {
        Ok(())
    }

    /// Reading failed.
    fn on_read_error(&mut self, error: &Failure) -> Result<(), Failure> {
        Ok(())
    }

    /// An item is about to be processed.
    fn before_process(&mut self, item: &In) -> Result<(), Failure> {
        Ok(())
    }

    /// The processors have emitted an item.
    fn after_process(&mut self, item: &Out) -> Result<(), Failure> {
        Ok(())
    }

    /// Processing failed, for the first time or again. `item` is the item that was read, if it is still
    /// available.
    fn on_process_error(&mut self, item: Option<&In>, error: &Failure) -> Result<(), Failure> {
        Ok(())
    }

    /// Items are about to be written; after a failure these may be parts of a chunk.
    fn before_write(&mut self, items: &[Out]) -> Result<(), Failure> {
        Ok(())
    }

    /// Items were written but are not committed yet.
    fn after_write(&mut self, items: &[Out]) -> Result<(), Failure> {
        Ok(())
    }

    /// Writing failed.
    fn on_write_error(&mut self, items: &[Out], error: &Failure) -> Result<(), Failure> {
        Ok(())
    }

    /// An unreadable record is skipped. Called after the skip is committed.
    fn on_skip_in_read(&mut self, error: &Failure) -> Result<(), Failure> {
        Ok(())
    }

    /// An item that failed in processing is skipped. Called after the skip is committed.
    fn on_skip_in_process(&mut self, item: Option<&In>, error: &Failure) -> Result<(), Failure> {
        Ok(())
    }

    /// An item that failed in writing is skipped. Called after the skip is committed.
    fn on_skip_in_write(&mut self, item: &Out, error: &Failure) -> Result<(), Failure> {
        Ok(())
    }

    /// The transaction `tx` is about to skip an unreadable record; it is rolled back if this method fails.
    fn write_skip_in_read(&mut self, error: &Failure, tx: &ChunkTransaction<'_>) -> Result<(), Failure> {
        Ok(())
    }

    /// The same for an item that failed in processing.
    fn write_skip_in_process(
        &mut self,
        item: Option<&In>,
        error: &Failure,
        tx: &ChunkTransaction<'_>,
    ) -> Result<(), Failure> {
        Ok(())
    }

    /// The same for an item that failed in writing.
    fn write_skip_in_write(
        &mut self,
        item: &Out,
        error: &Failure,
        tx: &ChunkTransaction<'_>,
    ) -> Result<(), Failure> {
        Ok(())
    }

    /// A call is retried; `repeat` counts from 1. For reading and writing, this is called before the retry. For
    /// processing, which other threads may do, it is called after the chunk is filled.
    fn on_retry(&mut self, error: &Failure, repeat: u32) -> Result<(), Failure> {
        Ok(())
    }
}

/// No listener.
impl<In, Out> StepListener<In, Out> for () {}

/// Two listeners: `before_*` methods call the first one first, all others the second one first.
#[derive(Debug)]
pub struct Listeners<A, B> {
    outer: A,
    inner: B,
}

impl<A, B> Listeners<A, B> {
    /// Combines both, in the order of the source.
    pub const fn new(outer: A, inner: B) -> Self {
        Self { outer, inner }
    }
}

macro_rules! tell_both {
    (before { $($before:ident($($b:ident: $bt:ty),*);)* } after { $($after:ident($($a:ident: $at:ty),*);)* }) => {
        $(fn $before(&mut self, $($b: $bt),*) -> Result<(), Failure> {
            self.outer.$before($($b),*)?;
            self.inner.$before($($b),*)
        })*
        $(fn $after(&mut self, $($a: $at),*) -> Result<(), Failure> {
            // Each one is called, even if the other fails.
            let inner = self.inner.$after($($a),*);
            let outer = self.outer.$after($($a),*);
            inner.and(outer)
        })*
    };
}

impl<In, Out, A: StepListener<In, Out>, B: StepListener<In, Out>> StepListener<In, Out> for Listeners<A, B> {
    const HEARS_ITEMS: bool = A::HEARS_ITEMS || B::HEARS_ITEMS;
    const WANTS_ITEMS: bool = A::WANTS_ITEMS || B::WANTS_ITEMS;
    const WRITES_SKIPS: bool = A::WRITES_SKIPS || B::WRITES_SKIPS;
    const HEARS_CHUNKS: bool = A::HEARS_CHUNKS || B::HEARS_CHUNKS;

    tell_both! {
        before {
        before_step();
        before_partition();
        before_chunk();
        before_read();
        before_process(item: &In);
        before_write(items: &[Out]);
        }
        after {
        after_step(counters: &Counters, failure: Option<&Failure>);
        after_partition(counters: &Counters, failure: Option<&Failure>);
        after_chunk(counters: &Counters);
        on_chunk_error(error: &Failure);
        after_read(item: &In);
        on_read_error(error: &Failure);
        after_process(item: &Out);
        on_process_error(item: Option<&In>, error: &Failure);
        after_write(items: &[Out]);
        on_write_error(items: &[Out], error: &Failure);
        on_skip_in_read(error: &Failure);
        on_skip_in_process(item: Option<&In>, error: &Failure);
        on_skip_in_write(item: &Out, error: &Failure);
        on_retry(error: &Failure, repeat: u32);
        write_skip_in_read(error: &Failure, tx: &ChunkTransaction<'_>);
        write_skip_in_process(item: Option<&In>, error: &Failure, tx: &ChunkTransaction<'_>);
        write_skip_in_write(item: &Out, error: &Failure, tx: &ChunkTransaction<'_>);
        }
    }
}
