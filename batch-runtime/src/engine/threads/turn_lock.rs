//! Receives: what several threads use, one at a time. Gives: each of them its turn, and with it how many commits there are.

use std::sync::PoisonError;

use super::sync::{AtomicU64, Mutex, MutexGuard, Ordering};

/// What is used in turns. Who commits never waits for it.
pub(super) struct TurnLock<T> {
    shared: Mutex<T>,
    commits: AtomicU64,
}

impl<T> TurnLock<T> {
    pub(super) fn new(shared: T) -> Self {
        Self { shared: Mutex::new(shared), commits: AtomicU64::new(0) }
    }

    /// Waits for a turn; gives it with the number of commits, all of which it is to hear of.
    pub(super) fn take(&self) -> (MutexGuard<'_, T>, u64) {
        // What user code panics in is caught under the lock.
        let turn = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        // Not before the lock: whoever committed in between and found it held leaves the word to this turn.
        let commits = self.commits.load(Ordering::Acquire);
        (turn, commits)
    }

    /// There are so many commits: a turn to tell of them, if it is nobody's now. Otherwise the next one hears of them.
    pub(super) fn committed(&self, commits: u64) -> Option<MutexGuard<'_, T>> {
        self.commits.store(commits, Ordering::Release);
        self.shared.try_lock().ok()
    }
}
