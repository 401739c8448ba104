//! Receives: a reader that failed on more than a record. Gives: another, opened where it stands, as often as the rules say.

use crate::definition::{Failure, Faults, Phase, Reader, StepListener};
use crate::engine::chunk::checkpoint;
use crate::engine::chunk::shared::{Shared, halt};
use crate::engine::faults::retry::{Again, Retrying, after};
use crate::engine::phase::log_if_failed;
use crate::engine::step::Halt;

impl<In, L> Shared<'_, '_, In, L> {
    /// Opens the reader anew where it stands, and tells the listener of it.
    pub(crate) fn read_again<R: Reader<Item = In>, Out>(
        &mut self,
        repeats: &mut ReadRepeats,
        broken: &mut Option<R>,
        failure: Failure,
        anew: impl FnMut() -> Result<R, Failure>,
    ) -> Result<R, Halt>
    where
        L: StepListener<In, Out>,
    {
        let Self { skip_rules, listener, run, phase } = self;
        let tell = |event| match event {
            Reopening::Repeats(failure, repeat) => log_if_failed(listener.on_retry(&failure, repeat)),
            Reopening::Failed => phase.set(Phase::Read),
        };
        let reader = repeats.reopen(broken, failure, anew, skip_rules.retrying, tell);
        reader.map_err(|failure| halt(run.blame(failure, Phase::Read)))
    }
}

/// What happens while a reader is opened anew.
pub(crate) enum Reopening {
    /// It is tried for the time of that number, from 1, after this failure.
    Repeats(Failure, u32),
    /// It could not be opened.
    Failed,
}

/// The last item that could not be read, and how often it was tried.
#[derive(Debug, Default)]
pub(crate) struct ReadRepeats {
    position: String,
    count: u32,
}

impl ReadRepeats {
    /// Opens a reader anew where it stands, as often as the rules say. It stays where it is if they do not.
    pub(crate) fn reopen<R: Reader>(
        &mut self,
        broken: &mut Option<R>,
        mut failure: Failure,
        mut anew: impl FnMut() -> Result<R, Failure>,
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
                Again::Yes => {}
                Again::No => return Err(after(failure, repeated)),
                Again::Stopped => return Err(failure.interrupted()),
            }
            tell(Reopening::Repeats(failure, repeated + 1));
            // What it holds (a connection, a lock) is given back before it is taken again.
            *broken = None;
            let opened = anew().and_then(|mut reader| {
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

/// The failure of a read, placed, and whether the reader goes on after the record it is about.
#[cold]
pub(crate) fn unread<R: Reader>(error: R::Error, reader: &R, faults: &Faults) -> (Failure, bool) {
    let steps_over = reader.steps_over(&error);
    let record = if steps_over { reader.record(&error) } else { None };
    let failure = Failure::new(error).carrying(record);
    if !steps_over {
        return (after_last(failure, reader), false);
    }
    let failure = located(failure, reader);
    let failure = match faults.repeated_by(&failure, 0) {
        Some(rule) => failure.noting(format!(
            "`retry({})` does not repeat it, as the reader has stepped over the record: `Reader::steps_over` says which errors are worth another attempt",
            rule.what
        )),
        None => failure,
    };
    (failure, true)
}

/// Nothing was read since the last item: an error that does not name its own place is told after that one.
fn after_last<R: Reader>(failure: Failure, reader: &R) -> Failure {
    let Some(location) = reader.location() else { return failure };
    let resource = location.split(", ").next().unwrap_or_default();
    if failure.to_string().contains(resource) { failure } else { failure.at(format!("after {location}")) }
}

/// With the place of the record that was read last.
pub(crate) fn located<R: Reader>(failure: Failure, reader: &R) -> Failure {
    match reader.location() {
        Some(location) => failure.at(location),
        None => failure,
    }
}
