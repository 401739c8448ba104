//! Decides whether a failed call is retried, and waits before the next attempt.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::definition::{Failure, FaultRules, Phase, StepOptions, StopSignal};
use crate::engine::faults::pause::Pause;
use crate::engine::faults::skip_count::SkipCount;
use crate::readers::ReadError;

/// Decides whether a failed call is retried, and waits before the next attempt. All threads of a step share it.
#[derive(Clone)]
pub struct Retrying {
    faults: &'static FaultRules,
    pause: Arc<dyn Pause>,
    stop: StopSignal,
    /// When the `timeout` of the step expires. No wait extends beyond it.
    deadline: Option<Instant>,
    /// The count of the step's skips across all its partitions; `None` outside partitions.
    skipped: Option<SkipCount>,
    /// The reads by other threads that were retried; the step's thread has not notified the listeners of them yet.
    repeated: Arc<Mutex<Noted>>,
}

/// Failures of calls that were retried, each with the number of the retry.
pub(crate) type Noted = Vec<(Failure, u32)>;

/// The decision about a call that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RetryDecision {
    /// Retry the call now; the wait before the retry is already over.
    Yes,
    /// Do not retry the call: no rule applies, or the attempts of the rule are used up.
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

    /// As `self`, for a step that began this long `ago` in another process.
    pub(crate) fn begun_before(self, ago: Duration) -> Self {
        let deadline =
            self.deadline.map(|deadline| deadline.checked_sub(ago).unwrap_or_else(|| self.pause.now()));
        Self { deadline, ..self }
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

    /// The signal that asks the step to stop.
    pub(crate) fn stop(&self) -> &StopSignal {
        &self.stop
    }

    /// The clock of the step.
    pub(crate) fn clock(&self) -> &dyn Pause {
        &*self.pause
    }

    /// Decides whether a call that was already retried `repeated` times is retried once more, and waits as the rule
    /// says. A stop ends the wait and the retries.
    #[cold]
    pub(crate) fn again(&self, failure: &Failure, repeated: u32) -> RetryDecision {
        match self.wait_for(failure, repeated) {
            None => RetryDecision::No,
            Some(wait) if self.pause(wait) => RetryDecision::Yes,
            Some(_) => RetryDecision::Stopped,
        }
    }

    /// How long to wait before the next attempt; `None` if the call is not retried.
    #[cold]
    pub(crate) fn wait_for(&self, failure: &Failure, repeated: u32) -> Option<Duration> {
        if failure.is_fatal() || failure.is_unreadable() || is_of_the_input(failure) {
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

    /// Records that a read was retried after this failure, as retry number `repeat`.
    #[cold]
    pub(crate) fn note(&self, failure: Failure, repeat: u32) {
        self.lock().push((failure, repeat));
    }

    /// Takes the retried reads that were recorded since the last call.
    pub(crate) fn take_noted(&self) -> Noted {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Noted> {
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

    /// Repeats `call` until it succeeds or no rule allows another attempt. `between` undoes the effects of a failed
    /// call, and returns whether the failure may be retried at all.
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
                RetryDecision::Yes => {
                    repeated += 1;
                    note(failure, repeated);
                }
                RetryDecision::No => return Err(after(failure, repeated)),
                RetryDecision::Stopped => return Err(failure.interrupted()),
            }
        }
    }
}

/// Returns whether the reader rejects the input as a whole. Reading it again would not change that.
fn is_of_the_input(failure: &Failure) -> bool {
    failure.phase() == Some(Phase::Read)
        && (failure.find::<ReadError>().is_some_and(ReadError::is_about_the_input)
            || is_of_an_http_api(failure))
}

/// Returns whether the failure is an answer of an HTTP API that would refuse the same request again.
#[cfg(feature = "http")]
fn is_of_an_http_api(failure: &Failure) -> bool {
    use crate::readers::http::HttpError;
    failure.find::<HttpError>().is_some_and(HttpError::is_about_the_input)
}

#[cfg(not(feature = "http"))]
fn is_of_an_http_api(_: &Failure) -> bool {
    false
}

/// The failure, with the number of attempts.
#[cold]
pub(crate) fn after(failure: Failure, repeated: u32) -> Failure {
    match repeated {
        0 => failure,
        _ => failure.with_note(format!("tried {} times", repeated + 1)),
    }
}

impl fmt::Debug for Retrying {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retrying").field("faults", &self.faults).finish_non_exhaustive()
    }
}
