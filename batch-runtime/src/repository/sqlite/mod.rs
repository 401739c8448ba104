//! The repository in a `SQLite` file.

use super::{ChunkError, ChunkRecord, Committed};
use crate::definition::{ChunkTransaction, Failure};

/// Where the chunks of one step execution are committed.
#[derive(Debug)]
pub struct ChunkStore {}

impl ChunkStore {
    pub(super) fn commit(
        &mut self,
        _record: &mut ChunkRecord,
        _work: impl FnOnce(&ChunkTransaction<'_>, &mut ChunkRecord) -> Result<(), Failure>,
    ) -> Result<Committed, ChunkError> {
        unimplemented!()
    }
}
