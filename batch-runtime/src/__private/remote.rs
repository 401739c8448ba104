//! Picks the function that runs a step with `remote`, as the module `threads` does for a step without it.

use std::marker::PhantomData;

use crate::definition::{Failure, Pipe, Reader};
use crate::engine::{
    Order, StepEnd, StepRun, run_sharing_reader_and_remote, run_with_reader_thread_and_remote,
};

pub use super::threads::Opens;
pub use crate::engine::{RemoteItem, RemoteItemBounds, RemoteStep};

/// The chunks of the pipe `P`. The item types are spelled out, so that each is checked once.
pub struct Serves<P, In, Out>(PhantomData<(P, In, Out)>);

impl<P: Pipe<In = In, Out = Out>, In: RemoteItemBounds, Out: RemoteItemBounds> Serves<P, In, Out> {
    pub const CHUNKS: RemoteStep = RemoteStep::of::<P>();
}

/// Threads take turns reading.
pub trait SharingReader {
    fn run(&self, run: &StepRun<'_>, order: Order) -> StepEnd;
}

impl<P, In, Out, F, R> SharingReader for Opens<P, In, Out, F>
where
    P: Pipe<In = In, Out = Out>,
    In: RemoteItemBounds,
    Out: RemoteItemBounds,
    F: Fn() -> Result<R, Failure>,
    R: Reader<Item = In> + Send,
{
    fn run(&self, run: &StepRun<'_>, order: Order) -> StepEnd {
        run_sharing_reader_and_remote::<P, R>(run, order, &self.0)
    }
}

/// The reader stays on its thread.
pub trait WithReaderThread {
    fn run(&self, run: &StepRun<'_>, order: Order) -> StepEnd;
}

impl<P, In, Out, F> WithReaderThread for &Opens<P, In, Out, F>
where
    P: Pipe<In = In, Out = Out>,
    In: RemoteItemBounds,
    Out: RemoteItemBounds,
{
    fn run(&self, run: &StepRun<'_>, order: Order) -> StepEnd {
        run_with_reader_thread_and_remote::<P>(run, order)
    }
}
