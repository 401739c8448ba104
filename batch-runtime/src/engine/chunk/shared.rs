//! The state of a step that reading, processing and writing share.

use std::cell::Cell;

use crate::definition::{Failure, Phase, StepListener};
use crate::engine::chunk::batch::Extent;
use crate::engine::faults::retry::Noted;
use crate::engine::faults::skip_rules::SkipRules;
use crate::engine::phase::log_if_failed;
use crate::engine::step::{Halt, StepRun};

/// The state of a step that reading, processing and writing share.
pub(crate) struct Shared<'l, 'r, In, L> {
    pub(crate) run: &'l StepRun<'r>,
    /// The phase of the user code that is being called; read after a panic.
    pub(crate) phase: &'l Cell<Phase>,
    pub(crate) listener: &'l mut L,
    pub(crate) skip_rules: SkipRules<'l, In>,
}

impl<'l, 'r, In, L> Shared<'l, 'r, In, L> {
    pub(crate) fn new(
        run: &'l StepRun<'r>,
        phase: &'l Cell<Phase>,
        listener: &'l mut L,
        json: fn(&In) -> Option<String>,
    ) -> Self {
        let skip_rules = SkipRules::new(run.info.options.faults, run.retrying(), &run.before, json);
        Self { run, phase, listener, skip_rules }
    }

    /// Returns the extent of a chunk that begins now.
    pub(crate) fn extent(&self) -> Extent<'l> {
        Extent::of(self.run.info, self.run.sizes.chunk, self.skip_rules.retrying.clock())
    }

    /// Notifies the listener of the reads by other threads that were retried.
    pub(crate) fn notify_retries<Out>(&mut self)
    where
        L: StepListener<In, Out>,
    {
        for (failure, retry) in self.skip_rules.retrying.take_noted() {
            log_if_failed(self.listener.on_read_error(&failure));
            log_if_failed(self.listener.on_retry(&failure, retry));
        }
    }

    /// Notifies the listener of processor calls that failed and were retried.
    #[cold]
    pub(crate) fn notify_attempts<Out>(&mut self, attempts: Noted, item: Option<&In>)
    where
        L: StepListener<In, Out>,
    {
        for (failure, retry) in attempts {
            let failure = self.run.blame(failure, Phase::Process);
            log_if_failed(self.listener.on_process_error(item, &failure));
            log_if_failed(self.listener.on_retry(&failure, retry));
        }
    }

    /// As [`StepRun::blame`]; also sets the current phase.
    pub(crate) fn blame(&self, failure: Failure, phase: Phase) -> Failure {
        self.phase.set(phase);
        self.run.blame(failure, phase)
    }
}

/// Returns how a step ends after a failure: an interrupted call means that the step was asked to stop.
pub(crate) fn halt(failure: Failure) -> Halt {
    if failure.is_interrupted() { Halt::Stopped } else { Halt::Failed(failure) }
}
