//! Receives: what the partitions of a step wrote apart. Gives: it in one piece, exact under a death at any line.
//!
//! The step's own writer is opened before the partitions begin and writes nothing until all are complete. Then it appends
//! what they wrote and is sealed, and the position that says so is committed with the step. Before that commit a restart
//! begins the merge anew, as nothing of it counts; behind it the partitions' files are not needed any more, and what is
//! left (a rename, the removal of those files) may be done twice.

use crate::definition::{Failure, Partitionable, Phase};
use crate::engine::chunk::checkpoint::{self, Checkpoint};
use crate::engine::step::{Halt, StepRun};
use crate::repository::{ChunkRecord, ContextMap, Counters, PartitionExecution, RepositoryError};

pub(super) struct Merging<W> {
    writer: W,
    /// An earlier execution has committed that it is whole.
    sealed: bool,
}

impl<W: Partitionable> Merging<W> {
    pub(super) fn open(run: &StepRun<'_>, mut writer: W) -> Result<Self, Failure> {
        let from = run.inherited.writer.as_deref().map(checkpoint::decode).transpose()?;
        let sealed = from.is_some();
        writer.mark(run.mark);
        if run.forced {
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
            run.store.borrow_mut().commit(&mut record, |_, record| {
                (record.context, record.job_context) = run.contexts(checkpoint)?;
                Ok(())
            })?;
            run.settle();
        }
        self.writer.finish(run.durability).map_err(Failure::new).map_err(failed)?;
        let many = u32::try_from(partitions.len()).unwrap_or(u32::MAX);
        self.writer.clear(many).map_err(Failure::new).map_err(failed)
    }
}

/// Where the partitions' writers were sealed. A position of no size says nothing, and is not looked up.
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
