//! Receives: a processor of a step with `retry`. Gives: it called again where a rule says so, in place.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::pause::Pause;
use crate::definition::{Failure, Faults, Process, Repeats, Scope, Sink, Slot, States, StopSignal};

/// Decides whether a call is repeated, and waits before it is. Shared by what runs the step.
#[derive(Clone)]
pub struct Retrying {
    faults: &'static Faults,
    pause: Arc<dyn Pause>,
    stop: StopSignal,
    repeats: Arc<AtomicU64>,
}

impl Retrying {
    pub(crate) fn new(faults: &'static Faults, pause: Arc<dyn Pause>, stop: StopSignal) -> Self {
        Self { faults, pause, stop, repeats: Arc::default() }
    }

    /// Is the call to be repeated, once it was so often? Waits as the rule says; a stop ends the wait, and the repeating.
    #[cold]
    pub(crate) fn again(&self, failure: &Failure, repeated: u32) -> bool {
        let Some(rule) = self.faults.repeated_by(failure.cause(), repeated) else { return false };
        let wait = rule.backoff.delay(repeated, self.pause.random());
        tracing::debug!(%failure, ?wait, "a call is repeated");
        self.repeats.fetch_add(1, Ordering::Relaxed);
        self.pause.pause(wait, &self.stop)
    }
}

impl fmt::Debug for Retrying {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retrying").field("faults", &self.faults).finish_non_exhaustive()
    }
}

/// A processor whose failed calls are repeated; `How` is the way it takes its item.
#[derive(Debug)]
pub struct Retried<P, How> {
    inner: P,
    retrying: Retrying,
    how: PhantomData<How>,
}

impl<P, How> Retried<P, How> {
    /// Repeats as the rules of the scope's step say.
    pub fn new(inner: P, scope: &Scope<'_>) -> Self {
        Self { inner, retrying: scope.retrying().clone(), how: PhantomData }
    }
}

/// Tells a failure of what stands behind the processor from one of its own.
struct Behind<'s, S> {
    out: &'s mut S,
    failed: bool,
}

impl<T, S: Sink<T>> Sink<T> for Behind<'_, S> {
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
}

impl<In, P: Process<In>, How: Repeats<In>> Process<In> for Retried<P, How> {
    type Out = P::Out;

    const BUFFERS: bool = P::BUFFERS;

    #[inline]
    fn process(&mut self, item: In, out: &mut impl Sink<Self::Out>) -> Result<(), Failure> {
        let mut out = Behind { out, failed: false };
        let mut repeated = 0;
        self.inner.hold(Slot::Call);
        How::repeat(&mut self.inner, item, &mut out, |processor, out, failure| {
            // What stands behind repeats its own calls.
            if out.failed || !self.retrying.again(failure, repeated) {
                return false;
            }
            repeated += 1;
            processor.put_back(Slot::Call);
            true
        })
    }

    fn flush(&mut self, out: &mut impl Sink<Self::Out>) -> Result<(), Failure> {
        let mut out = Behind { out, failed: false };
        let mut repeated = 0;
        self.inner.hold(Slot::Call);
        loop {
            match self.inner.flush(&mut out) {
                Err(failure) if !out.failed && self.retrying.again(&failure, repeated) => {
                    repeated += 1;
                    self.inner.put_back(Slot::Call);
                }
                done => return done,
            }
        }
    }

    #[inline]
    fn hold(&mut self, slot: Slot) {
        self.inner.hold(slot);
    }

    fn put_back(&mut self, slot: Slot) {
        self.inner.put_back(slot);
    }

    fn save(&self, states: &mut States) -> Result<(), Failure> {
        self.inner.save(states)
    }

    fn restore(&mut self, states: &mut States) -> Result<(), Failure> {
        self.inner.restore(states)
    }
}
