//! Sees to it that the transaction of a chunk is ended by the engine alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::Failure;
use crate::repository::RepositoryError;

/// What the hooks of a connection refuse, and what they have seen. Clones share it.
///
/// The hooks are called on the thread that uses the connection, so the order of memory does not matter.
#[derive(Debug, Clone, Default)]
pub(crate) struct TransactionWatch {
    seen: Arc<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// Code of the user runs: nothing is committed, not even a single statement behind a transaction that was lost.
    held: AtomicBool,
    refused: AtomicBool,
    rolled_back: AtomicBool,
}

impl TransactionWatch {
    /// Puts the hooks on a connection.
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

    /// Refuses every commit until what is returned is dropped; to be called when a transaction has begun.
    pub(crate) fn hold(&self) -> Held<'_> {
        self.began();
        self.seen.refused.store(false, Relaxed);
        self.seen.held.store(true, Relaxed);
        Held(self)
    }

    /// The engine has begun the transaction, perhaps after it rolled an earlier one back.
    pub(crate) fn began(&self) {
        self.seen.rolled_back.store(false, Relaxed);
    }

    /// Has the transaction been rolled back, even if another was begun since?
    pub(crate) fn is_rolled_back(&self) -> bool {
        self.seen.rolled_back.load(Relaxed)
    }

    /// Has a component tried to commit?
    pub(crate) fn has_refused(&self) -> bool {
        self.seen.refused.load(Relaxed)
    }
}

/// See [`TransactionWatch::hold`].
#[derive(Debug)]
pub(crate) struct Held<'w>(&'w TransactionWatch);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.seen.held.store(false, Relaxed);
    }
}

/// The failure of a component that went on though its transaction was lost.
#[cold]
pub(crate) fn ended() -> Failure {
    Failure::new(RepositoryError::TransactionEnded).fatal()
}

/// The failure of a component that tried to commit.
#[cold]
pub(crate) fn refused(failure: Failure) -> Failure {
    failure
        .noting("a component cannot commit the transaction of the chunk: leave `COMMIT` and `ROLLBACK` to the engine")
        .fatal()
}
