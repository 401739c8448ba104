//! Makes a `#[processor]` function that takes a reference, given as a closure with its state, a [`Process`]
//! that can be called again with the same item.

use std::fmt;
use std::marker::PhantomData;

use super::naming::naming;
use super::processor_fn::failed;
use super::state_cell::StateCell;
use super::{Failure, Process, Sink, Slot, State, States, Yields};

/// A function that takes a reference to one item, with its state `S` or `()`. `K` is the kind of its return
/// value.
///
/// ```
/// use batch_runtime::Failure;
/// use batch_runtime::definition::{One, Process, ReferenceFn, Sink};
///
/// struct Chunk(Vec<usize>);
/// impl Sink<usize> for Chunk {
///     fn push(&mut self, item: usize) -> Result<(), Failure> { self.0.push(item); Ok(()) }
///     fn source(&self) -> u32 { 0 }
///     fn set_source(&mut self, _: u32) {}
/// }
///
/// let mut processor = ReferenceFn::<(), _, One>::new("length", |(), line: &String| Ok(line.len()));
/// let mut chunk = Chunk(Vec::new());
/// let line = "a line".to_owned();
/// processor.process_ref(&line, &mut chunk)?;
/// processor.process_ref(&line, &mut chunk)?;
/// assert_eq!(chunk.0, [6, 6]);
/// # Ok::<(), Failure>(())
/// ```
pub struct ReferenceFn<S, F, K> {
    name: &'static str,
    state: StateCell<S>,
    call: F,
    kind: PhantomData<K>,
}

impl<S: Default, F, K> ReferenceFn<S, F, K> {
    /// The processor `name`, which calls `call` with its state and an item.
    pub fn new<In, R>(name: &'static str, call: F) -> Self
    where
        F: FnMut(&mut S, &In) -> Result<R, Failure>,
        K: Yields<R>,
    {
        Self { name, state: StateCell::default(), call, kind: PhantomData }
    }

    /// Sets how to copy its state, so that a failed item can be undone.
    #[must_use]
    pub fn copying(mut self, copy: Option<fn(&S) -> S>) -> Self {
        self.state.copied_by(copy);
        self
    }
}

impl<In, R, S: State, F: FnMut(&mut S, &In) -> Result<R, Failure>, K: Yields<R>> Process<In>
    for ReferenceFn<S, F, K>
{
    type Out = K::Out;

    const LEAVES: bool = true;

    #[inline]
    fn process(&mut self, item: In, out: &mut impl Sink<K::Out>) -> Result<(), Failure> {
        self.process_ref(&item, out)
    }

    #[inline]
    fn process_ref(&mut self, item: &In, out: &mut impl Sink<K::Out>) -> Result<(), Failure> {
        match naming(self.name, || (self.call)(&mut self.state.state, item)) {
            Ok(returned) => K::put(returned, out),
            Err(failure) => Err(failed(failure, self.name)),
        }
    }

    #[inline]
    fn hold(&mut self, slot: Slot) {
        self.state.hold(slot);
    }

    fn put_back(&mut self, slot: Slot) {
        self.state.put_back(slot);
    }

    fn hold_next(&mut self) {
        self.state.hold_next();
    }

    fn save(&self, states: &mut States) -> Result<(), Failure> {
        self.state.save(self.name, states)
    }

    fn restore(&mut self, states: &mut States) -> Result<(), Failure> {
        self.state.restore(self.name, states)
    }
}

impl<S: fmt::Debug, F, K> fmt::Debug for ReferenceFn<S, F, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReferenceFn")
            .field("name", &self.name)
            .field("state", &self.state.state)
            .finish_non_exhaustive()
    }
}
