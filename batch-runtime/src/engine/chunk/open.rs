//! Opens the components of a step and resumes them after the last commit.

use crate::definition::{Failure, Phase, Process, Reader, StepInfo};
use crate::engine::chunk::checkpoint::{self, Place};
use crate::engine::chunk::committed_ranges::CommittedRanges;
use crate::engine::chunk::fill::Pipeline;
use crate::engine::chunk::shared::halt;
use crate::engine::faults::panic;
use crate::engine::step::{Halt, StepRun, of_role};

pub(crate) fn during_open(failure: Failure) -> Halt {
    halt(failure.during(Phase::Open))
}

/// Resumes reader and processors after the last commit. Returns the committed ranges ahead of the reader.
pub(crate) fn resume<R: Reader, P: Process<R::Item>, const CAREFUL: bool>(
    run: &StepRun<'_>,
    mut pipeline: Pipeline<R, P, CAREFUL>,
) -> Result<(Pipeline<R, P, CAREFUL>, CommittedRanges), Failure> {
    let (_, committed_ranges) =
        resume_reader(run.info, run.inherited.reader.as_deref(), &mut pipeline.reader)?;
    pipeline.processor.restore(&mut run.inherited.states.clone())?;
    Ok((pipeline, committed_ranges))
}

/// Resumes the reader after the last commit. Returns its encoded position and the committed ranges ahead of
/// it.
pub(crate) fn resume_reader<R: Reader>(
    info: &StepInfo,
    inherited: Option<&str>,
    reader: &mut R,
) -> Result<(String, CommittedRanges), Failure> {
    let mut committed_ranges = CommittedRanges::default();
    if let Some(text) = inherited {
        let Place { at, ahead, done } = checkpoint::decode_place(text)?;
        reader.resume(at).map_err(|error| of_role(info, Failure::new(error), "reader"))?;
        checkpoint::pass(reader, ahead).map_err(|failure| of_role(info, failure, "reader"))?;
        committed_ranges = CommittedRanges::ahead_of(ahead, done);
    }
    // A position that cannot be decoded must fail here, not at the next restart.
    let position = checkpoint::encode(&reader.position())?;
    checkpoint::decode::<R::Position>(&position)?;
    Ok((position, committed_ranges))
}

/// Opens the components of one role. A panic is caught here, where the role is known.
pub(crate) fn opening<T>(
    run: &StepRun<'_>,
    role: &'static str,
    open: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, Halt> {
    panic::catch(open)
        .and_then(|opened| opened)
        .map_err(|failure| halt(run.of_role(failure, role).during(Phase::Open)))
}
