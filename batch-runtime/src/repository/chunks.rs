//! The one place where the chunks of a step are committed.

use std::fmt;
use std::sync::Arc;

use super::mirror::Mirror;
use super::{ChunkError, Counters, Reached, SkippedItem};
use crate::definition::{ChunkTransaction, Failure};

/// The record of a chunk, committed together with its rows.
#[derive(Debug, Clone, Default)]
pub struct ChunkRecord {
    /// The counters of the step execution, including this chunk.
    pub counters: Counters,
    /// The whole context of the step with the checkpoint, as [`encode_context`](super::encode_context) writes it.
    pub context: String,
    /// The values of the job's context that a component changed, written in the same way. The other values stay, since
    /// branches of a split commit concurrently.
    pub job_context: Option<String>,
    /// The items that this chunk skipped, in the order of the input, stored with it. The caller clears it
    /// before the next chunk.
    pub skipped: Vec<SkippedItem>,
    /// The limit for the skips of this chunk, if other processes skip items of the same step. The caller sets it for each
    /// chunk.
    pub skip_room: Option<SkipRoom>,
    /// How far the step execution has come, for display in other processes. A session stores it with some of the
    /// chunks, at the [interval](super::Intervals::mirror) of its repository.
    pub reached: Option<Reached>,
}

/// The limit for the skips of a partition's chunk. It is checked in the chunk's own transaction, during which no other
/// process can add skips.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkipRoom {
    /// The step of the partition.
    pub step: Arc<str>,
    /// The chunk is committed only if all partitions of the step together have committed fewer skips than this.
    pub below: u64,
}

/// The result of a chunk's commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// A stop was requested through the repository.
    pub stop_requested: bool,
}

impl Committed {
    /// What is stored of the chunk if it was committed in the repository's own database: everything.
    pub(crate) const fn in_repository(self) -> Stored {
        Stored { stop_requested: self.stop_requested, has_job_context: true }
    }
}

/// What is stored of a committed chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// A stop was requested through the repository.
    pub stop_requested: bool,
    /// Whether the repository has the record's changes to the job's context. If not, they have to be stored again.
    pub has_job_context: bool,
}

/// The work of a chunk: writes its rows in the transaction and fills in its record. It is called once.
pub type ChunkWork<'w> = dyn FnMut(&ChunkTransaction<'_>, &mut ChunkRecord) -> Result<(), Failure> + 'w;

/// The connection on which one step execution commits its chunks, in the repository's database or in another.
pub trait ChunkSession: Send + fmt::Debug {
    /// Commits one chunk: begins the transaction, calls `work`, adds counters, context, skipped items and the fence,
    /// and commits. A session in a database other than the repository's never reports a stop.
    ///
    /// # Errors
    /// If `work` or the commit fails, or the job is asked to stop while waiting for a lock. In every case nothing of
    /// the chunk stays in the database.
    fn commit(&mut self, record: &mut ChunkRecord, work: &mut ChunkWork<'_>)
    -> Result<Committed, ChunkError>;

    /// Returns the session as one in which the next chunk can be written while a commit is in flight, if it can.
    fn pipelined(&mut self) -> Option<&mut dyn PipelinedSession> {
        None
    }
}

/// Writes the rows of a chunk ahead. It is called at most once.
pub type AheadWork<'w> = dyn FnMut(&ChunkTransaction<'_>) + 'w;

/// A session in which the next chunk can be written while the commit of the previous one is in flight.
///
/// The calls alternate: [`send`](Self::send), optionally [`write_ahead`](Self::write_ahead), then
/// [`outcome`](Self::outcome), and again. So a `COMMIT` is only sent when the previous one is confirmed.
pub trait PipelinedSession {
    /// Does what [`ChunkSession::commit`] does up to sending `COMMIT`, and does not wait for its outcome. If a transaction
    /// was begun ahead and is still open, the work is done in it.
    ///
    /// # Errors
    /// As [`ChunkSession::commit`]. There is then no outcome to wait for.
    fn send(&mut self, record: &mut ChunkRecord, work: &mut ChunkWork<'_>) -> Result<(), ChunkError>;

    /// Begins the transaction of the next chunk, and calls `write` to write its rows. Returns false without that call if
    /// the connection is lost.
    fn write_ahead(&mut self, write: &mut AheadWork<'_>) -> bool;

    /// Waits for the outcome of the commit that was sent last. `record` is the one that it was sent with.
    ///
    /// # Errors
    /// If nothing of the chunk is committed. A transaction that was begun ahead is then rolled back.
    fn outcome(&mut self, record: &ChunkRecord) -> Result<Outcome, ChunkError>;
}

/// The outcome of a commit that took effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// The result of the commit.
    pub committed: Committed,
    /// Whether a transaction was begun ahead and is still open. If it was begun and is not open, it is rolled back.
    pub is_ahead: bool,
}

/// The only place where the chunks of one step execution are committed.
#[derive(Debug)]
pub struct ChunkStore(Option<Kept>);

#[derive(Debug)]
struct Kept {
    session: Box<dyn ChunkSession>,
    /// `None` if the session is in the repository's own database.
    mirror: Option<Box<Mirror>>,
}

impl ChunkStore {
    /// Commits nowhere, for a step that runs without a repository.
    #[must_use]
    pub fn nowhere() -> Self {
        Self(None)
    }

    /// Commits in the repository's own database.
    #[must_use]
    pub fn own(session: Box<dyn ChunkSession>) -> Self {
        Self(Some(Kept { session, mirror: None }))
    }

    /// Commits in another database, which the repository follows.
    pub(super) fn followed(session: Box<dyn ChunkSession>, mirror: Mirror) -> Self {
        Self(Some(Kept { session, mirror: Some(Box::new(mirror)) }))
    }

    /// Returns whether the commits of a step are stored anywhere.
    pub(crate) const fn keeps(&self) -> bool {
        self.0.is_some()
    }

    /// Returns the session as one in which the next chunk can be written while a commit is in flight. That is only
    /// possible in the repository's own database, because the repository follows another one chunk by chunk.
    pub(crate) fn pipelined(&mut self) -> Option<&mut dyn PipelinedSession> {
        match &mut self.0 {
            Some(Kept { session, mirror: None }) => session.pipelined(),
            _ => None,
        }
    }

    /// Commits one chunk: begins the transaction, lets `work` write the rows and fill in the record, adds
    /// counters, context and fence, and commits.
    ///
    /// # Errors
    /// If `work` or the commit fails, or the job is asked to stop while waiting for a lock. In every case
    /// nothing of the chunk stays in the database.
    #[inline]
    pub fn commit(
        &mut self,
        record: &mut ChunkRecord,
        work: impl FnOnce(&ChunkTransaction<'_>, &mut ChunkRecord) -> Result<(), Failure>,
    ) -> Result<Stored, ChunkError> {
        let Some(Kept { session, mirror }) = &mut self.0 else {
            work(&ChunkTransaction::none(), record).map_err(ChunkError::Work)?;
            return Ok(Stored { stop_requested: false, has_job_context: true });
        };
        let mut work = Some(work);
        let committed = session.commit(record, &mut |transaction, record| {
            let once = || Failure::new("the session ran the work of a chunk twice");
            work.take().ok_or_else(once).and_then(|work| work(transaction, record))
        })?;
        match mirror {
            None => Ok(committed.in_repository()),
            Some(mirror) => Ok(mirror.follow(record)?),
        }
    }
}
