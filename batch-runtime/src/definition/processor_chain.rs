//! [`Then`], which joins two processors without a buffer, and [`Through`], which a step without processors uses.

use std::task::Context;
use std::thread;

use super::processor::{Process, Sink, Slot};
use super::{Failure, States};

/// No processor: items pass unchanged.
#[derive(Debug, Default, Clone, Copy)]
pub struct Through;

impl<T> Process<T> for Through {
    type Out = T;

    const PARTS: usize = 0;

    #[inline]
    fn process(&mut self, item: T, out: &mut impl Sink<T>) -> Result<(), Failure> {
        out.push(item)
    }
}

/// Two processors; the output of the first feeds the second item by item.
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
        self.out.enter(1);
        let processed = self.second.process(item, self.out);
        self.out.leave(1);
        processed
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

    #[inline]
    fn enter(&mut self, deeper: usize) {
        self.out.enter(deeper);
    }

    #[inline]
    fn leave(&mut self, deeper: usize) {
        self.out.leave(deeper);
    }
}

impl<In, A: Process<In>, B: Process<A::Out>> Process<In> for Then<A, B> {
    type Out = B::Out;

    const PARTS: usize = A::PARTS + B::PARTS;
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
        // The items of the second processor are not items that the step has read.
        self.second.take_returned();
        self.first.take_returned()
    }

    fn take_retried(&mut self) -> Vec<(u32, Vec<(Failure, u32)>)> {
        let mut retried = self.first.take_retried();
        retried.append(&mut self.second.take_retried());
        retried
    }

    fn flush(&mut self, out: &mut impl Sink<Self::Out>) -> Result<(), Failure> {
        self.first.flush(&mut Into2nd { second: &mut self.second, out })?;
        out.enter(A::PARTS);
        let flushed = self.second.flush(out);
        out.leave(A::PARTS);
        flushed
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
        // Items past the first processor were read before those still in it.
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
