//! Wakes the thread of the step when a call makes progress on another thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Wake;
use std::thread::{self, Thread};
use std::time::Duration;

/// Wakes the thread of the step while it waits for calls.
pub(crate) struct StepWaker {
    thread: Thread,
    woken: AtomicBool,
}

impl StepWaker {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { thread: thread::current(), woken: AtomicBool::new(false) })
    }

    /// Waits until the thread is woken, or for `at_most`. User code may have consumed the thread's park token, so the
    /// wake-up is kept here too.
    pub(crate) fn wait(&self, at_most: Duration) {
        if !self.woken.swap(false, Ordering::Acquire) {
            thread::park_timeout(at_most);
            self.woken.store(false, Ordering::Relaxed);
        }
    }
}

impl Wake for StepWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wake_before_the_wait_is_not_lost_even_if_the_park_token_is() {
        let step_waker = StepWaker::new();
        Arc::clone(&step_waker).wake();
        thread::park();
        step_waker.wait(Duration::from_hours(1));
        assert!(!step_waker.woken.load(Ordering::Relaxed));
    }
}
