//! Keeps a copy of an item that a processor takes by value, so that the item can be shown when the processor fails.

use std::task::Context;
use std::thread;

use crate::definition::{Failure, Process, Sink, Slot, States};

/// A processor that gets a copy of the item if it takes the item by value.
#[derive(Debug)]
pub struct Kept<P> {
    inner: P,
}

impl<P> Kept<P> {
    pub(crate) fn new(inner: P) -> Self {
        Self { inner }
    }
}

impl<In: Clone, P: Process<In>> Process<In> for Kept<P> {
    type Out = P::Out;

    const BUFFERS: bool = P::BUFFERS;
    const CONCURRENT: bool = P::CONCURRENT;
    const LEAVES: bool = true;
    const NOTES: bool = P::NOTES;

    #[inline]
    fn process(&mut self, item: In, out: &mut impl Sink<Self::Out>) -> Result<(), Failure> {
        self.inner.process(item, out)
    }

    #[inline]
    fn process_ref(&mut self, item: &In, out: &mut impl Sink<Self::Out>) -> Result<(), Failure> {
        if P::LEAVES { self.inner.process_ref(item, out) } else { self.inner.process(item.clone(), out) }
    }

    fn flush(&mut self, out: &mut impl Sink<Self::Out>) -> Result<(), Failure> {
        self.inner.flush(out)
    }

    #[inline]
    fn has_noted(&self) -> bool {
        self.inner.has_noted()
    }

    fn take_noted(&mut self) -> Vec<(Failure, u32)> {
        self.inner.take_noted()
    }

    fn take_returned(&mut self) -> Vec<(u32, In)> {
        self.inner.take_returned()
    }

    #[inline]
    fn hold(&mut self, slot: Slot) {
        self.inner.hold(slot);
    }

    fn put_back(&mut self, slot: Slot) {
        self.inner.put_back(slot);
    }

    fn hold_next(&mut self) {
        self.inner.hold_next();
    }

    fn start<'t>(&mut self, threads: &'t thread::Scope<'t, '_>) -> Result<(), Failure>
    where
        Self: 't,
    {
        self.inner.start(threads)
    }

    fn advance(
        &mut self,
        context: &mut Context<'_>,
        out: &mut impl Sink<Self::Out>,
    ) -> Result<bool, Failure> {
        self.inner.advance(context, out)
    }

    fn oldest(&self) -> Option<u32> {
        self.inner.oldest()
    }

    fn has_room(&self) -> bool {
        self.inner.has_room()
    }

    fn window(&self) -> usize {
        self.inner.window()
    }

    fn discard(&mut self, source: u32) {
        self.inner.discard(source);
    }

    fn save(&self, states: &mut States) -> Result<(), Failure> {
        self.inner.save(states)
    }

    fn restore(&mut self, states: &mut States) -> Result<(), Failure> {
        self.inner.restore(states)
    }
}
