//! [`StopSignal`], which asks a running job to stop, and ends the waits of its components.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long a wait lasts before it checks the stop signal again.
const CHECK_INTERVAL: Duration = Duration::from_millis(20);

/// The error of a call that gave up because the job was asked to stop. [`StopSignal::pause`] returns it.
///
/// If it is the error of a component, or among the sources of that error, the step ends as STOPPED instead of FAILED,
/// and a restart continues after the last commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the job was asked to stop")]
#[non_exhaustive]
pub struct Stopped;

/// Asks a running job to stop at the next chunk boundary. All clones share one signal.
#[derive(Debug, Clone, Default)]
pub struct StopSignal {
    flag: Arc<AtomicBool>,
    /// Raising the outer signal raises this one too.
    outer: Option<Outer>,
}

/// The signal that another one is derived from.
#[derive(Debug, Clone)]
enum Outer {
    /// The signal of all executions; this one belongs to a single execution.
    OfAll(Arc<StopSignal>),
    /// The signal of the execution; this one belongs to the branches of a split or the threads of a step.
    OfExecution(Arc<StopSignal>),
}

impl Outer {
    fn signal(&self) -> &StopSignal {
        match self {
            Self::OfAll(outer) | Self::OfExecution(outer) => outer,
        }
    }
}

impl StopSignal {
    /// A signal that is not raised.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A signal that is raised by setting `flag`.
    #[must_use]
    pub fn from_flag(flag: Arc<AtomicBool>) -> Self {
        Self { flag, outer: None }
    }

    /// A new signal for one execution. It is raised with `self`; raising it alone stops only that execution.
    pub(crate) fn of_execution(&self) -> Self {
        Self { flag: Arc::default(), outer: Some(Outer::OfAll(Arc::new(self.clone()))) }
    }

    /// A new signal for the branches of a split or the threads of a step. It is raised with `self`, or alone by
    /// [`give_up`](Self::give_up).
    pub(crate) fn of_branches(&self) -> Self {
        Self { flag: Arc::default(), outer: Some(Outer::OfExecution(Arc::new(self.clone()))) }
    }

    /// Asks to stop.
    pub fn raise(&self) {
        match &self.outer {
            Some(Outer::OfExecution(execution)) => execution.raise(),
            _ => self.flag.store(true, Ordering::Relaxed),
        }
    }

    /// Stops only the branches or threads that share this signal.
    pub(crate) fn give_up(&self) {
        self.flag.store(true, Ordering::Relaxed);
    }

    /// Returns whether a stop was requested.
    #[must_use]
    pub fn is_raised(&self) -> bool {
        self.flag.load(Ordering::Relaxed)
            || self.outer.as_ref().is_some_and(|outer| outer.signal().is_raised())
    }

    /// Waits, checking the signal fifty times a second.
    ///
    /// ```
    /// use std::time::Duration;
    /// use batch_runtime::StopSignal;
    ///
    /// let stop = StopSignal::new();
    /// stop.pause(Duration::from_millis(1))?;
    /// stop.raise();
    /// assert!(stop.pause(Duration::from_hours(1)).is_err(), "at once");
    /// # Ok::<(), batch_runtime::Stopped>(())
    /// ```
    ///
    /// # Errors
    /// If the signal is raised before the wait is over.
    pub fn pause(&self, wait: Duration) -> Result<(), Stopped> {
        // A wait beyond the range of the clock has no end.
        let until = Instant::now().checked_add(wait);
        loop {
            if self.is_raised() {
                return Err(Stopped);
            }
            let left = until.map_or(CHECK_INTERVAL, |until| until.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(CHECK_INTERVAL));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branches_stop_with_the_job_or_alone() {
        let (job, other) = (StopSignal::new(), StopSignal::new());
        let (branches, inner) = (job.of_branches(), job.of_branches().of_branches());
        branches.give_up();
        assert!(branches.is_raised() && !job.is_raised() && !inner.is_raised());
        inner.raise();
        assert!(job.is_raised() && inner.is_raised() && !other.is_raised());
    }

    #[test]
    fn an_execution_stops_with_all_others_or_alone() {
        let all = StopSignal::new();
        let (one, other) = (all.of_execution(), all.of_execution());
        one.of_branches().raise();
        assert!(one.is_raised() && !other.is_raised() && !all.is_raised());
        all.raise();
        assert!(other.of_branches().is_raised());
    }
}
