//! Wakes threads that wait for something to do.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Wakes all threads that wait on it or on a clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Wake(Arc<(Mutex<u64>, Condvar)>);

impl Wake {
    /// The current moment. Pass it to `wait_after`, so that no later call of `wake` is missed.
    pub(super) fn now(&self) -> u64 {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the threads that wait, and those that are about to.
    pub(super) fn wake(&self) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.1.notify_all();
    }

    /// Waits for a call of `wake` after `moment`, for at most `most`. Returns whether there was one.
    pub(super) fn wait_after(&self, moment: u64, most: Duration) -> bool {
        let (now, woken) = &*self.0;
        let now = now.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = woken.wait_timeout_while(now, most, |now| *now == moment);
        let (now, _) = waited.unwrap_or_else(PoisonError::into_inner);
        *now != moment
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_before_the_wait_is_not_lost() {
        let wake = Wake::default();
        let moment = wake.now();
        wake.clone().wake();
        assert!(wake.wait_after(moment, Duration::from_mins(1)));
        assert!(!wake.wait_after(wake.now(), Duration::ZERO));
    }
}
