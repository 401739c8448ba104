//! Commits the chunks of a step test in the test's own database.

use std::fmt;

use rusqlite::TransactionBehavior;

use crate::definition::{ChunkTransaction, Failure, Sqlite};
use crate::repository::{ChunkError, ChunkRecord, ChunkSession, ChunkWork, Committed, RepositoryError};

/// A connection on which each chunk is one transaction. Only the rows are stored.
pub(super) struct RowsOnly {
    connection: rusqlite::Connection,
    place: String,
}

impl RowsOnly {
    pub(super) fn open(database: &Sqlite) -> Result<Self, Failure> {
        let connection = database.connect().map_err(Failure::new)?;
        Ok(Self { connection, place: database.path().display().to_string() })
    }
}

impl fmt::Debug for RowsOnly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowsOnly").field("place", &self.place).finish_non_exhaustive()
    }
}

impl ChunkSession for RowsOnly {
    fn commit(
        &mut self,
        record: &mut ChunkRecord,
        work: &mut ChunkWork<'_>,
    ) -> Result<Committed, ChunkError> {
        let Self { connection, place } = self;
        let failed =
            |error: rusqlite::Error| RepositoryError::Database { place: place.clone(), source: error.into() };
        let transaction =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        work(&ChunkTransaction::sqlite(&transaction), record).map_err(ChunkError::Work)?;
        if transaction.is_autocommit() {
            return Err(RepositoryError::TransactionEnded.into());
        }
        transaction.commit().map_err(|error| ChunkError::Work(Failure::new(error)))?;
        Ok(Committed { stop_requested: false })
    }
}
