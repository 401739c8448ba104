//! Receives: a call that can go on, on whatever thread. Gives: the thread of the step awake.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Wake;
use std::thread::{self, Thread};
use std::time::Duration;

/// Awakens the thread that waits for a call.
pub(crate) struct StepWaker {
    thread: Thread,
    called: AtomicBool,
}

impl StepWaker {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { thread: thread::current(), called: AtomicBool::new(false) })
    }

    /// Waits until it is called, or so long. User code may have taken the thread's own mark away, so there is another.
    pub(crate) fn wait(&self, at_most: Duration) {
        if !self.called.swap(false, Ordering::Acquire) {
            thread::park_timeout(at_most);
            self.called.store(false, Ordering::Relaxed);
        }
    }
}

impl Wake for StepWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.called.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_before_the_wait_is_not_lost_even_if_the_mark_of_the_thread_is() {
        let step_waker = StepWaker::new();
        Arc::clone(&step_waker).wake();
        thread::park();
        step_waker.wait(Duration::from_hours(1));
        assert!(!step_waker.called.load(Ordering::Relaxed));
    }
}
