//! Receives: a processor of a step with `retry`. Gives: it called again where a rule says so, in place.

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

/// Decides whether a call is repeated, and waits before it is. Shared by what runs the step.
#[derive(Clone)]
pub struct Retrying {
    faults: &'static Faults,
    pause: Arc<dyn Pause>,
    stop: StopSignal,
    /// When the step has taken too long: nothing is waited for beyond it.
    deadline: Option<Instant>,
    /// Of a partition: what the step, with all its partitions, has skipped.
    skipped: Option<SkipCount>,
    /// What was repeated and is not told yet: listeners hear of it on the thread of the step.
    repeated: Arc<Mutex<Vec<(Failure, u32)>>>,
}

/// What becomes of a call that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Again {
    /// It is repeated; the wait is over.
    Yes,
    /// No rule says so, or not any more.
    No,
    /// It would be, but the job is to stop.
    Stopped,
}

impl Retrying {
    /// For a step that begins now.
    pub(crate) fn new(options: &StepOptions, pause: Arc<dyn Pause>, stop: StopSignal) -> Self {
        let deadline = options.timeout.and_then(|bound| pause.now().checked_add(bound));
        Self { faults: options.faults, pause, stop, deadline, skipped: None, repeated: Arc::default() }
    }

    /// The same for a partition of the step, which is stopped by another signal.
    pub(crate) fn of_partition(&self, stop: StopSignal, skipped: SkipCount) -> Self {
        Self { stop, skipped: Some(skipped), repeated: Arc::default(), ..self.clone() }
    }

    /// What the step has skipped: `before`, unless others count too.
    pub(crate) fn skipped(&self, before: u64) -> SkipCount {
        self.skipped.clone().unwrap_or_else(|| SkipCount::new(before))
    }

    /// Has the step taken longer than it may?
    pub(crate) fn is_late(&self) -> bool {
        self.deadline.is_some_and(|deadline| self.pause.now() >= deadline)
    }

    /// What tells the time.
    pub(crate) fn clock(&self) -> &dyn Pause {
        &*self.pause
    }

    /// Is the call to be repeated, once it was so often? Waits as the rule says; a stop ends the wait, and the repeating.
    #[cold]
    pub(crate) fn again(&self, failure: &Failure, repeated: u32) -> Again {
        match self.wait_for(failure, repeated) {
            None => Again::No,
            Some(wait) if self.pause(wait) => Again::Yes,
            Some(_) => Again::Stopped,
        }
    }

    /// How long to wait before the call is repeated; `None` where it is not.
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
        tracing::debug!(%failure, ?wait, "a call is repeated");
        Some(wait)
    }

    /// Waits; false if a stop ended it.
    pub(crate) fn pause(&self, wait: Duration) -> bool {
        self.pause.pause(wait, &self.stop)
    }

    /// A call was repeated after this failure, for the time of that number.
    #[cold]
    pub(crate) fn note(&self, failure: Failure, repeat: u32) {
        self.lock().push((failure, repeat));
    }

    /// What was repeated since this was asked last.
    pub(crate) fn take_noted(&self) -> Vec<(Failure, u32)> {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(Failure, u32)>> {
        self.repeated.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Is there a rule that repeats anything?
    pub(crate) fn has_rules(&self) -> bool {
        !self.faults.retry.is_empty()
    }

    /// The same, and a signal that ends its waits, and nothing else.
    pub(crate) fn given_up_by(&self) -> (Self, StopSignal) {
        let stop = self.stop.of_branches();
        (Self { stop: stop.clone(), ..self.clone() }, stop)
    }

    /// Calls until it succeeds or no rule says to call again; `between` undoes what a failed call left behind, and says whether
    /// the failure is one to repeat at all.
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

/// Is the input as a whole not what its reader takes? It is the same when it is read again.
fn is_of_the_input(failure: &Failure) -> bool {
    failure.phase() == Some(Phase::Read)
        && failure.find::<ReadError>().is_some_and(ReadError::is_about_the_input)
}

/// The failure, with how often the call was made.
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

/// A processor whose failed calls are repeated; `How` is the way it takes its item. One that never `FAILS` is called as it is: no
/// copy of the item or the state is kept for it.
#[derive(Debug)]
pub struct Retried<P, How, const FAILS: bool> {
    inner: P,
    retrying: Retrying,
    /// The calls that it repeated, until they are told.
    noted: Noted,
    how: PhantomData<How>,
}

impl<P, How, const FAILS: bool> Retried<P, How, FAILS> {
    /// Repeats as the rules of the scope's step say.
    pub fn new(inner: P, scope: &Scope<'_>) -> Self {
        Self { inner, retrying: scope.retrying().clone(), noted: Noted::new(), how: PhantomData }
    }
}

/// Calls that failed and were repeated, each with the number of the repetition.
pub(crate) type Noted = Vec<(Failure, u32)>;

/// Tells a failure of what stands behind the processor from one of its own: what stands behind repeats its own calls.
#[derive(Debug)]
pub struct Behind<'s, S> {
    out: &'s mut S,
    failed: bool,
}

/// How a call that failed is repeated; implemented for the ways in which a processor takes its item.
#[diagnostic::on_unimplemented(
    message = "`{In}` cannot be processed a second time: the processor takes it by value, and it is no `Clone`",
    label = "`retry` calls this processor again",
    note = "let the processor take `&{In}`, which needs nothing; or derive `Clone` for it; or drop `retry`"
)]
pub trait Repeats<In> {
    /// Named by checks.
    const IS: () = ();

    /// Is the item with the caller still when the last call has failed?
    const LEAVES: bool = false;

    /// Calls the processor until it succeeds, or is not to be called again.
    ///
    /// # Errors
    /// The failure of the last call.
    fn repeat<P: Process<In>, S: Sink<P::Out>>(
        processor: &mut P,
        item: In,
        out: &mut Behind<'_, S>,
        retrying: &Retrying,
        noted: &mut Noted,
    ) -> Result<(), Failure>;

    /// The same for an item that the caller keeps; asked only of ways that [leave](Self::LEAVES) it.
    ///
    /// # Errors
    /// The failure of the last call.
    fn repeat_ref<P: Process<In>, S: Sink<P::Out>>(
        _processor: &mut P,
        _item: &In,
        _out: &mut Behind<'_, S>,
        _retrying: &Retrying,
        _noted: &mut Noted,
    ) -> Result<(), Failure> {
        unreachable!("asked only of ways that leave the item")
    }
}

fn undo<In, P: Process<In>, S>(processor: &mut P, out: &Behind<'_, S>) -> bool {
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
        out: &mut Behind<'_, S>,
        retrying: &Retrying,
        noted: &mut Noted,
    ) -> Result<(), Failure> {
        Self::repeat_ref(processor, &item, out, retrying, noted)
    }

    #[inline]
    fn repeat_ref<P: Process<In>, S: Sink<P::Out>>(
        processor: &mut P,
        item: &In,
        out: &mut Behind<'_, S>,
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
        out: &mut Behind<'_, S>,
        retrying: &Retrying,
        noted: &mut Noted,
    ) -> Result<(), Failure> {
        Self::repeat_ref(processor, &item, out, retrying, noted)
    }

    #[inline]
    fn repeat_ref<P: Process<In>, S: Sink<P::Out>>(
        processor: &mut P,
        item: &In,
        out: &mut Behind<'_, S>,
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

/// The call is made, and repeated, beside others.
#[diagnostic::do_not_recommend]
impl<In, How: Repeats<In>> Repeats<In> for InWindow<How> {
    fn repeat<P: Process<In>, S: Sink<P::Out>>(
        processor: &mut P,
        item: In,
        out: &mut Behind<'_, S>,
        _retrying: &Retrying,
        _noted: &mut Noted,
    ) -> Result<(), Failure> {
        processor.process(item, out)
    }
}

/// The call is made, and repeated, at the end of the chunk.
#[diagnostic::do_not_recommend]
impl<In> Repeats<In> for AtOnce {
    #[inline]
    fn repeat<P: Process<In>, S: Sink<P::Out>>(
        processor: &mut P,
        item: In,
        out: &mut Behind<'_, S>,
        _retrying: &Retrying,
        _noted: &mut Noted,
    ) -> Result<(), Failure> {
        processor.process(item, out)
    }
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
        How::repeat(inner, item, &mut Behind { out, failed: false }, retrying, noted)
    }

    #[expect(clippy::inline_always, reason = "a call of its own costs as much as the rest of the loop does")]
    #[inline(always)]
    fn process_ref(&mut self, item: &In, out: &mut impl Sink<Self::Out>) -> Result<(), Failure> {
        let Self { inner, retrying, noted, .. } = self;
        if !FAILS {
            return inner.process_ref(item, out);
        }
        inner.hold(Slot::Call);
        How::repeat_ref(inner, item, &mut Behind { out, failed: false }, retrying, noted)
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
            &mut (inner, Behind { out, failed: false }),
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
