//! Keeps a copy of an item that a processor takes by value, so that the item can be shown when the processor fails.

use crate::definition::{Failure, Process, Sink, forward_process};
use crate::engine::faults::retry::Noted;

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

    fn take_noted(&mut self) -> Noted {
        self.inner.take_noted()
    }

    fn take_retried(&mut self) -> Vec<(u32, Noted)> {
        self.inner.take_retried()
    }

    forward_process!(self => self.inner);
}
