//! Makes the user's `#[processor]` function, given as a closure with its state, a [`Process`]: one item at a
//! time ([`ProcessorFn`]) or a chunk at a time ([`BulkFn`]).

use std::fmt;
use std::marker::PhantomData;

use super::naming::naming;
use super::state_cell::StateCell;
use super::{Failure, Many, Phase, Process, Sink, Slot, State, States};

/// Turns the return value of a processor into items: [`One`], [`Maybe`], [`Several`] or [`Fallible`].
///
/// The kind is named rather than inferred from the type, since an `Option` or a `Vec` may itself be the item.
pub trait Yields<R> {
    /// The items.
    type Out;

    /// Passes the items on.
    ///
    /// # Errors
    /// The error that the processor returned, or that of a later processor.
    fn put(returned: R, out: &mut impl Sink<Self::Out>) -> Result<(), Failure>;
}

/// `T`: one item.
#[derive(Debug, Clone, Copy)]
pub enum One {}

/// `Option<T>`: `None` filters the item.
#[derive(Debug, Clone, Copy)]
pub enum Maybe {}

/// `Many<I>`: any number of items.
#[derive(Debug, Clone, Copy)]
pub enum Several {}

/// `Result<R, E>` as the outcome of one item of a bulk processor, where `R` is of kind `K`.
#[derive(Debug, Clone, Copy)]
pub struct Fallible<K>(PhantomData<K>);

impl<T> Yields<T> for One {
    type Out = T;

    #[inline]
    fn put(returned: T, out: &mut impl Sink<T>) -> Result<(), Failure> {
        out.push(returned)
    }
}

impl<T> Yields<Option<T>> for Maybe {
    type Out = T;

    #[inline]
    fn put(returned: Option<T>, out: &mut impl Sink<T>) -> Result<(), Failure> {
        match returned {
            Some(item) => out.push(item),
            None => Ok(()),
        }
    }
}

impl<I: IntoIterator> Yields<Many<I>> for Several {
    type Out = I::Item;

    #[inline]
    fn put(returned: Many<I>, out: &mut impl Sink<I::Item>) -> Result<(), Failure> {
        returned.0.into_iter().try_for_each(|item| out.push(item))
    }
}

impl<R, K: Yields<R>> Yields<Result<R, Failure>> for Fallible<K> {
    type Out = K::Out;

    #[inline]
    fn put(returned: Result<R, Failure>, out: &mut impl Sink<K::Out>) -> Result<(), Failure> {
        K::put(returned?, out)
    }
}

#[cold]
pub(super) fn failed(failure: Failure, name: &'static str) -> Failure {
    failure.in_component(name).during(Phase::Process)
}

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
pub struct ProcessorFn<S, F, K> {
    name: &'static str,
    state: StateCell<S>,
    call: F,
    kind: PhantomData<K>,
}

impl<S: Default, F, K> ProcessorFn<S, F, K> {
    /// The processor `name`, which calls `call` with its state and an item.
    pub fn new<In, R>(name: &'static str, call: F) -> Self
    where
        F: FnMut(&mut S, In) -> Result<R, Failure>,
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

impl<In, R, S: State, F: FnMut(&mut S, In) -> Result<R, Failure>, K: Yields<R>> Process<In>
    for ProcessorFn<S, F, K>
{
    type Out = K::Out;

    #[expect(clippy::inline_always, reason = "a separate call costs as much as the rest of the loop")]
    #[inline(always)]
    fn process(&mut self, item: In, out: &mut impl Sink<K::Out>) -> Result<(), Failure> {
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

impl<S: fmt::Debug, F, K> fmt::Debug for ProcessorFn<S, F, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessorFn")
            .field("name", &self.name)
            .field("state", &self.state.state)
            .finish_non_exhaustive()
    }
}

/// A function that takes all items of a chunk at once and returns one outcome for each, in order.
///
/// After an error of the call it still holds the items of the chunk, and [`flush`](Process::flush) calls it
/// again. A failed outcome is [rejected](Sink::reject), and the others come out if the chunk continues.
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
    name: &'static str,
    state: StateCell<S>,
    call: F,
    items: Vec<In>,
    sources: Vec<u32>,
    /// The number of items when a [`Slot::Item`] was last kept: later ones stem from an item that may turn
    /// out bad.
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
            name,
            state: StateCell::default(),
            call,
            items: Vec::new(),
            sources: Vec::new(),
            held: 0,
            returned: Vec::new(),
            kind: PhantomData,
        }
    }

    /// Sets how to copy its state, so that a failed item can be undone.
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
        // The items stay until the call succeeds, as it may be retried.
        let outcomes = naming(self.name, || (self.call)(&mut self.state.state, &self.items))
            .map_err(|failure| failed(failure, self.name))?;
        let given = self.items.len();
        let mut items = std::mem::take(&mut self.items);
        let sources = std::mem::take(&mut self.sources);
        if outcomes.len() != given {
            let failure = Failure::new(format!(
                "it received {given} items and returned {} outcomes; return one for each item, in order",
                outcomes.len()
            ));
            return Err(failed(failure, self.name));
        }
        let (mut last, mut is_rejected) = (None, false);
        for ((source, item), outcome) in sources.iter().zip(items.drain(..)).zip(outcomes) {
            if last != Some(source) {
                (last, is_rejected) = (Some(source), false);
                out.set_source(*source);
            }
            // One failed outcome is enough for everything that stems from the same item.
            if !is_rejected && let Err(failure) = K::put(outcome, out) {
                is_rejected = true;
                self.returned.push((*source, item));
                out.reject(failed(failure, self.name))?;
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
        self.state.save(self.name, states)
    }

    fn restore(&mut self, states: &mut States) -> Result<(), Failure> {
        // Items left by a rolled-back chunk are read again.
        self.items.clear();
        self.sources.clear();
        self.state.restore(self.name, states)
    }
}

impl<In, S: fmt::Debug, F, K> fmt::Debug for BulkFn<In, S, F, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BulkFn")
            .field("name", &self.name)
            .field("state", &self.state.state)
            .field("held", &self.items.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::Then;
    use serde::{Deserialize, Serialize};

    /// Keeps each item with the number of the item it stems from.
    struct Chunk<T> {
        items: Vec<(u32, T)>,
        source: u32,
    }

    impl<T> Chunk<T> {
        fn new() -> Self {
            Self { items: Vec::new(), source: 0 }
        }
    }

    impl<T> Sink<T> for Chunk<T> {
        fn push(&mut self, item: T) -> Result<(), Failure> {
            self.items.push((self.source, item));
            Ok(())
        }

        fn source(&self) -> u32 {
            self.source
        }

        fn set_source(&mut self, source: u32) {
            self.source = source;
        }
    }

    fn feed<In, P: Process<In>>(
        processor: &mut P,
        items: impl IntoIterator<Item = In>,
    ) -> Result<Vec<(u32, P::Out)>, Failure> {
        let mut chunk = Chunk::new();
        for (source, item) in (0..).zip(items) {
            chunk.source = source;
            processor.process(item, &mut chunk)?;
        }
        processor.flush(&mut chunk)?;
        Ok(chunk.items)
    }

    #[derive(Debug, Default, Serialize, Deserialize)]
    struct Seen(u32);

    #[test]
    fn an_item_may_become_one_none_or_many() {
        let mut one = ProcessorFn::<(), _, One>::new("one", |(), item: u32| Ok(item + 1));
        assert_eq!(feed(&mut one, [1, 2]).unwrap(), [(0, 2), (1, 3)]);

        let mut maybe =
            ProcessorFn::<(), _, Maybe>::new("even", |(), n: u32| Ok(n.is_multiple_of(2).then_some(n)));
        assert_eq!(feed(&mut maybe, [1, 2]).unwrap(), [(1, 2)]);

        let mut many = ProcessorFn::<(), _, Several>::new("times", |(), n: u32| Ok(Many(0..n)));
        assert_eq!(feed(&mut many, [0, 2]).unwrap(), [(1, 0), (1, 1)]);
    }

    #[test]
    fn an_option_or_a_vec_may_be_the_item() {
        let mut one = ProcessorFn::<(), _, One>::new("one", |(), n: u8| Ok(Some(vec![n])));
        assert_eq!(feed(&mut one, [7]).unwrap(), [(0, Some(vec![7]))]);
    }

    #[test]
    fn a_failure_names_the_processor() {
        let mut processor = ProcessorFn::<(), _, One>::new("late", |(), _: u32| {
            Err::<u32, _>(Failure::new("no such carrier"))
        });
        let failure = feed(&mut processor, [1]).unwrap_err();
        assert_eq!(failure.to_string(), "processing in `late`: no such carrier");
    }

    #[test]
    fn a_failure_after_a_processor_keeps_its_own_name() {
        let first = ProcessorFn::<(), _, One>::new("first", |(), n: u32| Ok(n));
        let second =
            ProcessorFn::<(), _, One>::new("second", |(), _: u32| Err::<u32, _>(Failure::new("too late")));
        let failure = feed(&mut Then::new(first, second), [1]).unwrap_err();
        assert_eq!(failure.component(), Some("second"));
    }

    #[test]
    fn state_goes_through_the_checkpoint() {
        let number = |seen: &mut Seen, _: char| {
            seen.0 += 1;
            Ok(seen.0)
        };
        let mut processor = ProcessorFn::<Seen, _, One>::new("number", number);
        feed(&mut processor, ['a', 'b']).unwrap();
        let mut states = States::new();
        processor.save(&mut states).unwrap();

        let mut states = States::from_json(states.to_json()).unwrap();
        let mut restarted = ProcessorFn::<Seen, _, One>::new("number", number);
        restarted.restore(&mut states).unwrap();
        assert_eq!(feed(&mut restarted, ['c']).unwrap(), [(0, 3)]);
    }

    #[test]
    fn a_processor_without_state_adds_nothing_to_the_checkpoint() {
        let mut states = States::new();
        ProcessorFn::<(), _, One>::new("plain", |(), n: u32| Ok(n)).save(&mut states).unwrap();
        BulkFn::<u32, (), _, One>::new("bulk", |(), n: &[u32]| Ok(n.to_vec())).save(&mut states).unwrap();
        assert!(states.is_empty());
    }

    #[test]
    fn a_bulk_processor_sees_the_chunk_at_once_and_keeps_the_sources() {
        let filtered = ProcessorFn::<(), _, Maybe>::new("odd", |(), n: u32| Ok((n % 2 == 1).then_some(n)));
        let total = BulkFn::<u32, Seen, _, One>::new("share", |seen: &mut Seen, items: &[u32]| {
            seen.0 += 1;
            let total: u32 = items.iter().sum();
            Ok(items.iter().map(|item| (*item, total)).collect())
        });
        let mut pipe = Then::new(filtered, total);
        assert_eq!(feed(&mut pipe, [1, 2, 3]).unwrap(), [(0, (1, 4)), (2, (3, 4))]);
        assert_eq!(pipe_calls(&pipe), 1);
    }

    fn pipe_calls<In, P: Process<In>>(pipe: &P) -> u32 {
        let mut states = States::new();
        pipe.save(&mut states).unwrap();
        states.restore::<Seen>("share").unwrap().0
    }

    #[test]
    fn a_bulk_processor_may_filter_and_fail_item_by_item() {
        let mut processor = BulkFn::<u32, (), _, Fallible<Maybe>>::new("check", |(), items: &[u32]| {
            Ok(items
                .iter()
                .map(|item| match item {
                    0 => Err(Failure::new("zero")),
                    1 => Ok(None),
                    item => Ok(Some(*item)),
                })
                .collect())
        });
        assert_eq!(feed(&mut processor, [1, 2]).unwrap(), [(1, 2)]);

        let mut chunk = Chunk::new();
        for (source, item) in [(0, 5), (1, 0), (2, 6)] {
            chunk.source = source;
            processor.process(item, &mut chunk).unwrap();
        }
        let failure = processor.flush(&mut chunk).unwrap_err();
        assert_eq!(failure.to_string(), "processing in `check`: zero");
        assert_eq!(chunk.source(), 1, "the sink knows which item failed");
        assert_eq!(feed(&mut processor, [3]).unwrap(), [(0, 3)], "nothing of the failed chunk comes out");
    }

    #[test]
    fn a_wrong_number_of_outcomes_is_a_failure_that_names_both() {
        let mut processor =
            BulkFn::<u32, (), _, One>::new("share", |(), items: &[u32]| Ok(items[1..].to_vec()));
        let failure = feed(&mut processor, [1, 2, 3]).unwrap_err();
        assert_eq!(
            failure.to_string(),
            "processing in `share`: it received 3 items and returned 2 outcomes; return one for each item, in order"
        );
    }

    #[test]
    fn a_bulk_processor_is_not_called_for_an_empty_chunk() {
        let mut processor = BulkFn::<u32, (), _, One>::new("never", |(), _: &[u32]| {
            Err::<Vec<u32>, _>(Failure::new("called with nothing"))
        });
        assert_eq!(feed(&mut processor, []).unwrap(), []);
    }

    #[test]
    fn restoring_drops_the_items_of_a_rolled_back_chunk() {
        let mut processor = BulkFn::<u32, (), _, One>::new("same", |(), items: &[u32]| Ok(items.to_vec()));
        processor.process(1, &mut Chunk::new()).unwrap();
        processor.restore(&mut States::new()).unwrap();
        assert_eq!(feed(&mut processor, [2]).unwrap(), [(0, 2)]);
    }
}
