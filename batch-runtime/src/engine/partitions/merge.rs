//! Merges the output of the partitions of a step. The result is exact even if the process dies during the merge.
//!
//! The step's own writer is opened before the partitions begin, and writes nothing until all of them are complete. Then
//! it appends their output and is sealed, and its sealed position is committed with the step. A restart before that
//! commit merges from scratch. After the commit the files of the partitions are no longer needed, and the remaining
//! work (a rename, and the removal of those files) can be repeated safely.

use crate::definition::{Failure, Partitionable, Phase};
use crate::engine::chunk::checkpoint::{self, Checkpoint};
use crate::engine::step::{Halt, Moments, StepRun};
use crate::repository::{ChunkRecord, ContextMap, Counters, PartitionExecution, RepositoryError};

pub(super) struct Merging<W> {
    writer: W,
    /// True if an earlier execution has committed the sealed position.
    sealed: bool,
}

impl<W: Partitionable> Merging<W> {
    pub(super) fn open(run: &StepRun<'_>, mut writer: W) -> Result<Self, Failure> {
        let from = run.inherited.writer.as_deref().map(checkpoint::decode).transpose()?;
        let sealed = from.is_some();
        writer.mark(run.mark);
        if run.owner_may_live {
            writer.take_over();
        }
        writer.open(from).map_err(|error| run.of_role(Failure::new(error), "writer").during(Phase::Open))?;
        Ok(Self { writer, sealed })
    }

    pub(super) fn finish(
        mut self,
        run: &StepRun<'_>,
        counters: Counters,
        partitions: &[PartitionExecution],
        context: impl Fn(&PartitionExecution) -> Result<ContextMap, RepositoryError>,
    ) -> Result<(), Halt> {
        let failed = |failure: Failure| Halt::Failed(run.blame(failure, Phase::Write));
        let mut checkpoint = run.inherited.clone();
        let mut moved = false;
        if !self.sealed {
            let begin = checkpoint::encode(&self.writer.position()).map_err(Halt::Failed)?;
            let positions = positions::<W>(partitions, context)?;
            self.writer.merge(positions).map_err(Failure::new).map_err(failed)?;
            self.writer.seal(run.durability).map_err(Failure::new).map_err(failed)?;
            let position = checkpoint::encode(&self.writer.position()).map_err(Halt::Failed)?;
            if position != begin {
                checkpoint.writer = Some(position);
                moved = true;
            }
        }
        // An aggregator may have put values into the step's context.
        if moved || run.context().values.changed() {
            let mut record = ChunkRecord { counters, ..ChunkRecord::default() };
            let mut held = Moments::default();
            let stored = run.commit_record(&mut record, |record| {
                held = run.add_contexts(checkpoint.clone(), record)?;
                Ok(())
            })?;
            run.settle(held, stored);
        }
        self.writer.finish(run.durability).map_err(Failure::new).map_err(failed)?;
        let many = u32::try_from(partitions.len()).unwrap_or(u32::MAX);
        self.writer.clear(many).map_err(Failure::new).map_err(failed)
    }
}

/// The sealed positions of the partitions' writers. A zero-sized position holds no information and is not looked up.
fn positions<W: Partitionable>(
    partitions: &[PartitionExecution],
    context: impl Fn(&PartitionExecution) -> Result<ContextMap, RepositoryError>,
) -> Result<Vec<Option<W::Position>>, Halt> {
    if const { size_of::<W::Position>() == 0 } {
        return Ok(partitions.iter().map(|_| None).collect());
    }
    let mut positions = Vec::with_capacity(partitions.len());
    for partition in partitions {
        let mut context = context(partition).map_err(Halt::Lost)?;
        let written = Checkpoint::take(&mut context).map_err(Halt::Failed)?.writer;
        positions.push(written.as_deref().map(checkpoint::decode).transpose().map_err(Halt::Failed)?);
    }
    Ok(positions)
}
