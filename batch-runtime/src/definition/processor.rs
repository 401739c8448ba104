//! [`Process`], the trait of the fused item loop, and [`ProcessorDefinition`], which `#[processor]` implements for the
//! marker of the function.

use std::task::Context;
use std::thread;

use super::{Failure, Need, Raises, Scope, States};

/// The return type of a `#[processor]` that turns one item into several or none. Only `Many` multiplies, so
/// that a `Vec<u8>` can be an item.
///
/// ```
/// use batch_runtime::Many;
///
/// fn words(line: String) -> Many<Vec<String>> {
///     Many(line.split(' ').map(str::to_owned).collect())
/// }
/// assert_eq!(words("a b".into()).0.len(), 2);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Many<I>(pub I);

/// Receives the output of a processor: the next processor, or the buffer of the chunk.
pub trait Sink<T> {
    /// Takes one item.
    ///
    /// # Errors
    /// If a later processor fails on the item.
    fn push(&mut self, item: T) -> Result<(), Failure>;

    /// The number, within the chunk, of the item that was read and is being processed.
    fn source(&self) -> u32;

    /// Declares that the next pushed items stem from the item with that number (when a bulk processor flushes).
    fn set_source(&mut self, source: u32);

    /// Takes the failure of the item that [`source`](Self::source) names, and returns it unless the step can go on
    /// without that item. If it can, a bulk processor still passes on the outcomes of the other items.
    ///
    /// # Errors
    /// The failure, if it fails the chunk.
    fn reject(&mut self, failure: Failure) -> Result<(), Failure> {
        Err(failure)
    }

    /// Returns whether the sink now accepts output that stems from the item with that number. Only
    /// [concurrent](Process::CONCURRENT) processors, which can wait, ask this.
    fn takes(&self, _source: u32) -> bool {
        true
    }

    /// Called by a processor before it passes an item to the processor that is this many places `deeper` in the chain:
    /// the time until [`leave`](Self::leave) counts as that processor's.
    fn enter(&mut self, _deeper: usize) {}

    /// Called when that processor has returned.
    fn leave(&mut self, _deeper: usize) {}
}

/// A processor with its arguments bound: one item in, any number out.
pub trait Process<In> {
    /// The type of its output.
    type Out;

    /// The number of functions that it is made of.
    const PARTS: usize = 1;

    /// True if items may come out at [`flush`](Self::flush) instead of at once.
    const BUFFERS: bool = false;

    /// True if calls may be in flight after [`process`](Self::process) has returned, even at the end of a
    /// chunk. Their results come out of [`advance`](Self::advance), in the order of the items and under the
    /// items' numbers.
    const CONCURRENT: bool = false;

    /// Processes one item.
    ///
    /// # Errors
    /// The error of the user's function.
    fn process(&mut self, item: In, out: &mut impl Sink<Self::Out>) -> Result<(), Failure>;

    /// Emits held-back items. Called at the end of each chunk.
    ///
    /// # Errors
    /// The error of the user's function.
    fn flush(&mut self, _out: &mut impl Sink<Self::Out>) -> Result<(), Failure> {
        Ok(())
    }

    /// True if [`process_ref`](Self::process_ref) does the same as [`process`](Self::process), so that the
    /// caller still has the item after a failure.
    const LEAVES: bool = false;

    /// True if it [notes](Self::take_noted) the calls that it retries.
    const NOTES: bool = false;

    /// Processes an item that the caller keeps. Called only on processors that [leave](Self::LEAVES) it.
    ///
    /// # Errors
    /// The error of the user's function.
    fn process_ref(&mut self, _item: &In, _out: &mut impl Sink<Self::Out>) -> Result<(), Failure> {
        unreachable!("asked only of processors that take a reference")
    }

    /// Returns whether it has retried a call that is not reported yet.
    fn has_noted(&self) -> bool {
        false
    }

    /// Returns the failures of the calls retried since the last call of this method, each with the number of
    /// the retry, from 1.
    fn take_noted(&mut self) -> Vec<(Failure, u32)> {
        Vec::new()
    }

    /// Returns the items, with their numbers, that it took by value, has [rejected](Sink::reject) or
    /// [retried](Self::take_retried) since the last call of this method, and still owns.
    fn take_returned(&mut self) -> Vec<(u32, In)> {
        Vec::new()
    }

    /// As [`take_noted`](Self::take_noted), with the number of the item to which each belongs. Includes the
    /// [calls in flight](Self::CONCURRENT) that have come out.
    fn take_retried(&mut self) -> Vec<(u32, Vec<(Failure, u32)>)> {
        Vec::new()
    }

    /// Keeps a copy of its state until the next [`hold`](Self::hold) of that slot.
    fn hold(&mut self, _slot: Slot) {}

    /// Restores the kept state and so undoes all later changes.
    fn put_back(&mut self, _slot: Slot) {}

    /// Replaces the copy in [`Slot::Item`], if there is one. Called when a bulk processor passes on its next outcome.
    fn hold_next(&mut self) {}

    /// Starts the threads that run its calls. Called once, before the first item.
    ///
    /// # Errors
    /// If the system cannot start another thread.
    fn start<'t>(&mut self, _threads: &'t thread::Scope<'t, '_>) -> Result<(), Failure>
    where
        Self: 't,
    {
        Ok(())
    }

    /// Advances the calls in flight, and emits the results that `out` [takes](Sink::takes). Returns true
    /// if there was any progress; otherwise the waker of the context is called once progress is possible.
    ///
    /// # Errors
    /// A failure that `out` could not handle.
    fn advance(
        &mut self,
        _context: &mut Context<'_>,
        _out: &mut impl Sink<Self::Out>,
    ) -> Result<bool, Failure> {
        Ok(false)
    }

    /// The number of the oldest item whose results it has not emitted yet.
    fn oldest(&self) -> Option<u32> {
        None
    }

    /// Returns whether it can start one more item.
    fn has_room(&self) -> bool {
        true
    }

    /// The maximum number of calls in flight.
    fn window(&self) -> usize {
        0
    }

    /// Drops everything it holds for the item with that number, which has failed in another processor.
    fn discard(&mut self, _source: u32) {}

    /// Adds its state to the checkpoint.
    ///
    /// # Errors
    /// If the state cannot be serialised or is too large.
    fn save(&self, _states: &mut States) -> Result<(), Failure> {
        Ok(())
    }

    /// Restores its state from the checkpoint of the last commit.
    ///
    /// # Errors
    /// If the stored state does not parse as the state's type.
    fn restore(&mut self, _states: &mut States) -> Result<(), Failure> {
        Ok(())
    }
}

/// The methods of a [`Process`] that concern its state, delegated to another value:
/// `forward_state!(self => self.state);`.
macro_rules! forward_state {
    ($this:ident => $inner:expr) => {
        #[inline]
        fn hold(&mut $this, slot: $crate::definition::Slot) {
            $inner.hold(slot);
        }

        fn put_back(&mut $this, slot: $crate::definition::Slot) {
            $inner.put_back(slot);
        }

        fn hold_next(&mut $this) {
            $inner.hold_next();
        }

        fn save(&$this, states: &mut $crate::definition::States) -> Result<(), $crate::definition::Failure> {
            $inner.save(states)
        }

        fn restore(
            &mut $this,
            states: &mut $crate::definition::States,
        ) -> Result<(), $crate::definition::Failure> {
            $inner.restore(states)
        }
    };
}
pub(crate) use forward_state;

/// The methods of a [`Process`] that wraps another one, except those that process items and note retries:
/// `forward_process!(self => self.inner);`.
macro_rules! forward_process {
    ($this:ident => $inner:expr) => {
        $crate::definition::forward_state!($this => $inner);

        fn take_returned(&mut $this) -> Vec<(u32, In)> {
            $inner.take_returned()
        }

        fn start<'t>(
            &mut $this,
            threads: &'t std::thread::Scope<'t, '_>,
        ) -> Result<(), $crate::definition::Failure>
        where
            Self: 't,
        {
            $inner.start(threads)
        }

        fn advance(
            &mut $this,
            context: &mut std::task::Context<'_>,
            out: &mut impl $crate::definition::Sink<Self::Out>,
        ) -> Result<bool, $crate::definition::Failure> {
            $inner.advance(context, out)
        }

        fn oldest(&$this) -> Option<u32> {
            $inner.oldest()
        }

        fn has_room(&$this) -> bool {
            $inner.has_room()
        }

        fn window(&$this) -> usize {
            $inner.window()
        }

        fn discard(&mut $this, source: u32) {
            $inner.discard(source);
        }
    };
}
pub(crate) use forward_process;

/// The scope of a kept state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// The item that was read, which may be skipped.
    Item,
    /// One call of one processor, which may be retried.
    Call,
}

/// The processor takes the item by value, and needs a clone to be called again.
#[derive(Debug, Clone, Copy)]
pub enum ByValue {}

/// The processor takes the item by reference.
#[derive(Debug, Clone, Copy)]
pub enum ByReference {}

/// The processor takes all items of a chunk at once, by reference.
#[derive(Debug, Clone, Copy)]
pub enum AtOnce {}

/// The processor works on several items at once and takes each as `How` says.
#[derive(Debug, Clone, Copy)]
pub struct InWindow<How>(std::marker::PhantomData<How>);

/// A step that can keep a copy of a state of type `S` while an item is processed; implemented for `()`.
#[diagnostic::on_unimplemented(
    message = "the state `{S}` cannot be restored when an item fails: it is not `Clone`",
    label = "keeps `{S}` as its `#[state]`",
    note = "derive `Clone` for `{S}`, or drop `skip` and `retry`"
)]
pub trait Holds<S> {
    /// Named by generated code, to ask whether the trait holds.
    const IS: () = ();
}

#[diagnostic::do_not_recommend]
impl<S: Clone> Holds<S> for () {}

/// Implemented by `#[processor]` for the marker of the annotated function and the item type it takes.
#[diagnostic::on_unimplemented(
    message = "processor `{Self}` does not take `{In}`",
    label = "receives `{In}` here",
    note = "change the processor's argument to `{In}`, or add a processor that returns the type that this one takes"
)]
pub trait ProcessorDefinition<In> {
    /// The function's name.
    const NAME: &'static str;
    /// The needs of its arguments.
    const NEEDS: &'static [Need];
    /// The errors it can return.
    const RAISES: Raises = Raises::Unknown;
    /// How it takes the item: [`ByValue`], [`ByReference`] or [`AtOnce`].
    type Passing;
    /// Its `#[state]`, or `()`.
    type State;
    /// The type of its output.
    type Out;

    /// Binds the injected arguments.
    ///
    /// # Errors
    /// If an argument is unavailable.
    fn bind<'s>(
        scope: &Scope<'s>,
    ) -> Result<impl Process<In, Out = Self::Out> + 's + use<'s, Self, In>, Failure>;
}
