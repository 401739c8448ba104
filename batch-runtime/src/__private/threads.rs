//! Receives: how a step with `threads` opens its reader. Gives: the run that suits it: threads read it in turns where it can change
//! threads, and where it cannot it has one of its own.
//!
//! Which of the two it is, rustc finds out where the type is known: the trait that asks for more is found first.

use std::marker::PhantomData;

use crate::definition::{Failure, Pipe, Reader};
use crate::engine::{Order, StepEnd, StepRun, run_beside_reader, run_in_turns};

/// What opens the reader of the pipe `P`, whose items are named beside it, so that generated code says where they come from.
pub struct Opens<P, In, Out, F>(pub F, PhantomData<(P, In, Out)>);

impl<P, In, Out, F> Opens<P, In, Out, F> {
    pub fn by<R>(open: F) -> Self
    where
        F: Fn() -> Result<R, Failure>,
    {
        Self(open, PhantomData)
    }
}

/// Threads read it in turns.
pub trait InTurns {
    fn run(&self, run: &StepRun<'_>, order: Order) -> StepEnd;
}

impl<P, In, Out, F, R> InTurns for Opens<P, In, Out, F>
where
    P: Pipe<In = In, Out = Out>,
    In: Send,
    Out: Send,
    F: Fn() -> Result<R, Failure>,
    R: Reader<Item = In> + Send,
{
    fn run(&self, run: &StepRun<'_>, order: Order) -> StepEnd {
        run_in_turns::<P, R>(run, order, &self.0)
    }
}

/// It stays on its thread.
pub trait BesideReader {
    fn run(&self, run: &StepRun<'_>, order: Order) -> StepEnd;
}

impl<P, In, Out, F> BesideReader for &Opens<P, In, Out, F>
where
    P: Pipe<In = In, Out = Out>,
    In: Send,
    Out: Send,
{
    fn run(&self, run: &StepRun<'_>, order: Order) -> StepEnd {
        run_beside_reader::<P>(run, order)
    }
}
