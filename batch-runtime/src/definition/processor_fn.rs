//! Turns the user's `#[processor]` function, given as a closure with its state, into a [`Process`] that takes one item
//! at a time.

use std::fmt;
use std::marker::PhantomData;

use super::panic_origin::naming;
use super::processor::{ByReference, ByValue, forward_state};
use super::state_cell::StateCell;
use super::{Failure, Phase, Process, Sink, State, Yields};

/// A function that takes one item, with its state `S` or `()`. `K` is the kind of its return value.
///
/// ```
/// use batch_runtime::Failure;
/// use batch_runtime::definition::{Maybe, Process, ProcessorFn, Sink};
///
/// fn late(minutes: i32) -> Option<i32> {
///     (minutes > 0).then_some(minutes)
/// }
///
/// struct Chunk(Vec<i32>);
/// impl Sink<i32> for Chunk {
///     fn push(&mut self, item: i32) -> Result<(), Failure> { self.0.push(item); Ok(()) }
///     fn source(&self) -> u32 { 0 }
///     fn set_source(&mut self, _: u32) {}
/// }
///
/// let mut processor = ProcessorFn::<(), _, Maybe>::new("late", |(), minutes| Ok(late(minutes)));
/// let mut chunk = Chunk(Vec::new());
/// for minutes in [5, -2, 7] {
///     processor.process(minutes, &mut chunk)?;
/// }
/// assert_eq!(chunk.0, [5, 7]);
/// # Ok::<(), Failure>(())
/// ```
pub type ProcessorFn<S, F, K> = ItemFn<S, F, K, ByValue>;

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
pub type ReferenceFn<S, F, K> = ItemFn<S, F, K, ByReference>;

/// A function that takes one item as `How` says, with its state `S` or `()`. `K` is the kind of its return value.
pub struct ItemFn<S, F, K, How> {
    state: StateCell<S>,
    call: F,
    kind: PhantomData<(K, How)>,
}

impl<S: Default, F, K, How> ItemFn<S, F, K, How> {
    /// Sets how to copy the state, so that a failed item can be undone.
    #[must_use]
    pub fn copying(mut self, copy: Option<fn(&S) -> S>) -> Self {
        self.state.copied_by(copy);
        self
    }
}

// Each constructor names the closure's signature, from which rustc infers the types of its arguments.
impl<S: Default, F, K> ItemFn<S, F, K, ByValue> {
    /// The processor `name`, which calls `call` with its state and an item.
    pub fn new<In, R>(name: &'static str, call: F) -> Self
    where
        F: FnMut(&mut S, In) -> Result<R, Failure>,
        K: Yields<R>,
    {
        Self { state: StateCell::of(name), call, kind: PhantomData }
    }
}

impl<S: Default, F, K> ItemFn<S, F, K, ByReference> {
    /// The processor `name`, which calls `call` with its state and an item.
    pub fn new<In, R>(name: &'static str, call: F) -> Self
    where
        F: FnMut(&mut S, &In) -> Result<R, Failure>,
        K: Yields<R>,
    {
        Self { state: StateCell::of(name), call, kind: PhantomData }
    }
}

impl<In, R, S: State, F: FnMut(&mut S, In) -> Result<R, Failure>, K: Yields<R>> Process<In>
    for ItemFn<S, F, K, ByValue>
{
    type Out = K::Out;

    #[expect(clippy::inline_always, reason = "a separate call costs as much as the rest of the loop")]
    #[inline(always)]
    fn process(&mut self, item: In, out: &mut impl Sink<K::Out>) -> Result<(), Failure> {
        let name = self.state.name;
        match naming(name, || (self.call)(&mut self.state.state, item)) {
            Ok(returned) => K::put(returned, out),
            Err(failure) => Err(failed(failure, name)),
        }
    }

    forward_state!(self => self.state);
}

impl<In, R, S: State, F: FnMut(&mut S, &In) -> Result<R, Failure>, K: Yields<R>> Process<In>
    for ItemFn<S, F, K, ByReference>
{
    type Out = K::Out;

    const LEAVES: bool = true;

    #[inline]
    fn process(&mut self, item: In, out: &mut impl Sink<K::Out>) -> Result<(), Failure> {
        self.process_ref(&item, out)
    }

    #[inline]
    fn process_ref(&mut self, item: &In, out: &mut impl Sink<K::Out>) -> Result<(), Failure> {
        let name = self.state.name;
        match naming(name, || (self.call)(&mut self.state.state, item)) {
            Ok(returned) => K::put(returned, out),
            Err(failure) => Err(failed(failure, name)),
        }
    }

    forward_state!(self => self.state);
}

#[cold]
pub(super) fn failed(failure: Failure, name: &'static str) -> Failure {
    // A record that cannot be decoded is a failure of the reader.
    if failure.is_unreadable() { failure } else { failure.in_component(name).during(Phase::Process) }
}

impl<S: fmt::Debug, F, K, How> fmt::Debug for ItemFn<S, F, K, How> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ItemFn")
            .field("name", &self.state.name)
            .field("state", &self.state.state)
            .finish_non_exhaustive()
    }
}
