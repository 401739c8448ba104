//! Failures on their way between processes. They lose their types on the way, so the sending process says which rule
//! of the step covers each failure.

use serde::{Deserialize, Serialize};

use crate::definition::{Failure, FailureParts, FaultRules, Phase, StepInfo};

/// A failure as it is sent.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SentFailure {
    component: Option<String>,
    phase: Option<u8>,
    location: Option<String>,
    record: Option<String>,
    is_panic: bool,
    is_fatal: bool,
    is_interrupted: bool,
    notes: Vec<String>,
    /// The messages of the error and of its sources.
    messages: Vec<String>,
    /// The number of the `skip` rule that decides, and whether it applies.
    rule: Option<(usize, bool)>,
    /// The error that a rule names but that is hidden inside this error.
    hidden: Option<String>,
}

const PHASES: [Phase; 7] =
    [Phase::Open, Phase::Read, Phase::Process, Phase::Write, Phase::Tasklet, Phase::Aggregate, Phase::Decide];

impl SentFailure {
    pub(super) fn of(failure: &Failure, faults: &FaultRules) -> Self {
        let phase = failure.phase().and_then(|phase| PHASES.iter().position(|it| *it == phase));
        Self {
            component: failure.component().map(str::to_owned),
            phase: phase.and_then(|phase| u8::try_from(phase).ok()),
            location: failure.location().map(str::to_owned),
            record: failure.record().map(str::to_owned),
            is_panic: failure.is_panic(),
            is_fatal: failure.is_fatal(),
            is_interrupted: failure.is_interrupted(),
            notes: failure.notes().to_vec(),
            messages: failure.messages(),
            rule: faults.rule_for(failure),
            hidden: faults.hidden_in(failure).map(str::to_owned),
        }
    }

    pub(super) fn received(self, info: &StepInfo) -> Failure {
        // Names that this program does not know are dropped.
        let component = self.component.and_then(|name| {
            info.components.iter().map(|component| component.name).find(|known| *known == name)
        });
        Failure::received(FailureParts {
            component,
            phase: self.phase.and_then(|phase| PHASES.get(usize::from(phase)).copied()),
            location: self.location,
            record: self.record,
            is_panic: self.is_panic,
            is_fatal: self.is_fatal,
            is_interrupted: self.is_interrupted,
            notes: self.notes,
            messages: self.messages,
            rule: self.rule,
            hidden: self.hidden,
        })
    }
}
