//! Receives: a call that can go on, on whatever thread. Gives: the thread of the step awake.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Wake;
use std::thread::{self, Thread};
use std::time::Duration;

/// Awakens the thread that waits for a call.
pub(super) struct Awaken {
    thread: Thread,
    called: AtomicBool,
}

impl Awaken {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { thread: thread::current(), called: AtomicBool::new(false) })
    }

    /// Waits until it is called, or so long. User code may have taken the thread's own mark away, so there is another.
    pub(super) fn wait(&self, at_most: Duration) {
        if !self.called.swap(false, Ordering::Acquire) {
            thread::park_timeout(at_most);
            self.called.store(false, Ordering::Relaxed);
        }
    }
}

impl Wake for Awaken {
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
        let awaken = Awaken::new();
        Arc::clone(&awaken).wake();
        thread::park();
        awaken.wait(Duration::from_hours(1));
        assert!(!awaken.called.load(Ordering::Relaxed));
    }
}
