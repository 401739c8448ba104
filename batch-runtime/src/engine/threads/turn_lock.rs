//! A mutex that also carries the number of commits, which can be published without waiting for the lock.

use std::sync::PoisonError;

use super::sync::{AtomicU64, Mutex, MutexGuard, Ordering};

/// A value that threads use in turn, with the number of commits. The committing thread never waits for the lock.
pub(super) struct TurnLock<T> {
    value: Mutex<T>,
    commits: AtomicU64,
}

impl<T> TurnLock<T> {
    pub(super) fn new(value: T) -> Self {
        Self { value: Mutex::new(value), commits: AtomicU64::new(0) }
    }

    /// Waits for the lock. Returns it with the number of commits; the holder must notify the value of all of them.
    pub(super) fn lock(&self) -> (MutexGuard<'_, T>, u64) {
        // Panics of user code are caught while the lock is held, so they leave the value intact.
        let turn = self.value.lock().unwrap_or_else(PoisonError::into_inner);
        // Loaded after locking: a thread that commits while another thread holds the lock leaves the notification to
        // the next holder, which must see that commit.
        let commits = self.commits.load(Ordering::Acquire);
        (turn, commits)
    }

    /// Publishes the number of commits. If the lock is free, returns it, so that the caller notifies the value.
    /// Otherwise the next holder of the lock does so.
    pub(super) fn committed(&self, commits: u64) -> Option<MutexGuard<'_, T>> {
        self.commits.store(commits, Ordering::Release);
        self.value.try_lock().ok()
    }
}
