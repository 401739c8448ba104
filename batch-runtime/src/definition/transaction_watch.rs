//! Ensures that only the engine ends the transaction of a chunk.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::Failure;
use crate::repository::RepositoryError;

/// The hooks of a connection: they refuse commits and record rollbacks. Clones share one state.
///
/// The hooks run on the thread that uses the connection, so memory ordering does not matter.
#[derive(Debug, Clone, Default)]
pub(crate) struct TransactionWatch {
    seen: Arc<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// True while user code runs: every commit is refused then, even that of a single statement after the transaction
    /// was lost.
    held: AtomicBool,
    refused: AtomicBool,
    rolled_back: AtomicBool,
}

impl TransactionWatch {
    /// Installs the hooks on a connection.
    pub(crate) fn on(connection: &mut rusqlite::Connection) -> rusqlite::Result<Self> {
        let watch = Self::default();
        let seen = Arc::clone(&watch.seen);
        connection.commit_hook(Some(move || {
            let held = seen.held.load(Relaxed);
            if held {
                seen.refused.store(true, Relaxed);
            }
            held
        }))?;
        let seen = Arc::clone(&watch.seen);
        connection.rollback_hook(Some(move || seen.rolled_back.store(true, Relaxed)))?;
        Ok(watch)
    }

    /// Refuses every commit until the returned guard is dropped. Call it after a transaction has begun.
    pub(crate) fn hold(&self) -> Held<'_> {
        self.began();
        self.seen.refused.store(false, Relaxed);
        self.seen.held.store(true, Relaxed);
        Held(self)
    }

    /// Records that the engine has begun the transaction, perhaps after it rolled back an earlier one.
    pub(crate) fn began(&self) {
        self.seen.rolled_back.store(false, Relaxed);
    }

    /// Returns whether the transaction was rolled back, even if another has begun since.
    pub(crate) fn is_rolled_back(&self) -> bool {
        self.seen.rolled_back.load(Relaxed)
    }

    /// Returns whether a component has tried to commit.
    pub(crate) fn has_refused(&self) -> bool {
        self.seen.refused.load(Relaxed)
    }
}

/// The guard of [`TransactionWatch::hold`].
#[derive(Debug)]
pub(crate) struct Held<'w>(&'w TransactionWatch);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.seen.held.store(false, Relaxed);
    }
}

/// The failure of a component that continued although its transaction was lost.
#[cold]
pub(crate) fn ended() -> Failure {
    Failure::new(RepositoryError::TransactionEnded).fatal()
}

/// The failure of a component that tried to commit.
#[cold]
pub(crate) fn refused(failure: Failure) -> Failure {
    failure
        .with_note("a component cannot commit the transaction of the chunk: leave `COMMIT` and `ROLLBACK` to the engine")
        .fatal()
}
