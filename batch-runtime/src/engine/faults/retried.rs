//! Retries a processor in place when a rule allows it.

use std::cell::Cell;
use std::marker::PhantomData;

use crate::definition::{
    AtOnce, ByReference, ByValue, Failure, InWindow, Process, Scope, Sink, Slot, forward_process,
};
use crate::engine::faults::retry::{Noted, Retrying};

/// A processor whose failed calls are retried. `How` is the way in which the processor takes its item. A processor that
/// never `FAILS` is called directly, without a copy of the item or of its state.
#[derive(Debug)]
pub struct Retried<P, How, const FAILS: bool> {
    inner: P,
    retrying: Retrying,
    /// The retries that the listeners have not been notified of, with the numbers of the items.
    noted: Vec<(u32, Noted)>,
    how: PhantomData<How>,
}

impl<P, How, const FAILS: bool> Retried<P, How, FAILS> {
    /// Retries `inner` according to the rules of the scope's step.
    pub fn new(inner: P, scope: &Scope<'_>) -> Self {
        Self { inner, retrying: scope.retrying().clone(), noted: Vec::new(), how: PhantomData }
    }
}

/// How a processor is called again after a failure. Each way in which a processor can take its item implements this
/// trait.
#[diagnostic::on_unimplemented(
    message = "`{In}` cannot be processed a second time: the processor takes it by value, and it is not `Clone`",
    label = "`retry` calls this processor again",
    note = "let the processor take `&{In}`, or derive `Clone` for `{In}`, or remove `retry`"
)]
pub trait Repeats<In> {
    /// Generated code names this constant to check that the trait is implemented.
    const IS: () = ();

    /// True if calls are retried in place, so that the caller still has the item after the last call has failed.
    const IN_PLACE: bool = false;

    /// Calls the processor. Called only if calls are retried [in place](Self::IN_PLACE).
    ///
    /// # Errors
    /// The failure of the call.
    fn call<P: Process<In>>(
        _processor: &mut P,
        _item: &In,
        _out: &mut impl Sink<P::Out>,
    ) -> Result<(), Failure> {
        unreachable!("called only if calls are retried in place")
    }
}

#[diagnostic::do_not_recommend]
impl<In: Clone> Repeats<In> for ByValue {
    const IN_PLACE: bool = true;

    #[inline]
    fn call<P: Process<In>>(
        processor: &mut P,
        item: &In,
        out: &mut impl Sink<P::Out>,
    ) -> Result<(), Failure> {
        processor.process(item.clone(), out)
    }
}

#[diagnostic::do_not_recommend]
impl<In> Repeats<In> for ByReference {
    const IN_PLACE: bool = true;

    #[inline]
    fn call<P: Process<In>>(
        processor: &mut P,
        item: &In,
        out: &mut impl Sink<P::Out>,
    ) -> Result<(), Failure> {
        processor.process_ref(item, out)
    }
}

/// Not in place: the window makes the calls and retries them, several at a time.
#[diagnostic::do_not_recommend]
impl<In, How: Repeats<In>> Repeats<In> for InWindow<How> {}

/// Not in place: the call is made and retried when the chunk is flushed.
#[diagnostic::do_not_recommend]
impl<In> Repeats<In> for AtOnce {}

/// The sink after a processor. It remembers whether a failure came from the sink and not from the processor itself,
/// because the later processors retry their own calls.
#[derive(Debug)]
struct Downstream<'s, S> {
    out: &'s mut S,
    failed: bool,
}

impl<T, S: Sink<T>> Sink<T> for Downstream<'_, S> {
    #[inline]
    fn push(&mut self, item: T) -> Result<(), Failure> {
        self.out.push(item).inspect_err(|_| self.failed = true)
    }

    fn source(&self) -> u32 {
        self.out.source()
    }

    fn set_source(&mut self, source: u32) {
        self.out.set_source(source);
    }

    fn reject(&mut self, failure: Failure) -> Result<(), Failure> {
        self.out.reject(failure).inspect_err(|_| self.failed = true)
    }

    fn takes(&self, source: u32) -> bool {
        self.out.takes(source)
    }

    #[inline]
    fn enter(&mut self, deeper: usize) {
        self.out.enter(deeper);
    }

    #[inline]
    fn leave(&mut self, deeper: usize) {
        self.out.leave(deeper);
    }
}

impl<P, How, const FAILS: bool> Retried<P, How, FAILS> {
    /// Calls the processor until a call succeeds or no rule allows another attempt.
    #[inline]
    fn repeat<In, S: Sink<P::Out>>(
        &mut self,
        out: &mut S,
        mut call: impl FnMut(&mut P, &mut Downstream<'_, S>) -> Result<(), Failure>,
    ) -> Result<(), Failure>
    where
        P: Process<In>,
    {
        let Self { inner, retrying, noted, .. } = self;
        inner.hold(Slot::Call);
        let source = Cell::new(0);
        retrying.repeat(
            &mut (inner, Downstream { out, failed: false }),
            |(inner, out)| call(inner, out),
            |(inner, out), _| {
                inner.put_back(Slot::Call);
                source.set(out.source());
                !out.failed
            },
            |failure, repeat| match noted.last_mut() {
                Some((last, attempts)) if *last == source.get() => attempts.push((failure, repeat)),
                _ => noted.push((source.get(), vec![(failure, repeat)])),
            },
        )
    }
}

impl<In, P: Process<In>, How: Repeats<In>, const FAILS: bool> Process<In> for Retried<P, How, FAILS> {
    type Out = P::Out;

    const BUFFERS: bool = P::BUFFERS;
    const CONCURRENT: bool = P::CONCURRENT;
    const LEAVES: bool = if FAILS { How::IN_PLACE } else { P::LEAVES };
    const NOTES: bool = FAILS;

    #[expect(clippy::inline_always, reason = "a separate call costs as much as the rest of the loop")]
    #[inline(always)]
    fn process(&mut self, item: In, out: &mut impl Sink<Self::Out>) -> Result<(), Failure> {
        if !FAILS {
            return self.inner.process(item, out);
        }
        if How::IN_PLACE {
            return self.process_ref(&item, out);
        }
        self.inner.hold(Slot::Call);
        self.inner.process(item, out)
    }

    #[expect(clippy::inline_always, reason = "a separate call costs as much as the rest of the loop")]
    #[inline(always)]
    fn process_ref(&mut self, item: &In, out: &mut impl Sink<Self::Out>) -> Result<(), Failure> {
        if !FAILS {
            return self.inner.process_ref(item, out);
        }
        self.repeat(out, |inner, out| How::call(inner, item, out))
    }

    fn flush(&mut self, out: &mut impl Sink<Self::Out>) -> Result<(), Failure> {
        if !FAILS {
            return self.inner.flush(out);
        }
        self.repeat(out, |inner, out| inner.flush(out))
    }

    #[inline]
    fn has_noted(&self) -> bool {
        FAILS && !self.noted.is_empty()
    }

    fn take_noted(&mut self) -> Noted {
        self.noted.drain(..).flat_map(|(_, attempts)| attempts).collect()
    }

    fn take_retried(&mut self) -> Vec<(u32, Noted)> {
        let mut retried = self.inner.take_retried();
        retried.append(&mut self.noted);
        retried
    }

    forward_process!(self => self.inner);
}
