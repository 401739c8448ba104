//! Placeholders for a component with a mistake, so that the mistake is reported only once.

use std::marker::PhantomData;

use crate::definition::{
    BoxError, ChunkTransaction, Failure, Partitionable, Process, Reader, Sink, Splittable, Writer,
};
use crate::engine::{StepEnd, StepRun};

/// Reads, processes and writes any type. A program that contains it does not compile.
#[derive(Debug)]
pub struct Broken<T>(PhantomData<fn() -> T>);

impl<T> Broken<T> {
    #[expect(clippy::new_without_default, reason = "only generated code calls it")]
    #[must_use]
    pub fn new() -> Self {
        Self(PhantomData)
    }
}

const NEVER: &str = "a program with a mistake does not compile";

impl<T> Reader for Broken<T> {
    type Item = T;
    type Position = ();
    type Error = Failure;

    fn read(&mut self) -> Result<Option<T>, Failure> {
        Err(Failure::new(NEVER))
    }

    fn position(&self) {}

    fn resume(&mut self, (): ()) -> Result<(), Failure> {
        Err(Failure::new(NEVER))
    }
}

impl<T> Splittable for Broken<T> {
    type Part = ();

    fn split(&mut self, _parts: usize) -> Result<Vec<()>, BoxError> {
        Err(NEVER.into())
    }

    fn narrow(&mut self, (): ()) -> Result<(), BoxError> {
        Err(NEVER.into())
    }
}

impl<In, Out> Process<In> for Broken<Out> {
    type Out = Out;

    fn process(&mut self, _item: In, _out: &mut impl Sink<Out>) -> Result<(), Failure> {
        Err(Failure::new(NEVER))
    }
}

impl<T> Writer for Broken<T> {
    type Item = T;
    type Position = ();
    type Error = Failure;

    fn write(&mut self, _items: &[T], _tx: &ChunkTransaction<'_>) -> Result<(), Failure> {
        Err(Failure::new(NEVER))
    }

    fn position(&self) {}
}

impl<T> Partitionable for Broken<T> {}

/// The run of a step with a mistake.
#[must_use]
pub fn never_run(_: &StepRun<'_>) -> StepEnd {
    unreachable!("{NEVER}")
}
