//! Retries a processor in place when a rule allows it.

use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Context;
use std::thread;
use std::time::{Duration, Instant};

use crate::definition::{
    AtOnce, ByReference, ByValue, Failure, Faults, InWindow, Phase, Process, Scope, Sink, Slot, States,
    StepOptions, StopSignal,
};
use crate::engine::faults::backoff::Pause;
use crate::engine::faults::skip_count::SkipCount;
use crate::readers::ReadError;

/// Decides whether a failed call is retried, and waits before the next attempt. All threads of a step share it.
#[derive(Clone)]
pub struct Retrying {
    faults: &'static Faults,
    pause: Arc<dyn Pause>,
    stop: StopSignal,
    /// When the `timeout` of the step expires. No wait extends beyond it.
    deadline: Option<Instant>,
    /// In a partition: the skips of the step, across all its partitions.
    skipped: Option<SkipCount>,
    /// The retries that the listeners have not been notified of: they are notified on the step's thread.
    repeated: Arc<Mutex<Vec<(Failure, u32)>>>,
}

/// The decision about a call that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Again {
    /// Retry it; the wait is already over.
    Yes,
    /// Do not retry it: no rule applies, or its attempts are used up.
    No,
    /// The job was asked to stop before the next attempt.
    Stopped,
}

impl Retrying {
    /// For a step that begins now.
    pub(crate) fn new(options: &StepOptions, pause: Arc<dyn Pause>, stop: StopSignal) -> Self {
        let deadline = options.timeout.and_then(|bound| pause.now().checked_add(bound));
        Self { faults: options.faults, pause, stop, deadline, skipped: None, repeated: Arc::default() }
    }

    /// As `self`, for a partition of the step, which has a stop signal of its own.
    pub(crate) fn of_partition(&self, stop: StopSignal, skipped: SkipCount) -> Self {
        Self { stop, skipped: Some(skipped), repeated: Arc::default(), ..self.clone() }
    }

    /// The count of the step's skips. It begins at `before` unless the partitions of the step share one.
    pub(crate) fn skipped(&self, before: u64) -> SkipCount {
        self.skipped.clone().unwrap_or_else(|| SkipCount::new(before))
    }

    /// Returns whether the `timeout` of the step has expired.
    pub(crate) fn is_late(&self) -> bool {
        self.deadline.is_some_and(|deadline| self.pause.now() >= deadline)
    }

    /// The clock of the step.
    pub(crate) fn clock(&self) -> &dyn Pause {
        &*self.pause
    }

    /// Decides whether a call that was already retried `repeated` times is retried once more, and waits as the rule
    /// says. A stop ends the wait and the retries.
    #[cold]
    pub(crate) fn again(&self, failure: &Failure, repeated: u32) -> Again {
        match self.wait_for(failure, repeated) {
            None => Again::No,
            Some(wait) if self.pause(wait) => Again::Yes,
            Some(_) => Again::Stopped,
        }
    }

    /// How long to wait before the next attempt; `None` if there is none.
    #[cold]
    pub(crate) fn wait_for(&self, failure: &Failure, repeated: u32) -> Option<Duration> {
        if failure.is_fatal() || is_of_the_input(failure) {
            return None;
        }
        let rule = self.faults.repeated_by(failure, repeated)?;
        let wait = rule.backoff.delay(repeated, self.pause.random());
        if self.deadline.is_some_and(|deadline| self.pause.now() + wait >= deadline) {
            return None;
        }
        tracing::debug!(%failure, ?wait, "retrying a call");
        Some(wait)
    }

    /// Waits. Returns false if a stop ended the wait.
    pub(crate) fn pause(&self, wait: Duration) -> bool {
        self.pause.pause(wait, &self.stop)
    }

    /// Records that a call was retried after this failure, as retry number `repeat`.
    #[cold]
    pub(crate) fn note(&self, failure: Failure, repeat: u32) {
        self.lock().push((failure, repeat));
    }

    /// Takes the retries that were recorded since the last call.
    pub(crate) fn take_noted(&self) -> Vec<(Failure, u32)> {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(Failure, u32)>> {
        self.repeated.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whether the step has any `retry` rules.
    pub(crate) fn has_rules(&self) -> bool {
        !self.faults.retry.is_empty()
    }

    /// A copy of `self`, and a signal that ends the waits of the copy and nothing else.
    pub(crate) fn given_up_by(&self) -> (Self, StopSignal) {
        let stop = self.stop.of_branches();
        (Self { stop: stop.clone(), ..self.clone() }, stop)
    }

    /// Calls until a call succeeds or no rule allows another attempt. `between` undoes the effects of a failed call, and
    /// returns whether the failure may be retried at all.
    #[inline]
    pub(crate) fn repeat<C, T>(
        &self,
        context: &mut C,
        mut call: impl FnMut(&mut C) -> Result<T, Failure>,
        mut between: impl FnMut(&mut C, &Failure) -> bool,
        mut note: impl FnMut(Failure, u32),
    ) -> Result<T, Failure> {
        let mut repeated = 0;
        loop {
            let failure = match call(context) {
                Err(failure) if between(context, &failure) => failure,
                done => return done,
            };
            match self.again(&failure, repeated) {
                Again::Yes => {
                    repeated += 1;
                    note(failure, repeated);
                }
                Again::No => return Err(after(failure, repeated)),
                Again::Stopped => return Err(failure.interrupted()),
            }
        }
    }
}

/// Returns whether the reader does not accept the input as a whole. Reading it again would not change that.
fn is_of_the_input(failure: &Failure) -> bool {
    failure.phase() == Some(Phase::Read)
        && failure.find::<ReadError>().is_some_and(ReadError::is_about_the_input)
}

/// The failure, with the number of attempts.
#[cold]
pub(crate) fn after(failure: Failure, repeated: u32) -> Failure {
    match repeated {
        0 => failure,
        _ => failure.noting(format!("tried {} times", repeated + 1)),
    }
}

impl fmt::Debug for Retrying {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retrying").field("faults", &self.faults).finish_non_exhaustive()
    }
}

/// A processor whose failed calls are retried. `How` is the way in which it takes its item. A processor that never `FAILS`
/// is called directly, without a copy of the item or of its state.
#[derive(Debug)]
pub struct Retried<P, How, const FAILS: bool> {
    inner: P,
    retrying: Retrying,
    /// The retries that the listeners have not been notified of.
    noted: Noted,
    how: PhantomData<How>,
}

impl<P, How, const FAILS: bool> Retried<P, How, FAILS> {
    /// Retries `inner` according to the rules of the scope's step.
    pub fn new(inner: P, scope: &Scope<'_>) -> Self {
        Self { inner, retrying: scope.retrying().clone(), noted: Noted::new(), how: PhantomData }
    }
}

/// Failures of calls that were retried, each with the number of the retry.
pub(crate) type Noted = Vec<(Failure, u32)>;

/// The sink after a processor. It remembers whether a failure came from there and not from the processor itself: the
/// processors after this one retry their own calls.
#[derive(Debug)]
pub struct Downstream<'s, S> {
    out: &'s mut S,
    failed: bool,
}

/// How a failed call is retried. Each way in which a processor can take its item implements it.
#[diagnostic::on_unimplemented(
    message = "`{In}` cannot be processed a second time: the processor takes it by value, and it is not `Clone`",
    label = "`retry` calls this processor again",
    note = "let the processor take `&{In}`, or derive `Clone` for `{In}`, or remove `retry`"
)]
pub trait Repeats<In> {
    /// Generated code names it to check that the trait is implemented.
    const IS: () = ();

    /// True if the caller still has the item after the last call has failed.
    const LEAVES: bool = false;

    /// Calls the processor until it succeeds or no rule allows another attempt.
    ///
    /// # Errors
    /// The failure of the last call.
    fn repeat<P: Process<In>, S: Sink<P::Out>>(
        processor: &mut P,
        item: In,
        out: &mut Downstream<'_, S>,
        retrying: &Retrying,
        noted: &mut Noted,
    ) -> Result<(), Failure>;

    /// As [`repeat`](Self::repeat), for an item that the caller keeps. Called only if [`LEAVES`](Self::LEAVES) is true.
    ///
    /// # Errors
    /// The failure of the last call.
    fn repeat_ref<P: Process<In>, S: Sink<P::Out>>(
        _processor: &mut P,
        _item: &In,
        _out: &mut Downstream<'_, S>,
        _retrying: &Retrying,
        _noted: &mut Noted,
    ) -> Result<(), Failure> {
        unreachable!("called only where `LEAVES` is true")
    }
}

fn undo<In, P: Process<In>, S>(processor: &mut P, out: &Downstream<'_, S>) -> bool {
    processor.put_back(Slot::Call);
    !out.failed
}

#[diagnostic::do_not_recommend]
impl<In: Clone> Repeats<In> for ByValue {
    const LEAVES: bool = true;

    #[inline]
    fn repeat<P: Process<In>, S: Sink<P::Out>>(
        processor: &mut P,
        item: In,
        out: &mut Downstream<'_, S>,
        retrying: &Retrying,
        noted: &mut Noted,
    ) -> Result<(), Failure> {
        Self::repeat_ref(processor, &item, out, retrying, noted)
    }

    #[inline]
    fn repeat_ref<P: Process<In>, S: Sink<P::Out>>(
        processor: &mut P,
        item: &In,
        out: &mut Downstream<'_, S>,
        retrying: &Retrying,
        noted: &mut Noted,
    ) -> Result<(), Failure> {
        retrying.repeat(
            &mut (processor, out),
            |(processor, out)| processor.process(item.clone(), *out),
            |(processor, out), _| undo(*processor, out),
            |failure, repeat| noted.push((failure, repeat)),
        )
    }
}

#[diagnostic::do_not_recommend]
impl<In> Repeats<In> for ByReference {
    const LEAVES: bool = true;

    #[inline]
    fn repeat<P: Process<In>, S: Sink<P::Out>>(
        processor: &mut P,
        item: In,
        out: &mut Downstream<'_, S>,
        retrying: &Retrying,
        noted: &mut Noted,
    ) -> Result<(), Failure> {
        Self::repeat_ref(processor, &item, out, retrying, noted)
    }

    #[inline]
    fn repeat_ref<P: Process<In>, S: Sink<P::Out>>(
        processor: &mut P,
        item: &In,
        out: &mut Downstream<'_, S>,
        retrying: &Retrying,
        noted: &mut Noted,
    ) -> Result<(), Failure> {
        retrying.repeat(
            &mut (processor, out),
            |(processor, out)| processor.process_ref(item, *out),
            |(processor, out), _| undo(*processor, out),
            |failure, repeat| noted.push((failure, repeat)),
        )
    }
}

/// The window makes the call and retries it, together with other calls.
#[diagnostic::do_not_recommend]
impl<In, How: Repeats<In>> Repeats<In> for InWindow<How> {
    fn repeat<P: Process<In>, S: Sink<P::Out>>(
        processor: &mut P,
        item: In,
        out: &mut Downstream<'_, S>,
        _retrying: &Retrying,
        _noted: &mut Noted,
    ) -> Result<(), Failure> {
        processor.process(item, out)
    }
}

/// The call is made and retried when the chunk is flushed.
#[diagnostic::do_not_recommend]
impl<In> Repeats<In> for AtOnce {
    #[inline]
    fn repeat<P: Process<In>, S: Sink<P::Out>>(
        processor: &mut P,
        item: In,
        out: &mut Downstream<'_, S>,
        _retrying: &Retrying,
        _noted: &mut Noted,
    ) -> Result<(), Failure> {
        processor.process(item, out)
    }
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
}

impl<In, P: Process<In>, How: Repeats<In>, const FAILS: bool> Process<In> for Retried<P, How, FAILS> {
    type Out = P::Out;

    const BUFFERS: bool = P::BUFFERS;
    const CONCURRENT: bool = P::CONCURRENT;
    const LEAVES: bool = if FAILS { How::LEAVES } else { P::LEAVES };
    const NOTES: bool = FAILS;

    #[expect(clippy::inline_always, reason = "a call of its own costs as much as the rest of the loop does")]
    #[inline(always)]
    fn process(&mut self, item: In, out: &mut impl Sink<Self::Out>) -> Result<(), Failure> {
        let Self { inner, retrying, noted, .. } = self;
        if !FAILS {
            return inner.process(item, out);
        }
        inner.hold(Slot::Call);
        How::repeat(inner, item, &mut Downstream { out, failed: false }, retrying, noted)
    }

    #[expect(clippy::inline_always, reason = "a call of its own costs as much as the rest of the loop does")]
    #[inline(always)]
    fn process_ref(&mut self, item: &In, out: &mut impl Sink<Self::Out>) -> Result<(), Failure> {
        let Self { inner, retrying, noted, .. } = self;
        if !FAILS {
            return inner.process_ref(item, out);
        }
        inner.hold(Slot::Call);
        How::repeat_ref(inner, item, &mut Downstream { out, failed: false }, retrying, noted)
    }

    #[inline]
    fn has_noted(&self) -> bool {
        FAILS && !self.noted.is_empty()
    }

    fn take_noted(&mut self) -> Noted {
        std::mem::take(&mut self.noted)
    }

    fn take_returned(&mut self) -> Vec<(u32, In)> {
        self.inner.take_returned()
    }

    fn flush(&mut self, out: &mut impl Sink<Self::Out>) -> Result<(), Failure> {
        let Self { inner, retrying, noted, .. } = self;
        if !FAILS {
            return inner.flush(out);
        }
        inner.hold(Slot::Call);
        retrying.repeat(
            &mut (inner, Downstream { out, failed: false }),
            |(inner, out)| inner.flush(out),
            |(inner, out), _| {
                inner.put_back(Slot::Call);
                !out.failed
            },
            |failure, repeat| noted.push((failure, repeat)),
        )
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
