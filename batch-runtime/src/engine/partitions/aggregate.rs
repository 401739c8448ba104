//! Calls the aggregator of a step with the states that its partitions have committed.

use serde_json::value::RawValue;

use super::PartitionedRun;
use crate::definition::{Aggregation, Failure, Phase};
use crate::engine::chunk::checkpoint::Checkpoint;
use crate::engine::faults::panic;
use crate::engine::step::{Halt, StepRun};
use crate::repository::PartitionExecution;

impl PartitionedRun<'_> {
    /// Calls the step's aggregator, if there is one. The states stay in the repository, so a restart can call the
    /// aggregator again until the step is complete.
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

fn aggregation(run: &StepRun<'_>) -> Option<Aggregation> {
    run.info.options.partitioning?.aggregator
}

fn called(
    run: &StepRun<'_>,
    aggregation: Aggregation,
    parts: Vec<Option<Box<RawValue>>>,
) -> Result<String, Failure> {
    panic::catch(|| (aggregation.aggregate)(&run.scope, parts))
        .and_then(|called| called)
        .map_err(|failure| failure.in_component(aggregation.name).during(Phase::Aggregate))
}
