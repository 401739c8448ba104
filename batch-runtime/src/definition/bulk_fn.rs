//! Turns the user's `#[processor]` function, given as a closure with its state, into a [`Process`] that takes a chunk
//! at a time.

use std::fmt;
use std::marker::PhantomData;

use super::panic_origin::naming;
use super::processor_fn::failed;
use super::state_cell::StateCell;
use super::{Failure, Process, Sink, Slot, State, States, Yields};

/// A function that takes all items of a chunk at once and returns one outcome for each, in order.
///
/// After an error of the call, the processor still holds the items of the chunk, and [`flush`](Process::flush) calls
/// the function again. A failed outcome is [rejected](Sink::reject); the others are passed on if the chunk continues.
///
/// ```
/// use batch_runtime::Failure;
/// use batch_runtime::definition::{BulkFn, One, Process, Sink};
///
/// fn ranks(points: &[u32]) -> Vec<usize> {
///     points.iter().map(|mine| points.iter().filter(|other| *other > mine).count() + 1).collect()
/// }
///
/// struct Chunk(Vec<usize>);
/// impl Sink<usize> for Chunk {
///     fn push(&mut self, item: usize) -> Result<(), Failure> { self.0.push(item); Ok(()) }
///     fn source(&self) -> u32 { 0 }
///     fn set_source(&mut self, _: u32) {}
/// }
///
/// let mut processor = BulkFn::<u32, (), _, One>::new("ranks", |(), points: &[u32]| Ok(ranks(points)));
/// let mut chunk = Chunk(Vec::new());
/// for points in [10, 30, 20] {
///     processor.process(points, &mut chunk)?;
/// }
/// processor.flush(&mut chunk)?;
/// assert_eq!(chunk.0, [3, 1, 2]);
/// # Ok::<(), Failure>(())
/// ```
pub struct BulkFn<In, S, F, K> {
    state: StateCell<S>,
    call: F,
    items: Vec<In>,
    sources: Vec<u32>,
    /// The number of items when a copy for [`Slot::Item`] was last kept. The items after these stem from an item that
    /// may still fail.
    held: usize,
    /// Items with a failed outcome, each with the number of the item it stems from.
    returned: Vec<(u32, In)>,
    kind: PhantomData<K>,
}

impl<In, S: Default, F, K> BulkFn<In, S, F, K> {
    /// The processor `name`, which calls `call` with its state and the items of a chunk.
    pub fn new<R>(name: &'static str, call: F) -> Self
    where
        F: FnMut(&mut S, &[In]) -> Result<Vec<R>, Failure>,
        K: Yields<R>,
    {
        Self {
            state: StateCell::of(name),
            call,
            items: Vec::new(),
            sources: Vec::new(),
            held: 0,
            returned: Vec::new(),
            kind: PhantomData,
        }
    }

    /// Sets how to copy the state, so that a failed item can be undone.
    #[must_use]
    pub fn copying(mut self, copy: Option<fn(&S) -> S>) -> Self {
        self.state.copied_by(copy);
        self
    }
}

impl<In, R, S: State, F: FnMut(&mut S, &[In]) -> Result<Vec<R>, Failure>, K: Yields<R>> Process<In>
    for BulkFn<In, S, F, K>
{
    type Out = K::Out;

    const BUFFERS: bool = true;

    #[inline]
    fn process(&mut self, item: In, out: &mut impl Sink<K::Out>) -> Result<(), Failure> {
        self.items.push(item);
        self.sources.push(out.source());
        Ok(())
    }

    fn flush(&mut self, out: &mut impl Sink<K::Out>) -> Result<(), Failure> {
        if self.items.is_empty() {
            return Ok(());
        }
        let name = self.state.name;
        // The items stay until the call succeeds, as it may be retried.
        let outcomes = naming(name, || (self.call)(&mut self.state.state, &self.items))
            .map_err(|failure| failed(failure, name))?;
        let given = self.items.len();
        let mut items = std::mem::take(&mut self.items);
        let sources = std::mem::take(&mut self.sources);
        if outcomes.len() != given {
            let failure = Failure::new(format!(
                "it received {given} items and returned {} outcomes; return one for each item, in order",
                outcomes.len()
            ));
            return Err(failed(failure, name));
        }
        let (mut last, mut is_rejected) = (None, false);
        for ((source, item), outcome) in sources.iter().zip(items.drain(..)).zip(outcomes) {
            if last != Some(source) {
                (last, is_rejected) = (Some(source), false);
                out.set_source(*source);
            }
            // One failed outcome rejects everything that stems from the same item.
            if !is_rejected && let Err(failure) = K::put(outcome, out) {
                is_rejected = true;
                self.returned.push((*source, item));
                out.reject(failed(failure, name))?;
            }
        }
        (self.items, self.sources) = (items, sources);
        self.sources.clear();
        Ok(())
    }

    fn take_returned(&mut self) -> Vec<(u32, In)> {
        std::mem::take(&mut self.returned)
    }

    #[inline]
    fn hold(&mut self, slot: Slot) {
        if slot == Slot::Item {
            self.held = self.items.len();
        }
        self.state.hold(slot);
    }

    fn put_back(&mut self, slot: Slot) {
        if slot == Slot::Item {
            self.items.truncate(self.held);
            self.sources.truncate(self.held);
        }
        self.state.put_back(slot);
    }

    fn hold_next(&mut self) {
        self.held = self.items.len();
        self.state.hold_next();
    }

    fn save(&self, states: &mut States) -> Result<(), Failure> {
        self.state.save(states)
    }

    fn restore(&mut self, states: &mut States) -> Result<(), Failure> {
        // Items left by a rolled-back chunk are read again.
        self.items.clear();
        self.sources.clear();
        self.state.restore(states)
    }
}

impl<In, S: fmt::Debug, F, K> fmt::Debug for BulkFn<In, S, F, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BulkFn")
            .field("name", &self.state.name)
            .field("state", &self.state.state)
            .field("held", &self.items.len())
            .finish_non_exhaustive()
    }
}
