//! Receives: what a `#[processor]` function takes and returns. Gives: the fused item loop's trait
//! ([`Process`]), the combinator that joins two without a buffer ([`Then`]), and the trait the attribute
//! implements for the function's marker ([`ProcessorDefinition`]).

use std::task::Context;
use std::thread;

use super::{Failure, Need, Raises, Scope, States};

/// What a `#[processor]` returns to make several items, or none, of one: only `Many` multiplies, so that a
/// `Vec<u8>` can be an item.
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

/// Takes what a processor puts out: the next processor, or the chunk's buffer.
pub trait Sink<T> {
    /// Takes one item.
    ///
    /// # Errors
    /// When a processor behind it fails on the item.
    fn push(&mut self, item: T) -> Result<(), Failure>;

    /// The number, within the chunk, of the item that was read and is being processed.
    fn source(&self) -> u32;

    /// Says that what is pushed next stems from the item of that number (a bulk processor's flush).
    fn set_source(&mut self, source: u32);

    /// Takes the failure of the item of [`source`](Self::source), and gives it back where nothing else can be done with it: a bulk
    /// processor hands on what became of the other items.
    ///
    /// # Errors
    /// The failure, where it fails the chunk.
    fn reject(&mut self, failure: Failure) -> Result<(), Failure> {
        Err(failure)
    }

    /// Can it take what stems from the item of that number now? Asked by what may as well wait: a processor that is
    /// [concurrent](Process::CONCURRENT).
    fn takes(&self, _source: u32) -> bool {
        true
    }
}

/// A processor with its arguments bound: one item in, any number out.
pub trait Process<In> {
    /// What it puts out.
    type Out;

    /// True if items may come out at [`flush`](Self::flush) instead of at once.
    const BUFFERS: bool = false;

    /// True if calls may be under way when [`process`](Self::process) has returned, also at the end of a chunk. What they return
    /// comes out of [`advance`](Self::advance), in the order of the items, under the numbers that the items came with.
    const CONCURRENT: bool = false;

    /// Processes one item.
    ///
    /// # Errors
    /// What the user's function returned.
    fn process(&mut self, item: In, out: &mut impl Sink<Self::Out>) -> Result<(), Failure>;

    /// Puts out what is held back; called at the end of each chunk.
    ///
    /// # Errors
    /// What the user's function returned.
    fn flush(&mut self, _out: &mut impl Sink<Self::Out>) -> Result<(), Failure> {
        Ok(())
    }

    /// True if [`process_ref`](Self::process_ref) does what [`process`](Self::process) does, so that the caller has the item
    /// still when it fails.
    const LEAVES: bool = false;

    /// True if it [notes](Self::take_noted) calls that it repeats.
    const NOTES: bool = false;

    /// Processes an item that the caller keeps; asked only of processors that [leave](Self::LEAVES) it.
    ///
    /// # Errors
    /// What the user's function returned.
    fn process_ref(&mut self, _item: &In, _out: &mut impl Sink<Self::Out>) -> Result<(), Failure> {
        unreachable!("asked only of processors that take a reference")
    }

    /// Has it repeated a call that is not told yet?
    fn has_noted(&self) -> bool {
        false
    }

    /// The failures of the calls that it repeated since this was asked last, each with the number of the repetition, from 1.
    fn take_noted(&mut self) -> Vec<(Failure, u32)> {
        Vec::new()
    }

    /// The items that it was given by value, has [rejected](Sink::reject) since this was asked last, and has still, with their
    /// numbers.
    fn take_returned(&mut self) -> Vec<(u32, In)> {
        Vec::new()
    }

    /// Keeps a copy of its state, until the next [`hold`](Self::hold) of that slot.
    fn hold(&mut self, _slot: Slot) {}

    /// Goes back to the state that was kept: what happened since is undone.
    fn put_back(&mut self, _slot: Slot) {}

    /// Keeps a new copy for [`Slot::Item`], where there is one: the next of several items comes out of a bulk processor.
    fn hold_next(&mut self) {}

    /// Starts the threads that its calls run on; called once, before the first item.
    ///
    /// # Errors
    /// When the system has no more threads.
    fn start<'t>(&mut self, _threads: &'t thread::Scope<'t, '_>) -> Result<(), Failure>
    where
        Self: 't,
    {
        Ok(())
    }

    /// Goes on with the calls that are under way, and puts out what `out` [takes](Sink::takes); true if anything went on. If not,
    /// the context's waker is called when something can.
    ///
    /// # Errors
    /// What `out` could do nothing about.
    fn advance(
        &mut self,
        _context: &mut Context<'_>,
        _out: &mut impl Sink<Self::Out>,
    ) -> Result<bool, Failure> {
        Ok(false)
    }

    /// The number of the oldest item that it has not put out.
    fn oldest(&self) -> Option<u32> {
        None
    }

    /// Can it begin with one more item?
    fn has_room(&self) -> bool {
        true
    }

    /// The calls that can be under way at once.
    fn window(&self) -> usize {
        0
    }

    /// Forgets what it holds of the item of that number, which has failed elsewhere.
    fn discard(&mut self, _source: u32) {}

    /// Adds its state to the checkpoint.
    ///
    /// # Errors
    /// When the state does not serialise or is too large.
    fn save(&self, _states: &mut States) -> Result<(), Failure> {
        Ok(())
    }

    /// Takes its state back from the checkpoint of the last commit.
    ///
    /// # Errors
    /// When the stored state cannot be read as the state's type.
    fn restore(&mut self, _states: &mut States) -> Result<(), Failure> {
        Ok(())
    }
}

/// What a kept state belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// The item that is read: it may be skipped.
    Item,
    /// One call of one processor: it may be repeated.
    Call,
}

/// The processor takes the item itself, and needs a clone of it to be called again.
#[derive(Debug, Clone, Copy)]
pub enum ByValue {}

/// The processor takes a reference.
#[derive(Debug, Clone, Copy)]
pub enum ByReference {}

/// The processor takes the items of a chunk at once, by reference.
#[derive(Debug, Clone, Copy)]
pub enum AtOnce {}

/// The processor works on several items at once, each of which it takes as `How` says.
#[derive(Debug, Clone, Copy)]
pub struct InWindow<How>(std::marker::PhantomData<How>);

/// A step that can keep a state of type `S` while an item is processed; implemented for `()`, as a reference to a state
/// that is no `Clone` is one.
#[diagnostic::on_unimplemented(
    message = "the state `{S}` cannot be put back when an item fails: it is no `Clone`",
    label = "keeps `{S}` as its `#[state]`",
    note = "derive `Clone` for `{S}`, or drop `skip` and `retry`"
)]
pub trait Holds<S> {
    /// Named by generated code, to ask whether the trait holds.
    const IS: () = ();
}

#[diagnostic::do_not_recommend]
impl<S: Clone> Holds<S> for () {}

/// A processor that is lent.
impl<In, P: Process<In>> Process<In> for &mut P {
    type Out = P::Out;

    const BUFFERS: bool = P::BUFFERS;
    const LEAVES: bool = P::LEAVES;
    const NOTES: bool = P::NOTES;

    #[inline]
    fn process(&mut self, item: In, out: &mut impl Sink<Self::Out>) -> Result<(), Failure> {
        (**self).process(item, out)
    }

    #[inline]
    fn has_noted(&self) -> bool {
        (**self).has_noted()
    }

    fn take_noted(&mut self) -> Vec<(Failure, u32)> {
        (**self).take_noted()
    }

    fn take_returned(&mut self) -> Vec<(u32, In)> {
        (**self).take_returned()
    }

    fn flush(&mut self, out: &mut impl Sink<Self::Out>) -> Result<(), Failure> {
        (**self).flush(out)
    }

    fn process_ref(&mut self, item: &In, out: &mut impl Sink<Self::Out>) -> Result<(), Failure> {
        (**self).process_ref(item, out)
    }

    #[inline]
    fn hold(&mut self, slot: Slot) {
        (**self).hold(slot);
    }

    fn put_back(&mut self, slot: Slot) {
        (**self).put_back(slot);
    }

    fn hold_next(&mut self) {
        (**self).hold_next();
    }

    fn save(&self, states: &mut States) -> Result<(), Failure> {
        (**self).save(states)
    }

    fn restore(&mut self, states: &mut States) -> Result<(), Failure> {
        (**self).restore(states)
    }
}

/// No processor: items pass as they are.
#[derive(Debug, Default, Clone, Copy)]
pub struct Through;

impl<T> Process<T> for Through {
    type Out = T;

    #[inline]
    fn process(&mut self, item: T, out: &mut impl Sink<T>) -> Result<(), Failure> {
        out.push(item)
    }
}

/// Two processors, the output of the first fed to the second item by item.
#[derive(Debug)]
pub struct Then<A, B> {
    first: A,
    second: B,
}

impl<A, B> Then<A, B> {
    /// Joins `first` to `second`.
    pub const fn new(first: A, second: B) -> Self {
        Self { first, second }
    }
}

struct Into2nd<'a, B, S> {
    second: &'a mut B,
    out: &'a mut S,
}

impl<T, B: Process<T>, S: Sink<B::Out>> Sink<T> for Into2nd<'_, B, S> {
    #[inline]
    fn push(&mut self, item: T) -> Result<(), Failure> {
        self.second.process(item, self.out)
    }

    fn source(&self) -> u32 {
        self.out.source()
    }

    fn set_source(&mut self, source: u32) {
        self.second.hold_next();
        self.out.set_source(source);
    }

    fn reject(&mut self, failure: Failure) -> Result<(), Failure> {
        self.second.put_back(Slot::Item);
        if B::CONCURRENT {
            self.second.discard(self.out.source());
        }
        self.out.reject(failure)
    }

    fn takes(&self, source: u32) -> bool {
        if B::CONCURRENT { self.second.has_room() } else { self.out.takes(source) }
    }
}

impl<In, A: Process<In>, B: Process<A::Out>> Process<In> for Then<A, B> {
    type Out = B::Out;

    const BUFFERS: bool = A::BUFFERS || B::BUFFERS;
    const CONCURRENT: bool = A::CONCURRENT || B::CONCURRENT;
    const LEAVES: bool = A::LEAVES;
    const NOTES: bool = A::NOTES || B::NOTES;

    #[inline]
    fn process(&mut self, item: In, out: &mut impl Sink<Self::Out>) -> Result<(), Failure> {
        self.first.process(item, &mut Into2nd { second: &mut self.second, out })
    }

    #[inline]
    fn process_ref(&mut self, item: &In, out: &mut impl Sink<Self::Out>) -> Result<(), Failure> {
        self.first.process_ref(item, &mut Into2nd { second: &mut self.second, out })
    }

    #[inline]
    fn has_noted(&self) -> bool {
        self.first.has_noted() || self.second.has_noted()
    }

    fn take_noted(&mut self) -> Vec<(Failure, u32)> {
        let mut noted = self.first.take_noted();
        noted.append(&mut self.second.take_noted());
        noted
    }

    fn take_returned(&mut self) -> Vec<(u32, In)> {
        // Those of the second are none that the step has read.
        self.second.take_returned();
        self.first.take_returned()
    }

    fn flush(&mut self, out: &mut impl Sink<Self::Out>) -> Result<(), Failure> {
        self.first.flush(&mut Into2nd { second: &mut self.second, out })?;
        self.second.flush(out)
    }

    #[inline]
    fn hold(&mut self, slot: Slot) {
        self.first.hold(slot);
        self.second.hold(slot);
    }

    fn put_back(&mut self, slot: Slot) {
        self.first.put_back(slot);
        self.second.put_back(slot);
    }

    fn hold_next(&mut self) {
        self.first.hold_next();
        self.second.hold_next();
    }

    fn start<'t>(&mut self, threads: &'t thread::Scope<'t, '_>) -> Result<(), Failure>
    where
        Self: 't,
    {
        self.first.start(threads)?;
        self.second.start(threads)
    }

    fn advance(
        &mut self,
        context: &mut Context<'_>,
        out: &mut impl Sink<Self::Out>,
    ) -> Result<bool, Failure> {
        let second = self.second.advance(context, out)?;
        let first = self.first.advance(context, &mut Into2nd { second: &mut self.second, out })?;
        Ok(first || second)
    }

    fn oldest(&self) -> Option<u32> {
        // What has come through the first was read before what has not.
        self.second.oldest().or_else(|| self.first.oldest())
    }

    fn has_room(&self) -> bool {
        if A::CONCURRENT { self.first.has_room() } else { self.second.has_room() }
    }

    fn window(&self) -> usize {
        self.first.window() + self.second.window()
    }

    fn discard(&mut self, source: u32) {
        self.first.discard(source);
        self.second.discard(source);
    }

    fn save(&self, states: &mut States) -> Result<(), Failure> {
        self.first.save(states)?;
        self.second.save(states)
    }

    fn restore(&mut self, states: &mut States) -> Result<(), Failure> {
        self.first.restore(states)?;
        self.second.restore(states)
    }
}

/// What `#[processor]` implements for the marker of the annotated function, for the one item type it takes.
#[diagnostic::on_unimplemented(
    message = "processor `{Self}` does not take `{In}`",
    label = "is fed `{In}` by what stands before it",
    note = "change the processor's argument to `{In}`, or put a processor before it that returns what it takes"
)]
pub trait ProcessorDefinition<In> {
    /// The function's name.
    const NAME: &'static str;
    /// What its arguments ask for.
    const NEEDS: &'static [Need];
    /// How it can fail.
    const RAISES: Raises = Raises::Unknown;
    /// How it takes the item: [`ByValue`], [`ByReference`] or [`AtOnce`].
    type Passing;
    /// Its `#[state]`; `()` without.
    type State;
    /// What it puts out.
    type Out;

    /// Binds the injected arguments.
    ///
    /// # Errors
    /// When an argument cannot be had.
    fn bind<'s>(
        scope: &Scope<'s>,
    ) -> Result<impl Process<In, Out = Self::Out> + 's + use<'s, Self, In>, Failure>;
}
