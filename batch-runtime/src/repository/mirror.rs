//! From time to time, copies into the repository what a step has committed in another database.

use std::sync::Arc;
use std::time::Instant;

use super::other_database::{Checkpoints, copy_skipped};
use super::{ChunkRecord, Intervals, Ownership, Repository, RepositoryError, StepCopy, StepRow, Stored};
use crate::definition::StepExecutionId;

/// The part of another database's commits that the repository already has, and the time of the last copy.
#[derive(Debug)]
pub(super) struct Mirror {
    repository: Arc<dyn Repository>,
    owner: Ownership,
    step: StepExecutionId,
    version: i64,
    checkpoints: Arc<dyn Checkpoints>,
    intervals: Intervals,
    copied: Instant,
    polled: Instant,
    stop_requested: bool,
    /// The number of skipped items committed, and how many of them the repository has.
    skipped: u64,
    known: u64,
}

impl Mirror {
    pub(super) fn new(
        repository: Arc<dyn Repository>,
        owner: Ownership,
        row: &StepRow,
        checkpoints: Arc<dyn Checkpoints>,
    ) -> Self {
        let (now, intervals) = (Instant::now(), repository.intervals());
        Self {
            repository,
            owner,
            step: row.id,
            version: row.version,
            checkpoints,
            intervals,
            // The first chunk is copied at once, so that the repository knows of progress no matter how soon the
            // owner dies.
            copied: now.checked_sub(intervals.mirror).unwrap_or(now),
            polled: now,
            stop_requested: false,
            skipped: 0,
            known: 0,
        }
    }

    /// Copies the record if a copy is due, and otherwise checks for a stop if a check is due.
    ///
    /// The chunk is already committed: if the repository fails now, a later call makes up for it, or the end of the
    /// step.
    pub(super) fn follow(&mut self, record: &ChunkRecord) -> Result<Stored, RepositoryError> {
        let now = Instant::now();
        self.skipped += record.skipped.len() as u64;
        // The other database has no place for the job's context.
        let mut has_job_context = record.job_context.is_none();
        let followed = if now - self.copied >= self.intervals.mirror || !has_job_context {
            (self.copied, self.polled) = (now, now);
            self.copy(record)
        } else if now - self.polled >= self.intervals.poll {
            self.polled = now;
            self.repository.stop_requested(self.owner)
        } else {
            return Ok(Stored { stop_requested: self.stop_requested, has_job_context });
        };
        match followed {
            Ok(stop_requested) => {
                self.stop_requested = stop_requested;
                has_job_context = true;
            }
            Err(fenced @ RepositoryError::Fenced { .. }) => return Err(fenced),
            Err(error) => {
                tracing::warn!(%error, "could not copy commits into the repository; will try again");
            }
        }
        Ok(Stored { stop_requested: self.stop_requested, has_job_context })
    }

    fn copy(&mut self, record: &ChunkRecord) -> Result<bool, RepositoryError> {
        if self.skipped > self.known {
            copy_skipped(&*self.repository, self.owner, &*self.checkpoints, self.step)?;
            self.known = self.skipped;
        }
        let stop_requested = self.repository.follow(
            self.owner,
            &StepCopy {
                step: self.step,
                version: self.version,
                counters: &record.counters,
                context: &record.context,
                job_context: record.job_context.as_deref(),
                reached: record.reached,
            },
        )?;
        self.version += 1;
        Ok(stop_requested)
    }
}
