//! Receives: the partitions of a step, all complete. Gives: what its aggregator makes of the states that they have committed.

use super::super::checkpoint::Checkpoint;
use super::super::execution::Request;
use super::super::step::{Halt, StepEnd, StepRun};
use super::super::{panic, replay};
use super::PartitionedRun;
use crate::definition::{Aggregation, Failure, Phase};
use crate::repository::PartitionExecution;

impl PartitionedRun<'_> {
    /// Calls the step's aggregator, where it has one. The partitions' states stand in the repository, and stay: it may be called
    /// again, by a restart, until the step is complete.
    pub(super) fn aggregated(&self, partitions: &[PartitionExecution]) -> Result<Option<String>, Halt> {
        let Some(aggregation) = aggregation(self.run) else { return Ok(None) };
        let Self { request, run } = self;
        let mut parts = Vec::with_capacity(partitions.len());
        for partition in partitions {
            let mut context =
                request.repository.partition_context(request.ownership, partition.id).map_err(Halt::Lost)?;
            let states = Checkpoint::take(&mut context).map_err(Halt::Failed)?.states;
            parts.push(states.of(aggregation.keeper));
        }
        called(run, aggregation, parts).map(Some).map_err(Halt::Failed)
    }
}

/// In a replay nothing is read in partitions: what skips items there cannot be replayed. The steps that follow may still ask for what
/// the step leaves: what it left where it was replayed from, and what its aggregator makes of none where it had not completed there.
pub(in crate::engine) fn aggregated_in_replay(
    request: &Request<'_>,
    run: &StepRun<'_>,
    mut end: StepEnd,
) -> StepEnd {
    if let (Some(aggregation), Ok(done)) = (aggregation(run), &mut end.result) {
        match left(request, run, aggregation) {
            Ok(output) => done.output = Some(output),
            Err(halt) => end.result = Err(halt),
        }
    }
    end
}

fn left(request: &Request<'_>, run: &StepRun<'_>, aggregation: Aggregation) -> Result<String, Halt> {
    let left = match replay::execution(&request.environment.job.parameters) {
        Some(replayed) => {
            let journal = replay::journal(request.repository, replayed).map_err(Halt::Lost)?;
            journal.into_iter().rev().find(|entry| entry.path == request.path).and_then(|entry| entry.output)
        }
        None => None,
    };
    match left {
        Some((_, json)) => Ok(json),
        None => called(run, aggregation, Vec::new()).map_err(Halt::Failed),
    }
}

fn aggregation(run: &StepRun<'_>) -> Option<Aggregation> {
    run.info.options.partitioning?.aggregator
}

fn called(
    run: &StepRun<'_>,
    aggregation: Aggregation,
    parts: Vec<Option<serde_json::Value>>,
) -> Result<String, Failure> {
    panic::catch(|| (aggregation.aggregate)(&run.scope, parts))
        .and_then(|called| called)
        .map_err(|failure| failure.in_component(aggregation.name).during(Phase::Aggregate))
}
