//! Receives: what a step does. Gives: the trait by which `#[listener]` functions hear of it ([`StepListener`]), with the types
//! of the step's items, and the combinator that makes one of two ([`Listeners`]).

use super::{ChunkTransaction, Failure};
use crate::repository::Counters;

/// Hears what a step does. `In` is what the step reads, `Out` what it writes; every method does nothing unless it is
/// implemented.
///
/// A failure of a `before_*` or `write_*` method fails the step. One of any other method is reported, and changes nothing: least of
/// all which items are committed.
#[expect(unused_variables, reason = "the names say what is heard, and the default is not to listen")]
#[expect(
    clippy::missing_errors_doc,
    reason = "the error is the listener's own; the trait says what becomes of it"
)]
pub trait StepListener<In, Out> {
    /// Does it hear of single items (reading and processing)? A step nobody listens to so closely pays nothing.
    const HEARS_ITEMS: bool = false;

    /// Does it want to see the item that a processor failed on? A step whose first processor takes it by value then keeps a
    /// copy of each item while it is processed.
    const WANTS_ITEMS: bool = false;

    /// Does it write what is skipped, in the transaction that skips it?
    const WRITES_SKIPS: bool = false;

    /// The step begins: once, also where it has partitions.
    fn before_step(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    /// The step ended; what it did, and why it failed if it did.
    fn after_step(&mut self, counters: &Counters, failure: Option<&Failure>) -> Result<(), Failure> {
        Ok(())
    }

    /// A partition of the step begins.
    fn before_partition(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    /// A partition of the step ended; what it did, and why it failed if it did.
    fn after_partition(&mut self, counters: &Counters, failure: Option<&Failure>) -> Result<(), Failure> {
        Ok(())
    }

    /// A chunk begins.
    fn before_chunk(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    /// A chunk is committed; all that the step has done.
    fn after_chunk(&mut self, counters: &Counters) -> Result<(), Failure> {
        Ok(())
    }

    /// A chunk is given up.
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

    /// The processors put out an item.
    fn after_process(&mut self, item: &Out) -> Result<(), Failure> {
        Ok(())
    }

    /// Processing failed, for the first time or again. The item is the one that was read, where it is in hand still.
    fn on_process_error(&mut self, item: Option<&In>, error: &Failure) -> Result<(), Failure> {
        Ok(())
    }

    /// Items are about to be written; after a failure also parts of a chunk.
    fn before_write(&mut self, items: &[Out]) -> Result<(), Failure> {
        Ok(())
    }

    /// Items were written, and not yet committed.
    fn after_write(&mut self, items: &[Out]) -> Result<(), Failure> {
        Ok(())
    }

    /// Writing failed.
    fn on_write_error(&mut self, items: &[Out], error: &Failure) -> Result<(), Failure> {
        Ok(())
    }

    /// A record is skipped that could not be read; told once that is committed.
    fn on_skip_in_read(&mut self, error: &Failure) -> Result<(), Failure> {
        Ok(())
    }

    /// An item is skipped that could not be processed; told once that is committed.
    fn on_skip_in_process(&mut self, item: Option<&In>, error: &Failure) -> Result<(), Failure> {
        Ok(())
    }

    /// An item is skipped that could not be written; told once that is committed.
    fn on_skip_in_write(&mut self, item: &Out, error: &Failure) -> Result<(), Failure> {
        Ok(())
    }

    /// A record that could not be read is about to be skipped by that transaction, which goes back where this fails.
    fn write_skip_in_read(&mut self, error: &Failure, tx: &ChunkTransaction<'_>) -> Result<(), Failure> {
        Ok(())
    }

    /// The same of an item that could not be processed.
    fn write_skip_in_process(
        &mut self,
        item: Option<&In>,
        error: &Failure,
        tx: &ChunkTransaction<'_>,
    ) -> Result<(), Failure> {
        Ok(())
    }

    /// The same of an item that could not be written.
    fn write_skip_in_write(
        &mut self,
        item: &Out,
        error: &Failure,
        tx: &ChunkTransaction<'_>,
    ) -> Result<(), Failure> {
        Ok(())
    }

    /// A call is repeated for the time of that number, from 1. Of reading and writing it is told before; of processing, which other
    /// threads may do, once the chunk is filled.
    fn on_retry(&mut self, error: &Failure, repeat: u32) -> Result<(), Failure> {
        Ok(())
    }
}

/// Nobody listens.
impl<In, Out> StepListener<In, Out> for () {}

/// Two listeners: what begins is told to the first first, what ends to the second first.
#[derive(Debug)]
pub struct Listeners<A, B> {
    outer: A,
    inner: B,
}

impl<A, B> Listeners<A, B> {
    /// Both, in the order in which they are written.
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
            // Each hears of it, also where the other fails.
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
