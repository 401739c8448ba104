//! Reopens a reader at its position after an error that it cannot step over, as often as the `retry` rules allow.

use crate::definition::{Failure, FaultRules, Phase, Reader, StepListener};
use crate::engine::chunk::checkpoint;
use crate::engine::chunk::shared::{Shared, halt};
use crate::engine::faults::retry::{RetryDecision, Retrying, after};
use crate::engine::phase::log_if_failed;
use crate::engine::step::Halt;

impl<In, L> Shared<'_, '_, In, L> {
    /// Reopens the reader at its position, and notifies the listener.
    pub(crate) fn read_again<R: Reader<Item = In>, Out>(
        &mut self,
        repeats: &mut ReadRepeats,
        broken: &mut Option<R>,
        failure: Failure,
        open: impl FnMut() -> Result<R, Failure>,
    ) -> Result<R, Halt>
    where
        L: StepListener<In, Out>,
    {
        let Self { skip_rules, listener, run, phase } = self;
        let tell = |event| match event {
            Reopening::Repeats(failure, repeat) => log_if_failed(listener.on_retry(&failure, repeat)),
            Reopening::Failed => phase.set(Phase::Read),
        };
        let reader = repeats.reopen(broken, failure, open, skip_rules.retrying, tell);
        reader.map_err(|failure| halt(run.blame(failure, Phase::Read)))
    }
}

/// An event during the reopening of a reader.
pub(crate) enum Reopening {
    /// The reader is reopened after this failure. The number counts the attempts from 1.
    Repeats(Failure, u32),
    /// The reader could not be opened.
    Failed,
}

/// The position at which a read failed last, and the number of attempts to read on from there.
#[derive(Debug, Default)]
pub(crate) struct ReadRepeats {
    position: String,
    count: u32,
}

impl ReadRepeats {
    /// Reopens a reader at its position, as often as the rules allow. If they do not allow it at all, the broken
    /// reader stays in `broken`.
    pub(crate) fn reopen<R: Reader>(
        &mut self,
        broken: &mut Option<R>,
        mut failure: Failure,
        mut open: impl FnMut() -> Result<R, Failure>,
        retrying: &Retrying,
        mut tell: impl FnMut(Reopening),
    ) -> Result<R, Failure> {
        if let Some(reader) = broken {
            let position = checkpoint::encode(&reader.position())?;
            if self.position != position {
                *self = Self { position, count: 0 };
            }
        }
        loop {
            let repeated = self.count;
            self.count += 1;
            match retrying.again(&failure, repeated) {
                RetryDecision::Yes => {}
                RetryDecision::No => return Err(after(failure, repeated)),
                RetryDecision::Stopped => return Err(failure.interrupted()),
            }
            tell(Reopening::Repeats(failure, repeated + 1));
            // Drop the old reader first: it may hold a connection or a lock that the new one needs.
            *broken = None;
            let opened = open().and_then(|mut reader| {
                reader.resume(checkpoint::decode(&self.position)?).map_err(Failure::new)?;
                Ok(reader)
            });
            match opened {
                Ok(reader) => return Ok(reader),
                Err(error) => {
                    tell(Reopening::Failed);
                    failure = error;
                }
            }
        }
    }
}

/// The failure of a read with its place, and whether the reader steps over the record.
#[cold]
pub(crate) fn read_failure<R: Reader>(error: R::Error, reader: &R, faults: &FaultRules) -> (Failure, bool) {
    let steps_over = reader.steps_over(&error);
    let record = if steps_over { reader.record(&error) } else { None };
    let failure = Failure::new(error).carrying(record);
    if !steps_over {
        return (after_last(failure, reader), false);
    }
    (stepped_over(located(failure, reader), faults), true)
}

/// The failure of a record that the reader stepped over, with a note if a rule says to retry it.
#[cold]
pub(crate) fn stepped_over(failure: Failure, faults: &FaultRules) -> Failure {
    match faults.repeated_by(&failure, 0) {
        Some(rule) => failure.with_note(format!(
            "`retry({})` does not apply, because the reader has stepped over the record: `Reader::steps_over` decides which errors are worth another attempt",
            rule.what
        )),
        None => failure,
    }
}

/// Places a failure after the last record that was read, unless the failure names its own place.
fn after_last<R: Reader>(failure: Failure, reader: &R) -> Failure {
    let Some(location) = reader.location() else { return failure };
    let resource = location.split(", ").next().unwrap_or_default();
    if failure.to_string().contains(resource) { failure } else { failure.at(format!("after {location}")) }
}

/// Places a failure at the record that was read last.
pub(crate) fn located<R: Reader>(failure: Failure, reader: &R) -> Failure {
    match reader.location() {
        Some(location) => failure.at(location),
        None => failure,
    }
}
