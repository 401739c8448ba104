//! Picks the function that runs a step with `threads`: threads take turns with a reader that is `Send`; any other
//! reader has its own thread.
//!
//! rustc decides once the type is known: method lookup finds the trait with the stricter bound first.

use std::marker::PhantomData;

use crate::definition::{Failure, Pipe, Reader};
use crate::engine::{Order, StepEnd, StepRun, run_sharing_reader, run_with_reader_thread};

/// Opens the reader of the pipe `P`. The item types are spelled out, so that errors in generated code say
/// where they come from.
pub struct Opens<P, In, Out, F>(pub F, PhantomData<(P, In, Out)>);

impl<P, In, Out, F> Opens<P, In, Out, F> {
    pub fn by<R>(open: F) -> Self
    where
        F: Fn() -> Result<R, Failure>,
    {
        Self(open, PhantomData)
    }
}

/// Threads take turns reading.
pub trait SharingReader {
    fn run(&self, run: &StepRun<'_>, order: Order) -> StepEnd;
}

impl<P, In, Out, F, R> SharingReader for Opens<P, In, Out, F>
where
    P: Pipe<In = In, Out = Out>,
    In: Send,
    Out: Send,
    F: Fn() -> Result<R, Failure>,
    R: Reader<Item = In> + Send,
{
    fn run(&self, run: &StepRun<'_>, order: Order) -> StepEnd {
        run_sharing_reader::<P, R>(run, order, &self.0)
    }
}

/// The reader stays on its thread.
pub trait WithReaderThread {
    fn run(&self, run: &StepRun<'_>, order: Order) -> StepEnd;
}

impl<P, In, Out, F> WithReaderThread for &Opens<P, In, Out, F>
where
    P: Pipe<In = In, Out = Out>,
    In: Send,
    Out: Send,
{
    fn run(&self, run: &StepRun<'_>, order: Order) -> StepEnd {
        run_with_reader_thread::<P>(run, order)
    }
}
